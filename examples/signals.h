// signals.h: what a gradient will meet on its way back through a net of dense layers, measured at EVERY step for less
// than the price of the backward pass: |φ'(z)| and |z| of all hidden layers over all samples of the batch, in one pool.
//
//     signals m = signals_begin(net, act, layers, samples, 1e-3, 0.1);        // a built net: dense, act, dense, … dense
//     double v[SIGNALS_COUNT];
//     gf_net_backward(net);
//     signals_measure(&m, v);                                                 // v[DPHI_MEAN], v[Z_NEAR0], …
//     signals_end(&m);
//
// Where do the values lie: in the straight part of φ near z = 0, or on its flat ends? All percentiles are exact, with
// NumPy's linear interpolation between the two nearest ranks. (gf_net_set_probe measures each layer alone, and more.)
#ifndef SIGNALS_H
#define SIGNALS_H
#include "experiment.h"
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("tree-vectorize", "vect-cost-model=dynamic")  // what counts becomes vector code with -O2, too
#endif

// One epoch's signals, in the order of the study's files. dphi: |φ'|, z: |z|, each over all pooled values.
enum { DPHI_SMALL, DPHI_MEAN, DPHI_P10, DPHI_P01, DPHI_LOG, Z_MEAN, Z_P90, Z_NEAR0, LIMIT, SIGNALS_COUNT };
static const char *const signals_names[SIGNALS_COUNT] = {"dphi_small_rate", "dphi_mean_abs", "dphi_p10_abs",
                                                         "dphi_p01_abs",    "dphi_log_mean", "z_mean_abs",
                                                         "z_p90_abs",       "z_near0_rate",  "limit_rate"};

// From one epoch to the next a percentile hardly moves: it is looked for in a narrow window around its last value.
typedef struct signals_window {
    gf_real low, high;
    double half;  // half its width
} signals_window;

enum { SIGNALS_MAX_LAYERS = 8, SIGNALS_BLOCK = 16, SIGNALS_ARRAYS = 6 };

typedef struct signals {
    gf_net *net;
    gf_act act;
    double deriv_eps, linear_eps;  // |φ'| below: gone; |z| up to: still in the straight part
    gf_real below, above;          // z outside lies within 5 % of φ's limits
    int layers;                    // affine ones: hidden layers + 1
    size_t n, padded;              // pooled values: training points · hidden units; rounded up to whole blocks
    gf_real *z, *z_abs, *slope;    // [padded] z, |z| and |φ'(z)|; beyond n there are NaNs, which no comparison counts
    gf_real *ones, *kept, *scratch;
    signals_window z_p90, slope_p10, slope_p01;
} signals;

// For a built net of dense layers with act between them: dense l (from 0) is layer 2l of the net, its activation 2l + 1.
static inline signals signals_begin(gf_net *net, gf_act act, int layers, size_t points, double deriv_eps,
                                    double linear_eps) {
    const signals_window everything = {0, (gf_real)INFINITY, 0};
    const gf_act_info info = gf_act_describe(act);
    signals m;
    memset(&m, 0, sizeof m);
    m.net = net;
    m.act = act;
    m.deriv_eps = deriv_eps;
    m.linear_eps = linear_eps;
    m.below = (gf_real)info.saturated_below;
    m.above = (gf_real)info.saturated_above;
    m.layers = layers;
    for (int l = 0; l + 1 < layers; l++) m.n += points * (size_t)gf_net_layer(net, 2 * l).shape.channels;
    m.padded = (m.n + SIGNALS_BLOCK - 1) / SIGNALS_BLOCK * SIGNALS_BLOCK;
    m.z_p90 = m.slope_p10 = m.slope_p01 = everything;
    gf_real **arrays[SIGNALS_ARRAYS] = {&m.z, &m.z_abs, &m.slope, &m.ones, &m.kept, &m.scratch};
    for (int i = 0; i < SIGNALS_ARRAYS; i++) {
        *arrays[i] =
            i > 0 ? *arrays[i - 1] + m.padded : (gf_real *)ex_realloc(NULL, SIGNALS_ARRAYS * m.padded, sizeof(gf_real));
        for (size_t k = 0; k < m.padded; k++) (*arrays[i])[k] = (gf_real)(k < m.n ? 1 : NAN);
    }
    return m;
}

static inline void signals_end(signals *m) { free(m->z); }

// z of every hidden layer side by side, and φ'(z): the gradient that comes back through φ when a 1 goes in.
static inline void signals_pool(signals *m) {
    size_t at = 0, samples = (size_t)gf_net_describe(m->net).batch;
    for (int l = 0; l + 1 < m->layers; l++) {
        const gf_layer dense = gf_net_layer(m->net, 2 * l);
        size_t count = samples * (size_t)dense.shape.channels;
        memcpy(m->z + at, dense.output, count * sizeof(gf_real));
        at += count;
    }
    gf_act_backward(m->act, m->z, m->ones, m->slope, m->n);
    for (size_t i = 0; i < m->n; i++) {
        m->z_abs[i] = (gf_real)fabs((double)m->z[i]);
        m->slope[i] = (gf_real)fabs((double)m->slope[i]);
    }
}

// The shares of values where the study looks.
static inline void signals_count(const signals *m, double *v) {
    const gf_real linear = (gf_real)m->linear_eps, small = (gf_real)m->deriv_eps;
    unsigned near0 = 0, gone = 0, limit = 0;
    for (size_t i = 0; i < m->n; i++) {
        near0 += m->z_abs[i] <= linear;
        gone += m->slope[i] < small;
        limit += (m->z[i] <= m->below) | (m->z[i] >= m->above);
    }
    v[Z_NEAR0] = near0 / (double)m->n;
    v[DPHI_SMALL] = gone / (double)m->n;
    v[LIMIT] = limit / (double)m->n;
}

// Mean of log(x + 1e-12). Σ log = log Π: one logarithm for 24 numbers, whose product is at least 1e-288. Four products
// at a time, so that no multiplication waits for the one before.
static inline double signals_log_mean(const gf_real *x, size_t n) {
    double sum = 0;
    size_t i = 0;
    for (; i + 96 <= n; i += 96) {
        double product[4] = {1, 1, 1, 1};
        for (size_t k = 0; k < 96; k += 4)
            for (size_t lane = 0; lane < 4; lane++) product[lane] *= (double)x[i + k + lane] + 1e-12;
        for (int lane = 0; lane < 4; lane++) sum += log(product[lane]);
    }
    for (; i < n; i++) sum += log((double)x[i] + 1e-12);
    return sum / (double)n;
}

// Copy what lies in the window to m->kept (unless all of it is the same number); returns how many. *less: how many lie
// below.
static inline size_t signals_keep(signals *m, const gf_real *x, const signals_window *w, size_t *less) {
    const gf_real low = w->low, high = w->high;
    size_t kept = 0, inside = 0;
    *less = 0;
    for (size_t start = 0; start < m->padded; start += SIGNALS_BLOCK) {
        int below = 0, up_to = 0;
        for (size_t i = start; i < start + SIGNALS_BLOCK; i++) {
            below += x[i] < low;
            up_to += x[i] <= high;
        }
        *less += (size_t)below;
        inside += (size_t)(up_to - below);
        if (up_to == below || low == high) continue;  // nearly always: this block has no value in the window
        for (size_t i = start; i < start + SIGNALS_BLOCK; i++)
            if (x[i] >= low && x[i] <= high) m->kept[kept++] = x[i];
    }
    return inside;
}

// Percentile p of x[n]: rank p·(n - 1) of all is rank p·(n - 1) - less of those in the window. If it is not there, the
// window becomes everything; afterwards it is set around the result, as wide as holds some 30 to 80 values.
static inline double signals_percentile(signals *m, const gf_real *x, double p, signals_window *w) {
    double rank = p / 100 * (double)(m->n - 1), value = (double)w->low;
    size_t less, kept = signals_keep(m, x, w, &less);
    int missed = !(rank >= (double)less && rank <= (double)(less + kept) - 1);
    if (missed) {
        w->low = 0;
        w->high = (gf_real)INFINITY;
        kept = signals_keep(m, x, w, &less);
        if (kept < m->n) return NAN;  // there are NaNs in x
    }
    if (w->low < w->high) {
        double share = kept > 1 ? (rank - (double)less) / (double)(kept - 1) : 0;
        value = gf_percentile_abs(m->kept, kept, 100 * share, m->scratch);
    }
    if (missed) w->half = 0.02 * value;
    else w->half *= kept > 80 ? 0.8 : kept < 30 ? 1.25 : 1;
    w->low = (gf_real)fmax(0, value - w->half);
    w->high = (gf_real)(value + w->half);
    return value;
}

// All signals of the last forward pass into v[SIGNALS_COUNT].
static inline void signals_measure(signals *m, double *v) {
    signals_pool(m);
    signals_count(m, v);
    v[Z_MEAN] = gf_stats_of(m->z, m->n).mean_abs;
    v[DPHI_MEAN] = gf_stats_of(m->slope, m->n).mean_abs;
    v[DPHI_LOG] = signals_log_mean(m->slope, m->n);
    v[Z_P90] = signals_percentile(m, m->z_abs, 90, &m->z_p90);
    v[DPHI_P10] = signals_percentile(m, m->slope, 10, &m->slope_p10);
    v[DPHI_P01] = signals_percentile(m, m->slope, 1, &m->slope_p01);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif
