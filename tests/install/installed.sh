#!/bin/sh
# installed.sh STEP - `install` installs this build into a folder and moves it elsewhere; the other steps use it there
# as a stranger would, with nothing of the build folder in reach. Run by ctest, in this order.
set -eu
root=$BUILD_DIR/tests/install/root
prefix=$root/moved
export PKG_CONFIG_PATH="$prefix/$LIBDIR/pkgconfig"
unset DIFFCUT_MODELS CFLAGS LDFLAGS
installed_library=$prefix/$LIBDIR${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
flags="-std=c11 -Wall -Wextra -Wpedantic -Werror"

fail() {
    echo "$*" >&2
    exit 1
}

# expect_run PROGRAM: it finds the library and the embedded model.
expect_run() {
    name=$(sed -n 's/.*"name": *"\([^"]*\)".*/\1/p' "$SOURCE_DIR/models/diffcut-tiny/diffcut.json")
    said=$("$1")
    [ "$said" = "$VERSION $name" ] || fail "$1 said \"$said\" instead of \"$VERSION $name\""
}

install_and_move() {
    rm -rf "$root"
    mkdir -p "$root"
    "$CMAKE" --install "$BUILD_DIR" --prefix "$root/first" >"$root/install.log" || {
        cat "$root/install.log"
        exit 1
    }
    mv "$root/first" "$prefix"
    for file in bin/diffcut "$LIBDIR/libdiffcut.so" "$LIBDIR/libdiffcut.so.${VERSION%%.*}" "$LIBDIR/libdiffcut.a" \
        "$LIBDIR/pkgconfig/diffcut.pc" "$LIBDIR/cmake/diffcut/diffcut-config.cmake" include/diffcut/diffcut.h include/diffcut/encoder.h include/diffcut/eval.h \
        include/diffcut/vocabulary.h \
        share/diffcut/models/diffcut-tiny/diffcut.json share/diffcut/models/diffcut-tiny/unet/config.json \
        share/man/man1/diffcut.1 share/bash-completion/completions/diffcut \
        share/doc/diffcut/LICENSE share/doc/diffcut/THIRD_PARTY.md; do
        [ -e "$prefix/$file" ] || fail "not installed: $file"
    done
    [ ! -e "$prefix/share/diffcut/models/diffcut-tiny/golden.safetensors" ] || fail "the tests' golden file is installed"
    # No file that others read, and no search path of a binary, may know where it was built or first installed.
    if grep -rlF -e "$BUILD_DIR" -e "$SOURCE_DIR" -e "$root/first" "$prefix/$LIBDIR/pkgconfig" "$prefix/$LIBDIR/cmake"; then
        fail "has a path of the build"
    fi
    for binary in bin/diffcut "$LIBDIR/libdiffcut.so"; do
        if "$READELF" -d "$prefix/$binary" | grep -E 'RPATH|RUNPATH' | grep -F "$BUILD_DIR"; then
            fail "$binary searches the build folder"
        fi
    done
    "$READELF" -d "$prefix/$LIBDIR/libdiffcut.so" | grep -q "SONAME.*\[libdiffcut.so.${VERSION%%.*}\]" ||
        fail "libdiffcut.so has no versioned soname"
}

case $1 in
install) install_and_move ;;
pkgconfig_shared)
    # shellcheck disable=SC2046,SC2086 # flags are words
    "$CC" $flags "$SOURCE_DIR/tests/install/consumer.c" -o "$root/shared" $("$PKG_CONFIG" --cflags --libs diffcut)
    LD_LIBRARY_PATH=$installed_library expect_run "$root/shared"
    ;;
pkgconfig_static)
    # Both libraries are in one folder, where -ldiffcut takes the shared one. The program goes where a command would
    # be installed, for the embedded model is searched relative to the program.
    libraries=$("$PKG_CONFIG" --static --libs diffcut | sed 's/-ldiffcut /-l:libdiffcut.a /')
    # shellcheck disable=SC2046,SC2086 # flags are words
    "$CC" $flags "$SOURCE_DIR/tests/install/consumer.c" -o "$prefix/bin/consumer" \
        $("$PKG_CONFIG" --cflags diffcut) $libraries
    if "$READELF" -d "$prefix/bin/consumer" | grep -q libdiffcut; then
        fail "not linked statically"
    fi
    expect_run "$prefix/bin/consumer"
    ;;
find_package)
    rm -rf "$root/project"
    mkdir -p "$root/project"
    cp "$SOURCE_DIR/tests/install/consumer.c" "$root/project"
    cp "$SOURCE_DIR/tests/install/CMakeLists.consumer.txt" "$root/project/CMakeLists.txt"
    "$CMAKE" -S "$root/project" -B "$root/project/build" -G "$GENERATOR" -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_C_COMPILER="$CC" -DCMAKE_BUILD_TYPE="$BUILD_TYPE"
    "$CMAKE" --build "$root/project/build"
    expect_run "$root/project/build/consumer_shared"
    cp "$root/project/build/consumer_static" "$prefix/bin"
    expect_run "$prefix/bin/consumer_static"
    ;;
cxx)
    if [ -z "$CXX" ] || [ "${CXX%NOTFOUND}" != "$CXX" ]; then
        echo "skipped: no C++ compiler"
        exit 77
    fi
    # shellcheck disable=SC2046 # flags are words
    "$CXX" -std=c++11 -Wall -Wextra -Wpedantic -Werror -x c++ "$SOURCE_DIR/tests/install/consumer.c" -x none \
        -o "$root/cxx" $("$PKG_CONFIG" --cflags --libs diffcut)
    LD_LIBRARY_PATH=$installed_library expect_run "$root/cxx"
    ;;
command)
    # One binary: it needs no library of ours.
    if "$READELF" -d "$prefix/bin/diffcut" | grep -q libdiffcut; then
        fail "the command needs libdiffcut.so"
    fi
    "$prefix/bin/diffcut" --version | grep -qF "$VERSION" || fail "--version does not say $VERSION"
    cd "$root"
    "$prefix/bin/diffcut" segment --force -q -o segmented "$SOURCE_DIR/samples/rocket.jpg"
    [ -s segmented/rocket.png ] || fail "no label map was written"
    ;;
*) fail "no such step: $1" ;;
esac
