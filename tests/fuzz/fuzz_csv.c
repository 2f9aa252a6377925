// fuzz_csv.c: the first byte is the number of classes, the rest the text.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[200];
    gf_dataset data;
    if (size < 1) return 0;
    fuzz_write(path, "data.csv", bytes + 1, size - 1);
    fuzz_use(&data, gf_data_csv(&data, path, bytes[0] % 8));
    return 0;
}
