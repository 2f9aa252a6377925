// bench_scaling.c: how the cost of training grows with batch, depth and width: bench_scaling FILE.png draws it and
// prints the numbers. One thread; every point is the fastest of five training steps or more.
#define _POSIX_C_SOURCE 200809L
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "../examples/plot.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { POINTS = 6, MOST_BATCH = 1024, SIDE = 28, PIXELS = SIDE * SIDE };

static gf_real pixels[MOST_BATCH * PIXELS];
static int labels[MOST_BATCH];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Seconds of a training step of the net, which is freed; with or without Adam's update at its end.
static double step_seconds(gf_net *net, int batch, int update) {
    gf_optim adam;
    double best = INFINITY, all = 0;
    gf_net_dense(net, 10);
    gf_net_build(net);
    gf_optim_init(&adam, net, gf_adam(1e-3));
    for (int trial = 0; trial < 6 || all < 0.15; trial++) {
        double began = now();
        gf_net_forward(net, pixels, batch, GF_TRAIN);
        gf_loss_cross_entropy(net, labels);
        gf_net_backward(net);
        if (update) gf_optim_step(&adam, net);
        double seconds = now() - began;
        if (trial > 0 && seconds < best) best = seconds;
        all += seconds;
    }
    if (gf_net_status(net) != GF_OK) {
        fprintf(stderr, "%s\n", gf_net_error(net));
        exit(1);
    }
    gf_optim_free(&adam), gf_net_free(net);
    return best;
}

static gf_net *mlp(int batch, int hidden, int width) {
    gf_net *net = gf_net_create(gf_image(1, SIDE, SIDE), batch, 1);
    for (int l = 0; l < hidden; l++) gf_net_dense(net, width), gf_net_act(net, GF_ACT_RELU);
    return net;
}

static double mlp_seconds(int batch, int hidden, int width) { return step_seconds(mlp(batch, hidden, width), batch, 1); }

static double cnn_seconds(int batch) {
    gf_net *net = gf_net_create(gf_image(1, SIDE, SIDE), batch, 1);
    for (int channels = 16; channels <= 32; channels *= 2) {
        gf_net_conv2d(net, channels, 3, 1, 1), gf_net_batch_norm(net), gf_net_act(net, GF_ACT_RELU);
        gf_net_max_pool2d(net, 2, 2);
    }
    return step_seconds(net, batch, 1);
}

static void print_row(const char *what, const double *y, const char *format) {
    printf("%-34s", what);
    for (int i = 0; i < POINTS; i++) printf(format, y[i]);
    printf("\n");
}

static void draw_batches(plot_axes *ax) {
    double x[POINTS], wide[POINTS], still[POINTS], deep[POINTS], cnn[POINTS];
    for (int i = 0; i < POINTS; i++) {
        const int batch = 32 << i;
        x[i] = batch;
        wide[i] = 1e6 * mlp_seconds(batch, 2, 256) / batch;
        still[i] = 1e6 * step_seconds(mlp(batch, 2, 256), batch, 0) / batch;
        deep[i] = 1e6 * mlp_seconds(batch, 21, 128) / batch;
        cnn[i] = 1e6 * cnn_seconds(batch) / batch;
    }
    plot_labels(ax, "time per sample", "batch", "microseconds a sample and step");
    plot_log_x(ax), plot_log_y(ax), plot_limits_y(ax, 1, 1000);
    plot_line(ax, x, wide, POINTS, "MLP, 2 × 256", plot_marked(0, PLOT_CIRCLE));
    plot_line(ax, x, still, POINTS, "without Adam's update", plot_dashed(0));
    plot_line(ax, x, deep, POINTS, "MLP, 21 × 128", plot_marked(1, PLOT_CIRCLE));
    plot_line(ax, x, cnn, POINTS, "CNN", plot_marked(2, PLOT_CIRCLE));
    print_row("batch", x, "%9.0f");
    print_row("microseconds a sample, MLP 2 x 256", wide, "%9.2f");
    print_row("without Adam's update", still, "%9.2f");
    print_row("MLP 21 x 128", deep, "%9.2f");
    print_row("CNN, 16 and 32 channels", cnn, "%9.2f");
}

// The first hidden layer reads the image; only those after it are compared.
static void draw_depths(plot_axes *ax) {
    double x[POINTS], y[POINTS], line[POINTS];
    const double one = mlp_seconds(128, 1, 128);
    for (int i = 0; i < POINTS; i++) {
        x[i] = 1 << i;
        y[i] = 1e3 * (mlp_seconds(128, 1 + (1 << i), 128) - one);
    }
    for (int i = 0; i < POINTS; i++) line[i] = y[POINTS - 1] * x[i] / x[POINTS - 1];
    plot_labels(ax, "time against depth", "further layers, 128 → 128", "milliseconds a step, batch 128");
    plot_log_x(ax), plot_log_y(ax);
    plot_line(ax, x, y, POINTS, "measured", plot_points(0, PLOT_CIRCLE));
    plot_line(ax, x, line, POINTS, "linear", plot_dashed(1));
    print_row("layers more than one", x, "%9.0f");
    for (int i = 0; i < POINTS; i++) line[i] = 1e3 * y[i] / x[i];
    print_row("microseconds a layer and step", line, "%9.1f");
}

// What one more hidden layer adds: width² weights.
static void draw_widths(plot_axes *ax) {
    double x[POINTS], y[POINTS], line[POINTS];
    for (int i = 0; i < POINTS; i++) {
        const int width = 32 << i;
        x[i] = width;
        y[i] = 1e3 * (mlp_seconds(128, 5, width) - mlp_seconds(128, 1, width)) / 4;
    }
    for (int i = 0; i < POINTS; i++) line[i] = y[POINTS - 1] * x[i] * x[i] / (x[POINTS - 1] * x[POINTS - 1]);
    plot_labels(ax, "time against width", "width", "milliseconds a layer and step, batch 128");
    plot_log_x(ax), plot_log_y(ax);
    plot_line(ax, x, y, POINTS, "measured", plot_points(0, PLOT_CIRCLE));
    plot_line(ax, x, line, POINTS, "width²", plot_dashed(1));
    print_row("width", x, "%9.0f");
    for (int i = 0; i < POINTS; i++) line[i] = 1e9 * y[i] * 1e-3 / (x[i] * x[i]);
    print_row("nanoseconds a weight and step", line, "%9.2f");
}

int main(int argc, char **argv) {
    plot_figure *fig = plot_figure_create(1800, 620, 1, 3, "Cost of a training step as work grows, one thread");
    if (argc != 2) {
        fprintf(stderr, "use: bench_scaling FILE.png\n");
        return 2;
    }
    for (int i = 0; i < MOST_BATCH * PIXELS; i++) pixels[i] = (gf_real)gf_random_uniform(1, 1, (uint64_t)i);
    for (int i = 0; i < MOST_BATCH; i++) labels[i] = (int)(gfi_random_bits(1, 2, (uint64_t)i) % 10);
    draw_batches(plot_axes_at(fig, 0, 0));
    draw_depths(plot_axes_at(fig, 0, 1));
    draw_widths(plot_axes_at(fig, 0, 2));
    if (!plot_save(fig, argv[1])) {
        fprintf(stderr, "%s\n", plot_error(fig));
        return 1;
    }
    printf("drawn: %s\n", argv[1]);
    plot_figure_free(fig);
    return 0;
}
