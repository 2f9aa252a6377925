// mnist_deep.h: the net of mnist_deep.c, and its charts: what each layer receives, measured and predicted.
#ifndef MNIST_DEEP_H
#define MNIST_DEEP_H
#include "study.h"

enum { WIDTH = 128, DEPTH = 20, LAYERS = DEPTH + 2, INITS = 2 };  // cases come in pairs: default, remedy

static const char *const column_title[INITS] = {"PyTorch's default initialisation",
                                                "the remedy: Kaiming, for sigmoid and tanh Xavier"};

// 784-128, `depth` times 128-128, 10: the activation stands behind every layer but the last.
static gf_net *build(const study *st, const study_case *c, int depth, int seed) {
    gf_net *net = gf_net_create(gf_image(1, 28, 28), st->s.batch, (uint64_t)seed);
    gf_net_set_init(net, c->weight, c->bias);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_set_threads(net, st->s.threads);
    for (int l = 0; l <= depth; l++) {
        gf_net_dense(net, WIDTH);
        gf_net_act_with(net, c->act);
    }
    gf_net_dense(net, 10);
    study_watch(st, net);
    gf_net_build(net);
    ex_check(net);
    return net;
}

// Loss or gradient norm by step, the default beside the remedy, on one log axis.
static void draw_steps(const study *st, int file, const char *column, const char *what, const char *y,
                       const char *name) {
    plot_figure *fig = study_figure(st, 1500, 620, 1, INITS, what);
    plot_shared_legend(fig);
    plot_share_y(fig, PLOT_SHARE_ALL);
    plot_caption(fig, "moving averages");
    for (int k = 0; k < st->case_count; k++) {
        plot_axes *ax = plot_axes_at(fig, 0, k % INITS);
        plot_labels(ax, column_title[k % INITS], "step", y);
        plot_log_y(ax);
        study_draw_steps(ax, st, &st->cases[k], file, column, 0);
    }
    ex_save_chart(fig, st->s.out, name);
}

// RMS δ_l / RMS δ_L by the recursion of signal propagation, for l = 1 … L. input_square is the mean x² of the images.
static void predict(const study_case *c, double input_square, double *ratio) {
    gf_theory_layer layer[LAYERS];
    for (int l = 0; l < LAYERS; l++) {
        int in = l == 0 ? 784 : WIDTH;
        int out = l == LAYERS - 1 ? 10 : WIDTH;
        layer[l] = gf_theory_affine(in, out, out, c->weight, c->bias);
    }
    if (gf_theory_profile(c->act, input_square, layer, LAYERS) != GF_OK) ex_die("%s", gf_last_error());
    for (int l = 0; l < LAYERS; l++) ratio[l] = layer[l].delta;
}

// One case in a panel of draw_profiles: a column of profile.csv at initialisation (with the theory) or at the end.
static void draw_profile(plot_axes *ax, const study *st, const study_case *c, int profile, int is_delta, int at_end,
                         double input_square) {
    double theory[LAYERS];
    plot_style style = study_style(st, c);
    study_curve curve = study_read(st, c, profile, is_delta ? "rms_delta" : "rms_dw");
    const double *y = curve.mean + (at_end ? curve.n - LAYERS : 0);
    style.dash = PLOT_DASHED;
    predict(c, input_square, theory);
    for (int l = 0; l < LAYERS && curve.n >= LAYERS; l++) theory[l] *= y[LAYERS - 1];
    if (is_delta && !at_end && curve.n >= LAYERS) plot_line(ax, curve.x, theory, LAYERS, NULL, style);
    style.dash = at_end ? PLOT_SOLID : PLOT_NO_LINE;
    style.marker = at_end ? PLOT_NO_MARKER : PLOT_RING;
    if (curve.n >= LAYERS) plot_line(ax, curve.x, y, LAYERS, at_end ? c->act_name : NULL, style);
    study_curve_free(&curve);
}

// Where is the gradient lost? RMS δ_l and RMS ∇W_l against the layer, before the first step and after the last.
static void draw_profiles(const study *st, int profile, double input_square) {
    plot_figure *fig = study_figure_first(st, 2000, 1000, 2, 2 * INITS, "Where the gradient is lost");
    plot_shared_legend(fig);
    plot_share_y(fig, PLOT_SHARE_ROW);
    plot_caption(fig,
                 "rings: measured at initialisation; dashed: the theory's recursion, q and χ layer by layer; solid: "
                 "measured after training. One scale in each row; layer 1 is next to the input");
    for (int column = 0; column < 2 * INITS; column++)
        for (int row = 0; row < 2; row++) {
            const int at_end = column % 2;
            plot_axes *ax = plot_axes_at(fig, row, column);
            char title[96];
            snprintf(title, sizeof title, "%s, %s", column / 2 == 0 ? "default" : "remedy",
                     at_end ? "trained" : "untrained");
            plot_labels(ax, row == 0 ? title : NULL, "layer", row == 0 ? "RMS δ_{l}" : "RMS ∇W_{l}");
            plot_log_y(ax);
            for (int k = column / 2; k < st->case_count; k += INITS)
                draw_profile(ax, st, &st->cases[k], profile, row == 0, at_end, input_square);
        }
    ex_save_chart(fig, st->s.out, "grad_by_layer.png");
}

#endif
