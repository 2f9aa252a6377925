// test_checkpoint.c: training saved in mid-epoch and resumed gives the same bits; a damaged file changes nothing.
// build: float double
#include "../gradflow.h"
#include "nets.h"

enum { INPUTS = 6, SAMPLES = 50, BATCH = 8, SAVE_AT = 17, STEPS = 40 }; // 7 batches an epoch, the last of 2 samples

static const char words[] = "dense:12 batch_norm tanh dropout:0.25 mark dense:12 prelu add:1 layer_norm dense:3";
static char path[256];

// A file name of this run's own.
static void name_file(void) {
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/gradflow_checkpoint_%d_%p", folder ? folder : "/tmp", (int)sizeof(gf_real),
             (void *)&folder);
}

static void make_data(gf_dataset *data) {
    gf_real x[SAMPLES * INPUTS];
    int labels[SAMPLES];
    hash_fill(x, SAMPLES * INPUTS, 11, 1);
    hash_labels(labels, SAMPLES, 12, 3);
    if (gf_data_from_arrays(data, gf_vector(INPUTS), SAMPLES, x, labels, 3, NULL, 0) != GF_OK)
        test_fail(__FILE__, __LINE__, "%s", gf_last_error());
}

static long net_steps(const gf_net *net) { return gf_net_describe(net).step; }
static int net_tensors(const gf_net *net) { return gf_net_describe(net).tensor_count; }
static size_t net_numbers(const gf_net *net) { return gf_net_describe(net).param_count; }
static gf_real *net_weights(const gf_net *net) { return gf_net_describe(net).params; }

typedef struct run {
    gf_net *net;
    gf_optim optim;
    gf_batches batches;
} run;

static void run_start(run *r, const gf_dataset *data, gf_optim_config config, uint64_t seed) {
    r->net = net_from_words(words, INPUTS, BATCH, seed);
    gf_optim_init(&r->optim, r->net, config);
    gf_batches_init(&r->batches, data, BATCH, 5, GF_SHUFFLE);
}

static double run_steps(run *r, int steps) {
    double loss = NAN;
    for (int step = 0; step < steps; step++) {
        while (!gf_batches_next(&r->batches)) {}
        gf_net_forward(r->net, r->batches.x, r->batches.n, GF_TRAIN);
        loss = gf_loss_cross_entropy(r->net, r->batches.labels);
        gf_net_backward(r->net);
        gf_optim_step(&r->optim, r->net);
    }
    if (gf_net_status(r->net) != GF_OK) test_fail(__FILE__, __LINE__, "%s", gf_net_error(r->net));
    return loss;
}

static void run_end(run *r) {
    gf_optim_free(&r->optim);
    gf_batches_free(&r->batches);
    gf_net_free(r->net);
}

static int same_reals(const gf_real *a, const gf_real *b, size_t n) {
    return (!a && !b) || (a && b && !memcmp(a, b, n * sizeof *a));
}

// Parameters, running statistics, moments, counts and outputs, bit for bit.
static int same_run(run *a, run *b) {
    size_t n = net_numbers(a->net);
    int same = same_reals(net_weights(a->net), net_weights(b->net), n) && same_reals(a->optim.m, b->optim.m, n) &&
               same_reals(a->optim.v, b->optim.v, n) && a->optim.step == b->optim.step &&
               net_steps(a->net) == net_steps(b->net) && a->batches.epoch == b->batches.epoch &&
               a->batches.position == b->batches.position;
    for (int t = 0; t < net_tensors(a->net); t++) {
        gf_tensor *x = gf_net_tensor_at(a->net, t), *y = gf_net_tensor_at(b->net, t);
        same = same && same_reals(x->value, y->value, x->size);
    }
    return same;
}

static void test_resume(const gf_dataset *data, const char *name, gf_optim_config config) {
    char title[96];
    run whole, resumed;
    double loss, loss_resumed;
    snprintf(title, sizeof title, "checkpoint resumes bit for bit: %s", name);
    TEST(title);
    run_start(&whole, data, config, 42);
    run_steps(&whole, SAVE_AT);
    CHECK(whole.batches.epoch == 2 && whole.batches.position == 3 * BATCH); // in mid-epoch
    CHECK(gf_net_save(whole.net, &whole.optim, &whole.batches, path) == GF_OK);
    config.lr *= 3; // of the file, not of the new optimiser
    run_start(&resumed, data, config, 43);
    CHECK(!same_run(&whole, &resumed));
    CHECK(gf_net_load(resumed.net, &resumed.optim, &resumed.batches, path) == GF_OK);
    CHECK(same_run(&whole, &resumed));
    loss = run_steps(&whole, STEPS - SAVE_AT);
    loss_resumed = run_steps(&resumed, STEPS - SAVE_AT);
    CHECK(loss == loss_resumed && loss > 0);
    CHECK(same_run(&whole, &resumed));
    CHECK(resumed.optim.step == STEPS && net_steps(resumed.net) == STEPS);
    run_end(&whole);
    run_end(&resumed);
    remove(path);
}

static unsigned char *read_file(size_t *size) {
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = (unsigned char *)malloc(1 << 20);
    *size = file ? fread(bytes, 1, 1 << 20, file) : 0;
    if (file) fclose(file);
    return bytes;
}

static void write_file(const unsigned char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(bytes, 1, size, file) == size);
    if (file) fclose(file);
}

// Loading must fail with this status and leave `r` as `expected` is.
static int refused(run *r, run *expected, gf_status status) {
    int right = gf_net_load(r->net, &r->optim, &r->batches, path) == status && gf_net_status(r->net) == status &&
                strlen(gf_net_error(r->net)) > 10;
    gf_net_clear_error(r->net);
    return right && same_run(r, expected);
}

static void test_damage(const gf_dataset *data) {
    run a, b, fresh;
    size_t size, kept = 0;
    int wrong = 0;
    TEST("checkpoint: every flipped byte is refused and changes nothing");
    run_start(&a, data, gf_adam(0.01), 42);
    run_steps(&a, 3);
    CHECK(gf_net_save(a.net, &a.optim, &a.batches, path) == GF_OK);
    unsigned char *bytes = read_file(&size);
    CHECK(size > 1000);
    run_start(&b, data, gf_adam(0.01), 43);
    run_start(&fresh, data, gf_adam(0.01), 43);
    for (size_t i = 0; i < size; i += i < 400 || i + 16 > size ? 1 : 61) {
        unsigned char flip = (unsigned char)(1 << (i % 8));
        bytes[i] ^= flip;
        write_file(bytes, size);
        bytes[i] ^= flip;
        wrong += !refused(&b, &fresh, GF_ERROR_FORMAT);
        kept++;
    }
    CHECK(wrong == 0);
    CHECK(kept > 450);
    TEST("checkpoint: a damaged one says what to do");
    bytes[size / 2] ^= 1;
    write_file(bytes, size);
    bytes[size / 2] ^= 1;
    CHECK(gf_net_load(b.net, NULL, NULL, path) == GF_ERROR_FORMAT);
    CHECK_TEXT(gf_net_error(b.net), "checksum is wrong");
    CHECK_TEXT(gf_net_error(b.net), "restore it from a copy, or train again");
    gf_net_clear_error(b.net);
    TEST("checkpoint: truncated and padded files are refused");
    for (size_t n = 0; n < size; n += n < 200 ? 3 : 211) {
        write_file(bytes, n);
        wrong += !refused(&b, &fresh, GF_ERROR_FORMAT);
    }
    CHECK(wrong == 0);
    bytes[size] = 0;
    write_file(bytes, size + 1);
    CHECK(refused(&b, &fresh, GF_ERROR_FORMAT));
    write_file(bytes, size);
    CHECK(gf_net_load(b.net, &b.optim, &b.batches, path) == GF_OK && same_run(&a, &b));
    free(bytes);
    run_end(&a), run_end(&b), run_end(&fresh);
    remove(path);
}

// CRC-32 as zip has it, from the polynomial: the checksum that gf_net_save appends, as 8 bytes, lowest first.
static void seal(unsigned char *bytes, size_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size - 8; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    for (int i = 0; i < 8; i++) bytes[size - 8 + (size_t)i] = (unsigned char)(i < 4 ? ~crc >> (8 * i) : 0);
}

// A file of another make, with a right checksum: what gf_net_save wrote but for one byte, or cut to `size`.
static void refuse_forged(gf_net *net, const unsigned char *saved, size_t size, size_t at, int value, gf_status status,
                          const char *part) {
    unsigned char *bytes = (unsigned char *)malloc(size);
    gf_real *before = (gf_real *)malloc(net_numbers(net) * sizeof(gf_real));
    memcpy(before, net_weights(net), net_numbers(net) * sizeof(gf_real));
    memcpy(bytes, saved, size);
    if (at > 0) bytes[at] = (unsigned char)value;
    seal(bytes, size);
    write_file(bytes, size);
    CHECK(gf_net_load(net, NULL, NULL, path) == status);
    CHECK_TEXT(gf_net_error(net), part);
    CHECK(same_reals(before, net_weights(net), net_numbers(net)));
    gf_net_clear_error(net);
    free(bytes), free(before);
}

static void test_forged(void) {
    size_t size;
    TEST("checkpoint of another version, width, size or net, its checksum right, is refused");
    gf_net *a = net_from_words("dense:4 batch_norm tanh dense:2", INPUTS, BATCH, 1);
    gf_net *b = net_from_words("dense:4 batch_norm tanh dense:2", INPUTS, BATCH, 2);
    CHECK(gf_net_save(a, NULL, NULL, path) == GF_OK);
    unsigned char *bytes = read_file(&size);
    int width = (int)sizeof(gf_real);
    CHECK(bytes[16] == width);  // magic, version, width, length of the words, parameters, state: 8 bytes each
    refuse_forged(b, bytes, size, 8, bytes[8] + 1, GF_ERROR_FORMAT, "this program reads version");
    refuse_forged(b, bytes, size, 16, 12 - width, GF_ERROR_FORMAT, width == 4 ? "numbers of 8" : "numbers of 4");
    refuse_forged(b, bytes, size, 26, 1, GF_ERROR_FORMAT, "inside its head");
    refuse_forged(b, bytes, size, 32, bytes[32] + 1, GF_ERROR_SHAPE, "another net");
    refuse_forged(b, bytes, size, 40, bytes[40] + 1, GF_ERROR_SHAPE, "another net");
    for (size_t n = 16; n < 136; n += 40) refuse_forged(b, bytes, n, 0, 0, GF_ERROR_FORMAT, "no whole checkpoint");
    refuse_forged(b, bytes, size - 4, 0, 0, GF_ERROR_FORMAT, "cut off or overwritten");
    refuse_forged(b, bytes, size - 100, 0, 0, GF_ERROR_FORMAT, "cut off or overwritten");
    seal(bytes, size);  // the test's checksum is the library's
    write_file(bytes, size);
    CHECK(gf_net_load(b, NULL, NULL, path) == GF_OK);
    CHECK(same_reals(net_weights(a), net_weights(b), net_numbers(a)));
    free(bytes);
    gf_net_free(a), gf_net_free(b);
    remove(path);
}

// A 4×4 image, max-pooled to 2×2.
static gf_net *pooled(int kernel, int stride) {
    gf_net *net = gf_net_create(gf_image(1, 4, 4), BATCH, 1);
    gf_net_max_pool2d(net, kernel, stride), gf_net_dense(net, 2), gf_net_build(net);
    return net;
}

static void test_windows(void) {
    TEST("checkpoint of another window is refused though every shape is the same");
    gf_net *a = pooled(2, 2), *b = pooled(3, 1), *c = pooled(2, 2);
    CHECK(gf_net_save(a, NULL, NULL, path) == GF_OK);
    CHECK(gf_net_load(b, NULL, NULL, path) == GF_ERROR_SHAPE);
    CHECK_TEXT(gf_net_error(b), "2x2/2x2+0x0");
    CHECK_TEXT(gf_net_error(b), "3x3/1x1+0x0");
    CHECK(gf_net_load(c, NULL, NULL, path) == GF_OK);
    gf_net_free(a), gf_net_free(b), gf_net_free(c);
    remove(path);
}

// A valid file for `saved` must not go into a net of `other`.
static void refuse_architecture(const char *saved, const char *other, const char *part) {
    gf_net *a = net_from_words(saved, INPUTS, BATCH, 1), *b = net_from_words(other, INPUTS, BATCH, 1);
    CHECK(gf_net_save(a, NULL, NULL, path) == GF_OK);
    gf_real *before = (gf_real *)malloc(net_numbers(b) * sizeof(gf_real));
    memcpy(before, net_weights(b), net_numbers(b) * sizeof(gf_real));
    if (gf_net_load(b, NULL, NULL, path) == GF_OK)
        test_fail(__FILE__, __LINE__, "a checkpoint of %s went into %s", saved, other);
    CHECK_TEXT(gf_net_error(b), part);
    CHECK(!memcmp(before, net_weights(b), net_numbers(b) * sizeof(gf_real)));
    free(before);
    gf_net_free(a), gf_net_free(b);
}

static void test_architecture(void) {
    TEST("checkpoint of another architecture is refused");
    refuse_architecture("dense:4 tanh dense:2", "dense:4 relu dense:2", "tanh");
    refuse_architecture("dense:4 tanh dense:2", "dense:5 tanh dense:2", "dense1");
    refuse_architecture("dense:4 tanh dense:2", "dense:4 batch_norm tanh dense:2", "batch_norm1");
    refuse_architecture("dense:4 tanh dense:2", "no_bias:1 dense:4 tanh dense:2", "");
    refuse_architecture("dense:4 dropout:0.5 dense:2", "dense:4 dropout:0.25 dense:2", "0.");
    refuse_architecture("dense:4 leaky_relu:0.1 dense:2", "dense:4 leaky_relu:0.2 dense:2", "0.");
    refuse_architecture("mark dense:6 mark dense:6 add:1 dense:2", "mark dense:6 mark dense:6 add:2 dense:2", "mark");
    TEST("checkpoint of a net so deep that its description is cut off");
    gf_net *deep[2];
    for (int k = 0; k < 2; k++) {
        deep[k] = gf_net_create(gf_vector(INPUTS), BATCH, 1 + (uint64_t)k);
        for (int i = 0; i < 300; i++) gf_net_act(deep[k], GF_ACT_TANH);
        gf_net_dense(deep[k], 2), gf_net_build(deep[k]);
    }
    CHECK(gf_net_save(deep[0], NULL, NULL, path) == GF_OK && gf_net_load(deep[1], NULL, NULL, path) == GF_OK);
    CHECK(same_reals(net_weights(deep[0]), net_weights(deep[1]), net_numbers(deep[0])));
    gf_net_free(deep[0]), gf_net_free(deep[1]);
    remove(path);
}

static void test_optimiser_mismatch(const gf_dataset *data) {
    run a, b;
    TEST("checkpoint: another optimiser is refused, none is allowed");
    run_start(&a, data, gf_adam(0.01), 42);
    run_start(&b, data, gf_rmsprop(0.01), 43);
    run_steps(&a, 2);
    CHECK(gf_net_save(a.net, &a.optim, NULL, path) == GF_OK);
    CHECK(gf_net_load(b.net, &b.optim, NULL, path) != GF_OK);
    CHECK_TEXT(gf_net_error(b.net), "adam");
    gf_net_clear_error(b.net);
    CHECK(gf_net_load(b.net, NULL, &b.batches, path) == GF_ERROR_SHAPE);
    CHECK_TEXT(gf_net_error(b.net), "without batches");
    gf_net_clear_error(b.net);
    gf_real zeros[INPUTS > 8 ? INPUTS : 8] = {0};
    gf_net_forward(b.net, zeros, 1, GF_EVAL), gf_loss_mse(b.net, zeros);
    CHECK(gf_net_load(b.net, NULL, NULL, path) == GF_OK);
    CHECK(gf_net_predict(b.net, zeros, NULL) >= 0);  // the file says that the net was trained with cross entropy
    CHECK(same_reals(net_weights(a.net), net_weights(b.net), net_numbers(a.net)));
    CHECK(gf_net_save(a.net, NULL, NULL, path) == GF_OK);
    CHECK(gf_net_load(a.net, &a.optim, NULL, path) != GF_OK); // the file has no moments
    gf_net_clear_error(a.net);
    CHECK(gf_net_save(a.net, &b.optim, NULL, path) == GF_OK);
    run_end(&a), run_end(&b);
    run_start(&a, data, gf_sgd(0.01), 42), run_start(&b, data, gf_sgd(0.01), 43);
    gf_optim_config momentum = gf_sgd(0.01);
    gf_optim_free(&b.optim), momentum.momentum = 0.9, gf_optim_init(&b.optim, b.net, momentum);
    CHECK(gf_net_save(a.net, &a.optim, NULL, path) == GF_OK);  // the same optimiser, but without momentum's moments
    CHECK(gf_net_load(b.net, &b.optim, NULL, path) == GF_ERROR_SHAPE);
    CHECK_TEXT(gf_net_error(b.net), "initialise the same");
    run_end(&a), run_end(&b);
    remove(path);
}

static void test_batches_mismatch(const gf_dataset *data) {
    run a, b;
    gf_batches none;
    TEST("checkpoint: batches of fewer samples, and batches that are none, are refused");
    run_start(&a, data, gf_adam(0.01), 42);
    run_start(&b, data, gf_adam(0.01), 43);
    run_steps(&a, 6);  // the place: sample 48 of 50
    CHECK(gf_net_save(a.net, &a.optim, &a.batches, path) == GF_OK);
    gf_dataset few = *data;
    few.count = 40;
    gf_batches_free(&b.batches);
    CHECK(gf_batches_init(&b.batches, &few, BATCH, 5, GF_SHUFFLE) == GF_OK);
    CHECK(gf_net_load(b.net, &b.optim, &b.batches, path) == GF_ERROR_SHAPE);
    CHECK_TEXT(gf_net_error(b.net), "sample 48 of epoch 0, the data have 40");
    CHECK(b.optim.step == 0 && b.batches.position == 0);
    gf_net_clear_error(b.net);
    memset(&none, 0, sizeof none);
    CHECK(gf_net_load(b.net, &b.optim, &none, path) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_net_error(b.net), "gf_net_load: batches are not initialised");
    gf_net_clear_error(b.net);
    CHECK(gf_net_save(b.net, &b.optim, &none, path) == GF_ERROR_ARGUMENT);
    gf_net_clear_error(b.net);
    TEST("checkpoint: an optimiser of another net is refused");
    gf_net *other = net_from_words("dense:4 tanh dense:2", INPUTS, BATCH, 1);
    CHECK(gf_net_save(other, &a.optim, NULL, path) != GF_OK);
    CHECK_TEXT(gf_net_error(other), "call gf_optim_init with this net");
    gf_net_free(other);
    run_end(&a), run_end(&b);
    remove(path);
}

// tests/fixtures/checkpoint_v1.bin was written by version 0.1 after five steps of this net: it still loads, and is
// written again byte for byte.
static void test_old_file(void) {
    if (sizeof(gf_real) != 4) return;
    unsigned char found[4096];
    size_t size = 0;
    TEST("checkpoint of version 0.1 loads and is written again byte for byte");
    FILE *file = fixture_open("checkpoint_v1.bin");
    gf_net *net = net_from_words("dense:5 batch_norm leaky_relu:0.2 mark dense:5 prelu dropout:0.25 add:1 layer_norm dense:2",
                                 3, 4, 7);
    gf_optim adam;
    gf_batches batches;
    gf_dataset data;
    gf_real x[30] = {0};
    int labels[10] = {0};
    CHECK(gf_data_from_arrays(&data, gf_vector(3), 10, x, labels, 2, NULL, 0) == GF_OK);
    CHECK(gf_batches_init(&batches, &data, 4, 5, GF_SHUFFLE) == GF_OK);
    CHECK(gf_optim_init(&adam, net, gf_adam(0.5)) == GF_OK);
    if (file) {
        size = fread(found, 1, sizeof found, file);
        fclose(file);
    }
    write_file(found, size);
    CHECK(gf_net_load(net, &adam, &batches, path) == GF_OK);
    CHECK(adam.step == 5 && net_steps(net) == 5 && adam.config.lr == 0.01);
    CHECK(batches.epoch == 1 && batches.position == 8);
    CHECK(gf_net_save(net, &adam, &batches, path) == GF_OK);
    size_t again_size;
    unsigned char *again = read_file(&again_size);
    CHECK(size > 500 && again_size == size && !memcmp(again, found, size));
    free(again);
    gf_optim_free(&adam), gf_batches_free(&batches), gf_data_free(&data), gf_net_free(net);
    remove(path);
}

static int file_exists(const char *name) {
    FILE *file = fopen(name, "rb");
    if (file) fclose(file);
    return file != NULL;
}

static void test_files(void) {
    char temporary[300], missing[320], lengthy[2000];
    TEST("checkpoint files: missing, folder, no such folder, NULL");
    gf_net *net = net_from_words("dense:4 tanh dense:2", INPUTS, BATCH, 1);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    snprintf(missing, sizeof missing, "%s/no/such/folder/file", path);
    CHECK(gf_net_load(net, NULL, NULL, path) == GF_ERROR_IO);
    CHECK_TEXT(gf_net_error(net), path);
    gf_net_clear_error(net);
    CHECK(gf_net_load(net, NULL, NULL, "/tmp") != GF_OK);
    gf_net_clear_error(net);
    CHECK(gf_net_save(net, NULL, NULL, missing) == GF_ERROR_IO);
    CHECK_TEXT(gf_net_error(net), "no/such/folder");
    gf_net_clear_error(net);
    CHECK(gf_net_save(net, NULL, NULL, NULL) == GF_ERROR_ARGUMENT);
    gf_net_clear_error(net);
    CHECK(gf_net_load(net, NULL, NULL, NULL) == GF_ERROR_ARGUMENT);
    gf_net_clear_error(net);
    memset(lengthy, 'x', sizeof lengthy), lengthy[sizeof lengthy - 1] = '\0';
    CHECK(gf_net_save(net, NULL, NULL, lengthy) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_net_error(net), "longer than");
    gf_net_clear_error(net);
    TEST("checkpoint leaves no temporary file");
    snprintf(missing, sizeof missing, "%.*s.", (int)(strrchr(path, '/') - path + 1), path);  // a folder is no file
    CHECK(gf_net_save(net, NULL, NULL, missing) == GF_ERROR_IO);
    CHECK_TEXT(gf_net_error(net), "could not be written");
    gf_net_clear_error(net);
    strcat(missing, ".tmp");
    CHECK(!file_exists(missing));
    CHECK(gf_net_save(net, NULL, NULL, path) == GF_OK && gf_net_save(net, NULL, NULL, path) == GF_OK);
    CHECK(file_exists(path) && !file_exists(temporary));
    gf_net_free(net);
    net = gf_net_create(gf_vector(3), 2, 1);
    gf_net_dense(net, 2);
    CHECK(gf_net_save(net, NULL, NULL, path) == GF_ERROR_ORDER);
    gf_net_clear_error(net);
    CHECK(gf_net_load(net, NULL, NULL, path) == GF_ERROR_ORDER);
    gf_net_free(net);
    remove(path);
}

int main(void) {
    gf_dataset data;
    gf_optim_config config;
    name_file();
    make_data(&data);
    test_resume(&data, "sgd", gf_sgd(0.05));
    config = gf_sgd(0.05), config.momentum = 0.9, config.nesterov = 1;
    test_resume(&data, "sgd nesterov", config);
    test_resume(&data, "adam", gf_adam(0.01));
    test_resume(&data, "adamw", gf_adamw(0.01));
    test_resume(&data, "rmsprop", gf_rmsprop(0.01));
    config = gf_rmsprop(0.01), config.momentum = 0.5;
    test_resume(&data, "rmsprop momentum", config);
    test_damage(&data);
    test_forged();
    test_architecture();
    test_windows();
    test_optimiser_mismatch(&data);
    test_batches_mismatch(&data);
    test_old_file();
    test_files();
    gf_data_free(&data);
    return test_report();
}
