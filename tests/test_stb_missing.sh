#!/bin/sh
# test_stb_missing.sh: without stb_image_write.h a program with charts gives one error, which says what to run.
set -u
cd "$(dirname "$0")/.." || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# Alone in its folder plot.h has no third_party/ beside it, and -nostdinc hides the system's <stb/stb_image_write.h>.
mkdir "$dir/empty" && cp examples/plot.h "$dir/plot.h" || exit 1
cat >"$dir/chart.c" <<'END'
#define PLOT_IMPLEMENTATION
#include "plot.h"
int main(void) {
    plot_figure *fig = plot_figure_create(300, 200, 1, 1, "title");
    return !plot_save(fig, "chart.png");
}
END

for compiler in gcc clang "g++ -x c++ -std=c++11" "clang++ -x c++ -std=c++11"; do
    name="stb missing (${compiler%% *})"
    if ! command -v "${compiler%% *}" >/dev/null 2>&1; then
        echo "SKIP $name: no ${compiler%% *}"
        continue
    fi
    # shellcheck disable=SC2086 # the compiler's flags are words
    if LC_ALL=C $compiler -Wall -nostdinc -isystem "$dir/empty" -c "$dir/chart.c" -o "$dir/chart.o" >"$dir/said" 2>&1; then
        echo "FAIL $name: it compiles"
    elif [ "$(grep -c 'error:' "$dir/said")" -ne 1 ] || grep -q 'warning:' "$dir/said"; then
        echo "FAIL $name: expected one error and no warning"
        cat "$dir/said"
    elif ! grep 'error:' "$dir/said" | grep -qF './data_fetch.sh stb'; then
        echo "FAIL $name: the error does not name ./data_fetch.sh stb"
        cat "$dir/said"
    else
        echo "PASS $name: one error, and it says what to run"
    fi
done
