// fuzz_idx.c: two bytes say how long the file of images is, lowest first; the rest is the file of labels.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char images[200], labels[200];
    gf_dataset data;
    if (size < 2) return 0;
    size_t wanted = (size_t)bytes[0] + 256u * bytes[1], n = wanted < size - 2 ? wanted : size - 2;
    fuzz_write(images, "images", bytes + 2, n);
    fuzz_write(labels, "labels", bytes + 2 + n, size - 2 - n);
    fuzz_use(&data, gf_data_idx(&data, images, labels));
    return 0;
}
