// test_gradcheck.c: backward against central differences, every activation × layer × loss; and the check itself.
// build: double
#include "../gradflow.h"
#include "nets.h"

enum { INPUTS = 5, BATCH = 7, LARGEST = 9 }; // an odd batch that does not fill its buffers

static size_t total_checked, total_skipped;

typedef struct family {
    const char *name, *words; // %s is the activation
    const char *zero;         // tensors whose gradient is exactly zero in training: biases before batch norm
} family;

static const family families[] = {
    {"dense", "dense:6 %s dense:3", NULL},
    {"three dense", "dense:5 %s dense:4 %s dense:3", NULL},
    {"activation of the input", "%s dense:3", NULL},
    {"activation at the end", "dense:3 %s", NULL},
    {"batch_norm", "dense:6 batch_norm %s dense:3", "dense1.bias"},
    {"batch_norm after", "dense:6 %s batch_norm dense:3", "dense1.bias"}, // zero for the identity
    {"layer_norm", "dense:6 layer_norm %s dense:3", NULL},
    {"dropout", "dense:8 %s dropout:0.3 dense:3", NULL},
    {"residual", "dense:5 mark %s dense:5 %s add:1 dense:3", NULL},
    {"residual from the input", "mark dense:5 %s add:1 dense:3", NULL},
    {"residual projected", "mark dense:6 %s project:1 dense:3", NULL},
    {"no bias", "no_bias:1 dense:6 %s dense:3", NULL},
};

static gf_check check_net(gf_net *net, gf_mode mode, gf_loss_kind loss, const char *zero, uint64_t number) {
    static net_targets targets;
    static gf_real x[LARGEST * INPUTS];
    gf_check check;
    memset(&check, 0, sizeof check);
    check.zero_tensors = zero;
    hash_fill(x, BATCH * INPUTS, number, 2);
    net_hash_targets(net, &targets, BATCH, number + 1);
    if (gf_grad_check(net, x, BATCH, mode, loss, net_target(&targets, loss), &check) != GF_OK)
        test_fail(__FILE__, __LINE__, "%s", gf_net_error(net));
    return check;
}

// One family with one activation: both modes, all losses.
static void check_family(const family *f, const char *activation, uint64_t number) {
    char words[160];
    gf_real x[BATCH * INPUTS];
    snprintf(words, sizeof words, f->words, activation, activation);
    for (int mode = GF_TRAIN; mode <= GF_EVAL; mode++)
        for (int loss = 0; loss < GF_LOSS_COUNT; loss++) {
            gf_net *net = net_from_words(words, INPUTS, LARGEST, 7);
            net_hash_params(net, number, 2);
            hash_fill(x, BATCH * INPUTS, number + 50, 1);
            gf_net_forward(net, x, BATCH, GF_TRAIN); // running statistics of their own for GF_EVAL
            gf_check check =
                check_net(net, (gf_mode)mode, (gf_loss_kind)loss, mode == GF_TRAIN ? f->zero : NULL, number + 60);
            size_t coordinates = gf_net_describe(net).param_count + BATCH * INPUTS;
            total_checked += check.checked, total_skipped += check.skipped;
            if (!(check.worst <= 1e-7))
                test_fail(__FILE__, __LINE__, "%s, mode %d, loss %d: %s is off by %g", words, mode, loss,
                          check.worst_name, check.worst);
            if (check.checked + check.skipped != coordinates)
                test_fail(__FILE__, __LINE__, "%s: %d coordinates checked and %d skipped of %d", words,
                          (int)check.checked, (int)check.skipped, (int)coordinates);
            gf_net_free(net);
        }
}

static void test_families(void) {
    char title[96];
    for (int kind = 0; kind < GF_ACT_CUSTOM; kind++) {
        snprintf(title, sizeof title, "gradcheck %s, every layer and loss", gf_act_default((gf_act_kind)kind).name);
        TEST(title);
        for (size_t f = 0; f < sizeof families / sizeof *families; f++)
            check_family(&families[f], gf_act_default((gf_act_kind)kind).name, 100 * ((uint64_t)kind * 64 + f));
    }
    TEST("gradcheck skips less than 1 % of the coordinates");
    CHECK(total_checked > 50000);
    CHECK(total_skipped * 100 < total_checked);
}

// --- the check must not be fooled ---

static double cubic(double z) { return z + 0.1 * z * z * z; }
static double cubic_slope(double z) { return 1 + 0.3 * z * z; }
static double slope_one_percent_off(double z) { return 1.01 * cubic_slope(z); }
static double slope_sign_flipped(double z) { return -cubic_slope(z); }
static double slope_zero(double z) { return 0 * z; }
static double slope_nan(double z) { return NAN * z; }
static double flat(double z) { return 0 * z + 0.5; }
static double value_nan(double z) { return NAN * z; }

static gf_check check_custom(double (*value)(double), double (*slope)(double), const char *zero) {
    gf_net *net = gf_net_create(gf_vector(INPUTS), LARGEST, 7);
    gf_net_dense(net, 6);
    gf_net_act_with(net, gf_act_custom("probe", value, slope));
    gf_net_dense(net, 3);
    gf_net_set_input_grad(net, 1);
    gf_net_build(net);
    net_hash_params(net, 900, 2);
    gf_check check = check_net(net, GF_TRAIN, GF_LOSS_MSE, zero, 950);
    gf_net_free(net);
    return check;
}

static void test_wrong_derivatives(void) {
    TEST("gradcheck accepts a custom activation with the right derivative");
    CHECK(check_custom(cubic, cubic_slope, NULL).worst <= 1e-7);
    TEST("gradcheck sees a derivative that is 1 % off");
    gf_check check = check_custom(cubic, slope_one_percent_off, NULL);
    CHECK_NEAR(check.worst, 0.005, 0.001); // ‖a - n‖/(‖a‖ + ‖n‖) of a = 1.01·n
    CHECK(!strcmp(check.worst_name, "input") || !strncmp(check.worst_name, "dense1.", 7));
    TEST("gradcheck sees a derivative of the wrong sign");
    CHECK_NEAR(check_custom(cubic, slope_sign_flipped, NULL).worst, 1,
               1e-9); // ‖-2n‖ over the sum's denominator ‖a‖ + ‖n‖
    TEST("gradcheck sees a derivative that is zero");
    CHECK(check_custom(cubic, slope_zero, NULL).worst >= 0.99);
    TEST("gradcheck sees a derivative that is NaN");
    CHECK(isinf(check_custom(cubic, slope_nan, NULL).worst));
    TEST("gradcheck sees a loss that is NaN");
    CHECK(isinf(check_custom(value_nan, cubic_slope, NULL).worst));
    TEST("gradcheck refuses a gradient that is zero and was not declared so");
    check = check_custom(flat, slope_zero, NULL);
    CHECK(isinf(check.worst));
    TEST("gradcheck accepts a zero gradient that was declared");
    check = check_custom(flat, slope_zero, "dense1.weight dense1.bias input");
    CHECK(check.worst <= 1e-7);
    TEST("gradcheck refuses a declared name that is only part of another");
    check = check_custom(flat, slope_zero, "xdense1.weight dense1.bias2 inputs");
    CHECK(isinf(check.worst));
    TEST("gradcheck still compares a tensor that was declared zero and is not");
    CHECK(check_custom(cubic, cubic_slope, "dense1.weight").worst <= 1e-7);
    CHECK(check_custom(cubic, slope_one_percent_off, "dense1.weight dense1.bias input").worst > 0.004);
    TEST("gradcheck refuses a zero that was declared where the differences are not zero");
    CHECK(isinf(check_custom(cubic, slope_zero, "dense1.weight dense1.bias input").worst));
}

static void test_zero_bias_must_be_declared(void) {
    TEST("gradcheck wants the bias before batch norm declared");
    gf_net *net = net_from_words("dense:6 batch_norm tanh dense:3", INPUTS, LARGEST, 7);
    net_hash_params(net, 300, 2);
    gf_check check = check_net(net, GF_TRAIN, GF_LOSS_MSE, NULL, 360);
    CHECK(!(check.worst <= 1e-7));
    CHECK(!strcmp(check.worst_name, "dense1.bias"));
    check = check_net(net, GF_TRAIN, GF_LOSS_MSE, "dense1.bias", 360);
    CHECK(check.worst <= 1e-7);
    gf_net_free(net);
}

// relu at z = 1e-7, within the step of its kink: the one coordinate path through it is skipped, not failed.
static void test_kinks(void) {
    TEST("gradcheck skips and counts coordinates at a kink");
    gf_net *net = gf_net_create(gf_vector(2), 1, 7);
    gf_real x[2] = {1, 0.5}, target[1] = {3};
    gf_check check;
    memset(&check, 0, sizeof check);
    gf_net_dense(net, 3), gf_net_act(net, GF_ACT_RELU), gf_net_dense(net, 1);
    gf_net_set_input_grad(net, 1);
    gf_net_build(net);
    net_hash_params(net, 77, 2);
    gf_tensor *w = gf_net_tensor(net, "dense1.weight"), *b = gf_net_tensor(net, "dense1.bias");
    for (int o = 0; o < 3; o++)
        b->value[o] = (gf_real)(1 - (double)(w->value[2 * o] + 0.5 * w->value[2 * o + 1])); // z = 1
    b->value[1] = (gf_real)((double)b->value[1] - (1 - 1e-7));                                                                // z of unit 1 = 1e-7
    CHECK(gf_grad_check(net, x, 1, GF_TRAIN, GF_LOSS_MSE, target, &check) == GF_OK);
    CHECK(check.skipped == 5); // two weights and the bias of unit 1, and both inputs, which reach it
    CHECK(check.checked == gf_net_describe(net).param_count + 2 - 5);
    CHECK(check.worst <= 1e-7);
    gf_net_free(net);
}

// --- everything is put back, bit for bit ---

static void test_state_restored(void) {
    TEST("gradcheck restores parameters, running statistics, gradients and the step count");
    gf_net *net = net_from_words("dense:6 batch_norm tanh dropout:0.3 dense:6 prelu dense:3", INPUTS, LARGEST, 7);
    static net_targets targets;
    gf_real x[LARGEST * INPUTS];
    gf_optim sgd;
    net_hash_params(net, 400, 1);
    gf_optim_init(&sgd, net, gf_sgd(0.1));
    hash_fill(x, LARGEST * INPUTS, 401, 1);
    net_hash_targets(net, &targets, LARGEST, 402);
    for (int step = 0; step < 3; step++) {
        gf_net_forward(net, x, LARGEST, GF_TRAIN), gf_loss_mse(net, targets.mse), gf_net_backward(net);
        if (step < 2) gf_optim_step(&sgd, net);
    }
    size_t bytes = gf_net_describe(net).param_count * sizeof(gf_real);
    gf_real *before = (gf_real *)malloc(2 * bytes), running[2][6], y[LARGEST * 3];
    memcpy(before, gf_net_describe(net).params, bytes);
    memcpy(before + gf_net_describe(net).param_count, gf_net_describe(net).grads, bytes);
    memcpy(running[0], gf_net_tensor(net, "batch_norm1.running_mean")->value, sizeof running[0]);
    memcpy(running[1], gf_net_tensor(net, "batch_norm1.running_var")->value, sizeof running[1]);
    memcpy(y, gf_net_forward(net, x, LARGEST, GF_EVAL), sizeof y);
    for (int mode = GF_TRAIN; mode <= GF_EVAL; mode++) {
        check_net(net, (gf_mode)mode, GF_LOSS_CROSS_ENTROPY, "dense1.bias", 500);
        CHECK(!memcmp(before, gf_net_describe(net).params, bytes));
        CHECK(!memcmp(before + gf_net_describe(net).param_count, gf_net_describe(net).grads, bytes));
        CHECK(!memcmp(running[0], gf_net_tensor(net, "batch_norm1.running_mean")->value, sizeof running[0]));
        CHECK(!memcmp(running[1], gf_net_tensor(net, "batch_norm1.running_var")->value, sizeof running[1]));
        CHECK(gf_net_describe(net).step == 2);
    }
    CHECK(!memcmp(y, gf_net_forward(net, x, LARGEST, GF_EVAL), sizeof y));
    free(before);
    gf_optim_free(&sgd);
    gf_net_free(net);
}

// --- losses of one's own: PyTorch's numbers for them are in test_pytorch.c ---

typedef struct own_targets {
    const gf_real *t;
    double delta, error;  // error: how far ∂L/∂y is off
} own_targets;

// Huber's loss: d²/2 near 0, δ·(|d| - δ/2) beyond δ, mean over all elements.
static double huber(const gf_real *y, gf_real *dy, int B, int K, void *user) {
    const own_targets *own = (const own_targets *)user;
    double sum = 0;
    for (int i = 0; i < B * K; i++) {
        const double d = (double)y[i] - (double)own->t[i], near = fabs(d) <= own->delta;
        sum += near > 0 ? d * d / 2 : own->delta * (fabs(d) - own->delta / 2);
        dy[i] = (gf_real)((1 + own->error) * (near > 0 ? d : d > 0 ? own->delta : -own->delta) / (B * K));
    }
    return sum / (B * K);
}

static void test_custom_loss(void) {
    static net_targets targets;
    gf_real x[BATCH * INPUTS];
    own_targets own = {targets.mse, 0.25, 0};
    const gf_custom_loss loss = {huber, &own};
    gf_check check;
    memset(&check, 0, sizeof check);
    TEST("gradcheck accepts a custom loss, and sees one whose gradient is 1 % off");
    gf_net *net = net_from_words("dense:6 tanh dense:3", INPUTS, LARGEST, 7);
    net_hash_params(net, 600, 2);
    hash_fill(x, BATCH * INPUTS, 601, 2);
    net_hash_targets(net, &targets, BATCH, 602);
    CHECK(gf_grad_check(net, x, BATCH, GF_TRAIN, GF_LOSS_CUSTOM, &loss, &check) == GF_OK);
    CHECK(check.worst <= 1e-7 && check.checked == gf_net_describe(net).param_count + BATCH * INPUTS);
    own.error = 0.01;
    CHECK(gf_grad_check(net, x, BATCH, GF_TRAIN, GF_LOSS_CUSTOM, &loss, &check) == GF_OK);
    CHECK_NEAR(check.worst, 0.005, 0.0005);
    CHECK(gf_grad_check(net, x, BATCH, GF_TRAIN, (gf_loss_kind)(GF_LOSS_CUSTOM + 1), &loss, &check) == GF_ERROR_ARGUMENT);
    gf_net_free(net);
}

static void test_options(void) {
    TEST("gradcheck max_per_tensor bounds the coordinates");
    gf_net *net = net_from_words("dense:6 tanh dense:3", INPUTS, LARGEST, 7);
    static net_targets targets;
    gf_real x[BATCH * INPUTS];
    gf_check check;
    memset(&check, 0, sizeof check);
    check.max_per_tensor = 2, check.step = 1e-4;
    hash_fill(x, BATCH * INPUTS, 1, 1);
    net_hash_targets(net, &targets, BATCH, 2);
    CHECK(gf_grad_check(net, x, BATCH, GF_TRAIN, GF_LOSS_BCE, targets.bce, &check) == GF_OK);
    CHECK(check.checked == 2 * 5 && check.skipped == 0); // four tensors and the input
    CHECK(check.worst <= 1e-6);
    TEST("gradcheck takes the step that it is given: with half a unit the differences are far off");
    check.step = 0.5;
    CHECK(gf_grad_check(net, x, BATCH, GF_TRAIN, GF_LOSS_BCE, targets.bce, &check) == GF_OK);
    CHECK(check.worst > 1e-3);
    TEST("gradcheck reports bad arguments");
    CHECK(gf_grad_check(NULL, x, BATCH, GF_TRAIN, GF_LOSS_BCE, targets.bce, &check) == GF_ERROR_ARGUMENT);
    CHECK(gf_grad_check(net, x, BATCH, GF_TRAIN, GF_LOSS_BCE, NULL, &check) == GF_ERROR_ARGUMENT);
    CHECK(gf_net_status(net) == GF_ERROR_ARGUMENT);
    gf_net_clear_error(net);
    CHECK(gf_grad_check(net, x, BATCH, GF_TRAIN, GF_LOSS_BCE, targets.bce, NULL) == GF_ERROR_ARGUMENT);
    gf_net_clear_error(net);
    CHECK(gf_grad_check(net, x, LARGEST + 1, GF_TRAIN, GF_LOSS_BCE, targets.bce, &check) == GF_ERROR_ARGUMENT);
    gf_net_free(net);
}

int main(void) {
    test_families();
    test_wrong_derivatives();
    test_zero_bias_must_be_declared();
    test_kinks();
    test_state_restored();
    test_custom_loss();
    test_options();
    return test_report();
}
