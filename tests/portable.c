// portable.c: a training run in short, for tests/portability.sh: prints the hash of every weight, loss and measurement of
// it. Built with -DGF_NO_SIMD it must be the same from every compiler, optimisation level and machine.
// With -DWITHOUT_HASH it only says whether the run was sound, for builds that promise no bits.
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#include <stdio.h>

static uint64_t hash = UINT64_C(14695981039346656037);  // FNV-1a

static void add(const void *bytes, size_t n) {  // n bytes, in the order of a little-endian machine
    const unsigned char *at = (const unsigned char *)bytes;
    const uint16_t one = 1;
    int little = *(const unsigned char *)&one;
    for (size_t i = 0; i < n; i++) hash = (hash ^ at[little ? i : n - 1 - i]) * UINT64_C(1099511628211);
}

static void add_reals(const gf_real *x, size_t n) {
    for (size_t i = 0; i < n; i++) add(&x[i], sizeof x[i]);
}

enum { IMAGES = 240, PIXELS = 28 * 28 };

// Ten classes of images: a grating of the class's own period and direction, under noise.
static void make_images(gf_dataset *data) {
    static uint8_t pixels[IMAGES * PIXELS];
    static int labels[IMAGES];
    for (int i = 0; i < IMAGES * PIXELS; i++) {
        const int image = i / PIXELS, y = i % PIXELS / 28, x = i % 28, kind = image % 10;
        const int bright = (kind < 5 ? x : y) / (1 + kind % 5) % 2;
        labels[image] = kind;
        pixels[i] = (uint8_t)(100 * bright + (int)(140 * gf_random_uniform(3, GF_STREAM_USER, (uint64_t)i)));
    }
    gf_data_from_pixels(data, gf_image(1, 28, 28), IMAGES, pixels, labels, 10);
}

// An image net with every kind of layer but dropout's mask left out: 12 steps. Returns 1 when the loss fell.
static int train(gf_act_kind kind, gf_optim_config config) {
    gf_dataset data;
    gf_batches batches;
    gf_optim optim;
    double first = 0, last = 0;
    int layer, step;
    gf_net *net = gf_net_create(gf_image(1, 28, 28), 20, 7);
    gf_net_set_init(net, gf_init_kaiming(), gf_init_zero());
    gf_net_conv2d(net, 4, 5, 2, 2), gf_net_act(net, kind), gf_net_max_pool2d(net, 2, 2);
    gf_net_dense(net, 24), gf_net_batch_norm(net), gf_net_act(net, kind), gf_net_dropout(net, 0.1);
    layer = gf_net_mark(net), gf_net_dense(net, 24), gf_net_layer_norm(net), gf_net_add_from(net, layer);
    gf_net_act(net, kind), gf_net_dense(net, 10);
    gf_net_set_probe(net, GF_PROBE_ALL), gf_net_build(net), gf_optim_init(&optim, net, config);
    make_images(&data), gf_batches_init(&batches, &data, 20, 3, GF_SHUFFLE | GF_CROP);
    for (step = 0; step < 24; step++) {
        if (!gf_batches_next(&batches)) gf_batches_next(&batches);
        gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
        last = gf_loss_cross_entropy(net, batches.labels);
        if (step == 0) first = last;
        gf_net_backward(net), gf_net_measure(net), gf_net_clip_grad_norm(net, 5), gf_optim_step(&optim, net);
        add(&last, sizeof last);
        for (layer = 1; layer <= gf_net_describe(net).affine_count; layer++)
            add(&gf_net_probe(net, layer)->delta.rms, sizeof(double));
    }
    add_reals(gf_net_describe(net).params, gf_net_describe(net).param_count);
    step = gf_net_status(net) == GF_OK && last < first;
    if (!step) printf("%s: %s, loss %g, then %g\n", gf_act_default(kind).name, gf_net_error(net), first, last);
    gf_batches_free(&batches), gf_data_free(&data), gf_optim_free(&optim), gf_net_free(net);
    return step;
}

int main(void) {
    int sound = train(GF_ACT_RELU, gf_sgd(0.05)) & train(GF_ACT_TANH, gf_adam(0.003)) &
                train(GF_ACT_GELU, gf_adamw(0.003)) & train(GF_ACT_MISH, gf_rmsprop(0.001));
#ifdef WITHOUT_HASH
    printf("%s\n", sound ? "sound" : "unsound");
#else
    printf("%016llx\n", (unsigned long long)hash);
#endif
    return !sound;
}
