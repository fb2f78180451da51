#!/usr/bin/env python3
"""Every golden pipeline through the command, from the picture's file to the hook's output; and the same weights in every
layout people have them in give the same bits. Plain Python; needs the golden folder (skipped without)."""
import array
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from checks import check, conclude  # noqa: E402

DIFFCUT = os.environ["DIFFCUT"]
SOURCE = os.environ["SOURCE_DIR"]
GOLDEN = os.path.join(os.environ["SHARED_DIR"], "golden", "models")
TOLERANCE = 2e-4  # of the golden files: max |error| / rms
TOLERANCE_EPS = 1e-3  # of the models whose activations are nearly constant
# In bf16 each operand of a product is off by up to 2^-9 of itself: tests/nn/CMakeLists.txt says what that came to.
TOLERANCE_BF16 = 0.1
TOLERANCE_BF16_EPS = 0.02


def run(*arguments, **environment):
    return subprocess.run([DIFFCUT, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, **environment))


def read_safetensors(path, name):
    """Shape and values of one float32 tensor."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        start = file.tell()
        entry = header[name]
        assert entry["dtype"] == "F32", entry
        file.seek(start + entry["data_offsets"][0])
        values = array.array("f", file.read(entry["data_offsets"][1] - entry["data_offsets"][0]))
    return entry["shape"], values


def read_npy(path):
    with open(path, "rb") as file:
        assert file.read(8) == b"\x93NUMPY\x01\x00"
        header = file.read(struct.unpack("<H", file.read(2))[0]).decode()
        assert "'<f4'" in header and "'fortran_order': False" in header, header
        shape = [int(n) for n in header.split("(")[1].split(")")[0].split(",") if n.strip()]
        return shape, array.array("f", file.read())


def features(model, picture, output, *options, **environment):
    """Writes the picture's features; returns what the command said if it failed."""
    done = run("features", picture, "--model", model, "--size", "native", "--force", "-o", output, *options,
               **environment)
    return None if done.returncode == 0 else done.stderr


def golden_features(folder, picture, file="golden.safetensors"):
    """The hook's output as tokens x channels: attention gives (1, tokens, c)."""
    shape, values = read_safetensors(os.path.join(folder, file), picture + ".features")
    return shape[1:], values


def check_parity(folder, picture, tolerance, *options, file="golden.safetensors"):
    what = "%s %s %s" % (os.path.basename(folder), picture, " ".join(options))
    error = features(folder, os.path.join(folder, picture + ".png"), "f.npy", *options)
    check(error is None, "%s: %s" % (what, error))
    if error is not None:
        return
    shape, computed = read_npy("f.npy")
    (tokens, channels), golden = golden_features(folder, picture, file)
    check(shape[0] * shape[1] == tokens and shape[2] == channels, "%s: shape %s" % (what, shape))
    if len(computed) != len(golden):
        return
    rms = math.sqrt(sum(g * g for g in golden) / len(golden))
    worst = max(range(len(golden)), key=lambda i: abs(computed[i] - golden[i]))
    off = abs(computed[worst] - golden[worst]) / rms
    print("  %-40s %.2g rms" % (what, off))
    check(off <= tolerance, "%s: token %d channel %d is %g, golden %g: %.3g rms, allowed %g" %
          (what, worst // channels, worst % channels, computed[worst], golden[worst], off, tolerance))


def check_pipelines():
    for name in ("tiny-sd1", "tiny-sd2", "tiny-ssd1b", "tiny-vega", "tiny-pixel", "tiny-pixel-eps"):
        folder = os.path.join(GOLDEN, name)
        small = name.endswith("eps")
        tolerance = TOLERANCE_EPS if small else TOLERANCE
        for picture in "abc":
            check_parity(folder, picture, tolerance, "--precision", "f32")
        check_parity(folder, "b", TOLERANCE_BF16_EPS if small else TOLERANCE_BF16, "--precision", "bf16")
        check_parity(folder, "a", tolerance, "--backend", "ref")
    for variant in ("fp16", "bf16"):
        check_parity(os.path.join(GOLDEN, "tiny-ssd1b"), "a", TOLERANCE, "--variant", variant, "--precision", "f32",
                     file="golden_%s.safetensors" % variant)


def link_tree(source, target):
    """A folder of links to the source's files."""
    for folder, _, names in os.walk(source):
        to = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(to, exist_ok=True)
        for name in names:
            os.symlink(os.path.join(folder, name), os.path.join(to, name))


def make_cache(source, root):
    """The folder as the Hugging Face cache keeps it: blobs, and a snapshot of links to them."""
    model = os.path.join(root, "hub", "models--someone--tiny")
    commit = "0123456789abcdef0123456789abcdef01234567"
    os.makedirs(os.path.join(model, "blobs"))
    os.makedirs(os.path.join(model, "refs"))
    with open(os.path.join(model, "refs", "main"), "w") as file:
        file.write(commit)
    for folder, _, names in os.walk(source):
        to = os.path.normpath(os.path.join(model, "snapshots", commit, os.path.relpath(folder, source)))
        os.makedirs(to, exist_ok=True)
        for name in names:
            blob = os.path.join(model, "blobs", "%d" % len(os.listdir(os.path.join(model, "blobs"))))
            shutil.copyfile(os.path.join(folder, name), blob)
            os.symlink(os.path.relpath(blob, to), os.path.join(to, name))


def check_same(what, model, want, *options, **environment):
    error = features(model, os.path.join(GOLDEN, "tiny-ssd1b", "a.png"), "layout.npy", *options, **environment)
    check(error is None, "%s: %s" % (what, error))
    if error is None:
        check(open("layout.npy", "rb").read() == want, "%s: the features differ from the folder's" % what)


def check_layouts():
    """Bit by bit: the fp16 variant, the same in shards, in a single file, in the cache."""
    plain = os.path.join(GOLDEN, "tiny-ssd1b")
    error = features(plain, os.path.join(plain, "a.png"), "fp16.npy", "--variant", "fp16")
    check(error is None, "the fp16 variant: %s" % error)
    if error is not None:
        return
    want = open("fp16.npy", "rb").read()
    sharded = os.path.join(GOLDEN, "tiny-ssd1b-sharded")
    single = os.path.join(GOLDEN, "tiny-ssd1b-single", "tiny-ssd1b.safetensors")
    check_same("shards", sharded, want)
    check_same("a single file", single, want, "--config", plain)
    make_cache(sharded, "cache")
    check_same("the cache", "someone/tiny", want, HF_HOME=os.path.abspath("cache"))
    check_same("the cache's own variable", "someone/tiny", want, HF_HUB_CACHE=os.path.abspath("cache/hub"))
    link_tree(plain, "only-fp16")
    for folder in ("unet", "vae", "text_encoder", "text_encoder_2"):
        for name in os.listdir(os.path.join("only-fp16", folder)):
            if name.endswith(".safetensors") and ".fp16." not in name:
                os.unlink(os.path.join("only-fp16", folder, name))
    check_same("a folder with fp16 files only", "only-fp16", want)
    missing = run("features", os.path.join(plain, "a.png"), "--model", "someone/absent", "-o", "x.npy",
                  HF_HOME=os.path.abspath("cache"))
    check(missing.returncode == 1 and "model pull" in missing.stderr, "an absent model: %r" % missing.stderr)


def check_older_names():
    """The autoencoder with the names of older files gives the same bits."""
    plain = os.path.join(GOLDEN, "tiny-sd1")
    link_tree(plain, "legacy")
    shutil.rmtree("legacy/vae")
    link_tree(os.path.join(plain, "vae_legacy_keys"), "legacy/vae")
    picture = os.path.join(plain, "a.png")
    for model, output in ((plain, "new.npy"), ("legacy", "old.npy")):
        error = features(model, picture, output)
        check(error is None, "%s: %s" % (model, error))
    check(open("new.npy", "rb").read() == open("old.npy", "rb").read(), "older names change the features")
    check_parity_of_folder = os.path.join(plain, "vae_legacy_keys")
    error = features(plain, picture, "stage.npy", "--first-stage", check_parity_of_folder)
    check(error is None, "--first-stage: %s" % error)
    check(open("new.npy", "rb").read() == open("stage.npy", "rb").read(), "--first-stage changes the features")


def check_context():
    """The context written once serves a checkpoint whose text encoders are gone."""
    plain = os.path.join(GOLDEN, "tiny-vega")
    picture = os.path.join(plain, "a.png")
    error = features(plain, picture, "with.npy")
    check(error is None, "tiny-vega: %s" % error)
    done = run("model", "context", plain, "-o", "context.safetensors")
    check(done.returncode == 0, "model context: %s" % done.stderr)
    link_tree(plain, "mute")
    shutil.rmtree("mute/text_encoder")
    shutil.rmtree("mute/text_encoder_2")
    error = features("mute", picture, "mute.npy")
    check(error is not None and "text_encoder" in error and "--context" in error, "no text encoders: %r" % error)
    error = features("mute", picture, "mute.npy", "--context", "context.safetensors")
    check(error is None, "--context: %s" % error)
    if error is None:
        check(open("with.npy", "rb").read() == open("mute.npy", "rb").read(), "--context changes the features")


def check_tiny_first_stage():
    """AutoencoderTiny in its two layouts, as a first stage of every 4-channel model."""
    taesd = os.path.join(GOLDEN, "tiny-taesd")
    picture = os.path.join(GOLDEN, "tiny-vega", "a.png")
    for source, output in ((taesd, "folder.npy"), (os.path.join(taesd, "taesd_encoder.safetensors"), "file.npy")):
        error = features(os.path.join(GOLDEN, "tiny-vega"), picture, output, "--first-stage", source)
        check(error is None, "%s: %s" % (source, error))
    check(open("folder.npy", "rb").read() == open("file.npy", "rb").read(), "the two layouts of TAESD differ")


def check_segments():
    """The whole command on a full pipeline."""
    folder = os.path.join(GOLDEN, "tiny-sd1")
    done = run(os.path.join(folder, "c.png"), "--model", folder, "-o", "out", "--outputs", "labels,overlay,json")
    check(done.returncode == 0, "segment: %s" % done.stderr)
    check(sorted(os.listdir("out")) == ["c.json", "c.overlay.png", "c.png"], "files: %s" % os.listdir("out"))


def main():
    if not os.path.isdir(GOLDEN):
        print("skipped: no golden folder")
        return 77
    with tempfile.TemporaryDirectory(prefix="diffcut-cli.") as folder:
        os.chdir(folder)
        check_pipelines()
        check_layouts()
        check_older_names()
        check_context()
        check_tiny_first_stage()
        check_segments()
        os.chdir(SOURCE)
    return conclude()


sys.exit(main())
