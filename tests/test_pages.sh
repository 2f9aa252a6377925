#!/bin/sh
# tests/test_pages.sh: the playground. The committed page comes from the sources; it is one file without any address of
# another; in a headless Chromium it computes what the native program does, learns, diagnoses, recovers, and looks right.
# Environment: PAGES, a folder for the screenshots.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
committed=examples/results/playground/playground.html
page=$committed

if ! have clang || ! have wasm-ld; then echo "SKIP playground: the page from its sources: no clang or no lld"
elif ! make -s BUILD="$dir/build" PAGE="$dir/playground.html" playground >"$dir/log" 2>&1; then
    echo "FAIL playground: the page from its sources: does not compile"
    head -n 20 "$dir/log"
elif ! grep -qF "content=\"$(cat "$dir/build/wasm/clang.txt")\"" $committed; then
    page=$dir/playground.html
    echo "SKIP playground: the page from its sources: $committed was made by another clang than $(cat "$dir/build/wasm/clang.txt")"
else
    page=$dir/playground.html
    if cmp -s "$page" $committed; then echo "PASS playground: the committed page comes from the sources"
    else echo "FAIL playground: the committed page comes from the sources: make playground PAGE=$committed"; fi
fi

size=$(wc -c <"$page")
if [ "$size" -le 614400 ]; then echo "PASS playground: one file of at most 600 KB ($((size / 1024)))"
else echo "FAIL playground: one file of at most 600 KB: $size bytes"; fi
if sed 's|http://www\.w3\.org/2000/svg||g' "$page" | grep -Eo '(https?|ftp)://[^"]*|(src|href)="[^d][^"]*"|@import' >"$dir/log"; then
    echo "FAIL playground: no address of anything outside: $(head -n 1 "$dir/log")"
else echo "PASS playground: no address of anything outside"; fi

need "playground in a browser" python3 "$CC"
python3 -B -c 'import sys; sys.path.insert(0, "tests"); import browser; sys.exit(not browser.find())' 2>"$dir/log" || {
    echo "SKIP playground in a browser: no chromium"
    exit 0
}
$CC -std=c99 -O2 -DGF_NO_SIMD examples/playground.c -o "$dir/native" -lm || echo "FAIL playground: examples/playground.c compiles"
case $page in /*) ;; *) page=$PWD/$page ;; esac
mkdir -p "${PAGES:-$dir/pages}"
python3 -B tests/pages.py "$page" "$dir/native" "${PAGES:-$dir/pages}"
