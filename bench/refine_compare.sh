#!/bin/sh
# Times the refinement here and as a PyTorch program on the same photo, one after the other, and prints the ratios: by
# the clock, and by the processor time of all threads, which other programs disturb less. PyTorch runs in two forms:
# with all neighbours' masks stacked, as the formula is usually written, and summed neighbour by neighbour.
# usage: refine_compare.sh BENCH_REFINE [PYTHON]     BENCH_REFINE: the built program; PYTHON: one that has torch
set -eu
bench=${1:?usage: refine_compare.sh BENCH_REFINE [PYTHON]}
python=${2:-python3}
here=$(dirname "$0")

torch() {
    "$python" "$here/pamr_torch.py" --threads 2 "$@" |
        sed 's/.*"seconds": \([0-9.]*\), "processor_seconds": \([0-9.]*\).*/\1 \2/'
}

ours=$("$bench" 2 |
    sed -n 's/^refine 1024x1024, 10 segments, 10 iterations, 4 .* \([0-9.]*\) ms, processor *\([0-9.]*\) ms/\1 \2/p')
stacked=$(torch)
summed=$(torch --summed)
echo "$ours $stacked $summed" | awk '{
    printf "refine 1024x1024, 10 segments, 10 iterations, dilations 1,2,4,8, 2 threads\n"
    printf "                     clock      processor\n"
    printf "  diffcut          %7.3f s    %7.3f s\n", $1 / 1e3, $2 / 1e3
    printf "  PyTorch, stacked %7.3f s    %7.3f s    ratio %.1f, %.1f\n", $3, $4, $3 / $1 * 1e3, $4 / $2 * 1e3
    printf "  PyTorch, summed  %7.3f s    %7.3f s    ratio %.1f, %.1f\n", $5, $6, $5 / $1 * 1e3, $6 / $2 * 1e3 }'
