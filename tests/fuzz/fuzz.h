// fuzz.h: what the fuzz targets share: the input as a file, and a loaded data set put to use. A target finds a crash, a
// sanitizer's complaint, or a promise of gradflow.h broken: a failed load says why and leaves nothing behind.
#ifndef GF_FUZZ_H
#define GF_FUZZ_H
#include "../../gradflow.h" // implemented in library.c, compiled once for all targets
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUZZ_CHECK(condition) \
    do {                      \
        if (!(condition)) abort(); \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// NAME in a folder of this process alone, made in the current one.
static inline const char *fuzz_path(char path[200], const char *name) {
    snprintf(path, 200, "fuzz.%ld", (long)getpid());
    mkdir(path, 0777);
    snprintf(path, 200, "fuzz.%ld%s%s", (long)getpid(), *name ? "/" : "", name);
    return path;
}

static inline const char *fuzz_write(char path[200], const char *name, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(fuzz_path(path, name), "wb");
    FUZZ_CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    return path;
}

// The input as two files, a and b: its first two bytes say how long a is, lowest first.
static inline void fuzz_write_two(char a[200], const char *a_name, char b[200], const char *b_name,
                                  const uint8_t *bytes, size_t size) {
    size_t wanted = (size_t)bytes[0] + 256u * bytes[1], n = wanted < size - 2 ? wanted : size - 2;
    fuzz_write(a, a_name, bytes + 2, n);
    fuzz_write(b, b_name, bytes + 2 + n, size - 2 - n);
}

static inline size_t fuzz_size(gf_shape shape) {
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

// Batches of what was loaded, each number of it looked at; or, if it was refused, the promised emptiness.
static inline void fuzz_use(gf_dataset *data, gf_status status) {
    gf_batches batches;
    double sum = 0;
    if (status != GF_OK) {
        FUZZ_CHECK(!data->pixels && !data->values && !data->labels && !data->targets && data->count == 0);
        FUZZ_CHECK(strcmp(gf_last_error(), "no error") != 0);
        return;
    }
    FUZZ_CHECK(data->count > 0 && data->shape.channels > 0 && data->shape.height > 0 && data->shape.width > 0);
    FUZZ_CHECK(gf_batches_init(&batches, data, 7, 1, GF_SHUFFLE) == GF_OK);
    while (gf_batches_next(&batches)) {
        for (size_t i = 0; i < (size_t)batches.n * fuzz_size(data->shape); i++) sum += (double)batches.x[i];
        for (int i = 0; i < batches.n && batches.labels; i++)
            FUZZ_CHECK(batches.labels[i] >= 0 && batches.labels[i] < data->classes);
    }
    FUZZ_CHECK(isfinite(sum));
    gf_batches_free(&batches);
    gf_data_free(data);
}
#endif
