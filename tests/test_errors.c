// test_errors.c: every wrong call leaves a status and a message with its numbers, and stops the net without a crash.
// build: float
#include "../gradflow.h"
#include "nets.h"
#include <float.h>

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

// Every row of the tables below is one wrong call. found: the offending value as the message must name it; hint: what
// was expected or what to do. No two rows may be the same call at the same stage.
enum { MAX_CASES = 800 };
static struct {
    int stage;
    const char *call;
} cases[MAX_CASES];
static int case_count;

static void count_case(int stage, const char *call) {
    for (int i = 0; i < case_count; i++)
        if (cases[i].stage == stage && !strcmp(cases[i].call, call))
            test_fail(__FILE__, __LINE__, "%s stands in the tables twice", call);
    if (case_count < MAX_CASES) cases[case_count].stage = stage, cases[case_count++].call = call;
}

static void expect_text(const char *call, const char *found, const char *hint) {
    if (!strstr(gf_last_error(), found) || !strstr(gf_last_error(), hint))
        test_fail(__FILE__, __LINE__, "%s: \"%s\" lacks \"%s\" or \"%s\"", call, gf_last_error(), found, hint);
}

static void expect_error(const char *call, gf_net *net, gf_status status, const char *found, const char *hint) {
    if (gf_net_status(net) != status)
        test_fail(__FILE__, __LINE__, "%s: status %d (%s), expected %d", call, (int)gf_net_status(net),
                  gf_net_error(net), (int)status);
    expect_text(call, found, hint);
    if (net && strcmp(gf_last_error(), gf_net_error(net)) != 0)
        test_fail(__FILE__, __LINE__, "%s: gf_last_error says \"%s\"", call, gf_last_error());
}

// Do `call` on a net `net` at this stage; it must leave this status and a message with these parts.
#define EXPECT(stage, call, status, found, hint)       \
    do {                                               \
        gf_net *net = net_at(stage);                   \
        count_case(stage, #call);                      \
        (void)(call);                                  \
        expect_error(#call, net, status, found, hint); \
        gf_net_free(net);                              \
    } while (0)

#define EXPECT_CREATE(shape, batch, status, found, hint)            \
    do {                                                            \
        gf_net *net = gf_net_create(shape, batch, 1);               \
        count_case(NEW, "gf_net_create " #shape #batch);            \
        expect_error(#shape ", " #batch, net, status, found, hint); \
        gf_net_free(net);                                           \
    } while (0)

// A call that no net keeps the error of: `refused` says by the call's result that it was refused; gf_last_error why.
#define REFUSED(refused, found, hint)                                                  \
    do {                                                                               \
        count_case(-1, #refused);                                                      \
        gf_data_sample(NULL, 0, NULL); /* so that the message found is not one from before */ \
        CHECK(refused);                                                                \
        expect_text(#refused, found, hint);                                            \
    } while (0)

// A call whose answer to a wrong argument is part of its definition: no message.
#define ANSWERS(answer)            \
    do {                           \
        count_case(-2, #answer);   \
        CHECK(answer);             \
    } while (0)

static double one(double z) { return 0 * z + 1; }

static gf_window window(int kernel_h, int kernel_w, int stride_h, int stride_w, int padding_h, int padding_w) {
    gf_window w = {kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w};
    return w;
}

static gf_act act_of(gf_act_kind kind, double param) {
    gf_act act = gf_act_default(kind);
    act.param = param;
    return act;
}

static void bad_creation(void) {
    TEST("errors: gf_net_create and dense layers");
    EXPECT_CREATE(gf_vector(0), 4, GF_ERROR_SHAPE, "0x1x1", "at least 1");
    EXPECT_CREATE(gf_vector(-3), 4, GF_ERROR_SHAPE, "-3x1x1", "at least 1");
    EXPECT_CREATE(gf_image(1, 0, 28), 4, GF_ERROR_SHAPE, "1x0x28", "every side");
    EXPECT_CREATE(gf_image(1, 28, -1), 4, GF_ERROR_SHAPE, "1x28x-1", "every side");
    EXPECT_CREATE(gf_image(2147483647, 2147483647, 2147483647), 4, GF_ERROR_SHAPE, "2147483647", "fit in memory");
    EXPECT_CREATE(gf_vector(3), 0, GF_ERROR_ARGUMENT, "max_batch is 0", "at least 1");
    EXPECT_CREATE(gf_vector(3), -1, GF_ERROR_ARGUMENT, "max_batch is -1", "at least 1");
    EXPECT(NEW, gf_net_dense(net, 0), GF_ERROR_ARGUMENT, "layer 2 dense: 0 outputs", "at least 1");
    EXPECT(NEW, gf_net_dense(net, -7), GF_ERROR_ARGUMENT, "-7 outputs", "at least 1");
    gf_net *net = gf_net_create(gf_image(65536, 65536, 1), 1, 1);
    gf_net_dense(net, 1);
    expect_error("dense of 2^32 inputs", net, GF_ERROR_SHAPE, "4294967296 values", "pool or crop");
    gf_net_free(net);
}

static void bad_elementwise(void) {
    TEST("errors: activations, dropout, norms and skips");
    EXPECT(NEW, gf_net_dropout(net, 1.0), GF_ERROR_ARGUMENT, "p = 1", "0 ≤ p < 1");
    EXPECT(NEW, gf_net_dropout(net, -0.5), GF_ERROR_ARGUMENT, "p = -0.5", "0 ≤ p < 1");
    EXPECT(NEW, gf_net_dropout(net, NAN), GF_ERROR_ARGUMENT, "nan", "0 ≤ p < 1");
    EXPECT(NEW, gf_net_dropout(net, INFINITY), GF_ERROR_ARGUMENT, "inf", "0 ≤ p < 1");
    EXPECT(NEW, gf_net_act(net, (gf_act_kind)-1), GF_ERROR_ARGUMENT, "kind -1", "gf_act_kind's 0..21");
    EXPECT(NEW, gf_net_act(net, GF_ACT_COUNT), GF_ERROR_ARGUMENT, "kind 22", "gf_act_kind's 0..21");
    EXPECT(NEW, gf_net_act(net, (gf_act_kind)2147483647), GF_ERROR_ARGUMENT, "kind 2147483647", "0..21");
    EXPECT(NEW, gf_net_act(net, GF_ACT_CUSTOM), GF_ERROR_ARGUMENT, "custom", "gf_act_custom");
    EXPECT(NEW, gf_net_act_with(net, gf_act_custom("mine", NULL, one)), GF_ERROR_ARGUMENT, "custom", "both");
    EXPECT(NEW, gf_net_act_with(net, gf_act_custom("mine", one, NULL)), GF_ERROR_ARGUMENT, "custom", "both");
    EXPECT(NEW, gf_net_act_with(net, act_of(GF_ACT_CELU, 0)), GF_ERROR_ARGUMENT, "celu", "not 0");
    EXPECT(NEW, gf_net_act_with(net, act_of(GF_ACT_LEAKY_RELU, NAN)), GF_ERROR_ARGUMENT, "nan", "finite");
    EXPECT(NEW, gf_net_act_with(net, act_of(GF_ACT_ELU, -INFINITY)), GF_ERROR_ARGUMENT, "-inf", "finite");
    EXPECT(NEW, (gf_net_dense(net, 1), gf_net_layer_norm(net)), GF_ERROR_SHAPE, "1 features", "at least 2");
    EXPECT(NEW, gf_net_add_from(net, 1), GF_ERROR_ARGUMENT, "1 is no mark", "gf_net_mark returned");
    EXPECT(NEW, gf_net_add_from(net, 0), GF_ERROR_ARGUMENT, "0 is no mark", "gf_net_mark returned");
    EXPECT(NEW, gf_net_add_from(net, 99), GF_ERROR_ARGUMENT, "99 is no mark", "gf_net_mark returned");
    EXPECT(NEW, gf_net_add_from(net, -2147483647 - 1), GF_ERROR_ARGUMENT, "-2147483648 is no", "gf_net_mark returned");
    EXPECT(NEW, gf_net_add_projected(net, -5), GF_ERROR_ARGUMENT, "-5 is no mark", "gf_net_mark returned");
    EXPECT(NEW, gf_net_add_projected(net, 1), GF_ERROR_ARGUMENT, "1 is no mark", "gf_net_mark returned");
    EXPECT(NEW, (gf_net_mark(net), gf_net_dense(net, 6), gf_net_add_from(net, 2)), GF_ERROR_SHAPE,
           "mark1 has shape 4x1x1, the layer before has 6x1x1", "gf_net_add_projected");
}

static gf_net *image_net(void) { // 2x6x5, no layer yet
    return gf_net_create(gf_image(2, 6, 5), 4, 1);
}

#define EXPECT_IMAGE(call, status, found, hint)        \
    do {                                               \
        gf_net *net = image_net();                     \
        count_case(-3, #call);                         \
        call;                                          \
        expect_error(#call, net, status, found, hint); \
        gf_net_free(net);                              \
    } while (0)

static void bad_windows(void) {
    TEST("errors: convolutions and pools");
    EXPECT_IMAGE(gf_net_conv2d(net, 0, 3, 1, 1), GF_ERROR_ARGUMENT, "0 channels", "at least 1");
    EXPECT_IMAGE(gf_net_conv2d(net, -4, 3, 1, 1), GF_ERROR_ARGUMENT, "-4 channels", "at least 1");
    EXPECT_IMAGE(gf_net_conv2d(net, 4, 0, 1, 1), GF_ERROR_ARGUMENT, "kernel 0x0", "at least 1");
    EXPECT_IMAGE(gf_net_conv2d(net, 4, -3, 1, 1), GF_ERROR_ARGUMENT, "kernel -3x-3", "at least 1");
    EXPECT_IMAGE(gf_net_conv2d(net, 4, 3, 0, 1), GF_ERROR_ARGUMENT, "stride 0x0", "at least 1");
    EXPECT_IMAGE(gf_net_conv2d(net, 4, 3, -1, 1), GF_ERROR_ARGUMENT, "stride -1x-1", "at least 1");
    EXPECT_IMAGE(gf_net_conv2d(net, 4, 3, 1, -1), GF_ERROR_ARGUMENT, "padding -1x-1", "at least 0");
    EXPECT_IMAGE(gf_net_conv2d(net, 4, 3, 1, 2147483647), GF_ERROR_ARGUMENT, "padding 2147483647", "none above");
    EXPECT_IMAGE(gf_net_conv2d(net, 4, 2147483647, 1, 1), GF_ERROR_ARGUMENT, "kernel 2147483647", "none above");
    EXPECT_IMAGE(gf_net_conv2d(net, 2147483647, 3, 1, 1), GF_ERROR_ARGUMENT, "2147483647 channels", "none above");
    EXPECT_IMAGE(gf_net_conv2d(net, 4, 7, 1, 0), GF_ERROR_SHAPE, "kernel 7x7", "6x5 input");
    EXPECT_IMAGE(gf_net_conv2d_window(net, 4, window(3, 0, 1, 1, 0, 0)), GF_ERROR_ARGUMENT, "kernel 3x0", "at least 1");
    EXPECT_IMAGE(gf_net_conv2d_window(net, 4, window(3, 3, 1, 0, 0, 0)), GF_ERROR_ARGUMENT, "stride 1x0", "at least 1");
    EXPECT_IMAGE(gf_net_conv2d_window(net, 4, window(3, 3, 1, 1, 0, -2)), GF_ERROR_ARGUMENT, "padding 0x-2", "least 0");
    EXPECT_IMAGE(gf_net_conv2d_window(net, 4, window(1, 6, 1, 1, 0, 0)), GF_ERROR_SHAPE, "kernel 1x6", "6x5 input");
    EXPECT_IMAGE(gf_net_conv2d_window(net, 4, window(1, 32769, 1, 1, 0, 0)), GF_ERROR_ARGUMENT, "kernel 1x32769",
                 "none above 32768");
    EXPECT_IMAGE(gf_net_conv2d_window(net, 4, window(1, 1, 32769, 1, 0, 0)), GF_ERROR_ARGUMENT, "stride 32769x1",
                 "none above 32768");
    EXPECT_IMAGE(gf_net_conv2d_window(net, 4, window(1, 1, 1, 32769, 0, 0)), GF_ERROR_ARGUMENT, "stride 1x32769",
                 "none above 32768");
    EXPECT_IMAGE(gf_net_conv2d_window(net, 4, window(1, 1, 1, 1, 0, 32769)), GF_ERROR_ARGUMENT, "padding 0x32769",
                 "none above 32768");
    EXPECT_IMAGE(gf_net_max_pool2d(net, 0, 2), GF_ERROR_ARGUMENT, "max_pool2d: 2 channels, kernel 0x0", "at least 1");
    EXPECT_IMAGE(gf_net_max_pool2d(net, 2, 0), GF_ERROR_ARGUMENT, "stride 0x0", "at least 1");
    EXPECT_IMAGE(gf_net_max_pool2d(net, 6, 1), GF_ERROR_SHAPE, "kernel 6x6", "6x5 input");
    EXPECT_IMAGE(gf_net_avg_pool2d(net, -1, 2), GF_ERROR_ARGUMENT, "avg_pool2d: 2 channels, kernel -1x-1",
                 "at least 1");
    EXPECT_IMAGE(gf_net_avg_pool2d(net, 2, -2), GF_ERROR_ARGUMENT, "stride -2x-2", "at least 1");
    EXPECT_IMAGE(gf_net_avg_pool2d(net, 7, 1), GF_ERROR_SHAPE, "kernel 7x7", "6x5 input");
    EXPECT_IMAGE((gf_net_mark(net), gf_net_conv2d(net, 2, 5, 1, 1), gf_net_add_projected(net, 1)), GF_ERROR_SHAPE,
                 "2x6x5", "one stride");
    EXPECT_IMAGE((gf_net_mark(net), gf_net_conv2d_window(net, 2, window(1, 2, 1, 1, 0, 0)),
                  gf_net_add_projected(net, 1)), GF_ERROR_SHAPE, "layer before has 2x6x4", "one stride");
    EXPECT_IMAGE((gf_net_mark(net), gf_net_conv2d_window(net, 2, window(1, 2, 1, 1, 0, 0)), gf_net_add_from(net, 1)),
                 GF_ERROR_SHAPE, "layer before has 2x6x4", "gf_net_add_projected");
    EXPECT_IMAGE((gf_net_mark(net), gf_net_conv2d_window(net, 2, window(2, 1, 1, 1, 0, 0)), gf_net_add_from(net, 1)),
                 GF_ERROR_SHAPE, "layer before has 2x5x5", "gf_net_add_projected");
    EXPECT(NEW, gf_net_conv2d(net, 4, 3, 1, 0), GF_ERROR_SHAPE, "kernel 3x3", "1x1 input");
    EXPECT_IMAGE(gf_net_conv2d(net, 1, 32768, 1, 32768), GF_ERROR_SHAPE, "2.14748e+09 inputs", "smaller kernel");
    gf_net *narrow = gf_net_create(gf_image(1, 6, 5), 4, 1);
    gf_net_conv2d(narrow, 4, 32768, 1, 32768);
    expect_error("2^32 outputs from a pixel", narrow, GF_ERROR_SHAPE, "4.29497e+09 outputs from one", "smaller kernel");
    gf_net_free(narrow);
    narrow = gf_net_create(gf_image(1, 1, 5), 4, 1);  // a row, not a vector: the shape is not what is wrong
    gf_net_conv2d(narrow, 4, 3, 1, 0);
    expect_error("a kernel above a row", narrow, GF_ERROR_SHAPE, "1x5 input", "add padding or drop a pool");
    gf_net_free(narrow);
    narrow = gf_net_create(gf_image(1, (1 << 24) + 1, 1), 4, 1);
    gf_net_conv2d(narrow, 1, 1, 1, 0);
    expect_error("too high", narrow, GF_ERROR_ARGUMENT, "1 channels, kernel 1x1", "none above 32768");
    gf_net_free(narrow);
    narrow = gf_net_create(gf_image(1, 1, (1 << 24) + 1), 4, 1);
    gf_net_conv2d(narrow, 1, 1, 1, 0);
    expect_error("too wide", narrow, GF_ERROR_ARGUMENT, "1 channels, kernel 1x1", "none above 32768");
    gf_net_free(narrow);
    EXPECT_IMAGE(gf_net_conv2d(net, 4, 32769, 1, 1), GF_ERROR_ARGUMENT, "kernel 32769x32769", "none above 32768");
    gf_net *flat = gf_net_create(gf_image(1, 1 << 22, 1 << 22), 1, 1);
    gf_net_conv2d(flat, 1 << 24, 1, 1, 0);
    expect_error("2^68 outputs", flat, GF_ERROR_SHAPE, "16777216x4194304x4194304", "larger stride");
    gf_net_free(flat);
    flat = gf_net_create(gf_image(1, 65536, 32768), 2147483647, 1);  // 2^64 bytes of an activation's output
    gf_net_act(flat, GF_ACT_TANH), gf_net_build(flat);
    expect_error("2^62 values", flat, GF_ERROR_MEMORY, "out of memory", "smaller batch than 2147483647");
    gf_net_free(flat);
    flat = gf_net_create(gf_image(4, 65536, 65536), 2147483647, 1);  // 2^65: more than a size_t holds
    gf_net_act(flat, GF_ACT_TANH), gf_net_build(flat);
    expect_error("2^65 values", flat, GF_ERROR_MEMORY, "out of memory", "smaller batch than 2147483647");
    gf_net_free(flat);
    flat = gf_net_create(gf_vector(3), 4, 1);
    gf_net_conv2d(flat, 4, 3, 1, 0);
    expect_error("a convolution of vectors", flat, GF_ERROR_SHAPE, "kernel 3x3", "gf_image(channels, height, width)");
    gf_net_free(flat);
}

static void bad_settings(void) {
    TEST("errors: settings");
    EXPECT(NEW, gf_net_set_init(net, gf_init_with((gf_init_kind)77, 1), gf_init_zero()), GF_ERROR_ARGUMENT, "kind 77",
           "gf_init_kaiming()");
    EXPECT(NEW, gf_net_set_init(net, gf_init_zero(), gf_init_with((gf_init_kind)-1, 1)), GF_ERROR_ARGUMENT, "kind -1",
           "gf_init_kaiming()");
    EXPECT(NEW, gf_net_set_init(net, gf_init_zero(), gf_init_with(GF_INIT_COUNT, 1)), GF_ERROR_ARGUMENT, "bias kind 9",
           "gf_init_kaiming()");
    EXPECT(NEW, gf_net_set_init(net, gf_init_with(GF_INIT_DEFAULT, 1), gf_init_with(GF_INIT_NORMAL, NAN)), GF_ERROR_ARGUMENT, "gain nan",
           "must be numbers");
    EXPECT(NEW, gf_net_set_init(net, gf_init_xavier(NAN), gf_init_zero()), GF_ERROR_ARGUMENT, "gain nan",
           "must be numbers");
    EXPECT(NEW, gf_net_set_threads(net, 0), GF_ERROR_ARGUMENT, "0 threads", "needs 1 to");
    EXPECT(NEW, gf_net_set_threads(net, -2), GF_ERROR_ARGUMENT, "-2 threads", "needs 1 to");
    EXPECT(NEW, gf_net_set_threads(net, 2147483647), GF_ERROR_ARGUMENT, "2147483647 threads", "needs 1 to");
#ifndef _OPENMP
    EXPECT(NEW, gf_net_set_threads(net, 2), GF_ERROR_ARGUMENT, "2 threads", "-fopenmp");
#endif
    EXPECT(NEW, gf_net_set_probe(net, 1u << 30), GF_ERROR_ARGUMENT, "0x40000000", "GF_PROBE_");
    EXPECT(NEW, gf_net_set_probe(net, (unsigned)GF_PROBE_NORMS << 1), GF_ERROR_ARGUMENT, "0x20", "GF_PROBE_");
    gf_net *huge = gf_net_create(gf_vector(2147483647), 2147483647, 1);
    gf_net_dense(huge, 2147483647), gf_net_dense(huge, 2147483647);
    gf_net_build(huge);
    CHECK(gf_net_status(huge) == GF_ERROR_MEMORY || gf_net_status(huge) == GF_ERROR_SHAPE);
    CHECK(gf_net_forward(huge, inputs, 1, GF_EVAL) == NULL);
    gf_net_free(huge);
    huge = gf_net_create(gf_image(1 << 20, 32, 32), 2147483647, 1);  // 2^51 planes: more than an int counts
    gf_net_batch_norm(huge), gf_net_build(huge);
    CHECK(gf_net_status(huge) == GF_ERROR_MEMORY);
    gf_net_free(huge);
    if (sizeof(size_t) == 8) {  // each weight below the limit of 2^60, both together above it
        huge = gf_net_create(gf_vector(1 << 30), 1, 1);
        gf_net_dense(huge, 1 << 29), gf_net_dense(huge, 1 << 30);
        expect_error("2^60 parameters in two layers", huge, GF_ERROR_MEMORY, "dense2", "make the layer smaller");
        gf_net_free(huge);
    }
}

static void bad_order(void) {
    TEST("errors: layers and settings after gf_net_build");
    EXPECT(BUILT, gf_net_dense(net, 3), GF_ERROR_ORDER, "dense", "call it before");
    EXPECT(BUILT, gf_net_conv2d(net, 3, 1, 1, 0), GF_ERROR_ORDER, "conv", "call it before");
    EXPECT(BUILT, gf_net_conv2d_window(net, 3, window(1, 1, 1, 1, 0, 0)), GF_ERROR_ORDER, "conv", "call it before");
    EXPECT(BUILT, gf_net_max_pool2d(net, 1, 1), GF_ERROR_ORDER, "max_pool", "call it before");
    EXPECT(BUILT, gf_net_avg_pool2d(net, 1, 1), GF_ERROR_ORDER, "avg_pool", "call it before");
    EXPECT(BUILT, gf_net_global_avg_pool(net), GF_ERROR_ORDER, "avg_pool", "call it before");
    EXPECT(BUILT, gf_net_act(net, GF_ACT_RELU), GF_ERROR_ORDER, "act", "after gf_net_build");
    EXPECT(BUILT, gf_net_act_with(net, gf_act_custom("mine", one, one)), GF_ERROR_ORDER, "act", "gf_net_build");
    EXPECT(BUILT, gf_net_dropout(net, 0.1), GF_ERROR_ORDER, "dropout", "call it before");
    EXPECT(BUILT, gf_net_batch_norm(net), GF_ERROR_ORDER, "batch_norm", "call it before");
    EXPECT(BUILT, gf_net_layer_norm(net), GF_ERROR_ORDER, "layer_norm", "call it before");
    EXPECT(BUILT, gf_net_mark(net), GF_ERROR_ORDER, "mark", "call it before");
    EXPECT(BUILT, gf_net_add_from(net, 1), GF_ERROR_ORDER, "add", "call it before");
    EXPECT(BUILT, gf_net_add_projected(net, 1), GF_ERROR_ORDER, "add", "call it before");
    EXPECT(BUILT, gf_net_build(net), GF_ERROR_ORDER, "gf_net_build", "call it before");
    EXPECT(BUILT, gf_net_set_init(net, gf_init_zero(), gf_init_zero()), GF_ERROR_ORDER, "gf_net_set_init", "call it before");
    EXPECT(BUILT, gf_net_set_bias(net, 0), GF_ERROR_ORDER, "gf_net_set_bias", "call it before");
    EXPECT(BUILT, gf_net_set_input_grad(net, 1), GF_ERROR_ORDER, "gf_net_set_input_grad", "call it before");
    EXPECT(BUILT, gf_net_set_accumulate(net, 1), GF_ERROR_ORDER, "gf_net_set_accumulate", "call it before");
    EXPECT(BUILT, gf_net_set_threads(net, 1), GF_ERROR_ORDER, "gf_net_set_threads", "call it before");
    EXPECT(BUILT, gf_net_set_probe(net, GF_PROBE_ALL), GF_ERROR_ORDER, "gf_net_set_probe", "call it before");
    gf_net *empty = gf_net_create(gf_vector(3), 4, 1);
    gf_net_build(empty);
    expect_error("gf_net_build without layers", empty, GF_ERROR_ORDER, "no layers", "add some");
    gf_net_free(empty);
}

static void bad_steps(void) {
    static const gf_real nan_input[3] = {1, NAN, 3}, none[8] = {0};
    TEST("errors: forward, backward and norms");
    EXPECT(NEW, gf_net_forward(net, inputs, 4, GF_TRAIN), GF_ERROR_ORDER, "gf_net_forward", "gf_net_build; call that");
    EXPECT(NEW, gf_net_backward(net), GF_ERROR_ORDER, "gf_net_backward", "gf_net_build; call that");
    EXPECT(NEW, gf_net_predict(net, inputs, NULL), GF_ERROR_ORDER, "gf_net_forward", "gf_net_build; call that");
    EXPECT(NEW, gf_net_grad_norm(net), GF_ERROR_ORDER, "gf_net_grad_norm", "gf_net_build; call that");
    EXPECT(BUILT, gf_net_forward(net, NULL, 4, GF_TRAIN), GF_ERROR_ARGUMENT, "x is NULL", "needs data");
    EXPECT(BUILT, gf_net_forward(net, inputs, 0, GF_TRAIN), GF_ERROR_ARGUMENT, "batch 0", "1 to 4");
    EXPECT(BUILT, gf_net_forward(net, inputs, -1, GF_TRAIN), GF_ERROR_ARGUMENT, "batch -1", "1 to 4");
    EXPECT(BUILT, gf_net_forward(net, inputs, 5, GF_TRAIN), GF_ERROR_ARGUMENT, "batch 5", "set in gf_net_create");
    EXPECT(BUILT, gf_net_forward(net, inputs, 2147483647, GF_EVAL), GF_ERROR_ARGUMENT, "batch 2147483647", "1 to 4");
    EXPECT(BUILT, gf_net_forward(net, inputs, 4, (gf_mode)9), GF_ERROR_ARGUMENT, "mode 9", "GF_TRAIN or GF_EVAL");
    EXPECT(BUILT, gf_net_forward(net, inputs, 4, (gf_mode)-1), GF_ERROR_ARGUMENT, "mode -1", "GF_TRAIN or GF_EVAL");
    EXPECT(BUILT, gf_net_backward(net), GF_ERROR_ORDER, "gf_net_backward", "gf_net_forward; call that");
    EXPECT(FORWARDED, gf_net_backward(net), GF_ERROR_ORDER, "gf_net_backward", "a loss");
    EXPECT(BACKWARDED, (gf_net_forward(net, inputs, 2, GF_EVAL), gf_net_backward(net)), GF_ERROR_ORDER,
           "gf_net_backward", "a loss");
    EXPECT(LOSS, gf_net_grad_norm(net), GF_ERROR_ORDER, "gf_net_grad_norm", "gf_net_backward");
    EXPECT(LOSS, gf_net_clip_grad_norm(net, 1), GF_ERROR_ORDER, "gf_net_grad_norm", "gf_net_backward");
    EXPECT(BACKWARDED, gf_net_clip_grad_norm(net, 0), GF_ERROR_ARGUMENT, "max_norm is 0", "more than 0");
    EXPECT(BACKWARDED, gf_net_clip_grad_norm(net, -1), GF_ERROR_ARGUMENT, "max_norm is -1", "more than 0");
    EXPECT(BACKWARDED, gf_net_clip_grad_norm(net, NAN), GF_ERROR_ARGUMENT, "max_norm is nan", "more than 0");
    EXPECT(BUILT, gf_net_predict(net, NULL, NULL), GF_ERROR_ARGUMENT, "x is NULL", "needs data");
    EXPECT(BUILT, gf_net_predict(net, nan_input, NULL), GF_ERROR_NONFINITE, "in input", "check the sample");
    EXPECT(BUILT, (gf_net_describe(net).params[20] = NAN, gf_net_predict(net, inputs, NULL)), GF_ERROR_NONFINITE, "in dense2",
           "weights");
    EXPECT(BACKWARDED, (gf_loss_mse(net, none), gf_net_predict(net, inputs, NULL)), GF_ERROR_ORDER, "gf_loss_mse",
           "gf_net_forward(net, x, 1, GF_EVAL)");
    // A refused forward leaves nothing of the step before for backward to take up.
    EXPECT(BACKWARDED, (gf_net_forward(net, inputs, 9, GF_TRAIN), gf_net_clear_error(net), gf_net_backward(net),
                        gf_net_forward(net, NULL, 1, GF_TRAIN)), GF_ERROR_ARGUMENT, "x is NULL", "needs data");
}

static double nan_loss(const gf_real *y, gf_real *dy, int B, int K, void *user) {
    (void)user;
    for (int i = 0; i < B * K; i++) dy[i] = (gf_real)NAN * y[i];
    return NAN;
}

static void bad_losses(void) {
    static const int too_large[4] = {0, 2, 0, 0}, negative[4] = {0, 1, -1, 0}, least[4] = {-2147483647 - 1, 0, 0, 0};
    static const gf_real outside[8] = {0, 1, 0, 1, 1, 1.5f, 0, 0}, unknown[8] = {0, 1, 0, NAN, 1, 1, 0, 0};
    static const gf_real below[8] = {-0.25f, 1, 0, 0, 1, 1, 0, 0}, infinite[8] = {0, INFINITY, 0, 0, 1, 1, 0, 0};
    TEST("errors: losses");
    EXPECT(NEW, gf_loss_cross_entropy(net, labels), GF_ERROR_ORDER, "gf_loss_cross_entropy", "gf_net_build");
    EXPECT(BUILT, gf_loss_cross_entropy(net, labels), GF_ERROR_ORDER, "gf_loss_cross_entropy", "gf_net_forward");
    EXPECT(BUILT, gf_loss_bce(net, inputs), GF_ERROR_ORDER, "gf_loss_bce", "gf_net_forward");
    EXPECT(BUILT, gf_loss_mse(net, inputs), GF_ERROR_ORDER, "gf_loss_mse", "gf_net_forward");
    static const gf_custom_loss empty = {NULL, NULL}, unknown_loss = {nan_loss, NULL};
    EXPECT(BUILT, gf_loss_custom(net, &empty), GF_ERROR_ORDER, "gf_loss_custom", "gf_net_forward");
    EXPECT(FORWARDED, gf_loss_custom(net, NULL), GF_ERROR_ARGUMENT, "gf_loss_custom: loss or", "needs a function");
    EXPECT(FORWARDED, gf_loss_custom(net, &empty), GF_ERROR_ARGUMENT, "loss->function is NULL", "fills ∂L/∂y");
    EXPECT(FORWARDED, (gf_loss_custom(net, &unknown_loss), gf_net_backward(net), gf_optim_step(&sgd, net)),
           GF_ERROR_NONFINITE, "in loss", "lower the learning rate");
    EXPECT(FORWARDED, gf_loss_cross_entropy(net, NULL), GF_ERROR_ARGUMENT, "labels is NULL", "one class for each");
    EXPECT(FORWARDED, gf_loss_cross_entropy(net, too_large), GF_ERROR_ARGUMENT, "label 2 of sample 1", "classes 0..1");
    EXPECT(FORWARDED, gf_loss_cross_entropy(net, negative), GF_ERROR_ARGUMENT, "label -1 of sample 2", "classes 0..1");
    EXPECT(FORWARDED, gf_loss_cross_entropy(net, least), GF_ERROR_ARGUMENT, "label -2147483648", "array of int");
    gf_net *one = gf_net_create(gf_vector(3), 4, 1);
    gf_net_dense(one, 1), gf_net_build(one), gf_net_forward(one, inputs, 4, GF_TRAIN), gf_loss_cross_entropy(one, labels);
    expect_error("cross entropy of one output", one, GF_ERROR_SHAPE, "has 1 output", "gf_loss_bce");
    gf_net_clear_error(one), gf_net_predict(one, inputs, NULL);
    expect_error("predict by one output and no loss", one, GF_ERROR_ORDER, "no loss yet", "gf_net_forward");
    gf_net_free(one);
    EXPECT(FORWARDED, gf_loss_bce(net, NULL), GF_ERROR_ARGUMENT, "targets is NULL", "one for each output");
    EXPECT(FORWARDED, gf_loss_bce(net, outside), GF_ERROR_ARGUMENT, "target 5 is 1.5", "0 to 1");
    EXPECT(FORWARDED, gf_loss_bce(net, below), GF_ERROR_ARGUMENT, "target 0 is -0.25", "0 to 1");
    EXPECT(FORWARDED, gf_loss_bce(net, unknown), GF_ERROR_ARGUMENT, "target 3 is nan", "0 to 1");
    EXPECT(FORWARDED, gf_loss_bce(net, infinite), GF_ERROR_ARGUMENT, "target 1 is inf", "0 to 1");
    EXPECT(FORWARDED, gf_loss_mse(net, NULL), GF_ERROR_ARGUMENT, "targets is NULL", "one for each output");
}

static gf_optim_config config_of(double weight_decay, double momentum, double beta1, double beta2, double eps) {
    gf_optim_config config = gf_adam(0.1);
    config.weight_decay = weight_decay, config.momentum = momentum;
    config.beta1 = beta1, config.beta2 = beta2, config.eps = eps;
    return config;
}

static gf_optim_config config_kind(int kind) {
    gf_optim_config config = gf_sgd(0.1);
    config.kind = (gf_optim_kind)kind;
    return config;
}

static gf_optim_config config_nesterov(void) {
    gf_optim_config config = gf_sgd(0.1);
    config.nesterov = 1;
    return config;
}

#define EXPECT_OPTIM(config, found, hint) \
    EXPECT(BUILT, gf_optim_init(&sgd, net, config), GF_ERROR_ARGUMENT, found, hint)

static void bad_optimisers(void) {
    TEST("errors: optimisers and schedules");
    EXPECT(NEW, gf_optim_init(&sgd, net, gf_sgd(0.1)), GF_ERROR_ORDER, "gf_optim_init", "gf_net_build; call that");
    EXPECT(BUILT, gf_optim_init(NULL, net, gf_sgd(0.1)), GF_ERROR_ARGUMENT, "optim is NULL", "address of a gf_optim");
    EXPECT_OPTIM(gf_sgd(-1), "lr is -1", "0 or more");
    EXPECT_OPTIM(gf_adam(0), "lr is 0", "above 0");
    EXPECT_OPTIM(gf_adam(NAN), "lr is nan", "0 or more");
    EXPECT_OPTIM(gf_adam(INFINITY), "lr is inf", "0 or more");
    EXPECT_OPTIM(config_of(-2, 0, 0.9, 0.999, 1e-8), "weight_decay is -2", "0 or more");
    EXPECT_OPTIM(config_of(NAN, 0, 0.9, 0.999, 1e-8), "weight_decay is nan", "0 or more");
    EXPECT_OPTIM(config_of(INFINITY, 0, 0.9, 0.999, 1e-8), "weight_decay is inf", "0 or more");
    gf_net *sound = net_at(BUILT);
    CHECK(gf_optim_init(&sgd, sound, config_of(DBL_MAX, DBL_MAX, 0, 0, DBL_MAX)) == GF_OK);  // silly, but numbers
    gf_optim_free(&sgd), gf_net_free(sound);
    EXPECT_OPTIM(config_of(0, -0.5, 0.9, 0.999, 1e-8), "momentum is -0.5", "0 or more");
    EXPECT_OPTIM(config_of(0, INFINITY, 0.9, 0.999, 1e-8), "momentum is inf", "0 or more");
    EXPECT_OPTIM(config_of(0, 0, 1, 0.999, 1e-8), "beta1 is 1", "below 1");
    EXPECT_OPTIM(config_of(0, 0, -0.1, 0.999, 1e-8), "beta1 is -0.1", "0 or more");
    EXPECT_OPTIM(config_of(0, 0, 0.9, 1, 1e-8), "beta2 is 1", "below 1");
    EXPECT_OPTIM(config_of(0, 0, 0.9, NAN, 1e-8), "beta2 is nan", "below 1");
    EXPECT_OPTIM(config_of(0, 0, 0.9, 0.999, -1), "eps is -1", "0 or more");
    EXPECT_OPTIM(config_of(0, 0, 0.9, 0.999, NAN), "eps is nan", "0 or more");
    EXPECT_OPTIM(config_of(0, 0, 0.9, 0.999, INFINITY), "eps is inf", "0 or more");
    EXPECT_OPTIM(config_nesterov(), "nesterov without momentum", "such as 0.9");
    EXPECT_OPTIM(config_kind(GF_OPTIM_COUNT), "kind 4", "gf_optim_kind");
    EXPECT_OPTIM(config_kind(-1), "kind -1", "gf_optim_kind");
    EXPECT(BUILT, gf_optim_step(&sgd, net), GF_ERROR_ORDER, "gf_optim_step", "gf_net_forward; call that");
    EXPECT(LOSS, gf_optim_step(&sgd, net), GF_ERROR_ORDER, "gf_optim_step", "gf_net_backward");
    EXPECT(BACKWARDED, (gf_optim_step(&sgd, net), gf_optim_step(&sgd, net)), GF_ERROR_ORDER, "has taken", "backward");
    EXPECT(BACKWARDED, gf_optim_step(NULL, net), GF_ERROR_ORDER, "0 parameters", "gf_optim_init");
    EXPECT(BACKWARDED, (sgd.size = 3, gf_optim_step(&sgd, net)), GF_ERROR_ORDER, "3 parameters", "gf_optim_init");
    EXPECT(BACKWARDED, (sgd.config.lr = NAN, gf_optim_step(&sgd, net)), GF_ERROR_ARGUMENT, "lr is nan", "0 or more");
    EXPECT(BACKWARDED, (sgd.config.kind = GF_ADAM, gf_optim_step(&sgd, net)), GF_ERROR_ORDER, "adam",
           "before gf_optim_init");
    EXPECT(BACKWARDED, (sgd.config.kind = GF_RMSPROP, gf_optim_step(&sgd, net)), GF_ERROR_ORDER, "rmsprop",
           "before gf_optim_init");
    EXPECT(BACKWARDED, (sgd.config.momentum = 0.9, gf_optim_step(&sgd, net)), GF_ERROR_ORDER, "momentum 0.9",
           "before gf_optim_init");
    EXPECT(BACKWARDED, (gf_optim_step(&sgd, net), gf_net_clip_grad_norm(net, 1), gf_optim_step(&sgd, net)), GF_ERROR_ORDER,
           "has taken", "backward");
    EXPECT(BACKWARDED, (gf_net_describe(net).grads[3] = -NAN, gf_optim_step(&sgd, net)), GF_ERROR_NONFINITE, "norm is nan",
           "lower the learning rate");
    REFUSED(isnan(gf_lr_step(1, 3, 0, 0.5)), "every 0", "1 or more");
    REFUSED(isnan(gf_lr_step(1, -3, 2, 0.5)), "epoch -3", "0 or more");
    REFUSED(isnan(gf_lr_cosine(1, 0, 3, 0)), "step 3 of 0", "1 or more");
    REFUSED(isnan(gf_lr_cosine(1, 0, -3, 5)), "step -3", "0 or more");
}

static void bad_queries(void) {
    double map[64];
    char text[16];
    TEST("errors: tensors, instruments and kernels");
    EXPECT(NEW, gf_net_tensor(net, "dense1.weight"), GF_ERROR_ORDER, "gf_net_tensor", "gf_net_build; call that");
    EXPECT(NEW, gf_net_tensor_at(net, 0), GF_ERROR_ORDER, "gf_net_tensor_at", "gf_net_build; call that");
    EXPECT(BUILT, gf_net_tensor(net, "dense9.weight"), GF_ERROR_NOT_FOUND, "\"dense9.weight\"",
           "dense1.weight, dense1.bias, dense2.weight, dense2.bias");
    EXPECT(BUILT, gf_net_tensor(net, ""), GF_ERROR_NOT_FOUND, "\"\"", "there are dense1.weight");
    EXPECT(BUILT, gf_net_tensor(net, NULL), GF_ERROR_NOT_FOUND, "NULL", "there are dense1.weight");
    EXPECT(BUILT, gf_net_tensor_at(net, -1), GF_ERROR_ARGUMENT, "index -1", "0..3");
    EXPECT(BUILT, gf_net_tensor_at(net, 4), GF_ERROR_ARGUMENT, "index 4", "0..3");
    EXPECT(LOSS, gf_net_measure(net), GF_ERROR_ORDER, "gf_net_measure", "gf_net_backward");
    EXPECT(BACKWARDED, gf_net_measure(net), GF_ERROR_ORDER, "no instruments", "gf_net_set_probe before gf_net_build");
    EXPECT(BACKWARDED, gf_net_verdict(net, NULL, 16), GF_ERROR_ARGUMENT, "text is NULL", "needs room");
    EXPECT(BACKWARDED, gf_net_verdict(net, text, 0), GF_ERROR_ARGUMENT, "size 0", "needs room");
    EXPECT(BACKWARDED, gf_net_verdict(net, text, sizeof text), GF_ERROR_ORDER, "gf_net_verdict",
           "gf_net_measure with GF_PROBE_GRADIENTS");
    EXPECT(LOSS, gf_net_gradient_map(net, 0, map), GF_ERROR_ORDER, "gf_net_gradient_map", "gf_net_backward");
    EXPECT(BACKWARDED, gf_net_gradient_map(net, -1, map), GF_ERROR_ARGUMENT, "layer -1", "0 to 2");
    EXPECT(BACKWARDED, gf_net_gradient_map(net, 3, map), GF_ERROR_ARGUMENT, "layer 3", "0 to 2");
    EXPECT(BACKWARDED, gf_net_gradient_map(net, 0, NULL), GF_ERROR_ARGUMENT, "map NULL", "room for its pixels");
    EXPECT(BUILT, gf_net_set_backend(net, "abacus"), GF_ERROR_NOT_FOUND, "\"abacus\"", "plain is always there");
    EXPECT(BUILT, gf_net_set_backend(net, NULL), GF_ERROR_NOT_FOUND, "NULL", "plain is always there");
    gf_net *deep = net_from_words("dense:4 dense:4 dense:4 dense:4 dense:4 dense:4 dense:4", 3, 4, 1);
    gf_net_tensor(deep, "dense9.weight");
    expect_error("a list too long", deep, GF_ERROR_NOT_FOUND, "dense1.weight, dense1.bias, dense2", ", …");
    gf_net_free(deep);
}

static void bad_layer_queries(void) {
    gf_net *net = net_at(BUILT);
    TEST("errors: questions about layers are refused without an error of the net");
    REFUSED(!gf_net_layer(net, -1).name, "layer -1", "0 to 2");
    REFUSED(!gf_net_layer(net, 3).name, "layer 3", "0 to 2");
    REFUSED(net_shape_size(gf_net_layer(net, 3).shape) == 0, "layer 3", "0 to 2");
    REFUSED(net_shape_size(gf_net_layer(net, -2147483647).shape) == 0, "layer -2147483647", "0 to 2");
    REFUSED(!gf_net_layer(net, 99).output, "layer 99", "0 to 2");
    ANSWERS(!gf_net_layer(net, 0).output && !gf_net_layer(net, 0).grad);
    REFUSED(!gf_net_layer(net, -1).grad, "layer -1", "0 to 2");
    REFUSED(!gf_net_probe(net, 1), "without probes", "gf_net_set_probe before gf_net_build");
    ANSWERS(!gf_net_describe(net).input_grad && gf_net_correct(net) == 0 && gf_net_describe(net).batch == 0);
    CHECK(gf_net_status(net) == GF_OK);
    gf_net_free(net);
    net = gf_net_create(gf_vector(3), 4, 1);
    gf_net_dense(net, 4), gf_net_act(net, GF_ACT_RELU), gf_net_dense(net, 2);
    gf_net_set_probe(net, GF_PROBE_ALL), gf_net_build(net);
    REFUSED(!gf_net_probe(net, 0), "layer 0", "1 to 2");
    REFUSED(!gf_net_probe(net, 3), "layer 3", "1 to 2");
    gf_net_free(net);
}

static void bad_records(void) {
    gf_layer_probe probe;
    gf_real x[3] = {1, 2, 3}, scratch[3];
    size_t count[5] = {0};
    gf_histogram histogram = {-1, 1, 1, 5, count, 0, 0};
    gf_net *two = net_from_words("dense:4 tanh dense:2", 3, 4, 1);
    memset(&probe, 0, sizeof probe);
    TEST("errors: recorders, probe fields, percentiles and histograms");
    gf_net *probed = net_at(NEW), *bare = gf_net_create(gf_vector(3), 4, 1);
    gf_net_set_probe(probed, GF_PROBE_ALL), gf_net_build(probed);
    gf_net_dense(bare, 4), gf_net_build(bare);
    gf_net_free(probed), gf_net_free(bare);
    REFUSED(isnan(gf_percentile_abs(NULL, 3, 50, scratch)), "x is NULL", "two arrays");
    REFUSED(isnan(gf_percentile_abs(x, 3, 50, NULL)), "scratch NULL", "two arrays");
    REFUSED(isnan(gf_percentile_abs(x, 0, 50, scratch)), "n 0", "at least 1");
    REFUSED(isnan(gf_percentile_abs(x, 3, -1, scratch)), "p -1", "0 to 100");
    REFUSED(isnan(gf_percentile_abs(x, 3, 100.5, scratch)), "p 100.5", "0 to 100");
    REFUSED(isnan(gf_percentile_abs(x, 3, NAN, scratch)), "p nan", "0 to 100");
    REFUSED(gf_histogram_add(NULL, x, 3) == GF_ERROR_ARGUMENT, "histogram is NULL", "pass a gf_histogram");
    REFUSED(gf_histogram_add(&histogram, NULL, 3) == GF_ERROR_ARGUMENT, "x is NULL", "needs data");
    REFUSED((histogram.bins = 4, gf_histogram_add(&histogram, x, 3)) == GF_ERROR_ARGUMENT, "bins 4", "bins = 2");
    REFUSED((histogram.high = -1, gf_histogram_add(&histogram, x, 3)) == GF_ERROR_ARGUMENT, "high -1", "low < high");
    REFUSED((histogram.low = histogram.high = 0, histogram.bins = 1, gf_histogram_add(&histogram, x, 3)) ==
            GF_ERROR_ARGUMENT, "high 0", "low < high");
    REFUSED((histogram.low = -2147483647, histogram.high = 2147483647, gf_histogram_add(&histogram, x, 3)) ==
            GF_ERROR_ARGUMENT, "low -2147483647", "bins = 2");
    REFUSED((histogram.low = -1, histogram.high = 1, histogram.per_decade = 0, gf_histogram_add(&histogram, x, 3)) ==
            GF_ERROR_ARGUMENT, "per_decade 0", "bins = 2");
    REFUSED((histogram.count = NULL, gf_histogram_add(&histogram, x, 3)) == GF_ERROR_ARGUMENT, "count NULL",
            "count[bins]");
    ANSWERS(isnan(gf_stats_of(NULL, 3).l2) && gf_stats_of(NULL, 3).n == 0);
    ANSWERS(isnan(gf_stats_of(x, 0).mean));
    gf_net_free(two);
}

static void bad_checks(void) {
    gf_check check;
    memset(&check, 0, sizeof check);
    TEST("errors: gradient check");
    EXPECT(NEW, gf_grad_check(net, inputs, 2, GF_EVAL, GF_LOSS_CROSS_ENTROPY, labels, &check), GF_ERROR_ORDER,
           "gf_grad_check", "gf_net_build; call that");
    EXPECT(BUILT, gf_grad_check(net, NULL, 2, GF_EVAL, GF_LOSS_MSE, inputs, &check), GF_ERROR_ARGUMENT, "x is NULL",
           "needs all three");
    EXPECT(BUILT, gf_grad_check(net, inputs, 2, GF_EVAL, GF_LOSS_MSE, NULL, &check), GF_ERROR_ARGUMENT, "targets NULL",
           "needs all three");
    EXPECT(BUILT, gf_grad_check(net, inputs, 2, GF_EVAL, GF_LOSS_MSE, inputs, NULL), GF_ERROR_ARGUMENT, "check NULL",
           "needs all three");
    EXPECT(BUILT, gf_grad_check(net, inputs, 0, GF_EVAL, GF_LOSS_MSE, inputs, &check), GF_ERROR_ARGUMENT, "batch 0",
           "1 to 4");
    EXPECT(BUILT, gf_grad_check(net, inputs, 5, GF_EVAL, GF_LOSS_MSE, inputs, &check), GF_ERROR_ARGUMENT, "batch 5",
           "1 to 4");
    EXPECT(BUILT, gf_grad_check(net, inputs, 2, (gf_mode)5, GF_LOSS_MSE, inputs, &check), GF_ERROR_ARGUMENT, "mode 5",
           "GF_TRAIN or GF_EVAL");
    EXPECT(BUILT, gf_grad_check(net, inputs, 2, GF_EVAL, (gf_loss_kind)4, inputs, &check), GF_ERROR_ARGUMENT, "loss 4",
           "gf_loss_kind");
    EXPECT(BUILT, (check.step = -1, gf_grad_check(net, inputs, 2, GF_EVAL, GF_LOSS_MSE, inputs, &check)),
           GF_ERROR_ARGUMENT, "step is -1", "0 (the default) or more");
    EXPECT(BUILT, (check.step = NAN, gf_grad_check(net, inputs, 2, GF_EVAL, GF_LOSS_MSE, inputs, &check)),
           GF_ERROR_ARGUMENT, "step is nan", "0 (the default) or more");
    EXPECT(BUILT, (check.step = INFINITY, gf_grad_check(net, inputs, 2, GF_EVAL, GF_LOSS_MSE, inputs, &check)),
           GF_ERROR_ARGUMENT, "step is inf", "0 (the default) or more");
    check.step = 0, check.max_per_tensor = -3;
    EXPECT(BUILT, gf_grad_check(net, inputs, 2, GF_EVAL, GF_LOSS_MSE, inputs, &check), GF_ERROR_ARGUMENT,
           "max_per_tensor -3", "0 (the default) or more");
}

static void bad_theory(void) {
    gf_act tanh_act = gf_act_default(GF_ACT_TANH);
    gf_theory_layer layer = gf_theory_affine(4, 4, 4, gf_init_with(GF_INIT_DEFAULT, 1), gf_init_zero());
    TEST("errors: theory");
    REFUSED(isnan(gf_theory_q_next(tanh_act, -1, 1, 0)), "q is -1", "0 or more");
    REFUSED(isnan(gf_theory_chi(tanh_act, NAN, 1)), "q is nan", "0 or more");
    REFUSED(isnan(gf_theory_q_next(tanh_act, 1, -2, 0)), "weight_variance is -2", "0 or more");
    REFUSED(isnan(gf_theory_q_next(tanh_act, 1, 1, -3)), "bias_variance is -3", "0 or more");
    REFUSED(isnan(gf_theory_chi(tanh_act, 1, NAN)), "weight_variance is nan", "0 or more");
    REFUSED(isnan(gf_theory_fixed_point(tanh_act, -1, 0).q), "", "0 or more");
    REFUSED(isnan(gf_theory_fixed_point(tanh_act, 1, NAN).q), "", "0 or more");
    REFUSED(isnan(gf_theory_critical(tanh_act, -1)), "bias_variance is -1", "0 or more");
    REFUSED(isnan(gf_theory_critical(tanh_act, INFINITY)), "bias_variance is inf", "0 or more");
    REFUSED(isnan(gf_theory_q_next(gf_act_default(GF_ACT_CUSTOM), 1, 1, 0)), "custom", "two functions");
    REFUSED((gf_theory_affine(0, 4, 4, gf_init_with(GF_INIT_DEFAULT, 1), gf_init_zero()), 1), "fan_in 0", "at least 1");
    REFUSED((gf_theory_affine(4, -4, 4, gf_init_with(GF_INIT_DEFAULT, 1), gf_init_zero()), 1), "fan_out -4", "at least 1");
    REFUSED((gf_theory_affine(4, 4, 0, gf_init_with(GF_INIT_DEFAULT, 1), gf_init_zero()), 1), "width 0", "at least 1");
    REFUSED(gf_theory_profile(tanh_act, 1, NULL, 3) == GF_ERROR_ARGUMENT, "NULL", "1 or more");
    REFUSED(gf_theory_profile(tanh_act, 1, &layer, 0) == GF_ERROR_ARGUMENT, "0 layers", "1 or more");
    REFUSED(gf_theory_profile(tanh_act, 1, &layer, -1) == GF_ERROR_ARGUMENT, "-1 layers", "1 or more");
    REFUSED(gf_theory_profile(tanh_act, -1, &layer, 1) == GF_ERROR_ARGUMENT, "is -1", "0 or more");
    REFUSED(gf_theory_profile(tanh_act, NAN, &layer, 1) == GF_ERROR_ARGUMENT, "is nan", "0 or more");
    REFUSED(gf_theory_profile(tanh_act, INFINITY, &layer, 1) == GF_ERROR_ARGUMENT, "is inf", "0 or more");
    REFUSED((layer.width = 0, gf_theory_profile(tanh_act, 1, &layer, 1)) == GF_ERROR_ARGUMENT, "width 0", "1 or more");
    REFUSED((layer.width = 1, layer.weight_variance = NAN, gf_theory_profile(tanh_act, 1, &layer, 1)) ==
            GF_ERROR_ARGUMENT, "variances nan", "finite");
    REFUSED((layer.weight_variance = 1, layer.bias_variance = -1, gf_theory_profile(tanh_act, 1, &layer, 1)) ==
            GF_ERROR_ARGUMENT, "-1", "finite variances of 0 or more");
    REFUSED((layer.bias_variance = INFINITY, gf_theory_profile(tanh_act, 1, &layer, 1)) == GF_ERROR_ARGUMENT,
            "variances 1, inf", "finite variances");
    REFUSED((layer.weight_variance = INFINITY, layer.bias_variance = 0, gf_theory_profile(tanh_act, 1, &layer, 1)) ==
            GF_ERROR_ARGUMENT, "variances inf, 0", "finite variances");
}

// What has no net to keep its error in.
static void bad_values(void) {
    gf_act act = act_of(GF_ACT_ELU, 7);
    gf_real w[4];
    TEST("errors: names, fills and activation functions");
    REFUSED(!gf_act_from_name("softmax", &act), "\"softmax\"", "part of gf_loss_cross_entropy");
    REFUSED(!gf_act_from_name("rely", &act), "\"rely\"", "relu leaky_relu");
    REFUSED(!gf_act_from_name("elu_x", &act), "\"elu_x\"", "leaky_relu_0.2");
    REFUSED(!gf_act_from_name(NULL, &act), "gf_act_from_name", "name is NULL");
    REFUSED(!gf_act_from_name("relu", NULL), "gf_act_from_name", "out is NULL");
    CHECK(act.kind == GF_ACT_ELU && act.param == 7);
    CHECK(gf_act_from_name("ReLU", &act) && act.kind == GF_ACT_RELU && gf_act_from_name("GELU_Tanh", &act) &&
          act.kind == GF_ACT_GELU_TANH);
    REFUSED(isnan(gf_act_value(gf_act_default((gf_act_kind)99), 1)), "kind 99 is no activation", "gf_act_kind");
    REFUSED(isnan(gf_act_derivative(gf_act_custom("half", one, NULL), 1)), "lacks a function", "two functions");
    ANSWERS(!strcmp(gf_act_default((gf_act_kind)-1).name, "?") &&
            !strcmp(gf_act_describe(gf_act_default(GF_ACT_COUNT)).name, "?"));
    w[0] = 5;
    gf_act_forward(gf_act_default(GF_ACT_TANH), NULL, w, 4), gf_act_forward(gf_act_default(GF_ACT_TANH), w, NULL, 4);
    gf_act_backward(gf_act_default(GF_ACT_TANH), NULL, w, w, 4), gf_act_backward(gf_act_default(GF_ACT_TANH), w, NULL,
                    w, 4);
    gf_act_backward(gf_act_default(GF_ACT_TANH), w, w, NULL, 4);
    ANSWERS(w[0] == 5);
}

static void bad_arrays(void) {
    static const gf_real x[6] = {1, 2, 3, 4, 5, 6}, unknown[6] = {1, 2, NAN, 4, 5, 6};
    static const int classes[2] = {0, 2}, negative[2] = {-1, 0};
    gf_dataset data;
    TEST("errors: data from arrays and drawn data");
#define ARRAYS(call, status, found, hint) REFUSED(gf_data_from_arrays call == status && !data.values, found, hint)
    REFUSED(gf_data_from_arrays(NULL, gf_vector(3), 2, x, labels, 2, NULL, 0) == GF_ERROR_ARGUMENT, "data", "NULL");
    ARRAYS((&data, gf_vector(3), 2, NULL, labels, 2, NULL, 0), GF_ERROR_ARGUMENT, "x is NULL", "must point");
    ARRAYS((&data, gf_vector(3), 2, x, NULL, 2, NULL, 0), GF_ERROR_ARGUMENT, "both NULL", "give one");
    ARRAYS((&data, gf_vector(3), 2, x, labels, 2, x, 1), GF_ERROR_ARGUMENT, "both there", "give one");
    ARRAYS((&data, gf_vector(3), 2, x, labels, 1, NULL, 0), GF_ERROR_ARGUMENT, "classes is 1", "at least 2");
    ARRAYS((&data, gf_vector(3), 2, x, NULL, 0, x, 0), GF_ERROR_ARGUMENT, "outputs is 0", "at least 1");
    ARRAYS((&data, gf_vector(3), 2, x, NULL, 0, x, -2), GF_ERROR_ARGUMENT, "outputs is -2", "at least 1");
    ARRAYS((&data, gf_vector(3), 2, x, classes, 2, NULL, 0), GF_ERROR_ARGUMENT, "labels[1] is 2", "0..1");
    ARRAYS((&data, gf_vector(3), 2, x, negative, 2, NULL, 0), GF_ERROR_ARGUMENT, "labels[0] is -1", "0..1");
    ARRAYS((&data, gf_vector(3), 2, unknown, labels, 2, NULL, 0), GF_ERROR_ARGUMENT, "x[2] is nan", "finite");
    ARRAYS((&data, gf_vector(3), 2, x, NULL, 0, unknown, 3), GF_ERROR_ARGUMENT, "targets[2] is nan", "finite");
    ARRAYS((&data, gf_vector(0), 2, x, labels, 2, NULL, 0), GF_ERROR_SHAPE, "0x1x1", "at least 1");
    ARRAYS((&data, gf_image(3, -1, 1), 2, x, labels, 2, NULL, 0), GF_ERROR_SHAPE, "3x-1x1", "at least 1");
    ARRAYS((&data, gf_vector(3), 0, x, labels, 2, NULL, 0), GF_ERROR_ARGUMENT, "count is 0", "at least one");
    ARRAYS((&data, gf_vector(3), SIZE_MAX / 2, x, NULL, 0, x, 1), GF_ERROR_MEMORY, "samples of 3", "take fewer");
    ARRAYS((&data, gf_vector(1), SIZE_MAX / 2, x, NULL, 0, x, 3), GF_ERROR_MEMORY, "samples of 1", "take fewer");
#undef ARRAYS
    REFUSED(gf_data_xor(NULL, 5, 0, 0, 1) == GF_ERROR_ARGUMENT, "gf_data_xor: data is NULL", "must point");
    REFUSED(gf_data_xor(&data, 0, 0, 0, 1) == GF_ERROR_ARGUMENT, "count is 0", "at least one");
    REFUSED(gf_data_xor(&data, 5, -1, 0, 1) == GF_ERROR_ARGUMENT, "noise is -1", "at most 1e30");
    REFUSED(gf_data_xor(&data, 5, NAN, 0, 1) == GF_ERROR_ARGUMENT, "noise is nan", "at most 1e30");
    REFUSED(gf_data_xor(&data, 5, INFINITY, 0, 1) == GF_ERROR_ARGUMENT, "noise is inf", "at most 1e30");
    REFUSED(gf_data_xor(&data, 5, 1e39, 0, 1) == GF_ERROR_ARGUMENT, "noise is 1e+39", "at most 1e30");
}

static void bad_files(void) {
    gf_dataset data;
    char longest[3000];
    memset(longest, 'x', sizeof longest - 1), longest[sizeof longest - 1] = '\0';
    TEST("errors: the names of data files");
    REFUSED(gf_data_idx(NULL, "a", "b") == GF_ERROR_ARGUMENT, "gf_data_idx: data is NULL", "must point");
    REFUSED(gf_data_idx(&data, NULL, "b") == GF_ERROR_ARGUMENT, "images is NULL", "must point");
    REFUSED(gf_data_idx(&data, "a", NULL) == GF_ERROR_ARGUMENT, "labels is NULL", "must point");
    REFUSED(gf_data_idx(&data, "no/such", "b") == GF_ERROR_IO, "no/such", "No such file");
    REFUSED(gf_data_idx(&data, longest, "b") == GF_ERROR_IO, "xxxx", "cannot be opened");
    REFUSED(gf_data_mnist(NULL, "a", 0) == GF_ERROR_ARGUMENT, "data is NULL", "must point");
    REFUSED(gf_data_mnist(&data, NULL, 0) == GF_ERROR_ARGUMENT, "folder is NULL", "must point");
    REFUSED(gf_data_mnist(&data, "no/such", 1) == GF_ERROR_IO, "no/such/t10k", "data_fetch.sh mnist");
    REFUSED(gf_data_mnist(&data, longest, 1) == GF_ERROR_ARGUMENT, "xxxx", "longer than");
    REFUSED(gf_data_cifar10(NULL, "a", 0) == GF_ERROR_ARGUMENT, "data is NULL", "must point");
    REFUSED(gf_data_cifar10(&data, NULL, 0) == GF_ERROR_ARGUMENT, "folder is NULL", "must point");
    REFUSED(gf_data_cifar10(&data, "no/such", 1) == GF_ERROR_IO, "no/such/test_batch.bin", "data_fetch.sh cifar10");
    REFUSED(gf_data_cifar10(&data, longest, 0) == GF_ERROR_ARGUMENT, "xxxx", "longer than");
    REFUSED(gf_data_csv(NULL, "a", 2) == GF_ERROR_ARGUMENT, "data is NULL", "must point");
    REFUSED(gf_data_csv(&data, NULL, 2) == GF_ERROR_ARGUMENT, "path is NULL", "must point");
    REFUSED(gf_data_csv(&data, "no/such", 2) == GF_ERROR_IO, "no/such", "check its name");
    REFUSED(gf_data_csv(&data, "a", 1) == GF_ERROR_ARGUMENT, "classes is 1", "2 or more, or 0");
    REFUSED(gf_data_csv(&data, "a", -1) == GF_ERROR_ARGUMENT, "classes is -1", "2 or more, or 0");
    REFUSED(gf_data_csv_as(NULL, "a", NULL) == GF_ERROR_ARGUMENT, "data is NULL", "must point");
    REFUSED(gf_data_csv_as(&data, NULL, NULL) == GF_ERROR_ARGUMENT, "path is NULL", "must point");
    REFUSED(gf_data_csv_as(&data, "no/such", NULL) == GF_ERROR_IO, "no/such", "check its name");
    REFUSED(gf_data_summary(NULL, longest, 9) == GF_ERROR_ARGUMENT, "gf_data_summary: data is NULL", "must point");
    REFUSED(gf_data_csv(&data, ".", 2) == GF_ERROR_IO, ".", "regular file");
    gf_data_free(NULL);
}

// A set of 4 samples of 3 values with labels, its fields free to be spoilt.
static gf_dataset *sound_set(gf_dataset *data) {
    static gf_real x[12];
    static int four[4];
    memcpy(x, inputs, sizeof x), memcpy(four, labels, sizeof four);
    memset(data, 0, sizeof *data);
    data->shape = gf_vector(3), data->count = 4, data->classes = 2, data->values = x, data->labels = four;
    for (int c = 0; c < 4; c++) data->std[c] = 1;
    return data;
}

static void bad_sets(void) {
    static const double zero[4] = {0, 0, 0, 0}, unit[4] = {1, 1, 1, 1}, unknown[4] = {NAN, 0, 0, 0};
    static const double minus[4] = {-1, 1, 1, 1}, infinite[4] = {INFINITY, 1, 1, 1};
    gf_dataset data, other, empty, first, rest;
    gf_real x[3];
    memset(&empty, 0, sizeof empty), sound_set(&data), sound_set(&other);
    TEST("errors: normalising, splitting and reading a data set");
    REFUSED(gf_data_normalize(NULL, zero, unit, 1) == GF_ERROR_ARGUMENT, "data is NULL", "must point");
    REFUSED(gf_data_normalize(&data, NULL, unit, 1) == GF_ERROR_ARGUMENT, "mean is NULL", "must point");
    REFUSED(gf_data_normalize(&data, zero, NULL, 1) == GF_ERROR_ARGUMENT, "std is NULL", "must point");
    REFUSED(gf_data_normalize(&data, zero, unit, 0) == GF_ERROR_ARGUMENT, "channels is 0", "the data have 3");
    REFUSED(gf_data_normalize(&data, zero, unit, 2) == GF_ERROR_ARGUMENT, "channels is 2", "or as many");
    REFUSED(gf_data_normalize(&data, zero, unit, -1) == GF_ERROR_ARGUMENT, "channels is -1", "or as many");
    gf_dataset wide = data;  // five features: only one mean for all
    wide.shape = gf_vector(5);
    REFUSED(gf_data_normalize(&wide, zero, unit, 5) == GF_ERROR_ARGUMENT, "channels is 5", "expected 1 (for all)");
    CHECK(strstr(gf_last_error(), "as many") == NULL);
    REFUSED(gf_data_normalize(&data, unknown, unit, 1) == GF_ERROR_ARGUMENT, "mean nan", "std above 0");
    REFUSED(gf_data_normalize(&data, zero, zero, 1) == GF_ERROR_ARGUMENT, "std 0", "std above 0");
    REFUSED(gf_data_normalize(&data, zero, minus, 1) == GF_ERROR_ARGUMENT, "std -1", "std above 0");
    REFUSED(gf_data_normalize(&data, zero, infinite, 1) == GF_ERROR_ARGUMENT, "std inf", "std above 0");
    REFUSED(gf_data_standardize(NULL, NULL) == GF_ERROR_ARGUMENT, "data is NULL", "must point");
    REFUSED(gf_data_standardize(&data, &empty) == GF_ERROR_ARGUMENT, "empty", "load or make it first");
    REFUSED((other.shape = gf_vector(2), gf_data_standardize(&data, &other)) == GF_ERROR_ARGUMENT, "shape",
            "gf_data_normalize");
    REFUSED(gf_data_split(NULL, 0.5, 1, &first, &rest) == GF_ERROR_ARGUMENT, "is NULL", "must point");
    REFUSED(gf_data_split(&data, 0.5, 1, NULL, &rest) == GF_ERROR_ARGUMENT, "first is NULL", "must point");
    REFUSED(gf_data_split(&data, 0.5, 1, &first, &first) == GF_ERROR_ARGUMENT, "gf_data_split", "must be three");
    REFUSED(gf_data_split(&data, 0.5, 1, &data, &rest) == GF_ERROR_ARGUMENT, "gf_data_split", "must be three");
    REFUSED(gf_data_split(&data, 0.5, 1, &first, &data) == GF_ERROR_ARGUMENT, "gf_data_split", "must be three");
#if SIZE_MAX > 0xFFFFFFFF
    REFUSED((wide.shape = data.shape, wide.count = (size_t)1 << 40, gf_data_split(&wide, 0.5, 1, &first, &rest)) ==
            GF_ERROR_ARGUMENT, "1099511627776 samples", "2^32 - 1");
#endif
    REFUSED(gf_data_split(&data, 0, 1, &first, &rest) == GF_ERROR_ARGUMENT, "share 0", "between 0 and 1");
    REFUSED(gf_data_split(&data, 1, 1, &first, &rest) == GF_ERROR_ARGUMENT, "share 1", "between 0 and 1");
    REFUSED(gf_data_split(&data, NAN, 1, &first, &rest) == GF_ERROR_ARGUMENT, "share nan", "between 0 and 1");
    REFUSED(gf_data_split(&data, -3, 1, &first, &rest) == GF_ERROR_ARGUMENT, "share -3", "between 0 and 1");
    REFUSED(gf_data_split(&empty, 0.5, 1, &first, &rest) == GF_ERROR_ARGUMENT, "empty", "load or make it first");
    REFUSED(gf_data_sample(NULL, 0, x) == GF_ERROR_ARGUMENT, "data is NULL", "must point");
    REFUSED(gf_data_sample(&data, 4, x) == GF_ERROR_ARGUMENT, "index is 4", "0..3");
    REFUSED(gf_data_sample(&data, (size_t)-1, x) == GF_ERROR_ARGUMENT, sizeof(size_t) == 4 ? "is 4294967295" :
            "is 18446744073709551615", "0..3");
    REFUSED(gf_data_sample(&data, 0, NULL) == GF_ERROR_ARGUMENT, "x is NULL", "must point");
    REFUSED((data.std[1] = 0, gf_data_sample(&data, 0, x)) == GF_ERROR_ARGUMENT, "std 0", "std above 0");
    REFUSED((data.std[1] = INFINITY, gf_data_sample(&data, 0, x)) == GF_ERROR_ARGUMENT, "std inf", "std above 0");
    REFUSED((data.mean[0] = NAN, gf_data_sample(&data, 0, x)) == GF_ERROR_ARGUMENT, "mean nan", "channel 0");
    REFUSED((data.shape.height = 0, gf_data_sample(&data, 0, x)) == GF_ERROR_ARGUMENT, "empty", "check the status");
    REFUSED((sound_set(&data)->values = NULL, gf_data_sample(&data, 0, x)) == GF_ERROR_ARGUMENT, "empty",
            "check the status");
}

static void bad_batches(void) {
    gf_dataset data, empty;
    gf_batches batches, none;
    memset(&empty, 0, sizeof empty), memset(&none, 0, sizeof none), sound_set(&data);
    TEST("errors: batches");
    REFUSED(gf_batches_init(NULL, &data, 2, 1, 0) == GF_ERROR_ARGUMENT, "batches is NULL", "must point");
    REFUSED(gf_batches_init(&batches, NULL, 2, 1, 0) == GF_ERROR_ARGUMENT, "data is NULL", "must point");
    REFUSED(gf_batches_init(&batches, &empty, 2, 1, 0) == GF_ERROR_ARGUMENT, "empty", "load or make it first");
    REFUSED(gf_batches_init(&batches, &data, 0, 1, 0) == GF_ERROR_ARGUMENT, "size is 0", "at least 1");
    REFUSED(gf_batches_init(&batches, &data, -8, 1, 0) == GF_ERROR_ARGUMENT, "size is -8", "at least 1");
    REFUSED(gf_batches_init(&batches, &data, 2, 1, 8) == GF_ERROR_ARGUMENT, "flags is 8", "GF_SHUFFLE, GF_FLIP");
    REFUSED(gf_batches_init(&batches, &data, 2, 1, -1) == GF_ERROR_ARGUMENT, "flags is -1", "GF_SHUFFLE, GF_FLIP");
    REFUSED(gf_batches_init(&batches, &data, 2, 1, GF_FLIP) == GF_ERROR_ARGUMENT, "vectors of 3", "for images");
    REFUSED(gf_batches_init(&batches, &data, 2, 1, GF_CROP) == GF_ERROR_ARGUMENT, "vectors of 3", "for images");
#if SIZE_MAX > 0xFFFFFFFF
    REFUSED((data.count = (size_t)1 << 40, gf_batches_init(&batches, &data, 2, 1, 0)) == GF_ERROR_ARGUMENT,
            "1099511627776 samples", "2^32 - 1");
#endif
    REFUSED(gf_batches_next(&none) == 0, "gf_batches_next", "call gf_batches_init");
    REFUSED(gf_batches_next(NULL) == 0, "gf_batches_next", "call gf_batches_init");
    data.count = 4, data.shape = gf_image(1 << 3, 1 << 30, 1 << 30);  // 4 samples of 2^63 numbers
    if (sizeof(size_t) == 8)
        CHECK(gf_batches_init(&batches, &data, 4, 1, 0) == GF_ERROR_MEMORY && !batches.order);
    data.shape = gf_vector(3);
    CHECK(gf_batches_init(&batches, &data, 3, 1, GF_SHUFFLE) == GF_OK);
    ANSWERS(none.per_epoch == 0);
    gf_batches_free(&batches), gf_batches_free(NULL), gf_batches_free(&none);
}

static void bad_evaluations(void) {
    gf_dataset data, empty;
    memset(&empty, 0, sizeof empty);
    TEST("errors: gf_net_evaluate");
#define EVALUATE(stage, change, loss, status, found, hint) \
    EXPECT(stage, (sound_set(&data), change, gf_net_evaluate(net, &data, loss, NULL)), status, found, hint)
    EVALUATE(NEW, (void)0, GF_LOSS_CROSS_ENTROPY, GF_ERROR_ORDER, "gf_net_evaluate", "gf_net_build; call that");
    EVALUATE(BUILT, (void)0, GF_LOSS_COUNT, GF_ERROR_ARGUMENT, "loss 3", "gf_loss_kind's 0..2");
    EVALUATE(BUILT, (void)0, (gf_loss_kind)-1, GF_ERROR_ARGUMENT, "loss -1", "gf_loss_kind's 0..2");
    EVALUATE(BUILT, (void)0, GF_LOSS_MSE, GF_ERROR_SHAPE, "0 targets", "needs targets");
    EVALUATE(BUILT, data.labels = NULL, GF_LOSS_CROSS_ENTROPY, GF_ERROR_SHAPE, "without labels", "needs labels");
    EVALUATE(BUILT, data.shape = gf_vector(2), GF_LOSS_CROSS_ENTROPY, GF_ERROR_SHAPE, "2 values a sample", "takes 3");
    EVALUATE(BUILT, data.labels[2] = 7, GF_LOSS_CROSS_ENTROPY, GF_ERROR_ARGUMENT, "label 7 of sample 2", "0..1");
    EVALUATE(BUILT, data.std[0] = 0, GF_LOSS_CROSS_ENTROPY, GF_ERROR_ARGUMENT, "std 0", "std above 0");
    EVALUATE(BUILT, (data.targets = data.values, data.outputs = 3), GF_LOSS_BCE, GF_ERROR_SHAPE, "3 targets",
             "gives 2");
#undef EVALUATE
    EXPECT(BUILT, gf_net_evaluate(net, NULL, GF_LOSS_MSE, NULL), GF_ERROR_ARGUMENT, "data is NULL", "must point");
    EXPECT(BUILT, gf_net_evaluate(net, &empty, GF_LOSS_CROSS_ENTROPY, NULL), GF_ERROR_ARGUMENT, "empty",
           "load or make it first");
}

static void bad_checkpoints(void) {
    gf_optim other;
    gf_batches none;
    memset(&other, 0, sizeof other), memset(&none, 0, sizeof none);
    TEST("errors: checkpoints");
    EXPECT(NEW, gf_net_save(net, NULL, NULL, "x.gf"), GF_ERROR_ORDER, "gf_net_save", "gf_net_build; call that");
    EXPECT(NEW, gf_net_load(net, NULL, NULL, "x.gf"), GF_ERROR_ORDER, "gf_net_load", "gf_net_build; call that");
    EXPECT(BUILT, gf_net_save(net, NULL, NULL, NULL), GF_ERROR_ARGUMENT, "path is NULL", "name a file");
    EXPECT(BUILT, gf_net_load(net, NULL, NULL, NULL), GF_ERROR_ARGUMENT, "path is NULL", "name a file");
    EXPECT(BUILT, gf_net_save(net, &other, NULL, "x.gf"), GF_ERROR_ORDER, "for 0 parameters, net has 26",
           "gf_optim_init");
    EXPECT(BUILT, gf_net_load(net, &other, NULL, "x.gf"), GF_ERROR_ORDER, "for 0 parameters, net has 26",
           "gf_optim_init");
    EXPECT(BUILT, gf_net_save(net, NULL, &none, "x.gf"), GF_ERROR_ARGUMENT, "batches", "gf_batches_init");
    EXPECT(BUILT, gf_net_load(net, NULL, &none, "x.gf"), GF_ERROR_ARGUMENT, "batches", "gf_batches_init");
    EXPECT(BUILT, gf_net_save(net, NULL, NULL, "no/such/x.gf"), GF_ERROR_IO, "no/such/x.gf", "does the folder exist");
    EXPECT(BUILT, gf_net_load(net, NULL, NULL, "no/such/x.gf"), GF_ERROR_IO, "no/such/x.gf", "name a file that gf_net_save wrote");
    EXPECT(BUILT, gf_net_load(net, NULL, NULL, "."), GF_ERROR_IO, ".: is not a regular file", "name a file that gf_net_save wrote");
    EXPECT(BUILT, gf_net_load(net, NULL, NULL, "tests/test.h"), GF_ERROR_FORMAT, "test.h", "gf_net_save wrote");
}

// Use after an error: each call on a failed net is refused and leaves the first message.
static void after_an_error(void) {
    gf_net *net = net_at(BACKWARDED);
    gf_dataset data;
    gf_check check;
    double numbers[8];
    char text[80];
    char first[500];
    memset(&check, 0, sizeof check), sound_set(&data);
    TEST("errors: use after an error");
    gf_net_forward(net, NULL, 1, GF_TRAIN);
    snprintf(first, sizeof first, "%s", gf_net_error(net));
#define AFTER(refused)                                                                                         \
    do {                                                                                                       \
        count_case(-4, #refused);                                                                              \
        CHECK(refused);                                                                                        \
        if (gf_net_status(net) != GF_ERROR_ARGUMENT || strcmp(first, gf_net_error(net)) != 0)                  \
            test_fail(__FILE__, __LINE__, "%s: the first message is gone: \"%s\"", #refused, gf_net_error(net)); \
    } while (0)
    AFTER(!gf_net_forward(net, inputs, 4, GF_TRAIN));
    AFTER(isnan(gf_loss_cross_entropy(net, labels)));
    AFTER(isnan(gf_loss_bce(net, inputs)));
    AFTER(isnan(gf_loss_mse(net, inputs)));
    AFTER(gf_net_backward(net) == GF_ERROR_ARGUMENT);
    AFTER(isnan(gf_net_grad_norm(net)));
    AFTER(isnan(gf_net_clip_grad_norm(net, 1)));
    AFTER(gf_optim_step(&sgd, net) == GF_ERROR_ARGUMENT);
    AFTER(gf_optim_init(&sgd, net, gf_sgd(1)) == GF_ERROR_ARGUMENT);
    AFTER(gf_net_predict(net, inputs, NULL) == -1);
    AFTER(gf_net_tensor(net, "dense1.weight") && gf_net_tensor_at(net, 0)->value);  // weights can still be looked at
    AFTER(!gf_net_tensor(net, "dense9.weight") && !gf_net_tensor_at(net, 99));
    AFTER(gf_net_measure(net) == GF_ERROR_ARGUMENT);
    AFTER((text[0] = '\0', gf_net_verdict(net, text, sizeof text)) == GF_ERROR_ARGUMENT && strstr(text, "x is NULL"));
    AFTER(gf_net_gradient_map(net, 0, numbers) == GF_ERROR_ARGUMENT);
    AFTER(gf_grad_check(net, inputs, 2, GF_EVAL, GF_LOSS_MSE, inputs, &check) == GF_ERROR_ARGUMENT);
    AFTER(isnan(gf_net_evaluate(net, &data, GF_LOSS_CROSS_ENTROPY, NULL).loss));
    AFTER(gf_net_save(net, NULL, NULL, "after.gf") == GF_ERROR_ARGUMENT);
    AFTER(gf_net_load(net, NULL, NULL, "after.gf") == GF_ERROR_ARGUMENT);
    AFTER(gf_net_build(net) == GF_ERROR_ARGUMENT);
    AFTER((gf_net_dense(net, 3), gf_net_describe(net).layer_count) == 3);
    AFTER(gf_net_mark(net) == 0);
#undef AFTER
    gf_net_free(net);
}

static void test_null_net(void) {
    gf_optim optim;
    char text[64];
    memset(&optim, 0, sizeof optim);
    TEST("errors: a NULL net is an error and not a crash");
    gf_net_free(NULL), gf_optim_free(NULL), gf_net_clear_error(NULL);
    gf_net_dense(NULL, 3), gf_net_act(NULL, GF_ACT_TANH), gf_net_dropout(NULL, 0.5), gf_net_batch_norm(NULL);
    gf_net_layer_norm(NULL), gf_net_add_from(NULL, 1), gf_net_add_projected(NULL, 1), gf_net_set_bias(NULL, 1);
    gf_net_set_init(NULL, gf_init_zero(), gf_init_zero()), gf_net_set_threads(NULL, 1), gf_net_set_input_grad(NULL, 1);
    gf_net_set_accumulate(NULL, 1);
    CHECK(gf_net_freeze(NULL, "dense1", 1) == GF_ERROR_ARGUMENT && isnan(gf_loss_custom(NULL, NULL)));
    gf_net_set_probe(NULL, GF_PROBE_ALL);
    gf_net_summary(NULL);
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
    const gf_net_info none = gf_net_describe(NULL);
    CHECK(none.param_count == 0 && !none.params && !none.grads && !none.input_grad && none.tensor_count == 0);
    CHECK(none.layer_count == 0 && none.affine_count == 0 && none.batch == 0 && none.step == 0 && none.bytes == 0);
    CHECK(!none.nonfinite.found && !gf_net_tensor_at(NULL, 0) && !gf_net_tensor(NULL, "dense1.weight"));
    CHECK(!gf_net_layer(NULL, 0).name && gf_net_set_backend(NULL, "plain") == GF_ERROR_ARGUMENT);
    CHECK(gf_optim_init(&optim, NULL, gf_sgd(1)) == GF_ERROR_ARGUMENT &&
          gf_optim_step(&optim, NULL) == GF_ERROR_ARGUMENT);
    CHECK(gf_net_measure(NULL) == GF_ERROR_ARGUMENT && !gf_net_probe(NULL, 1));
    CHECK(gf_net_verdict(NULL, text, sizeof text) != GF_OK);
    CHECK(gf_net_save(NULL, NULL, NULL, "none") == GF_ERROR_ARGUMENT &&
          gf_net_load(NULL, NULL, NULL, "none") == GF_ERROR_ARGUMENT);
}

// After the first error nothing happens any more, until it is cleared.
static void test_sticky(void) {
    char first[500];
    gf_real before[26];
    TEST("errors are sticky");
    gf_net *net = net_at(NEW);
    CHECK(gf_net_describe(net).param_count == 0 && !gf_net_describe(net).params);  // not before gf_net_build
    gf_net_free(net), net = net_at(BACKWARDED);
    CHECK(gf_net_describe(net).param_count == 26);
    CHECK(!strcmp(gf_net_error(net), "no error"));
    memcpy(before, gf_net_describe(net).params, sizeof before);
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
    CHECK(gf_net_tensor(net, "dense1.weight") != NULL);
    CHECK(!memcmp(before, gf_net_describe(net).params, sizeof before) && sgd.step == 0 && gf_net_describe(net).step == 0);
    gf_net_clear_error(net);
    CHECK(gf_net_status(net) == GF_OK && !strcmp(gf_net_error(net), "no error"));
    CHECK(gf_net_forward(net, inputs, 4, GF_TRAIN) != NULL);
    CHECK(gf_loss_cross_entropy(net, labels) > 0);
    CHECK(gf_net_backward(net) == GF_OK && gf_optim_step(&sgd, net) == GF_OK);
    CHECK(memcmp(before, gf_net_describe(net).params, sizeof before) != 0);
    gf_net_free(net);
    TEST("errors while building keep the first and refuse the rest");
    net = gf_net_create(gf_vector(3), 4, 1);
    gf_net_dense(net, 4), gf_net_dense(net, -1), gf_net_dropout(net, 7), gf_net_dense(net, 2);
    CHECK(gf_net_build(net) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_net_error(net), "layer 2 dense: -1 outputs");
    CHECK(gf_net_describe(net).layer_count == 1);
    gf_net_free(net);
}

static void test_batch_of_one(void) {
    TEST("errors: batch norm of one sample in training");
    gf_net *net = gf_net_create(gf_vector(3), 4, 1);
    gf_net_dense(net, 4), gf_net_batch_norm(net), gf_net_dense(net, 2), gf_net_build(net);
    CHECK(gf_net_forward(net, inputs, 1, GF_EVAL) != NULL);
    CHECK(gf_net_forward(net, inputs, 1, GF_TRAIN) == NULL);
    expect_error("batch norm", net, GF_ERROR_SHAPE, "batch_norm1", "at least 2");
    gf_net_free(net);
}

int main(void) {
    bad_creation(), bad_elementwise(), bad_windows(), bad_settings(), bad_order();
    bad_steps(), bad_losses(), bad_optimisers(), bad_queries(), bad_layer_queries(), bad_records(), bad_checks();
    bad_theory(), bad_values(), bad_arrays(), bad_files(), bad_sets(), bad_batches(), bad_evaluations();
    bad_checkpoints(), after_an_error();
    TEST("errors: the tables hold at least 200 cases, no two the same");
    CHECK(case_count >= 200 && case_count < MAX_CASES);
    printf("%d cases\n", case_count);
    test_null_net();
    test_sticky();
    test_batch_of_one();
    gf_optim_free(&sgd);
    return test_report();
}
