// first.c: a whole program: learn noisy XOR, then ask where the gradient went.
//     cc -O2 examples/first.c -o first -lm && ./first
#define GRADFLOW_STATIC          // a program of one file: what it leaves unused is not compiled
#define GRADFLOW_IMPLEMENTATION  // in exactly one file of a program
#include "../gradflow.h"
#include <stdio.h>

int main(void) {
    gf_dataset points;
    gf_data_xor(&points, 400, 0.1, 0, 1);  // 400 points of noisy XOR, drawn here
    gf_batches batches;
    gf_batches_init(&batches, &points, 32, 1, GF_SHUFFLE);
    gf_net *net = gf_net_create(gf_vector(2), 32, 42);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_dense(net, 16);
    gf_net_act(net, GF_ACT_TANH);
    gf_net_dense(net, 2);
    gf_net_build(net);
    gf_optim adam;
    gf_optim_init(&adam, net, gf_adam(0.01));
    for (int epoch = 1; epoch <= 60; epoch++)
        while (gf_net_status(net) == GF_OK && gf_batches_next(&batches)) {
            gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
            gf_loss_cross_entropy(net, batches.labels);
            gf_net_backward(net);
            gf_net_measure(net);           // what reaches each layer?
            gf_optim_step(&adam, net);
        }
    char verdict[256];
    gf_net_verdict(net, verdict, sizeof verdict);
    gf_score score = gf_net_evaluate(net, &points, GF_LOSS_CROSS_ENTROPY, NULL);
    printf("accuracy %.3f\nthe gradient is %s\n", score.accuracy, verdict);
    int failed = gf_net_status(net) != GF_OK;  // one check for everything above
    if (failed) fprintf(stderr, "%s\n", gf_net_error(net));
    gf_optim_free(&adam);
    gf_net_free(net);
    gf_batches_free(&batches);
    gf_data_free(&points);
    return failed;
}
