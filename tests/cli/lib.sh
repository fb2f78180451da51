# lib.sh - what the command's tests share; sourced by each script.
#
# DIFFCUT is the built command, SOURCE_DIR the project. A test runs in a folder of its own that is removed at the end.
# `run ARGUMENT...` runs the command with its output and errors kept; the checks that follow look at them. Every check
# that fails says what was expected and what was there; the script's exit status is 1 if any failed, 77 if skipped.
# shellcheck shell=bash disable=SC2034

set -u
: "${DIFFCUT:?}" "${SOURCE_DIR:?}"
export LC_ALL=C TERM=dumb
unset DIFFCUT_MODELS
here=$SOURCE_DIR/tests/cli
work=$(mktemp -d "${TMPDIR:-/tmp}/diffcut-cli.XXXXXX")
kept=$work/kept # what the last run wrote
mkdir "$kept" "$work/in"
cd "$work/in" || exit 1
failures=0
checks=0

finish() {
    local status=$?
    # What a test made unwritable must be removable again.
    chmod -R u+w "$work" 2>/dev/null
    rm -rf "$work"
    [ $status -eq 0 ] || exit $status
    printf '%d checks, %d failed\n' $checks $failures
    [ $failures -eq 0 ] || exit 1
}
trap finish EXIT

skip() {
    printf 'skipped: %s\n' "$*"
    exit 77
}

need() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
}

# Makes the photos of photos.py here.
photos() {
    need python3
    python3 "$here/photos.py" . "$SOURCE_DIR" || exit 1
}

run() {
    shown="diffcut $*"
    "$DIFFCUT" "$@" >"$kept/out" 2>"$kept/err" </dev/null
    status=$?
}

# run_stdin FILE ARGUMENT...
run_stdin() {
    local input=$1
    shift
    shown="diffcut $* < $input"
    "$DIFFCUT" "$@" >"$kept/out" 2>"$kept/err" <"$input"
    status=$?
}

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n  %s\n' "$shown" "$*"
}

check() {
    checks=$((checks + 1))
}

exits() {
    check
    [ "$status" -eq "$1" ] || fail "exit status $status, expected $1; errors: $(cat "$kept/err")"
}

# says_nothing: neither output nor errors.
says_nothing() {
    check
    [ ! -s "$kept/out" ] || fail "unexpected output: $(head -c 500 "$kept/out")"
    [ ! -s "$kept/err" ] || fail "unexpected errors: $(head -c 500 "$kept/err")"
}

# prints TEXT / complains TEXT: standard output / error is exactly this (a newline is added).
prints() {
    check
    printf '%s\n' "$1" | diff - "$kept/out" >"$kept/diff" || fail "output (< expected, > found): $(cat "$kept/diff")"
}

complains() {
    check
    printf '%s\n' "$1" | diff - "$kept/err" >"$kept/diff" || fail "errors (< expected, > found): $(cat "$kept/diff")"
    [ "${2-}" = with-output ] || [ ! -s "$kept/out" ] || fail "unexpected output: $(head -c 500 "$kept/out")"
}

# is_usage_error TEXT [COMMAND]: exit 2, the text, the hint and nothing on standard output.
is_usage_error() {
    exits 2
    complains "$1
Try 'diffcut ${2:-segment} --help'."
}

is_failure() {
    exits 1
    complains "$1"
}

mentions() {
    check
    grep -qF -- "$1" "$kept/err" || fail "errors do not hold \"$1\": $(cat "$kept/err")"
}

there() {
    local file
    for file in "$@"; do
        check
        [ -s "$file" ] || fail "$file is not there"
    done
}

absent() {
    local file
    for file in "$@"; do
        check
        [ ! -e "$file" ] || fail "$file is there"
    done
}

# tree FOLDER LINE...: the folder holds exactly these files, sorted.
tree() {
    local folder=$1
    shift
    check
    (cd "$folder" && find . -type f | sed 's,^\./,,' | sort) >"$kept/tree"
    printf '%s\n' "$@" | sort | diff - "$kept/tree" >"$kept/diff" || fail "$folder (< expected, > found): $(cat "$kept/diff")"
}

same() {
    check
    cmp -s "$1" "$2" || fail "$1 and $2 differ"
}

differ() {
    check
    ! cmp -s "$1" "$2" || fail "$1 and $2 are the same"
}

# python CODE [ARGUMENT...]: the code must not raise; it sees the standard output of the last run as `out` (bytes).
python() {
    local code=$1
    shift
    check
    KEPT=$kept python3 -c "import json, os, sys
out = open(os.path.join(os.environ['KEPT'], 'out'), 'rb').read()
$code" "$@" >"$kept/python" 2>&1 || fail "$(tail -3 "$kept/python")"
}
