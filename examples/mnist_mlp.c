// mnist_mlp.c: the classroom practical. Which activation trains a small MLP best, and what does the gradient do meanwhile?
//
//     cc -O2 examples/mnist_mlp.c -o mnist_mlp -lm && ./mnist_mlp
//
// Model     784-256-128-10, the same initial weights for sigmoid, tanh and relu; MNIST scaled to [-1, 1]
// Training  Adam 1e-3, batches of 64, softmax cross entropy, 10 epochs; ‖∇‖ over all parameters after every backward
// Claimed   relu is fastest and best, sigmoid slow and worst, the gradients of sigmoid and tanh are smaller
// Look for  sigmoid starts slowest and has half of relu's gradient throughout, and still ends level with it: with two
//           hidden layers Adam, which divides every gradient by its own size, makes up for a factor of two
// Try next  --optim sgd --lr 0.1 (nothing divides now) · --activations gelu,swish,selu · --init kaiming · --seeds 3
#include "study.h"

static gf_net *build(const study *st, const study_run *run) {
    gf_net *net = gf_net_create(gf_image(1, 28, 28), st->s.batch, (uint64_t)run->seed);
    gf_net_set_init(net, run->of->weight, run->of->bias);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_set_threads(net, st->s.threads);
    gf_net_dense(net, 256);
    gf_net_act_with(net, run->of->act);
    gf_net_dense(net, 128);
    gf_net_act_with(net, run->of->act);
    gf_net_dense(net, 10);
    study_watch(st, net);
    gf_net_build(net);
    return net;
}

// Train every activation with every seed.
static void train(study *st) {
    for (study_run run; study_next(st, &run);) {
        study_begin(st, &run, build(st, &run));
        while (study_epoch(st, &run)) {
            while (study_batch(st, &run)) {
                gf_net_forward(run.net, run.batches.x, run.batches.n, GF_TRAIN);
                double loss = gf_loss_cross_entropy(run.net, run.batches.labels);
                gf_net_backward(run.net);
                double norm = gf_net_grad_norm(run.net);
                if (study_last_batch(&run)) gf_net_measure(run.net);
                gf_optim_step(&run.optim, run.net);
                study_step(st, &run, loss, norm);
            }
        }
        study_end(st, &run);
    }
}

// The study's figure of three panels, and each panel alone.
static void draw(const study *st) {
    static const char *const file[] = {"practical.png", "loss.png", "accuracy.png", "grad_norm.png"};
    for (int only = 0; only < 4; only++) {
        plot_figure *fig = study_figure(st, only ? 1000 : 1800, 600, 1, only ? 1 : 3, "The practical");
        int panel = 0;
        if (only == 0 || only == 1) study_panel_step_loss(plot_axes_at(fig, 0, panel++), st, 0, st->case_count);
        if (only == 0 || only == 2) study_panel_accuracy(plot_axes_at(fig, 0, panel++), st, 0, st->case_count);
        if (only == 0 || only == 3) study_panel_norm(plot_axes_at(fig, 0, panel++), st, 0, st->case_count);
        ex_save_chart(fig, st->s.out, file[only]);
    }
}

// The case with the best test accuracy; NULL before the first epoch is over.
static const study_case *best_case(const study *st) {
    const study_case *best = NULL;
    double most = -1;
    for (const study_case *c = st->cases; c < st->cases + st->case_count; c++) {
        double accuracy = study_last(st, c, STUDY_EPOCHS, "test_acc");
        if (!(accuracy > most)) continue;
        most = accuracy;
        best = c;
    }
    return best;
}

// The study's table: what it led the class to expect, and what was observed.
static void report(const study *st) {
    static const study_claim claims[] = {{"relu", "97–98"}, {"tanh", "94–95"}, {"sigmoid", "90–92"}};
    static ex_table table;
    const double percent[] = {90, 95};
    char cells[300], train[64], test[64], norm[64], reached[64];
    study_table_head(&table, st, "train %|test %|‖∇‖|epochs to 90 / 95 %");
    for (const study_case *c = st->cases; c < st->cases + st->case_count; c++) {
        snprintf(cells, sizeof cells, "%s|%s|%s|%s", study_change(st, c, "train_acc", "%.1f", train),
                 study_final(st, c, "test_acc", test), study_change(st, c, "grad_norm", "%.2f", norm),
                 study_reached(st, c, percent, 2, reached));
        study_table_row(&table, st, c, claims, EX_COUNT(claims), cells);
    }
    study_table_end(&table, st, "training accuracy in %");
}

int main(int argc, char **argv) {
    static study st;
    const double half = 0.5;
    st.s = ex_settings_default("mnist_mlp",
                               "Which activation trains a small MLP best, and what does the gradient do meanwhile?");
    st.s.activations = "sigmoid,tanh,relu";
    st.s.epochs = 10;
    st.s.quick_epochs = 2;
    ex_parse(&st.s, argc, argv, EX_DATA | EX_SET | EX_TRAINING | EX_WEIGHT_DECAY, NULL, 0);
    study_mnist(&st);
    study_normalize(&st, &half, &half, 1);
    study_cases(&st);
    study_open(&st, "784-256-128-10", "");
    train(&st);
    study_close(&st);
    report(&st);
    draw(&st);
    const study_case *best = best_case(&st);
    if (best != NULL) study_chart_confusion(&st, best, "confusion.png");
    if (best != NULL) study_print_recall(&st, best);
    printf("open %s/practical.png first\n", st.s.out);
    return study_free(&st);
}
