#!/bin/sh
# bench.sh: gradflow beside PyTorch on the studies' workloads, pair by pair in one run; prints medians and ratios.
# Environment: CC, BENCH_PAIRS (5), BENCH_PYTHON (a python3 that has torch).
set -eu
cd "$(dirname "$0")/.."
pairs=${BENCH_PAIRS:-5}
mkdir -p build
flags=
printf 'int main(void){return 0;}\n' > build/omp.c
${CC:-cc} -fopenmp build/omp.c -o build/omp 2>/dev/null && flags=-fopenmp
${CC:-cc} -O2 $flags tests/bench.c -o build/bench -lm
python=${BENCH_PYTHON:-}
for candidate in python3 /usr/bin/python3; do
    [ -z "$python" ] && "$candidate" -c 'import torch' 2>/dev/null && python=$candidate
done

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# compare NAME THREADS: both sides in turn, medians of the seconds and of the pairwise ratio.
compare() {
    : > build/ours; : > build/theirs; : > build/ratio
    i=0
    while [ $i -lt "$pairs" ]; do
        a=$(./build/bench "$1" "$2")
        echo "$a" >> build/ours
        if [ -n "$python" ]; then
            b=$(OPENBLAS_NUM_THREADS=$3 "$python" tests/bench_torch.py "$1" "$3")
            echo "$b" >> build/theirs
            echo "$a $b" | awk '{ print $1 / $2 }' >> build/ratio
        fi
        i=$((i + 1))
    done
    if [ -n "$python" ]; then
        printf '%-12s %7s %7s %12s %12s %8s\n' "$1" "$2" "$3" "$(median < build/ours)" "$(median < build/theirs)" "$(median < build/ratio)"
    else
        printf '%-12s %7s %7s %12s %12s %8s\n' "$1" "$2" - "$(median < build/ours)" - -
    fi
}

./build/bench matmul
echo
./build/bench probes
echo
if [ -n "$python" ]; then "$python" tests/bench_torch.py about 1; else echo "python3 with torch is not here: our times alone"; fi
printf '%-12s %7s %7s %12s %12s %8s   seconds, medians of %s pairs\n' workload threads torch\'s gradflow PyTorch ratio "$pairs"
for name in practical deep; do
    compare $name 1 1
    if [ -n "$flags" ] && [ "$(nproc 2>/dev/null || echo 1)" -ge 2 ]; then
        compare $name 2 1
        compare $name 2 2
    fi
done
