#!/bin/sh
# tests/test_kill.sh: an example that is killed (kill -9) at random moments and resumed each time ends with the CSV files
# of one that never was, but for the seconds; a full disk and an unwritable folder end with one clean line and status 1;
# so do data that vanish before they are read, and afterwards nobody misses them.
# KILLS (8; make kill: 100) times; the moments come from a fixed seed, so that only the machine's pace is random.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
need_stb "kill and resume"
for name in cifar_activations mnist_mlp; do
    if ! ${CC:-cc} -std=c99 -O2 examples/$name.c -o "$dir/$name" -lm >"$dir/log" 2>&1; then
        echo "FAIL kill and resume: $name does not compile"
        head -n 20 "$dir/log"
        exit 1
    fi
done
GRADFLOW_DATA=$dir/none
export GRADFLOW_DATA

# CSV files below a folder without their seconds column, each under its name.
tables() {
    (cd "$1" && find . -name '*.csv' | sort | while read -r file; do
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

resume() { "$dir/cifar_activations" --quick --activations relu,tanh --epochs 3 --resume --out "$dir/killed" >"$dir/log" 2>&1; }

title="${KILLS:-8} kills and resumptions leave the files of an undisturbed run"
began=$(date +%s)
if ! "$dir/cifar_activations" --quick --activations relu,tanh --epochs 3 --out "$dir/whole" >"$dir/log" 2>&1; then
    echo "FAIL $title: the undisturbed run ended with an error"
    tail -n 5 "$dir/log"
    exit 1
fi
took=$(($(date +%s) - began + 1))
kills=0
broken=
while [ $kills -lt "${KILLS:-8}" ] && [ -z "$broken" ]; do
    kills=$((kills + 1))
    resume &
    child=$!
    sleep "$(awk -v n=$kills -v took=$took 'BEGIN { srand(n); print 0.05 + rand() * took / 2 }')"
    # The shell runs the example as its own child: end both.
    pids=$(ps -o pid= --ppid $child 2>/dev/null)
    # shellcheck disable=SC2086 # numbers
    kill -9 $pids $child 2>/dev/null
    wait $child 2>/dev/null
    child=
    [ ! -d "$dir/killed" ] || broken=$(torn "$dir/killed")
done
if [ -n "$broken" ]; then
    echo "FAIL $title: after kill $kills: $broken"
elif ! resume; then
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
refused "full disk: a CSV file" 'cannot write .*csv' limited 8 "$dir/mnist_mlp" --quick --epochs 1 --out "$dir/full"
rm -rf "$dir/full"
refused "full disk: a chart" 'cannot write .*png' limited 40 "$dir/mnist_mlp" --quick --epochs 1 --activations relu --out "$dir/full"
rm -rf "$dir/full"
refused "full disk: a checkpoint" 'could not be written' limited 1600 "$dir/cifar_activations" --quick --activations relu \
    --epochs 1 --out "$dir/full"
: >"$dir/file"
refused "unwritable output folder" 'cannot make folder' "$dir/mnist_mlp" --quick --out "$dir/file/out"

# --- data that vanish ---
real_data() {
    mkdir -p "$dir/data/mnist"
    for set in train t10k; do
        cp tests/fixtures/mnist128-images-idx3-ubyte "$dir/data/mnist/$set-images-idx3-ubyte"
        cp tests/fixtures/mnist128-labels-idx1-ubyte "$dir/data/mnist/$set-labels-idx1-ubyte"
    done
}
practical() { # folder
    "$dir/mnist_mlp" --data "$dir/data" --activations relu,tanh --epochs 300 --out "$dir/$1" >"$dir/log.$1" 2>&1
}
title="data that vanish in mid-run change nothing"
real_data
practical stay
practical vanish &
child=$!
waited=0
while [ $waited -lt 300 ] && ! grep -q 'epoch  1 ' "$dir/log.vanish" 2>/dev/null; do
    sleep 0.1 2>/dev/null || sleep 1
    waited=$((waited + 1))
done
rm -rf "$dir/data"
grep -q 'epoch 300 ' "$dir/log.vanish" && late=1 || late=0
wait $child
status=$?
child=
tables "$dir/stay" >"$dir/expected"
tables "$dir/vanish" >"$dir/found"
if [ $status -ne 0 ]; then echo "FAIL $title: status $status: $(tail -n 1 "$dir/log.vanish")"
elif [ "$late" -ne 0 ]; then echo "FAIL $title: it was over before they did"
elif ! grep -q ',300,' "$dir/expected" || ! cmp -s "$dir/expected" "$dir/found"; then echo "FAIL $title: the files differ"
elif [ -n "$(torn "$dir/vanish")" ]; then echo "FAIL $title: torn: $(torn "$dir/vanish")"
else echo "PASS $title"; fi

real_data
rm "$dir/data/mnist/t10k-images-idx3-ubyte"
refused "data that vanish between two files" 'cannot be opened.*data_fetch' "$dir/mnist_mlp" --data "$dir/data" \
    --out "$dir/nothing"
if [ -z "$(ls "$dir/nothing")" ]; then echo "PASS data that vanish between two files: nothing is written"
else echo "FAIL data that vanish between two files: nothing is written: $(ls "$dir/nothing")"; fi
