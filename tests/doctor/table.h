// table.h: a row of the table, one run of it, and what a run says.
#ifndef DOCTOR_TABLE_H
#define DOCTOR_TABLE_H
#include "makers.h"

// A program in words: data and nets as in makers.h, training as in plan_of. The twin is the repaired program: NULL means
// the same. Without any difference a row is a control, a program that must not be alarmed on.
typedef struct program {
    const char *id, *what;
    const char *data, *net, *train;
    const char *twin_data, *twin_net, *twin_train;
    const char *codes;  // findings that name the true cause, by gf_finding_name, the best first; a layer may follow one
                        // as in "dead@dense2". Findings of their families are in the right family.
    int fast;           // 1: also in `make test`, without data sets
} program;

enum { RUN_EVALUATIONS = 4, RUN_FOUND = 12 };

typedef struct plan {
    gf_optim_config optim;
    int batch, steps, flip, no_step, in_order;
    double clip;
    gf_mode mode;
    char loss[24];
} plan;

//     sgd:LR adam:LR adamw:LR rmsprop:LR  mom:M decay:D eps:E  batch:B steps:N clip:C  loss:ce|bce|mse|one of makers.h
//     flip: steps up the slope   no_step: none is taken   eval: trains in GF_EVAL   in_order: batches are not shuffled
static plan plan_of(const char *words) {
    plan p;
    char buffer[256];
    memset(&p, 0, sizeof p);
    p.optim = gf_sgd(0.1), p.batch = 32, p.steps = 300;
    snprintf(p.loss, sizeof p.loss, "ce");
    snprintf(buffer, sizeof buffer, "%s", words);
    for (char *word = strtok(buffer, " "); word; word = strtok(NULL, " ")) {
        const char *colon = strchr(word, ':');
        const double a = colon ? atof(colon + 1) : 0;
        if (!strncmp(word, "sgd", 3)) p.optim = gf_sgd(a);
        else if (!strncmp(word, "adamw", 5)) p.optim = gf_adamw(a);
        else if (!strncmp(word, "adam", 4)) p.optim = gf_adam(a);
        else if (!strncmp(word, "rmsprop", 7)) p.optim = gf_rmsprop(a);
        else if (!strncmp(word, "mom", 3)) p.optim.momentum = a;
        else if (!strncmp(word, "decay", 5)) p.optim.weight_decay = a;
        else if (!strncmp(word, "eps", 3)) p.optim.eps = a;
        else if (!strncmp(word, "batch", 5)) p.batch = (int)a;
        else if (!strncmp(word, "steps", 5)) p.steps = (int)a;
        else if (!strncmp(word, "clip", 4)) p.clip = a;
        else if (!strncmp(word, "loss:", 5)) snprintf(p.loss, sizeof p.loss, "%s", word + 5);
        else if (!strcmp(word, "flip")) p.flip = 1;
        else if (!strcmp(word, "no_step")) p.no_step = 1;
        else if (!strcmp(word, "eval")) p.mode = GF_EVAL;
        else if (!strcmp(word, "in_order")) p.in_order = 1;
        else fprintf(stderr, "no training is called \"%s\"\n", word);
    }
    return p;
}

static int plan_builtin(const plan *p) { return !strcmp(p->loss, "ce") || !strcmp(p->loss, "bce") || !strcmp(p->loss, "mse"); }
static gf_loss_kind plan_kind(const plan *p) {
    return !strcmp(p->loss, "ce") ? GF_LOSS_CROSS_ENTROPY : !strcmp(p->loss, "bce") ? GF_LOSS_BCE : GF_LOSS_MSE;
}

// By labels: cross entropies and what else takes classes; by targets: anything else.
static int plan_by_class(const plan *p) {
    return !strncmp(p->loss, "ce", 2) || strstr(p->loss, "softmax_twice") || !strcmp(p->loss, "mse_softmax") ||
           !strcmp(p->loss, "smoothing");
}

static double plan_loss(const plan *p, gf_net *net, const int *labels, const gf_real *targets) {
    if (!strcmp(p->loss, "ce")) return gf_loss_cross_entropy(net, labels);
    if (!strcmp(p->loss, "bce")) return gf_loss_bce(net, targets);
    if (!strcmp(p->loss, "mse")) return gf_loss_mse(net, targets);
    maker_loss own = {p->loss, labels, targets};
    const gf_custom_loss loss = {maker_loss_function, &own};
    return gf_loss_custom(net, &loss);
}

// How good is it on this set? Classes: the share of right ones. Numbers: the unexplained share of their variance.
typedef struct outcome {
    double loss, accuracy, unexplained;
} outcome;

static outcome run_outcome(gf_net *net, const gf_dataset *data, const plan *p) {
    static gf_real x[64 * 3072];
    const size_t I = net_shape_size(data->shape), K = (size_t)net_outputs(net);
    double right = 0, squares = 0, mean = 0, spread = 0, loss = 0;
    const double threshold = !strcmp(p->loss, "bce") ? 0 : 0.5;
    outcome none = {NAN, 0, INFINITY};
    for (size_t i = 0; data->targets && i < data->count * K; i++) mean += (double)data->targets[i] / (double)(data->count * K);
    for (size_t at = 0; at < data->count; at += 16) {
        const size_t n = data->count - at < 16 ? data->count - at : 16;
        for (size_t b = 0; b < n; b++) gf_data_sample(data, at + b, x + b * I);
        const gf_real *y = gf_net_forward(net, x, (int)n, GF_EVAL);
        if (!y) return none;
        for (size_t b = 0; b < n; b++) {
            const gf_real *row = y + b * K, *t = data->targets ? data->targets + (at + b) * K : NULL;
            size_t best = 0, wanted = t ? 0 : (size_t)data->labels[at + b];
            for (size_t k = 0; k < K; k++) {
                if (!(row[k] <= row[best])) best = k;
                if (!t) continue;
                if (t[k] > t[wanted]) wanted = k;
                squares += ((double)row[k] - (double)t[k]) * ((double)row[k] - (double)t[k]);
                spread += ((double)t[k] - mean) * ((double)t[k] - mean);
            }
            const int number = row[0] == row[0];
            right += K > 1 ? number && best == wanted : number && t && (row[0] >= threshold) == (t[0] >= 0.5);
        }
        loss += plan_loss(p, net, data->labels ? data->labels + at : NULL, data->targets ? data->targets + at * K : NULL) * (double)n;
    }
    none.loss = loss / (double)data->count;
    none.accuracy = right / (double)data->count;
    none.unexplained = squares / spread == squares / spread ? squares / spread : INFINITY;
    return none;
}

typedef struct result {
    int ran, drawn, steps;  // steps taken before the end or the error
    outcome test;
    int found_count;
    gf_finding found[RUN_FOUND];
    char error[200];
} result;

static void run_step(gf_net *net, gf_optim *optim, const plan *p) {
    if (p->flip) {
        const gf_net_info info = gf_net_describe(net);
        for (size_t i = 0; i < info.param_count; i++) info.grads[i] = -info.grads[i];
    }
    if (p->clip > 0) gf_net_clip_grad_norm(net, p->clip);
    if (!p->no_step) gf_optim_step(optim, net);
}

static void run_training(gf_net *net, gf_doctor *doctor, const gf_dataset *train, const gf_dataset *test, const plan *p,
                         int shuffle, uint64_t seed, result *out) {
    gf_optim optim;
    gf_batches batches;
    gf_optim_init(&optim, net, p->optim);
    gf_batches_init(&batches, train, p->batch, seed, shuffle && !p->in_order ? GF_SHUFFLE : 0);
    if (plan_builtin(p)) gf_doctor_preflight(doctor, &optim, plan_kind(p));
    for (int step = 0; step < p->steps && gf_net_status(net) == GF_OK;) {
        if (!gf_batches_next(&batches)) continue;
        gf_net_forward(net, batches.x, batches.n, p->mode);
        plan_loss(p, net, batches.labels, batches.targets);
        gf_net_backward(net);
        run_step(net, &optim, p);
        out->steps = ++step;
        if (step % (p->steps / RUN_EVALUATIONS ? p->steps / RUN_EVALUATIONS : 1) || gf_net_status(net) != GF_OK) continue;
        if (plan_builtin(p)) gf_net_evaluate(net, train, plan_kind(p), NULL), gf_net_evaluate(net, test, plan_kind(p), NULL);
        else {
            const outcome a = run_outcome(net, train, p), b = run_outcome(net, test, p);
            const gf_score of_train = {a.loss, train->labels ? a.accuracy : NAN, train->count};
            const gf_score of_test = {b.loss, test->labels ? b.accuracy : NAN, test->count};
            gf_doctor_evaluated(doctor, of_train, of_test);
        }
    }
    gf_batches_free(&batches);
    gf_optim_free(&optim);
}

// One program with one seed.
static result run_program(const char *data, const char *words, const char *training, uint64_t seed) {
    result out;
    gf_dataset train, test;
    const plan p = plan_of(training);
    double uniform;
    memset(&out, 0, sizeof out);
    out.test.unexplained = INFINITY;
    if (!maker_data(data, seed, plan_by_class(&p), &train, &test, &out.drawn)) return out;
    gf_net *net = gf_net_create(train.shape, p.batch > 16 ? p.batch : 16, seed);
    maker_net(net, words, &uniform);
    gf_doctor *doctor = gf_doctor_create(net, &train);
    gf_net_build(net);
    maker_finish(net, words, uniform, seed);
    if (gf_net_status(net) != GF_OK) fprintf(stderr, "%s | %s: %s\n", data, words, gf_net_error(net));
    else {
        run_training(net, doctor, &train, &test, &p, !strstr(data, "sorted"), seed, &out);
        if (gf_net_status(net) != GF_OK) snprintf(out.error, sizeof out.error, "%s", gf_net_error(net));
        out.found_count = gf_doctor_findings(doctor, out.found, RUN_FOUND);
        if (out.found_count > RUN_FOUND) out.found_count = RUN_FOUND;
        out.ran = 1;
        gf_net_clear_error(net);
        out.test = run_outcome(net, &test, &p);
    }
    gf_doctor_free(doctor);
    gf_net_free(net);
    gf_data_free(&train), gf_data_free(&test);
    return out;
}

static int row_is_control(const program *r) { return !r->twin_data && !r->twin_net && !r->twin_train; }

static result run_row(const program *r, int twin, uint64_t seed) {
    return run_program(twin && r->twin_data ? r->twin_data : r->data, twin && r->twin_net ? r->twin_net : r->net,
                       twin && r->twin_train ? r->twin_train : r->train, seed);
}

// Are its answers classes?
static int row_has_classes(const program *r) {
    static const char *const bases[] = {"digits", "pictures", "circles", "blobs", "xor", "table", "noise", "index"};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++)
        if (!strncmp(r->data, bases[i], strlen(bases[i]))) return 1;
    return 0;
}

// Does the twin do better by five points of accuracy, or leave at most half as much unexplained?
static int row_twin_wins(const program *r, outcome fault, outcome twin) {
    if (row_has_classes(r)) return twin.accuracy >= fault.accuracy + 0.05;
    return twin.unexplained <= fault.unexplained / 2;
}

static int finding_is_alarm(gf_finding_code code) {
    return code != GF_FINDING_HEALTHY && code != GF_FINDING_DONE && code != GF_FINDING_EARLY;
}

// Is `name` (and its layer, where the row asks for one) among the row's causes? family: is its family?
static int row_names(const program *r, const gf_finding *f, int family) {
    char buffer[200];
    snprintf(buffer, sizeof buffer, "%s", r->codes ? r->codes : "");
    for (char *word = strtok(buffer, " "); word; word = strtok(NULL, " ")) {
        char *at = strchr(word, '@');
        if (at) *at++ = '\0';
        if (!family) {
            if (!strcmp(word, gf_finding_name(f->code)) && (!at || !strcmp(at, f->layer))) return 1;
            continue;
        }
        for (int code = 0; code < GF_FINDING_COUNT; code++)
            if (!strcmp(gf_finding_name((gf_finding_code)code), word) &&
                !strcmp(gf_finding_family((gf_finding_code)code), gf_finding_family(f->code)))
                return 1;
    }
    return 0;
}
#endif
