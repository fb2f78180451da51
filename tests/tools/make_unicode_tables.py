"""Writes src/nn/unicode_tables.c from Python's unicodedata: `python3 make_unicode_tables.py > unicode_tables.c`.

Letters (general category L*), numbers (N*), lower case of one code point, and what NFC needs: combining classes,
canonical decompositions and, as places in that list, the ones that compose again. Run with a Python whose
unicodedata.unidata_version is the wanted one; it is written at the top.
"""
import sys
import unicodedata

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HANGUL = range(0xAC00, 0xAC00 + 11172)  # composed by arithmetic, not by a table


def runs(values):
    """(code, value) in order -> [first, last, value] of neighbours that have the same value."""
    out = []
    for code, value in values:
        if out and out[-1][1] == code - 1 and out[-1][2] == value:
            out[-1][1] = code
        else:
            out.append([code, code, value])
    return out


def lower_runs():
    """[first, last, step, distance]: code points at `step` from first to last become code + distance."""
    out = []
    for code in CODES:
        low = chr(code).lower()
        if low == chr(code) or len(low) != 1:
            continue
        distance = ord(low) - code
        if out and out[-1][3] == distance:
            first, last, step, _ = out[-1]
            if first == last and code - last in (1, 2):
                out[-1][1:3] = [code, code - last]
                continue
            if first != last and code - last == step:
                out[-1][1] = code
                continue
        out.append([code, code, 1, distance])
    return out


def decompositions():
    out = []
    for code in CODES:
        text = unicodedata.decomposition(chr(code))
        if text and not text.startswith("<") and code not in HANGUL:
            parts = [int(p, 16) for p in text.split()]
            out.append((code, parts[0], parts[1] if len(parts) > 1 else 0))
    return out


def emit(kind, name, items):
    print(f"\nconst {kind} {name}[] = {{")
    line = "   "
    for item in items:
        if len(line) + 1 + len(item) + 1 > 118:
            print(line)
            line = "   "
        line += " " + item + ","
    print(line)
    print("};")
    print(f"const size_t {name}_count = sizeof {name} / sizeof *{name};")


def braces(values):
    return "{" + ", ".join(f"0x{v:X}" if i < 2 else str(v) for i, v in enumerate(values)) + "}"


def main():
    several = [c for c in CODES if len(chr(c).lower()) > 1]
    assert several == [0x130], several  # unicode.c has it by hand
    category = {c: unicodedata.category(chr(c)) for c in CODES}
    print(f"""/*
 * unicode_tables.c - made by tests/tools/make_unicode_tables.py from Unicode {unicodedata.unidata_version}: see
 * unicode_tables.h.
 */
#include "nn/unicode_tables.h"

/* clang-format off */""")
    for name, letter in (("unicode_letters", "L"), ("unicode_numbers", "N")):
        found = runs((c, 0) for c in CODES if category[c][0] == letter)
        emit("unicode_range", name, [braces(r[:2]) for r in found])
    emit("unicode_case", "unicode_lower_case", [braces(r) for r in lower_runs()])
    classes = runs((c, unicodedata.combining(chr(c))) for c in CODES if unicodedata.combining(chr(c)))
    emit("unicode_class", "unicode_classes", [braces(r) for r in classes])
    parts = decompositions()
    emit("unicode_pair", "unicode_pairs", ["{" + ", ".join(f"0x{v:X}" for v in p) + "}" for p in parts])
    again = [i for i, (c, a, b) in enumerate(parts) if b and unicodedata.normalize("NFC", chr(a) + chr(b)) == chr(c)]
    again.sort(key=lambda i: parts[i][1:])
    emit("uint16_t", "unicode_composites", [str(i) for i in again])
    return 0


if __name__ == "__main__":
    sys.exit(main())
