#!/usr/bin/env python3
"""Writes the photos that the command's tests use, good and bad, to the current folder. Standard library only."""
import os
import struct
import sys
import zlib


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(path, width, height, pixel, header=None):
    """An RGB PNG; header gives other sides than the pixels have."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    sides = header or (width, height)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *sides, 8, 2, 0, 0, 0)))
        file.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def scene(red):
    """A disc and a box on a gradient."""

    def pixel(x, y):
        if (x - 30) ** 2 + (y - 30) ** 2 < 300:
            return (red, 40, 60)
        if x > 60 and 20 < y < 50:
            return (30, 60, 220)
        return (120, 150 + y, 60 + x)

    return pixel


def main():
    os.chdir(sys.argv[1])
    png("small.png", 96, 64, scene(230))
    png("other.png", 80, 80, scene(120))
    png("one.png", 1, 1, lambda x, y: (9, 99, 199))
    png("thin.png", 1, 5000, lambda x, y: (y % 256, 40, 60))
    png("constant.png", 64, 64, lambda x, y: (80, 90, 100))
    png("huge.png", 4, 4, lambda x, y: (0, 0, 0), header=(30000, 30000))
    whole = open("small.png", "rb").read()
    open("truncated.png", "wb").write(whole[: len(whole) // 2])
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    open("corrupt.png", "wb").write(flipped)
    rocket = open(os.path.join(sys.argv[2], "samples", "rocket.jpg"), "rb").read()
    open("truncated.jpg", "wb").write(rocket[: len(rocket) // 3])
    open("text.jpg", "w").write("This is not a photo.\n")
    open("empty.jpg", "w").close()


if __name__ == "__main__":
    main()
