#!/bin/sh
# tests/test_flags.sh: the plain activations are right under flags that change how doubles are rounded: x87's excess
# precision (-mfpmath=387, the default of 32-bit x86) and -funsafe-math-optimizations, which may reorder sums.
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
exit $status
