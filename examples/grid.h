// grid.h: for studies that train every combination of several choices, say each activation from each initialiser.
//
// A CELL is one combination. A RUN is a cell with a seed; it leaves a table of numbers, a row an epoch (or one row in
// all). This file takes the choices from the command line, trains the runs, --threads of them at once, writes their rows
// to a CSV file, and keeps mean and standard deviation over the seeds, for the study's charts and tables:
//
//     #include "grid.h"                                           // brings gradflow.h, plot.h and experiment.h along
//     static grid g;
//     grid_begin(&g, &settings, "activation,init", epochs);       // how a row of the CSV file begins; rows of a run
//     grid_column(&g, "loss");
//     for (int a = 0; a < settings.act_count; a++)
//         for (int i = 0; i < init.count; i++) grid_cell_add(&g, "%s,%s", settings.act_name[a], init.name[i]);
//     grid_run(&g, "runs.csv", train, &study);                    // calls train(&study, cell, seed, rows, once)
//     grid_line(axes, &g, &g.cells[0], "loss", 0, "relu");        // the mean over the seeds, in a chart
//     grid_free(&g);
#ifndef GRID_H
#define GRID_H
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"

// Add to text[size], as printf does; what does not fit is cut off.
EX_PRINTF(3, 4) static inline void grid_append(char *text, size_t size, const char *format, ...) {
    va_list args;
    size_t used = strlen(text);
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

enum { GRID_CHOICES = 4, GRID_NAMES = 16, GRID_COLUMNS = 64, GRID_ONCE = 4 };

// ---------------------------------------------------------------------------------------------------------------------
// Choices: lists on the command line
// ---------------------------------------------------------------------------------------------------------------------

typedef struct grid_choice {
    int count;
    char name[GRID_NAMES][24];
    double number[GRID_NAMES];  // of grid_numbers
} grid_choice;

// Is the text one of the words of known, "a, b, c"?
static inline int grid_is_one_of(const char *known, const char *text, size_t length) {
    for (const char *at = known;; at += 2) {
        size_t n = strcspn(at, ",");
        if (n == length && strncmp(at, text, n) == 0) return 1;
        at += n;
        if (*at == '\0') return 0;
    }
}

// "--inits a,b" taken apart; every name must be one of known, "a, b, c".
static inline grid_choice grid_names(const char *option, const char *text, const char *known) {
    grid_choice list;
    for (list.count = 0;; text++) {
        size_t length = strcspn(text, ",");
        if (list.count == GRID_NAMES) ex_usage("--%s: at most %d at once", option, GRID_NAMES);
        if (length >= sizeof list.name[0] || !grid_is_one_of(known, text, length))
            ex_usage("--%s: unknown '%.*s'; there are %s", option, (int)length, text, known);
        snprintf(list.name[list.count++], sizeof list.name[0], "%.*s", (int)length, text);
        text += length;
        if (*text == '\0') return list;
    }
}

// "--scales 0.5,1" taken apart; every number lies in low..high.
static inline grid_choice grid_numbers(const char *option, const char *text, double low, double high, int most) {
    grid_choice list;
    for (list.count = 0;; text++) {
        char *end;
        double number = strtod(text, &end);
        if (list.count == most) ex_usage("--%s: at most %d numbers", option, most);
        if (end == text || !(number >= low && number <= high) || (*end != ',' && *end != '\0'))
            ex_usage("--%s: expected numbers from %g to %g, separated by commas, found '%s'", option, low, high, text);
        snprintf(list.name[list.count], sizeof list.name[0], "%g", number);
        list.number[list.count++] = number;
        text = end;
        if (*text == '\0') return list;
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Cells
// ---------------------------------------------------------------------------------------------------------------------

typedef struct grid_cell {
    char label[96];          // how its rows begin: "relu,xavier"
    int at[GRID_CHOICES];    // which of the study's choices: free for the study to use
    double *mean, *std;      // [columns, rows] over the seeds; NULL until its last run is in
    double once[GRID_ONCE];  // the mean of what a run leaves once, at its end
} grid_cell;

typedef struct grid {
    const ex_settings *s;
    const char *labels;  // the names in a label: "activation,init"
    int rows, columns;
    char column[GRID_COLUMNS][24];
    int once_count;  // numbers that a run leaves once, at its end
    const char *once[GRID_ONCE], *once_format[GRID_ONCE];
    grid_cell *cells;
    int count;
    ex_progress progress;
    void (*report)(void *study, const grid_cell *cell);  // called for every finished cell, in order; may be NULL
} grid;

static inline void grid_begin(grid *g, const ex_settings *s, const char *labels, int rows) {
    memset(g, 0, sizeof *g);
    g->s = s;
    g->labels = labels;
    g->rows = rows;
}

EX_PRINTF(2, 3) static inline void grid_column(grid *g, const char *name, ...) {
    va_list args;
    if (g->columns == GRID_COLUMNS) ex_die("a grid has more than %d columns", GRID_COLUMNS);
    va_start(args, name);
    vsnprintf(g->column[g->columns++], sizeof g->column[0], name, args);
    va_end(args);
}

// A number that a run leaves once, and its format in files and tables; the train function numbers them from 0.
static inline void grid_once(grid *g, const char *name, const char *format) {
    if (g->once_count == GRID_ONCE) ex_die("a grid's run leaves more than %d numbers once", GRID_ONCE);
    g->once[g->once_count] = name;
    g->once_format[g->once_count++] = format;
}

// The column of this name; -1 if there is none.
static inline int grid_find_column(const grid *g, const char *name) {
    for (int c = 0; c < g->columns; c++)
        if (strcmp(g->column[c], name) == 0) return c;
    return -1;
}

// Add a cell; the pointer is valid until the next one is added.
EX_PRINTF(2, 3) static inline grid_cell *grid_cell_add(grid *g, const char *label, ...) {
    va_list args;
    g->cells = (grid_cell *)ex_realloc(g->cells, (size_t)g->count + 1, sizeof *g->cells);
    grid_cell *cell = &g->cells[g->count++];
    memset(cell, 0, sizeof *cell);
    va_start(args, label);
    vsnprintf(cell->label, sizeof cell->label, label, args);
    va_end(args);
    return cell;
}

// The finished cell of this label; NULL if there is none.
static inline const grid_cell *grid_find(const grid *g, const char *label) {
    for (int i = 0; i < g->count; i++)
        if (g->cells[i].mean != NULL && strcmp(g->cells[i].label, label) == 0) return &g->cells[i];
    return NULL;
}

static inline void grid_free(grid *g) {
    for (int i = 0; i < g->count; i++) {
        free(g->cells[i].mean);
        free(g->cells[i].std);
    }
    free(g->cells);
}

// ---------------------------------------------------------------------------------------------------------------------
// Runs
// ---------------------------------------------------------------------------------------------------------------------

// Trains one net and fills rows[rows, columns] and once[GRID_ONCE]; returns the last loss, for the progress line.
// Several runs may be under way at once.
typedef double (*grid_train)(void *study, const grid_cell *cell, int seed, double *rows, double *once);

static inline void grid_write_run(const grid *g, ex_csv *csv, const grid_cell *c, int seed, const double *rows) {
    for (int r = 0; r < g->rows; r++) {
        ex_csv_add(csv, g->rows > 1 ? "%s,%d,%d" : "%s,%d", c->label, seed, r);
        for (int k = 0; k < g->columns; k++) ex_csv_add(csv, ",%.7g", rows[r * g->columns + k]);
        ex_csv_end(csv);
    }
}

// Mean and standard deviation over the runs of a cell: runs[seeds] are tables of [rows, columns], each followed by what
// it left once.
static inline void grid_summarise(const grid *g, grid_cell *c, double *const *runs) {
    double value[1000];
    size_t seeds = (size_t)g->s->seeds, size = (size_t)g->rows * (size_t)g->columns;
    c->mean = (double *)ex_realloc(NULL, size, sizeof(double));
    c->std = (double *)ex_realloc(NULL, size, sizeof(double));
    for (size_t i = 0; i < size + GRID_ONCE; i++) {
        for (size_t s = 0; s < seeds; s++) value[s] = runs[s][i];
        if (i >= size) {
            c->once[i - size] = ex_mean(value, seeds);
            continue;
        }
        size_t at = i % (size_t)g->columns * (size_t)g->rows + i / (size_t)g->columns;
        c->mean[at] = ex_mean(value, seeds);
        c->std[at] = ex_std(value, seeds);
    }
}

// Train all runs. A run's random numbers follow from its seed alone and its rows are written in order: the files are
// the same for any number of threads. Ctrl-C leaves the cells unfinished whose runs are not all in.
static inline void grid_run(grid *g, const char *file, grid_train train, void *study) {
    static ex_csv csv;
    static char header[2048];
    size_t size = (size_t)g->rows * (size_t)g->columns;
    double **runs = (double **)ex_realloc(NULL, (size_t)g->s->seeds, sizeof *runs);
    snprintf(header, sizeof header, g->rows > 1 ? "%s,seed,epoch" : "%s,seed", g->labels);
    for (int k = 0; k < g->columns; k++) grid_append(header, sizeof header, ",%s", g->column[k]);
    ex_csv_open(&csv, g->s, file, header);
    ex_progress_start(&g->progress, (long)g->count * g->s->seeds);
#ifdef _OPENMP
#pragma omp parallel for ordered num_threads(g->s->threads) schedule(dynamic, 1)
#endif
    for (int i = 0; i < g->count * g->s->seeds; i++) {
        int number = i % g->s->seeds, seed = g->s->seed + number;
        grid_cell *c = &g->cells[i / g->s->seeds];
        double *rows = NULL, loss = NAN;
        if (!ex_stop) {
            rows = (double *)ex_realloc(NULL, size + GRID_ONCE, sizeof(double));
            memset(rows, 0, (size + GRID_ONCE) * sizeof(double));
            loss = train(study, c, seed, rows, rows + size);
        }
#ifdef _OPENMP
#pragma omp ordered
#endif
        {
            runs[number] = rows;
            if (!ex_stop) {
                grid_write_run(g, &csv, c, seed, rows);
                ex_progress_step(&g->progress, c->label, g->rows, g->rows, loss);
                if (number == g->s->seeds - 1) grid_summarise(g, c, runs);
                if (c->mean != NULL && g->report != NULL) g->report(study, c);
            }
            for (int k = 0; number == g->s->seeds - 1 && k <= number; k++) free(runs[k]);
        }
    }
    ex_progress_note(&g->progress, "%ld runs in %.2f s", g->progress.done, ex_now() - g->progress.start);
    free(runs);
    ex_csv_close(&csv);
}

// ---------------------------------------------------------------------------------------------------------------------
// What the runs have left
// ---------------------------------------------------------------------------------------------------------------------

// The mean over the seeds of one column, row by row; NULL if there is no such column.
static inline const double *grid_mean(const grid *g, const grid_cell *c, const char *column) {
    int k = grid_find_column(g, column);
    return k < 0 ? NULL : c->mean + (size_t)k * (size_t)g->rows;
}
static inline const double *grid_std(const grid *g, const grid_cell *c, const char *column) {
    int k = grid_find_column(g, column);
    return k < 0 ? NULL : c->std + (size_t)k * (size_t)g->rows;
}
static inline double grid_last(const grid *g, const grid_cell *c, const char *column) {
    return grid_mean(g, c, column)[g->rows - 1];
}

// The row, from 0, in which the mean first reaches this value; -1 if it never does.
static inline int grid_reaches(const grid *g, const grid_cell *c, const char *column, double value) {
    return ex_first_reach(grid_mean(g, c, column), (size_t)g->rows, value) - 1;
}

// "0.9159 ± 0.0319" of the last row, with so many digits; without the spread for one seed.
static inline const char *grid_text(const grid *g, const grid_cell *c, const char *column, int digits, char text[64]) {
    snprintf(text, 64, "%.*f", digits, grid_last(g, c, column));
    if (g->s->seeds > 1) grid_append(text, 64, " ± %.*f", digits, grid_std(g, c, column)[g->rows - 1]);
    return text;
}

// How the numbers of charts and tables came about: "mean ± std of 10 seeds".
static inline const char *grid_seeds(const grid *g, char text[64]) {
    if (g->s->seeds > 1) snprintf(text, 64, "mean ± std of %d seeds", g->s->seeds);
    else snprintf(text, 64, "one seed (%d)", g->s->seed);
    return text;
}

// A curve of one column from the row `first` on: the mean as a line over a light band of ± one standard deviation.
// Nothing for a cell that is not finished.
static inline void grid_line(plot_axes *axes, const grid *g, const grid_cell *c, const char *column, int first,
                             const char *name) {
    int n = g->rows - first;
    if (c->mean == NULL) return;
    const double *mean = grid_mean(g, c, column) + first, *std = grid_std(g, c, column) + first;
    double *x = (double *)ex_realloc(NULL, (size_t)n, sizeof(double));
    for (int i = 0; i < n; i++) x[i] = first + i;
    if (g->s->seeds > 1) plot_mean_std(axes, x, mean, std, n, name, plot_named_style(name));
    else plot_line(axes, x, mean, n, name, plot_named_style(name));
    free(x);
}

// ---------------------------------------------------------------------------------------------------------------------
// Files and tables
// ---------------------------------------------------------------------------------------------------------------------

// Means and standard deviations: the row `row` of a cell's runs, not yet ended.
static inline void grid_summary_row(const grid *g, ex_csv *csv, const grid_cell *c, int row) {
    ex_csv_add(csv, "%s,%d,%d", c->label, g->s->seeds, row);
    for (int k = 0; k < g->columns; k++)
        ex_csv_add(csv, ",%.9g,%.9g", c->mean[k * g->rows + row], c->std[k * g->rows + row]);
}

static inline void grid_summary_header(const grid *g, char header[4096]) {
    snprintf(header, 4096, "%s,seeds,epoch", g->labels);
    for (int k = 0; k < g->columns; k++) grid_append(header, 4096, ",%s_mean,%s_std", g->column[k], g->column[k]);
}

// Means and standard deviations of every row.
static inline void grid_write_summary(const grid *g, const char *file) {
    static ex_csv csv;
    static char header[4096];
    grid_summary_header(g, header);
    ex_csv_open(&csv, g->s, file, header);
    for (const grid_cell *c = g->cells; c < g->cells + g->count; c++)
        for (int row = 0; c->mean != NULL && row < g->rows; row++) {
            grid_summary_row(g, &csv, c, row);
            ex_csv_end(&csv);
        }
    ex_csv_close(&csv);
}
// "a,b" as cells of a table, "a|b", into text[512].
static inline void grid_as_cells(const char *labels, char text[512]) {
    snprintf(text, 512, "%s", labels);
    for (char *at = text; *at != '\0'; at++)
        if (*at == ',') *at = '|';
}

// The last row of every cell, when the mean of `column` first reached each goal, and what the runs left once: as a CSV
// file and, with the first column and `column` alone, as a table.
static inline void grid_write_final(const grid *g, const char *file, const char *table_file, const char *column,
                                    const double *goal, int goals) {
    static ex_csv csv;
    static ex_table table;
    static char header[4096];
    char text[512], number[64];
    grid_summary_header(g, header);
    grid_as_cells(g->labels, text);
    grid_append(text, sizeof text, "|%s|%s", column, g->column[0]);
    for (int k = 0; k < goals; k++) grid_append(header, sizeof header, ",epoch_of_%.0f", 100 * goal[k]);
    for (int k = 0; k < goals; k++) grid_append(text, sizeof text, "|epoch of %g", goal[k]);
    for (int k = 0; k < g->once_count; k++) grid_append(header, sizeof header, ",%s", g->once[k]);
    for (int k = 0; k < g->once_count; k++) grid_append(text, sizeof text, "|%s", g->once[k]);
    ex_csv_open(&csv, g->s, file, header);
    ex_table_row(&table, "%s", text);
    for (const grid_cell *c = g->cells; c < g->cells + g->count; c++) {
        if (c->mean == NULL) continue;
        grid_summary_row(g, &csv, c, g->rows - 1);
        grid_as_cells(c->label, text);
        grid_append(text, sizeof text, "|%s|%.4f", grid_text(g, c, column, 4, number), grid_last(g, c, g->column[0]));
        for (int k = 0; k < goals; k++) {
            int epoch = grid_reaches(g, c, column, goal[k]);
            ex_csv_add(&csv, ",%d", epoch);
            grid_append(text, sizeof text, epoch < 0 ? "|never" : "|%d", epoch);
        }
        for (int k = 0; k < g->once_count; k++) {
            snprintf(number, sizeof number, g->once_format[k], c->once[k]);
            ex_csv_add(&csv, ",%s", number);
            grid_append(text, sizeof text, "|%s", number);
        }
        ex_csv_end(&csv);
        if (table.rows < EX_TABLE_ROWS) ex_table_row(&table, "%s", text);
    }
    ex_csv_close(&csv);
    printf("\nAfter %d epochs, %s\n", g->rows, grid_seeds(g, number));
    ex_table_write(&table, g->s, table_file);
}

typedef struct grid_known {  // what somebody else has measured in a cell
    const char *label;
    double mean, std;
    int seeds;
} grid_known;

// The last row of `column` beside theirs. Two means agree when they differ by at most two standard errors of their
// difference, 2·√(s₁²/n₁ + s₂²/n₂). Nothing is written unless one of their cells was run.
static inline void grid_compare(const grid *g, const char *file, const char *column, const grid_known *theirs,
                                int count) {
    static ex_table table;
    int within2 = 0, within3 = 0;
    char text[512], number[64];
    grid_as_cells(g->labels, text);
    ex_table_row(&table, "%s|study, %d seeds|here, %d seeds|difference|std. error|within 2?", text, theirs[0].seeds,
                 g->s->seeds);
    for (const grid_known *t = theirs; t < theirs + count; t++) {
        const grid_cell *c = grid_find(g, t->label);
        if (c == NULL) continue;
        double std = grid_std(g, c, column)[g->rows - 1], difference = grid_last(g, c, column) - t->mean;
        double error = sqrt(std * std / g->s->seeds + t->std * t->std / t->seeds);
        int off = fabs(difference) <= 2 * error ? 0 : fabs(difference) <= 3 * error ? 1 : 2;
        within2 += off == 0;
        within3 += off <= 1;
        grid_as_cells(c->label, text);
        ex_table_row(&table, "%s|%.4f ± %.4f|%s|%+.4f|%.4f|%s", text, t->mean, t->std,
                     grid_text(g, c, column, 4, number), difference, error,
                     off == 0   ? "yes"
                     : off == 1 ? "no (within 3)"
                                : "NO");
    }
    if (table.rows == 1) return;
    printf("\n%s beside the study's: %d of %d cells within 2 standard errors, %d within 3\n", column, within2,
           table.rows - 1, within3);
    ex_table_write(&table, g->s, file);
}

// A row of a table "claimed | measured | holds?": what is said, whether it holds, and by which numbers.
EX_PRINTF(4, 5) static inline void grid_claim(ex_table *t, const char *claimed, int holds, const char *measured, ...) {
    char text[256];
    va_list args;
    va_start(args, measured);
    vsnprintf(text, sizeof text, measured, args);
    va_end(args);
    ex_table_row(t, "%d. %s|%s|%s", t->rows, claimed, text, holds ? "yes" : "no");
}

#endif
