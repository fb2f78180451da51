#!/usr/bin/env python3
"""recompute.py - what `diffcut label` says of a photo's segments, computed again with numpy from golden tensors.

The golden CLIP's dense map and text embeddings are open_clip's; here are only the means over segments, the trunk's and
the projection's heads, cosines and softmax, written from their definitions. Segments come from `diffcut segment` with
the same settings.
"""
import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

try:
    import numpy
    from PIL import Image
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

diffcut = os.environ["DIFFCUT"]
models = pathlib.Path(os.environ["SHARED_DIR"]) / "golden" / "models"
clip = models / "tiny-convnext-clip"
if not clip.is_dir():
    print(f"skipped: {clip} is not there")
    sys.exit(77)

# Texts of the golden file, as names under the template "{}", and which of them each is.
CLASSES = [["cat"], ["a photo of a cat", "a bad photo of the dining table."], ["itap of my bicycle."]]
PLACES = [[1], [2, 3], [6]]
TOLERANCE = 2e-4  # of cosines: the image encoder's 5e-5, through heads that magnify


def tensors(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header, data = json.loads(file.read(length)), file.read()
    kinds = {"F32": "<f4", "U8": "u1", "I64": "<i8", "I32": "<i4"}
    return {name: numpy.frombuffer(data[slice(*about["data_offsets"])], kinds[about["dtype"]]).reshape(about["shape"])
            for name, about in header.items() if name != "__metadata__"}


def layer_norm(x, weight, bias):
    return (x - x.mean()) / math.sqrt(x.var() + 1e-6) * weight + bias


def gelu(x):
    return x * 0.5 * (1 + numpy.vectorize(math.erf)(x / math.sqrt(2)))


golden, weights = tensors(clip / "golden.safetensors"), tensors(clip / "open_clip_model.safetensors")
dense = golden["a.dense_trunk"][0].astype(float)  # (channels, 3, 3)
texts = golden["text.embedding_unit"].astype(float)
scale = min(float(golden["logit_scale_exp"][0]), 100)
photo = golden["a.image_u8"]


def embedding_of(mask):
    """The segment's share of each position's square weighs the dense map; then the heads."""
    rows, columns = dense.shape[1:]
    height, width = mask.shape
    share = mask.reshape(rows, height // rows, columns, width // columns).mean((1, 3))
    mean = (dense * share).sum((1, 2)) / share.sum()
    x = layer_norm(mean, weights["visual.trunk.head.norm.weight"], weights["visual.trunk.head.norm.bias"])
    x = gelu(weights["visual.head.mlp.fc1.weight"].astype(float) @ x + weights.get("visual.head.mlp.fc1.bias", 0))
    x = weights["visual.head.mlp.fc2.weight"].astype(float) @ x + weights.get("visual.head.mlp.fc2.bias", 0)
    return x / numpy.linalg.norm(x)


def check_segment(segment, mask):
    unit = embedding_of(mask)
    cosines = [max(float(texts[place] @ unit) for place in places) for places in PLACES]
    odds = [math.exp(scale * (cosine - max(cosines))) for cosine in cosines]
    order = sorted(range(len(CLASSES)), key=lambda c: -cosines[c])
    assert [match["class"] for match in segment["top"]] == order, (segment["top"], cosines)
    assert segment["class"] == order[0] and segment["name"] == CLASSES[order[0]][0]
    for match in segment["top"]:
        assert abs(match["cosine"] - cosines[match["class"]]) < TOLERANCE, (match, cosines)
        expected = odds[match["class"]] / sum(odds)
        assert abs(match["probability"] - expected) < scale * TOLERANCE, (match, expected)
        assert match["synonym"] in CLASSES[match["class"]]


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.mkdir("clip")
    for source in (clip / "open_clip_config.json", clip / "open_clip_model.safetensors",
                   models / "clip-tokenizer" / "vocab.json", models / "clip-tokenizer" / "merges.txt"):
        os.symlink(source, f"clip/{source.name}")
    Image.fromarray(photo).save("photo.png")
    with open("templates", "w", encoding="utf-8") as file:
        file.write("{}\n")
    cut = ["photo.png", "-q", "--tau", "0.7", "--no-refine"]
    subprocess.run([diffcut, "segment", *cut, "-o", "segments"], check=True)
    subprocess.run([diffcut, "label", *cut, "-o", "names", "--clip", "clip", "--clip-size", str(photo.shape[0]),
                    "--templates", "templates", "--no-names-cache", "--classes",
                    ",".join("|".join(names) for names in CLASSES)], check=True)
    segments = numpy.array(Image.open("segments/photo.png"))
    classes = numpy.array(Image.open("names/photo.png"))
    with open("names/photo.json", encoding="utf-8") as file:
        summary = json.load(file)

assert len(summary["segments"]) >= 3, "a photo of too few segments says little"
for segment in summary["segments"]:
    mask = segments == segment["label"]
    check_segment(segment, mask)
    assert (classes[mask] == segment["class"]).all()
print(f"{len(summary['segments'])} segments agree, of classes {sorted({s['class'] for s in summary['segments']})}")
