// xor_replay.h: reads a run of the study from a folder: train.csv and test.csv (x1,x2,y; no test.csv in the original
// edition), the initial weights W1.csv, W2.csv, … and, for the epochs to print, metrics.csv.
#ifndef XOR_REPLAY_H
#define XOR_REPLAY_H
#include "experiment.h"

// Numbers of folder/name, separated by commas, after `skip` header lines; the caller frees. NULL if there is no file.
static inline double *xor_read_numbers(const char *folder, const char *name, int skip, int *rows, int *cols) {
    char path[EX_PATH], line[8192];
    FILE *file = fopen(ex_path(path, folder, name), "r");
    ex_series all = {NULL, 0, 0};
    *rows = *cols = 0;
    if (file == NULL) return NULL;
    while (fgets(line, sizeof line, file) != NULL) {
        int count = 0;
        if (skip-- > 0 || line[strspn(line, " \r\n")] == '\0') continue;
        for (char *at = line, *end;; at = end + 1, count++) {
            double value = strtod(at, &end);
            if (end == at) ex_die("%s: line %d: expected a number, found '%.20s'", path, *rows + 1, at);
            ex_push(&all, value);
            if (*end != ',') break;
        }
        if (*rows > 0 && count + 1 != *cols)
            ex_die("%s: row %d has %d numbers, the first %d", path, *rows + 1, count + 1, *cols);
        *cols = count + 1, ++*rows;
    }
    fclose(file);
    if (*rows == 0) ex_die("%s: no numbers in it", path);
    return all.v;
}

// x1,x2,y. Returns 0 if there is no such file.
static inline int xor_read_points(gf_dataset *data, const char *folder, const char *name) {
    int rows, cols;
    double *v = xor_read_numbers(folder, name, 1, &rows, &cols);
    if (v == NULL) return 0;
    if (cols != 3) ex_die("%s/%s: expected the columns x1,x2,y, found %d columns", folder, name, cols);
    gf_real *x = (gf_real *)ex_realloc(NULL, 3 * (size_t)rows, sizeof(gf_real)), *y = x + 2 * rows;
    for (int i = 0; i < rows; i++) {
        for (int k = 0; k < 2; k++) x[2 * i + k] = (gf_real)v[3 * i + k];
        y[i] = (gf_real)v[3 * i + 2];
    }
    if (gf_data_from_arrays(data, gf_vector(2), (size_t)rows, x, NULL, 0, y, 1) != GF_OK) ex_die("%s", gf_last_error());
    free(x), free(v);
    return 1;
}

// Outputs of each layer from the shapes of W1.csv, W2.csv, …; returns the number of layers.
static inline int xor_read_widths(const char *folder, int *width, int most) {
    char name[32];
    for (int l = 0;; l++) {
        int rows, cols;
        snprintf(name, sizeof name, "W%d.csv", l + 1);
        double *v = xor_read_numbers(folder, name, 0, &rows, &cols);
        if (v == NULL && l > 0 && width[l - 1] == 1) return l;
        if (v == NULL) ex_die("%s/%s: cannot be opened (the last layer has one output)", folder, name);
        if (l == most) ex_die("%s: more than %d layers", folder, most);
        width[l] = cols;
        free(v);
    }
}

// W1.csv, W2.csv, … are [fan_in, fan_out]; ours are (out, in).
static inline void xor_read_weights(gf_net *net, int layers, const char *folder) {
    char name[32];
    for (int l = 1; l <= layers; l++) {
        int rows, cols;
        snprintf(name, sizeof name, "W%d.csv", l);
        double *v = xor_read_numbers(folder, name, 0, &rows, &cols);
        snprintf(name, sizeof name, "dense%d.weight", l);
        const gf_tensor *w = gf_net_tensor(net, name);
        ex_check(net);
        if (w->dims[0] != cols || w->dims[1] != rows)
            ex_die("%s/W%d.csv is %d × %d; this layer takes %d × %d", folder, l, rows, cols, w->dims[1], w->dims[0]);
        for (int i = 0; i < rows; i++)
            for (int o = 0; o < cols; o++) w->value[o * rows + i] = (gf_real)v[i * cols + o];
        free(v);
    }
}

// The longest name of an activation in the last part of the folder's name: "leaky_relu_s1p0_seed1" is not relu.
static inline gf_act xor_act_of_folder(const char *folder) {
    const char *found = "", *last = folder + strlen(folder);
    gf_act act = gf_act_default(GF_ACT_IDENTITY);
    while (last > folder && last[-1] == '/') last--;
    while (last > folder && last[-1] != '/') last--;
    for (int k = 0; k < GF_ACT_COUNT; k++) {
        const char *name = gf_act_name((gf_act_kind)k);
        if (strstr(last, name) == NULL || strlen(name) <= strlen(found)) continue;
        found = name, act = gf_act_default((gf_act_kind)k);
    }
    if (found[0] == '\0') ex_usage("--replay %s: no activation in the folder's name; add --activations NAME", folder);
    return act;
}

// Which epochs the run has logged: the first column of metrics.csv, or the study's habit when there is none. Sorted.
static inline ex_series xor_read_epochs(const char *folder, int last) {
    ex_series epochs = {NULL, 0, 0};
    int rows, cols;
    double *v = xor_read_numbers(folder, "metrics.csv", 1, &rows, &cols);
    for (int i = 0; i < rows; i++) {
        double e = v[(size_t)i * (size_t)cols];
        if (!(e >= 0 && e < 1e6 && e == floor(e)) || (i > 0 && e <= epochs.v[i - 1]))
            ex_die("%s/metrics.csv: row %d: %g is not an epoch after the one before", folder, i + 1, e);
        ex_push(&epochs, e);
    }
    for (int e = 0; v == NULL && e <= last; e++)
        if (e < 20 || e % 100 == 0 || e == last) ex_push(&epochs, e);
    free(v);
    return epochs;
}

#endif
