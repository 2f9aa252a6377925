#!/bin/sh
# tests/test_pages.sh: the playground and the studies' reports. A report says what the files beside it say. The committed
# playground comes from the sources; it is one file without any address of another; in a headless Chromium it computes
# what the native program does, learns, diagnoses, recovers; and no page has text that is cut, covered or pale.
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

# --- What needs Python, then what needs a browser too ---
need "pages" python3 "$CC"
browser=browser
python3 -B -c 'import sys; sys.path.insert(0, "tests"); import browser; sys.exit(not browser.find())' 2>"$dir/log" || {
    echo "SKIP pages in a browser: no chromium"
    browser=
}
shots=${PAGES:-$dir/pages}
mkdir -p "$shots"

if ! have_stb; then echo "SKIP report: no stb_image_write.h (./data_fetch.sh stb)"
elif ! $CC -O1 examples/mnist_mlp.c -o "$dir/study" -lm >"$dir/log" 2>&1; then echo "FAIL report: examples/mnist_mlp.c does not compile"
else
    for out in one two; do GRADFLOW_DATA=none "$dir/study" --quick --epochs 2 --seeds 2 --out "$dir/$out" >"$dir/log" 2>&1; done
    python3 -B tests/reports.py "$dir/one" "$dir/two/report.html" $browser "$shots"
    (cd "$dir" && GRADFLOW_DATA=none ./study --quick >"$dir/log" 2>&1)
    if grep -q 'href="mnist_mlp/report.html"' "$dir/results/index.html"; then echo "PASS report: results/index.html links it"
    else echo "FAIL report: results/index.html links it"; fi
fi

[ -n "$browser" ] || exit 0
$CC -std=c99 -O2 -DGF_NO_SIMD examples/playground.c -o "$dir/native" -lm || echo "FAIL playground: examples/playground.c compiles"
case $page in /*) ;; *) page=$PWD/$page ;; esac
python3 -B tests/pages.py "$page" "$dir/native" "$shots"
