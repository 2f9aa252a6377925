// test_theory.c: the theory against closed forms, plain sums, random draws, a simulated net and PyTorch's measurements.
// build: float double
#include "../gradflow.h"
#include "nets.h"

#define RANDOM_SEED 7
#define PI 3.14159265358979323846

static const double input_mean_square = 0.108891620;  // of the first 128 MNIST training images, x/255

static gf_act act_of(gf_act_kind kind) { return gf_act_default(kind); }
static const char *name_of(gf_act_kind kind) { return gf_act_default(kind).name; }
static double mean_square(gf_act act, double q) { return gf_theory_q_next(act, q, 1, 0); }     // E[φ²]
static double mean_square_slope(gf_act act, double q) { return gf_theory_chi(act, q, 1); }  // E[φ'²]
static double phi(double x) { return 0.5 * erfc(-x / sqrt(2.0)); }  // the normal distribution
static double density(double x) { return exp(-0.5 * x * x) / sqrt(2.0 * PI); }

// Custom pairs with known expectations.
static double erf_slope(double z) { return 2.0 / sqrt(PI) * exp(-z * z); }
static double own_relu(double z) { return z > 0 ? z : z - z; }
static double own_relu_slope(double z) { return z > 0 ? 1 : 0; }
static double late_relu(double z) { return z > 0.37 ? z - 0.37 : 0; }  // a kink nobody is told of
static double late_relu_slope(double z) { return z > 0.37 ? 1 : 0; }
static double float_tanh(double z) { return (double)(float)tanh((double)(float)z); }
static double float_tanh_slope(double z) { return 1 - float_tanh(z) * float_tanh(z); }
static double noise(double z) { return gf_random_uniform(1, 2, (uint64_t)fabs(z * 1e15)); }
static double nan_everywhere(double z) { return z - z + NAN; }
static double short_line(double z) { return fabs(z) < 1e4 ? 2 * z : NAN; }  // NaN only once q has grown
static double short_line_slope(double z) { return fabs(z) < 1e4 ? 2 : NAN; }

static void test_closed_forms(void) {
    const double qs[] = {1e-8, 0.01, 0.3, 1, 4, 50};
    gf_act leaky = act_of(GF_ACT_LEAKY_RELU), elu = act_of(GF_ACT_ELU), hard = act_of(GF_ACT_HARD_TANH);
    gf_act erf_act = gf_act_custom("erf", erf, erf_slope), sine = gf_act_custom("sine", sin, cos);
    gf_act late = gf_act_custom("late relu", late_relu, late_relu_slope);
    leaky.param = 0.3;
    TEST("theory closed forms");
    for (size_t i = 0; i < sizeof qs / sizeof *qs; i++) {
        double q = qs[i], s = sqrt(q), a = 0.37 / s;
        CHECK_RELATIVE(mean_square(act_of(GF_ACT_IDENTITY), q), q, 1e-12);
        CHECK_RELATIVE(mean_square_slope(act_of(GF_ACT_IDENTITY), q), 1, 1e-12);
        CHECK_RELATIVE(mean_square(act_of(GF_ACT_RELU), q), q / 2, 1e-12);
        CHECK_RELATIVE(mean_square_slope(act_of(GF_ACT_RELU), q), 0.5, 1e-12);
        CHECK_RELATIVE(mean_square(leaky, q), q * (1 + 0.09) / 2, 1e-12);
        CHECK_RELATIVE(mean_square_slope(leaky, q), (1 + 0.09) / 2, 1e-12);
        CHECK_NEAR(mean_square_slope(hard, q), erf(1 / (s * sqrt(2.0))), 1e-12);
        CHECK_RELATIVE(mean_square(hard, q),  // the middle and the two ends
                       q * (erf(1 / (s * sqrt(2.0))) - 2 / s * density(1 / s)) + 2 * phi(-1 / s), 1e-12);
        CHECK_RELATIVE(mean_square_slope(elu, q), 0.5 + exp(2 * q) * phi(-2 * s), 1e-11);
        CHECK_NEAR(mean_square(elu, q),
                   q / 2 + exp(2 * q) * phi(-2 * s) - 2 * exp(q / 2) * phi(-s) + 0.5, 1e-11 * q + 1e-15);
        CHECK_RELATIVE(mean_square(erf_act, q), 2 / PI * asin(2 * q / (1 + 2 * q)), 1e-11);
        CHECK_RELATIVE(mean_square_slope(erf_act, q), 4 / PI / sqrt(1 + 4 * q), 1e-11);
        CHECK_RELATIVE(mean_square(sine, q), -0.5 * expm1(-2 * q), 1e-10);
        CHECK_RELATIVE(mean_square_slope(sine, q), 0.5 * (1 + exp(-2 * q)), 1e-10);
        if (q < 0.01) continue;  // below, its kink is 3700 standard deviations away
        CHECK_RELATIVE(mean_square(late, q), (q + 0.37 * 0.37) * phi(-a) - 0.37 * s * density(a), 3e-8);
        CHECK_RELATIVE(mean_square_slope(late, q), phi(-a), 3e-8);
    }
    CHECK_RELATIVE(mean_square_slope(act_of(GF_ACT_ARCTAN), 1), 0.5, 1e-12);
    TEST("theory at large variances, against 30 digits of mpmath");
    CHECK_RELATIVE(mean_square_slope(act_of(GF_ACT_SOFTPLUS), 100), 0.460740439909057, 1e-11);
    CHECK_RELATIVE(mean_square_slope(act_of(GF_ACT_SOFTPLUS), 1e4), 0.49601123321925062, 1e-11);
    CHECK_RELATIVE(mean_square(act_of(GF_ACT_SIGMOID), 1e4), 0.49601123320316442, 1e-12);
    CHECK_RELATIVE(mean_square_slope(act_of(GF_ACT_SOFTSIGN), 1e8), 2.6596151893814716e-5, 1e-12);
    CHECK_RELATIVE(mean_square_slope(act_of(GF_ACT_ARCTAN), 1e8), 6.2665706552479809e-5, 1e-12);
}

// E[f²] by two Gauss points in each of 80000 equal steps; √q is a power of two, so that kinks fall between two steps.
static double plain_sum(double (*f)(gf_act, double), gf_act act, double root_q) {
    const double step = 1.0 / 4096;
    double sum = 0;
    for (int i = -40960; i < 40960; i++)
        for (int side = -1; side <= 1; side += 2) {
            double z = (i + 0.5 + side / sqrt(12.0)) * step, y = f(act, root_q * z);
            sum += y * y * density(z) * step / 2;
        }
    return sum;
}

static void test_every_activation(void) {
    const double roots[] = {0.125, 1, 4};
    TEST("theory every activation against plain sums");
    for (int kind = 0; kind < (int)GF_ACT_CUSTOM; kind++)
        for (int i = 0; i < 3; i++) {
            gf_act act = act_of((gf_act_kind)kind);
            double root = roots[i];
            double square = plain_sum(gf_act_value, act, root), slope = plain_sum(gf_act_derivative, act, root);
            double square_found = mean_square(act, root * root);
            double slope_found = mean_square_slope(act, root * root);
            if (!(fabs(square_found - square) <= 1e-10 * square) || !(fabs(slope_found - slope) <= 1e-10 * slope))
                test_fail(__FILE__, __LINE__, "%s at √q = %g: %.12g and %.12g, plain sums %.12g and %.12g", act.name,
                          root, square_found, slope_found, square, slope);
        }
    TEST("theory every activation against random draws");
    for (int kind = 0; kind < (int)GF_ACT_CUSTOM; kind++) {
        gf_act act = act_of((gf_act_kind)kind);
        const int n = 100000;
        const double q = 1.7;
        double sum = 0, squares = 0, error;
        for (int i = 0; i < n; i++) {
            double y = gf_act_value(act, sqrt(q) * gf_random_normal(RANDOM_SEED, (uint64_t)kind, (uint64_t)i));
            sum += y * y, squares += y * y * y * y;
        }
        sum /= n, error = sqrt((squares / n - sum * sum) / n);
        if (!(fabs(mean_square(act, q) - sum) <= 4.5 * error))
            test_fail(__FILE__, __LINE__, "%s: %g, draws %g ± %g", act.name, mean_square(act, q), sum, error);
    }
}

static void test_extremes(void) {
    gf_act tanh_act = act_of(GF_ACT_TANH), relu = act_of(GF_ACT_RELU), sigmoid = act_of(GF_ACT_SIGMOID);
    double before = -1, slope_before = 2;
    TEST("theory extreme arguments");
    CHECK(mean_square(sigmoid, 0) == 0.25);
    CHECK(mean_square_slope(sigmoid, 0) == 0.0625);
    CHECK(mean_square(relu, 0) == 0.0);
    CHECK(mean_square_slope(relu, 0) == 0.5);  // half of the draws are positive, however small q is
    CHECK_RELATIVE(mean_square_slope(act_of(GF_ACT_SELU), 0),  // λ²(1 + α²)/2
                   0.5 * pow(1.0507009873554805, 2) * (1 + pow(1.6732632423543772, 2)), 1e-12);
    CHECK_RELATIVE(mean_square(tanh_act, 1e-300), 1e-300, 1e-9);
    CHECK_RELATIVE(mean_square(relu, 1e300), 5e299, 1e-9);
    CHECK_RELATIVE(mean_square_slope(tanh_act, 1e20), 4.0 / 3 / sqrt(2 * PI) * 1e-10, 1e-6);
    CHECK_RELATIVE(mean_square_slope(act_of(GF_ACT_RELU6), 1e20), 6 * density(0) * 1e-10, 1e-6);
    CHECK(mean_square(tanh_act, INFINITY) == 1.0);
    CHECK(mean_square_slope(tanh_act, INFINITY) == 0.0);
    CHECK(isinf(mean_square(relu, INFINITY)));
    CHECK(gf_theory_q_next(relu, INFINITY, 0, 0.5) == 0.5);  // weights that are 0 carry nothing on
    CHECK(isinf(mean_square(gf_act_custom("exp", exp, exp), 1e6)));
    CHECK(mean_square_slope(relu, INFINITY) == 0.5);
    for (int kind = 0; kind < (int)GF_ACT_CUSTOM; kind++)
        for (int exponent = -300; exponent <= 300; exponent += 25) {
            double q = pow(10, exponent);
            if (!isfinite(mean_square(act_of((gf_act_kind)kind), q)) ||
                !isfinite(mean_square_slope(act_of((gf_act_kind)kind), q)))
                test_fail(__FILE__, __LINE__, "%s is not finite at q = %g", name_of((gf_act_kind)kind), q);
        }
    for (double q = 1e-12; q < 1e12; q *= 3) {  // tanh: more variance, larger outputs, smaller slopes
        double value = mean_square(tanh_act, q), slope = mean_square_slope(tanh_act, q);
        CHECK(value > before && value < 1 && slope < slope_before && slope > 0);
        before = value, slope_before = slope;
    }
    TEST("theory NaN in, NaN out");
    CHECK(isnan(mean_square(tanh_act, NAN)) && isnan(mean_square(tanh_act, -1)));
    CHECK(isnan(mean_square_slope(tanh_act, -INFINITY)));
    CHECK(isnan(gf_theory_q_next(tanh_act, 1, -1, 0)) && isnan(gf_theory_q_next(tanh_act, 1, 1, -1)));
    CHECK(isnan(gf_theory_q_next(tanh_act, 1, NAN, 0)) && isnan(gf_theory_chi(tanh_act, 1, NAN)));
    CHECK(isnan(mean_square(gf_act_custom("none", NULL, NULL), 1)));
    CHECK(isnan(mean_square(gf_act_custom("nan", nan_everywhere, nan_everywhere), 1)));
    CHECK(isnan(gf_theory_fixed_point(gf_act_custom("nan", nan_everywhere, nan_everywhere), 1, 0).q));
    CHECK(isnan(gf_theory_fixed_point(tanh_act, NAN, 0).chi) && gf_theory_fixed_point(tanh_act, NAN, 0).converged == 0);
    CHECK(isnan(gf_theory_fixed_point(tanh_act, 1, INFINITY).q) && isnan(gf_theory_critical(tanh_act, -1)));
    CHECK(isnan(gf_theory_fixed_point(tanh_act, INFINITY, 0).q));
    CHECK(isnan(gf_theory_fixed_point(gf_act_custom("short", short_line, short_line_slope), 1, 0).q));
    TEST("theory ends on a function without order");  // it promises an end, not a result
    CHECK(mean_square(gf_act_custom("noise", noise, noise), 1) > 0.1);
    CHECK(mean_square(gf_act_custom("noise", noise, noise), 1) < 0.6);
}

static void check_root_chi(gf_act_kind kind, double weight_variance, double expected) {
    gf_propagation p = gf_theory_fixed_point(act_of(kind), weight_variance, 0);
    if (!(fabs(sqrt(p.chi) - expected) <= 0.0005))
        test_fail(__FILE__, __LINE__, "%s at %g: √χ is %g", name_of(kind), weight_variance, sqrt(p.chi));
}

static void test_fixed_points(void) {
    gf_act tanh_act = act_of(GF_ACT_TANH), relu = act_of(GF_ACT_RELU);
    gf_propagation p;
    TEST("theory factors per layer at PyTorch's default and Kaiming's initialisation");
    check_root_chi(GF_ACT_SIGMOID, 1.0 / 3, 0.141), check_root_chi(GF_ACT_TANH, 1.0 / 3, 0.577);
    check_root_chi(GF_ACT_RELU, 1.0 / 3, 0.408), check_root_chi(GF_ACT_GELU, 1.0 / 3, 0.289);
    check_root_chi(GF_ACT_SILU, 1.0 / 3, 0.289), check_root_chi(GF_ACT_TELU, 1.0 / 3, 0.440);
    check_root_chi(GF_ACT_RELU, 2, 1), check_root_chi(GF_ACT_TANH, 2, 1.0514);
    TEST("theory fixed points of tanh");  // Poole et al. 2016; σw = 1.5 and 2
    p = gf_theory_fixed_point(tanh_act, 1.5 * 1.5, 0);
    CHECK_NEAR(p.q, 0.7934, 5e-5);
    CHECK_NEAR(p.chi, 1.1393, 5e-5);
    CHECK_NEAR(p.depth_scale, 7.667, 5e-4);
    CHECK(p.converged == 1);
    p = gf_theory_fixed_point(tanh_act, 4, 0);
    CHECK_NEAR(p.q, 2.1215, 5e-5);
    CHECK_NEAR(p.depth_scale, 3.2316, 5e-5);
    p = gf_theory_fixed_point(tanh_act, 0.5, 0);  // ordered: the signal dies
    CHECK(p.q == 0 && p.chi == 0.5 && p.converged == 1);
    p = gf_theory_fixed_point(tanh_act, 1, 0);
    CHECK(p.q == 0 && p.chi == 1 && isinf(p.depth_scale) && p.converged == 1);
    TEST("theory fixed points of relu and selu");
    p = gf_theory_fixed_point(relu, 2, 0);  // every q is fixed
    CHECK(p.q == 1 && fabs(p.chi - 1) < 1e-12 && isinf(p.depth_scale) && p.converged == 1);
    p = gf_theory_fixed_point(relu, 2.5, 0);
    CHECK(isinf(p.q) && p.converged == 0);
    CHECK_NEAR(p.chi, 1.25, 1e-12);
    p = gf_theory_fixed_point(relu, 2, 0.1);
    CHECK(isinf(p.q) && p.converged == 0);
    for (double w = 0; w < 1.95; w += 0.3) {  // q* = σb²/(1 - σw²/2)
        CHECK_RELATIVE(gf_theory_fixed_point(relu, w, 0.2).q, 0.2 / (1 - w / 2), 1e-9);
        CHECK_RELATIVE(gf_theory_fixed_point(relu, w, 1e-9).q, 1e-9 / (1 - w / 2), 1e-9);
        CHECK_RELATIVE(gf_theory_fixed_point(relu, w, 3e5).q, 3e5 / (1 - w / 2), 1e-9);
    }
    CHECK_RELATIVE(gf_theory_fixed_point(gf_act_custom("own", own_relu, own_relu_slope), 1.3, 0.2).q, 0.2 / 0.35, 1e-9);
    p = gf_theory_fixed_point(act_of(GF_ACT_SELU), 1, 0);
    CHECK_NEAR(p.q, 1, 1e-6);
    CHECK_NEAR(p.chi, 1.0716, 5e-5);
    CHECK_NEAR(gf_theory_chi(act_of(GF_ACT_SELU), 1, 1), 1.0716, 5e-5);
    TEST("theory fixed points are fixed");
    for (int kind = 0; kind < (int)GF_ACT_CUSTOM; kind++)
        for (double w = 0.1; w < 9; w *= 1.5)
            for (double b = 0.01; b < 2; b *= 4) {
                gf_act act = act_of((gf_act_kind)kind);
                p = gf_theory_fixed_point(act, w, b);
                if (!p.converged) continue;
                CHECK_RELATIVE(gf_theory_q_next(act, p.q, w, b), p.q, 1e-6);
                CHECK_RELATIVE(p.chi, gf_theory_chi(act, p.q, w), 1e-12);
                CHECK_RELATIVE(p.depth_scale, 1 / fabs(log(p.chi)), 1e-9);
            }
    p = gf_theory_fixed_point(gf_act_custom("float tanh", float_tanh, float_tanh_slope), 2.25, 0);
    CHECK_NEAR(p.q, 0.7934, 5e-5);  // rounding in a custom function costs digits, nothing else
}

// q from layer to layer, one by one, from q = 1.
static double iterated(gf_act act, double w, double b) {
    double q = 1;
    for (int i = 0; i < 20000; i++) {
        double next = gf_theory_q_next(act, q, w, b);
        if (fabs(next - q) < 1e-13 * q || next > 1e12) return next;
        q = next;
    }
    return q;
}

// A stable and an unstable fixed point that lie close together: q from 1 comes to rest at the first.
static void test_pairs(void) {
    const struct {
        gf_act_kind kind;
        double w, b;
    } cases[] = {{GF_ACT_SILU, 2.25, 0.2}, {GF_ACT_SILU, 2.26, 0.2},  {GF_ACT_SILU, 2.27, 0.2},      {GF_ACT_SILU, 2.13, 0.3},
                 {GF_ACT_SILU, 2.04, 0.4}, {GF_ACT_SILU, 2.274, 0.2}, {GF_ACT_HARD_SWISH, 2.19, 0.3}, {GF_ACT_HARD_SWISH, 2.1945, 0.3}};
    TEST("theory fixed points are where q comes to rest, layer by layer");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gf_act act = act_of(cases[i].kind);
        gf_propagation p = gf_theory_fixed_point(act, cases[i].w, cases[i].b);
        double q = iterated(act, cases[i].w, cases[i].b);
        CHECK(p.converged && p.chi < 1);
        CHECK_RELATIVE(p.q, q, 1e-4);
    }
    CHECK_NEAR(gf_theory_fixed_point(act_of(GF_ACT_SILU), 2.26, 0.2).q, 1.07979, 1e-5);
    CHECK_NEAR(gf_theory_fixed_point(act_of(GF_ACT_SILU), 2.26, 0.2).chi, 0.8696, 1e-4);
    CHECK(gf_theory_fixed_point(act_of(GF_ACT_SILU), 2.2742, 0.2).converged == 0);  // the pair is gone
    TEST("theory critical lines that end where such a pair meets");
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_SILU), 0.2), 2.27410, 1e-5);
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_HARD_SWISH), 0.3), 2.19461, 1e-5);
}

static void test_critical(void) {
    gf_act arctan = act_of(GF_ACT_ARCTAN);
    TEST("theory critical lines");
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_TANH), 0), 1, 1e-6);
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_TANH), 0.05), 1.761, 5e-4);
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_TANH), 0.1), 1.986, 5e-4);
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_IDENTITY), 0.3), 1, 1e-9);
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_RELU), 0), 2, 1e-9);
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_RELU), 0.3), 2, 1e-9);
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_LEAKY_RELU), 0.1), 2 / (1 + 1e-4), 1e-9);
    CHECK_NEAR(gf_theory_fixed_point(arctan, gf_theory_critical(arctan, 0.2), 0.2).chi, 1, 1e-8);
    CHECK(isnan(gf_theory_critical(act_of(GF_ACT_SIGMOID), 0)));  // |φ'| ≤ 1/4, and σw large enough saturates it
    // gelu from q = 1: the signal dies until σw²·E[φ²] + σb² passes 1, where q* jumps and χ with it
    CHECK_NEAR(gf_theory_critical(act_of(GF_ACT_GELU), 0), 1 / mean_square(act_of(GF_ACT_GELU), 1), 1e-5);
}

// The layers of the deep MNIST net: 784-128, twenty times 128-128, 128-10.
static void deep_layers(gf_theory_layer layers[22], gf_init weight, gf_init bias) {
    for (int l = 0; l < 22; l++) {
        int fan_in = l == 0 ? 784 : 128, fan_out = l == 21 ? 10 : 128;
        layers[l] = gf_theory_affine(fan_in, fan_out, fan_out, weight, bias);
    }
}

static void test_profile(void) {
    gf_theory_layer layers[22];
    gf_act relu = act_of(GF_ACT_RELU);
    double chi;
    TEST("theory profile by hand");  // relu: E[φ²] = q/2, E[φ'²] = 1/2
    layers[0] = gf_theory_affine(100, 50, 50, gf_init_with(GF_INIT_DEFAULT, 1), gf_init_with(GF_INIT_DEFAULT, 1));
    layers[1] = gf_theory_affine(50, 80, 80, gf_init_kaiming(), gf_init_zero());
    layers[2] = gf_theory_affine(80, 10, 10, gf_init_xavier(0.5), gf_init_with(GF_INIT_NORMAL, 0.2));
    CHECK(gf_theory_profile(relu, 0.6, layers, 3) == GF_OK);
    CHECK_RELATIVE(layers[0].q, 0.6 / 3 + 1.0 / 300, 1e-12);
    CHECK_RELATIVE(layers[1].q, layers[0].q, 1e-11);
    CHECK_RELATIVE(layers[2].weight_variance, 80 * 0.25 * 2 / 90.0, 1e-12);
    CHECK_RELATIVE(layers[2].q, layers[2].weight_variance * layers[1].q / 2 + 0.04, 1e-11);
    CHECK_RELATIVE(layers[1].factor, sqrt(layers[2].weight_variance / 2 * 10 / 80), 1e-11);
    CHECK_RELATIVE(layers[0].factor, sqrt(2.0 / 2 * 80 / 50), 1e-11);
    CHECK(layers[2].factor == 1 && layers[2].delta == 1);
    CHECK_RELATIVE(layers[0].delta, layers[0].factor * layers[1].factor, 1e-12);
    TEST("theory profile settles at the fixed point");
    deep_layers(layers, gf_init_kaiming(), gf_init_zero());
    CHECK(gf_theory_profile(act_of(GF_ACT_TANH), input_mean_square, layers, 22) == GF_OK);
    chi = gf_theory_fixed_point(act_of(GF_ACT_TANH), 2, 0).chi;
    CHECK_NEAR(layers[19].factor, sqrt(chi), 1e-3);
    TEST("theory profile refuses what is not a net");
    CHECK(gf_theory_profile(relu, 1, NULL, 3) == GF_ERROR_ARGUMENT);
    CHECK(gf_theory_profile(relu, 1, layers, 0) == GF_ERROR_ARGUMENT);
    CHECK(gf_theory_profile(relu, -1, layers, 3) == GF_ERROR_ARGUMENT);
    CHECK(gf_theory_profile(relu, NAN, layers, 3) == GF_ERROR_ARGUMENT);
    layers[1].width = 0;
    CHECK(gf_theory_profile(relu, 1, layers, 3) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "layer 2");
    layers[1].width = 5, layers[1].weight_variance = NAN;
    CHECK(gf_theory_profile(relu, 1, layers, 3) == GF_ERROR_ARGUMENT);
}

// Σ w²/n of this tensor of a built net.
static double mean_square_of(gf_net *net, const char *tensor) {
    const gf_tensor *w = gf_net_tensor(net, tensor);
    double sum = 0;
    for (size_t i = 0; w && i < w->size; i++) sum += (double)w->value[i] * (double)w->value[i];
    return w ? sum / (double)w->size : NAN;
}

// What the theory takes an initialiser's variance to be, against the weights and biases that a net starts from: of a
// dense layer (kernel 0) or a convolution.
static void check_initialiser(gf_init init, int channels, int outputs, int kernel) {
    const int area = kernel > 0 ? kernel * kernel : 1, fan_in = channels * area;
    gf_theory_layer layer = gf_theory_affine(fan_in, outputs * area, outputs, init, init);
    gf_net *net = gf_net_create(kernel > 0 ? gf_image(channels, 8, 8) : gf_vector(channels), 1, RANDOM_SEED);
    gf_net_set_init(net, init, init);
    if (kernel > 0) gf_net_conv2d(net, outputs, kernel, 1, 0);
    else gf_net_dense(net, outputs);
    gf_net_build(net);
    double weight = fan_in * mean_square_of(net, kernel > 0 ? "conv1.weight" : "dense1.weight");
    double bias = mean_square_of(net, kernel > 0 ? "conv1.bias" : "dense1.bias");
    double tolerance = init.kind == GF_INIT_ORTHOGONAL ? 1e-5 : 6 / sqrt(fan_in * outputs);
    double bias_tolerance = init.kind == GF_INIT_ORTHOGONAL ? 1e-5 : 6 / sqrt(outputs);
    if (!(fabs(layer.weight_variance / weight - 1) < tolerance) ||
        !(fabs(layer.bias_variance / bias - 1) < bias_tolerance))
        test_fail(__FILE__, __LINE__, "kind %d, %d to %d, kernel %d: %g and %g, weights %g, biases %g", (int)init.kind,
                  channels, outputs, kernel, layer.weight_variance, layer.bias_variance, weight, bias);
    gf_net_free(net);
}

static void test_initialisers(void) {
    TEST("theory knows the variance of every initialiser, of weights and biases");
    for (int kind = 0; kind < (int)GF_INIT_COUNT; kind++) {
        gf_init init = gf_init_with((gf_init_kind)kind, 1.3);
        check_initialiser(init, 60, 900, 0);
        check_initialiser(init, 900, 60, 0);
        check_initialiser(init, 16, 320, 3);
    }
    TEST("theory knows the variance of an orthogonal convolution and of a single unit");
    check_initialiser(gf_init_with(GF_INIT_ORTHOGONAL, 1), 16, 32, 3);  // 32 rows of 144: more of them per pixel
    check_initialiser(gf_init_with(GF_INIT_ORTHOGONAL, 2), 2, 30, 3);   // 30 rows of 18
    check_initialiser(gf_init_with(GF_INIT_ORTHOGONAL, 2), 50, 1, 0);
    check_initialiser(gf_init_with(GF_INIT_ORTHOGONAL, 2), 5, 1, 3);
}

enum { NET_LAYERS = 6, NET_WIDEST = 400 };
static const int net_widths[NET_LAYERS + 1] = {200, 400, 250, 400, 300, 350, 100};

// One random net of Gaussian weights with these variances, one random input, one random δ at the end: adds mean z² of
// every layer to q, ln mean δ² to log_delta. Plain loops; only activation and random numbers are the library's.
static void simulate(gf_act act, const gf_theory_layer *layers, uint64_t seed, double *q, double *log_delta) {
    static double w[NET_LAYERS][NET_WIDEST][NET_WIDEST], z[NET_LAYERS][NET_WIDEST];
    double h[NET_WIDEST], delta[NET_WIDEST];
    for (int j = 0; j < net_widths[0]; j++) h[j] = gf_random_normal(seed, 100, (uint64_t)j);
    for (int l = 0; l < NET_LAYERS; l++) {
        int inputs = net_widths[l], outputs = net_widths[l + 1];
        double std = sqrt(layers[l].weight_variance / inputs), square = 0;
        for (int i = 0; i < outputs; i++) {
            z[l][i] = sqrt(layers[l].bias_variance) * gf_random_normal(seed, 200 + (uint64_t)l, (uint64_t)i);
            for (int j = 0; j < inputs; j++) {
                w[l][i][j] = std * gf_random_normal(seed, (uint64_t)l, (uint64_t)(i * inputs + j));
                z[l][i] += w[l][i][j] * h[j];
            }
            square += z[l][i] * z[l][i] / outputs;
        }
        for (int i = 0; i < outputs; i++) h[i] = gf_act_value(act, z[l][i]);
        q[l] += square;
    }
    for (int i = 0; i < net_widths[NET_LAYERS]; i++) delta[i] = gf_random_normal(seed, 300, (uint64_t)i);
    for (int l = NET_LAYERS - 1; l >= 0; l--) {
        int inputs = net_widths[l], outputs = net_widths[l + 1];
        double next[NET_WIDEST], square = 0;
        for (int i = 0; i < outputs; i++) square += delta[i] * delta[i] / outputs;
        log_delta[l] += log(square);
        for (int j = 0; j < inputs && l > 0; j++) {
            next[j] = 0;
            for (int i = 0; i < outputs; i++) next[j] += w[l][i][j] * delta[i];
            next[j] *= gf_act_derivative(act, z[l - 1][j]);
        }
        for (int j = 0; j < inputs && l > 0; j++) delta[j] = next[j];
    }
}

static void test_simulated_net(void) {
    const gf_act_kind kinds[] = {GF_ACT_TANH, GF_ACT_RELU, GF_ACT_SIGMOID, GF_ACT_SELU};
    TEST("theory profile against simulated nets of changing width and variance");
    for (int k = 0; k < 4; k++) {
        gf_theory_layer layers[NET_LAYERS];
        double q[NET_LAYERS] = {0}, log_delta[NET_LAYERS] = {0};
        const int nets = 16;
        for (int l = 0; l < NET_LAYERS; l++) {
            gf_init weight = gf_init_with(GF_INIT_LECUN_NORMAL, l % 2 ? 1.5 : 1);
            gf_init bias = gf_init_with(GF_INIT_NORMAL, 0.1 * l);
            layers[l] = gf_theory_affine(net_widths[l], net_widths[l + 1], net_widths[l + 1], weight, bias);
        }
        CHECK(gf_theory_profile(act_of(kinds[k]), 1, layers, NET_LAYERS) == GF_OK);
        for (int seed = 0; seed < nets; seed++) simulate(act_of(kinds[k]), layers, (uint64_t)seed + 1, q, log_delta);
        for (int l = 0; l < NET_LAYERS; l++) {
            double measured = l + 1 < NET_LAYERS ? exp((log_delta[l] - log_delta[l + 1]) / (2 * nets)) : 1;
            if (!(fabs(q[l] / nets / layers[l].q - 1) < 0.1) || !(fabs(measured / layers[l].factor - 1) < 0.05))
                test_fail(__FILE__, __LINE__, "%s layer %d: q %g, theory %g; factor %g, theory %g",
                          name_of(kinds[k]), l + 1, q[l] / nets, layers[l].q, measured, layers[l].factor);
        }
    }
}

// The RMS δ profile of PyTorch's deep MNIST nets at initialisation: 20 seeds, 12 activations, 3 initialisations.
static void check_deep_profile(const char *name, const char *init_name, const double measured[22]) {
    gf_theory_layer layers[22];
    gf_act act;
    const gf_init init = net_init(init_name);
    double log_sum = 0;
    CHECK(gf_act_from_name(name, &act) == 1);
    deep_layers(layers, init, init.kind == GF_INIT_DEFAULT ? init : gf_init_zero());
    CHECK(gf_theory_profile(act, input_mean_square, layers, 22) == GF_OK);
    for (int l = 1; l < 20; l++) {  // the first and the last layer apart
        double ratio = measured[l] / measured[l + 1] / layers[l].factor;
        if (!(fabs(ratio - 1) < 0.04))
            test_fail(__FILE__, __LINE__, "%s, %s, layer %d: factor %g, measured %g times that", name, init_name, l + 1,
                      layers[l].factor, ratio);
        log_sum += log(ratio);
    }
    if (!(fabs(exp(log_sum / 19) - 1) < 0.015))
        test_fail(__FILE__, __LINE__, "%s, %s: mean factor %g times the theory's", name, init_name, exp(log_sum / 19));
}

static void test_pytorch_profile(void) {
    FILE *file = fopen("tests/fixtures/mnist_deep20_init_profile.csv", "r");
    char line[256], name[32], init_name[32];
    double measured[22];
    int layer, nets = 0;
    TEST("theory profile against PyTorch's deep MNIST nets");
    if (!file) {
        test_fail(__FILE__, __LINE__, "tests/fixtures/mnist_deep20_init_profile.csv: not found");
        return;
    }
    while (fgets(line, sizeof line, file)) {
        double rms;
        if (sscanf(line, "%31[^,],%31[^,],%d,%lf", name, init_name, &layer, &rms) != 4) continue;  // the heading
        if (layer < 1 || layer > 22) continue;
        measured[layer - 1] = rms;
        if (layer == 22) check_deep_profile(name, init_name, measured), nets++;
    }
    fclose(file);
    CHECK(nets == 36);
}

int main(void) {
    test_closed_forms();
    test_every_activation();
    test_extremes();
    test_fixed_points();
    test_pairs();
    test_critical();
    test_profile();
    test_initialisers();
    test_simulated_net();
    test_pytorch_profile();
    return test_report();
}
