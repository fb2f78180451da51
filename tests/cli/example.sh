#!/usr/bin/env bash
# The example program builds with its own build line against the installed layout's names, and segments a photo.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
photos
need "${CC:=cc}"
shown="example"
check
# shellcheck disable=SC2086 # flags are words
"$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror $CFLAGS -I"$SOURCE_DIR/include" "$SOURCE_DIR/examples/segment.c" \
    -L"$LIBRARY_DIR" -Wl,-rpath,"$LIBRARY_DIR" -ldiffcut -o example >"$kept/cc" 2>&1 || fail "$(cat "$kept/cc")"
DIFFCUT=$PWD/example
run small.png labels.png
exits 0
there labels.png
check
grep -qE '^labels\.png: [0-9]+ segments$' "$kept/out" || fail "output: $(cat "$kept/out")"
run text.jpg none.png
is_failure 'text.jpg: not a JPEG, PNG or WebP image'
absent none.png
run
exits 2
