// mnist_deep.c: twenty hidden layers. Does the activation decide whether a deep net trains, and where is the gradient lost?
//
//     cc -O2 examples/mnist_deep.c -o mnist_deep -lm && ./mnist_deep
//
// Model     784-128, twenty times 128-128, 10: 22 affine layers; MNIST scaled to [0, 1]; batch 128, Adam 1e-3, 3 epochs
// Claimed   sigmoid and tanh drop to near zero at once, relu and leaky_relu keep high stable norms, gelu is best
// Look for  at PyTorch's default initialisation NOTHING trains, whatever the activation: fan_in·Var[w] = 1/3, so every
//           layer multiplies δ by √χ < 0.6. The remedy is an initialisation that suits φ: Kaiming's for relu and its
//           relatives, Xavier's for tanh; sigmoid stays dead under both, for its φ' is at most 1/4
// Try next  --activations selu --init lecun · --depths 1,5,10,20 · --escape 20 (how often does gelu get away?)
#include "study.h"
#include "mnist_deep.h"
#include "mnist_deep_more.h"

typedef struct deep {  // what the study keeps beside study.h's files
    const char *depths;
    int escape;
    double input_square;                 // mean x² of the images
    int profile, norms;                  // numbers of its own files
    char verdict[STUDY_MAX_CASES][320];  // of the first seed, before any weight has moved
} deep;

// PyTorch's default, and beside it the remedy: what suits this activation.
static void add_pair(study *st, int a) {
    const gf_act_kind kind = st->s.act[a].kind;
    const int bounded = kind == GF_ACT_SIGMOID || kind == GF_ACT_TANH;
    study_add_case(st, a, st->s.init, st->s.weight_init, st->s.bias_init);
    if (bounded) study_add_case(st, a, "xavier", gf_init_xavier(1), gf_init_zero());
    else study_add_case(st, a, "kaiming", gf_init_kaiming(), gf_init_zero());
}

// The study's own measure: the mean over all parameter tensors, biases too, of their gradients' L2 norms.
static double mean_tensor_norm(gf_net *net) {
    const int count = gf_net_describe(net).tensor_count;
    double sum = 0;
    for (int t = 0; t < count; t++) {
        const gf_tensor *tensor = gf_net_tensor_at(net, t);
        sum += gf_stats_of(tensor->grad, tensor->size).l2;
    }
    return sum / count;
}

// Every case with every seed. The instruments are read each fifth step; the first time no weight has moved yet.
static void train(study *st, deep *d) {
    for (study_run run; study_next(st, &run);) {
        char *verdict = d->verdict[run.of - st->cases];
        study_begin(st, &run, build(st, run.of, DEPTH, run.seed));
        while (study_epoch(st, &run)) {
            while (study_batch(st, &run)) {
                gf_net_forward(run.net, run.batches.x, run.batches.n, GF_TRAIN);
                double loss = gf_loss_cross_entropy(run.net, run.batches.labels);
                gf_net_backward(run.net);
                double norm = gf_net_grad_norm(run.net);
                if (run.batches.batch % 5 == 0 || study_last_batch(&run)) {
                    gf_net_measure(run.net);
                    if (run.number == 0) study_write_profile(st, &run, d->profile);
                    if (run.number == 0 && run.step == 0) gf_net_verdict(run.net, verdict, sizeof d->verdict[0]);
                }
                ex_csv_row(&st->file[d->norms], "%s,%d,%ld,%.9g", run.label, run.epoch, run.step,
                           mean_tensor_norm(run.net));
                gf_optim_step(&run.optim, run.net);
                study_step(st, &run, loss, norm);
            }
        }
        study_end(st, &run);
    }
}

// The closing table, and what the instruments said before training.
static void report(const study *st, const deep *d) {
    static ex_table table;
    char name[64], test[64];
    ex_table_row(&table, "net|test %%|‖∇W_1‖, end|δ_1/δ_%d, start|theory|verdict", LAYERS);
    for (int k = 0; k < st->case_count; k++) {
        const study_case *c = &st->cases[k];
        double theory[LAYERS];
        study_curve dw = study_read(st, c, STUDY_LAYERS, "dw.l2");
        study_curve delta = study_read(st, c, d->profile, "rms_delta");
        predict(c, d->input_square, theory);
        if (dw.n >= LAYERS && delta.n >= LAYERS)
            ex_table_row(&table, "%s|%s|%.1e|%.1e|%.1e|%.*s", study_name(st, c, name),
                         study_final(st, c, "test_acc", test), dw.mean[dw.n - LAYERS],
                         delta.mean[0] / delta.mean[LAYERS - 1], theory[0], (int)strcspn(d->verdict[k], ":"),
                         d->verdict[k]);
        study_curve_free(&dw);
        study_curve_free(&delta);
    }
    ex_table_write(&table, &st->s, "table.md");
    for (int k = 0; k < st->case_count; k++)
        if (d->verdict[k][0] != '\0')
            ex_print_wrapped("%s, untrained: %s", study_name(st, &st->cases[k], name), d->verdict[k]);
}

int main(int argc, char **argv) {
    static study st;
    static deep d;
    const ex_option own[] = {
        {"depths", EX_TEXT, &d.depths, 0, 0, "N,M hidden layers to try for one epoch each, or none"},
        {"escape", EX_INT, &d.escape, 0, 1000, "instead: how many of so many seeds train at default initialisation?"}};
    d.depths = "1,2,3,5,8,12,16,20";
    st.s = ex_settings_default(
        "mnist_deep", "Does the activation decide whether twenty layers train, and where is the gradient lost?");
    st.s.activations = "sigmoid,tanh,relu,leaky_relu,gelu";
    st.s.epochs = 3;
    st.s.batch = 128;
    ex_parse(&st.s, argc, argv, EX_DATA | EX_SET | EX_TRAINING, own, EX_COUNT(own));
    double depth[MAX_DEPTHS];
    int depths = strcmp(d.depths, "none") == 0 ? 0 : ex_parse_numbers("depths", d.depths, 1, 200, MAX_DEPTHS, depth);
    study_mnist(&st);
    d.input_square = study_input_square(&st);
    for (int a = 0; a < st.s.act_count; a++) add_pair(&st, a);
    st.apart = 1;
    if (d.escape > 0) {
        escape(&st, d.escape);
        return study_free(&st);
    }
    study_open(&st, "20 hidden layers of 128", "");
    d.profile = study_profile_file(&st);
    d.norms = study_file(&st, "tensor_norms.csv", "activation,init,seed,epoch,step,mean_tensor_norm");
    train(&st, &d);
    study_close(&st);
    report(&st, &d);
    draw_steps(&st, STUDY_STEPS, "loss", "Training loss", "cross entropy", "loss.png");
    draw_steps(&st, d.norms, "mean_tensor_norm", "Mean gradient norm of all tensors", "mean ‖∇‖", "grad_norm.png");
    draw_profiles(&st, d.profile, d.input_square);
    study_chart_profiles(&st, d.profile, "rms_delta", "RMS δ", "grad_heatmap");
    if (!ex_stop && depths > 0) depth_sweep(&st, depth, depths);
    if (!ex_stop) explosion(&st);
    printf("open %s/grad_by_layer.png first\n", st.s.out);
    return study_free(&st);
}
