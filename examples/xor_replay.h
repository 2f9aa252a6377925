// xor_replay.h: trains on a run of the study's own code, from a folder with train.csv and test.csv (x1,x2,y; no test.csv
// in the original edition), the initial weights W1.csv, W2.csv, … and metrics.csv, and prints what it finds in the columns
// and epochs of metrics.csv. Built with -DGF_REAL=double it agrees with the study to 1e-9.
#ifndef XOR_REPLAY_H
#define XOR_REPLAY_H

// W1.csv, W2.csv, … are [fan_in, fan_out]; ours are (out, in).
static void read_weights(gf_net *net, int layer, const char *folder) {
    char path[EX_PATH], name[32];
    snprintf(name, sizeof name, "dense%d.weight", layer);
    const gf_tensor *w = gf_net_tensor(net, name);
    snprintf(name, sizeof name, "W%d.csv", layer);
    FILE *file = fopen(ex_path(path, folder, name), "r");
    if (file == NULL) ex_die("%s: cannot be opened", path);
    int outputs = w->dims[0], inputs = w->dims[1], right = 1;
    for (int i = 0; i < inputs && right; i++)
        for (int o = 0; o < outputs && right; o++) {
            double value = 0;
            char after = '\n';
            right = fscanf(file, "%lf%c", &value, &after) >= 1 && (after == ',') == (o + 1 < outputs);
            w->value[o * inputs + i] = (gf_real)value;
        }
    if (!right || fscanf(file, " %*c") != EOF)
        ex_die("%s: expected %d rows of %d numbers (see --arch)", path, inputs, outputs);
    fclose(file);
}

// The longest name of an activation in the last part of the folder's name: "leaky_relu_s1p0_seed1" is not relu.
static gf_act act_of_folder(const char *folder) {
    char path[EX_PATH];
    const char *found = "";
    size_t length = (size_t)snprintf(path, sizeof path, "%s", folder);
    while (length > 1 && length < sizeof path && path[length - 1] == '/') path[--length] = '\0';
    const char *last = strrchr(path, '/') != NULL ? strrchr(path, '/') : path;
    for (int k = 0; k < GF_ACT_COUNT; k++) {
        const char *name = gf_act_default((gf_act_kind)k).name;
        if (strstr(last, name) != NULL && strlen(name) > strlen(found)) found = name;
    }
    gf_act act = gf_act_default(GF_ACT_IDENTITY);
    if (!gf_act_from_name(found, &act))
        ex_usage("--replay %s: no activation in the folder's name; add --activations NAME", folder);
    return act;
}

static void replay(study *st, gf_act act, const char *folder, FILE *out) {
    char path[EX_PATH];
    double recall[2];
    gf_dataset data, test, logged;
    if (gf_data_csv(&data, ex_path(path, folder, "train.csv"), 0) != GF_OK) ex_die("%s", gf_last_error());
    if (gf_data_csv(&logged, ex_path(path, folder, "metrics.csv"), 0) != GF_OK) ex_die("%s", gf_last_error());
    st->original = !ex_file_exists(ex_path(path, folder, "test.csv"));
    memset(&test, 0, sizeof test);
    if (!st->original && gf_data_csv(&test, path, 0) != GF_OK) ex_die("%s", gf_last_error());
    size_t columns = (size_t)logged.shape.channels;  // of metrics.csv but the last; the first is the epoch
    int epochs = 1 + (int)logged.values[(logged.count - 1) * columns];
    gf_net *net = build(st, act, gf_init_zero(), data.count > test.count ? data.count : test.count, 0);
    for (int l = 1; l <= st->hidden.count + 1; l++) read_weights(net, l, folder);
    name_columns(st);
    double *rows = (double *)ex_realloc(NULL, (size_t)(epochs * st->g.columns), sizeof(double));
    train(st, net, act, epochs, &data, &test, rows, recall);
    fprintf(out, "epoch");
    for (int c = 0; c < st->g.columns - st->original; c++)
        fprintf(out, ",%s", st->g.column[c]);  // the corrected rate is ours
    for (size_t i = 0; i < logged.count && !ex_stop; i++) {
        int epoch = (int)logged.values[i * columns];
        if (epoch < 0 || epoch >= epochs) ex_die("%s/metrics.csv: %d is not an epoch before the last", folder, epoch);
        fprintf(out, "\n%d", epoch);
        for (int c = 0; c < st->g.columns - st->original; c++) fprintf(out, ",%.15g", rows[epoch * st->g.columns + c]);
    }
    fprintf(out, "\n");
    free(rows);
    gf_net_free(net);
    gf_data_free(&data);
    gf_data_free(&test);
    gf_data_free(&logged);
}

#endif
