// signal_propagation.c: what will a deep net do to signals and gradients? It can be predicted before training. How well?
//
//     cc -O2 examples/signal_propagation.c -o signal_propagation -lm && ./signal_propagation
//
// Theory    a wide random layer maps q = mean z² to σw²·E[φ(√q·Z)²] + σb² and multiplies mean δ² by χ = σw²·E[φ'(√q·Z)²]
//           (Poole et al. 2016, Schoenholz et al. 2017); gf_theory_profile follows both through a real net, layer by layer
// Measured  one forward and one backward pass through random nets, 50 hidden layers of 256, Gaussian inputs, no training;
//           then, for phase.png only, short trainings of nets of 100 units and 8 to 64 layers
// Look for  factors.png: lines are predicted, points measured, nothing is fitted. phase.png: deep nets learn along the
//           line χ = 1 and nowhere else. dead.png: narrow deep relu nets are constant from birth
// Try next  --phase relu · --phase selu · --bias 0 · --activations telu,mish,softsign · --depth 80 · --steps 1000
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"
#include "signal_charts.h"

enum { WIDTH = 256, BATCH = 32, INITS = 4, MAX_GAINS = 32 };

typedef struct study {
    ex_settings s;
    const char *phase_name, *data_name;
    gf_act phase;
    int depth, steps, trials, width;
    double bias_variance;
    gf_dataset data, test;
    ex_progress progress;
} study;

static gf_net *random_net(gf_shape input, int batch, gf_act act, int width, int depth, int outputs, gf_init weight, gf_init bias, int seed) {
    gf_net *net = gf_net_create(input, batch, (uint64_t)seed);
    gf_net_set_init(net, weight, bias);
    for (int l = 0; l < depth; l++) gf_net_dense(net, width), gf_net_act_with(net, act);
    gf_net_dense(net, outputs);
    return net;
}

// Weights of variance σw²/fan_in, biases of variance σb².
static gf_init weights_of(double variance) { return gf_init_with(GF_INIT_LECUN_NORMAL, sqrt(variance)); }
static gf_init biases_of(double variance) { return gf_init_with(GF_INIT_NORMAL, sqrt(variance)); }

// The same net twice: through the theory's recursion, and through gradflow, as the geometric mean over the seeds.
static void measure(const study *st, profile *p, gf_act act, int depth, gf_init weight, gf_init bias) {
    gf_theory_layer layer[MAX_DEPTH + 1];
    gf_real x[BATCH * WIDTH];
    int labels[BATCH];
    memset(p, 0, sizeof *p);
    for (int l = 0; l <= depth; l++) layer[l] = gf_theory_affine(WIDTH, l < depth ? WIDTH : 10, l < depth ? WIDTH : 10, weight, bias);
    if (gf_theory_profile(act, 1, layer, depth + 1) != GF_OK) ex_die("%s", gf_last_error());
    for (int run = 0; run < st->s.seeds; run++) {
        int seed = st->s.seed + run;
        gf_net *net = random_net(gf_vector(WIDTH), BATCH, act, WIDTH, depth, 10, weight, bias, seed);
        gf_net_set_probe(net, GF_PROBE_GRADIENTS | GF_PROBE_SIGNALS);
        gf_net_build(net);
        for (int i = 0; i < BATCH * WIDTH; i++) x[i] = (gf_real)gf_random_normal((uint64_t)seed, GF_STREAM_USER, (uint64_t)i);
        for (int i = 0; i < BATCH; i++) labels[i] = i % 10;
        gf_net_forward(net, x, BATCH, GF_TRAIN);
        gf_loss_cross_entropy(net, labels);
        gf_net_backward(net);
        gf_net_measure(net);
        ex_check(net);
        for (int l = 0; l <= depth; l++) {
            const gf_layer_probe *probe = gf_net_probe(net, l + 1);
            p->delta[1][l] += log(probe->delta.rms) / st->s.seeds, p->q[1][l] += log(probe->q) / st->s.seeds;
        }
        gf_net_free(net);
    }
    for (int l = 0; l <= depth; l++) {
        int representable = p->delta[1][l] > log(1e-35);  // below that float runs out of digits
        p->delta[0][l] = layer[l].delta, p->factor[0][l] = layer[l].factor, p->q[0][l] = layer[l].q;
        p->factor[1][l] = representable && l < depth ? exp(p->delta[1][l] - p->delta[1][l + 1]) : NAN;
        p->delta[1][l] = representable ? exp(p->delta[1][l] - p->delta[1][depth]) : NAN;
        p->q[1][l] = exp(p->q[1][l]);
    }
}

// Geometric mean of the factors of all hidden layers but the first and the last, predicted (0) or measured (1).
static double mean_factor(const profile *p, int which, int depth) {
    double sum = 0;
    int n = 0;
    for (int l = 1; l < depth - 1; l++)
        if (isfinite(p->factor[1][l])) sum += log(p->factor[which][l]), n++;
    return exp(sum / n);
}

// Factor per layer, gradient and q along the net, for four initialisations.
static void layers(study *st) {
    static const char *const init[INITS] = {"default", "xavier", "kaiming", "critical"};
    static const char *const title[INITS] = {"default: U(±1/√fan_in)", "xavier, lecun: σ_{w}^{2} = 1", "kaiming: σ_{w}^{2} = 2",
                                             "each φ's own critical σ_{w}^{2}"};
    static ex_table table;
    ex_csv csv;
    profile p;
    char text[200];
    ex_csv_open(&csv, &st->s, "factors.csv", "activation,init,layer,q_theory,q,delta_theory,delta,factor_theory,factor");
    ex_table_row(&table, "activation|init|factor per layer, theory|measured|difference|worst layer");
    snprintf(text, sizeof text, "Predicted (lines) and measured (points): %d hidden layers of %d, before any training", st->depth, WIDTH);
    plot_figure *fig = plot_figure_create(1500, 1000, 3, INITS, text);
    plot_shared_legend(fig), plot_caption(fig, "points end where the gradient leaves the numbers of float (10^{-35})");
    for (int i = 0; i < INITS; i++)
        for (int a = 0; a < st->s.act_count && !ex_stop; a++) {
            gf_init weight = weights_of(1), bias = i == 0 ? gf_init_with(GF_INIT_DEFAULT, 1) : gf_init_zero();
            double worst = 0, critical = gf_theory_critical(st->s.act[a], 0);
            if (i < 3) ex_init_from_name(init[i], &weight);
            else if (isnan(critical)) continue;
            else weight = weights_of(critical);
            measure(st, &p, st->s.act[a], st->depth, weight, bias);
            chart_profile(fig, i, title[i], &p, st->depth, st->s.act_name[a], a);
            for (int l = 0; l < st->depth; l++) {
                double off = p.factor[1][l] / p.factor[0][l] - 1;
                if (fabs(off) > fabs(worst) && l > 0 && l < st->depth - 1) worst = off;
            }
            for (int l = 0; l < st->depth; l++)
                if (!isnan(p.factor[1][l]))
                    ex_csv_row(&csv, "%s,%s,%d,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g", st->s.act_name[a], init[i], l + 1, p.q[0][l], p.q[1][l],
                               p.delta[0][l], p.delta[1][l], p.factor[0][l], p.factor[1][l]);
            double theory = mean_factor(&p, 0, st->depth), measured = mean_factor(&p, 1, st->depth);
            ex_table_row(&table, "%s|%s|%.4f|%.4f|%+.2f %%|%+.1f %%", st->s.act_name[a], init[i], theory, measured,
                         100 * (measured / theory - 1), 100 * worst);
        }
    ex_csv_close(&csv);
    ex_save_chart(fig, st->s.out, "factors.png");
    ex_table_write(&table, &st->s, "factors.md");
}

// The factor against the gain: where does each activation pass 1?
static void gains(study *st) {
    const int count = st->s.quick ? 6 : 17, depth = 20;
    double variance[MAX_GAINS], factor[2][MAX_GAINS], one[MAX_GAINS];
    profile p;
    plot_figure *fig = plot_figure_create(1000, 650, 1, 1, "Every activation has its own gain: 20 layers, predicted (lines), measured (points)");
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_labels(ax, NULL, "σ_{w}^{2} = fan_in · Var[w]", "factor of RMS δ per layer");
    plot_log_x(ax), plot_log_y(ax);
    for (int a = 0; a < st->s.act_count && !ex_stop; a++) {
        for (int g = 0; g < count; g++) {
            variance[g] = 0.25 * pow(2, 6.0 * g / (count - 1)), one[g] = 1;
            measure(st, &p, st->s.act[a], depth, weights_of(variance[g]), gf_init_zero());
            for (int k = 0; k < 2; k++) factor[k][g] = mean_factor(&p, k, depth);
        }
        plot_line(ax, variance, factor[0], count, st->s.act_name[a], plot_solid(a));
        plot_scatter(ax, variance, factor[1], count, NULL, plot_points(a, PLOT_CIRCLE));
    }
    plot_line(ax, variance, one, count, "keeps its size", plot_dotted(PLOT_BLACK));
    ex_save_chart(fig, st->s.out, "gain.png");
}

// Count, after every layer, the relu nets without biases that are zero at all the samples, and at the first of them.
static void count_dead(const study *st, int width, int inputs, int samples, double *dead, double *dead_first) {
    gf_real x[1024];
    for (int t = 0; t < st->trials && !ex_stop; t++) {
        gf_net *net = random_net(gf_vector(inputs), samples, gf_act_default(GF_ACT_RELU), width, st->depth, 1, gf_init_kaiming(), gf_init_zero(), t);
        gf_net_build(net);
        for (int i = 0; i < samples * inputs; i++)  // on the line x = 1 and x = -1 tell all, for φ(az) = aφ(z) where a > 0
            x[i] = (gf_real)(inputs == 1 ? 1 - 2 * i : gf_random_normal((uint64_t)t, GF_STREAM_USER, (uint64_t)i));
        gf_net_forward(net, x, samples, GF_EVAL);
        ex_check(net);
        for (int l = 0; l < st->depth; l++) {
            const gf_real *h = gf_net_layer(net, 2 * l + 1).output;  // [samples, width]
            dead[l] += gf_stats_of(h, (size_t)(samples * width)).max_abs == 0;
            dead_first[l] += gf_stats_of(h, (size_t)width).max_abs == 0;
        }
        gf_net_free(net);
    }
    for (int l = 0; l < st->depth; l++) dead[l] /= st->trials, dead_first[l] /= st->trials;
}

// At one input every living layer switches off with probability 2^-N: exactly p = 1 - Π(1 - 2^-N_l) in all, which bounds
// the probability for any set of inputs from above (Lu, Shin, Su, Karniadakis 2019). For a whole line layer 1 is never
// off, but on one side only with 2^(1-N); behind it each side dies with v = 1 - Π_{l>1}(1 - 2^-N_l), and both with at least
// v², as h ≥ 0 makes z at x = 1 and at x = -1 correlate positively, and at most v.
static void born_dead(const study *st) {
    static const int widths[] = {2, 3, 4, 6};
    double p[MAX_DEPTH], low[MAX_DEPTH], high[MAX_DEPTH];
    char title[120];
    ex_csv csv;
    ex_csv_open(&csv, &st->s, "dead.csv", "width,depth,one_input,formula,line,line_low,line_high,fifty_inputs");
    snprintf(title, sizeof title, "Born dead: relu nets, zero biases, %d random nets of each width", st->trials);
    plot_figure *fig = plot_figure_create(1500, 560, 1, DEAD_KINDS, title);
    plot_shared_legend(fig);
    plot_caption(fig, "points counted; left 1 - Π(1 - 2^{-N}), exact; middle the band between two bounds; right the same formula as upper bound");
    for (int w = 0; w < EX_COUNT(widths) && !ex_stop; w++) {
        double line[MAX_DEPTH] = {0}, one[MAX_DEPTH] = {0}, fifty[MAX_DEPTH] = {0}, ignored[MAX_DEPTH] = {0}, off = pow(2, -widths[w]);
        double *const counted[DEAD_KINDS] = {one, line, fifty};
        count_dead(st, widths[w], 1, 2, line, one);
        count_dead(st, widths[w], 10, 50, fifty, ignored);
        for (int l = 0; l < st->depth; l++) {
            double v = high[l] = 1 - pow(1 - off, l);
            p[l] = 1 - pow(1 - off, l + 1), low[l] = 2 * off * v + (1 - 2 * off) * v * v;
            ex_csv_row(&csv, "%d,%d,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g", widths[w], l + 1, one[l], p[l], line[l], low[l], high[l], fifty[l]);
        }
        chart_dead(fig, widths[w], w, st->depth, counted, p, low, high);
    }
    ex_csv_close(&csv);
    ex_save_chart(fig, st->s.out, "dead.png");
}

// Test accuracy of a net of this depth after so many steps of plain SGD; chance where its numbers stop being finite.
static double train(const study *st, const spot *at, double *loss) {
    gf_net *net = random_net(gf_image(1, 28, 28), st->s.batch, st->phase, st->width, at->depth, 10, weights_of(at->weight),
                             biases_of(at->bias), st->s.seed);
    gf_optim sgd;
    gf_batches batches;
    gf_net_build(net);
    gf_optim_init(&sgd, net, gf_sgd(st->s.lr));
    ex_check(net);
    if (gf_batches_init(&batches, &st->data, st->s.batch, (uint64_t)st->s.seed, GF_SHUFFLE) != GF_OK) ex_die("%s", gf_last_error());
    for (int step = 0; step < st->steps && !ex_stop && gf_net_status(net) == GF_OK; step++) {
        if (!gf_batches_next(&batches)) gf_batches_next(&batches);  // an epoch is over: on with the next one
        gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
        *loss = gf_loss_cross_entropy(net, batches.labels);
        gf_net_backward(net);
        gf_optim_step(&sgd, net);
    }
    double accuracy = gf_net_status(net) == GF_OK ? 100 * gf_net_evaluate(net, &st->test, GF_LOSS_CROSS_ENTROPY, NULL).accuracy : 10;
    gf_batches_free(&batches), gf_optim_free(&sgd), gf_net_free(net);
    return accuracy;
}

// Train a net at every spot, several at once with --threads.
static void train_all(study *st, spot *spots, int count) {
    ex_csv csv;
    ex_csv_open(&csv, &st->s, "trainability.csv", "activation,weight_variance,bias_variance,depth,chi,test_acc");
    ex_progress_start(&st->progress, count);
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) num_threads(st->s.threads)
#endif
    for (int i = 0; i < count; i++) {
        double loss = NAN;
        spots[i].accuracy = ex_stop ? NAN : train(st, &spots[i], &loss);
#ifdef _OPENMP
#pragma omp critical
#endif
        ex_progress_step(&st->progress, "phase diagram, nets:", 1, 1, loss);
    }
    ex_progress_note(&st->progress, "%d nets trained", count);
    for (int i = 0; i < count && !ex_stop; i++)
        ex_csv_row(&csv, "%s,%.6g,%.6g,%d,%.6g,%.6g", st->phase_name, spots[i].weight, spots[i].bias, spots[i].depth,
                   gf_theory_fixed_point(st->phase, spots[i].weight, spots[i].bias).chi, spots[i].accuracy);
    ex_csv_close(&csv);
}

// Two cuts through (σw², σb², depth): one depth, and one σb².
static void phases(study *st) {
    const int columns = st->s.quick ? 5 : 12, depths = st->s.quick ? 2 : 8, biases = st->s.quick ? 2 : 5, step = st->s.quick ? 16 : 8;
    const range r = {0.5, 4, 0.3};
    static spot spots[MAX_SPOTS];
    char title[200];
    int n = 0;
    for (int row = 0; row < depths + biases; row++)
        for (int c = 0; c < columns; c++, n++) {
            spots[n].weight = r.w0 + (r.w1 - r.w0) * (c + 0.5) / columns;
            spots[n].bias = row < depths ? st->bias_variance : r.b1 * (row - depths + 0.5) / biases;
            spots[n].depth = row < depths ? step * (row + 1) : 48;
        }
    train_all(st, spots, n);
    snprintf(title, sizeof title, "Where a deep %s net can learn (%s, %d steps of SGD %g, one seed)", st->phase_name, st->data_name, st->steps, st->s.lr);
    plot_figure *fig = plot_figure_create(1600, 760, 1, 2, title);
    plot_shared_legend(fig);
    chart_phases(plot_axes_at(fig, 0, 0), st->phase, st->phase_name, spots + depths * columns, biases * columns, r);
    chart_depths(plot_axes_at(fig, 0, 1), st->phase, spots, depths, columns, r);
    ex_save_chart(fig, st->s.out, "phase.png");
}

int main(int argc, char **argv) {
    static study st;
    ex_option own[] = {{"depth", EX_INT, &st.depth, 5, MAX_DEPTH - 1, "hidden layers of the nets that are measured"},
                       {"trials", EX_INT, &st.trials, 10, 1e6, "nets of each width of the born-dead count"},
                       {"phase", EX_TEXT, &st.phase_name, 0, 0, "NAME activation of the phase diagram"},
                       {"bias", EX_REAL, &st.bias_variance, 0, 10, "σb² of its right half"},
                       {"width", EX_INT, &st.width, 8, 2048, "width of its nets"},
                       {"steps", EX_INT, &st.steps, 1, 1e6, "SGD steps of its nets"}};
    const double mean = 0.1307, std = 0.3081;  // MNIST's own: mean x² becomes 1
    st.s = ex_settings_default("signal_propagation", "Can one predict, before any training, whether a deep net can be trained?");
    st.s.activations = "sigmoid,tanh,relu,gelu,selu", st.s.seeds = 5, st.s.lr = 0.01;
    st.depth = 50, st.phase_name = "tanh", st.bias_variance = 0.05, st.steps = 300, st.width = 100, st.trials = 2000;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0) st.depth = 20, st.steps = 100, st.trials = 200;
    ex_parse(&st.s, argc, argv, EX_DATA | EX_SEED | EX_SEEDS | EX_ACTIVATIONS | EX_LR | EX_BATCH | EX_THREADS, own, EX_COUNT(own));
    if (!gf_act_from_name(st.phase_name, &st.phase)) ex_usage("--phase: unknown activation '%s'", st.phase_name);
    ex_make_folder(st.s.out);
    st.data_name = ex_load_mnist(&st.s, &st.data, &st.test);
    gf_data_normalize(&st.data, &mean, &std, 1), gf_data_normalize(&st.test, &mean, &std, 1);
    if (st.test.count > 2000) st.test.count = 2000;
    layers(&st), gains(&st);
    if (!ex_stop) born_dead(&st);
    if (!ex_stop) phases(&st);
    gf_data_free(&st.data), gf_data_free(&st.test);
    return ex_exit_status();
}
