#!/bin/sh
# exports.sh shared|static - a library defines every function of the public header for others, and no other name.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The public functions, as the preprocessed header declares them.
"$CC" -E -P -I"$SOURCE_DIR/include" "$SOURCE_DIR/include/diffcut/diffcut.h" | tr '\n' ' ' | tr ';' '\n' |
    grep 'visibility("default")' | sed 's/.*[ *]\(diffcut_[a-z0-9_]*\) *(.*/\1/' | sort -u >"$work/declared"
case $1 in
shared) "$NM" -D --defined-only "$BUILD_DIR/lib/libdiffcut.so" | awk '$2 != "A"' ;;
static) "$NM" -g --defined-only "$BUILD_DIR/lib/libdiffcut.a" ;;
esac | awk 'NF == 3 { sub(/@.*/, "", $3); print $3 }' | sort -u >"$work/defined"

[ -s "$work/declared" ]
if ! diff "$work/declared" "$work/defined"; then
    echo "< declared in diffcut.h but not defined; > defined but not in diffcut.h"
    exit 1
fi
