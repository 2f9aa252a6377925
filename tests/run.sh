#!/bin/sh
# tests/run.sh: builds and runs every test and counts its lines. The last line is "N passed, N failed".
#
# use: sh tests/run.sh [NAME...]       NAME as in tests/test_NAME.c or tests/test_NAME.sh; none: all
#
# A test prints "PASS name", "FAIL name: reason" or "SKIP name: reason" lines. It also fails when it does not compile,
# prints no such line, hangs, or ends badly without having said FAIL.
# A C test is built in the variants (build.sh) that a "// build: float double" line among its first three lines names, and
# its first variant once more with gcc's sanitizers, unless the line says noasan. It is linked with the library, which is
# compiled once for each variant; or, if the line says inside, implements the header itself and sees its private functions.
# A shell test may name in a "# build:" line what must have been built before it: variants, or examples.
# Environment: CC, JOBS (2), TEST_TIMEOUT (1800) seconds a test, GF_REQUIRE_ALL=1 to count a SKIP as a failure.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/build.sh
build=$root/tests

# Make sure that a finished test (label, status; output on standard input) has said how it went.
judge() {
    awk -v label="$1" -v status="$2" -v limit="${TEST_TIMEOUT:-1800}" '
        { print }
        /^(PASS|FAIL|SKIP) / { said = 1 }
        /^FAIL / { failed = 1 }
        END {
            if (status == 124 || status == 137)
                print "FAIL " label ": killed, or stopped after " limit " s: a hang, or a very busy machine " \
                    "(TEST_TIMEOUT=N allows N seconds)"
            else if (status != 0 && !failed) print "FAIL " label ": ended with status " status
            else if (!said) print "FAIL " label ": printed no result"
        }'
}

build_line() { sed -n '1,3s%^\(//\|#\) build: *%%p' "$1"; }

run_c() { # file, variant
    name=$(basename "$1" .c)
    program=$build/$name.$2
    if ! variant "$2"; then
        echo "FAIL $name: unknown build variant '$2'"
        return
    elif ! usable "$2"; then
        echo "SKIP $name ($2): $(cat "$lib/$2.usable")"
        return
    fi
    case " $(build_line "$1") " in
        *" inside "*) objects= optimise=-O2 ;;
        *)
            objects=$lib/$2.o optimise=-O1
            if ! library "$2"; then
                echo "FAIL $name ($2): gradflow.h does not compile"
                cat "$lib/$2.log"
                return
            fi ;;
    esac
    case $2 in asan-*) optimise=-O1; [ -z "$objects" ] || optimise=-O0 ;; esac
    # shellcheck disable=SC2086 # flags are words
    if ! limited $compiler $flags $optimise -c -o "$program.o" "$1" || ! $compiler ${flags%-x c++} -o "$program" "$program.o" $objects -lm
    then
        echo "FAIL $name ($2): does not compile"
        return
    fi
    limited "$program"
}

# One job: a file and its variant, or sh; its output into a log.
if [ "${1:-}" = --job ]; then
    label="$(basename "$2") ($3)"
    log=$build/$(basename "$2").$3
    unset MAKEFLAGS MAKELEVEL MFLAGS # those of the make that runs the jobs
    case $2 in
        *.sh) limited sh "$2" >"$log.raw" 2>&1 ;;
        *) run_c "$2" "$3" >"$log.raw" 2>&1 ;;
    esac
    status=$?
    times >"$log.times"
    judge "$label" $status <"$log.raw" >"$log.log"
    awk -v label="$label" '
        FNR == 1 { file++ }
        # The last line of times: minutes and seconds of user and system time, as in 0m1.25s.
        file == 1 { cpu = 0; for (i = 1; i <= NF; i++) { split($i, part, /[ms]/); cpu += 60 * part[1] + part[2] } }
        file == 2 && /^PASS / { pass++ }
        file == 2 && /^FAIL / { fail++ }
        file == 2 && /^SKIP / { skip++ }
        END { printf "%-36s %4d passed, %d failed, %2d skipped %7.1f s\n", label, pass, fail, skip, cpu }' "$log.times" "$log.log"
    exit 0
elif [ "${1:-}" = --library ]; then
    library "$2"
    exit 0
fi

mkdir -p $build || exit 1
rm -f $build/*.log $build/*.raw $build/*.times
freshen
jobs=$build/jobs
: >$jobs
[ $# -gt 0 ] || set -- '*'
for name in "$@"; do
    # The shell tests are the longest: they start first.
    for file in tests/test_$name.sh; do
        [ ! -f "$file" ] || echo "$file sh $(build_line "$file")" >>$jobs
    done
done
for name in "$@"; do
    for file in tests/test_$name.c; do
        [ -f "$file" ] || continue
        wanted= asan=yes inside=
        for word in $(build_line "$file"); do
            case $word in
                noasan) asan= ;;
                inside) inside=yes ;;
                *) wanted="$wanted $word" ;;
            esac
        done
        wanted=${wanted:- float}
        if [ -n "$asan" ]; then
            first=${wanted# }
            wanted="$wanted asan-${first%% *}"
        fi
        for variant in $wanted; do
            if [ -n "$inside" ]; then echo "$file $variant"; else echo "$file $variant $variant"; fi
        done >>$jobs
    done
done
if [ ! -s $jobs ]; then
    echo "no such test"
    echo "0 passed, 1 failed"
    exit 1
fi

# Jobs run side by side as make's targets, each behind the libraries it needs; without make one after another.
if have make; then
    awk -v lib=$lib '
        { target = "job" NR; all = all " " target; needs = ""
          for (i = 3; i <= NF; i++) { needs = needs " " lib "/" $i; library[$i] = 1 }
          rules = rules target ":" needs "\n\t@sh tests/run.sh --job " $1 " " $2 "\n" }
        END { print "all:" all; printf "%s", rules
              for (name in library) print lib "/" name ":\n\t+@sh tests/run.sh --library " name
              print ".PHONY: all" all }' $jobs >$build/jobs.mk
    MAKEFLAGS='' make -j "${JOBS:-2}" -f $build/jobs.mk
else
    while read -r file variant _; do sh tests/run.sh --job "$file" "$variant" </dev/null; done <$jobs
fi

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
