// experiment.h: what the examples share, so that each of them can be about its own question: the command line, data or
// their synthetic stand-in, a progress line with an honest ETA, CSV files that are whole or not there, a clean Ctrl-C,
// and small statistics. An example opens with
//
//     #include "experiment.h"          // first of all includes: it asks the system headers for POSIX
//     #define GRADFLOW_IMPLEMENTATION
//     #include "../gradflow.h"
//     #define PLOT_IMPLEMENTATION
//     #include "plot.h"
//
//     ex_settings s = ex_settings_default("mnist_mlp", "Which activation trains a small MLP best?");
//     s.epochs = 10;                    // defaults of this study, shown by --help
//     ex_parse(&s, argc, argv, EX_DATA | EX_TRAINING, NULL, 0);
//     ex_make_folder(s.out);            // when the example's own options are found right, too
//
// Studies include study.h, which brings all this along.
//
// Everything here may print a message and exit: that is for programs, the library itself never does it.
#ifndef EXPERIMENT_H
#define EXPERIMENT_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef _WIN32
#include <direct.h>
#include <io.h>
#else
#include <sys/stat.h>
#include <unistd.h>
#endif
#if !defined GRADFLOW_STATIC && !defined GRADFLOW_IMPLEMENTATION_DONE  // in one file: static, without what it leaves unused
#define GRADFLOW_STATIC
#endif
#include "../gradflow.h"
#include "plot.h"
#include "synthetic.h"

#define EX_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define EX_PATH 1024  // longest path, with its ending zero
#define EX_MAX_ACTIVATIONS 32
#if defined(__MINGW_PRINTF_FORMAT)
#define EX_PRINTF(format_at, args_at) __attribute__((format(__MINGW_PRINTF_FORMAT, format_at, args_at)))
#elif defined(__GNUC__)
#define EX_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#else
#define EX_PRINTF(format_at, args_at)
#endif

// ---------------------------------------------------------------------------------------------------------------------
// Messages, memory, files, time
// ---------------------------------------------------------------------------------------------------------------------

// One line on standard error, then exit with this status: 2 for a wrong command line, 1 for anything else.
EX_PRINTF(2, 3) static inline void ex_fail(int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "error: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(status);
}
#define ex_die(...) ex_fail(1, __VA_ARGS__)
#define ex_usage(...) ex_fail(2, __VA_ARGS__)

// The net's sticky error, if it has one, ends the program.
static inline void ex_check(const gf_net *net) {
    if (gf_net_status(net) != GF_OK) ex_die("%s", gf_net_error(net));
}

// Grow p to count elements; out of memory ends the program. A test may bring a realloc that fails.
#ifndef EX_REALLOC
#define EX_REALLOC realloc
#endif
static inline void *ex_realloc(void *p, size_t count, size_t size) {
    void *grown = count > SIZE_MAX / size ? NULL : EX_REALLOC(p, count * size + (count == 0));
    if (grown == NULL) ex_die("out of memory: %zu elements of %zu bytes", count, size);
    return grown;
}

// A message in lines of at most 80 characters; all but the first are indented.
EX_PRINTF(1, 2) static inline void ex_print_wrapped(const char *format, ...) {
    char text[1024], *word = text;
    int column = 0;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *next = word; *word != '\0'; word = next) {
        int width = 0;
        size_t length = strcspn(word, " ");
        for (size_t i = 0; i < length; i++) width += ((unsigned char)word[i] & 0xC0) != 0x80;  // UTF-8
        if (column > 0 && column + 1 + width > 80) column = printf("\n   ") - 1;
        if (column > 0) column += printf(" ");
        printf("%.*s", (int)length, word);
        column += width;
        next = word + length + (word[length] == ' ');
    }
    printf("\n");
}

// Monotonic seconds from an arbitrary start.
static inline double ex_now(void) {
#ifdef _WIN32
    return (double)clock() / CLOCKS_PER_SEC;  // wall time there, unlike elsewhere
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
#endif
}

// "0.8 s", "42 s", "3 min 20 s", "1 h 05 min" into text[32]; returns text.
static inline const char *ex_duration(char *text, double seconds) {
    long s = (long)(seconds + 0.5);
    if (seconds < 9.95) snprintf(text, 32, "%.1f s", seconds);
    else if (s < 60) snprintf(text, 32, "%ld s", s);
    else if (s < 3600) snprintf(text, 32, "%ld min %02ld s", s / 60, s % 60);
    else snprintf(text, 32, "%ld h %02ld min", s / 3600, s % 3600 / 60);
    return text;
}

// folder/name into path[EX_PATH]; returns path.
static inline char *ex_path(char *path, const char *folder, const char *name) {
    int length = snprintf(path, EX_PATH, "%s/%s", folder, name);
    if (length < 0 || length >= EX_PATH) ex_die("path too long: %s/%s", folder, name);
    return path;
}

static inline int ex_file_exists(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file != NULL) fclose(file);
    return file != NULL;
}

// mkdir -p
static inline void ex_make_folder(const char *folder) {
    char path[EX_PATH];
    size_t length = strlen(folder);
    if (length == 0 || length >= EX_PATH) ex_die("bad folder name '%s'", folder);
    for (size_t i = 1; i <= length; i++) {
        if (folder[i] != '/' && folder[i] != '\0') continue;
        memcpy(path, folder, i);
        path[i] = '\0';
#ifdef _WIN32
        int failed = _mkdir(path) != 0 && errno != EEXIST && path[i - 1] != ':';
#else
        int failed = mkdir(path, 0777) != 0 && errno != EEXIST && errno != EISDIR;
#endif
        if (failed) ex_die("cannot make folder %s: %s", path, strerror(errno));
    }
}

// A file under its temporary name, path.tmp, until ex_file_end has found it whole and gives it its own.
static inline FILE *ex_file_begin(const char *path) {
    char temporary[EX_PATH + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *file = fopen(temporary, "w");
    if (file == NULL) ex_die("cannot write %s: %s", temporary, strerror(errno));
    return file;
}

static inline void ex_file_end(FILE *file, const char *path) {
    char temporary[EX_PATH + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int failed = fflush(file) != 0 || ferror(file);
    failed = fclose(file) != 0 || failed;
#ifdef _WIN32
    if (!failed) remove(path);  // rename does not replace there
#endif
    if (!failed && rename(temporary, path) == 0) return;
    remove(temporary);
    ex_die("cannot write %s: %s", path, strerror(errno));
}

#include "report.h"

// Write the chart as folder/name, say so, and free it. When one cannot be written (a full disk), the first is reported at
// once, all are counted at the end, and the program goes on: its tables are not lost.
static int ex_charts_lost;

static inline void ex_save_chart(plot_figure *figure, const char *folder, const char *name) {
    char path[EX_PATH];
    int saved = plot_save(figure, ex_path(path, folder, name));
    if (saved) report_add(path, plot_title(figure));
    if (saved) printf("wrote %s\n", path);
    fflush(stdout);
    if (!saved && ex_charts_lost++ == 0) fprintf(stderr, "error: %s\n", plot_error(figure));
    plot_figure_free(figure);
}

// Ctrl-C sets ex_stop: the training loop looks at it, ends, and what was measured is written. A second one kills.
static volatile sig_atomic_t ex_stop;

static inline void ex_on_signal(int number) {
    ex_stop = 1;
    signal(number, SIG_DFL);
}

// The end of every study: its report. What main returns: 0; 1 when a chart was lost; or 130, the shell's number for
// "ended by Ctrl-C".
static inline int ex_exit_status(void) {
    if (ex_charts_lost == 0) report_write(ex_stop);
    if (ex_stop) printf("interrupted: what was measured until then is written\n");
    if (ex_charts_lost > 0) printf("charts that could not be written: %d\n", ex_charts_lost);
    if (ex_stop) return 130;
    return ex_charts_lost > 0;
}

// ---------------------------------------------------------------------------------------------------------------------
// The command line
// ---------------------------------------------------------------------------------------------------------------------

#if defined(__clang__)
#define EX_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define EX_COMPILER "gcc " __VERSION__
#else
#define EX_COMPILER "another compiler"
#endif

typedef enum ex_kind { EX_FLAG, EX_INT, EX_RANGE, EX_REAL, EX_TEXT } ex_kind;

typedef struct ex_option {
    const char *name;  // "epochs" for --epochs
    ex_kind kind;
    void *value; // int * (EX_FLAG, EX_INT), int[2] (EX_RANGE), double * or const char **: the default, then the value
    double low, high;  // of EX_INT, EX_RANGE and EX_REAL: least and greatest value allowed
    const char *help;
} ex_option;

enum {  // the shared options an example takes, besides --out, --quick and --help; in the order of ex_shared_options
    EX_DATA = 1, EX_EPOCHS = 2, EX_SEED = 4, EX_SEEDS = 8, EX_ACTIVATIONS = 16, EX_INIT = 32, EX_OPTIM = 64,
    EX_LR = 128, EX_BATCH = 256, EX_WEIGHT_DECAY = 512, EX_DROPOUT = 1024, EX_THREADS = 2048, EX_RESUME = 4096,
    EX_SET = 8192,
    EX_TRAINING = EX_EPOCHS | EX_SEED | EX_SEEDS | EX_ACTIVATIONS | EX_INIT | EX_OPTIM | EX_LR | EX_BATCH | EX_THREADS
};

typedef struct ex_settings {
    const char *name, *question;
    const char *data, *out;         // folders
    const char *set;                // "mnist", "fashion_mnist" or "kmnist", of the studies on MNIST
    int epochs, seed, seeds;        // seeds runs: seed, seed + 1, …
    const char *activations, *init, *optim;  // as given: act, weight_init, bias_init, optim_config come of them
    double lr, weight_decay;        // weight_decay NaN: the optimiser's own default
    int batch;
    double dropout;
    int threads, quick, resume;
    int resumable;                  // there is an option --resume: keep checkpoints
    int data_given;                 // --data stands on the command line: then the data must be there
    int quick_epochs, quick_seeds;  // what --quick sets, unless --epochs or --seeds is given too
    int act_count;
    gf_act act[EX_MAX_ACTIVATIONS];
    char act_name[EX_MAX_ACTIVATIONS][24];  // as typed: "swish" stays "swish" in charts and files
    gf_init weight_init, bias_init;         // biases are zero unless --init default
    gf_optim_config optim_config;
    char out_default[64];
} ex_settings;

static inline ex_settings ex_settings_default(const char *name, const char *question) {
    ex_settings s;
    const char *data = getenv("GRADFLOW_DATA");
    memset(&s, 0, sizeof s);
    s.name = name;
    s.question = question;
    s.set = "mnist";
    s.data = data != NULL && data[0] != '\0' ? data : "data";
    snprintf(s.out_default, sizeof s.out_default, "results/%s", name);
    s.epochs = s.seeds = s.threads = s.quick_epochs = s.quick_seeds = 1;
    s.seed = 42;
    s.batch = 64;
    s.activations = "relu";
    s.init = "default";
    s.optim = "adam";
    s.lr = 1e-3;
    s.weight_decay = NAN;
    return s;
}

// The shared options of `which` into table[EX_MAX_OPTIONS]; returns how many.
#define EX_MAX_OPTIONS 64
#define EX_SELECTABLE 14  // the rest is for everyone
static inline int ex_shared_options(ex_settings *s, unsigned which, ex_option *table) {
    const ex_option all[] = {
        {"data", EX_TEXT, &s->data, 0, 0, "DIR folder of the data sets, as $GRADFLOW_DATA"},
        {"epochs", EX_INT, &s->epochs, 1, 1e6, "passes over the training data"},
        {"seed", EX_INT, &s->seed, 0, 1e9, "seed of the first run"},
        {"seeds", EX_INT, &s->seeds, 1, 1000, "runs of each net, with seeds that follow one another"},
        {"activations", EX_TEXT, &s->activations, 0, 0, "A,B,C activation functions to compare"},
        {"init", EX_TEXT, &s->init, 0, 0, "NAME initialiser, with a gain if wanted: xavier_0.5"},
        {"optim", EX_TEXT, &s->optim, 0, 0, "NAME optimiser"},
        {"lr", EX_REAL, &s->lr, 0, 1e3, "learning rate"},
        {"batch", EX_INT, &s->batch, 1, 65536, "samples per step"},
        {"weight-decay", EX_REAL, &s->weight_decay, 0, 1e3, "weight decay, if not the optimiser's own"},
        {"dropout", EX_REAL, &s->dropout, 0, 0.99, "probability of dropping a hidden unit"},
        {"threads", EX_INT, &s->threads, 1, 256, "processor cores to use"},
        {"resume", EX_FLAG, &s->resume, 0, 0, "go on where an interrupted run stopped"},
        {"set", EX_TEXT, &s->set, 0, 0, "NAME mnist, fashion_mnist or kmnist (./data_fetch.sh NAME)"},
        {"out", EX_TEXT, &s->out, 0, 0, "DIR folder for charts and CSV files"},
        {"quick", EX_FLAG, &s->quick, 0, 0, "a small fast run, to see that everything works"}};
    int count = 0;
    for (int i = 0; i < EX_COUNT(all); i++)
        if (i >= EX_SELECTABLE || (which >> i & 1) != 0) table[count++] = all[i];
    return count;
}

// "--lr 0.001" needs a word for its value: an option's help may open with one in capitals.
static inline void ex_print_help(const ex_settings *s, const ex_option *options, int count) {
    printf("%s: %s\n\nuse: %s [options]\n", s->name, s->question, s->name);
    for (int i = 0; i < count; i++) {
        const ex_option *o = &options[i];
        const char *help = o->help, *word = o->kind == EX_REAL    ? "X"
                                          : o->kind == EX_INT   ? "N"
                                          : o->kind == EX_RANGE ? "N-M"
                                                                : "";
        int word_length = (int)strlen(word);
        if (o->kind == EX_TEXT) {
            word_length = (int)strcspn(help, " ");
            word = help;
            help += word_length + (help[word_length] == ' ');
        }
        printf("  --%s %.*s%*s %s", o->name, word_length, word, 22 - (int)strlen(o->name) - word_length, "", help);
        if (o->kind == EX_INT || o->kind == EX_RANGE) printf(" (%d)", *(const int *)o->value);
        if (o->kind == EX_REAL && !isnan(*(const double *)o->value)) printf(" (%g)", *(const double *)o->value);
        if (o->kind == EX_TEXT && *(const char **)o->value != NULL) printf(" (%s)", *(const char **)o->value);
        printf("\n");
    }
    printf("  --help %18s this page\n", "");
}

// Store text as the option's value, or say what was expected.
static inline void ex_set_option(const ex_option *o, const char *text) {
    char *end;
    errno = 0;
    double number = o->kind == EX_TEXT ? 0 : strtod(text, &end);
    if (o->kind == EX_TEXT) {
        if (text[0] == '\0') ex_usage("--%s: expected a value, found nothing", o->name);
        *(const char **)o->value = text;
        return;
    }
    int whole = o->kind != EX_REAL;
    double last = number;
    if (o->kind == EX_RANGE && *end == '-') last = strtod(text + (end - text) + 1, &end);
    if (end == text || *end != '\0' || !(number >= o->low && last >= number && last <= o->high) ||
        (whole && (number != floor(number) || last != floor(last))))
        ex_usage("--%s: expected %s from %g to %g, found '%s'", o->name,
                 o->kind == EX_RANGE ? "N or N-M, whole numbers"
                 : whole             ? "a whole number"
                                     : "a number",
                 o->low, o->high, text);
    if (!whole) *(double *)o->value = number;
    else ((int *)o->value)[0] = (int)number;
    if (o->kind == EX_RANGE) ((int *)o->value)[1] = (int)last;
}

// Read --name value, --name=value and flags into the options' places.
static inline void ex_read_options(const ex_settings *s, int argc, char **argv, const ex_option *options, int count) {
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        size_t length = strcspn(word, "=");
        const char *value = word[length] == '=' ? word + length + 1 : NULL;
        const ex_option *o = NULL;
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            ex_print_help(s, options, count);
            exit(0);
        }
        if (word[0] != '-') ex_usage("unexpected '%s'; options start with --, and --help lists them", word);
        for (int k = 0; k < count && strncmp(word, "--", 2) == 0; k++)
            if (strlen(options[k].name) == length - 2 && strncmp(word + 2, options[k].name, length - 2) == 0)
                o = &options[k];
        if (o == NULL) ex_usage("unknown option %.*s; --help lists what there is", (int)length, word);
        else if (o->kind == EX_FLAG && value != NULL) ex_usage("--%s takes no value", o->name);
        else if (o->kind == EX_FLAG) *(int *)o->value = 1;
        else if (value == NULL && i + 1 >= argc) ex_usage("--%s needs a value", o->name);
        else ex_set_option(o, value != NULL ? value : argv[++i]);
    }
}

// Append name to a list of names in text[512].
static inline void ex_list_add(char *text, const char *name) {
    size_t used = strlen(text);
    snprintf(text + used, 512 - used, "%s%s", used > 0 ? ", " : "", name);
}

// "relu,tanh" into act and act_name.
static inline void ex_parse_activations(ex_settings *s) {
    char known[512] = "";
    for (int k = 0; k < GF_ACT_COUNT; k++)
        if (k != GF_ACT_CUSTOM) ex_list_add(known, gf_act_default((gf_act_kind)k).name);
    s->act_count = 0;
    for (const char *at = s->activations;; at++) {
        size_t length = strcspn(at, ",");
        if (s->act_count == EX_MAX_ACTIVATIONS) ex_usage("--activations: at most %d at once", EX_MAX_ACTIVATIONS);
        char *name = s->act_name[s->act_count];
        snprintf(name, sizeof s->act_name[0], "%.*s", (int)length, at);
        if (length >= sizeof s->act_name[0] || !gf_act_from_name(name, &s->act[s->act_count]))
            ex_usage("--activations: unknown '%.*s'; there are %s, and swish; with a parameter: leaky_relu_0.2",
                     (int)length, at, known);
        s->act_count++;
        at += length;
        if (*at == '\0') return;
    }
}

// A plain decimal such as "0.5": the gain behind a name. The whole text must be one; any locale.
static inline int ex_decimal(const char *text, double *out) {
    double value = 0, unit = 1;
    int digits = 0, point = 0;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = 1;
            continue;
        }
        value = 10 * value + (*text - '0');
        if (point) unit *= 10;
        digits++;
    }
    if (digits == 0 || *text != '\0' || !isfinite(value) || !isfinite(unit)) return 0;
    *out = value / unit;
    return 1;
}

typedef struct ex_init_name {
    const char *name;
    gf_init_kind kind;
    double gain;  // unless the name brings one
} ex_init_name;

// Initialisers by name, each with a gain if wanted ("xavier_0.5"). 1 when known, else 0 and *out untouched.
static const ex_init_name ex_init_names[] = {{"default", GF_INIT_DEFAULT, 1},
                                             {"xavier", GF_INIT_XAVIER_NORMAL, 1},
                                             {"xavier_uniform", GF_INIT_XAVIER_UNIFORM, 1},
                                             {"kaiming", GF_INIT_KAIMING_NORMAL, 1.4142135623730951},
                                             {"kaiming_uniform", GF_INIT_KAIMING_UNIFORM, 1.4142135623730951},
                                             {"lecun", GF_INIT_LECUN_NORMAL, 1},
                                             {"orthogonal", GF_INIT_ORTHOGONAL, 1},
                                             {"normal", GF_INIT_NORMAL, 1},
                                             {"constant", GF_INIT_CONSTANT, 1}};

static inline int ex_init_from_name(const char *name, gf_init *out) {
    for (int i = 0; i < EX_COUNT(ex_init_names); i++) {
        const ex_init_name *known = &ex_init_names[i];
        const char *rest = name + strlen(known->name);
        double gain = known->gain;
        if (strncmp(name, known->name, strlen(known->name)) != 0) continue;
        if (strncmp(rest, "_normal", 7) == 0) rest += 7;  // "xavier_normal" is xavier
        if (*rest != '\0' && (*rest != '_' || !ex_decimal(rest + 1, &gain))) continue;
        *out = gf_init_with(known->kind, gain);
        return 1;
    }
    return 0;
}

// Optimisers by name; "momentum" is sgd with momentum 0.9. 1 when known, else 0 and *out untouched.
static inline int ex_optim_from_name(const char *name, double lr, gf_optim_config *out) {
    gf_optim_config momentum = gf_sgd(lr);
    momentum.momentum = 0.9;
    if (strcmp(name, "sgd") == 0) *out = gf_sgd(lr);
    else if (strcmp(name, "momentum") == 0) *out = momentum;
    else if (strcmp(name, "adam") == 0) *out = gf_adam(lr);
    else if (strcmp(name, "adamw") == 0) *out = gf_adamw(lr);
    else if (strcmp(name, "rmsprop") == 0) *out = gf_rmsprop(lr);
    else return 0;
    return 1;
}

// "0.5,1,2" of option --name into out[most]; returns how many. Anything else ends the program.
static inline int ex_parse_numbers(const char *name, const char *text, double low, double high, int most, double *out) {
    for (int count = 0;; text++) {
        char *end;
        if (count == most) ex_usage("--%s: at most %d numbers", name, most);
        out[count] = strtod(text, &end);
        if (end == text || !(out[count] >= low && out[count] <= high) || (*end != ',' && *end != '\0'))
            ex_usage("--%s: expected numbers from %g to %g, separated by commas, found '%s'", name, low, high, text);
        count++;
        text = end;
        if (*end == '\0') return count;
    }
}

// Turn the names of initialiser and optimiser into their settings; says which names there are.
static inline void ex_parse_names(ex_settings *s) {
    char known[512] = "";
    s->bias_init = strcmp(s->init, "default") == 0 ? gf_init_with(GF_INIT_DEFAULT, 1) : gf_init_zero();
    if (!ex_init_from_name(s->init, &s->weight_init)) {
        for (int i = 0; i < EX_COUNT(ex_init_names); i++) ex_list_add(known, ex_init_names[i].name);
        ex_usage("--init: unknown '%s'; there are %s, each with a gain if wanted, as in xavier_0.5", s->init, known);
    }
    if (!ex_optim_from_name(s->optim, s->lr, &s->optim_config))
        ex_usage("--optim: unknown '%s'; there are sgd, adam, adamw, rmsprop, and momentum for sgd with momentum 0.9",
                 s->optim);
    if (!isnan(s->weight_decay)) s->optim_config.weight_decay = s->weight_decay;
}

// An option's value as it stands on a command line.
static inline void ex_option_text(const ex_option *o, char text[256]) {
    const int *whole = (const int *)o->value;
    text[0] = '\0';
    if (o->kind == EX_INT) snprintf(text, 256, "%d", whole[0]);
    if (o->kind == EX_RANGE) snprintf(text, 256, "%d-%d", whole[0], whole[1]);
    if (o->kind == EX_REAL) snprintf(text, 256, "%.9g", *(const double *)o->value);
    if (o->kind == EX_TEXT && *(const char *const *)o->value != NULL)
        snprintf(text, 256, "%s", *(const char *const *)o->value);
    if (o->kind == EX_FLAG && whole[0]) snprintf(text, 256, "given");
}

// For the report: the command that repeats this run, with the options that are not as `usual`, and whose arithmetic it is.
static inline void ex_report_begin(const ex_settings *s, const ex_option *options, int count, char (*usual)[256]) {
    static const char *const elsewhere[] = {"data", "out", "threads", "resume"};  // they change no result
    char text[256];
    size_t used = (size_t)snprintf(report_run.command, sizeof report_run.command, "./%s", s->name);
    for (int i = 0; i < count; i++) {
        int skip = 0;
        for (int k = 0; k < EX_COUNT(elsewhere); k++) skip |= strcmp(options[i].name, elsewhere[k]) == 0;
        ex_option_text(&options[i], text);
        if (skip || (strcmp(text, usual[i]) == 0 && strncmp(options[i].name, "seed", 4) != 0)) continue;
        snprintf(report_run.command + used, sizeof report_run.command - used, " --%s%s%s", options[i].name,
                 options[i].kind == EX_FLAG ? "" : " ", options[i].kind == EX_FLAG ? "" : text);
        used = strlen(report_run.command);
    }
    gf_net *net = gf_net_create(gf_vector(1), 1, 1);
    gf_net_dense(net, 1);
    gf_net_build(net);
    ex_check(net);
    const char *backend = gf_net_describe(net).backend;
    snprintf(report_run.built, sizeof report_run.built, "%s kernels, %s; %s", backend ? backend : "plain",
             sizeof(gf_real) == 4 ? "float" : "double", EX_COMPILER);
    gf_net_free(net);
    report_run.name = s->name;
    report_run.question = s->question;
    report_run.out = s->out;
}

// Read the command line into s and into the example's own options, make the output folder, catch Ctrl-C.
static inline void ex_parse(ex_settings *s, int argc, char **argv, unsigned which, const ex_option *own,
                            int own_count) {
    static char usual[EX_MAX_OPTIONS][256];
    ex_option options[EX_MAX_OPTIONS];
    int count = ex_shared_options(s, which, options);
    if (count + own_count > EX_MAX_OPTIONS) ex_die("more than %d options", EX_MAX_OPTIONS);
    for (int i = 0; i < own_count; i++) options[count++] = own[i];
    const char *usual_data = s->data;
    if (s->out == NULL) s->out = s->out_default;
    s->resumable = (which & EX_RESUME) != 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--quick") == 0) {
            s->epochs = s->quick_epochs;
            s->seeds = s->quick_seeds;
        }
    for (int i = 0; i < count; i++) ex_option_text(&options[i], usual[i]);
    ex_read_options(s, argc, argv, options, count);
    s->data_given = s->data != usual_data;
    if (strcmp(s->set, "mnist") != 0 && strcmp(s->set, "fashion_mnist") != 0 && strcmp(s->set, "kmnist") != 0)
        ex_usage("--set: unknown '%s'; there are mnist, fashion_mnist, kmnist", s->set);
    ex_parse_activations(s);
    ex_parse_names(s);
#ifndef _OPENMP
    if (s->threads > 1)
        ex_usage("--threads %d: built without OpenMP; use cc -O2 -fopenmp examples/%s.c -o %s -lm, or make OPENMP=1",
                 s->threads, s->name, s->name);
#endif
    ex_report_begin(s, options, count, usual);
    signal(SIGINT, ex_on_signal);
    signal(SIGTERM, ex_on_signal);
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN);  // a file past its size limit is then an error of the write, which is reported
#endif
}

// ---------------------------------------------------------------------------------------------------------------------
// Data: the real thing, or a stand-in that says so
// ---------------------------------------------------------------------------------------------------------------------

typedef gf_status (*ex_loader)(gf_dataset *data, const char *folder, int test);
typedef gf_status (*ex_drawer)(gf_dataset *data, size_t count, uint64_t seed);

// Training and test set from DATA/folder or, where --data was given, from that folder itself. What was asked for, and
// what is there but damaged, must load; else synthetic. Returns 1 when they are real. --quick keeps 2000 and 500.
static inline int ex_load(const ex_settings *s, gf_dataset *train, gf_dataset *test, const char *folder,
                          const char *first_file, ex_loader load, ex_drawer draw) {
    const int asked = s->data_given || strcmp(s->set, "mnist") != 0;
    char path[EX_PATH], file[EX_PATH] = "", why[512];
    gf_status status = load(train, ex_path(path, s->data, folder), 0);
    snprintf(why, sizeof why, "%s", gf_last_error());
    const int there = status != GF_ERROR_IO || ex_file_exists(ex_path(file, path, first_file));
    if (!there && s->data_given) {
        snprintf(path, sizeof path, "%s", s->data);
        status = load(train, path, 0);
    }
    if (status == GF_OK) status = load(test, path, 1);
    else if (!there && asked)
        ex_usage("--data %s: there is no %s that can be read: %s (./data_fetch.sh %s)", s->data, file, why,
                 load == gf_data_mnist ? s->set : "cifar10");
    else if (!there) {
        printf("%s\nusing synthetic data (make data fetches the real data)\n", why);
        status = draw(train, s->quick ? 2000 : 20000, 1);
        if (status == GF_OK) status = draw(test, s->quick ? 500 : 4000, 2);
    }
    if (status != GF_OK) ex_die("%s", gf_last_error());
    if (!train->synthetic && s->quick && train->count > 2000) train->count = 2000;
    if (!test->synthetic && s->quick && test->count > 500) test->count = 500;
    return !train->synthetic;
}

static inline long ex_steps_per_epoch(const ex_settings *s, const gf_dataset *data) {
    return (long)((data->count + (size_t)s->batch - 1) / (size_t)s->batch);
}

// Each returns what a chart's title must call the data.
static inline const char *ex_load_mnist(const ex_settings *s, gf_dataset *train, gf_dataset *test) {
    int real = ex_load(s, train, test, s->set, "train-images-idx3-ubyte", gf_data_mnist, syn_digits);
    if (!real) return "synthetic digits";
    return s->set[0] == 'm' ? "MNIST" : s->set[0] == 'k' ? "KMNIST" : "Fashion-MNIST";
}
static inline const char *ex_load_cifar10(const ex_settings *s, gf_dataset *train, gf_dataset *test) {
    int real = ex_load(s, train, test, "cifar-10-batches-bin", "data_batch_1.bin", gf_data_cifar10, syn_textures);
    return real ? "CIFAR-10" : "synthetic textures";
}

// ---------------------------------------------------------------------------------------------------------------------
// Progress: one live line on a terminal, plain lines in a pipe
// ---------------------------------------------------------------------------------------------------------------------

typedef struct ex_progress {
    long total, done, first;  // steps of the whole program; done so far; done before this start (--resume)
    double start, shown;      // times: of the start, of the last line
    int live, width;          // on a terminal; length of the line that stands there
} ex_progress;

static inline void ex_progress_start(ex_progress *p, long total) {
    p->total = total;
    p->done = p->first = 0;
    p->start = p->shown = ex_now();
    p->width = 0;
#ifdef _WIN32
    p->live = _isatty(_fileno(stdout));
#else
    p->live = isatty(fileno(stdout));
#endif
}

// Call after every step. The ETA is the mean pace so far, and is not shown before there has been a second to measure.
static inline void ex_progress_step(ex_progress *p, const char *label, int epoch, int epochs, double loss) {
    char line[200], eta[32] = "...";
    double now = ex_now(), elapsed = now - p->start;
    p->done++;
    if (now - p->shown < (p->live ? 0.1 : 10.0)) return;
    p->shown = now;
    if (elapsed >= 1) ex_duration(eta, elapsed / (double)(p->done - p->first) * (double)(p->total - p->done));
    snprintf(line, sizeof line, "%s  epoch %d/%d  step %ld/%ld  loss %.4f  ETA %s", label, epoch, epochs, p->done,
             p->total, loss, eta);
    printf(p->live ? "\r%-*s" : "%-*s\n", p->live ? p->width : 0, line);
    p->width = (int)strlen(line);
    fflush(stdout);
}

// Steps that an earlier run has already made.
static inline void ex_progress_skip(ex_progress *p, long steps) {
    p->done += steps;
    p->first += steps;
}

// A line that stays.
EX_PRINTF(2, 3) static inline void ex_progress_note(ex_progress *p, const char *format, ...) {
    va_list args;
    if (p->live && p->width > 0) printf("\r%*s\r", p->width, "");
    p->width = 0;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
}

// ---------------------------------------------------------------------------------------------------------------------
// CSV files: written under a temporary name, checked, renamed when whole
// ---------------------------------------------------------------------------------------------------------------------

typedef struct ex_csv {
    FILE *file;
    char path[EX_PATH];
    const char *header;
    int columns, keep;  // keep: the finished file's rows are part of this run
    char line[4096];    // the row being put together
    size_t length;
} ex_csv;

// Append to the row, as printf does.
EX_PRINTF(2, 3) static inline void ex_csv_add(ex_csv *csv, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(csv->line + csv->length, sizeof csv->line - csv->length, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof csv->line - csv->length) ex_die("%s: a row is too long", csv->path);
    csv->length += (size_t)n;
}

static inline int ex_columns(const char *line) {
    int columns = 1;
    for (; *line != '\0'; line++) columns += *line == ',';
    return columns;
}

// Write the row. NaN is always "nan": C libraries also say "-nan" or "-nan(ind)".
static inline void ex_csv_end(ex_csv *csv) {
    for (char *nan = strstr(csv->line, "-nan"); nan != NULL; nan = strstr(nan, "-nan")) {
        size_t tail = nan[4] == '(' ? strcspn(nan, ")") + 1 : 4;
        memmove(nan + 3, nan + tail, strlen(nan + tail) + 1);
        memcpy(nan, "nan", 3);
    }
    if (ex_columns(csv->line) != csv->columns)
        ex_die("%s: a row has %d fields, its header %d", csv->path, ex_columns(csv->line), csv->columns);
    fprintf(csv->file, "%s\n", csv->line);
    csv->length = 0;
    csv->line[0] = '\0';
}

// One whole row.
#define ex_csv_row(csv, ...)          \
    do {                              \
        ex_csv_add(csv, __VA_ARGS__); \
        ex_csv_end(csv);              \
    } while (0)

// Does a row belong to this run ("activation,init,seed") and to a later epoch?
static inline int ex_csv_is_after(const char *row, const char *run, int epoch) {
    size_t length = strlen(run);
    return strncmp(row, run, length) == 0 && row[length] == ',' && atoi(row + length + 1) > epoch;
}

// Begin the temporary file with the rows that stand in the finished one, but for those of `run` (may be NULL) after
// `epoch`.
static inline void ex_csv_continue(ex_csv *csv, const char *run, int epoch) {
    csv->file = ex_file_begin(csv->path);
    fprintf(csv->file, "%s\n", csv->header);
    FILE *old = csv->keep ? fopen(csv->path, "r") : NULL;
    if (old == NULL) return;
    for (int row = 0; fgets(csv->line, sizeof csv->line, old) != NULL; row++) {
        csv->line[strcspn(csv->line, "\r\n")] = '\0';
        if (row == 0 && strcmp(csv->line, csv->header) != 0)
            ex_die("%s has other columns; cannot resume it", csv->path);
        if (row > 0 && (run == NULL || !ex_csv_is_after(csv->line, run, epoch))) ex_csv_end(csv);
    }
    csv->line[0] = '\0';
    fclose(old);
}

static inline void ex_csv_close(ex_csv *csv) {
    ex_file_end(csv->file, csv->path);
    csv->file = NULL;
    report_add(csv->path, "");
}

// Begin folder/name with this header, which must last. With --resume the rows that an earlier run left are kept.
static inline void ex_csv_open(ex_csv *csv, const ex_settings *s, const char *name, const char *header) {
    memset(csv, 0, sizeof *csv);
    ex_path(csv->path, s->out, name);
    csv->header = header;
    csv->columns = ex_columns(header);
    csv->keep = s->resume;
    ex_csv_continue(csv, NULL, 0);
}

// Put what has been written so far under the file's final name, and go on without the rows of `run` after `epoch`.
static inline void ex_csv_rewind(ex_csv *csv, const char *run, int epoch) {
    ex_csv_close(csv);
    csv->keep = 1;
    ex_csv_continue(csv, run, epoch);
}
static inline void ex_csv_save(ex_csv *csv) { ex_csv_rewind(csv, NULL, 0); }

// What a run depends on stands in folder/settings.txt, so that --resume never mixes two runs. `own` are the example's
// own settings. Where there is nothing to go on with, s->resume becomes 0.
static inline void ex_resume(ex_settings *s, const char *data, const char *own) {
    char path[EX_PATH], now[EX_PATH], before[EX_PATH] = "";
    snprintf(now, sizeof now, "%s; seed %d, %d seeds; %s; %s; %s, rate %.9g, decay %.9g; batch %d, dropout %g%s; %s\n",
             data, s->seed, s->seeds, s->activations, s->init, s->optim, s->lr, s->optim_config.weight_decay, s->batch,
             s->dropout, s->quick ? ", quick" : "", own);
    FILE *file = s->resume ? fopen(ex_path(path, s->out, "settings.txt"), "r") : NULL;
    if (file != NULL) {
        if (fgets(before, sizeof before, file) == NULL) before[0] = '\0';
        fclose(file);
        if (strcmp(before, now) != 0)
            ex_die("%s is of another run, which cannot be resumed with these options\nfound:    %sexpected: %s", path,
                   before, now);
        return;
    }
    if (s->resume) printf("nothing to resume in %s: starting\n", s->out);
    s->resume = 0;
    file = ex_file_begin(ex_path(path, s->out, "settings.txt"));
    fputs(now, file);
    ex_file_end(file, path);
}

// The columns of layers.csv: the instruments' own names (gf_layer_probe says what each is).
static inline const char *ex_layers_header(void) {
    static char header[2048];
    snprintf(header, sizeof header, "activation,init,seed,epoch,layer,name");
    for (int i = 0; gf_probe_field(NULL, i, NULL) != NULL; i++) {
        size_t used = strlen(header);
        snprintf(header + used, sizeof header - used, ",%s", gf_probe_field(NULL, i, NULL));
    }
    return header;
}

// One row for every affine layer, from the last gf_net_measure.
static inline void ex_layers_rows(ex_csv *csv, const char *run, int epoch, const gf_net *net) {
    for (int l = 1; l <= gf_net_describe(net).affine_count; l++) {
        const gf_layer_probe *probe = gf_net_probe(net, l);
        double value;
        if (probe == NULL) ex_die("layers.csv: the net has no probes; call gf_net_set_probe before gf_net_build");
        ex_csv_add(csv, "%s,%d,%d,%s", run, epoch, l, probe->name);
        for (int i = 0; gf_probe_field(probe, i, &value) != NULL; i++) ex_csv_add(csv, ",%.9g", value);
        ex_csv_end(csv);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Series, statistics, tables
// ---------------------------------------------------------------------------------------------------------------------

typedef struct ex_series {  // a growable row of numbers; start from all zeros
    double *v;
    size_t n, capacity;
} ex_series;

static inline void ex_push(ex_series *s, double value) {
    if (s->n == s->capacity) {
        s->capacity = s->capacity > 0 ? 2 * s->capacity : 64;
        s->v = (double *)ex_realloc(s->v, s->capacity, sizeof *s->v);
    }
    s->v[s->n++] = value;
}

// The numbers of one column in all rows of a run, from a file that is saved or closed.
static inline void ex_csv_series(const ex_csv *csv, const char *run, const char *column, ex_series *out) {
    char line[sizeof csv->line];
    const char *at = csv->header;
    int wanted = 0;
    for (; strncmp(at, column, strcspn(at, ",")) != 0 || column[strcspn(at, ",")] != '\0'; wanted++) {
        at += strcspn(at, ",");
        if (*at++ == '\0') ex_die("%s has no column %s", csv->path, column);
    }
    out->n = 0;
    FILE *file = fopen(csv->path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (!ex_csv_is_after(line, run, 0)) continue;
        at = line;
        for (int c = 0; c < wanted; c++) at += strcspn(at, ",") + 1;
        ex_push(out, strtod(at, NULL));
    }
    if (file != NULL) fclose(file);
}

static inline void ex_series_free(ex_series *s) {
    free(s->v);
    memset(s, 0, sizeof *s);
}

static inline double ex_mean(const double *v, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += v[i];
    return sum / (double)n;
}

// Standard deviation with divisor n (NumPy's ddof 0), as the studies report it.
static inline double ex_std(const double *v, size_t n) {
    double mean = ex_mean(v, n), sum = 0;
    for (size_t i = 0; i < n; i++) sum += (v[i] - mean) * (v[i] - mean);
    return sqrt(sum / (double)n);
}

// The first epoch, counted from 1, at which v reaches the threshold; 0 if it never does.
static inline int ex_first_reach(const double *v, size_t n, double threshold) {
    for (size_t i = 0; i < n; i++)
        if (v[i] >= threshold) return (int)i + 1;
    return 0;
}

// Share of the samples of class k that were recognised: confusion[k,k] over its row. NaN for an empty class.
static inline double ex_recall(const size_t *confusion, int classes, int k) {
    size_t row = 0;
    for (int j = 0; j < classes; j++) row += confusion[k * classes + j];
    return (double)confusion[k * classes + k] / (double)row;
}

// A table in Markdown, aligned so that it also reads well on a terminal.
#define EX_TABLE_COLUMNS 16
#define EX_TABLE_ROWS 40
typedef struct ex_table {
    int rows;
    char row[EX_TABLE_ROWS][512];  // cells separated by '|'
} ex_table;

// One row of cells separated by '|'; the first row is the header. Start from a table of zeros.
EX_PRINTF(2, 3) static inline void ex_table_row(ex_table *t, const char *format, ...) {
    va_list args;
    if (t->rows == EX_TABLE_ROWS) ex_die("a table has more than %d rows", EX_TABLE_ROWS);
    va_start(args, format);
    int n = vsnprintf(t->row[t->rows], sizeof t->row[0], format, args);
    va_end(args);
    if (n < 0 || n >= (int)sizeof t->row[0]) ex_die("a row of a table is too long: %s", t->row[t->rows]);
    t->rows++;
}

// The cell at *at, `bytes` long and as many characters (UTF-8) wide as returned.
static inline int ex_cell(const char *at, int *bytes) {
    int width = 0;
    for (*bytes = 0; at[*bytes] != '\0' && at[*bytes] != '|'; ++*bytes)
        width += ((unsigned char)at[*bytes] & 0xC0) != 0x80;
    return width;
}

static inline void ex_table_print(const ex_table *t, FILE *file) {
    int width[EX_TABLE_COLUMNS] = {0}, bytes, columns = 0;
    for (int r = 0; r < t->rows; r++) {
        const char *at = t->row[r];
        for (int c = 0; c < EX_TABLE_COLUMNS; c++, at += bytes + 1) {
            int w = ex_cell(at, &bytes);
            if (w > width[c]) width[c] = w;
            if (c >= columns) columns = c + 1;
            if (at[bytes] == '\0') break;
        }
    }
    for (int r = 0; r < t->rows; r++) {
        const char *at = t->row[r];
        for (int c = 0; c < columns; c++, at += bytes + (at[bytes] == '|')) {
            int w = ex_cell(at, &bytes);
            fprintf(file, "| %.*s%*s ", bytes, at, width[c] - w, "");
        }
        fprintf(file, "|\n");
        for (int c = 0; r == 0 && c < columns; c++) {
            fputs("|", file);
            for (int i = 0; i < width[c] + 2; i++) fputs("-", file);
        }
        if (r == 0) fprintf(file, "|\n");
    }
}

// Print the table and write it to the output folder.
static inline void ex_table_write(const ex_table *t, const ex_settings *s, const char *name) {
    char path[EX_PATH];
    FILE *file = ex_file_begin(ex_path(path, s->out, name));
    ex_table_print(t, stdout);
    ex_table_print(t, file);
    ex_file_end(file, path);
    report_add(path, "");
}

#endif
