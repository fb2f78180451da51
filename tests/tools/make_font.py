"""Writes src/draw/fonts/sans.outline from DejaVu Sans: `python3 make_font.py DejaVuSans.ttf sans.outline`.

Needs fonttools (tried with 4.60). The glyphs' outlines as src/draw/font.h describes them, in the font's own units:
ASCII, Latin with its accents, Vietnamese, Greek, Cyrillic, and some punctuation. Glyph 0 is the font's box for what it
does not have.
"""
import struct
import sys

from fontTools.pens.basePen import decomposeQuadraticSegment
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.ttLib import TTFont

RANGES = [(0x20, 0x7E), (0xA0, 0x17F), (0x218, 0x21B), (0x386, 0x3CE), (0x400, 0x45F), (0x490, 0x491),
          (0x1EA0, 0x1EF9), (0x2010, 0x2026), (0x2030, 0x203A), (0x20AC, 0x20AC), (0x2122, 0x2122), (0x2190, 0x2193),
          (0x2212, 0x2212), (0x2248, 0x2248), (0x2260, 0x2265)]
MOVE, LINE, CURVE = 0, 1, 2


def outline(glyphs, name):
    """The glyph's steps: a byte for the kind and int16 coordinates."""
    pen = DecomposingRecordingPen(glyphs)
    glyphs[name].draw(pen)
    out = b""

    def step(kind, *points):
        nonlocal out
        out += struct.pack("<B%dh" % (2 * len(points)), kind, *(int(v) for p in points for v in p))

    for what, points in pen.value:
        if what == "moveTo":
            step(MOVE, points[0])
        elif what == "lineTo":
            step(LINE, points[0])
        elif what == "qCurveTo" and points[-1] is None:  # a contour of curves alone: start in the middle of two
            first = tuple((a + b) / 2 for a, b in zip(points[-2], points[0]))
            step(MOVE, first)
            for control, end in decomposeQuadraticSegment((*points[:-1], first)):
                step(CURVE, control, end)
        elif what == "qCurveTo":
            for control, end in decomposeQuadraticSegment(points):
                step(CURVE, control, end)
        elif what not in ("closePath", "endPath"):
            raise SystemExit(f"{name}: {what} is no step of a TrueType outline")
    return out


def height(glyphs, name):
    pen = DecomposingRecordingPen(glyphs)
    glyphs[name].draw(pen)
    return max(int(p[1]) for _, points in pen.value for p in points)


def main(source, target):
    font = TTFont(source)
    glyphs, names, advances = font.getGlyphSet(), font.getBestCmap(), font["hmtx"]
    wanted = {0: ".notdef"}
    for first, last in RANGES:
        wanted.update({code: names[code] for code in range(first, last + 1) if code in names})
    records, outlines = b"", b""
    for code in sorted(wanted):
        data = outline(glyphs, wanted[code])
        records += struct.pack("<IIHH", code, len(outlines), len(data), advances[wanted[code]][0])
        outlines += data
    header = b"DCFONT1\n" + struct.pack("<HHhhhh", font["head"].unitsPerEm, len(wanted), font["hhea"].ascent,
                                        font["hhea"].descent, height(glyphs, names[ord("H")]),
                                        height(glyphs, names[ord("x")]))
    with open(target, "wb") as file:
        file.write(header + records + outlines)
    print(len(wanted), "glyphs,", len(header + records + outlines), "bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
