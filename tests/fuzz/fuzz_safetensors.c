// fuzz_safetensors.c: the input is a safetensors file for a net with every kind of tensor. A refused file must change
// nothing, and one that was loaded must be saved and loaded again. The first byte chooses by which names.
#include "fuzz.h"

static const char *const modules[] = {"0", "1", "2", "3", NULL};
static gf_net *net;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static gf_real before[64];
    char path[200];
    if (!net) {
        net = gf_net_create(gf_vector(2), 4, 1);
        gf_net_dense(net, 3), gf_net_batch_norm(net), gf_net_act(net, GF_ACT_PRELU), gf_net_dense(net, 2);
        FUZZ_CHECK(gf_net_build(net) == GF_OK);
    }
    if (size < 1 || size > 20000) return 0;
    const char *const *names = bytes[0] & 1 ? modules : NULL;
    const gf_net_info info = gf_net_describe(net);
    FUZZ_CHECK(info.param_count <= 64);
    fuzz_write(path, "safetensors", bytes + 1, size - 1);
    gf_net_clear_error(net);
    memcpy(before, info.params, info.param_count * sizeof(gf_real));
    if (gf_net_load_safetensors(net, names, path) != GF_OK) {
        FUZZ_CHECK(!memcmp(before, info.params, info.param_count * sizeof(gf_real)));
        FUZZ_CHECK(strcmp(gf_net_error(net), "no error") != 0);
    } else {
        for (size_t i = 0; i < info.param_count; i++) FUZZ_CHECK(info.params[i] - info.params[i] == 0);
        memcpy(before, info.params, info.param_count * sizeof(gf_real));
        FUZZ_CHECK(gf_net_save_safetensors(net, names, path) == GF_OK);
        FUZZ_CHECK(gf_net_load_safetensors(net, names, path) == GF_OK);
        FUZZ_CHECK(!memcmp(before, info.params, info.param_count * sizeof(gf_real)));
    }
    return 0;
}
