#!/bin/sh
# tests/fuzz/run.sh: builds the fuzz targets with clang's libFuzzer and its address and undefined-behaviour sanitizers and
# runs each for FUZZ_SECONDS (600) or, with FUZZ_SHARE=N, for N thousandths of the inputs that 600 seconds have time for.
# use: sh tests/fuzz/run.sh [NAME...], as in fuzz_NAME.c
# Prints PASS or FAIL lines, or SKIP where clang has no libFuzzer. What a target finds stays in build/fuzz/NAME.found/.
set -u
cd "$(dirname "$0")/../.." || exit 1
here=$PWD
clang=${CLANG:-clang}
build=${BUILD:-build}/fuzz
case $build in /*) ;; *) build=$PWD/$build ;; esac
flags='-g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined'
mkdir -p "$build" || exit 1
printf '%s\n' '#include <stddef.h>' 'int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n);' \
    'int LLVMFuzzerTestOneInput(const unsigned char *p, size_t n) { return n > 0 && p[0] > 255; }' >"$build/probe.c"
if ! command -v "$clang" >/dev/null 2>&1; then
    echo "SKIP fuzz: no $clang"
    exit 0
fi
# shellcheck disable=SC2086 # flags are words
if ! $clang $flags "$build/probe.c" -o "$build/probe" >/dev/null 2>&1; then
    echo "SKIP fuzz: $clang has no -fsanitize=fuzzer (Debian: libclang-rt-14-dev)"
    exit 0
fi
# shellcheck disable=SC2086
if ! $clang -c $flags tests/fuzz/library.c -o "$build/library.o" >"$build/library.log" 2>&1; then
    echo "FAIL fuzz: gradflow.h does not compile"
    head -n 20 "$build/library.log"
    exit 1
fi
# Inputs that a target tries in 0.6 seconds of an idle core.
thousandth() {
    case $1 in
        idx) echo 1260 ;; cifar) echo 180 ;; csv) echo 510 ;; npy) echo 500 ;; checkpoint | safetensors) echo 140 ;;
        *) echo 10000 ;;
    esac
}
[ $# -gt 0 ] || set -- idx cifar csv npy checkpoint safetensors options
failed=0
for name in "$@"; do
    log=$build/$name.log
    # shellcheck disable=SC2086
    if ! $clang $flags "tests/fuzz/fuzz_$name.c" "$build/library.o" -o "$build/$name" -lm >"$log" 2>&1; then
        if [ "$name" = options ] && grep -q 'needs stb_image_write.h' "$log"; then
            echo "SKIP fuzz $name: no stb_image_write.h (./data_fetch.sh stb)"
            continue
        fi
        echo "FAIL fuzz $name: does not compile"
        head -n 20 "$log"
        failed=1
        continue
    fi
    # A share is a number of inputs, not a time: so a busy machine tries as many.
    limit=-max_total_time=${FUZZ_SECONDS:-600}
    [ -z "${FUZZ_SHARE:-}" ] || limit=-runs=$(($(thousandth "$name") * FUZZ_SHARE))
    rm -rf "$build/$name.work"
    mkdir -p "$build/$name.corpus" "$build/$name.found" "$build/$name.work"
    if (cd "$build/$name.work" && "../$name" "$limit" -close_fd_mask=1 -timeout=600 \
        -max_len=20000 -print_final_stats=1 -artifact_prefix="../$name.found/" "../$name.corpus" \
        "$here/tests/fuzz/corpus/$name") 2>&1 | tail -n 400 >"$log" && ! grep -q 'SUMMARY: ' "$log"; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        if [ "${runs:-0}" -ge 100 ]; then echo "PASS fuzz $name: $runs inputs"
        else echo "FAIL fuzz $name: only ${runs:-0} inputs were tried"; failed=1; fi
    else
        echo "FAIL fuzz $name: see $build/$name.found"
        grep -v '^#[0-9]*	' "$log" | head -n 40
        failed=1
    fi
    rm -rf "$build/$name.work"
done
exit $failed
