#!/bin/sh
# tests/fuzz/run.sh: builds the fuzz targets with clang's libFuzzer and its address and undefined-behaviour sanitizers and
# runs each for FUZZ_SECONDS (600), one after another. use: sh tests/fuzz/run.sh [NAME...], as in fuzz_NAME.c
# Prints PASS or FAIL lines, or SKIP where clang has no libFuzzer. What a target finds stays in build/fuzz/NAME.found/.
set -u
cd "$(dirname "$0")/../.." || exit 1
clang=${CLANG:-clang}
flags='-g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined'
mkdir -p build/fuzz || exit 1
printf '%s\n' '#include <stddef.h>' 'int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);' \
    'int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n) { return n > 0 && p[0] > 255; }' >build/fuzz/probe.c
# shellcheck disable=SC2086 # flags are words
if ! $clang $flags build/fuzz/probe.c -o build/fuzz/probe >/dev/null 2>&1; then
    echo "SKIP fuzz: $clang has no -fsanitize=fuzzer (Debian: libclang-rt-14-dev)"
    exit 0
fi
# shellcheck disable=SC2086
if ! $clang -c $flags tests/fuzz/library.c -o build/fuzz/library.o >build/fuzz/library.log 2>&1; then
    echo "FAIL fuzz: gradflow.h does not compile"
    head -n 20 build/fuzz/library.log
    exit 1
fi
[ $# -gt 0 ] || set -- idx cifar csv checkpoint options
failed=0
for name in "$@"; do
    log=build/fuzz/$name.log
    # shellcheck disable=SC2086
    if ! $clang $flags "tests/fuzz/fuzz_$name.c" build/fuzz/library.o -o "build/fuzz/$name" -lm >"$log" 2>&1; then
        if [ "$name" = options ] && grep -q 'needs stb_image_write.h' "$log"; then
            echo "SKIP fuzz $name: no stb_image_write.h (./data_fetch.sh stb)"
            continue
        fi
        echo "FAIL fuzz $name: does not compile"
        head -n 20 "$log"
        failed=1
        continue
    fi
    rm -rf "build/fuzz/$name.work"
    mkdir -p "build/fuzz/$name.corpus" "build/fuzz/$name.found" "build/fuzz/$name.work"
    if (cd "build/fuzz/$name.work" && "../$name" -max_total_time="${FUZZ_SECONDS:-600}" -close_fd_mask=1 -timeout=20 \
        -max_len=20000 -print_final_stats=1 -artifact_prefix="../$name.found/" "../$name.corpus" \
        "../../../tests/fuzz/corpus/$name") 2>&1 | tail -n 400 >"$log" && ! grep -q 'SUMMARY: ' "$log"; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        if [ "${runs:-0}" -ge 100 ]; then echo "PASS fuzz $name: ${FUZZ_SECONDS:-600} s, $runs inputs"
        else echo "FAIL fuzz $name: only ${runs:-0} inputs were tried"; failed=1; fi
    else
        echo "FAIL fuzz $name: see build/fuzz/$name.found"
        grep -v '^#[0-9]*	' "$log" | head -n 40
        failed=1
    fi
    rm -rf "build/fuzz/$name.work"
done
exit $failed
