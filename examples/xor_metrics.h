// xor_metrics.h: what xor_mlp.c measures every epoch, in about the time of one forward and backward pass.
//
// The study pools z and φ'(z) of ALL hidden layers over ALL training points (225·32 = 7200 numbers each) and asks where
// they lie: in the straight part of φ near z = 0, or on its flat ends? All percentiles are exact, with NumPy's linear
// interpolation between the two nearest ranks.
#ifndef XOR_METRICS_H
#define XOR_METRICS_H
#include "experiment.h"

#define XOR_MAX_LAYERS 8  // affine layers

enum {  // one epoch's numbers, in the order of the study's own files; then ‖∇W_l‖ and its RMS for l = 1, 2, …
    TRAIN_LOSS, TRAIN_ACC, TEST_LOSS, TEST_ACC, DPHI_SMALL, DPHI_MEAN, DPHI_P10, DPHI_P01, DPHI_LOG, Z_MEAN, Z_P90,
    Z_NEAR0, LIMIT, GRAD, CODE_RATE = GRAD + 2 * XOR_MAX_LAYERS, METRICS
};

static const char *const xor_metric_names[GRAD] = {
    "train_loss", "train_acc", "test_loss", "test_acc", "dphi_small_rate", "dphi_mean_abs", "dphi_p10_abs",
    "dphi_p01_abs", "dphi_log_mean", "z_mean_abs", "z_p90_abs", "z_near0_rate", "limit_rate"};

// From one epoch to the next a percentile hardly moves: it is looked for in a narrow window around its last value.
typedef struct xor_window {
    gf_real low, high;
    double half;  // half its width
} xor_window;

typedef struct xor_meter {
    gf_act act;
    gf_act_info info;              // where φ is within 5 % of its limits
    double deriv_eps, linear_eps;  // |φ'| below: gone; |z| up to: still in the straight part
    int layers;                    // affine ones: hidden layers + 1
    const gf_tensor *weight[XOR_MAX_LAYERS];
    size_t n, padded;              // pooled values: training points · hidden units; up to a whole number of blocks
    gf_real *z, *z_abs, *slope;    // [padded] z, |z| and |φ'(z)|; beyond n there are NaNs, which no comparison counts
    gf_real *ones, *kept, *scratch;
    xor_window z_p90, slope_p10, slope_p01;
} xor_meter;

enum { XOR_BLOCK = 16, XOR_ARRAYS = 6 };  // loops over a fixed number of values are what gcc -O2 turns into vector code

// For a built net of dense layers with act between them, and this many training points.
static inline void xor_meter_init(xor_meter *m, gf_net *net, gf_act act, int layers, size_t points) {
    gf_real **arrays[XOR_ARRAYS] = {&m->z, &m->z_abs, &m->slope, &m->ones, &m->kept, &m->scratch};
    const xor_window everything = {0, (gf_real)INFINITY, 0};
    char name[32];
    m->act = act, m->info = gf_act_measure(act), m->layers = layers, m->n = 0;
    for (int l = 0; l < layers; l++) {
        snprintf(name, sizeof name, "dense%d.weight", l + 1);
        m->weight[l] = gf_net_tensor(net, name);
        if (l + 1 < layers) m->n += points * gf_shape_size(gf_net_layer_shape(net, 2 * l));
    }
    ex_check(net);
    m->z_p90 = m->slope_p10 = m->slope_p01 = everything;
    m->padded = (m->n + XOR_BLOCK - 1) / XOR_BLOCK * XOR_BLOCK;
    for (int i = 0; i < XOR_ARRAYS; i++) {
        *arrays[i] = (gf_real *)ex_realloc(NULL, m->padded, sizeof(gf_real));
        for (size_t k = 0; k < m->padded; k++) (*arrays[i])[k] = (gf_real)(k < m->n ? 1 : NAN);
    }
}

static inline void xor_meter_free(xor_meter *m) {
    free(m->z), free(m->z_abs), free(m->slope), free(m->ones), free(m->kept), free(m->scratch);
}

// z of every hidden layer side by side, and φ'(z): the gradient that comes back through φ when a 1 goes in.
static inline void xor_pool(xor_meter *m, gf_net *net) {
    size_t at = 0;
    for (int l = 0; l + 1 < m->layers; l++) {  // dense l is layer 2l of the net, its activation layer 2l + 1
        size_t count = (size_t)gf_net_batch(net) * gf_shape_size(gf_net_layer_shape(net, 2 * l));
        memcpy(m->z + at, gf_net_layer_output(net, 2 * l), count * sizeof(gf_real));
        at += count;
    }
    memcpy(m->z_abs, m->z, m->n * sizeof(gf_real));
    gf_act_backward(m->act, m->z, m->ones, m->slope, m->n);
    for (size_t start = 0; start < m->padded; start += XOR_BLOCK) {
        gf_real *z = m->z_abs + start, *slope = m->slope + start;
        for (int i = 0; i < XOR_BLOCK; i++) z[i] = (gf_real)fabs((double)z[i]);
        for (int i = 0; i < XOR_BLOCK; i++) slope[i] = (gf_real)fabs((double)slope[i]);
    }
}

// How many values lie where the study looks.
static inline void xor_count(const xor_meter *m, double *v) {
    const gf_real linear = (gf_real)m->linear_eps, small = (gf_real)m->deriv_eps;
    const gf_real below = (gf_real)m->info.saturated_below, above = (gf_real)m->info.saturated_above;
    size_t near0 = 0, gone = 0, limit = 0;
    for (size_t start = 0; start < m->padded; start += XOR_BLOCK) {
        const gf_real *z = m->z + start, *z_abs = m->z_abs + start, *slope = m->slope + start;
        int counts[3] = {0, 0, 0};
        for (int i = 0; i < XOR_BLOCK; i++) counts[0] += z_abs[i] <= linear;
        for (int i = 0; i < XOR_BLOCK; i++) counts[1] += slope[i] < small;
        for (int i = 0; i < XOR_BLOCK; i++) counts[2] += (z[i] <= below) | (z[i] >= above);
        near0 += (size_t)counts[0], gone += (size_t)counts[1], limit += (size_t)counts[2];
    }
    v[Z_NEAR0] = (double)near0 / (double)m->n, v[DPHI_SMALL] = (double)gone / (double)m->n;
    v[LIMIT] = (double)limit / (double)m->n;
}

// Mean of log(x + 1e-12). Σ log = log Π: one logarithm for 24 numbers, whose product is at least 1e-288. Four products
// at a time, so that no multiplication waits for the one before.
static inline double xor_log_mean(const gf_real *x, size_t n) {
    double sum = 0;
    size_t i = 0;
    for (; i + 96 <= n; i += 96) {
        double product[4] = {1, 1, 1, 1};
        for (int k = 0; k < 24; k++)
            for (int lane = 0; lane < 4; lane++) product[lane] *= (double)x[i + (size_t)(4 * k + lane)] + 1e-12;
        for (int lane = 0; lane < 4; lane++) sum += log(product[lane]);
    }
    for (; i < n; i++) sum += log((double)x[i] + 1e-12);
    return sum / (double)n;
}

// Copy what lies in the window to m->kept; returns how many. *less = how many lie below it.
static inline size_t xor_keep(xor_meter *m, const gf_real *x, const xor_window *w, size_t *less) {
    const gf_real low = w->low, high = w->high;
    size_t kept = 0, inside = 0;
    *less = 0;
    for (size_t start = 0; start < m->padded; start += XOR_BLOCK) {
        int below = 0, up_to = 0;
        for (int i = 0; i < XOR_BLOCK; i++) below += x[start + (size_t)i] < low;
        for (int i = 0; i < XOR_BLOCK; i++) up_to += x[start + (size_t)i] <= high;
        *less += (size_t)below, inside += (size_t)(up_to - below);
        if (up_to == below || low == high) continue;
        for (size_t i = start; i < start + XOR_BLOCK; i++)
            if (x[i] >= low && x[i] <= high) m->kept[kept++] = x[i];
    }
    return inside;
}

// Percentile p of x[0..n): rank p·(n - 1) of all is rank p·(n - 1) - less of those in the window. If it is not there,
// the window becomes everything; afterwards it is set around the result, as wide as holds some 30 to 80 values.
static inline double xor_percentile(xor_meter *m, const gf_real *x, double p, xor_window *w) {
    double rank = p / 100 * (double)(m->n - 1), value;
    size_t less, kept = xor_keep(m, x, w, &less);
    int missed = !(rank >= (double)less && rank <= (double)(less + kept) - 1);
    if (missed) {
        w->low = 0, w->high = (gf_real)INFINITY;
        kept = xor_keep(m, x, w, &less);
        if (kept < m->n) return NAN;  // there are NaNs in x
    }
    if (w->low == w->high) value = (double)w->low;
    else
        value = gf_percentile_abs(m->kept, kept, kept > 1 ? 100 * (rank - (double)less) / (double)(kept - 1) : 0,
                                  m->scratch);
    if (missed) w->half = 0.02 * value;
    else w->half *= kept > 80 ? 0.8 : kept < 30 ? 1.25 : 1;
    w->low = (gf_real)fmax(0, value - w->half), w->high = (gf_real)(value + w->half);
    return value;
}

static inline void xor_signals(xor_meter *m, double *v) {
    xor_count(m, v);
    v[Z_MEAN] = gf_stats_of(m->z, m->n).mean_abs, v[DPHI_MEAN] = gf_stats_of(m->slope, m->n).mean_abs;
    v[DPHI_LOG] = xor_log_mean(m->slope, m->n);
    v[Z_P90] = xor_percentile(m, m->z_abs, 90, &m->z_p90);
    v[DPHI_P10] = xor_percentile(m, m->slope, 10, &m->slope_p10);
    v[DPHI_P01] = xor_percentile(m, m->slope, 1, &m->slope_p01);
}

// ‖∇W_l‖₂ and RMS of every affine layer; biases apart.
static inline void xor_gradients(const xor_meter *m, double *v) {
    for (int l = 0; l < m->layers; l++) {
        gf_stats g = gf_stats_of(m->weight[l]->grad, m->weight[l]->size);
        v[GRAD + 2 * l] = g.l2, v[GRAD + 2 * l + 1] = g.rms;
    }
}

// The original edition's rule for dead and saturated units, from the ACTIVATIONS h: relu h = 0, tanh |h| > 0.95, all
// others h < 0.05 or h > 0.95. That is sigmoid's rule: arctan and softsign, whose h lies around 0, break it at rest.
static inline double xor_code_rate(const xor_meter *m, gf_net *net) {
    size_t hits = 0;
    for (int l = 0; l + 1 < m->layers; l++) {
        const gf_real *h = gf_net_layer_output(net, 2 * l + 1);
        size_t count = (size_t)gf_net_batch(net) * gf_shape_size(gf_net_layer_shape(net, 2 * l + 1));
        for (size_t i = 0; i < count; i++) {
            double a = (double)h[i];
            if (m->act.kind == GF_ACT_RELU) hits += a == 0;
            else if (m->act.kind == GF_ACT_TANH) hits += fabs(a) > 0.95;
            else hits += a < 0.05 || a > 0.95;
        }
    }
    return (double)hits / (double)m->n;
}

// All of it into v[METRICS], after backward and before the update.
static inline void xor_measure(xor_meter *m, gf_net *net, int code_rate, double *v) {
    xor_pool(m, net);
    xor_signals(m, v);
    xor_gradients(m, v);
    v[CODE_RATE] = code_rate ? xor_code_rate(m, net) : NAN;
}

#endif
