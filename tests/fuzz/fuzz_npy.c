// fuzz_npy.c: a byte of classes, two bytes that say how long the file of x is, lowest first; the rest is the file of y.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char x[200], y[200];
    gf_dataset data;
    if (size < 3) return 0;
    size_t wanted = (size_t)bytes[1] + 256u * bytes[2], n = wanted < size - 3 ? wanted : size - 3;
    fuzz_write(x, "x.npy", bytes + 3, n);
    fuzz_write(y, "y.npy", bytes + 3 + n, size - 3 - n);
    fuzz_use(&data, gf_data_npy(&data, x, y, bytes[0] % 8));
    return 0;
}
