#!/usr/bin/env bash
# Photos in, results out: which files, what they hold, and that a script meets silence.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos
quick=(--iterations 2)

# `diffcut PHOTO` is `diffcut segment PHOTO`, into diffcut-out, silently.
run small.png "${quick[@]}"
exits 0
says_nothing
tree diffcut-out small.json small.overlay.png small.png
run segment small.png "${quick[@]}" -o again
exits 0
same diffcut-out/small.png again/small.png
same diffcut-out/small.overlay.png again/small.overlay.png

# The summary: settings, times, and segments that add up to the photo.
python '
summary = json.load(open("again/small.json"))
assert summary["photo"] == "small.png" and summary["bytes"] == os.path.getsize("small.png"), summary
assert (summary["width"], summary["height"]) == (96, 64), summary
assert sum(s["area"] for s in summary["segments"]) == 96 * 64
assert abs(sum(s["share"] for s in summary["segments"]) - 1) < 1e-4
for s in summary["segments"]:
    x, y, w, h = s["box"]
    assert 0 < s["area"] <= w * h and x + w <= 96 and y + h <= 64, s
    assert all(0 <= c <= 255 for c in s["mean_rgb"] + s["color"]), s
assert summary["settings"]["iterations"] == 2 and summary["settings"]["dilations"] == [1, 2, 4, 8]
assert set(summary["seconds"]) >= {"decode", "features", "cut", "refine", "total"}, summary["seconds"]
assert summary["outputs"] == {"labels": "small.png", "overlay": "small.overlay.png", "json": "small.json"}
'

# Every kind of result, chosen as a list or one by one, and nothing else.
run small.png "${quick[@]}" -o all --outputs labels,overlay,json,coco,npy,features
exits 0
tree all small.coco.json small.features.npy small.json small.npy small.overlay.png small.png
run small.png "${quick[@]}" -o more --outputs labels --coco --npy --features-npy
exits 0
tree more small.coco.json small.features.npy small.npy small.png
same all/small.coco.json more/small.coco.json
same all/small.features.npy more/small.features.npy
python '
coco = json.load(open("all/small.coco.json"))
assert coco["images"][0]["width"] == 96 and coco["images"][0]["file_name"] == "small.png", coco["images"]
summary = json.load(open("all/small.json"))
assert sorted(a["area"] for a in coco["annotations"]) == sorted(s["area"] for s in summary["segments"])
head = open("all/small.features.npy", "rb").read(128)
g = summary["grid"]
assert ("(%d, %d, %d)" % (g["height"], g["width"], g["channels"])).encode() in head, head
assert b"(64, 96)" in open("all/small.npy", "rb").read(128)
'
# A numbered photo keeps its number as the COCO image id.
cp small.png 000000397133.png
run 000000397133.png "${quick[@]}" -o coco --outputs coco
python 'assert json.load(open("coco/000000397133.coco.json"))["images"][0]["id"] == 397133'

# Several tau: one set each from one pass, equal to runs of their own.
run small.png "${quick[@]}" -o taus --tau 0.2,0.9 --features-npy --json
exits 0
tree taus small.features.npy small.tau0.2.json small.tau0.2.overlay.png small.tau0.2.png small.tau0.9.json \
    small.tau0.9.overlay.png small.tau0.9.png
python '
line = json.loads(out)
assert [r["tau"] for r in line["results"]] == [0.2, 0.9], line
assert line["results"][0]["segments"] <= line["results"][1]["segments"], line
assert line["results"][1]["outputs"]["labels"] == "taus/small.tau0.9.png", line
assert json.load(open("taus/small.tau0.9.json"))["settings"]["tau"] == 0.9
'
for tau in 0.2 0.9; do
    run small.png "${quick[@]}" -o "tau$tau" --tau $tau --outputs labels
    same taus/small.tau$tau.png tau$tau/small.png
done

# Standard input.
run_stdin small.png - "${quick[@]}" -o stdin
exits 0
says_nothing
tree stdin stdin.json stdin.overlay.png stdin.png
same stdin/stdin.png again/small.png

# --json: one valid line a photo, in order, and nothing else on standard output.
run other.png small.png text.jpg "${quick[@]}" -o lines --json
exits 1
python '
lines = [json.loads(line) for line in out.splitlines()]
assert [l["photo"] for l in lines] == ["other.png", "small.png", "text.jpg"], lines
assert [l["status"] for l in lines] == ["segmented", "segmented", "failed"], lines
assert (lines[0]["width"], lines[0]["height"]) == (80, 80)
assert lines[2]["error"] == "text.jpg: not a JPEG, PNG or WebP image", lines[2]
for result in lines[0]["results"] + lines[1]["results"]:
    assert all(os.path.exists(path) for path in result["outputs"].values()), result
'

# Valid JSON and one line of error for names of any bytes.
odd=$'a "b"\\\n\xff\xe2\x82.png'
cp small.png "$odd"
run "$odd" "${quick[@]}" -o odd --json
exits 0
python '
line = json.loads(out)
assert bytes.fromhex(line["photo_hex"]) == os.fsencode(sys.argv[1]), line
assert "\ufffd" in line["photo"] and "\n" in line["photo"]
for name in os.listdir(b"odd"):
    if name.endswith(b".json"):
        json.loads(open(b"odd/" + name, encoding="utf-8").read())
' "$odd"
cp text.jpg $'bad\nname\033[31m.jpg'
run $'bad\nname\033[31m.jpg' -o odd
is_failure 'diffcut: bad\x0aname\x1b[31m.jpg: not a JPEG, PNG or WebP image'

# -v tells of each photo on standard error, twice of the stages too.
run small.png other.png "${quick[@]}" -v -v -o again
exits 0
mentions 'small.png: skipped, its outputs exist (--force replaces them)'
mentions ' -> again/other.png'
mentions '  seconds {"decode": '
mentions '2 photos in '
mentions ': 1 segmented, 1 skipped (--force replaces) -> again'

# The result does not depend on the number of threads.
run small.png "${quick[@]}" -T 1 -o one --outputs labels,features
run small.png "${quick[@]}" -T 3 -o three --outputs labels,features
same one/small.png three/small.png
same one/small.features.npy three/small.features.npy

# Options reach the library: each of these changes something.
for change in '--size 64' '--square' '--timestep 500' '--seed 7' '--size 64 --resample bilinear'; do
    # shellcheck disable=SC2086 # words
    run other.png small.png "${quick[@]}" $change -o "change$change" --outputs features
    exits 0
done
run other.png small.png -o plain --outputs features
differ plain/small.features.npy 'change--size 64/small.features.npy'
differ plain/small.features.npy change--square/small.features.npy
differ plain/small.features.npy 'change--timestep 500/small.features.npy'
differ plain/small.features.npy 'change--seed 7/small.features.npy'
differ 'change--size 64/small.features.npy' 'change--size 64 --resample bilinear/small.features.npy'
run small.png -o opacity --outputs overlay --opacity 0.1 "${quick[@]}"
differ opacity/small.overlay.png again/small.overlay.png
run small.png -o lineless --outputs overlay --no-boundaries "${quick[@]}"
differ lineless/small.overlay.png again/small.overlay.png
run small.png -o fine --outputs labels --alpha 15 --tau 0.8 --no-refine
differ fine/small.png again/small.png

# --dump: every stage, also of a photo whose results exist.
run small.png "${quick[@]}" -o again --dump dump
exits 0
says_nothing
there dump/small/image.npy dump/small/features.npy dump/small/affinity.npy dump/small/refined.npy
run small.png "${quick[@]}" -o dumped --dump dump2 --tau 0.3,0.5 --outputs features
there dump2/small/assigned.tau0.3.npy dump2/small/assigned.tau0.5.npy
check
[ "$(find dump dump2 -name '.*')" = '' ] || fail "temporary files are left"
