#!/usr/bin/env bash
#
# compare.sh - DiffCut's features beside PyTorch's in the same run on the same machine: the better of PyTorch's two
# precisions is what counts. Rounds alternate, so that a machine whose speed drifts is fair to both.
#
#   bench/compare.sh BASELINE.py PYTHON MODEL [SIZE] [ROUNDS]
#
# BASELINE.py prints one JSON line a precision with "dtype", "vae_s", "unet_s" and "total_s" for --size SIZE --repeat 1;
# PYTHON has torch and diffusers; MODEL is a full-size checkpoint (diffcut model synth --like ssd-1b -o MODEL).
# DIFFCUT names another command than build/release/bin/diffcut; OPTIONS adds to its line (--first-stage DIR).
set -euo pipefail
[ $# -ge 3 ] || {
    sed -n '3,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
baseline=$1 python=$2 model=$3 size=${4:-1024} rounds=${5:-2}
diffcut=${DIFFCUT:-$(dirname "$0")/../build/release/bin/diffcut}
out=$(mktemp -d -t diffcut-compare.XXXXXX)
trap 'rm -rf "$out"' EXIT
read -r -a options <<<"${OPTIONS:-}"
for ((round = 1; round <= rounds; round++)); do
    "$python" "$baseline" --size "$size" --repeat 1 >>"$out/torch.jsonl"
    "$diffcut" bench --model "$model" --synthetic "${size}x$size" --size "$size" --repeat 1 --json "${options[@]}" \
        >>"$out/diffcut.jsonl"
done
"$python" - "$out" <<'PY'
import json, sys

folder = sys.argv[1]
torch = [json.loads(line) for line in open(folder + "/torch.jsonl") if line.startswith("{")]
ours = [json.loads(line) for line in open(folder + "/diffcut.jsonl")]
print("machine  %s, %d processors" % (ours[0]["machine"], ours[0]["processors"]))
print("build    %s" % ours[0]["build"])
best = {}
for row in torch:
    best[row["dtype"]] = min(best.get(row["dtype"], row["total_s"]), row["total_s"])
for dtype, seconds in best.items():
    print("PyTorch %-15s %8.2f s" % (dtype, seconds))
stages = ours[0]["stages"]
median = {name: min(o["stages"][name]["median_ms"] for o in ours) / 1e3 for name in stages}
print("DiffCut features        %8.2f s" % median["features"])
print("DiffCut whole photo     %8.2f s (all but the features: %.1f %% of them)" %
      (median["total"], 100 * (median["total"] - median["features"]) / median["features"]))
print("peak memory             %8.0f MiB" % max(o["peak_memory_mib"] for o in ours))
print("ratio to the better     %8.2f x" % (min(best.values()) / median["features"]))
PY
