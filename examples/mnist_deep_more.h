// mnist_deep_more.h: what mnist_deep.c trains beside the twenty layers: other depths, other seeds, too large a gain.
#ifndef MNIST_DEEP_MORE_H
#define MNIST_DEEP_MORE_H
#include "mnist_deep.h"

enum { MAX_DEPTHS = 16 };

// Train one net without files; returns its test accuracy in %; RMS δ_1 and δ_L before the first step go into delta[2].
static double train_alone(study *st, const study_case *c, int depth, int seed, int epochs, double *delta) {
    gf_net *net = build(st, c, depth, seed);
    gf_optim adam;
    gf_batches batches;
    char label[96];
    snprintf(label, sizeof label, "%s %s, %d hidden", c->act_name, c->init_name, depth);
    gf_optim_init(&adam, net, st->s.optim_config);
    if (gf_batches_init(&batches, &st->data, st->s.batch, (uint64_t)seed, GF_SHUFFLE) != GF_OK)
        ex_die("%s", gf_last_error());
    for (int epoch = 1, step = 0; epoch <= epochs; epoch++)
        for (; !ex_stop && gf_batches_next(&batches) && gf_net_status(net) == GF_OK; step++) {
            gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
            double loss = gf_loss_cross_entropy(net, batches.labels);
            gf_net_backward(net);
            if (step == 0) {
                gf_net_measure(net);
                delta[0] = gf_net_probe(net, 1)->delta.rms;
                delta[1] = gf_net_probe(net, depth + 2)->delta.rms;
            }
            gf_optim_step(&adam, net);
            ex_progress_step(&st->progress, label, epoch, epochs, loss);
        }
    double accuracy = 100 * gf_net_evaluate(net, &st->test, GF_LOSS_CROSS_ENTROPY, NULL).accuracy;
    if (!ex_stop) ex_progress_note(&st->progress, "%-32s seed %2d  test %5.2f %%", label, seed, accuracy);
    gf_batches_free(&batches);
    gf_optim_free(&adam);
    gf_net_free(net);
    return accuracy;
}

// Is the trouble harmless in shallow nets? One epoch at every depth.
static void depth_sweep(study *st, const double *depth, int count) {
    double acc[MAX_DEPTHS], first[MAX_DEPTHS], delta[2];
    ex_csv csv;
    ex_csv_open(&csv, &st->s, "depths.csv", "activation,init,depth,test_acc,rms_delta_first,rms_delta_last");
    ex_progress_start(&st->progress, ex_steps_per_epoch(&st->s, &st->data) * count * st->case_count);
    st->net_name = "1 to 20 hidden layers of 128";
    plot_figure *fig = study_figure_first(st, 1500, 1150, 2, INITS, "How deep is too deep");
    plot_shared_legend(fig);
    plot_share_y(fig, PLOT_SHARE_ROW);
    for (int k = 0; k < st->case_count; k++) {
        const study_case *c = &st->cases[k];
        plot_axes *top = plot_axes_at(fig, 0, k % INITS);
        plot_axes *bottom = plot_axes_at(fig, 1, k % INITS);
        int done = 0;
        for (; done < count; done++) {
            acc[done] = train_alone(st, c, (int)depth[done], st->s.seed, 1, delta);
            if (ex_stop) break;
            first[done] = delta[0];
            ex_csv_row(&csv, "%s,%s,%.0f,%.9g,%.9g,%.9g", c->act_name, c->init_name, depth[done], acc[done], delta[0],
                       delta[1]);
        }
        plot_labels(top, column_title[k % INITS], "hidden layers", "test accuracy after one epoch, in %");
        plot_limits_y(top, 0, 100);
        plot_labels(bottom, NULL, "hidden layers", "RMS δ_{1} at initialisation");
        plot_log_y(bottom);
        if (done > 0) plot_line(top, depth, acc, done, c->act_name, study_marked(st, c));
        if (done > 0) plot_line(bottom, depth, first, done, c->act_name, study_marked(st, c));
    }
    ex_csv_close(&csv);
    ex_save_chart(fig, st->s.out, "depth.png");
}

// How often does each activation get away at default initialisation? A run counts when it ends above 20 %.
static void escape(study *st, int seeds) {
    ex_csv csv;
    double delta[2];
    ex_make_folder(st->s.out);
    ex_csv_open(&csv, &st->s, "escape.csv", "activation,init,seed,test_acc");
    ex_progress_start(&st->progress, ex_steps_per_epoch(&st->s, &st->data) * st->s.epochs * seeds * st->s.act_count);
    for (int k = 0; k < st->case_count; k += INITS) {
        const study_case *c = &st->cases[k];
        int escaped = 0, tried = 0;
        for (int seed = 0; seed < seeds; seed++) {
            double accuracy = train_alone(st, c, DEPTH, seed, st->s.epochs, delta);
            if (ex_stop) break;
            tried++;
            escaped += accuracy > 20;
            ex_csv_row(&csv, "%s,%s,%d,%.9g", c->act_name, c->init_name, seed, accuracy);
        }
        printf("%s: %d of %d nets escaped\n", c->act_name, escaped, tried);
    }
    ex_csv_close(&csv);
}

// ---------------------------------------------------------------------------------------------------------------------
// Explosion, the other half of the story: relu with too large a gain under plain SGD, and two remedies
// ---------------------------------------------------------------------------------------------------------------------

typedef struct burst {
    const char *name;
    double gain, clip;  // times Kaiming's gain; largest gradient norm, 0: any
} burst;

// One epoch of it: the loss of every step as long as it is finite, and RMS δ_l before the first. 1: it stayed finite.
static int explode(const study *st, const burst *b, ex_series *loss, double *delta) {
    study_case relu = st->cases[0];
    relu.act = gf_act_default(GF_ACT_RELU);
    relu.weight = gf_init_with(GF_INIT_KAIMING_NORMAL, b->gain * sqrt(2.0));
    relu.bias = gf_init_zero();
    gf_net *net = build(st, &relu, DEPTH, st->s.seed);
    gf_optim sgd;
    gf_batches batches;
    char verdict[320] = "";
    gf_optim_init(&sgd, net, gf_sgd(0.01));
    if (gf_batches_init(&batches, &st->data, st->s.batch, (uint64_t)st->s.seed, GF_SHUFFLE) != GF_OK)
        ex_die("%s", gf_last_error());
    for (int step = 0; !ex_stop && gf_net_status(net) == GF_OK && gf_batches_next(&batches); step++) {
        gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
        double value = gf_loss_cross_entropy(net, batches.labels);
        if (isfinite(value)) ex_push(loss, value);
        gf_net_backward(net);
        if (step == 0) {
            gf_net_measure(net);
            gf_net_verdict(net, verdict, sizeof verdict);
            for (int l = 1; l <= LAYERS; l++) delta[l - 1] = gf_net_probe(net, l)->delta.rms;
        }
        if (b->clip > 0) gf_net_clip_grad_norm(net, b->clip);
        gf_optim_step(&sgd, net);
    }
    const int finite = gf_net_status(net) == GF_OK;
    ex_print_wrapped("%s, untrained: %s; after %d steps %s", b->name, verdict, (int)loss->n, gf_net_error(net));
    gf_batches_free(&batches);
    gf_optim_free(&sgd);
    gf_net_free(net);
    return finite;
}

static void explosion(study *st) {
    static const burst bursts[] = {{"gain 4√2", 4, 0},
                                   {"gain 2√2", 2, 0},
                                   {"gain 4√2, clipped to norm 1", 4, 1},
                                   {"gain 2√2, clipped to norm 1", 2, 1},
                                   {"gain √2 (Kaiming)", 1, 0}};
    double x[LAYERS], delta[LAYERS];
    char label[96];
    st->net_name = "20 relu layers, SGD 0.01";
    plot_figure *fig = study_figure_first(st, 1500, 650, 1, 2, "Explosion by too large a gain, and its remedies");
    plot_axes *by_layer = plot_axes_at(fig, 0, 0);
    plot_axes *by_step = plot_axes_at(fig, 0, 1);
    plot_labels(by_layer, "what arrives at each layer at initialisation", "layer", "RMS δ_{l}");
    plot_log_y(by_layer);
    plot_labels(by_step, "training loss, as long as it is finite", "step", "cross entropy");
    plot_log_y(by_step);
    for (int l = 0; l < LAYERS; l++) x[l] = l + 1;
    for (int i = 0; i < EX_COUNT(bursts) && !ex_stop; i++) {
        ex_series loss = {0, 0, 0};
        const int finite = explode(st, &bursts[i], &loss, delta);
        snprintf(label, sizeof label, finite ? "%s" : "%s: not finite after step %d", bursts[i].name, (int)loss.n);
        if (bursts[i].clip == 0) plot_line(by_layer, x, delta, LAYERS, bursts[i].name, plot_marked(i, PLOT_CIRCLE));
        if (finite) plot_smooth(by_step, NULL, loss.v, (int)loss.n, 0, label, plot_solid(i));
        else plot_line(by_step, NULL, loss.v, (int)loss.n, label, plot_marked(i, PLOT_CROSS));
        ex_series_free(&loss);
    }
    ex_save_chart(fig, st->s.out, "explosion.png");
}

#endif
