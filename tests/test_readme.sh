#!/bin/sh
# tests/test_readme.sh: README.md prints examples/first.c to the letter, the command below it builds it, it prints what
# README.md says (numbers may differ a little from machine to machine), and it leaks nothing.
# build: asan-float
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/build.sh
. tests/setup.sh

# Block number $1 of README.md after "## A whole program".
block() {
    awk -v wanted="$1" '/^## A whole program/ { begun = 1 }
        begun && /^```/ { inside = !inside; if (inside) count++; next }
        inside && count == wanted' README.md
}

block 1 >"$dir/program"
if cmp -s "$dir/program" examples/first.c; then echo "PASS README.md prints examples/first.c"
else echo "FAIL README.md prints examples/first.c: it differs"; diff "$dir/program" examples/first.c | head -n 12; fi

if [ "$(wc -l <examples/first.c)" -le 40 ]; then echo "PASS examples/first.c has at most 40 lines"
else echo "FAIL examples/first.c has at most 40 lines: $(wc -l <examples/first.c)"; fi

if ! usable float; then
    echo "SKIP README.md's program: $(cat $lib/float.usable)"
    exit 0
fi
command=$(block 2 | sed 's/^cc //; s/ && .*//; s/-o first/-o "$dir\/first"/')
block 3 >"$dir/expected"
if ! eval "$CC $command" >"$dir/log" 2>&1 || [ -s "$dir/log" ] || ! "$dir/first" >"$dir/found" 2>&1; then
    echo "FAIL README.md's command builds and runs it: $command"
    cat "$dir/log" "$dir/found"
elif [ "$(sed 's/[0-9]//g' "$dir/found")" != "$(sed 's/[0-9]//g' "$dir/expected")" ]; then
    echo "FAIL it prints what README.md says: other words"
    cat "$dir/found"
elif ! paste -d ' ' "$dir/found" "$dir/expected" | awk '$1 == "accuracy" { ok = $2 - $4 < 0.02 && $4 - $2 < 0.02 } END { exit !ok }'; then
    echo "FAIL it prints what README.md says: another accuracy"
    cat "$dir/found"
else echo "PASS README.md's program prints what README.md says"; fi

if ! usable asan-float; then echo "SKIP README.md's program leaks nothing: $(cat $lib/asan-float.usable)"
elif gcc -O1 -g1 -fsanitize=address,undefined examples/first.c -o "$dir/leaks" -lm >"$dir/log" 2>&1 &&
    ASAN_OPTIONS=detect_leaks=1 "$dir/leaks" >"$dir/log" 2>&1; then echo "PASS README.md's program leaks nothing"
else echo "FAIL README.md's program leaks nothing"; head -n 20 "$dir/log"; fi
