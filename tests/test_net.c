// test_net.c: what the network promises: layouts, modes, batches, randomness, memory, threads, non-finite numbers.
// build: float openmp
#define _POSIX_C_SOURCE 200809L
#include "counted_alloc.h"
#include "../gradflow.h"
#include "nets.h"
#include <float.h>

enum { INPUTS = 6, BATCH = 8 };

static gf_real x[BATCH * INPUTS];
static int labels[BATCH];

// One training step; returns the loss.
static double train_step(gf_net *net, gf_optim *optim, const gf_real *input, int batch) {
    gf_net_forward(net, input, batch, GF_TRAIN);
    double loss = gf_loss_cross_entropy(net, labels);
    gf_net_backward(net);
    if (optim) gf_optim_step(optim, net);
    return loss;
}

static gf_real *copy_params(gf_net *net) {
    size_t bytes = gf_net_describe(net).param_count * sizeof(gf_real);
    gf_real *copy = (gf_real *)malloc(bytes);
    memcpy(copy, gf_net_describe(net).params, bytes);
    return copy;
}

static int same_params(gf_net *net, const gf_real *copy) {
    return !memcmp(gf_net_describe(net).params, copy, gf_net_describe(net).param_count * sizeof(gf_real));
}

// --- tensors ---

static void check_tensor(gf_net *net, const char *name, int rank, int d0, int d1, size_t offset) {
    gf_tensor *t = gf_net_tensor(net, name);
    if (!t) {
        test_fail(__FILE__, __LINE__, "%s: %s", name, gf_net_error(net));
        return;
    }
    CHECK(!strcmp(t->name, name));
    CHECK(t->rank == rank && t->dims[0] == d0 && (rank < 2 || t->dims[1] == d1));
    CHECK(t->size == (size_t)d0 * (size_t)(rank < 2 ? 1 : d1));
    CHECK(t->offset == offset);
    CHECK(t->value == gf_net_describe(net).params + offset && t->grad == gf_net_describe(net).grads + offset);
}

static void test_tensors(void) {
    TEST("net tensors by name, one after another in one array");
    gf_net *net = net_from_words("mark dense:4 batch_norm prelu layer_norm project:1 dense:3", INPUTS, BATCH, 1);
    check_tensor(net, "dense1.weight", 2, 4, 6, 0);
    check_tensor(net, "dense1.bias", 1, 4, 0, 24);
    check_tensor(net, "batch_norm1.gamma", 1, 4, 0, 28);
    check_tensor(net, "batch_norm1.beta", 1, 4, 0, 32);
    check_tensor(net, "prelu1.slope", 1, 1, 0, 36);
    check_tensor(net, "layer_norm1.gamma", 1, 4, 0, 37);
    check_tensor(net, "layer_norm1.beta", 1, 4, 0, 41);
    check_tensor(net, "add1.weight", 2, 4, 6, 45);
    check_tensor(net, "dense2.weight", 2, 3, 4, 69);
    check_tensor(net, "dense2.bias", 1, 3, 0, 81);
    CHECK(gf_net_describe(net).param_count == 84);
    CHECK(gf_net_tensor(net, "batch_norm1.running_mean") && gf_net_tensor(net, "batch_norm1.running_var"));
    CHECK(gf_net_tensor(net, "batch_norm1.running_var")->value[3] == 1);
    CHECK(gf_net_describe(net).layer_count == 7 && !strcmp(gf_net_layer(net, 1).name, "dense1"));
    CHECK(!strcmp(gf_net_layer(net, 6).name, "dense2"));
    CHECK(gf_net_describe(net).bytes > 84 * sizeof(gf_real));
    gf_net_free(net);
}

static void test_layout(void) {
    TEST("net dense weight is [out, in]: z = W·x + b");
    gf_net *net = gf_net_create(gf_vector(2), 2, 1);
    static const gf_real w[6] = {1, 2, 3, 4, 5, 6}, b[3] = {100, 200, 300}, in[4] = {1, 10, -1, 2};
    static const gf_real expected[6] = {121, 243, 365, 103, 205, 307};
    gf_net_dense(net, 3);
    gf_net_build(net);
    memcpy(gf_net_tensor(net, "dense1.weight")->value, w, sizeof w);
    memcpy(gf_net_tensor(net, "dense1.bias")->value, b, sizeof b);
    const gf_real *z = gf_net_forward(net, in, 2, GF_EVAL);
    CHECK(z && !memcmp(z, expected, sizeof expected));
    CHECK(z == gf_net_layer(net, 0).output && gf_net_describe(net).batch == 2);
    gf_net_free(net);
}

// --- randomness ---

static int same_tensor(gf_net *a, const char *name_a, gf_net *b, const char *name_b) {
    gf_tensor *s = gf_net_tensor(a, name_a), *t = gf_net_tensor(b, name_b);
    return s && t && s->size == t->size && !memcmp(s->value, t->value, s->size * sizeof(gf_real));
}

static void test_weights(void) {
    TEST("net weights depend on seed and ordinal, not on activation or norm");
    gf_net *plain = net_from_words("dense:8 tanh dense:8 tanh dense:3", INPUTS, BATCH, 42);
    gf_net *other =
        net_from_words("dense:8 batch_norm relu dropout:0.2 mark dense:8 layer_norm gelu add:1 dense:3", INPUTS, 3, 42);
    gf_net *seed = net_from_words("dense:8 tanh dense:8 tanh dense:3", INPUTS, BATCH, 43);
    static const char *const names[] = {"dense1.weight", "dense1.bias",   "dense2.weight",
                                        "dense2.bias",   "dense3.weight", "dense3.bias"};
    for (int i = 0; i < 6; i++) {
        CHECK(same_tensor(plain, names[i], other, names[i]));
        CHECK(!same_tensor(plain, names[i], seed, names[i]));
    }
    gf_net *square = net_from_words("dense:6 tanh dense:6 tanh dense:6", INPUTS, BATCH, 42);
    CHECK(!same_tensor(square, "dense1.weight", square, "dense2.weight"));
    CHECK(memcmp(gf_net_tensor(square, "dense1.weight")->value, gf_net_tensor(square, "dense1.bias")->value,
                 6 * sizeof(gf_real)) != 0);
    gf_net_free(plain), gf_net_free(other), gf_net_free(seed), gf_net_free(square);
}

enum { DROP_WIDTH = 500, DROP_BATCH = 60, DROP_N = DROP_WIDTH * DROP_BATCH };

// The output of dropout alone on ones, at this step, as a copy.
static gf_real *dropout_mask(double p, uint64_t seed, int steps, int batch, gf_mode mode) {
    gf_real *ones = (gf_real *)malloc(DROP_N * sizeof(gf_real)), *copy = (gf_real *)malloc(DROP_N * sizeof(gf_real));
    static net_targets targets;
    gf_net *net = gf_net_create(gf_vector(DROP_WIDTH), DROP_BATCH, seed);
    gf_optim sgd;
    gf_net_dropout(net, p), gf_net_dense(net, 2), gf_net_build(net);
    gf_optim_init(&sgd, net, gf_sgd(0.1));
    for (int i = 0; i < DROP_N; i++) ones[i] = 1;
    for (int s = 0; s <= steps; s++) {
        gf_net_forward(net, ones, batch, mode);
        memcpy(copy, gf_net_layer(net, 0).output, (size_t)batch * DROP_WIDTH * sizeof(gf_real));
        gf_loss_mse(net, targets.mse), gf_net_backward(net), gf_optim_step(&sgd, net);
    }
    CHECK(gf_net_status(net) == GF_OK);
    gf_optim_free(&sgd), gf_net_free(net);
    free(ones);
    return copy;
}

static void test_dropout(void) {
    static const double rates[] = {0.1, 0.5, 0.8};
    for (int r = 0; r < 3; r++) {
        double p = rates[r], zeros = 0, wrong = 0, sigma = sqrt(p * (1 - p) / DROP_N);
        char title[64];
        snprintf(title, sizeof title, "net dropout p = %g drops p and scales the rest", p);
        TEST(title);
        gf_real *mask = dropout_mask(p, 42, 0, DROP_BATCH, GF_TRAIN);
        for (int i = 0; i < DROP_N; i++)
            zeros += mask[i] == 0, wrong += mask[i] != 0 && fabs((double)mask[i] * (1 - p) - 1) > 1e-6;
        CHECK_NEAR(zeros / DROP_N, p, 4.5 * sigma);
        CHECK(wrong == 0);
        free(mask);
    }
    TEST("net dropout depends on seed and step alone; evaluation drops nothing");
    size_t bytes = DROP_N * sizeof(gf_real), part = 7 * DROP_WIDTH * sizeof(gf_real);
    gf_real *a = dropout_mask(0.5, 42, 0, DROP_BATCH, GF_TRAIN),
            *again = dropout_mask(0.5, 42, 0, DROP_BATCH, GF_TRAIN);
    gf_real *next = dropout_mask(0.5, 42, 1, DROP_BATCH, GF_TRAIN),
            *seed = dropout_mask(0.5, 43, 0, DROP_BATCH, GF_TRAIN);
    gf_real *small = dropout_mask(0.5, 42, 0, 7, GF_TRAIN), *eval = dropout_mask(0.5, 42, 0, DROP_BATCH, GF_EVAL);
    double both = 0, ones = 0;
    CHECK(!memcmp(a, again, bytes) && !memcmp(a, small, part));
    for (int i = 0; i < DROP_N; i++) both += a[i] != 0 && next[i] != 0, ones += eval[i] == 1;
    CHECK_NEAR(both / DROP_N, 0.25, 4.5 * sqrt(0.1875 / DROP_N)); // independent masks
    CHECK(memcmp(a, seed, bytes) != 0);
    CHECK(ones == DROP_N);
    free(a), free(again), free(next), free(seed), free(small), free(eval);
}

// --- initialisers by formula ---

// Mean, variance, largest |w| and kurtosis of what an initialiser draws for 300 inputs and 200 outputs.
static void check_init(gf_init_kind kind, double gain, double variance, int uniform) {
    enum { N = 60000 };
    gf_net *net = gf_net_create(gf_vector(300), 1, 42);
    gf_net_set_init(net, gf_init_with(kind, gain), gf_init_zero());
    gf_net_dense(net, 200);
    CHECK(gf_net_build(net) == GF_OK);
    const gf_real *w = gf_net_tensor(net, "dense1.weight")->value;
    double sum = 0, square = 0, fourth = 0, largest = 0, bound = sqrt(3 * variance);
    for (int i = 0; i < N; i++) {
        double v = (double)w[i];
        sum += v, square += v * v, fourth += v * v * v * v, largest = fmax(largest, fabs(v));
    }
    CHECK_NEAR(sum / N, 0, 4.5 * sqrt(variance / N));
    CHECK_RELATIVE(square / N, variance, 4.5 * sqrt((uniform ? 0.8 : 2.0) / N));
    CHECK_NEAR(fourth / N / (square / N * square / N), uniform ? 1.8 : 3.0, uniform ? 0.03 : 0.1);
    if (uniform) CHECK(largest <= bound * (1 + 1e-6) && largest > 0.999 * bound);
    else CHECK(largest > 3.5 * sqrt(variance) && largest < 6 * sqrt(variance));
    gf_net_free(net);
}

// rows of w[rows, cols], or its columns where there are more rows, are orthonormal times gain.
static void check_orthogonal(int rows, int cols, double gain) {
    gf_net *net = gf_net_create(gf_vector(cols), 1, 42);
    gf_net_set_init(net, gf_init_with(GF_INIT_ORTHOGONAL, gain), gf_init_zero());
    gf_net_dense(net, rows);
    CHECK(gf_net_build(net) == GF_OK);
    const gf_real *w = gf_net_tensor(net, "dense1.weight")->value;
    int few = rows < cols ? rows : cols, many = rows < cols ? cols : rows, row_step = rows < cols ? cols : 1,
        step = rows < cols ? 1 : cols;
    double worst = 0;
    for (int i = 0; i < few; i++)
        for (int j = 0; j < few; j++) {
            double dot = 0;
            for (int k = 0; k < many; k++)
                dot += (double)w[i * row_step + k * step] * (double)w[j * row_step + k * step];
            worst = fmax(worst, fabs(dot - (i == j ? gain * gain : 0)));
        }
    CHECK_NEAR(worst, 0, 2e-6 * gain * gain);
    gf_net_free(net);
}

static void test_initialisers(void) {
    TEST("init variance, bounds and shape of every distribution");
    check_init(GF_INIT_DEFAULT, 1, 1 / (3.0 * 300), 1);
    check_init(GF_INIT_XAVIER_NORMAL, 1, 2.0 / 500, 0);
    check_init(GF_INIT_XAVIER_NORMAL, 2, 8.0 / 500, 0);
    check_init(GF_INIT_XAVIER_NORMAL, 0.5, 0.5 / 500, 0);
    check_init(GF_INIT_XAVIER_UNIFORM, 1, 2.0 / 500, 1);
    check_init(GF_INIT_XAVIER_UNIFORM, 3, 18.0 / 500, 1);
    check_init(gf_init_kaiming().kind, gf_init_kaiming().gain, 2.0 / 300, 0);
    check_init(GF_INIT_KAIMING_NORMAL, 1, 1.0 / 300, 0);
    check_init(GF_INIT_KAIMING_UNIFORM, sqrt(2.0), 2.0 / 300, 1);
    check_init(GF_INIT_LECUN_NORMAL, 1, 1.0 / 300, 0);
    check_init(GF_INIT_NORMAL, 0.1, 0.01, 0);
    TEST("init orthogonal: rows or columns orthonormal times the gain");
    check_orthogonal(60, 60, 1);
    check_orthogonal(40, 100, 1.5);
    check_orthogonal(100, 40, 0.5);
    check_orthogonal(1, 9, 2);
        TEST("init of a net: default bounds, per-layer override, zero bias, no bias");
    gf_net *net = gf_net_create(gf_vector(100), 2, 5);
    gf_net_dense(net, 50);
    gf_net_set_init(net, gf_init_with(GF_INIT_CONSTANT, 0.25), gf_init_zero());
    gf_net_dense(net, 40);
    gf_net_set_init(net, gf_init_with(GF_INIT_DEFAULT, 1), gf_init_with(GF_INIT_DEFAULT, 1));
    gf_net_set_bias(net, 0), gf_net_dense(net, 30);
    gf_net_build(net);
    gf_tensor *w = gf_net_tensor(net, "dense1.weight"), *b = gf_net_tensor(net, "dense1.bias"),
              *zero = gf_net_tensor(net, "dense2.bias");
    gf_stats ws = gf_stats_of(w->value, w->size), bs = gf_stats_of(b->value, b->size),
             zs = gf_stats_of(zero->value, zero->size);
    CHECK(ws.max_abs <= 0.1 * (1 + 1e-6) && ws.max_abs > 0.0995 && bs.max_abs <= 0.1 * (1 + 1e-6) && bs.max_abs > 0.09);
    CHECK(gf_net_tensor(net, "dense2.weight")->value[77] == 0.25 && zs.max_abs == 0);
    CHECK(fabs((double)gf_net_tensor(net, "dense3.weight")->value[9]) <= 1 / sqrt(40.0) &&
          gf_net_describe(net).tensor_count == 5);
    gf_net_free(net);
}

// --- evaluation, prediction, batches ---

static const char words[] = "dense:12 batch_norm tanh dropout:0.25 dense:12 prelu dense:3";

static void test_evaluation_changes_nothing(void) {
    TEST("net evaluation changes no parameter, statistic, step or random stream");
    gf_net *a = net_from_words(words, INPUTS, BATCH, 42), *b = net_from_words(words, INPUTS, BATCH, 42);
    gf_optim adam_a, adam_b;
    gf_dataset data;
    gf_optim_init(&adam_a, a, gf_adam(0.01)), gf_optim_init(&adam_b, b, gf_adam(0.01));
    gf_data_from_arrays(&data, gf_vector(INPUTS), BATCH, x, labels, 3, NULL, 0);
    for (int step = 0; step < 6; step++) {
        double loss_a = train_step(a, &adam_a, x, step % 2 ? 5 : BATCH), loss_b;
        gf_net_forward(b, x, 3, GF_EVAL);
        gf_net_predict(b, x, NULL);
        gf_net_evaluate(b, &data, GF_LOSS_CROSS_ENTROPY, NULL);
        loss_b = train_step(b, &adam_b, x, step % 2 ? 5 : BATCH);
        CHECK(loss_a == loss_b);
    }
    CHECK(same_params(a, gf_net_describe(b).params) && gf_net_describe(b).step == 6);
    CHECK(same_tensor(a, "batch_norm1.running_mean", b, "batch_norm1.running_mean"));
    CHECK(same_tensor(a, "batch_norm1.running_var", b, "batch_norm1.running_var"));
    CHECK(gf_net_status(b) == GF_OK);
    gf_data_free(&data);
    gf_optim_free(&adam_a), gf_optim_free(&adam_b), gf_net_free(a), gf_net_free(b);
}

static void test_evaluate(void) {
    enum { COUNT = 21 };
    gf_real all[COUNT * INPUTS], *y;
    int classes[COUNT];
    size_t confusion[9], expected[9] = {0};
    double loss = 0, right = 0, probabilities[3];
    gf_dataset data;
    TEST("net evaluate and predict agree with forward");
    hash_fill(all, COUNT * INPUTS, 21, 2), hash_labels(classes, COUNT, 22, 3);
    gf_data_from_arrays(&data, gf_vector(INPUTS), COUNT, all, classes, 3, NULL, 0);
    gf_net *net = net_from_words(words, INPUTS, BATCH, 42), *whole = net_from_words(words, INPUTS, COUNT, 42);
    train_step(net, NULL, x, BATCH), train_step(whole, NULL, x, BATCH);
    y = (gf_real *)malloc(COUNT * 3 * sizeof(gf_real));
    memcpy(y, gf_net_forward(whole, all, COUNT, GF_EVAL), COUNT * 3 * sizeof(gf_real));
    for (int i = 0; i < COUNT; i++) {
        const gf_real *z = y + 3 * i;
        int best = z[1] > z[0] ? 1 : 0;
        double sum = 0;
        if (z[2] > z[best]) best = 2;
        for (int k = 0; k < 3; k++) sum += exp((double)z[k] - (double)z[best]);
        loss += log(sum) + (double)z[best] - (double)z[classes[i]];
        right += best == classes[i], expected[classes[i] * 3 + best]++;
        CHECK(gf_net_predict(net, all + i * INPUTS, probabilities) == best);
        for (int k = 0; k < 3; k++) CHECK_NEAR(probabilities[k], exp((double)z[k] - (double)z[best]) / sum, 1e-6);
    }
    gf_real half[3] = {0, 1, (gf_real)0.5};  // after BCE each output has a probability of its own
    gf_net_forward(net, all, 1, GF_EVAL), gf_loss_bce(net, half);
    CHECK(gf_net_predict(net, all, probabilities) == (y[1] > y[0] ? y[2] > y[1] ? 2 : 1 : y[2] > y[0] ? 2 : 0));
    for (int k = 0; k < 3; k++) CHECK_NEAR(probabilities[k], 1 / (1 + exp(-(double)y[k])), 1e-6);
    gf_score score = gf_net_evaluate(net, &data, GF_LOSS_CROSS_ENTROPY, confusion);
    CHECK_RELATIVE(score.loss, loss / COUNT, 1e-6);
    CHECK_NEAR(score.accuracy, right / COUNT, 1e-12);
    CHECK(score.count == COUNT && !memcmp(confusion, expected, sizeof confusion));
    CHECK(right > 0 && right < COUNT);
    gf_data_free(&data), gf_net_free(net), gf_net_free(whole), free(y);
}

static void test_evaluate_other_losses(void) {
    enum { COUNT = 11 };
    gf_real all[COUNT * INPUTS], targets[COUNT * 2];
    double bce = 0, mse = 0, right = 0;
    gf_dataset data, wide;
    TEST("net evaluate with BCE and MSE; targets of another width are refused");
    hash_fill(all, COUNT * INPUTS, 31, 2);
    for (size_t i = 0; i < COUNT * 2; i++) targets[i] = (gf_real)(hash_bits(32, i) >> 63);
    gf_data_from_arrays(&data, gf_vector(INPUTS), COUNT, all, NULL, 0, targets, 2);
    gf_data_from_arrays(&wide, gf_vector(INPUTS), COUNT, all, NULL, 0, targets, 1);
    gf_net *net = net_from_words("dense:5 tanh dense:2", INPUTS, 4, 42),
           *whole = net_from_words("dense:5 tanh dense:2", INPUTS, COUNT, 42);
    const gf_real *y = gf_net_forward(whole, all, COUNT, GF_EVAL);
    for (int i = 0; i < COUNT * 2; i++) {
        double z = (double)y[i], t = (double)targets[i];
        bce += log1p(exp(t > 0 ? -z : z)), mse += (z - t) * (z - t), right += (z >= 0) == (t > 0);
    }
    gf_score a = gf_net_evaluate(net, &data, GF_LOSS_BCE, NULL), b = gf_net_evaluate(net, &data, GF_LOSS_MSE, NULL);
    CHECK_RELATIVE(a.loss, bce / (COUNT * 2), 1e-6);
    CHECK_NEAR(a.accuracy, right / (COUNT * 2), 1e-12);
    CHECK_RELATIVE(b.loss, mse / (COUNT * 2), 1e-6);
    CHECK(isnan(b.accuracy) && gf_net_status(net) == GF_OK);
    size_t confusion[4] = {7, 7, 7, 7};  // without classes nothing can be confused
    CHECK(gf_net_evaluate(net, &data, GF_LOSS_MSE, confusion).loss == b.loss);
    for (int i = 0; i < 4; i++) CHECK(confusion[i] == 0);
    gf_dataset both;  // labels beside targets, and more classes than the net has outputs
    CHECK(gf_data_xor(&both, 20, 0.1, 0, 1) == GF_OK && both.labels && both.targets);
    gf_net *one = net_from_words("dense:1", 2, 8, 42);
    CHECK(isfinite(gf_net_evaluate(one, &both, GF_LOSS_BCE, confusion).loss));
    for (size_t i = 0; i < both.count; i++) {  // one output: class 1 from p = 0.5 on
        double p, z = (double)*gf_net_forward(one, both.values + 2 * i, 1, GF_EVAL);
        CHECK(gf_net_predict(one, both.values + 2 * i, &p) == (z >= 0));
        CHECK_NEAR(p, 1 / (1 + exp(-z)), 1e-6);
    }
    for (int i = 0; i < 4; i++) CHECK(confusion[i] == 0);
    gf_data_free(&both), gf_net_free(one);
    CHECK(isnan(gf_net_evaluate(net, &wide, GF_LOSS_MSE, NULL).loss) && gf_net_status(net) == GF_ERROR_SHAPE);
    gf_data_free(&data), gf_data_free(&wide), gf_net_free(net), gf_net_free(whole);
}

// What gf_net_predict says fits the loss that the net was trained with.
static void test_predict(void) {
    static const gf_real corners[8] = {0, 0, 0, 1, 1, 0, 1, 1}, one_output[4] = {0, 1, 1, 0};
    static const gf_real two_outputs[8] = {0, 1, 1, 0, 1, 1, 0, 1};
    double p[2];
    gf_optim adam;
    TEST("net predicts by a sigmoid and 0.5 after BCE");
    gf_net *net = net_from_words("dense:8 tanh dense:1", 2, 4, 1);
    gf_optim_init(&adam, net, gf_adam(0.05));
    for (int step = 0; step < 300; step++) {
        gf_net_forward(net, corners, 4, GF_TRAIN), gf_loss_bce(net, one_output);
        gf_net_backward(net), gf_optim_step(&adam, net);
    }
    for (int i = 0; i < 4; i++) {
        CHECK(gf_net_predict(net, corners + 2 * i, p) == (int)one_output[i]);
        CHECK_NEAR(p[0], one_output[i], 0.1);
        CHECK_RELATIVE(p[0], 1 / (1 + exp(-(double)gf_net_forward(net, corners + 2 * i, 1, GF_EVAL)[0])), 1e-6);
    }
    gf_optim_free(&adam), gf_net_free(net);
    net = net_from_words("dense:2", 2, 4, 1);
    gf_net_forward(net, corners, 4, GF_EVAL), gf_loss_bce(net, two_outputs);
    int best = gf_net_predict(net, corners + 6, p);  // two labels, each with its own probability
    const gf_real *y = gf_net_forward(net, corners + 6, 1, GF_EVAL);
    CHECK(best == (y[1] > y[0]) && fabs(p[0] - 1 / (1 + exp(-(double)y[0]))) < 1e-6 && p[0] + p[1] != 1);
    gf_loss_cross_entropy(net, &best);
    CHECK(gf_net_predict(net, corners + 6, p) == best && fabs(p[0] + p[1] - 1) < 1e-12);
    gf_net_free(net);
}

// Infinite numbers that have a right answer: BCE's logits, and batch norm by running statistics.
static void test_infinite(void) {
    gf_real x_inf[4] = {INFINITY, -INFINITY, INFINITY, 2}, t[4] = {1, 0, 1, 1}, miss[4] = {0, 0, 1, 1}, zero[4] = {0};
    TEST("net: BCE of an infinite logit is 0 or infinity");
    gf_net *net = net_from_words("identity", 4, 1, 1);
    gf_net_forward(net, x_inf, 1, GF_EVAL);
    CHECK_NEAR(gf_loss_bce(net, t), log1p(exp(-2)) / 4, 1e-7);
    CHECK(gf_net_backward(net) == GF_OK && gf_net_layer(net, 0).grad[0] == 0 && gf_net_layer(net, 0).grad[3] < 0);
    gf_net_forward(net, x_inf, 1, GF_EVAL);
    CHECK(gf_loss_bce(net, miss) == INFINITY);
    gf_net_free(net);
    TEST("net: in evaluation batch norm's gradient is γ/σ·dy, whatever x is");
    net = net_from_words("batch_norm tanh", 4, 2, 1);
    gf_net_forward(net, x_inf, 1, GF_EVAL), gf_loss_mse(net, zero), gf_net_backward(net);
    const gf_real *dx = gf_net_describe(net).input_grad;
    const double h = tanh(2 / sqrt(1 + 1e-5));
    CHECK(dx && dx[0] == 0 && dx[1] == 0);
    CHECK_NEAR(dx ? dx[3] : NAN, h * (1 - h * h) / 2 / sqrt(1 + 1e-5), 1e-7);
    gf_net_free(net);
}

static void test_layer_views(void) {
    TEST("net layers say their kind and their number among the affine ones");
    gf_net *net = net_from_words("dense:5 tanh mark dense:5 add:1 batch_norm dense:3", INPUTS, BATCH, 42);
    static const char *const kinds[] = {"dense", "act", "mark", "dense", "add", "batch_norm", "dense"};
    static const int numbers[] = {1, 0, 0, 2, 0, 0, 3};
    for (int i = 0; i < 7; i++)
        CHECK(!strcmp(gf_net_layer(net, i).kind, kinds[i]) && gf_net_layer(net, i).affine == numbers[i]);
    gf_net_free(net);
}

static void test_batch_sizes(void) {
    static const int sizes[] = {8, 3, 1, 5, 8, 2};
    TEST("net batches of changing size leave nothing behind");
    const char *smooth = "dense:12 tanh dropout:0.25 mark dense:12 prelu add:1 layer_norm dense:3";
    gf_net *net = net_from_words(smooth, INPUTS, BATCH, 42);
    for (int i = 0; i < 6; i++) {
        gf_net *fresh = net_from_words(smooth, INPUTS, sizes[i], 42);
        CHECK(train_step(net, NULL, x, sizes[i]) == train_step(fresh, NULL, x, sizes[i]));
        CHECK(!memcmp(gf_net_describe(net).grads, gf_net_describe(fresh).grads, gf_net_describe(net).param_count * sizeof(gf_real)));
        CHECK(!memcmp(gf_net_describe(net).input_grad, gf_net_describe(fresh).input_grad,
                      (size_t)sizes[i] * INPUTS * sizeof(gf_real)));
        CHECK(gf_net_describe(net).batch == sizes[i]);
        gf_net_free(fresh);
    }
    gf_net_free(net);
}

static void test_input_gradient(void) {
    TEST("net computes no input gradient unless asked, and the others alike");
    gf_net *net = gf_net_create(gf_vector(INPUTS), BATCH, 42),
           *asked = net_from_words("dense:5 tanh dense:3", INPUTS, BATCH, 42);
    net_add_words(net, "dense:5 tanh dense:3");
    gf_net_build(net);
    CHECK(gf_net_describe(asked).input_grad == NULL);
    train_step(net, NULL, x, BATCH), train_step(asked, NULL, x, BATCH);
    CHECK(gf_net_describe(net).input_grad == NULL && gf_net_describe(asked).input_grad != NULL);
    CHECK(!memcmp(gf_net_describe(net).grads, gf_net_describe(asked).grads, gf_net_describe(net).param_count * sizeof(gf_real)));
    CHECK(gf_net_describe(net).bytes < gf_net_describe(asked).bytes);
    gf_net_free(net), gf_net_free(asked);
}

// --- layers that keep still, gradients of several batches ---

static void test_freeze(void) {
    static const gf_optim_config configs[] = {{GF_SGD, 0.1, 0.1, 0.9, 1, 0, 0, 0},
                                              {GF_ADAMW, 0.1, 0.1, 0, 0, 0.9, 0.999, 1e-8}};
    TEST("net freeze: no update, no decay, no share of the norm; released, it moves again");
    for (int c = 0; c < 4; c++) {  // with and without instruments
        gf_net *net = gf_net_create(gf_vector(INPUTS), BATCH, 42);
        gf_optim optim;
        net_add_words(net, "dense:8 batch_norm relu dense:8 prelu dense:3");
        gf_net_set_probe(net, c / 2 ? GF_PROBE_UPDATES : 0);
        gf_net_build(net);
        gf_optim_init(&optim, net, configs[c % 2]);
        const size_t count = gf_net_describe(net).param_count;
        gf_real *start = (gf_real *)malloc(count * sizeof *start);
        memcpy(start, gf_net_describe(net).params, count * sizeof *start);
        CHECK(gf_net_freeze(net, "dense2", 1) == GF_OK && gf_net_freeze(net, "batch_norm1.gamma", 1) == GF_OK);
        CHECK(gf_net_freeze(net, "dense3.bias", 1) == GF_OK && gf_net_freeze(net, "dense3.bias", 0) == GF_OK);
        for (int step = 0; step < 3; step++) {
            double squares = 0;
            gf_net_forward(net, x, BATCH, GF_TRAIN), gf_loss_cross_entropy(net, labels), gf_net_backward(net);
            if (c / 2) gf_net_measure(net);
            for (int t = 0; t < gf_net_describe(net).tensor_count; t++) {
                const gf_tensor *tensor = gf_net_tensor_at(net, t);
                for (size_t i = 0; tensor->grad && !tensor->frozen && i < tensor->size; i++)
                    squares += (double)tensor->grad[i] * (double)tensor->grad[i];
            }
            CHECK_RELATIVE(gf_net_grad_norm(net), sqrt(squares), 1e-6);
            gf_net_tensor(net, "dense2.weight")->grad[0] = (gf_real)NAN;  // nobody asks
            CHECK(gf_optim_step(&optim, net) == GF_OK);
        }
        for (int t = 0; t < gf_net_describe(net).tensor_count; t++) {
            const gf_tensor *tensor = gf_net_tensor_at(net, t);
            const int frozen = !strncmp(tensor->name, "dense2.", 7) || !strcmp(tensor->name, "batch_norm1.gamma");
            if (!tensor->grad) continue;
            CHECK(tensor->frozen == frozen);
            CHECK((memcmp(tensor->value, start + tensor->offset, tensor->size * sizeof *start) == 0) == frozen);
        }
        free(start);
        gf_optim_free(&optim);
        gf_net_free(net);
    }
    TEST("net freeze: an unknown name is an error that lists the names");
    gf_net *net = net_from_words("dense:8 relu dense:3", INPUTS, BATCH, 42);
    CHECK(gf_net_freeze(net, "dense", 1) == GF_ERROR_NOT_FOUND);
    CHECK_TEXT(gf_net_error(net), "gf_net_freeze: no tensor \"dense\"; there are dense1.weight, dense1.bias");
    gf_net_clear_error(net);
    CHECK(gf_net_freeze(net, NULL, 1) == GF_ERROR_NOT_FOUND);
    gf_net_free(net);
}

static void test_accumulate(void) {
    TEST("net accumulate: a batch in parts has the whole batch's gradient, dropout included, until the step");
    gf_net *whole = net_from_words("dense:8 dropout:0.4 tanh dense:3", INPUTS, BATCH, 42);
    gf_net *parts = gf_net_create(gf_vector(INPUTS), BATCH, 42);
    gf_optim sgd, other;
    net_add_words(parts, "dense:8 dropout:0.4 tanh dense:3");
    gf_net_set_accumulate(parts, 1);
    gf_net_set_probe(parts, GF_PROBE_NORMS);
    gf_net_build(parts);
    gf_optim_init(&sgd, whole, gf_sgd(0.1)), gf_optim_init(&other, parts, gf_sgd(0.1));
    const size_t count = gf_net_describe(whole).param_count;
    for (int step = 0; step < 3; step++) {
        gf_net_forward(whole, x, BATCH, GF_TRAIN), gf_loss_cross_entropy(whole, labels), gf_net_backward(whole);
        for (int at = 0; at < BATCH; at += 3) {
            const int n = BATCH - at < 3 ? BATCH - at : 3;
            gf_net_forward(parts, x + at * INPUTS, n, GF_TRAIN);
            gf_loss_cross_entropy(parts, labels + at);
            gf_net_backward(parts);
        }
        for (size_t i = 0; i < count; i++)
            CHECK_NEAR(gf_net_describe(parts).grads[i], gf_net_describe(whole).grads[i], 1e-6);
        CHECK_RELATIVE(gf_net_grad_norm(parts), gf_net_grad_norm(whole), 1e-5);
        gf_optim_step(&sgd, whole), gf_optim_step(&other, parts);
    }
    TEST("net accumulate: a gradient check in between leaves the sum alone");
    gf_check check;
    memset(&check, 0, sizeof check);
    gf_real *before = (gf_real *)malloc(count * sizeof *before);
    gf_net_forward(parts, x, 3, GF_TRAIN), gf_loss_cross_entropy(parts, labels), gf_net_backward(parts);
    memcpy(before, gf_net_describe(parts).grads, count * sizeof *before);
    check.step = 1e-2;
    CHECK(gf_grad_check(parts, x, BATCH, GF_TRAIN, GF_LOSS_CROSS_ENTROPY, labels, &check) == GF_OK);
    CHECK(check.worst < 1e-2);
    CHECK(!memcmp(before, gf_net_describe(parts).grads, count * sizeof *before));
    gf_net_forward(parts, x + 3 * INPUTS, 3, GF_TRAIN), gf_loss_cross_entropy(parts, labels + 3), gf_net_backward(parts);
    gf_net_forward(whole, x, 6, GF_TRAIN), gf_loss_cross_entropy(whole, labels), gf_net_backward(whole);
    for (size_t i = 0; i < count; i++) CHECK_NEAR(gf_net_describe(parts).grads[i], gf_net_describe(whole).grads[i], 1e-6);
    free(before);
    gf_optim_free(&sgd), gf_optim_free(&other);
    gf_net_free(whole), gf_net_free(parts);
}

static void test_correct(void) {
    static const gf_real eye[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, in[9] = {5, 1, 2, 0, 1, 2, 3, 9, 8};
    static const int truth[3] = {0, 1, 1};
    static const gf_real ones[9] = {1, 1, 1, 0, 1, 1, 1, 1, 0};
    TEST("net correct counts samples, and elements for BCE");
    gf_net *net = gf_net_create(gf_vector(3), 3, 1);
    gf_net_set_bias(net, 0), gf_net_dense(net, 3), gf_net_build(net);
    memcpy(gf_net_describe(net).params, eye, sizeof eye);
    gf_net_forward(net, in, 3, GF_EVAL), gf_loss_cross_entropy(net, truth);
    CHECK(gf_net_correct(net) == 2);
    gf_loss_bce(net, ones); // an output of 0 or more says 1
    CHECK(gf_net_correct(net) == 7);
    gf_net_free(net);
}

// --- memory ---

static void test_steps_allocate_nothing(void) {
    TEST("net steps, measurements and evaluations allocate nothing");
    gf_net *net = gf_net_create(gf_vector(INPUTS), BATCH, 42);
    gf_optim adam;
    gf_dataset data;
    char text[200];
    net_add_words(net, words);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_build(net), gf_optim_init(&adam, net, gf_adam(0.01));
    gf_data_from_arrays(&data, gf_vector(INPUTS), BATCH, x, labels, 3, NULL, 0);
    long before = alloc_count;
    for (int step = 0; step < 3; step++) {
        gf_net_forward(net, x, BATCH - step, GF_TRAIN), gf_loss_cross_entropy(net, labels), gf_net_backward(net);
        gf_net_measure(net), gf_net_verdict(net, text, sizeof text), gf_net_clip_grad_norm(net, 0.1),
            gf_optim_step(&adam, net);
        gf_net_evaluate(net, &data, GF_LOSS_CROSS_ENTROPY, NULL);
    }
    CHECK(gf_net_status(net) == GF_OK);
    CHECK(before > 0 && alloc_count == before);
    gf_data_free(&data), gf_optim_free(&adam), gf_net_free(net);
    CHECK(alloc_live == 0);
}

// A whole life of a net with the k-th allocation failing; 1 when something reported it.
static int life_with_failure(long k) {
    gf_optim adam;
    gf_check check;
    char saved[256];
    int reported;
    snprintf(saved, sizeof saved, "%s/gradflow_life_%p", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (void *)&adam);
    memset(&adam, 0, sizeof adam), memset(&check, 0, sizeof check);
    alloc_count = 0, alloc_fail_at = k;
    gf_net *net = gf_net_create(gf_vector(INPUTS), BATCH, 42);
    net_add_words(net, "dense:4 tanh mark dense:4 add:1 batch_norm dense:3");
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_build(net), gf_optim_init(&adam, net, gf_adam(0.01));
    train_step(net, &adam, x, BATCH);
    gf_net_save(net, &adam, NULL, saved), gf_net_load(net, &adam, NULL, saved);
    gf_grad_check(net, x, BATCH, GF_TRAIN, GF_LOSS_CROSS_ENTROPY, labels, &check);
    reported = !net || gf_net_status(net) == GF_ERROR_MEMORY;
    if (net && reported) CHECK_TEXT(gf_net_error(net), "memory");
    alloc_fail_at = -1;
    gf_optim_free(&adam), gf_net_free(net);
    remove(saved);
    return reported;
}

static void test_failing_allocations(void) {
    long k;
    TEST("net reports each failing allocation and leaks nothing");
    for (k = 0; k < 200; k++) {
        int reported = life_with_failure(k);
        CHECK(alloc_live == 0);
        if (alloc_count <= k) break; // there was no k-th allocation
        if (!reported) test_fail(__FILE__, __LINE__, "allocation %ld failed and nothing said so", k);
    }
    CHECK(k >= 6 && k < 200);
    CHECK(!life_with_failure(-1));
}

// --- threads and kernels ---

// The parameters of a wide net after three steps.
static gf_net *wide_run(int threads, const char *kernels) {
    enum { N = 33, I = 150 };
    static gf_real in[N * I];
    static int classes[N];
    gf_net *net = gf_net_create(gf_vector(I), N, 42);
    gf_optim adam;
    hash_fill(in, N * I, 71, 1), hash_labels(classes, N, 72, 10);
    gf_net_set_threads(net, threads);
    net_add_words(net,
                  "dense:301 batch_norm gelu dropout:0.1 dense:130 tanh layer_norm mark dense:130 relu add:1 dense:10");
    gf_net_build(net);
    if (kernels) gf_net_set_backend(net, kernels);
    gf_optim_init(&adam, net, gf_adam(0.001));
    for (int step = 0; step < 3; step++) {
        gf_net_forward(net, in, N, GF_TRAIN), gf_loss_cross_entropy(net, classes), gf_net_backward(net);
        if (step < 2) gf_optim_step(&adam, net);
    }
    if (gf_net_status(net) != GF_OK) test_fail(__FILE__, __LINE__, "%s", gf_net_error(net));
    gf_optim_free(&adam);
    return net;
}

static void test_threads(void) {
    gf_net *one = wide_run(1, NULL), *again = wide_run(1, NULL);
    size_t bytes = gf_net_describe(one).param_count * sizeof(gf_real);
    TEST("net runs repeat bit for bit");
    CHECK(!memcmp(gf_net_describe(one).params, gf_net_describe(again).params, bytes) &&
          !memcmp(gf_net_describe(one).grads, gf_net_describe(again).grads, bytes));
    gf_net_free(again);
#ifdef _OPENMP
    for (int threads = 2; threads <= 5; threads++) {
        char title[64];
        snprintf(title, sizeof title, "net on %d threads has the bits of one", threads);
        TEST(title);
        gf_net *many = wide_run(threads, NULL);
        CHECK(!memcmp(gf_net_describe(one).params, gf_net_describe(many).params, bytes) &&
              !memcmp(gf_net_describe(one).grads, gf_net_describe(many).grads, bytes));
        gf_net_free(many);
    }
#endif
    TEST("net on plain kernels agrees with the fastest");
    gf_net *plain = wide_run(1, "plain");
    CHECK(!strcmp(gf_net_describe(plain).backend, "plain"));
    double worst = 0, scale = gf_stats_of(gf_net_describe(plain).grads, gf_net_describe(plain).param_count).rms;
    for (size_t i = 0; i < gf_net_describe(one).param_count; i++)
        worst = fmax(worst, fabs((double)gf_net_describe(one).grads[i] - (double)gf_net_describe(plain).grads[i]));
    CHECK_NEAR(worst, 0, 1e-3 * scale); // two Adam steps turn rounding of tiny gradients into differences
    gf_net_free(one), gf_net_free(plain);
}

// --- NaN and infinity ---

static double value_square(double z) { return z * z; }
static double slope_nan(double z) { return z > -1e9 ? NAN : z; }

// Train one step; it must be refused, with this culprit, and change no parameter.
static void expect_nonfinite(gf_net *net, const gf_real *input, const char *layer, int backward, long step) {
    gf_optim sgd;
    gf_real *before;
    gf_optim_init(&sgd, net, gf_sgd(0.1));
    before = copy_params(net);
    CHECK(!gf_net_describe(net).nonfinite.found);
    train_step(net, NULL, input, BATCH);
    CHECK(gf_optim_step(&sgd, net) == GF_ERROR_NONFINITE && sgd.step == 0);
    CHECK_TEXT(gf_net_error(net), layer);
    CHECK_TEXT(gf_net_error(net), backward ? "backward" : "forward");
    gf_nonfinite bad = gf_net_describe(net).nonfinite;
    CHECK(bad.found && bad.backward == backward && bad.step == step && bad.layer && !strcmp(bad.layer, layer));
    CHECK(same_params(net, before) && gf_net_describe(net).step == step);
    free(before);
    gf_optim_free(&sgd), gf_net_free(net);
}

static void test_no_parameters(void) {
    gf_optim adam;
    TEST("a net without parameters can be stepped by every optimiser");
    gf_net *net = net_from_words("tanh", INPUTS, BATCH, 1);
    CHECK(gf_optim_init(&adam, net, gf_adam(0.1)) == GF_OK);
    gf_net_forward(net, x, BATCH, GF_TRAIN), gf_loss_mse(net, x), gf_net_backward(net);
    CHECK(gf_optim_step(&adam, net) == GF_OK);
    gf_optim_free(&adam), gf_net_free(net);
}

static void test_nonfinite(void) {
    gf_real bad[BATCH * INPUTS];
    gf_optim sgd;
    TEST("nonfinite: NaN in the input is reported, nothing trained");
    memcpy(bad, x, sizeof bad);
    bad[3 * INPUTS + 2] = NAN;
    expect_nonfinite(net_from_words("dense:5 relu dense:4 tanh dense:3", INPUTS, BATCH, 1), bad, "input", 0, 0);
    bad[3 * INPUTS + 2] = INFINITY;
    expect_nonfinite(net_from_words("dense:5 relu dense:4 tanh dense:3", INPUTS, BATCH, 1), bad, "input", 0, 0);
    TEST("nonfinite: a NaN weight names its layer and step");
    gf_net *net = net_from_words("dense:5 relu dense:4 tanh dense:3", INPUTS, BATCH, 1);
    gf_optim_init(&sgd, net, gf_sgd(0.1));
    train_step(net, &sgd, x, BATCH), train_step(net, &sgd, x, BATCH);
    gf_optim_free(&sgd);
    gf_net_tensor(net, "dense2.weight")->value[7] = NAN;
    expect_nonfinite(net, x, "dense2", 0, 2);
    TEST("nonfinite: overflow in an activation names it");
    net = gf_net_create(gf_vector(INPUTS), BATCH, 1);
    gf_net_dense(net, 5), gf_net_act_with(net, gf_act_custom("square", value_square, value_square)),
        gf_net_dense(net, 3);
    gf_net_build(net);
    gf_net_tensor(net, "dense1.bias")->value[0] = (gf_real)(sizeof(gf_real) == 4 ? 1e30 : 1e200);
    expect_nonfinite(net, x, "act1", 0, 0);
    TEST("nonfinite: NaN born in backward names the layer that made it");
    net = gf_net_create(gf_vector(INPUTS), BATCH, 1);
    gf_net_dense(net, 5), gf_net_act(net, GF_ACT_TANH), gf_net_dense(net, 4);
    gf_net_act_with(net, gf_act_custom("broken", value_square, slope_nan)), gf_net_dense(net, 3);
    gf_net_build(net);
    expect_nonfinite(net, x, "act2", 1, 0);
    net = gf_net_create(gf_vector(INPUTS), BATCH, 1);
    gf_net_dense(net, 4), gf_net_act_with(net, gf_act_custom("broken", value_square, slope_nan));
    gf_net_batch_norm(net), gf_net_dense(net, 3);  // whose running mean and variance have no gradient to look at
    gf_net_build(net);
    expect_nonfinite(net, x, "act1", 1, 0);
    TEST("nonfinite: a weight's gradient that overflows where nothing else does names its layer");
    net = net_from_words("dense:2 dense:3", INPUTS, BATCH, 1);
    const gf_real large = (gf_real)(sizeof(gf_real) == 4 ? 1e30 : 1e200);
    for (size_t i = 0; i < gf_net_describe(net).param_count; i++) gf_net_describe(net).params[i] = 0;
    for (int i = 0; i < 6; i++) gf_net_tensor(net, "dense2.weight")->value[i] = large / (gf_real)(1 + i);
    for (int i = 0; i < BATCH * INPUTS; i++) bad[i] = large;
    expect_nonfinite(net, bad, "dense1", 1, 0);
}

static void test_nonfinite_loss(void) {
    gf_real targets[BATCH * 3] = {0};
    TEST("nonfinite: a NaN target names the loss");
    gf_net *net = net_from_words("dense:5 tanh dense:3", INPUTS, BATCH, 1);
    targets[5] = NAN;
    gf_net_forward(net, x, BATCH, GF_TRAIN);
    CHECK(isnan(gf_loss_mse(net, targets)));
    gf_net_backward(net);
    CHECK(isnan(gf_net_grad_norm(net)));
    CHECK(gf_net_describe(net).nonfinite.found && !strcmp(gf_net_describe(net).nonfinite.layer, "loss"));
    gf_net_free(net);
    TEST("nonfinite: a loss whose gradient overflows names the loss, in backward");
    net = net_from_words("dense:5 tanh dense:3", INPUTS, 1, 1);
    targets[0] = sizeof(gf_real) == 4 ? -(gf_real)3e38 : -(gf_real)DBL_MAX;
    gf_net_tensor(net, "dense2.bias")->value[0] = -targets[0];
    gf_net_forward(net, x, 1, GF_TRAIN);
    if (sizeof(gf_real) == 4) CHECK(gf_loss_mse(net, targets) < INFINITY);  // a double still holds the loss
    gf_net_backward(net);
    CHECK(gf_net_clip_grad_norm(net, 1) > DBL_MAX && isinf((double)gf_net_tensor(net, "dense2.bias")->grad[0]));
    CHECK(gf_net_tensor(net, "dense2.bias")->grad[1] != 0);  // what is infinite cannot be scaled down: left as it is
    gf_optim sgd;
    gf_optim_init(&sgd, net, gf_sgd(0.1));
    CHECK(gf_optim_step(&sgd, net) == GF_ERROR_NONFINITE && gf_net_describe(net).nonfinite.backward);
    CHECK(gf_net_describe(net).nonfinite.found && !strcmp(gf_net_describe(net).nonfinite.layer, "loss"));
    gf_optim_free(&sgd), gf_net_free(net);
    TEST("nonfinite: NaN passes through every activation, norm and skip to the output");
    for (int kind = 0; kind < GF_ACT_CUSTOM; kind++) {
        char text[160];
        gf_real bad[BATCH * INPUTS];
        snprintf(text, sizeof text, "dense:5 %s layer_norm mark dense:5 %s add:1 dense:3",
                 gf_act_default((gf_act_kind)kind).name, gf_act_default((gf_act_kind)kind).name);
        net = net_from_words(text, INPUTS, BATCH, 1);
        memcpy(bad, x, sizeof bad);
        bad[2 * INPUTS] = NAN;
        const gf_real *y = gf_net_forward(net, bad, BATCH, GF_EVAL);
        for (int i = 0; i < BATCH * 3; i++)
            if ((i / 3 == 2) != (y[i] != y[i]))
                test_fail(__FILE__, __LINE__, "%s: sample %d gives %g", text, i / 3, (double)y[i]);
        gf_net_free(net);
    }
}

// --- summary: read what this program prints when called with "summary" ---

static void print_summary(void) {
    gf_net *net = gf_net_create(gf_image(1, 28, 28), 64, 1);
    net_add_words(net, "dense:256 batch_norm leaky_relu dropout:0.5 dense:10");
    gf_net_summary(net);
    gf_net_build(net);
    gf_net_summary(net);
    gf_net_free(net);
    net = gf_net_create(gf_image(3, 9, 8), 2, 1);
    gf_net_conv2d(net, 5, 3, 1, 1), gf_net_set_threads(net, 2), gf_net_summary(net);
    gf_net_free(net);
}

static void test_summary(const char *program) {
    char command[600], text[4096] = "";
    TEST("net summary names layers, shapes and parameters");
    snprintf(command, sizeof command, "\"%s\" summary", program);
    FILE *pipe = popen(command, "r");
    if (pipe) {
        text[fread(text, 1, sizeof text - 1, pipe)] = '\0';
        CHECK(pclose(pipe) == 0);
    }
    CHECK_TEXT(text, "dense1");
    CHECK_TEXT(text, "leaky_relu");
    CHECK_TEXT(text, "dropout1");
    CHECK_TEXT(text, "1x28x28");
    CHECK_TEXT(text, "200960"); // 784·256 + 256
    CHECK_TEXT(text, "5x9x8");
    CHECK_TEXT(text, "140"); // 5·3·3·3 + 5
    CHECK_TEXT(text, "1 thread\n");
#ifdef _OPENMP
    CHECK_TEXT(text, "2 threads\n");
#endif
    CHECK_TEXT(text, "204042"); // and 2·256 and 256·10 + 10
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "summary")) return print_summary(), 0;
    hash_fill(x, BATCH * INPUTS, 1, 2), hash_labels(labels, BATCH, 2, 3);
    test_tensors(), test_layout();
    test_weights(), test_dropout(), test_initialisers();
    test_evaluation_changes_nothing(), test_evaluate(), test_evaluate_other_losses();
    test_predict(), test_infinite(), test_layer_views();
    test_batch_sizes(), test_input_gradient(), test_correct();
    test_freeze(), test_accumulate();
    test_steps_allocate_nothing(), test_failing_allocations();
    test_threads();
    test_no_parameters();
    test_nonfinite(), test_nonfinite_loss();
    test_summary(argv[0]);
    return test_report();
}
