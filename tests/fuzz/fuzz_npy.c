// fuzz_npy.c: a byte of classes, two bytes that say how long the file of x is, lowest first; the rest is the file of y.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char x[200], y[200];
    gf_dataset data;
    if (size < 3) return 0;
    fuzz_write_two(x, "x.npy", y, "y.npy", bytes + 1, size - 1);
    fuzz_use(&data, gf_data_npy(&data, x, y, bytes[0] % 8));
    return 0;
}
