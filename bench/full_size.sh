#!/usr/bin/env bash
# full_size.sh - what a real checkpoint costs on this machine, measured with one of random numbers of the same size:
# the time from the process's start until a network is at work, the first photo, a later one in the same process (no
# loading, no packing), and peak memory, all with a warm file cache.
#
# usage: bench/full_size.sh [-c COMMAND] [-l NAME] [-f FOLDER] [-s SIZE] [-n RUNS] [-- OPTION...]
#   -c  the built command; default build/release/bin/diffcut
#   -l  architecture, as in `diffcut model synth --like`; default ssd-1b (4.5 GB on disk)
#   -f  where the checkpoint is kept and reused; default: a temporary folder, removed at the end
#   -s  side of the photo in pixels; default 1024
#   -n  later photos; default 2
#   --  options for `diffcut bench`: --threads 2, --first-stage PATH, ...
set -euo pipefail

command=$(dirname "$0")/../build/release/bin/diffcut
like=ssd-1b
folder=''
size=1024
runs=2
while getopts 'c:l:f:s:n:' option; do
    case $option in
        c) command=$OPTARG ;;
        l) like=$OPTARG ;;
        f) folder=$OPTARG ;;
        s) size=$OPTARG ;;
        n) runs=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

report=$(mktemp)
temporary=''
cleanup() {
    rm -f "$report"
    [ -z "$temporary" ] || rm -rf "$temporary"
}
trap cleanup EXIT
if [ -z "$folder" ]; then
    temporary=$(mktemp -d)
    folder=$temporary/$like
fi

[ -f "$folder/unet/config.json" ] || "$command" model synth --like "$like" -o "$folder"
"$command" model verify --values "$folder" # reads every needed weight: the file cache is warm afterwards
"$command" bench --model "$folder" --synthetic "${size}x$size" --size "$size" -n "$runs" --json "$@" >"$report"
python3 - "$report" "$("$command" model info --json "$folder")" <<'PYTHON'
import json
import sys

report, info = json.load(open(sys.argv[1])), json.loads(sys.argv[2])
features = report["stages"]["features"]
print(f"machine                {report['machine']}, {report['processors']} processors")
print(f"build                  {report['build']}")
print(f"model                  {info['name']}: {info['parameters_needed'] / 1e6:.0f} M parameters needed of "
      f"{info['parameters_total'] / 1e6:.0f} M, {info['bytes_needed'] / 1e6:.0f} MB of {info['dtype']}")
print(f"photo                  {report['width']}x{report['height']}")
for name, seconds in (("opening the model", report["model_open_ms"] / 1e3),
                      ("start to first layer", report["start_ms"] / 1e3),
                      ("features, first photo", features["first_ms"] / 1e3),
                      ("features, later photo", features["median_ms"] / 1e3),
                      ("all, later photo", report["stages"]["total"]["median_ms"] / 1e3)):
    print(f"{name:<22} {seconds:9.3f} s")
print(f"peak memory            {report['peak_memory_mib']:9.0f} MiB")
PYTHON
