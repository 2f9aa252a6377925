// cifar.h: what the two CIFAR-10 studies share: data, the training loop with its checkpoints, curves over all seeds.
//
// A run that is stopped, or killed, goes on from the end of its last whole epoch: first the CSV files are put in place,
// then the checkpoint. So the files never know less than the checkpoint, and what they know more is dropped.
#ifndef CIFAR_H
#define CIFAR_H
#include "experiment.h"

enum { CIFAR_STEPS, CIFAR_EPOCHS, CIFAR_LAYERS, CIFAR_GRADS, CIFAR_FILES };

typedef struct cifar_study {
    ex_settings s;
    gf_dataset data, test;
    const char *data_name;        // "CIFAR-10", or the stand-in's
    const char *const *classes;   // names of the ten
    const char *net_name;         // for titles
    int augment;                  // flags of gf_batches_init
    ex_csv file[CIFAR_FILES];
    ex_progress progress;
} cifar_study;

typedef struct cifar_run {  // one net on its way
    gf_net *net;
    gf_optim optim;
    gf_batches batches;
    char label[64];         // how its rows begin: "relu,default,42"
    char checkpoint[EX_PATH];
    const char *name;       // of the activation
    int done;               // whole epochs
    double *mean_abs, *l2;  // [L] of ∇W_l, summed over the steps of the epoch
    size_t confusion[100];  // of the test set, at the end
} cifar_run;

// "relu,default,42": how the rows of activation a and the run-th seed begin.
static const char *cifar_label(char label[64], const ex_settings *s, int a, int run) {
    snprintf(label, 64, "%s,%s,%d", s->act_name[a], s->init, s->seed + run);
    return label;
}

// Training and test set with the classes' names; x = (pixel/255 - mean)/std, with one of each for all
// channels or one of each for every channel.
static void cifar_load(cifar_study *st, const double *mean, const double *std, int channels) {
    static const char *const real[] = {"airplane", "auto", "bird",  "cat",  "deer",
                                       "dog",      "frog", "horse", "ship", "truck"};
    static const char *const drawn[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    st->data_name = ex_load_cifar10(&st->s, &st->data, &st->test);
    st->classes = st->data.synthetic ? drawn : real;
    gf_data_normalize(&st->data, mean, std, channels), gf_data_normalize(&st->test, mean, std, channels);
}

static void cifar_open(cifar_study *st, const char *own_settings) {
    static const char *const names[] = {"steps.csv", "epochs.csv", "layers.csv", "grads.csv"};
    static const char *const headers[] = {EX_STEPS_HEADER, EX_EPOCHS_HEADER, EX_LAYERS_HEADER,
                                          "activation,init,seed,epoch,layer,name,mean_abs,l2"};
    ex_settings *s = &st->s;
    ex_make_folder(s->out);
    ex_resume(s, st->data_name, own_settings);
    for (int f = 0; f < CIFAR_FILES; f++) ex_csv_open(&st->file[f], s, names[f], headers[f]);
    ex_progress_start(&st->progress, ex_steps_per_epoch(s, &st->data) * s->epochs * s->seeds * s->act_count);
}

static void cifar_close(cifar_study *st) {
    for (int f = 0; f < CIFAR_FILES; f++) ex_csv_close(&st->file[f]);
}

// Bring a new net to where its checkpoint stands, if there is one.
static void cifar_start(cifar_study *st, cifar_run *run, gf_net *net, int a, int number) {
    const ex_settings *s = &st->s;
    char file[96];
    uint64_t seed = (uint64_t)(s->seed + number);
    memset(run, 0, sizeof *run);
    run->net = net, run->name = s->act_name[a];
    cifar_label(run->label, s, a, number);
    snprintf(file, sizeof file, "%s_%s_%d.checkpoint", run->name, s->init, s->seed + number);
    ex_path(run->checkpoint, s->out, file);
    gf_optim_init(&run->optim, net, s->optim_config);
    if (gf_batches_init(&run->batches, &st->data, s->batch, seed, GF_SHUFFLE | st->augment) != GF_OK)
        ex_die("%s", gf_last_error());
    if (!s->resume) remove(run->checkpoint);
    else if (ex_file_exists(run->checkpoint)) {
        gf_net_load(net, &run->optim, &run->batches, run->checkpoint);
        run->done = (int)run->batches.epoch;
    }
    ex_check(net);
    run->mean_abs = (double *)ex_realloc(NULL, 2 * (size_t)gf_net_affine_count(net), sizeof(double));
    run->l2 = run->mean_abs + gf_net_affine_count(net);
    for (int f = 0; f < CIFAR_FILES; f++) ex_csv_rewind(&st->file[f], run->label, run->done);
    ex_progress_skip(&st->progress, gf_batches_per_epoch(&run->batches) * run->done);
}

static void cifar_finish(cifar_run *run) {
    gf_batches_free(&run->batches), gf_optim_free(&run->optim), gf_net_free(run->net);
    free(run->mean_abs);
}

// Add up |∇W| and ‖∇W‖ of every layer; its weight is the tensor with more than one dimension.
static void cifar_measure_weights(cifar_run *run) {
    for (int t = 0, l = 0; t < gf_net_tensor_count(run->net); t++) {
        const gf_tensor *weight = gf_net_tensor_at(run->net, t);
        if (weight->rank < 2) continue;
        const gf_stats stats = gf_stats_of(weight->grad, weight->size);
        run->mean_abs[l] += stats.mean_abs, run->l2[l++] += stats.l2;
    }
}

static void cifar_write_epoch(cifar_study *st, const cifar_run *run, const ex_epoch *e) {
    const int epoch = run->done + 1, steps = (int)gf_batches_per_epoch(&run->batches);
    ex_epochs_row(&st->file[CIFAR_EPOCHS], run->label, epoch, e);
    ex_layers_rows(&st->file[CIFAR_LAYERS], run->label, epoch, run->net);
    for (int l = 0; l < gf_net_affine_count(run->net); l++)
        ex_csv_row(&st->file[CIFAR_GRADS], "%s,%d,%d,%s,%.9g,%.9g", run->label, epoch, l + 1,
                   gf_net_probe_at(run->net, l + 1)->name, run->mean_abs[l] / steps, run->l2[l] / steps);
    for (int f = 0; f < CIFAR_FILES; f++) ex_csv_save(&st->file[f]);
    ex_progress_note(&st->progress,
                     "%-10s epoch %2d  train %.4f %5.2f %%  test %.4f %5.2f %%  |grad| %.3f  %.1f s", run->name, epoch,
                     e->train_loss, e->train_acc, e->test_loss, e->test_acc, e->grad_norm, e->seconds);
}

// One epoch; returns 0 when Ctrl-C came before its end.
static int cifar_epoch(cifar_study *st, cifar_run *run) {
    gf_net *net = run->net;
    double loss = 0, correct = 0, norms = 0, start = ex_now();
    const long steps = gf_batches_per_epoch(&run->batches);
    for (int l = 0; l < gf_net_affine_count(net); l++) run->mean_abs[l] = run->l2[l] = 0;
    while (!ex_stop && gf_batches_next(&run->batches)) {
        gf_net_forward(net, run->batches.x, run->batches.n, GF_TRAIN);
        double step_loss = gf_loss_cross_entropy(net, run->batches.labels);
        gf_net_backward(net);
        double norm = gf_net_grad_norm(net);
        cifar_measure_weights(run);
        if (run->batches.batch + 1 == steps) gf_net_measure(net);
        gf_optim_step(&run->optim, net);

        ex_check(net);
        loss += step_loss * run->batches.n, correct += gf_net_correct(net), norms += norm;
        ex_steps_row(&st->file[CIFAR_STEPS], run->label, run->done + 1, steps * run->done + run->batches.batch,
                     step_loss, norm);
        ex_progress_step(&st->progress, run->name, run->done + 1, st->s.epochs, step_loss);
    }
    if (ex_stop) return 0;
    ex_epoch e;
    e.seconds = ex_now() - start;
    gf_net_dead_reset(net, 1);
    const gf_score score = gf_net_evaluate(net, &st->test, GF_LOSS_CROSS_ENTROPY, run->confusion);
    e.train_loss = loss / (double)st->data.count, e.train_acc = 100 * correct / (double)st->data.count;
    e.test_loss = score.loss, e.test_acc = 100 * score.accuracy, e.grad_norm = norms / (double)steps;
    cifar_write_epoch(st, run, &e);
    gf_net_save(net, &run->optim, &run->batches, run->checkpoint);
    ex_check(net);
    run->done++;
    return 1;
}

// Train to the last epoch, or to Ctrl-C.
static void cifar_train(cifar_study *st, cifar_run *run) {
    if (run->done >= st->s.epochs) gf_net_evaluate(run->net, &st->test, GF_LOSS_CROSS_ENTROPY, run->confusion);
    while (run->done < st->s.epochs && cifar_epoch(st, run)) {}
}

// ---------------------------------------------------------------------------------------------------------------------
// Curves
// ---------------------------------------------------------------------------------------------------------------------

// A figure whose title says what it shows, of which net and of which data.
static plot_figure *cifar_figure(const cifar_study *st, int width, int height, int rows, int cols, const char *what) {
    char title[200];
    snprintf(title, sizeof title, "%s, %s on %s%s", what, st->net_name, st->data_name, st->s.quick ? " (--quick)" : "");
    return plot_figure_create(width, height, rows, cols, title);
}

typedef struct cifar_curve {  // mean and standard deviation over the seeds
    double *mean, *std;
    int n;
} cifar_curve;

// Column of file f for activation a, row by row, over the seeds that have come that far.
static cifar_curve cifar_read(const cifar_study *st, int a, int f, const char *column) {
    const ex_settings *s = &st->s;
    ex_series *series = (ex_series *)ex_realloc(NULL, (size_t)s->seeds, sizeof *series);
    double *values = (double *)ex_realloc(NULL, (size_t)s->seeds, sizeof *values);
    cifar_curve curve = {NULL, NULL, 0};
    char label[64];
    memset(series, 0, (size_t)s->seeds * sizeof *series);
    for (int r = 0; r < s->seeds; r++) {
        ex_csv_series(&st->file[f], cifar_label(label, s, a, r), column, &series[r]);
        if ((int)series[r].n > curve.n) curve.n = (int)series[r].n;
    }
    curve.mean = (double *)ex_realloc(NULL, 2 * (size_t)curve.n, sizeof(double));
    curve.std = curve.mean + curve.n;
    for (int i = 0; i < curve.n; i++) {
        size_t seeds = 0;
        for (int r = 0; r < s->seeds; r++)
            if ((size_t)i < series[r].n) values[seeds++] = series[r].v[i];
        curve.mean[i] = ex_mean(values, seeds), curve.std[i] = ex_std(values, seeds);
    }
    for (int r = 0; r < s->seeds; r++) ex_series_free(&series[r]);
    free(series), free(values);
    return curve;
}

// One column of epochs.csv against the epoch.
static void cifar_draw(plot_axes *ax, const cifar_study *st, int a, const char *column, const char *label,
                       plot_style style) {
    cifar_curve curve = cifar_read(st, a, CIFAR_EPOCHS, column);
    double *x = (double *)ex_realloc(NULL, (size_t)curve.n, sizeof(double));
    for (int i = 0; i < curve.n; i++) x[i] = i + 1;
    plot_mean_std(ax, x, curve.mean, curve.std, curve.n, label, style);
    free(x), free(curve.mean);
}

// Training solid and test dashed, for activations first … last; what is "loss" or "acc".
static void cifar_draw_both(plot_axes *ax, const cifar_study *st, int first, int last, const char *what) {
    const int is_loss = strcmp(what, "loss") == 0;
    plot_labels(ax, is_loss ? "loss: training solid, test dashed" : "accuracy: training solid, test dashed", "epoch",
                is_loss ? "cross entropy" : "accuracy in %");
    for (int a = first; a <= last; a++)
        for (int test = 0; test < 2; test++) {
            char column[32], label[64];
            snprintf(column, sizeof column, "%s_%s", test ? "test" : "train", what);
            snprintf(label, sizeof label, "%s %s", st->s.act_name[a], test ? "test" : "training");
            cifar_draw(ax, st, a, column, label, test ? plot_dashed(a) : plot_solid(a));
        }
}

#define CIFAR_ROW_HEADER \
    "train %%, first → last|test %%, first → last|test, last 3|train loss|epochs to 50 / 60 / 70 %%|s/epoch"
// The row under it; empty before the first epoch is over.
static void cifar_row(const cifar_study *st, int a, char *text, size_t size) {
    cifar_curve train = cifar_read(st, a, CIFAR_EPOCHS, "train_acc"),
                test = cifar_read(st, a, CIFAR_EPOCHS, "test_acc"),
                loss = cifar_read(st, a, CIFAR_EPOCHS, "train_loss"),
                seconds = cifar_read(st, a, CIFAR_EPOCHS, "seconds");
    const int n = test.n, tail = n < 3 ? n : 3;
    text[0] = '\0';
    if (n > 0)
        snprintf(text, size, "%.1f → %.1f|%.1f → %.1f|%.1f|%.3f|%d / %d / %d|%.1f", train.mean[0], train.mean[n - 1],
                 test.mean[0], test.mean[n - 1], ex_mean(test.mean + n - tail, (size_t)tail), loss.mean[n - 1],
                 ex_first_reach(test.mean, (size_t)n, 50), ex_first_reach(test.mean, (size_t)n, 60),
                 ex_first_reach(test.mean, (size_t)n, 70), ex_mean(seconds.mean, (size_t)n));
    free(train.mean), free(test.mean), free(loss.mean), free(seconds.mean);
}

static void cifar_print_recall(const cifar_study *st, const char *name, const size_t *confusion) {
    printf("recall, %s:", name);
    for (int k = 0; k < 10; k++) printf(" %s %.0f %%", st->classes[k], 100 * ex_recall(confusion, 10, k));
    printf("\n");
}

#endif
