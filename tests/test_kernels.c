// test_kernels.c: matrix multiply, sums and optimiser updates of every instruction set here against plain double loops.
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
    random_state ^= random_state << 13, random_state ^= random_state >> 17, random_state ^= random_state << 5;
    return (gf_real)((double)random_state / 2147483648.0 - 1);
}

// n gf_reals in a block of exactly that size, so that a sanitizer sees every step outside it.
static gf_real *reals(size_t n) {
    gf_real *p = (gf_real *)malloc(n * sizeof *p + (n == 0));
    if (!p) exit(EXIT_FAILURE);
    for (size_t i = 0; i < n; i++) p[i] = random_real();
    return p;
}

static void begin(const char *kernels, const char *what) {
    static char name[100];  // the harness keeps the pointer
    test_end();
    snprintf(name, sizeof name, "kernels %s (%s, %s)", what, kernels,
             sizeof(gf_real) == sizeof(double) ? "double" : "float");
    TEST(name);
}

// ---- matrix multiply ----

typedef enum layout {
    ROWS,
    COLUMNS,
    APART
} layout;  // row after row, column after column (a transpose), strides 2 and more

// How many gf_reals a rows × columns matrix takes in that layout.
static size_t strides(layout how, int rows, int columns, ptrdiff_t *row, ptrdiff_t *column) {
    *row = how == ROWS ? columns : how == COLUMNS ? 1 : 2 * columns + 1;
    *column = how == ROWS ? 1 : how == COLUMNS ? rows : 2;
    return rows && columns ? (size_t)((rows - 1) * *row + (columns - 1) * *column + 1) : 0;
}

typedef struct product {
    gfi_matmul job;
    gf_real *a, *b, *before, *bias;
    size_t size;  // of C, a column wider than it need be where `wide`
} product;

static product product_create(int m, int n, int k, layout a, layout b, int wide, int bias, int accumulate) {
    product p;
    memset(&p, 0, sizeof p);
    p.job.m = m, p.job.n = n, p.job.k = k, p.job.accumulate = accumulate;
    p.job.a = p.a = reals(strides(a, m, k, &p.job.a_row, &p.job.a_col));
    p.job.b = p.b = reals(strides(b, k, n, &p.job.b_row, &p.job.b_col));
    p.job.c_row = n + wide, p.size = (size_t)m * (size_t)p.job.c_row;
    p.before = reals(p.size), p.bias = reals((size_t)n);
    p.job.bias = bias ? p.bias : NULL;
    return p;
}

static void product_free(product *p) { free(p->a), free(p->b), free(p->before), free(p->bias); }

// A fresh C, multiplied into by that kernel.
static gf_real *product_run(product *p, void (*matmul)(const gfi_matmul *), int threads) {
    const size_t size = gfi_matmul_workspace(threads) * sizeof(gf_real);
    gf_real *c = reals(p->size), *workspace = (gf_real *)malloc(size);
    if (!workspace) exit(EXIT_FAILURE);
    memset(workspace, 0xff, size);  // NaN: nothing may be read that was not packed before
    memcpy(c, p->before, p->size * sizeof *c);
    p->job.c = c, p->job.threads = threads, p->job.workspace = workspace;
    matmul(&p->job);
    free(workspace);
    return c;
}

// Every element within the rounding error that k products and additions can have; what is not C untouched.
static int product_right(const product *p, const gf_real *c) {
    const gfi_matmul *job = &p->job;
    for (int m = 0; m < job->m; m++) {
        for (ptrdiff_t n = 0; n < job->c_row; n++) {
            double before = (double)p->before[m * job->c_row + n], sum = 0, scale = 0,
                   found = (double)c[m * job->c_row + n];
            if (n >= job->n) {
                if (memcmp(&c[m * job->c_row + n], &p->before[m * job->c_row + n], sizeof *c) != 0) return 0;
                continue;
            }
            if (job->accumulate) sum += before, scale += fabs(before);
            if (job->bias) sum += (double)p->bias[n], scale += fabs((double)p->bias[n]);
            for (int k = 0; k < job->k; k++) {
                double term =
                    (double)job->a[m * job->a_row + k * job->a_col] * (double)job->b[k * job->b_row + n * job->b_col];
                sum += term, scale += fabs(term);
            }
            if (!(fabs(found - sum) <= (job->k + 2) * epsilon * scale)) return 0;
        }
    }
    return 1;
}

static void check_product(const gfi_kernels *kernels, int m, int n, int k, layout a, layout b, int wide, int bias,
                          int accumulate) {
    product p = product_create(m, n, k, a, b, wide, bias, accumulate);
    gf_real *one = product_run(&p, kernels->matmul, 1);
    const size_t bytes = p.size * sizeof *one;
    if (!product_right(&p, one))
        test_fail(__FILE__, __LINE__, "wrong: M %d N %d K %d, layouts %d %d, wide %d, bias %d, accumulate %d", m, n, k,
                  (int)a, (int)b, wide, bias, accumulate);
    for (int threads = 2; threads <= 5; threads += 3) {
        gf_real *many = product_run(&p, kernels->matmul, threads);
        if (memcmp(one, many, bytes) != 0)
            test_fail(__FILE__, __LINE__, "%d threads differ: M %d N %d K %d", threads, m, n, k);
        free(many);
    }
    if (strcmp(kernels->name, "plain") == 0) {  // same order, same roundings
        gf_real *naive = product_run(&p, gfi_matmul_naive, 1);
        if (memcmp(one, naive, bytes) != 0)
            test_fail(__FILE__, __LINE__, "plain differs from naive: M %d N %d K %d", m, n, k);
        free(naive);
    } else if (strcmp(kernels->name, "avx512") == 0 &&
               gfi_kernels_named("avx2")) {  // the order does not depend on the tiles
        gf_real *avx2 = product_run(&p, gfi_kernels_named("avx2")->matmul, 1);
        if (memcmp(one, avx2, bytes) != 0)
            test_fail(__FILE__, __LINE__, "avx512 differs from avx2: M %d N %d K %d", m, n, k);
        free(avx2);
    }
    free(one);
    product_free(&p);
}

static void test_edges(const gfi_kernels *kernels) {
    static const int sizes[] = {1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 33};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    int turn = 0;
    begin(kernels->name, "multiply edges");
    for (int m = 0; m < SIZES; m++)
        for (int n = 0; n < SIZES; n++)
            for (int k = 0; k < SIZES; k++, turn++)
                check_product(kernels, sizes[m], sizes[n], sizes[k], (layout)(turn % 3), (layout)(turn / 3 % 3),
                              turn % 2, turn / 2 % 2, turn / 4 % 2);
}

// The layers of the studies and shapes around the edges of tiles and blocks, in every layout.
static void test_layers(const gfi_kernels *kernels) {
    static const int shapes[][3] = {{64, 100, 784}, {100, 784, 64}, {64, 128, 128}, {64, 10, 128}, {64, 128, 10},
                                    {10, 128, 64},  {225, 16, 2},   {225, 1, 16},   {1, 1, 3000},  {4, 2000, 3},
                                    {11, 500, 257}, {49, 481, 30},  {66, 50, 513},  {330, 33, 70}};
    begin(kernels->name, "multiply layers");
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int how = 0; how < 9; how++)
            check_product(kernels, shapes[s][0], shapes[s][1], shapes[s][2], (layout)(how % 3), (layout)(how / 3),
                          how == 4, how % 4 == 1, how % 4 == 2);
}

static void test_empty(const gfi_kernels *kernels) {
    begin(kernels->name, "multiply with nothing in it");
    for (int bias = 0; bias < 2; bias++)
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            check_product(kernels, 9, 50, 0, ROWS, ROWS, 1, bias, accumulate);
            check_product(kernels, 0, 50, 7, ROWS, COLUMNS, 1, bias, accumulate);
            check_product(kernels, 9, 0, 7, COLUMNS, ROWS, 1, bias, accumulate);
        }
}

// One bad number in A spoils its row and one in B its column, zeros on the other side or not; nothing else changes.
static void test_nonfinite(const gfi_kernels *kernels) {
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    enum { M = 19, N = 37, K = 23 };
    begin(kernels->name, "multiply propagates NaN and infinity");
    for (int how = 0; how < 3 * 9; how++) {
        product p = product_create(M, N, K, (layout)(how / 3 % 3), (layout)(how / 9), 0, 0, 0);
        gf_real *clean = product_run(&p, kernels->matmul, 1), *found;
        for (int n = 0; n < N; n += 2) p.b[11 * p.job.b_row + n * p.job.b_col] = 0;  // 0·∞ is NaN as well
        p.a[5 * p.job.a_row + 11 * p.job.a_col] = (gf_real)bad[how % 3];
        p.b[7 * p.job.b_row + 30 * p.job.b_col] = (gf_real)bad[how % 3];
        found = product_run(&p, kernels->matmul, 1);
        for (int m = 0; m < M; m++)
            for (int n = 0; n < N; n++) {
                const double x = (double)found[m * N + n];
                if (m == 5 && n % 2 == 0) CHECK(isnan(x) || (how % 3 != 0 && n == 30));
                else if (m == 5 || n == 30) CHECK(!isfinite(x));
                else CHECK(isfinite(x) && (n % 2 == 0 || found[m * N + n] == clean[m * N + n]));
            }
        free(clean), free(found);
        product_free(&p);
    }
}

// ---- sums ----

static void check_sums(const gfi_kernels *kernels, const gf_real *x, size_t n) {
    gfi_sums found;
    double sum = 0, sum_abs = 0, squares = 0, top = 0;
    size_t zeros = 0, non_finite = 0;
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];
        sum += v, sum_abs += fabs(v), squares += v * v;
        if (!(fabs(v) <= top)) top = isnan(top) ? top : fabs(v);
        zeros += (size_t)(v == 0), non_finite += (size_t)!isfinite(v);
    }
    kernels->sums(x, n, &found);
    CHECK(found.zeros == zeros);
    CHECK(found.non_finite == non_finite);
    if (non_finite) {
        CHECK(isnan(top) ? isnan(found.max_abs) : found.max_abs == top);
        CHECK(isnan(squares) ? isnan(found.sum_squares) : found.sum_squares == squares);
        CHECK(isnan(sum) ? isnan(found.sum) : found.sum == sum);
        CHECK(isnan(squares) ? isnan(kernels->sum_squares(x, n)) : kernels->sum_squares(x, n) == squares);
        return;
    }
    CHECK(found.max_abs == top);
    CHECK_NEAR(found.sum, sum, 1e-14 * (double)n * sum_abs);
    CHECK_RELATIVE(found.sum_abs, sum_abs, 1e-13);
    CHECK_RELATIVE(found.sum_squares, squares, 1e-13);
    CHECK_RELATIVE(kernels->sum_squares(x, n), squares, 1e-13);
}

static void test_sums(const gfi_kernels *kernels) {
    begin(kernels->name, "sums");
    for (size_t n = 0; n <= 1000; n += n < 70 ? 1 : 93) {
        gf_real *x = reals(n);
        check_sums(kernels, x, n);
        for (size_t i = 0; i < n; i++) x[i] = i % 3 == 1 ? (gf_real)(i % 2 ? 0.0 : -0.0) : x[i] * (gf_real)1e-21;
        check_sums(kernels, x, n);
        if (n) CHECK(kernels->sum_squares(x, n) > 0);  // although a square of these is below the smallest float
        for (int bad = 0; bad < 3 && n; bad++) {
            const gf_real kept = x[n / 2];
            x[n / 2] = (gf_real)(bad == 0 ? NAN : bad == 1 ? INFINITY : -INFINITY);
            check_sums(kernels, x, n);
            x[n / 2] = kept;
        }
        free(x);
    }
    gf_real large[9];
    gfi_sums sums;
    for (int i = 0; i < 9; i++) large[i] = (gf_real)(sizeof(gf_real) == 4 ? 3e38 : 1e308);
    kernels->sums(large, 9, &sums);  // in double their sum is infinite, and they are not
    CHECK(sums.non_finite == 0 && sums.max_abs == (double)large[0] && isinf(sums.sum) == (sizeof(gf_real) == 8));
}

static void test_column_sums(const gfi_kernels *kernels) {
    begin(kernels->name, "column sums");
    for (int columns = 1; columns <= 50; columns++)
        for (int rows = 0; rows <= 130; rows += 26) {
            const int stride = columns + columns % 3, accumulate = columns % 2;
            gf_real *x = reals((size_t)(rows * stride)), *sums = reals((size_t)columns),
                    *before = reals((size_t)columns);
            memcpy(sums, before, (size_t)columns * sizeof *sums);
            kernels->column_sums(x, rows, columns, stride, sums, accumulate);
            for (int j = 0; j < columns; j++) {
                double sum = accumulate ? (double)before[j] : 0;
                for (int i = 0; i < rows; i++) sum += (double)x[i * stride + j];
                CHECK_NEAR(sums[j], sum, epsilon * rows * rows);
            }
            free(x), free(sums), free(before);
        }
}

static void test_axpy_scale(const gfi_kernels *kernels) {
    begin(kernels->name, "axpy and scale");
    for (size_t n = 0; n < 70; n++) {
        gf_real *x = reals(n), *y = reals(n), *before = reals(n);
        memcpy(before, y, n * sizeof *y);
        kernels->axpy(y, -0.75, x, n);
        for (size_t i = 0; i < n; i++) CHECK_NEAR(y[i], (double)before[i] - 0.75 * (double)x[i], 2 * epsilon);
        kernels->scale(x, 0.5, n);
        memcpy(before, x, n * sizeof *x);
        kernels->scale(x, 4, n);
        for (size_t i = 0; i < n; i++) CHECK(x[i] == 4 * before[i]);
        free(x), free(y), free(before);
    }
}

// ---- optimiser updates ----

static const struct {
    const char *name;
    int kind;
    double lr, weight_decay, momentum, beta2;
    int nesterov, decoupled, keeps_m, keeps_v;
} recipes[] = {{"sgd", GFI_UPDATE_SGD, 0.1, 0, 0, 0, 0, 0, 0, 0},
               {"sgd with decay", GFI_UPDATE_SGD, 0.1, 0.01, 0, 0, 0, 0, 0, 0},
               {"momentum", GFI_UPDATE_SGD, 0.1, 0.01, 0.9, 0, 0, 0, 1, 0},
               {"nesterov", GFI_UPDATE_SGD, 0.1, 0.01, 0.9, 0, 1, 0, 1, 0},
               {"adam", GFI_UPDATE_ADAM, 1e-3, 0, 0.9, 0.999, 0, 0, 1, 1},
               {"adam with decay", GFI_UPDATE_ADAM, 1e-3, 0.1, 0.9, 0.999, 0, 0, 1, 1},
               {"adamw", GFI_UPDATE_ADAM, 1e-3, 0.1, 0.9, 0.999, 0, 1, 1, 1},
               {"rmsprop", GFI_UPDATE_RMSPROP, 0.01, 0, 0, 0.99, 0, 0, 0, 1},
               {"rmsprop with momentum", GFI_UPDATE_RMSPROP, 0.01, 0.1, 0.9, 0.99, 0, 0, 1, 1}};
enum { RECIPES = sizeof recipes / sizeof *recipes };

static gfi_update update_of(int r, int step) {
    gfi_update u;
    memset(&u, 0, sizeof u);
    u.kind = recipes[r].kind, u.lr = recipes[r].lr, u.weight_decay = recipes[r].weight_decay, u.eps = 1e-8;
    u.momentum = recipes[r].momentum, u.beta2 = recipes[r].beta2, u.nesterov = recipes[r].nesterov;
    u.decoupled = recipes[r].decoupled, u.step = step;
    return u;
}

// One parameter by PyTorch's documented formulas, in double; m and v in and out.
static double update_by_hand(const gfi_update *u, double w, double g, double *m, double *v) {
    if (u->decoupled) w -= u->lr * u->weight_decay * w;
    else g += u->weight_decay * w;
    if (u->kind == GFI_UPDATE_ADAM) {
        *m = u->momentum * *m + (1 - u->momentum) * g;
        *v = u->beta2 * *v + (1 - u->beta2) * g * g;
        return w - u->lr * (*m / (1 - pow(u->momentum, u->step))) / (sqrt(*v / (1 - pow(u->beta2, u->step))) + u->eps);
    }
    if (u->kind == GFI_UPDATE_RMSPROP) {
        *v = u->beta2 * *v + (1 - u->beta2) * g * g;
        *m = u->momentum * *m + g / (sqrt(*v) + u->eps);
        return w - u->lr * *m;
    }
    *m = u->momentum * *m + g;
    return w - u->lr * (u->nesterov ? g + u->momentum * *m : *m);
}

enum { PARAMS = 77 };

typedef struct params {
    gf_real w[PARAMS], m[PARAMS], v[PARAMS];
} params;

static void run_update(const gfi_kernels *kernels, int r, int step, params *p, const gf_real *g, size_t from, size_t to,
                       gfi_change *change) {
    const gfi_update u = update_of(r, step);
    kernels->update(&u, p->w + from, g + from, recipes[r].keeps_m ? p->m + from : NULL,
                    recipes[r].keeps_v ? p->v + from : NULL, to - from, change);
}

static void check_step(const gfi_kernels *kernels, int r, int step, params *p, const gf_real *g) {
    const gfi_update u = update_of(r, step);
    const params old = *p;
    params pieces = old, quiet = old;
    gfi_change change = {NAN, NAN};
    double sum = 0, squares = 0, scale = 0;
    run_update(kernels, r, step, p, g, 0, PARAMS, &change);
    for (int i = 0; i < PARAMS; i++) {
        const double moved = (double)(gf_real)(p->w[i] - old.w[i]), before = (double)old.w[i],
                     decay = u.weight_decay * before;
        const double total = (double)g[i] + (u.decoupled ? 0 : decay);
        // where decay cancels the gradient, the rounding of the two weighs that much more in what is left
        const double tolerance = 8 * epsilon * (fabs((double)g[i]) + fabs(decay)) / fabs(total);
        double m = (double)old.m[i], v = (double)old.v[i], m_size;
        const double w = update_by_hand(&u, before, (double)g[i], &m, &v);
        m_size = fabs(u.momentum * (double)old.m[i]) + fabs(m - u.momentum * (double)old.m[i]);
        if (recipes[r].keeps_m) CHECK_NEAR(p->m[i], m, tolerance * m_size);
        if (recipes[r].keeps_v) CHECK_NEAR(p->v[i], v, tolerance * v + 2e-45);
        CHECK_NEAR(p->w[i], w, epsilon * fabs(w) + 2 * tolerance * fabs(w - before) * m_size / fabs(m));
        sum += moved, squares += moved * moved, scale += fabs(moved);
    }
    CHECK_NEAR(change.sum, sum, 1e-14 * scale);
    CHECK_RELATIVE(change.sum_squares, squares, 1e-13);
    run_update(kernels, r, step, &quiet, g, 0, PARAMS, NULL);
    for (size_t i = 0; i < PARAMS; i += 11) run_update(kernels, r, step, &pieces, g, i, i + 11, NULL);
    CHECK(memcmp(&quiet, p, sizeof quiet) == 0);
    CHECK(memcmp(&pieces, p, sizeof pieces) == 0);
}

static void test_updates(const gfi_kernels *kernels) {
    for (int r = 0; r < RECIPES; r++) {
        char what[60];
        params p;
        snprintf(what, sizeof what, "update %s", recipes[r].name);
        begin(kernels->name, what);
        memset(&p, 0, sizeof p);
        for (int i = 0; i < PARAMS; i++) p.w[i] = random_real();
        for (int step = 1; step <= 6; step++) {
            gf_real g[PARAMS];
            for (int i = 0; i < PARAMS; i++) g[i] = random_real() * (gf_real)pow(10, -(i % 8));
            check_step(kernels, r, step, &p, g);
        }
    }
}

// A vanished gradient: g = 1e-21 makes Adam's v subnormal in float, and it is kept, not flushed; NaN reaches w.
static void test_tiny(const gfi_kernels *kernels) {
    params p;
    gf_real g[PARAMS];
    begin(kernels->name, "update of vanished and broken gradients");
    memset(&p, 0, sizeof p);
    for (int i = 0; i < PARAMS; i++) g[i] = (gf_real)(i % 2 ? 1e-21 : -3e-21);
    for (int step = 1; step <= 2; step++) check_step(kernels, 4, step, &p, g);
    for (int i = 0; i < PARAMS; i++) CHECK(p.v[i] > 0 && p.w[i] != 0);
    g[40] = (gf_real)NAN;
    for (int r = 0; r < RECIPES; r++) {
        params broken = p;
        run_update(kernels, r, 3, &broken, g, 0, PARAMS, NULL);
        for (int i = 0; i < PARAMS; i++) CHECK(isnan((double)broken.w[i]) == (i == 40));
    }
}

int main(void) {
    for (int i = 0; i < NAMES; i++) {
        const gfi_kernels *kernels = gfi_kernels_named(names[i]);
        if (!kernels) continue;
        test_edges(kernels);
        test_layers(kernels);
        test_empty(kernels);
        test_nonfinite(kernels);
        test_sums(kernels);
        test_column_sums(kernels);
        test_axpy_scale(kernels);
        test_updates(kernels);
        test_tiny(kernels);
    }
    return test_report();
}
