// landscape.h: what landscape.c draws and shares: its nets, data for either loss, one line or band of a chart.
#ifndef LANDSCAPE_H
#define LANDSCAPE_H
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"

typedef struct land {
    ex_settings s;
    const char *only, *digits_name, *textures_name;
    gf_dataset digits, textures, test;
} land;

static int wanted(const land *l, const char *picture) {
    return !ex_stop && (strcmp(l->only, "all") == 0 || strcmp(l->only, picture) == 0);
}

// Samples first … first + count - 1 as numbers, with classes, or with ±1 targets for the squared error.
static void take(gf_dataset *to, const gf_dataset *from, size_t first, size_t count, int as_targets) {
    const size_t size = (size_t)from->shape.channels * (size_t)from->shape.height * (size_t)from->shape.width;
    const size_t K = (size_t)from->classes;
    gf_real *x = (gf_real *)ex_realloc(NULL, count * size, sizeof *x);
    gf_real *targets = (gf_real *)ex_realloc(NULL, count * K, sizeof *targets);
    for (size_t i = 0; i < count; i++) gf_data_sample(from, first + i, x + i * size);
    for (size_t i = 0; i < count * K; i++) targets[i] = from->labels[first + i / K] == (int)(i % K) ? 1 : 0;
    const int *labels = as_targets ? NULL : from->labels + first;
    if (gf_data_from_arrays(to, from->shape, count, x, labels, from->classes, as_targets ? targets : NULL,
                            as_targets ? from->classes : 0) != GF_OK)
        ex_die("%s", gf_last_error());
    free(x);
    free(targets);
}

static gf_net *mlp(gf_shape input, int batch, gf_act act, int hidden, int width, int outputs, gf_init weight,
                   int seed) {
    gf_net *net = gf_net_create(input, batch, (uint64_t)seed);
    gf_net_set_init(net, weight, weight.kind == GF_INIT_DEFAULT ? weight : gf_init_zero());
    for (int l = 0; l < hidden; l++) {
        gf_net_dense(net, width);
        gf_net_act_with(net, act);
    }
    gf_net_dense(net, outputs);
    gf_net_build(net);
    ex_check(net);
    return net;
}

typedef struct run {  // one net on one small set, as a whole: no noise
    gf_net *net;
    gf_dataset data;
    gf_loss_kind kind;
    gf_curve curve;
    gf_eigen top;  // the largest eigenvalue, filled by run_look
    gf_optim sgd;
} run;

static void run_open(run *r, gf_net *net, gf_loss_kind kind, double rate, int lanczos) {
    memset(&r->top, 0, sizeof r->top);
    r->net = net;
    r->kind = kind;
    gf_optim_init(&r->sgd, net, gf_sgd(rate));
    gf_curve_init(&r->curve, net, &r->data, kind, GF_TRAIN, lanczos);
    ex_check(net);
}

// The largest eigenvalue; curve holds loss and gradient then.
static double run_look(run *r) {
    gf_hessian_top(&r->curve, 1, 0, 0.01, &r->top);
    ex_check(r->net);
    return r->top.value;
}

// Forward, loss and backward on the whole set; its loss.
static double run_gradient(run *r) {
    gf_net_forward(r->net, r->data.values, (int)r->data.count, GF_TRAIN);
    const double loss = r->kind == GF_LOSS_CROSS_ENTROPY ? gf_loss_cross_entropy(r->net, r->data.labels)
                        : r->kind == GF_LOSS_BCE         ? gf_loss_bce(r->net, r->data.targets)
                                                         : gf_loss_mse(r->net, r->data.targets);
    gf_net_backward(r->net);
    return loss;
}

static double run_step(run *r) {
    const double loss = run_gradient(r);
    gf_optim_step(&r->sgd, r->net);
    return loss;
}

static void run_close(run *r) {
    gf_curve_free(&r->curve);
    gf_optim_free(&r->sgd);
    gf_net_free(r->net);
    gf_data_free(&r->data);
}

static double norm_of(const gf_real *x, size_t n) { return gf_stats_of(x, n).l2; }

// The net's weights w = start + step·v
static void move(gf_net *net, const gf_real *start, double step, const gf_real *v) {
    const gf_net_info info = gf_net_describe(net);
    for (size_t i = 0; i < info.param_count; i++) info.params[i] = (gf_real)((double)start[i] + step * (double)v[i]);
}

static gf_real *copy_of(const gf_real *x, size_t n) {
    gf_real *copy = (gf_real *)ex_realloc(NULL, n, sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    return copy;
}

// A random direction, each unit's weights scaled to the norm of the net's own (Li et al. 2018); 0 for biases and norms.
static gf_real *filter_direction(gf_net *net, uint64_t seed) {
    const gf_net_info info = gf_net_describe(net);
    gf_real *v = (gf_real *)ex_realloc(NULL, info.param_count, sizeof *v);
    for (size_t i = 0; i < info.param_count; i++) v[i] = (gf_real)gf_random_normal(seed, GF_STREAM_USER, i);
    for (int t = 0; t < info.tensor_count; t++) {
        const gf_tensor *w = gf_net_tensor_at(net, t);
        if (!w->grad) continue;
        const size_t filters = w->rank > 1 ? (size_t)w->dims[0] : 1, n = w->size / filters;
        for (size_t f = 0; f < filters; f++) {
            gf_real *part = v + w->offset + f * n;
            const double scale = w->rank > 1 ? norm_of(w->value + f * n, n) / norm_of(part, n) : 0;
            for (size_t i = 0; i < n; i++) part[i] = (gf_real)((double)part[i] * scale);
        }
    }
    return v;
}

static void draw(plot_axes *ax, const ex_series *x, const ex_series *y, const char *label, plot_style style) {
    plot_line(ax, x ? x->v : NULL, y->v, (int)y->n, label, style);
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(ex_series *s) {  // sorts it
    if (s->n == 0) return NAN;
    qsort(s->v, s->n, sizeof *s->v, by_size);
    return s->v[s->n / 2];
}

// Title with data, for every picture.
static plot_figure *land_figure(int width, int height, int rows, int cols, const char *what, const char *data) {
    char title[200];
    snprintf(title, sizeof title, "%s: %s", what, data);
    return plot_figure_create(width, height, rows, cols, title);
}

// For sharpness.png: full-batch descent, the largest eigenvalue 30 times on the way; the first seed is drawn.
static void sharpen(land *l, ex_csv *csv, plot_axes *ax, const char *act_name, gf_loss_kind kind, double rate, int seed,
                    plot_style style, const char *label) {
    const int steps = l->s.quick ? 60 : 1000, every = steps / 30, N = l->s.quick ? 40 : 150;
    ex_series x = {NULL, 0, 0}, lambda = {NULL, 0, 0};
    gf_act act;
    run r;
    gf_act_from_name(act_name, &act);
    take(&r.data, &l->textures, (size_t)(seed * N), (size_t)N, kind == GF_LOSS_MSE);
    run_open(&r, mlp(r.data.shape, N, act, 2, 40, 10, gf_init_with(GF_INIT_DEFAULT, 1), l->s.seed + seed), kind, rate,
             60);
    for (int t = 0; t <= steps && !ex_stop; t++) {
        if (t % every == 0) {
            ex_push(&x, t);
            ex_push(&lambda, run_look(&r));
            ex_csv_row(csv, "%s,%s,%g,%d,%d,%.9g,%.9g", act_name, kind == GF_LOSS_MSE ? "squared" : "cross_entropy",
                       rate, l->s.seed + seed, t, r.curve.loss, r.top.value);
        }
        run_step(&r);
        ex_check(r.net);
    }
    if (seed == 0) draw(ax, &x, &lambda, label, style);
    if (seed == 0) plot_hline(ax, 2 / rate, NULL, plot_dashed(style.color));
    ex_series_free(&x);
    ex_series_free(&lambda);
    run_close(&r);
}
#endif
