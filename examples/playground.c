// playground.c: the net behind the playground, a page on which one builds a net by clicking and sees its gradient live.
//
//     make playground                                            // results/playground.html: open it from disk
//     cc -O2 examples/playground.c -o playground -lm
//     ./playground "data=xor&depth=20&act=sigmoid" 400           // the same net in a terminal: what stands behind the
//                                                                // # of the page's address, and how many steps
//
// Compiled to WebAssembly the functions marked PAGE are all that playground.html calls. It never waits for them: they
// run in a worker. One net lives at a time; pg_build makes it from the settings, pg_step trains it by one batch.
#ifdef __wasm__
#include "freestanding.h"
#define GF_NO_STDIO
#define PAGE(name) __attribute__((export_name(#name)))
#else
#define PAGE(name)
#include <stdio.h>
static void heap_reset(void) {}
#endif
#define GRADFLOW_STATIC
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#include "synthetic.h"

// ---------------------------------------------------------------------------------------------------------------------
// Settings: numbers with a name and a range; where there is a list of words, a number is a place in it
// ---------------------------------------------------------------------------------------------------------------------

enum { DATA, NOISE, DEPTH, WIDTH, ACT, INIT, GAIN, NORM, SKIP, OPTIM, RATE, BATCH, SEED, KEYS };
enum { XOR, CIRCLES, MOONS, SPIRALS, DIGITS };
enum { INIT_DEFAULT, INIT_XAVIER, INIT_KAIMING, INIT_LECUN, INIT_ORTHOGONAL };
enum { NO_NORM, BATCH_NORM, LAYER_NORM };
enum { SGD, MOMENTUM, RMSPROP, ADAM };
enum { MAX_DEPTH = 30, MAX_WIDTH = 64, SAMPLES = 400, SIDE = 14, GRID = 48, SHOWN = 40 };

static const char *const data_names[] = {"xor", "circles", "moons", "spirals", "digits", NULL};
static const char *const init_names[] = {"default", "xavier", "kaiming", "lecun", "orthogonal", NULL};
static const char *const norm_names[] = {"none", "batch", "layer", NULL};
static const char *const skip_names[] = {"no", "yes", NULL};
static const char *const optim_names[] = {"sgd", "momentum", "rmsprop", "adam", NULL};
static const char *act_names[GF_ACT_CUSTOM + 2];  // from the library, without the custom one

static const struct {
    const char *name;
    double low, high, start;
    const char *const *choices;
} keys[KEYS] = {{"data", XOR, DIGITS, XOR, data_names},
                {"noise", 0, 0.5, 0.1, NULL},
                {"depth", 1, MAX_DEPTH, 3, NULL},
                {"width", 1, MAX_WIDTH, 8, NULL},
                {"act", 0, GF_ACT_PRELU, GF_ACT_TANH, act_names},
                {"init", 0, INIT_ORTHOGONAL, INIT_XAVIER, init_names},
                {"gain", 0.1, 10, 1, NULL},
                {"norm", 0, LAYER_NORM, NO_NORM, norm_names},
                {"skip", 0, 1, 0, skip_names},
                {"optim", 0, ADAM, ADAM, optim_names},
                {"rate", 1e-5, 10, 0.01, NULL},
                {"batch", 1, SAMPLES, 32, NULL},
                {"seed", 0, 999999, 1, NULL}};
static double setting[KEYS];

static int chosen(int key) { return (int)setting[key]; }

PAGE(pg_start) void pg_start(void) {
    for (int k = 0; k < KEYS; k++) setting[k] = keys[k].start;
    for (int a = 0; a <= GF_ACT_PRELU; a++) act_names[a] = gf_act_default((gf_act_kind)a).name;
}

PAGE(pg_key) const char *pg_key(int k) { return k >= 0 && k < KEYS ? keys[k].name : NULL; }
PAGE(pg_low) double pg_low(int k) { return keys[k].low; }
PAGE(pg_high) double pg_high(int k) { return keys[k].high; }
PAGE(pg_get) double pg_get(int k) { return setting[k]; }

// The i-th word of a setting; NULL after the last, and where the setting is a number.
PAGE(pg_choice) const char *pg_choice(int k, int i) { return keys[k].choices ? keys[k].choices[i] : NULL; }

// 1 when the value is in the setting's range, and a whole number where it has to be one; else nothing changes.
PAGE(pg_set) int pg_set(int k, double value) {
    const int whole = k != NOISE && k != GAIN && k != RATE;
    if (!(value >= keys[k].low && value <= keys[k].high) || (whole && value != floor(value))) return 0;
    setting[k] = value;
    return 1;
}

// ---------------------------------------------------------------------------------------------------------------------
// Data: points of the plane in [-1, 1]² or so, two classes; or digits of 14×14 pixels
// ---------------------------------------------------------------------------------------------------------------------

static gf_dataset train, test;

// Two moons, brought to the middle of the map.
static gf_status draw_moons(gf_dataset *data, uint64_t seed) {
    const gf_status status = gf_data_moons(data, SAMPLES, setting[NOISE], seed);
    for (int i = 0; status == GF_OK && i < 2 * SAMPLES; i++)
        data->values[i] = (gf_real)(0.8 * ((double)data->values[i] - (i % 2 ? 0.25 : 0.5)));
    return status;
}

// The studies' synthetic digits at half their size, with mean 0 and deviation 1 or nearly so.
static gf_status draw_digits(gf_dataset *data, uint64_t seed) {
    static gf_real x[SAMPLES * SIDE * SIDE];
    gf_dataset large;
    gf_status status = syn_digits(&large, SAMPLES, seed);
    if (status != GF_OK) return status;
    for (int i = 0; i < SAMPLES * SIDE * SIDE; i++) {
        const uint8_t *p = large.pixels + i / SIDE * 56 + i % SIDE * 2;
        x[i] = (gf_real)(((p[0] + p[1] + p[28] + p[29]) / 1020.0 - 0.2) / 0.3);
    }
    status = gf_data_from_arrays(data, gf_image(1, SIDE, SIDE), SAMPLES, x, large.labels, 10, NULL, 0);
    gf_data_free(&large);
    return status;
}

static gf_status draw_data(gf_dataset *data, uint64_t seed) {
    const double noise = setting[NOISE];
    switch (chosen(DATA)) {
        case CIRCLES: return gf_data_circles(data, SAMPLES, noise, seed);
        case MOONS: return draw_moons(data, seed);
        case SPIRALS: return gf_data_spirals(data, SAMPLES, 2, noise / 2, seed);  // the arms lie close together
        case DIGITS: return draw_digits(data, seed);
        default: return gf_data_xor(data, SAMPLES, noise, 0, seed);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The net: depth × (dense, norm, φ, skip), then dense
// ---------------------------------------------------------------------------------------------------------------------

static gf_net *net;
static gf_doctor *doctor;
static gf_optim optim;
static gf_batches batches;
static long steps;
static double input_square;  // mean x²

static gf_init initialiser(void) {
    const double gain = setting[GAIN];
    switch (chosen(INIT)) {
        case INIT_XAVIER: return gf_init_xavier(gain);
        case INIT_KAIMING: return gf_init_with(GF_INIT_KAIMING_NORMAL, gain * sqrt(2));
        case INIT_LECUN: return gf_init_with(GF_INIT_LECUN_NORMAL, gain);
        case INIT_ORTHOGONAL: return gf_init_with(GF_INIT_ORTHOGONAL, gain);
        default: break;
    }
    // PyTorch's default has variance 1/(3·fan_in): Kaiming's uniform with gain 1/√3.
    if (gain == 1) return gf_init_with(GF_INIT_DEFAULT, 1);
    return gf_init_with(GF_INIT_KAIMING_UNIFORM, gain / sqrt(3));
}

static gf_init bias_initialiser(void) {
    return chosen(INIT) == INIT_DEFAULT ? gf_init_with(GF_INIT_DEFAULT, 1) : gf_init_zero();
}

static gf_optim_config optimiser(void) {
    gf_optim_config config = gf_sgd(setting[RATE]);
    if (chosen(OPTIM) == MOMENTUM) config.momentum = 0.9;
    if (chosen(OPTIM) == RMSPROP) config = gf_rmsprop(setting[RATE]);
    if (chosen(OPTIM) == ADAM) config = gf_adam(setting[RATE]);
    return config;
}

static void add_hidden(int l) {
    const int mark = l > 0 && chosen(SKIP) ? gf_net_mark(net) : 0;
    gf_net_dense(net, chosen(WIDTH));
    if (chosen(NORM) == BATCH_NORM) gf_net_batch_norm(net);
    if (chosen(NORM) == LAYER_NORM) gf_net_layer_norm(net);
    gf_net_act(net, (gf_act_kind)chosen(ACT));
    if (mark) gf_net_add_from(net, mark);  // h + φ(norm(W·h + b))
}

// A net from the settings, untrained. Whatever was before is forgotten. 1 when it stands.
PAGE(pg_build) int pg_build(void) {
    const int batch = chosen(BATCH);
    const uint64_t seed = (uint64_t)setting[SEED];
    gf_optim_free(&optim);
    gf_batches_free(&batches);
    gf_doctor_free(doctor);
    gf_net_free(net);
    gf_data_free(&train);
    gf_data_free(&test);
    heap_reset();
    net = NULL;
    doctor = NULL;
    steps = 0;
    if (draw_data(&train, 2 * seed) != GF_OK || draw_data(&test, 2 * seed + 1) != GF_OK) return 0;
    const double rms = gf_stats_of(train.values, (size_t)SAMPLES * (chosen(DATA) == DIGITS ? SIDE * SIDE : 2)).rms;
    input_square = rms * rms;
    net = gf_net_create(train.shape, batch < GRID ? GRID : batch, seed);
    if (!net || gf_batches_init(&batches, &train, batch, seed, GF_SHUFFLE) != GF_OK) return 0;
    gf_net_set_init(net, initialiser(), bias_initialiser());
    gf_net_set_probe(net, GF_PROBE_GRADIENTS | GF_PROBE_SIGNALS | GF_PROBE_UPDATES);
    for (int l = 0; l < chosen(DEPTH); l++) add_hidden(l);
    gf_net_dense(net, train.classes);
    doctor = gf_doctor_create(net, &train);
    gf_net_build(net);
    gf_optim_init(&optim, net, optimiser());
    return gf_net_status(net) == GF_OK;
}

// Forward, loss, backward on the next batch; `measure` reads the instruments. NaN when the net has stopped.
static double look(int measure) {
    if (!net || gf_net_status(net) != GF_OK) return NAN;
    if (!gf_batches_next(&batches)) gf_batches_next(&batches);  // 0 is the end of an epoch
    gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
    const double loss = gf_loss_cross_entropy(net, batches.labels);
    gf_net_backward(net);
    if (measure) gf_net_measure(net);
    return loss;
}

// Train on one batch. Returns its loss, NaN when the net has stopped.
PAGE(pg_step) double pg_step(int measure) {
    const double loss = look(measure);
    if (gf_optim_step(&optim, net) != GF_OK) return NAN;
    steps++;
    return loss;
}

// The instruments before the first step. It uses up a batch, so build the net again afterwards.
PAGE(pg_look) double pg_look(void) { return look(1); }

// ---------------------------------------------------------------------------------------------------------------------
// What the page shows
// ---------------------------------------------------------------------------------------------------------------------

PAGE(pg_error) const char *pg_error(void) { return net ? gf_net_error(net) : gf_last_error(); }
PAGE(pg_steps) int pg_steps(void) { return (int)steps; }
PAGE(pg_epoch) int pg_epoch(void) { return (int)batches.epoch; }

// Loss and accuracy on training and test data; counts dead units by the way.
PAGE(pg_scores) const double *pg_scores(void) {
    static double scores[4];
    const gf_score on_test = gf_net_evaluate(net, &test, GF_LOSS_CROSS_ENTROPY, NULL);
    const gf_score on_train = gf_net_evaluate(net, &train, GF_LOSS_CROSS_ENTROPY, NULL);
    scores[0] = on_train.loss;
    scores[1] = on_test.loss;
    scores[2] = on_train.accuracy;
    scores[3] = on_test.accuracy;
    return scores;
}

// For each affine layer 1..L a row: RMS δ, RMS ∇W, std ΔW / std W, saturated share, dead share, mean and deviation of z,
// share of the decay (in log) that φ' and Wᵀ take.
enum { ROW = 9 };
PAGE(pg_layers) const double *pg_layers(void) {
    static double rows[(MAX_DEPTH + 1) * ROW];
    for (int l = 0; net && l < gf_net_describe(net).affine_count; l++) {
        const gf_layer_probe *p = gf_net_probe(net, l + 1);
        const double row[ROW] = {p->delta.rms,  p->dw.rms, p->update_ratio, p->limit_share, p->dead_share,
                                 p->z_mean,     p->z_std,  p->decay_slope,  p->decay_weight};
        memcpy(rows + l * ROW, row, sizeof row);
    }
    return rows;
}

// RMS δ of each unit of each hidden layer in the last backward pass: [depth,width].
PAGE(pg_units) const float *pg_units(void) {
    static float rms[MAX_DEPTH * MAX_WIDTH];
    const int width = chosen(WIDTH), batch = gf_net_describe(net).batch;
    for (int i = 0, l = 0; l < chosen(DEPTH); i++) {
        const gf_layer layer = gf_net_layer(net, i);
        if (!layer.name || !layer.grad) break;
        if (strncmp(layer.name, "dense", 5) != 0) continue;
        for (int u = 0; u < width; u++) {
            double sum = 0;
            for (int b = 0; b < batch; b++) {
                const double delta = (double)layer.grad[b * width + u];
                sum += delta * delta;
            }
            rms[l * width + u] = (float)sqrt(sum / batch);
        }
        l++;
    }
    return rms;
}

// RMS δ_l/RMS δ_L as the theory of wide random nets predicts it before training, for 1..L; NULL where it says nothing:
// with norms or skips.
PAGE(pg_theory) const double *pg_theory(void) {
    static gf_theory_layer layers[MAX_DEPTH + 1];
    static double delta[MAX_DEPTH + 1];
    const int depth = chosen(DEPTH), width = chosen(WIDTH);
    if (chosen(NORM) != NO_NORM || chosen(SKIP)) return NULL;
    for (int l = 0; l <= depth; l++) {
        const int in = l > 0 ? width : chosen(DATA) == DIGITS ? SIDE * SIDE : 2, out = l < depth ? width : train.classes;
        layers[l] = gf_theory_affine(in, out, out, initialiser(), bias_initialiser());
    }
    const gf_act act = gf_act_default((gf_act_kind)chosen(ACT));
    if (gf_theory_profile(act, input_square, layers, depth + 1) != GF_OK) return NULL;
    for (int l = 0; l <= depth; l++) delta[l] = layers[l].delta;
    return delta;
}

// The probability of class 1 on a grid over [-1.4, 1.4]², row 0 at the bottom. One row a call: a call must be short.
PAGE(pg_map) const float *pg_map(int row) {
    static float map[GRID * GRID];
    gf_real x[2 * GRID];
    for (int i = 0; i < GRID; i++) {
        x[2 * i] = (gf_real)(2.8 * (i + 0.5) / GRID - 1.4);
        x[2 * i + 1] = (gf_real)(2.8 * (row + 0.5) / GRID - 1.4);
    }
    const gf_real *y = gf_net_forward(net, x, GRID, GF_EVAL);
    for (int i = 0; y && i < GRID; i++) map[row * GRID + i] = (float)(1 / (1 + exp((double)(y[2 * i] - y[2 * i + 1]))));
    return map;
}

// What the net says of the first 40 test digits.
PAGE(pg_digits) const float *pg_digits(void) {
    static float answer[SHOWN];
    for (int i = 0; i < SHOWN; i++) answer[i] = (float)gf_net_predict(net, test.values + i * SIDE * SIDE, NULL);
    return answer;
}

PAGE(pg_points) const gf_real *pg_points(int of_test) { return of_test ? test.values : train.values; }
PAGE(pg_labels) const int *pg_labels(int of_test) { return of_test ? test.labels : train.labels; }

// φ at 121 places from -6 to 6, then φ' there; the activation's formula.
PAGE(pg_curve) const double *pg_curve(int kind) {
    static double curve[242];
    const gf_act act = gf_act_default((gf_act_kind)kind);
    for (int i = 0; i < 121; i++) {
        curve[i] = gf_act_value(act, (i - 60) / 10.0);
        curve[121 + i] = gf_act_derivative(act, (i - 60) / 10.0);
    }
    return curve;
}
PAGE(pg_formula) const char *pg_formula(int kind) { return gf_act_describe(gf_act_default((gf_act_kind)kind)).formula; }

// ---------------------------------------------------------------------------------------------------------------------
// The doctor
// ---------------------------------------------------------------------------------------------------------------------

static char verdict[400], first_look[400], remedy[80];

static void print_to(char *to, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    GF_VSNPRINTF(to, size, format, args);
    va_end(args);
}

static int says(const char *word) { return strncmp(verdict, word, strlen(word)) == 0; }

// One sentence that begins with the name of what is found: "vanishing: layer 1 receives …". The doctor wants to see some
// steps; until then what the look before the first step has shown, of which a starved Adam is a consequence. pg_step or
// pg_look must have measured.
PAGE(pg_verdict) const char *pg_verdict(void) {
    gf_finding found;
    memset(&found, 0, sizeof found);
    gf_doctor_findings(doctor, &found, 1);
    const char *name = gf_finding_name(found.code);
    print_to(verdict, sizeof verdict, "%s", found.sentence);
    if (steps == 0 || gf_net_status(net) != GF_OK) {
        gf_net_verdict(net, verdict, sizeof verdict);
        memcpy(first_look, verdict, sizeof verdict);
        return verdict;
    }
    const int ill_from_birth = strncmp(first_look, "healthy", 7) != 0;
    if (found.code == GF_FINDING_EARLY || (found.code == GF_FINDING_STARVED && ill_from_birth))
        memcpy(verdict, first_look, sizeof verdict);
    else if (!says(name)) print_to(verdict, sizeof verdict, "%s: %s", name, found.sentence);
    return verdict;
}

static const char *smaller_weights(void) {
    if (setting[GAIN] > 1) return "gain=1";
    return chosen(NORM) == NO_NORM ? "norm=layer" : "init=xavier";
}

static const char *larger_weights(void) {
    const int act = chosen(ACT);
    if (act == GF_ACT_SIGMOID || act == GF_ACT_HARD_SIGMOID) return "act=relu&init=kaiming";  // no gain helps them
    if (setting[GAIN] < 1) return "gain=1";
    const int odd = gf_act_describe(gf_act_default((gf_act_kind)act)).zero_centred;
    const int fits = odd ? INIT_ORTHOGONAL : INIT_KAIMING;
    if (chosen(INIT) != fits) return odd ? "init=orthogonal" : "init=kaiming";
    return chosen(NORM) == NO_NORM ? "norm=batch" : "skip=yes";
}

// What to change after this verdict: settings as in an address, "act=relu&init=kaiming"; "" where nothing is known.
PAGE(pg_remedy) const char *pg_remedy(void) {
    const double rate = setting[RATE];
    const char *change = "";
    double new_rate = rate;
    if (says("vanishing") || says("weights_small")) change = larger_weights();
    if (says("exploding") || says("saturated") || says("weights_large") || says("the weights are too large"))
        change = smaller_weights();
    if (says("samples_alike") || says("plateau") || says("starved"))
        change = chosen(INIT) == INIT_DEFAULT ? larger_weights() : chosen(NORM) == NO_NORM ? "norm=batch" : "";
    if (says("dead") || says("dying")) change = "act=leaky_relu&init=kaiming";
    if (says("no_activation")) change = "act=tanh";
    if (says("rate_high") || says("non-finite") || says("nonfinite") || (says("d") && rate > 0.1)) new_rate = rate / 10;
    if (says("rate_low")) new_rate = rate * 10;
    if (!(new_rate >= keys[RATE].low && new_rate <= keys[RATE].high) || says("done")) new_rate = rate;
    print_to(remedy, sizeof remedy, "%s", change);
    if (new_rate != rate) print_to(remedy, sizeof remedy, "%s%srate=%.6g", change, change[0] ? "&" : "", new_rate);
    return remedy;
}

// ---------------------------------------------------------------------------------------------------------------------
// In a terminal
// ---------------------------------------------------------------------------------------------------------------------

#ifndef __wasm__
static void set_from(const char *text) {
    char name[32], word[32];
    int used;
    for (; sscanf(text, "%31[a-z]=%31[^&]%n", name, word, &used) == 2; text += used + (text[used] == '&')) {
        int known = 0;
        for (int k = 0; k < KEYS; k++) {
            if (strcmp(name, keys[k].name) != 0) continue;
            int i = 0;
            while (keys[k].choices && keys[k].choices[i] && strcmp(keys[k].choices[i], word) != 0) i++;
            known = pg_set(k, keys[k].choices ? i : atof(word));
        }
        if (!known) fprintf(stderr, "%s=%s is not known: the default is taken\n", name, word);
    }
}

int main(int argc, char **argv) {
    const int count = argc > 2 ? atoi(argv[2]) : 200;
    pg_start();
    if (argc > 1) set_from(argv[1]);
    if (!pg_build()) fprintf(stderr, "%s\n", pg_error());
    pg_look();
    pg_verdict();
    pg_build();
    for (int step = 1; step <= count; step++) printf("%d %.9g\n", step, pg_step(step == count));
    const double *rows = pg_layers();
    pg_verdict();
    const double *scores = pg_scores();
    for (int i = 0; i < 4; i++) printf("score %.9g\n", scores[i]);
    for (int l = 0; l <= chosen(DEPTH); l++)
        for (int i = 0; i < ROW; i++) printf("layer %d %.9g\n", l + 1, rows[l * ROW + i]);
    printf("%s\n", verdict);
    return 0;
}
#endif
