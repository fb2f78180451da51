#!/usr/bin/env bash
# label names segments from a list: maps of classes, named pictures, scores; lists and CLIPs that cannot serve are
# refused before anything is written.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
export XDG_CACHE_HOME=$work/home
photos

run label small.png
is_usage_error 'diffcut label: no classes given: --classes, --classes-file or --vocabulary' label
run label small.png --classes sky
is_usage_error 'diffcut label: --clip PATH is needed: the CLIP that names' label
run label small.png --classes sky --vocabulary voc --clip clip
is_usage_error 'diffcut label: --classes, --classes-file and --vocabulary exclude each other' label
run label small.png --classes sky --clip clip --coco
is_usage_error 'diffcut label: COCO JSON has no place for these names; NAME.json has them' label
run label --classes sky --clip clip
is_usage_error 'diffcut label: no photo given' label
for bad in '' 'sky,,tree' 'sky,Sky' 'dog|puppy,puppy' 'void'; do
    run label small.png --classes "$bad" --clip clip -q -o bad
    check
    [ "$status" -ne 0 ] || fail "'$bad' was taken"
done
run label small.png --classes 'dog|puppy,Puppy' --clip clip -q -o bad
is_failure "diffcut: 'Puppy' is named twice: in class 0 ('dog') and in class 1 ('Puppy')"
run label small.png --vocabulary imagenet --clip clip -q -o bad
is_failure "diffcut: 'imagenet' is no vocabulary; there are voc, context, coco, ade20k, cityscapes"
printf 'sky\ncaf\351\n' >latin.txt
run label small.png --classes-file latin.txt --clip clip -q -o bad
mentions 'latin.txt: line 2: byte 0xE9 is not UTF-8; if this is Latin-1'
printf '\377\376s\0k\0y\0' >utf16.txt
run label small.png --classes-file utf16.txt --clip clip -q -o bad
mentions 'utf16.txt: line 1: this is UTF-16'
: >empty.txt
run label small.png --classes-file empty.txt --clip clip -q -o bad
is_failure 'diffcut: empty.txt: the class list is empty'
run label small.png --classes-file absent.txt --clip clip -q -o bad
exits 1
mentions absent.txt
run label small.png --classes sky --clip nowhere -q -o bad
exits 1
mentions nowhere
run label small.png --classes sky --clip "$SOURCE_DIR/models/diffcut-tiny" -q -o bad
is_failure 'diffcut: diffcut-tiny is a diffusion model; naming needs a CLIP'
absent bad/small.png bad/small.json

models=$SHARED_DIR/golden/models
[ -d "$models/tiny-convnext-clip" ] || skip "the golden models are not there: only the line was checked"
python3 "$here/label_data.py" clip "$models" clip || exit 1
clip=(--clip clip --clip-size 128)

# The outputs: classes in the list's own numbers, a picture with a legend below, scores.
run label small.png other.png "${clip[@]}" --classes 'sky,tree,dog|puppy,cat' -o out --json --tau 0.6
exits 0
tree out other.json other.overlay.png other.png small.json small.overlay.png small.png
python '
lines = [json.loads(line) for line in out.splitlines()]
assert [line["photo"] for line in lines] == ["small.png", "other.png"]
for line in lines:
    names = line["results"][0]["names"]
    assert abs(sum(names.values()) - 1) < 1e-5 and set(names) <= {"sky", "tree", "dog", "cat"}, names
summary = json.load(open("out/small.json"))
assert summary["classes"] == ["sky", "tree", "dog", "cat"] and summary["clip"]["kind"] == "convnext"
for s in summary["segments"]:
    top = s["top"]
    assert len(top) == 4 and top[0]["class"] == s["class"] and top[0]["name"] == s["name"]
    assert all(a["cosine"] >= b["cosine"] for a, b in zip(top, top[1:]))
    assert abs(sum(t["probability"] for t in top) - 1) < 1e-6'
# The names' embeddings are kept, and two that make them at once do not disturb each other.
check
[ "$(find "$work/home/diffcut/names" -name '*.features' | wc -l)" -eq 1 ] || fail 'the names were not kept'
rm -r "$work/home"
"$DIFFCUT" label small.png "${clip[@]}" --vocabulary ade20k -q -o one & first=$!
"$DIFFCUT" label small.png "${clip[@]}" --vocabulary ade20k -q -o two & second=$!
check
wait $first && wait $second || fail 'two at once'
run label small.png "${clip[@]}" --vocabulary ade20k -v -o three
exits 0
mentions '150 classes, 239 names embedded'
mentions '239 of them kept before'
same one/small.png three/small.png
same two/small.overlay.png three/small.overlay.png
# Existing results are kept.
cp out/small.png kept.png
run label small.png "${clip[@]}" --classes 'cat,sky' -o out -v
exits 0
mentions 'skipped'
same out/small.png kept.png
# Over 256 classes make a map of 16 bits; a background goes in front; a void names nothing.
for i in $(seq 300); do printf 'thing number %d\n' "$i"; done >many.txt
run label small.png "${clip[@]}" --classes-file many.txt -q -o many
exits 0
run label small.png "${clip[@]}" --classes 'sky,void' --background 'anything else' -q -o back
exits 0
python '
import struct
assert open("many/small.png", "rb").read()[24:26] == bytes([16, 0])
back = json.load(open("back/small.json"))
assert back["classes"] == ["anything else", "sky", "void"] and (back["background"], back["void"]) == (0, 2)
assert all(t["name"] != "void" for s in back["segments"] for t in s["top"])'
# A name of too many tokens is cut, with a word.
run label small.png "${clip[@]}" --classes "cat,$(printf 'very %.0s' {1..90})long street" -o long
exits 0
mentions "1 name was cut to the text tower's length, the first 'very very"
run label small.png "${clip[@]}" --classes cat --templates many.txt -q -o none
exits 1
mentions 'many.txt: line 1: a template has {} once'
# A tokenizer from elsewhere; without one, a word on it.
mkdir bare words
cp clip/open_clip_* bare
cp clip/vocab.json clip/merges.txt words
run label small.png --clip bare --classes sky -q -o none
exits 1
mentions vocab.json
run label small.png --clip bare --clip-tokenizer words --clip-size 128 --vocabulary ade20k -q -o elsewhere
exits 0
same elsewhere/small.png three/small.png
# A CLIP without its text tower, and one whose texts are of another width than its images.
python3 "$here/label_data.py" without-text clip no-text
run label small.png --clip no-text --classes sky -q -o none
exits 1
mentions text
python3 "$here/label_data.py" other-width clip other-width
run label small.png --clip other-width --classes sky -q -o none
exits 1
mentions text_projection
absent none/small.png none/small.json
