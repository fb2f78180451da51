#!/usr/bin/env bash
# eval scores a data set once and for all: threads, shards, order, resuming and the cache change nothing, and what
# cannot be scored is named and counted.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
need python3
export XDG_CACHE_HOME=$work/home
python3 "$here/eval_data.py" set 6 || exit 1

evaluate() { # evaluate OPTION...: the set, small and quick
    run eval --set generic --data set --classes 4 --ignore 255 --size 128 --replicates 20 "$@"
}

same_results() { # same_results DIR DIR: all figures of settings, classes and photos
    local name
    for name in settings classes; do
        same "$1/$name.csv" "$2/$name.csv"
    done
    check
    diff <(sort "$1/photos.csv") <(sort "$2/photos.csv") >"$kept/diff" || fail "photos: $(cat "$kept/diff")"
}

sweep=tau=0.2:0.4:0.1,alpha=1,5,refine=on,off,k=3
evaluate -o whole --sweep $sweep --method diffcut,colour,kmeans --json
exits 0
check
[ ! -s "$kept/err" ] || fail "errors: $(cat "$kept/err")"
there whole/report.html whole/results.json whole/settings.csv whole/classes.csv whole/photos.csv whole/journal.jsonl
python '
results = json.loads(out)
assert results == json.load(open("whole/results.json"))
assert results["title"] == "set", results["title"]
assert len(results["settings"]) == 2 * 3 * 2 * 2 + 2, len(results["settings"])
assert "diffcut alpha=5 tau=0.3 refine=on" in [s["name"] for s in results["settings"]]'
check
[ "$(wc -l <whole/journal.jsonl)" -eq 7 ] || fail "a journal of $(wc -l <whole/journal.jsonl) lines"

# Again: nothing is left to do, and nothing changes.
cp -r whole before
evaluate -o whole --sweep $sweep --method diffcut,colour,kmeans
exits 0
mentions 'going on; 6 photos are done'
same whole/journal.jsonl before/journal.jsonl
same_results whole before

# Threads, shards and their order, and a run without the cache.
evaluate -o threads --sweep $sweep --method diffcut,colour,kmeans -T 1 --no-cache -q
exits 0
same_results whole threads
for part in 1 2 3; do
    evaluate -o part$part --sweep $sweep --method diffcut,colour,kmeans --shard $part/3 -T $part -q
    exits 0
done
run eval merge part3 part1 part2 -o merged
exits 0
same_results whole merged
run eval merge part1 part2 part3 part2 -o twice --json
exits 0
same_results whole twice
mentions_in() {
    check
    grep -qF -- "$1" "$2" || fail "$2 does not hold \"$1\""
}
mentions_in 'more than one journal' twice/results.json
run eval merge part1 part3 -o some
exits 1
mentions '4 of 6 photos are scored'
evaluate -o other --limit 5 -q
run eval merge part1 other
is_failure 'diffcut: other: not of the same evaluation as part1: set, list, model, settings or version differ'
run eval merge part1 set
exits 1
mentions 'set/journal.jsonl'
run eval merge
is_usage_error 'diffcut eval merge: no folder given' 'eval merge'
evaluate -o whole
exits 1
mentions 'whole: holds another evaluation'
evaluate -o whole --force -q
exits 0

# A journal that was cut anywhere, or damaged in the middle, gives the same results.
size=$(stat -c %s before/journal.jsonl)
for cut in 10 500 $((size / 2)) $((size - 1)); do
    rm -rf broken
    mkdir broken
    head -c "$cut" before/journal.jsonl >broken/journal.jsonl
    evaluate -o broken --sweep $sweep --method diffcut,colour,kmeans -q
    exits 0
    same_results before broken
done
cp before/journal.jsonl broken/journal.jsonl
python3 -c "
data = bytearray(open('broken/journal.jsonl', 'rb').read())
data[len(data) // 2] ^= 1
open('broken/journal.jsonl', 'wb').write(data)"
evaluate -o broken --sweep $sweep --method diffcut,colour,kmeans -q
exits 0
same_results before broken
mkdir foreign
echo '{"a": 1}' >foreign/journal.jsonl
run eval merge foreign
is_failure 'diffcut: foreign/journal.jsonl: not the journal of an evaluation'

# The cache: another model's features are not taken; damaged ones are made anew; a small one is kept small.
evaluate -o cached -v --cache cache
exits 0
mentions 'features: 0 from the cache, 6 computed; 6 entries stored'
evaluate -o cached2 -v --cache cache
mentions 'features: 6 from the cache, 0 computed'
same_results cached cached2
evaluate -o cached3 -v --cache cache --model "$SOURCE_DIR/tests/data/tiny-pixel"
exits 0
mentions 'features: 0 from the cache, 6 computed'
evaluate -o cached4 -v --cache cache --seed 43
mentions 'features: 0 from the cache, 6 computed'
for file in cache/*/*.features; do
    printf x | dd of="$file" bs=1 seek=200 conv=notrunc status=none
done
evaluate -o cached5 -v --cache cache
exits 0
mentions '6 damaged entries of the features cache were made anew'
mentions 'features: 0 from the cache, 6 computed'
same_results cached cached5
: >no-folder
evaluate -o cached6 --cache no-folder/cache
exits 1
mentions 'no-folder/cache'

# A disk that fills up: without room for features the results are whole; without room for the journal the run stops.
full() { # full KIB ARGUMENT...: no file may grow beyond that
    local kib=$1
    shift
    shown="ulimit -f $kib; diffcut $*"
    (
        ulimit -f "$kib"
        exec "$DIFFCUT" "$@" >"$kept/out" 2>"$kept/err" </dev/null
    )
    status=$?
}
largest=$(stat -c %s cache/*/*.features | sort -n | tail -1)
check
[ "$largest" -gt 20480 ] || fail "features of $largest bytes are too small for this test"
common=(eval --set generic --data set --classes 4 --ignore 255 --size 128 --replicates 20)
full 1 "${common[@]}" -o full --cache full-cache
exits 1
mentions 'full/journal.jsonl: File too large'
mentions 'the remaining photos were left out'
evaluate -o full --cache full-cache
exits 0
same_results cached full

# What cannot be scored is named and counted, and tried again once it is mended.
cp -r set/labels good
python3 -c "
import sys
sys.path.insert(0, '$here')
from eval_data import write_png
write_png('set/labels/1.png', 20, 20, 0, [[0] * 20] * 20)
write_png('set/labels/2.png', 90, 90, 2, [[0] * 270] * 90)"
rm set/labels/0.png
head -c 60 set/labels/4.png >x && mv x set/labels/4.png
python3 - "$here" <<'PYTHON'
import os
import struct
import sys
sys.path.insert(0, sys.argv[1])
from eval_data import write_png
width, height = struct.unpack(">II", open("set/images/3.png", "rb").read(24)[16:])
rows = [[0] * width for _ in range(height)]
rows[height - 1][width - 1] = 9
write_png("set/labels/3.png", width, height, 0, rows)
PYTHON
cp set/images/5.png photo
head -c 100 photo >set/images/5.png
evaluate -o bad --json
exits 1
mentions 'set/labels/0.png: cannot open: No such file or directory'
mentions 'set/labels/1.png: '
mentions 'set/labels/2.png: '
mentions 'set/labels/3.png: '
mentions 'set/labels/4.png: '
mentions 'set/images/5.png: '
mentions '6 of 6 photos could not be scored'
python '
results = json.loads(out)
assert "0 of the 6 photos" in results["remarks"], results["remarks"]
reasons = {f["file"]: f["reason"] for f in results["failures"]}
assert len(reasons) == 6, reasons
assert "20x20" in reasons["set/labels/1.png"] or "20 x 20" in reasons["set/labels/1.png"], reasons
assert "9" in reasons["set/labels/3.png"], reasons'
rm -r set/labels
mv good set/labels
evaluate -o bad
exits 1
mentions '1 of 6 photos could not be scored'
mv photo set/images/5.png
evaluate -o bad
exits 0
mentions 'going on; 5 photos are done'
same_results cached bad

# A model that cannot do what is asked stops the run at once.
evaluate -o lacking --method diffseg
exits 1
mentions 'is missing'
check
[ "$(wc -l <"$kept/err")" -eq 1 ] || fail "more than one line of errors: $(cat "$kept/err")"

# Mistakes in the line and in lists.
run eval
is_usage_error 'diffcut eval: --data DIR is needed' eval
run eval --data set
is_usage_error "diffcut eval: --set NAME is needed; 'diffcut eval --list --data DIR' shows what is there" eval
run eval --data set --set generic
is_usage_error 'diffcut eval: --set generic needs --classes N or FILE' eval
run eval --data set --set voc
exits 1
mentions 'no PASCAL VOC 2012 of split val below it'
run eval --data set --set imagenet
exits 1
mentions 'no data set is called "imagenet"; there are voc'
evaluate --sweep tau=0.3:0.2:0.1
is_usage_error 'diffcut eval: --sweep: tau: a range is FIRST:LAST:STEP, ascending' eval
evaluate --sweep beta=1
is_usage_error "diffcut eval: --sweep: 'beta' is none of tau, alpha, refine and k" eval
evaluate --shard 3/2
is_usage_error "diffcut eval: --shard: '3/2' is not I/N with I in 1 .. N" eval
evaluate --method magic
exits 2
: >empty.txt
evaluate --list-file empty.txt -o empty
is_failure 'diffcut: empty.txt: the list is empty'
absent empty
printf '1\n2\n1\n' >double.txt
evaluate --list-file double.txt -o empty
is_failure 'diffcut: double.txt: "1" is named twice'
printf '4\n2\n' >two.txt
evaluate --list-file two.txt -o two --save-predictions maps -q
exits 0
tree maps 'diffcut alpha=5 tau=0.4 refine=on/2.png' 'diffcut alpha=5 tau=0.4 refine=on/4.png'
run eval --list --data set
exits 0
mentions_in 'generic                      6 photos  set/images' "$kept/out"
mentions_in 'voc            not found' "$kept/out"
