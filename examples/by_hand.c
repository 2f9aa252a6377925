// by_hand.c: backpropagation with nothing but loops: a small net learns noisy XOR, and finite differences prove its gradient.
//
//     cc -O2 examples/by_hand.c -o by_hand -lm && ./by_hand
//
// Model     2-16-16-2, tanh behind all layers but the last, softmax cross entropy; 400 steps of gradient descent, rate 0.5
// Look for  forward and backward are the same loop in two directions; gradflow.h is this, made general and fast
// Try next  another activation: its value stands in forward, its slope in backward; the check must stay near 1e-9
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LAYERS = 3, WIDEST = 16, POINTS = 200 };
static const int width[LAYERS + 1] = {2, 16, 16, 2};

typedef struct layer {  // a layer's parameters, or the gradient of the loss with respect to them
    double w[WIDEST][WIDEST], b[WIDEST];
} layer;

typedef struct pass {                      // what backward needs of forward, for every point
    double h[LAYERS + 1][POINTS][WIDEST];  // h[0] is the input x, h[l+1] what layer l makes of h[l]
    double delta[LAYERS][POINTS][WIDEST];  // δ_l = ∂L/∂z_l
} pass;

// A pseudo-random number in [-1, 1): the high bits of a linear congruential generator.
static double draw(unsigned long long *state) {
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (double)(*state >> 33) / 1073741824.0 - 1;
}

// Class 1 where x1·x2 < 0; then noise on x, so that no net gets every point right.
static void draw_points(pass *p, int *label) {
    unsigned long long state = 1;
    for (int n = 0; n < POINTS; n++) {
        for (int i = 0; i < 2; i++) p->h[0][n][i] = draw(&state);
        label[n] = p->h[0][n][0] * p->h[0][n][1] < 0;
        for (int i = 0; i < 2; i++) p->h[0][n][i] += 0.1 * draw(&state);
    }
}

// Weights uniform in ±√(3/fan_in), of variance 1/fan_in: z is about as large as h. The biases stay 0.
static void draw_weights(layer *net) {
    unsigned long long state = 2;
    for (int l = 0; l < LAYERS; l++)
        for (int o = 0; o < width[l + 1]; o++)
            for (int i = 0; i < width[l]; i++) net[l].w[o][i] = sqrt(3.0 / width[l]) * draw(&state);
}

// z_o = Σ_i w_oi·h_i + b_o, h = tanh z; the last layer's z are the outputs. Returns the loss, the mean of -ln p[label]
// with p = softmax z, and leaves its derivative ∂L/∂z = (p - onehot)/N in the last δ.
static double forward(const layer *net, pass *p, const int *label) {
    double loss = 0;
    for (int n = 0; n < POINTS; n++) {
        for (int l = 0; l < LAYERS; l++)
            for (int o = 0; o < width[l + 1]; o++) {
                double z = net[l].b[o];
                for (int i = 0; i < width[l]; i++) z += net[l].w[o][i] * p->h[l][n][i];
                p->h[l + 1][n][o] = l + 1 < LAYERS ? tanh(z) : z;
            }
        const double *z = p->h[LAYERS][n];
        double sum = exp(z[0]) + exp(z[1]);
        for (int k = 0; k < 2; k++) p->delta[LAYERS - 1][n][k] = (exp(z[k]) / sum - (k == label[n])) / POINTS;
        loss += (log(sum) - z[label[n]]) / POINTS;
    }
    return loss;
}

// From the last layer to the first, with δ known:  ∂L/∂w_oi = Σ_n δ_o·h_i   ∂L/∂b_o = Σ_n δ_o   (over all points n)
// and, for the layer before, by the chain rule     δ'_i = (Σ_o w_oi·δ_o)·tanh'(z'_i), where tanh' = 1 - tanh² = 1 - h_i².
static void backward(const layer *net, pass *p, layer *grad) {
    memset(grad, 0, LAYERS * sizeof *grad);
    for (int l = LAYERS - 1; l >= 0; l--)
        for (int n = 0; n < POINTS; n++) {
            const double *delta = p->delta[l][n], *h = p->h[l][n];
            for (int o = 0; o < width[l + 1]; o++) {
                for (int i = 0; i < width[l]; i++) grad[l].w[o][i] += delta[o] * h[i];
                grad[l].b[o] += delta[o];
            }
            for (int i = 0; l > 0 && i < width[l]; i++) {
                double sum = 0;
                for (int o = 0; o < width[l + 1]; o++) sum += net[l].w[o][i] * delta[o];
                p->delta[l - 1][n][i] = sum * (1 - h[i] * h[i]);
            }
        }
}

// Downhill: w -= rate·∂L/∂w.
static void step(layer *net, const layer *grad, double rate) {
    for (int l = 0; l < LAYERS; l++)
        for (int o = 0; o < width[l + 1]; o++) {
            for (int i = 0; i < width[l]; i++) net[l].w[o][i] -= rate * grad[l].w[o][i];
            net[l].b[o] -= rate * grad[l].b[o];
        }
}

// ‖a - n‖/(‖a‖ + ‖n‖) of one layer: a from backward, n = (L(w + ε) - L(w - ε))/2ε for each of its parameters.
static double check(layer *net, pass *p, const int *label, const layer *grad, int l) {
    double eps = 1e-5, difference = 0, size_a = 0, size_n = 0;
    for (int o = 0; o < width[l + 1]; o++)
        for (int i = 0; i <= width[l]; i++) {  // i == width[l]: the bias
            double *w = i < width[l] ? &net[l].w[o][i] : &net[l].b[o];
            double a = i < width[l] ? grad[l].w[o][i] : grad[l].b[o];
            double old = *w;
            *w = old + eps;
            double above = forward(net, p, label);
            *w = old - eps;
            double n = (above - forward(net, p, label)) / (2 * eps);
            *w = old;
            difference += (a - n) * (a - n);
            size_a += a * a;
            size_n += n * n;
        }
    return sqrt(difference) / (sqrt(size_a) + sqrt(size_n));
}

int main(void) {
    static layer net[LAYERS], grad[LAYERS];
    static pass p;
    int label[POINTS];
    draw_points(&p, label);
    draw_weights(net);
    for (int t = 0; t <= 400; t++) {
        double loss = forward(net, &p, label);
        backward(net, &p, grad);
        if (t % 100 == 0) printf("step %3d  loss %.4f\n", t, loss);
        if (t < 400) step(net, grad, 0.5);
    }
    for (int l = 0; l < LAYERS; l++)
        printf("layer %d  backward against finite differences: %.0e\n", l + 1, check(net, &p, label, grad, l));
    return 0;
}
