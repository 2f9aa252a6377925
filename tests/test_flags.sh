#!/bin/sh
# tests/test_flags.sh: the plain activations are right under flags that change how doubles are rounded: x87's excess
# precision (-mfpmath=387, the default of 32-bit x86) and -funsafe-math-optimizations, which may reorder sums. Flags that
# break arithmetic are refused when a net is built, even where no macro tells of them; others change nothing.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/setup.sh
cat >"$dir/flags.c" <<'END'
// Every activation against long double references of its own; prints nothing when all is well.
#define GRADFLOW_IMPLEMENTATION
#include "gradflow.h"
#include <stdio.h>

static int failed;

static void near(const char *what, double z, double found, long double expected) {
    if (fabsl((long double)found - expected) <= 1e-13L + 1e-12L * fabsl(expected)) return;
    if (failed++ < 10) printf("%s(%.17g) is %.17g, expected %.17Lg\n", what, z, found, expected);
}

static void check_act(gf_act_kind kind, double z, long double value, long double slope) {
    const gf_act act = gf_act_default(kind);
    gf_real x[9], h[9], derivative[9], ones[9];
    near(act.name, z, gf_act_value(act, z), value);
    near(act.name, z, gf_act_derivative(act, z), slope);
    for (int i = 0; i < 9; i++) {
        x[i] = (gf_real)z;
        ones[i] = 1;
    }
    gf_act_forward(act, x, h, 9);  // in arrays: rounded to gf_real
    gf_act_backward(act, x, ones, derivative, 9);
    for (int i = 0; i < 9; i++) {
        if (!(fabsl((long double)h[i] - value) <= 3e-7L * (1 + fabsl(value))) ||
            !(fabsl((long double)derivative[i] - slope) <= 5e-7L)) {
            if (failed++ < 10) printf("array %s(%.9g) is %.9g, slope %.9g\n", act.name, z, (double)h[i],
                                      (double)derivative[i]);
        }
    }
}

static void check(double x) {
    const long double z = x, e = expl(-fabsl(z)), sigma = (z < 0 ? e : 1) / (1 + e), E = expl(z), s = log1pl(E);
    const long double cdf = 0.5L * erfcl(-z * 0.707106781186547524400844362104849039L);
    const long double density = 0.398942280401432677939946059934381868L * expl(-z * z / 2);
    const long double t = tanhl(z), m = tanhl(s), T = tanhl(E);
    check_act(GF_ACT_SIGMOID, x, sigma, e / ((1 + e) * (1 + e)));
    check_act(GF_ACT_TANH, x, t, 1 / (coshl(z) * coshl(z)));
    check_act(GF_ACT_ELU, x, z > 0 ? z : expm1l(z), z > 0 ? 1 : E);
    check_act(GF_ACT_SOFTPLUS, x, z > 20 ? z : s, z > 20 ? 1 : sigma);
    check_act(GF_ACT_SOFTSIGN, x, z / (1 + fabsl(z)), 1 / ((1 + fabsl(z)) * (1 + fabsl(z))));
    check_act(GF_ACT_ARCTAN, x, atanl(z), 1 / (1 + z * z));
    check_act(GF_ACT_GELU, x, z * cdf, cdf + z * density);
    check_act(GF_ACT_SILU, x, z * sigma, sigma + z * e / ((1 + e) * (1 + e)));
    check_act(GF_ACT_MISH, x, z * m, m + z * sigma / (coshl(s) * coshl(s)));
    check_act(GF_ACT_TELU, x, z * T, E > 5000 ? 1 : T + z * E / (coshl(E) * coshl(E)));
    check_act(GF_ACT_RELU, x, z > 0 ? z : 0, z > 0);
    check_act(GF_ACT_HARD_SWISH, x, z <= -3 ? 0 : z >= 3 ? z : z * (z + 3) / 6, z <= -3 ? 0 : z >= 3 ? 1 : z / 3 + 0.5L);
}

int main(void) {
    const gf_act hyperbolic = gf_act_default(GF_ACT_TANH), elu = gf_act_default(GF_ACT_ELU);
    for (int i = -4000; i <= 4000; i++) check((double)(float)(i / 100.0 + 1e-3));
    for (double z = 1e-2; z > 1e-30; z /= 7) {  // near 0 tanh z and e^z - 1 are z, not rounding noise
        if (!(fabs(gf_act_value(hyperbolic, z) / z - 1) < 1e-4 + 0 * z)) failed++;
        if (z < 1e-7 && !(fabs(gf_act_value(hyperbolic, -z) / -z - 1) < 1e-12)) failed++;
        if (z < 1e-7 && !(fabs(gf_act_value(elu, -z) / -z - 1) < 1e-6)) failed++;
    }
    for (int i = 0; i < (int)GF_ACT_CUSTOM; i++) {
        const gf_act act = gf_act_default((gf_act_kind)i);
        const double left = gf_act_value(act, -HUGE_VAL), nan = gf_act_value(act, NAN);
        if (nan == nan || left != left || gf_act_value(act, HUGE_VAL) < 0.99) failed++;
    }
    for (double x = 1e-300; x < 1e300; x *= 3.7) near("ln", x, gfi_log(x), logl(x));
    for (double x = -700; x < 700; x += 0.37)
        if (!(fabsl(gfi_exp(x) / expl(x) - 1) < 1e-12L)) failed++;
    if (failed) printf("%d wrong\n", failed);
    return failed != 0;
}
END
status=0
flags() { # flags
    title="plain activations under $*"
    printf '#include <math.h>\n#include <stdint.h>\nint main(void) { return 0; }\n' >"$dir/probe.c"
    if ! gcc "$@" "$dir/probe.c" -o "$dir/probe" -lm >/dev/null 2>&1 || ! "$dir/probe"; then
        echo "SKIP $title: gcc cannot build or run that here"
        return
    fi
    if ! gcc -std=gnu99 -w -I. "$@" "$dir/flags.c" -o "$dir/flags" -lm >"$dir/log" 2>&1; then
        echo "FAIL $title: does not compile"
        head -n 5 "$dir/log"
        status=1
    elif "$dir/flags" >"$dir/log"; then echo "PASS $title"
    else
        echo "FAIL $title: $(head -n 1 "$dir/log")"
        sed 1d "$dir/log"
        status=1
    fi
}
# -std=gnu99, as gcc's default: standard C would make x87 round at every assignment.
flags -m32 -O2
flags -m32 -O0
flags -mfpmath=387 -O2 -DGF_NO_SIMD
flags -mfpmath=387 -O2 -DGF_NO_SIMD -DGF_REAL=double
flags -funsafe-math-optimizations -O2 -DGF_NO_SIMD
flags -funsafe-math-optimizations -O3 -march=native -DGF_NO_SIMD
flags -funsafe-math-optimizations -O2 -DGF_NO_SIMD -DGF_REAL=double

cat >"$dir/net.c" <<'END'
// Trains XOR. Ends with 0 when it was learnt, 3 when gf_net_build refused, 1 otherwise.
#define GRADFLOW_IMPLEMENTATION
#define GRADFLOW_STATIC
#include "gradflow.h"
int main(void) {
    gf_real x[8] = {0, 0, 0, 1, 1, 0, 1, 1};
    int labels[4] = {0, 1, 1, 0};
    gf_net *net = gf_net_create(gf_vector(2), 4, 42);
    gf_optim adam;
    double loss = 0;
    gf_net_dense(net, 8), gf_net_act(net, GF_ACT_TANH), gf_net_dense(net, 2);
    if (gf_net_build(net) != GF_OK) {
        printf("%s\n", gf_net_error(net));
        return 3;
    }
    gf_optim_init(&adam, net, gf_adam(0.05));
    for (int step = 0; step < 200; step++) {
        gf_net_forward(net, x, 4, GF_TRAIN);
        loss = gf_loss_cross_entropy(net, labels);
        gf_net_backward(net), gf_optim_step(&adam, net);
    }
    printf("loss %g, %s\n", loss, gf_net_error(net));
    return !(loss < 1e-3);
}
END
net() { # compiler, expected status, flags
    compiler=$1 expected=$2
    shift 2
    title="a net by $compiler $*: $([ "$expected" = 3 ] && echo refused || echo learns)"
    if ! $compiler "$@" "$dir/probe.c" -o "$dir/probe" -lm >/dev/null 2>&1 || ! "$dir/probe"; then
        echo "SKIP $title: $compiler cannot build or run that here"
        return
    fi
    $compiler -std=gnu99 -w -I. "$@" "$dir/net.c" -o "$dir/net" -lm >"$dir/log" 2>&1 && "$dir/net" >"$dir/log"
    found=$?
    if [ $found -eq "$expected" ] && { [ $found -eq 0 ] || grep -q 'compile it without' "$dir/log"; }; then
        echo "PASS $title"
    else
        echo "FAIL $title: status $found, $(head -n 1 "$dir/log")"
        status=1
    fi
}
for compiler in gcc clang; do
    for flag in '' -DGF_NO_SIMD; do
        # shellcheck disable=SC2086 # no word at all, or one
        net $compiler 3 -O1 -ffinite-math-only -U__FINITE_MATH_ONLY__ $flag
    done
    # Clang takes it for an option of OpenCL's and ignores it.
    [ $compiler = clang ] || net $compiler 3 -O1 -fsingle-precision-constant
    for flag in -m32 -funsafe-math-optimizations "-mlong-double-64 -fshort-enums -funsigned-char" \
        "-fno-math-errno -freciprocal-math -frounding-math -fno-signed-zeros"; do
        # shellcheck disable=SC2086 # words
        net $compiler 0 -O1 $flag
    done
done
exit $status
