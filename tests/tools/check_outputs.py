"""Reads what tests/io/write_outputs.c writes with numpy, Pillow and pycocotools, and compares it with the maps.

check_outputs.py WRITE_OUTPUTS FOLDER - exits 77 when a package is missing, 1 at the first difference.
"""
import colorsys
import json
import os
import subprocess
import sys

try:
    import numpy as np
    from PIL import Image
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

WIDTH, HEIGHT = 211, 97


def expect(condition, what):
    if not condition:
        sys.exit(f"check_outputs: {what}")


def check_pngs(folder, labels, wide):
    picture = Image.open(os.path.join(folder, "labels.png"))
    expect(picture.mode == "P", f"labels.png has mode {picture.mode}, not P")
    expect(np.array_equal(np.array(picture), labels), "labels.png differs from the map")
    palette = np.array(picture.getpalette()).reshape(-1, 3)[: labels.max() + 1]
    expect(len({tuple(color) for color in palette}) == len(palette), "two labels share a colour")
    expect(palette.max(axis=1).min() > 60, "a colour is nearly black")
    hues = [colorsys.rgb_to_hsv(*(color / 255))[0] for color in palette]
    expect(all(abs(a - b) > 0.05 for a, b in zip(hues, hues[1:])), "labels that follow each other look alike")
    picture = Image.open(os.path.join(folder, "wide.png"))
    expect(picture.mode.startswith("I"), f"wide.png has mode {picture.mode}, not 16-bit grey")
    expect(np.array_equal(np.array(picture), wide), "wide.png differs from the map")
    photo = np.array(Image.open(os.path.join(folder, "photo.png")))
    count = np.arange(WIDTH * HEIGHT * 3, dtype=np.uint64) * 5 // 7
    expect(np.array_equal(photo, (count % 256).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)),
           "an overlay of opacity 0 without lines is not the photo")
    overlay = Image.open(os.path.join(folder, "overlay.png"))
    expect(overlay.mode == "RGB" and overlay.size == (WIDTH, HEIGHT), "overlay.png is no RGB picture of the size")


def check_npy(folder, labels):
    array = np.load(os.path.join(folder, "labels.npy"), allow_pickle=False)
    expect(array.dtype == np.dtype("<i4") and np.array_equal(array, labels), "labels.npy differs from the map")
    features = np.load(os.path.join(folder, "features.npy"), allow_pickle=False)
    wanted = (np.arange(6 * 6 * 5, dtype=np.float32) * np.float32(0.25) - np.float32(7)).reshape(6, 6, 5)
    expect(features.dtype == np.dtype("<f4") and np.array_equal(features, wanted), "features.npy differs")


def check_coco(folder, labels):
    path = os.path.join(folder, "coco.json")
    with open(path, "rb") as file:
        data = json.loads(file.read().decode("utf-8"))
    image = data["images"][0]
    expect((image["id"], image["width"], image["height"]) == (42, WIDTH, HEIGHT), "the image entry is wrong")
    expect(image["file_name"] == 'dir/"a\\b"\n\x01 \u00e9\ufffd\ufffd\ufffd\ufffd.jpg', "file_name is not escaped right")
    present = np.unique(labels)
    expect([a["id"] for a in data["annotations"]] == [int(k) + 1 for k in present], "the annotations' ids are wrong")
    covered = np.zeros_like(labels)
    for annotation, label in zip(data["annotations"], present):
        mask = labels == label
        counts = annotation["segmentation"]["counts"]
        expect(np.array_equal(coco_mask.decode(annotation["segmentation"]).astype(bool), mask),
               f"label {label}: the decoded mask differs")
        own = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        expect(own["counts"].decode("ascii") == counts, f"label {label}: pycocotools writes other counts")
        expect(annotation["area"] == int(coco_mask.area(own)), f"label {label}: the area differs")
        expect(annotation["bbox"] == [int(v) for v in coco_mask.toBbox(own)], f"label {label}: the box differs")
        expect(annotation["iscrowd"] == 0 and annotation["image_id"] == 42 and annotation["category_id"] == 1,
               f"label {label}: a field is wrong")
        covered += mask
    expect((covered == 1).all(), "the masks do not partition the picture")
    coco = COCO(path)
    expect(len(coco.getAnnIds(imgIds=[42], catIds=[1])) == len(present), "COCO finds other annotations")
    expect(all(coco.annToMask(a).sum() == a["area"] for a in coco.loadAnns(coco.getAnnIds())), "annToMask differs")


def main():
    program, folder = sys.argv[1:3]
    os.makedirs(folder, exist_ok=True)
    subprocess.run([program, "outputs", folder], check=True)
    labels, wide = (np.fromfile(os.path.join(folder, name), dtype=np.uint32).reshape(HEIGHT, WIDTH)
                    for name in ("labels.raw", "wide.raw"))
    check_pngs(folder, labels, wide)
    check_npy(folder, labels)
    check_coco(folder, labels)
    print("label PNGs, overlay, npy and COCO JSON read back as written")


main()
