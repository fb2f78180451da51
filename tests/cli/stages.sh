#!/usr/bin/env bash
# Every stage is a command of its own: chained, through files or pipes, they give what segment gives in one go.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos

run model info --json
exits 0
python '
info = json.loads(out)
assert info["parameters_needed"] <= info["parameters_total"]
open("alpha", "w").write(repr(info["alpha"]))
open("tau", "w").write(repr(info["tau"]))
open("name", "w").write(info["name"])
'
cut=(--alpha "$(cat alpha)" --tau "$(cat tau)")
run model info "$SOURCE_DIR/models/diffcut-tiny"
exits 0
check
grep -q "^name  *$(cat name)$" "$kept/out" || fail "no line for the name: $(cat "$kept/out")"

# Unrefined: features | cut --image is segment --no-refine.
run small.png --no-refine -o whole --outputs labels,features
exits 0
run features small.png -o f.npy
exits 0
says_nothing
same f.npy whole/small.features.npy
run cut f.npy --image small.png "${cut[@]}" -o cut.png
exits 0
says_nothing
same cut.png whole/small.png

# Refined at the photo's own size: ... | refine is segment.
for refine in '--iterations 3 --refine-size 0' '--iterations 2 --refine-size 0 --median 0 --dilations 1,3'; do
    # shellcheck disable=SC2086 # words
    run small.png $refine -o "all$refine" --outputs labels
    exits 0
    # shellcheck disable=SC2086
    run refine small.png cut.png $refine -o "refined$refine.png"
    exits 0
    same "all$refine/small.png" "refined$refine.png"
done

# Through pipes.
shown='features - | cut - | refine PHOTO -'
"$DIFFCUT" features - -o - <small.png | "$DIFFCUT" cut - --image small.png "${cut[@]}" -o - |
    "$DIFFCUT" refine small.png - --iterations 3 --refine-size 0 -o - >piped.png
same piped.png 'refined--iterations 3 --refine-size 0.png'
run_stdin small.png refine - cut.png --iterations 3 --refine-size 0 -o photo-piped.png
exits 0
same piped.png photo-piped.png

# On the grid: one label a token. Several tau: one file each, equal to runs of their own.
run cut f.npy -o grid.png --alpha 5 --tau 0.2,0.9
exits 0
there grid.tau0.2.png grid.tau0.9.png
absent grid.png
run cut f.npy -o nine.png --alpha 5 --tau 0.9
same nine.png grid.tau0.9.png
differ nine.png grid.tau0.2.png
python '
import struct
shape = open("f.npy", "rb").read(128).split(b"(")[1].split(b")")[0].split(b",")
width, height = struct.unpack(">II", open("nine.png", "rb").read()[16:24])
assert (height, width) == (int(shape[0]), int(shape[1])), (height, width, shape)
'
# A dot in a folder's name is no ending; an ending of .npy makes an array.
mkdir a.b
run cut f.npy -o a.b/labels --tau 0.2,0.4
there a.b/labels.tau0.2 a.b/labels.tau0.4
run cut f.npy -o labels.npy
exits 0
check
head -c 80 labels.npy | grep -q "'<i4'" || fail 'no int32 array'

# Labels smaller than the photo grow to its size.
run refine small.png nine.png -o grown.png --iterations 1
exits 0
python '
import struct
assert struct.unpack(">II", open("grown.png", "rb").read()[16:24]) == (96, 64)
'

# The options of the cut reach it.
run cut f.npy -o few.png --alpha 5 --tau 0.9 --min-tokens 100
exits 0
differ few.png nine.png
run cut f.npy -o dense.png --alpha 5 --tau 0.9 --eigen dense
exits 0
run cut f.npy -o reference.png --alpha 5 --tau 0.9 --reference
exits 0
run features small.png -o s.npy --size 64x32
python 'assert b"(8, 16, " in open("s.npy", "rb").read(128), open("s.npy", "rb").read(128)'
