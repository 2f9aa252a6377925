// test_doctor.c: the numbers that tell causes apart, every misdiagnosis that was reported, and silence on healthy nets.
// build: float double
#include "../gradflow.h"
#include "counted_alloc.h"
#include "nets.h"

enum { ROWS = 400, WIDTH = 12 };

static gf_real x[ROWS * WIDTH], t[ROWS * 10];
static int labels[ROWS];
static gf_dataset data;

// Samples around K centres, n columns of mean 0 and deviation near 1.
static void blobs(int count, int n, int K) {
    for (int i = 0; i < count; i++) {
        labels[i] = (int)(hash_bits(1, (size_t)i) % (uint64_t)K);
        for (int k = 0; k < n; k++)
            x[i * n + k] = (gf_real)(0.5 * gf_random_normal(2, 1, (uint64_t)(i * n + k)) +
                                     1.2 * hash_value(3, (size_t)(labels[i] * n + k), 16));
    }
    gf_data_free(&data);
    gf_data_from_arrays(&data, gf_vector(n), (size_t)count, x, labels, K, NULL, 0);
}

static void regression(int count, int n, int outputs) {
    gf_data_free(&data);
    gf_data_from_arrays(&data, gf_vector(n), (size_t)count, x, NULL, 0, t, outputs);
}

typedef struct plan {
    const char *words, *init;  // net.h's words; "", an initialiser's name, "zero" or "constant"
    gf_optim_config optim;
    gf_loss_kind loss;
    int batch, steps, flags;
    const gf_custom_loss *own;
    void (*prepare)(gf_net *net);
    int preflight, no_step, eval;
} plan;

static gf_net *net;
static gf_doctor *doctor;
static gf_optim optim;
static gf_finding found[GF_FINDING_COUNT];
static int count;
static char first_verdict[400], verdict[400];

static void end(void) {
    gf_doctor_free(doctor), gf_optim_free(&optim), gf_net_free(net);
    net = NULL, doctor = NULL;
}

static void begin(const plan *p) {
    net = gf_net_create(data.shape, p->batch, 7);
    doctor = gf_doctor_create(net, &data);
    gf_net_set_probe(net, GF_PROBE_ALL);
    if (!strcmp(p->init, "zero")) gf_net_set_init(net, gf_init_zero(), gf_init_zero());
    else if (!strcmp(p->init, "constant")) gf_net_set_init(net, gf_init_with(GF_INIT_CONSTANT, 0.5), gf_init_zero());
    else if (!strcmp(p->init, "normal")) gf_net_set_init(net, gf_init_with(GF_INIT_NORMAL, 1), gf_init_zero());
    else if (p->init[0]) gf_net_set_init(net, net_init(p->init), gf_init_zero());
    net_add_words(net, p->words);
    gf_net_build(net);
    if (p->prepare) p->prepare(net);
    gf_optim_init(&optim, net, p->optim);
    if (p->preflight) gf_doctor_preflight(doctor, &optim, p->loss);
}

// Train as the plan says; findings and the verdicts of the first and the last step are kept.
static void run(const plan *p) {
    gf_batches batches;
    begin(p);
    gf_batches_init(&batches, &data, p->batch, 1, p->flags);
    for (int step = 0; step < p->steps && gf_net_status(net) == GF_OK;) {
        if (!gf_batches_next(&batches)) continue;
        gf_net_forward(net, batches.x, batches.n, p->eval ? GF_EVAL : GF_TRAIN);
        if (p->own) gf_loss_custom(net, p->own);
        else if (p->loss == GF_LOSS_CROSS_ENTROPY) gf_loss_cross_entropy(net, batches.labels);
        else if (p->loss == GF_LOSS_BCE) gf_loss_bce(net, batches.targets);
        else gf_loss_mse(net, batches.targets);
        gf_net_backward(net);
        gf_net_measure(net);
        if (step++ == 0) gf_net_verdict(net, first_verdict, sizeof first_verdict);
        if (!p->no_step) gf_optim_step(&optim, net);
    }
    gf_net_verdict(net, verdict, sizeof verdict);
    count = gf_doctor_findings(doctor, found, GF_FINDING_COUNT);
    gf_batches_free(&batches);
}

static const gf_finding *finding(gf_finding_code code) {
    static gf_finding none;
    for (int i = 0; i < count; i++)
        if (found[i].code == code) return &found[i];
    memset(&none, 0, sizeof none);
    none.measured = none.limit = NAN;
    test_fail(__FILE__, __LINE__, "no %s; first of %d: %s", gf_finding_name(code), count, found[0].sentence);
    return &none;
}

static void expect_first(gf_finding_code code) {
    if (count < 1 || found[0].code != code || found[0].cause != -1)
        test_fail(__FILE__, __LINE__, "expected %s, found %s: %s", gf_finding_name(code),
                  gf_finding_name(found[0].code), found[0].sentence);
}

// --- the numbers ---

static double constant_one(const gf_real *y, gf_real *dy, int B, int K, void *user) {  // softmax of one unit, MSE
    const double *loss = (const double *)user;
    (void)y;
    for (int i = 0; i < B * K; i++) dy[i] = 0;
    return *loss;
}

static double cross_entropy_times(const gf_real *y, gf_real *dy, int B, int K, void *user) {  // labels 0, times *user
    double loss = 0;
    for (int b = 0; b < B; b++) {
        double sum = 0;
        for (int k = 0; k < K; k++) sum += exp((double)y[b * K + k]);
        for (int k = 0; k < K; k++) {
            const double p = exp((double)y[b * K + k]) / sum;
            dy[b * K + k] = (gf_real)((p - (k == labels[b])) / B * *(double *)user);
            if (k == labels[b]) loss -= log(p) / B * *(double *)user;
        }
    }
    return loss;
}

static void small_weights(gf_net *made) {
    gf_net_info info = gf_net_describe(made);
    for (size_t i = 0; i < info.param_count; i++) info.params[i] *= (gf_real)0.2;
}

#define DEEP_SIGMOID                                                                                                   \
    "dense:16 sigmoid dense:16 sigmoid dense:16 sigmoid dense:16 sigmoid dense:16 sigmoid dense:16 sigmoid "           \
    "dense:16 sigmoid dense:16 sigmoid dense:16 sigmoid dense:16 sigmoid dense:16 sigmoid dense:16 sigmoid "

static void dead_hidden(gf_net *made) {
    gf_tensor *bias = gf_net_tensor(made, "dense1.bias");
    for (size_t i = 0; i < bias->size; i++) bias->value[i] = -50;
}

static void test_losses(void) {
    TEST("first loss ln K, the labels' entropy as the best constant's");
    blobs(ROWS, WIDTH, 10);
    plan p = {"dense:10", "zero", gf_sgd(0.1), GF_LOSS_CROSS_ENTROPY, 100, 1, 0, NULL, NULL, 0, 0, 0};
    double share[10] = {0}, entropy = 0;
    for (int i = 0; i < ROWS; i++) share[labels[i]] += 1.0 / ROWS;
    for (int k = 0; k < 10; k++) entropy -= share[k] * log(share[k]);
    run(&p);
    expect_first(GF_FINDING_EARLY);
    CHECK_NEAR(found[0].measured, log(10.0), 1e-6);
    CHECK_NEAR(found[0].limit, entropy, 1e-6);
    end();
    TEST("a dead net's loss stays at the labels' entropy");
    plan dead = {"dense:16 relu dense:10", "", gf_sgd(1), GF_LOSS_CROSS_ENTROPY, ROWS, 400, 0, NULL, dead_hidden, 0, 0, 0};
    run(&dead);
    expect_first(GF_FINDING_DEAD);
    CHECK(!strcmp(found[0].layer, "dense1") && !strncmp(first_verdict, "dead: 100 % of layer 1's relu", 29));
    CHECK_NEAR(finding(GF_FINDING_PLATEAU)->measured, entropy, 1e-3);
    CHECK(finding(GF_FINDING_PLATEAU)->cause == 0);
    end();
    TEST("of a regression at Var(y), or at mean y² where the output is 0");
    double mean = 0, square = 0;
    for (int i = 0; i < ROWS; i++) {
        t[i] = (gf_real)(2 + x[i * WIDTH]);
        mean += (double)t[i] / ROWS, square += (double)t[i] * (double)t[i] / ROWS;
    }
    regression(ROWS, WIDTH, 1);
    dead.words = "dense:16 relu dense:1", dead.loss = GF_LOSS_MSE, dead.optim = gf_sgd(0.1);
    run(&dead);
    CHECK_NEAR(finding(GF_FINDING_PLATEAU)->measured, square - mean * mean, 1e-3);
    CHECK_NEAR(finding(GF_FINDING_PLATEAU)->limit, square - mean * mean, 1e-3);
    end();
    dead.words = "dense:1 relu";
    run(&dead);
    CHECK_NEAR(finding(GF_FINDING_PLATEAU)->limit, square, 1e-3);
    CHECK_NEAR(finding(GF_FINDING_OUTPUT_STUCK)->measured, 0, 0);
    end();
}

static void test_outputs(void) {
    static const int kinds[3] = {10, 3, 2};
    static const double floors[3] = {1.4612, 0.5514, 0.3133};
    TEST("∂L/∂y ≡ 0: the loss stays whatever the weights are");
    double stays = 4.0 / 6;
    const gf_custom_loss one = {constant_one, &stays};
    blobs(ROWS, 2, 2);
    plan p = {"dense:4 sigmoid dense:1", "", gf_sgd(0.1), GF_LOSS_MSE, 60, 40, 0, &one, NULL, 0, 0, 0};
    run(&p);
    CHECK_NEAR(finding(GF_FINDING_OUTPUT_STUCK)->measured, 4.0 / 6, 1e-9);
    end();
    TEST("squashed twice: cross entropy's floor");
    for (int i = 0; i < 3; i++) {
        char words[60];
        blobs(ROWS, WIDTH, kinds[i]);
        snprintf(words, sizeof words, "dense:16 relu dense:%d sigmoid", kinds[i]);
        plan twice = {words, "", gf_adam(0.01), GF_LOSS_CROSS_ENTROPY, 50, 30, GF_SHUFFLE, NULL, NULL, 0, 0, 0};
        run(&twice);
        expect_first(GF_FINDING_OUTPUT_ACTIVATION);
        CHECK_NEAR(found[0].limit, floors[i], 1e-3);
        CHECK(!strcmp(found[0].layer, "act2") && !strncmp(verdict, "sigmoid stands before a loss", 28));
        end();
    }
    TEST("a summed loss grows with the batch");
    double times = 50;
    const gf_custom_loss sum = {cross_entropy_times, &times};
    blobs(50, WIDTH, 4);
    plan summed = {"dense:16 relu dense:4", "", gf_sgd(0.5), GF_LOSS_MSE, 50, 60, 0, &sum, NULL, 0, 0, 0};
    run(&summed);
    CHECK_NEAR(finding(GF_FINDING_SUMMED_LOSS)->measured, 50, 1e-9);
    end();
    times = 1;
    run(&summed);
    for (int i = 0; i < count; i++) CHECK(found[i].code != GF_FINDING_SUMMED_LOSS);
    end();
}

// λ of a linear model's mean square error in x[count] with a bias: 2·the larger eigenvalue of [E x², E x; E x, 1].
static double line_curvature(int points, double *square) {
    double m1 = 0, m2 = 0;
    for (int i = 0; i < points; i++) m1 += (double)x[i] / points, m2 += (double)x[i] * (double)x[i] / points;
    *square = m2;
    return m2 + 1 + sqrt((m2 - 1) * (m2 - 1) + 4 * m1 * m1);
}

static void test_rates(void) {
    double square;
    TEST("2/λ before the first step, |1 - ηλ| on the way");
    for (int i = 0; i < 8; i++) x[i] = (gf_real)(8 * hash_value(9, (size_t)i, 16)), t[i] = 3 * x[i] + 1;
    regression(8, 1, 1);
    plan p = {"dense:1", "zero", gf_sgd(0.1), GF_LOSS_MSE, 8, 40, 0, NULL, NULL, 1, 0, 0};
    const double lambda = line_curvature(8, &square);
    run(&p);
    CHECK_RELATIVE(finding(GF_FINDING_RATE_HIGH)->limit, 2 / lambda, 1e-3);
    end();
    p.preflight = 0;
    run(&p);
    CHECK_RELATIVE(finding(GF_FINDING_RATE_HIGH)->measured, fabs(1 - 0.1 * lambda), 1e-3);
    end();
    for (int i = 0; i < 100; i++) x[i] = (gf_real)i, t[i] = (gf_real)(2 * i + 4);
    regression(100, 1, 1);
    p.batch = 100, p.optim.lr = 1e-3, p.preflight = 1, p.steps = 0;
    run(&p);
    CHECK_RELATIVE(finding(GF_FINDING_RATE_HIGH)->limit, 2 / 6568.5, 1e-3);  // 2·3284.25
    CHECK_RELATIVE(line_curvature(100, &square), 6568.5, 1e-5);
    CHECK_NEAR(finding(GF_FINDING_DATA_UNSCALED)->measured, sqrt(square), 1e-3);
    end();
}

static double wrong_slope(double z) { return z * (1 - z); }  // of the output, given the input
static double sigmoid(double z) { return 1 / (1 + exp(-z)); }

// --- what was misdiagnosed ---

static void test_cases(void) {
    TEST("pixels 0..255: the inputs, not the activation");
    blobs(ROWS, WIDTH, 3);
    for (int i = 0; i < ROWS * WIDTH; i++) data.values[i] *= 100;
    plan p = {"dense:32 relu dense:3", "", gf_sgd(0.1), GF_LOSS_CROSS_ENTROPY, 50, 40, GF_SHUFFLE, NULL, NULL, 0, 0, 0};
    run(&p);
    CHECK(!strncmp(first_verdict, "the inputs are not scaled: their root mean square is", 52));
    finding(GF_FINDING_DATA_UNSCALED);
    end();
    TEST("three layers and no activation");
    blobs(ROWS, WIDTH, 3);
    p.words = "dense:8 dense:8 dense:3", p.steps = 200;
    run(&p);
    expect_first(GF_FINDING_NO_ACTIVATION);
    CHECK(!strncmp(verdict, "no activation stands between the 3 layers", 41));
    end();
    TEST("targets outside the output's range");
    for (int i = 0; i < ROWS; i++) t[i] = (gf_real)(i % 10 * (i % 10));
    regression(ROWS, WIDTH, 1);
    p.words = "dense:4 sigmoid dense:1 sigmoid", p.loss = GF_LOSS_MSE;
    run(&p);
    expect_first(GF_FINDING_TARGET_RANGE);
    CHECK_TEXT(verdict, "to 81, but the output's sigmoid gives only 0 to 1");
    CHECK_NEAR(found[0].measured, 81, 1e-3);
    end();
    TEST("prices in dollars");
    for (int i = 0; i < ROWS; i++) t[i] = (gf_real)(2e5 + 1e4 * hash_value(5, (size_t)i, 16));
    regression(ROWS, WIDTH, 1);
    p.words = "dense:16 relu dense:1", p.optim = gf_adam(1e-3);
    run(&p);
    expect_first(GF_FINDING_TARGET_UNSCALED);
    CHECK(!strncmp(first_verdict, "the targets are not scaled", 26));
    end();
    TEST("zero weights, equal weights");
    blobs(ROWS, WIDTH, 3);
    p.loss = GF_LOSS_CROSS_ENTROPY, p.words = "dense:8 relu dense:3", p.init = "zero", p.optim = gf_adam(0.01);
    run(&p);
    expect_first(GF_FINDING_EQUAL_WEIGHTS);
    CHECK(!strncmp(verdict, "the weights of layer 1 are all zero", 35));
    end();
    p.init = "constant", p.words = "dense:8 tanh dense:8 tanh dense:3";
    run(&p);
    expect_first(GF_FINDING_EQUAL_WEIGHTS);
    CHECK(!strncmp(verdict, "all units of layer 1 have the same weights", 42));
    end();
    TEST("N(0,1) weights");
    p.init = "normal", p.words = "dense:64 relu dense:64 relu dense:64 relu dense:3", p.optim = gf_sgd(1e-4), p.steps = 20;
    run(&p);
    CHECK(!strncmp(first_verdict, "the weights are too large: in layer", 35));
    finding(GF_FINDING_WEIGHTS_LARGE);
    end();
    TEST("one relu layer, six of sigmoid: the sigmoid");
    p.init = "xavier", p.optim = gf_sgd(0.1), p.steps = 200;
    p.words = "dense:32 relu dense:32 sigmoid dense:32 sigmoid dense:32 sigmoid dense:32 sigmoid dense:32 sigmoid "
              "dense:32 sigmoid dense:3";
    run(&p);
    expect_first(GF_FINDING_VANISHING);
    CHECK_TEXT(verdict, "vanishing");
    CHECK_TEXT(verdict, "(sigmoid)");
    end();
    TEST("all labels alike");
    for (int i = 0; i < ROWS; i++) data.labels[i] = 0;
    p.words = "dense:8 relu dense:3", p.init = "";
    run(&p);
    expect_first(GF_FINDING_DATA_ONE_CLASS);
    CHECK(!strncmp(verdict, "all 50 labels so far are of one class", 37));
    end();
    TEST("a column counts the rows, and labels are sorted");
    for (int i = 0; i < ROWS; i++) data.values[i * WIDTH + 4] = (gf_real)((i + 1) / 100.0), data.labels[i] = 3 * i / ROWS;
    p.flags = 0;
    run(&p);
    CHECK_NEAR(finding(GF_FINDING_DATA_COUNTS_ROWS)->measured, 5, 0);
    finding(GF_FINDING_DATA_SORTED);
    end();
}

static void test_training(void) {
    blobs(ROWS, WIDTH, 3);
    plan p = {"dense:32 relu dense:3", "", gf_adam(0.01), GF_LOSS_CROSS_ENTROPY, 50, 200, GF_SHUFFLE, NULL, NULL, 0, 1, 0};
    TEST("no step taken");
    run(&p);
    expect_first(GF_FINDING_NO_STEP);
    CHECK(strstr(verdict, "no step of an optimiser") != NULL);
    end();
    TEST("trained in GF_EVAL");
    p.no_step = 0, p.eval = 1, p.words = "dense:16 batch_norm relu dense:3";
    run(&p);
    expect_first(GF_FINDING_EVAL_MODE);
    CHECK(!strncmp(verdict, "it trains in GF_EVAL", 20));
    end();
    TEST("dropout of 0.99, and behind the last layer");
    p.eval = 0, p.words = "dense:32 relu dropout:0.99 dense:3";
    run(&p);
    expect_first(GF_FINDING_DROPOUT);
    CHECK(!strncmp(verdict, "dropout 0.99 is too strong", 26) && !strcmp(found[0].layer, "dropout1"));
    end();
    p.words = "dense:32 relu dense:3 dropout:0.5";
    run(&p);
    expect_first(GF_FINDING_DROPOUT);
    end();
    TEST("weight decay stronger than the data");
    p.words = "dense:32 sigmoid dense:3", p.optim = gf_rmsprop(0.003), p.optim.weight_decay = 0.3, p.steps = 500;
    run(&p);
    expect_first(GF_FINDING_DECAY);
    CHECK_TEXT(verdict, "weight decay 0.3 is stronger");
    end();
    TEST("the rate: too high, too low");
    p.words = "dense:32 relu dense:32 relu dense:3", p.optim = gf_sgd(30), p.steps = 200;
    run(&p);
    expect_first(GF_FINDING_RATE_HIGH);
    end();
    p.optim = gf_sgd(1e-5);
    run(&p);
    expect_first(GF_FINDING_RATE_LOW);
    end();
    TEST("units off in layer 2 only");
    net = NULL;
    p.words = "dense:32 relu dense:3", p.optim = gf_adam(0.01), p.prepare = dead_hidden, p.steps = 100;
    run(&p);
    expect_first(GF_FINDING_DEAD);
    end();
    p.prepare = NULL;
    TEST("NaN by a rate, NaN in the data");
    p.optim = gf_sgd(1e30), p.words = "dense:8 identity dense:3";
    run(&p);
    finding(GF_FINDING_RATE_HIGH);
    finding(GF_FINDING_NONFINITE);
    CHECK_TEXT(verdict, "lower the learning rate");
    end();
    data.values[5] = NAN, p.optim = gf_sgd(0.1);
    run(&p);
    expect_first(GF_FINDING_DATA_NONFINITE);
    CHECK_TEXT(verdict, "no learning rate mends it");
    end();
    blobs(ROWS, WIDTH, 3);
    data.values[5] = (gf_real)1e30, p.batch = ROWS;
    run(&p);
    expect_first(GF_FINDING_DATA_NONFINITE);
    CHECK_TEXT(verdict, "clean the data");
    end();
    TEST("labels of other samples");
    blobs(ROWS, WIDTH, 3);
    for (int i = 0; i < ROWS; i++) data.labels[i] = (int)(hash_bits(77, (size_t)i) % 3);
    p.words = "dense:4 tanh dense:3", p.optim = gf_sgd(0.05), p.steps = 900, p.batch = 50;
    run(&p);
    expect_first(GF_FINDING_DATA_SHUFFLED_LABELS);
    end();
    TEST("XOR from small weights: not shuffled labels, the net is still linear; larger ones show that the labels are good");
    gf_data_free(&data);
    gf_data_xor(&data, 300, 0.1, 0, 1);
    plan small = {"dense:6 tanh dense:2", "", gf_sgd(0.1), GF_LOSS_CROSS_ENTROPY, 32, 600, GF_SHUFFLE, NULL, small_weights, 0, 0, 0};
    run(&small);
    expect_first(GF_FINDING_PLATEAU);
    CHECK_TEXT(found[0].sentence, "still linear");
    end();
    TEST("vanishing before the first step is not forgotten in the next ones");
    plan deep = {DEEP_SIGMOID "dense:2", "", gf_adam(0.01), GF_LOSS_CROSS_ENTROPY, 32, 12, GF_SHUFFLE, NULL, NULL, 1, 0, 0};
    run(&deep);
    expect_first(GF_FINDING_VANISHING);
    end();
}

// --- silence ---

static void test_healthy(void) {
    static const char *const words[] = {"dense:32 relu dense:3", "dense:32 tanh dense:32 tanh dense:3", "dense:3",
                                        "dense:32 batch_norm relu dropout:0.3 dense:3",
                                        "dense:16 mark relu dense:16 add:1 relu dense:3",
                                        "dense:16 gelu dense:16 gelu dense:16 gelu dense:16 gelu dense:3"};
    TEST("healthy nets: nothing is found at any time, then healthy or done");
    blobs(ROWS, WIDTH, 3);
    for (int i = 0; i < 6; i++) {
        for (int steps = 1; steps <= 512; steps *= 8) {
            plan p = {words[i], "", gf_adam(0.005), GF_LOSS_CROSS_ENTROPY, 50, steps, GF_SHUFFLE, NULL, NULL, 1, 0, 0};
            run(&p);
            if (found[0].code > GF_FINDING_EARLY)
                test_fail(__FILE__, __LINE__, "%s, %d steps: %s", words[i], steps, found[0].sentence);
            if (steps == 512) CHECK(found[0].code != GF_FINDING_EARLY);
            CHECK(count == 1 && (!strncmp(verdict, "healthy", 7) || !strncmp(verdict, "done", 4)));
            end();
        }
    }
}

static void test_untouched(void) {
    TEST("neither preflight nor the doctor changes a bit, and a step allocates nothing");
    gf_real *params[2];
    blobs(ROWS, WIDTH, 3);
    for (int with = 0; with < 2; with++) {
        gf_batches batches;
        gf_batches_init(&batches, &data, 50, 3, GF_SHUFFLE);
        net = gf_net_create(data.shape, 50, 7);
        if (with) doctor = gf_doctor_create(net, &data);
        net_add_words(net, "dense:16 batch_norm relu dropout:0.4 dense:3");
        gf_net_build(net);
        gf_optim_init(&optim, net, gf_adam(0.01));
        if (with) CHECK(gf_doctor_preflight(doctor, &optim, GF_LOSS_CROSS_ENTROPY) == GF_OK);
        const long allocated = alloc_count;
        for (int step = 0; step < 70;) {
            if (!gf_batches_next(&batches)) continue;
            gf_net_forward(net, batches.x, batches.n, GF_TRAIN), gf_loss_cross_entropy(net, batches.labels);
            gf_net_backward(net), gf_optim_step(&optim, net), step++;
        }
        CHECK(alloc_count == allocated && gf_net_status(net) == GF_OK);
        const gf_net_info info = gf_net_describe(net);
        const gf_tensor *running = gf_net_tensor(net, "batch_norm1.running_var");
        params[with] = (gf_real *)malloc((info.param_count + running->size) * sizeof(gf_real));
        memcpy(params[with], info.params, info.param_count * sizeof(gf_real));
        memcpy(params[with] + info.param_count, running->value, running->size * sizeof(gf_real));
        if (with) CHECK(!memcmp(params[0], params[1], (info.param_count + running->size) * sizeof(gf_real)));
        gf_batches_free(&batches), end();
    }
    free(params[0]), free(params[1]);
}

static void test_derivative(void) {
    TEST("a derivative that is not its value's");
    gf_real in[4] = {0, 1, 2, 3};
    int classes[2] = {0, 1};
    net = gf_net_create(gf_vector(2), 2, 7);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_dense(net, 4), gf_net_act_with(net, gf_act_custom("mine", sigmoid, wrong_slope)), gf_net_dense(net, 2);
    gf_net_build(net), gf_net_forward(net, in, 2, GF_TRAIN), gf_loss_cross_entropy(net, classes), gf_net_backward(net);
    gf_net_measure(net), gf_net_verdict(net, verdict, sizeof verdict);
    CHECK_TEXT(verdict, "the derivative of mine is not that of its value");
    gf_net_free(net), net = NULL;
}

static void test_calls(void) {
    gf_finding one[1];
    const gf_score score = {0.5, 0.5, 10};
    TEST("wrong calls");
    CHECK(gf_doctor_create(NULL, NULL) == NULL && gf_doctor_findings(NULL, one, 1) == 0);
    gf_doctor_free(NULL), gf_doctor_evaluated(NULL, score, score), gf_doctor_report(NULL);
    CHECK(gf_doctor_preflight(NULL, NULL, GF_LOSS_MSE) == GF_ERROR_ARGUMENT);
    CHECK(!strcmp(gf_finding_name(GF_FINDING_COUNT), "?") && !strcmp(gf_finding_family((gf_finding_code)-1), ""));
    CHECK(!strcmp(gf_finding_name(GF_FINDING_RATE_HIGH), "rate_high"));
    CHECK(!strcmp(gf_finding_family(GF_FINDING_DROPOUT), "regularisation"));
    blobs(ROWS, WIDTH, 3);
    plan p = {"dense:8 relu dense:3", "", gf_sgd(0.1), GF_LOSS_CROSS_ENTROPY, 50, 0, 0, NULL, NULL, 0, 0, 0};
    begin(&p);
    CHECK(gf_doctor_findings(doctor, one, 1) == 1 && one[0].code == GF_FINDING_EARLY);
    CHECK(gf_doctor_preflight(doctor, NULL, GF_LOSS_CROSS_ENTROPY) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_net_error(net), "optim is NULL");
    gf_net_clear_error(net);
    CHECK(gf_doctor_preflight(doctor, &optim, GF_LOSS_MSE) == GF_ERROR_SHAPE);  // the data have labels
    gf_net_clear_error(net);
    CHECK(gf_doctor_create(net, &data) == NULL && gf_net_status(net) == GF_ERROR_ORDER);  // after build
    end();
    net = gf_net_create(gf_vector(2), 4, 1);
    doctor = gf_doctor_create(net, NULL);
    CHECK(gf_doctor_create(net, NULL) == NULL);
    CHECK_TEXT(gf_net_error(net), "one is enough");
    gf_net_free(net), net = NULL;
    CHECK(gf_doctor_findings(doctor, one, 1) == 1);
    CHECK(gf_doctor_preflight(doctor, &optim, GF_LOSS_MSE) == GF_ERROR_ARGUMENT);
    end();
    TEST("out of memory");
    net = gf_net_create(data.shape, 50, 1);
    alloc_fail_at = alloc_count;
    CHECK(gf_doctor_create(net, &data) == NULL && gf_net_status(net) == GF_ERROR_MEMORY);
    alloc_fail_at = -1;
    end();
    for (int i = 0; i < 2; i++) {
        begin(&p);
        alloc_fail_at = alloc_count + i;
        CHECK(gf_doctor_preflight(doctor, &optim, GF_LOSS_CROSS_ENTROPY) == GF_ERROR_MEMORY);
        alloc_fail_at = -1;
        end();
    }
    gf_data_free(&data);
    CHECK(alloc_live == 0);
}

int main(void) {
    test_losses();
    test_outputs();
    test_rates();
    test_cases();
    test_training();
    test_derivative();
    test_healthy();
    test_untouched();
    test_calls();
    return test_report();
}
