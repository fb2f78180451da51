#!/bin/sh
# headers.sh c11|cxx|private - each header compiles with nothing included before it, and without a warning.
set -eu
public=$SOURCE_DIR/include/diffcut/diffcut.h

case $1 in
c11) "$CC" -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Werror -fsyntax-only -x c \
    "$public" ;;
cxx)
    if [ -z "$CXX" ] || [ "${CXX%NOTFOUND}" != "$CXX" ]; then
        echo "skipped: no C++ compiler"
        exit 77
    fi
    for standard in c++11 c++20; do
        "$CXX" -std=$standard -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Werror -fsyntax-only \
            -x c++ "$public"
    done
    ;;
private)
    status=0
    for header in $(find "$SOURCE_DIR/src" "$SOURCE_DIR/tools" "$SOURCE_DIR/tests" -name '*.h' | sort); do
        # Included rather than compiled, so that `#pragma once` and unused static functions are no matter.
        printf '#include "%s"\n' "$header" |
            "$CC" -std=c17 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -Wno-unused-function -fsyntax-only \
                -I"$SOURCE_DIR/include" -I"$SOURCE_DIR/src" -I"$SOURCE_DIR/tests" -I"$SOURCE_DIR/tools" -x c - || {
            echo "does not compile alone: $header"
            status=1
        }
    done
    exit $status
    ;;
esac
