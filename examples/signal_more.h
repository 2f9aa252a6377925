// signal_more.h: two more experiments of signal_propagation.c: how often is a relu net born dead, and where in the plane of
// σw² and σb² does a deep net learn?
#ifndef SIGNAL_MORE_H
#define SIGNAL_MORE_H

// Count, after every layer, the relu nets without biases that are zero at all the samples, and at the first of them.
static void count_dead(const study *st, int width, int inputs, int samples, double *dead, double *dead_first) {
    gf_real x[1024];
    for (int t = 0; t < st->trials && !ex_stop; t++) {
        gf_net *net = random_net(gf_vector(inputs), samples, gf_act_default(GF_ACT_RELU), width, st->depth, 1,
                                 gf_init_kaiming(), gf_init_zero(), t);
        gf_net_build(net);
        for (int i = 0; i < samples * inputs;
             i++)  // on the line x = 1 and x = -1 tell all, for φ(az) = aφ(z) where a > 0
            x[i] = (gf_real)(inputs == 1 ? 1 - 2 * i : gf_random_normal((uint64_t)t, GF_STREAM_USER, (uint64_t)i));
        gf_net_forward(net, x, samples, GF_EVAL);
        ex_check(net);
        for (int l = 0; l < st->depth; l++) {
            const gf_real *h = gf_net_layer(net, 2 * l + 1).output;  // [samples, width]
            dead[l] += (gf_stats_of(h, (size_t)(samples * width)).max_abs == 0) / (double)st->trials;
            dead_first[l] += (gf_stats_of(h, (size_t)width).max_abs == 0) / (double)st->trials;
        }
        gf_net_free(net);
    }
}

// At one input every living layer switches off with probability 2^-N: exactly p = 1 - Π(1 - 2^-N_l) in all, which bounds
// the probability for any set of inputs from above (Lu, Shin, Su, Karniadakis 2019). For a whole line layer 1 is never
// off, but on one side only with 2^(1-N); behind it each side dies with v = 1 - Π_{l>1}(1 - 2^-N_l), and both with at
// least v², as h ≥ 0 makes z at x = 1 and at x = -1 correlate positively, and at most v.
static void born_dead(study *st) {
    static const int widths[] = {2, 3, 4, 6};
    static ex_csv csv;
    ex_csv_open(&csv, &st->s, "dead.csv", "width,depth,one_input,formula,line,line_low,line_high,fifty_inputs");
    plot_figure *fig = begin_dead(st);
    for (int w = 0; w < EX_COUNT(widths) && !ex_stop; w++) {
        dead_shares d;
        double ignored[MAX_DEPTH] = {0}, off = pow(2, -widths[w]);
        memset(&d, 0, sizeof d);
        count_dead(st, widths[w], 1, 2, d.line, d.one);
        count_dead(st, widths[w], 10, 50, d.fifty, ignored);
        for (int l = 0; l < st->depth; l++) {
            double v = 1 - pow(1 - off, l);
            d.formula[l] = 1 - pow(1 - off, l + 1);
            d.low[l] = 2 * off * v + (1 - 2 * off) * v * v;
            d.high[l] = v;
            ex_csv_row(&csv, "%d,%d,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g", widths[w], l + 1, d.one[l], d.formula[l], d.line[l],
                       d.low[l], d.high[l], d.fifty[l]);
        }
        draw_dead(fig, &d, widths[w], w, st->depth);
    }
    ex_csv_close(&csv);
    ex_save_chart(fig, st->s.out, "dead.png");
}

static spot spots[MAX_SPOTS];  // of the phase diagram, in the order of the grid's cells

// χ, and the test accuracy of this spot's net after so many steps of plain SGD: chance where it stops being finite.
static double train_spot(void *context, const grid_cell *c, int seed, double *row, double *once) {
    const study *st = (const study *)context;
    const spot *at = &spots[c->at[0]];
    double loss = NAN;
    gf_net *net = random_net(gf_image(1, 28, 28), st->s.batch, st->phase, st->width, at->depth, 10,
                             weights_of(at->weight), biases_of(at->bias), seed);
    gf_optim sgd;
    gf_batches batches;
    gf_net_build(net);
    gf_optim_init(&sgd, net, gf_sgd(st->s.lr));
    ex_check(net);
    if (gf_batches_init(&batches, &st->data, st->s.batch, (uint64_t)seed, GF_SHUFFLE) != GF_OK)
        ex_die("%s", gf_last_error());
    for (int step = 0; step < st->steps && !ex_stop && gf_net_status(net) == GF_OK; step++) {
        if (!gf_batches_next(&batches)) gf_batches_next(&batches);  // an epoch is over: on with the next one
        gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
        loss = gf_loss_cross_entropy(net, batches.labels);
        gf_net_backward(net);
        gf_optim_step(&sgd, net);
    }
    int failed = gf_net_status(net) != GF_OK;
    row[0] = gf_theory_fixed_point(st->phase, at->weight, at->bias).chi;
    row[1] = failed ? 10 : 100 * gf_net_evaluate(net, &st->test, GF_LOSS_CROSS_ENTROPY, NULL).accuracy;
    (void)once;
    gf_batches_free(&batches);
    gf_optim_free(&sgd);
    gf_net_free(net);
    return loss;
}

// Two cuts through (σw², σb², depth): one σb², and one depth.
static void phases(study *st) {
    static grid g;
    const int quick = st->s.quick, columns = quick ? 5 : 12, depths = quick ? 2 : 8, biases = quick ? 2 : 5;
    const range r = {0.5, 4, 0.3};
    st->one_seed = st->s;
    st->one_seed.seeds = 1;
    grid_begin(&g, &st->one_seed, "activation,weight_variance,bias_variance,depth", 1);
    grid_column(&g, "chi");
    grid_column(&g, "test_acc");
    for (int i = 0; i < (depths + biases) * columns; i++) {
        int row = i / columns, deep = row < depths;
        spot *s = &spots[i];
        s->weight = r.w0 + (r.w1 - r.w0) * (i % columns + 0.5) / columns;
        s->bias = deep ? st->bias_variance : r.b1 * (row - depths + 0.5) / biases;
        s->depth = deep ? (quick ? 16 : 8) * (row + 1) : 48;
        grid_cell_add(&g, "%s,%.6g,%.6g,%d", st->phase_name, s->weight, s->bias, s->depth)->at[0] = i;
    }
    grid_run(&g, "trainability.csv", train_spot, st);
    for (int i = 0; i < g.count; i++)
        spots[i].accuracy = g.cells[i].mean != NULL ? grid_last(&g, &g.cells[i], "test_acc") : NAN;
    draw_phases(st, spots, depths, biases, columns, r);
    grid_free(&g);
}

#endif
