#!/usr/bin/env python3
"""Segments named over HTTP are named as by `diffcut label`; lists that cannot serve are refused in so many words."""
import os
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(here, "..", "cli")]
import label_data
from serving import *

MODELS = os.path.join(os.environ.get("SHARED_DIR", ""), "golden", "models")
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CLASSES = "sky,tree,dog|puppy,cat"


def without_clip():
    with server() as s:
        info = s.get("/v1/info").json()
        equal((info["names"], info["clip"], info["vocabularies"]), (False, None, []), "info without a CLIP")
        tree = s.analyse(png(64, 48))
        answer = s.post("/v1/trees/%s/names?classes=sky" % tree)
        equal((answer.status, answer.error()["code"]), (501, "no_clip"), "names without a CLIP")
        check("--clip" in answer.error()["message"], "what to do: %r" % answer.body)


def bad_lines(clip):
    for options, status, words in ((["--clip-size", "64"], 2, "no --clip"),
                                   (["--clip", "x", "--names-cache", "y", "--no-names-cache"], 2, "exclude each other"),
                                   (["--clip", "/nowhere"], 1, "nowhere"),
                                   (["--clip", os.path.join(SOURCE, "models", "diffcut-tiny")], 1, "naming needs a CLIP"),
                                   (["--clip", clip + ".no-text"] if clip else None, 1, "text")):
        if options is None:
            continue
        ran = subprocess.run([DIFFCUT, "serve", "--port", "0", *options], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=WAIT)
        equal((ran.returncode, ran.stdout), (status, b""), "the end of serve %s" % options)
        check(words in ran.stderr.decode(), "%r is not in %r" % (words, ran.stderr))


def label(folder, photo, *options):
    path = os.path.join(folder, "photo.png")
    with open(path, "wb") as file:
        file.write(photo)
    subprocess.run([DIFFCUT, "label", path, "--clip", os.path.join(folder, "clip"), "--clip-size", "128",
                    "--no-names-cache", "--force", "-q", "-o", os.path.join(folder, "out"), *options], check=True)
    with open(os.path.join(folder, "out", "photo.json"), encoding="utf-8") as file:
        summary = json.load(file)
    files = [open(os.path.join(folder, "out", name), "rb").read() for name in ("photo.png", "photo.overlay.png")]
    return summary, files


def same_as_the_command(s, folder, photo, tree):
    summary, files = label(folder, photo, "--classes", CLASSES, "--background", "anything else", "--tau", "0.6")
    path = "/v1/trees/%s/names" % tree
    fields = {"classes": CLASSES, "background": "anything else", "tau": 0.6}
    answer = s.post(path, json.dumps(fields), headers=JSON)
    equal(answer.status, 200, "names: %r" % answer.body[:300])
    found = answer.json()
    keys = ("label", "area", "class", "name", "synonym", "cosine", "probability", "top", "color", "box")
    equal([[one[key] for key in keys] for one in found["segments"]],
          [[one[key] for key in keys] for one in summary["segments"]], "segments and their names")
    equal([one["name"] for one in found["classes"]], summary["classes"], "classes")
    equal([one["synonyms"] for one in found["classes"]][3], ["dog", "puppy"], "synonyms")
    equal((found["background"], found["void"], found["warnings"], found["tau"]), (0, None, [], 0.6), "what is told")
    for one in found["classes"]:
        mine = [segment for segment in found["segments"] if segment["class"] == one["class"]]
        equal((one["area"], one["segments"]), (sum(segment["area"] for segment in mine), len(mine)), "a class's sums")
        check(all(segment["color"] == one["color"] for segment in mine), "colours of a class")
    form = "classes=sky%2ctree,dog%7Cpuppy%2Ccat&background=anything+else"
    equal(s.post(path + "?tau=0.6", form, headers=FORM).json(), found, "the same by a form and a query")
    query = "?classes=sky,tree,dog%7Cpuppy,cat&background=anything%20else&tau=0.6"
    equal(s.post(path + query).json(), found, "the same by a query alone")
    for name, expected in (("png", files[0]), ("overlay", files[1])):
        answer = s.post(path + "?format=" + name, json.dumps(fields), headers=JSON)
        equal(answer.headers["Content-Type"], "image/png", "the type of " + name)
        check(answer.body == expected, "%s is not the command's file" % name)
    summary, _ = label(folder, photo, "--vocabulary", "voc", "--no-refine", "--tau", "0.4")
    found = s.post(path, json.dumps({"vocabulary": "voc", "tau": 0.4, "refine": False}), headers=JSON).json()
    equal([one["top"] for one in found["segments"]], [one["top"] for one in summary["segments"]], "names of VOC")
    small = s.post(path + "?width=40&vocabulary=voc").json()
    equal((small["width"], small["height"]), (40, 30), "a smaller map")


def refusals(s, tree):
    path = "/v1/trees/%s/names" % tree
    many = ",".join("thing %d" % i for i in range(1001))
    for body, headers, status, code, field, words in (
            ("{}", JSON, 400, "missing_field", "classes", "classes or vocabulary is needed"),
            ('{"classes": ""}', JSON, 400, "bad_value", "classes", "empty"),
            ('{"classes": " "}', JSON, 422, "bad_value", "classes", "empty"),
            ('{"classes": "sky,,tree"}', JSON, 422, "bad_value", "classes", "empty name"),
            ('{"classes": "dog|puppy,Puppy"}', JSON, 422, "bad_value", "classes", "named twice"),
            ('{"classes": "sky", "vocabulary": "voc"}', JSON, 400, "bad_value", "classes", "exclude each other"),
            ('{"vocabulary": "imagenet"}', JSON, 422, "bad_value", "vocabulary", "no vocabulary"),
            ('{"classes": "sky", "background": "Sky"}', JSON, 422, "bad_value", "background", "Sky"),
            (json.dumps({"classes": many}), JSON, 422, "too_many", "classes", "more than the 1000"),
            (json.dumps({"classes": "x" * 1025}), JSON, 422, "bad_value", "classes", "longer than 1024"),
            (b'{"classes": "caf\xe9"}', JSON, 422, "bad_value", "classes", "not UTF-8"),
            ("classes=caf%E9", FORM, 422, "bad_value", "classes", "not UTF-8"),
            ("classes=a%00b", FORM, 400, "bad_value", None, "NUL"),
            ('{"classes": "sky", "classes": "tree"}', JSON, 400, "bad_value", "classes", "given twice"),
            ('{"classes": "sky", "tau": 2}', JSON, 400, "bad_value", "tau", "outside"),
            ('{"classes": "sky", "tau": 0.9}', JSON, 422, "bad_value", "tau", "built to 0.8"),
            ('{"classes": "sky", "format": "npy"}', JSON, 400, "bad_value", "format", "format"),
            ('{"names": "sky"}', JSON, 400, "unknown_field", "names", "not known here"),
            ('{"classes": ["sky"]}', JSON, 400, "bad_json", None, "byte 12"),
            ('{"classes": "sky"', JSON, 400, "bad_json", None, "comma"),
            ('["sky"]', JSON, 400, "bad_json", None, "object"),
            ('{"classes": "sky"} x', JSON, 400, "bad_json", None, "after"),
            ("sky", {"Content-Type": "text/plain"}, 415, "bad_type", "Content-Type", "application/json"),
            (json.dumps({"classes": "x" * 70000}), JSON, 413, "too_large", None, "65536")):
        answer = s.post(path, body, headers=headers)
        error = answer.error()
        equal((answer.status, error["code"], error["field"]), (status, code, field), "the refusal of %.60r" % body)
        check(words in error["message"], "%r is not in %r" % (words, error["message"]))
    equal(s.post("/v1/trees/none/names", '{"classes": "sky"}', headers=JSON).status, 404, "a tree that is not there")


def long_names(s, tree):
    path = "/v1/trees/%s/names" % tree
    fields = {"classes": "cat," + "very " * 90 + "long street"}
    for turn in ("anew", "kept"):
        warnings = s.post(path, json.dumps(fields), headers=JSON).json()["warnings"]
        check(len(warnings) == 1 and "1 name has more than the 77 tokens" in warnings[0], "%s: %r" % (turn, warnings))
    names = s.post(path, json.dumps({"classes": "caf\u00e9|\U0001f415,\u00fcber"}), headers=JSON).json()["classes"]
    equal([one["synonyms"] for one in names], [["caf\u00e9", "\U0001f415"], ["\u00fcber"]], "names beyond ASCII")


def others_are_answered_meanwhile(s, tree):
    """While a list is embedded and the photo looked at, the loop and the light lane answer; who leaves cancels it."""
    path = "/v1/trees/%s/names" % tree
    done = threading.Event()
    classes = ",".join("thing number %d" % i for i in range(1000))

    def ask():
        s.post(path, json.dumps({"classes": classes}), headers=JSON)
        done.set()

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: s.metric("diffcut_jobs_running") == 1 or done.is_set(), "the job")
    cut = s.get("/v1/trees/%s/labels?tau=0.3&width=32" % tree)
    equal((cut.status, done.is_set()), (200, False), "a cut while names are looked for")
    before = s.metric('diffcut_jobs_total{state="cancelled"}')
    body = json.dumps({"classes": classes.replace("thing", "other")}).encode()
    with s.connect() as gone:
        gone.sendall(b"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (path.encode(), s.port, len(body), body))
        until(lambda: s.metric('diffcut_jobs_waiting{queue="compute"}') == 1 or
              done.is_set() and s.metric("diffcut_jobs_running") == 1, "the second job")
    until(lambda: s.metric('diffcut_jobs_total{state="cancelled"}') == before + 1, "the end of a job nobody waits for")
    asking.join()


def main():
    without_clip()
    bad_lines(None)
    if not os.path.isdir(os.path.join(MODELS, "tiny-convnext-clip")):
        print("the golden models are not there: only what needs no CLIP was checked")
        sys.exit(1 if failures else 77)
    with tempfile.TemporaryDirectory(prefix="diffcut-names.") as folder:
        clip = os.path.join(folder, "clip")
        label_data.clip(MODELS, clip)
        label_data.change(clip, clip + ".no-text", label_data.without_text)
        bad_lines(clip)
        photo = png(80, 60)
        with server("--clip", clip, "--clip-size", "128", "--names-cache", os.path.join(folder, "names")) as s:
            info = s.get("/v1/info").json()
            equal((info["names"], info["clip"]), (True, "clip"), "info")
            equal(info["vocabularies"], ["voc", "context", "coco", "ade20k", "cityscapes"], "built-in lists")
            tree = s.analyse(photo)
            same_as_the_command(s, folder, photo, tree)
            refusals(s, tree)
            long_names(s, tree)
            others_are_answered_meanwhile(s, tree)
            kept = [name for _, _, names in os.walk(os.path.join(folder, "names")) for name in names]
            check(any(name.endswith(".features") for name in kept), "nothing in the names' cache: %r" % kept)
    finish()


if __name__ == "__main__":
    main()
