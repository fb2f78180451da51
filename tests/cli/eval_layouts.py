"""eval_layouts.py - one generic data set laid out again as each of the six benchmarks, in their downloads' folders.

    python3 eval_layouts.py GENERIC FOLDER

GENERIC is what eval_data.py made: labels 0 to 3, and 255 left out. FOLDER gets VOCdevkit, coco, cityscapes and
ADEChallengeData2016, whose label maps hold the same regions in each set's own values. FOLDER/merged is the generic set
with 255 as label 0, which is how COCO-Object takes unlabelled pixels.
"""
import os
import shutil
import struct
import sys
import zlib

from eval_data import LEFT_OUT, write_png

VOC12 = "VOCdevkit/VOC2012"
VOC10 = "VOCdevkit/VOC2010"
# Name: photo, label map, list; raw values of the classes 0 to 3 and of what is left out.
SETS = {
    "voc": (f"{VOC12}/JPEGImages/%s.jpg", f"{VOC12}/SegmentationClass/%s.png",
            f"{VOC12}/ImageSets/Segmentation/val.txt", [0, 1, 15, 20, 255]),
    "context": (f"{VOC10}/JPEGImages/%s.jpg", f"{VOC10}/SegmentationClassContext/%s.png",
                f"{VOC10}/ImageSets/SegmentationContext/val.txt", [0, 1, 30, 59, 255]),
    "coco-object": ("coco/val2017/%s.jpg", "coco/stuffthingmaps/val2017/%s.png", None, [120, 0, 16, 89, 255]),
    "coco-stuff-27": ("coco/images/train2017/%s.jpg", "coco/annotations/train2017/%s.png", "curated.txt",
                      [0, 1, 16, 156, 255]),
    "cityscapes": ("cityscapes/leftImg8bit/val/ulm/%s_leftImg8bit.png",
                   "cityscapes/gtFine/val/ulm/%s_gtFine_labelIds.png", None, [7, 11, 24, 33, 255]),
    "ade20k": ("ADEChallengeData2016/images/validation/%s.jpg", "ADEChallengeData2016/annotations/validation/%s.png",
               None, [1, 3, 13, 150, 0]),
    "merged": ("merged/images/%s.png", "merged/labels/%s.png", None, [0, 1, 2, 3, 0]),
}


def read_labels(path):
    """Rows of a PNG as write_png makes them: grey, without filters, in one chunk."""
    data = open(path, "rb").read()
    width, height = struct.unpack(">II", data[16:24])
    start = data.index(b"IDAT") + 4
    raw = zlib.decompress(data[start:start + struct.unpack(">I", data[start - 8:start - 4])[0]])
    return [raw[y * (width + 1) + 1:(y + 1) * (width + 1)] for y in range(height)]


def make_folder_of(path):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    return path


def lay_out(generic, folder, photo, label, list_file, values):
    table = {**dict(enumerate(values[:-1])), LEFT_OUT: values[-1]}
    names = sorted(name[:-4] for name in os.listdir(f"{generic}/labels"))
    for name in names:
        shutil.copy(f"{generic}/images/{name}.png", make_folder_of(f"{folder}/{photo % name}"))
        rows = [bytes(table[value] for value in row) for row in read_labels(f"{generic}/labels/{name}.png")]
        write_png(make_folder_of(f"{folder}/{label % name}"), len(rows[0]), len(rows), 0, rows)
    if list_file is not None:
        with open(make_folder_of(f"{folder}/{list_file}"), "w", encoding="ascii") as file:
            file.write("".join(f"{name}\n" for name in names))


if __name__ == "__main__":
    for layout in SETS.values():
        lay_out(sys.argv[1], sys.argv[2], *layout)
