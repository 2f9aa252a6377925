// rescue_report.h: the picture and the table of rescue.c.
#ifndef RESCUE_REPORT_H
#define RESCUE_REPORT_H

static const grid_cell *cell_at(const study *st, int structure, int activation, int optim, int init) {
    return &st->g.cells[((structure * st->s.act_count + activation) * st->optim.count + optim) * st->init.count + init];
}

// One panel of the picture: a block of rows for each structure, under its name, a row for each activation; a column for
// each initialisation. optim -1: the gradient before the first step, which no optimiser has touched yet.
static void draw_panel(const study *st, plot_axes *ax, int optim) {
    double values[GRID_NAMES * (EX_MAX_ACTIVATIONS + 1) * GRID_NAMES];
    char title[64], init[GRID_NAMES][24], structure[GRID_NAMES][24];
    const char *rows[GRID_NAMES * (EX_MAX_ACTIVATIONS + 1)], *columns[GRID_NAMES];
    int inits = st->init.count, row = 0;
    for (int s = 0; s < st->structure.count; s++)
        for (int a = -1; a < st->s.act_count; a++, row++) {
            snprintf(structure[s], sizeof structure[0], "%s:", st->structure.name[s]);
            rows[row] = optim >= 0 ? "" : a < 0 ? structure[s] : st->s.act_name[a];
            for (int i = 0; i < inits; i++) {
                const grid_cell *c = cell_at(st, s, a < 0 ? 0 : a, optim < 0 ? 0 : optim, i);
                double *v = &values[row * inits + i];
                if (a < 0) *v = 0;  // the block's heading: zeros are left white
                else if (c->mean == NULL || (optim >= 0 && grid_last(&st->g, c, "diverged") > 0)) *v = NAN;
                else if (optim >= 0) *v = grid_last(&st->g, c, "test_acc");
                else *v = floor(log10(grid_last(&st->g, c, "delta_ratio")) + 0.5) + 1e-6;  // 10^0 is not white
            }
        }
    for (int i = 0; i < inits; i++) {
        snprintf(init[i], sizeof init[i], strlen(st->init.name[i]) > 7 ? "%.4s." : "%s", st->init.name[i]);
        columns[i] = init[i];
    }
    if (optim < 0) snprintf(title, sizeof title, "δ_{1} / δ_{22}, step 0");
    else snprintf(title, sizeof title, "%s %g: test %%", st->optim.name[optim], usual_rate(st->optim.name[optim]));
    plot_labels(ax, title, NULL, NULL);
    plot_heatmap(ax, values, row, inits, optim < 0 ? PLOT_SIGNED : PLOT_VIRIDIS);
    plot_heatmap_values(ax, optim < 0 ? "10^{%.0f}" : "%.0f");
    plot_heatmap_hide_zeros(ax);
    plot_color_range(ax, optim < 0 ? -6 : 10, optim < 0 ? 6 : 100);
    plot_color_bar(ax, 0);
    plot_names_x(ax, columns, inits);
    plot_names_y(ax, rows, row);
}

static void draw(const study *st) {
    char text[200];
    int rows = st->structure.count * (st->s.act_count + 1), panels = 1 + st->optim.count;
    snprintf(text, sizeof text, "Twenty layers on %s: no gradient, no learning, and what mends it", st->data_name);
    plot_figure *fig = plot_figure_create(200 + 270 * panels, 170 + 32 * rows, 1, panels, text);
    plot_text_scale(fig, 1.2);
    for (int o = -1; o < st->optim.count; o++) draw_panel(st, plot_axes_at(fig, 0, o + 1), o);
    snprintf(text, sizeof text,
             "left: gradient at layer 1 over that at layer 22; blue vanishes, red explodes. Right: accuracy "
             "after %d epoch%s of %zu images, %d seed%s; 10 is chance, NaN diverged",
             st->s.epochs, st->s.epochs > 1 ? "s" : "", st->data.count, st->s.seeds, st->s.seeds > 1 ? "s" : "");
    plot_caption(fig, text);
    ex_save_chart(fig, st->s.out, "rescue.png");
}

static void table_row(const study *st, ex_table *table, const char *remedy, const grid_cell *c) {
    char cells[512], accuracy[64];
    if (c->mean == NULL) return;
    grid_as_cells(c->label, cells);
    grid_text(&st->g, c, "test_acc", 1, accuracy);
    ex_table_row(table, "%s|%s|%s|%.0e|%.200s", remedy, cells, accuracy, grid_last(&st->g, c, "delta_ratio"),
                 st->verdict[c - st->g.cells]);
}

// The first cell is the patient; then one remedy at a time; then the best combination of all.
static void write_table(const study *st) {
    static ex_table table;
    const grid_cell *best = &st->g.cells[0];
    ex_table_row(&table, "remedy|structure|activation|init|optim|test %%|δ_1/δ_22|verdict before the first step");
    table_row(st, &table, "none", cell_at(st, 0, 0, 0, 0));
    for (int i = 1; i < st->s.act_count; i++) table_row(st, &table, "activation", cell_at(st, 0, i, 0, 0));
    for (int i = 1; i < st->init.count; i++) table_row(st, &table, "initialisation", cell_at(st, 0, 0, 0, i));
    for (int i = 1; i < st->structure.count; i++) table_row(st, &table, "structure", cell_at(st, i, 0, 0, 0));
    for (int i = 1; i < st->optim.count; i++) table_row(st, &table, "optimiser", cell_at(st, 0, 0, i, 0));
    for (const grid_cell *c = st->g.cells; c < st->g.cells + st->g.count; c++)
        if (c->mean != NULL && grid_last(&st->g, c, "test_acc") > grid_last(&st->g, best, "test_acc")) best = c;
    table_row(st, &table, "best of all", best);
    ex_table_write(&table, &st->s, "table.md");
}

#endif
