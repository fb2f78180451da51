#!/usr/bin/env bash
# model synth makes what model info and model verify find to be a sound checkpoint; verify names what is broken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
tiny=$SOURCE_DIR/tests/data/tiny-pixel

run model synth --like ssd-1b --dry-run
exits 0
check
grep -q '^unet  *[0-9]* tensors  *1331.33 M parameters' "$kept/out" || fail "no size of the UNet: $(cat "$kept/out")"
check
[ "$(ls -A)" = '' ] || fail "something was written: $(ls -A)"

run model synth --like "$tiny" -o made --dtype bf16 --seed 3 -q
exits 0
says_nothing
tree made diffcut.json model_index.json scheduler/scheduler_config.json unet/config.json \
    unet/diffusion_pytorch_model.safetensors
same made/unet/config.json "$tiny/unet/config.json"
run model synth --like "$tiny" -o made
is_failure 'diffcut: made: exists already and is not empty (--force replaces)'
run model synth --like "$tiny" -o made -f
exits 0
run model synth --like nothing -o other
exits 1
mentions 'nothing: neither a known architecture (ssd-1b, vega, sd1, sd2, sdxl-base) nor a folder'
absent other
if [ -w /dev/full ]; then
    # A listing that cannot be written is a failure.
    shown='diffcut model synth --dry-run > /dev/full'
    "$DIFFCUT" model synth --like sd1 --dry-run >/dev/full 2>"$kept/err"
    status=$?
    : >"$kept/out"
    exits 1
fi

printf -- '---\nlicense: other\nlicense_name: as-you-like\n---\n' >made/README.md
: >made/LICENSE.md
run model info --json made
exits 0
python '
info = json.loads(out)
assert info["license"] == "as-you-like" and info["license_file"] == "LICENSE.md", info
assert info["dtype"] == "F16" and info["layout"] == "folder" and info["variant"] == "" and not info["cached"], info
assert info["text_encoders"] == 0 and info["text_encoders_needed"] == 0, info
assert info["bytes_total"] == 2 * info["parameters_total"] >= info["bytes_needed"] > 0, info
'
run model info made
exits 0
check
grep -q '^licence  *as-you-like, see LICENSE.md$' "$kept/out" || fail "no licence: $(cat "$kept/out")"

run model verify made
exits 0
run model verify --values -q made
exits 0
says_nothing
run model verify
exits 0

python '
name = "made/unet/diffusion_pytorch_model.safetensors"
data = open(name, "rb").read()
open(name, "wb").write(data.replace(b"\"conv_in.bias\"", b"\"conv_in.baas\""))
'
run model verify made
exits 1
check
grep -q '^missing  .*tensor conv_in.bias is missing' "$kept/out" || fail "not named: $(cat "$kept/out")"
check
grep -q '^extra  .*tensor conv_in.baas is none' "$kept/out" || fail "not named: $(cat "$kept/out")"
check
grep -q '^not sound: .*; 2 problems$' "$kept/out" || fail "not counted: $(cat "$kept/out")"
run model verify --json made
exits 1
python '
report = json.loads(out)
assert report["problems"] == 2 and not report["values_checked"], report
assert {f["kind"]: f["tensor"] for f in report["findings"]} == {"missing": "conv_in.bias", "extra": "conv_in.baas"}
assert all(f["problem"] and f["component"] == "unet" for f in report["findings"])
'
run model verify nowhere
is_failure 'diffcut: nowhere: No such file or directory'
