#!/usr/bin/env bash
# eval reads each of the six benchmarks as it is downloaded: the same regions in their folders and label values have
# the counts of a generic set.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
need python3
python3 "$here/eval_data.py" set 6 || exit 1
python3 "$here/eval_layouts.py" set all || exit 1

evaluate() { # evaluate OUTPUT OPTION...
    run eval --size 128 --replicates 20 --cache cache -q -o "$@"
    exits 0
}

# counts FOLDER FOLDER: all classes that occur have the same counts, whatever their numbers.
counts() {
    python '
import csv
def counts(folder):
    rows = csv.DictReader(open(folder + "/classes.csv", newline=""))
    return sorted((r["setting"], *(int(r[k]) for k in ("tp", "fp", "fn"))) for r in rows
                  if any(int(r[k]) for k in ("tp", "fp", "fn")))
a, b = (counts(folder) for folder in sys.argv[1:])
assert a == b and len(a) >= 4, (a, b)' "$1" "$2"
}

run eval --list --data all
exits 0
check
[ "$(sed -n 's/  */ /g; s/ photos .*/ photos/p' "$kept/out" | grep -v found)" = "voc val 6 photos
context val 6 photos
coco-object train 6 photos
coco-object val 6 photos
cityscapes val 6 photos
ade20k val 6 photos" ] || fail "--list: $(cat "$kept/out")"
check
grep -q '^coco-stuff-27  not found: ' "$kept/out" || fail "--list: $(cat "$kept/out")"
run eval --list --data all --split train --list-file all/curated.txt
exits 0
check
grep -q '^coco-stuff-27  train  *6 photos' "$kept/out" || fail "--list with a list: $(cat "$kept/out")"

# Without a background: four classes.
evaluate plain --set generic --data set --classes 4 --ignore 255
evaluate cityscapes --set cityscapes --data all
counts plain cityscapes
evaluate ade20k --set ade20k --data all
counts plain ade20k
evaluate stuff --set coco-stuff-27 --data all/coco --split train --list-file all/curated.txt
counts plain stuff
run eval --set coco-stuff-27 --data all/coco --split train -o none
exits 1
mentions 'Coco164kFull_Stuff_Coarse_7.txt'

# With one, label 0, in two passes.
evaluate two --set generic --data set --classes 4 --background 0 --ignore 255
evaluate voc --set voc --data all
counts two voc
evaluate context --set context --data all
counts two context
evaluate context-zero --set context --data all --label-values from-one
counts context context-zero
evaluate merged --set generic --data all/merged --classes 4 --background 0
evaluate object --set coco-object --data all
counts merged object

# The published code takes the void line as background: then VOC's counts are those without anything left out.
evaluate void --set voc --data all --reference
evaluate void-merged --set generic --data all/merged --classes 4 --background 0 --reference
python '
import csv
tp = [sum(int(r["tp"]) for r in csv.DictReader(open(f + "/classes.csv", newline=""))) for f in ("void", "void-merged")]
assert tp[0] == tp[1] > 0, tp'

# Values of another set's files are told, with the file, the pixel and the value.
cp all/ADEChallengeData2016/annotations/validation/3.png all/VOCdevkit/VOC2012/SegmentationClass/3.png
run eval --set voc --data all -o wrong --size 128
exits 1
mentions 'all/VOCdevkit/VOC2012/SegmentationClass/3.png: label value 150 at row '
mentions '1 of 6 photos could not be scored'
