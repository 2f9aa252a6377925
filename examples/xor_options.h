// xor_options.h: the two editions of xor_mlp.c, as defaults of its options.
#ifndef XOR_OPTIONS_H
#define XOR_OPTIONS_H

// The defaults of the edition asked for: --study must be known before the other options are read.
static void set_defaults(study *st, int argc, char **argv) {
    memset(st, 0, sizeof *st);
    st->s = ex_settings_default("xor_mlp", "noisy XOR: does a vanishing φ' hold the smooth ones back?");
    for (int i = 1; i < argc; i++) {
        int is_name = strcmp(argv[i - 1], "--study") == 0 && strcmp(argv[i], "original") == 0;
        if (is_name || strcmp(argv[i], "--study=original") == 0) st->original = 1;
    }
    st->kind = st->original ? "original" : "sweep";
    st->inits = st->original ? "gaussian" : "xavier";
    st->scales = st->original ? "1" : "0.5,1,2";
    st->arch = "16,16";
    st->n = 300;
    st->noise = 0.1;
    st->test_size = st->original ? 0 : 0.25;
    st->deriv_eps = 1e-3;
    st->linear_eps = 0.1;
    for (int i = 0; i < 4; i++) st->limits[i] = NAN;
    st->s.activations = "relu,tanh,arctan,softsign";
    st->s.lr = 0.05;
    st->s.seed = 0;
    st->s.seeds = st->original ? 1 : 10;
    st->s.epochs = st->original ? 2000 : 3000;
    st->s.quick_epochs = 200;
    st->s.quick_seeds = 2;
}

static void read_lists(study *st) {
    st->init = grid_names("inits", st->inits, "xavier, kaiming, gaussian");
    st->scale = grid_numbers("scales", st->scales, 1e-6, 1e6, GRID_NAMES);
    st->hidden = grid_numbers("arch", st->arch, 1, 4096, SIGNALS_MAX_LAYERS - 1);
    grid_begin(&st->g, &st->s, "activation,init,scale", st->s.epochs);
}

// Has nothing been changed that the study's numbers depend on?
static int is_the_recipe(const study *st) {
    return st->n == 300 && st->noise == 0.1 && !st->relabel && strcmp(st->arch, "16,16") == 0 && st->s.lr == 0.05 &&
           st->test_size == (st->original ? 0 : 0.25) && st->s.epochs == (st->original ? 2000 : 3000) && !ex_stop;
}

#endif
