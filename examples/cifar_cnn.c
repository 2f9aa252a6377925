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
#include "cifar.h"
#include "cifar_maps.h"

enum { LEAST_DEPTH = 4, MOST_DEPTH = 20 };

static gf_net *build(const study *st, const study_run *run, int depth) {
    gf_net *net = gf_net_create(gf_image(3, CIFAR_SIDE, CIFAR_SIDE), st->s.batch, (uint64_t)run->seed);
    gf_net_set_init(net, run->of->weight, run->of->bias);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_set_threads(net, st->s.threads);
    for (int l = 1; l <= depth; l++) {
        gf_net_conv2d(net, l == 1 ? FILTERS : l == 2 ? 64 : 128, 3, 1, 1);
        gf_net_act_with(net, run->of->act);
        if (l <= 3) gf_net_max_pool2d(net, 2, 2);
    }
    gf_net_dense(net, 10);
    study_watch(st, net);
    gf_net_build(net);
    return net;
}

static void train(study *st, pictures *shots, int depth, int grads) {
    for (study_run run; study_next(st, &run);) {
        study_begin(st, &run, build(st, &run, depth));
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
        if (run.number == 0 && study_is_whole(st, &run)) take_pictures(&shots[run.of - st->cases], st, run.net);
        study_end(st, &run);
    }
}

// Mean |∇W| of each convolution per epoch: the study's figure, on one log axis, on which a small gradient is not zero.
static void chart_layers(const study *st, int file, int depth) {
    const int layers = depth + 1, rows = (depth + 1) / 2;
    plot_figure *fig = study_figure(st, 1500, 380 * rows + 120, rows, 2, "Gradient of every convolution");
    plot_shared_legend(fig);
    plot_share_y(fig, PLOT_SHARE_ALL);
    for (int l = 0; l < depth; l++) {
        plot_axes *ax = plot_axes_at(fig, l / 2, l % 2);
        char title[32];
        snprintf(title, sizeof title, "conv%d.weight", l + 1);
        plot_labels(ax, title, "epoch", "mean |∇W|");
        plot_log_y(ax);
        for (const study_case *c = st->cases; c < st->cases + st->case_count; c++) {
            study_curve grad = study_read(st, c, file, "mean_abs");
            const int epochs = grad.n / layers;
            for (int e = 0; e < epochs; e++) grad.mean[e] = grad.mean[e * layers + l];
            if (epochs > 0) plot_line(ax, grad.x, grad.mean, epochs, c->act_name, study_marked(st, c));
            study_curve_free(&grad);
        }
    }
    ex_save_chart(fig, st->s.out, "grad_norms_per_layer.png");
}

// The last epoch layer by layer, in three measures: does "the gradient shrinks" depend on how it is measured?
static void chart_measures(const study *st, int grads, int layers) {
    const struct {
        int file;
        const char *column, *title, *y;
    } measure[] = {{grads, "mean_abs", "per weight: the study's", "mean |∇W_{l}|"},
                   {grads, "l2", "per tensor", "‖∇W_{l}‖"},
                   {STUDY_LAYERS, "delta.l2", "what arrives at the layer", "‖δ_{l}‖"}};
    plot_figure *fig = study_figure(st, 1700, 560, 1, 3, "Three measures of one gradient, last epoch");
    plot_shared_legend(fig);
    for (int m = 0; m < EX_COUNT(measure); m++) {
        plot_axes *ax = plot_axes_at(fig, 0, m);
        plot_labels(ax, measure[m].title, "layer (the last one is linear)", measure[m].y);
        study_panel_layers(ax, st, measure[m].file, measure[m].column, layers, 1);
    }
    ex_save_chart(fig, st->s.out, "grad_by_layer.png");
}

static void report(const study *st) {
    static const study_claim claims[] = {{"sigmoid", "45 → 72–74"}, {"relu", "60 → 82–83"}};
    static ex_table table;
    char cells[256];
    study_table_head(&table, st, CIFAR_ROW_HEADER);
    for (const study_case *c = st->cases; c < st->cases + st->case_count; c++)
        study_table_row(&table, st, c, claims, EX_COUNT(claims), cifar_row(st, c, cells));
    cifar_table_end(&table, st);
}

// One depth, all cases and seeds, into one folder. Returns the number of grads.csv.
static int train_depth(study *st, int depth) {
    static pictures shots[STUDY_MAX_CASES];
    char own[32];
    snprintf(own, sizeof own, "depth %d", depth);
    study_open(st, "plain CNN", own);
    const int grads = study_grads_file(st);
    memset(shots, 0, sizeof shots);
    train(st, shots, depth, grads);
    study_close(st);
    report(st);
    plot_figure *fig = study_figure(st, 1500, 600, 1, 2, "Loss and accuracy");
    study_panel_loss(plot_axes_at(fig, 0, 0), st, 0, st->case_count);
    study_panel_accuracy(plot_axes_at(fig, 0, 1), st, 0, st->case_count);
    ex_save_chart(fig, st->s.out, "loss_acc_comparison.png");
    chart_layers(st, grads, depth);
    chart_measures(st, grads, depth + 1);
    chart_pictures(st, shots);
    write_maps(st, shots);
    return grads;
}

typedef struct depth_result {  // of one depth, by case
    double accuracy[STUDY_MAX_CASES], gradient[STUDY_MAX_CASES];
} depth_result;

// Accuracy and conv1's gradient against depth, from the studies just run.
static void chart_depths(const study *st, const depth_result *results, int low, int high) {
    plot_figure *fig = study_figure(st, 1500, 600, 1, 2, "Accuracy and gradient against depth");
    plot_axes *left = plot_axes_at(fig, 0, 0), *right = plot_axes_at(fig, 0, 1);
    plot_labels(left, "accuracy after the last epoch", "convolutions", "test accuracy in %");
    plot_limits_y(left, 0, NAN);
    plot_hline(left, 10, "chance", plot_dotted(PLOT_GREY));
    plot_labels(right, "gradient of conv1 in the last epoch", "convolutions", "mean |∇W_{1}|");
    plot_log_y(right);
    for (int k = 0; k < st->case_count; k++) {
        double x[MOST_DEPTH + 1], accuracy[MOST_DEPTH + 1], gradient[MOST_DEPTH + 1];
        for (int d = low; d <= high; d++) {
            x[d - low] = d;
            accuracy[d - low] = results[d].accuracy[k];
            gradient[d - low] = results[d].gradient[k];
        }
        const char *name = st->cases[k].act_name;
        plot_line(left, x, accuracy, high - low + 1, name, study_marked(st, &st->cases[k]));
        plot_line(right, x, gradient, high - low + 1, name, study_marked(st, &st->cases[k]));
    }
    ex_save_chart(fig, st->s.out, "depth.png");
}

// Every depth is a study in a folder of its own.
static void sweep(study *st, int low, int high) {
    static depth_result results[MOST_DEPTH + 1];
    const ex_settings outer = st->s;
    for (int depth = low; depth <= high && !ex_stop; depth++) {
        char folder[EX_PATH], name[32];
        snprintf(name, sizeof name, "depth_%02d", depth);
        printf("%d convolutions\n", depth);
        st->s.out = ex_path(folder, outer.out, name);
        st->s.resume = outer.resume;
        const int grads = train_depth(st, depth);
        for (int k = 0; k < st->case_count; k++) {
            study_curve grad = study_read(st, &st->cases[k], grads, "mean_abs");
            results[depth].accuracy[k] = study_last(st, &st->cases[k], STUDY_EPOCHS, "test_acc");
            results[depth].gradient[k] = grad.n > depth ? grad.mean[grad.n - 1 - depth] : NAN;
            study_curve_free(&grad);
        }
    }
    st->s.out = outer.out;
    if (!ex_stop) chart_depths(st, results, low, high);
}

int main(int argc, char **argv) {
    static study st;
    const double mean[] = {0.4914, 0.4822, 0.4465}, std[] = {0.2470, 0.2435, 0.2616};
    int depth[2] = {LEAST_DEPTH, LEAST_DEPTH};
    const ex_option own[] = {
        {"depth", EX_RANGE, depth, LEAST_DEPTH, MOST_DEPTH, "convolutions, or a range of them to compare"}};
    st.s =
        ex_settings_default("cifar_cnn", "How much gradient reaches the first convolution, and where in the picture?");
    st.s.activations = "sigmoid,relu";
    st.s.epochs = 20;
    st.s.quick_epochs = 8;
    st.s.batch = 128;
    ex_parse(&st.s, argc, argv, EX_DATA | EX_TRAINING | EX_WEIGHT_DECAY | EX_RESUME, own, EX_COUNT(own));
    study_cifar10(&st);
    study_normalize(&st, mean, std, 3);
    study_cases(&st);
    st.augment = GF_FLIP | GF_CROP;
    if (depth[0] == depth[1]) train_depth(&st, depth[0]);
    else sweep(&st, depth[0], depth[1]);
    printf("open %s/%s first\n", st.s.out, depth[0] == depth[1] ? "activation_gradmaps_conv1.png" : "depth.png");
    return study_free(&st);
}
