#!/bin/sh
# build: asan-float
# tests/test_alloc.sh: the examples when memory runs out: fail_alloc.c lets their allocations fail one after another.
# Here the first 20 of two examples and then every 16th, under gcc's address sanitizer; GF_FAULTS=all (make faults): every
# allocation of every example.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
need "failing allocations" "$CC"
need_stb "failing allocations"
kind=asan-float
if ! usable $kind; then
    echo "SKIP failing allocations under the address sanitizer: $(cat $lib/$kind.usable)"
    kind=float
fi
if ! library $kind; then
    echo "FAIL failing allocations: gradflow.h does not compile"
    head -n 20 "$lib/$kind.log"
    exit 1
fi
variant $kind
examples='mnist_mlp xor_mlp'
most=20
if [ "${GF_FAULTS:-}" = all ]; then
    examples=$(for source in examples/*.c; do basename "$source" .c; done | grep -v -x -e first -e by_hand -e from_pytorch -e playground)
    most=1000000
fi
for example in $examples; do
    title="$example: each failing allocation ends it cleanly"
    # shellcheck disable=SC2086
    if ! $compiler $flags -w -O1 -DEXAMPLE="\"../examples/$example.c\"" tests/fail_alloc.c $lib/$kind.o -o "$dir/$example" \
        -lm >"$dir/log" 2>&1; then
        echo "FAIL $title: does not compile"
        head -n 20 "$dir/log"
        continue
    fi
    options=
    case $example in mnist_mlp) options='--epochs 1 --activations tanh' ;; esac
    mkdir "$dir/run"
    # shellcheck disable=SC2086
    if GRADFLOW_DATA=none "$dir/$example" "$dir/run" $most --quick --out results $options >/dev/null 2>"$dir/log"; then
        echo "PASS $title ($(tail -n 1 "$dir/log"))"
    else
        echo "FAIL $title: see"
        tail -n 20 "$dir/log"
    fi
    rm -rf "$dir/run"
done
