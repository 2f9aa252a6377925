// test_by_hand.c: examples/by_hand.c, which has no library, and the library in double compute the same numbers.
// build: double
#include "../gradflow.h"
#include "test.h"
#define main by_hand_main
#include "../examples/by_hand.c"
#undef main

static layer net[LAYERS], grad[LAYERS];
static pass p;
static int label[POINTS];

// The same net by the library, with by_hand's weights.
static gf_net *make_library_net(void) {
    gf_net *theirs = gf_net_create(gf_vector(2), POINTS, 1);
    gf_net_dense(theirs, 16);
    gf_net_act(theirs, GF_ACT_TANH);
    gf_net_dense(theirs, 16);
    gf_net_act(theirs, GF_ACT_TANH);
    gf_net_dense(theirs, 2);
    gf_net_build(theirs);
    for (int l = 0; l < LAYERS; l++) {
        gf_tensor *w = gf_net_tensor_at(theirs, 2 * l);
        gf_tensor *b = gf_net_tensor_at(theirs, 2 * l + 1);
        for (int o = 0; o < width[l + 1]; o++) {
            for (int i = 0; i < width[l]; i++) w->value[o * width[l] + i] = net[l].w[o][i];
            b->value[o] = net[l].b[o];
        }
    }
    return theirs;
}

// Largest difference of any parameter (or gradient) from the library's, over the largest of them.
static double worst_difference(gf_net *theirs, const layer *ours, int of_gradient) {
    double worst = 0, largest = 0;
    for (int l = 0; l < LAYERS; l++) {
        const gf_tensor *w = gf_net_tensor_at(theirs, 2 * l);
        const gf_tensor *b = gf_net_tensor_at(theirs, 2 * l + 1);
        const gf_real *w_theirs = of_gradient ? w->grad : w->value;
        const gf_real *b_theirs = of_gradient ? b->grad : b->value;
        for (int o = 0; o < width[l + 1]; o++)
            for (int i = 0; i <= width[l]; i++) {
                double found = i < width[l] ? ours[l].w[o][i] : ours[l].b[o];
                double expected = i < width[l] ? w_theirs[o * width[l] + i] : b_theirs[o];
                worst = fmax(worst, fabs(found - expected));
                largest = fmax(largest, fabs(expected));
                if (isnan(found) || isnan(expected)) return INFINITY;
            }
    }
    return worst / largest;
}

int main(void) {
    static gf_real x[POINTS * 2];
    draw_points(&p, label);
    draw_weights(net);
    for (int n = 0; n < POINTS; n++)
        for (int i = 0; i < 2; i++) x[2 * n + i] = p.h[0][n][i];
    gf_net *theirs = make_library_net();
    gf_optim sgd;
    gf_optim_init(&sgd, theirs, gf_sgd(0.5));

    TEST("by_hand: loss and gradients are the library's to 1e-12");
    double loss = forward(net, &p, label);
    backward(net, &p, grad);
    gf_net_forward(theirs, x, POINTS, GF_TRAIN);
    CHECK_NEAR(loss, gf_loss_cross_entropy(theirs, label), 1e-12 * loss);
    gf_net_backward(theirs);
    CHECK_NEAR(worst_difference(theirs, grad, 1), 0, 1e-12);

    TEST("by_hand: so are the weights after ten steps");
    for (int t = 0; t < 10; t++) {
        forward(net, &p, label);
        backward(net, &p, grad);
        step(net, grad, 0.5);
        gf_net_forward(theirs, x, POINTS, GF_TRAIN);
        gf_loss_cross_entropy(theirs, label);
        gf_net_backward(theirs);
        gf_optim_step(&sgd, theirs);
    }
    CHECK(gf_net_status(theirs) == GF_OK);
    CHECK_NEAR(worst_difference(theirs, net, 0), 0, 1e-12);

    TEST("by_hand: backward agrees with finite differences, a wrong one does not");
    forward(net, &p, label);
    backward(net, &p, grad);
    for (int l = 0; l < LAYERS; l++) CHECK(check(net, &p, label, grad, l) < 1e-8);
    for (int o = 0; o < width[1]; o++) grad[0].b[o] *= 1.01;
    CHECK(check(net, &p, label, grad, 0) > 1e-5);

    TEST("by_hand: the program itself runs");
    CHECK(by_hand_main() == 0);
    gf_optim_free(&sgd);
    gf_net_free(theirs);
    return test_report();
}
