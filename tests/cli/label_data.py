"""label_data.py - a CLIP folder and a small data set for the tests of label and eval --open-vocabulary.

    python3 label_data.py clip GOLDEN_MODELS FOLDER     the golden ConvNeXt CLIP with its tokenizer
    python3 label_data.py without-text FOLDER NEW       the same without its text tower's tensors
    python3 label_data.py other-width FOLDER NEW        with a text projection to another width than the images'
    python3 label_data.py voc FOLDER COUNT              photos and label maps in PASCAL VOC's layout
"""
import json
import os
import pathlib
import random
import shutil
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import eval_data

WEIGHTS = "open_clip_model.safetensors"


def read(path):
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header, data = json.loads(file.read(length)), file.read()
    return {name: (about["dtype"], about["shape"], data[slice(*about["data_offsets"])])
            for name, about in header.items() if name != "__metadata__"}


def write(path, tensors):
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def clip(models, folder):
    os.makedirs(folder)
    for source, names in (("tiny-convnext-clip", ["open_clip_config.json", WEIGHTS]),
                          ("clip-tokenizer", ["vocab.json", "merges.txt"])):
        for name in names:
            shutil.copy(f"{models}/{source}/{name}", f"{folder}/{name}")


def change(folder, new, edit):
    shutil.copytree(folder, new)
    write(f"{new}/{WEIGHTS}", edit(read(f"{folder}/{WEIGHTS}")))


def without_text(tensors):
    return {name: value for name, value in tensors.items() if name.startswith("visual.") or name == "logit_scale"}


def other_width(tensors):
    dtype, shape, data = tensors["text_projection"]
    less = [shape[0], shape[1] - 4]
    return {**tensors, "text_projection": (dtype, less, data[:len(data) * less[1] // shape[1]])}


def voc(folder, count):
    base = f"{folder}/VOCdevkit/VOC2012"
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        os.makedirs(f"{base}/{name}")
    for number in range(count):
        chance = random.Random(number)
        width, height, across = 90 + 10 * number, 100, chance.randrange(30, 60)
        classes = [0, chance.randrange(1, 21)]
        photo = [[min(255, c + chance.randrange(25)) for x in range(width)
                  for c in eval_data.COLOURS[2 * (x > across)]] for y in range(height)]
        labels = [[255 if y < 3 else classes[x > across] for x in range(width)] for y in range(height)]
        eval_data.write_png(f"{base}/JPEGImages/{number}.jpg", width, height, 2, photo)  # told by its content
        eval_data.write_png(f"{base}/SegmentationClass/{number}.png", width, height, 0, labels)
    with open(f"{base}/ImageSets/Segmentation/val.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{number}\n" for number in range(count))


if __name__ == "__main__":
    kind, first, second = sys.argv[1:]
    if kind == "clip":
        clip(first, second)
    elif kind == "voc":
        voc(first, int(second))
    else:
        change(first, second, {"without-text": without_text, "other-width": other_width}[kind])
