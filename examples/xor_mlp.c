// xor_mlp.c: noisy XOR. Do saturating activations learn worse because their gradient vanishes?
//
//     cc -O2 examples/xor_mlp.c -o xor_mlp -lm && ./xor_mlp        (with -fopenmp: ./xor_mlp --threads 2)
//
// Data      x uniform in [-1,1]², class 1 where x1·x2 < 0, THEN Gaussian noise 0.1 on x: 92.3 % at best
// Model     2-16-16-1, sigmoid at the output, zero biases; full-batch gradient descent, rate 0.05
// --study sweep      Xavier normal weights × 0.5, 1, 2; 225 points to train, 75 to test; 3000 epochs; 10 seeds
// --study original   weights N(0, 0.1²), all 300 points for training and for accuracy; 2000 epochs; one seed
// Claimed   relu far ahead; tanh and arctan end alike, arctan slower. Often concluded: the smooth ones' φ' vanishes
// Look for  at scale 0.5 the slow nets have |φ'| near 1: nothing has vanished, they are still LINEAR. XOR is even,
//           f(-x) = f(x), and an odd φ without biases makes only odd functions: such a net must grow biases first. At
//           scale 2 tanh is the most saturated of all and learns as well as any
// Try next  --scales 0.25,4 · --inits kaiming · --noise 0 · --metric dphi_mean_abs · --study original --epochs 8000
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"
#include "xor_replay.h"
#include "xor_report.h"

typedef struct run {  // one net's training: a row of st->columns numbers for each epoch, and the final model's recall
    double *rows, recall[2], seconds;
} run;

// ---------------------------------------------------------------------------------------------------------------------
// Net, data, training
// ---------------------------------------------------------------------------------------------------------------------

static gf_init weights(const char *name, double scale) {
    if (strcmp(name, "xavier") == 0) return gf_init_xavier(scale);
    if (strcmp(name, "kaiming") == 0) return gf_init_with(GF_INIT_KAIMING_NORMAL, scale * sqrt(2.0));
    if (strcmp(name, "gaussian") == 0) return gf_init_with(GF_INIT_NORMAL, scale * 0.1);
    ex_usage("--inits: unknown '%s'; there are xavier, kaiming, gaussian", name);
    return gf_init_zero();
}

static gf_net *build(const study *st, gf_act act, gf_init weight, int batch, int seed) {
    gf_net *net = gf_net_create(gf_vector(2), batch, (uint64_t)seed);
    gf_net_init(net, weight, gf_init_zero());
    for (int l = 0; l < st->layers; l++) {
        if (l > 0) gf_net_activation(net, act);
        gf_net_dense(net, st->width[l]);
    }
    gf_net_build(net);
    ex_check(net);
    return net;
}

// Accuracy of the logits z[n]. The sweep takes p ≥ 0.5 (z ≥ 0) for class 1, the original edition p > 0.5: that matters
// in a relu net at rest, where a point on which every unit is off gets exactly 0.
static double accuracy(const gf_real *z, const gf_real *target, size_t n, int strict, double *recall) {
    size_t right[2] = {0, 0}, count[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        int found = strict ? z[i] > 0 : z[i] >= 0, wanted = target[i] > 0;
        right[wanted] += found == wanted, count[wanted]++;
    }
    recall[0] = (double)right[0] / (double)count[0], recall[1] = (double)right[1] / (double)count[1];
    return (double)(right[0] + right[1]) / (double)n;
}

// Every epoch is measured BEFORE its update, as in the study. test may be NULL.
static void train(const study *st, gf_net *net, gf_act act, double lr, int epochs, const gf_dataset *data,
                  const gf_dataset *test, run *r) {
    double v[METRICS], ignored[2], start = ex_now();
    xor_meter meter;
    gf_optim descent;
    meter.deriv_eps = st->deriv_eps, meter.linear_eps = st->linear_eps;
    xor_meter_init(&meter, net, act, st->layers, data->count);
    gf_optim_init(&descent, net, gf_sgd(lr));
    for (int epoch = 0; epoch < epochs && !ex_stop; epoch++) {
        v[TEST_LOSS] = v[TEST_ACC] = NAN;
        if (test != NULL) {
            const gf_real *z = gf_net_forward(net, test->values, (int)test->count, GF_EVAL);
            v[TEST_LOSS] = gf_loss_bce(net, test->targets);
            ex_check(net);
            v[TEST_ACC] = accuracy(z, test->targets, test->count, st->original, r->recall);
        }
        const gf_real *z = gf_net_forward(net, data->values, (int)data->count, GF_TRAIN);
        v[TRAIN_LOSS] = gf_loss_bce(net, data->targets);
        gf_net_backward(net);
        ex_check(net);
        v[TRAIN_ACC] = accuracy(z, data->targets, data->count, st->original, test != NULL ? ignored : r->recall);
        xor_measure(&meter, net, st->original, v);
        for (int c = 0; c < st->columns; c++) r->rows[epoch * st->columns + c] = v[st->metric_of[c]];
        gf_optim_step(&descent, net);
    }
    r->seconds = (ex_now() - start) / epochs;
    xor_meter_free(&meter), gf_optim_free(&descent);
}

// Data, split and weights of a run follow from its seed alone: the activations compete on the same points, from the
// same weights.
static void train_seed(const study *st, const ex_settings *s, const cell *c, int seed, run *r) {
    uint64_t key = (uint64_t)seed;
    gf_dataset all, data, test;
    memset(&data, 0, sizeof data), memset(&test, 0, sizeof test);
    gf_status status = gf_data_xor(&all, (size_t)st->n, st->noise, st->relabel, key);
    if (status == GF_OK && st->test_size > 0) status = gf_data_split(&all, 1 - st->test_size, key, &data, &test);
    if (status != GF_OK) ex_die("%s", gf_last_error());
    int largest = (int)(data.count > test.count ? data.count : test.count);
    gf_net *net = build(st, s->act[c->act], weights(st->init[c->init], c->scale), largest ? largest : st->n, seed);
    if (st->test_size > 0) train(st, net, s->act[c->act], s->lr, s->epochs, &data, &test, r);
    else train(st, net, s->act[c->act], s->lr, s->epochs, &all, NULL, r);
    gf_net_free(net), gf_data_free(&all), gf_data_free(&data), gf_data_free(&test);
}

// ---------------------------------------------------------------------------------------------------------------------
// The sweep: every initialiser × scale × activation, over all seeds
// ---------------------------------------------------------------------------------------------------------------------

// Mean and standard deviation over the seeds, epoch by epoch.
static void summarise(const study *st, const ex_settings *s, cell *c, const run *runs) {
    double value[1000];
    size_t seeds = (size_t)s->seeds, n = (size_t)s->epochs * (size_t)st->columns;
    c->mean = (double *)ex_realloc(NULL, n, sizeof(double)), c->std = (double *)ex_realloc(NULL, n, sizeof(double));
    for (size_t i = 0; i < n; i++) {
        for (size_t r = 0; r < seeds; r++) value[r] = runs[r].rows[i];
        c->mean[i] = ex_mean(value, seeds), c->std[i] = ex_std(value, seeds);
    }
    c->recall[0] = c->recall[1] = c->seconds = 0;
    for (size_t r = 0; r < seeds; r++) {
        for (int k = 0; k < 2; k++) c->recall[k] += runs[r].recall[k] / (double)seeds;
        c->seconds += runs[r].seconds / (double)seeds;
    }
}

static void write_rows(study *st, const ex_settings *s, const char *label, int seed, const double *row) {
    for (int epoch = 0; epoch < s->epochs; epoch++, row += st->columns) {
        ex_csv_add(&st->runs_csv, "%s,%d,%d", label, seed, epoch);
        for (int c = 0; c < st->columns; c++) ex_csv_add(&st->runs_csv, ",%.7g", row[c]);
        ex_csv_end(&st->runs_csv);
    }
}

// The runs of a cell are independent: with --threads each core takes the next seed. Their rows are written in order.
static void run_cell(study *st, const ex_settings *s, cell *c, run *runs) {
    char label[96];
    snprintf(label, sizeof label, "%s,%s,%g", s->act_name[c->act], st->init[c->init], c->scale);
#ifdef _OPENMP
#pragma omp parallel for ordered num_threads(s->threads) schedule(dynamic, 1)
#endif
    for (int r = 0; r < s->seeds; r++) {
        train_seed(st, s, c, s->seed + r, &runs[r]);
#ifdef _OPENMP
#pragma omp ordered
#endif
        if (!ex_stop) {
            write_rows(st, s, label, s->seed + r, runs[r].rows);
            ex_progress_step(&st->progress, label, s->epochs, s->epochs, runs[r].rows[(s->epochs - 1) * st->columns]);
        }
    }
    if (!ex_stop) summarise(st, s, c, runs);
}

static void run_all(study *st, const ex_settings *s) {
    char header[1024] = "activation,init,scale,seed,epoch";
    run *runs = (run *)ex_realloc(NULL, (size_t)s->seeds, sizeof *runs);
    st->cell_count = st->init_count * st->scale_count * s->act_count;
    st->cells = (cell *)ex_realloc(NULL, (size_t)st->cell_count, sizeof(cell));
    for (int c = 0; c < st->columns; c++) {
        size_t used = strlen(header);
        snprintf(header + used, sizeof header - used, ",%s", st->column[c]);
    }
    ex_csv_open(&st->runs_csv, s, st->original ? "original_runs.csv" : "runs.csv", header);
    ex_progress_start(&st->progress, (long)st->cell_count * s->seeds);
    for (int r = 0; r < s->seeds; r++)
        runs[r].rows = (double *)ex_realloc(NULL, (size_t)s->epochs * (size_t)st->columns, sizeof(double));
    for (int i = 0; i < st->cell_count; i++) {
        cell *c = &st->cells[i];
        c->mean = c->std = NULL;
        c->act = i % s->act_count, c->init = i / s->act_count / st->scale_count;
        c->scale = st->scale[i / s->act_count % st->scale_count];
        if (!ex_stop) run_cell(st, s, c, runs);
    }
    ex_progress_note(&st->progress, "%ld runs in %.2f s", st->progress.done, ex_now() - st->progress.start);
    for (int r = 0; r < s->seeds; r++) free(runs[r].rows);
    free(runs);
    ex_csv_close(&st->runs_csv);
}

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

static void add_column(study *st, int metric, const char *name, int layer) {
    char *column = st->column[st->columns];
    if (layer > 0) snprintf(column, sizeof st->column[0], "%s_L%d", name, layer);
    else snprintf(column, sizeof st->column[0], "%s", name);
    st->metric_of[st->columns++] = metric;
}

// The columns of the edition's own files, and the corrected rate behind the original's.
static void set_columns(study *st) {
    st->columns = 0;
    for (int m = 0; m < GRAD && !st->original; m++) add_column(st, m, xor_metric_names[m], 0);
    if (st->original) add_column(st, TRAIN_LOSS, "loss", 0), add_column(st, TRAIN_ACC, "accuracy", 0);
    for (int l = 0; l < st->layers; l++) {
        add_column(st, GRAD + 2 * l, "grad_norm", l + 1);
        if (!st->original) add_column(st, GRAD + 2 * l + 1, "grad_rms", l + 1);
    }
    if (st->original) add_column(st, CODE_RATE, "rate_original", 0), add_column(st, LIMIT, "rate_corrected", 0);
}

// "0.5,1,2" into out; returns how many.
static int parse_list(const char *option, const char *text, double low, double high, int most, double *out) {
    for (int count = 0;; text++) {
        char *end;
        if (count == most) ex_usage("--%s: at most %d numbers", option, most);
        out[count] = strtod(text, &end);
        if (end == text || !(out[count] >= low && out[count] <= high) || (*end != ',' && *end != '\0'))
            ex_usage("--%s: expected numbers from %g to %g, separated by commas, found '%s'", option, low, high, text);
        count++;
        text = end;
        if (*end == '\0') return count;
    }
}

static void parse_lists(study *st) {
    double widths[XOR_MAX_LAYERS];
    st->scale_count = parse_list("scales", st->scales, 1e-6, 1e6, XOR_MAX_LIST, st->scale);
    st->layers = 1 + parse_list("arch", st->arch, 1, 4096, XOR_MAX_LAYERS - 1, widths);
    for (int l = 0; l + 1 < st->layers; l++) {
        st->width[l] = (int)widths[l];
        if (widths[l] != st->width[l]) ex_usage("--arch: expected whole numbers, found %g", widths[l]);
    }
    st->width[st->layers - 1] = 1;
    for (const char *at = st->inits; st->init_count == 0 || *at++ == ',';) {
        size_t length = strcspn(at, ",");
        if (st->init_count == XOR_MAX_LIST) ex_usage("--inits: at most %d", XOR_MAX_LIST);
        snprintf(st->init[st->init_count], sizeof st->init[0], "%.*s", (int)length, at);
        weights(st->init[st->init_count++], 1);
        at += length;
    }
}

// Print metrics.csv's columns at its epochs. Built with -DGF_REAL=double they agree with the study's to 1e-9.
static void replay(study *st, const ex_settings *s, gf_act act, const char *folder, FILE *out) {
    gf_dataset data, test;
    run r;
    if (!xor_read_points(&data, folder, "train.csv")) ex_die("%s/train.csv: cannot be opened", folder);
    int has_test = xor_read_points(&test, folder, "test.csv");
    st->original = !has_test;
    st->layers = xor_read_widths(folder, st->width, XOR_MAX_LAYERS);
    set_columns(st);
    ex_series logged = xor_read_epochs(folder, has_test ? 3000 : 1999);
    int epochs = (int)logged.v[logged.n - 1] + 1;
    int batch = (int)(has_test && test.count > data.count ? test.count : data.count);
    gf_net *net = build(st, act, gf_init_zero(), batch, 0);
    xor_read_weights(net, st->layers, folder);
    r.rows = (double *)ex_realloc(NULL, (size_t)epochs * (size_t)st->columns, sizeof(double));
    train(st, net, act, s->lr, epochs, &data, has_test ? &test : NULL, &r);
    int columns = st->columns - st->original;  // the corrected rate, the last column, is ours
    fprintf(out, "epoch");
    for (int c = 0; c < columns; c++) fprintf(out, ",%s", st->column[c]);
    for (size_t i = 0; i < logged.n && !ex_stop; i++) {
        fprintf(out, "\n%d", (int)logged.v[i]);
        for (int c = 0; c < columns; c++) fprintf(out, ",%.15g", r.rows[(int)logged.v[i] * st->columns + c]);
    }
    fprintf(out, "\n");
    free(r.rows), ex_series_free(&logged), gf_net_free(net), gf_data_free(&data);
    if (has_test) gf_data_free(&test);
}

// The defaults of the edition asked for: --study must be known before the other options are read.
static void set_defaults(study *st, ex_settings *s, int argc, char **argv) {
    memset(st, 0, sizeof *st);
    for (int i = 1; i < argc; i++) {
        int is_name = strcmp(argv[i - 1], "--study") == 0 && strcmp(argv[i], "original") == 0;
        if (is_name || strcmp(argv[i], "--study=original") == 0) st->original = 1;
    }
    st->kind = st->original ? "original" : "sweep", st->arch = "16,16";
    st->inits = st->original ? "gaussian" : "xavier", st->scales = st->original ? "1" : "0.5,1,2";
    st->n = 300, st->noise = 0.1, st->test_size = st->original ? 0 : 0.25;
    st->deriv_eps = 1e-3, st->linear_eps = 0.1;
    for (int i = 0; i < 4; i++) st->limits[i] = NAN;
    s->activations = "relu,tanh,arctan,softsign", s->lr = 0.05, s->seed = 0, s->seeds = st->original ? 1 : 10;
    s->epochs = st->original ? 2000 : 3000, s->quick_epochs = 200, s->quick_seeds = 2;
}

// Has nothing been changed that the study's numbers depend on?
static int is_the_recipe(const study *st, const ex_settings *s) {
    return st->n == 300 && st->noise == 0.1 && !st->relabel && strcmp(st->arch, "16,16") == 0 && s->lr == 0.05 &&
           st->test_size == (st->original ? 0 : 0.25) && s->epochs == (st->original ? 2000 : 3000);
}

int main(int argc, char **argv) {
    static study st;
    ex_settings s = ex_settings_default("xor_mlp", "noisy XOR: does a vanishing φ' hold the smooth ones back?");
    set_defaults(&st, &s, argc, argv);
    const char *all = s.activations;
    const ex_option own[] = {
        {"study", EX_TEXT, &st.kind, 0, 0, "NAME sweep or original; each sets the defaults below"},
        {"inits", EX_TEXT, &st.inits, 0, 0, "A,B xavier, kaiming, gaussian"},
        {"scales", EX_TEXT, &st.scales, 0, 0, "X,Y factors on the initial weights"},
        {"noise", EX_REAL, &st.noise, 0, 100, "standard deviation of the noise on x"},
        {"n", EX_INT, &st.n, 8, 100000, "points"},
        {"arch", EX_TEXT, &st.arch, 0, 0, "N,M units of the hidden layers"},
        {"test-size", EX_REAL, &st.test_size, 0, 0.9, "share of the points kept for the test"},
        {"relabel-after-noise", EX_FLAG, &st.relabel, 0, 0, "label the noisy points: XOR without error"},
        {"deriv-eps", EX_REAL, &st.deriv_eps, 0, 1, "|φ'| below this counts as gone"},
        {"z-linear-eps", EX_REAL, &st.linear_eps, 0, 100, "|z| up to this counts as linear"},
        {"metric", EX_TEXT, &st.metric, 0, 0, "NAME one more chart, of this column of runs.csv"},
        {"xmin", EX_REAL, &st.limits[0], 0, 1e6, "limits of that chart"},
        {"xmax", EX_REAL, &st.limits[1], 0, 1e6, "limits of that chart"},
        {"ymin", EX_REAL, &st.limits[2], -1e6, 1e6, "limits of that chart"},
        {"ymax", EX_REAL, &st.limits[3], -1e6, 1e6, "limits of that chart"},
        {"replay", EX_TEXT, &st.replay, 0, 0, "DIR train from the data and weights there and print its metrics.csv"}};
    ex_parse(&s, argc, argv, EX_EPOCHS | EX_SEED | EX_SEEDS | EX_ACTIVATIONS | EX_LR | EX_THREADS, own, EX_COUNT(own));
    if (strcmp(st.kind, "sweep") != 0 && strcmp(st.kind, "original") != 0)
        ex_usage("--study: expected sweep or original, found '%s'", st.kind);
    if (st.replay != NULL) {
        replay(&st, &s, s.activations != all ? s.act[0] : xor_act_of_folder(st.replay), st.replay, stdout);
        return ex_exit_status();
    }
    parse_lists(&st);
    set_columns(&st);
    if (st.metric != NULL && xor_named(&st, st.metric) < 0)
        ex_usage("--metric: no column '%s' in runs.csv", st.metric);
    ex_make_folder(s.out);
    run_all(&st, &s);
    xor_write_summaries(&st, &s);
    for (int i = 0; st.metric != NULL && i < st.init_count * st.scale_count; i++)
        xor_chart(&st, &s, i / st.scale_count, i % st.scale_count, xor_named(&st, st.metric), 1);
    if (st.original) xor_draw_original(&st, &s);
    else xor_draw_sweep(&st, &s);
    xor_table_cells(&st, &s);
    if (is_the_recipe(&st, &s) && !ex_stop) {
        if (st.original) xor_table_original(&st, &s);
        else xor_table_agreement(&st, &s), xor_table_sweep(&st, &s);
    }
    for (int i = 0; i < st.cell_count; i++) free(st.cells[i].mean), free(st.cells[i].std);
    free(st.cells);
    return ex_exit_status();
}
