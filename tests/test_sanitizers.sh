#!/bin/sh
# tests/test_sanitizers.sh: the tests of the net under clang's memory and thread sanitizers; all tests: make sanitizers.
set -u
cd "$(dirname "$0")/.." || exit 1
TESTS=net EXAMPLES=none exec sh tests/sanitizers.sh msan tsan
