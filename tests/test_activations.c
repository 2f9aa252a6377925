// Activations: accuracy in double and of every backend, derivatives, kinks, names, properties, special values, PyTorch.
// build: float double nosimd openmp cxx inside
// GF_SWEEP=97 makes the accuracy sweep take every 97th float, not every 71583rd; GF_VERBOSE=1 prints what it finds.
#define GRADFLOW_STATIC
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#include "test.h"
#include <float.h>

#define IS_FLOAT (sizeof(gf_real) == sizeof(float))
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
enum { MAX_VARIANTS = 40, BLOCK = 4096 };

static const char *const backend_names[] = {"plain", "avx2", "avx512", "neon"};

typedef struct backend {  // who computes: the plain loops or one table of tuned twins
    const char *name;
    gfi_engine engine;
} backend;
static backend backends[COUNT_OF(backend_names)];  // those that this machine has
static size_t backend_count;

static void find_backends(void) {
    for (size_t i = 0; i < COUNT_OF(backend_names); i++) {
        int found = 0;
        const gfi_fast *fast = gfi_fast_named(backend_names[i], &found);
        if (!found) continue;
        backends[backend_count].name = backend_names[i];
        backends[backend_count].engine.fast = fast;
        backends[backend_count].engine.threads = 1;
        backends[backend_count++].engine.workspace = NULL;
    }
}

static gf_act variants[MAX_VARIANTS];  // every activation with its default parameter, and some with others
static size_t variant_count;

static void make_variants(void) {
    static const char *const more[] = {"leaky_relu_0.2", "elu_1.5",  "elu_0.3",   "celu_2",
                                       "celu_0.5",       "silu_1.5", "silu_0.25", "prelu_-0.5"};
    size_t i;
    for (i = 0; i < GF_ACT_CUSTOM; i++) variants[variant_count++] = gf_act_default((gf_act_kind)i);
    for (i = 0; i < COUNT_OF(more); i++) variant_count += (size_t)gf_act_from_name(more[i], &variants[variant_count]);
    // The kernels see the parameter as a gf_real.
    for (i = 0; i < variant_count; i++) variants[i].param = (double)(gf_real)variants[i].param;
}

static double uniform(double low, double high, uint64_t index) {
    return low + (high - low) * gf_random_uniform(7, GF_STREAM_USER, index);
}

// φ and φ' in long double, written apart from the library.
static void reference(gf_act act, long double z, long double *h, long double *slope) {
    long double p = (long double)act.param, e = expl(-fabsl(z)), sigma = z < 0 ? e / (1 + e) : 1 / (1 + e), s, t, u;
    *h = z, *slope = 1;
    switch (act.kind) {
    case GF_ACT_SIGMOID: *h = sigma, *slope = e / ((1 + e) * (1 + e)); break;
    case GF_ACT_TANH: *h = tanhl(z), *slope = 4 * e * e / ((1 + e * e) * (1 + e * e)); break;
    case GF_ACT_RELU: *h = z > 0 ? z : 0, *slope = z > 0; break;
    case GF_ACT_LEAKY_RELU:
    case GF_ACT_PRELU: *h = z > 0 ? z : p * z, *slope = z > 0 ? 1 : p; break;
    case GF_ACT_ELU:
        if (z <= 0) *h = p * expm1l(z), *slope = p * e;
        break;
    case GF_ACT_SELU:
        s = 1.0507009873554804934193349852946L, t = 1.6732632423543772848170429916717L;
        *h = z > 0 ? s * z : s * t * expm1l(z), *slope = z > 0 ? s : s * t * e;
        break;
    case GF_ACT_CELU:
        if (z <= 0) *h = p * expm1l(z / p), *slope = expl(z / p);
        break;
    case GF_ACT_SOFTPLUS:
        if (z <= 20) *h = log1pl(expl(z)), *slope = sigma;
        break;
    case GF_ACT_SOFTSIGN: *h = z / (1 + fabsl(z)), *slope = 1 / ((1 + fabsl(z)) * (1 + fabsl(z))); break;
    case GF_ACT_ARCTAN: *h = atanl(z), *slope = 1 / (1 + z * z); break;
    case GF_ACT_GELU:
        s = 0.5L * erfcl(-z * 0.707106781186547524400844362104849039L);
        *h = z * s, *slope = s + z * 0.398942280401432677939946059934381868L * expl(-z * z / 2);
        break;
    case GF_ACT_GELU_TANH:
        u = 2 * 0.797884560802865355879892119868763737L * (z + 0.044715L * z * z * z);
        e = expl(-fabsl(u)), s = u < 0 ? e / (1 + e) : 1 / (1 + e);
        t = 2 * 0.797884560802865355879892119868763737L * (1 + 3 * 0.044715L * z * z);
        *h = z * s, *slope = fabsl(u) > 11000 ? s : s + z * t * e / ((1 + e) * (1 + e));
        break;
    case GF_ACT_SILU:
        e = expl(-fabsl(p * z)), s = z < 0 ? e / (1 + e) : 1 / (1 + e);
        *h = z * s, *slope = s + p * z * e / ((1 + e) * (1 + e));
        break;
    case GF_ACT_MISH:
        s = z > 30 ? z : log1pl(expl(z));
        *h = z * tanhl(s), *slope = tanhl(s) + (s > 5000 ? 0 : z * sigma / (coshl(s) * coshl(s)));
        break;
    case GF_ACT_TELU:
        if (z <= 10) t = expl(z), *h = z * tanhl(t), *slope = tanhl(t) + (t > 5000 ? 0 : z * t / (coshl(t) * coshl(t)));
        break;
    case GF_ACT_HARD_SIGMOID: *h = z <= -3 ? 0 : z >= 3 ? 1 : (z + 3) / 6, *slope = fabsl(z) < 3 ? 1.0L / 6 : 0; break;
    case GF_ACT_HARD_TANH: *h = z <= -1 ? -1 : z >= 1 ? 1 : z, *slope = fabsl(z) < 1; break;
    case GF_ACT_HARD_SWISH:
        *h = z <= -3 ? 0 : z >= 3 ? z : z * (z + 3) / 6, *slope = z <= -3 ? 0 : z < 3 ? z / 3 + 0.5L : 1;
        break;
    case GF_ACT_RELU6: *h = z <= 0 ? 0 : z >= 6 ? 6 : z, *slope = z > 0 && z < 6; break;
    default: break;
    }
}

// The distance of neighbouring numbers at x: gf_reals, or doubles.
static int counts_doubles;
static long double ulp_of(long double x) {
    const int is_float = IS_FLOAT && !counts_doubles;
    int exponent, digits = is_float ? FLT_MANT_DIG : DBL_MANT_DIG, low = is_float ? FLT_MIN_EXP : DBL_MIN_EXP;
    frexpl(x, &exponent);
    return ldexpl(1, (x == 0 || exponent < low ? low : exponent) - digits);
}

// The gf_real whose upper 32 bits are `bits` (double: the lower ones drawn at random).
static gf_real real_of_bits(uint32_t bits) {
    gf_real x;
    uint64_t wide = (uint64_t)bits << 32 | (gfi_random_bits(3, GF_STREAM_USER, bits) & 0xffffffffu);
    if (IS_FLOAT) memcpy(&x, &bits, sizeof x);
    else memcpy(&x, &wide, sizeof x);
    return x;
}

typedef struct worst {
    long double value_ulp, value_absolute, slope_ulp, slope_absolute, tail_relative;
    double value_at, slope_at;
} worst;

// Errors count in ulp; a value or derivative is also good enough within the absolute tolerance (cancelling tails), and
// the absolute error is kept only of what misses 4 ulp.
static void judge(gf_act act, double z, double h, double slope, worst *w) {
    long double exact_h, exact_slope;
    reference(act, (long double)z, &exact_h, &exact_slope);
    long double error_h = fabsl((long double)h - exact_h), error_slope = fabsl((long double)slope - exact_slope);
    if (error_h <= (4 + fabsl((long double)z)) * ulp_of(0)) error_h = 0;  // z times a denormal e^z
    if (!(error_h <= w->value_ulp * ulp_of(exact_h))) {
        w->value_ulp = error_h / ulp_of(exact_h);
        w->value_at = z;
    }
    if (error_h > 4 * ulp_of(exact_h) && !(error_h <= w->value_absolute)) w->value_absolute = error_h;
    if (!(error_slope <= w->slope_ulp * ulp_of(exact_slope))) {
        w->slope_ulp = error_slope / ulp_of(exact_slope);
        w->slope_at = z;
    }
    if (error_slope > 4 * ulp_of(exact_slope) && !(error_slope <= w->slope_absolute)) w->slope_absolute = error_slope;
    if (exact_slope > (IS_FLOAT && !counts_doubles ? 1e-36L : 1e-300L) && error_slope > w->tail_relative * exact_slope)
        w->tail_relative = error_slope / exact_slope;
}

static void judge_accuracy(gf_act act, const gf_real *z, const gf_real *h, const gf_real *slope, size_t n, worst *w) {
    for (size_t i = 0; i < n; i++)
        if (fabs((double)z[i]) < (IS_FLOAT ? (double)FLT_MAX : DBL_MAX) / 4)
            judge(act, (double)z[i], (double)h[i], (double)slope[i], w);
}

static int has_long_tail(gf_act act) {
    return act.kind == GF_ACT_GELU || act.kind == GF_ACT_GELU_TANH || (act.kind == GF_ACT_SILU && act.param != 1);
}

// gf_act_value and gf_act_derivative, of which the plain loops are made, in ulp of double whatever gf_real is.
static void test_double(gf_act act) {
    const double noise = LDBL_MANT_DIG > DBL_MANT_DIG ? 0 : 4, slope_max = gf_act_describe(act).slope_max;
    char title[80];
    worst w;
    snprintf(title, sizeof title, "accuracy in double %s %g", act.name, act.param);
    TEST(title);
    memset(&w, 0, sizeof w);
    counts_doubles = 1;
    for (uint64_t i = 0; i < 90000; i++) {
        double z;
        uint64_t bits = gfi_random_bits(5, GF_STREAM_USER, i);
        if (i % 3 == 0) memcpy(&z, &bits, sizeof z);
        else z = i % 3 == 1 ? uniform(-12, 12, i) : uniform(-750, 750, i);
        if (fabs(z) < 1e150) judge(act, z, gf_act_value(act, z), gf_act_derivative(act, z), &w);
    }
    counts_doubles = 0;
    if (getenv("GF_VERBOSE"))
        printf("  double  %-13s %5g  value %8.2Lf ulp at %-12.6g beyond 4 ulp %.1Le   slope %10.2Lf ulp at %-12.6g "
               "beyond 4 ulp %.1Le  relative %.1Le\n",
               act.name, act.param, w.value_ulp, w.value_at, w.value_absolute, w.slope_ulp, w.slope_at,
               w.slope_absolute, w.tail_relative);
    if (has_long_tail(act)) CHECK_NEAR(w.value_absolute, 0, 2e-16);
    if (!has_long_tail(act) || act.kind == GF_ACT_GELU)  // mish: seven roundings
        CHECK_NEAR(w.value_ulp, 0, (act.kind == GF_ACT_GELU ? 8 : act.kind == GF_ACT_MISH ? 5 : 4) + noise);
    CHECK_NEAR(w.slope_absolute, 0, 4e-16 * slope_max);
    if (act.kind == GF_ACT_SIGMOID || act.kind == GF_ACT_TANH) CHECK_NEAR(w.tail_relative, 0, 1e-15);
}

static void sweep(const backend *b, gf_act act, worst *w) {
    static gf_real z[BLOCK], h[BLOCK], slope[BLOCK];
    const char *wanted = getenv("GF_SWEEP");
    uint64_t stride = wanted ? (uint64_t)strtoul(wanted, NULL, 10) : 71583, bits = 0, i = 0,
             dense = wanted ? 4000000 : 40000;
    memset(w, 0, sizeof *w);
    while (bits < 4294967296u || i < dense) {
        size_t n = 0;
        for (; n < BLOCK && bits < 4294967296u; bits += stride) z[n++] = real_of_bits((uint32_t)bits);
        for (; n < BLOCK && i < dense; i++) z[n++] = (gf_real)uniform(-12, 12, i);
        gfi_act_array(&b->engine, act, z, h, slope, n);
        judge_accuracy(act, z, h, slope, n, w);
    }
}

static void test_accuracy(const backend *b) {
    // Four ulp everywhere, but where the tail is a product of many factors (gelu, within 8; double 12), or where a
    // rounded product goes into the exponential and its error counts |z| times (the others): small in absolute terms.
    const double tail = IS_FLOAT ? 1e-7 : 2e-16, noise = LDBL_MANT_DIG > DBL_MANT_DIG || IS_FLOAT ? 0 : 4;
    static char title[80];
    size_t i;
    for (i = 0; i < variant_count; i++) {
        gf_act act = variants[i];
        double slope_max = gf_act_describe(act).slope_max;
        const int long_tail = has_long_tail(act);
        worst w;
        snprintf(title, sizeof title, "accuracy %s %s %g", b->name, act.name, act.param);
        TEST(title);
        sweep(b, act, &w);
        if (getenv("GF_VERBOSE"))
            printf("  %-7s %-13s %5g  value %8.2Lf ulp at %-12.6g beyond 4 ulp %.1Le   slope %10.2Lf ulp at %-12.6g "
                   "beyond 4 ulp %.1Le  relative %.1Le\n",
                   b->name, act.name, act.param, w.value_ulp, w.value_at, w.value_absolute, w.slope_ulp,
                   w.slope_at, w.slope_absolute, w.tail_relative);
        if (long_tail) CHECK_NEAR(w.value_absolute, 0, tail);
        if (!long_tail || act.kind == GF_ACT_GELU)
            CHECK_NEAR(w.value_ulp, 0, (!long_tail ? 4 : IS_FLOAT ? 8 : 12) + noise);
        CHECK_NEAR(w.slope_absolute, 0, tail * slope_max);
        if (act.kind == GF_ACT_SIGMOID || act.kind == GF_ACT_TANH)
            CHECK_NEAR(w.tail_relative, 0, IS_FLOAT ? 1e-6 : 1e-14);
    }
}

static int same_bits(gf_real a, gf_real b) { return memcmp(&a, &b, sizeof a) == 0; }

// Any length, in place, with φ' stored or found again: always the same bits for the same z.
static void test_arrays(const backend *b) {
    enum { LONGEST = 70 };
    gf_real z[LONGEST], h[LONGEST + 1], slope[LONGEST + 1], dh[LONGEST], dz[LONGEST + 1], again[LONGEST],
        again_slope[LONGEST], one_h, one_slope;
    size_t i, v, n;
    for (i = 0; i < LONGEST; i++) z[i] = (gf_real)uniform(-6, 6, i), dh[i] = (gf_real)uniform(-1, 1, 1000 + i);
    for (v = 0; v < variant_count; v++)
        for (n = 0; n <= LONGEST; n++) {
            gf_act act = variants[v];
            h[n] = slope[n] = dz[n] = 77;
            gfi_act_array(&b->engine, act, z, h, slope, n);
            gfi_act_array_back(&b->engine, act, z, slope, dh, dz, n);
            memcpy(again, dh, sizeof again);
            gfi_act_array_back(&b->engine, act, z, NULL, again, again, n);
            CHECK(h[n] == 77 && slope[n] == 77 && dz[n] == 77);
            for (i = 0; i < n; i++) {
                gfi_act_array(&b->engine, act, z + i, &one_h, &one_slope, 1);
                CHECK(same_bits(h[i], one_h) && same_bits(slope[i], one_slope));
                CHECK(same_bits(dz[i], dh[i] * slope[i]) && same_bits(dz[i], again[i]));
            }
            memcpy(again, z, sizeof again);
            gfi_act_array(&b->engine, act, again, again, NULL, n);
            for (i = 0; i < n; i++) CHECK(same_bits(h[i], again[i]));
            backend many = *b;
            many.engine.threads = 3;
            gfi_act_array(&many.engine, act, z, again, again_slope, n);
            CHECK(memcmp(again, h, n * sizeof *h) == 0 && memcmp(again_slope, slope, n * sizeof *h) == 0);
            gfi_act_array_back(&many.engine, act, z, NULL, dh, again, n);
            CHECK(memcmp(again, dz, n * sizeof *h) == 0);
        }
}

// φ and φ' at -∞ and +∞; signed zeros; NaN in any lane comes out as NaN there and nowhere else.
static void test_special(const backend *b) {
    static const struct {
        gf_act_kind kind;
        double left, right, slope_left, slope_right;
    } limits[] = {{GF_ACT_IDENTITY, -HUGE_VAL, HUGE_VAL, 1, 1},
                  {GF_ACT_SIGMOID, 0, 1, 0, 0},
                  {GF_ACT_TANH, -1, 1, 0, 0},
                  {GF_ACT_RELU, 0, HUGE_VAL, 0, 1},
                  {GF_ACT_LEAKY_RELU, -HUGE_VAL, HUGE_VAL, 0.01, 1},
                  {GF_ACT_ELU, -1, HUGE_VAL, 0, 1},
                  {GF_ACT_SELU, -1.7580993408473766, HUGE_VAL, 0, 1.0507009873554805},
                  {GF_ACT_CELU, -1, HUGE_VAL, 0, 1},
                  {GF_ACT_SOFTPLUS, 0, HUGE_VAL, 0, 1},
                  {GF_ACT_SOFTSIGN, -1, 1, 0, 0},
                  {GF_ACT_ARCTAN, -1.5707963267948966, 1.5707963267948966, 0, 0},
                  {GF_ACT_GELU, 0, HUGE_VAL, 0, 1},
                  {GF_ACT_GELU_TANH, 0, HUGE_VAL, 0, 1},
                  {GF_ACT_SILU, 0, HUGE_VAL, 0, 1},
                  {GF_ACT_MISH, 0, HUGE_VAL, 0, 1},
                  {GF_ACT_TELU, 0, HUGE_VAL, 0, 1},
                  {GF_ACT_HARD_SIGMOID, 0, 1, 0, 0},
                  {GF_ACT_HARD_TANH, -1, 1, 0, 0},
                  {GF_ACT_HARD_SWISH, 0, HUGE_VAL, 0, 1},
                  {GF_ACT_RELU6, 0, 6, 0, 0},
                  {GF_ACT_PRELU, -HUGE_VAL, HUGE_VAL, 0.25, 1}};
    const double tolerance = IS_FLOAT ? 1.2e-7 : 2.3e-16;
    size_t k, i, lane;
    CHECK(COUNT_OF(limits) == GF_ACT_CUSTOM);
    for (k = 0; k < COUNT_OF(limits); k++) {
        gf_act act = gf_act_default(limits[k].kind);
        gf_real z[35], h[35], slope[35], dz[35];
        for (i = 0; i < 2; i++) {
            double end = i ? HUGE_VAL : -HUGE_VAL, value = i ? limits[k].right : limits[k].left;
            double derivative = i ? limits[k].slope_right : limits[k].slope_left;
            z[0] = (gf_real)end;
            gfi_act_array(&b->engine, act, z, h, slope, 1);
            if (fabs(value) < HUGE_VAL) CHECK_NEAR(h[0], value, tolerance * 2);
            else CHECK((double)h[0] == value);
            CHECK_NEAR(slope[0], derivative, tolerance);
            CHECK(gf_act_value(act, end) == value || fabs(gf_act_value(act, end) - value) < 1e-15);
            CHECK_NEAR(gf_act_derivative(act, end), derivative, 1e-15);
        }
        z[0] = -(gf_real)0, z[1] = 0;
        gfi_act_array(&b->engine, act, z, h, slope, 2);
        CHECK(h[0] == h[1] && same_bits(slope[0], slope[1]));
        CHECK_NEAR(h[0], gf_act_value(act, 0), tolerance);
        CHECK_NEAR(gf_act_value(act, -0.0), gf_act_value(act, 0), 0);
        for (lane = 0; lane < 35; lane++) {
            for (i = 0; i < 35; i++) z[i] = (gf_real)0.5, dz[i] = 1;
            memset(&z[lane], lane & 1 ? 0xff : 0x7f, sizeof *z);  // all ones: a NaN; 0x7f7f…: a number
            if (!(lane & 1)) z[lane] = (gf_real)NAN;
            gfi_act_array(&b->engine, act, z, h, slope, 35);
            gfi_act_array_back(&b->engine, act, z, NULL, dz, dz, 35);
            for (i = 0; i < 35; i++) {
                CHECK((h[i] != h[i]) == (i == lane));
                CHECK((slope[i] != slope[i]) == (i == lane));
                CHECK((dz[i] != dz[i]) == (i == lane));
            }
        }
        CHECK(gf_act_value(act, NAN) != gf_act_value(act, NAN) &&
              gf_act_derivative(act, NAN) != gf_act_derivative(act, NAN));
    }
}

static void test_prelu_grad(const backend *b) {
    static gf_real z[3000], dh[3000];
    size_t n, i;
    for (i = 0; i < 3000; i++) z[i] = (gf_real)uniform(-2, 2, i), dh[i] = (gf_real)uniform(-1, 1, 5000 + i);
    for (n = 0; n < 3000; n = n * 2 + 1) {
        double sum = 0, size = 0;
        for (i = 0; i < n; i++)
            if (z[i] <= 0) sum += (double)z[i] * (double)dh[i], size += fabs((double)z[i] * (double)dh[i]);
        CHECK_NEAR(gfi_prelu_grad(&b->engine, z, dh, n), sum, (IS_FLOAT ? 2e-7 : 1e-15) * size);
    }
}

// Softmax cross entropy by the definition, in long double.
static void check_softmax(double spread, double shift, size_t classes) {
    enum { ROWS = 3 };
    gf_real x[ROWS * 40], gradient[ROWS * 40], in_place[ROWS * 40];
    double loss[ROWS], again[ROWS];
    int labels[ROWS];
    size_t row, k;
    for (row = 0; row < ROWS * classes; row++) in_place[row] = x[row] = (gf_real)(uniform(-spread, spread, row) + shift);
    for (row = 0; row < ROWS; row++) labels[row] = (int)(row * 7 % classes);
    gfi_softmax_rows(x, labels, 0.25, loss, gradient, ROWS, classes);
    gfi_softmax_rows(in_place, labels, 0.25, again, in_place, ROWS, classes);
    for (row = 0; row < ROWS; row++) {
        const gf_real *logits = x + row * classes;
        long double sum = 0, largest = logits[0], sum_gradient = 0;
        for (k = 1; k < classes; k++) largest = (long double)logits[k] > largest ? (long double)logits[k] : largest;
        for (k = 0; k < classes; k++) sum += expl((long double)logits[k] - largest);
        CHECK_NEAR(loss[row], logl(sum) + largest - (long double)logits[labels[row]],
                   (IS_FLOAT ? 3e-7 : 2e-15) + 1e-15 * (spread + fabs(shift)));
        for (k = 0; k < classes; k++) {
            long double p = expl((long double)logits[k] - largest) / sum - ((int)k == labels[row]);
            CHECK_NEAR(gradient[row * classes + k], 0.25L * p, IS_FLOAT ? 6e-8 : 2e-16);
            CHECK(same_bits(gradient[row * classes + k], in_place[row * classes + k]));
            sum_gradient += (long double)gradient[row * classes + k];
        }
        CHECK_NEAR(sum_gradient, 0, IS_FLOAT ? 2e-7 : 1e-15);
    }
}

static void test_softmax(void) {
    static const size_t classes[] = {1, 2, 3, 7, 8, 10, 16, 17, 33, 40};
    gf_real x[10], p[10];
    double loss = 0;
    int label = 3;
    size_t i;
    for (i = 0; i < COUNT_OF(classes); i++) {
        check_softmax(3, 0, classes[i]);
        check_softmax(50, -1000, classes[i]);
        check_softmax(1e4, 1e4, classes[i]);
    }
    for (i = 0; i < 10; i++) x[i] = (gf_real)i;
    gfi_softmax_rows(x, &label, 1, &loss, p, 1, 10);
    CHECK_NEAR(p[9], 1 / (1 + exp(-1) + exp(-2) + exp(-3) + exp(-4) + exp(-5) + exp(-6) + exp(-7) + exp(-8) + exp(-9)),
               1e-7);
    x[5] = -(gf_real)HUGE_VAL;  // an impossible class is no accident
    gfi_softmax_rows(x, &label, 1, &loss, p, 1, 10);
    CHECK(p[5] == 0 && loss > 6 && loss < 7);
    for (i = 0; i < 10; i += 5) {
        x[5] = 5;
        x[i] = (gf_real)NAN;
        gfi_softmax_rows(x, &label, 1, &loss, p, 1, 10);
        CHECK(loss != loss && p[9] != p[9]);
    }
}

// e^x and ln x by their own: every size of result, the ends, NaN and subnormal numbers.
static void test_exp_log(void) {
    const double tiny = 4.9406564584124654e-324;
    size_t i;
    for (i = 0; i < 20000; i++) {
        double x = uniform(-708, 709.7, i), y = i % 2 ? 1 + uniform(-0.5, 0.5, i) : exp(uniform(-745, 709, i));
        CHECK_RELATIVE(gfi_exp(x), expl(x), 1e-15);
        CHECK_NEAR(gfi_log(y), logl(y), 4.5e-16 * fabs((double)logl(y)));
    }
    CHECK(gfi_exp(0) == 1 && gfi_exp(HUGE_VAL) == HUGE_VAL && gfi_exp(-HUGE_VAL) == 0 && gfi_exp(NAN) != gfi_exp(NAN));
    CHECK(gfi_exp(709.79) == HUGE_VAL && gfi_exp(-746) == 0);
    CHECK_NEAR(gfi_exp(-740), exp(-740), tiny);
    CHECK(gfi_log(1) == 0 && gfi_log(HUGE_VAL) == HUGE_VAL && gfi_log(0) == -HUGE_VAL && gfi_log(-0.0) == -HUGE_VAL);
    CHECK(gfi_log(-1) != gfi_log(-1) && gfi_log(-HUGE_VAL) != gfi_log(-HUGE_VAL) && gfi_log(NAN) != gfi_log(NAN));
    CHECK_RELATIVE(gfi_log(tiny), log(tiny), 1e-15);
    CHECK_RELATIVE(gfi_log(DBL_MAX), log(DBL_MAX), 1e-15);
}

// Central differences in double, away from the kinks and from softplus's switch at 20.
static void test_derivatives(void) {
    const double step = 1e-5;
    size_t v, i;
    for (v = 0; v < variant_count; v++) {
        gf_act act = variants[v];
        const gfi_act_row *properties = gfi_act_row_of(act.kind);
        for (i = 0; i < 4000; i++) {
            double z = uniform(-12, 12, i),
                   numeric = (gf_act_value(act, z + step) - gf_act_value(act, z - step)) / (2 * step);
            int k, near = 0;
            for (k = 0; k < properties->kink_count; k++) near |= fabs(z - properties->kinks[k]) <= 2 * step;
            if (near) continue;
            if (!(fabs(numeric - gf_act_derivative(act, z)) <= 2e-9))
                test_fail(__FILE__, __LINE__, "%s'(%g) is %.12g, differences say %.12g", act.name, z,
                          gf_act_derivative(act, z), numeric);
        }
    }
}

// The convention at every kink, PyTorch's.
static void test_kinks(void) {
    static const struct {
        const char *name;
        double z, slope;
    } kinks[] = {{"relu", 0, 0},           {"leaky_relu", 0, 0.01},
                 {"prelu", 0, 0.25},       {"elu", 0, 1},
                 {"elu_1.5", 0, 1.5},      {"selu", 0, 1.7580993408473766},
                 {"celu_2", 0, 1},         {"softsign", 0, 1},
                 {"hard_tanh", -1, 0},     {"hard_tanh", 1, 0},
                 {"hard_sigmoid", -3, 0},  {"hard_sigmoid", 3, 0},
                 {"hard_swish", -3, 0},    {"hard_swish", 3, 1},
                 {"relu6", 0, 0},          {"relu6", 6, 0}};
    size_t i, p;
    for (i = 0; i < COUNT_OF(kinks); i++) {
        gf_act act;
        CHECK(gf_act_from_name(kinks[i].name, &act));
        CHECK_NEAR(gf_act_derivative(act, kinks[i].z), kinks[i].slope, 1e-15);
        for (p = 0; p < backend_count; p++) {
            gf_real z = (gf_real)kinks[i].z, h, slope;
            gfi_act_array(&backends[p].engine, act, &z, &h, &slope, 1);
            CHECK_NEAR(slope, kinks[i].slope, IS_FLOAT ? 1.2e-7 : 2.3e-16);
        }
    }
}

static void test_names(void) {
    static const char *const unknown[] = {"", "rel", "relux", "Re LU", "tanh ", " tanh", "custom", "?", "leaky_relu_",
                                          "leaky_relu_x", "elu_1x", "elu_nan", "elu_inf", "relu_ 1", "_", "elu_.",
                                          "elu_1.", "elu_--1", "elu_1.2.3", "gelu_tanhh", "elu_1e999"};
    gf_act act = gf_act_default(GF_ACT_TANH);
    size_t i, k;
    for (k = 0; k < GF_ACT_COUNT; k++) {
        const gfi_act_row *properties = gfi_act_row_of((gf_act_kind)k);
        CHECK(strcmp(gf_act_default((gf_act_kind)k).name, properties->name) == 0);
        CHECK(k == GF_ACT_CUSTOM || properties->formula[0]);
        if (k == GF_ACT_CUSTOM) continue;
        CHECK(gf_act_from_name(properties->name, &act) == 1);
        CHECK((size_t)act.kind == k && act.param == properties->param);
        for (i = 0; i < k; i++) CHECK(strcmp(properties->name, gfi_act_row_of((gf_act_kind)i)->name) != 0);
    }
    CHECK(gf_act_from_name("swish", &act) == 1 && act.kind == GF_ACT_SILU && act.param == 1);
    CHECK(gf_act_from_name("swish_1.5", &act) == 1 && act.kind == GF_ACT_SILU && act.param == 1.5);
    CHECK(gf_act_from_name("leaky_relu_-0.2", &act) == 1 && act.kind == GF_ACT_LEAKY_RELU && act.param == -0.2);
    CHECK(gf_act_from_name("gelu_tanh", &act) == 1 && act.kind == GF_ACT_GELU_TANH);
    CHECK(gf_act_from_name("ReLU", &act) == 1 && act.kind == GF_ACT_RELU);
    act = gf_act_default(GF_ACT_ELU);
    act.param = 0.125;
    for (i = 0; i < COUNT_OF(unknown); i++)
        if (gf_act_from_name(unknown[i], &act))
            test_fail(__FILE__, __LINE__, "\"%s\" is taken for %s", unknown[i], act.name);
    CHECK(gf_act_from_name(NULL, &act) == 0 && gf_act_from_name("relu", NULL) == 0);
    CHECK(act.kind == GF_ACT_ELU && act.param == 0.125);
    CHECK(strcmp(gf_act_default(GF_ACT_COUNT).name, "?") == 0 && strcmp(gf_act_default((gf_act_kind)31).name, "?") == 0);
    CHECK(gf_act_value(gf_act_default(GF_ACT_COUNT), 1) != gf_act_value(gf_act_default(GF_ACT_COUNT), 1));
    CHECK(gf_act_from_name("softmax", &act) == 0);  // the message lists the names and says where softmax is
    CHECK_TEXT(gf_last_error(), "identity sigmoid tanh relu");
    CHECK_TEXT(gf_last_error(), "prelu, with a parameter");
    CHECK_TEXT(gf_last_error(), "gf_loss_cross_entropy)");
    CHECK(gf_act_default(GF_ACT_LEAKY_RELU).param == 0.01 && gf_act_default(GF_ACT_PRELU).param == 0.25);
}

static double fall(double z) { return -z; }
static double fall_slope(double z) { return 0 * z - 1; }
static double sine(double z) { return sin(3 * z); }
static double sine_slope(double z) { return 3 * cos(3 * z); }

static double step(double z) { return z > 0 ? 1 : z < 0 ? -1 : 0; }
static double step_slope(double z) { return 0 * z; }

static void test_custom(void) {
    gf_act act = gf_act_custom("sine", sine, sine_slope), empty = gf_act_custom(NULL, NULL, sine_slope);
    gf_act_info info = gf_act_describe(act);
    gf_real z[5] = {-2, -1, 0, 1, 2}, h[5], dh[5] = {1, 2, 3, 4, 5}, dz[5];
    size_t i, p;
    gf_act_forward(act, z, h, 5);
    gf_act_backward(act, z, dh, dz, 5);
    for (i = 0; i < 5; i++) {
        CHECK_NEAR(h[i], sin(3 * (double)z[i]), 1e-6);
        CHECK_NEAR(dz[i], 3 * cos(3 * (double)z[i]) * (double)dh[i], 2e-6);
    }
    for (p = 0; p < backend_count; p++) {
        gf_real slope[5];
        gfi_act_array(&backends[p].engine, act, z, h, slope, 5);
        for (i = 0; i < 5; i++)
            CHECK(h[i] == (gf_real)sine((double)z[i]) && slope[i] == (gf_real)sine_slope((double)z[i]));
    }
    CHECK(strcmp(act.name, "sine") == 0 && act.kind == GF_ACT_CUSTOM);
    CHECK_NEAR(info.lower, -1, 1e-12);
    CHECK_NEAR(info.upper, 1, 1e-12);
    CHECK_NEAR(info.slope_max, 3, 1e-12);
    CHECK(!info.monotone && info.zero_centred && !info.saturates_left && !info.saturates_right);
    info = gf_act_describe(gf_act_custom("fall", fall, fall_slope));  // its least value is the limit on the right
    CHECK(info.lower == -HUGE_VAL && info.upper == HUGE_VAL && info.slope_max == 1 && !info.monotone);
    CHECK(gf_act_value(empty, 1) != gf_act_value(empty, 1) &&
          gf_act_derivative(empty, 1) != gf_act_derivative(empty, 1));
    gf_act_forward(empty, z, h, 5);
    CHECK(h[0] != h[0]);
    info = gf_act_describe(gf_act_custom("step", step, step_slope));  // saturated wherever one looks
    CHECK(info.saturated_below == 0 && info.saturated_above == 0);
}

// An activation that does not exist gives NaN, in whole vectors and in what is left over.
static void test_unknown(void) {
    for (int kind = -1; kind <= 99; kind += 100) {
        gf_real z[37] = {0}, h[37] = {0}, dz[37] = {0};
        gf_act_forward(gf_act_default((gf_act_kind)kind), z, h, 37);
        gf_act_backward(gf_act_default((gf_act_kind)kind), z, z, dz, 37);
        for (int i = 0; i < 37; i++) CHECK(h[i] != h[i] && dz[i] != dz[i]);
    }
}

// The saturation rules: where each begins, left and right (±1e9: never).
static void test_saturation(void) {
    static const struct {
        gf_act_kind kind;
        double left, right;
    } rules[] = {{GF_ACT_IDENTITY, -1e9, 1e9},
                 {GF_ACT_SIGMOID, -2.9444389791664403, 2.9444389791664403},  // σ = 0.05: ln 19
                 {GF_ACT_TANH, -1.8317808230648232, 1.8317808230648232},     // artanh 0.95
                 {GF_ACT_RELU, 0, 1e9},
                 {GF_ACT_LEAKY_RELU, 0, 1e9},
                 {GF_ACT_PRELU, 0, 1e9},
                 {GF_ACT_RELU6, 0, 5.7},
                 {GF_ACT_ELU, -2.9957322735539909, 1e9},  // ln 0.05
                 {GF_ACT_SELU, -2.9957322735539909, 1e9},
                 {GF_ACT_CELU, -2.9957322735539909, 1e9},
                 {GF_ACT_SOFTPLUS, -3.3448664679336395, 1e9},  // ln(2^0.05 - 1)
                 {GF_ACT_SOFTSIGN, -19, 19},
                 {GF_ACT_ARCTAN, -12.706204736174698, 12.706204736174698},  // tan(0.95·π/2)
                 {GF_ACT_GELU, -1.6448536269514722, 1e9},                   // Φ = 0.05
                 {GF_ACT_SILU, -2.9444389791664403, 1e9},
                 {GF_ACT_TELU, -2.994898036057051, 1e9},  // ln artanh 0.05
                 {GF_ACT_HARD_SIGMOID, -2.7, 2.7},
                 {GF_ACT_HARD_TANH, -0.95, 0.95},
                 {GF_ACT_HARD_SWISH, -2.7, 1e9}};
    size_t i;
    for (i = 0; i < COUNT_OF(rules); i++) {
        gf_act act = gf_act_default(rules[i].kind);
        gf_act_info info = gf_act_describe(act);
        double inside = 1e-8;
        if (rules[i].left > -1e9) CHECK_NEAR(info.saturated_below, rules[i].left, 1e-9);
        else CHECK(info.saturated_below == -HUGE_VAL && !gfi_act_saturated(act, -1e9));
        if (rules[i].right < 1e9) CHECK_NEAR(info.saturated_above, rules[i].right, 1e-9);
        else CHECK(info.saturated_above == HUGE_VAL && !gfi_act_saturated(act, 1e9));
        CHECK(!gfi_act_saturated(act, rules[i].left + inside) && !gfi_act_saturated(act, rules[i].right - inside));
        CHECK(!gfi_act_saturated(act, NAN));
        if (rules[i].left > -1e9) CHECK(gfi_act_saturated(act, rules[i].left - inside));
    }
}

// What gf_act_measure says, against a search of its own at random places and known constants.
static void check_properties(gf_act act) {
    const gfi_act_row *properties = gfi_act_row_of(act.kind);
    gf_act_info info = gf_act_describe(act);
    double reached_low = HUGE_VAL, reached_high = -HUGE_VAL, falls = 0, odd = 0, worst_jump = 0;
    size_t i;
    int k, saturation_wrong = 0, steeper = 0;
    for (i = 0; i < 20000; i++) {
        double a = uniform(-25, 25, 2 * i), b = i & 1 ? uniform(-25, 25, 2 * i + 1) : a + 1e-3,
               fa = gf_act_value(act, a), fb = gf_act_value(act, b);
        if (fa < reached_low) reached_low = fa;
        if (fa > reached_high) reached_high = fa;
        if ((fb - fa) * (b - a) < -1e-15) falls = 1;
        if (fabs(fa + gf_act_value(act, -a)) > 1e-9) odd = 1;
        if (gfi_act_saturated(act, a) != (a <= info.saturated_below || a >= info.saturated_above)) saturation_wrong = 1;
        if (fabs(fb - fa) > info.slope_max * fabs(b - a) * (1 + 1e-9) + 1e-14) steeper = 1;
    }
    for (i = 0; i < 20000; i++) {  // neighbours 0.0025 apart, so every point is between two of them
        double a = -25 + 0.0025 * (double)i + 0.0003, b = a + 0.0025, jump;
        for (k = 0; k < properties->kink_count && !(properties->kinks[k] > a && properties->kinks[k] < b); k++) {}
        jump = fabs(gf_act_derivative(act, b) - gf_act_derivative(act, a));
        if (k == properties->kink_count && jump > worst_jump) worst_jump = jump;
    }
    CHECK(strcmp(info.name, act.name) == 0 && info.formula == properties->formula);
    CHECK(info.kink_count == properties->kink_count);
    for (k = 0; k < info.kink_count; k++) CHECK(info.kinks[k] == properties->kinks[k]);
    if (saturation_wrong)
        test_fail(__FILE__, __LINE__, "%s saturates elsewhere than %g, %g", act.name, info.saturated_below,
                  info.saturated_above);
    CHECK(!steeper);
    CHECK(worst_jump < 0.02);  // no kink but those listed
    CHECK(reached_low >= info.lower - 1e-15 && reached_high <= info.upper + 1e-15);
    if (info.lower > -HUGE_VAL) CHECK(reached_low < info.lower + 0.05 * (1 + fabs(info.lower)));
    if (info.upper < HUGE_VAL) CHECK(reached_high > info.upper - 0.05 * (1 + fabs(info.upper)));
    CHECK(info.monotone == (falls == 0) && info.zero_centred == (odd == 0));
    CHECK_NEAR(fabs(gf_act_derivative(act, info.slope_max_at)), info.slope_max, 0);
    CHECK(info.saturates_left == (fabs(gf_act_value(act, -1e9) - gf_act_value(act, -1e12)) < 1e-6));
    CHECK(info.saturates_right == (fabs(gf_act_value(act, 1e9) - gf_act_value(act, 1e12)) < 1e-6));
    for (k = 0; k < properties->kink_count; k++) {  // a listed kink is one: φ' jumps (not smooth), or φ'' does
        double z = properties->kinks[k], e = 1e-4, at[4];
        at[0] = gf_act_derivative(act, z - 2 * e), at[1] = gf_act_derivative(act, z - e);
        at[2] = gf_act_derivative(act, z + e), at[3] = gf_act_derivative(act, z + 2 * e);
        CHECK(fabs(at[2] - at[1]) > 0.1 || fabs((at[3] - at[2]) - (at[1] - at[0])) / e > 0.1);
        CHECK(info.smooth == (fabs(at[2] - at[1]) < 0.01));
    }
    CHECK(properties->kink_count > 0 || info.smooth);
}

static void test_properties(void) {
    static const struct {
        const char *name;
        double lower, slope_max, at;
    } known[] = {{"sigmoid", 0, 0.25, 0},
                 {"gelu", -0.16997120747990369, 1.1289042, 1.41421356},
                 {"silu", -0.27846454276107380, 1.0998393, 2.39935728},
                 {"mish", -0.30884341301725041, 1.0884982, 1.49057118},
                 {"telu", -0.35328577784821127, 1.0619753, 0.69656396},
                 {"elu_1.5", -1.5, 1.5, 0},
                 {"hard_swish", -0.375, 1.5, 3},
                 {"arctan", -1.5707963267948966, 1, 0},
                 {"silu_2", -0.13923227138053690, 1.0998393, 1.19967864}};
    size_t i;
    for (i = 0; i < variant_count; i++) check_properties(variants[i]);
    for (i = 0; i < COUNT_OF(known); i++) {
        gf_act act = gf_act_default(GF_ACT_TANH);
        gf_act_info info;
        CHECK(gf_act_from_name(known[i].name, &act));
        info = gf_act_describe(act);
        CHECK_NEAR(info.lower, known[i].lower, 1e-8);
        CHECK_NEAR(info.slope_max, known[i].slope_max, 1e-6);
        CHECK_NEAR(info.slope_max_at, known[i].at, 1e-6);
    }
}

static void check_pytorch_line(const char *name, double z, double value, double derivative) {
    gf_act act;
    size_t p;
    // PyTorch's hard_sigmoid backward multiplies by 1/6 as a float.
    double slope_tolerance = strncmp(name, "hard_sig", 8) == 0 ? 1e-8 : 1e-12;
    if (!gf_act_from_name(name, &act)) {
        test_fail(__FILE__, __LINE__, "fixture names an unknown activation %s", name);
        return;
    }
    CHECK_NEAR(gf_act_value(act, z), value, 1e-12 * fmax(1e-3, fabs(value)));
    CHECK_NEAR(gf_act_derivative(act, z), derivative, slope_tolerance);
    for (p = 0; p < backend_count; p++) {
        gf_real x = (gf_real)z, h, slope;
        if (x == 0 && z != 0) continue;  // too small for a float: on the kink
        gfi_act_array(&backends[p].engine, act, &x, &h, &slope, 1);
        CHECK_NEAR(h, value, (IS_FLOAT ? 3e-7 : 1e-12) * fmax(1, fabs(value)));
        CHECK_NEAR(slope, derivative, IS_FLOAT ? 1e-6 : slope_tolerance);
    }
}

static void test_pytorch(void) {
    char line[200], name[40];
    double z, value, derivative;
    int lines = 0;
    FILE *file = fopen("tests/fixtures/activations.csv", "r");
    CHECK(file != NULL);
    if (!file) return;
    CHECK(fgets(line, sizeof line, file) && strcmp(line, "activation,z,value,derivative\n") == 0);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%39[^,],%lf,%lf,%lf", name, &z, &value, &derivative) != 4) {
            test_fail(__FILE__, __LINE__, "bad line: %s", line);
            break;
        }
        check_pytorch_line(name, z, value, derivative);
        lines++;
    }
    CHECK(lines >= 1600);
    fclose(file);
}

// What the random numbers are made with.
static void test_log(void) {
    TEST("the library's own logarithm");
    for (int e = -1020; e <= 1020; e += 7) {
        for (int i = 0; i < 40; i++) {
            double x = ldexp(1 + gf_random_uniform(1, 1, (uint64_t)i), e);
            CHECK_RELATIVE(gfi_log(x), log(x), 2e-15);
        }
    }
    CHECK(gfi_log(1) == 0);
    CHECK_RELATIVE(gfi_log(1 - 1e-9), log1p(-1e-9), 1e-7); // 1 - 1e-9 is itself rounded
}

static void test_random_below(void) {
    enum { N = 24000 };
    TEST("numbers below 3·2^30: none of a third is likelier, though 2^32 is no multiple");
    long third[3] = {0, 0, 0};
    for (uint64_t i = 0; i < (uint64_t)N; i++)
        third[gfi_random_below(gfi_random_bits(1, GF_STREAM_USER, i), 3u << 30) % 3]++;
    for (int k = 0; k < 3; k++) CHECK_NEAR(third[k], N / 3.0, 5 * sqrt(N * 2 / 9.0));
}

int main(void) {
    static char title[80];
    size_t p;
    make_variants();
    find_backends();
    for (p = 0; p < variant_count; p++) test_double(variants[p]);
    TEST("e^x and ln x");
    test_exp_log();
    for (p = 0; p < backend_count; p++) {
        const backend *b = &backends[p];
        test_accuracy(b);
        snprintf(title, sizeof title, "arrays %s", b->name);
        TEST(title);
        test_arrays(b);
        snprintf(title, sizeof title, "infinities, zeros, NaN %s", b->name);
        TEST(title);
        test_special(b);
        snprintf(title, sizeof title, "prelu's own gradient %s", b->name);
        TEST(title);
        test_prelu_grad(b);
    }
    TEST("softmax cross entropy");
    test_softmax();
    TEST("derivative against central differences");
    test_derivatives();
    TEST("derivative at kinks");
    test_kinks();
    TEST("names both ways");
    test_names();
    TEST("custom activation");
    test_custom();
    TEST("unknown activation");
    test_unknown();
    TEST("properties");
    test_properties();
    TEST("saturation rules");
    test_saturation();
    TEST("PyTorch's values and derivatives");
    test_pytorch();
    test_log();
    test_random_below();
    return test_report();
}
