/* gradflow.h: train small neural networks in C and see where their gradients go. v0.2, public domain or MIT (see end) */
#if !defined(_MSC_VER) && (defined(__cplusplus) ? __cplusplus < 201103L : __STDC_VERSION__ < 199901L)
#include "gradflow.h needs C99 or C++11 or later: add -std=c99 (or -std=c++11) to the compiler's flags" /* ends it */
#endif
//
// One header, no dependency but libc and libm. Three uses: drop it into coursework, compile an example
// with one command, read it from top to bottom as a course in backpropagation.
//
//     #define GRADFLOW_IMPLEMENTATION          // in exactly one file of a program
//     #define GRADFLOW_STATIC                  // a program of one file: what it leaves unused is not compiled
//     #include "gradflow.h"
//     #include <stdio.h>
//     int main(void) {                         // learn XOR, print the loss and the size of the gradient
//         gf_real x[8] = {0, 0, 0, 1, 1, 0, 1, 1};
//         int labels[4] = {0, 1, 1, 0};
//         gf_net *net = gf_net_create(gf_vector(2), 4, 42);
//         gf_net_dense(net, 8);
//         gf_net_act(net, GF_ACT_TANH);
//         gf_net_dense(net, 2);
//         gf_net_build(net);
//         gf_optim adam;
//         gf_optim_init(&adam, net, gf_adam(0.05));
//         for (int step = 0; step < 200 && gf_net_status(net) == GF_OK; step++) {
//             gf_net_forward(net, x, 4, GF_TRAIN);
//             double loss = gf_loss_cross_entropy(net, labels);
//             gf_net_backward(net);
//             if (step % 50 == 0) printf("step %3d  loss %.4f  |grad| %.4f\n", step, loss, gf_net_grad_norm(net));
//             gf_optim_step(&adam, net);
//         }
//         printf("%s\n", gf_net_error(net));   // "no error", or what was expected, what was found, what to do
//         gf_optim_free(&adam);
//         gf_net_free(net);
//         return 0;
//     }
//
//     cc -O2 xor.c -o xor -lm
//
// It does NOT do: GPUs, general graphs (nets are sequential, with skip connections), recurrent layers, attention,
// mixed precision, autodiff of your own expressions. Networks that fit a CPU and a course, that is all.
//
// CONTENTS. Search for a token. The first hit after this list is the public part, the last one is the implementation.
//     public part                                          implementation, in the order of the course
//     [GF:CONFIG]  types and options                       [GF:BACKPROP] the whole step of an MLP in plain loops
//     [GF:ERR]     status codes, messages                  [GF:NET]      errors, randomness, building a net
//     [GF:RNG]     randomness                              [GF:LAYER]    norms, dropout, convolution, pools, skips
//     [GF:TENSOR]  shapes and named tensors                [GF:ACT]      21 activation functions
//     [GF:ACT]     activation functions                    [GF:PROBE]    instruments
//     [GF:INIT]    initialisers                            [GF:CHECK]    gradient check
//     [GF:LAYER]   layers                                  [GF:THEORY]   signal propagation
//     [GF:NET]     the network                             [GF:DATA]     data sets and batches
//     [GF:LOSS]    losses                                  [GF:SAVE]     checkpoints
//     [GF:OPTIM]   SGD, Adam, clipping, schedules          [GF:DOCTOR]   why does it not learn?
//     [GF:PROBE]   where do gradients go?                  [GF:CURVE]    curvature, learning rates
//     [GF:CHECK] [GF:THEORY] [GF:DATA]                     [GF:KERNEL]   tuned twins of the heavy loops; read it last,
//     [GF:DOCTOR] [GF:CURVE] [GF:SAVE]                                   or never
//
// LETTERS. Shapes stand in brackets, last index fastest:
//     B batch   I inputs   O outputs   C channels   H height   W width   K classes   L affine layers
//     z = W·h + b   pre-activation of an affine (dense, conv) layer      h = φ(z)   its activation
//     δ = ∂L/∂z     the gradient that arrives there                      dw = ∂L/∂W, db = ∂L/∂b
//
// OPTIONS. Define before including, the same in every file:
//     GF_REAL              float (default) or double: the type of every array
//     GRADFLOW_STATIC      all functions static, for use inside one file
//     GF_MALLOC(size) GF_REALLOC(p, size) GF_FREE(p)   your allocator; all three or none
//     GF_NO_SIMD           plain loops only: they give the same bits on every machine and with every compiler
//     GF_NO_STDIO          no files, no printing
//     GF_ASCII             findings and verdicts without Greek letters, for consoles that cannot show them
//     GF_VSNPRINTF(to, size, format, args)             your own, where there is no <stdio.h> to take vsnprintf from
//   Add -fopenmp to the compiler's flags to use several cores; the results stay the same bit for bit.
//   A larger program compiles the library once:  cc -O2 -x c -DGRADFLOW_IMPLEMENTATION -c gradflow.h -o gradflow.o
//
// ERRORS ARE STICKY. The first mistake is kept in the net with its numbers and a hint; every later call on that net
// does nothing (a loss is NaN, a step changes no weight). So check gf_net_status(net) once, where it suits you.

#ifndef GFI_PASS  // the kernel section includes this file again, once for each instruction set; see [GF:KERNEL]
#ifndef GRADFLOW_H
#define GRADFLOW_H

// [GF:CONFIG] Types and options ---------------------------------------------------------------------------------------
// Arrays are gf_real, float unless GF_REAL says double (gradient checks want double). Single numbers go in and come out
// as double. Declarations and implementation have guards of their own, so the order of inclusion does not matter.

#define GF_VERSION_MAJOR 0
#define GF_VERSION_MINOR 2

#include <stddef.h>
#include <stdint.h>

#if defined(__FAST_MATH__) || defined(_M_FP_FAST) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0)
#error "gradflow.h: -ffast-math, -ffinite-math-only (/fp:fast) assume that NaN and infinity never occur; build without."
#endif

#ifndef GF_REAL
#define GF_REAL float
#endif
#define GFI_CAT2(a, b) a##b
#define GFI_CAT(a, b) GFI_CAT2(a, b)
#define GFI_TEXT2(x) #x
#define GFI_TEXT(x) GFI_TEXT2(x)
#define GFI_TYPE_float 1
#define GFI_TYPE_double 2
#define GFI_TYPE_long 0 *
#define GFI_REAL_IS_DOUBLE (GFI_CAT(GFI_TYPE_, GF_REAL) == 2)
#if GFI_CAT(GFI_TYPE_, GF_REAL) - 1 < 0
#error "gradflow.h: GF_REAL is float or double; build with -DGF_REAL=double or without."
#undef GF_REAL
#define GF_REAL float
#endif
typedef GF_REAL gf_real;

#if defined(GRADFLOW_STATIC) && defined(__GNUC__)
#define GFDEF static __attribute__((unused))
#elif defined(GRADFLOW_STATIC)
#define GFDEF static
#else
#define GFDEF extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Files of one program that differ in version or GF_REAL would read one another's arrays wrongly. So each refers to a
// name that says both, and the linker misses it where the implementation is of another kind.
#define GFI_KIND GFI_CAT(gfi_every_file_needs_gradflow_0_2_and_GF_REAL_, GF_REAL)
#if defined(_MSC_VER)
#pragma detect_mismatch("gradflow 0.2: GF_REAL", GFI_TEXT(GF_REAL))
#elif !defined(GRADFLOW_STATIC)
extern const int GFI_KIND;
#ifdef __GNUC__
__attribute__((used))
#endif
static const int *const gfi_kind = &GFI_KIND;
#endif

// [GF:ERR] Status codes and messages ----------------------------------------------------------------------------------
// What can fail returns a gf_status or, where it returns something else, NULL, NaN or -1, and leaves a message: what
// was expected, what was found, what to do. A net keeps its first error (gf_net_status, gf_net_error). Functions without
// a net leave their message in gf_last_error.

typedef enum gf_status {
    GF_OK,
    GF_ERROR_ARGUMENT,   // an argument is outside its range
    GF_ERROR_SHAPE,      // shapes do not fit together
    GF_ERROR_ORDER,      // a call came before the call it needs
    GF_ERROR_MEMORY,     // out of memory
    GF_ERROR_IO,         // a file could not be read or written
    GF_ERROR_FORMAT,     // a file's contents are not what its format demands
    GF_ERROR_NOT_FOUND,  // no such name
    GF_ERROR_NONFINITE   // NaN or infinity in training
} gf_status;

GFDEF const char *gf_last_error(void);  // of the calling thread; "no error" before the first failure, never NULL

// [GF:RNG] Randomness -------------------------------------------------------------------------------------------------
// A random number is a pure function of (seed, stream, index): nothing is stored, any element can be drawn alone, in
// any order, on any thread. splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").
// The library's own streams lie below GF_STREAM_USER.

enum { GF_STREAM_USER = 128 };

GFDEF double gf_random_uniform(uint64_t seed, uint64_t stream, uint64_t index);  // in [0, 1), 53 bits
GFDEF double gf_random_normal(uint64_t seed, uint64_t stream, uint64_t index);   // mean 0, variance 1

// [GF:TENSOR] Shapes and named tensors --------------------------------------------------------------------------------
// Data is a flat array of gf_real; a shape says how to read it: element (c, y, x) of a sample stands at
// (c·H + y)·W + x, sample b of a batch begins at b·C·H·W. Parameters have names, so that they can be read, set and
// compared with PyTorch's.

typedef struct gf_shape {  // of one sample, without the batch: [C,H,W]; a vector of n is [n,1,1]
    int channels, height, width;
} gf_shape;

GFDEF gf_shape gf_image(int channels, int height, int width);  // [C,H,W]
GFDEF gf_shape gf_vector(int n);                               // [n,1,1]

// A parameter tensor: a view into the net's one parameter array and one gradient array. Valid until gf_net_free.
typedef struct gf_tensor {
    const char *name;       // "dense2.weight", "conv1.bias", "batch_norm1.gamma", "prelu1.slope"
    gf_real *value, *grad;  // both [size]; grad is NULL for a running statistic of batch norm
    size_t size, offset;    // elements; position in the contiguous arrays
    int rank, dims[4];      // dense weight [O,I], conv weight [OC,IC,KH,KW], anything else [n]: PyTorch's layouts
    int frozen;             // 1: training leaves it as it is, see gf_net_freeze
} gf_tensor;

// [GF:ACT] Activation functions ---------------------------------------------------------------------------------------
// h = φ(z), elementwise. Going back, δ = ∂L/∂h · φ'(z): every activation layer multiplies the gradient by φ', so |φ'| < 1
// over many layers makes it vanish. Constants, default parameters and φ' at a kink are PyTorch's. σ is the sigmoid, Φ the
// normal distribution's cumulative function.

typedef enum gf_act_kind {
    GF_ACT_IDENTITY,      // z
    GF_ACT_SIGMOID,       // 1/(1 + e^-z)
    GF_ACT_TANH,          // tanh z
    GF_ACT_RELU,          // max(0, z)
    GF_ACT_LEAKY_RELU,    // z if z > 0, else a·z; the parameter is the slope a = 0.01
    GF_ACT_ELU,           // z if z > 0, else α(e^z - 1); the parameter is α = 1
    GF_ACT_SELU,          // λz if z > 0, else λα(e^z - 1), λ = 1.0507…, α = 1.6732…
    GF_ACT_CELU,          // z if z > 0, else α(e^(z/α) - 1); the parameter is α = 1
    GF_ACT_SOFTPLUS,      // ln(1 + e^z); z beyond 20
    GF_ACT_SOFTSIGN,      // z/(1 + |z|)
    GF_ACT_ARCTAN,        // arctan z
    GF_ACT_GELU,          // z·Φ(z)
    GF_ACT_GELU_TANH,     // gelu's approximation by tanh
    GF_ACT_SILU,          // z·σ(βz), also called swish; the parameter is β = 1
    GF_ACT_MISH,          // z·tanh(ln(1 + e^z))
    GF_ACT_TELU,          // z·tanh(e^z)
    GF_ACT_HARD_SIGMOID,  // min(max(0, z + 3), 6)/6
    GF_ACT_HARD_TANH,     // min(max(-1, z), 1)
    GF_ACT_HARD_SWISH,    // z·min(max(0, z + 3), 6)/6
    GF_ACT_RELU6,         // min(max(0, z), 6)
    GF_ACT_PRELU,         // z if z > 0, else a·z with a learned; the parameter is its start, 0.25
    GF_ACT_CUSTOM,        // your own pair of functions
    GF_ACT_COUNT
} gf_act_kind;

typedef struct gf_act {
    gf_act_kind kind;
    double param;                    // PyTorch's default unless you change it
    double (*value)(double z);       // custom only; called from several threads at once when there are several
    double (*derivative)(double z);  // custom only: φ'(z) of the PRE-activation z, not of h
    const char *name;                // "tanh"; a custom function's own must outlive its users
} gf_act;

GFDEF gf_act gf_act_default(gf_act_kind kind);  // with PyTorch's parameter; change .param for another
// A pair of your own: φ(z) and φ'(z), both of the pre-activation. name may be NULL ("custom").
GFDEF gf_act gf_act_custom(const char *name, double (*value)(double z), double (*derivative)(double z));
// By name, with a decimal parameter if wanted: "tanh", "ReLU", "leaky_relu_0.2"; "swish" is silu. Returns 1 when the
// name is known, else 0, *out untouched and the known names in gf_last_error.
GFDEF int gf_act_from_name(const char *name, gf_act *out);

// φ(z) and φ'(z) in double. Right at ±∞; NaN for NaN, and for a custom pair that is not there.
GFDEF double gf_act_value(gf_act act, double z);
GFDEF double gf_act_derivative(gf_act act, double z);
// Whole arrays, fast: h[n] = φ(z[n]); dz[n] = dh[n]·φ'(z[n]). In place is allowed (h = z, dz = dh). NULL: no effect.
GFDEF void gf_act_forward(gf_act act, const gf_real *z, gf_real *h, size_t n);
GFDEF void gf_act_backward(gf_act act, const gf_real *z, const gf_real *dh, gf_real *dz, size_t n);

// Everything that can be said of an activation. What follows from φ and φ' is computed (about a millisecond; φ is
// searched on [-30, 30]).
typedef struct gf_act_info {
    const char *name, *formula;               // UTF-8; name "?" outside gf_act_kind
    int kink_count;
    double kinks[2];                          // where φ' or φ'' jumps: split integrals there
    double lower, upper;                      // range: infimum and supremum of φ, may be infinite
    int smooth;                               // φ' has no jump at any kink (relu: 0, elu: 1)
    int monotone;                             // φ' ≥ 0 everywhere
    int zero_centred;                         // φ(-z) = -φ(z): mean output 0 for symmetric inputs
    int saturates_left, saturates_right;      // φ tends to a finite limit there
    double slope_max, slope_max_at;           // max |φ'|, the Lipschitz constant, and a z where it is reached
    // z ≤ below or z ≥ above is at the activation's own limit (∓infinity: never). relu and its leaky relatives: z ≤ 0.
    // sigmoid: φ outside [0.05, 0.95]. A gated z·g(z) (gelu, silu, …): gate g less than 5 % open. Any other: 95 % of
    // the way from φ(0) to a limit.
    double saturated_below, saturated_above;
} gf_act_info;
GFDEF gf_act_info gf_act_describe(gf_act act);

// [GF:INIT] Initialisers ----------------------------------------------------------------------------------------------
// The variance of a weight decides whether signals grow or shrink from layer to layer: keep fan_in·Var[w]·E[φ²] near
// E[z²] and, going back, fan_out·Var[w]·E[φ'²] near 1; the theory section computes both. fan_in is the number of inputs
// to a unit, fan_out that of the units an input feeds (convolution: channels times pixels of the kernel).

typedef enum gf_init_kind {
    GF_INIT_DEFAULT,          // PyTorch's: U(±1/√fan_in) for weights and biases (Var = 1/(3·fan_in): signals shrink!)
    GF_INIT_XAVIER_NORMAL,    // Var = gain²·2/(fan_in + fan_out)   Glorot, Bengio 2010
    GF_INIT_XAVIER_UNIFORM,   //   the same variance, uniform
    GF_INIT_KAIMING_NORMAL,   // Var = gain²/fan_in, gain √2 for relu   He et al. 2015
    GF_INIT_KAIMING_UNIFORM,  //   the same variance, uniform
    GF_INIT_LECUN_NORMAL,     // Var = gain²/fan_in, gain 1 (selu's)   LeCun et al. 1998
    GF_INIT_ORTHOGONAL,       // rows (or columns) orthonormal times gain   Saxe et al. 2014
    GF_INIT_NORMAL,           // N(0, gain²), whatever the fans
    GF_INIT_CONSTANT,         // every element = gain
    GF_INIT_COUNT
} gf_init_kind;

typedef struct gf_init {
    gf_init_kind kind;
    double gain;
} gf_init;

GFDEF gf_init gf_init_with(gf_init_kind kind, double gain);  // any kind with its gain (constant: the value)
GFDEF gf_init gf_init_kaiming(void);                         // Kaiming normal, gain √2
GFDEF gf_init gf_init_xavier(double gain);                   // Xavier normal
GFDEF gf_init gf_init_zero(void);                            // all zeros: the usual bias beside a chosen weight

// [GF:LAYER] Layers ---------------------------------------------------------------------------------------------------
// Layers are added in order to a net that is not yet built. Each takes the shape of the one before; a shape that does
// not fit is the net's sticky error, with layer, sizes and a remedy: check gf_net_status when done. z = W·h + b and
// h = φ(z) are layers of their own.

typedef struct gf_net gf_net;

GFDEF void gf_net_dense(gf_net *net, int outputs);       // z[B,O] = h[B,I]·Wᵀ + b; any input shape is flattened
GFDEF void gf_net_act(gf_net *net, gf_act_kind kind);    // h = φ(z) elementwise, PyTorch's default parameter
GFDEF void gf_net_act_with(gf_net *net, gf_act act);     // the same with a parameter or a custom pair

typedef struct gf_window {  // what a convolution looks through, in pixels
    int kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
} gf_window;
// z[b,o,y,x] = b_o + Σ_cij w[o,c,i,j]·h[b, c, y·stride - padding + i, x·stride - padding + j], h = 0 outside the image.
// Weight [OC,IC,KH,KW]. A side of the output is ⌊(side + 2·padding - kernel)/stride⌋ + 1, of a pool likewise.
GFDEF void gf_net_conv2d(gf_net *net, int out_channels, int kernel, int stride, int padding);
GFDEF void gf_net_conv2d_window(gf_net *net, int out_channels, gf_window window);  // rectangular kernels and the like
GFDEF void gf_net_max_pool2d(gf_net *net, int kernel, int stride);  // largest of each window, first of equals; or NaN
GFDEF void gf_net_avg_pool2d(gf_net *net, int kernel, int stride);  // mean of each window; pools take no padding
GFDEF void gf_net_global_avg_pool(gf_net *net);                     // mean of each channel: [C,H,W] → [C,1,1]
GFDEF void gf_net_batch_norm(gf_net *net);               // per feature or channel [C]; eps 1e-5, momentum 0.1, affine
GFDEF void gf_net_layer_norm(gf_net *net);               // per sample over all features; eps 1e-5, affine
GFDEF void gf_net_dropout(gf_net *net, double p);        // training: zero with probability p, scale the rest 1/(1-p)
GFDEF int gf_net_mark(gf_net *net);                      // remember this point for a skip; returns its id, 0 on error
GFDEF void gf_net_add_from(gf_net *net, int mark);       // h + h_mark (residual connection); shapes must agree
// h + P·h_mark: P is dense for vectors, a 1×1 convolution for images, with a stride where h is smaller (ResNets).
GFDEF void gf_net_add_projected(gf_net *net, int mark);

// The affine layers (dense, conv, projections) added after this call start from these; until then GF_INIT_DEFAULT.
GFDEF void gf_net_set_init(gf_net *net, gf_init weight, gf_init bias);
GFDEF void gf_net_set_bias(gf_net *net, int wanted);     // 0: affine layers added after this call have no bias

// [GF:NET] The network ------------------------------------------------------------------------------------------------
// create → layers → build → (forward → loss → backward → step)*. Every parameter is part of ONE array and every
// gradient of another, so that norms, clipping, optimisers and checkpoints are one loop each. build allocates; a step
// does not. gf_net_set_… changes a wish, before build; a call that comes too early or too late is GF_ERROR_ORDER.

typedef enum gf_mode { GF_TRAIN, GF_EVAL } gf_mode;

// A net for samples of this shape and batches of at most max_batch. NULL only when out of memory: a bad shape or batch
// is the net's first sticky error.
GFDEF gf_net *gf_net_create(gf_shape input, int max_batch, uint64_t seed);
GFDEF void gf_net_free(gf_net *net);                        // NULL is allowed
GFDEF void gf_net_set_threads(gf_net *net, int threads);    // default 1; more is an error without -fopenmp
GFDEF void gf_net_set_input_grad(gf_net *net, int wanted);  // 1: backward computes ∂L/∂x too
// 1: until the optimiser's next step, each backward joins its gradients to those before, so that they are the gradients
// of the mean loss over all these batches' samples. A batch too large for memory may come in parts; its dropout masks are
// the whole batch's. Batch norm and ∂L/∂z know the last part only. Save checkpoints behind a step.
GFDEF void gf_net_set_accumulate(gf_net *net, int wanted);
// "plain", "avx2", "avx512" or "neon" instead of the fastest. GF_ERROR_NOT_FOUND if this machine lacks it.
GFDEF gf_status gf_net_set_backend(gf_net *net, const char *name);
GFDEF gf_status gf_net_build(gf_net *net);                  // allocate and initialise; no layer can be added after
GFDEF gf_status gf_net_status(const gf_net *net);           // GF_ERROR_ARGUMENT for a NULL net
GFDEF const char *gf_net_error(const gf_net *net);          // the sticky message; "no error" when there is none
GFDEF void gf_net_clear_error(gf_net *net);                 // forget it: calls work again

// Run x[B,I] through the net, 0 < batch ≤ max_batch; returns the output [B,K], NULL on error.
// GF_TRAIN: dropout on, batch statistics. GF_EVAL: dropout off, running statistics; backward may still follow.
// x must stay valid until backward.
GFDEF const gf_real *gf_net_forward(gf_net *net, const gf_real *x, int batch, gf_mode mode);
// From ∂L/∂output, which a loss has left in the net, to every gradient. Gradients are overwritten, not accumulated
// (unless by gf_net_set_accumulate).
GFDEF gf_status gf_net_backward(gf_net *net);
// ‖∇‖₂ over all parameters but frozen ones, accumulated in double. NaN on error or when a gradient is not finite.
GFDEF double gf_net_grad_norm(gf_net *net);
// Scale all gradients so that their norm is at most max_norm; returns the norm before. NaN on error.
GFDEF double gf_net_clip_grad_norm(gf_net *net, double max_norm);
// The class of one sample x[I] and, unless NULL, probabilities[K], as the net's last loss reads its output: softmax for
// cross entropy (and before any loss); sigmoid for BCE, where a single output is class 1 from p = 0.5 on; after MSE there
// are no classes: an error. -1 on error, such as an output that is not finite. Runs a forward in GF_EVAL.
GFDEF int gf_net_predict(gf_net *net, const gf_real *x, double *probabilities);

// A tensor by name; NULL and an error that lists the names. By index, 0 ≤ index < tensor_count; NULL and an error. Both
// go on after an error of the net's, so that weights can be looked at.
GFDEF gf_tensor *gf_net_tensor(gf_net *net, const char *name);
GFDEF gf_tensor *gf_net_tensor_at(gf_net *net, int index);
// Freeze (1) or release (0) a tensor by name, or all of a layer's ("conv1"): it gets neither updates nor weight decay,
// and norms and clipping leave it out, as in PyTorch without requires_grad. Its gradient is still computed; a batch
// norm's running statistics still move. Not part of a checkpoint. GF_ERROR_NOT_FOUND with the names that there are.
GFDEF gf_status gf_net_freeze(gf_net *net, const char *name, int frozen);

typedef struct gf_layer {   // one layer as gf_net_layer shows it
    const char *name;       // "dense1", "act1"
    const char *kind;       // "dense", "conv", "act", "max_pool", "mark", …
    int affine;             // its number l among the affine layers, from 1, as gf_net_probe counts; 0: it is none
    gf_shape shape;         // of its output, one sample
    const gf_real *output;  // [B,…] after the last forward; NULL before
    const gf_real *grad;    // [B,…] ∂L/∂output after the last backward; NULL before, and with GF_PROBE_NORMS alone
} gf_layer;
GFDEF gf_layer gf_net_layer(gf_net *net, int index);  // 0 ≤ index < layer_count; outside: all zero, and a message

typedef struct gf_nonfinite {  // the first NaN or infinity seen in a net
    int found;                 // 0: none so far
    long step;
    const char *layer;         // name of the layer; "loss" when only the loss is not finite
    int backward;              // 0 in forward, 1 in backward
} gf_nonfinite;

typedef struct gf_net_info {
    int layer_count, affine_count, tensor_count;  // all layers; dense and conv layers, L; parameters and statistics
    size_t param_count;                           // 0 before build, and the arrays NULL
    gf_real *params, *grads;                      // [param_count] each, in order of the layers
    const gf_real *input_grad;                    // ∂L/∂x [B,I] after backward, where it was asked for
    int batch;                                    // samples of the last forward
    long step;                                    // optimiser steps so far
    size_t bytes;                                 // what build allocated, without the optimiser's moments
    const char *backend;                          // whose loops run: "plain", "avx2", "avx512", "neon"
    gf_nonfinite nonfinite;
} gf_net_info;
GFDEF gf_net_info gf_net_describe(const gf_net *net);  // all zero for a NULL net
#ifndef GF_NO_STDIO
GFDEF void gf_net_summary(const gf_net *net);          // layers, shapes, parameters and bytes, to stdout
#endif

// [GF:LOSS] Losses ----------------------------------------------------------------------------------------------------
// Each takes the output of the last forward, leaves ∂L/∂output in the net for backward, and returns the mean loss
// (NaN on error). Means are over the samples (cross entropy) or over all elements (MSE, BCE), as in PyTorch.

typedef enum gf_loss_kind {
    GF_LOSS_CROSS_ENTROPY,
    GF_LOSS_BCE,
    GF_LOSS_MSE,
    GF_LOSS_COUNT,
    GF_LOSS_CUSTOM = GF_LOSS_COUNT  // your own, for gf_grad_check; gf_net_evaluate does not know it
} gf_loss_kind;

GFDEF double gf_loss_cross_entropy(gf_net *net, const int *labels);  // softmax included; labels[B] in 0..K-1
GFDEF double gf_loss_bce(gf_net *net, const gf_real *targets);       // sigmoid included; targets[B,O] in [0,1]
GFDEF double gf_loss_mse(gf_net *net, const gf_real *targets);       // targets[B,O]

typedef struct gf_custom_loss {
    // Gets the output y[B,K], writes ∂L/∂y into every element of dy[B,K] and returns L, a mean over the samples.
    double (*function)(const gf_real *y, gf_real *dy, int batch, int outputs, void *user);
    void *user;  // handed to the function: targets, weights, …; may be NULL
} gf_custom_loss;
// A loss of your own. Have gf_grad_check try it once: GF_LOSS_CUSTOM, with this struct for the targets.
GFDEF double gf_loss_custom(gf_net *net, const gf_custom_loss *loss);
// Samples (BCE: outputs) that the last loss found rightly classified; BCE takes an output ≥ 0 for 1. 0 after others.
GFDEF int gf_net_correct(const gf_net *net);

// [GF:OPTIM] SGD, Adam, clipping, schedules ---------------------------------------------------------------------------
// w moves against its gradient g. SGD takes the step -lr·m, m = μ·m + g, which shrinks where gradients vanish. Adam
// takes -lr·m̂/(√v̂ + ε) with running means m of g and v of g²: near lr however small g is, until √v̂ falls below ε.
// Clipping (gf_net_clip_grad_norm) stands between backward and step; schedules set optim.config.lr between steps.

typedef enum gf_optim_kind { GF_SGD, GF_ADAM, GF_ADAMW, GF_RMSPROP, GF_OPTIM_COUNT } gf_optim_kind;

typedef struct gf_optim_config {  // defaults and formulas as in PyTorch's documentation
    gf_optim_kind kind;
    double lr, weight_decay;
    double momentum;              // SGD, RMSprop
    int nesterov;                 // SGD
    double beta1, beta2;          // Adam, AdamW; RMSprop's alpha is beta2
    double eps;
} gf_optim_config;

typedef struct gf_optim {
    gf_optim_config config;       // config.lr may be changed between steps, kind not
    gf_real *m, *v;               // first and second moment, [size]; NULL where the kind needs none
    size_t size;                  // parameters
    long step;                    // steps taken
    void *memory;                 // what m and v lie in
} gf_optim;

GFDEF gf_optim_config gf_sgd(double lr);      // plain gradient descent; set .momentum, .nesterov
GFDEF gf_optim_config gf_adam(double lr);     // β (0.9, 0.999), ε 1e-8   Kingma, Ba 2015
GFDEF gf_optim_config gf_adamw(double lr);    // decoupled decay 0.01   Loshchilov, Hutter 2019
GFDEF gf_optim_config gf_rmsprop(double lr);  // α 0.99, ε 1e-8
// Allocate the moments of a built net. An error is the net's sticky error too.
GFDEF gf_status gf_optim_init(gf_optim *optim, gf_net *net, gf_optim_config config);
// One update of every parameter, once for each backward. Refuses gradients that are not finite (GF_ERROR_NONFINITE, with
// step, layer and direction) and an optimiser of another size or without the moments its kind needs (GF_ERROR_ORDER).
GFDEF gf_status gf_optim_step(gf_optim *optim, gf_net *net);
GFDEF void gf_optim_free(gf_optim *optim);    // NULL and zeroed are allowed
// Schedules: lr·factor^⌊epoch/every⌋, and half a cosine from lr to lr_min (Loshchilov, Hutter 2017), where it stays.
// NaN for a negative epoch or step, every < 1, steps < 1.
GFDEF double gf_lr_step(double lr, long epoch, long every, double factor);
GFDEF double gf_lr_cosine(double lr, double lr_min, long step, long steps);

// [GF:PROBE] Instruments: where do gradients go? ----------------------------------------------------------------------
// Declare with gf_net_set_probe before build, read with gf_net_measure after backward, before clipping and before the
// step. Layers here are the affine ones, numbered 1..L from the input; δ_l = ∂L/∂z_l is the gradient at their output
// z_l. It may vanish while ∇W_l looks flat: look at both. Norms and means are summed in double: behind 20 sigmoid
// layers δ is near 1e-21, and its squares underflow float.

enum {                       // what to measure; or them together
    GF_PROBE_GRADIENTS = 1,  // ∇W, ∇b, δ of every layer
    GF_PROBE_SIGNALS = 2,    // forward statistics, |φ'|, |z|, saturation, exact percentiles, dead units
    GF_PROBE_UPDATES = 4,    // std(ΔW)/std(W), Adam's starvation: taken by the optimiser's step that follows
    GF_PROBE_NOISE = 8,      // gradient noise of dense layers
    GF_PROBE_ALL = 15,
    GF_PROBE_NORMS = 16      // of GF_PROBE_GRADIENTS only l2, rms and the decays, for every step: each backward takes
                             // them in passing. Alone, it saves memory: layers share the arrays of their gradients,
                             // gf_net_layer shows none, and of δ nonfinite is only 0 or 1
};

typedef struct gf_stats {    // of one array; sums accumulate in double
    size_t n, nonfinite;     // elements; how many are NaN or infinite
    double l2, rms, mean, mean_abs, max_abs, zero_share;
} gf_stats;

typedef struct gf_layer_probe {
    const char *name;         // "dense1"
    gf_stats dw, db, delta;   // ∇W, ∇b and δ; with GF_PROBE_NORMS alone mean, mean_abs, max_abs, zero_share are NaN
    double update_ratio;      // std(ΔW)/std(W) of the last measured step; about 1e-3 is healthy
    double adam_starved;      // share of weights with √v̂ < ε: Adam no longer adapts, steps shrink with g
    // Per-sample gradients g_n of W, for nothing: g_n = B·δ_n·h_nᵀ is an outer product, so ‖g_n‖ = B·‖δ_n‖·‖h_n‖.
    double noise_trace;       // tr Σ, the summed variance of g_n over the batch
    double noise_scale;       // tr Σ/‖E g‖², in samples: batches much smaller than this are mostly noise
                              // (McCandlish et al. 2018); infinity when the batch cannot tell E g from 0
    // Where the gradient went between the layer above and this one, in natural logarithms (NaN for the last layer):
    double decay;             // ln(‖δ_l‖/‖δ_{l+1}‖), the sum of the three parts
    double decay_weight;      // what Wᵀ of layer l+1 did to the norm
    double decay_slope;       // what φ' did
    double decay_rest;        // norms, pools, dropout, skips
    // At the input z of the activation behind this layer (after a norm, if there is one); NaN without an activation:
    double z_mean, z_std, q;                    // q = mean z²
    double z_abs_mean, z_abs_p90, z_near_zero;  // |z|: mean, 90th percentile, share at most 0.1
    double h_mean, h_std;                       // the activation's output
    double dphi_mean, dphi_square, dphi_p10, dphi_p01, dphi_log, dphi_small;  // |φ'|: mean, mean square, percentiles,
                              // mean of log(|φ'| + 1e-12), share below 1e-3
    double limit_share;       // at the activation's limit by its own rule (gf_act_info's saturated_below, _above)
    double flat_share;        // |φ'| < 0.01·max|φ'|: comparable for all activations
    double dead_share;        // units (channels of images) with z ≤ 0 on EVERY sample of the last gf_net_evaluate;
                              // stays until the next one
} gf_layer_probe;

GFDEF void gf_net_set_probe(gf_net *net, unsigned what);             // before build
GFDEF gf_status gf_net_measure(gf_net *net);                         // after backward, before clip and step
GFDEF const gf_layer_probe *gf_net_probe(const gf_net *net, int l);  // 1 ≤ l ≤ L; NULL outside or when not declared
// Where in the picture does the gradient stand? map[y·W + x] = mean over batch and channels of |∂L/∂output| of this
// layer (index as in gf_net_layer), after backward: of a convolution that is |∂L/∂z|, of its activation |∂L/∂h|.
// GF_ERROR_ARGUMENT for a layer outside the net or no map; GF_ERROR_ORDER before backward.
GFDEF gf_status gf_net_gradient_map(gf_net *net, int layer, double *map);
// One sentence into text[size]: is the gradient healthy, vanishing, exploding, are units dead or saturated, and what
// causes it. GF_ERROR_ORDER unless gf_net_measure has run with GF_PROBE_GRADIENTS and GF_PROBE_SIGNALS.
GFDEF gf_status gf_net_verdict(gf_net *net, char *text, size_t size);
// Every number of a gf_layer_probe in turn, for files and charts: the name of field i, "dw.l2" … "dead_share", and its
// value into *value (probe or value may be NULL). NULL after the last.
GFDEF const char *gf_probe_field(const gf_layer_probe *probe, int i, double *value);

GFDEF gf_stats gf_stats_of(const gf_real *x, size_t n);  // of any array; NaN everywhere for an empty one
// Percentile p in 0..100 of |x| with NumPy's linear interpolation; scratch[n] is overwritten. NaN if n = 0 or x holds
// NaN.
GFDEF double gf_percentile_abs(const gf_real *x, size_t n, double p, gf_real *scratch);

// A histogram on a signed-log axis: 10^low..10^high by decades either side of zero. NaN and infinities are counted
// apart.
typedef struct gf_histogram {
    int low, high, per_decade;  // e.g. -12, 2, 4
    size_t bins;                // 2·(high - low)·per_decade + 1; the middle bin holds |x| < 10^low
    size_t *count;              // [bins], the caller's
    size_t nan_count, inf_count;
} gf_histogram;
GFDEF gf_status gf_histogram_add(gf_histogram *histogram, const gf_real *x, size_t n);

// [GF:CHECK] Gradient check -------------------------------------------------------------------------------------------
// Central differences against backward: ‖a - n‖/(‖a‖ + ‖n‖) per tensor. Meant for GF_REAL double. Coordinates whose
// perturbation crosses a kink are skipped and counted; dropout masks and running statistics are frozen. Parameters,
// gradients and records are restored; only the last forward is forgotten.

typedef struct gf_check {
    double step;               // in: h of (L(w+h) - L(w-h))/2h; 0 means 1e-5
    int max_per_tensor;        // in: coordinates checked in each tensor, spread evenly; 0 means all
    const char *zero_tensors;  // in: names of tensors that may be wholly zero (a bias before batch norm), separated by
                               // spaces, or NULL
    double worst;              // out: largest relative error of a tensor; infinity on NaN or undeclared zeros
    char worst_name[48];       // out: that tensor, or "input"
    size_t checked, skipped;   // out: coordinates
} gf_check;

// targets: const int * for cross entropy, const gf_custom_loss * for GF_LOSS_CUSTOM, const gf_real * otherwise. Checks
// ∂L/∂x as well when it is asked for.
// GF_OK says that the check was made; whether it passed, check->worst says (1e-7 is a good limit in double).
GFDEF gf_status gf_grad_check(gf_net *net, const gf_real *x, int batch, gf_mode mode, gf_loss_kind loss,
                              const void *targets, gf_check *check);

// [GF:THEORY] Signal propagation --------------------------------------------------------------------------------------
// In a wide random net z is Gaussian with variance q, and one layer maps (Poole et al. 2016, Schoenholz et al. 2017)
//     q ← σw²·E[φ(√q·Z)²] + σb²        χ = σw²·E[φ'(√q·Z)²]        Z ~ N(0,1), σw² = fan_in·Var[w], σb² = Var[b]
// Going back, mean δ² changes by χ per layer: χ < 1 vanishes, χ > 1 explodes, χ = 1 is the critical line.
// No function here can crash or hang: a variance that is negative or NaN gives NaN.

// Both for 0 ≤ q ≤ ∞ by adaptive Gauss-Kronrod quadrature, split at the kinks of φ: relative error below 1e-11; 1e-8 for
// a custom φ with kinks of its own. q = 0 means q → 0: φ'² is averaged over both sides. With variances 1 and 0 they are
// E[φ²] and E[φ'²] themselves.
GFDEF double gf_theory_q_next(gf_act act, double q, double weight_variance, double bias_variance);
GFDEF double gf_theory_chi(gf_act act, double q, double weight_variance);

typedef struct gf_propagation {
    double q, chi;       // at the fixed point q*
    double depth_scale;  // 1/|ln χ|, in layers, of the squared gradient norm; infinity on the critical line
    int converged;       // 0: q runs to infinity; q is then infinite and χ its limit there
} gf_propagation;

// The fixed point that q reaches from q = 1. Where every q is fixed (relu, σw² = 2, σb² = 0) it stays at 1.
GFDEF gf_propagation gf_theory_fixed_point(gf_act act, double weight_variance, double bias_variance);
// The smallest σw² in (0, 100] at which χ(q*) passes 1 upwards for this σb² (gelu, silu: by a jump of q*); NaN if none.
GFDEF double gf_theory_critical(gf_act act, double bias_variance);

// One affine layer of a real net, layer by layer instead of at the fixed point: widths and variances may differ.
typedef struct gf_theory_layer {
    int width;               // in: N_l, its units; for a convolution of stride 1 its channels
    double weight_variance;  // in: σw² = fan_in·Var[w]
    double bias_variance;    // in: σb²
    double q;                // out: mean z²
    double factor;           // out: RMS δ_l / RMS δ_{l+1} = √(σw²_{l+1}·E[φ'²]·N_{l+1}/N_l); 1 for the last layer
    double delta;            // out: RMS δ_l / RMS δ_L
} gf_theory_layer;

// The inputs of a layer that starts from these initialisers (PyTorch's default: σw² = 1/3, σb² = 1/(3·fan_in)).
GFDEF gf_theory_layer gf_theory_affine(int fan_in, int fan_out, int width, gf_init weight, gf_init bias);
// Fill the outputs of layers[0..count): act behind every layer but the last, mean x² of the input = input_square.
// GF_ERROR_ARGUMENT on NULL, count or a width below 1, a negative or non-finite variance or input_square.
GFDEF gf_status gf_theory_profile(gf_act act, double input_square, gf_theory_layer *layers, int count);

// [GF:DATA] Data sets and batches -------------------------------------------------------------------------------------
// Images stay uint8 in memory and are normalised when a batch is made: x = (pixel/255 - mean[c])/std[c].
// Loaders check magic, counts, sizes and overflow before they allocate; their messages (gf_last_error) name file,
// expected and found, and where they know it what to do. What *data held before is overwritten, not freed; on failure
// it is left zeroed: freeing it is allowed. NULL where something is needed: GF_ERROR_ARGUMENT.

typedef char gf_name[64];

typedef struct gf_dataset {
    gf_shape shape;          // of one sample
    size_t count;            // samples; may be lowered to use only the first of them
    int classes;             // K; 0 for regression
    int outputs;             // columns of targets; 0 for classification
    uint8_t *pixels;         // [count, C·H·W] or NULL
    gf_real *values;         // [count, C·H·W] or NULL; exactly one of the two
    int *labels;             // [count] in 0..K-1 or NULL
    gf_real *targets;        // [count, outputs] or NULL
    double mean[4], std[4];  // per channel (more than 4 channels: mean[0], std[0] for all); 0 and 1 at first
    int synthetic;           // 1: drawn by a program
    gf_name *class_names;    // [classes], or NULL where nothing but numbers is known
    char notes[320];         // what a loader took for what; part of gf_data_summary
} gf_dataset;

// Copies of x[count, C·H·W] and either labels[count] in 0..classes-1 or targets[count, outputs]; the other is NULL.
GFDEF gf_status gf_data_from_arrays(gf_dataset *data, gf_shape shape, size_t count, const gf_real *x, const int *labels,
                                    int classes, const gf_real *targets, int outputs);
// Copies of pixels[count, C·H·W] and labels[count] in 0..classes-1.
GFDEF gf_status gf_data_from_pixels(gf_dataset *data, gf_shape shape, size_t count, const uint8_t *pixels,
                                    const int *labels, int classes);
// Points uniform in [-1,1]², class 1 where x1·x2 < 0, then Gaussian noise on x; relabel: label after the noise.
// The class stands in labels (2 classes) and in targets (1 output), so that either loss fits.
GFDEF gf_status gf_data_xor(gf_dataset *data, size_t count, double noise, int relabel, uint64_t seed);
// More sets to draw a boundary in, as gf_data_xor gives them, with Gaussian noise; sample i is of class i mod classes.
// circles: radius 1 (class 0) and ½. moons: the upper half of a circle, and the lower half of another around (1, ½).
// spirals: arms from the centre to radius 1, 4 radians long. blobs: Gaussians of deviation `noise` around points on the
// unit circle. targets only for 2 classes.
GFDEF gf_status gf_data_circles(gf_dataset *data, size_t count, double noise, uint64_t seed);
GFDEF gf_status gf_data_moons(gf_dataset *data, size_t count, double noise, uint64_t seed);
GFDEF gf_status gf_data_spirals(gf_dataset *data, size_t count, int classes, double noise, uint64_t seed);
GFDEF gf_status gf_data_blobs(gf_dataset *data, size_t count, int classes, double noise, uint64_t seed);
#ifndef GF_NO_STDIO
// The format of MNIST, whatever the files are called. EMNIST's pictures are transposed; its letters count from 1.
GFDEF gf_status gf_data_idx(gf_dataset *data, const char *images, const char *labels);
// folder/{train,t10k}-{images,labels}-idx{3,1}-ubyte, also with '.' for the second '-', or in folder/MNIST/raw.
GFDEF gf_status gf_data_mnist(gf_dataset *data, const char *folder, int test);
GFDEF gf_status gf_data_cifar10(gf_dataset *data, const char *folder, int test);  // data_batch_{1..5}, test_batch .bin
// Two arrays that numpy.save wrote (C order; floats of 4 or 8 bytes, integers, bools). x[N,I] or x[N] are vectors,
// x[N,H,W] and x[N,C,H,W] images, of bytes then pixels. y[N] or y[N,1] holds classes 0..classes-1, y[N,classes] is
// one-hot; where classes is 0, y[N] or y[N,O] are numbers to predict.
GFDEF gf_status gf_data_npy(gf_dataset *data, const char *x_path, const char *y_path, int classes);
// A table of text, a row for each sample: a vector of numbers and a class (classes > 0) or a number to predict (0).
// Found out by itself: separator (, ; | tab blanks), decimal mark, quotes, comments (#), header and units, columns that
// number or name the rows (left out), a column called label, class, target … (else the last is the answer, or `classes`
// one-hot columns), classes as 0..K-1, 1..K, any K numbers in their order, or K words in order of appearance.
// gf_data_summary says what was taken for what. What is doubtful is refused, with the option of gf_data_csv_as that
// settles it.
GFDEF gf_status gf_data_csv(gf_dataset *data, const char *path, int classes);

typedef enum gf_missing { GF_MISSING_REFUSE, GF_MISSING_DROP, GF_MISSING_MEAN } gf_missing;
typedef struct gf_csv {      // all zero: find out. Columns by name or by number, "1" the first, "-1" the last
    const char *label;       // the class; several columns, as in "a,b,c": one-hot
    const char *targets;     // the numbers to predict
    const char *drop;        // no part of the sample; "": leave out none
    const char *categories;  // words, each of which becomes a column of 0 and 1, in alphabetical order; "*": all such
    int classes;             // 0: as many as there are
    gf_missing missing;      // an empty cell, NA, ?, NaN, NULL: refuse, leave out its row, or take its column's mean
    int header;              // rows above the first sample; 0: find out, -1: none
    const gf_dataset *like;  // number the classes as in this set: a test set as its training set
} gf_csv;
// The same with options; how may be NULL.
GFDEF gf_status gf_data_csv_as(gf_dataset *data, const char *path, const gf_csv *how);
#endif
// One line into text[size]: samples, shape, how many of which class or targets from where to where, the loader's notes.
GFDEF gf_status gf_data_summary(const gf_dataset *data, char *text, size_t size);
// gf_net_evaluate's confusion[K·K] as a table with the classes' names, true classes down, predicted ones across.
GFDEF gf_status gf_data_confusion(const gf_dataset *data, const size_t *confusion, char *text, size_t size);
// Set mean[channels], std[channels] (> 0): channels is 1 (for all) or the data's own, up to 4. Before gf_batches_init.
GFDEF gf_status gf_data_normalize(gf_dataset *data, const double *mean, const double *std, int channels);
// Bring each feature of the values to mean 0, std 1, and `also` (the test set; may be NULL) by the same numbers.
GFDEF gf_status gf_data_standardize(gf_dataset *data, gf_dataset *also);
// Shuffle by seed, then copy round(share·count) samples to first and the others to rest; neither may be empty.
GFDEF gf_status gf_data_split(const gf_dataset *all, double share, uint64_t seed, gf_dataset *first, gf_dataset *rest);
GFDEF gf_status gf_data_sample(const gf_dataset *data, size_t index, gf_real *x);  // normalised, into x[C·H·W]
GFDEF void gf_data_free(gf_dataset *data);  // NULL and zeroed are allowed

// GF_FLIP: left-right, half the time. GF_CROP: 4 black pixels around, then a random cut of the old size.
enum { GF_SHUFFLE = 1, GF_FLIP = 2, GF_CROP = 4 };

typedef struct gf_batches {
    const gf_real *x;        // [n, C·H·W] of the current batch
    const int *labels;       // [n] or NULL
    const gf_real *targets;  // [n, outputs] or NULL
    int n;                   // samples in it: the last one of an epoch may be smaller
    long per_epoch;          // ⌈count/size⌉ batches
    long epoch, batch;       // both from 0; of the current batch (after the epoch's end: the epoch to come, -1)
    const gf_dataset *data;  // borrowed: must outlive this
    int size, flags;
    uint64_t seed;
    size_t position;         // samples handed out in this epoch
    uint32_t *order;         // [count]
    gf_real *lookup;         // [C, 256] x of every pixel value
    gf_real *x_buffer, *target_buffer;
    int *label_buffer;
} gf_batches;

// Batches of `size` samples. Allocates; gf_batches_next does not. GF_ERROR_ARGUMENT, GF_ERROR_MEMORY.
GFDEF gf_status gf_batches_init(gf_batches *batches, const gf_dataset *data, int size, uint64_t seed, int flags);
// 1: a batch is ready. 0: the epoch is over, and the next call starts another (or batches are not initialised).
GFDEF int gf_batches_next(gf_batches *batches);
GFDEF void gf_batches_free(gf_batches *batches);

typedef struct gf_score {
    double loss, accuracy;  // means over the samples; accuracy in 0..1, NaN for regression
    size_t count;
} gf_score;
// Loss and accuracy over a whole data set in GF_EVAL mode, batch by batch. In the net only its buffers change and, with
// GF_PROBE_SIGNALS, the probes' dead_share.
// confusion[K·K], may be NULL: counts with row = true class, column = predicted; zeros for losses without classes.
GFDEF gf_score gf_net_evaluate(gf_net *net, const gf_dataset *data, gf_loss_kind loss, size_t *confusion);

// [GF:DOCTOR] The doctor: why does it not learn? ----------------------------------------------------------------------
// An observer with a memory. Made before gf_net_build, it sees every backward, step and evaluation of its net by itself:
// the training loop stays as it is. It tells causes from symptoms, speaks only when several steps agree, and says "done"
// and "too early" where they are true. A step allocates nothing. In the first 65 steps, 11 of which it looks
// at closely, it costs a sixth of a training step; later 1 % (the MLP of examples/mnist_mlp.c) to 5 % (a small CNN).

typedef enum gf_finding_code {
    GF_FINDING_HEALTHY, GF_FINDING_DONE, GF_FINDING_EARLY,  // what is said where nothing below is found
    // the data
    GF_FINDING_DATA_NONFINITE, GF_FINDING_DATA_CONSTANT, GF_FINDING_DATA_ONE_CLASS, GF_FINDING_DATA_UNSCALED,
    GF_FINDING_DATA_COUNTS_ROWS, GF_FINDING_DATA_SORTED, GF_FINDING_DATA_UNEQUAL_CLASSES,
    GF_FINDING_DATA_SHUFFLED_LABELS, GF_FINDING_TARGET_RANGE, GF_FINDING_TARGET_UNSCALED,
    // the model
    GF_FINDING_NO_ACTIVATION, GF_FINDING_OUTPUT_ACTIVATION, GF_FINDING_OUTPUT_STUCK, GF_FINDING_ONE_OUTPUT,
    GF_FINDING_DERIVATIVE, GF_FINDING_BOTTLENECK, GF_FINDING_EQUAL_WEIGHTS, GF_FINDING_WEIGHTS_LARGE,
    GF_FINDING_WEIGHTS_SMALL, GF_FINDING_DEAD, GF_FINDING_VANISHING, GF_FINDING_EXPLODING, GF_FINDING_SAMPLES_ALIKE,
    // training
    GF_FINDING_NO_STEP, GF_FINDING_STEP_TWICE, GF_FINDING_MEASURED_LATE, GF_FINDING_EVAL_MODE,
    GF_FINDING_GRADIENT_CHANGED, GF_FINDING_SUMMED_LOSS, GF_FINDING_CLIPPED, GF_FINDING_RATE_HIGH, GF_FINDING_RATE_LOW,
    GF_FINDING_DECAY, GF_FINDING_DROPOUT, GF_FINDING_STARVED, GF_FINDING_DYING, GF_FINDING_SATURATED,
    GF_FINDING_NORM_STATISTICS, GF_FINDING_GAP, GF_FINDING_COLLAPSE, GF_FINDING_PLATEAU, GF_FINDING_NONFINITE,
    GF_FINDING_COUNT
} gf_finding_code;

typedef struct gf_finding {
    gf_finding_code code;
    double sure;             // 0..1
    char layer[24];          // by name ("dense3", "act2"); "" where it is not a layer
    double measured, limit;  // the number and the limit that it broke; NaN where there is none
    long first, last;        // steps at which it was first and last true
    int cause;               // index in the list of the finding that this one follows from; -1: none
    char sentence[280];      // what is wrong and what shows it
    char remedy[120];        // a line of gradflow code, or ""
} gf_finding;

typedef struct gf_doctor gf_doctor;

// For a net that is not yet built; train, the set it will learn, may be NULL. Both must outlive the doctor. NULL on
// error, which is the net's sticky error too. Every function here takes a NULL doctor and then does nothing.
GFDEF gf_doctor *gf_doctor_create(gf_net *net, const gf_dataset *train);
GFDEF void gf_doctor_free(gf_doctor *doctor);
// Before the first step: looks at the data, runs forward and backward on some of them, measures the curvature and how
// fast this optimiser goes. Afterwards net, running statistics, moments and random streams are as they were, bit by bit.
GFDEF gf_status gf_doctor_preflight(gf_doctor *doctor, const gf_optim *optim, gf_loss_kind loss);
// For scores from elsewhere: those of gf_net_evaluate are seen. Either may be empty (count 0).
GFDEF void gf_doctor_evaluated(gf_doctor *doctor, gf_score train, gf_score test);
// At any time: what is true now, causes before symptoms, into found[max]. Returns how many, at least 1: HEALTHY, DONE or
// EARLY where nothing is wrong. found may be NULL, max 0: nothing is written.
GFDEF int gf_doctor_findings(gf_doctor *doctor, gf_finding *found, int max);
GFDEF const char *gf_finding_name(gf_finding_code code);    // "rate_high"; "?" outside the list
GFDEF const char *gf_finding_family(gf_finding_code code);  // "data", "scaling", "model", "initialisation", "loss",
                                                            // "optimiser", "regularisation", "protocol"; else ""
#ifndef GF_NO_STDIO
GFDEF void gf_doctor_report(gf_doctor *doctor);  // the findings in words, to stdout
#endif

// [GF:CURVE] Curvature: how fast can it go? ---------------------------------------------------------------------------
// Near weights w the mean loss over a data set is L(w + v) ≈ L + vᵀ∇L + ½·vᵀHv, where H = ∂²L/∂w². A step of gradient
// descent multiplies what is left along an eigenvector of H by 1 - ηλ: above the rate 2/λ it grows. H has n² elements
// and is never written out: Lanczos (1950) and Hutchinson (1990) need only products with it,
//     H·v = (∇L(w + hv) - ∇L(w - hv))/2h        two passes over the whole data set, summed in double.
// h = ε^⅓·s/‖v‖. Along s = min(√(max(1, L)/|curvature|), 1 + ‖w‖) the loss changes by about its own size. That leaves an
// error of about ε^⅔: 1e-9·λ·‖v‖ in double, 1e-4·λ·‖v‖ in float. At a kink (relu, max-pool) ∇L jumps, and a difference
// across it says nothing. So every value is held on its side, as if the side's line went on: that is the H of automatic
// differentiation, the curvature of the pieces. What the bends between them add, only the loss itself tells.
// Only the net's last forward is forgotten: weights, gradients, statistics, records, step are put back to the bit.

typedef struct gf_curve {
    gf_net *net;             // borrowed like the data: both must outlive this
    const gf_dataset *data;  // whole, in order, in batches of the net's max_batch; new contents need a new gf_curve_init
    gf_loss_kind kind;
    gf_mode mode;            // GF_TRAIN: batch norm by each batch's own statistics, dropout by this step's masks
    size_t n;                // parameters
    // Filled by every function below, for the net's present weights:
    double loss;             // mean over the data
    gf_real *gradient;       // [n] ∇L
    int steps, most_steps;   // of Lanczos: taken for these weights, room for
    // Filled by gf_hessian_vector, for its v:
    double slope;            // vᵀ∇L
    double curvature;        // vᵀHv
    double best_step;        // the t at the lowest point of L(w + t·v): -slope/curvature; infinity if curvature ≤ 0
    double kinks;            // share of the values with a kink that had to be held back from one at w ± hv
    // To work with:
    size_t samples, bends;   // that loss and gradient stand for, 0: for none; values with a kink in a sample
    double scale;            // s
    gf_real *weights, *grads, *state, *v, *hv, *basis;  // the net's own; [n] each; Lanczos' q [most_steps + 1, n]
    gf_real *held;           // [B,bends] on which side of its kink each value is
    double *sum, *t;         // [n] a gradient, or H·v; Lanczos' T: [m] its diagonal, [m] beside it, [m,m], [m,m]
} gf_curve;

// For a built net. most_steps: room for Lanczos, n gf_reals a step; more than n is n. 0: no gf_hessian_top.
GFDEF gf_status gf_curve_init(gf_curve *curve, gf_net *net, const gf_dataset *data, gf_loss_kind kind, gf_mode mode,
                              int most_steps);
GFDEF void gf_curve_free(gf_curve *curve);  // NULL and zeroed are allowed
// hv[n] = H·v and, in *curve, slope and curvature along v[n]. v NULL: along -∇L, the way of gradient descent. hv may be
// NULL. GF_ERROR_NONFINITE where a loss, a gradient or v is not finite. Errors are the net's sticky errors too.
GFDEF gf_status gf_hessian_vector(gf_curve *curve, const gf_real *v, gf_real *hv);

typedef struct gf_eigen {
    double value;     // out: λ; an eigenvalue of H lies no further from it than residual and the error of H·v
    double residual;  // out: ‖H·x - λ·x‖, ‖x‖ = 1
    gf_real *vector;  // in: room for x[n], or NULL
} gf_eigen;
// The largest eigenvalues, falling, then the smallest, rising, into found[largest + smallest]. Goes on until each
// residual is at most accuracy·max|λ| (and 0.1/√n·max|λ|, so that none is missed) or there is no more room: look at
// them. Called again for the same weights, it begins where it ended.
GFDEF gf_status gf_hessian_top(gf_curve *curve, int largest, int smallest, double accuracy, gf_eigen *found);
// The sum of all eigenvalues: mean of vᵀHv over `samples` random v of ±1; *error is its standard error. NaN on error.
GFDEF double gf_hessian_trace(gf_curve *curve, int samples, uint64_t seed, double *error);

typedef struct gf_lr_found {
    double steepest;    // rate at which the loss fell fastest: a good one lies around it
    double divergence;  // first rate at which it was 4 times its lowest, or not finite; infinity: none
    double limit;       // 2/λ of plain gradient descent at the start; NaN without room for Lanczos
} gf_lr_found;
// Rate range test (Smith 2017): trains on shuffled batches while the rate grows from lowest to highest by equal factors,
// then puts all back. losses[steps]: of each batch before its update, NaN after divergence.
GFDEF gf_status gf_lr_range(gf_curve *curve, gf_optim_config config, double lowest, double highest, int steps,
                            double *losses, gf_lr_found *found);

// [GF:SAVE] Checkpoints, safetensors ----------------------------------------------------------------------------------
// Parameters, running statistics, moments, step counts and the place in the epoch: training resumes bit for bit.
// Written to a temporary name, flushed, checked, renamed; the same bytes on machines of either byte order. optim and
// batches may be NULL. An error is the net's sticky error too.
#ifndef GF_NO_STDIO
GFDEF gf_status gf_net_save(gf_net *net, const gf_optim *optim, const gf_batches *batches, const char *path);
// Into a built net of the same layers. Refuses another architecture (GF_ERROR_SHAPE), another version or width of
// gf_real and damage found by CRC-32 (GF_ERROR_FORMAT); weights and moments are then as they were.
GFDEF gf_status gf_net_load(gf_net *net, gf_optim *optim, gf_batches *batches, const char *path);
// To and from PyTorch, by safetensors: parameters and running statistics, named as a state_dict names them. modules[]: in
// order of the layers that have weights the names of their modules, {"features.0", "classifier.1", NULL}. Or NULL: save
// names modules as the layers, "conv1"; load knows these names or else takes the modules of each kind in the order of the
// numbers in their names. All tensors must be there, none left over, shapes equal (GF_ERROR_SHAPE). F32 and F64 are read
// whatever gf_real is. A refused file changes nothing.
GFDEF gf_status gf_net_save_safetensors(gf_net *net, const char *const *modules, const char *path);
GFDEF gf_status gf_net_load_safetensors(gf_net *net, const char *const *modules, const char *path);
#endif

#ifdef __cplusplus
}
#endif

#endif  // GRADFLOW_H

// Settings for compiling the implementation. Neither its users nor its readers need them.
#if defined(GRADFLOW_IMPLEMENTATION) && !defined(GRADFLOW_IMPLEMENTATION_DONE)

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#ifndef GF_VSNPRINTF
#include <stdio.h>
#define GF_VSNPRINTF(to, size, format, args) vsnprintf(to, size, format, args)
#endif

#if !defined(_MSC_VER) && !defined(GRADFLOW_STATIC)
const int GFI_KIND = GF_VERSION_MINOR;
#endif

// Letters stand for sizes here (see LETTERS), but complex.h and windows.h define some such names, and so may you: they
// rest until the end of the implementation.
#pragma push_macro("B")
#pragma push_macro("C")
#pragma push_macro("H")
#pragma push_macro("I")
#pragma push_macro("K")
#pragma push_macro("L")
#pragma push_macro("M")
#pragma push_macro("N")
#pragma push_macro("O")
#pragma push_macro("P")
#pragma push_macro("W")
#pragma push_macro("near")
#pragma push_macro("small")
#undef B
#undef C
#undef H
#undef I
#undef K
#undef L
#undef M
#undef N
#undef O
#undef P
#undef W
#undef near
#undef small

// Build settings. Rounding: a compiler may contract a·b + c to one instruction that rounds once, and does so on some
// machines only. Here it may not, so plain C means the same bits everywhere.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif
#if !defined(GF_NO_SIMD) && (defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 9)) && \
    (defined(__x86_64__) || defined(__aarch64__))
#define GFI_TUNED  // there are tuned twins for this machine, see [GF:KERNEL]
#endif
// Effort: beside tuned twins the plain code takes next to no time and is compiled fast; alone, it is compiled with care.
#if defined(__OPTIMIZE__) && defined(__clang__) && defined(GFI_TUNED)
#pragma clang attribute push(__attribute__((noinline)), apply_to = function)
#elif defined(__OPTIMIZE__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#ifdef GFI_TUNED
#pragma GCC optimize("O1")
#else
#pragma GCC optimize("O3", "no-trapping-math")
#endif
#endif
#endif

// =====================================================================================================================
// Stop here if you only use it. What follows is the implementation, in the order of the course.
// =====================================================================================================================

#if defined(GRADFLOW_IMPLEMENTATION) && !defined(GRADFLOW_IMPLEMENTATION_DONE)
#define GRADFLOW_IMPLEMENTATION_DONE

// [GF:BACKPROP] Backpropagation ---------------------------------------------------------------------------------------
// A net is a chain of functions. Forward, layer l computes
//     z_l = W_l·h_{l-1} + b_l          h_l = φ(z_l)
// and the loss L is a function of the last z. The chain rule, read from the loss towards the input, gives three lines.
// They are all there is to backpropagation:
//     ∂L/∂h_{l-1} = W_lᵀ·δ_l      δ_{l-1} = ∂L/∂h_{l-1} ⊙ φ'(z_{l-1})      ∇W_l = δ_l·h_{l-1}ᵀ,  ∇b_l = δ_l
// (⊙ is elementwise; over a batch, ∇W and ∇b are sums.) Put the first two together and follow δ from layer L to layer 1:
//     δ_1 = D_1·W_2ᵀ·D_2·W_3ᵀ ⋯ D_{L-1}·W_Lᵀ·δ_L          D_l = diag φ'(z_l)
// That is a product of 2(L-1) matrices. If each pair shrinks the vector by a factor 0.6, twenty pairs leave 4·10⁻⁵ of
// it. Vanishing and exploding gradients are nothing else, and two things decide the factor: the weights and φ'.
//
// In code each layer is one function y = f(x; w) of the chain and knows two directions. forward goes from x to y.
// backward receives dy = ∂L/∂y and gives dx = ∂L/∂x, which is the dy of the layer before it, and dw = ∂L/∂w.
// This section holds one whole training step of an MLP: the two loops over the layers, the dense and the activation
// layer, the losses, the optimisers. Each heavy function is a plain loop. Where its first line finds a tuned twin for
// this machine (`engine->fast`), it hands over; the twins stand in [GF:KERNEL] and compute the same.

typedef struct gfi_layer gfi_layer;
typedef struct gfi_layer_kind {
    const char *name;                                   // layers are called name1, name2, …
    void (*forward)(gf_net *net, gfi_layer *layer);     // x → y
    void (*backward)(gf_net *net, gfi_layer *layer);    // dy → dx, unless dx is NULL, and the parameters' gradients
    uint64_t (*branch)(gf_net *net, gfi_layer *layer);  // which side of its kinks is the batch on? NULL: it has none
    size_t (*workspace)(const gf_net *net, const gfi_layer *layer);  // gf_reals it works in; NULL: as many as weights
} gfi_layer_kind;

struct gfi_layer {
    const gfi_layer_kind *kind;
    size_t in_size, out_size;  // I and O, of one sample
    const gf_real *x;          // [B,I] input: the y of the layer before
    gf_real *y, *dy;           // [B,O] output, and ∂L/∂y
    gf_real *dx;               // [B,I] ∂L/∂x: the dy of the layer before; NULL in the first layer
    gf_tensor *w, *b;          // weight and bias, with their gradients; a norm's γ and β; NULL where there is none
    gf_act act;                // activation layers: φ
    gf_real *save;             // [B,save_size] kept from forward to backward: φ'(z), dropout's mask, a maximum's place
    int saved;                 // save belongs to the last forward
    // The rest is for building the net, for single kinds of layers and for instruments.
    char name[24];
    gf_shape in, out;
    int first_tensor, tensor_count;           // its tensors in the net
    int ordinal;                              // dense and conv: number among the L affine layers, from 1; others 0
    int mark, normalised;                     // skip: its mark's id; batch norm: by the batch's own statistics
    size_t save_size, stats_size;
    double *stats, rate, squares;           // a norm's means and deviations; dropout's p; Σ dy², -1 if unknown
    gf_tensor *running_mean, *running_var;  // batch norm
    gf_window window;                       // convolution, pools; a projected skip's strides
    gf_init weight_init, bias_init;
    gf_act_info act_info;  // what instruments know of φ
};

// Who computes: the plain loops (fast is NULL) or a table of tuned twins, which work in workspace.
typedef struct gfi_engine {
    const struct gfi_fast *fast;
    int threads;
    gf_real *workspace;
} gfi_engine;

enum { GFI_NEW, GFI_BUILT, GFI_FORWARDED, GFI_LOSS_TAKEN, GFI_BACKWARDED, GFI_MESSAGE_SIZE = 400 };
enum { GFI_CLIPPED = 1, GFI_STEPPED };

struct gf_net {
    gfi_layer *layers;
    int layer_count, batch, correct, phase;  // batch, correct: of the last forward, the last loss; phase: GFI_NEW, …
    int loss, spent;  // 1 + kind of the last loss, 0 before it; what has changed since backward: GFI_CLIPPED, …
    gf_mode mode;
    long step;
    gf_real *params, *grads;  // [param_count] every parameter, every gradient
    size_t param_count;
    gf_real *joined;          // [param_count] for the gradients of the batches since the last step; NULL: not wanted
    size_t joined_samples;    // how many samples those were
    gfi_engine engine;
    gf_status status;  // the first error, and what it said
    char message[GFI_MESSAGE_SIZE];
    // For building it, see [GF:NET]:
    gf_shape input;
    int max_batch, want_input_grad, want_joined, no_bias, frozen, shares_dy;
    int layer_capacity, affine_count, tensor_count, tensor_capacity;
    uint64_t seed;
    gf_init weight_init, bias_init;  // of the affine layers to come
    struct gfi_tensor *tensors;
    size_t state_count, bytes;             // running statistics; size of memory
    unsigned char *memory;                 // the one allocation that all arrays lie in
    gf_real *state, *input_grad, *sample;  // [state_count], [B,I] ∂L/∂x, [B,I] a batch of gf_net_evaluate
    double *row_loss;                      // [B]
    // For instruments, see [GF:PROBE]: what they keep, and hooks that are NULL where nobody watches.
    unsigned probe;
    gf_layer_probe *probes;  // [affine_count]
    gf_real *scratch;        // [B · widest layer] and at least the largest weight
    unsigned char *alive;    // [unit_count] 1: a unit that had z > 0 for some sample
    size_t unit_count;
    gf_nonfinite nonfinite;
    void (*after_forward)(gf_net *net);
    void (*after_backward)(gf_net *net, gfi_layer *layer);
    void (*around_update)(gf_net *net, gf_optim *optim);  // makes the optimiser's update and measures it
    struct gfi_case *seen;          // what the last gf_net_measure saw, for gf_net_verdict
    const struct gfi_watch *watch;  // an observer of whole steps, and its memory
    void *watcher;
    double loss_value;              // of the last loss
    long backwards;                 // backward passes so far
    gf_optim_config config;         // of the last step
};

struct gfi_arena;
typedef struct gfi_case gfi_case;

// What an observer of whole steps is told; see [GF:DOCTOR].
typedef struct gfi_watch {
    void (*lay_out)(gf_net *net, struct gfi_arena *arena);            // gf_net_build asks what memory it needs
    void (*backward)(gf_net *net);                                    // a backward pass is complete
    void (*update)(gf_net *net, const gf_optim *optim, int is_done);  // before and after the optimiser's update
    void (*evaluated)(gf_net *net, const gf_dataset *data, gf_score score);
    void (*freed)(gf_net *net);
} gfi_watch;

static gf_status gfi_net_fail(gf_net *net, gf_status status, const char *format, ...);          // keeps the first error
static double gfi_nan(gf_status error) { return error == GF_OK ? 0 : NAN; }  // `return gfi_nan(gfi_net_fail(…));`
static int gfi_require(gf_net *net, int condition, gf_status status, const char *format, ...);  // else it fails
static int gfi_ready(gf_net *net, int phase, const char *function);  // has the net got that far, without error?
static int gfi_forward_fits(gf_net *net, const gf_real *x, int batch, gf_mode mode);  // is this a batch for it?
static void gfi_forget_squares(gf_net *net);  // Σ grad² of the last backward are outdated
static void gfi_join_gradients(gf_net *net);  // with those of the batches before

// --- the two loops ---

GFDEF const gf_real *gf_net_forward(gf_net *net, const gf_real *x, int batch, gf_mode mode) {
    if (!gfi_forward_fits(net, x, batch, mode)) return NULL;
    net->batch = batch;
    net->mode = mode;
    net->phase = GFI_BUILT;  // if a layer refuses now, nothing of the step before may be taken for this one's
    for (int i = 0; i < net->layer_count; i++) {
        gfi_layer *layer = &net->layers[i];
        layer->x = i == 0 ? x : net->layers[i - 1].y;
        layer->kind->forward(net, layer);
    }
    if (net->status != GF_OK) return NULL;
    net->phase = GFI_FORWARDED;
    if (net->after_forward) net->after_forward(net);
    return net->layers[net->layer_count - 1].y;
}

GFDEF gf_status gf_net_backward(gf_net *net) {
    if (!gfi_ready(net, GFI_LOSS_TAKEN, "gf_net_backward")) return gf_net_status(net);
    gfi_forget_squares(net);
    net->spent = 0;
    for (int i = 0; i < net->layer_count; i++) net->layers[i].squares = -1;
    if (net->joined) memcpy(net->joined, net->grads, net->param_count * sizeof(gf_real));
    for (int i = net->layer_count - 1; i >= 0; i--) {
        gfi_layer *layer = &net->layers[i];
        layer->kind->backward(net, layer);
        if (net->after_backward) net->after_backward(net, layer);
    }
    if (net->joined) gfi_join_gradients(net);
    net->phase = GFI_BACKWARDED;
    net->backwards += !net->frozen;
    if (net->watch && !net->frozen) net->watch->backward(net);
    return net->status;
}

// --- dense: z[B,O] = x[B,I]·Wᵀ + b ---

typedef struct gfi_matrix {  // a transpose is the two steps exchanged; nothing is copied for it
    const gf_real *at;
    size_t rows, cols;
    ptrdiff_t row_step, col_step;
} gfi_matrix;

static gfi_matrix gfi_view(const gf_real *at, size_t rows, size_t cols) {
    const gfi_matrix view = {at, rows, cols, (ptrdiff_t)cols, 1};
    return view;
}

static gfi_matrix gfi_transposed(gfi_matrix a) {
    const gfi_matrix view = {a.at, a.cols, a.rows, a.col_step, a.row_step};
    return view;
}

static void gfi_matmul(const gfi_engine *engine, gf_real *c, gfi_matrix a, gfi_matrix b, const gf_real *start,
                       size_t start_row);
static void gfi_column_sums(const gfi_engine *engine, gfi_matrix x, const gf_real *start, gf_real *sums);

static void gfi_dense_forward(gf_net *net, gfi_layer *layer) {
    const gfi_matrix x = gfi_view(layer->x, (size_t)net->batch, layer->in_size);
    const gfi_matrix w = gfi_view(layer->w->value, layer->out_size, layer->in_size);
    gfi_matmul(&net->engine, layer->y, x, gfi_transposed(w), layer->b ? layer->b->value : NULL, 0);
}

// z_bo = Σ_i x_bi·w_oi + b_o. Every product x·w in it gives one term to dw and one to dx, by the chain rule:
//     dw_oi = Σ_b dz_bo·x_bi        db_o = Σ_b dz_bo        dx_bi = Σ_o dz_bo·w_oi
// As matrices: dW = dZᵀ·X and dX = dZ·W.
static void gfi_dense_backward(gf_net *net, gfi_layer *layer) {
    const size_t B = (size_t)net->batch, I = layer->in_size, O = layer->out_size;
    const gfi_matrix dz = gfi_view(layer->dy, B, O);
    gfi_matmul(&net->engine, layer->w->grad, gfi_transposed(dz), gfi_view(layer->x, B, I), NULL, 0);
    if (layer->b) gfi_column_sums(&net->engine, dz, NULL, layer->b->grad);
    if (layer->dx) gfi_matmul(&net->engine, layer->dx, dz, gfi_view(layer->w->value, O, I), NULL, 0);
}

static const gfi_layer_kind gfi_dense = {"dense", gfi_dense_forward, gfi_dense_backward, NULL, NULL};

// --- what dense layers are made of, the first of the functions that have tuned twins ---

struct gfi_sums;

typedef struct gfi_fast {  // the tuned twins, one table for each instruction set, called by the functions they replace
    const char *name;      // "avx2", "avx512", "neon"
    int set;               // its number
    void (*matmul)(const gfi_engine *engine, gf_real *c, gfi_matrix a, gfi_matrix b, const gf_real *start,
                   size_t start_row);
    void (*act)(const gfi_engine *engine, gf_act act, const gf_real *z, gf_real *h, gf_real *slope, size_t n);
    void (*act_back)(const gfi_engine *engine, gf_act act, const gf_real *z, const gf_real *slope, const gf_real *dh,
                     gf_real *dz, size_t n);
    double (*prelu_grad)(const gf_real *z, const gf_real *dh, size_t n);
    void (*update)(const gfi_engine *engine, const gf_optim_config *config, long t, gf_real *w, const gf_real *g,
                   gf_real *m, gf_real *v, size_t n);
    double (*sum_squares)(const gfi_engine *engine, const gf_real *x, size_t n);
    void (*sums)(const gfi_engine *engine, const gf_real *x, size_t n, struct gfi_sums *out);
    void (*flip)(const gf_real *src, ptrdiff_t src_row, ptrdiff_t rows, ptrdiff_t columns, gf_real *dst,
                 ptrdiff_t dst_row, int whole);
    void (*wino)(int kind, gf_real *const *from, gf_real *const *to, size_t n);  // convolution only: see [GF:KERNEL]
} gfi_fast;

#ifdef _OPENMP  // GFI_PARALLEL(threads) before a for loop deals its turns out to so many threads
#define GFI_PRAGMA(text) _Pragma(#text)
#define GFI_PARALLEL(threads) GFI_PRAGMA(omp parallel for num_threads(threads) schedule(static) if ((threads) > 1))
#else
#define GFI_PARALLEL(threads) (void)(threads);
#endif

// The first line of a heavy function: where there is a tuned twin, it does the work and the plain loop is not reached.
#define GFI_HAND_OVER(twins, call) \
    if (twins) {                   \
        (twins)->call;             \
        return;                    \
    }

// C[M,N] = start + A[M,K]·B[K,N]. start is NULL for zero, a bias [N] for every row (start_row 0), or C itself, to add
// to it (start_row N). Every sum adds its products in the order k = 0, 1, 2, …: that the inner loop runs along n only
// means that the sums of a whole row grow together. It runs along memory; where B is a transpose, a copy sees to that.
static void gfi_matmul(const gfi_engine *engine, gf_real *c, gfi_matrix a, gfi_matrix b, const gf_real *start,
                       size_t start_row) {
    GFI_HAND_OVER(engine->fast, matmul(engine, c, a, b, start, start_row));
    const ptrdiff_t M = (ptrdiff_t)a.rows, N = (ptrdiff_t)b.cols, K = (ptrdiff_t)a.cols;
    if (b.col_step != 1) {
        for (ptrdiff_t n = 0; n < N; n++)
            for (ptrdiff_t k = 0; k < K; k++) engine->workspace[k * N + n] = b.at[k * b.row_step + n * b.col_step];
        b = gfi_view(engine->workspace, b.rows, b.cols);
    }
    GFI_PARALLEL(engine->threads)
    for (ptrdiff_t m = 0; m < M; m++) {
        gf_real *sum = c + m * N;
        for (ptrdiff_t n = 0; n < N; n++) sum[n] = start ? start[m * (ptrdiff_t)start_row + n] : 0;
        for (ptrdiff_t k = 0; k < K; k++) {
            const gf_real a_mk = a.at[m * a.row_step + k * a.col_step], *b_k = b.at + k * b.row_step;
            for (ptrdiff_t n = 0; n < N; n++) sum[n] += a_mk * b_k[n];
        }
    }
}

// sums[j] = start_j + Σ_i x_ij = start_j + Σ_i 1·x_ij: a row of ones times x.
static void gfi_column_sums(const gfi_engine *engine, gfi_matrix x, const gf_real *start, gf_real *sums) {
    const gf_real one = 1;
    const gfi_matrix ones = {&one, 1, x.rows, 0, 0};
    gfi_matmul(engine, sums, ones, x, start, 0);
}

// --- activation: h = φ(z) elementwise, so dz = dh·φ'(z). φ and φ' themselves stand in gfi_act_eval, [GF:ACT] ---

static double gfi_act_eval(gf_act act, double z, double *slope);
static void gfi_act_each(gf_act act, const gf_real *z, gf_real *h, gf_real *slope, size_t n);  // the plain loop
static int gfi_act_stores_slope(gf_act_kind kind);

// h[n] = φ(z), and slope[n] = φ'(z) unless slope is NULL. h may be z.
static void gfi_act_array(const gfi_engine *engine, gf_act act, const gf_real *z, gf_real *h, gf_real *slope,
                          size_t n) {
    GFI_HAND_OVER(engine->fast, act(engine, act, z, h, slope, n));
    GFI_PARALLEL(engine->threads)
    for (int t = 0; t < engine->threads; t++) {  // each thread has a stretch of its own
        const size_t from = n * (size_t)t / (size_t)engine->threads, to = n * (size_t)(t + 1) / (size_t)engine->threads;
        gfi_act_each(act, z + from, h + from, slope ? slope + from : NULL, to - from);
    }
}

// dz[n] = dh·φ'(z), with the slope that forward kept or, where that is NULL, found again from z. dz may be dh.
static void gfi_act_array_back(const gfi_engine *engine, gf_act act, const gf_real *z, const gf_real *slope,
                               const gf_real *dh, gf_real *dz, size_t n) {
    GFI_HAND_OVER(engine->fast, act_back(engine, act, z, slope, dh, dz, n));
    if (slope) {
        for (size_t i = 0; i < n; i++) dz[i] = dh[i] * slope[i];
        return;
    }
    GFI_PARALLEL(engine->threads)
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n; i++) {
        double derivative;
        (void)gfi_act_eval(act, (double)z[i], &derivative);
        dz[i] = dh[i] * (gf_real)derivative;
    }
}

// Σ dh·z over z ≤ 0: the gradient of prelu's slope a, since h = a·z there.
static double gfi_prelu_grad(const gfi_engine *engine, const gf_real *z, const gf_real *dh, size_t n) {
    if (engine->fast) return engine->fast->prelu_grad(z, dh, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += z[i] > 0 ? 0 : (double)dh[i] * (double)z[i];
    return sum;
}

static gf_act gfi_layer_act(const gfi_layer *layer) {
    gf_act act = layer->act;
    if (act.kind == GF_ACT_PRELU) act.param = (double)layer->w->value[0];
    return act;
}

static void gfi_act_forward(gf_net *net, gfi_layer *layer) {
    const size_t n = (size_t)net->batch * layer->out_size;
    layer->saved = layer->save && net->mode == GF_TRAIN;  // φ' costs next to nothing while e^z is at hand
    gfi_act_array(&net->engine, gfi_layer_act(layer), layer->x, layer->y, layer->saved ? layer->save : NULL, n);
}

static void gfi_act_backward(gf_net *net, gfi_layer *layer) {
    const gf_act act = gfi_layer_act(layer);
    const size_t n = (size_t)net->batch * layer->out_size;
    if (act.kind == GF_ACT_PRELU) layer->w->grad[0] = (gf_real)gfi_prelu_grad(&net->engine, layer->x, layer->dy, n);
    if (layer->dx)
        gfi_act_array_back(&net->engine, act, layer->x, layer->saved ? layer->save : NULL, layer->dy, layer->dx, n);
}

// --- losses: where backpropagation begins, with ∂L/∂y in the output layer's dy ---
// Softmax and sigmoid are part of their losses because the derivatives then collapse to p - t, which neither overflows
// nor vanishes. Sums are double.

static double gfi_exp(double x);
static double gfi_log(double x);
static void gfi_find_nonfinite(gf_net *net);  // which layer made the first NaN or infinity? [GF:PROBE]

static gfi_layer *gfi_output(gf_net *net) { return &net->layers[net->layer_count - 1]; }

// Index of the largest of y[0..K), the first of equals.
static size_t gfi_argmax(const gf_real *y, size_t K) {
    size_t best = 0;
    for (size_t k = 1; k < K; k++)
        if (y[k] > y[best]) best = k;
    return best;
}

// Each loss begins here: with a forward, and with what the outputs should have been.
static int gfi_loss_begins(gf_net *net, const char *function, const void *wanted, const char *what) {
    if (!gfi_ready(net, GFI_FORWARDED, function)) return 0;
    net->correct = 0;
    return gfi_require(net, wanted != NULL, GF_ERROR_ARGUMENT, "%s: %s", function, what);
}

// Each loss ends here: the mean over `count`, and a look for the layer to blame when it is not finite.
static double gfi_loss_taken(gf_net *net, gf_loss_kind kind, double sum, size_t count) {
    const double loss = sum / (double)count;
    net->loss = kind == GF_LOSS_CUSTOM ? 0 : 1 + (int)kind;
    net->phase = GFI_LOSS_TAKEN;
    net->loss_value = loss;
    if (!(fabs(loss) <= DBL_MAX)) gfi_find_nonfinite(net);
    return loss == loss ? loss : NAN;
}

// With p = softmax(x) for each row x[K]: loss = -ln p_label and dx = (p - onehot)·scale. The row's maximum is subtracted
// first, so that no exponential exceeds 1.
static void gfi_softmax_rows(const gf_real *x, const int *labels, double scale, double *loss, gf_real *dx, size_t rows,
                             size_t classes) {
    for (size_t b = 0; b < rows; b++, x += classes, dx += classes) {
        const double largest = (double)x[gfi_argmax(x, classes)], target = (double)x[labels[b]];
        double sum = 0;
        for (size_t k = 0; k < classes; k++) {
            dx[k] = (gf_real)gfi_exp((double)x[k] - largest);
            sum += (double)dx[k];
        }
        for (size_t k = 0; k < classes; k++) dx[k] = (gf_real)((double)dx[k] * scale / sum);
        dx[labels[b]] -= (gf_real)scale;
        loss[b] = gfi_log(sum) + (largest - target);
    }
}

// L = mean_b(-ln p_label), p = softmax(y); the derivative is as simple as it gets: ∂L/∂y = (p - onehot)/B
GFDEF double gf_loss_cross_entropy(gf_net *net, const int *labels) {
    if (!gfi_loss_begins(net, "gf_loss_cross_entropy", labels, "labels is NULL; needs one class for each sample"))
        return NAN;
    const gfi_layer *out = gfi_output(net);
    const size_t B = (size_t)net->batch, K = out->out_size;
    if (!gfi_require(net, K > 1, GF_ERROR_SHAPE,
                     "gf_loss_cross_entropy: the net has 1 output, so every answer is right; for two classes give it 2 "
                     "outputs, or take gf_loss_bce"))
        return NAN;
    for (size_t b = 0; b < B; b++) {
        if (labels[b] >= 0 && (size_t)labels[b] < K) continue;
        const char *doubt = labels[b] >> 24 ? "; are these labels an array of int, and not of float or bytes?" : "";
        return gfi_nan(gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_loss_cross_entropy: label %d of sample %zu; the net's "
                                    "output has classes 0..%zu%s", labels[b], b, K - 1, doubt));
    }
    gfi_softmax_rows(out->y, labels, 1.0 / (double)B, net->row_loss, out->dy, B, K);
    double sum = 0;
    for (size_t b = 0; b < B; b++) {
        const int is_number = net->row_loss[b] == net->row_loss[b];
        net->correct += is_number && (int)gfi_argmax(out->y + b * K, K) == labels[b];
        sum += net->row_loss[b];
    }
    return gfi_loss_taken(net, GF_LOSS_CROSS_ENTROPY, sum, B);
}

// With p = σ(y): L = mean(-t·ln p - (1-t)·ln(1-p)) = mean(max(y,0) - y·t + ln(1 + e^-|y|)), ∂L/∂y = (p - t)/(B·O)
GFDEF double gf_loss_bce(gf_net *net, const gf_real *targets) {
    if (!gfi_loss_begins(net, "gf_loss_bce", targets, "targets is NULL; needs one for each output")) return NAN;
    const gfi_layer *out = gfi_output(net);
    const size_t n = (size_t)net->batch * out->out_size;
    for (size_t i = 0; i < n; i++)
        if (!(targets[i] >= 0 && targets[i] <= 1))
            return gfi_nan(gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_loss_bce: target %zu is %g; needs 0 to 1", i,
                                        (double)targets[i]));
    gf_real *dy = out->dy;  // holds -|y|, then ln(1 + e^-|y|), then p, then ∂L/∂y
    for (size_t i = 0; i < n; i++) dy[i] = (gf_real)-fabs((double)out->y[i]);
    gfi_act_array(&net->engine, gf_act_default(GF_ACT_SOFTPLUS), dy, dy, NULL, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double y = (double)out->y[i], t = (double)targets[i];
        const double missed = y > 0 ? 1 - t : t;  // 0: nothing, even where |y| is infinite
        sum += (missed > 0 ? fabs(y) * missed : 0) + (double)dy[i];
        net->correct += (y >= 0) == (t >= 0.5);
    }
    gfi_act_array(&net->engine, gf_act_default(GF_ACT_SIGMOID), out->y, dy, NULL, n);
    for (size_t i = 0; i < n; i++) dy[i] = (gf_real)(((double)dy[i] - (double)targets[i]) / (double)n);
    return gfi_loss_taken(net, GF_LOSS_BCE, sum, n);
}

// L = mean((y - t)²), ∂L/∂y = 2(y - t)/(B·O)
GFDEF double gf_loss_mse(gf_net *net, const gf_real *targets) {
    if (!gfi_loss_begins(net, "gf_loss_mse", targets, "targets is NULL; needs one for each output")) return NAN;
    const gfi_layer *out = gfi_output(net);
    const size_t n = (size_t)net->batch * out->out_size;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double difference = (double)out->y[i] - (double)targets[i];
        sum += difference * difference;
        out->dy[i] = (gf_real)(2 * difference / (double)n);
    }
    return gfi_loss_taken(net, GF_LOSS_MSE, sum, n);
}

GFDEF double gf_loss_custom(gf_net *net, const gf_custom_loss *loss) {
    if (!gfi_loss_begins(net, "gf_loss_custom", loss && loss->function ? loss : NULL,
                         "loss or loss->function is NULL; needs a function that returns L and fills ∂L/∂y"))
        return NAN;
    const gfi_layer *out = gfi_output(net);
    const double mean = loss->function(out->y, out->dy, net->batch, (int)out->out_size, loss->user);
    return gfi_loss_taken(net, GF_LOSS_CUSTOM, mean, 1);
}

GFDEF int gf_net_correct(const gf_net *net) { return net ? net->correct : 0; }

// --- optimisers: one step, as PyTorch documents it, for n parameters w with gradients g; t = 1, 2, … is the step ---
// All add weight_decay·w to g first, except AdamW, which shrinks w itself: w *= 1 - lr·weight_decay.

static double gfi_power(double x, long n) {  // xⁿ by squaring: libm's pow differs from system to system
    double power = 1;
    for (; n > 0; n /= 2, x *= x)
        if (n % 2 == 1) power *= x;
    return power;
}

// m = momentum·m + g;  w -= lr·m;  Nesterov: w -= lr·(g + momentum·m)
static void gfi_sgd(const gf_optim_config *c, gf_real *w, const gf_real *g, gf_real *m, size_t n) {
    const gf_real lr = (gf_real)c->lr, decay = (gf_real)c->weight_decay, momentum = (gf_real)c->momentum;
    for (size_t i = 0; i < n; i++) {
        gf_real step = g[i] + decay * w[i];
        if (m) {
            m[i] = momentum * m[i] + step;
            step = c->nesterov ? step + momentum * m[i] : m[i];
        }
        w[i] -= lr * step;
    }
}

// Adam and AdamW: m = β1·m + (1 - β1)·g;  v = β2·v + (1 - β2)·g²;  w -= lr·m̂/(√v̂ + ε),
// where m̂ = m/(1 - β1^t) and v̂ = v/(1 - β2^t) make up for the start of m and v at zero.
static void gfi_adam(const gf_optim_config *c, long t, gf_real *w, const gf_real *g, gf_real *m, gf_real *v, size_t n) {
    const int decoupled = c->kind == GF_ADAMW;
    const gf_real beta1 = (gf_real)c->beta1, beta2 = (gf_real)c->beta2, eps = (gf_real)c->eps;
    const gf_real fresh1 = (gf_real)(1 - c->beta1), fresh2 = (gf_real)(1 - c->beta2);
    const gf_real lr = (gf_real)(c->lr / (1 - gfi_power(c->beta1, t)));    // with m̂'s factor
    const gf_real root = (gf_real)(1 / sqrt(1 - gfi_power(c->beta2, t)));  // v̂'s, outside of the root
    const gf_real decay = decoupled ? 0 : (gf_real)c->weight_decay;
    const gf_real keep = decoupled ? (gf_real)(1 - c->lr * c->weight_decay) : 1;
    for (size_t i = 0; i < n; i++) {
        const gf_real gradient = g[i] + decay * w[i];
        m[i] = beta1 * m[i] + fresh1 * gradient;
        v[i] = beta2 * v[i] + fresh2 * gradient * gradient;
        w[i] = keep * w[i] - lr / ((gf_real)sqrt((double)v[i]) * root + eps) * m[i];
    }
}

// v = α·v + (1 - α)·g²;  m = momentum·m + g/(√v + ε);  w -= lr·m
static void gfi_rmsprop(const gf_optim_config *c, gf_real *w, const gf_real *g, gf_real *m, gf_real *v, size_t n) {
    const gf_real lr = (gf_real)c->lr, decay = (gf_real)c->weight_decay, momentum = (gf_real)c->momentum;
    const gf_real alpha = (gf_real)c->beta2, fresh = (gf_real)(1 - c->beta2), eps = (gf_real)c->eps;
    for (size_t i = 0; i < n; i++) {
        const gf_real gradient = g[i] + decay * w[i];
        v[i] = alpha * v[i] + fresh * gradient * gradient;
        gf_real step = gradient / ((gf_real)sqrt((double)v[i]) + eps);
        if (m) {
            m[i] = momentum * m[i] + step;
            step = m[i];
        }
        w[i] -= lr * step;
    }
}

static void gfi_update(const gfi_engine *engine, const gf_optim_config *config, long t, gf_real *w, const gf_real *g,
                       gf_real *m, gf_real *v, size_t n) {
    if (engine->fast) engine->fast->update(engine, config, t, w, g, m, v, n);
    else if (config->kind == GF_SGD) gfi_sgd(config, w, g, m, n);
    else if (config->kind == GF_RMSPROP) gfi_rmsprop(config, w, g, m, v, n);
    else gfi_adam(config, t, w, g, m, v, n);
}

// The update of parameters start … start + n - 1.
static void gfi_update_range(gf_net *net, gf_optim *optim, size_t start, size_t n) {
    gfi_update(&net->engine, &optim->config, optim->step, net->params + start, net->grads + start,
               optim->m ? optim->m + start : NULL, optim->v ? optim->v + start : NULL, n);
}

static void gfi_update_all(gf_net *net, gf_optim *optim);  // of every parameter that is not frozen

// GF_OK, or what is wrong with an optimiser: its public fields may have been changed since the last step.
static gf_status gfi_optim_check(gf_net *net, const char *function, const gf_optim *optim);

GFDEF gf_status gf_optim_step(gf_optim *optim, gf_net *net) {
    if (!gfi_ready(net, GFI_BACKWARDED, "gf_optim_step")) return gf_net_status(net);
    if (!gfi_require(net, net->spent != GFI_STEPPED, GF_ERROR_ORDER,
                     "gf_optim_step: has taken this gradient's step already; gf_net_forward, a loss and "
                     "gf_net_backward come before the next"))
        return net->status;
    if (gfi_optim_check(net, "gf_optim_step", optim) != GF_OK) return net->status;
    net->joined_samples = 0;
    const double norm = gf_net_grad_norm(net);
    if (!(norm <= DBL_MAX)) {
        gfi_find_nonfinite(net);
        const gf_nonfinite *first = &net->nonfinite;
        const int is_data = strcmp(first->layer, "input") == 0;
        return gfi_net_fail(net, GF_ERROR_NONFINITE,
                            "gf_optim_step: gradient norm is %g at step %ld; the first NaN or infinity is in %s, %s; "
                            "no parameter was changed: %s",
                            norm, first->step, first->layer, first->backward ? "backward" : "forward",
                            is_data ? "clean the data" : "lower the learning rate, clip, or initialise smaller");
    }
    optim->step++;
    if (net->watch) net->watch->update(net, optim, 0);
    if (net->around_update) net->around_update(net, optim);
    else gfi_update_all(net, optim);
    net->step++;
    net->spent = GFI_STEPPED;
    net->config = optim->config;
    if (net->watch) net->watch->update(net, optim, 1);
    return GF_OK;
}

// Σ x²
static double gfi_sum_squares(const gfi_engine *engine, const gf_real *x, size_t n) {
    if (engine->fast) return engine->fast->sum_squares(engine, x, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

typedef struct gfi_tensor {  // a parameter, or a running statistic (trained 0), and how it starts
    gf_tensor view;
    char name[40];
    gf_init init;
    int trained;
    uint64_t stream;  // of its random numbers
    double squares;   // Σ grad², -1 while unknown
} gfi_tensor;

static void gfi_update_all(gf_net *net, gf_optim *optim) {
    size_t start = 0;  // of the parameters that are still to be updated: all at once where none is frozen
    for (int i = 0; i < net->tensor_count; i++) {
        const gfi_tensor *tensor = &net->tensors[i];
        if (!tensor->trained || !tensor->view.frozen) continue;
        if (tensor->view.offset > start) gfi_update_range(net, optim, start, tensor->view.offset - start);
        start = tensor->view.offset + tensor->view.size;
    }
    if (net->param_count > start) gfi_update_range(net, optim, start, net->param_count - start);
}

static void gfi_forget_squares(gf_net *net) {
    for (int i = 0; i < net->tensor_count; i++) net->tensors[i].squares = -1;
}

// Σ grad² of a tensor, summed once after each backward, by whoever asks first.
static double gfi_tensor_squares(const gf_net *net, gfi_tensor *tensor) {
    if (!tensor->trained) return 0;
    if (tensor->squares < 0) tensor->squares = gfi_sum_squares(&net->engine, tensor->view.grad, tensor->view.size);
    return tensor->squares;
}

GFDEF double gf_net_grad_norm(gf_net *net) {
    if (!gfi_ready(net, GFI_BACKWARDED, "gf_net_grad_norm")) return NAN;
    double sum = 0;
    for (int i = 0; i < net->tensor_count; i++)
        if (!net->tensors[i].view.frozen) sum += gfi_tensor_squares(net, &net->tensors[i]);
    return sqrt(sum);
}

static void gfi_scale(gf_real *x, double a, size_t n) {  // x *= a
    for (size_t i = 0; i < n; i++) x[i] *= (gf_real)a;
}

static void gfi_add_scaled(gf_real *y, double a, const gf_real *x, size_t n);

// ∇ = (n·∇ + N·∇_before)/(n + N), where the last batch has n samples and those before it had N.
static void gfi_join_gradients(gf_net *net) {
    const double n = (double)net->batch, all = n + (double)net->joined_samples;
    if (net->joined_samples > 0) {
        gfi_scale(net->grads, n / all, net->param_count);
        gfi_add_scaled(net->grads, 1 - n / all, net->joined, net->param_count);
        gfi_forget_squares(net);
    }
    net->joined_samples += (size_t)net->batch;
}

GFDEF double gf_net_clip_grad_norm(gf_net *net, double max_norm) {
    const double norm = gf_net_grad_norm(net);
    if (!net || net->status != GF_OK) return NAN;
    if (!gfi_require(net, max_norm > 0, GF_ERROR_ARGUMENT, "gf_net_clip_grad_norm: max_norm is %g; needs more than 0",
                     max_norm))
        return NAN;
    if (norm > max_norm && norm <= DBL_MAX) {
        if (!net->spent) net->spent = GFI_CLIPPED;
        gfi_scale(net->grads, max_norm / (norm + 1e-6), net->param_count);  // as PyTorch: just below
        gfi_forget_squares(net);
    }
    return norm;
}

// [GF:NET] Plumbing: errors, randomness, shapes, initialisers, building a net, optimisers' memory ---------------------
// Everything that the training step takes for granted. Read gfi_add_layer, gfi_lay_out and gf_net_build to see how a net
// gets its one allocation.

#if defined(GF_MALLOC) && defined(GF_REALLOC) && defined(GF_FREE)
// all three are the user's
#elif !defined(GF_MALLOC) && !defined(GF_REALLOC) && !defined(GF_FREE)
#define GF_MALLOC(size) malloc(size)
#define GF_REALLOC(p, size) realloc(p, size)
#define GF_FREE(p) free(p)
#else
#error "gradflow.h: define all of GF_MALLOC, GF_REALLOC and GF_FREE, or none of them."
#endif
#if defined(_MSC_VER)
#define GFI_THREAD_LOCAL __declspec(thread)
#elif defined(__GNUC__) && !defined(__wasm__)
#define GFI_THREAD_LOCAL __thread
#else
#define GFI_THREAD_LOCAL
#endif
#if defined(__MINGW_PRINTF_FORMAT)
#define GFI_PRINTF(format_at, args_at) __attribute__((format(__MINGW_PRINTF_FORMAT, format_at, args_at)))
#elif defined(__GNUC__)
#define GFI_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#else
#define GFI_PRINTF(format_at, args_at)
#endif

// --- errors ---
// An error is one statement where it is found: `return gfi_fail(GF_ERROR_SHAPE, "…", …);`. gfi_fail writes the calling
// thread's message, the library's only global state. gfi_net_fail does the same and keeps a net's first error.
// gfi_require does so unless its condition holds; it returns 1 while the net is without error.

#define gfi_fail(...) gfi_net_fail(NULL, __VA_ARGS__)

static GFI_THREAD_LOCAL char gfi_last_error[GFI_MESSAGE_SIZE] = "no error";

GFDEF const char *gf_last_error(void) { return gfi_last_error; }

GFI_PRINTF(3, 4) static int gfi_print(char *to, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int length = GF_VSNPRINTF(to, size, format, args);
    va_end(args);
    return length;
}

static const char *gfi_given(const void *p) { return p ? "given" : "NULL"; }

static void gfi_keep_error(gf_net *net, gf_status status, const char *format, va_list args) {
    char message[GFI_MESSAGE_SIZE];  // args may hold the last message
    GF_VSNPRINTF(message, sizeof message, format, args);
    for (char *at = strstr(message, "-nan"); at; at = strstr(at, "-nan")) memmove(at, at + 1, strlen(at));  // no sign
    memcpy(gfi_last_error, message, sizeof message);
    if (!net || net->status != GF_OK) return;
    net->status = status;
    memcpy(net->message, message, sizeof message);
}

GFI_PRINTF(3, 4) static gf_status gfi_net_fail(gf_net *net, gf_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    gfi_keep_error(net, status, format, args);
    va_end(args);
    return status;
}

GFI_PRINTF(4, 5) static int gfi_require(gf_net *net, int condition, gf_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!condition && net->status == GF_OK) gfi_keep_error(net, status, format, args);
    va_end(args);
    return net->status == GF_OK;
}

// May this call go on? It needs a net without an error that has got at least as far as `phase`.
static int gfi_ready(gf_net *net, int phase, const char *function) {
    static const char *const next[] = {"gf_net_build", "gf_net_forward", "a loss (gf_loss_…)", "gf_net_backward", ""};
    if (net)
        return gfi_require(net, net->phase >= phase, GF_ERROR_ORDER, "%s: came before %s; call that first", function,
                           next[net->phase]);
    gfi_fail(GF_ERROR_ARGUMENT, "%s: net is NULL; make one with gf_net_create", function);
    return 0;
}

// The same for what must come before gf_net_build.
static int gfi_settable(gf_net *net, const char *function) {
    return gfi_ready(net, GFI_NEW, function) && gfi_require(net, net->phase == GFI_NEW, GF_ERROR_ORDER,
                                                            "%s: came after gf_net_build; call it before", function);
}

static int gfi_forward_fits(gf_net *net, const gf_real *x, int batch, gf_mode mode) {
    if (!gfi_ready(net, GFI_BUILT, "gf_net_forward")) return 0;
    return gfi_require(net, x && batch >= 1 && batch <= net->max_batch && (mode == GF_TRAIN || mode == GF_EVAL),
                       GF_ERROR_ARGUMENT,
                       "gf_net_forward: x is %s, batch %d, mode %d; needs data, a batch of 1 to %d (set in "
                       "gf_net_create), GF_TRAIN or GF_EVAL",
                       gfi_given(x), batch, (int)mode, net->max_batch);
}

GFDEF gf_status gf_net_status(const gf_net *net) { return net ? net->status : GF_ERROR_ARGUMENT; }

GFDEF const char *gf_net_error(const gf_net *net) {
    if (!net) return "the net is NULL: gf_net_create was not called or found no memory";
    return net->status == GF_OK ? "no error" : net->message;
}

GFDEF void gf_net_clear_error(gf_net *net) {
    if (!net || (net->phase == GFI_NEW && net->status == GF_ERROR_MEMORY)) return;  // such a net lacks a piece
    net->status = GF_OK;
}

// a·b, or SIZE_MAX where that overflows: no allocation grants it.
static size_t gfi_bounded_product(size_t a, size_t b) { return b != 0 && a > SIZE_MAX / b ? SIZE_MAX : a * b; }

// malloc of count elements of `size` bytes; NULL when it fails. count 0 gives a valid pointer.
static void *gfi_alloc(size_t count, size_t size) {
    const size_t bytes = gfi_bounded_product(count, size);
    return bytes == SIZE_MAX ? NULL : GF_MALLOC(bytes + (bytes == 0));
}

// --- [GF:RNG] randomness ---
// splitmix64 walks a counter in steps of γ = 2⁶⁴/golden ratio and scrambles it with mix64, so that any element can be
// reached at once: value(i) = mix64(key + (i + 1)·γ). Seed and stream both pass through mix64 on their way into the
// key: the neighbours 0, 1, 2, … of either lie far apart on the counter. Only integers, exact products and correctly
// rounded operations (+ - * / √) are used: the same numbers on every machine.

#define GFI_GAMMA UINT64_C(0x9E3779B97F4A7C15)

enum {                      // the library's streams
    GFI_STREAM_WEIGHT = 1,  // + 256 · ordinal of the affine layer, from 1
    GFI_STREAM_BIAS,        // likewise
    GFI_STREAM_PROJECTION,  // + 256 · position of the layer: weights of projected skips
    GFI_STREAM_DROPOUT,     // + 256 · (layer index + 4096 · step)
    GFI_STREAM_SHUFFLE,     // + 256 · epoch
    GFI_STREAM_AUGMENT,     // + 256 · epoch
    GFI_STREAM_DATA,        // data drawn by a program
    GFI_STREAM_SPLIT,       // train/validation splits
    GFI_STREAM_CURVE        // directions to look at the loss along
};

static uint64_t gfi_mix64(uint64_t z) {  // Stafford's mix13, splitmix64's finaliser: a bijection
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t gfi_random_key(uint64_t seed, uint64_t stream) {
    return gfi_mix64(gfi_mix64(seed + GFI_GAMMA) + (stream + 1) * UINT64_C(0xD1342543DE82EF95));
}

static uint64_t gfi_random_at(uint64_t key, uint64_t index) { return gfi_mix64(key + (index + 1) * GFI_GAMMA); }

static uint64_t gfi_random_bits(uint64_t seed, uint64_t stream, uint64_t index) {
    return gfi_random_at(gfi_random_key(seed, stream), index);
}

static double gfi_random_unit(uint64_t bits) { return (double)(bits >> 11) / 9007199254740992.0; }

GFDEF double gf_random_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
    return gfi_random_unit(gfi_random_bits(seed, stream, index));
}

// Marsaglia's polar method: (u, v) uniform in the unit disc, s = u² + v²; u·√(-2 ln s / s) is normal. u and v are odd
// multiples of 2⁻²⁶ taken from one draw, so that s is exact and never 0; a point outside the disc is drawn again.
static double gfi_random_gauss(uint64_t bits) {
    for (;;) {
        const int64_t u = 2 * (int64_t)(bits >> 38) + 1 - (INT64_C(1) << 26);
        const int64_t v = 2 * (int64_t)((bits >> 12) & ((1u << 26) - 1)) + 1 - (INT64_C(1) << 26);
        const int64_t square = u * u + v * v;
        if (square < INT64_C(1) << 52) {
            const double s = (double)square / 4503599627370496.0;
            return (double)u / 67108864.0 * sqrt(-2 * gfi_log(s) / s);
        }
        bits = gfi_mix64(bits + GFI_GAMMA);
    }
}

GFDEF double gf_random_normal(uint64_t seed, uint64_t stream, uint64_t index) {
    return gfi_random_gauss(gfi_random_bits(seed, stream, index));
}

// Uniform in 0..range-1 without bias: the high word of a 32×32-bit product, drawn again in the few low words that would
// favour some results. Lemire 2019, "Fast random integer generation in an interval".
static uint32_t gfi_random_below(uint64_t bits, uint32_t range) {
    const uint32_t rejected = (uint32_t)(0u - range) % range;  // 2³² mod range
    uint64_t product = (bits >> 32) * range;
    while ((uint32_t)product < rejected) {
        bits = gfi_mix64(bits + GFI_GAMMA);
        product = (bits >> 32) * range;
    }
    return (uint32_t)(product >> 32);
}

// order[0..n) becomes a permutation of 0..n-1 (Fisher-Yates) that depends on seed and stream alone; n < 2³².
static void gfi_random_shuffle(uint32_t *order, size_t n, uint64_t seed, uint64_t stream) {
    const uint64_t key = gfi_random_key(seed, stream);
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        const uint32_t other = gfi_random_below(gfi_random_at(key, i), (uint32_t)i), last = order[i - 1];
        order[i - 1] = order[other];
        order[other] = last;
    }
}

// --- [GF:TENSOR] shapes: a product that overflows has size 0 and is refused wherever it is used ---

GFDEF gf_shape gf_image(int channels, int height, int width) {
    const gf_shape shape = {channels, height, width};
    return shape;
}

GFDEF gf_shape gf_vector(int n) { return gf_image(n, 1, 1); }

static size_t gfi_shape_size(gf_shape shape) {
    if (shape.channels < 1 || shape.height < 1 || shape.width < 1) return 0;
    if ((size_t)shape.height > SIZE_MAX / (size_t)shape.width) return 0;
    const size_t plane = (size_t)shape.height * (size_t)shape.width;
    return (size_t)shape.channels > SIZE_MAX / plane ? 0 : (size_t)shape.channels * plane;
}

static size_t gfi_plane(gf_shape shape) { return (size_t)shape.height * (size_t)shape.width; }

// --- [GF:INIT] initialisers ---
// Element i of tensor t is a function of (seed, t, i): two nets with one seed start from the same weights even when
// their activations or norms differ, so that what is compared is the activation and not the luck of the draw.

GFDEF gf_init gf_init_with(gf_init_kind kind, double gain) {
    const gf_init init = {kind, gain};
    return init;
}

GFDEF gf_init gf_init_kaiming(void) { return gf_init_with(GF_INIT_KAIMING_NORMAL, sqrt(2.0)); }
GFDEF gf_init gf_init_xavier(double gain) { return gf_init_with(GF_INIT_XAVIER_NORMAL, gain); }
GFDEF gf_init gf_init_zero(void) { return gf_init_with(GF_INIT_CONSTANT, 0); }

// The rows of w[rows, cols], or its columns where these are fewer, made orthonormal by Gram-Schmidt, each of them
// projected twice against rounding, and then multiplied by gain.
static void gfi_init_orthogonal(gf_real *w, size_t rows, size_t cols, double gain) {
    const int wide = rows <= cols;
    const size_t count = wide ? rows : cols, next = wide ? cols : 1;   // vectors, and how far apart they begin
    const size_t length = wide ? cols : rows, step = wide ? 1 : cols;  // elements of one
    for (size_t r = 0; r < count; r++) {
        gf_real *row = w + r * next;
        for (size_t q = 0; q < 2 * r; q++) {
            const gf_real *other = w + q % r * next;
            double dot = 0;
            for (size_t i = 0; i < length; i++) dot += (double)row[i * step] * (double)other[i * step];
            for (size_t i = 0; i < length; i++) row[i * step] -= (gf_real)(dot * (double)other[i * step]);
        }
        double square = 0;
        for (size_t i = 0; i < length; i++) square += (double)row[i * step] * (double)row[i * step];
        for (size_t i = 0; i < length; i++) row[i * step] = (gf_real)((double)row[i * step] / sqrt(square));
    }
    for (size_t i = 0; i < rows * cols; i++) w[i] = (gf_real)((double)w[i] * gain);
}

// Standard deviation that an initialiser asks for (orthogonal: before orthonormalising); a uniform kind has the bound √3
// times that.
static double gfi_init_std(gf_init init, int fan_in, int fan_out) {
    switch (init.kind) {
    case GF_INIT_DEFAULT: return init.gain * sqrt(1.0 / (3.0 * fan_in));
    case GF_INIT_XAVIER_NORMAL:
    case GF_INIT_XAVIER_UNIFORM: return init.gain * sqrt(2.0 / ((double)fan_in + fan_out));
    case GF_INIT_KAIMING_NORMAL:
    case GF_INIT_KAIMING_UNIFORM:
    case GF_INIT_LECUN_NORMAL: return init.gain * sqrt(1.0 / fan_in);
    default: return init.gain;
    }
}

// A tensor's first values. weight[O,I,…] is the tensor itself or, for a bias, the one beside it: it says the fans.
static void gfi_init_fill(const gfi_tensor *tensor, const gf_tensor *weight, uint64_t seed) {
    const gf_init init = tensor->init;
    gf_real *w = tensor->view.value;
    const size_t n = tensor->view.size, rows = tensor->view.rank > 1 ? (size_t)tensor->view.dims[0] : 1;
    const int fan_in = (int)(weight->size / (size_t)weight->dims[0]);
    const int fan_out = weight->rank > 1 ? (int)(weight->size / (size_t)weight->dims[1]) : 1;
    const int uniform =
        init.kind == GF_INIT_DEFAULT || init.kind == GF_INIT_XAVIER_UNIFORM || init.kind == GF_INIT_KAIMING_UNIFORM;
    const double std = init.kind == GF_INIT_ORTHOGONAL ? 1 : gfi_init_std(init, fan_in, fan_out);
    for (size_t i = 0; i < n; i++) {
        if (init.kind == GF_INIT_CONSTANT) w[i] = (gf_real)init.gain;
        else if (uniform) w[i] = (gf_real)(std * sqrt(3.0) * (2 * gf_random_uniform(seed, tensor->stream, i) - 1));
        else w[i] = (gf_real)(std * gf_random_normal(seed, tensor->stream, i));
    }
    if (init.kind == GF_INIT_ORTHOGONAL) gfi_init_orthogonal(w, rows, n / rows, init.gain);
}

// --- building a net ---

// Make room for one more element of an array of `count`; NULL when memory is out (the array is then as it was).
static void *gfi_grow(void *array, int count, int *capacity, size_t size) {
    if (count < *capacity) return array;
    const int wanted = *capacity ? 2 * *capacity : 16;
    void *grown = GF_REALLOC(array, gfi_bounded_product((size_t)wanted, size));
    if (grown) *capacity = wanted;
    return grown;
}

static gf_shape gfi_current_shape(const gf_net *net) {
    return net->layer_count ? net->layers[net->layer_count - 1].out : net->input;
}

// Append a layer called name1, name2, … with this output; NULL and the net's error when memory is out. Its public
// function has checked all else before, so that no half-made layer ever stands in a net.
static gfi_layer *gfi_add_layer(gf_net *net, const gfi_layer_kind *kind, const char *name, gf_shape out) {
    if (net->status != GF_OK) return NULL;
    void *grown = gfi_grow(net->layers, net->layer_count, &net->layer_capacity, sizeof(gfi_layer));
    if (!gfi_require(net, grown != NULL, GF_ERROR_MEMORY, "%s: out of memory for layer %d", name, net->layer_count + 1))
        return NULL;
    net->layers = (gfi_layer *)grown;
    int number = 1;
    const size_t length = strlen(name);
    for (int i = 0; i < net->layer_count; i++) {
        const char *other = net->layers[i].name;
        if (strncmp(other, name, length) == 0 && other[length] <= '9') number++;
    }
    gfi_layer *layer = &net->layers[net->layer_count];
    memset(layer, 0, sizeof *layer);
    gfi_print(layer->name, sizeof layer->name, "%s%d", name, number);
    layer->kind = kind;
    layer->in = gfi_current_shape(net);
    layer->out = out;
    layer->in_size = gfi_shape_size(layer->in);
    layer->out_size = gfi_shape_size(out);
    layer->first_tensor = net->tensor_count;
    layer->weight_init = net->weight_init;
    layer->bias_init = net->bias_init;
    layer->squares = -1;
    net->layer_count++;
    return layer;
}

// Declare the next tensor of the newest layer. trained 0: a running statistic.
static void gfi_declare(gf_net *net, gfi_layer *layer, const char *part, int rank, const int *dims, int trained,
                        gf_init init, uint64_t stream) {
    if (net->status != GF_OK) return;
    size_t size = 1, *total = trained ? &net->param_count : &net->state_count;
    void *grown = gfi_grow(net->tensors, net->tensor_count, &net->tensor_capacity, sizeof(gfi_tensor));
    if (grown) net->tensors = (gfi_tensor *)grown;
    for (int i = 0; i < rank; i++) size = gfi_bounded_product(size, (size_t)dims[i]);
    if (!gfi_require(net, grown && size <= SIZE_MAX / 16 - *total, GF_ERROR_MEMORY,
                     "%s: out of memory for its %s; make the layer smaller", layer->name, part))
        return;
    gfi_tensor *tensor = &net->tensors[net->tensor_count++];
    memset(tensor, 0, sizeof *tensor);
    gfi_print(tensor->name, sizeof tensor->name, "%s.%s", layer->name, part);
    tensor->view.rank = rank;
    for (int i = 0; i < rank; i++) tensor->view.dims[i] = dims[i];
    tensor->view.size = size;
    tensor->view.offset = *total;
    tensor->init = init;
    tensor->stream = stream;
    tensor->trained = trained;
    tensor->squares = -1;
    *total += size;
    layer->tensor_count++;
}

// A vector that starts at one value, such as a norm's γ.
static void gfi_declare_constant(gf_net *net, gfi_layer *layer, const char *part, int size, double value, int trained) {
    gfi_declare(net, layer, part, 1, &size, trained, gf_init_with(GF_INIT_CONSTANT, value), 0);
}

// Weight [out, fan…] and bias [out] of an affine layer, with its ordinal's streams of random numbers.
static void gfi_declare_affine(gf_net *net, gfi_layer *layer, int rank, const int *dims) {
    layer->ordinal = ++net->affine_count;
    const uint64_t stream = 256 * (uint64_t)layer->ordinal;
    gfi_declare(net, layer, "weight", rank, dims, 1, layer->weight_init, stream + GFI_STREAM_WEIGHT);
    if (!net->no_bias) gfi_declare(net, layer, "bias", 1, dims, 1, layer->bias_init, stream + GFI_STREAM_BIAS);
}

GFDEF void gf_net_dense(gf_net *net, int outputs) {
    if (!gfi_settable(net, "gf_net_dense")) return;
    const size_t inputs = gfi_shape_size(gfi_current_shape(net));
    gfi_require(net, outputs >= 1, GF_ERROR_ARGUMENT, "layer %d dense: %d outputs; needs at least 1",
                net->layer_count + 1, outputs);
    gfi_require(net, inputs <= INT32_MAX, GF_ERROR_SHAPE,
                "layer %d dense: an input of %zu values is too large; pool or crop before it", net->layer_count + 1,
                inputs);
    gfi_layer *layer = gfi_add_layer(net, &gfi_dense, "dense", gf_vector(outputs));
    if (!layer) return;
    const int dims[2] = {outputs, (int)inputs};
    gfi_declare_affine(net, layer, 2, dims);
}

static const char *gfi_act_label(gf_act act) { return act.name ? act.name : gf_act_default(act.kind).name; }

static uint64_t gfi_act_branch(gf_net *net, gfi_layer *layer);

static const gfi_layer_kind gfi_activation = {"act", gfi_act_forward, gfi_act_backward, gfi_act_branch, NULL};

// An activation layer keeps φ'(z) from forward to backward where that is less than this: a φ' that has left the cache by
// then costs more than finding it again.
#define GFI_SLOPE_BYTES ((size_t)1 << 20)

GFDEF void gf_net_act_with(gf_net *net, gf_act act) {
    if (!gfi_settable(net, "gf_net_act_with")) return;
    gfi_require(net, (int)act.kind >= 0 && act.kind < GF_ACT_COUNT, GF_ERROR_ARGUMENT,
                "gf_net_act_with: kind %d is not one of gf_act_kind's 0..%d", (int)act.kind, GF_ACT_COUNT - 1);
    gfi_require(net, act.kind != GF_ACT_CUSTOM || (act.value && act.derivative), GF_ERROR_ARGUMENT,
                "gf_net_act_with: a custom activation needs both functions; make it with gf_act_custom");
    gfi_require(net, fabs(act.param) <= DBL_MAX && (act.kind != GF_ACT_CELU || act.param != 0), GF_ERROR_ARGUMENT,
                "gf_net_act_with: %s with parameter %g; needs a finite one, and celu's not 0", gfi_act_label(act),
                act.param);
    const int is_prelu = act.kind == GF_ACT_PRELU;
    gfi_layer *layer = gfi_add_layer(net, &gfi_activation, is_prelu ? "prelu" : "act", gfi_current_shape(net));
    if (!layer) return;
    layer->act = act;
    if (gfi_act_stores_slope(act.kind) && layer->out_size <= GFI_SLOPE_BYTES / sizeof(gf_real) / (size_t)net->max_batch)
        layer->save_size = layer->out_size;
    if (is_prelu) gfi_declare_constant(net, layer, "slope", 1, act.param, 1);
}

GFDEF void gf_net_act(gf_net *net, gf_act_kind kind) { gf_net_act_with(net, gf_act_default(kind)); }

static const gfi_fast *gfi_fast_best(void);                           // the best that this machine can run; NULL: plain
static const gfi_fast *gfi_fast_named(const char *name, int *found);  // *found 0 where this machine has none
static size_t gfi_fast_workspace(int threads);                        // gf_reals that matrix multiplies work in

// Who computes for functions that have no net.
static gfi_engine gfi_engine_best(void) {
    const gfi_engine engine = {gfi_fast_best(), 1, NULL};
    return engine;
}

static int gfi_input_fits(gf_net *net, const char *function) {
    const gf_shape in = net->input;
    gfi_require(net, gfi_shape_size(in) > 0, GF_ERROR_SHAPE,
                "%s: input shape %dx%dx%d; every side must be at least 1 and the product fit in memory", function,
                in.channels, in.height, in.width);
    return gfi_require(net, net->max_batch >= 1, GF_ERROR_ARGUMENT, "%s: max_batch is %d; needs at least 1", function,
                       net->max_batch);
}

GFDEF gf_net *gf_net_create(gf_shape input, int max_batch, uint64_t seed) {
    gf_net *net = (gf_net *)gfi_alloc(1, sizeof *net);
    if (!net) {
        gfi_fail(GF_ERROR_MEMORY, "gf_net_create: out of memory");
        return NULL;
    }
    memset(net, 0, sizeof *net);
    net->input = input;
    net->max_batch = max_batch;
    net->seed = seed;
    net->engine = gfi_engine_best();
    net->weight_init = gf_init_with(GF_INIT_DEFAULT, 1);
    net->bias_init = net->weight_init;
    gfi_input_fits(net, "gf_net_create");
    return net;
}

GFDEF void gf_net_free(gf_net *net) {
    if (!net) return;
    if (net->watch) net->watch->freed(net);
    GF_FREE(net->memory);
    GF_FREE(net->layers);
    GF_FREE(net->tensors);
    GF_FREE(net);
}

GFDEF void gf_net_set_init(gf_net *net, gf_init weight, gf_init bias) {
    if (!gfi_settable(net, "gf_net_set_init")) return;
    const int kinds = (int)weight.kind >= 0 && weight.kind < GF_INIT_COUNT && (int)bias.kind >= 0 &&
                      bias.kind < GF_INIT_COUNT;
    if (!gfi_require(net, kinds && weight.gain == weight.gain && bias.gain == bias.gain, GF_ERROR_ARGUMENT,
                     "gf_net_set_init: weight kind %d gain %g, bias kind %d gain %g; gains must be numbers, the kinds "
                     "those of gf_init_kaiming() and the like",
                     (int)weight.kind, weight.gain, (int)bias.kind, bias.gain))
        return;
    net->weight_init = weight;
    net->bias_init = bias;
}

GFDEF void gf_net_set_bias(gf_net *net, int wanted) {
    if (gfi_settable(net, "gf_net_set_bias")) net->no_bias = !wanted;
}

GFDEF void gf_net_set_input_grad(gf_net *net, int wanted) {
    if (gfi_settable(net, "gf_net_set_input_grad")) net->want_input_grad = wanted != 0;
}

GFDEF void gf_net_set_accumulate(gf_net *net, int wanted) {
    if (gfi_settable(net, "gf_net_set_accumulate")) net->want_joined = wanted != 0;
}

GFDEF void gf_net_set_threads(gf_net *net, int threads) {
    if (!gfi_settable(net, "gf_net_set_threads")) return;
#ifdef _OPENMP
    const int most = 1024;
#else
    const int most = 1;
#endif
    if (gfi_require(net, threads >= 1 && threads <= most, GF_ERROR_ARGUMENT,
                    "gf_net_set_threads: %d threads; needs 1 to %d%s", threads, most,
                    most == 1 ? ", for this program was compiled without OpenMP; add -fopenmp" : ""))
        net->engine.threads = threads;
}

GFDEF gf_status gf_net_set_backend(gf_net *net, const char *name) {
    if (!net) return gfi_fail(GF_ERROR_ARGUMENT, "gf_net_set_backend: net is NULL; make one with gf_net_create");
    int found = 0;
    const gfi_fast *fast = name ? gfi_fast_named(name, &found) : NULL;
    if (!found) {
        const gfi_fast *best = gfi_fast_best();
        return gfi_net_fail(net, GF_ERROR_NOT_FOUND,
                            "gf_net_set_backend: no \"%s\" here; plain is always there, the best is %s",
                            name ? name : "(NULL)", best ? best->name : "plain");
    }
    net->engine.fast = fast;
    return GF_OK;
}

// Hands out pieces of one allocation, each aligned to 64 bytes. The first round, without memory, only counts.
typedef struct gfi_arena {
    unsigned char *base;
    size_t used;
    int overflow;
} gfi_arena;

static void *gfi_take(gfi_arena *arena, size_t count, size_t size) {
    const size_t start = arena->used, bytes = gfi_bounded_product(count, size);
    arena->overflow |= bytes > SIZE_MAX - 128 - start;
    if (arena->overflow) return NULL;
    arena->used = (start + bytes + 63) / 64 * 64;
    return arena->base ? arena->base + start : NULL;
}

static gf_real *gfi_take_reals(gfi_arena *arena, size_t batch, size_t each) {
    return (gf_real *)gfi_take(arena, gfi_bounded_product(batch, each), sizeof(gf_real));
}

static size_t gfi_max_size(size_t a, size_t b) { return a > b ? a : b; }

static size_t gfi_probe_lay_out(gf_net *net, gfi_arena *arena);  // what instruments need, and their gf_reals of scratch
static void gfi_probe_attach(gf_net *net);

// Point everything a net needs into the arena: parameters, gradients, what layers keep, instruments.
static void gfi_lay_out(gf_net *net, gfi_arena *arena) {
    const size_t batch = (size_t)net->max_batch, inputs = gfi_shape_size(net->input);
    net->params = gfi_take_reals(arena, 1, net->param_count);
    net->grads = gfi_take_reals(arena, 1, net->param_count);
    net->joined = net->want_joined ? gfi_take_reals(arena, 1, net->param_count) : NULL;
    net->state = gfi_take_reals(arena, 1, net->state_count);
    net->input_grad = net->want_input_grad ? gfi_take_reals(arena, batch, inputs) : NULL;
    net->sample = gfi_take_reals(arena, batch, inputs);
    net->row_loss = (double *)gfi_take(arena, batch, sizeof(double));
    size_t workspace = gfi_fast_workspace(net->engine.threads);
    gf_real *dx = net->input_grad, *turns[2] = {NULL, NULL};
    net->shares_dy = net->probe == GF_PROBE_NORMS && !net->watch;  // nobody looks at dy later: two arrays take turns
    for (int i = 0; i < 2 && net->shares_dy; i++) {
        size_t most = 0;
        for (int l = i; l < net->layer_count; l += 2) most = gfi_max_size(most, net->layers[l].out_size);
        turns[i] = gfi_take_reals(arena, batch, most);
    }
    for (int i = 0; i < net->layer_count; i++) {
        gfi_layer *layer = &net->layers[i];
        layer->dx = dx;
        layer->dy = net->shares_dy ? turns[i % 2] : gfi_take_reals(arena, batch, layer->out_size);
        layer->y = gfi_take_reals(arena, batch, layer->out_size);
        layer->save = layer->save_size ? gfi_take_reals(arena, batch, layer->save_size) : NULL;
        layer->stats = layer->stats_size ? (double *)gfi_take(arena, layer->stats_size, sizeof(double)) : NULL;
        if (layer->kind->workspace) workspace = gfi_max_size(workspace, layer->kind->workspace(net, layer));
        dx = layer->dy;
    }
    if (net->watch) net->watch->lay_out(net, arena);
    for (int t = 0; t < net->tensor_count; t++) workspace = gfi_max_size(workspace, net->tensors[t].view.size);
    if (net->probe) workspace = gfi_max_size(workspace, gfi_probe_lay_out(net, arena));
    net->engine.workspace = gfi_take_reals(arena, 1, workspace);
    net->scratch = net->engine.workspace;  // instruments work between the layers, never inside one
}

// Point the tensors into the arrays and the layers to their tensors, and fill these.
static void gfi_bind_tensors(gf_net *net) {
    for (int i = 0; i < net->tensor_count; i++) {
        gfi_tensor *tensor = &net->tensors[i];
        tensor->view.name = tensor->name;
        tensor->view.value = (tensor->trained ? net->params : net->state) + tensor->view.offset;
        tensor->view.grad = tensor->trained ? net->grads + tensor->view.offset : NULL;
    }
    for (int i = 0; i < net->layer_count; i++) {
        gfi_layer *layer = &net->layers[i];
        gf_tensor **const places[4] = {&layer->w, &layer->b, &layer->running_mean, &layer->running_var};
        for (int t = 0; t < layer->tensor_count; t++) {
            *places[t] = &net->tensors[layer->first_tensor + t].view;
            gfi_init_fill(&net->tensors[layer->first_tensor + t], layer->w, net->seed);
        }
    }
}

// Options of a compiler may break arithmetic and define no macro by which they could be refused. So a look at what this
// library rests on: NaN, constants in double, e^x alone and in arrays. volatile: not to be worked out beforehand.
static int gfi_arithmetic_works(const gfi_engine *engine) {
    const volatile double e = 2.7182818284590452354, largest = HUGE_VAL;
    const double infinite = largest, none = infinite - infinite;
    gf_real z[19], h[19];
    int works = none != none && !(none <= DBL_MAX) && infinite > DBL_MAX && 0.1 != (double)0.1f;
    for (int i = 0; i < 19; i++) z[i] = (gf_real)(i - 9);
    gfi_act_array(engine, gf_act_default(GF_ACT_SIGMOID), z, h, NULL, 19);
    for (int i = 0; i < 19; i++) {
        const double power = i < 9 ? 1 / gfi_power(e, 9 - i) : gfi_power(e, i - 9);
        works = works && fabs(gfi_exp((double)z[i]) / power - 1) < 1e-13;
        works = works && fabs((double)h[i] * (1 + power) / power - 1) < 1e-5;
    }
    return works;
}

GFDEF gf_status gf_net_build(gf_net *net) {
    if (!gfi_settable(net, "gf_net_build")) return gf_net_status(net);
    if (!gfi_require(net, gfi_arithmetic_works(&net->engine), GF_ERROR_ARGUMENT,
                     "gf_net_build: this program's arithmetic is broken (NaN, constants or e^x); compile it without "
                     "-ffast-math, -ffinite-math-only, -fsingle-precision-constant, /fp:fast and the like"))
        return net->status;
    if (!gfi_input_fits(net, "gf_net_build")) return net->status;
    if (net->layer_count == 0)
        return gfi_net_fail(net, GF_ERROR_ORDER, "gf_net_build: the net has no layers; add some first");
    gfi_arena arena = {NULL, 0, 0};
    gfi_lay_out(net, &arena);  // counts the bytes
    net->bytes = arena.used;
    net->memory = arena.overflow ? NULL : (unsigned char *)gfi_alloc(arena.used + 64, 1);
    if (!net->memory)
        return gfi_net_fail(net, GF_ERROR_MEMORY,
                            "gf_net_build: out of memory for %zu MB; use smaller layers or a smaller batch than %d",
                            arena.used >> 20, net->max_batch);
    memset(net->memory, 0, arena.used + 64);
    arena.base = net->memory + (64 - (uintptr_t)net->memory % 64) % 64;
    arena.used = 0;
    gfi_lay_out(net, &arena);  // hands them out
    gfi_bind_tensors(net);
    if (net->probe) gfi_probe_attach(net);
    net->phase = GFI_BUILT;
    return GF_OK;
}

// --- looking at a net ---

GFDEF gf_net_info gf_net_describe(const gf_net *net) {
    gf_net_info info;
    memset(&info, 0, sizeof info);
    if (!net) return info;
    info.layer_count = net->layer_count;
    info.affine_count = net->affine_count;
    info.tensor_count = net->tensor_count;
    info.param_count = net->phase >= GFI_BUILT ? net->param_count : 0;
    info.params = net->params;
    info.grads = net->grads;
    info.input_grad = net->phase >= GFI_BACKWARDED ? net->input_grad : NULL;
    info.batch = net->batch;
    info.step = net->step;
    info.bytes = net->bytes;
    info.backend = net->engine.fast ? net->engine.fast->name : "plain";
    info.nonfinite = net->nonfinite;
    return info;
}

GFDEF gf_layer gf_net_layer(gf_net *net, int index) {
    gf_layer view;
    memset(&view, 0, sizeof view);
    const int count = net ? net->layer_count : 0;
    if (index < 0 || index >= count) {
        gfi_fail(GF_ERROR_NOT_FOUND, "gf_net_layer: layer %d of %s; it has layers 0 to %d", index,
                 net ? "this net" : "NULL", count - 1);
        return view;
    }
    const gfi_layer *layer = &net->layers[index];
    view.name = layer->name;
    view.kind = layer->kind->name;
    view.affine = layer->ordinal;
    view.shape = layer->out;
    view.output = net->phase >= GFI_FORWARDED ? layer->y : NULL;
    view.grad = net->phase >= GFI_BACKWARDED && !net->shares_dy ? layer->dy : NULL;
    return view;
}

GFDEF gf_tensor *gf_net_tensor_at(gf_net *net, int index) {
    if (net && net->phase >= GFI_BUILT && index >= 0 && index < net->tensor_count) return &net->tensors[index].view;
    if (gfi_ready(net, GFI_BUILT, "gf_net_tensor_at"))
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_tensor_at: index %d; this net has tensors 0..%d", index,
                     net->tensor_count - 1);
    return NULL;
}

static gf_status gfi_no_tensor(gf_net *net, const char *function, const char *name) {
    char names[200] = "";
    int i = 0;
    for (; i < net->tensor_count && strlen(names) + sizeof net->tensors[i].name < sizeof names; i++) {
        if (i > 0) strcat(names, ", ");
        strcat(names, net->tensors[i].name);
    }
    return gfi_net_fail(net, GF_ERROR_NOT_FOUND, "%s: no tensor \"%.60s\"; there are %s%s", function,
                        name ? name : "(NULL)", names, i < net->tensor_count ? ", …" : "");
}

GFDEF gf_tensor *gf_net_tensor(gf_net *net, const char *name) {
    for (int i = 0; net && net->phase >= GFI_BUILT && i < net->tensor_count && name; i++)
        if (strcmp(net->tensors[i].name, name) == 0) return &net->tensors[i].view;
    if (gfi_ready(net, GFI_BUILT, "gf_net_tensor")) gfi_no_tensor(net, "gf_net_tensor", name);
    return NULL;
}

GFDEF gf_status gf_net_freeze(gf_net *net, const char *name, int frozen) {
    if (!gfi_ready(net, GFI_BUILT, "gf_net_freeze")) return gf_net_status(net);
    const size_t length = name ? strlen(name) : 0;
    int found = 0;
    for (int i = 0; i < net->tensor_count && length > 0; i++) {
        gfi_tensor *tensor = &net->tensors[i];
        const int same = strncmp(tensor->name, name, length) == 0;
        if (!same || (tensor->name[length] != '\0' && tensor->name[length] != '.')) continue;
        tensor->view.frozen = frozen != 0;
        found = 1;
    }
    return found ? GF_OK : gfi_no_tensor(net, "gf_net_freeze", name);
}

#ifndef GF_NO_STDIO
GFDEF void gf_net_summary(const gf_net *net) {
    if (!net) return;
    printf("%-14s %-14s %12s\n", "layer", "output", "parameters");
    printf("%-14s %dx%dx%d\n", "input", net->input.channels, net->input.height, net->input.width);
    for (int i = 0; i < net->layer_count; i++) {
        const gfi_layer *layer = &net->layers[i];
        const gf_shape out = layer->out;
        char shape[40];
        size_t params = 0;
        for (int t = 0; t < layer->tensor_count; t++) {
            const gfi_tensor *tensor = &net->tensors[layer->first_tensor + t];
            if (tensor->trained) params += tensor->view.size;
        }
        if (gfi_plane(out) == 1) gfi_print(shape, sizeof shape, "%d", out.channels);
        else gfi_print(shape, sizeof shape, "%dx%dx%d", out.channels, out.height, out.width);
        printf("%-14s %-14s %12zu  %s\n", layer->name, shape, params,
               layer->kind == &gfi_activation ? gfi_act_label(layer->act) : "");
    }
    printf("%zu parameters, %.1f MB for batches of %d, %s loops, %d thread%s\n", net->param_count,
           (double)net->bytes / 1048576, net->max_batch, gf_net_describe(net).backend, net->engine.threads,
           net->engine.threads == 1 ? "" : "s");
}
#endif

static int gfi_has_nonfinite(const gf_net *net, const gf_real *x, size_t n);

GFDEF int gf_net_predict(gf_net *net, const gf_real *x, double *probabilities) {
    const gf_real *y = gf_net_forward(net, x, 1, GF_EVAL);
    if (!y) return -1;
    const size_t K = gfi_output(net)->out_size, best = gfi_argmax(y, K);
    const int by_sigmoid = net->loss == 1 + GF_LOSS_BCE;
    if (net->loss == 1 + GF_LOSS_MSE || (K == 1 && !by_sigmoid)) {
        gfi_net_fail(net, GF_ERROR_ORDER,
                     "gf_net_predict: %s, which knows no classes; what the net says of a sample is in "
                     "gf_net_forward(net, x, 1, GF_EVAL)", net->loss ? "the net's last loss was gf_loss_mse"
                                                                     : "the net has one output and no loss yet");
        return -1;
    }
    if (gfi_has_nonfinite(net, y, K)) {
        gfi_find_nonfinite(net);
        gfi_net_fail(net, GF_ERROR_NONFINITE,
                     "gf_net_predict: the output is not finite; the first NaN or infinity is in %s: check the sample x "
                     "and the weights",
                     net->nonfinite.layer);
        return -1;
    }
    double sum = 0;
    for (size_t k = 0; k < K; k++) sum += exp((double)y[k] - (double)y[best]);
    for (size_t k = 0; k < K && probabilities; k++)
        probabilities[k] = by_sigmoid ? 1 / (1 + exp(-(double)y[k])) : exp((double)y[k] - (double)y[best]) / sum;
    return K == 1 ? y[0] >= 0 : (int)best;
}

// --- [GF:OPTIM] optimisers' defaults and memory, schedules ---

static gf_optim_config gfi_optim_config(gf_optim_kind kind, double lr, double weight_decay, double beta2) {
    const gf_optim_config config = {kind, lr, weight_decay, 0, 0, 0.9, beta2, 1e-8};  // no momentum, no Nesterov
    return config;
}

GFDEF gf_optim_config gf_sgd(double lr) { return gfi_optim_config(GF_SGD, lr, 0, 0); }
GFDEF gf_optim_config gf_adam(double lr) { return gfi_optim_config(GF_ADAM, lr, 0, 0.999); }
GFDEF gf_optim_config gf_adamw(double lr) { return gfi_optim_config(GF_ADAMW, lr, 0.01, 0.999); }
GFDEF gf_optim_config gf_rmsprop(double lr) { return gfi_optim_config(GF_RMSPROP, lr, 0, 0.99); }

static const char *gfi_optim_name(gf_optim_kind kind) {
    static const char *const names[GF_OPTIM_COUNT] = {"sgd", "adam", "adamw", "rmsprop"};
    return (int)kind >= 0 && kind < GF_OPTIM_COUNT ? names[kind] : "?";
}

// GF_OK, or the first setting that is out of its range.
static gf_status gfi_optim_config_check(gf_net *net, const char *function, const gf_optim_config *c) {
    static const char *const names[6] = {"lr", "weight_decay", "momentum", "eps", "beta1", "beta2"};
    const double values[6] = {c->lr, c->weight_decay, c->momentum, c->eps, c->beta1, c->beta2};
    if ((int)c->kind < 0 || c->kind >= GF_OPTIM_COUNT)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: kind %d is not one of gf_optim_kind's 0..%d; start from "
                            "gf_adam(lr) or the like", function, (int)c->kind, GF_OPTIM_COUNT - 1);
    for (int i = 0; i < 6; i++)
        if (!(values[i] >= 0 && values[i] <= DBL_MAX && (i < 4 || values[i] < 1)))
            return gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: %s is %g; needs a number of 0 or more%s", function,
                                names[i], values[i], i < 4 ? "" : ", below 1");
    if (c->nesterov && c->kind == GF_SGD && !(c->momentum > 0))
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: nesterov without momentum; set momentum, such as 0.9",
                            function);
    return GF_OK;
}

// Which moments does this configuration keep?
static int gfi_optim_needs_m(const gf_optim_config *config) {
    return config->kind == GF_ADAM || config->kind == GF_ADAMW || config->momentum > 0;
}

static int gfi_optim_needs_v(const gf_optim_config *config) { return config->kind != GF_SGD; }

static gf_status gfi_optim_check(gf_net *net, const char *function, const gf_optim *optim) {
    if (!optim || optim->size != net->param_count)
        return gfi_net_fail(net, GF_ERROR_ORDER,
                            "%s: optimiser for %zu parameters, net has %zu; call gf_optim_init with this net", function,
                            optim ? optim->size : 0, net->param_count);
    const gf_optim_config *config = &optim->config;
    if (gfi_optim_config_check(net, function, config) != GF_OK) return net->status;
    if ((!gfi_optim_needs_m(config) || optim->m) && (!gfi_optim_needs_v(config) || optim->v)) return GF_OK;
    return gfi_net_fail(net, GF_ERROR_ORDER,
                        "%s: %s with momentum %g lacks its moments; set kind and momentum before gf_optim_init",
                        function, gfi_optim_name(config->kind), config->momentum);
}

// A step walks through w, g, m and v side by side; gfi_apart keeps them from lying alike in their pages, which is slow:
// the first place from `at` on that lies so many quarters of a page behind w, page for page. It moves up by < GFI_APART.
enum { GFI_APART = 4096 / sizeof(gf_real) };
static gf_real *gfi_apart(gf_real *at, const gf_real *w, int quarter);

GFDEF gf_status gf_optim_init(gf_optim *optim, gf_net *net, gf_optim_config config) {
    if (!optim)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_optim_init: optim is NULL; pass the address of a gf_optim");
    memset(optim, 0, sizeof *optim);
    if (!gfi_ready(net, GFI_BUILT, "gf_optim_init")) return gf_net_status(net);
    if (gfi_optim_config_check(net, "gf_optim_init", &config) != GF_OK) return net->status;
    if (config.lr == 0)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_optim_init: lr is 0, which moves no weight; start with one "
                            "above 0 (a schedule may set optim.config.lr to 0 later)");
    optim->config = config;
    optim->size = net->param_count;
    const int needs_m = gfi_optim_needs_m(&config), needs_v = gfi_optim_needs_v(&config);
    if (!needs_m && !needs_v) return GF_OK;
    const size_t each = optim->size + GFI_APART;
    gf_real *memory = (gf_real *)gfi_alloc((size_t)(needs_m + needs_v) * each, sizeof(gf_real));
    if (!memory)
        return gfi_net_fail(net, GF_ERROR_MEMORY, "gf_optim_init: out of memory for the moments of %zu parameters",
                            net->param_count);
    memset(memory, 0, (size_t)(needs_m + needs_v) * each * sizeof(gf_real));
    optim->memory = memory;
    if (needs_m) optim->m = gfi_apart(memory, net->params, 1);
    if (needs_v) optim->v = gfi_apart(memory + (needs_m ? each : 0), net->params, 3);
    return GF_OK;
}

GFDEF void gf_optim_free(gf_optim *optim) {
    if (!optim) return;
    GF_FREE(optim->memory);
    memset(optim, 0, sizeof *optim);
}

GFDEF double gf_lr_step(double lr, long epoch, long every, double factor) {
    if (every < 1 || epoch < 0)
        return gfi_nan(gfi_fail(GF_ERROR_ARGUMENT, "gf_lr_step: epoch %ld, every %ld; needs an epoch of 0 or more, "
                                "every of 1 or more", epoch, every));
    return lr * pow(factor, (double)(epoch / every));
}

GFDEF double gf_lr_cosine(double lr, double lr_min, long step, long steps) {
    if (steps < 1 || step < 0)
        return gfi_nan(gfi_fail(GF_ERROR_ARGUMENT, "gf_lr_cosine: step %ld of %ld; needs a step of 0 or more, steps of "
                                "1 or more", step, steps));
    if (step > steps) step = steps;
    return lr_min + (lr - lr_min) * 0.5 * (1 + cos(3.14159265358979323846 * (double)step / (double)steps));
}

// [GF:LAYER] More layers: norms, dropout, convolution, pools, skips ---------------------------------------------------
// A layer is four things that stand together: forward, backward, their gfi_layer_kind, and the public function that
// checks the input's shape, says the output's and declares the parameters. To add a layer, write these four here.

// --- layer norm (Ba et al. 2016): y = γ·x̂ + β with x̂ = (x - mean)/√(var + ε), mean and variance of each sample ---
// mean and var depend on x, which gives the derivative two more terms: with g = dy·γ
//     dx = 1/√(var + ε)·(g - mean(g) - x̂·mean(g·x̂))        dγ = Σ_b dy·x̂        dβ = Σ_b dy

#define GFI_NORM_EPS 1e-5
#define GFI_NORM_MOMENTUM 0.1

static void gfi_layer_norm_forward(gf_net *net, gfi_layer *layer) {
    const gf_real *gamma = layer->w->value, *beta = layer->b->value;
    const size_t n = layer->in_size;
    double *mean = layer->stats, *inverse_std = mean + net->max_batch;
    for (size_t b = 0; b < (size_t)net->batch; b++) {
        const gf_real *x = layer->x + b * n;
        gf_real *y = layer->y + b * n;
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) sum += (double)x[i] - (double)x[0];  // from x[0] on: no digits are lost where
        mean[b] = (double)x[0] + sum / (double)n;                           // the mean is large and the spread small
        for (size_t i = 0; i < n; i++) squares += ((double)x[i] - mean[b]) * ((double)x[i] - mean[b]);
        inverse_std[b] = 1 / sqrt(squares / (double)n + GFI_NORM_EPS);
        for (size_t i = 0; i < n; i++)
            y[i] = (gf_real)(((double)x[i] - mean[b]) * inverse_std[b] * (double)gamma[i] + (double)beta[i]);
    }
}

static void gfi_layer_norm_backward(gf_net *net, gfi_layer *layer) {
    const gf_real *gamma = layer->w->value;
    gf_real *dgamma = layer->w->grad, *dbeta = layer->b->grad;
    const size_t n = layer->in_size;
    const double *mean = layer->stats, *inverse_std = mean + net->max_batch;
    memset(dgamma, 0, n * sizeof(gf_real));
    memset(dbeta, 0, n * sizeof(gf_real));
    for (size_t b = 0; b < (size_t)net->batch; b++) {
        const gf_real *x = layer->x + b * n, *dy = layer->dy + b * n;
        double mean_g = 0, mean_g_xhat = 0;
        for (size_t i = 0; i < n; i++) {
            const double xhat = ((double)x[i] - mean[b]) * inverse_std[b], g = (double)dy[i] * (double)gamma[i];
            dgamma[i] = (gf_real)((double)dgamma[i] + (double)dy[i] * xhat);
            dbeta[i] += dy[i];
            mean_g += g / (double)n;
            mean_g_xhat += g * xhat / (double)n;
        }
        for (size_t i = 0; i < n && layer->dx; i++) {
            const double xhat = ((double)x[i] - mean[b]) * inverse_std[b], g = (double)dy[i] * (double)gamma[i];
            layer->dx[b * n + i] = (gf_real)(inverse_std[b] * (g - mean_g - xhat * mean_g_xhat));
        }
    }
}

static const gfi_layer_kind gfi_layer_norm = {"layer_norm", gfi_layer_norm_forward, gfi_layer_norm_backward, NULL,
                                              NULL};

GFDEF void gf_net_layer_norm(gf_net *net) {
    if (!gfi_settable(net, "gf_net_layer_norm")) return;
    const gf_shape shape = gfi_current_shape(net);
    const size_t size = gfi_shape_size(shape);
    gfi_require(net, size >= 2 && size <= INT32_MAX, GF_ERROR_SHAPE,
                "layer %d layer_norm: %zu features have no variance; needs at least 2", net->layer_count + 1, size);
    gfi_layer *layer = gfi_add_layer(net, &gfi_layer_norm, "layer_norm", shape);
    if (!layer) return;
    layer->stats_size = 2 * (size_t)net->max_batch;  // mean and 1/√(var + ε) of every sample
    gfi_declare_constant(net, layer, "gamma", (int)size, 1, 1);
    gfi_declare_constant(net, layer, "beta", (int)size, 0, 1);
}

// --- batch norm (Ioffe, Szegedy 2015): the same formulas, with mean and variance of each channel over the batch ---
// The loops over the images have tuned twins. A channel has N = B·S values, S the pixels of an image.

typedef struct gfi_channels {  // x[B,C,S] and what lies like it
    size_t batch, channels, plane;
    const gf_real *x, *dy;
    gf_real *out;
} gfi_channels;

// The twins: 0 where there are none, or all is done. Workspace in gf_reals.
static int gfi_fast_norm_sums(const gfi_engine *engine, const gfi_channels *v, const gf_real *a, const double *alpha,
                              const double *beta, double *sum, double *products);
static int gfi_fast_norm_line(const gfi_engine *engine, const gfi_channels *v, const double *mean, const double *scale,
                              const double *shift, const double *slope);
static size_t gfi_fast_norm_workspace(const gfi_channels *v);

// Σ(a - α) and Σ(a - α)·(x - β) of each channel; a is x or dy, an alpha of NULL means 0.
static void gfi_channel_sums(const gfi_engine *engine, const gfi_channels *v, const gf_real *a, const double *alpha,
                             const double *beta, double *sum, double *products) {
    if (gfi_fast_norm_sums(engine, v, a, alpha, beta, sum, products)) return;
    GFI_PARALLEL(engine->threads)
    for (ptrdiff_t c = 0; c < (ptrdiff_t)v->channels; c++) {
        sum[c] = products[c] = 0;
        for (size_t b = 0; b < v->batch; b++) {
            const size_t at = (b * v->channels + (size_t)c) * v->plane;
            for (size_t i = at; i < at + v->plane; i++) {
                const double d = (double)a[i] - (alpha ? alpha[c] : 0);
                sum[c] += d;
                products[c] += d * ((double)v->x[i] - beta[c]);
            }
        }
    }
}

// out = (x - mean)·factor + shift
static void gfi_channel_normalise(const gfi_engine *engine, const gfi_channels *v, const double *mean,
                                  const double *factor, const double *shift) {
    if (gfi_fast_norm_line(engine, v, mean, factor, shift, NULL)) return;
    GFI_PARALLEL(engine->threads)
    for (ptrdiff_t p = 0; p < (ptrdiff_t)(v->batch * v->channels); p++) {
        const size_t c = (size_t)p % v->channels, at = (size_t)p * v->plane;
        for (size_t i = at; i < at + v->plane; i++)
            v->out[i] = (gf_real)(((double)v->x[i] - mean[c]) * factor[c] + shift[c]);
    }
}

// out = scale·(dy - mean_dy - (x - mean)·slope). In double: out then sums to zero over a channel, so that a bias before
// a batch norm has no gradient; Adam, which divides by a gradient's own size, would make steps of rounding errors.
static void gfi_channel_back(const gfi_engine *engine, const gfi_channels *v, const double *mean, const double *scale,
                             const double *mean_dy, const double *slope) {
    if (gfi_fast_norm_line(engine, v, mean, scale, mean_dy, slope)) return;
    GFI_PARALLEL(engine->threads)
    for (ptrdiff_t p = 0; p < (ptrdiff_t)(v->batch * v->channels); p++) {
        const size_t c = (size_t)p % v->channels, at = (size_t)p * v->plane;
        for (size_t i = at; i < at + v->plane; i++) {
            const double line = ((double)v->x[i] - mean[c]) * slope[c];
            v->out[i] = (gf_real)(scale[c] * ((double)v->dy[i] - mean_dy[c] - line));
        }
    }
}

static gfi_channels gfi_channels_of(const gfi_layer *layer, int batch, gf_real *out) {
    const gfi_channels v = {(size_t)batch, (size_t)layer->in.channels, gfi_plane(layer->in), layer->x, layer->dy, out};
    return v;
}

// Running statistics after a batch with this mean and variance; PyTorch keeps the unbiased variance.
static void gfi_batch_norm_remember(gfi_layer *layer, size_t c, double mean, double var, double count) {
    gf_real *running_mean = &layer->running_mean->value[c], *running_var = &layer->running_var->value[c];
    const double m = GFI_NORM_MOMENTUM;
    *running_mean = (gf_real)((1 - m) * (double)*running_mean + m * mean);
    *running_var = (gf_real)((1 - m) * (double)*running_var + m * var * count / (count - 1));
}

static void gfi_batch_norm_forward(gf_net *net, gfi_layer *layer) {
    const gf_real *gamma = layer->w->value, *beta = layer->b->value;
    const gfi_channels v = gfi_channels_of(layer, net->batch, layer->y);
    const size_t C = v.channels;
    const double N = (double)v.batch * (double)v.plane;
    double *mean = layer->stats, *inverse_std = mean + C, *sum = mean + 2 * C, *squares = mean + 3 * C;
    layer->normalised = net->mode == GF_TRAIN;
    if (!gfi_require(net, !layer->normalised || N >= 2, GF_ERROR_SHAPE,
                     "%s: 1 value per channel in training has no variance; use a batch of at least 2", layer->name))
        return;
    for (size_t c = 0; c < C; c++) mean[c] = (double)v.x[c * v.plane];  // counted from its first value on, a large mean
    if (layer->normalised) gfi_channel_sums(&net->engine, &v, v.x, mean, mean, sum, squares);  // costs no digits
    for (size_t c = 0; c < C; c++) {
        double var = (double)layer->running_var->value[c];
        if (!layer->normalised) {
            mean[c] = (double)layer->running_mean->value[c];
        } else {
            const double d = sum[c] / N;
            mean[c] += d;
            var = fmax(0, squares[c] / N - d * d);
            if (!net->frozen) gfi_batch_norm_remember(layer, c, mean[c], var, N);
        }
        inverse_std[c] = 1 / sqrt(var + GFI_NORM_EPS);
        sum[c] = (double)gamma[c] * inverse_std[c];
        squares[c] = (double)beta[c];
    }
    gfi_channel_normalise(&net->engine, &v, mean, sum, squares);
}

// dx = γ/σ·(dy - Σdy/N - x̂·Σ(dy·x̂)/N), σ = √(var + ε). Running statistics do not depend on x: then dx = γ/σ·dy.
static void gfi_batch_norm_backward(gf_net *net, gfi_layer *layer) {
    const gfi_channels v = gfi_channels_of(layer, net->batch, layer->dx);
    const size_t C = v.channels;
    const double N = (double)v.batch * (double)v.plane;
    double *mean = layer->stats, *inverse_std = mean + C, *sum = mean + 2 * C, *products = mean + 3 * C;
    double *scale = mean + 4 * C;
    gfi_channel_sums(&net->engine, &v, v.dy, NULL, mean, sum, products);
    for (size_t c = 0; c < C; c++) {
        layer->b->grad[c] = (gf_real)sum[c];
        layer->w->grad[c] = (gf_real)(products[c] * inverse_std[c]);
        scale[c] = (double)layer->w->value[c] * inverse_std[c];
        sum[c] /= N;
        products[c] *= inverse_std[c] * inverse_std[c] / N;
    }
    if (layer->dx && layer->normalised) gfi_channel_back(&net->engine, &v, mean, scale, sum, products);
    for (size_t i = 0; layer->dx && !layer->normalised && i < v.batch * C * v.plane; i++)  // even where x is infinite
        layer->dx[i] = (gf_real)(scale[i / v.plane % C] * (double)layer->dy[i]);
}

static size_t gfi_batch_norm_workspace(const gf_net *net, const gfi_layer *layer) {
    const gfi_channels v = gfi_channels_of(layer, net->max_batch, NULL);
    return gfi_fast_norm_workspace(&v);
}

static const gfi_layer_kind gfi_batch_norm = {"batch_norm", gfi_batch_norm_forward, gfi_batch_norm_backward, NULL,
                                              gfi_batch_norm_workspace};

GFDEF void gf_net_batch_norm(gf_net *net) {
    if (!gfi_settable(net, "gf_net_batch_norm")) return;
    gfi_layer *layer = gfi_add_layer(net, &gfi_batch_norm, "batch_norm", gfi_current_shape(net));
    if (!layer) return;
    const int channels = layer->in.channels;
    layer->stats_size = 5 * (size_t)channels;  // mean, 1/σ, and three rows to work in
    gfi_declare_constant(net, layer, "gamma", channels, 1, 1);
    gfi_declare_constant(net, layer, "beta", channels, 0, 1);
    gfi_declare_constant(net, layer, "running_mean", channels, 0, 0);
    gfi_declare_constant(net, layer, "running_var", channels, 1, 0);
}

// --- dropout: y = x·m, m = 0 with probability p, else 1/(1-p), so that E[y] = x and evaluation needs no scaling ---

static void gfi_dropout_forward(gf_net *net, gfi_layer *layer) {
    const size_t n = (size_t)net->batch * layer->out_size;
    layer->saved = net->mode == GF_TRAIN;
    if (!layer->saved) {
        memcpy(layer->y, layer->x, n * sizeof(gf_real));
        return;
    }
    const uint64_t index = (uint64_t)(layer - net->layers);
    const uint64_t key = gfi_random_key(net->seed, GFI_STREAM_DROPOUT + 256 * (index + 4096 * (uint64_t)net->step));
    const gf_real keep = (gf_real)(1 / (1 - layer->rate));
    const uint64_t before = (uint64_t)net->joined_samples * layer->out_size;  // elements of the parts of this batch
    for (size_t i = 0; i < n; i++) {
        layer->save[i] = gfi_random_unit(gfi_random_at(key, before + i)) < layer->rate ? 0 : keep;
        layer->y[i] = layer->x[i] * layer->save[i];
    }
}

static void gfi_dropout_backward(gf_net *net, gfi_layer *layer) {
    const size_t n = (size_t)net->batch * layer->out_size;
    for (size_t i = 0; i < n && layer->dx; i++)
        layer->dx[i] = layer->saved ? layer->dy[i] * layer->save[i] : layer->dy[i];
}

static const gfi_layer_kind gfi_dropout = {"dropout", gfi_dropout_forward, gfi_dropout_backward, NULL, NULL};

GFDEF void gf_net_dropout(gf_net *net, double p) {
    if (!gfi_settable(net, "gf_net_dropout")) return;
    gfi_require(net, p >= 0 && p < 1, GF_ERROR_ARGUMENT, "layer %d dropout: p = %g; needs 0 ≤ p < 1",
                net->layer_count + 1, p);
    gfi_layer *layer = gfi_add_layer(net, &gfi_dropout, "dropout", gfi_current_shape(net));
    if (!layer) return;
    layer->rate = p;
    layer->save_size = layer->out_size;
}

// --- convolution (LeCun et al. 1989): one small dense layer, the same at every place of the image ---

typedef struct gfi_conv {   // y[B,O,OH,OW] from x[B,C,H,W] and w[O,C,KH,KW]; back from dy to dx and dw, db
    int batch, accumulate;  // accumulate: y and dx are added to
    gf_shape in, out;
    gf_window window;
    const gf_real *x, *w, *bias, *dy;  // bias may be NULL
    gf_real *y, *dx, *dw, *db;         // dx and db may be NULL
} gfi_conv;

// A projected skip is a convolution, too: from its mark, and added to what is there.
static gfi_conv gfi_conv_of(const gf_net *net, const gfi_layer *layer) {
    const gfi_layer *mark = layer->mark > 0 ? &net->layers[layer->mark - 1] : NULL;
    gfi_conv job;
    memset(&job, 0, sizeof job);
    job.batch = net->batch;
    job.accumulate = mark != NULL;
    job.in = mark ? mark->out : layer->in;
    job.out = layer->out;
    job.window = layer->window;
    job.x = mark ? mark->y : layer->x;
    job.y = layer->y;
    job.dy = layer->dy;
    job.dx = mark ? mark->save : layer->dx;
    job.w = layer->w ? layer->w->value : NULL;
    job.dw = layer->w ? layer->w->grad : NULL;
    job.bias = layer->b ? layer->b->value : NULL;
    job.db = layer->b ? layer->b->grad : NULL;
    return job;
}

static int gfi_fast_conv(const gfi_engine *engine, const gfi_conv *job, int back);  // 0: there is no tuned twin
static size_t gfi_fast_conv_workspace(const gfi_conv *job, int threads);            // in gf_reals

// The window of output pixel (y, x), [C,KH,KW], read from one image [C,H,W]; zero outside of it.
static void gfi_window_read(const gfi_conv *job, const gf_real *image, int y, int x, gf_real *window) {
    const int top = y * job->window.stride_h - job->window.padding_h;
    const int left = x * job->window.stride_w - job->window.padding_w, H = job->in.height, W = job->in.width;
    for (int c = 0; c < job->in.channels; c++, image += H * W)
        for (int row = top; row < top + job->window.kernel_h; row++)
            for (int column = left; column < left + job->window.kernel_w; column++) {
                const int inside = row >= 0 && row < H && column >= 0 && column < W;
                *window++ = inside ? image[row * W + column] : 0;
            }
}

// The way back: each number of the window is added to the pixel that it was read from.
static void gfi_window_add(const gfi_conv *job, const gf_real *window, int y, int x, gf_real *image) {
    const int top = y * job->window.stride_h - job->window.padding_h;
    const int left = x * job->window.stride_w - job->window.padding_w, H = job->in.height, W = job->in.width;
    for (int c = 0; c < job->in.channels; c++, image += H * W)
        for (int row = top; row < top + job->window.kernel_h; row++)
            for (int column = left; column < left + job->window.kernel_w; column++, window++)
                if (row >= 0 && row < H && column >= 0 && column < W) image[row * W + column] += *window;
}

static size_t gfi_conv_fan_in(const gfi_conv *job) {
    return (size_t)job->in.channels * (size_t)job->window.kernel_h * (size_t)job->window.kernel_w;
}

// y_boyx = bias_o + Σ_k w_ok·window_k, k = (c, i, j). Seven loops: b, then y and x as p, then c, i and j in reading the
// window and again as k, and o. o runs inside, along a copy of w turned over: all sums of a pixel grow together.
static void gfi_conv_forward(gf_net *net, gfi_layer *layer) {
    const gfi_conv job = gfi_conv_of(net, layer);
    if (gfi_fast_conv(&net->engine, &job, 0)) return;
    const size_t K = gfi_conv_fan_in(&job), O = (size_t)job.out.channels, plane = gfi_plane(job.out);
    const size_t in_size = gfi_shape_size(job.in);
    gf_real *turned = net->engine.workspace, *room = turned + K * O;  // [K,O]; for each image a window and its sums
    for (size_t k = 0; k < K; k++)
        for (size_t o = 0; o < O; o++) turned[k * O + o] = job.w[o * K + k];
    GFI_PARALLEL(net->engine.threads)
    for (ptrdiff_t b = 0; b < job.batch; b++) {
        gf_real *window = room + (size_t)b * (K + O), *sum = window + K, *y = job.y + (size_t)b * O * plane;
        for (size_t p = 0; p < plane; p++) {
            gfi_window_read(&job, job.x + (size_t)b * in_size, (int)p / job.out.width, (int)p % job.out.width, window);
            for (size_t o = 0; o < O; o++) sum[o] = job.bias ? job.bias[o] : 0;
            for (size_t k = 0; k < K; k++) {
                const gf_real x = window[k], *w = turned + k * O;
                for (size_t o = 0; o < O; o++) sum[o] += x * w[o];
            }
            for (size_t o = 0; o < O; o++) y[o * plane + p] = job.accumulate ? y[o * plane + p] + sum[o] : sum[o];
        }
    }
}

// Going back, every product w·x of a sum gives one term to dw and one to dx:
//     dw_ok = Σ_byx dy_boyx·window_k        dwindow_k = Σ_o dy_boyx·w_ok, added to dx where the window was read
static void gfi_conv_backward(gf_net *net, gfi_layer *layer) {
    const gfi_conv job = gfi_conv_of(net, layer);
    if (gfi_fast_conv(&net->engine, &job, 1)) return;
    const size_t K = gfi_conv_fan_in(&job), O = (size_t)job.out.channels, plane = gfi_plane(job.out);
    const size_t in_size = gfi_shape_size(job.in);
    gf_real *window = net->engine.workspace, *dwindow = window + K;
    memset(job.dw, 0, K * O * sizeof(gf_real));
    if (job.db) memset(job.db, 0, O * sizeof(gf_real));
    if (job.dx && !job.accumulate) memset(job.dx, 0, (size_t)job.batch * in_size * sizeof(gf_real));
    for (size_t b = 0; b < (size_t)job.batch; b++)
        for (size_t p = 0; p < plane; p++) {
            const int y = (int)p / job.out.width, x = (int)p % job.out.width;
            gfi_window_read(&job, job.x + b * in_size, y, x, window);
            memset(dwindow, 0, K * sizeof(gf_real));
            for (size_t o = 0; o < O; o++) {
                const gf_real dy = job.dy[(b * O + o) * plane + p], *w = job.w + o * K;
                gf_real *dw = job.dw + o * K;
                if (job.db) job.db[o] += dy;
                for (size_t k = 0; k < K; k++) dw[k] += dy * window[k];
                for (size_t k = 0; k < K; k++) dwindow[k] += dy * w[k];
            }
            if (job.dx) gfi_window_add(&job, dwindow, y, x, job.dx + b * in_size);
        }
}

static size_t gfi_conv_workspace(const gf_net *net, const gfi_layer *layer) {  // for the plain loops or the tuned ones
    const gfi_conv job = gfi_conv_of(net, layer);
    const size_t K = gfi_conv_fan_in(&job), O = (size_t)job.out.channels;
    return gfi_max_size(K * O + (size_t)net->max_batch * (K + O), gfi_fast_conv_workspace(&job, net->engine.threads));
}

static const gfi_layer_kind gfi_conv2d = {"conv", gfi_conv_forward, gfi_conv_backward, NULL, gfi_conv_workspace};

static gf_window gfi_window_square(int kernel, int stride, int padding) {
    const gf_window window = {kernel, kernel, stride, stride, padding, padding};
    return window;
}

// The output's shape of a window that slides over the newest layer's output; 0 and the net's error when it does not fit.
static int gfi_window_fits(gf_net *net, const char *kind, gf_window w, int channels, gf_shape *out) {
    const int most = 1 << 15, number = net->layer_count + 1;
    const int sides[6] = {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.padding_h, w.padding_w};
    const gf_shape in = gfi_current_shape(net);
    int valid = channels >= 1 && channels <= 1 << 24 && in.height <= 1 << 24 && in.width <= 1 << 24;
    for (int i = 0; i < 6; i++) valid = valid && sides[i] >= (i < 4 ? 1 : 0) && sides[i] <= most;
    if (!gfi_require(net, valid, GF_ERROR_ARGUMENT,
                     "layer %d %s: %d channels, kernel %dx%d, stride %dx%d, padding %dx%d; channels, kernel and stride "
                     "must be at least 1, padding at least 0, none above %d",
                     number, kind, channels, w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.padding_h, w.padding_w,
                     most))
        return 0;
    const int down = in.height + 2 * w.padding_h - w.kernel_h, right = in.width + 2 * w.padding_w - w.kernel_w;
    const char *remedy = in.height == 1 && in.width == 1 && number == 1
                             ? "create the net with gf_image(channels, height, width)"
                             : "add padding or drop a pool";
    gfi_require(net, down >= 0 && right >= 0, GF_ERROR_SHAPE,
                "layer %d %s: kernel %dx%d is larger than its %dx%d input; %s", number, kind, w.kernel_h, w.kernel_w,
                in.height, in.width, remedy);
    *out = gf_image(channels, down / w.stride_h + 1, right / w.stride_w + 1);
    return gfi_require(net, gfi_shape_size(*out) > 0, GF_ERROR_SHAPE,
                       "layer %d %s: an output of %dx%dx%d is too large; use fewer channels or a larger stride", number,
                       kind, out->channels, out->height, out->width);
}

GFDEF void gf_net_conv2d_window(gf_net *net, int out_channels, gf_window window) {
    gf_shape out;
    if (!gfi_settable(net, "gf_net_conv2d") || !gfi_window_fits(net, "conv2d", window, out_channels, &out)) return;
    const int dims[4] = {out_channels, gfi_current_shape(net).channels, window.kernel_h, window.kernel_w};
    const double taps = (double)dims[2] * dims[3], fan_in = dims[1] * taps, fan_out = dims[0] * taps;
    gfi_require(net, fan_in <= INT32_MAX && fan_out <= INT32_MAX, GF_ERROR_SHAPE,
                "layer %d conv2d: %g inputs to a pixel and %g outputs from one are too many; use a smaller kernel",
                net->layer_count + 1, fan_in, fan_out);
    gfi_layer *layer = gfi_add_layer(net, &gfi_conv2d, "conv", out);
    if (!layer) return;
    layer->window = window;
    gfi_declare_affine(net, layer, 4, dims);
}

GFDEF void gf_net_conv2d(gf_net *net, int out_channels, int kernel, int stride, int padding) {
    gf_net_conv2d_window(net, out_channels, gfi_window_square(kernel, stride, padding));
}

// --- pools: each output is the maximum or the mean of a window; the gradient goes back where the value came from ---

typedef struct gfi_pool {
    int batch;
    gf_shape in, out;
    gf_window window;
    const gf_real *x, *dy;
    gf_real *y, *dx, *place;  // place[B,C,OH,OW] = i·KW + j of each maximum in its window
} gfi_pool;

static int gfi_fast_max_pool(const gfi_engine *engine, const gfi_pool *job, int back);  // 0: there is no tuned twin

static gfi_pool gfi_pool_of(const gf_net *net, const gfi_layer *layer) {
    const gfi_pool job = {net->batch, layer->in, layer->out, layer->window, layer->x,
                          layer->dy,  layer->y,  layer->dx,  layer->save};
    return job;
}

// Where the window of output pixel `at` of a plane begins in the plane of the input.
static size_t gfi_pool_corner(const gfi_pool *job, size_t at) {
    const int y = (int)at / job->out.width * job->window.stride_h, x = (int)at % job->out.width * job->window.stride_w;
    return (size_t)y * (size_t)job->in.width + (size_t)x;
}

static void gfi_max_pool_forward(gf_net *net, gfi_layer *layer) {
    const gfi_pool job = gfi_pool_of(net, layer);
    if (gfi_fast_max_pool(&net->engine, &job, 0)) return;
    const size_t plane = gfi_plane(job.in), out_plane = gfi_plane(job.out), W = (size_t)job.in.width;
    const size_t KH = (size_t)job.window.kernel_h, KW = (size_t)job.window.kernel_w;
    GFI_PARALLEL(net->engine.threads)
    for (ptrdiff_t p = 0; p < (ptrdiff_t)job.batch * job.in.channels; p++)
        for (size_t at = 0; at < out_plane; at++) {
            const gf_real *corner = job.x + (size_t)p * plane + gfi_pool_corner(&job, at);
            gf_real best = *corner;
            size_t place = 0;
            for (size_t k = 1; k < KH * KW; k++) {
                const gf_real value = corner[k / KW * W + k % KW];
                if (!(value > best) && value == value) continue;  // the first of equals; NaN wins
                best = value;
                place = k;
            }
            job.y[(size_t)p * out_plane + at] = best;
            job.place[(size_t)p * out_plane + at] = (gf_real)place;
        }
}

static void gfi_max_pool_backward(gf_net *net, gfi_layer *layer) {
    const gfi_pool job = gfi_pool_of(net, layer);
    if (!job.dx) return;
    if (gfi_fast_max_pool(&net->engine, &job, 1)) return;
    const size_t plane = gfi_plane(job.in), out_plane = gfi_plane(job.out), W = (size_t)job.in.width;
    const size_t KW = (size_t)job.window.kernel_w;
    GFI_PARALLEL(net->engine.threads)
    for (ptrdiff_t p = 0; p < (ptrdiff_t)job.batch * job.in.channels; p++) {
        gf_real *dx = job.dx + (size_t)p * plane;
        memset(dx, 0, plane * sizeof(gf_real));
        for (size_t at = 0; at < out_plane; at++) {
            const size_t k = (size_t)job.place[(size_t)p * out_plane + at];
            dx[gfi_pool_corner(&job, at) + k / KW * W + k % KW] += job.dy[(size_t)p * out_plane + at];
        }
    }
}

// Mix one more fact into a hash of the sides of kinks that a batch is on.
static uint64_t gfi_branch_mix(uint64_t hash, uint64_t fact) { return gfi_random_at(hash, fact); }

// Which value of each window won: where another one wins, the maximum has a kink.
static uint64_t gfi_max_pool_branch(gf_net *net, gfi_layer *layer) {
    uint64_t hash = 0;
    for (size_t i = 0; i < (size_t)net->batch * layer->out_size; i++)
        hash = gfi_branch_mix(hash, (uint64_t)layer->save[i]);
    return hash;
}

static const gfi_layer_kind gfi_max_pool = {"max_pool", gfi_max_pool_forward, gfi_max_pool_backward,
                                            gfi_max_pool_branch, NULL};

static void gfi_avg_pool_forward(gf_net *net, gfi_layer *layer) {
    const gfi_pool job = gfi_pool_of(net, layer);
    const size_t plane = gfi_plane(job.in), out_plane = gfi_plane(job.out), W = (size_t)job.in.width;
    const size_t KH = (size_t)job.window.kernel_h, KW = (size_t)job.window.kernel_w;
    GFI_PARALLEL(net->engine.threads)
    for (ptrdiff_t p = 0; p < (ptrdiff_t)job.batch * job.in.channels; p++)
        for (size_t at = 0; at < out_plane; at++) {
            const gf_real *corner = job.x + (size_t)p * plane + gfi_pool_corner(&job, at);
            double sum = 0;
            for (size_t i = 0; i < KH; i++)
                for (size_t j = 0; j < KW; j++) sum += (double)corner[i * W + j];
            job.y[(size_t)p * out_plane + at] = (gf_real)(sum / (double)(KH * KW));
        }
}

static void gfi_avg_pool_backward(gf_net *net, gfi_layer *layer) {
    const gfi_pool job = gfi_pool_of(net, layer);
    if (!job.dx) return;
    const size_t plane = gfi_plane(job.in), out_plane = gfi_plane(job.out), W = (size_t)job.in.width;
    const size_t KH = (size_t)job.window.kernel_h, KW = (size_t)job.window.kernel_w;
    const gf_real share = (gf_real)(1 / (double)(KH * KW));
    GFI_PARALLEL(net->engine.threads)
    for (ptrdiff_t p = 0; p < (ptrdiff_t)job.batch * job.in.channels; p++) {
        memset(job.dx + (size_t)p * plane, 0, plane * sizeof(gf_real));
        for (size_t at = 0; at < out_plane; at++) {
            gf_real *corner = job.dx + (size_t)p * plane + gfi_pool_corner(&job, at);
            for (size_t i = 0; i < KH; i++)
                for (size_t j = 0; j < KW; j++) corner[i * W + j] += job.dy[(size_t)p * out_plane + at] * share;
        }
    }
}

static const gfi_layer_kind gfi_avg_pool = {"avg_pool", gfi_avg_pool_forward, gfi_avg_pool_backward, NULL, NULL};

static void gfi_add_pool(gf_net *net, const gfi_layer_kind *kind, const char *label, gf_window window) {
    gf_shape out;
    if (!gfi_window_fits(net, label, window, gfi_current_shape(net).channels, &out)) return;
    gfi_layer *layer = gfi_add_layer(net, kind, kind->name, out);
    if (!layer) return;
    layer->window = window;
    if (kind == &gfi_max_pool) layer->save_size = layer->out_size;  // the place of each maximum
}

GFDEF void gf_net_max_pool2d(gf_net *net, int kernel, int stride) {
    if (!gfi_settable(net, "gf_net_max_pool2d")) return;
    gfi_add_pool(net, &gfi_max_pool, "max_pool2d", gfi_window_square(kernel, stride, 0));
}

GFDEF void gf_net_avg_pool2d(gf_net *net, int kernel, int stride) {
    if (!gfi_settable(net, "gf_net_avg_pool2d")) return;
    gfi_add_pool(net, &gfi_avg_pool, "avg_pool2d", gfi_window_square(kernel, stride, 0));
}

GFDEF void gf_net_global_avg_pool(gf_net *net) {
    if (!gfi_settable(net, "gf_net_global_avg_pool")) return;
    const gf_window whole = {gfi_current_shape(net).height, gfi_current_shape(net).width, 1, 1, 0, 0};
    gfi_add_pool(net, &gfi_avg_pool, "global_avg_pool", whole);
}

// --- skip connections (He et al. 2016): mark remembers h, add gives y = x + h_mark or x + P·h_mark ---
// A value used twice gets the sum of both gradients: add leaves its share in the mark's save, mark adds it to its dy.

static void gfi_mark_forward(gf_net *net, gfi_layer *layer) {
    memcpy(layer->y, layer->x, (size_t)net->batch * layer->out_size * sizeof(gf_real));
}

static void gfi_mark_backward(gf_net *net, gfi_layer *layer) {
    const size_t n = (size_t)net->batch * layer->out_size;
    for (size_t i = 0; i < n; i++) {
        layer->dy[i] += layer->save[i];
        if (layer->dx) layer->dx[i] = layer->dy[i];
        layer->save[i] = 0;  // for the next backward
    }
}

static const gfi_layer_kind gfi_mark = {"mark", gfi_mark_forward, gfi_mark_backward, NULL, NULL};

static void gfi_add_scaled(gf_real *y, double a, const gf_real *x, size_t n) {  // y += a·x
    for (size_t i = 0; i < n; i++) y[i] += (gf_real)a * x[i];
}

// P is a convolution by kernels of 1×1: for images the same P[O,I] at every pixel, for vectors just a matrix.
static void gfi_add_forward(gf_net *net, gfi_layer *layer) {
    const gfi_layer *mark = &net->layers[layer->mark - 1];
    const size_t B = (size_t)net->batch, I = mark->out_size, O = layer->out_size;
    memcpy(layer->y, layer->x, B * O * sizeof(gf_real));
    if (!layer->w) {
        gfi_add_scaled(layer->y, 1, mark->y, B * O);
    } else if (gfi_plane(mark->out) == 1) {  // y += P·h_mark
        const gfi_matrix p = gfi_view(layer->w->value, O, I);
        gfi_matmul(&net->engine, layer->y, gfi_view(mark->y, B, I), gfi_transposed(p), layer->y, O);
    } else {
        gfi_conv_forward(net, layer);
    }
}

// dx = dy, dh_mark += dy or Pᵀ·dy, dP = Σ_b dy_b·h_bᵀ
static void gfi_add_backward(gf_net *net, gfi_layer *layer) {
    const gfi_layer *mark = &net->layers[layer->mark - 1];
    const size_t B = (size_t)net->batch, I = mark->out_size, O = layer->out_size;
    if (layer->dx) memcpy(layer->dx, layer->dy, B * O * sizeof(gf_real));
    if (!layer->w) {
        gfi_add_scaled(mark->save, 1, layer->dy, B * O);
    } else if (gfi_plane(mark->out) == 1) {
        const gfi_matrix dy = gfi_view(layer->dy, B, O), p = gfi_view(layer->w->value, O, I);
        gfi_matmul(&net->engine, layer->w->grad, gfi_transposed(dy), gfi_view(mark->y, B, I), NULL, 0);
        gfi_matmul(&net->engine, mark->save, dy, p, mark->save, I);
    } else {
        gfi_conv_backward(net, layer);
    }
}

static const gfi_layer_kind gfi_add = {"add", gfi_add_forward, gfi_add_backward, NULL, NULL};
static const gfi_layer_kind gfi_add_projection = {"add", gfi_add_forward, gfi_add_backward, NULL, gfi_conv_workspace};

GFDEF int gf_net_mark(gf_net *net) {
    if (!gfi_settable(net, "gf_net_mark")) return 0;
    gfi_layer *layer = gfi_add_layer(net, &gfi_mark, "mark", gfi_current_shape(net));
    if (!layer) return 0;
    layer->save_size = layer->out_size;
    return net->layer_count;
}

// The stride that takes a side of `from` pixels to one of `to`, as a 1×1 convolution does; 0 when there is none.
static int gfi_skip_stride(int from, int to) {
    int stride = 1;
    while (stride < from && (from - 1) / stride + 1 > to) stride++;
    return (from - 1) / stride + 1 == to ? stride : 0;
}

static void gfi_add_skip(gf_net *net, const char *function, int mark, int projected) {
    if (!gfi_settable(net, function)) return;
    if (!gfi_require(net, mark >= 1 && mark <= net->layer_count && net->layers[mark - 1].kind == &gfi_mark,
                     GF_ERROR_ARGUMENT, "%s: %d is no mark of this net; use what gf_net_mark returned", function, mark))
        return;
    const gfi_layer *marked = &net->layers[mark - 1];
    const gf_shape from = marked->out, to = gfi_current_shape(net);
    gf_window window = gfi_window_square(1, 1, 0);
    window.stride_h = gfi_skip_stride(from.height, to.height);
    window.stride_w = gfi_skip_stride(from.width, to.width);
    const int alike = from.height == to.height && from.width == to.width && from.channels == to.channels;
    gfi_require(net, projected ? window.stride_h > 0 && window.stride_w > 0 : alike, GF_ERROR_SHAPE,
                "%s: %s has shape %dx%dx%d, the layer before has %dx%dx%d; %s", function, marked->name, from.channels,
                from.height, from.width, to.channels, to.height, to.width,
                projected ? "heights and widths must agree, or come from it by one stride"
                          : "make them equal or use gf_net_add_projected");
    gfi_layer *layer = gfi_add_layer(net, projected ? &gfi_add_projection : &gfi_add, "add", to);
    if (!layer) return;
    layer->mark = mark;
    layer->window = window;
    const int dims[4] = {to.channels, from.channels, 1, 1};
    if (projected)
        gfi_declare(net, layer, "weight", gfi_plane(from) == 1 ? 2 : 4, dims, 1, layer->weight_init,
                    GFI_STREAM_PROJECTION + 256 * (uint64_t)net->layer_count);
}

GFDEF void gf_net_add_from(gf_net *net, int mark) { gfi_add_skip(net, "gf_net_add_from", mark, 0); }
GFDEF void gf_net_add_projected(gf_net *net, int mark) { gfi_add_skip(net, "gf_net_add_projected", mark, 1); }

// [GF:ACT] Activation functions ---------------------------------------------------------------------------------------
// gfi_act_number is all there is to know: one case an activation, value and slope side by side. It stands on e^x, ln x,
// tanh, arctan and the normal distribution's tail, which come first. The library has its own: libm's differ in their
// last bits from system to system, and φ and φ' can share one exponential. They choose by ?: and do not branch, so that
// in a build of plain loops the compiler can weave them into a loop over an array and work on several z at once.

#if defined(__GNUC__) && !defined(GFI_TUNED)
#define GFI_WOVEN static inline __attribute__((always_inline))
#else
#define GFI_WOVEN static
#endif

// Minimax polynomials (Remez exchange on the relative error), lowest power first. Written for |error| < 0.2 ulp.
// clang-format off
static const double gfi_exp_poly[] = { // (e^r - 1 - r)/r², |r| ≤ ln2/2
    0.49999999999999999986, 0.16666666666666676553, 0.041666666666666701209, 0.0083333333333216477718,
    0.0013888888888866895262, 0.000198412698860857092, 0.000024801587360465164496, 2.7557244249291678032e-6,
    2.7557242825025252336e-7, 2.5109023022363368572e-8, 2.092442581375941209e-9};
static const double gfi_log1p_poly[] = { // (2·atanh(√w)/√w - 2)/w, 0 ≤ w ≤ 1/9
    0.66666666666666677342, 0.39999999999994309408, 0.28571428572467855907, 0.22222222128244917679,
    0.18181823095041893354, 0.15384454577496671538, 0.13336763770208134814, 0.11716383255233387005,
    0.10969786649117275734, 0.07004394328649616788, 0.16451575744145490644};
static const double gfi_atan_poly[] = { // (atan(√w)/√w - 1)/w, 0 ≤ w ≤ 1
    -0.33333333333333297245, 0.19999999999992206708, -0.14285714285136933965, 0.11111111089460524504,
    -0.090909086028137183673, 0.076923003979271570848, -0.066665897257137799208, 0.058817548052016874374,
    -0.052596219174888641035, 0.047456314820906250915, -0.04288454352791180921, 0.038257529394531157063,
    -0.032871571941692049681, 0.026274870992544776671, -0.01875221591685734832, 0.011437266886566431219,
    -0.0056909295382922638257, 0.0021893361958745305281, -0.00060541245348164145595, 0.00010643143804587071028,
    -8.8972337354170205591e-6};
static const double gfi_tail_top[] = { // Q(a)·e^(a²/2) = top(a)/bottom(a), 0 ≤ a ≤ 38.6
    0.5000000000000000005, 0.8276682446294365305, 0.6792100237261044347, 0.3570379370218577568,
    0.1318961204213703136, 0.0356169051835171526, 0.007110498726277987727, 0.00103755675000780725,
    0.0001063113280581049971, 6.955871365590194735e-6, 2.234236096765342587e-7};
static const double gfi_tail_bottom[] = {
    1.0, 2.453221050061738624, 2.815807247533055647, 2.000115998284017572, 0.9792126919479316762, 0.347910549006828017,
    0.09184423940432781048, 0.0180887400457250108, 0.002618204870153312404, 0.0002670430207579878321,
    0.00001743578383971547074, 5.600399372351873563e-7};
// clang-format on
#define GFI_LN2_HIGH 6.93147180369123816490e-01  // 33 bits, so that a whole number times it is exact
#define GFI_LN2_LOW 1.90821492927058770002e-10
#define GFI_POLY(x, table) gfi_poly((x), (table), (int)(sizeof(table) / sizeof *(table)))

GFI_WOVEN double gfi_poly(double x, const double *c, int count) {  // c₀ + c₁x + c₂x² + …, even and odd powers apart
    const double w = x * x;
    double even = 0, odd = 0;
    for (int i = (count - 1) / 2; i >= 0; i--) {
        even = even * w + c[2 * i];
        odd = odd * w + (2 * i + 1 < count ? c[2 * i + 1] : 0);
    }
    return even + x * odd;
}

GFI_WOVEN double gfi_of_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// e^(x + tail) = power·(1 + p) for x ≤ 709 and |tail| ≪ 1; returns p. From -746 down, and for NaN, power is 0.
//     x = n·ln2 + r, |r| ≤ ln2/2      power = 2ⁿ      p = e^r - 1 = r + r²·P(r)
// n is counted from -1076, so that (int), which cuts off the fraction, rounds down. 2ⁿ is made from bits: a double has
// its exponent plus 1023 above 52 bits of mantissa. It is the product of two such numbers, because below 2⁻¹⁰²² there
// are only subnormal numbers, whose bits mean something else.
GFI_WOVEN double gfi_exp_parts(double x, double tail, double *power) {
    x = x > -746 ? x : -746;
    const int above = (int)(x * 1.44269504088896340736 + 1076.5);
    const double n = above - 1076.0, r = x - n * GFI_LN2_HIGH - n * GFI_LN2_LOW + tail;
    const uint64_t bits = (uint32_t)above, half = bits / 2;
    *power = gfi_of_bits((half + 1023 - 538) << 52) * gfi_of_bits((bits - half + 1023 - 538) << 52);
    return r + r * r * GFI_POLY(r, gfi_exp_poly);
}

GFI_WOVEN double gfi_expm1(double x, double *exp) {  // e^x - 1 without cancellation near 0, and e^x; x ≤ 709
    double power;
    const double p = gfi_exp_parts(x, 0, &power);
    *exp = power + power * p;
    return power == 1 ? p : *exp - 1;  // any other power means that e^x is below 0.71 or above 1.41
}

GFI_WOVEN double gfi_exp_below(double x) {  // e^x for x ≤ 709
    double e;
    (void)gfi_expm1(x, &e);
    return e;
}

static double gfi_exp(double x) {
    if (x <= 709) return gfi_exp_below(x);
    if (x <= 710) return gfi_exp_below(0.5 * x) * gfi_exp_below(0.5 * x);
    return x * HUGE_VAL;  // infinity or NaN
}

GFI_WOVEN double gfi_two_artanh(double t) {  // ln((1 + t)/(1 - t)) = 2(t + t³/3 + t⁵/5 + …) for |t| ≤ 1/3
    return 2 * t + t * (t * t) * GFI_POLY(t * t, gfi_log1p_poly);
}

// x = m·2^e with m in [√½, √2), ln x = ln m + e·ln2, ln m = 2·artanh((m - 1)/(m + 1)).
static double gfi_log(double x) {
    if (!(x > 0) || x > DBL_MAX) return x == 0 ? -HUGE_VAL : x > 0 ? x : NAN;
    if (x < DBL_MIN) return gfi_log(x * 18014398509481984.0) - 54 * 0.69314718055994530942;  // subnormal: 2⁵⁴·x is not
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    double m = gfi_of_bits((bits & UINT64_C(0x000FFFFFFFFFFFFF)) | UINT64_C(0x3FF0000000000000));
    const int large = m > 1.4142135623730951, e = (int)(bits >> 52) - 1023 + large;
    if (large) m *= 0.5;
    return e * GFI_LN2_HIGH + (gfi_two_artanh((m - 1) / (m + 1)) + e * GFI_LN2_LOW);
}

typedef struct gfi_pair {  // φ(z) and φ'(z)
    double value, slope;
} gfi_pair;

GFI_WOVEN gfi_pair gfi_pair_of(double value, double slope) {
    const gfi_pair phi = {value, slope};
    return phi;
}

// σ(z) = 1/(1 + e), e = e^-z, and σ' = σ(1 - σ) = σ·eσ without cancellation. From -708 down, both are e^z.
GFI_WOVEN gfi_pair gfi_sigmoid(double z) {
    const double e = gfi_exp_below(z > -708 ? -z : z), s = 1 / (1 + e);
    return gfi_pair_of(z > -708 ? s : e, z > -708 ? s * (e * s) : e);
}

// tanh|z| = (1 - e)/(1 + e), e = e^(-2|z|), and tanh' = 1 - tanh² = 4e/(1 + e)².
GFI_WOVEN gfi_pair gfi_tanh(double z) {
    double e;
    const double minus = gfi_expm1(-2 * fabs(z), &e), sum = 1 + e;
    return gfi_pair_of(copysign(minus / sum, z), 4 * e / (sum * sum));
}

GFI_WOVEN double gfi_atan(double z) {  // beyond 1 by atan a = π/2 - atan(1/a): one polynomial on [0, 1] serves
    const double a = fabs(z), t = (a > 1 ? 1 : a) / (a > 1 ? a : 1), w = t * t;
    const double angle = t + t * w * GFI_POLY(w, gfi_atan_poly);
    return copysign(a > 1 ? 1.57079632679489661923 - angle : angle, z);
}

// Q(a) = 1 - Φ(a), the normal distribution's tail right of a ≥ 0, and its density: e^(-a²/2) times something smooth. An
// error ε of the exponent is a relative error ε of e^…, so a² is taken in two parts, the first of them exact:
// a² = h² + (a - h)(a + h), h = a to 24 bits.
GFI_WOVEN double gfi_normal_tail(double a, double *density) {
    a = a < 40 ? a : 40;  // there, both are 0
    const double h = (double)(float)a;
    double power;
    const double p = gfi_exp_parts(-0.5 * h * h, -0.5 * (a - h) * (a + h), &power), e = power + power * p;
    *density = 0.39894228040143267794 * e;
    return e * (GFI_POLY(a, gfi_tail_top) / GFI_POLY(a, gfi_tail_bottom));
}

GFI_WOVEN double gfi_gated(double z, double gate) { return gate == 0 ? 0 : z * gate; }  // 0 at -∞, where -∞·0 is NaN

#define GFI_SELU_ALPHA 1.6732632423543772848  // Klambauer et al. 2017: mean 0, variance 1 is a fixed point
#define GFI_SELU_SCALE 1.0507009873554804935

// φ(z) and φ'(z), for any z but NaN.
GFI_WOVEN gfi_pair gfi_act_number(gf_act act, double z) {
    const double a = act.param, below = z < 0 ? z : 0, above = z > 0 ? z : 0;
    double e, s, t;
    gfi_pair phi;
    switch (act.kind) {
    case GF_ACT_IDENTITY: return gfi_pair_of(z, 1);
    case GF_ACT_SIGMOID: return gfi_sigmoid(z);
    case GF_ACT_TANH: return gfi_tanh(z);
    case GF_ACT_RELU: return gfi_pair_of(above, z > 0 ? 1 : 0);
    case GF_ACT_LEAKY_RELU:
    case GF_ACT_PRELU: return gfi_pair_of(z > 0 ? z : gfi_gated(z, a), z > 0 ? 1 : a);
    case GF_ACT_ELU: s = gfi_expm1(below, &e); return gfi_pair_of(z > 0 ? z : a * s, z > 0 ? 1 : a * e);
    case GF_ACT_SELU:
        s = gfi_expm1(below, &e);
        t = GFI_SELU_SCALE * GFI_SELU_ALPHA;
        return gfi_pair_of(z > 0 ? GFI_SELU_SCALE * z : t * s, z > 0 ? GFI_SELU_SCALE : t * e);
    case GF_ACT_CELU: s = gfi_expm1(below / a, &e); return gfi_pair_of(z > 0 ? z : a * s, z > 0 ? 1 : e);
    case GF_ACT_SOFTPLUS:  // max(z, 0) + ln(1 + e), ln(1 + e) = 2·artanh(e/(2 + e))
        e = gfi_exp_below(-fabs(z));
        s = (z > 0 ? 1 : e) / (1 + e);  // σ(z)
        return gfi_pair_of(z > 20 ? z : above + gfi_two_artanh(e / (2 + e)), z > 20 ? 1 : s);
    case GF_ACT_SOFTSIGN: t = 1 / (1 + fabs(z)); return gfi_pair_of(t > 0 ? z * t : copysign(1, z), t * t);
    case GF_ACT_ARCTAN: return gfi_pair_of(gfi_atan(z), 1 / (1 + z * z));
    case GF_ACT_GELU:
        t = gfi_normal_tail(fabs(z), &e);  // e = N(z), the density
        s = z < 0 ? t : 1 - t;             // Φ(z)
        return gfi_pair_of(gfi_gated(z, s), s + gfi_gated(z, e));
    case GF_ACT_GELU_TANH:                   // ½z(1 + tanh u) = z·σ(2u)
        t = 2 * 0.79788456080286535588 * z;  // 2√(2/π)·z
        phi = gfi_sigmoid(t * (1 + 0.044715 * z * z));
        return gfi_pair_of(gfi_gated(z, phi.value), phi.value + gfi_gated(t * (1 + 3 * 0.044715 * z * z), phi.slope));
    case GF_ACT_SILU:
        phi = gfi_sigmoid(a * z);
        return gfi_pair_of(gfi_gated(z, phi.value), phi.value + gfi_gated(a * z, phi.slope));
    case GF_ACT_MISH:                        // tanh(ln(1 + E)) = t/(t + 2), t = E² + 2E, E = e^z
        e = gfi_exp_below(z < 40 ? z : 40);  // from there on it is 1
        t = e * (e + 2);
        s = t / (t + 2);
        return gfi_pair_of(gfi_gated(z, s), s + gfi_gated(z < 40 ? z : 40, 4 * e * (e + 1) / ((t + 2) * (t + 2))));
    case GF_ACT_TELU:
        e = gfi_exp_below(z < 10 ? z : 10);  // from there on tanh is 1
        phi = gfi_tanh(e);
        return gfi_pair_of(gfi_gated(z, phi.value), phi.value + gfi_gated(z, e * phi.slope));
    case GF_ACT_HARD_SIGMOID: return gfi_pair_of(z <= -3 ? 0 : z < 3 ? (z + 3) / 6 : 1, fabs(z) < 3 ? 1.0 / 6 : 0);
    case GF_ACT_HARD_TANH: return gfi_pair_of(z <= -1 ? -1 : z < 1 ? z : 1, fabs(z) < 1 ? 1 : 0);
    case GF_ACT_HARD_SWISH:
        return gfi_pair_of(z <= -3 ? 0 : z < 3 ? z * (z + 3) / 6 : z, z <= -3 ? 0 : z < 3 ? z / 3 + 0.5 : 1);
    case GF_ACT_RELU6: return gfi_pair_of(z < 6 ? above : 6, z > 0 && z < 6 ? 1 : 0);
    case GF_ACT_CUSTOM:
        if (act.value && act.derivative) return gfi_pair_of(act.value(z), act.derivative(z));
        break;
    case GF_ACT_COUNT: break;
    }
    gfi_fail(GF_ERROR_ARGUMENT, "gf_act_value: kind %d%s; take one of gf_act_kind or gf_act_custom with two functions",
             (int)act.kind, act.kind == GF_ACT_CUSTOM ? " (custom) lacks a function" : " is no activation");
    return gfi_pair_of(NAN, NAN);
}

GFI_WOVEN double gfi_act_eval(gf_act act, double z, double *slope) {  // the same for any z: NaN gives NaN
    const gfi_pair phi = gfi_act_number(act, z);
    *slope = z == z ? phi.slope : z;
    return z == z ? phi.value : z;
}

GFDEF double gf_act_value(gf_act act, double z) { return z == z ? gfi_act_number(act, z).value : z; }
GFDEF double gf_act_derivative(gf_act act, double z) { return z == z ? gfi_act_number(act, z).slope : z; }

GFI_WOVEN void gfi_act_loop(gf_act_kind kind, gf_act act, const gf_real *z, gf_real *h, gf_real *slope, size_t n) {
    act.kind = kind;
    for (size_t i = 0; i < n; i++) {
        double derivative;
        const double value = gfi_act_eval(act, (double)z[i], &derivative);
        slope[i] = (gf_real)derivative;
        h[i] = (gf_real)value;
    }
}

// One loop serves all kinds. The usual ones have a copy of their own, in which the compiler knows the kind and decides
// the switch once, before the loop. A slope that nobody wants is written to h and overwritten there.
static void gfi_act_each(gf_act act, const gf_real *z, gf_real *h, gf_real *slope, size_t n) {
    gf_real *kept = slope ? slope : h;
    switch (act.kind) {
    case GF_ACT_SIGMOID: gfi_act_loop(GF_ACT_SIGMOID, act, z, h, kept, n); break;
    case GF_ACT_TANH: gfi_act_loop(GF_ACT_TANH, act, z, h, kept, n); break;
    case GF_ACT_RELU: gfi_act_loop(GF_ACT_RELU, act, z, h, kept, n); break;
    case GF_ACT_LEAKY_RELU: gfi_act_loop(GF_ACT_LEAKY_RELU, act, z, h, kept, n); break;
    case GF_ACT_ELU: gfi_act_loop(GF_ACT_ELU, act, z, h, kept, n); break;
    case GF_ACT_SOFTPLUS: gfi_act_loop(GF_ACT_SOFTPLUS, act, z, h, kept, n); break;
    case GF_ACT_SOFTSIGN: gfi_act_loop(GF_ACT_SOFTSIGN, act, z, h, kept, n); break;
    case GF_ACT_ARCTAN: gfi_act_loop(GF_ACT_ARCTAN, act, z, h, kept, n); break;
    case GF_ACT_GELU: gfi_act_loop(GF_ACT_GELU, act, z, h, kept, n); break;
    case GF_ACT_SILU: gfi_act_loop(GF_ACT_SILU, act, z, h, kept, n); break;
    default: gfi_act_loop(act.kind, act, z, h, kept, n);
    }
}

GFDEF void gf_act_forward(gf_act act, const gf_real *z, gf_real *h, size_t n) {
    const gfi_engine engine = gfi_engine_best();
    if (z && h) gfi_act_array(&engine, act, z, h, NULL, n);
}

GFDEF void gf_act_backward(gf_act act, const gf_real *z, const gf_real *dh, gf_real *dz, size_t n) {
    const gfi_engine engine = gfi_engine_best();
    if (z && dh && dz) gfi_act_array_back(&engine, act, z, NULL, dh, dz, n);
}

// --- names and properties ---

typedef struct gfi_act_row {
    const char *name;
    double param;    // the default
    char cheap;      // 1: backward finds φ' again from z instead of keeping it
    char saturated;  // 'z': z ≤ 0; 's': φ outside 0.05..0.95; 'g': gate φ/z below 5 %; 'l': near a limit
    int kink_count;
    double kinks[2];
    const char *formula;
} gfi_act_row;

static const gfi_act_row *gfi_act_row_of(gf_act_kind kind) {  // never NULL
    // clang-format off
    static const gfi_act_row rows[] = {  // in gf_act_kind's order, with the derivative and a source
        {"identity", 0, 1, 'l', 0, {0, 0}, "z"},  // 1; a linear layer, for comparison
        {"sigmoid", 0, 0, 's', 0, {0, 0}, "1/(1 + e^-z)"},  // σ(1 - σ); Rumelhart, Hinton, Williams 1986
        {"tanh", 0, 0, 'l', 0, {0, 0}, "tanh z"},  // 1 - tanh² z; LeCun, Bottou, Orr, Müller 1998
        {"relu", 0, 1, 'z', 1, {0, 0}, "max(0, z)"},  // 1 if z > 0, else 0; Nair, Hinton 2010
        {"leaky_relu", 0.01, 1, 'z', 1, {0, 0}, "z if z > 0, else az"},  // 1 if z > 0, else a; Maas et al. 2013
        {"elu", 1, 0, 'l', 1, {0, 0}, "z if z > 0, else α(e^z - 1)"},  // 1 if z > 0, else αe^z; Clevert et al. 2016
        {"selu", 0, 0, 'l', 1, {0, 0}, "λz if z > 0, else λα(e^z - 1)"},  // λ times elu's; Klambauer et al. 2017
        {"celu", 1, 0, 'l', 1, {0, 0}, "z if z > 0, else α(e^(z/α) - 1)"},  // 1 if z > 0, else e^(z/α); Barron 2017
        {"softplus", 0, 0, 'l', 0, {0, 0}, "ln(1 + e^z); z beyond 20"},  // σ(z); Dugas et al. 2001
        {"softsign", 0, 0, 'l', 1, {0, 0}, "z/(1 + |z|)"},  // 1/(1 + |z|)²; Turian, Bergstra, Bengio 2009
        {"arctan", 0, 0, 'l', 0, {0, 0}, "arctan z"},  // 1/(1 + z²); a sigmoid with slow, polynomial tails
        {"gelu", 0, 0, 'g', 0, {0, 0}, "z·Φ(z)"},  // Φ(z) + z·N(z); Hendrycks, Gimpel 2016
        {"gelu_tanh", 0, 0, 'g', 0, {0, 0}, "½z(1 + tanh u), u = √(2/π)(z + 0.044715z³)"},  // the same by tanh
        {"silu", 1, 0, 'g', 0, {0, 0}, "z·σ(βz)"},  // σ(βz) + βz·σ(βz)(1 - σ(βz)); Ramachandran et al. 2017 (swish)
        {"mish", 0, 0, 'g', 0, {0, 0}, "z·tanh(s), s = ln(1 + e^z)"},  // tanh s + z(1 - tanh² s)σ(z); Misra 2019
        {"telu", 0, 0, 'g', 0, {0, 0}, "z·tanh(e^z)"},  // tanh(e^z) + z·e^z(1 - tanh²(e^z)); Fernandez, Mali 2024
        {"hard_sigmoid", 0, 1, 's', 2, {-3, 3}, "min(max(0, z + 3), 6)/6"},  // 1/6 if |z| < 3; Howard et al. 2019
        {"hard_tanh", 0, 1, 'l', 2, {-1, 1}, "min(max(-1, z), 1)"},  // 1 if |z| < 1, else 0; Collobert 2004
        {"hard_swish", 0, 1, 'g', 2, {-3, 3}, "z·min(max(0, z + 3), 6)/6"},  // z/3 + ½ if |z| < 3; Howard et al. 2019
        {"relu6", 0, 1, 'z', 2, {0, 6}, "min(max(0, z), 6)"},  // 1 if 0 < z < 6, else 0; Krizhevsky 2010
        {"prelu", 0.25, 1, 'z', 1, {0, 0}, "z if z > 0, else az, a learned"},  // 1 if z > 0, else a; He et al. 2015
        {"custom", 0, 0, 'l', 0, {0, 0}, "your function"},
        {"?", 0, 0, 'l', 0, {0, 0}, ""}};
    // clang-format on
    return &rows[(int)kind >= 0 && kind < GF_ACT_COUNT ? kind : GF_ACT_COUNT];
}

static int gfi_act_stores_slope(gf_act_kind kind) { return !gfi_act_row_of(kind)->cheap; }

GFDEF gf_act gf_act_default(gf_act_kind kind) {
    const gf_act act = {kind, gfi_act_row_of(kind)->param, NULL, NULL, gfi_act_row_of(kind)->name};
    return act;
}

GFDEF gf_act gf_act_custom(const char *name, double (*value)(double z), double (*derivative)(double z)) {
    const gf_act act = {GF_ACT_CUSTOM, 0, value, derivative, name ? name : "custom"};
    return act;
}

static int gfi_act_side(const gfi_act_row *row, double x) {  // how many of φ's kinks lie below x
    int side = 0;
    for (int k = 0; k < row->kink_count; k++) side += x > row->kinks[k];
    return side;
}

// For the gradient check: a hash of the sides of kinks that the batch is on.
static uint64_t gfi_act_branch(gf_net *net, gfi_layer *layer) {
    const gfi_act_row *row = gfi_act_row_of(layer->act.kind);
    uint64_t hash = 0;
    for (size_t i = 0; i < (size_t)net->batch * layer->out_size; i++)
        hash = gfi_branch_mix(hash, (uint64_t)gfi_act_side(row, (double)layer->x[i]));
    return hash;
}

// A plain decimal such as "0.5" or "-2"; the whole text must be one. Independent of the locale, unlike strtod.
static int gfi_parse_decimal(const char *text, double *out) {
    const char *first = text + (*text == '-'), *at = first;
    double value = 0, unit = 1;
    for (; *at >= '0' && *at <= '9'; at++) value = 10 * value + (*at - '0');
    for (at += *at == '.'; *at >= '0' && *at <= '9'; at++, unit *= 10) value = 10 * value + (*at - '0');
    *out = (*text == '-' ? -value : value) / unit;
    return *at == '\0' && at[-1] != '.' && at > first && value <= DBL_MAX;
}

static char gfi_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

GFDEF int gf_act_from_name(const char *name, gf_act *out) {
    if (!name || !out) {
        gfi_fail(GF_ERROR_ARGUMENT, "gf_act_from_name: %s is NULL", name ? "out" : "name");
        return 0;
    }
    const char *tail = strrchr(name, '_');
    double param = 0;
    const int has_param = tail && gfi_parse_decimal(tail + 1, &param);
    const size_t length = has_param ? (size_t)(tail - name) : strlen(name);
    char names[320];
    int used = 0;
    for (int i = 0; i <= (int)GF_ACT_CUSTOM; i++) {
        const int is_alias = i == (int)GF_ACT_CUSTOM;
        const char *known = is_alias ? "swish" : gfi_act_row_of((gf_act_kind)i)->name;
        if (!is_alias) used += gfi_print(names + used, sizeof names - (size_t)used, " %s", known);
        size_t same = 0;  // letters of either case: PyTorch says ReLU
        while (same < length && known[same] != '\0' && gfi_lower(name[same]) == known[same]) same++;
        if (same < length || known[length] != '\0') continue;
        *out = gf_act_default(is_alias ? GF_ACT_SILU : (gf_act_kind)i);
        if (has_param) out->param = param;
        return 1;
    }
    gfi_fail(GF_ERROR_NOT_FOUND,
             "gf_act_from_name: no \"%.40s\"; there are%s, with a parameter like leaky_relu_0.2 (softmax is part of "
             "gf_loss_cross_entropy)",
             name, names);
    return 0;
}

static int gfi_act_saturated(gf_act act, double z) {  // the rules beside gf_act_info's saturated_below
    const double h = gf_act_value(act, z), start = gf_act_value(act, 0);
    const double limit = gf_act_value(act, z < 0 ? -HUGE_VAL : HUGE_VAL);
    switch (gfi_act_row_of(act.kind)->saturated) {
    case 's': return h < 0.05 || h > 0.95;
    case 'g': return z < 0 ? h > 0.05 * z : h < 0.05 * z;
    case 'z':
        if (z <= 0) return 1;
    }
    return fabs(limit) < HUGE_VAL && fabs(h - start) > 0.95 * fabs(limit - start);
}

// The z at which gfi_act_saturated turns true on one side (-1: left, +1: right); that side's infinity if it never does.
static double gfi_act_threshold(gf_act act, double side) {
    double out = side * 1e6, in = 1;
    if (!gfi_act_saturated(act, out)) return side * HUGE_VAL;
    for (int i = 0; i < 40 && gfi_act_saturated(act, in); i++) in *= -0.5;  // 1, -1/2, 1/4, …: some z that is not
    if (gfi_act_saturated(act, in)) return 0;                               // a step: saturated everywhere
    for (int i = 0; i < 100; i++) {
        const double middle = 0.5 * (in + out);
        if (gfi_act_saturated(act, middle)) out = middle;
        else in = middle;
    }
    return fabs(out) < 1e-12 ? 0 : out;
}

static double gfi_act_search(gf_act act, double z, int what) {  // what is to be made large: 0: φ, 1: -φ, 2: |φ'|
    return what == 0 ? gf_act_value(act, z) : what == 1 ? -gf_act_value(act, z) : fabs(gf_act_derivative(act, z));
}

// The maximum of gfi_act_search over [-30, 30]: the best of a grid, nearest to 0 first, then ever finer steps.
static double gfi_act_maximum(gf_act act, int what, double *at) {
    const double step = 1.0 / 64;
    *at = 0;
    for (int i = 1; i <= 1920; i++) {
        if (gfi_act_search(act, i * step, what) > gfi_act_search(act, *at, what)) *at = i * step;
        if (gfi_act_search(act, -i * step, what) > gfi_act_search(act, *at, what)) *at = -i * step;
    }
    for (double finer = step / 2; finer > 1e-10; finer /= 2)
        for (int side = -1; side <= 1; side += 2)
            if (gfi_act_search(act, *at + side * finer, what) > gfi_act_search(act, *at, what)) *at += side * finer;
    return gfi_act_search(act, *at, what);
}

GFDEF gf_act_info gf_act_describe(gf_act act) {
    const gfi_act_row *row = gfi_act_row_of(act.kind);
    const double left = gf_act_value(act, -HUGE_VAL), right = gf_act_value(act, HUGE_VAL);
    double at;
    gf_act_info info;
    info.name = act.kind == GF_ACT_CUSTOM && act.name ? act.name : row->name;
    info.formula = row->formula;
    info.kink_count = row->kink_count;
    memcpy(info.kinks, row->kinks, sizeof info.kinks);
    info.lower = fmin(-gfi_act_maximum(act, 1, &at), fmin(left, right));
    info.upper = fmax(gfi_act_maximum(act, 0, &at), fmax(left, right));
    info.slope_max = gfi_act_maximum(act, 2, &info.slope_max_at);
    info.smooth = info.monotone = info.zero_centred = 1;
    for (int k = 0; k < row->kink_count; k++) {
        const double before = gf_act_derivative(act, row->kinks[k] - 1e-9);
        if (!(fabs(gf_act_derivative(act, row->kinks[k] + 1e-9) - before) < 1e-6)) info.smooth = 0;
    }
    for (int i = -1920; i <= 1920; i++) {
        const double z = i / 64.0, h = gf_act_value(act, z);
        if (!(gf_act_derivative(act, z) >= 0)) info.monotone = 0;
        if (!(fabs(gf_act_value(act, -z) + h) <= 1e-12 * (1 + fabs(h)))) info.zero_centred = 0;
    }
    info.saturates_left = fabs(left) < HUGE_VAL;
    info.saturates_right = fabs(right) < HUGE_VAL;
    info.saturated_below = gfi_act_threshold(act, -1);
    info.saturated_above = gfi_act_threshold(act, 1);
    return info;
}

// [GF:PROBE] Instruments: where do gradients go? ----------------------------------------------------------------------
// First the measures of any array (norms, percentiles, histograms), then the search for the first NaN, then
// gf_net_measure, which takes every instrument at every affine layer, and the verdict. The idea of it all is
// gfi_measure_decay:
//     ln(‖δ_l‖/‖δ_{l+1}‖) = what Wᵀ of layer l+1 did + what φ' did + the rest
// telescopes over the norms of the gradient before and after each layer in between.
// A net knows nothing of instruments: those that must be there while it works are called through the net's hooks.

typedef struct gfi_sums {
    double sum, sum_abs, sum_squares, max_abs;  // NaN or infinity where x has them
    size_t zeros, nonfinite;
} gfi_sums;

// One pass over x[n]: every sum that gf_stats needs.
static void gfi_sums_of(const gfi_engine *engine, const gf_real *x, size_t n, gfi_sums *out) {
    GFI_HAND_OVER(engine->fast, sums(engine, x, n, out));
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        double value = (double)x[i], size = fabs(value);
        out->sum += value;
        out->sum_abs += size;
        out->sum_squares += value * value;
        if (size > out->max_abs || size != size) out->max_abs = size;  // a NaN stays: nothing is larger
        if (value == 0) out->zeros++;
        if (!(size <= DBL_MAX)) out->nonfinite++;
    }
}

static gf_stats gfi_stats_by(const gfi_engine *engine, const gf_real *x, size_t n) {
    const double N = (double)n;
    gfi_sums sums;
    gfi_sums_of(engine, x, n, &sums);
    const gf_stats stats = {n, sums.nonfinite, sqrt(sums.sum_squares), sqrt(sums.sum_squares / N), sums.sum / N,
                            sums.sum_abs / N, sums.max_abs, (double)sums.zeros / N};
    return stats;
}

static double gfi_std(gf_stats s) { return sqrt(fmax(0, s.rms * s.rms - s.mean * s.mean)); }

GFDEF gf_stats gf_stats_of(const gf_real *x, size_t n) {
    const gf_stats none = {0, 0, NAN, NAN, NAN, NAN, NAN, NAN};
    const gfi_engine engine = gfi_engine_best();
    return x && n > 0 ? gfi_stats_by(&engine, x, n) : none;
}

// 12 bits of x ≥ 0, from bit `shift` on. The order of such numbers is the order of their bits.
static size_t gfi_digit(gf_real x, int shift) {
    uint32_t half = 0;
    uint64_t whole = 0;
    if (sizeof x == sizeof half) memcpy(&half, &x, sizeof half);
    else memcpy(&whole, &x, sizeof x);
    return (size_t)((whole | half) >> shift) & 4095;
}

static int gfi_all_alike(const gf_real *x, size_t n) {
    size_t i = 1;
    while (i < n && x[i] == x[0]) i++;
    return i >= n;
}

// The number of rank k, from 0, among x[0..n) ≥ 0, and of the next rank. A sort by digits, the leading one first, that
// goes on only with the numbers that share the wanted one's digits; after one pass they are few. Reorders x.
static gf_real gfi_at_rank(gf_real *x, size_t n, size_t k, gf_real *next) {
    uint32_t count[4096];
    *next = INFINITY;
    for (int shift = 8 * (int)sizeof(gf_real) - 12; !gfi_all_alike(x, n); shift = shift > 12 ? shift - 12 : 0) {
        size_t digit = 0, kept = 0;
        memset(count, 0, sizeof count);
        for (size_t i = 0; i < n; i++) count[gfi_digit(x[i], shift)]++;
        for (; count[digit] <= k; digit++) k -= count[digit];
        for (size_t i = 0; i < n && k + 1 == count[digit]; i++)  // the next rank does not share them
            if (gfi_digit(x[i], shift) > digit && x[i] < *next) *next = x[i];
        for (size_t i = 0; i < n; i++) {
            const gf_real value = x[i];
            x[i] = x[kept];
            x[kept] = value;
            kept += gfi_digit(value, shift) == digit;
        }
        n = kept;
    }
    if (k + 1 < n) *next = x[0];
    return x[0];
}

// Percentile p of x[0..n) ≥ 0, n > 0, no NaN. Between two ranks it is linear, NumPy's default. Reorders x.
static double gfi_percentile(gf_real *x, size_t n, double p) {
    const double rank = p / 100 * (double)(n - 1), between = rank - floor(rank);
    gf_real next;
    const double found = (double)gfi_at_rank(x, n, (size_t)rank, &next);
    return between > 0 ? found + between * ((double)next - found) : found;
}

GFDEF double gf_percentile_abs(const gf_real *x, size_t n, double p, gf_real *scratch) {
    if (!x || !scratch || n == 0 || !(p >= 0 && p <= 100))
        return gfi_nan(gfi_fail(GF_ERROR_ARGUMENT, "gf_percentile_abs: x is %s, scratch %s, n %zu, p %g; needs two "
                                "arrays of at least 1 element and p from 0 to 100", gfi_given(x), gfi_given(scratch), n, p));
    for (size_t i = 0; i < n; i++) {
        if (x[i] != x[i]) return NAN;
        scratch[i] = (gf_real)fabs((double)x[i]);
    }
    return gfi_percentile(scratch, n, p);
}

GFDEF gf_status gf_histogram_add(gf_histogram *h, const gf_real *x, size_t n) {
    if (!h) return gfi_fail(GF_ERROR_ARGUMENT, "gf_histogram_add: histogram is NULL; pass a gf_histogram");
    if (!h->count || h->high <= h->low || h->per_decade < 1 || (!x && n > 0) ||
        (double)h->bins != 2 * ((double)h->high - h->low) * h->per_decade + 1)
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_histogram_add: x is %s, count %s, low %d, high %d, per_decade %d, bins "
                        "%zu; needs data, count[bins], low < high, bins = 2·(high - low)·per_decade + 1",
                        gfi_given(x), gfi_given(h->count), h->low, h->high, h->per_decade, h->bins);
    const size_t middle = h->bins / 2;
    for (size_t i = 0; i < n; i++) {
        const double size = fabs((double)x[i]);
        h->nan_count += size != size;
        h->inf_count += size > DBL_MAX;
        if (!(size <= DBL_MAX)) continue;
        const double position = size > 0 ? (log10(size) - h->low) * h->per_decade : -1;
        const size_t bin = position < 0 ? 0 : position >= (double)middle ? middle : 1 + (size_t)position;
        h->count[x[i] < 0 ? middle - bin : middle + bin]++;
    }
    return GF_OK;
}

static int gfi_has_nonfinite(const gf_net *net, const gf_real *x, size_t n) {
    gfi_sums sums;
    gfi_sums_of(&net->engine, x, n, &sums);
    return sums.nonfinite != 0;
}

// Has this layer made a NaN or infinity, on its way forward or backward?
static int gfi_is_broken(const gf_net *net, const gfi_layer *layer, int backward) {
    const size_t batch = (size_t)net->batch;
    if (!backward) return gfi_has_nonfinite(net, layer->y, batch * layer->out_size);
    int broken = layer->dx && gfi_has_nonfinite(net, layer->dx, batch * layer->in_size);
    if (net->shares_dy && layer > net->layers) broken = !(layer[-1].squares <= DBL_MAX);
    for (int t = layer->first_tensor; t < layer->first_tensor + layer->tensor_count && !broken; t++) {
        const gf_tensor *tensor = &net->tensors[t].view;
        broken = tensor->grad && gfi_has_nonfinite(net, tensor->grad, tensor->size);
    }
    return broken;
}

// Who made the first NaN? Forward first, from the input on, then backward, from the loss on. The first finding stays.
static void gfi_find_nonfinite(gf_net *net) {
    if (net->nonfinite.found) return;
    const gfi_layer *first = net->layers, *last = gfi_output(net), *layer;
    const char *name = gfi_has_nonfinite(net, first->x, (size_t)net->batch * first->in_size) ? "input" : NULL;
    for (layer = first; layer <= last && !name; layer++)
        if (gfi_is_broken(net, layer, 0)) name = layer->name;
    const int backward = !name && net->phase >= GFI_BACKWARDED;
    if (backward && net->shares_dy ? !(last->squares <= DBL_MAX)
                                   : backward && gfi_has_nonfinite(net, last->dy, (size_t)net->batch * last->out_size))
        name = "loss";
    for (layer = last; layer >= first && !name && backward; layer--)
        if (gfi_is_broken(net, layer, 1)) name = layer->name;
    const gf_nonfinite found = {1, net->step, name ? name : "loss", backward};
    net->nonfinite = found;
}

#define GFI_FIELD(field) {#field, offsetof(gf_layer_probe, field)}
#define GFI_STATS_FIELDS(stats)                                                                             \
    GFI_FIELD(stats.l2), GFI_FIELD(stats.rms), GFI_FIELD(stats.mean), GFI_FIELD(stats.mean_abs),            \
        GFI_FIELD(stats.max_abs), GFI_FIELD(stats.zero_share)
static const struct {
    const char *name;
    size_t offset;
} gfi_probe_fields[] = {
    GFI_STATS_FIELDS(dw), GFI_STATS_FIELDS(db), GFI_STATS_FIELDS(delta), GFI_FIELD(update_ratio),
    GFI_FIELD(adam_starved), GFI_FIELD(noise_trace), GFI_FIELD(noise_scale), GFI_FIELD(decay), GFI_FIELD(decay_weight),
    GFI_FIELD(decay_slope), GFI_FIELD(decay_rest), GFI_FIELD(z_mean), GFI_FIELD(z_std), GFI_FIELD(q),
    GFI_FIELD(z_abs_mean), GFI_FIELD(z_abs_p90), GFI_FIELD(z_near_zero), GFI_FIELD(h_mean), GFI_FIELD(h_std),
    GFI_FIELD(dphi_mean), GFI_FIELD(dphi_square), GFI_FIELD(dphi_p10), GFI_FIELD(dphi_p01), GFI_FIELD(dphi_log),
    GFI_FIELD(dphi_small), GFI_FIELD(limit_share), GFI_FIELD(flat_share), GFI_FIELD(dead_share)};
enum { GFI_PROBE_FIELD_COUNT = sizeof gfi_probe_fields / sizeof gfi_probe_fields[0] };

GFDEF const char *gf_probe_field(const gf_layer_probe *probe, int i, double *value) {
    if (i < 0 || i >= GFI_PROBE_FIELD_COUNT) return NULL;
    if (probe && value) memcpy(value, (const char *)probe + gfi_probe_fields[i].offset, sizeof *value);
    return gfi_probe_fields[i].name;
}

// Nothing measured yet: NaN, not a zero that could be taken for a result. dead_share stays: gf_net_evaluate takes it.
static void gfi_probe_clear(gf_layer_probe *probe, const char *name) {
    const double nothing = NAN, dead_share = probe->dead_share;
    memset(probe, 0, sizeof *probe);
    for (int i = 0; i < GFI_PROBE_FIELD_COUNT; i++)
        memcpy((char *)probe + gfi_probe_fields[i].offset, &nothing, sizeof nothing);
    probe->name = name;
    probe->dead_share = dead_share;
}

// Affine layer l, from 1; behind the last one the end of the net.
static gfi_layer *gfi_affine(const gf_net *net, int l) {
    gfi_layer *layer = net->layers, *end = layer + net->layer_count;
    while (layer < end && layer->ordinal != l) layer++;
    return layer;
}

// The activation between affine layer l and the next; NULL where there is none (mostly behind the output layer).
static gfi_layer *gfi_activation_behind(const gf_net *net, int l) {
    gfi_layer *next = gfi_affine(net, l + 1);
    for (gfi_layer *layer = gfi_affine(net, l) + 1; layer < next; layer++)
        if (layer->kind == &gfi_activation) return layer;
    return NULL;
}

static gfi_case *gfi_case_take(gf_net *net, gfi_arena *arena, int snapshot);  // memory for what follows, [GF:DOCTOR]
static void gfi_case_look(gf_net *net, gfi_case *c);                          // what else a backward shows

// What instruments need of the net's memory; returns the gf_reals that they work in beside that, in net->scratch.
static size_t gfi_probe_lay_out(gf_net *net, gfi_arena *arena) {
    size_t most = 0;
    net->unit_count = 0;
    for (int i = 0; i < net->layer_count; i++) {
        most = gfi_max_size(most, (size_t)net->max_batch * net->layers[i].out_size);
        if (net->layers[i].ordinal > 0) net->unit_count += (size_t)net->layers[i].out.channels;
    }
    net->probes = (gf_layer_probe *)gfi_take(arena, (size_t)net->affine_count, sizeof *net->probes);
    net->alive = (unsigned char *)gfi_take(arena, net->unit_count, 1);
    net->seen = gfi_case_take(net, arena, 1);
    return most;
}

// Σ dy² of a layer, summed once after each backward, by whoever asks first.
static double gfi_layer_squares(const gf_net *net, gfi_layer *layer) {
    if (layer->squares < 0)
        layer->squares = gfi_sum_squares(&net->engine, layer->dy, (size_t)net->batch * layer->out_size);
    return layer->squares;
}

// After each layer's backward. A mark's dy is about to receive the share of its skip: what came from the layer above is
// noted first, so that a decay can tell the two apart. Norms are taken in passing where they were asked for.
static void gfi_probe_passing(gf_net *net, gfi_layer *layer) {
    if (layer > net->layers && layer[-1].kind == &gfi_mark)
        layer[-1].squares = gfi_sum_squares(&net->engine, layer->dx, (size_t)net->batch * layer->in_size);
    if (!(net->probe & GF_PROBE_NORMS)) return;
    gfi_layer_squares(net, layer);
    for (int t = 0; t < layer->tensor_count; t++) gfi_tensor_squares(net, &net->tensors[layer->first_tensor + t]);
}

// gf_net_build calls this last in a net with probes.
static void gfi_probe_attach(gf_net *net) {
    for (int i = 0; i < net->layer_count; i++)
        if (net->layers[i].kind == &gfi_activation) net->layers[i].act_info = gf_act_describe(net->layers[i].act);
    for (int l = 1; l <= net->affine_count; l++) {
        net->probes[l - 1].dead_share = NAN;
        gfi_probe_clear(&net->probes[l - 1], gfi_affine(net, l)->name);
    }
    if (net->probe & (GF_PROBE_GRADIENTS | GF_PROBE_NORMS)) net->after_backward = gfi_probe_passing;
}

GFDEF void gf_net_set_probe(gf_net *net, unsigned what) {
    if (!gfi_settable(net, "gf_net_set_probe")) return;
    if (what & ~(unsigned)(GF_PROBE_ALL | GF_PROBE_NORMS))
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_set_probe: 0x%x has unknown bits; use GF_PROBE_…", what);
    else net->probe = what;
}

GFDEF const gf_layer_probe *gf_net_probe(const gf_net *net, int l) {
    if (net && net->probes && l >= 1 && l <= net->affine_count) return &net->probes[l - 1];
    gfi_fail(GF_ERROR_NOT_FOUND,
             "gf_net_probe: layer %d of a net %s probes; layers are 1 to %d, probes are declared with "
             "gf_net_set_probe before gf_net_build",
             l, net && net->probes ? "with" : "without", net ? net->affine_count : 0);
    return NULL;
}

// Statistics of a gradient, Σ x² being known: with GF_PROBE_NORMS alone only its norm, unless that is not finite.
static gf_stats gfi_measure_gradient(const gf_net *net, const gf_real *x, size_t n, double squares) {
    gf_stats stats = {n, 0, NAN, NAN, NAN, NAN, NAN, NAN};
    if (!x) stats.nonfinite = (size_t)!(squares <= DBL_MAX);
    else if ((net->probe & GF_PROBE_GRADIENTS) || !(squares <= DBL_MAX)) stats = gfi_stats_by(&net->engine, x, n);
    stats.l2 = sqrt(squares);
    stats.rms = sqrt(squares / (double)n);
    return stats;
}

// ln(‖δ_l‖/‖δ_{l+1}‖) as the sum of what each layer, from l+1 down to l, did to the norm of the gradient on its way.
static void gfi_measure_decay(gf_net *net, int l, gf_layer_probe *probe) {
    probe->decay_weight = probe->decay_slope = probe->decay_rest = 0;
    for (gfi_layer *layer = gfi_affine(net, l + 1), *end = gfi_affine(net, l); layer > end; layer--) {
        const double before = gfi_layer_squares(net, layer), after = gfi_layer_squares(net, layer - 1);
        const double part = log(sqrt(after) / sqrt(before));
        if (layer->ordinal > 0) probe->decay_weight += part;
        else if (layer->kind == &gfi_activation) probe->decay_slope += part;
        else probe->decay_rest += part;
    }
    probe->decay = probe->decay_weight + probe->decay_slope + probe->decay_rest;
}

// ∇W, ∇b and δ of affine layer l.
static void gfi_measure_gradients(gf_net *net, int l, gf_layer_probe *probe) {
    gfi_layer *layer = gfi_affine(net, l);
    gfi_tensor *w = &net->tensors[layer->first_tensor], *b = w + 1;
    const size_t n = (size_t)net->batch * layer->out_size;
    probe->dw = gfi_measure_gradient(net, w->view.grad, w->view.size, gfi_tensor_squares(net, w));
    if (layer->b) probe->db = gfi_measure_gradient(net, b->view.grad, b->view.size, gfi_tensor_squares(net, b));
    probe->delta = gfi_measure_gradient(net, net->shares_dy ? NULL : layer->dy, n, gfi_layer_squares(net, layer));
    if (l < net->affine_count) gfi_measure_decay(net, l, probe);
    if (probe->delta.nonfinite || probe->dw.nonfinite) gfi_find_nonfinite(net);
}

// Σ_n ‖g_n - G‖² = Σ_n ‖g_n‖² - B·‖G‖² with G = mean g_n = ∇W; ‖E g‖² is estimated without bias as ‖G‖² - tr Σ/B.
static void gfi_measure_noise(gf_net *net, gfi_layer *layer, gf_layer_probe *probe) {
    double B = (double)net->batch, sum = 0;
    double squares = gfi_tensor_squares(net, &net->tensors[layer->first_tensor]);
    if (net->batch < 2) return;
    for (size_t n = 0; n < (size_t)net->batch; n++)
        sum += B * B * gfi_sum_squares(&net->engine, layer->dy + n * layer->out_size, layer->out_size) *
               gfi_sum_squares(&net->engine, layer->x + n * layer->in_size, layer->in_size);
    probe->noise_trace = fmax(0, sum - B * squares) / (B - 1);
    double signal = squares - probe->noise_trace / B;
    probe->noise_scale = signal > 0 ? probe->noise_trace / signal : INFINITY;
}

// Means of |φ'|, shares of it and of z, and the mean of ln(|φ'| + 1e-12). A logarithm is dear, so 16 factors share one:
// their product, at least 1e-192, is still a double.
static void gfi_measure_slope(const gfi_layer *act, const gf_real *slope, size_t n, gf_layer_probe *probe) {
    const double below = act->act_info.saturated_below, above = act->act_info.saturated_above;
    const double flat_below = 0.01 * (1 - 1e-6) * act->act_info.slope_max;  // 0.01f does not count as below 0.01
    size_t near_zero = 0, small = 0, limit = 0, flat = 0;
    double logs = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < n;) {
        const size_t end = i + 16 < n ? i + 16 : n;
        double product = 1;
        for (; i < end; i++) {
            const double d = (double)slope[i], z = (double)act->x[i];
            product *= d + 1e-12;
            sum += d;
            squares += d * d;
            small += d < 1e-3;
            flat += d < flat_below;
            near_zero += fabs(z) <= 0.1;
            limit += (size_t)((z <= below) | (z >= above));
        }
        logs += log(product);
    }
    probe->dphi_mean = sum / (double)n;
    probe->dphi_square = squares / (double)n;
    probe->dphi_log = logs / (double)n;
    probe->dphi_small = (double)small / (double)n;
    probe->flat_share = (double)flat / (double)n;
    probe->z_near_zero = (double)near_zero / (double)n;
    probe->limit_share = (double)limit / (double)n;
}

enum { GFI_PROBE_BRIEF = 64 };  // without percentiles, which the doctor does not read and which are dear

// Statistics of an activation's input z, of its output h and of its slope |φ'(z)|.
static void gfi_measure_signal(gf_net *net, gfi_layer *act, gf_layer_probe *probe) {
    const size_t n = (size_t)net->batch * act->out_size;
    const gf_stats z = gfi_stats_by(&net->engine, act->x, n), h = gfi_stats_by(&net->engine, act->y, n);
    gf_real *slope = net->scratch;
    probe->z_mean = z.mean;
    probe->z_std = gfi_std(z);
    probe->q = z.rms * z.rms;
    probe->z_abs_mean = z.mean_abs;
    if (!(net->probe & GFI_PROBE_BRIEF)) probe->z_abs_p90 = gf_percentile_abs(act->x, n, 90, net->scratch);
    probe->h_mean = h.mean;
    probe->h_std = gfi_std(h);
    for (size_t i = 0; i < n; i++) slope[i] = 1;  // φ' is what backward makes of a gradient of 1
    gfi_act_array_back(&net->engine, gfi_layer_act(act), act->x, act->saved ? act->save : NULL, slope, slope, n);
    for (size_t i = 0; i < n; i++) slope[i] = (gf_real)fabs((double)slope[i]);
    gfi_measure_slope(act, slope, n, probe);
    if (probe->dphi_mean != probe->dphi_mean || (net->probe & GFI_PROBE_BRIEF)) return;  // NaN has no rank
    probe->dphi_p10 = gfi_percentile(slope, n, 10);
    probe->dphi_p01 = probe->dphi_p10 > 0 ? gfi_percentile(slope, n, 1) : 0;
}

// The v at which √v̂ = √(v/(1 - β2^t)) is ε.
static double gfi_adam_floor(const gf_optim *optim) {
    return optim->config.eps * optim->config.eps * (1 - gfi_power(optim->config.beta2, optim->step));
}

// Share of a tensor's elements whose √v̂ lies below ε; NaN for an optimiser that is not Adam.
static double gfi_adam_starved(const gf_optim *optim, const gf_tensor *tensor) {
    const gf_optim_config *config = &optim->config;
    if (config->kind != GF_ADAM && config->kind != GF_ADAMW) return NAN;
    const double limit = gfi_adam_floor(optim);
    size_t below = 0;
    for (size_t i = 0; i < tensor->size; i++) below += (double)optim->v[tensor->offset + i] < limit;
    return (double)below / (double)tensor->size;
}

// One step of the optimiser, tensor by tensor, and std(ΔW)/std(W) of every affine layer's weight.
static void gfi_update_measured(gf_net *net, gf_optim *optim) {
    net->around_update = NULL;
    for (int i = 0; i < net->layer_count; i++) {
        const gfi_layer *layer = &net->layers[i];
        for (int t = layer->first_tensor; t < layer->first_tensor + layer->tensor_count; t++) {
            const gf_tensor *view = &net->tensors[t].view;
            const int measured = layer->ordinal > 0 && view == layer->w;
            if (measured) memcpy(net->scratch, view->value, view->size * sizeof(gf_real));
            if (view->grad && !view->frozen) gfi_update_range(net, optim, view->offset, view->size);
            if (!measured) continue;
            gf_layer_probe *probe = &net->probes[layer->ordinal - 1];
            const double before = gfi_std(gfi_stats_by(&net->engine, net->scratch, view->size));
            gfi_add_scaled(net->scratch, -1, view->value, view->size);
            probe->update_ratio = gfi_std(gfi_stats_by(&net->engine, net->scratch, view->size)) / before;
            probe->adam_starved = gfi_adam_starved(optim, view);
        }
    }
}

GFDEF gf_status gf_net_measure(gf_net *net) {
    if (!gfi_ready(net, GFI_BACKWARDED, "gf_net_measure")) return gf_net_status(net);
    if (!gfi_require(net, !net->spent, GF_ERROR_ORDER, "gf_net_measure: came after %s; call it between gf_net_backward "
                     "and that, for the gradient as it was", net->spent == GFI_CLIPPED ? "gf_net_clip_grad_norm"
                                                                                       : "gf_optim_step"))
        return net->status;
    if (!net->probe)
        return gfi_net_fail(net, GF_ERROR_ORDER,
                            "gf_net_measure: no instruments; use gf_net_set_probe before gf_net_build");
    for (int l = 1; l <= net->affine_count; l++) {
        gfi_layer *layer = gfi_affine(net, l), *act = gfi_activation_behind(net, l);
        gf_layer_probe *probe = &net->probes[l - 1];
        gfi_probe_clear(probe, layer->name);
        if (net->probe & (GF_PROBE_GRADIENTS | GF_PROBE_NORMS)) gfi_measure_gradients(net, l, probe);
        if ((net->probe & GF_PROBE_SIGNALS) && act) gfi_measure_signal(net, act, probe);
        if ((net->probe & GF_PROBE_NOISE) && layer->kind == &gfi_dense) gfi_measure_noise(net, layer, probe);
    }
    if (net->probe & GF_PROBE_UPDATES) net->around_update = gfi_update_measured;
    if ((net->probe & GF_PROBE_GRADIENTS) && (net->probe & GF_PROBE_SIGNALS)) gfi_case_look(net, net->seen);
    return GF_OK;
}

// gf_net_evaluate counts dead units over all its batches: mark every unit (channel) with z > 0 in this one.
static void gfi_dead_count(gf_net *net) {
    unsigned char *alive = net->alive;
    for (int l = 1; l <= net->affine_count; l++) {
        const gfi_layer *act = gfi_activation_behind(net, l);
        const size_t units = (size_t)gfi_affine(net, l)->out.channels, plane = act ? act->out_size / units : 0;
        for (size_t row = 0; act && row < (size_t)net->batch * units; row++)  // one unit of one sample
            for (size_t s = 0; s < plane && !alive[row % units]; s++)
                if (!(act->x[row * plane + s] <= 0)) alive[row % units] = 1;
        alive += units;
    }
}

static void gfi_dead_begin(gf_net *net) {
    if (!(net->probe & GF_PROBE_SIGNALS)) return;
    memset(net->alive, 0, net->unit_count);
    net->after_forward = gfi_dead_count;
}

static void gfi_dead_end(gf_net *net) {
    if (!net->after_forward) return;
    const unsigned char *alive = net->alive;
    net->after_forward = NULL;
    for (int l = 1; l <= net->affine_count; l++) {
        const int counted = net->status == GF_OK && gfi_activation_behind(net, l);
        size_t units = (size_t)gfi_affine(net, l)->out.channels, dead = 0;
        for (size_t u = 0; u < units; u++) dead += !*alive++;
        net->probes[l - 1].dead_share = counted ? (double)dead / (double)units : NAN;
    }
}

GFDEF gf_status gf_net_gradient_map(gf_net *net, int layer, double *map) {
    if (!gfi_ready(net, GFI_BACKWARDED, "gf_net_gradient_map")) return gf_net_status(net);
    if (layer < 0 || layer >= net->layer_count || !map)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT,
                            "gf_net_gradient_map: layer %d, map %s; needs a layer of 0 to %d and room for its pixels",
                            layer, gfi_given(map), net->layer_count - 1);
    if (net->shares_dy)
        return gfi_net_fail(net, GF_ERROR_ORDER, "gf_net_gradient_map: with GF_PROBE_NORMS alone no layer's gradient is "
                                                 "kept; declare GF_PROBE_GRADIENTS, too");
    const gfi_layer *at = &net->layers[layer];
    size_t plane = gfi_plane(at->out), planes = (size_t)net->batch * (size_t)at->out.channels;
    memset(map, 0, plane * sizeof *map);
    for (size_t k = 0; k < planes; k++)
        for (size_t i = 0; i < plane; i++) map[i] += fabs((double)at->dy[k * plane + i]);
    for (size_t i = 0; i < plane; i++) map[i] /= (double)planes;
    return GF_OK;
}

static int gfi_percent(double share) { return share > 0 ? share < 1 ? (int)(100 * share + 0.5) : 100 : 0; }

static const char *gfi_phi(const gf_net *net, int l) {  // the name of the activation behind affine layer l
    const gfi_layer *act = l > 0 ? gfi_activation_behind(net, l) : NULL;
    return act ? gfi_act_label(act->act) : "no activation";
}

// [GF:CHECK] Gradient check --------------------------------------------------------------------------------------------
// The derivative by definition: (L(w + h) - L(w - h))/2h differs from the true one by O(h²) and by rounding ε·L/h; at
// h = 1e-5 both are about 1e-10 in double. Two losses per parameter: slow, but it knows nothing of the chain rule.
// Where w + h and w - h lie on two sides of a kink (each layer's `branch` tells) there is no derivative to compare.

typedef struct gfi_check_run {
    gf_net *net;
    const gf_real *x;
    int batch;
    gf_mode mode;
    gf_loss_kind loss;
    const void *targets;
} gfi_check_run;

// The loss of the last forward. targets: int[B] for cross entropy, gf_custom_loss for one's own, gf_real[B,O] else.
static double gfi_loss_of_kind(gf_net *net, gf_loss_kind kind, const void *targets) {
    if (kind == GF_LOSS_CROSS_ENTROPY) return gf_loss_cross_entropy(net, (const int *)targets);
    if (kind == GF_LOSS_BCE) return gf_loss_bce(net, (const gf_real *)targets);
    if (kind == GF_LOSS_CUSTOM) return gf_loss_custom(net, (const gf_custom_loss *)targets);
    return gf_loss_mse(net, (const gf_real *)targets);
}

// The same from a data set's arrays, of which the batch's rows begin at `first`.
static double gfi_loss_at(gf_net *net, gf_loss_kind kind, const int *labels, const gf_real *targets, size_t first) {
    if (kind == GF_LOSS_CROSS_ENTROPY) return gfi_loss_of_kind(net, kind, labels + first);
    return gfi_loss_of_kind(net, kind, targets + first * gfi_output(net)->out_size);
}

// The loss with the parameters as they stand, and the hash of the sides of kinks that the batch is on.
static double gfi_check_loss(const gfi_check_run *run, uint64_t *branch) {
    gf_net *net = run->net;
    *branch = 0;
    if (!gf_net_forward(net, run->x, run->batch, run->mode)) return NAN;
    const double loss = gfi_loss_of_kind(net, run->loss, run->targets);
    for (int i = 0; i < net->layer_count; i++) {
        gfi_layer *layer = &net->layers[i];
        if (layer->kind->branch) *branch = gfi_branch_mix(*branch, layer->kind->branch(net, layer));
    }
    return loss;
}

// Does `name` stand among these names separated by spaces?
static int gfi_name_listed(const char *names, const char *name) {
    const size_t length = strlen(name);
    for (const char *at = names; at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL)
        if (strcspn(at, " ") == length && strncmp(at, name, length) == 0) return 1;
    return 0;
}

// Compare analytic[n] with differences along value[n]; the relative error goes into the result under this name.
static void gfi_check_array(const gfi_check_run *run, const char *name, gf_real *value, const gf_real *analytic,
                            size_t n, gf_check *check) {
    double difference = 0, squares_a = 0, squares_n = 0;
    size_t most = (size_t)check->max_per_tensor, count = most > 0 && most < n ? most : n, compared = 0;
    for (size_t j = 0; j < count; j++) {
        size_t i = j * n / count;
        gf_real kept = value[i];
        uint64_t branch_up, branch_down;
        value[i] = (gf_real)((double)kept + check->step);
        double up = gfi_check_loss(run, &branch_up);
        value[i] = (gf_real)((double)kept - check->step);
        double down = gfi_check_loss(run, &branch_down);
        value[i] = kept;
        if (branch_up != branch_down) continue;
        double a = (double)analytic[i], numeric = (up - down) / (2 * check->step);
        difference += (a - numeric) * (a - numeric);
        squares_a += a * a;
        squares_n += numeric * numeric;
        compared++;
    }
    check->checked += compared;
    check->skipped += count - compared;
    if (compared == 0) return;  // nothing to judge; the count says so
    double norm_a = sqrt(squares_a), norm_n = sqrt(squares_n), error = sqrt(difference) / (norm_a + norm_n);
    if (gfi_name_listed(check->zero_tensors, name) && norm_a < 1e-12 && norm_n < 1e-7) error = 0;
    else if (norm_a == 0) error = INFINITY;  // 0 against 0 proves nothing: allowed only where the caller said so
    if (!(error <= check->worst)) {
        check->worst = error == error ? error : INFINITY;
        gfi_print(check->worst_name, sizeof check->worst_name, "%s", name);
    }
}

// Backward once, then every tensor and the input against differences. copy has room for the gradients: parameters, x.
static void gfi_check_all(const gfi_check_run *run, gf_real *x, gf_real *copy, size_t inputs, gf_check *check) {
    gf_net *net = run->net;
    gf_real *input_copy = copy + net->param_count;
    uint64_t branch;
    double loss = gfi_check_loss(run, &branch);
    if (gf_net_backward(net) != GF_OK || loss != loss) {
        check->worst = INFINITY;
        gfi_print(check->worst_name, sizeof check->worst_name, "loss");
        return;
    }
    memcpy(copy, net->grads, net->param_count * sizeof(gf_real));
    if (net->input_grad) memcpy(input_copy, net->input_grad, inputs * sizeof(gf_real));
    for (int t = 0; t < net->tensor_count; t++) {
        const gf_tensor *tensor = &net->tensors[t].view;
        if (tensor->grad) gfi_check_array(run, tensor->name, tensor->value, copy + tensor->offset, tensor->size, check);
    }
    if (net->input_grad) gfi_check_array(run, "input", x, input_copy, inputs, check);
}

GFDEF gf_status gf_grad_check(gf_net *net, const gf_real *x, int batch, gf_mode mode, gf_loss_kind loss,
                              const void *targets, gf_check *check) {
    if (!gfi_ready(net, GFI_BUILT, "gf_grad_check")) return gf_net_status(net);
    if (!x || !targets || !check || batch < 1 || batch > net->max_batch || (int)loss < 0 || loss > GF_LOSS_CUSTOM)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT,
                            "gf_grad_check: x is %s, targets %s, check %s, batch %d, loss %d; needs all three, a batch "
                            "of 1 to %d and one of gf_loss_kind",
                            gfi_given(x), gfi_given(targets), gfi_given(check), batch, (int)loss, net->max_batch);
    if (!(check->step >= 0 && check->step <= DBL_MAX) || check->max_per_tensor < 0)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_grad_check: step is %g, max_per_tensor %d; both must be 0 (the "
                            "default) or more", check->step, check->max_per_tensor);
    size_t params = net->param_count, inputs = (size_t)batch * gfi_shape_size(net->input);
    gf_real *grads = (gf_real *)gfi_alloc(2 * (params + inputs), sizeof(gf_real));
    if (!grads) return gfi_net_fail(net, GF_ERROR_MEMORY, "gf_grad_check: out of memory for a copy of the gradients");
    gf_real *x_copy = grads + params, *analytic = x_copy + inputs;
    memcpy(grads, net->grads, params * sizeof(gf_real));
    memcpy(x_copy, x, inputs * sizeof(gf_real));
    const gf_nonfinite nonfinite = net->nonfinite;
    gf_real *joined = net->joined;
    const gfi_check_run run = {net, x_copy, batch, mode, loss, targets};
    if (!(check->step > 0)) check->step = 1e-5;
    check->worst = 0;
    check->worst_name[0] = '\0';
    check->checked = check->skipped = 0;

    net->frozen = 1;
    net->joined = NULL;
    gfi_check_all(&run, x_copy, analytic, inputs, check);
    net->frozen = 0;
    net->phase = GFI_BUILT;
    net->nonfinite = nonfinite;
    net->joined = joined;
    memcpy(net->grads, grads, params * sizeof(gf_real));
    GF_FREE(grads);
    return net->status;
}

// [GF:THEORY] Signal propagation --------------------------------------------------------------------------------------
// Everything rests on one integral, E[f(√q·Z)²] = ∫ f(√q·z)²·exp(-z²/2)/√(2π) dz. Two lengths matter: the Gaussian's (1
// in z) and the activation's (1 in x = √q·z, where it bends). So panels end at a few fixed z, at |x| = 1, 4, 16, 256 …,
// at 0 and at kinks; one on which 7 and 15 points disagree by more than a small part of the whole integral is halved.

#define GFI_THEORY_TOLERANCE 1e-12  // of a panel, relative to the integral
#define GFI_THEORY_HALVINGS 1024    // an integral may take; smooth activations need fewer than 20
#define GFI_THEORY_REACH 8.5        // |z| beyond this holds 2e-17 of the mass
#define GFI_THEORY_SETTLED 1e-7     // |ln(q_next/q)| that counts as none: a custom φ may round as float does

typedef double gfi_theory_function(gf_act act, double x);  // φ or φ'
typedef struct gfi_expectation {
    gfi_theory_function *f;
    gf_act act;
    double root_q, tolerance;  // √q; the error that a panel may have
    int halvings;              // left
} gfi_expectation;

// ∫ over the panel [a,b] by Gauss-Kronrod 7-15 (nodes and weights as in QUADPACK's qk15, Piessens et al. 1983); *error is
// the difference of the two rules.
static double gfi_theory_rule(const gfi_expectation *e, double a, double b, double *error) {
    static const double node[8] = {
        0.991455371120812639, 0.949107912342758525, 0.864864423359769073, 0.741531185599394440,
        0.586087235467691130, 0.405845151377397167, 0.207784955007898468, 0};
    static const double kronrod[8] = {0.022935322010529225, 0.063092092629978553, 0.104790010322250184,
                                      0.140653259715525919, 0.169004726639267903, 0.190350578064785410,
                                      0.204432940075298892, 0.209482141084727828};
    static const double gauss[8] = {0, 0.129484966168869693, 0, 0.279705391489276668,
                                    0, 0.381830050505118945, 0, 0.417959183673469388};
    const double middle = 0.5 * (a + b), half = 0.5 * (b - a);
    double k15 = 0, g7 = 0;
    for (int i = 0; i < 15; i++) {
        const int j = i < 8 ? i : 14 - i;
        const double z = middle + (i < 8 ? -half : half) * node[j], y = e->f(e->act, e->root_q * z);
        const double value = y * y * exp(-0.5 * z * z);
        k15 += kronrod[j] * value;
        g7 += gauss[j] * value;
    }
    *error = half * fabs(k15 - g7);
    return half * k15;
}

// A panel's integral, halved until its error is small. NaN and infinity stay: no halving can mend them.
static double gfi_theory_refine(gfi_expectation *e, double a, double b, double value, double error) {
    if (!(error > e->tolerance) || isinf(error) || e->halvings <= 0) return value;
    const double middle = 0.5 * (a + b);
    double left_error, right_error;
    const double left = gfi_theory_rule(e, a, middle, &left_error), right = gfi_theory_rule(e, middle, b, &right_error);
    e->halvings--;
    return gfi_theory_refine(e, a, middle, left, left_error) + gfi_theory_refine(e, middle, b, right, right_error);
}

// Put z, if it is within reach, among the sorted edges.
static void gfi_theory_edge(double *edge, int *count, double z) {
    if (!(fabs(z) <= GFI_THEORY_REACH)) return;
    int i = (*count)++;
    for (; i > 0 && edge[i - 1] > z; i--) edge[i] = edge[i - 1];
    edge[i] = z;
}

static int gfi_theory_edges(const gfi_expectation *e, double *edge) {  // fewer than 40
    static const double gaussian[6] = {0, 1.5, 3, 4.5, 6, GFI_THEORY_REACH};
    const gfi_act_row *row = gfi_act_row_of(e->act.kind);
    int count = 0;
    for (int i = -5; i <= 5; i++) gfi_theory_edge(edge, &count, i < 0 ? -gaussian[-i] : gaussian[i]);
    for (double x = 1; x / e->root_q < GFI_THEORY_REACH; x *= x < 16 ? 4 : x) {
        gfi_theory_edge(edge, &count, x / e->root_q);
        gfi_theory_edge(edge, &count, -x / e->root_q);
    }
    for (int i = 0; i < row->kink_count; i++) gfi_theory_edge(edge, &count, row->kinks[i] / e->root_q);
    return count;
}

// E[f(√q·Z)²]
static double gfi_theory_expectation(gfi_theory_function *f, gf_act act, double q) {
    if (q == 0 || isinf(q)) {        // one point: φ is continuous at 0, φ' has two sides there
        double x = isinf(q) ? INFINITY : f == gf_act_value ? 0 : 1e-30;
        double left = f(act, -x), right = f(act, x);
        return 0.5 * (left * left + right * right);
    }
    gfi_expectation e = {f, act, sqrt(q), 0, GFI_THEORY_HALVINGS};
    double edge[64], value[64], error[64], total = 0, refined = 0;
    const int count = gfi_theory_edges(&e, edge) - 1;
    for (int i = 0; i < count; i++) {
        value[i] = gfi_theory_rule(&e, edge[i], edge[i + 1], &error[i]);
        total += value[i];
    }
    e.tolerance = GFI_THEORY_TOLERANCE * total;
    for (int i = 0; i < count; i++) refined += gfi_theory_refine(&e, edge[i], edge[i + 1], value[i], error[i]);
    return refined * 0.398942280401432677940;  // 1/√(2π)
}

static double gfi_theory_refuse(const char *name, double value) {
    return gfi_nan(
        gfi_fail(GF_ERROR_ARGUMENT, "gf_theory: %s is %g; a variance must be finite and 0 or more", name, value));
}

// w·E[f²] + b; 0·∞ is 0 here: weights that are all zero carry nothing on, however large q is.
static double gfi_theory_map(gfi_theory_function *f, gf_act act, double q, double w, double b) {
    if (!(q >= 0)) return gfi_theory_refuse("q", q);
    if (!(w >= 0)) return gfi_theory_refuse("weight_variance", w);
    if (!(b >= 0)) return gfi_theory_refuse("bias_variance", b);
    const double square = gfi_theory_expectation(f, act, q);
    return (w == 0 && isinf(square) ? 0 : w * square) + b;
}

GFDEF double gf_theory_q_next(gf_act act, double q, double weight_variance, double bias_variance) {
    return gfi_theory_map(gf_act_value, act, q, weight_variance, bias_variance);
}

GFDEF double gf_theory_chi(gf_act act, double q, double weight_variance) {
    return gfi_theory_map(gf_act_derivative, act, q, weight_variance, 0);
}

typedef struct gfi_walk {  // the way of q = e^t from layer to layer, from q = 1
    gf_act act;
    double w, b;           // variances
    double direction;      // 1: q grows at first; -1: it shrinks
} gfi_walk;

// ln(q_next/q) at q = e^t, in the walk's direction: positive where q goes on, zero at a fixed point.
static double gfi_theory_advance(const gfi_walk *walk, double t) {
    const double q = exp(t);
    return walk->direction * log(gf_theory_q_next(walk->act, q, walk->w, walk->b) / q);
}

// Where between t0, with an advance above 0, and t1, with one below, it is zero.
static double gfi_theory_root(const gfi_walk *walk, double t0, double t1) {
    for (int i = 0; i < 60 && fabs(t1 - t0) > 1e-13; i++) {
        const double middle = 0.5 * (t0 + t1);
        if (gfi_theory_advance(walk, middle) > 0) t0 = middle;
        else t1 = middle;
    }
    return t1;
}

// q* from q = 1: walk the way q itself goes, with growing steps, until it would turn round. Two fixed points may hide
// between two steps, and q stops at the first: so where the advance has a dip, the walk goes back and takes small steps.
static double gfi_theory_q_star(gf_act act, double w, double b) {
    const double q_min = b > 1e-30 ? b : 1e-30, bottom = log(q_min), top = log(1e30);  // q_next ≥ σb²
    gfi_walk walk = {act, w, b, 1};
    const double start = gfi_theory_advance(&walk, 0);
    if (isnan(start) || isinf(w) || isinf(b)) return NAN;
    if (fabs(start) <= GFI_THEORY_SETTLED) return 1;
    walk.direction = start > 0 ? 1 : -1;
    double step = 0.25, t = 0, here = fabs(start), t_back = -walk.direction * step;
    double back = gfi_theory_advance(&walk, t_back);
    for (int retreats = 0;;) {
        double next = t + walk.direction * step;
        if (next > top) return INFINITY;
        if (next < bottom && walk.direction < 0) next = bottom;
        const double ahead = gfi_theory_advance(&walk, next);
        if (isnan(ahead)) return NAN;
        if (ahead < -GFI_THEORY_SETTLED) return exp(gfi_theory_root(&walk, t, next));
        if (next == bottom) return b > 1e-30 ? b : 0;
        const int dip = here < back - GFI_THEORY_SETTLED && here < ahead - GFI_THEORY_SETTLED;
        if (dip && step > 1e-3 && retreats++ < 32) {
            step /= 4;
            here = t == 0 ? here : back;
            t = t == 0 ? t : t_back;
        } else {
            t_back = t;
            back = here;
            t = next;
            here = ahead;
            step *= 1.15;
        }
    }
}

GFDEF gf_propagation gf_theory_fixed_point(gf_act act, double weight_variance, double bias_variance) {
    gf_propagation p;
    p.q = gfi_theory_q_star(act, weight_variance, bias_variance);
    p.chi = isnan(p.q) ? NAN : gf_theory_chi(act, p.q, weight_variance);
    p.depth_scale = fabs(p.chi - 1) <= 1e-12 ? INFINITY : 1 / fabs(log(p.chi));
    p.converged = !isnan(p.q) && !isinf(p.q);
    return p;
}

GFDEF double gf_theory_critical(gf_act act, double bias_variance) {
    double low = 0, high = 0.01;
    if (!(bias_variance >= 0 && bias_variance <= DBL_MAX)) return gfi_theory_refuse("bias_variance", bias_variance);
    while (!(gf_theory_fixed_point(act, high, bias_variance).chi > 1)) {
        if (high >= 100) return NAN;
        low = high;
        high = fmin(high * 1.25, 100);
    }
    while (high - low > 1e-11 * high) {
        double middle = 0.5 * (low + high);
        if (gf_theory_fixed_point(act, middle, bias_variance).chi > 1) high = middle;
        else low = middle;
    }
    return 0.5 * (low + high);
}

GFDEF gf_theory_layer gf_theory_affine(int fan_in, int fan_out, int width, gf_init weight, gf_init bias) {
    if (fan_in < 1 || fan_out < 1 || width < 1)
        gfi_fail(GF_ERROR_ARGUMENT, "gf_theory_affine: fan_in %d, fan_out %d, width %d; all must be at least 1", fan_in,
                 fan_out, width);
    double w = gfi_init_std(weight, fan_in, fan_out), b = gfi_init_std(bias, fan_in, fan_out);
    if (weight.kind == GF_INIT_ORTHOGONAL) w /= sqrt(fan_in > width ? fan_in : width);  // of a matrix [width, fan_in]
    if (bias.kind == GF_INIT_ORTHOGONAL) b /= sqrt(width);                              // one row [1, width]
    const gf_theory_layer layer = {width, fan_in * w * w, b * b, NAN, NAN, NAN};
    return layer;
}

GFDEF gf_status gf_theory_profile(gf_act act, double input_square, gf_theory_layer *layers, int count) {
    if (!layers || count < 1 || !(input_square >= 0 && input_square <= DBL_MAX))
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_theory_profile: %d layers%s, mean square of the input is %g; needs 1 or "
                        "more, and 0 or more", count, layers ? "" : " (NULL)", input_square);
    for (int l = 0; l < count; l++) {
        const double w = layers[l].weight_variance, b = layers[l].bias_variance;
        if (layers[l].width < 1 || !(w >= 0 && w <= DBL_MAX && b >= 0 && b <= DBL_MAX))
            return gfi_fail(GF_ERROR_ARGUMENT, "gf_theory_profile: layer %d has width %d and variances %g, %g; needs a "
                            "width of 1 or more, finite variances of 0 or more", l + 1, layers[l].width, w, b);
    }
    layers[0].q = layers[0].weight_variance * input_square + layers[0].bias_variance;
    for (int l = 1; l < count; l++)
        layers[l].q = gf_theory_q_next(act, layers[l - 1].q, layers[l].weight_variance, layers[l].bias_variance);
    layers[count - 1].factor = layers[count - 1].delta = 1;
    for (int l = count - 2; l >= 0; l--) {
        const double chi = gf_theory_chi(act, layers[l].q, layers[l + 1].weight_variance);
        layers[l].factor = sqrt(chi * layers[l + 1].width / layers[l].width);
        layers[l].delta = layers[l].factor * layers[l + 1].delta;
    }
    return GF_OK;
}

// [GF:DATA] Data sets and batches -------------------------------------------------------------------------------------
// In order: making a set, preparing it, reading samples, batches, gf_net_evaluate, then the file formats. Training and
// evaluation read through the same function, gfi_data_read: a table of 256 entries says which x a pixel becomes.

static gf_status gfi_null(const char *function, const char *parameter) {
    return gfi_fail(GF_ERROR_ARGUMENT, "%s: %s is NULL; it must point to something", function, parameter);
}

GFDEF void gf_data_free(gf_dataset *data) {
    if (!data) return;
    GF_FREE(data->pixels);
    GF_FREE(data->values);
    GF_FREE(data->labels);
    GF_FREE(data->targets);
    GF_FREE(data->class_names);
    memset(data, 0, sizeof *data);
}

enum { GFI_HAS_PIXELS = 1, GFI_HAS_LABELS = 2 };  // values instead of pixels; targets where outputs > 0

// Zero *data, so that it can be freed whatever follows. `what` is the other pointer that the function needs.
static gf_status gfi_data_begin(const char *function, gf_dataset *data, const char *name, const void *what) {
    if (!data) return gfi_null(function, "data");
    memset(data, 0, sizeof *data);
    return what ? GF_OK : gfi_null(function, name);
}

// A set of this shape, all arrays allocated but not filled, normalisation mean 0 and std 1.
static gf_status gfi_data_alloc(gf_dataset *data, gf_shape shape, size_t count, int has, int outputs) {
    size_t size = gfi_shape_size(shape);
    memset(data, 0, sizeof *data);
    if (size == 0)
        return gfi_fail(GF_ERROR_SHAPE, "data: shape %dx%dx%d; every side must be at least 1", shape.channels,
                        shape.height, shape.width);
    if (count == 0) return gfi_fail(GF_ERROR_ARGUMENT, "data: count is 0; ask for at least one sample");
    data->shape = shape;
    data->count = count;
    data->outputs = outputs;
    for (int c = 0; c < 4; c++) data->std[c] = 1;
    int pixels = has & GFI_HAS_PIXELS, labels = has & GFI_HAS_LABELS;
    if (count <= SIZE_MAX / size && count <= SIZE_MAX / (size_t)(outputs > 0 ? outputs : 1)) {
        if (pixels) data->pixels = (uint8_t *)gfi_alloc(count * size, sizeof *data->pixels);
        if (!pixels) data->values = (gf_real *)gfi_alloc(count * size, sizeof *data->values);
        if (labels) data->labels = (int *)gfi_alloc(count, sizeof *data->labels);
        if (outputs) data->targets = (gf_real *)gfi_alloc(count * (size_t)outputs, sizeof *data->targets);
    }
    if ((data->pixels || data->values) && (data->labels || !labels) && (data->targets || !outputs)) return GF_OK;
    gf_data_free(data);
    return gfi_fail(GF_ERROR_MEMORY, "data: no memory for %zu samples of %zu numbers; take fewer samples", count, size);
}

// A copy of count samples of all: those that order lists or, where it is NULL, the first.
static gf_status gfi_data_pick(gf_dataset *part, const gf_dataset *all, const uint32_t *order, size_t count) {
    size_t size = gfi_shape_size(all->shape), outputs = all->targets ? (size_t)all->outputs : 0;
    int has = (all->pixels ? GFI_HAS_PIXELS : 0) | (all->labels ? GFI_HAS_LABELS : 0);
    gf_status status = gfi_data_alloc(part, all->shape, count, has, (int)outputs);
    if (status != GF_OK) return status;
    part->classes = all->classes;
    part->synthetic = all->synthetic;
    memcpy(part->mean, all->mean, sizeof part->mean);
    memcpy(part->std, all->std, sizeof part->std);
    memcpy(part->notes, all->notes, sizeof part->notes);
    if (all->class_names) {
        part->class_names = (gf_name *)gfi_alloc((size_t)all->classes, sizeof *all->class_names);
        if (!part->class_names) {
            gf_data_free(part);
            return gfi_fail(GF_ERROR_MEMORY, "data: no memory for %d names", all->classes);
        }
        memcpy(part->class_names, all->class_names, (size_t)all->classes * sizeof *all->class_names);
    }
    for (size_t i = 0; i < count; i++) {
        size_t from = order ? order[i] : i;
        if (all->pixels) memcpy(part->pixels + i * size, all->pixels + from * size, size * sizeof *all->pixels);
        if (all->values) memcpy(part->values + i * size, all->values + from * size, size * sizeof *all->values);
        if (all->labels) part->labels[i] = all->labels[from];
        for (size_t k = 0; k < outputs; k++) part->targets[i * outputs + k] = all->targets[from * outputs + k];
    }
    return GF_OK;
}

// Can this set be read? Its fields are public, so they are looked at again.
static gf_status gfi_data_check(const char *function, const gf_dataset *data) {
    if (!data) return gfi_null(function, "data");
    if (data->count == 0 || gfi_shape_size(data->shape) == 0 || !data->pixels == !data->values)
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: the data set is empty; load or make it first and check the status",
                        function);
    if (data->count >> 16 > 0xFFFF)  // 32-bit compilers warn of UINT32_MAX
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: %zu samples are more than 2^32 - 1; lower the set's count", function,
                        data->count);
    for (int c = 0; c < 4; c++)
        if (!isfinite(data->mean[c]) || !isfinite(data->std[c]) || !(data->std[c] > 0))
            return gfi_fail(GF_ERROR_ARGUMENT, "%s: channel %d has mean %g, std %g; both must be finite, std above 0",
                            function, c, data->mean[c], data->std[c]);
    return GF_OK;
}

// A copy of the caller's arrays, checked.
static gf_status gfi_data_from(const char *function, gf_dataset *data, const gf_dataset *given) {
    if (given->labels ? given->classes < 2 : given->outputs < 1)
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: %s is %d; it must be at least %d", function,
                        given->labels ? "classes" : "outputs", given->labels ? given->classes : given->outputs,
                        given->labels ? 2 : 1);
    gf_status status = gfi_data_pick(data, given, NULL, given->count);
    if (status != GF_OK) return status;
    const size_t count = data->count, numbers = data->values ? count * gfi_shape_size(data->shape) : 0;
    for (size_t i = 0; i < numbers && status == GF_OK; i++)
        if (!isfinite(data->values[i]))
            status = gfi_fail(GF_ERROR_ARGUMENT, "%s: x[%zu] is %g; training needs finite numbers", function, i,
                              (double)data->values[i]);
    for (size_t i = 0; i < count * (size_t)data->outputs && status == GF_OK; i++)
        if (!isfinite(data->targets[i]))
            status = gfi_fail(GF_ERROR_ARGUMENT, "%s: targets[%zu] is %g; training needs finite numbers", function, i,
                              (double)data->targets[i]);
    for (size_t i = 0; i < count && data->labels && status == GF_OK; i++)
        if (data->labels[i] < 0 || data->labels[i] >= data->classes)
            status = gfi_fail(GF_ERROR_ARGUMENT, "%s: labels[%zu] is %d, expected 0..%d", function, i, data->labels[i],
                              data->classes - 1);
    if (status != GF_OK) gf_data_free(data);
    return status;
}

GFDEF gf_status gf_data_from_arrays(gf_dataset *data, gf_shape shape, size_t count, const gf_real *x, const int *labels,
                                    int classes, const gf_real *targets, int outputs) {
    const char *const me = "gf_data_from_arrays";
    gf_status status = gfi_data_begin(me, data, "x", x);
    if (status != GF_OK) return status;
    if (!labels == !targets)
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: labels and targets are both %s; give one of the two", me,
                        labels ? "there" : "NULL");
    gf_dataset given = {shape, count, labels ? classes : 0, labels ? 0 : outputs, NULL, (gf_real *)x, (int *)labels,
                        (gf_real *)targets, {0, 0, 0, 0}, {1, 1, 1, 1}, 0, NULL, ""};
    return gfi_data_from(me, data, &given);
}

GFDEF gf_status gf_data_from_pixels(gf_dataset *data, gf_shape shape, size_t count, const uint8_t *pixels,
                                    const int *labels, int classes) {
    const char *const me = "gf_data_from_pixels";
    gf_status status = gfi_data_begin(me, data, "pixels", pixels);
    if (status != GF_OK) return status;
    if (!labels) return gfi_null(me, "labels");
    gf_dataset given = {shape, count, classes, 0, (uint8_t *)pixels, NULL, (int *)labels, NULL, {0, 0, 0, 0},
                        {1, 1, 1, 1}, 0, NULL, ""};
    return gfi_data_from(me, data, &given);
}

GFI_PRINTF(3, 4) static void gfi_append(char *text, size_t size, const char *format, ...) {
    const size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    GF_VSNPRINTF(text + used, size - used, format, args);
    va_end(args);
}

GFDEF gf_status gf_data_summary(const gf_dataset *data, char *text, size_t size) {
    gf_status status = gfi_data_check("gf_data_summary", data);
    if (status != GF_OK) return status;
    if (!text || size == 0) return gfi_null("gf_data_summary", "text");
    text[0] = '\0';
    gfi_append(text, size, "%zu samples of ", data->count);
    if (gfi_plane(data->shape) == 1) gfi_append(text, size, "%d", data->shape.channels);
    else gfi_append(text, size, "%dx%dx%d", data->shape.channels, data->shape.height, data->shape.width);
    gfi_append(text, size, data->pixels ? " pixels" : " numbers");
    if (data->labels) gfi_append(text, size, "; %d classes:", data->classes);
    for (int k = 0; data->labels && k < data->classes; k++) {
        size_t count = 0;
        for (size_t i = 0; i < data->count; i++) count += data->labels[i] == k;
        if (k < 12 && data->class_names) gfi_append(text, size, "%s %s %zu", k ? "," : "", data->class_names[k], count);
        else if (k < 12) gfi_append(text, size, "%s %d: %zu", k ? "," : "", k, count);
        else if (k == 12) gfi_append(text, size, ", …");
    }
    for (int k = 0; data->targets && k < data->outputs && k < 12; k++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < data->count; i++) {
            const double target = (double)data->targets[i * (size_t)data->outputs + (size_t)k];
            low = target < low ? target : low;
            high = target > high ? target : high;
        }
        gfi_append(text, size, "%s %g to %g", k ? "," : data->outputs > 1 ? "; targets" : "; target", low, high);
    }
    if (data->notes[0]) gfi_append(text, size, "; %s", data->notes);
    return GF_OK;
}

GFDEF gf_status gf_data_confusion(const gf_dataset *data, const size_t *confusion, char *text, size_t size) {
    const char *const me = "gf_data_confusion";
    gf_status status = gfi_data_check(me, data);
    if (status != GF_OK) return status;
    if (!confusion || !text || size == 0) return gfi_null(me, confusion ? "text" : "confusion");
    text[0] = '\0';
    for (int row = -1; row < data->classes; row++)  // -1: the names above the columns
        for (int column = -1; column < data->classes; column++) {
            const int k = row < 0 ? column : row, name = row < 0 || column < 0;
            const char *const end = column == data->classes - 1 ? "\n" : "  ";
            if (k < 0) gfi_append(text, size, "%-12s%s", "", end);
            else if (name && data->class_names) gfi_append(text, size, "%-12.12s%s", data->class_names[k], end);
            else if (name) gfi_append(text, size, "%-12d%s", k, end);
            else gfi_append(text, size, "%-12zu%s", confusion[row * data->classes + column], end);
        }
    return GF_OK;
}

// What gfi_data_draw can draw; XOR's classes come from where the points lie, before or after the noise.
typedef enum gfi_drawing { GFI_XOR, GFI_XOR_NOISY, GFI_CIRCLES, GFI_MOONS, GFI_SPIRALS, GFI_BLOBS } gfi_drawing;

// A point of class k, before noise, whose numbers are draws 0 and 1 of this key.
static void gfi_data_point(gfi_drawing what, int k, int classes, uint64_t key, double *x) {
    const double pi = 3.14159265358979323846, u = gfi_random_unit(gfi_random_at(key, 0)), turn = 2 * pi * k / classes;
    const double angle = what == GFI_CIRCLES   ? 2 * pi * u
                         : what == GFI_MOONS   ? pi * u
                         : what == GFI_SPIRALS ? turn + 4 * u
                                               : turn;
    const double radius = what == GFI_SPIRALS ? u : what == GFI_CIRCLES && k == 1 ? 0.5 : 1;
    if (what <= GFI_XOR_NOISY) {
        x[0] = 2 * u - 1;
        x[1] = 2 * gfi_random_unit(gfi_random_at(key, 1)) - 1;
        return;
    }
    x[0] = radius * cos(angle);
    x[1] = radius * sin(angle);
    if (what != GFI_MOONS || k == 0) return;
    x[0] = 1 - x[0];
    x[1] = 0.5 - x[1];
}

// Sample i is a pure function of (seed, i): its key opens a counter of its own, where every draw has a fixed place.
static gf_status gfi_data_draw(const char *me, gfi_drawing what, gf_dataset *data, size_t count, int classes,
                               double noise, uint64_t seed) {
    gf_status status = gfi_data_begin(me, data, "data", data);
    if (status != GF_OK) return status;
    if (!(noise >= 0) || !(noise <= 1e30))  // beyond, x would overflow a float
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: noise is %g; expected a standard deviation of 0 or more, at most 1e30",
                        me, noise);
    if (classes < 2) return gfi_fail(GF_ERROR_ARGUMENT, "%s: classes is %d; expected 2 or more", me, classes);
    status = gfi_data_alloc(data, gf_vector(2), count, GFI_HAS_LABELS, classes == 2);
    if (status != GF_OK) return status;
    data->classes = classes;
    data->synthetic = 1;
    const uint64_t key = gfi_random_key(seed, GFI_STREAM_DATA);
    for (size_t i = 0; i < count; i++) {
        const uint64_t point = gfi_random_at(key, i);
        const int k = (int)(i % (size_t)classes);
        double x[2], noisy[2];
        gfi_data_point(what, k, classes, point, x);
        for (uint64_t d = 0; d < 2; d++) {
            noisy[d] = x[d] + noise * gfi_random_gauss(gfi_random_at(point, 2 + d));
            data->values[2 * i + d] = (gf_real)noisy[d];
        }
        data->labels[i] = what == GFI_XOR ? x[0] * x[1] < 0 : what == GFI_XOR_NOISY ? noisy[0] * noisy[1] < 0 : k;
        if (data->targets) data->targets[i] = (gf_real)data->labels[i];
    }
    return GF_OK;
}

GFDEF gf_status gf_data_xor(gf_dataset *data, size_t count, double noise, int relabel, uint64_t seed) {
    return gfi_data_draw("gf_data_xor", relabel ? GFI_XOR_NOISY : GFI_XOR, data, count, 2, noise, seed);
}
GFDEF gf_status gf_data_circles(gf_dataset *data, size_t count, double noise, uint64_t seed) {
    return gfi_data_draw("gf_data_circles", GFI_CIRCLES, data, count, 2, noise, seed);
}
GFDEF gf_status gf_data_moons(gf_dataset *data, size_t count, double noise, uint64_t seed) {
    return gfi_data_draw("gf_data_moons", GFI_MOONS, data, count, 2, noise, seed);
}
GFDEF gf_status gf_data_spirals(gf_dataset *data, size_t count, int classes, double noise, uint64_t seed) {
    return gfi_data_draw("gf_data_spirals", GFI_SPIRALS, data, count, classes, noise, seed);
}
GFDEF gf_status gf_data_blobs(gf_dataset *data, size_t count, int classes, double noise, uint64_t seed) {
    return gfi_data_draw("gf_data_blobs", GFI_BLOBS, data, count, classes, noise, seed);
}

// --- Preparing a set -------------------------------------------------------------------------------------------------

GFDEF gf_status gf_data_normalize(gf_dataset *data, const double *mean, const double *std, int channels) {
    const char *const me = "gf_data_normalize";
    if (!data) return gfi_null(me, "data");
    if (!mean || !std) return gfi_null(me, mean ? "std" : "mean");
    if (channels != 1 && (channels != data->shape.channels || channels > 4))
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: channels is %d, the data have %d; expected 1 (for all)%s", me, channels,
                        data->shape.channels, data->shape.channels <= 4 ? " or as many" : "");
    gf_dataset scaled = *data;
    for (int c = 0; c < 4; c++) {
        scaled.mean[c] = mean[c < channels ? c : 0];
        scaled.std[c] = std[c < channels ? c : 0];
    }
    gf_status status = gfi_data_check(me, &scaled);
    if (status == GF_OK) *data = scaled;
    return status;
}

GFDEF gf_status gf_data_standardize(gf_dataset *data, gf_dataset *also) {
    const char *const me = "gf_data_standardize";
    gf_status status = gfi_data_check(me, data);
    if (status == GF_OK && also) status = gfi_data_check(me, also);
    if (status != GF_OK) return status;
    size_t size = gfi_shape_size(data->shape), count = data->count;
    if (!data->values || (also && (!also->values || gfi_shape_size(also->shape) != size)))
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: expected values of one shape; for images see gf_data_normalize", me);
    for (size_t k = 0; k < size; k++) {
        const gf_real *x = data->values + k;
        double sum = 0, square = 0;
        for (size_t i = 0; i < count; i++) sum += (double)x[i * size];
        double mean = sum / (double)count;
        for (size_t i = 0; i < count; i++) square += ((double)x[i * size] - mean) * ((double)x[i * size] - mean);
        double std = sqrt(square / (double)count);
        if (!(std > 1e-12 * fabs(mean))) std = 1;  // a constant feature becomes 0
        for (gf_dataset *set = data; set; set = set == data ? also : NULL)
            for (size_t i = 0; i < set->count; i++)
                set->values[i * size + k] = (gf_real)((set->values[i * size + k] - mean) / std);
    }
    return GF_OK;
}

GFDEF gf_status gf_data_split(const gf_dataset *all, double share, uint64_t seed, gf_dataset *first, gf_dataset *rest) {
    const char *const me = "gf_data_split";
    if (!first || !rest) return gfi_null(me, first ? "rest" : "first");
    if (first == rest || first == all || rest == all)
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: all, first and rest must be three data sets", me);
    memset(first, 0, sizeof *first);
    memset(rest, 0, sizeof *rest);
    if (!all) return gfi_null(me, "all");
    gf_status status = gfi_data_check(me, all);
    if (status != GF_OK) return status;
    double exact = floor(share * (double)all->count + 0.5);
    if (!(exact >= 1) || !(exact <= (double)all->count - 1))
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: share %g of %zu samples leaves a part empty; expected between 0 and 1",
                        me, share, all->count);
    size_t count = (size_t)exact;
    uint32_t *order = (uint32_t *)gfi_alloc(all->count, sizeof *order);
    if (!order) return gfi_fail(GF_ERROR_MEMORY, "%s: no memory for the order of %zu samples", me, all->count);
    gfi_random_shuffle(order, all->count, seed, GFI_STREAM_SPLIT);
    status = gfi_data_pick(first, all, order, count);
    if (status == GF_OK) status = gfi_data_pick(rest, all, order + count, all->count - count);
    if (status != GF_OK) gf_data_free(first);
    GF_FREE(order);
    return status;
}

// --- Reading samples -------------------------------------------------------------------------------------------------

// Channels with a normalisation of their own: up to 4; beyond that (a vector of features) one for all.
static int gfi_data_channels(const gf_dataset *data) { return data->shape.channels <= 4 ? data->shape.channels : 1; }

// lookup[C,256]: the x of every pixel value; C is at most 4.
static void gfi_data_lookup(const gf_dataset *data, gf_real *lookup) {
    if (!data->pixels) return;
    for (int c = 0; c < gfi_data_channels(data); c++)
        for (int p = 0; p < 256; p++) lookup[256 * c + p] = (gf_real)((p / 255.0 - data->mean[c]) / data->std[c]);
}

// x[i] = lookup[pixel[i·step]]; step -1 reads a row backwards. The loop stands in [GF:KERNEL].
static void gfi_pixels(const gf_real *lookup, const uint8_t *pixel, gf_real *x, size_t n, ptrdiff_t step);

// x[0..n) from the numbers at places at, at + step, … of one channel
static void gfi_data_copy(const gf_dataset *data, const gf_real *lookup, int channel, size_t at, gf_real *x, size_t n,
                          int step) {
    if (data->pixels) {
        gfi_pixels(lookup + 256 * channel, data->pixels + at, x, n, step);
        return;
    }
    gf_real mean = (gf_real)data->mean[channel], std = (gf_real)data->std[channel];
    const gf_real *value = data->values + at;
    ptrdiff_t from = 0;
    for (size_t i = 0; i < n; i++, from += step) x[i] = (value[from] - mean) / std;
}

// Sample `index`, normalised, into x[C,H,W].
static void gfi_data_read(const gf_dataset *data, const gf_real *lookup, size_t index, gf_real *x) {
    size_t size = gfi_shape_size(data->shape), plane = size / (size_t)gfi_data_channels(data);
    for (int c = 0; c < gfi_data_channels(data); c++) {
        size_t first = (size_t)c * plane;
        gfi_data_copy(data, lookup, c, index * size + first, x + first, plane, 1);
    }
}

GFDEF gf_status gf_data_sample(const gf_dataset *data, size_t index, gf_real *x) {
    gf_real lookup[4 * 256];
    gf_status status = gfi_data_check("gf_data_sample", data);
    if (status != GF_OK) return status;
    if (!x) return gfi_null("gf_data_sample", "x");
    if (index >= data->count)
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_data_sample: index is %zu, expected 0..%zu", index, data->count - 1);
    gfi_data_lookup(data, lookup);
    gfi_data_read(data, lookup, index, x);
    return GF_OK;
}

// --- Batches ---------------------------------------------------------------------------------------------------------

GFDEF void gf_batches_free(gf_batches *batches) {
    if (!batches) return;
    GF_FREE(batches->order);
    GF_FREE(batches->lookup);
    GF_FREE(batches->x_buffer);
    GF_FREE(batches->target_buffer);
    GF_FREE(batches->label_buffer);
    memset(batches, 0, sizeof *batches);
}

// Stand before the sample number `position` of an epoch. The order depends on (seed, epoch) alone.
static void gfi_batches_seek(gf_batches *batches, long epoch, size_t position) {
    const uint64_t stream = GFI_STREAM_SHUFFLE + 256 * (uint64_t)epoch;
    if ((batches->flags & GF_SHUFFLE) && (batches->batch < 0 || batches->epoch != epoch))
        gfi_random_shuffle(batches->order, batches->data->count, batches->seed, stream);
    batches->epoch = epoch;
    batches->position = position;
    batches->batch = (long)(position / (size_t)batches->size) - 1;
    batches->n = 0;
    batches->x = NULL;
    batches->labels = NULL;
    batches->targets = NULL;
}

GFDEF gf_status gf_batches_init(gf_batches *batches, const gf_dataset *data, int size, uint64_t seed, int flags) {
    const char *const me = "gf_batches_init";
    if (!batches) return gfi_null(me, "batches");
    memset(batches, 0, sizeof *batches);
    gf_status status = gfi_data_check(me, data);
    if (status != GF_OK) return status;
    if (size < 1) return gfi_fail(GF_ERROR_ARGUMENT, "%s: size is %d; a batch needs at least 1 sample", me, size);
    if (flags & ~(GF_SHUFFLE | GF_FLIP | GF_CROP))
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: flags is %d; expected GF_SHUFFLE, GF_FLIP, GF_CROP or'ed together", me,
                        flags);
    if ((flags & (GF_FLIP | GF_CROP)) && gfi_plane(data->shape) == 1)
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: GF_FLIP and GF_CROP are for images, the samples are vectors of %d", me,
                        data->shape.channels);
    size_t rows = (size_t)size < data->count ? (size_t)size : data->count, inputs = gfi_shape_size(data->shape);
    batches->order = (uint32_t *)gfi_alloc(data->count, sizeof *batches->order);
    batches->lookup = (gf_real *)gfi_alloc(4 * 256, sizeof *batches->lookup);
    if (rows <= SIZE_MAX / inputs) batches->x_buffer = (gf_real *)gfi_alloc(rows * inputs, sizeof(gf_real));
    if (data->labels) batches->label_buffer = (int *)gfi_alloc(rows, sizeof(int));
    if (data->targets) batches->target_buffer = (gf_real *)gfi_alloc(rows * (size_t)data->outputs, sizeof(gf_real));
    if (!batches->order || !batches->lookup || !batches->x_buffer || (data->labels && !batches->label_buffer) ||
        (data->targets && !batches->target_buffer)) {
        gf_batches_free(batches);
        return gfi_fail(GF_ERROR_MEMORY, "%s: no memory for batches of %zu samples of %zu numbers", me, rows, inputs);
    }
    for (size_t i = 0; i < data->count; i++) batches->order[i] = (uint32_t)i;
    gfi_data_lookup(data, batches->lookup);
    batches->data = data;
    batches->size = size;
    batches->seed = seed;
    batches->flags = flags;
    batches->per_epoch = (long)((data->count - 1) / (size_t)size) + 1;
    batches->batch = -1;
    gfi_batches_seek(batches, 0, 0);
    return GF_OK;
}

// Sample `index` into x[C,H,W], flipped and moved as (seed, epoch, index) draw: the same in whatever batch it falls.
static void gfi_batches_augment(const gf_batches *batches, size_t index, gf_real *x) {
    const gf_dataset *data = batches->data;
    uint64_t bits = gfi_random_bits(batches->seed, GFI_STREAM_AUGMENT + 256 * (uint64_t)batches->epoch, index);
    int flip = (batches->flags & GF_FLIP) && (bits & 1), crop = batches->flags & GF_CROP;
    int down = crop ? (int)((bits >> 8 & 0xFFFFFF) * 9 >> 24) - 4 : 0;  // -4..4
    int across = crop ? (int)((bits >> 40) * 9 >> 24) - 4 : 0;
    int H = data->shape.height, W = data->shape.width;
    int left = across < 0 ? -across : 0, right = across > 0 ? W - across : W;  // x[left..right) comes from inside
    size_t first = flip ? (size_t)(W - 1 - left - across) : (size_t)(left + across);
    for (int r = 0; r < data->shape.channels * H; r++, x += W) {
        int channel = gfi_data_channels(data) > 1 ? r / H : 0, row = r % H + down;
        const int inside = row >= 0 && row < H && left < right;
        const gf_real black = (gf_real)((0 - data->mean[channel]) / data->std[channel]);
        for (int i = 0; i < (inside ? left : W); i++) x[i] = black;
        for (int i = right; i < W; i++) x[i] = black;
        if (!inside) continue;
        size_t at = (index * (size_t)data->shape.channels * (size_t)H + (size_t)(r + down)) * (size_t)W + first;
        gfi_data_copy(data, batches->lookup, channel, at, x + left, (size_t)(right - left), flip ? -1 : 1);
    }
}

// These pixels are wanted soon: tuned builds fetch them from memory meanwhile, for nothing foresees a shuffled order.
static void gfi_fast_fetch(const uint8_t *pixels, size_t n);

GFDEF int gf_batches_next(gf_batches *batches) {
    const gf_dataset *data = batches && batches->order ? batches->data : NULL;
    if (!data || data->count == 0) {
        gfi_fail(GF_ERROR_ORDER, "gf_batches_next: call gf_batches_init first and check its status; the data set is %s",
                 data ? "gone: free it last" : "unknown");
        return 0;
    }
    size_t size = gfi_shape_size(data->shape), outputs = (size_t)data->outputs;
    size_t n = batches->position < data->count ? data->count - batches->position : 0;
    if (n > (size_t)batches->size) n = (size_t)batches->size;
    if (n == 0) {
        gfi_batches_seek(batches, batches->epoch + 1, 0);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        size_t index = batches->order[batches->position + i];
        gf_real *x = batches->x_buffer + i * size;
        if (data->pixels && batches->position + i + 2 < data->count)
            gfi_fast_fetch(data->pixels + batches->order[batches->position + i + 2] * size, size);
        if (batches->flags & (GF_FLIP | GF_CROP)) gfi_batches_augment(batches, index, x);
        else gfi_data_read(data, batches->lookup, index, x);
        if (data->labels) batches->label_buffer[i] = data->labels[index];
        for (size_t k = 0; data->targets && k < outputs; k++)
            batches->target_buffer[i * outputs + k] = data->targets[index * outputs + k];
    }
    batches->x = batches->x_buffer;
    batches->labels = batches->label_buffer;
    batches->targets = batches->target_buffer;
    batches->n = (int)n;
    batches->batch = (long)(batches->position / (size_t)batches->size);
    batches->position += n;
    return 1;
}

// --- Evaluation ------------------------------------------------------------------------------------------------------

// Do net, data and loss fit together? 1, or 0 and the net's error.
static int gfi_can_evaluate(gf_net *net, const gf_dataset *data, gf_loss_kind loss, const char *me) {
    if (!gfi_ready(net, GFI_BUILT, me)) return 0;
    const size_t inputs = gfi_shape_size(net->input), K = gfi_output(net)->out_size;
    const int by_class = loss == GF_LOSS_CROSS_ENTROPY;
    if ((int)loss < 0 || loss >= GF_LOSS_COUNT)
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: loss %d; needs one of gf_loss_kind's 0..%d", me, (int)loss,
                     GF_LOSS_COUNT - 1);
    else if (gfi_data_check(me, data) != GF_OK)
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s", gf_last_error());
    else if (gfi_shape_size(data->shape) != inputs ||
             (by_class ? !data->labels : !data->targets || (size_t)data->outputs != K))
        gfi_net_fail(net, GF_ERROR_SHAPE,
                     "%s: the data have %zu values a sample, %s labels, %d targets; the net takes %zu values, gives "
                     "%zu, and this loss needs %s",
                     me, gfi_shape_size(data->shape), data->labels ? "with" : "without", data->outputs, inputs, K,
                     by_class ? "labels" : "targets");
    return net->status == GF_OK;
}

GFDEF gf_score gf_net_evaluate(gf_net *net, const gf_dataset *data, gf_loss_kind loss, size_t *confusion) {
    gf_real lookup[4 * 256];
    gf_score score = {NAN, NAN, 0};
    if (!gfi_can_evaluate(net, data, loss, "gf_net_evaluate")) return score;
    const size_t size = gfi_shape_size(data->shape), K = gfi_output(net)->out_size, most = (size_t)net->max_batch;
    const int by_class = loss == GF_LOSS_CROSS_ENTROPY;
    double sum = 0, correct = 0;
    if (confusion) memset(confusion, 0, K * K * sizeof *confusion);
    gfi_data_lookup(data, lookup);
    gfi_dead_begin(net);
    for (size_t start = 0; start < data->count && net->status == GF_OK; start += most) {
        const size_t n = data->count - start < most ? data->count - start : most;
        for (size_t i = 0; i < n; i++) gfi_data_read(data, lookup, start + i, net->sample + i * size);
        const gf_real *y = gf_net_forward(net, net->sample, (int)n, GF_EVAL);
        sum += gfi_loss_at(net, loss, data->labels, data->targets, start) * (double)n;
        correct += net->correct;
        if (!confusion || !by_class || net->status != GF_OK) continue;
        for (size_t i = 0; i < n; i++) confusion[(size_t)data->labels[start + i] * K + gfi_argmax(y + i * K, K)]++;
    }
    gfi_dead_end(net);
    if (net->status != GF_OK) return score;
    score.count = data->count;
    score.loss = sum / (double)data->count;
    if (loss != GF_LOSS_MSE) score.accuracy = correct / ((double)data->count * (loss == GF_LOSS_BCE ? (double)K : 1.0));
    if (net->watch) net->watch->evaluated(net, data, score);
    return score;
}

// --- Files -----------------------------------------------------------------------------------------------------------
// A loader believes nothing that a file says of itself until the file's length bears it out, and allocates only then.
#ifndef GF_NO_STDIO
#include <errno.h>
#include <limits.h>
#include <locale.h>

typedef struct gfi_file {
    FILE *stream;
    const char *path, *hint;  // hint: what to do when it is not as it should be
    size_t size;              // bytes
} gfi_file;

static gf_status gfi_file_open(gfi_file *file, const char *path, const char *hint) {
    file->path = path;
    file->hint = hint;
    file->size = 0;
    file->stream = fopen(path, "rb");
    if (!file->stream)
        return gfi_fail(GF_ERROR_IO, "%.200s: cannot be opened: %s; %s", path, strerror(errno), hint);
    long size = fseek(file->stream, 0, SEEK_END) == 0 ? ftell(file->stream) : -1;
    if (size < 0 || size == LONG_MAX || fseek(file->stream, 0, SEEK_SET) != 0) {  // a folder, a pipe
        fclose(file->stream);
        file->stream = NULL;
        return gfi_fail(GF_ERROR_IO, "%.200s: is not a regular file; %s", path, hint);
    }
    file->size = (size_t)size;
    return GF_OK;
}

static gf_status gfi_file_read(gfi_file *file, void *bytes, size_t size) {
    if (fread(bytes, 1, size, file->stream) == size) return GF_OK;
    return gfi_fail(GF_ERROR_IO, "%.200s: reading %zu bytes failed: %s; %s", file->path, size,
                    ferror(file->stream) ? strerror(errno) : "the file ends before", file->hint);
}

// The whole file and 4 zeros behind it, for the caller to free.
static gf_status gfi_file_whole(const char *path, const char *hint, unsigned char **bytes, size_t *size) {
    gfi_file file;
    *bytes = NULL;
    gf_status status = gfi_file_open(&file, path, hint);
    if (status != GF_OK) return status;
    *size = file.size;
    *bytes = (unsigned char *)gfi_alloc(file.size + 4, 1);
    if (*bytes) memset(*bytes + file.size, 0, 4);
    if (*bytes) status = gfi_file_read(&file, *bytes, file.size);
    else status = gfi_fail(GF_ERROR_MEMORY, "%.200s: no memory for its %zu bytes", path, file.size);
    fclose(file.stream);
    return status;
}

enum { GFI_NOTES_SIZE = sizeof(((gf_dataset *)NULL)->notes) };

// "; " and a note for gf_data_summary; cut off where there is no room.
GFI_PRINTF(2, 3) static void gfi_note(char *notes, const char *format, ...) {
    const size_t used = strlen(notes);
    va_list args;
    if (used + 4 > GFI_NOTES_SIZE) return;
    if (used) memcpy(notes + used, "; ", 3);
    va_start(args, format);
    GF_VSNPRINTF(notes + strlen(notes), GFI_NOTES_SIZE - strlen(notes), format, args);
    va_end(args);
}

// Is this a file of another kind that is often met in this one's place? The message says which and what to do. 4 zeros
// follow the bytes.
static gf_status gfi_foreign(const char *path, const unsigned char *bytes) {
#define GFI_PICKLE "a Python pickle; save its arrays with numpy.save for gf_data_npy"
#define GFI_WEB "a web page or XML; download the raw file"
#define GFI_UTF16 "UTF-16; save it as CSV in UTF-8"
    static const char *const kinds[][2] = {
        {"\x1f\x8b", "packed; unpack it with gunzip"}, {"BZh", "packed; unpack it with bunzip2"},
        {"\xFD" "7zXZ", "packed; unpack it with unxz"}, {"(\xB5/\xFD", "packed; unpack it with unzstd"},
        {"PK\3\4", "a zip archive, .xlsx or .npz; unpack it with unzip, or export the sheet as CSV"},
        {"7z\xBC\xAF", "an archive; unpack it with 7z x"}, {"Rar!", "an archive; unpack it with unrar x"},
        {"\xD0\xCF\x11\xE0", "an Excel sheet; export it as CSV"}, {"\xFF\xFE", GFI_UTF16}, {"\xFE\xFF", GFI_UTF16},
        {"version https://git-lfs", "a git-LFS pointer; run git lfs pull, or download the raw file"},
        {"\x93NUMPY", "a NumPy array; gf_data_npy reads it"},
        {"\x80\2", GFI_PICKLE}, {"\x80\3", GFI_PICKLE}, {"\x80\4", GFI_PICKLE}, {"\x80\5", GFI_PICKLE},
        {"SQLite format 3", "an SQLite database; sqlite3 -csv FILE 'select * from TABLE'"},
        {"PAR1", "Parquet; pandas: read_parquet(…).to_csv(…)"}, {"ARROW1", "Arrow; pandas: read_feather(…).to_csv(…)"},
        {"\x89HDF", "HDF5; save its arrays with numpy.save for gf_data_npy"},
        {"MATLAB 5", "a MATLAB file; writematrix(x, 'x.csv') there"}, {"RDX", "an R file; write.csv(x, 'x.csv') there"},
        {"%PDF", "a PDF; take the data it was made from"}, {"\x89PNG", "a picture"}, {"\xFF\xD8\xFF", "a picture"},
        {"<!", GFI_WEB}, {"<?", GFI_WEB}, {"<h", GFI_WEB}, {"<H", GFI_WEB},
        {"{", "JSON; pandas: read_json(…).to_csv(…)"}, {"[", "JSON or a printed array; write it as CSV"},
        {"@", "ARFF; save it as CSV, without the lines that begin with % and @"}};
    const char *at = (const char *)bytes;
    if (strncmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3;
    at += strspn(at, " \t\r\n");
    while (*at == '%' && strncmp(at, "%PDF", 4) != 0) {  // comments of ARFF
        at += strcspn(at, "\n");
        at += strspn(at, " \t\r\n");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(at, kinds[i][0], strlen(kinds[i][0])) == 0)
            return gfi_fail(GF_ERROR_FORMAT, "%.200s: is %s", path, kinds[i][1]);
    return GF_OK;
}

// --- IDX, the format of MNIST: a magic number, each side as 4 bytes, highest first, then the bytes themselves ---

static const char *gfi_idx_kind(uint32_t magic) {
    const uint32_t type = magic >> 8;
    if (magic == 0x801 || magic == 0x803) return "are images and labels swapped?";
    if (magic == 0x802) return "flat rows instead of images; numpy.save them as x[N,28,28] for gf_data_npy";
    if (magic == 0x804) return "colour images of 4 sides; numpy.save them as x[N,C,H,W] for gf_data_npy";
    if ((magic & 0xFFFF) == 0 && (magic >> 16 & 0xFF) == 8)
        return "it was written with the lowest byte first; take the original file, or numpy.save it for gf_data_npy";
    if (type == 9 || (type >= 0xB && type <= 0xE))
        return type < 0xD ? "numbers of another type than bytes (signed or int); numpy.save them for gf_data_npy"
                          : "numbers of another type than bytes (float or double); numpy.save them for gf_data_npy";
    return "this is another kind of file";
}

// head[0] = 0x800 + sides, then the sides; 1 for those that are not there. The file's length must follow from them.
static gf_status gfi_idx_header(gfi_file *file, unsigned sides, uint32_t head[4]) {
    uint8_t bytes[16 + 4] = {0};
    size_t length = 4 + 4 * (size_t)sides;
    gf_status status = gfi_file_read(file, bytes, file->size < length ? file->size : length);
    if (status != GF_OK) return status;
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *b = bytes + 4 * i;
        head[i] = i > sides ? 1 : (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    }
    if (head[0] != 0x800 + sides) {
        if ((head[0] == 0x801 || head[0] == 0x803) || gfi_foreign(file->path, bytes) == GF_OK)
            gfi_fail(GF_ERROR_FORMAT, "%.200s: magic number expected 0x%x (%s), found 0x%x; %s", file->path,
                     0x800 + sides, sides == 3 ? "images" : "labels", (unsigned)head[0], gfi_idx_kind(head[0]));
        return GF_ERROR_FORMAT;
    }
    if (head[1] == 0 || head[2] - 1 >= 32768 || head[3] - 1 >= 32768)
        return gfi_fail(GF_ERROR_FORMAT,
                        "%.200s: header counts %u items of %ux%u; expected 1 or more, sides 1..32768; %s", file->path,
                        (unsigned)head[1], (unsigned)head[2], (unsigned)head[3], file->hint);
    uint64_t expected = length + (uint64_t)head[1] * head[2] * head[3];
    if (file->size == expected) return GF_OK;
    return gfi_fail(GF_ERROR_FORMAT, "%.200s: expected %.19g bytes by its header, found %zu; %s", file->path,
                    (double)expected, file->size, file->hint);
}

static gf_status gfi_idx_load(gf_dataset *data, gfi_file *images, gfi_file *labels) {
    uint32_t head[4], label_head[4];
    gf_status status = gfi_idx_header(images, 3, head);
    if (status == GF_OK) status = gfi_idx_header(labels, 1, label_head);
    if (status != GF_OK) return status;
    if (head[1] != label_head[1])
        return gfi_fail(GF_ERROR_FORMAT, "%.120s has %u images, %.120s %u labels; take files of one set", images->path,
                        (unsigned)head[1], labels->path, (unsigned)label_head[1]);
    status = gfi_data_alloc(data, gf_image(1, (int)head[2], (int)head[3]), head[1], GFI_HAS_PIXELS | GFI_HAS_LABELS, 0);
    size_t zeros = 0;
    if (status == GF_OK) status = gfi_file_read(images, data->pixels, images->size - 16);
    for (size_t i = 0; i < data->count && status == GF_OK; i++) {
        uint8_t label = 0;
        status = gfi_file_read(labels, &label, 1);
        data->labels[i] = label;
        if (label >= data->classes) data->classes = label + 1;
        zeros += label == 0;
    }
    if (zeros == 0) gfi_note(data->notes, "no label is 0: do they count from 1, as EMNIST's letters do?");
    return status;
}

// most: the most classes there may be
static gf_status gfi_idx_files(gf_dataset *data, const char *images, const char *labels, int most, const char *hint) {
    gfi_file image_file, label_file = {NULL, NULL, NULL, 0};
    gf_status status = gfi_file_open(&image_file, images, hint);
    if (status == GF_OK) status = gfi_file_open(&label_file, labels, hint);
    if (status == GF_OK) status = gfi_idx_load(data, &image_file, &label_file);
    if (status == GF_OK && data->classes > most)
        status = gfi_fail(GF_ERROR_FORMAT, "%.200s: label expected 0..%d, found %d; %s", labels, most - 1,
                          data->classes - 1, hint);
    if (image_file.stream) fclose(image_file.stream);
    if (label_file.stream) fclose(label_file.stream);
    if (status != GF_OK) gf_data_free(data);
    return status;
}

GFDEF gf_status gf_data_idx(gf_dataset *data, const char *images, const char *labels) {
    gf_status status = gfi_data_begin("gf_data_idx", data, "images", images);
    if (status == GF_OK && !labels) status = gfi_null("gf_data_idx", "labels");
    return status == GF_OK ? gfi_idx_files(data, images, labels, 256, "check its name and copy it again") : status;
}

enum { GFI_PATH_SIZE = 1024 };

// folder/place/name (place may be "") into path[GFI_PATH_SIZE]
static gf_status gfi_join(char *path, const char *folder, const char *place, const char *name) {
    const int length = gfi_print(path, GFI_PATH_SIZE, "%s/%s%s%s", folder, place, *place ? "/" : "", name);
    if (length > 0 && length < GFI_PATH_SIZE) return GF_OK;
    return gfi_fail(GF_ERROR_ARGUMENT, "%.200s…: the folder's name is longer than %d bytes; move it", folder,
                    (int)GFI_PATH_SIZE);
}

// Is there a file, not empty, no folder, of the joined name?
static int gfi_found(char *path, const char *folder, const char *place, const char *name) {
    FILE *const file = gfi_join(path, folder, place, name) == GF_OK ? fopen(path, "rb") : NULL;
    const int found = file && getc(file) != EOF;
    if (file) fclose(file);
    return found;
}

typedef struct gfi_other {
    const char *name, *what;  // a file that may stand in the folder instead, and what to do about it
} gfi_other;

// None of the files wanted is there: is one of these n? Then the message names it.
static gf_status gfi_other_found(const char *folder, const gfi_other *others, int n) {
    char path[GFI_PATH_SIZE];
    for (int i = 0; i < n; i++)
        if (gfi_found(path, folder, "", others[i].name))
            return gfi_fail(GF_ERROR_IO, "%.250s %s", path, others[i].what);
    return GF_OK;
}

static gf_status gfi_mnist_find(char *path, const char *folder, const char *set, const char *part, int sides) {
    char name[3][64], emnist[64];
    gfi_print(name[0], sizeof name[0], "%s-%s-idx%d-ubyte", set, part, sides);
    gfi_print(name[1], sizeof name[1], "%s-%s.idx%d-ubyte", set, part, sides);
    gfi_print(name[2], sizeof name[2], "%s.gz", name[0]);
    const char *const places[] = {"", "MNIST/raw", "raw", name[0], name[1]};
    for (size_t i = 0; i < 2 * (sizeof places / sizeof *places); i++)
        if (gfi_found(path, folder, places[i / 2], name[i % 2])) return GF_OK;
    for (size_t i = 0; i < 3; i++)
        if (gfi_found(path, folder, places[i], name[2]))
            return gfi_fail(GF_ERROR_IO, "%.250s is packed; run gunzip on it and on its siblings", path);
    static const char *const emnists[] = {"letters", "balanced", "byclass", "bymerge", "digits", "mnist"};
    for (size_t i = 0; i < sizeof emnists / sizeof *emnists; i++) {
        gfi_print(emnist, sizeof emnist, "emnist-%s-train-images-idx3-ubyte", emnists[i]);
        if (gfi_found(path, folder, "", emnist))
            return gfi_fail(GF_ERROR_IO, "%.250s is EMNIST: read it by gf_data_idx(&data, images, labels)", path);
    }
    static const gfi_other others[] = {
        {"mnist.npz", "is Keras' file: unzip it, then gf_data_npy(&data, \"x_train.npy\", \"y_train.npy\", 10)"},
        {"mnist_train.csv", "is a table: gf_data_csv_as with how.label = \"1\" reads it"},
        {"train.csv", "is a table: gf_data_csv(&data, path, 10) reads it"}};
    const gf_status status = gfi_other_found(folder, others, 3);
    return status == GF_OK ? gfi_join(path, folder, "", name[0]) : status;
}

GFDEF gf_status gf_data_mnist(gf_dataset *data, const char *folder, int test) {
    char images[GFI_PATH_SIZE], labels[GFI_PATH_SIZE];
    gf_status status = gfi_data_begin("gf_data_mnist", data, "folder", folder);
    if (status == GF_OK) status = gfi_mnist_find(images, folder, test ? "t10k" : "train", "images", 3);
    if (status == GF_OK) status = gfi_mnist_find(labels, folder, test ? "t10k" : "train", "labels", 1);
    if (status == GF_OK) status = gfi_idx_files(data, images, labels, 10, "run ./data_fetch.sh mnist");
    if (status == GF_OK) data->classes = 10;
    return status;
}

// --- CIFAR-10: records of a label and the red, green and blue planes ---

enum { GFI_CIFAR_PIXELS = 3 * 32 * 32, GFI_CIFAR_RECORD = 1 + GFI_CIFAR_PIXELS };

GFDEF gf_status gf_data_cifar10(gf_dataset *data, const char *folder, int test) {
    static const char *const names[6] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                         "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
    char path[6][GFI_PATH_SIZE];
    gfi_file file[6];
    size_t count = 0;
    static const gfi_other others[] = {
        {"data_batch_1", "is the Python version of CIFAR-10; take the binary one: ./data_fetch.sh cifar10"},
        {"cifar-10-batches-py/data_batch_1",
         "is the Python version of CIFAR-10; take the binary one: ./data_fetch.sh cifar10"},
        {"train.bin", "is CIFAR-100, which is not read; ./data_fetch.sh cifar10 fetches CIFAR-10"},
        {"cifar-100-binary/train.bin", "is CIFAR-100, which is not read; ./data_fetch.sh cifar10 fetches CIFAR-10"},
        {"cifar-10-binary.tar.gz", "is not unpacked: tar xzf it there"},
        {"cifar-10-python.tar.gz", "is the Python version of CIFAR-10; take the binary one: ./data_fetch.sh cifar10"}};
    gf_status status = gfi_data_begin("gf_data_cifar10", data, "folder", folder);
    if (status != GF_OK) return status;
    memset(file, 0, sizeof file);
    const char *const inside = "cifar-10-batches-bin", *const place =
        !gfi_found(path[0], folder, "", names[test ? 5 : 0]) && gfi_found(path[0], folder, inside, names[test ? 5 : 0])
            ? inside : "";
    if (!gfi_found(path[0], folder, place, names[0]) && !gfi_found(path[0], folder, place, names[5]))
        status = gfi_other_found(folder, others, (int)(sizeof others / sizeof *others));
    for (int i = test ? 5 : 0; i < (test ? 6 : 5) && status == GF_OK; i++) {
        status = gfi_join(path[i], folder, place, names[i]);
        if (status == GF_OK) status = gfi_file_open(&file[i], path[i], "run ./data_fetch.sh cifar10");
        if (status == GF_OK && (file[i].size == 0 || file[i].size % GFI_CIFAR_RECORD != 0))
            status = gfi_fail(GF_ERROR_FORMAT, "%.200s: expected records of %d bytes, found %zu bytes in all; %s",
                              path[i], (int)GFI_CIFAR_RECORD, file[i].size, file[i].hint);
        count += file[i].size / GFI_CIFAR_RECORD;
    }
    if (status == GF_OK) status = gfi_data_alloc(data, gf_image(3, 32, 32), count, GFI_HAS_PIXELS | GFI_HAS_LABELS, 0);
    data->classes = 10;
    for (size_t i = 0, f = 0; f < 6; f++) {
        for (size_t r = 0; r < file[f].size / GFI_CIFAR_RECORD && status == GF_OK; r++, i++) {
            uint8_t record[GFI_CIFAR_RECORD] = {0};
            status = gfi_file_read(&file[f], record, sizeof record);
            if (status == GF_OK && record[0] > 9)
                status = gfi_fail(GF_ERROR_FORMAT, "%.200s: record %zu: label expected 0..9, found %d; %s", path[f], r,
                                  record[0], file[f].hint);
            data->labels[i] = record[0];
            memcpy(data->pixels + i * GFI_CIFAR_PIXELS, record + 1, GFI_CIFAR_PIXELS);
        }
        if (file[f].stream) fclose(file[f].stream);
    }
    if (status != GF_OK) gf_data_free(data);
    return status;
}

// --- .npy: "\x93NUMPY", a version, the length of a text, that text, then the numbers. Such as
//     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } ---

typedef struct gfi_npy {
    unsigned char *file;         // to be freed
    const unsigned char *first;  // number
    int rank, big_end;
    size_t dims[4], width;       // missing sides are 1; bytes of a number
    char kind;                   // f, i, u, b
} gfi_npy;

static double gfi_npy_at(const gfi_npy *npy, size_t i) {
    uint64_t bits = 0;
    for (size_t b = 0; b < npy->width; b++)
        bits |= (uint64_t)npy->first[i * npy->width + (npy->big_end ? npy->width - 1 - b : b)] << 8 * b;
    if (npy->kind == 'f' && npy->width == 4) {
        const uint32_t half = (uint32_t)bits;
        float value;
        memcpy(&value, &half, 4);
        return (double)value;
    }
    if (npy->kind == 'f') {
        double value;
        memcpy(&value, &bits, 8);
        return value;
    }
    const uint64_t sign = UINT64_C(1) << (8 * npy->width - 1);
    return npy->kind == 'i' && (bits & sign) ? -(double)(sign - (bits & (sign - 1))) : (double)bits;
}

// Why this header's array cannot be read, or NULL. Sets all but the file.
static const char *gfi_npy_parse(gfi_npy *npy, const char *text, size_t bytes) {
    const char *type = strstr(text, "'descr': '"), *shape = strstr(text, "'shape': (");
    size_t count = 1;
    if (!type) return "holds records; save one plain array";
    if (!shape || !strstr(text, "'fortran_order': ")) return "its header is damaged; save it again";
    type += 10;
    npy->big_end = *type == '>';
    npy->kind = type[1];
    npy->width = (size_t)(type[2] - '0');
    if (npy->kind == 'O') return "holds Python objects; save x.astype('float32')";
    if (npy->kind == 'U' || npy->kind == 'S') return "holds text; save numpy.unique(y, return_inverse=True)[1]";
    if (!npy->kind || !strchr("fiub", npy->kind) || type[3] != '\'' ||
        !(npy->width == 4 || npy->width == 8 || (npy->kind != 'f' && (npy->width == 1 || npy->width == 2))))
        return "holds numbers of a type that is not read; save x.astype('float32')";
    for (shape += 10, npy->rank = 0; *shape >= '0' && *shape <= '9'; npy->rank++) {
        uint64_t side = 0;
        for (; *shape >= '0' && *shape <= '9'; shape++)
            side = side < 1u << 30 ? 10 * side + (uint64_t)(*shape - '0') : side;
        if (npy->rank == 4) return "has more than 4 sides; reshape it";
        if (side == 0 || side >= 1u << 30 || count > SIZE_MAX / 8 / side) return "has a side of 0 or beyond 2^30";
        npy->dims[npy->rank] = (size_t)side;
        count *= (size_t)side;
        shape += strspn(shape, ", ");
    }
    for (int i = npy->rank; i < 4; i++) npy->dims[i] = 1;
    if (npy->rank == 0) return "is a single number, no array";
    if (npy->rank > 1 && !strstr(text, "'fortran_order': False"))
        return "is in Fortran's order; save numpy.ascontiguousarray(x)";
    return count * npy->width == bytes ? NULL : "has not the length that its header says; save it again";
}

static gf_status gfi_npy_read(gfi_npy *npy, const char *path) {
    size_t size = 0;
    gf_status status = gfi_file_whole(path, "check its name", &npy->file, &size);
    if (status != GF_OK) return status;
    unsigned char *const bytes = npy->file;
    const char *why = "is no .npy file; numpy.save writes them";
    if (size >= 12 && memcmp(bytes, "\x93NUMPY", 6) == 0) {
        const size_t start = bytes[6] == 1 ? 10 : 12;
        size_t length = bytes[8] + 256u * bytes[9];
        if (start == 12) length += 65536u * bytes[10] + 16777216u * bytes[11];
        why = "its header is damaged; save it again";
        if (length > 0 && length <= size - start) {
            bytes[start + length - 1] = '\0';  // a line end
            npy->first = bytes + start + length;
            why = gfi_npy_parse(npy, (const char *)bytes + start, size - start - length);
        }
    } else if (gfi_foreign(path, bytes) != GF_OK) {
        return GF_ERROR_FORMAT;
    }
    return why ? gfi_fail(GF_ERROR_FORMAT, "%.200s: %s", path, why) : GF_OK;
}

// The numbers of both arrays into the data set, each looked at.
static gf_status gfi_npy_fill(gf_dataset *data, const gfi_npy *x, const gfi_npy *y, const char *const paths[2]) {
    const size_t size = gfi_shape_size(data->shape), count = data->count, K = y->dims[1];
    for (size_t i = 0; i < count * size; i++) {
        const double value = gfi_npy_at(x, i);
        if (!isfinite((gf_real)value))
            return gfi_fail(GF_ERROR_FORMAT, "%.120s: number %zu of sample %zu is not finite", paths[0], i % size,
                            i / size);
        if (data->pixels) data->pixels[i] = (uint8_t)value;
        else data->values[i] = (gf_real)value;
    }
    for (size_t i = 0; i < count * K; i++) {
        const double value = gfi_npy_at(y, i);
        int *const label = data->labels ? &data->labels[i / K] : NULL;
        if (label && i % K == 0) *label = K > 1 ? -1 : (int)(value >= 0 && value < data->classes ? value : -1);
        if (label && K > 1 && value == 1 && *label < 0) *label = (int)(i % K);
        else if (label && K > 1 && value != 0) *label = -1;
        else if (data->targets) data->targets[i] = (gf_real)value;
        if (data->targets ? !isfinite((gf_real)value) : i % K == K - 1 && (*label < 0 || (K == 1 && value != *label)))
            return gfi_fail(GF_ERROR_FORMAT, "%.120s: sample %zu has %g; expected %s, classes 0 to %d", paths[1], i / K,
                            value,
                            data->targets ? "a finite number"
                            : K > 1       ? "a single 1 in its row"
                                          : "a whole number",
                            data->classes - 1);
    }
    return GF_OK;
}

GFDEF gf_status gf_data_npy(gf_dataset *data, const char *x_path, const char *y_path, int classes) {
    const char *const paths[2] = {x_path, y_path};
    gfi_npy x, y;
    gf_status status = gfi_data_begin("gf_data_npy", data, x_path ? "y_path" : "x_path", x_path ? y_path : NULL);
    if (status != GF_OK) return status;
    if (classes < 0 || classes == 1)
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_data_npy: classes is %d; expected 2 or more, or 0 for regression",
                        classes);
    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    status = gfi_npy_read(&x, x_path);
    if (status == GF_OK) status = gfi_npy_read(&y, y_path);
    if (status == GF_OK && x.rank == 4 && x.dims[1] > 4 && x.dims[3] <= 4)
        status =
            gfi_fail(GF_ERROR_FORMAT, "%.120s: [%zu,%zu,%zu,%zu] has its channels last; save x.transpose(0, 3, 1, 2)",
                     x_path, x.dims[0], x.dims[1], x.dims[2], x.dims[3]);
    if (status == GF_OK &&
        (y.rank > 2 || y.dims[0] != x.dims[0] || (classes && y.dims[1] > 1 && y.dims[1] != (size_t)classes)))
        status = gfi_fail(GF_ERROR_FORMAT, "%.120s: %d sides, [%zu,%zu,…]; expected [%zu] or [%zu,%s]", y_path, y.rank,
                          y.dims[0], y.dims[1], x.dims[0], x.dims[0], classes ? "classes" : "outputs");
    if (status == GF_OK) {
        const int C = (int)x.dims[1], H = (int)x.dims[2], W = (int)x.dims[3],
                  pixels = x.rank > 2 && x.kind == 'u' && x.width == 1;
        status = gfi_data_alloc(data, x.rank == 3 ? gf_image(1, C, H) : gf_image(C, H, W), x.dims[0],
                                (pixels ? GFI_HAS_PIXELS : 0) | (classes ? GFI_HAS_LABELS : 0),
                                classes ? 0 : (int)y.dims[1]);
    }
    data->classes = classes;
    if (status == GF_OK) status = gfi_npy_fill(data, &x, &y, paths);
    GF_FREE(x.file);
    GF_FREE(y.file);
    if (status != GF_OK) gf_data_free(data);
    return status;
}

// --- CSV as spreadsheets, pandas, R, NumPy and UCI write it ---
// gfi_csv_look finds the separator in the first lines. gfi_csv_tidy rewrites the text in place into cells that end with
// 0, row after row. gfi_csv_survey counts what each column holds, gfi_csv_roles says what each is for, gfi_csv_collect
// lists the words that are classes or categories, gfi_csv_fill reads the numbers.

enum { GFI_WORD, GFI_MISSING, GFI_WHOLE, GFI_POINT, GFI_COMMA };         // kinds of a cell; from GFI_WHOLE on: numbers
enum { GFI_INPUT, GFI_DROPPED, GFI_CATEGORIES, GFI_LABEL, GFI_TARGET };  // what a column is for
enum { GFI_CSV_LOOK = 500, GFI_MAX_WORDS = 1000, GFI_PREDICT = -1000000 };

typedef struct gfi_column {
    const char *name;                      // its cell in the header, or ""
    size_t words, missing, empty, whole, broken;  // cells of each kind; empty: also missing; broken: with a fraction
    double low, high, sum;                 // of its numbers
    int counts, role;                      // counts: it numbers the rows from 0 or 1
    size_t first_word, word_count, place;  // its words in table->word; where it goes in x or in the targets
} gfi_column;

typedef struct gfi_word {  // a class or a category
    size_t column;
    double order;          // within its column: a class's number, or its place of appearance
    gf_name name;
} gfi_word;

typedef struct gfi_table {
    const char *path;
    const gf_csv *how;
    char *at, *cell, *stop, quote;    // what is to be read; the cell without blanks and quotes around it
    char separator, mark;             // between cells; the decimal mark
    int empty_tail;                   // rows end with a separator
    char *first, *body;               // first cell of the first row, of the first sample
    size_t above, rows, columns, header;  // lines above the first row; rows, with the header's
    const char *names;                // the classes' names in a first line as scikit-learn writes it, or NULL
    size_t name_count;
    gfi_column *column;
    gfi_word *word;
    size_t word_count, label, one_hot;  // label: its column, or `columns`; one_hot: that many columns at the end are it
    double class_shift;               // class = number - shift; NaN: its place among the words
    char notes[GFI_NOTES_SIZE];
} gfi_table;

// Read the cell at table->at; 1: another follows on the same line, 0: table->at is at the line's end.
static int gfi_csv_cell(gfi_table *table) {
    const char ends[] = {'\n', '\r', table->separator, table->separator == ' ' ? '\t' : '\0', '\0'};
    const char *const blank = table->separator == '\t' ? " " : " \t";
    char *at = table->at + strspn(table->at, blank), *close = at, *after = NULL;
    table->cell = at;
    table->quote = *at == '"' || *at == '\'' ? *at : '\0';
    if (table->quote) {
        do close = strchr(close + 1, *at);
        while (close && close[1] == *at && *++close);  // two quotes are one inside the cell
        if (close) after = close + 1 + (table->separator == ' ' ? 0 : strspn(close + 1, blank));
        if (!after || !strchr(ends, *after)) table->quote = '\0';  // a word that begins with a quote
    }
    if (table->quote) {
        table->cell++;
        table->stop = close;
        at = after;
    } else {
        at += strcspn(at, ends);
        for (table->stop = at; table->stop > table->cell && strchr(blank, table->stop[-1]);) table->stop--;
    }
    if (table->separator == ' ') at += strspn(at, blank);
    const int more = *at != '\0' && *at != '\n' && *at != '\r';
    table->at = at + (more && table->separator != ' ');
    return more;
}

// Step over blank lines and, where `comments`, those that begin with #; returns over how many.
static size_t gfi_csv_skip(gfi_table *table, int comments) {
    for (size_t lines = 0;; lines++) {
        char *at = table->at + strspn(table->at, " \t");
        if (*at == '#' && comments) at += strcspn(at, "\r\n");
        if (*at == '\0') table->at = at;
        if (*at != '\r' && *at != '\n') return lines;
        table->at = at + 1 + (at[0] == '\r' && at[1] == '\n');
    }
}

// What is in cell..stop? strtod is not asked: it also takes "nan", "0x1p3" and what the locale wants.
static int gfi_cell_kind(const char *cell, const char *stop) {
    static const char *const none[] = {"",     "?",   "-",   ".",    "NA",   "N/A",  "n/a",  "#N/A",
                                       "NaN", "nan", "NAN", "-nan", "NULL", "null", "<NA>", "None"};
    static const char *const truth[] = {"TRUE", "True", "true", "FALSE", "False", "false"};
    const char *const digit = "0123456789", *at = cell + (*cell == '+' || *cell == '-');
    const size_t length = (size_t)(stop - cell), before = strspn(at, digit);
    size_t after = 0;
    int kind = GFI_WHOLE;
    at += before;
    if (at < stop && (*at == '.' || *at == ',')) {
        kind = *at == '.' ? GFI_POINT : GFI_COMMA;
        after = strspn(++at, digit);
        at += after;
    }
    if (before + after > 0 && (*at == 'e' || *at == 'E')) {
        const char *const power = at + 1 + (at[1] == '+' || at[1] == '-');
        const size_t digits = strspn(power, digit);
        if (digits > 0) at = power + digits;
    }
    if (at == stop && (kind == GFI_COMMA ? after : before + after) > 0) return kind;
    for (size_t i = 0; i < sizeof none / sizeof *none && length <= 4; i++)
        if (strlen(none[i]) == length && memcmp(cell, none[i], length) == 0) return GFI_MISSING;
    for (size_t i = 0; i < sizeof truth / sizeof *truth; i++)
        if (strlen(truth[i]) == length && memcmp(cell, truth[i], length) == 0) return GFI_WHOLE;
    return GFI_WORD;
}

// The kind of a whole cell, with this table's decimal mark.
static int gfi_csv_kind(const gfi_table *table, const char *cell) {
    const int kind = gfi_cell_kind(cell, cell + strlen(cell));
    return kind == (table->mark == '.' ? GFI_COMMA : GFI_POINT) ? GFI_WORD : kind;
}

// The number of a cell that is one. strtod rounds correctly; it gets the locale's decimal mark.
static double gfi_csv_number(const gfi_table *table, char *cell) {
    if (strchr("TtFf", *cell)) return *cell == 'T' || *cell == 't';
    double whole = 0;  // most cells are short whole numbers
    const char *at = cell;
    while (*at >= '0' && *at <= '9' && at < cell + 15) whole = 10 * whole + (*at++ - '0');
    if (*at == '\0') return whole;
    char *point = strchr(cell, table->mark);
    if (point) *point = *localeconv()->decimal_point;
    const double value = strtod(cell, NULL);
    if (point) *point = table->mark;
    return value;
}

// How well does this separator explain the first lines? Up to 2: all have as many cells, and each is a number. Sets
// columns, empty_tail and mark.
static double gfi_csv_try(gfi_table *table, char separator) {
    size_t count[GFI_CSV_LOOK], lines = 0, cells = 0, numbers = 0, points = 0, commas = 0, most = 0, empty = 0;
    char *const text = table->at;
    table->separator = separator;
    for (gfi_csv_skip(table, 1); *table->at && lines < GFI_CSV_LOOK; gfi_csv_skip(table, 1), lines++) {
        count[lines] = 0;
        for (int more = 1; more; count[lines]++) {
            more = gfi_csv_cell(table);
            const int kind = gfi_cell_kind(table->cell, table->stop);
            const char *const comma = kind == GFI_COMMA ? strchr(table->cell, ',') : NULL;
            // "1,065" between commas may be a thousand and 65: only "0,5" or "1,06" shows that commas are decimal marks
            const size_t decimal = comma && (separator != ',' || comma + 4 != table->stop || *table->cell == '0');
            numbers += kind != GFI_WORD && (!comma || decimal);
            points += kind == GFI_POINT;
            commas += decimal;
        }
        cells += count[lines];
        empty += table->stop == table->cell;
    }
    table->at = text;
    table->columns = 0;
    for (size_t i = 0; i < lines; i++) {
        size_t same = 0;
        for (size_t j = 0; j < lines; j++) same += count[j] == count[i];
        if (same <= most) continue;
        most = same;
        table->columns = count[i];
    }
    table->empty_tail = 2 * empty > lines;
    table->mark = commas > 0 && points == 0 ? ',' : '.';
    return table->columns < 2 ? 0 : (double)most / (double)lines + (double)numbers / (double)cells;
}

// The line on which a cell of this row stands: every line end that is not a row's own has left its '\n' in the text.
static size_t gfi_csv_line(const gfi_table *table, size_t row, const char *cell) {
    size_t line = 1 + table->above + row;
    for (const char *at = table->first; at < cell; at++) line += *at == '\n';
    return line;
}

// Separator, decimal mark, number of columns. GF_ERROR_FORMAT when no separator makes a table of it.
static gf_status gfi_csv_look(gfi_table *table) {
    static const char separators[] = "\t;|, ";
    double best = 0;
    char found = '\0';
    if (strncmp(table->at, "sep=", 4) == 0 && table->at[4] > ' ') {  // Excel's word for it
        found = table->at[4];
        table->at += 5 + strspn(table->at + 5, "\r");
        table->above = *table->at == '\n';
        table->at += table->above;
    }
    for (const char *s = separators; *s && !table->above; s++) {
        const double fit = gfi_csv_try(table, *s);
        if (fit > best) found = *s;
        if (fit > best) best = fit;
    }
    const char *at = table->at + strspn(table->at, " \t\r\n+-.0123456789eE");
    if (*at == ':' && strspn(table->at, "+-.0123456789eE") < (size_t)(at - table->at))
        return gfi_fail(GF_ERROR_FORMAT,
                        "%.200s: is libsvm's index:value; in Python: sklearn.datasets.load_svmlight_file, "
                        "then numpy.savetxt of x.toarray() and y",
                        table->path);
    gfi_csv_try(table, found ? found : ',');
    char *const start = table->at;
    gfi_csv_skip(table, 1);
    const int length = (int)strcspn(table->at, "\r\n");
    if (length == 0) return gfi_fail(GF_ERROR_FORMAT, "%.200s: no row of numbers found", table->path);
    if (!found || table->columns < 2 || table->columns >= INT_MAX)
        return gfi_fail(GF_ERROR_FORMAT,
                        "%.120s: expected 2 columns or more (sample, then class or target), separated by "
                        ", ; | tabs or blanks; found 1: \"%.*s\"",
                        table->path, length < 40 ? length : 40, table->at);
    table->at = start;
    return GF_OK;
}

// Is the first line, `cells` long, `numbers` of them numbers, a row of the table? A header that has a cell more or less
// than the rows is mended: R leaves out the name of the column of row names, others end some lines with a separator.
static int gfi_csv_first_line(gfi_table *table, char *row, char **to, char *last, size_t *cells, size_t numbers) {
    char *const second = row + strlen(row) + 1;
    if (*cells >= 4 && numbers == 2 && gfi_csv_kind(table, row) == GFI_WHOLE &&
        gfi_csv_kind(table, second) == GFI_WHOLE && gfi_csv_number(table, second) == (double)table->columns - 1) {
        table->names = second + strlen(second) + 1;
        table->name_count = *cells - 2;
        return 0;  // scikit-learn: how many samples, how many features, names of the classes
    }
    if (numbers > 0) return 1;
    if (*cells == 1) {
        gfi_note(table->notes, "line %zu (\"%.30s\") is a title", gfi_csv_line(table, 0, row), row);
        return 0;
    }
    if (*cells == table->columns + 1 && *last == '\0') {
        *to = last;
        --*cells;
    } else if (*cells + 1 == table->columns) {
        if (!table->empty_tail) memmove(row + 1, row, (size_t)(*to - row));
        *(table->empty_tail ? *to : row) = '\0';
        ++*to;
        ++*cells;
    }
    return 1;
}

// Rewrite the text from table->at on, two bytes nearer to the front: so nothing is written over before it is read.
static gf_status gfi_csv_tidy(gfi_table *table) {
    char *to = table->first = table->at - 2;
    size_t seen = 0;  // numbers
    for (;;) {
        for (size_t lines = gfi_csv_skip(table, table->rows > 0); lines > 0; lines--) *to++ = '\n';
        if (*table->at == '\0' && table->rows > 0) return GF_OK;
        if (*table->at == '\0') return gfi_fail(GF_ERROR_FORMAT, "%.200s: no row of numbers found", table->path);
        char *const row = to, *last = to;
        size_t cells = 0, numbers = 0;
        const size_t blanks = strspn(table->at, " \t");
        const int comment = table->at[blanks] == '#';  // above the first row it may be NumPy's header
        if (comment) table->at += blanks + 1;
        for (int more = 1; more; cells++) {
            more = gfi_csv_cell(table);
            last = to;
            for (const char *c = table->cell; c < table->stop; c++) {
                *to++ = *c;
                if (table->quote && *c == table->quote) c++;
            }
            *to++ = '\0';
            numbers += gfi_cell_kind(last, to - 1) >= GFI_WHOLE;
        }
        seen += numbers;
        if (*table->at) table->at += 1 + (table->at[0] == '\r' && table->at[1] == '\n');
        const int above = comment                  ? numbers > 0 || cells != table->columns
                          : table->rows == 0 ? !gfi_csv_first_line(table, row, &to, last, &cells, numbers)
                                                   : 0;
        if (seen == 0 && (size_t)(to - row) == cells) {  // nothing between separators, as Excel writes a blank line
            *row = '\n';
            to = row + 1;
        } else if (above) {
            table->above = gfi_csv_line(table, 0, row);
            table->first = to;
        } else if (cells != table->columns) {
            const char one[] = {'"', table->separator, '"', '\0'};
            return gfi_fail(GF_ERROR_FORMAT,
                            "%.120s: line %zu has %zu columns, expected %zu, separated by %s; mend the "
                            "line, or put quotes around a cell that holds a separator",
                            table->path, gfi_csv_line(table, table->rows, row), cells, table->columns,
                            table->separator == '\t' ? "tabs" : one);
        } else {
            table->rows++;
        }
    }
}

// The next cell; the first of a row follows the '\n' of lines that were skipped.
static char *gfi_csv_next(char *cell) {
    cell += strlen(cell) + 1;
    while (*cell == '\n') cell++;
    return cell;
}

typedef struct gfi_compared {
    size_t numbers, words, below, same;  // cells of a row; numbers below a word of another; words that both have
} gfi_compared;

// Add what row, compared with the row `over`, shows; returns the next row.
static char *gfi_csv_compare(const gfi_table *table, char *row, char *over, gfi_compared *sum) {
    for (size_t c = 0; c < table->columns; c++, row = gfi_csv_next(row), over = gfi_csv_next(over)) {
        const int kind = gfi_csv_kind(table, row);
        sum->numbers += kind >= GFI_WHOLE;
        sum->words += kind == GFI_WORD;
        sum->below += kind >= GFI_WHOLE && gfi_csv_kind(table, over) == GFI_WORD;
        sum->same += kind == GFI_WORD && strcmp(row, over) == 0;
    }
    return row;
}

// Does this first row number the columns, 0 1 2 … or 1 2 3 …, as pandas does for want of names? 1 yes, 0 no, -1 who
// knows. An empty cell may stand before. In a table that goes on counting (NumPy's arange) it is a sample.
static int gfi_csv_numbered(const gfi_table *table, char *cell) {
    const size_t index = *cell == '\0', n = table->columns - index;
    if (index) cell = gfi_csv_next(cell);
    const double start = *cell == '0' ? 0 : 1;
    for (size_t i = 0; i < n; i++, cell = gfi_csv_next(cell))
        if (gfi_csv_kind(table, cell) != GFI_WHOLE || gfi_csv_number(table, cell) != start + (double)i) return 0;
    int whole = 1, goes_on = 1;
    if (index) cell = gfi_csv_next(cell);
    for (size_t i = 0; i < n && table->rows > 1; i++, cell = gfi_csv_next(cell)) {
        whole = whole && gfi_csv_kind(table, cell) == GFI_WHOLE;
        goes_on = goes_on && whole && gfi_csv_number(table, cell) == start + (double)(n + i);
    }
    if (n < 3 || table->rows < 2 || (goes_on && !index)) return 0;
    return !whole || index || (start == 0 && n >= 6) ? 1 : start == 0 ? -1 : 0;
}

// How many rows at the top are no samples: names, then perhaps units? The one with most words names the columns.
static gf_status gfi_csv_header(gfi_table *table) {
    char *const top = table->first + strspn(table->first, "\n"), *row = top, *names = top;
    gfi_compared first = {0, 0, 0, 0}, rest = {0, 0, 0, 0};
    const int asked = table->how->header, numbered = asked ? 0 : gfi_csv_numbered(table, top);
    row = gfi_csv_compare(table, row, row, &first);
    for (size_t r = 1; r < table->rows && r <= GFI_CSV_LOOK; r++) row = gfi_csv_compare(table, row, top, &rest);
    if (numbered < 0)
        return gfi_fail(GF_ERROR_FORMAT,
                        "%.120s: line %zu is 0, 1, 2, …: does it number the columns? gf_csv how = {0}; "
                        "how.header = 1 (-1: it is a sample); gf_data_csv_as(&data, path, &how)",
                        table->path, gfi_csv_line(table, 0, top));
    table->header = numbered > 0 || (first.numbers == 0 && first.words > 0 &&
                                     (rest.below > 0 || (rest.numbers == 0 && rest.same == 0)));
    if (asked) table->header = asked < 0 ? 0 : (size_t)asked < table->rows ? (size_t)asked : table->rows;
    table->body = top;
    for (size_t r = 0, most = 0; r < table->header; r++) {
        gfi_compared here = {0, 0, 0, 0}, next = {0, 0, 0, 0};
        char *const after = gfi_csv_compare(table, table->body, top, &here);
        if (here.words > most) names = table->body;
        if (here.words > most) most = here.words;
        table->body = after;
        if (asked || r + 2 >= table->rows || r + 1 < table->header || r > 1) continue;
        here.numbers = here.words = 0;
        gfi_csv_compare(table, gfi_csv_compare(table, after, top, &here), after, &next);  // units: words above numbers
        table->header += here.numbers == 0 && here.words > 0 && next.below > 0;
    }
    table->column = (gfi_column *)gfi_alloc(table->columns, sizeof *table->column);
    if (!table->column)
        return gfi_fail(GF_ERROR_MEMORY, "%.120s: no memory for %zu columns", table->path, table->columns);
    memset(table->column, 0, table->columns * sizeof *table->column);
    for (size_t c = 0; c < table->columns; c++, names = table->header ? gfi_csv_next(names) : names)
        table->column[c].name = table->header ? names : "";
    if (table->header == table->rows) return gfi_fail(GF_ERROR_FORMAT, "%.120s: no row of numbers found", table->path);
    if (table->header) gfi_note(table->notes, "line %zu is the header", gfi_csv_line(table, 0, top));
    return GF_OK;
}

// What does each column hold?
static void gfi_csv_survey(gfi_table *table) {
    char *cell = table->body;
    for (size_t r = 0; r < table->rows - table->header; r++)
        for (size_t c = 0; c < table->columns; c++, cell = gfi_csv_next(cell)) {
            gfi_column *const column = &table->column[c];
            const int kind = gfi_csv_kind(table, cell);
            const double value = kind >= GFI_WHOLE ? gfi_csv_number(table, cell) : -1;
            column->words += kind == GFI_WORD;
            column->missing += kind == GFI_MISSING;
            column->empty += *cell == '\0';
            column->counts = r == 0 ? value == 0 || value == 1 : column->counts && value == column->high + 1;
            if (kind < GFI_WHOLE) continue;
            const int first = column->whole + column->broken == 0;
            if (value == floor(value)) column->whole++;
            else column->broken++;
            if (first || value < column->low) column->low = value;
            if (first || value > column->high) column->high = value;
            column->sum += value;
        }
}

// Refuse a cell (or, where it is NULL, the whole column c), and say which option settles it for the column `of`.
static gf_status gfi_csv_refuse(const gfi_table *table, size_t r, size_t c, const char *cell, const char *why,
                                const char *option, size_t of) {
    char line[32] = "", shown[40] = "", how[140] = "", key[48];
    const char *const name = table->column[c].name, *const call = "; gf_csv how = {0}; how.";
    if (cell) gfi_print(line, sizeof line, "line %zu, ", gfi_csv_line(table, r, cell));
    if (cell) gfi_print(shown, sizeof shown, " \"%.24s\":", cell);
    gfi_print(key, sizeof key, "%zu", of + 1);
    if (table->column[of].name[0] && !strpbrk(table->column[of].name, ",\""))
        gfi_print(key, sizeof key, "%s", table->column[of].name);
    if (option && strchr(option, '=')) gfi_print(how, sizeof how, "%s%s", call, option);
    else if (option) gfi_print(how, sizeof how, "%s%s = \"%s\"", call, option, key);
    return gfi_fail(GF_ERROR_FORMAT, "%.100s: %scolumn %zu%s%.40s%s:%s %s%s%s", table->path, line, c + 1,
                    *name ? " \"" : "", name, *name ? "\"" : "", shown, why, how,
                    option ? "; gf_data_csv_as(&data, path, &how)" : "");
}

// Is this name, in any case, one of the words in the list, each between bars?
static int gfi_csv_named(const char *name, const char *list) {
    char word[24] = "|";
    const size_t length = strlen(name);
    if (length > 20) return 0;
    for (size_t i = 0; i < length; i++) word[1 + i] = gfi_lower(name[i]);
    word[1 + length] = '|';
    return strstr(list, word) != NULL;
}

// The columns that a list of names or numbers ("-1": the last) names get this role.
static gf_status gfi_csv_assign(gfi_table *table, const char *list, int role, const char *option) {
    size_t last = table->columns;
    while (last > 1 && table->column[last - 1].role == GFI_DROPPED && !*table->column[last - 1].name) last--;
    for (size_t length; list && *list; list += length + (list[length] == ',')) {
        length = strcspn(list, ",");
        const long number = strtol(list, NULL, 10);
        size_t c = 0;
        while (c < table->columns &&
               (strlen(table->column[c].name) != length || memcmp(table->column[c].name, list, length) != 0)) c++;
        if (c == table->columns && number != 0 && labs(number) <= (long)last)
            c = number > 0 ? (size_t)number - 1 : last - (size_t)-number;
        if (c == table->columns)
            return gfi_fail(GF_ERROR_ARGUMENT,
                            "%.100s: how.%s names a column \"%.*s\"; there are %zu, from \"%.40s\" to "
                            "\"%.40s\"",
                            table->path, option, (int)length, list, table->columns, table->column[0].name,
                            table->column[table->columns - 1].name);
        if (table->column[c].role != GFI_INPUT && table->column[c].role != role)
            return gfi_fail(GF_ERROR_ARGUMENT, "%.100s: how.%s names column %zu, which another option of how names too",
                            table->path, option, c + 1);
        table->column[c].role = role;
    }
    return GF_OK;
}

// Leave out what is no property of a sample: empty columns, names and numbers of rows.
static gf_status gfi_csv_leave_out(gfi_table *table) {
    const size_t samples = table->rows - table->header;
    if (table->how->drop) return gfi_csv_assign(table, table->how->drop, GFI_DROPPED, "drop");
    for (size_t c = 0; c < table->columns; c++) {
        gfi_column *const column = &table->column[c];
        const int empty = column->empty == samples, sure = gfi_csv_named(column->name, "|id|unnamed: 0|");
        const int lists =
            column->words == samples || (column->whole == samples && (column->counts || sure || !*column->name));
        const size_t length = strlen(column->name);
        const int unnamed = c == 0 && table->header > 0 && !*column->name;
        const char *const why = empty ? "is empty" : column->counts ? "counts the rows" : "names the rows";
        if (empty ? !*column->name || strncmp(column->name, "Unnamed", 7) == 0
                  : lists &&
                        (unnamed || sure ||
                         gfi_csv_named(column->name, "|index|idx|row|rowid|row_id|rownames|row.names|no|no.|nr|#|") ||
                         (length > 2 && column->counts && gfi_csv_named(column->name + length - 2, "|id|"))))
            column->role = GFI_DROPPED;
        if (column->role == GFI_DROPPED || (column->counts && *column->name && samples > 4))
            gfi_note(table->notes, "column %zu \"%.20s\" %s%s", c + 1, column->name, why,
                     column->role == GFI_DROPPED ? " and is left out" : "");
    }
    if (table->column[0].role != GFI_INPUT || !table->column[0].counts || *table->column[0].name ||
        table->columns < 3 || samples < 5)
        return GF_OK;
    return gfi_csv_refuse(table, 0, 0, NULL, "counts the rows: leave it out, or keep it by how.drop = \"\"", "drop", 0);
}

// Are the last K columns 0 but for one 1 in each row, from column `first` on?
static int gfi_csv_is_one_hot(const gfi_table *table, size_t first, size_t last) {
    char *cell = table->body;
    for (size_t c = first; c < last; c++) {
        const gfi_column *const column = &table->column[c];
        if (column->role != GFI_INPUT || column->low != 0 || column->high != 1 ||
            column->whole != table->rows - table->header) return 0;
    }
    for (size_t r = table->header; r < table->rows; r++) {
        double sum = 0;
        for (size_t c = 0; c < table->columns; c++, cell = gfi_csv_next(cell))
            if (c >= first && c < last) sum += gfi_csv_number(table, cell);
        if (sum != 1) return 0;
    }
    return 1;
}

// Which column is the answer, if how does not say it? One that is called so, or the last, or a one-hot tail.
static gf_status gfi_csv_answer(gfi_table *table) {
    const int classes = table->how->classes;
    const char *const names = classes < 0
                                  ? "|target|targets|"
                                  : "|label|labels|class|classes|species|category|diagnosis|outcome|target|targets|";
    size_t last = table->columns, named = 0, c = 0;
    while (last > 0 && table->column[last - 1].role != GFI_INPUT) last--;
    if (last == 0) return gfi_fail(GF_ERROR_FORMAT, "%.200s: no column is left", table->path);
    for (size_t i = 0; i < last; i++) {
        const char *const name = table->column[i].name;
        const size_t called = table->column[i].role == GFI_INPUT &&
                              (gfi_csv_named(name, names) || (i == 0 && gfi_csv_named(name, "|y|")));
        if (called) c = i;
        named += called;
    }
    if (named > 1 && c != last - 1)
        return gfi_csv_refuse(table, 0, c, NULL, "is one of several that may be the class; say which", "label", c);
    if (named != 1) c = last - 1;
    const size_t K = classes > 1 ? (size_t)classes : 0;
    if (named == 0 && K > 0 && K < last && gfi_csv_is_one_hot(table, last - K, last)) {
        for (size_t i = last - K; i < last; i++) table->column[i].role = GFI_LABEL;
        return GF_OK;
    }
    const int doubtful = classes == 0 && table->column[c].words == 0 &&
                         !(named && !gfi_csv_named(table->column[c].name, "|target|targets|outcome|y|"));
    if (doubtful)
        return gfi_csv_refuse(table, 0, c, NULL, "is it the class (label), or the number to predict (targets)?",
                              "label", c);
    table->column[c].role = classes < 0 ? GFI_TARGET : GFI_LABEL;
    if (c != last - 1)
        gfi_note(table->notes, "column %zu \"%.20s\" is the %s by its name", c + 1, table->column[c].name,
                 classes < 0 ? "target" : "class");
    return GF_OK;
}

// Which column is what? Sets the places of inputs and targets; a label that is several columns is one-hot.
static gf_status gfi_csv_roles(gfi_table *table) {
    const gf_csv *const how = table->how;
    gf_status status = gfi_csv_leave_out(table);
    if (status == GF_OK) status = gfi_csv_assign(table, how->label, GFI_LABEL, "label");
    if (status == GF_OK) status = gfi_csv_assign(table, how->targets, GFI_TARGET, "targets");
    const char *const categories = how->categories ? how->categories : "";
    const int all = strcmp(categories, "*") == 0;
    if (status == GF_OK && !all) status = gfi_csv_assign(table, categories, GFI_CATEGORIES, "categories");
    if (status == GF_OK && !how->label && !how->targets) status = gfi_csv_answer(table);
    table->label = table->columns;
    for (size_t c = 0; c < table->columns; c++) {
        gfi_column *const column = &table->column[c];
        if (all && column->role == GFI_INPUT && column->words > 0) column->role = GFI_CATEGORIES;
        if (column->role != GFI_LABEL) continue;
        if (table->one_hot++ == 0) table->label = c;
    }
    if (table->one_hot == 1) table->one_hot = 0;
    return status;
}

// Refuse a cell that should be a number and is not.
static gf_status gfi_csv_no_number(const gfi_table *table, size_t r, size_t c, const char *cell) {
    static const char *const hints[][2] = {{"\"", "its quote is never closed"},
                                           {"%", "take the sign away"},
                                           {"$", "take the sign away"},
                                           {"\xE2\x82\xAC", "take the sign away"},
                                           {"\xC2\xA3", "take the sign away"},
                                           {"\xE2\x88\x92", "its minus should be -"},
                                           {"\xC2\xA0", "a non-breaking space"},
                                           {"\xE2\x80\xAF", "a non-breaking space"},
                                           {"inf", "training needs finite numbers"},
                                           {"Inf", "training needs finite numbers"},
                                           {";", "another separator?"},
                                           {"\t", "another separator?"},
                                           {":", "a time? leave it out by how.drop"},
                                           {"/", "a date? leave it out by how.drop"},
                                           {",", "commas for thousands, or beside decimal points? write 1065.5"}};
    const gfi_column *const column = &table->column[c];
    const int mostly = 2 * column->words > table->rows - table->header, first = r == 0 && table->header == 0;
    char why[120] = "is not a decimal number";
    const char *hint = *cell && strcmp(cell, column->name) == 0 ? "the header again: two files in one?" : NULL;
    for (size_t i = *cell == '"' ? 0 : 1; i < sizeof hints / sizeof *hints && !hint; i++)
        if (strstr(cell, hints[i][0]) && (!mostly || strpbrk(cell, "0123456789"))) hint = hints[i][1];
    if (!hint && strspn(cell, "0123456789-") >= 8) hint = "a date? leave it out by how.drop";
    if (hint) gfi_append(why, sizeof why, "; %s", hint);
    else if (column->role == GFI_TARGET && mostly) gfi_append(why, sizeof why, "; are these classes?");
    else if (mostly) gfi_append(why, sizeof why, "; leave out such words by how.drop, or make a column of each");
    else if (first) gfi_append(why, sizeof why, "; is it a header?");
    const char *const option = hint     ? NULL
                               : mostly ? column->role == GFI_TARGET ? "label" : "categories"
                               : first  ? "header = 1"
                                        : NULL;
    return gfi_csv_refuse(table, r, c, cell, why, option, c);
}

// The word of this column that the cell is, `count` where it is new.
static size_t gfi_csv_find(const gfi_table *table, size_t c, const char *cell, double number) {
    const gfi_column *const column = &table->column[c];
    const int by_number = column->role == GFI_LABEL && column->words == 0;
    size_t i = column->first_word;
    while (i < table->word_count && (table->word[i].column != c || (by_number ? table->word[i].order != number
                                                                            : strcmp(table->word[i].name, cell) != 0)))
        i++;
    return i;
}

static gf_status gfi_csv_add(gfi_table *table, size_t c, double order, const char *name) {
    if (table->word_count % GFI_CSV_LOOK == 0) {  // room for as many more
        gfi_word *more = (gfi_word *)gfi_alloc(table->word_count + GFI_CSV_LOOK, sizeof *more);
        if (!more) return gfi_fail(GF_ERROR_MEMORY, "%.120s: no memory for %zu words", table->path, table->word_count);
        if (table->word) memcpy(more, table->word, table->word_count * sizeof *more);
        GF_FREE(table->word);
        table->word = more;
    }
    gfi_word *const word = &table->word[table->word_count++];
    word->column = c;
    word->order = order;
    gfi_print(word->name, sizeof word->name, "%s", name);
    table->column[c].word_count++;
    return GF_OK;
}

static int gfi_word_order(const void *a, const void *b) {
    const gfi_word *const p = (const gfi_word *)a, *const q = (const gfi_word *)b;
    if (p->column != q->column) return p->column < q->column ? -1 : 1;
    if (p->order != q->order) return p->order < q->order ? -1 : 1;
    return strcmp(p->name, q->name);
}

// Refuse a class, or the label's whole column. Another column whose numbers span as many classes may be meant.
static gf_status gfi_csv_no_class(const gfi_table *table, size_t r, const char *cell, const char *why) {
    const int K = table->how->classes;
    char text[200];
    for (size_t c = 0; c < table->columns && K > 1; c++) {
        const gfi_column *const column = &table->column[c];
        if (column->role != GFI_INPUT || column->words + column->broken > 0 || column->high - column->low != K - 1)
            continue;
        gfi_print(text, sizeof text, "%s, no class; is it column %zu?", why, c + 1);
        return gfi_csv_refuse(table, r, table->label, cell, text, "label", c);
    }
    gfi_print(text, sizeof text, "%s, no class; a number to predict?", why);
    return gfi_csv_refuse(table, r, table->label, cell, text, K == GFI_PREDICT ? NULL : "targets", table->label);
}

// One cell in the pass that checks them all and lists the words of the label and of columns of categories.
static gf_status gfi_csv_check(gfi_table *table, size_t r, size_t c, char *cell) {
    gfi_column *const column = &table->column[c];
    const int label = column->role == GFI_LABEL && !table->one_hot, listed = label || column->role == GFI_CATEGORIES;
    if (!listed && column->words + column->missing == 0 && isfinite((gf_real)column->low) &&
        isfinite((gf_real)column->high))
        return GF_OK;  // gfi_csv_survey has seen it: numbers, none too large
    const int kind = gfi_csv_kind(table, cell);
    const double value = kind >= GFI_WHOLE ? gfi_csv_number(table, cell) : 0;
    char why[120];
    size_t missing = 0;
    if (kind == GFI_MISSING) {
        if (table->how->missing != GF_MISSING_REFUSE) return GF_OK;
        for (size_t i = 0; i < table->columns; i++)
            missing += table->column[i].role == GFI_DROPPED ? 0 : table->column[i].missing;
        gfi_print(why, sizeof why, "is missing, the first of %zu; drop such rows, or take the column's mean "
                                   "(GF_MISSING_MEAN)", missing);
        return gfi_csv_refuse(table, r, c, cell, why, "missing = GF_MISSING_DROP", c);
    }
    if (!isfinite((gf_real)value)) return gfi_csv_refuse(table, r, c, cell, "the number is too large", NULL, c);
    if (!listed)
        return kind == GFI_WORD ? gfi_csv_no_number(table, r, c, cell) : GF_OK;
    const double order = !label ? 0 : column->words > 0 ? (double)column->word_count : value;
    if (gfi_csv_find(table, c, cell, order) < table->word_count) return GF_OK;
    if (kind == GFI_WORD && strcmp(cell, column->name) == 0) return gfi_csv_no_number(table, r, c, cell);
    if (label && table->how->like)
        return gfi_csv_refuse(table, r, c, cell, "is none of the classes of how.like", NULL, c);
    if (label && column->words == 0 && order != floor(order))
        return gfi_csv_no_class(table, r, cell, "is no whole number");
    if (column->word_count >= GFI_MAX_WORDS || strlen(cell) >= sizeof(gf_name))
        return gfi_csv_refuse(table, r, c, cell, "there may be 1000 words, of 63 bytes each", "drop", c);
    gfi_print(why, sizeof why, "%.10g", order);
    return gfi_csv_add(table, c, order, label && column->words == 0 && !strchr("TtFf", *cell) ? why : cell);
}

// First pass: which words are in the label and in the columns of categories? Sorted at the end, column by column.
static gf_status gfi_csv_collect(gfi_table *table) {
    const gf_dataset *const like = table->how->like;
    gf_status status = GF_OK;
    char *cell = table->body;
    for (int k = 0; like && like->class_names && table->label < table->columns && k < like->classes; k++) {
        const double number = strtod(like->class_names[k], NULL);
        status = gfi_csv_add(table, table->label, table->column[table->label].words ? k : number, like->class_names[k]);
        if (status != GF_OK) return status;
    }
    for (size_t r = table->header; r < table->rows; r++)
        for (size_t c = 0; c < table->columns && status == GF_OK; c++, cell = gfi_csv_next(cell))
            if (table->column[c].role != GFI_DROPPED) status = gfi_csv_check(table, r, c, cell);
    if (status != GF_OK) return status;
    if (table->word_count) qsort(table->word, table->word_count, sizeof *table->word, gfi_word_order);
    for (size_t i = table->word_count; i > 0; i--) table->column[table->word[i - 1].column].first_word = i - 1;
    return GF_OK;
}

// Which number is which class? Numbers 0..K-1 are their own, 1..K are shifted; of others (-1 and 1, 2 and 4) and of words
// there must be K, in their order. Sets classes and class_names, unless the names would be the numbers of the classes.
static gf_status gfi_csv_classes(gfi_table *table, gf_dataset *data) {
    const gf_csv *const how = table->how;
    const gfi_column *column = &table->column[table->label];
    const gfi_word *const word = table->word + column->first_word;
    const size_t n = table->one_hot ? table->one_hot : column->word_count;
    const int given = how->like ? how->like->classes : how->classes > 0 ? how->classes : (int)n;
    const int by_words = table->one_hot || column->words > 0 || (how->like && how->like->class_names) ||
                         (n > 0 && strchr("TtFf", word[0].name[0]));
    const size_t samples = table->rows - table->header;
    char why[160] = "";
    if (n == 0) return gfi_csv_no_class(table, 0, NULL, "holds nothing");
    table->class_shift = NAN;
    if (!by_words && word[0].order >= 0 && word[n - 1].order < given) table->class_shift = 0;
    else if (!by_words && word[0].order >= 1 && word[n - 1].order <= given) table->class_shift = 1;
    const int few = n == 1 && !how->like && samples > 1, many = !by_words && n == samples && n > 2;
    if (few || (isnan(table->class_shift) && (n != (size_t)given || many))) {
        gfi_print(why, sizeof why, "%zu different values in %zu rows, expected %d (", n, samples, given);
        for (size_t i = 0; i < n && i < 6 && !table->one_hot; i++)
            gfi_append(why, sizeof why, i ? ", %.12s" : "%.12s", word[i].name);
        gfi_append(why, sizeof why, n > 6 ? ", …)" : ")");
        return gfi_csv_no_class(table, 0, NULL, why);
    }
    data->classes = given;
    const char *at = table->name_count == (size_t)given ? table->names : NULL;
    if (!at && table->class_shift == 0) return GF_OK;
    data->class_names = (gf_name *)gfi_alloc((size_t)given, sizeof *data->class_names);
    if (!data->class_names) return gfi_fail(GF_ERROR_MEMORY, "%.120s: no memory for %d names", table->path, given);
    for (int k = 0; k < given; k++, column++, at = at ? at + strlen(at) + 1 : NULL) {
        while (table->one_hot && column->role != GFI_LABEL) column++;
        const char *const name = at                          ? at
                                 : table->one_hot            ? column->name
                                 : isnan(table->class_shift) ? word[k].name
                                                             : "";
        if (*name) gfi_print(data->class_names[k], sizeof(gf_name), "%s", name);
        else gfi_print(data->class_names[k], sizeof(gf_name), "%d", k + (int)(table->class_shift == 1));
    }
    return GF_OK;
}

// One cell of row r into sample i. 0: the row is to be left out.
static int gfi_csv_put(gfi_table *table, gf_dataset *data, size_t c, char *cell, size_t i) {
    const gfi_column *const column = &table->column[c];
    const int word = column->words > 0, missing = column->missing > 0 && gfi_csv_kind(table, cell) == GFI_MISSING;
    const size_t numbers = column->whole + column->broken, place = column->place;
    if (missing && (column->role >= GFI_LABEL || table->how->missing == GF_MISSING_DROP || (!word && numbers == 0)))
        return 0;
    if (missing && column->role == GFI_CATEGORIES) return 1;
    const double value = missing ? column->sum / (double)numbers : word ? 0 : gfi_csv_number(table, cell);
    const int listed = column->role == GFI_CATEGORIES || (column->role == GFI_LABEL && !table->one_hot);
    const size_t at = listed ? gfi_csv_find(table, c, cell, value) - column->first_word : 0;
    if (column->role == GFI_INPUT) data->values[i * (size_t)data->shape.channels + place] = (gf_real)value;
    else if (column->role == GFI_CATEGORIES) data->values[i * (size_t)data->shape.channels + place + at] = 1;
    else if (column->role == GFI_TARGET) data->targets[i * (size_t)data->outputs + place] = (gf_real)value;
    else if (!table->one_hot) data->labels[i] = isnan(table->class_shift) ? (int)at : (int)(value - table->class_shift);
    else if (value != 0) data->labels[i] = value == 1 && data->labels[i] == -1 ? (int)place : -2;
    return 1;
}

// Second pass: the numbers. Rows that are left out leave no gap.
static gf_status gfi_csv_fill(gfi_table *table, gf_dataset *data) {
    const size_t size = (size_t)data->shape.channels;
    char *cell = table->body;
    size_t i = 0;
    for (size_t r = table->header; r < table->rows; r++) {
        int whole = 1;
        if (data->labels) data->labels[i] = -1;
        memset(data->values + i * size, 0, size * sizeof *data->values);
        for (size_t c = 0; c < table->columns; c++, cell = gfi_csv_next(cell))
            if (table->column[c].role != GFI_DROPPED && whole) whole = gfi_csv_put(table, data, c, cell, i);
        if (whole && data->labels && data->labels[i] < 0)
            return gfi_csv_no_class(table, r, cell, "these columns are not one-hot");
        i += (size_t)whole;
    }
    if (i == 0) return gfi_fail(GF_ERROR_FORMAT, "%.120s: every row has a missing cell", table->path);
    if (i < data->count) gfi_note(table->notes, "%zu rows with missing cells are left out", data->count - i);
    data->count = i;
    return GF_OK;
}

// From the rows of cells to the data set.
static gf_status gfi_csv_to_data(gfi_table *table, gf_dataset *data) {
    size_t inputs = 0, outputs = 0, labels = 0;
    gf_dataset classes;
    memset(&classes, 0, sizeof classes);
    gf_status status = gfi_csv_header(table);
    if (status != GF_OK) return status;
    gfi_csv_survey(table);
    status = gfi_csv_roles(table);
    if (status == GF_OK) status = gfi_csv_collect(table);
    if (status == GF_OK && table->label < table->columns) status = gfi_csv_classes(table, &classes);
    for (size_t c = 0; c < table->columns; c++) {
        gfi_column *const column = &table->column[c];
        column->place = column->role == GFI_TARGET ? outputs : column->role == GFI_LABEL ? labels++ : inputs;
        outputs += column->role == GFI_TARGET;
        inputs += column->role == GFI_INPUT ? 1 : column->role == GFI_CATEGORIES ? column->word_count : 0;
    }
    if (status == GF_OK && (inputs == 0 || inputs > INT_MAX))
        status = gfi_fail(GF_ERROR_FORMAT, "%.120s: %zu columns are left for the sample", table->path, inputs);
    if (status == GF_OK)
        status = gfi_data_alloc(data, gf_vector((int)inputs), table->rows - table->header,
                                classes.classes ? GFI_HAS_LABELS : 0, (int)outputs);
    data->classes = classes.classes;
    data->class_names = classes.class_names;
    if (status == GF_OK) status = gfi_csv_fill(table, data);
    memcpy(data->notes, table->notes, sizeof data->notes);
    return status;
}

static gf_status gfi_csv_load(gf_dataset *data, const char *path, const gf_csv *how) {
    unsigned char *text = NULL;
    size_t size = 0;
    gfi_table table;
    gf_status status = gfi_data_begin("gf_data_csv", data, "path", path);
    if (status != GF_OK) return status;
    if ((how->classes < 0 && how->classes != GFI_PREDICT) || how->classes == 1)
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_data_csv: classes is %d; expected 2 or more, or 0 for regression",
                        how->classes);
    status = gfi_file_whole(path, "check its name", &text, &size);
    if (status == GF_OK) status = gfi_foreign(path, text);
    if (status == GF_OK && memchr(text, 0, size))
        status = gfi_fail(GF_ERROR_FORMAT, "%.200s: holds bytes of zero; expected plain text (UTF-8)", path);
    if (status == GF_OK) {
        const size_t mark = memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;  // UTF-8's, written by spreadsheets
        memset(&table, 0, sizeof table);
        table.path = path;
        table.how = how;
        table.at = (char *)text + 2;
        memmove(table.at, text + mark, size - mark + 1);
        status = gfi_csv_look(&table);
        if (status == GF_OK) status = gfi_csv_tidy(&table);
        if (status == GF_OK) status = gfi_csv_to_data(&table, data);
        GF_FREE(table.column);
        GF_FREE(table.word);
    }
    GF_FREE(text);
    if (status != GF_OK) gf_data_free(data);
    return status;
}

GFDEF gf_status gf_data_csv(gf_dataset *data, const char *path, int classes) {
    const gf_csv how = {NULL, NULL, NULL, NULL, classes == 0 ? GFI_PREDICT : classes, GF_MISSING_REFUSE, 0, NULL};
    return gfi_csv_load(data, path, &how);
}

GFDEF gf_status gf_data_csv_as(gf_dataset *data, const char *path, const gf_csv *how) {
    const gf_csv usual = {NULL, NULL, NULL, NULL, 0, GF_MISSING_REFUSE, 0, NULL};
    return gfi_csv_load(data, path, how ? how : &usual);
}

// [GF:SAVE] Checkpoints -----------------------------------------------------------------------------------------------
// A file is: magic "GRADFLOW", then the numbers of gfi_head, 8 bytes each, lowest byte first on every machine, then the
// architecture in words, then the arrays, then the CRC-32 of all before it. It is put together in memory and written
// whole or not at all. Loading trusts none of it: gfi_read_head and gfi_check_head judge before anything is changed.

#define GFI_SAVE_MAGIC "GRADFLOW"

typedef struct gfi_head {
    uint64_t version, width;             // 1; bytes of a gf_real
    uint64_t words, params, state;       // lengths of the text and of the arrays
    uint64_t seed, step;                 // of the net
    uint64_t optim, moments, optim_step; // 1 + kind or 0 for none; 1 for m + 2 for v; steps it has taken
    double lr;
    uint64_t has_batches, epoch, position;  // has_batches: 1 if so, + 256 · (1 + kind of the last loss)
} gfi_head;

enum { GFI_SAVE_VERSION = 1, GFI_HEAD_SIZE = 8 + sizeof(gfi_head), GFI_WORDS_SIZE = 4096 };

typedef struct gfi_bytes {  // a file in memory
    unsigned char *data;
    size_t size, at;        // at: where it is written or read next
} gfi_bytes;

// count elements of `width` bytes each, between memory and the file, which has the lowest byte first on every machine.
static void gfi_transfer(gfi_bytes *bytes, void *memory, size_t count, size_t width, int load) {
    const uint16_t one = 1;
    const size_t flip = *(const unsigned char *)&one == 1 ? 0 : width - 1;  // this machine has the highest byte first
    unsigned char *element = (unsigned char *)memory;
    for (size_t i = 0; i < count; i++, element += width) {
        for (size_t j = 0; j < width; j++) {
            unsigned char *in_file = &bytes->data[bytes->at++], *in_memory = &element[flip ? flip - j : j];
            if (load) *in_memory = *in_file;
            else *in_file = *in_memory;
        }
    }
}

static void gfi_transfer_arrays(gfi_bytes *bytes, gf_net *net, const gf_optim *optim, int load) {
    gfi_transfer(bytes, net->params, net->param_count, sizeof(gf_real), load);
    gfi_transfer(bytes, net->state, net->state_count, sizeof(gf_real), load);
    if (optim && optim->m) gfi_transfer(bytes, optim->m, net->param_count, sizeof(gf_real), load);
    if (optim && optim->v) gfi_transfer(bytes, optim->v, net->param_count, sizeof(gf_real), load);
}

// CRC-32 (ISO 3309, as in PNG and zip), half a byte at a time.
static uint32_t gfi_crc32(const unsigned char *data, size_t n) {
    uint32_t table[16], crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < 16; i++) {
        table[i] = i;
        for (int bit = 0; bit < 4; bit++) table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xEDB88320u : table[i] >> 1;
    }
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

// What a layer's name and shape do not say: "tanh 0", "0.5", "mark1", "3x3/1x1+1x1".
static void gfi_layer_details(const gf_net *net, const gfi_layer *layer, char *text, size_t size) {
    const gf_window *w = &layer->window;
    text[0] = '\0';
    if (layer->kind == &gfi_activation) gfi_print(text, size, " %s %.17g", gfi_act_label(layer->act), layer->act.param);
    else if (layer->kind == &gfi_dropout) gfi_print(text, size, " %.17g", layer->rate);
    else if (layer->kind == &gfi_add || layer->kind == &gfi_add_projection)
        gfi_print(text, size, " %s", net->layers[layer->mark - 1].name);
    else if (w->kernel_h > 0)
        gfi_print(text, size, " %dx%d/%dx%d+%dx%d", w->kernel_h, w->kernel_w, w->stride_h, w->stride_w, w->padding_h,
                  w->padding_w);
}

// The net in words, such as "input 1x28x28 dense1 256x1x1 act1 256x1x1 relu 0 …": two nets that agree in them can
// exchange checkpoints. Cut off where `size` ends.
static void gfi_architecture(const gf_net *net, char *text, size_t size) {
    const gfi_layer *const layers = net->layers;
    gf_shape shape = net->input;
    size_t used = (size_t)gfi_print(text, size, "input %dx%dx%d", shape.channels, shape.height, shape.width);
    for (int i = 0; i < net->layer_count && used < size; i++) {
        char details[256];
        gfi_layer_details(net, &layers[i], details, sizeof details);
        shape = layers[i].out;
        used += (size_t)gfi_print(text + used, size - used, " %s %dx%dx%d%s", layers[i].name, shape.channels,
                                  shape.height, shape.width, details);
    }
}

// Write to path.tmp, flush, check, then rename over path: what stands at path is always whole.
static gf_status gfi_write_file(const char *path, const unsigned char *data, size_t n) {
    char temporary[GFI_PATH_SIZE];
    if (gfi_print(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return gfi_fail(GF_ERROR_ARGUMENT, "the path \"%.60s…\" is longer than %d bytes; use a shorter one", path,
                        (int)sizeof temporary - 5);
    FILE *file = fopen(temporary, "wb");
    if (!file)
        return gfi_fail(GF_ERROR_IO, "%.200s: cannot be created: %s; does the folder exist, may it be written to?",
                        temporary, strerror(errno));
    int written = fwrite(data, 1, n, file) == n && fflush(file) == 0;
    written = fclose(file) == 0 && written;
#ifdef _WIN32
    if (written) remove(path);  // rename does not replace a file there; path.tmp is whole by now
#endif
    if (written && rename(temporary, path) == 0) return GF_OK;
    remove(temporary);
    return gfi_fail(GF_ERROR_IO, "%.200s: %zu bytes could not be written: %s; is the disk full?", path, n,
                    strerror(errno));
}

// Do these belong together? 1, or 0 and the net's error.
static int gfi_savable(gf_net *net, const gf_optim *optim, const gf_batches *batches, const char *path,
                       const char *function) {
    if (!gfi_ready(net, GFI_BUILT, function)) return 0;
    if (!path) gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: path is NULL; name a file", function);
    else if (optim) gfi_optim_check(net, function, optim);
    if (batches && !batches->order)
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: batches are not initialised; call gf_batches_init, or pass NULL",
                     function);
    return net->status == GF_OK;
}

GFDEF gf_status gf_net_save(gf_net *net, const gf_optim *optim, const gf_batches *batches, const char *path) {
    if (!gfi_savable(net, optim, batches, path, "gf_net_save")) return gf_net_status(net);
    char words[GFI_WORDS_SIZE];
    gfi_architecture(net, words, sizeof words);
    uint64_t m = optim && optim->m, v = optim && optim->v, one = 1;
    gfi_head head = {GFI_SAVE_VERSION, sizeof(gf_real), strlen(words), net->param_count, net->state_count,
                     net->seed, (uint64_t)net->step,
                     optim ? one + (uint64_t)optim->config.kind : 0, m + 2 * v, optim ? (uint64_t)optim->step : 0,
                     optim ? optim->config.lr : 0,
                     (batches ? one : 0) + 256 * (uint64_t)net->loss,
                     batches ? (uint64_t)batches->epoch : 0, batches ? batches->position : 0};
    size_t arrays = net->param_count * (size_t)(1 + m + v) + net->state_count;
    gfi_bytes bytes = {NULL, GFI_HEAD_SIZE + strlen(words) + arrays * sizeof(gf_real) + 8, 0};
    bytes.data = (unsigned char *)gfi_alloc(bytes.size, 1);
    if (!bytes.data) return gfi_net_fail(net, GF_ERROR_MEMORY, "gf_net_save: no memory for %zu bytes", bytes.size);
    gfi_transfer(&bytes, (void *)GFI_SAVE_MAGIC, 8, 1, 0);
    gfi_transfer(&bytes, &head, sizeof head / 8, 8, 0);
    gfi_transfer(&bytes, words, strlen(words), 1, 0);
    gfi_transfer_arrays(&bytes, net, optim, 0);
    uint64_t crc = gfi_crc32(bytes.data, bytes.at);
    gfi_transfer(&bytes, &crc, 1, 8, 0);
    gf_status status = gfi_write_file(path, bytes.data, bytes.size);
    GF_FREE(bytes.data);
    return status == GF_OK ? GF_OK : gfi_net_fail(net, status, "%s", gf_last_error());
}

// Read and judge the head, leaving bytes->at on the words. Nothing in it counts before the checksum has been found right.
static gf_status gfi_read_head(gfi_bytes *bytes, const char *path, gfi_head *head) {
    const char *why = NULL;
    if (bytes->size < GFI_HEAD_SIZE + 8 || memcmp(bytes->data, GFI_SAVE_MAGIC, 8) != 0) {
        why = "is no whole checkpoint; name a file that gf_net_save wrote";
    } else {
        uint64_t crc;
        bytes->at = bytes->size - 8;
        gfi_transfer(bytes, &crc, 1, 8, 1);
        bytes->at = 8;
        gfi_transfer(bytes, head, sizeof *head / 8, 8, 1);
        if (crc != gfi_crc32(bytes->data, bytes->size - 8))
            why = "its checksum is wrong: the file was damaged or cut off; restore it from a copy, or train again";
        else if (head->words > bytes->size - GFI_HEAD_SIZE - 8)
            why = "ends inside its head; gf_net_save did not write this: train again";
    }
    if (why) return gfi_fail(GF_ERROR_FORMAT, "%.200s: %s", path, why);
    if (head->version == GFI_SAVE_VERSION && head->width == sizeof(gf_real)) return GF_OK;
    return gfi_fail(GF_ERROR_FORMAT, "%.200s: version %lu with numbers of %lu bytes, this program reads version %d with "
                                     "%d; set GF_REAL alike, or train again",
                    path, (unsigned long)head->version, (unsigned long)head->width, (int)GFI_SAVE_VERSION,
                    (int)sizeof(gf_real));
}

// Does the head fit this net, optimiser and batches? bytes->at is left on the arrays.
static gf_status gfi_check_head(const gf_net *net, const gf_optim *optim, const gf_batches *batches, gfi_bytes *bytes,
                                const char *path, const gfi_head *head) {
    char words[GFI_WORDS_SIZE];
    gfi_architecture(net, words, sizeof words);
    const char *found = (const char *)bytes->data + bytes->at;
    if (strlen(words) != head->words || memcmp(found, words, strlen(words)) != 0 || head->params != net->param_count ||
        head->state != net->state_count)
        return gfi_fail(GF_ERROR_SHAPE,
                        "%.120s: is of another net: \"%.*s\" with %lu parameters; this one is \"%.100s\" with %zu",
                        path, head->words < 100 ? (int)head->words : 100, found, (unsigned long)head->params, words,
                        net->param_count);
    bytes->at += strlen(words);
    uint64_t arrays = 1 + (head->moments & 1) + (head->moments >> 1 & 1);
    uint64_t wanted = bytes->at + (arrays * net->param_count + net->state_count) * sizeof(gf_real) + 8;
    if (bytes->size != wanted)
        return gfi_fail(GF_ERROR_FORMAT, "%.200s: has %zu bytes, should have %.19g; it was cut off or overwritten",
                        path, bytes->size, (double)wanted);
    if (optim && (head->optim != 1 + (uint64_t)optim->config.kind ||
                  head->moments != (uint64_t)(optim->m != NULL) + 2 * (uint64_t)(optim->v != NULL)))
        return gfi_fail(GF_ERROR_SHAPE, "%.200s: was saved with optimiser %s, this one is %s; initialise the same",
                        path, head->optim ? gfi_optim_name((gf_optim_kind)(head->optim - 1)) : "none",
                        gfi_optim_name(optim->config.kind));
    if (batches && !(head->has_batches & 1))
        return gfi_fail(GF_ERROR_SHAPE, "%.200s: was saved without batches; pass NULL for them", path);
    if (batches && (head->epoch >= LONG_MAX || head->position > batches->data->count))
        return gfi_fail(GF_ERROR_SHAPE,
                        "%.200s: stands at sample %lu of epoch %lu, the data have %zu; pass batches of the same data",
                        path, (unsigned long)head->position, (unsigned long)head->epoch, batches->data->count);
    return GF_OK;
}

GFDEF gf_status gf_net_load(gf_net *net, gf_optim *optim, gf_batches *batches, const char *path) {
    if (!gfi_savable(net, optim, batches, path, "gf_net_load")) return gf_net_status(net);
    gfi_bytes bytes = {NULL, 0, 0};
    gfi_head head;
    gf_status status = gfi_file_whole(path, "name a file that gf_net_save wrote", &bytes.data, &bytes.size);
    if (status == GF_OK) status = gfi_read_head(&bytes, path, &head);
    if (status == GF_OK) status = gfi_check_head(net, optim, batches, &bytes, path, &head);
    if (status == GF_OK) {
        gfi_transfer_arrays(&bytes, net, optim, 1);
        if (optim) optim->step = (long)head.optim_step;
        if (optim) optim->config.lr = head.lr;
        if (batches) gfi_batches_seek(batches, (long)head.epoch, (size_t)head.position);
        net->seed = head.seed;
        net->step = (long)head.step;
        net->loss = (int)(head.has_batches >> 8 & 3);
        net->joined_samples = 0;
        net->phase = GFI_BUILT;
    }
    GF_FREE(bytes.data);
    return status == GF_OK ? GF_OK : gfi_net_fail(net, status, "%s", gf_last_error());
}

// --- safetensors: 8 bytes with the header's length, lowest byte first; the header, JSON; the numbers of all tensors ---
//     {"0.weight": {"dtype": "F32", "shape": [10, 784], "data_offsets": [0, 31360]}, "0.bias": …}
// Its Python writer sorts tensors by name, so their order says nothing of the layers'. Without a list of names, modules of
// one kind, by their weight's rank, are taken in the order of the numbers in their names.

typedef struct gfi_entry {       // one tensor of a file; the texts stand in its header
    const char *name, *type;     // "features.0.weight"; "F32"
    size_t length, type_length;  // of these
    size_t module, part;         // length of "features.0"; where "weight" begins
    int rank, tensor;            // tensor: which of the net's it is for, from 1; 0: none
    uint64_t dims[4], offsets[2], width;  // where its bytes begin and end among the numbers; bytes of a number
} gfi_entry;

typedef struct gfi_entries {
    const char *path;
    gfi_entry *at;
    int count, most;
} gfi_entries;

typedef struct gfi_json {
    const char *at, *end;  // what is left to read
} gfi_json;

static int gfi_json_is(gfi_json *json, char wanted) {  // is this the next sign, but for blanks? Then it is passed over
    while (json->at < json->end && *json->at != '\0' && strchr(" \t\r\n", *json->at)) json->at++;
    const int is = json->at < json->end && *json->at == wanted;
    json->at += is;
    return is;
}

static int gfi_json_text(gfi_json *json, const char **text, size_t *length) {
    if (!gfi_json_is(json, '"')) return 0;
    *text = json->at;
    while (json->at < json->end && *json->at != '"') json->at += *json->at == '\\' && json->end - json->at > 1 ? 2 : 1;
    *length = (size_t)(json->at - *text);
    return gfi_json_is(json, '"');
}

// A list of whole numbers below 10^17: how many, or -1 where there is no list of at most `most`.
static int gfi_json_list(gfi_json *json, uint64_t *values, int most) {
    if (!gfi_json_is(json, '[')) return -1;
    if (gfi_json_is(json, ']')) return 0;
    for (int count = 0; count < most && !gfi_json_is(json, '-');) {
        const char *const start = json->at;
        for (values[count] = 0; json->at < json->end && *json->at >= '0' && *json->at <= '9'; json->at++)
            values[count] = 10 * values[count] + (uint64_t)(*json->at - '0');
        if (json->at == start || json->at - start > 17) return -1;
        count++;
        if (!gfi_json_is(json, ',')) return gfi_json_is(json, ']') ? count : -1;
    }
    return -1;
}

static int gfi_text_is(const char *text, size_t length, const char *wanted) {
    return length == strlen(wanted) && memcmp(text, wanted, length) == 0;
}

// What stands behind a name: a tensor's entry or, where that is NULL, pairs of texts. 1 if it is in order.
static int gfi_json_object(gfi_json *json, gfi_entry *entry) {
    const char *key, *text;
    size_t length, text_length;
    int seen = 0;
    if (!gfi_json_is(json, '{')) return 0;
    do {
        if (!gfi_json_text(json, &key, &length) || !gfi_json_is(json, ':')) return 0;
        if (!entry) seen |= gfi_json_text(json, &text, &text_length) ? 7 : 8;
        else if (gfi_text_is(key, length, "dtype")) seen |= gfi_json_text(json, &entry->type, &entry->type_length) ? 1 : 8;
        else if (gfi_text_is(key, length, "shape")) {
            entry->rank = gfi_json_list(json, entry->dims, 4);
            seen |= entry->rank >= 0 ? 2 : 8;
        } else seen |= gfi_text_is(key, length, "data_offsets") && gfi_json_list(json, entry->offsets, 2) == 2 ? 4 : 8;
    } while (gfi_json_is(json, ','));
    return seen == 7 && gfi_json_is(json, '}');
}

static gf_status gfi_entry_refuse(const gfi_entries *all, const gfi_entry *entry, gf_status status, const char *why) {
    return gfi_fail(status, "%.200s: tensor %.*s %s", all->path, entry->length < 60 ? (int)entry->length : 60,
                    entry->name, why);
}

// Complete the newest entry and judge it beside those before it: NULL, or what is wrong. The numbers have `room` bytes.
static const char *gfi_entry_fault(const gfi_entries *all, uint64_t room) {
    gfi_entry *entry = &all->at[all->count];
    if (all->count + 1 == all->most) return "is more than this net can need; is it the file of another net?";
    entry->width = gfi_text_is(entry->type, entry->type_length, "F32") ? 4 : 8;
    if (entry->width == 8 && !gfi_text_is(entry->type, entry->type_length, "F64") &&
        !gfi_text_is(entry->type, entry->type_length, "I64"))
        return "is of a type that is not read; save it with .float() or .double()";
    for (entry->part = entry->length; entry->part > 0 && entry->name[entry->part - 1] != '.';) entry->part--;
    entry->module = entry->part > 0 ? entry->part - 1 : 0;
    uint64_t bytes = entry->width;
    for (int i = 0; i < entry->rank; i++)
        bytes = entry->dims[i] == 0 || bytes > room / entry->dims[i] ? 0 : bytes * entry->dims[i];
    int damaged = bytes == 0 || entry->offsets[1] > room || entry->offsets[0] + bytes != entry->offsets[1];
    for (const gfi_entry *other = all->at; other < entry; other++)
        damaged |= (entry->offsets[0] < other->offsets[1] && other->offsets[0] < entry->offsets[1]) ||
                   (entry->length == other->length && memcmp(entry->name, other->name, entry->length) == 0);
    return damaged ? "stands there twice, or its shape and bytes do not fit the file, which is damaged" : NULL;
}

// Read the header, leaving bytes->at on the numbers; all of them belong to a tensor, none to two.
static gf_status gfi_entries_read(gfi_entries *all, gfi_bytes *bytes) {
    uint64_t length = 0, used = 0;
    if (bytes->size >= 8) gfi_transfer(bytes, &length, 1, 8, 1);
    if (bytes->size < 8 || length > bytes->size - 8) length = 0;
    gfi_json json = {(const char *)bytes->data + bytes->at, (const char *)bytes->data + bytes->at + length};
    bytes->at += (size_t)length;
    int good = gfi_json_is(&json, '{');
    while (good) {
        gfi_entry *entry = &all->at[all->count];
        memset(entry, 0, sizeof *entry);
        good = gfi_json_text(&json, &entry->name, &entry->length) && gfi_json_is(&json, ':');
        const int is_note = good && gfi_text_is(entry->name, entry->length, "__metadata__");
        good = good && gfi_json_object(&json, is_note ? NULL : entry);
        const char *fault = good && !is_note ? gfi_entry_fault(all, bytes->size - bytes->at) : NULL;
        if (fault) return gfi_entry_refuse(all, entry, GF_ERROR_FORMAT, fault);
        used += entry->offsets[1] - entry->offsets[0];
        all->count += good && !is_note;
        if (!gfi_json_is(&json, ',')) break;
    }
    if (good && gfi_json_is(&json, '}') && !gfi_json_is(&json, '}') && json.at == json.end &&
        used == bytes->size - bytes->at)
        return GF_OK;
    return gfi_fail(GF_ERROR_FORMAT, "%.200s: is no whole safetensors file; write one with save_file of Python's "
                    "safetensors.torch, or with gf_net_save_safetensors", all->path);
}

static int gfi_entry_is(const gfi_entry *entry, const char *part) {
    return gfi_text_is(entry->name + entry->part, entry->length - entry->part, part);
}

// The tensor called "MODULE.PART"; NULL where there is none.
static gfi_entry *gfi_entry_find(const gfi_entries *all, const char *module, size_t length, const char *part) {
    for (gfi_entry *entry = all->at; entry < all->at + all->count; entry++)
        if (entry->module == length && memcmp(entry->name, module, length) == 0 && gfi_entry_is(entry, part)) return entry;
    return NULL;
}

// Does a's module come before b's: negative, or after: positive? "2" comes before "10". ±2: letters decide, not numbers.
static int gfi_entry_order(const gfi_entry *a, const gfi_entry *b) {
    size_t i = 0, m, n;
    while (i < a->module && i < b->module && a->name[i] == b->name[i]) i++;
    for (m = i; m < a->module && a->name[m] >= '0' && a->name[m] <= '9';) m++;
    for (n = i; n < b->module && b->name[n] >= '0' && b->name[n] <= '9';) n++;
    if (m != n) return m < n ? -1 : 1;  // the shorter number, or none
    if (i == a->module || i == b->module) return (i < a->module) - (i < b->module);
    return (a->name[i] < b->name[i] ? -1 : 1) * (m == i ? 2 : 1);
}

// The weight that stands among those of its rank as the layer does among its own. NULL: there is none, or some have equal
// shapes and names that no number puts in order.
static gfi_entry *gfi_entry_by_order(const gf_net *net, const gfi_layer *layer, const gfi_entries *all) {
    const int rank = net->tensors[layer->first_tensor].view.rank;
    gfi_entry *found = NULL;
    int place = 0;
    for (const gfi_layer *other = net->layers; other < layer; other++)
        place += other->tensor_count && net->tensors[other->first_tensor].view.rank == rank;
    for (gfi_entry *entry = all->at; entry < all->at + all->count; entry++) {
        if (entry->rank != rank || !gfi_entry_is(entry, "weight")) continue;
        int before = 0;
        for (const gfi_entry *other = all->at; other < all->at + all->count; other++) {
            const int order = other->rank == rank && gfi_entry_is(other, "weight") ? gfi_entry_order(other, entry) : 0;
            if (order * order == 4 && memcmp(other->dims, entry->dims, sizeof entry->dims) == 0) return NULL;
            before += order < 0;
        }
        if (before == place) found = entry;
    }
    return found;
}

// The name of a layer's module: the caller's or, where he gives none, the layer's own.
static const char *gfi_module_of(const gf_net *net, const gfi_layer *layer, const char *const *modules) {
    int place = 0;
    for (const gfi_layer *other = net->layers; other < layer; other++) place += other->tensor_count > 0;
    return modules ? modules[place] : layer->name;
}

static int gfi_modules_fit(gf_net *net, const char *function, const char *const *modules) {
    int layers = 0, names = 0;
    for (int i = 0; i < net->layer_count; i++) layers += net->layers[i].tensor_count > 0;
    while (modules && names <= layers && modules[names] && strlen(modules[names]) < 100 &&
           !strpbrk(modules[names], "\"\\\n"))
        names++;
    return gfi_require(net, !modules || (names == layers && !modules[names]), GF_ERROR_ARGUMENT,
                       "%s: modules must be the names of %d layers with weights, such as \"features.0\", and then NULL; "
                       "%d are", function, layers, names);
}

static const char *gfi_part_name(int i) {  // PyTorch's names of a layer's tensors; a norm's γ and β are weight and bias
    static const char *const names[5] = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};
    return names[i];
}

// Tell every entry which of the net's tensors it is for, and judge its shape.
static gf_status gfi_entries_match(const gf_net *net, const char *const *modules, const gfi_entries *all) {
    int by_order = 0;
    for (int i = 0; i < net->layer_count && !modules; i++)
        by_order |= net->layers[i].tensor_count &&
                    !gfi_entry_find(all, net->layers[i].name, strlen(net->layers[i].name), "weight");
    for (int i = 0; i < net->tensor_count; i++) {
        const gf_tensor *view = &net->tensors[i].view;
        const gfi_layer *layer = net->layers;
        while (i >= layer->first_tensor + layer->tensor_count) layer++;
        const char *module = gfi_module_of(net, layer, modules), *part = gfi_part_name(i - layer->first_tensor);
        const gfi_entry *weight = by_order ? gfi_entry_by_order(net, layer, all) : NULL;
        size_t length = weight ? weight->module : strlen(module);
        gfi_entry *entry = by_order && !weight ? NULL : gfi_entry_find(all, weight ? weight->name : module, length, part);
        if (!entry)
            return gfi_fail(GF_ERROR_SHAPE, "%.200s: found no %s for %s%s; see gf_net_set_bias, or list the names of the "
                            "modules", all->path, part, by_order ? layer->name : module,
                            by_order ? " (equal shapes need numbers in their names)" : "");
        int fits = entry->rank == view->rank && entry->tensor == 0 && entry->type[0] == 'F';
        for (int d = 0; d < view->rank; d++) fits = fits && entry->dims[d] == (uint64_t)view->dims[d];
        if (!fits)
            return gfi_fail(GF_ERROR_SHAPE, "%.150s: %.*s has the shape [%.19g, %.19g …], for %s of [%d, %d …]; are these "
                            "the same layers? Or list the names of the modules", all->path,
                            entry->length < 60 ? (int)entry->length : 60, entry->name, (double)entry->dims[0],
                            (double)entry->dims[1], net->tensors[i].name, view->dims[0], view->dims[1]);
        entry->tensor = i + 1;
    }
    for (const gfi_entry *entry = all->at; entry < all->at + all->count; entry++)
        if (entry->tensor == 0 && !gfi_entry_is(entry, gfi_part_name(4)))
            return gfi_entry_refuse(all, entry, GF_ERROR_SHAPE, "is left over: this net has no layer for it");
    return GF_OK;
}

// An entry's numbers, stored in its tensor or only looked at. Are all finite?
static int gfi_entry_values(const gf_net *net, const gfi_entry *entry, gfi_bytes numbers, int store) {
    const gf_tensor *view = &net->tensors[entry->tensor - 1].view;
    int finite = 1;
    numbers.at += (size_t)entry->offsets[0];
    for (size_t i = 0; i < view->size; i++) {
        float narrow = 0;
        double wide = 0;
        gfi_transfer(&numbers, entry->width == 4 ? (void *)&narrow : (void *)&wide, 1, (size_t)entry->width, 1);
        const gf_real value = (gf_real)(entry->width == 4 ? (double)narrow : wide);
        finite = finite && isfinite(value);
        if (store) view->value[i] = value;
    }
    return finite;
}

GFDEF gf_status gf_net_load_safetensors(gf_net *net, const char *const *modules, const char *path) {
    const char *const me = "gf_net_load_safetensors";
    if (!gfi_savable(net, NULL, NULL, path, me) || !gfi_modules_fit(net, me, modules)) return gf_net_status(net);
    gfi_bytes bytes = {NULL, 0, 0};
    gfi_entries all = {path, NULL, 0, 2 * net->tensor_count + 1};
    gf_status status = gfi_file_whole(path, "name a file of PyTorch's safetensors", &bytes.data, &bytes.size);
    all.at = (gfi_entry *)gfi_alloc((size_t)all.most, sizeof *all.at);
    if (status == GF_OK && !all.at) status = gfi_fail(GF_ERROR_MEMORY, "%s: out of memory", me);
    if (status == GF_OK) status = gfi_entries_read(&all, &bytes);
    if (status == GF_OK) status = gfi_entries_match(net, modules, &all);
    for (int store = 0; store < 2; store++)
        for (int i = 0; i < all.count && status == GF_OK; i++)
            if (all.at[i].tensor && !gfi_entry_values(net, &all.at[i], bytes, store))
                status = gfi_entry_refuse(&all, &all.at[i], GF_ERROR_FORMAT, "holds NaN or numbers beyond gf_real's");
    if (status == GF_OK) net->phase = GFI_BUILT;
    GF_FREE(bytes.data);
    GF_FREE(all.at);
    return status == GF_OK ? GF_OK : gfi_net_fail(net, status, "%s", gf_last_error());
}

// Append to the header the entry of tensor t of a layer (t = 4: PyTorch's count of a norm's batches), whose bytes come
// next among the numbers.
static void gfi_entry_print(gfi_bytes *header, const gf_net *net, const gfi_layer *layer, const char *module, int t,
                            size_t *numbers) {
    const gf_tensor *view = t < 4 ? &net->tensors[layer->first_tensor + t].view : NULL;
    const size_t first = *numbers, room = header->size - header->at;
    char *to = (char *)header->data + header->at, shape[48] = "";
    *numbers += view ? view->size * sizeof(gf_real) : 8;
    for (int d = 0; view && d < view->rank; d++)
        gfi_print(shape + strlen(shape), sizeof shape - strlen(shape), "%s%d", d > 0 ? ", " : "", view->dims[d]);
    header->at += (size_t)gfi_print(to, room, ", \"%s%s%s\": {\"dtype\": \"%s\", \"shape\": [%s], \"data_offsets\": [%zu, "
                                    "%zu]}", module, module[0] ? "." : "", gfi_part_name(t),
                                    !view ? "I64" : sizeof(gf_real) == 4 ? "F32" : "F64", shape, first, *numbers);
}

GFDEF gf_status gf_net_save_safetensors(gf_net *net, const char *const *modules, const char *path) {
    const char *const me = "gf_net_save_safetensors";
    if (!gfi_savable(net, NULL, NULL, path, me) || !gfi_modules_fit(net, me, modules)) return gf_net_status(net);
    const size_t entries = (size_t)(net->tensor_count + net->layer_count);
    gfi_bytes bytes = {NULL, 64 + 408 * entries + (net->param_count + net->state_count) * sizeof(gf_real), 8};
    bytes.data = (unsigned char *)gfi_alloc(bytes.size, 1);
    if (!bytes.data) return gfi_net_fail(net, GF_ERROR_MEMORY, "%s: no memory for %zu bytes", me, bytes.size);
    size_t numbers = 0;
    uint64_t length, steps = (uint64_t)net->step;
    bytes.at += (size_t)gfi_print((char *)bytes.data + 8, 64, "{\"__metadata__\": {\"format\": \"pt\"}");
    for (int last = 4; last >= 0; last -= 4)  // first what is 8 bytes wide
        for (const gfi_layer *layer = net->layers; layer <= gfi_output(net); layer++)
            for (int t = last; t < (last == 0 ? layer->tensor_count : layer->tensor_count == 4 ? 5 : 4); t++)
                gfi_entry_print(&bytes, net, layer, gfi_module_of(net, layer, modules), t, &numbers);
    bytes.data[bytes.at++] = '}';
    while (bytes.at % 8 != 0) bytes.data[bytes.at++] = ' ';
    gfi_bytes start = {bytes.data, 8, 0};
    length = bytes.at - 8;
    gfi_transfer(&start, &length, 1, 8, 0);
    for (int i = 0; i < net->layer_count; i++)
        if (net->layers[i].tensor_count == 4) gfi_transfer(&bytes, &steps, 1, 8, 0);
    for (int t = 0; t < net->tensor_count; t++)
        gfi_transfer(&bytes, net->tensors[t].view.value, net->tensors[t].view.size, sizeof(gf_real), 0);
    gf_status status = gfi_write_file(path, bytes.data, bytes.at);
    GF_FREE(bytes.data);
    return status == GF_OK ? GF_OK : gfi_net_fail(net, status, "%s", gf_last_error());
}
#endif  // GF_NO_STDIO

// [GF:DOCTOR] The doctor: why does it not learn? ----------------------------------------------------------------------
// In order: the limits; what is known of a case (a net, its data, the course of its loss); looking, which gathers that;
// the rules, each of which says whether its finding is true of the case now; the table of the rules; the judge; the
// observer, which is called through the net's hooks; preflight; the calls. gf_net_verdict asks the same rules about one
// look without a history.

// The limits, once. Each is the end of a law with room for chance, none was made for a program.
#define GFI_LIMIT_INPUT 10.0        // RMS of x. Initialisers assume 1, and curvature grows with the square
#define GFI_LIMIT_FAINT 0.01        // the same downwards: biases drown what x says
#define GFI_LIMIT_HUGE 1e15         // the square of a number so large leaves float's range in a few products
#define GFI_LIMIT_TELLS 1e4         // an output beyond has no digits left to tell its target from
#define GFI_LIMIT_TARGET 1e3        // RMS of targets where the optimiser is not known; a fresh net's output is near 1
#define GFI_LIMIT_LOST 1e-6         // the same downwards: losses of 1e-12 and less, gradients below Adam's eps
#define GFI_LIMIT_REACH 3e4         // steps of Adam that an output needs to come to its targets; a long training
#define GFI_LIMIT_ENTROPY 0.7       // of ln K; two classes: 86 to 14, ten: half of all samples in one
#define GFI_LIMIT_SORTED 5.0        // χ² of a batch's classes for each degree of freedom; chance gives 1
#define GFI_LIMIT_FIRST_LOSS 3.0    // times the best constant's loss: random logits of standard deviation 3
#define GFI_LIMIT_VARIANCE 4.0      // σw² = fan_in·Var w: twice Kaiming's 2, the largest that is in use
#define GFI_LIMIT_SMALL 0.01        // ∏ 3·σw² over hidden layers; 3·σw² is 1 for PyTorch's default
#define GFI_LIMIT_NARROW 3          // units: fewer half-planes than a triangle has enclose nothing
#define GFI_LIMIT_DEAD 0.9          // share of a layer's units that are off for every sample; half is common
#define GFI_LIMIT_DECAY 1e-3        // δ or ∇W/W of one layer against another
#define GFI_LIMIT_MOVED 0.03        // way of the weights in all steps so far, in their own size: the start is not left
#define GFI_LIMIT_ALIKE 1e-3        // share of a signal that differs between samples
#define GFI_LIMIT_LEFT 0.5          // of the weights' norm: learning makes it grow, only decay halves it
#define GFI_LIMIT_UPDATE 0.1        // RMS ΔW/RMS W of each step: ten steps replace the weights; 1e-3 is usual
#define GFI_LIMIT_CRAWL 3e-4        // the same downwards, where the loss falls on
#define GFI_LIMIT_FLAT 0.75         // share of a sigmoid's inputs where it passes less than 1 % of its best
#define GFI_LIMIT_DROPOUT 0.8       // kept share below 1/5: the noise of a kept unit is twice its signal
#define GFI_LIMIT_WIPED 0.05        // share of samples that dropout leaves without any unit
#define GFI_LIMIT_GAP 0.2           // accuracy, training less test
#define GFI_LIMIT_NOISE 0.05        // share of the mean gradient's square that is not noise

typedef struct gfi_part {           // what is known of one affine layer beside its probe
    double weight, variance;        // RMS of W; σw² = fan_in·mean w²
    double relative;                // RMS ∇W/RMS W
    double update;                  // RMS ΔW/RMS W, a running mean over the looks; NaN before the first step
    double alike;                   // share of mean h² that differs between samples
    double dead, dead_first;        // share of units off for every sample; the same at the first look; NaN: no relu
    double variance_first, flat_first;  // σw² and flat_share at the first look
    double drift;                   // batch norm: running statistics against the batch's
    int equal;                      // its units have the same weights and get the same gradient
} gfi_part;

enum { GFI_COURSE_BLOCKS = 64, GFI_GRAD_SAMPLES = 32 };
enum { GFI_LADDER = 1024 };  // rows in which a column that counts them is looked for in any order
enum { GFI_CERTAIN = 16 };  // a rule that says so needs no second look

// A loss's course of any length in little memory: means over blocks of steps. When all are full, neighbours are joined.
typedef struct gfi_course {
    double mean[GFI_COURSE_BLOCKS], sum;
    int count;            // full blocks
    long steps, in_last;  // in a block; in the one that is being filled
} gfi_course;

struct gfi_case {
    gf_net *net;
    const gf_dataset *data;
    int snapshot;                     // one look without a history
    gfi_part *part;                   // [L]
    gf_layer_probe *probe;            // [L]
    unsigned char *alive;             // [units] 1: had z > 0 in the samples that `alive_samples` counts
    double *label, *guess, *group;    // [classes] counts: all labels; predictions, fading; labels of a few batches
    double *t_sum, *t_square;         // [outputs] of the targets
    int classes;
    int looks;                        // from here on gfi_case_begin sets all to 0
    int begun;                        // it has done so
    // The data as the net gets them.
    double x_rows, x_count, x_squares, x_max, x_alike;
    size_t x_nonfinite, t_nonfinite, alive_samples;
    int labels_known, targets_known;  // from the data set: not to be gathered from batches
    int counts_rows;                  // 1 + the column that counts its rows
    double seen, samples, t_low, t_high, t_values[3], chi_square, groups, reach;
    int value_count;                  // different targets, up to 3
    // The course of training.
    long backwards, steps;
    gf_optim_config config;           // of the last step
    double lambda;                    // largest curvature, by preflight; 0 while unknown
    double loss, first_loss, dy, best, now, accuracy, weights, weights_first;
    double dy_sum, dy_squares;        // Σ|∂L/∂y|, Σ(∂L/∂y)² of the first look
    int batch_first;                  // and its samples
    double gradient_scale, decay, starved, signal, noise;
    gfi_course losses, hits;
    int falling, rising, well, stuck;
    gf_score train, test;             // count 0: none
    double accuracy_then;             // of the training batches, when the test was made
    uint64_t raised;                  // findings, as bits
};

#ifdef GF_ASCII
#define GFI_PHI "phi'"
#define GFI_WT "W^T"
#define GFI_LAMBDA "lambda"
#else
#define GFI_PHI "φ'"
#define GFI_WT "Wᵀ"
#define GFI_LAMBDA "λ"
#endif
#define GFI_KAIMING "gf_net_set_init(net, gf_init_kaiming(), gf_init_zero());"
#define GFI_START_AFRESH GFI_KAIMING "  // before the layers"
#define GFI_BIT(code) (UINT64_C(1) << GF_FINDING_##code)

static void gfi_course_add(gfi_course *c, double value) {
    c->sum += value;
    if (++c->in_last < c->steps) return;
    c->mean[c->count++] = c->sum / (double)c->steps;
    c->sum = 0;
    c->in_last = 0;
    if (c->count < GFI_COURSE_BLOCKS) return;
    for (int i = 0; i < GFI_COURSE_BLOCKS / 2; i++) c->mean[i] = (c->mean[2 * i] + c->mean[2 * i + 1]) / 2;
    c->count /= 2;
    c->steps *= 2;
}

// Mean over the last n full blocks, and over what follows them when there is none.
static double gfi_course_last(const gfi_course *c, int n) {
    double sum = 0;
    if (c->count == 0) return c->in_last > 0 ? c->sum / (double)c->in_last : NAN;
    n = n > c->count ? c->count : n < 1 ? 1 : n;
    for (int i = c->count - n; i < c->count; i++) sum += c->mean[i];
    return sum / n;
}

// A straight line through the second half of the curve: its slope against the slope's own error, and how far it goes.
static double gfi_course_trend(const gfi_course *c, double *change) {
    const int n = c->count - c->count / 2;
    double mean = 0, slope = 0, residual = 0, spread = n * ((double)n * n - 1) / 12;
    *change = 0;
    if (n < 4) return 0;
    for (int i = 0; i < n; i++) mean += c->mean[c->count - n + i] / n;
    for (int i = 0; i < n; i++) slope += (i - (n - 1) / 2.0) * (c->mean[c->count - n + i] - mean) / spread;
    for (int i = 0; i < n; i++) {
        const double r = c->mean[c->count - n + i] - mean - slope * (i - (n - 1) / 2.0);
        residual += r * r / (n - 2);
    }
    *change = slope * n;
    return slope / sqrt(residual / spread + 1e-300);
}

static double gfi_entropy(const double *count, int n) {
    double sum = 0, h = 0;
    for (int k = 0; k < n; k++) sum += count[k];
    for (int k = 0; k < n; k++)
        if (count[k] > 0) h -= count[k] / sum * log(count[k] / sum);
    return h;
}

static int gfi_kind_of(const gf_net *net) { return net->loss ? net->loss - 1 : (int)GF_LOSS_CUSTOM; }

// --- looking ---

static void gfi_case_begin(gfi_case *c) {
    memset(&c->looks, 0, sizeof *c - offsetof(struct gfi_case, looks));
    memset(c->part, 0, (size_t)c->net->affine_count * sizeof *c->part);
    memset(c->label, 0, (3 * (size_t)c->classes + 2 * gfi_output(c->net)->out_size) * sizeof(double));
    memset(c->alive, 0, c->net->unit_count);
    c->begun = 1;
    for (int l = 0; l < c->net->affine_count; l++) c->part[l].update = c->part[l].dead = c->part[l].dead_first = NAN;
    c->losses.steps = c->hits.steps = 1;
    c->gradient_scale = 1;
    c->t_low = INFINITY;
    c->t_high = -INFINITY;
}

// Memory for a case, in the net's.
static gfi_case *gfi_case_take(gf_net *net, gfi_arena *arena, int snapshot) {
    const size_t K = gfi_output(net)->out_size, classes = K > 1 ? K : 2, L = (size_t)net->affine_count;
    gfi_case *c = (gfi_case *)gfi_take(arena, 1, sizeof *c), made;
    size_t units = 0;
    for (int l = 1; l <= net->affine_count; l++) units += (size_t)gfi_affine(net, l)->out.channels;
    memset(&made, 0, sizeof made);
    made.net = net;
    made.snapshot = snapshot;
    made.part = (gfi_part *)gfi_take(arena, L, sizeof *made.part);
    made.probe = (gf_layer_probe *)gfi_take(arena, L, sizeof *made.probe);
    made.alive = (unsigned char *)gfi_take(arena, units, 1);
    made.label = (double *)gfi_take(arena, 3 * classes + 2 * K, sizeof(double));
    made.classes = (int)classes;
    if (!c) return NULL;
    made.guess = made.label + classes;
    made.group = made.guess + classes;
    made.t_sum = made.group + classes;
    made.t_square = made.t_sum + K;
    *c = made;
    return c;
}

// Share of the mean square of x[B,n] that differs between the samples: 0 where all are alike. Σ(x - x_0)² and its sum,
// for 16 columns at a time, which lie side by side.
static double gfi_difference(const gf_real *x, size_t B, size_t n) {
    double squares = 0, differs = 0;
    for (size_t from = 0; from < n; from += 16) {
        double sum[16] = {0}, square[16] = {0};
        const size_t width = n - from < 16 ? n - from : 16;
        for (size_t b = 0; b < B; b++)
            for (size_t i = 0; i < width; i++) {
                const double d = (double)x[b * n + from + i] - (double)x[from + i];
                sum[i] += d;
                square[i] += d * d;
            }
        for (size_t i = 0; i < width; i++) {
            const double first = (double)x[from + i];
            differs += square[i] - sum[i] * sum[i] / (double)B;
            squares += square[i] + 2 * first * sum[i] + (double)B * first * first;
        }
    }
    return squares > 0 ? differs / squares : 0;
}

static int gfi_rows_equal(const gf_tensor *t, const gf_real *at, size_t rows) {
    const size_t n = t->size / rows;
    for (size_t r = 1; r < rows; r++)
        if (memcmp(at, at + r * n, n * sizeof *at) != 0) return 0;
    return 1;
}

static int gfi_is_relu(const gfi_layer *act) {
    return act && (act->act.kind == GF_ACT_RELU || act->act.kind == GF_ACT_RELU6);
}

// Running statistics against those of the batch: |difference of means| in σ, or |ln| of the variances' ratio.
static double gfi_norm_drift(const gfi_layer *norm) {
    const size_t C = norm->running_mean->size;
    double means = 0, variances = 0;
    for (size_t k = 0; k < C; k++) {
        const double inverse_std = norm->stats[C + k];
        means += fabs((double)norm->running_mean->value[k] - norm->stats[k]) * inverse_std / (double)C;
        variances += fabs(log(((double)norm->running_var->value[k] + GFI_NORM_EPS) * inverse_std * inverse_std)) /
                     (double)C;
    }
    return fmax(means, variances);
}

static void gfi_look_at_layer(gfi_case *c, int l, const unsigned char *alive) {
    gf_net *net = c->net;
    gfi_layer *layer = gfi_affine(net, l), *act = gfi_activation_behind(net, l), *last = act ? act : layer;
    gfi_part *part = &c->part[l - 1];
    const gf_layer_probe *probe = &c->probe[l - 1];
    const size_t rows = (size_t)layer->w->dims[0], units = (size_t)layer->out.channels;
    const double squares = gfi_sum_squares(&net->engine, layer->w->value, layer->w->size);
    part->weight = sqrt(squares / (double)layer->w->size);
    part->variance = squares / (double)rows;
    part->relative = probe->dw.rms / part->weight;
    part->alike = net->batch > 1 ? gfi_difference(last->y, (size_t)net->batch, last->out_size) : NAN;
    part->equal = l < net->affine_count && rows > 1 && gfi_rows_equal(layer->w, layer->w->value, rows) &&
                  (part->weight > 0 || gfi_rows_equal(layer->w, layer->w->grad, rows)) &&
                  (!layer->b || gfi_rows_equal(layer->b, layer->b->value, rows));
    if (c->alive_samples >= (c->snapshot ? 8 : 16)) {
        size_t dead = 0;
        for (size_t u = 0; u < units; u++) dead += !alive[u];
        part->dead = gfi_is_relu(act) ? (double)dead / (double)units : NAN;
        if (part->dead_first != part->dead_first) part->dead_first = part->dead;
    }
    if (c->looks == 0) {
        part->flat_first = probe->flat_share;
        part->variance_first = part->variance;
    }
    part->drift = 0;
    for (gfi_layer *norm = layer + 1, *end = gfi_affine(net, l + 1); norm < end; norm++)
        if (norm->running_mean && norm->normalised) part->drift = gfi_norm_drift(norm);
}

// The target that a loss must have had, given the output y and ∂L/∂y that it left.
static double gfi_target(const gf_net *net, double y, double dy, double n) {
    return gfi_kind_of(net) == (int)GF_LOSS_BCE ? 1 / (1 + exp(-y)) - dy * n : y - dy * n / 2;
}

static void gfi_see_class(gfi_case *c, int label, int guess) {
    if (!c->labels_known) c->label[label]++;
    c->group[label]++;
    c->guess[guess]++;
}

static void gfi_see_target(gfi_case *c, size_t output, double t) {
    if (c->targets_known) return;
    c->t_sum[output] += t;
    c->t_square[output] += t * t;
    c->t_low = fmin(c->t_low, t);
    c->t_high = fmax(c->t_high, t);
    if (!(fabs(t) <= DBL_MAX)) c->t_nonfinite++;
    for (int i = 0; i < c->value_count; i++)
        if (fabs(t - c->t_values[i]) < 1e-4) return;
    if (c->value_count < 3) c->t_values[c->value_count++] = t;
}

// A group of batches with 4·K samples or more is complete: do its classes come as chance would have them?
static void gfi_see_group(gfi_case *c) {
    double total = 0, in_group = 0, chi = 0;
    int kinds = -1;
    for (int k = 0; k < c->classes; k++) {
        total += c->label[k];
        in_group += c->group[k];
    }
    if (in_group < 4 * c->classes) return;
    for (int k = 0; k < c->classes; k++) {
        const double expected = in_group * c->label[k] / total;
        kinds += expected > 0;
        if (expected > 0) chi += (c->group[k] - expected) * (c->group[k] - expected) / expected;
        c->group[k] = 0;
    }
    if (kinds > 0) c->chi_square += chi / kinds;
    c->groups++;
}

// What the loss left in the output's dy says of the labels or targets.
static void gfi_see_targets(gfi_case *c) {
    const gf_net *net = c->net;
    const gfi_layer *out = &net->layers[net->layer_count - 1];
    const size_t B = (size_t)net->batch, K = out->out_size;
    const int kind = gfi_kind_of(net), by_class = kind == (int)GF_LOSS_CROSS_ENTROPY;
    if (kind > (int)GF_LOSS_MSE) return;
    for (size_t b = 0; b < B; b++) {
        const gf_real *y = out->y + b * K, *dy = out->dy + b * K;
        size_t label = gfi_argmax(y, K), guess = label;
        if (!(fabs((double)y[0]) <= DBL_MAX && fabs((double)dy[0]) <= DBL_MAX)) continue;
        for (size_t k = 0; k < K && by_class; k++)
            if (dy[k] < 0) label = k;
        if (by_class) gfi_see_class(c, (int)label, (int)guess);
        for (size_t k = 0; k < K && !by_class && fabs((double)y[k]) < GFI_LIMIT_TELLS; k++)
            gfi_see_target(c, k, gfi_target(net, (double)y[k], (double)dy[k], (double)(B * K)));
        if (kind == (int)GF_LOSS_BCE && K == 1)
            gfi_see_class(c, gfi_target(net, (double)y[0], (double)dy[0], (double)B) >= 0.5, y[0] >= 0);
    }
    c->samples += c->targets_known ? 0 : (double)B;
    c->seen += (double)B;
    if (by_class || (kind == (int)GF_LOSS_BCE && K == 1)) gfi_see_group(c);
}

// Loss of the best constant output: the labels' entropy, or the targets' variance, or their entropy as probabilities.
static double gfi_best_constant(const gfi_case *c) {
    const int kind = gfi_kind_of(c->net);
    const size_t K = gfi_output(c->net)->out_size;
    double sum = 0;
    if (kind == (int)GF_LOSS_CROSS_ENTROPY) return gfi_entropy(c->label, c->classes);
    if (kind > (int)GF_LOSS_MSE || c->samples < 1) return NAN;
    for (size_t k = 0; k < K; k++) {
        const double mean = c->t_sum[k] / c->samples, p[2] = {mean, 1 - mean};
        sum += kind == (int)GF_LOSS_BCE ? gfi_entropy(p, 2) : c->t_square[k] / c->samples - mean * mean;
    }
    return sum / (double)K;
}

static double gfi_target_rms(const gfi_case *c) {
    const size_t K = gfi_output(c->net)->out_size;
    double sum = 0;
    for (size_t k = 0; k < K; k++) sum += c->t_square[k];
    return c->samples > 0 && gfi_kind_of(c->net) == (int)GF_LOSS_MSE ? sqrt(sum / c->samples / (double)K) : NAN;
}

static void gfi_see_inputs(gfi_case *c, const gf_real *x, size_t rows, size_t n) {
    const gf_stats s = gfi_stats_by(&c->net->engine, x, rows * n);
    c->x_rows += (double)rows;
    c->x_count += (double)(rows * n);
    c->x_squares += s.l2 * s.l2;
    c->x_max = fmax(c->x_max, s.max_abs);
    c->x_nonfinite += s.nonfinite;
    c->x_alike = fmax(c->x_alike, rows > 1 ? gfi_difference(x, rows, n) : 1);
}

// Which units had z > 0? Over 64 samples or more: in several batches where one is smaller.
static void gfi_see_alive(gfi_case *c, int anew) {
    gf_net *net = c->net;
    unsigned char *const kept = net->alive;
    if (anew) {
        memset(c->alive, 0, net->unit_count);
        c->alive_samples = 0;
    }
    net->alive = c->alive;
    gfi_dead_count(net);
    net->alive = kept;
    c->alive_samples += (size_t)net->batch;
}

// What the initialisers made of ‖W‖, or would have.
static double gfi_initial_norm(const gf_net *net) {
    double squares = 0;
    for (int l = 1; l <= net->affine_count; l++) {
        const gfi_tensor *w = &net->tensors[gfi_affine(net, l)->first_tensor];
        const int *dims = w->view.dims, pixels = w->view.rank > 2 ? dims[2] * dims[3] : 1;
        const double std = gfi_init_std(w->init, dims[1] * pixels, dims[0] * pixels);
        squares += std * std * (double)w->view.size;
    }
    return sqrt(squares);
}

// Weight decay's pull on the weights against the gradient's.
static double gfi_decay_pull(const gfi_case *c, const gf_optim_config *o, double against) {
    return o->weight_decay > 0 ? o->weight_decay * c->weights / against : 0;
}

// Everything that one measured backward shows; gf_net_measure calls it last.
static void gfi_case_look(gf_net *net, gfi_case *c) {
    const gfi_layer *first = net->layers, *out = gfi_output(net), *top = gfi_affine(net, net->affine_count);
    const size_t B = (size_t)net->batch;
    const gf_layer_probe *last = &net->probes[net->affine_count - 1];
    if (c->snapshot) {
        gfi_case_begin(c);
        c->backwards = net->backwards;
        c->steps = net->step;
        c->config = net->config;
        c->first_loss = net->loss_value;
        memcpy(c->probe, net->probes, (size_t)net->affine_count * sizeof *c->probe);
    }
    c->loss = net->loss_value;
    const gf_stats dy = gfi_stats_by(&net->engine, out->dy, B * out->out_size);
    c->dy = dy.rms;
    if (c->looks == 0) {
        c->dy_sum = dy.mean_abs * (double)dy.n;
        c->dy_squares = dy.l2 * dy.l2;
        c->batch_first = net->batch;
    }
    if (!c->data) gfi_see_inputs(c, first->x, B, first->in_size);
    if (c->snapshot || B >= 64) gfi_see_alive(c, 1);
    if (c->snapshot) gfi_see_targets(c);
    double squares = 0;
    const unsigned char *alive = c->alive;
    for (int l = 1; l <= net->affine_count; l++) {
        gfi_look_at_layer(c, l, alive);
        alive += gfi_affine(net, l)->out.channels;
        squares += c->part[l - 1].weight * c->part[l - 1].weight * (double)gfi_affine(net, l)->w->size;
    }
    c->weights = sqrt(squares);
    if (c->looks == 0) c->weights_first = c->snapshot ? gfi_initial_norm(net) : c->weights;
    if (c->alive_samples >= 16 && !c->snapshot) gfi_see_alive(c, 1);  // the next look has its own
    if (c->snapshot && c->config.kind != GF_ADAMW) c->decay = gfi_decay_pull(c, &c->config, gf_net_grad_norm(net));
    c->reach = 1 + (double)top->in_size * gfi_stats_by(&net->engine, top->x, B * top->in_size).mean_abs;
    if (last->noise_trace == last->noise_trace) {
        const double keep = c->looks == 0 ? 0 : 0.8, total = last->dw.l2 * last->dw.l2;
        c->noise = keep * c->noise + (1 - keep) * last->noise_trace / (double)B;
        c->signal = keep * c->signal + (1 - keep) * total;
    }
    c->looks++;
}

// What is to be known of the whole course before the rules are asked.
static void gfi_case_weigh(gfi_case *c) {
    double change;
    const int few = c->losses.count / 8 > 1 ? c->losses.count / 8 : 1, custom = gfi_kind_of(c->net) == (int)GF_LOSS_CUSTOM;
    const double t = gfi_course_trend(&c->losses, &change);
    c->now = c->snapshot ? c->loss : gfi_course_last(&c->losses, few);
    c->accuracy = c->snapshot ? NAN : gfi_course_last(&c->hits, few);
    c->best = custom ? c->first_loss : gfi_best_constant(c);
    c->falling = t < -2.5 && change < -0.01 * c->now;
    c->rising = t > 2.5 && change > 0.01 * c->now;
    c->well = c->backwards >= 10 && (c->now < 0.5 * c->best || (c->now < 0.85 * c->best && c->falling));
    c->stuck = c->backwards >= 60 && !c->falling && c->now > 0.9 * c->best;
    if (!c->snapshot) return;
    c->well = c->steps > 0 && c->now < 0.5 * c->best;
    c->stuck = 0;
}

// --- the rules: is this finding true now? ---

static void gfi_names(gf_finding *f, const char *layer) { gfi_print(f->layer, sizeof f->layer, "%s", layer); }

// The words and numbers of a finding that is true.
GFI_PRINTF(6, 7) static int gfi_says(gf_finding *f, double sure, double measured, double limit, const char *remedy,
                                     const char *format, ...) {
    va_list args;
    va_start(args, format);
    GF_VSNPRINTF(f->sentence, sizeof f->sentence, format, args);
    va_end(args);
    gfi_print(f->remedy, sizeof f->remedy, "%s", remedy);
    f->sure = sure;
    f->measured = measured;
    f->limit = limit;
    return 1;
}

static int gfi_rule_data_nonfinite(const gfi_case *c, gf_finding *f) {
    const gf_nonfinite *at = &c->net->nonfinite;
    const int input = c->x_nonfinite > 0 || (at->found && strcmp(at->layer, "input") == 0);
    const int custom = gfi_kind_of(c->net) == (int)GF_LOSS_CUSTOM;
    const int target = c->t_nonfinite > 0 || (at->found && !at->backward && !custom && strcmp(at->layer, "loss") == 0);
    if (input || target)
        return gfi_says(f, 1, NAN, NAN, "", "the %s hold NaN or infinity: clean the data; no learning rate mends it",
                        input ? "inputs" : "targets");
    if (!(c->x_max > GFI_LIMIT_HUGE)) return 0;
    return gfi_says(f, 1, c->x_max, GFI_LIMIT_HUGE, "", "an input is as large as %.3g, and its products leave the range "
                    "of floating point: clean the data; no learning rate mends it", c->x_max);
}

static const char *gfi_scale_remedy(const gfi_case *c) {
    if (c->net->input.height * c->net->input.width == 1 && !(c->data && c->data->pixels))
        return "gf_data_standardize(&train, &test);  // each column to mean 0, deviation 1";
    return "gf_data_normalize(&train, &mean, &std, 1);  // pixels of mean 0, deviation 1; the same for the test set";
}

// Norms excuse the layer before them.
static int gfi_is_normed(const gf_net *net, int l) {
    const gfi_layer *behind = gfi_affine(net, l) + 1, *end = net->layers + net->layer_count;
    return behind < end && (behind->kind == &gfi_batch_norm || behind->kind == &gfi_layer_norm);
}

static int gfi_rule_data_unscaled(const gfi_case *c, gf_finding *f) {
    const double rms = sqrt(c->x_squares / c->x_count);
    const gfi_layer *first = c->net->layers;
    if (c->x_nonfinite > 0 || c->x_max > GFI_LIMIT_HUGE || first->kind == &gfi_batch_norm ||
        first->kind == &gfi_layer_norm || (!c->snapshot && c->now < 0.05 * c->best))
        return 0;
    if (rms > GFI_LIMIT_INPUT && !gfi_is_normed(c->net, 1))
        return gfi_says(f, 1, rms, GFI_LIMIT_INPUT, gfi_scale_remedy(c), "the inputs are not scaled: their root mean "
                        "square is %.3g, and a net is initialised for 1", rms);
    if (!(rms < GFI_LIMIT_FAINT && rms > 0)) return 0;
    return gfi_says(f, 0.8, rms, GFI_LIMIT_FAINT, gfi_scale_remedy(c), "the inputs are almost nothing: their root mean "
                    "square is %.3g, and a net is initialised for 1", rms);
}

static int gfi_rule_data_constant(const gfi_case *c, gf_finding *f) {
    if (c->x_rows < 8 || c->x_alike > 1e-12 || c->x_nonfinite > 0) return 0;
    return gfi_says(f, 1, c->x_alike, 0, "", "all samples are the same%s: there is nothing to tell them apart by",
                    c->x_squares > 0 ? "" : ", all zeros");
}

// Of the counts of K classes, which occur?
static int gfi_seen_classes(const double *count, int K, double *largest, double *total) {
    int kinds = 0;
    *largest = *total = 0;
    for (int k = 0; k < K; k++) {
        kinds += count[k] > 0;
        *total += count[k];
        *largest = fmax(*largest, count[k]);
    }
    return kinds;
}

static int gfi_rule_one_class(const gfi_case *c, gf_finding *f) {
    double largest, total;
    const int kinds = gfi_seen_classes(c->label, c->classes, &largest, &total);
    if (total >= 16 && kinds == 1)
        return gfi_says(f, c->labels_known ? 1 : 0.8, 1, 2, "", "all %.0f labels%s are of one class: nothing is to be "
                        "learned, and an accuracy of 1 means nothing", total, c->labels_known ? "" : " so far");
    if (gfi_kind_of(c->net) != (int)GF_LOSS_MSE || c->samples < 16 || c->best > 1e-12 * gfi_target_rms(c)) return 0;
    return gfi_says(f, 0.8, c->best, 0, "", "all targets are alike: nothing is to be learned");
}

static int gfi_rule_unequal_classes(const gfi_case *c, gf_finding *f) {
    double largest, total;
    const int kinds = gfi_seen_classes(c->label, c->classes, &largest, &total);
    const double share = gfi_entropy(c->label, c->classes) / log((double)c->classes);
    if (kinds < 2 || total < 20.0 * c->classes) return 0;
    if (kinds < c->classes && c->labels_known)
        return gfi_says(f, 0.6, kinds, c->classes, "", "the net has %d classes, the labels only %d of them", c->classes,
                        kinds);
    if (!(share < GFI_LIMIT_ENTROPY)) return 0;
    return gfi_says(f, 0.9, share, GFI_LIMIT_ENTROPY, "", "the classes are very unequal: %.0f %% of the labels are of "
                    "one, and their entropy is %.2f of ln %d; repeat the rare ones or look at each class's own accuracy",
                    100 * largest / total, share, c->classes);
}

static int gfi_rule_sorted(const gfi_case *c, gf_finding *f) {
    const double chi = c->chi_square / c->groups;
    if (c->groups < 3 || !(chi > GFI_LIMIT_SORTED)) return 0;
    return gfi_says(f, 1, chi, GFI_LIMIT_SORTED, "gf_batches_init(&batches, &train, size, seed, GF_SHUFFLE);",
                    "the batches are sorted by class: their classes vary %.0f times as much as chance would have it",
                    chi);
}

static int gfi_rule_counts_rows(const gfi_case *c, gf_finding *f) {
    if (!c->counts_rows) return 0;
    return gfi_says(f, 0.9, c->counts_rows, NAN, "", "column %d counts the rows: drop it, or the net learns the order of "
                    "the file", c->counts_rows);
}

// The activation behind the last affine layer, if it is the net's last layer and bends; else NULL.
static const gfi_layer *gfi_output_activation(const gf_net *net) {
    const gfi_layer *last = &net->layers[net->layer_count - 1];
    return last->kind == &gfi_activation && last->act.kind != GF_ACT_IDENTITY ? last : NULL;
}

static int gfi_rule_target_range(const gfi_case *c, gf_finding *f) {
    const gfi_layer *last = gfi_output_activation(c->net);
    if (!last || gfi_kind_of(c->net) != (int)GF_LOSS_MSE || c->samples < 1) return 0;
    const double low = last->act_info.lower, high = last->act_info.upper, room = 1e-3 * (1 + fabs(c->t_high));
    const int above = c->t_high > high + room;
    if (!above && !(c->t_low < low - room)) return 0;
    gfi_names(f, last->name);
    return gfi_says(f, 1, above ? c->t_high : c->t_low, above ? high : low,
                    "// no gf_net_act behind the last layer, or targets scaled into its range", "targets go from %.3g to "
                    "%.3g, but the output's %s gives only %.3g to %.3g", c->t_low, c->t_high, gfi_act_label(last->act),
                    low, high);
}

static int gfi_is_adaptive(const gf_optim_config *o) { return o->kind != GF_SGD; }

static int gfi_rule_target_unscaled(const gfi_case *c, gf_finding *f) {
    const double rms = gfi_target_rms(c), lr = c->config.lr, steps = rms / (lr * c->reach);
    const char *remedy = "// targets: (t - mean)/std; undo it for a prediction";
    if ((c->well && !(rms < GFI_LIMIT_LOST)) || !(rms < INFINITY)) return 0;
    if (lr > 0 && gfi_is_adaptive(&c->config) && steps > GFI_LIMIT_REACH)
        return gfi_says(f, 0.9, steps, GFI_LIMIT_REACH, remedy, "the targets are not scaled: root mean square %.3g. %s "
                        "moves the output by about %.2g a step and would need %.0g steps to get there", rms,
                        gfi_optim_name(c->config.kind), lr * c->reach, steps);
    if (rms > GFI_LIMIT_TARGET && !(lr > 0 && gfi_is_adaptive(&c->config)))
        return gfi_says(f, 0.8, rms, GFI_LIMIT_TARGET, remedy, "the targets are not scaled: their root mean square is "
                        "%.3g, a new net's output near 1", rms);
    if (!(rms < 1 / GFI_LIMIT_TARGET && rms > 0)) return 0;
    return gfi_says(f, 0.7, rms, 1 / GFI_LIMIT_TARGET, remedy, "the targets are almost nothing: their root mean square "
                    "is %.3g, so loss and gradients are, too", rms);
}

// Is there something that bends between affine layers l and l + 1?
static int gfi_bends(const gf_net *net, int l) {
    const gfi_layer *end = gfi_affine(net, l + 1);
    for (const gfi_layer *layer = gfi_affine(net, l) + 1; layer < end; layer++)
        if (layer->kind == &gfi_max_pool || layer->kind == &gfi_layer_norm ||
            (layer->kind == &gfi_activation && layer->act.kind != GF_ACT_IDENTITY))
            return 1;
    return 0;
}

static int gfi_branches(const gf_net *net, int l) {  // there a skip begins or ends: one layer, seen from two places
    const gfi_layer *end = gfi_affine(net, l + 1);
    for (const gfi_layer *layer = gfi_affine(net, l) + 1; layer < end; layer++)
        if (layer->kind == &gfi_mark || layer->kind == &gfi_add || layer->kind == &gfi_add_projection) return 1;
    return 0;
}

static int gfi_rule_no_activation(const gfi_case *c, gf_finding *f) {
    const int L = c->net->affine_count;
    int linear = 0, at = 0;
    for (int l = L - 1; l >= 1; l--) {
        const gfi_layer *here = gfi_affine(c->net, l), *next = gfi_affine(c->net, l + 1);
        const int in = l == 1 ? (int)here->in_size : here->in.channels, middle = here->out.channels;
        if (gfi_bends(c->net, l)) continue;
        linear++;
        if (!gfi_branches(c->net, l) && (middle >= in || middle >= next->out.channels)) at = l;  // else on purpose
    }
    const int all = L > 1 && linear == L - 1;
    if (!all && (at == 0 || c->well)) return 0;
    gfi_names(f, gfi_affine(c->net, at ? at : 1)->name);
    return gfi_says(f, all ? 1 : 0.6, linear, 0, "gf_net_act(net, GF_ACT_RELU);  // between them",
                    all ? "no activation stands between the %d layers: together they are one linear layer"
                        : "%d layers have no activation between them and the next: both together are one linear layer",
                    all ? L : linear);
}

static int gfi_rule_output_activation(const gfi_case *c, gf_finding *f) {
    const gfi_layer *last = gfi_output_activation(c->net);
    const int kind = gfi_kind_of(c->net), K = (int)gfi_output(c->net)->out_size;
    double floor_at = K > 1 ? log(1 + (K - 1) * exp(-1.0)) : NAN;
    if (kind == (int)GF_LOSS_CUSTOM) {  // one's own: a new net's cross entropy is ln K, and Σ|dy| of a sample 2(1 - 1/K)/B
        const double share = c->dy_sum / (2 * (1 - 1.0 / K));
        if (!c->labels_known || K < 2 || fabs(c->first_loss - log((double)K)) > 0.05 * log((double)K) || share > 0.5 ||
            share < 0.5 / K)
            return 0;
        return gfi_says(f, 0.7, share, 1, "// one softmax: the loss's", "the loss begins at ln %d like a cross entropy, "
                        "but its gradient is %.2g of one: is softmax taken twice? Then it cannot fall below %.4g", K,
                        share, floor_at);
    }
    if (!last || kind == (int)GF_LOSS_MSE || kind < 0) return 0;
    const double range = last->act_info.upper - last->act_info.lower;
    floor_at = kind == (int)GF_LOSS_BCE ? log(1 + exp(-last->act_info.upper)) : log(1 + (K - 1) * exp(-range));
    gfi_names(f, last->name);
    return gfi_says(f, 1, c->now, floor_at, "// no gf_net_act behind the last layer: the loss has it", "%s stands before "
                    "a loss that contains %s: squashed twice, the loss cannot fall below %.4g", gfi_act_label(last->act),
                    kind == (int)GF_LOSS_BCE ? "sigmoid" : "softmax", floor_at);
}

static int gfi_rule_output_stuck(const gfi_case *c, gf_finding *f) {
    const gfi_layer *last = gfi_output_activation(c->net);
    const gf_layer_probe *top = &c->probe[c->net->affine_count - 1];
    if (c->well || c->net->nonfinite.found) return 0;
    gfi_names(f, last ? last->name : gfi_affine(c->net, c->net->affine_count)->name);
    if (c->dy == 0 && (c->steps < 10 || c->loss > 1e-9))
        return gfi_says(f, 1, c->loss, 0, "", "no gradient: the loss sends none into layer %d; it is %.4g whatever the "
                        "net gives out", c->net->affine_count, c->loss);
    if (!last || !(top->delta.rms == 0)) return 0;
    return gfi_says(f, 1, 0, c->dy, "// no gf_net_act behind the last layer", "no gradient: the output's %s is flat for "
                    "every sample, so none passes into layer %d", gfi_act_label(last->act), c->net->affine_count);
}

static int gfi_rule_one_output(const gfi_case *c, gf_finding *f) {
    const int K = (int)gfi_output(c->net)->out_size, kinds = c->data && c->data->labels ? c->data->classes : 0;
    if (K != 1 || gfi_kind_of(c->net) == (int)GF_LOSS_MSE || gfi_kind_of(c->net) == (int)GF_LOSS_CUSTOM) return 0;
    if (kinds < 3 && !(gfi_kind_of(c->net) == (int)GF_LOSS_BCE && c->value_count > 2 && c->samples > 30)) return 0;
    return gfi_says(f, 0.9, 1, kinds, "gf_net_dense(net, classes);  // and gf_loss_cross_entropy", "one output for %s: "
                    "it can tell two classes apart, no more", kinds ? "several classes" : "more than two kinds of target");
}

static int gfi_rule_derivative(const gfi_case *c, gf_finding *f) {
    for (int i = 0; i < c->net->layer_count; i++) {
        const gfi_layer *layer = &c->net->layers[i];
        if (layer->kind != &gfi_activation || layer->act.kind != GF_ACT_CUSTOM) continue;
        int wrong = 0;
        for (int k = 0; k < 8; k++) {
            const double z = 0.61 * k - 2.3, h = 1e-5, slope = gf_act_derivative(layer->act, z);
            const double true_slope = (gf_act_value(layer->act, z + h) - gf_act_value(layer->act, z - h)) / (2 * h);
            if (fabs(slope - true_slope) <= 1e-3 * (1 + fabs(true_slope))) continue;
            f->measured = slope;
            f->limit = true_slope;
            wrong++;
        }
        if (wrong < 3) continue;
        gfi_names(f, layer->name);
        return gfi_says(f, 1, f->measured, f->limit, "// of the input z, not of the output h", "the derivative of %s is "
                        "not that of its value: %.3g for %.3g", gfi_act_label(layer->act), f->measured, f->limit);
    }
    return 0;
}

static int gfi_rule_bottleneck(const gfi_case *c, gf_finding *f) {
    const int K = (int)gfi_output(c->net)->out_size;
    size_t widest = 0;
    for (int l = 1; l < c->net->affine_count; l++) widest = gfi_max_size(widest, gfi_affine(c->net, l)->out_size);
    if (widest > 0 && widest <= GFI_LIMIT_NARROW && c->backwards >= 200 && !c->well && c->now < 0.98 * c->best)
        return gfi_says(f, 0.5, (double)widest, GFI_LIMIT_NARROW, "gf_net_dense(net, 24);  // more units", "the net is too "
                        "small: no hidden layer has more than %zu units", widest);
    if (gfi_kind_of(c->net) != (int)GF_LOSS_CROSS_ENTROPY) return 0;
    for (int l = 1; l < c->net->affine_count; l++) {
        const gfi_layer *layer = gfi_affine(c->net, l);
        if (layer->out_size >= layer->in_size || (double)layer->out_size >= log((double)K) / log(2.0)) continue;
        gfi_names(f, layer->name);
        return gfi_says(f, 0.8, (double)layer->out_size, log((double)K) / log(2.0), "", "a bottleneck: all that layer %d "
                        "passes on is %zu number%s, for %d classes", l, layer->out_size, layer->out_size > 1 ? "s" : "",
                        K);
    }
    return 0;
}

static int gfi_rule_equal_weights(const gfi_case *c, gf_finding *f) {
    for (int l = 1; l < c->net->affine_count; l++) {
        if (!c->part[l - 1].equal) continue;
        gfi_names(f, gfi_affine(c->net, l)->name);
        const int zero = !(c->part[l - 1].weight > 0);
        return gfi_says(f, 1, 1, gfi_affine(c->net, l)->out.channels, GFI_START_AFRESH,
                        zero ? "the weights of layer %d are all zero: its units are copies and stay so, and " GFI_WT
                               " passes no gradient down"
                             : "all units of layer %d have the same weights: they get the same gradient and stay copies "
                               "of one", l);
    }
    return 0;
}

static int gfi_rule_weights_large(const gfi_case *c, gf_finding *f) {
    const int bounded = gfi_kind_of(c->net) <= (int)GF_LOSS_BCE;
    const double x = sqrt(c->x_squares / c->x_count);
    double flat = 0, variance = 0;
    int l = 1;
    for (int i = 1; i <= c->net->affine_count; i++) {
        if (gfi_is_normed(c->net, i) || !(c->part[i - 1].variance_first > variance)) continue;
        variance = c->part[i - 1].variance_first;
        l = i;
    }
    for (int i = 1; i < c->net->affine_count; i++) {
        const gfi_layer *act = gfi_activation_behind(c->net, i);
        if (act && act->act_info.saturates_right) flat = fmax(flat, c->part[i - 1].flat_first);
    }
    const int loud = bounded ? c->first_loss > GFI_LIMIT_FIRST_LOSS * c->best
                             : gfi_kind_of(c->net) == (int)GF_LOSS_MSE &&
                                   c->first_loss > 10 * (c->best + gfi_target_rms(c) * gfi_target_rms(c));
    if (c->well || !(variance > GFI_LIMIT_VARIANCE) || x > GFI_LIMIT_INPUT) return 0;
    if (!(loud || flat > GFI_LIMIT_FLAT)) return 0;
    gfi_names(f, gfi_affine(c->net, l)->name);
    return gfi_says(f, 0.9, variance, GFI_LIMIT_VARIANCE, GFI_START_AFRESH, "the weights are too large: in layer %d "
                    "fan_in times their variance is %.3g; the first loss is %.4g, a constant's %.4g", l, variance,
                    c->first_loss, c->best);
}

static int gfi_rule_weights_small(const gfi_case *c, gf_finding *f) {
    double all = 1, least = INFINITY;
    int at = 1;
    for (int l = 1; l < c->net->affine_count; l++) {
        const double variance = c->part[l - 1].variance_first;
        if (gfi_is_normed(c->net, l)) continue;
        all *= fmin(1, 3 * variance);  // against PyTorch's default of 1/3
        if (variance < least) at = l;
        least = fmin(least, variance);
    }
    if (c->well || !(all < GFI_LIMIT_SMALL && least < 0.2 && least > 0)) return 0;
    if (c->snapshot ? c->steps > 0 : !c->stuck) return 0;
    gfi_names(f, gfi_affine(c->net, at)->name);
    return gfi_says(f, 0.8, all, GFI_LIMIT_SMALL, GFI_START_AFRESH, "the weights are too small: in layer %d fan_in "
                    "times their variance is %.2g, and all layers together leave %.1g of a signal's and of a gradient's "
                    "square", at, least, all);
}

static int gfi_worst_dead(const gfi_case *c) {
    int at = 0;
    for (int l = 1; l < c->net->affine_count; l++)  // the output has a rule of its own
        if (c->part[l - 1].dead >= GFI_LIMIT_DEAD && (!at || c->part[l - 1].dead > c->part[at - 1].dead)) at = l;
    return at;
}

static int gfi_rule_dead(const gfi_case *c, gf_finding *f) {
    const int l = gfi_worst_dead(c);
    if (!l || c->well || !(c->part[l - 1].dead_first >= GFI_LIMIT_DEAD)) return 0;
    gfi_names(f, gfi_affine(c->net, l)->name);
    return gfi_says(f, 0.9, c->part[l - 1].dead, GFI_LIMIT_DEAD, GFI_START_AFRESH, "dead: %d %% of layer "
                    "%d's %s units are off for every sample, and what is off gets no gradient",
                    gfi_percent(c->part[l - 1].dead), l, gfi_phi(c->net, l));
}

static int gfi_rule_dying(const gfi_case *c, gf_finding *f) {
    const int l = gfi_worst_dead(c);
    if (!l || c->well || c->part[l - 1].dead_first >= GFI_LIMIT_DEAD) return 0;
    gfi_names(f, gfi_affine(c->net, l)->name);
    return gfi_says(f, 0.9, c->part[l - 1].dead, GFI_LIMIT_DEAD, "optim.config.lr /= 10;", "units died in training: %d "
                    "%% of layer %d's %s units are off for every sample, %d %% were at the start: a step too long threw "
                    "them there", gfi_percent(c->part[l - 1].dead), l, gfi_phi(c->net, l),
                    gfi_percent(c->part[l - 1].dead_first));
}

// What changed the gradient's norm between the last layer and layer 1: φ' of which layer, Wᵀ, or the rest?
static void gfi_cause(const gfi_case *c, char *text, size_t size) {
    double weight = 0, slope = 0, others = 0, most = -1;
    int at = 0;
    char rest[48] = "";
    for (int l = 1; l <= c->net->affine_count; l++) {
        const gf_layer_probe *probe = &c->probe[l - 1];
        const double part = l < c->net->affine_count ? probe->decay_slope : 0;  // behind the last φ has only a name
        if (l < c->net->affine_count) {
            weight += probe->decay_weight;
            slope += probe->decay_slope;
            others += probe->decay_rest;
        }
        if (!gfi_activation_behind(c->net, l) || fabs(part) <= most) continue;
        most = fabs(part);
        at = l;
    }
    const double sum = weight + slope + others;
    const int percent = gfi_percent(others / sum);
    if (weight / sum >= 0 && slope / sum >= 0 && others / sum >= -1e-6) {
        if (percent > 0) gfi_print(rest, sizeof rest, ", %d %% norms and skips", percent);
        gfi_print(text, size, "%d %% of the %s (in log) is " GFI_PHI " (%s), %d %% " GFI_WT "%s",
                  gfi_percent(slope / sum), sum < 0 ? "decay" : "growth", gfi_phi(c->net, at),
                  gfi_percent(weight / sum), rest);
        return;
    }
    if (fabs(others) > 1e-6) gfi_print(rest, sizeof rest, ", norms and skips %.2g", exp(others));
    gfi_print(text, size, GFI_PHI " (%s) alone makes it %.2g, " GFI_WT " %.2g%s", gfi_phi(c->net, at), exp(slope),
              exp(weight), rest);
}

static int gfi_rule_saturated(const gfi_case *c, gf_finding *f) {
    if (c->well || c->backwards < (c->snapshot ? 1 : 30)) return 0;
    for (int l = 1; l < c->net->affine_count; l++) {
        const gfi_layer *act = gfi_activation_behind(c->net, l);
        const double flat = c->probe[l - 1].flat_share;
        if (!act || !act->act_info.saturates_left || !act->act_info.saturates_right || !(flat > GFI_LIMIT_FLAT)) continue;
        gfi_names(f, act->name);
        return gfi_says(f, 0.8, flat, GFI_LIMIT_FLAT, "", "saturated: %d %% of layer %d's %s inputs lie where its slope "
                        "is below 1 %% of the largest", gfi_percent(flat), l, gfi_phi(c->net, l));
    }
    return 0;
}

static int gfi_rule_vanishing(const gfi_case *c, gf_finding *f) {
    const int L = c->net->affine_count;
    const double ratio = c->probe[0].delta.rms / c->probe[L - 1].delta.rms;
    double most = 0;
    for (int l = 1; l <= L; l++) most = fmax(most, c->part[l - 1].relative);
    const double relative = c->part[0].relative / most;
    if (gfi_rule_saturated(c, f)) return 0;  // says more
    if (L < 2 || c->well || !(ratio < GFI_LIMIT_DECAY && ratio > 0)) return 0;
    if (c->snapshot || (c->backwards < 30 && (c->raised & GFI_BIT(VANISHING)))) {  // preflight's word, till steps tell
        if (!(relative < GFI_LIMIT_DECAY || ratio < 0.1 * GFI_LIMIT_DECAY)) return 0;
    } else if (c->backwards < 30 || !(c->part[0].update * (double)c->steps < GFI_LIMIT_MOVED)) return 0;
    char cause[200];
    gfi_cause(c, cause, sizeof cause);
    gfi_names(f, gfi_affine(c->net, 1)->name);
    return gfi_says(f, 0.9, ratio, GFI_LIMIT_DECAY, "gf_net_batch_norm(net);  // behind each layer; or another "
                    "activation, or weights as its theory wants them", "vanishing: layer 1 receives %.2g "
                    "of what layer %d receives; %s", ratio, L, cause);
}

static int gfi_rule_exploding(const gfi_case *c, gf_finding *f) {
    const int L = c->net->affine_count;
    const double ratio = c->probe[0].delta.rms / c->probe[L - 1].delta.rms;
    const gf_nonfinite *at = &c->net->nonfinite;
    if (at->found && at->step == 0 && c->x_nonfinite + c->t_nonfinite == 0 && strcmp(at->layer, "input") != 0) {
        gfi_names(f, at->layer);
        return GFI_CERTAIN * gfi_says(f, 0.8, INFINITY, 1 / GFI_LIMIT_DECAY, GFI_KAIMING
                                      "  // or another activation", "exploding: before any step the "
                                      "signal leaves the range of numbers in %s", at->layer);
    }
    if (L < 2 || c->well || !(ratio > 1 / GFI_LIMIT_DECAY)) return 0;
    char cause[200];
    gfi_cause(c, cause, sizeof cause);
    gfi_names(f, gfi_affine(c->net, 1)->name);
    return gfi_says(f, 0.9, ratio, 1 / GFI_LIMIT_DECAY, "gf_net_clip_grad_norm(net, 1);  // or smaller weights",
                    "exploding: layer 1 receives %.2g of what layer %d receives; %s", ratio, L, cause);
}

static int gfi_rule_samples_alike(const gfi_case *c, gf_finding *f) {
    const int L = c->net->affine_count;
    if (L < 2 || !c->stuck || c->x_alike < 10 * GFI_LIMIT_ALIKE) return 0;
    for (int l = 1; l < L; l++) {
        if (!(c->part[l - 1].alike < GFI_LIMIT_ALIKE)) continue;
        gfi_names(f, gfi_affine(c->net, l)->name);
        return gfi_says(f, 0.8, c->part[l - 1].alike, GFI_LIMIT_ALIKE, "gf_net_batch_norm(net);  // behind each layer",
                        "all samples look alike from layer %d on: only %.1g of its signal differs between them", l,
                        c->part[l - 1].alike);
    }
    return 0;
}

static int gfi_rule_no_step(const gfi_case *c, gf_finding *f) {
    if (c->steps > 0 || c->backwards < (c->snapshot ? 20 : 3) || c->net->joined) return 0;
    return gfi_says(f, 1, 0, (double)c->backwards, "gf_optim_step(&optim, net);  // after gf_net_backward",
                    "%ld backward passes and no step of an optimiser: no weight moves", c->backwards);
}

// The net refuses a second step and a measurement that comes too late; its message says so.
static int gfi_refused(const gfi_case *c, gf_finding *f, gf_status status, const char *function, const char *remedy) {
    if (c->net->status != status || strncmp(c->net->message, function, strlen(function)) != 0) return 0;
    return GFI_CERTAIN * gfi_says(f, 1, NAN, NAN, remedy, "%.200s", c->net->message);
}

static int gfi_rule_step_twice(const gfi_case *c, gf_finding *f) {
    return gfi_refused(c, f, GF_ERROR_ORDER, "gf_optim_step", "// one gf_optim_step behind each gf_net_backward");
}

static int gfi_rule_measured_late(const gfi_case *c, gf_finding *f) {
    return gfi_refused(c, f, GF_ERROR_ORDER, "gf_net_measure",
                       "// gf_net_backward, gf_net_measure, gf_net_clip_grad_norm, gf_optim_step");
}

static int gfi_rule_eval_mode(const gfi_case *c, gf_finding *f) {
    if (c->net->mode != GF_EVAL || (c->steps == 0 && !c->snapshot)) return 0;
    for (int i = 0; i < c->net->layer_count; i++) {
        const gfi_layer *layer = &c->net->layers[i];
        if (layer->kind != &gfi_dropout && layer->kind != &gfi_batch_norm) continue;
        gfi_names(f, layer->name);
        return gfi_says(f, 0.9, NAN, NAN, "gf_net_forward(net, x, n, GF_TRAIN);", "it trains in GF_EVAL: %s works as in "
                        "a test", layer->name);
    }
    return 0;
}

static int gfi_rule_gradient_changed(const gfi_case *c, gf_finding *f) {
    const double scale = c->gradient_scale, B = (double)c->net->batch;
    if (scale < 0)
        return gfi_says(f, 1, scale, 1, "", "the gradients were turned round between backward and step (times %.3g): "
                        "each step climbs", scale);
    if (scale < 1.01 || fabs(scale - B) < 0.01 * B || c->well) return 0;
    return gfi_says(f, 0.7, scale, 1, "", "the gradients were multiplied by %.3g between backward and step", scale);
}

// How many times too large is one's own loss? For squares c·Σ(y - t)²: Σ dy² = 4·c·L tells c, which is 1/n for a mean.
// For classes |dy| summed over a sample is at most 2/B where the loss is the mean of a cross entropy.
static double gfi_custom_scale(const gfi_case *c) {
    const double B = (double)c->batch_first, n = B * (double)gfi_output(c->net)->out_size;
    const double square = c->dy_squares * n / (4 * c->first_loss);
    if (c->labels_known) return c->dy_sum > fmax(3, 0.25 * B) ? B : 1;
    return fabs(square - B) < 0.02 * B || fabs(square - n) < 0.02 * n ? B : 1;
}

static int gfi_rule_summed_loss(const gfi_case *c, gf_finding *f) {
    const int custom = gfi_kind_of(c->net) == (int)GF_LOSS_CUSTOM, B = custom ? c->batch_first : c->net->batch;
    const double times = custom ? gfi_custom_scale(c) : c->gradient_scale;
    if (B < 2 || !(fabs(times - B) < 0.01 * B)) return 0;
    if (c->well && (gfi_is_adaptive(&c->config) || c->now < 0.2 * c->best)) return 0;
    return gfi_says(f, 0.9, times, 1, "// the mean over the batch, or lr/B", "the loss is summed over the batch of %d, "
                    "not averaged: gradients and steps are %d times as large and change with the batch", B, B);
}

static int gfi_rule_clipped(const gfi_case *c, gf_finding *f) {
    if (c->well || gfi_is_adaptive(&c->config) || !(c->gradient_scale < 0.1 && c->gradient_scale >= 0)) return 0;
    return gfi_says(f, 0.8, c->gradient_scale, 0.1, "gf_net_clip_grad_norm(net, larger);", "clipping leaves %.2g of the "
                    "gradient in every step", c->gradient_scale);
}

// RMS ΔW/RMS W: the median of the layers.
static double gfi_typical_update(const gfi_case *c) {
    double typical = NAN;
    for (int l = 0; l < c->net->affine_count; l++) {
        int below = 0;
        for (int k = 0; k < c->net->affine_count; k++) below += c->part[k].update <= c->part[l].update;
        if (2 * below >= c->net->affine_count && !(typical <= c->part[l].update)) typical = c->part[l].update;
    }
    return typical;
}

static int gfi_rule_rate_high(const gfi_case *c, gf_finding *f) {
    const gf_nonfinite *at = &c->net->nonfinite;
    const double lr = c->config.lr, momentum = c->config.momentum, update = gfi_typical_update(c);
    const double edge = c->lambda > 0 && !gfi_is_adaptive(&c->config) ? 2 * (1 + momentum) / c->lambda : INFINITY;
    char remedy[80], edge_text[80] = "";
    gfi_print(remedy, sizeof remedy, "optim.config.lr = %.2g;", edge < INFINITY && lr > edge ? edge / 2 : lr / 10);
    if (edge < INFINITY) gfi_print(edge_text, sizeof edge_text, "; 2/" GFI_LAMBDA " was %.3g at the start", edge);
    if (lr > edge && c->net->affine_count == 1 && gfi_kind_of(c->net) == (int)GF_LOSS_MSE)
        return GFI_CERTAIN * gfi_says(f, 1, lr, edge, remedy, "the rate %.3g is above 2/" GFI_LAMBDA " = %.4g: the "
                                      "error grows by %.4g a step", lr, edge, fabs(1 - lr * c->lambda));
    if (c->steps == 0 || c->snapshot) return 0;
    if (at->found && c->steps > 0)
        return GFI_CERTAIN * gfi_says(f, 0.8, lr, edge, remedy, "the loss left the range of numbers at step %ld: the "
                                      "rate %.3g is too high%s", at->step, lr, edge_text);
    if (c->backwards < 10) return 0;
    const int n = c->losses.count;  // a step multiplies the error by |1 - lr·λ|, the loss by its square
    const double growth = n < 2 ? NAN : pow(c->losses.mean[n - 1] / c->losses.mean[n - 2], 0.5 / (double)c->losses.steps);
    if (c->now > 2 * c->first_loss && c->now > 2 * c->best && c->best > 1e-12)
        return gfi_says(f, 0.9, growth, 1, remedy, "the loss grew from %.3g to %.3g, the error %.3g-fold a "
                        "step: the rate %.3g is too high%s", c->first_loss, c->now, growth, lr, edge_text);
    if (c->well || c->backwards < 30) return 0;
    if (update > GFI_LIMIT_UPDATE)
        return gfi_says(f, 0.9, update, GFI_LIMIT_UPDATE, remedy, "each step changes the weights by %.2g of their size, "
                        "and the loss does not fall: the rate %.3g is too high%s", update, lr, edge_text);
    if (c->stuck && c->now > 1.1 * c->best && c->best > 1e-12)
        return gfi_says(f, 0.7, c->now, c->best, remedy, "the loss stays at %.3g; a constant output gives %.3g: the rate "
                        "%.3g is too high%s", c->now, c->best, lr, edge_text);
    const int dead = gfi_worst_dead(c);
    if (!dead || c->part[dead - 1].dead_first >= GFI_LIMIT_DEAD) return 0;
    return gfi_says(f, 0.8, lr, edge, remedy, "layer %d died on the way: the rate %.3g is too high%s", dead, lr,
                    edge_text);
}

static int gfi_rule_rate_low(const gfi_case *c, gf_finding *f) {
    const double lr = c->config.lr, moved = gfi_typical_update(c) * (double)c->steps;
    char remedy[60];
    gfi_print(remedy, sizeof remedy, "optim.config.lr = %.2g;", 10 * lr);
    if (c->backwards < 60 || c->steps == 0 || !(c->dy > 0) || c->rising) return 0;
    if (!c->well && c->now > 0.9 * c->first_loss && moved < GFI_LIMIT_MOVED)
        return gfi_says(f, 0.8, moved, GFI_LIMIT_MOVED, remedy, "the rate %.2g is too low: %ld steps moved the weights by "
                        "%.1g of their size", lr, c->steps, moved);
    if (!c->falling || c->backwards < 200 || !(c->now > 0.5 * c->first_loss && c->now < 0.97 * c->best)) return 0;
    if (!(gfi_typical_update(c) < GFI_LIMIT_CRAWL)) return 0;
    if (1 - c->noise / c->signal < GFI_LIMIT_NOISE) return 0;  // it learns by heart
    return gfi_says(f, 0.5, c->now / c->first_loss, 0.7, remedy, "it learns, but slowly: %ld steps brought the loss from "
                    "%.3g to %.3g, and it falls on", c->steps, c->first_loss, c->now);
}

static int gfi_rule_decay(const gfi_case *c, gf_finding *f) {
    const double left = c->weights / c->weights_first;
    if (c->well || !(c->config.weight_decay > 0) || !(c->decay > 1 || left < GFI_LIMIT_LEFT)) return 0;
    if (c->backwards < 10 && !c->snapshot) return 0;
    return gfi_says(f, 0.9, c->decay, 1, "optim.config.weight_decay = 1e-4;", "weight decay %.3g is stronger than the "
                    "data: it pulls %.2g times as hard as the gradient, and the weights went to %.2g of their size",
                    c->config.weight_decay, c->decay, left);
}

static int gfi_rule_dropout(const gfi_case *c, gf_finding *f) {
    for (int i = 0; i < c->net->layer_count; i++) {
        const gfi_layer *layer = &c->net->layers[i];
        const double p = layer->rate, wiped = pow(p, (double)layer->out_size);
        if (layer->kind != &gfi_dropout) continue;
        gfi_names(f, layer->name);
        if (i == c->net->layer_count - 1 && p > 0)
            return gfi_says(f, 1, p, 0, "// no gf_net_dropout behind the last layer", "dropout stands behind the last "
                            "layer: it deletes outputs");
        if (p > GFI_LIMIT_DROPOUT || wiped > GFI_LIMIT_WIPED)
            return gfi_says(f, 0.9, p > GFI_LIMIT_DROPOUT ? p : wiped, p > GFI_LIMIT_DROPOUT ? GFI_LIMIT_DROPOUT
                            : GFI_LIMIT_WIPED, "gf_net_dropout(net, 0.2);", "dropout %.3g is too strong: of %zu units it "
                            "keeps %.3g, and of %.2g %% of the samples none", p, layer->out_size,
                            (1 - p) * (double)layer->out_size, 100 * wiped);
    }
    return 0;
}

static int gfi_rule_starved(const gfi_case *c, gf_finding *f) {
    if (c->well || c->steps < 1 || !(c->starved > 0.5) || c->loss < 0.01 * c->best) return 0;
    return gfi_says(f, 0.8, c->starved, 0.5, "optim.config.eps = 1e-12;", "starved: for %d %% of the weights the "
                    "root of Adam's second moment lies below its eps %.2g: it no longer adapts, and its steps shrink "
                    "with the gradient", gfi_percent(c->starved), c->config.eps);
}

static int gfi_has_norm(const gf_net *net) {
    for (int i = 0; i < net->layer_count; i++)
        if (net->layers[i].running_mean) return 1;
    return 0;
}

static int gfi_rule_norm_statistics(const gfi_case *c, gf_finding *f) {
    const int bad_test = c->test.count > 0 && c->test.loss > 1.5 * c->now;
    if (c->net->status == GF_ERROR_SHAPE) return gfi_refused(c, f, GF_ERROR_SHAPE, "batch_norm", "");
    for (int l = 1; l <= c->net->affine_count; l++) {
        const double drift = c->part[l - 1].drift;
        if (!(drift > (bad_test ? 0.7 : 1.4)) || (c->backwards < 60 && !bad_test)) continue;
        gfi_names(f, gfi_affine(c->net, l)->name);
        return gfi_says(f, 0.8, drift, 1.4, "", "batch norm behind layer %d: its running statistics are %.2g (in "
                        "deviations, or ln of the variance) away from the batches' after %ld steps, and a test uses "
                        "them: more steps, larger batches or a lower rate", l, drift, c->steps);
    }
    return 0;
}

static int gfi_rule_gap(const gfi_case *c, gf_finding *f) {
    if (c->test.count == 0 || c->backwards < 30) return 0;
    const double train = c->train.count > 0 ? c->train.accuracy : c->accuracy_then;
    const double chance = 2 * sqrt(0.25 / (double)c->test.count);
    if (!(train - c->test.accuracy > GFI_LIMIT_GAP + chance)) return 0;
    return gfi_says(f, 0.7, train - c->test.accuracy, GFI_LIMIT_GAP, "", "it knows the training set (%.3g) and not the "
                    "test set (%.3g): too few samples for this net, or the two differ", train, c->test.accuracy);
}

static int gfi_rule_collapse(const gfi_case *c, gf_finding *f) {
    double largest, total, label, labels;
    if (c->backwards < 60 || c->well || gfi_seen_classes(c->label, c->classes, &label, &labels) < 2) return 0;
    gfi_seen_classes(c->guess, c->classes, &largest, &total);
    if (!(largest > 0.98 * total) || label > 0.95 * labels) return 0;
    return gfi_says(f, 0.8, largest / total, 0.98, "", "it predicts one class for %d %% of the samples",
                    gfi_percent(largest / total));
}

// Does some activation bend, so that its slope differs from sample to sample? With small weights a net is still linear,
// and what a linear net cannot tell (XOR) says nothing about the labels.
static int gfi_is_bent(const gfi_case *c) {
    for (int l = 1; l <= c->net->affine_count; l++) {
        const gf_layer_probe *probe = &c->probe[l - 1];
        if (probe->dphi_square - probe->dphi_mean * probe->dphi_mean >= 0.01 * probe->dphi_square) return 1;
    }
    return 0;
}

static int gfi_rule_plateau(const gfi_case *c, gf_finding *f) {
    const double rms = gfi_target_rms(c);
    if (!c->stuck || gfi_kind_of(c->net) == (int)GF_LOSS_CUSTOM) return 0;
    if (fabs(c->now - rms * rms) < 0.03 * c->now && c->best < 0.9 * c->now)
        return gfi_says(f, 0.8, c->now, rms * rms, "", "the loss stays at %.5g, the mean square of the targets: the "
                        "output is 0", c->now);
    if (!(fabs(c->now - c->best) < 0.1 * c->best)) return 0;
    if (c->net->affine_count > 1 && !gfi_is_bent(c))
        return gfi_says(f, 0.8, c->now, c->best, "gf_net_set_init(net, gf_init_with(GF_INIT_XAVIER_NORMAL, 2), "
                        "gf_init_zero());", "the loss stays at %.5g; the best constant output gives %.5g: the inputs of "
                        "the activations are so small that the net is still linear", c->now, c->best);
    return gfi_says(f, 0.8, c->now, c->best, "", "the loss stays at %.5g; the best constant output gives %.5g: the net "
                    "makes nothing of its input", c->now, c->best);
}

static int gfi_rule_shuffled_labels(const gfi_case *c, gf_finding *f) {
    const uint64_t others = ~(GFI_BIT(PLATEAU) | GFI_BIT(COLLAPSE) | GFI_BIT(GAP) | GFI_BIT(DATA_SHUFFLED_LABELS));
    const double left = 1 - c->noise / c->signal;
    if (c->test.count > 0 && c->now < 0.7 * c->best && c->test.loss > 1.1 * c->best && !gfi_has_norm(c->net) &&
        gfi_kind_of(c->net) == (int)GF_LOSS_CROSS_ENTROPY)
        return gfi_says(f, 0.7, c->test.loss, c->best, "", "it learns the training set by heart (loss %.3g) and is worse "
                        "than a constant on the test set (%.3g): the labels do not belong to the samples", c->now,
                        c->test.loss);
    if (c->backwards < 150 || c->looks < 10 || (c->raised & others) || (c->data && c->data->count < 100)) return 0;
    if (!gfi_is_bent(c) || !(left < GFI_LIMIT_NOISE) || !(c->now > 0.9 * c->best && c->now < 1.1 * c->best)) return 0;
    return gfi_says(f, 0.6, left, GFI_LIMIT_NOISE, "", "the inputs say nothing about the labels: the net works, but its "
                    "gradients are noise (%.1g of their square is common) and the loss stays at a constant's, %.4g",
                    fmax(0, left), c->best);
}

static int gfi_rule_nonfinite(const gfi_case *c, gf_finding *f) {
    const gf_nonfinite *at = &c->net->nonfinite;
    if (!at->found) return 0;
    gfi_names(f, at->layer);
    return GFI_CERTAIN * gfi_says(f, 1, (double)at->step, NAN, "", "non-finite: the first NaN or infinity "
                                  "came at step %ld in %s, %s", at->step, at->layer,
                                  at->backward ? "backward" : "forward");
}

typedef struct gfi_rule {
    const char *name, *family;
    int (*test)(const gfi_case *c, gf_finding *finding);  // NULL: said where nothing else is
    int needed;       // looks in a row that must agree before it is said, or taken back
    int one_look;     // gf_net_verdict asks it, too
    uint64_t causes;  // findings that it may follow from
} gfi_rule;

#define GFI_BLOWN (GFI_BIT(DATA_NONFINITE) | GFI_BIT(WEIGHTS_LARGE) | GFI_BIT(GRADIENT_CHANGED) | \
                   GFI_BIT(SUMMED_LOSS) | GFI_BIT(DERIVATIVE))
#define GFI_START (GFI_BIT(DERIVATIVE) | GFI_BIT(EQUAL_WEIGHTS) | GFI_BIT(WEIGHTS_LARGE) | \
                   GFI_BIT(WEIGHTS_SMALL) | GFI_BIT(DATA_NONFINITE))
#define GFI_BROKEN (GFI_BLOWN | GFI_START | GFI_BIT(DATA_UNSCALED) | GFI_BIT(DATA_CONSTANT) | \
                    GFI_BIT(DATA_SHUFFLED_LABELS) | GFI_BIT(DATA_ONE_CLASS) | GFI_BIT(DATA_SORTED) | \
                    GFI_BIT(TARGET_RANGE) | GFI_BIT(TARGET_UNSCALED) | GFI_BIT(NO_ACTIVATION) | \
                    GFI_BIT(OUTPUT_ACTIVATION) | GFI_BIT(OUTPUT_STUCK) | GFI_BIT(ONE_OUTPUT) | GFI_BIT(BOTTLENECK) | \
                    GFI_BIT(DEAD) | GFI_BIT(VANISHING) | GFI_BIT(EXPLODING) | GFI_BIT(SAMPLES_ALIKE) | \
                    GFI_BIT(NO_STEP) | GFI_BIT(EVAL_MODE) | GFI_BIT(CLIPPED) | GFI_BIT(RATE_HIGH) | \
                    GFI_BIT(RATE_LOW) | GFI_BIT(DECAY) | GFI_BIT(DROPOUT) | GFI_BIT(STARVED) | GFI_BIT(DYING) | \
                    GFI_BIT(SATURATED) | GFI_BIT(DATA_UNEQUAL_CLASSES))

// In the order of gf_finding_code, in which they are also asked and reported.
static const gfi_rule gfi_rules[GF_FINDING_COUNT] = {
    {"healthy", "", NULL, 0, 0, 0},
    {"done", "", NULL, 0, 0, 0},
    {"early", "", NULL, 0, 0, 0},
    {"data_nonfinite", "data", gfi_rule_data_nonfinite, 1, 1, 0},
    {"data_constant", "data", gfi_rule_data_constant, 1, 1, 0},
    {"data_one_class", "data", gfi_rule_one_class, 1, 1, 0},
    {"data_unscaled", "scaling", gfi_rule_data_unscaled, 1, 1, 0},
    {"data_counts_rows", "data", gfi_rule_counts_rows, 1, 0, 0},
    {"data_sorted", "data", gfi_rule_sorted, 1, 0, 0},
    {"data_unequal_classes", "data", gfi_rule_unequal_classes, 1, 0, 0},
    {"data_shuffled_labels", "data", gfi_rule_shuffled_labels, 2, 0, 0},
    {"target_range", "loss", gfi_rule_target_range, 1, 1, 0},
    {"target_unscaled", "scaling", gfi_rule_target_unscaled, 2, 1, 0},
    {"no_activation", "model", gfi_rule_no_activation, 1, 1, 0},
    {"output_activation", "loss", gfi_rule_output_activation, 1, 1, 0},
    {"output_stuck", "loss", gfi_rule_output_stuck, 2, 1, GFI_BIT(TARGET_RANGE)},
    {"one_output", "loss", gfi_rule_one_output, 1, 1, 0},
    {"derivative", "model", gfi_rule_derivative, 1, 1, 0},
    {"bottleneck", "model", gfi_rule_bottleneck, 1, 1, 0},
    {"equal_weights", "initialisation", gfi_rule_equal_weights, 2, 1, 0},
    {"weights_large", "initialisation", gfi_rule_weights_large, 2, 1, 0},
    {"weights_small", "initialisation", gfi_rule_weights_small, 3, 1, 0},
    {"dead", "model", gfi_rule_dead, 2, 1, GFI_START},
    {"vanishing", "model", gfi_rule_vanishing, 3, 1, GFI_START | GFI_BIT(OUTPUT_STUCK) | GFI_BIT(DEAD) | GFI_BIT(DECAY)},
    {"exploding", "model", gfi_rule_exploding, 3, 1, GFI_BLOWN},
    {"samples_alike", "model", gfi_rule_samples_alike, 3, 0,
     GFI_START | GFI_BIT(DEAD) | GFI_BIT(DATA_UNSCALED) | GFI_BIT(VANISHING) | GFI_BIT(RATE_HIGH) | GFI_BIT(DECAY) |
         GFI_BIT(DYING)},
    {"no_step", "protocol", gfi_rule_no_step, 1, 1, 0},
    {"step_twice", "protocol", gfi_rule_step_twice, 1, 1, 0},
    {"measured_late", "protocol", gfi_rule_measured_late, 1, 1, 0},
    {"eval_mode", "protocol", gfi_rule_eval_mode, 2, 1, 0},
    {"gradient_changed", "protocol", gfi_rule_gradient_changed, 3, 0, 0},
    {"summed_loss", "loss", gfi_rule_summed_loss, 2, 0, 0},
    {"clipped", "optimiser", gfi_rule_clipped, 3, 0, 0},
    {"rate_high", "optimiser", gfi_rule_rate_high, 2, 0,
     GFI_BLOWN | GFI_BIT(TARGET_RANGE) | GFI_BIT(OUTPUT_STUCK) | GFI_BIT(DATA_ONE_CLASS) | GFI_BIT(DECAY)},
    {"rate_low", "optimiser", gfi_rule_rate_low, 3, 0,
     GFI_BIT(VANISHING) | GFI_BIT(DEAD) | GFI_BIT(STARVED) | GFI_BIT(WEIGHTS_SMALL) | GFI_BIT(OUTPUT_STUCK) |
         GFI_BIT(TARGET_UNSCALED) | GFI_BIT(CLIPPED) | GFI_BIT(NO_STEP) | GFI_BIT(BOTTLENECK)},
    {"decay", "regularisation", gfi_rule_decay, 3, 1, GFI_BIT(DATA_NONFINITE)},
    {"dropout", "regularisation", gfi_rule_dropout, 1, 1, 0},
    {"starved", "optimiser", gfi_rule_starved, 3, 1, GFI_START | GFI_BIT(VANISHING) | GFI_BIT(TARGET_UNSCALED)},
    {"dying", "model", gfi_rule_dying, 2, 1, GFI_BLOWN | GFI_BIT(RATE_HIGH) | GFI_BIT(DATA_UNSCALED) | GFI_BIT(DECAY)},
    {"saturated", "model", gfi_rule_saturated, 3, 1,
     GFI_BLOWN | GFI_BIT(RATE_HIGH) | GFI_BIT(DATA_UNSCALED) | GFI_BIT(TARGET_RANGE)},
    {"norm_statistics", "protocol", gfi_rule_norm_statistics, 2, 0, GFI_BIT(EVAL_MODE) | GFI_BIT(RATE_HIGH)},
    {"gap", "data", gfi_rule_gap, 1, 0, GFI_BIT(DATA_SHUFFLED_LABELS) | GFI_BIT(NORM_STATISTICS)},
    {"collapse", "model", gfi_rule_collapse, 2, 0, GFI_BROKEN},
    {"plateau", "model", gfi_rule_plateau, 2, 0, GFI_BROKEN | GFI_BIT(COLLAPSE)},
    {"nonfinite", "optimiser", gfi_rule_nonfinite, 1, 1, GFI_BLOWN | GFI_BIT(RATE_HIGH) | GFI_BIT(EXPLODING) |
                                                              GFI_BIT(DATA_UNSCALED) | GFI_BIT(TARGET_UNSCALED)}};

// --- the judge and the observer ---

typedef struct gfi_evidence {
    gf_finding finding;  // as it was when last true
    int agreed;          // looks in a row that found it true; negative: that did not
} gfi_evidence;

struct gf_doctor {
    gf_net *net;    // NULL once it is freed
    gfi_case *c;    // in the net's memory; NULL before gf_net_build
    const gf_dataset *data;
    gf_real *before;  // [param_count] the weights before an observed step
    gf_real grad[GFI_GRAD_SAMPLES];  // a few gradients as backward left them
    long next;        // the step of the next look
    int pending;      // a look that is not yet judged
    gfi_evidence evidence[GF_FINDING_COUNT];
    gf_finding list[GF_FINDING_COUNT];
};

// A look is complete: every rule says what it thinks. `needed` looks in a row raise a finding (before training
// one), as many take it back.
static void gfi_doctor_judge(gf_doctor *d, int once) {
    gfi_case *c = d->c;
    d->pending = 0;
    gfi_case_weigh(c);
    for (int code = 0; code < GF_FINDING_COUNT; code++) {
        const gfi_rule *rule = &gfi_rules[code];
        const uint64_t bit = UINT64_C(1) << code;
        gfi_evidence *e = &d->evidence[code];
        gf_finding f;
        memset(&f, 0, sizeof f);
        const int is_true = rule->test ? rule->test(c, &f) : 0;
        e->agreed = is_true ? (e->agreed > 0 ? e->agreed : 0) + is_true : (e->agreed < 0 ? e->agreed : 0) - 1;
        if (is_true) {
            f.code = (gf_finding_code)code;
            f.first = e->agreed == is_true && !(c->raised & bit) ? d->net->step : e->finding.first;
            f.last = d->net->step;
            f.cause = -1;
            e->finding = f;
        }
        if (is_true && (e->agreed >= rule->needed || (once && rule->one_look))) c->raised |= bit;
        if (-e->agreed >= rule->needed) c->raised &= ~bit;
    }
}

static gf_doctor *gfi_doctor_of(const gf_net *net) { return (gf_doctor *)net->watcher; }

static void gfi_doctor_lay_out(gf_net *net, struct gfi_arena *arena) {
    gf_doctor *d = gfi_doctor_of(net);
    net->probe |= GF_PROBE_GRADIENTS | GF_PROBE_SIGNALS;
    d->c = gfi_case_take(net, arena, 0);
    d->before = gfi_take_reals(arena, 1, net->param_count);
    if (d->c) d->c->data = d->data;
}

// Does column k of the values rise by the same amount from row to row or, in few rows, fill such a ladder in any order?
static int gfi_column_counts(const gf_dataset *data, size_t k, size_t columns) {
    double sorted[GFI_LADDER] = {0};
    const int n = data->count < GFI_LADDER ? (int)data->count : GFI_LADDER;
    const double step = (double)data->values[columns + k] - (double)data->values[k];
    int ladder = step != 0;
    for (int i = 0; i < n; i++) {
        const double value = (double)data->values[(size_t)i * columns + k];
        ladder = ladder && fabs(value - (double)data->values[k] - i * step) < 0.01 * fabs(step);
        int at = i;
        for (; at > 0 && sorted[at - 1] > value; at--) sorted[at] = sorted[at - 1];
        sorted[at] = value;
    }
    if (ladder || data->count > GFI_LADDER) return ladder;
    double gap = INFINITY;
    for (int i = 1; i < n; i++) gap = fmin(gap, sorted[i] - sorted[i - 1]);
    int whole = gap > 0 && (sorted[n - 1] - sorted[0]) / gap < 2.0 * n;
    for (int i = 1; i < n && whole; i++) {
        const double rungs = (sorted[i] - sorted[i - 1]) / gap;
        whole = fabs(rungs - floor(rungs + 0.5)) < 0.02 * rungs;
    }
    return whole;
}

// The data set, once: its scale and classes, over at most 1024 samples; NaN, over all.
static void gfi_case_scan(gfi_case *c) {
    gf_real lookup[4 * 256];
    const gf_dataset *data = c->data;
    gf_net *net = c->net;
    const size_t size = gfi_shape_size(net->input), most = (size_t)net->max_batch;
    if (gfi_data_check("gf_doctor", data) != GF_OK || gfi_shape_size(data->shape) != size) {
        c->data = NULL;
        return;
    }
    gfi_data_lookup(data, lookup);
    const size_t stride = data->count / 1024 + 1;
    for (size_t i = 0, n = 0; i < data->count; i += stride) {
        gfi_data_read(data, lookup, i, net->sample + n++ * size);
        if (n < most && i + stride < data->count) continue;
        gfi_see_inputs(c, net->sample, n, size);
        n = 0;
    }
    if (data->values) {
        const gf_stats all = gfi_stats_by(&net->engine, data->values, data->count * size);
        c->x_nonfinite = all.nonfinite;
        c->x_max = fmax(c->x_max, all.max_abs);
    }
    const size_t outputs = (size_t)data->outputs;
    if (data->targets && outputs == gfi_output(net)->out_size && gfi_kind_of(net) != (int)GF_LOSS_CROSS_ENTROPY) {
        for (size_t i = 0; i < data->count * outputs; i++) gfi_see_target(c, i % outputs, (double)data->targets[i]);
        c->samples = (double)data->count;
        c->targets_known = 1;
    }
    for (size_t i = 0; i < data->count && data->labels && data->classes <= c->classes; i++) {
        if (data->labels[i] >= 0 && data->labels[i] < c->classes) c->label[data->labels[i]]++;
        c->labels_known = 1;
    }
    if (!data->values || data->count < 16 || size < 2 || size > 512) return;
    for (size_t k = size; k > 0; k--)
        if (gfi_column_counts(data, k - 1, size)) c->counts_rows = (int)k;
}

// A few gradients, evenly spread: as backward leaves them, or Σ now·then/Σ then² against those it left.
static double gfi_gradient_sample(gf_doctor *d, int compare) {
    const size_t n = d->net->param_count, stride = n / GFI_GRAD_SAMPLES + 1;
    double product = 0, square = 0;
    for (size_t i = stride / 2, k = 0; i < n; i += stride, k++) {
        if (!compare) d->grad[k] = d->net->grads[i];
        product += (double)d->grad[k] * (double)d->net->grads[i];
        square += (double)d->grad[k] * (double)d->grad[k];
    }
    return square > 0 ? product / square : 1;
}

// Look with the instruments, into the doctor's own case; the caller's probes stay as they are.
static void gfi_doctor_look(gf_doctor *d) {
    gf_net *net = d->net;
    gfi_case *const seen = net->seen;
    gf_layer_probe *const probes = net->probes;
    const unsigned probe = net->probe;
    void (*const around)(gf_net *, gf_optim *) = net->around_update;
    net->seen = d->c;
    net->probes = d->c->probe;
    net->probe = GF_PROBE_GRADIENTS | GF_PROBE_SIGNALS | GF_PROBE_NOISE | GFI_PROBE_BRIEF;
    gf_net_measure(net);
    net->seen = seen;
    net->probes = probes;
    net->probe = probe;
    net->around_update = around;
}

static void gfi_doctor_backward(gf_net *net) {
    gf_doctor *d = gfi_doctor_of(net);
    gfi_case *c = d->c;
    const gfi_layer *out = gfi_output(net);
    const double rows = (double)net->batch * (gfi_kind_of(net) == (int)GF_LOSS_BCE ? (double)out->out_size : 1);
    if (d->pending) gfi_doctor_judge(d, 0);
    if (!c->begun) gfi_case_begin(c);
    if (c->backwards == 0 && c->data && c->x_count < 1) gfi_case_scan(c);
    if (c->backwards == 0) c->first_loss = net->loss_value;
    const int looks = c->backwards >= d->next;
    gfi_course_add(&c->losses, net->loss_value);
    gfi_course_add(&c->hits, net->correct / rows);
    if (c->seen < 4096 || looks) gfi_see_targets(c);
    if (net->batch < 64 && c->alive_samples < 128) gfi_see_alive(c, 0);
    gfi_gradient_sample(d, 0);
    c->backwards++;
    if (!looks) return;
    gfi_doctor_look(d);
    d->pending = 1;
    // 0, 1, 2, 3, 5, 8, 12, … 65, 112, 159, …: the distance is prime, so that a small set's batches all have their turn.
    d->next += d->next < 64 ? d->next / 2 + 1 : 47;
}

// RMS ΔW/RMS W of each layer, the pull of the decay against the gradient's, and Adam's starved share.
static void gfi_doctor_after(gf_doctor *d, const gf_optim *optim) {
    gf_net *net = d->net;
    gfi_case *c = d->c;
    const gf_optim_config *o = &optim->config;
    double below = 0, starving = 0, moved = 0;
    for (int l = 1; l <= net->affine_count; l++) {
        const gf_tensor *w = gfi_affine(net, l)->w;
        gfi_part *part = &c->part[l - 1];
        gf_real *before = d->before + w->offset;  // becomes the way of each weight
        gfi_add_scaled(before, -1, w->value, w->size);
        const double squares = gfi_sum_squares(&net->engine, before, w->size);
        moved += squares;
        const double update = sqrt(squares / (double)w->size) / fmax(part->weight, 1e-30);
        part->update = part->update == part->update ? 0.5 * (part->update + update) : update;
        if (o->kind != GF_ADAM && o->kind != GF_ADAMW) continue;
        const double limit = gfi_adam_floor(optim);
        for (size_t i = 0; i < w->size; i += 8) {  // a sample is enough for a share
            const double v = (double)optim->v[w->offset + i];
            starving += v > 0 && v < limit;
            below += v > 0;
        }
    }
    const double pull = gfi_decay_pull(c, o, o->kind == GF_ADAMW ? sqrt(moved) / o->lr : gf_net_grad_norm(net));
    c->decay = c->looks == 1 ? pull : 0.5 * (c->decay + pull);
    c->starved = below > 0 ? starving / below : 0;
}

static void gfi_doctor_update(gf_net *net, const gf_optim *optim, int is_done) {
    gf_doctor *d = gfi_doctor_of(net);
    if (!is_done) {
        d->c->gradient_scale = gfi_gradient_sample(d, 1);
        if (d->pending) memcpy(d->before, net->params, net->param_count * sizeof *d->before);
        return;
    }
    d->c->steps++;
    d->c->config = optim->config;
    if (!d->pending) return;
    gfi_doctor_after(d, optim);
    gfi_doctor_judge(d, 0);
}

static void gfi_doctor_evaluated(gf_net *net, const gf_dataset *data, gf_score score) {
    gfi_case *c = gfi_doctor_of(net)->c;
    if (data == c->data) c->train = score;
    else gf_doctor_evaluated(gfi_doctor_of(net), c->train, score);
}

static void gfi_doctor_freed(gf_net *net) {
    gfi_doctor_of(net)->net = NULL;
    gfi_doctor_of(net)->c = NULL;
}

static const gfi_watch gfi_doctor_watch = {gfi_doctor_lay_out, gfi_doctor_backward, gfi_doctor_update,
                                           gfi_doctor_evaluated, gfi_doctor_freed};

// --- the calls ---

GFDEF gf_doctor *gf_doctor_create(gf_net *net, const gf_dataset *train) {
    if (!gfi_settable(net, "gf_doctor_create")) return NULL;
    if (!gfi_require(net, !net->watch, GF_ERROR_ORDER, "gf_doctor_create: this net has a doctor; one is enough"))
        return NULL;
    gf_doctor *d = (gf_doctor *)gfi_alloc(1, sizeof *d);
    if (!gfi_require(net, d != NULL, GF_ERROR_MEMORY, "gf_doctor_create: out of memory")) return NULL;
    memset(d, 0, sizeof *d);
    d->net = net;
    d->data = train;
    net->watch = &gfi_doctor_watch;
    net->watcher = d;
    return d;
}

GFDEF void gf_doctor_free(gf_doctor *d) {
    if (!d) return;
    if (d->net) d->net->watch = NULL;
    GF_FREE(d);
}

// A batch of the data set and what preflight works in; all of it is given back.
typedef struct gfi_preflight {
    gf_net *net;
    gf_loss_kind loss;
    int n;
    gf_real *x, *targets, *params, *grads, *base, *way;  // [n,I], [n,O], then [param_count] each
    int *labels;
} gfi_preflight;

static double gfi_preflight_loss(const gfi_preflight *p) {
    if (!gf_net_forward(p->net, p->x, p->n, GF_TRAIN)) return NAN;
    return gfi_loss_at(p->net, p->loss, p->labels, p->targets, 0);
}

static int gfi_preflight_begin(gfi_preflight *p, const gf_dataset *data) {
    gf_real lookup[4 * 256];
    const size_t I = gfi_shape_size(p->net->input), O = gfi_output(p->net)->out_size, P = p->net->param_count;
    const size_t n = data->count < (size_t)p->net->max_batch ? data->count : (size_t)p->net->max_batch;
    p->n = (int)n;
    p->x = (gf_real *)gfi_alloc(n * (I + O) + 4 * P, sizeof(gf_real));
    p->labels = p->loss == GF_LOSS_CROSS_ENTROPY ? (int *)gfi_alloc(n, sizeof(int)) : NULL;
    if (!p->x || (!p->labels && p->loss == GF_LOSS_CROSS_ENTROPY)) return 0;
    p->targets = p->x + n * I;
    p->params = p->targets + n * O;
    p->grads = p->params + P;
    p->base = p->grads + P;
    p->way = p->base + P;
    gfi_data_lookup(data, lookup);
    for (size_t i = 0; i < n; i++) {
        const size_t from = i * data->count / n;  // evenly spread
        gfi_data_read(data, lookup, from, p->x + i * I);
        if (p->labels) p->labels[i] = data->labels[from];
        else memcpy(p->targets + i * O, data->targets + from * O, O * sizeof(gf_real));
    }
    memcpy(p->params, p->net->params, P * sizeof(gf_real));
    memcpy(p->grads, p->net->grads, P * sizeof(gf_real));
    return 1;
}

// The largest curvature by power iteration: H·v is what a small step along v does to the gradient.
static double gfi_preflight_curvature(const gfi_preflight *p) {
    gf_net *net = p->net;
    const gfi_engine *engine = &net->engine;
    const size_t P = net->param_count;
    const double step = 1e-2 * (1 + sqrt(gfi_sum_squares(engine, p->params, P)));
    double lambda = 0, before = -1;
    memcpy(p->base, net->grads, P * sizeof(gf_real));
    memcpy(p->way, net->grads, P * sizeof(gf_real));
    for (int i = 0; i < 30 && fabs(lambda - before) > 1e-4 * fabs(lambda); i++) {
        const double length = sqrt(gfi_sum_squares(engine, p->way, P));
        if (!(length > 0 && length <= DBL_MAX)) break;
        gfi_scale(p->way, 1 / length, P);
        gfi_add_scaled(net->params, step, p->way, P);
        gfi_preflight_loss(p);
        gf_net_backward(net);
        memcpy(net->params, p->params, P * sizeof(gf_real));
        double along = 0;
        for (size_t k = 0; k < P; k++) {
            const double curved = ((double)net->grads[k] - (double)p->base[k]) / step;
            along += curved * (double)p->way[k];
            p->way[k] = (gf_real)curved;
        }
        before = lambda;
        lambda = along;
    }
    return lambda > 0 && lambda <= DBL_MAX ? lambda : 0;
}

GFDEF gf_status gf_doctor_preflight(gf_doctor *d, const gf_optim *optim, gf_loss_kind loss) {
    const char *const me = "gf_doctor_preflight";
    if (!d || !d->net) return gfi_fail(GF_ERROR_ARGUMENT, "%s: the doctor or its net is gone; create it first", me);
    gf_net *net = d->net;
    if (!gfi_ready(net, GFI_BUILT, me)) return net->status;
    if (!gfi_require(net, optim && d->data, GF_ERROR_ARGUMENT, "%s: %s is NULL; it needs both an optimiser and the data "
                     "set that gf_doctor_create was given", me, optim ? "the data set" : "optim") ||
        !gfi_can_evaluate(net, d->data, loss, me))
        return net->status;
    gfi_preflight p;
    memset(&p, 0, sizeof p);
    p.net = net;
    p.loss = loss;
    const gf_nonfinite nonfinite = net->nonfinite;
    const int kind = net->loss, joined = (int)net->joined_samples;
    gf_real *const join = net->joined;
    if (gfi_preflight_begin(&p, d->data)) {
        gfi_case *c = d->c;
        net->frozen = 1;
        net->joined = NULL;
        gfi_case_begin(c);
        c->config = optim->config;
        c->first_loss = gfi_preflight_loss(&p);
        gfi_case_scan(c);
        gf_net_backward(net);
        gfi_see_targets(c);
        gfi_doctor_look(d);
        c->lambda = gfi_preflight_curvature(&p);
        c->snapshot = 1;
        gfi_doctor_judge(d, 1);
        c->snapshot = 0;
        memcpy(net->grads, p.grads, net->param_count * sizeof(gf_real));
        gfi_forget_squares(net);
        net->frozen = 0;
        net->joined = join;
        net->joined_samples = (size_t)joined;
        net->loss = kind;
        net->correct = 0;
        net->nonfinite = nonfinite;
        net->phase = GFI_BUILT;
    } else gfi_net_fail(net, GF_ERROR_MEMORY, "%s: out of memory for a batch and three copies of the gradients", me);
    GF_FREE(p.x);
    GF_FREE(p.labels);
    return net->status;
}

GFDEF void gf_doctor_evaluated(gf_doctor *d, gf_score train, gf_score test) {
    if (d && d->c && train.count > 0) d->c->train = train;
    if (!d || !d->c || test.count == 0) return;
    d->c->test = test;
    d->c->accuracy_then = gfi_course_last(&d->c->hits, d->c->hits.count / 8);
}

// Nothing was found: is it done, healthy, or too early to say?
static void gfi_doctor_prognosis(const gfi_case *c, gf_finding *f) {
    memset(f, 0, sizeof *f);
    f->cause = -1;
    f->code = GF_FINDING_EARLY;
    if (!c || c->backwards == 0) {
        gfi_says(f, 1, 0, NAN, "", "too early to say: nothing was seen yet");
        return;
    }
    f->first = f->last = c->steps;
    const int done = c->steps > 0 && (c->now < 0.01 * c->best || c->accuracy > 0.995);
    if (done || c->well) f->code = done ? GF_FINDING_DONE : GF_FINDING_HEALTHY;
    gfi_says(f, done || c->well ? 0.9 : 0.5, c->now, c->best, "", "%s: the loss went from %.4g to %.4g in %ld steps; a "
             "constant output has %.4g", done ? "done" : c->well ? "healthy" : "too early to say", c->first_loss, c->now,
             c->steps, c->best);
}

GFDEF int gf_doctor_findings(gf_doctor *d, gf_finding *found, int max) {
    int count = 0, place[GF_FINDING_COUNT];
    if (!d) return 0;
    if (d->c && d->net->phase >= GFI_BUILT && !d->c->begun) gfi_case_begin(d->c);
    const int refused = d->net && (d->net->status != GF_OK || d->net->nonfinite.found);
    if (d->c && d->c->begun && (d->pending || refused)) gfi_doctor_judge(d, 0);
    else if (d->c && d->c->looks > 0) gfi_case_weigh(d->c);
    for (int symptoms = 0; symptoms < 2; symptoms++) {  // first the roots, then what follows from them
        for (int code = 0; code < GF_FINDING_COUNT && d->c; code++) {
            const uint64_t causes = gfi_rules[code].causes & d->c->raised;
            if (symptoms == 0) place[code] = -1;
            if (!(d->c->raised >> code & 1) || (causes != 0) != symptoms) continue;
            place[code] = count;
            d->list[count] = d->evidence[code].finding;
            for (int cause = GF_FINDING_COUNT - 1; cause >= 0; cause--)
                if (causes >> cause & 1 && place[cause] >= 0) d->list[count].cause = place[cause];
            count++;
        }
    }
    if (count == 0) gfi_doctor_prognosis(d->c, &d->list[count++]);
    for (int i = 0; i < count && i < max && found; i++) found[i] = d->list[i];
    return found && max < count ? max : count;
}

GFDEF const char *gf_finding_name(gf_finding_code code) {
    return (int)code >= 0 && code < GF_FINDING_COUNT ? gfi_rules[code].name : "?";
}

GFDEF const char *gf_finding_family(gf_finding_code code) {
    return (int)code >= 0 && code < GF_FINDING_COUNT ? gfi_rules[code].family : "";
}

#ifndef GF_NO_STDIO
GFDEF void gf_doctor_report(gf_doctor *d) {
    const int count = gf_doctor_findings(d, NULL, 0);
    for (int i = 0; i < count; i++) {
        const gf_finding *f = &d->list[i];
        printf("%s%s\n", f->cause >= 0 ? "  which is why: " : "", f->sentence);
        if (f->code > GF_FINDING_EARLY) printf("    (steps %ld to %ld, %.0f %% sure)\n", f->first, f->last, 100 * f->sure);
        if (f->remedy[0] != '\0') printf("    try: %s\n", f->remedy);
    }
}
#endif

// Where did the first NaN come from? With or without a look at the net.
static void gfi_verdict_nonfinite(const gf_net *net, const gfi_case *c, char *text, size_t size) {
    const gf_nonfinite *at = &net->nonfinite;
    gf_finding f;
    memset(&f, 0, sizeof f);
    if (!(c && c->looks > 0 && gfi_rule_data_nonfinite(c, &f)))
        gfi_print(f.sentence, sizeof f.sentence, "%s",
                  strcmp(at->layer, "input") == 0 ? "clean the data"
                  : at->step > 0                  ? "the steps were too long: lower the learning rate, or clip"
                                                  : "no step was made yet: the weights or the inputs are too large");
    gfi_print(text, size, "non-finite: the first NaN or infinity came at step %ld in %s, %s; %s", at->step, at->layer,
              at->backward ? "backward" : "forward", f.sentence);
}

// What is true of one look and follows from nothing else that is.
static void gfi_verdict_one_look(gfi_case *c, char *text, size_t size) {
    const int L = c->net->affine_count;
    for (int l = 0; l < L; l++)  // the step behind the look has measured it
        if (c->net->probes[l].adam_starved > c->starved) c->starved = c->net->probes[l].adam_starved;
    c->steps = c->net->step;
    c->config = c->net->config;
    gfi_case_weigh(c);
    gf_finding f;
    uint64_t true_ones = 0;
    for (int pass = 0; pass < 2; pass++) {  // which are true, then the first that follows from none of these
        for (int code = 0; code < GF_FINDING_COUNT; code++) {
            memset(&f, 0, sizeof f);
            if (!gfi_rules[code].one_look || !gfi_rules[code].test(c, &f)) continue;
            true_ones |= UINT64_C(1) << code;
            if (pass == 0 || (gfi_rules[code].causes & true_ones)) continue;
            gfi_print(text, size, "%s", f.sentence);
            return;
        }
    }
    if (c->steps > 0 && c->now < 0.01 * c->best)
        gfi_print(text, size, "done: the loss is %.2g, a constant output's would be %.2g", c->now, c->best);
    else if (L > 1)
        gfi_print(text, size, "healthy: layer 1 receives %.2g of what layer %d receives",
                  c->probe[0].delta.rms / c->probe[L - 1].delta.rms, L);
    else gfi_print(text, size, "healthy: the one layer's gradient is %.2g of its weights", c->part[0].relative);
}

GFDEF gf_status gf_net_verdict(gf_net *net, char *text, size_t size) {
    if (!text || size == 0)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_verdict: text is %s, size %zu; needs room, 200 bytes serve",
                            text ? "given" : "NULL", size);
    const unsigned needed = GF_PROBE_GRADIENTS | GF_PROBE_SIGNALS;
    gfi_case *c = net ? net->seen : NULL;
    text[0] = '\0';
    const int looked = c && c->looks > 0 && net->affine_count > 0 && (net->probe & needed) == needed;
    if (net && net->status == GF_OK && !looked && !net->nonfinite.found)
        gfi_net_fail(net, GF_ERROR_ORDER, "gf_net_verdict: needs gf_net_measure with GF_PROBE_GRADIENTS and _SIGNALS");
    if (!net || (net->status != GF_OK && !net->nonfinite.found)) {
        gfi_print(text, size, "%s", gf_net_error(net));
        return gf_net_status(net);
    }
    if (net->nonfinite.found) gfi_verdict_nonfinite(net, c, text, size);
    else gfi_verdict_one_look(c, text, size);
    return gf_net_status(net);
}

// [GF:CURVE] Curvature ------------------------------------------------------------------------------------------------
// gfi_curve_enter keeps what a net is, gfi_curve_leave puts it back. Between the two, gfi_curve_pass goes over the data
// for a gradient or a product H·v. All else is linear algebra.

// About ε^⅓, where a difference quotient's errors are alike: ε/h by rounding, h² by higher derivatives.
static double gfi_curve_h(void) { return sizeof(gf_real) == sizeof(float) ? 1.0 / 256 : 1.0 / 131072; }

static double gfi_dot(const gf_real *a, const gf_real *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

// How many values of one sample has this layer that are to be held on their side of a kink?
static size_t gfi_curve_kinks(const gfi_layer *layer) {
    const int bent = layer->kind == &gfi_activation && gfi_act_row_of(layer->act.kind)->kink_count > 0;
    return bent || layer->kind == &gfi_max_pool ? layer->out_size : 0;
}

GFDEF void gf_curve_free(gf_curve *curve) {
    if (!curve) return;
    GF_FREE(curve->sum);
    GF_FREE(curve->gradient);
    memset(curve, 0, sizeof *curve);
}

GFDEF gf_status gf_curve_init(gf_curve *curve, gf_net *net, const gf_dataset *data, gf_loss_kind kind, gf_mode mode,
                              int most_steps) {
    const char *const me = "gf_curve_init";
    if (!curve) return gfi_null(me, "curve");
    memset(curve, 0, sizeof *curve);
    if (!gfi_can_evaluate(net, data, kind, me)) return gf_net_status(net);
    const size_t n = net->param_count, m = most_steps > 0 && (size_t)most_steps > n ? n : (size_t)most_steps;
    if (n == 0 || most_steps < 0 || (mode != GF_TRAIN && mode != GF_EVAL))
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: most_steps is %d, mode %d, the net has %zu parameters; needs 0 "
                            "or more, GF_TRAIN or GF_EVAL, 1 or more", me, most_steps, (int)mode, n);
    for (int i = 0; i < net->layer_count; i++) curve->bends += gfi_curve_kinks(&net->layers[i]);
    if (m + 6 < SIZE_MAX / 64 / n) {  // m is at most n
        const size_t copies = net->state_count + curve->bends * (size_t)net->max_batch;
        curve->sum = (double *)gfi_alloc(n + 2 * m + 2 * m * m, sizeof(double));
        curve->gradient = (gf_real *)gfi_alloc((m + 6) * n + copies, sizeof(gf_real));
    }
    if (!curve->sum || !curve->gradient) {
        gf_curve_free(curve);
        return gfi_net_fail(net, GF_ERROR_MEMORY, "%s: no memory for Lanczos with %zu steps of %zu parameters; take "
                            "fewer", me, m, n);
    }
    curve->t = curve->sum + n;
    curve->weights = curve->gradient + n;
    curve->grads = curve->weights + n;
    curve->v = curve->grads + n;
    curve->hv = curve->v + n;
    curve->basis = curve->hv + n;
    curve->state = curve->basis + (m + 1) * n;
    curve->held = curve->state + net->state_count;
    curve->net = net;
    curve->data = data;
    curve->kind = kind;
    curve->mode = mode;
    curve->n = n;
    curve->most_steps = (int)m;
    return GF_OK;
}

// Where x has left the side of the kink that `held` tells, let y be as if that side went on, and dx likewise.
static void gfi_curve_hold(gf_curve *c, gfi_layer *layer, const gf_real *held, int backward) {
    const int is_pool = layer->kind == &gfi_max_pool;
    const gfi_pool pool = gfi_pool_of(c->net, layer);
    const gfi_act_row *row = gfi_act_row_of(layer->act.kind);
    const gf_act act = gfi_layer_act(layer);
    const size_t out_plane = gfi_plane(layer->out), W = (size_t)layer->in.width, KW = (size_t)layer->window.kernel_w;
    for (size_t i = 0; i < (size_t)c->net->batch * layer->out_size; i++) {
        const double x = (double)layer->x[i], start = (double)held[i];
        if (is_pool ? pool.place[i] == held[i] : gfi_act_side(row, x) == gfi_act_side(row, start)) continue;
        c->kinks += !backward;
        double slope;
        if (is_pool) {
            const size_t corner = i / out_plane * gfi_plane(layer->in) + gfi_pool_corner(&pool, i % out_plane);
            pool.place[i] = held[i];
            pool.y[i] = pool.x[corner + (size_t)held[i] / KW * W + (size_t)held[i] % KW];
            continue;
        }
        const double value = gfi_act_eval(act, start, &slope);
        if (!backward) layer->y[i] = (gf_real)(value + slope * (x - start));
        else if (layer->dx) layer->dx[i] = (gf_real)((double)layer->dy[i] * slope);
    }
}

// Samples start … start + n - 1, which lie in net->sample, forward and back, with weights w + step·v: sum += share·∇L.
// Returns their loss. sides 0: hold nothing. 1: take the sides, going forward only. 2: hold them.
static double gfi_curve_batch(gf_curve *c, size_t start, size_t n, const gf_real *v, double step, int sides,
                              double share) {
    gf_net *net = c->net;
    gf_real *held = c->held;
    net->batch = (int)n;
    net->mode = c->mode;
    for (size_t i = 0; i < c->n && v; i++) net->params[i] = (gf_real)((double)c->weights[i] + step * (double)v[i]);
    for (int i = 0; i < net->layer_count; i++) {
        gfi_layer *layer = &net->layers[i];
        const size_t bends = n * gfi_curve_kinks(layer);
        layer->x = i == 0 ? net->sample : net->layers[i - 1].y;
        layer->kind->forward(net, layer);
        if (sides == 1 && bends > 0)
            memcpy(held, layer->kind == &gfi_max_pool ? layer->save : layer->x, bends * sizeof(gf_real));
        if (sides == 2 && bends > 0) gfi_curve_hold(c, layer, held, 0);
        held += bends;
    }
    net->phase = GFI_FORWARDED;
    if (sides == 1 || net->status != GF_OK) return NAN;
    const double loss = gfi_loss_at(net, c->kind, c->data->labels, c->data->targets, start);
    for (int i = net->layer_count - 1; i >= 0 && net->status == GF_OK; i--) {
        gfi_layer *layer = &net->layers[i];
        const size_t bends = n * gfi_curve_kinks(layer);
        held -= bends;
        layer->kind->backward(net, layer);
        if (sides == 2 && bends > 0) gfi_curve_hold(c, layer, held, 1);
    }
    for (size_t i = 0; i < c->n; i++) c->sum[i] += share * (double)net->grads[i];
    return loss;
}

// Over all data. v NULL: ∇L into sum. Else H·v into sum, by differences of ±h. Returns the loss, or NaN, and an error,
// where something is not finite.
static double gfi_curve_pass(gf_curve *c, const gf_real *v, double h) {
    gf_net *net = c->net;
    gf_real lookup[4 * 256];
    const size_t count = c->data->count, most = (size_t)net->max_batch, size = gfi_shape_size(net->input);
    double loss = 0, squares = 0;
    c->kinks = 0;
    gfi_data_lookup(c->data, lookup);
    memset(c->sum, 0, c->n * sizeof *c->sum);
    for (size_t start = 0; start < count && net->status == GF_OK; start += most) {
        const size_t n = count - start < most ? count - start : most;
        const double share = (double)n / (double)count;
        for (size_t i = 0; i < n; i++) gfi_data_read(c->data, lookup, start + i, net->sample + i * size);
        if (v && c->bends > 0) gfi_curve_batch(c, start, n, v, 0, 1, 0);
        if (v) gfi_curve_batch(c, start, n, v, -h, 2, -share / (2 * h));
        loss += share * gfi_curve_batch(c, start, n, v, h, v ? 2 : 0, v ? share / (2 * h) : share);
    }
    for (size_t i = 0; i < c->n; i++) squares += c->sum[i] * c->sum[i];
    if (c->bends > 0) c->kinks /= 2 * (double)c->bends * (double)count;
    const int finite = fabs(loss) <= DBL_MAX && squares <= DBL_MAX;
    gfi_require(net, finite || net->status != GF_OK, GF_ERROR_NONFINITE, "curvature: the loss is %g, the norm of its "
                "gradient %g; look for NaN in data and weights", loss, sqrt(squares));
    return net->status == GF_OK ? loss : NAN;
}

// hv = H·v; slope and curvature along v. 0, and an error, when something is not finite.
static int gfi_curve_product(gf_curve *c, const gf_real *v, gf_real *hv) {
    const double norm = sqrt(gfi_dot(v, v, c->n)), h = norm > 0 ? gfi_curve_h() * c->scale / norm : 1;
    if (!gfi_require(c->net, norm <= DBL_MAX, GF_ERROR_NONFINITE, "curvature: ‖v‖ is %g; needs a finite v", norm))
        return 0;
    gfi_curve_pass(c, v, h);
    c->slope = gfi_dot(v, c->gradient, c->n);
    c->curvature = 0;
    for (size_t i = 0; i < c->n; i++) {
        c->curvature += c->sum[i] * (double)v[i];
        hv[i] = (gf_real)c->sum[i];
    }
    c->best_step = c->curvature > 0 ? -c->slope / c->curvature : INFINITY;
    return c->net->status == GF_OK;
}

// A direction that is orthogonal to no eigenvector: noise; number 0 leans towards the large ones, as ∇L does.
static void gfi_curve_direction(const gf_curve *c, uint64_t number, gf_real *v) {
    const uint64_t key = gfi_random_key(number, GFI_STREAM_CURVE);
    const double norm = sqrt(gfi_dot(c->gradient, c->gradient, c->n)), size = 1 / sqrt((double)c->n);
    const double lean = number == 0 && norm > 0 ? 1 / norm : 0;
    for (size_t i = 0; i < c->n; i++)
        v[i] = (gf_real)(gfi_random_gauss(gfi_random_at(key, i)) * size + (double)c->gradient[i] * lean);
}

// The loss, gradient and s of new weights; s from the curvature along one direction, or 1 + ‖w‖ where there is none.
static int gfi_curve_renew(gf_curve *c) {
    const double widest = 1 + sqrt(gfi_dot(c->weights, c->weights, c->n));
    c->steps = 0;
    c->samples = 0;
    c->loss = gfi_curve_pass(c, NULL, 0);
    for (size_t i = 0; i < c->n; i++) c->gradient[i] = (gf_real)c->sum[i];
    gfi_curve_direction(c, 0, c->v);
    c->scale = widest / 16;
    if (c->loss != c->loss || !gfi_curve_product(c, c->v, c->hv)) return 0;
    const double curvature = sqrt(gfi_dot(c->hv, c->hv, c->n) / gfi_dot(c->v, c->v, c->n));
    c->scale = fmin(sqrt(fmax(1, fabs(c->loss)) / curvature), widest);
    c->samples = c->data->count;
    return 1;
}

// Put the net back, but for its last forward and an error.
static gf_status gfi_curve_leave(gf_curve *c, gf_net *before) {
    gf_net *net = c->net;
    memcpy(net->params, c->weights, c->n * sizeof(gf_real));
    memcpy(net->grads, c->grads, c->n * sizeof(gf_real));
    memcpy(net->state, c->state, net->state_count * sizeof(gf_real));
    before->status = net->status;
    memcpy(before->message, net->message, sizeof net->message);
    before->phase = GFI_BUILT;
    *net = *before;
    gfi_forget_squares(net);
    return net->status;
}

// Keep the net, in *before and in c; until gfi_curve_leave nobody watches it and batch norm remembers nothing.
static gf_status gfi_curve_enter(gf_curve *c, const char *me, gf_net *before) {
    if (!c || !c->net)
        return gfi_fail(GF_ERROR_ORDER, "%s: the curve is %s; call gf_curve_init and check its status", me,
                        c ? "not initialised" : "NULL");
    gf_net *net = c->net;
    const size_t bytes = c->n * sizeof(gf_real), state_bytes = net->state_count * sizeof(gf_real);
    if (!gfi_can_evaluate(net, c->data, c->kind, me)) return gf_net_status(net);
    const int known = c->samples == c->data->count && memcmp(c->weights, net->params, bytes) == 0 &&
                      memcmp(c->state, net->state, state_bytes) == 0;
    *before = *net;
    memcpy(c->weights, net->params, bytes);
    memcpy(c->grads, net->grads, bytes);
    memcpy(c->state, net->state, state_bytes);
    net->after_forward = NULL;
    net->after_backward = NULL;
    net->around_update = NULL;
    net->watch = NULL;
    net->frozen = 1;
    return known || gfi_curve_renew(c) ? GF_OK : gfi_curve_leave(c, before);
}

GFDEF gf_status gf_hessian_vector(gf_curve *curve, const gf_real *v, gf_real *hv) {
    gf_net before;
    const gf_status status = gfi_curve_enter(curve, "gf_hessian_vector", &before);
    if (status != GF_OK) return status;
    for (size_t i = 0; i < curve->n && !v; i++) curve->v[i] = -curve->gradient[i];
    gfi_curve_product(curve, v ? v : curve->v, hv ? hv : curve->hv);
    return gfi_curve_leave(curve, &before);
}

GFDEF double gf_hessian_trace(gf_curve *curve, int samples, uint64_t seed, double *error) {
    const char *const me = "gf_hessian_trace";
    const uint64_t key = gfi_random_key(seed, GFI_STREAM_CURVE);
    gf_net before;
    double mean = 0, squares = 0;
    if (error) *error = NAN;
    if (gfi_curve_enter(curve, me, &before) != GF_OK) return NAN;
    gfi_require(curve->net, samples >= 2, GF_ERROR_ARGUMENT, "%s: samples is %d; needs 2 or more", me, samples);
    for (int s = 0; s < samples && curve->net->status == GF_OK; s++) {
        for (size_t i = 0; i < curve->n; i++)
            curve->v[i] = gfi_random_at(key, (uint64_t)s * curve->n + i) >> 63 ? (gf_real)1 : (gf_real)-1;
        gfi_curve_product(curve, curve->v, curve->hv);
        const double off = curve->curvature - mean;  // Welford's sums: no digits are lost to a large mean
        mean += off / (s + 1);
        squares += off * (curve->curvature - mean);
    }
    if (gfi_curve_leave(curve, &before) != GF_OK) return NAN;
    if (error) *error = sqrt(squares / (samples - 1) / samples);
    return mean;
}

// --- Lanczos: q_0 is any unit vector; then, for j = 0, 1, …,
//         w = H·q_j - a_j·q_j - b_{j-1}·q_{j-1},   a_j = q_jᵀHq_j,   b_j = ‖w‖,   q_{j+1} = w/b_j.
// The q are orthonormal, and H, seen through them, is the tridiagonal T = QᵀHQ with a on its diagonal and b beside it.
// An eigenvector s of T with eigenvalue θ makes y = Q·s nearly one of H: H·y - θ·y = b·s_last·q_next, the residual. The
// ends of the spectrum come first. Rounding would let the q lean on each other again, and eigenvalues already found come
// back as ghosts; so each w is made orthogonal to all q, twice. ---

// Take its parts along the first `count` basis vectors from v; the norm of what is left.
static double gfi_lanczos_clean(const gf_curve *c, gf_real *v, int count) {
    for (int j = 0; j < 2 * count; j++) {
        const gf_real *q = c->basis + (size_t)(j % count) * c->n;
        gfi_add_scaled(v, -gfi_dot(q, v, c->n), q, c->n);
    }
    return sqrt(gfi_dot(v, v, c->n));
}

static int gfi_lanczos_step(gf_curve *c) {
    const int j = c->steps;
    const double h = gfi_curve_h();
    double *a = c->t, *b = a + c->most_steps, largest = 0;
    gf_real *q = c->basis + (size_t)j * c->n, *next = q + c->n;
    if (j == 0) gfi_curve_direction(c, 0, q);
    if (j == 0) gfi_scale(q, 1 / gfi_lanczos_clean(c, q, 0), c->n);
    if (!gfi_curve_product(c, q, next)) return 0;
    double size = gfi_lanczos_clean(c, next, ++c->steps);
    a[j] = c->curvature;
    for (int i = 0; i <= j; i++) largest = fmax(largest, fmax(fabs(a[i]), i < j ? b[i] : size));
    b[j] = (size_t)c->steps < c->n && size > h * h * h * largest ? size : 0;
    if (b[j] <= 0) {  // H leads nowhere new from here: go on in any other direction
        gfi_curve_direction(c, (uint64_t)c->steps, next);
        size = gfi_lanczos_clean(c, next, c->steps);
    }
    gfi_scale(next, 1 / size, c->n);
    return 1;
}

static void gfi_rotate(double *x, double *y, int n, int step, double co, double si) {
    for (int k = 0; k < n; k++, x += step, y += step) {
        const double turned = co * *x - si * *y;
        *y = si * *x + co * *y;
        *x = turned;
    }
}

// The eigenvalues of T onto the diagonal of t[m,m], its eigenvectors into the rows of s[m,m]. Jacobi (1846): turn each
// plane p, q so far that t_pq is 0. What stands beside the diagonal loses 2·t_pq² each time, and soon all.
static void gfi_lanczos_solve(const gf_curve *c, double *t, double *s) {
    const int m = c->steps;
    const double *a = c->t, *b = a + c->most_steps;
    double whole = 0, apart = 1;
    for (int i = 0; i < m * m; i++) {
        const int row = i / m, column = i % m;
        t[i] = row == column ? a[row] : row == column + 1 ? b[column] : column == row + 1 ? b[row] : 0;
        s[i] = row == column;
        whole += t[i] * t[i];
    }
    for (int sweep = 0; sweep < 30 && apart > DBL_EPSILON * DBL_EPSILON * whole; sweep++) {
        apart = 0;
        for (int p = 0; p < m; p++)
            for (int q = p + 1; q < m; q++) {
                const double off = t[p * m + q], half = t[q * m + q] - t[p * m + p];
                apart += off * off;
                if (fabs(off) <= DBL_MIN) continue;
                const double tangent = 2 * off / (half + (half < 0 ? -1 : 1) * hypot(half, 2 * off));
                const double co = 1 / sqrt(1 + tangent * tangent), si = tangent * co;
                gfi_rotate(t + p * m, t + q * m, m, 1, co, si);
                gfi_rotate(t + p, t + q, m, m, co, si);
                gfi_rotate(s + p * m, s + q * m, m, 1, co, si);
            }
    }
}

// What T tells of H into found. 1: as accurately as wanted. Of a large eigenvector that ∇L knows nothing of, the start
// has only about 1/√n: the residual of the next one must fall below that before the larger one shows.
static int gfi_lanczos_read(gf_curve *c, int largest, int smallest, double accuracy, gf_eigen *found) {
    const int m = c->steps;
    double *t = c->t + 2 * c->most_steps, *s = t + m * m, widest = 0, worst = 0;
    gfi_lanczos_solve(c, t, s);
    for (int i = 0; i < m; i++) {
        int rank = 0;  // how many are larger
        for (int k = 0; k < m; k++) rank += t[k * m + k] > t[i * m + i] || (k < i && t[k * m + k] >= t[i * m + i]);
        widest = fmax(widest, fabs(t[i * m + i]));
        if (rank >= largest && m - 1 - rank >= smallest) continue;
        gf_eigen *eigen = &found[rank < largest ? rank : largest + m - 1 - rank];
        eigen->value = t[i * m + i];
        eigen->residual = c->t[c->most_steps + m - 1] * fabs(s[i * m + m - 1]);
        worst = fmax(worst, eigen->residual);
        if (eigen->vector) memset(eigen->vector, 0, c->n * sizeof(gf_real));
        for (int j = 0; j < m && eigen->vector; j++)
            gfi_add_scaled(eigen->vector, s[i * m + j], c->basis + (size_t)j * c->n, c->n);
    }
    return worst <= fmin(accuracy, 0.1 / sqrt((double)c->n)) * widest;
}

static void gfi_lanczos(gf_curve *c, int largest, int smallest, double accuracy, gf_eigen *found) {
    const int most = c->most_steps, wanted = largest + smallest;
    for (int f = 0; f < wanted; f++) found[f].value = found[f].residual = NAN;
    for (int going = 1; going;) {
        const int m = c->steps, look = m >= wanted && (m == most || m % (1 + m / 8) == 0);
        if (look && gfi_lanczos_read(c, largest, smallest, accuracy, found)) return;
        going = m < most && gfi_lanczos_step(c);
    }
}

GFDEF gf_status gf_hessian_top(gf_curve *curve, int largest, int smallest, double accuracy, gf_eigen *found) {
    const char *const me = "gf_hessian_top";
    gf_net before;
    const gf_status status = gfi_curve_enter(curve, me, &before);
    if (status != GF_OK) return status;
    const int most = curve->most_steps, fits = largest >= 0 && smallest >= 0 && largest <= most - smallest;
    if (gfi_require(curve->net, fits && (largest > 0 || smallest > 0) && accuracy >= 0 && found, GF_ERROR_ARGUMENT,
                    "%s: %d largest, %d smallest, accuracy %g, found is %s; needs 1 to %d together (gf_curve_init's "
                    "most_steps), 0 or more, room", me, largest, smallest, accuracy, found ? "given" : "NULL", most))
        gfi_lanczos(curve, largest, smallest, accuracy, found);
    return gfi_curve_leave(curve, &before);
}

// --- rate range test ---

static double gfi_mean(const double *x, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] / n;
    return sum;
}

// Train while the rate grows by e^growth a step, until the mean loss of the last `width` batches is 4 times its lowest.
// How many steps were that?
static int gfi_lr_run(gf_curve *c, gf_optim *optim, gf_batches *batches, double growth, int steps, int width,
                      double *losses) {
    const double lowest = optim->config.lr;
    double least = INFINITY;
    for (int i = 0; i < steps; i++) {
        if (!gf_batches_next(batches)) gf_batches_next(batches);  // the next epoch's first
        gf_net_forward(c->net, batches->x, batches->n, c->mode);
        losses[i] = gfi_loss_at(c->net, c->kind, batches->labels, batches->targets, 0);
        const double mean = i < width ? losses[i] : gfi_mean(losses + i + 1 - width, width);
        least = fmin(least, mean);
        optim->config.lr = lowest * gfi_exp(growth * i);
        if (!(mean <= 4 * least) || gf_net_backward(c->net) != GF_OK || gf_optim_step(optim, c->net) != GF_OK) return i;
    }
    return steps;
}

GFDEF gf_status gf_lr_range(gf_curve *curve, gf_optim_config config, double lowest, double highest, int steps,
                            double *losses, gf_lr_found *found) {
    const char *const me = "gf_lr_range";
    gf_net before;
    gf_optim optim;
    gf_batches batches;
    const gf_status status = gfi_curve_enter(curve, me, &before);
    if (status != GF_OK) return status;
    gf_net *net = curve->net;
    gf_eigen top = {NAN, NAN, NULL};
    memset(&optim, 0, sizeof optim);
    memset(&batches, 0, sizeof batches);
    config.lr = lowest;
    if (gfi_require(net, lowest > 0 && highest > lowest && highest <= DBL_MAX && steps >= 4 && losses && found,
                    GF_ERROR_ARGUMENT, "%s: rates %g to %g in %d steps, losses is %s, found %s; needs 0 < lowest < "
                    "highest, 4 steps or more, room", me, lowest, highest, steps, losses ? "given" : "NULL",
                    found ? "given" : "NULL") &&
        gf_optim_init(&optim, net, config) == GF_OK)
        gfi_require(net, gf_batches_init(&batches, curve->data, net->max_batch, net->seed, GF_SHUFFLE) == GF_OK,
                    GF_ERROR_MEMORY, "%s: %s", me, gf_last_error());
    if (net->status == GF_OK && curve->most_steps > 0) gfi_lanczos(curve, 1, 0, 0.01, &top);
    if (net->status == GF_OK) {
        const int width = 1 + steps / 20;
        const double growth = gfi_log(highest / lowest) / (steps - 1);
        memcpy(net->params, curve->weights, curve->n * sizeof(gf_real));
        net->frozen = 0;
        const int end = gfi_lr_run(curve, &optim, &batches, growth, steps, width, losses);
        if (net->status == GF_ERROR_NONFINITE) net->status = GF_OK;  // a way to diverge
        found->limit = 2 / top.value;
        found->divergence = end < steps ? lowest * gfi_exp(growth * end) : INFINITY;
        found->steepest = NAN;
        for (int i = end + 1; i < steps; i++) losses[i] = NAN;
        double most = 0;
        for (int i = width; i + width <= end; i++) {
            const double fall = gfi_mean(losses + i - width, width) - gfi_mean(losses + i, width);
            if (fall > most) found->steepest = lowest * gfi_exp(growth * i);
            most = fmax(most, fall);
        }
    }
    gf_optim_free(&optim);
    gf_batches_free(&batches);
    return gfi_curve_leave(curve, &before);
}

// =====================================================================================================================
// [GF:KERNEL] Tuned twins of the heavy loops
// =====================================================================================================================
// Read this last, or never: nothing here computes anything that a plain loop above does not say in a few lines, and the
// tests hold every function here against its plain twin.
//
// WHY PLAIN LOOPS REACH 1 % OF THE MACHINE. Take z = x·Wᵀ + b. The obvious loops, one product and one sum at a time, run
// at 1 to 2 GFLOP/s (billions of additions and multiplications a second). The core beneath them could do 115: a Zen 4
// core at 3.6 GHz starts a fused multiply-add (FMA: a·b + c in one instruction) on 16 floats in every cycle. Four things
// make up the difference, and one answer without the others gains little.
// 1. Lanes. A vector register holds 16 floats (AVX-512), 8 (AVX2) or 4 (NEON), and one instruction works on all of them.
//    The plain loop uses one. Answer: vectors, "gfi_v" below.
// 2. Waiting. A multiply-add returns its result after 4 cycles. A loop with one sum starts its next addition only then.
//    Answer: keep 8 or more sums under way that do not need one another.
// 3. Loads. The plain loop fetches two numbers for every product; a core fetches two or three vectors a cycle. Answer:
//    let a number, once it is in a register, serve many products. A tile of 8 rows × 48 columns of C stays in 24 of
//    AVX-512's 32 registers while k runs. Each step of k loads 3 vectors of B and 8 numbers of A for 24 multiply-adds.
//    The function gfi_tile_run is that loop, and nearly all time of a training step is spent in it.
// 4. Memory. Where B is stored the other way round (z = x·Wᵀ reads W by columns) or its rows are far apart, the columns
//    of a tile are first copied next to one another, into a "panel", which then serves all M rows of A: the copy costs a
//    few per cent from M = 64 on. And B is taken in "blocks" of 256 × 480 numbers, which fit the level-2 cache: all rows
//    of A go through a block before the next block comes. A tile's rows of A stay in the level-1 cache meanwhile.
// At the edges, fewer rows than a tile go through a smaller one, columns are dealt out evenly (4 vectors as 2 and 2, not
// 3 and 1), and the last vector of a row is loaded and stored in part.
//
// None of this changes a result: each element of C adds its products in the order k = 0, 1, 2, …, whatever the tiles,
// the blocks and the number of threads. Only an FMA rounds once where the plain loops round twice.

// The build settings for plain code end here.
#if defined(__OPTIMIZE__) && defined(__clang__) && defined(GFI_TUNED)
#pragma clang attribute pop
#elif defined(__OPTIMIZE__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

// The first place from `at` on that lies so many quarters of a page behind w, seen from the start of its page. Where
// several arrays that a loop walks through side by side lie alike in their pages, a load waits for every store before it
// that has the same address within the page, and they crowd the same few lines of the level-1 cache: Adam's update was
// measured to take 2.6 times as long. At most GFI_APART gf_reals are passed over.
static gf_real *gfi_apart(gf_real *at, const gf_real *w, int quarter) {
    const size_t page = 4096, wanted = ((uintptr_t)w + (size_t)quarter * page / 4) % page;
    return at + (wanted + page - (uintptr_t)at % page) % page / sizeof(gf_real);
}

#ifdef GFI_TUNED

// --- what all instruction sets share ---

static ptrdiff_t gfi_ceil_div(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }
static ptrdiff_t gfi_least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
static size_t gfi_min_size(size_t a, size_t b) { return a < b ? a : b; }

// `count` items are dealt into parts that differ by at most one: the first item of part i.
static ptrdiff_t gfi_share(ptrdiff_t count, ptrdiff_t parts, ptrdiff_t i) { return count * i / parts; }

// Elementwise work is dealt out in pieces that do not depend on the number of threads.
enum { GFI_PIECE = 8192 };
static ptrdiff_t gfi_pieces(size_t n) { return gfi_ceil_div((ptrdiff_t)n, GFI_PIECE); }
static size_t gfi_piece(size_t n, size_t start) { return gfi_min_size(n - start, GFI_PIECE); }

enum { GFI_BLOCK_DEPTH = 256, GFI_BLOCK_BYTES = 1920 };  // 480 floats: whole vectors, whole panels on every machine
enum { GFI_BLOCK_REALS = GFI_BLOCK_DEPTH * GFI_BLOCK_BYTES / (int)sizeof(gf_real) };

// A product C = start + A·B (see gfi_matmul), or a piece of one. Rows of C are contiguous and c_row apart.
typedef struct gfi_product {
    gf_real *c;
    gfi_matrix a, b;
    const gf_real *start;
    ptrdiff_t c_row, start_row;
} gfi_product;

// The rectangle of C from row m and column n on.
static gfi_product gfi_product_piece(const gfi_product *job, ptrdiff_t m, ptrdiff_t rows, ptrdiff_t n,
                                     ptrdiff_t columns) {
    gfi_product piece = *job;
    piece.c += m * job->c_row + n;
    if (job->start) piece.start += m * job->start_row + n;
    piece.a.at += m * job->a.row_step;
    piece.a.rows = (size_t)rows;
    piece.b.at += n * job->b.col_step;
    piece.b.cols = (size_t)columns;
    return piece;
}

// Deal C out to the threads: by columns, so that each packs another piece of B; or by rows, where the columns, which
// come in vectors of `lanes`, deal out unevenly. A product that is done before a second thread wakes up stays on one.
static void gfi_product_run(const gfi_engine *engine, const gfi_product *job,
                            void (*part)(const gfi_product *job, gf_real *block), ptrdiff_t lanes) {
    const ptrdiff_t M = (ptrdiff_t)job->a.rows, N = (ptrdiff_t)job->b.cols, vecs = gfi_ceil_div(N, lanes);
    const int threads = (double)M * (double)N * (double)job->a.cols < 5e5 ? 1 : engine->threads;
    const int by_rows = 16 * gfi_ceil_div(vecs, threads) * M > 17 * gfi_ceil_div(M, threads) * vecs;
    GFI_PARALLEL(threads)
    for (int t = 0; t < threads; t++) {
        const ptrdiff_t unit = by_rows ? 1 : lanes, all = by_rows ? M : N, units = by_rows ? M : vecs;
        const ptrdiff_t first = gfi_share(units, threads, t) * unit, end = gfi_share(units, threads, t + 1) * unit;
        const ptrdiff_t count = gfi_least(end, all) - first;
        const gfi_product piece = gfi_product_piece(job, by_rows ? first : 0, by_rows ? count : M, by_rows ? 0 : first,
                                                    by_rows ? N : count);
        part(&piece, engine->workspace + (ptrdiff_t)t * GFI_BLOCK_REALS);
    }
}

// Winograd's transforms, see there: Bᵀ G Aᵀ A Gᵀ.
enum { GFI_WINO_INPUT, GFI_WINO_KERNEL, GFI_WINO_OUTPUT, GFI_WINO_OUTPUT_BACK, GFI_WINO_KERNEL_BACK };
enum { GFI_WINO_TILES = 8, GFI_WINO_IN = 6, GFI_WINO_OUT = 4, GFI_WINO_PRODUCTS = GFI_WINO_IN * GFI_WINO_IN };

// One channel of a few images, for a norm: from `at` on, `rows` rows of n numbers, `step` apart.
typedef struct gfi_norm_part {
    size_t at, rows, step, n;
} gfi_norm_part;

// --- what float and double have apart ---
// Names of types and instructions, and the constants of the elementary functions. In double these are those of [GF:ACT];
// in float shorter polynomials do, of the same kind: minimax (Remez exchange on the relative error), lowest power first,
// written for an error below 0.2 units of the last place.
#if GFI_REAL_IS_DOUBLE
typedef long long gfi_lane;             // the integer as wide as a gf_real
typedef unsigned char gfi_mask_avx512;  // one bit a lane
#define GFI_AVX2(name) __builtin_ia32_##name##pd256
#define GFI_AVX512(name) __builtin_ia32_##name##pd512_mask
#define GFI_NEON(name) name##q_f64
#define GFI_NEON_VECTOR float64x2_t
#define GFI_LANE_NUMBERS {0, 1, 2, 3}   // AVX2's
#define GFI_TABLE(name) gfi_##name
#define GFI_EXP_LOW (-746.0)                         // e^x rounds to 0 from here down
#define GFI_EXP_ROUND (6755399441055744.0 + 2046.0)  // 1.5·2^52 + 2·bias: adding it rounds to an integer
#define GFI_EXP_MASK 0x7ff                           // an exponent field; the sum ends in n + 2·bias
#define GFI_MANTISSA 52
#define GFI_LN2_TOP 6.93147180369123816490e-01       // 33 bits, so that n times it is exact
#define GFI_LN2_REST 1.90821492927058770002e-10
#define GFI_UPPER_HALF (~0x7ffffffLL)                // keeps 26 bits of a mantissa: its square is exact
#else
typedef int gfi_lane;
typedef unsigned short gfi_mask_avx512;
#define GFI_AVX2(name) __builtin_ia32_##name##ps256
#define GFI_AVX512(name) __builtin_ia32_##name##ps512_mask
#define GFI_NEON(name) name##q_f32
#define GFI_NEON_VECTOR float32x4_t
#define GFI_LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7}
#define GFI_TABLE(name) gfi_short_##name
#define GFI_EXP_LOW (-104.0f)
#define GFI_EXP_ROUND (12582912.0f + 254.0f)         // 1.5·2^23 + 2·bias
#define GFI_EXP_MASK 0xff
#define GFI_MANTISSA 23
#define GFI_LN2_TOP 0.693359375f                     // 9 bits
#define GFI_LN2_REST (-2.12194440e-4f)
#define GFI_UPPER_HALF (~0xfff)                      // keeps 12 bits
static const gf_real gfi_short_exp_poly[] = {        // (e^r - 1 - r)/r², |r| ≤ ln2/2
    0.50000000623496932332f, 0.16666543177820757663f, 0.041666281302864737439f, 0.0083665687377108027231f,
    0.0013946481654751894365f};
static const gf_real gfi_short_log1p_poly[] = {      // (2·atanh(√w)/√w - 2)/w, 0 ≤ w ≤ 1/9
    0.66666675468321293657f, 0.39999888868736284286f, 0.28616618329564628711f, 0.21430259670689629989f,
    0.24291989765090377613f};
static const gf_real gfi_short_atan_poly[] = {       // (atan(√w)/√w - 1)/w, 0 ≤ w ≤ 1
    -0.33333327657103225564f, 0.19999699754784484862f, -0.14280215495100843001f, 0.1106075872400210482f,
    -0.088206597053047814706f, 0.067634942841743828464f, -0.044999412816597235675f, 0.022803831586491141224f,
    -0.0074425047180439415982f, 0.0011387506546810559849f};
static const gf_real gfi_short_tail_top[] = {        // Q(a)·e^(a²/2) = top(a)/bottom(a), 0 ≤ a ≤ 14.5
    0.5000000029499821739f, 0.4383023485557706835f, 0.1832406311225020905f, 0.04063507901518083178f,
    0.004116583369998682525f};
static const gf_real gfi_short_tail_bottom[] = {1.0f, 1.674489678262605249f, 1.202525932853852475f,
                                                0.4694851274348721623f, 0.1018634828451694263f,
                                                0.01031862457677824741f};
#endif

static int gfi_act_is_custom(gf_act act) { return (int)act.kind < 0 || act.kind >= GF_ACT_CUSTOM; }

// --- vocabulary of vectors ---
// Compilers of GCC's kind have vectors as types: + - * / work on them lane by lane, & | ~ << >> on vectors of integers.
// What C has no operator for has a name here, and is an instruction of each set, below. The compilers' own names for the
// instructions are used: immintrin.h, which has prettier ones, takes as long to read as half of this header to compile.
#define GFI_ISA_neon 1
#define GFI_ISA_avx2 2
#define GFI_ISA_avx512 3
#define GFI_ISA GFI_CAT(GFI_ISA_, GFI_PASS)
#define GFI_FN(name) GFI_CAT(name, GFI_CAT(_, GFI_PASS))  // name_avx2 in the pass for AVX2
#if defined(__x86_64__)
#define GFI_BASE(name) name##_avx2  // what AVX-512 has no version of its own of
#else
#define GFI_BASE(name) name##_neon
#endif
#define GFI_TARGET_neon
#define GFI_TARGET_avx2 __attribute__((target("avx2,fma")))
#define GFI_TARGET_avx512 __attribute__((target("avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")))
#define GFI_TARGET GFI_CAT(GFI_TARGET_, GFI_PASS)
#define GFI_INLINE static inline __attribute__((always_inline)) GFI_TARGET
#if defined(__clang__)
#define GFI_LOOP GFI_BASE(GFI_TARGET)
#else
#define GFI_LOOP GFI_BASE(GFI_TARGET) __attribute__((optimize("O3", "no-trapping-math")))
#endif
#define GFI_VBYTES (GFI_ISA == GFI_ISA_avx512 ? 64 : GFI_ISA == GFI_ISA_avx2 ? 32 : 16)
#define GFI_VLEN (GFI_VBYTES / (GFI_REAL_IS_DOUBLE ? 8 : 4))
#define GFI_VDLEN (GFI_VBYTES / 8)
#define gfi_v GFI_FN(gfi_vector)                         // GFI_VLEN gf_reals
#define gfi_vi GFI_FN(gfi_vector_int)                    // integers as wide
#define gfi_vd GFI_FN(gfi_vector_double)                 // GFI_VDLEN doubles: what sums are added up in
#define gfi_vm GFI_FN(gfi_mask)                          // what a comparison gives
#define GFI_LOAD(p) ((gfi_v) * (const GFI_FN(gfi_vector_at) *)(p))  // a whole vector, at any address
#define GFI_STORE(p, v) ((void)(*(GFI_FN(gfi_vector_at) *)(p) = (v)))
#define GFI_LOAD_N(p, n) GFI_FN(gfi_load)(p, n)          // the first n lanes, the others zero; all if n ≥ GFI_VLEN
#define GFI_STORE_N(p, v, n) GFI_FN(gfi_store)(p, v, n)
#define GFI_ALL(x) ((gf_real)(x) - __extension__(gfi_v){0})  // the same number in all lanes; + would make 0 of -0
#define GFI_ALL_INT(x) ((gfi_lane)(x) - __extension__(gfi_vi){0})
#define GFI_ALL_WIDE(x) ((double)(x) - __extension__(gfi_vd){0})
#define GFI_FMA(a, b, c) GFI_FN(gfi_fma)(a, b, c)        // a·b + c, rounded once
#define GFI_LT(a, b) GFI_FN(gfi_less)(a, b)              // false for NaN
#define GFI_GT(a, b) GFI_LT(b, a)
#define GFI_SELECT(m, a, b) GFI_FN(gfi_select)(m, a, b)  // m ? a : b
#define GFI_MAX(a, b) GFI_FN(gfi_max)(a, b)              // a > b ? a : b, so b when either is NaN
#define GFI_MIN(a, b) GFI_FN(gfi_min)(a, b)              // a < b ? a : b
#define GFI_ZIP_LOW(a, b) GFI_FN(gfi_zip_low)(a, b)      // a0 b0 a1 b1 … of the lower halves
#define GFI_ZIP_HIGH(a, b) GFI_FN(gfi_zip_high)(a, b)    // of the upper halves
#if defined(__x86_64__) && !defined(__clang__) && !GFI_REAL_IS_DOUBLE  // GFI_VDLEN gf_reals as doubles; gcc takes halves
#define GFI_WIDEN(p) __builtin_ia32_cvtps2pd256(*(const GFI_FN(gfi_few_at) *)(p))
#else
#define GFI_WIDEN(p) __builtin_convertvector(*(const GFI_FN(gfi_few_at) *)(p), gfi_vd)
#endif
#define GFI_NARROW(p, v) ((void)(*(GFI_FN(gfi_few_at) *)(p) = __builtin_convertvector(v, GFI_FN(gfi_few_at))))
#define GFI_HORNER(x, name) \
    GFI_FN(gfi_horner)(x, GFI_TABLE(name), (int)(sizeof GFI_TABLE(name) / sizeof *GFI_TABLE(name)))
#define GFI_AS_INT(v) ((gfi_vi)(v))
#define GFI_AS_REAL(v) ((gfi_v)(v))
#if defined(__clang__)
#define GFI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GFI_UNROLL _Pragma("GCC unroll 32")
#endif
#if defined(__clang__) || __GNUC__ >= 12  // lanes of a and b by number, b's counting on from a's
#define GFI_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define GFI_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, __extension__(gfi_vi){__VA_ARGS__})
#endif
#ifdef __has_builtin
#if __has_builtin(__builtin_elementwise_fma) && __has_builtin(__builtin_elementwise_sqrt)
#define GFI_ELEMENTWISE  // newer clangs: these names in place of the processor's
#endif
#endif

// --- what follows is compiled once for each instruction set: this file includes itself, GFI_PASS names the set ---

// This file by its own name, whatever it is called: from the compiler, or else by the name that it is known by.
#if defined(__FILE_NAME__)
#define GFI_SELF __FILE_NAME__
#elif defined(__has_include)
#if __has_include(__FILE__)
#define GFI_SELF __FILE__
#endif
#endif
#ifndef GFI_SELF
#define GFI_SELF "gradflow.h"
#endif

#if defined(__x86_64__)
#define GFI_PASS avx2
#include GFI_SELF
#undef GFI_PASS
#define GFI_PASS avx512
#include GFI_SELF
#undef GFI_PASS
#else
#include <arm_neon.h>
#define GFI_PASS neon
#include GFI_SELF
#undef GFI_PASS
#endif
#if GFI_PASS_VERSION != GF_VERSION_MAJOR * 100 + GF_VERSION_MINOR
#error "gradflow.h took its tuned loops from another version's file: give this file a name of its own, or its old name."
#endif

#endif  // GFI_TUNED
#define GFI_LAST_PART
#endif  // GRADFLOW_IMPLEMENTATION

#else  // GFI_PASS: from here to the #endif of the same name, what is compiled once for each instruction set

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // gcc's instructions take masks signed here and unsigned there
#endif
#define GFI_PASS_VERSION 2  // GF_VERSION_MAJOR·100 + GF_VERSION_MINOR of this file

typedef gf_real gfi_v __attribute__((vector_size(GFI_VBYTES)));
typedef gfi_lane gfi_vi __attribute__((vector_size(GFI_VBYTES)));
typedef double gfi_vd __attribute__((vector_size(GFI_VBYTES)));
typedef gf_real GFI_FN(gfi_vector_at) __attribute__((vector_size(GFI_VBYTES), aligned(sizeof(gf_real)), may_alias));

typedef gf_real GFI_FN(gfi_few_at)
    __attribute__((vector_size(GFI_VDLEN * sizeof(gf_real)), aligned(sizeof(gf_real)), may_alias));

#if GFI_ISA == GFI_ISA_avx512  // a mask has one bit a lane; 4: round as usual

#define GFI_LOAD_PART(p, n) GFI_AVX512(loadu)(p, GFI_ALL(0), (gfi_vm)((1u << (n)) - 1u))
#define GFI_STORE_PART(p, v, n) GFI_AVX512(storeu)(p, v, (gfi_vm)((1u << (n)) - 1u))
GFI_INLINE gfi_v GFI_FN(gfi_fma)(gfi_v a, gfi_v b, gfi_v c) { return GFI_AVX512(vfmadd)(a, b, c, (gfi_vm)-1, 4); }
GFI_INLINE gfi_vm GFI_FN(gfi_less)(gfi_v a, gfi_v b) { return (gfi_vm)GFI_AVX512(cmp)(a, b, 17, (gfi_vm)-1, 4); }
GFI_INLINE gfi_v GFI_FN(gfi_select)(gfi_vm m, gfi_v a, gfi_v b) {  // a·2^0 where m, else b: both compilers have that
    return GFI_AVX512(scalef)(a, GFI_ALL(0), b, m, 4);
}

#else  // a mask has all bits of a lane

typedef gfi_vi gfi_vm;
GFI_INLINE gfi_vm GFI_FN(gfi_less)(gfi_v a, gfi_v b) { return (gfi_vm)(a < b); }
#if GFI_ISA == GFI_ISA_avx2

#define GFI_LOAD_PART(p, n) GFI_AVX2(maskload)((const gfi_v *)(const void *)(p), GFI_FN(gfi_first_lanes)(n))
#define GFI_STORE_PART(p, v, n) GFI_AVX2(maskstore)((gfi_v *)(void *)(p), GFI_FN(gfi_first_lanes)(n), v)
GFI_INLINE gfi_vi GFI_FN(gfi_first_lanes)(int n) {
    const gfi_vi lane = GFI_LANE_NUMBERS;
    return (gfi_vi)(lane < (gfi_lane)n);
}
GFI_INLINE gfi_v GFI_FN(gfi_select)(gfi_vm m, gfi_v a, gfi_v b) { return GFI_AVX2(blendv)(b, a, GFI_AS_REAL(m)); }
#ifdef GFI_ELEMENTWISE
#define GFI_FMA_WIDE(a, b, c) __builtin_elementwise_fma(a, b, c)
GFI_INLINE gfi_v GFI_FN(gfi_fma)(gfi_v a, gfi_v b, gfi_v c) { return __builtin_elementwise_fma(a, b, c); }
GFI_INLINE gfi_v GFI_FN(gfi_sqrt)(gfi_v a) { return __builtin_elementwise_sqrt(a); }
#else
#define GFI_FMA_WIDE(a, b, c) __builtin_ia32_vfmaddpd256(a, b, c)
GFI_INLINE gfi_v GFI_FN(gfi_fma)(gfi_v a, gfi_v b, gfi_v c) { return GFI_AVX2(vfmadd)(a, b, c); }
GFI_INLINE gfi_v GFI_FN(gfi_sqrt)(gfi_v a) { return GFI_AVX2(sqrt)(a); }
#endif

#else  // NEON

#define GFI_FMA_WIDE(a, b, c) ((gfi_vd)vfmaq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#define GFI_LOAD_PART(p, n) GFI_FN(gfi_load_part)(p, n)
#define GFI_STORE_PART(p, v, n) memcpy(p, &(v), (size_t)(n) * sizeof(gf_real))
GFI_INLINE gfi_v GFI_FN(gfi_load_part)(const gf_real *p, int n) {
    gfi_v lanes = {0};
    memcpy(&lanes, p, (size_t)n * sizeof *p);
    return lanes;
}
GFI_INLINE gfi_v GFI_FN(gfi_select)(gfi_vm m, gfi_v a, gfi_v b) {
    return GFI_AS_REAL((m & GFI_AS_INT(a)) | (~m & GFI_AS_INT(b)));
}
GFI_INLINE gfi_v GFI_FN(gfi_fma)(gfi_v a, gfi_v b, gfi_v c) {
    return (gfi_v)GFI_NEON(vfma)((GFI_NEON_VECTOR)c, (GFI_NEON_VECTOR)a, (GFI_NEON_VECTOR)b);
}
GFI_INLINE gfi_v GFI_FN(gfi_sqrt)(gfi_v a) { return (gfi_v)GFI_NEON(vsqrt)((GFI_NEON_VECTOR)a); }

#endif
#endif

GFI_INLINE gfi_v GFI_FN(gfi_max)(gfi_v a, gfi_v b) { return GFI_SELECT(GFI_GT(a, b), a, b); }
GFI_INLINE gfi_v GFI_FN(gfi_min)(gfi_v a, gfi_v b) { return GFI_SELECT(GFI_LT(a, b), a, b); }

#undef GFI_LOW
#undef GFI_HIGH
#if GFI_VLEN == 16
#define GFI_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define GFI_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif GFI_VLEN == 8
#define GFI_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define GFI_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif GFI_VLEN == 4
#define GFI_LOW 0, 4, 1, 5
#define GFI_HIGH 2, 6, 3, 7
#else
#define GFI_LOW 0, 2
#define GFI_HIGH 1, 3
#endif
GFI_INLINE gfi_v GFI_FN(gfi_zip_low)(gfi_v a, gfi_v b) { return GFI_SHUFFLE(a, b, GFI_LOW); }
GFI_INLINE gfi_v GFI_FN(gfi_zip_high)(gfi_v a, gfi_v b) { return GFI_SHUFFLE(a, b, GFI_HIGH); }

GFI_INLINE gfi_v GFI_FN(gfi_load)(const gf_real *p, ptrdiff_t n) {
    return n >= GFI_VLEN ? GFI_LOAD(p) : GFI_LOAD_PART(p, (int)n);
}

GFI_INLINE void GFI_FN(gfi_store)(gf_real *p, gfi_v v, ptrdiff_t n) {
    if (n >= GFI_VLEN) GFI_STORE(p, v);
    else GFI_STORE_PART(p, v, (int)n);
}
#undef GFI_LOAD_PART
#undef GFI_STORE_PART

// --- matrix multiply, for each instruction set ---
// The tile: as many sums as the registers hold beside a row of B and one number of A. B is used in place, unpacked,
// where its rows are contiguous and close or A has at most GFI_UNPACKED_ROWS rows to use a packed copy.
// AVX2 has 16 registers: 12 sums, 2 of B, 1 of A. The others have 32: 24 sums, 3 of B, 1 of A.
#define GFI_TILE_ROWS (GFI_ISA == GFI_ISA_avx2 ? 6 : 8)
#define GFI_TILE_VECS (GFI_ISA == GFI_ISA_avx2 ? 2 : 3)
#define GFI_UNPACKED_ROWS (GFI_ISA == GFI_ISA_avx2 ? 24 : 320)

// height × vecs vectors of C. Both are constants wherever this is inlined, so that every loop over them is unrolled and
// sum lives in registers. Where there are fewer rows than its height, the last row is computed several times: it costs
// nothing, since this few sums wait for one another anyway.
GFI_INLINE void GFI_FN(gfi_tile_run)(const int height, const int vecs, const gfi_product *tile) {
    gfi_v sum[GFI_TILE_ROWS][GFI_TILE_VECS], b[GFI_TILE_VECS];
    ptrdiff_t row[GFI_TILE_ROWS];
    const int last = vecs - 1, rows = (int)tile->a.rows;
    const ptrdiff_t lanes = (ptrdiff_t)tile->b.cols - last * GFI_VLEN;
    GFI_UNROLL
    for (int i = 0; i < height; i++) {
        row[i] = height == GFI_TILE_ROWS || i < rows ? i : rows - 1;
        GFI_UNROLL
        for (int j = 0; j < vecs; j++) sum[i][j] = GFI_ALL(0);
    }
    if (tile->start) {
        GFI_UNROLL
        for (int i = 0; i < height; i++) {
            const gf_real *start = tile->start + row[i] * tile->start_row;
            GFI_UNROLL
            for (int j = 0; j < last; j++) sum[i][j] = GFI_LOAD(start + j * GFI_VLEN);
            sum[i][last] = GFI_LOAD_N(start + last * GFI_VLEN, lanes);
        }
    }
    const gf_real *pa = tile->a.at, *pb = tile->b.at;
    for (size_t k = 0; k < tile->a.cols; k++, pa += tile->a.col_step, pb += tile->b.row_step) {
        GFI_UNROLL
        for (int j = 0; j < vecs; j++) b[j] = GFI_LOAD(pb + j * GFI_VLEN);
        GFI_UNROLL
        for (int i = 0; i < height; i++) {
            const gfi_v a = GFI_ALL(pa[row[i] * tile->a.row_step]);
            GFI_UNROLL
            for (int j = 0; j < vecs; j++) sum[i][j] = GFI_FMA(a, b[j], sum[i][j]);
        }
    }
    GFI_UNROLL
    for (int i = 0; i < height; i++) {
        gf_real *c = tile->c + row[i] * tile->c_row;
        GFI_UNROLL
        for (int j = 0; j < last; j++) GFI_STORE(c + j * GFI_VLEN, sum[i][j]);
        GFI_STORE_N(c + last * GFI_VLEN, sum[i][last], lanes);
    }
}

// One copy of the loop for every height and width there is.
GFI_TARGET static void GFI_FN(gfi_tile_any)(ptrdiff_t vecs, const gfi_product *tile) {
    const int is_full = tile->a.rows == GFI_TILE_ROWS;
    if (vecs == 1 && is_full) GFI_FN(gfi_tile_run)(GFI_TILE_ROWS, 1, tile);
    else if (vecs == 1) GFI_FN(gfi_tile_run)(4, 1, tile);
    else if (vecs == 2 && is_full) GFI_FN(gfi_tile_run)(GFI_TILE_ROWS, 2, tile);
    else if (vecs == 2) GFI_FN(gfi_tile_run)(4, 2, tile);
    else if (is_full) GFI_FN(gfi_tile_run)(GFI_TILE_ROWS, GFI_TILE_VECS, tile);
    else GFI_FN(gfi_tile_run)(4, GFI_TILE_VECS, tile);
}

// Writes a square of GFI_VLEN rows, or the rows × columns of it that there are, transposed: column i becomes the vector
// at dst + i·width, its first `lanes`, zero where rows are missing. Each round interleaves rows i and i + GFI_VLEN/2.
// Number the square's elements row by row, in binary the bits of the row and then those of the column: a round rotates
// these bits left by one, so after log2(GFI_VLEN) rounds row and column have changed places.
GFI_INLINE void GFI_FN(gfi_transpose)(const gf_real *src, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t columns,
                                      gf_real *dst, ptrdiff_t width, ptrdiff_t lanes) {
    gfi_v x[GFI_VLEN], y[GFI_VLEN];
    GFI_UNROLL
    for (int i = 0; i < GFI_VLEN; i++) x[i] = i < rows ? GFI_LOAD_N(src + i * stride, columns) : GFI_ALL(0);
    GFI_UNROLL
    for (int round = 1; round < GFI_VLEN; round *= 2) {
        GFI_UNROLL
        for (int i = 0; i < GFI_VLEN / 2; i++) {
            y[2 * i] = GFI_ZIP_LOW(x[i], x[i + GFI_VLEN / 2]);
            y[2 * i + 1] = GFI_ZIP_HIGH(x[i], x[i + GFI_VLEN / 2]);
        }
        GFI_UNROLL
        for (int i = 0; i < GFI_VLEN; i++) x[i] = y[i];
    }
    GFI_UNROLL
    for (int i = 0; i < GFI_VLEN; i++)
        if (i < columns) GFI_STORE_N(dst + i * width, x[i], lanes);
}

// dst[c·dst_row + r] = src[r·src_row + c]: a matrix turned over, square by square. `whole` vectors are written, or no
// more than there are rows.
GFI_TARGET static void GFI_FN(gfi_flip)(const gf_real *src, ptrdiff_t src_row, ptrdiff_t rows, ptrdiff_t columns,
                                        gf_real *dst, ptrdiff_t dst_row, int whole) {
    for (ptrdiff_t r = 0; r < rows; r += GFI_VLEN)
        for (ptrdiff_t c = 0; c < columns; c += GFI_VLEN)
            GFI_FN(gfi_transpose)(src + r * src_row + c, src_row, rows - r, columns - c, dst + c * dst_row + r, dst_row,
                                  whole ? GFI_VLEN : rows - r);
}

// Packs n columns of B from `at` on into panel[depth][width], whole vectors, zeros beyond n.
GFI_TARGET static void GFI_FN(gfi_pack)(const gfi_matrix *b, const gf_real *at, ptrdiff_t depth, ptrdiff_t n,
                                        ptrdiff_t width, gf_real *panel) {
    if (b->row_step == 1) GFI_FN(gfi_flip)(at, b->col_step, n, depth, panel, width, 1);
    for (ptrdiff_t k = 0; k < depth && b->row_step != 1; k++, panel += width, at += b->row_step)
        for (ptrdiff_t j = 0; j < width; j += GFI_VLEN)
            if (b->col_step == 1) GFI_STORE(panel + j, GFI_LOAD_N(at + j, n - j));
            else for (ptrdiff_t i = j; i < j + GFI_VLEN; i++) panel[i] = i < n ? at[i * b->col_step] : 0;
}

// All rows of A with a block of B, by tiles. The vectors of C are dealt out to panels, 10 to 4 of them as 2, 2, 3, 3. A
// panel is packed when the first rows come to it.
GFI_TARGET static void GFI_FN(gfi_product_block)(const gfi_product *job, gf_real *block) {
    const ptrdiff_t M = (ptrdiff_t)job->a.rows, N = (ptrdiff_t)job->b.cols, depth = (ptrdiff_t)job->a.cols;
    const ptrdiff_t vecs = gfi_ceil_div(N, GFI_VLEN), panels = gfi_ceil_div(vecs, GFI_TILE_VECS);
    const int pack = job->b.col_step != 1 || N % GFI_VLEN != 0 || (M > GFI_UNPACKED_ROWS && job->b.row_step > 64);
    gfi_product tile = *job;
    for (ptrdiff_t m = 0; m < M; m += (ptrdiff_t)tile.a.rows) {
        const int split = GFI_TILE_ROWS == 6 && (M - m == 7 || M - m == 8);  // 4 and 4 take less time than 6 and 2
        tile.a.rows = (size_t)(M - m >= GFI_TILE_ROWS && !split ? GFI_TILE_ROWS : gfi_least(M - m, 4));
        tile.a.at = job->a.at + m * job->a.row_step;
        for (ptrdiff_t p = 0, v = 0, width; p < panels; p++, v += width) {
            const ptrdiff_t n = v * GFI_VLEN;
            width = (vecs - v) / (panels - p);
            tile.b.at = job->b.at + n * job->b.col_step;
            tile.b.cols = (size_t)gfi_least(N - n, width * GFI_VLEN);
            if (pack) {
                gf_real *panel = block + n * depth;
                tile.b.row_step = width * GFI_VLEN;
                if (m == 0) GFI_FN(gfi_pack)(&job->b, tile.b.at, depth, (ptrdiff_t)tile.b.cols, tile.b.row_step, panel);
                tile.b.at = panel;
            }
            tile.c = job->c + m * job->c_row + n;
            tile.start = job->start ? job->start + m * job->start_row + n : NULL;
            GFI_FN(gfi_tile_any)(width, &tile);
        }
    }
}

GFI_TARGET static void GFI_FN(gfi_product_part)(const gfi_product *job, gf_real *block) {
    const ptrdiff_t N = (ptrdiff_t)job->b.cols, K = (ptrdiff_t)job->a.cols, vecs = gfi_ceil_div(N, GFI_VLEN);
    const ptrdiff_t blocks = gfi_ceil_div(vecs, GFI_BLOCK_BYTES / GFI_VBYTES);
    const ptrdiff_t depths = K > 0 ? gfi_ceil_div(K, GFI_BLOCK_DEPTH) : 1;
    for (ptrdiff_t d = 0; d < depths; d++)
        for (ptrdiff_t i = 0; i < blocks; i++) {
            const ptrdiff_t k = gfi_share(K, depths, d), n = gfi_share(vecs, blocks, i) * GFI_VLEN;
            const ptrdiff_t end = gfi_least(gfi_share(vecs, blocks, i + 1) * GFI_VLEN, N);
            gfi_product piece = gfi_product_piece(job, 0, (ptrdiff_t)job->a.rows, n, end - n);
            piece.a.at += k * job->a.col_step;
            piece.a.cols = (size_t)(gfi_share(K, depths, d + 1) - k);
            piece.b.at += k * job->b.row_step;
            if (k > 0) {
                piece.start = piece.c;
                piece.start_row = piece.c_row;
            }
            GFI_FN(gfi_product_block)(&piece, block);
        }
}

static void GFI_FN(gfi_fast_matmul)(const gfi_engine *engine, gf_real *c, gfi_matrix a, gfi_matrix b,
                                    const gf_real *start, size_t start_row) {
    const gfi_product job = {c, a, b, start, (ptrdiff_t)b.cols, (ptrdiff_t)start_row};
    gfi_product_run(engine, &job, GFI_FN(gfi_product_part), GFI_VLEN);
}

// --- activations, for each instruction set ---
// Elementary functions in a handful of multiply-adds. Each φ returns h and sets *slope to φ'(z); where the caller
// ignores one of them, the compiler drops its work. NaN gives NaN: comparisons with NaN are false, and every GFI_SELECT,
// GFI_MAX and GFI_MIN below keeps z in that case. The formulas are those of [GF:ACT].

GFI_INLINE gfi_v GFI_FN(gfi_horner)(gfi_v x, const gf_real *c, int count) {
    gfi_v y = GFI_ALL(c[count - 1]);
    GFI_UNROLL
    for (int i = count - 2; i >= 0; i--) y = GFI_FMA(y, x, GFI_ALL(c[i]));
    return y;
}

GFI_INLINE gfi_v GFI_FN(gfi_abs)(gfi_v x) { return GFI_AS_REAL(GFI_AS_INT(x) & ~GFI_AS_INT(GFI_ALL(-0.0))); }

GFI_INLINE gfi_v GFI_FN(gfi_copysign)(gfi_v magnitude, gfi_v sign) {  // magnitude ≥ 0 or NaN
    return GFI_AS_REAL(GFI_AS_INT(magnitude) | (GFI_AS_INT(sign) & GFI_AS_INT(GFI_ALL(-0.0))));
}

// 2^n as the product of two powers, so that what lies below the smallest normal number rounds once, as it should.
GFI_INLINE gfi_v GFI_FN(gfi_power)(gfi_v shifted) {
#if GFI_ISA == GFI_ISA_avx512  // has an instruction for it
    return GFI_AVX512(scalef)(GFI_ALL(1), shifted - GFI_ALL(GFI_EXP_ROUND), GFI_ALL(0), (gfi_vm)-1, 4);
#else
    const gfi_vi mask = GFI_ALL_INT(GFI_EXP_MASK), half = (GFI_AS_INT(shifted) >> 1) & mask;
    const gfi_vi rest = (GFI_AS_INT(shifted) - half) & mask;
    return GFI_AS_REAL(half << GFI_MANTISSA) * GFI_AS_REAL(rest << GFI_MANTISSA);
#endif
}

// e^(x + tail) = power·(1 + p) for x ≤ 88 (double: 709) and |tail| ≪ 1; returns p. Put together it is good to the last
// place.      x = n·ln2 + r, |r| ≤ ln2/2      power = 2^n      p = e^r - 1 = r + r²·P(r)
GFI_INLINE gfi_v GFI_FN(gfi_exp_parts)(gfi_v x, gfi_v tail, gfi_v *power) {
    const gfi_v clamped = GFI_MAX(GFI_ALL(GFI_EXP_LOW), x);
    const gfi_v shifted = GFI_FMA(clamped, GFI_ALL(1.44269504088896340736), GFI_ALL(GFI_EXP_ROUND));
    const gfi_v n = shifted - GFI_ALL(GFI_EXP_ROUND);
    const gfi_v r = GFI_FMA(-n, GFI_ALL(GFI_LN2_REST), GFI_FMA(-n, GFI_ALL(GFI_LN2_TOP), clamped)) + tail;
    *power = GFI_FN(gfi_power)(shifted);
    return GFI_FMA(r * r, GFI_HORNER(r, exp_poly), r);
}

// e^x - 1 without cancellation near 0, (2^n - 1) + 2^n·p; and e^x. Without a tail: -0, since compilers drop x + (-0).
GFI_INLINE gfi_v GFI_FN(gfi_expm1)(gfi_v x, gfi_v *exp) {
    gfi_v power;
    const gfi_v p = GFI_FN(gfi_exp_parts)(x, GFI_ALL(-0.0), &power);
    *exp = GFI_FMA(power, p, power);
    return GFI_FMA(power, p, power - GFI_ALL(1));
}

GFI_INLINE gfi_v GFI_FN(gfi_exp)(gfi_v x) {
    gfi_v exp;
    (void)GFI_FN(gfi_expm1)(x, &exp);
    return exp;
}

// σ(z) from e = e^-|z|, which never overflows: 1/(1+e) right of 0, e/(1+e) left of it.   σ' = e/(1+e)²
GFI_INLINE gfi_v GFI_FN(gfi_act_sigmoid)(gfi_v z, gfi_v *slope) {
    const gfi_v e = GFI_FN(gfi_exp)(-GFI_FN(gfi_abs)(z)), sum = GFI_ALL(1) + e;
    *slope = e / (sum * sum);
    return GFI_SELECT(GFI_LT(z, GFI_ALL(0)), e, GFI_ALL(1)) / sum;
}

// tanh|z| = (1-e)/(1+e), e = e^(-2|z|), with 1-e accurate near 0;   1 - tanh² = 4e/(1+e)², accurate far out.
GFI_INLINE gfi_v GFI_FN(gfi_act_tanh)(gfi_v z, gfi_v *slope) {
    gfi_v e;
    const gfi_v m = GFI_FN(gfi_expm1)(GFI_ALL(-2) * GFI_FN(gfi_abs)(z), &e), sum = GFI_ALL(1) + e;
    *slope = GFI_ALL(4) * e / (sum * sum);
    return GFI_FN(gfi_copysign)(GFI_FN(gfi_abs)(m / sum), z);
}

GFI_INLINE gfi_v GFI_FN(gfi_act_silu)(gfi_v z, gfi_v beta, gfi_v *slope) {
    const gfi_v u = z * beta, low = GFI_ALL(GFI_EXP_LOW), near = GFI_MIN(-low, GFI_MAX(low, u));
    gfi_v ds;
    const gfi_v s = GFI_FN(gfi_act_sigmoid)(near, &ds);
    *slope = GFI_FMA(near, ds, s);
    return GFI_SELECT(GFI_LT(u, low), GFI_ALL(0), z * s);
}

// Q(a) = 1 - Φ(a) = e^(-a²/2)·G(a): the normal distribution's tail, G smooth. Its density shares the exponential. a² is
// needed to more than one word (an error ε in a²/2 is a relative error ε in e^…): a² = high² + (a - high)(a + high).
GFI_INLINE gfi_v GFI_FN(gfi_act_gelu)(gfi_v z, gfi_v *slope) {
    const gfi_v above = GFI_MAX(GFI_ALL(-40), z), near = GFI_MIN(GFI_ALL(40), above);  // 0 or z beyond: avoids 0·∞
    const gfi_v a = GFI_FN(gfi_abs)(near), high = GFI_AS_REAL(GFI_AS_INT(a) & GFI_ALL_INT(GFI_UPPER_HALF));
    gfi_v power;
    const gfi_v p = GFI_FN(gfi_exp_parts)(GFI_ALL(-0.5) * high * high, GFI_ALL(-0.5) * (a - high) * (a + high), &power);
    const gfi_v top = GFI_HORNER(a, tail_top);
    const gfi_v q = power * (GFI_FMA(top, p, top) / GFI_HORNER(a, tail_bottom));
    const gfi_v cdf = GFI_SELECT(GFI_LT(z, GFI_ALL(0)), q, GFI_ALL(1) - q);
    *slope = GFI_FMA(near * GFI_FMA(power, p, power), GFI_ALL(0.39894228040143267794), cdf);
    return above * cdf;
}

// From here on, but for a few lines that say so, longer vectors than AVX2's bring little: these functions wait for
// memory or are rarely used. AVX-512's tables hold AVX2's functions, and there is less to compile.
#if GFI_ISA != GFI_ISA_avx512

// value where z is a number, NaN where z is NaN: for derivatives that are constants piece by piece.
GFI_INLINE gfi_v GFI_FN(gfi_keep_nan)(gfi_v z, gfi_v value) { return GFI_SELECT((gfi_vm)(z != z), z, value); }

GFI_INLINE gfi_v GFI_FN(gfi_act_relu)(gfi_v z, gfi_v *slope) {
    const gfi_v zero = GFI_ALL(0);
    *slope = GFI_FN(gfi_keep_nan)(z, GFI_SELECT(GFI_GT(z, zero), GFI_ALL(1), zero));
    return GFI_MAX(zero, z);
}

GFI_INLINE gfi_v GFI_FN(gfi_act_leaky)(gfi_v z, gfi_v below, gfi_v *slope) {  // prelu, identity too
    const gfi_v factor = GFI_SELECT(GFI_GT(z, GFI_ALL(0)), GFI_ALL(1), below);
    *slope = GFI_FN(gfi_keep_nan)(z, factor);
    return z * factor;
}

// z > 0: scale·z; z ≤ 0: amplitude·(e^(rate·z) - 1). elu, selu and celu are this.
GFI_INLINE gfi_v GFI_FN(gfi_act_exponential)(gfi_v z, gfi_v scale, gfi_v amplitude, gfi_v rate, gfi_v *slope) {
    const gfi_vm positive = GFI_GT(z, GFI_ALL(0));
    gfi_v e;
    const gfi_v m = GFI_FN(gfi_expm1)(GFI_MIN(GFI_ALL(0), z) * rate, &e);
    *slope = GFI_SELECT(positive, scale, amplitude * rate * e);
    return GFI_SELECT(positive, scale * z, amplitude * m);
}

// ln(1 + e^z) = max(z, 0) + ln(1 + e), e = e^-|z|;   ln(1 + e) = 2·atanh(s), s = e/(2 + e) ≤ 1/3;   beyond 20: z.
GFI_INLINE gfi_v GFI_FN(gfi_act_softplus)(gfi_v z, gfi_v *slope) {
    const gfi_v e = GFI_FN(gfi_exp)(-GFI_FN(gfi_abs)(z)), s = e / (GFI_ALL(2) + e), w = s * s;
    const gfi_v log1p = GFI_FMA(s * w, GFI_HORNER(w, log1p_poly), s + s), large = GFI_ALL(1) / (GFI_ALL(1) + e);
    const gfi_vm linear = GFI_GT(z, GFI_ALL(20));
    *slope = GFI_SELECT(linear, GFI_ALL(1), GFI_SELECT(GFI_LT(z, GFI_ALL(0)), e * large, large));
    return GFI_SELECT(linear, z, GFI_MAX(GFI_ALL(0), z) + log1p);
}

GFI_INLINE gfi_v GFI_FN(gfi_act_softsign)(gfi_v z, gfi_v *slope) {
    const gfi_v a = GFI_MIN(GFI_ALL(1267650600228229401496703205376.0), GFI_FN(gfi_abs)(z));  // at most 2^100: avoids ∞/∞
    const gfi_v inverse = GFI_ALL(1) / (GFI_ALL(1) + a);
    *slope = inverse * inverse;
    return GFI_FN(gfi_copysign)(a * inverse, z);
}

// atan a = π/2 - atan(1/a) beyond 1, so that one polynomial on [0, 1] serves.
GFI_INLINE gfi_v GFI_FN(gfi_act_arctan)(gfi_v z, gfi_v *slope) {
    const gfi_v a = GFI_FN(gfi_abs)(z), one = GFI_ALL(1);
    const gfi_vm beyond = GFI_GT(a, one);
    const gfi_v t = GFI_SELECT(beyond, one, a) / GFI_SELECT(beyond, a, one), w = t * t;
    const gfi_v angle = GFI_FMA(t * w, GFI_HORNER(w, atan_poly), t);
    *slope = one / GFI_FMA(z, z, one);
    return GFI_FN(gfi_copysign)(GFI_SELECT(beyond, GFI_ALL(1.57079632679489661923) - angle, angle), z);
}

// ½z(1 + tanh u) = z·σ(2u), 2u = c·(z + k·z³)
GFI_INLINE gfi_v GFI_FN(gfi_act_gelu_tanh)(gfi_v z, gfi_v *slope) {
    const gfi_v above = GFI_MAX(GFI_ALL(-30), z), near = GFI_MIN(GFI_ALL(30), above), square = near * near;
    const gfi_v c = GFI_ALL(1.5957691216057307118), k = GFI_ALL(0.044715);
    gfi_v ds;
    const gfi_v s = GFI_FN(gfi_act_sigmoid)(c * near * GFI_FMA(square, k, GFI_ALL(1)), &ds);
    *slope = GFI_FMA(ds * near, c * GFI_FMA(square, k * GFI_ALL(3), GFI_ALL(1)), s);
    return above * s;
}

// tanh(ln(1 + E)) = n/(n + 2), n = E² + 2E, E = e^z; its derivative 4E(1+E)/(n+2)²; in e = e^-|z| on either side of 0.
GFI_INLINE gfi_v GFI_FN(gfi_act_mish)(gfi_v z, gfi_v *slope) {
    const gfi_v low = GFI_ALL(GFI_EXP_LOW), above = GFI_MAX(low, z), near = GFI_MIN(-low, above), two = GFI_ALL(2);
    const gfi_v e = GFI_FN(gfi_exp)(-GFI_FN(gfi_abs)(near));
    const gfi_vm negative = GFI_LT(z, GFI_ALL(0));
    const gfi_v n = GFI_SELECT(negative, GFI_FMA(e, e, two * e), GFI_FMA(two, e, GFI_ALL(1)));
    const gfi_v sum = n + GFI_SELECT(negative, two, two * e * e), t = n / sum;
    const gfi_v dt = GFI_SELECT(negative, e, e * e) * GFI_FMA(GFI_ALL(4), e, GFI_ALL(4)) / (sum * sum);
    *slope = GFI_FMA(near, dt, t);
    return above * t;
}

// z·tanh(e^z); beyond 10 it is z to the last bit, and e^z is not taken further.
GFI_INLINE gfi_v GFI_FN(gfi_act_telu)(gfi_v z, gfi_v *slope) {
    const gfi_v above = GFI_MAX(GFI_ALL(GFI_EXP_LOW), z), near = GFI_MIN(GFI_ALL(10), above);
    const gfi_v e = GFI_FN(gfi_exp)(near);
    gfi_v dt;
    const gfi_v t = GFI_FN(gfi_act_tanh)(e, &dt);
    *slope = GFI_FMA(near * e, dt, t);
    return above * t;
}

GFI_INLINE gfi_v GFI_FN(gfi_act_clamp)(gfi_v z, gfi_v low, gfi_v high, gfi_v *slope) {  // relu6, hard_tanh
    const gfi_vm inside = GFI_GT(z, low) & GFI_LT(z, high);
    *slope = GFI_FN(gfi_keep_nan)(z, GFI_SELECT(inside, GFI_ALL(1), GFI_ALL(0)));
    return GFI_MIN(high, GFI_MAX(low, z));
}

GFI_INLINE gfi_v GFI_FN(gfi_act_hard_sigmoid)(gfi_v z, gfi_v *slope) {
    const gfi_v sixth = GFI_ALL(1.0 / 6), three = GFI_ALL(3);
    const gfi_vm inside = GFI_GT(z, -three) & GFI_LT(z, three);
    *slope = GFI_FN(gfi_keep_nan)(z, GFI_SELECT(inside, sixth, GFI_ALL(0)));
    return GFI_MIN(GFI_ALL(1), GFI_MAX(GFI_ALL(0), z + three) * sixth);
}

GFI_INLINE gfi_v GFI_FN(gfi_act_hard_swish)(gfi_v z, gfi_v *slope) {
    const gfi_v three = GFI_ALL(3);
    const gfi_vm below = (gfi_vm)(z <= -three), beyond = (gfi_vm)(z >= three);
    const gfi_v middle = GFI_FMA(z, GFI_ALL(1.0 / 3), GFI_ALL(0.5));
    *slope = GFI_SELECT(beyond, GFI_ALL(1), GFI_SELECT(below, GFI_ALL(0), middle));
    return GFI_SELECT(beyond, z, GFI_SELECT(below, GFI_ALL(0), z * (z + three) * GFI_ALL(1.0 / 6)));
}

#endif

// One loop whether the slope is wanted or not: where it is not, it is written to h and overwritten there, which is
// cheaper than to compile the loop twice.
#ifndef GFI_ACT_CASE
#define GFI_ACT_CASE(kind, value)                            \
    case kind:                                               \
        for (size_t i = 0; i < n; i += (size_t)GFI_VLEN) {   \
            gfi_v s;                                         \
            const gfi_v v = GFI_LOAD(z + i), y = value;       \
            GFI_STORE(slope + i, s);                         \
            GFI_STORE(h + i, y);                             \
        }                                                    \
        break;
#endif

// h = φ(z), slope = φ'(z) for whole vectors. h may be z, slope may be h.
GFI_TARGET static void GFI_FN(gfi_act_vectors)(gf_act act, const gf_real *z, gf_real *h, gf_real *slope, size_t n) {
    const gfi_v param = GFI_ALL(act.param);
#if GFI_ISA != GFI_ISA_avx512
    const int selu = act.kind == GF_ACT_SELU, hard = act.kind == GF_ACT_HARD_TANH;
    const gfi_v scale = GFI_ALL(selu ? GFI_SELU_SCALE : 1), rate = GFI_ALL(act.kind == GF_ACT_CELU ? 1 / act.param : 1);
    const gfi_v amplitude = GFI_ALL(selu ? GFI_SELU_SCALE * GFI_SELU_ALPHA : act.param);
    const gfi_v low = GFI_ALL(hard ? -1 : 0), high = GFI_ALL(hard ? 1 : 6);
#endif
    switch (act.kind) {
        GFI_ACT_CASE(GF_ACT_SIGMOID, GFI_FN(gfi_act_sigmoid)(v, &s))
        GFI_ACT_CASE(GF_ACT_TANH, GFI_FN(gfi_act_tanh)(v, &s))
        GFI_ACT_CASE(GF_ACT_GELU, GFI_FN(gfi_act_gelu)(v, &s))
        GFI_ACT_CASE(GF_ACT_SILU, GFI_FN(gfi_act_silu)(v, param, &s))
#if GFI_ISA == GFI_ISA_avx512
    default: gfi_act_vectors_avx2(act, z, h, slope, n);
#else
        GFI_ACT_CASE(GF_ACT_IDENTITY, GFI_FN(gfi_act_leaky)(v, GFI_ALL(1), &s))
        GFI_ACT_CASE(GF_ACT_RELU, GFI_FN(gfi_act_relu)(v, &s))
    case GF_ACT_PRELU:
        GFI_ACT_CASE(GF_ACT_LEAKY_RELU, GFI_FN(gfi_act_leaky)(v, param, &s))
    case GF_ACT_SELU:
    case GF_ACT_CELU:
        GFI_ACT_CASE(GF_ACT_ELU, GFI_FN(gfi_act_exponential)(v, scale, amplitude, rate, &s))
        GFI_ACT_CASE(GF_ACT_SOFTPLUS, GFI_FN(gfi_act_softplus)(v, &s))
        GFI_ACT_CASE(GF_ACT_SOFTSIGN, GFI_FN(gfi_act_softsign)(v, &s))
        GFI_ACT_CASE(GF_ACT_ARCTAN, GFI_FN(gfi_act_arctan)(v, &s))
        GFI_ACT_CASE(GF_ACT_GELU_TANH, GFI_FN(gfi_act_gelu_tanh)(v, &s))
        GFI_ACT_CASE(GF_ACT_MISH, GFI_FN(gfi_act_mish)(v, &s))
        GFI_ACT_CASE(GF_ACT_TELU, GFI_FN(gfi_act_telu)(v, &s))
        GFI_ACT_CASE(GF_ACT_HARD_SIGMOID, GFI_FN(gfi_act_hard_sigmoid)(v, &s))
        GFI_ACT_CASE(GF_ACT_HARD_SWISH, GFI_FN(gfi_act_hard_swish)(v, &s))
    case GF_ACT_RELU6:
        GFI_ACT_CASE(GF_ACT_HARD_TANH, GFI_FN(gfi_act_clamp)(v, low, high, &s))
    default: break;
#endif
    }
}

// h[n] = φ(z), and slope[n] = φ'(z) unless NULL, of one piece. The last numbers, too few for a vector, get one beside
// zeros.
GFI_TARGET static void GFI_FN(gfi_act_piece)(gf_act act, const gf_real *z, gf_real *h, gf_real *slope, size_t n) {
    const size_t rest = n % GFI_VLEN, whole = n - rest;
    gf_real lanes[3][GFI_VLEN] = {{0}};
    for (size_t i = 0; i < n && gfi_act_is_custom(act); i++) {
        double derivative;
        h[i] = (gf_real)gfi_act_eval(act, (double)z[i], &derivative);
        if (slope) slope[i] = (gf_real)derivative;
    }
    GFI_FN(gfi_act_vectors)(act, z, h, slope ? slope : h, whole);
    if (rest == 0 || gfi_act_is_custom(act)) return;
    memcpy(lanes[0], z + whole, rest * sizeof *z);
    GFI_FN(gfi_act_vectors)(act, lanes[0], lanes[1], lanes[2], GFI_VLEN);
    memcpy(h + whole, lanes[1], rest * sizeof *h);
    if (slope) memcpy(slope + whole, lanes[2], rest * sizeof *slope);
}

static void GFI_FN(gfi_fast_act)(const gfi_engine *engine, gf_act act, const gf_real *z, gf_real *h, gf_real *slope,
                                 size_t n) {
    GFI_PARALLEL(n > GFI_PIECE ? engine->threads : 1)
    for (ptrdiff_t p = 0; p < gfi_pieces(n); p++) {
        const size_t at = (size_t)p * GFI_PIECE;
        GFI_FN(gfi_act_piece)(act, z + at, h + at, slope ? slope + at : NULL, gfi_piece(n, at));
    }
}

#if GFI_ISA != GFI_ISA_avx512

// dz[n] = dh·φ'(z) of one piece; slope may be NULL. dz may be dh.
GFI_TARGET static void GFI_FN(gfi_act_back_piece)(gf_act act, const gf_real *z, const gf_real *slope, const gf_real *dh,
                                                  gf_real *dz, ptrdiff_t n) {
    enum { CHUNK = 256 };
    gf_real h[CHUNK], found[CHUNK];
    for (ptrdiff_t start = 0; start < n; start += CHUNK) {
        const ptrdiff_t end = gfi_least(n, start + CHUNK);
        const gf_real *kept = slope ? slope + start : found;
        if (!slope) GFI_FN(gfi_act_piece)(act, z + start, h, found, (size_t)(end - start));
        for (ptrdiff_t i = start; i < end; i += GFI_VLEN, kept += GFI_VLEN)
            GFI_STORE_N(dz + i, GFI_LOAD_N(kept, end - i) * GFI_LOAD_N(dh + i, end - i), end - i);
    }
}

static void GFI_FN(gfi_fast_act_back)(const gfi_engine *engine, gf_act act, const gf_real *z, const gf_real *slope,
                                      const gf_real *dh, gf_real *dz, size_t n) {
    GFI_PARALLEL(n > GFI_PIECE ? engine->threads : 1)
    for (ptrdiff_t p = 0; p < gfi_pieces(n); p++) {
        const size_t at = (size_t)p * GFI_PIECE, count = gfi_piece(n, at);
        GFI_FN(gfi_act_back_piece)(act, z + at, slope ? slope + at : NULL, dh + at, dz + at, (ptrdiff_t)count);
    }
}

// Σ dh·z over z ≤ 0, the gradient of prelu's slope: vector sums of 64 terms a lane, and these in double.
GFI_TARGET static double GFI_FN(gfi_fast_prelu_grad)(const gf_real *z, const gf_real *dh, size_t n) {
    double sum = 0;
    for (ptrdiff_t i = 0; i < (ptrdiff_t)n;) {
        const ptrdiff_t end = gfi_least((ptrdiff_t)n, i + 64 * GFI_VLEN);
        gfi_v partial = GFI_ALL(0);
        for (; i < end; i += GFI_VLEN) {
            const gfi_v x = GFI_LOAD_N(z + i, end - i);
            partial += GFI_SELECT(GFI_GT(x, GFI_ALL(0)), GFI_ALL(0), x) * GFI_LOAD_N(dh + i, end - i);
        }
        for (int j = 0; j < GFI_VLEN; j++) sum += (double)partial[j];
    }
    return sum;
}

// --- sums, for each instruction set ---

GFI_INLINE gfi_vd GFI_FN(gfi_abs_wide)(gfi_vd v) {
    typedef long long bits __attribute__((vector_size(GFI_VBYTES)));
    return (gfi_vd)((bits)v & ~(bits)GFI_ALL_WIDE(-0.0));
}

// The sum of a wide vector's lanes, always in the order 0, 1, 2, …
GFI_INLINE double GFI_FN(gfi_sum_wide)(gfi_vd v) {
    double sum = 0;
    GFI_UNROLL
    for (int i = 0; i < GFI_VDLEN; i++) sum += v[i];
    return sum;
}

// Numbers become double before they are squared: a gradient of 1e-21 has a square below the smallest float. Lanes and
// order are fixed, so the result depends on the instruction set alone. There are four chains of sums, because an FMA
// takes four cycles to return. `all` is a constant wherever this is inlined.
GFI_INLINE void GFI_FN(gfi_sums_run)(const int all, const gf_real *x, size_t n, gfi_sums *out) {
    enum { CHAINS = 4, BLOCK = CHAINS * GFI_VDLEN };
    gfi_vd sum[CHAINS], sum_abs[CHAINS], squares[CHAINS];
    gfi_v top = GFI_ALL(0);
    gfi_vi zeros = GFI_ALL_INT(0);
    gf_real lanes[BLOCK];
    out->zeros = 0;
    GFI_UNROLL
    for (int j = 0; j < CHAINS; j++) sum[j] = sum_abs[j] = squares[j] = GFI_ALL_WIDE(0);
    for (size_t i = 0; i < n; i += BLOCK) {
        const gf_real *p = x + i;
        if (n - i < (size_t)BLOCK) {  // the last numbers; zeros beside them do no harm, but are not to be counted
            out->zeros = n - i - BLOCK;
            memset(lanes, 0, sizeof lanes);
            memcpy(lanes, p, (n - i) * sizeof *p);
            p = lanes;
        }
        GFI_UNROLL
        for (int j = 0; j < CHAINS; j++) {
            const gfi_vd wide = GFI_WIDEN(p + j * GFI_VDLEN);
            squares[j] = GFI_FMA_WIDE(wide, wide, squares[j]);
            if (!all) continue;
            sum[j] += wide;
            sum_abs[j] += GFI_FN(gfi_abs_wide)(wide);
        }
        for (int j = 0; all && j < BLOCK; j += GFI_VLEN) {
            top = GFI_MAX(GFI_FN(gfi_abs)(GFI_LOAD(p + j)), top);
            zeros -= (gfi_vi)(GFI_LOAD(p + j) == GFI_ALL(0));  // true is -1
        }
    }
    out->sum_squares = GFI_FN(gfi_sum_wide)((squares[0] + squares[1]) + (squares[2] + squares[3]));
    out->sum = GFI_FN(gfi_sum_wide)((sum[0] + sum[1]) + (sum[2] + sum[3]));
    out->sum_abs = GFI_FN(gfi_sum_wide)((sum_abs[0] + sum_abs[1]) + (sum_abs[2] + sum_abs[3]));
    out->max_abs = 0;
    for (int j = 0; j < GFI_VLEN; j++) {
        out->max_abs = (double)top[j] > out->max_abs ? (double)top[j] : out->max_abs;
        out->zeros += (size_t)zeros[j];
    }
}

GFI_TARGET static double GFI_FN(gfi_sum_squares_part)(const gf_real *x, size_t n) {
    gfi_sums sums;
    GFI_FN(gfi_sums_run)(0, x, n, &sums);
    return sums.sum_squares;
}

// Σ x²; of a large array in parts that depend on its size alone, added up in order.
static double GFI_FN(gfi_fast_sum_squares)(const gfi_engine *engine, const gf_real *x, size_t n) {
    enum { PARTS = 32, SMALL = 65536 };
    const size_t each = n / PARTS;
    double part[PARTS], sum = 0;
    if (n < SMALL) return GFI_FN(gfi_sum_squares_part)(x, n);
    GFI_PARALLEL(engine->threads)
    for (int i = 0; i < PARTS; i++) {
        const size_t start = (size_t)i * each;
        part[i] = GFI_FN(gfi_sum_squares_part)(x + start, i + 1 < PARTS ? each : n - start);
    }
    for (int i = 0; i < PARTS; i++) sum += part[i];
    return sum;
}

// Everything that an instrument wants to know of an array, in one pass; in a second one, the numbers that are not finite,
// where the sum of magnitudes says that there may be some.
GFI_TARGET static void GFI_FN(gfi_fast_sums)(const gfi_engine *engine, const gf_real *x, size_t n, gfi_sums *out) {
    (void)engine;
    GFI_FN(gfi_sums_run)(1, x, n, out);
    out->nonfinite = 0;
    if (out->sum_abs <= DBL_MAX) return;
    for (size_t i = 0; i < n; i++) out->nonfinite += !(fabs((double)x[i]) < INFINITY);
    if (out->nonfinite) out->max_abs = out->sum_abs;  // the maximum skips NaN, the sum does not: NaN or infinity
}

// --- optimisers, for each instruction set: see gfi_sgd, gfi_adam, gfi_rmsprop ---

// √v. Where gradients have vanished v is subnormal, and the root of a subnormal number takes several times as long as
// any other; two powers of two, exact both ways, go round that.
GFI_INLINE gfi_v GFI_FN(gfi_root)(gfi_v v) {
    const gfi_vm small = GFI_LT(v, GFI_ALL(1));
    const gfi_v up = GFI_SELECT(small, GFI_ALL(18446744073709551616.0), GFI_ALL(1));             // 2^64
    const gfi_v down = GFI_SELECT(small, GFI_ALL(2.3283064365386962890625e-10), GFI_ALL(1));     // 2^-32
    return GFI_FN(gfi_sqrt)(GFI_FMA(v, up, GFI_ALL(0))) * down;
}

// `kind` is a constant wherever this is inlined, so no test of it is left in the loop. What may become subnormal (m, v) is
// multiplied by an FMA and never divided: multiplications and divisions would wait for it, FMAs do not.
GFI_INLINE void GFI_FN(gfi_update_kind)(const gf_optim_kind kind, const gf_optim_config *c, double bias1, double bias2,
                                        gf_real *w, const gf_real *g, gf_real *m, gf_real *v, size_t n) {
    const int decoupled = c->kind == GF_ADAMW, nesterov = kind == GF_SGD && c->nesterov;
    const double beta1 = kind == GF_ADAM ? c->beta1 : m ? c->momentum : 0;
    const gfi_v zero = GFI_ALL(0), eps = GFI_ALL(c->eps), lr = GFI_ALL(c->lr / bias1), root = GFI_ALL(1 / sqrt(bias2));
    const gfi_v keep = GFI_ALL(decoupled ? 1 - c->lr * c->weight_decay : 1);
    const gfi_v decay = GFI_ALL(decoupled ? 0 : c->weight_decay), momentum = GFI_ALL(beta1), fresh1 = GFI_ALL(1 - beta1);
    const gfi_v beta2 = GFI_ALL(c->beta2), fresh2 = GFI_ALL(1 - c->beta2);
    for (ptrdiff_t i = 0, left = (ptrdiff_t)n; left > 0; i += GFI_VLEN, left -= GFI_VLEN) {
        const gfi_v w0 = GFI_LOAD_N(w + i, left);
        gfi_v step = GFI_FMA(decay, w0, GFI_LOAD_N(g + i, left)), rate = lr;
        if (kind != GF_SGD) {
            const gfi_v now = GFI_FMA(GFI_FMA(fresh2, step, zero), step, GFI_FMA(beta2, GFI_LOAD_N(v + i, left), zero));
            GFI_STORE_N(v + i, now, left);
            if (kind == GF_ADAM) rate = lr / GFI_FMA(GFI_FN(gfi_root)(now), root, eps);
            else step = GFI_FMA(step, GFI_ALL(1) / (GFI_FN(gfi_root)(now) + eps), zero);
        }
        if (m) {
            const gfi_v fresh = kind == GF_ADAM ? GFI_FMA(fresh1, step, zero) : step;
            const gfi_v now = GFI_FMA(momentum, GFI_LOAD_N(m + i, left), fresh);
            GFI_STORE_N(m + i, now, left);
            step = nesterov ? GFI_FMA(momentum, now, step) : now;
        }
        GFI_STORE_N(w + i, GFI_FMA(-rate, step, w0 * keep), left);
    }
}

GFI_TARGET static void GFI_FN(gfi_update_piece)(const gf_optim_config *c, double bias1, double bias2, gf_real *w,
                                                const gf_real *g, gf_real *m, gf_real *v, size_t n) {
    if (c->kind == GF_SGD) GFI_FN(gfi_update_kind)(GF_SGD, c, 1, 1, w, g, m, v, n);
    else if (c->kind == GF_RMSPROP) GFI_FN(gfi_update_kind)(GF_RMSPROP, c, 1, 1, w, g, m, v, n);
    else GFI_FN(gfi_update_kind)(GF_ADAM, c, bias1, bias2, w, g, m, v, n);
}

static void GFI_FN(gfi_fast_update)(const gfi_engine *engine, const gf_optim_config *c, long t, gf_real *w,
                                    const gf_real *g, gf_real *m, gf_real *v, size_t n) {
    const double bias1 = 1 - gfi_power(c->beta1, t), bias2 = 1 - gfi_power(c->beta2, t);
    GFI_PARALLEL(n > GFI_PIECE ? engine->threads : 1)
    for (ptrdiff_t p = 0; p < gfi_pieces(n); p++) {
        const size_t at = (size_t)p * GFI_PIECE;
        GFI_FN(gfi_update_piece)(c, bias1, bias2, w + at, g + at, m ? m + at : NULL, v ? v + at : NULL, gfi_piece(n, at));
    }
}

// --- norms, for each instruction set: see gfi_channel_sums, gfi_channel_normalise, gfi_channel_back ---

// sums[0] = Σ(a - α), sums[1] = Σ(a - α)(x - β)
GFI_TARGET static void GFI_FN(gfi_norm_sums)(const gfi_norm_part *part, const gf_real *a, double alpha,
                                             const gf_real *x, double beta, double sums[2]) {
    const gfi_vd alphas = GFI_ALL_WIDE(alpha), betas = GFI_ALL_WIDE(beta);
    gfi_vd sum[2] = {GFI_ALL_WIDE(0), GFI_ALL_WIDE(0)}, products[2] = {sum[0], sum[0]};
    double rest = 0, rest_products = 0;
    for (size_t r = 0; r < part->rows; r++, a += part->step, x += part->step) {
        size_t i = 0;
        for (; i + 2 * GFI_VDLEN <= part->n; i += 2 * GFI_VDLEN) {
            GFI_UNROLL
            for (int j = 0; j < 2; j++) {
                const gfi_vd d = GFI_WIDEN(a + i + j * GFI_VDLEN) - alphas;
                sum[j] += d;
                products[j] = GFI_FMA_WIDE(d, GFI_WIDEN(x + i + j * GFI_VDLEN) - betas, products[j]);
            }
        }
        for (; i < part->n; i++) {
            const double d = (double)a[i] - alpha;
            rest += d;
            rest_products += d * ((double)x[i] - beta);
        }
    }
    sums[0] = rest + GFI_FN(gfi_sum_wide)(sum[0] + sum[1]);
    sums[1] = rest_products + GFI_FN(gfi_sum_wide)(products[0] + products[1]);
}

// out = p·dy + q·(x - mean) + r in double, so that it sums to zero where it should. dy may be NULL: 0.
GFI_TARGET static void GFI_FN(gfi_norm_line)(const gfi_norm_part *part, const gf_real *dy, double p, const gf_real *x,
                                             double mean, double q, double r, gf_real *out) {
    const gfi_vd ps = GFI_ALL_WIDE(p), means = GFI_ALL_WIDE(mean), qs = GFI_ALL_WIDE(q), rs = GFI_ALL_WIDE(r);
    for (size_t row = 0; row < part->rows; row++) {
        const size_t at = row * part->step, end = at + part->n;
        size_t i = at;
        for (; i + GFI_VDLEN <= end; i += GFI_VDLEN) {
            gfi_vd line = (GFI_WIDEN(x + i) - means) * qs + rs;
            if (dy) line += ps * GFI_WIDEN(dy + i);
            GFI_NARROW(out + i, line);
        }
        for (; i < end; i++) out[i] = (gf_real)((dy ? p * (double)dy[i] : 0) + (((double)x[i] - mean) * q + r));
    }
}

#endif  // GFI_ISA != GFI_ISA_avx512

// --- Winograd's transforms, for each instruction set; what they are for is said where they are used, further below ---

// even ± factor·odd: what stands at the points p and -p.
GFI_INLINE void GFI_FN(gfi_wino_pair)(gfi_v even, gfi_v factor, gfi_v odd, gfi_v *y, const int step) {
    y[0] = GFI_FMA(factor, odd, even);
    y[step] = GFI_FMA(-factor, odd, even);
}

// One row or column of a transform, from x[0], x[1], … to y[0], y[step], … With P(t) = Π(t - p) over the points but ∞,
// row p of Bᵀ has the coefficients of P(t)/(t - p)/P'(p), the last row those of P(t) = t(t² - a²)(t² - b²), ab = 1.
GFI_INLINE void GFI_FN(gfi_wino_line)(const int kind, const gfi_v *x, gfi_v *y, const int step) {
    const double p = 2.0 / 3, q = 3.0 / 2, p2 = p * p, q2 = q * q;
    const gfi_v a = GFI_ALL(p), a2 = GFI_ALL(p2), b = GFI_ALL(q), b2 = GFI_ALL(q2);
    if (kind == GFI_WINO_INPUT) {
        const double at_a = 1 / (2 * p2 * (p2 - q2)), at_b = 1 / (2 * q2 * (q2 - p2));  // 1/P'
        y[0] = GFI_FMA(GFI_ALL(-(p2 + q2)), x[2], x[0] + x[4]);
        y[5 * step] = GFI_FMA(GFI_ALL(-(p2 + q2)), x[3], x[1] + x[5]);
        GFI_FN(gfi_wino_pair)(GFI_FMA(-b2, x[2], x[4]) * GFI_ALL(at_a), GFI_ALL(at_a * p), GFI_FMA(-b2, x[1], x[3]),
                              y + step, step);
        GFI_FN(gfi_wino_pair)(GFI_FMA(-a2, x[2], x[4]) * GFI_ALL(at_b), GFI_ALL(at_b * q), GFI_FMA(-a2, x[1], x[3]),
                              y + 3 * step, step);
    } else if (kind == GFI_WINO_KERNEL || kind == GFI_WINO_OUTPUT_BACK) {  // values of a polynomial at the points
        const int cubic = kind == GFI_WINO_OUTPUT_BACK;
        y[0] = x[0];
        y[5 * step] = x[cubic ? 3 : 2];
        GFI_FN(gfi_wino_pair)(GFI_FMA(a2, x[2], x[0]), a, cubic ? GFI_FMA(a2, x[3], x[1]) : x[1], y + step, step);
        GFI_FN(gfi_wino_pair)(GFI_FMA(b2, x[2], x[0]), b, cubic ? GFI_FMA(b2, x[3], x[1]) : x[1], y + 3 * step, step);
    } else {  // the transpose
        const gfi_v sum_a = x[1] + x[2], sum_b = x[3] + x[4], difference_a = x[1] - x[2], difference_b = x[3] - x[4];
        const gfi_v a3 = GFI_ALL(p * p2), b3 = GFI_ALL(q * q2);
        y[0] = x[0] + (sum_a + sum_b);
        y[step] = GFI_FMA(a, difference_a, b * difference_b);
        y[2 * step] = GFI_FMA(a2, sum_a, b2 * sum_b);
        if (kind == GFI_WINO_OUTPUT) y[3 * step] = GFI_FMA(a3, difference_a, GFI_FMA(b3, difference_b, x[5]));
        else y[2 * step] += x[5];
    }
}

// The half-done square is unrolled into registers only where there are 32 of them: it takes long to compile.
#undef GFI_UNROLL_MORE
#if GFI_ISA == GFI_ISA_avx2
#define GFI_UNROLL_MORE
#else
#define GFI_UNROLL_MORE GFI_UNROLL
#endif

// A square of ins × ins arrays of n numbers to one of outs × outs, every number's square on its own. The inputs of
// GFI_WINO_OUTPUT end with one array more, the bias.
GFI_INLINE void GFI_FN(gfi_wino_each)(const int kind, const int ins, const int outs, gf_real *const *from,
                                      gf_real *const *to, size_t n) {
    for (size_t e = 0; e < n; e += GFI_VLEN) {
        gfi_v x[GFI_WINO_IN], half[GFI_WINO_PRODUCTS], y[GFI_WINO_IN];
        const gfi_v bias = kind == GFI_WINO_OUTPUT ? GFI_LOAD(from[GFI_WINO_PRODUCTS] + e) : GFI_ALL(0);
        GFI_UNROLL_MORE
        for (int j = 0; j < ins; j++) {
            GFI_UNROLL
            for (int i = 0; i < ins; i++) x[i] = GFI_LOAD(from[i * ins + j] + e);
            GFI_FN(gfi_wino_line)(kind, x, half + j, ins);
        }
        GFI_UNROLL_MORE
        for (int i = 0; i < outs; i++) {
            GFI_FN(gfi_wino_line)(kind, half + i * ins, y, 1);
            GFI_UNROLL
            for (int j = 0; j < outs; j++) GFI_STORE(to[i * outs + j] + e, kind == GFI_WINO_OUTPUT ? y[j] + bias : y[j]);
        }
    }
}

GFI_TARGET static void GFI_FN(gfi_wino)(int kind, gf_real *const *from, gf_real *const *to, size_t n) {
    switch (kind) {
    case GFI_WINO_INPUT: GFI_FN(gfi_wino_each)(GFI_WINO_INPUT, 6, 6, from, to, n); break;
    case GFI_WINO_KERNEL: GFI_FN(gfi_wino_each)(GFI_WINO_KERNEL, 3, 6, from, to, n); break;
    case GFI_WINO_OUTPUT: GFI_FN(gfi_wino_each)(GFI_WINO_OUTPUT, 6, 4, from, to, n); break;
    case GFI_WINO_OUTPUT_BACK: GFI_FN(gfi_wino_each)(GFI_WINO_OUTPUT_BACK, 4, 6, from, to, n); break;
    default: GFI_FN(gfi_wino_each)(GFI_WINO_KERNEL_BACK, 6, 3, from, to, n); break;
    }
}

static const gfi_fast GFI_FN(gfi_fast) = {
    GFI_TEXT(GFI_PASS), GFI_ISA, GFI_FN(gfi_fast_matmul), GFI_FN(gfi_fast_act), GFI_BASE(gfi_fast_act_back),
    GFI_BASE(gfi_fast_prelu_grad), GFI_BASE(gfi_fast_update), GFI_BASE(gfi_fast_sum_squares), GFI_BASE(gfi_fast_sums),
    GFI_FN(gfi_flip), GFI_FN(gfi_wino)};

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif  // GFI_PASS

#ifdef GFI_LAST_PART  // the rest of the implementation, outside of the passes again
#undef GFI_LAST_PART

// Four loads before four stores, which might have changed what the loads read: twice as fast.
static void gfi_pixels(const gf_real *lookup, const uint8_t *pixel, gf_real *x, size_t n, ptrdiff_t step) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4, pixel += 4 * step) {
        const gf_real v[4] = {lookup[pixel[0]], lookup[pixel[step]], lookup[pixel[2 * step]], lookup[pixel[3 * step]]};
        memcpy(x + i, v, sizeof v);
    }
    for (; i < n; i++, pixel += step) x[i] = lookup[*pixel];
}

#ifdef GFI_TUNED

// --- norms: all channels at once ---
// The twins walk through the images as they lie in memory, all channels of one after the other: the rows of a single
// channel are far apart, and no cache sees the next one coming. A part is one channel of an image, or of as many as make
// 256 values. What the parts sum up is added in their order, so the bits do not depend on the threads.

static size_t gfi_norm_images(const gfi_channels *v) { return v->plane < 256 ? 256 / v->plane : 1; }

static ptrdiff_t gfi_norm_parts(const gfi_channels *v) {
    return gfi_ceil_div((ptrdiff_t)v->batch, (ptrdiff_t)gfi_norm_images(v)) * (ptrdiff_t)v->channels;
}

static size_t gfi_fast_norm_workspace(const gfi_channels *v) {
    return 2 * (size_t)gfi_norm_parts(v) * sizeof(double) / sizeof(gf_real);
}

// Part p; its channel is p mod C.
static gfi_norm_part gfi_norm_part_at(const gfi_channels *v, ptrdiff_t p) {
    const size_t images = gfi_norm_images(v), first = (size_t)p / v->channels * images, step = v->channels * v->plane;
    const gfi_norm_part part = {first * step + (size_t)p % v->channels * v->plane,
                                gfi_min_size(v->batch - first, images), step, v->plane};
    return part;
}

static int gfi_fast_norm_sums(const gfi_engine *engine, const gfi_channels *v, const gf_real *a, const double *alpha,
                              const double *beta, double *sum, double *products) {
    if (!engine->fast) return 0;
    const ptrdiff_t C = (ptrdiff_t)v->channels, parts = gfi_norm_parts(v);
    double *sums = (double *)(void *)engine->workspace;  // [parts][2]
    GFI_PARALLEL(engine->threads)
    for (ptrdiff_t p = 0; p < parts; p++) {
        const gfi_norm_part part = gfi_norm_part_at(v, p);
        GFI_BASE(gfi_norm_sums)(&part, a + part.at, alpha ? alpha[p % C] : 0, v->x + part.at, beta[p % C], &sums[2 * p]);
    }
    for (ptrdiff_t p = 0; p < parts; p++) {
        sum[p % C] = sums[2 * p] + (p < C ? 0 : sum[p % C]);
        products[p % C] = sums[2 * p + 1] + (p < C ? 0 : products[p % C]);
    }
    return 1;
}

// out = scale·(x - mean) + shift; or, with a slope, scale·(dy - shift - (x - mean)·slope)
static int gfi_fast_norm_line(const gfi_engine *engine, const gfi_channels *v, const double *mean, const double *scale,
                              const double *shift, const double *slope) {
    if (!engine->fast) return 0;
    GFI_PARALLEL(engine->threads)
    for (ptrdiff_t p = 0; p < gfi_norm_parts(v); p++) {
        const gfi_norm_part part = gfi_norm_part_at(v, p);
        const size_t c = (size_t)p % v->channels;
        const double q = slope ? -scale[c] * slope[c] : scale[c], r = slope ? -scale[c] * shift[c] : shift[c];
        GFI_BASE(gfi_norm_line)(&part, slope ? v->dy + part.at : NULL, scale[c], v->x + part.at, mean[c], q, r,
                                v->out + part.at);
    }
    return 1;
}

// --- 2×2 max pool with stride 2, plane by plane; loops that compilers turn into vectors themselves ---

// y[h/2, w/2] of one plane x[h, w], and in `place` which of the window's four, 0 … 3, was the maximum.
GFI_LOOP static void gfi_max_pool_plane(const gf_real *__restrict x, gf_shape in, gf_real *__restrict y,
                                        gf_real *__restrict place) {
    const int W = in.width, OH = in.height / 2, OW = W / 2;
    for (int r = 0; r < OH; r++, x += 2 * W, y += OW, place += OW)
        for (int i = 0; i < OW; i++) {
            const gf_real v[4] = {x[2 * i], x[2 * i + 1], x[2 * i + W], x[2 * i + W + 1]};
            gf_real best = v[0], k = 0;
            for (int j = 1; j < 4; j++) {  // the first of equals; a NaN takes over and stays
                const int larger = (v[j] > best) | (v[j] != v[j]);
                k = larger ? (gf_real)j : k;
                best = larger ? v[j] : best;
            }
            y[i] = best;
            place[i] = k;
        }
}

// dx[h, w] of one plane: dy where the maximum was, 0 elsewhere.
GFI_LOOP static void gfi_max_pool_plane_back(const gf_real *__restrict dy, const gf_real *__restrict place, gf_shape in,
                                             gf_real *__restrict dx) {
    const int W = in.width, OH = in.height / 2, OW = W / 2;
    if (W % 2 || in.height % 2) memset(dx, 0, gfi_plane(in) * sizeof *dx);
    for (int r = 0; r < OH; r++, dx += 2 * W, dy += OW, place += OW)
        for (int i = 0; i < OW; i++) {
            const gf_real d = dy[i], k = place[i];
            dx[2 * i] = k == 0 ? d : 0;
            dx[2 * i + 1] = k == 1 ? d : 0;
            dx[2 * i + W] = k == 2 ? d : 0;
            dx[2 * i + W + 1] = k == 3 ? d : 0;
        }
}

static int gfi_fast_max_pool(const gfi_engine *engine, const gfi_pool *job, int back) {
    const ptrdiff_t in = (ptrdiff_t)gfi_plane(job->in), out = (ptrdiff_t)gfi_plane(job->out);
    const gf_window *w = &job->window;
    if (!engine->fast || w->kernel_h != 2 || w->kernel_w != 2 || w->stride_h != 2 || w->stride_w != 2) return 0;
    GFI_PARALLEL(engine->threads)
    for (ptrdiff_t p = 0; p < (ptrdiff_t)job->batch * job->in.channels; p++)
        if (back) gfi_max_pool_plane_back(job->dy + p * out, job->place + p * out, job->in, job->dx + p * in);
        else gfi_max_pool_plane(job->x + p * in, job->in, job->y + p * out, job->place + p * out);
    return 1;
}

// --- convolution: image by image, as matrix products ---
// columns[K,P] has a row for each of the K = C·KH·KW weights of an output channel: what it is multiplied with at each of
// the P output pixels, zero outside the image. Then
//     y[O,P] = w[O,K]·columns + bias      dw = dy·columnsᵀ      dcolumns = wᵀ·dy, added to dx where columns were read

enum { GFI_CONV_CHUNK = 16, GFI_CONV_IMAGES = 8 };  // images summed up together; images in a block of Winograd's

typedef struct gfi_conv_work {       // a convolution at work, as one thread sees it
    const gfi_conv *job;
    gfi_engine engine;               // for products of its own
    int winograd;
    size_t C, O, K, P;
    gf_real *columns;                // [K,P], and their gradient
    gf_real *dw, *db;                // [O,K], [O] of one chunk of images
    gf_real *u, *du;                 // Winograd, n images a block: [36][C][O] kernels, shared by all, and ∂L/∂U
    gf_real *x, *y;                  // [H·W][n][C], [OH·OW][n][O]
    gf_real *v, *m;                  // [36][tiles][n][C or O]: V; M or A·dy·Aᵀ
    gf_real *zeros, *unused, *bias;  // [n][C or O]: what stands outside the image, what falls there, the bias
    unsigned char *blank;            // [pixel][n] 1: zero in all channels
} gfi_conv_work;

static size_t gfi_wino_tile_count(gf_shape shape) {
    return (size_t)(gfi_ceil_div(shape.height, GFI_WINO_OUT) * gfi_ceil_div(shape.width, GFI_WINO_OUT));
}

// Winograd's trick (below) wants 3×3 kernels and stride 1; whole vectors of channels on every machine, so that no
// transform has a remainder; and fewer products than without it.
static int gfi_conv_is_winograd(const gfi_conv *job) {
    const gf_window *w = &job->window;
    return w->kernel_h == 3 && w->kernel_w == 3 && w->stride_h == 1 && w->stride_w == 1 && w->padding_h <= 2 &&
           w->padding_w <= 2 && job->in.channels % 16 == 0 && job->out.channels % 16 == 0 && !job->accumulate &&
           GFI_WINO_PRODUCTS * gfi_wino_tile_count(job->out) < 9 * gfi_plane(job->out);
}

// Lays out what all threads share, then what each has, up to this one's.
static gfi_conv_work gfi_conv_work_of(const gfi_fast *fast, const gfi_conv *job, int thread, gfi_arena *arena) {
    gfi_conv_work w;
    memset(&w, 0, sizeof w);
    w.job = job;
    w.winograd = gfi_conv_is_winograd(job);
    w.C = (size_t)job->in.channels;
    w.O = (size_t)job->out.channels;
    w.K = gfi_conv_fan_in(job);
    w.P = gfi_plane(job->out);
    w.engine.fast = fast;
    w.engine.threads = 1;
    const size_t n = GFI_CONV_IMAGES, in = gfi_plane(job->in), products = GFI_WINO_PRODUCTS;
    const size_t pixel = n * gfi_max_size(w.C, w.O);
    if (w.winograd) w.u = gfi_take_reals(arena, products, w.C * w.O);
    for (int t = 0; t <= thread; t++) {
        w.engine.workspace = gfi_take_reals(arena, 1, GFI_BLOCK_REALS);
        w.dw = gfi_take_reals(arena, w.O, w.K);
        w.db = gfi_take_reals(arena, 1, w.O);
        if (!w.winograd) {
            w.columns = gfi_take_reals(arena, w.K, w.P);
            continue;
        }
        w.du = gfi_take_reals(arena, products, w.C * w.O);
        w.x = gfi_take_reals(arena, in, n * w.C);
        w.y = gfi_take_reals(arena, w.P, n * w.O);
        w.v = gfi_take_reals(arena, products * GFI_WINO_TILES, pixel);
        w.m = gfi_take_reals(arena, products * GFI_WINO_TILES, pixel);
        w.zeros = gfi_take_reals(arena, 1, pixel);
        w.unused = gfi_take_reals(arena, 1, pixel);
        w.bias = gfi_take_reals(arena, 1, pixel);
        w.blank = (unsigned char *)gfi_take(arena, n * gfi_max_size(in, w.P), 1);
    }
    return w;
}

static size_t gfi_fast_conv_workspace(const gfi_conv *job, int threads) {
    gfi_arena arena = {NULL, 0, 0};
    (void)gfi_conv_work_of(NULL, job, threads - 1, &arena);
    return arena.overflow ? SIZE_MAX : arena.used / sizeof(gf_real);
}

static gfi_conv_work gfi_conv_work_at(const gfi_engine *engine, const gfi_conv *job, int thread) {
    gfi_arena arena = {(unsigned char *)engine->workspace, 0, 0};
    return gfi_conv_work_of(engine->fast, job, thread, &arena);
}

// columns from an image; or (back) columns added to the image. Pixels x0 up to x1 of a row look inside it.
static void gfi_conv_columns(const gfi_conv *job, gf_real *image, gf_real *columns, int back) {
    const int KH = job->window.kernel_h, KW = job->window.kernel_w, s = job->window.stride_w, OW = job->out.width;
    const int H = job->in.height, W = job->in.width, pad = job->window.padding_w;
    for (int k = 0; k < job->in.channels * KH * KW; k++) {
        const int j = k % KW, i = k / KW % KH, c = k / (KH * KW);
        const int x1 = W + pad <= j ? 0 : (int)gfi_least(OW, (W + pad - j + s - 1) / s);
        const int x0 = pad <= j ? 0 : (int)gfi_least(x1, (pad - j + s - 1) / s);
        for (int y = 0; y < job->out.height; y++, columns += OW) {
            const int row = y * job->window.stride_h - job->window.padding_h + i, inside = row >= 0 && row < H;
            gf_real *at = image + ((ptrdiff_t)c * H + (inside ? row : 0)) * W + (x0 * s - pad + j);
            const size_t n = inside ? (size_t)(x1 - x0) : 0;
            if (back) {
                for (size_t x = 0; x < n; x++) at[x * (size_t)s] += columns[(size_t)x0 + x];
                continue;
            }
            if (n < (size_t)OW) memset(columns, 0, (size_t)OW * sizeof *columns);
            if (s == 1) memcpy(columns + x0, at, n * sizeof *columns);
            for (size_t x = 0; x < n && s > 1; x++) columns[(size_t)x0 + x] = at[x * (size_t)s];
        }
    }
}

static void gfi_conv_image(const gfi_conv_work *w, size_t b) {
    const gfi_conv *job = w->job;
    gf_real *y = job->y + b * w->O * w->P;
    gfi_conv_columns(job, (gf_real *)(job->x + b * gfi_shape_size(job->in)), w->columns, 0);
    for (size_t o = 0; o < w->O && !job->accumulate; o++)
        for (size_t i = 0; i < w->P; i++) y[o * w->P + i] = job->bias ? job->bias[o] : 0;
    gfi_matmul(&w->engine, y, gfi_view(job->w, w->O, w->K), gfi_view(w->columns, w->K, w->P), y, w->P);
}

static void gfi_conv_image_back(const gfi_conv_work *w, size_t b, int fresh) {
    const gfi_conv *job = w->job;
    const gfi_matrix dy = gfi_view(job->dy + b * w->O * w->P, w->O, w->P);
    const gfi_matrix columns = gfi_view(w->columns, w->K, w->P);
    gfi_conv_columns(job, (gf_real *)(job->x + b * gfi_shape_size(job->in)), w->columns, 0);
    gfi_matmul(&w->engine, w->dw, dy, gfi_transposed(columns), fresh ? NULL : w->dw, w->K);
    if (job->db) gfi_column_sums(&w->engine, gfi_transposed(dy), fresh ? NULL : w->db, w->db);
    if (!job->dx) return;
    gf_real *dx = job->dx + b * gfi_shape_size(job->in);
    gfi_matmul(&w->engine, w->columns, gfi_transposed(gfi_view(job->w, w->O, w->K)), dy, NULL, 0);
    if (!job->accumulate) memset(dx, 0, gfi_shape_size(job->in) * sizeof *dx);
    gfi_conv_columns(job, dx, w->columns, 1);
}

// --- Winograd's trick: 3×3 kernels of stride 1 with fewer multiplications than 9 a pixel ---
// For networks: Lavin, Gray 2015, F(4×4, 3×3). In one dimension two polynomials p and g of degrees 3 and 2 have a product
// of degree 5, which 6 of its values determine, and values just multiply: A·p and G·g are the values of p and g at six
// points, and a third matrix takes the 6 products to the 6 coefficients, 6 multiplications instead of 4·3. Transposed,
// that is a kernel of three over d0 … d5:
//     y = Aᵀ[(G·g) ⊙ (Bᵀ·d)], 4 outputs      in two dimensions y = Aᵀ[U ⊙ V]A, U = G·g·Gᵀ, V = Bᵀ·d·B
// 4×4 outputs from 6×6 inputs take 36 products: 2.25 a pixel. Summed over the channels, each of the 36 is a matrix
// multiply: tiles·images × C × O. By the chain rule
//     ∂L/∂U = V ⊙ (A·dy·Aᵀ), summed over tiles and images    dw = Gᵀ·∂L/∂U·G
// and dx is itself a 3×3 convolution, of dy by the kernel turned round. The points are 0, ±2/3, ±3/2 and ∞ (where a
// polynomial's value is its highest coefficient): points near 1 round well (Barabasz et al. 2020), and with the usual 0,
// ±1, ±2, ∞ errors are twice as large. They are 4 times those of the plain sum of 9·C products: in float 7e-7 of the
// outputs' RMS. A NaN in the input reaches all of its tile; what must be exactly 0 is made so by gfi_wino_blank.
// Images come in blocks, turned so that the channels of a pixel lie together: [pixel][image][channel].

// A direction: from x to y, or from dy to dx.
typedef struct gfi_wino_way {
    gf_shape from, to;
    int pad_h, pad_w;
    gf_real *block, *result, *bias;
} gfi_wino_way;

static gfi_wino_way gfi_wino_way_of(const gfi_conv_work *w, int back) {
    const gfi_conv *job = w->job;
    const int pad_h = job->window.padding_h, pad_w = job->window.padding_w;
    const gfi_wino_way forward = {job->in, job->out, pad_h, pad_w, w->x, w->y, job->bias ? w->bias : w->zeros};
    const gfi_wino_way backward = {job->out, job->in, 2 - pad_h, 2 - pad_w, w->y, w->x, w->zeros};
    return back ? backward : forward;
}

// Images [C,H·W] to a block [H·W][image][C], or (back) the other way round.
static void gfi_wino_turn(const gfi_conv_work *w, gf_real *x, gf_shape shape, ptrdiff_t images, gf_real *block,
                          int back) {
    const ptrdiff_t plane = (ptrdiff_t)gfi_plane(shape), C = shape.channels;
    for (ptrdiff_t i = 0; i < images; i++)
        if (back) w->engine.fast->flip(block + i * C, images * C, plane, C, x + i * C * plane, plane, 0);
        else w->engine.fast->flip(x + i * C * plane, plane, C, plane, block + i * C, images * C, 0);
}

// `count` tiles, from tile `start` on: their 6×6 inputs to V (GFI_WINO_INPUT), their 4×4 results from M (GFI_WINO_OUTPUT),
// or the 4×4 dy that stand in these results' place to A·dy·Aᵀ (GFI_WINO_OUTPUT_BACK).
static void gfi_wino_tiles(const gfi_conv_work *w, int kind, const gfi_wino_way *way, size_t start, size_t count,
                           size_t images, gf_real *products) {
    const int is_input = kind == GFI_WINO_INPUT, is_output = kind == GFI_WINO_OUTPUT;
    const int size = is_input ? (int)GFI_WINO_IN : (int)GFI_WINO_OUT;
    const gf_shape shape = is_input ? way->from : way->to;
    const size_t pixel = images * (size_t)shape.channels, columns = (size_t)(way->to.width + 3) / GFI_WINO_OUT;
    gf_real *block = is_input ? way->block : way->result, *outside = is_output ? w->unused : w->zeros;
    for (size_t t = 0; t < count; t++) {
        const int top = (int)((start + t) / columns) * GFI_WINO_OUT - (is_input ? way->pad_h : 0);
        const int left = (int)((start + t) % columns) * GFI_WINO_OUT - (is_input ? way->pad_w : 0);
        gf_real *square[GFI_WINO_PRODUCTS], *product[GFI_WINO_PRODUCTS + 1];
        for (int k = 0; k < size * size; k++) {
            const int y = top + k / size, x = left + k % size;
            const int inside = y >= 0 && y < shape.height && x >= 0 && x < shape.width;
            square[k] = inside ? block + (size_t)(y * shape.width + x) * pixel : outside;
        }
        for (size_t k = 0; k < GFI_WINO_PRODUCTS; k++) product[k] = products + (k * count + t) * pixel;
        product[GFI_WINO_PRODUCTS] = way->bias;
        w->engine.fast->wino(kind, is_output ? product : square, is_output ? square : product, pixel);
    }
}

// The transforms leave rounding errors where the direct sum has nothing but zeros to add. An output pixel whose window
// is zero in all channels gets exactly what belongs there: the bias or 0.
static void gfi_wino_blank(const gfi_conv_work *w, const gfi_wino_way *way, size_t images) {
    const size_t I = (size_t)way->from.channels, O = (size_t)way->to.channels;
    int any = 0;
    for (size_t p = 0; p < gfi_plane(way->from) * images; p++) {
        size_t c = 0;
        while (c < I && way->block[p * I + c] == 0) c++;
        w->blank[p] = c == I;
        any |= w->blank[p];
    }
    for (size_t p = 0; any && p < gfi_plane(way->to) * images; p++) {
        const int top = (int)(p / images) / way->to.width - way->pad_h;
        const int left = (int)(p / images) % way->to.width - way->pad_w;
        int is_blank = 1;
        for (int k = 0; k < 9 && is_blank; k++) {
            const int y = top + k / 3, x = left + k % 3, W = way->from.width;
            const int inside = y >= 0 && y < way->from.height && x >= 0 && x < W;
            is_blank = !inside || w->blank[(size_t)(y * W + x) * images + p % images];
        }
        if (is_blank) memcpy(way->result + p * O, way->bias, O * sizeof(gf_real));
    }
}

// A block of results from a block of inputs.
static void gfi_wino_sweep(const gfi_conv_work *w, const gfi_wino_way *way, size_t images) {
    const size_t I = (size_t)way->from.channels, O = (size_t)way->to.channels, tiles = gfi_wino_tile_count(way->to);
    for (size_t start = 0; start < tiles; start += GFI_WINO_TILES) {
        const size_t count = gfi_min_size(tiles - start, GFI_WINO_TILES), rows = count * images;
        gfi_wino_tiles(w, GFI_WINO_INPUT, way, start, count, images, w->v);
        for (size_t k = 0; k < GFI_WINO_PRODUCTS; k++)
            gfi_matmul(&w->engine, w->m + k * rows * O, gfi_view(w->v + k * rows * I, rows, I),
                       gfi_view(w->u + k * I * O, I, O), NULL, 0);
        gfi_wino_tiles(w, GFI_WINO_OUTPUT, way, start, count, images, w->m);
    }
    gfi_wino_blank(w, way, images);
}

// du (+)= V ⊙ (A·dy·Aᵀ) over a block's tiles and images.
static void gfi_wino_weight_grad(const gfi_conv_work *w, size_t images, int fresh) {
    const gfi_wino_way way = gfi_wino_way_of(w, 0);
    const size_t C = w->C, O = w->O, tiles = gfi_wino_tile_count(w->job->out);
    for (size_t start = 0; start < tiles; start += GFI_WINO_TILES, fresh = 0) {
        const size_t count = gfi_min_size(tiles - start, GFI_WINO_TILES), rows = count * images;
        gfi_wino_tiles(w, GFI_WINO_INPUT, &way, start, count, images, w->v);
        gfi_wino_tiles(w, GFI_WINO_OUTPUT_BACK, &way, start, count, images, w->m);
        for (size_t k = 0; k < GFI_WINO_PRODUCTS; k++)
            gfi_matmul(&w->engine, w->du + k * C * O, gfi_transposed(gfi_view(w->v + k * rows * C, rows, C)),
                       gfi_view(w->m + k * rows * O, rows, O), fresh ? NULL : w->du + k * C * O, O);
    }
}

// From kernels [9][C·O], turned round where they go back to x, to U[36][C·O]; or from ∂L/∂U to kernels. In place.
static void gfi_wino_kernels(const gfi_conv_work *w, int kind, int turned, gf_real *at) {
    const size_t count = w->C * w->O;
    gf_real *from[GFI_WINO_PRODUCTS], *to[GFI_WINO_PRODUCTS];
    for (size_t k = 0; k < GFI_WINO_PRODUCTS; k++) {
        to[k] = at + k * count;
        from[k] = turned && k < 9 ? at + (8 - k) * count : to[k];
    }
    w->engine.fast->wino(kind, from, to, count);
}

// U from w[O,C,9]: [36][C][O] for forward, [36][O][C] for back.
static void gfi_wino_pack(const gfi_conv_work *w, int back) {
    const ptrdiff_t C = (ptrdiff_t)w->C, O = (ptrdiff_t)w->O;
    for (ptrdiff_t k = 0; k < (back ? O : C); k++)
        if (back) w->engine.fast->flip(w->job->w + k * C * 9, 9, C, 9, w->u + k * C, O * C, 0);
        else w->engine.fast->flip(w->job->w + k * 9, C * 9, O, 9, w->u + k * O, C * O, 0);
    gfi_wino_kernels(w, GFI_WINO_KERNEL, back, w->u);
}

// A chunk of images, block by block: y, or (back) dx and the chunk's share of dw and db.
static void gfi_wino_chunk(const gfi_conv_work *w, int back, size_t first, size_t images) {
    const gfi_conv *job = w->job;
    const gfi_wino_way way = gfi_wino_way_of(w, back);
    const size_t in = gfi_shape_size(job->in), out = gfi_shape_size(job->out);
    memset(w->zeros, 0, GFI_CONV_IMAGES * gfi_max_size(w->C, w->O) * sizeof(gf_real));
    for (size_t i = 0; i < GFI_CONV_IMAGES && job->bias; i++)
        memcpy(w->bias + i * w->O, job->bias, w->O * sizeof(gf_real));
    for (size_t i = 0; i < images; i += GFI_CONV_IMAGES) {
        const size_t n = gfi_min_size(images - i, GFI_CONV_IMAGES), b = first + i;
        gf_real *const x = (gf_real *)(job->x + b * in), *const dy = (gf_real *)(job->dy + b * out);
        if (!back) {
            gfi_wino_turn(w, x, job->in, (ptrdiff_t)n, w->x, 0);
            gfi_wino_sweep(w, &way, n);
            gfi_wino_turn(w, job->y + b * out, job->out, (ptrdiff_t)n, w->y, 1);
            continue;
        }
        gfi_wino_turn(w, dy, job->out, (ptrdiff_t)n, w->y, 0);
        if (job->db) gfi_column_sums(&w->engine, gfi_view(w->y, w->P * n, w->O), i == 0 ? NULL : w->db, w->db);
        if (job->dx) gfi_wino_sweep(w, &way, n);
        if (job->dx) gfi_wino_turn(w, job->dx + b * in, job->in, (ptrdiff_t)n, w->x, 1);
        gfi_wino_turn(w, x, job->in, (ptrdiff_t)n, w->x, 0);
        gfi_wino_weight_grad(w, n, i == 0);
    }
    if (!back) return;
    const ptrdiff_t C = (ptrdiff_t)w->C, O = (ptrdiff_t)w->O;
    gfi_wino_kernels(w, GFI_WINO_KERNEL_BACK, 0, w->du);
    for (ptrdiff_t c = 0; c < C; c++) w->engine.fast->flip(w->du + c * O, C * O, 9, O, w->dw + c * 9, C * 9, 0);
}

// --- convolution: chunks of images, and threads ---

static void gfi_conv_chunk(const gfi_conv_work *w, int back, ptrdiff_t chunk) {
    const size_t first = (size_t)chunk * GFI_CONV_CHUNK, left = (size_t)w->job->batch - first;
    const size_t images = gfi_min_size(left, GFI_CONV_CHUNK);
    if (w->winograd) gfi_wino_chunk(w, back, first, images);
    for (size_t i = 0; i < images && !w->winograd; i++)
        if (back) gfi_conv_image_back(w, first + i, i == 0);
        else gfi_conv_image(w, first + i);
}

// dw and db are sums over the images. So that they do not depend on the number of threads, each chunk of images is
// summed alone and the chunks are then added in order: in every round each thread takes one chunk.
static int gfi_fast_conv(const gfi_engine *engine, const gfi_conv *job, int back) {
    if (!engine->fast) return 0;
    const gfi_conv_work shared = gfi_conv_work_at(engine, job, 0);
    const size_t weights = shared.O * shared.K;
    const ptrdiff_t chunks = gfi_ceil_div(job->batch, GFI_CONV_CHUNK);
    if (shared.winograd && (!back || job->dx)) gfi_wino_pack(&shared, back);
    if (back) memset(job->dw, 0, weights * sizeof(gf_real));
    if (back && job->db) memset(job->db, 0, shared.O * sizeof(gf_real));
    for (ptrdiff_t start = 0; start < chunks; start += engine->threads) {
        const int count = (int)gfi_least(chunks - start, engine->threads);
        GFI_PARALLEL(engine->threads)
        for (int t = 0; t < count; t++) {
            const gfi_conv_work work = gfi_conv_work_at(engine, job, t);
            gfi_conv_chunk(&work, back, start + t);
        }
        for (int t = 0; t < count && back; t++) {
            const gfi_conv_work work = gfi_conv_work_at(engine, job, t);
            gfi_column_sums(engine, gfi_view(work.dw, 1, weights), job->dw, job->dw);
            if (job->db) gfi_column_sums(engine, gfi_view(work.db, 1, work.O), job->db, job->db);
        }
    }
    return 1;
}

// --- the choice ---

static int gfi_fast_runs_here(const gfi_fast *fast) {
#if defined(__x86_64__)
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (fast == &gfi_fast_avx2) return avx2;
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#else
    return fast != NULL;
#endif
}

static const gfi_fast *gfi_fast_named(const char *name, int *found) {
#if defined(__x86_64__)
    static const gfi_fast *const tables[] = {&gfi_fast_avx512, &gfi_fast_avx2};
#else
    static const gfi_fast *const tables[] = {&gfi_fast_neon};
#endif
    *found = 1;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if ((!name || strcmp(tables[i]->name, name) == 0) && gfi_fast_runs_here(tables[i])) return tables[i];
    *found = !name || strcmp(name, "plain") == 0;
    return NULL;
}

static size_t gfi_fast_workspace(int threads) { return (size_t)threads * GFI_BLOCK_REALS; }

// Always inlined, for a call of a function that only prefetches is dropped by gcc as one without effect.
static inline __attribute__((always_inline)) void gfi_fast_fetch(const uint8_t *pixels, size_t n) {
    for (size_t i = 0; i < n; i += 64) __builtin_prefetch(pixels + i);
}

#else  // no tuned twins: the plain loops are all there is, and fast is always NULL

static const gfi_fast *gfi_fast_named(const char *name, int *found) {
    *found = !name || strcmp(name, "plain") == 0;
    return NULL;
}
static int gfi_fast_conv(const gfi_engine *engine, const gfi_conv *job, int back) {
    return engine && job && back ? 0 : 0;
}
static int gfi_fast_max_pool(const gfi_engine *engine, const gfi_pool *job, int back) {
    return engine && job && back ? 0 : 0;
}
static int gfi_fast_norm_sums(const gfi_engine *engine, const gfi_channels *v, const gf_real *a, const double *alpha,
                              const double *beta, double *sum, double *products) {
    return engine && v && a && alpha && beta && sum && products ? 0 : 0;
}
static int gfi_fast_norm_line(const gfi_engine *engine, const gfi_channels *v, const double *mean, const double *scale,
                              const double *shift, const double *slope) {
    return engine && v && mean && scale && shift && slope ? 0 : 0;
}
static size_t gfi_fast_conv_workspace(const gfi_conv *job, int threads) { return job && threads ? 0 : 0; }
static size_t gfi_fast_norm_workspace(const gfi_channels *v) { return v ? 0 : 0; }
static size_t gfi_fast_workspace(int threads) { return threads ? 0 : 0; }
static void gfi_fast_fetch(const uint8_t *pixels, size_t n) { (void)(pixels + n); }

#endif  // GFI_TUNED

static const gfi_fast *gfi_fast_best(void) {
    int found;
    return gfi_fast_named(NULL, &found);
}

// The build settings end here.
#pragma pop_macro("B")
#pragma pop_macro("C")
#pragma pop_macro("H")
#pragma pop_macro("I")
#pragma pop_macro("K")
#pragma pop_macro("L")
#pragma pop_macro("M")
#pragma pop_macro("N")
#pragma pop_macro("O")
#pragma pop_macro("P")
#pragma pop_macro("W")
#pragma pop_macro("near")
#pragma pop_macro("small")
#if defined(__clang__)
#pragma STDC FP_CONTRACT DEFAULT
#elif defined(__GNUC__)
#pragma GCC pop_options
#elif defined(_MSC_VER)
#pragma fp_contract(on)
#endif

#endif  // GFI_LAST_PART
// =====================================================================================================================
// Licence
// =====================================================================================================================
// gradflow is available under two licenses. Choose the one you prefer; neither asks anything of the other.
//
// ---------------------------------------------------------------------------------------------------------------------
// ALTERNATIVE A - MIT License
//
// Copyright (c) 2026 gradflow authors
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
// documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
// rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
// permit persons to whom the Software is furnished to do so, subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
// Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
// WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
// COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
// OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
//
// ---------------------------------------------------------------------------------------------------------------------
// ALTERNATIVE B - Public Domain (www.unlicense.org)
//
// This is free and unencumbered software released into the public domain.
//
// Anyone is free to copy, modify, publish, use, compile, sell, or distribute this software, either in source code form
// or as a compiled binary, for any purpose, commercial or non-commercial, and by any means.
//
// In jurisdictions that recognize copyright laws, the author or authors of this software dedicate any and all copyright
// interest in the software to the public domain. We make this dedication for the benefit of the public at large and to
// the detriment of our heirs and successors. We intend this dedication to be an overt act of relinquishment in
// perpetuity of all present and future rights to this software under copyright law.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
// WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS BE
// LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
// OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
