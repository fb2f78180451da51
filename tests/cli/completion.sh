#!/usr/bin/env bash
# The bash completion offers each command's options, all of them and no others, and words where it knows them.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC1091
. "$SOURCE_DIR/completions/diffcut.bash"
shown=completion

offers() { # offers WORD...: what Tab gives after these words, the last being typed
    COMP_WORDS=(diffcut "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _diffcut
    printf '%s\n' "${COMPREPLY[@]}" | sort
}

expect() { # expect "WORD WORD" ...: as above
    local expected
    expected=$(tr ' ' '\n' <<<"$1" | sort)
    shift
    check
    [ "$(offers "$@")" = "$expected" ] || fail "after '$*': $(offers "$@" | tr '\n' ' '), expected $expected"
}

touch rose.jpg row.txt
mkdir roots
expect 'segment' seg
expect 'similarity' sim
expect 'serve' ser
expect '--max-body --max-connections --max-pixels --max-tokens' serve --max
expect '--range --resample' similarity --r
expect 'cut' cu
expect 'rose.jpg' rose
expect 'rose.jpg' segment rose
expect 'roots rose.jpg row.txt' segment ro
expect 'roots' segment -o ro
expect 'roots rose.jpg row.txt' features -o ro
expect 'context info pull synth verify' model ''
expect 'verify' model v
expect 'merge' eval m
expect 'colour' eval --method c
expect 'label' la
expect 'coherence' coh
expect 'coco context' label --vocabulary co
expect '--clip --clip-raw --clip-size --clip-tokenizer --clip-variant' label --cli
expect 'coco-object coco-stuff-27 context' eval --set co
expect 'f16 f32' model synth --dtype f
expect 'ssd-1b' model synth --like ss
expect '--values --variant --verbose' model verify --v
expect '--revision --retries' model pull --re
expect '--help --version' --
expect '--tau --threads --tile --timestep --tokenizer' segment --t
expect '--tau --threads --tile --timestep --tokenizer' rose.jpg --t
expect '--tau --threads' cut --t
expect 'auto dense' cut --eigen ''
expect 'coco-object coco-stuff-27' score --protocol coco
expect 'from-one from-zero' score --label-values from
expect 'cpu cuda' segment --noise ''
expect 'safetensors' features --format s
expect 'antialias' segment --resample a
expect 'cpu' segment --backend c
expect 'bf16' segment --precision b
expect 'coco' segment --outputs c
expect '' segment --tau ''

for name in segment label features cut refine score 'model info' 'model pull' 'model verify' 'model context' 'model synth' similarity coherence eval 'eval merge' bench serve; do
    # shellcheck disable=SC2086 # words
    run $name --help
    grep -oE '^  (-.,|   ) --[a-z-]+' "$kept/out" | grep -oE -- '--[a-z-]+' | sort >"$kept/expected"
    # shellcheck disable=SC2086
    offers $name -- >"$kept/offered"
    check
    diff "$kept/expected" "$kept/offered" >"$kept/diff" || fail "$name (< in --help, > offered): $(cat "$kept/diff")"
done
