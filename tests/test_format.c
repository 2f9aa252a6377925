// test_format.c: without <stdio.h>, all messages go through the GF_VSNPRINTF that a program brings, with formats of a few
// kinds only, so that a short one serves: %s (with a precision), %c, %d, %u, %x, %ld, %lu, %zu, %g and %%.
// build: float cxx inside
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

static char format_seen[400], other_kinds[400];
static int calls;

// Keeps the format, and what in it is of another kind; the text is the format itself.
static int own_vsnprintf(char *to, size_t size, const char *format, va_list args) {
    (void)args;
    calls++;
    strncpy(format_seen, format, sizeof format_seen - 1);
    for (const char *at = strchr(format, '%'); at; at = strchr(at + 1, '%')) {
        at++;
        if (*at == '.') at += 1 + strspn(at + 1, "0123456789*");
        if (strchr("lz", *at)) at++;
        if (!strchr("scduxg%", *at)) strncpy(other_kinds, format, sizeof other_kinds - 1);
    }
    if (size > 0) {
        strncpy(to, format, size - 1);
        to[size - 1] = '\0';
    }
    return (int)strlen(format);
}

#define GF_NO_STDIO
#define GF_VSNPRINTF(to, size, format, args) own_vsnprintf(to, size, format, args)
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#ifdef EOF
#error "gradflow.h includes <stdio.h> although GF_NO_STDIO and GF_VSNPRINTF are defined"
#endif
#include "test.h"

int main(void) {
    gf_real x[4] = {0, 1, 2, 3}, targets[2] = {2, 0};
    int label = 7;
    gf_dataset data;
    TEST("messages without stdio go through GF_VSNPRINTF");
    gf_net *net = gf_net_create(gf_vector(2), 2, 1);
    gf_net_dense(net, -1);
    CHECK(calls > 0 && gf_net_status(net) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_net_error(net), "outputs; needs at least 1");
    CHECK_TEXT(format_seen, "outputs; needs at least 1");
    gf_net_clear_error(net);
    TEST("messages need a few kinds of formats only");
    gf_net_dense(net, 2);
    gf_net_act(net, GF_ACT_COUNT);
    gf_net_clear_error(net);
    gf_net_dropout(net, 2);
    gf_net_clear_error(net);
    gf_net_build(net);
    gf_net_forward(net, x, 9, GF_TRAIN);
    gf_net_clear_error(net);
    gf_net_tensor(net, "none");
    gf_net_clear_error(net);
    gf_net_forward(net, x, 1, GF_TRAIN);
    gf_loss_cross_entropy(net, &label);
    gf_net_clear_error(net);
    gf_loss_bce(net, targets);
    gf_net_clear_error(net);
    CHECK(gf_data_xor(&data, 0, 0.1, 0, 1) != GF_OK);
    CHECK(gf_data_xor(&data, 4, -1, 0, 1) != GF_OK);
    gf_theory_chi(gf_act_default(GF_ACT_TANH), -1, 1);
    CHECK(calls > 10);
    if (other_kinds[0]) test_fail(__FILE__, __LINE__, "a format of another kind: \"%s\"", other_kinds);
    gf_net_free(net);
    return test_report();
}
