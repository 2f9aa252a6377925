// bench.c: the workloads of `make bench`, one at a time: bench NAME THREADS prints the seconds it took (tests/bench.sh runs
// them in turn with the same work in PyTorch and NumPy and prints the ratios). bench peak, matmul and probes print tables.
#define _POSIX_C_SOURCE 200809L
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#include <stdio.h>
#include <stdlib.h>
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

// --- the most this core can do: independent multiply-adds in registers, nothing loaded or stored ---
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
__attribute__((target("avx512f"))) static double peak_avx512(long rounds) {
    __m512 sum[12], x = _mm512_set1_ps(1.0001f), y = _mm512_set1_ps(0.9999f);
    float out[16];
    for (int i = 0; i < 12; i++) sum[i] = _mm512_set1_ps((float)i);
    double start = now();
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) sum[i] = _mm512_fmadd_ps(sum[i], x, y);
    }
    double seconds = now() - start;
    for (int i = 1; i < 12; i++) sum[0] = _mm512_add_ps(sum[0], sum[i]);
    _mm512_storeu_ps(out, sum[0]);
    return out[0] == 12345.0f ? 0 : 12.0 * 32.0 * (double)rounds / seconds * 1e-9;
}
__attribute__((target("avx2,fma"))) static double peak_avx2(long rounds) {
    __m256 sum[12], x = _mm256_set1_ps(1.0001f), y = _mm256_set1_ps(0.9999f);
    float out[8];
    for (int i = 0; i < 12; i++) sum[i] = _mm256_set1_ps((float)i);
    double start = now();
    for (long r = 0; r < rounds; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) sum[i] = _mm256_fmadd_ps(sum[i], x, y);
    }
    double seconds = now() - start;
    for (int i = 1; i < 12; i++) sum[0] = _mm256_add_ps(sum[0], sum[i]);
    _mm256_storeu_ps(out, sum[0]);
    return out[0] == 12345.0f ? 0 : 12.0 * 16.0 * (double)rounds / seconds * 1e-9;
}
static double peak(void) {  // GFLOP/s of one thread
    return strcmp(gfi_kernels_best()->name, "avx512") == 0 ? peak_avx512(5000000) : peak_avx2(5000000);
}
#else
static double peak(void) { return NAN; }
#endif

// --- matrix multiply on the shapes of the studies' layers, as share of that peak ---

// GFLOP/s of one shape: way 0 forward (A·Wᵀ), 1 input gradient (dY·W), 2 weight gradient (dYᵀ·X).
static double matmul_speed(int m, int n, int k, int way, const gf_real *a, const gf_real *b, gf_real *c, gf_real *workspace) {
    gfi_matmul job;
    memset(&job, 0, sizeof job);
    job.m = m, job.n = n, job.k = k, job.a = a, job.b = b, job.c = c, job.c_row = n, job.threads = 1, job.workspace = workspace;
    job.a_row = way == 2 ? 1 : k, job.a_col = way == 2 ? m : 1;
    job.b_row = way == 0 ? 1 : n, job.b_col = way == 0 ? k : 1;
    double flops = 2.0 * m * n * k, best = 0;
    long repeats = 1 + (long)(2e8 / flops);
    for (int trial = 0; trial < 5; trial++) {
        double start = now();
        for (long r = 0; r < repeats; r++) gfi_kernels_best()->matmul(&job);
        double speed = flops * (double)repeats / (now() - start) * 1e-9;
        if (speed > best) best = speed;
    }
    return best;
}

static void bench_matmul(void) {
    static const int shapes[][3] = {{1024, 1024, 1024}, {128, 256, 784}, {64, 256, 784}, {64, 128, 256}, {64, 10, 128}, {128, 128, 784},
                                    {128, 128, 128},    {128, 10, 128},  {128, 256, 2048}, {128, 10, 2048}, {128, 10, 256}};
    size_t room = 2048 * 2048;
    gf_real *memory = (gf_real *)calloc(3 * room + gfi_matmul_workspace(1), sizeof(gf_real));
    double top = peak();
    if (!memory) exit(1);
    for (size_t i = 0; i < 2 * room; i++) memory[i] = (gf_real)gf_random_uniform(1, 1, i);
    printf("matrix multiply, one thread, %s kernels; this core's multiply-add peak is %.1f GFLOP/s\n", gfi_kernels_best()->name, top);
    printf("%-22s %10s %10s %10s   share of peak\n", "batch x out x in", "forward", "dx", "dw");
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        int B = shapes[s][0], O = shapes[s][1], I = shapes[s][2];
        char name[40];
        snprintf(name, sizeof name, "%d x %d x %d", B, O, I);
        printf("%-22s", name);
        for (int way = 0; way < 3; way++) {
            int m = way == 2 ? O : B, n = way == 0 ? O : I, k = way == 0 ? I : way == 1 ? O : B;
            printf(" %8.0f %%", 100 * matmul_speed(m, n, k, way, memory, memory + room, memory + 2 * room, memory + 3 * room) / top);
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
    size_t size = gf_shape_size(shape);
    memset(data, 0, sizeof *data);
    data->shape = shape, data->count = count, data->classes = 10;
    data->pixels = (uint8_t *)malloc(count * size);
    data->labels = (int *)malloc(count * sizeof(int));
    if (!data->pixels || !data->labels) exit(1);
    for (size_t i = 0; i < count * size; i++) data->pixels[i] = (uint8_t)(gf_random_bits(1, 2, i / 8) >> i % 8 * 8);
    for (size_t i = 0; i < count; i++) data->labels[i] = (int)(gf_random_bits(1, 3, i) % 10);
    for (int c = 0; c < 4; c++) data->mean[c] = data->std[c] = 0.5;
}

static void mlp_layers(gf_net *net, int hidden, int width) {
    for (int l = 0; l < hidden; l++) gf_net_dense(net, width), gf_net_act(net, GF_ACT_RELU);
    gf_net_dense(net, 10);
}

static void start(work *w, gf_shape shape, size_t count, int batch, int threads, unsigned probes) {
    make_data(&w->data, shape, count);
    w->net = gf_net_create(shape, batch, 1);
    gf_net_threads(w->net, threads);
    gf_net_probe(w->net, probes);
}

static void ready(work *w, int batch) {
    gf_net_build(w->net);
    gf_optim_init(&w->adam, w->net, gf_adam(1e-3));
    check(w->net);
    if (gf_batches_init(&w->batches, &w->data, batch, 1, GF_SHUFFLE) != GF_OK) exit(1);
}

static void finish(work *w) { gf_batches_free(&w->batches), gf_optim_free(&w->adam), gf_net_free(w->net), gf_data_free(&w->data); }

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

static double run_practical(int threads) {
    work w;
    start(&w, gf_image(1, 28, 28), 60000, 64, threads, 0);
    gf_net_dense(w.net, 256), gf_net_act(w.net, GF_ACT_RELU), gf_net_dense(w.net, 128), gf_net_act(w.net, GF_ACT_RELU), gf_net_dense(w.net, 10);
    ready(&w, 64);
    epoch(&w, 0, 100);
    gf_batches_seek(&w.batches, 1, 0);
    double seconds = epoch(&w, 0, 1000000);
    finish(&w);
    return seconds;
}

static double run_deep(int threads) {
    work w;
    start(&w, gf_image(1, 28, 28), 60000, 128, threads, GF_PROBE_GRADIENTS);
    mlp_layers(w.net, 21, 128);
    ready(&w, 128);
    epoch(&w, 1, 50);
    gf_batches_seek(&w.batches, 1, 0);
    double seconds = epoch(&w, 1, 1000000);
    finish(&w);
    return seconds;
}

// --- what the instruments cost: the same steps with and without, in turn ---

static void bench_probes(void) {
    static const struct {
        const char *name;
        unsigned probes;
        int every;
    } kinds[] = {{"every layer's gradient norms, each step", GF_PROBE_NORMS, 1}, {"all instruments, every 10th step", GF_PROBE_ALL, 10}};
    printf("cost of the instruments, 20 x 128 MLP, batch 128, one thread, median of 9 pairs\n");
    for (int i = 0; i < 2; i++) {
        work plain, probed;
        double ratio[9];
        start(&plain, gf_image(1, 28, 28), 12800, 128, 1, 0), mlp_layers(plain.net, 21, 128), ready(&plain, 128);
        start(&probed, gf_image(1, 28, 28), 12800, 128, 1, kinds[i].probes), mlp_layers(probed.net, 21, 128), ready(&probed, 128);
        for (int trial = -1; trial < 9; trial++) {
            double without, with;
            gf_batches_seek(&plain.batches, 1, 0), gf_batches_seek(&probed.batches, 1, 0);
            without = epoch(&plain, 0, 100), with = epoch(&probed, kinds[i].every, 100);
            if (trial >= 0) ratio[trial] = with / without;
        }
        printf("%-44s %+5.1f %%\n", kinds[i].name, 100 * (median(ratio, 9) - 1));
        finish(&plain), finish(&probed);
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    int threads = argc > 2 ? atoi(argv[2]) : 1;
    if (strcmp(what, "matmul") == 0) bench_matmul();
    else if (strcmp(what, "probes") == 0) bench_probes();
    else if (strcmp(what, "practical") == 0) printf("%.4f\n", run_practical(threads));
    else if (strcmp(what, "deep") == 0) printf("%.4f\n", run_deep(threads));
    else {
        fprintf(stderr, "use: bench matmul | probes | practical THREADS | deep THREADS\n");
        return 2;
    }
    return 0;
}
