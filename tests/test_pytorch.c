// test_pytorch.c: every layer, activation, loss, optimiser and three training runs against PyTorch's numbers.
// build: float double nosimd
// Results stand in fixtures/pytorch.csv, made by make_fixtures.py; weights and inputs come from a hash on both sides.
//
// The measure: an element may be off by tolerance·(|itself| + RMS of its tensor), an L2 norm by tolerance·itself, a sum
// by tolerance·√n·L2 (the most that n such errors can add up to). So a small element beside large ones is held to what
// the arithmetic can give, and a wrong factor, row or sign is seen at once.
#include "../gradflow.h"
#include "nets.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };  // slow: the training runs are cut short
#else
enum { SANITIZED = 0 };
#endif
enum { LINE_BYTES = 16384, LINE_FIELDS = 256 };

typedef struct fixture {
    FILE *file;
    char text[LINE_BYTES];
    char *field[LINE_FIELDS];
    int count;
} fixture;

static fixture data;

static double slack = 1;  // more where rounding grows (run_optimiser)
static double tolerance(void) { return sizeof(gf_real) == sizeof(float) ? 1e-5 * slack : 1e-10; }

// The next line, split at its commas; 0 at the end of the file.
static int next_line(void) {
    if (!fgets(data.text, sizeof data.text, data.file)) return 0;
    data.text[strcspn(data.text, "\n")] = '\0';
    data.count = 0;
    for (char *at = data.text; at && data.count < LINE_FIELDS;) {
        data.field[data.count++] = at;
        at = strchr(at, ',');
        if (at) *at++ = '\0';
    }
    return 1;
}

static double number_at(int field) { return field < data.count ? atof(data.field[field]) : NAN; }

// The next line must be called `name`.
static int expect_line(const char *name) {
    if (next_line() && !strcmp(data.field[0], name)) return 1;
    test_fail(__FILE__, __LINE__, "the fixture has no line %s here", name);
    return 0;
}

// Compare x[0..n) with the current line: name,n,sum,l2,samples.
static void compare_tensor(const char *name, const gf_real *x, size_t n) {
    double sum = 0, square = 0, expected_sum = number_at(2), l2 = number_at(3), rms = l2 / sqrt((double)n);
    int samples = data.count - 4;
    if (!x || n != (size_t)number_at(1) || samples < 1) {
        test_fail(__FILE__, __LINE__, "%s has %d elements, expected %g", name, x ? (int)n : 0, number_at(1));
        return;
    }
    for (size_t i = 0; i < n; i++) sum += (double)x[i], square += (double)x[i] * (double)x[i];
    if (!(fabs(sqrt(square) - l2) <= tolerance() * (l2 > 0 ? l2 : 1)))
        test_fail(__FILE__, __LINE__, "L2 of %s is %.17g, expected %.17g", name, sqrt(square), l2);
    if (!(fabs(sum - expected_sum) <= tolerance() * sqrt((double)n) * (l2 > 0 ? l2 : 1)))
        test_fail(__FILE__, __LINE__, "sum of %s is %.17g, expected %.17g", name, sum, expected_sum);
    for (int k = 0; k < samples; k++) {
        size_t at = (size_t)k * n / (size_t)samples;
        double expected = number_at(4 + k), scale = l2 > 0 ? fabs(expected) + rms : 1;
        if (!(fabs((double)x[at] - expected) <= tolerance() * scale))
            test_fail(__FILE__, __LINE__, "%s[%d] is %.17g, expected %.17g", name, (int)at, (double)x[at], expected);
    }
}

// Compare all tensors' gradients, or values, with the lines that follow.
static void compare_params(gf_net *net, int gradients) {
    for (int t = 0; t < gf_net_describe(net).tensor_count; t++) {
        gf_tensor *tensor = gf_net_tensor_at(net, t);
        const char *dot = strrchr(tensor->name, '.');
        if (!tensor->grad) continue; // a running statistic
        if (!expect_line(dot ? dot + 1 : tensor->name)) return;
        compare_tensor(tensor->name, gradients ? tensor->grad : tensor->value, tensor->size);
    }
}

static gf_loss_kind loss_named(const char *name) {
    return !strcmp(name, "ce") ? GF_LOSS_CROSS_ENTROPY : !strcmp(name, "bce") ? GF_LOSS_BCE : GF_LOSS_MSE;
}

// PyTorch's cross entropy with label_smoothing, huber_loss with delta and l1_loss, by their formulas.
typedef struct own_loss {
    const net_targets *targets;
    double smoothing, delta;
} own_loss;

// t_k = (1 - s)·[k = label] + s/K;  L = mean_b(-Σ t_k·ln p_k), p = softmax(y), ∂L/∂y = (p - t)/B
static double smoothed_cross_entropy(const gf_real *y, gf_real *dy, int B, int K, void *user) {
    const own_loss *own = (const own_loss *)user;
    double loss = 0;
    for (int b = 0; b < B; b++, y += K, dy += K) {
        double sum = 0;
        for (int k = 0; k < K; k++) sum += exp((double)y[k]);
        for (int k = 0; k < K; k++) {
            const double t = own->smoothing / K + (k == own->targets->labels[b] ? 1 - own->smoothing : 0);
            loss -= t * ((double)y[k] - log(sum)) / B;
            dy[k] = (gf_real)((exp((double)y[k]) / sum - t) / B);
        }
    }
    return loss;
}

// With d = y - t: mean(d²/2 if |d| ≤ δ, else δ·(|d| - δ/2)). δ = 0 stands for mean |d|.
static double huber(const gf_real *y, gf_real *dy, int B, int K, void *user) {
    const own_loss *own = (const own_loss *)user;
    const double delta = own->delta;
    double loss = 0;
    for (int i = 0; i < B * K; i++) {
        const double d = (double)y[i] - (double)own->targets->mse[i], slope = d > 0 ? 1 : -1;
        const double side = delta > 0 ? delta : 1;
        loss += fabs(d) <= delta ? d * d / 2 : side * (fabs(d) - delta / 2);
        dy[i] = (gf_real)((fabs(d) <= delta ? d : side * slope) / (B * K));
    }
    return loss / (B * K);
}

static gf_custom_loss own_loss_named(const char *name, own_loss *own) {
    const gf_custom_loss loss = {strcmp(name, "smoothing") ? huber : smoothed_cross_entropy, own};
    own->smoothing = 0.125;
    own->delta = strcmp(name, "huber") ? 0 : 0.5;
    return loss;
}

static int is_own_loss(const char *name) {
    return !strcmp(name, "smoothing") || !strcmp(name, "huber") || !strcmp(name, "mae");
}

static void fill_inputs(gf_real *x, size_t n, uint64_t tensor, double scale, int width) {
    for (size_t i = 0; i < n; i++) x[i] = (gf_real)(hash_value(tensor, i, width) * scale);
}

// case,name,number,words,loss,inputs,batch,mode,warm,scale,xscale,width
static void run_case(void) {
    static net_targets targets;
    static gf_real x[4096];
    char title[160];
    uint64_t number = (uint64_t)number_at(2);
    gf_loss_kind loss_kind = loss_named(data.field[4]);
    int inputs = (int)number_at(5), batch = (int)number_at(6), warm = (int)number_at(8), width = (int)number_at(11);
    gf_mode mode = strcmp(data.field[7], "eval") ? GF_TRAIN : GF_EVAL;
    double xscale = number_at(10);
    size_t n = (size_t)(inputs * batch);
    snprintf(title, sizeof title, "pytorch %s", data.field[1]);
    TEST(title);
    gf_net *net = net_from_words(data.field[3], inputs, batch + 3, 42);
    net_hash_params(net, number, number_at(9));
    for (int k = 0; k < warm; k++) {
        fill_inputs(x, n, number + 901 + (uint64_t)k, xscale, width);
        gf_net_forward(net, x, batch, GF_TRAIN);
    }
    fill_inputs(x, n, number + 900, xscale, width);
    net_hash_targets(net, &targets, batch, number + 950);
    const gf_real *output = gf_net_forward(net, x, batch, mode);
    own_loss own = {&targets, 0, 0};
    const gf_custom_loss custom = own_loss_named(data.field[4], &own);
    double loss = is_own_loss(data.field[4]) ? gf_loss_custom(net, &custom) : net_loss(net, &targets, loss_kind);
    CHECK(gf_net_backward(net) == GF_OK);
    if (expect_line("loss")) CHECK_RELATIVE(loss, number_at(1), tolerance());
    if (expect_line("output")) compare_tensor("output", output, (size_t)(batch * net_outputs(net)));
    if (expect_line("input_gradient")) compare_tensor("input_gradient", gf_net_describe(net).input_grad, n);
    compare_params(net, 1);
    gf_net_free(net);
}

static gf_optim_config optimiser_named(const char *name, double lr) {
    if (!strcmp(name, "adam")) return gf_adam(lr);
    if (!strcmp(name, "adamw")) return gf_adamw(lr);
    if (!strcmp(name, "rmsprop")) return gf_rmsprop(lr);
    CHECK(!strcmp(name, "sgd"));
    return gf_sgd(lr);
}

static double scheduled_lr(const char *schedule, double lr, int step, int steps) {
    if (!strcmp(schedule, "step")) return gf_lr_step(lr, step, 6, 0.5);
    return strcmp(schedule, "cosine") ? lr : gf_lr_cosine(lr, 0.001, step, steps);
}

// Element i may be off by the tolerance, from `loose` on by 5e-3, of itself.
static void compare_series(const char *name, const double *found, int n, int loose) {
    if (!expect_line(name)) return;
    CHECK(data.count > n);
    for (int i = 0; i < n; i++)
        if (!(fabs(found[i] - number_at(i + 1)) <= (i < loose ? tolerance() : 5e-3) * number_at(i + 1)))
            test_fail(__FILE__, __LINE__, "%s[%d] is %.17g, expected %.17g", name, i, found[i], number_at(i + 1));
}

// optimiser,name,number,kind,lr,weight_decay,momentum,nesterov,clip,schedule[,frozen layer,samples in a part]
// RMSprop begins with steps of 10·lr = 0.1 a weight, overshoots, and makes rounding grow: in double, with each weight
// shaken at each step by up to half a unit of float's last place, norms stray by up to 1.2e-5 (40 runs), 100 times as far
// as under the other optimisers, whichever kernels run.
static void run_optimiser(void) {
    enum { STEPS = 20, BATCH = 16, INPUTS = 6 };
    static net_targets targets;
    gf_real x[BATCH * INPUTS];
    double losses[STEPS], norms[STEPS], lr = number_at(4), clip = number_at(8);
    uint64_t number = (uint64_t)number_at(2);
    char title[160], schedule[16], frozen[16];
    const int part = data.count > 11 ? (int)number_at(11) : BATCH;
    gf_optim_config config;
    gf_optim optim;
    snprintf(title, sizeof title, "pytorch optimiser %s", data.field[1]);
    snprintf(schedule, sizeof schedule, "%s", data.field[9]);
    snprintf(frozen, sizeof frozen, "%s", data.count > 10 ? data.field[10] : "");
    TEST(title);
    slack = strcmp(data.field[1], "rmsprop") ? 1 : 5;
    config = optimiser_named(data.field[3], lr);
    config.weight_decay = number_at(5);
    config.momentum = number_at(6);
    config.nesterov = (int)number_at(7);
    gf_net *net = gf_net_create(gf_vector(INPUTS), BATCH, 42);
    net_add_words(net, "dense:8 tanh dense:4");
    gf_net_set_accumulate(net, part < BATCH);
    gf_net_build(net);
    if (frozen[0]) CHECK(gf_net_freeze(net, frozen, 1) == GF_OK);
    net_hash_params(net, number, 1);
    fill_inputs(x, BATCH * INPUTS, number + 900, 1, 16);
    net_hash_targets(net, &targets, BATCH, number + 950);
    CHECK(gf_optim_init(&optim, net, config) == GF_OK);
    for (int step = 0; step < STEPS; step++) {
        losses[step] = 0;
        for (int at = 0; at < BATCH; at += part) {
            const int n = at + part < BATCH ? part : BATCH - at;
            gf_net_forward(net, x + at * INPUTS, n, GF_TRAIN);
            losses[step] += gf_loss_cross_entropy(net, targets.labels + at) * n / BATCH;
            gf_net_backward(net);
        }
        norms[step] = clip > 0 ? gf_net_clip_grad_norm(net, clip) : gf_net_grad_norm(net);
        optim.config.lr = scheduled_lr(schedule, lr, step, STEPS);
        CHECK(gf_optim_step(&optim, net) == GF_OK);
    }
    CHECK(optim.step == STEPS);
    compare_series("losses", losses, STEPS, STEPS);
    compare_series("norms", norms, STEPS, STEPS);
    compare_params(net, 0);
    slack = 1;
    gf_optim_free(&optim);
    gf_net_free(net);
}

// The inputs of make_fixtures.py's digits(): a prototype per class, faint under noise.
static void training_batch(gf_real *x, int *labels, int step) {
    static double prototypes[10 * 784];
    if (step == 0)
        for (size_t i = 0; i < 10 * 784; i++) prototypes[i] = hash_value(3000000, i, 16) / 8;
    hash_labels(labels, 64, 2000000 + (uint64_t)step, 10);
    for (size_t b = 0; b < 64; b++)
        for (size_t i = 0; i < 784; i++)
            x[b * 784 + i] = (gf_real)(hash_value(1000000 + (uint64_t)step, b * 784 + i, 16) +
                                       prototypes[(size_t)labels[b] * 784 + i]);
}

// train,activation,steps: the practical's net under Adam. In float, relu's run follows the double one to 1e-6 only until
// one of five million z lies so near 0 that rounding puts it on the other side: a jump (here between steps 90 and 160).
static void run_training(void) {
    static gf_real x[64 * 784];
    double losses[LINE_FIELDS], norms[LINE_FIELDS];
    int labels[64], steps = SANITIZED ? 20 : (int)number_at(2);
    char title[160], words[96];
    int loose = sizeof(gf_real) == 4 && !strcmp(data.field[1], "relu") ? 50 : steps;
    gf_optim adam;
    snprintf(title, sizeof title, "pytorch %d steps of 784-256-128-10 %s", steps, data.field[1]);
    snprintf(words, sizeof words, "dense:256 %s dense:128 %s dense:10", data.field[1], data.field[1]);
    TEST(title);
    gf_net *net = gf_net_create(gf_image(1, 28, 28), 64, 42);
    net_add_words(net, words);
    gf_net_build(net);
    net_hash_params(net, 4000000, 1);
    gf_optim_init(&adam, net, gf_adam(1e-3));
    for (int step = 0; step < steps; step++) {
        training_batch(x, labels, step);
        gf_net_forward(net, x, 64, GF_TRAIN);
        losses[step] = gf_loss_cross_entropy(net, labels);
        gf_net_backward(net);
        norms[step] = gf_net_grad_norm(net);
        gf_optim_step(&adam, net);
    }
    CHECK(gf_net_status(net) == GF_OK);
    compare_series("losses", losses, steps, loose);
    compare_series("norms", norms, steps, loose);
    gf_optim_free(&adam);
    gf_net_free(net);
}

int main(void) {
    int cases = 0;
    TEST("pytorch fixture");
    data.file = fixture_open("pytorch.csv");
    while (data.file && next_line()) {
        cases++;
        if (!strcmp(data.field[0], "case")) run_case();
        else if (!strcmp(data.field[0], "optimiser")) run_optimiser();
        else if (!strcmp(data.field[0], "train")) run_training();
        else test_fail(__FILE__, __LINE__, "a line of the fixture begins with \"%s\"", data.field[0]);
    }
    TEST("pytorch fixture read to its end");
    CHECK(cases > 90);
    if (data.file) fclose(data.file);
    return test_report();
}
