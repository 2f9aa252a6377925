// xor_report.h: the charts of xor_mlp.c, and the tables that hold the study's statements against the measurement.
#ifndef XOR_REPORT_H
#define XOR_REPORT_H

// ---------------------------------------------------------------------------------------------------------------------
// Charts
// ---------------------------------------------------------------------------------------------------------------------

static const char *in_words(const char *column) {
    static const char *const words[][2] = {{"test_acc", "test accuracy"},
                                           {"train_acc", "training accuracy"},
                                           {"accuracy", "training accuracy"},
                                           {"loss", "cross entropy"},
                                           {"z_near0_rate", "share of |z| ≤ 0.1"},
                                           {"z_p90_abs", "90th percentile of |z|"},
                                           {"dphi_p01_abs", "1st percentile of |φ'|"},
                                           {"rate_original", "by the rule of the study's code"},
                                           {"rate_corrected", "by each activation's own limits"},
                                           {"grad_norm_L1", "‖∇W_{1}‖"},
                                           {"grad_norm_L2", "‖∇W_{2}‖"},
                                           {"grad_norm_L3", "‖∇W_{3}‖"}};
    for (int i = 0; i < EX_COUNT(words); i++)
        if (strcmp(column, words[i][0]) == 0) return words[i][1];
    return column;
}

// One line an activation, from the row `first` on.
static void draw_lines(const study *st, plot_axes *ax, int init, int scale, const char *column, int first,
                       int with_relu) {
    int count = st->s.act_count;
    for (int a = 0; a < count; a++) {
        const grid_cell *c = &st->g.cells[(init * st->scale.count + scale) * count + a];
        if (with_relu || st->s.act[a].kind != GF_ACT_RELU) grid_line(ax, &st->g, c, column, first, st->s.act_name[a]);
    }
    if (strncmp(column, "grad", 4) == 0) plot_log_y(ax);
    const double x[2] = {0, st->s.epochs - 1.0}, y[2] = {log(2.0), log(2.0)};
    if (strcmp(column, "loss") == 0) plot_line(ax, x, y, 2, "ln 2: knows nothing", plot_dotted(PLOT_GREY));
}

// A figure of these columns, "a,b", of one initialiser: side by side for one scale; for all scales (scale -1) a row each.
// Panels that are compared have the same axes.
static plot_figure *draw(const study *st, const char *what, int init, int scale, const char *columns) {
    int count = ex_columns(columns), all = scale < 0, scales = all ? st->scale.count : 1;
    int width = all ? 420 * scales + 60 : count > 1 ? 560 * count : 1100, height = all ? 325 * count : 640;
    char title[200], column[32], panel[64], seeds[64];
    const char *name = strcmp(st->init.name[init], "gaussian") == 0 ? "N(0, 0.1²)" : st->init.name[init];
    snprintf(title, sizeof title, "%s: %s weights", what, name);
    if (!all && !st->original) grid_append(title, sizeof title, " × %s", st->scale.name[scale]);
    grid_append(title, sizeof title, ", %s", grid_seeds(&st->g, seeds));
    plot_figure *fig = plot_figure_create(width, height, all ? count : 1, all ? scales : count, title);
    plot_share_y(fig, all ? PLOT_SHARE_ROW : PLOT_SHARE_ALL);
    for (int k = 0; k < count; k++) {
        snprintf(column, sizeof column, "%.*s", (int)strcspn(columns, ","), columns);
        columns += strlen(column) + 1;
        for (int s = 0; s < scales; s++) {
            plot_axes *ax = plot_axes_at(fig, all ? k : 0, all ? s : k);
            snprintf(panel, sizeof panel, all ? "scale %s" : "%s", all ? st->scale.name[s] : in_words(column));
            plot_labels(ax,
                        all         ? (k == 0 ? panel : NULL)
                        : count > 1 ? panel
                                    : NULL,
                        !all || k == count - 1 ? "epoch" : NULL,
                        s == 0 && (all || count == 1) ? in_words(column) : NULL);
            draw_lines(st, ax, init, all ? s : scale, column, 0, 1);
        }
    }
    return fig;
}

// One column for one initialiser and scale; limits[4] of its axes may be NULL.
static void draw_column(const study *st, int init, int scale, const char *column, const double *limits) {
    char what[64], file[96];
    snprintf(what, sizeof what, "%s", in_words(column));
    what[0] = (char)toupper((unsigned char)what[0]);
    plot_figure *fig = draw(st, what, init, scale, column);
    if (limits != NULL) plot_limits_x(plot_axes_at(fig, 0, 0), limits[0], limits[1]);
    if (limits != NULL) plot_limits_y(plot_axes_at(fig, 0, 0), limits[2], limits[3]);
    snprintf(file, sizeof file, "%s%s_s%s", st->original ? "original_" : "", st->init.name[init],
             st->scale.name[scale]);
    if (strchr(file, '.') != NULL) *strchr(file, '.') = 'p';
    grid_append(file, sizeof file, "_%s.png", column);
    ex_save_chart(fig, st->s.out, file);
}

static void draw_sweep(const study *st) {
    const char *const columns[4] = {st->test_size > 0 ? "test_acc" : "train_acc", "z_near0_rate", "z_p90_abs",
                                    "dphi_p01_abs"};
    char file[64], list[128];
    snprintf(list, sizeof list, "%s,%s,%s,%s", columns[0], columns[1], columns[2], columns[3]);
    for (int i = 0; i < st->init.count; i++) {
        for (int k = 0; k < st->scale.count; k++)
            for (int m = 0; m < 4; m++) draw_column(st, i, k, columns[m], NULL);
        snprintf(file, sizeof file, "%s_overview.png", st->init.name[i]);
        ex_save_chart(draw(st, "Noisy XOR", i, -1, list), st->s.out, file);
    }
}

static void draw_original(const study *st) {
    char norms[32 * SIGNALS_MAX_LAYERS] = "grad_norm_L1";
    for (int l = 2; l <= st->hidden.count + 1; l++) grid_append(norms, sizeof norms, ",grad_norm_L%d", l);
    ex_save_chart(draw(st, "Accuracy", 0, 0, "accuracy"), st->s.out, "accuracy_comparison.png");
    ex_save_chart(draw(st, "Training loss", 0, 0, "loss"), st->s.out, "original_loss.png");
    ex_save_chart(draw(st, "Gradient of each layer's weights", 0, 0, norms), st->s.out, "original_grad_norms.png");
    ex_save_chart(draw(st, "Dead or saturated share of the hidden activations", 0, 0, "rate_original,rate_corrected"),
                  st->s.out, "original_rates.png");
    plot_figure *fig = plot_figure_create(1100, 640, 1, 1, "The smooth three, zoomed: weights N(0, 0.1²)");
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_labels(ax, NULL, "epoch", "training accuracy");
    plot_caption(
        fig,
        "the axes fit the curves; those of the study's own picture went from .5 to .7 and from epoch 1200 to 2100");
    draw_lines(st, ax, 0, 0, "accuracy", st->s.epochs > 1300 ? 1200 : 0, 0);
    ex_save_chart(fig, st->s.out, "accuracy_zoomed.png");
}

// ---------------------------------------------------------------------------------------------------------------------
// Claims
// ---------------------------------------------------------------------------------------------------------------------

// The study's test accuracies, mean and standard deviation of its 10 seeds.
static const grid_known theirs[12] = {
    {"relu,xavier,0.5", 0.9067, 0.0260, 10},   {"relu,xavier,1", 0.9080, 0.0276, 10},
    {"relu,xavier,2", 0.9120, 0.0247, 10},     {"tanh,xavier,0.5", 0.7573, 0.1431, 10},
    {"tanh,xavier,1", 0.9093, 0.0278, 10},     {"tanh,xavier,2", 0.9107, 0.0231, 10},
    {"arctan,xavier,0.5", 0.7000, 0.1503, 10}, {"arctan,xavier,1", 0.9107, 0.0304, 10},
    {"arctan,xavier,2", 0.9107, 0.0239, 10},   {"softsign,xavier,0.5", 0.8640, 0.0605, 10},
    {"softsign,xavier,1", 0.9053, 0.0227, 10}, {"softsign,xavier,2", 0.9107, 0.0231, 10}};

// One column's last value for four activations, in the order of the study's statements, as numbers and as text.
typedef struct four {
    int found;  // were all of them run?
    const grid_cell *cell[4];
    double v[4];
    char text[64];
} four;

static four last_of(const study *st, const char *init, double scale, const char *column, int digits) {
    static const char *const order[4] = {"relu", "softsign", "tanh", "arctan"};
    four f = {1, {NULL, NULL, NULL, NULL}, {0, 0, 0, 0}, ""};
    for (int i = 0; i < 4; i++) {
        char label[96];
        snprintf(label, sizeof label, "%s,%s,%g", order[i], init, scale);
        f.cell[i] = grid_find(&st->g, label);
        if (f.cell[i] == NULL) f.found = 0;
        else f.v[i] = grid_last(&st->g, f.cell[i], column);
        grid_append(f.text, sizeof f.text, i > 0 ? " %.*f" : "%.*f", digits, f.v[i]);
    }
    return f;
}

// What the study's table and figures say of scale 0.5, where the activations part, and of scale 2, where most is saturated.
static void check_claims(const study *st) {
    static ex_table t;
    const grid *g = &st->g;
    four half = last_of(st, "xavier", 0.5, "test_acc", 3), one = last_of(st, "xavier", 1, "test_acc", 3);
    four two = last_of(st, "xavier", 2, "test_acc", 3), p01 = last_of(st, "xavier", 2, "dphi_p01_abs", 4);
    four near0 = last_of(st, "xavier", 0.5, "z_near0_rate", 3), p90 = last_of(st, "xavier", 0.5, "z_p90_abs", 3);
    four slope = last_of(st, "xavier", 0.5, "dphi_mean_abs", 2),
         gone = last_of(st, "xavier", 0.5, "dphi_small_rate", 3);
    if (!half.found || !one.found || !two.found) return;
    int first = grid_reaches(g, half.cell[0], "test_acc", 0.85),
        later = grid_reaches(g, half.cell[1], "test_acc", 0.85);
    double apart = 0, low = 1, high = 0;
    for (int e = 0; e < g->rows / 3; e++)
        apart =
            fmax(apart, fabs(grid_mean(g, half.cell[2], "test_acc")[e] - grid_mean(g, half.cell[3], "test_acc")[e]));
    for (int i = 0; i < 4; i++) {
        low = fmin(low, fmin(one.v[i], two.v[i]));
        high = fmax(high, fmax(one.v[i], two.v[i]));
    }
    ex_table_row(&t, "claimed|measured: relu, softsign, tanh, arctan|holds?");
    grid_claim(&t, "scale 0.5: accuracy falls in the order relu, softsign, tanh, arctan",
               half.v[0] > half.v[1] && half.v[1] > half.v[2] && half.v[2] > half.v[3], "%s", half.text);
    grid_claim(&t, "scale 0.5: relu reaches .85 some 2000 epochs before softsign",
               first >= 0 && first < 1000 && (later < 0 || later - first > 1500), "epochs %d and %d", first, later);
    grid_claim(&t, "scale 0.5: tanh and arctan rise alike in the first 1000 epochs", apart < 0.02, "at most %.4f apart",
               apart);
    grid_claim(&t, "scale 0.5: share of abs z ≤ 0.1 stays high for tanh and arctan",
               fmin(near0.v[2], near0.v[3]) > 1.2 * fmax(near0.v[0], near0.v[1]), "%s", near0.text);
    grid_claim(&t, "scale 0.5: 90th percentile of abs z ends highest for relu, then softsign",
               p90.v[0] > p90.v[1] && p90.v[1] > fmax(p90.v[2], p90.v[3]), "%s", p90.text);
    grid_claim(&t, "(often concluded) scale 0.5: who is slow is slow because φ' vanished", slope.v[3] < slope.v[0],
               "mean abs φ' %s, share < %g: %s", slope.text, st->deriv_eps, gone.text);
    grid_claim(&t, "scales 1 and 2: all four end near .91", low > 0.895 && high < 0.925, "%.3f to %.3f", low, high);
    grid_claim(&t, "scale 2: 1st percentile of abs φ': softsign > arctan > tanh",
               p01.v[1] > p01.v[3] && p01.v[3] > p01.v[2], "%s", p01.text);
    grid_claim(&t, "scale 2: tanh's falls below .005", p01.v[2] < 0.005, "%.4f", p01.v[2]);
    grid_claim(&t, "(often concluded) scale 2: the most saturated, tanh, learns worst",
               two.v[2] < fmin(two.v[0], fmin(two.v[1], two.v[3])) - 0.01, "%s", two.text);
    printf("\nWhat the study's table and figures say, after %d epochs\n", g->rows);
    ex_table_write(&t, &st->s, "claims.md");
}

static void check_original_claims(const study *st) {
    static ex_table t;
    four acc = last_of(st, "gaussian", 1, "accuracy", 3), loss = last_of(st, "gaussian", 1, "loss", 3);
    four code = last_of(st, "gaussian", 1, "rate_original", 3), rate = last_of(st, "gaussian", 1, "rate_corrected", 3);
    if (!acc.found) return;
    double way = (log(2.0) - fmin(loss.v[1], fmin(loss.v[2], loss.v[3]))) / (log(2.0) - loss.v[0]);
    ex_table_row(&t, "claimed|measured: relu, softsign, tanh, arctan|holds?");
    grid_claim(&t, "relu far ahead (.917 against .617, .620, .620)",
               acc.v[0] > fmax(acc.v[1], fmax(acc.v[2], acc.v[3])) + 0.15, "%s", acc.text);
    grid_claim(&t, "tanh and arctan end alike", fabs(acc.v[2] - acc.v[3]) < 0.02, "%.3f and %.3f", acc.v[2], acc.v[3]);
    grid_claim(&t, "arctan is slower", loss.v[3] > loss.v[2], "final loss %.4f and %.4f", loss.v[2], loss.v[3]);
    grid_claim(&t, "after 2000 epochs the smooth ones have learnt what they can", way > 0.9,
               "loss %s: %.0f %% of relu's way down from ln 2", loss.text, 100 * way);
    grid_claim(&t, "arctan and softsign are saturated (the code's rule)", rate.v[1] + rate.v[3] > 0.2,
               "code's rule %s, own limits %s", code.text, rate.text);
    printf("\nThe study's statements\n");
    ex_table_write(&t, &st->s, "original_claims.md");
}

#endif
