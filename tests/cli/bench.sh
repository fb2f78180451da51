#!/usr/bin/env bash
# bench names the machine and gives every stage's times; as JSON for scripts.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos

run bench small.png --repeat 2 --iterations 2 --json
exits 0
python '
report = json.loads(out)
assert report["photo"] == "small.png" and (report["width"], report["height"]) == (96, 64), report
assert report["repeat"] == 2 and report["peak_memory_mib"] > 1 and report["machine"], report
assert set(report["stages"]) >= {"decode", "features", "affinity", "cut", "assign", "refine", "encode", "total"}
for name, s in report["stages"].items():
    assert 0 <= s["min_ms"] <= s["median_ms"] <= s["max_ms"], (name, s)
assert report["stages"]["total"]["median_ms"] > 0
assert 0 < report["start_ms"], report
'
run bench --synthetic 64x48 -n 1 --iterations 1
exits 0
for word in machine build model photo total start 'peak memory'; do
    check
    grep -q "^$word " "$kept/out" || fail "no line for $word: $(cat "$kept/out")"
done
run bench text.jpg
is_failure 'diffcut: text.jpg: not a JPEG, PNG or WebP image'
