// signal_propagation.c: what will a deep net do to signals and gradients? It can be predicted before training. How well?
//
//     cc -O2 examples/signal_propagation.c -o signal_propagation -lm && ./signal_propagation
//
// Theory    a wide random layer maps q = mean z² to σw²·E[φ(√q·Z)²] + σb² and multiplies mean δ² by χ = σw²·E[φ'(√q·Z)²]
//           (Poole et al. 2016, Schoenholz et al. 2017); gf_theory_profile follows both through a net, layer by layer
// Measured  one forward and one backward pass through random nets, 50 hidden layers of 256, Gaussian inputs, no
//           training; then, for phase.png only, short trainings of nets of 100 units and 8 to 64 layers
// Look for  factors.png: lines are predicted, rings measured, nothing is fitted. phase.png: deep nets learn along the
//           line χ = 1 and nowhere else. dead.png: narrow deep relu nets are constant from birth
// Try next  --phase relu · --phase selu · --bias 0 · --activations telu,mish,softsign · --depth 80 · --steps 1000
#include "grid.h"

enum { WIDTH = 256, BATCH = 32, INITS = 4, GAINS = 17, MAX_DEPTH = 200, MAX_SPOTS = 1024 };

typedef struct study {
    ex_settings s, one_seed;
    const char *phase_name, *data_name;
    gf_act phase;
    int depth, steps, trials, width;
    double bias_variance;
    gf_dataset data, test;
} study;

#include "signal_charts.h"

static gf_net *random_net(gf_shape input, int batch, gf_act act, int width, int depth, int outputs, gf_init weight,
                          gf_init bias, int seed) {
    gf_net *net = gf_net_create(input, batch, (uint64_t)seed);
    gf_net_set_init(net, weight, bias);
    for (int l = 0; l < depth; l++) {
        gf_net_dense(net, width);
        gf_net_act_with(net, act);
    }
    gf_net_dense(net, outputs);
    return net;
}

// Weights of variance σw²/fan_in, biases of variance σb².
static gf_init weights_of(double variance) { return gf_init_with(GF_INIT_LECUN_NORMAL, sqrt(variance)); }
static gf_init biases_of(double variance) { return gf_init_with(GF_INIT_NORMAL, sqrt(variance)); }

// ---------------------------------------------------------------------------------------------------------------------
// Factors: the same net twice, through the theory's recursion and through gradflow
// ---------------------------------------------------------------------------------------------------------------------

// One pass through a random net; adds the logarithms of RMS δ and q of every affine layer, for a geometric mean.
static void measure_net(const study *st, profile *p, gf_act act, int depth, gf_init weight, gf_init bias, int seed) {
    gf_real x[BATCH * WIDTH];
    int labels[BATCH];
    gf_net *net = random_net(gf_vector(WIDTH), BATCH, act, WIDTH, depth, 10, weight, bias, seed);
    gf_net_set_probe(net, GF_PROBE_GRADIENTS | GF_PROBE_SIGNALS);
    gf_net_build(net);
    for (int i = 0; i < BATCH * WIDTH; i++)
        x[i] = (gf_real)gf_random_normal((uint64_t)seed, GF_STREAM_USER, (uint64_t)i);
    for (int i = 0; i < BATCH; i++) labels[i] = i % 10;
    gf_net_forward(net, x, BATCH, GF_TRAIN);
    gf_loss_cross_entropy(net, labels);
    gf_net_backward(net);
    gf_net_measure(net);
    ex_check(net);
    for (int l = 0; l <= depth; l++) {
        p->delta[1][l] += log(gf_net_probe(net, l + 1)->delta.rms) / st->s.seeds;
        p->q[1][l] += log(gf_net_probe(net, l + 1)->q) / st->s.seeds;
    }
    gf_net_free(net);
}

static profile measure(const study *st, gf_act act, int depth, gf_init weight, gf_init bias) {
    profile p;
    gf_theory_layer layer[MAX_DEPTH + 1];
    memset(&p, 0, sizeof p);
    for (int l = 0; l < depth; l++) layer[l] = gf_theory_affine(WIDTH, WIDTH, WIDTH, weight, bias);
    layer[depth] = gf_theory_affine(WIDTH, 10, 10, weight, bias);
    if (gf_theory_profile(act, 1, layer, depth + 1) != GF_OK) ex_die("%s", gf_last_error());
    for (int run = 0; run < st->s.seeds; run++) measure_net(st, &p, act, depth, weight, bias, st->s.seed + run);
    for (int l = 0; l <= depth; l++) {
        int representable = p.delta[1][l] > log(1e-35);  // below that float runs out of digits
        p.delta[0][l] = layer[l].delta;
        p.factor[0][l] = layer[l].factor;
        p.q[0][l] = layer[l].q;
        p.factor[1][l] = representable && l < depth ? exp(p.delta[1][l] - p.delta[1][l + 1]) : NAN;
        p.delta[1][l] = representable ? exp(p.delta[1][l] - p.delta[1][depth]) : NAN;
        p.q[1][l] = exp(p.q[1][l]);
    }
    return p;
}

// Geometric mean of the factors of all hidden layers but the first and the last, predicted (0) or measured (1).
static double mean_factor(const profile *p, int which, int depth) {
    double sum = 0;
    int n = 0;
    for (int l = 1; l < depth - 1; l++) {
        if (!isfinite(p->factor[1][l])) continue;
        sum += log(p->factor[which][l]);
        n++;
    }
    return exp(sum / n);
}

// Factor per layer, gradient and q along the net, for four initialisations.
static void layers(study *st) {
    static const char *const init[INITS] = {"default", "xavier", "kaiming", "critical"};
    static ex_table table;
    static ex_csv csv;
    ex_csv_open(&csv, &st->s, "factors.csv",
                "activation,init,layer,q_theory,q,delta_theory,delta,factor_theory,factor");
    ex_table_row(&table, "activation|init|factor per layer, theory|measured|difference|worst layer");
    plot_figure *fig = begin_profiles(st);
    for (int i = 0; i < INITS; i++)
        for (int a = 0; a < st->s.act_count && !ex_stop; a++) {
            const char *name = st->s.act_name[a];
            gf_init weight = weights_of(gf_theory_critical(st->s.act[a], 0)), bias = gf_init_zero();
            if (i == 0) bias = gf_init_with(GF_INIT_DEFAULT, 1);
            if (i == 3 && isnan(weight.gain)) continue;  // it has no critical σw²
            if (i < 3) ex_init_from_name(init[i], &weight);
            profile p = measure(st, st->s.act[a], st->depth, weight, bias);
            double worst = 0, theory = mean_factor(&p, 0, st->depth), measured = mean_factor(&p, 1, st->depth);
            for (int l = 0; l < st->depth; l++) {
                double off = p.factor[1][l] / p.factor[0][l] - 1;
                if (isnan(off)) continue;
                if (fabs(off) > fabs(worst) && l > 0 && l < st->depth - 1) worst = off;
                ex_csv_row(&csv, "%s,%s,%d,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g", name, init[i], l + 1, p.q[0][l], p.q[1][l],
                           p.delta[0][l], p.delta[1][l], p.factor[0][l], p.factor[1][l]);
            }
            ex_table_row(&table, "%s|%s|%.4f|%.4f|%+.2f %%|%+.1f %%", name, init[i], theory, measured,
                         100 * (measured / theory - 1), 100 * worst);
            draw_profile(fig, i, &p, st->depth, name);
        }
    ex_csv_close(&csv);
    ex_save_chart(fig, st->s.out, "factors.png");
    ex_table_write(&table, &st->s, "factors.md");
}

// The factor against σw² = 1/4 … 16: where does each activation pass 1?
static void gains(study *st) {
    const int count = st->s.quick ? 7 : GAINS, depth = 20;
    double power[GAINS], factor[2][GAINS];
    plot_figure *fig = begin_gains();
    for (int a = 0; a < st->s.act_count && !ex_stop; a++) {
        for (int g = 0; g < count; g++) {
            power[g] = 6.0 * g / (count - 1);
            profile p = measure(st, st->s.act[a], depth, weights_of(0.25 * pow(2, power[g])), gf_init_zero());
            for (int k = 0; k < 2; k++) factor[k][g] = mean_factor(&p, k, depth);
        }
        draw_prediction(plot_axes_at(fig, 0, 0), power, factor[0], factor[1], count, 1, st->s.act_name[a]);
    }
    ex_save_chart(fig, st->s.out, "gain.png");
}

#include "signal_more.h"  // born_dead, phases

int main(int argc, char **argv) {
    static study st;
    ex_option own[] = {{"depth", EX_INT, &st.depth, 5, MAX_DEPTH - 1, "hidden layers of the nets that are measured"},
                       {"trials", EX_INT, &st.trials, 10, 1e6, "nets of each width of the born-dead count"},
                       {"phase", EX_TEXT, &st.phase_name, 0, 0, "NAME activation of the phase diagram"},
                       {"bias", EX_REAL, &st.bias_variance, 0, 10, "σb² of its right half"},
                       {"width", EX_INT, &st.width, 8, 2048, "width of its nets"},
                       {"steps", EX_INT, &st.steps, 1, 1e6, "SGD steps of its nets"}};
    const double mean = 0.1307, std = 0.3081;  // MNIST's own: mean x² becomes 1
    int quick = 0;
    for (int i = 1; i < argc; i++) quick |= strcmp(argv[i], "--quick") == 0;
    st.s = ex_settings_default("signal_propagation",
                               "Can one predict, before any training, whether a deep net can be trained?");
    st.s.activations = "sigmoid,tanh,relu,gelu,selu";
    st.s.seeds = st.s.quick_seeds = 5;
    st.s.lr = 0.01;
    st.phase_name = "tanh";
    st.bias_variance = 0.05;
    st.width = 100;
    st.depth = quick ? 20 : 50;
    st.steps = quick ? 100 : 300;
    st.trials = quick ? 200 : 2000;
    ex_parse(&st.s, argc, argv, EX_DATA | EX_SET | EX_SEED | EX_SEEDS | EX_ACTIVATIONS | EX_LR | EX_BATCH | EX_THREADS, own,
             EX_COUNT(own));
    if (!gf_act_from_name(st.phase_name, &st.phase)) ex_usage("--phase: unknown activation '%s'", st.phase_name);
    ex_make_folder(st.s.out);
    st.data_name = ex_load_mnist(&st.s, &st.data, &st.test);
    gf_data_normalize(&st.data, &mean, &std, 1);
    gf_data_normalize(&st.test, &mean, &std, 1);
    if (st.test.count > 2000) st.test.count = 2000;
    layers(&st);
    gains(&st);
    if (!ex_stop) born_dead(&st);
    if (!ex_stop) phases(&st);
    gf_data_free(&st.data);
    gf_data_free(&st.test);
    return ex_exit_status();
}
