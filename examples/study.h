// study.h: what all studies share. A study asks one question of several nets; this file says which nets are trained and
// with which seeds, writes every number into CSV files, goes on where a run was interrupted, and draws charts and tables
// from those files. What is NOT here is the net and the training loop: they are the study's own text. It looks like this
// (a whole one, to be copied: my_study.c):
//
//     #include "study.h"                                      // brings gradflow.h, plot.h and experiment.h along
//     static study st;
//     st.s = ex_settings_default("my_study", "What do I want to know?");
//     ex_parse(&st.s, argc, argv, EX_DATA | EX_TRAINING, NULL, 0);
//     study_mnist(&st);                                       // or study_cifar10, or st.data and st.test of your own
//     study_cases(&st);                                       // one case for each of --activations
//     study_open(&st, "784-64-10", "");
//     for (study_run run; study_next(&st, &run);) {           // every case, with every seed
//         study_begin(&st, &run, build(&st, &run));           // your net; its optimiser and batches are made here
//         while (study_epoch(&st, &run)) {                    // trains an epoch; the one before is written down
//             while (study_batch(&st, &run)) {
//                 gf_net_forward(run.net, run.batches.x, run.batches.n, GF_TRAIN);
//                 double loss = gf_loss_cross_entropy(run.net, run.batches.labels);
//                 gf_net_backward(run.net);
//                 double norm = gf_net_grad_norm(run.net);
//                 if (study_last_batch(&run)) gf_net_measure(run.net);
//                 gf_optim_step(&run.optim, run.net);
//                 study_step(&st, &run, loss, norm);          // a row of steps.csv, the progress line
//             }
//         }
//         study_end(&st, &run);
//     }
//     study_close(&st);                                       // then the charts, the table, and
//     return study_free(&st);
//
// A CASE is what is compared: an activation with an initialisation, "relu kaiming". A RUN is a case with a seed. Every row
// of every file begins "activation,init,seed,epoch", so one reader (study_read) serves all charts.
//
//     steps.csv   loss and ‖∇‖ of every step             layers.csv   the instruments of every layer, once an epoch
//     epochs.csv  losses, accuracies, mean ‖∇‖, seconds  theory.csv   RMS δ_l/RMS δ_L as predicted before training, of MLPs
//     findings.csv what the doctor says of each run      report.html  all of it on one page
//     study_file  adds one of your own
//
// A run whose loss is no longer finite ends, is called diverged, and the study goes on. Ctrl-C ends the study: charts and
// tables of what there is are drawn all the same and say "interrupted".
#ifndef STUDY_H
#define STUDY_H
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"

enum { STUDY_STEPS, STUDY_EPOCHS, STUDY_LAYERS, STUDY_THEORY, STUDY_FINDINGS, STUDY_MAX_FILES = 8 };
enum { STUDY_MAX_CASES = 64, STUDY_MAX_LAYERS = 64 };

typedef struct study_case {  // one of the nets that are compared
    gf_act act;
    const char *act_name;   // as typed: "swish" stays "swish"
    const char *init_name;  // "default", "kaiming"
    gf_init weight, bias;
    int diverged;       // runs that ended in NaN or infinity
    size_t *confusion;  // [K,K] of the test set, by the first seed's net after its last epoch; NULL before
} study_case;

typedef struct study {
    ex_settings s;
    const char *net_name;        // for titles
    const char *data_name;       // "MNIST", or the stand-in's name
    const char *const *classes;  // names of the classes; NULL: numbers
    gf_dataset data, test;
    int augment;  // GF_FLIP | GF_CROP
    int apart;    // 1: charts show an activation's initialisations in panels of their own, in one style
    study_case cases[STUDY_MAX_CASES];
    int case_count;
    ex_csv file[STUDY_MAX_FILES];
    int file_count;
    ex_progress progress;
    int next;  // how many runs study_next has handed out
} study;

typedef struct study_grads {  // mean |∇W_l| and ‖∇W_l‖ of every layer, summed over the steps of the epoch
    int layers;
    double mean_abs[STUDY_MAX_LAYERS], l2[STUDY_MAX_LAYERS];
} study_grads;

typedef struct study_run {  // one net in training
    study_case *of;
    int number, seed;  // number 0 is the first seed
    char label[64];    // how its rows begin: "relu,default,42"
    gf_net *net;
    gf_optim optim;
    gf_batches batches;
    study_grads grads;
    int epoch;                                     // the one in training, from 1; 0 before the first
    long step;                                     // steps before this one, over all epochs
    double test_acc;                               // % after the last whole epoch; NaN before
    double loss, correct, norm, samples, started;  // sums over the epoch so far; its start
    gf_doctor *doctor;  // of the net, from study_watch
    int watched;        // 1: this process has trained it: a resumed run's doctor knows what it saw itself
    char checkpoint[EX_PATH];
} study_run;

// ---------------------------------------------------------------------------------------------------------------------
// Data and cases
// ---------------------------------------------------------------------------------------------------------------------

// x = (pixel/255 - mean)/std; channels is 1 (the same for all) or the images' own.
static inline void study_normalize(study *st, const double *mean, const double *std, int channels) {
    gf_data_normalize(&st->data, mean, std, channels);
    gf_data_normalize(&st->test, mean, std, channels);
}

// MNIST, or digits drawn by a program, in [0, 1].
static inline void study_mnist(study *st) { st->data_name = ex_load_mnist(&st->s, &st->data, &st->test); }

// CIFAR-10, or textures drawn by a program, in [0, 1].
static inline void study_cifar10(study *st) {
    static const char *const names[] = {"airplane", "auto", "bird",  "cat",  "deer",
                                        "dog",      "frog", "horse", "ship", "truck"};
    st->data_name = ex_load_cifar10(&st->s, &st->data, &st->test);
    st->classes = st->data.synthetic ? NULL : names;
}

// Is this the study's own data in full? Only then may its claims stand beside what was measured.
static inline int study_is_real(const study *st) {
    return !st->data.synthetic && !st->s.quick && strcmp(st->s.set, "mnist") == 0;
}

// Mean x² of the first 2000 normalised samples: where the theory of signal propagation starts.
static inline double study_input_square(const study *st) {
    size_t n = st->data.count < 2000 ? st->data.count : 2000;
    size_t size = (size_t)st->data.shape.channels * (size_t)st->data.shape.height * (size_t)st->data.shape.width;
    gf_real *x = (gf_real *)ex_realloc(NULL, size, sizeof *x);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        gf_data_sample(&st->data, i, x);
        double rms = gf_stats_of(x, size).rms;
        sum += rms * rms / (double)n;
    }
    free(x);
    return sum;
}

// Add the case of the a-th activation with this initialisation.
static inline void study_add_case(study *st, int a, const char *init_name, gf_init weight, gf_init bias) {
    if (st->case_count == STUDY_MAX_CASES) ex_usage("more than %d nets to compare", STUDY_MAX_CASES);
    study_case *c = &st->cases[st->case_count++];
    memset(c, 0, sizeof *c);
    c->act = st->s.act[a];
    c->act_name = st->s.act_name[a];
    c->init_name = init_name;
    c->weight = weight;
    c->bias = bias;
}

// The usual comparison: every activation of --activations, all from --init.
static inline void study_cases(study *st) {
    for (int a = 0; a < st->s.act_count; a++) study_add_case(st, a, st->s.init, st->s.weight_init, st->s.bias_init);
}

// How the case is called in legends: its activation; with its initialisation where there are several.
static inline const char *study_name(const study *st, const study_case *c, char name[64]) {
    int several = 0;
    for (int i = 0; i < st->case_count; i++) several |= strcmp(st->cases[i].init_name, c->init_name) != 0;
    snprintf(name, 64, several ? "%s %s" : "%s", c->act_name, c->init_name);
    return name;
}

// What the legend calls it.
static inline const char *study_legend(const study *st, const study_case *c, char name[64]) {
    if (!st->apart) return study_name(st, c, name);
    snprintf(name, 64, "%s", c->act_name);
    return name;
}

// Columns that the longest name takes.
static inline int study_width(const study *st) {
    char name[64];
    int width = 0;
    for (int i = 0; i < st->case_count; i++) {
        int length = (int)strlen(study_name(st, &st->cases[i], name));
        if (length > width) width = length;
    }
    return width;
}

static inline const char *study_class(const study *st, int k) {
    static const char *const digit[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    return st->classes != NULL ? st->classes[k] : k < EX_COUNT(digit) ? digit[k] : "?";
}

// ---------------------------------------------------------------------------------------------------------------------
// Files
// ---------------------------------------------------------------------------------------------------------------------

// Add a CSV file; the header must begin "activation,init,seed,epoch". Returns the file's number.
static inline int study_file(study *st, const char *name, const char *header) {
    if (st->file_count == STUDY_MAX_FILES) ex_die("%s: more than %d files", name, STUDY_MAX_FILES);
    ex_csv_open(&st->file[st->file_count], &st->s, name, header);
    return st->file_count++;
}

// Make the output folder and begin its CSV files. net_name is for titles; own_settings is what else a run depends on,
// for --resume to compare ("depth 7").
static inline void study_open(study *st, const char *net_name, const char *own_settings) {
    ex_settings *s = &st->s;
    st->net_name = net_name;
    st->file_count = 0;
    st->next = 0;
    for (study_case *c = st->cases; c < st->cases + st->case_count; c++) {
        free(c->confusion);
        c->confusion = NULL;
        c->diverged = 0;
    }
    ex_make_folder(s->out);
    if (s->resumable) ex_resume(s, st->data_name, own_settings);
    study_file(st, "steps.csv", "activation,init,seed,epoch,step,loss,grad_norm");
    study_file(st, "epochs.csv",
               "activation,init,seed,epoch,train_loss,train_acc,test_loss,test_acc,grad_norm,seconds");
    study_file(st, "layers.csv", ex_layers_header());
    study_file(st, "theory.csv", "activation,init,seed,epoch,layer,delta");
    study_file(st, "findings.csv",
               "activation,init,seed,epoch,rank,finding,layer,sure,measured,limit,first,last,cause,sentence");
    ex_progress_start(&st->progress, ex_steps_per_epoch(s, &st->data) * s->epochs * s->seeds * st->case_count);
}

// All rows are written: give the files their names. Charts come after this. A theory that says nothing leaves no file.
static inline void study_close(study *st) {
    char line[256];
    for (int f = 0; f < st->file_count; f++) ex_csv_close(&st->file[f]);
    FILE *theory = fopen(st->file[STUDY_THEORY].path, "r");
    if (theory == NULL) return;
    const int rows = fgets(line, sizeof line, theory) != NULL && fgets(line, sizeof line, theory) != NULL;
    fclose(theory);
    if (!rows) remove(st->file[STUDY_THEORY].path);
}

// Free everything; what main returns.
static inline int study_free(study *st) {
    for (int c = 0; c < st->case_count; c++) free(st->cases[c].confusion);
    gf_data_free(&st->data);
    gf_data_free(&st->test);
    return ex_exit_status();
}

// "relu,default,42": how the rows of a case's number-th seed begin.
static inline const char *study_label(const study *st, const study_case *c, int number, char label[64]) {
    snprintf(label, 64, "%s,%s,%d", c->act_name, c->init_name, st->s.seed + number);
    return label;
}

// ---------------------------------------------------------------------------------------------------------------------
// Training
// ---------------------------------------------------------------------------------------------------------------------

// The next run: all cases with the first seed, then all with the second. 0: that was the last, or Ctrl-C.
static inline int study_next(study *st, study_run *run) {
    if (ex_stop || st->next == st->case_count * st->s.seeds) return 0;
    memset(run, 0, sizeof *run);
    run->of = &st->cases[st->next % st->case_count];
    run->number = st->next / st->case_count;
    run->seed = st->s.seed + run->number;
    run->test_acc = NAN;
    study_label(st, run->of, run->number, run->label);
    if (st->next % st->case_count == 0 && st->s.seeds > 1) printf("seed %d\n", run->seed);
    st->next++;
    return 1;
}

// Bring the run to where its checkpoint stands, if there is one.
//
// A run that is stopped, or killed, goes on from the end of its last whole epoch: first the CSV files are put in place,
// then the checkpoint. So the files never know less than the checkpoint, and what they know more is dropped here.
static inline void study_resume(study *st, study_run *run) {
    char file[96];
    snprintf(file, sizeof file, "%s_%s_%d.checkpoint", run->of->act_name, run->of->init_name, run->seed);
    ex_path(run->checkpoint, st->s.out, file);
    if (!st->s.resume) remove(run->checkpoint);
    else if (ex_file_exists(run->checkpoint)) {
        gf_net_load(run->net, &run->optim, &run->batches, run->checkpoint);
        ex_check(run->net);
        run->epoch = (int)run->batches.epoch;
        run->step = ex_steps_per_epoch(&st->s, &st->data) * run->epoch;
        ex_progress_skip(&st->progress, run->step);
    }
    for (int f = 0; f < st->file_count; f++) ex_csv_rewind(&st->file[f], run->label, run->epoch);
}

// The theory's rows, for nets of dense layers and activations alone: it says nothing of others. They stand with the first
// epoch, so that a run that is resumed keeps them and one that begins again writes them anew.
static inline void study_write_theory(study *st, const study_run *run) {
    gf_theory_layer layer[STUDY_MAX_LAYERS];
    int count = 0;
    for (int i = 0; i < gf_net_describe(run->net).layer_count; i++) {
        const char *name = gf_net_layer(run->net, i).name;
        const int dense = strncmp(name, "dense", 5) == 0;
        if ((!dense && strncmp(name, "act", 3) != 0) || count == STUDY_MAX_LAYERS) return;
        char weight[48];
        snprintf(weight, sizeof weight, "dense%d.weight", count + 1);
        const gf_tensor *w = dense ? gf_net_tensor(run->net, weight) : NULL;
        if (w != NULL)
            layer[count++] = gf_theory_affine(w->dims[1], w->dims[0], w->dims[0], run->of->weight, run->of->bias);
    }
    if (count == 0 || gf_theory_profile(run->of->act, study_input_square(st), layer, count) != GF_OK) return;
    for (int l = 0; l < count; l++)
        ex_csv_row(&st->file[STUDY_THEORY], "%s,1,%d,%.9g", run->label, l + 1, layer[l].delta);
}

static gf_doctor *study_last_doctor;  // of the net that is being built

// Before gf_net_build: have a doctor watch this net. study_end asks it.
static inline void study_watch(const study *st, gf_net *net) { study_last_doctor = gf_doctor_create(net, &st->data); }

// Take the built net into the run: its optimiser, and batches shuffled by the run's seed.
static inline void study_begin(study *st, study_run *run, gf_net *net) {
    run->net = net;
    run->doctor = study_last_doctor;
    study_last_doctor = NULL;
    gf_optim_init(&run->optim, net, st->s.optim_config);
    ex_check(net);
    if (gf_batches_init(&run->batches, &st->data, st->s.batch, (uint64_t)run->seed, GF_SHUFFLE | st->augment) != GF_OK)
        ex_die("%s", gf_last_error());
    if (st->s.resumable) study_resume(st, run);
    if (run->epoch == 0) study_write_theory(st, run);
}

// Is this the epoch's last batch? The instruments are read there: gf_net_measure.
static inline int study_last_batch(const study_run *run) { return run->batches.batch + 1 == run->batches.per_epoch; }

// The test set in evaluation mode; the first seed's confusion stays with the case.
static inline gf_score study_evaluate(study *st, study_run *run) {
    size_t classes = (size_t)st->data.classes;
    size_t *confusion = NULL;
    if (run->number == 0 && run->epoch == st->s.epochs)
        confusion = (size_t *)ex_realloc(run->of->confusion, classes * classes, sizeof *confusion);
    if (confusion != NULL) run->of->confusion = confusion;
    return gf_net_evaluate(run->net, &st->test, GF_LOSS_CROSS_ENTROPY, confusion);
}

// The epoch's rows, its line on the screen and its checkpoint.
static inline void study_write_epoch(study *st, study_run *run) {
    char name[64];
    double seconds = ex_now() - run->started;
    double train_loss = run->loss / run->samples;
    double train_acc = 100 * run->correct / run->samples;
    double norm = run->norm / run->samples;
    gf_score score = study_evaluate(st, run);
    run->test_acc = 100 * score.accuracy;
    ex_csv_row(&st->file[STUDY_EPOCHS], "%s,%d,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g", run->label, run->epoch, train_loss,
               train_acc, score.loss, run->test_acc, norm, seconds);
    ex_layers_rows(&st->file[STUDY_LAYERS], run->label, run->epoch, run->net);
    ex_progress_note(&st->progress, "%-*s epoch %2d  train %.3f %4.1f%%  test %.3f %4.1f%%  |g| %-5.2g  %.1f s",
                     study_width(st), study_name(st, run->of, name), run->epoch, train_loss, train_acc, score.loss,
                     run->test_acc, norm, seconds);
    ex_check(run->net);
    if (!st->s.resumable) return;
    for (int f = 0; f < st->file_count; f++) ex_csv_save(&st->file[f]);
    gf_net_save(run->net, &run->optim, &run->batches, run->checkpoint);
    ex_check(run->net);
}

// A loss or gradient that is not finite ends the run, not the study.
static inline int study_has_diverged(study *st, study_run *run) {
    char name[64];
    if (gf_net_status(run->net) != GF_ERROR_NONFINITE) return 0;
    ex_progress_note(&st->progress, "%s diverged in epoch %d: %s", study_name(st, run->of, name), run->epoch,
                     gf_net_error(run->net));
    run->of->diverged++;
    return 1;
}

// Write the epoch that is over, if there is one, and begin the next. 0: there is none.
static inline int study_epoch(study *st, study_run *run) {
    if (ex_stop || study_has_diverged(st, run)) return 0;
    if (run->samples > 0) study_write_epoch(st, run);
    if (run->epoch >= st->s.epochs && run->of->confusion == NULL) study_evaluate(st, run);  // resumed after the last
    if (run->epoch >= st->s.epochs) return 0;
    run->epoch++;
    run->loss = 0;
    run->correct = 0;
    run->norm = 0;
    run->samples = 0;
    run->started = ex_now();
    return 1;
}

// The next batch of the epoch is in run->batches. 0: the epoch is over, or Ctrl-C, or the net has an error.
static inline int study_batch(study *st, study_run *run) {
    (void)st;
    return !ex_stop && gf_net_status(run->net) == GF_OK && gf_batches_next(&run->batches);
}

// After the optimiser's step: the step's loss and ‖∇‖ over all parameters, taken before clipping.
static inline void study_step(study *st, study_run *run, double loss, double norm) {
    char name[64];
    if (gf_net_status(run->net) == GF_ERROR_NONFINITE) return;
    ex_check(run->net);
    int n = run->batches.n;
    run->loss += loss * n;
    run->norm += norm * n;
    run->correct += gf_net_correct(run->net);
    run->samples += n;
    ex_csv_row(&st->file[STUDY_STEPS], "%s,%d,%ld,%.9g,%.9g", run->label, run->epoch, run->step, loss, norm);
    ex_progress_step(&st->progress, study_name(st, run->of, name), run->epoch, st->s.epochs, loss);
    run->step++;
    run->watched = 1;
}

// Is the run trained to its last epoch? Not after Ctrl-C, nor when it has diverged.
static inline int study_is_whole(const study *st, const study_run *run) {
    return !ex_stop && gf_net_status(run->net) == GF_OK && run->epoch == st->s.epochs;
}

// The optional file grads.csv: mean |∇W_l| and ‖∇W_l‖ of every layer, averaged over the steps of an epoch. Returns its
// number.
static inline int study_grads_file(study *st) {
    return study_file(st, "grads.csv", "activation,init,seed,epoch,layer,name,mean_abs,l2");
}

// For grads.csv, after every backward. Weights are the tensors with more than one dimension, in the order of the layers.
static inline void study_add_grads(study *st, study_run *run, int file) {
    study_grads *grads = &run->grads;
    const double steps = (double)(run->batches.batch + 1);
    if (run->batches.batch == 0) memset(grads, 0, sizeof *grads);
    grads->layers = 0;
    for (int t = 0; t < gf_net_describe(run->net).tensor_count; t++) {
        const gf_tensor *weight = gf_net_tensor_at(run->net, t);
        if (weight->rank < 2 || grads->layers == STUDY_MAX_LAYERS) continue;
        const gf_stats stats = gf_stats_of(weight->grad, weight->size);
        const int l = grads->layers++;
        grads->mean_abs[l] += stats.mean_abs;
        grads->l2[l] += stats.l2;
        if (study_last_batch(run))
            ex_csv_row(&st->file[file], "%s,%d,%d,%.*s,%.9g,%.9g", run->label, run->epoch, l + 1,
                       (int)strcspn(weight->name, "."), weight->name, grads->mean_abs[l] / steps, grads->l2[l] / steps);
    }
}

// The optional file profile.csv: RMS δ and ∇W of every layer, at the steps you choose. Returns its number.
static inline int study_profile_file(study *st) {
    return study_file(st, "profile.csv", "activation,init,seed,epoch,step,layer,rms_delta,rms_dw");
}

// After gf_net_measure.
static inline void study_write_profile(study *st, const study_run *run, int file) {
    for (int l = 1; l <= gf_net_describe(run->net).affine_count; l++) {
        const gf_layer_probe *p = gf_net_probe(run->net, l);
        ex_csv_row(&st->file[file], "%s,%d,%ld,%d,%.9g,%.9g", run->label, run->epoch, run->step, l, p->delta.rms,
                   p->dw.rms);
    }
}

// What the doctor says of the run: a line on the screen, all of it into findings.csv.
static inline void study_write_findings(study *st, const study_run *run) {
    static gf_finding found[GF_FINDING_COUNT];
    char name[64];
    const int count = run->doctor && run->watched ? gf_doctor_findings(run->doctor, found, GF_FINDING_COUNT) : 0;
    if (count > 0) ex_progress_note(&st->progress, "%s: %s", study_name(st, run->of, name), found[0].sentence);
    for (int i = 0; i < count; i++) {
        gf_finding *f = &found[i];
        for (char *at = f->sentence; *at != '\0'; at++)
            if (*at == ',') *at = ';';
        ex_csv_add(&st->file[STUDY_FINDINGS], "%s,%d,%d,%s,%s,%.3g", run->label, run->epoch, i + 1, gf_finding_name(f->code),
                   f->layer[0] ? f->layer : "-", f->sure);
        for (int k = 0; k < 2; k++) {
            const double value = k ? f->limit : f->measured;
            if (isfinite(value)) ex_csv_add(&st->file[STUDY_FINDINGS], ",%.6g", value);
            else ex_csv_add(&st->file[STUDY_FINDINGS], ",-");
        }
        ex_csv_row(&st->file[STUDY_FINDINGS], ",%ld,%ld,%s,%s", f->first, f->last,
                   f->cause >= 0 ? gf_finding_name(found[f->cause].code) : "-", f->sentence);
    }
}

static inline void study_end(study *st, study_run *run) {
    study_write_findings(st, run);
    gf_doctor_free(run->doctor);
    gf_batches_free(&run->batches);
    gf_optim_free(&run->optim);
    gf_net_free(run->net);
}

// ---------------------------------------------------------------------------------------------------------------------
// Reading the files back
// ---------------------------------------------------------------------------------------------------------------------

typedef struct study_curve {  // one column of one case, row by row: mean and standard deviation over the seeds
    double *x, *mean, *std;   // x: 1, 2, 3 … ; [n] each, free with study_curve_free
    int n, seeds;             // rows; seeds that have reached the last of them
} study_curve;

static inline void study_curve_free(study_curve *curve) { free(curve->x); }

// Where seeds have come differently far, each mean is over those that have come so far.
static inline study_curve study_read(const study *st, const study_case *c, int file, const char *column) {
    int seeds = st->s.seeds;
    ex_series *series = (ex_series *)ex_realloc(NULL, (size_t)seeds, sizeof *series);
    double *values = (double *)ex_realloc(NULL, (size_t)seeds, sizeof *values);
    study_curve curve = {NULL, NULL, NULL, 0, 0};
    char label[64];
    memset(series, 0, (size_t)seeds * sizeof *series);
    for (int r = 0; r < seeds; r++) {
        ex_csv_series(&st->file[file], study_label(st, c, r, label), column, &series[r]);
        if ((int)series[r].n > curve.n) curve.n = (int)series[r].n;
    }
    curve.x = (double *)ex_realloc(NULL, 3 * (size_t)curve.n, sizeof(double));
    curve.mean = curve.x + curve.n;
    curve.std = curve.mean + curve.n;
    for (int i = 0; i < curve.n; i++) {
        size_t reached = 0;
        for (int r = 0; r < seeds; r++)
            if ((size_t)i < series[r].n) values[reached++] = series[r].v[i];
        curve.x[i] = i + 1;
        curve.mean[i] = ex_mean(values, reached);
        curve.std[i] = ex_std(values, reached);
        curve.seeds = (int)reached;
    }
    for (int r = 0; r < seeds; r++) ex_series_free(&series[r]);
    free(series);
    free(values);
    return curve;
}

// Has the case come to the end of an epoch?
static inline int study_has_run(const study *st, const study_case *c) {
    study_curve curve = study_read(st, c, STUDY_EPOCHS, "epoch");
    study_curve_free(&curve);
    return curve.n > 0;
}

// The last value of a column; NaN if it has none.
static inline double study_last(const study *st, const study_case *c, int file, const char *column) {
    study_curve curve = study_read(st, c, file, column);
    double last = curve.n > 0 ? curve.mean[curve.n - 1] : NAN;
    study_curve_free(&curve);
    return last;
}

// ---------------------------------------------------------------------------------------------------------------------
// Charts
// ---------------------------------------------------------------------------------------------------------------------

// The case's line: its activation's colour and dash, the same in every chart; another dash for a second initialisation.
static inline plot_style study_style(const study *st, const study_case *c) {
    plot_style style = plot_named_style(c->act_name);
    int twins = 0;
    for (const study_case *k = st->cases; k < c; k++) twins += strcmp(k->act_name, c->act_name) == 0;
    if (!st->apart) style.dash = (plot_dash)(((int)style.dash + twins) % (int)PLOT_NO_LINE);
    return style;
}

static inline plot_style study_marked(const study *st, const study_case *c) {
    plot_style style = study_style(st, c);
    style.marker = PLOT_CIRCLE;
    return style;
}

// Do two cases share a colour? Then only the dashes tell them apart and are not free to mean training and test.
static inline int study_needs_dashes(const study *st) {
    for (int i = 0; i < st->case_count; i++)
        for (int k = 0; k < i; k++)
            if (plot_named_color(st->cases[i].act_name) == plot_named_color(st->cases[k].act_name)) return 1;
    return 0;
}

// A figure whose title says what it shows, of which net, which data and which seeds, and whether the run was whole.
static inline plot_figure *study_titled(const study *st, int width, int height, int rows, int cols, const char *what,
                                        const char *seeds) {
    char title[256];
    snprintf(title, sizeof title, "%s: %s on %s%s%s%s", what, st->net_name, st->data_name, seeds,
             st->s.quick ? " (--quick)" : "", ex_stop ? " (interrupted)" : "");
    return plot_figure_create(width, height, rows, cols, title);
}

// One that shows means over all seeds.
static inline plot_figure *study_figure(const study *st, int width, int height, int rows, int cols, const char *what) {
    char seeds[32] = "";
    if (st->s.seeds > 1) snprintf(seeds, sizeof seeds, ", mean of %d seeds", st->s.seeds);
    return study_titled(st, width, height, rows, cols, what, seeds);
}

// One that shows the first seed alone.
static inline plot_figure *study_figure_first(const study *st, int width, int height, int rows, int cols,
                                              const char *what) {
    char seed[32] = "";
    if (st->s.seeds > 1) snprintf(seed, sizeof seed, ", seed %d", st->s.seed);
    return study_titled(st, width, height, rows, cols, what, seed);
}

// One column of epochs.csv against the epoch, with a band of ± one standard deviation over the seeds.
static inline void study_draw_epochs(plot_axes *ax, const study *st, const study_case *c, const char *column,
                                     const char *label, plot_style style) {
    study_curve curve = study_read(st, c, STUDY_EPOCHS, column);
    if (curve.n == 1) style.marker = PLOT_CIRCLE;
    if (curve.n > 0 && st->s.seeds > 1) plot_mean_std(ax, curve.x, curve.mean, curve.std, curve.n, label, style);
    else if (curve.n > 0) plot_line(ax, curve.x, curve.mean, curve.n, label, style);
    study_curve_free(&curve);
}

// The geometric mean of the n/50 values before and after each, as many as there are: v changes.
static inline void study_average(double *v, int n) {
    double *sum = (double *)ex_realloc(NULL, (size_t)n + 1, sizeof *sum);  // of the logarithms of v[0] … v[i-1]
    sum[0] = 0;
    for (int i = 0; i < n; i++) sum[i + 1] = sum[i] + log(v[i]);
    for (int i = 0; i < n; i++) {
        int half = n / 100 + 1;
        if (half > i) half = i;  // the window is symmetric: it starts and ends with the data
        if (half > n - 1 - i) half = n - 1 - i;
        v[i] = exp((sum[i + half + 1] - sum[i - half]) / (2 * half + 1));
    }
    free(sum);
}

// One column of steps.csv (or a file of your own with a row a step): its moving average, over every step in pale if raw.
static inline void study_draw_steps(plot_axes *ax, const study *st, const study_case *c, int file, const char *column,
                                    int raw) {
    char name[64];
    study_curve curve = study_read(st, c, file, column);
    study_legend(st, c, name);
    if (!raw) study_average(curve.mean, curve.n);
    if (curve.n > 0 && raw) plot_smooth(ax, curve.x, curve.mean, curve.n, 0, name, study_style(st, c));
    if (curve.n > 0 && !raw) plot_line(ax, curve.x, curve.mean, curve.n, name, study_style(st, c));
    study_curve_free(&curve);
}

// A quantity that is measured on the training and on the test data, by epoch: training solid, test dashed, one entry in
// the legend for each case. count cases from `first`.
static inline void study_panel_both(plot_axes *ax, const study *st, int first, int count, const char *title,
                                    const char *train_column, const char *test_column) {
    char text[96], name[64];
    int only_test = study_needs_dashes(st);
    snprintf(text, sizeof text, only_test ? "test %s" : "%s: training solid, test dashed", title);
    plot_labels(ax, text, "epoch", strcmp(title, "loss") == 0 ? "cross entropy" : "accuracy in %");
    for (const study_case *c = &st->cases[first]; c < &st->cases[first + count]; c++) {
        plot_style style = study_style(st, c);
        study_legend(st, c, name);
        if (!only_test) style.dash = PLOT_SOLID;
        study_draw_epochs(ax, st, c, only_test ? test_column : train_column, name, style);
        style.dash = PLOT_DASHED;
        if (!only_test) study_draw_epochs(ax, st, c, test_column, NULL, style);
    }
}

static inline void study_panel_loss(plot_axes *ax, const study *st, int first, int count) {
    study_panel_both(ax, st, first, count, "loss", "train_loss", "test_loss");
    plot_log_y(ax);
}

static inline void study_panel_accuracy(plot_axes *ax, const study *st, int first, int count) {
    study_panel_both(ax, st, first, count, "accuracy", "train_acc", "test_acc");
}

// Loss and ‖∇‖ by step.
static inline void study_panel_step_loss(plot_axes *ax, const study *st, int first, int count) {
    plot_labels(ax, count > 3 ? "training loss (moving average)" : "training loss", "step", "cross entropy");
    plot_log_y(ax);
    for (int c = first; c < first + count; c++)
        study_draw_steps(ax, st, &st->cases[c], STUDY_STEPS, "loss", count <= 3);
}

// ‖∇‖ of more than three nets is drawn as moving averages alone: raw traces on top of each other hide all.
static inline void study_panel_norm(plot_axes *ax, const study *st, int first, int count) {
    plot_labels(ax, count > 3 ? "gradient norm, all parameters (moving average)" : "gradient norm, all parameters",
                "step", "‖∇‖");
    plot_log_y(ax);
    for (int c = first; c < first + count; c++)
        study_draw_steps(ax, st, &st->cases[c], STUDY_STEPS, "grad_norm", count <= 3);
}

// A column of layers.csv or grads.csv against the layer, in the first epoch or the last. The net has `layers` of them.
static inline void study_panel_layers(plot_axes *ax, const study *st, int file, const char *column, int layers,
                                      int last) {
    char name[64];
    plot_log_y(ax);
    for (const study_case *c = st->cases; c < st->cases + st->case_count; c++) {
        study_curve curve = study_read(st, c, file, column);
        const double *y = curve.mean + (last ? curve.n - layers : 0);
        if (curve.n >= layers) plot_line(ax, curve.x, y, layers, study_legend(st, c, name), study_marked(st, c));
        study_curve_free(&curve);
    }
}

// A column of profile.csv as log10, layer by step: one picture a case, NAME_INIT_ACTIVATION.png, all in one range of
// colours. what is "RMS δ".
static inline void study_chart_profiles(const study *st, int file, const char *column, const char *what,
                                        const char *name) {
    double low = INFINITY, high = -INFINITY;
    char text[160];
    for (int pass = 0; pass < 2; pass++)  // first the range, then the pictures
        for (const study_case *c = st->cases; c < st->cases + st->case_count; c++) {
            study_curve curve = study_read(st, c, file, column);
            study_curve step = study_read(st, c, file, "step");
            study_curve layer = study_read(st, c, file, "layer");
            const int layers = layer.n > 0 ? (int)layer.mean[layer.n - 1] : 1;
            const int columns = curve.n / layers;
            double *map = (double *)ex_realloc(NULL, (size_t)curve.n, sizeof *map);
            for (int i = 0; i < columns * layers; i++) {
                const double value = log10(curve.mean[i]);
                map[i % layers * columns + i / layers] = value;
                if (isfinite(value)) low = fmin(low, value);
                if (isfinite(value)) high = fmax(high, value);
            }
            if (pass == 1 && columns > 1) {
                snprintf(text, sizeof text, "%s of %s, %s initialisation", what, c->act_name, c->init_name);
                plot_figure *fig = study_figure_first(st, 1100, 600, 1, 1, text);
                plot_axes *ax = plot_axes_at(fig, 0, 0);
                plot_labels(ax, NULL, "step", "layer");
                plot_heatmap(ax, map, layers, columns, PLOT_INFERNO);
                plot_heatmap_extent(ax, 0, step.mean[step.n - 1], 0.5, layers + 0.5);
                plot_color_range(ax, low, high);
                snprintf(text, sizeof text, "log_{10} %s (one range for all nets)", what);
                plot_color_label(ax, text);
                snprintf(text, sizeof text, "%s_%s_%s.png", name, c->init_name, c->act_name);
                ex_save_chart(fig, st->s.out, text);
            }
            free(map);
            study_curve_free(&curve);
            study_curve_free(&step);
            study_curve_free(&layer);
        }
}

// The confusion of a case's first seed: which class is taken for which. Zeros stay white and empty.
static inline void study_chart_confusion(const study *st, const study_case *c, const char *file) {
    int classes = st->data.classes;
    const char *names[32];
    char title[64];
    if (c->confusion == NULL || classes > EX_COUNT(names)) return;
    double *counts = (double *)ex_realloc(NULL, (size_t)(classes * classes), sizeof *counts);
    for (int i = 0; i < classes * classes; i++) counts[i] = (double)c->confusion[i];
    for (int k = 0; k < classes; k++) names[k] = study_class(st, k);
    snprintf(title, sizeof title, "Confusion, %s", c->act_name);
    plot_figure *fig = study_figure_first(st, 900, 800, 1, 1, title);
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_labels(ax, NULL, "predicted", "true");
    plot_heatmap(ax, counts, classes, classes, PLOT_BLUES);
    plot_heatmap_values(ax, "%.0f");
    plot_heatmap_hide_zeros(ax);
    plot_heatmap_square(ax);
    plot_names_x(ax, names, classes);
    plot_names_y(ax, names, classes);
    plot_color_log(ax);
    plot_color_label(ax, "test samples (log scale)");
    ex_save_chart(fig, st->s.out, file);
    free(counts);
}

// ---------------------------------------------------------------------------------------------------------------------
// Tables
// ---------------------------------------------------------------------------------------------------------------------

// "97.25 ± 0.35" of the last epoch, or "97.25" of one seed; "–" before the first epoch is over.
static inline const char *study_final(const study *st, const study_case *c, const char *column, char text[64]) {
    study_curve curve = study_read(st, c, STUDY_EPOCHS, column);
    int last = curve.n - 1;
    if (last < 0) snprintf(text, 64, "–");
    else if (curve.seeds == 1) snprintf(text, 64, "%.2f", curve.mean[last]);
    else snprintf(text, 64, "%.2f ± %.2f", curve.mean[last], curve.std[last]);
    study_curve_free(&curve);
    return text;
}

// "89.6 → 98.6": the first epoch's value and the last's, in this printf format.
static inline const char *study_change(const study *st, const study_case *c, const char *column, const char *format,
                                       char text[64]) {
    char first[24], last[24];
    study_curve curve = study_read(st, c, STUDY_EPOCHS, column);
    snprintf(text, 64, "–");
    if (curve.n > 0) {
        snprintf(first, sizeof first, format, curve.mean[0]);
        snprintf(last, sizeof last, format, curve.mean[curve.n - 1]);
        snprintf(text, 64, "%s → %s", first, last);
    }
    study_curve_free(&curve);
    return text;
}

// "2 / 4 / never": the first epochs with this much test accuracy.
static inline const char *study_reached(const study *st, const study_case *c, const double *percent, int count,
                                        char text[64]) {
    study_curve curve = study_read(st, c, STUDY_EPOCHS, "test_acc");
    text[0] = '\0';
    for (int i = 0; i < count; i++) {
        int epoch = ex_first_reach(curve.mean, (size_t)curve.n, percent[i]);
        size_t used = strlen(text);
        snprintf(text + used, 64 - used, epoch > 0 ? "%s%d" : "%snever", i > 0 ? " / " : "", epoch);
    }
    study_curve_free(&curve);
    return text;
}

typedef struct study_claim {  // what a study said of an activation; shown beside its own data only
    const char *act_name, *text;
} study_claim;

// A table of cases: first their names, then what was claimed of them, then cells separated by '|'.
static inline void study_table_head(ex_table *t, const study *st, const char *cells) {
    memset(t, 0, sizeof *t);
    ex_table_row(t, "net%s|%s", study_is_real(st) ? "|claimed" : "", cells);
}

static inline void study_table_row(ex_table *t, const study *st, const study_case *c, const study_claim *claims,
                                   int count, const char *cells) {
    const char *claim = "–";
    char name[64];
    for (int k = 0; k < count; k++)
        if (strcmp(claims[k].act_name, c->act_name) == 0) claim = claims[k].text;
    ex_table_row(t, "%s%s%s%s|%s", study_name(st, c, name), c->diverged ? " (diverged)" : "",
                 study_is_real(st) ? "|" : "", study_is_real(st) ? claim : "", cells);
}

// Print the table and write it as table.md. claimed says what the claims are, "training accuracy in %".
static inline void study_table_end(const ex_table *t, const study *st, const char *claimed) {
    ex_table_write(t, &st->s, "table.md");
    if (study_is_real(st)) printf("claimed: by the study, %s\n", claimed);
    else printf("the study's claims are of the whole real data set and are not shown beside this run\n");
}

// The table that suits any study: accuracies, loss, gradient norm.
static inline void study_table(const study *st) {
    static ex_table table;
    char name[64], train[64], test[64], norm[64], reached[64];
    const double percent[] = {50, 90};
    ex_table_row(&table, "%s", "net|train %|test %|‖∇‖|epochs to 50 / 90 %");
    for (const study_case *c = st->cases; c < st->cases + st->case_count; c++)
        ex_table_row(&table, "%s%s|%s|%s|%s|%s", study_name(st, c, name), c->diverged ? " (diverged)" : "",
                     study_change(st, c, "train_acc", "%.1f", train), study_final(st, c, "test_acc", test),
                     study_change(st, c, "grad_norm", "%.2g", norm), study_reached(st, c, percent, 2, reached));
    ex_table_write(&table, &st->s, "table.md");
}

// Share of each class that the case's first net recognises.
static inline void study_print_recall(const study *st, const study_case *c) {
    if (c->confusion == NULL) return;
    printf("recall in %%, %s:", c->act_name);
    for (int k = 0; k < st->data.classes; k++)
        printf(" %s %.0f", study_class(st, k), 100 * ex_recall(c->confusion, st->data.classes, k));
    printf("\n");
}

#endif
