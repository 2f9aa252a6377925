// makers.h: data, nets and losses of the table's programs (rows.h), each made from words.
#ifndef DOCTOR_MAKERS_H
#define DOCTOR_MAKERS_H
#include "../../gradflow.h"
#include "../../examples/synthetic.h"
#include "../nets.h"

// --- data ---
// "BASE:A:B MODIFIER …". A set is training rows, then test rows; a modifier changes both unless its line says otherwise.
//
//     digits:N       N digits of MNIST, or drawn ones where it is absent; /255       pictures:N   CIFAR-10 or textures
//     circles:N      two rings, noise 0.1      blobs:N:K   K heaps of deviation 2    xor:N:NOISE  points of [-1,1]²
//     xor4:N         the four corners          table:N:I:K I columns, a teacher's K classes    regr:N:I  its number
//     noise:N:I:K    K unequal classes that have nothing to do with the I columns
//     index:N:K      one column that counts to K, its class the same number
//     poly:N square x4 parabola line eight ramp corner planes wave      numbers that are functions of the columns
//
//     half           pictures of half the size          x*F x+F y*F y+F    scaled, shifted
//     standard ystandard   mean 0, deviation 1          scales   every column its own range, 1 to 10⁴ and an offset
//     shuffled       training labels dealt anew         label:K  every training label is K
//     sorted         training rows by class             unequal:F class k keeps the share F^k of its training rows
//     nan inf big    one bad number (inf: in a target)  permuted each sample's columns in an order of its own
//     rownumber      column 0 counts the rows of a file sorted by class              noisy:S  training rows under noise
//     testx*F        test rows are scaled by F
//     pm             one-hot targets are -1 and 1       one      one target: is the class odd?
typedef struct maker_set {
    gf_shape shape;
    size_t train, count;  // training rows, all rows
    int classes, outputs;
    gf_real *x, *y;       // [count, I], [count, outputs]; y NULL for classes
    int *label;
    int shuffle, pm, one, drawn;
    uint64_t seed;
} maker_set;

static const char *maker_folder = "";  // of MNIST and CIFAR-10; "": none, take drawn ones

static double maker_number(const maker_set *s, uint64_t stream, size_t i) {
    return gf_random_normal(s->seed + 1000, 200 + stream, i);
}
static double maker_uniform(const maker_set *s, uint64_t stream, size_t i) {
    return gf_random_uniform(s->seed + 1000, 200 + stream, i);
}
static size_t maker_width(const maker_set *s) { return net_shape_size(s->shape); }

static void maker_room(maker_set *s, size_t train, gf_shape shape, int classes, int outputs) {
    s->train = train, s->count = train + (train < 500 ? train : 500);
    s->shape = shape, s->classes = classes, s->outputs = outputs;
    s->x = (gf_real *)calloc(s->count * maker_width(s), sizeof(gf_real));
    if (classes) s->label = (int *)calloc(s->count, sizeof(int));
    else s->y = (gf_real *)calloc(s->count * (size_t)outputs, sizeof(gf_real));
}

// MNIST and CIFAR-10, training and test part, read once; NULL where they are not.
static const gf_dataset *maker_files(int cifar, int test) {
    static gf_dataset parts[2][2];
    static int state[2][2];  // 0: not tried, 1: there, -1: not
    char folder[600];
    if (!state[cifar][test]) {
        snprintf(folder, sizeof folder, "%s/%s", maker_folder, cifar ? "cifar-10-batches-bin" : "mnist");
        const gf_status status = !maker_folder[0] ? GF_ERROR_NOT_FOUND
                                 : cifar          ? gf_data_cifar10(&parts[1][test], folder, test)
                                                  : gf_data_mnist(&parts[0][test], folder, test);
        state[cifar][test] = status == GF_OK ? 1 : -1;
    }
    return state[cifar][test] > 0 ? &parts[cifar][test] : NULL;
}

// Pictures of the files, training rows from a place that the seed tells; or drawn ones.
static void maker_pictures(maker_set *s, int cifar, size_t train) {
    const gf_dataset *parts[2] = {maker_files(cifar, 0), maker_files(cifar, 1)};
    gf_dataset drawn;
    memset(&drawn, 0, sizeof drawn);
    s->drawn = !parts[0] || !parts[1];
    maker_room(s, train, cifar ? gf_image(3, 32, 32) : gf_image(1, 28, 28), 10, 0);
    if (s->drawn) (cifar ? syn_textures : syn_digits)(&drawn, s->count, s->seed);
    for (size_t i = 0; i < s->count; i++) {
        const int test = i >= s->train;
        const gf_dataset *from = s->drawn ? &drawn : parts[test];
        const size_t at = s->drawn ? i : (test ? i - s->train : i + (size_t)s->seed * 2477) % from->count;
        gf_data_sample(from, at, s->x + i * maker_width(s));
        s->label[i] = from->labels[at];
    }
    gf_data_free(&drawn);
}

// Output k of the teacher, a fixed net of eight tanh units: what the columns are to predict.
static double maker_teacher(const gf_real *x, size_t columns, size_t k) {
    double sum = 0;
    for (size_t j = 0; j < 8; j++) {
        double z = 0;
        for (size_t i = 0; i < columns; i++)
            z += (double)x[i] * gf_random_normal(7, 300 + j, i + 100 * k) * 1.5 / sqrt((double)columns);
        sum += gf_random_normal(7, 320, j + 100 * k) * tanh(z);
    }
    return sum;
}

static void maker_table(maker_set *s, size_t train, int columns, int classes, int related) {
    maker_room(s, train, gf_vector(columns), classes, 1);
    const size_t I = (size_t)columns;
    for (size_t i = 0; i < s->count; i++) {
        gf_real *x = s->x + i * I;
        for (size_t c = 0; c < I; c++) x[c] = (gf_real)maker_number(s, 1, i * I + c);
        if (!classes) s->y[i] = (gf_real)(maker_teacher(x, I, 0) + 0.1 * maker_number(s, 2, i));
        double best = -1e9, share = maker_uniform(s, 3, i);
        for (int k = 0; k < classes; k++) {
            const double score = related ? maker_teacher(x, I, (size_t)k) : -fabs(share * share * classes - k - 0.5);
            if (score > best) best = score, s->label[i] = k;
        }
    }
}

// Points of the plane in classes.
static void maker_points(maker_set *s, const char *base, size_t train, int classes, double noise) {
    maker_room(s, train, gf_vector(2), classes, 0);
    for (size_t i = 0; i < s->count; i++) {
        gf_real *x = s->x + 2 * i;
        const double u = maker_uniform(s, 1, 2 * i), v = maker_uniform(s, 1, 2 * i + 1);
        const double n0 = maker_number(s, 2, 2 * i), n1 = maker_number(s, 2, 2 * i + 1);
        const int k = (int)(i % (size_t)classes);
        double a = 2 * u - 1, b = 2 * v - 1;
        s->label[i] = k;
        if (!strcmp(base, "circles")) {
            a = (k ? 0.8 : 1) * cos(6.2831853 * u) + noise * n0, b = (k ? 0.8 : 1) * sin(6.2831853 * u) + noise * n1;
        } else if (!strcmp(base, "blobs")) {
            a = 20 * gf_random_uniform(2, 310, (uint64_t)k) - 10 + 2 * n0;
            b = 20 * gf_random_uniform(2, 311, (uint64_t)k) - 10 + 2 * n1;
        } else {
            if (!strcmp(base, "xor4")) a = (double)(i / 2 % 2), b = (double)((i / 2 + i) % 2);
            else s->label[i] = a * b < 0;
            a += noise * n0, b += noise * n1;
        }
        x[0] = (gf_real)a, x[1] = (gf_real)b;
    }
}

// Functions of x: name, lowest and highest x, columns, whether x lies on a grid, y.
static double f_poly(const double *x, double n) { return 5 * x[0] * x[0] + n * n * n; }
static double f_square(const double *x, double n) { return x[0] * x[0] + 0 * n; }
static double f_x4(const double *x, double n) { return x[0] * x[0] * x[0] * x[0] + 0 * n; }
static double f_parabola(const double *x, double n) { return (28.866 * x[0] + 49.5) * (28.866 * x[0] + 49.5) + 3 + n; }
static double f_line(const double *x, double n) { return 2 * x[0] - 1 + 0 * n; }
static double f_eight(const double *x, double n) { return 3 * x[0] + 2 + 0.01 * n; }
static double f_ramp(const double *x, double n) { return 2 * x[0] + 9 + 2.9 * n; }
static double f_corner(const double *x, double n) { return x[0] * x[1] - 0.5 + 0.05 * n; }
static double f_planes(const double *x, double n) { return 2 * x[0] + x[1] + 0.5 * x[2] + 2.2 + 0 * n; }
static double f_pieces(const double *x, double n) { return sin(3 * x[0]) + 0.05 * n; }

static const struct maker_function {
    const char *name;
    double low, high;
    int columns;
    double (*y)(const double *x, double noise);
} maker_functions[] = {
    {"poly", 0, 4.9, 1, f_poly},         {"square", 0, 9, 1, f_square},     {"x4", -100, 100, 1, f_x4},
    {"parabola", -1.7, 1.7, 1, f_parabola}, {"line", -1, 5, 1, f_line},      {"eight", -8, 8, 1, f_eight},
    {"ramp", 0, 99, 1, f_ramp},          {"corner", -1.5, 1.5, 2, f_corner}, {"planes", 0, 1, 3, f_planes},
    {"wave", -2, 2, 1, f_pieces},
};

static int maker_function(maker_set *s, const char *base, size_t train) {
    for (size_t f = 0; f < sizeof maker_functions / sizeof *maker_functions; f++) {
        const struct maker_function *m = &maker_functions[f];
        if (strcmp(m->name, base) != 0) continue;
        maker_room(s, train, gf_vector(m->columns), 0, 1);
        for (size_t i = 0; i < s->count; i++) {
            double x[3] = {0, 0, 0};
            for (size_t c = 0; c < (size_t)m->columns; c++) {
                x[c] = m->low + (m->high - m->low) * maker_uniform(s, 1, i * (size_t)m->columns + c);
                s->x[i * (size_t)m->columns + c] = (gf_real)x[c];
            }
            s->y[i] = (gf_real)m->y(x, maker_number(s, 2, i));
        }
        return 1;
    }
    return 0;
}

static int maker_base(maker_set *s, const char *word) {
    char base[32];
    double a[3] = {0, 0, 0};
    snprintf(base, sizeof base, "%.*s", (int)strcspn(word, ":"), word);
    for (int k = 0; k < 3 && (word = strchr(word, ':')) != NULL; k++) a[k] = atof(++word);
    const size_t n = (size_t)a[0];
    if (!strcmp(base, "digits") || !strcmp(base, "pictures")) maker_pictures(s, base[0] == 'p', n);
    else if (!strcmp(base, "circles")) maker_points(s, base, n, 2, 0.1);
    else if (!strcmp(base, "blobs")) maker_points(s, base, n, (int)a[1], 0);
    else if (!strcmp(base, "xor") || !strcmp(base, "xor4")) maker_points(s, base, n, 2, a[1]);
    else if (!strcmp(base, "table")) maker_table(s, n, (int)a[1], (int)a[2], 1);
    else if (!strcmp(base, "regr")) maker_table(s, n, (int)a[1], 0, 1);
    else if (!strcmp(base, "noise")) maker_table(s, n, (int)a[1], (int)a[2], 0);
    else if (!strcmp(base, "index")) {
        maker_room(s, n, gf_vector(1), (int)a[1], 0);
        for (size_t i = 0; i < s->count; i++) s->x[i] = (gf_real)(s->label[i] = (int)(i % (size_t)a[1]));
    } else return maker_function(s, base, n);
    return 1;
}

static void maker_standard(maker_set *s, gf_real *x, size_t columns) {
    for (size_t c = 0; c < columns; c++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < s->train; i++) sum += (double)x[i * columns + c];
        const double mean = sum / (double)s->train;
        for (size_t i = 0; i < s->train; i++) squares += pow((double)x[i * columns + c] - mean, 2);
        const double std = squares > 0 ? sqrt(squares / (double)s->train) : 1;
        for (size_t i = 0; i < s->count; i++) x[i * columns + c] = (gf_real)(((double)x[i * columns + c] - mean) / std);
    }
}

static void maker_swap_rows(maker_set *s, size_t a, size_t b) {
    const size_t I = maker_width(s);
    for (size_t c = 0; c < I; c++) {
        const gf_real x = s->x[a * I + c];
        s->x[a * I + c] = s->x[b * I + c], s->x[b * I + c] = x;
    }
    const int k = s->label[a];
    s->label[a] = s->label[b], s->label[b] = k;
}

// Training rows by class, by swaps (the data sets here are small).
static void maker_sort(maker_set *s) {
    size_t at = 0;
    for (int k = 0; k < s->classes; k++)
        for (size_t i = at; i < s->train; i++)
            if (s->label[i] == k) maker_swap_rows(s, i, at++);
}

// Keep the share f^k of class k: the others' rows become copies of kept ones of class 0.
static void maker_thin(maker_set *s, double f) {
    const size_t I = maker_width(s);
    size_t first = 0;
    while (first + 1 < s->train && s->label[first] != 0) first++;
    for (size_t i = 0; i < s->train; i++) {
        if (maker_uniform(s, 5, i) < pow(f, s->label[i])) continue;
        do first = (first + 1) % s->train;
        while (s->label[first] != 0);
        memcpy(s->x + i * I, s->x + first * I, I * sizeof *s->x);
        s->label[i] = 0;
    }
}

static void maker_half(maker_set *s) {
    const gf_shape from = s->shape, to = gf_image(from.channels, from.height / 2, from.width / 2);
    const size_t I = net_shape_size(from), O = net_shape_size(to);
    for (size_t i = 0; i < s->count; i++)
        for (int c = 0; c < to.channels; c++)
            for (int y = 0; y < to.height; y++)
                for (int x = 0; x < to.width; x++) {
                    const gf_real *p = s->x + i * I + (c * from.height + 2 * y) * from.width + 2 * x;
                    const double mean = ((double)p[0] + (double)p[1] + (double)p[from.width] + (double)p[from.width + 1]) / 4;
                    s->x[i * O + (size_t)((c * to.height + y) * to.width + x)] = (gf_real)mean;
                }
    s->shape = to;
}

static void maker_row_numbers(maker_set *s) {  // test rows follow in the file
    const size_t I = maker_width(s);
    gf_real *x = (gf_real *)calloc(s->count * (I + 1), sizeof *x);
    for (size_t i = 0; i < s->count; i++) {
        x[i * (I + 1)] = (gf_real)i;
        memcpy(x + i * (I + 1) + 1, s->x + i * I, I * sizeof *x);
    }
    free(s->x);
    s->x = x;
    s->shape = gf_vector((int)I + 1);
}

static void maker_permute(maker_set *s) {
    const size_t I = maker_width(s);
    for (size_t i = 0; i < s->count; i++)
        for (size_t c = I - 1; c > 0; c--) {
            const size_t d = (size_t)(maker_uniform(s, 6, i * I + c) * (double)(c + 1));
            const gf_real x = s->x[i * I + c];
            s->x[i * I + c] = s->x[i * I + d], s->x[i * I + d] = x;
        }
}

static void maker_affine(gf_real *x, size_t n, char operation, double by) {
    for (size_t i = 0; i < n; i++) x[i] = (gf_real)(operation == '*' ? (double)x[i] * by : (double)x[i] + by);
}

static int maker_modify(maker_set *s, const char *word) {
    const size_t I = maker_width(s), n = s->count * I, trained = s->train * I;
    const char *colon = strchr(word, ':');
    const double a = colon ? atof(colon + 1) : 0;
    if ((word[0] == 'x' || word[0] == 'y') && strchr("*+", word[1]))
        maker_affine(word[0] == 'x' ? s->x : s->y, word[0] == 'x' ? n : s->count, word[1], atof(word + 2));
    else if (!strncmp(word, "testx*", 6)) maker_affine(s->x + trained, n - trained, '*', atof(word + 6));
    else if (!strcmp(word, "standard")) maker_standard(s, s->x, I);
    else if (!strcmp(word, "ystandard")) maker_standard(s, s->y, 1);
    else if (!strcmp(word, "scales"))
        for (size_t i = 0; i < n; i++) s->x[i] = (gf_real)(pow(10, (double)(i % I % 5)) * ((double)s->x[i] + 2));
    else if (!strcmp(word, "half")) maker_half(s);
    else if (!strcmp(word, "sorted")) maker_sort(s), s->shuffle = 0;
    else if (!strncmp(word, "unequal", 7)) maker_thin(s, a);
    else if (!strcmp(word, "permuted")) maker_permute(s);
    else if (!strcmp(word, "rownumber")) maker_sort(s), maker_row_numbers(s);
    else if (!strcmp(word, "pm")) s->pm = 1;
    else if (!strcmp(word, "one")) s->one = 1;
    else if (!strcmp(word, "nan")) s->x[trained / 2] = (gf_real)NAN;
    else if (!strcmp(word, "big")) s->x[trained / 2] = (gf_real)1e30;
    else if (!strcmp(word, "inf")) s->y[s->train / 2] = (gf_real)INFINITY;
    else if (!strncmp(word, "noisy", 5))
        for (size_t i = 0; i < trained; i++) s->x[i] = (gf_real)((double)s->x[i] + a * maker_number(s, 7, i));
    else if (!strncmp(word, "label", 5))
        for (size_t i = 0; i < s->train; i++) s->label[i] = (int)a;
    else if (!strcmp(word, "shuffled"))
        for (size_t i = 0; i < s->train; i++) s->label[i] = (int)(maker_uniform(s, 8, i) * s->classes);
    else return 0;
    return 1;
}

// Targets where a loss wants them: one-hot, or -1 and 1, or one column that says whether the class is odd.
static gf_real *maker_targets(const maker_set *s, int *outputs) {
    if (s->y) {
        *outputs = s->outputs;
        return s->y;
    }
    const size_t K = s->one ? 1 : (size_t)s->classes;
    gf_real *t = (gf_real *)calloc(s->count * K, sizeof *t);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < K; k++) {
            const int hit = s->one ? s->label[i] % 2 : s->label[i] == (int)k;
            t[i * K + k] = (gf_real)(s->pm ? 2 * hit - 1 : hit);
        }
    *outputs = (int)K;
    return t;
}

// Training set and test set from words. by_class: labels; else targets. The finite-ness that loaders insist on is put
// off: a bad number goes in behind them. 0 when a word is unknown.
static int maker_data(const char *words, uint64_t seed, int by_class, gf_dataset *train, gf_dataset *test, int *drawn) {
    char buffer[256];
    maker_set s;
    int good = 1, outputs = 0;
    memset(&s, 0, sizeof s);
    s.seed = seed;
    snprintf(buffer, sizeof buffer, "%s", words);
    char *word = strtok(buffer, " ");
    good = maker_base(&s, word);
    while (good && (word = strtok(NULL, " ")) != NULL) good = maker_modify(&s, word);
    if (!good) fprintf(stderr, "no data are called \"%s\"\n", word ? word : words);
    gf_real *t = good && !by_class ? maker_targets(&s, &outputs) : NULL;
    for (int part = 0; part < 2 && good; part++) {
        gf_dataset *to = part ? test : train;
        const size_t at = part ? s.train : 0, n = part ? s.count - s.train : s.train, I = maker_width(&s);
        gf_real *zeros = (gf_real *)calloc(n * (I + (size_t)outputs + 1), sizeof *zeros);
        good = gf_data_from_arrays(to, s.shape, n, zeros, by_class ? s.label + at : NULL, by_class ? s.classes : 0,
                                   by_class ? NULL : zeros, outputs) == GF_OK;
        if (good) memcpy(to->values, s.x + at * I, n * I * sizeof *zeros);
        if (good && t) memcpy(to->targets, t + at * (size_t)outputs, n * (size_t)outputs * sizeof *t);
        if (!good) fprintf(stderr, "%s: %s\n", words, gf_last_error());
        free(zeros);
    }
    *drawn = s.drawn;
    if (t != s.y) free(t);
    free(s.x), free(s.y), free(s.label);
    return good;
}

// --- nets: nets.h's words, and ---
//     20*dense:64,relu    a group so many times             init:NAME:G   normal, const, kaiming, xavier, glorot, lecun,
//     exp my_sigmoid      e^z; σ with a wrong derivative                   uniform (±G), default: of layers to come
//     set:NAME:V          a tensor's elements, when built
static double maker_exp(double z) { return exp(z); }
static double maker_sigmoid(double z) { return 1 / (1 + exp(-z)); }
static double maker_wrong_slope(double z) { return z * (1 - z); }

static gf_init maker_init(const char *name, double gain) {
    if (!strncmp(name, "normal", 6)) return gf_init_with(GF_INIT_NORMAL, gain);
    if (!strncmp(name, "const", 5)) return gf_init_with(GF_INIT_CONSTANT, gain);
    if (!strncmp(name, "kaiming", 7)) return gf_init_kaiming();
    if (!strncmp(name, "xavier", 6)) return gf_init_xavier(gain > 0 ? gain : 1);
    if (!strncmp(name, "glorot", 6)) return gf_init_with(GF_INIT_XAVIER_UNIFORM, 1);
    if (!strncmp(name, "lecun", 5)) return gf_init_with(GF_INIT_LECUN_NORMAL, 1);
    return gf_init_with(GF_INIT_DEFAULT, 1);
}

static void maker_layers(gf_net *net, char *words, const char *between, int *marks, int *mark_count, double *uniform) {
    char *save = NULL;
    for (char *word = words; word && *word; word = save) {
        save = strpbrk(word, between);
        if (save) *save++ = '\0';
        const char *star = strchr(word, '*'), *colon = strchr(word, ':');
        const double gain = colon && strchr(colon + 1, ':') ? atof(strchr(colon + 1, ':') + 1) : 0;
        if (star)
            for (int i = 0; i < atoi(word); i++) {
                char group[128];
                snprintf(group, sizeof group, "%s", star + 1);
                maker_layers(net, group, ",", marks, mark_count, uniform);
            }
        else if (!strncmp(word, "init:", 5)) {
            *uniform = strncmp(word + 5, "uniform", 7) ? 0 : gain;
            gf_net_set_init(net, maker_init(word + 5, gain), gf_init_zero());
        } else if (!strcmp(word, "exp")) gf_net_act_with(net, gf_act_custom("exponential", maker_exp, maker_exp));
        else if (!strcmp(word, "my_sigmoid"))
            gf_net_act_with(net, gf_act_custom("my_sigmoid", maker_sigmoid, maker_wrong_slope));
        else if (strncmp(word, "set:", 4)) net_add_word(net, word, marks, mark_count);
    }
}

static void maker_net(gf_net *net, const char *words, double *uniform) {
    char buffer[512];
    int marks[NETS_MAX_MARKS], mark_count = 0;
    snprintf(buffer, sizeof buffer, "%s", words);
    *uniform = 0;
    maker_layers(net, buffer, " ", marks, &mark_count, uniform);
}

// What can only be done to a built net.
static void maker_finish(gf_net *net, const char *words, double uniform, uint64_t seed) {
    const int tensors = gf_net_describe(net).tensor_count;
    for (int t = 0; t < tensors && uniform > 0; t++) {
        gf_tensor *tensor = gf_net_tensor_at(net, t);
        for (size_t i = 0; tensor->rank > 1 && i < tensor->size; i++)
            tensor->value[i] = (gf_real)(uniform * (2 * gf_random_uniform(seed, 400 + (uint64_t)t, i) - 1));
    }
    for (const char *at = strstr(words, "set:"); at; at = strstr(at + 1, "set:")) {
        char name[48];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 4, ":"), at + 4);
        gf_tensor *tensor = gf_net_tensor(net, name);
        for (size_t i = 0; tensor && i < tensor->size; i++) tensor->value[i] = (gf_real)atof(strchr(at + 4, ':') + 1);
    }
}

// --- losses that frameworks let one choose and gradflow does not have ---

typedef struct maker_loss {
    const char *name;
    const int *labels;
    const gf_real *targets;
} maker_loss;

enum { MAKER_OUTPUTS = 128 };

static double maker_softmax(const gf_real *y, int K, double *p) {
    double most = (double)y[0], sum = 0;
    for (int k = 1; k < K; k++) most = (double)y[k] > most ? (double)y[k] : most;
    for (int k = 0; k < K; k++) sum += p[k] = exp((double)y[k] - most);
    for (int k = 0; k < K; k++) p[k] /= sum;
    return most + log(sum);
}

// ∂L/∂y = p ⊙ (g - Σ p·g) for p = softmax(y), g = ∂L/∂p
static void maker_softmax_back(const double *p, const double *g, int K, gf_real *dy, double scale) {
    double inner = 0;
    for (int k = 0; k < K; k++) inner += p[k] * g[k];
    for (int k = 0; k < K; k++) dy[k] = (gf_real)(scale * p[k] * (g[k] - inner));
}

// One sample of a loss over classes; t[K] is its target. Returns the loss, dy is scaled by `scale`.
static double maker_sample_loss(const char *name, const gf_real *y, const double *t, int K, gf_real *dy, double scale) {
    double p[MAKER_OUTPUTS], q[MAKER_OUTPUTS], g[MAKER_OUTPUTS], loss = 0, sum = 0;
    const double clip = 1e-7;
    if (!strcmp(name, "mse_softmax")) {  // softmax, then mean squares
        maker_softmax(y, K, p);
        for (int k = 0; k < K; k++) loss += (p[k] - t[k]) * (p[k] - t[k]) / K, g[k] = 2 * (p[k] - t[k]) / K;
        maker_softmax_back(p, g, K, dy, scale);
    } else if (!strcmp(name, "softmax_twice")) {
        gf_real probability[MAKER_OUTPUTS];
        maker_softmax(y, K, p);
        for (int k = 0; k < K; k++) probability[k] = (gf_real)p[k];
        const double normal = maker_softmax(probability, K, q);
        for (int k = 0; k < K; k++) loss += t[k] * (normal - p[k]), g[k] = q[k] - t[k];
        maker_softmax_back(p, g, K, dy, scale);
    } else if (!strcmp(name, "ce_shares") || !strcmp(name, "ce_sigmoid")) {  // outputs, or their σ, divided by their sum
        const int sigmoid = name[3] == 's' && name[4] == 'i';
        for (int k = 0; k < K; k++) sum += p[k] = sigmoid ? maker_sigmoid((double)y[k]) : (double)y[k];
        for (int k = 0; k < K; k++) {
            const double share = p[k] / sum, kept = share < clip ? clip : share;
            loss -= t[k] * log(kept);
            g[k] = share < clip || !(share == share) ? 0 : -t[k] / p[k];
        }
        for (int k = 0; k < K; k++) {
            double slope = sigmoid ? p[k] * (1 - p[k]) : 1;
            dy[k] = (gf_real)(scale * slope * (g[k] + (sum == sum ? 1 / sum : 0)));
        }
    } else if (!strcmp(name, "smoothing")) {  // label smoothing 0.1: a healthy loss
        const double normal = maker_softmax(y, K, p);
        for (int k = 0; k < K; k++) {
            const double target = 0.9 * t[k] + 0.1 / K;
            loss += target * (normal - (double)y[k]), dy[k] = (gf_real)(scale * (p[k] - target));
        }
    } else if (!strcmp(name, "ce_sum")) {  // cross entropy
        const double normal = maker_softmax(y, K, p);
        for (int k = 0; k < K; k++) loss += t[k] * (normal - (double)y[k]), dy[k] = (gf_real)(scale * (p[k] - t[k]));
    } else {
        for (int k = 0; k < K; k++) {
            const double d = (double)y[k] - t[k], kept = fmin(fmax((double)y[k], clip), 1 - clip);
            double l = d * d, slope = 2 * d;
            if (!strcmp(name, "mae")) l = fabs(d), slope = (d > 0) - (d < 0);
            else if (!strcmp(name, "huber")) l = fabs(d) < 1 ? d * d / 2 : fabs(d) - 0.5, slope = fmin(fmax(d, -1), 1);
            else if (!strcmp(name, "softmax_one")) l = (1 - t[k]) * (1 - t[k]), slope = 0;  // softmax of one unit is 1
            else if (!strcmp(name, "half_mse")) l = d * d / 2, slope = d;
            else if (!strcmp(name, "bce_raw")) {  // outputs taken for probabilities, clipped
                l = -t[k] * log(kept) - (1 - t[k]) * log(1 - kept);
                slope = (double)y[k] == kept ? (kept - t[k]) / (kept * (1 - kept)) : 0;
            }
            loss += l / K, dy[k] = (gf_real)(scale * slope / K);
        }
    }
    return loss;
}

static double maker_loss_function(const gf_real *y, gf_real *dy, int B, int K, void *user) {
    const maker_loss *loss = (const maker_loss *)user;
    const int summed = strstr(loss->name, "_sum") != NULL;
    double sum = 0, t[MAKER_OUTPUTS];
    for (int b = 0; b < B; b++) {
        for (int k = 0; k < K; k++) t[k] = loss->labels ? loss->labels[b] == k : (double)loss->targets[b * K + k];
        sum += maker_sample_loss(loss->name, y + b * K, t, K, dy + b * K, summed ? 1 : 1.0 / B);
    }
    return summed ? sum : sum / B;
}
#endif
