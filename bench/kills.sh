#!/usr/bin/env bash
# kills.sh - the long form of the test that a batch survives kills: killed at 50 random moments and resumed, as files and as
# tar shards, it leaves what an uninterrupted run leaves.
#
# usage: bench/kills.sh [KILLS [PHOTOS]]     default: 50 and 200
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
DIFFCUT=${DIFFCUT:-$root/build/release/bin/diffcut} python3 "$root/tests/cli/batch_kill.py" "${1:-50}" "${2:-200}"
