// test_conv.c: convolutions, pools, 2d batch norm and skips across images: gradients, every kernel, PyTorch's numbers.
// build: float double openmp
// Nets are written in the words of nets.h. Fixtures come from make_fixtures_conv.py.
#include "../gradflow.h"
#include "nets.h"
#include <float.h>

enum { LARGEST = 1 << 18, NAMES = 4, LINE_BYTES = 16384, LINE_FIELDS = 128 };

static const char *const kernel_names[NAMES] = {"plain", "neon", "avx2", "avx512"};
static gf_real x[LARGEST];
static int labels[256];
static size_t inputs;  // of one image, to the net that net_of made last

static double tolerance(void) { return sizeof(gf_real) == sizeof(float) ? 2e-5 : 1e-10; }

static gf_net *net_of(const char *words, gf_shape shape, int max_batch, int threads, int input_grad) {
    gf_net *net = gf_net_create(shape, max_batch, 42);
    inputs = net_shape_size(shape);
    net_add_words(net, words);
    gf_net_set_threads(net, threads);
    gf_net_set_input_grad(net, input_grad);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_build(net);
    if (gf_net_status(net) != GF_OK) test_fail(__FILE__, __LINE__, "\"%s\": %s", words, gf_net_error(net));
    return net;
}

// Parameters as make_fixtures_conv.py has them.
static void hash_params(gf_net *net, uint64_t number) {
    double scale = 1; // of weights and the bias behind them: the power of two next below 1/√fan_in
    for (int t = 0; t < gf_net_describe(net).tensor_count; t++) {
        gf_tensor *tensor = gf_net_tensor_at(net, t);
        if (!tensor->grad) continue;
        double offset = name_ends(tensor->name, ".gamma") ? 1 : 0;
        if (name_ends(tensor->name, ".weight"))
            for (scale = 1; scale * scale * (double)(tensor->size / (size_t)tensor->dims[0]) > 1;) scale /= 2;
        double factor = name_ends(tensor->name, ".weight") || name_ends(tensor->name, ".bias") ? scale : 0.5;
        for (size_t i = 0; i < tensor->size; i++)
            tensor->value[i] = (gf_real)(offset + factor * hash_value(number, i, 16));
        number++;
    }
}

// One forward and backward on hashed images and labels; the loss.
static double run(gf_net *net, int batch, gf_mode mode, uint64_t number) {
    size_t n = (size_t)batch * inputs;
    if (n > LARGEST) exit(EXIT_FAILURE);
    hash_fill(x, n, number + 900, 1);
    hash_labels(labels, (size_t)batch, number + 950, net_outputs(net));
    gf_net_forward(net, x, batch, mode);
    double loss = gf_loss_cross_entropy(net, labels);
    gf_net_backward(net);
    if (gf_net_status(net) != GF_OK) test_fail(__FILE__, __LINE__, "%s", gf_net_error(net));
    return loss;
}

// --- gradients against differences ---

typedef struct family {
    int channels, height, width, batch;
    const char *words, *zero; // zero: biases before batch norm
} family;

static const family families[] = {
    {3, 7, 5, 3, "conv:4:3:1:1 tanh dense:3", NULL},
    {2, 6, 7, 2, "conv:5:3:1:0 tanh conv:3:1:1:0 tanh dense:3", NULL},
    {2, 9, 8, 3, "conv:3:3:2:1 silu conv:4:2:2:0 tanh dense:3", NULL},
    {1, 8, 9, 3, "conv:3:5x2:3x2:2x1 tanh dense:3", NULL},
    {2, 5, 6, 2, "conv:3:4x1:1x3:3x0 gelu dense:3", NULL},
    {1, 6, 6, 9, "conv:17:3:1:1 tanh conv:3:3:1:1 tanh dense:2", NULL},
    {1, 4, 3, 2, "conv:2:9x7:1:4x3 tanh dense:3", NULL},
    {2, 7, 9, 3, "conv:3:3:1:1 tanh max:2:2 dense:3", NULL},
    {2, 8, 7, 2, "conv:3:3:1:1 max:3:2 tanh dense:3", NULL},
    {2, 5, 6, 2, "conv:3:3:1:1 max:2:1 tanh dense:3", NULL},
    {2, 7, 9, 3, "conv:3:3:1:1 tanh avg:2:2 dense:3", NULL},
    {3, 6, 7, 2, "avg:3:2 conv:3:2:1:0 tanh dense:3", NULL},
    {2, 5, 4, 3, "conv:6:3:1:1 silu global dense:3", NULL},
    {2, 5, 6, 3, "conv:4:3:1:1 batch_norm tanh max:2:2 dense:3", "conv1.bias"},
    {3, 4, 5, 4, "batch_norm conv:4:3:1:1 relu dense:3", NULL},
    {2, 5, 5, 3, "conv:4:3:1:1 layer_norm tanh dropout:0.3 dense:3", NULL},
    {16, 4, 5, 2, "conv:16:3:1:1 tanh max:2:2 dense:3", NULL},
    {3, 5, 6, 2, "conv:4:3:1:1 mark tanh conv:4:3:1:1 add:1 tanh dense:3", NULL},
    {3, 5, 6, 2, "conv:4:3:1:1 tanh mark conv:5:3:1:1 tanh project:1 tanh dense:3", NULL},
    {3, 7, 8, 2, "mark conv:5:3:2:1 tanh conv:5:3:1:1 project:1 mark add:2 tanh global dense:3", NULL},
    {2, 10, 7, 3, "mark conv:4:3:3:1 project:1 tanh dense:3", NULL},
};

static void test_gradients(void) {
    size_t checked = 0, skipped = 0;
    static char title[400];
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        const family *at = &families[f];
        snprintf(title, sizeof title, "conv gradcheck %s", at->words);
        TEST(title);
        for (int mode = GF_TRAIN; mode <= GF_EVAL; mode++) {
            gf_net *net = net_of(at->words, gf_image(at->channels, at->height, at->width), at->batch + 2, 1, 1);
            gf_check check;
            memset(&check, 0, sizeof check);
            check.zero_tensors = mode == GF_TRAIN ? at->zero : NULL;
            hash_params(net, 100 * f);
            run(net, at->batch, GF_TRAIN, 100 * f + 7); // running statistics of their own
            if (gf_grad_check(net, x, at->batch, (gf_mode)mode, GF_LOSS_CROSS_ENTROPY, labels, &check) != GF_OK)
                test_fail(__FILE__, __LINE__, "%s", gf_net_error(net));
            if (!(check.worst <= 1e-7))
                test_fail(__FILE__, __LINE__, "mode %d: %s is off by %g", mode, check.worst_name, check.worst);
            CHECK(check.checked + check.skipped ==
                  gf_net_describe(net).param_count + (size_t)at->batch * inputs);
            checked += check.checked, skipped += check.skipped;
            gf_net_free(net);
        }
    }
    TEST("conv gradcheck skips less than 1 % of the coordinates");
    CHECK(checked > 5000);
    CHECK(skipped * 100 < checked);
}

// --- every kernel table against the seven loops ---

static const family shapes[] = {
    {3, 32, 32, 5, "conv:32:3:1:1 relu max:2:2 dense:4", NULL},
    {33, 8, 8, 17, "conv:31:3:1:1 relu max:2:2 dense:4", NULL},
    {16, 4, 4, 19, "conv:48:3:1:1 sigmoid dense:4", NULL},
    {64, 4, 4, 9, "conv:70:3:1:1 silu dense:4", NULL},
    {1, 28, 28, 3, "conv:6:5:1:2 tanh max:2:2 conv:16:5:1:0 tanh max:2:2 dense:4", NULL},
    {5, 13, 11, 7, "conv:19:3:2:1 tanh conv:9:4x2:3x1:2x0 tanh dense:4", NULL},
    {7, 9, 35, 2, "conv:3:1x7:1x2:0x3 tanh dense:4", NULL},
    {2, 3, 1, 33, "conv:5:3x1:1:1x0 tanh dense:4", NULL},
    {3, 17, 15, 4, "conv:8:3:1:1 batch_norm relu max:2:2 conv:8:3:1:1 batch_norm relu max:3:2 dense:4", NULL},
    {16, 9, 6, 19, "conv:32:3:1:1 silu conv:16:3:1:0 tanh conv:48:3:1:2 max:2:2 dense:4", NULL},  // by Winograd's way
    {32, 3, 3, 5, "conv:16:3:1:0 tanh dense:4", NULL},
    {16, 9, 9, 3, "conv:16:3:1x2:1 relu conv:16:3x2:1:1 relu conv:16:3:1:3 relu conv:16:3:1:1x3 dense:4", NULL},  // not
    {16, 5, 12, 9, "mark conv:32:3:1:1x0 relu conv:16:3:1:1x2 add:1 tanh dense:4", NULL},
    {4, 11, 6, 18, "mark conv:18:3:2:1 relu conv:18:3:1:1 project:1 relu global dense:4", NULL},
};

static double rms_of(const gf_real *v, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    return sqrt(sum / (double)n);
}

static void compare(const char *kernels, const char *what, const gf_real *found, const gf_real *expected, size_t n) {
    double bound = (sizeof(gf_real) == sizeof(float) ? 2e-6 : 1e-14), rms = rms_of(expected, n);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)found[i] - (double)expected[i]) <= 10 * bound * (fabs((double)expected[i]) + rms))) {
            test_fail(__FILE__, __LINE__, "%s: %s[%d] is %.9g, the naive one %.9g", kernels, what, (int)i,
                      (double)found[i], (double)expected[i]);
            return;
        }
}

// √(Σ(found - expected)²/Σ expected²)
static double relative_rms(const gf_real *found, const gf_real *expected, size_t n) {
    double off = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        const double difference = (double)found[i] - (double)expected[i];
        off += difference * difference, all += (double)expected[i] * (double)expected[i];
    }
    return sqrt(off / all);
}

// Winograd's transforms cost some accuracy, but no more than gradflow.h says beside them.
static void test_winograd_rounding(void) {
    const double unit = sizeof(gf_real) == sizeof(float) ? FLT_EPSILON : DBL_EPSILON;
    for (int no_bias = 0; no_bias <= 1; no_bias++) {
        gf_net *nets[2];
        TEST(no_bias ? "conv by Winograd's way without bias"
                     : "conv by Winograd's way is nearly as accurate as the sum");
        for (int k = 0; k < 2; k++) {
            nets[k] = gf_net_create(gf_image(64, 16, 16), 4, 42);
            gf_net_set_bias(nets[k], !no_bias), gf_net_set_input_grad(nets[k], 1);
            net_add_words(nets[k], "relu conv:64:3:1:1 dense:4");
            CHECK(gf_net_build(nets[k]) == GF_OK);
            if (k == 0) CHECK(gf_net_set_backend(nets[k], "plain") == GF_OK);
            hash_params(nets[k], 50);
            run(nets[k], 4, GF_TRAIN, 50);
        }
        const gf_tensor *dw = gf_net_tensor(nets[1], "conv1.weight"),
                        *naive_dw = gf_net_tensor(nets[0], "conv1.weight");
        const size_t n = 4 * 64 * 256;
        CHECK(relative_rms(gf_net_layer(nets[1], 1).output, gf_net_layer(nets[0], 1).output, n) <= 10 * unit);
        CHECK(relative_rms(dw->grad, naive_dw->grad, dw->size) <= 10 * unit);
        CHECK(relative_rms(gf_net_describe(nets[1]).input_grad, gf_net_describe(nets[0]).input_grad, n) <= 10 * unit);
        for (int k = 0; k < 2; k++) gf_net_free(nets[k]);
    }
}

// Numbers of an image that forward and backward on a smaller batch must leave alone: sentinels there before, and still
// after.
static void beyond(gf_net *net, int batch, int check) {
    const gf_real sentinel = 12345;
    for (int i = 0; i < gf_net_describe(net).layer_count; i++) {
        const gf_layer layer = gf_net_layer(net, i);
        const size_t n = net_shape_size(layer.shape);
        gf_real *arrays[2] = {(gf_real *)layer.output, (gf_real *)layer.grad};
        for (int a = 0; a < 2; a++)
            for (size_t k = (size_t)batch * n; k < (size_t)(batch + 1) * n; k++) {
                if (!check) arrays[a][k] = sentinel;
                else if (arrays[a][k] != sentinel) {
                    test_fail(__FILE__, __LINE__, "%s writes beyond its batch: %s[%d]", layer.name,
                              a ? "dy" : "y", (int)k);
                    return;
                }
            }
    }
}

static void test_kernels(void) {
    static char title[400];
    for (size_t f = 0; f < sizeof shapes / sizeof *shapes; f++) {
        const family *at = &shapes[f];
        const gf_shape shape = gf_image(at->channels, at->height, at->width);
        gf_net *naive = net_of(at->words, shape, at->batch + 1, 1, 1);
        snprintf(title, sizeof title, "conv kernels %dx%dx%d %s", at->channels, at->height, at->width, at->words);
        TEST(title);
        CHECK(gf_net_set_backend(naive, "plain") == GF_OK);
        hash_params(naive, 300 * f);
        run(naive, at->batch, GF_TRAIN, 300 * f);
        for (int k = 0; k < NAMES; k++) {
            gf_net *net = net_of(at->words, shape, at->batch + 1, 1, 1);
            if (gf_net_set_backend(net, kernel_names[k]) == GF_OK) {
                hash_params(net, 300 * f);
                run(net, 1, GF_EVAL, 300 * f);  // so that there are arrays to plant them in
                beyond(net, at->batch, 0);
                run(net, at->batch, GF_TRAIN, 300 * f);
                beyond(net, at->batch, 1);
                for (int i = 0; i < gf_net_describe(net).layer_count; i++) {
                    size_t n = (size_t)at->batch * net_shape_size(gf_net_layer(net, i).shape);
                    compare(kernel_names[k], gf_net_layer(net, i).name, gf_net_layer(net, i).output,
                            gf_net_layer(naive, i).output, n);
                }
                for (int t = 0; t < gf_net_describe(net).tensor_count; t++) {
                    gf_tensor *tensor = gf_net_tensor_at(net, t), *other = gf_net_tensor_at(naive, t);
                    int zero = name_ends(tensor->name, "bias") && strstr(at->words, "batch_norm") &&
                               strncmp(tensor->name, "dense", 5);
                    if (zero) continue; // rounding noise
                    if (tensor->grad) compare(kernel_names[k], tensor->name, tensor->grad, other->grad, tensor->size);
                    else compare(kernel_names[k], tensor->name, tensor->value, other->value, tensor->size);
                }
                compare(kernel_names[k], "input gradient", gf_net_describe(net).input_grad, gf_net_describe(naive).input_grad,
                        (size_t)at->batch * net_shape_size(shape));
            }
            gf_net_free(net);
        }
        gf_net_free(naive);
    }
}

static void test_threads(void) {
#ifdef _OPENMP
    for (size_t f = 0; f < sizeof shapes / sizeof *shapes; f++) {
        const family *at = &shapes[f];
        const gf_shape shape = gf_image(at->channels, at->height, at->width);
        gf_net *one = net_of(at->words, shape, 64, 1, 1);
        static char title[400];
        snprintf(title, sizeof title, "conv threads agree bit for bit: %s", at->words);
        TEST(title);
        hash_params(one, 300 * f);
        run(one, 61, GF_TRAIN, 300 * f);
        for (int threads = 2; threads <= 5; threads++) {
            gf_net *many = net_of(at->words, shape, 64, threads, 1);
            hash_params(many, 300 * f);
            run(many, 61, GF_TRAIN, 300 * f);
            const gf_net_info a = gf_net_describe(one), b = gf_net_describe(many);
            CHECK(!memcmp(a.grads, b.grads, a.param_count * sizeof(gf_real)));
            for (int t = 0; t < a.tensor_count; t++) {
                const gf_tensor *tensor = gf_net_tensor_at(one, t), *other = gf_net_tensor_at(many, t);
                CHECK(!memcmp(tensor->value, other->value, tensor->size * sizeof(gf_real)));  // running statistics, too
            }
            CHECK(!memcmp(a.input_grad, b.input_grad, 61 * net_shape_size(shape) * sizeof(gf_real)));
            gf_net_free(many);
        }
        gf_net_free(one);
    }
#endif
}

// Batch norm sums in parts, of several images and one; here 16, 16 and 5 images, and then one each.
static void test_batch_norm_parts(void) {
    const int sides[] = {4, 17}, batches[] = {37, 3};
    for (int at = 0; at < 2; at++) {
        const int C = 3, S = sides[at] * sides[at], B = batches[at], N = B * S;
        gf_net *net = net_of("conv:3:1:1:0 batch_norm dense:4", gf_image(2, sides[at], sides[at]), B, 1, 1);
        TEST("batch norm's parts make one batch");
        hash_params(net, 80);
        run(net, B, GF_TRAIN, 80);
        const gf_real *z = gf_net_layer(net, 0).output, *y = gf_net_layer(net, 1).output,
                      *dy = gf_net_layer(net, 1).grad, *dz = gf_net_layer(net, 0).grad;
        const gf_tensor *gamma = gf_net_tensor(net, "batch_norm1.gamma"),
                        *beta = gf_net_tensor(net, "batch_norm1.beta");
        for (int c = 0; c < C; c++) {
            double mean = 0, var = 0, sum = 0, products = 0;
            for (int i = 0; i < N; i++) mean += (double)z[(i / S * C + c) * S + i % S] / N;
            for (int i = 0; i < N; i++) var += pow((double)z[(i / S * C + c) * S + i % S] - mean, 2) / N;
            const double s = 1 / sqrt(var + 1e-5), g = (double)gamma->value[c];
            for (int i = 0; i < N; i++) {
                const int k = (i / S * C + c) * S + i % S;
                sum += (double)dy[k], products += (double)dy[k] * ((double)z[k] - mean) * s;
            }
            CHECK_NEAR(beta->grad[c], sum, tolerance() * sqrt(N));
            CHECK_NEAR(gamma->grad[c], products, tolerance() * sqrt(N));
            for (int i = 0; i < N; i++) {
                const int k = (i / S * C + c) * S + i % S;
                const double xhat = ((double)z[k] - mean) * s;
                CHECK_NEAR(y[k], xhat * g + (double)beta->value[c], tolerance());
                CHECK_NEAR(dz[k], g * s * ((double)dy[k] - sum / N - xhat * products / N), tolerance());
            }
        }
        gf_net_free(net);
    }
}

// A gradient belongs to its step: the same forward and backward once more give the same, nothing is added up.
static void test_again(void) {
    static const family nets[] = {
        {6, 1, 1, 4, "mark dense:5 tanh project:1 batch_norm prelu dense:4", NULL},
        {6, 1, 1, 4, "dense:5 layer_norm mark tanh dense:5 add:1 dense:4", NULL},
        {3, 6, 7, 3, "mark conv:4:3:1:1 prelu project:1 batch_norm layer_norm dense:4", NULL},
        {16, 5, 6, 3, "conv:16:3:1:1 relu conv:8:3:1:1 max:2:2 dense:4", NULL},
    };
    for (size_t f = 0; f < sizeof nets / sizeof *nets; f++)
        for (int k = 0; k < NAMES; k++) {
            static gf_real first[1 << 14];
            gf_net *net = net_of(nets[f].words, gf_image(nets[f].channels, nets[f].height, nets[f].width), 4, 1, 1);
            TEST("a second backward does not add to the first");
            if (gf_net_set_backend(net, kernel_names[k]) == GF_OK) {
                const size_t n = gf_net_describe(net).param_count;
                hash_params(net, 700 + f);
                run(net, nets[f].batch, GF_TRAIN, 700 + f);
                CHECK(n <= sizeof first / sizeof *first);
                memcpy(first, gf_net_describe(net).grads, n * sizeof *first);
                run(net, nets[f].batch, GF_TRAIN, 700 + f);
                if (memcmp(first, gf_net_describe(net).grads, n * sizeof *first) != 0)
                    test_fail(__FILE__, __LINE__, "%s: \"%s\"", kernel_names[k], nets[f].words);
            }
            gf_net_free(net);
        }
}

static void test_first_layer_without_input_gradient(void) {
    static const char *const firsts[] = {"conv:32:3:1:1 relu max:2:2 dense:4", "max:2:2 dense:4", "max:3:2 dense:4",
                                         "avg:2:2 dense:4", "batch_norm dense:4", "layer_norm dense:4",
                                         "prelu dense:4", "mark add:1 dense:4", "mark tanh add:1 dense:4"};
    TEST("weight gradients do not depend on whether the input's is asked for, whatever layer is the first");
    for (size_t f = 0; f < sizeof firsts / sizeof *firsts; f++)
        for (int k = 0; k < NAMES; k++) {
            gf_net *with = net_of(firsts[f], gf_image(3, 32, 32), 5, 1, 1),
                   *without = net_of(firsts[f], gf_image(3, 32, 32), 5, 1, 0);
            if (gf_net_set_backend(with, kernel_names[k]) == GF_OK) {
                gf_net_set_backend(without, kernel_names[k]);
                hash_params(with, 1), hash_params(without, 1);
                run(with, 5, GF_TRAIN, 1), run(without, 5, GF_TRAIN, 1);
                CHECK(gf_net_describe(with).input_grad != NULL && gf_net_describe(without).input_grad == NULL);
                if (memcmp(gf_net_describe(with).grads, gf_net_describe(without).grads, gf_net_describe(with).param_count * sizeof(gf_real)) != 0)
                    test_fail(__FILE__, __LINE__, "%s: \"%s\"", kernel_names[k], firsts[f]);
            }
            gf_net_free(with), gf_net_free(without);
        }
}

// --- values written out by hand ---

static void test_pool_values(void) {
    static const gf_real picture[16] = {1, 5, 2, 2, 5, 0, 2, 1, -1, -2, (gf_real)NAN, 3, -1, -3, 7, 8};
    TEST("max pool takes the first of equals and passes NaN on");
    for (int k = 0; k < NAMES; k++)
        for (int stride = 2; stride <= 4;
             stride += 2) { // 2: the vector loop; 4: the plain one, whose only window is the first
            gf_net *net = gf_net_create(gf_image(1, 4, 4), 1, 1);
            gf_net_max_pool2d(net, 2, stride);
            gf_net_set_input_grad(net, 1);
            gf_net_build(net);
            if (gf_net_set_backend(net, kernel_names[k]) == GF_OK) {
                const gf_real *y = gf_net_forward(net, picture, 1, GF_TRAIN);
                gf_real target[4] = {0, 0, 0, 0};
                CHECK(y[0] == 5);
                if (stride == 2) CHECK(y[1] == 2 && y[2] == -1 && isnan((double)y[3]));
                gf_loss_mse(net, target);
                gf_net_backward(net);
                const gf_real *dx = gf_net_describe(net).input_grad;
                CHECK(dx[1] > 0 && dx[4] == 0); // the first 5, not the second
                if (stride == 2)
                    CHECK(dx[2] > 0 && dx[3] == 0 && dx[6] == 0 && dx[8] < 0 && dx[12] == 0 && isnan((double)dx[10]));
            }
            gf_net_free(net);
        }
    gf_net *net = net_of("max:2:1", gf_image(1, 4, 4), 1, 1, 0);  // windows that overlap: four see the NaN, wherever
    const gf_real *y = gf_net_forward(net, picture, 1, GF_EVAL);
    for (int i = 0; i < 9; i++) CHECK(isnan((double)y[i]) == (i == 4 || i == 5 || i == 7 || i == 8));
    gf_net_free(net);
}

static void test_nan_passes(void) {
    TEST("conv passes NaN and infinity on, to the pixels that see them and no others");
    for (int k = 0; k < NAMES; k++)
        for (int bad = 0; bad < 2; bad++) {
            gf_net *net = gf_net_create(gf_image(2, 6, 6), 3, 1);
            gf_net_conv2d(net, 3, 3, 1, 1);
            gf_net_build(net);
            if (gf_net_set_backend(net, kernel_names[k]) == GF_OK) {
                hash_fill(x, 3 * 72, 5, 1);
                x[72 + 7] = (gf_real)(bad ? INFINITY : NAN); // image 1, channel 0, pixel (1, 1)
                const gf_real *y = gf_net_forward(net, x, 3, GF_EVAL);
                for (int i = 0; i < 3 * 3 * 36; i++) {
                    int image = i / 108, row = i / 6 % 6, column = i % 6, sees = image == 1 && row < 3 && column < 3;
                    CHECK(sees == !(fabs((double)y[i]) < 1e30));
                }
            }
            gf_net_free(net);
        }
}

static void test_shapes(void) {
    TEST("conv and pool output shapes, names and tensors");
    gf_net *net =
        net_of("conv:5:3x2:2x1:1x0 relu max:2:2 conv:7:1:1:0 batch_norm avg:2:1 global", gf_image(3, 11, 8), 2, 1, 0);
    static const int expected[][3] = {{5, 6, 7}, {5, 6, 7}, {5, 3, 3}, {7, 3, 3}, {7, 3, 3}, {7, 2, 2}, {7, 1, 1}};
    for (int i = 0; i < 7; i++) {
        gf_shape shape = gf_net_layer(net, i).shape;
        CHECK(shape.channels == expected[i][0] && shape.height == expected[i][1] && shape.width == expected[i][2]);
    }
    CHECK(!strcmp(gf_net_layer(net, 0).name, "conv1") && !strcmp(gf_net_layer(net, 3).name, "conv2"));
    CHECK(!strcmp(gf_net_layer(net, 2).name, "max_pool1") && !strcmp(gf_net_layer(net, 6).name, "avg_pool2"));
    gf_tensor *w = gf_net_tensor(net, "conv1.weight"), *b = gf_net_tensor(net, "conv1.bias");
    CHECK(w->rank == 4 && w->dims[0] == 5 && w->dims[1] == 3 && w->dims[2] == 3 && w->dims[3] == 2 && w->size == 90);
    CHECK(b->rank == 1 && b->size == 5);
    CHECK(gf_net_describe(net).affine_count == 2);
    gf_net_free(net);
}

static void check_error(const char *words, gf_shape shape, gf_status status, const char *text) {
    gf_net *net = gf_net_create(shape, 2, 1);
    net_add_words(net, words);
    if (gf_net_status(net) != status)
        test_fail(__FILE__, __LINE__, "\"%s\": status %d", words, (int)gf_net_status(net));
    CHECK_TEXT(gf_net_error(net), text);
    gf_net_free(net);
}

static void test_errors(void) {
    gf_shape image = gf_image(3, 8, 8);
    TEST("conv shape errors name layer, sizes and remedy");
    check_error("conv:4:3:1:1 max:4:4 conv:8:5:1:0", image, GF_ERROR_SHAPE,
                "layer 3 conv2d: kernel 5x5 is larger than its 2x2 input; add padding or drop a pool");
    check_error("max:2:2 max:2:2 max:2:2 max:2:2", image, GF_ERROR_SHAPE,
                "layer 4 max_pool2d: kernel 2x2 is larger than its 1x1 input");
    check_error("conv:4:3:1:0", gf_vector(784), GF_ERROR_SHAPE, "create the net with gf_image");
    check_error("conv:0:3:1:1", image, GF_ERROR_ARGUMENT, "layer 1 conv2d: 0 channels");
    check_error("conv:4:0:1:1", image, GF_ERROR_ARGUMENT, "kernel 0x0");
    check_error("conv:4:3:0:1", image, GF_ERROR_ARGUMENT, "stride 0x0");
    check_error("conv:4:3:1:-1", image, GF_ERROR_ARGUMENT, "padding -1x-1");
    check_error("conv:4:3:1:2000000000", image, GF_ERROR_ARGUMENT, "none above 32768");
    check_error("avg:2:0", image, GF_ERROR_ARGUMENT, "layer 1 avg_pool2d");
    check_error("mark conv:4:3:1:1 add:1", image, GF_ERROR_SHAPE, "mark1 has shape 3x8x8, the layer before has 4x8x8");
    check_error("mark conv:4:3:1:0 project:1", image, GF_ERROR_SHAPE,
                "heights and widths must agree, or come from it by one stride");
    gf_net_conv2d(NULL, 3, 3, 1, 1), gf_net_max_pool2d(NULL, 2, 2), gf_net_avg_pool2d(NULL, 2, 2),
        gf_net_global_avg_pool(NULL);
    CHECK_TEXT(gf_last_error(), "net is NULL");
}

// --- instruments ---

static void test_maps(void) {
    TEST("gradient maps against plain sums");
    gf_net *net = net_of("conv:5:3:1:1 sigmoid max:2:2 conv:6:3:1:1 relu dense:3", gf_image(2, 8, 6), 8, 1, 0);
    hash_params(net, 50);
    run(net, 7, GF_TRAIN, 60);
    for (int layer = 0; layer < gf_net_describe(net).layer_count; layer++) {
        gf_shape shape = gf_net_layer(net, layer).shape;
        size_t plane = (size_t)(shape.height * shape.width), planes = 7 * (size_t)shape.channels;
        const gf_real *d = gf_net_layer(net, layer).grad;
        double map[64];
        map[plane] = -1;
        CHECK(gf_net_gradient_map(net, layer, map) == GF_OK && map[plane] == -1);
        for (size_t i = 0; i < plane; i++) {
            double sum = 0;
            for (size_t k = 0; k < planes; k++) sum += fabs((double)d[k * plane + i]);
            CHECK_RELATIVE(map[i], sum / (double)planes, 1e-13);
            CHECK(sum > 0);
        }
    }
    double map[64];
    CHECK(gf_net_gradient_map(net, 6, map) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_net_error(net), "layer 6");
    gf_net_clear_error(net);
    gf_net_forward(net, x, 2, GF_EVAL);
    CHECK(gf_net_gradient_map(net, 0, map) == GF_ERROR_ORDER);
    gf_net_free(net);
}

static double layer_norm_of(gf_net *net, int i) {
    size_t n = (size_t)gf_net_describe(net).batch * net_shape_size(gf_net_layer(net, i).shape);
    return rms_of(gf_net_layer(net, i).grad, n) * sqrt((double)n);
}

static void test_probes(void) {
    TEST("probes of conv layers: delta, decay split through pools and norms, signals");
    // layers: 0 conv1, 1 batch_norm, 2 act, 3 max_pool, 4 conv2, 5 act, 6 dense
    gf_net *net = net_of("conv:5:3:1:1 batch_norm tanh max:2:2 conv:6:3:1:1 relu dense:3", gf_image(2, 8, 6), 8, 1, 0);
    hash_params(net, 70);
    run(net, 7, GF_TRAIN, 80);
    CHECK(gf_net_measure(net) == GF_OK);
    const gf_layer_probe *one = gf_net_probe(net, 1), *two = gf_net_probe(net, 2);
    CHECK(!strcmp(one->name, "conv1") && !strcmp(two->name, "conv2"));
    CHECK(one->delta.n == 7 * 5 * 48 && two->delta.n == 7 * 6 * 12 && one->dw.n == 90);
    CHECK_RELATIVE(one->delta.l2, layer_norm_of(net, 0), 1e-6);
    CHECK_RELATIVE(two->delta.l2, layer_norm_of(net, 4), 1e-6);
    CHECK_NEAR(one->decay, log(layer_norm_of(net, 0) / layer_norm_of(net, 4)), 1e-6);
    CHECK_NEAR(one->decay_weight, log(layer_norm_of(net, 3) / layer_norm_of(net, 4)), 1e-6);
    CHECK_NEAR(one->decay_slope, log(layer_norm_of(net, 1) / layer_norm_of(net, 2)), 1e-6);
    CHECK_NEAR(one->decay_rest,
               log(layer_norm_of(net, 2) / layer_norm_of(net, 3)) + log(layer_norm_of(net, 0) / layer_norm_of(net, 1)),
               1e-6);
    double q = 0, slope = 0;
    const gf_real *z = gf_net_layer(net, 1).output;
    for (size_t i = 0; i < 7 * 5 * 48; i++) {
        q += (double)z[i] * (double)z[i] / (7 * 5 * 48);
        slope += gf_act_derivative(gf_act_default(GF_ACT_TANH), (double)z[i]) / (7 * 5 * 48);
    }
    CHECK_RELATIVE(one->q, q, 1e-6);
    CHECK_RELATIVE(one->dphi_mean, slope, 2e-5);
    gf_net_free(net);
}

static void test_dead_channels(void) {
    TEST("a conv channel is dead when no pixel of any image has z > 0");
    gf_net *net = net_of("conv:4:3:1:1 relu max:2:2 dense:2", gf_image(1, 6, 6), 4, 1, 0);
    gf_tensor *bias = gf_net_tensor(net, "conv1.bias");
    hash_params(net, 90);
    bias->value[1] = bias->value[3] = -100;
    gf_dataset data;
    const int classes[4] = {0, 1, 0, 1};
    hash_fill(x, 4 * 36, 91, 1);
    CHECK(gf_data_from_arrays(&data, gf_image(1, 6, 6), 4, x, classes, 2, NULL, 0) == GF_OK);
    gf_net_evaluate(net, &data, GF_LOSS_CROSS_ENTROPY, NULL);
    CHECK_NEAR(gf_net_probe(net, 1)->dead_share, 0.5, 0);
    data.values[0] = 1e5; // one pixel of one image wakes channel 1 or 3 or both, as the sign of their weights says
    gf_net_evaluate(net, &data, GF_LOSS_CROSS_ENTROPY, NULL);
    CHECK(gf_net_probe(net, 1)->dead_share < 0.5);
    gf_data_free(&data);
    gf_net_free(net);
}

static void test_initialisers(void) {
    TEST("conv weights: fans, streams and orthogonal filters");
    gf_net *plain = net_of("conv:8:3:1:1 relu conv:8:3:2:1 dense:4", gf_image(3, 8, 8), 2, 1, 0);
    gf_net *normed = net_of("conv:8:3:1:1 batch_norm tanh conv:8:3:2:1 dense:4", gf_image(3, 8, 8), 2, 1, 0);
    gf_tensor *w = gf_net_tensor(plain, "conv2.weight");
    double largest = 0;
    CHECK(!memcmp(w->value, gf_net_tensor(normed, "conv2.weight")->value, w->size * sizeof(gf_real)));
    for (size_t i = 0; i < w->size; i++) largest = fmax(largest, fabs((double)w->value[i]));
    CHECK(largest <= 1 / sqrt(72.0) && largest > 0.97 / sqrt(72.0)); // U(±1/√(IC·KH·KW))
    gf_net_free(plain), gf_net_free(normed);
    for (int kernel = 1; kernel <= 3; kernel += 2) {
        const int channels = kernel == 1 ? 18 : 2;  // a filter is a row of 18 numbers
        gf_net *net = gf_net_create(gf_image(channels, 5, 5), 1, 3);
        gf_net_set_init(net, gf_init_with(GF_INIT_ORTHOGONAL, 2), gf_init_zero());
        gf_net_conv2d(net, 6, kernel, 1, 0);
        gf_net_build(net);
        w = gf_net_tensor(net, "conv1.weight");
        for (int a = 0; a < 6; a++)
            for (int b = 0; b < 6; b++) {
                double dot = 0;
                for (int i = 0; i < 18; i++) dot += (double)w->value[a * 18 + i] * (double)w->value[b * 18 + i];
                CHECK_NEAR(dot, a == b ? 4 : 0, 1e-5);
            }
        gf_net_free(net);
    }
}

// --- PyTorch ---

static FILE *fixture;
static char line[LINE_BYTES], *field[LINE_FIELDS];
static int fields;

static int next_line(void) {
    if (!fgets(line, sizeof line, fixture)) return 0;
    line[strcspn(line, "\n")] = '\0';
    fields = 0;
    for (char *at = line; at && fields < LINE_FIELDS;) {
        field[fields++] = at;
        at = strchr(at, ',');
        if (at) *at++ = '\0';
    }
    return 1;
}

static double number_at(int i) { return i < fields ? atof(field[i]) : NAN; }

static int expect_line(const char *name) {
    if (next_line() && !strcmp(field[0], name)) return 1;
    test_fail(__FILE__, __LINE__, "the fixture has no line %s here", name);
    return 0;
}

// The next line: name,n,sum,l2,samples; an element may be off by tolerance·(itself + RMS).
static void compare_tensor(const char *role, const char *name, const gf_real *v, size_t n) {
    if (!expect_line(role)) return;
    double l2 = number_at(3), sum = 0, scale = l2 > 0 ? l2 : 1, norm = v ? rms_of(v, n) * sqrt((double)n) : NAN;
    int samples = fields - 4;
    CHECK(n == (size_t)number_at(1) && samples > 0);
    for (size_t i = 0; v && i < n; i++) sum += (double)v[i];
    if (!(fabs(norm - l2) <= tolerance() * scale))
        test_fail(__FILE__, __LINE__, "L2 of %s is %.17g, expected %.17g", name, norm, l2);
    if (!(fabs(sum - number_at(2)) <= tolerance() * sqrt((double)n) * scale))
        test_fail(__FILE__, __LINE__, "sum of %s is %.17g, expected %.17g", name, sum, number_at(2));
    for (int k = 0; v && k < samples; k++) {
        size_t at = (size_t)k * n / (size_t)samples;
        double expected = number_at(4 + k), bound = l2 > 0 ? fabs(expected) + l2 / sqrt((double)n) : 1;
        if (!(fabs((double)v[at] - expected) <= tolerance() * bound))
            test_fail(__FILE__, __LINE__, "%s[%d] is %.17g, expected %.17g", name, (int)at, (double)v[at], expected);
    }
}

// case,number,words,channels,height,width,batch,mode,warm
static void run_case(void) {
    static char title[400];
    char words[256];
    uint64_t number = (uint64_t)number_at(1);
    gf_shape shape = gf_image((int)number_at(3), (int)number_at(4), (int)number_at(5));
    int batch = (int)number_at(6), warm = (int)number_at(8), eval = !strcmp(field[7], "eval");
    snprintf(words, sizeof words, "%s", field[2]);
    snprintf(title, sizeof title, "pytorch %s%s", words, eval ? " (eval)" : "");
    TEST(title);
    gf_net *net = net_of(words, shape, batch + 1, 1, 1);
    hash_params(net, number);
    for (int k = 0; k < warm; k++) {
        hash_fill(x, (size_t)batch * net_shape_size(shape), number + 901 + (uint64_t)k, 1);
        gf_net_forward(net, x, batch, GF_TRAIN);
    }
    double loss = run(net, batch, eval ? GF_EVAL : GF_TRAIN, number);
    if (expect_line("loss")) CHECK_RELATIVE(loss, number_at(1), tolerance());
    compare_tensor("output", "output", gf_net_layer(net, gf_net_describe(net).layer_count - 1).output,
                   (size_t)(batch * net_outputs(net)));
    compare_tensor("input_gradient", "input_gradient", gf_net_describe(net).input_grad,
                   (size_t)batch * net_shape_size(shape));
    for (int state = 0; state < 2; state++)
        for (int t = 0; t < gf_net_describe(net).tensor_count; t++) {
            gf_tensor *tensor = gf_net_tensor_at(net, t);
            if (state == !tensor->grad)
                compare_tensor(strchr(tensor->name, '.') + 1, tensor->name, state ? tensor->value : tensor->grad,
                               tensor->size);
        }
    gf_net_free(net);
}

// Each within 1e-9 in double. In float within `bound`, or no farther than ten times what PyTorch's float run was off by then.
static void compare_series(const char *name, const double *found, int n, double bound) {
    double expected[LINE_FIELDS];
    char error_name[32];
    snprintf(error_name, sizeof error_name, "%s_float_error", name);
    if (!expect_line(name)) return;
    CHECK(fields == n + 1);
    for (int i = 0; i < n; i++) expected[i] = number_at(i + 1);
    if (!expect_line(error_name)) return;
    CHECK(fields == n + 1);
    for (int i = 0; i < n; i++) {
        double off = 10 * number_at(i + 1), allowed = sizeof(gf_real) == sizeof(double) ? 1e-9
                                                      : off > bound                     ? off
                                                                                        : bound;
        if (!(fabs(found[i] - expected[i]) <= allowed * expected[i]))
            test_fail(__FILE__, __LINE__, "%s[%d] is %.17g, expected %.17g within %g of itself", name, i, found[i],
                      expected[i], allowed);
    }
}

// The images of make_fixtures_conv.py's batch_of().
static void training_batch(int step, int batch) {
    static double prototypes[10 * 3072];
    if (step == 0)
        for (size_t i = 0; i < 10 * 3072; i++) prototypes[i] = hash_value(3100000, i, 16) / 4;
    hash_labels(labels, (size_t)batch, 2100000 + (uint64_t)step, 10);
    for (size_t b = 0; b < (size_t)batch; b++)
        for (size_t i = 0; i < 3072; i++) {
            double noise = hash_value(1100000 + (uint64_t)step, b * 3072 + i, 16);
            x[b * 3072 + i] = (gf_real)(noise + prototypes[(size_t)labels[b] * 3072 + i]);
        }
}

// train,words,number,steps,batch: a study's net under Adam.
static void run_training(void) {
    static char title[400];
    char words[256];
    double losses[LINE_FIELDS], norms[LINE_FIELDS];
    int steps = (int)number_at(3), batch = (int)number_at(4);
    uint64_t number = (uint64_t)number_at(2);
    gf_optim adam;
    snprintf(words, sizeof words, "%s", field[1]);
    snprintf(title, sizeof title, "pytorch %d steps of %s", steps, words);
    TEST(title);
    gf_net *net = net_of(words, gf_image(3, 32, 32), batch, 1, 0);
    hash_params(net, number);
    gf_optim_init(&adam, net, gf_adam(1e-3));
    for (int step = 0; step < steps; step++) {
        training_batch(step, batch);
        gf_net_forward(net, x, batch, GF_TRAIN);
        losses[step] = gf_loss_cross_entropy(net, labels);
        gf_net_backward(net);
        norms[step] = gf_net_grad_norm(net);
        gf_optim_step(&adam, net);
    }
    CHECK(gf_net_status(net) == GF_OK);
    compare_series("losses", losses, steps, 1e-4);
    compare_series("norms", norms, steps, 1e-3);
    gf_optim_free(&adam);
    gf_net_free(net);
}

static void test_pytorch(void) {
    int cases = 0, trainings = 0;
    TEST("pytorch fixture conv.csv");
    fixture = fixture_open("conv.csv");
    while (fixture && next_line()) {
        if (!strcmp(field[0], "case")) run_case(), cases++;
        else if (!strcmp(field[0], "train")) run_training(), trainings++;
        else test_fail(__FILE__, __LINE__, "a line of the fixture begins with \"%s\"", field[0]);
    }
    TEST("pytorch fixture conv.csv read to its end");
    CHECK(cases >= 28 && trainings == 4);
    if (fixture) fclose(fixture);
}

int main(void) {
    test_shapes();
    test_errors();
    if (sizeof(gf_real) == sizeof(double)) test_gradients();
    test_kernels();
    test_winograd_rounding();
    test_batch_norm_parts();
    test_threads();
    test_again();
    test_first_layer_without_input_gradient();
    test_pool_values();
    test_nan_passes();
    test_maps();
    test_probes();
    test_dead_channels();
    test_initialisers();
    test_pytorch();
    return test_report();
}
