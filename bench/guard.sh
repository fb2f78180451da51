#!/usr/bin/env bash
#
# guard.sh - tells when something has become slow: ratios within a run of `diffcut bench` beside the expected ones of
# expected_ratios.json. Seconds differ between machines and hours; what share of the machine's peak a convolution
# reaches does so less. The best of several runs counts, and the margin is generous: a guard against accidents, not a
# measurement. Run by hand and by `./run bench`.
#
#   bench/guard.sh [COMMAND [RUNS]]     the built command, default build/release/bin/diffcut; runs, default 3
#
# Exits with 1 where a ratio is out of its bounds.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
diffcut=${1:-$here/../build/release/bin/diffcut} runs=${2:-3}
reports=$(mktemp -t diffcut-guard.XXXXXX)
trap 'rm -f "$reports"' EXIT
for ((run = 0; run < runs; run++)); do
    "$diffcut" bench "$here/../samples/astronaut.png" --repeat 5 --json >>"$reports"
done
python3 - "$reports" "$here/expected_ratios.json" <<'PY'
import json
import sys

reports = [json.loads(line) for line in open(sys.argv[1])]
expected = json.load(open(sys.argv[2]))
margin = expected["margin"]
wrong = 0


def rate(report, kind):
    """GFLOP/s of all operations of a kind over the run's peak."""
    rows = [row for row in report["operations"] if row["kind"] == kind]
    return 1e3 * sum(row["gflop"] for row in rows) / sum(row["ms"] for row in rows) / report["peak_gflops"]


def line(name, value, bound, fine):
    global wrong
    wrong += not fine
    print("%-24s %8.3f   %s %-8.3f %s" % (name, value, "at least" if name.endswith("peak") else "at most ", bound,
                                        "" if fine else "SLOW"))


print("%s, best of %d runs" % (reports[0]["machine"], len(reports)))
for kind, usual in expected["at_least"].items():
    value = max(rate(report, kind) for report in reports)
    line(kind + " / peak", value, usual / margin, value >= usual / margin)
for stage, usual in expected["at_most"].items():
    value = min(r["stages"][stage]["min_ms"] / r["stages"]["features"]["min_ms"] for r in reports)
    line(stage + " / features", value, usual * margin, value <= usual * margin)
sys.exit(1 if wrong else 0)
PY
