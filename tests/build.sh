# build.sh: what run.sh and the shell tests build with, read with `. tests/build.sh` in the repository's root: compilers,
# flags, and the library, compiled once for each variant:
#     float   double (-DGF_REAL=double)   openmp (-fopenmp)   nosimd (-DGF_NO_SIMD)   cxx (C++11)
#     asan-…  the same with gcc's address and undefined-behaviour sanitizers
# Environment: CC, CXX, BUILD (build), TEST_TIMEOUT (1800): after so many seconds a test counts as hanging.
root=${BUILD:-build}
lib=$root/lib
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"

have() { command -v "$1" >/dev/null 2>&1; }

if [ -z "${CC:-}" ]; then
    CC=cc
    for candidate in clang gcc cc; do
        if have $candidate; then CC=$candidate; fi
    done
fi
CXX=${CXX:-c++}
export CC CXX

# Run a command, for at most TEST_TIMEOUT seconds where that can be had.
limited() {
    if have timeout; then timeout -k 10 "${TEST_TIMEOUT:-1800}" "$@"; else "$@"; fi
}

# The compiler and the flags of a variant, but for the optimisation, into $compiler and $flags; 1 for an unknown one.
variant() {
    compiler=$CC
    flags="-std=c99 $warnings"
    case $1 in
        cxx) compiler=$CXX flags="-std=c++11 $warnings -x c++" ;;
        asan-*) compiler=gcc flags="-std=c99 -w -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined" ;;
    esac
    case ${1#asan-} in
        float | cxx) ;;
        double) flags="$flags -DGF_REAL=double" ;;
        openmp) flags="$flags -fopenmp" ;;
        nosimd) flags="$flags -DGF_NO_SIMD" ;;
        *) return 1 ;;
    esac
}

# Can programs of this variant be built and run here? Asked once: the answer stays in a file, which says why not.
usable() {
    mkdir -p $lib
    if [ ! -f "$lib/$1.usable" ]; then
        variant "$1"
        echo 'int main(void) { return 0; }' >"$lib/probe.$1.$$.c"
        # shellcheck disable=SC2086 # flags are words
        if $compiler $flags "$lib/probe.$1.$$.c" -o "$lib/probe.$1.$$" >/dev/null 2>&1 && "$lib/probe.$1.$$"; then
            echo yes >"$lib/$1.usable"
        elif have "$compiler"; then echo "$compiler cannot build with $flags" >"$lib/$1.usable"
        else echo "no $compiler" >"$lib/$1.usable"; fi
        rm -f "$lib/probe.$1.$$"*
    fi
    [ "$(cat "$lib/$1.usable")" = yes ]
}

# Forget what was built from other sources or with other compilers.
freshen() {
    mkdir -p $lib
    [ -z "${GF_FRESH:-}" ] || return 0
    if [ "$(cat $lib/compilers 2>/dev/null)" != "$CC $CXX $(find gradflow.h tests/library.c tests/counted_alloc.h \
        tests/build.sh -newer $lib/compilers 2>/dev/null)" ]; then
        rm -f $lib/*
        echo "$CC $CXX " >$lib/compilers
    fi
    export GF_FRESH=1
}

# The library of a variant is in $lib/VARIANT.o; or, with status 1, not, and $lib/VARIANT.log says why. `library examples`:
# the examples, in $root/examples, as far as they compile.
library() {
    if [ "$1" = examples ]; then
        have make && make -s -k BUILD="$root/examples" CC="$CC" CFLAGS="-std=c99 -Wall -Wextra -Wpedantic -Werror -O2" all \
            >$lib/examples.log 2>&1
        return
    fi
    [ ! -f "$lib/$1.o" ] || return 0
    usable "$1" && variant "$1" || return 1
    optimise=-O2
    case $1 in asan-float) ;; asan-*) optimise=-O1 ;; esac  # the float tests run long enough to be worth it
    # shellcheck disable=SC2086
    $compiler $flags $optimise -c tests/library.c -o "$lib/$1.$$.o" >"$lib/$1.log" 2>&1 && mv "$lib/$1.$$.o" "$lib/$1.o"
}
