// rescue.c: a net that does not train, and every remedy in turn and combined. Which of them gets it going?
//
//     cc -O2 examples/rescue.c -o rescue -lm && ./rescue
//     cc -O2 -fopenmp examples/rescue.c -o rescue -lm && ./rescue --threads 2       (as many nets at once)
//
// The patient  784-128, twenty times 128-128, 10; sigmoid after every layer but the last; PyTorch's default
//              initialisation; plain SGD. MNIST scaled to [0, 1], 30000 images once, batches of 128
// Remedies     activation, initialisation, batch norm, layer norm, skip connections, optimiser: all 320 combinations
// Look for     rescue.png, from left to right: what reaches layer 1 before the first step, then what came of it. Below
//              1e-8 no optimiser helps, above it Adam often does. Batch norm mends everything, layer norm never the
//              sigmoid; skip connections explode with large gains and with plain SGD; rmsprop's first steps spoil
//              healthy nets
// Try next     --structures skip,batch_norm_skip · --inits lecun --activations sigmoid,selu · --seeds 3 · --images 60000
#include "grid.h"

enum { WIDTH = 128, DEPTH = 20 };
enum { STRUCTURE, ACTIVATION, OPTIM, INIT };  // a cell's choices

typedef struct study {
    ex_settings s;
    const char *data_name, *structures, *inits, *optims;
    int images;
    grid_choice structure, init, optim;
    gf_dataset data, test;
    grid g;                // cells [structure][activation][optim][init]
    char (*verdict)[320];  // of each cell's first net, before its first step
} study;

// The usual learning rate of each optimiser; it is not tuned to any cell.
static double usual_rate(const char *optim) {
    if (strcmp(optim, "sgd") == 0) return 0.1;
    return strcmp(optim, "momentum") == 0 ? 0.01 : 1e-3;
}

#include "rescue_report.h"

static gf_net *build(const study *st, const grid_cell *c, int seed) {
    const char *structure = st->structure.name[c->at[STRUCTURE]], *init = st->init.name[c->at[INIT]];
    int batch_norm = strstr(structure, "batch") != NULL, layer_norm = strstr(structure, "layer") != NULL;
    int skip = strstr(structure, "skip") != NULL, is_default = strcmp(init, "default") == 0;
    gf_init weight = gf_init_zero();
    ex_init_from_name(init, &weight);
    gf_net *net = gf_net_create(gf_image(1, 28, 28), st->s.batch, (uint64_t)seed);
    gf_net_set_init(net, weight, is_default ? weight : gf_init_zero());
    gf_net_set_probe(net, GF_PROBE_GRADIENTS | GF_PROBE_SIGNALS);
    for (int l = 0; l <= DEPTH; l++) {
        int mark = l > 0 && skip ? gf_net_mark(net) : 0;
        gf_net_dense(net, WIDTH);
        if (batch_norm) gf_net_batch_norm(net);
        if (layer_norm) gf_net_layer_norm(net);
        gf_net_act_with(net, st->s.act[c->at[ACTIVATION]]);
        if (mark) gf_net_add_from(net, mark);  // h + φ(norm(W·h + b))
    }
    gf_net_dense(net, 10);
    gf_net_build(net);
    return net;
}

// One combination with one seed: test accuracy in %, whether it diverged (then 0 %), RMS ∇W_1 and δ_1/δ_L at the start.
static double train(void *context, const grid_cell *c, int seed, double *row, double *once) {
    study *st = (study *)context;
    const char *optim_name = st->optim.name[c->at[OPTIM]];
    double loss = NAN;
    gf_net *net = build(st, c, seed);
    gf_optim_config config = gf_sgd(0);
    ex_optim_from_name(optim_name, usual_rate(optim_name), &config);
    gf_optim optim;
    gf_batches batches;
    gf_optim_init(&optim, net, config);
    ex_check(net);
    if (gf_batches_init(&batches, &st->data, st->s.batch, (uint64_t)seed, GF_SHUFFLE) != GF_OK)
        ex_die("%s", gf_last_error());
    for (int epoch = 0; epoch < st->s.epochs; epoch++)
        while (!ex_stop && gf_net_status(net) == GF_OK && gf_batches_next(&batches)) {
            gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
            loss = gf_loss_cross_entropy(net, batches.labels);
            gf_net_backward(net);
            if (epoch == 0 && batches.batch == 0) {  // before any weight has moved
                gf_net_measure(net);
                row[2] = gf_net_probe(net, 1)->dw.rms;
                row[3] = gf_net_probe(net, 1)->delta.rms / gf_net_probe(net, DEPTH + 2)->delta.rms;
                char *verdict = st->verdict[c - st->g.cells];
                if (seed == st->s.seed) gf_net_verdict(net, verdict, sizeof st->verdict[0]);
            }
            gf_optim_step(&optim, net);  // refuses gradients that are not finite: the net's status says so
        }
    gf_score score = gf_net_evaluate(net, &st->test, GF_LOSS_CROSS_ENTROPY, NULL);
    row[1] = !isfinite(score.loss);
    row[0] = row[1] > 0 ? 0 : 100 * score.accuracy;
    (void)once;
    gf_batches_free(&batches);
    gf_optim_free(&optim);
    gf_net_free(net);
    return loss;
}

// A cell's nets are all trained.
static void report(void *context, const grid_cell *c) {
    study *st = (study *)context;
    ex_progress_note(&st->g.progress, "%-36s test %6.2f %%  %.90s", c->label, grid_last(&st->g, c, "test_acc"),
                     st->verdict[c - st->g.cells]);
}

// All combinations.
static void add_cells(study *st) {
    static const char *const columns[4] = {"test_acc", "diverged", "rms_dw_first", "delta_ratio"};
    grid_begin(&st->g, &st->s, "structure,activation,init,optim", 1);
    st->g.report = report;
    for (int k = 0; k < 4; k++) grid_column(&st->g, "%s", columns[k]);
    int inits = st->init.count, optims = st->optim.count, acts = st->s.act_count;
    for (int i = 0; i < st->structure.count * acts * optims * inits; i++) {
        const int at[4] = {i / inits / optims / acts, i / inits / optims % acts, i / inits % optims, i % inits};
        grid_cell *c =
            grid_cell_add(&st->g, "%s,%s,%s,%s", st->structure.name[at[STRUCTURE]], st->s.act_name[at[ACTIVATION]],
                          st->init.name[at[INIT]], st->optim.name[at[OPTIM]]);
        memcpy(c->at, at, sizeof at);
    }
    st->verdict = (char(*)[320])ex_realloc(NULL, (size_t)st->g.count, sizeof *st->verdict);
    memset(st->verdict, 0, (size_t)st->g.count * sizeof *st->verdict);
}

int main(int argc, char **argv) {
    static study st;
    ex_option own[] = {
        {"images", EX_INT, &st.images, 128, 60000, "training images used"},
        {"structures", EX_TEXT, &st.structures, 0, 0, "A,B of plain, batch_norm, layer_norm, skip, …_norm_skip"},
        {"inits", EX_TEXT, &st.inits, 0, 0, "A,B,C initialisers"},
        {"optims", EX_TEXT, &st.optims, 0, 0, "A,B,C optimisers, each at its usual learning rate"}};
    st.s = ex_settings_default("rescue",
                               "Twenty sigmoid layers do not train: which remedy, alone or combined, gets them going?");
    st.s.activations = "sigmoid,tanh,relu,gelu,selu";
    st.s.batch = 128;
    st.images = 30000;
    st.structures = "plain,batch_norm,layer_norm,skip";
    st.inits = "default,xavier,kaiming,orthogonal";
    st.optims = "sgd,momentum,rmsprop,adam";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") != 0) continue;
        st.s.activations = "sigmoid,relu";
        st.inits = "default,kaiming";
        st.optims = "sgd,adam";
    }
    ex_parse(&st.s, argc, argv, EX_DATA | EX_SET | EX_EPOCHS | EX_SEED | EX_SEEDS | EX_ACTIVATIONS | EX_BATCH | EX_THREADS, own,
             EX_COUNT(own));
    st.structure = grid_names("structures", st.structures,
                              "plain, batch_norm, layer_norm, skip, batch_norm_skip, layer_norm_skip");
    st.init = grid_names("inits", st.inits, "default, xavier, kaiming, lecun, orthogonal, normal");
    st.optim = grid_names("optims", st.optims, "sgd, momentum, adam, adamw, rmsprop");
    ex_make_folder(st.s.out);
    st.data_name = ex_load_mnist(&st.s, &st.data, &st.test);
    if (st.data.count > (size_t)st.images) st.data.count = (size_t)st.images;
    add_cells(&st);
    grid_run(&st.g, "cells.csv", train, &st);
    draw(&st);
    if (!ex_stop) write_table(&st);
    gf_data_free(&st.data);
    gf_data_free(&st.test);
    free(st.verdict);
    grid_free(&st.g);
    return ex_exit_status();
}
