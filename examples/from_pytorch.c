// from_pytorch.c: bring the net of your notebook, see where its gradient goes, train on, and send it back.
//
//     cc -O2 examples/from_pytorch.c -o from_pytorch -lm && ./from_pytorch net.safetensors trained.safetensors
//
// In the notebook (pip install safetensors):
//     from torch import nn
//     from safetensors.torch import load_file, save_file
//     layers = [nn.Linear(2, 16), nn.Sigmoid()]
//     for _ in range(5):
//         layers += [nn.Linear(16, 16), nn.Sigmoid()]
//     net = nn.Sequential(*layers, nn.Linear(16, 2))
//     save_file(net.state_dict(), "net.safetensors")
//     # ... run this program ...
//     net.load_state_dict(load_file("trained.safetensors"))
//     # print(list(net.state_dict())) shows the names that `modules` below repeats
//
// Without a file it starts from the weights that PyTorch would have drawn.
// Question  does this net learn noisy XOR in PyTorch, and if not, which layer does the gradient fail to reach?
// Look for  the factor from one layer to the next: √χ = .14 for sigmoid at PyTorch's initialisation.
// Try next  GF_ACT_TANH here and nn.Tanh() there; nn.BatchNorm1d(16) behind each layer (gf_net_batch_norm)
#define GRADFLOW_STATIC
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#include <stdio.h>

enum { HIDDEN = 6, WIDTH = 16, BATCH = 64, STEPS = 400 };

// The modules with weights of nn.Sequential, in order: activations count, but have none. A net whose names hold numbers,
// as here, is understood without this list too.
static const char *const modules[] = {"0", "2", "4", "6", "8", "10", "12", NULL};

// The same layers as in the notebook.
static gf_net *build(void) {
    gf_net *net = gf_net_create(gf_vector(2), BATCH, 42);
    gf_net_set_probe(net, GF_PROBE_ALL);
    for (int l = 0; l < HIDDEN; l++) {
        gf_net_dense(net, WIDTH);
        gf_net_act(net, GF_ACT_SIGMOID);
    }
    gf_net_dense(net, 2);
    gf_net_build(net);
    return net;
}

static void show(gf_net *net, const char *when) {
    char verdict[256];
    printf("%s\n    layer     RMS of δ   factor to the layer before it\n", when);
    for (int l = gf_net_describe(net).affine_count; l >= 1; l--) {
        const gf_layer_probe *at = gf_net_probe(net, l), *before = l > 1 ? gf_net_probe(net, l - 1) : NULL;
        printf("    %-8s %9.2e", at->name, at->delta.rms);
        if (before) printf("   %.3f", before->delta.rms / at->delta.rms);
        printf("\n");
    }
    gf_net_verdict(net, verdict, sizeof verdict);
    printf("    %s\n", verdict);
}

int main(int argc, char **argv) {
    gf_dataset points;
    gf_batches batches;
    gf_optim adam;
    gf_data_xor(&points, 1000, 0.1, 0, 1);
    gf_batches_init(&batches, &points, BATCH, 1, GF_SHUFFLE);
    gf_net *net = build();
    if (argc > 1) gf_net_load_safetensors(net, modules, argv[1]);
    else printf("no file named: a fresh net (use: from_pytorch net.safetensors [trained.safetensors])\n");
    gf_optim_init(&adam, net, gf_adam(0.01));
    for (int step = 0; step < STEPS && gf_net_status(net) == GF_OK; step++) {
        if (!gf_batches_next(&batches)) gf_batches_next(&batches);
        gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
        double loss = gf_loss_cross_entropy(net, batches.labels);
        gf_net_backward(net);
        if (step == 0 || step == STEPS - 1) {
            gf_net_measure(net);
            printf("step %d, loss %.4f: ", step, loss);
            show(net, step == 0 ? "as it came" : "after training");
        }
        gf_optim_step(&adam, net);
    }
    gf_score score = gf_net_evaluate(net, &points, GF_LOSS_CROSS_ENTROPY, NULL);
    if (gf_net_status(net) == GF_OK) printf("accuracy %.3f (chance is 0.5)\n", score.accuracy);
    if (argc > 2 && gf_net_save_safetensors(net, modules, argv[2]) == GF_OK) printf("written: %s\n", argv[2]);
    int failed = gf_net_status(net) != GF_OK;
    if (failed) fprintf(stderr, "%s\n", gf_net_error(net));
    gf_optim_free(&adam);
    gf_net_free(net);
    gf_batches_free(&batches);
    gf_data_free(&points);
    return failed;
}
