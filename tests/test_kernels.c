// test_kernels.c: matrix multiply, sums and optimiser updates, plain and tuned, against plain double loops.
// build: float double openmp nosimd cxx inside
#define GRADFLOW_STATIC
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#include "test.h"

static const double epsilon = sizeof(gf_real) == sizeof(double) ? 2.220446049250313e-16 : 1.1920928955078125e-07;
static const char *const names[] = {"plain", "neon", "avx2", "avx512"};
enum { NAMES = sizeof names / sizeof *names };

static uint32_t random_state = 1;

// Uniform in -1..1, by xorshift32.
static gf_real random_real(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (gf_real)((double)random_state / 2147483648.0 - 1);
}

// n gf_reals in a block of exactly that size, so that a sanitizer sees every step outside it.
static gf_real *reals(size_t n) {
    gf_real *p = (gf_real *)malloc(n * sizeof *p + (n == 0));
    if (!p) exit(EXIT_FAILURE);
    for (size_t i = 0; i < n; i++) p[i] = random_real();
    return p;
}

static void begin(const char *backend, const char *what) {
    char name[100];
    snprintf(name, sizeof name, "kernels %s (%s, %s)", what, backend,
             sizeof(gf_real) == sizeof(double) ? "double" : "float");
    TEST(name);
}

// That table's twins, or the plain loops, in so many threads, in a workspace of `size` gf_reals full of NaN: nothing may
// be read that was not written before.
static gfi_engine engine_with(const gfi_fast *fast, int threads, size_t size) {
    gfi_engine engine;
    engine.fast = fast;
    engine.threads = threads;
    size += gfi_fast_workspace(threads);
    engine.workspace = reals(size);
    for (size_t i = 0; i < size; i++) engine.workspace[i] = (gf_real)NAN;
    return engine;
}

// ---- matrix multiply ----

typedef enum layout {
    ROWS,
    COLUMNS,
    APART
} layout;  // row after row, column after column (a transpose), strides 2 and more

typedef enum beginning {
    ZERO,
    BIAS,
    ITSELF,
    BEGINNINGS
} beginning;  // what the products are added to

typedef struct product {
    gfi_matrix a, b;
    gf_real *a_data, *b_data, *before, *bias;
    beginning from;
    size_t size;  // of C
} product;

static gfi_matrix matrix_create(layout how, int rows, int columns, gf_real **data) {
    gfi_matrix m;
    m.rows = (size_t)rows;
    m.cols = (size_t)columns;
    m.row_step = how == ROWS ? columns : how == COLUMNS ? 1 : 2 * columns + 1;
    m.col_step = how == ROWS ? 1 : how == COLUMNS ? rows : 2;
    *data = reals(rows && columns ? (size_t)((rows - 1) * m.row_step + (columns - 1) * m.col_step + 1) : 0);
    m.at = *data;
    return m;
}

static gf_real *element(gf_real *data, gfi_matrix m, int row, int column) {
    return data + row * m.row_step + column * m.col_step;
}

static product product_create(int m, int n, int k, layout a, layout b, beginning from) {
    product p;
    p.a = matrix_create(a, m, k, &p.a_data);
    p.b = matrix_create(b, k, n, &p.b_data);
    p.from = from;
    p.size = (size_t)m * (size_t)n;
    p.before = reals(p.size);
    p.bias = reals((size_t)n);
    return p;
}

static void product_free(product *p) {
    free(p->a_data);
    free(p->b_data);
    free(p->before);
    free(p->bias);
}

// A fresh C, multiplied into.
static gf_real *product_run(const product *p, const gfi_fast *fast, int threads) {
    gfi_engine engine = engine_with(fast, threads, p->b.rows * p->b.cols);
    gf_real *c = reals(p->size);
    memcpy(c, p->before, p->size * sizeof *c);
    gfi_matmul(&engine, c, p->a, p->b, p->from == ZERO ? NULL : p->from == BIAS ? p->bias : c,
               p->from == ITSELF ? p->b.cols : 0);
    free(engine.workspace);
    return c;
}

// Every element within the rounding error that k products and additions can have.
static int product_right(const product *p, const gf_real *c) {
    const int M = (int)p->a.rows, N = (int)p->b.cols, K = (int)p->a.cols;
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) {
            double sum = p->from == ZERO ? 0 : p->from == BIAS ? (double)p->bias[n] : (double)p->before[m * N + n];
            double scale = fabs(sum);
            for (int k = 0; k < K; k++) {
                const double term = (double)*element(p->a_data, p->a, m, k) * (double)*element(p->b_data, p->b, k, n);
                sum += term;
                scale += fabs(term);
            }
            if (!(fabs((double)c[m * N + n] - sum) <= (K + 2) * epsilon * scale)) return 0;
        }
    return 1;
}

static void check_product(const gfi_fast *fast, int m, int n, int k, layout a, layout b, beginning from) {
    product p = product_create(m, n, k, a, b, from);
    gf_real *one = product_run(&p, fast, 1);
    const size_t bytes = p.size * sizeof *one;
    if (!product_right(&p, one))
        test_fail(__FILE__, __LINE__, "wrong: M %d N %d K %d, layouts %d %d, start %d", m, n, k, (int)a, (int)b,
                  (int)from);
    for (int threads = 2; threads <= 5; threads += 3) {
        gf_real *many = product_run(&p, fast, threads);
        if (memcmp(one, many, bytes) != 0)
            test_fail(__FILE__, __LINE__, "%d threads differ: M %d N %d K %d", threads, m, n, k);
        free(many);
    }
    int found = 0;
    const gfi_fast *avx2 = gfi_fast_named("avx2", &found);
    if (fast && found && strcmp(fast->name, "avx512") == 0) {  // the order does not depend on the tiles
        gf_real *narrow = product_run(&p, avx2, 1);
        if (memcmp(one, narrow, bytes) != 0)
            test_fail(__FILE__, __LINE__, "avx512 differs from avx2: M %d N %d K %d", m, n, k);
        free(narrow);
    }
    free(one);
    product_free(&p);
}

static void test_edges(const char *name, const gfi_fast *fast) {
    static const int sizes[] = {1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 33};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    int turn = 0;
    begin(name, "multiply edges");
    for (int m = 0; m < SIZES; m++)
        for (int n = 0; n < SIZES; n++)
            for (int k = 0; k < SIZES; k++, turn++)
                check_product(fast, sizes[m], sizes[n], sizes[k], (layout)(turn % 3), (layout)(turn / 3 % 3),
                              (beginning)(turn / 9 % BEGINNINGS));
}

// The layers of the studies and shapes around the edges of tiles and blocks, in every layout.
static void test_layers(const char *name, const gfi_fast *fast) {
    static const int shapes[][3] = {{64, 100, 784}, {100, 784, 64}, {64, 128, 128}, {64, 10, 128}, {64, 128, 10},
                                    {10, 128, 64},  {225, 16, 2},   {225, 1, 16},   {1, 1, 3000},  {4, 2000, 3},
                                    {11, 500, 257}, {49, 481, 30},  {66, 50, 513},  {330, 33, 70}};
    begin(name, "multiply layers");
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int how = 0; how < 9; how++)
            check_product(fast, shapes[s][0], shapes[s][1], shapes[s][2], (layout)(how % 3), (layout)(how / 3),
                          (beginning)((how + (int)s) % BEGINNINGS));
}

static void test_empty(const char *name, const gfi_fast *fast) {
    begin(name, "multiply with nothing in it");
    for (int from = 0; from < BEGINNINGS; from++) {
        check_product(fast, 9, 50, 0, ROWS, ROWS, (beginning)from);
        check_product(fast, 0, 50, 7, ROWS, COLUMNS, (beginning)from);
        check_product(fast, 9, 0, 7, COLUMNS, ROWS, (beginning)from);
    }
}

// One bad number in A spoils its row and one in B its column, zeros on the other side or not; nothing else changes.
static void test_nonfinite(const char *name, const gfi_fast *fast) {
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    enum { M = 19, N = 37, K = 23 };
    begin(name, "multiply propagates NaN and infinity");
    for (int how = 0; how < 3 * 9; how++) {
        product p = product_create(M, N, K, (layout)(how / 3 % 3), (layout)(how / 9), ZERO);
        gf_real *clean = product_run(&p, fast, 1);
        for (int n = 0; n < N; n += 2) *element(p.b_data, p.b, 11, n) = 0;  // 0·∞ is NaN as well
        *element(p.a_data, p.a, 5, 11) = (gf_real)bad[how % 3];
        *element(p.b_data, p.b, 7, 30) = (gf_real)bad[how % 3];
        gf_real *found = product_run(&p, fast, 1);
        for (int m = 0; m < M; m++)
            for (int n = 0; n < N; n++) {
                const double x = (double)found[m * N + n];
                if (m == 5 && n % 2 == 0) CHECK(isnan(x) || (how % 3 != 0 && n == 30));
                else if (m == 5 || n == 30) CHECK(!isfinite(x));
                else CHECK(isfinite(x) && (n % 2 == 0 || found[m * N + n] == clean[m * N + n]));
            }
        free(clean);
        free(found);
        product_free(&p);
    }
}

// ---- sums ----

static void check_sums(const gfi_engine *engine, const gf_real *x, size_t n) {
    gfi_sums found;
    double sum = 0, sum_abs = 0, squares = 0, top = 0;
    size_t zeros = 0, nonfinite = 0;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        sum += v;
        sum_abs += fabs(v);
        squares += v * v;
        if (!(fabs(v) <= top)) top = isnan(top) ? top : fabs(v);
        zeros += (size_t)(v == 0);
        nonfinite += (size_t)!isfinite(v);
    }
    gfi_sums_of(engine, x, n, &found);
    CHECK(found.zeros == zeros);
    CHECK(found.nonfinite == nonfinite);
    if (nonfinite) {
        CHECK(isnan(top) ? isnan(found.max_abs) : found.max_abs == top);
        CHECK(isnan(squares) ? isnan(found.sum_squares) : found.sum_squares == squares);
        CHECK(isnan(sum) ? isnan(found.sum) : found.sum == sum);
        CHECK(isnan(squares) ? isnan(gfi_sum_squares(engine, x, n)) : gfi_sum_squares(engine, x, n) == squares);
        return;
    }
    CHECK(found.max_abs == top);
    CHECK_NEAR(found.sum, sum, 1e-14 * (double)n * sum_abs);
    CHECK_RELATIVE(found.sum_abs, sum_abs, 1e-13);
    CHECK_RELATIVE(found.sum_squares, squares, 1e-13);
    CHECK_RELATIVE(gfi_sum_squares(engine, x, n), squares, 1e-13);
}

static void test_sums(const char *name, const gfi_fast *fast) {
    gfi_engine engine = engine_with(fast, 1, 0);
    begin(name, "sums");
    for (size_t n = 0; n <= 1000; n += n < 70 ? 1 : 93) {
        gf_real *x = reals(n);
        check_sums(&engine, x, n);
        for (size_t i = 0; i < n; i++) x[i] = i % 3 == 1 ? (gf_real)(i % 2 ? 0.0 : -0.0) : x[i] * (gf_real)1e-21;
        check_sums(&engine, x, n);
        if (n) CHECK(gfi_sum_squares(&engine, x, n) > 0);  // although a square of these is below the smallest float
        for (int bad = 0; bad < 3 && n; bad++) {
            const gf_real kept = x[n / 2];
            x[n / 2] = (gf_real)(bad == 0 ? NAN : bad == 1 ? INFINITY : -INFINITY);
            check_sums(&engine, x, n);
            x[n / 2] = kept;
        }
        free(x);
    }
    gf_real large[9];
    gfi_sums sums;
    for (int i = 0; i < 9; i++) large[i] = (gf_real)(sizeof(gf_real) == 4 ? 3e38 : 1e308);
    gfi_sums_of(&engine, large, 9, &sums);  // in double their sum is infinite, and they are not
    CHECK(sums.nonfinite == 0 && sums.max_abs == (double)large[0] && isinf(sums.sum) == (sizeof(gf_real) == 8));
    free(engine.workspace);
}

static void test_column_sums(const char *name, const gfi_fast *fast) {
    gfi_engine engine = engine_with(fast, 1, 0);
    begin(name, "column sums");
    for (size_t columns = 1; columns <= 50; columns++)
        for (size_t rows = 0; rows <= 130; rows += 26) {
            gf_real *x = reals(rows * columns), *sums = reals(columns);
            gf_real *start = columns % 2 ? NULL : sums;
            for (size_t j = 0; j < columns; j++) sums[j] = 1;
            gfi_column_sums(&engine, gfi_view(x, rows, columns), start, sums);
            for (size_t j = 0; j < columns; j++) {
                double sum = start ? 1 : 0;
                for (size_t i = 0; i < rows; i++) sum += (double)x[i * columns + j];
                CHECK_NEAR(sums[j], sum, epsilon * (double)(rows * rows + 1));
            }
            free(x);
            free(sums);
        }
    free(engine.workspace);
}

// x[i] = lookup[pixel[i·step]], forwards and, from the last pixel on, backwards.
static void test_pixels(void) {
    begin("all", "pixels");
    gf_real *lookup = reals(256);
    for (size_t n = 0; n < 70; n++) {
        uint8_t *pixel = (uint8_t *)malloc(n + (n == 0));
        if (!pixel) exit(EXIT_FAILURE);
        for (size_t i = 0; i < n; i++) pixel[i] = (uint8_t)(i * 37 + n);
        for (int step = -1; step <= 1; step += 2) {
            gf_real *x = reals(n);
            gfi_pixels(lookup, step > 0 || n == 0 ? pixel : pixel + n - 1, x, n, step);
            for (size_t i = 0; i < n; i++) CHECK(x[i] == lookup[pixel[step > 0 ? i : n - 1 - i]]);
            free(x);
        }
        free(pixel);
    }
    free(lookup);
}

// ---- optimiser updates ----

static const struct {
    const char *name;
    gf_optim_kind kind;
    double lr, weight_decay, momentum;
    int nesterov, keeps_m, keeps_v;
} recipes[] = {{"sgd", GF_SGD, 0.1, 0, 0, 0, 0, 0},
               {"sgd with decay", GF_SGD, 0.1, 0.01, 0, 0, 0, 0},
               {"momentum", GF_SGD, 0.1, 0.01, 0.9, 0, 1, 0},
               {"nesterov", GF_SGD, 0.1, 0.01, 0.9, 1, 1, 0},
               {"adam", GF_ADAM, 1e-3, 0, 0, 0, 1, 1},
               {"adam with decay", GF_ADAM, 1e-3, 0.1, 0, 0, 1, 1},
               {"adamw", GF_ADAMW, 1e-3, 0.1, 0, 0, 1, 1},
               {"rmsprop", GF_RMSPROP, 0.01, 0, 0, 0, 0, 1},
               {"rmsprop with momentum", GF_RMSPROP, 0.01, 0.1, 0.9, 0, 1, 1}};
enum { RECIPES = sizeof recipes / sizeof *recipes, PARAMS = 77 };

static gf_optim_config config_of(int r) {
    gf_optim_config c = recipes[r].kind == GF_ADAM    ? gf_adam(recipes[r].lr)
                        : recipes[r].kind == GF_ADAMW ? gf_adamw(recipes[r].lr)
                        : recipes[r].kind == GF_SGD   ? gf_sgd(recipes[r].lr)
                                                      : gf_rmsprop(recipes[r].lr);
    c.weight_decay = recipes[r].weight_decay;
    c.momentum = recipes[r].momentum;
    c.nesterov = recipes[r].nesterov;
    return c;
}

// One parameter by PyTorch's documented formulas, in double; m and v in and out.
static double update_by_hand(const gf_optim_config *c, long t, double w, double g, double *m, double *v) {
    if (c->kind == GF_ADAMW) w -= c->lr * c->weight_decay * w;
    else g += c->weight_decay * w;
    if (c->kind == GF_ADAM || c->kind == GF_ADAMW) {
        *m = c->beta1 * *m + (1 - c->beta1) * g;
        *v = c->beta2 * *v + (1 - c->beta2) * g * g;
        return w - c->lr * (*m / (1 - pow(c->beta1, (double)t))) /
                       (sqrt(*v / (1 - pow(c->beta2, (double)t))) + c->eps);
    }
    if (c->kind == GF_RMSPROP) {
        *v = c->beta2 * *v + (1 - c->beta2) * g * g;
        *m = c->momentum * *m + g / (sqrt(*v) + c->eps);
        return w - c->lr * *m;
    }
    *m = c->momentum * *m + g;
    return w - c->lr * (c->nesterov ? g + c->momentum * *m : *m);
}

typedef struct params {
    gf_real w[PARAMS], m[PARAMS], v[PARAMS];
} params;

static void run_update(const gfi_fast *fast, int threads, int r, long t, params *p, const gf_real *g, size_t from,
                       size_t to) {
    const gf_optim_config c = config_of(r);
    const gfi_engine engine = {fast, threads, NULL};
    gfi_update(&engine, &c, t, p->w + from, g + from, recipes[r].keeps_m ? p->m + from : NULL,
               recipes[r].keeps_v ? p->v + from : NULL, to - from);
}

static void check_step(const gfi_fast *fast, int r, long t, params *p, const gf_real *g) {
    const gf_optim_config c = config_of(r);
    const int is_adam = c.kind == GF_ADAM || c.kind == GF_ADAMW;
    const double keep = is_adam ? c.beta1 : c.momentum;
    // the rounding of β2^t weighs more in 1 - β2^t, which is near 0
    const double power = is_adam ? DBL_EPSILON / (1 - pow(c.beta2, (double)t)) : 0;
    const params old = *p;
    params pieces = old, threads = old;
    run_update(fast, 1, r, t, p, g, 0, PARAMS);
    for (int i = 0; i < PARAMS; i++) {
        const double before = (double)old.w[i], decay = c.weight_decay * before;
        const double total = (double)g[i] + (c.kind == GF_ADAMW ? 0 : decay);
        // where decay cancels the gradient, the rounding of the two weighs that much more in what is left
        const double tolerance = 8 * epsilon * (fabs((double)g[i]) + fabs(decay)) / fabs(total);
        double m = (double)old.m[i], v = (double)old.v[i];
        const double w = update_by_hand(&c, t, before, (double)g[i], &m, &v);
        const double m_size = fabs(keep * (double)old.m[i]) + fabs(m - keep * (double)old.m[i]);
        if (recipes[r].keeps_m) CHECK_NEAR(p->m[i], m, tolerance * m_size);
        if (recipes[r].keeps_v) CHECK_NEAR(p->v[i], v, tolerance * v + 2e-45);
        const double rounding = (c.kind == GF_ADAMW ? 2 : 1) * epsilon * fabs(w);  // AdamW: of its factor, too
        CHECK_NEAR(p->w[i], w, rounding + (2 * tolerance + power) * fabs(w - before) * m_size / fabs(m));
    }
    for (size_t i = 0; i < PARAMS; i += 11) run_update(fast, 1, r, t, &pieces, g, i, i + 11);
    run_update(fast, 3, r, t, &threads, g, 0, PARAMS);
    CHECK(memcmp(&pieces, p, sizeof pieces) == 0);
    CHECK(memcmp(&threads, p, sizeof threads) == 0);
}

static void test_updates(const char *name, const gfi_fast *fast) {
    for (int r = 0; r < RECIPES; r++) {
        char what[60];
        params p;
        snprintf(what, sizeof what, "update %s", recipes[r].name);
        begin(name, what);
        memset(&p, 0, sizeof p);
        for (int i = 0; i < PARAMS; i++) p.w[i] = random_real();
        for (long t = 1; t <= 6; t++) {
            gf_real g[PARAMS];
            for (int i = 0; i < PARAMS; i++) g[i] = random_real() * (gf_real)pow(10, -(i % 8));
            check_step(fast, r, t, &p, g);
        }
    }
}

// A vanished gradient: g = 1e-21 makes Adam's v subnormal in float, and it is kept, not flushed; NaN reaches w.
static void test_tiny(const char *name, const gfi_fast *fast) {
    params p;
    gf_real g[PARAMS];
    begin(name, "update of vanished and broken gradients");
    memset(&p, 0, sizeof p);
    for (int i = 0; i < PARAMS; i++) g[i] = (gf_real)(i % 2 ? 1e-21 : -3e-21);
    for (long t = 1; t <= 2; t++) check_step(fast, 4, t, &p, g);
    for (int i = 0; i < PARAMS; i++) CHECK(p.v[i] > 0 && p.w[i] != 0);
    g[40] = (gf_real)NAN;
    for (int r = 0; r < RECIPES; r++) {
        params broken = p;
        run_update(fast, 1, r, 3, &broken, g, 0, PARAMS);
        for (int i = 0; i < PARAMS; i++) CHECK(isnan((double)broken.w[i]) == (i == 40));
    }
}

// ---- large arrays: work that is dealt out to threads gives the same bits for any number of them ----

enum { LARGE = 100003 };

typedef struct large {
    gf_real *h, *slope, *dz, *columns, *w, *m, *v;
    double squares, prelu;
    gfi_sums sums;
} large;

static large large_run(const gfi_fast *fast, int threads, const gf_real *x, const gf_real *g) {
    const gf_act tanh_act = gf_act_default(GF_ACT_TANH);
    const gf_optim_config adam = gf_adam(1e-3);
    gfi_engine engine = engine_with(fast, threads, 0);
    large r;
    gf_real **const arrays[] = {&r.h, &r.slope, &r.dz, &r.columns, &r.w, &r.m, &r.v};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        *arrays[i] = reals(LARGE);
        memset(*arrays[i], 0, LARGE * sizeof(gf_real));
    }
    gfi_act_array(&engine, tanh_act, x, r.h, r.slope, LARGE);
    gfi_act_array_back(&engine, tanh_act, x, r.slope, g, r.dz, LARGE);
    gfi_column_sums(&engine, gfi_view(x, 1000, 100), NULL, r.columns);
    gfi_update(&engine, &adam, 1, r.w, g, r.m, r.v, LARGE);
    r.squares = gfi_sum_squares(&engine, x, LARGE);
    r.prelu = gfi_prelu_grad(&engine, x, g, LARGE);
    gfi_sums_of(&engine, x, LARGE, &r.sums);
    free(engine.workspace);
    return r;
}

static int large_same(const large *a, const large *b) {
    const gf_real *const mine[] = {a->h, a->slope, a->dz, a->columns, a->w, a->m, a->v};
    const gf_real *const other[] = {b->h, b->slope, b->dz, b->columns, b->w, b->m, b->v};
    for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
        if (memcmp(mine[i], other[i], LARGE * sizeof(gf_real)) != 0) return 0;
    return a->squares == b->squares && a->prelu == b->prelu && a->sums.sum == b->sums.sum &&
           a->sums.sum_abs == b->sums.sum_abs && a->sums.sum_squares == b->sums.sum_squares &&
           a->sums.max_abs == b->sums.max_abs && a->sums.zeros == b->sums.zeros;
}

static void large_free(large *r) {
    gf_real *const arrays[] = {r->h, r->slope, r->dz, r->columns, r->w, r->m, r->v};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
}

static void test_large(const char *name, const gfi_fast *fast) {
    begin(name, "large arrays, the same bits from any number of threads");
    gf_real *x = reals(LARGE), *g = reals(LARGE);
    large one = large_run(fast, 1, x, g);
    double squares = 0, prelu = 0;
    for (size_t i = 0; i < LARGE; i++) {
        squares += (double)x[i] * (double)x[i];
        if (x[i] <= 0) prelu += (double)x[i] * (double)g[i];
        CHECK_NEAR(one.dz[i], (double)g[i] * (double)one.slope[i], epsilon);
        CHECK_NEAR(one.w[i], -1e-3 * (g[i] > 0 ? 1 : -1) / (1 + 1e-8 / fabs((double)g[i])), 1e-3 * 8 * epsilon);
    }
    CHECK_RELATIVE(one.squares, squares, 1e-12);
    CHECK_NEAR(one.prelu, prelu, LARGE * epsilon);
    for (int threads = 2; threads <= 5; threads += 3) {
        large many = large_run(fast, threads, x, g);
        CHECK(large_same(&one, &many));
        large_free(&many);
    }
    large_free(&one);
    free(x);
    free(g);
}

int main(void) {
    for (int i = 0; i < NAMES; i++) {
        int found = 0;
        const gfi_fast *fast = gfi_fast_named(names[i], &found);
        if (!found) continue;
        test_edges(names[i], fast);
        test_layers(names[i], fast);
        test_empty(names[i], fast);
        test_nonfinite(names[i], fast);
        test_sums(names[i], fast);
        test_column_sums(names[i], fast);
        test_updates(names[i], fast);
        test_tiny(names[i], fast);
        test_large(names[i], fast);
    }
    test_pixels();
    return test_report();
}
