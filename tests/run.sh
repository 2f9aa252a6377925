#!/bin/sh
# tests/run.sh: builds and runs every test and counts its lines. The last line is "N passed, N failed".
#
# use: sh tests/run.sh [NAME...]       NAME as in tests/test_NAME.c or tests/test_NAME.sh; none: all
#
# A test prints "PASS name", "FAIL name: reason" or "SKIP name: reason" lines. It also fails when it does not compile,
# prints no such line, runs too long, or ends badly without having said FAIL.
# A C test is built in the variants that a "// build: float double" line among its first three lines names:
#     float (the default)   double (-DGF_REAL=double)   openmp (-fopenmp)   nosimd (-DGF_NO_SIMD)   cxx (C++11)
# and its first variant once more with gcc's address and undefined-behaviour sanitizers, unless the line says noasan.
# Environment: CC, JOBS (2), TEST_TIMEOUT seconds a test (600), GF_REQUIRE_ALL=1 to count a SKIP as a failure.
set -u
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-cc}
CXX=${CXX:-c++}
CXXFLAGS="-std=c++11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -O2"
CFLAGS="-std=c99 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -O2"
SANITIZE="-std=c99 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
build=build/tests
export CC

have() { command -v "$1" >/dev/null 2>&1; }

# Run a command, for at most TEST_TIMEOUT seconds where that can be had.
limited() {
    if have timeout; then timeout -k 10 "${TEST_TIMEOUT:-600}" "$@"; else "$@"; fi
}

# A compiler and its flags can build a program here.
works() {
    dir=$(mktemp -d) || return 1
    echo 'int main(void) { return 0; }' >"$dir/probe.c"
    "$@" "$dir/probe.c" -o "$dir/probe" >/dev/null 2>&1 && "$dir/probe"
    result=$?
    rm -rf "$dir"
    return $result
}

# Make sure that a finished test (label, status; output on standard input) has said how it went.
judge() {
    awk -v label="$1" -v status="$2" '
        { print }
        /^(PASS|FAIL|SKIP) / { said = 1 }
        /^FAIL / { failed = 1 }
        END {
            if (status == 124 || status == 137) print "FAIL " label ": took too long and was stopped"
            else if (status != 0 && !failed) print "FAIL " label ": ended with status " status
            else if (!said) print "FAIL " label ": printed no result"
        }'
}

run_c() { # file, variant
    name=$(basename "$1" .c)
    program=$build/$name.$2
    compiler=$CC
    flags=$CFLAGS
    case $2 in
        float) ;;
        double) flags="$flags -DGF_REAL=double" ;;
        openmp) flags="$flags -fopenmp" ;;
        nosimd) flags="$flags -DGF_NO_SIMD" ;;
        cxx) compiler=$CXX flags="$CXXFLAGS -x c++" ;;
        asan*)
            compiler=gcc flags=$SANITIZE
            case $2 in
                *-double) flags="$flags -DGF_REAL=double" ;;
                *-openmp) flags="$flags -fopenmp" ;;
                *-nosimd) flags="$flags -DGF_NO_SIMD" ;;
            esac ;;
        *) echo "FAIL $name: unknown build variant '$2'"; return ;;
    esac
    case $2 in
        openmp | cxx | asan*)
            # shellcheck disable=SC2086 # flags are words
            if ! works $compiler $flags; then
                echo "SKIP $name ($2): $compiler cannot build with $flags"
                return
            fi ;;
    esac
    # shellcheck disable=SC2086
    if ! limited $compiler $flags -o "$program" "$1" -lm; then
        echo "FAIL $name ($2): does not compile"
        return
    fi
    limited "$program"
}

# One job, "file variant": its output into a log.
if [ "${1:-}" = --job ]; then
    set -- $2
    label="$(basename "$1") ($2)"
    log=$build/$(basename "$1").$2
    case $1 in
        *.sh) limited sh "$1" >"$log.raw" 2>&1 ;;
        *) run_c "$1" "$2" >"$log.raw" 2>&1 ;;
    esac
    judge "$label" $? <"$log.raw" >"$log.log"
    awk -v label="$label" '
        /^PASS / { pass++ } /^FAIL / { fail++ } /^SKIP / { skip++ }
        END { printf "%-44s %3d passed, %d failed%s\n", label, pass, fail, skip ? ", " skip " skipped" : "" }' "$log.log"
    exit 0
fi

mkdir -p $build || exit 1
rm -f $build/*.log $build/*.raw
jobs=$build/jobs
: >$jobs
[ $# -gt 0 ] || set -- '*'
for name in "$@"; do
    # The shell tests are the longest: they start first.
    for file in tests/test_$name.sh; do
        [ ! -f "$file" ] || echo "$file sh" >>$jobs
    done
    for file in tests/test_$name.c; do
        [ -f "$file" ] || continue
        variants=$(sed -n '1,3s|^// build: *||p' "$file")
        wanted=
        for variant in $variants; do
            [ "$variant" = noasan ] || wanted="$wanted $variant"
        done
        wanted=${wanted:- float}
        for variant in $wanted; do echo "$file $variant" >>$jobs; done
        case $variants in
            *noasan*) ;;
            *) set -- $wanted; echo "$file asan-$1" >>$jobs ;;
        esac
    done
done
if [ ! -s $jobs ]; then
    echo "no such test"
    echo "0 passed, 1 failed"
    exit 1
fi

tr '\n' '\0' <$jobs | xargs -0 -n 1 -P "${JOBS:-2}" sh tests/run.sh --job

echo
cat $build/*.log >$build/all
skipped=$(grep -c '^SKIP ' $build/all)
passed=$(grep -c '^PASS ' $build/all)
failed=$(grep -c '^FAIL ' $build/all)
for log in $build/*.log; do
    # What a failing program printed beside its PASS lines is the explanation.
    if grep -q '^FAIL ' "$log"; then
        echo "--- $(basename "$log" .log)"
        grep -v '^PASS ' "$log" | head -n 60
    fi
done
grep '^SKIP ' $build/all
if [ "$(cat $build/*.log | grep -c .)" -eq 0 ] || [ "$(ls $build/*.log | wc -l)" -ne "$(grep -c . $jobs)" ]; then
    echo "FAIL run.sh: not every job left its log"
    failed=$((failed + 1))
fi
if [ "${GF_REQUIRE_ALL:-}" = 1 ] && [ "$skipped" -gt 0 ]; then
    echo "GF_REQUIRE_ALL=1: $skipped skipped count as failed"
    failed=$((failed + skipped))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
