// my_study.c: a study of your own begins here. Copy this file, change the five marked places, compile, run.
//
//     cc -O2 examples/my_study.c -o my_study -lm && ./my_study --quick
//
// Question  does relu's lead over tanh depend on the initialisation?                                            (1)
// Look for  my_study.png: four nets, the same data in the same order. Which gap is the wider one?
// Try next  --seeds 5 (is the gap larger than the band?) · --activations relu,gelu,mish · --optim sgd --lr 0.1
#include "study.h"

// (2) The model. Sample size, batch and seed come from the study; what differs between the nets is in run->of.
static gf_net *build(const study *st, const study_run *run) {
    gf_net *net = gf_net_create(st->data.shape, st->s.batch, (uint64_t)run->seed);
    gf_net_set_init(net, run->of->weight, run->of->bias);
    gf_net_set_probe(net, GF_PROBE_ALL);
    gf_net_set_threads(net, st->s.threads);
    gf_net_dense(net, 64);
    gf_net_act_with(net, run->of->act);
    gf_net_dense(net, st->data.classes);
    study_watch(st, net);
    gf_net_build(net);
    return net;
}

int main(int argc, char **argv) {
    static study st;
    st.s = ex_settings_default("my_study", "Does relu's lead over tanh depend on the initialisation?");
    st.s.activations = "relu,tanh";  // (3) what the command line may change, and its defaults
    st.s.epochs = 5;
    st.s.quick_epochs = 3;
    ex_parse(&st.s, argc, argv, EX_DATA | EX_SET | EX_TRAINING, NULL, 0);
    study_mnist(&st);                           // or study_cifar10(&st)
    for (int a = 0; a < st.s.act_count; a++) {  // (4) the nets to compare; study_cases(&st): one for each activation
        study_add_case(&st, a, "default", gf_init_with(GF_INIT_DEFAULT, 1), gf_init_with(GF_INIT_DEFAULT, 1));
        study_add_case(&st, a, "kaiming", gf_init_kaiming(), gf_init_zero());
    }
    study_open(&st, "784-64-10", "");
    for (study_run run; study_next(&st, &run);) {  // every net with every seed
        study_begin(&st, &run, build(&st, &run));
        while (study_epoch(&st, &run)) {
            while (study_batch(&st, &run)) {
                gf_net_forward(run.net, run.batches.x, run.batches.n, GF_TRAIN);
                double loss = gf_loss_cross_entropy(run.net, run.batches.labels);
                gf_net_backward(run.net);
                double norm = gf_net_grad_norm(run.net);
                if (study_last_batch(&run)) gf_net_measure(run.net);
                gf_optim_step(&run.optim, run.net);
                study_step(&st, &run, loss, norm);
            }
        }
        study_end(&st, &run);
    }
    study_close(&st);
    study_table(&st);
    plot_figure *fig = study_figure(&st, 1500, 600, 1, 2, "My study");  // (5) what to look at
    study_panel_accuracy(plot_axes_at(fig, 0, 0), &st, 0, st.case_count);
    study_panel_norm(plot_axes_at(fig, 0, 1), &st, 0, st.case_count);
    ex_save_chart(fig, st.s.out, "my_study.png");
    return study_free(&st);
}
