#!/usr/bin/env bash
# Bad photos, folders and models: one clear line each, exit 1, and nothing lost or half-written.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos
quick=(--size 64 --iterations 1)

bad() { # bad PHOTO MESSAGE
    run "$1" "${quick[@]}" -o bad
    is_failure "diffcut: $1: $2"
    check
    [ "$(find bad -type f)" = '' ] || fail "something was written: $(find bad -type f)"
}

bad empty.jpg 'the file is empty'
bad text.jpg 'not a JPEG, PNG or WebP image'
bad truncated.jpg 'truncated JPEG: the file ends too soon'
bad truncated.png 'truncated PNG: end of stream'
bad huge.png '30000x30000 is 900000000 pixels, over the limit of 268435456 pixels (max_pixels)'
bad missing.jpg 'cannot open: No such file or directory'
bad small.png/x.jpg 'cannot open: Not a directory'
run corrupt.png "${quick[@]}" -o bad
exits 1
mentions 'diffcut: corrupt.png: corrupt PNG: '
run other.png "${quick[@]}" -o bad --max-pixels 6399
is_failure 'diffcut: other.png: 80x80 is 6400 pixels, over the limit of 6399 pixels (max_pixels)'
if [ "$(id -u)" -ne 0 ]; then
    cp small.png secret.png
    chmod 0 secret.png
    bad secret.png 'cannot open: Permission denied'
fi
run_stdin /dev/null - -o bad
is_failure 'diffcut: standard input: the file is empty'

# One bad photo among good ones: reported, the rest done, exit 1.
run text.jpg small.png empty.jpg other.png "${quick[@]}" -o mixed
exits 1
complains 'diffcut: text.jpg: not a JPEG, PNG or WebP image
diffcut: empty.jpg: the file is empty
diffcut: 2 of 4 photos failed'
tree mixed other.json other.overlay.png other.png small.json small.overlay.png small.png

# Strange but valid photos.
for photo in one thin constant; do
    run $photo.png "${quick[@]}" -o strange --json
    exits 0
done
python 'assert json.loads(out)["results"][0]["segments"] == 1' # the constant one
run thin.png "${quick[@]}" --size native -o strange2
exits 1

# Folders that cannot be written to: said before anything is computed.
run small.png -o text.jpg
is_failure 'diffcut: text.jpg: cannot make this folder: Not a directory'
run small.png -o text.jpg/sub
is_failure 'diffcut: text.jpg/sub: cannot make this folder: Not a directory'
run small.png -o /dev/null/sub
is_failure 'diffcut: /dev/null/sub: cannot make this folder: Not a directory'
run small.png -o fine --dump text.jpg
is_failure 'diffcut: text.jpg: cannot make this folder: Not a directory'
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked
    chmod a-w locked
    run small.png -o locked
    is_failure 'diffcut: locked: cannot write to this folder'
fi

# A disk that fills up (here: a limit on the size of files, which fails writes the same way): the file that did not
# fit is absent, and the batch stops, as every further photo would fail.
mkdir -p bulk
python3 -c '
import sys
sys.path.insert(0, sys.argv[1])
sys.argv[1:] = [".", sys.argv[2]]
import photos, random
random.seed(1)
for name in "abc":
    photos.png("bulk/%s.png" % name, 128, 128, lambda x, y: [random.randrange(256) for _ in range(3)])
' "$here" "$SOURCE_DIR" >"$kept/python" 2>&1 || cat "$kept/python"
shown='diffcut bulk, no file over 8 KiB'
(
    ulimit -f 8
    "$DIFFCUT" bulk "${quick[@]}" -o full --json 2>&1 >"$kept/out" | cat
    exit "${PIPESTATUS[0]}"
) >"$kept/err"
status=$?
exits 1
complains 'diffcut: bulk/a.png: full/a.overlay.png: cannot write: File too large
diffcut: full: cannot be written to any more; the remaining photos were left out' with-output
tree full a.png
check
[ "$(find full -name '.*' -type f)" = '' ] || fail 'a temporary file is left'
# With room again, the same line finishes.
run bulk "${quick[@]}" -o full
exits 0
there full/a.json full/b.json full/c.json

# A closed pipe under --json ends the run with an error instead of going on unheard.
if [ -w /dev/full ]; then
    shown='diffcut --json > /dev/full'
    "$DIFFCUT" small.png other.png "${quick[@]}" -o pipe --json >/dev/full 2>"$kept/err"
    status=$?
    : >"$kept/out"
    exits 1
    mentions 'diffcut: standard output: No space left on device'
    absent pipe/other.png
fi

# Names too long for the file system fail alone.
long=$(printf 'x%.0s' $(seq 245)).png
cp small.png "$long"
run "$long" other.png "${quick[@]}" -o long
exits 1
mentions 'File name too long'
there long/other.png

# Models.
run small.png --model nosuch -o model
exits 1
mentions 'nosuch'
absent model
run small.png --backend abacus -o model
exits 1
mentions 'abacus'
run small.png --backend ref --precision bf16 -o model
exits 1
mentions 'backend ref computes in f32 only'
absent model
mkdir empty-model
run model info empty-model
exits 1
mentions 'empty-model'
copy_model() {
    rm -rf broken
    cp -r "$SOURCE_DIR/models/diffcut-tiny" broken
    chmod -R u+w broken
}
weights=broken/unet/diffusion_pytorch_model.safetensors
copy_model
rm $weights
run model info broken
exits 1
mentions 'broken'
copy_model
head -c 100000 "$SOURCE_DIR/models/diffcut-tiny/unet/diffusion_pytorch_model.safetensors" >$weights
run small.png --model broken -o model
exits 1
mentions 'diffusion_pytorch_model.safetensors'
copy_model
: >$weights
run model info broken
exits 1
mentions 'diffusion_pytorch_model.safetensors'
copy_model
echo '{"block_out_channels": ' >broken/unet/config.json
run model info broken
exits 1
mentions 'config.json'
copy_model
sed -i 's/"tau": *0.4/"tau": 4/' broken/diffcut.json
run model info broken
exits 1
mentions 'tau'
copy_model
sed -i 's/"sample_size": *[0-9]*/"sample_size": -5/; s/"cross_attention_dim": *[0-9]*/"cross_attention_dim": 7/' \
    broken/unet/config.json
run small.png --model broken -o model
exits 1
run small.png --hook no.such.module -o model
exits 1
mentions 'no.such.module'
# What no photo can mend is said once and ends the run.
run small.png other.png --hook no.such.module -o model
exits 1
mentions 'diffcut: every photo would fail so; the remaining photos were left out'
check
[ "$(grep -c 'no hook "no.such.module"' "$kept/err")" -eq 1 ] || fail "said again: $(cat "$kept/err")"
run small.png other.png --prompt 'a cat' -o model
exits 1
mentions 'every photo would fail so; the remaining photos were left out'
check
[ "$(grep -c 'takes no prompt' "$kept/err")" -eq 1 ] || fail "said again: $(cat "$kept/err")"
# A photo's own size is its own.
cp small.png even.png
python3 -c '
import sys; sys.path.insert(0, sys.argv[1])
import photos
photos.png("odd.png", 31, 20, lambda x, y: [x, y, 9])
' "$here"
run odd.png even.png --size native -o native
exits 1
complains 'diffcut: odd.png: the network takes sides that are multiples of 2 pixels, not 31x20; nearest: 32x20
diffcut: 1 of 2 photos failed'
there native/even.png
run features small.png --hook down.1.attentions.1.blocks.0.attn9 -o hook.npy
is_failure 'diffcut: small.png: the UNet has no hook "down.1.attentions.1.blocks.0.attn9"; the nearest are: '"\
down_blocks.1.attentions.1.transformer_blocks.0.attn1, down_blocks.1.attentions.1.transformer_blocks.0.attn2, \
down_blocks.1.attentions.0.transformer_blocks.0.attn1"
run features small.png --hook mid_block.attentions.0 -o hook.npy
is_failure 'diffcut: small.png: "mid_block.attentions.0" cannot be a hook: only the encoder is run: conv_in and down_blocks'
run features small.png --hook conv_in,conv_in -o hook.safetensors
is_failure 'diffcut: small.png: hook conv_in is given twice'
absent hook.npy hook.safetensors
run features small.png --size native -o native.npy
exits 0

# Features and label maps of the stage commands.
run cut text.jpg -o l.png
is_failure 'diffcut: text.jpg: not an npy file'
run cut missing.npy -o l.png
is_failure 'diffcut: missing.npy: cannot open: No such file or directory'
python3 -c '
import struct
def npy(path, shape, values, descr="<f4"):
    head = "{\"descr\": \"%s\", \"fortran_order\": False, \"shape\": %s, }" % (descr.replace("\"", ""), shape)
    head = head.replace("\"", chr(39))
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    open(path, "wb").write(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + values)
npy("nan.npy", "(2, 2, 2)", struct.pack("<8f", 1, 2, 3, float("nan"), 5, 6, 7, 8))
npy("short.npy", "(2, 2, 2)", struct.pack("<4f", 1, 2, 3, 4))
npy("same.npy", "(4, 4, 3)", struct.pack("<48f", *([0.5] * 48)))
npy("zero.npy", "(0, 4, 3)", b"")
npy("int.npy", "(2, 2, 2)", b"\0" * 32, "<i4")
'
for file in nan short zero int; do
    run cut $file.npy -o l.png
    exits 1
    mentions "diffcut: $file.npy: "
    absent l.png
done
run cut same.npy -o same.png
exits 0
run refine small.png text.jpg -o r.png
exits 1
mentions 'diffcut: text.jpg: '
run refine small.png small.png -o r.png
exits 1
mentions 'diffcut: small.png: '
absent r.png
run features missing.png -o f.npy
is_failure 'diffcut: missing.png: cannot open: No such file or directory'
run features small.png -o text.jpg/f.npy
exits 1
mentions 'text.jpg/f.npy'
