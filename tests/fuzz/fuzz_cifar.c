// fuzz_cifar.c: an odd first byte: the rest is the test file; else it is cut into the five files of the training set.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[200];
    gf_dataset data;
    if (size < 1) return 0;
    int test = bytes[0] & 1;
    size_t part = (size - 1) / 5;
    if (test) fuzz_write(path, "test_batch.bin", bytes + 1, size - 1);
    for (size_t i = 0; i < 5 && !test; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", (int)i + 1);
        fuzz_write(path, name, bytes + 1 + i * part, part);
    }
    fuzz_use(&data, gf_data_cifar10(&data, fuzz_path(path, ""), test));
    return 0;
}
