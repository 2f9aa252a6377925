#!/bin/sh
# tests/test_header.sh: gradflow.h as C and C++ of every year, with two compilers and every option; programs that its own
# comment and README.md promise; its contents tokens, doc comments and exported names.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
warn="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"

need header "$CC"
pass() { echo "PASS $1"; }
fail() { # name, reason, file with details
    echo "FAIL $1: $2"
    [ ! -s "${3:-}" ] || head -n 12 "$3" | sed 's/^/    /'
}
# expect NAME COMMAND...: the command succeeds and prints no diagnostics.
expect() {
    name=$1
    shift
    if "$@" >"$dir/log" 2>&1 && [ ! -s "$dir/log" ]; then pass "$name"; else fail "$name" "$*" "$dir/log"; fi
}
# reject NAME TEXT COMMAND...: the command fails and says TEXT.
reject() {
    name=$1 text=$2
    shift 2
    if "$@" >"$dir/log" 2>&1; then
        fail "$name" "accepted: $*"
    elif grep -q "$text" "$dir/log"; then
        pass "$name"
    else
        fail "$name" "rejected, but without saying '$text'" "$dir/log"
    fi
}

# one_error NAME TEXT COMMAND...: the command fails with a single error, which says TEXT.
one_error() {
    reject "$@"
    errors=$(grep -c 'error: ' "$dir/log")
    [ "$errors" -eq 1 ] || fail "$1" "$errors errors, expected one" "$dir/log"
}

cp gradflow.h "$dir/"
cat >"$dir/unit.c" <<'END'
#define GRADFLOW_IMPLEMENTATION
#include "gradflow.h"
END
cat >"$dir/late.c" <<'END'
#include "gradflow.h"
#include "gradflow.h"
#define GRADFLOW_IMPLEMENTATION
#include "gradflow.h"
#include "gradflow.h"
END
cat >"$dir/main.c" <<'END'
#include "gradflow.h"
#include <stdio.h>
int main(void) {
    gf_net *net = gf_net_create(gf_vector(2), 1, 1);
    gf_net_dense(net, 1);
    int bad = gf_net_build(net) != GF_OK || gf_net_describe(net).param_count != 3;
    gf_net_free(net);
    return bad;
}
END
# Names that windows.h, complex.h and students' programs define. What they meant before, they mean after.
cat >"$dir/macros.c" <<'END'
enum { BEFORE = 1 };
#define near BEFORE
#define far BEFORE
#define small char
#define interface struct
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define VOID void
#define ERROR 0
#define TRUE 1
#define FALSE 0
#define PI 3.14159
#define MAX 100
#define MIN 0
#define SIZE 10
#define EPS 1e-5
#define linux 1
#define unix 1
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min(a, b) ((a) < (b) ? (a) : (b))
END
for letter in A B C D E F G H I J K L M N O P Q R S T U V W X Y Z; do
    echo "#define $letter 7" >>"$dir/macros.c"
done
cat "$dir/macros.c" "$dir/unit.c" - >"$dir/macros_all.c" <<'END'
int after(void);
int after(void) { return A + B + C + D + E + H + I + K + M + N + O + W + near + (int)sizeof(small) + MIN + MAX; }  // C++'s own headers undefine min and max
END
mv "$dir/macros_all.c" "$dir/macros.c"
printf '#include <complex.h>\n#include <tgmath.h>\n' | cat - "$dir/unit.c" >"$dir/after.c"
printf '#define GRADFLOW_STATIC\n' | cat - "$dir/unit.c" >"$dir/static1.c"
sed 1,1d "$dir/main.c" | cat "$dir/static1.c" - >"$dir/static2.c"
printf 'int unused_unit(void);\nint unused_unit(void) { return 0; }\n' >>"$dir/static1.c"

# --- the matrix ------------------------------------------------------------------------------------------------------
# Code is made where it may bring warnings of its own: once for each compiler, and by gcc, which finds unused functions
# only then, for each option. All else is only parsed.
# matrix COMPILER STANDARD [FLAG]: clean as a unit, static, and late; language from the standard's name.
matrix() {
    case $2 in c++*) language=c++ ;; *) language=c ;; esac
    base="$1 -x $language -std=$2 $warn -c -o $dir/out.o"
    syntax=-fsyntax-only
    [ -z "${3:-}" ] || syntax=
    # shellcheck disable=SC2086 # flags are words
    expect "header $1 $2 ${3:-}" $base ${3:--fsyntax-only} "$dir/unit.c"
    # shellcheck disable=SC2086
    expect "header $1 $2 static" $base $syntax "$dir/static1.c"
    # shellcheck disable=SC2086
    expect "header $1 $2 declarations first" $base -fsyntax-only "$dir/late.c"
}
# Options, once for every compiler.
options() { # compiler, standard
    case $2 in c++*) language=c++ ;; *) language=c ;; esac
    base="$1 -x $language -std=$2 $warn -c -o $dir/out.o"
    syntax=-fsyntax-only
    case $1 in clang*) base="$base -fsyntax-only" ;; esac
    for option in -DGF_REAL=double -DGF_NO_SIMD "-DGF_NO_SIMD -DGF_REAL=double" -DGF_NO_STDIO -DNDEBUG -funsigned-char; do
        # shellcheck disable=SC2086
        expect "header $1 $2 $option" $base $option "$dir/unit.c"
    done
    # shellcheck disable=SC2086
    if echo 'int main(void) { return 0; }' | $1 -x $language -fopenmp - -o "$dir/probe" 2>/dev/null; then
        expect "header $1 $2 -fopenmp" $base -fopenmp "$dir/unit.c"
    else
        echo "SKIP header $1 $2 -fopenmp: $1 has no OpenMP here"
    fi
    # shellcheck disable=SC2086
    reject "header $1 $2 rejects a partial allocator" 'GF_MALLOC, GF_REALLOC and GF_FREE' \
        $base -fsyntax-only '-DGF_MALLOC(size)=malloc(size)' "$dir/unit.c"
    for flag in -ffast-math -ffinite-math-only -Ofast; do
        # shellcheck disable=SC2086
        one_error "header $1 $2 rejects $flag" ffinite-math-only $base -fsyntax-only $flag "$dir/unit.c"
    done
    for real in 'long double' int '' half; do
        # shellcheck disable=SC2086
        one_error "header $1 $2 rejects GF_REAL '$real'" 'GF_REAL is float or double' \
            $base -fsyntax-only "-DGF_REAL=$real" "$dir/unit.c"
    done
    case $language in c++) old='c++98 gnu++98' ;; *) old='c89 gnu89' ;; esac
    for standard in $old; do
        one_error "header $1 rejects -std=$standard" 'add -std=c99' $1 -x $language -std="$standard" -c \
            -o "$dir/out.o" "$dir/main.c"
    done
    # shellcheck disable=SC2086
    expect "header $1 $2 among macros of the same names" $base $syntax "$dir/macros.c"
    # shellcheck disable=SC2086
    [ $language = c++ ] || expect "header $1 $2 after complex.h and tgmath.h" $base -D_GNU_SOURCE -fsyntax-only "$dir/after.c"
}
for compiler in gcc clang g++ clang++; do
    if ! have $compiler; then
        echo "SKIP header $compiler: not installed"
        continue
    fi
    case $compiler in *++) standards="c++11 c++17" ;; *) standards="c99 c11 c17" ;; esac
    optimise=-O2 # once for each compiler
    for standard in $standards; do
        matrix $compiler "$standard" $optimise
        optimise=
    done
    options $compiler "${standards%% *}"
done

# --- two units, allocators, exported names ---------------------------------------------------------------------------
# The library as an object, by the one line that README.md and the Makefile have for it.
(cd "$dir" && expect "one line builds the library" "$CC" -O2 -x c -DGRADFLOW_IMPLEMENTATION -c gradflow.h -o gradflow.o)
expect "two units" "$CC" -O1 "$dir/gradflow.o" "$dir/main.c" -o "$dir/two" -lm
expect "two units run" "$dir/two"
expect "two static units" "$CC" -O0 "$dir/static1.c" "$dir/static2.c" -o "$dir/two" -lm
expect "two static units run" "$dir/two"
# A library of another GF_REAL or version is missed by the linker.
reject "a library of another GF_REAL is refused" 'gfi_every_file_needs_gradflow_.*_GF_REAL_double' \
    "$CC" -O2 -DGF_REAL=double "$dir/main.c" "$dir/gradflow.o" -o "$dir/two" -lm
sed 's/needs_gradflow_[0-9_]*/needs_gradflow_0_0_/' gradflow.h >"$dir/other.h"
"$CC" -O0 -x c -DGRADFLOW_IMPLEMENTATION -c "$dir/other.h" -o "$dir/other.o"
reject "a library of another version is refused" 'gfi_every_file_needs_gradflow_' \
    "$CC" -O2 "$dir/main.c" "$dir/other.o" -o "$dir/two" -lm
version=$(sed -n 's/^#define GF_VERSION_MAJOR \(.*\)/\1/p' gradflow.h)_$(sed -n 's/^#define GF_VERSION_MINOR \(.*\)/\1/p' gradflow.h)
expect "the name that the linker misses says the version" grep -q "every_file_needs_gradflow_${version}_and" gradflow.h
# Under another name, alone and beside an older file of the old name: its loops are its own.
mkdir "$dir/renamed" "$dir/alone"
sed 's/"gradflow.h"/"gradflow_v02.h"/' "$dir/unit.c" >"$dir/renamed/unit.c"
cp "$dir/renamed/unit.c" "$dir/alone/"
cp gradflow.h "$dir/renamed/gradflow_v02.h"
cp gradflow.h "$dir/alone/gradflow_v02.h"
echo '#error "this is an older file"' >"$dir/renamed/gradflow.h"
for place in renamed alone; do
    expect "a header under another name, $place" "$CC" -O0 -c "$dir/$place/unit.c" -o "$dir/renamed.o"
    (cd "$dir/$place" && expect "a header under another name, $place, in its folder" "$CC" -O0 -c unit.c -o renamed.o)
done
if have g++ && have gcc; then
    expect "C implementation, C++ user" g++ -std=c++11 -x c++ "$dir/main.c" -x none "$dir/gradflow.o" -o "$dir/two" -lm
    expect "C implementation, C++ user run" "$dir/two"
fi

cat >"$dir/own.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
static long allocated, released;
static void *own_malloc(size_t size) { allocated++; return malloc(size); }
static void *own_realloc(void *p, size_t size) { allocated += p == NULL; return realloc(p, size); }
static void own_free(void *p) { released += p != NULL; free(p); }
#define GF_MALLOC(size) own_malloc(size)
#define GF_REALLOC(p, size) own_realloc(p, size)
#define GF_FREE(p) own_free(p)
#define GRADFLOW_IMPLEMENTATION
#include "gradflow.h"
int main(void) {
    gf_real x[4] = {0, 1, 2, 3};
    gf_net *net = gf_net_create(gf_vector(2), 2, 1);
    gf_optim adam;
    gf_net_dense(net, 3), gf_net_batch_norm(net), gf_net_act(net, GF_ACT_TANH), gf_net_dense(net, 2), gf_net_build(net);
    gf_optim_init(&adam, net, gf_adam(0.1));
    gf_net_forward(net, x, 2, GF_TRAIN);
    gf_optim_free(&adam), gf_net_free(net);
    printf("allocated %ld released %ld\n", allocated, released);
    return allocated > 3 && allocated == released ? 0 : 1;
}
END
"$CC" -O0 "$dir/own.c" -o "$dir/own" -lm 2>"$dir/log" && "$dir/own" >>"$dir/log" 2>&1
if [ $? -eq 0 ]; then pass "own allocator frees what it gave"; else fail "own allocator frees what it gave" "see" "$dir/log"; fi

if have nm; then
    nm -g "$dir/gradflow.o" | awk '$2 ~ /^[A-Z]$/ && $2 != "U" && $3 !~ /^_?gfi?_/ { print $3 }' >"$dir/names"
    if [ -s "$dir/names" ]; then fail "exported names" "without gf_ or gfi_" "$dir/names"; else pass "exported names"; fi
    nm -g "$dir/gradflow.o" | awk '$2 != "U" { sub(/^_/, "", $3); print $3 }' | sort >"$dir/defined"
    sed -n '1,/^\/\/ Stop here/p' gradflow.h | sed -n 's/^GFDEF [^(]*[ *]\(gf_[a-z0-9_]*\)(.*/\1/p' | sort -u >"$dir/declared"
    comm -23 "$dir/declared" "$dir/defined" >"$dir/names"
    if [ "$(wc -l <"$dir/declared")" -lt 50 ]; then
        fail "every public function is defined" "found only $(wc -l <"$dir/declared") declarations"
    elif [ -s "$dir/names" ]; then
        fail "every public function is defined" "without definition:" "$dir/names"
    else
        pass "every public function is defined"
    fi
else
    echo "SKIP exported names: nm is not installed"
fi

# --- tokens and doc comments -----------------------------------------------------------------------------------------
# Every [GF:TOKEN] of the contents heads one section of the public part, or one of the implementation, in the contents' order;
# nothing else heads a section.
awk '
    BEGIN {
        public = "CONFIG ERR RNG TENSOR ACT INIT LAYER NET LOSS OPTIM PROBE CHECK THEORY DATA DOCTOR CURVE SAVE"
        implementation = "BACKPROP NET LAYER ACT PROBE CHECK THEORY DATA SAVE DOCTOR CURVE KERNEL"
    }
    /^\/\/ \[GF:[A-Z]+\] [A-Z]/ {
        match($0, /\[GF:[A-Z]+\]/)
        heading[stop + 0] = heading[stop + 0] " " substr($0, RSTART + 4, RLENGTH - 5)
        next
    }
    /^\/\/  .*\[GF:[A-Z]+\]/ && !stop { contents = contents $0 }
    /^\/\/ Stop here/ { stop = 1 }
    END {
        if (heading[0] != " " public) print "public sections:" heading[0] ", expected " public
        if (heading[1] != " " implementation) print "implementation:" heading[1] ", expected " implementation
        n = split(public " " implementation, token, " ")
        for (i = 1; i <= n; i++)
            if (!index(contents, "[GF:" token[i] "]")) print "[GF:" token[i] "] is not in the contents"
    }' gradflow.h >"$dir/log"
if [ -s "$dir/log" ]; then fail "contents tokens" "see" "$dir/log"; else pass "contents tokens"; fi

# A comment beside a declaration, or above it or earlier in the unbroken block that it stands in.
awk '
    /^\/\/ Stop here/ { exit }
    /^GFDEF / { declaration = 1; text = $0; start = NR }
    declaration && !/^GFDEF / { text = text $0 }
    /^$/ { above = 0 }
    /\/\// && !/^(typedef| |\/\/ -)/ { above = 1 }
    declaration && /;/ {
        if (!above && text !~ /\/\//) print start ": " text
        declaration = 0
    }' gradflow.h >"$dir/log"
if [ -s "$dir/log" ]; then fail "doc comments" "none at" "$dir/log"; else pass "doc comments"; fi

# --- programs that the texts promise ---------------------------------------------------------------------------------
# sane NAME: the program compiled with the command in $dir/command, in $dir/program, runs and prints numbers.
sane() {
    sed "s|^cc |$CC |" "$dir/command" >"$dir/build"
    if ! (cd "$dir/program" && sh ../build) >"$dir/log" 2>&1 || [ -s "$dir/log" ]; then
        fail "$1" "$(cat "$dir/command")" "$dir/log"
        return
    fi
    binary=$(sed 's/.*-o  *\([^ ]*\).*/\1/' "$dir/command")
    (cd "$dir/program" && "./$binary") >"$dir/log" 2>&1
    status=$?
    if [ $status -ne 0 ]; then fail "$1" "ended with status $status" "$dir/log"
    elif ! grep -q '[0-9]' "$dir/log" || grep -qi 'nan\|inf$\|error:' "$dir/log"; then fail "$1" "strange output" "$dir/log"
    else pass "$1"; fi
}

mkdir "$dir/program"
cp gradflow.h "$dir/program/"
sed -n '1,4d; /^[^/]/q; s|^// \{0,1\}||p' gradflow.h >"$dir/comment"
grep '^ *cc ' "$dir/comment" | head -n 1 | sed 's/^ *//' >"$dir/command"
source=$(sed 's/.* \([a-z_0-9]*\.c\) .*/\1/' "$dir/command")
sed -n '/#define GRADFLOW_IMPLEMENTATION/,/^    }/p' "$dir/comment" >"$dir/program/$source"
sane "program in the header's comment"
if grep -q 'no error' "$dir/log" && awk '
        $1 == "step" { last = $4; if (!first) first = $4 } END { exit !(first > 0.5 && last < 0.1 * first) }' "$dir/log"; then
    pass "program in the header's comment learns"
else
    fail "program in the header's comment learns" "loss does not fall" "$dir/log"
fi

# The cc command in each example's opening comment, run by both compilers at the examples' strictness.
for example in examples/*.c; do
    name=$(basename "$example" .c)
    command=$(sed -n '1,60s|^//  *\(cc .*examples/'"$name"'\.c.*\)|\1|p' "$example" | head -n 1)
    if [ "${command%% &&*}" != "cc -O2 examples/$name.c -o $name -lm" ]; then
        fail "example $name: cc command" "its comment says '$command'"
        continue
    fi
    for compiler in gcc clang; do
        if ! have $compiler; then
            echo "SKIP example $name $compiler: not installed"
        elif ! have_stb; then
            echo "SKIP example $name $compiler: no stb_image_write.h (./data_fetch.sh stb)"
        else
            # tests/test_examples.sh builds and runs it, linked with the library; one is built here as its comment says.
            expect "example $name $compiler" $compiler -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "$example"
        fi
    done
done

if have_stb; then
    expect "example by its own command" "$CC" -O2 examples/mnist_mlp.c -o "$dir/example" -lm
    if "$dir/example" --help >"$dir/log" 2>&1; then pass "example by its own command runs"; else fail "example by its own command runs" "see" "$dir/log"; fi
fi

# --- self-containment ------------------------------------------------------------------------------------------------
find . -type f ! -path './.git/*' ! -path './build/*' ! -path './data/*' ! -path './third_party/*' ! -path './results/*' \
    ! -path './.ci/run' -exec grep -l '[.][.]/shared' {} + >"$dir/log" 2>/dev/null
if [ -s "$dir/log" ]; then fail "nothing depends on a folder outside" "see" "$dir/log"; else pass "nothing depends on a folder outside"; fi
