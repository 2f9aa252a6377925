// test_errors.c: every wrong call leaves a status and a message with its numbers, and stops the net without a crash.
// build: float
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#include "nets.h"

enum { NEW, BUILT, FORWARDED, LOSS, BACKWARDED }; // how far net_at takes a net

static const gf_real inputs[4 * 3] = {1, 2, 3, -1, 0, 1, 2, 2, 2, 0, 1, 0};
static const int labels[4] = {0, 1, 1, 0};
static gf_optim sgd; // of the net that net_at made last

// A net 3-4-2 for at most 4 samples, taken to this point.
static gf_net *net_at(int stage) {
    gf_net *net = gf_net_create(gf_vector(3), 4, 1);
    gf_optim_free(&sgd);
    gf_net_dense(net, 4);
    if (stage == NEW) return net;
    gf_net_act(net, GF_ACT_TANH), gf_net_dense(net, 2);
    gf_net_build(net);
    gf_optim_init(&sgd, net, gf_sgd(0.1));
    if (stage >= FORWARDED) gf_net_forward(net, inputs, 4, GF_TRAIN);
    if (stage >= LOSS) gf_loss_cross_entropy(net, labels);
    if (stage >= BACKWARDED) gf_net_backward(net);
    if (gf_net_status(net) != GF_OK) test_fail(__FILE__, __LINE__, "net_at(%d): %s", stage, gf_net_error(net));
    return net;
}

static void expect_error(const char *call, gf_net *net, gf_status status, const char *part) {
    if (gf_net_status(net) != status)
        test_fail(__FILE__, __LINE__, "%s: status %d (%s), expected %d", call, (int)gf_net_status(net),
                  gf_net_error(net), (int)status);
    if (!strstr(gf_net_error(net), part))
        test_fail(__FILE__, __LINE__, "%s: \"%s\" lacks \"%s\"", call, gf_net_error(net), part);
    if (strcmp(gf_last_error(), gf_net_error(net)) != 0)
        test_fail(__FILE__, __LINE__, "%s: gf_last_error says \"%s\"", call, gf_last_error());
}

// Do `call` on a net `net` at this stage; it must leave this status and a message with this part.
#define EXPECT(stage, call, status, part)       \
    do {                                        \
        gf_net *net = net_at(stage);            \
        (void)(call);                           \
        expect_error(#call, net, status, part); \
        gf_net_free(net);                       \
    } while (0)

#define EXPECT_CREATE(shape, batch, status, part)            \
    do {                                                     \
        gf_net *net = gf_net_create(shape, batch, 1);        \
        expect_error(#shape ", " #batch, net, status, part); \
        gf_net_free(net);                                    \
    } while (0)

static double one(double z) { return 0 * z + 1; }

static void bad_layers(void) {
    TEST("errors: layers");
    EXPECT_CREATE(gf_vector(0), 4, GF_ERROR_SHAPE, "0x1x1");
    EXPECT_CREATE(gf_vector(-3), 4, GF_ERROR_SHAPE, "-3x1x1");
    EXPECT_CREATE(gf_image(1, 0, 28), 4, GF_ERROR_SHAPE, "1x0x28");
    EXPECT_CREATE(gf_image(2147483647, 2147483647, 2147483647), 4, GF_ERROR_SHAPE, "2147483647");
    EXPECT_CREATE(gf_vector(3), 0, GF_ERROR_ARGUMENT, "max_batch is 0");
    EXPECT_CREATE(gf_vector(3), -1, GF_ERROR_ARGUMENT, "max_batch is -1");
    EXPECT(NEW, gf_net_dense(net, 0), GF_ERROR_ARGUMENT, "layer 2 dense: 0 outputs");
    EXPECT(NEW, gf_net_dense(net, -7), GF_ERROR_ARGUMENT, "-7 outputs");
    EXPECT(NEW, gf_net_dropout(net, 1.0), GF_ERROR_ARGUMENT, "p = 1");
    EXPECT(NEW, gf_net_dropout(net, -0.5), GF_ERROR_ARGUMENT, "p = -0.5");
    EXPECT(NEW, gf_net_dropout(net, NAN), GF_ERROR_ARGUMENT, "nan");
    EXPECT(NEW, gf_net_act(net, (gf_act_kind)-1), GF_ERROR_ARGUMENT, "-1");
    EXPECT(NEW, gf_net_act(net, GF_ACT_COUNT), GF_ERROR_ARGUMENT, "kind");
    EXPECT(NEW, gf_net_act(net, GF_ACT_CUSTOM), GF_ERROR_ARGUMENT, "custom");
    EXPECT(NEW, gf_net_activation(net, gf_act_custom("mine", NULL, one)), GF_ERROR_ARGUMENT, "custom");
    EXPECT(NEW, gf_net_activation(net, gf_act_custom("mine", one, NULL)), GF_ERROR_ARGUMENT, "custom");
    EXPECT(NEW, gf_net_activation(net, gf_act_with(GF_ACT_CELU, 0)), GF_ERROR_ARGUMENT, "celu");
    EXPECT(NEW, gf_net_activation(net, gf_act_with(GF_ACT_LEAKY_RELU, NAN)), GF_ERROR_ARGUMENT, "nan");
    EXPECT(NEW, (gf_net_dense(net, 1), gf_net_layer_norm(net)), GF_ERROR_SHAPE, "at least 2");
    EXPECT(NEW, gf_net_add_from(net, 1), GF_ERROR_ARGUMENT, "no mark");
    EXPECT(NEW, gf_net_add_from(net, 0), GF_ERROR_ARGUMENT, "0 is no mark");
    EXPECT(NEW, gf_net_add_from(net, 99), GF_ERROR_ARGUMENT, "99 is no mark");
    EXPECT(NEW, gf_net_add_projected(net, -5), GF_ERROR_ARGUMENT, "-5 is no mark");
    EXPECT(NEW, (gf_net_mark(net), gf_net_dense(net, 6), gf_net_add_from(net, 2)), GF_ERROR_SHAPE, "4x1x1");
    EXPECT(NEW, (gf_net_mark(net), gf_net_dense(net, 6), gf_net_add_from(net, 2)), GF_ERROR_SHAPE, "6x1x1");
    EXPECT(NEW, (gf_net_mark(net), gf_net_dense(net, 6), gf_net_add_from(net, 2)), GF_ERROR_SHAPE,
           "gf_net_add_projected");
}

static void bad_settings(void) {
    TEST("errors: settings and order of building");
    EXPECT(NEW, gf_net_init(net, gf_init_with((gf_init_kind)77, 1), gf_init_zero()), GF_ERROR_ARGUMENT, "77");
    EXPECT(NEW, gf_net_init(net, gf_init_default(), gf_init_with(GF_INIT_NORMAL, NAN)), GF_ERROR_ARGUMENT, "nan");
    EXPECT(NEW, gf_net_threads(net, 0), GF_ERROR_ARGUMENT, "0 threads");
    EXPECT(NEW, gf_net_threads(net, -2), GF_ERROR_ARGUMENT, "-2 threads");
    EXPECT(NEW, gf_net_probe(net, 1u << 30), GF_ERROR_ARGUMENT, "0x40000000");
#ifndef _OPENMP
    EXPECT(NEW, gf_net_threads(net, 2), GF_ERROR_ARGUMENT, "-fopenmp");
#endif
    EXPECT(BUILT, gf_net_dense(net, 3), GF_ERROR_ORDER, "dense");
    EXPECT(BUILT, gf_net_act(net, GF_ACT_RELU), GF_ERROR_ORDER, "after gf_net_build");
    EXPECT(BUILT, gf_net_dropout(net, 0.1), GF_ERROR_ORDER, "dropout");
    EXPECT(BUILT, gf_net_batch_norm(net), GF_ERROR_ORDER, "batch_norm");
    EXPECT(BUILT, gf_net_layer_norm(net), GF_ERROR_ORDER, "layer_norm");
    EXPECT(BUILT, gf_net_mark(net), GF_ERROR_ORDER, "mark");
    EXPECT(BUILT, gf_net_build(net), GF_ERROR_ORDER, "gf_net_build");
    EXPECT(BUILT, gf_net_init(net, gf_init_zero(), gf_init_zero()), GF_ERROR_ORDER, "gf_net_init");
    EXPECT(BUILT, gf_net_no_bias(net, 1), GF_ERROR_ORDER, "gf_net_no_bias");
    EXPECT(BUILT, gf_net_input_grad(net, 1), GF_ERROR_ORDER, "gf_net_input_grad");
    EXPECT(BUILT, gf_net_threads(net, 1), GF_ERROR_ORDER, "gf_net_threads");
    EXPECT(BUILT, gf_net_probe(net, GF_PROBE_ALL), GF_ERROR_ORDER, "gf_net_probe");
    gf_net *empty = gf_net_create(gf_vector(3), 4, 1);
    gf_net_build(empty);
    expect_error("gf_net_build without layers", empty, GF_ERROR_ORDER, "no layers");
    gf_net_free(empty);
    gf_net *huge = gf_net_create(gf_vector(2147483647), 2147483647, 1);
    gf_net_dense(huge, 2147483647), gf_net_dense(huge, 2147483647);
    gf_net_build(huge);
    CHECK(gf_net_status(huge) == GF_ERROR_MEMORY || gf_net_status(huge) == GF_ERROR_SHAPE);
    CHECK(gf_net_forward(huge, inputs, 1, GF_EVAL) == NULL);
    gf_net_free(huge);
}

static void bad_steps(void) {
    static const int too_large[4] = {0, 2, 0, 0}, negative[4] = {0, 1, -1, 0};
    static const gf_real outside[8] = {0, 1, 0, 1, 1, 1.5f, 0, 0}, unknown[8] = {0, 1, 0, NAN, 1, 1, 0, 0};
    TEST("errors: forward, losses and backward");
    EXPECT(NEW, gf_net_forward(net, inputs, 4, GF_TRAIN), GF_ERROR_ORDER, "gf_net_build");
    EXPECT(NEW, gf_net_backward(net), GF_ERROR_ORDER, "gf_net_backward");
    EXPECT(BUILT, gf_net_forward(net, NULL, 4, GF_TRAIN), GF_ERROR_ARGUMENT, "NULL");
    EXPECT(BUILT, gf_net_forward(net, inputs, 0, GF_TRAIN), GF_ERROR_ARGUMENT, "batch 0");
    EXPECT(BUILT, gf_net_forward(net, inputs, -1, GF_TRAIN), GF_ERROR_ARGUMENT, "batch -1");
    EXPECT(BUILT, gf_net_forward(net, inputs, 5, GF_TRAIN), GF_ERROR_ARGUMENT, "1 to 4");
    EXPECT(BUILT, gf_net_forward(net, inputs, 4, (gf_mode)9), GF_ERROR_ARGUMENT, "mode 9");
    EXPECT(BUILT, gf_loss_cross_entropy(net, labels), GF_ERROR_ORDER, "gf_net_forward");
    EXPECT(BUILT, gf_loss_bce(net, inputs), GF_ERROR_ORDER, "gf_net_forward");
    EXPECT(BUILT, gf_loss_mse(net, inputs), GF_ERROR_ORDER, "gf_net_forward");
    EXPECT(FORWARDED, gf_loss_cross_entropy(net, NULL), GF_ERROR_ARGUMENT, "labels is NULL");
    EXPECT(FORWARDED, gf_loss_cross_entropy(net, too_large), GF_ERROR_ARGUMENT, "label 2 of sample 1");
    EXPECT(FORWARDED, gf_loss_cross_entropy(net, negative), GF_ERROR_ARGUMENT, "label -1 of sample 2");
    EXPECT(FORWARDED, gf_loss_bce(net, NULL), GF_ERROR_ARGUMENT, "targets is NULL");
    EXPECT(FORWARDED, gf_loss_bce(net, outside), GF_ERROR_ARGUMENT, "target 5 is 1.5");
    EXPECT(FORWARDED, gf_loss_bce(net, unknown), GF_ERROR_ARGUMENT, "nan");
    EXPECT(FORWARDED, gf_loss_mse(net, NULL), GF_ERROR_ARGUMENT, "targets is NULL");
    EXPECT(FORWARDED, gf_net_backward(net), GF_ERROR_ORDER, "a loss");
    EXPECT(LOSS, gf_net_grad_norm(net), GF_ERROR_ORDER, "gf_net_backward");
    EXPECT(BACKWARDED, (gf_net_forward(net, inputs, 2, GF_EVAL), gf_net_backward(net)), GF_ERROR_ORDER, "a loss");
    EXPECT(BUILT, gf_net_predict(net, NULL, NULL), GF_ERROR_ARGUMENT, "NULL");
}

static void bad_optimisers(void) {
    gf_optim_config config = gf_adam(0.1);
    TEST("errors: optimisers");
    EXPECT(NEW, gf_optim_init(&sgd, net, gf_sgd(0.1)), GF_ERROR_ORDER, "gf_net_build");
    EXPECT(BUILT, gf_optim_init(NULL, net, gf_sgd(0.1)), GF_ERROR_ARGUMENT, "optim is NULL");
    EXPECT(BUILT, gf_optim_init(&sgd, net, gf_sgd(-1)), GF_ERROR_ARGUMENT, "lr -1");
    EXPECT(BUILT, gf_optim_init(&sgd, net, gf_adam(NAN)), GF_ERROR_ARGUMENT, "nan");
    EXPECT(BUILT, gf_optim_init(&sgd, net, gf_adam(INFINITY)), GF_ERROR_ARGUMENT, "inf");
    config.beta2 = 1;
    EXPECT(BUILT, gf_optim_init(&sgd, net, config), GF_ERROR_ARGUMENT, "beta");
    config = gf_sgd(0.1), config.momentum = -0.5;
    EXPECT(BUILT, gf_optim_init(&sgd, net, config), GF_ERROR_ARGUMENT, "momentum -0.5");
    config = gf_sgd(0.1), config.kind = GF_OPTIM_COUNT;
    EXPECT(BUILT, gf_optim_init(&sgd, net, config), GF_ERROR_ARGUMENT, "kind 4");
    EXPECT(BUILT, gf_optim_step(&sgd, net), GF_ERROR_ORDER, "gf_optim_step");
    EXPECT(LOSS, gf_optim_step(&sgd, net), GF_ERROR_ORDER, "gf_net_backward");
    EXPECT(BACKWARDED, gf_optim_step(NULL, net), GF_ERROR_ORDER, "gf_optim_init");
    EXPECT(BACKWARDED, (sgd.size = 3, gf_optim_step(&sgd, net)), GF_ERROR_ORDER, "3 parameters");
    EXPECT(BACKWARDED, (sgd.config.lr = NAN, gf_optim_step(&sgd, net)), GF_ERROR_ARGUMENT, "nan");
    EXPECT(BACKWARDED, gf_net_clip_grad_norm(net, 0), GF_ERROR_ARGUMENT, "max_norm is 0");
    EXPECT(BACKWARDED, gf_net_clip_grad_norm(net, -1), GF_ERROR_ARGUMENT, "max_norm is -1");
    EXPECT(BACKWARDED, gf_net_clip_grad_norm(net, NAN), GF_ERROR_ARGUMENT, "max_norm is");
}

static void bad_queries(void) {
    char text[16];
    TEST("errors: tensors, instruments and kernels");
    EXPECT(NEW, gf_net_tensor(net, "dense1.weight"), GF_ERROR_ORDER, "gf_net_build");
    EXPECT(BUILT, gf_net_tensor(net, "dense9.weight"), GF_ERROR_NOT_FOUND, "\"dense9.weight\"");
    EXPECT(BUILT, gf_net_tensor(net, "dense9.weight"), GF_ERROR_NOT_FOUND,
           "dense1.weight, dense1.bias, dense2.weight, dense2.bias");
    EXPECT(BUILT, gf_net_tensor(net, NULL), GF_ERROR_NOT_FOUND, "NULL");
    EXPECT(BUILT, gf_net_tensor_at(net, -1), GF_ERROR_ARGUMENT, "index -1");
    EXPECT(BUILT, gf_net_tensor_at(net, 4), GF_ERROR_ARGUMENT, "0..3");
    EXPECT(BACKWARDED, gf_net_measure(net), GF_ERROR_ORDER, "gf_net_probe");
    EXPECT(BACKWARDED, gf_net_dead_reset(net, 1), GF_ERROR_ORDER, "gf_net_probe");
    EXPECT(BACKWARDED, gf_net_verdict(net, text, sizeof text), GF_ERROR_ORDER, "gf_net_measure");
    EXPECT(BUILT, gf_net_force_kernels(net, "abacus"), GF_ERROR_NOT_FOUND, "\"abacus\"");
    EXPECT(BUILT, gf_net_force_kernels(net, NULL), GF_ERROR_NOT_FOUND, "NULL");
    gf_net *net = net_at(BUILT);
    CHECK(gf_net_layer_name(net, -1) == NULL && gf_net_layer_name(net, 3) == NULL);
    CHECK(gf_net_layer_output(net, 0) == NULL && gf_net_layer_grad(net, 0) == NULL &&
          gf_net_layer_output(net, 99) == NULL);
    CHECK(gf_net_probe_at(net, 1) == NULL);
    CHECK(gf_shape_size(gf_net_layer_shape(net, 3)) == 0);
    CHECK(gf_net_status(net) == GF_OK);
    gf_net_free(net);
}

// What has no net to keep its error in.
static void bad_values(void) {
    gf_init init = gf_init_with(GF_INIT_NORMAL, 7);
    gf_optim_config config = gf_sgd(7);
    gf_real w[4];
    TEST("errors: names and fills");
    CHECK(gf_init_fill(gf_init_default(), NULL, 4, 2, 2, 1, 1) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "NULL");
    CHECK(gf_init_fill(gf_init_default(), w, 4, 0, 2, 1, 1) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "fan_in 0");
    CHECK(gf_init_fill(gf_init_with(GF_INIT_COUNT, 1), w, 4, 2, 2, 1, 1) == GF_ERROR_ARGUMENT);
    CHECK(!gf_init_from_name("kaimin", &init) && !gf_init_from_name("xavier_", &init) &&
          !gf_init_from_name(NULL, &init));
    CHECK(!gf_init_from_name("xavier_0.5x", &init) && !gf_init_from_name("xavier0.5", &init) &&
          !gf_init_from_name("", &init));
    CHECK(init.kind == GF_INIT_NORMAL && init.gain == 7);
    CHECK(!gf_optim_from_name("adamx", 1, &config) && !gf_optim_from_name(NULL, 1, &config) && config.lr == 7);
    CHECK(!gf_optim_from_name("sgd", 1, NULL));
    CHECK(!strcmp(gf_optim_name(GF_OPTIM_COUNT), "?") && !strcmp(gf_init_name((gf_init_kind)-1), "?"));
    CHECK(!strcmp(gf_status_text(GF_STATUS_COUNT), "unknown status") &&
          !strcmp(gf_status_text((gf_status)-1), "unknown status"));
    CHECK(isnan(gf_lr_step(1, 3, 0, 0.5)) && isnan(gf_lr_cosine(1, 0, 3, 0)));
}

static void test_null_net(void) {
    gf_optim optim;
    char text[64];
    memset(&optim, 0, sizeof optim);
    TEST("errors: a NULL net is an error and not a crash");
    gf_net_free(NULL), gf_optim_free(NULL), gf_net_clear_error(NULL);
    gf_net_dense(NULL, 3), gf_net_act(NULL, GF_ACT_TANH), gf_net_dropout(NULL, 0.5), gf_net_batch_norm(NULL);
    gf_net_layer_norm(NULL), gf_net_add_from(NULL, 1), gf_net_add_projected(NULL, 1), gf_net_no_bias(NULL, 1);
    gf_net_init(NULL, gf_init_zero(), gf_init_zero()), gf_net_threads(NULL, 1), gf_net_input_grad(NULL, 1);
    gf_net_probe(NULL, GF_PROBE_ALL), gf_net_dead_reset(NULL, 1), gf_net_summary(NULL);
    CHECK(gf_net_mark(NULL) == 0);
    CHECK(gf_net_build(NULL) == GF_ERROR_ARGUMENT && gf_net_status(NULL) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_net_error(NULL), "NULL");
    CHECK(gf_net_forward(NULL, inputs, 1, GF_EVAL) == NULL);
    CHECK_TEXT(gf_last_error(), "gf_net_forward: net is NULL");
    CHECK(isnan(gf_loss_cross_entropy(NULL, labels)) && isnan(gf_loss_bce(NULL, inputs)) &&
          isnan(gf_loss_mse(NULL, inputs)));
    CHECK(gf_net_backward(NULL) == GF_ERROR_ARGUMENT && isnan(gf_net_grad_norm(NULL)) &&
          isnan(gf_net_clip_grad_norm(NULL, 1)));
    CHECK(gf_net_predict(NULL, inputs, NULL) == -1 && gf_net_correct(NULL) == 0);
    CHECK(gf_net_param_count(NULL) == 0 && !gf_net_params(NULL) && !gf_net_grads(NULL) &&
          gf_net_tensor_count(NULL) == 0);
    CHECK(!gf_net_tensor_at(NULL, 0) && !gf_net_tensor(NULL, "dense1.weight") && gf_net_layer_count(NULL) == 0);
    CHECK(!gf_net_layer_name(NULL, 0) && !gf_net_layer_output(NULL, 0) && !gf_net_layer_grad(NULL, 0));
    CHECK(!gf_net_input_gradient(NULL) && gf_net_batch(NULL) == 0 && gf_net_step_count(NULL) == 0 &&
          gf_net_bytes(NULL) == 0);
    CHECK(gf_net_kernels(NULL) != NULL && gf_net_force_kernels(NULL, "plain") == GF_ERROR_ARGUMENT);
    CHECK(gf_optim_init(&optim, NULL, gf_sgd(1)) == GF_ERROR_ARGUMENT &&
          gf_optim_step(&optim, NULL) == GF_ERROR_ARGUMENT);
    CHECK(gf_net_measure(NULL) == GF_ERROR_ARGUMENT && gf_net_affine_count(NULL) == 0 && !gf_net_probe_at(NULL, 1));
    CHECK(!gf_net_first_nonfinite(NULL).found && isnan(gf_net_dead_share(NULL, 1)));
    CHECK(gf_net_verdict(NULL, text, sizeof text) != GF_OK);
    CHECK(gf_net_save(NULL, NULL, NULL, "none") == GF_ERROR_ARGUMENT &&
          gf_net_load(NULL, NULL, NULL, "none") == GF_ERROR_ARGUMENT);
}

// After the first error nothing happens any more, until it is cleared.
static void test_sticky(void) {
    char first[500];
    gf_real before[26];
    TEST("errors are sticky");
    gf_net *net = net_at(BACKWARDED);
    CHECK(gf_net_param_count(net) == 26);
    CHECK(!strcmp(gf_net_error(net), "no error"));
    memcpy(before, gf_net_params(net), sizeof before);
    gf_loss_cross_entropy(net, NULL);
    snprintf(first, sizeof first, "%s", gf_net_error(net));
    gf_net_forward(net, inputs, 77, GF_TRAIN);
    CHECK(!strcmp(gf_net_error(net), first));
    CHECK(gf_net_forward(net, inputs, 4, GF_TRAIN) == NULL);
    CHECK(isnan(gf_loss_cross_entropy(net, labels)));
    CHECK(gf_net_backward(net) == GF_ERROR_ARGUMENT);
    CHECK(isnan(gf_net_grad_norm(net)));
    CHECK(gf_optim_step(&sgd, net) == GF_ERROR_ARGUMENT);
    CHECK(gf_net_predict(net, inputs, NULL) == -1);
    CHECK(gf_net_tensor(net, "dense1.weight") == NULL);
    CHECK(!memcmp(before, gf_net_params(net), sizeof before) && sgd.step == 0 && gf_net_step_count(net) == 0);
    gf_net_clear_error(net);
    CHECK(gf_net_status(net) == GF_OK && !strcmp(gf_net_error(net), "no error"));
    CHECK(gf_net_forward(net, inputs, 4, GF_TRAIN) != NULL);
    CHECK(gf_loss_cross_entropy(net, labels) > 0);
    CHECK(gf_net_backward(net) == GF_OK && gf_optim_step(&sgd, net) == GF_OK);
    CHECK(memcmp(before, gf_net_params(net), sizeof before) != 0);
    gf_net_free(net);
    TEST("errors while building keep the first and refuse the rest");
    net = gf_net_create(gf_vector(3), 4, 1);
    gf_net_dense(net, 4), gf_net_dense(net, -1), gf_net_dropout(net, 7), gf_net_dense(net, 2);
    CHECK(gf_net_build(net) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_net_error(net), "layer 2 dense: -1 outputs");
    CHECK(gf_net_layer_count(net) == 1);
    gf_net_free(net);
}

static void test_batch_of_one(void) {
    TEST("errors: batch norm of one sample in training");
    gf_net *net = gf_net_create(gf_vector(3), 4, 1);
    gf_net_dense(net, 4), gf_net_batch_norm(net), gf_net_dense(net, 2), gf_net_build(net);
    CHECK(gf_net_forward(net, inputs, 1, GF_EVAL) != NULL);
    CHECK(gf_net_forward(net, inputs, 1, GF_TRAIN) == NULL);
    expect_error("batch norm", net, GF_ERROR_SHAPE, "batch_norm1");
    gf_net_free(net);
}

int main(void) {
    bad_layers();
    bad_settings();
    bad_steps();
    bad_optimisers();
    bad_queries();
    bad_values();
    test_null_net();
    test_sticky();
    test_batch_of_one();
    gf_optim_free(&sgd);
    return test_report();
}
