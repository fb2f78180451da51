#!/usr/bin/env bash
# scaling.sh - photos a second of one to N processes at one list, over this machine's processors: the efficiency of
# `diffcut segment --shard` and of diffcut-mpi, and the memory that a further process takes.
#
# usage: bench/scaling.sh [-n MOST] [-p PHOTOS] [-- OPTION...]
#   -n  processes at most; default: the processors
#   -p  copies of each of samples/; default 6 (24 photos)
#   --  options for `diffcut segment`: --model PATH, --no-refine, ...
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/build/release/bin
most=$(nproc)
copies=6
while getopts 'n:p:' option; do
    case $option in
        n) most=$OPTARG ;;
        p) copies=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

work=$(mktemp -d -t diffcut-scaling.XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir photos
for ((i = 0; i < copies; i++)); do
    for photo in "$root"/samples/*.{png,jpg}; do
        name=$(basename "$photo")
        cp "$photo" "photos/${name%.*}-$i.${name##*.}"
    done
done
count=$(find photos -type f | wc -l)
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

"$bin/diffcut" --version | tail -1
grep -m 1 'model name' /proc/cpuinfo || true
printf '%s processors, load %s, %s photos\n\n' "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)" "$count"
printf '%-34s %9s %9s %11s %11s\n' what seconds photos/s efficiency 'MiB each'

base='' # photos a second of one process with one thread
run() { # run TITLE PROCESSORS COMMAND...: the command fills out/
    local title=$1 processors=$2 started
    shift 2
    rm -rf out memory
    started=$(date +%s.%N)
    "$@"
    awk -v title="$title" -v p="$processors" -v base="$base" -v n="$count" -v a="$started" -v b="$(date +%s.%N)" \
        -v memory="$(sort -n memory 2>/dev/null | tail -1)" 'BEGIN {
            rate = n / (b - a)
            printf "%-34s %9.2f %9.2f %10.0f%% %11.0f\n", title, b - a, rate, 100 * rate / (base ? base * p : rate), memory / 1024
            print rate > "rate"
        }'
    [ -n "$base" ] || base=$(cat rate)
}

# The largest resident set of a process goes to the file `memory`.
cat >measure <<'EOF'
#!/usr/bin/env python3
import os, resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
with open("memory", "a") as file:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=file)
sys.exit(status)
EOF
chmod +x measure

shares() { # shares N OPTION...
    local n=$1 i
    shift
    for ((i = 1; i <= n; i++)); do
        ./measure "$bin/diffcut" segment photos -q -o out --resume --shard "$i/$n" -T 1 "$@" &
    done
    wait
}

run 'one process, one thread' 1 ./measure "$bin/diffcut" segment photos -q -o out --resume -T 1 "$@"
run 'one process, all threads' "$most" ./measure "$bin/diffcut" segment photos -q -o out --resume -T "$most" "$@"
for ((n = 2; n <= most; n++)); do
    run "--shard 1/$n .. $n/$n, a thread each" "$n" shares "$n" "$@"
done
if [ -x "$bin/diffcut-mpi" ] && command -v mpirun >/dev/null; then
    for ((n = 1; n <= most; n++)); do
        run "mpirun -n $n diffcut-mpi, -T 1" "$n" mpirun --oversubscribe -n "$n" ./measure "$bin/diffcut-mpi" segment photos -q \
            -o out -T 1 "$@"
    done
fi
