// test_safetensors.c: nets from PyTorch compute what they did there, and what is saved loads again; damaged, hostile and
// foreign files are refused and change nothing. The files in fixtures/ were written by PyTorch (torch_safetensors.py).
// build: float double
#include "counted_alloc.h"
#include "../gradflow.h"
#include "nets.h"

enum { NETS = 3, MAX_INPUTS = 256, MAX_FILE = 8192, SAMPLES = 4 };

static const char *const names[NETS] = {"lenet", "bn_cnn", "residual"};
static const char *const lenet_modules[] = {"0", "3", "7", "9", NULL};
static const char *const cnn_modules[] = {"conv1", "bn1", "conv2", "bn2", "slope", "head", NULL};
static const char *const residual_modules[] = {"fc1", "fc2", "norm", "fc3", "skip", "fc4", NULL};
static const char *const *const modules[NETS] = {lenet_modules, cnn_modules, residual_modules};
static char file[] = "build/safetensors.000000";

static gf_net *make(int which, uint64_t seed) {
    static const gf_shape shapes[NETS] = {{1, 16, 16}, {2, 6, 6}, {6, 1, 1}};
    static const char *const words[NETS] = {
        "conv:3:5:1:0 tanh avg:2:2 conv:4:3:1:0 tanh avg:2:2 dense:10 tanh dense:5",
        "no_bias:1 conv:4:3:1:1 batch_norm relu no_bias:0 conv:5:3:2:0 batch_norm prelu global dense:3",
        "dense:8 relu mark dense:8 layer_norm tanh add:1 mark dense:5 tanh project:2 dense:3"};
    gf_net *net = gf_net_create(shapes[which], SAMPLES, seed);
    net_add_words(net, words[which]);
    gf_net_build(net);
    return net;
}

// The outputs in GF_EVAL for the numbers that torch_safetensors.py takes.
static const gf_real *outputs(int which, gf_net *net, int *count) {
    static const int sizes[NETS] = {256, 72, 6}, outs[NETS] = {5, 3, 3};
    static gf_real x[SAMPLES * MAX_INPUTS];
    for (int i = 0; i < SAMPLES * sizes[which]; i++) x[i] = (gf_real)(37 * i % 101 / 50.0 - 1);
    *count = SAMPLES * outs[which];
    return gf_net_forward(net, x, SAMPLES, GF_EVAL);
}

static const char *fixture(int which) {
    static char path[100];
    snprintf(path, sizeof path, "tests/fixtures/%s.safetensors", names[which]);
    return path;
}

static int same(gf_net *a, gf_net *b) {
    for (int i = 0; i < gf_net_describe(a).tensor_count; i++) {
        const gf_tensor *s = gf_net_tensor_at(a, i), *t = gf_net_tensor_at(b, i);
        if (memcmp(s->value, t->value, s->size * sizeof(gf_real)) != 0) return 0;
    }
    return 1;
}

static void test_fixtures(void) {
    FILE *csv = fopen("tests/fixtures/safetensors.csv", "r");
    static char line[4096];
    for (int which = 0; which < NETS; which++) {
        char title[60];
        snprintf(title, sizeof title, "safetensors: %s computes what it does in PyTorch", names[which]);
        TEST(title);
        CHECK(csv && fgets(line, sizeof line, csv) && !strncmp(line, names[which], strlen(names[which])));
        gf_net *net = make(which, 1), *again = make(which, 2);
        CHECK(gf_net_load_safetensors(net, modules[which], fixture(which)) == GF_OK);
        int count = 0;
        const gf_real *y = outputs(which, net, &count);
        char *at = strchr(line, ',');
        for (int i = 0; i < count && y && at; i++) CHECK_NEAR(y[i], strtod(at + 1, &at), 1e-6);
        // Saved and loaded, by either kind of names: the same bits, and the same bytes.
        CHECK(gf_net_save_safetensors(net, modules[which], file) == GF_OK);
        CHECK(gf_net_load_safetensors(again, modules[which], file) == GF_OK && same(net, again));
        CHECK(gf_net_save_safetensors(net, NULL, file) == GF_OK);
        gf_net_free(again), again = make(which, 2);
        CHECK(gf_net_load_safetensors(again, NULL, file) == GF_OK && same(net, again));
        CHECK(!strcmp(gf_net_error(net), "no error") && !strcmp(gf_net_error(again), "no error"));
        gf_net_free(net), gf_net_free(again);
    }
    if (csv) fclose(csv);
}

static void test_order(void) {
    TEST("safetensors: without names modules go by their numbers");
    for (int which = 0; which < 2; which++) {
        gf_net *by_name = make(which, 1), *by_order = make(which, 2);
        CHECK(gf_net_load_safetensors(by_name, modules[which], fixture(which)) == GF_OK);
        CHECK(gf_net_load_safetensors(by_order, NULL, fixture(which)) == GF_OK && same(by_name, by_order));
        gf_net_free(by_name), gf_net_free(by_order);
    }
    static const char *const numbered[] = {"net.2", "net.10", "net.11", NULL};
    gf_net *net = net_from_words("dense:6 tanh dense:6 tanh dense:6", 6, 4, 1);
    gf_net *other = net_from_words("dense:6 tanh dense:6 tanh dense:6", 6, 4, 2);
    CHECK(gf_net_save_safetensors(net, numbered, file) == GF_OK);
    CHECK(gf_net_load_safetensors(other, NULL, file) == GF_OK && same(net, other));
    TEST("safetensors: equal shapes whose names hold no numbers need a list");
    static const char *const lettered[] = {"input", "hidden", "output", NULL};
    CHECK(gf_net_save_safetensors(net, lettered, file) == GF_OK);
    CHECK(gf_net_load_safetensors(other, NULL, file) == GF_ERROR_SHAPE);
    CHECK_TEXT(gf_net_error(other), "numbers in their names");
    gf_net_clear_error(other);
    CHECK(gf_net_load_safetensors(other, lettered, file) == GF_OK && same(net, other));
    gf_net_free(net), gf_net_free(other);
    net = make(2, 1);  // skip's place among fc1 … fc4 is not where the net has it
    CHECK(gf_net_load_safetensors(net, NULL, fixture(2)) == GF_ERROR_SHAPE);
    CHECK_TEXT(gf_net_error(net), "list the names of the modules");
    gf_net_free(net);
}

// A file of this header and so many bytes of numbers, 0 or NaN, is refused with these words and changes nothing.
static void refused(const char *header, size_t bytes, int value, gf_status status, const char *words) {
    static unsigned char raw[MAX_FILE];
    const uint64_t length = strlen(header);
    for (int i = 0; i < 8; i++) raw[i] = (unsigned char)(length >> 8 * i);
    memcpy(raw + 8, header, (size_t)length);
    memset(raw + 8 + length, value, bytes);
    FILE *to = fopen(file, "wb");
    CHECK(to && fwrite(raw, 1, 8 + (size_t)length + bytes, to) == 8 + length + bytes && fclose(to) == 0);
    gf_net *net = net_from_words("dense:2", 3, 4, 1), *before = net_from_words("dense:2", 3, 4, 1);
    if (gf_net_load_safetensors(net, NULL, file) != status || !strstr(gf_net_error(net), words) || !same(net, before))
        test_fail(__FILE__, __LINE__, "%s: \"%s\", expected \"%s\"", header, gf_net_error(net), words);
    gf_net_free(net), gf_net_free(before);
}

#define W "\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"
#define B "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]}"

static void test_hostile(void) {
    TEST("safetensors: hostile headers");
    static const char *const broken[] = {
        "", "{", "[]", "{}", "{\"0.weight\"", "{" W "}x", "{" W "," B, "{" W "," B ",}", "{" W "," B "}}", "{" W B "}",
        "{\"0.weight\":{}," B "}", "{\"0.weight\":[1,2]," B "}", "{\"0.weight\":7," B "}", "{\"\\", "{\"a\\\"",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3]}," B "}",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24],\"x\":\"y\"}," B "}",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,1,2,3],\"data_offsets\":[0,24]}," B "}",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[-2,-3],\"data_offsets\":[0,24]}," B "}",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2.0,3],\"data_offsets\":[0,24]}," B "}",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,],\"data_offsets\":[0,24]}," B "}",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[,2],\"data_offsets\":[0,24]}," B "}",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0]}," B "}",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24,32]}," B "}",
        "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[200000000000000000000002,3],\"data_offsets\":[0,24]}," B "}",
        "{\"__metadata__\":{\"a\":1}," W "," B "}", "{\"__metadata__\":{\"a\"}," W "," B "}", "{" W "}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        refused(broken[i], 32, 0, GF_ERROR_FORMAT, "no whole safetensors file");
    refused("{" W "," B "}", 31, 0, GF_ERROR_FORMAT, "0.bias stands there twice, or");
    refused("{" W "," B "}", 33, 0, GF_ERROR_FORMAT, "no whole safetensors file");
    refused("{" W "," W "}", 24, 0, GF_ERROR_FORMAT, "0.weight stands there twice");
    refused("{" W ",\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[20,28]}}", 28, 0, GF_ERROR_FORMAT, "0.bias");
    refused("{" W ",\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[25,33]}}", 33, 0, GF_ERROR_FORMAT, "no whole");
    refused("{" W ",\"0.bias\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[24,24]}}", 24, 0, GF_ERROR_FORMAT, "0.bias");
    refused("{" W ",\"0.bias\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[24,24]}}", 24, 0,
            GF_ERROR_FORMAT, "no whole");
    refused("{" W ",\"0.bias\":{\"dtype\":\"F32\",\"shape\":[65536,65536,65536,65536],\"data_offsets\":[24,24]}}", 24, 0,
            GF_ERROR_FORMAT, "0.bias stands");
    refused("{" W ",\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[32,24]}}", 32, 0, GF_ERROR_FORMAT, "0.bias");
    refused("{" W ",\"0.bias\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[24,32]}}", 32, 0, GF_ERROR_FORMAT, ".float()");
    refused("{" W ",\"0.bias\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[24,32]}}", 32, 0, GF_ERROR_SHAPE, "0.bias has");
    refused("{" W "," B "}", 32, 255, GF_ERROR_FORMAT, "0.weight holds NaN");
    TEST("safetensors: files of another net");
    refused("{" W "}", 24, 0, GF_ERROR_SHAPE, "found no bias for dense1");
    refused("{" B "}", 32, 0, GF_ERROR_FORMAT, "no whole");
    refused("{" W "," B ",\"n\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[32,36]}}", 36, 0, GF_ERROR_SHAPE, "n is left over");
    refused("{" W "," B ",\"1.weight\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[32,36]}}", 36, 0, GF_ERROR_SHAPE,
            "1.weight is left over");
    refused("{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}," B "}", 32, 0, GF_ERROR_SHAPE, "[3, 2 …]");
}

static void test_whitespace_and_bare_names(void) {
    TEST("safetensors: blanks, escapes in notes, a module without a name");
    static const char text[] = " { \"__metadata__\" : {\"a\\\"b\\\\\" : \"\\n}\" } , \"weight\" : { \"data_offsets\" : [ 0 , 24 ] ,"
                               "\n\t\"shape\" : [2 , 3],\"dtype\":\"F32\"},\"bias\":{\"dtype\":\"F32\",\"shape\":[2],"
                               "\"data_offsets\":[24,32]} }  \n";
    static const char *const bare[] = {"", NULL};
    unsigned char raw[sizeof text + 40] = {sizeof text - 1};
    memcpy(raw + 8, text, sizeof text - 1), memset(raw + 8 + sizeof text - 1, 0, 32);
    FILE *to = fopen(file, "wb");
    CHECK(to && fwrite(raw, 1, 8 + sizeof text - 1 + 32, to) > 0 && fclose(to) == 0);
    gf_net *net = net_from_words("dense:2", 3, 4, 1);
    CHECK(gf_net_load_safetensors(net, NULL, file) == GF_OK);
    for (int i = 0; i < 8; i++) CHECK(gf_net_describe(net).params[i] == 0);
    CHECK(gf_net_load_safetensors(net, bare, file) == GF_OK && gf_net_save_safetensors(net, bare, file) == GF_OK);
    CHECK(gf_net_load_safetensors(net, bare, file) == GF_OK && !strcmp(gf_net_error(net), "no error"));
    gf_net_free(net);
}

static void test_errors(void) {
    static const char *const few[] = {"a", NULL}, *const many[] = {"a", "b", "c", "d", "e", NULL};
    static const char *const quoted[] = {"a", "b", "c\"", "d", NULL};
    const char *const *wrong[] = {few, many, quoted};
    TEST("safetensors: lists of names, paths and orders that are wrong");
    for (int i = 0; i < 3; i++) {
        gf_net *net = make(0, 1);
        CHECK(gf_net_load_safetensors(net, wrong[i], fixture(0)) == GF_ERROR_ARGUMENT);
        CHECK_TEXT(gf_net_error(net), "names of 4 layers");
        gf_net_clear_error(net);
        CHECK(gf_net_save_safetensors(net, wrong[i], file) == GF_ERROR_ARGUMENT);
        gf_net_free(net);
    }
    gf_net *net = make(0, 1), *fresh = gf_net_create(gf_vector(2), 1, 1);
    CHECK(gf_net_load_safetensors(net, NULL, "no/such") == GF_ERROR_IO && strstr(gf_net_error(net), "no/such"));
    gf_net_clear_error(net);
    CHECK(gf_net_save_safetensors(net, NULL, "no/such/file") == GF_ERROR_IO);
    gf_net_clear_error(net);
    CHECK(gf_net_save_safetensors(net, NULL, NULL) == GF_ERROR_ARGUMENT);
    CHECK(gf_net_load_safetensors(NULL, NULL, file) == GF_ERROR_ARGUMENT);
    CHECK(gf_net_save_safetensors(fresh, NULL, file) == GF_ERROR_ORDER);
    gf_net_free(fresh);
    TEST("safetensors: without memory nothing changes");
    gf_net_clear_error(net);
    gf_net *before = make(0, 1);
    for (int i = 0; i < 4; i++) {
        alloc_count = 0, alloc_fail_at = i;
        const gf_status load = gf_net_load_safetensors(net, NULL, fixture(0));
        alloc_fail_at = -1;
        CHECK(load == (i < 2 ? GF_ERROR_MEMORY : GF_OK) && (load == GF_OK || same(net, before)));
        gf_net_clear_error(net);
    }
    alloc_count = 0, alloc_fail_at = 0;
    CHECK(gf_net_save_safetensors(net, NULL, file) == GF_ERROR_MEMORY);
    alloc_fail_at = -1;
    gf_net_free(net), gf_net_free(before);
}

// Every file cut short is refused.
static void test_cut(void) {
    static unsigned char raw[MAX_FILE];
    TEST("safetensors: files cut at any byte");
    FILE *from = fopen(fixture(1), "rb");
    const size_t size = from ? fread(raw, 1, sizeof raw, from) : 0;
    CHECK(size > 3000 && fclose(from) == 0);
    gf_net *net = make(1, 1), *before = make(1, 1);
    for (size_t n = 0; n < size; n += n < 1200 ? 1 : 97) {
        FILE *to = fopen(file, "wb");
        CHECK(to && fwrite(raw, 1, n, to) == n && fclose(to) == 0);
        CHECK(gf_net_load_safetensors(net, cnn_modules, file) != GF_OK && same(net, before));
        gf_net_clear_error(net);
    }
    gf_net_free(net), gf_net_free(before);
}

// For torch_safetensors.py: save a net, or load one, and print what it computes.
static int serve(const char *what, const char *name, const char *path) {
    int which = 0, count = 0;
    while (which < NETS - 1 && strcmp(names[which], name) != 0) which++;
    gf_net *net = make(which, 5);
    if (!strcmp(what, "save")) gf_net_save_safetensors(net, modules[which], path);
    else gf_net_load_safetensors(net, modules[which], path);
    const gf_real *y = outputs(which, net, &count);
    if (!y) fprintf(stderr, "%s\n", gf_net_error(net));
    for (int i = 0; i < count && y; i++) printf("%.17g\n", (double)y[i]);
    gf_net_free(net);
    return y == NULL;
}

int main(int argc, char **argv) {
    if (argc == 4) return serve(argv[1], argv[2], argv[3]);
    snprintf(file, sizeof file, "build/safetensors.%06u", (unsigned)((size_t)argv / 16 % 1000000));
    test_fixtures(), test_order();
    test_hostile(), test_whitespace_and_bare_names(), test_errors(), test_cut();
    remove(file);
    return test_report();
}
