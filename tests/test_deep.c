// test_deep.c: the gradient profile of twenty layers at initialisation, against PyTorch and against the theory.
// build: float noasan
//
// fixtures/mnist_deep20_init_profile.csv holds, for 12 activations and 3 initialisations, the geometric means over 20 seeds of
// RMS δ_l and L2 ∇W_l of a 784-128×21-10 net on the first 128 training images (fixtures/mnist128-…), measured with PyTorch.
#include "../gradflow.h"
#include "nets.h"

enum { LAYERS = 22, SEEDS = 20, FEW = 5, CELLS = 40 };

typedef struct profile {
    char activation[24], init[24];
    double delta[LAYERS], dw[LAYERS];
} profile;

static int read_profiles(profile *profiles) {
    FILE *file = fopen("tests/fixtures/mnist_deep20_init_profile.csv", "r");
    char line[256], activation[24], init[24];
    int count = 0, layer;
    double delta, spread, dw, q;
    if (!file) return 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%23[^,],%23[^,],%d,%lf,%lf,%lf,%lf", activation, init, &layer, &delta, &spread, &dw, &q) != 7) continue;
        if (layer < 1 || layer > LAYERS || (layer == 1 && count == CELLS)) break;
        if (layer == 1) strcpy(profiles[count].activation, activation), strcpy(profiles[count].init, init), count++;
        profiles[count - 1].delta[layer - 1] = delta, profiles[count - 1].dw[layer - 1] = dw;
    }
    fclose(file);
    return count;
}

static void inits_of(const char *name, gf_init *weight, gf_init *bias) {
    *weight = net_init(name);
    *bias = weight->kind == GF_INIT_DEFAULT ? *weight : gf_init_zero();
}

// Means of ln RMS δ_l and ln L2 ∇W_l over the nets of seeds first..end-1.
static void measure(const profile *p, int first, int end, const gf_dataset *data, const gf_real *x, profile *found) {
    gf_act act;
    gf_init weight, bias;
    CHECK(gf_act_from_name(p->activation, &act));
    inits_of(p->init, &weight, &bias);
    memset(found, 0, sizeof *found);
    for (int seed = first; seed < end; seed++) {
        gf_net *net = gf_net_create(gf_image(1, 28, 28), 128, (uint64_t)seed);
        gf_net_set_init(net, weight, bias);
        gf_net_set_probe(net, GF_PROBE_GRADIENTS);
        for (int l = 1; l < LAYERS; l++) gf_net_dense(net, 128), gf_net_act_with(net, act);
        gf_net_dense(net, 10);
        gf_net_build(net);
        gf_net_forward(net, x, 128, GF_TRAIN);
        gf_loss_cross_entropy(net, data->labels);
        gf_net_backward(net);
        gf_net_measure(net);
        CHECK(gf_net_status(net) == GF_OK);
        for (int l = 1; l <= LAYERS && gf_net_probe(net, l); l++) {
            found->delta[l - 1] += log(gf_net_probe(net, l)->delta.rms) / (end - first);
            found->dw[l - 1] += log(gf_net_probe(net, l)->dw.l2) / (end - first);
        }
        gf_net_free(net);
    }
}

// Worst factors per hidden layer and in the mean between the measured profile and the recursion.
static void check_theory(const profile *p, const profile *found, double input_square) {
    gf_theory_layer layers[LAYERS];
    gf_act act;
    gf_init weight, bias;
    double sum = 0;
    CHECK(gf_act_from_name(p->activation, &act));
    inits_of(p->init, &weight, &bias);
    for (int l = 0; l < LAYERS; l++) {
        int in = l == 0 ? 784 : 128, out = l == LAYERS - 1 ? 10 : 128;
        layers[l] = gf_theory_affine(in, out, out, weight, bias);
    }
    CHECK(gf_theory_profile(act, input_square, layers, LAYERS) == GF_OK);
    for (int l = 1; l < LAYERS - 2; l++) {  // hidden to hidden: the first and the last layer apart
        double off = found->delta[l] - found->delta[l + 1] - log(layers[l].factor);
        if (!(fabs(off) <= log(1.15)))
            test_fail(__FILE__, __LINE__, "%s %s layer %d: factor is %.3f times the theory's", p->activation, p->init, l + 1, exp(off));
        sum += off;
    }
    if (!(fabs(sum / (LAYERS - 3)) <= log(1.03)))
        test_fail(__FILE__, __LINE__, "%s %s: mean factor is %.4f times the theory's", p->activation, p->init, exp(sum / (LAYERS - 3)));
}

int main(void) {
    static profile reference[CELLS], found[CELLS];
    static gf_real x[128 * 784];
    gf_dataset data;
    double square = 0;
    int count = read_profiles(reference);
    TEST("fixtures of the deep profile");
    CHECK(count == 36);
    CHECK(gf_data_idx(&data, "tests/fixtures/mnist128-images-idx3-ubyte", "tests/fixtures/mnist128-labels-idx1-ubyte") == GF_OK);
    for (size_t i = 0; i < 128 && data.count == 128; i++) gf_data_sample(&data, i, x + 784 * i);
    for (size_t i = 0; i < 128 * 784; i++) square += (double)x[i] * (double)x[i] / (128 * 784);
    CHECK_NEAR(square, 0.1088916, 1e-6);

    TEST("gradient profile agrees with the theory's recursion, five seeds");
    for (int c = 0; c < count; c++) {
        measure(&reference[c], 0, FEW, &data, x, &found[c]);
        check_theory(&reference[c], &found[c], square);
    }

    TEST("gradient profile at initialisation agrees with PyTorch in every cell, twenty seeds");
    for (int c = 0; c < count; c++) {
        profile rest;
        measure(&reference[c], FEW, SEEDS, &data, x, &rest);
        for (int l = 0; l < LAYERS; l++) {
            double delta = (FEW * found[c].delta[l] + (SEEDS - FEW) * rest.delta[l]) / SEEDS - log(reference[c].delta[l]);
            double dw = (FEW * found[c].dw[l] + (SEEDS - FEW) * rest.dw[l]) / SEEDS - log(reference[c].dw[l]);
            if (!(fabs(delta) <= log(1.5)) || !(fabs(dw) <= log(1.5)))
                test_fail(__FILE__, __LINE__, "%s %s layer %d: RMS δ is %.2f, ‖∇W‖ %.2f times PyTorch's", reference[c].activation,
                          reference[c].init, l + 1, exp(delta), exp(dw));
        }
    }
    gf_data_free(&data);
    return test_report();
}
