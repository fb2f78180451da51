#!/bin/sh
# Times the refinement here and as a PyTorch program on the same photo, one after the other, and prints the ratio.
# usage: refine_compare.sh BENCH_REFINE [PYTHON]     BENCH_REFINE: the built program; PYTHON: one that has torch
set -eu
bench=${1:?usage: refine_compare.sh BENCH_REFINE [PYTHON]}
python=${2:-python3}
here=$(dirname "$0")
ours=$("$bench" 2 | awk '/^refine 1024x1024, 10 segments, 10 iterations, 4 dil/ { print $(NF - 1) / 1e3 }')
theirs=$("$python" "$here/pamr_torch.py" --threads 2 | sed 's/.*"seconds": \([0-9.]*\).*/\1/')
awk -v ours="$ours" -v theirs="$theirs" 'BEGIN {
    printf "refine 1024x1024, 10 segments, 10 iterations, dilations 1,2,4,8, 2 threads\n"
    printf "  PyTorch  %8.3f s\n  diffcut  %8.3f s\n  ratio    %8.1f\n", theirs, ours, theirs / ours }'
