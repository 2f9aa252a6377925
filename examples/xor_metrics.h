// xor_metrics.h: the numbers that xor_mlp.c takes at every epoch, and their names in the CSV files.
#ifndef XOR_METRICS_H
#define XOR_METRICS_H

// Accuracy of the logits z[n]. The sweep takes p ≥ 0.5 (z ≥ 0) for class 1, the original edition p > 0.5: that matters
// in a relu net at rest, where a point on which every unit is off gets exactly 0. recall[k]: share of class k found.
static double accuracy(const gf_real *z, const gf_real *target, size_t n, int original, double *recall) {
    size_t right[2] = {0, 0}, count[2] = {0, 0};
    for (size_t i = 0; i < n; i++) {
        int found = original ? z[i] > 0 : z[i] >= 0, wanted = target[i] > 0;
        right[wanted] += found == wanted;
        count[wanted]++;
    }
    for (int k = 0; k < 2; k++) recall[k] = (double)right[k] / (double)count[k];
    return (double)(right[0] + right[1]) / (double)n;
}

// The original edition's rule for dead and saturated units, from the ACTIVATIONS h: relu h = 0, tanh |h| > 0.95, all
// others h < 0.05 or h > 0.95. That is sigmoid's rule: arctan and softsign, whose h lies around 0, break it at rest.
static double code_rate(gf_net *net, gf_act act, int hidden) {
    size_t hits = 0, n = 0;
    for (int l = 0; l < hidden; l++) {  // layer 2l is dense, layer 2l + 1 its activation
        const gf_layer layer = gf_net_layer(net, 2 * l + 1);
        size_t count = (size_t)gf_net_describe(net).batch * (size_t)layer.shape.channels;
        for (size_t i = 0; i < count; i++) {
            double a = (double)layer.output[i];
            if (act.kind == GF_ACT_RELU) hits += a == 0;
            else if (act.kind == GF_ACT_TANH) hits += fabs(a) > 0.95;
            else hits += a < 0.05 || a > 0.95;
        }
        n += count;
    }
    return (double)hits / (double)n;
}

// sweep: losses and accuracies, the signals, norm and RMS of each ∇W. original: loss, accuracy, norms, two rates.
static void name_columns(study *st) {
    const char *const sweep[] = {"train_loss", "train_acc", "test_loss", "test_acc"}, *const original[] = {"loss",
                                                                                                           "accuracy"};
    for (int k = 0; k < (st->original ? 2 : 4); k++) grid_column(&st->g, "%s", st->original ? original[k] : sweep[k]);
    for (int k = 0; k < SIGNALS_COUNT && !st->original; k++) grid_column(&st->g, "%s", signals_names[k]);
    for (int l = 1; l <= st->hidden.count + 1; l++) {
        grid_column(&st->g, "grad_norm_L%d", l);
        if (!st->original) grid_column(&st->g, "grad_rms_L%d", l);
    }
    if (st->original) grid_column(&st->g, "rate_original");
    if (st->original) grid_column(&st->g, "rate_corrected");
}

// The same numbers after a backward pass; results: training loss and accuracy, test loss and accuracy.
static void fill_row(const study *st, gf_net *net, gf_act act, signals *meter, const double results[4], double *row) {
    double v[SIGNALS_COUNT];
    for (int k = 0; k < (st->original ? 2 : 4); k++) *row++ = results[k];
    signals_measure(meter, v);
    for (int k = 0; k < SIGNALS_COUNT && !st->original; k++) *row++ = v[k];
    for (int l = 0; l <= st->hidden.count; l++) {
        const gf_tensor *w = gf_net_tensor_at(net, 2 * l);  // weight, bias, weight, bias, …
        gf_stats g = gf_stats_of(w->grad, w->size);
        *row++ = g.l2;
        if (!st->original) *row++ = g.rms;
    }
    if (st->original) *row++ = code_rate(net, act, st->hidden.count);
    if (st->original) *row++ = v[LIMIT];
}

#endif
