// test_curve.c: curvature against closed forms, PyTorch's Hessians and differences of the loss; rates; what is put back.
// build: float double
#include "../gradflow.h"
#include "counted_alloc.h"
#include "nets.h"
#include <float.h>

enum { DOUBLE = sizeof(gf_real) == sizeof(double), MOST = 260, SAMPLES = 24, INPUTS = 72 };

static double within(double in_double, double in_float) { return DOUBLE ? in_double : in_float; }

// --- closed forms: lines y = w·x + b through points, whose H holds the moments of x ---

typedef struct line {
    gf_net *net;
    gf_dataset data;
    gf_curve curve;
    double high, low;  // eigenvalues of ∂²(mean squared error)/∂(w,b)² = 2·((E[x²], E[x]), (E[x], 1))
} line;

static void line_open(line *l, const gf_real *x, int n, double slope, double offset) {
    gf_real y[100];
    double first = 0, second = 0;
    for (int i = 0; i < n; i++) {
        y[i] = (gf_real)(slope * (double)x[i] + offset);
        first += (double)x[i] / n;
        second += (double)x[i] * (double)x[i] / n;
    }
    const double root = sqrt((second - 1) * (second - 1) + 4 * first * first);
    l->high = second + 1 + root;
    l->low = second + 1 - root;
    l->net = gf_net_create(gf_vector(1), n, 1);
    gf_net_set_init(l->net, gf_init_zero(), gf_init_zero());
    gf_net_dense(l->net, 1);
    gf_net_build(l->net);
    gf_data_from_arrays(&l->data, gf_vector(1), (size_t)n, x, NULL, 0, y, 1);
    CHECK(gf_curve_init(&l->curve, l->net, &l->data, GF_LOSS_MSE, GF_TRAIN, 10) == GF_OK);
    CHECK(l->curve.most_steps == 2);
}

static void line_close(line *l) {
    gf_curve_free(&l->curve);
    gf_net_free(l->net);
    gf_data_free(&l->data);
}

static void line_check(line *l, double tolerance) {
    gf_eigen found[2] = {{0, 0, NULL}, {0, 0, NULL}};
    gf_real x[2], hx[2];
    found[0].vector = x;
    CHECK(gf_hessian_top(&l->curve, 1, 1, 0, found) == GF_OK);
    CHECK_RELATIVE(found[0].value, l->high, tolerance);
    CHECK_NEAR(found[1].value, l->low, tolerance * l->high);
    CHECK(found[0].residual <= 0);
    CHECK_NEAR((double)x[0] * (double)x[0] + (double)x[1] * (double)x[1], 1, 1e-6);
    CHECK(gf_hessian_vector(&l->curve, x, hx) == GF_OK);
    for (int i = 0; i < 2; i++) CHECK_NEAR(hx[i], l->high * (double)x[i], tolerance * l->high);
    CHECK_RELATIVE(l->curve.curvature, l->high, tolerance);
    CHECK_NEAR(l->curve.kinks, 0, 0);
    CHECK(gf_hessian_vector(&l->curve, NULL, hx) == GF_OK);  // along -∇L: t = gᵀg/gᵀHg
    const double a = (double)l->curve.gradient[0], b = (double)l->curve.gradient[1];
    CHECK_RELATIVE(l->curve.slope, -(a * a + b * b), 1e-6);
    CHECK_RELATIVE(l->curve.best_step, (a * a + b * b) / -((double)hx[0] * a + (double)hx[1] * b), 1e-5);
    double error;
    const double trace = gf_hessian_trace(&l->curve, 50, 3, &error);
    CHECK_NEAR(trace, l->high + l->low, 3 * error + tolerance * l->high);
    CHECK(error > 0 && error < 0.1 * trace);
}

static void test_lines(void) {
    gf_real hundred[100];
    const gf_real eight[8] = {(gf_real)-7.5, (gf_real)-5.5, -4, (gf_real)-0.5, 1, (gf_real)3.5, 6, 8};
    line l;
    for (int i = 0; i < 100; i++) hundred[i] = (gf_real)i;
    TEST("curve: a hundred points from 0 to 99: 2/λ of half the mean square is 6.09e-4");
    line_open(&l, hundred, 100, 2, 9);
    CHECK_RELATIVE(l.high / 2, 3284.2463, 1e-7);
    CHECK_RELATIVE(2 / (l.high / 2), 6.09e-4, 1e-3);
    line_check(&l, within(1e-6, 2e-3));
    CHECK_NEAR(l.curve.loss, 4 * 3283.5 + 2 * 18 * 49.5 + 81, 0.02);
    line_close(&l);
    TEST("curve: eight points in ±8");
    line_open(&l, eight, 8, -3, 0.5);
    CHECK_RELATIVE(l.high, 59.9, 0.1);
    line_check(&l, within(1e-6, 1e-3));
    line_close(&l);
}

static double line_descend(line *l, double rate, int steps) {
    gf_optim sgd;
    gf_real x[100], y[100];
    for (size_t i = 0; i < l->data.count; i++) x[i] = l->data.values[i];
    for (size_t i = 0; i < l->data.count; i++) y[i] = l->data.targets[i];
    double loss = 0;
    memset(gf_net_describe(l->net).params, 0, 2 * sizeof(gf_real));
    gf_optim_init(&sgd, l->net, gf_sgd(rate));
    for (int i = 0; i < steps; i++) {
        gf_net_forward(l->net, x, (int)l->data.count, GF_TRAIN);
        loss = gf_loss_mse(l->net, y);
        gf_net_backward(l->net);
        gf_optim_step(&sgd, l->net);
    }
    gf_optim_free(&sgd);
    return loss;
}

static void test_limit(void) {
    gf_real hundred[100];
    double losses[300];
    gf_lr_found found;
    line l;
    for (int i = 0; i < 100; i++) hundred[i] = (gf_real)i;
    TEST("curve: gradient descent converges just below 2/λ and diverges just above");
    line_open(&l, hundred, 100, 2, 9);
    const double start = l.curve.loss > 0 ? l.curve.loss : 4 * 3283.5 + 2 * 18 * 49.5 + 81;
    CHECK(gf_lr_range(&l.curve, gf_sgd(0), 1e-6, 1e-2, 300, losses, &found) == GF_OK);
    CHECK_RELATIVE(found.limit, 2 / l.high, within(1e-6, 2e-3));
    CHECK(line_descend(&l, 0.998 * found.limit, 2000) < 0.01 * start);
    CHECK(line_descend(&l, 1.002 * found.limit, 2000) > 100 * start);
    memset(gf_net_describe(l.net).params, 0, 2 * sizeof(gf_real));
    TEST("curve: the rate range test finds the same limit");
    CHECK(found.divergence > found.limit && found.divergence < 4 * found.limit);  // it has to grow from next to 0
    CHECK(found.steepest < 0.3 * found.limit && found.steepest > 1e-6);
    CHECK_RELATIVE(losses[0], start, 1e-6);
    CHECK(isnan(losses[299]));
    CHECK(gf_lr_range(&l.curve, gf_sgd(0), 1e-8, 1e-7, 20, losses, &found) == GF_OK);
    CHECK(isinf(found.divergence) && losses[19] < losses[0]);
    CHECK(gf_lr_range(&l.curve, gf_sgd(0), 1, 1e30, 200, losses, &found) == GF_OK);  // to infinity at once
    CHECK_NEAR(found.divergence, 1 * pow(1e30, 1.0 / 199), 1);
    CHECK(gf_net_status(l.net) == GF_OK && !gf_net_describe(l.net).nonfinite.found);
    line_close(&l);
}

// --- nets against PyTorch's Hessians (make_fixtures_curve.py) ---

typedef struct bend {
    const char *name;
    int channels, side, samples;
    const char *words;
    gf_loss_kind loss;
    gf_mode mode;
} bend;

static const bend bends[] = {
    // the cases of make_fixtures_curve.py
    {"mlp", 4, 1, 20, "dense:6 tanh dense:5 gelu dense:3", GF_LOSS_CROSS_ENTROPY, GF_TRAIN},
    {"bce", 4, 1, 20, "dense:6 softplus dense:2", GF_LOSS_BCE, GF_EVAL},
    {"cnn", 2, 6, 12, "conv:3:3:1:0 silu avg:2:2 conv:4:2:1:0 tanh dense:3", GF_LOSS_CROSS_ENTROPY, GF_TRAIN},
    {"batch norm", 4, 1, 24, "dense:6 batch_norm tanh dense:3", GF_LOSS_MSE, GF_TRAIN},
    {"batch norm of channels", 2, 5, 10, "conv:3:3:1:0 batch_norm telu dense:3", GF_LOSS_CROSS_ENTROPY, GF_TRAIN},
    {"batch norm in evaluation", 4, 1, 24, "dense:6 batch_norm tanh dense:3", GF_LOSS_MSE, GF_EVAL},
    {"skip", 5, 1, 16, "dense:5 mark tanh dense:5 add:1 mish dense:2", GF_LOSS_CROSS_ENTROPY, GF_TRAIN},
    {"relu", 4, 1, 8, "dense:6 relu dense:5 relu dense:3", GF_LOSS_CROSS_ENTROPY, GF_TRAIN},
    {"relu and max-pool", 2, 6, 10, "conv:4:3:1:0 relu max:2:2 dense:6 hard_tanh dense:3", GF_LOSS_CROSS_ENTROPY,
     GF_TRAIN},
};

// The net and data of case number i; with fewer samples a batch where that changes nothing.
static gf_net *bend_open(int i, int max_batch, gf_dataset *data) {
    const bend *b = &bends[i];
    const uint64_t number = 7000 + 10 * (uint64_t)i;
    const size_t size = (size_t)(b->channels * b->side * b->side);
    gf_real x[SAMPLES * INPUTS], targets[SAMPLES * 3];
    int labels[SAMPLES], marks[4], mark_count = 0;
    char words[128];
    size_t at = 0;
    gf_net *net = gf_net_create(gf_image(b->channels, b->side, b->side), max_batch, 1);
    snprintf(words, sizeof words, "%s", b->words);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) net_add_word(net, word, marks, &mark_count);
    gf_net_build(net);
    const int outputs = net_outputs(net), tensors = gf_net_describe(net).tensor_count;
    for (int t = 0; t < tensors; t++) {
        gf_tensor *tensor = gf_net_tensor_at(net, t);
        const double offset = name_ends(tensor->name, ".gamma") ? 1 : 0;
        for (size_t k = 0; tensor->grad && k < tensor->size; k++)
            tensor->value[k] = (gf_real)(offset + hash_value(number + 2, at++, 16) / 2);
    }
    hash_fill(x, (size_t)b->samples * size, number, 1);
    hash_fill(targets, (size_t)(b->samples * outputs), number + 1, 1);
    for (int k = 0; k < b->samples * outputs && b->loss == GF_LOSS_BCE; k++) targets[k] = (targets[k] + 1) / 2;
    hash_labels(labels, (size_t)b->samples, number + 1, outputs);
    if (b->loss == GF_LOSS_CROSS_ENTROPY)
        gf_data_from_arrays(data, gf_image(b->channels, b->side, b->side), (size_t)b->samples, x, labels, outputs, NULL,
                            0);
    else
        gf_data_from_arrays(data, gf_image(b->channels, b->side, b->side), (size_t)b->samples, x, NULL, 0, targets,
                            outputs);
    return net;
}

static void bend_close(gf_net *net, gf_dataset *data, gf_curve *curve) {
    gf_curve_free(curve);
    gf_data_free(data);
    gf_net_free(net);
}

// All eigenvalues, the largest in full, the trace.
static void bend_check(int i, const double *loss, const double *expected, int n) {
    static gf_eigen found[MOST];
    static gf_real x[MOST], hx[MOST];
    gf_dataset data;
    gf_curve curve;
    gf_net *net = bend_open(i, bends[i].samples, &data);
    CHECK(gf_curve_init(&curve, net, &data, bends[i].loss, bends[i].mode, MOST) == GF_OK);
    CHECK(curve.most_steps == n && (int)curve.n == n);
    const double widest = fmax(fabs(expected[0]), fabs(expected[n - 1])), tolerance = within(1e-8, 2e-3) * widest;
    double sum = 0, error, worst = 0;
    memset(found, 0, sizeof found);
    found[0].vector = x;
    CHECK(gf_hessian_top(&curve, n - 2, 2, 0, found) == GF_OK);
    CHECK(curve.steps == n);
    CHECK_NEAR(curve.loss, *loss, within(1e-14, 1e-6));
    for (int k = 0; k < n; k++) sum += expected[k];
    for (int k = 0; k < n - 2; k++) worst = fmax(worst, fabs(found[k].value - expected[n - 1 - k]));
    for (int k = 0; k < 2; k++) worst = fmax(worst, fabs(found[n - 2 + k].value - expected[k]));
    CHECK_NEAR(worst, 0, tolerance);
    CHECK(gf_hessian_vector(&curve, x, hx) == GF_OK);
    for (int k = 0; k < n; k++) CHECK_NEAR(hx[k], found[0].value * (double)x[k], tolerance);
    const double trace = gf_hessian_trace(&curve, 200, 5, &error);
    CHECK_NEAR(trace, sum, 3 * error + tolerance);
    CHECK(error < 0.5 * widest);
    bend_close(net, &data, &curve);
}

static void test_pytorch(void) {
    char row[8192], title[120];
    FILE *file = fixture_open("curve.csv");
    for (int i = 0; file && i < (int)(sizeof bends / sizeof *bends); i++) {
        double loss, values[MOST];
        int n = 0, count;
        snprintf(title, sizeof title, "curve: all eigenvalues as PyTorch's: %s", bends[i].name);
        TEST(title);
        if (!fgets(row, sizeof row, file)) break;
        char *field = strtok(row, ",");
        CHECK(field && !strcmp(field, bends[i].name));
        loss = atof(strtok(NULL, ","));
        count = atoi(strtok(NULL, ","));
        while ((field = strtok(NULL, ",")) && n < MOST) values[n++] = atof(field);
        CHECK(n == count);
        bend_check(i, &loss, values, n);
    }
    if (file) fclose(file);
}

// --- against the loss alone: H_ij by four losses ---

static double loss_at(gf_net *net, const gf_dataset *data, size_t i, size_t j, double a, double b) {
    gf_real *w = gf_net_describe(net).params, at_i = w[i], at_j = w[j];
    w[i] = (gf_real)((double)w[i] + a);
    w[j] = (gf_real)((double)w[j] + b);
    gf_net_forward(net, data->values, (int)data->count, GF_TRAIN);
    const double loss = gf_loss_cross_entropy(net, data->labels);
    w[j] = at_j;
    w[i] = at_i;
    return loss;
}

static void test_differences(void) {
    gf_dataset data;
    gf_curve curve;
    gf_real v[MOST], hv[MOST];
    if (!DOUBLE) return;
    TEST("curve: columns of H against differences of the loss");
    for (int c = 2; c < 7; c += 2) {  // cnn, batch norm of channels, skip
        const double h = 1e-4;
        gf_net *net = bend_open(c, bends[c].samples, &data);
        CHECK(gf_curve_init(&curve, net, &data, bends[c].loss, GF_TRAIN, 0) == GF_OK);
        for (size_t i = 0; i < curve.n; i += 7) {
            memset(v, 0, sizeof v);
            v[i] = 1;
            CHECK(gf_hessian_vector(&curve, v, hv) == GF_OK);
            for (size_t j = 0; j < curve.n; j += 5) {
                const double up = loss_at(net, &data, i, j, h, h) - loss_at(net, &data, i, j, h, -h);
                const double down = loss_at(net, &data, i, j, -h, h) - loss_at(net, &data, i, j, -h, -h);
                CHECK_NEAR(hv[j], (up - down) / (4 * h * h), 1e-6);
            }
        }
        bend_close(net, &data, &curve);
    }
}

// The largest eigenvalue of net number i when it goes over its data in batches of at most `size`.
static double top_in_batches(int i, int size, gf_loss_kind loss, gf_mode mode) {
    gf_dataset data;
    gf_curve curve;
    gf_eigen top = {NAN, NAN, NULL};
    gf_net *net = bend_open(i, size, &data);
    CHECK(gf_curve_init(&curve, net, &data, loss, mode, 40) == GF_OK);
    CHECK(gf_hessian_top(&curve, 1, 0, 1e-6, &top) == GF_OK);
    bend_close(net, &data, &curve);
    return top.value;
}

static void test_lanczos(void) {
    gf_dataset data;
    gf_curve curve, again;
    gf_eigen found[5], once[5], all[MOST];
    gf_real x[5][MOST], hx[MOST];
    TEST("curve: a few eigenvalues need few steps, and their residuals bound their errors");
    gf_net *net = bend_open(2, bends[2].samples, &data);
    gf_curve_init(&curve, net, &data, GF_LOSS_CROSS_ENTROPY, GF_TRAIN, MOST);
    memset(found, 0, sizeof found);
    memset(once, 0, sizeof once);
    memset(all, 0, sizeof all);
    for (int k = 0; k < 5; k++) found[k].vector = x[k];
    CHECK(gf_hessian_top(&curve, 3, 2, 1e-2, found) == GF_OK);
    const int first = curve.steps;
    CHECK(first < 60);
    for (int k = 0; k < 5; k++) {
        double error = 0, tolerance = within(1e-8, 1e-3);
        CHECK(found[k].residual <= 1e-2 * found[0].value && found[k].residual >= 0);
        CHECK(gf_hessian_vector(&curve, x[k], hx) == GF_OK);
        for (size_t i = 0; i < curve.n; i++) error += pow((double)hx[i] - found[k].value * (double)x[k][i], 2);
        CHECK_NEAR(sqrt(error), found[k].residual, tolerance);
        for (int other = 0; other < k; other++) {
            double dot = 0;
            for (size_t i = 0; i < curve.n; i++) dot += (double)x[k][i] * (double)x[other][i];
            CHECK_NEAR(dot, 0, within(1e-12, 1e-5));
        }
    }
    TEST("curve: going on for more accuracy gives the bits of one go; new weights begin anew");
    CHECK(gf_hessian_top(&curve, 3, 2, within(1e-9, 1e-4), found) == GF_OK);
    const int second = curve.steps;
    CHECK(second > first && second < 124);
    gf_curve_init(&again, net, &data, GF_LOSS_CROSS_ENTROPY, GF_TRAIN, MOST);
    CHECK(gf_hessian_top(&again, 3, 2, within(1e-9, 1e-4), once) == GF_OK);
    CHECK(again.steps == second);
    for (int k = 0; k < 5; k++) CHECK(memcmp(&found[k].value, &once[k].value, 2 * sizeof(double)) == 0);
    CHECK(gf_hessian_top(&curve, 100, 24, 0, all) == GF_OK);
    for (int k = 0; k < 3; k++) CHECK_NEAR(all[k].value, once[k].value, within(1e-8, 1e-3));
    gf_net_describe(net).params[5] *= 2;
    CHECK(gf_hessian_top(&curve, 1, 0, 1e-2, found) == GF_OK);
    CHECK(curve.steps < 60 && fabs(found[0].value - once[0].value) > 1e-6);
    gf_curve_free(&again);
    TEST("curve: batches of any size give the same H where no layer looks across the batch");
    bend_close(net, &data, &curve);
    double values[3];
    for (int i = 0; i < 3; i++) values[i] = top_in_batches(0, 5 + 7 * i, GF_LOSS_CROSS_ENTROPY, GF_TRAIN);
    CHECK_NEAR(values[0], values[2], within(1e-9, 1e-4));
    CHECK_NEAR(values[1], values[2], within(1e-9, 1e-4));
    for (int i = 0; i < 2; i++) values[i] = top_in_batches(5, 7 + 17 * i, GF_LOSS_MSE, GF_EVAL);
    CHECK_NEAR(values[0], values[1], within(1e-9, 1e-3));
}

// Two points on axes of their own; the gradient knows only the second, whose eigenvalue is the smaller.
static void test_missed(void) {
    enum { WIDE = 3000 };
    static gf_real x[2 * WIDE];
    const gf_real targets[2] = {0, 1};
    gf_dataset data;
    gf_curve curve;
    gf_eigen found = {0, 0, NULL};
    x[0] = (gf_real)1.07;
    x[WIDE + 1] = 1;
    TEST("curve: the largest eigenvalue is found where the gradient has nothing of its vector");
    gf_net *net = gf_net_create(gf_vector(WIDE), 2, 1);
    gf_net_set_bias(net, 0);
    gf_net_set_init(net, gf_init_zero(), gf_init_zero());
    gf_net_dense(net, 1);
    gf_net_build(net);
    gf_data_from_arrays(&data, gf_vector(WIDE), 2, x, NULL, 0, targets, 1);
    gf_curve_init(&curve, net, &data, GF_LOSS_MSE, GF_TRAIN, 20);
    CHECK(gf_hessian_top(&curve, 1, 0, 0.01, &found) == GF_OK);
    CHECK_RELATIVE(found.value, 1.07 * 1.07, 0.002);
    CHECK(curve.steps < 10);
    bend_close(net, &data, &curve);
}

// --- kinks ---

static void test_kinks(void) {
    const gf_real x[1] = {1}, t[1] = {1};
    gf_real hv[1], v[1] = {2};
    gf_dataset data;
    gf_curve curve;
    gf_net *net = gf_net_create(gf_vector(1), 1, 1);
    gf_net_set_bias(net, 0);
    gf_net_dense(net, 1);
    gf_net_act(net, GF_ACT_RELU);
    gf_net_build(net);
    gf_data_from_arrays(&data, gf_vector(1), 1, x, NULL, 0, t, 1);
    gf_curve_init(&curve, net, &data, GF_LOSS_MSE, GF_TRAIN, 1);
    TEST("curve: beside a kink, (relu(w) - 1)² has its second derivative");
    gf_net_describe(net).params[0] = (gf_real)0.5;
    CHECK(gf_hessian_vector(&curve, v, hv) == GF_OK);
    CHECK_NEAR(hv[0], 4, within(1e-9, 1e-4));
    CHECK_NEAR(curve.slope, -2, 1e-6);
    CHECK_NEAR(curve.best_step, 0.25, within(1e-9, 1e-4));
    CHECK_NEAR(curve.kinks, 0, 0);
    TEST("curve: on a kink H is that of the side, and the other is not looked at");
    gf_net_describe(net).params[0] = 0;  // relu'(0) is 0
    CHECK(gf_hessian_vector(&curve, v, hv) == GF_OK);
    CHECK_NEAR(hv[0], 0, 0);
    CHECK_NEAR(curve.kinks, 0.5, 0);  // one of two values would have bent
    CHECK(isinf(curve.best_step));
    gf_net_describe(net).params[0] = (gf_real)1e-30;
    CHECK(gf_hessian_vector(&curve, v, hv) == GF_OK);
    CHECK_NEAR(hv[0], 4, within(1e-9, 1e-4));
    CHECK_NEAR(curve.slope, -4, 1e-6);
    TEST("curve: a flat place has curvature 0");
    gf_net_describe(net).params[0] = -1;
    CHECK(gf_hessian_vector(&curve, v, hv) == GF_OK);
    CHECK(hv[0] <= 0 && hv[0] >= 0 && isinf(curve.best_step));
    v[0] = 0;
    CHECK(gf_hessian_vector(&curve, v, hv) == GF_OK);
    CHECK(hv[0] <= 0 && hv[0] >= 0);
    bend_close(net, &data, &curve);
}

// --- what is put back ---

static const char *const watched = "dense:8 batch_norm relu dropout:0.3 dense:6 tanh dense:3";

static gf_net *watched_open(gf_dataset *data, gf_optim *adam) {
    gf_real x[SAMPLES * 5];
    int labels[SAMPLES];
    gf_net *net = gf_net_create(gf_vector(5), SAMPLES, 11);
    net_add_words(net, watched);
    gf_net_set_probe(net, GF_PROBE_ALL | GF_PROBE_NORMS);
    gf_net_build(net);
    gf_optim_init(adam, net, gf_adam(0.01));
    hash_fill(x, SAMPLES * 5, 31, 1);
    hash_labels(labels, SAMPLES, 32, 3);
    gf_data_from_arrays(data, gf_vector(5), SAMPLES, x, labels, 3, NULL, 0);
    return net;
}

static double watched_step(gf_net *net, const gf_dataset *data, gf_optim *adam) {
    gf_net_forward(net, data->values, SAMPLES, GF_TRAIN);
    const double loss = gf_loss_cross_entropy(net, data->labels);
    gf_net_backward(net);
    gf_net_measure(net);
    gf_optim_step(adam, net);
    gf_net_evaluate(net, data, GF_LOSS_CROSS_ENTROPY, NULL);
    return loss;
}

// Everything that can be read of a net, as one hash.
static uint64_t everything(gf_net *net) {
    const gf_net_info info = gf_net_describe(net);
    uint64_t hash = hash_mix((uint64_t)info.step + (uint64_t)info.nonfinite.found * 1000);
    for (int t = 0; t < info.tensor_count; t++) {
        const gf_tensor *tensor = gf_net_tensor_at(net, t);
        for (size_t i = 0; i < tensor->size * sizeof(gf_real); i++) {
            hash = hash_mix(hash + ((const unsigned char *)tensor->value)[i]);
            if (tensor->grad) hash = hash_mix(hash + ((const unsigned char *)tensor->grad)[i]);
        }
    }
    for (int l = 1; l <= info.affine_count; l++)
        for (int i = 0; gf_probe_field(NULL, i, NULL); i++) {
            double value;
            uint64_t bits;
            gf_probe_field(gf_net_probe(net, l), i, &value);
            memcpy(&bits, &value, sizeof bits);
            hash = hash_mix(hash + bits);
        }
    return hash_mix(hash + (uint64_t)gf_net_correct(net));
}

static void test_restored(void) {
    gf_dataset data, data_twin;
    gf_optim adam, adam_twin;
    gf_curve curve;
    gf_eigen found[2] = {{0, 0, NULL}, {0, 0, NULL}};
    gf_lr_found rates;
    gf_real hv[200], hv_again[200];
    double losses[40], error;
    gf_net *net = watched_open(&data, &adam), *twin = watched_open(&data_twin, &adam_twin);
    for (int mode = GF_TRAIN; mode <= GF_EVAL; mode++) {
        TEST(mode == GF_TRAIN ? "curve: in training mode all is put back"
                              : "curve: in evaluation mode all is put back");
        CHECK(gf_curve_init(&curve, net, &data, GF_LOSS_CROSS_ENTROPY, (gf_mode)mode, 12) == GF_OK);
        for (int step = 0; step < 4; step++) {
            CHECK_NEAR(watched_step(net, &data, &adam), watched_step(twin, &data_twin, &adam_twin), 0);
            const uint64_t before = everything(net);
            const long allocated = alloc_count;
            CHECK(gf_hessian_vector(&curve, NULL, hv) == GF_OK && everything(net) == before);
            CHECK(gf_hessian_vector(&curve, NULL, hv_again) == GF_OK &&
                  memcmp(hv, hv_again, curve.n * sizeof *hv) == 0);
            CHECK(gf_hessian_top(&curve, 1, 1, 1e-3, found) == GF_OK && everything(net) == before);
            CHECK(gf_hessian_trace(&curve, 3, 1, &error) > -100 && everything(net) == before);
            CHECK(alloc_count == allocated);
            CHECK(gf_lr_range(&curve, gf_adam(0), 1e-4, 10, 40, losses, &rates) == GF_OK && everything(net) == before);
        }
        gf_curve_free(&curve);
    }
    CHECK(everything(net) == everything(twin));
    TEST("curve: only the last forward is forgotten");
    gf_net_forward(net, data.values, SAMPLES, GF_TRAIN);
    gf_loss_cross_entropy(net, data.labels);
    CHECK(gf_net_backward(net) == GF_OK);
    gf_curve_init(&curve, net, &data, GF_LOSS_CROSS_ENTROPY, GF_TRAIN, 2);
    gf_hessian_vector(&curve, NULL, NULL);
    CHECK(gf_optim_step(&adam, net) == GF_ERROR_ORDER);
    gf_net_clear_error(net);
    gf_optim_free(&adam);
    gf_optim_free(&adam_twin);
    bend_close(net, &data, &curve);
    gf_net_free(twin);
    gf_data_free(&data_twin);
    CHECK(alloc_live == 0);
}

// --- what goes wrong ---

#define REFUSED(call, code, text)            \
    do {                                     \
        CHECK((call) == (code));             \
        CHECK_TEXT(gf_last_error(), text);   \
        CHECK(gf_net_status(net) == (code)); \
        CHECK_TEXT(gf_net_error(net), text); \
        gf_net_clear_error(net);             \
        CHECK(everything(net) == before);    \
    } while (0)

static void test_errors(void) {
    gf_dataset data;
    gf_optim adam;
    gf_curve curve, empty;
    gf_eigen found[3] = {{0, 0, NULL}, {0, 0, NULL}, {0, 0, NULL}};
    gf_lr_found rates;
    gf_real v[200];
    double losses[8], error;
    gf_net *net = watched_open(&data, &adam);
    watched_step(net, &data, &adam);
    uint64_t before = everything(net);
    const gf_loss_kind kind = GF_LOSS_CROSS_ENTROPY;
    memset(&empty, 0, sizeof empty);
    TEST("curve: wrong arguments of gf_curve_init");
    CHECK(gf_curve_init(NULL, net, &data, kind, GF_TRAIN, 1) == GF_ERROR_ARGUMENT);
    CHECK(gf_curve_init(&curve, NULL, &data, kind, GF_TRAIN, 1) == GF_ERROR_ARGUMENT);
    REFUSED(gf_curve_init(&curve, net, NULL, kind, GF_TRAIN, 1), GF_ERROR_ARGUMENT, "gf_curve_init");
    REFUSED(gf_curve_init(&curve, net, &data, GF_LOSS_MSE, GF_TRAIN, 1), GF_ERROR_SHAPE, "needs targets");
    REFUSED(gf_curve_init(&curve, net, &data, (gf_loss_kind)9, GF_TRAIN, 1), GF_ERROR_ARGUMENT, "loss 9");
    REFUSED(gf_curve_init(&curve, net, &data, kind, (gf_mode)7, 1), GF_ERROR_ARGUMENT, "mode 7");
    REFUSED(gf_curve_init(&curve, net, &data, kind, GF_TRAIN, -1), GF_ERROR_ARGUMENT, "most_steps is -1");
    CHECK(curve.net == NULL && alloc_live > 0);
    gf_curve_free(NULL);
    gf_curve_free(&empty);
    CHECK(gf_hessian_vector(NULL, NULL, NULL) == GF_ERROR_ORDER);
    CHECK(gf_hessian_vector(&empty, NULL, NULL) == GF_ERROR_ORDER);
    CHECK_TEXT(gf_last_error(), "not initialised");
    CHECK(gf_hessian_top(&empty, 1, 0, 0, found) == GF_ERROR_ORDER && isnan(gf_hessian_trace(&empty, 2, 1, &error)));
    CHECK(gf_lr_range(&empty, gf_sgd(1), 1, 2, 4, losses, &rates) == GF_ERROR_ORDER);
    TEST("curve: wrong arguments of the rest");
    CHECK(gf_curve_init(&curve, net, &data, kind, GF_TRAIN, 2) == GF_OK);
    REFUSED(gf_hessian_top(&curve, 0, 0, 0, found), GF_ERROR_ARGUMENT, "0 largest, 0 smallest");
    REFUSED(gf_hessian_top(&curve, 2, 1, 0, found), GF_ERROR_ARGUMENT, "1 to 2 together");
    REFUSED(gf_hessian_top(&curve, -1, 2, 0, found), GF_ERROR_ARGUMENT, "-1 largest");
    REFUSED(gf_hessian_top(&curve, 2147483647, 2147483647, 0, found), GF_ERROR_ARGUMENT, "1 to 2 together");
    REFUSED(gf_hessian_top(&curve, 1, 0, NAN, found), GF_ERROR_ARGUMENT, "accuracy nan");
    REFUSED(gf_hessian_top(&curve, 1, 0, 0, NULL), GF_ERROR_ARGUMENT, "found is NULL");
    REFUSED((error = gf_hessian_trace(&curve, 1, 1, NULL), gf_net_status(net)), GF_ERROR_ARGUMENT, "samples is 1");
    REFUSED(gf_lr_range(&curve, gf_sgd(1), 0, 1, 8, losses, &rates), GF_ERROR_ARGUMENT, "rates 0 to 1");
    REFUSED(gf_lr_range(&curve, gf_sgd(1), 1, 1, 8, losses, &rates), GF_ERROR_ARGUMENT, "rates 1 to 1");
    REFUSED(gf_lr_range(&curve, gf_sgd(1), 1, INFINITY, 8, losses, &rates), GF_ERROR_ARGUMENT, "to inf");
    REFUSED(gf_lr_range(&curve, gf_sgd(1), 1, 2, 3, losses, &rates), GF_ERROR_ARGUMENT, "in 3 steps");
    REFUSED(gf_lr_range(&curve, gf_sgd(1), 1, 2, 8, NULL, &rates), GF_ERROR_ARGUMENT, "losses is NULL");
    REFUSED(gf_lr_range(&curve, gf_sgd(1), 1, 2, 8, losses, NULL), GF_ERROR_ARGUMENT, "found NULL");
    gf_optim_config bad = gf_sgd(1);
    bad.momentum = -1;
    REFUSED(gf_lr_range(&curve, bad, 1, 2, 8, losses, &rates), GF_ERROR_ARGUMENT, "momentum");
    TEST("curve: NaN in v, weights or data is an error, and all is put back");
    for (size_t i = 0; i < curve.n; i++) v[i] = i == 3 ? (gf_real)NAN : 1;
    REFUSED(gf_hessian_vector(&curve, v, NULL), GF_ERROR_NONFINITE, "needs a finite v");
    gf_real *weight = &gf_net_describe(net).params[7], kept = *weight;
    *weight = (gf_real)INFINITY;
    before = everything(net);
    REFUSED(gf_hessian_top(&curve, 1, 0, 0, found), GF_ERROR_NONFINITE, "look for NaN");
    *weight = kept;
    before = everything(net);
    data.values[9] = (gf_real)NAN;
    CHECK(gf_curve_init(&empty, net, &data, kind, GF_TRAIN, 2) == GF_OK);
    REFUSED(gf_hessian_vector(&empty, NULL, NULL), GF_ERROR_NONFINITE, "the loss is");
    REFUSED((error = gf_hessian_trace(&empty, 4, 1, NULL), gf_net_status(net)), GF_ERROR_NONFINITE, "the loss is");
    REFUSED(gf_lr_range(&empty, gf_sgd(1), 1, 2, 8, losses, &rates), GF_ERROR_NONFINITE, "the loss is");
    CHECK(isnan(error));
    data.values[9] = 0;
    gf_curve_free(&empty);
    TEST("curve: data that were lowered, freed or changed for others");
    data.count = 20;
    CHECK(gf_hessian_vector(&curve, NULL, NULL) == GF_OK);
    const double loss = curve.loss;
    CHECK_NEAR(gf_hessian_vector(&curve, NULL, NULL), GF_OK, 0);
    data.count = SAMPLES;
    CHECK(gf_hessian_vector(&curve, NULL, NULL) == GF_OK && fabs(curve.loss - loss) > 0);
    data.labels[2] = 3;
    gf_net_describe(net).params[0] *= 2;
    before = everything(net);
    REFUSED(gf_hessian_vector(&curve, NULL, NULL), GF_ERROR_ARGUMENT, "label 3");
    data.labels[2] = 0;
    gf_dataset gone = data;
    memset(&data, 0, sizeof data);
    REFUSED(gf_hessian_vector(&curve, NULL, NULL), GF_ERROR_ARGUMENT, "gf_hessian_vector");
    gf_optim_free(&adam);
    bend_close(net, &gone, &curve);
    CHECK(alloc_live == 0);
}

static void test_memory(void) {
    gf_dataset data;
    gf_optim adam;
    gf_curve curve;
    gf_lr_found rates;
    double losses[8];
    gf_net *net = watched_open(&data, &adam);
    TEST("curve: each allocation failing in turn");
    long failed = 0;
    for (;; failed++) {
        alloc_count = 0;
        alloc_fail_at = failed;
        gf_status status = gf_curve_init(&curve, net, &data, GF_LOSS_CROSS_ENTROPY, GF_TRAIN, 3);
        if (status == GF_OK) status = gf_lr_range(&curve, gf_adam(0), 1e-4, 1e-3, 8, losses, &rates);
        alloc_fail_at = -1;
        gf_curve_free(&curve);
        if (status == GF_OK) break;
        CHECK(status == GF_ERROR_MEMORY && gf_net_status(net) == GF_ERROR_MEMORY);
        CHECK_TEXT(gf_last_error(), "memory");
        gf_net_clear_error(net);
    }
    CHECK(failed >= 6);
    CHECK(rates.limit > 0 && losses[7] > 0);
    gf_optim_free(&adam);
    gf_data_free(&data);
    gf_net_free(net);
    CHECK(alloc_live == 0);
}

int main(void) {
    test_lines();
    test_limit();
    test_pytorch();
    test_differences();
    test_lanczos();
    test_missed();
    test_kinks();
    test_restored();
    test_errors();
    test_memory();
    return test_report();
}
