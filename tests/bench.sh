#!/bin/sh
# bench.sh: gradflow beside PyTorch and NumPy on the studies' workloads. In every round each program runs once, one
# after the other; printed are medians over the rounds, of seconds as well as of ratios within a round. Ends with
# results/bench/scaling.png. An idle machine is needed: the load is printed.
# Environment: CC, BENCH_PAIRS (5 rounds), BENCH_WORK (practical deep cnn bn_relu bn_swish curve xor), BENCH_PYTHON (a python3
# that has torch and numpy).
set -eu
cd "$(dirname "$0")/.."
rounds=${BENCH_PAIRS:-5}
work=${BENCH_WORK:-practical deep cnn bn_relu bn_swish curve xor}
dir=build/bench.d
rm -rf $dir
mkdir -p $dir
cores=$(nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 1)
flags= threads=1
printf 'int main(void){return 0;}\n' >$dir/omp.c
if ${CC:-cc} -fopenmp $dir/omp.c -o $dir/omp 2>/dev/null; then
    flags=-fopenmp
    if [ "$cores" -ge 2 ]; then threads='1 2'; fi
fi
${CC:-cc} -O2 $flags tests/bench.c -o build/bench -lm
charts=1
for name in examples/xor_mlp tests/bench_scaling; do  # these draw PNGs, which takes stb_image_write.h
    ${CC:-cc} -O2 $flags $name.c -o $dir/${name##*/} -lm 2>$dir/errors || charts=
done
python=${BENCH_PYTHON:-}
for candidate in python3 /usr/bin/python3; do
    if [ -z "$python" ] && "$candidate" -c 'import torch, numpy' 2>/dev/null; then python=$candidate; fi
done

# ours NAME THREADS: seconds, GFLOP, MB of the net, MB of the process
ours() {
    if [ "$1" = xor ]; then  # what NumPy does too: without the charts
        set -- $(./build/bench run "$dir/xor_mlp --out $dir/xor.out --threads $2 >$dir/xor.log 2>&1")
        echo "$(sed -n 's/^120 runs in \(.*\) s$/\1/p' $dir/xor.log) $2 $3 $4"
    else ./build/bench "$1" "$2"; fi
}

# theirs NAME THREADS: seconds, MB of the process
theirs() {
    if [ "$1" = xor ]; then OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$python" tests/bench_numpy.py
    else OPENBLAS_NUM_THREADS=$2 "$python" tests/bench_torch.py "$1" "$2" "$(cat $dir/"$1".options"$2")"; fi
}

# One line a measurement: "peak1 116.3", "ours2 0.43 60.4 2.8 52", "theirs1 1.5 300" …
measure() {
    for t in $threads; do
        if [ -n "$python" ] && [ "$1" != xor ]; then
            OPENBLAS_NUM_THREADS=$t "$python" tests/bench_torch.py "$1" "$t" choose >$dir/"$1".options"$t"
        fi
    done
    i=0
    while [ $i -lt "$rounds" ]; do
        for t in $threads; do
            echo "peak$t $(./build/bench peak "$t")"
            echo "ours$t $(ours "$1" "$t")"
            if [ -n "$python" ] && { [ "$1" != xor ] || [ "$t" = 1 ]; }; then echo "theirs$t $(theirs "$1" "$t")"; fi
        done
        i=$((i + 1))
    done >$dir/"$1"
}

# What both tables share: value[key, round, column], and the median over rounds of an array.
library='
function median(list, n,    i, j, x) {
    for (i = 2; i <= n; i++) {
        x = list[i]
        for (j = i - 1; j >= 1 && list[j] > x; j--) list[j + 1] = list[j]
        list[j + 1] = x
    }
    return n ? list[int((n + 1) / 2)] : 0
}
function column(key, c,    i, list) {
    for (i = 1; i <= rounds[key]; i++) list[i] = value[key, i, c]
    return median(list, rounds[key])
}
function ratio(a, b, c,    i, list, under) {  # of a to the faster of b and c
    for (i = 1; i <= rounds[a]; i++) {
        under = value[b, i, 2]
        if (rounds[c] && value[c, i, 2] < under) under = value[c, i, 2]
        if (!under) return 0
        list[i] = value[a, i, 2] / under
    }
    return median(list, rounds[a])
}
function show(x, format) { return x ? sprintf(format, x) : "-" }
{ rounds[$1]++; for (c = 2; c <= NF; c++) value[$1, rounds[$1], c] = $c }
'

# compare NAME TARGET1 TARGET2: a row of the first table.
compare() {
    awk -v name="$1" -v target1="$2" -v target2="$3" "$library"'
    function against(x, target) { return x ? sprintf("%.2f %s %.2f", x, x <= target ? "<=" : "> ", target) : "-" }
    END {
        best = column("theirs1", 2)
        if (rounds["theirs2"] && column("theirs2", 2) < best) best = column("theirs2", 2)
        printf "%-10s %9s %9s  %-13s %9s %9s  %s\n", name, show(column("ours1", 2), "%.3f"),
               show(column("theirs1", 2), "%.3f"), against(ratio("ours1", "theirs1"), target1),
               show(column("ours2", 2), "%.3f"), rounds["ours2"] ? show(best, "%.3f") : "-",
               against(ratio("ours2", "theirs1", "theirs2"), target2)
    }' $dir/"$1"
}

# details NAME: a row of the second table.
details() {
    awk -v name="$1" "$library"'
    function share(t,    i, list, key) {
        key = "ours" t
        for (i = 1; i <= rounds[key]; i++)
            list[i] = 100 * value[key, i, 3] / value[key, i, 2] / value["peak" t, i, 2]
        return median(list, rounds[key])
    }
    function gain(a, b,    x) { x = ratio(a, b); return x ? 1 / x : 0 }
    END {
        printf "%-10s %8s %8s %9s %9s %8s %10s %10s\n", name, show(share(1), "%.0f %%"), show(share(2), "%.0f %%"),
               show(gain("ours2", "ours1"), "%.2f"), show(ratio("peak2", "peak1"), "%.2f"),
               show(column("ours1", 4), "%.1f"), show(column("ours1", 5), "%.0f"), show(column("theirs1", 3), "%.0f")
    }' $dir/"$1"
}

load=$(uptime | sed 's/.*average[s]*: *//')
echo "load average $load on $cores cores; ${CC:-cc} -O2 $flags"
for t in $threads; do
    echo "multiply-adds in registers, GFLOP/s with $t thread(s): $(./build/bench peak "$t")"
    if [ -n "$python" ]; then OPENBLAS_NUM_THREADS=$t "$python" tests/bench_torch.py about "$t"; fi
done
[ -n "$python" ] || echo "no python3 with torch and numpy here: our times alone"
echo
./build/bench matmul
echo
./build/bench probes
echo
echo "seconds (practical, deep: an epoch; cnn, bn: a step; curve: the largest eigenvalue of the practical's Hessian on 2,000"
echo "samples to 1 %; xor: 120 runs), medians of $rounds rounds"
echo "the other is PyTorch, at 2 threads its better of 1 and 2; for xor NumPy with one thread, scaled up from a part"
printf '%-10s %9s %9s  %-13s %9s %9s  %s\n' '' '1 thread' other 'ratio' '2 threads' other ratio
for name in $work; do
    if [ "$name" = xor ] && [ -z "$charts" ]; then
        echo "xor        needs stb_image_write.h: ./data_fetch.sh stb"
        continue
    fi
    measure "$name"
    case $name in
        practical) compare "$name" 0.55 0.35 ;;
        deep) compare "$name" 0.50 0.30 ;;
        curve) compare "$name" 0.33 0.33 ;;
        cnn) compare "$name" 0.70 0.70 ;;
        xor) compare "$name" 0.06 0.03 ;;
        *) compare "$name" 0.60 0.60 ;;
    esac
done
echo
echo "share of the multiply-add peak; how much faster 2 threads are, and the multiply-add loop itself; MB"
echo "(a convolution counts 9 products a pixel; Winograd's way takes 4, so that a share may pass 100 %)"
row='%-10s %8s %8s %9s %9s %8s %10s %10s\n'
printf "$row" '' '1 thread' 2 speed-up "loop's" 'our net' 'our run' "other's"
for name in $work; do [ ! -s $dir/"$name" ] || details "$name"; done
for file in $dir/*.options?; do
    [ ! -s "$file" ] || echo "PyTorch's fastest options, workload.options_threads: ${file##*/} $(cat "$file")"
done
echo
[ -n "$charts" ] || exit 0
echo "memory of whole examples, MB"
for name in mnist_mlp mnist_deep cifar_cnn cifar_activations; do
    ${CC:-cc} -O2 examples/$name.c -o $dir/$name.run -lm
    run="GRADFLOW_DATA='${GRADFLOW_DATA:-data}' $dir/$name.run --quick --out $dir/$name.out"
    set -- $(./build/bench run "$run >$dir/$name.log 2>&1")
    printf '%-26s %8s\n' "$name --quick" "$4"
done
echo
mkdir -p results/bench
$dir/bench_scaling results/bench/scaling.png
