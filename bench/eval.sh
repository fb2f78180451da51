#!/usr/bin/env bash
# eval.sh - what an evaluation costs besides the features: a photo under one setting, and a sweep of 100 settings over
# 100 photos whose features are in the cache.
#
# usage: bench/eval.sh [-c COMMAND] [-n PHOTOS] [-d DIR -s SET -p SPLIT] [-- OPTION...]
#   -c  the built command; default build/release/bin/diffcut
#   -n  photos; default 100
#   -d  a data set's folder, with -s its name and -p its split; default: the tests' photos of coloured blocks
#   --  options for `diffcut eval`: --threads 2, --model PATH, ...
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
command=$root/build/release/bin/diffcut
photos=100
data=''
set=voc
split='val'
while getopts 'c:n:d:s:p:' option; do
    case $option in
        c) command=$(realpath "$OPTARG") ;;
        n) photos=$OPTARG ;;
        d) data=$(realpath "$OPTARG") ;;
        s) set=$OPTARG ;;
        p) split=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

work=$(mktemp -d -t diffcut-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work"
if [[ -n $data ]]; then
    what=(--set "$set" --data "$data" --split "$split")
else
    python3 "$root/tests/cli/eval_data.py" data "$photos"
    what=(--set generic --data data --classes 4 --ignore 255)
fi

run() { # run TITLE OPTION...
    local title=$1 started
    shift
    started=$(date +%s.%N)
    "$command" eval "${what[@]}" --limit "$photos" --cache cache -v -f -o out "$@" >table 2>said
    printf '%-34s %6.1f s  ' "$title" "$(awk -v a="$started" -v b="$(date +%s.%N)" 'BEGIN { print b - a }')"
    grep 'settings in' said
}

"$command" --version | tail -1
printf '%s processors, load %s\n' "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)"
run 'one setting, features made' "$@"
run 'one setting, features cached' "$@"
run '100 settings, features cached' --sweep tau=0.05:0.5:0.05,alpha=1,2,3,4,5,refine=on,off "$@"
