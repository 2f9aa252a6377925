// test_xor.c: xor_mlp --replay against runs of the study's own NumPy code, and the metrics against plain recomputation.
// build: double
// fixtures/xor_exact holds data, initial weights and metrics of two runs of the sweep and two of the original edition.
// The example's own code trains on them and must find every number at every logged epoch, 3000 updates on, to 1e-9.
#if !defined(__has_include)
#define XOR_HAS_STB 1
#elif __has_include(<stb/stb_image_write.h>) || __has_include("../third_party/stb_image_write.h")
#define XOR_HAS_STB 1
#endif

#ifndef XOR_HAS_STB
#include <stdio.h>
int main(void) {
    printf("SKIP xor: no stb_image_write.h (./data_fetch.sh stb)\n");
    return 0;
}
#else
#define main xor_mlp_main
#define GRADFLOW_IMPLEMENTATION_DONE // linked, in double
#include "../examples/xor_mlp.c"
#undef main
#include "test.h"

// One line of a CSV file into v; returns the number of fields.
static int read_row(const char *line, double *v, int most) {
    int count = 0;
    for (char *end; count < most; line = end + 1) {
        v[count++] = strtod(line, &end);
        if (*end != ',') break;
    }
    return count;
}

// The replay's output, line by line, beside the study's metrics.csv.
static void compare(FILE *found, FILE *expected) {
    char a[4096], b[4096];
    double x[64], y[64];
    int rows = 0;
    rewind(found);
    CHECK(fgets(a, sizeof a, found) != NULL && fgets(b, sizeof b, expected) != NULL);
    a[strcspn(a, "\r\n")] = b[strcspn(b, "\r\n")] = '\0';
    CHECK(strcmp(a, b) == 0);  // the same columns
    for (; fgets(b, sizeof b, expected) != NULL; rows++) {
        CHECK(fgets(a, sizeof a, found) != NULL);
        int columns = read_row(b, y, 64);
        CHECK(read_row(a, x, 64) == columns && columns >= 7);
        for (int c = 0; c < columns; c++) CHECK_NEAR(x[c], y[c], c == 0 ? 0 : 1e-9);
    }
    CHECK(fgets(a, sizeof a, found) == NULL);
    CHECK(rows >= 40);
}

static void test_replay(const char *folder) {
    static study st;
    char path[EX_PATH], name[64];
    char *argv[] = {name};
    FILE *out = tmpfile(), *expected = fopen(ex_path(path, folder, "metrics.csv"), "r");
    CHECK(out != NULL && expected != NULL);
    if (out == NULL || expected == NULL) return;
    strcpy(name, "xor_mlp");
    set_defaults(&st, 1, argv);
    read_lists(&st);
    replay(&st, act_of_folder(folder), folder, out);
    grid_free(&st.g);
    compare(out, expected);
    fclose(out), fclose(expected);
}

static int by_value(const void *a, const void *b) {
    double x = (double)*(const gf_real *)a, y = (double)*(const gf_real *)b;
    return (x > y) - (x < y);
}

// NumPy's percentile by sorting.
static double sorted_percentile(const gf_real *x, size_t n, double p) {
    static gf_real copy[1000];
    memcpy(copy, x, n * sizeof copy[0]);
    qsort(copy, n, sizeof copy[0], by_value);
    double rank = p / 100 * (double)(n - 1);
    size_t k = (size_t)rank;
    if (k + 1 == n) return (double)copy[k];
    return (double)copy[k] + (rank - (double)k) * ((double)copy[k + 1] - (double)copy[k]);
}

// The window follows values that drift, jump, collapse to one number or are NaN.
static void test_percentiles(void) {
    gf_net *net = gf_net_create(gf_vector(2), 30, 1);
    gf_net_dense(net, 16);
    gf_net_act(net, GF_ACT_TANH);
    gf_net_dense(net, 1);
    gf_net_build(net);
    signals m = signals_begin(net, gf_act_default(GF_ACT_TANH), 2, 30, 1e-3, 0.1);
    CHECK(m.n == 480);
    for (int epoch = 0; epoch < 300; epoch++) {
        double scale = epoch < 200 ? 1 + 0.001 * epoch : epoch < 250 ? 1e-6 : 0;
        for (size_t i = 0; i < m.n; i++) m.z_abs[i] = (gf_real)(scale * gf_random_uniform(7, GF_STREAM_USER, i));
        CHECK_NEAR(signals_percentile(&m, m.z_abs, 90, &m.z_p90), sorted_percentile(m.z_abs, m.n, 90), 1e-13);
        CHECK_NEAR(signals_percentile(&m, m.z_abs, 1, &m.slope_p01), sorted_percentile(m.z_abs, m.n, 1), 1e-13);
    }
    m.z_abs[17] = (gf_real)NAN;
    CHECK(isnan(signals_percentile(&m, m.z_abs, 90, &m.z_p90)) || m.z_p90.low == m.z_p90.high);
    for (size_t i = 0; i < m.n; i++) m.z_abs[i] = (gf_real)(i == 17 ? NAN : (double)i);
    CHECK(isnan(signals_percentile(&m, m.z_abs, 90, &m.z_p90)));
    m.z_abs[17] = 17;
    CHECK_NEAR(signals_percentile(&m, m.z_abs, 90, &m.z_p90), 0.9 * 479, 1e-10);
    signals_end(&m);
    gf_net_free(net);
}

// All signals of a net beside plain loops over its pooled z.
static void test_signals(void) {
    gf_net *net = gf_net_create(gf_vector(2), 50, 3);
    gf_act act = gf_act_default(GF_ACT_TANH);
    gf_net_set_init(net, gf_init_xavier(3), gf_init_zero());
    for (int l = 0; l < 2; l++) {
        gf_net_dense(net, 7);
        gf_net_act(net, GF_ACT_TANH);
    }
    gf_net_dense(net, 1);
    gf_net_build(net);
    gf_real x[100];
    for (int i = 0; i < 100; i++) x[i] = (gf_real)gf_random_normal(5, GF_STREAM_USER, (uint64_t)i);
    signals m = signals_begin(net, act, 3, 50, 0.1, 0.5);
    gf_net_forward(net, x, 50, GF_TRAIN);
    double v[SIGNALS_COUNT], small = 0, mean = 0, logs = 0, z_mean = 0, near0 = 0, limit = 0;
    signals_measure(&m, v);
    CHECK(m.n == 700);
    for (size_t i = 0; i < m.n; i++) {
        double z = (double)m.z[i], slope = gf_act_derivative(act, z);
        small += slope < 0.1;
        mean += slope / 700;
        logs += log(slope + 1e-12) / 700;
        z_mean += fabs(z) / 700;
        near0 += fabs(z) <= 0.5;
        limit += fabs(tanh(z)) >= 0.95;
    }
    CHECK(near0 > 0 && limit > 0 && small > 0);
    CHECK_NEAR(v[DPHI_SMALL], small / 700, 0);
    CHECK_NEAR(v[DPHI_MEAN], mean, 1e-12);
    CHECK_NEAR(v[DPHI_LOG], logs, 1e-12);
    CHECK_NEAR(v[Z_MEAN], z_mean, 1e-12);
    CHECK_NEAR(v[Z_NEAR0], near0 / 700, 0);
    CHECK_NEAR(v[LIMIT], limit / 700, 0);
    signals_end(&m);
    gf_net_free(net);
}

// The rule in the study's code calls resting arctan and softsign units saturated; tanh and relu have their own.
static void test_code_rate(void) {
    static const gf_act_kind kinds[4] = {GF_ACT_RELU, GF_ACT_TANH, GF_ACT_ARCTAN, GF_ACT_SOFTSIGN};
    static const double expected[4] = {2, 3, 5, 3};
    for (int k = 0; k < 4; k++) {
        gf_real x[12] = {-3, 0, -1, 0, (gf_real)0.04, 0, 1, 0, (gf_real)1.9, 0, 3, 0};
        gf_net *net = gf_net_create(gf_vector(2), 6, 1);
        gf_net_set_init(net, gf_init_zero(), gf_init_zero());
        gf_net_dense(net, 1);
        gf_net_act(net, kinds[k]);
        gf_net_dense(net, 1);
        gf_net_build(net);
        gf_net_tensor(net, "dense1.weight")->value[0] = 1;  // z = x1
        gf_net_forward(net, x, 6, GF_TRAIN);
        // relu: two zeros. tanh: ±.995, .956. arctan: -1.25, -.79, .04, 1.09, 1.25. softsign: -.75, -.5, .038
        CHECK_NEAR(code_rate(net, gf_act_default(kinds[k]), 1), expected[k] / 6, 0);
        gf_net_free(net);
    }
}

// Accuracy of logits: a 0 is class 1 in the sweep and class 0 in the original edition.
static void test_accuracy(void) {
    const gf_real z[5] = {-1, 0, 0, 2, 3}, target[5] = {0, 0, 1, 1, 0};
    double recall[2];
    CHECK_NEAR(accuracy(z, target, 5, 0, recall), 0.6, 1e-15);
    CHECK_NEAR(recall[0], 1.0 / 3, 1e-15);
    CHECK_NEAR(recall[1], 1, 0);
    CHECK_NEAR(accuracy(z, target, 5, 1, recall), 0.6, 1e-15);
    CHECK_NEAR(recall[0], 2.0 / 3, 1e-15);
    CHECK_NEAR(recall[1], 0.5, 0);
}

int main(void) {
    static const char *const runs[4] = {"tanh_s0p5_seed0", "relu_s1p0_seed1", "original_relu", "original_tanh"};
    for (int i = 0; i < 4; i++) {
        char folder[EX_PATH], name[80];
        snprintf(name, sizeof name, "xor replay %s to 1e-9", runs[i]);
        TEST(name);
        test_replay(ex_path(folder, "tests/fixtures/xor_exact", runs[i]));
        test_end();
    }
    TEST("xor percentiles follow drifts, jumps, ties and NaN");
    test_percentiles();
    TEST("xor signals beside plain loops");
    test_signals();
    TEST("xor saturation by the rule of the study's code");
    test_code_rate();
    TEST("xor accuracy at a logit of exactly 0");
    test_accuracy();
    return test_report();
}
#endif
