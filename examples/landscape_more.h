// landscape_more.h: two pictures of landscape.c that need no eigenvalues: what happens along a step, and slices.
#ifndef LANDSCAPE_MORE_H
#define LANDSCAPE_MORE_H
#include "landscape.h"

// --- smoothness: along a step of descent, how much do loss and gradient change? (Santurkar et al. 2018) ---

// relu of z shifted and stretched, anew at every step: what batch norm has just put right is put wrong again.
static double shift_now = 0, stretch_now = 1;
static double shaken(double z) { return fmax(0, z * stretch_now + shift_now); }
static double shaken_slope(double z) { return z * stretch_now + shift_now > 0 ? stretch_now : 0; }

static gf_net *norm_net(const land *l, gf_shape input, int batch, int kind, int seed) {
    gf_net *net = gf_net_create(input, batch, (uint64_t)(l->s.seed + seed));
    gf_net_set_init(net, gf_init_kaiming(), gf_init_zero());
    for (int i = 0; i < 6; i++) {
        gf_net_dense(net, 64);
        if (kind > 0) gf_net_batch_norm(net);
        if (kind < 2) gf_net_act(net, GF_ACT_RELU);
        else gf_net_act_with(net, gf_act_custom("shaken relu", shaken, shaken_slope));
    }
    gf_net_dense(net, 10);
    gf_net_build(net);
    ex_check(net);
    return net;
}

enum { SMOOTH_NUMBERS = 5 };  // lowest and highest loss and change of the gradient; greatest change for its distance

static void along_step(run *r, double rate, double out[SMOOTH_NUMBERS]) {
    const gf_net_info info = gf_net_describe(r->net);
    run_gradient(r);
    gf_real *start = copy_of(info.params, info.param_count), *g = copy_of(info.grads, info.param_count);
    const double norm = norm_of(g, info.param_count);
    out[0] = out[2] = INFINITY;
    out[1] = out[3] = out[4] = 0;
    for (double step = rate / 2; step <= 4 * rate; step *= sqrt(2)) {
        double change = 0;
        move(r->net, start, -step, g);
        const double loss = run_gradient(r);
        for (size_t i = 0; i < info.param_count; i++) change += pow((double)info.grads[i] - (double)g[i], 2);
        change = sqrt(change);
        out[0] = fmin(out[0], loss);
        out[1] = fmax(out[1], loss);
        out[2] = fmin(out[2], change);
        out[3] = fmax(out[3], change);
        out[4] = fmax(out[4], change / (step * norm));
    }
    move(r->net, start, 0, g);
    free(start);
    free(g);
}

static void smooth(land *l, ex_csv *csv, int kind, int seed, ex_series *x, ex_series out[SMOOTH_NUMBERS]) {
    static const char *const names[3] = {"plain", "batch_norm", "batch_norm_noise"};
    const int steps = l->s.quick ? 40 : 200, B = 100;
    double v[SMOOTH_NUMBERS];
    run r;
    take(&r.data, &l->digits, 0, (size_t)B, 0);
    run_open(&r, norm_net(l, r.data.shape, B, kind, seed), GF_LOSS_CROSS_ENTROPY, l->s.lr, 0);
    for (int t = 0; t < steps && !ex_stop; t++) {
        gf_data_free(&r.data);
        take(&r.data, &l->digits, (size_t)((t + steps * seed) % 20 * B), (size_t)B, 0);
        stretch_now = exp(0.3 * gf_random_normal((uint64_t)seed, GF_STREAM_USER, 2 * (uint64_t)t));
        shift_now = 0.5 * gf_random_normal((uint64_t)seed, GF_STREAM_USER, 2 * (uint64_t)t + 1);
        if (t % 4 == 0) {
            along_step(&r, l->s.lr, v);
            ex_csv_row(csv, "%s,%d,%d,%.9g,%.9g,%.9g,%.9g,%.9g", names[kind], l->s.seed + seed, t, v[0], v[1], v[2],
                       v[3], v[4]);
            ex_push(x, t);
            for (int i = 0; i < SMOOTH_NUMBERS; i++) ex_push(&out[i], v[i]);
        }
        run_step(&r);
        ex_check(r.net);
    }
    run_close(&r);
}

static void smoothness(land *l) {
    static const char *const names[3] = {"plain", "batch norm", "and noise"};
    ex_csv csv;
    ex_csv_open(&csv, &l->s, "smoothness.csv", "net,seed,step,loss_low,loss_high,gradient_low,gradient_high,beta");
    plot_figure *fig = land_figure(1500, 560, 1, 3, "Along a step of half to four times the rate", l->digits_name);
    plot_axes *ax[3] = {plot_axes_at(fig, 0, 0), plot_axes_at(fig, 0, 1), plot_axes_at(fig, 0, 2)};
    plot_labels(ax[0], "loss, from least to greatest", "step", NULL);
    plot_labels(ax[1], "change of the gradient ‖g' - g‖", "step", NULL);
    plot_labels(ax[2], "effective smoothness, max ‖g' - g‖/‖w' - w‖", "step", NULL);
    for (int i = 0; i < 3; i++) plot_log_y(ax[i]);
    for (int kind = 0; kind < 3; kind++)
        for (int seed = 0; seed < l->s.seeds && !ex_stop; seed++) {
            ex_series x = {NULL, 0, 0},
                      v[SMOOTH_NUMBERS] = {{NULL, 0, 0}, {NULL, 0, 0}, {NULL, 0, 0}, {NULL, 0, 0}, {NULL, 0, 0}};
            smooth(l, &csv, kind, seed, &x, v);
            const int n = (int)x.n, first = seed == 0;
            if (first) plot_band(ax[0], x.v, v[0].v, v[1].v, n, names[kind], plot_solid(kind));
            if (first) plot_band(ax[1], x.v, v[2].v, v[3].v, n, NULL, plot_solid(kind));
            if (first) plot_line(ax[2], x.v, v[4].v, n, NULL, plot_solid(kind));
            ex_series_free(&x);
            for (int i = 0; i < SMOOTH_NUMBERS; i++) ex_series_free(&v[i]);
        }
    ex_csv_close(&csv);
    ex_save_chart(fig, l->s.out, "smoothness.png");
}

// --- surface: the loss on a plane through the trained weights ---

enum { PLAIN, NORMED, SKIPS, SIGMOID, NETS };

static gf_net *deep_net(const land *l, gf_shape input, int batch, int kind, int seed) {
    gf_net *net = gf_net_create(input, batch, (uint64_t)(l->s.seed + seed));
    gf_net_set_init(net, kind == SIGMOID ? gf_init_xavier(1) : gf_init_kaiming(), gf_init_zero());
    gf_net_dense(net, 32);
    for (int i = 0; i < 20; i++) {
        const int mark = kind == SKIPS ? gf_net_mark(net) : 0;
        if (kind == SKIPS) gf_net_set_init(net, gf_init_with(GF_INIT_KAIMING_NORMAL, 0.3), gf_init_zero());
        if (i > 0 || kind != SKIPS) gf_net_act(net, kind == SIGMOID ? GF_ACT_SIGMOID : GF_ACT_RELU);
        gf_net_dense(net, 32);
        if (kind == NORMED) gf_net_batch_norm(net);
        if (kind == SKIPS) gf_net_add_from(net, mark);
    }
    gf_net_act(net, kind == SIGMOID ? GF_ACT_SIGMOID : GF_ACT_RELU);
    gf_net_dense(net, 10);
    gf_net_build(net);
    ex_check(net);
    return net;
}

// The loss at start + a·u + b·v; batch norm by the batch's own statistics.
static double height(run *r, const gf_real *start, double a, const gf_real *u, double b, const gf_real *v) {
    const gf_net_info info = gf_net_describe(r->net);
    for (size_t i = 0; i < info.param_count; i++)
        info.params[i] = (gf_real)((double)start[i] + a * (double)u[i] + b * (double)v[i]);
    gf_net_forward(r->net, r->data.values, (int)r->data.count, GF_TRAIN);
    return gf_loss_cross_entropy(r->net, r->data.labels);
}

// Twice the weights before batch norm are the same function; directions as long as the weights make it the same surface.
static void check_doubling(land *l, run *r, const gf_real *start, double here) {
    gf_real *w = copy_of(start, gf_net_describe(r->net).param_count);
    for (int t = 0; t < gf_net_describe(r->net).tensor_count; t++) {
        const gf_tensor *tensor = gf_net_tensor_at(r->net, t);
        if (!tensor->grad || tensor->rank < 2 || tensor->dims[0] == 10 || tensor->offset == 0) continue;
        for (size_t i = 0; i < tensor->size; i++) w[tensor->offset + i] *= 2;
    }
    memcpy(gf_net_describe(r->net).params, w, gf_net_describe(r->net).param_count * sizeof *w);
    gf_real *u = filter_direction(r->net, 1), *v = filter_direction(r->net, 2);
    const double doubled = height(r, w, 0.5, u, -0.5, v);
    printf("batch norm, all weights before it doubled: loss %.6f in a corner of the surface, %.6f before\n", doubled,
           here);
    if (!(fabs(doubled - here) <= 0.02 * here))
        ex_die("%s: the surface of batch norm depends on the weights' size", l->s.name);
    free(w);
    free(u);
    free(v);
}

static void slice(land *l, int kind, int seed, int grid, double *z) {
    const int batch = 50, N = l->s.quick ? 500 : 2000;
    const size_t seen = 200;
    run r;
    gf_batches batches;
    gf_optim adam;
    gf_dataset all;
    take(&all, &l->digits, 0, (size_t)N, 0);
    take(&r.data, &all, 0, seen, 0);
    run_open(&r, deep_net(l, all.shape, (int)seen, kind, seed), GF_LOSS_CROSS_ENTROPY, 0.1, 0);
    gf_optim_init(&adam, r.net, gf_adam(1e-3));
    gf_batches_init(&batches, &all, batch, 1, GF_SHUFFLE);
    for (int epoch = 0; epoch < (l->s.quick ? 8 : 40) && !ex_stop; epoch++)
        while (gf_batches_next(&batches)) {
            gf_net_forward(r.net, batches.x, batches.n, GF_TRAIN);
            gf_loss_cross_entropy(r.net, batches.labels);
            gf_net_backward(r.net);
            gf_optim_step(&adam, r.net);
        }
    const gf_net_info info = gf_net_describe(r.net);
    gf_real *start = copy_of(info.params, info.param_count);
    gf_real *u = filter_direction(r.net, 1), *v = filter_direction(r.net, 2);
    for (int i = 0; i < grid * grid; i++)
        z[i] = height(&r, start, 2.0 * (i % grid) / (grid - 1) - 1, u, 1 - 2.0 * (i / grid) / (grid - 1), v);
    if (kind == NORMED) check_doubling(l, &r, start, height(&r, start, 0.5, u, -0.5, v));
    ex_check(r.net);
    free(start);
    free(u);
    free(v);
    gf_batches_free(&batches);
    gf_optim_free(&adam);
    gf_data_free(&all);
    run_close(&r);
}

static void surface(land *l) {
    static const char *const names[NETS] = {"relu, plain", "relu, batch norm", "relu, skips", "sigmoid, plain"};
    static double z[41 * 41];
    const int grid = l->s.quick ? 11 : 41;
    ex_csv csv;
    ex_csv_open(&csv, &l->s, "surface.csv", "net,seed,loss,lowest,highest,share_within_one");
    plot_figure *fig = land_figure(2000, 520, 1, NETS, "Loss around a trained net of 21 layers", l->digits_name);
    plot_caption(fig, "in the titles the loss in the middle; white lines: 0.1, 0.2, 0.4 … 12.8; yellow: 50 and more");
    for (int kind = 0; kind < NETS; kind++)
        for (int seed = 0; seed < l->s.seeds && !ex_stop; seed++) {
            char title[96];
            double low = INFINITY, high = 0, within = 0;
            slice(l, kind, seed, grid, z);
            for (int i = 0; i < grid * grid; i++) {
                if (!(z[i] < 1e9)) z[i] = 1e9;
                low = fmin(low, z[i]);
                high = fmax(high, z[i]);
                within += z[i] < z[grid * grid / 2] + 1;
            }
            ex_csv_row(&csv, "%d,%d,%.9g,%.9g,%.9g,%.9g", kind, l->s.seed + seed, z[grid * grid / 2], low, high,
                       within / (grid * grid));
            if (seed > 0) continue;
            plot_axes *ax = plot_axes_at(fig, 0, kind);
            snprintf(title, sizeof title, "%s: %.2f", names[kind], z[grid * grid / 2]);
            plot_labels(ax, title, "along u", "along v");
            plot_heatmap(ax, z, grid, grid, PLOT_VIRIDIS);
            plot_heatmap_extent(ax, -1, 1, 1, -1);
            plot_heatmap_square(ax);
            plot_color_log(ax);
            plot_color_range(ax, 0.05, 50);
            plot_color_label(ax, "cross entropy");
            for (double level = 0.1; level < 20; level *= 2)
                plot_contour(ax, level, NULL, plot_solid(PLOT_RGB(255, 255, 255)));
        }
    ex_csv_close(&csv);
    ex_save_chart(fig, l->s.out, "surface.png");
}
#endif
