#!/bin/sh
# tests/test_fuzz.sh: every fuzz target on as many inputs as it tries in 2.5 seconds; the long run is make fuzz.
set -u
cd "$(dirname "$0")/.." || exit 1
FUZZ_SHARE=4 exec sh tests/fuzz/run.sh
