#!/usr/bin/env bash
# The man page is well-formed, and it and --help speak of the same options.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
page=$SOURCE_DIR/doc/diffcut.1

for name in segment features cut refine score 'model info' 'model pull' 'model verify' 'model context' 'model synth' similarity eval 'eval merge' bench serve; do
    # shellcheck disable=SC2086 # words
    run $name --help
    exits 0
    for option in $(grep -oE '^  (-.,|   ) --[a-z0-9-]+' "$kept/out" | grep -oE -- '--[a-z0-9-]+'); do
        check
        grep -qE "Fl -${option#--}( |\$)" "$page" || fail "$option is not in the man page"
    done
    check
    grep -q "^.It Cm $name\$" "$page" || fail "$name is not in the man page"
done
"$DIFFCUT" --help >"$kept/all"
for name in segment features cut refine score 'model info' 'model pull' 'model verify' 'model context' 'model synth' similarity eval 'eval merge' bench serve; do
    # shellcheck disable=SC2086 # words
    "$DIFFCUT" $name --help >>"$kept/all"
done
for option in $(grep -oE '(Fl|,) -[a-z][a-z-]+' "$page" | grep -oE -- '-[a-z][a-z-]+' | sort -u); do
    check
    grep -qE -- "-$option( |\$|,)" "$kept/all" || fail "-$option of the man page is in no --help"
done

command -v mandoc >/dev/null || skip 'mandoc is not installed: the form was not checked'
shown='mandoc -T lint'
check
mandoc -T lint -W warning "$page" >"$kept/lint" 2>&1 || fail "$(cat "$kept/lint")"
