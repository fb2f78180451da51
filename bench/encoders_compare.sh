#!/bin/sh
# encoders_compare.sh [TOKENIZER] - image encoders and text embeddings against PyTorch, in the same run: random weights
# of full size (1.4 + 1.2 GB below build/bench), float32 (PyTorch also channels last, and with BF16=1 bfloat16). TOKENIZER
# is a folder with CLIP's vocab.json and merges.txt, for the texts. PARTS names those of "convnext dinov2" to run. The Python side gets an environment of its own below
# build/; PYTHON takes another that has torch, open_clip_torch, transformers and safetensors.
set -eu
cd "$(dirname "$0")/.."
tokenizer=${1:-}
here=build/bench
python=${PYTHON:-$here/venv/bin/python}
mkdir -p "$here"
if [ ! -x "$python" ]; then
    python3 -m venv "$here/venv"
    "$here/venv/bin/pip" install -q torch torchvision open_clip_torch transformers safetensors
fi
bench=build/release/bin/bench_encoders
[ -x "$bench" ] || cmake --build build/release --target bench_encoders >/dev/null
"$python" bench/encoders_torch.py make "$here" >/dev/null 2>&1

# compare NAME MODEL SIDE WANTED: PyTorch, then this, then their ratio.
compare() {
    echo "$1 at $3x$3"
    torch=$("$python" bench/encoders_torch.py "$1" "$here" "$3" ${BF16:+--bf16})
    ours=$("$bench" features "$here/$2" "$3")
    echo "$torch $ours $4" | awk '{printf "  PyTorch %.2f s, diffcut %.2f s: %.2f times as fast (wanted: %s)\n", $1, $2, $1 / $2, $3}'
}

parts=${PARTS:-convnext dinov2}
case $parts in *convnext*) compare convnext convnext-large-d-320 1024 1.5 ;; esac
case $parts in *dinov2*) compare dinov2 dinov2-large 448 1.3 ;; esac

if [ -n "$tokenizer" ]; then
    # 150 names of one to three words in 14 templates.
    awk 'BEGIN {
        n = split("wall building sky floor tree ceiling road bed window grass cabinet sidewalk person earth door table", word, " ");
        split("a photo of a %.|This is a photo of a %|There is a % in the scene|There is the % in the scene|a photo of a % in the scene|a photo of a small %.|a photo of a medium %.|a photo of a large %.|This is a photo of a small %.|This is a photo of a medium %.|This is a photo of a large %.|There is a small % in the scene.|There is a medium % in the scene.|There is a large % in the scene.", template, "|");
        for (i = 0; i < 150; i++) {
            name = word[i % n + 1] (i % 3 > 0 ? " " word[(i * 7) % n + 1] : "") (i % 5 == 0 ? " " word[(i * 3) % n + 1] : "");
            for (t = 1; t <= 14; t++) { line = template[t]; sub(/%/, name, line); print line }
        }
    }' > "$here/texts.txt"
    echo "150 classes x 14 templates"
    ours=$("$bench" texts "$here/convnext-large-d-320" "$tokenizer" "$here/texts.txt")
    echo "  diffcut $ours s, cold (wanted: 60)"
    if [ -n "${TORCH_TEXTS:-}" ]; then
        echo "  PyTorch $("$python" bench/encoders_torch.py texts "$here" < "$here/texts.txt") s"
    fi
fi
