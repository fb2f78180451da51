#!/usr/bin/env bash
# eval --open-vocabulary scores classes by name: its figures are those of the saved predictions, computed from their
# definitions; MaskCLIP stands beside it; what does not fit together is refused.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$work/home
need python3
python3 "$here/label_data.py" voc data 3 || exit 1

run eval --set voc --data data --open-vocabulary
is_usage_error 'diffcut eval: --open-vocabulary needs --clip PATH' eval
run eval --set voc --data data --clip clip
is_usage_error 'diffcut eval: --clip is for --open-vocabulary' eval
run eval --set voc --data data --method maskclip
is_usage_error 'diffcut eval: --method maskclip needs --open-vocabulary' eval
run eval --set coco-stuff-27 --data data --open-vocabulary --clip clip
is_usage_error 'diffcut eval: --open-vocabulary has no list of names for coco-stuff-27' eval

models=$SHARED_DIR/golden/models
[ -d "$models/tiny-convnext-clip" ] || skip "the golden models are not there: only the line was checked"
python3 "$here/label_data.py" clip "$models" clip || exit 1
named=(eval --set voc --data data --open-vocabulary --clip clip --clip-size 128 --size 128 --replicates 10)
run "${named[@]}" --method diffcut,maskclip --sweep tau=0.5,refine=on,off -o named --save-predictions maps --json
exits 0
python '
import pathlib, zlib
def png(path):
    data = pathlib.Path(path).read_bytes()
    width, height = (int.from_bytes(data[16 + 4 * i:20 + 4 * i], "big") for i in range(2))
    raw, at = b"", 8
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "big")
        raw += data[at + 8:at + 8 + length] if data[at + 4:at + 8] == b"IDAT" else b""
        at += length + 12
    raw, rows, before = zlib.decompress(raw), [], bytes(width)
    for y in range(height):
        kind, row = raw[y * (width + 1)], bytearray(raw[y * (width + 1) + 1:(y + 1) * (width + 1)])
        for x in range(width):
            left, up, corner = (row[x - 1] if x else 0), before[x], (before[x - 1] if x else 0)
            guess = left + up - corner
            paeth = min((abs(guess - v), i, v) for i, v in enumerate((left, up, corner)))[2]
            row[x] = (row[x] + (0, left, up, (left + up) // 2, paeth)[kind]) % 256
        rows.append(bytes(row))
        before = row
    return rows
results = json.loads(out)
assert results["dataset"] == "voc, open vocabulary"
for s in results["settings"]:
    tp, fp, fn, photos = [0] * 21, [0] * 21, [0] * 21, []
    for name in "012":
        truth = png(f"data/VOCdevkit/VOC2012/SegmentationClass/{name}.png")
        side = min(len(truth), len(truth[0])) - 1
        top, left = round((len(truth) - side) / 2), round((len(truth[0]) - side) / 2)
        found = png(os.path.join("maps", s["name"], name + ".png"))
        assert len(found) == len(found[0]) == 128
        nearest = [min(int((i + 0.5) * side / 128), side - 1) for i in range(128)]
        one = [[0] * 21 for _ in range(3)]
        for y in range(128):
            for x in range(128):
                value = truth[top + nearest[y]][left + nearest[x]]
                if value == 255:
                    continue
                t, p = (value - 1) % 21, found[y][x]
                one[0][t] += t == p
                one[1][p] += t != p
                one[2][t] += t != p
        ious = [a / (a + b + c) for a, b, c in zip(*one) if a + b + c]
        photos.append(sum(ious) / len(ious))
        for total, part in zip((tp, fp, fn), one):
            total[:] = [a + b for a, b in zip(total, part)]
    ious = [a / (a + b + c) for a, b, c in zip(tp, fp, fn) if a + b + c]
    assert abs(s["miou"] - sum(ious) / len(ious)) < 1e-9, (s["name"], s["miou"], sum(ious) / len(ious))
    assert abs(s["mean_photo_miou"] - sum(photos) / 3) < 1e-6, (s["name"], s["mean_photo_miou"])
assert len(results["settings"]) == 4 and len({s["mean_photo_miou"] for s in results["settings"]}) > 1'
run "${named[@]}" -o table
exits 0
check
grep -q 'photos' "$kept/out" || fail "no column of photos: $(cat "$kept/out")"
# Another CLIP input is another evaluation: the journal is not taken up.
run "${named[@]}" -o table --clip-raw
exits 1
mentions 'table'
