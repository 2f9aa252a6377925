// test_data.c: random numbers, drawn pictures, loaders against good and broken files, splits, batches, augmentation.
// build: float double cxx inside
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "library.c"
#include "../examples/synthetic.h"
#include "nets.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

// The call fails with this status, the message holds both parts, the data set is left zeroed and nothing is leaked.
#define REFUSED(call, status, part, part2)  \
    do {                                    \
        CHECK((call) == (status));          \
        CHECK_TEXT(gf_last_error(), part);  \
        CHECK_TEXT(gf_last_error(), part2); \
        CHECK(data_is_zero(&data));         \
        CHECK(alloc_live == 0);             \
    } while (0)

static int data_is_zero(const gf_dataset *data) {
    return !data->pixels && !data->values && !data->labels && !data->targets && data->count == 0 && data->classes == 0;
}

// ---------------------------------------------------------------------------------------------------------------------
// Random numbers
// ---------------------------------------------------------------------------------------------------------------------

static void test_random_known(void) {
    char line[256], kind[16], text[128];
    unsigned long long seed, stream, index;
    int rows = 0;
    FILE *file = fixture_open("random.csv");
    TEST("random numbers are those of a second implementation");
    while (file && fgets(line, sizeof line, file)) {
        CHECK(sscanf(line, "%15[^,],%llu,%llu,%llu,%127[^\n]", kind, &seed, &stream, &index, text) == 5);
        rows++;
        if (!strcmp(kind, "bits")) CHECK(gfi_random_bits(seed, stream, index) == strtoull(text, NULL, 16));
        else if (!strcmp(kind, "uniform")) CHECK(gf_random_uniform(seed, stream, index) == strtod(text, NULL));
        else if (!strcmp(kind, "normal"))
            CHECK_RELATIVE(gf_random_normal(seed, stream, index), strtod(text, NULL), 3e-15);
        else {
            uint32_t order[12];
            char *at = text;
            CHECK(index == COUNT_OF(order));
            gfi_random_shuffle(order, COUNT_OF(order), seed, stream);
            for (size_t i = 0; i < COUNT_OF(order); i++) CHECK(order[i] == strtoul(at, &at, 10));
        }
    }
    CHECK(rows == 58);
    if (file) fclose(file);
}

// Sum of (found - expected)²/expected over cells of equal probability, as standard deviations from its mean.
static double chi_square(const long *cell, int cells, long n) {
    double expected = (double)n / cells, sum = 0;
    for (int i = 0; i < cells; i++) sum += ((double)cell[i] - expected) * ((double)cell[i] - expected) / expected;
    return (sum - (cells - 1)) / sqrt(2.0 * (cells - 1));
}

// Where the draws of a test stand: along the index, along the stream or along the seed.
static uint64_t bits_along(int axis, uint64_t i) {
    return axis == 0 ? gfi_random_bits(1, 2, i) : axis == 1 ? gfi_random_bits(1, i, 3) : gfi_random_bits(i, 2, 3);
}

static void test_random_bits(void) {
    enum { N = 1 << 16 };
    TEST("bits are even and independent along index, stream and seed");
    for (int axis = 0; axis < 3; axis++) {
        long ones[64] = {0}, changes[64] = {0}, bytes[8][256] = {{0}}, pairs[256] = {0};
        uint64_t last = bits_along(axis, N);
        for (uint64_t i = 0; i < N; i++) {
            uint64_t bits = bits_along(axis, i);
            for (int b = 0; b < 64; b++) ones[b] += (int)(bits >> b & 1), changes[b] += (int)((bits ^ last) >> b & 1);
            for (int b = 0; b < 8; b++) bytes[b][bits >> 8 * b & 255]++;
            pairs[(bits >> 60) << 4 | last >> 60]++;
            last = bits;
        }
        for (int b = 0; b < 64; b++) { // 192 sums each of variance N/4: 5 standard deviations
            CHECK_NEAR((double)ones[b], N / 2, 5 * sqrt((double)N / 4));
            CHECK_NEAR((double)changes[b], N / 2, 5 * sqrt((double)N / 4));
        }
        for (int b = 0; b < 8; b++) CHECK_NEAR(chi_square(bytes[b], 256, N), 0, 5);
        CHECK_NEAR(chi_square(pairs, 256, N), 0, 5);
    }
}

static void test_random_streams(void) {
    enum { N = 4096, LAGS = 4 };
    TEST("neighbouring seeds and streams are uncorrelated");
    for (uint64_t other = 1; other < 20; other++) {
        for (uint64_t lag = 0; lag < LAGS; lag++) {
            double by_stream = 0, by_seed = 0, by_both = 0;
            for (uint64_t i = 0; i < N; i++) {
                double u = gf_random_uniform(0, 0, i) - 0.5;
                by_stream += u * (gf_random_uniform(0, other, i + lag) - 0.5);
                by_seed += u * (gf_random_uniform(other, 0, i + lag) - 0.5);
                by_both += u * (gf_random_uniform(other, other, i + lag) - 0.5);
            }
            double limit = 5 * sqrt((double)N) / 12; // a product has variance 1/144
            CHECK_NEAR(by_stream, 0, limit);
            CHECK_NEAR(by_seed, 0, limit);
            CHECK_NEAR(by_both, 0, limit);
        }
    }
}

static void test_random_normal(void) {
    enum { N = 400000 };
    double sum[5] = {0}, neighbours = 0, last = 0, largest = 0;
    long tail = 0;
    TEST("normal numbers: moments, tails, independence");
    for (uint64_t i = 0; i < N; i++) {
        double z = gf_random_normal(9, 1, i), power = 1;
        for (int k = 1; k < 5; k++) power *= z, sum[k] += power / (double)N;
        tail += fabs(z) > 1.959963984540054;
        neighbours += z * last / (double)N;
        if (fabs(z) > largest) largest = fabs(z);
        last = z;
    }
    double unit = 1 / sqrt((double)N); // the k-th moment's mean has variance (E z^2k - (E z^k)²)/N
    CHECK_NEAR(sum[1], 0, 5 * unit);
    CHECK_NEAR(sum[2], 1, 5 * sqrt(2.0) * unit);
    CHECK_NEAR(sum[3], 0, 5 * sqrt(15.0) * unit);
    CHECK_NEAR(sum[4], 3, 5 * sqrt(96.0) * unit);
    CHECK_NEAR((double)tail / (double)N, 0.05, 5 * sqrt(0.05 * 0.95) * unit);
    CHECK_NEAR(neighbours, 0, 5 * unit);
    CHECK(largest > 4 && largest < 7);
}

static void test_shuffle(void) {
    enum { N = 24000 };
    uint32_t order[4], many[1000];
    long cell[256] = {0}, permutation[24];
    int found = 0, fixed = 0;
    TEST("every permutation is equally likely");
    for (uint64_t seed = 0; seed < N; seed++) {
        gfi_random_shuffle(order, 4, seed, GFI_STREAM_SHUFFLE);
        cell[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (cell[i] && found < 24) permutation[found++] = cell[i];
    CHECK(found == 24);
    CHECK_NEAR(chi_square(permutation, 24, N), 0, 5);
    TEST("a shuffle is a permutation");
    unsigned char seen[1000] = {0};
    gfi_random_shuffle(many, 1000, 5, 6);
    for (int i = 0; i < 1000; i++) {
        CHECK(many[i] < 1000 && !seen[many[i]]++);
        fixed += many[i] == (uint32_t)i;
    }
    CHECK(fixed < 10);
    TEST("numbers below 3·2^30: none of a third is likelier, though 2^32 is no multiple");
    long third[3] = {0};
    for (uint64_t i = 0; i < N; i++) third[gfi_random_below(gfi_random_bits(1, GF_STREAM_USER, i), 3u << 30) % 3]++;
    CHECK_NEAR(chi_square(third, 3, N), 0, 5);
    TEST("shuffles of no element and of one");
    gfi_random_shuffle(many, 0, 1, 1);
    gfi_random_shuffle(order, 1, 1, 1);
    CHECK(order[0] == 0);
}

// ---------------------------------------------------------------------------------------------------------------------
// Drawn pictures, xor
// ---------------------------------------------------------------------------------------------------------------------

static uint64_t fnv1a(const uint8_t *bytes, size_t n) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

typedef gf_status draw(gf_dataset *data, size_t count, uint64_t seed);

// The same whatever the count, another for another seed; classes in turn; the bits that were looked at when released.
static void test_drawn(draw *make, gf_shape shape, uint64_t hash) {
    gf_dataset data, longer, other;
    size_t size = gfi_shape_size(shape), share[10] = {0};
    CHECK(make(&data, 100, 1) == GF_OK && make(&longer, 230, 1) == GF_OK && make(&other, 100, 2) == GF_OK);
    CHECK(gfi_shape_size(data.shape) == size && data.shape.height == shape.height && data.count == 100);
    CHECK(data.classes == 10 && data.synthetic == 1 && !data.values && !data.targets && data.outputs == 0);
    CHECK(!memcmp(data.pixels, longer.pixels, 100 * size) && !memcmp(data.labels, longer.labels, 100 * sizeof(int)));
    CHECK(memcmp(data.pixels, other.pixels, size) != 0);
    for (size_t i = 0; i < 230; i++) share[longer.labels[i]]++;
    for (int k = 0; k < 10; k++) CHECK(share[k] == 23);
    for (size_t i = 1; i < 23; i++) CHECK(memcmp(longer.pixels, longer.pixels + 10 * i * size, size) != 0);
    if (fnv1a(data.pixels, 100 * size) != hash)
        test_fail(__FILE__, __LINE__, "hash of the pixels is 0x%016llx",
                  (unsigned long long)fnv1a(data.pixels, 100 * size));
    gf_data_free(&data), gf_data_free(&longer), gf_data_free(&other);
    CHECK(make(&data, 0, 1) == GF_ERROR_ARGUMENT && data_is_zero(&data));
    CHECK_TEXT(gf_last_error(), "count is 0");
    CHECK(make(&data, SIZE_MAX / 2, 1) == GF_ERROR_MEMORY && data_is_zero(&data));
    CHECK_TEXT(gf_last_error(), "no memory");
    CHECK(make(NULL, 1, 1) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "data is NULL");
    CHECK(alloc_live == 0);
}

// Nearest class mean, learnt on one half and asked on the other, in percent: what position and colour alone tell.
static double nearest_mean(draw *make) {
    enum { N = 2000 };
    static double mean[10][3072];
    gf_dataset data;
    int right = 0;
    CHECK(make(&data, N, 5) == GF_OK);
    size_t size = gfi_shape_size(data.shape);
    memset(mean, 0, sizeof mean);
    for (size_t i = 0; i < N / 2; i++)
        for (size_t k = 0; k < size; k++) mean[data.labels[i]][k] += data.pixels[i * size + k] / ((double)N / 20);
    for (size_t i = N / 2; i < N; i++) {
        double best = 1e300;
        int guess = 0;
        for (int c = 0; c < 10; c++) {
            double distance = 0;
            for (size_t k = 0; k < size; k++) {
                double d = data.pixels[i * size + k] - mean[c][k];
                distance += d * d;
            }
            if (distance < best) best = distance, guess = c;
        }
        right += guess == data.labels[i];
    }
    gf_data_free(&data);
    return 200.0 * right / (double)N;
}

static void test_synthetic(void) {
    TEST("drawn digits: the pictures of version 0.1");
    test_drawn(syn_digits, gf_image(1, 28, 28), UINT64_C(0xae80922e05d04a0c));
    TEST("drawn textures: the pictures of version 0.1");
    test_drawn(syn_textures, gf_image(3, 32, 32), UINT64_C(0x224fa38b2c9bbd64));
    TEST("digits are told apart by class means, but not well; textures not at all");
    double digits = nearest_mean(syn_digits), textures = nearest_mean(syn_textures);
    CHECK(digits > 35 && digits < 80);
    CHECK(textures < 25);
}

static void test_xor(void) {
    enum { N = 100000 };
    gf_dataset clean, noisy, relabelled, data;
    double share = 0, sum = 0, square = 0;
    int wrong = 0, corrected = 0;
    TEST("xor: labels, noise, relabelling");
    CHECK(gf_data_xor(&clean, N, 0, 0, 3) == GF_OK && gf_data_xor(&noisy, N, 0.1, 0, 3) == GF_OK);
    CHECK(gf_data_xor(&relabelled, N, 0.1, 1, 3) == GF_OK);
    CHECK(clean.shape.channels == 2 && clean.classes == 2 && clean.outputs == 1 && clean.synthetic);
    for (size_t i = 0; i < N; i++) {
        const gf_real *x = clean.values + 2 * i, *z = noisy.values + 2 * i, *r = relabelled.values + 2 * i;
        CHECK(clean.labels[i] == (x[0] * x[1] < 0) && clean.targets[i] == (gf_real)clean.labels[i]);
        CHECK(fabs((double)x[0]) <= 1 && fabs((double)x[1]) <= 1);
        CHECK(noisy.labels[i] == clean.labels[i]);
        CHECK(r[0] == z[0] && relabelled.labels[i] == (r[0] * r[1] < 0));
        wrong += noisy.labels[i] != (z[0] * z[1] < 0);
        corrected += relabelled.labels[i] != noisy.labels[i];
        share += clean.labels[i] / (double)N;
        for (int k = 0; k < 2; k++) {
            double e = (double)z[k] - (double)x[k];
            sum += e / (2.0 * (double)N), square += e * e / (2.0 * (double)N);
        }
    }
    CHECK_NEAR(share, 0.5, 5 * 0.5 / sqrt((double)N));
    CHECK_NEAR(sum, 0, 5 * 0.1 / sqrt(2 * (double)N));
    CHECK_RELATIVE(sqrt(square), 0.1, 0.01);
    CHECK(wrong == corrected);
    // Noise carries a coordinate over its axis with probability E max(0, -(|x| + e)) density: 0.1·φ(0) = 0.0399 each.
    CHECK_NEAR((double)wrong / (double)N, 2 * 0.0399 - 2 * 0.0399 * 0.0399, 0.005);
    gf_data_free(&clean), gf_data_free(&noisy), gf_data_free(&relabelled);
    REFUSED(gf_data_xor(&data, 10, -0.1, 0, 1), GF_ERROR_ARGUMENT, "noise is -0.1", "0 or more");
    REFUSED(gf_data_xor(&data, 10, NAN, 0, 1), GF_ERROR_ARGUMENT, "noise is", "nan");
    REFUSED(gf_data_xor(&data, 0, 0.1, 0, 1), GF_ERROR_ARGUMENT, "count is 0", "");
    CHECK(gf_data_xor(NULL, 10, 0.1, 0, 1) == GF_ERROR_ARGUMENT);
}

// ---------------------------------------------------------------------------------------------------------------------
// Files
// ---------------------------------------------------------------------------------------------------------------------

static char folder[256], name_a[320], name_b[320];

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size) test_fail(__FILE__, __LINE__, "%s: cannot be written", path);
    if (file) fclose(file);
}

static const char *in_folder(char *path, const char *name) {
    snprintf(path, sizeof name_a, "%s/%s", folder, name);
    return path;
}

static void put_be32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

enum { IDX_COUNT = 5, IDX_H = 3, IDX_W = 4, IDX_IMAGES = 16 + IDX_COUNT * IDX_H * IDX_W, IDX_LABELS = 8 + IDX_COUNT };

static void make_idx(uint8_t images[IDX_IMAGES], uint8_t labels[IDX_LABELS]) {
    put_be32(images, 0x803), put_be32(images + 4, IDX_COUNT), put_be32(images + 8, IDX_H), put_be32(images + 12, IDX_W);
    put_be32(labels, 0x801), put_be32(labels + 4, IDX_COUNT);
    for (int i = 16; i < IDX_IMAGES; i++) images[i] = (uint8_t)(7 * i);
    for (int i = 0; i < IDX_COUNT; i++) labels[8 + i] = (uint8_t)((i * 3) % 5);
}

static void test_idx_good(void) {
    uint8_t images[IDX_IMAGES], labels[IDX_LABELS];
    gf_dataset data;
    TEST("idx: pixels, labels, shape");
    make_idx(images, labels);
    write_file(in_folder(name_a, "train-images-idx3-ubyte"), images, sizeof images);
    write_file(in_folder(name_b, "train-labels-idx1-ubyte"), labels, sizeof labels);
    CHECK(gf_data_idx(&data, name_a, name_b) == GF_OK);
    CHECK(data.count == IDX_COUNT && data.shape.channels == 1 && data.shape.height == IDX_H &&
          data.shape.width == IDX_W);
    CHECK(data.classes == 5 && !data.synthetic && !data.values && data.mean[0] == 0 && data.std[0] == 1);
    CHECK(data.pixels && !memcmp(data.pixels, images + 16, sizeof images - 16));
    for (int i = 0; i < IDX_COUNT; i++) CHECK(data.labels[i] == labels[8 + i]);
    gf_data_free(&data);
    CHECK(gf_data_mnist(&data, folder, 0) == GF_OK && data.classes == 10 && data.count == IDX_COUNT);
    gf_data_free(&data);
    TEST("idx: many labels");
    enum { MANY = 9000 };
    static uint8_t pixels[16 + MANY], many[8 + MANY];
    put_be32(pixels, 0x803), put_be32(pixels + 4, MANY), put_be32(pixels + 8, 1), put_be32(pixels + 12, 1);
    put_be32(many, 0x801), put_be32(many + 4, MANY);
    for (int i = 0; i < MANY; i++) many[8 + i] = (uint8_t)(i % 251);
    write_file(name_a, pixels, sizeof pixels), write_file(name_b, many, sizeof many);
    CHECK(gf_data_idx(&data, name_a, name_b) == GF_OK && data.count == MANY && data.classes == 251);
    for (int i = 0; i < MANY; i++) CHECK(data.labels[i] == i % 251);
    gf_data_free(&data);
    write_file(name_a, images, sizeof images);
    TEST("mnist: missing test files, foreign labels");
    REFUSED(gf_data_mnist(&data, folder, 1), GF_ERROR_IO, "t10k-images-idx3-ubyte", "run ./data_fetch.sh mnist");
    labels[8 + 2] = 10;
    write_file(name_b, labels, sizeof labels);
    REFUSED(gf_data_mnist(&data, folder, 0), GF_ERROR_FORMAT, "label expected 0..9, found 10", "train-labels");
    CHECK(alloc_live == 0);
}

// The images' or labels' file, with one field changed and another length, is refused with these words.
static void test_idx_broken_file(int images_file, int at, uint32_t value, long length, const char *part,
                                 const char *part2) {
    uint8_t images[IDX_IMAGES + 8] = {0}, labels[IDX_LABELS + 8] = {0};
    gf_dataset data;
    make_idx(images, labels);
    if (at >= 0) put_be32((images_file ? images : labels) + at, value);
    write_file(name_a, images, images_file && length >= 0 ? (size_t)length : sizeof images - 8);
    write_file(name_b, labels, !images_file && length >= 0 ? (size_t)length : sizeof labels - 8);
    REFUSED(gf_data_idx(&data, name_a, name_b), GF_ERROR_FORMAT, part, part2);
    CHECK_TEXT(gf_last_error(), images_file ? "a.idx" : "b.idx");
}

static void test_idx_broken(void) {
    gf_dataset data;
    in_folder(name_a, "a.idx"), in_folder(name_b, "b.idx");
    TEST("idx: truncated, oversized, empty");
    test_idx_broken_file(1, -1, 0, IDX_IMAGES - 1, "expected 76 bytes", "found 75");
    test_idx_broken_file(1, -1, 0, IDX_IMAGES + 1, "expected 76 bytes", "found 77");
    test_idx_broken_file(1, -1, 0, 10, "header counts 5", "0x");
    test_idx_broken_file(1, -1, 0, 0, "magic", "found 0x0;");
    test_idx_broken_file(0, -1, 0, IDX_LABELS - 1, "expected 13 bytes", "found 12");
    test_idx_broken_file(0, -1, 0, IDX_LABELS + 1, "expected 13 bytes", "found 14");
    test_idx_broken_file(0, -1, 0, 6, "header", "");
    TEST("idx: wrong magic numbers");
    test_idx_broken_file(1, 0, 0x801, -1, "expected 0x803 (images), found 0x801", "swapped");
    test_idx_broken_file(0, 0, 0x803, -1, "expected 0x801 (labels), found 0x803", "swapped");
    test_idx_broken_file(1, 0, 0x1f8b0808, -1, "is packed", "gunzip");
    test_idx_broken_file(1, 0, 0x03080000, -1, "found 0x3080000", "lowest byte first");
    test_idx_broken_file(1, 0, 0x3c21444f, -1, "a web page", "raw file");
    test_idx_broken_file(1, 0, 0x802, -1, "found 0x802", "flat rows");
    test_idx_broken_file(1, 0, 0x804, -1, "found 0x804", "colour");
    test_idx_broken_file(1, 0, 0x903, -1, "found 0x903", "signed or int");
    test_idx_broken_file(1, 0, 0xc03, -1, "found 0xc03", "signed or int");
    test_idx_broken_file(1, 0, 0xd03, -1, "found 0xd03", "float or double");
    test_idx_broken_file(0, 0, 0x12345678, -1, "found 0x12345678", "another kind of file");
    TEST("idx: lying headers are refused before anything is allocated");
    alloc_count = 0;
    test_idx_broken_file(1, 4, 0, -1, "header counts 0", "");
    test_idx_broken_file(1, 8, 0, -1, "of 0x4", "");
    test_idx_broken_file(1, 12, 0, -1, "of 3x0", "");
    test_idx_broken_file(1, 4, 6, -1, "expected 88 bytes", "found 76");
    test_idx_broken_file(1, 4, 0xffffffff, -1, "expected 51539607556 bytes", "found 76");
    test_idx_broken_file(1, 8, 0x40000000, -1, "sides 1..32768", "1073741824x4");
    test_idx_broken_file(0, 4, 0xffffffff, -1, "expected 4294967303 bytes", "found 13");
    test_idx_broken_file(0, 4, 0, -1, "header counts 0", "");
    test_idx_broken_file(0, 4, 6, -1, "expected 14 bytes", "found 13");
    test_idx_broken_file(0, 4, 6, IDX_LABELS + 1, "5 images", "6 labels");
    CHECK(alloc_count == 0);
    TEST("idx: missing files, a folder, NULL");
    REFUSED(gf_data_idx(&data, folder, name_b), GF_ERROR_IO, folder, "");
    REFUSED(gf_data_idx(&data, name_a, folder), GF_ERROR_IO, folder, "");
    REFUSED(gf_data_idx(&data, name_a, "no/such/file"), GF_ERROR_IO, "no/such/file", "cannot be opened");
    REFUSED(gf_data_idx(&data, NULL, name_b), GF_ERROR_ARGUMENT, "gf_data_idx", "images is NULL");
    REFUSED(gf_data_idx(&data, name_a, NULL), GF_ERROR_ARGUMENT, "gf_data_idx", "labels is NULL");
    REFUSED(gf_data_mnist(&data, NULL, 0), GF_ERROR_ARGUMENT, "gf_data_mnist", "folder is NULL");
    CHECK(gf_data_idx(NULL, name_a, name_b) == GF_ERROR_ARGUMENT &&
          gf_data_mnist(NULL, folder, 0) == GF_ERROR_ARGUMENT);
    char endless[2000];
    memset(endless, 'x', sizeof endless - 1), endless[sizeof endless - 1] = 0;
    REFUSED(gf_data_mnist(&data, endless, 0), GF_ERROR_ARGUMENT, "longer than 1024", "xxx");
    REFUSED(gf_data_cifar10(&data, endless, 0), GF_ERROR_ARGUMENT, "longer than 1024", "xxx");
}

static void test_cifar(void) {
    enum { RECORD = 3073, RECORDS = 3 };
    static uint8_t bytes[RECORDS * RECORD];
    gf_dataset data;
    char name[32];
    TEST("cifar10: five files in order, the test file");
    for (int f = 1; f <= 6; f++) {
        for (int i = 0; i < RECORDS * RECORD; i++)
            bytes[i] = (uint8_t)(i % RECORD ? i * 31 + f : (i / RECORD + f) % 10);
        snprintf(name, sizeof name, f < 6 ? "data_batch_%d.bin" : "test_batch.bin", f);
        write_file(in_folder(name_a, name), bytes, f == 2 ? sizeof bytes / RECORDS : sizeof bytes);
    }
    CHECK(gf_data_cifar10(&data, folder, 0) == GF_OK);
    CHECK(data.count == 13 && data.classes == 10 && data.shape.channels == 3 && data.shape.width == 32);
    for (int i = 0, f = 1, r = 0; i < 13; i++, r++) {
        if (r == (f == 2 ? 1 : RECORDS)) f++, r = 0;
        CHECK(data.labels[i] == (r + f) % 10);
        CHECK(data.pixels[i * 3072] == (uint8_t)((r * RECORD + 1) * 31 + f));
        CHECK(data.pixels[i * 3072 + 3071] == (uint8_t)((r * RECORD + 3072) * 31 + f));
    }
    gf_data_free(&data);
    CHECK(gf_data_cifar10(&data, folder, 1) == GF_OK && data.count == RECORDS);
    gf_data_free(&data);
    TEST("cifar10: broken files");
    in_folder(name_a, "test_batch.bin");
    write_file(name_a, bytes, sizeof bytes - 1);
    REFUSED(gf_data_cifar10(&data, folder, 1), GF_ERROR_FORMAT, "records of 3073 bytes, found 9218", "test_batch.bin");
    write_file(name_a, bytes, 0);
    REFUSED(gf_data_cifar10(&data, folder, 1), GF_ERROR_FORMAT, "found 0 bytes", "run ./data_fetch.sh cifar10");
    bytes[RECORD] = 10;
    write_file(name_a, bytes, sizeof bytes);
    REFUSED(gf_data_cifar10(&data, folder, 1), GF_ERROR_FORMAT, "record 1: label expected 0..9, found 10",
            "test_batch");
    remove(in_folder(name_b, "data_batch_4.bin"));
    REFUSED(gf_data_cifar10(&data, folder, 0), GF_ERROR_IO, "data_batch_4.bin", "cannot be opened");
    CHECK(mkdir(name_b, 0700) == 0);
    REFUSED(gf_data_cifar10(&data, folder, 0), GF_ERROR_IO, "data_batch_4.bin", "");
    rmdir(name_b);
    REFUSED(gf_data_cifar10(&data, NULL, 0), GF_ERROR_ARGUMENT, "gf_data_cifar10", "folder is NULL");
    CHECK(gf_data_cifar10(NULL, folder, 0) == GF_ERROR_ARGUMENT);
}

// Every read of a loader in turn finds less than the file's size promised; reads: as many as the loader makes.
static void test_vanishing(const char *title, gf_status (*load)(gf_dataset *data), int reads) {
    gf_dataset data;
    TEST(title);
    for (int after = 0; after < reads; after++) {
        reads_left = after;
        REFUSED(load(&data), GF_ERROR_IO, "failed: the file ends before", folder);
        CHECK(reads_left == -1);
    }
    reads_left = reads;
    CHECK(load(&data) == GF_OK && reads_left == 0);
    reads_left = -1;
    gf_data_free(&data);
}
static gf_status load_idx(gf_dataset *data) {
    uint8_t images[IDX_IMAGES], labels[IDX_LABELS];
    make_idx(images, labels);
    write_file(in_folder(name_a, "a.idx"), images, sizeof images);
    write_file(in_folder(name_b, "b.idx"), labels, sizeof labels);
    return gf_data_idx(data, name_a, name_b);
}
static gf_status load_cifar(gf_dataset *data) {
    static uint8_t records[2 * 3073];
    write_file(in_folder(name_a, "test_batch.bin"), records, sizeof records);
    return gf_data_cifar10(data, folder, 1);
}

static gf_status csv(gf_dataset *data, const char *text, int classes) {
    write_file(in_folder(name_a, "t.csv"), text, strlen(text));
    return gf_data_csv(data, name_a, classes);
}

static gf_status load_csv(gf_dataset *data) { return csv(data, "1,2,0\n3,4,1\n", 2); }

static void test_csv_good(void) {
    static const char *const same[] = {
        "1.5,-2,0\n.25,1e2,1\n", // without a header, then the same table otherwise written
        "a,b,class\n1.5,-2,0\n.25,1e2,1",
        "\n\n a , b , class \r\n 1.50 ,\t-2.0,0.0 \r\n\r\n  \n+0.25,100.,+1e0\r\n\n",
        "\357\273\2771.5,-2,0\r\n0.25,1.0E+2,1\r\n",
    };
    gf_dataset data;
    TEST("csv: headers, blanks, line ends, byte order mark, exponents");
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        CHECK(csv(&data, same[i], 2) == GF_OK);
        CHECK(data.count == 2 && data.shape.channels == 2 && data.shape.height == 1 && data.classes == 2);
        CHECK(data.outputs == 0 && !data.targets && !data.pixels);
        if (data.count != 2) continue;
        CHECK(data.values[0] == (gf_real)1.5 && data.values[1] == -2);
        CHECK(data.values[2] == (gf_real)0.25 && data.values[3] == 100);
        CHECK(data.labels[0] == 0 && data.labels[1] == 1);
        gf_data_free(&data);
    }
    TEST("csv: a regression target, numbers correctly rounded");
    CHECK(csv(&data, "0.1,2.2250738585072014e-308,123456789.123456789\n", 0) == GF_OK);
    CHECK(data.classes == 0 && data.outputs == 1 && !data.labels && data.count == 1);
    CHECK(data.values[0] == (gf_real)0.1 && data.values[1] == (gf_real)2.2250738585072014e-308);
    CHECK(data.targets[0] == (gf_real)123456789.123456789);
    gf_data_free(&data);
    TEST("csv: lines of any length");
    size_t columns = 50000, at = 0;
    char *text = (char *)malloc(2 * 8 * columns);
    for (size_t i = 0; i < 2 * columns; i++)
        at += (size_t)sprintf(text + at, "%u%c", (unsigned)(i % 1000), (i + 1) % columns ? ',' : '\n');
    CHECK(csv(&data, text, 0) == GF_OK && data.shape.channels == 49999 && data.count == 2);
    CHECK(data.values && data.values[49999 + 1] == 1 && data.targets[0] == 999);
    gf_data_free(&data);
    free(text);
    CHECK(alloc_live == 0);
}

static void test_csv_broken(void) {
    static const struct {
        const char *name, *text, *part, *part2;
    } broken[] = {
        {"csv: an empty file", "", "no row of numbers", "t.csv"},
        {"csv: blank lines only", "\n \r\n\n", "no row of numbers", ""},
        {"csv: a header only", "a,b,c\n", "no row of numbers", ""},
        {"csv: one column", "1\n0\n", "2 columns or more", "found 1: \"1\""},
        {"csv: a short row", "1,2,0\n\n1,0\n1,2,1\n", "line 3 has 2 columns", "expected 3"},
        {"csv: a long row", "a,b,c\n1,2,0\n1,2,3,0\n", "line 3 has 4 columns", "expected 3"},
        {"csv: a comma at the end", "1,2,0\n1,2,0,\n", "line 2 has 4 columns", "by \",\""},
        {"csv: a word", "1,2,0\n1,two,0\n", "line 2, column 2: \"two\"", "not a decimal number"},
        {"csv: a word in the first row", "1,two,0\n", "line 1, column 2: \"two\"", "not a decimal number"},
        {"csv: a word in the first row of many", "1,two,0\n1,2,0\n1,2,1\n", "line 1, column 2", "is it a header?"},
        {"csv: letters after a number", "1,2x,0\n", "\"2x\"", "not a decimal number"},
        {"csv: two points", "1.2.3,2,0\n", "column 1: \"1.2.3\"", "not a decimal number"},
        {"csv: an exponent without digits", "1e,2,0\n", "\"1e\"", "not a decimal number"},
        {"csv: a lone sign", "+,2,0\n", "\"+\"", "not a decimal number"},
        {"csv: a dash", "-,2,0\n", "\"-\"", "is missing"},
        {"csv: a lone point", ".,2,0\n", "\".\"", "is missing"},
        {"csv: a point and an exponent", ".e3,2,0\n", "\".e3\"", "not a decimal number"},
        {"csv: a hexadecimal number", "0x10,2,0\n", "\"0x10\"", "not a decimal number"},
        {"csv: NaN", "1,2,0\n1,nan,0\n", "line 2, column 2: \"nan\"", "is missing"},
        {"csv: infinity", "1,2,0\n-inf,1,0\n", "line 2, column 1: \"-inf\"", "finite"},
        {"csv: an overflow", "1,1e999,0\n", "\"1e999\"", "too large"},
        {"csv: an empty cell", "1,2,0\n1,,0\n", "line 2, column 2", "how.missing = GF_MISSING_DROP"},
        {"csv: semicolons", "1,2,0\n1;5,2,0\n", "line 2, column 1: \"1;5\"", "another separator"},
        {"csv: tabs", "1,2,0\n1\t5,2,0\n", "line 2, column 1", "another separator"},
        {"csv: an open quote", "1,2,0\n\"1,2,0\n", "line 2, column 1", "never closed"},
        {"csv: a class too large", "1,2,0\n1,2,2\n1,2,5\n1,2,0\n", "column 3: 3 different values", "expected 2 (0, 2, 5)"},
        {"csv: a negative class", "1,2,-1\n", "column 3: 1 different", "expected 2 (-1)"},
        {"csv: half a class", "1,2,0.5\n", "line 1, column 3: \"0.5\"", "no whole number"},
        {"csv: one class", "1,2,0\n3,4,0\n", "column 3: 1 different", "a number to predict?"},
    };
    gf_dataset data;
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        TEST(broken[i].name);
        REFUSED(csv(&data, broken[i].text, 2), GF_ERROR_FORMAT, broken[i].part, broken[i].part2);
    }
    TEST("csv: not text, not there, a folder, wrong arguments");
    write_file(name_a, "1,2\n3\0,4\n", 9);
    REFUSED(gf_data_csv(&data, name_a, 2), GF_ERROR_FORMAT, "bytes of zero", "t.csv");
    REFUSED(gf_data_csv(&data, "no/such.csv", 2), GF_ERROR_IO, "no/such.csv", "cannot be opened");
    REFUSED(gf_data_csv(&data, folder, 2), GF_ERROR_IO, folder, "");
    REFUSED(gf_data_csv(&data, NULL, 2), GF_ERROR_ARGUMENT, "gf_data_csv", "path is NULL");
    REFUSED(gf_data_csv(&data, name_a, 1), GF_ERROR_ARGUMENT, "classes is 1", "2 or more");
    REFUSED(gf_data_csv(&data, name_a, -1), GF_ERROR_ARGUMENT, "classes is -1", "0 for regression");
    CHECK(gf_data_csv(NULL, name_a, 2) == GF_ERROR_ARGUMENT);
}

// ---------------------------------------------------------------------------------------------------------------------
// Data sets in memory
// ---------------------------------------------------------------------------------------------------------------------

static void test_arrays(void) {
    gf_real x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, targets[4] = {1, 2, 3, 4};
    int labels[4] = {0, 1, 2, 1};
    gf_shape shape = gf_vector(3);
    gf_dataset data;
    TEST("arrays are copied");
    CHECK(gf_data_from_arrays(&data, shape, 4, x, labels, 3, NULL, 0) == GF_OK);
    CHECK(data.values != x && !memcmp(data.values, x, sizeof x) && !memcmp(data.labels, labels, sizeof labels));
    CHECK(data.count == 4 && data.classes == 3 && data.outputs == 0 && !data.targets && !data.pixels);
    gf_data_free(&data);
    CHECK(gf_data_from_arrays(&data, shape, 2, x, NULL, 0, targets, 2) == GF_OK);
    CHECK(data.outputs == 2 && data.classes == 0 && !data.labels && !memcmp(data.targets, targets, sizeof targets));
    gf_data_free(&data);
    gf_data_free(&data), gf_data_free(NULL);
    TEST("arrays: wrong arguments");
    REFUSED(gf_data_from_arrays(&data, shape, 4, NULL, labels, 3, NULL, 0), GF_ERROR_ARGUMENT, "x is NULL", "");
    REFUSED(gf_data_from_arrays(&data, shape, 4, x, NULL, 3, NULL, 1), GF_ERROR_ARGUMENT, "both NULL",
            "one of the two");
    REFUSED(gf_data_from_arrays(&data, shape, 4, x, labels, 3, targets, 1), GF_ERROR_ARGUMENT, "both there", "");
    REFUSED(gf_data_from_arrays(&data, shape, 4, x, labels, 2, NULL, 0), GF_ERROR_ARGUMENT, "labels[2] is 2", "0..1");
    REFUSED(gf_data_from_arrays(&data, shape, 4, x, labels, 1, NULL, 0), GF_ERROR_ARGUMENT, "classes is 1", "least 2");
    REFUSED(gf_data_from_arrays(&data, shape, 4, x, NULL, 0, targets, 0), GF_ERROR_ARGUMENT, "outputs is 0", "least 1");
    REFUSED(gf_data_from_arrays(&data, gf_image(1, 0, 3), 4, x, labels, 3, NULL, 0), GF_ERROR_SHAPE, "1x0x3", "");
    REFUSED(gf_data_from_arrays(&data, shape, 0, x, labels, 3, NULL, 0), GF_ERROR_ARGUMENT, "count is 0", "");
    CHECK(gf_data_from_arrays(NULL, shape, 4, x, labels, 3, NULL, 0) == GF_ERROR_ARGUMENT);
    x[7] = NAN;
    REFUSED(gf_data_from_arrays(&data, shape, 4, x, labels, 3, NULL, 0), GF_ERROR_ARGUMENT, "x[7] is", "nan");
    targets[1] = INFINITY;
    REFUSED(gf_data_from_arrays(&data, shape, 2, x, NULL, 0, targets, 1), GF_ERROR_ARGUMENT, "targets[1] is inf", "");
}

static void test_pixels(void) {
    const uint8_t pixels[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 128, 255};
    const int labels[2] = {2, 0};
    gf_shape shape = gf_image(3, 1, 2);
    gf_real x[6];
    gf_dataset data;
    TEST("pixels are copied");
    CHECK(gf_data_from_pixels(&data, shape, 2, pixels, labels, 3) == GF_OK);
    CHECK(data.pixels != pixels && !memcmp(data.pixels, pixels, sizeof pixels));
    CHECK(!memcmp(data.labels, labels, sizeof labels) && data.count == 2 && data.classes == 3 && data.outputs == 0);
    CHECK(!data.values && !data.targets && !data.synthetic && data.shape.channels == 3 && data.shape.width == 2);
    CHECK(data.mean[3] == 0 && data.std[0] == 1 && data.std[3] == 1);
    CHECK(gf_data_sample(&data, 1, x) == GF_OK && x[0] == (gf_real)(6 / 255.0) && x[5] == 1);
    gf_data_free(&data);
    TEST("pixels: wrong arguments");
    REFUSED(gf_data_from_pixels(&data, shape, 2, NULL, labels, 3), GF_ERROR_ARGUMENT, "gf_data_from_pixels",
            "pixels is NULL");
    REFUSED(gf_data_from_pixels(&data, shape, 2, pixels, NULL, 3), GF_ERROR_ARGUMENT, "labels is NULL", "");
    REFUSED(gf_data_from_pixels(&data, shape, 2, pixels, labels, 2), GF_ERROR_ARGUMENT, "labels[0] is 2", "0..1");
    REFUSED(gf_data_from_pixels(&data, shape, 2, pixels, labels, 1), GF_ERROR_ARGUMENT, "classes is 1", "least 2");
    REFUSED(gf_data_from_pixels(&data, shape, 0, pixels, labels, 3), GF_ERROR_ARGUMENT, "count is 0", "");
    REFUSED(gf_data_from_pixels(&data, gf_image(0, 1, 2), 2, pixels, labels, 3), GF_ERROR_SHAPE, "0x1x2", "");
    REFUSED(gf_data_from_pixels(&data, shape, SIZE_MAX / 2, pixels, labels, 3), GF_ERROR_MEMORY, "no memory", "");
    CHECK(gf_data_from_pixels(NULL, shape, 2, pixels, labels, 3) == GF_ERROR_ARGUMENT);
}

static void test_normalize(void) {
    double mean[3] = {0.25, 0.5, 0.75}, std[3] = {0.5, 0.25, 2}, bad[3] = {1, 0, 1};
    static gf_real x[3072];
    gf_dataset data, grey, values;
    gf_real numbers[6] = {1, 2, 3, 4, 5, 6};
    int labels[2] = {0, 1};
    TEST("samples are normalised per channel");
    CHECK(syn_textures(&data, 3, 1) == GF_OK && syn_digits(&grey, 3, 1) == GF_OK);
    CHECK(gf_data_sample(&data, 2, x) == GF_OK);
    for (int i = 0; i < 3072; i++) CHECK(x[i] == (gf_real)(data.pixels[2 * 3072 + i] / 255.0));
    CHECK(gf_data_normalize(&data, mean, std, 3) == GF_OK && gf_data_sample(&data, 2, x) == GF_OK);
    for (int i = 0; i < 3072; i++)
        CHECK(x[i] == (gf_real)((data.pixels[2 * 3072 + i] / 255.0 - mean[i / 1024]) / std[i / 1024]));
    CHECK(gf_data_normalize(&data, mean + 1, std + 1, 1) == GF_OK && gf_data_sample(&data, 0, x) == GF_OK);
    for (int i = 0; i < 3072; i++) CHECK(x[i] == (gf_real)((data.pixels[i] / 255.0 - 0.5) / 0.25));
    CHECK(gf_data_from_arrays(&values, gf_vector(3), 2, numbers, labels, 2, NULL, 0) == GF_OK);
    CHECK(gf_data_normalize(&values, mean, std, 3) == GF_OK && gf_data_sample(&values, 1, x) == GF_OK);
    CHECK(x[0] == (gf_real)7.5 && x[1] == 18 && x[2] == (gf_real)2.625);
    TEST("normalisation: wrong arguments change nothing");
    CHECK(gf_data_normalize(&data, mean, std, 2) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "channels is 2, the data have 3");
    CHECK(gf_data_normalize(&grey, mean, std, 3) == GF_ERROR_ARGUMENT);
    CHECK(gf_data_normalize(&data, mean, bad, 3) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "channel 1 has mean 0.5, std 0");
    mean[2] = NAN;
    CHECK(gf_data_normalize(&data, mean, std, 3) == GF_ERROR_ARGUMENT && data.mean[0] == 0.5);
    CHECK(gf_data_normalize(NULL, mean, std, 3) == GF_ERROR_ARGUMENT);
    CHECK(gf_data_normalize(&data, NULL, std, 3) == GF_ERROR_ARGUMENT);
    CHECK(gf_data_normalize(&data, mean, NULL, 3) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "std is NULL");
    CHECK(gf_data_sample(&data, 3, x) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "index is 3, expected 0..2");
    CHECK(gf_data_sample(NULL, 0, x) == GF_ERROR_ARGUMENT && gf_data_sample(&data, 0, NULL) == GF_ERROR_ARGUMENT);
    gf_data_free(&data), gf_data_free(&grey), gf_data_free(&values);
    CHECK(gf_data_sample(&data, 0, x) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "empty");
}

static void test_standardize(void) {
    enum { N = 500 };
    gf_dataset data, also, images;
    double before = 0, after = 0;
    TEST("standardised features: mean 0, std 1, the other set by the same numbers");
    CHECK(gf_data_xor(&data, N, 0.1, 0, 1) == GF_OK && gf_data_xor(&also, 3, 0.1, 0, 2) == GF_OK);
    for (size_t i = 0; i < N; i++) data.values[2 * i] = data.values[2 * i] * 1000 + 5, data.values[2 * i + 1] = 7;
    before = (double)(data.values[2] - data.values[0]) / (double)(also.values[2] - also.values[0]);
    CHECK(gf_data_standardize(&data, &also) == GF_OK);
    after = (double)(data.values[2] - data.values[0]) / (double)(also.values[2] - also.values[0]);
    CHECK_RELATIVE(after, before, 1e-4);
    double mean = 0, square = 0;
    for (size_t i = 0; i < N; i++) {
        mean += (double)data.values[2 * i] / (double)N,
            square += (double)data.values[2 * i] * (double)data.values[2 * i] / (double)N;
        CHECK_NEAR(data.values[2 * i + 1], 0, 1e-12);
    }
    CHECK_NEAR(mean, 0, 1e-6);
    CHECK_NEAR(square, 1, 1e-5);
    CHECK(gf_data_standardize(&data, NULL) == GF_OK);
    CHECK(gf_data_standardize(NULL, &also) == GF_ERROR_ARGUMENT);
    CHECK(syn_digits(&images, 2, 1) == GF_OK && gf_data_standardize(&images, NULL) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "gf_data_normalize");
    CHECK(gf_data_standardize(&data, &images) == GF_ERROR_ARGUMENT);
    gf_data_free(&data), gf_data_free(&also), gf_data_free(&images);
}

static void test_split(void) {
    gf_dataset all, first, rest, again, other;
    gf_real x[41];
    int seen[41] = {0}, labels[41], moved = 0;
    TEST("split: disjoint, exhaustive, by seed");
    for (int i = 0; i < 41; i++) x[i] = (gf_real)i, labels[i] = i;
    CHECK(gf_data_from_arrays(&all, gf_vector(1), 41, x, labels, 41, NULL, 0) == GF_OK);
    all.mean[0] = 0.5;
    CHECK(gf_data_split(&all, 0.75, 3, &first, &rest) == GF_OK);
    CHECK(first.count == 31 && rest.count == 10 && first.classes == 41 && rest.mean[0] == 0.5 && all.count == 41);
    for (size_t i = 0; i < 41; i++) {
        const gf_dataset *part = i < 31 ? &first : &rest;
        size_t k = i < 31 ? i : i - 31;
        int label = part->labels[k];
        CHECK(part->values[k] == (gf_real)label && label >= 0 && label < 41 && !seen[label]++);
        moved += label != (int)i;
    }
    CHECK(moved > 30);
    CHECK(gf_data_split(&all, 0.75, 3, &again, &other) == GF_OK &&
          !memcmp(again.labels, first.labels, 31 * sizeof(int)));
    gf_data_free(&again), gf_data_free(&other);
    CHECK(gf_data_split(&all, 0.75, 4, &again, &other) == GF_OK &&
          memcmp(again.labels, first.labels, 31 * sizeof(int)));
    gf_data_free(&again), gf_data_free(&other), gf_data_free(&first), gf_data_free(&rest), gf_data_free(&all);
    TEST("split: images and targets come along");
    CHECK(syn_digits(&all, 20, 1) == GF_OK && gf_data_split(&all, 0.5, 3, &first, &rest) == GF_OK);
    CHECK(first.synthetic && first.pixels && !first.values && first.count == 10);
    for (size_t i = 0, found = 0; i < 10; i++, found = 0) {
        for (size_t k = 0; k < 20; k++)
            found += !memcmp(first.pixels + i * 784, all.pixels + k * 784, 784) && first.labels[i] == all.labels[k];
        CHECK(found == 1);
    }
    gf_data_free(&all), gf_data_free(&first), gf_data_free(&rest);
    CHECK(gf_data_xor(&all, 300, 0.1, 0, 1) == GF_OK && gf_data_split(&all, 0.75, 3, &first, &rest) == GF_OK);
    CHECK(first.count == 225 && rest.count == 75 && first.outputs == 1);
    for (size_t i = 0; i < 225; i++) CHECK(first.targets[i] == (gf_real)first.labels[i]);
    gf_data_free(&first), gf_data_free(&rest);
    CHECK(gf_data_from_arrays(&other, gf_vector(1), 41, x, NULL, 0, x, 1) == GF_OK);  // y = x, without labels
    CHECK(gf_data_split(&other, 0.75, 3, &first, &rest) == GF_OK && !first.labels && !rest.labels);
    for (size_t i = 0; i < 31; i++) CHECK(first.targets[i] == first.values[i]);
    gf_data_free(&first), gf_data_free(&rest), gf_data_free(&other);
    TEST("split: wrong arguments");
    double shares[] = {0, 1, -0.5, 1.5, 0.001, NAN, INFINITY};
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        CHECK(gf_data_split(&all, shares[i], 3, &first, &rest) == GF_ERROR_ARGUMENT);
        CHECK_TEXT(gf_last_error(), "of 300 samples leaves a part empty");
        CHECK(data_is_zero(&first) && data_is_zero(&rest));
    }
    CHECK(gf_data_split(&all, 0.5, 3, &all, &rest) == GF_ERROR_ARGUMENT && all.count == 300);
    CHECK(gf_data_split(&all, 0.5, 3, &first, &first) == GF_ERROR_ARGUMENT);
    CHECK(gf_data_split(NULL, 0.5, 3, &first, &rest) == GF_ERROR_ARGUMENT);
    CHECK(gf_data_split(&all, 0.5, 3, NULL, &rest) == GF_ERROR_ARGUMENT);
    CHECK(gf_data_split(&all, 0.5, 3, &first, NULL) == GF_ERROR_ARGUMENT);
    TEST("a lowered count: only the first samples are there");
    all.count = 10;
    CHECK(gf_data_split(&all, 0.5, 3, &first, &rest) == GF_OK && first.count == 5 && rest.count == 5);
    for (size_t i = 0; i < 5; i++) {
        int found = 0;
        for (size_t k = 0; k < 10; k++) found += !memcmp(first.values + 2 * i, all.values + 2 * k, 2 * sizeof(gf_real));
        CHECK(found == 1);
    }
    gf_data_free(&first), gf_data_free(&rest);
    gf_real point[2];
    CHECK(gf_data_sample(&all, 9, point) == GF_OK && gf_data_sample(&all, 10, point) == GF_ERROR_ARGUMENT);
    all.count = 0;
    CHECK(gf_data_sample(&all, 0, point) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "empty");
    gf_data_free(&all);
    CHECK(alloc_live == 0);
}

// ---------------------------------------------------------------------------------------------------------------------
// Batches
// ---------------------------------------------------------------------------------------------------------------------

// Run an epoch; order[count] takes which sample came when, by the labels. Returns the number of batches.
static int run_epoch(gf_batches *batches, int *order) {
    int n = 0, samples = 0;
    while (gf_batches_next(batches)) {
        CHECK(batches->batch == n);
        for (int i = 0; i < batches->n; i++) order[samples++] = batches->labels[i];
        n++;
    }
    return n;
}

static void test_batches(void) {
    enum { COUNT = 103, SIZE = 10 };
    gf_real x[COUNT];
    int labels[COUNT], order[3][COUNT], seen[3][COUNT] = {{0}};
    gf_dataset data;
    gf_batches batches;
    TEST("an epoch hands out each sample once, the last batch is smaller");
    for (int i = 0; i < COUNT; i++) x[i] = (gf_real)i, labels[i] = i;
    CHECK(gf_data_from_arrays(&data, gf_vector(1), COUNT, x, labels, COUNT, NULL, 0) == GF_OK);
    data.mean[0] = 3, data.std[0] = 2;
    CHECK(gf_batches_init(&batches, &data, SIZE, 1, GF_SHUFFLE) == GF_OK && batches.per_epoch == 11);
    long allocations = alloc_count;
    for (int e = 0; e < 3; e++) {
        CHECK(batches.epoch == e && batches.batch == -1 && batches.position == 0 && batches.n == 0 && !batches.x);
        CHECK(gf_batches_next(&batches) && batches.epoch == e && batches.batch == 0 && batches.n == SIZE);
        for (int i = 0; i < SIZE; i++) CHECK(batches.x[i] == ((gf_real)batches.labels[i] - 3) / 2);
        gfi_batches_seek(&batches, e, 0);
        CHECK(run_epoch(&batches, order[e]) == 11);
        for (int i = 0; i < COUNT; i++) CHECK(!seen[e][order[e][i]]++);
    }
    CHECK(memcmp(order[0], order[1], sizeof order[0]) && memcmp(order[1], order[2], sizeof order[0]));
    gfi_batches_seek(&batches, 5, 100);
    CHECK(gf_batches_next(&batches) && batches.n == 3 && batches.batch == 10 && batches.position == COUNT);
    CHECK(!gf_batches_next(&batches) && batches.epoch == 6);
    CHECK(alloc_count == allocations);
    gf_batches_free(&batches);
    TEST("without GF_SHUFFLE samples come in order; a batch may be larger than the data");
    CHECK(gf_batches_init(&batches, &data, 1000, 1, 0) == GF_OK && batches.per_epoch == 1);
    CHECK(run_epoch(&batches, order[0]) == 1 && !memcmp(order[0], labels, sizeof labels));
    gf_batches_free(&batches);
    TEST("batches of a single sample");
    CHECK(gf_batches_init(&batches, &data, 1, 1, 0) == GF_OK && batches.per_epoch == COUNT);
    CHECK(run_epoch(&batches, order[0]) == COUNT && !memcmp(order[0], labels, sizeof labels));
    gf_batches_free(&batches);
    gf_data_free(&data);
    TEST("targets are handed out with their samples");
    CHECK(gf_data_xor(&data, 50, 0.1, 0, 1) == GF_OK && gf_batches_init(&batches, &data, 7, 1, GF_SHUFFLE) == GF_OK);
    while (gf_batches_next(&batches))
        for (int i = 0; i < batches.n; i++) CHECK(batches.targets[i] == (gf_real)batches.labels[i]);
    gf_batches_free(&batches), gf_data_free(&data);
    CHECK(gf_data_from_arrays(&data, gf_vector(1), COUNT, x, NULL, 0, x, 1) == GF_OK);  // y = x, without labels
    CHECK(gf_batches_init(&batches, &data, 7, 1, GF_SHUFFLE) == GF_OK);
    while (gf_batches_next(&batches))
        for (int i = 0; i < batches.n; i++) CHECK(!batches.labels && batches.targets[i] == batches.x[i]);
    gf_batches_free(&batches), gf_data_free(&data);
    CHECK(alloc_live == 0);
}

static void test_seek(void) {
    enum { COUNT = 25, SIZE = 4 };
    static gf_real run[3][7][SIZE * 3072];
    gf_dataset data;
    gf_batches batches;
    TEST("a sought place continues as a straight run, bit for bit");
    CHECK(syn_textures(&data, COUNT, 1) == GF_OK);
    CHECK(gf_batches_init(&batches, &data, SIZE, 8, GF_SHUFFLE | GF_FLIP | GF_CROP) == GF_OK);
    for (int e = 0; e < 3; e++) {
        for (int b = 0; gf_batches_next(&batches); b++)
            memcpy(run[e][b], batches.x, (size_t)batches.n * 3072 * sizeof(gf_real));
    }
    for (int e = 2; e >= 0; e--) {
        for (int b = 6; b >= 0; b--) {
            gfi_batches_seek(&batches, e, (size_t)(b * SIZE));
            CHECK(batches.n == 0);
            CHECK(gf_batches_next(&batches) && batches.batch == b && batches.epoch == e);
            CHECK(!memcmp(run[e][b], batches.x, (size_t)batches.n * 3072 * sizeof(gf_real)));
        }
    }
    gfi_batches_seek(&batches, 1, COUNT);
    CHECK(!gf_batches_next(&batches));
    CHECK(gf_batches_next(&batches) && batches.epoch == 2 && !memcmp(run[2][0], batches.x, sizeof run[2][0]));
    TEST("batches: a count lowered in mid-epoch ends the epoch, a data set freed too early is refused");
    gfi_batches_seek(&batches, 3, 20);
    data.count = 12;
    CHECK(gf_batches_next(&batches) == 0 && batches.epoch == 4);
    CHECK(gf_batches_next(&batches) == 1 && batches.n == SIZE);
    data.count = COUNT;
    gf_dataset kept = data;
    memset(&data, 0, sizeof data);  // as gf_data_free leaves it
    CHECK(gf_batches_next(&batches) == 0);
    CHECK_TEXT(gf_last_error(), "gone: free it last");
    data = kept;
    TEST("batches: wrong arguments");
    gf_batches_free(&batches);
    gf_batches_free(&batches), gf_batches_free(NULL);
    CHECK(gf_batches_next(&batches) == 0 && gf_batches_next(NULL) == 0 && batches.per_epoch == 0);
    CHECK_TEXT(gf_last_error(), "gf_batches_init");
    CHECK(gf_batches_init(NULL, &data, 4, 1, 0) == GF_ERROR_ARGUMENT);
    CHECK(gf_batches_init(&batches, NULL, 4, 1, 0) == GF_ERROR_ARGUMENT && !batches.order);
    CHECK(gf_batches_init(&batches, &data, 0, 1, 0) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "size is 0");
    CHECK(gf_batches_init(&batches, &data, 4, 1, 8) == GF_ERROR_ARGUMENT);
    data.std[1] = 0;
    CHECK(gf_batches_init(&batches, &data, 4, 1, 0) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "channel 1 has mean 0, std 0");
    gf_data_free(&data);
    CHECK(gf_batches_init(&batches, &data, 4, 1, 0) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "empty");
    CHECK(gf_data_xor(&data, 5, 0, 0, 1) == GF_OK &&
          gf_batches_init(&batches, &data, 4, 1, GF_FLIP) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "vectors of 2");
    gf_data_free(&data);
    CHECK(alloc_live == 0);
}

// Is x [3,8,6] the pixels, moved by (dy, dx), then mirrored, black beyond the rim? By the definition, pixel by pixel.
static int is_augmented(const gf_real *x, const gf_dataset *data, size_t index, int dy, int dx, int flip) {
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 8 * 6; i++) {
            int row = i / 6 + dy, column = (flip ? 5 - i % 6 : i % 6) + (flip ? -dx : dx);
            int inside = row >= 0 && row < 8 && column >= 0 && column < 6;
            double value = 0;
            size_t at = index * 144 + (size_t)(inside ? (c * 8 + row) * 6 + column : 0);
            if (inside) value = data->pixels ? data->pixels[at] / 255.0 : (double)data->values[at];
            if (fabs((double)x[c * 48 + i] - (value - data->mean[c]) / data->std[c]) > 1e-5) return 0;
        }
    }
    return 1;
}

// Every row of every batch is its sample in one of the allowed places; each flip and shift is met about equally often.
static void check_augmentation(const gf_dataset *data, int flags) {
    gf_batches batches;
    long flips = 0, rows = 0, down[81] = {0}, across[9] = {0}, vertical[9] = {0};
    int reach = flags & GF_CROP ? 4 : 0;
    CHECK(gf_batches_init(&batches, data, 7, 3, flags | GF_SHUFFLE) == GF_OK);
    while (batches.epoch < 60) {
        if (!gf_batches_next(&batches)) continue;
        for (int i = 0; i < batches.n; i++, rows++) {
            int found = 0;
            for (int place = 0; place < 162 && !found; place++) {
                int flip = place % 2, dy = place / 2 / 9 - 4, dx = place / 2 % 9 - 4;
                if ((flip && !(flags & GF_FLIP)) || abs(dy) > reach || abs(dx) > reach) continue;
                found = is_augmented(batches.x + i * 144, data, (size_t)batches.labels[i], dy, dx, flip);
                if (found) flips += flip, down[place / 2]++, across[dx + 4]++, vertical[dy + 4]++;
            }
            CHECK(found);
        }
    }
    if (flags & GF_FLIP) CHECK_NEAR((double)flips / (double)rows, 0.5, 5 * 0.5 / sqrt((double)rows));
    if (flags & GF_CROP) {
        CHECK_NEAR(chi_square(down, 81, rows), 0, 5);
        CHECK_NEAR(chi_square(across, 9, rows), 0, 5);
        CHECK_NEAR(chi_square(vertical, 9, rows), 0, 5);
    }
    gf_batches_free(&batches);
}

static void test_augmentation(void) {
    enum { COUNT = 40 };
    gf_dataset data;
    double mean[3] = {0.5, 0.25, 0}, std[3] = {0.25, 0.5, 1};
    memset(&data, 0, sizeof data);
    data.shape = gf_image(3, 8, 6), data.count = COUNT, data.classes = COUNT;
    data.pixels = (uint8_t *)counted_malloc(COUNT * 144);
    data.labels = (int *)counted_malloc(COUNT * sizeof(int));
    for (int i = 0; i < COUNT; i++) data.labels[i] = i;
    for (uint64_t i = 0; i < COUNT * 144; i++) data.pixels[i] = (uint8_t)gfi_random_bits(1, 1, i);
    CHECK(gf_data_normalize(&data, mean, std, 3) == GF_OK);
    TEST("flip and crop: every row is a moved original, all moves equally often");
    check_augmentation(&data, GF_FLIP | GF_CROP);
    TEST("flip alone");
    check_augmentation(&data, GF_FLIP);
    TEST("crop alone");
    check_augmentation(&data, GF_CROP);
    TEST("no augmentation");
    check_augmentation(&data, 0);
    TEST("flip and crop of values");
    data.values = (gf_real *)counted_malloc(COUNT * 144 * sizeof(gf_real));
    for (int i = 0; i < COUNT * 144; i++) data.values[i] = (gf_real)(data.pixels[i] / 255.0);
    counted_free(data.pixels), data.pixels = NULL;
    check_augmentation(&data, GF_FLIP | GF_CROP);
    gf_data_free(&data);
    TEST("flip of images of a single row");
    gf_real row[4] = {1, 2, 3, 4};
    int label = 0, flipped = 0;
    gf_batches batches;
    CHECK(gf_data_from_arrays(&data, gf_image(1, 1, 4), 1, row, &label, 2, NULL, 0) == GF_OK);
    CHECK(gf_batches_init(&batches, &data, 1, 1, GF_FLIP) == GF_OK);
    for (int epoch = 0; epoch < 64; epoch++, gf_batches_next(&batches)) {
        CHECK(gf_batches_next(&batches));
        for (int i = 0, back = batches.x[0] == 4; i < 4; i++) CHECK(batches.x[i] == row[back ? 3 - i : i]);
        flipped += batches.x[0] == 4;
    }
    CHECK(flipped > 16 && flipped < 48);
    gf_batches_free(&batches), gf_data_free(&data);
    CHECK(alloc_live == 0);
}

// ---------------------------------------------------------------------------------------------------------------------
// Evaluation
// ---------------------------------------------------------------------------------------------------------------------

// The score of a net, found by hand: each batch of samples by gf_data_sample.
static gf_score score_by_hand(gf_net *net, const gf_dataset *data, int max_batch, gf_loss_kind loss, size_t *confusion,
                              size_t K) {
    gf_score score = {0, 0, data->count};
    size_t size = gfi_shape_size(data->shape);
    gf_real *x = (gf_real *)malloc((size_t)max_batch * size * sizeof *x);
    for (size_t start = 0; start < data->count; start += (size_t)max_batch) {
        size_t n = data->count - start < (size_t)max_batch ? data->count - start : (size_t)max_batch;
        for (size_t i = 0; i < n; i++) CHECK(gf_data_sample(data, start + i, x + i * size) == GF_OK);
        const gf_real *y = gf_net_forward(net, x, (int)n, GF_EVAL);
        double mean = loss == GF_LOSS_CROSS_ENTROPY ? gf_loss_cross_entropy(net, data->labels + start)
                      : loss == GF_LOSS_BCE         ? gf_loss_bce(net, data->targets + start * (size_t)data->outputs)
                                                    : gf_loss_mse(net, data->targets + start * (size_t)data->outputs);
        score.loss += mean * (double)n;
        score.accuracy += gf_net_correct(net);
        for (size_t i = 0; i < n && loss == GF_LOSS_CROSS_ENTROPY; i++) {
            size_t best = 0;
            for (size_t k = 1; k < K; k++) best = y[i * K + k] > y[i * K + best] ? k : best;
            confusion[(size_t)data->labels[start + i] * K + best]++;
        }
    }
    score.loss /= (double)data->count;
    score.accuracy /= (double)data->count;
    free(x);
    return score;
}

static void check_evaluation(const gf_dataset *data, gf_loss_kind loss, int outputs) {
    enum { MOST = 7 };
    size_t confusion[100], by_hand[100] = {0};
    gf_net *net = gf_net_create(data->shape, MOST, 3);
    gf_net_dense(net, outputs), gf_net_build(net);
    memset(confusion, 255, sizeof confusion);
    long allocations = alloc_count;
    gf_score score = gf_net_evaluate(net, data, loss, confusion);
    CHECK(alloc_count == allocations);
    gf_score expected = score_by_hand(net, data, MOST, loss, by_hand, (size_t)outputs);
    CHECK(gf_net_status(net) == GF_OK && score.count == data->count && score.loss == expected.loss);
    if (loss == GF_LOSS_MSE) CHECK(score.accuracy != score.accuracy);
    else CHECK(score.accuracy == expected.accuracy);
    CHECK(!memcmp(confusion, by_hand, (size_t)(outputs * outputs) * sizeof *confusion));
    gf_net_free(net);
}

static void test_evaluate(void) {
    double mean[3] = {0.25, 0.5, 0.75}, std[3] = {0.5, 0.25, 2};
    gf_real x[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    gf_dataset data;
    TEST("evaluation reads samples as gf_data_sample does, bit for bit, and allocates nothing");
    CHECK(syn_textures(&data, 38, 1) == GF_OK && gf_data_normalize(&data, mean, std, 3) == GF_OK);
    check_evaluation(&data, GF_LOSS_CROSS_ENTROPY, 10);
    data.count = 20;
    check_evaluation(&data, GF_LOSS_CROSS_ENTROPY, 10);
    gf_data_free(&data);
    CHECK(gf_data_xor(&data, 50, 0.1, 0, 1) == GF_OK);
    data.mean[0] = 0.5, data.std[1] = 3;
    check_evaluation(&data, GF_LOSS_CROSS_ENTROPY, 2);
    check_evaluation(&data, GF_LOSS_BCE, 1);
    check_evaluation(&data, GF_LOSS_MSE, 1);
    gf_data_free(&data);
    CHECK(gf_data_from_arrays(&data, gf_vector(5), 4, x, NULL, 0, x, 3) == GF_OK);  // more than 4 channels
    data.mean[0] = 2, data.mean[1] = 99;
    check_evaluation(&data, GF_LOSS_MSE, 3);
    TEST("evaluation: wrong arguments");
    gf_net *net = gf_net_create(gf_vector(5), 2, 1);
    gf_net_dense(net, 3), gf_net_build(net);
    data.std[2] = 0;
    gf_score score = gf_net_evaluate(net, &data, GF_LOSS_MSE, NULL);
    CHECK(gf_net_status(net) == GF_ERROR_ARGUMENT && score.loss != score.loss && score.count == 0);
    CHECK_TEXT(gf_net_error(net), "gf_net_evaluate: channel 2 has mean 0, std 0");
    gf_net_clear_error(net);
    gf_net_evaluate(net, NULL, GF_LOSS_MSE, NULL);
    CHECK_TEXT(gf_net_error(net), "gf_net_evaluate: data is NULL");
    gf_net_clear_error(net);
    data.std[2] = 1;
    gf_net_evaluate(net, &data, GF_LOSS_CROSS_ENTROPY, NULL);
    CHECK(gf_net_status(net) == GF_ERROR_SHAPE);
    CHECK_TEXT(gf_net_error(net), "this loss needs labels");
    gf_net_clear_error(net);
    gf_net_evaluate(net, &data, GF_LOSS_COUNT, NULL);
    CHECK_TEXT(gf_net_error(net), "loss 3");
    gf_net_free(net);
    gf_data_free(&data);
    CHECK(alloc_live == 0);
}

// ---------------------------------------------------------------------------------------------------------------------
// Memory
// ---------------------------------------------------------------------------------------------------------------------

// Everything that allocates, once; the first failure's status. Frees what it made.
static gf_status use_everything(void) {
    gf_real x[6] = {1, 2, 3, 4, 5, 6};
    int labels[3] = {0, 1, 1};
    gf_dataset data[8];
    gf_batches batches;
    memset(data, 0, sizeof data), memset(&batches, 0, sizeof batches);
    gf_status status = gf_data_from_arrays(&data[0], gf_vector(2), 3, x, labels, 2, NULL, 0);
    if (status == GF_OK) status = syn_digits(&data[1], 3, 1);
    if (status == GF_OK) status = gf_data_xor(&data[2], 9, 0.1, 0, 1);
    if (status == GF_OK) status = gf_data_split(&data[2], 0.5, 1, &data[3], &data[4]);
    if (status == GF_OK) status = gf_data_idx(&data[5], name_a, name_b);
    if (status == GF_OK) status = csv(&data[6], "1,2\n3,4\n", 0);
    if (status == GF_OK) status = gf_data_cifar10(&data[7], folder, 1);
    if (status == GF_OK) status = gf_batches_init(&batches, &data[2], 4, 1, GF_SHUFFLE);
    if (status != GF_OK) CHECK(!batches.order && !batches.x_buffer);
    for (size_t i = 0; i < COUNT_OF(data); i++) gf_data_free(&data[i]);
    gf_batches_free(&batches);
    return status;
}

static void test_memory(void) {
    static uint8_t record[3073];
    uint8_t images[IDX_IMAGES], labels[IDX_LABELS];
    char images_name[320], labels_name[320], record_name[320];
    TEST("each allocation failing in turn: GF_ERROR_MEMORY, nothing leaked");
    make_idx(images, labels);
    write_file(in_folder(images_name, "a.idx"), images, sizeof images);
    write_file(in_folder(labels_name, "b.idx"), labels, sizeof labels);
    write_file(in_folder(record_name, "test_batch.bin"), record, sizeof record);
    alloc_count = 0;
    long failed = 0;
    for (alloc_fail_at = 0; alloc_fail_at < 100; alloc_fail_at++, failed++) {
        alloc_count = 0;
        snprintf(name_a, sizeof name_a, "%s", images_name), snprintf(name_b, sizeof name_b, "%s", labels_name);
        gf_status status = use_everything();
        CHECK(alloc_live == 0);
        if (status == GF_OK) break;
        CHECK(status == GF_ERROR_MEMORY);
        CHECK_TEXT(gf_last_error(), "no memory");
    }
    alloc_fail_at = -1;
    CHECK(failed == 27);
}

static void test_files(void) {
    static const char *const names[] = {"train-images-idx3-ubyte",
                                        "train-labels-idx1-ubyte",
                                        "a.idx",
                                        "b.idx",
                                        "t.csv",
                                        "data_batch_1.bin",
                                        "data_batch_2.bin",
                                        "data_batch_3.bin",
                                        "data_batch_4.bin",
                                        "data_batch_5.bin",
                                        "test_batch.bin"};
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/gradflow_data_XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(folder)) {
        test_fail(__FILE__, __LINE__, "no temporary folder %s", folder);
        return;
    }
    test_idx_good();
    test_idx_broken();
    test_cifar();
    test_csv_good();
    test_csv_broken();
    test_vanishing("idx: files that shrink between the look at their size and the reading", load_idx, 3 + IDX_COUNT);
    test_vanishing("cifar10: a file that shrinks before each of its records", load_cifar, 2);
    test_vanishing("csv: a file that shrinks before it is read", load_csv, 1);
    test_memory();
    for (size_t i = 0; i < COUNT_OF(names); i++) remove(in_folder(name_a, names[i]));
    CHECK(rmdir(folder) == 0);
}

int main(void) {
    test_random_known();
    test_random_bits();
    test_random_streams();
    test_random_normal();
    test_shuffle();
    test_synthetic();
    test_xor();
    test_arrays();
    test_pixels();
    test_normalize();
    test_standardize();
    test_split();
    test_batches();
    test_seek();
    test_augmentation();
    test_evaluate();
    test_files();
    return test_report();
}
