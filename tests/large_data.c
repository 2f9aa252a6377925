// large_data.c: a data set of more than 2^32 pixels, from its files to shuffled batches: every index must be wide enough.
//
//     large_data FOLDER      its files take next to no room there, being holes; it needs 10 GB of memory (make faults)
//
// Pixels and labels are 0 but for a few images with one pixel set, at places that an index of 32 bits would miss.
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include <stdio.h>
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#include "test.h"

enum { SIDE = 28, SIZE = SIDE * SIDE, BATCH = 1000, MARKS = 4 };
static const uint64_t COUNT = ((uint64_t)1 << 32) / SIZE + 1000;

// Mark m (from 1): the place of the pixel; it holds 50·m, and its image has label m.
static uint64_t place_of(int mark) {
    const uint64_t places[MARKS] = {0, (uint64_t)1 << 31, ((uint64_t)1 << 32) + 10 * SIZE + 5, COUNT * SIZE - 1};
    return places[mark - 1];
}

static long free_gigabytes(void) {
    char line[200];
    long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "MemAvailable: %ld", &kilobytes) != 1) continue;
    if (file) fclose(file);
    return kilobytes >> 20;
}

// An IDX file whose bytes are 0 but where a mark stands: images, or labels (sides 1).
static int write_idx(const char *path, int sides) {
    const uint64_t head[4] = {0x800 + (uint64_t)sides, COUNT, SIDE, SIDE}, size = sides == 1 ? 1 : SIZE;
    FILE *file = fopen(path, "wb");
    if (!file) return 0;
    for (int i = 0; i <= sides; i++)
        for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(head[i] >> shift & 255), file);
    for (int mark = 1; mark <= MARKS; mark++) {
        uint64_t place = sides == 1 ? place_of(mark) / SIZE : place_of(mark);
        if (fseeko(file, (off_t)(4 + 4 * (uint64_t)sides + place), SEEK_SET) != 0) break;
        fputc(sides == 1 ? mark : 50 * mark, file);
    }
    // The last mark stands in the last byte: the file has its length.
    int whole = ftello(file) == (off_t)(4 + 4 * (uint64_t)sides + COUNT * size);
    return fclose(file) == 0 && whole;
}

// x[SIZE] is what an image of this label must be.
static int is_image(const gf_real *x, int label) {
    double sum = 0;
    for (int i = 0; i < SIZE; i++) sum += (double)x[i];
    if (label == 0) return sum == 0;
    return fabs((double)x[place_of(label) % SIZE] - 50 * label / 255.0) < 1e-6 && fabs(sum - 50 * label / 255.0) < 1e-6;
}

// Which marked samples a data set has, as bits; a sample that is not what its label says counts as a failure.
static int marks_in(const gf_dataset *data) {
    gf_real x[SIZE];
    int found = 0;
    for (size_t i = 0; i < data->count; i++) {
        if (data->labels[i] == 0) continue;
        CHECK(gf_data_sample(data, i, x) == GF_OK && is_image(x, data->labels[i]));
        CHECK(!(found & 1 << data->labels[i]));
        found |= 1 << data->labels[i];
    }
    return found;
}

static void test_batches(const gf_dataset *data) {
    gf_batches batches;
    int found = 0;
    size_t seen = 0, wrong = 0;
    TEST("more than 2^32 pixels: every sample once in an epoch's shuffled batches, with its own pixels");
    CHECK(gf_batches_init(&batches, data, BATCH, 1, GF_SHUFFLE) == GF_OK);
    while (gf_batches_next(&batches)) {
        for (int i = 0; i < batches.n; i++) {
            seen++, wrong += !is_image(batches.x + (size_t)i * SIZE, batches.labels[i]);
            if (batches.labels[i]) found += 1 << batches.labels[i];
        }
    }
    CHECK(seen == COUNT && wrong == 0 && found == 30);
    gf_batches_free(&batches);
}

static void test_large(const char *images, const char *labels) {
    gf_dataset data, first, rest;
    TEST("more than 2^32 pixels: an IDX file of 4.3 GB");
    CHECK(gf_data_idx(&data, images, labels) == GF_OK);
    CHECK(data.count == COUNT && data.classes == MARKS + 1);
    CHECK(data.pixels && marks_in(&data) == 30);
    if (!data.pixels) return;
    for (int mark = 1; mark <= MARKS; mark++) CHECK(data.labels[place_of(mark) / SIZE] == mark);
    test_batches(&data);
    TEST("more than 2^32 pixels: split in two");
    CHECK(gf_data_split(&data, 0.25, 1, &first, &rest) == GF_OK);
    CHECK(first.count == (COUNT + 2) / 4 && first.count + rest.count == COUNT);
    CHECK(marks_in(&first) + marks_in(&rest) == 30);
    gf_data_free(&first), gf_data_free(&rest), gf_data_free(&data);
}

int main(int argc, char **argv) {
    char images[600], labels[600];
    if (sizeof(size_t) < 8 || free_gigabytes() < 10) {
        printf("SKIP more than 2^32 pixels: needs a 64-bit machine with 10 GB of free memory\n");
        return EXIT_SUCCESS;
    }
    snprintf(images, sizeof images, "%s/large-images", argc > 1 ? argv[1] : ".");
    snprintf(labels, sizeof labels, "%s/large-labels", argc > 1 ? argv[1] : ".");
    TEST("more than 2^32 pixels: files");
    CHECK(write_idx(images, 3) && write_idx(labels, 1));
    test_large(images, labels);
    remove(images), remove(labels);
    return test_report();
}
