// signal_charts.h: the pictures of signal_propagation.c. Lines are predicted, rings are measured.
#ifndef SIGNAL_CHARTS_H
#define SIGNAL_CHARTS_H

typedef struct profile {  // of affine layer l + 1 (the last is the output layer), predicted [0] and measured [1]
    double delta[2][MAX_DEPTH + 1];   // RMS δ, relative to that of the last layer
    double factor[2][MAX_DEPTH + 1];  // RMS δ over that of the layer above
    double q[2][MAX_DEPTH + 1];       // mean z²
} profile;

static void draw_prediction(plot_axes *ax, const double *x, const double *predicted, const double *measured, int n,
                            int every, const char *name) {
    double at[MAX_DEPTH + 1], ring[MAX_DEPTH + 1];
    int rings = 0;
    for (int i = 0; i < n; i += every) {
        if (isnan(measured[i])) continue;
        at[rings] = x[i];
        ring[rings++] = measured[i];
    }
    plot_scatter(ax, at, ring, rings, NULL, plot_points(plot_named_color(name), PLOT_RING));
    plot_line(ax, x, predicted, n, name, plot_named_style(name));
}

static plot_figure *begin_profiles(const study *st) {
    static const char *const columns[INITS] = {"default: U(±1/√fan_in)", "xavier, lecun: σ_{w}^{2} = 1",
                                               "kaiming: σ_{w}^{2} = 2", "each φ's own critical σ_{w}^{2}"};
    static const char *const rows[3] = {"RMS δ_{l}, relative to the last", "factor of RMS δ per layer",
                                        "q_{l} = mean z^{2}"};
    static const double low[3] = {1e-36, 0, 1e-6}, high[3] = {1e6, 1.4, 1e4};
    char title[120];
    snprintf(title, sizeof title, "Predicted (lines) and measured (rings): %d hidden layers of %d, before any training",
             st->depth, WIDTH);
    plot_figure *fig = plot_figure_create(1500, 1000, 3, INITS, title);
    plot_shared_legend(fig);
    plot_caption(fig, "a ring every fourth layer; they end where the gradient leaves the numbers of float (10^{-35})");
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < INITS; i++) {
            plot_axes *ax = plot_axes_at(fig, k, i);
            plot_labels(ax, k == 0 ? columns[i] : NULL, k == 2 ? "layer (1 is next to the input)" : NULL,
                        i == 0 ? rows[k] : NULL);
            if (k != 1) plot_log_y(ax);
            plot_limits_x(ax, 0, st->depth + 1);
            plot_limits_y(ax, low[k], high[k]);
        }
    return fig;
}

// One activation's profile into the three panels of a column.
static void draw_profile(plot_figure *fig, int column, const profile *p, int depth, const char *name) {
    double x[MAX_DEPTH + 1];
    for (int l = 0; l <= depth; l++) x[l] = l + 1;
    draw_prediction(plot_axes_at(fig, 0, column), x, p->delta[0], p->delta[1], depth, 4, name);
    draw_prediction(plot_axes_at(fig, 1, column), x, p->factor[0], p->factor[1], depth - 1, 4,
                    name);                                                               // the output layer is
    draw_prediction(plot_axes_at(fig, 2, column), x, p->q[0], p->q[1], depth, 4, name);  // narrower
}

static plot_figure *begin_gains(void) {
    static const char *const variance[7] = {"1/4", "1/2", "1", "2", "4", "8", "16"};
    const double ends[2] = {0, 6}, one[2] = {1, 1};
    plot_figure *fig = plot_figure_create(
        1000, 650, 1, 1, "Every activation has its own gain: 20 layers, predicted (lines), measured (rings)");
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_labels(ax, NULL, "σ_{w}^{2} = fan_in · Var[w]", "factor of RMS δ per layer");
    plot_names_x(ax, variance, 7);
    plot_log_y(ax);
    plot_line(ax, ends, one, 2, "keeps its size", plot_dotted(PLOT_BLACK));
    return fig;
}

typedef struct dead_shares {  // of nets born dead after each layer: counted, and by the formulas
    double one[MAX_DEPTH], line[MAX_DEPTH], fifty[MAX_DEPTH], formula[MAX_DEPTH], low[MAX_DEPTH], high[MAX_DEPTH];
} dead_shares;

static plot_figure *begin_dead(const study *st) {
    static const char *const panels[3] = {"zero at one given input", "constant on a line: every x of a 1-input net",
                                          "zero at 50 random inputs in 10 dimensions"};
    char title[120];
    snprintf(title, sizeof title, "Born dead: relu nets, zero biases, %d random nets of each width", st->trials);
    plot_figure *fig = plot_figure_create(1500, 560, 1, 3, title);
    plot_shared_legend(fig);
    plot_caption(
        fig,
        "points counted; left 1 - Π(1 - 2^{-N}), exact; middle the band between two bounds; right the same formula "
        "as upper bound");
    for (int k = 0; k < 3; k++) {
        plot_labels(plot_axes_at(fig, 0, k), panels[k], "hidden layers", k == 0 ? "share of nets born dead" : NULL);
        plot_limits_y(plot_axes_at(fig, 0, k), 0, 1);
    }
    return fig;
}

static void draw_dead(plot_figure *fig, const dead_shares *d, int width, int color, int depth) {
    const double *const counted[3] = {d->one, d->line, d->fifty};
    double x[MAX_DEPTH];
    char label[32];
    snprintf(label, sizeof label, "width %d", width);
    for (int l = 0; l < depth; l++) x[l] = l + 1;
    plot_line(plot_axes_at(fig, 0, 0), x, d->formula, depth, NULL, plot_solid(color));
    plot_band(plot_axes_at(fig, 0, 1), x, d->low, d->high, depth, NULL, plot_solid(color));
    plot_line(plot_axes_at(fig, 0, 2), x, d->formula, depth, NULL, plot_dashed(color));
    for (int k = 0; k < 3; k++)
        plot_line(plot_axes_at(fig, 0, k), x, counted[k], depth, label, plot_points(color, PLOT_RING));
}

typedef struct spot {               // a net of the phase diagram, and its test accuracy in % after training
    double weight, bias, accuracy;  // σw², σb²
    int depth;
} spot;

typedef struct range {
    double w0, w1, b1;
} range;  // σw² from w0 to w1, σb² from 0 to b1

// Ordered (blue) and chaotic (red) phase by √χ, the critical line between them, and which nets trained.
static void draw_plane(plot_axes *ax, const study *st, const spot *s, int count, range r) {
    enum { ROWS = 40, COLUMNS = 60, CURVE = 200 };
    static double map[ROWS * COLUMNS], critical[CURVE], bias[CURVE], x[2][MAX_SPOTS], y[2][MAX_SPOTS];
    int n[2] = {0, 0};
    char title[80];
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        double weight = r.w0 + (r.w1 - r.w0) * (i % COLUMNS + 0.5) / COLUMNS, b = r.b1 * (i / COLUMNS + 0.5) / ROWS;
        map[i] = sqrt(gf_theory_fixed_point(st->phase, weight, b).chi);
    }
    for (int i = 0; i < CURVE; i++) {
        bias[i] = r.b1 * pow((double)i / (CURVE - 1), 3);
        critical[i] = gf_theory_critical(st->phase, bias[i]);
    }
    for (int i = 0; i < count; i++) {
        int trained = s[i].accuracy > 50;
        x[trained][n[trained]] = s[i].weight;
        y[trained][n[trained]++] = s[i].bias;
    }
    snprintf(title, sizeof title, "%d layers: circles learn (> 50 %%), crosses do not", s[0].depth);
    plot_labels(ax, title, "σ_{w}^{2}", "σ_{b}^{2}");
    plot_heatmap(ax, map, ROWS, COLUMNS, PLOT_SIGNED);
    plot_heatmap_extent(ax, r.w0, r.w1, 0, r.b1);
    plot_color_range(ax, 0.5, 1.5);
    plot_color_label(ax, "√χ: factor of RMS δ per layer");
    plot_line(ax, critical, bias, CURVE, NULL, plot_solid(PLOT_BLACK));
    plot_scatter(ax, x[1], y[1], n[1], NULL, plot_points(PLOT_RGB(0, 120, 40), PLOT_CIRCLE));
    plot_scatter(ax, x[0], y[0], n[0], NULL, plot_points(PLOT_RGB(40, 40, 40), PLOT_CROSS));
    plot_limits_x(ax, r.w0, r.w1);
    plot_limits_y(ax, 0, r.b1);
}

// Accuracy by σw² and depth (Schoenholz et al. 2017, figure 5), with six of the theory's depth scales over it.
static void draw_depths(plot_axes *ax, const study *st, const spot *s, int rows, int columns, range r) {
    enum { CURVE = 200 };
    static double map[MAX_SPOTS], x[CURVE], six[CURVE];
    double low = s[0].depth / 2.0, high = (rows + 0.5) * s[0].depth;
    char title[80];
    for (int i = 0; i < rows * columns; i++) map[i] = s[i].accuracy;
    for (int i = 0; i < CURVE; i++) {
        x[i] = r.w0 + (r.w1 - r.w0) * i / (CURVE - 1);
        six[i] =
            fmin(6 * gf_theory_fixed_point(st->phase, x[i], s[0].bias).depth_scale, 2 * high);  // outside the picture
    }
    snprintf(title, sizeof title, "σ_{b}^{2} = %g: how deep can it be? (dashed: 6/|ln χ|)", s[0].bias);
    plot_labels(ax, title, "σ_{w}^{2}", "hidden layers");
    plot_heatmap(ax, map, rows, columns, PLOT_VIRIDIS);
    plot_heatmap_extent(ax, r.w0, r.w1, low, high);
    plot_color_range(ax, 10, 100);
    plot_color_label(ax, "test accuracy in %");
    plot_line(ax, x, six, CURVE, NULL, plot_dashed(PLOT_RGB(225, 80, 40)));
    plot_limits_x(ax, r.w0, r.w1);
    plot_limits_y(ax, low, high);
}

static void draw_phases(const study *st, const spot *s, int depths, int biases, int columns, range r) {
    char title[160];
    snprintf(title, sizeof title, "Where a deep %s net can learn (%s, %d steps of SGD %g, one seed)", st->phase_name,
             st->data_name, st->steps, st->s.lr);
    plot_figure *fig = plot_figure_create(1600, 760, 1, 2, title);
    plot_caption(
        fig,
        "left: blue order, red chaos, between them the critical line χ = 1. Right: dashed six depth scales, as far "
        "as theory lets a signal reach");
    draw_plane(plot_axes_at(fig, 0, 0), st, s + depths * columns, biases * columns, r);
    draw_depths(plot_axes_at(fig, 0, 1), st, s, depths, columns, r);
    ex_save_chart(fig, st->s.out, "phase.png");
}

#endif
