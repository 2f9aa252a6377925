// test_probe.c: every instrument against a naive recomputation in double from the net's raw arrays.
// build: float double
// Statistics of arrays must agree to rounding in double even for a float net; only φ', which a float kernel computes,
// is held to float accuracy. A constant factor, the wrong layer or the step before fails everywhere here.
#include "../gradflow.h"
#include "nets.h"

enum { INPUTS = 7, BATCH = 5, LARGEST = 9, MOST = 4096 };

static gf_real x[LARGEST * INPUTS];
static char net_words[200];  // the net that is checked
static net_targets targets;

// The whole batch forward, its loss, and backward.
static void there_and_back(gf_net *net) {
    gf_net_forward(net, x, LARGEST, GF_TRAIN), gf_loss_cross_entropy(net, targets.labels), gf_net_backward(net);
}

static const char *const optim_names[] = {"sgd", "adam", "adamw", "rmsprop"};

static double slope_tolerance(void) { return sizeof(gf_real) == 4 ? 2e-5 : 1e-11; }

static int by_size(const void *a, const void *b) {
    double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

// As NumPy's percentile: linear between the neighbours of rank p/100·(n - 1).
static double naive_percentile(double *values, size_t n, double p) {
    double rank = p / 100 * (double)(n - 1);
    size_t k = (size_t)rank, next = k + 1 < n ? k + 1 : k;
    qsort(values, n, sizeof *values, by_size);
    return values[k] + (rank - (double)k) * (values[next] - values[k]);
}

static double naive_norm(const gf_real *v, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

static double naive_std(const gf_real *v, size_t n) {
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i];
    for (size_t i = 0; i < n; i++) square += ((double)v[i] - sum / (double)n) * ((double)v[i] - sum / (double)n);
    return sqrt(square / (double)n);
}

static void check_close(const char *what, double found, double expected, double tolerance) {
    if (!(fabs(found - expected) <= tolerance * fabs(expected)) && !(found == 0 && expected == 0))
        test_fail(__FILE__, __LINE__, "%s is %.17g, expected %.17g", what, found, expected);
}

static void check_stats(const char *what, gf_stats s, const gf_real *v, size_t n) {
    double sum = 0, absolute = 0, largest = 0, zeros = 0;
    char title[64];
    for (size_t i = 0; i < n; i++) {
        sum += (double)v[i], absolute += fabs((double)v[i]), zeros += v[i] == 0;
        largest = fmax(largest, fabs((double)v[i]));
    }
    snprintf(title, sizeof title, "%s: l2", what), check_close(title, s.l2, naive_norm(v, n), 1e-11);
    snprintf(title, sizeof title, "%s: rms", what),
        check_close(title, s.rms, naive_norm(v, n) / sqrt((double)n), 1e-11);
    snprintf(title, sizeof title, "%s: mean", what);
    if (!(fabs(s.mean - sum / (double)n) <= 1e-12 * absolute / (double)n))
        check_close(title, s.mean, sum / (double)n, 0);
    snprintf(title, sizeof title, "%s: mean_abs", what), check_close(title, s.mean_abs, absolute / (double)n, 1e-11);
    snprintf(title, sizeof title, "%s: max_abs", what), check_close(title, s.max_abs, largest, 0);
    snprintf(title, sizeof title, "%s: zero_share", what), check_close(title, s.zero_share, zeros / (double)n, 1e-14);
    CHECK(s.n == n && s.nonfinite == 0);
}

// Where the l-th dense layer stands among all layers; -1 beyond the last.
static int dense_index(gf_net *net, int l) {
    char name[16];
    snprintf(name, sizeof name, "dense%d", l);
    for (int i = 0; i < gf_net_describe(net).layer_count; i++)
        if (!strcmp(gf_net_layer(net, i).name, name)) return i;
    return -1;
}

static int is_activation(gf_net *net, int i) { return !strncmp(gf_net_layer(net, i).name, "act", 3); }

static size_t layer_elements(gf_net *net, int i) {
    return (size_t)gf_net_describe(net).batch * net_shape_size(gf_net_layer(net, i).shape);
}

// Everything that is measured at the activation's input z.
static void check_signal(const gf_layer_probe *p, gf_act act, const gf_real *z, const gf_real *h, size_t n) {
    static double size[MOST], slope[MOST];
    gf_act_info info = gf_act_describe(act);
    double sum = 0, square = 0, near_zero = 0, d_sum = 0, d_square = 0, d_log = 0, small = 0, flat = 0, limit = 0,
           N = (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = fabs(gf_act_derivative(act, (double)z[i]));
        size[i] = fabs((double)z[i]), slope[i] = d;
        sum += size[i], square += size[i] * size[i], near_zero += size[i] <= 0.1;
        d_sum += d, d_square += d * d, d_log += log(d + 1e-12), small += d < 1e-3, flat += d < 0.01 * info.slope_max;
        limit += (double)z[i] <= info.saturated_below || (double)z[i] >= info.saturated_above;
    }
    CHECK_NEAR(p->z_mean, gf_stats_of(z, n).mean, 1e-12);
    check_close("z_std", p->z_std, naive_std(z, n), 1e-9);
    check_close("q", p->q, square / N, 1e-11);
    check_close("z_abs_mean", p->z_abs_mean, sum / N, 1e-11);
    check_close("z_abs_p90", p->z_abs_p90, naive_percentile(size, n, 90), 1e-11);
    check_close("z_near_zero", p->z_near_zero, near_zero / N, 1e-14);
    CHECK_NEAR(p->h_mean, gf_stats_of(h, n).mean, 1e-12);
    check_close("h_std", p->h_std, naive_std(h, n), 1e-8);
    check_close("dphi_mean", p->dphi_mean, d_sum / N, slope_tolerance());
    check_close("dphi_square", p->dphi_square, d_square / N, slope_tolerance());
    check_close("dphi_p10", p->dphi_p10, naive_percentile(slope, n, 10), slope_tolerance());
    check_close("dphi_p01", p->dphi_p01, naive_percentile(slope, n, 1), slope_tolerance());
    CHECK_NEAR(p->dphi_log, d_log / N, slope_tolerance() * (1 + fabs(d_log / N)));
    check_close("dphi_small", p->dphi_small, small / N, 1e-14);
    check_close("limit_share", p->limit_share, limit / N, 1e-14);
    check_close("flat_share", p->flat_share, flat / N, 1e-14);
}

// ‖∂L/∂y‖ of layer i as the layer above passed it on: at a mark without the share of the skip that starts there, which
// is Pᵀ·dy of the add layer, or dy itself.
static double arrived(gf_net *net, int i) {
    gf_real rest[MOST];
    const gf_layer at = gf_net_layer(net, i);
    const size_t n = layer_elements(net, i);
    int a = i + 1;
    memcpy(rest, at.grad, n * sizeof *rest);
    if (!strncmp(at.name, "mark", 4)) {
        while (strncmp(gf_net_layer(net, a).name, "add", 3) != 0) a++;
        const gf_layer add = gf_net_layer(net, a);
        const size_t I = net_shape_size(at.shape), O = net_shape_size(add.shape);
        const gf_tensor *p = strstr(net_words, "project") ? gf_net_tensor(net, "add1.weight") : NULL;
        for (size_t k = 0; k < n; k++) {
            double share = p ? 0 : (double)add.grad[k];
            for (size_t o = 0; o < O && p; o++) share += (double)add.grad[k / I * O + o] * (double)p->value[o * I + k % I];
            rest[k] = (gf_real)((double)rest[k] - share);
        }
    }
    return naive_norm(rest, n);
}

// The parts of ln(‖δ_l‖/‖δ_{l+1}‖) from the gradients at the borders of the layers between them.
static void check_decay(gf_net *net, const gf_layer_probe *p, int from, int to) {
    double weight = 0, slope = 0, rest = 0, tolerance = strstr(net_words, "mark") && sizeof(gf_real) == 4 ? 1e-6 : 1e-9;
    for (int i = to; i > from; i--) {
        double whole = naive_norm(gf_net_layer(net, i).grad, layer_elements(net, i)), part;
        if (!strncmp(gf_net_layer(net, i).name, "mark", 4)) whole = arrived(net, i);
        part = log(arrived(net, i - 1) / whole);
        if (i == to) weight += part;
        else if (is_activation(net, i)) slope += part;
        else rest += part;
    }
    CHECK_NEAR(p->decay_weight, weight, tolerance);
    CHECK_NEAR(p->decay_slope, slope, tolerance);
    CHECK_NEAR(p->decay_rest, rest, tolerance);
    CHECK_NEAR(p->decay, weight + slope + rest, tolerance);
    check_close("exp(decay)", exp(p->decay),
                naive_norm(gf_net_layer(net, from).grad, layer_elements(net, from)) /
                    naive_norm(gf_net_layer(net, to).grad, layer_elements(net, to)),
                1e-9);
}

// Gradients sample by sample, g_n = B·δ_n·h_nᵀ, and the trace of their covariance (divided by B - 1).
static void check_noise(gf_net *net, const gf_layer_probe *p, const gf_tensor *w, int at) {
    size_t batch = (size_t)gf_net_describe(net).batch, O = (size_t)w->dims[0], I = (size_t)w->dims[1];
    const gf_real *delta = gf_net_layer(net, at).grad, *h = at ? gf_net_layer(net, at - 1).output : x;
    double trace = 0, square = 0, signal;
    for (size_t o = 0; o < O; o++)
        for (size_t i = 0; i < I; i++) {
            double mean = 0, spread = 0, B = (double)batch;
            for (size_t n = 0; n < batch; n++) mean += (double)delta[n * O + o] * (double)h[n * I + i]; // Σ g_n / B
            for (size_t n = 0; n < batch; n++) {
                double g = B * (double)delta[n * O + o] * (double)h[n * I + i];
                spread += (g - mean) * (g - mean);
            }
            trace += spread / (B - 1), square += mean * mean;
        }
    signal = square - trace / (double)batch; // ‖mean g‖² overestimates ‖E g‖² by tr Σ/B
    check_close("noise_trace", p->noise_trace, trace, sizeof(gf_real) == 4 ? 1e-5 : 1e-9);
    if (signal <= 0) CHECK(isinf(p->noise_scale));
    else CHECK_NEAR(p->noise_scale * signal / trace, 1, (sizeof(gf_real) == 4 ? 1e-5 : 1e-9) * square / signal);
}

static void check_layer(gf_net *net, gf_act act, int l) {
    int at = dense_index(net, l), next = dense_index(net, l + 1), end = next < 0 ? gf_net_describe(net).layer_count : next, i;
    const gf_layer_probe *p = gf_net_probe(net, l);
    char name[32];
    if (!p || strcmp(p->name, gf_net_layer(net, at).name) != 0) {
        test_fail(__FILE__, __LINE__, "the probe of layer %d is not there or has another name", l);
        return;
    }
    snprintf(name, sizeof name, "dense%d.weight", l);
    gf_tensor *w = gf_net_tensor(net, name);
    snprintf(name, sizeof name, "dense%d.bias", l);
    gf_tensor *b = gf_net_tensor(net, name);
    check_stats("dw", p->dw, w->grad, w->size);
    check_stats("db", p->db, b->grad, b->size);
    check_stats("delta", p->delta, gf_net_layer(net, at).grad, layer_elements(net, at));
    check_noise(net, p, w, at);
    for (i = at + 1; i < end && !is_activation(net, i); i++) {}
    if (i < end)
        check_signal(p, act, gf_net_layer(net, i - 1).output, gf_net_layer(net, i).output, layer_elements(net, i));
    else CHECK(isnan(p->q) && isnan(p->z_abs_p90) && isnan(p->dphi_mean) && isnan(p->limit_share) && isnan(p->h_std));
    if (next >= 0) check_decay(net, p, at, next);
    else CHECK(isnan(p->decay) && isnan(p->decay_weight) && isnan(p->decay_slope) && isnan(p->decay_rest));
}

static void check_updates(gf_net *net, const gf_optim *optim, const gf_real *before, int layers) {
    for (int l = 1; l <= layers; l++) {
        static gf_real change[MOST];
        char name[32];
        snprintf(name, sizeof name, "dense%d.weight", l);
        gf_tensor *w = gf_net_tensor(net, name);
        for (size_t i = 0; i < w->size; i++) change[i] = (gf_real)((double)w->value[i] - (double)before[w->offset + i]);
        double expected = naive_std(change, w->size) / naive_std(before + w->offset, w->size), starved = 0;
        check_close("update_ratio", gf_net_probe(net, l)->update_ratio, expected, sizeof(gf_real) == 4 ? 1e-6 : 1e-9);
        const gf_layer_probe *p = gf_net_probe(net, l);
        int adam = optim->config.kind == GF_ADAM || optim->config.kind == GF_ADAMW;
        for (size_t i = 0; i < w->size && adam; i++)
            starved += sqrt((double)optim->v[w->offset + i] / (1 - pow(optim->config.beta2, (double)optim->step))) <
                       optim->config.eps;
        if (adam) check_close("adam_starved", p->adam_starved, starved / (double)w->size, 1e-14);
        else CHECK(isnan(p->adam_starved));
    }
}

// Two steps first, so that what a stale probe would hold differs; then everything at the third.
static void check_net(const char *form, const char *activation, gf_optim_config config) {
    char *words = net_words, title[280];
    gf_act act;
    gf_optim optim;
    snprintf(words, sizeof net_words, form, activation, activation, activation);
    snprintf(title, sizeof title, "probe %s, %s", words, optim_names[config.kind]);
    TEST(title);
    CHECK(gf_act_from_name(activation, &act));
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    net_add_words(net, words);
    gf_net_set_probe(net, GF_PROBE_ALL);
    CHECK(gf_net_build(net) == GF_OK);
    net_hash_params(net, 70, 4);
    gf_optim_init(&optim, net, config);
    hash_fill(x, LARGEST * INPUTS, 71, 2), net_hash_targets(net, &targets, LARGEST, 72);
    gf_real *before = (gf_real *)malloc(gf_net_describe(net).param_count * sizeof(gf_real));
    int layers = gf_net_describe(net).affine_count;
    CHECK(dense_index(net, layers) >= 0 && dense_index(net, layers + 1) < 0);
    for (int step = 0; step < 3; step++) {
        gf_net_forward(net, x, step < 2 ? LARGEST : BATCH, GF_TRAIN), gf_loss_cross_entropy(net, targets.labels);
        gf_net_backward(net);
        CHECK(gf_net_measure(net) == GF_OK);
        for (int l = 1; l <= layers && step != 1; l++) check_layer(net, act, l);
        memcpy(before, gf_net_describe(net).params, gf_net_describe(net).param_count * sizeof(gf_real));
        CHECK(gf_optim_step(&optim, net) == GF_OK);
        check_updates(net, &optim, before, layers);
    }
    double ratio = gf_net_probe(net, 1)->update_ratio;
    there_and_back(net);
    CHECK(gf_optim_step(&optim, net) == GF_OK);
    CHECK(gf_net_probe(net, 1)->update_ratio == ratio); // of the last MEASURED step
    CHECK(gf_net_probe(net, 0) == NULL && gf_net_probe(net, layers + 1) == NULL);
    free(before);
    gf_optim_free(&optim), gf_net_free(net);
}

static void test_fields(void) {
    gf_optim_config momentum = gf_sgd(0.1), starved = gf_adam(0.01);
    starved.eps = 0.01; // near the gradients' median
    momentum.momentum = 0.9, momentum.weight_decay = 0.05;
    check_net("dense:12 %s dense:9 %s dense:4", "tanh", gf_adam(0.01));
    check_net("dense:12 %s dense:9 %s dense:4", "arctan", starved);
    check_net("dense:12 %s dense:9 %s dense:4", "sigmoid", momentum);
    check_net("dense:12 %s dense:9 %s dense:4", "relu", gf_sgd(0.1));
    check_net("dense:12 %s dense:9 %s dense:4", "gelu", gf_adamw(0.01));
    check_net("dense:12 %s dense:9 %s dense:4", "hard_tanh", gf_rmsprop(0.01));
    check_net("dense:12 %s dense:9 %s dense:4", "softsign", gf_adam(0.01));
    check_net("dense:12 batch_norm %s dense:9 batch_norm %s dense:4", "tanh", gf_adam(0.01));
    check_net("dense:12 layer_norm %s dense:9 %s layer_norm dense:4", "silu", gf_adam(0.01));
    check_net("dense:9 %s mark dense:9 %s dropout:0.3 add:1 dense:4", "tanh", gf_adam(0.01));
    check_net("dense:9 mark %s dense:5 %s project:1 dense:4", "leaky_relu", gf_adam(0.01));
}

// --- norms alone ---

static gf_net *norms_net(unsigned probes) {
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    net_add_words(net, "dense:12 batch_norm tanh dense:9 relu dropout:0.3 dense:4");
    gf_net_set_probe(net, probes);
    CHECK(gf_net_build(net) == GF_OK);
    there_and_back(net);
    return net;
}

static void check_norms_alone(gf_stats found, gf_stats full) {
    CHECK(found.n == full.n && found.l2 == full.l2 && found.rms == full.rms && found.nonfinite == 0);
    CHECK(isnan(found.mean) && isnan(found.mean_abs) && isnan(found.max_abs) && isnan(found.zero_share));
}

static void test_norms(void) {
    TEST("norms taken in passing are those of the full measurement");
    gf_net *all = norms_net(GF_PROBE_ALL), *norms = norms_net(GF_PROBE_NORMS), *none = norms_net(0);
    double norm = gf_net_grad_norm(none);
    check_close("global norm", norm, naive_norm(gf_net_describe(none).grads, gf_net_describe(none).param_count), 1e-12);
    CHECK(gf_net_measure(all) == GF_OK && gf_net_measure(norms) == GF_OK);
    CHECK(gf_net_grad_norm(all) == norm && gf_net_grad_norm(norms) == norm);  // measuring changes no bit of training
    // Layers that share the arrays of their gradients: 2 of width 12 in place of 12 + 12 + 12 + 9 + 9 + 9 + 4.
    const double saved = (double)gf_net_describe(all).bytes - (double)gf_net_describe(norms).bytes;
    CHECK_NEAR(saved, 43 * LARGEST * sizeof(gf_real), 64 * 7);
    CHECK(!gf_net_layer(norms, 2).grad);
    CHECK(gf_net_layer(none, 2).grad && gf_net_layer(all, 2).grad);
    for (int l = 1; l <= 3; l++) {
        const gf_layer_probe *p = gf_net_probe(norms, l), *q = gf_net_probe(all, l);
        check_norms_alone(p->dw, q->dw), check_norms_alone(p->db, q->db), check_norms_alone(p->delta, q->delta);
        CHECK(l == 3 ? isnan(p->decay) : p->decay == q->decay && p->decay_weight == q->decay_weight);
        CHECK(l == 3 ? isnan(p->decay_slope) : p->decay_slope == q->decay_slope && p->decay_rest == q->decay_rest);
        CHECK(isnan(p->q) && isnan(p->noise_trace) && isnan(p->update_ratio));
    }
    TEST("norms follow the gradients: clipped, and not finite");
    gf_net_clip_grad_norm(norms, norm / 2);
    check_close("clipped norm", gf_net_grad_norm(norms), norm / 2, 1e-5);
    gf_net_clip_grad_norm(norms, norm / 4);
    check_close("clipped again", gf_net_grad_norm(norms), norm / 4, 1e-5);
    CHECK(gf_net_measure(norms) == GF_ERROR_ORDER);  // it would show the gradient that clipping has left
    CHECK_TEXT(gf_net_error(norms), "came after gf_net_clip_grad_norm");
    gf_net_clear_error(norms);
    gf_net_tensor(norms, "dense2.weight")->value[3] = INFINITY;
    gf_net_forward(norms, x, LARGEST, GF_TRAIN), gf_loss_cross_entropy(norms, targets.labels);
    gf_net_backward(norms), gf_net_measure(norms);
    CHECK(gf_net_probe(norms, 2)->dw.nonfinite > 0 && gf_net_describe(norms).nonfinite.found);
    CHECK_TEXT(gf_net_describe(norms).nonfinite.layer, "dense2");
    double map[12];
    CHECK(gf_net_gradient_map(norms, 2, map) == GF_ERROR_ORDER);
    CHECK_TEXT(gf_net_error(norms), "GF_PROBE_GRADIENTS");
    gf_net_free(all), gf_net_free(norms), gf_net_free(none);
    TEST("with norms alone, who made the first NaN of a backward is found from the norms");
    norms = norms_net(GF_PROBE_NORMS);
    gf_net_forward(norms, x, LARGEST, GF_TRAIN), gf_loss_cross_entropy(norms, targets.labels);
    gf_net_tensor(norms, "dense2.weight")->value[3] = INFINITY;  // after forward: only backward meets it
    gf_net_backward(norms), gf_net_measure(norms);
    CHECK(gf_net_probe(norms, 1)->delta.nonfinite == 1 && gf_net_probe(norms, 3)->delta.nonfinite == 0);
    CHECK_TEXT(gf_net_describe(norms).nonfinite.layer, "dense2");
    CHECK(gf_net_describe(norms).nonfinite.backward);
    gf_net_free(norms);
}

// Noise is a spread over samples, and one sample has none; signals alone measure no gradient.
static void test_less(void) {
    TEST("a batch of one has no noise scale, and what was not asked for is NaN");
    gf_net *net = norms_net(GF_PROBE_SIGNALS);
    CHECK(gf_net_measure(net) == GF_OK);
    const gf_layer_probe *p = gf_net_probe(net, 1);
    CHECK(p->q > 0 && p->dphi_mean > 0 && isnan(p->dw.l2) && isnan(p->delta.rms) && isnan(p->decay));
    gf_net_free(net);
    net = gf_net_create(gf_vector(INPUTS), 1, 3);
    net_add_words(net, "no_bias:1 dense:12 no_bias:0 tanh dense:4");
    gf_net_set_probe(net, GF_PROBE_ALL), gf_net_build(net);
    gf_net_forward(net, x, 1, GF_TRAIN), gf_loss_cross_entropy(net, targets.labels), gf_net_backward(net);
    CHECK(gf_net_measure(net) == GF_OK);
    p = gf_net_probe(net, 1);
    CHECK(p->dw.l2 > 0 && isnan(p->noise_trace) && isnan(p->noise_scale));
    CHECK(isnan(p->db.l2) && gf_net_probe(net, 2)->db.l2 > 0);  // layer 1 has no bias
    gf_net_free(net);
}

// The value of the field of this name; NaN when there is none.
static double field(const gf_layer_probe *probe, const char *wanted) {
    double value = NAN;
    const char *name;
    for (int i = 0; (name = gf_probe_field(probe, i, &value)) != NULL; i++)
        if (!strcmp(name, wanted)) return value;
    return NAN;
}

static void test_field_names(void) {
    gf_layer_probe p;
    double value = 99;
    int count = 0;
    memset(&p, 0, sizeof p);
    p.dw.l2 = 1;
    p.db.mean_abs = 2;
    p.delta.zero_share = 3;
    p.update_ratio = 4;
    p.decay_slope = 5;
    p.flat_share = 6;
    p.q = 7;
    p.dead_share = 8;
    TEST("probe fields one after the other");
    CHECK(field(&p, "dw.l2") == 1 && field(&p, "db.mean_abs") == 2 && field(&p, "q") == 7);
    CHECK(field(&p, "delta.zero_share") == 3 && field(&p, "update_ratio") == 4 && field(&p, "dead_share") == 8);
    CHECK(field(&p, "decay_slope") == 5 && field(&p, "flat_share") == 6 && isnan(field(&p, "l2")));
    CHECK(!strcmp(gf_probe_field(&p, 0, &value), "dw.l2") && value == 1);
    for (; gf_probe_field(NULL, count, &value); count++) CHECK(gf_probe_field(&p, count, NULL) != NULL);
    CHECK(value == 1);  // no probe, no value
    CHECK(!strcmp(gf_probe_field(&p, count - 1, NULL), "dead_share"));
    CHECK((size_t)count == (sizeof p - sizeof p.name) / sizeof(double) - 3 * (sizeof(gf_stats) / sizeof(double) - 6));
    CHECK(gf_probe_field(&p, -1, &value) == NULL && gf_probe_field(&p, count, &value) == NULL && value == 1);
}

// --- statistics of an array ---

static void test_stats(void) {
    gf_real v[1000], odd[6] = {1, NAN, -3, INFINITY, 0, -INFINITY};
    TEST("stats of arrays of every length near a vector's");
    hash_fill(v, 1000, 5, 3);
    v[3] = v[40] = v[999] = 0;
    for (size_t n = 1; n <= 70; n++) check_stats("hash", gf_stats_of(v + 2, n), v + 2, n);
    check_stats("hash", gf_stats_of(v, 1000), v, 1000);
    TEST("stats accumulate in double: tiny and huge values");
    for (int i = 0; i < 1000; i++) v[i] = (gf_real)(i % 2 ? 1e-30 : -2e-30);
    check_stats("tiny", gf_stats_of(v, 1000), v, 1000);
    for (int i = 0; i < 1000; i++) v[i] = (gf_real)(i % 2 ? 1e30 : 3e30);
    check_stats("huge", gf_stats_of(v, 1000), v, 1000);
    TEST("stats count NaN and infinity and do not hide them");
    gf_stats s = gf_stats_of(odd, 6);
    CHECK(s.n == 6 && s.nonfinite == 3);
    CHECK(!(fabs(s.l2) <= 1e300) && !(fabs(s.rms) <= 1e300) && !(fabs(s.mean_abs) <= 1e300));
    CHECK(gf_stats_of(odd, 1).nonfinite == 0 && gf_stats_of(odd, 2).nonfinite == 1 && isnan(gf_stats_of(odd, 2).l2));
    CHECK(gf_stats_of(v, 0).n == 0 && gf_stats_of(NULL, 5).n == 0 && isnan(gf_stats_of(v, 0).mean));
}

static void test_percentiles(void) {
    static const double at[] = {0, 1, 10, 25, 50, 90, 99, 99.5, 100};
    static gf_real v[5000], scratch[5000];
    char line[1024];
    int rows = 0;
    TEST("percentiles are NumPy's");
    FILE *file = fixture_open("percentile.csv");
    while (file && fgets(line, sizeof line, file)) {
        char *field = strtok(line, ",");
        size_t n = (size_t)atoi(field);
        for (size_t i = 0; i < n; i++)
            v[i] = (gf_real)ldexp(hash_value(5000000 + n, i, 16), (int)(hash_bits(6000000 + n, i) % 12) - 8);
        for (int k = 0; k < 9; k++) {
            field = strtok(NULL, ",\n");
            check_close("percentile", gf_percentile_abs(v, n, at[k], scratch), field ? atof(field) : NAN, 1e-14);
        }
        rows++;
    }
    if (file) fclose(file);
    CHECK(rows == 10);
    TEST("percentiles of ties, sorted, reversed and odd arrays");
    for (int i = 0; i < 101; i++) v[i] = 2;
    CHECK(gf_percentile_abs(v, 101, 37, scratch) == 2);
    for (int i = 0; i < 101; i++) v[i] = (gf_real)(i % 2 ? i : -i);
    CHECK_NEAR(gf_percentile_abs(v, 101, 37.5, scratch), 37.5, 1e-12);
    for (int i = 0; i < 101; i++) v[i] = (gf_real)(100 - i);
    CHECK_NEAR(gf_percentile_abs(v, 101, 99.75, scratch), 99.75, 1e-12);
    CHECK(v[0] == 100); // only scratch is reordered
    v[50] = INFINITY;
    CHECK(isinf(gf_percentile_abs(v, 101, 100, scratch)) && gf_percentile_abs(v, 101, 0, scratch) == 0);
    v[50] = NAN;
    CHECK(isnan(gf_percentile_abs(v, 101, 50, scratch)) && isnan(gf_percentile_abs(v, 0, 50, scratch)));
    CHECK(isnan(gf_percentile_abs(v, 3, 101, scratch)) && isnan(gf_percentile_abs(v, 3, NAN, scratch)));
}

static void test_histogram(void) {
    enum { LOW = -3, HIGH = 2, PER = 4, BINS = 2 * (HIGH - LOW) * PER + 1, N = 4000 };
    static gf_real v[N];
    size_t count[BINS] = {0}, expected[BINS] = {0}, total = 0;
    gf_histogram h;
    memset(&h, 0, sizeof h);
    h.low = LOW, h.high = HIGH, h.per_decade = PER, h.bins = BINS, h.count = count;
    TEST("histogram bins by sign and decade, NaN and infinity apart");
    for (size_t i = 0; i < N; i++) v[i] = (gf_real)ldexp(hash_value(8, i, 16), (int)(hash_bits(9, i) % 24) - 14);
    v[0] = NAN, v[1] = INFINITY, v[2] = -INFINITY, v[3] = 0, v[4] = (gf_real)1e9, v[5] = (gf_real)-1e9,
    v[6] = (gf_real)-1e-9;
    for (size_t i = 3; i < N; i++) {
        int bin = BINS / 2, side = v[i] < 0 ? -1 : 1;
        for (int k = 0; k < (HIGH - LOW) * PER; k++) // bin k beside the middle starts at 10^(low + k/per)
            if (fabs((double)v[i]) >= pow(10, LOW + (double)k / PER)) bin = BINS / 2 + side * (k + 1);
        expected[bin]++;
    }
    CHECK(gf_histogram_add(&h, v, 1000) == GF_OK && gf_histogram_add(&h, v + 1000, N - 1000) == GF_OK);
    CHECK(!memcmp(count, expected, sizeof count));
    for (int k = 0; k < BINS; k++) total += count[k];
    CHECK(total == N - 3 && h.nan_count == 1 && h.inf_count == 2);
    CHECK(count[BINS / 2] > 0 && count[0] > 0 && count[BINS - 1] > 0);
    h.bins = BINS - 1;
    CHECK(gf_histogram_add(&h, v, 10) == GF_ERROR_ARGUMENT);
    CHECK(gf_histogram_add(NULL, v, 10) == GF_ERROR_ARGUMENT);
}

// --- dead units ---

enum { UNITS = 40, EVALUATED = LARGEST + 4 };  // two batches, the second not full

// Evaluate on x and return layer l's share.
static double dead_share(gf_net *net, const gf_real *in, int l) {
    gf_dataset data;
    int labels[EVALUATED] = {0};
    CHECK(gf_data_from_arrays(&data, gf_vector(INPUTS), EVALUATED, in, labels, 4, NULL, 0) == GF_OK);
    CHECK(gf_net_evaluate(net, &data, GF_LOSS_CROSS_ENTROPY, NULL).count == EVALUATED);
    gf_data_free(&data);
    return gf_net_probe(net, l)->dead_share;
}

// Channels of a convolution are dead where z ≤ 0 at every pixel of every sample.
static void test_dead_channels(void) {
    gf_real image[EVALUATED * INPUTS];
    TEST("dead share of channels, and of a last layer that has an activation");
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    hash_fill(image, EVALUATED * INPUTS, 83, 2);
    net_add_words(net, "dense:4 relu dense:5 relu");
    gf_net_set_probe(net, GF_PROBE_SIGNALS);
    gf_net_build(net);
    for (int o = 0; o < 5; o++) gf_net_tensor(net, "dense2.bias")->value[o] = (gf_real)(o == 1 || o == 2 ? -1000 : 1000);
    CHECK_NEAR(dead_share(net, image, 2), 0.4, 1e-12);
    gf_net_free(net);
    net = gf_net_create(gf_image(1, 1, INPUTS), LARGEST, 3);
    net_add_words(net, "conv:3:1x1:1x1:0 max:1:1 relu dense:4");
    gf_net_set_probe(net, GF_PROBE_SIGNALS);
    gf_net_build(net);
    for (int o = 0; o < 3; o++) gf_net_tensor(net, "conv1.weight")->value[o] = 1;
    gf_net_tensor(net, "conv1.bias")->value[0] = -1000;
    gf_net_tensor(net, "conv1.bias")->value[1] = -1;  // somewhere an input exceeds 1
    gf_dataset data;
    int labels[EVALUATED] = {0};
    CHECK(gf_data_from_arrays(&data, gf_image(1, 1, INPUTS), EVALUATED, image, labels, 4, NULL, 0) == GF_OK);
    gf_net_evaluate(net, &data, GF_LOSS_CROSS_ENTROPY, NULL);
    CHECK_NEAR(gf_net_probe(net, 1)->dead_share, 1.0 / 3, 1e-12);
    gf_data_free(&data);
    gf_net_free(net);
}

static void test_dead_share(void) {
    gf_real in[EVALUATED * INPUTS];
    int alive[UNITS] = {0}, dead = 0;
    TEST("dead share: no positive input on any sample of the evaluation");
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    net_add_words(net, "dense:40 relu dense:9 relu dense:4");
    gf_net_set_probe(net, GF_PROBE_SIGNALS);
    gf_net_build(net);
    for (int o = 0; o < UNITS; o++) gf_net_tensor(net, "dense1.bias")->value[o] = (gf_real)-1.0;
    hash_fill(in, EVALUATED * INPUTS, 81, 2);
    CHECK(isnan(gf_net_probe(net, 1)->dead_share));
    for (int start = 0; start < EVALUATED; start += LARGEST) {
        int batch = start ? EVALUATED - LARGEST : LARGEST;
        gf_net_forward(net, in + start * INPUTS, batch, GF_EVAL);
        const gf_real *z = gf_net_layer(net, 0).output;
        for (int i = 0; i < batch * UNITS; i++) alive[i % UNITS] |= z[i] > 0;
    }
    CHECK(isnan(gf_net_probe(net, 1)->dead_share));  // a forward alone counts nothing
    for (int o = 0; o < UNITS; o++) dead += !alive[o];
    CHECK(dead > 0 && dead < UNITS);
    CHECK_NEAR(dead_share(net, in, 1), (double)dead / UNITS, 1e-12);
    CHECK(gf_net_probe(net, 2)->dead_share >= 0 && isnan(gf_net_probe(net, 3)->dead_share));
    TEST("dead share stays until the next evaluation, which counts anew");
    for (int o = 0; o < UNITS; o++) gf_net_tensor(net, "dense1.bias")->value[o] = (gf_real)100;
    there_and_back(net);
    CHECK(gf_net_measure(net) == GF_OK);
    CHECK_NEAR(gf_net_probe(net, 1)->dead_share, (double)dead / UNITS, 1e-12);
    CHECK(dead_share(net, in, 1) == 0);
    for (int o = 0; o < UNITS; o++) gf_net_tensor(net, "dense1.bias")->value[o] = (gf_real)-100;
    CHECK(dead_share(net, in, 1) == 1);
    gf_net_free(net);
    TEST("dead share needs GF_PROBE_SIGNALS");
    net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    net_add_words(net, "dense:40 relu dense:4");
    gf_net_set_probe(net, GF_PROBE_GRADIENTS);
    gf_net_build(net);
    CHECK(isnan(dead_share(net, in, 1)));
    gf_net_free(net);
}

// --- the verdict on nets whose trouble is known ---

enum { VERDICT_WIDTH = 64, VERDICT_BATCH = 32 };

// Measure a deep net of this activation and weights once; bias is constant. The verdict goes to text.
static void verdict_of(char *text, size_t size, const char *activation, int hidden, const char *init, double bias) {
    static gf_real in[VERDICT_BATCH * VERDICT_WIDTH];
    static net_targets aims;
    const gf_init weight = net_init(init);
    gf_act act;
    CHECK(gf_act_from_name(activation, &act));
    gf_net *net = gf_net_create(gf_vector(VERDICT_WIDTH), VERDICT_BATCH, 9);
    gf_net_set_init(net, weight, gf_init_with(GF_INIT_CONSTANT, bias));
    for (int l = 0; l < hidden; l++) gf_net_dense(net, VERDICT_WIDTH), gf_net_act_with(net, act);
    gf_net_dense(net, 10);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_build(net);
    hash_fill(in, VERDICT_BATCH * VERDICT_WIDTH, 91, 2), net_hash_targets(net, &aims, VERDICT_BATCH, 92);
    gf_net_forward(net, in, VERDICT_BATCH, GF_TRAIN), gf_loss_cross_entropy(net, aims.labels), gf_net_backward(net);
    gf_net_measure(net);
    if (gf_net_verdict(net, text, size) != GF_OK) test_fail(__FILE__, __LINE__, "%s", gf_net_error(net));
    gf_net_free(net);
}

// The percentage that stands before `what` in the text; -1 if there is none.
static double percent_before(const char *text, const char *what) {
    const char *at = strstr(text, what), *start;
    if (!at) return -1;
    for (start = at; start > text && start[-1] != ';' && start[-1] != ','; start--) {}
    return strchr(start, '%') && strchr(start, '%') < at ? atof(start) : -1;
}

static void check_verdict(const char *expected, const char *activation, int hidden, const char *init, double bias) {
    char text[400], title[120];
    snprintf(title, sizeof title, "verdict %s: %d × %s, %s, bias %g", expected, hidden, activation, init, bias);
    TEST(title);
    verdict_of(text, sizeof text, activation, hidden, init, bias);
    if (strncmp(text, expected, strlen(expected)) != 0) test_fail(__FILE__, __LINE__, "it says: %s", text);
}

// Gradients under Adam's ε: a net whose rate of adaptation is gone, healthy or not.
static void check_starved(const char *words, const char *expected, const char *part) {
    char text[400];
    gf_optim_config config = gf_adam(0.001);
    gf_optim adam;
    TEST("verdict starved: √v̂ below Adam's ε");
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    net_add_words(net, words);
    gf_net_set_probe(net, GF_PROBE_ALL);
    config.eps = 10;
    gf_net_build(net), gf_optim_init(&adam, net, config);
    there_and_back(net);
    gf_net_measure(net), gf_optim_step(&adam, net);
    CHECK(gf_net_verdict(net, text, sizeof text) == GF_OK);
    CHECK(!strncmp(text, expected, strlen(expected)));
    CHECK_TEXT(text, part);
    gf_optim_free(&adam), gf_net_free(net);
}

// Targets that are the outputs: nothing is left to learn.
static void check_no_gradient(void) {
    gf_real aims[LARGEST * 4];
    char text[400];
    TEST("verdict no gradient: the loss is at its minimum");
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    net_add_words(net, "dense:12 tanh dense:4");
    gf_net_set_probe(net, GF_PROBE_ALL), gf_net_build(net);
    memcpy(aims, gf_net_forward(net, x, LARGEST, GF_TRAIN), sizeof aims);
    CHECK(gf_loss_mse(net, aims) == 0);
    gf_net_backward(net), gf_net_measure(net);
    CHECK(gf_net_verdict(net, text, sizeof text) == GF_OK);
    CHECK_TEXT(text, "no gradient: the loss sends none into layer 2");
    gf_net_free(net);
}

// Twenty residual blocks whose weights, of `gain`, and skips both make the gradient grow.
static void check_skips(const char *activation, double gain, const char *part) {
    char text[400], title[100];
    gf_act act;
    snprintf(title, sizeof title, "verdict exploding through skips: %s", activation);
    TEST(title);
    CHECK(gf_act_from_name(activation, &act));
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 9);
    gf_net_set_init(net, gf_init_with(GF_INIT_XAVIER_NORMAL, gain), gf_init_zero());
    gf_net_dense(net, 32);
    for (int l = 0; l < 20; l++) {
        int mark = gf_net_mark(net);
        gf_net_dense(net, 32), gf_net_act_with(net, act), gf_net_add_from(net, mark);
    }
    gf_net_dense(net, 4);
    gf_net_set_probe(net, GF_PROBE_ALL), gf_net_build(net);
    there_and_back(net);
    gf_net_measure(net);
    CHECK(gf_net_verdict(net, text, sizeof text) == GF_OK);
    CHECK(!strncmp(text, "exploding", 9));
    CHECK_TEXT(text, activation);
    CHECK_TEXT(text, part);
    if (strstr(text, " % Wᵀ")) CHECK(percent_before(text, "Wᵀ") + percent_before(text, "norms and skips") == 100);
    gf_net_free(net);
}

static double faint(double z) { return z / 100; }
static double faint_slope(double z) { return 0 * z + 0.01; }
static double loud_value(double z) { return 20 * z; }
static double loud_slope(double z) { return 0 * z + 20; }

// One measured net with these weights and activations of one kind behind its hidden layers; norm: behind the first.
// Returns the share of layer 1's δ that is 0.
static double verdict_custom(char *text, size_t size, int layers, const gf_act *act, int norm, double gain,
                             double bias) {
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    gf_net_set_init(net, gf_init_xavier(gain), gf_init_with(GF_INIT_CONSTANT, bias));
    for (int l = 0; l < layers; l++) {
        gf_net_dense(net, 32);
        if (norm && l == 0) gf_net_layer_norm(net);
        if (act) gf_net_act_with(net, *act);
    }
    gf_net_dense(net, 4);
    gf_net_set_probe(net, GF_PROBE_ALL), gf_net_build(net);
    there_and_back(net);
    gf_net_measure(net);
    if (gf_net_verdict(net, text, size) != GF_OK) test_fail(__FILE__, __LINE__, "%s", gf_net_error(net));
    const double zero_share = gf_net_probe(net, 1)->delta.zero_share;
    gf_net_free(net);
    return zero_share;
}

// One measured net of these words; all of this tensor's elements, if it has a name, are 20.
static void net_verdict(char *text, size_t size, const char *words, const char *name) {
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    net_add_words(net, words);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_build(net);
    gf_tensor *bias = name ? gf_net_tensor(net, name) : NULL;
    for (size_t o = 0; bias && o < bias->size; o++) bias->value[o] = 20;
    there_and_back(net);
    gf_net_measure(net);
    CHECK(gf_net_verdict(net, text, size) == GF_OK);
    gf_net_free(net);
}

static void check_unusual(void) {
    char text[400];
    gf_act mine = gf_act_custom("mine", faint, faint_slope), nameless = gf_act_custom(NULL, faint, faint_slope),
           loud = gf_act_custom("loud", loud_value, loud_slope), relu = gf_act_default(GF_ACT_RELU);
    TEST("verdict names a custom activation");
    verdict_custom(text, sizeof text, 3, &mine, 0, 1, 0);
    CHECK(!strncmp(text, "vanishing", 9));
    CHECK_TEXT(text, "φ' (mine)");
    verdict_custom(text, sizeof text, 3, &nameless, 0, 1, 0);
    CHECK_TEXT(text, "φ' (custom)");
    nameless.name = NULL;
    verdict_custom(text, sizeof text, 3, &nameless, 0, 1, 0);
    CHECK_TEXT(text, "φ' (custom)");
    verdict_custom(text, sizeof text, 5, &loud, 1, 1, 0);
    CHECK(!strncmp(text, "exploding", 9));
    CHECK_TEXT(text, "φ' (loud)");
    char name[180];
    memset(name, 'n', sizeof name - 1), name[sizeof name - 1] = '\0';
    loud.name = name;  // leaves no room for the norm's part
    verdict_custom(text, sizeof text, 5, &loud, 1, 1, 0);
    CHECK(!strncmp(text, "exploding", 9) && strstr(text, "φ' (nnn"));
    TEST("verdict names the activation that took the gradient, not the first one");
    net_verdict(text, sizeof text, "dense:32 relu dense:32 sigmoid dense:32 sigmoid dense:32 sigmoid dense:32 sigmoid "
                                   "dense:32 sigmoid dense:32 sigmoid dense:4", NULL);
    CHECK(!strncmp(text, "vanishing", 9));
    CHECK_TEXT(text, "φ' (sigmoid)");
    TEST("verdict names the activation of the saturated layer");
    net_verdict(text, sizeof text, "dense:12 tanh dense:12 sigmoid dense:4", "dense2.bias");
    CHECK_TEXT(text, "saturated: 100 % of layer 2's sigmoid inputs");
    TEST("verdict of too large weights where most units are off as well");
    CHECK(verdict_custom(text, sizeof text, 3, &relu, 0, 3000, -4500) > 0.9);
    CHECK_TEXT(text, "the weights are too large");
    TEST("verdict names the layer whose weight gradient alone overflows, and that it was in backward");
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    gf_real in[LARGEST * INPUTS];
    const gf_real large = (gf_real)(sizeof(gf_real) == 4 ? 1e30 : 1e200);
    net_add_words(net, "dense:2 dense:4");
    gf_net_set_probe(net, GF_PROBE_ALL), gf_net_build(net);
    memset(gf_net_describe(net).params, 0, gf_net_describe(net).param_count * sizeof(gf_real));
    for (int i = 0; i < 8; i++) gf_net_tensor(net, "dense2.weight")->value[i] = large / (gf_real)(1 + i);
    for (int i = 0; i < LARGEST * INPUTS; i++) in[i] = large;
    gf_net_forward(net, in, LARGEST, GF_TRAIN), gf_loss_cross_entropy(net, targets.labels), gf_net_backward(net);
    gf_net_measure(net);
    CHECK(gf_net_probe(net, 1)->dw.nonfinite > 0 && gf_net_probe(net, 1)->delta.nonfinite == 0);
    CHECK(gf_net_verdict(net, text, sizeof text) == GF_OK);
    CHECK_TEXT(text, "in dense1, backward");
    gf_net_free(net);
    TEST("verdict after a step that was refused, without a net, and of a net with another error");
    gf_optim sgd;
    net = norms_net(GF_PROBE_ALL);
    gf_optim_init(&sgd, net, gf_sgd(0.1));
    gf_net_tensor(net, "dense2.weight")->value[3] = NAN;
    there_and_back(net);
    CHECK(gf_optim_step(&sgd, net) == GF_ERROR_NONFINITE);
    CHECK(gf_net_verdict(net, text, sizeof text) == GF_ERROR_NONFINITE);
    CHECK_TEXT(text, "non-finite: the first NaN or infinity came at step 0 in dense2, forward");
    gf_optim_free(&sgd);
    gf_net_free(net);
    CHECK(gf_net_verdict(NULL, text, sizeof text) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(text, "the net is NULL");
    net = norms_net(GF_PROBE_ALL);
    gf_net_forward(net, NULL, 1, GF_TRAIN);
    CHECK(gf_net_verdict(net, text, sizeof text) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(text, "gf_net_forward: x is NULL");
    gf_net_free(net);
    TEST("verdict needs gradients, signals, weights and a measurement");
    const unsigned probes[4] = {GF_PROBE_SIGNALS, GF_PROBE_GRADIENTS, GF_PROBE_ALL, GF_PROBE_ALL};
    for (int i = 0; i < 4; i++) {
        net = gf_net_create(gf_vector(4), LARGEST, 3);
        net_add_words(net, i == 2 ? "tanh" : "dense:4 tanh dense:4");
        gf_net_set_probe(net, probes[i]), gf_net_build(net);
        gf_net_forward(net, x, LARGEST, GF_TRAIN), gf_loss_cross_entropy(net, targets.labels), gf_net_backward(net);
        if (i < 3) gf_net_measure(net);
        CHECK(gf_net_verdict(net, text, sizeof text) == GF_ERROR_ORDER);
        CHECK_TEXT(text, "needs gf_net_measure with GF_PROBE_GRADIENTS");
        gf_net_free(net);
    }
}

static void test_limits_at_the_edge(void) {
    TEST("z = 0, where relu's flat side ends, counts as limited");
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 3);
    gf_net_set_init(net, gf_init_zero(), gf_init_zero());
    net_add_words(net, "dense:12 relu dense:4");
    gf_net_set_probe(net, GF_PROBE_ALL), gf_net_build(net);
    there_and_back(net);
    gf_net_measure(net);
    CHECK(gf_net_probe(net, 1)->limit_share == 1 && gf_net_probe(net, 1)->z_near_zero == 1);
    gf_net_free(net);
}

static void test_verdicts(void) {
    char text[400], small[12];
    check_verdict("healthy", "tanh", 5, "xavier", 0);
    check_verdict("healthy", "relu", 8, "kaiming", 0);
    check_verdict("no activation", "identity", 10, "orthogonal", 0);
    check_verdict("vanishing", "sigmoid", 10, "xavier", 0);
    verdict_of(text, sizeof text, "sigmoid", 10, "xavier", 0);
    CHECK_TEXT(text, "φ' (sigmoid) alone");  // Wᵀ works against it here
    verdict_of(text, sizeof text, "sigmoid", 10, "default", 0);
    CHECK_TEXT(text, "(sigmoid)");
    CHECK(percent_before(text, "φ'") > 60 && percent_before(text, "φ'") < 90);  // |φ'| ≤ ¼ beside √⅓ of the weights
    check_verdict("the weights are too small", "tanh", 6, "xavier_0.01", 0);
    check_verdict("vanishing", "relu", 20, "default", 0);
    check_verdict("the weights are too large", "relu", 8, "kaiming_5", 0);
    check_verdict("dead", "relu", 4, "kaiming", -50);
    verdict_of(text, sizeof text, "relu", 4, "kaiming", -50);
    CHECK_TEXT(text, "100 % of layer");
    check_verdict("healthy", "relu", 2, "kaiming", -1.25);  // 92 % of layer 2's δ are 0, but no unit is off for all
    check_no_gradient();
    check_skips("relu", 1.48, ", norms and skips ");
    check_verdict("the weights are too large", "tanh", 3, "xavier_20", 0);
    check_verdict("non-finite", "relu", 3, "kaiming", INFINITY);
    check_starved("dense:12 tanh dense:9 tanh dense:4", "starved: for 100 %", "steps shrink");
    check_starved("dense:9 sigmoid dense:9 sigmoid dense:9 sigmoid dense:9 sigmoid dense:9 sigmoid dense:9 sigmoid "
                  "dense:4", "vanishing", "φ' (sigmoid)");
    check_unusual();
    TEST("verdict fits its buffer");
    memset(small, 'x', sizeof small);
    verdict_of(small, 10, "sigmoid", 10, "xavier", 0);
    CHECK(!strcmp(small, "vanishing") && small[10] == 'x');
}

// Gradients that were clipped or have had their step are not measured as if they were fresh.
static void test_measured_late(void) {
    static const gf_real two[4] = {0, 1, 1, 0};
    static const int labels[2] = {0, 1};
    gf_optim sgd;
    TEST("probes refuse gradients that were clipped or stepped");
    for (int late = 0; late < 3; late++) {
        gf_net *net = gf_net_create(gf_vector(2), 2, 1);
        gf_net_set_probe(net, GF_PROBE_ALL), gf_net_dense(net, 2), gf_net_build(net);
        gf_optim_init(&sgd, net, gf_sgd(0.1));
        gf_net_forward(net, two, 2, GF_TRAIN), gf_loss_cross_entropy(net, labels), gf_net_backward(net);
        gf_net_clip_grad_norm(net, late == 1 ? 1e-3 : 1e9);  // the large one changes nothing
        if (late == 2) gf_optim_step(&sgd, net);
        CHECK(gf_net_measure(net) == (late ? GF_ERROR_ORDER : GF_OK));
        CHECK_TEXT(gf_net_error(net), late == 0 ? "no error" : late == 1 ? "gf_net_clip_grad_norm" : "gf_optim_step");
        gf_optim_free(&sgd), gf_net_free(net);
    }
}

int main(void) {
    test_measured_late();
    test_fields();
    test_norms();
    test_less();
    test_field_names();
    test_stats();
    test_percentiles();
    test_histogram();
    test_dead_share();
    test_dead_channels();
    test_limits_at_the_edge();
    test_verdicts();
    return test_report();
}
