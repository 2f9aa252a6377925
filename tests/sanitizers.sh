#!/bin/sh
# tests/sanitizers.sh: the C tests in all their variants but C++, and short runs of the examples, under every sanitizer
# at hand (make sanitizers):
#   gcc-asan, clang-asan   address, leaks and undefined behaviour
#   msan                   clang: nothing is decided by memory that was never written
#   tsan                   clang with LLVM's OpenMP and its Archer: no two threads meet at one address in no order; only
#                          what is threaded
# The gcc-asan builds that tests/run.sh makes anyway are left to it, and the examples' to make faults. A tool must first
# report a mistake planted for it, and stay silent without that mistake; else it is skipped. Ignored is one thing: leaks
# of libomp, which does not free the records of its threads when a program uses teams of several sizes, with us or not.
# Prints PASS, FAIL and SKIP lines; the last line is "N passed, N failed".
#
# use: sh tests/sanitizers.sh [TOOL...]     none: all four
# Environment: TESTS and EXAMPLES, which ("net conv"; "none"; all), JOBS (2), CLANG (clang)
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}/sanitizers
clang=${CLANG:-clang}

# Archer tells the thread sanitizer what OpenMP orders; libomp itself is not instrumented. Waiting threads must not spin:
# there may be more of them than processors.
export TSAN_OPTIONS=ignore_noninstrumented_modules=1 OMP_WAIT_POLICY=passive
export LSAN_OPTIONS=suppressions=$build/leaks:print_suppressions=0
archer=$(find /usr/lib/llvm-*/lib /usr/lib /usr/local/lib -name libarcher.so 2>/dev/null | sort | tail -n 1)
[ -z "$archer" ] || export OMP_TOOL_LIBRARIES="$archer"

# The compiler and the flags of a tool in a variant of run.sh's.
compiler() { # tool, variant
    case $1 in
        gcc-asan) echo gcc -fsanitize=address,undefined -fno-sanitize-recover=undefined ;;
        clang-asan) echo "$clang" -fsanitize=address,undefined -fno-sanitize-recover=undefined ;;
        msan) echo "$clang" -fsanitize=memory -fsanitize-memory-track-origins ;;
        tsan) echo "$clang" -fsanitize=thread -fopenmp ;;
    esac
    echo -std=c99 -g -O1 -w -fno-omit-frame-pointer
    case $2 in
        double) echo -DGF_REAL=double ;;
        nosimd) echo -DGF_NO_SIMD ;;
        openmp) echo -fopenmp ;;
    esac
}

# A program for each tool that is wrong with -DMISTAKE=1 only. The second loop of tsan's turns the threads' shares round.
plant() {
    case $1 in
        *asan) echo '#include <stdlib.h>
            int main(void) { volatile char *p = (char *)malloc(1); p[MISTAKE] = 0; free((char *)p); return 0; }' ;;
        msan) echo '#include <stdlib.h>
            int main(void) { volatile int *p = (int *)malloc(8); p[0] = 1; if (p[MISTAKE]) free((int *)p); return 0; }' ;;
        tsan) echo 'int count[4], i;
            int main(void) {
                #pragma omp parallel for num_threads(4) schedule(static)
                for (i = 0; i < 4000; i++) count[MISTAKE ? i % 2 : i / 1000]++;
                #pragma omp parallel for num_threads(4) schedule(static)
                for (i = 0; i < 4000; i++) count[3 - i / 1000]++;
                return count[0] == 0;
            }' ;;
    esac
}
usable() { # tool
    plant "$1" >$build/plant.c
    for mistake in 0 1; do
        # shellcheck disable=SC2046 # flags are words
        $(compiler "$1" float) -DMISTAKE=$mistake $build/plant.c -o $build/plant >$build/plant.log 2>&1 || return 1
        $build/plant >$build/plant.log 2>&1
        [ $(($? != 0)) -eq $mistake ] || return 1
    done
}

# Jobs, one a line of a file, JOBS at a time.
each() { # option, file
    if echo | tr '\n' '\0' | xargs -0 -n 1 -P 2 true 2>/dev/null; then
        [ ! -s "$2" ] || tr '\n' '\0' <"$2" | xargs -0 -n 1 -P "${JOBS:-2}" sh tests/sanitizers.sh "$1"
    else
        while read -r job; do sh tests/sanitizers.sh "$1" "$job" </dev/null; done <"$2"
    fi
}

# The library for a tool in a variant, "tool variant": what links with it fails if it does not compile.
if [ "${1:-}" = --library ]; then
    # shellcheck disable=SC2046
    $(compiler "${2% *}" "${2#* }") -c tests/library.c -o "$build/library-${2% *}-${2#* }.o"
    exit 0
fi

# One job, "tool program variant [option...]": a PASS or FAIL line.
if [ "${1:-}" = --job ]; then
    # shellcheck disable=SC2086 # a job is words
    set -- $2
    tool=$1 source=$2 variant=$3
    shift 3
    name=$(basename "$source" .c)
    title="$tool $name ($variant)${*:+ $*}"
    program=$build/$(echo "$tool-$name-$variant-$*" | tr -c 'a-z0-9_\n-' _)
    library=$build/library-$tool-$variant.o
    case $source:$(sed -n '1,3s|^// build: *||p' "$source") in examples/* | *inside*) library= ;; esac
    # shellcheck disable=SC2046,SC2086
    if ! $(compiler "$tool" "$variant") "$source" $library -o "$program" -lm >"$program.log" 2>&1; then
        echo "FAIL $title: does not compile"
        head -n 20 "$program.log"
        exit 0
    fi
    case $source in examples/*) set -- "$@" --quick --out "$program.out" ;; esac
    began=$(date +%s)
    GRADFLOW_DATA=none "$program" "$@" >"$program.log" 2>&1
    status=$?
    if [ $status -ne 0 ] || grep -q 'Sanitizer\|runtime error' "$program.log"; then
        echo "FAIL $title: status $status; see $program.log"
        grep -m 3 -A 12 'Sanitizer\|runtime error\|^FAIL' "$program.log" | head -n 40
    else
        echo "PASS $title: $(($(date +%s) - began)) s"
        rm -f "$program"
    fi
    rm -rf "$program.out"
    exit 0
fi

rm -rf $build
mkdir -p $build || exit 1
echo 'leak:libomp.so' >$build/leaks
: >$build/jobs
: >$build/all
[ $# -gt 0 ] || set -- gcc-asan clang-asan msan tsan
tests=${TESTS:-$(for file in tests/test_*.c; do basename "$file" .c | sed 's/^test_//'; done)}
examples=${EXAMPLES:-$(for file in examples/*.c; do basename "$file" .c; done)}
[ "$tests" != none ] || tests=
[ "$examples" != none ] || examples=
# The jobs of a tool, one a line.
jobs_of() {
    for name in $tests; do
        variants=$(sed -n '1,3s|^// build: *||p' "tests/test_$name.c")
        for variant in ${variants:-float}; do
            case $1:$variant in
                gcc-asan:"${variants%% *}") ;;          # run.sh's
                *:noasan | *:inside | *:cxx) ;;         # noasan: too slow for run.sh
                msan:openmp) ;;                         # msan does not see what the uninstrumented libomp writes
                *asan:* | msan:* | tsan:openmp) echo "$1 tests/test_$name.c $variant" ;;
            esac
        done
    done
    for name in $examples; do
        options=
        case $name in cifar_*) options='--epochs 1 --activations relu' ;; esac
        case $1 in
            clang-asan | msan) echo "$1 examples/$name.c float $options" ;;
            tsan)
                grep -q threads "examples/$name.c" || continue
                for threads in 2 4; do echo "tsan examples/$name.c openmp $options --threads $threads"; done ;;
        esac
    done
}
for tool in "$@"; do
    if ! command -v "$(compiler "$tool" float | sed -n '1s/ .*//p')" >/dev/null 2>&1; then
        echo "SKIP $tool: no $(compiler "$tool" float | sed -n '1s/ .*//p')"
    elif usable "$tool"; then jobs_of "$tool" >>$build/jobs
    else echo "SKIP $tool: not at hand, or blind to a planted mistake (libasan8, libclang-rt-14-dev, libomp-dev)"; fi
done
sed -n 's|^\([a-z-]*\) tests/[^ ]* \([a-z]*\).*|\1 \2|p' $build/jobs | sort -u >$build/libraries
each --library $build/libraries
each --job $build/jobs | tee $build/all
failed=$(grep -c '^FAIL ' $build/all)
passed=$(grep -c '^PASS ' $build/all)
if [ $((passed + failed)) -ne "$(wc -l <$build/jobs)" ]; then
    echo "FAIL sanitizers: not every job said how it went"
    failed=$((failed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
