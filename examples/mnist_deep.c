// mnist_deep.c: twenty hidden layers. Does the activation decide whether a deep net trains, and where is the gradient lost?
//
//     cc -O2 examples/mnist_deep.c -o mnist_deep -lm && ./mnist_deep
//
// Model     784-128, twenty times 128-128, 10: 22 affine layers; MNIST scaled to [0, 1]; batch 128, Adam 1e-3, 3 epochs
// Claimed   sigmoid and tanh drop to near zero at once, relu and leaky_relu keep high stable norms, gelu is best
// Look for  at PyTorch's default initialisation NOTHING trains, whatever the activation: fan_in·Var[w] = 1/3, so every
//           layer multiplies δ by √χ < 0.6. The remedy is an initialisation that suits φ: Kaiming's for relu and its
//           relatives, Xavier's for tanh; sigmoid stays dead under both, for its φ' is at most 1/4
// Try next  --activations selu --init lecun · --depths 1,5,10,20 · --escape 20 (how often does gelu get away?)
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"

enum { WIDTH = 128, DEPTH = 20, MAX_LAYERS = 64, INITS = 2, MAX_SEEDS = 64 };

typedef struct run {  // what one training leaves behind
    ex_series loss, norm;                  // per step
    double delta[2][MAX_LAYERS], dw[2][MAX_LAYERS],
        theory[MAX_LAYERS];                // RMS at initialisation and at the end; predicted
    double test_acc, first_dw;             // at the end; L2 of ∇W_1
    char verdict[320];                     // at initialisation
    gf_recorder recorder;
    int layers, broken;
} run;

typedef struct start {  // an initialisation
    const char *name;
    gf_init weight, bias;
} start;

typedef struct study {
    ex_settings s;
    const char *data_name, *depths;
    int escape;
    gf_dataset data, test;
    double input_square;                   // mean x²
    ex_csv steps, epochs, layers;
    ex_progress progress;
} study;

// PyTorch's default, or the remedy: what suits this activation.
static start start_for(const study *st, int a, int remedy) {
    const start usual = {st->s.init, st->s.weight_init, st->s.bias_init};
    const start kaiming = {"kaiming", gf_init_kaiming(), gf_init_zero()};
    const start xavier = {"xavier", gf_init_xavier(1), gf_init_zero()};
    const gf_act_kind kind = st->s.act[a].kind;
    return !remedy ? usual : kind == GF_ACT_SIGMOID || kind == GF_ACT_TANH ? xavier : kaiming;
}

static gf_net *build(const study *st, gf_act act, int depth, start init, int seed) {
    gf_net *net = gf_net_create(gf_image(1, 28, 28), st->s.batch, (uint64_t)seed);
    gf_net_init(net, init.weight, init.bias);
    gf_net_probe(net, GF_PROBE_ALL);
    gf_net_threads(net, st->s.threads);
    for (int l = 0; l <= depth; l++) gf_net_dense(net, WIDTH), gf_net_activation(net, act);
    gf_net_dense(net, 10);
    gf_net_build(net);
    return net;
}

// The study's own measure: the mean over all parameter tensors, biases too, of their gradients' L2 norms.
static double mean_tensor_norm(gf_net *net) {
    double sum = 0;
    for (int t = 0; t < gf_net_tensor_count(net); t++) {
        const gf_tensor *tensor = gf_net_tensor_at(net, t);
        sum += gf_stats_of(tensor->grad, tensor->size).l2;
    }
    return sum / gf_net_tensor_count(net);
}

static void keep_profile(run *r, const gf_net *net, int when) {
    r->layers = gf_net_affine_count(net);
    for (int l = 1; l <= r->layers; l++) {
        const gf_layer_probe *p = gf_net_probe_at(net, l);
        r->delta[when][l - 1] = p->delta.rms, r->dw[when][l - 1] = p->dw.rms;
        if (when == 1 && l == 1) r->first_dw = p->dw.l2;
    }
}

// RMS δ_l by the recursion of signal propagation, tied to the measured δ of the last layer.
static void predict(run *r, gf_act act, int depth, start init, double input_square) {
    gf_theory_layer layer[MAX_LAYERS];
    int count = depth + 2;
    for (int l = 0; l < count; l++) {
        int in = l == 0 ? 784 : WIDTH, out = l == count - 1 ? 10 : WIDTH;
        layer[l] = gf_theory_affine(in, out, out, init.weight, init.bias);
    }
    if (gf_theory_profile(act, input_square, layer, count) != GF_OK) ex_die("%s", gf_last_error());
    for (int l = 0; l < count; l++) r->theory[l] = layer[l].delta * r->delta[0][count - 1];
}

// Train one net. The verdict and the profile are taken at the first step, before any weight has moved.
static void train(study *st, run *r, int a, int depth, int remedy, int seed, int epochs, int record) {
    const start init = start_for(st, a, remedy);
    gf_net *net = build(st, st->s.act[a], depth, init, seed);
    gf_optim adam;
    gf_batches batches;
    char name[96], label[96];
    snprintf(name, sizeof name, "%s,%s,%d", st->s.act_name[a], init.name, seed);
    snprintf(label, sizeof label, "%s %s %d layers", st->s.act_name[a], init.name, depth);
    gf_optim_init(&adam, net, st->s.optim_config);
    gf_recorder_init(&r->recorder, net, 240);
    if (gf_batches_init(&batches, &st->data, st->s.batch, (uint64_t)seed, GF_SHUFFLE) != GF_OK)
        ex_die("%s", gf_last_error());
    ex_check(net);
    for (int epoch = 1; epoch <= epochs && !ex_stop && gf_net_status(net) == GF_OK; epoch++) {
        double start = ex_now(), loss_sum = 0, norm_sum = 0, correct = 0, samples = 0;
        while (!ex_stop && gf_net_status(net) == GF_OK && gf_batches_next(&batches)) {
            gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
            double loss = gf_loss_cross_entropy(net, batches.labels);
            gf_net_backward(net);
            double norm = mean_tensor_norm(net);
            int measure = batches.batch % 5 == 0 || batches.batch + 1 == gf_batches_per_epoch(&batches);
            if (measure) gf_net_measure(net);
            if (r->loss.n == 0) keep_profile(r, net, 0), gf_net_verdict(net, r->verdict, sizeof r->verdict);
            gf_optim_step(&adam, net);
            if (measure) gf_recorder_add(&r->recorder, net);
            if (record) ex_steps_row(&st->steps, name, epoch, (long)r->loss.n, loss, norm);
            ex_push(&r->loss, loss), ex_push(&r->norm, norm);
            loss_sum += loss * batches.n, norm_sum += gf_net_grad_norm(net) * batches.n, correct += gf_net_correct(net),
                samples += batches.n;
            ex_progress_step(&st->progress, label, epoch, epochs, loss);
        }
        if (ex_stop) break;
        ex_epoch e = {loss_sum / samples, 100 * correct / samples, NAN, NAN, norm_sum / samples, ex_now() - start};
        keep_profile(r, net, 1);
        if (record) gf_net_dead_reset(net, 1);
        gf_score score = gf_net_evaluate(net, &st->test, GF_LOSS_CROSS_ENTROPY, NULL);
        e.test_loss = score.loss, e.test_acc = r->test_acc = 100 * score.accuracy;
        if (record) ex_epochs_row(&st->epochs, name, epoch, &e), ex_layers_rows(&st->layers, name, epoch, net);
    }
    r->broken = gf_net_status(net) != GF_OK;
    predict(r, st->s.act[a], depth, init, st->input_square);
    ex_progress_note(&st->progress,
                     "%-10s %-8s %2d layers seed %2d  test %5.2f %%  ‖∇W_1‖ %.1e at the end; at the start %s",
                     st->s.act_name[a], init.name, depth, seed, r->test_acc, r->first_dw, r->verdict);
    gf_batches_free(&batches), gf_optim_free(&adam), gf_net_free(net);
}

static void forget(run *r) { ex_series_free(&r->loss), ex_series_free(&r->norm), gf_recorder_free(&r->recorder); }

static const char *const column_title[INITS] = {"PyTorch's default initialisation",
                                                "the remedy: Kaiming, for sigmoid and tanh Xavier"};

// Loss or gradient norm per step, the default beside the remedy; the first seed of each.
static void draw_steps(const study *st, run runs[][INITS], int norm, const char *name) {
    char title[160];
    snprintf(title, sizeof title, "%s, %d hidden layers of %d on %s",
             norm ? "Mean gradient norm over all tensors" : "Training loss", DEPTH, WIDTH, st->data_name);
    plot_figure *fig = plot_figure_create(1500, 620, 1, INITS, title);
    for (int i = 0; i < INITS; i++) {
        plot_axes *ax = plot_axes_at(fig, 0, i);
        plot_labels(ax, column_title[i], "step", norm ? "mean ‖∇‖" : "cross entropy");
        if (norm) plot_log_y(ax);
        else plot_limits_y(ax, 0, 2.6);
        for (int a = 0; a < st->s.act_count; a++) {
            const ex_series *series = norm ? &runs[a][i].norm : &runs[a][i].loss;
            plot_smooth(ax, NULL, series->v, (int)series->n, 0, st->s.act_name[a], plot_solid(a));
        }
    }
    ex_save_chart(fig, st->s.out, name);
}

// RMS δ_l and RMS ∇W_l against the layer, at initialisation (with the theory) and at the end.
static void draw_profiles(const study *st, run runs[][INITS]) {
    char title[160];
    double x[MAX_LAYERS];
    for (int l = 0; l < MAX_LAYERS; l++) x[l] = l + 1;
    snprintf(title, sizeof title, "Where the gradient is lost: %d hidden layers on %s", DEPTH, st->data_name);
    plot_figure *fig = plot_figure_create(1500, 1150, 2, INITS, title);
    plot_caption(fig, "markers: measured at initialisation; dashed: the theory's recursion, q and χ layer by layer; "
                      "dotted: measured after training");
    for (int i = 0; i < INITS; i++)
        for (int row = 0; row < 2; row++) {
            plot_axes *ax = plot_axes_at(fig, row, i);
            plot_labels(ax, row == 0 ? column_title[i] : NULL, "layer (1 is next to the input)",
                        row == 0 ? "RMS δ_{l}" : "RMS ∇W_{l}");
            plot_log_y(ax);
            for (int a = 0; a < st->s.act_count; a++) {
                const run *r = &runs[a][i];
                plot_line(ax, x, row ? r->dw[0] : r->delta[0], r->layers, st->s.act_name[a],
                          plot_points(a, PLOT_CIRCLE));
                if (row == 0) plot_line(ax, x, r->theory, r->layers, NULL, plot_dashed(a));
                plot_line(ax, x, row ? r->dw[1] : r->delta[1], r->layers, NULL, plot_dotted(a));
            }
        }
    ex_save_chart(fig, st->s.out, "grad_by_layer.png");
}

// log10 RMS δ, layer by step, of one net.
static void draw_heatmap(const study *st, const run *r, int a, int remedy) {
    const char *init = start_for(st, a, remedy).name;
    const gf_recorder *rec = &r->recorder;
    double *map = (double *)ex_realloc(NULL, (size_t)(rec->layers * rec->rows + rec->rows + 1), sizeof *map),
           *series = map + rec->layers * rec->rows;
    char text[EX_PATH];
    for (int l = 1; l <= rec->layers; l++) {
        gf_recorder_series(rec, l, "delta.rms", series);
        for (int t = 0; t < rec->rows; t++) map[(l - 1) * rec->rows + t] = log10(series[t]);
    }
    snprintf(text, sizeof text, "RMS δ by layer and step: %s, %s initialisation, %s", st->s.act_name[a], init,
             st->data_name);
    plot_figure *fig = plot_figure_create(1000, 600, 1, 1, text);
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_labels(ax, NULL, "step", "layer");
    plot_heatmap(ax, map, rec->layers, rec->rows, PLOT_INFERNO);
    plot_heatmap_extent(ax, 0, rec->rows ? rec->step[rec->rows - 1] : 1, 0.5, rec->layers + 0.5);
    plot_color_label(ax, "log_{10} RMS δ");
    snprintf(text, sizeof text, "grad_heatmap_%s_%s.png", init, st->s.act_name[a]);
    ex_save_chart(fig, st->s.out, text);
    free(map);
}

// Is the trouble harmless in shallow nets? One epoch at every depth.
static void depth_sweep(study *st) {
    double depth[16], acc[EX_MAX_ACTIVATIONS][INITS][16], grad[EX_MAX_ACTIVATIONS][INITS][16];
    int count = 0;
    for (const char *at = st->depths; *at && count < 16; at += strcspn(at, ","), at += *at == ',')
        depth[count++] = atof(at);
    ex_csv csv;
    ex_csv_open(&csv, &st->s, "depths.csv", "activation,init,depth,test_acc,rms_delta_first,rms_delta_last");
    for (int a = 0; a < st->s.act_count; a++)
        for (int i = 0; i < INITS; i++)
            for (int d = 0; d < count && !ex_stop; d++) {
                run r;
                memset(&r, 0, sizeof r);
                train(st, &r, a, (int)depth[d], i, st->s.seed, 1, 0);
                acc[a][i][d] = r.test_acc, grad[a][i][d] = r.delta[0][0];
                ex_csv_row(&csv, "%s,%s,%.0f,%.9g,%.9g,%.9g", st->s.act_name[a], start_for(st, a, i).name, depth[d],
                           r.test_acc, r.delta[0][0], r.delta[0][r.layers - 1]);
                forget(&r);
            }
    ex_csv_close(&csv);
    if (ex_stop) return;
    plot_figure *fig =
        plot_figure_create(1500, 1150, 2, INITS,
                           "Is it harmless in shallow nets? Test accuracy after one epoch, and what reaches layer 1");
    for (int i = 0; i < INITS; i++)
        for (int a = 0; a < st->s.act_count; a++) {
            plot_axes *top = plot_axes_at(fig, 0, i), *bottom = plot_axes_at(fig, 1, i);
            plot_labels(top, column_title[i], "hidden layers of 128", "test accuracy in %"), plot_limits_y(top, 0, 100);
            plot_labels(bottom, NULL, "hidden layers of 128", "RMS δ_{1} at initialisation"), plot_log_y(bottom);
            plot_line(top, depth, acc[a][i], count, st->s.act_name[a], plot_marked(a, PLOT_CIRCLE));
            plot_line(bottom, depth, grad[a][i], count, st->s.act_name[a], plot_marked(a, PLOT_CIRCLE));
        }
    ex_save_chart(fig, st->s.out, "depth.png");
}

// The other half of the story: relu with twice and four times Kaiming's gain under plain SGD, and two remedies.
typedef struct burst {
    const char *name;
    double gain, clip;  // times Kaiming's gain; largest gradient norm, 0: any
} burst;

// One epoch of it: the loss of every step, and RMS δ_l before the first.
static void explode(study *st, const burst *b, ex_series *loss, double *delta) {
    const start init = {"", gf_init_with(GF_INIT_KAIMING_NORMAL, b->gain * sqrt(2.0)), gf_init_zero()};
    gf_net *net = build(st, gf_act_default(GF_ACT_RELU), DEPTH, init, st->s.seed);
    gf_optim sgd;
    gf_batches batches;
    char verdict[320] = "";
    gf_optim_init(&sgd, net, gf_sgd(0.01));
    if (gf_batches_init(&batches, &st->data, st->s.batch, (uint64_t)st->s.seed, GF_SHUFFLE) != GF_OK)
        ex_die("%s", gf_last_error());
    ex_check(net);
    while (!ex_stop && gf_net_status(net) == GF_OK && gf_batches_next(&batches)) {
        gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
        ex_push(loss, gf_loss_cross_entropy(net, batches.labels));
        gf_net_backward(net);
        if (loss->n == 1) {
            gf_net_measure(net), gf_net_verdict(net, verdict, sizeof verdict);
            for (int l = 1; l <= DEPTH + 2; l++) delta[l - 1] = gf_net_probe_at(net, l)->delta.rms;
        }
        if (b->clip > 0) gf_net_clip_grad_norm(net, b->clip);
        gf_optim_step(&sgd, net);
    }
    if (loss->n > 0)
        printf("%-28s at the start %s\n%-28s after %d steps loss %.4g; %s\n", b->name, verdict, "", (int)loss->n,
               loss->v[loss->n - 1], gf_net_error(net));
    gf_batches_free(&batches), gf_optim_free(&sgd), gf_net_free(net);
}

static void explosion(study *st) {
    static const burst bursts[] = {{"gain 4√2", 4, 0},
                                   {"gain 2√2", 2, 0},
                                   {"gain 4√2, clipped to norm 1", 4, 1},
                                   {"gain 2√2, clipped to norm 1", 2, 1},
                                   {"gain √2 (Kaiming)", 1, 0}};
    double x[MAX_LAYERS], delta[MAX_LAYERS];
    plot_figure *fig = plot_figure_create(
        1500, 650, 1, 2, "Explosion: 20 relu layers with too large a gain, SGD 0.01, and its remedies");
    plot_axes *by_layer = plot_axes_at(fig, 0, 0), *by_step = plot_axes_at(fig, 0, 1);
    plot_labels(by_layer, "what arrives at each layer at initialisation", "layer", "RMS δ_{l}"), plot_log_y(by_layer);
    plot_labels(by_step, "training loss (a cross marks a value that is not finite)", "step", "cross entropy"),
        plot_log_y(by_step);
    for (int l = 0; l < MAX_LAYERS; l++) x[l] = l + 1;
    for (int i = 0; i < EX_COUNT(bursts) && !ex_stop; i++) {
        ex_series loss = {0, 0, 0};
        explode(st, &bursts[i], &loss, delta);
        if (bursts[i].clip == 0) plot_line(by_layer, x, delta, DEPTH + 2, bursts[i].name, plot_marked(i, PLOT_CIRCLE));
        plot_smooth(by_step, NULL, loss.v, (int)loss.n, 0, bursts[i].name, plot_solid(i));
        ex_series_free(&loss);
    }
    ex_save_chart(fig, st->s.out, "explosion.png");
}

// How often does each activation get away at default initialisation? A run counts when it ends above 20 %.
static void escape(study *st) {
    ex_csv csv;
    ex_csv_open(&csv, &st->s, "escape.csv", "activation,init,seed,test_acc");
    for (int a = 0; a < st->s.act_count; a++) {
        int escaped = 0, tried = 0;
        for (int seed = 0; seed < st->escape && !ex_stop; seed++) {
            run r;
            memset(&r, 0, sizeof r);
            train(st, &r, a, DEPTH, 0, seed, st->s.epochs, 0);
            if (!ex_stop)
                escaped += r.test_acc > 20, tried++,
                    ex_csv_row(&csv, "%s,%s,%d,%.9g", st->s.act_name[a], st->s.init, seed, r.test_acc);
            forget(&r);
        }
        printf("%s: %d of %d nets escaped\n", st->s.act_name[a], escaped, tried);
    }
    ex_csv_close(&csv);
}

// The closing table, mean ± std over the seeds.
static void report(const study *st, run (*seeds)[EX_MAX_ACTIVATIONS][INITS]) {
    ex_table table;
    memset(&table, 0, sizeof table);
    ex_table_row(&table, "activation|init|test %%, last epoch|‖∇W_1‖ at the end|RMS δ_1/δ_%d at the start|theory|verdict",
                 DEPTH + 2);
    for (int a = 0; a < st->s.act_count; a++)
        for (int i = 0; i < INITS; i++) {
            double acc[MAX_SEEDS], dw[MAX_SEEDS];
            const run *r = &seeds[0][a][i];
            for (int k = 0; k < st->s.seeds; k++) acc[k] = seeds[k][a][i].test_acc, dw[k] = seeds[k][a][i].first_dw;
            ex_table_row(&table, "%s|%s|%.2f ± %.2f|%.1e|%.1e|%.1e|%.*s", st->s.act_name[a],
                         start_for(st, a, i).name, ex_mean(acc, (size_t)st->s.seeds),
                         ex_std(acc, (size_t)st->s.seeds), ex_mean(dw, (size_t)st->s.seeds),
                         r->delta[0][0] / r->delta[0][r->layers - 1], r->theory[0] / r->theory[r->layers - 1],
                         (int)strcspn(r->verdict, ":"), r->verdict);
        }
    ex_table_write(&table, &st->s, "table.md");
}

static void both_inits(study *st) {
    run(*seeds)[EX_MAX_ACTIVATIONS][INITS] =
        (run(*)[EX_MAX_ACTIVATIONS][INITS])ex_realloc(NULL, (size_t)st->s.seeds, sizeof *seeds);
    memset(seeds, 0, (size_t)st->s.seeds * sizeof *seeds);
    ex_csv_open(&st->steps, &st->s, "steps.csv", EX_STEPS_HEADER);
    ex_csv_open(&st->epochs, &st->s, "epochs.csv", EX_EPOCHS_HEADER);
    ex_csv_open(&st->layers, &st->s, "layers.csv", EX_LAYERS_HEADER);
    for (int k = 0; k < st->s.seeds; k++)
        for (int a = 0; a < st->s.act_count; a++)
            for (int i = 0; i < INITS && !ex_stop; i++)
                train(st, &seeds[k][a][i], a, DEPTH, i, st->s.seed + k, st->s.epochs, 1);
    ex_csv_close(&st->steps), ex_csv_close(&st->epochs), ex_csv_close(&st->layers);
    draw_steps(st, seeds[0], 0, "loss.png"), draw_steps(st, seeds[0], 1, "grad_norm.png");
    draw_profiles(st, seeds[0]);
    for (int a = 0; a < st->s.act_count; a++)
        for (int i = 0; i < INITS; i++)
            if (seeds[0][a][i].recorder.rows > 1) draw_heatmap(st, &seeds[0][a][i], a, i);
    if (!ex_stop) report(st, seeds);
    for (int k = 0; k < st->s.seeds; k++)
        for (int a = 0; a < st->s.act_count; a++)
            for (int i = 0; i < INITS; i++) forget(&seeds[k][a][i]);
    free(seeds);
}

static void measure_input(study *st) {  // mean x² of the training images, where the recursion starts
    gf_real pixels[784];
    size_t n = st->data.count < 2000 ? st->data.count : 2000;
    for (size_t i = 0; i < n; i++) {
        double rms;
        gf_data_sample(&st->data, i, pixels);
        rms = gf_stats_of(pixels, 784).rms;
        st->input_square += rms * rms / (double)n;
    }
}

int main(int argc, char **argv) {
    static study st;
    ex_option own[] = {{"depths", EX_TEXT, &st.depths, 0, 0, "hidden layers of the depth sweep, or none"},
                       {"escape", EX_INT, &st.escape, 0, 1000,
                        "only count how many of so many seeds train at default initialisation"}};
    st.s = ex_settings_default(
        "mnist_deep", "Does the activation decide whether twenty layers train, and where is the gradient lost?");
    st.s.activations = "sigmoid,tanh,relu,leaky_relu,gelu", st.s.epochs = 3, st.s.batch = 128;
    st.depths = "1,2,3,5,8,12,16,20";
    ex_parse(&st.s, argc, argv, EX_DATA | EX_TRAINING, own, EX_COUNT(own));
    if (st.s.seeds > MAX_SEEDS) ex_usage("--seeds: at most %d here", MAX_SEEDS);
    ex_make_folder(st.s.out);
    st.data_name = ex_load_mnist(&st.s, &st.data, &st.test);
    measure_input(&st);
    long per_epoch = ex_steps_per_epoch(&st.s, &st.data),
         depths = strcmp(st.depths, "none") ? ex_columns(st.depths) : 0;
    ex_progress_start(
        &st.progress,
        per_epoch * st.s.act_count *
            (st.escape ? (long)st.escape * st.s.epochs : INITS * ((long)st.s.seeds * st.s.epochs + depths)));
    if (st.escape) {
        escape(&st);
    } else {
        both_inits(&st);
        if (!ex_stop && depths) depth_sweep(&st);
        if (!ex_stop) explosion(&st);
        printf("wrote %s/loss.png, grad_norm.png, grad_by_layer.png, grad_heatmap_*.png, depth.png, explosion.png; "
               "open grad_by_layer.png first\n",
               st.s.out);
    }
    gf_data_free(&st.data), gf_data_free(&st.test);
    return ex_exit_status();
}
