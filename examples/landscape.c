// landscape.c: what does the loss look like around a net, and how fast may one go down? Five pictures; curvature is
// measured on the whole of a small set, without noise, by gf_hessian_top and gf_hessian_vector.
//
//     cc -O2 examples/landscape.c -o landscape -lm && ./landscape --quick
//
// Look for  descent.png     the descent lemma at every step: what it promises is kept while η < 2/λ
//           sharpness.png   λ climbs to 2/η and stays there (Cohen et al. 2021); with cross entropy it falls again
//           plateau.png     three nets with small gradients, plateau, saddle, minimum: the eigenvalues tell them apart
//           smoothness.png  what happens along a step, with batch norm and with noise after it (Santurkar et al. 2018)
//           surface.png     slices through twenty layers, each unit's direction as long as its weights (Li et al. 2018)
// Try next  --only sharpness · --only descent --activations relu,telu,elu --lr 0.3 · --seeds 3
#include "landscape_more.h"

// --- descent: L(w - ηg) ≤ L - η‖g‖²(1 - ηλ/2), if λ bounds the curvature on the way ---

static void descend(land *l, ex_csv *csv, ex_table *table, int a, int seed, ex_series *real, ex_series *bound,
                    ex_series *loss) {
    const int steps = l->s.quick ? 15 : 100, N = l->s.quick ? 100 : 200;
    double first = 0, before = 0, promised = 0, least = INFINITY, most = 0, mu = INFINITY, held = 0;
    ex_series ratio = {NULL, 0, 0};
    run r;
    take(&r.data, &l->digits, (size_t)(seed * N), (size_t)N, 0);
    run_open(&r, mlp(r.data.shape, N, l->s.act[a], 2, 40, 10, gf_init_kaiming(), l->s.seed + seed),
             GF_LOSS_CROSS_ENTROPY, l->s.lr, 60);
    for (int t = 0; t <= steps && !ex_stop; t++) {
        const double lambda = run_look(&r), g2 = pow(norm_of(r.curve.gradient, r.curve.n), 2),
                     fall = before - r.curve.loss;
        if (t == 0) first = r.curve.loss;
        if (t > 0) held += fall >= promised - 1e-3 * fabs(promised);
        if (t > 0) ex_push(&ratio, fall / promised);
        if (t > 0) ex_push(real, fall);
        if (t > 0) ex_push(bound, promised);
        ex_push(loss, r.curve.loss);
        ex_csv_row(csv, "%s,%d,%d,%.9g,%.9g,%.9g,%.9g,%.9g", l->s.act_name[a], l->s.seed + seed, t, r.curve.loss, g2,
                   lambda, t > 0 ? fall : 0, promised);
        before = r.curve.loss;
        promised = l->s.lr * g2 * (1 - l->s.lr * lambda / 2);
        least = fmin(least, lambda);
        most = fmax(most, lambda);
        mu = fmin(mu, g2 / (2 * before));
        run_step(&r);
    }
    ex_table_row(table, "%s|%d|%.3f to %.4f|%.2f to %.2f|%.0f %%|%.2f|%.4f|%.0f", l->s.act_name[a], l->s.seed + seed,
                 first, before, least, most, 100 * held / steps, median(&ratio), mu, log(10) / (l->s.lr * mu));
    ex_series_free(&ratio);
    run_close(&r);
}

static void descent(land *l) {
    static ex_series real[EX_MAX_ACTIVATIONS], bound[EX_MAX_ACTIVATIONS], loss[EX_MAX_ACTIVATIONS];
    static ex_table table;
    ex_series unused[3] = {{NULL, 0, 0}, {NULL, 0, 0}, {NULL, 0, 0}};
    ex_csv csv;
    ex_csv_open(&csv, &l->s, "descent.csv", "activation,seed,step,loss,grad_square,lambda,fall,promised");
    ex_table_row(&table,
                 "activation|seed|loss|λ, least to greatest|promise kept|fall/promise, median|μ = least ‖g‖²/2L|"
                 "steps for a tenth, at most");
    for (int a = 0; a < l->s.act_count; a++)
        for (int seed = 0; seed < l->s.seeds && !ex_stop; seed++)
            descend(l, &csv, &table, a, seed, seed ? &unused[0] : &real[a], seed ? &unused[1] : &bound[a],
                    seed ? &unused[2] : &loss[a]);
    ex_csv_close(&csv);
    ex_table_write(&table, &l->s, "descent.md");
    plot_figure *fig = land_figure(1500, 560, 1, 3, "The descent lemma, step by step", l->digits_name);
    plot_axes *ax[3] = {plot_axes_at(fig, 0, 0), plot_axes_at(fig, 0, 1), plot_axes_at(fig, 0, 2)};
    plot_labels(ax[0], "loss", "step", "cross entropy");
    plot_labels(ax[1], "fall of the loss: real, and promised (dashed)", "step", "fall");
    plot_labels(ax[2], "real fall / promised fall", "step", NULL);
    plot_log_y(ax[1]);
    plot_hline(ax[2], 1, NULL, plot_dotted(PLOT_BLACK));
    for (int a = 0; a < l->s.act_count; a++) {
        ex_series ratio = {NULL, 0, 0};
        for (size_t i = 0; i < real[a].n; i++) ex_push(&ratio, real[a].v[i] / bound[a].v[i]);
        draw(ax[0], NULL, &loss[a], l->s.act_name[a], plot_named_style(l->s.act_name[a]));
        draw(ax[2], NULL, &ratio, NULL, plot_named_style(l->s.act_name[a]));
        if (a == 0) draw(ax[1], NULL, &real[a], NULL, plot_named_style(l->s.act_name[a]));
        if (a == 0) draw(ax[1], NULL, &bound[a], NULL, plot_dashed(PLOT_BLACK));
        ex_series_free(&ratio);
    }
    ex_save_chart(fig, l->s.out, "descent.png");
}

// --- sharpness: does full-batch descent of rate η drive λ up to 2/η? ---

static void sharpness(land *l) {
    static const double rates[3] = {0.1, 0.2, 0.4};
    static const char *const acts[3] = {"relu", "gelu", "telu"};
    ex_csv csv;
    ex_csv_open(&csv, &l->s, "sharpness.csv", "activation,loss_kind,rate,seed,step,loss,lambda");
    plot_figure *fig =
        land_figure(1500, 560, 1, 3, "Largest eigenvalue under full-batch descent, and 2/η (dashed)", l->textures_name);
    plot_axes *ax[3] = {plot_axes_at(fig, 0, 0), plot_axes_at(fig, 0, 1), plot_axes_at(fig, 0, 2)};
    plot_labels(ax[0], "tanh, squared error, three rates", "step", "λ");
    plot_labels(ax[1], "η = 0.2, squared error, other activations", "step", NULL);
    plot_labels(ax[2], "tanh, cross entropy, three rates", "step", NULL);
    for (int seed = 0; seed < l->s.seeds && !ex_stop; seed++)
        for (int i = 0; i < 3; i++) {
            char label[32];
            snprintf(label, sizeof label, "η = %g", rates[i]);
            sharpen(l, &csv, ax[0], "tanh", GF_LOSS_MSE, rates[i], seed, plot_solid(i), label);
            sharpen(l, &csv, ax[1], acts[i], GF_LOSS_MSE, rates[1], seed, plot_named_style(acts[i]), acts[i]);
            sharpen(l, &csv, ax[2], "tanh", GF_LOSS_CROSS_ENTROPY, rates[i], seed, plot_solid(i), label);
        }
    ex_csv_close(&csv);
    ex_save_chart(fig, l->s.out, "sharpness.png");
}

// --- plateau, saddle, minimum ---

static void plateau(land *l) {
    static const char *const names[3] = {"plateau: 20 sigmoid layers", "saddle: tanh, still linear",
                                         "minimum: tanh, learnt"};
    enum { ENDS = 12 };
    ex_csv csv;
    ex_csv_open(&csv, &l->s, "plateau.csv", "place,seed,loss,grad_norm,rank,eigenvalue");
    plot_figure *fig =
        land_figure(1500, 560, 1, 3, "Where the gradient is small", "what the ends of the spectrum tell");
    plot_caption(fig, "noisy XOR; below the grey line an eigenvalue is lost in the error of H·v in float");
    for (int p = 0; p < 3; p++)
        for (int seed = 0; seed < l->s.seeds && !ex_stop; seed++) {
            const int steps = p == 0 ? 200 : p == 1 ? 300 : l->s.quick ? 3000 : 20000;
            const gf_act act = gf_act_default(p == 0 ? GF_ACT_SIGMOID : GF_ACT_TANH);
            gf_eigen found[2 * ENDS];
            double up[ENDS], down[ENDS];
            char title[96];
            run r;
            gf_data_xor(&r.data, 300, 0.1, 0, (uint64_t)(l->s.seed + seed));
            gf_net *net =
                mlp(r.data.shape, 300, act, p == 0 ? 20 : 2, 16, 1,
                    p == 0 ? gf_init_with(GF_INIT_DEFAULT, 1) : gf_init_with(GF_INIT_NORMAL, p == 1 ? 0.1 : 0.5),
                    l->s.seed + seed);
            run_open(&r, net, GF_LOSS_BCE, p == 2 ? 0.5 : 0.05, 200);
            for (int t = 0; t < steps && !ex_stop; t++) run_step(&r);
            memset(found, 0, sizeof found);
            gf_hessian_top(&r.curve, ENDS, ENDS, 1e-4, found);
            ex_check(net);
            const double norm = norm_of(r.curve.gradient, r.curve.n);
            for (int k = 0; k < 2 * ENDS; k++)
                ex_csv_row(&csv, "%d,%d,%.9g,%.9g,%d,%.9g", p, l->s.seed + seed, r.curve.loss, norm, k, found[k].value);
            int ups = 0, downs = 0;
            for (int k = 0; k < ENDS; k++) {
                if (found[k].value > 0) up[ups++] = found[k].value;
                if (found[ENDS + k].value < 0) down[downs++] = -found[ENDS + k].value;
            }
            plot_axes *ax = plot_axes_at(fig, 0, p);
            snprintf(title, sizeof title, "%s, ‖g‖ %.0e", names[p], norm);
            if (seed == 0) {
                plot_labels(ax, title, "rank from either end", p == 0 ? "|eigenvalue|" : NULL);
                plot_log_y(ax);
                plot_limits_y(ax, 1e-7, 10);
                plot_hline(ax, 2e-5 * found[0].value, NULL, plot_dashed(PLOT_GREY));
                plot_line(ax, NULL, up, ups, "positive: up", plot_marked(0, PLOT_CIRCLE));
                plot_line(ax, NULL, down, downs, "negative: a way down", plot_marked(1, PLOT_RING));
            }
            run_close(&r);
        }
    ex_csv_close(&csv);
    ex_save_chart(fig, l->s.out, "plateau.png");
}

int main(int argc, char **argv) {
    static land l;
    ex_option own[] = {{"only", EX_TEXT, &l.only, 0, 0,
                        "NAME of one picture: descent, sharpness, plateau, smoothness, surface; or all"}};
    l.only = "all";
    l.s = ex_settings_default("landscape", "What does the loss look like, and how fast may one go down?");
    l.s.activations = "relu,gelu,swish,mish,telu";
    l.s.lr = 0.1;
    ex_parse(&l.s, argc, argv, EX_DATA | EX_SEED | EX_SEEDS | EX_ACTIVATIONS | EX_LR, own, EX_COUNT(own));
    ex_make_folder(l.s.out);
    l.digits_name = ex_load_mnist(&l.s, &l.digits, &l.test);
    gf_data_free(&l.test);
    l.textures_name = ex_load_cifar10(&l.s, &l.textures, &l.test);
    if (wanted(&l, "descent")) descent(&l);
    if (wanted(&l, "sharpness")) sharpness(&l);
    if (wanted(&l, "plateau")) plateau(&l);
    if (wanted(&l, "smoothness")) smoothness(&l);
    if (wanted(&l, "surface")) surface(&l);
    gf_data_free(&l.digits);
    gf_data_free(&l.textures);
    gf_data_free(&l.test);
    return ex_exit_status();
}
