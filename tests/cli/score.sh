#!/usr/bin/env bash
# score counts as stated, names every file that it cannot score, and fails when there is one.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
need python3

# Grey 8- and 16-bit, palette and colour PNG from rows of numbers, with no package.
cat >make.py <<'PYTHON'
import struct
import sys
import zlib


def png(path, rows, depth=8, color=0):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    samples = "B" if depth == 8 else "H"
    channels = 3 if color == 2 else 1
    raw = b"".join(b"\0" + struct.pack(f">{len(row) * channels}{samples}", *[v for v in row for _ in range(channels)])
                   for row in rows)
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), depth, color, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(range(256)) * 3) if color == 3 else b""
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(raw)) +
                   chunk(b"IEND", b""))


exec(sys.argv[1])
PYTHON
make() {
    python3 make.py "$1"
}

# Two photos of two classes, by hand: the first has 1 of 8 pixels wrong, the second none; names 0 and 1 are swapped.
mkdir -p p/deep l/deep
make 'png("p/a.png", [[5, 5, 9, 9], [5, 9, 9, 9]]); png("l/a.png", [[0, 0, 1, 1], [0, 0, 1, 1]])'
make 'png("p/deep/b.png", [[300, 7], [300, 7]], 16); png("l/deep/b.png", [[1, 0], [1, 0]], 8, 3)'
run score p l --protocol generic --classes 2 --json --boundary
exits 0
python '
r = json.loads(out)
assert r["photos"] == {"scored": 2, "failed": 0, "empty": 0, "labels_without_prediction": 0}, r
zero, one = r["classes"]
assert (zero["tp"], zero["fp"], zero["fn"]) == (5, 0, 1), zero
assert (one["tp"], one["fp"], one["fn"]) == (6, 1, 0), one
assert abs(r["miou"] - (5 / 6 + 6 / 7) / 2) < 1e-12
assert abs(r["pixel_accuracy"] - 11 / 12) < 1e-12
assert r["miou_interval"][0] <= r["miou"] <= r["miou_interval"][1]
assert r["boundary_iou"] is not None and r["failures"] == []
'
run score p/ l/ --protocol generic --classes 2
exits 0
check
[ "$(sed -n 2,4p "$kept/out")" = "photos scored              2
not scored                 0
mean IoU               84.52 %   over 2 classes; 95 % of resamplings: 77.50 .. 100.00" ] ||
    fail "the table: $(cat "$kept/out")"

# Labels of another size are brought to the prediction's.
make 'png("l/a.png", [[v for v in (0, 0, 1, 1) for _ in range(3)] for _ in range(6)])'
run score p l --protocol generic --classes 2 --json
exits 0
python 'assert json.loads(out)["pixels"] == 12'
run score p l --protocol generic --classes 2 --json --full-resolution
exits 0
python 'assert json.loads(out)["pixels"] == 76'

# DiffCut's own overlay is no prediction; one without its map is.
make 'png("p/a.overlay.png", [[1, 2]], 8, 2)'
run score p l --protocol generic --classes 2 -q
exits 0
make 'png("p/c.overlay.png", [[1, 2]], 8, 2)'
run score p l --protocol generic --classes 2 -q
exits 1
mentions 'diffcut: p/c.overlay.png: its label l/c.overlay.png is missing'
rm p/c.overlay.png

# Names of labels that go on after the photo's.
mkdir -p l2/deep
cp l/a.png l2/a_labels.png
cp l/deep/b.png l2/deep/b_labels.png
cp l/a.png l2/a_colours.png
cp l/a.png l2/z_labels.png
run score p l2 --protocol generic --classes 2 --json --label-ending _labels.png
exits 0
python '
assert json.loads(out)["photos"] == {"scored": 2, "failed": 0, "empty": 0, "labels_without_prediction": 1}
'

# Everything that can be wrong with a file: named, counted, the others scored.
make 'png("p/value.png", [[1, 2]]); png("l/value.png", [[0, 77]])'
make 'png("p/colour.png", [[1, 2]]); png("l/colour.png", [[0, 1]], 8, 2)'
make 'png("p/colourful.png", [[1, 2]], 8, 2); png("l/colourful.png", [[0, 1]])'
make 'png("p/alone.png", [[1, 2]])'
make 'png("p/cut.png", [[1, 2]]); png("l/cut.png", [[0, 1]])'
head -c 40 l/cut.png >l/cut && mv l/cut l/cut.png
make 'png("p/empty.png", [[1, 2]])'
: >l/empty.png
make 'png("p/void.png", [[1, 2]]); png("l/void.png", [[255, 255]])'
cp "$SOURCE_DIR/samples/rocket.jpg" p/photo.jpg
cp l/a.png l/photo.png
run score p l --protocol generic --classes 2 --ignore 255 --json
exits 1
mentions 'diffcut: l/value.png: label value 77 at row 0, column 1 is no class of protocol generic'
mentions 'diffcut: l/colour.png: a colour or transparent PNG; a label map is a palette or grey one'
mentions 'diffcut: p/colourful.png: a colour or transparent PNG; a label map is a palette or grey one'
mentions 'diffcut: p/alone.png: its label l/alone.png is missing'
mentions 'diffcut: l/cut.png: '
mentions 'diffcut: l/empty.png: the file is empty'
mentions 'diffcut: p/photo.jpg: not a PNG image; a label map is a palette or grey one'
python '
r = json.loads(out)
assert r["photos"] == {"scored": 3, "failed": 7, "empty": 1, "labels_without_prediction": 1}, r["photos"]
assert sorted(f["file"] for f in r["failures"]) == ["l/colour.png", "l/cut.png", "l/empty.png", "l/value.png",
                                                    "p/alone.png", "p/colourful.png", "p/photo.jpg"]
assert abs(r["miou"] - 0) > 0
'

mkdir none
run score none l --protocol voc
is_failure 'diffcut: none: the folder holds no label map'
run score gone l --protocol voc
is_failure 'diffcut: gone: no such folder'
run score p l/a.png --protocol voc
is_failure 'diffcut: l/a.png: no such folder'
if [ -w /dev/full ]; then
    shown='diffcut score > /dev/full'
    "$DIFFCUT" score p l --protocol generic --classes 2 -q >/dev/full 2>"$kept/err"
    status=$?
    check
    [ $status -eq 1 ] || fail 'a full disk was not told'
    mentions 'standard output: No space left on device'
fi
