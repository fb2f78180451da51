#!/usr/bin/env bash
# A prompt's context, written where the text encoders are, gives the same features where they are not; and what is
# wrong with a prompt or a context file is one clear line.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
pipeline=$SHARED_DIR/golden/models/tiny-vega
[ -d "$pipeline" ] || skip "$pipeline is not there"

cp "$pipeline/a.png" photo.png
cp -rL "$pipeline" whole
chmod -R u+w whole
for name in vocab.json merges.txt; do
    for folder in tokenizer tokenizer_2; do
        cp -f "$SHARED_DIR/golden/models/clip-tokenizer/$name" whole/$folder/
    done
done

run features photo.png --model whole --prompt 'a cat' -o cat.npy
exits 0
says_nothing
run features photo.png --model whole -o empty.npy
exits 0
differ cat.npy empty.npy
run model context whole --prompt 'a cat' -o cat.context
exits 0
says_nothing
run model context whole --prompt 'a cat' -o -
exits 0
same cat.context "$kept/out"
run model context whole --prompt 'a cat' -o cat.context
exits 1
mentions 'cat.context'
run model context whole --prompt 'a cat' -o cat.context --force
exits 0

# A tokenizer that cannot be read is found before a prompt needs it.
run model verify whole
exits 0
cp -r whole torn
printf '{' >torn/tokenizer_2/vocab.json
run model verify torn
exits 1
check
grep -q 'tokenizer_2/vocab.json: not valid JSON' "$kept/out" || fail "not named: $(cat "$kept/out")"

cp -r whole bare
rm -r bare/text_encoder bare/text_encoder_2 bare/tokenizer bare/tokenizer_2
run model info bare
exits 0
run features photo.png --model bare -o none.npy
exits 1
mentions 'text_encoder/config.json, text_encoder/model.safetensors, text_encoder_2/config.json'
mentions '--context'
absent none.npy
cp photo.png second.png
run photo.png second.png --model bare -o none
exits 1
mentions 'every photo would fail so; the remaining photos were left out'
check
[ "$(grep -c 'the text context needs files' "$kept/err")" -eq 1 ] || fail "said again: $(cat "$kept/err")"
run features photo.png --model bare --context cat.context --prompt 'a cat' -o again.npy
exits 0
says_nothing
same cat.npy again.npy
run features photo.png --model bare --context cat.context -o none.npy
exits 1
mentions 'the context of the prompt "a cat"'
run features photo.png --context cat.context --prompt 'a cat' -o none.npy
exits 1
mentions 'trained without text'
run features photo.png --prompt 'a cat' -o none.npy
exits 1
mentions 'takes no prompt'
head -c 900 cat.context >cut.context
run features photo.png --model bare --context cut.context --prompt 'a cat' -o none.npy
exits 1
mentions 'cut.context'
absent none.npy

# The summary has the prompt; a prompt that is too long says so once a photo.
run photo.png --model whole --prompt "$(yes cat | head -100 | tr '\n' ' ')" -o out --size 64
exits 0
mentions 'the prompt was cut to 77 tokens'
python 'assert json.load(open("out/photo.json"))["settings"]["prompt"].startswith("cat cat")'
