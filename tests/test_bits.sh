#!/bin/sh
# tests/test_bits.sh: a training run on plain kernels has the bits of tests/fixtures/bits.txt from gcc and clang at every
# level of optimisation; make portability asks the other compilers and machines.
set -u
cd "$(dirname "$0")/.." || exit 1
BITS=1 exec sh tests/portability.sh
