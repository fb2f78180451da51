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
run refine small.png cut.png --iterations 1 -o refined.npy
exits 0
check
head -c 80 refined.npy | grep -q "'<i4'.*(64, 96)" || fail 'refine: no int32 array of the photo'

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

# Several timesteps and hooks: tensors of their own on their own grids, or side by side on the finest.
several=(--timestep 20,300 --hook down.1.attentions.1.blocks.0.attn1,conv_in --size 64)
run features small.png "${several[@]}" -o parts.safetensors
exits 0
says_nothing
run features small.png "${several[@]}" -o parts.npy
exits 0
run features small.png "${several[@]}" -o - --format safetensors
exits 0
same parts.safetensors "$kept/out"
run features small.png --size 64 --timestep 300 --hook conv_in -o one.npy
exits 0
python '
import struct
def npy(name):
    data = open(name, "rb").read()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return eval(data[10:start])["shape"], data[start:]
data = open("parts.safetensors", "rb").read()
start = 8 + struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:start])
about = header.pop("__metadata__")
module = "down_blocks.1.attentions.1.transformer_blocks.0.attn1"
names = ["t20/" + module, "t20/conv_in", "t300/" + module, "t300/conv_in"]
assert about["parts"] == ",".join(names), about
assert about["image"] == "64x96" and about["timesteps"] == "20,300" and about["seed"] == "42", about
assert sorted(header) == sorted(names), header
assert about["grids"] == ",".join("%dx%d" % tuple(header[n]["shape"][:2]) for n in names), about
shape, values = npy("parts.npy")
fine = header["t20/conv_in"]["shape"]
assert shape[:2] == tuple(fine[:2]) and shape[2] == sum(header[n]["shape"][2] for n in names), (shape, header)
begin, end = header["t300/conv_in"]["data_offsets"]
one_shape, one = npy("one.npy")
assert one_shape == tuple(fine) and one == data[start + begin:start + end]
assert values[-4 * fine[2]:] == one[-4 * fine[2]:]
'
# The other stream, the mean of draws, and one draw, which is the plain run.
run features small.png --size 64 -o plain.npy
run features small.png --size 64 --average 1 --noise cpu -o same.npy
same plain.npy same.npy
run features small.png --size 64 --average 3 -o mean.npy
exits 0
differ plain.npy mean.npy
run features small.png --size 64 --noise cuda -o cuda.npy
exits 0
differ plain.npy cuda.npy

# The hooks that are listed are taken.
run model info --hooks --json
exits 0
python '
hooks = json.loads(out)["hooks"]
assert len(hooks) > 30 and all(h["channels"] > 0 and h["stride"] > 1 for h in hooks)
open("hooks", "w").write(",".join(h["name"] for h in hooks))
open("channels", "w").write(str(sum(h["channels"] for h in hooks)))
'
run features small.png --size 32 --hook "$(cat hooks)" -o all.npy
exits 0
check
head -c 128 all.npy | grep -q ", $(cat channels))" || fail "not $(cat channels) channels: $(head -c 128 all.npy)"
run model info --hooks
exits 0
check
[ "$(awk '{print $1}' "$kept/out" | paste -sd,)" = "$(cat hooks)" ] || fail 'the two lists differ'
run small.png --size 64 -o listed --timestep 20,300 --hook conv_in,down.1 --average 2 --noise cuda --outputs json
exits 0
python '
settings = json.load(open("listed/small.json"))["settings"]
assert settings["timesteps"] == [20, 300] and settings["hooks"] == ["conv_in", "down.1"], settings
assert settings["average"] == 2 and settings["noise"] == "cuda", settings
'
