#!/usr/bin/env bash
# What exists is kept: a stopped batch goes on where it was, and only --force replaces.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos
quick=(--size 64 --iterations 2)

status_of() { # status_of STATUS...: of the last run's --json lines
    python '
found = [json.loads(line)["status"] for line in out.splitlines()]
assert found == sys.argv[1:], found' "$@"
}

run small.png "${quick[@]}" -o out --json
status_of segmented
run small.png other.png "${quick[@]}" -o out --json
exits 0
status_of skipped segmented
run small.png other.png "${quick[@]}" -o out
exits 0
says_nothing

# A skipped photo's files are not touched, whatever the settings; --force replaces them.
cp -p out/small.png before.png
run small.png -o out --tau 0.9 --alpha 15 --no-refine
exits 0
same out/small.png before.png
check
[ out/small.png -nt before.png ] && fail 'the kept file was written'
run small.png -o out --tau 0.9 --alpha 15 --no-refine --force --json
status_of segmented
differ out/small.png before.png

# Of a photo that lacks a result, that one is made and the others stay.
run other.png "${quick[@]}" -o out
rm out/other.overlay.png
printf 'kept' >out/other.png
run other.png "${quick[@]}" -o out --json
exits 0
status_of segmented
there out/other.overlay.png
check
[ "$(cat out/other.png)" = kept ] || fail 'an existing result was replaced'

# More kinds of results later: only those are written.
run small.png "${quick[@]}" -o out --coco --json
status_of segmented
there out/small.coco.json

# Another photo's results are not taken for this one's.
mkdir sub
cp other.png sub/small.png
run sub/small.png "${quick[@]}" -o out
is_failure 'diffcut: sub/small.png: out/small.json is of another photo or version (--force replaces it)'
cp small.png small.webp
run small.webp "${quick[@]}" -o out
is_failure 'diffcut: small.webp: out/small.json is of another photo or version (--force replaces it)'
# The same photo by another path is the same.
run "$PWD/small.png" "${quick[@]}" -o out --json
status_of skipped

# The commands of a single file do not replace it either.
run features small.png -o f.npy
exits 0
run features small.png -o f.npy
is_failure 'diffcut: f.npy: exists already; --force replaces it'
run features small.png -o f.npy --force
exits 0
run cut f.npy -o l.png
exits 0
run cut f.npy -o l.png
is_failure 'diffcut: l.png: exists already; --force replaces it'
run refine small.png l.png -o l.png --iterations 1
is_failure 'diffcut: l.png: exists already; --force replaces it'
run refine small.png l.png -o l.png --iterations 1 --force
exits 0
