// mnist_mlp.c: the classroom practical. Which activation trains a small MLP best, and what does the gradient do meanwhile?
//
//     cc -O2 examples/mnist_mlp.c -o mnist_mlp -lm && ./mnist_mlp
//
// Model     784-256-128-10, the same initial weights for sigmoid, tanh and relu; MNIST scaled to [-1, 1]
// Training  Adam 1e-3, batches of 64, softmax cross entropy, 10 epochs; ‖∇‖ over all parameters after every backward
// Claimed   relu is fastest and best, sigmoid slow and worst, the gradients of sigmoid and tanh are smaller
// Look for  sigmoid starts slowest and has half of relu's gradient throughout, and still ends level with it: with two
//           hidden layers Adam, which divides every gradient by its own size, makes up for a factor of two
// Try next  --optim sgd --lr 0.1 (nothing divides now) · --activations gelu,swish,selu · --init kaiming · --seeds 3
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"

typedef struct study {  // everything measured: per step and per epoch, summed over the seeds of one activation
    ex_series loss[EX_MAX_ACTIVATIONS], norm[EX_MAX_ACTIVATIONS];
    ex_series *epochs;  // [activation][seed] of rows of 6: train and test loss and accuracy, gradient norm, seconds
    size_t confusion[100];
    double best;
    const char *best_name, *data;
    ex_csv steps_csv, epochs_csv, layers_csv;
    ex_progress progress;
} study;

enum { MAX_EPOCHS = 1000, MAX_SEEDS = 256 };  // what fits the charts
enum { TRAIN_LOSS, TRAIN_ACC, TEST_LOSS, TEST_ACC, GRAD_NORM, SECONDS, COLUMNS };

static gf_net *build(const ex_settings *s, gf_act act, int seed) {
    gf_net *net = gf_net_create(gf_image(1, 28, 28), s->batch, (uint64_t)seed);
    gf_net_init(net, s->weight_init, s->bias_init);
    gf_net_probe(net, GF_PROBE_ALL);
    gf_net_threads(net, s->threads);
    gf_net_dense(net, 256), gf_net_activation(net, act);
    gf_net_dense(net, 128), gf_net_activation(net, act);
    gf_net_dense(net, 10);
    gf_net_build(net);
    return net;
}

// Add to element i of the sum over seeds.
static void accumulate(ex_series *sum, size_t i, double value) {
    if (i == sum->n) ex_push(sum, 0);
    sum->v[i] += value;
}

// Train one net; every number it yields goes into the study and its CSV files.
static void train(study *st, const ex_settings *s, int a, int run, const gf_dataset *data, const gf_dataset *test) {
    int seed = s->seed + run;
    gf_net *net = build(s, s->act[a], seed);
    gf_optim optim;
    gf_batches batches;
    size_t confusion[100], step = 0;
    char label[96];
    gf_optim_init(&optim, net, s->optim_config);
    if (gf_batches_init(&batches, data, s->batch, (uint64_t)seed, GF_SHUFFLE) != GF_OK) ex_die("%s", gf_last_error());
    ex_check(net);
    snprintf(label, sizeof label, "%s,%s,%d", s->act_name[a], s->init, seed);
    for (int epoch = 1; epoch <= s->epochs && !ex_stop; epoch++) {
        double sum[COLUMNS] = {0}, start = ex_now();
        long samples = 0;
        while (!ex_stop && gf_batches_next(&batches)) {
            gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
            double loss = gf_loss_cross_entropy(net, batches.labels);
            gf_net_backward(net);
            double norm = gf_net_grad_norm(net);
            int last = batches.batch + 1 == gf_batches_per_epoch(&batches);
            if (last) gf_net_measure(net);
            gf_optim_step(&optim, net);

            samples += batches.n;
            sum[TRAIN_LOSS] += loss * batches.n, sum[TRAIN_ACC] += 100.0 * gf_net_correct(net),
                sum[GRAD_NORM] += norm * batches.n;
            accumulate(&st->loss[a], step, loss), accumulate(&st->norm[a], step, norm);
            ex_steps_row(&st->steps_csv, label, epoch, (long)step++, loss, norm);
            ex_progress_step(&st->progress, s->act_name[a], epoch, s->epochs, loss);
        }
        ex_check(net);
        if (ex_stop) break;
        ex_epoch e;
        e.seconds = ex_now() - start;
        gf_net_dead_reset(net, 1);
        gf_score score = gf_net_evaluate(net, test, GF_LOSS_CROSS_ENTROPY, confusion);
        e.train_loss = sum[TRAIN_LOSS] / (double)samples, e.train_acc = sum[TRAIN_ACC] / (double)samples;
        e.test_loss = score.loss, e.test_acc = 100 * score.accuracy, e.grad_norm = sum[GRAD_NORM] / (double)samples;
        ex_series *row = &st->epochs[a * s->seeds + run];
        const double values[COLUMNS] = {e.train_loss, e.train_acc, e.test_loss, e.test_acc, e.grad_norm, e.seconds};
        for (int c = 0; c < COLUMNS; c++) ex_push(row, values[c]);
        ex_epochs_row(&st->epochs_csv, label, epoch, &e);
        ex_layers_rows(&st->layers_csv, label, epoch, net);
        ex_progress_note(
            &st->progress, "%-10s seed %d epoch %2d  train %.4f %5.2f %%  test %.4f %5.2f %%  |grad| %.3f  %.2f s",
            s->act_name[a], seed, epoch, e.train_loss, e.train_acc, e.test_loss, e.test_acc, e.grad_norm, e.seconds);
        if (epoch == s->epochs && e.test_acc > st->best) {
            st->best = e.test_acc, st->best_name = s->act_name[a];
            memcpy(st->confusion, confusion, sizeof confusion);
        }
    }
    gf_batches_free(&batches), gf_optim_free(&optim), gf_net_free(net);
}

// Mean and standard deviation over the seeds of one column, epoch by epoch; returns the number of epochs all seeds have.
static int over_seeds(const study *st, const ex_settings *s, int a, int column, double *mean, double *std) {
    int epochs = s->epochs;
    for (int r = 0; r < s->seeds; r++)
        if ((int)(st->epochs[a * s->seeds + r].n / COLUMNS) < epochs)
            epochs = (int)(st->epochs[a * s->seeds + r].n / COLUMNS);
    for (int e = 0; e < epochs; e++) {
        double values[MAX_SEEDS];
        for (int r = 0; r < s->seeds; r++) values[r] = st->epochs[a * s->seeds + r].v[e * COLUMNS + column];
        mean[e] = ex_mean(values, (size_t)s->seeds), std[e] = ex_std(values, (size_t)s->seeds);
    }
    return epochs;
}

static void draw_steps(plot_axes *ax, const ex_settings *s, const ex_series *series, const char *title, const char *y) {
    plot_labels(ax, title, "step", y);
    for (int a = 0; a < s->act_count; a++) {
        double *mean = (double *)ex_realloc(NULL, series[a].n + 1, sizeof(double));
        for (size_t i = 0; i < series[a].n; i++) mean[i] = series[a].v[i] / s->seeds;
        plot_smooth(ax, NULL, mean, (int)series[a].n, 0, s->act_name[a], plot_solid(a));
        free(mean);
    }
}

static void draw_accuracy(plot_axes *ax, const study *st, const ex_settings *s) {
    double x[MAX_EPOCHS], mean[MAX_EPOCHS], std[MAX_EPOCHS];
    char label[64];
    plot_labels(ax, "accuracy: training solid, test dashed", "epoch", "accuracy in %");
    for (int e = 0; e < s->epochs; e++) x[e] = e + 1;
    for (int a = 0; a < s->act_count; a++)
        for (int column = TRAIN_ACC; column <= TEST_ACC; column += TEST_ACC - TRAIN_ACC) {
            int n = over_seeds(st, s, a, column, mean, std);
            snprintf(label, sizeof label, "%s %s", s->act_name[a], column == TRAIN_ACC ? "training" : "test");
            plot_mean_std(ax, x, mean, std, n, label, column == TRAIN_ACC ? plot_solid(a) : plot_dashed(a));
        }
}

static void draw(study *st, const ex_settings *s) {
    char title[160], seeds[48];
    snprintf(seeds, sizeof seeds, s->seeds > 1 ? "mean of %d seeds" : "one seed (%d)",
             s->seeds > 1 ? s->seeds : s->seed);
    for (int which = 0; which < 4; which++) {
        static const char *const names[] = {"practical.png", "loss.png", "accuracy.png", "grad_norm.png"};
        snprintf(title, sizeof title, "784-256-128-10 on %s, %s, %s", st->data, s->optim, seeds);
        plot_figure *fig = plot_figure_create(which ? 1000 : 1800, 600, 1, which ? 1 : 3, title);
        if (which == 0 || which == 1)
            draw_steps(plot_axes_at(fig, 0, 0), s, st->loss, "training loss", "cross entropy");
        if (which == 0 || which == 2) draw_accuracy(plot_axes_at(fig, 0, which ? 0 : 1), st, s);
        if (which == 0 || which == 3)
            draw_steps(plot_axes_at(fig, 0, which ? 0 : 2), s, st->norm, "gradient norm, all parameters", "‖∇‖");
        ex_save_chart(fig, s->out, names[which]);
    }
    if (!st->best_name) return;
    const char *digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    double counts[100];
    for (int i = 0; i < 100; i++) counts[i] = (double)st->confusion[i];
    snprintf(title, sizeof title, "Confusion of the best model: %s, %.2f %% on %s", st->best_name, st->best, st->data);
    plot_figure *fig = plot_figure_create(900, 800, 1, 1, title);
    plot_caption(fig, "hatched: none; colours on a log scale");
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_labels(ax, NULL, "predicted", "true");
    plot_heatmap(ax, counts, 10, 10, PLOT_VIRIDIS), plot_heatmap_values(ax, "%.0f"), plot_heatmap_square(ax);
    plot_names_x(ax, digits, 10), plot_names_y(ax, digits, 10);
    plot_color_log(ax), plot_color_label(ax, "test samples");
    ex_save_chart(fig, s->out, "confusion.png");
}

// The study's table: what it led the class to expect, and what was observed.
static void report(const study *st, const ex_settings *s) {
    ex_table table;
    memset(&table, 0, sizeof table);
    ex_table_row(&table, "activation|expected|train %%, epoch 1|train %%, last|test %%, last|‖∇‖ first → last|epochs "
                         "to 90 / 95 %%|s/epoch");
    for (int a = 0; a < s->act_count; a++) {
        double train[MAX_EPOCHS], test[MAX_EPOCHS], norm[MAX_EPOCHS], seconds[MAX_EPOCHS], std[MAX_EPOCHS], test_std[MAX_EPOCHS];
        const char *name = s->act_name[a], *expected = strcmp(name, "relu") == 0      ? "fastest, 97–98 %"
                                                       : strcmp(name, "tanh") == 0    ? "94–95 %"
                                                       : strcmp(name, "sigmoid") == 0 ? "slow, 90–92 %"
                                                                                      : "–";
        int n = over_seeds(st, s, a, TRAIN_ACC, train, std);
        if (n < 1) continue;
        over_seeds(st, s, a, TEST_ACC, test, test_std), over_seeds(st, s, a, GRAD_NORM, norm, std),
            over_seeds(st, s, a, SECONDS, seconds, std);
        ex_table_row(&table, "%s|%s|%.1f|%.1f|%.2f ± %.2f|%.2f → %.2f|%d / %d|%.2f", name, expected, train[0],
                     train[n - 1], test[n - 1], test_std[n - 1], norm[0], norm[n - 1],
                     ex_first_reach(test, (size_t)n, 90), ex_first_reach(test, (size_t)n, 95),
                     ex_mean(seconds, (size_t)n));
    }
    ex_table_write(&table, s, "table.md");
    printf("recall of the best model by digit:");
    for (int k = 0; k < 10 && st->best_name; k++) printf(" %d: %.1f %%", k, 100 * ex_recall(st->confusion, 10, k));
    printf("\n");
}

int main(int argc, char **argv) {
    static study st;
    gf_dataset data, test;
    const double half = 0.5;
    ex_settings s = ex_settings_default(
        "mnist_mlp", "Which activation trains a small MLP best, and what does the gradient do meanwhile?");
    s.activations = "sigmoid,tanh,relu", s.epochs = 10, s.quick_epochs = 2;
    ex_parse(&s, argc, argv, EX_DATA | EX_TRAINING | EX_WEIGHT_DECAY, NULL, 0);
    if (s.epochs > MAX_EPOCHS || s.seeds > MAX_SEEDS)
        ex_usage("--epochs %d --seeds %d: at most %d and %d here", s.epochs, s.seeds, MAX_EPOCHS, MAX_SEEDS);
    ex_make_folder(s.out);
    st.data = ex_load_mnist(&s, &data, &test);
    gf_data_normalize(&data, &half, &half, 1), gf_data_normalize(&test, &half, &half, 1);
    st.epochs = (ex_series *)ex_realloc(NULL, (size_t)(s.act_count * s.seeds), sizeof *st.epochs);
    memset(st.epochs, 0, (size_t)(s.act_count * s.seeds) * sizeof *st.epochs);
    ex_csv_open(&st.steps_csv, &s, "steps.csv", EX_STEPS_HEADER);
    ex_csv_open(&st.epochs_csv, &s, "epochs.csv", EX_EPOCHS_HEADER);
    ex_csv_open(&st.layers_csv, &s, "layers.csv", EX_LAYERS_HEADER);
    ex_progress_start(&st.progress,
                      ex_steps_per_epoch(&s, &data) * s.epochs * s.seeds * s.act_count);
    for (int a = 0; a < s.act_count; a++)
        for (int run = 0; run < s.seeds && !ex_stop; run++) train(&st, &s, a, run, &data, &test);
    ex_csv_close(&st.steps_csv), ex_csv_close(&st.epochs_csv), ex_csv_close(&st.layers_csv);
    draw(&st, &s);
    report(&st, &s);
    printf("wrote %s/practical.png, loss.png, accuracy.png, grad_norm.png, confusion.png; open practical.png first\n",
           s.out);
    for (int a = 0; a < s.act_count; a++) {
        ex_series_free(&st.loss[a]), ex_series_free(&st.norm[a]);
        for (int run = 0; run < s.seeds; run++) ex_series_free(&st.epochs[a * s.seeds + run]);
    }
    free(st.epochs), gf_data_free(&data), gf_data_free(&test);
    return ex_exit_status();
}
