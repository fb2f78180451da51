#!/usr/bin/env bash
# serve_soak.sh [REQUESTS]: `diffcut serve` under so many requests (default 2000) of every kind, good and bad, then the
# tests of hostile clients five times over; says the resident memory of each quarter. Takes some minutes.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."
export DIFFCUT=${DIFFCUT:-$PWD/build/release/bin/diffcut} SOURCE_DIR=$PWD
python3 tests/serve/soak.py "${1:-2000}"
for _ in 1 2 3 4 5; do
    python3 tests/serve/abuse.py
    python3 tests/serve/life.py
done
