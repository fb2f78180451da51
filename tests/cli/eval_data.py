"""eval_data.py - a small generic data set for the tests of eval: photos of coloured blocks and their label maps.

    python3 eval_data.py FOLDER COUNT

FOLDER/images/N.png (RGB) and FOLDER/labels/N.png (grey, classes 0 to 3, 255 left out). The same on every machine.
"""
import os
import random
import struct
import sys
import zlib

COLOURS = [(200, 60, 50), (60, 160, 220), (230, 200, 70), (70, 60, 110)]
LEFT_OUT = 255


def write_png(path, width, height, color, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    raw = b"".join(b"\0" + bytes(row) for row in rows)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def make(folder, number):
    chance = random.Random(number)
    width, height = chance.randrange(90, 130), chance.randrange(80, 120)
    across, down = chance.randrange(30, 60), chance.randrange(30, 60)
    classes = [chance.randrange(len(COLOURS)) for _ in range(4)]
    truth = [[classes[(x > across) + 2 * (y > down)] for x in range(width)] for y in range(height)]
    labels = [[LEFT_OUT if x < 3 else value for x, value in enumerate(row)] for row in truth]
    photo = [[min(255, c + chance.randrange(25)) for value in row for c in COLOURS[value]] for row in truth]
    write_png(f"{folder}/images/{number}.png", width, height, 2, photo)
    write_png(f"{folder}/labels/{number}.png", width, height, 0, labels)


if __name__ == "__main__":
    os.makedirs(f"{sys.argv[1]}/images", exist_ok=True)
    os.makedirs(f"{sys.argv[1]}/labels", exist_ok=True)
    for index in range(int(sys.argv[2])):
        make(sys.argv[1], index)
