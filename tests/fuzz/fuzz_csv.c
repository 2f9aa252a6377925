// fuzz_csv.c: the first byte is the number of classes or, from 128 on, a choice of options; the rest is the text.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[200], summary[300];
    gf_dataset data;
    if (size < 1) return 0;
    fuzz_write(path, "data.csv", bytes + 1, size - 1);
    gf_csv how;
    memset(&how, 0, sizeof how);
    how.missing = (gf_missing)(bytes[0] % 3);
    how.header = bytes[0] / 4 % 4 - 1;
    how.label = bytes[0] & 16 ? "-1" : NULL;
    how.targets = bytes[0] & 32 ? "y,1" : NULL;
    how.categories = bytes[0] & 64 ? "*" : NULL;
    gf_status status = bytes[0] < 128 ? gf_data_csv(&data, path, bytes[0] % 8) : gf_data_csv_as(&data, path, &how);
    if (status == GF_OK) FUZZ_CHECK(gf_data_summary(&data, summary, sizeof summary) == GF_OK);
    fuzz_use(&data, status);
    return 0;
}
