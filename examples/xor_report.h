// xor_report.h: what xor_mlp.c makes of its runs: summary.csv, final.csv, charts, and tables that hold the study's
// statements against the measurement.
#ifndef XOR_REPORT_H
#define XOR_REPORT_H
#include "xor_metrics.h"

enum { XOR_MAX_LIST = 16 };

typedef struct cell {  // the runs that differ only in their seed
    int init, act;
    double scale;
    double *mean, *std;  // [epochs, columns] over the seeds
    double recall[2], seconds;
} cell;

typedef struct study {
    int original, n, relabel;
    const char *kind, *inits, *scales, *arch, *metric, *replay;
    double noise, test_size, deriv_eps, linear_eps, limits[4];  // limits of --metric's chart: x, x, y, y
    int width[XOR_MAX_LAYERS], layers;                          // outputs of each affine layer; the last is 1
    double scale[XOR_MAX_LIST];
    char init[XOR_MAX_LIST][24];
    int scale_count, init_count;
    int columns, metric_of[METRICS];  // column → metric
    char column[METRICS][24];
    cell *cells;                      // [init, scale, activation]
    int cell_count;
    ex_csv runs_csv;
    ex_progress progress;
} study;

// The column of a metric; -1 if this edition has none.
static inline int xor_column(const study *st, int metric) {
    for (int c = 0; c < st->columns; c++)
        if (st->metric_of[c] == metric) return c;
    return -1;
}

// What the tables call accuracy: on the test points, where there are any.
static inline int xor_accuracy_metric(const study *st) {
    return st->original || st->test_size == 0 ? TRAIN_ACC : TEST_ACC;
}

// Mean over the seeds of one metric, epoch by epoch into out[epochs]; std may be NULL.
static inline void xor_curve(const study *st, const ex_settings *s, const cell *c, int column, double *out,
                             double *std) {
    for (int e = 0; e < s->epochs; e++) {
        out[e] = c->mean[e * st->columns + column];
        if (std != NULL) std[e] = c->std[e * st->columns + column];
    }
}

static inline double xor_last(const study *st, const ex_settings *s, const cell *c, int metric) {
    return c->mean[(s->epochs - 1) * st->columns + xor_column(st, metric)];
}

// The epoch, from 0, at which the mean over the seeds first reaches this value; -1 if never.
static inline int xor_reach(const study *st, const ex_settings *s, const cell *c, int metric, double value) {
    int column = xor_column(st, metric);
    for (int e = 0; e < s->epochs; e++)
        if (c->mean[e * st->columns + column] >= value) return e;
    return -1;
}

static inline cell *xor_cell(const study *st, const ex_settings *s, int init, int scale, int act) {
    cell *c = &st->cells[(init * st->scale_count + scale) * s->act_count + act];
    return c->mean != NULL ? c : NULL;
}

// By name; NULL if it was not run.
static inline const cell *xor_find(const study *st, const ex_settings *s, const char *init, double scale,
                                   const char *act) {
    for (int i = 0; i < st->cell_count; i++) {
        const cell *c = &st->cells[i];
        if (c->mean != NULL && c->scale == scale && strcmp(st->init[c->init], init) == 0 &&
            strcmp(s->act_name[c->act], act) == 0)
            return c;
    }
    return NULL;
}

// ---------------------------------------------------------------------------------------------------------------------
// CSV files
// ---------------------------------------------------------------------------------------------------------------------

// summary.csv: every epoch of every cell. final.csv: the last epoch, and what belongs to the final model.
static inline void xor_write_summaries(const study *st, const ex_settings *s) {
    static ex_csv summary, final;
    char header[4096] = "activation,init,scale,seeds,epoch", name[64];
    for (int k = 0; k < st->columns; k++) {
        size_t used = strlen(header);
        snprintf(header + used, sizeof header - used, ",%s_mean,%s_std", st->column[k], st->column[k]);
    }
    snprintf(name, sizeof name, "%ssummary.csv", st->original ? "original_" : "");
    ex_csv_open(&summary, s, name, header);
    snprintf(name, sizeof name, "%sfinal.csv", st->original ? "original_" : "");
    snprintf(header + strlen(header), sizeof header - strlen(header),
             ",epoch_of_85,epoch_of_90,recall_0,recall_1,seconds_per_epoch");
    ex_csv_open(&final, s, name, header);
    for (int i = 0; i < st->cell_count; i++) {
        const cell *c = &st->cells[i];
        for (int e = 0; c->mean != NULL && e < s->epochs; e++) {
            ex_csv *files[2] = {&summary, &final};
            for (int f = 0; f < (e == s->epochs - 1 ? 2 : 1); f++) {
                ex_csv_add(files[f], "%s,%s,%g,%d,%d", s->act_name[c->act], st->init[c->init], c->scale, s->seeds, e);
                for (int k = 0; k < st->columns; k++)
                    ex_csv_add(files[f], ",%.9g,%.9g", c->mean[e * st->columns + k], c->std[e * st->columns + k]);
            }
            ex_csv_end(&summary);
        }
        int metric = xor_accuracy_metric(st);
        if (c->mean != NULL)
            ex_csv_row(&final, ",%d,%d,%.4f,%.4f,%.3g", xor_reach(st, s, c, metric, 0.85),
                       xor_reach(st, s, c, metric, 0.90), c->recall[0], c->recall[1], c->seconds);
    }
    ex_csv_close(&summary), ex_csv_close(&final);
}

// ---------------------------------------------------------------------------------------------------------------------
// Charts
// ---------------------------------------------------------------------------------------------------------------------

// One line an activation, with its band of ± one standard deviation over the seeds.
static inline void xor_lines(plot_axes *ax, const study *st, const ex_settings *s, int init, int scale, int column,
                             int without_relu) {
    double *mean = (double *)ex_realloc(NULL, (size_t)s->epochs, sizeof(double));
    double *std = (double *)ex_realloc(NULL, (size_t)s->epochs, sizeof(double));
    for (int a = 0; a < s->act_count; a++) {
        const cell *c = xor_cell(st, s, init, scale, a);
        if (c == NULL || (without_relu && s->act[a].kind == GF_ACT_RELU)) continue;
        xor_curve(st, s, c, column, mean, std);
        if (s->seeds > 1) plot_mean_std(ax, NULL, mean, std, s->epochs, s->act_name[a], plot_solid(a));
        else plot_line(ax, NULL, mean, s->epochs, s->act_name[a], plot_solid(a));
    }
    free(mean), free(std);
}

static inline const char *xor_seeds(const ex_settings *s, char *text) {
    if (s->seeds > 1) snprintf(text, 64, "mean ± std of %d seeds", s->seeds);
    else snprintf(text, 64, "one seed (%d)", s->seed);
    return text;
}

static inline int xor_named(const study *st, const char *name) {
    for (int c = 0; c < st->columns; c++)
        if (strcmp(st->column[c], name) == 0) return c;
    return -1;
}

static const char *const xor_explain[][2] = {
    {"test_acc", "test accuracy"}, {"train_acc", "training accuracy"}, {"z_near0_rate", "share of |z| ≤ 0.1"},
    {"z_p90_abs", "90th percentile of |z|"}, {"dphi_p01_abs", "1st percentile of |φ'|"}};

static inline const char *xor_y_label(const char *column) {
    for (int i = 0; i < EX_COUNT(xor_explain); i++)
        if (strcmp(column, xor_explain[i][0]) == 0) return xor_explain[i][1];
    return column;
}

// relu's 1st percentile of |φ'| is 0 throughout, so the study's chart of it shows the smooth ones alone.
static inline void xor_chart(const study *st, const ex_settings *s, int init, int scale, int column, int limits) {
    char title[160], name[96], seeds[64], number[24];
    int without_relu = st->metric_of[column] == DPHI_P01;
    snprintf(number, sizeof number, "%g", st->scale[scale]);
    snprintf(title, sizeof title, "%s: %s weights × %s, %s", st->column[column], st->init[init], number,
             xor_seeds(s, seeds));
    for (char *p = number; *p != '\0'; p++) *p = *p == '.' ? 'p' : *p;
    snprintf(name, sizeof name, "%s%s_s%s_%s.png", st->original ? "original_" : "", st->init[init], number,
             st->column[column]);
    plot_figure *fig = plot_figure_create(1100, 660, 1, 1, title);
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_labels(ax, NULL, "epoch", xor_y_label(st->column[column]));
    xor_lines(ax, st, s, init, scale, column, without_relu);
    if (limits) plot_limits_x(ax, st->limits[0], st->limits[1]), plot_limits_y(ax, st->limits[2], st->limits[3]);
    ex_save_chart(fig, s->out, name);
}

static inline void xor_draw_sweep(const study *st, const ex_settings *s) {
    static const int shown[4] = {TEST_ACC, Z_NEAR0, Z_P90, DPHI_P01};
    char title[160], name[96], seeds[64];
    int first = st->test_size > 0 ? 0 : 1;
    for (int i = 0; i < st->init_count; i++) {
        for (int k = 0; k < st->scale_count; k++)
            for (int m = first; m < 4; m++) xor_chart(st, s, i, k, xor_column(st, shown[m]), 0);
        snprintf(title, sizeof title, "Noisy XOR, %s weights: %s", st->init[i], xor_seeds(s, seeds));
        plot_figure *fig = plot_figure_create(420 * st->scale_count + 60, 1300, 4 - first, st->scale_count, title);
        for (int m = first; m < 4; m++)
            for (int k = 0; k < st->scale_count; k++) {
                plot_axes *ax = plot_axes_at(fig, m - first, k);
                int column = xor_column(st, shown[m]);
                snprintf(name, sizeof name, "scale %g", st->scale[k]);
                plot_labels(ax, m == first ? name : NULL, m == 3 ? "epoch" : NULL,
                            k == 0 ? xor_y_label(st->column[column]) : NULL);
                xor_lines(ax, st, s, i, k, column, 0);
            }
        snprintf(name, sizeof name, "%s_overview.png", st->init[i]);
        ex_save_chart(fig, s->out, name);
    }
}

// The study's window, epochs 1200 to 2100 and accuracies .5 to .7; higher where a seed learns more than its did.
static inline void xor_zoom(plot_axes *ax, const study *st, const ex_settings *s, int column) {
    double high = 0.7;
    for (int i = 0; i < st->cell_count; i++) {
        const cell *c = &st->cells[i];
        if (c->mean == NULL || s->act[c->act].kind == GF_ACT_RELU) continue;
        for (int e = 1200; e < s->epochs; e++)
            high = fmax(high, 0.02 + c->mean[e * st->columns + column] + c->std[e * st->columns + column]);
    }
    plot_limits_x(ax, 1200, 2100), plot_limits_y(ax, 0.5, high);
}

static inline void xor_draw_original(const study *st, const ex_settings *s) {
    char seeds[64];
    static const char *const names[5] = {"accuracy_comparison.png", "accuracy_zoomed.png", "original_loss.png",
                                         "original_grad_norms.png", "original_rates.png"};
    static const char *const titles[5] = {"Accuracy against epoch", "The smooth three, zoomed", "Training loss",
                                          "Gradient of the weights, layer by layer", "Dead or saturated activations"};
    for (int f = 0; f < 5; f++) {
        char title[160];
        int panels = f == 3 ? st->layers : f == 4 ? 2 : 1;
        snprintf(title, sizeof title, "%s: weights N(0, 0.1²), %s", titles[f], xor_seeds(s, seeds));
        int width = panels > 1 ? 560 * panels : 1000, height = panels > 1 ? 560 : 600;
        plot_figure *fig = plot_figure_create(width, height, 1, panels, title);
        for (int p = 0; p < panels; p++) {
            plot_axes *ax = plot_axes_at(fig, 0, p);
            char panel[48] = "";
            int column = f < 2 ? xor_column(st, TRAIN_ACC) : f == 2 ? xor_column(st, TRAIN_LOSS)
                       : f == 3 ? xor_column(st, GRAD + 2 * p) : xor_column(st, p ? LIMIT : CODE_RATE);
            if (f == 3) snprintf(panel, sizeof panel, "layer %d", p + 1), plot_log_y(ax);
            if (f == 4) snprintf(panel, sizeof panel, p ? "each activation's own limits" : "rule of the study's code");
            plot_labels(ax, panel[0] ? panel : NULL, "epoch", f < 2 ? "training accuracy" : f == 2 ? "cross entropy"
                        : p > 0 ? NULL : f == 3 ? "‖∇W_{l}‖" : "share of the hidden activations");
            xor_lines(ax, st, s, 0, 0, column, f == 1);
            if (f == 1) xor_zoom(ax, st, s, column);
            if (f == 2) plot_hline(ax, log(2.0), "ln 2: knows nothing", plot_dotted(PLOT_GREY));
        }
        ex_save_chart(fig, s->out, names[f]);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Tables
// ---------------------------------------------------------------------------------------------------------------------

static inline void xor_table_cells(const study *st, const ex_settings *s) {
    ex_table table;
    int metric = xor_accuracy_metric(st), column = xor_column(st, metric), last = s->epochs - 1;
    memset(&table, 0, sizeof table);
    ex_table_row(&table, "activation|init|scale|accuracy|training loss|epoch of .85 / .90|recall of 0 / 1|µs/epoch");
    for (int i = 0; i < st->cell_count && table.rows < EX_TABLE_ROWS; i++) {
        const cell *c = &st->cells[i];
        if (c->mean == NULL) continue;
        char accuracy[48];
        snprintf(accuracy, sizeof accuracy, s->seeds > 1 ? "%.4f ± %.4f" : "%.4f", c->mean[last * st->columns + column],
                 c->std[last * st->columns + column]);
        ex_table_row(&table, "%s|%s|%g|%s|%.4f|%d / %d|%.3f / %.3f|%.0f", s->act_name[c->act], st->init[c->init],
                     c->scale, accuracy, xor_last(st, s, c, TRAIN_LOSS), xor_reach(st, s, c, metric, 0.85),
                     xor_reach(st, s, c, metric, 0.90), c->recall[0], c->recall[1], 1e6 * c->seconds);
    }
    printf("\nAfter %d epochs, %d seed%s (-1: never reached)\n", s->epochs, s->seeds, s->seeds > 1 ? "s" : "");
    ex_table_write(&table, s, st->original ? "original_table.md" : "table.md");
}

// The study's test accuracies, mean and standard deviation of its 10 seeds.
static const struct {
    const char *act;
    double scale, mean, std;
} xor_study_table[] = {
    {"relu", 0.5, 0.9067, 0.0260}, {"relu", 1, 0.9080, 0.0276}, {"relu", 2, 0.9120, 0.0247},
    {"tanh", 0.5, 0.7573, 0.1431}, {"tanh", 1, 0.9093, 0.0278}, {"tanh", 2, 0.9107, 0.0231},
    {"arctan", 0.5, 0.7000, 0.1503}, {"arctan", 1, 0.9107, 0.0304}, {"arctan", 2, 0.9107, 0.0239},
    {"softsign", 0.5, 0.8640, 0.0605}, {"softsign", 1, 0.9053, 0.0227}, {"softsign", 2, 0.9107, 0.0231}};

// Two means agree when they differ by at most two standard errors of their difference, 2·√(s₁²/n₁ + s₂²/n₂).
static inline void xor_table_agreement(const study *st, const ex_settings *s) {
    ex_table table;
    int cells = 0, within2 = 0, within3 = 0, column = xor_column(st, TEST_ACC), last = s->epochs - 1;
    memset(&table, 0, sizeof table);
    ex_table_row(&table, "activation|scale|study, 10 seeds|here, %d seeds|difference|std. error|within 2?", s->seeds);
    for (int i = 0; i < EX_COUNT(xor_study_table); i++) {
        const cell *c = xor_find(st, s, "xavier", xor_study_table[i].scale, xor_study_table[i].act);
        if (c == NULL) continue;
        double mean = c->mean[last * st->columns + column], std = c->std[last * st->columns + column];
        double difference = mean - xor_study_table[i].mean;
        double error = sqrt(std * std / s->seeds + xor_study_table[i].std * xor_study_table[i].std / 10);
        cells++, within2 += fabs(difference) <= 2 * error, within3 += fabs(difference) <= 3 * error;
        ex_table_row(&table, "%s|%g|%.4f ± %.4f|%.4f ± %.4f|%+.4f|%.4f|%s", xor_study_table[i].act,
                     xor_study_table[i].scale, xor_study_table[i].mean, xor_study_table[i].std, mean, std, difference,
                     error,
                     fabs(difference) <= 2 * error ? "yes" : fabs(difference) <= 3 * error ? "no (within 3)" : "NO");
    }
    if (cells == 0) return;
    printf("\nTest accuracy beside the study's: %d of %d cells within 2 standard errors, %d within 3\n", within2, cells,
           within3);
    ex_table_write(&table, s, "agreement.md");
}

// A row of a table of claims: what is said, whether it holds, and by which numbers.
EX_PRINTF(4, 5) static inline void xor_claim(ex_table *t, const char *claimed, int holds, const char *measured, ...) {
    char text[256];
    va_list args;
    va_start(args, measured);
    vsnprintf(text, sizeof text, measured, args);
    va_end(args);
    ex_table_row(t, "%d. %s|%s|%s", t->rows, claimed, text, holds ? "yes" : "no");
}

// The same four numbers in the same order: relu, softsign, tanh, arctan.
static inline const char *xor_text(const double *v, int digits, char *text) {
    snprintf(text, 64, "%.*f %.*f %.*f %.*f", digits, v[0], digits, v[1], digits, v[2], digits, v[3]);
    return text;
}

// The last value of a metric for relu, softsign, tanh, arctan at this scale; 0 unless all four were run.
static inline int xor_four(const study *st, const ex_settings *s, const char *init, double scale, int metric,
                           double *v) {
    static const char *const order[4] = {"relu", "softsign", "tanh", "arctan"};
    for (int i = 0; i < 4; i++) {
        const cell *c = xor_find(st, s, init, scale, order[i]);
        if (c == NULL) return 0;
        v[i] = xor_last(st, s, c, metric);
    }
    return 1;
}

static inline int xor_falling(const double *v, int n) {
    for (int i = 1; i < n; i++)
        if (!(v[i] < v[i - 1])) return 0;
    return 1;
}

// Largest distance between the mean curves of two cells over the first `epochs`.
static inline double xor_apart(const study *st, const cell *a, const cell *b, int metric, int epochs) {
    double apart = 0;
    for (int e = 0, c = xor_column(st, metric); e < epochs; e++)
        apart = fmax(apart, fabs(a->mean[e * st->columns + c] - b->mean[e * st->columns + c]));
    return apart;
}

// What the study's table and figures say of scale 0.5, where the activations part.
static inline void xor_claims_small(const study *st, const ex_settings *s, ex_table *t) {
    double acc[4], near0[4], p90[4], slope[4], gone[4];
    char text[64], more[64];
    const cell *relu = xor_find(st, s, "xavier", 0.5, "relu"), *softsign = xor_find(st, s, "xavier", 0.5, "softsign");
    const cell *tanh_cell = xor_find(st, s, "xavier", 0.5, "tanh"), *arctan = xor_find(st, s, "xavier", 0.5, "arctan");
    xor_four(st, s, "xavier", 0.5, TEST_ACC, acc), xor_four(st, s, "xavier", 0.5, Z_NEAR0, near0);
    xor_four(st, s, "xavier", 0.5, Z_P90, p90), xor_four(st, s, "xavier", 0.5, DPHI_MEAN, slope);
    xor_four(st, s, "xavier", 0.5, DPHI_SMALL, gone);
    int first = xor_reach(st, s, relu, TEST_ACC, 0.85), later = xor_reach(st, s, softsign, TEST_ACC, 0.85);
    double apart = xor_apart(st, tanh_cell, arctan, TEST_ACC, s->epochs / 3);
    xor_claim(t, "scale 0.5: accuracy falls in the order relu, softsign, tanh, arctan", xor_falling(acc, 4), "%s",
              xor_text(acc, 3, text));
    xor_claim(t, "scale 0.5: relu reaches .85 some 2000 epochs before softsign",
              first >= 0 && first < 1000 && (later < 0 || later - first > 1500), "epochs %d and %d", first, later);
    xor_claim(t, "scale 0.5: tanh and arctan rise alike in the first 1000 epochs", apart < 0.02,
              "at most %.4f apart", apart);
    xor_claim(t, "scale 0.5: share of abs z ≤ 0.1 stays high for tanh and arctan",
              fmin(near0[2], near0[3]) > 1.2 * fmax(near0[0], near0[1]), "%s", xor_text(near0, 3, text));
    xor_claim(t, "scale 0.5: 90th percentile of abs z ends highest for relu, then softsign",
              p90[0] > p90[1] && p90[1] > fmax(p90[2], p90[3]), "%s", xor_text(p90, 3, text));
    xor_claim(t, "(often concluded) scale 0.5: who is slow is slow because φ' vanished", slope[3] < slope[0],
              "mean abs φ' %s, share < %g: %s", xor_text(slope, 2, text), st->deriv_eps, xor_text(gone, 3, more));
}

// And of scale 2, where saturation is strongest.
static inline void xor_claims_large(const study *st, const ex_settings *s, ex_table *t) {
    double one[4], two[4], p01[4], low = 1, high = 0;
    char text[64];
    xor_four(st, s, "xavier", 1, TEST_ACC, one), xor_four(st, s, "xavier", 2, TEST_ACC, two);
    xor_four(st, s, "xavier", 2, DPHI_P01, p01);
    for (int i = 0; i < 4; i++) low = fmin(low, fmin(one[i], two[i])), high = fmax(high, fmax(one[i], two[i]));
    xor_claim(t, "scales 1 and 2: all four end near .91", low > 0.895 && high < 0.925, "%.3f to %.3f", low, high);
    xor_claim(t, "scale 2: 1st percentile of abs φ': softsign > arctan > tanh",
              p01[1] > p01[3] && p01[3] > p01[2], "%s", xor_text(p01, 4, text));
    xor_claim(t, "scale 2: tanh's falls below .005", p01[2] < 0.005, "%.4f", p01[2]);
    xor_claim(t, "(often concluded) scale 2: the most saturated, tanh, learns worst",
              two[2] < fmin(two[0], fmin(two[1], two[3])) - 0.01, "%s", xor_text(two, 3, text));
}

static inline void xor_table_sweep(const study *st, const ex_settings *s) {
    double ignored[4];
    ex_table table;
    for (int k = 0; k < 3; k++)
        if (!xor_four(st, s, "xavier", k == 0 ? 0.5 : k, TEST_ACC, ignored)) return;
    memset(&table, 0, sizeof table);
    ex_table_row(&table, "claimed|measured: relu, softsign, tanh, arctan|holds?");
    xor_claims_small(st, s, &table);
    xor_claims_large(st, s, &table);
    printf("\nWhat the study's table and figures say, after %d epochs\n", s->epochs);
    ex_table_write(&table, s, "claims.md");
}

static inline void xor_table_original(const study *st, const ex_settings *s) {
    double acc[4], loss[4], code[4], rate[4];
    char claimed[96], text[64], more[64];
    ex_table table;
    if (!xor_four(st, s, "gaussian", 1, TRAIN_ACC, acc)) return;
    xor_four(st, s, "gaussian", 1, TRAIN_LOSS, loss), xor_four(st, s, "gaussian", 1, CODE_RATE, code);
    xor_four(st, s, "gaussian", 1, LIMIT, rate);
    double best = fmax(acc[1], fmax(acc[2], acc[3])), least = fmin(loss[1], fmin(loss[2], loss[3]));
    double way = (log(2.0) - least) / (log(2.0) - loss[0]);
    memset(&table, 0, sizeof table);
    ex_table_row(&table, "claimed|measured: relu, softsign, tanh, arctan|holds?");
    xor_claim(&table, "relu far ahead (.917 against .617, .620, .620)", acc[0] > best + 0.15, "%s",
              xor_text(acc, 3, text));
    xor_claim(&table, "tanh and arctan end alike", fabs(acc[2] - acc[3]) < 0.02, "%.3f and %.3f", acc[2], acc[3]);
    xor_claim(&table, "arctan is slower", loss[3] > loss[2], "final loss %.4f and %.4f", loss[2], loss[3]);
    snprintf(claimed, sizeof claimed, "after %d epochs the smooth ones have learnt what they can", s->epochs);
    xor_claim(&table, claimed, way > 0.9, "loss %s: %.0f %% of relu's way down from ln 2", xor_text(loss, 3, text),
              100 * way);
    xor_claim(&table, "arctan and softsign are saturated (the code's rule)", rate[1] + rate[3] > 0.2,
              "code's rule %s, own limits %s", xor_text(code, 3, text), xor_text(rate, 3, more));
    printf("\nThe study's statements\n");
    ex_table_write(&table, s, "original_claims.md");
}

#endif
