// nets.h: what the tests of nets share: hashed values, the same as in make_fixtures.py, and nets made from words.
#ifndef GF_TEST_NETS_H
#define GF_TEST_NETS_H
#include "test.h"

enum { NETS_MAX_BATCH = 64, NETS_MAX_OUTPUTS = 64, NETS_MAX_MARKS = 8 };

static inline uint64_t hash_mix(uint64_t z) { // splitmix64's step
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline uint64_t hash_bits(uint64_t tensor, size_t index) { return hash_mix(hash_mix(tensor) + index); }

// Odd multiples of 2^-width in (-1, 1): exact in float, never 0.
static inline double hash_value(uint64_t tensor, size_t index, int width) {
    double sides = (double)((uint64_t)1 << width);
    return (2 * (double)(hash_bits(tensor, index) >> (64 - width)) + 1 - sides) / sides;
}

static inline void hash_fill(gf_real *x, size_t n, uint64_t tensor, double scale) {
    for (size_t i = 0; i < n; i++) x[i] = (gf_real)(hash_value(tensor, i, 16) * scale);
}

static inline void hash_labels(int *labels, size_t n, uint64_t tensor, int classes) {
    for (size_t i = 0; i < n; i++) labels[i] = (int)((hash_bits(tensor, i) >> 33) % (uint64_t)classes);
}

// "3x5" or, for both, "3".
static inline void net_sides(const char *text, int *h, int *w) {
    char *end;
    *h = *w = (int)strtol(text, &end, 10);
    if (*end == 'x') *w = (int)strtol(end + 1, NULL, 10);
}

// "conv:CHANNELS:KERNEL:STRIDE:PADDING" with sides HxW or one number for both, "max:KERNEL:STRIDE", "avg:KERNEL:STRIDE"
// and "global"; 0 for any other word.
static inline int net_add_image_word(gf_net *net, const char *word) {
    char text[64], *field[5];
    int count = 0;
    snprintf(text, sizeof text, "%s", word);
    for (char *at = text; count < 5 && at; at = strchr(at, ':')) {
        if (*at == ':') *at++ = '\0';
        field[count++] = at;
    }
    if (!strcmp(text, "conv") && count == 5) {
        gf_window window;
        net_sides(field[2], &window.kernel_h, &window.kernel_w);
        net_sides(field[3], &window.stride_h, &window.stride_w);
        net_sides(field[4], &window.padding_h, &window.padding_w);
        gf_net_conv2d_window(net, atoi(field[1]), window);
    } else if (!strcmp(text, "max") && count == 3) gf_net_max_pool2d(net, atoi(field[1]), atoi(field[2]));
    else if (!strcmp(text, "avg") && count == 3) gf_net_avg_pool2d(net, atoi(field[1]), atoi(field[2]));
    else if (!strcmp(text, "global")) gf_net_global_avg_pool(net);
    else return 0;
    return 1;
}

// One word: a layer with its argument after a colon, "dense:7", "leaky_relu:0.2", "add:1" (the first mark), or an image's.
static inline void net_add_word(gf_net *net, const char *word, int *marks, int *mark_count) {
    const char *colon = strchr(word, ':');
    double argument = colon ? atof(colon + 1) : 0;
    int whole = (int)argument;
    char kind[32];
    gf_act act;
    if (net_add_image_word(net, word)) return;
    snprintf(kind, sizeof kind, "%.*s", colon ? (int)(colon - word) : (int)strlen(word), word);
    if (!strcmp(kind, "dense")) gf_net_dense(net, whole);
    else if (!strcmp(kind, "dropout")) gf_net_dropout(net, argument);
    else if (!strcmp(kind, "batch_norm")) gf_net_batch_norm(net);
    else if (!strcmp(kind, "layer_norm")) gf_net_layer_norm(net);
    else if (!strcmp(kind, "no_bias")) gf_net_set_bias(net, !whole);
    else if (!strcmp(kind, "mark")) marks[(*mark_count)++] = gf_net_mark(net);
    else if (!strcmp(kind, "add")) gf_net_add_from(net, marks[whole - 1]);
    else if (!strcmp(kind, "project")) gf_net_add_projected(net, marks[whole - 1]);
    else if (gf_act_from_name(kind, &act)) {
        if (colon) act.param = argument;
        gf_net_act_with(net, act);
    } else test_fail(__FILE__, __LINE__, "no layer is called \"%s\"", kind);
}

// Add the layers of "dense:7 tanh dense:4".
static inline void net_add_words(gf_net *net, const char *words) {
    char buffer[512];
    int marks[NETS_MAX_MARKS], mark_count = 0;
    snprintf(buffer, sizeof buffer, "%s", words);
    for (char *word = strtok(buffer, " "); word; word = strtok(NULL, " ")) net_add_word(net, word, marks, &mark_count);
}

// A built net that also computes ∂L/∂x.
static inline gf_net *net_from_words(const char *words, int inputs, int max_batch, uint64_t seed) {
    gf_net *net = gf_net_create(gf_vector(inputs), max_batch, seed);
    net_add_words(net, words);
    gf_net_set_input_grad(net, 1);
    gf_net_build(net);
    if (gf_net_status(net) != GF_OK) test_fail(__FILE__, __LINE__, "\"%s\": %s", words, gf_net_error(net));
    return net;
}

static inline int name_ends(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

// "default", "xavier", "kaiming", "lecun" or "orthogonal", with a gain if wanted: "xavier_0.1"; kaiming's is √2 otherwise.
static inline gf_init net_init(const char *name) {
    static const char *const names[] = {"default", "xavier", "kaiming", "lecun", "orthogonal"};
    static const gf_init_kind kinds[] = {GF_INIT_DEFAULT, GF_INIT_XAVIER_NORMAL, GF_INIT_KAIMING_NORMAL,
                                         GF_INIT_LECUN_NORMAL, GF_INIT_ORTHOGONAL};
    for (int i = 0; i < 5; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(name, names[i], length) != 0) continue;
        if (name[length] == '_') return gf_init_with(kinds[i], atof(name + length + 1));
        if (name[length] == '\0') return gf_init_with(kinds[i], kinds[i] == GF_INIT_KAIMING_NORMAL ? sqrt(2.0) : 1);
    }
    test_fail(__FILE__, __LINE__, "no initialiser is called \"%s\"", name);
    return gf_init_zero();
}

// Every parameter from the hash, as make_fixtures.py does: weights below scale/√fan_in, gamma near 1, slope near 0.25.
static inline void net_hash_params(gf_net *net, uint64_t number, double scale) {
    const int tensors = gf_net_describe(net).tensor_count;
    for (int t = 0; t < tensors; t++) {
        gf_tensor *tensor = gf_net_tensor_at(net, t);
        if (!tensor->grad) continue; // a running statistic
        int weight = name_ends(tensor->name, ".weight"), gamma = name_ends(tensor->name, ".gamma");
        int slope = name_ends(tensor->name, ".slope");
        double offset = gamma ? 1 : slope ? 0.25 : 0, factor = slope ? 0.125 : 0.5;
        if (weight)
            for (factor = scale; factor * factor * tensor->dims[1] > scale * scale;) factor /= 2;
        for (size_t i = 0; i < tensor->size; i++)
            tensor->value[i] = (gf_real)(offset + factor * hash_value(number, i, 16));
        number++;
    }
}

typedef struct net_targets { // for each of the losses
    int labels[NETS_MAX_BATCH];
    gf_real bce[NETS_MAX_BATCH * NETS_MAX_OUTPUTS], mse[NETS_MAX_BATCH * NETS_MAX_OUTPUTS];
} net_targets;

static inline size_t net_shape_size(gf_shape s) { return (size_t)s.channels * (size_t)s.height * (size_t)s.width; }

static inline int net_outputs(gf_net *net) {
    return (int)net_shape_size(gf_net_layer(net, gf_net_describe(net).layer_count - 1).shape);
}

static inline void net_hash_targets(gf_net *net, net_targets *targets, int batch, uint64_t tensor) {
    int outputs = net_outputs(net);
    hash_labels(targets->labels, (size_t)batch, tensor, outputs);
    for (size_t i = 0; i < (size_t)(batch * outputs); i++) {
        targets->mse[i] = (gf_real)hash_value(tensor, i, 16);
        targets->bce[i] = (gf_real)((hash_value(tensor, i, 16) + 1) / 2);
    }
}

static inline const void *net_target(const net_targets *targets, gf_loss_kind loss) {
    return loss == GF_LOSS_CROSS_ENTROPY ? (const void *)targets->labels
           : loss == GF_LOSS_BCE         ? targets->bce
                                         : targets->mse;
}

static inline double net_loss(gf_net *net, const net_targets *targets, gf_loss_kind loss) {
    if (loss == GF_LOSS_CROSS_ENTROPY) return gf_loss_cross_entropy(net, targets->labels);
    return loss == GF_LOSS_BCE ? gf_loss_bce(net, targets->bce) : gf_loss_mse(net, targets->mse);
}

// A file of tests/fixtures, from the repository's root, from tests/ or from a folder beside it.
static inline FILE *fixture_open(const char *name) {
    static const char *const folders[] = {"tests/fixtures", "fixtures", "../tests/fixtures"};
    char path[256];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], name);
        FILE *file = fopen(path, "r");
        if (file) return file;
    }
    test_fail(__FILE__, __LINE__, "tests/fixtures/%s: not found", name);
    return NULL;
}
#endif
