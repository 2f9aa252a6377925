#!/bin/sh
# tests/test_fuzz.sh: every fuzz target for FUZZ_SECONDS (20); the long run is make fuzz.
set -u
cd "$(dirname "$0")/.." || exit 1
FUZZ_SECONDS=${FUZZ_SECONDS:-20} exec sh tests/fuzz/run.sh
