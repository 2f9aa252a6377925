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
#include "grid.h"
#include "signals.h"
#include <ctype.h>

typedef struct study {
    ex_settings s;
    int original, n, relabel;  // the edition; points; label the points after the noise
    const char *kind, *inits, *scales, *arch, *metric, *replay;
    double noise, test_size, deriv_eps, linear_eps, limits[4];  // limits of --metric's chart: x, x, y, y
    grid_choice init, scale, hidden;                            // the lists, taken apart
    grid g;                                                     // cells: at[ACT], at[INIT], at[SCALE]
} study;
enum { ACT, INIT, SCALE };

#include "xor_metrics.h"
#include "xor_options.h"
#include "xor_report.h"

// ---------------------------------------------------------------------------------------------------------------------
// Net, training
// ---------------------------------------------------------------------------------------------------------------------

static gf_init weights(const char *name, double scale) {
    if (strcmp(name, "xavier") == 0) return gf_init_xavier(scale);
    if (strcmp(name, "kaiming") == 0) return gf_init_with(GF_INIT_KAIMING_NORMAL, scale * sqrt(2.0));
    return gf_init_with(GF_INIT_NORMAL, scale * 0.1);  // gaussian
}

static gf_net *build(const study *st, gf_act act, gf_init weight, size_t batch, int seed) {
    gf_net *net = gf_net_create(gf_vector(2), (int)batch, (uint64_t)seed);
    gf_net_set_init(net, weight, gf_init_zero());
    for (int l = 0; l < st->hidden.count; l++) {
        gf_net_dense(net, (int)st->hidden.number[l]);
        gf_net_act_with(net, act);
    }
    gf_net_dense(net, 1);
    gf_net_build(net);
    ex_check(net);
    return net;
}

// Fills rows[epochs, columns], in the order of name_columns, and recall. Every epoch is measured BEFORE its update, as in
// the study. The original edition has no test points (test->count is 0). Returns the last loss.
static double train(const study *st, gf_net *net, gf_act act, int epochs, const gf_dataset *data,
                    const gf_dataset *test, double *rows, double *recall) {
    double loss = NAN, test_loss = NAN, test_accuracy = NAN, ignored[2];
    gf_optim descent;
    gf_optim_init(&descent, net, gf_sgd(st->s.lr));
    signals meter = signals_begin(net, act, st->hidden.count + 1, data->count, st->deriv_eps, st->linear_eps);
    for (int epoch = 0; epoch < epochs && !ex_stop; epoch++) {
        if (test->count > 0) {
            const gf_real *z = gf_net_forward(net, test->values, (int)test->count, GF_EVAL);
            test_loss = gf_loss_bce(net, test->targets);
            test_accuracy = accuracy(z, test->targets, test->count, st->original, recall);
        }
        const gf_real *z = gf_net_forward(net, data->values, (int)data->count, GF_TRAIN);
        loss = gf_loss_bce(net, data->targets);
        gf_net_backward(net);
        ex_check(net);
        double train_accuracy =
            accuracy(z, data->targets, data->count, st->original, test->count > 0 ? ignored : recall);
        const double results[4] = {loss, train_accuracy, test_loss, test_accuracy};
        fill_row(st, net, act, &meter, results, rows + epoch * st->g.columns);
        gf_optim_step(&descent, net);
    }
    signals_end(&meter);
    gf_optim_free(&descent);
    return loss;
}

// Every initialiser × scale × activation.
static void add_cells(study *st) {
    int acts = st->s.act_count, scales = st->scale.count;
    for (int i = 0; i < st->init.count * scales * acts; i++) {
        const int at[3] = {i % acts, i / acts / scales, i / acts % scales};
        grid_cell *c = grid_cell_add(&st->g, "%s,%s,%s", st->s.act_name[at[ACT]], st->init.name[at[INIT]],
                                     st->scale.name[at[SCALE]]);
        memcpy(c->at, at, sizeof at);
    }
    grid_once(&st->g, "recall_0", "%.4f");
    grid_once(&st->g, "recall_1", "%.4f");
    grid_once(&st->g, "seconds_per_epoch", "%.3g");
}

// Data, split and weights of a run follow from its seed alone: the activations compete on the same points, from the
// same weights.
static double run(void *context, const grid_cell *c, int seed, double *rows, double *once) {
    const study *st = (const study *)context;
    double start = ex_now();
    gf_dataset all, data, test;
    memset(&data, 0, sizeof data);
    memset(&test, 0, sizeof test);
    gf_status status = gf_data_xor(&all, (size_t)st->n, st->noise, st->relabel, (uint64_t)seed);
    if (status == GF_OK && st->test_size > 0)
        status = gf_data_split(&all, 1 - st->test_size, (uint64_t)seed, &data, &test);
    if (status != GF_OK) ex_die("%s", gf_last_error());
    gf_act act = st->s.act[c->at[ACT]];
    gf_init weight = weights(st->init.name[c->at[INIT]], st->scale.number[c->at[SCALE]]);
    gf_net *net = build(st, act, weight, all.count, seed);
    double loss = train(st, net, act, st->s.epochs, test.count > 0 ? &data : &all, &test, rows, once);
    once[2] = (ex_now() - start) / st->s.epochs;
    gf_net_free(net);
    gf_data_free(&all);
    gf_data_free(&data);
    gf_data_free(&test);
    return loss;
}

#include "xor_replay.h"  // trains as above, on somebody else's points and weights

int main(int argc, char **argv) {
    static study st;
    set_defaults(&st, argc, argv);
    const char *all = st.s.activations;
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
    ex_parse(&st.s, argc, argv, EX_EPOCHS | EX_SEED | EX_SEEDS | EX_ACTIVATIONS | EX_LR | EX_THREADS, own,
             EX_COUNT(own));
    if (strcmp(st.kind, "sweep") != 0 && strcmp(st.kind, "original") != 0)
        ex_usage("--study: expected sweep or original, found '%s'", st.kind);
    read_lists(&st);
    if (st.replay != NULL) {
        replay(&st, st.s.activations != all ? st.s.act[0] : act_of_folder(st.replay), st.replay, stdout);
        return ex_exit_status();
    }
    name_columns(&st);
    if (st.metric != NULL && grid_find_column(&st.g, st.metric) < 0)
        ex_usage("--metric: no column '%s' in runs.csv", st.metric);
    ex_make_folder(st.s.out);
    add_cells(&st);
    const double goals[] = {0.85, 0.90};
    const char *measured = st.original ? "accuracy" : st.test_size > 0 ? "test_acc" : "train_acc";
    grid_run(&st.g, st.original ? "original_runs.csv" : "runs.csv", run, &st);
    grid_write_summary(&st.g, st.original ? "original_summary.csv" : "summary.csv");
    for (int i = 0; st.metric != NULL && i < st.init.count * st.scale.count; i++)
        draw_column(&st, i / st.scale.count, i % st.scale.count, st.metric, st.limits);
    if (st.original) draw_original(&st);
    else draw_sweep(&st);
    grid_write_final(&st.g, st.original ? "original_final.csv" : "final.csv",
                     st.original ? "original_table.md" : "table.md", measured, goals, 2);
    if (is_the_recipe(&st) && st.original) check_original_claims(&st);
    if (is_the_recipe(&st) && !st.original) {
        grid_compare(&st.g, "agreement.md", "test_acc", theirs, EX_COUNT(theirs));
        check_claims(&st);
    }
    grid_free(&st.g);
    return ex_exit_status();
}
