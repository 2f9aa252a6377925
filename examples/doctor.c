// doctor.c: ten ill nets and a healthy one. What does the doctor say, when, and does its remedy help?
//
//     cc -O2 examples/doctor.c -o doctor -lm && ./doctor
//
// The patients  784-64-10, relu, plain SGD, 1000 drawn digits; each has one thing wrong, as people have it wrong
// The cure      the same program with that one line mended
// Look for      doctor.png: each loss, with the diagnosis where it was first true (the ring), most of them within a few
//               steps, long before the curve shows it. cures.png: what the one line was worth
// Try next      --seed 7 (is it the same diagnosis?) · break the healthy one yourself: a row in `patients`
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"
#include "synthetic.h"

enum { TRAINING = 1000, TEST = 500, BATCH = 32, MOST_FINDINGS = 16, PANEL_COLUMNS = 3 };

typedef struct program {  // what a patient's program may have different from the healthy one's; 0: nothing
    double pixels;        // inputs are multiplied by this
    int shuffled;         // labels dealt anew
    gf_init init;         // gain 0: Kaiming's
    int depth;            // hidden layers
    gf_act_kind act, output;  // IDENTITY as act: relu
    double lr, decay, dropout, clip;
} program;

typedef struct patient {
    const char *name, *cure;  // what is wrong, the line that mends it
    program ill, cured;       // the healthy one: equal
} patient;

#define NO_INIT {GF_INIT_DEFAULT, 0}
#define HEALTHY {1, 0, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 0.1, 0, 0, 0}
static const patient patients[] = {
    {"healthy", "", HEALTHY, HEALTHY},
    {"pixels 0 to 255", "x/255", {255, 0, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 0.1, 0, 0, 0}, HEALTHY},
    {"labels shuffled", "pair them again", {1, 1, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 0.1, 0, 0, 0}, HEALTHY},
    {"sigmoid before the loss", "no sigmoid", {1, 0, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_SIGMOID, 0.1, 0, 0, 0},
     HEALTHY},
    {"every weight 0.5", "Kaiming's", {1, 0, {GF_INIT_CONSTANT, 0.5}, 1, GF_ACT_TANH, GF_ACT_IDENTITY, 0.1, 0, 0, 0},
     {1, 0, NO_INIT, 1, GF_ACT_TANH, GF_ACT_IDENTITY, 0.1, 0, 0, 0}},
    {"weights N(0,1)", "Kaiming's", {1, 0, {GF_INIT_NORMAL, 1}, 3, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 1e-3, 0, 0, 0},
     {1, 0, NO_INIT, 3, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 0.1, 0, 0, 0}},
    {"eight sigmoid layers", "relu", {1, 0, NO_INIT, 8, GF_ACT_SIGMOID, GF_ACT_IDENTITY, 0.01, 0, 0, 0},
     {1, 0, NO_INIT, 8, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 0.01, 0, 0, 0}},
    {"rate 10", "rate 0.1", {1, 0, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 10, 0, 0, 0}, HEALTHY},
    {"rate 0.0001", "rate 0.1", {1, 0, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 1e-4, 0, 0, 0}, HEALTHY},
    {"weight decay 1", "decay 0.0001", {1, 0, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 0.1, 1, 0, 0},
     {1, 0, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 0.1, 1e-4, 0, 0}},
    {"clipped to 0.001", "clip at 5", {1, 0, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 0.1, 0, 0, 0.001},
     {1, 0, NO_INIT, 1, GF_ACT_IDENTITY, GF_ACT_IDENTITY, 0.1, 0, 0, 5}},
};

typedef struct course {  // of one training run
    double *step, *loss;
    int steps;
    double accuracy, highest;  // on the test set, in percent; the highest loss
    gf_finding found[MOST_FINDINGS];
} course;

static gf_net *build(const program *p, gf_doctor **doctor, const gf_dataset *train, int seed) {
    gf_net *net = gf_net_create(train->shape, BATCH, (uint64_t)seed);
    gf_net_set_init(net, p->init.gain > 0 ? p->init : gf_init_kaiming(), gf_init_zero());
    for (int l = 0; l < p->depth; l++) {
        gf_net_dense(net, 64);
        gf_net_act(net, p->act == GF_ACT_IDENTITY ? GF_ACT_RELU : p->act);
    }
    gf_net_dense(net, 10);
    if (p->output != GF_ACT_IDENTITY) gf_net_act(net, p->output);
    *doctor = gf_doctor_create(net, train);
    gf_net_build(net);
    return net;
}

// The data as this program sees them: TRAINING or TEST digits.
static void make_data(const program *p, int test, gf_dataset *data) {
    const double mean = 0, std = 1 / p->pixels;
    if (syn_digits(data, test ? TEST : TRAINING, test ? 2 : 1) != GF_OK) ex_die("%s", gf_last_error());
    gf_data_normalize(data, &mean, &std, 1);
    for (size_t i = 0; i < data->count && p->shuffled && !test; i++)
        data->labels[i] = (int)(10 * gf_random_uniform(5, GF_STREAM_USER, i));
}

static void train(const program *p, int seed, int steps, course *c) {
    gf_dataset data, test;
    gf_batches batches;
    gf_doctor *doctor;
    gf_optim sgd;
    gf_optim_config config = gf_sgd(p->lr);
    make_data(p, 0, &data);
    make_data(p, 1, &test);
    gf_net *net = build(p, &doctor, &data, seed);
    config.weight_decay = p->decay;
    gf_optim_init(&sgd, net, config);
    gf_batches_init(&batches, &data, BATCH, (uint64_t)seed, GF_SHUFFLE);
    gf_doctor_preflight(doctor, &sgd, GF_LOSS_CROSS_ENTROPY);
    c->step = (double *)ex_realloc(NULL, 2 * (size_t)steps, sizeof(double));
    c->loss = c->step + steps;
    for (c->steps = 0; c->steps < steps && gf_net_status(net) == GF_OK && !ex_stop;) {
        if (!gf_batches_next(&batches)) {  // an epoch is over
            gf_net_evaluate(net, &data, GF_LOSS_CROSS_ENTROPY, NULL);
            gf_net_evaluate(net, &test, GF_LOSS_CROSS_ENTROPY, NULL);
            continue;
        }
        gf_net_forward(net, batches.x, batches.n, GF_TRAIN);
        const double loss = gf_loss_cross_entropy(net, batches.labels);
        gf_net_backward(net);
        if (p->clip > 0) gf_net_clip_grad_norm(net, p->clip);
        gf_optim_step(&sgd, net);
        if (loss != loss || loss > 1e6) continue;  // no chart shows that
        c->step[c->steps] = c->steps;
        c->loss[c->steps++] = loss;
        c->highest = fmax(c->highest, loss);
    }
    gf_doctor_findings(doctor, c->found, MOST_FINDINGS);
    gf_net_clear_error(net);
    c->accuracy = 100 * gf_net_evaluate(net, &test, GF_LOSS_CROSS_ENTROPY, NULL).accuracy;
    gf_doctor_free(doctor);
    gf_batches_free(&batches);
    gf_optim_free(&sgd);
    gf_net_free(net);
    gf_data_free(&data);
    gf_data_free(&test);
}

static const char *diagnosis(const course *c, char text[96]) {
    snprintf(text, 96, "%s at %ld", gf_finding_name(c->found[0].code), c->found[0].first);
    return text;
}

static void draw_losses(const ex_settings *s, course courses[][2], int count) {
    char text[96];
    plot_figure *fig = plot_figure_create(1900, 1500, (count + PANEL_COLUMNS - 1) / PANEL_COLUMNS, PANEL_COLUMNS,
                                          "Ten ill nets and a healthy one: what the doctor says, and when");
    plot_text_scale(fig, 0.9);
    plot_caption(fig, "Cross entropy of each batch, smoothed. Ring: the step at which the diagnosis was first true");
    for (int i = 0; i < count; i++) {
        const course *ill = &courses[i][0], *cured = &courses[i][1];
        const long first = ill->found[0].first;
        plot_axes *ax = plot_axes_at(fig, i / PANEL_COLUMNS, i % PANEL_COLUMNS);
        plot_labels(ax, patients[i].name, "step", i % PANEL_COLUMNS ? NULL : "loss");
        plot_log_y(ax);
        plot_limits_y(ax, 0.05 / ill->highest, 3 * ill->highest);  // the legend stands below the curves
        plot_smooth(ax, ill->step, ill->loss, ill->steps, 9, i ? "before" : "healthy", plot_solid(i ? 3 : 2));
        if (i) plot_smooth(ax, cured->step, cured->loss, cured->steps, 9, patients[i].cure, plot_dashed(2));
        const int at = first < ill->steps ? (int)first : ill->steps - 1;
        if (i && at >= 0) plot_scatter(ax, &ill->step[at], &ill->loss[at], 1, diagnosis(ill, text), plot_points(0, PLOT_RING));
    }
    ex_save_chart(fig, s->out, "doctor.png");
}

static void draw_cures(const ex_settings *s, course courses[][2], int count) {
    double edges[64], bars[2][64];
    const char *names[EX_COUNT(patients)];
    int n = 0;
    for (int i = 0; i < count; i++, n += 3)  // a bar before, a bar after, a gap
        for (int k = 0; k < 3; k++) {
            edges[n + k] = i + (k - 1) * 0.4;
            for (int side = 0; side < 2; side++) bars[side][n + k] = k == side ? courses[i][side].accuracy : 0;
            names[i] = patients[i].name;
        }
    edges[n] = count - 0.4;
    plot_figure *fig = plot_figure_create(1900, 650, 1, 1, "What one line was worth");
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_labels(ax, NULL, NULL, "test accuracy, %");
    plot_names_x(ax, names, count);
    plot_limits_y(ax, 0, 100);
    plot_hist_counts(ax, edges, bars[0], n, "before", plot_solid(3));
    plot_hist_counts(ax, edges, bars[1], n, "after", plot_solid(2));
    ex_save_chart(fig, s->out, "cures.png");
}

int main(int argc, char **argv) {
    static course courses[EX_COUNT(patients)][2];
    static ex_table table;
    const int count = EX_COUNT(patients);
    ex_settings s = ex_settings_default("doctor", "What does the doctor say of ten ill nets and a healthy one?");
    ex_parse(&s, argc, argv, EX_SEED, NULL, 0);
    ex_make_folder(s.out);
    ex_table_row(&table, "patient|diagnosis at step|layer|cure|before, %%|after, %%");
    for (int i = 0; i < count; i++) {
        char text[96];
        for (int cured = 0; cured < 2; cured++)
            train(cured ? &patients[i].cured : &patients[i].ill, s.seed, s.quick ? 100 : 620, &courses[i][cured]);
        const gf_finding *f = &courses[i][0].found[0];
        printf("%s: %s\n    %s%s%s\n", patients[i].name, f->sentence, f->remedy[0] ? "remedy: " : "", f->remedy,
               f->remedy[0] ? "\n" : "");
        ex_table_row(&table, "%s|%s|%s|%s|%.1f|%.1f", patients[i].name, diagnosis(&courses[i][0], text), f->layer,
                     patients[i].cure, courses[i][0].accuracy, courses[i][1].accuracy);
    }
    ex_table_write(&table, &s, "diagnoses.md");
    draw_losses(&s, courses, count);
    draw_cures(&s, courses, count);
    for (int i = 0; i < 2 * count; i++) free(courses[i / 2][i % 2].step);
    return ex_exit_status();
}
