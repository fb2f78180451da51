#!/usr/bin/env bash
# Help goes to standard output, is what expected/ says, and answers even a line that is otherwise wrong.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

for page in '' segment features cut refine score 'model info' 'model pull' 'model verify' 'model context' 'model synth' similarity eval 'eval merge' bench serve; do
    # shellcheck disable=SC2086 # two words are two arguments
    run $page --help
    exits 0
    expected=$here/expected/help${page:+-${page// /-}}.txt
    check
    diff "$expected" "$kept/out" >"$kept/diff" || fail "not $expected (< expected): $(cat "$kept/diff")"
    check
    [ ! -s "$kept/err" ] || fail "unexpected errors: $(cat "$kept/err")"
    check
    [ "$(awk 'length > 79' "$kept/out")" = '' ] || fail "lines over 79 columns"
done

cp "$here/expected/help-segment.txt" page
run segment --nonsense --tau 9 -h
exits 0
same page "$kept/out"
run -h
exits 0
run model --help
exits 0
prints 'Commands: diffcut model info, diffcut model pull, diffcut model verify, diffcut model context, diffcut model synth'

run --version
exits 0
check
[ "$(head -1 "$kept/out")" = "diffcut $VERSION" ] || fail "first line is $(head -1 "$kept/out")"
run -V
exits 0

# A full disk under standard output is a failure, not a silent success.
if [ -w /dev/full ]; then
    shown='diffcut --help > /dev/full'
    "$DIFFCUT" --help >/dev/full 2>"$kept/err"
    status=$?
    : >"$kept/out"
    is_failure 'diffcut: standard output: No space left on device'
fi
