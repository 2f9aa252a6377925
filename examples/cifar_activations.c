// cifar_activations.c: five activations in a CNN with batch norm. Does the gradient still vanish, and which one wins?
//
//     cc -O2 examples/cifar_activations.c -o cifar_activations -lm && ./cifar_activations
//
// Model     conv 3→32, 32→64, 64→128 (3×3, pad 1), each + batch norm + activation + max-pool 2; dense 256 + activation
//           + dropout 0.3; dense 10
// Training  CIFAR-10 scaled to [-1, 1], no augmentation, Adam 1e-3, batches of 128, 10 epochs
// Claimed   swish 88.9 %, leaky_relu 86.2, relu 84.5, tanh 80.1, sigmoid 78.3; "sigmoid vanishes beyond layer 5"
// Look for  the ranking holds, the claimed numbers are ten points too high; sigmoid's gradient is small but does not
//           vanish (and there are only five layers), its test accuracy swings from epoch to epoch
// Try next  --dropout 0 · --activations gelu,mish,selu · --lr 3e-4 · --seeds 3
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"
#include "cifar.h"

enum { SIDE = 32, PIXELS = SIDE * SIDE, LAYERS = 5, SAMPLES = 4 };

static gf_net *build(const ex_settings *s, gf_act act, int seed) {
    static const int channels[] = {32, 64, 128};
    gf_net *net = gf_net_create(gf_image(3, SIDE, SIDE), s->batch, (uint64_t)seed);
    gf_net_init(net, s->weight_init, s->bias_init);
    gf_net_probe(net, GF_PROBE_ALL);
    gf_net_threads(net, s->threads);
    for (int l = 0; l < EX_COUNT(channels); l++) {
        gf_net_conv2d(net, channels[l], 3, 1, 1), gf_net_batch_norm(net), gf_net_activation(net, act);
        gf_net_max_pool2d(net, 2, 2);
    }
    gf_net_dense(net, 256), gf_net_activation(net, act), gf_net_dropout(net, s->dropout);
    gf_net_dense(net, 10);
    gf_net_build(net);
    return net;
}

// ‖∇‖ of every step for activations first … last; raw and smoothed.
static void draw_norms(plot_axes *ax, const cifar_study *st, int first, int last) {
    plot_labels(ax, "gradient norm, all parameters", "step", "‖∇‖"), plot_log_y(ax);
    for (int a = first; a <= last; a++) {
        cifar_curve norm = cifar_read(st, a, CIFAR_STEPS, "grad_norm");
        plot_smooth(ax, NULL, norm.mean, norm.n, 0, st->s.act_name[a], plot_solid(a));
        free(norm.mean);
    }
}

// The three curves of activations first … last as files prefixLOSS, prefixACCURACY, prefixGRADIENT.
static void chart_curves(const cifar_study *st, int first, int last, const char *who, const char *const names[3]) {
    char file[96];
    for (int c = 0; c < 3; c++) {
        plot_figure *fig = cifar_figure(st, 1000, 620, 1, 1, who);
        plot_axes *ax = plot_axes_at(fig, 0, 0);
        if (c < 2) cifar_draw_both(ax, st, first, last, c == 0 ? "loss" : "acc");
        else draw_norms(ax, st, first, last);
        if (last > first) plot_legend(ax, PLOT_LEGEND_OUTSIDE);
        snprintf(file, sizeof file, first == last ? "%s_%s" : "%.0s%s", who, names[c]);
        ex_save_chart(fig, st->s.out, file);
    }
}

// Does the gradient shrink from layer to layer? In the first epoch and in the last.
static void chart_layers(const cifar_study *st) {
    const double x[LAYERS] = {1, 2, 3, 4, 5};
    plot_figure *fig = cifar_figure(st, 1500, 600, 1, 2, "RMS δ by layer");
    plot_shared_legend(fig);
    for (int last = 0; last < 2; last++) {
        plot_axes *ax = plot_axes_at(fig, 0, last);
        plot_labels(ax, last ? "end of the last epoch" : "end of the first epoch",
                    "layer (1–3 convolutions, 4–5 linear)", "RMS δ_{l}");
        plot_log_y(ax);
        for (int a = 0; a < st->s.act_count; a++) {
            cifar_curve delta = cifar_read(st, a, CIFAR_LAYERS, "delta.rms");
            if (delta.n >= LAYERS)
                plot_line(ax, x, delta.mean + (last ? delta.n - LAYERS : 0), LAYERS, st->s.act_name[a],
                          plot_marked(a, PLOT_CIRCLE));
            free(delta.mean);
        }
    }
    ex_save_chart(fig, st->s.out, "grad_by_layer.png");
}

// log10 of the mean ‖∇W_l‖ of every epoch, one panel an activation, one colour scale.
static void chart_heatmap(const cifar_study *st) {
    static const char *const names[LAYERS] = {"conv1", "conv2", "conv3", "dense1", "dense2"};
    plot_figure *fig = cifar_figure(st, 1500, 180 + 300 * ((st->s.act_count + 1) / 2), (st->s.act_count + 1) / 2, 2,
                              "Gradient of every layer and epoch");
    double low = 0, high = -INFINITY;
    for (int pass = 0; pass < 2; pass++)  // first the common scale, then the panels
        for (int a = 0; a < st->s.act_count; a++) {
            cifar_curve grad = cifar_read(st, a, CIFAR_GRADS, "l2");
            const int epochs = grad.n / LAYERS;
            double *cell = (double *)ex_realloc(NULL, (size_t)grad.n, sizeof *cell);
            for (int e = 0; e < epochs; e++)
                for (int l = 0; l < LAYERS; l++) {
                    const double value = log10(grad.mean[e * LAYERS + l]);
                    cell[l * epochs + e] = value;
                    low = fmin(low, value), high = fmax(high, value);
                }
            if (pass == 1 && epochs > 0) {
                plot_axes *ax = plot_axes_at(fig, a / 2, a % 2);
                plot_labels(ax, st->s.act_name[a], "epoch", NULL), plot_color_label(ax, "log_{10} ‖∇W‖");
                plot_heatmap(ax, cell, LAYERS, epochs, PLOT_VIRIDIS), plot_heatmap_values(ax, "%.1f");
                plot_heatmap_extent(ax, 0.5, epochs + 0.5, -0.5, LAYERS - 0.5);
                plot_names_y(ax, names, LAYERS), plot_limits_y(ax, LAYERS - 0.5, -0.5);
                plot_color_range(ax, low, high);
            }
            free(cell), free(grad.mean);
        }
    ex_save_chart(fig, st->s.out, "grad_heatmap.png");
}

typedef struct data_view {  // of the training set
    double mean[3], std[3], counts[10], histogram[3][32];
    double samples[10 * SAMPLES * 3 * PIXELS];  // the first of each class, class by class
} data_view;

static void look_at_data(data_view *v, const gf_dataset *data) {
    int seen[10] = {0};
    memset(v, 0, sizeof *v);
    for (size_t i = 0; i < data->count; i++) {
        const uint8_t *image = data->pixels + i * 3 * PIXELS;
        const int k = data->labels[i];
        v->counts[k]++;
        for (int p = 0; p < 3 * PIXELS; p++) {
            const double value = image[p] / 255.0;
            v->mean[p / PIXELS] += value, v->std[p / PIXELS] += value * value, v->histogram[p / PIXELS][image[p] / 8]++;
            if (seen[k] < SAMPLES) v->samples[((k * SAMPLES + seen[k]) * 3) * PIXELS + p] = value;
        }
        seen[k]++;
    }
    for (int c = 0; c < 3; c++) {
        const double n = (double)data->count * PIXELS;
        v->mean[c] /= n, v->std[c] = sqrt(v->std[c] / n - v->mean[c] * v->mean[c]);
        for (int b = 0; b < 32; b++) v->histogram[c][b] /= n;
    }
}

static void chart_data(const cifar_study *st) {
    static data_view v;
    static const char *const colour[] = {"red", "green", "blue"};
    const int palette[] = {PLOT_RGB(200, 30, 30), PLOT_RGB(30, 140, 60), PLOT_RGB(40, 80, 200)};
    const char *captions[10 * SAMPLES];
    double edges[33];
    look_at_data(&v, &st->data);
    plot_figure *fig = cifar_figure(st, 1500, 1100, 2, 2, "The training set");
    plot_axes *samples = plot_axes_at(fig, 0, 0), *count = plot_axes_at(fig, 0, 1), *pixel = plot_axes_at(fig, 1, 0),
              *table = plot_axes_at(fig, 1, 1);
    for (int i = 0; i < 10 * SAMPLES; i++) captions[i] = i % SAMPLES == 0 ? st->classes[i / SAMPLES] : "";
    plot_labels(samples, "the first four of each class", NULL, NULL);
    plot_images(samples, v.samples, 10 * SAMPLES, 3, SIDE, SIDE, 0, 1, 2 * SAMPLES, captions);
    plot_labels(count, "images per class", "class", "images");
    plot_bars(count, st->classes, v.counts, NULL, 10, NULL, plot_solid(0));
    for (int b = 0; b <= 32; b++) edges[b] = 8 * b;
    plot_labels(pixel, "pixel values", "value, 0–255", "share of the pixels");
    char text[4][3][32];
    const char *cells[12];
    snprintf(text[0][0], 32, "channel"), snprintf(text[0][1], 32, "mean"), snprintf(text[0][2], 32, "std");
    for (int c = 0; c < 3; c++) {
        plot_hist_counts(pixel, edges, v.histogram[c], 32, colour[c], plot_solid(palette[c]));
        snprintf(text[c + 1][0], 32, "%s", colour[c]);
        snprintf(text[c + 1][1], 32, "%.4f", v.mean[c]), snprintf(text[c + 1][2], 32, "%.4f", v.std[c]);
    }
    for (int i = 0; i < 12; i++) cells[i] = text[i / 3][i % 3];
    plot_labels(table, "channels, pixel/255", NULL, NULL), plot_table(table, cells, 4, 3);
    ex_save_chart(fig, st->s.out, "dataset.png");
}

static void chart(const cifar_study *st) {
    static const char *const all[] = {"loss.png", "accuracy.png", "gradient_flow.png"};
    static const char *const each[] = {"loss_curve.png", "accuracy.png", "gradient_flow.png"};
    chart_curves(st, 0, st->s.act_count - 1, "All activations", all);
    for (int a = 0; a < st->s.act_count; a++) chart_curves(st, a, a, st->s.act_name[a], each);
    chart_layers(st);
    chart_heatmap(st);
}

// The study's ranking, by the mean test accuracy of the last three epochs, beside what it claimed.
static void report(const cifar_study *st) {
    static const struct { const char *name; double accuracy, train, test; } claimed[] = {
        {"relu", 84.5, .35, .42}, {"leaky_relu", 86.2, .32, .39}, {"sigmoid", 78.3, .55, .63}, {"tanh", 80.1, .48, .57},
        {"swish", 88.9, .28, .35}};
    int order[EX_MAX_ACTIVATIONS];
    double last3[EX_MAX_ACTIVATIONS];
    ex_table table;
    memset(&table, 0, sizeof table);
    ex_table_row(&table, "rank|activation|claimed %%, losses|" CIFAR_ROW_HEADER "|test loss");
    for (int a = 0; a < st->s.act_count; a++) {
        cifar_curve test = cifar_read(st, a, CIFAR_EPOCHS, "test_acc");
        const int tail = test.n < 3 ? test.n : 3;
        int at = a;
        last3[a] = tail > 0 ? ex_mean(test.mean + test.n - tail, (size_t)tail) : -1;
        free(test.mean);
        for (; at > 0 && last3[order[at - 1]] < last3[a]; at--) order[at] = order[at - 1];
        order[at] = a;
    }
    for (int i = 0; i < st->s.act_count; i++) {
        char claim[64] = "–", row[256];
        const char *name = st->s.act_name[order[i]];
        cifar_curve test = cifar_read(st, order[i], CIFAR_EPOCHS, "test_loss");
        for (int c = 0; c < EX_COUNT(claimed); c++)
            if (strcmp(claimed[c].name, name) == 0)
                snprintf(claim, sizeof claim, "%.1f, %.2f / %.2f", claimed[c].accuracy, claimed[c].train,
                         claimed[c].test);
        cifar_row(st, order[i], row, sizeof row);
        if (test.n > 0) ex_table_row(&table, "%d|%s|%s|%s|%.3f", i + 1, name, claim, row, test.mean[test.n - 1]);
        free(test.mean);
    }
    ex_table_write(&table, &st->s, "table.md");
}

int main(int argc, char **argv) {
    static cifar_study st;
    const double half = 0.5;
    st.s = ex_settings_default("cifar_activations",
                               "Five activations in a CNN with batch norm: does the gradient still vanish?");
    st.s.activations = "relu,sigmoid,tanh,leaky_relu,swish", st.s.epochs = 10, st.s.quick_epochs = 4, st.s.batch = 128;
    st.s.dropout = 0.3;
    ex_parse(&st.s, argc, argv, EX_DATA | EX_TRAINING | EX_WEIGHT_DECAY | EX_DROPOUT | EX_RESUME, NULL, 0);
    st.net_name = "CNN with batch norm";
    cifar_load(&st, &half, &half, 1);
    cifar_open(&st, "batch norm");
    chart_data(&st);
    for (int a = 0; a < st.s.act_count; a++)
        for (int r = 0; r < st.s.seeds && !ex_stop; r++) {
            cifar_run run;
            cifar_start(&st, &run, build(&st.s, st.s.act[a], st.s.seed + r), a, r);
            cifar_train(&st, &run);
            if (!ex_stop) cifar_print_recall(&st, run.name, run.confusion);
            cifar_finish(&run);
        }
    cifar_close(&st);
    chart(&st);
    report(&st);
    printf("open %s/accuracy.png first\n", st.s.out);
    gf_data_free(&st.data), gf_data_free(&st.test);
    return ex_exit_status();
}
