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
#include "cifar.h"
#include "cifar_data.h"

enum { LAYERS = 5 };

static gf_net *build(const study *st, const study_run *run) {
    static const int channels[] = {32, 64, 128};
    gf_net *net = gf_net_create(gf_image(3, 32, 32), st->s.batch, (uint64_t)run->seed);
    gf_net_set_init(net, run->of->weight, run->of->bias);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_set_threads(net, st->s.threads);
    for (int l = 0; l < EX_COUNT(channels); l++) {
        gf_net_conv2d(net, channels[l], 3, 1, 1);
        gf_net_batch_norm(net);
        gf_net_act_with(net, run->of->act);
        gf_net_max_pool2d(net, 2, 2);
    }
    gf_net_dense(net, 256);
    gf_net_act_with(net, run->of->act);
    gf_net_dropout(net, st->s.dropout);
    gf_net_dense(net, 10);
    study_watch(st, net);
    gf_net_build(net);
    return net;
}

static void train(study *st, int grads) {
    for (study_run run; study_next(st, &run);) {
        study_begin(st, &run, build(st, &run));
        while (study_epoch(st, &run)) {
            while (study_batch(st, &run)) {
                gf_net_forward(run.net, run.batches.x, run.batches.n, GF_TRAIN);
                double loss = gf_loss_cross_entropy(run.net, run.batches.labels);
                gf_net_backward(run.net);
                double norm = gf_net_grad_norm(run.net);
                study_add_grads(st, &run, grads);
                if (study_last_batch(&run)) gf_net_measure(run.net);
                gf_optim_step(&run.optim, run.net);
                study_step(st, &run, loss, norm);
            }
        }
        study_end(st, &run);
    }
}

// Loss, accuracy and gradient norm of `count` cases from `first`, as three files.
static void chart_curves(const study *st, int first, int count, const char *who, const char *const names[3]) {
    void (*const panel[3])(plot_axes * ax, const study *st, int first,
                           int count) = {study_panel_loss, study_panel_accuracy, study_panel_norm};
    for (int c = 0; c < 3; c++) {
        char file[96];
        plot_figure *fig = study_figure(st, 1000, 620, 1, 1, who);
        panel[c](plot_axes_at(fig, 0, 0), st, first, count);
        if (count > 1) plot_shared_legend(fig);
        snprintf(file, sizeof file, count > 1 ? "%.0s%s" : "%s_%s", who, names[c]);
        ex_save_chart(fig, st->s.out, file);
    }
}

// Does the gradient shrink from layer to layer? In the first epoch and in the last, on one scale.
static void chart_layers(const study *st) {
    plot_figure *fig = study_figure(st, 1500, 600, 1, 2, "RMS δ by layer");
    plot_shared_legend(fig);
    plot_share_y(fig, PLOT_SHARE_ALL);
    for (int last = 0; last < 2; last++) {
        plot_axes *ax = plot_axes_at(fig, 0, last);
        plot_labels(ax, last ? "end of the last epoch" : "end of the first epoch",
                    "layer (1–3 convolutions, 4–5 linear)", "RMS δ_{l}");
        study_panel_layers(ax, st, STUDY_LAYERS, "delta.rms", LAYERS, last);
    }
    ex_save_chart(fig, st->s.out, "grad_by_layer.png");
}

// Mean ‖∇W_l‖ of every layer (rows, an empty one between two activations) and epoch (columns).
static void chart_heatmap(const study *st, int file) {
    static const char *const layer[LAYERS] = {"conv1", "conv2", "conv3", "dense1", "dense2"};
    static char text[STUDY_MAX_CASES * (LAYERS + 1)][64];
    static const char *names[STUDY_MAX_CASES * (LAYERS + 1)];
    int rows = st->case_count * (LAYERS + 1) - 1;
    int epochs = st->s.epochs;
    double *cell = (double *)ex_realloc(NULL, (size_t)(rows * epochs), sizeof *cell);
    memset(cell, 0, (size_t)(rows * epochs) * sizeof *cell);
    for (int row = 0; row < rows; row++) {
        const study_case *c = &st->cases[row / (LAYERS + 1)];
        const int l = row % (LAYERS + 1);
        names[row] = text[row];
        text[row][0] = '\0';
        if (l == LAYERS) continue;
        snprintf(text[row], sizeof text[row], "%s %s", c->act_name, layer[l]);
        study_curve norm = study_read(st, c, file, "l2");
        for (int e = 0; e < norm.n / LAYERS; e++) cell[row * epochs + e] = norm.mean[e * LAYERS + l];
        study_curve_free(&norm);
    }
    plot_figure *fig = study_figure(st, 1100, 160 + 30 * rows, 1, 1, "Gradient of every layer and epoch");
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_labels(ax, NULL, "epoch", NULL);
    plot_heatmap(ax, cell, rows, epochs, PLOT_BLUES);
    plot_heatmap_extent(ax, 0.5, epochs + 0.5, -0.5, rows - 0.5);
    plot_limits_y(ax, rows - 0.5, -0.5);
    plot_heatmap_hide_zeros(ax);
    if (epochs <= 12) plot_heatmap_values(ax, "%.2f");
    plot_names_y(ax, names, rows);
    plot_color_log(ax);
    plot_color_label(ax, "‖∇W‖, mean over the epoch's steps");
    ex_save_chart(fig, st->s.out, "grad_heatmap.png");
    free(cell);
}

// The study's ranking, by the mean test accuracy of the last three epochs, beside what it claimed.
static void report(const study *st) {
    static const study_claim claims[] = {
        {"relu", "84.5"}, {"leaky_relu", "86.2"}, {"sigmoid", "78.3"}, {"tanh", "80.1"}, {"swish", "88.9"}};
    static ex_table table;
    const study_case *order[STUDY_MAX_CASES];
    char cells[256];
    for (int i = 0; i < st->case_count; i++) {
        int at = i;
        for (; at > 0 && !(cifar_last3(st, order[at - 1]) >= cifar_last3(st, &st->cases[i])); at--)
            order[at] = order[at - 1];
        order[at] = &st->cases[i];
    }
    study_table_head(&table, st, CIFAR_ROW_HEADER);
    for (int i = 0; i < st->case_count; i++)
        study_table_row(&table, st, order[i], claims, EX_COUNT(claims), cifar_row(st, order[i], cells));
    cifar_table_end(&table, st);
}

int main(int argc, char **argv) {
    static const char *const all[] = {"loss.png", "accuracy.png", "gradient_flow.png"};
    static const char *const each[] = {"loss_curve.png", "accuracy.png", "gradient_flow.png"};
    static study st;
    const double half = 0.5;
    st.s = ex_settings_default("cifar_activations",
                               "Five activations in a CNN with batch norm: does the gradient still vanish?");
    st.s.activations = "relu,sigmoid,tanh,leaky_relu,swish";
    st.s.epochs = 10;
    st.s.quick_epochs = 4;
    st.s.batch = 128;
    st.s.dropout = 0.3;
    ex_parse(&st.s, argc, argv, EX_DATA | EX_TRAINING | EX_WEIGHT_DECAY | EX_DROPOUT | EX_RESUME, NULL, 0);
    study_cifar10(&st);
    study_normalize(&st, &half, &half, 1);
    study_cases(&st);
    study_open(&st, "CNN with batch norm", "batch norm");
    const int grads = study_grads_file(&st);
    chart_data(&st);
    train(&st, grads);
    study_close(&st);
    report(&st);
    chart_curves(&st, 0, st.case_count, "All activations", all);
    for (int c = 0; c < st.case_count; c++)
        if (study_has_run(&st, &st.cases[c])) chart_curves(&st, c, 1, st.cases[c].act_name, each);
    chart_layers(&st);
    chart_heatmap(&st, grads);
    printf("open %s/accuracy.png first\n", st.s.out);
    return study_free(&st);
}
