#!/usr/bin/env python3
"""`diffcut model pull` against a hub on 127.0.0.1 that breaks in every way a network, a disk or a server can."""
import fcntl
import functools
import hashlib
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import checks  # noqa: E402
from checks import check, failures  # noqa: E402
from hub import COMMIT, Hub, blob_name  # noqa: E402

DIFFCUT = os.environ["DIFFCUT"]
SOURCE = os.environ["SOURCE_DIR"]
WAIT = 60  # seconds until a step that should come is given up
NAME = "org/tiny"
FOLDER = "models--org--tiny"
until = functools.partial(checks.until, wait=WAIT)
hub = Hub()


def noise(size, seed):
    return (hashlib.sha256(b"%d" % seed).digest() * (size // 32 + 1))[:size - 4] + b"%04d" % (seed % 10000)


UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
WEIGHTS = noise(3_000_000, 1)
NEEDED = {
    "model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
    "README.md": b"---\nlicense: openrail++\n---\n",
    "LICENSE.md": b"the licence",
    "scheduler/scheduler_config.json": b"{}",
    "unet/config.json": b'{"sample_size": 64}',
    UNET: WEIGHTS,
    "vae/config.json": b'{"latent_channels": 4}',
    "vae/diffusion_pytorch_model.fp16.safetensors": noise(70_000, 2),
    "text_encoder/config.json": b'{"hidden_size": 32}',
    "text_encoder/model.fp16.safetensors": noise(50_000, 3),
    "tokenizer/vocab.json": b'{"a": 0}',
    "tokenizer/merges.txt": b"#version: 0.2\n",
}
OTHERS = {
    "unet/diffusion_pytorch_model.safetensors": noise(9_000, 4),
    "unet/diffusion_pytorch_model.non_ema.safetensors": noise(9_000, 5),
    "unet/diffusion_pytorch_model.bin": noise(9_000, 6),
    "unet/model.onnx": noise(9_000, 7),
    "unet/diffusion_flax_model.msgpack": noise(9_000, 8),
    "vae/diffusion_pytorch_model.safetensors": noise(9_000, 9),
    "vae_decoder/model.onnx": noise(9_000, 10),
    "text_encoder/pytorch_model.bin": noise(9_000, 11),
    "text_encoder/openvino_model.xml": b"<xml>",
    "safety_checker/model.safetensors": noise(9_000, 12),
    "whole.safetensors": noise(9_000, 13),
    "whole.ckpt": noise(9_000, 14),
    ".gitattributes": b"*.bin lfs",
    "images/example.png": noise(9_000, 15),
}


class Case:
    """A fresh cache and a hub without faults."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        hub.reset()
        self.home = tempfile.mkdtemp(prefix="diffcut-hub.")
        self.cache = os.path.join(self.home, "hub")
        self.folder = os.path.join(self.cache, FOLDER)
        self.errors = self.output = ""
        self.status = None
        self.before = len(failures)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.home, ignore_errors=True)
        if len(failures) > self.before:
            print("  in:", self.name, "\n  status", self.status, "errors:", self.errors[-1500:])

    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items()
                if not k.startswith(("HF_", "HUGGING")) and not k.lower().endswith("_proxy")}
        return {**kept, "HF_HOME": self.home, "HF_ENDPOINT": hub.url, "LC_ALL": "C", "TERM": "dumb", **more}

    def start(self, *arguments, before=None, **more):
        def prepare():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            if before is not None:
                before()

        return subprocess.Popen([DIFFCUT, "model", "pull", *arguments], env=self.environment(**more),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                preexec_fn=prepare)

    def end(self, process):
        self.output, self.errors = process.communicate(timeout=WAIT)
        self.status = process.returncode
        return self

    def pull(self, *arguments, **more):
        return self.end(self.start(*(arguments or (NAME,)), **more))

    def succeeds(self):
        check(self.status == 0, "%s: status %s: %s" % (self.name, self.status, self.errors))
        return self

    def fails(self, *words, status=1):
        check(self.status == status, "%s: status %s, expected %d" % (self.name, self.status, status))
        check(self.output == "" , "%s: output %r" % (self.name, self.output))
        for word in words:
            check(word in self.errors, "%s: errors do not hold %r: %r" % (self.name, word, self.errors))
        return self

    def files(self):
        """Path to content of the snapshot."""
        top = os.path.join(self.folder, "snapshots", COMMIT)
        found = {}
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                check(os.path.islink(path) and not os.path.isabs(os.readlink(path)), "no relative link: " + path)
                found[os.path.relpath(path, top)] = open(path, "rb").read()
        return found

    def is_whole(self, expected=NEEDED):
        found = self.files()
        check(sorted(found) == sorted(expected), "%s: files %s" % (self.name, sorted(found)))
        for path in found:
            check(found[path] == expected.get(path), "%s: content of %s" % (self.name, path))
        blobs = os.listdir(os.path.join(self.folder, "blobs"))
        check(sorted(blobs) == sorted({blob_name(data) for data in expected.values()}),
              "%s: blobs %s" % (self.name, blobs))
        return self

    def has_no_name(self):
        check(not os.path.exists(os.path.join(self.folder, "refs", "main")), self.name + ": refs/main is there")
        return self

    def partial(self, data=WEIGHTS):
        path = os.path.join(self.folder, "blobs", blob_name(data) + ".incomplete")
        return os.path.getsize(path) if os.path.exists(path) else None

    def put_partial(self, content, data=WEIGHTS):
        os.makedirs(os.path.join(self.folder, "blobs"))
        with open(os.path.join(self.folder, "blobs", blob_name(data) + ".incomplete"), "wb") as file:
            file.write(content)


# ------------------------------------------------------------------------------------------------------ faults


def answer(code, **headers):
    def act(handler, path):
        handler.reply(code, b"an error page", **headers)
        return True
    return act


def redirect(to, code=302):
    return lambda handler, path: handler.reply(code, Location=to) or True


def body(data):
    return lambda handler, path: handler.reply(200, data) or True


def break_after(count):
    """The connection breaks after so many bytes of the body."""
    def act(handler, code, rest, headers):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        handler.wfile.write(rest[:count])
        handler.wfile.flush()
        handler.drop()
    return act


def stall_after(count, seconds):
    def act(handler, code, rest, headers):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        handler.wfile.write(rest[:count])
        handler.wfile.flush()
        time.sleep(seconds)
        handler.wfile.write(rest[count:])
    return act


def send_instead(change):
    return lambda handler, code, rest, headers: handler.reply(code, change(rest), **headers)


def send_unsized(change):
    """Without Content-Length: the end is where the connection ends."""
    def act(handler, code, rest, headers):
        handler.send_response(code)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(change(rest))
        handler.close_connection = True
    return act


# ------------------------------------------------------------------------------------------------------ it works


def check_happy_path():
    with Case("a whole pull") as c:
        c.pull().succeeds().is_whole()
        snapshot = os.path.join(c.folder, "snapshots", COMMIT)
        check(c.output == snapshot + "\n", "output %r" % c.output)
        check(open(os.path.join(c.folder, "refs", "main")).read() == COMMIT, "refs/main")
        check("licence: openrail++" in c.errors and "--model org/tiny photo.jpg" in c.errors, "words: " + c.errors)
        for needed in NEEDED:
            check(needed + "  " in c.errors, "no line of " + needed)
        count = len(hub.requests)
        c.pull().succeeds().is_whole()
        check(len(hub.requests) == count + 1, "a second pull asks for more than the listing")
        check("0 B downloaded" in c.errors and "unet/config.json" not in c.errors, "second pull: " + c.errors)
        c.pull("-q", NAME).succeeds()
        check(c.errors == "", "-q: %r" % c.errors)
        c.pull("-v", NAME).succeeds()
        check(UNET + "  3.00 MB, here already" in c.errors, "-v: " + c.errors)
        c.pull("--json", "-q", NAME).succeeds()
        told = json.loads(c.output)
        check(told["path"] == snapshot and told["license"] == "openrail++" and told["downloaded"] == 0 and
              {f["path"]: f["bytes"] for f in told["files"]} == {k: len(v) for k, v in NEEDED.items()}, "%s" % told)


def check_dry_run():
    with Case("dry run") as c:
        c.pull("--dry-run", NAME).succeeds()
        check(not os.path.exists(c.cache), "a dry run made the cache")
        lines = [line.split() for line in c.output.splitlines()]
        check(sorted(line[2] for line in lines) == sorted(NEEDED), "listed: %s" % c.output)
        check([str(len(WEIGHTS)), "-", UNET] in lines, "listed: %s" % c.output)
        check("3.12 MB to download" in c.errors, c.errors)


def check_choices():
    with Case("variants and files") as c:
        c.pull("--variant", "plain", NAME).succeeds()
        expected = {k: v for k, v in NEEDED.items() if not k.endswith(".fp16.safetensors")}
        expected.update({k: OTHERS[k] for k in ("unet/diffusion_pytorch_model.safetensors",
                                                "vae/diffusion_pytorch_model.safetensors")})
        expected["text_encoder/model.fp16.safetensors"] = NEEDED["text_encoder/model.fp16.safetensors"]  # all it has
        c.is_whole(expected)
    with Case("a variant that is not there") as c:
        c.pull("--variant", "int8", NAME).fails("no whole weights of variant 'int8' in unet", "fp16, non_ema, plain")
        c.has_no_name()
    with Case("a single file by name") as c:
        c.pull("--file", "whole.safetensors", NAME).succeeds()
        check(c.files().get("whole.safetensors") == OTHERS["whole.safetensors"] and UNET not in c.files(), "files")
        check("--model %s/whole.safetensors photo.jpg" % c.output.strip() in c.errors, c.errors)
        c.pull("--file", "nothing.safetensors", NAME).fails("org/tiny has no file nothing.safetensors")
        c.pull("--file", "whole.ckpt", NAME).fails("whole.ckpt is no .safetensors file")
    with Case("shards") as c:
        c.pull("org/shards").succeeds()
        check(sorted(os.listdir(os.path.join(c.output.strip(), "unet"))) ==
              ["config.json", "diffusion_pytorch_model-00001-of-00002.safetensors",
               "diffusion_pytorch_model-00002-of-00002.safetensors",
               "diffusion_pytorch_model.safetensors.index.json"], "shards")
        c.pull("org/lacking").fails("no whole fp16, plain or bf16 weights in unet")
    with Case("single files") as c:
        c.pull("org/single").succeeds()
        check(os.listdir(c.output.strip()) == ["only.safetensors"], "single file")
        c.pull("org/several").fails("2 files; choose one by --file: a.safetensors, b.safetensors")
        c.pull("org/pickles").fails("no .safetensors weights in unet; it has pickles")
        c.pull("org/nothing").fails("no model that can be read")
        c.pull("org/taesd").succeeds()
        check(sorted(os.listdir(c.output.strip())) == ["config.json", "diffusion_pytorch_model.safetensors"], "taesd")


def check_revisions():
    with Case("revisions") as c:
        c.pull("org/tiny@refs/pr/1").succeeds().is_whole().has_no_name()
        check(open(os.path.join(c.folder, "refs", "refs", "pr", "1")).read() == COMMIT, "refs/refs/pr/1")
        check(hub.asked("/revision/refs%2Fpr%2F1"), "the revision's slashes")
        c.pull("--revision", COMMIT, NAME).succeeds()
        check(sorted(os.listdir(os.path.join(c.folder, "refs"))) == ["refs"], "a commit got a name")
        c.pull("org/tiny@v9").fails("org/tiny has no revision 'v9'")
        c.pull("org/tiny@../x").fails("'../x' is no name of a revision")
        c.pull("org/tiny@a", "--revision", "b").fails("a revision after '@' and one by --revision", status=2)


def check_names():
    with Case("names") as c:
        for name in ("tiny", "../tiny", "org/..", "org/a/b", "org/a b", "/org/a", "org/", "org/a--b", "-org/a"):
            c.pull("--", name).fails("'%s' is not a name of the form ORG/NAME" % name)
        c.pull("org/\x01").fails("not a name")
        c.pull("--").fails("no model given", status=2)
        check(hub.requests == [], "a wrong name was asked for")
        c.pull("org/unknown").fails("org/unknown: no such model on " + hub.url)
        c.pull(HF_HUB_OFFLINE="1").fails("HF_HUB_OFFLINE is set")
        c.pull(HF_ENDPOINT="ftp://127.0.0.1").fails("the endpoint 'ftp://127.0.0.1' is not of the form")
        c.pull(HF_ENDPOINT="nonsense").fails("the endpoint 'nonsense'")


def check_model_from_cache():
    """What was pulled is what Python's libraries and --model find."""
    tiny = os.path.join(SOURCE, "tests", "data", "tiny-pixel")
    files = {}
    for folder, _, names in os.walk(tiny):
        for name in names:
            path = os.path.join(folder, name)
            files[os.path.relpath(path, tiny)] = open(path, "rb").read()
    hub.repositories["org/tiny-pixel"] = files
    with Case("a real model") as c:
        c.pull("org/tiny-pixel").succeeds()
        found = subprocess.run([DIFFCUT, "model", "info", "--json", c.output.strip()], env=c.environment(),
                               capture_output=True, text=True)
        check(found.returncode == 0 and json.loads(found.stdout)["family"] == "pixel", "info: %s" % found.stderr)
        by_name = subprocess.run([DIFFCUT, "model", "info", "--json", "org/tiny-pixel"], env=c.environment(),
                                 capture_output=True, text=True)
        check(by_name.stdout == found.stdout, "by name: %s" % by_name.stderr)


def check_memory():
    with Case("every allocation failing") as c:
        walked = subprocess.run([os.environ["WALK"], hub.url, c.cache, "org/shards"], env=c.environment(),
                                capture_output=True, text=True)
        check(walked.returncode == 0 and int(walked.stdout) >= 5,
              "walk: %d %s%s" % (walked.returncode, walked.stdout, walked.stderr))


# ------------------------------------------------------------------------------------------------------ it breaks


def check_resume():
    with Case("a break in the middle") as c:
        hub.bodies = [("/blob/" + blob_name(WEIGHTS), [break_after(1_000_000), break_after(500_000)])]
        c.pull().succeeds().is_whole()
        ranges = [headers.get("Range") for _, _, _, headers in hub.asked("/blob/" + blob_name(WEIGHTS))]
        check(len(ranges) == 3 and ranges[0] is None and ranges[1].startswith("bytes=") and
              int(ranges[2][6:-1]) > int(ranges[1][6:-1]), "ranges: %s" % ranges)
        check("trying again in 0.5 s (1 of 5)" in c.errors, c.errors)
    with Case("a break that stays, then another run") as c:
        hub.bodies = [("/blob/" + blob_name(WEIGHTS), [break_after(1_000_000)])]
        c.pull("--retries", "0", NAME).fails("diffcut: ").has_no_name()
        part = c.partial()
        check(part is not None and 0 < part <= 1_000_000, "partial: %s" % part)
        c.pull("--dry-run", NAME).succeeds()
        check("part  " + UNET in c.output, c.output)
        hub.requests.clear()
        c.pull().succeeds().is_whole()
        ranges = [headers.get("Range") for _, _, _, headers in hub.asked("/blob/" + blob_name(WEIGHTS))]
        check(ranges == ["bytes=%d-" % part], "ranges: %s" % ranges)
    with Case("a server that ignores Range") as c:
        hub.ignores_range = True
        c.put_partial(WEIGHTS[:1_000_000])
        c.pull().succeeds().is_whole()
    with Case("a silent server") as c:
        hub.bodies = [("/blob/" + blob_name(WEIGHTS), [stall_after(1_000_000, 4)])]
        c.pull("--timeout", "1", NAME).succeeds().is_whole()
        check("nothing came for 1 seconds; trying again" in c.errors, c.errors)
    with Case("a part that is whole") as c:
        c.put_partial(WEIGHTS)
        c.pull().succeeds().is_whole()
        check(not hub.asked("/blob/" + blob_name(WEIGHTS)), "asked for what was there")
    with Case("a part of something else") as c:
        c.put_partial(b"x" * 1_000_000)
        c.pull().succeeds().is_whole()
        check("wrong hash" in c.errors and "from the beginning" in c.errors, c.errors)
    with Case("a part that is too long") as c:
        c.put_partial(WEIGHTS + b"more")
        c.pull().succeeds().is_whole()
    with Case("a blob of the wrong size") as c:
        c.put_partial(b"")
        os.rename(os.path.join(c.folder, "blobs", blob_name(WEIGHTS) + ".incomplete"),
                  os.path.join(c.folder, "blobs", blob_name(WEIGHTS)))
        c.pull().succeeds().is_whole()


def check_wrong_content():
    small = "unet/config.json"
    for what, path, data in (("SHA-256", UNET, WEIGHTS), ("git's hash", small, NEEDED[small])):
        place = "/blob/" + blob_name(data) if path == UNET else "/resolve/.*" + small
        with Case("wrong content, " + what) as c:
            hub.bodies = [(place, [send_instead(lambda rest: rest[:-1] + b"?")])]
            c.pull().fails("%s: wrong hash: " % path, "must be " + blob_name(data)).has_no_name()
            check(c.partial(data) is None, "the wrong content was kept")
            check(not os.path.exists(os.path.join(c.folder, "blobs", blob_name(data))), "the wrong content got a name")
            c.pull().succeeds().is_whole()
        with Case("too long, " + what) as c:
            hub.bodies = [(place, [send_instead(lambda rest: rest + b"more")])]
            c.pull().fails("%s: the server sends %d bytes, its listing says %d" % (path, len(data) + 4, len(data)))
            check(c.partial(data) is None, "the long content was kept")
        with Case("too long and unsized, " + what) as c:
            hub.bodies = [(place, [send_unsized(lambda rest: rest + b"more")])]
            c.pull().fails("%s: the server sends more than the %d bytes" % (path, len(data)))
        with Case("too short, " + what) as c:
            hub.bodies = [(place, [send_instead(lambda rest: rest[:-4])])]
            c.pull().fails("%s: the server sends %d bytes, its listing says %d" % (path, len(data) - 4, len(data)))
        with Case("too short and unsized, " + what) as c:
            hub.bodies = [(place, [send_unsized(lambda rest: rest[:-4])])]
            c.pull("--retries", "0", NAME).fails("%s: the server ended after %d of %d bytes" %
                                                 (path, len(data) - 4, len(data)))
            c.pull().succeeds().is_whole()


def check_refusals():
    for code, words in ((401, ("there is no such model, or it wants a login (401)", "set HF_TOKEN", hub.url + "/org/tiny")),
                        (403, ("not allowed (403)", "accept its licence on %s/org/tiny" % hub.url)),
                        (404, ("no such model",)), (400, ("the server answers 400",))):
        with Case("listing %d" % code) as c:
            hub.faults = [("/api/", [answer(code)])]
            c.pull().fails(*words)
            check(len(hub.requests) == 1, "tried again")
        with Case("file %d" % code) as c:
            hub.faults = [("/resolve/.*/" + UNET, [answer(code)])]
            c.pull().fails("(%d)" % code if code != 400 else "400", UNET).has_no_name()
    with Case("a token that is refused") as c:
        hub.faults = [("/api/", [answer(401)])]
        c.pull(HF_TOKEN="hf_secret").fails("does not take the token of HF_TOKEN")
        check("hf_secret" not in c.errors, "the token was printed")


def check_patience():
    with Case("429 with Retry-After") as c:
        hub.faults = [("/api/", [answer(429, Retry_After="1")])]
        start = time.monotonic()
        c.pull().succeeds().is_whole()
        check(time.monotonic() - start >= 1, "Retry-After was not obeyed")
        check("too many requests (429); try later; trying again in 1.0 s (1 of 5)" in c.errors, c.errors)
    with Case("500 twice") as c:
        hub.faults = [("/blob/", [answer(500), answer(503)])]
        c.pull().succeeds().is_whole()
        check("the server answers 503; trying again in 1.0 s (2 of 5)" in c.errors, c.errors)
    with Case("500 for ever") as c:
        hub.faults = [("/api/", [answer(500)])]
        hub.forever = True
        c.pull("--retries", "2", NAME).fails("diffcut: org/tiny: the server answers 500")
        check(len(hub.requests) == 3, "%d requests" % len(hub.requests))
    with Case("nobody listens") as c:
        c.pull("--retries", "1", NAME, HF_ENDPOINT="http://127.0.0.1:1").fails("http://127.0.0.1:1: ", "(1 of 1)")


# ------------------------------------------------------------------------------------------------------ redirects


def check_redirects():
    tiny = "/org/tiny/resolve/%s/unet/config.json" % COMMIT
    with Case("the token and redirects") as c:
        hub.faults = [("^/api/", [redirect("/moved" + "/api/models/org/tiny/revision/main")]),
                      ("^/moved/", [lambda handler, path: handler.listing(hub, NAME, "main") or True])]
        c.pull(HF_TOKEN="hf_secret").succeeds().is_whole()
        main = [headers.get("Authorization") for cdn, _, _, headers in hub.requests if not cdn]
        cdn = [headers.get("Authorization") for cdn, _, _, headers in hub.requests if cdn]
        check(main and all(token == "Bearer hf_secret" for token in main), "tokens: %s" % main)
        check(len(cdn) == 3 and all(token is None for token in cdn), "the token went elsewhere: %s" % cdn)
        check("hf_secret" not in c.errors + c.output, "the token was printed")
    with Case("the stored token") as c:
        with open(os.path.join(c.home, "token"), "w") as file:
            file.write("hf_stored\n")
        c.pull().succeeds()
        check(hub.requests[0][3].get("Authorization") == "Bearer hf_stored", "the stored token was not used")
        hub.requests.clear()
        c.pull(HF_TOKEN="hf_other").succeeds()
        check(hub.requests[0][3].get("Authorization") == "Bearer hf_other", "HF_TOKEN does not go first")
        c.pull(HF_TOKEN="hf\r\nX-Evil: 1").fails("the token is empty or holds spaces or control characters")
    with Case("a redirect loop") as c:
        hub.faults = [(tiny, [redirect(tiny)])]
        hub.forever = True
        c.pull().fails("more than 10 redirects")
    for to in ("file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/x"):
        with Case("a redirect to " + to) as c:
            hub.faults = [(tiny, [redirect(to)])]
            c.pull().fails("redirects to what is no http or https address")


# ------------------------------------------------------------------------------------------------------ hostile servers


def check_hostile_listings():
    item = {"rfilename": "unet/config.json", "size": 2, "blobId": "0" * 40}
    for path in ("../evil", "/etc/evil", "a/../../evil", "a\\b", "a/\u0001b", "a//b", "./a", "a/.", "", "a/", "x" * 300,
                 "a/\n"):
        with Case("the path %r" % path) as c:
            hub.listing_changes = {"siblings": [item, dict(item, rfilename=path)]}
            c.pull().fails("the server's list of files: ")
            check(not os.path.exists(c.folder), "something was written")
    with Case("twice the same path") as c:
        hub.listing_changes = {"siblings": [item, item]}
        c.pull().fails("'unet/config.json' is listed twice")
    for change, words in (({"sha": "../../x"}, "sha is no commit"), ({"sha": 7}, "sha is 7"),
                          ({"sha": None}, "sha is missing"), ({"siblings": []}, "siblings"),
                          ({"siblings": [7]}, "no object"), ({"siblings": {}}, "siblings is an object"),
                          ({"siblings": [dict(item, blobId="../x")]}, "blobId is no hash"),
                          ({"siblings": [dict(item, lfs={"sha256": "A" * 64})]}, "sha256 is no hash"),
                          ({"siblings": [dict(item, size=-1)]}, "size is -1"),
                          ({"siblings": [dict(item, size="2")]}, 'size is "2"'),
                          ({"siblings": [dict(item, size=1e300)]}, "size is 1e+300"),
                          ({"siblings": [{"rfilename": "f%d" % i} for i in range(20001)]}, "siblings is a list of 20001")):
        with Case("the listing %.60s" % change) as c:
            hub.listing_changes = change
            c.pull().fails("the server's list of files: ", words)
    for data, words in ((b"{", "not valid JSON"), (b"[]", "not an object"), (b"", "not valid JSON"),
                        (b"<html>", "not valid JSON"), (b'{"a":' * 100, "nested 100 deep"),
                        (b'{"a": "' + b"x" * (8 << 20) + b'"}', "larger than 8388608 bytes")):
        with Case("the listing's text %.20r" % data) as c:
            hub.faults = [("/api/", [body(data)])]
            c.pull().fails(words)


def check_bare_listing():
    with Case("a listing without sizes and hashes") as c:
        hub.bare_listing = True
        c.pull().succeeds().is_whole()
        check(all(not cdn for cdn, method, _, _ in hub.requests if method == "HEAD"), "HEAD went to the other origin")
    for etag in ("../../../evil", "a/b", "", "0" * 39, "G" * 64):
        with Case("the etag %r" % etag) as c:
            hub.bare_listing = True
            hub.etag = etag or " "
            c.pull().fails("names no SHA-256 and no git hash")


def check_links_in_cache():
    with Case("a link in the cache that leads out") as c:
        outside = os.path.join(c.home, "outside")
        os.makedirs(os.path.join(c.folder, "snapshots", COMMIT))
        os.mkdir(outside)
        os.symlink(outside, os.path.join(c.folder, "snapshots", COMMIT, "unet"))
        c.pull().fails("config.json: Not a directory")
        check(os.listdir(outside) == [], "written outside: %s" % os.listdir(outside))
    with Case("a link in place of the part") as c:
        outside = os.path.join(c.home, "outside")
        with open(outside, "w") as file:
            file.write("mine")
        os.makedirs(os.path.join(c.folder, "blobs"))
        os.symlink(outside, os.path.join(c.folder, "blobs", blob_name(WEIGHTS) + ".incomplete"))
        c.pull().fails(".incomplete: Too many levels of symbolic links")
        check(open(outside).read() == "mine", "written outside")
    with Case("a cache that cannot be made") as c:
        with open(c.cache, "w") as file:
            file.write("no folder")
        c.pull().fails("Not a directory")


# ------------------------------------------------------------------------------------------------------ this machine


def check_full_disk():
    with Case("a full disk") as c:
        c.pull(before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)))
        c.fails(UNET + ": cannot write", "File too large; what is there is kept, run again when there is room")
        check(c.partial() == 1_000_000, "partial: %s" % c.partial())
        c.has_no_name()
        c.pull().succeeds().is_whole()
    with Case("no room for it") as c:
        huge = dict(rfilename="unet/diffusion_pytorch_model.safetensors", size=4 << 40, blobId="0" * 40)
        hub.listing_changes = {"siblings": [dict(huge, rfilename="unet/config.json", size=2), huge]}
        c.pull().fails("too little room on the disk: 4398046.5 MB are needed")


def check_two_at_once():
    with Case("two pulls at once") as c:
        hub.bodies = [("/blob/" + blob_name(WEIGHTS), [stall_after(1_000_000, 2)])]
        first = c.start(NAME)
        until(lambda: (c.partial() or 0) > 0, "the first pull's part")
        second = c.start(NAME)
        _, errors = first.communicate(timeout=WAIT)
        c.end(second).succeeds().is_whole()
        check(first.returncode == 0, "first: %s" % errors)
        check(UNET + ": another process is downloading it; waiting" in c.errors, c.errors)
        check(len(hub.asked("/blob/" + blob_name(WEIGHTS))) == 1, "downloaded twice")


def check_interrupt():
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with Case("signal %d" % number) as c:
            hub.bodies = [("/blob/" + blob_name(WEIGHTS), [stall_after(1_000_000, 3)])]
            process = c.start(NAME)
            until(lambda: (c.partial() or 0) > 0, "a part")
            process.send_signal(number)
            c.end(process).fails("interrupted; what came is kept, run again to go on", status=status).has_no_name()
            check(c.partial() is not None, "the part was removed")
            c.pull().succeeds().is_whole()
    with Case("a signal while waiting to try again") as c:
        hub.faults = [("/api/", [answer(503, Retry_After="100")])]
        process = c.start(NAME)
        until(lambda: hub.requests, "a request")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        c.end(process).fails("interrupted", status=130)


def check_bar():
    """On a terminal a bar of one line, which leaves nothing behind."""
    with Case("on a terminal") as c:
        hub.bodies = [("/blob/" + blob_name(WEIGHTS), [stall_after(1_000_000, 2.5)])]
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 90, 0, 0))
        process = subprocess.Popen([DIFFCUT, "model", "pull", NAME], env=c.environment(TERM="xterm"), stderr=slave,
                                   stdout=subprocess.PIPE)
        os.close(slave)
        shown = b""
        while select.select([master], [], [], WAIT)[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        c.output, c.status, c.errors = process.communicate()[0].decode(), process.returncode, shown.decode()
        os.close(master)
        c.succeeds().is_whole()
        bar = r"\[#+ *\] [0-9.]+ MB of 3\.12 MB  [0-9.]+ .B/s  0:\d\d left  unet/diffusion"
        check(re.search(bar, c.errors), "no bar: %r" % c.errors[-1500:])
        lines = re.split(r"[\r\n]+", c.errors.replace("\x1b[K", ""))
        check(all(len(line) < 90 for line in lines if line.startswith("[")), "a bar wider than the terminal")
        check("\r\x1b[Korg/tiny: 12 files" in c.errors, "the bar stays: %r" % c.errors[-500:])


def check_encryption():
    """https, with a certificate of our own: used when trusted, refused when not, never left for http."""
    if shutil.which("openssl") is None:
        print("  openssl is not installed: https was not tried")
        return
    with Case("https") as c:
        key, certificate = os.path.join(c.home, "key.pem"), os.path.join(c.home, "certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True,
                       capture_output=True)
        url = hub.encrypted(key, certificate)
        c.pull("--retries", "0", NAME, HF_ENDPOINT=url).fails(url + ": ", "certificate")
        hub.requests.clear()
        c.pull(NAME, HF_ENDPOINT=url, CURL_CA_BUNDLE=certificate).fails("redirects to unencrypted http; refused")
        check(not any(cdn for cdn, *_ in hub.requests), "went to http")
        hub.repositories[NAME + "-small"] = {"small.safetensors": b"small"}
        c.pull(NAME + "-small", HF_ENDPOINT=url, CURL_CA_BUNDLE=certificate).succeeds()
        check(os.listdir(c.output.strip()) == ["small.safetensors"], "https")


def main():
    tensors = noise(5_000, 20)
    config = {"unet/config.json": b"{}"}
    shard = "unet/diffusion_pytorch_model-0000%d-of-00002.safetensors"
    shards = {shard % 1: tensors, shard % 2: noise(5_000, 21),
              "unet/diffusion_pytorch_model.safetensors.index.json": b'{"weight_map": {}}'}
    hub.repositories.update({
        NAME: dict(NEEDED, **OTHERS),
        "org/shards": dict(config, **shards),
        "org/lacking": dict(config, **{k: v for k, v in shards.items() if "00002-of" not in k}),
        "org/single": {"only.safetensors": tensors, "only.ckpt": tensors},
        "org/several": {"a.safetensors": tensors, "b.safetensors": tensors},
        "org/pickles": dict(config, **{"unet/diffusion_pytorch_model.bin": tensors}),
        "org/nothing": {"notes.txt": b"nothing"},
        "org/taesd": {"config.json": b"{}", "diffusion_pytorch_model.safetensors": tensors,
                      "taesd_decoder.safetensors": tensors},
    })
    probe = Case("probe")
    with probe:
        if "not built in" in probe.pull().errors:
            print("skipped: built without libcurl's header")
            return 77
    chosen = sys.argv[1:]
    for name, test in list(globals().items()):
        if name.startswith("check_") and (not chosen or name in chosen):
            start = time.monotonic()
            test()
            print("%-32s %.1f s" % (name, time.monotonic() - start), flush=True)
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())
