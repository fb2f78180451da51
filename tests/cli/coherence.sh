#!/usr/bin/env bash
# eval --coherence adds the ROC curves of features to the reports, the same from shards as from one run.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos
# Photos with labels of their own: which half a pixel is in.
mkdir -p data/images data/labels
cp small.png data/images/a.png
cp other.png data/images/b.png
python3 - "$SOURCE_DIR/tests/cli" <<'CODE'
import sys
sys.path.insert(0, sys.argv[1])
import struct, zlib
import photos
for name, width, height in (("a", 96, 64), ("b", 80, 80)):
    rows = b"".join(b"\0" + bytes(int(x > width // 2) for x in range(width)) for y in range(height))
    with open(f"data/labels/{name}.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + photos.chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)))
        file.write(photos.chunk(b"IDAT", zlib.compress(rows)) + photos.chunk(b"IEND", b""))
CODE
set=(--set generic --data data --classes 2 --size 128 --no-cache -q)

run eval "${set[@]}" --coherence -o whole
exits 0
there whole/coherence.csv whole/coherence.svg whole/coherence.png whole/coherence-model.json whole/coherence-colour.json
python '
whole = json.load(open("whole/results.json"))["coherence"]
assert [c["features"] for c in whole][1] == "colour and position" and len(whole) == 2
for c in whole:
    assert c["positive_pairs"] > c["negative_pairs"] // 2 > 0 and 0.5 < c["auc"] <= 1, c
    assert c["curve"][0][1:] == [0, 0] and c["curve"][-1][1:] == [1, 1]'
run eval "${set[@]}" -o without
exits 0
absent without/coherence.csv without/coherence-model.json

for shard in 1 2; do
    run eval "${set[@]}" --coherence --shard $shard/2 -o part$shard
    exits 0
done
run eval merge part1 part2 --coherence -o merged
exits 0
same whole/coherence.csv merged/coherence.csv
same whole/coherence.svg merged/coherence.svg
run eval merge part1 part1 --coherence
exits 1
mentions "photos are in more than one of the folders"
rm part2/coherence-model.json
run eval merge part1 part2 --coherence
exits 1
mentions 'part2/coherence-model.json'
run eval merge part1 part2
exits 0

# Any models in one figure: what eval measures, beside others, each at its own size.
run coherence "${set[@]}" --models embedded,colour -o figure --json
exits 0
tree figure coherence.csv coherence.png coherence.svg results.json
same whole/coherence.csv figure/coherence.csv
same whole/coherence.png figure/coherence.png
python '
results = json.loads(out)
assert results == json.load(open("figure/results.json"))
assert [c["features"] for c in results["coherence"]] == ["diffcut-tiny", "colour and position"]'
run coherence "${set[@]}" --models colour,embedded -o figure
exits 1
mentions 'figure/coherence.png: exists already; --force replaces it'
run coherence "${set[@]}" --models colour,embedded -o figure -f
exits 0
for bad in '' 'embedded,' ',embedded' 'embedded,,colour'; do
    run coherence "${set[@]}" --models "$bad" -o none
    exits 2
done
run coherence "${set[@]}" -o none
is_usage_error 'diffcut coherence: --models LIST is needed' coherence
run coherence "${set[@]}" --models embedded,nowhere -o none
exits 1
mentions nowhere
absent none/coherence.png
models=$SHARED_DIR/golden/models
if [ -d "$models/tiny-dinov2" ]; then
    run coherence --set generic --data data --classes 2 --no-cache -q --models "$models/tiny-dinov2,$models/tiny-siglip-vision,embedded,colour" -o four
    exits 0
    check
    [ "$(wc -l <"$kept/out")" -eq 5 ] || fail "not four models: $(cat "$kept/out")"
    run eval "${set[@]}" --features-model "$models/tiny-dinov2" --size 140 --method diffcut,tokencut,maskcut -o encoder --json
    exits 0
    python 'assert json.loads(out)["model"] == "tiny-dinov2" and len(json.loads(out)["settings"]) == 3'
fi
