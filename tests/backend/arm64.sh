#!/bin/bash
# Builds the backends and their operation check for arm64 and runs it by emulation. Skipped (77) where the cross
# compiler or the emulator is not there. Called by ctest, which sets COMPILER, EMULATOR, ROOT (of the tree), OUT (a
# folder to build in), SOURCES and SIMD_SOURCES (lists separated by spaces).
set -euo pipefail

for tool in COMPILER EMULATOR; do
    if [[ -z ${!tool} || ! -x ${!tool} ]]; then
        echo "arm64 check skipped: no ${tool,,} (packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user)"
        exit 77
    fi
done

rm -rf "$OUT"
mkdir -p "$OUT"
flags=(-std=c17 -O3 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -ffp-contract=off
    -fno-math-errno -I "$ROOT/include" -I "$ROOT/src" -I "$ROOT/tests/backend")
read -ra sources <<< "$SOURCES"
read -ra simd_sources <<< "$SIMD_SOURCES"
objects=()

compile() { # SOURCE FLAG...
    local object
    object="$OUT/$(basename "$(dirname "$1")")_$(basename "$1" .c).o"
    "$COMPILER" "${flags[@]}" "${@:2}" -c "$1" -o "$object"
    objects+=("$object")
}

for source in "${sources[@]}" "$ROOT/tests/backend/fixture.c" "$ROOT/tests/backend/check_backend.c"; do
    compile "$source"
done
for source in "${simd_sources[@]}"; do
    compile "$source" -DSIMD_SUFFIX=generic
done
"$COMPILER" -static "${objects[@]}" -lm -lpthread -o "$OUT/check_backend"

"$EMULATOR" "$OUT/check_backend" --every 11 | tee "$OUT/result"
grep -q '(neon)' "$OUT/result"
