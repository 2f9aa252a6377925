// cifar_cnn.c: sigmoid against relu in a plain CNN. How much gradient reaches conv1, and where in the image?
//
//     cc -O2 examples/cifar_cnn.c -o cifar_cnn -lm && ./cifar_cnn
//
// Model     conv 3→32, 32→64, 64→128 (3×3, pad 1), each + activation + max-pool 2; conv 128→128 + activation; dense 10
// Training  CIFAR-10 with flips and crops, Adam 1e-3, batches of 128, 20 epochs; mean |∇W| of every layer and step
// Claimed   72–74 % (sigmoid) against 82–83 % (relu); sigmoid's gradients shrink layer by layer
// Look for  sigmoid's gradient is the smaller one in EVERY convolution, and it starts an epoch late. But within a net
//           conv1 has the LARGEST mean |∇W|: 864 weights collect the gradient of 1024 pixels. Normalise before you
//           compare
// Try next  --depth 4-10 (where does each stop training?) · --init kaiming · --activations tanh,gelu · --seeds 3
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"
#include "cifar.h"

enum {
    SIDE = 32,
    PIXELS = SIDE * SIDE,
    FILTERS = 32,
    FILTER = 3 * 3 * 3,
    MAP_IMAGES = 256,
    LEAST_DEPTH = 4,
    MOST_DEPTH = 20
};

typedef struct pictures {  // of a trained net, of the first seed of each activation
    double dz[PIXELS], dh[PIXELS];  // mean |∂L/∂z| and |∂L/∂h| of conv1
    double filters[FILTERS * FILTER];
    size_t confusion[100];
    int taken;
} pictures;

static gf_net *build(const ex_settings *s, gf_act act, int seed, int depth) {
    gf_net *net = gf_net_create(gf_image(3, SIDE, SIDE), s->batch, (uint64_t)seed);
    gf_net_init(net, s->weight_init, s->bias_init);
    gf_net_probe(net, GF_PROBE_ALL);
    gf_net_threads(net, s->threads);
    for (int l = 1; l <= depth; l++) {
        gf_net_conv2d(net, l == 1 ? FILTERS : l == 2 ? 64 : 128, 3, 1, 1), gf_net_activation(net, act);
        if (l <= 3) gf_net_max_pool2d(net, 2, 2);
    }
    gf_net_dense(net, 10);
    gf_net_build(net);
    return net;
}

// Where the loss of the first test images would change if conv1's output did: L is their mean loss.
static void draw_maps(pictures *p, gf_net *net, const cifar_study *st) {
    gf_batches images;
    double z[PIXELS], h[PIXELS];
    int seen = 0;
    if (gf_batches_init(&images, &st->test, st->s.batch, 0, 0) != GF_OK) ex_die("%s", gf_last_error());
    memset(p->dz, 0, sizeof p->dz), memset(p->dh, 0, sizeof p->dh);
    while (seen < MAP_IMAGES && gf_batches_next(&images)) {
        const int n = images.n < MAP_IMAGES - seen ? images.n : MAP_IMAGES - seen;
        gf_net_forward(net, images.x, n, GF_EVAL);
        gf_loss_cross_entropy(net, images.labels);
        gf_net_backward(net);
        gf_net_gradient_map(net, 0, z), gf_net_gradient_map(net, 1, h);
        ex_check(net);
        for (int i = 0; i < PIXELS; i++)
            p->dz[i] += z[i] * n * n, p->dh[i] += h[i] * n * n; // from 1/n, and a mean over n
        seen += n;
    }
    for (int i = 0; i < PIXELS; i++) p->dz[i] /= (double)seen * seen, p->dh[i] /= (double)seen * seen;
    gf_batches_free(&images);
}

static void take_pictures(pictures *p, const cifar_run *run, const cifar_study *st) {
    const gf_tensor *weight = gf_net_tensor(run->net, "conv1.weight");
    draw_maps(p, run->net, st);
    for (int i = 0; i < FILTERS * FILTER; i++) p->filters[i] = (double)weight->value[i];
    memcpy(p->confusion, run->confusion, sizeof p->confusion);
    p->taken = 1;
}

static void write_maps(const cifar_study *st, const pictures *p) {
    ex_settings fresh = st->s;
    ex_csv csv;
    fresh.resume = 0;
    ex_csv_open(&csv, &fresh, "gradmaps.csv", "activation,y,x,dz,dh");
    for (int a = 0; a < st->s.act_count; a++)
        for (int i = 0; i < PIXELS && p[a].taken; i++)
            ex_csv_row(&csv, "%s,%d,%d,%.6g,%.6g", st->s.act_name[a], i / SIDE, i % SIDE, p[a].dz[i], p[a].dh[i]);
    ex_csv_close(&csv);
}

static void chart_pictures(const cifar_study *st, const pictures *p) {
    const ex_settings *s = &st->s;
    char title[96];
    plot_figure *maps =
        cifar_figure(st, 160 + 640 * s->act_count, 1200, 2, s->act_count, "Where conv1's gradient stands");
    plot_figure *filters = cifar_figure(st, 160 + 640 * s->act_count, 450, 1, s->act_count, "What conv1 has learnt");
    plot_caption(maps, "mean over channels and the first 256 test images; the grid behind relu: in a 2×2 window of "
                       "zeros max-pool takes the first pixel");
    for (int a = 0; a < s->act_count; a++) {
        plot_axes *ax = plot_axes_at(filters, 0, a);
        if (!p[a].taken) continue;
        for (int h = 0; h < 2; h++) {
            plot_axes *map = plot_axes_at(maps, h, a);
            snprintf(title, sizeof title, "%s: %s the activation", s->act_name[a],
                     h ? "|∂L/∂h|, behind" : "|∂L/∂z|, before");
            plot_labels(map, title, "x in pixels", "y in pixels");
            plot_heatmap(map, h ? p[a].dh : p[a].dz, SIDE, SIDE, PLOT_INFERNO), plot_heatmap_square(map);
            plot_color_label(map, h ? "mean |∂L/∂h|" : "mean |∂L/∂z|");
        }
        snprintf(title, sizeof title, "%s: the 32 filters, 3×3×3 as RGB", s->act_name[a]);
        plot_labels(ax, title, NULL, NULL);
        plot_images(ax, p[a].filters, FILTERS, 3, 3, 3, 0, 0, 8, NULL);
    }
    ex_save_chart(maps, s->out, "activation_gradmaps_conv1.png");
    ex_save_chart(filters, s->out, "conv1_filters.png");
}

// Mean |∇W| of each convolution per epoch: the study's figure, on an axis on which a small gradient is not zero.
static void chart_layers(const cifar_study *st, int depth) {
    const ex_settings *s = &st->s;
    const int layers = depth + 1;
    plot_figure *fig =
        cifar_figure(st, 1500, 380 * ((depth + 1) / 2) + 120, (depth + 1) / 2, 2, "Gradient of every convolution");
    plot_shared_legend(fig);
    for (int l = 0; l < depth; l++) {
        plot_axes *ax = plot_axes_at(fig, l / 2, l % 2);
        char title[32];
        snprintf(title, sizeof title, "conv%d.weight", l + 1);
        plot_labels(ax, title, "epoch", "mean |∇W|"), plot_log_y(ax);
        for (int a = 0; a < s->act_count; a++) {
            cifar_curve grad = cifar_read(st, a, CIFAR_GRADS, "mean_abs");
            const int n = grad.n / layers;
            double *x = (double *)ex_realloc(NULL, 2 * (size_t)n, sizeof(double)), *y = x + n;
            for (int e = 0; e < n; e++) x[e] = e + 1, y[e] = grad.mean[e * layers + l];
            plot_line(ax, x, y, n, s->act_name[a], plot_marked(a, PLOT_CIRCLE));
            free(x), free(grad.mean);
        }
    }
    ex_save_chart(fig, s->out, "grad_norms_per_layer.png");
}

// The last epoch layer by layer, in three measures: does "the gradient shrinks" depend on how it is measured?
static void chart_measures(const cifar_study *st, int depth) {
    static const struct { int file; const char *column, *title, *y; } measure[] = {
        {CIFAR_GRADS, "mean_abs", "per weight: the study's", "mean |∇W_{l}|"},
        {CIFAR_GRADS, "l2", "per tensor", "‖∇W_{l}‖"},
        {CIFAR_LAYERS, "delta.l2", "what arrives at the layer", "‖δ_{l}‖"}};
    const ex_settings *s = &st->s;
    const int layers = depth + 1;
    plot_figure *fig = cifar_figure(st, 1700, 560, 1, 3, "Three measures of one gradient, last epoch");
    plot_shared_legend(fig);
    for (int m = 0; m < EX_COUNT(measure); m++) {
        plot_axes *ax = plot_axes_at(fig, 0, m);
        plot_labels(ax, measure[m].title, "layer (the last one is linear)", measure[m].y), plot_log_y(ax);
        for (int a = 0; a < s->act_count; a++) {
            cifar_curve curve = cifar_read(st, a, measure[m].file, measure[m].column);
            double x[MOST_DEPTH + 1];
            for (int l = 0; l < layers; l++) x[l] = l + 1;
            if (curve.n >= layers)
                plot_line(ax, x, curve.mean + curve.n - layers, layers, s->act_name[a], plot_marked(a, PLOT_CIRCLE));
            free(curve.mean);
        }
    }
    ex_save_chart(fig, s->out, "grad_by_layer.png");
}

static void chart(const cifar_study *st, const pictures *p, int depth) {
    plot_figure *fig = cifar_figure(st, 1500, 600, 1, 2, "Sigmoid against relu");
    cifar_draw_both(plot_axes_at(fig, 0, 0), st, 0, st->s.act_count - 1, "loss");
    cifar_draw_both(plot_axes_at(fig, 0, 1), st, 0, st->s.act_count - 1, "acc");
    ex_save_chart(fig, st->s.out, "loss_acc_comparison.png");
    chart_layers(st, depth);
    chart_measures(st, depth);
    chart_pictures(st, p);
}

static void report(const cifar_study *st, const pictures *p) {
    ex_table table;
    char row[256];
    memset(&table, 0, sizeof table);
    ex_table_row(&table, "activation|claimed|" CIFAR_ROW_HEADER);
    for (int a = 0; a < st->s.act_count; a++) {
        const char *name = st->s.act_name[a];
        const int sigmoid = strcmp(name, "sigmoid") == 0, relu = strcmp(name, "relu") == 0;
        cifar_row(st, a, row, sizeof row);
        if (row[0] != '\0')
            ex_table_row(&table, "%s|%s|%s", name, sigmoid ? "45 → 72–74 %" : relu ? "60 → 82–83 %" : "–", row);
    }
    ex_table_write(&table, &st->s, "table.md");
    for (int a = 0; a < st->s.act_count; a++)
        if (p[a].taken) cifar_print_recall(st, st->s.act_name[a], p[a].confusion);
}

// One depth, all activations and seeds, into one folder.
static void study(cifar_study *st, int depth) {
    static pictures shots[EX_MAX_ACTIVATIONS];
    cifar_run run;
    char own[32];
    snprintf(own, sizeof own, "depth %d", depth);
    cifar_open(st, own);
    memset(shots, 0, sizeof shots);
    for (int a = 0; a < st->s.act_count; a++)
        for (int r = 0; r < st->s.seeds && !ex_stop; r++) {
            cifar_start(st, &run, build(&st->s, st->s.act[a], st->s.seed + r, depth), a, r);
            cifar_train(st, &run);
            if (r == 0 && !ex_stop) take_pictures(&shots[a], &run, st);
            cifar_finish(&run);
        }
    cifar_close(st);
    chart(st, shots, depth);
    write_maps(st, shots);
    report(st, shots);
}

// Accuracy and conv1's gradient against depth, from the studies just run.
static void chart_depths(const cifar_study *st, double (*accuracy)[MOST_DEPTH + 1], double (*gradient)[MOST_DEPTH + 1],
                         int low, int high) {
    plot_figure *fig = cifar_figure(st, 1500, 600, 1, 2, "Accuracy and gradient against depth");
    plot_axes *left = plot_axes_at(fig, 0, 0), *right = plot_axes_at(fig, 0, 1);
    double x[MOST_DEPTH + 1];
    for (int d = low; d <= high; d++) x[d] = d;
    plot_labels(left, "accuracy after the last epoch", "convolutions", "test accuracy in %"),
        plot_limits_y(left, 0, NAN);
    plot_hline(left, 10, "chance", plot_dotted(PLOT_GREY));
    plot_labels(right, "gradient of conv1 in the last epoch", "convolutions", "mean |∇W_{1}|"), plot_log_y(right);
    for (int a = 0; a < st->s.act_count; a++) {
        plot_line(left, x + low, accuracy[a] + low, high - low + 1, st->s.act_name[a], plot_marked(a, PLOT_CIRCLE));
        plot_line(right, x + low, gradient[a] + low, high - low + 1, st->s.act_name[a], plot_marked(a, PLOT_CIRCLE));
    }
    ex_save_chart(fig, st->s.out, "depth.png");
}

// Every depth is a study in a folder of its own.
static void sweep(cifar_study *st, int low, int high) {
    static double accuracy[EX_MAX_ACTIVATIONS][MOST_DEPTH + 1], gradient[EX_MAX_ACTIVATIONS][MOST_DEPTH + 1];
    const ex_settings outer = st->s;
    for (int depth = low; depth <= high && !ex_stop; depth++) {
        char folder[EX_PATH], name[32];
        snprintf(name, sizeof name, "depth_%02d", depth);
        printf("%d convolutions\n", depth);
        st->s.out = ex_path(folder, outer.out, name), st->s.resume = outer.resume;
        study(st, depth);
        for (int a = 0; a < outer.act_count; a++) {
            cifar_curve test = cifar_read(st, a, CIFAR_EPOCHS, "test_acc"),
                        grad = cifar_read(st, a, CIFAR_GRADS, "mean_abs");
            accuracy[a][depth] = test.n > 0 ? test.mean[test.n - 1] : NAN;
            gradient[a][depth] = grad.n > depth ? grad.mean[grad.n - 1 - depth] : NAN;
            free(test.mean), free(grad.mean);
        }
    }
    st->s.out = outer.out;
    if (!ex_stop) chart_depths(st, accuracy, gradient, low, high);
}

int main(int argc, char **argv) {
    static cifar_study st;
    const double mean[] = {0.4914, 0.4822, 0.4465}, std[] = {0.2470, 0.2435, 0.2616};
    int depth[2] = {LEAST_DEPTH, LEAST_DEPTH};
    const ex_option own[] = {
        {"depth", EX_RANGE, depth, LEAST_DEPTH, MOST_DEPTH, "convolutions, or a range of them to compare"}};
    st.s =
        ex_settings_default("cifar_cnn", "How much gradient reaches the first convolution, and where in the picture?");
    st.s.activations = "sigmoid,relu", st.s.epochs = 20, st.s.quick_epochs = 8, st.s.batch = 128;
    ex_parse(&st.s, argc, argv, EX_DATA | EX_TRAINING | EX_WEIGHT_DECAY | EX_RESUME, own, EX_COUNT(own));
    st.net_name = "plain CNN";
    cifar_load(&st, mean, std, 3);
    st.augment = GF_FLIP | GF_CROP;
    if (depth[0] == depth[1]) study(&st, depth[0]);
    else sweep(&st, depth[0], depth[1]);
    printf("open %s/%s first\n", st.s.out, depth[0] == depth[1] ? "activation_gradmaps_conv1.png" : "depth.png");
    gf_data_free(&st.data), gf_data_free(&st.test);
    return ex_exit_status();
}
