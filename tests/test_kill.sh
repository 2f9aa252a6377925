#!/bin/sh
# build: examples
# tests/test_kill.sh: an example that is killed (kill -9) at random moments and resumed each time ends with the CSV files
# of one that never was, but for the seconds; a full disk and an unwritable folder end with one clean line and status 1;
# so do data that vanish before they are read, and afterwards nobody misses them.
# KILLS (8; make kill: 100) times; the moments come from a fixed seed, so that only the machine's pace is random.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
need "kill and resume" "$CC" make
need_stb "kill and resume"
library examples
bin=$root/examples
for name in cifar_activations mnist_mlp; do
    [ ! -x "$bin/$name" ] || continue
    echo "FAIL kill and resume: $name does not compile"
    tail -n 20 "$lib/examples.log"
    exit 1
done
GRADFLOW_DATA=$dir/none
export GRADFLOW_DATA

# CSV files below a folder without their seconds column, each under its name; but not the doctor's findings: what it saw
# before a kill is in no checkpoint.
tables() {
    (cd "$1" && find . -name '*.csv' ! -name findings.csv | sort | while read -r file; do
        echo "== $file"
        awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "seconds") skip = i }
                 { for (i = 1; i <= NF; i++) printf "%s,", i == skip ? "" : $i; print "" }' "$file"
    done)
}

# Charts below a folder that are cut short, and CSV files whose last line is.
torn() {
    find "$1" -name '*.png' | while read -r file; do
        [ "$(tail -c 12 "$file" | head -c 8 | tail -c 4)" = IEND ] || echo "$file"
    done
    find "$1" -name '*.csv' | while read -r file; do
        awk -F, -v file="$file" 'NR == 1 { columns = NF } NF != columns { print file ":" NR; exit }' "$file"
        [ -z "$(tail -c 1 "$file" | tr -d '\n')" ] || echo "$file"
    done
}

options='--quick --activations relu,tanh --epochs 2'

title="${KILLS:-8} kills and resumptions leave the files of an undisturbed run"
began=$(date +%s)
# shellcheck disable=SC2086 # options are words
if ! "$bin/cifar_activations" $options --out "$dir/whole" >"$dir/log" 2>&1; then
    echo "FAIL $title: the undisturbed run ended with an error"
    tail -n 5 "$dir/log"
    exit 1
fi
took=$(($(date +%s) - began + 1))
kills=0
broken=
while [ $kills -lt "${KILLS:-8}" ] && [ -z "$broken" ]; do
    kills=$((kills + 1))
    # shellcheck disable=SC2086
    "$bin/cifar_activations" $options --resume --out "$dir/killed" >"$dir/log" 2>&1 &
    child=$!
    sleep "$(awk -v n=$kills -v took=$took 'BEGIN { srand(n); print 0.05 + rand() * took / 2 }')"
    kill -9 $child 2>/dev/null
    wait $child 2>/dev/null
    child=
    [ ! -d "$dir/killed" ] || broken=$(torn "$dir/killed")
done
if [ -n "$broken" ]; then
    echo "FAIL $title: after kill $kills: $broken"
# shellcheck disable=SC2086
elif ! "$bin/cifar_activations" $options --resume --out "$dir/killed" >"$dir/log" 2>&1; then
    echo "FAIL $title: the last resumption ended with an error"
    tail -n 5 "$dir/log"
else
    tables "$dir/whole" >"$dir/expected"
    tables "$dir/killed" >"$dir/found"
    if [ ! -s "$dir/expected" ]; then echo "FAIL $title: the run wrote no CSV file"
    elif ! cmp -s "$dir/expected" "$dir/found"; then
        echo "FAIL $title: the files differ"
        diff "$dir/expected" "$dir/found" | head -n 10
    elif [ -n "$(find "$dir/killed" -name '*.tmp')" ]; then echo "FAIL $title: unfinished files are left"
    else echo "PASS $title"; fi
fi

# refused TITLE TEXT COMMAND...: status 1, one line of error that says TEXT, no torn file under its final name.
refused() {
    title=$1 text=$2
    shift 2
    "$@" >"$dir/log" 2>"$dir/err"
    status=$?
    if [ $status -ne 1 ]; then echo "FAIL $title: status $status: $(head -n 1 "$dir/err")"
    elif [ "$(wc -l <"$dir/err")" -ne 1 ] || ! grep -q "$text" "$dir/err"; then echo "FAIL $title: said $(head -n 3 "$dir/err")"
    elif [ -d "$dir/full" ] && [ -n "$(torn "$dir/full")" ]; then echo "FAIL $title: torn: $(torn "$dir/full")"
    else echo "PASS $title"; fi
}
limited() { # blocks of 512 bytes, the longest that a file may get; command
    (ulimit -f "$1" && shift && exec "$@")
}
refused "full disk: a CSV file" 'cannot write .*csv' limited 8 "$bin/mnist_mlp" --quick --epochs 1 --out "$dir/full"
rm -rf "$dir/full"
refused "full disk: a chart" 'cannot write .*png' limited 40 "$bin/mnist_mlp" --quick --epochs 1 --activations relu --out "$dir/full"
rm -rf "$dir/full"
refused "full disk: a checkpoint" 'could not be written' limited 1600 "$bin/cifar_activations" --quick --activations relu \
    --epochs 1 --out "$dir/full"
: >"$dir/file"
refused "unwritable output folder" 'cannot make folder' "$bin/mnist_mlp" --quick --out "$dir/file/out"

# --- data that vanish ---
real_data() {
    mkdir -p "$dir/data/mnist"
    for set in train t10k; do
        cp tests/fixtures/mnist128-images-idx3-ubyte "$dir/data/mnist/$set-images-idx3-ubyte"
        cp tests/fixtures/mnist128-labels-idx1-ubyte "$dir/data/mnist/$set-labels-idx1-ubyte"
    done
}
practical() { # folder
    "$bin/mnist_mlp" --data "$dir/data" --activations relu,tanh --epochs 300 --out "$dir/$1" >"$dir/log.$1" 2>&1
}
title="data that vanish in mid-run change nothing"
real_data
practical stay
late=1
tries=0
while [ $late -ne 0 ] && [ $tries -lt 5 ]; do
    tries=$((tries + 1))
    real_data
    practical vanish &
    child=$!
    wait_for 'epoch  1 ' "$dir/log.vanish"
    rm -rf "$dir/data"
    grep -q 'epoch 300 ' "$dir/log.vanish" && late=1 || late=0
    wait $child
    status=$?
    child=
done
tables "$dir/stay" >"$dir/expected"
tables "$dir/vanish" >"$dir/found"
if [ $status -ne 0 ]; then echo "FAIL $title: status $status: $(tail -n 1 "$dir/log.vanish")"
elif [ "$late" -ne 0 ]; then echo "SKIP $title: five times the run was over before they did, on this busy machine"
elif ! grep -q ',300,' "$dir/expected" || ! cmp -s "$dir/expected" "$dir/found"; then echo "FAIL $title: the files differ"
elif [ -n "$(torn "$dir/vanish")" ]; then echo "FAIL $title: torn: $(torn "$dir/vanish")"
else echo "PASS $title"; fi

real_data
rm "$dir/data/mnist/t10k-images-idx3-ubyte"
refused "data that vanish between two files" 'cannot be opened.*data_fetch' "$bin/mnist_mlp" --data "$dir/data" \
    --out "$dir/nothing"
if [ -z "$(ls "$dir/nothing")" ]; then echo "PASS data that vanish between two files: nothing is written"
else echo "FAIL data that vanish between two files: nothing is written: $(ls "$dir/nothing")"; fi
