// fuzz_checkpoint.c: the input is a checkpoint without its last 8 bytes; the target adds the right checksum, which no
// random change would meet. The first byte chooses what is loaded with it. A refused file must change nothing.
// With SEED=FILE in the environment it writes such an input and ends.
#include "fuzz.h"

static gf_net *net;
static gf_optim adam;
static gf_dataset data;
static gf_batches batches;

// CRC-32 as in PNG and zip files, bit by bit.
static uint32_t crc32_of(const uint8_t *bytes, size_t size) {
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
    }
    return ~crc;
}

static void write_seed(const char *seed) {
    static uint8_t bytes[4096];
    char path[200];
    FUZZ_CHECK(gf_net_save(net, &adam, &batches, fuzz_path(path, "seed")) == GF_OK);
    FILE *from = fopen(path, "rb"), *to = fopen(seed, "wb");
    size_t size = from ? fread(bytes, 1, sizeof bytes, from) : 0;
    FUZZ_CHECK(size > 8 && to && fputc(3, to) == 3 && fwrite(bytes, 1, size - 8, to) == size - 8);
    fclose(from), fclose(to), remove(path), remove(fuzz_path(path, ""));
    exit(0);
}

static void prepare(void) {
    const char *seed = getenv("SEED");
    net = gf_net_create(gf_vector(2), 4, 1);
    gf_net_dense(net, 3), gf_net_batch_norm(net), gf_net_act(net, GF_ACT_PRELU), gf_net_dense(net, 2);
    gf_net_build(net), gf_optim_init(&adam, net, gf_adam(0.1));
    gf_data_xor(&data, 9, 0.1, 0, 1), gf_batches_init(&batches, &data, 4, 1, GF_SHUFFLE);
    FUZZ_CHECK(gf_net_status(net) == GF_OK && batches.order);
    if (seed) write_seed(seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static gf_real before[64];
    char path[200];
    static uint8_t file[20008];
    if (!net) prepare();
    if (size < 1 || size > 20000) return 0;
    memcpy(file, bytes + 1, size - 1), memset(file + size - 1, 0, 8);
    for (int i = 0; i < 4; i++) file[size - 1 + (size_t)i] = (uint8_t)(crc32_of(bytes + 1, size - 1) >> 8 * i);
    fuzz_write(path, "checkpoint", file, size + 7);
    gf_net_clear_error(net);
    const gf_net_info info = gf_net_describe(net);
    FUZZ_CHECK(info.param_count <= 64);
    memcpy(before, info.params, info.param_count * sizeof(gf_real));
    if (gf_net_load(net, bytes[0] & 1 ? &adam : NULL, bytes[0] & 2 ? &batches : NULL, path) != GF_OK) {
        FUZZ_CHECK(!memcmp(before, info.params, info.param_count * sizeof(gf_real)));
        FUZZ_CHECK(strcmp(gf_net_error(net), "no error") != 0);
    }
    while (gf_batches_next(&batches)) FUZZ_CHECK(batches.n > 0);
    return 0;
}
