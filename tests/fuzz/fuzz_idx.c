// fuzz_idx.c: two bytes say how long the file of images is, lowest first; the rest is the file of labels.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char images[200], labels[200];
    gf_dataset data;
    if (size < 2) return 0;
    fuzz_write_two(images, "images", labels, "labels", bytes, size);
    fuzz_use(&data, gf_data_idx(&data, images, labels));
    return 0;
}
