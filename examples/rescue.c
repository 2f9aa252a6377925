// rescue.c: a net that does not train, and every remedy in turn and combined. Which of them gets it going?
//
//     cc -O2 examples/rescue.c -o rescue -lm && ./rescue
//     cc -O2 -fopenmp examples/rescue.c -o rescue -lm && ./rescue --threads 2       (as many nets at once)
//
// The patient  784-128, twenty times 128-128, 10; sigmoid after every layer but the last; PyTorch's default
//              initialisation; plain SGD. MNIST scaled to [0, 1], 30000 images once, batches of 128
// Remedies     activation, initialisation, batch norm, layer norm, skip connections, optimiser: all 320 combinations
// Look for     rescue.png, from left to right: what reaches layer 1 before the first step, then what came of it. Below 1e-8
//              no optimiser helps, above it Adam often does. Batch norm mends everything, layer norm never the sigmoid;
//              skip connections explode with large gains and with plain SGD; rmsprop's first steps spoil healthy nets
// Try next     --structures skip,batch_norm_skip · --inits lecun --activations sigmoid,selu · --seeds 3 · --images 60000
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"

enum { WIDTH = 128, DEPTH = 20, MAX_NAMES = 8, MAX_SEEDS = 16 };
enum { BATCH_NORM = 1, LAYER_NORM = 2, SKIP = 4 };

typedef struct choice {  // a list of the command line, taken apart
    int count;
    char name[MAX_NAMES][24];
} choice;

typedef struct cell {  // one combination of remedies, and what became of it
    int activation, structure, init, optim, done;
    double acc[MAX_SEEDS];    // test accuracy in % at the end; NaN: diverged
    double first[MAX_SEEDS];  // RMS ∇W_1 at the first step, before any weight has moved
    double ratio[MAX_SEEDS];  // RMS δ_1/RMS δ_L there
    double loss;              // of the last step
    char verdict[320];        // of the first seed, there
} cell;

typedef struct study {
    ex_settings s;
    const char *data_name, *structures, *inits, *optims;
    int images;
    choice structure, init, optim;
    gf_dataset data, test;
    cell *cells;  // [structure][activation][optim][init]
    int count;
    ex_progress progress;
} study;

// "--inits a,b" into a list of names, each of which known(name) accepts.
static choice take_apart(const char *option, const char *text, int (*known)(const char *name), const char *there_are) {
    choice list;
    for (list.count = 0;; text++) {
        size_t length = strcspn(text, ",");
        if (list.count == MAX_NAMES) ex_usage("--%s: at most %d at once", option, MAX_NAMES);
        snprintf(list.name[list.count], sizeof list.name[0], "%.*s", (int)length, text);
        if (length >= sizeof list.name[0] || !known(list.name[list.count]))
            ex_usage("--%s: unknown '%.*s'; there are %s", option, (int)length, text, there_are);
        list.count++;
        text += length;
        if (*text == '\0') return list;
    }
}

#define STRUCTURES "plain, batch_norm, layer_norm, skip, batch_norm_skip, layer_norm_skip"
static int parts_of(const char *structure) {  // -1: unknown
    const char *at = strstr(STRUCTURES, structure);
    if (at == NULL || (at[strlen(structure)] != ',' && at[strlen(structure)] != '\0')) return -1;
    return (strstr(structure, "batch") ? BATCH_NORM : 0) | (strstr(structure, "layer") ? LAYER_NORM : 0) |
           (strstr(structure, "skip") ? SKIP : 0);
}
static int known_structure(const char *name) { return parts_of(name) >= 0; }
static int known_init(const char *name) {
    gf_init init;
    return ex_init_from_name(name, &init);
}
// The usual learning rate of each optimiser; it is not tuned to any cell.
static double usual_rate(const char *optim) { return !strcmp(optim, "sgd") ? 0.1 : !strcmp(optim, "momentum") ? 0.01 : 1e-3; }
static int known_optim(const char *name) {
    gf_optim_config config;
    return ex_optim_from_name(name, usual_rate(name), &config);
}

static gf_net *build(const study *st, const cell *c, int seed) {
    const char *init = st->init.name[c->init];
    int parts = parts_of(st->structure.name[c->structure]);
    gf_init weight;
    gf_net *net = gf_net_create(gf_image(1, 28, 28), st->s.batch, (uint64_t)seed);
    ex_init_from_name(init, &weight);
    gf_net_set_init(net, weight, strcmp(init, "default") ? gf_init_zero() : gf_init_with(GF_INIT_DEFAULT, 1));
    gf_net_set_probe(net, GF_PROBE_GRADIENTS | GF_PROBE_SIGNALS);
    for (int l = 0; l <= DEPTH; l++) {
        int mark = l > 0 && (parts & SKIP) ? gf_net_mark(net) : 0;
        gf_net_dense(net, WIDTH);
        if (parts & BATCH_NORM) gf_net_batch_norm(net);
        if (parts & LAYER_NORM) gf_net_layer_norm(net);
        gf_net_act_with(net, st->s.act[c->activation]);
        if (mark) gf_net_add_from(net, mark);  // h + φ(norm(W·h + b))
    }
    gf_net_dense(net, 10);
    gf_net_build(net);
    return net;
}

// Train one combination with one seed.
static void train(const study *st, cell *c, int run) {
    const char *optim_name = st->optim.name[c->optim];
    int seed = st->s.seed + run, step = 0;
    gf_net *net = build(st, c, seed);
    gf_optim optim;
    gf_optim_config config;
    gf_batches batches;
    ex_optim_from_name(optim_name, usual_rate(optim_name), &config);
    gf_optim_init(&optim, net, config);
    ex_check(net);
    if (gf_batches_init(&batches, &st->data, st->s.batch, (uint64_t)seed, GF_SHUFFLE) != GF_OK) ex_die("%s", gf_last_error());
    for (int epoch = 1; epoch <= st->s.epochs; epoch++)
        while (!ex_stop && gf_net_status(net) == GF_OK && gf_batches_next(&batches)) {
            gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
            c->loss = gf_loss_cross_entropy(net, batches.labels);
            gf_net_backward(net);
            if (step++ == 0) {
                gf_net_measure(net);
                c->first[run] = gf_net_probe(net, 1)->dw.rms;
                c->ratio[run] = gf_net_probe(net, 1)->delta.rms / gf_net_probe(net, gf_net_describe(net).affine_count)->delta.rms;
                if (run == 0) gf_net_verdict(net, c->verdict, sizeof c->verdict);
            }
            gf_optim_step(&optim, net);
        }
    gf_score score = gf_net_evaluate(net, &st->test, GF_LOSS_CROSS_ENTROPY, NULL);
    c->acc[run] = isfinite(score.loss) ? 100 * score.accuracy : NAN;  // the step refuses gradients that are not finite
    gf_batches_free(&batches), gf_optim_free(&optim), gf_net_free(net);
}

// Where the combination stands among all: [structure][activation][optim][init].
static const cell *cell_at(const study *st, int structure, int activation, int optim, int init) {
    return &st->cells[((structure * st->s.act_count + activation) * st->optim.count + optim) * st->init.count + init];
}

static void make_cells(study *st) {
    cell *c;
    st->count = st->structure.count * st->s.act_count * st->optim.count * st->init.count;
    c = st->cells = (cell *)ex_realloc(NULL, (size_t)st->count, sizeof *st->cells);
    memset(c, 0, (size_t)st->count * sizeof *c);
    for (int structure = 0; structure < st->structure.count; structure++)
        for (int activation = 0; activation < st->s.act_count; activation++)
            for (int optim = 0; optim < st->optim.count; optim++)
                for (int init = 0; init < st->init.count; init++, c++)
                    c->structure = structure, c->activation = activation, c->optim = optim, c->init = init;
}

// As many nets at once as there are threads: each has its own random numbers, so the order changes nothing.
static void train_all(study *st) {
    ex_progress_start(&st->progress, st->count);
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) num_threads(st->s.threads)
#endif
    for (int i = 0; i < st->count; i++) {
        cell *c = &st->cells[i];
        for (int run = 0; run < st->s.seeds && !ex_stop; run++) train(st, c, run);
        if (ex_stop) continue;
        c->done = 1;
#ifdef _OPENMP
#pragma omp critical
#endif
        {
            ex_progress_note(&st->progress, "%-10s %-10s %-10s %-8s  test %6.2f %%  %.90s", st->structure.name[c->structure],
                             st->s.act_name[c->activation], st->init.name[c->init], st->optim.name[c->optim],
                             ex_mean(c->acc, (size_t)st->s.seeds), c->verdict);
            ex_progress_step(&st->progress, "nets:", 1, 1, c->loss);
        }
    }
}

static void write_csv(const study *st) {
    ex_csv csv;
    ex_csv_open(&csv, &st->s, "cells.csv", "structure,activation,init,optim,seed,test_acc,diverged,rms_dw_first,delta_ratio");
    for (const cell *c = st->cells; c < st->cells + st->count; c++)
        for (int run = 0; run < st->s.seeds && c->done; run++)
            ex_csv_row(&csv, "%s,%s,%s,%s,%d,%.6g,%d,%.6g,%.6g", st->structure.name[c->structure], st->s.act_name[c->activation],
                       st->init.name[c->init], st->optim.name[c->optim], st->s.seed + run, isnan(c->acc[run]) ? 0 : c->acc[run],
                       isnan(c->acc[run]), c->first[run], c->ratio[run]);
    ex_csv_close(&csv);
}

// One panel of the picture: rows are activations, columns initialisations. optim -1: the gradient before the first step,
// which no optimiser has touched yet.
static void draw_panel(const study *st, plot_axes *ax, int structure, int optim) {
    double values[EX_MAX_ACTIVATIONS * MAX_NAMES];
    char title[64], label[32], init[MAX_NAMES][24];
    const char *activations[EX_MAX_ACTIVATIONS], *inits[MAX_NAMES];
    for (int a = 0; a < st->s.act_count; a++)
        for (int i = 0; i < st->init.count; i++) {
            const cell *c = cell_at(st, structure, a, optim < 0 ? 0 : optim, i);
            double mean = ex_mean(optim < 0 ? c->ratio : c->acc, (size_t)st->s.seeds);
            values[a * st->init.count + i] = !c->done ? NAN : optim < 0 ? floor(log10(mean) + 0.5) + 0.0 : mean;  // + 0.0: no "-0"
            activations[a] = optim < 0 ? st->s.act_name[a] : "";
            snprintf(init[i], sizeof init[i], strlen(st->init.name[i]) > 7 ? "%.5s." : "%s", st->init.name[i]);
            inits[i] = structure == st->structure.count - 1 ? init[i] : "";
        }
    if (optim < 0) snprintf(title, sizeof title, "δ_{1} / δ_{22}, step 0");
    else snprintf(title, sizeof title, "%s %g: test %%", st->optim.name[optim], usual_rate(st->optim.name[optim]));
    snprintf(label, sizeof label, "%s", st->structure.name[structure]);
    for (char *c = label; *c; c++) *c = *c == '_' ? ' ' : *c;
    plot_labels(ax, structure ? NULL : title, NULL, optim < 0 ? label : NULL);
    plot_heatmap(ax, values, st->s.act_count, st->init.count, optim < 0 ? PLOT_SIGNED : PLOT_VIRIDIS);
    plot_heatmap_values(ax, optim < 0 ? "10^{%.0f}" : "%.0f");
    plot_color_range(ax, optim < 0 ? -6 : 10, optim < 0 ? 6 : 100), plot_color_bar(ax, 0);
    plot_names_x(ax, inits, st->init.count), plot_names_y(ax, activations, st->s.act_count);
}

static void draw(const study *st) {
    char text[200];
    snprintf(text, sizeof text, "Twenty layers on %s: no gradient, no learning, and what mends it", st->data_name);
    plot_figure *fig = plot_figure_create(200 + 255 * (1 + st->optim.count), 140 + 38 * st->structure.count * st->s.act_count,
                                          st->structure.count, 1 + st->optim.count, text);
    plot_text_scale(fig, 1.25);
    for (int structure = 0; structure < st->structure.count; structure++)
        for (int o = -1; o < st->optim.count; o++) draw_panel(st, plot_axes_at(fig, structure, o + 1), structure, o);
    snprintf(text, sizeof text, "left: gradient at layer 1 over that at layer 22; blue vanishes, red explodes. Right: accuracy after %d epoch%s of %zu "
             "images, %d seed%s; 10 is chance, NaN diverged", st->s.epochs, st->s.epochs > 1 ? "s" : "", st->data.count, st->s.seeds,
             st->s.seeds > 1 ? "s" : "");
    plot_caption(fig, text);
    ex_save_chart(fig, st->s.out, "rescue.png");
}

static void table_row(const study *st, ex_table *table, const char *remedy, const cell *c) {
    if (c->done)
        ex_table_row(table, "%s|%s %s %s %s|%.1f ± %.1f|%.0e|%.200s", remedy, st->structure.name[c->structure], st->s.act_name[c->activation],
                     st->init.name[c->init], st->optim.name[c->optim], ex_mean(c->acc, (size_t)st->s.seeds),
                     ex_std(c->acc, (size_t)st->s.seeds), ex_mean(c->ratio, (size_t)st->s.seeds), c->verdict);
}

// The first cell is the patient; then one remedy at a time; then the best combination of all.
static void report(const study *st) {
    ex_table table;
    const cell *best = &st->cells[0];
    memset(&table, 0, sizeof table);
    ex_table_row(&table, "remedy|net|test %%|δ_1/δ_22|verdict before the first step");
    table_row(st, &table, "none", cell_at(st, 0, 0, 0, 0));
    for (int i = 1; i < st->s.act_count; i++) table_row(st, &table, "activation", cell_at(st, 0, i, 0, 0));
    for (int i = 1; i < st->init.count; i++) table_row(st, &table, "initialisation", cell_at(st, 0, 0, 0, i));
    for (int i = 1; i < st->structure.count; i++) table_row(st, &table, "structure", cell_at(st, i, 0, 0, 0));
    for (int i = 1; i < st->optim.count; i++) table_row(st, &table, "optimiser", cell_at(st, 0, 0, i, 0));
    for (const cell *c = st->cells; c < st->cells + st->count; c++)
        if (c->done && ex_mean(c->acc, (size_t)st->s.seeds) > ex_mean(best->acc, (size_t)st->s.seeds)) best = c;
    table_row(st, &table, "best of all", best);
    ex_table_write(&table, &st->s, "table.md");
}

int main(int argc, char **argv) {
    static study st;
    ex_option own[] = {{"images", EX_INT, &st.images, 128, 60000, "training images used"},
                       {"structures", EX_TEXT, &st.structures, 0, 0, "A,B,C of " STRUCTURES},
                       {"inits", EX_TEXT, &st.inits, 0, 0, "A,B,C initialisers"},
                       {"optims", EX_TEXT, &st.optims, 0, 0, "A,B,C optimisers, each at its usual learning rate"}};
    st.s = ex_settings_default("rescue", "Twenty sigmoid layers do not train: which remedy, alone or with others, gets them going?");
    st.s.activations = "sigmoid,tanh,relu,gelu,selu", st.s.batch = 128, st.images = 30000;
    st.structures = "plain,batch_norm,layer_norm,skip", st.inits = "default,xavier,kaiming,orthogonal";
    st.optims = "sgd,momentum,rmsprop,adam";
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0) st.s.activations = "sigmoid,relu", st.inits = "default,kaiming", st.optims = "sgd,adam";
    ex_parse(&st.s, argc, argv, EX_DATA | EX_EPOCHS | EX_SEED | EX_SEEDS | EX_ACTIVATIONS | EX_BATCH | EX_THREADS, own, EX_COUNT(own));
    if (st.s.seeds > MAX_SEEDS) ex_usage("--seeds: at most %d here", MAX_SEEDS);
    st.structure = take_apart("structures", st.structures, known_structure, STRUCTURES);
    st.init = take_apart("inits", st.inits, known_init, "default, xavier, kaiming, lecun, orthogonal, normal");
    st.optim = take_apart("optims", st.optims, known_optim, "sgd, momentum, adam, adamw, rmsprop");
    ex_make_folder(st.s.out);
    st.data_name = ex_load_mnist(&st.s, &st.data, &st.test);
    if (st.data.count > (size_t)st.images) st.data.count = (size_t)st.images;
    make_cells(&st);
    train_all(&st);
    write_csv(&st);
    draw(&st);
    if (!ex_stop) report(&st);
    gf_data_free(&st.data), gf_data_free(&st.test), free(st.cells);
    return ex_exit_status();
}
