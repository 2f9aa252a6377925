// bench.c: the workloads of `make bench`. bench NAME THREADS does one of them and prints the seconds it took, the
// billions of operations it consists of and the MB of its net and of the whole process; tests/bench.sh runs them in
// turn with the same work in PyTorch and NumPy. bench peak THREADS, bench matmul and bench probes measure the machine,
// one kernel, and the instruments; bench run COMMAND gives another program's seconds and MB.
#define _XOPEN_SOURCE 700
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#endif

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(const gf_net *net) {
    if (gf_net_status(net) == GF_OK) return;
    fprintf(stderr, "%s\n", gf_net_error(net));
    exit(1);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}

static const char *best_backend(void) {
    const gfi_engine engine = gfi_engine_best();
    return engine.fast ? engine.fast->name : "plain";
}

// --- the most the machine can do: independent multiply-adds in registers, nothing loaded or stored ---
#if defined(__GNUC__)
// GFLOP/s of one thread with vectors of so many bytes. 12 sums: each multiply-add has a few cycles to return.
#define PEAK_LOOP(name, target, bytes)                                                      \
    target static double name(long rounds) {                                                \
        typedef float vector __attribute__((vector_size(bytes)));                           \
        const int lanes = bytes / (int)sizeof(float);                                       \
        vector sum[12], x = {0}, y = {0};                                                   \
        double seconds, total = 0;                                                          \
        x += 0.9999f, y += 0.0001f;                                                         \
        for (int i = 0; i < 12; i++) sum[i] = x + (float)i;                                 \
        seconds = now();                                                                    \
        for (long r = 0; r < rounds; r++) {                                                 \
            _Pragma("GCC unroll 12") for (int i = 0; i < 12; i++) sum[i] = sum[i] * x + y;  \
        }                                                                                   \
        seconds = now() - seconds;                                                          \
        for (int i = 0; i < 12 * lanes; i++) total += (double)sum[i / lanes][i % lanes];    \
        return total > 0 ? 12.0 * 2 * lanes * (double)rounds / seconds * 1e-9 : NAN;        \
    }
#if defined(__x86_64__)
PEAK_LOOP(peak_avx512, __attribute__((target("avx512f"))), 64)
PEAK_LOOP(peak_avx2, __attribute__((target("avx2,fma"))), 32)
#endif
PEAK_LOOP(peak_plain, , 16)

static double peak_thread(void) {
#if defined(__x86_64__)
    const char *backend = best_backend();
    if (strcmp(backend, "avx512") == 0) return peak_avx512(5000000);
    if (strcmp(backend, "avx2") == 0) return peak_avx2(5000000);
#endif
    return peak_plain(5000000);
}
#else
static double peak_thread(void) { return NAN; }
#endif

// GFLOP/s of all threads together, the best of five.
static double peak(int threads) {
    double best = 0;
    for (int trial = 0; trial < 5; trial++) {
        double sum = 0;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : sum)
#endif
        for (int t = 0; t < threads; t++) sum += peak_thread();
        if (sum > best) best = sum;
    }
    return best;
}

// --- matrix multiply on the shapes of the studies' layers, as share of that peak ---

// GFLOP/s of one shape: way 0 forward (A·Wᵀ), 1 input gradient (dY·W), 2 weight gradient (dYᵀ·X).
static double matmul_speed(int m, int n, int k, int way, gf_real *memory, size_t room) {
    gfi_engine engine = gfi_engine_best();
    engine.workspace = memory + 3 * room;
    gfi_matrix a = gfi_view(memory, (size_t)m, (size_t)k), b = gfi_view(memory + room, (size_t)k, (size_t)n);
    if (way == 2) a = gfi_transposed(gfi_view(memory, (size_t)k, (size_t)m));
    if (way == 0) b = gfi_transposed(gfi_view(memory + room, (size_t)n, (size_t)k));
    double flops = 2.0 * m * n * k, best = 0;
    long repeats = 1 + (long)(2e8 / flops);
    for (int trial = 0; trial < 5; trial++) {
        double start = now();
        for (long r = 0; r < repeats; r++) gfi_matmul(&engine, memory + 2 * room, a, b, NULL, 0);
        double speed = flops * (double)repeats / (now() - start) * 1e-9;
        if (speed > best) best = speed;
    }
    return best;
}

static void bench_matmul(void) {
    static const int shapes[][3] = {{1024, 1024, 1024}, {64, 256, 784}, {64, 128, 256},   {64, 10, 128},
                                    {128, 128, 784},    {128, 128, 128}, {128, 10, 128},  {128, 256, 2048},
                                    {128, 10, 2048},    {128, 10, 256}};
    size_t room = 2048 * 2048;
    gf_real *memory = (gf_real *)calloc(4 * room + gfi_fast_workspace(1), sizeof(gf_real));
    double top = peak(1);
    if (!memory) exit(1);
    for (size_t i = 0; i < 2 * room; i++) memory[i] = (gf_real)gf_random_uniform(1, 1, i);
    printf("matrix multiply, one thread, %s, share of %.1f GFLOP/s\n", best_backend(), top);
    printf("%-22s %10s %10s %10s\n", "batch x out x in", "forward", "dx", "dw");
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        int B = shapes[s][0], O = shapes[s][1], I = shapes[s][2];
        char name[40];
        snprintf(name, sizeof name, "%d x %d x %d", B, O, I);
        printf("%-22s", name);
        for (int way = 0; way < 3; way++) {
            int m = way == 2 ? O : B, n = way == 0 ? O : I, k = way == 0 ? I : way == 1 ? O : B;
            printf(" %8.0f %%", 100 * matmul_speed(m, n, k, way, memory, room) / top);
        }
        printf("\n");
    }
    free(memory);
}

// --- training: the studies' nets on noise of MNIST's or CIFAR's size ---

typedef struct work {
    gf_dataset data;
    gf_net *net;
    gf_optim adam;
    gf_batches batches;
} work;

static void make_data(gf_dataset *data, gf_shape shape, size_t count) {
    size_t size = gfi_shape_size(shape);
    memset(data, 0, sizeof *data);
    data->shape = shape, data->count = count, data->classes = 10;
    data->pixels = (uint8_t *)malloc(count * size);
    data->labels = (int *)malloc(count * sizeof(int));
    if (!data->pixels || !data->labels) exit(1);
    for (size_t i = 0; i < count * size; i++) data->pixels[i] = (uint8_t)(gfi_random_bits(1, 2, i / 8) >> i % 8 * 8);
    for (size_t i = 0; i < count; i++) data->labels[i] = (int)(gfi_random_bits(1, 3, i) % 10);
    for (int c = 0; c < 4; c++) data->mean[c] = data->std[c] = 0.5;
}

static void add_mlp(gf_net *net, int hidden, int width) {
    for (int l = 0; l < hidden; l++) gf_net_dense(net, width), gf_net_act(net, GF_ACT_RELU);
    gf_net_dense(net, 10);
}

static void start(work *w, gf_shape shape, size_t count, int batch, int threads, unsigned probes) {
    make_data(&w->data, shape, count);
    w->net = gf_net_create(shape, batch, 1);
    gf_net_set_threads(w->net, threads);
    gf_net_set_probe(w->net, probes);
}

static void ready(work *w, int batch, int flags) {
    gf_net_build(w->net);
    gf_optim_init(&w->adam, w->net, gf_adam(1e-3));
    check(w->net);
    if (gf_batches_init(&w->batches, &w->data, batch, 1, GF_SHUFFLE | flags) != GF_OK) exit(1);
}

static void finish(work *w) {
    gf_batches_free(&w->batches), gf_optim_free(&w->adam), gf_net_free(w->net), gf_data_free(&w->data);
}

// One epoch, or `steps` steps if fewer; measures every so-manyth step (0: only the global norm, every step).
static double epoch(work *w, int measure_every, long steps) {
    double began = now();
    for (long step = 0; step < steps && gf_batches_next(&w->batches); step++) {
        gf_net_forward(w->net, w->batches.x, w->batches.n, GF_TRAIN);
        gf_loss_cross_entropy(w->net, w->batches.labels);
        gf_net_backward(w->net);
        if (measure_every && step % measure_every == 0) gf_net_measure(w->net);
        gf_net_grad_norm(w->net);
        gf_optim_step(&w->adam, w->net);
    }
    check(w->net);
    return now() - began;
}

// Floating-point operations of training on one sample: every weight of an affine layer is multiplied and added once a
// pixel forward, once for dw and once for dx, which the first layer need not give.
static double operations(gf_net *net) {
    double sum = 0;
    for (int i = 0; i < gf_net_describe(net).layer_count; i++) {
        char name[64];
        gf_shape out = gf_net_layer(net, i).shape;
        const char *kind = gf_net_layer(net, i).name;
        if (strncmp(kind, "dense", 5) != 0 && strncmp(kind, "conv", 4) != 0) continue;
        snprintf(name, sizeof name, "%s.weight", kind);
        sum += (i == 0 ? 2 : 3) * 2.0 * (double)gf_net_tensor(net, name)->size * out.height * out.width;
    }
    return sum;
}

static void report(work *w, double seconds, double samples) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%.5f %.4f %.1f %.1f\n", seconds, samples * operations(w->net) * 1e-9,
           (double)gf_net_describe(w->net).bytes / 1048576, (double)usage.ru_maxrss / 1024);
    finish(w);
}

// The classroom practical: an epoch with the global gradient norm at every step.
static void run_practical(int threads) {
    work w;
    start(&w, gf_image(1, 28, 28), 60000, 64, threads, 0);
    gf_net_dense(w.net, 256), gf_net_act(w.net, GF_ACT_RELU), gf_net_dense(w.net, 128), gf_net_act(w.net, GF_ACT_RELU);
    gf_net_dense(w.net, 10);
    ready(&w, 64, 0);
    epoch(&w, 0, 100);
    gfi_batches_seek(&w.batches, 1, 0);
    double seconds = epoch(&w, 0, LONG_MAX);
    report(&w, seconds, 60000);
}

// Twenty layers: an epoch with every layer's gradient norms at every step.
static void run_deep(int threads) {
    work w;
    start(&w, gf_image(1, 28, 28), 60000, 128, threads, GF_PROBE_NORMS);
    add_mlp(w.net, 21, 128);
    ready(&w, 128, 0);
    epoch(&w, 1, 50);
    gfi_batches_seek(&w.batches, 1, 0);
    double seconds = epoch(&w, 1, LONG_MAX);
    report(&w, seconds, 60000);
}

static void add_conv(gf_net *net, int channels, int batch_norm, gf_act_kind act, int pool) {
    gf_net_conv2d(net, channels, 3, 1, 1);
    if (batch_norm) gf_net_batch_norm(net);
    gf_net_act(net, act);
    if (pool) gf_net_max_pool2d(net, 2, 2);
}

// The CIFAR studies: seconds per training step, with every layer's gradient norms; the plain CNN with flips and crops.
static void run_cnn(int threads, int batch_norm, gf_act_kind act) {
    enum { BATCH = 128, WARM = 5, STEPS = 30 };
    work w;
    start(&w, gf_image(3, 32, 32), BATCH * STEPS, BATCH, threads, GF_PROBE_NORMS);
    for (int channels = 32; channels <= 128; channels *= 2) add_conv(w.net, channels, batch_norm, act, 1);
    if (batch_norm) gf_net_dense(w.net, 256), gf_net_act(w.net, act), gf_net_dropout(w.net, 0.3);
    else add_conv(w.net, 128, 0, act, 0);
    gf_net_dense(w.net, 10);
    ready(&w, BATCH, batch_norm ? 0 : GF_FLIP | GF_CROP);
    epoch(&w, 1, WARM);
    gfi_batches_seek(&w.batches, 1, 0);
    double seconds = epoch(&w, 1, STEPS) / STEPS;
    report(&w, seconds, BATCH);
}

// The largest eigenvalue of the practical's Hessian over 2,000 samples, to 1 %. Operations: 7/3 of a training step's
// for each product H·v, which goes forward three times (once to see the sides of relu's kinks) and back twice.
static void run_curve(int threads) {
    work w;
    gf_curve curve;
    gf_eigen top = {0, 0, NULL};
    start(&w, gf_image(1, 28, 28), 2000, 500, threads, 0);
    gf_net_dense(w.net, 256), gf_net_act(w.net, GF_ACT_RELU), gf_net_dense(w.net, 128), gf_net_act(w.net, GF_ACT_RELU);
    gf_net_dense(w.net, 10);
    ready(&w, 64, 0);
    gf_curve_init(&curve, w.net, &w.data, GF_LOSS_CROSS_ENTROPY, GF_TRAIN, 100);
    double seconds = now();
    gf_hessian_top(&curve, 1, 0, 0.01, &top);
    seconds = now() - seconds;
    check(w.net);
    if (!(top.residual <= 0.01 * top.value)) fprintf(stderr, "curve: %d steps are too few\n", curve.most_steps);
    const double products = curve.steps + 1;  // one of them to find the step of the differences
    gf_curve_free(&curve);
    report(&w, seconds, 2000 * 7.0 / 3 * products);
}

// --- what the instruments cost: the same steps with and without, in turn ---

static void bench_probes(void) {
    static const struct {
        const char *name;
        unsigned probes;
        int every;
    } kinds[] = {{"every layer's gradient norms, each step", GF_PROBE_NORMS, 1},
                 {"all instruments, every 10th step", GF_PROBE_ALL, 10}};
    printf("cost of the instruments, 20 x 128 MLP, batch 128, one thread, median of 9 pairs\n");
    for (int i = 0; i < 2; i++) {
        work plain, probed;
        double ratio[9];
        start(&plain, gf_image(1, 28, 28), 12800, 128, 1, 0), add_mlp(plain.net, 21, 128), ready(&plain, 128, 0);
        start(&probed, gf_image(1, 28, 28), 12800, 128, 1, kinds[i].probes), add_mlp(probed.net, 21, 128);
        ready(&probed, 128, 0);
        for (int trial = -1; trial < 9; trial++) {
            double without, with;
            gfi_batches_seek(&plain.batches, 1, 0), gfi_batches_seek(&probed.batches, 1, 0);
            without = epoch(&plain, 0, 100), with = epoch(&probed, kinds[i].every, 100);
            if (trial >= 0) ratio[trial] = with / without;
        }
        printf("%-44s %+5.1f %%\n", kinds[i].name, 100 * (median(ratio, 9) - 1));
        finish(&plain), finish(&probed);
    }
}

// A program's seconds and the MB of its largest process, in the places that report puts them.
static int bench_run(const char *command) {
    struct rusage usage;
    double began = now();
    int status = system(command);
    double seconds = now() - began;
    getrusage(RUSAGE_CHILDREN, &usage);
    printf("%.5f 0 0 %.1f\n", seconds, (double)usage.ru_maxrss / 1024);
    return status != 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    if (strcmp(what, "matmul") == 0) bench_matmul();
    else if (strcmp(what, "probes") == 0) bench_probes();
    else if (strcmp(what, "peak") == 0) printf("%.2f %s\n", peak(threads), best_backend());
    else if (strcmp(what, "run") == 0 && argc == 3) return bench_run(argv[2]);
    else if (strcmp(what, "practical") == 0) run_practical(threads);
    else if (strcmp(what, "deep") == 0) run_deep(threads);
    else if (strcmp(what, "curve") == 0) run_curve(threads);
    else if (strcmp(what, "cnn") == 0) run_cnn(threads, 0, GF_ACT_RELU);
    else if (strcmp(what, "bn_relu") == 0) run_cnn(threads, 1, GF_ACT_RELU);
    else if (strcmp(what, "bn_swish") == 0) run_cnn(threads, 1, GF_ACT_SILU);
    else {
        fprintf(stderr, "use: bench practical|deep|cnn|bn_relu|bn_swish|curve THREADS, bench peak THREADS, "
                        "bench matmul, bench probes, bench run COMMAND\n");
        return 2;
    }
    return 0;
}
