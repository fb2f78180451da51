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
assert report["peak_gflops"] > 0
assert 0 < report["planned_activations_mib"] < report["peak_memory_mib"]
rows = report["operations"]
kinds = {row["kind"] for row in rows}
assert {"conv2d", "linear", "attention", "group_norm", "layer_norm"} <= kinds, kinds
assert len({(row["kind"], row["shape"]) for row in rows}) == len(rows), "a shape has two rows"
for row in rows:
    assert row["calls"] >= 1 and row["ms"] >= 0, row
    assert (row["gflop"] > 0) == (row["kind"] in ("conv2d", "linear", "attention")), row
convolutions = [row for row in rows if row["kind"] == "conv2d"]
for row in convolutions:
    # "HxWxC -> HxWxC, KxK": twice the products, summed over the calls
    before, after = row["shape"].split(", ")[0].split(" -> ")
    kernel = row["shape"].split(", ")[1].split("x")
    h, w, c = (int(n) for n in after.split("x"))
    flop = 2 * h * w * c * int(before.split("x")[2]) * int(kernel[0]) * int(kernel[1]) * row["calls"]
    assert abs(row["gflop"] - flop * 1e-9) <= 1e-6 * flop * 1e-9, row
'
run bench --synthetic 64x48 -n 1 --iterations 1
exits 0
for word in machine build model photo total start operation conv2d linear activations 'peak memory'; do
    check
    grep -q "^$word " "$kept/out" || fail "no line for $word: $(cat "$kept/out")"
done
check
! grep -q '^conv2d .*->' "$kept/out" || fail "shapes without --operations: $(cat "$kept/out")"
run bench --synthetic 64x48 -n 1 --iterations 1 --operations
exits 0
check
grep -q '^conv2d .*->' "$kept/out" || fail "no shapes with --operations: $(cat "$kept/out")"
run bench text.jpg
is_failure 'diffcut: text.jpg: not a JPEG, PNG or WebP image'
