#!/bin/sh
# tests/portability.sh: gradflow.h with every compiler, standard and machine at hand (make portability). Three questions:
#   bits     portable.c with -DGF_NO_SIMD: the known hash from all compilers, levels and machines?
#   sound    portable.c with the machine's own kernels: does it compile, run and learn?
#   strict   does the header compile without a warning as C99 to C23 and C++11 to C++20?
# Prints PASS, FAIL and SKIP lines; foreign machines run under qemu-user, Windows under wine. BITS=1: only the first, with
# this machine's compilers, as the suite does in test_bits.sh.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
expected=$(cat tests/fixtures/bits.txt)  # to be written anew, and said in the commit, when results change on purpose
failed=0
export WINEDEBUG=-all
have() { command -v "$1" >/dev/null 2>&1; }
fail() {
    echo "FAIL $1"
    [ ! -s "$dir/log" ] || head -n 5 "$dir/log" | sed 's/^/    /'
    failed=1
}

# probe RUNNER COMPILER FLAG...: can it build (and the runner run) a program that includes the headers?
printf '#include <errno.h>\n#include <math.h>\n#include <stdio.h>\nint main(void) { return errno != 0; }\n' >"$dir/probe.c"
probe() {
    runner=$1
    shift
    # shellcheck disable=SC2086 # a runner is words, or nothing
    have "$1" && "$@" "$dir/probe.c" -o "$dir/probe.out" -lm >"$dir/log" 2>&1 && $runner "$dir/probe.out" >>"$dir/log" 2>&1
}

bits() { # runner, compiler and flags
    title="bits: $(shift && echo "$*")"
    probe "$@" || { echo "SKIP $title: cannot build or run here"; return; }
    runner=$1
    shift
    "$@" -w -DGF_NO_SIMD tests/portable.c -o "$dir/bits" -lm >"$dir/log" 2>&1 || { fail "$title: does not compile"; return; }
    # shellcheck disable=SC2086
    hash=$($runner "$dir/bits" | tr -d '\r')
    case $hash in ???????????????? ) ;; *) fail "$title: said '$hash'"; return ;; esac
    if [ "$hash" = "$expected" ]; then echo "PASS $title: $hash"; else fail "$title: $hash, but $expected in tests/fixtures/bits.txt"; fi
}

sound() { # runner, compiler and flags
    title="sound: $(shift && echo "$*")"
    probe "$@" || { echo "SKIP $title: cannot build or run here"; return; }
    runner=$1
    shift
    "$@" -w -DWITHOUT_HASH tests/portable.c -o "$dir/sound" -lm >"$dir/log" 2>&1 || { fail "$title: does not compile"; return; }
    # shellcheck disable=SC2086
    said=$($runner "$dir/sound" 2>/dev/null | tr -d '\r')
    if [ "$said" = sound ]; then echo "PASS $title"; else fail "$title: said '$said'"; fi
}

strict() { # language, compiler and flags
    title="strict: $*"
    language=$1
    shift
    probe true "$@" -x "$language" || { echo "SKIP $title: cannot build here"; return; }
    printf '#define GRADFLOW_IMPLEMENTATION\n#include "gradflow.h"\n' >"$dir/strict.c"
    if "$@" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -I. -fsyntax-only -x "$language" "$dir/strict.c" >"$dir/log" 2>&1
    then echo "PASS $title"
    else fail "$title"; fi
}

for compiler in gcc clang; do
    for level in -O0 -O2 '-O3 -march=native'; do
        # shellcheck disable=SC2086 # flags are words
        bits '' $compiler $level
    done
done
[ -z "${BITS:-}" ] || exit $failed
# -m32 without its own kernel headers (Debian's gcc-multilib, which shuns cross compilers) finds the 64-bit ones.
x86='-m32 -msse2 -mfpmath=sse -idirafter /usr/include/x86_64-linux-gnu'
# shellcheck disable=SC2086
bits '' gcc $x86 -O2
for version in 9 10 11 13 14; do bits '' gcc-$version -O2; done
for version in 11 13 15 16 17 18 19; do bits '' clang-$version -O2; done
bits '' tcc
for machine in aarch64-linux-gnu:qemu-aarch64 arm-linux-gnueabihf:qemu-arm riscv64-linux-gnu:qemu-riscv64 \
    s390x-linux-gnu:qemu-s390x; do
    bits "${machine#*:}" "${machine%:*}-gcc" -static -O2
done
bits wine x86_64-w64-mingw32-gcc -O2

for level in -O0 -O2 '-O3 -march=native'; do
    # shellcheck disable=SC2086
    { sound '' gcc $level; sound '' clang $level; }
done
# shellcheck disable=SC2086
sound '' gcc $x86 -O2
sound '' tcc
sound qemu-aarch64 aarch64-linux-gnu-gcc -static -O2
sound qemu-arm arm-linux-gnueabihf-gcc -static -O2
sound qemu-s390x s390x-linux-gnu-gcc -static -O2
sound wine x86_64-w64-mingw32-gcc -O2
# For Windows: the header after windows.h, and every example, compile without a warning; two run where wine is.
printf '#include <windows.h>\n#define GRADFLOW_IMPLEMENTATION\n#include "gradflow.h"\n' >"$dir/windows.c"
for compiler in x86_64-w64-mingw32-gcc i686-w64-mingw32-gcc; do
    have $compiler || { echo "SKIP windows: $compiler: not installed"; continue; }
    windows="$compiler -std=c99 -Wall -Wextra -Wpedantic -Werror -O1"
    if $windows -I. -c "$dir/windows.c" -o "$dir/windows.o" >"$dir/log" 2>&1; then echo "PASS windows: $compiler after windows.h"
    else fail "windows: $compiler after windows.h"; fi
    have_stb || { echo "SKIP windows: examples by $compiler: no stb_image_write.h (./data_fetch.sh stb)"; continue; }
    mkdir -p "$dir/stb" # alone: /usr/include has headers of this system
    [ ! -d /usr/include/stb ] || cp /usr/include/stb/stb_image_write.h "$dir/stb/"
    for example in examples/*.c; do
        name=$(basename "$example" .c)
        [ "$name" != playground ] || continue # for WebAssembly
        if $windows -I"$dir" "$example" -o "$dir/$name.exe" -lm >"$dir/log" 2>&1; then echo "PASS windows: $name by $compiler"
        else fail "windows: $name by $compiler"; fi
    done
    for name in first from_pytorch; do
        case $compiler in i686*) continue ;; esac # wine's 32-bit half is rarely there, and its absence ends with status 0
        if ! probe wine $compiler; then echo "SKIP windows: $name runs: no wine"
        elif wine "$dir/$name.exe" >"$dir/log" 2>&1 && grep -q '^accuracy 0[.]' "$dir/log"; then
            echo "PASS windows: $name by $compiler runs"
        else fail "windows: $name by $compiler runs"; fi
    done
done

for compiler in gcc clang; do
    for standard in c99 c11 c17 c2x; do strict c $compiler -std=$standard; done
done
for compiler in g++ clang++; do
    for standard in c++11 c++14 c++17 c++20; do strict c++ $compiler -std=$standard; done
done
printf 'int x;\n' >"$dir/fast.c"
if ${CC:-cc} -ffast-math -I. -include gradflow.h -fsyntax-only "$dir/fast.c" >"$dir/log" 2>&1; then fail "-ffast-math is not refused"
else echo "PASS -ffast-math is refused"; fi
exit $failed
