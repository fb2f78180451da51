#!/usr/bin/env python3
"""What the interface promises: results equal the command's, a tree's data cut as the library cuts, jobs and events."""
import os
import re
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from serving import *


def command(*arguments):
    subprocess.run([DIFFCUT, *arguments], check=True, stdout=subprocess.PIPE)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def segments_at(tree, tau):
    """The rule of the documentation: each node's segment, and the label of each segment's node."""
    nodes, segment = tree["nodes"], [0] * len(tree["nodes"])
    for i, (cost, positive, negative, _, _) in enumerate(nodes):
        if positive >= 0:
            splits = segment[i] == i and cost is not None and cost < tau
            segment[positive] = positive if splits else segment[i]
            segment[negative] = negative if splits else segment[i]
    labels = {}
    for leaf in tree["order"]:
        labels.setdefault(segment[leaf], len(labels))
    return segment, labels


def check_info(s):
    info = s.get("/v1/info").json()
    check(re.match(r"\d+\.\d+\.\d+$", info["version"]), "the version: %r" % info["version"])
    equal(info["model"]["name"], "diffcut-tiny", "the model")
    equal(info["limits"]["max_body_bytes"], 32 << 20, "the limit of bodies")
    sizes = {one["name"]: (one["width"], one["height"]) for one in info["samples"]}
    equal(sizes.get("astronaut.png"), (512, 512), "a sample's size")
    for name in sizes:
        equal(s.get("/v1/samples/" + name).body, sample(name), "the sample " + name)
    equal(s.get("/v1/samples/none.png").status, 404, "a sample that is not there")
    equal(s.get("/healthz").json(), {"status": "ok"}, "health")
    head = s.ask("HEAD", "/v1/info")
    equal((head.status, head.body), (200, b""), "HEAD")
    return info


def check_segment(s, folder, photo):
    path = os.path.join(folder, "photo.png")
    with open(path, "wb") as file:
        file.write(photo)
    out = os.path.join(folder, "out")
    command("segment", path, "-o", out, "--tau", "0.5", "--outputs", "labels,overlay,json,coco,npy")
    for name, ending in (("png", ".png"), ("overlay", ".overlay.png"), ("npy", ".npy")):
        answer = s.post("/v1/segment?tau=0.5&format=" + name, photo)
        equal(answer.status, 200, "segment as " + name)
        check(answer.body == read(out + "/photo" + ending), "%s differs from the command's" % name)
    made, coco = json.loads(read(out + "/photo.coco.json")), s.post("/v1/segment?tau=0.5&format=coco", photo).json()

    def masks(document):
        return [(a["area"], a["bbox"], a["segmentation"]) for a in document["annotations"]]

    equal(masks(coco), masks(made), "COCO's masks")
    summary, told = json.loads(read(out + "/photo.json")), s.post("/v1/segment?tau=0.5", photo).json()
    equal([{k: v for k, v in one.items() if k != "node"} for one in told["segments"]], summary["segments"], "segments")
    check(told["seconds"]["features"] > 0, "no time for the features: %r" % told["seconds"])
    for name, ending in (("png", ".png"), ("overlay", ".overlay.png")):
        check(s.get(told["labels"][name]).body == read(out + "/photo" + ending), "the link to %s gives another" % name)
    form = (b"--xyz\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\n"
            b"Content-Type: image/png\r\n\r\n" + photo + b"\r\n--xyz--\r\n")
    answer = s.post("/v1/segment?tau=0.5&format=png", form, headers={"Content-Type": "multipart/form-data; boundary=xyz"})
    check(answer.body == read(out + "/photo.png"), "a form gives another result: %r" % answer.body[:200])


def check_tree(s, folder, photo):
    path, features = os.path.join(folder, "photo.png"), os.path.join(folder, "features.npy")
    command("features", path, "-o", features)
    told = s.get("/v1/info").json()["model"]
    tree_id = s.analyse(photo, "?max_tau=0.9")
    tree = s.get("/v1/trees/" + tree_id).json()
    width, height = tree["grid"]["width"], tree["grid"]["height"]
    equal((tree["id"], tree["max_tau"], tree["alpha"]), (tree_id, 0.9, told["alpha"]), "the tree's head")
    equal(len(tree["leaf_of_token"]), width * height, "tokens")
    for tau in (0, 0.2, 0.4, 0.55, 0.7, 0.9):
        out = os.path.join(folder, "cut.png")
        command("cut", features, "-o", out, "--tau", str(tau), "--alpha", str(told["alpha"]), "--force")
        rows = decode_png_labels(read(out))
        segment, labels = segments_at(tree, tau)
        mine = [labels[segment[leaf]] for leaf in tree["leaf_of_token"]]
        equal(mine, [label for row in rows for label in row], "the tree cut at %g" % tau)
        command("segment", path, "-o", folder + "/cuts", "--tau", str(tau), "--force", "--no-refine", "--outputs", "labels")
        answer = s.get("/v1/trees/%s/labels?tau=%g&refine=0" % (tree_id, tau))
        check(answer.body == read(folder + "/cuts/photo.png"), "labels at %g differ from the command's" % tau)
    leaves = s.get("/v1/trees/%s/leaves?width=64" % tree_id)
    w, h = int(leaves.headers["X-Width"]), int(leaves.headers["X-Height"])
    equal((w, len(leaves.body)), (64, w * h * 2), "leaves' size")
    nodes = set(struct.unpack("<%dH" % (w * h), leaves.body))
    check(nodes <= set(tree["order"]), "pixels of no leaf: %r" % (nodes - set(tree["order"])))
    raw16 = s.get("/v1/trees/%s/labels?tau=0.5&refine=0&format=raw16&width=48" % tree_id)
    shape = int(raw16.headers["X-Width"]), int(raw16.headers["X-Height"])
    equal((shape[0], len(raw16.body)), (48, shape[0] * shape[1] * 2), "raw16 at a width")
    beyond = s.get("/v1/trees/%s/labels?tau=0.95" % tree_id)
    equal((beyond.status, beyond.error()["field"]), (422, "tau"), "a tau beyond the tree")
    check_similarity(s, tree_id, tree)
    check_recut(s, tree_id, photo)
    equal(s.ask("DELETE", "/v1/trees/" + tree_id).status, 204, "deleting a tree")
    gone = s.get("/v1/trees/" + tree_id)
    equal((gone.status, gone.error()["code"]), (404, "no_tree"), "a deleted tree")
    equal(s.ask("DELETE", "/v1/trees/" + tree_id).status, 404, "deleting it again")


def check_similarity(s, tree_id, tree):
    width, height = tree["grid"]["width"], tree["grid"]["height"]
    x, y = tree["width"] // 3, tree["height"] // 2
    answer = s.get("/v1/trees/%s/similarity?x=%d&y=%d&format=raw8" % (tree_id, x, y))
    equal((answer.headers["X-Width"], answer.headers["X-Height"]), (str(width), str(height)), "the heat map's grid")
    token = y * height // tree["height"] * width + x * width // tree["width"]
    equal((answer.body[token], max(answer.body)), (255, 255), "a patch is most like itself")
    check(min(answer.body) < 255, "all patches are alike")
    picture = s.get("/v1/trees/%s/similarity?x=%d&y=%d" % (tree_id, x, y))
    equal(struct.unpack(">II", picture.body[16:24]), (tree["width"], tree["height"]), "the heat map's picture")
    outside = s.get("/v1/trees/%s/similarity?x=%d&y=0" % (tree_id, tree["width"]))
    equal((outside.status, outside.error()["field"]), (422, "x"), "a pixel outside")
    equal(s.get("/v1/trees/%s/similarity?x=1" % tree_id).error()["field"], "y", "a pixel without y")


def check_recut(s, tree_id, photo):
    answer = s.post("/v1/trees/%s/recut?alpha=9&min_tokens=5" % tree_id)
    equal(answer.status, 201, "recut: %r" % answer.body[:200])
    again = s.get("/v1/trees/" + answer.json()["tree"]).json()
    fresh = s.get("/v1/trees/" + s.analyse(photo, "?max_tau=0.9&alpha=9&min_tokens=5")).json()
    equal({k: v for k, v in again.items() if k != "id"}, {k: v for k, v in fresh.items() if k != "id"}, "a recut tree")
    check(all(node[3] >= 5 for node in again["nodes"]), "a node of fewer tokens than asked for")


def check_jobs(s, photo):
    job = s.post("/v1/jobs", photo).json()["id"]
    with s.connect() as connection:
        connection.sendall(b"GET /v1/jobs/%s/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n"
                           % (job.encode(), s.port))
        told = read_all(connection).decode()
    check("text/event-stream" in told, "no event stream: %.200r" % told)
    states = [json.loads(line[6:]) for line in re.findall(r"^data: \{.*$", told, re.M)]
    check(states and states[-1]["state"] == "done", "the events end with %r" % (states[-1:],))
    equal(states[-1], s.get("/v1/jobs/" + job).json(), "the last event")
    check(all(0 <= state["fraction"] <= 1 for state in states), "a fraction outside 0 .. 1")
    failed = s.finished(s.post("/v1/jobs", b"no photo").json()["id"])
    equal((failed["state"], failed["error"]["code"], failed["tree"]), ("failed", "not_a_photo", None), "a failed job")
    equal(s.ask("DELETE", "/v1/jobs/" + job).json()["state"], "done", "cancelling what is done")
    equal(s.get("/v1/jobs/0000").error()["code"], "no_job", "a job that is not there")


def check_store():
    """The least recently used trees make room."""
    photo = png(64, 48)
    with server("--memory", "1500000") as s:
        first, second = s.analyse(photo), s.analyse(photo)
        count = 2
        while s.metric("diffcut_trees_evicted_total") == 0 and count < 40:
            s.get("/v1/trees/" + first)
            s.analyse(photo)
            count += 1
        equal(s.get("/v1/trees/" + first).status, 200, "the tree that was used")
        equal(s.get("/v1/trees/" + second).status, 404, "the tree that was not")
        check(s.metric("diffcut_trees_bytes") <= 1500000, "the store is larger than allowed")
        large = s.finished(s.post("/v1/jobs", png(1000, 700, lambda x, y: (x % 256, 0, 0))).json()["id"])
        equal((large["state"], large["error"]["code"]), ("failed", "too_large"), "a photo larger than the store")
    with server("--keep", "1") as s:
        tree = s.analyse(photo)
        until(lambda: s.metric("diffcut_trees") == 0, "the end of an unused tree")
        equal(s.get("/v1/trees/" + tree).status, 404, "a tree that nobody used")


def main():
    photo = png(96, 64)
    with tempfile.TemporaryDirectory(prefix="diffcut-serve.") as folder, server() as s:
        check(s.url == "http://127.0.0.1:%d/" % s.port, "the address on standard output: %r" % s.url)
        check_info(s)
        check_segment(s, folder, photo)
        check_tree(s, folder, photo)
        check_jobs(s, photo)
    check_store()
    finish()


if __name__ == "__main__":
    main()
