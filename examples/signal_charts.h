// signal_charts.h: the pictures of signal_propagation.c.
#ifndef SIGNAL_CHARTS_H
#define SIGNAL_CHARTS_H
#include "experiment.h"

enum { MAX_DEPTH = 200, MAP_ROWS = 40, MAP_COLUMNS = 60, CURVE = 200, MAX_SPOTS = 1024, DEAD_KINDS = 3 };

typedef struct profile {  // of affine layer l + 1 (the last is the output layer), predicted [0] and measured [1]
    double delta[2][MAX_DEPTH + 1];   // RMS δ, relative to that of the last layer
    double factor[2][MAX_DEPTH + 1];  // RMS δ over that of the layer above
    double q[2][MAX_DEPTH + 1];       // mean z²
} profile;

typedef struct spot {  // a net of the phase diagram, and its test accuracy in % after training
    double weight, bias, accuracy;  // σw², σb²
    int depth;
} spot;

typedef struct range { double w0, w1, b1; } range;  // σw² from w0 to w1, σb² from 0 to b1

// One activation's profile into the three panels of a column: lines predicted, points measured.
static void chart_profile(plot_figure *fig, int column, const char *title, const profile *p, int depth, const char *name, int color) {
    static const char *const y_label[3] = {"RMS δ_{l}, relative to the last", "factor of RMS δ per layer", "q_{l} = mean z^{2}"};
    const double *const series[3][2] = {{p->delta[0], p->delta[1]}, {p->factor[0], p->factor[1]}, {p->q[0], p->q[1]}};
    double x[MAX_DEPTH + 1];
    for (int l = 0; l <= depth; l++) x[l] = l + 1;
    for (int k = 0; k < 3; k++) {
        plot_axes *ax = plot_axes_at(fig, k, column);
        int n = k == 1 ? depth - 1 : depth, first = 0;  // the last factor is that of the output layer, which is narrower
        while (first < n && isnan(series[k][1][first])) first++;
        plot_labels(ax, k ? NULL : title, k < 2 ? NULL : "layer (1 is next to the input)", column ? NULL : y_label[k]);
        if (k == 1) plot_limits_y(ax, 0, 1.4);
        else plot_log_y(ax), plot_limits_y(ax, k ? 1e-6 : 1e-36, k ? 1e4 : 1e6);
        plot_limits_x(ax, 0, depth + 1);
        plot_line(ax, x, series[k][0], n, name, plot_solid(color));
        plot_scatter(ax, x + first, series[k][1] + first, n - first, NULL, plot_points(color, PLOT_CIRCLE));
    }
}

// Ordered (blue) and chaotic (red) phase by √χ, the critical line between them, and which nets trained.
static void chart_phases(plot_axes *ax, gf_act act, const char *name, const spot *spots, int count, range r) {
    static double map[MAP_ROWS * MAP_COLUMNS], critical[CURVE], bias[CURVE], x[2][MAX_SPOTS], y[2][MAX_SPOTS];
    int n[2] = {0, 0};
    char title[160];
    for (int i = 0; i < MAP_ROWS * MAP_COLUMNS; i++) {
        double weight = r.w0 + (r.w1 - r.w0) * (i % MAP_COLUMNS + 0.5) / MAP_COLUMNS;
        map[i] = sqrt(gf_theory_fixed_point(act, weight, r.b1 * (i / MAP_COLUMNS + 0.5) / MAP_ROWS).chi);
    }
    for (int i = 0; i < CURVE; i++) bias[i] = r.b1 * pow((double)i / (CURVE - 1), 3), critical[i] = gf_theory_critical(act, bias[i]);
    for (int i = 0; i < count; i++) {
        int trained = spots[i].accuracy > 50;
        x[trained][n[trained]] = spots[i].weight, y[trained][n[trained]++] = spots[i].bias;
    }
    snprintf(title, sizeof title, "%s, %d layers: blue order, red chaos", name, spots[0].depth);
    plot_labels(ax, title, "σ_{w}^{2}", "σ_{b}^{2}");
    plot_heatmap(ax, map, MAP_ROWS, MAP_COLUMNS, PLOT_SIGNED), plot_heatmap_extent(ax, r.w0, r.w1, 0, r.b1);
    plot_color_range(ax, 0.5, 1.5), plot_color_label(ax, "√χ: factor of RMS δ per layer");
    plot_line(ax, critical, bias, CURVE, "critical, χ = 1", plot_solid(PLOT_BLACK));
    plot_scatter(ax, x[1], y[1], n[1], "learns (> 50 %)", plot_points(PLOT_RGB(0, 120, 40), PLOT_CIRCLE));
    plot_scatter(ax, x[0], y[0], n[0], "does not", plot_points(PLOT_RGB(40, 40, 40), PLOT_CROSS));
    plot_limits_x(ax, r.w0, r.w1), plot_limits_y(ax, 0, r.b1);
}

// Accuracy by σw² and depth (Schoenholz et al. 2017, figure 5), with six of the theory's depth scales over it.
static void chart_depths(plot_axes *ax, gf_act act, const spot *spots, int rows, int columns, range r) {
    static double map[MAX_SPOTS], x[CURVE], six[CURVE];
    double step = spots[0].depth, low = step / 2, high = (rows + 0.5) * step;
    char title[160];
    for (int i = 0; i < rows * columns; i++) map[i] = spots[i].accuracy;
    for (int i = 0; i < CURVE; i++) {
        x[i] = r.w0 + (r.w1 - r.w0) * i / (CURVE - 1);
        six[i] = 6 * gf_theory_fixed_point(act, x[i], spots[0].bias).depth_scale;
        if (!(six[i] < 2 * high)) six[i] = 2 * high;  // outside the picture
    }
    snprintf(title, sizeof title, "σ_{b}^{2} = %g: how deep can it be?", spots[0].bias);
    plot_labels(ax, title, "σ_{w}^{2}", "hidden layers");
    plot_heatmap(ax, map, rows, columns, PLOT_VIRIDIS), plot_heatmap_extent(ax, r.w0, r.w1, low, high);
    plot_color_range(ax, 10, 100), plot_color_label(ax, "test accuracy in %");
    plot_line(ax, x, six, CURVE, "6 depth scales, 6/|ln χ|", plot_dashed(PLOT_RGB(225, 80, 40)));
    plot_limits_x(ax, r.w0, r.w1), plot_limits_y(ax, low, high);
}

// Shares of nets born dead after each layer, counted (points) for one input, the line and a set, under the formulas.
static void chart_dead(plot_figure *fig, int width, int color, int depth, double *const counted[DEAD_KINDS], const double *exact,
                       const double *low, const double *high) {
    static const char *const title[DEAD_KINDS] = {"zero at one given input", "constant on a line: every x of a 1-input net",
                                                  "zero at 50 random inputs in 10 dimensions"};
    double x[MAX_DEPTH];
    char label[64];
    snprintf(label, sizeof label, "width %d", width);
    for (int l = 0; l < depth; l++) x[l] = l + 1;
    for (int k = 0; k < DEAD_KINDS; k++) {
        plot_axes *ax = plot_axes_at(fig, 0, k);
        plot_labels(ax, title[k], "hidden layers", k ? NULL : "share of nets born dead");
        plot_limits_y(ax, 0, 1);
        if (k == 1) plot_band(ax, x, low, high, depth, NULL, plot_solid(color));
        else plot_line(ax, x, exact, depth, NULL, k ? plot_dashed(color) : plot_solid(color));
        plot_line(ax, x, counted[k], depth, label, plot_points(color, PLOT_CIRCLE));
    }
}

#endif
