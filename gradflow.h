// gradflow.h: train small neural networks in C and see where their gradients go.  v0.1, public domain or MIT (see end)
//
// One header, no dependency but libc and libm. Three uses: drop it into coursework, compile an example
// with one command, read it from top to bottom as a course in backpropagation.
//
//     #define GRADFLOW_IMPLEMENTATION          // in exactly one file of a program
//     #include "gradflow.h"
//     #include <stdio.h>
//     int main(void) {                          // learn XOR, print the loss and where the gradient is
//         gf_real x[8] = {0, 0, 0, 1, 1, 0, 1, 1};
//         int labels[4] = {0, 1, 1, 0};
//         gf_net *net = gf_net_create(gf_vector(2), 4, 42);
//         gf_optim adam;
//         gf_net_dense(net, 8), gf_net_act(net, GF_ACT_TANH), gf_net_dense(net, 2), gf_net_build(net);
//         gf_optim_init(&adam, net, gf_adam(0.05));
//         for (int step = 0; step < 200 && gf_net_status(net) == GF_OK; step++) {
//             gf_net_forward(net, x, 4, GF_TRAIN);
//             double loss = gf_loss_cross_entropy(net, labels);
//             gf_net_backward(net);
//             if (step % 50 == 0) printf("step %3d  loss %.4f  |grad| %.4f\n", step, loss, gf_net_grad_norm(net));
//             gf_optim_step(&adam, net);
//         }
//         printf("%s\n", gf_net_error(net));    // "no error", or what was expected, what was found, what to do
//         gf_optim_free(&adam), gf_net_free(net);
//         return 0;
//     }
//
//     cc -O2 xor.c -o xor -lm
//
// It does NOT do: GPUs, general graphs (sequential nets with skip connections only), recurrent layers, attention,
// mixed precision, autodiff of your own expressions. Networks that fit a CPU and a course, that is all.
//
// CONTENTS. Search for a token: its hits are here, at the public section and at the implementation.
//     [GF:CONFIG]  types and options          [GF:OPTIM]   SGD, Adam, clipping, schedules
//     [GF:ERR]     status codes, messages     [GF:PROBE]   instruments: where do gradients go?
//     [GF:RNG]     counter-based randomness   [GF:CHECK]   gradient check
//     [GF:TENSOR]  shapes and named tensors   [GF:THEORY]  signal propagation
//     [GF:ACT]     activation functions       [GF:DATA]    data sets and batches
//     [GF:INIT]    initialisers               [GF:SAVE]    checkpoints
//     [GF:LAYER]   layers                     [GF:KERNEL]  tuned kernels (implementation only;
//     [GF:NET]     the network                             a first reader may skip it)
//     [GF:LOSS]    losses
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
//     GF_ASSERT(x)         default assert
//     GF_NO_SIMD           plain kernels only: the same bits on every machine
//     GF_NO_STDIO          no files, no printing
//   Add -fopenmp to the compiler's flags to use several cores; the results stay the same bit for bit.
//   Keep this file's name: to compile its kernels for several instruction sets it includes itself as "gradflow.h".
//
// ERRORS ARE STICKY. The first mistake is kept in the net with its numbers and a hint; every later call on that net
// does nothing (a loss is NaN, a step changes no weight). So check gf_net_status(net) once, where it suits you.

#ifndef GFI_PASS
#ifndef GRADFLOW_H
#define GRADFLOW_H

// ---------------------------------------------------------------------------------------------------------------------
// [GF:CONFIG] Types and options
// ---------------------------------------------------------------------------------------------------------------------
// Arrays are gf_real, float unless GF_REAL says double (gradient checks want double); scalars go in and come out as
// double. Declarations and implementation have guards of their own, so that the order of inclusion does not matter.

#define GF_VERSION_MAJOR 0
#define GF_VERSION_MINOR 1

#include <stddef.h>
#include <stdint.h>

#ifdef __FAST_MATH__
#error "gradflow.h: -ffast-math lets the compiler assume that NaN and infinity never occur; build without it."
#endif

#ifndef GF_REAL
#define GF_REAL float
#endif
typedef GF_REAL gf_real;

#ifdef GRADFLOW_STATIC
#if defined(__GNUC__)
#define GFDEF static __attribute__((unused))
#else
#define GFDEF static
#endif
#else
#define GFDEF extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------------------------------
// [GF:ERR] Status codes and messages
// ---------------------------------------------------------------------------------------------------------------------
// What can fail returns a gf_status or, where it returns something else, NULL, NaN or -1, and leaves a message: what
// was expected, what was found, what to do. A net keeps its first error (gf_net_status, gf_net_error) and does nothing
// more until gf_net_clear_error; functions without a net leave theirs in gf_last_error.

#define GF_STATUS_LIST(X)                                                  \
    X(GF_OK, "no error")                                                   \
    X(GF_ERROR_ARGUMENT, "an argument is outside its range")               \
    X(GF_ERROR_SHAPE, "shapes do not fit together")                        \
    X(GF_ERROR_ORDER, "a call came before the call it needs")              \
    X(GF_ERROR_MEMORY, "out of memory")                                    \
    X(GF_ERROR_IO, "a file could not be read or written")                  \
    X(GF_ERROR_FORMAT, "a file's contents are not what its format demands") \
    X(GF_ERROR_NOT_FOUND, "no such name")                                  \
    X(GF_ERROR_NONFINITE, "NaN or infinity in training")

typedef enum gf_status {
#define GFI_STATUS_NAME(name, text) name,
    GF_STATUS_LIST(GFI_STATUS_NAME)
#undef GFI_STATUS_NAME
    GF_STATUS_COUNT
} gf_status;

// The general text of a status; "unknown status" outside the list.
GFDEF const char *gf_status_text(gf_status status);
// What the calling thread's last failed call said: expected, found, what to do. "no error" before the first failure.
// Used by functions that have no net to keep their error in (loaders, batches); never NULL.
GFDEF const char *gf_last_error(void);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:RNG] Counter-based randomness
// ---------------------------------------------------------------------------------------------------------------------
// A random number is a pure function of (seed, stream, index): nothing is stored, any element can be drawn alone, in
// any order, on any thread. splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators").

enum {                     // streams used by the library; add your own above GF_STREAM_USER
    GF_STREAM_WEIGHT = 1,  // + 256 · ordinal of the dense/conv layer, from 1
    GF_STREAM_BIAS,        // likewise
    GF_STREAM_PROJECTION,  // + 256 · position of the layer: weights of projected skips
    GF_STREAM_DROPOUT,     // + 256 · (layer index + 4096 · step)
    GF_STREAM_SHUFFLE,     // + 256 · epoch
    GF_STREAM_AUGMENT,     // + 256 · epoch
    GF_STREAM_DATA,        // synthetic data
    GF_STREAM_SPLIT,       // train/validation splits
    GF_STREAM_USER = 128
};

GFDEF uint64_t gf_random_bits(uint64_t seed, uint64_t stream, uint64_t index);   // 64 random bits
GFDEF double gf_random_uniform(uint64_t seed, uint64_t stream, uint64_t index);  // in [0, 1), 53 bits
GFDEF double gf_random_normal(uint64_t seed, uint64_t stream, uint64_t index);   // mean 0, variance 1
// order[0..n) becomes a permutation of 0..n-1 (Fisher-Yates) that depends on seed and stream alone. No effect on NULL,
// n = 0 or n above 2³² - 1.
GFDEF void gf_random_shuffle(uint32_t *order, size_t n, uint64_t seed, uint64_t stream);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:TENSOR] Shapes and named tensors
// ---------------------------------------------------------------------------------------------------------------------
// Data is a flat array of gf_real; a shape says how to read it: element (c, y, x) of a sample stands at
// (c·H + y)·W + x, sample b of a batch begins at b·C·H·W. Parameters have names, so that they can be read, set and
// compared with PyTorch's.

typedef struct gf_shape {  // of one sample, without the batch: [C,H,W]; a vector of n is [n,1,1]
    int channels, height, width;
} gf_shape;

GFDEF gf_shape gf_image(int channels, int height, int width);  // [C,H,W]
GFDEF gf_shape gf_vector(int n);                               // [n,1,1]
GFDEF size_t gf_shape_size(gf_shape shape);  // C·H·W; 0 when a side is not positive or the product overflows

// A parameter tensor: a view into the net's one parameter array and one gradient array. Valid until gf_net_free.
typedef struct gf_tensor {
    const char *name;          // "dense2.weight", "conv1.bias", "batch_norm1.gamma", "prelu1.slope"
    gf_real *value, *grad;     // both of the tensor's size; grad is NULL for a running statistic of batch norm
    size_t size, offset;       // elements; position in the contiguous arrays
    int rank, dims[4];         // dense weight [O,I], conv weight [OC,IC,KH,KW], anything else [n]: PyTorch's layouts
} gf_tensor;

// ---------------------------------------------------------------------------------------------------------------------
// [GF:ACT] Activation functions
// ---------------------------------------------------------------------------------------------------------------------
// h = φ(z), elementwise. Going back, δ = ∂L/∂h · φ'(z): every activation layer multiplies the gradient by φ', so that
// |φ'| < 1 over many layers makes it vanish. Each line: constant, name, default parameter, number of kinks and where,
// φ, φ', source. Constants, defaults and φ' at a kink are PyTorch's. The parameter is the slope a of leaky_relu and
// prelu (there: its start), α of elu and celu, β of silu; the others ignore it. σ is the sigmoid, Φ and N are the
// normal distribution and its density, λ = 1.0507… and α = 1.6732… selu's constants.

#define GF_ACT_LIST(X)                                                                                                \
    X(GF_ACT_IDENTITY, "identity", 0, 0, 0, 0, "z", "1", "a linear layer, for comparison")                            \
    X(GF_ACT_SIGMOID, "sigmoid", 0, 0, 0, 0, "1/(1 + e^-z)", "σ(1 - σ)", "Rumelhart, Hinton, Williams 1986")          \
    X(GF_ACT_TANH, "tanh", 0, 0, 0, 0, "tanh z", "1 - tanh² z", "LeCun, Bottou, Orr, Müller 1998")                    \
    X(GF_ACT_RELU, "relu", 0, 1, 0, 0, "max(0, z)", "1 if z > 0, else 0", "Nair, Hinton 2010")                        \
    X(GF_ACT_LEAKY_RELU, "leaky_relu", 0.01, 1, 0, 0, "z if z > 0, else az", "1 if z > 0, else a", "Maas et al. 2013")\
    X(GF_ACT_ELU, "elu", 1, 1, 0, 0, "z if z > 0, else α(e^z - 1)", "1 if z > 0, else αe^z", "Clevert et al. 2016")   \
    X(GF_ACT_SELU, "selu", 0, 1, 0, 0, "λz if z > 0, else λα(e^z - 1)", "λ if z > 0, else λαe^z",                     \
      "Klambauer et al. 2017")                                                                                        \
    X(GF_ACT_CELU, "celu", 1, 1, 0, 0, "z if z > 0, else α(e^(z/α) - 1)", "1 if z > 0, else e^(z/α)", "Barron 2017")  \
    X(GF_ACT_SOFTPLUS, "softplus", 0, 0, 0, 0, "ln(1 + e^z); z beyond 20", "σ(z)", "Dugas et al. 2001")               \
    X(GF_ACT_SOFTSIGN, "softsign", 0, 1, 0, 0, "z/(1 + |z|)", "1/(1 + |z|)²", "Turian, Bergstra, Bengio 2009")        \
    X(GF_ACT_ARCTAN, "arctan", 0, 0, 0, 0, "arctan z", "1/(1 + z²)", "a sigmoid with slow, polynomial tails")         \
    X(GF_ACT_GELU, "gelu", 0, 0, 0, 0, "z·Φ(z)", "Φ(z) + z·N(z)", "Hendrycks, Gimpel 2016")                           \
    X(GF_ACT_GELU_TANH, "gelu_tanh", 0, 0, 0, 0, "½z(1 + tanh u), u = √(2/π)(z + 0.044715z³)",                        \
      "½(1 + tanh u) + ½z(1 - tanh² u)u'", "Hendrycks, Gimpel 2016, approximation")                                   \
    X(GF_ACT_SILU, "silu", 1, 0, 0, 0, "z·σ(βz)", "σ(βz) + βz·σ(βz)(1 - σ(βz))", "Ramachandran et al. 2017 (swish)")  \
    X(GF_ACT_MISH, "mish", 0, 0, 0, 0, "z·tanh(s), s = ln(1 + e^z)", "tanh s + z(1 - tanh² s)σ(z)", "Misra 2019")     \
    X(GF_ACT_TELU, "telu", 0, 0, 0, 0, "z·tanh(e^z)", "tanh(e^z) + z·e^z(1 - tanh²(e^z))", "Fernandez, Mali 2024")    \
    X(GF_ACT_HARD_SIGMOID, "hard_sigmoid", 0, 2, -3, 3, "min(max(0, z + 3), 6)/6", "1/6 if |z| < 3, else 0",          \
      "Courbariaux et al. 2015; this scale: Howard et al. 2019")                                                      \
    X(GF_ACT_HARD_TANH, "hard_tanh", 0, 2, -1, 1, "min(max(-1, z), 1)", "1 if |z| < 1, else 0", "Collobert 2004")     \
    X(GF_ACT_HARD_SWISH, "hard_swish", 0, 2, -3, 3, "z·min(max(0, z + 3), 6)/6",                                      \
      "0 if z < -3, z/3 + ½ if z < 3, else 1", "Howard et al. 2019")                                                  \
    X(GF_ACT_RELU6, "relu6", 0, 2, 0, 6, "min(max(0, z), 6)", "1 if 0 < z < 6, else 0", "Krizhevsky 2010")            \
    X(GF_ACT_PRELU, "prelu", 0.25, 1, 0, 0, "z if z > 0, else az, a learned", "1 if z > 0, else a", "He et al. 2015") \
    X(GF_ACT_CUSTOM, "custom", 0, 0, 0, 0, "your function", "your derivative", "")

typedef enum gf_act_kind {
#define GFI_ACT_CONSTANT(kind, name, param, kinks, kink1, kink2, formula, derivative, source) kind,
    GF_ACT_LIST(GFI_ACT_CONSTANT)
#undef GFI_ACT_CONSTANT
    GF_ACT_COUNT
} gf_act_kind;

typedef struct gf_act {
    gf_act_kind kind;
    double param;
    double (*value)(double z);       // custom only; called from several threads at once when there are several
    double (*derivative)(double z);  // custom only: φ'(z) of the PRE-activation z, not of h
    const char *name;                // as in the list, or the custom function's own; must outlive its users
} gf_act;

GFDEF gf_act gf_act_default(gf_act_kind kind);              // with PyTorch's parameter
GFDEF gf_act gf_act_with(gf_act_kind kind, double param);   // celu's α must not be 0
// A pair of your own: φ(z) and φ'(z), both of the pre-activation. name may be NULL ("custom"), else it must outlive
// its users.
GFDEF gf_act gf_act_custom(const char *name, double (*value)(double z), double (*derivative)(double z));
GFDEF const char *gf_act_name(gf_act_kind kind);            // "?" outside the list
// By name, with a decimal parameter if wanted: "tanh", "leaky_relu_0.2"; "swish" is silu. 1 when known, else 0 and
// *out untouched.
GFDEF int gf_act_from_name(const char *name, gf_act *out);

// φ(z) and φ'(z) in double by the textbook formulas. Right at ±∞; NaN for NaN, and for a custom pair that is not there.
GFDEF double gf_act_value(gf_act act, double z);
GFDEF double gf_act_derivative(gf_act act, double z);
// Whole arrays, fast: h[n] = φ(z[n]); dz[n] = dh[n]·φ'(z[n]). In place is allowed (h = z, dz = dh). NULL: no effect.
GFDEF void gf_act_forward(gf_act act, const gf_real *z, gf_real *h, size_t n);
GFDEF void gf_act_backward(gf_act act, const gf_real *z, const gf_real *dh, gf_real *dz, size_t n);

// What the definition says.
typedef struct gf_act_properties {
    const char *name;
    double param;                                // default
    int kink_count;
    double kinks[2];                             // where φ' or φ'' jumps: split integrals there
    const char *formula, *derivative, *source;   // UTF-8
} gf_act_properties;
GFDEF const gf_act_properties *gf_act_describe(gf_act_kind kind);  // never NULL; name "?" outside the list

// What follows from it, computed from φ and φ' with this parameter (about a millisecond; φ is searched on [-30, 30]).
typedef struct gf_act_info {
    double lower, upper;                         // range: infimum and supremum of φ, may be infinite
    int smooth;                                  // φ' has no jump at any kink (relu: 0, elu: 1)
    int monotone;                                // φ' ≥ 0 everywhere
    int zero_centred;                            // φ(-z) = -φ(z): mean output 0 for symmetric inputs
    int saturates_left, saturates_right;         // φ tends to a finite limit there
    double slope_max, slope_max_at;              // max |φ'|, the Lipschitz constant, and a z where it is reached
    double saturated_below, saturated_above;     // gf_act_saturated ⇔ z ≤ below or z ≥ above; ∓infinity: never
} gf_act_info;
GFDEF gf_act_info gf_act_measure(gf_act act);
// Is z at the activation's own limit? relu and its leaky relatives: z ≤ 0. sigmoid: φ outside [0.05, 0.95]. A gated
// z·g(z) (gelu, silu, …): gate g less than 5 % open. Any other: 95 % of the way from φ(0) to a limit. 0 for NaN.
GFDEF int gf_act_saturated(gf_act act, double z);
// |φ'(z)| < 0.01·max|φ'|: the same question put alike to all activations. info is gf_act_measure's; 0 if NULL.
GFDEF int gf_act_flat(gf_act act, const gf_act_info *info, double z);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:INIT] Initialisers
// ---------------------------------------------------------------------------------------------------------------------
// The variance of a weight decides whether signals grow or shrink from layer to layer: keep fan_in·Var[w]·E[φ²] near
// E[z²] and, going back, fan_out·Var[w]·E[φ'²] near 1; the theory section computes both. fan_in is the number of inputs
// to a unit, fan_out that of the units an input feeds (convolution: channels times pixels of the kernel).

typedef enum gf_init_kind {
    GF_INIT_DEFAULT,          // PyTorch's: U(±1/√fan_in) for weights and biases (Var = 1/(3·fan_in): gains shrink!)
    GF_INIT_XAVIER_NORMAL,    // Var = gain²·2/(fan_in + fan_out)   Glorot, Bengio 2010
    GF_INIT_XAVIER_UNIFORM,   //   the same variance, uniform
    GF_INIT_KAIMING_NORMAL,   // Var = gain²/fan_in, gain √2 for relu   He et al. 2015
    GF_INIT_KAIMING_UNIFORM,  //   the same variance, uniform
    GF_INIT_LECUN_NORMAL,     // Var = gain²/fan_in, gain 1 (SELU's)   LeCun et al. 1998
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
GFDEF gf_init gf_init_default(void);           // PyTorch's default
GFDEF gf_init gf_init_kaiming(void);           // Kaiming normal, gain √2
GFDEF gf_init gf_init_xavier(double gain);     // Xavier normal
GFDEF gf_init gf_init_zero(void);              // all zeros: the usual bias beside an explicit weight initialiser
// "default", "xavier" or "xavier_normal", "xavier_uniform", "kaiming", "kaiming_uniform", "lecun", "orthogonal",
// "normal", "constant", each with an optional gain: "xavier_0.5". 1 when known, else 0 and *out untouched.
GFDEF int gf_init_from_name(const char *name, gf_init *out);
GFDEF const char *gf_init_name(gf_init_kind kind);  // "?" outside the list
// Fill w[0..n). A net's weights of affine layer l (from 1) have stream GF_STREAM_WEIGHT + 256·l, its biases
// GF_STREAM_BIAS + 256·l. Orthogonal wants n = fan_out·fan_in, w[fan_out,fan_in]. GF_ERROR_ARGUMENT on NULL, fans < 1
// or an unknown kind.
GFDEF gf_status gf_init_fill(gf_init init, gf_real *w, size_t n, int fan_in, int fan_out, uint64_t seed,
                             uint64_t stream);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:LAYER] Layers
// ---------------------------------------------------------------------------------------------------------------------
// Layers are added in order to a net that is not yet built. Each takes the shape of the one before; a shape that does
// not fit is the net's sticky error, with layer, sizes and a remedy: check gf_net_status when done. z = W·h + b and
// h = φ(z) are layers of their own; going back, each hands ∂L/∂(its input) to the one before it.

typedef struct gf_net gf_net;

typedef struct gf_window {    // what a convolution looks through, in pixels
    int kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
} gf_window;
GFDEF gf_window gf_window_square(int kernel, int stride, int padding);  // the same both ways

GFDEF void gf_net_dense(gf_net *net, int outputs);         // z[B,O] = h[B,I]·Wᵀ + b; any input shape is flattened
// z[b,o,y,x] = b_o + Σ_cij w[o,c,i,j]·h[b, c, y·stride - padding + i, x·stride - padding + j], h = 0 outside the image.
// Weight [OC,IC,KH,KW]. A side of the output is ⌊(side + 2·padding - kernel)/stride⌋ + 1, of a pool likewise.
GFDEF void gf_net_conv2d(gf_net *net, int out_channels, int kernel, int stride, int padding);
GFDEF void gf_net_conv2d_window(gf_net *net, int out_channels, gf_window window);  // rectangular kernels and the like
GFDEF void gf_net_max_pool2d(gf_net *net, int kernel, int stride);  // largest of each window, first of equals; or NaN
GFDEF void gf_net_avg_pool2d(gf_net *net, int kernel, int stride);  // mean of each window
GFDEF void gf_net_global_avg_pool(gf_net *net);                     // mean of each channel: [C,H,W] → [C,1,1]
GFDEF void gf_net_act(gf_net *net, gf_act_kind kind);      // h = φ(z) elementwise, PyTorch's default parameter
GFDEF void gf_net_activation(gf_net *net, gf_act act);     // the same with a parameter or a custom pair
GFDEF void gf_net_dropout(gf_net *net, double p);          // training: zero with probability p, scale the rest 1/(1-p)
GFDEF void gf_net_batch_norm(gf_net *net);                 // per feature or channel [C]; eps 1e-5, momentum 0.1, affine
GFDEF void gf_net_layer_norm(gf_net *net);                 // per sample over all features; eps 1e-5, affine
GFDEF int gf_net_mark(gf_net *net);                        // remember this point for a skip; returns its id, 0 on error
GFDEF void gf_net_add_from(gf_net *net, int mark);         // h + h_mark (residual connection); shapes must agree
// h + P·h_mark: P is dense for vectors, a 1×1 convolution for images, with a stride where h is smaller (ResNets).
GFDEF void gf_net_add_projected(gf_net *net, int mark);

// The affine layers (dense, conv, projections) added after this call start from these; until then GF_INIT_DEFAULT.
GFDEF void gf_net_init(gf_net *net, gf_init weight, gf_init bias);
// Leave out the bias of affine layers added after this call (1) or add it again (0).
GFDEF void gf_net_no_bias(gf_net *net, int no_bias);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:NET] The network
// ---------------------------------------------------------------------------------------------------------------------
// create → layers → build → (forward → loss → backward → step)*. Every parameter is part of ONE array and every
// gradient of another, so that norms, clipping, optimisers and checkpoints are one loop each. build allocates; a step
// does not. A call that comes too early is GF_ERROR_ORDER.

typedef enum gf_mode { GF_TRAIN, GF_EVAL } gf_mode;

// A net for samples of this shape and batches of at most max_batch. NULL only when out of memory: a bad shape or batch
// is the net's first sticky error.
GFDEF gf_net *gf_net_create(gf_shape input, int max_batch, uint64_t seed);
GFDEF void gf_net_free(gf_net *net);                       // NULL is allowed
GFDEF void gf_net_threads(gf_net *net, int threads);       // before build; more than 1 is an error without -fopenmp
GFDEF void gf_net_input_grad(gf_net *net, int wanted);     // before build: compute ∂L/∂x too (default 0)
GFDEF gf_status gf_net_build(gf_net *net);                 // allocate and initialise; no layer can be added after
GFDEF gf_status gf_net_status(const gf_net *net);          // GF_ERROR_ARGUMENT for a NULL net
GFDEF const char *gf_net_error(const gf_net *net);         // the sticky message; "no error" when there is none
GFDEF void gf_net_clear_error(gf_net *net);                // forget it: calls work again

// Run x[B,I] through the net, 0 < batch ≤ max_batch; returns the output [B,K], NULL on error.
// GF_TRAIN: dropout on, batch statistics. GF_EVAL: dropout off, running statistics; backward may still follow.
// x must stay valid until backward.
GFDEF const gf_real *gf_net_forward(gf_net *net, const gf_real *x, int batch, gf_mode mode);
// From ∂L/∂output, which a loss has left in the net, to every gradient. Gradients are overwritten, not accumulated.
GFDEF gf_status gf_net_backward(gf_net *net);
// ‖∇‖₂ over all parameters, accumulated in double. NaN on error or when a gradient is not finite.
GFDEF double gf_net_grad_norm(gf_net *net);
// Scale all gradients so that their norm is at most max_norm; returns the norm before. NaN on error.
GFDEF double gf_net_clip_grad_norm(gf_net *net, double max_norm);
// The class of one sample x[I], by a net trained with cross entropy; its probabilities (softmax of the output) into
// probabilities[K], which may be NULL. -1 on error, such as an output that is not finite. Runs a forward in GF_EVAL.
GFDEF int gf_net_predict(gf_net *net, const gf_real *x, double *probabilities);

GFDEF size_t gf_net_param_count(const gf_net *net);         // 0 before build
GFDEF gf_real *gf_net_params(gf_net *net);                  // [param_count], in order of layers; NULL before build
GFDEF gf_real *gf_net_grads(gf_net *net);                   // [param_count], the same layout
GFDEF int gf_net_tensor_count(const gf_net *net);           // parameters and running statistics
GFDEF gf_tensor *gf_net_tensor_at(gf_net *net, int index);  // 0 ≤ index < tensor_count; NULL (and an error) outside
GFDEF gf_tensor *gf_net_tensor(gf_net *net, const char *name);  // by name; NULL and an error that lists the names
GFDEF int gf_net_layer_count(const gf_net *net);           // all layers, activations included
GFDEF const char *gf_net_layer_name(const gf_net *net, int layer);  // "dense1", "act1"; NULL outside 0..layer_count-1
GFDEF gf_shape gf_net_layer_shape(const gf_net *net, int layer);    // output shape of one sample; [0,0,0] outside
// Output h[B,…] of a layer after the last forward, and ∂L/∂h of it after the last backward (NULL before).
// With probes the gradient behind a batch norm is found again when asked for, and valid until the next call.
GFDEF const gf_real *gf_net_layer_output(gf_net *net, int layer);
GFDEF const gf_real *gf_net_layer_grad(gf_net *net, int layer);
GFDEF const gf_real *gf_net_input_gradient(gf_net *net);   // ∂L/∂x [B,I]; NULL unless asked for with gf_net_input_grad
GFDEF int gf_net_batch(const gf_net *net);                 // samples of the last forward
GFDEF long gf_net_step_count(const gf_net *net);           // optimiser steps so far
GFDEF size_t gf_net_bytes(const gf_net *net);              // what build allocated, without the optimiser's moments
GFDEF const char *gf_net_kernels(const gf_net *net);       // "plain", "avx2", "avx512", "neon"
GFDEF gf_status gf_net_force_kernels(gf_net *net, const char *name);  // GF_ERROR_NOT_FOUND if this machine lacks them
#ifndef GF_NO_STDIO
GFDEF void gf_net_summary(const gf_net *net);              // layers, shapes, parameters and bytes, to stdout
#endif

// ---------------------------------------------------------------------------------------------------------------------
// [GF:LOSS] Losses
// ---------------------------------------------------------------------------------------------------------------------
// Each takes the output of the last forward, leaves ∂L/∂output in the net for backward, and returns the mean loss
// (NaN on error). Means are over the samples (cross entropy) or over all elements (MSE, BCE), as in PyTorch.

typedef enum gf_loss_kind { GF_LOSS_CROSS_ENTROPY, GF_LOSS_BCE, GF_LOSS_MSE, GF_LOSS_COUNT } gf_loss_kind;

GFDEF double gf_loss_cross_entropy(gf_net *net, const int *labels);  // softmax included; labels[B] in 0..K-1
GFDEF double gf_loss_bce(gf_net *net, const gf_real *targets);       // sigmoid included; targets[B,O] in [0,1]
GFDEF double gf_loss_mse(gf_net *net, const gf_real *targets);       // targets[B,O]
// Samples (BCE: outputs) that the last loss found rightly classified; BCE takes an output ≥ 0 for 1. 0 after MSE.
GFDEF int gf_net_correct(const gf_net *net);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:OPTIM] SGD, Adam, clipping, schedules
// ---------------------------------------------------------------------------------------------------------------------
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
    gf_real *m, *v;               // first and second moment, [param_count]; NULL where the kind needs none
    size_t size;
    long step;                    // steps taken
    void *memory[2];              // what m and v lie in
} gf_optim;

GFDEF gf_optim_config gf_sgd(double lr);                       // plain gradient descent; set .momentum, .nesterov
GFDEF gf_optim_config gf_adam(double lr);                      // β (0.9, 0.999), ε 1e-8   Kingma, Ba 2015
GFDEF gf_optim_config gf_adamw(double lr);                     // decoupled decay 0.01   Loshchilov, Hutter 2019
GFDEF gf_optim_config gf_rmsprop(double lr);                   // α 0.99, ε 1e-8
// "sgd", "momentum" (SGD with 0.9), "adam", "adamw" or "rmsprop". 1 when known, else 0 and *out untouched.
GFDEF int gf_optim_from_name(const char *name, double lr, gf_optim_config *out);
GFDEF const char *gf_optim_name(gf_optim_kind kind);           // "?" outside the list
// Allocate the moments of a built net. An error is the net's sticky error too.
GFDEF gf_status gf_optim_init(gf_optim *optim, gf_net *net, gf_optim_config config);
// One update of every parameter. Refuses gradients that are not finite (GF_ERROR_NONFINITE, with step, layer and
// direction) and an optimiser of another size or without the moments its kind needs (GF_ERROR_ORDER).
GFDEF gf_status gf_optim_step(gf_optim *optim, gf_net *net);
GFDEF void gf_optim_free(gf_optim *optim);                     // NULL and zeroed are allowed
// Schedules: lr·factor^⌊epoch/every⌋, and half a cosine from lr to lr_min (Loshchilov, Hutter 2017). NaN for a negative
// epoch or step, every < 1, steps < 1.
GFDEF double gf_lr_step(double lr, long epoch, long every, double factor);
GFDEF double gf_lr_cosine(double lr, double lr_min, long step, long steps);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:PROBE] Instruments: where do gradients go?
// ---------------------------------------------------------------------------------------------------------------------
// Declare with gf_net_probe before build, read with gf_net_measure after backward, before clipping and before the step.
// Layers here are the affine ones, numbered 1..L from the input; δ_l = ∂L/∂z_l is the gradient at their output z_l. It
// may vanish while ∇W_l looks flat: look at both. Norms and means are summed in double: behind 20 sigmoid layers δ is
// near 1e-21, and its squares underflow float.

enum {                            // what to measure; or them together
    GF_PROBE_GRADIENTS = 1,       // ∇W, ∇b, δ of every layer
    GF_PROBE_SIGNALS = 2,         // forward statistics, |φ'|, |z|, saturation, exact percentiles
    GF_PROBE_UPDATES = 4,         // std(ΔW)/std(W), Adam's starvation: taken by the optimiser's step that follows
    GF_PROBE_NOISE = 8,           // gradient noise of dense layers
    GF_PROBE_ALL = 15,
    GF_PROBE_NORMS = 16           // of GF_PROBE_GRADIENTS only l2, rms and the decays, for every step: each backward
                                  // takes them in passing, while a gradient is still in the cache
};

typedef struct gf_stats {         // of one array; sums accumulate in double
    size_t n, nonfinite;          // elements; how many are NaN or infinite
    double l2, rms, mean, mean_abs, max_abs, zero_share;
} gf_stats;

typedef struct gf_layer_probe {
    const char *name;             // "dense1"
    gf_stats dw, db, delta;       // ∇W, ∇b and δ; with GF_PROBE_NORMS alone mean, mean_abs, max_abs, zero_share NaN
    double update_ratio;          // std(ΔW)/std(W) of the last measured step; about 1e-3 is healthy
    double adam_starved;          // share of weights with √v̂ < ε: Adam no longer adapts, steps shrink with g
    // Per-sample gradients g_n of W, for nothing: g_n = B·δ_n·h_nᵀ is an outer product, so ‖g_n‖ = B·‖δ_n‖·‖h_n‖.
    double noise_trace;           // tr Σ, the summed variance of g_n over the batch
    double noise_scale;           // tr Σ/‖E g‖², in samples: batches much smaller than this are mostly noise
                                  // (McCandlish et al. 2018); infinity when the batch cannot tell E g from 0
    // Where the gradient went between the layer above and this one, in natural logarithms (NaN for the last layer):
    double decay;                 // ln(‖δ_l‖/‖δ_{l+1}‖), the sum of the three parts
    double decay_weight;          // what Wᵀ of layer l+1 did to the norm
    double decay_slope;           // what φ' did
    double decay_rest;            // norms, pools, dropout, skips
    // At the input z of the activation behind this layer (after a norm, if there is one); NaN without an activation:
    double z_mean, z_std, q;      // q = mean z²
    double z_abs_mean, z_abs_p90, z_near_zero;   // |z|: mean, 90th percentile, share at most 0.1
    double h_mean, h_std;         // the activation's output
    double dphi_mean, dphi_square, dphi_p10, dphi_p01, dphi_log, dphi_small;  // |φ'|: mean, mean square, percentiles,
                                  // mean of log(|φ'| + 1e-12), share below 1e-3
    double limit_share;           // at the activation's limit by its own rule (gf_act_saturated)
    double flat_share;            // |φ'| < 0.01·max|φ'|: comparable for all activations
} gf_layer_probe;

typedef struct gf_nonfinite {     // the first NaN or infinity seen in this net
    int found;                    // 0: none so far
    long step;
    const char *layer;            // name of the layer; "loss" when only the loss is not finite
    int backward;                 // 0 in forward, 1 in backward
} gf_nonfinite;

GFDEF void gf_net_probe(gf_net *net, unsigned what);                    // before build
GFDEF gf_status gf_net_measure(gf_net *net);                            // after backward
GFDEF int gf_net_affine_count(const gf_net *net);                       // L
GFDEF const gf_layer_probe *gf_net_probe_at(const gf_net *net, int l);  // 1 ≤ l ≤ L; NULL outside or when not declared
GFDEF gf_nonfinite gf_net_first_nonfinite(const gf_net *net);
// Dead units of the activation behind layer l: z ≤ 0 on EVERY sample seen since gf_net_dead_reset. Each gf_net_forward
// in GF_EVAL adds its batch while counting is on (1). Share of the layer's units (channels for images); NaN if unknown.
GFDEF void gf_net_dead_reset(gf_net *net, int counting);
GFDEF double gf_net_dead_share(const gf_net *net, int l);
// Where in the picture does the gradient stand? map[y·W + x] = mean over batch and channels of |∂L/∂output| of this
// layer (index as in gf_net_layer_name), after backward: of a convolution that is |∂L/∂z|, of its activation |∂L/∂h|.
// GF_ERROR_ARGUMENT for a layer outside the net or no map; GF_ERROR_ORDER before backward.
GFDEF gf_status gf_net_gradient_map(gf_net *net, int layer, double *map);
// norms[o] = ‖∇w_o‖ of every filter (conv) or unit (dense) o of affine layer l, 1 ≤ l ≤ L, after backward.
GFDEF gf_status gf_net_filter_norms(gf_net *net, int l, double *norms);
// One sentence into text[size]: is the gradient healthy, vanishing, exploding, are units dead or saturated, and what
// causes it. GF_ERROR_ORDER unless gf_net_measure has run with GF_PROBE_GRADIENTS and GF_PROBE_SIGNALS.
GFDEF gf_status gf_net_verdict(gf_net *net, char *text, size_t size);

// Every number of a gf_layer_probe by name, "dw.l2" … "flat_share", for files and charts. i from 0; NULL at the end.
GFDEF const char *gf_probe_field_name(int i);
GFDEF double gf_probe_field(const gf_layer_probe *probe, const char *name);  // NaN for an unknown name or NULL

// The probes of all layers over time, in a fixed amount of memory: when the room for rows is used up, every second row
// is dropped and from then on half as many are kept.
typedef struct gf_recorder {
    int layers, rows, capacity;
    long every, offered;          // keeps every so-manyth measurement it is offered
    gf_layer_probe *probe;        // [capacity, layers]
    double *step;                 // [capacity] optimiser steps at each row
} gf_recorder;

// For a built net with probes; capacity at least 2. Add a row after gf_net_measure and the step; before the first
// gf_net_measure there is nothing to add.
GFDEF gf_status gf_recorder_init(gf_recorder *recorder, gf_net *net, int capacity);
GFDEF void gf_recorder_add(gf_recorder *recorder, gf_net *net);
// Field of layer l at every row into out[rows]: GF_ERROR_NOT_FOUND for an unknown name or layer.
GFDEF gf_status gf_recorder_series(const gf_recorder *recorder, int l, const char *field, double *out);
#ifndef GF_NO_STDIO
GFDEF gf_status gf_recorder_csv(const gf_recorder *recorder, const char *path);  // step,layer,name, then every field
#endif
GFDEF void gf_recorder_free(gf_recorder *recorder);

GFDEF gf_stats gf_stats_of(const gf_real *x, size_t n);  // of any array; NaN everywhere for an empty one
// Percentile p in 0..100 of |x| with NumPy's linear interpolation; scratch[n] is overwritten. NaN if n = 0 or x holds
// NaN.
GFDEF double gf_percentile_abs(const gf_real *x, size_t n, double p, gf_real *scratch);

// A histogram on a signed-log axis: 10^low..10^high by decades either side of zero. NaN and infinities are counted
// apart.
typedef struct gf_histogram {
    int low, high, per_decade;    // e.g. -12, 2, 4
    size_t bins;                  // 2·(high - low)·per_decade + 1; the middle bin holds |x| < 10^low
    size_t *count;                // [bins], the caller's
    size_t nan_count, inf_count;
} gf_histogram;
GFDEF gf_status gf_histogram_add(gf_histogram *histogram, const gf_real *x, size_t n);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:CHECK] Gradient check
// ---------------------------------------------------------------------------------------------------------------------
// Central differences against backward: ‖a - n‖/(‖a‖ + ‖n‖) per tensor. Meant for GF_REAL double. Coordinates whose
// perturbation crosses a kink are skipped and counted; dropout masks and running statistics are frozen. Parameters,
// gradients and records are restored; only the last forward is forgotten.

typedef struct gf_check {
    double step;                  // in: h of (L(w+h) - L(w-h))/2h; 0 means 1e-5
    int max_per_tensor;           // in: coordinates checked in each tensor, spread evenly; 0 means all
    const char *zero_tensors;     // in: names of tensors that may be wholly zero (a bias before batch norm),
                                  // separated by spaces, or NULL
    double worst;                 // out: largest relative error of a tensor; infinity on NaN or undeclared zeros
    char worst_name[48];          // out: that tensor, or "input"
    size_t checked, skipped;      // out: coordinates
} gf_check;

// targets: const int * for cross entropy, const gf_real * otherwise. Checks ∂L/∂x as well when gf_net_input_grad is on.
// GF_OK says that the check was made; whether it passed, check->worst says (1e-7 is a good limit in double).
GFDEF gf_status gf_grad_check(gf_net *net, const gf_real *x, int batch, gf_mode mode, gf_loss_kind loss,
                              const void *targets, gf_check *check);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:THEORY] Signal propagation
// ---------------------------------------------------------------------------------------------------------------------
// In a wide random net z is Gaussian with variance q, and one layer maps (Poole et al. 2016, Schoenholz et al. 2017)
//     q ← σw²·E[φ(√q·Z)²] + σb²        χ = σw²·E[φ'(√q·Z)²]        Z ~ N(0,1), σw² = fan_in·Var[w], σb² = Var[b]
// Going back, mean δ² changes by χ per layer: χ < 1 vanishes, χ > 1 explodes, χ = 1 is the critical line.
// No function here can crash or hang: a variance that is negative or NaN gives NaN.

// E[φ(√q·Z)²] and E[φ'(√q·Z)²] for 0 ≤ q ≤ ∞ by adaptive Gauss-Kronrod quadrature, split at the kinks of φ: relative
// error about 1e-12; 1e-8 for a custom φ with kinks of its own. q = 0 means q → 0: φ'² is averaged over both sides.
GFDEF double gf_theory_mean_square(gf_act act, double q);
GFDEF double gf_theory_mean_square_slope(gf_act act, double q);
GFDEF double gf_theory_q_next(gf_act act, double q, double weight_variance, double bias_variance);
GFDEF double gf_theory_chi(gf_act act, double q, double weight_variance);

typedef struct gf_propagation {
    double q, chi;                // at the fixed point q*
    double depth_scale;           // 1/|ln χ|, in layers, of the squared gradient norm; infinity on the critical line
    int converged;                // 0: q runs to infinity; q is then infinite and χ its limit there
} gf_propagation;

// The fixed point that q reaches from q = 1. Where every q is fixed (relu, σw² = 2, σb² = 0) it stays at 1.
GFDEF gf_propagation gf_theory_fixed_point(gf_act act, double weight_variance, double bias_variance);
// The smallest σw² in (0, 100] at which χ(q*) passes 1 upwards for this σb² (gelu, silu: by a jump of q*); NaN if none.
GFDEF double gf_theory_critical(gf_act act, double bias_variance);

// One affine layer of a real net, layer by layer instead of at the fixed point: widths and variances may differ.
typedef struct gf_theory_layer {
    int width;                    // in: N_l, its units; for a convolution of stride 1 its channels
    double weight_variance;       // in: σw² = fan_in·Var[w]
    double bias_variance;         // in: σb²
    double q;                     // out: mean z²
    double factor;                // out: RMS δ_l / RMS δ_{l+1} = √(σw²_{l+1}·E[φ'²]·N_{l+1}/N_l); 1 for the last layer
    double delta;                 // out: RMS δ_l / RMS δ_L
} gf_theory_layer;

// The inputs of a layer that starts from these initialisers (PyTorch's default: σw² = 1/3, σb² = 1/(3·fan_in)).
GFDEF gf_theory_layer gf_theory_affine(int fan_in, int fan_out, int width, gf_init weight, gf_init bias);
// Fill the outputs of layers[0..count): act behind every layer but the last, mean x² of the input = input_square.
// GF_ERROR_ARGUMENT on NULL, count or a width below 1, a negative or non-finite variance or input_square.
GFDEF gf_status gf_theory_profile(gf_act act, double input_square, gf_theory_layer *layers, int count);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:DATA] Data sets and batches
// ---------------------------------------------------------------------------------------------------------------------
// Images stay uint8 in memory and are normalised when a batch is made: x = (pixel/255 - mean[c])/std[c].
// Loaders check magic, counts, sizes and overflow before they allocate; their messages (gf_last_error) name file,
// expected and found, and where they know it what to do. What *data held before is overwritten, not freed; on failure
// it is left zeroed: freeing it is allowed. NULL where something is needed: GF_ERROR_ARGUMENT.

typedef struct gf_dataset {
    gf_shape shape;               // of one sample
    size_t count;                 // samples
    int classes;                  // K; 0 for regression
    int outputs;                  // columns of targets; 0 for classification
    uint8_t *pixels;              // [count, C·H·W] or NULL
    gf_real *values;              // [count, C·H·W] or NULL; exactly one of the two
    int *labels;                  // [count] in 0..K-1 or NULL
    gf_real *targets;             // [count, outputs] or NULL
    double mean[4], std[4];       // per channel (more than 4 channels: mean[0], std[0] for all); 0 and 1 at first
    int synthetic;                // 1: drawn by this program
} gf_dataset;

// Copies of x[count, C·H·W] and either labels[count] in 0..classes-1 or targets[count, outputs]; the other is NULL.
GFDEF gf_status gf_data_from_arrays(gf_dataset *data, gf_shape shape, size_t count, const gf_real *x, const int *labels,
                                    int classes, const gf_real *targets, int outputs);
// Drawn by the program: digits of 1×28×28, textures of 3×32×32, 10 classes each, equally frequent.
GFDEF gf_status gf_data_digits(gf_dataset *data, size_t count, uint64_t seed);
GFDEF gf_status gf_data_textures(gf_dataset *data, size_t count, uint64_t seed);
// Points uniform in [-1,1]², class 1 where x1·x2 < 0, then Gaussian noise on x; relabel: label after the noise.
// The class stands in labels (2 classes) and in targets (1 output), so that either loss fits.
GFDEF gf_status gf_data_xor(gf_dataset *data, size_t count, double noise, int relabel, uint64_t seed);
#ifndef GF_NO_STDIO
GFDEF gf_status gf_data_idx(gf_dataset *data, const char *images, const char *labels);  // the format of MNIST
GFDEF gf_status gf_data_mnist(gf_dataset *data, const char *folder, int test);    // folder/{train,t10k}-…-ubyte
GFDEF gf_status gf_data_cifar10(gf_dataset *data, const char *folder, int test);  // data_batch_{1..5}, test_batch .bin
// Numbers separated by commas, an optional header line (no number in it); the last column is the class (classes > 0:
// whole numbers 0..classes-1) or the regression target (classes = 0); all others are the sample, a vector.
GFDEF gf_status gf_data_csv(gf_dataset *data, const char *path, int classes);
#endif
// Set mean[channels], std[channels] (> 0): channels is 1 (for all) or the data's own, up to 4. Before gf_batches_init.
GFDEF gf_status gf_data_normalize(gf_dataset *data, const double *mean, const double *std, int channels);
// Bring each feature of the values to mean 0, std 1, and `also` (the test set; may be NULL) by the same numbers.
GFDEF gf_status gf_data_standardize(gf_dataset *data, gf_dataset *also);
// Shuffle by seed, then copy round(share·count) samples to first and the others to rest; neither may be empty.
GFDEF gf_status gf_data_split(const gf_dataset *all, double share, uint64_t seed, gf_dataset *first, gf_dataset *rest);
GFDEF gf_status gf_data_take(gf_dataset *data, size_t count);  // keep only the first count samples
GFDEF gf_status gf_data_sample(const gf_dataset *data, size_t index, gf_real *x);  // normalised, into x[C·H·W]
GFDEF void gf_data_free(gf_dataset *data);  // NULL and zeroed are allowed

// GF_FLIP: left-right, half the time. GF_CROP: 4 black pixels around, then a random cut of the old size.
enum { GF_SHUFFLE = 1, GF_FLIP = 2, GF_CROP = 4 };

typedef struct gf_batches {
    const gf_real *x;             // [n, C·H·W] of the current batch
    const int *labels;            // [n] or NULL
    const gf_real *targets;       // [n, outputs] or NULL
    int n;                        // samples in it: the last one of an epoch may be smaller
    long epoch, batch;            // both from 0; of the current batch (after the epoch's end: the epoch to come, -1)
    const gf_dataset *data;       // borrowed: must outlive this
    int size, flags;
    uint64_t seed;
    size_t position;              // samples handed out in this epoch
    uint32_t *order;              // [count]
    gf_real *lookup;              // [C, 256] x of every pixel value
    gf_real *x_buffer, *target_buffer;
    int *label_buffer;
} gf_batches;

// Batches of `size` samples. Allocates; gf_batches_next does not. GF_ERROR_ARGUMENT, GF_ERROR_MEMORY.
GFDEF gf_status gf_batches_init(gf_batches *batches, const gf_dataset *data, int size, uint64_t seed, int flags);
// 1: a batch is ready. 0: the epoch is over, and the next call starts another (or batches are not initialised).
GFDEF int gf_batches_next(gf_batches *batches);
GFDEF long gf_batches_per_epoch(const gf_batches *batches);  // ⌈count/size⌉
GFDEF gf_status gf_batches_seek(gf_batches *batches, long epoch, size_t position);  // as if that far in that epoch
GFDEF void gf_batches_free(gf_batches *batches);

typedef struct gf_score {
    double loss, accuracy;        // means over the samples; accuracy in 0..1, NaN for regression
    size_t count;
} gf_score;
// Loss and accuracy over a whole data set in GF_EVAL mode, batch by batch; nothing in the net but its buffers changes.
// confusion[K·K], may be NULL: counts with row = true class, column = predicted; zeros for losses without classes.
GFDEF gf_score gf_net_evaluate(gf_net *net, const gf_dataset *data, gf_loss_kind loss, size_t *confusion);

// ---------------------------------------------------------------------------------------------------------------------
// [GF:SAVE] Checkpoints
// ---------------------------------------------------------------------------------------------------------------------
// Parameters, running statistics, moments, step counts and the place in the epoch: training resumes bit for bit.
// Written to a temporary name, flushed, checked, renamed; the same bytes on machines of either byte order. optim and
// batches may be NULL. An error is the net's sticky error too.
#ifndef GF_NO_STDIO
GFDEF gf_status gf_net_save(gf_net *net, const gf_optim *optim, const gf_batches *batches, const char *path);
// Into a built net of the same layers. Refuses another architecture (GF_ERROR_SHAPE), another version or width of
// gf_real and damage found by CRC-32 (GF_ERROR_FORMAT); weights and moments are then as they were.
GFDEF gf_status gf_net_load(gf_net *net, gf_optim *optim, gf_batches *batches, const char *path);
#endif

#ifdef __cplusplus
}
#endif

#endif  // GRADFLOW_H

// =====================================================================================================================
// Stop here if you only use it. What follows is the implementation, in the same order: the course itself.
// =====================================================================================================================

#if defined(GRADFLOW_IMPLEMENTATION) && !defined(GRADFLOW_IMPLEMENTATION_DONE)
#define GRADFLOW_IMPLEMENTATION_DONE

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>  // strtod for CSV; malloc and free unless you bring your own
#include <string.h>
#ifndef GF_NO_STDIO
#include <stdio.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#endif

#if defined(GF_MALLOC) && defined(GF_REALLOC) && defined(GF_FREE)
// all three are the user's
#elif !defined(GF_MALLOC) && !defined(GF_REALLOC) && !defined(GF_FREE)
#define GF_MALLOC(size) malloc(size)
#define GF_REALLOC(p, size) realloc(p, size)
#define GF_FREE(p) free(p)
#else
#error "gradflow.h: define all of GF_MALLOC, GF_REALLOC and GF_FREE, or none of them."
#endif
#ifndef GF_ASSERT
#include <assert.h>
#define GF_ASSERT(x) assert(x)
#endif

#if defined(_MSC_VER)
#define GFI_THREAD_LOCAL __declspec(thread)
#elif defined(__GNUC__)
#define GFI_THREAD_LOCAL __thread
#else
#define GFI_THREAD_LOCAL
#endif

// ---------------------------------------------------------------------------------------------------------------------
// [GF:ERR] Status codes and messages
// ---------------------------------------------------------------------------------------------------------------------
// gfi_fail writes the calling thread's message and returns the status, so that an error is one line where it is found.
// gfi_net_fail (layers) does the same and keeps the first in the net. The thread's text is the library's only state.

#define GFI_MESSAGE_SIZE 400
static GFI_THREAD_LOCAL char gfi_last_error[GFI_MESSAGE_SIZE] = "no error";

GFDEF const char *gf_status_text(gf_status status) {
    static const char *const texts[] = {
#define GFI_STATUS_TEXT(name, text) text,
        GF_STATUS_LIST(GFI_STATUS_TEXT)
#undef GFI_STATUS_TEXT
    };
    return (int)status >= 0 && status < GF_STATUS_COUNT ? texts[status] : "unknown status";
}

GFDEF const char *gf_last_error(void) { return gfi_last_error; }

#ifdef GF_NO_STDIO
// What messages need of snprintf: %s %c %d %i %u %x (with l, ll, z), %g %e %f and %%, widths for %u and %x alone. The
// digits of a number are right but for ties that the last bit of a product decides.
typedef struct gfi_text {
    char *at;
    size_t size, used;
} gfi_text;

static void gfi_text_put(gfi_text *text, const char *from, size_t n) {
    for (size_t i = 0; i < n; i++, text->used++)
        if (text->used + 1 < text->size) text->at[text->used] = from[i];
}

// v in this base with at least `width` digits.
static void gfi_text_whole(gfi_text *text, uint64_t v, unsigned base, int width) {
    char digits[24];
    int n = 0;
    for (; v != 0 || n == 0 || n < width; v /= base) digits[sizeof digits - (size_t)++n] = "0123456789abcdef"[v % base];
    gfi_text_put(text, digits + sizeof digits - n, (size_t)n);
}

// x·10^k, rounded to a whole number, halves to even.
static double gfi_text_scaled(double x, int k) {
    for (; k > 22; k -= 22) x *= 1e22;
    for (; k < -22; k += 22) x /= 1e22;
    for (; k > 0; k--) x *= 10;
    double unit = 1;
    for (; k < 0; k++) unit *= 10;
    x /= unit;
    double whole = floor(x), rest = x - whole;
    return rest > 0.5 || (rest == 0.5 && fmod(whole, 2) != 0) ? whole + 1 : whole;
}

// n·10^-decimals in full; for %g (`trim`) without the zeros at its end.
static void gfi_text_fixed(gfi_text *text, double n, int decimals, int trim) {
    uint64_t unit = 1, v = (uint64_t)n;
    for (; trim && decimals > 0 && v % 10 == 0; decimals--) v /= 10;
    for (int i = 0; i < decimals; i++) unit *= 10;
    gfi_text_whole(text, v / unit, 10, 1);
    if (decimals <= 0) return;
    gfi_text_put(text, ".", 1);
    gfi_text_whole(text, v % unit, 10, decimals);
}

// x as %g, %e or %f would write it; numbers from 1e17 on always as %e.
static void gfi_text_number(gfi_text *text, double x, int precision, char kind) {
    int digits = kind == 'g' ? (precision > 0 ? precision : 1) : precision + 1, exponent = 0;
    double n;
    if (digits > 17) digits = 17;
    if (x != x) {
        gfi_text_put(text, "nan", 3);
        return;
    }
    if (x < 0 || (x == 0 && 1 / x < 0)) gfi_text_put(text, "-", 1), x = -x;
    if (x > DBL_MAX) {
        gfi_text_put(text, "inf", 3);
        return;
    }
    if (kind == 'f' && x < 1e17) {
        gfi_text_fixed(text, gfi_text_scaled(x, precision), precision, 0);
        return;
    }
    if (x > 0) exponent = (int)floor(log10(x));
    n = gfi_text_scaled(x, digits - 1 - exponent);
    if (x > 0 && n < gfi_text_scaled(1, digits - 1)) n = gfi_text_scaled(x, digits - 1 - --exponent);
    if (n >= gfi_text_scaled(1, digits)) n = gfi_text_scaled(x, digits - 1 - ++exponent);
    if (kind == 'g' && exponent >= -4 && exponent < digits) {
        gfi_text_fixed(text, n, digits - 1 - exponent, 1);
        return;
    }
    gfi_text_fixed(text, n, digits - 1, kind == 'g');
    gfi_text_put(text, exponent < 0 ? "e-" : "e+", 2);
    gfi_text_whole(text, (uint64_t)(exponent < 0 ? -exponent : exponent), 10, 2);
}

// A whole number of the size that the letters before its conversion say: 0 int, 1 long, 2 long long, 3 size_t.
static uint64_t gfi_text_argument(va_list *args, int letters, int is_signed) {
    if (letters == 3) return (uint64_t)va_arg(*args, size_t);
    if (is_signed)
        return (uint64_t)(letters == 0 ? (int64_t)va_arg(*args, int)
                          : letters == 1 ? (int64_t)va_arg(*args, long) : (int64_t)va_arg(*args, long long));
    return letters == 0 ? va_arg(*args, unsigned) : letters == 1 ? va_arg(*args, unsigned long)
                                                                 : va_arg(*args, unsigned long long);
}

static int gfi_vprint(char *to, size_t size, const char *format, va_list list) {
    gfi_text text;
    va_list args;
    va_copy(args, list);
    text.at = to, text.size = size, text.used = 0;
    for (; *format; format++) {
        int width = 0, precision = -1, letters = 0;
        if (*format != '%') {
            gfi_text_put(&text, format, 1);
            continue;
        }
        for (format++; *format >= '0' && *format <= '9'; format++) width = 10 * width + (*format - '0');
        if (*format == '.' && format[1] == '*') precision = va_arg(args, int), format += 2;
        else if (*format == '.')
            for (precision = 0, format++; *format >= '0' && *format <= '9'; format++)
                precision = 10 * precision + (*format - '0');
        for (; *format == 'l' || *format == 'z'; format++) letters += *format == 'z' ? 3 : 1;
        if (*format == 's') {
            const char *from = va_arg(args, const char *);
            size_t n = 0;
            while ((precision < 0 || n < (size_t)precision) && from[n]) n++;
            gfi_text_put(&text, from, n);
        } else if (*format == 'd' || *format == 'i') {
            int64_t v = (int64_t)gfi_text_argument(&args, letters, 1);
            if (v < 0) gfi_text_put(&text, "-", 1);
            gfi_text_whole(&text, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, 1);
        } else if (*format == 'u' || *format == 'x') {
            gfi_text_whole(&text, gfi_text_argument(&args, letters, 0), *format == 'x' ? 16 : 10, width);
        } else if (*format == 'g' || *format == 'e' || *format == 'f') {
            gfi_text_number(&text, va_arg(args, double), precision < 0 ? 6 : precision, *format);
        } else if (*format == 'c') {
            char c = (char)va_arg(args, int);
            gfi_text_put(&text, &c, 1);
        } else if (*format == '%') {
            gfi_text_put(&text, "%", 1);
        }
    }
    va_end(args);
    if (size > 0) to[text.used < size ? text.used : size - 1] = '\0';
    return (int)text.used;
}

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static int gfi_print(char *to, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = gfi_vprint(to, size, format, args);
    va_end(args);
    return n;
}
#else
#define gfi_vprint vsnprintf
#define gfi_print snprintf
#endif

// Keep the message for gf_last_error and hand the status back: `return gfi_fail(GF_ERROR_SHAPE, "…", …);`
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static gf_status gfi_fail(gf_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    gfi_vprint(gfi_last_error, sizeof gfi_last_error, format, args);
    va_end(args);
    return status;
}

// What a function that looks a name up says when it finds none.
static void gfi_unknown(const char *function, const char *name, const void *out, const char *known) {
    gfi_fail(name && !out ? GF_ERROR_ARGUMENT : GF_ERROR_NOT_FOUND, "%s: %s \"%.60s\"; there are%s", function,
             name && !out ? "out is NULL for" : "no", name ? name : "(NULL)", known);
}

// malloc of count elements of `size` bytes, checked for overflow; NULL when it fails. count 0 gives a valid pointer.
static void *gfi_alloc(size_t count, size_t size) {
    if (size != 0 && count > (SIZE_MAX - 1) / size) return NULL;
    return GF_MALLOC(count * size + (count * size == 0));
}

// A plain decimal such as "0.5" or "2", the parameter in a name such as "xavier_0.5"; the whole text must be one. 1 on
// success. Independent of the locale, unlike strtod, and rounded once as long as the digits fit a double exactly.
static int gfi_parse_decimal(const char *text, double *out) {
    double value = 0, unit = 1;
    int digits = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++) value = 10 * value + (*text - '0');
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++, digits++) value = 10 * value + (*text - '0'), unit *= 10;
    if (digits == 0 || *text != '\0' || !(value <= DBL_MAX)) return 0;
    *out = value / unit;
    return 1;
}

// ---------------------------------------------------------------------------------------------------------------------
// [GF:RNG] Counter-based randomness
// ---------------------------------------------------------------------------------------------------------------------
// splitmix64 walks a counter in steps of γ = 2⁶⁴/golden ratio and scrambles it with mix64, so that any element can be
// reached at once: value(i) = mix64(key + (i + 1)·γ). Seed and stream both pass through mix64 on their way into the
// key: the neighbours 0, 1, 2, … of either lie far apart on the counter. Only integers, exact products and correctly
// rounded operations (+ - * / √) are used: the same numbers on every machine.

#define GFI_GAMMA UINT64_C(0x9E3779B97F4A7C15)

static uint64_t gfi_mix64(uint64_t z) {  // Stafford's mix13, splitmix64's finaliser: a bijection
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t gfi_random_key(uint64_t seed, uint64_t stream) {
    return gfi_mix64(gfi_mix64(seed + GFI_GAMMA) + (stream + 1) * UINT64_C(0xD1342543DE82EF95));
}

static uint64_t gfi_random_at(uint64_t key, uint64_t index) { return gfi_mix64(key + (index + 1) * GFI_GAMMA); }

static double gfi_random_unit(uint64_t bits) { return (double)(bits >> 11) / 9007199254740992.0; }

GFDEF uint64_t gf_random_bits(uint64_t seed, uint64_t stream, uint64_t index) {
    return gfi_random_at(gfi_random_key(seed, stream), index);
}

GFDEF double gf_random_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
    return gfi_random_unit(gf_random_bits(seed, stream, index));
}

// A product that no compiler may fuse into a following sum: an FMA rounds once, and the last bit would differ.
static double gfi_times(double a, double b) {
    volatile double product = a * b;
    return product;
}

// ln x for normal x > 0, to about 1e-15: x = m·2^e with m in [√½, √2), ln m = 2·artanh t = 2(t + t³/3 + t⁵/5 + …),
// t = (m - 1)/(m + 1), |t| < 0.172: the terms up to t²¹ suffice. libm's own logarithms differ from system to system.
static double gfi_log(double x) {
    const double ln2_high = 6.93147180369123816490e-01;  // 32 bits: exponent · ln2_high is exact
    const double ln2_low = 1.90821492927058770002e-10;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0x000FFFFFFFFFFFFF)) | UINT64_C(0x3FF0000000000000);
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) m *= 0.5, exponent++;
    double t = (m - 1) / (m + 1), square = gfi_times(t, t), sum = 0;
    for (int k = 21; k >= 3; k -= 2) sum = gfi_times(square, sum + 1.0 / k);
    double low = gfi_times(exponent, ln2_low) + gfi_times(2 * t, sum);
    return exponent * ln2_high + (2 * t + low);
}

// Marsaglia's polar method: (u, v) uniform in the unit disc, s = u² + v²; u·√(-2 ln s / s) is normal. u and v are odd
// multiples of 2⁻²⁶ taken from one draw, so that s is exact and never 0; a point outside the disc is drawn again.
static double gfi_random_gauss(uint64_t bits) {
    for (;;) {
        int64_t u = 2 * (int64_t)(bits >> 38) + 1 - (INT64_C(1) << 26);
        int64_t v = 2 * (int64_t)((bits >> 12) & ((1u << 26) - 1)) + 1 - (INT64_C(1) << 26);
        int64_t square = u * u + v * v;
        if (square < INT64_C(1) << 52) {
            double s = (double)square / 4503599627370496.0;
            return (double)u / 67108864.0 * sqrt(-2 * gfi_log(s) / s);
        }
        bits = gfi_mix64(bits + GFI_GAMMA);
    }
}

GFDEF double gf_random_normal(uint64_t seed, uint64_t stream, uint64_t index) {
    return gfi_random_gauss(gf_random_bits(seed, stream, index));
}

// Uniform in 0..range-1 without bias: the high word of a 32×32-bit product, drawn again in the few low words that would
// favour some results. Lemire 2019, "Fast random integer generation in an interval".
static uint32_t gfi_random_below(uint64_t bits, uint32_t range) {
    uint32_t rejected = (uint32_t)(0u - range) % range;  // 2³² mod range
    uint64_t product = (bits >> 32) * range;
    while ((uint32_t)product < rejected) {
        bits = gfi_mix64(bits + GFI_GAMMA);
        product = (bits >> 32) * range;
    }
    return (uint32_t)(product >> 32);
}

GFDEF void gf_random_shuffle(uint32_t *order, size_t n, uint64_t seed, uint64_t stream) {
    uint64_t key = gfi_random_key(seed, stream);
    if (!order || (uint64_t)n > UINT32_MAX) return;
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        uint32_t other = gfi_random_below(gfi_random_at(key, i), (uint32_t)i), last = order[i - 1];
        order[i - 1] = order[other];
        order[other] = last;
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// [GF:TENSOR] Shapes and named tensors
// ---------------------------------------------------------------------------------------------------------------------
// Sizes are checked here, once: a shape whose product overflows has size 0 and is refused wherever it is used.

GFDEF gf_shape gf_image(int channels, int height, int width) {
    gf_shape shape;
    shape.channels = channels, shape.height = height, shape.width = width;
    return shape;
}

GFDEF gf_shape gf_vector(int n) { return gf_image(n, 1, 1); }

GFDEF size_t gf_shape_size(gf_shape shape) {
    size_t plane;
    if (shape.channels < 1 || shape.height < 1 || shape.width < 1) return 0;
    if ((size_t)shape.height > SIZE_MAX / (size_t)shape.width) return 0;
    plane = (size_t)shape.height * (size_t)shape.width;
    return (size_t)shape.channels > SIZE_MAX / plane ? 0 : (size_t)shape.channels * plane;
}

// ---------------------------------------------------------------------------------------------------------------------
// What the layers ask of the kernels
// ---------------------------------------------------------------------------------------------------------------------
// Nearly all time goes into the few functions of the table gfi_kernels, at this section's end. Each exists once for
// every instruction set, see [GF:KERNEL]. What they compute is said here, by plain loops that are the tests' oracles:
// gfi_matmul_naive, gfi_conv_forward_naive, gfi_conv_backward_naive, and gfi_act_eval in the next section. Read these
// and pass over the rest.

#define GFI_CAT2(a, b) a##b
#define GFI_CAT(a, b) GFI_CAT2(a, b)
#define GFI_TYPE_float 0
#define GFI_TYPE_double 1
#define GFI_REAL_IS_DOUBLE GFI_CAT(GFI_TYPE_, GF_REAL)
#define GFI_ISA_plain 0
#define GFI_ISA_neon 1
#define GFI_ISA_avx2 2
#define GFI_ISA_avx512 3

#if !defined(GF_NO_SIMD) && defined(__GNUC__) && defined(__x86_64__)
#define GFI_X86 1
#include <immintrin.h>
#elif !defined(GF_NO_SIMD) && defined(__GNUC__) && defined(__aarch64__)
#define GFI_NEON 1
#include <arm_neon.h>
#endif

#if defined(__GNUC__)
#define GFI_PREFETCH(p) __builtin_prefetch(p)
#else
#define GFI_PREFETCH(p) ((void)(p))
#endif

#if GFI_REAL_IS_DOUBLE
typedef int64_t gfi_lane;
#else
typedef int32_t gfi_lane;
#endif

static inline gfi_lane gfi_real_bits(gf_real x) {
    gfi_lane bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline gf_real gfi_bits_real(gfi_lane bits) {
    gf_real x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// ---- matrix multiply -------------------------------------------------------------------------------
// C[M,N] = A[M,K]·B[K,N], (+ C if accumulate), (+ bias[n] on every row if bias). Element A(m,k) is a[m*a_row +
// k*a_col], B(k,n) is b[k*b_row + n*b_col], C(m,n) is c[m*c_row + n]: a transpose is two strides exchanged, nothing is
// copied for it. C must overlap neither A nor B.
typedef struct gfi_matmul {
    int m, n, k;
    const gf_real *a;
    ptrdiff_t a_row, a_col;
    const gf_real *b;
    ptrdiff_t b_row, b_col;
    gf_real *c;
    ptrdiff_t c_row;
    const gf_real *bias;
    int accumulate;
    int threads;
    gf_real *workspace;  // gfi_matmul_workspace(threads) gf_reals
} gfi_matmul;

// The definition itself, which every fast version below is tested against. All of them add the products of one element
// of C in this order, k = 0, 1, 2, …, so the result depends neither on tiles and blocks nor on the number of threads.
static inline void gfi_matmul_naive(const gfi_matmul *job) {
    for (int m = 0; m < job->m; m++) {
        for (int n = 0; n < job->n; n++) {
            gf_real *c = &job->c[m * job->c_row + n];
            gf_real sum = job->accumulate ? *c : 0;
            if (job->bias) sum += job->bias[n];
            for (int k = 0; k < job->k; k++)
                sum += job->a[m * job->a_row + k * job->a_col] * job->b[k * job->b_row + n * job->b_col];
            *c = sum;
        }
    }
}

// Why the loops above reach 1 or 2 % of the machine, and how the rest is had. The numbers are a Zen 4 core's with
// AVX-512.
//
// The limit. A core can start one fused multiply-add on 16 floats a cycle: 32 operations × 3.6 GHz = 115 GFLOP/s. Each
// takes 4 cycles to finish, so at least 4 (8 with AVX2, which starts two) sums must be under way that do not wait for
// one another. The naive loop has one sum of one number and fetches two numbers for every product.
//
// Tiles. Numbers once in registers must serve more than once. A tile of 8 rows × 48 columns of C stays in 24 of the 32
// registers while k runs; a step of k loads 3 vectors of B and spreads 8 numbers of A over a vector each: 11 loads for
// 24 multiply-adds, which are then the only bottleneck. gfi_tile_run is that loop, and nearly all time is spent there.
//
// Panels. The tile reads 48 neighbouring columns of B, row after row. Where B is stored the other way round (the
// forward pass multiplies by Wᵀ) or its rows are far apart, these columns are first copied next to one another, a
// panel. Copying costs about 1 to 4 cycles a vector, which then takes part in M multiply-adds: a few per cent from M =
// 64 on.
//
// Blocks. The level-2 cache of 1 MB brings half a vector a cycle or more, ten times what the tiles ask for. So B is
// taken in blocks of 256 × 480 numbers (480 KB), and every tile row of A goes through the whole block before the next
// block comes. A tile row of A itself, 8 × 256 numbers, stays in the level-1 cache meanwhile and needs no copying,
// whatever its strides.
//
// Edges. What is left over below the last whole tile goes to tiles of 4, 2 and 1 rows (with AVX-512 also of 5: ten
// classes make weight gradients of ten rows); columns are dealt out evenly, 4 vectors as 2 and 2. The last vector of a
// row is masked.
#define GFI_BLOCK_K 256
#define GFI_BLOCK_BYTES 1920  // 480 floats: whole vectors and whole panels on every instruction set
#define GFI_BLOCK_REALS (GFI_BLOCK_K * GFI_BLOCK_BYTES / (int)sizeof(gf_real))

static size_t gfi_matmul_workspace(int threads) {
    return (size_t)threads * GFI_BLOCK_REALS;
}

// Part i of count items dealt into parts that differ by at most one: its first item.
static int gfi_share(int count, int parts, int i) {
    return (int)((int64_t)count * i / parts);
}

static int gfi_ceil_div(int a, int b) {
    return (a + b - 1) / b;
}

// The vectors of the next panel where so many are left for so many panels: 10 for 4 are dealt out as 2, 2, 3, 3.
static inline int gfi_panel_vecs(int vecs, int panels) {
    return vecs / panels;
}

// One thread's rectangle of C, rows m0 up to m1 and columns n0 up to n1.
typedef void gfi_matmul_part(const gfi_matmul *job, int m0, int m1, int n0, int n1, gf_real *block);

// Deal C out to the threads: by columns, so that each packs another piece of B, or by rows where the columns, which
// come in vectors of `lanes`, deal out unevenly. A product that is done before a second thread wakes up stays on one.
static void gfi_matmul_run(const gfi_matmul *job, gfi_matmul_part *part, int lanes) {
    const int threads = (double)job->m * job->n * job->k < 5e5 ? 1 : job->threads;
    const int vecs = gfi_ceil_div(job->n, lanes);
    // vectors of C that the slowest thread gets, one way and the other
    const int64_t by_columns = (int64_t)gfi_ceil_div(vecs, threads) * job->m;
    const int64_t by_rows = (int64_t)gfi_ceil_div(job->m, threads) * vecs;
    const int split_rows = by_columns > by_rows + by_rows / 16;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
#endif
    for (int t = 0; t < threads; t++) {
        const int m0 = split_rows ? gfi_share(job->m, threads, t) : 0;
        const int m1 = split_rows ? gfi_share(job->m, threads, t + 1) : job->m;
        const int n0 = split_rows ? 0 : gfi_share(vecs, threads, t) * lanes;
        const int n1 = split_rows ? job->n : gfi_share(vecs, threads, t + 1) * lanes;
        part(job, m0, m1, n0, n1 < job->n ? n1 : job->n, job->workspace + (ptrdiff_t)t * GFI_BLOCK_REALS);
    }
}

// A piece of C = A·B for the innermost loops, whatever A, B and C are pieces of.
typedef struct gfi_tile {
    int depth, last_lanes;  // steps of k; columns in the last vector
    int taps;               // a convolution: the steps of k are run once for each tap, elsewhere in A and B
    const ptrdiff_t *a_tap, *b_tap;
    const gf_real *a;
    ptrdiff_t a_row, a_col;
    const gf_real *b;
    ptrdiff_t b_row;
    const gf_real *start;  // what the sums start from: C itself, the bias or (NULL) zero
    ptrdiff_t start_row;
    gf_real *c;
    ptrdiff_t c_row;
} gfi_tile;

// ---- convolution -----------------------------------------------------------------------------------
// y[B,O,OH,OW] from x[B,C,H,W] and w[O,C,KH,KW]; back from dy to dx and dw, db. `accumulate`: y and dx are added to.
typedef struct gfi_conv {
    const struct gfi_kernels *kernels;
    int batch, threads, accumulate;
    gf_shape in, out;
    gf_window window;
    const gf_real *x, *w, *bias, *dy;  // bias may be NULL
    gf_real *y, *dx, *dw, *db;         // dx, db may be NULL
    gf_real *workspace;                // gfi_conv_workspace gf_reals
} gfi_conv;

// Where tap (i, j) of the window at output pixel (y, x) looks: the place in the input's plane, -1 outside the image.
static inline ptrdiff_t gfi_conv_input(const gfi_conv *job, int y, int x, int i, int j) {
    const int row = y * job->window.stride_h - job->window.padding_h + i,
              column = x * job->window.stride_w - job->window.padding_w + j;
    if (row < 0 || row >= job->in.height || column < 0 || column >= job->in.width) return -1;
    return (ptrdiff_t)row * job->in.width + column;
}

// The definition: seven loops, and going back the same seven, since every product w·x of the sum gives one term to dw
// and one to dx. All fast versions are tested against these.
static inline void gfi_conv_forward_naive(const gfi_conv *job) {
    const ptrdiff_t plane = (ptrdiff_t)job->in.height * job->in.width,
                    taps = (ptrdiff_t)job->window.kernel_h * job->window.kernel_w;
    gf_real *out = job->y;
    for (int b = 0; b < job->batch; b++)
        for (int o = 0; o < job->out.channels; o++)
            for (int y = 0; y < job->out.height; y++)
                for (int x = 0; x < job->out.width; x++, out++) {
                    gf_real sum = job->bias ? job->bias[o] : 0;
                    for (int c = 0; c < job->in.channels; c++)
                        for (int i = 0; i < job->window.kernel_h; i++)
                            for (int j = 0; j < job->window.kernel_w; j++) {
                                const ptrdiff_t at = gfi_conv_input(job, y, x, i, j),
                                                channel = (ptrdiff_t)o * job->in.channels + c;
                                if (at < 0) continue;
                                sum += job->w[channel * taps + i * job->window.kernel_w + j] *
                                       job->x[((ptrdiff_t)b * job->in.channels + c) * plane + at];
                            }
                    *out = job->accumulate ? *out + sum : sum;
                }
}

static inline void gfi_conv_backward_naive(const gfi_conv *job) {
    const ptrdiff_t plane = (ptrdiff_t)job->in.height * job->in.width,
                    taps = (ptrdiff_t)job->window.kernel_h * job->window.kernel_w;
    const size_t inputs = (size_t)job->batch * (size_t)job->in.channels * (size_t)plane;
    const gf_real *dy = job->dy;
    memset(job->dw, 0, (size_t)(taps * job->in.channels * job->out.channels) * sizeof(gf_real));
    if (job->db) memset(job->db, 0, (size_t)job->out.channels * sizeof(gf_real));
    if (job->dx && !job->accumulate) memset(job->dx, 0, inputs * sizeof(gf_real));
    for (int b = 0; b < job->batch; b++)
        for (int o = 0; o < job->out.channels; o++)
            for (int y = 0; y < job->out.height; y++)
                for (int x = 0; x < job->out.width; x++, dy++) {
                    if (job->db) job->db[o] += *dy;
                    for (int c = 0; c < job->in.channels; c++)
                        for (int i = 0; i < job->window.kernel_h; i++)
                            for (int j = 0; j < job->window.kernel_w; j++) {
                                const ptrdiff_t at = gfi_conv_input(job, y, x, i, j),
                                                channel = (ptrdiff_t)o * job->in.channels + c;
                                const ptrdiff_t tap = channel * taps + i * job->window.kernel_w + j;
                                const ptrdiff_t pixel = ((ptrdiff_t)b * job->in.channels + c) * plane + at;
                                if (at < 0) continue;
                                job->dw[tap] += *dy * job->x[pixel];
                                if (job->dx) job->dx[pixel] += *dy * job->w[tap];
                            }
                }
}

// The fast versions work on blocks of a few images, turned so that the channels of a pixel lie together:
// [pixel][image][channel]. An output pixel of a block is then a matrix multiply, images × taps·C × O, whose taps are
// pieces of the block where they lie: no matrix of columns is ever written, and taps outside the image are not
// multiplied by zero but left out.
enum { GFI_CONV_IMAGES = 8, GFI_CONV_CHUNK = 16, GFI_CONV_PIXELS = 16, GFI_CONV_RUN = 32 };

// 3×3 kernels with stride 1 can do with fewer multiplications than 9 a pixel: Winograd's trick (for networks: Lavin and
// Gray 2015, F(4×4, 3×3)). In one dimension two polynomials p and g of degrees 3 and 2 have a product of degree 5, which
// 6 of its values determine, and values just multiply: A·p and G·g are the values of p and g at six points, and a third
// matrix takes the 6 products to the 6 coefficients, 6 multiplications instead of 4·3. Turned about (transposed), that
// is a kernel of three over d0 … d5:
//     y = Aᵀ[(G·g) ⊙ (Bᵀ·d)], 4 outputs      in two dimensions y = Aᵀ[U ⊙ V]A, U = G·g·Gᵀ, V = Bᵀ·d·B
// 4×4 outputs from 6×6 inputs take 36 products: 2.25 a pixel. Summed over the channels, each of the 36 is a matrix
// multiply: tiles·images × C × O. By the chain rule
//     ∂L/∂U = V ⊙ (A·dy·Aᵀ), summed over tiles and images    dw = Gᵀ·∂L/∂U·G
// and dx is itself a 3×3 convolution, of dy by the kernel turned round. The points are 0, ±2/3, ±3/2 and ∞ (where a
// polynomial's value is its highest coefficient): points near 1 round well (Barabasz et al. 2020), and with the usual 0,
// ±1, ±2, ∞ errors are twice as large. They are 4 times those of the plain sum of 9·C products: in float 7e-7 of the
// outputs' RMS. A NaN in the input reaches all of its tile.
enum { GFI_WINO_INPUT, GFI_WINO_KERNEL, GFI_WINO_OUTPUT, GFI_WINO_OUTPUT_BACK, GFI_WINO_KERNEL_BACK };  // Bᵀ G Aᵀ A Gᵀ
enum { GFI_WINO_TILES = 8, GFI_WINO_IN = 6, GFI_WINO_OUT = 4, GFI_WINO_PRODUCTS = GFI_WINO_IN * GFI_WINO_IN };

static int gfi_wino_tiles_of(gf_shape shape) {
    return gfi_ceil_div(shape.height, GFI_WINO_OUT) * gfi_ceil_div(shape.width, GFI_WINO_OUT);
}

// Whole vectors of channels on every machine, so that no transform has a remainder; and fewer products than without.
static int gfi_conv_is_wino(const gfi_conv *job) {
    const gf_window *w = &job->window;
    return w->kernel_h == 3 && w->kernel_w == 3 && w->stride_h == 1 && w->stride_w == 1 && w->padding_h <= 2 &&
           w->padding_w <= 2 && job->in.channels % 16 == 0 && job->out.channels % 16 == 0 && !job->accumulate &&
           (double)GFI_WINO_PRODUCTS * gfi_wino_tiles_of(job->out) < 9.0 * job->out.height * job->out.width;
}

typedef struct gfi_conv_room {    // what one thread needs, n = GFI_CONV_IMAGES
    gf_real *x, *y;               // [H·W][n][C], [OH·OW][n][O]
    gf_real *pixels;              // [GFI_CONV_PIXELS][n][C or O]: results on their way out
    gf_real *dw;                  // [KH·KW][C][O] of one chunk of images
    double *db;                   // [O]
    ptrdiff_t *a_tap, *b_tap;
    gf_real *v, *m, *du;          // Winograd: V, [36][tiles][n][C or O]; M or A·dy·Aᵀ; ∂L/∂U, [36][C][O]
    gf_real *zeros, *unused;      // [n][C or O]: what stands outside the image, and what falls there
    gf_real *bias;                // [n][O]
} gfi_conv_room;

static size_t gfi_max_size(size_t a, size_t b) { return a > b ? a : b; }

static size_t gfi_conv_plane(gf_shape shape) { return (size_t)shape.height * (size_t)shape.width; }
static size_t gfi_conv_taps(const gfi_conv *job) { return (size_t)job->window.kernel_h * (size_t)job->window.kernel_w; }
static size_t gfi_conv_weights(const gfi_conv *job) {
    return gfi_conv_taps(job) * (size_t)job->in.channels * (size_t)job->out.channels;
}

// Channels rounded up to whole vectors of the widest kind.
static size_t gfi_conv_width(int channels) { return ((size_t)channels + 15) / 16 * 16; }

// The next n gf_reals and a vector more, which a last load may touch.
static gf_real *gfi_conv_take(gf_real *base, size_t *used, size_t n) {
    gf_real *start = base ? base + *used : NULL;
    *used += (n + 31) / 16 * 16;
    return start;
}

// Shared by all threads: the packed weights [tap or Winograd's product][depth][width], the sum of dw over the chunks.
static size_t gfi_conv_shared(const gfi_conv *job, gf_real **packed, gf_real **dw) {
    const size_t forward = (size_t)job->in.channels * gfi_conv_width(job->out.channels);
    const size_t backward = (size_t)job->out.channels * gfi_conv_width(job->in.channels);
    const size_t taps = gfi_conv_is_wino(job) ? (size_t)GFI_WINO_PRODUCTS : gfi_conv_taps(job);
    size_t used = 0;
    *packed = gfi_conv_take(job->workspace, &used, taps * gfi_max_size(forward, backward));
    *dw = gfi_conv_take(job->workspace, &used, gfi_conv_weights(job));
    return used;
}

static size_t gfi_conv_room_at(const gfi_conv *job, gf_real *base, gfi_conv_room *room) {
    const size_t n = GFI_CONV_IMAGES, C = (size_t)job->in.channels, O = (size_t)job->out.channels;
    const size_t taps = gfi_max_size(gfi_conv_taps(job), gfi_max_size((size_t)job->out.width, GFI_CONV_RUN));
    const size_t products = gfi_conv_is_wino(job) ? (size_t)GFI_WINO_PRODUCTS : 0, pixel = n * gfi_max_size(C, O);
    size_t used = 0;
    room->x = gfi_conv_take(base, &used, gfi_conv_plane(job->in) * n * C);
    room->y = gfi_conv_take(base, &used, gfi_conv_plane(job->out) * n * O);
    room->pixels = gfi_conv_take(base, &used, GFI_CONV_PIXELS * n * gfi_max_size(C, O));
    room->dw = gfi_conv_take(base, &used, gfi_conv_weights(job));
    room->db = (double *)gfi_conv_take(base, &used, O * sizeof(double) / sizeof(gf_real));
    room->a_tap = (ptrdiff_t *)gfi_conv_take(base, &used, 2 * taps * sizeof(ptrdiff_t) / sizeof(gf_real));
    room->b_tap = base ? room->a_tap + taps : NULL;
    room->v = gfi_conv_take(base, &used, products * GFI_WINO_TILES * pixel);
    room->m = gfi_conv_take(base, &used, products * GFI_WINO_TILES * pixel);
    room->du = gfi_conv_take(base, &used, products * C * O);
    room->zeros = gfi_conv_take(base, &used, pixel);
    room->unused = gfi_conv_take(base, &used, pixel);
    room->bias = gfi_conv_take(base, &used, n * O);
    return used;
}

static size_t gfi_conv_workspace(const gfi_conv *job) {
    gf_real *packed, *dw;
    gfi_conv_room room;
    return gfi_conv_shared(job, &packed, &dw) + (size_t)job->threads * gfi_conv_room_at(job, NULL, &room);
}

static gfi_conv_room gfi_conv_room_of(const gfi_conv *job, int thread) {
    gf_real *packed, *dw;
    gfi_conv_room room;
    const size_t shared = gfi_conv_shared(job, &packed, &dw), each = gfi_conv_room_at(job, NULL, &room);
    gfi_conv_room_at(job, job->workspace + shared + (size_t)thread * each, &room);
    return room;
}

// The taps of output pixel (y, x) that lie inside the image: where their input stands in a block, and their weights.
static int gfi_conv_taps_of_output(const gfi_conv *job, int y, int x, int images, ptrdiff_t *a_tap, ptrdiff_t *b_tap) {
    const ptrdiff_t a = (ptrdiff_t)images * job->in.channels,
                    b = job->in.channels * (ptrdiff_t)gfi_conv_width(job->out.channels);
    int count = 0;
    for (int i = 0; i < job->window.kernel_h; i++)
        for (int j = 0; j < job->window.kernel_w; j++) {
            const ptrdiff_t at = gfi_conv_input(job, y, x, i, j);
            if (at < 0) continue;
            a_tap[count] = at * a, b_tap[count] = (i * job->window.kernel_w + j) * b;
            count++;
        }
    return count;
}

// The output pixels that input pixel (y, x) went into, by which tap: the input gradient is a convolution too.
static int gfi_conv_taps_of_input(const gfi_conv *job, int y, int x, int images, ptrdiff_t *a_tap, ptrdiff_t *b_tap) {
    const ptrdiff_t a = (ptrdiff_t)images * job->out.channels,
                    b = job->out.channels * (ptrdiff_t)gfi_conv_width(job->in.channels);
    const gf_window *w = &job->window;
    int count = 0;
    for (int i = 0; i < w->kernel_h; i++) {
        const int top = y + w->padding_h - i, row = top / w->stride_h;
        if (top < 0 || top % w->stride_h != 0 || row >= job->out.height) continue;
        for (int j = 0; j < w->kernel_w; j++) {
            const int left = x + w->padding_w - j, column = left / w->stride_w;
            if (left < 0 || left % w->stride_w != 0 || column >= job->out.width) continue;
            a_tap[count] = ((ptrdiff_t)row * job->out.width + column) * a, b_tap[count] = (i * w->kernel_w + j) * b;
            count++;
        }
    }
    return count;
}

// All pairs (input pixel, output pixel) in output rows y0 … y1 that weight (i, j) joins.
static int gfi_conv_pairs(const gfi_conv *job, int y0, int y1, int i, int j, int images, ptrdiff_t *a_tap,
                          ptrdiff_t *b_tap) {
    int count = 0;
    for (int y = y0; y < y1; y++)
        for (int x = 0; x < job->out.width; x++) {
            const ptrdiff_t at = gfi_conv_input(job, y, x, i, j);
            if (at < 0) continue;
            a_tap[count] = at * images * job->in.channels;
            b_tap[count] = ((ptrdiff_t)y * job->out.width + x) * images * job->out.channels;
            count++;
        }
    return count;
}

// Where the pixels of a square with its corner at (y, x) stand in a block; `outside` for those that do not exist.
static void gfi_wino_square(gf_shape shape, int y, int x, int size, gf_real *block, size_t pixel, gf_real *outside,
                            gf_real **at) {
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            const int is_inside = y + i >= 0 && y + i < shape.height && x + j >= 0 && x + j < shape.width;
            *at++ = is_inside ? block + ((size_t)(y + i) * (size_t)shape.width + (size_t)(x + j)) * pixel : outside;
        }
}

// ---- norms and pools -------------------------------------------------------------------------------
// A channel of x[B,C,S] is `rows` = B rows of n = S numbers, `step` = C·S apart.
typedef struct gfi_channel {
    const gf_real *x, *dy;
    gf_real *out;
    size_t rows, step, n;
} gfi_channel;

// ---- sums and updates ------------------------------------------------------------------------------
typedef struct gfi_sums {
    double sum, sum_abs, sum_squares, max_abs;  // NaN or infinity where x has them
    size_t zeros, non_finite;
} gfi_sums;

enum { GFI_UPDATE_SGD, GFI_UPDATE_ADAM, GFI_UPDATE_RMSPROP };

// One optimiser step as PyTorch documents it (torch.optim.SGD with dampening 0, Adam, AdamW, RMSprop not centered), for
// n parameters that lie together. g is the gradient, w the parameter, t = 1, 2, … the step:
//   all      g += weight_decay w;  AdamW (decoupled): w *= 1 - lr weight_decay instead
//   SGD      m = momentum m + g;  w -= lr m,  Nesterov: w -= lr (g + momentum m)
//   Adam     m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g²;
//            w -= lr m̂ / (√v̂ + eps),  m̂ = m/(1 - beta1^t),  v̂ = v/(1 - beta2^t)
//   RMSprop  v = alpha v + (1 - alpha) g²;  m = momentum m + g/(√v + eps);  w -= lr m
typedef struct gfi_update {
    int kind;
    double lr, weight_decay, eps;
    double momentum;  // SGD, RMSprop; Adam's beta1
    double beta2;     // RMSprop's alpha
    int nesterov, decoupled;
    double step;      // t, counts this step
} gfi_update;

// The sums of the changes of w that a step made, for std(Δw).
typedef struct gfi_change {
    double sum, sum_squares;
} gfi_change;

#if GFI_REAL_IS_DOUBLE
typedef uint64_t gfi_bits;
#else
typedef uint32_t gfi_bits;
#endif
#define GFI_TEXT_OF(x) #x
#define GFI_TEXT(x) GFI_TEXT_OF(x)

typedef struct gfi_kernels {
    const char *name;  // "naive", "plain", "avx2", "avx512", "neon"
    void (*matmul)(const gfi_matmul *job);
    // h = φ(z) and, unless slope is NULL, slope = φ'(z)
    void (*act_forward)(gf_act act, const gf_real *z, gf_real *h, gf_real *slope, size_t n);
    // dz = dh·φ'(z), with the slope that forward stored or, where that is NULL, found again from z
    void (*act_backward)(gf_act act, const gf_real *z, const gf_real *slope, const gf_real *dh, gf_real *dz, size_t n);
    // p = softmax of each row of x[rows,K]: loss[row] = -ln p_label, dx = (p - onehot)·scale
    void (*softmax_rows)(const gf_real *x, const int *labels, gf_real scale, double *loss, gf_real *dx, size_t rows,
                         size_t classes);
    void (*column_sums)(const gf_real *x, int rows, int columns, ptrdiff_t stride, gf_real *sums, int accumulate);
    void (*axpy)(gf_real *y, double a, const gf_real *x, size_t n);  // y += a·x
    void (*scale)(gf_real *x, double a, size_t n);                   // x *= a
    double (*prelu_grad)(const gf_real *z, const gf_real *dh, size_t n);  // Σ dh·z over z < 0
    double (*sum_squares)(const gf_real *x, size_t n);
    void (*sums)(const gf_real *x, size_t n, gfi_sums *out);
    void (*update)(const gfi_update *update, gf_real *w, const gf_real *g, gf_real *m, gf_real *v, size_t n,
                   gfi_change *change);
    void (*conv_forward)(const gfi_conv *job);
    void (*conv_backward)(const gfi_conv *job);
    // Of a channel: Σ(x - shift) and Σ(x - shift)²; Σ dy and Σ dy·(x - mean); out = (x - mean)·scale + shift; and
    // out = dx as gfi_batch_norm_backward says
    void (*channel_moments)(const gfi_channel *channel, double shift, double *sum, double *squares);
    void (*channel_products)(const gfi_channel *channel, double mean, double *sum, double *products);
    void (*channel_scale)(const gfi_channel *channel, double mean, double scale, double shift);
    void (*channel_back)(const gfi_channel *channel, double mean, double scale, double mean_dy, double slope);
    // One plane, windows of 2×2, stride 2; place = 0…3, where in its window the maximum stood
    void (*max_pool2)(const gf_real *x, int height, int width, gf_real *y, gf_real *place);
    void (*max_pool2_back)(const gf_real *dy, const gf_real *place, int height, int width, gf_real *dx);
    // What convolutions are made of: C[m,n] by tiles; a matrix turned over; a transform of Winograd's for n squares
    void (*tile_grid)(const gfi_tile *whole, int m, int n, int packed);
    void (*flip)(const gf_real *src, ptrdiff_t src_row, int rows, int columns, gf_real *dst, ptrdiff_t dst_row,
                 int whole);
    void (*wino)(int kind, gf_real *const *from, gf_real *const *to, size_t n);
} gfi_kernels;

// ---- convolution: from blocks of images to products of tiles ----------------------------------------
// Images [C,H·W] into a block [H·W][image][C].
static void gfi_conv_gather(const gfi_conv *job, const gf_real *x, gf_shape shape, int first, int images,
                            gf_real *block) {
    const int plane = shape.height * shape.width, C = shape.channels;
    for (int i = 0; i < images; i++)
        job->kernels->flip(x + ((ptrdiff_t)first + i) * C * plane, plane, C, plane, block + i * C,
                           (ptrdiff_t)images * C, 0);
}

// A block through the weights, pixel by pixel: y from a block of x, or (back) dx from a block of dy.
static void gfi_conv_sweep(const gfi_conv *job, int back, int first, int images,
                           const gf_real *block, const gf_real *packed, const gfi_conv_room *room) {
    const gf_shape from = back ? job->out : job->in, to = back ? job->in : job->out;
    const int plane = to.height * to.width, C = to.channels;
    gf_real *const out = (back ? job->dx : job->y) + (ptrdiff_t)first * C * plane;
    gfi_tile tile;
    tile.depth = from.channels, tile.start = back ? NULL : job->bias, tile.start_row = 0;
    tile.a = block, tile.a_row = from.channels, tile.a_col = 1, tile.a_tap = room->a_tap;
    tile.b = packed, tile.b_row = (ptrdiff_t)gfi_conv_width(C), tile.b_tap = room->b_tap;
    tile.c_row = C;
    for (int start = 0; start < plane; start += GFI_CONV_PIXELS) {
        const int count = plane - start < GFI_CONV_PIXELS ? plane - start : GFI_CONV_PIXELS;
        for (int i = 0; i < images && job->accumulate; i++)
            job->kernels->flip(out + (ptrdiff_t)i * C * plane + start, plane, C, count, room->pixels + i * C,
                               (ptrdiff_t)images * C, 0);
        for (int p = 0; p < count; p++) {
            const int y = (start + p) / to.width, x = (start + p) % to.width;
            tile.taps = back ? gfi_conv_taps_of_input(job, y, x, images, room->a_tap, room->b_tap)
                             : gfi_conv_taps_of_output(job, y, x, images, room->a_tap, room->b_tap);
            tile.c = room->pixels + (ptrdiff_t)p * images * C;
            if (job->accumulate) tile.start = tile.c, tile.start_row = C;
            job->kernels->tile_grid(&tile, images, C, 0);
        }
        for (int i = 0; i < images; i++)
            job->kernels->flip(room->pixels + i * C, (ptrdiff_t)images * C, count, C,
                               out + (ptrdiff_t)i * C * plane + start, plane, 0);
    }
}

// Tiles start … start + count - 1 of a block of pixels: their 6×6 inputs to V, or their 4×4 dy to A·dy·Aᵀ.
static void gfi_wino_tiles(const gfi_conv *job, int kind, int back, int start, int count, int images,
                           gf_real *block, const gfi_conv_room *room, gf_real *result) {
    const int is_input = kind == GFI_WINO_INPUT, turned = back || !is_input;
    const gf_shape from = turned ? job->out : job->in, to = back ? job->in : job->out;
    const int pad_h = is_input ? back ? 2 - job->window.padding_h : job->window.padding_h : 0;
    const int pad_w = is_input ? back ? 2 - job->window.padding_w : job->window.padding_w : 0;
    const int columns = gfi_ceil_div(to.width, GFI_WINO_OUT);
    const size_t pixel = (size_t)images * (size_t)from.channels;
    memset(room->zeros, 0, pixel * sizeof(gf_real));
    for (int t = start; t < start + count; t++) {
        const int y = t / columns * GFI_WINO_OUT - pad_h, x = t % columns * GFI_WINO_OUT - pad_w;
        gf_real *at[GFI_WINO_PRODUCTS], *out[GFI_WINO_PRODUCTS];
        gfi_wino_square(from, y, x, is_input ? GFI_WINO_IN : GFI_WINO_OUT, block, pixel, room->zeros, at);
        for (int k = 0; k < GFI_WINO_PRODUCTS; k++) out[k] = result + (size_t)(k * count + t - start) * pixel;
        job->kernels->wino(kind, at, out, pixel);
    }
}

// gfi_conv_sweep by Winograd's way, by way of a block of the results.
static void gfi_wino_sweep(const gfi_conv *job, int back, int first, int images, gf_real *block,
                           const gf_real *packed, gf_real *result, const gfi_conv_room *room) {
    const gf_shape from = back ? job->out : job->in, to = back ? job->in : job->out;
    const int columns = gfi_ceil_div(to.width, GFI_WINO_OUT), tiles = gfi_wino_tiles_of(to), C = to.channels;
    const int plane = to.height * to.width;
    const size_t pixel = (size_t)images * (size_t)C;
    const ptrdiff_t nowhere = 0;
    gf_real *const out = (back ? job->dx : job->y) + (ptrdiff_t)first * C * plane;
    gfi_tile tile;
    tile.taps = 1, tile.a_tap = tile.b_tap = &nowhere;
    tile.depth = from.channels, tile.a_row = from.channels, tile.a_col = 1, tile.b_row = C, tile.c_row = C;
    const gf_real *bias = back ? NULL : job->bias;
    tile.start = NULL;
    for (int i = 0; i < images && bias; i++) memcpy(room->bias + i * C, bias, (size_t)C * sizeof(gf_real));
    for (int start = 0; start < tiles; start += GFI_WINO_TILES) {
        const int count = tiles - start < GFI_WINO_TILES ? tiles - start : GFI_WINO_TILES;
        gfi_wino_tiles(job, GFI_WINO_INPUT, back, start, count, images, block, room, room->v);
        for (int k = 0; k < GFI_WINO_PRODUCTS; k++) {
            tile.a = room->v + (ptrdiff_t)k * count * images * from.channels;
            tile.b = packed + (ptrdiff_t)k * from.channels * C, tile.c = room->m + (size_t)(k * count) * pixel;
            job->kernels->tile_grid(&tile, count * images, C, 0);
        }
        for (int t = start; t < start + count; t++) {
            gf_real *at[GFI_WINO_PRODUCTS + 1], *pixels[GFI_WINO_OUT * GFI_WINO_OUT];
            gfi_wino_square(to, t / columns * GFI_WINO_OUT, t % columns * GFI_WINO_OUT, GFI_WINO_OUT, result, pixel,
                            room->unused, pixels);
            for (int k = 0; k < GFI_WINO_PRODUCTS; k++) at[k] = room->m + (size_t)(k * count + t - start) * pixel;
            at[GFI_WINO_PRODUCTS] = bias ? room->bias : NULL;
            job->kernels->wino(GFI_WINO_OUTPUT, at, pixels, pixel);
        }
    }
    for (int i = 0; i < images; i++)
        job->kernels->flip(result + i * C, (ptrdiff_t)pixel, plane, C, out + (ptrdiff_t)i * C * plane, plane, 0);
}

// room->du (+)= V ⊙ (A·dy·Aᵀ) over the block's tiles and images.
static void gfi_wino_kernel_grad(const gfi_conv *job, int images, int fresh, const gfi_conv_room *room) {
    const int C = job->in.channels, O = job->out.channels;
    const int tiles = gfi_wino_tiles_of(job->out);
    const ptrdiff_t nowhere = 0;
    gfi_tile tile;
    tile.taps = 1, tile.a_tap = tile.b_tap = &nowhere;
    tile.a_row = 1, tile.a_col = C, tile.b_row = O, tile.c_row = O, tile.start_row = O;
    for (int start = 0; start < tiles; start += GFI_WINO_TILES, fresh = 0) {
        const int count = tiles - start < GFI_WINO_TILES ? tiles - start : GFI_WINO_TILES;
        gfi_wino_tiles(job, GFI_WINO_INPUT, 0, start, count, images, room->x, room, room->v);
        gfi_wino_tiles(job, GFI_WINO_OUTPUT_BACK, 0, start, count, images, room->y, room, room->m);
        tile.depth = count * images;
        for (int k = 0; k < GFI_WINO_PRODUCTS; k++) {
            tile.a = room->v + (ptrdiff_t)k * count * images * C, tile.b = room->m + (ptrdiff_t)k * count * images * O;
            tile.c = room->du + (ptrdiff_t)k * C * O, tile.start = fresh ? NULL : tile.c;
            job->kernels->tile_grid(&tile, C, O, 0);
        }
    }
}

// The kernels between [9][count] and [36][count]: U from g, turned round where they go back to x, or dw from ∂L/∂U.
static void gfi_wino_kernels(const gfi_conv *job, int kind, int turned, gf_real *nine, gf_real *products) {
    const size_t count = (size_t)job->in.channels * (size_t)job->out.channels;
    gf_real *small[9], *large[GFI_WINO_PRODUCTS];
    for (int k = 0; k < 9; k++) small[k] = nine + (size_t)(turned ? 8 - k : k) * count;
    for (int k = 0; k < GFI_WINO_PRODUCTS; k++) large[k] = products + (size_t)k * count;
    job->kernels->wino(kind, kind == GFI_WINO_KERNEL ? small : large, kind == GFI_WINO_KERNEL ? large : small, count);
}

static void gfi_conv_forward_part(const gfi_conv *job, int first, int images, const gfi_conv_room *room) {
    gf_real *packed, *dw;
    (void)gfi_conv_shared(job, &packed, &dw);
    for (int i = 0; i < images; i += GFI_CONV_IMAGES) {
        const int n = images - i < GFI_CONV_IMAGES ? images - i : GFI_CONV_IMAGES;
        gfi_conv_gather(job, job->x, job->in, first + i, n, room->x);
        if (gfi_conv_is_wino(job)) gfi_wino_sweep(job, 0, first + i, n, room->x, packed, room->y, room);
        else gfi_conv_sweep(job, 0, first + i, n, room->x, packed, room);
    }
}

// room->dw[tap][c][o] (+)= Σ x·dy over the block's images and the pairs of pixels that the tap joins. A few output rows
// at a time, so that they stay in the cache for all taps.
static void gfi_conv_weight_grad(const gfi_conv *job, int images, int fresh, const gfi_conv_room *room) {
    const int C = job->in.channels, O = job->out.channels, width = job->out.width;
    const int rows = width < GFI_CONV_RUN ? GFI_CONV_RUN / width : 1;
    gfi_tile tile;
    tile.depth = images;
    tile.a = room->x, tile.a_row = 1, tile.a_col = C, tile.a_tap = room->a_tap;
    tile.b = room->y, tile.b_row = O, tile.b_tap = room->b_tap;
    tile.c_row = O;
    for (int y = 0; y < job->out.height; y += rows, fresh = 0) {
        const int end = y + rows < job->out.height ? y + rows : job->out.height;
        tile.start_row = fresh ? 0 : O, tile.c = room->dw;
        for (int i = 0; i < job->window.kernel_h; i++)
            for (int j = 0; j < job->window.kernel_w; j++, tile.c += (ptrdiff_t)C * O) {
                tile.taps = gfi_conv_pairs(job, y, end, i, j, images, room->a_tap, room->b_tap);
                tile.start = fresh ? NULL : tile.c;
                job->kernels->tile_grid(&tile, C, O, 0);
            }
    }
}

// room->db (+)= Σ dy, a few hundred terms at a time in gf_real and these in double.
static void gfi_conv_bias_grad(const gfi_conv *job, int images, int fresh, const gfi_conv_room *room) {
    const int O = job->out.channels, plane = job->out.height * job->out.width;
    for (int start = 0; start < plane; start += GFI_CONV_RUN, fresh = 0) {
        const int count = plane - start < GFI_CONV_RUN ? plane - start : GFI_CONV_RUN;
        job->kernels->column_sums(room->y + (ptrdiff_t)start * images * O, count * images, O, O, room->pixels, 0);
        for (int o = 0; o < O; o++) room->db[o] = (fresh ? 0 : room->db[o]) + (double)room->pixels[o];
    }
}

static void gfi_conv_backward_part(const gfi_conv *job, int first, int images, const gfi_conv_room *room) {
    const int wino = gfi_conv_is_wino(job);
    gf_real *packed, *dw;
    (void)gfi_conv_shared(job, &packed, &dw);
    for (int i = 0; i < images; i += GFI_CONV_IMAGES) {
        const int n = images - i < GFI_CONV_IMAGES ? images - i : GFI_CONV_IMAGES;
        gfi_conv_gather(job, job->dy, job->out, first + i, n, room->y);
        if (job->dx && wino) gfi_wino_sweep(job, 1, first + i, n, room->y, packed, room->x, room);
        else if (job->dx) gfi_conv_sweep(job, 1, first + i, n, room->y, packed, room);
        gfi_conv_gather(job, job->x, job->in, first + i, n, room->x);
        if (wino) gfi_wino_kernel_grad(job, n, i == 0, room);
        else gfi_conv_weight_grad(job, n, i == 0, room);
        if (job->db) gfi_conv_bias_grad(job, n, i == 0, room);
    }
    if (wino) gfi_wino_kernels(job, GFI_WINO_KERNEL_BACK, 0, room->dw, room->du);
}

// packed[tap][c][o] for forward, packed[tap][o][c] for back, the last index as wide as whole vectors; Winograd's from
// these, for which dw has room.
static void gfi_conv_pack(const gfi_conv *job, int back) {
    const int taps = (int)gfi_conv_taps(job), C = job->in.channels, O = job->out.channels;
    const ptrdiff_t width = (ptrdiff_t)gfi_conv_width(back ? C : O);
    gf_real *packed, *dw, *result;
    (void)gfi_conv_shared(job, &result, &dw);
    packed = gfi_conv_is_wino(job) ? dw : result;
    for (int k = 0; k < (back ? O : C); k++) {
        if (back) job->kernels->flip(job->w + (ptrdiff_t)k * C * taps, taps, C, taps, packed + k * width, O * width, 0);
        else
            job->kernels->flip(job->w + (ptrdiff_t)k * taps, (ptrdiff_t)C * taps, O, taps, packed + k * width,
                               C * width, 0);
    }
    if (packed != result) gfi_wino_kernels(job, GFI_WINO_KERNEL, back, packed, result);
}

// One thread's images of a chunk: first … first + images, images ≤ GFI_CONV_CHUNK.
static int gfi_conv_images(const gfi_conv *job, int first, int most) {
    const int left = job->batch - first;
    return left < 0 ? 0 : left < most ? left : most;
}

static void gfi_convolve(const gfi_conv *job) {
    const int chunks = gfi_ceil_div(job->batch, GFI_CONV_CHUNK);
    gfi_conv_pack(job, 0);
#ifdef _OPENMP
#pragma omp parallel for num_threads(job->threads) schedule(static, 1)
#endif
    for (int t = 0; t < job->threads; t++) {
        const gfi_conv_room room = gfi_conv_room_of(job, t);
        const int end = gfi_share(chunks, job->threads, t + 1);
        for (int i = gfi_share(chunks, job->threads, t); i < end; i++)
            gfi_conv_forward_part(job, i * GFI_CONV_CHUNK, gfi_conv_images(job, i * GFI_CONV_CHUNK, GFI_CONV_CHUNK),
                                  &room);
    }
}

// dw and db are sums over the images. So that they do not depend on the number of threads, each chunk of images is
// summed alone and the chunks are then added in order: in every round each thread takes one chunk, then all add up a
// share of dw.
static void gfi_conv_sum_chunks(const gfi_conv *job, gf_real *dw) {
    const size_t weights = gfi_conv_weights(job);
    memset(dw, 0, weights * sizeof *dw);
    for (int o = 0; job->db && o < job->out.channels; o++) job->db[o] = 0;
    for (int start = 0; start < job->batch; start += job->threads * GFI_CONV_CHUNK) {
#ifdef _OPENMP
#pragma omp parallel for num_threads(job->threads) schedule(static, 1)
#endif
        for (int t = 0; t < job->threads; t++) {
            const gfi_conv_room room = gfi_conv_room_of(job, t);
            const int first = start + t * GFI_CONV_CHUNK, images = gfi_conv_images(job, first, GFI_CONV_CHUNK);
            if (images > 0) gfi_conv_backward_part(job, first, images, &room);
        }
        const int done = gfi_ceil_div(gfi_conv_images(job, start, job->threads * GFI_CONV_CHUNK), GFI_CONV_CHUNK);
#ifdef _OPENMP
#pragma omp parallel for num_threads(job->threads) schedule(static, 1)
#endif
        for (int t = 0; t < job->threads; t++) {
            const size_t from = weights * (size_t)t / (size_t)job->threads,
                         to = weights * ((size_t)t + 1) / (size_t)job->threads;
            for (int k = 0; k < done; k++)
                job->kernels->axpy(dw + from, 1, gfi_conv_room_of(job, k).dw + from, to - from);
        }
        for (int k = 0; k < done && job->db; k++) {
            const gfi_conv_room room = gfi_conv_room_of(job, k);
            for (int o = 0; o < job->out.channels; o++) job->db[o] = (gf_real)((double)job->db[o] + room.db[o]);
        }
    }
}

static void gfi_convolve_back(const gfi_conv *job) {
    const int taps = (int)gfi_conv_taps(job), C = job->in.channels, O = job->out.channels;
    gf_real *packed, *dw;
    (void)gfi_conv_shared(job, &packed, &dw);
    if (job->dx) gfi_conv_pack(job, 1);
    gfi_conv_sum_chunks(job, dw);
    for (int c = 0; c < C; c++)  // dw[tap][c][o] back into [o][c][tap]
        job->kernels->flip(dw + (ptrdiff_t)c * O, (ptrdiff_t)C * O, taps, O, job->dw + (ptrdiff_t)c * taps,
                           (ptrdiff_t)C * taps, 0);
}

static const gfi_kernels *gfi_kernels_best(void);               // the fastest that this machine can run
static const gfi_kernels *gfi_kernels_named(const char *name);  // NULL where this machine has none of that name

// From here to the kernels code is long, and a training step spends next to no time in it: the loops that matter are
// the kernels'. So, where optimisation is on at all, compiling it fast is worth more than optimising it hard.
#if defined(__OPTIMIZE__) && defined(__clang__)
#pragma clang attribute push(__attribute__((noinline)), apply_to = function)
#elif defined(__OPTIMIZE__) && defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("O1")
#endif

// ---------------------------------------------------------------------------------------------------------------------
// [GF:ACT] Activation functions
// ---------------------------------------------------------------------------------------------------------------------
// gfi_act_eval is all there is to know: one case an activation, value and derivative side by side. The fast versions
// are in [GF:KERNEL]; the tests hold them against this one. Next to read: gfi_act_layer_backward, which uses φ'.

#define GFI_SELU_ALPHA 1.6732632423543772848  // Klambauer et al. 2017: mean 0, variance 1 is a fixed point
#define GFI_SELU_SCALE 1.0507009873554804935

static double gfi_act_sigmoid_of(double z) {  // e^-|z| cannot overflow
    double e = exp(-fabs(z));
    return z < 0 ? e / (1 + e) : 1 / (1 + e);
}

static double gfi_act_gated(double z, double gate) { return gate == 0 ? 0 : z * gate; }  // 0 at -∞, where -∞·0 is NaN

// φ(z), and φ'(z) in *slope.
static double gfi_act_eval(gf_act act, double z, double *slope) {
    const double p = act.param;
    double s, t;
    *slope = z;
    if (z != z) return z;  // NaN
    switch (act.kind) {
    case GF_ACT_IDENTITY: *slope = 1; return z;
    case GF_ACT_SIGMOID:
        s = gfi_act_sigmoid_of(z);
        *slope = s * gfi_act_sigmoid_of(-z);  // σ(1 - σ), and 1 - σ(z) = σ(-z) has no cancellation
        return s;
    case GF_ACT_TANH:
        t = cosh(z);
        *slope = 1 / (t * t);  // 1 - tanh² without cancellation
        return tanh(z);
    case GF_ACT_RELU: *slope = z > 0 ? 1 : 0; return z > 0 ? z : 0;
    case GF_ACT_LEAKY_RELU:
    case GF_ACT_PRELU: *slope = z > 0 ? 1 : p; return z > 0 ? z : gfi_act_gated(z, p);
    case GF_ACT_ELU: *slope = z > 0 ? 1 : p * exp(z); return z > 0 ? z : p * expm1(z);
    case GF_ACT_SELU:
        *slope = GFI_SELU_SCALE * (z > 0 ? 1 : GFI_SELU_ALPHA * exp(z));
        return GFI_SELU_SCALE * (z > 0 ? z : GFI_SELU_ALPHA * expm1(z));
    case GF_ACT_CELU: *slope = z > 0 ? 1 : exp(z / p); return z > 0 ? z : p * expm1(z / p);
    case GF_ACT_SOFTPLUS: *slope = z > 20 ? 1 : gfi_act_sigmoid_of(z); return z > 20 ? z : log1p(exp(z));
    case GF_ACT_SOFTSIGN:
        t = 1 / (1 + fabs(z));
        *slope = t * t;
        return t == 0 ? copysign(1, z) : z * t;
    case GF_ACT_ARCTAN: *slope = 1 / (1 + z * z); return atan(z);
    case GF_ACT_GELU:
        s = 0.5 * erfc(-z * 0.70710678118654752440);                                       // Φ(z)
        *slope = s + gfi_act_gated(z, 0.39894228040143267794 * exp(-0.5 * z * z));         // N(z)
        return gfi_act_gated(z, s);
    case GF_ACT_GELU_TANH:
        t = 0.79788456080286535588;                                                        // √(2/π)
        s = gfi_act_sigmoid_of(2 * t * (z + 0.044715 * z * z * z));                        // ½(1 + tanh u) = σ(2u)
        *slope = s + gfi_act_gated(z * 2 * t * (1 + 3 * 0.044715 * z * z), s * (1 - s));
        return gfi_act_gated(z, s);
    case GF_ACT_SILU:
        s = gfi_act_sigmoid_of(p * z);
        *slope = s + gfi_act_gated(p * z, s * gfi_act_sigmoid_of(-p * z));
        return gfi_act_gated(z, s);
    case GF_ACT_MISH:
        t = tanh(z > 20 ? z : log1p(exp(z)));
        *slope = t + gfi_act_gated(z, (1 - t * t) * gfi_act_sigmoid_of(z));
        return gfi_act_gated(z, t);
    case GF_ACT_TELU:
        if (z > 10) {  // tanh(e^10) is 1; further on e^z overflows and ∞·0 is NaN
            *slope = 1;
            return z;
        }
        t = tanh(exp(z));
        *slope = t + gfi_act_gated(z, exp(z) * (1 - t * t));
        return gfi_act_gated(z, t);
    case GF_ACT_HARD_SIGMOID:
        *slope = z > -3 && z < 3 ? 1.0 / 6 : 0;
        return z <= -3 ? 0 : z >= 3 ? 1 : (z + 3) / 6;
    case GF_ACT_HARD_TANH:
        *slope = z > -1 && z < 1 ? 1 : 0;
        return z <= -1 ? -1 : z >= 1 ? 1 : z;
    case GF_ACT_HARD_SWISH:
        *slope = z < -3 ? 0 : z < 3 ? z / 3 + 0.5 : 1;
        return z <= -3 ? 0 : z >= 3 ? z : z * (z + 3) / 6;
    case GF_ACT_RELU6:
        *slope = z > 0 && z < 6 ? 1 : 0;
        return z <= 0 ? 0 : z >= 6 ? 6 : z;
    case GF_ACT_CUSTOM:
        if (!act.value || !act.derivative) break;
        *slope = act.derivative(z);
        return act.value(z);
    case GF_ACT_COUNT: break;
    }
    gfi_fail(GF_ERROR_ARGUMENT, "gf_act_value: kind %d%s; take one of gf_act_kind or gf_act_custom with two functions",
             (int)act.kind, act.kind == GF_ACT_CUSTOM ? " (custom) lacks a function" : " is no activation");
    return *slope = NAN;
}

GFDEF double gf_act_value(gf_act act, double z) {
    double slope;
    return gfi_act_eval(act, z, &slope);
}

GFDEF double gf_act_derivative(gf_act act, double z) {
    double slope;
    (void)gfi_act_eval(act, z, &slope);
    return slope;
}

GFDEF const gf_act_properties *gf_act_describe(gf_act_kind kind) {
    static const gf_act_properties table[] = {
#define GFI_ACT_ROW(kind, name, param, kinks, kink1, kink2, formula, derivative, source) \
    {name, param, kinks, {kink1, kink2}, formula, derivative, source},
        GF_ACT_LIST(GFI_ACT_ROW)
#undef GFI_ACT_ROW
        {"?", 0, 0, {0, 0}, "", "", ""}};
    return &table[(int)kind >= 0 && kind < GF_ACT_COUNT ? kind : GF_ACT_COUNT];
}

GFDEF const char *gf_act_name(gf_act_kind kind) { return gf_act_describe(kind)->name; }
GFDEF gf_act gf_act_default(gf_act_kind kind) { return gf_act_with(kind, gf_act_describe(kind)->param); }

GFDEF gf_act gf_act_with(gf_act_kind kind, double param) {
    gf_act act;
    act.kind = kind, act.param = param;
    act.value = act.derivative = NULL;
    act.name = gf_act_name(kind);
    return act;
}

GFDEF gf_act gf_act_custom(const char *name, double (*value)(double z), double (*derivative)(double z)) {
    gf_act act = gf_act_default(GF_ACT_CUSTOM);
    act.name = name ? name : act.name;
    act.value = value, act.derivative = derivative;
    return act;
}

// The names to choose from, for messages.
#define GFI_ACT_LISTED(kind, name, param, kinks, kink1, kink2, formula, derivative, source) " " name
static const char gfi_act_names[] = GF_ACT_LIST(GFI_ACT_LISTED) ", with a parameter like leaky_relu_0.2";
#undef GFI_ACT_LISTED

GFDEF int gf_act_from_name(const char *name, gf_act *out) {
    size_t best = 0;
    int i, negative, kind = -1;
    double param;
    if (!name || !out) return gfi_unknown("gf_act_from_name", name, out, gfi_act_names), 0;
    for (i = 0; i <= (int)GF_ACT_CUSTOM; i++) {  // the longest name that begins the text: "gelu_tanh", not "gelu"
        const char *known = i < (int)GF_ACT_CUSTOM ? gf_act_name((gf_act_kind)i) : "swish";
        size_t length = strlen(known);
        if (length <= best || strncmp(name, known, length) != 0) continue;
        if (name[length] != '\0' && name[length] != '_') continue;
        best = length, kind = i < (int)GF_ACT_CUSTOM ? i : (int)GF_ACT_SILU;
    }
    if (kind < 0) return gfi_unknown("gf_act_from_name", name, out, gfi_act_names), 0;
    if (name[best] == '\0') {
        *out = gf_act_default((gf_act_kind)kind);
        return 1;
    }
    negative = name[best + 1] == '-';  // after the underscore
    if (!gfi_parse_decimal(name + best + 1 + negative, &param))
        return gfi_unknown("gf_act_from_name", name, out, gfi_act_names), 0;
    *out = gf_act_with((gf_act_kind)kind, negative ? -param : param);
    return 1;
}

GFDEF int gf_act_saturated(gf_act act, double z) {
    double h = gf_act_value(act, z), start = gf_act_value(act, 0);
    double limit = gf_act_value(act, z < 0 ? -HUGE_VAL : HUGE_VAL);
    switch (act.kind) {
    case GF_ACT_RELU:
    case GF_ACT_LEAKY_RELU:
    case GF_ACT_PRELU: return z <= 0;
    case GF_ACT_RELU6: return z <= 0 || h > 0.95 * 6;
    case GF_ACT_SIGMOID:
    case GF_ACT_HARD_SIGMOID: return h < 0.05 || h > 0.95;
    case GF_ACT_GELU:
    case GF_ACT_GELU_TANH:
    case GF_ACT_SILU:
    case GF_ACT_MISH:
    case GF_ACT_TELU:
    case GF_ACT_HARD_SWISH: return z < 0 ? h > 0.05 * z : h < 0.05 * z;
    default: return fabs(limit) < HUGE_VAL && fabs(h - start) > 0.95 * fabs(limit - start);
    }
}

// The z at which gf_act_saturated turns true on one side (-1: left, +1: right); that side's infinity if it never does.
static double gfi_act_threshold(gf_act act, double side) {
    double out = side * 1e6, in = 1;
    int i;
    if (!gf_act_saturated(act, out)) return side * HUGE_VAL;
    for (i = 0; i < 40 && gf_act_saturated(act, in); i++) in *= -0.5;  // 1, -1/2, 1/4, …: some z that is not
    if (gf_act_saturated(act, in)) return 0;  // a step: saturated everywhere
    for (i = 0; i < 100; i++) {
        double middle = 0.5 * (in + out);
        if (gf_act_saturated(act, middle)) out = middle;
        else in = middle;
    }
    return fabs(out) < 1e-12 ? 0 : out;
}

static double gfi_act_search(gf_act act, double z, int what) {  // what is to be made large: 0: φ, 1: -φ, 2: |φ'|
    return what == 0 ? gf_act_value(act, z) : what == 1 ? -gf_act_value(act, z) : fabs(gf_act_derivative(act, z));
}

// The maximum of gfi_act_search over [-30, 30]: the best of a grid, nearest to 0 first, then golden section around it.
static double gfi_act_maximum(gf_act act, int what, double *at) {
    const double step = 1.0 / 64, golden = 0.61803398874989485;
    double best = gfi_act_search(act, 0, what), low, high;
    int i;
    *at = 0;
    for (i = 2; i < 2 * 1920 + 2; i++) {
        double z = (i & 1 ? -step : step) * (i / 2), found = gfi_act_search(act, z, what);
        if (found > best) best = found, *at = z;
    }
    low = *at - step, high = *at + step;
    for (i = 0; i < 60; i++) {
        double a = high - golden * (high - low), b = low + golden * (high - low);
        if (gfi_act_search(act, a, what) > gfi_act_search(act, b, what)) high = b;
        else low = a;
    }
    if (gfi_act_search(act, low, what) > best) *at = low, best = gfi_act_search(act, low, what);
    return best;
}

GFDEF gf_act_info gf_act_measure(gf_act act) {
    const gf_act_properties *properties = gf_act_describe(act.kind);
    double left = gf_act_value(act, -HUGE_VAL), right = gf_act_value(act, HUGE_VAL), at;
    gf_act_info info;
    int i;
    info.upper = gfi_act_maximum(act, 0, &at), info.lower = -gfi_act_maximum(act, 1, &at);
    if (left < info.lower) info.lower = left;
    if (left > info.upper) info.upper = left;
    if (right < info.lower) info.lower = right;
    if (right > info.upper) info.upper = right;
    info.slope_max = gfi_act_maximum(act, 2, &info.slope_max_at);
    info.smooth = info.monotone = info.zero_centred = 1;
    for (i = 0; i < properties->kink_count; i++) {
        double before = gf_act_derivative(act, properties->kinks[i] - 1e-9);
        if (!(fabs(gf_act_derivative(act, properties->kinks[i] + 1e-9) - before) < 1e-6)) info.smooth = 0;
    }
    for (i = -1920; i <= 1920; i++) {
        double z = i / 64.0, h = gf_act_value(act, z);
        if (!(gf_act_derivative(act, z) >= 0)) info.monotone = 0;
        if (!(fabs(gf_act_value(act, -z) + h) <= 1e-12 * (1 + fabs(h)))) info.zero_centred = 0;
    }
    info.saturates_left = fabs(left) < HUGE_VAL, info.saturates_right = fabs(right) < HUGE_VAL;
    info.saturated_below = gfi_act_threshold(act, -1), info.saturated_above = gfi_act_threshold(act, 1);
    return info;
}

GFDEF int gf_act_flat(gf_act act, const gf_act_info *info, double z) {
    return info && fabs(gf_act_derivative(act, z)) < 0.01 * info->slope_max;
}

GFDEF void gf_act_forward(gf_act act, const gf_real *z, gf_real *h, size_t n) {
    if (z && h) gfi_kernels_best()->act_forward(act, z, h, NULL, n);
}

GFDEF void gf_act_backward(gf_act act, const gf_real *z, const gf_real *dh, gf_real *dz, size_t n) {
    if (z && dh && dz) gfi_kernels_best()->act_backward(act, z, NULL, dh, dz, n);
}

// Does forward hand φ' on to backward (1), or is it cheaper to find it from z again (0: piecewise linear)?
static int gfi_act_stores_slope(gf_act_kind kind) {
    switch (kind) {
    case GF_ACT_IDENTITY:
    case GF_ACT_RELU:
    case GF_ACT_LEAKY_RELU:
    case GF_ACT_PRELU:
    case GF_ACT_RELU6:
    case GF_ACT_HARD_TANH:
    case GF_ACT_HARD_SIGMOID:
    case GF_ACT_HARD_SWISH: return 0;
    default: return 1;
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// [GF:INIT] Initialisers
// ---------------------------------------------------------------------------------------------------------------------
// Element i of tensor t is a function of (seed, t, i): two nets with one seed start from the same weights even when
// their activations or norms differ, so that what is compared is the activation and not the luck of the draw.

static const char *const gfi_init_names[GF_INIT_COUNT] = {
    "default", "xavier", "xavier_uniform", "kaiming", "kaiming_uniform", "lecun", "orthogonal", "normal", "constant"};

GFDEF gf_init gf_init_with(gf_init_kind kind, double gain) {
    gf_init init;
    init.kind = kind, init.gain = gain;
    return init;
}

GFDEF gf_init gf_init_default(void) { return gf_init_with(GF_INIT_DEFAULT, 1); }
GFDEF gf_init gf_init_kaiming(void) { return gf_init_with(GF_INIT_KAIMING_NORMAL, sqrt(2.0)); }
GFDEF gf_init gf_init_xavier(double gain) { return gf_init_with(GF_INIT_XAVIER_NORMAL, gain); }
GFDEF gf_init gf_init_zero(void) { return gf_init_with(GF_INIT_CONSTANT, 0); }

GFDEF const char *gf_init_name(gf_init_kind kind) {
    return (int)kind >= 0 && kind < GF_INIT_COUNT ? gfi_init_names[kind] : "?";
}

// The initialiser that a whole name stands for; 0 when it is none.
static int gfi_init_parse(const char *name, gf_init *init) {
    int kind, best = -1;
    size_t best_length = 0;
    for (kind = 0; kind < GF_INIT_COUNT; kind++) {  // the longest name that starts the text
        size_t length = strlen(gfi_init_names[kind]);
        if (length > best_length && strncmp(name, gfi_init_names[kind], length) == 0) best = kind, best_length = length;
    }
    if (best < 0) return 0;
    name += best_length;
    if (strncmp(name, "_normal", 7) == 0 && best != GF_INIT_NORMAL) name += 7;
    *init = gf_init_with((gf_init_kind)best, 1);
    if (best == GF_INIT_KAIMING_NORMAL || best == GF_INIT_KAIMING_UNIFORM) init->gain = sqrt(2.0);
    return *name == '_' ? gfi_parse_decimal(name + 1, &init->gain) : *name == '\0';
}

GFDEF int gf_init_from_name(const char *name, gf_init *out) {
    gf_init init;
    if (!name || !out || !gfi_init_parse(name, &init)) {
        gfi_unknown("gf_init_from_name", name, out,
                    " default xavier xavier_uniform kaiming kaiming_uniform lecun orthogonal normal constant, with a "
                    "gain like xavier_0.5");
        return 0;
    }
    *out = init;
    return 1;
}

// Make the rows of w[rows, cols], rows ≤ cols, orthonormal by Gram-Schmidt, each projected twice against rounding.
// Element (r, c) stands at w[r·row_step + c·col_step].
static void gfi_orthonormalise(gf_real *w, int rows, int cols, size_t row_step, size_t col_step) {
    int r, q, c, pass;
    for (r = 0; r < rows; r++) {
        gf_real *row = w + (size_t)r * row_step;
        double norm = 0;
        for (pass = 0; pass < 2; pass++)
            for (q = 0; q < r; q++) {
                const gf_real *other = w + (size_t)q * row_step;
                double dot = 0;
                for (c = 0; c < cols; c++)
                    dot += (double)row[(size_t)c * col_step] * (double)other[(size_t)c * col_step];
                for (c = 0; c < cols; c++)
                    row[(size_t)c * col_step] -= (gf_real)(dot * (double)other[(size_t)c * col_step]);
            }
        for (c = 0; c < cols; c++) norm += (double)row[(size_t)c * col_step] * (double)row[(size_t)c * col_step];
        norm = sqrt(norm);
        for (c = 0; c < cols; c++) row[(size_t)c * col_step] = (gf_real)((double)row[(size_t)c * col_step] / norm);
    }
}

// The rows of w[rows, cols], or its columns where these are fewer, made orthonormal, times gain.
static void gfi_init_orthogonal(gf_real *w, int rows, int cols, double gain) {
    size_t i, n = (size_t)rows * (size_t)cols;
    if (rows <= cols) gfi_orthonormalise(w, rows, cols, (size_t)cols, 1);
    else gfi_orthonormalise(w, cols, rows, 1, (size_t)cols);
    for (i = 0; i < n; i++) w[i] = (gf_real)((double)w[i] * gain);
}

// Standard deviation (normal kinds) that an initialiser asks for; its uniform twin has the bound √3 times that.
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

GFDEF gf_status gf_init_fill(gf_init init, gf_real *w, size_t n, int fan_in, int fan_out, uint64_t seed,
                             uint64_t stream) {
    int uniform =
        init.kind == GF_INIT_DEFAULT || init.kind == GF_INIT_XAVIER_UNIFORM || init.kind == GF_INIT_KAIMING_UNIFORM;
    double std;
    size_t i;
    if (!w || fan_in < 1 || fan_out < 1 || (int)init.kind < 0 || init.kind >= GF_INIT_COUNT ||
        init.gain != init.gain)
        return gfi_fail(GF_ERROR_ARGUMENT,
                        "gf_init_fill: w is %s, fan_in %d, fan_out %d, kind %d, gain %g; needs an array, fans of at "
                        "least 1, a kind of gf_init_kind and a gain that is a number",
                        w ? "given" : "NULL", fan_in, fan_out, (int)init.kind, init.gain);
    std = gfi_init_std(init, fan_in, fan_out);
    for (i = 0; i < n; i++) {
        if (init.kind == GF_INIT_CONSTANT) w[i] = (gf_real)init.gain;
        else if (uniform) w[i] = (gf_real)(std * sqrt(3.0) * (2 * gf_random_uniform(seed, stream, i) - 1));
        else w[i] = (gf_real)((init.kind == GF_INIT_ORTHOGONAL ? 1 : std) * gf_random_normal(seed, stream, i));
    }
    if (init.kind == GF_INIT_ORTHOGONAL && n == (size_t)fan_in * (size_t)fan_out)  // w[O,I]; a bias stays as drawn
        gfi_init_orthogonal(w, fan_out, fan_in, init.gain);
    return GF_OK;
}

// ---------------------------------------------------------------------------------------------------------------------
// [GF:LAYER] Layers
// ---------------------------------------------------------------------------------------------------------------------
// Every kind of layer is four things that stand together below: forward, backward, their entry in a gfi_layer_kind, and
// the public function that plans it: checks the input's shape, says the output's, declares parameters. The network's
// core knows nothing else of it.
// Backward is the chain rule read from right to left: a layer y = f(x; w) receives dy = ∂L/∂y and gives
//     dx = (∂y/∂x)ᵀ·dy  to the layer before it      dw = (∂y/∂w)ᵀ·dy  to the optimiser.

typedef struct gfi_layer gfi_layer;

typedef struct gfi_layer_kind {
    const char *name;                                     // layers are called name1, name2, …
    void (*forward)(gf_net *net, gfi_layer *layer);       // x → y (and whatever backward will need into save)
    void (*backward)(gf_net *net, gfi_layer *layer);      // dy → dx, unless dx is NULL, and the parameters' gradients
    uint64_t (*branch)(gf_net *net, gfi_layer *layer);    // hash of the sides of kinks taken by the batch; NULL: smooth
    int affine;                                           // 1: a z = W·h + b layer, one of the L that probes number
} gfi_layer_kind;

struct gfi_layer {
    const gfi_layer_kind *kind;
    char name[24];
    gf_shape in, out;
    size_t in_size, out_size;      // of one sample
    int tensor, tensors;           // its parameters: the first one's index and their number
    const gf_real *x;              // [B, in]   input: the output of the layer before
    gf_real *y, *y_buffer;         // [B, out]  output; y may be x itself where a layer only passes on
    gf_real *dy, *dx;              // [B, out], [B, in]   dx is the dy of the layer before
    int in_place;                  // backward overwrites dy with dx
    double squares;                // Σ dy², below 0 while nobody has asked
    gf_real *save;                 // [B, save_size] kept for backward: φ'(z), dropout's mask, a skip's gradient
    size_t save_size;
    double *channel;               // [channel_size] per-channel (or per-sample) statistics of norms
    size_t channel_size;
    int saved;                     // save is valid for the last forward
    int ordinal;                   // of affine layers, from 1: their stream of random weights
    int mark;                      // index of the layer that a skip starts from
    gf_window window;              // conv, pools; a projected skip's strides
    gf_act act;                    // activation layers
    gf_act_info act_info;          // when probed
    double rate;                   // dropout's p
    int normalised;                // batch norm: the batch's own statistics (1) or the running ones (0) made y
    gf_init weight_init, bias_init;
};

typedef struct gfi_tensor {
    gf_tensor view;
    char name[40];
    gf_init init;
    int fan_in, fan_out, trained;      // trained 0: a running statistic
    uint64_t stream;
    double squares;                    // Σ grad², below 0 while nobody has asked
} gfi_tensor;

enum { GFI_NEW, GFI_BUILT, GFI_FORWARDED, GFI_LOSS_TAKEN, GFI_BACKWARDED };  // what has been called so far

struct gf_net {
    gf_shape input;
    int max_batch, threads, want_input_grad, no_bias;
    uint64_t seed;
    gf_init weight_init, bias_init;    // for the affine layers to come
    unsigned probe;                    // GF_PROBE_… bits
    gf_status status;
    char message[GFI_MESSAGE_SIZE];

    gfi_layer *layers;
    int layer_count, layer_capacity, affine_count;
    gfi_tensor *tensors;
    int tensor_count, tensor_capacity;
    size_t param_count, state_count;   // trained parameters; running statistics

    unsigned char *memory;             // the one allocation that everything below points into
    size_t bytes;
    gf_real *params, *grads, *state;
    gf_real *input_grad, *sample;      // [B, I]: ∂L/∂x; the input of gf_net_evaluate
    gf_real *workspace;                // of the matrix multiply and the convolution
    double *row_loss;                  // [B]
    const struct gfi_kernels *kernels;

    int phase, batch, correct;
    gf_mode mode;
    int frozen;                        // gradient check: running statistics stay as they are
    long step;

    gf_layer_probe *probes;            // [affine_count]
    gf_real *probe_scratch;            // [B · widest layer]
    int measured;                      // the next step records update ratios
    unsigned char *alive;              // [unit_count]: 1 where a unit (channel) of an affine layer was seen with z > 0
    size_t unit_count;
    int dead_counting, dead_seen;
    gf_nonfinite nonfinite;
};

static void gfi_dead_count(gf_net *net);
static gf_status gfi_net_fail(gf_net *net, gf_status status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

// Keep the first error of a net, with its text.
static gf_status gfi_net_fail(gf_net *net, gf_status status, const char *format, ...) {
    char message[GFI_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    gfi_vprint(message, sizeof message, format, args);
    va_end(args);
    gfi_fail(status, "%s", message);
    if (net && net->status == GF_OK) {
        net->status = status;
        memcpy(net->message, message, sizeof message);
    }
    return status;
}

// May this call go on? Needs a net without an error that has got at least as far as `phase`.
static int gfi_ready(gf_net *net, int phase, const char *function) {
    static const char *const needs[] = {"", "gf_net_build", "gf_net_forward", "a loss (gf_loss_…)", "gf_net_backward"};
    if (!net) return gfi_fail(GF_ERROR_ARGUMENT, "%s: net is NULL; make one with gf_net_create", function), 0;
    if (net->status != GF_OK) return 0;
    if (net->phase < phase)
        return gfi_net_fail(net, GF_ERROR_ORDER, "%s: came before %s; call that first", function,
                            needs[net->phase + 1]),
               0;
    return 1;
}

// Make room for one more element of an array of `count`; NULL when memory is out (the array is then as it was).
static void *gfi_grow(void *array, int count, int *capacity, size_t size) {
    int wanted = *capacity ? 2 * *capacity : 16;
    void *grown;
    if (count < *capacity) return array;
    grown = (size_t)wanted > SIZE_MAX / size ? NULL : GF_REALLOC(array, (size_t)wanted * size);
    if (grown) *capacity = wanted;
    return grown;
}

static gf_shape gfi_current_shape(const gf_net *net) {
    return net->layer_count ? net->layers[net->layer_count - 1].out : net->input;
}

// Append a layer whose output has the shape of its input; NULL, with the net's error set, when that is not possible.
// `base` is its name without number.
static gfi_layer *gfi_add_layer(gf_net *net, const gfi_layer_kind *kind, const char *base) {
    gfi_layer *layer;
    void *grown;
    int i, number = 1;
    size_t length = strlen(base);
    if (!gfi_ready(net, GFI_NEW, base)) return NULL;
    if (net->phase != GFI_NEW)
        return gfi_net_fail(net, GF_ERROR_ORDER, "%s: added after gf_net_build; add all layers first", base),
               (gfi_layer *)0;
    grown = gfi_grow(net->layers, net->layer_count, &net->layer_capacity, sizeof *layer);
    if (!grown)
        return gfi_net_fail(net, GF_ERROR_MEMORY, "%s: out of memory for layer %d", base, net->layer_count + 1),
               (gfi_layer *)0;
    net->layers = (gfi_layer *)grown;
    for (i = 0; i < net->layer_count; i++)
        if (strncmp(net->layers[i].name, base, length) == 0 && net->layers[i].name[length] <= '9') number++;
    layer = &net->layers[net->layer_count];
    memset(layer, 0, sizeof *layer);
    gfi_print(layer->name, sizeof layer->name, "%s%d", base, number);
    layer->kind = kind;
    layer->in = layer->out = gfi_current_shape(net);
    layer->in_size = layer->out_size = gf_shape_size(layer->in);
    layer->tensor = net->tensor_count;
    layer->weight_init = net->weight_init, layer->bias_init = net->bias_init;
    net->layer_count++;
    return layer;
}

// A layer that failed its plan does not stay: the net keeps its shape and its error.
static void gfi_drop_layer(gf_net *net) { net->layer_count--; }

static void gfi_set_output(gfi_layer *layer, gf_shape out) {
    layer->out = out;
    layer->out_size = gf_shape_size(out);
}

// Declare a parameter tensor of the newest layer. `trained` 0: a running statistic, kept with the state.
static void gfi_declare(gf_net *net, gfi_layer *layer, const char *part, int rank, const int *dims, int trained,
                        gf_init init, int fan_in, int fan_out, uint64_t stream) {
    gfi_tensor *tensor;
    size_t size = 1, *total = trained ? &net->param_count : &net->state_count;
    int i;
    if (net->status != GF_OK) return;
    void *grown = gfi_grow(net->tensors, net->tensor_count, &net->tensor_capacity, sizeof *tensor);
    if (grown) net->tensors = (gfi_tensor *)grown;
    for (i = 0; i < rank && size > 0; i++) size = (size_t)dims[i] > SIZE_MAX / 16 / size ? 0 : size * (size_t)dims[i];
    if (!grown || size == 0 || *total > SIZE_MAX / 16 - size) {
        gfi_net_fail(net, GF_ERROR_MEMORY, "%s: out of memory for its %s; make the layer smaller", layer->name, part);
        return;
    }
    tensor = &net->tensors[net->tensor_count++];
    memset(tensor, 0, sizeof *tensor);
    gfi_print(tensor->name, sizeof tensor->name, "%s.%s", layer->name, part);
    tensor->view.rank = rank;
    for (i = 0; i < rank; i++) tensor->view.dims[i] = dims[i];
    tensor->view.size = size;
    tensor->view.offset = *total;
    tensor->init = init, tensor->fan_in = fan_in, tensor->fan_out = fan_out, tensor->stream = stream;
    tensor->trained = trained;
    *total += size;
    layer->tensors++;
}

static gf_tensor *gfi_param(gf_net *net, const gfi_layer *layer, int i) {
    return &net->tensors[layer->tensor + i].view;
}

// A matrix [rows, cols] as data and two strides, so that a transpose costs nothing.
typedef struct gfi_matrix {
    const gf_real *data;
    size_t rows, cols;
    ptrdiff_t row_step, col_step;
} gfi_matrix;

static gfi_matrix gfi_view(const gf_real *data, size_t rows, size_t cols) {
    gfi_matrix matrix;
    matrix.data = data, matrix.rows = rows, matrix.cols = cols;
    matrix.row_step = (ptrdiff_t)cols, matrix.col_step = 1;
    return matrix;
}

static gfi_matrix gfi_transposed(gfi_matrix a) {
    gfi_matrix t;
    t.data = a.data, t.rows = a.cols, t.cols = a.rows, t.row_step = a.col_step, t.col_step = a.row_step;
    return t;
}

// c[m,n] = a[m,k]·b[k,n] + bias[n] (bias may be NULL), or c += a·b
static void gfi_product(gf_net *net, gf_real *c, gfi_matrix a, gfi_matrix b, const gf_real *bias, int accumulate) {
    gfi_matmul job;
    GF_ASSERT(a.cols == b.rows);
    memset(&job, 0, sizeof job);
    job.m = (int)a.rows, job.n = (int)b.cols, job.k = (int)a.cols;
    job.a = a.data, job.a_row = a.row_step, job.a_col = a.col_step;
    job.b = b.data, job.b_row = b.row_step, job.b_col = b.col_step;
    job.c = c, job.c_row = (ptrdiff_t)b.cols;
    job.bias = bias, job.accumulate = accumulate;
    job.threads = net->threads, job.workspace = net->workspace;
    net->kernels->matmul(&job);
}

#define GFI_SLOPE_BYTES ((size_t)1 << 20)  // the most that an activation layer keeps of φ'(z) from forward to backward

// Elementwise work is cut into pieces of one fixed length, so that the bits do not depend on the number of threads.
enum { GFI_PIECE = 8192 };

static size_t gfi_piece(size_t n, size_t start) { return n - start < GFI_PIECE ? n - start : (size_t)GFI_PIECE; }

// --- dense: z[B,O] = h[B,I]·Wᵀ + b ---

static void gfi_dense_forward(gf_net *net, gfi_layer *layer) {
    const gf_real *w = gfi_param(net, layer, 0)->value,
                  *b = layer->tensors > 1 ? gfi_param(net, layer, 1)->value : NULL;
    size_t batch = (size_t)net->batch, I = layer->in_size, O = layer->out_size;
    gfi_product(net, layer->y, gfi_view(layer->x, batch, I), gfi_transposed(gfi_view(w, O, I)), b, 0);
}

// z_bo = Σ_i h_bi·w_oi + b_o, so by the chain rule
//     dw_oi = Σ_b dz_bo·h_bi        db_o = Σ_b dz_bo        dh_bi = Σ_o dz_bo·w_oi
static void gfi_dense_backward(gf_net *net, gfi_layer *layer) {
    gf_tensor *w = gfi_param(net, layer, 0);
    size_t batch = (size_t)net->batch, I = layer->in_size, O = layer->out_size;
    gfi_matrix dz = gfi_view(layer->dy, batch, O);
    gfi_product(net, w->grad, gfi_transposed(dz), gfi_view(layer->x, batch, I), NULL, 0);
    if (layer->tensors > 1)
        net->kernels->column_sums(layer->dy, net->batch, (int)O, (ptrdiff_t)O, gfi_param(net, layer, 1)->grad, 0);
    if (layer->dx) gfi_product(net, layer->dx, dz, gfi_view(w->value, O, I), NULL, 0);
}

static const gfi_layer_kind gfi_dense = {"dense", gfi_dense_forward, gfi_dense_backward, NULL, 1};

// Weight [out, fan…] and bias [out] of an affine layer, with its ordinal's streams of random numbers.
static void gfi_declare_affine(gf_net *net, gfi_layer *layer, int rank, const int *dims, int fan_in, int fan_out) {
    uint64_t stream;
    layer->ordinal = ++net->affine_count;
    stream = 256 * (uint64_t)layer->ordinal;
    gfi_declare(net, layer, "weight", rank, dims, 1, layer->weight_init, fan_in, fan_out, stream + GF_STREAM_WEIGHT);
    if (!net->no_bias)
        gfi_declare(net, layer, "bias", 1, dims, 1, layer->bias_init, fan_in, fan_out, stream + GF_STREAM_BIAS);
}

GFDEF void gf_net_dense(gf_net *net, int outputs) {
    gfi_layer *layer = gfi_add_layer(net, &gfi_dense, "dense");
    int dims[2];
    if (!layer) return;
    if (outputs < 1) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "layer %d dense: %d outputs; needs at least 1", net->layer_count, outputs);
        gfi_drop_layer(net);
        return;
    }
    if (layer->in_size > INT32_MAX) {
        gfi_net_fail(net, GF_ERROR_SHAPE, "layer %d dense: an input of %lu values is too large; pool or crop before it",
                     net->layer_count, (unsigned long)layer->in_size);
        gfi_drop_layer(net);
        return;
    }
    gfi_set_output(layer, gf_vector(outputs));
    dims[0] = outputs, dims[1] = (int)layer->in_size;
    gfi_declare_affine(net, layer, 2, dims, dims[1], outputs);
}

// --- activation: h = φ(z) elementwise, so dz = dh·φ'(z) ---

static const char *gfi_act_label(gf_act act) {
    return act.kind == GF_ACT_CUSTOM && act.name ? act.name : gf_act_name(act.kind);
}

static gf_act gfi_layer_act(gf_net *net, const gfi_layer *layer) {
    gf_act act = layer->act;
    if (act.kind == GF_ACT_PRELU) act.param = (double)gfi_param(net, layer, 0)->value[0];
    return act;
}

static void gfi_act_layer_forward(gf_net *net, gfi_layer *layer) {
    gf_act act = gfi_layer_act(net, layer);
    size_t n = (size_t)net->batch * layer->out_size;
    long piece, pieces = (long)((n + GFI_PIECE - 1) / GFI_PIECE);
    layer->saved = layer->save && net->mode == GF_TRAIN;  // φ' is nearly free while e^z is at hand
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static) if (pieces > 1)
#endif
    for (piece = 0; piece < pieces; piece++) {
        size_t start = (size_t)piece * GFI_PIECE;
        net->kernels->act_forward(act, layer->x + start, layer->y + start, layer->saved ? layer->save + start : NULL,
                                  gfi_piece(n, start));
    }
}

static void gfi_act_layer_backward(gf_net *net, gfi_layer *layer) {
    gf_act act = gfi_layer_act(net, layer);
    size_t n = (size_t)net->batch * layer->out_size;
    long piece, pieces = (long)((n + GFI_PIECE - 1) / GFI_PIECE);
    if (act.kind == GF_ACT_PRELU)  // h = a·z where z < 0: da = Σ dh·z over those
        gfi_param(net, layer, 0)->grad[0] = (gf_real)net->kernels->prelu_grad(layer->x, layer->dy, n);
    if (!layer->dx) return;
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static) if (pieces > 1)
#endif
    for (piece = 0; piece < pieces; piece++) {
        size_t start = (size_t)piece * GFI_PIECE;
        net->kernels->act_backward(act, layer->x + start, layer->saved ? layer->save + start : NULL, layer->dy + start,
                                   layer->dx + start, gfi_piece(n, start));
    }
}

// Mix one more fact into a hash of branches taken.
static uint64_t gfi_branch_mix(uint64_t hash, uint64_t fact) { return gf_random_bits(hash, fact, 0); }

static uint64_t gfi_act_layer_branch(gf_net *net, gfi_layer *layer) {
    const gf_act_properties *properties = gf_act_describe(layer->act.kind);
    size_t i, n = (size_t)net->batch * layer->out_size;
    uint64_t hash = 0;
    int k, side;
    for (i = 0; i < n; i++) {
        for (k = side = 0; k < properties->kink_count; k++) side += (double)layer->x[i] > properties->kinks[k];
        hash = hash * 3 + (uint64_t)side;
        if (i % 32 == 31) hash = gfi_branch_mix(hash, i);
    }
    return gfi_branch_mix(hash, n);
}

static const gfi_layer_kind gfi_activation = {"act", gfi_act_layer_forward, gfi_act_layer_backward,
                                              gfi_act_layer_branch, 0};

GFDEF void gf_net_activation(gf_net *net, gf_act act) {
    gfi_layer *layer;
    int one = 1;
    if ((int)act.kind < 0 || act.kind >= GF_ACT_COUNT) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_activation: kind %d is not one of gf_act_kind's 0..%d",
                     (int)act.kind, GF_ACT_COUNT - 1);
        return;
    }
    if (act.kind == GF_ACT_CUSTOM && (!act.value || !act.derivative)) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT,
                     "gf_net_activation: a custom activation needs both functions; make it with gf_act_custom");
        return;
    }
    if (!(fabs(act.param) <= DBL_MAX) || (act.kind == GF_ACT_CELU && act.param == 0)) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT,
                     "gf_net_activation: %s with parameter %g; needs a finite one, and celu's not 0",
                     gfi_act_label(act), act.param);
        return;
    }
    layer = gfi_add_layer(net, &gfi_activation, act.kind == GF_ACT_PRELU ? "prelu" : "act");
    if (!layer) return;
    layer->act = act;
    // A stored φ' that is gone from the cache by the time backward wants it saves nothing: large images do without.
    if (gfi_act_stores_slope(act.kind) && layer->out_size <= GFI_SLOPE_BYTES / sizeof(gf_real) / (size_t)net->max_batch)
        layer->save_size = layer->out_size;
    if (act.kind == GF_ACT_PRELU)
        gfi_declare(net, layer, "slope", 1, &one, 1, gf_init_with(GF_INIT_CONSTANT, act.param), 1, 1, 0);
}

GFDEF void gf_net_act(gf_net *net, gf_act_kind kind) { gf_net_activation(net, gf_act_default(kind)); }

// --- convolution (LeCun et al. 1989): one small dense layer, the same at every place of the image ---

GFDEF gf_window gf_window_square(int kernel, int stride, int padding) {
    gf_window window;
    window.kernel_h = window.kernel_w = kernel, window.stride_h = window.stride_w = stride,
    window.padding_h = window.padding_w = padding;
    return window;
}

// Output shape of a window that slides over the layer's input; 0, with the net's error set, when it does not fit.
static int gfi_window_fits(gf_net *net, const gfi_layer *layer, const char *kind, gf_window w, int channels,
                           gf_shape *out) {
    const int most = 1 << 15;
    const gf_shape in = layer->in;
    if (channels < 1 || w.kernel_h < 1 || w.kernel_w < 1 || w.stride_h < 1 || w.stride_w < 1 || w.padding_h < 0 ||
        w.padding_w < 0 || channels > 1 << 24 || w.kernel_h > most || w.kernel_w > most || w.stride_h > most ||
        w.stride_w > most || w.padding_h > most || w.padding_w > most || in.height > 1 << 24 || in.width > 1 << 24)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT,
                            "layer %d %s: %d channels, kernel %dx%d, stride %dx%d, padding %dx%d; channels, kernel and "
                            "stride must be at least 1, padding at least 0, none above %d",
                            net->layer_count, kind, channels, w.kernel_h, w.kernel_w, w.stride_h, w.stride_w,
                            w.padding_h, w.padding_w, most),
               0;
    if (w.kernel_h > in.height + 2 * w.padding_h || w.kernel_w > in.width + 2 * w.padding_w)
        return gfi_net_fail(net, GF_ERROR_SHAPE, "layer %d %s: kernel %dx%d is larger than its %dx%d input; %s",
                            net->layer_count, kind, w.kernel_h, w.kernel_w, in.height, in.width,
                            in.height == 1 && in.width == 1 && net->layer_count == 1
                                ? "create the net with gf_image(channels, height, width)"
                                : "add padding or drop a pool"),
               0;
    *out = gf_image(channels, (in.height + 2 * w.padding_h - w.kernel_h) / w.stride_h + 1,
                    (in.width + 2 * w.padding_w - w.kernel_w) / w.stride_w + 1);
    if (gf_shape_size(*out) == 0)
        return gfi_net_fail(net, GF_ERROR_SHAPE,
                            "layer %d %s: an output of %dx%dx%d is too large; use fewer channels or a larger stride",
                            net->layer_count, kind, out->channels, out->height, out->width),
               0;
    return 1;
}

static gfi_conv gfi_conv_of(const gf_net *net, const gfi_layer *layer) {
    gfi_conv job;
    memset(&job, 0, sizeof job);
    job.kernels = net->kernels, job.batch = net->batch, job.threads = net->threads, job.workspace = net->workspace;
    job.in = layer->in, job.out = layer->out, job.window = layer->window;
    return job;
}

static void gfi_conv_forward(gf_net *net, gfi_layer *layer) {
    gfi_conv job = gfi_conv_of(net, layer);
    job.x = layer->x, job.y = layer->y;
    job.w = gfi_param(net, layer, 0)->value, job.bias = layer->tensors > 1 ? gfi_param(net, layer, 1)->value : NULL;
    net->kernels->conv_forward(&job);
}

// Each product w·h in z gives dw += dz·h and dh += dz·w, at every place that the weight was used: see
// gfi_conv_backward_naive.
static void gfi_conv_backward(gf_net *net, gfi_layer *layer) {
    gfi_conv job = gfi_conv_of(net, layer);
    job.x = layer->x, job.dy = layer->dy, job.dx = layer->dx;
    job.w = gfi_param(net, layer, 0)->value, job.dw = gfi_param(net, layer, 0)->grad;
    job.db = layer->tensors > 1 ? gfi_param(net, layer, 1)->grad : NULL;
    net->kernels->conv_backward(&job);
}

static const gfi_layer_kind gfi_conv2d = {"conv", gfi_conv_forward, gfi_conv_backward, NULL, 1};

GFDEF void gf_net_conv2d_window(gf_net *net, int out_channels, gf_window window) {
    gfi_layer *layer = gfi_add_layer(net, &gfi_conv2d, "conv");
    gf_shape out;
    int dims[4];
    double fan_in, fan_out;
    if (!layer) return;
    if (!gfi_window_fits(net, layer, "conv2d", window, out_channels, &out)) {
        gfi_drop_layer(net);
        return;
    }
    dims[0] = out_channels, dims[1] = layer->in.channels, dims[2] = window.kernel_h, dims[3] = window.kernel_w;
    fan_in = (double)dims[1] * dims[2] * dims[3], fan_out = (double)dims[0] * dims[2] * dims[3];
    if (fan_in > INT32_MAX || fan_out > INT32_MAX) {
        gfi_net_fail(net, GF_ERROR_SHAPE,
                     "layer %d conv2d: %g inputs to a pixel and %g outputs from one are too many; use a smaller kernel",
                     net->layer_count, fan_in, fan_out);
        gfi_drop_layer(net);
        return;
    }
    layer->window = window;
    gfi_set_output(layer, out);
    gfi_declare_affine(net, layer, 4, dims, (int)fan_in, (int)fan_out);
}

GFDEF void gf_net_conv2d(gf_net *net, int out_channels, int kernel, int stride, int padding) {
    gf_net_conv2d_window(net, out_channels, gf_window_square(kernel, stride, padding));
}

// --- pools: each output is the maximum or the mean of a window; the gradient goes back where the value came from ---

static int gfi_pool_is_2x2(const gfi_layer *layer) {
    const gf_window *w = &layer->window;
    return w->kernel_h == 2 && w->kernel_w == 2 && w->stride_h == 2 && w->stride_w == 2;
}

// y and place[OH,OW] of one plane; place = i·KW + j of the maximum.
static void gfi_max_pool_plane(const gfi_layer *layer, const gf_real *x, gf_real *y, gf_real *place) {
    const gf_window *w = &layer->window;
    int r, c, i, j;
    for (r = 0; r < layer->out.height; r++)
        for (c = 0; c < layer->out.width; c++, y++, place++) {
            const gf_real *corner = x + (size_t)(r * w->stride_h) * (size_t)layer->in.width + c * w->stride_w;
            *y = *corner, *place = 0;
            for (i = 0; i < w->kernel_h; i++)
                for (j = 0; j < w->kernel_w; j++) {
                    gf_real value = corner[(size_t)i * (size_t)layer->in.width + (size_t)j];
                    if (value > *y || value != value) *y = value, *place = (gf_real)(i * w->kernel_w + j);
                }
        }
}

static void gfi_max_pool_plane_back(const gfi_layer *layer, const gf_real *dy, const gf_real *place, gf_real *dx) {
    const gf_window *w = &layer->window;
    int r, c;
    memset(dx, 0, gfi_conv_plane(layer->in) * sizeof *dx);
    for (r = 0; r < layer->out.height; r++)
        for (c = 0; c < layer->out.width; c++, dy++, place++) {
            int i = (int)*place / w->kernel_w, j = (int)*place % w->kernel_w;
            dx[(size_t)(r * w->stride_h + i) * (size_t)layer->in.width + (size_t)(c * w->stride_w + j)] += *dy;
        }
}

static void gfi_max_pool_forward(gf_net *net, gfi_layer *layer) {
    const size_t in = gfi_conv_plane(layer->in), out = gfi_conv_plane(layer->out);
    long plane, planes = (long)net->batch * layer->in.channels;
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
    for (plane = 0; plane < planes; plane++) {
        const gf_real *x = layer->x + (size_t)plane * in;
        gf_real *y = layer->y + (size_t)plane * out, *place = layer->save + (size_t)plane * out;
        if (gfi_pool_is_2x2(layer)) net->kernels->max_pool2(x, layer->in.height, layer->in.width, y, place);
        else gfi_max_pool_plane(layer, x, y, place);
    }
}

static void gfi_max_pool_backward(gf_net *net, gfi_layer *layer) {
    const size_t in = gfi_conv_plane(layer->in), out = gfi_conv_plane(layer->out);
    long plane, planes = layer->dx ? (long)net->batch * layer->in.channels : 0;
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
    for (plane = 0; plane < planes; plane++) {
        const gf_real *dy = layer->dy + (size_t)plane * out, *place = layer->save + (size_t)plane * out;
        gf_real *dx = layer->dx + (size_t)plane * in;
        if (gfi_pool_is_2x2(layer)) net->kernels->max_pool2_back(dy, place, layer->in.height, layer->in.width, dx);
        else gfi_max_pool_plane_back(layer, dy, place, dx);
    }
}

// Which value of each window won: where another wins, the maximum has a kink.
static uint64_t gfi_max_pool_branch(gf_net *net, gfi_layer *layer) {
    size_t i, n = (size_t)net->batch * layer->out_size;
    uint64_t hash = 0;
    for (i = 0; i < n; i++) hash = gfi_branch_mix(hash, (uint64_t)layer->save[i]);
    return hash;
}

static const gfi_layer_kind gfi_max_pool = {"max_pool", gfi_max_pool_forward, gfi_max_pool_backward,
                                            gfi_max_pool_branch, 0};

static void gfi_avg_pool_forward(gf_net *net, gfi_layer *layer) {
    const gf_window *w = &layer->window;
    const size_t width = (size_t)layer->in.width, in = gfi_conv_plane(layer->in), out = gfi_conv_plane(layer->out);
    const double area = (double)w->kernel_h * w->kernel_w;
    long plane, planes = (long)net->batch * layer->in.channels;
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
    for (plane = 0; plane < planes; plane++) {
        gf_real *y = layer->y + (size_t)plane * out;
        int r, c, i, j;
        for (r = 0; r < layer->out.height; r++)
            for (c = 0; c < layer->out.width; c++) {
                const gf_real *corner =
                    layer->x + (size_t)plane * in + (size_t)(r * w->stride_h) * width + (size_t)(c * w->stride_w);
                double sum = 0;
                for (i = 0; i < w->kernel_h; i++)
                    for (j = 0; j < w->kernel_w; j++) sum += (double)corner[(size_t)i * width + (size_t)j];
                *y++ = (gf_real)(sum / area);
            }
    }
}

static void gfi_avg_pool_backward(gf_net *net, gfi_layer *layer) {
    const gf_window *w = &layer->window;
    const size_t width = (size_t)layer->in.width, in = gfi_conv_plane(layer->in), out = gfi_conv_plane(layer->out);
    const gf_real share = (gf_real)(1 / ((double)w->kernel_h * w->kernel_w));
    long plane, planes = layer->dx ? (long)net->batch * layer->in.channels : 0;
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
    for (plane = 0; plane < planes; plane++) {
        const gf_real *dy = layer->dy + (size_t)plane * out;
        int r, c, i, j;
        memset(layer->dx + (size_t)plane * in, 0, in * sizeof(gf_real));
        for (r = 0; r < layer->out.height; r++)
            for (c = 0; c < layer->out.width; c++, dy++) {
                gf_real *corner =
                    layer->dx + (size_t)plane * in + (size_t)(r * w->stride_h) * width + (size_t)(c * w->stride_w);
                for (i = 0; i < w->kernel_h; i++)
                    for (j = 0; j < w->kernel_w; j++) corner[(size_t)i * width + (size_t)j] += *dy * share;
            }
    }
}

static const gfi_layer_kind gfi_avg_pool = {"avg_pool", gfi_avg_pool_forward, gfi_avg_pool_backward, NULL, 0};

static void gfi_add_pool(gf_net *net, const gfi_layer_kind *kind, const char *label, gf_window window) {
    gfi_layer *layer = gfi_add_layer(net, kind, kind->name);
    gf_shape out;
    if (!layer) return;
    if (!gfi_window_fits(net, layer, label, window, layer->in.channels, &out)) {
        gfi_drop_layer(net);
        return;
    }
    layer->window = window;
    if (kind == &gfi_max_pool) layer->save_size = gf_shape_size(out);  // the place of each maximum
    gfi_set_output(layer, out);
}

GFDEF void gf_net_max_pool2d(gf_net *net, int kernel, int stride) {
    gfi_add_pool(net, &gfi_max_pool, "max_pool2d", gf_window_square(kernel, stride, 0));
}

GFDEF void gf_net_avg_pool2d(gf_net *net, int kernel, int stride) {
    gfi_add_pool(net, &gfi_avg_pool, "avg_pool2d", gf_window_square(kernel, stride, 0));
}

GFDEF void gf_net_global_avg_pool(gf_net *net) {
    gf_window window = gf_window_square(1, 1, 0);
    if (net) window.kernel_h = gfi_current_shape(net).height, window.kernel_w = gfi_current_shape(net).width;
    gfi_add_pool(net, &gfi_avg_pool, "global_avg_pool", window);
}

// --- dropout: y = x·m, m = 0 with probability p, else 1/(1-p), so that E[y] = x and evaluation needs no scaling ---

static void gfi_dropout_forward(gf_net *net, gfi_layer *layer) {
    size_t i, n = (size_t)net->batch * layer->out_size;
    uint64_t index = (uint64_t)(layer - net->layers);
    uint64_t key = gfi_random_key(net->seed, GF_STREAM_DROPOUT + 256 * (index + 4096 * (uint64_t)net->step));
    gf_real keep = (gf_real)(1 / (1 - layer->rate));
    layer->saved = net->mode == GF_TRAIN;
    layer->y = layer->saved ? layer->y_buffer : (gf_real *)layer->x;
    if (!layer->saved) return;
    for (i = 0; i < n; i++) {
        layer->save[i] = gfi_random_unit(gfi_random_at(key, i)) < layer->rate ? 0 : keep;
        layer->y[i] = layer->x[i] * layer->save[i];
    }
}

static void gfi_dropout_backward(gf_net *net, gfi_layer *layer) {
    size_t i, n = (size_t)net->batch * layer->out_size;
    if (!layer->dx) return;
    for (i = 0; i < n; i++) layer->dx[i] = layer->saved ? layer->dy[i] * layer->save[i] : layer->dy[i];
}

static const gfi_layer_kind gfi_dropout = {"dropout", gfi_dropout_forward, gfi_dropout_backward, NULL, 0};

GFDEF void gf_net_dropout(gf_net *net, double p) {
    gfi_layer *layer = gfi_add_layer(net, &gfi_dropout, "dropout");
    if (!layer) return;
    if (!(p >= 0 && p < 1)) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "layer %d dropout: p = %g; needs 0 ≤ p < 1", net->layer_count, p);
        gfi_drop_layer(net);
        return;
    }
    layer->rate = p;
    layer->save_size = layer->out_size;
}

// --- normalisation: y = γ·x̂ + β with x̂ = (x - mean)/√(var + ε) ---
// Batch norm (Ioffe, Szegedy 2015) takes mean and variance of each channel over the batch, layer norm (Ba et al. 2016)
// of each sample over its features. Both see x as groups; a group is `count` values whose mean and variance are shared:
//     dx = 1/√(var + ε) · (g - mean(g) - x̂·mean(g·x̂))  with g = dy·γ; mean and variance depend on x: two more terms
#define GFI_NORM_EPS 1e-5
#define GFI_NORM_MOMENTUM 0.1

// Batch norm walks through its images as they lie in memory, all channels of one after the other: the rows of a single
// channel are far apart, and no cache sees the next one coming. A part is one channel of an image, or of as many as make
// GFI_NORM_BLOCK values. What the parts sum up is added in their order, so the bits do not depend on the threads.
enum { GFI_NORM_BLOCK = 256 };

static size_t gfi_norm_images(const gfi_layer *layer) {
    const size_t plane = gfi_conv_plane(layer->in);
    return plane < GFI_NORM_BLOCK ? GFI_NORM_BLOCK / plane : 1;
}

static size_t gfi_norm_parts(const gfi_layer *layer, int batch) {
    const size_t images = gfi_norm_images(layer);
    return ((size_t)batch + images - 1) / images * (size_t)layer->in.channels;
}

// sums[parts][2]: each channel's two totals, into its first part's place.
static void gfi_norm_totals(double *sums, long channels, long parts) {
    for (long p = channels; p < parts; p++) {
        const long c = p % channels;
        sums[2 * c] += sums[2 * p], sums[2 * c + 1] += sums[2 * p + 1];
    }
}

// Part p of the layer's x[B,C,S], dy and out; its channel is p mod C.
static gfi_channel gfi_norm_part(const gf_net *net, const gfi_layer *layer, long p, gf_real *out) {
    const size_t C = (size_t)layer->in.channels, images = gfi_norm_images(layer), first = (size_t)p / C * images;
    const size_t at = first * layer->in_size + (size_t)p % C * gfi_conv_plane(layer->in);
    gfi_channel part;
    part.rows = (size_t)net->batch - first < images ? (size_t)net->batch - first : images;
    part.step = layer->in_size, part.n = gfi_conv_plane(layer->in);
    part.x = layer->x + at, part.dy = layer->dy + at, part.out = out ? out + at : NULL;
    return part;
}

// Mean and variance (divided by count, not count - 1) from the sums of x - shift and its squares. With a shift like x
// there is no cancellation when the mean is large.
static void gfi_moments(double shift, double sum, double squares, double count, double *mean, double *var) {
    *mean = shift + sum / count;
    *var = squares / count - sum / count * (sum / count);
    if (*var < 0) *var = 0;  // rounding
}

// Mean and 1/std of channel c for the batch that comes: its own, from the sums' totals, or the running ones.
static void gfi_batch_statistics(gf_net *net, gfi_layer *layer, int c) {
    const int C = layer->in.channels;
    gf_real *running_mean = gfi_param(net, layer, 2)->value, *running_var = gfi_param(net, layer, 3)->value;
    double *mean = layer->channel, *inverse_std = mean + C, *sums = mean + 2 * C;
    double count = (double)net->batch * (double)gfi_conv_plane(layer->in), var = (double)running_var[c];
    mean[c] = (double)running_mean[c];
    if (layer->normalised)
        gfi_moments((double)layer->x[(size_t)c * gfi_conv_plane(layer->in)], sums[2 * c], sums[2 * c + 1], count,
                    &mean[c], &var);
    inverse_std[c] = 1 / sqrt(var + GFI_NORM_EPS);
    if (!layer->normalised || net->frozen) return;  // PyTorch keeps the unbiased variance
    running_mean[c] = (gf_real)((1 - GFI_NORM_MOMENTUM) * (double)running_mean[c] + GFI_NORM_MOMENTUM * mean[c]);
    running_var[c] =
        (gf_real)((1 - GFI_NORM_MOMENTUM) * (double)running_var[c] + GFI_NORM_MOMENTUM * var * count / (count - 1));
}

static void gfi_batch_norm_forward(gf_net *net, gfi_layer *layer) {
    const gf_real *gamma = gfi_param(net, layer, 0)->value, *beta = gfi_param(net, layer, 1)->value;
    const int C = layer->in.channels;
    const long parts = (long)gfi_norm_parts(layer, net->batch);
    const double *mean = layer->channel, *inverse_std = mean + C;
    double *sums = layer->channel + 2 * C;
    long p;
    layer->normalised = net->mode == GF_TRAIN;
    if (layer->normalised && (double)net->batch * (double)gfi_conv_plane(layer->in) < 2) {
        gfi_net_fail(net, GF_ERROR_SHAPE,
                     "%s: 1 value per channel in training has no variance; use a batch of at least 2", layer->name);
        return;
    }
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
    for (p = 0; p < (layer->normalised ? parts : 0); p++) {
        gfi_channel part = gfi_norm_part(net, layer, p, NULL);
        const double shift = (double)layer->x[(size_t)(p % C) * part.n];
        net->kernels->channel_moments(&part, shift, &sums[2 * p], &sums[2 * p + 1]);
    }
    if (layer->normalised) gfi_norm_totals(sums, C, parts);
    for (int c = 0; c < C; c++) gfi_batch_statistics(net, layer, c);
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
    for (p = 0; p < parts; p++) {
        gfi_channel part = gfi_norm_part(net, layer, p, layer->y);
        const long c = p % C;
        net->kernels->channel_scale(&part, mean[c], (double)gamma[c] * inverse_std[c], (double)beta[c]);
    }
}

// dx = γ/σ·(dy - Σdy/N - x̂·Σ(dy·x̂)/N), σ = √(var + ε); running statistics are constants: γ/σ·dy
static void gfi_batch_norm_backward(gf_net *net, gfi_layer *layer) {
    gf_tensor *gamma = gfi_param(net, layer, 0), *beta = gfi_param(net, layer, 1);
    const int C = layer->in.channels;
    const long parts = (long)gfi_norm_parts(layer, net->batch);
    double *mean = layer->channel, *inverse_std = mean + C, *sums = mean + 2 * C;
    const double count = (double)net->batch * (double)gfi_conv_plane(layer->in);
    long p;
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
    for (p = 0; p < parts; p++) {
        gfi_channel part = gfi_norm_part(net, layer, p, NULL);
        net->kernels->channel_products(&part, mean[p % C], &sums[2 * p], &sums[2 * p + 1]);
    }
    gfi_norm_totals(sums, C, parts);
    for (int c = 0; c < C; c++) {
        beta->grad[c] = (gf_real)sums[2 * c], gamma->grad[c] = (gf_real)(sums[2 * c + 1] * inverse_std[c]);
        if (!layer->normalised) sums[2 * c] = sums[2 * c + 1] = 0;
    }
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
    for (p = 0; p < (layer->dx ? parts : 0); p++) {
        gfi_channel part = gfi_norm_part(net, layer, p, layer->dx);
        const long c = p % C;
        const double s = inverse_std[c];
        net->kernels->channel_back(&part, mean[c], (double)gamma->value[c] * s, sums[2 * c] / count,
                                   sums[2 * c + 1] * s * s / count);
    }
}

static const gfi_layer_kind gfi_batch_norm = {"batch_norm", gfi_batch_norm_forward, gfi_batch_norm_backward, NULL, 0};

GFDEF void gf_net_batch_norm(gf_net *net) {
    gfi_layer *layer = gfi_add_layer(net, &gfi_batch_norm, "batch_norm");
    gf_init one = gf_init_with(GF_INIT_CONSTANT, 1);
    int channels;
    if (!layer) return;
    channels = layer->in.channels;
    layer->channel_size = 2 * (size_t)channels + 2 * gfi_norm_parts(layer, net->max_batch);  // mean, 1/std, sums
    gfi_declare(net, layer, "gamma", 1, &channels, 1, one, 1, 1, 0);
    gfi_declare(net, layer, "beta", 1, &channels, 1, gf_init_zero(), 1, 1, 0);
    gfi_declare(net, layer, "running_mean", 1, &channels, 0, gf_init_zero(), 1, 1, 0);
    gfi_declare(net, layer, "running_var", 1, &channels, 0, one, 1, 1, 0);
}

static void gfi_layer_norm_forward(gf_net *net, gfi_layer *layer) {
    const gf_real *gamma = gfi_param(net, layer, 0)->value, *beta = gfi_param(net, layer, 1)->value;
    size_t batch = (size_t)net->batch, n = layer->in_size, b, i;
    double *mean = layer->channel, *inverse_std = mean + net->max_batch;
    for (b = 0; b < batch; b++) {
        const gf_real *x = layer->x + b * n;
        double sum, squares, var;
        gfi_channel row;
        memset(&row, 0, sizeof row);
        row.x = x, row.rows = 1, row.n = n;
        net->kernels->channel_moments(&row, (double)x[0], &sum, &squares);
        gfi_moments((double)x[0], sum, squares, (double)n, &mean[b], &var);
        inverse_std[b] = 1 / sqrt(var + GFI_NORM_EPS);
        for (i = 0; i < n; i++)
            layer->y[b * n + i] =
                (gf_real)(((double)x[i] - mean[b]) * inverse_std[b] * (double)gamma[i] + (double)beta[i]);
    }
}

static void gfi_layer_norm_backward(gf_net *net, gfi_layer *layer) {
    gf_tensor *gamma = gfi_param(net, layer, 0), *beta = gfi_param(net, layer, 1);
    size_t batch = (size_t)net->batch, n = layer->in_size, b, i;
    double *mean = layer->channel, *inverse_std = mean + net->max_batch;
    memset(gamma->grad, 0, n * sizeof(gf_real));
    memset(beta->grad, 0, n * sizeof(gf_real));
    for (b = 0; b < batch; b++) {
        const gf_real *x = layer->x + b * n, *dy = layer->dy + b * n;
        double mean_g = 0, mean_g_xhat = 0;
        for (i = 0; i < n; i++) {
            double xhat = ((double)x[i] - mean[b]) * inverse_std[b], g = (double)dy[i] * (double)gamma->value[i];
            gamma->grad[i] = (gf_real)((double)gamma->grad[i] + (double)dy[i] * xhat);
            beta->grad[i] += dy[i];
            mean_g += g / (double)n;
            mean_g_xhat += g * xhat / (double)n;
        }
        for (i = 0; i < n && layer->dx; i++) {
            double xhat = ((double)x[i] - mean[b]) * inverse_std[b], g = (double)dy[i] * (double)gamma->value[i];
            layer->dx[b * n + i] = (gf_real)(inverse_std[b] * (g - mean_g - xhat * mean_g_xhat));
        }
    }
}

static const gfi_layer_kind gfi_layer_norm = {"layer_norm", gfi_layer_norm_forward, gfi_layer_norm_backward, NULL, 0};

GFDEF void gf_net_layer_norm(gf_net *net) {
    gfi_layer *layer = gfi_add_layer(net, &gfi_layer_norm, "layer_norm");
    int features;
    if (!layer) return;
    if (layer->in_size < 2 || layer->in_size > INT32_MAX) {
        gfi_net_fail(net, GF_ERROR_SHAPE, "layer %d layer_norm: %lu features have no variance; needs at least 2",
                     net->layer_count, (unsigned long)layer->in_size);
        gfi_drop_layer(net);
        return;
    }
    features = (int)layer->in_size;
    layer->channel_size = 2 * (size_t)net->max_batch;  // mean and 1/std of every sample
    gfi_declare(net, layer, "gamma", 1, &features, 1, gf_init_with(GF_INIT_CONSTANT, 1), 1, 1, 0);
    gfi_declare(net, layer, "beta", 1, &features, 1, gf_init_zero(), 1, 1, 0);
}

// --- skip connections (He et al. 2016): mark remembers h, add gives y = x + h_mark or x + P·h_mark ---
// A value used twice gets the sum of both gradients: add leaves its share in the mark's save, mark adds it to its own.

static void gfi_mark_forward(gf_net *net, gfi_layer *layer) {
    (void)net;
    layer->y = (gf_real *)layer->x;  // passes on, copies nothing
}

static void gfi_mark_backward(gf_net *net, gfi_layer *layer) {
    size_t i, n = (size_t)net->batch * layer->out_size;
    for (i = 0; i < n && layer->dx; i++) layer->dx[i] = layer->dy[i] + layer->save[i];
}

static const gfi_layer_kind gfi_mark = {"mark", gfi_mark_forward, gfi_mark_backward, NULL, 0};

static void gfi_add_backward(gf_net *net, gfi_layer *layer);

// A projection of images is a convolution, one of vectors a matrix multiply.
static int gfi_add_convolves(const gf_net *net, const gfi_layer *layer) {
    return layer->kind->backward == gfi_add_backward && layer->tensors &&
           gfi_conv_plane(net->layers[layer->mark].out) > 1;
}

static gfi_conv gfi_add_conv(const gf_net *net, const gfi_layer *layer) {
    gfi_conv job = gfi_conv_of(net, layer);
    job.in = net->layers[layer->mark].out;
    job.accumulate = 1;
    return job;
}

static void gfi_add_forward(gf_net *net, gfi_layer *layer) {
    const gfi_layer *mark = &net->layers[layer->mark];
    size_t batch = (size_t)net->batch, n = batch * layer->out_size;
    memcpy(layer->y, layer->x, n * sizeof(gf_real));
    if (gfi_add_convolves(net, layer)) {  // y += P·h_mark, with the same P[O,I] for every pixel
        gfi_conv job = gfi_add_conv(net, layer);
        job.x = mark->y, job.w = gfi_param(net, layer, 0)->value, job.y = layer->y;
        net->kernels->conv_forward(&job);
    } else if (layer->tensors) {
        gfi_matrix p = gfi_view(gfi_param(net, layer, 0)->value, layer->out_size, mark->out_size);
        gfi_product(net, layer->y, gfi_view(mark->y, batch, mark->out_size), gfi_transposed(p), NULL, 1);
    } else {
        net->kernels->axpy(layer->y, 1, mark->y, n);
    }
}

// dx = dy, dh_mark += dy or Pᵀ·dy, dP = Σ_b dy_b·h_bᵀ
static void gfi_add_backward(gf_net *net, gfi_layer *layer) {
    gfi_layer *mark = &net->layers[layer->mark];
    size_t batch = (size_t)net->batch, n = batch * layer->out_size;
    if (layer->dx) memcpy(layer->dx, layer->dy, n * sizeof(gf_real));
    if (gfi_add_convolves(net, layer)) {
        gfi_conv job = gfi_add_conv(net, layer);
        job.x = mark->y, job.w = gfi_param(net, layer, 0)->value, job.dy = layer->dy;
        job.dw = gfi_param(net, layer, 0)->grad, job.dx = mark->save;
        net->kernels->conv_backward(&job);
    } else if (layer->tensors) {
        gf_tensor *weight = gfi_param(net, layer, 0);
        gfi_matrix dy = gfi_view(layer->dy, batch, layer->out_size), h = gfi_view(mark->y, batch, mark->out_size);
        gfi_product(net, weight->grad, gfi_transposed(dy), h, NULL, 0);
        gfi_product(net, mark->save, dy, gfi_view(weight->value, layer->out_size, mark->out_size), NULL, 1);
    } else {
        net->kernels->axpy(mark->save, 1, layer->dy, n);
    }
}

static const gfi_layer_kind gfi_add = {"add", gfi_add_forward, gfi_add_backward, NULL, 0};

GFDEF int gf_net_mark(gf_net *net) {
    gfi_layer *layer = gfi_add_layer(net, &gfi_mark, "mark");
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

static void gfi_add_skip(gf_net *net, int mark, int projected) {
    gfi_layer *layer = gfi_add_layer(net, &gfi_add, "add");
    const gfi_layer *from;
    if (!layer) return;
    if (mark < 1 || mark >= net->layer_count || net->layers[mark - 1].kind != &gfi_mark) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: %d is no mark of this net; use what gf_net_mark returned",
                     layer->name, mark);
        gfi_drop_layer(net);
        return;
    }
    from = &net->layers[mark - 1];
    layer->window = gf_window_square(1, 1, 0);
    if (projected) {
        layer->window.stride_h = gfi_skip_stride(from->out.height, layer->in.height);
        layer->window.stride_w = gfi_skip_stride(from->out.width, layer->in.width);
    }
    if ((!projected && (from->out.height != layer->in.height || from->out.width != layer->in.width ||
                        from->out.channels != layer->in.channels)) ||
        layer->window.stride_h == 0 || layer->window.stride_w == 0) {
        gfi_net_fail(net, GF_ERROR_SHAPE, "%s: %s has shape %dx%dx%d, the layer before has %dx%dx%d; %s", layer->name,
                     from->name, from->out.channels, from->out.height, from->out.width, layer->in.channels,
                     layer->in.height, layer->in.width,
                     projected ? "heights and widths must agree, or come from it by one stride"
                               : "make them equal or use gf_net_add_projected");
        gfi_drop_layer(net);
        return;
    }
    layer->mark = mark - 1;
    if (projected) {
        int dims[4], vector = gfi_conv_plane(from->out) == 1;
        dims[0] = layer->in.channels, dims[1] = from->out.channels, dims[2] = dims[3] = 1;
        gfi_declare(net, layer, "weight", vector ? 2 : 4, dims, 1, layer->weight_init, dims[1], dims[0],
                    GF_STREAM_PROJECTION + 256 * (uint64_t)net->layer_count);
    }
}

GFDEF void gf_net_add_from(gf_net *net, int mark) { gfi_add_skip(net, mark, 0); }
GFDEF void gf_net_add_projected(gf_net *net, int mark) { gfi_add_skip(net, mark, 1); }

// ---------------------------------------------------------------------------------------------------------------------
// [GF:NET] The network
// ---------------------------------------------------------------------------------------------------------------------
// The whole of backpropagation is gf_net_forward, a loop over the layers, and gf_net_backward, the same loop the other
// way round: each layer turns dy = ∂L/∂y into dx = ∂L/∂x, which is the dy of the layer before it. What the layers do
// stands above; what starts the second loop, ∂L/∂output, stands below in the losses. gf_net_build lays everything out
// in one allocation: gfi_lay_out runs twice, first to count the bytes, then to hand them out.

GFDEF gf_net *gf_net_create(gf_shape input, int max_batch, uint64_t seed) {
    gf_net *net = (gf_net *)gfi_alloc(1, sizeof *net);
    if (!net) return gfi_fail(GF_ERROR_MEMORY, "gf_net_create: out of memory"), (gf_net *)0;
    memset(net, 0, sizeof *net);
    net->input = input, net->max_batch = max_batch, net->seed = seed;
    net->threads = 1;
    net->weight_init = net->bias_init = gf_init_default();
    net->kernels = gfi_kernels_best();
    if (gf_shape_size(input) == 0)
        gfi_net_fail(net, GF_ERROR_SHAPE,
                     "gf_net_create: input shape %dx%dx%d; every side must be at least 1 and the product fit in memory",
                     input.channels, input.height, input.width);
    else if (max_batch < 1)
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_create: max_batch is %d; needs at least 1", max_batch);
    return net;
}

GFDEF void gf_net_free(gf_net *net) {
    if (!net) return;
    GF_FREE(net->memory);
    GF_FREE(net->layers);
    GF_FREE(net->tensors);
    GF_FREE(net);
}

// Settings that must come before build.
static int gfi_settable(gf_net *net, const char *function) {
    if (!gfi_ready(net, GFI_NEW, function)) return 0;
    if (net->phase != GFI_NEW)
        return gfi_net_fail(net, GF_ERROR_ORDER, "%s: came after gf_net_build; call it before", function), 0;
    return 1;
}

GFDEF void gf_net_init(gf_net *net, gf_init weight, gf_init bias) {
    if (!gfi_settable(net, "gf_net_init")) return;
    if ((int)weight.kind < 0 || weight.kind >= GF_INIT_COUNT || (int)bias.kind < 0 || bias.kind >= GF_INIT_COUNT ||
        weight.gain != weight.gain || bias.gain != bias.gain) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT,
                     "gf_net_init: weight kind %d gain %g, bias kind %d gain %g; gains must be numbers, the kinds "
                     "those of gf_init_kaiming() and the like",
                     (int)weight.kind, weight.gain, (int)bias.kind, bias.gain);
        return;
    }
    net->weight_init = weight, net->bias_init = bias;
}

GFDEF void gf_net_no_bias(gf_net *net, int no_bias) {
    if (gfi_settable(net, "gf_net_no_bias")) net->no_bias = no_bias != 0;
}

GFDEF void gf_net_input_grad(gf_net *net, int wanted) {
    if (gfi_settable(net, "gf_net_input_grad")) net->want_input_grad = wanted != 0;
}

GFDEF void gf_net_threads(gf_net *net, int threads) {
    if (!gfi_settable(net, "gf_net_threads")) return;
    if (threads < 1 || threads > 1024) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_threads: %d threads; needs 1 to 1024", threads);
        return;
    }
#ifdef _OPENMP
    net->threads = threads;
#else
    if (threads > 1)
        gfi_net_fail(net, GF_ERROR_ARGUMENT,
                     "gf_net_threads: %d threads, but this program was compiled without OpenMP; add -fopenmp", threads);
#endif
}

GFDEF void gf_net_probe(gf_net *net, unsigned what) {
    if (!gfi_settable(net, "gf_net_probe")) return;
    if (what & ~(unsigned)(GF_PROBE_ALL | GF_PROBE_NORMS))
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_probe: 0x%x has unknown bits; use GF_PROBE_…", what);
    else net->probe = what;
}

// Hands out pieces of one allocation, each aligned to 64 bytes. The first round, without memory, only counts.
typedef struct gfi_arena {
    unsigned char *base;
    size_t used;
    int overflow;
} gfi_arena;

static void *gfi_take(gfi_arena *arena, size_t count, size_t size) {
    size_t start = arena->used;
    if (count > (SIZE_MAX - 128 - start) / size) {
        arena->overflow = 1;
        return NULL;
    }
    arena->used = (start + count * size + 63) / 64 * 64;
    return arena->base ? arena->base + start : NULL;
}

static gf_real *gfi_take_reals(gfi_arena *arena, size_t batch, size_t each) {
    if (each != 0 && batch > SIZE_MAX / each) arena->overflow = 1, each = 0;
    return (gf_real *)gfi_take(arena, batch * each, sizeof(gf_real));
}

// gf_reals that the largest matrix multiply or convolution works in.
static size_t gfi_workspace_size(const gf_net *net) {
    size_t most = gfi_matmul_workspace(net->threads);
    int i;
    for (i = 0; i < net->layer_count; i++) {
        const gfi_layer *layer = &net->layers[i];
        if (layer->kind == &gfi_conv2d || gfi_add_convolves(net, layer)) {
            gfi_conv job = layer->kind == &gfi_conv2d ? gfi_conv_of(net, layer) : gfi_add_conv(net, layer);
            most = gfi_max_size(most, gfi_conv_workspace(&job));
        }
    }
    return most;
}

// Probed nets have large scratch; batch norms make up for it by working in place where the activation behind them can
// find their dy again (gfi_layer_dy).
static int gfi_works_in_place(const gf_net *net, int i) {
    const gfi_layer *layer = &net->layers[i];
    return net->probe && i > 0 && i + 1 < net->layer_count && layer->kind == &gfi_batch_norm &&
           layer[1].kind == &gfi_activation && layer[1].act.kind != GF_ACT_PRELU;
}

// Point everything a net needs into the arena: parameters, gradients, what layers keep, probes.
static void gfi_lay_out(gf_net *net, gfi_arena *arena) {
    size_t batch = (size_t)net->max_batch, widest = gf_shape_size(net->input);
    net->unit_count = 0;
    gf_real *dx;
    int i;
    net->params = gfi_take_reals(arena, 1, net->param_count);
    net->grads = gfi_take_reals(arena, 1, net->param_count);
    net->state = gfi_take_reals(arena, 1, net->state_count);
    net->input_grad = dx = net->want_input_grad ? gfi_take_reals(arena, batch, widest) : NULL;
    net->sample = gfi_take_reals(arena, batch, widest);
    net->workspace = gfi_take_reals(arena, 1, gfi_workspace_size(net));
    net->row_loss = (double *)gfi_take(arena, batch, sizeof(double));
    for (i = 0; i < net->layer_count; i++) {
        gfi_layer *layer = &net->layers[i];
        layer->dx = dx;
        layer->in_place = gfi_works_in_place(net, i);
        layer->dy = dx = layer->in_place ? dx : gfi_take_reals(arena, batch, layer->out_size);
        if (layer->kind != &gfi_mark) layer->y_buffer = layer->y = gfi_take_reals(arena, batch, layer->out_size);
        if (layer->save_size) layer->save = gfi_take_reals(arena, batch, layer->save_size);
        if (layer->channel_size) layer->channel = (double *)gfi_take(arena, layer->channel_size, sizeof(double));
        if (layer->kind->affine) net->unit_count += (size_t)layer->out.channels;
        if (layer->out_size > widest) widest = layer->out_size;
    }
    if (net->probe) {
        net->probes = (gf_layer_probe *)gfi_take(arena, (size_t)net->affine_count, sizeof *net->probes);
        net->probe_scratch = gfi_take_reals(arena, batch, widest);
        net->alive = (unsigned char *)gfi_take(arena, net->unit_count, 1);
    }
    for (i = 0; i < net->tensor_count; i++) {
        gf_tensor *view = &net->tensors[i].view;
        int trained = net->tensors[i].trained;
        view->name = net->tensors[i].name;
        if (!arena->base) continue;
        view->value = (trained ? net->params : net->state) + view->offset;
        view->grad = trained ? net->grads + view->offset : NULL;
    }
}

GFDEF gf_status gf_net_build(gf_net *net) {
    gfi_arena arena;
    int i;
    if (!gfi_settable(net, "gf_net_build")) return gf_net_status(net);
    if (net->layer_count == 0)
        return gfi_net_fail(net, GF_ERROR_ORDER, "gf_net_build: the net has no layers; add some first");
    memset(&arena, 0, sizeof arena);
    gfi_lay_out(net, &arena);
    net->bytes = arena.used;
    net->memory = arena.overflow ? NULL : (unsigned char *)gfi_alloc(arena.used + 64, 1);
    if (!net->memory)
        return gfi_net_fail(net, GF_ERROR_MEMORY,
                            "gf_net_build: out of memory for %lu MB; use smaller layers or a smaller batch than %d",
                            (unsigned long)(arena.used >> 20), net->max_batch);
    memset(net->memory, 0, arena.used + 64);
    arena.base = net->memory + (64 - (uintptr_t)net->memory % 64) % 64;
    arena.used = 0;
    gfi_lay_out(net, &arena);
    for (i = 0; i < net->tensor_count; i++) {
        gfi_tensor *tensor = &net->tensors[i];
        gf_status status = gf_init_fill(tensor->init, tensor->view.value, tensor->view.size, tensor->fan_in,
                                        tensor->fan_out, net->seed, tensor->stream);
        if (status != GF_OK) return gfi_net_fail(net, status, "%s", gf_last_error());
        if (tensor->init.kind == GF_INIT_ORTHOGONAL && tensor->view.rank == 4 &&  // a filter is a row
            tensor->view.size != (size_t)tensor->fan_in * (size_t)tensor->fan_out)
            gfi_init_orthogonal(tensor->view.value, tensor->view.dims[0], tensor->fan_in, tensor->init.gain);
    }
    for (i = 0; i < net->layer_count && net->probe; i++)
        if (net->layers[i].kind == &gfi_activation) net->layers[i].act_info = gf_act_measure(net->layers[i].act);
    net->phase = GFI_BUILT;
    return GF_OK;
}

GFDEF gf_status gf_net_status(const gf_net *net) { return net ? net->status : GF_ERROR_ARGUMENT; }

GFDEF const char *gf_net_error(const gf_net *net) {
    if (!net) return "the net is NULL: gf_net_create was not called or found no memory";
    return net->status == GF_OK ? gf_status_text(GF_OK) : net->message;
}

GFDEF void gf_net_clear_error(gf_net *net) {
    if (net) net->status = GF_OK;
}

GFDEF const gf_real *gf_net_forward(gf_net *net, const gf_real *x, int batch, gf_mode mode) {
    int i;
    if (!gfi_ready(net, GFI_BUILT, "gf_net_forward")) return NULL;
    if (!x || batch < 1 || batch > net->max_batch || (mode != GF_TRAIN && mode != GF_EVAL)) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT,
                     "gf_net_forward: x is %s, batch %d, mode %d; needs data, a batch of 1 to %d (set in "
                     "gf_net_create), GF_TRAIN or GF_EVAL",
                     x ? "given" : "NULL", batch, (int)mode, net->max_batch);
        return NULL;
    }
    net->batch = batch, net->mode = mode;
    net->phase = GFI_BUILT;  // should a layer refuse: nothing of the step before may be taken for this one's
    for (i = 0; i < net->layer_count; i++) {
        gfi_layer *layer = &net->layers[i];
        layer->x = i == 0 ? x : net->layers[i - 1].y;
        layer->kind->forward(net, layer);
    }
    if (net->status != GF_OK) return NULL;
    net->phase = GFI_FORWARDED;
    if (net->dead_counting && mode == GF_EVAL) gfi_dead_count(net);
    return net->layers[net->layer_count - 1].y;
}

// ∂L/∂y after backward; where it has been overwritten the layer behind finds it again, in the probes' scratch.
static const gf_real *gfi_layer_dy(gf_net *net, const gfi_layer *layer) {
    gfi_layer behind;
    if (!layer->in_place) return layer->dy;
    behind = layer[1];
    behind.dx = net->probe_scratch;
    behind.kind->backward(net, &behind);
    return net->probe_scratch;
}

// Σ x²; of a large array in parts that depend on its size alone, added up in order.
static double gfi_squares(const gf_net *net, const gf_real *x, size_t n) {
    enum { PARTS = 32, SMALL = 65536 };
    const size_t each = n / PARTS;
    double part[PARTS], sum = 0;
    int i;
    if (n < SMALL) return net->kernels->sum_squares(x, n);
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
    for (i = 0; i < PARTS; i++)
        part[i] = net->kernels->sum_squares(x + (size_t)i * each, i + 1 < PARTS ? each : n - (size_t)i * each);
    for (i = 0; i < PARTS; i++) sum += part[i];
    return sum;
}

// Σ dy² and Σ grad² are summed once, by whoever asks first.
static double gfi_layer_squares(gf_net *net, gfi_layer *layer) {
    if (layer->squares < 0)
        layer->squares = gfi_squares(net, gfi_layer_dy(net, layer), (size_t)net->batch * layer->out_size);
    return layer->squares;
}

static double gfi_tensor_squares(const gf_net *net, gfi_tensor *tensor) {
    if (tensor->squares < 0 && tensor->trained)
        tensor->squares = gfi_squares(net, tensor->view.grad, tensor->view.size);
    return tensor->trained ? tensor->squares : 0;
}

GFDEF gf_status gf_net_backward(gf_net *net) {
    int i, t, in_passing;
    if (!gfi_ready(net, GFI_LOSS_TAKEN, "gf_net_backward")) return gf_net_status(net);
    in_passing = (net->probe & GF_PROBE_NORMS) != 0;
    for (i = 0; i < net->layer_count; i++)  // skips add to these
        if (net->layers[i].kind == &gfi_mark)
            memset(net->layers[i].save, 0, (size_t)net->batch * net->layers[i].out_size * sizeof(gf_real));
    for (i = 0; i < net->tensor_count; i++) net->tensors[i].squares = -1;
    for (i = net->layer_count - 1; i >= 0; i--) {
        gfi_layer *layer = &net->layers[i];
        layer->squares = in_passing ? gfi_squares(net, layer->dy, (size_t)net->batch * layer->out_size) : -1;
        layer->kind->backward(net, layer);
        for (t = 0; t < layer->tensors && in_passing; t++) gfi_tensor_squares(net, &net->tensors[layer->tensor + t]);
    }
    net->phase = GFI_BACKWARDED;
    return net->status;
}

GFDEF double gf_net_grad_norm(gf_net *net) {
    double sum = 0;
    int i;
    if (!gfi_ready(net, GFI_BACKWARDED, "gf_net_grad_norm")) return NAN;
    for (i = 0; i < net->tensor_count; i++) sum += gfi_tensor_squares(net, &net->tensors[i]);
    return sqrt(sum);
}

GFDEF double gf_net_clip_grad_norm(gf_net *net, double max_norm) {
    double norm = gf_net_grad_norm(net);
    int i;
    if (!net || net->status != GF_OK) return NAN;
    if (!(max_norm > 0))
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_clip_grad_norm: max_norm is %g; needs more than 0",
                            max_norm),
               NAN;
    if (norm > max_norm && norm <= DBL_MAX) {
        net->kernels->scale(net->grads, max_norm / (norm + 1e-6), net->param_count);  // as PyTorch: just below max_norm
        for (i = 0; i < net->tensor_count; i++) net->tensors[i].squares = -1;
    }
    return norm;
}

static int gfi_has_nonfinite(const gf_net *net, const gf_real *x, size_t n);
static void gfi_find_nonfinite(gf_net *net);

// Index of the largest of y[0..K), the first of equals.
static size_t gfi_argmax(const gf_real *y, size_t K) {
    size_t k, best = 0;
    for (k = 1; k < K; k++)
        if (y[k] > y[best]) best = k;
    return best;
}

GFDEF int gf_net_predict(gf_net *net, const gf_real *x, double *probabilities) {
    const gf_real *y = gf_net_forward(net, x, 1, GF_EVAL);
    size_t k, K, best;
    double sum = 0;
    if (!y) return -1;
    K = net->layers[net->layer_count - 1].out_size;
    best = gfi_argmax(y, K);
    if (gfi_has_nonfinite(net, y, K)) {
        gfi_find_nonfinite(net);
        gfi_net_fail(net, GF_ERROR_NONFINITE,
                     "gf_net_predict: the output is not finite; the first NaN or infinity is in %s: check the sample x "
                     "and the weights", net->nonfinite.layer);
        return -1;
    }
    for (k = 0; k < K; k++) sum += exp((double)y[k] - (double)y[best]);
    for (k = 0; k < K && probabilities; k++) probabilities[k] = exp((double)y[k] - (double)y[best]) / sum;
    return (int)best;
}

GFDEF size_t gf_net_param_count(const gf_net *net) { return net && net->phase >= GFI_BUILT ? net->param_count : 0; }
GFDEF gf_real *gf_net_params(gf_net *net) { return net ? net->params : NULL; }
GFDEF gf_real *gf_net_grads(gf_net *net) { return net ? net->grads : NULL; }
GFDEF int gf_net_tensor_count(const gf_net *net) { return net ? net->tensor_count : 0; }
GFDEF int gf_net_layer_count(const gf_net *net) { return net ? net->layer_count : 0; }
GFDEF int gf_net_affine_count(const gf_net *net) { return net ? net->affine_count : 0; }
GFDEF int gf_net_batch(const gf_net *net) { return net ? net->batch : 0; }
GFDEF long gf_net_step_count(const gf_net *net) { return net ? net->step : 0; }
GFDEF size_t gf_net_bytes(const gf_net *net) { return net ? net->bytes : 0; }
GFDEF const char *gf_net_kernels(const gf_net *net) { return net ? net->kernels->name : "none"; }

GFDEF gf_tensor *gf_net_tensor_at(gf_net *net, int index) {
    if (!gfi_ready(net, GFI_BUILT, "gf_net_tensor_at")) return NULL;
    if (index < 0 || index >= net->tensor_count)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_tensor_at: index %d; this net has tensors 0..%d", index,
                            net->tensor_count - 1),
               (gf_tensor *)0;
    return &net->tensors[index].view;
}

GFDEF gf_tensor *gf_net_tensor(gf_net *net, const char *name) {
    char names[200] = "";
    int i;
    if (!gfi_ready(net, GFI_BUILT, "gf_net_tensor")) return NULL;
    for (i = 0; i < net->tensor_count && name; i++)
        if (strcmp(net->tensors[i].name, name) == 0) return &net->tensors[i].view;
    for (i = 0; i < net->tensor_count && strlen(names) + sizeof net->tensors[i].name < sizeof names; i++)
        strcat(strcat(names, i ? ", " : ""), net->tensors[i].name);
    gfi_net_fail(net, GF_ERROR_NOT_FOUND, "gf_net_tensor: no tensor \"%s\"; there are %s%s", name ? name : "(NULL)",
                 names, i < net->tensor_count ? ", …" : "");
    return NULL;
}

static const gfi_layer *gfi_layer_at(const gf_net *net, int layer) {
    if (net && layer >= 0 && layer < net->layer_count) return &net->layers[layer];
    gfi_fail(GF_ERROR_NOT_FOUND, "gf_net_layer: layer %d of %s; it has layers 0 to %d", layer,
             net ? "this net" : "NULL", gf_net_layer_count(net) - 1);
    return NULL;
}

// What a layer holds once this phase is reached; too early it is NULL, which is no error of the net.
static const gf_real *gfi_layer_array(const gf_net *net, const gf_real *array, int phase) {
    if (net->phase >= phase) return array;
    gfi_fail(GF_ERROR_ORDER, "gf_net_layer: not there before %s; call that first",
             phase == GFI_FORWARDED ? "gf_net_forward" : "gf_net_backward");
    return NULL;
}

GFDEF const char *gf_net_layer_name(const gf_net *net, int layer) {
    const gfi_layer *at = gfi_layer_at(net, layer);
    return at ? at->name : NULL;
}

GFDEF gf_shape gf_net_layer_shape(const gf_net *net, int layer) {
    const gfi_layer *at = gfi_layer_at(net, layer);
    return at ? at->out : gf_image(0, 0, 0);
}

GFDEF const gf_real *gf_net_layer_output(gf_net *net, int layer) {
    const gfi_layer *at = gfi_layer_at(net, layer);
    return at ? gfi_layer_array(net, at->y, GFI_FORWARDED) : NULL;
}

GFDEF const gf_real *gf_net_layer_grad(gf_net *net, int layer) {
    const gfi_layer *at = gfi_layer_at(net, layer);
    const gf_real *dy = at ? gfi_layer_array(net, at->dy, GFI_BACKWARDED) : NULL;
    return dy ? gfi_layer_dy(net, at) : NULL;
}

GFDEF const gf_real *gf_net_input_gradient(gf_net *net) {
    return net && net->phase >= GFI_BACKWARDED ? net->input_grad : NULL;
}

GFDEF gf_status gf_net_force_kernels(gf_net *net, const char *name) {
    const gfi_kernels *kernels = name ? gfi_kernels_named(name) : NULL;
    if (!net) return gfi_fail(GF_ERROR_ARGUMENT, "gf_net_force_kernels: net is NULL; make one with gf_net_create");
    if (!kernels)
        return gfi_net_fail(net, GF_ERROR_NOT_FOUND,
                            "gf_net_force_kernels: no kernels \"%s\" here; plain is always there, the best is %s",
                            name ? name : "(NULL)", gfi_kernels_best()->name);
    net->kernels = kernels;
    return GF_OK;
}

#ifndef GF_NO_STDIO
GFDEF void gf_net_summary(const gf_net *net) {
    int i, t;
    if (!net) return;
    printf("%-14s %-14s %12s\n", "layer", "output", "parameters");
    printf("%-14s %dx%dx%d\n", "input", net->input.channels, net->input.height, net->input.width);
    for (i = 0; i < net->layer_count; i++) {
        const gfi_layer *layer = &net->layers[i];
        char shape[40];
        size_t params = 0;
        for (t = 0; t < layer->tensors; t++)
            if (net->tensors[layer->tensor + t].trained) params += net->tensors[layer->tensor + t].view.size;
        if (layer->out.height == 1 && layer->out.width == 1) gfi_print(shape, sizeof shape, "%d", layer->out.channels);
        else gfi_print(shape, sizeof shape, "%dx%dx%d", layer->out.channels, layer->out.height, layer->out.width);
        printf("%-14s %-14s %12lu  %s\n", layer->name, shape, (unsigned long)params,
               layer->kind == &gfi_activation ? gfi_act_label(layer->act) : "");
    }
    printf("%lu parameters, %.1f MB for batches of %d, %s kernels, %d thread%s\n", (unsigned long)net->param_count,
           (double)net->bytes / 1048576, net->max_batch, net->kernels->name, net->threads,
           net->threads == 1 ? "" : "s");
}
#endif

// ---------------------------------------------------------------------------------------------------------------------
// [GF:LOSS] Losses
// ---------------------------------------------------------------------------------------------------------------------
// A loss is where backpropagation begins: it leaves ∂L/∂y in the output layer's dy. Softmax and sigmoid are part of
// their losses because the derivatives then collapse to p - t, which neither overflows nor vanishes. Sums are double. A
// loss that is not finite sends gfi_find_nonfinite to look for the layer that it came from.

static int gfi_has_nonfinite(const gf_net *net, const gf_real *x, size_t n) {
    gfi_sums sums;
    net->kernels->sums(x, n, &sums);
    return sums.non_finite != 0;
}

static gfi_layer *gfi_output(gf_net *net) { return &net->layers[net->layer_count - 1]; }

// Where has the first NaN or infinity come from? Forward first, from the input on; then backward, from the output.
static void gfi_find_nonfinite(gf_net *net) {
    gf_nonfinite *bad = &net->nonfinite;
    size_t batch = (size_t)net->batch;
    int i, t;
    if (bad->found) return;
    bad->found = 1, bad->step = net->step, bad->layer = "loss", bad->backward = 0;
    if (gfi_has_nonfinite(net, net->layers[0].x, batch * net->layers[0].in_size)) {
        bad->layer = "input";
        return;
    }
    for (i = 0; i < net->layer_count; i++)
        if (gfi_has_nonfinite(net, net->layers[i].y, batch * net->layers[i].out_size)) {
            bad->layer = net->layers[i].name;
            return;
        }
    if (net->phase < GFI_BACKWARDED) return;
    bad->backward = 1;
    if (gfi_has_nonfinite(net, gfi_output(net)->dy, batch * gfi_output(net)->out_size)) return;
    for (i = net->layer_count - 1; i >= 0; i--) {  // a layer that received finite gradients and passes others on
        const gfi_layer *layer = &net->layers[i];
        const gf_real *dx = i > 0 ? gfi_layer_dy(net, layer - 1) : layer->dx;
        int found = dx && gfi_has_nonfinite(net, dx, batch * layer->in_size);
        for (t = 0; t < layer->tensors && !found; t++) {
            const gf_tensor *tensor = &net->tensors[layer->tensor + t].view;
            found = tensor->grad && gfi_has_nonfinite(net, tensor->grad, tensor->size);
        }
        if (found) {
            bad->layer = layer->name;
            return;
        }
    }
}

// Common end of the losses: the mean over `count`, the phase, and a look for the culprit when it is not finite.
static double gfi_loss_taken(gf_net *net, double sum, size_t count) {
    double loss = sum / (double)count;
    net->phase = GFI_LOSS_TAKEN;
    if (!(fabs(loss) <= DBL_MAX)) gfi_find_nonfinite(net);
    return loss;
}

// L = mean_b(-ln p_label) with p = softmax(y); its derivative is as simple as it gets: ∂L/∂y = (p - onehot)/B
GFDEF double gf_loss_cross_entropy(gf_net *net, const int *labels) {
    gfi_layer *out;
    size_t b, batch, K;
    double sum = 0;
    if (!gfi_ready(net, GFI_FORWARDED, "gf_loss_cross_entropy")) return NAN;
    out = gfi_output(net), batch = (size_t)net->batch, K = out->out_size;
    for (b = 0; b < batch; b++)
        if (!labels || labels[b] < 0 || (size_t)labels[b] >= K) {
            if (!labels)
                gfi_net_fail(net, GF_ERROR_ARGUMENT,
                             "gf_loss_cross_entropy: labels is NULL; needs one class for each sample");
            else
                gfi_net_fail(net, GF_ERROR_ARGUMENT,
                             "gf_loss_cross_entropy: label %d of sample %lu; the net's output has classes 0..%lu",
                             labels[b], (unsigned long)b, (unsigned long)(K - 1));
            return NAN;
        }
    net->kernels->softmax_rows(out->y, labels, (gf_real)(1.0 / (double)batch), net->row_loss, out->dy, batch, K);
    net->correct = 0;
    for (b = 0; b < batch; b++) {
        net->correct += net->row_loss[b] == net->row_loss[b] && (int)gfi_argmax(out->y + b * K, K) == labels[b];
        sum += net->row_loss[b];
    }
    return gfi_loss_taken(net, sum, batch);
}

// With p = σ(y): L = mean(-t·ln p - (1-t)·ln(1-p)) = mean(max(y,0) - y·t + ln(1 + e^-|y|)), ∂L/∂y = (p - t)/(B·O)
GFDEF double gf_loss_bce(gf_net *net, const gf_real *targets) {
    gfi_layer *out;
    size_t i, n;
    double sum = 0;
    if (!gfi_ready(net, GFI_FORWARDED, "gf_loss_bce")) return NAN;
    out = gfi_output(net), n = (size_t)net->batch * out->out_size;
    for (i = 0; i < n; i++)
        if (!targets || !(targets[i] >= 0 && targets[i] <= 1)) {
            if (!targets)
                gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_loss_bce: targets is NULL; needs one for each output");
            else
                gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_loss_bce: target %lu is %g; needs 0 to 1", (unsigned long)i,
                             (double)targets[i]);
            return NAN;
        }
    // dy is room first for ln(1 + e^-|y|), then for p
    for (i = 0; i < n; i++) out->dy[i] = (gf_real)-fabs((double)out->y[i]);
    net->kernels->act_forward(gf_act_default(GF_ACT_SOFTPLUS), out->dy, out->dy, NULL, n);
    net->correct = 0;
    for (i = 0; i < n; i++) {
        double y = (double)out->y[i], t = (double)targets[i];
        sum += (y > 0 ? y : 0) - y * t + (double)out->dy[i];
        net->correct += (y >= 0) == (t >= 0.5);
    }
    net->kernels->act_forward(gf_act_default(GF_ACT_SIGMOID), out->y, out->dy, NULL, n);
    for (i = 0; i < n; i++) out->dy[i] = (gf_real)(((double)out->dy[i] - (double)targets[i]) / (double)n);
    return gfi_loss_taken(net, sum, n);
}

// L = mean((y - t)²), ∂L/∂y = 2(y - t)/(B·O)
GFDEF double gf_loss_mse(gf_net *net, const gf_real *targets) {
    gfi_layer *out;
    size_t i, n;
    double sum = 0;
    if (!gfi_ready(net, GFI_FORWARDED, "gf_loss_mse")) return NAN;
    if (!targets)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_loss_mse: targets is NULL; needs one for each output"), NAN;
    out = gfi_output(net), n = (size_t)net->batch * out->out_size;
    for (i = 0; i < n; i++) {
        double difference = (double)out->y[i] - (double)targets[i];
        sum += difference * difference;
        out->dy[i] = (gf_real)(2 * difference / (double)n);
    }
    net->correct = 0;
    return gfi_loss_taken(net, sum, n);
}

GFDEF int gf_net_correct(const gf_net *net) { return net ? net->correct : 0; }

// ---------------------------------------------------------------------------------------------------------------------
// [GF:OPTIM] SGD, Adam, clipping, schedules
// ---------------------------------------------------------------------------------------------------------------------
// The formulas stand at gfi_update, before the kernels that compute them. Here: defaults, the moments' memory, and the
// step itself, which runs over all parameters in pieces of fixed length or, when gf_net_measure asked for the ratio
// std(ΔW)/std(W), tensor by tensor.

static gf_optim_config gfi_optim_config(gf_optim_kind kind, double lr, double beta2) {
    gf_optim_config config;
    memset(&config, 0, sizeof config);
    config.kind = kind, config.lr = lr, config.beta1 = 0.9, config.beta2 = beta2, config.eps = 1e-8;
    return config;
}

GFDEF gf_optim_config gf_sgd(double lr) { return gfi_optim_config(GF_SGD, lr, 0); }
GFDEF gf_optim_config gf_adam(double lr) { return gfi_optim_config(GF_ADAM, lr, 0.999); }
GFDEF gf_optim_config gf_rmsprop(double lr) { return gfi_optim_config(GF_RMSPROP, lr, 0.99); }

GFDEF gf_optim_config gf_adamw(double lr) {
    gf_optim_config config = gfi_optim_config(GF_ADAMW, lr, 0.999);
    config.weight_decay = 0.01;
    return config;
}

static const char *const gfi_optim_names[GF_OPTIM_COUNT] = {"sgd", "adam", "adamw", "rmsprop"};

GFDEF const char *gf_optim_name(gf_optim_kind kind) {
    return (int)kind >= 0 && kind < GF_OPTIM_COUNT ? gfi_optim_names[kind] : "?";
}

GFDEF int gf_optim_from_name(const char *name, double lr, gf_optim_config *out) {
    static const char known[] = " sgd momentum adam adamw rmsprop";
    if (!name || !out) return gfi_unknown("gf_optim_from_name", name, out, known), 0;
    if (strcmp(name, "sgd") == 0) *out = gf_sgd(lr);
    else if (strcmp(name, "momentum") == 0) *out = gf_sgd(lr), out->momentum = 0.9;
    else if (strcmp(name, "adam") == 0) *out = gf_adam(lr);
    else if (strcmp(name, "adamw") == 0) *out = gf_adamw(lr);
    else if (strcmp(name, "rmsprop") == 0) *out = gf_rmsprop(lr);
    else return gfi_unknown("gf_optim_from_name", name, out, known), 0;
    return 1;
}

// GF_OK, or what is wrong with a configuration: it may have been changed since the last step.
static gf_status gfi_optim_config_check(gf_net *net, const char *function, const gf_optim_config *c) {
    if ((int)c->kind >= 0 && c->kind < GF_OPTIM_COUNT && c->lr >= 0 && c->lr <= DBL_MAX && c->weight_decay >= 0 &&
        c->weight_decay <= DBL_MAX && c->momentum >= 0 && c->momentum <= DBL_MAX && c->beta1 >= 0 && c->beta1 < 1 &&
        c->beta2 >= 0 && c->beta2 < 1 && c->eps >= 0 && c->eps <= DBL_MAX)
        return GF_OK;
    return gfi_net_fail(net, GF_ERROR_ARGUMENT,
                        "%s: kind %d lr %g weight_decay %g momentum %g beta %g %g eps %g; lr and the rest must be "
                        "at least 0 and finite, betas below 1, the kind one of gf_optim_kind",
                        function, (int)c->kind, c->lr, c->weight_decay, c->momentum, c->beta1, c->beta2, c->eps);
}

// Which moments does this configuration keep?
static int gfi_optim_needs_m(const gf_optim_config *config) {
    return config->kind == GF_ADAM || config->kind == GF_ADAMW || config->momentum > 0;
}

static int gfi_optim_needs_v(const gf_optim_config *config) { return config->kind != GF_SGD; }

// A moment for n parameters, zero, `at` bytes after the start of a page. A step walks through w, g, m and v side by side;
// where they lie alike in their pages they push one another out of the level-1 cache, and it takes up to 2.6 times as
// long. (The w of a large net begins where a page does.)
static gf_real *gfi_moment(void **memory, size_t n, size_t at) {
    const size_t page = 4096;
    unsigned char *base = (unsigned char *)gfi_alloc(n + 2 * page / sizeof(gf_real), sizeof(gf_real));
    *memory = base;
    if (!base) return NULL;
    base += page - (uintptr_t)base % page + at;
    memset(base, 0, n * sizeof(gf_real));
    return (gf_real *)(void *)base;
}

GFDEF gf_status gf_optim_init(gf_optim *optim, gf_net *net, gf_optim_config config) {
    int needs_m, needs_v;
    if (!optim)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_optim_init: optim is NULL; pass the address of a gf_optim");
    memset(optim, 0, sizeof *optim);
    if (!gfi_ready(net, GFI_BUILT, "gf_optim_init")) return gf_net_status(net);
    if (gfi_optim_config_check(net, "gf_optim_init", &config) != GF_OK) return net->status;
    optim->config = config, optim->size = net->param_count;
    needs_m = gfi_optim_needs_m(&config), needs_v = gfi_optim_needs_v(&config);
    if (needs_m) optim->m = gfi_moment(&optim->memory[0], optim->size, 1024);
    if (needs_v) optim->v = gfi_moment(&optim->memory[1], optim->size, 3072);
    if ((needs_m && !optim->m) || (needs_v && !optim->v)) {
        gf_optim_free(optim);
        return gfi_net_fail(net, GF_ERROR_MEMORY, "gf_optim_init: out of memory for the moments of %lu parameters",
                            (unsigned long)net->param_count);
    }
    return GF_OK;
}

GFDEF void gf_optim_free(gf_optim *optim) {
    if (!optim) return;
    GF_FREE(optim->memory[0]);
    GF_FREE(optim->memory[1]);
    memset(optim, 0, sizeof *optim);
}

// Update parameters start..start+n with what the optimiser keeps of them; change, if given, receives Σ Δw and Σ Δw².
static void gfi_update_range(gf_net *net, gf_optim *optim, size_t start, size_t n, gfi_change *change) {
    const gf_optim_config *config = &optim->config;
    int adam = config->kind == GF_ADAM || config->kind == GF_ADAMW;
    gfi_update update;
    update.kind = adam ? GFI_UPDATE_ADAM : config->kind == GF_RMSPROP ? GFI_UPDATE_RMSPROP : GFI_UPDATE_SGD;
    update.lr = config->lr, update.weight_decay = config->weight_decay, update.eps = config->eps;
    update.momentum = adam ? config->beta1 : config->momentum, update.beta2 = config->beta2;
    update.nesterov = config->nesterov, update.decoupled = config->kind == GF_ADAMW;
    update.step = (double)optim->step;
    net->kernels->update(&update, net->params + start, net->grads + start, optim->m ? optim->m + start : NULL,
                         optim->v ? optim->v + start : NULL, n, change);
}

// Share of a tensor's elements whose √v̂ = √(v/(1 - β2^t)) lies below ε; NaN for an optimiser that is not Adam.
static double gfi_adam_starved(const gf_optim *optim, const gf_tensor *tensor) {
    const gf_optim_config *config = &optim->config;
    double limit = config->eps * config->eps * (1 - pow(config->beta2, (double)optim->step));
    size_t i, below = 0;
    if (config->kind != GF_ADAM && config->kind != GF_ADAMW) return NAN;
    for (i = 0; i < tensor->size; i++) below += (double)optim->v[tensor->offset + i] < limit;
    return (double)below / (double)tensor->size;
}

// The same step tensor by tensor, recording std(ΔW)/std(W) of every affine layer's weight.
static void gfi_update_measured(gf_net *net, gf_optim *optim) {
    int i, t;
    for (i = 0; i < net->layer_count; i++)
        for (t = 0; t < net->layers[i].tensors; t++) {
            const gf_tensor *tensor = gfi_param(net, &net->layers[i], t);
            gf_stats before;
            gfi_change change = {0, 0};
            gf_layer_probe *probe =
                net->layers[i].kind->affine && t == 0 ? &net->probes[net->layers[i].ordinal - 1] : NULL;
            double mean, n = (double)tensor->size;
            if (!tensor->grad) continue;
            before = gf_stats_of(tensor->value, tensor->size);
            gfi_update_range(net, optim, tensor->offset, tensor->size, &change);
            mean = change.sum / n;
            if (!probe) continue;
            probe->update_ratio = sqrt(fmax(0, change.sum_squares / n - mean * mean) /
                                       (before.rms * before.rms - before.mean * before.mean));
            probe->adam_starved = gfi_adam_starved(optim, tensor);
        }
    net->measured = 0;
}

GFDEF gf_status gf_optim_step(gf_optim *optim, gf_net *net) {
    double norm;
    long piece, pieces;
    if (!gfi_ready(net, GFI_BACKWARDED, "gf_optim_step")) return gf_net_status(net);
    if (!optim || optim->size != net->param_count)
        return gfi_net_fail(
            net, GF_ERROR_ORDER,
            "gf_optim_step: optimiser for %lu parameters, net has %lu; call gf_optim_init with this net",
            (unsigned long)(optim ? optim->size : 0), (unsigned long)net->param_count);
    if (gfi_optim_config_check(net, "gf_optim_step", &optim->config) != GF_OK) return net->status;
    if (net->param_count > 0 && ((gfi_optim_needs_m(&optim->config) && !optim->m) ||
                                 (gfi_optim_needs_v(&optim->config) && !optim->v)))
        return gfi_net_fail(net, GF_ERROR_ORDER, "gf_optim_step: %s with momentum %g lacks its moments; set kind and "
                            "momentum before gf_optim_init", gf_optim_name(optim->config.kind), optim->config.momentum);
    norm = gf_net_grad_norm(net);
    if (!(norm <= DBL_MAX)) {
        gfi_find_nonfinite(net);
        return gfi_net_fail(net, GF_ERROR_NONFINITE,
                            "gf_optim_step: gradient norm is %g at step %ld; the first NaN or infinity is in %s, "
                            "%s; no parameter was changed: lower the learning rate, clip, or initialise smaller",
                            norm, net->nonfinite.step, net->nonfinite.layer,
                            net->nonfinite.backward ? "backward" : "forward");
    }
    optim->step++;
    if (net->measured) {
        gfi_update_measured(net, optim);
    } else {
        pieces = (long)((net->param_count + GFI_PIECE - 1) / GFI_PIECE);
#ifdef _OPENMP
#pragma omp parallel for num_threads(net->threads) schedule(static)
#endif
        for (piece = 0; piece < pieces; piece++) {
            size_t start = (size_t)piece * GFI_PIECE;
            gfi_update_range(net, optim, start, gfi_piece(net->param_count, start), NULL);
        }
    }
    net->step++;
    return GF_OK;
}

GFDEF double gf_lr_step(double lr, long epoch, long every, double factor) {
    if (every < 1 || epoch < 0)
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_lr_step: epoch %ld, every %ld; needs an epoch of 0 or more, every of 1 "
                        "or more", epoch, every),
               NAN;
    return lr * pow(factor, (double)(epoch / every));
}

GFDEF double gf_lr_cosine(double lr, double lr_min, long step, long steps) {
    if (steps < 1 || step < 0)
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_lr_cosine: step %ld of %ld; needs a step of 0 or more, steps of 1 or "
                        "more", step, steps),
               NAN;
    if (step > steps) step = steps;
    return lr_min + (lr - lr_min) * 0.5 * (1 + cos(3.14159265358979323846 * (double)step / (double)steps));
}

// ---------------------------------------------------------------------------------------------------------------------
// Files: put together in memory, then written whole or not at all
// ---------------------------------------------------------------------------------------------------------------------
// For gf_recorder_csv and the checkpoints: gfi_put appends to a buffer, gfi_write_file replaces the file by it.

#ifndef GF_NO_STDIO
typedef struct gfi_bytes {  // a growing buffer to write, or a whole file to read
    unsigned char *data;
    size_t size, capacity, at;
    int failed;             // out of memory, or read past the end
} gfi_bytes;

// Room for n bytes more.
static void gfi_reserve(gfi_bytes *bytes, size_t n) {
    if (bytes->failed || n <= bytes->capacity - bytes->size) return;
    size_t wanted = bytes->capacity > SIZE_MAX / 2 - n ? SIZE_MAX : 2 * bytes->capacity + n;
    unsigned char *grown = (unsigned char *)GF_REALLOC(bytes->data, wanted);
    bytes->failed = grown == NULL;
    if (grown) bytes->data = grown, bytes->capacity = wanted;
}

static void gfi_put(gfi_bytes *bytes, const void *from, size_t n) {
    gfi_reserve(bytes, n);
    if (bytes->failed) return;
    memcpy(bytes->data + bytes->size, from, n);
    bytes->size += n;
}

// Write to path.tmp, flush, check, then rename over path: what stands at path is always whole.
static gf_status gfi_write_file(const char *path, const unsigned char *data, size_t n) {
    char temporary[1024];
    FILE *file;
    int written;
    if (gfi_print(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return gfi_fail(GF_ERROR_ARGUMENT, "the path \"%.60s…\" is longer than %d bytes; use a shorter one", path,
                        (int)sizeof temporary - 5);
    file = fopen(temporary, "wb");
    if (!file)
        return gfi_fail(GF_ERROR_IO, "%s: cannot be created; does the folder exist, may it be written to?", temporary);
    written = fwrite(data, 1, n, file) == n && fflush(file) == 0;
    written = fclose(file) == 0 && written;
#ifdef _WIN32
    if (written) remove(path);
#endif
    if (written && rename(temporary, path) == 0) return GF_OK;
    remove(temporary);
    return gfi_fail(GF_ERROR_IO, "%s: %lu bytes could not be written; is the disk full?", path, (unsigned long)n);
}

#endif  // GF_NO_STDIO

// ---------------------------------------------------------------------------------------------------------------------
// [GF:PROBE] Instruments: where do gradients go?
// ---------------------------------------------------------------------------------------------------------------------
// First the measures of any array (norms, percentiles, histograms), then gf_net_measure, which takes them at every
// affine layer, then records over time, dead units, maps, and the verdict. The idea of it all is gfi_measure_decay:
//     ln(‖δ_l‖/‖δ_{l+1}‖) = what Wᵀ of layer l+1 did + what φ' did + the rest
// telescopes over the norms of the gradient before and after each layer in between.

static gf_stats gfi_stats_from(const gfi_sums *sums, size_t n) {
    gf_stats stats;
    stats.n = n, stats.nonfinite = sums->non_finite;
    stats.l2 = sqrt(sums->sum_squares);
    stats.rms = sqrt(sums->sum_squares / (double)n);
    stats.mean = sums->sum / (double)n;
    stats.mean_abs = sums->sum_abs / (double)n;
    stats.max_abs = sums->max_abs;
    stats.zero_share = (double)sums->zeros / (double)n;
    return stats;
}

GFDEF gf_stats gf_stats_of(const gf_real *x, size_t n) {
    gfi_sums sums;
    gf_stats none = {0, 0, NAN, NAN, NAN, NAN, NAN, NAN};
    if (!x || n == 0) return none;
    gfi_kernels_best()->sums(x, n, &sums);
    return gfi_stats_from(&sums, n);
}

static void gfi_swap(gf_real *x, size_t i, size_t j) {
    gf_real t = x[i];
    x[i] = x[j], x[j] = t;
}

// Reorder x[0..n) so that x[k] is what a sort would put there, smaller before and larger after it (Hoare 1961).
static gf_real gfi_select(gf_real *x, size_t n, size_t k) {
    size_t low = 0, high = n - 1;
    while (low < high) {
        gf_real pivot = x[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (x[i] < pivot) i++;
            while (pivot < x[j]) j--;
            if (i >= j) break;
            gfi_swap(x, i++, j--);
        }
        if (k <= j && !(i == j && k > j)) high = j;
        else low = j + 1;
    }
    return x[k];
}

// Move to the front of x[0..n) ≥ 0 what has ranks low to high, from 0, and whatever shares their leading bits: for
// numbers that are not negative the order of the bits is the order of the values, so counts of the leading bits tell
// where the ranks lie. Returns how many were kept; *below: smaller numbers that were not.
static size_t gfi_keep_ranks(gf_real *x, size_t n, size_t low, size_t high, size_t *below) {
    enum { LEADING = 11, BUCKETS = 1 << (LEADING - 1), SHIFT = 8 * (int)sizeof(gf_real) - LEADING, CHAINS = 4 };
    uint32_t count[BUCKETS][CHAINS];  // equal neighbours count in different places and need not wait for each other
    size_t i, kept = 0, seen = 0, first = 0, last;
    gfi_bits bits;
    memset(count, 0, sizeof count);
    for (i = 0; i < n; i++) {
        memcpy(&bits, &x[i], sizeof bits);
        count[bits >> SHIFT][i % CHAINS]++;
    }
    for (last = 0; last < BUCKETS; last++) {
        const uint32_t *c = count[last];
        seen += (size_t)c[0] + c[1] + c[2] + c[3];
        if (seen <= low) first = last + 1, *below = seen;
        if (seen > high) break;
    }
    for (i = 0; i < n; i++) {
        gf_real value = x[i];
        memcpy(&bits, &value, sizeof bits);
        x[kept] = value;
        kept += (size_t)(bits >> SHIFT) - first <= last - first;  // first ≤ bucket ≤ last
    }
    return kept;
}

// What a rank between two neighbours means: linear between them, NumPy's default. Reorders x[0..n).
static double gfi_at_rank(gf_real *x, size_t n, double rank) {
    size_t i, k = (size_t)rank;
    gf_real found, next = INFINITY;
    for (i = 1; i < n && x[i] == x[0]; i++) {}
    if (i >= n) return (double)x[0];  // all alike, as slopes often are
    found = gfi_select(x, n, k);
    if (!(rank > (double)k)) return (double)found;
    for (i = k + 1; i < n; i++)
        if (x[i] < next) next = x[i];
    return (double)found + (rank - (double)k) * ((double)next - (double)found);
}

// Percentiles p ≤ q of x[0..n) ≥ 0, n > 0, no NaN. Reorders x and shortens it to what lies near them.
static void gfi_percentiles(gf_real *x, size_t n, double p, double q, double *at_p, double *at_q) {
    double low = p / 100 * (double)(n - 1), high = q / 100 * (double)(n - 1);
    size_t below = 0, next = (size_t)high + 1, kept;
    kept = gfi_keep_ranks(x, n, (size_t)low, next < n ? next : n - 1, &below);
    *at_q = gfi_at_rank(x, kept, high - (double)below);
    *at_p = p < q ? gfi_at_rank(x, kept, low - (double)below) : *at_q;
}

GFDEF double gf_percentile_abs(const gf_real *x, size_t n, double p, gf_real *scratch) {
    size_t i;
    double found;
    if (!x || !scratch || n == 0 || !(p >= 0 && p <= 100))
        return gfi_fail(GF_ERROR_ARGUMENT,
                        "gf_percentile_abs: x is %s, scratch %s, n %lu, p %g; needs two arrays of at least 1 element "
                        "and p from 0 to 100",
                        x ? "given" : "NULL", scratch ? "given" : "NULL", (unsigned long)n, p),
               NAN;
    for (i = 0; i < n; i++) {
        if (x[i] != x[i]) return NAN;
        scratch[i] = (gf_real)fabs((double)x[i]);
    }
    gfi_percentiles(scratch, n, p, p, &found, &found);
    return found;
}

GFDEF gf_status gf_histogram_add(gf_histogram *histogram, const gf_real *x, size_t n) {
    size_t i, half;
    if (!histogram) return gfi_fail(GF_ERROR_ARGUMENT, "gf_histogram_add: histogram is NULL; pass a gf_histogram");
    if (!histogram->count || histogram->high <= histogram->low || histogram->per_decade < 1 ||
        (double)histogram->bins != 2 * ((double)histogram->high - histogram->low) * histogram->per_decade + 1 ||
        (!x && n))
        return gfi_fail(GF_ERROR_ARGUMENT,
                        "gf_histogram_add: x is %s, count %s, low %d, high %d, per_decade %d, bins %lu; needs data, "
                        "count[bins], low < high, bins = 2·(high - low)·per_decade + 1",
                        x ? "given" : "NULL", histogram->count ? "given" : "NULL", histogram->low, histogram->high,
                        histogram->per_decade, (unsigned long)histogram->bins);
    half = histogram->bins / 2;
    for (i = 0; i < n; i++) {
        double magnitude = fabs((double)x[i]), position;
        size_t bin;
        if (magnitude != magnitude) histogram->nan_count++;
        else if (magnitude > DBL_MAX) histogram->inf_count++;
        else {
            position = magnitude > 0 ? (log10(magnitude) - histogram->low) * histogram->per_decade : -1;
            bin = position < 0 ? 0 : position >= (double)half ? half : 1 + (size_t)position;
            histogram->count[x[i] < 0 ? half - bin : half + bin]++;
        }
    }
    return GF_OK;
}

// Where affine layer l, 1 ≤ l ≤ L, stands among all layers; -1 beyond the last.
static int gfi_affine_index(const gf_net *net, int l) {
    int i;
    for (i = 0; i < net->layer_count; i++)
        if (net->layers[i].kind->affine && net->layers[i].ordinal == l) return i;
    return -1;
}

// The activation that follows affine layer l before the next affine layer; NULL where there is none (the output layer).
static const gfi_layer *gfi_activation_behind(const gf_net *net, int l) {
    int i;
    for (i = gfi_affine_index(net, l) + 1; i > 0 && i < net->layer_count && !net->layers[i].kind->affine; i++)
        if (net->layers[i].kind == &gfi_activation) return &net->layers[i];
    return NULL;
}

// |φ'| of every element into slope[n]: as forward stored it, or found again from z.
static void gfi_measure_slope(gf_net *net, const gfi_layer *layer, gf_real *slope, size_t n) {
    enum { CHUNK = 1024 };
    gf_real h[CHUNK];
    gf_act act = gfi_layer_act(net, layer);
    size_t i, start;
    for (start = 0; start < n; start += CHUNK) {
        size_t count = n - start < CHUNK ? n - start : (size_t)CHUNK;
        const gf_real *found = layer->saved ? layer->save + start : slope + start;
        if (!layer->saved) net->kernels->act_forward(act, layer->x + start, h, slope + start, count);
        for (i = 0; i < count; i++) slope[start + i] = (gf_real)fabs((double)found[i]);
    }
}

// Counts of |φ'| and z, and the mean of ln(|φ'| + 1e-12): the logarithm of a product whose powers of two are split off
// every 8 factors, so that it stays within double.
static void gfi_measure_shares(const gfi_layer *layer, const gf_real *slope, size_t n, gf_layer_probe *probe) {
    const gf_act_info *info = &layer->act_info;
    const double flat_below = 0.01 * (1 - 1e-6) * info->slope_max;  // 0.01f does not count as below 0.01
    size_t i, near_zero = 0, small = 0, limit = 0, flat = 0;
    double factor = 1, product = 1, powers = 0;
    int power = 0;
    for (i = 0; i < n; i++) {
        double d = (double)slope[i], z = (double)layer->x[i];
        factor *= d + 1e-12;
        if (i % 8 == 7 || i + 1 == n) product = frexp(product * factor, &power), powers += power, factor = 1;
        small += d < 1e-3;
        flat += d < flat_below;
        near_zero += fabs(z) <= 0.1;
        limit += (size_t)((z <= info->saturated_below) | (z >= info->saturated_above));
    }
    probe->dphi_log = (powers * 0.69314718055994530942 + log(product)) / (double)n;
    probe->dphi_small = (double)small / (double)n, probe->flat_share = (double)flat / (double)n;
    probe->z_near_zero = (double)near_zero / (double)n, probe->limit_share = (double)limit / (double)n;
}

// Statistics of the activation at its own input z and of its slope φ'(z).
static void gfi_measure_signal(gf_net *net, const gfi_layer *layer, gf_layer_probe *probe) {
    size_t n = (size_t)net->batch * layer->out_size;
    gf_real *slope = net->probe_scratch;
    gf_stats z = gf_stats_of(layer->x, n), out = gf_stats_of(layer->y, n), dphi;
    probe->z_mean = z.mean, probe->q = z.rms * z.rms, probe->z_abs_mean = z.mean_abs;
    probe->z_std = sqrt(fmax(0, probe->q - z.mean * z.mean));
    probe->h_mean = out.mean, probe->h_std = sqrt(fmax(0, out.rms * out.rms - out.mean * out.mean));
    gfi_measure_slope(net, layer, slope, n);
    gfi_measure_shares(layer, slope, n, probe);
    dphi = gf_stats_of(slope, n);
    probe->dphi_mean = dphi.mean_abs, probe->dphi_square = dphi.rms * dphi.rms;
    if (!dphi.nonfinite) gfi_percentiles(slope, n, 1, 10, &probe->dphi_p01, &probe->dphi_p10);
    probe->z_abs_p90 = gf_percentile_abs(layer->x, n, 90, net->probe_scratch);
}

// ln(‖δ_l‖/‖δ_{l+1}‖) as the sum of what each layer between them did to the norm of the gradient that passed it.
static void gfi_measure_decay(gf_net *net, int l, gf_layer_probe *probe) {
    int i = gfi_affine_index(net, l + 1), end = gfi_affine_index(net, l);
    probe->decay = probe->decay_weight = probe->decay_slope = probe->decay_rest = 0;
    for (; i > end; i--) {
        double after = sqrt(gfi_layer_squares(net, &net->layers[i]));
        double part = log(sqrt(gfi_layer_squares(net, &net->layers[i - 1])) / after);
        if (net->layers[i].kind->affine) probe->decay_weight += part;
        else if (net->layers[i].kind == &gfi_activation) probe->decay_slope += part;
        else probe->decay_rest += part;
        probe->decay += part;
    }
}

// Nothing measured yet: NaN, not a zero that could be taken for a result.
static void gfi_probe_clear(gf_layer_probe *p) {
    memset(p, 0, sizeof *p);
    p->dw = p->db = p->delta = gf_stats_of(NULL, 0);
    p->update_ratio = p->adam_starved = p->noise_trace = p->noise_scale = NAN;
    p->decay = p->decay_weight = p->decay_slope = p->decay_rest = NAN;
    p->z_mean = p->z_std = p->q = p->z_abs_mean = p->z_abs_p90 = p->z_near_zero = p->h_mean = p->h_std = NAN;
    p->dphi_mean = p->dphi_square = p->dphi_p10 = p->dphi_p01 = p->dphi_log = p->dphi_small = NAN;
    p->limit_share = p->flat_share = NAN;
}

// Statistics of a gradient: all, or only its norm where no more was asked for; a norm that is not finite asks for all.
// *squares = Σ x², if it is known already.
static gf_stats gfi_measure_gradient(const gf_net *net, const gf_real *x, size_t n, double *squares) {
    gf_stats stats;
    gfi_sums sums;
    if (*squares < 0 && !(net->probe & GF_PROBE_GRADIENTS)) *squares = gfi_squares(net, x, n);
    if (*squares <= DBL_MAX && !(net->probe & GF_PROBE_GRADIENTS)) {
        memset(&sums, 0, sizeof sums);
        sums.sum_squares = *squares;
        stats = gfi_stats_from(&sums, n);
        stats.mean = stats.mean_abs = stats.max_abs = stats.zero_share = NAN;
        return stats;
    }
    net->kernels->sums(x, n, &sums);
    *squares = sums.sum_squares;
    return gfi_stats_from(&sums, n);
}

// ∇W, ∇b and δ of affine layer l.
static void gfi_measure_gradients(gf_net *net, int l, gf_layer_probe *probe) {
    gfi_layer *layer = &net->layers[gfi_affine_index(net, l)];
    gfi_tensor *w = &net->tensors[layer->tensor], *b = w + 1;
    probe->dw = gfi_measure_gradient(net, w->view.grad, w->view.size, &w->squares);
    if (layer->tensors > 1) probe->db = gfi_measure_gradient(net, b->view.grad, b->view.size, &b->squares);
    probe->delta = gfi_measure_gradient(net, layer->dy, (size_t)net->batch * layer->out_size, &layer->squares);
    if (l < net->affine_count) gfi_measure_decay(net, l, probe);
    if (probe->delta.nonfinite || probe->dw.nonfinite) gfi_find_nonfinite(net);
}

// Σ_n ‖g_n - G‖² = Σ_n ‖g_n‖² - B·‖G‖² with G = mean g_n = ∇W; ‖E g‖² is estimated without bias as ‖G‖² - tr Σ/B.
static void gfi_measure_noise(gf_net *net, const gfi_layer *layer, gf_layer_probe *probe) {
    size_t b, batch = (size_t)net->batch;
    double sum = 0, signal, squares = gfi_tensor_squares(net, &net->tensors[layer->tensor]);
    for (b = 0; b < batch; b++)
        sum += net->kernels->sum_squares(layer->dy + b * layer->out_size, layer->out_size) *
               net->kernels->sum_squares(layer->x + b * layer->in_size, layer->in_size);
    sum *= (double)batch * (double)batch;
    if (batch < 2) return;
    probe->noise_trace = fmax(0, sum - (double)batch * squares) / (double)(batch - 1);
    signal = squares - probe->noise_trace / (double)batch;
    probe->noise_scale = signal > 0 ? probe->noise_trace / signal : INFINITY;
}

GFDEF gf_status gf_net_measure(gf_net *net) {
    int l;
    if (!gfi_ready(net, GFI_BACKWARDED, "gf_net_measure")) return gf_net_status(net);
    if (!net->probe)
        return gfi_net_fail(net, GF_ERROR_ORDER,
                            "gf_net_measure: no instruments; call gf_net_probe before gf_net_build");
    for (l = net->affine_count; l >= 1; l--) {  // backward, as the gradient goes: a decay needs the layer above
        const gfi_layer *layer = &net->layers[gfi_affine_index(net, l)], *act = gfi_activation_behind(net, l);
        gf_layer_probe *probe = &net->probes[l - 1];
        gfi_probe_clear(probe);
        probe->name = layer->name;
        if (net->probe & (GF_PROBE_GRADIENTS | GF_PROBE_NORMS)) gfi_measure_gradients(net, l, probe);
        if ((net->probe & GF_PROBE_SIGNALS) && act) gfi_measure_signal(net, act, probe);
        if ((net->probe & GF_PROBE_NOISE) && layer->kind == &gfi_dense)
            gfi_measure_noise(net, layer, probe);
    }
    net->measured = (net->probe & GF_PROBE_UPDATES) != 0;
    return GF_OK;
}

GFDEF const gf_layer_probe *gf_net_probe_at(const gf_net *net, int l) {
    if (net && net->probes && l >= 1 && l <= net->affine_count) return &net->probes[l - 1];
    gfi_fail(GF_ERROR_NOT_FOUND, "gf_net_probe_at: layer %d of a net %s; layers are 1 to %d, and probes are declared "
             "with gf_net_probe before gf_net_build", l, net && net->probes ? "with probes" : "without probes",
             gf_net_affine_count(net));
    return NULL;
}

#define GFI_STATS_FIELDS(X, stats) \
    X(stats.l2) X(stats.rms) X(stats.mean) X(stats.mean_abs) X(stats.max_abs) X(stats.zero_share)
#define GFI_PROBE_FIELDS(X)                                                                                        \
    GFI_STATS_FIELDS(X, dw) GFI_STATS_FIELDS(X, db) GFI_STATS_FIELDS(X, delta)                                     \
    X(update_ratio) X(adam_starved) X(noise_trace) X(noise_scale) X(decay) X(decay_weight) X(decay_slope)          \
    X(decay_rest) X(z_mean) X(z_std) X(q) X(z_abs_mean) X(z_abs_p90) X(z_near_zero) X(h_mean) X(h_std)             \
    X(dphi_mean) X(dphi_square) X(dphi_p10) X(dphi_p01) X(dphi_log) X(dphi_small) X(limit_share) X(flat_share)

static const struct {
    const char *name;
    size_t offset;
} gfi_probe_fields[] = {
#define GFI_PROBE_FIELD(field) {#field, offsetof(gf_layer_probe, field)},
    GFI_PROBE_FIELDS(GFI_PROBE_FIELD)
#undef GFI_PROBE_FIELD
};
enum { GFI_PROBE_FIELD_COUNT = sizeof gfi_probe_fields / sizeof gfi_probe_fields[0] };

GFDEF const char *gf_probe_field_name(int i) {
    return i >= 0 && i < GFI_PROBE_FIELD_COUNT ? gfi_probe_fields[i].name : NULL;
}

static double gfi_probe_number(const gf_layer_probe *probe, int i) {
    double number;
    memcpy(&number, (const char *)probe + gfi_probe_fields[i].offset, sizeof number);
    return number;
}

static int gfi_probe_find(const char *name) {  // -1: no such field
    int i = GFI_PROBE_FIELD_COUNT - 1;
    while (i >= 0 && strcmp(gfi_probe_fields[i].name, name) != 0) i--;
    return i;
}

GFDEF double gf_probe_field(const gf_layer_probe *probe, const char *name) {
    int i = probe && name ? gfi_probe_find(name) : -1;
    if (i >= 0) return gfi_probe_number(probe, i);
    return gfi_fail(GF_ERROR_NOT_FOUND, "gf_probe_field: no field \"%.60s\" of a probe that is %s; "
                    "gf_probe_field_name lists them, such as delta.rms", name ? name : "(NULL)",
                    probe ? "given" : "NULL"),
           NAN;
}

GFDEF gf_status gf_recorder_init(gf_recorder *recorder, gf_net *net, int capacity) {
    size_t cells;
    if (!recorder)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT,
                            "gf_recorder_init: recorder is NULL; pass the address of a gf_recorder");
    memset(recorder, 0, sizeof *recorder);
    if (!gfi_ready(net, GFI_BUILT, "gf_recorder_init")) return net ? net->status : GF_ERROR_ARGUMENT;
    if (capacity < 2 || !net->probes)
        return gfi_net_fail(
            net, GF_ERROR_ARGUMENT,
            "gf_recorder_init: room for %d rows, %s; needs at least 2, and gf_net_probe before gf_net_build", capacity,
            net->probes ? "probes declared" : "no probes");
    cells = (size_t)capacity * (size_t)net->affine_count;
    recorder->probe = (gf_layer_probe *)gfi_alloc(cells, sizeof *recorder->probe);
    recorder->step = (double *)gfi_alloc((size_t)capacity, sizeof *recorder->step);
    if (!recorder->probe || !recorder->step) {
        gf_recorder_free(recorder);
        return gfi_net_fail(net, GF_ERROR_MEMORY, "gf_recorder_init: out of memory for %d rows of %d layers", capacity,
                            net->affine_count);
    }
    recorder->layers = net->affine_count, recorder->capacity = capacity, recorder->every = 1;
    return GF_OK;
}

GFDEF void gf_recorder_free(gf_recorder *recorder) {
    if (!recorder) return;
    GF_FREE(recorder->probe);
    GF_FREE(recorder->step);
    memset(recorder, 0, sizeof *recorder);
}

GFDEF void gf_recorder_add(gf_recorder *recorder, gf_net *net) {
    size_t row;
    int i;
    if (!recorder || !recorder->probe || !net || net->affine_count != recorder->layers || !net->probes) {
        gfi_fail(GF_ERROR_ORDER, "gf_recorder_add: the recorder has %d layers, the net %d; call gf_recorder_init with "
                 "this net", recorder && recorder->probe ? recorder->layers : 0, gf_net_affine_count(net));
        return;
    }
    if (recorder->layers == 0 || !net->probes[0].name) return;  // nothing measured yet
    if (recorder->offered++ % recorder->every != 0) return;
    row = (size_t)recorder->layers;
    if (recorder->rows == recorder->capacity) {
        for (i = 0; 2 * i < recorder->rows; i++) {
            memmove(recorder->probe + (size_t)i * row, recorder->probe + 2 * (size_t)i * row,
                    row * sizeof *recorder->probe);
            recorder->step[i] = recorder->step[2 * i];
        }
        recorder->rows = i, recorder->every *= 2;
        if ((recorder->offered - 1) % recorder->every != 0) return;
    }
    memcpy(recorder->probe + (size_t)recorder->rows * row, net->probes, row * sizeof *recorder->probe);
    recorder->step[recorder->rows++] = (double)net->step;
}

GFDEF gf_status gf_recorder_series(const gf_recorder *recorder, int l, const char *field, double *out) {
    int i = field ? gfi_probe_find(field) : -1, row;
    if (!recorder || !out || i < 0 || l < 1 || l > recorder->layers)
        return gfi_fail(
            GF_ERROR_NOT_FOUND,
            "gf_recorder_series: field \"%s\" of layer %d; there are layers 1 to %d and fields such as delta.rms",
            field ? field : "(NULL)", l, recorder ? recorder->layers : 0);
    for (row = 0; row < recorder->rows; row++)
        out[row] = gfi_probe_number(&recorder->probe[row * recorder->layers + l - 1], i);
    return GF_OK;
}

#ifndef GF_NO_STDIO
static void gfi_put_text(gfi_bytes *bytes, const char *text) { gfi_put(bytes, text, strlen(text)); }

GFDEF gf_status gf_recorder_csv(const gf_recorder *recorder, const char *path) {
    gfi_bytes bytes;
    gf_status status;
    char number[64];
    int row, l, i;
    if (!recorder || !recorder->probe || !path)
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_recorder_csv: recorder is %s, path %s; needs one made by "
                        "gf_recorder_init and a file to write", recorder && recorder->probe ? "given" : "empty",
                        path ? "given" : "NULL");
    memset(&bytes, 0, sizeof bytes);
    gfi_put_text(&bytes, "step,layer,name");
    for (i = 0; i < GFI_PROBE_FIELD_COUNT; i++)
        gfi_put_text(&bytes, ","), gfi_put_text(&bytes, gfi_probe_fields[i].name);
    for (row = 0; row < recorder->rows; row++)
        for (l = 1; l <= recorder->layers; l++) {
            const gf_layer_probe *probe = &recorder->probe[row * recorder->layers + l - 1];
            gfi_print(number, sizeof number, "\n%.0f,%d,", recorder->step[row], l);
            gfi_put_text(&bytes, number), gfi_put_text(&bytes, probe->name);
            for (i = 0; i < GFI_PROBE_FIELD_COUNT; i++) {
                double value = gfi_probe_number(probe, i);
                if (value == value) gfi_print(number, sizeof number, ",%.9g", value);
                gfi_put_text(&bytes, value == value ? number : ",nan");
            }
        }
    gfi_put_text(&bytes, "\n");
    status = bytes.failed ? gfi_fail(GF_ERROR_MEMORY, "gf_recorder_csv: out of memory for %s", path)
                          : gfi_write_file(path, bytes.data, bytes.size);
    GF_FREE(bytes.data);
    return status;
}
#endif

GFDEF gf_nonfinite gf_net_first_nonfinite(const gf_net *net) {
    gf_nonfinite none;
    memset(&none, 0, sizeof none);
    return net ? net->nonfinite : none;
}

GFDEF void gf_net_dead_reset(gf_net *net, int counting) {
    if (!gfi_ready(net, GFI_BUILT, "gf_net_dead_reset")) return;
    if (!net->alive) {
        gfi_net_fail(net, GF_ERROR_ORDER, "gf_net_dead_reset: no instruments; call gf_net_probe before gf_net_build");
        return;
    }
    net->dead_counting = counting != 0;
    net->dead_seen = 0;
    memset(net->alive, 0, net->unit_count);
}

// Mark every unit (channel) that has z > 0 somewhere in this batch.
static void gfi_dead_count(gf_net *net) {
    unsigned char *alive = net->alive;
    int l;
    for (l = 1; l <= net->affine_count; l++) {
        const gfi_layer *affine = &net->layers[gfi_affine_index(net, l)], *act = gfi_activation_behind(net, l);
        size_t units = (size_t)affine->out.channels, plane = act ? act->out_size / units : 0, i;
        for (i = 0; act && i < (size_t)net->batch * act->out_size; i++)
            if (!(act->x[i] <= 0)) alive[i / plane % units] = 1;
        alive += units;
    }
    net->dead_seen = 1;
}

GFDEF double gf_net_dead_share(const gf_net *net, int l) {
    const unsigned char *alive = net ? net->alive : NULL;
    size_t units, u, dead = 0;
    int k;
    if (!alive || !net->dead_seen || l < 1 || l > net->affine_count || !gfi_activation_behind(net, l))
        return gfi_fail(GF_ERROR_ORDER,
                        "gf_net_dead_share: layer %d of %d is not counted; needs gf_net_probe, "
                        "gf_net_dead_reset(net, 1), a forward in GF_EVAL and an activation behind the layer",
                        l, gf_net_affine_count(net)),
               NAN;
    for (k = 1; k < l; k++) alive += net->layers[gfi_affine_index(net, k)].out.channels;
    units = (size_t)net->layers[gfi_affine_index(net, l)].out.channels;
    for (u = 0; u < units; u++) dead += !alive[u];
    return (double)dead / (double)units;
}

GFDEF gf_status gf_net_gradient_map(gf_net *net, int layer, double *map) {
    const gfi_layer *at = gfi_layer_at(net, layer);
    const gf_real *dy;
    size_t plane, planes, i, k;
    if (!gfi_ready(net, GFI_BACKWARDED, "gf_net_gradient_map")) return gf_net_status(net);
    if (!at || !map)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT,
                            "gf_net_gradient_map: layer %d, map %s; needs a layer of 0 to %d and room for its pixels",
                            layer, map ? "given" : "NULL", net->layer_count - 1);
    plane = gfi_conv_plane(at->out), planes = (size_t)net->batch * (size_t)at->out.channels;
    memset(map, 0, plane * sizeof *map);
    dy = gfi_layer_dy(net, at);
    for (k = 0; k < planes; k++)
        for (i = 0; i < plane; i++) map[i] += fabs((double)dy[k * plane + i]);
    for (i = 0; i < plane; i++) map[i] /= (double)planes;
    return GF_OK;
}

GFDEF gf_status gf_net_filter_norms(gf_net *net, int l, double *norms) {
    const gf_tensor *weight;
    size_t each;
    int o, index;
    if (!gfi_ready(net, GFI_BACKWARDED, "gf_net_filter_norms")) return gf_net_status(net);
    index = l < 1 ? -1 : gfi_affine_index(net, l);
    if (index < 0 || !norms)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT,
                            "gf_net_filter_norms: affine layer %d, norms %s; needs a layer of 1 to %d and room for a "
                            "norm per filter",
                            l, norms ? "given" : "NULL", net->affine_count);
    weight = gfi_param(net, &net->layers[index], 0), each = weight->size / (size_t)weight->dims[0];
    for (o = 0; o < weight->dims[0]; o++)
        norms[o] = sqrt(net->kernels->sum_squares(weight->grad + (size_t)o * each, each));
    return GF_OK;
}

// What the probes of a measured net add up to.
typedef struct gfi_diagnosis {
    double ratio;                      // RMS δ_1 / RMS δ_L
    double weight, slope, rest;        // shares of ln ratio, summed over the layers
    double flat, zero, starved;        // worst layer's share: |φ'| under 1 % of its maximum; δ exactly 0; √v̂ below ε
    int flat_layer, zero_layer, starved_layer;
    const char *phi;                   // the activation's name
} gfi_diagnosis;

static gfi_diagnosis gfi_diagnose(const gf_net *net) {
    gfi_diagnosis d;
    int l, last = net->affine_count;
    const gfi_layer *act = NULL;
    memset(&d, 0, sizeof d);
    for (l = 1; l <= last && !act; l++) act = gfi_activation_behind(net, l);
    d.ratio = net->probes[0].delta.rms / net->probes[last - 1].delta.rms;
    d.phi = act ? gfi_act_label(act->act) : "no activation";
    for (l = 1; l <= last; l++) {
        const gf_layer_probe *p = &net->probes[l - 1];
        if (l < last) d.weight += p->decay_weight, d.slope += p->decay_slope, d.rest += p->decay_rest;
        if (p->flat_share > d.flat) d.flat = p->flat_share, d.flat_layer = l;
        if (p->delta.zero_share > d.zero) d.zero = p->delta.zero_share, d.zero_layer = l;
        if (p->adam_starved > d.starved) d.starved = p->adam_starved, d.starved_layer = l;
    }
    return d;
}

// Who changed the gradient's norm: shares of its logarithm where all pulled the same way, factors where one undid the
// other.
static const char *gfi_cause(const gfi_diagnosis *d, char *text, size_t size) {
    double sum = d->weight + d->slope + d->rest;
    int length;
    if (d->weight / sum < 0 || d->slope / sum < 0 || d->rest / sum < -1e-6) {
        length = gfi_print(text, size, "φ' (%s) alone makes it %.1e, Wᵀ %.1e", d->phi, exp(d->slope), exp(d->weight));
        if (fabs(d->rest) > 1e-6 && length > 0 && (size_t)length < size)
            gfi_print(text + length, size - (size_t)length, ", norms and skips %.1e", exp(d->rest));
        return text;
    }
    length = gfi_print(text, size, "%.0f %% of the %s (in log) is φ' (%s), %.0f %% Wᵀ", 100 * d->slope / sum + 0.0,
                      sum < 0 ? "decay" : "growth", d->phi, 100 * d->weight / sum);
    if (d->rest / sum > 0.005 && length > 0 && (size_t)length < size)
        gfi_print(text + length, size - (size_t)length, ", %.0f %% norms and skips", 100 * d->rest / sum);
    return text;
}

GFDEF gf_status gf_net_verdict(gf_net *net, char *text, size_t size) {
    gfi_diagnosis d;
    char cause[160];
    int last;
    if (!text || size == 0)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_verdict: text is %s, size %lu; needs room, 200 bytes serve",
                            text ? "given" : "NULL", (unsigned long)size);
    text[0] = '\0';
    if (!gfi_ready(net, GFI_NEW, "gf_net_verdict")) return gf_net_status(net);
    if (!net->probes || net->affine_count == 0 || !net->probes[0].name ||
        !(net->probe & GF_PROBE_GRADIENTS) || !(net->probe & GF_PROBE_SIGNALS))
        return gfi_net_fail(net, GF_ERROR_ORDER, "gf_net_verdict: needs gf_net_measure with GF_PROBE_GRADIENTS and "
                            "GF_PROBE_SIGNALS");
    d = gfi_diagnose(net), last = net->affine_count;
    if (net->nonfinite.found)
        gfi_print(text, size, "non-finite: the first NaN or infinity came at step %ld in %s, %s", net->nonfinite.step,
                 net->nonfinite.layer, net->nonfinite.backward ? "backward" : "forward");
    else if (net->probes[last - 1].delta.rms == 0)
        gfi_print(text, size, "no gradient: the loss sends none into layer %d", last);
    else if (d.ratio == 0)
        gfi_print(text, size,
                 "dead: layer 1 receives exactly no gradient; %.0f %% of layer %d's δ are 0: its %s units are off",
                 100 * d.zero, d.zero_layer, d.phi);
    else if (d.zero > 0.9 && !(d.ratio > 1e3))
        gfi_print(text, size, "dead: %.0f %% of layer %d's δ are exactly 0: few of its %s units pass a gradient",
                 100 * d.zero, d.zero_layer, d.phi);
    else if (d.ratio < 1e-3 || d.ratio > 1e3)
        gfi_print(text, size, "%s: layer 1 receives %.2g of what layer %d receives; %s%s",
                 d.ratio < 1 ? "vanishing" : "exploding", d.ratio, last, gfi_cause(&d, cause, sizeof cause),
                 d.starved > 0.5 ? "; starved: most of Adam's √v̂ lie below its ε, so it no longer adapts" : "");
    else if (d.starved > 0.5)
        gfi_print(text, size,
                 "starved: %.0f %% of layer %d's √v̂ lie below Adam's ε: it no longer adapts, and its steps shrink "
                 "with the gradient",
                 100 * d.starved, d.starved_layer);
    else if (d.flat > 0.75)
        gfi_print(text, size, "saturated: %.0f %% of layer %d's %s inputs lie where |φ'| is below 1 %% of its maximum",
                 100 * d.flat, d.flat_layer, d.phi);
    else
        gfi_print(text, size, "healthy: layer 1 receives %.2g of what layer %d receives", d.ratio, last);
    return GF_OK;
}

// ---------------------------------------------------------------------------------------------------------------------
// [GF:CHECK] Gradient check
// ---------------------------------------------------------------------------------------------------------------------
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

// The loss with the parameters as they stand, and the hash of the sides of kinks that the batch is on.
static double gfi_check_loss(const gfi_check_run *run, uint64_t *branch) {
    gf_net *net = run->net;
    double loss = NAN;
    int i;
    *branch = 0;
    if (!gf_net_forward(net, run->x, run->batch, run->mode)) return NAN;
    if (run->loss == GF_LOSS_CROSS_ENTROPY) loss = gf_loss_cross_entropy(net, (const int *)run->targets);
    else if (run->loss == GF_LOSS_BCE) loss = gf_loss_bce(net, (const gf_real *)run->targets);
    else if (run->loss == GF_LOSS_MSE) loss = gf_loss_mse(net, (const gf_real *)run->targets);
    for (i = 0; i < net->layer_count; i++)
        if (net->layers[i].kind->branch)
            *branch = gfi_branch_mix(*branch, net->layers[i].kind->branch(net, &net->layers[i]));
    return loss;
}

// Does `name` stand among these names separated by spaces?
static int gfi_name_listed(const char *names, const char *name) {
    size_t length = strlen(name);
    const char *at = names;
    for (; at && (at = strstr(at, name)) != NULL; at += length)
        if ((at == names || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) return 1;
    return 0;
}

// Compare analytic[0..n) with differences along value[0..n); folds the relative error into the result under this name.
static void gfi_check_array(const gfi_check_run *run, const char *name, gf_real *value, const gf_real *analytic,
                            size_t n, gf_check *check) {
    double difference = 0, norm_a = 0, norm_n = 0, error;
    int declared = gfi_name_listed(check->zero_tensors, name);
    size_t count = check->max_per_tensor > 0 && (size_t)check->max_per_tensor < n ? (size_t)check->max_per_tensor : n,
           j;
    size_t skipped_before = check->skipped;
    for (j = 0; j < count; j++) {
        size_t i = j * n / count;
        gf_real kept = value[i];
        double up, down, numeric, a = (double)analytic[i];
        uint64_t branch_up, branch_down;
        value[i] = (gf_real)((double)kept + check->step), up = gfi_check_loss(run, &branch_up);
        value[i] = (gf_real)((double)kept - check->step), down = gfi_check_loss(run, &branch_down);
        value[i] = kept;
        if (branch_up != branch_down) {
            check->skipped++;
            continue;
        }
        numeric = (up - down) / (2 * check->step);
        difference += (a - numeric) * (a - numeric), norm_a += a * a, norm_n += numeric * numeric;
        check->checked++;
    }
    error = sqrt(difference) / (sqrt(norm_a) + sqrt(norm_n));
    if (check->skipped - skipped_before == count) return;  // nothing to judge; the count says so
    if (declared && sqrt(norm_a) < 1e-12 && sqrt(norm_n) < 1e-7) error = 0;
    else if (norm_a == 0) error = INFINITY;  // 0 against 0 proves nothing: allowed only where the caller said so
    if (!(error <= check->worst)) {
        check->worst = error == error ? error : INFINITY;
        gfi_print(check->worst_name, sizeof check->worst_name, "%s", name);
    }
}

// Analytic gradients of everything into copy[param_count] and, if wanted, input_copy[B·I].
static int gfi_check_analytic(const gfi_check_run *run, gf_real *copy, gf_real *input_copy, size_t inputs) {
    uint64_t branch;
    double loss = gfi_check_loss(run, &branch);
    gf_net *net = run->net;
    if (gf_net_backward(net) != GF_OK) return 0;
    memcpy(copy, net->grads, net->param_count * sizeof(gf_real));
    if (net->input_grad) memcpy(input_copy, net->input_grad, inputs * sizeof(gf_real));
    return loss == loss;
}

GFDEF gf_status gf_grad_check(gf_net *net, const gf_real *x, int batch, gf_mode mode, gf_loss_kind loss,
                              const void *targets, gf_check *check) {
    gfi_check_run run;
    size_t inputs;
    gf_real *memory, *analytic, *grads, *x_copy, *input_copy;
    gf_nonfinite nonfinite;
    int i, counting;
    if (!gfi_ready(net, GFI_BUILT, "gf_grad_check")) return gf_net_status(net);
    if (!x || !targets || !check || batch < 1 || batch > net->max_batch || (int)loss < 0 || loss >= GF_LOSS_COUNT)
        return gfi_net_fail(
            net, GF_ERROR_ARGUMENT,
            "gf_grad_check: x is %s, targets %s, check %s, batch %d, loss %d; needs all three, a batch of 1 to %d and "
            "one of gf_loss_kind",
            x ? "given" : "NULL", targets ? "given" : "NULL", check ? "given" : "NULL", batch, (int)loss,
            net->max_batch);
    if (!(check->step >= 0 && check->step <= DBL_MAX) || check->max_per_tensor < 0)
        return gfi_net_fail(net, GF_ERROR_ARGUMENT,
                            "gf_grad_check: step is %g, max_per_tensor %d; both must be 0 (the default) or more",
                            check->step, check->max_per_tensor);
    inputs = (size_t)batch * gf_shape_size(net->input);
    memory = (gf_real *)gfi_alloc(2 * net->param_count + 2 * inputs, sizeof(gf_real));
    if (!memory) return gfi_net_fail(net, GF_ERROR_MEMORY, "gf_grad_check: out of memory for a copy of the gradients");
    analytic = memory, grads = analytic + net->param_count, x_copy = grads + net->param_count,
    input_copy = x_copy + inputs;
    memcpy(grads, net->grads, net->param_count * sizeof(gf_real));
    memcpy(x_copy, x, inputs * sizeof(gf_real));
    run.net = net, run.x = x_copy, run.batch = batch, run.mode = mode, run.loss = loss, run.targets = targets;
    if (!(check->step > 0)) check->step = 1e-5;
    check->worst = 0, check->worst_name[0] = '\0', check->checked = check->skipped = 0;
    nonfinite = net->nonfinite, counting = net->dead_counting;
    net->frozen = 1, net->dead_counting = 0;

    if (gfi_check_analytic(&run, analytic, input_copy, inputs)) {
        for (i = 0; i < net->tensor_count; i++) {
            const gf_tensor *tensor = &net->tensors[i].view;
            if (tensor->grad)
                gfi_check_array(&run, tensor->name, tensor->value, analytic + tensor->offset, tensor->size, check);
        }
        if (net->input_grad) gfi_check_array(&run, "input", x_copy, input_copy, inputs, check);
    } else {
        check->worst = INFINITY;
        gfi_print(check->worst_name, sizeof check->worst_name, "loss");
    }

    memcpy(net->grads, grads, net->param_count * sizeof(gf_real));
    net->nonfinite = nonfinite;
    net->frozen = 0, net->dead_counting = counting, net->phase = GFI_BUILT;
    GF_FREE(memory);
    return net->status;
}

// ---------------------------------------------------------------------------------------------------------------------
// [GF:THEORY] Signal propagation
// ---------------------------------------------------------------------------------------------------------------------
// Everything rests on one integral, E[f(√q·Z)²] = ∫ f(√q·z)²·exp(-z²/2)/√(2π) dz. Two lengths matter: the Gaussian's (1
// in z) and the activation's (1 in x = √q·z, where it bends). So panels end at a few fixed z, at |x| = 1, 4, 16, 256 …,
// at 0 and at kinks; one on which 7 and 15 points disagree by more than a small part of the whole integral is halved.

#define GFI_THEORY_TOLERANCE 1e-8    // of a panel, relative to the integral; 15 points are far better than they claim
#define GFI_THEORY_PANELS 64         // before halving: at most 2 sides · (5 + 11 + kinks)
#define GFI_THEORY_HALVINGS 1024     // an integral may take; smooth activations need fewer than 10
#define GFI_THEORY_REACH 8.5         // |z| beyond this holds 2e-17 of the mass
#define GFI_THEORY_SETTLED 1e-7      // |ln(q_next/q)| that counts as none: a custom φ may round as float does
#define GFI_THEORY_Q_MAX 1e30        // q beyond this has run to infinity
#define GFI_THEORY_Q_MIN 1e-30       // q below this has run to zero

typedef double gfi_theory_function(gf_act act, double x);

typedef struct gfi_expectation {
    gfi_theory_function *f;
    gf_act act;
    double root_q, tolerance;        // √q; absolute tolerance of a panel
    int halvings;                    // left
} gfi_expectation;

typedef struct gfi_theory_panel {
    double a, b, value, error;       // ∫ over [a,b], |difference of the 7- and 15-point rules|
} gfi_theory_panel;

// One panel [a,b] by Gauss-Kronrod 7-15 (nodes and weights as in QUADPACK's qk15, Piessens et al. 1983).
static gfi_theory_panel gfi_theory_rule(const gfi_expectation *e, double a, double b) {
    static const double node[8] = {0.991455371120812639206854697526329, 0.949107912342758524526189684047851,
                                   0.864864423359769072789712788640926, 0.741531185599394439863864773280788,
                                   0.586087235467691130294144691693242, 0.405845151377397166906606412076961,
                                   0.207784955007898467600689403773245, 0.0};
    static const double kronrod[8] = {0.022935322010529224963732008058970, 0.063092092629978553290700663189204,
                                      0.104790010322250183839876322541518, 0.140653259715525918745189590510238,
                                      0.169004726639267902826583426598550, 0.190350578064785409913256402421014,
                                      0.204432940075298892414161999234649, 0.209482141084727828012999174891714};
    static const double gauss[8] = {0, 0.129484966168869693270611432679082, 0, 0.279705391489276667901467771423780,
                                    0, 0.381830050505118944950369775488975, 0, 0.417959183673469387755102040816327};
    double middle = 0.5 * (a + b), half = 0.5 * (b - a), k15 = 0.0, g7 = 0.0;
    gfi_theory_panel panel;
    for (int i = 0; i < 15; i++) {
        int j = i < 8 ? i : 14 - i;
        double z = middle + (i < 8 ? -half : half) * node[j], y = e->f(e->act, e->root_q * z);
        double value = y * y * exp(-0.5 * z * z);
        k15 += kronrod[j] * value;
        g7 += gauss[j] * value;
    }
    panel.a = a, panel.b = b, panel.value = half * k15, panel.error = half * fabs(k15 - g7);
    return panel;
}

// The panel's integral, halved until its error is small. NaN and infinity stay: no halving can mend them.
static double gfi_theory_refine(gfi_expectation *e, gfi_theory_panel panel) {
    double middle = 0.5 * (panel.a + panel.b), left;
    if (!(panel.error > e->tolerance) || isinf(panel.error) || e->halvings <= 0) return panel.value;
    e->halvings--;
    left = gfi_theory_refine(e, gfi_theory_rule(e, panel.a, middle));
    return left + gfi_theory_refine(e, gfi_theory_rule(e, middle, panel.b));
}

// Where the panel that starts at z ≥ 0, or at -z on the negative side, ends: the next edge of Gaussian, φ or kinks.
static double gfi_theory_next_edge(const gfi_expectation *e, const gf_act_properties *properties, double z, int side) {
    static const double gaussian[4] = {6.0, 4.5, 3.0, 1.5};
    double next = GFI_THEORY_REACH, x = 1.0;
    for (int i = 0; i < 4; i++)
        if (gaussian[i] > z) next = gaussian[i];
    while (x / e->root_q <= z) x *= x < 16.0 ? 4.0 : x;
    if (x / e->root_q < next) next = x / e->root_q;
    for (int i = 0; i < properties->kink_count; i++) {
        double kink = side * properties->kinks[i] / e->root_q;
        if (kink > z && kink < next) next = kink;
    }
    return next;
}

static double gfi_theory_refuse(const char *name, double value) {
    gfi_fail(GF_ERROR_ARGUMENT, "gf_theory: %s is %g; a variance must be 0 or more", name, value);
    return NAN;
}

// E[f(√q·Z)²]
static double gfi_theory_expectation(gfi_theory_function *f, gf_act act, double q) {
    const gf_act_properties *properties = gf_act_describe(act.kind);
    gfi_theory_panel panels[GFI_THEORY_PANELS];
    gfi_expectation e;
    double total = 0.0, refined = 0.0;
    int count = 0;
    if (!(q >= 0.0)) return gfi_theory_refuse("q", q);
    if (q == 0.0 || isinf(q)) {      // one point: φ is continuous at 0, φ' has two sides there
        double x = isinf(q) ? INFINITY : f == gf_act_value ? 0.0 : 1e-30;
        double left = f(act, -x), right = f(act, x);
        return 0.5 * (left * left + right * right);
    }
    e.f = f, e.act = act, e.root_q = sqrt(q), e.halvings = GFI_THEORY_HALVINGS;
    for (int side = -1; side <= 1; side += 2)
        for (double z = 0.0, next; z < GFI_THEORY_REACH && count < GFI_THEORY_PANELS; z = next) {
            next = gfi_theory_next_edge(&e, properties, z, side);
            panels[count] = side < 0 ? gfi_theory_rule(&e, -next, -z) : gfi_theory_rule(&e, z, next);
            total += panels[count++].value;
        }
    GF_ASSERT(count < GFI_THEORY_PANELS);
    e.tolerance = GFI_THEORY_TOLERANCE * total;
    for (int i = 0; i < count; i++) refined += gfi_theory_refine(&e, panels[i]);
    return refined * 0.398942280401432677940;  // 1/√(2π)
}

GFDEF double gf_theory_mean_square(gf_act act, double q) { return gfi_theory_expectation(gf_act_value, act, q); }

GFDEF double gf_theory_mean_square_slope(gf_act act, double q) {
    return gfi_theory_expectation(gf_act_derivative, act, q);
}

// Variance times mean square; 0·∞ is 0 here: weights that are all zero carry nothing on, however large q is.
static double gfi_theory_scaled(double weight_variance, double mean_square) {
    if (!(weight_variance >= 0.0)) return gfi_theory_refuse("weight_variance", weight_variance);
    return weight_variance == 0.0 && isinf(mean_square) ? 0.0 : weight_variance * mean_square;
}

GFDEF double gf_theory_q_next(gf_act act, double q, double weight_variance, double bias_variance) {
    if (!(bias_variance >= 0.0)) return gfi_theory_refuse("bias_variance", bias_variance);
    return gfi_theory_scaled(weight_variance, gf_theory_mean_square(act, q)) + bias_variance;
}

GFDEF double gf_theory_chi(gf_act act, double q, double weight_variance) {
    return gfi_theory_scaled(weight_variance, gf_theory_mean_square_slope(act, q));
}

// ln(q_next/q) at q = e^t: positive where q grows from layer to layer, zero at a fixed point.
static double gfi_theory_growth(gf_act act, double t, double w, double b) {
    double q = exp(t);
    return log(gf_theory_q_next(act, q, w, b) / q);
}

// The t between t0 and t1, whose growths g0 and g1 differ in sign, where it is zero: false position, Illinois' variant.
static double gfi_theory_root(gf_act act, double t0, double g0, double t1, double g1, double w, double b) {
    for (int i = 0; i < 60 && fabs(t1 - t0) > 1e-13 && g1 != 0.0; i++) {
        double t = isinf(g0) || isinf(g1) ? 0.5 * (t0 + t1) : t1 - g1 * (t1 - t0) / (g1 - g0);
        double g = gfi_theory_growth(act, t, w, b);
        if ((g > 0.0) != (g1 > 0.0)) t0 = t1, g0 = g1;
        else g0 *= 0.5;
        if (fabs(t - t1) <= 1e-14) return t;
        t1 = t, g1 = g;
    }
    return t1;
}

// q* from q = 1: walk the way q itself goes, with growing steps, until it would turn round; then close in.
static double gfi_theory_q_star(gf_act act, double w, double b) {
    double bottom = log(b > GFI_THEORY_Q_MIN ? b : GFI_THEORY_Q_MIN), top = log(GFI_THEORY_Q_MAX);
    double t = 0.0, growth = gfi_theory_growth(act, t, w, b), direction = growth > 0.0 ? 1.0 : -1.0;
    if (isnan(growth) || isinf(w) || isinf(b)) return NAN;
    if (fabs(growth) <= GFI_THEORY_SETTLED) return 1.0;
    for (double step = 0.7;; step *= 1.5) {
        double next = t + direction * step, g;
        if (next > top) return INFINITY;
        if (next < bottom && direction < 0.0) next = bottom;  // q_next ≥ σb², so q never falls below it
        g = gfi_theory_growth(act, next, w, b);
        if (isnan(g)) return NAN;
        if (direction * g < -GFI_THEORY_SETTLED) return exp(gfi_theory_root(act, t, growth, next, g, w, b));
        if (next == bottom) return b > GFI_THEORY_Q_MIN ? b : 0.0;
        t = next, growth = g;
    }
}

GFDEF gf_propagation gf_theory_fixed_point(gf_act act, double weight_variance, double bias_variance) {
    gf_propagation p;
    p.q = gfi_theory_q_star(act, weight_variance, bias_variance);
    p.chi = gf_theory_chi(act, p.q, weight_variance);
    p.depth_scale = fabs(p.chi - 1.0) <= 1e-12 ? INFINITY : 1.0 / fabs(log(p.chi));
    p.converged = !isnan(p.q) && !isinf(p.q);
    return p;
}

static int gfi_theory_chaotic(gf_act act, double weight_variance, double bias_variance) {
    return gf_theory_fixed_point(act, weight_variance, bias_variance).chi > 1.0;
}

GFDEF double gf_theory_critical(gf_act act, double bias_variance) {
    double low = 0.0, high = 0.01;
    if (!(bias_variance >= 0.0) || isinf(bias_variance)) return gfi_theory_refuse("bias_variance", bias_variance);
    while (!gfi_theory_chaotic(act, high, bias_variance)) {
        if (high >= 100.0) return NAN;
        low = high, high = high * 1.25 < 100.0 ? high * 1.25 : 100.0;
    }
    while (high - low > 1e-11 * high) {
        double middle = 0.5 * (low + high);
        if (gfi_theory_chaotic(act, middle, bias_variance)) high = middle;
        else low = middle;
    }
    return 0.5 * (low + high);
}

GFDEF gf_theory_layer gf_theory_affine(int fan_in, int fan_out, int width, gf_init weight, gf_init bias) {
    gf_theory_layer layer;
    if (fan_in < 1 || fan_out < 1 || width < 1)
        gfi_fail(GF_ERROR_ARGUMENT, "gf_theory_affine: fan_in %d, fan_out %d, width %d; all must be at least 1", fan_in,
                 fan_out, width);
    double w = gfi_init_std(weight, fan_in, fan_out), b = gfi_init_std(bias, fan_in, fan_out);
    if (weight.kind == GF_INIT_ORTHOGONAL) w /= sqrt(fan_in > fan_out ? fan_in : fan_out);
    layer.width = width;
    layer.weight_variance = fan_in * w * w;
    layer.bias_variance = b * b;
    layer.q = layer.factor = layer.delta = NAN;
    return layer;
}

GFDEF gf_status gf_theory_profile(gf_act act, double input_square, gf_theory_layer *layers, int count) {
    if (!layers || count < 1)
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_theory_profile: %d layers%s; expected 1 or more", count,
                        layers ? "" : " (NULL)");
    if (!(input_square >= 0.0) || isinf(input_square))
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_theory_profile: mean square of the input is %g; expected 0 or more",
                        input_square);
    for (int l = 0; l < count; l++) {
        double w = layers[l].weight_variance, b = layers[l].bias_variance;
        if (layers[l].width < 1 || !(w >= 0.0) || !(b >= 0.0) || isinf(w) || isinf(b))
            return gfi_fail(GF_ERROR_ARGUMENT,
                            "gf_theory_profile: layer %d has width %d and variances %g, %g; "
                            "expected a width of 1 or more, finite variances of 0 or more",
                            l + 1, layers[l].width, w, b);
    }
    layers[0].q = layers[0].weight_variance * input_square + layers[0].bias_variance;
    for (int l = 1; l < count; l++)
        layers[l].q = gf_theory_q_next(act, layers[l - 1].q, layers[l].weight_variance, layers[l].bias_variance);
    layers[count - 1].factor = layers[count - 1].delta = 1.0;
    for (int l = count - 2; l >= 0; l--) {
        double chi = gf_theory_chi(act, layers[l].q, layers[l + 1].weight_variance);
        layers[l].factor = sqrt(chi * layers[l + 1].width / layers[l].width);
        layers[l].delta = layers[l].factor * layers[l + 1].delta;
    }
    return GF_OK;
}

// ---------------------------------------------------------------------------------------------------------------------
// [GF:DATA] Data sets and batches
// ---------------------------------------------------------------------------------------------------------------------
// Everything that makes a data set ends in gfi_data_alloc; everything that reads one goes through gfi_data_copy, where
// pixels become x by a table of 256 entries a channel. In order: data drawn by the program, files, splits, batches, and
// gf_net_evaluate. A loader believes nothing that a file says of itself until the file's length bears it out.

static gf_status gfi_null(const char *function, const char *parameter) {
    return gfi_fail(GF_ERROR_ARGUMENT, "%s: %s is NULL; it must point to something", function, parameter);
}

static gf_status gfi_too_many(const char *function, size_t count) {
    return gfi_fail(GF_ERROR_ARGUMENT, "%s: %zu samples are more than 2^32 - 1; gf_data_take fewer", function, count);
}

GFDEF void gf_data_free(gf_dataset *data) {
    if (!data) return;
    GF_FREE(data->pixels);
    GF_FREE(data->values);
    GF_FREE(data->labels);
    GF_FREE(data->targets);
    memset(data, 0, sizeof *data);
}

enum { GFI_HAS_PIXELS = 1, GFI_HAS_LABELS = 2 };  // values instead of pixels; targets where outputs > 0

// Overwrite *data with an empty set of this shape, all arrays allocated, normalisation mean 0 and std 1.
static gf_status gfi_data_alloc(gf_dataset *data, gf_shape shape, size_t count, int has, int outputs) {
    size_t size = gf_shape_size(shape);
    memset(data, 0, sizeof *data);
    if (size == 0) {
        return gfi_fail(GF_ERROR_SHAPE, "data: shape %dx%dx%d; every side must be at least 1", shape.channels,
                        shape.height, shape.width);
    }
    if (count == 0) return gfi_fail(GF_ERROR_ARGUMENT, "data: count is 0; ask for at least one sample");
    int fits = count <= SIZE_MAX / size && (outputs == 0 || count <= SIZE_MAX / (size_t)outputs);
    data->shape = shape;
    data->count = count;
    data->outputs = outputs;
    for (int c = 0; c < 4; c++) data->std[c] = 1;
    if (fits && (has & GFI_HAS_PIXELS)) data->pixels = (uint8_t *)gfi_alloc(count * size, sizeof *data->pixels);
    if (fits && !(has & GFI_HAS_PIXELS)) data->values = (gf_real *)gfi_alloc(count * size, sizeof *data->values);
    if (fits && (has & GFI_HAS_LABELS)) data->labels = (int *)gfi_alloc(count, sizeof *data->labels);
    if (fits && outputs) data->targets = (gf_real *)gfi_alloc(count * (size_t)outputs, sizeof *data->targets);
    if ((data->pixels || data->values) && (data->labels || !(has & GFI_HAS_LABELS)) && (data->targets || !outputs)) {
        return GF_OK;
    }
    gf_data_free(data);
    return gfi_fail(GF_ERROR_MEMORY, "data: no memory for %zu samples of %zu numbers; take fewer samples", count, size);
}

// Is this a data set that can be read? Its fields are public, so they are looked at again.
static gf_status gfi_data_check(const char *function, const gf_dataset *data) {
    if (!data) return gfi_null(function, "data");
    if (data->count == 0 || gf_shape_size(data->shape) == 0 || !data->pixels == !data->values) {
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: the data set is empty; load or make it first and check the status",
                        function);
    }
    for (int c = 0; c < 4; c++) {
        if (!isfinite(data->mean[c]) || !isfinite(data->std[c]) || !(data->std[c] > 0)) {
            return gfi_fail(GF_ERROR_ARGUMENT, "%s: channel %d has mean %g, std %g; std must be above 0", function, c,
                            data->mean[c], data->std[c]);
        }
    }
    return GF_OK;
}

GFDEF gf_status gf_data_from_arrays(gf_dataset *data, gf_shape shape, size_t count, const gf_real *x, const int *labels,
                                    int classes, const gf_real *targets, int outputs) {
    const char *const me = "gf_data_from_arrays";
    if (!data) return gfi_null(me, "data");
    memset(data, 0, sizeof *data);
    if (!x) return gfi_null(me, "x");
    if (!labels == !targets) {
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: %s; give one of the two", me,
                        labels ? "labels and targets are both there" : "labels and targets are both NULL");
    }
    if (labels ? classes < 2 : outputs < 1) {
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: %s is %d; it must be at least %d", me, labels ? "classes" : "outputs",
                        labels ? classes : outputs, labels ? 2 : 1);
    }
    for (size_t i = 0; labels && i < count; i++) {
        if (labels[i] < 0 || labels[i] >= classes) {
            return gfi_fail(GF_ERROR_ARGUMENT, "%s: labels[%zu] is %d, expected 0..%d", me, i, labels[i], classes - 1);
        }
    }
    gf_status status = gfi_data_alloc(data, shape, count, labels ? GFI_HAS_LABELS : 0, labels ? 0 : outputs);
    if (status != GF_OK) return status;
    data->classes = labels ? classes : 0;
    size_t size = count * gf_shape_size(shape), target_size = count * (size_t)data->outputs;
    memcpy(data->values, x, size * sizeof *x);
    if (labels) memcpy(data->labels, labels, count * sizeof *labels);
    if (targets) memcpy(data->targets, targets, target_size * sizeof *targets);
    for (size_t i = 0; i < size + target_size; i++) {
        gf_real value = i < size ? data->values[i] : data->targets[i - size];
        if (isfinite(value)) continue;
        gf_data_free(data);
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: %s[%zu] is %g; training needs finite numbers", me,
                        i < size ? "x" : "targets", i < size ? i : i - size, (double)value);
    }
    return GF_OK;
}

// --- Synthetic data --------------------------------------------------------------------------------------------------
// Sample number i is a pure function of (seed, i): its key opens a counter of its own, from which each drawn quantity
// takes a fixed place. Only + - * / √ and floor in double, then rounding to 8 bits: no libm, the same anywhere.

static double gfi_between(uint64_t key, uint64_t index, double low, double high) {
    return low + (high - low) * gfi_random_unit(gfi_random_at(key, index));
}

// gray value 0..255 with noise of ±amplitude from one random byte
static uint8_t gfi_gray(double value, double amplitude, uint64_t byte) {
    value += amplitude * ((double)(byte & 255) / 127.5 - 1);
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
}

// Digits as handwriting: chains of quadratic Bézier curves on a grid 12 wide and 20 high. A chain is the number of its
// points (negative: an ornament that half of the writers leave out), then x, y of start, control, end, control, end, …
static const signed char gfi_digit_chains[10][40] = {
    {9, 6, 0, 12, 0, 12, 10, 12, 20, 6, 20, 0, 20, 0, 10, 0, 0, 6, 0, 0},
    {3, 6, 0, 6, 10, 6, 20, -3, 2, 5, 5, 3, 6, 0, 0},
    {9, 1, 5, 1, 0, 6, 0, 12, 0, 11, 6, 10, 11, 1, 20, 6, 19, 12, 20, 0},
    {11, 1, 2, 4, 0, 6, 0, 11, 0, 11, 5, 11, 9, 5, 9, 12, 9, 12, 15, 12, 20, 6, 20, 2, 20, 0, 17, 0},
    {5, 8, 0, 4, 7, 0, 13, 6, 13, 12, 13, 3, 9, 6, 9, 13, 9, 20, 0},
    {13, 11, 0, 6, 0, 2, 0, 2, 4, 1, 9, 4, 7, 6, 7, 12, 7, 12, 13, 12, 20, 6, 20, 2, 20, 0, 17, 0},
    {11, 9, 0, 1, 3, 0, 13, 0, 20, 6, 20, 12, 20, 12, 14, 12, 9, 6, 9, 1, 9, 0, 14, 0},
    {5, 0, 0, 6, 0, 12, 0, 6, 10, 4, 20, -3, 3, 10, 6, 10, 10, 10, 0},
    {17, 6, 9,  1, 8,  1, 4,  1, 0,  6,  0,  11, 0,  11, 4,  11, 8, 6,
     9,  0, 11, 0, 15, 0, 20, 6, 20, 12, 20, 12, 15, 12, 11, 6,  9, 0},
    {11, 12, 6, 12, 0, 6, 0, 0, 0, 0, 6, 0, 11, 6, 11, 12, 11, 12, 6, 12, 14, 9, 20, 0},
};

typedef struct gfi_pen {  // one writer, one digit
    uint64_t key;
    double x, y;  // centre on the 28×28 image
    double scale_x, scale_y, slant, tilt, wobble, radius;
    double distance[28 * 28];  // squared distance of each pixel from the nearest stroke so far
} gfi_pen;

// Where the writer puts the grid point p. The wobble depends on the grid point alone, so that strokes stay joined.
static void gfi_pen_place(const gfi_pen *pen, const signed char *p, double *x, double *y) {
    uint64_t place = 16 + 2 * (uint64_t)(p[0] + 16 * p[1]);
    double gx = p[0] - 6 + gfi_between(pen->key, place, -pen->wobble, pen->wobble);
    double gy = p[1] - 10 + gfi_between(pen->key, place + 1, -pen->wobble, pen->wobble);
    *x = pen->x + pen->scale_x * gx - pen->slant * gy;
    *y = pen->y + pen->scale_y * gy + pen->tilt * gx;
}

// Lower the distances around the straight stroke from (x0, y0) to (x1, y1).
static void gfi_pen_line(gfi_pen *pen, double x0, double y0, double x1, double y1) {
    double reach = pen->radius + 1, dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
    int left = (int)floor((x0 < x1 ? x0 : x1) - reach), right = (int)floor((x0 < x1 ? x1 : x0) + reach);
    int top = (int)floor((y0 < y1 ? y0 : y1) - reach), bottom = (int)floor((y0 < y1 ? y1 : y0) + reach);
    for (int y = top < 0 ? 0 : top; y <= bottom && y < 28; y++) {
        for (int x = left < 0 ? 0 : left; x <= right && x < 28; x++) {
            double px = x - x0, py = y - y0, along = length > 0 ? (px * dx + py * dy) / length : 0;
            along = along < 0 ? 0 : along > 1 ? 1 : along;
            px -= along * dx, py -= along * dy;
            double square = px * px + py * py;
            if (square < pen->distance[y * 28 + x]) pen->distance[y * 28 + x] = square;
        }
    }
}

static void gfi_pen_chain(gfi_pen *pen, const signed char *point, int points) {
    double x[3], y[3];
    gfi_pen_place(pen, point, &x[0], &y[0]);
    for (int i = 1; i + 1 < points; i += 2) {
        double from_x = x[0], from_y = y[0];
        gfi_pen_place(pen, point + 2 * i, &x[1], &y[1]);
        gfi_pen_place(pen, point + 2 * i + 2, &x[2], &y[2]);
        for (int step = 1; step <= 6; step++) {  // B(t) = (1-t)²·p0 + 2t(1-t)·p1 + t²·p2
            double t = step / 6.0, s = 1 - t;
            double to_x = s * s * x[0] + 2 * s * t * x[1] + t * t * x[2];
            double to_y = s * s * y[0] + 2 * s * t * y[1] + t * t * y[2];
            gfi_pen_line(pen, from_x, from_y, to_x, to_y);
            from_x = to_x, from_y = to_y;
        }
        x[0] = x[2], y[0] = y[2];
    }
}

static void gfi_digit_draw(uint8_t *pixels, int digit, uint64_t key) {
    gfi_pen pen;
    pen.key = key;
    pen.x = 13.5 + gfi_between(key, 0, -3.2, 3.2);
    pen.y = 13.5 + gfi_between(key, 1, -2.8, 2.8);
    pen.scale_x = gfi_between(key, 2, 0.6, 1.1);
    pen.scale_y = gfi_between(key, 3, 0.7, 1.05);
    pen.slant = gfi_between(key, 4, -0.25, 0.5);
    pen.tilt = gfi_between(key, 5, -0.25, 0.25);
    pen.wobble = 1.15;
    pen.radius = gfi_between(key, 6, 0.7, 1.7);
    double ink = gfi_between(key, 7, 170, 255);
    for (int i = 0; i < 28 * 28; i++) pen.distance[i] = 1e9;
    for (const signed char *chain = gfi_digit_chains[digit]; *chain;) {
        int points = *chain < 0 ? -*chain : *chain;
        if (*chain > 0 || gfi_between(key, 8, 0, 1) < 0.5) gfi_pen_chain(&pen, chain + 1, points);
        chain += 1 + 2 * points;
    }
    for (int i = 0; i < 28 * 28; i += 8) {
        uint64_t noise = gfi_random_at(key, 1024 + (uint64_t)i);
        for (int k = i; k < i + 8; k++, noise >>= 8) {
            double cover = pen.radius + 0.5 - sqrt(pen.distance[k]);  // antialiased: a pixel is half inked at the rim
            pixels[k] = gfi_gray(ink * (cover < 0 ? 0 : cover > 1 ? 1 : cover), 12, noise);
        }
    }
}

typedef void gfi_draw(uint8_t *pixels, int label, uint64_t key);

// Labels run 0, 1, …, 9, 0, …, so that every class is equally frequent in any stretch of the set.
static gf_status gfi_data_drawn(const char *function, gf_dataset *data, gf_shape shape, size_t count, uint64_t seed,
                                gfi_draw *draw) {
    if (!data) return gfi_null(function, "data");
    gf_status status = gfi_data_alloc(data, shape, count, GFI_HAS_PIXELS | GFI_HAS_LABELS, 0);
    if (status != GF_OK) return status;
    uint64_t key = gfi_random_key(seed, GF_STREAM_DATA);
    data->classes = 10;
    data->synthetic = 1;
    for (size_t i = 0; i < count; i++) {
        data->labels[i] = (int)(i % 10);
        draw(data->pixels + i * gf_shape_size(shape), data->labels[i], gfi_random_at(key, i));
    }
    return GF_OK;
}

GFDEF gf_status gf_data_digits(gf_dataset *data, size_t count, uint64_t seed) {
    return gfi_data_drawn("gf_data_digits", data, gf_image(1, 28, 28), count, seed, gfi_digit_draw);
}

// A wave of period 1 between 0 and 1: a triangle with rounded tips.
static double gfi_wave(double t) {
    t -= floor(t);
    t = t < 0.5 ? 2 * t : 2 - 2 * t;
    return t * t * (3 - 2 * t);
}

// Noise that varies smoothly over about one unit: random numbers at whole coordinates, interpolated between.
static double gfi_clouds(uint64_t key, double x, double y) {
    double left = floor(x), top = floor(y), u = x - left, v = y - top;
    uint64_t corner = 4096 + (uint64_t)left + 64 * (uint64_t)top;
    u *= u * (3 - 2 * u), v *= v * (3 - 2 * v);
    double above = gfi_between(key, corner, 0, 1) * (1 - u) + gfi_between(key, corner + 1, 0, 1) * u;
    double below = gfi_between(key, corner + 64, 0, 1) * (1 - u) + gfi_between(key, corner + 65, 0, 1) * u;
    return above * (1 - v) + below * v;
}

typedef struct gfi_cloth {  // one texture
    uint64_t key;
    int kind;
    double cos, sin;  // direction of the pattern
    double frequency, phase_x, phase_y, centre_x, centre_y;
} gfi_cloth;

// Brightness of the pattern in 0..1 at pixel (x, y).
static double gfi_cloth_at(const gfi_cloth *cloth, int x, int y) {
    double u = (x * cloth->cos + y * cloth->sin) * cloth->frequency + cloth->phase_x;
    double v = (y * cloth->cos - x * cloth->sin) * cloth->frequency + cloth->phase_y;
    double dx = x - cloth->centre_x, dy = y - cloth->centre_y;
    switch (cloth->kind) {
    case 4: // checks
        u = gfi_wave(u), v = gfi_wave(v);
        return u * v + (1 - u) * (1 - v);
    case 5: // dots
        u -= floor(u) + 0.5, v -= floor(v) + 0.5;
        u = 2.1 - 5 * sqrt(u * u + v * v);
        return u < 0 ? 0 : u > 1 ? 1 : u;
    case 6: return gfi_wave(sqrt(dx * dx + dy * dy) * cloth->frequency + cloth->phase_x);       // rings
    case 7: return gfi_between(cloth->key, 4096 + (uint64_t)(x + 32 * y), 0, 1);                // sand
    case 8: return gfi_clouds(cloth->key, x * cloth->frequency + 1, y * cloth->frequency + 1);  // clouds
    case 9: return gfi_wave(u + gfi_wave(0.5 * v));                                             // zigzag
    default: return gfi_wave(u);                                                                // stripes: | \ - /
    }
}

static void gfi_texture_draw(uint8_t *pixels, int kind, uint64_t key) {
    static const double direction[4][2] = {{1, 0}, {1, 1}, {0, 1}, {-1, 1}};
    gfi_cloth cloth;
    cloth.key = key;
    cloth.kind = kind;
    cloth.cos = gfi_between(key, 0, -0.2, 0.2) + (kind < 4 ? direction[kind][0] : gfi_between(key, 1, -1, 1));
    cloth.sin = gfi_between(key, 2, -0.2, 0.2) + (kind < 4 ? direction[kind][1] : gfi_between(key, 3, -1, 1));
    double length = sqrt(cloth.cos * cloth.cos + cloth.sin * cloth.sin) + 1e-9;
    cloth.cos /= length, cloth.sin /= length;
    cloth.frequency = 1 / gfi_between(key, 4, 5, 11);
    cloth.phase_x = gfi_between(key, 5, 0, 1), cloth.phase_y = gfi_between(key, 6, 0, 1);
    cloth.centre_x = gfi_between(key, 7, 0, 31), cloth.centre_y = gfi_between(key, 8, 0, 31);
    double dark[3], bright[3];  // the two colours differ by ±(40…120) in every channel: colour tells nothing
    for (uint64_t c = 0; c < 3; c++) {
        double middle = gfi_between(key, 16 + c, 70, 185), half = gfi_between(key, 24 + c, 20, 60);
        if (gfi_between(key, 32 + c, 0, 1) < 0.5) half = -half;
        dark[c] = middle - half, bright[c] = middle + half;
    }
    for (int i = 0; i < 32 * 32; i++) {
        double level = gfi_cloth_at(&cloth, i % 32, i / 32);
        uint64_t noise = gfi_random_at(key, 16384 + (uint64_t)i);
        for (int c = 0; c < 3; c++, noise >>= 8) {
            pixels[c * 32 * 32 + i] = gfi_gray(dark[c] + (bright[c] - dark[c]) * level, 12, noise);
        }
    }
}

GFDEF gf_status gf_data_textures(gf_dataset *data, size_t count, uint64_t seed) {
    return gfi_data_drawn("gf_data_textures", data, gf_image(3, 32, 32), count, seed, gfi_texture_draw);
}

GFDEF gf_status gf_data_xor(gf_dataset *data, size_t count, double noise, int relabel, uint64_t seed) {
    if (!data) return gfi_null("gf_data_xor", "data");
    memset(data, 0, sizeof *data);
    if (!(noise >= 0) || !(noise <= 1e30)) {  // beyond, x would overflow a float
        return gfi_fail(GF_ERROR_ARGUMENT,
                        "gf_data_xor: noise is %g; it is a standard deviation, 0 or more, at most 1e30", noise);
    }
    gf_status status = gfi_data_alloc(data, gf_vector(2), count, GFI_HAS_LABELS, 1);
    if (status != GF_OK) return status;
    uint64_t key = gfi_random_key(seed, GF_STREAM_DATA);
    data->classes = 2;
    data->synthetic = 1;
    for (size_t i = 0; i < count; i++) {
        uint64_t point = gfi_random_at(key, i);
        double clean[2], noisy[2];
        for (uint64_t k = 0; k < 2; k++) {
            clean[k] = gfi_between(point, k, -1, 1);
            noisy[k] = clean[k] + noise * gfi_random_gauss(gfi_random_at(point, 2 + k));
            data->values[2 * i + k] = (gf_real)noisy[k];
        }
        data->labels[i] = relabel ? noisy[0] * noisy[1] < 0 : clean[0] * clean[1] < 0;
        data->targets[i] = (gf_real)data->labels[i];
    }
    return GF_OK;
}

// --- Files -----------------------------------------------------------------------------------------------------------
#ifndef GF_NO_STDIO

typedef struct gfi_file {
    FILE *stream;
    const char *path, *hint;  // hint: what to do when it is not there
    uint64_t size;            // bytes
} gfi_file;

static void gfi_file_close(gfi_file *file) {
    if (file->stream) fclose(file->stream);
    file->stream = NULL;
}

static gf_status gfi_file_open(gfi_file *file, const char *path, const char *hint) {
    file->path = path;
    file->hint = hint;
    file->stream = fopen(path, "rb");
    if (!file->stream) {
        return gfi_fail(GF_ERROR_IO, "%.200s: cannot be opened: %s; %s", path, strerror(errno), hint);
    }
    long size = fseek(file->stream, 0, SEEK_END) == 0 ? ftell(file->stream) : -1;
    if (size < 0 || size == LONG_MAX || fseek(file->stream, 0, SEEK_SET) != 0) {  // a folder, a pipe
        gfi_file_close(file);
        return gfi_fail(GF_ERROR_IO, "%.200s: is not a regular file; %s", path, hint);
    }
    file->size = (uint64_t)size;
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
    *size = (size_t)file.size;
    if (file.size < SIZE_MAX - 4) *bytes = (unsigned char *)gfi_alloc(*size + 4, 1);
    if (*bytes) {
        status = gfi_file_read(&file, *bytes, *size);
        memset(*bytes + *size, 0, 4);
    } else {
        status = gfi_fail(GF_ERROR_MEMORY, "%.200s: no memory for its %llu bytes", path, (unsigned long long)file.size);
    }
    gfi_file_close(&file);
    return status;
}

// Read an IDX header: magic number 0x00000800 + sides, then each side, all big-endian. The file's length must follow.
static gf_status gfi_idx_header(gfi_file *file, int sides, uint32_t side[3]) {
    uint8_t bytes[16] = {0};
    size_t length = 4 + 4 * (size_t)sides;
    uint64_t expected = length, part[4] = {0, 0, 1, 1};
    gf_status status = gfi_file_read(file, bytes, file->size < length ? (size_t)file->size : length);
    if (status != GF_OK) return status;
    for (int i = 0; i < 16; i += 4) {
        part[i / 4] =
            (uint32_t)bytes[i] << 24 | (uint32_t)bytes[i + 1] << 16 | (uint32_t)bytes[i + 2] << 8 | bytes[i + 3];
    }
    if (part[0] != 0x800u + (unsigned)sides) {
        return gfi_fail(GF_ERROR_FORMAT, "%.200s: magic number expected 0x%08x (%s), found 0x%08x; %s", file->path,
                        0x800u + (unsigned)sides, sides == 3 ? "images" : "labels", (unsigned)part[0],
                        bytes[0] == 0x1f ? "unpack it with gunzip" : "are images and labels swapped?");
    }
    for (int i = 0; i < 3; i++) side[i] = i < sides ? (uint32_t)part[i + 1] : 1;
    if (side[0] == 0 || side[1] - 1 >= 32768 || side[2] - 1 >= 32768) {
        return gfi_fail(GF_ERROR_FORMAT,
                        "%.200s: header counts %u items of %ux%u; expected 1 or more, sides 1..32768; %s", file->path,
                        (unsigned)side[0], (unsigned)side[1], (unsigned)side[2], file->hint);
    }
    expected += (uint64_t)side[0] * side[1] * side[2];
    if (file->size != expected) {
        return gfi_fail(GF_ERROR_FORMAT, "%.200s: expected %llu bytes by its header, found %llu; %s", file->path,
                        (unsigned long long)expected, (unsigned long long)file->size, file->hint);
    }
    return GF_OK;
}

static gf_status gfi_idx_load(gf_dataset *data, gfi_file *images, gfi_file *labels) {
    uint32_t side[3], label_side[3];
    gf_status status = gfi_idx_header(images, 3, side);
    if (status == GF_OK) status = gfi_idx_header(labels, 1, label_side);
    if (status != GF_OK) return status;
    if (side[0] != label_side[0]) {
        return gfi_fail(GF_ERROR_FORMAT, "%.120s has %u images, %.120s %u labels; take files of one set", images->path,
                        (unsigned)side[0], labels->path, (unsigned)label_side[0]);
    }
    status = gfi_data_alloc(data, gf_image(1, (int)side[1], (int)side[2]), side[0], GFI_HAS_PIXELS | GFI_HAS_LABELS, 0);
    if (status != GF_OK) return status;
    status = gfi_file_read(images, data->pixels, (size_t)images->size - 16);
    for (size_t i = 0; i < data->count && status == GF_OK; i += 4096) {
        uint8_t bytes[4096];
        size_t n = data->count - i < sizeof bytes ? data->count - i : sizeof bytes;
        status = gfi_file_read(labels, bytes, n);
        for (size_t k = 0; k < n && status == GF_OK; k++) {
            data->labels[i + k] = bytes[k];
            if (bytes[k] >= data->classes) data->classes = bytes[k] + 1;
        }
    }
    return status;
}

static gf_status gfi_idx_files(gf_dataset *data, const char *images, const char *labels, const char *hint) {
    gfi_file image_file, label_file;
    gf_status status = gfi_file_open(&image_file, images, hint);
    if (status != GF_OK) return status;
    status = gfi_file_open(&label_file, labels, hint);
    if (status == GF_OK) status = gfi_idx_load(data, &image_file, &label_file);
    gfi_file_close(&image_file);
    gfi_file_close(&label_file);
    if (status != GF_OK) gf_data_free(data);
    return status;
}

GFDEF gf_status gf_data_idx(gf_dataset *data, const char *images, const char *labels) {
    if (!data) return gfi_null("gf_data_idx", "data");
    memset(data, 0, sizeof *data);
    if (!images) return gfi_null("gf_data_idx", "images");
    if (!labels) return gfi_null("gf_data_idx", "labels");
    return gfi_idx_files(data, images, labels, "check its name and copy it again");
}

// folder/name into path[GFI_PATH_SIZE]
enum { GFI_PATH_SIZE = 1024 };
static gf_status gfi_path(char *path, const char *folder, const char *name) {
    int length = gfi_print(path, GFI_PATH_SIZE, "%s/%s", folder, name);
    if (length > 0 && length < GFI_PATH_SIZE) return GF_OK;
    return gfi_fail(GF_ERROR_ARGUMENT, "%.200s…: the folder's name is longer than %d bytes", folder, GFI_PATH_SIZE);
}

GFDEF gf_status gf_data_mnist(gf_dataset *data, const char *folder, int test) {
    char images[GFI_PATH_SIZE], labels[GFI_PATH_SIZE];
    if (!data) return gfi_null("gf_data_mnist", "data");
    memset(data, 0, sizeof *data);
    if (!folder) return gfi_null("gf_data_mnist", "folder");
    gf_status status = gfi_path(images, folder, test ? "t10k-images-idx3-ubyte" : "train-images-idx3-ubyte");
    if (status == GF_OK) status = gfi_path(labels, folder, test ? "t10k-labels-idx1-ubyte" : "train-labels-idx1-ubyte");
    if (status == GF_OK) status = gfi_idx_files(data, images, labels, "run ./data_fetch.sh mnist");
    if (status != GF_OK) return status;
    int found = data->classes;
    data->classes = 10;
    if (found <= 10) return GF_OK;
    gf_data_free(data);
    return gfi_fail(GF_ERROR_FORMAT, "%.200s: label expected 0..9, found %d; run ./data_fetch.sh mnist", labels,
                    found - 1);
}

enum { GFI_CIFAR_RECORD = 1 + 3 * 32 * 32 };  // label, then the red, green and blue planes

// Append one file's records at sample `first`; data has room for them.
static gf_status gfi_cifar_load(gf_dataset *data, size_t first, gfi_file *file) {
    for (size_t i = 0; i < file->size / GFI_CIFAR_RECORD; i++) {
        uint8_t label;
        gf_status status = gfi_file_read(file, &label, 1);
        if (status == GF_OK) status = gfi_file_read(file, data->pixels + (first + i) * 3072, 3072);
        if (status != GF_OK) return status;
        if (label > 9) {
            return gfi_fail(GF_ERROR_FORMAT, "%.200s: record %zu: label expected 0..9, found %d; %s", file->path, i,
                            label, file->hint);
        }
        data->labels[first + i] = label;
    }
    return GF_OK;
}

GFDEF gf_status gf_data_cifar10(gf_dataset *data, const char *folder, int test) {
    static const char *const names[6] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                         "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
    char path[6][GFI_PATH_SIZE];
    gfi_file file[6];
    gf_status status = GF_OK;
    size_t count = 0;
    int from = test ? 5 : 0, to = test ? 6 : 5, opened = from;
    if (!data) return gfi_null("gf_data_cifar10", "data");
    memset(data, 0, sizeof *data);
    if (!folder) return gfi_null("gf_data_cifar10", "folder");
    for (; opened < to && status == GF_OK; opened++) {
        gfi_file *f = &file[opened];
        f->stream = NULL;
        status = gfi_path(path[opened], folder, names[opened]);
        if (status == GF_OK) status = gfi_file_open(f, path[opened], "run ./data_fetch.sh cifar10");
        if (status == GF_OK && (f->size == 0 || f->size % GFI_CIFAR_RECORD != 0)) {
            status = gfi_fail(GF_ERROR_FORMAT, "%.200s: expected records of %d bytes, found %llu bytes in all; %s",
                              f->path, GFI_CIFAR_RECORD, (unsigned long long)f->size, f->hint);
        }
        if (status == GF_OK) count += (size_t)(f->size / GFI_CIFAR_RECORD);
    }
    if (status == GF_OK) status = gfi_data_alloc(data, gf_image(3, 32, 32), count, GFI_HAS_PIXELS | GFI_HAS_LABELS, 0);
    data->classes = 10;
    count = 0;
    for (int i = from; i < opened; i++) {
        if (status == GF_OK) status = gfi_cifar_load(data, count, &file[i]);
        if (status == GF_OK) count += (size_t)(file[i].size / GFI_CIFAR_RECORD);
        gfi_file_close(&file[i]);
    }
    if (status != GF_OK) gf_data_free(data);
    return status;
}

// --- CSV: two passes over the text in memory, one to count, one to read ---

typedef struct gfi_csv {
    const char *path;
    char *at, *end;  // the current line, without blanks around it
    char *next;      // where the following line starts; the text ends with 0
    size_t line, columns, rows;
    int header;
} gfi_csv;

static int gfi_is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Shrink [at, end) until no blank stands at either side.
static void gfi_trim(char **at, char **end) {
    while (*at < *end && gfi_is_blank(**at)) ++*at;
    while (*end > *at && gfi_is_blank((*end)[-1])) --*end;
}

// Step to the next line that holds anything; 0 at the end of the text.
static int gfi_csv_line(gfi_csv *csv) {
    while (*csv->next) {
        char *stop = strchr(csv->next, '\n');
        csv->at = csv->next;
        csv->end = stop ? stop : csv->at + strlen(csv->at);
        csv->next = stop ? stop + 1 : csv->end;
        csv->line++;
        gfi_trim(&csv->at, &csv->end);
        if (csv->at < csv->end) return 1;
    }
    return 0;
}

// Take the next cell [*cell, *stop) off the line; 0 when the line is used up.
static int gfi_csv_cell(gfi_csv *csv, char **cell, char **stop) {
    if (csv->at > csv->end) return 0;
    *cell = csv->at;
    *stop = (char *)memchr(csv->at, ',', (size_t)(csv->end - csv->at));
    if (!*stop) *stop = csv->end;
    csv->at = *stop + 1;
    gfi_trim(cell, stop);
    return 1;
}

static char *gfi_skip_digits(char *at) {
    while (*at >= '0' && *at <= '9') at++;
    return at;
}

// Is the cell a decimal number, and which? The grammar is checked here, since strtod also takes "nan", "0x1p3" and what
// the locale wants; the conversion is left to strtod, which rounds correctly, with the locale's decimal point put in.
static int gfi_csv_number(char *cell, char *stop, double *value) {
    char *at = cell + (*cell == '+' || *cell == '-'), *whole = at, *point = NULL, after = *stop;
    size_t digits;
    at = gfi_skip_digits(at);
    digits = (size_t)(at - whole);
    if (*at == '.') {
        point = at;
        at = gfi_skip_digits(at + 1);
        digits += (size_t)(at - point - 1);
    }
    if (digits > 0 && (*at == 'e' || *at == 'E')) {
        char *exponent = at + 1 + (at[1] == '+' || at[1] == '-');
        at = gfi_skip_digits(exponent);
        if (at == exponent) return 0;
    }
    if (digits == 0 || at != stop) return 0;
    *stop = 0;  // "1,5" is one number in some locales
    if (point) *point = *localeconv()->decimal_point;
    *value = strtod(cell, NULL);
    if (point) *point = '.';
    *stop = after;
    return 1;
}

static gf_status gfi_csv_refuse(const gfi_csv *csv, size_t column, const char *cell, const char *stop,
                                const char *why) {
    int length = (int)(stop - cell < 24 ? stop - cell : 24);
    if (!why) {
        why = length == 0                         ? "a cell is empty; fill it or drop the row"
              : memchr(cell, '"', (size_t)length) ? "quotes are not understood; write names and numbers bare"
              : memchr(cell, ';', (size_t)length) || memchr(cell, '\t', (size_t)length)
                  ? "columns must be separated by commas"
                  : "is not a decimal number";
    }
    return gfi_fail(GF_ERROR_FORMAT, "%.200s: line %zu, column %zu: \"%.*s\": %s", csv->path, csv->line, column, length,
                    cell, why);
}

// First pass: is there a header, how many rows and columns, do all rows have the same number of them?
static gf_status gfi_csv_count(gfi_csv *csv) {
    size_t first_line = 0;
    while (gfi_csv_line(csv)) {
        char *cell = csv->at, *stop = csv->end;
        size_t columns = 0, numbers = 0, bare = 0;
        double value;
        while (gfi_csv_cell(csv, &cell, &stop)) {
            columns++;
            if (first_line) continue;
            numbers += (size_t)gfi_csv_number(cell, stop, &value);
            bare += cell < stop && !memchr(cell, '"', (size_t)(stop - cell));
        }
        if (!first_line) {
            first_line = csv->line;
            csv->columns = columns;
            csv->header = numbers == 0 && bare == columns;
        }
        if (columns != csv->columns) {
            return gfi_fail(GF_ERROR_FORMAT, "%.200s: line %zu has %zu columns, line %zu has %zu; all must agree",
                            csv->path, csv->line, columns, first_line, csv->columns);
        }
        csv->rows++;
    }
    csv->rows -= (size_t)csv->header;
    if (csv->rows == 0) return gfi_fail(GF_ERROR_FORMAT, "%.200s: no row of numbers found", csv->path);
    if (csv->columns < 2 || csv->columns > INT_MAX) {
        return gfi_fail(GF_ERROR_FORMAT, "%.200s: expected 2 columns or more (sample, then class or target), found %zu",
                        csv->path, csv->columns);
    }
    return GF_OK;
}

// Second pass: the numbers of one line into sample i.
static gf_status gfi_csv_row(gfi_csv *csv, gf_dataset *data, size_t i) {
    size_t inputs = csv->columns - 1;
    char *cell, *stop;
    for (size_t column = 0; gfi_csv_cell(csv, &cell, &stop); column++) {
        double value;
        if (!gfi_csv_number(cell, stop, &value)) return gfi_csv_refuse(csv, column + 1, cell, stop, NULL);
        if (!isfinite((gf_real)value)) return gfi_csv_refuse(csv, column + 1, cell, stop, "the number is too large");
        if (column < inputs) {
            data->values[i * inputs + column] = (gf_real)value;
        } else if (data->targets) {
            data->targets[i] = (gf_real)value;
        } else if (value >= 0 && value < data->classes && value == floor(value)) {
            data->labels[i] = (int)value;
        } else {
            char why[80];
            gfi_print(why, sizeof why, "expected a class, a whole number in 0..%d", data->classes - 1);
            return gfi_csv_refuse(csv, column + 1, cell, stop, why);
        }
    }
    return GF_OK;
}

static gf_status gfi_csv_parse(gf_dataset *data, const char *path, char *text, int classes) {
    gfi_csv csv = {path, NULL, NULL, text, 0, 0, 0, 0};
    if (memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3;  // UTF-8's byte order mark, which spreadsheets write
    csv.next = text;
    gf_status status = gfi_csv_count(&csv);
    if (status != GF_OK) return status;
    status = gfi_data_alloc(data, gf_vector((int)csv.columns - 1), csv.rows, classes ? GFI_HAS_LABELS : 0, !classes);
    data->classes = classes;
    csv.next = text;
    csv.line = 0;
    if (csv.header) gfi_csv_line(&csv);
    for (size_t i = 0; status == GF_OK && gfi_csv_line(&csv); i++) status = gfi_csv_row(&csv, data, i);
    return status;
}

GFDEF gf_status gf_data_csv(gf_dataset *data, const char *path, int classes) {
    unsigned char *text;
    size_t size;
    if (!data) return gfi_null("gf_data_csv", "data");
    memset(data, 0, sizeof *data);
    if (!path) return gfi_null("gf_data_csv", "path");
    if (classes < 0 || classes == 1) {
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_data_csv: classes is %d; expected 2 or more, or 0 for regression",
                        classes);
    }
    gf_status status = gfi_file_whole(path, "check its name", &text, &size);
    if (status == GF_OK && memchr(text, 0, size)) {
        status = gfi_fail(GF_ERROR_FORMAT, "%.200s: holds bytes of zero; expected plain text (UTF-8)", path);
    }
    if (status == GF_OK) status = gfi_csv_parse(data, path, (char *)text, classes);
    GF_FREE(text);
    if (status != GF_OK) gf_data_free(data);
    return status;
}
#endif  // GF_NO_STDIO

// --- Using a data set ------------------------------------------------------------------------------------------------

// Channels with a normalisation of their own: up to 4; beyond that (a vector of features) one for all.
static int gfi_data_channels(const gf_dataset *data) { return data->shape.channels <= 4 ? data->shape.channels : 1; }

GFDEF gf_status gf_data_normalize(gf_dataset *data, const double *mean, const double *std, int channels) {
    if (!data) return gfi_null("gf_data_normalize", "data");
    if (!mean) return gfi_null("gf_data_normalize", "mean");
    if (!std) return gfi_null("gf_data_normalize", "std");
    if (channels != 1 && (channels != data->shape.channels || channels > 4)) {
        return gfi_fail(GF_ERROR_ARGUMENT,
                        "gf_data_normalize: channels is %d, the data have %d; expected 1 (for all)%s", channels,
                        data->shape.channels, data->shape.channels <= 4 ? " or as many" : "");
    }
    for (int c = 0; c < channels; c++) {
        if (!isfinite(mean[c]) || !isfinite(std[c]) || !(std[c] > 0)) {
            return gfi_fail(GF_ERROR_ARGUMENT, "gf_data_normalize: channel %d has mean %g, std %g; std must be above 0",
                            c, mean[c], std[c]);
        }
    }
    for (int c = 0; c < 4; c++) {
        data->mean[c] = mean[c < channels ? c : 0];
        data->std[c] = std[c < channels ? c : 0];
    }
    return GF_OK;
}

GFDEF gf_status gf_data_standardize(gf_dataset *data, gf_dataset *also) {
    gf_status status = gfi_data_check("gf_data_standardize", data);
    if (status == GF_OK && also) status = gfi_data_check("gf_data_standardize", also);
    if (status != GF_OK) return status;
    size_t size = gf_shape_size(data->shape), count = data->count, also_count = also ? also->count : 0;
    if (!data->values || (also && (!also->values || gf_shape_size(also->shape) != size))) {
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_data_standardize: expected values of one shape; for images see "
                                           "gf_data_normalize");
    }
    for (size_t k = 0; k < size; k++) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < count; i++) sum += (double)data->values[i * size + k];
        double mean = sum / (double)count;
        for (size_t i = 0; i < count; i++) {
            double d = (double)data->values[i * size + k] - mean;
            square += d * d;
        }
        double std = sqrt(square / (double)count);
        if (!(std > 1e-12 * fabs(mean))) std = 1;  // a constant feature becomes 0
        for (size_t i = 0; i < count; i++)
            data->values[i * size + k] = (gf_real)((data->values[i * size + k] - mean) / std);
        for (size_t i = 0; i < also_count; i++) {
            also->values[i * size + k] = (gf_real)((also->values[i * size + k] - mean) / std);
        }
    }
    return GF_OK;
}

// Copy sample `from` of all to place `to` of part.
static void gfi_data_pick(gf_dataset *part, size_t to, const gf_dataset *all, size_t from) {
    size_t size = gf_shape_size(all->shape), outputs = (size_t)all->outputs;
    if (all->pixels) memcpy(part->pixels + to * size, all->pixels + from * size, size * sizeof *all->pixels);
    if (all->values) memcpy(part->values + to * size, all->values + from * size, size * sizeof *all->values);
    if (all->labels) part->labels[to] = all->labels[from];
    if (all->targets)
        memcpy(part->targets + to * outputs, all->targets + from * outputs, outputs * sizeof *all->targets);
}

// A data set like `all` with room for count samples.
static gf_status gfi_data_like(gf_dataset *data, const gf_dataset *all, size_t count) {
    int has = (all->pixels ? GFI_HAS_PIXELS : 0) | (all->labels ? GFI_HAS_LABELS : 0);
    gf_status status = gfi_data_alloc(data, all->shape, count, has, all->targets ? all->outputs : 0);
    if (status != GF_OK) return status;
    data->classes = all->classes;
    data->synthetic = all->synthetic;
    memcpy(data->mean, all->mean, sizeof data->mean);
    memcpy(data->std, all->std, sizeof data->std);
    return GF_OK;
}

GFDEF gf_status gf_data_split(const gf_dataset *all, double share, uint64_t seed, gf_dataset *first, gf_dataset *rest) {
    const char *const me = "gf_data_split";
    if (!first) return gfi_null(me, "first");
    if (!rest) return gfi_null(me, "rest");
    if (first == rest || first == all || rest == all) {
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: all, first and rest must be three data sets", me);
    }
    memset(first, 0, sizeof *first);
    memset(rest, 0, sizeof *rest);
    if (!all) return gfi_null(me, "all");
    gf_status status = gfi_data_check(me, all);
    if (status != GF_OK) return status;
    if ((uint64_t)all->count > UINT32_MAX) return gfi_too_many(me, all->count);
    double exact = floor(share * (double)all->count + 0.5);
    if (!(exact >= 1) || !(exact <= (double)all->count - 1)) {
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: share %g of %zu samples leaves a part empty; expected between 0 and 1",
                        me, share, all->count);
    }
    size_t count = (size_t)exact;
    uint32_t *order = (uint32_t *)gfi_alloc(all->count, sizeof *order);
    status = order ? gfi_data_like(first, all, count) : gfi_fail(GF_ERROR_MEMORY, "%s: no memory for the order", me);
    if (status == GF_OK) status = gfi_data_like(rest, all, all->count - count);
    if (status == GF_OK) {
        gf_random_shuffle(order, all->count, seed, GF_STREAM_SPLIT);
        for (size_t i = 0; i < count; i++) gfi_data_pick(first, i, all, order[i]);
        for (size_t i = count; i < all->count; i++) gfi_data_pick(rest, i - count, all, order[i]);
    } else {
        gf_data_free(first);
    }
    GF_FREE(order);
    return status;
}

GFDEF gf_status gf_data_take(gf_dataset *data, size_t count) {
    if (!data) return gfi_null("gf_data_take", "data");
    if (count < 1 || count > data->count) {
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_data_take: count is %zu, expected 1..%zu", count, data->count);
    }
    data->count = count;
    return GF_OK;
}

static double gfi_data_scale(const gf_dataset *data, int channel, double value) {
    return (value - data->mean[channel]) / data->std[channel];
}

// x[0..n) from the numbers at places at, at + step, … of one channel. lookup[256]: x of each pixel value.
static void gfi_data_copy(gf_real *x, const gf_dataset *data, int channel, size_t at, size_t n, int step,
                          const gf_real *lookup) {
    ptrdiff_t from = 0;
    size_t i = 0;
    if (data->pixels) {
        const uint8_t *pixel = data->pixels + at;
        for (; i + 4 <= n; i += 4, from += 4 * step) {  // all loads before the stores: twice as fast
            gf_real x0 = lookup[pixel[from]], x1 = lookup[pixel[from + step]];
            gf_real x2 = lookup[pixel[from + 2 * step]], x3 = lookup[pixel[from + 3 * step]];
            x[i] = x0, x[i + 1] = x1, x[i + 2] = x2, x[i + 3] = x3;
        }
        for (; i < n; i++, from += step) x[i] = lookup[pixel[from]];
    } else {
        const gf_real *value = data->values + at;
        gf_real mean = (gf_real)data->mean[channel], std = (gf_real)data->std[channel];
        for (; i < n; i++, from += step) x[i] = (value[from] - mean) / std;
    }
}

static void gfi_data_lookup(const gf_dataset *data, int channel, gf_real lookup[256]) {
    for (int p = 0; p < 256; p++) lookup[p] = (gf_real)gfi_data_scale(data, channel, p / 255.0);
}

GFDEF gf_status gf_data_sample(const gf_dataset *data, size_t index, gf_real *x) {
    gf_real lookup[256];
    gf_status status = gfi_data_check("gf_data_sample", data);
    if (status != GF_OK) return status;
    if (!x) return gfi_null("gf_data_sample", "x");
    if (index >= data->count) {
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_data_sample: index is %zu, expected 0..%zu", index, data->count - 1);
    }
    size_t size = gf_shape_size(data->shape), plane = size / (size_t)gfi_data_channels(data);
    for (size_t at = 0; at < size; at += plane) {
        int channel = (int)(at / plane);
        gfi_data_lookup(data, channel, lookup);
        gfi_data_copy(x + at, data, channel, index * size + at, plane, 1, lookup);
    }
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

// The place before the sample number `position` of an epoch; its order depends on (seed, epoch) alone.
static void gfi_batches_place(gf_batches *batches, long epoch, size_t position) {
    if ((batches->flags & GF_SHUFFLE) && (batches->batch < 0 || batches->epoch != epoch)) {
        gf_random_shuffle(batches->order, batches->data->count, batches->seed,
                          GF_STREAM_SHUFFLE + 256 * (uint64_t)epoch);
    }
    batches->epoch = epoch;
    batches->position = position;
    batches->batch = (long)(position / (size_t)batches->size) - 1;
    batches->n = 0;
    batches->x = NULL;
    batches->labels = NULL;
    batches->targets = NULL;
}

static gf_status gfi_batches_alloc(gf_batches *batches) {
    const gf_dataset *data = batches->data;
    size_t rows = (size_t)batches->size < data->count ? (size_t)batches->size : data->count;
    size_t size = gf_shape_size(data->shape), outputs = (size_t)data->outputs;
    int channels = gfi_data_channels(data), fits = rows <= SIZE_MAX / size;
    batches->order = (uint32_t *)gfi_alloc(data->count, sizeof *batches->order);
    batches->lookup = (gf_real *)gfi_alloc(256 * (size_t)channels, sizeof *batches->lookup);
    if (fits) batches->x_buffer = (gf_real *)gfi_alloc(rows * size, sizeof *batches->x_buffer);
    if (data->labels) batches->label_buffer = (int *)gfi_alloc(rows, sizeof *batches->label_buffer);
    if (data->targets) batches->target_buffer = (gf_real *)gfi_alloc(rows * outputs, sizeof *batches->target_buffer);
    if (!batches->order || !batches->lookup || !batches->x_buffer || (data->labels && !batches->label_buffer) ||
        (data->targets && !batches->target_buffer)) {
        return gfi_fail(GF_ERROR_MEMORY, "gf_batches_init: no memory for batches of %zu samples of %zu numbers", rows,
                        size);
    }
    for (size_t i = 0; i < data->count; i++) batches->order[i] = (uint32_t)i;
    for (int c = 0; c < channels; c++) gfi_data_lookup(data, c, batches->lookup + 256 * c);
    return GF_OK;
}

GFDEF gf_status gf_batches_init(gf_batches *batches, const gf_dataset *data, int size, uint64_t seed, int flags) {
    const char *const me = "gf_batches_init";
    if (!batches) return gfi_null(me, "batches");
    memset(batches, 0, sizeof *batches);
    gf_status status = gfi_data_check(me, data);
    if (status != GF_OK) return status;
    if (size < 1) return gfi_fail(GF_ERROR_ARGUMENT, "%s: size is %d; a batch needs at least 1 sample", me, size);
    if ((uint64_t)data->count > UINT32_MAX) return gfi_too_many(me, data->count);
    if (flags & ~(GF_SHUFFLE | GF_FLIP | GF_CROP)) {
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: flags is %d; expected GF_SHUFFLE, GF_FLIP, GF_CROP or'ed together", me,
                        flags);
    }
    if ((flags & (GF_FLIP | GF_CROP)) && data->shape.height == 1 && data->shape.width == 1) {
        return gfi_fail(GF_ERROR_ARGUMENT, "%s: GF_FLIP and GF_CROP are for images, the samples are vectors of %d", me,
                        data->shape.channels);
    }
    batches->data = data;
    batches->size = size;
    batches->seed = seed;
    batches->flags = flags;
    status = gfi_batches_alloc(batches);
    if (status != GF_OK) {
        gf_batches_free(batches);
        return status;
    }
    batches->batch = -1;
    gfi_batches_place(batches, 0, 0);
    return GF_OK;
}

// One row of an image, moved by shift and perhaps mirrored; what comes from outside is black.
static void gfi_row_augment(gf_real *x, const gf_dataset *data, int channel, size_t row, int shift, int flip,
                            const gf_real *lookup) {
    int width = data->shape.width, left = shift < 0 ? -shift : 0, right = shift > 0 ? width - shift : width;
    gf_real black = (gf_real)gfi_data_scale(data, channel, 0);
    if (left > width) left = width;
    if (right < left) right = left;
    int from = flip ? width - 1 - (left + shift) : left + shift;
    for (int i = 0; i < left; i++) x[i] = black;
    if (right > left) {
        gfi_data_copy(x + left, data, channel, row + (size_t)from, (size_t)(right - left), flip ? -1 : 1, lookup);
    }
    for (int i = right; i < width; i++) x[i] = black;
}

// One sample into x[C,H,W], flipped and cropped by what (seed, epoch, index) draw: the same in whatever batch it falls.
static void gfi_batches_sample(const gf_batches *batches, size_t index, gf_real *x) {
    const gf_dataset *data = batches->data;
    size_t size = gf_shape_size(data->shape), plane = size / (size_t)gfi_data_channels(data), first = index * size;
    if (!(batches->flags & (GF_FLIP | GF_CROP))) {
        for (size_t at = 0; at < size; at += plane) {
            int channel = (int)(at / plane);
            gfi_data_copy(x + at, data, channel, first + at, plane, 1, batches->lookup + 256 * channel);
        }
        return;
    }
    uint64_t bits = gf_random_bits(batches->seed, GF_STREAM_AUGMENT + 256 * (uint64_t)batches->epoch, index);
    int flip = (batches->flags & GF_FLIP) && (bits & 1), crop = batches->flags & GF_CROP;
    int down = crop ? (int)((bits >> 8 & 0xFFFFFF) * 9 >> 24) - 4 : 0;  // -4..4
    int across = crop ? (int)((bits >> 40) * 9 >> 24) - 4 : 0;
    int height = data->shape.height, width = data->shape.width, rows = data->shape.channels * height;
    for (int r = 0; r < rows; r++, x += width) {
        int y = r % height + down, channel = (int)((size_t)r * (size_t)width / plane);
        int shift = y < 0 || y >= height ? width : across;  // a row from outside: all black
        size_t row = first + ((size_t)(r / height) * (size_t)height + (size_t)(shift == width ? 0 : y)) * (size_t)width;
        gfi_row_augment(x, data, channel, row, shift, flip, batches->lookup + 256 * channel);
    }
}

// Have the pixels of the sample at `position` brought from memory while others are worked on: their order is random,
// which no processor can foresee.
static void gfi_batches_prefetch(const gf_batches *batches, size_t position) {
    enum { CACHE_LINE = 64 };
    const gf_dataset *data = batches->data;
    const size_t size = gf_shape_size(data->shape);
    if (!data->pixels || position >= data->count) return;
    for (size_t at = 0; at < size; at += CACHE_LINE)
        GFI_PREFETCH(data->pixels + (size_t)batches->order[position] * size + at);
}

GFDEF int gf_batches_next(gf_batches *batches) {
    if (!batches || !batches->order) {
        gfi_fail(GF_ERROR_ORDER,
                 "gf_batches_next: batches are not initialised; call gf_batches_init and check its status");
        return 0;
    }
    const gf_dataset *data = batches->data;
    size_t size = gf_shape_size(data->shape), outputs = (size_t)data->outputs;
    size_t left = data->count - batches->position, n = left < (size_t)batches->size ? left : (size_t)batches->size;
    if (n == 0) {
        gfi_batches_place(batches, batches->epoch + 1, 0);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        size_t index = batches->order[batches->position + i];
        gfi_batches_prefetch(batches, batches->position + i + 2);
        gfi_batches_sample(batches, index, batches->x_buffer + i * size);
        if (data->labels) batches->label_buffer[i] = data->labels[index];
        for (size_t k = 0; data->targets && k < outputs; k++) {
            batches->target_buffer[i * outputs + k] = data->targets[index * outputs + k];
        }
    }
    batches->x = batches->x_buffer;
    batches->labels = batches->label_buffer;
    batches->targets = batches->target_buffer;
    batches->n = (int)n;
    batches->batch = (long)(batches->position / (size_t)batches->size);
    batches->position += n;
    return 1;
}

GFDEF long gf_batches_per_epoch(const gf_batches *batches) {
    return batches && batches->order ? (long)((batches->data->count - 1) / (size_t)batches->size) + 1 : 0;
}

GFDEF gf_status gf_batches_seek(gf_batches *batches, long epoch, size_t position) {
    if (!batches) return gfi_null("gf_batches_seek", "batches");
    if (!batches->order)
        return gfi_fail(GF_ERROR_ORDER, "gf_batches_seek: batches are not initialised; call gf_batches_init");
    if (epoch < 0 || position > batches->data->count) {
        return gfi_fail(GF_ERROR_ARGUMENT, "gf_batches_seek: epoch %ld, sample %zu; expected 0 or more, 0..%zu", epoch,
                        position, batches->data->count);
    }
    gfi_batches_place(batches, epoch, position);
    return GF_OK;
}

GFDEF gf_score gf_net_evaluate(gf_net *net, const gf_dataset *data, gf_loss_kind loss, size_t *confusion) {
    gf_score score;
    size_t start, i, size, K, correct = 0;
    double sum = 0;
    score.loss = score.accuracy = NAN, score.count = 0;
    if (!gfi_ready(net, GFI_BUILT, "gf_net_evaluate")) return score;
    size = gf_shape_size(net->input), K = gfi_output(net)->out_size;
    if ((int)loss < 0 || loss >= GF_LOSS_COUNT) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "gf_net_evaluate: loss %d; needs one of gf_loss_kind's 0..%d", (int)loss,
                     GF_LOSS_COUNT - 1);
        return score;
    }
    if (!data || data->count == 0 || gf_shape_size(data->shape) != size ||
        (loss == GF_LOSS_CROSS_ENTROPY ? !data->labels : !data->targets || (size_t)data->outputs != K)) {
        gfi_net_fail(
            net, GF_ERROR_SHAPE,
            "gf_net_evaluate: the data has %lu samples of %lu values, %s labels, %d targets each; the net takes "
            "%lu values, gives %lu and this loss needs %s",
            (unsigned long)(data ? data->count : 0), (unsigned long)(data ? gf_shape_size(data->shape) : 0),
            data && data->labels ? "with" : "without", data ? data->outputs : 0, (unsigned long)size, (unsigned long)K,
            loss == GF_LOSS_CROSS_ENTROPY ? "labels" : "targets");
        return score;
    }
    if (gfi_data_check("gf_net_evaluate", data) != GF_OK) {
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s", gf_last_error());
        return score;
    }
    if (confusion) memset(confusion, 0, K * K * sizeof *confusion);
    for (start = 0; start < data->count; start += (size_t)net->max_batch) {
        size_t n = data->count - start < (size_t)net->max_batch ? data->count - start : (size_t)net->max_batch;
        const int *labels = data->labels ? data->labels + start : NULL;
        const gf_real *targets = data->targets ? data->targets + start * (size_t)data->outputs : NULL;
        const gf_real *y;
        double mean;
        for (i = 0; i < n; i++) gf_data_sample(data, start + i, net->sample + i * size);
        y = gf_net_forward(net, net->sample, (int)n, GF_EVAL);
        mean = loss == GF_LOSS_CROSS_ENTROPY ? gf_loss_cross_entropy(net, labels)
               : loss == GF_LOSS_BCE         ? gf_loss_bce(net, targets)
                                             : gf_loss_mse(net, targets);
        if (!y || net->status != GF_OK) return score;
        sum += mean * (double)n;
        correct += (size_t)net->correct;
        for (i = 0; i < n && confusion && loss == GF_LOSS_CROSS_ENTROPY; i++)
            confusion[(size_t)labels[i] * K + gfi_argmax(y + i * K, K)]++;
    }
    score.count = data->count;
    score.loss = sum / (double)data->count;
    if (loss != GF_LOSS_MSE)
        score.accuracy = (double)correct / ((double)data->count * (loss == GF_LOSS_BCE ? (double)K : 1.0));
    return score;
}

// ---------------------------------------------------------------------------------------------------------------------
// [GF:SAVE] Checkpoints
// ---------------------------------------------------------------------------------------------------------------------
// A file is: magic "GRADFLOW", then numbers of 8 bytes each, lowest byte first on every machine, then the architecture
// in words, then the arrays, then the CRC-32 of all before it. Written whole or not at all. Next to read:
// gfi_put_checkpoint, which lists the numbers; gfi_get_head and gfi_check_head, which trust none of them.
#ifndef GF_NO_STDIO

#define GFI_SAVE_MAGIC "GRADFLOW"
#define GFI_SAVE_VERSION 1

static void gfi_put_u64(gfi_bytes *bytes, uint64_t value) {
    unsigned char out[8];
    int i;
    for (i = 0; i < 8; i++) out[i] = (unsigned char)(value >> (8 * i));
    gfi_put(bytes, out, 8);
}

static uint64_t gfi_get_u64(gfi_bytes *bytes) {
    uint64_t value = 0;
    int i;
    if (bytes->failed || bytes->size - bytes->at < 8) return bytes->failed = 1, 0;
    for (i = 0; i < 8; i++) value |= (uint64_t)bytes->data[bytes->at + (size_t)i] << (8 * i);
    bytes->at += 8;
    return value;
}

static void gfi_put_double(gfi_bytes *bytes, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    gfi_put_u64(bytes, bits);
}

static double gfi_get_double(gfi_bytes *bytes) {
    uint64_t bits = gfi_get_u64(bytes);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Arrays keep gf_real's own width, lowest byte first.
static void gfi_put_reals(gfi_bytes *bytes, const gf_real *x, size_t n) {
    size_t i, j;
    for (i = 0; i < n; i++) {
        unsigned char out[sizeof(gf_real)];
        gfi_bits bits;
        memcpy(&bits, &x[i], sizeof bits);
        for (j = 0; j < sizeof out; j++) out[j] = (unsigned char)(bits >> (8 * j));
        gfi_put(bytes, out, sizeof out);
    }
}

// The caller has made sure that n of them are there (gfi_check_head).
static void gfi_get_reals(gfi_bytes *bytes, gf_real *x, size_t n) {
    size_t i, j;
    for (i = 0; i < n; i++, bytes->at += sizeof(gf_real)) {
        gfi_bits bits = 0;
        for (j = 0; j < sizeof bits; j++) bits |= (gfi_bits)bytes->data[bytes->at + j] << (8 * j);
        memcpy(&x[i], &bits, sizeof bits);
    }
}

// CRC-32 (ISO 3309, as in PNG and zip), bit by bit over a table of 16.
static uint32_t gfi_crc32(const unsigned char *data, size_t n) {
    uint32_t table[16], crc = 0xFFFFFFFFu;
    size_t i;
    int bit;
    for (i = 0; i < 16; i++)
        for (table[i] = (uint32_t)i, bit = 0; bit < 4; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xEDB88320u : table[i] >> 1;
    for (i = 0; i < n; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

// The net in words with all that its shapes do not say, such as "input 1x28x28 dense1 256x1x1 act1 256x1x1 relu 0 …":
// two nets that agree in it can exchange checkpoints.
static void gfi_architecture(const gf_net *net, char *text, size_t size) {
    size_t used = 0;
    int i;
    for (i = -1; i < net->layer_count && used < size; i++) {
        gf_shape out = i < 0 ? net->input : net->layers[i].out;
        const gfi_layer *layer = i < 0 ? NULL : &net->layers[i];
        int n = gfi_print(text + used, size - used, "%s%s %dx%dx%d", i < 0 ? "" : " ", layer ? layer->name : "input",
                         out.channels, out.height, out.width);
        used += n > 0 ? (size_t)n : 0;
        if (used >= size || !layer) continue;
        if (layer->kind == &gfi_activation)
            n = gfi_print(text + used, size - used, " %s %.17g", gfi_act_label(layer->act), layer->act.param);
        else if (layer->kind == &gfi_dropout) n = gfi_print(text + used, size - used, " %.17g", layer->rate);
        else if (layer->kind == &gfi_add) n = gfi_print(text + used, size - used, " %s", net->layers[layer->mark].name);
        else if (layer->window.kernel_h > 0)
            n = gfi_print(text + used, size - used, " %dx%d/%dx%d+%dx%d", layer->window.kernel_h,
                          layer->window.kernel_w, layer->window.stride_h, layer->window.stride_w,
                          layer->window.padding_h, layer->window.padding_w);
        else n = 0;
        used += n > 0 ? (size_t)n : 0;
    }
}

static void gfi_put_checkpoint(gfi_bytes *bytes, const gf_net *net, const gf_optim *optim, const gf_batches *batches) {
    char words[4096] = "";
    int m = optim && optim->m, v = optim && optim->v;
    gfi_architecture(net, words, sizeof words);
    gfi_reserve(bytes, sizeof words + sizeof(gf_real) * (net->param_count * (size_t)(1 + m + v) + net->state_count));
    gfi_put(bytes, GFI_SAVE_MAGIC, 8);
    gfi_put_u64(bytes, GFI_SAVE_VERSION);
    gfi_put_u64(bytes, sizeof(gf_real));
    gfi_put_u64(bytes, strlen(words));
    gfi_put_u64(bytes, net->param_count);
    gfi_put_u64(bytes, net->state_count);
    gfi_put_u64(bytes, net->seed);
    gfi_put_u64(bytes, (uint64_t)net->step);
    gfi_put_u64(bytes, optim ? 1 + (uint64_t)optim->config.kind : 0);
    gfi_put_u64(bytes, (uint64_t)(m + 2 * v));
    gfi_put_u64(bytes, optim ? (uint64_t)optim->step : 0);
    gfi_put_double(bytes, optim ? optim->config.lr : 0);
    gfi_put_u64(bytes, batches != NULL);
    gfi_put_u64(bytes, batches ? (uint64_t)batches->epoch : 0);
    gfi_put_u64(bytes, batches ? batches->position : 0);
    gfi_put(bytes, words, strlen(words));
    gfi_put_reals(bytes, net->params, net->param_count);
    gfi_put_reals(bytes, net->state, net->state_count);
    if (m) gfi_put_reals(bytes, optim->m, net->param_count);
    if (v) gfi_put_reals(bytes, optim->v, net->param_count);
    gfi_put_u64(bytes, bytes->failed ? 0 : gfi_crc32(bytes->data, bytes->size));
}

// Do these belong together? 1, or 0 and the net's error.
static int gfi_savable(gf_net *net, const gf_optim *optim, const gf_batches *batches, const char *path,
                       const char *function) {
    if (!gfi_ready(net, GFI_BUILT, function)) return 0;
    if (!path) gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: path is NULL; name a file", function);
    else if (optim && optim->size != net->param_count)
        gfi_net_fail(net, GF_ERROR_ARGUMENT,
                     "%s: the optimiser is for %lu parameters, the net has %lu: it belongs to another net; call "
                     "gf_optim_init with this one",
                     function, (unsigned long)optim->size, (unsigned long)net->param_count);
    else if (batches && !batches->order)
        gfi_net_fail(net, GF_ERROR_ARGUMENT, "%s: batches are not initialised; call gf_batches_init, or pass NULL",
                     function);
    return net->status == GF_OK;
}

GFDEF gf_status gf_net_save(gf_net *net, const gf_optim *optim, const gf_batches *batches, const char *path) {
    gfi_bytes bytes;
    gf_status status;
    if (!gfi_savable(net, optim, batches, path, "gf_net_save")) return gf_net_status(net);
    memset(&bytes, 0, sizeof bytes);
    gfi_put_checkpoint(&bytes, net, optim, batches);
    status = bytes.failed ? gfi_fail(GF_ERROR_MEMORY, "gf_net_save: out of memory for %s", path)
                          : gfi_write_file(path, bytes.data, bytes.size);
    GF_FREE(bytes.data);
    return status == GF_OK ? GF_OK : gfi_net_fail(net, status, "%s", gf_last_error());
}

typedef struct gfi_checkpoint {  // the numbers at a checkpoint's head
    uint64_t words, params, state, seed, step, optim, moments, optim_step, has_batches, epoch, position;
    double lr;
} gfi_checkpoint;

// Read and judge the head, leaving bytes->at on the arrays.
static gf_status gfi_get_head(gfi_bytes *bytes, const char *path, gfi_checkpoint *head) {
    uint64_t version, width;
    memset(head, 0, sizeof *head);
    if (bytes->size < 8 || memcmp(bytes->data, GFI_SAVE_MAGIC, 8) != 0)
        return gfi_fail(GF_ERROR_FORMAT, "%s: is no checkpoint: does not begin with " GFI_SAVE_MAGIC
                        "; name a file that gf_net_save wrote", path);
    bytes->at = bytes->size - 8;
    if (bytes->size < 16 || gfi_get_u64(bytes) != gfi_crc32(bytes->data, bytes->size - 8))
        return gfi_fail(GF_ERROR_FORMAT,
                        "%s: its checksum is wrong: the file was damaged or cut off; use an earlier one", path);
    bytes->at = 8;
    version = gfi_get_u64(bytes), width = gfi_get_u64(bytes);
    if (!bytes->failed && version != GFI_SAVE_VERSION)
        return gfi_fail(GF_ERROR_FORMAT, "%s: version %lu, this program reads version %d; write it again", path,
                        (unsigned long)version, GFI_SAVE_VERSION);
    if (!bytes->failed && width != sizeof(gf_real))
        return gfi_fail(GF_ERROR_FORMAT, "%s: numbers of %lu bytes, this program was built with %d; set GF_REAL alike",
                        path, (unsigned long)width, (int)sizeof(gf_real));
    head->words = gfi_get_u64(bytes), head->params = gfi_get_u64(bytes), head->state = gfi_get_u64(bytes);
    head->seed = gfi_get_u64(bytes), head->step = gfi_get_u64(bytes), head->optim = gfi_get_u64(bytes),
    head->moments = gfi_get_u64(bytes);
    head->optim_step = gfi_get_u64(bytes), head->lr = gfi_get_double(bytes), head->has_batches = gfi_get_u64(bytes);
    head->epoch = gfi_get_u64(bytes), head->position = gfi_get_u64(bytes);
    if (bytes->failed || head->words > bytes->size - bytes->at)
        return gfi_fail(GF_ERROR_FORMAT, "%s: ends after %lu bytes, inside its head; it was not written by gf_net_save",
                        path, (unsigned long)bytes->size);
    return GF_OK;
}

// Does the head fit this net, optimiser and batches?
static gf_status gfi_check_head(const gf_net *net, const gf_optim *optim, gfi_bytes *bytes, const char *path,
                                const gfi_checkpoint *head) {
    char words[4096] = "";
    size_t arrays = 1 + (head->moments & 1) + (head->moments >> 1 & 1), wanted;
    gfi_architecture(net, words, sizeof words);
    if (strlen(words) != head->words || memcmp(bytes->data + bytes->at, words, strlen(words)) != 0 ||
        head->params != net->param_count || head->state != net->state_count)
        return gfi_fail(GF_ERROR_SHAPE,
                        "%s: is of another net: \"%.*s\" with %lu parameters; this one is \"%.120s\" with %lu", path,
                        head->words < 120 ? (int)head->words : 120, (const char *)bytes->data + bytes->at,
                        (unsigned long)head->params, words, (unsigned long)net->param_count);
    wanted = bytes->at + (size_t)head->words + (arrays * net->param_count + net->state_count) * sizeof(gf_real) + 8;
    if (bytes->size != wanted)
        return gfi_fail(GF_ERROR_FORMAT, "%s: has %lu bytes, should have %lu; it was cut off or overwritten", path,
                        (unsigned long)bytes->size, (unsigned long)wanted);
    if (optim && (head->optim != 1 + (uint64_t)optim->config.kind ||
                  head->moments != (uint64_t)((optim->m != NULL) + 2 * (optim->v != NULL))))
        return gfi_fail(GF_ERROR_SHAPE, "%s: was saved with optimiser %s, this one is %s; initialise the same", path,
                        head->optim ? gf_optim_name((gf_optim_kind)(head->optim - 1)) : "none",
                        gf_optim_name(optim->config.kind));
    return GF_OK;
}

static gf_status gfi_load(gf_net *net, gf_optim *optim, gf_batches *batches, gfi_bytes *bytes, const char *path) {
    gfi_checkpoint head;
    size_t arrays;
    gf_status status = gfi_get_head(bytes, path, &head);
    if (status != GF_OK) return status;
    arrays = bytes->at + (size_t)head.words;
    status = gfi_check_head(net, optim, bytes, path, &head);
    if (status == GF_OK && batches && !head.has_batches)
        status = gfi_fail(GF_ERROR_SHAPE, "%s: was saved without batches; pass NULL for them", path);
    if (status == GF_OK && batches) status = gf_batches_seek(batches, (long)head.epoch, (size_t)head.position);
    if (status != GF_OK) return status;
    bytes->at = arrays;
    gfi_get_reals(bytes, net->params, net->param_count);
    gfi_get_reals(bytes, net->state, net->state_count);
    if (optim && optim->m) gfi_get_reals(bytes, optim->m, net->param_count);
    if (optim && optim->v) gfi_get_reals(bytes, optim->v, net->param_count);
    if (optim) optim->step = (long)head.optim_step, optim->config.lr = head.lr;
    net->seed = head.seed, net->step = (long)head.step;
    net->phase = GFI_BUILT;
    return GF_OK;
}

GFDEF gf_status gf_net_load(gf_net *net, gf_optim *optim, gf_batches *batches, const char *path) {
    gfi_bytes bytes;
    gf_status status;
    if (!gfi_savable(net, optim, batches, path, "gf_net_load")) return gf_net_status(net);
    memset(&bytes, 0, sizeof bytes);
    status = gfi_file_whole(path, "name a file that gf_net_save wrote", &bytes.data, &bytes.size);
    if (status == GF_OK) status = gfi_load(net, optim, batches, &bytes, path);
    GF_FREE(bytes.data);
    return status == GF_OK ? GF_OK : gfi_net_fail(net, status, "%s", gf_last_error());
}
#endif  // GF_NO_STDIO

#if defined(__OPTIMIZE__) && defined(__clang__)
#pragma clang attribute pop
#elif defined(__OPTIMIZE__) && defined(__GNUC__)
#pragma GCC pop_options
#endif

// ---------------------------------------------------------------------------------------------------------------------
// What the kernels share, and the choice between them
// ---------------------------------------------------------------------------------------------------------------------
// The rest of the implementation belongs to the kernels: constants of the elementary functions, then this file included
// once more for each instruction set (GFI_PASS names it), then the choice that a net makes when it is created.

// ---- polynomials -----------------------------------------------------------------------------------
// Minimax polynomials (Remez exchange on the relative error), lowest power first. Written for |error| < 0.2 ulp.
#if GFI_REAL_IS_DOUBLE
#define GFI_EXP_LOW (-746.0)                             // e^x rounds to 0 from here down
#define GFI_EXP_ROUND (6755399441055744.0 + 2046.0)      // 1.5·2^52 + 2·bias: adding it rounds to an integer
#define GFI_EXP_MASK 0x7ff                               // an exponent field; the sum ends in n + 2·bias
#define GFI_MANTISSA 52
#define GFI_LN2_HIGH 6.93147180369123816490e-01          // 33 bits, so that n·LN2_HIGH is exact
#define GFI_LN2_LOW 1.90821492927058770002e-10
#define GFI_UPPER_HALF (~(gfi_lane)0x7ffffff)            // keeps 26 bits of a mantissa: its square is exact
static const gf_real gfi_exp_poly[] = {                  // (e^r - 1 - r)/r², |r| ≤ ln2/2
    0.49999999999999999986, 0.16666666666666676553, 0.041666666666666701209, 0.0083333333333216477718,
    0.0013888888888866895262, 0.000198412698860857092, 0.000024801587360465164496, 2.7557244249291678032e-6,
    2.7557242825025252336e-7, 2.5109023022363368572e-8, 2.092442581375941209e-9};
static const gf_real gfi_log1p_poly[] = {                // (2·atanh(√w)/√w - 2)/w, 0 ≤ w ≤ 1/9
    0.66666666666666677342, 0.39999999999994309408, 0.28571428572467855907, 0.22222222128244917679,
    0.18181823095041893354, 0.15384454577496671538, 0.13336763770208134814, 0.11716383255233387005,
    0.10969786649117275734, 0.07004394328649616788, 0.16451575744145490644};
static const gf_real gfi_atan_poly[] = {                 // (atan(√w)/√w - 1)/w, 0 ≤ w ≤ 1
    -0.33333333333333297245, 0.19999999999992206708, -0.14285714285136933965, 0.11111111089460524504,
    -0.090909086028137183673, 0.076923003979271570848, -0.066665897257137799208, 0.058817548052016874374,
    -0.052596219174888641035, 0.047456314820906250915, -0.04288454352791180921, 0.038257529394531157063,
    -0.032871571941692049681, 0.026274870992544776671, -0.01875221591685734832, 0.011437266886566431219,
    -0.0056909295382922638257, 0.0021893361958745305281, -0.00060541245348164145595, 0.00010643143804587071028,
    -8.8972337354170205591e-6};
static const gf_real gfi_tail_top[] = {                  // Q(a)·e^(a²/2) = top(a)/bottom(a), 0 ≤ a ≤ 38.6
    0.5000000000000000005, 0.8276682446294365305, 0.6792100237261044347, 0.3570379370218577568,
    0.1318961204213703136, 0.0356169051835171526, 0.007110498726277987727, 0.00103755675000780725,
    0.0001063113280581049971, 6.955871365590194735e-6, 2.234236096765342587e-7};
static const gf_real gfi_tail_bottom[] = {
    1.0, 2.453221050061738624, 2.815807247533055647, 2.000115998284017572, 0.9792126919479316762, 0.347910549006828017,
    0.09184423940432781048, 0.0180887400457250108, 0.002618204870153312404, 0.0002670430207579878321,
    0.00001743578383971547074, 5.600399372351873563e-7};
#else
#define GFI_EXP_LOW (-104.0f)
#define GFI_EXP_ROUND (12582912.0f + 254.0f)             // 1.5·2^23 + 2·bias
#define GFI_EXP_MASK 0xff
#define GFI_MANTISSA 23
#define GFI_LN2_HIGH 0.693359375f                        // 9 bits
#define GFI_LN2_LOW (-2.12194440e-4f)
#define GFI_UPPER_HALF (~(gfi_lane)0xfff)                // keeps 12 bits
static const gf_real gfi_exp_poly[] = {0.50000000623496932332f, 0.16666543177820757663f, 0.041666281302864737439f,
                                       0.0083665687377108027231f, 0.0013946481654751894365f};
static const gf_real gfi_log1p_poly[] = {0.66666675468321293657f, 0.39998888868736284286f, 0.28616618329564628711f,
                                         0.21430259670689629989f, 0.24291989765090377613f};
static const gf_real gfi_atan_poly[] = {
    -0.33333327657103225564f, 0.19999699754784484862f, -0.14280215495100843001f, 0.1106075872400210482f,
    -0.088206597053047814706f, 0.067634942841743828464f, -0.044999412816597235675f, 0.022803831586491141224f,
    -0.0074425047180439415982f, 0.0011387506546810559849f};
static const gf_real gfi_tail_top[] = {                  // 0 ≤ a ≤ 14.5
    0.5000000029499821739f, 0.4383023485557706835f, 0.1832406311225020905f, 0.04063507901518083178f,
    0.004116583369998682525f};
static const gf_real gfi_tail_bottom[] = {1.0f, 1.674489678262605249f, 1.202525932853852475f,
                                          0.4694851274348721623f, 0.1018634828451694263f, 0.01031862457677824741f};
#endif
#define GFI_ACT_CHUNK ((size_t)256)
#define GFI_C(x) GFI_SET1((gf_real)(x))
#define GFI_POLY(x, table) GFI_FN(gfi_poly)((x), table, (int)(sizeof table / sizeof *table))

// What a kernel needs to know of an activation, in gf_real. The exponential family is one function,
//     z > 0: scale·z       z ≤ 0: amplitude·(e^(rate·z) - 1)
typedef struct gfi_act_args {
    gf_real param;                   // leaky's slope, swish's β
    gf_real scale, amplitude, rate;  // elu, selu, celu
    gf_real low, high;               // relu6, hard_tanh
} gfi_act_args;

static gfi_act_args gfi_act_args_of(gf_act act) {
    gfi_act_args args = {0, 1, 1, 1, 0, 6};
    args.param = (gf_real)act.param;
    args.amplitude = (gf_real)act.param;
    if (act.kind == GF_ACT_CELU) args.rate = (gf_real)(1 / act.param);
    if (act.kind == GF_ACT_SELU) {
        args.scale = (gf_real)GFI_SELU_SCALE;
        args.amplitude = (gf_real)(GFI_SELU_SCALE * GFI_SELU_ALPHA);
    }
    if (act.kind == GF_ACT_HARD_TANH) args.low = -1, args.high = 1;
    return args;
}

// ---- one pass of the section for each instruction set, then the choice at run time -----------------

// Beside others the plain pass is a spare wheel; see the pragma before [GF:ACT].
#if (defined(GFI_X86) || defined(GFI_NEON)) && defined(__OPTIMIZE__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O1")
#endif
#define GFI_PASS plain
#include "gradflow.h"
#undef GFI_PASS
#if (defined(GFI_X86) || defined(GFI_NEON)) && defined(__OPTIMIZE__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#ifdef GFI_X86
#define GFI_PASS avx2
#include "gradflow.h"
#undef GFI_PASS
#define GFI_PASS avx512
#include "gradflow.h"
#undef GFI_PASS
#endif
#ifdef GFI_NEON
#define GFI_PASS neon
#include "gradflow.h"
#undef GFI_PASS
#endif

// The plain kernels with the triple loop in place of the tiled one: the oracle that the others are tested against.
static const gfi_kernels gfi_table_naive = {
    "naive",           gfi_matmul_naive,       gfi_act_forward_plain, gfi_act_backward_plain, gfi_softmax_rows_plain,
    gfi_column_sums_plain, gfi_axpy_plain,         gfi_scale_plain,       gfi_prelu_grad_plain,   gfi_sum_squares_plain,
    gfi_tensor_sums_plain, gfi_update_step_plain, gfi_conv_forward_naive, gfi_conv_backward_naive,
    gfi_channel_moments_plain, gfi_channel_products_plain, gfi_channel_scale_plain, gfi_channel_back_plain,
    gfi_max_pool2_plain, gfi_max_pool2_back_plain, gfi_tile_grid_plain, gfi_flip_plain, gfi_wino_plain};

// From best to worst.
static const gfi_kernels *const gfi_kernel_tables[] = {
#ifdef GFI_X86
    &gfi_table_avx512, &gfi_table_avx2,
#endif
#ifdef GFI_NEON
    &gfi_table_neon,
#endif
    &gfi_table_plain, &gfi_table_naive};

static int gfi_kernels_run_here(const gfi_kernels *kernels) {
#ifdef GFI_X86
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (kernels == &gfi_table_avx2) return avx2;
    if (kernels == &gfi_table_avx512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#endif
    return kernels != NULL;
}

static const gfi_kernels *gfi_kernels_best(void) {
    const gfi_kernels *const *table = gfi_kernel_tables;
    while (!gfi_kernels_run_here(*table)) table++;
    return *table;
}

static const gfi_kernels *gfi_kernels_named(const char *name) {
    size_t i;
    for (i = 0; i < sizeof gfi_kernel_tables / sizeof gfi_kernel_tables[0]; i++)
        if (strcmp(gfi_kernel_tables[i]->name, name) == 0 && gfi_kernels_run_here(gfi_kernel_tables[i]))
            return gfi_kernel_tables[i];
    return NULL;
}

#endif  // GRADFLOW_IMPLEMENTATION

#else  // GFI_PASS
// ---------------------------------------------------------------------------------------------------------------------
// [GF:KERNEL] Tuned kernels
// ---------------------------------------------------------------------------------------------------------------------
// Compiled once for each instruction set: the implementation above includes this file again with GFI_PASS set to its
// name. A kernel is ordinary C over vectors of GFI_VLEN gf_reals (one, in the plain pass, which needs no extension and
// gives the same bits on every machine). In order: vocabulary of vectors, matrix multiply, sums, convolution, norms,
// pools, optimisers, activations, softmax, the table. A first reader needs none of it: gfi_matmul_naive,
// gfi_conv_forward_naive and gfi_act_eval say what is computed, and the tests hold every pass against them.

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // gcc 12's own avx512fintrin.h, when compiled as C++
#endif

// ---- vocabulary, per pass --------------------------------------------------------------------------
// One vocabulary for every instruction set. Arithmetic + - * / works on gfi_v, and + - & | ^ << >> on gfi_vi, with C's
// own operators; what C has no operator for is a macro:
//   gfi_v, gfi_vi, gfi_vm     a vector of gf_real, of signed integers of the same width, and the result of a comparison
//   gfi_vd                    a vector of double (as many bytes as gfi_v): what sums accumulate in
//   GFI_LOAD GFI_STORE        whole vectors, any alignment
//   GFI_LOAD_PART(p, n)       the first n < GFI_VLEN lanes, zero in the others;  GFI_STORE_PART(p, v, n)
//                             (gfi_load_n, gfi_store_n: at most n, the whole vector if n >= GFI_VLEN)
//   GFI_SET1 GFI_SET1I        all lanes alike (gf_real, integer)
//   GFI_FMA(a, b, c)          a*b + c, one rounding where the machine has it;  GFI_FNMA: c - a*b
//   GFI_LT LE GT GE EQ        ordered comparisons: false for NaN;  GFI_NE: true for NaN
//   GFI_SELECT(m, a, b)       m ? a : b;  GFI_AND GFI_OR GFI_NOT on masks; GFI_COUNT(m): lanes that are true
//   GFI_ABS GFI_SQRT
//   GFI_MAX(a, b)             a > b ? a : b (so b when either is NaN);  GFI_MIN(a, b): a < b ? a : b
//   GFI_ZIP_LO(a, b), _HI     a0 b0 a1 b1 … of the lower, of the upper halves (a whole vector of each)
//   GFI_UNZIP_EVEN(a, b), _ODD   a0 a2 … b0 b2 …, a1 a3 … b1 b3 …
//   GFI_AS_INT GFI_AS_REAL    reinterpret the bits
//   GFI_LOAD_WIDE(p)          GFI_VDLEN gf_reals widened to a gfi_vd, for which there are GFI_SET1_WIDE, GFI_FMA_WIDE,
//   GFI_STORE_NARROW(p, v)    the way back: a gfi_vd rounded to GFI_VDLEN gf_reals
//                             GFI_ABS_WIDE and gfi_sum_wide(v)
// gfi_name inside a pass is a different function in each: GFI_FN(gfi_name) is gfi_name_avx2 …
#undef GFI_FN
#undef GFI_ISA
#undef GFI_TARGET
#undef GFI_INLINE
#undef GFI_UNROLL
#undef GFI_VBYTES
#undef GFI_VLEN
#undef GFI_VDLEN
#undef gfi_v
#undef gfi_vi
#undef gfi_vm
#undef gfi_vd
#undef GFI_OP
#undef GFI_CMP
#undef GFI_OPD
#undef GFI_ABS
#undef GFI_ABS_WIDE
#undef GFI_FIRST_LANES
#undef GFI_LOAD
#undef GFI_STORE
#undef GFI_LOAD_PART
#undef GFI_STORE_PART
#undef GFI_SET1
#undef GFI_SET1I
#undef GFI_FMA
#undef GFI_FNMA
#undef GFI_SQRT
#undef GFI_ALL
#undef GFI_LT
#undef GFI_LE
#undef GFI_GT
#undef GFI_GE
#undef GFI_EQ
#undef GFI_NE
#undef GFI_SELECT
#undef GFI_AND
#undef GFI_OR
#undef GFI_NOT
#undef GFI_COUNT
#undef GFI_MAX
#undef GFI_MIN
#undef GFI_AS_INT
#undef GFI_AS_REAL
#undef GFI_LOAD_WIDE
#undef GFI_STORE_NARROW
#undef GFI_SET1_WIDE
#undef GFI_ZIP_LO
#undef GFI_ZIP_HI
#undef GFI_UNZIP_EVEN
#undef GFI_UNZIP_ODD
#undef GFI_FMA_WIDE

#define GFI_FN(name) GFI_CAT(name, GFI_CAT(_, GFI_PASS))
#define GFI_ISA GFI_CAT(GFI_ISA_, GFI_PASS)

#if GFI_ISA == GFI_ISA_plain  // one lane, no compiler extension: the same source is then plain C

#define GFI_TARGET
#define GFI_INLINE static inline
#define GFI_UNROLL
#define GFI_VBYTES ((int)sizeof(gf_real))
#define GFI_VLEN 1
#define GFI_VDLEN 1
#define gfi_v gf_real
#define gfi_vi gfi_lane
#define gfi_vm int
#define gfi_vd double
#define GFI_LOAD(p) (*(p))
#define GFI_STORE(p, v) ((void)(*(p) = (v)))
#define GFI_LOAD_PART(p, n) ((n) > 0 ? *(p) : (gf_real)0)
#define GFI_STORE_PART(p, v, n) ((void)((n) > 0 ? *(p) = (v) : (v)))
#define GFI_SET1(s) ((gf_real)(s))
#define GFI_SET1I(i) ((gfi_lane)(i))
#define GFI_FMA(a, b, c) ((a) * (b) + (c))
#define GFI_FNMA(a, b, c) ((c) - (a) * (b))
#define GFI_SQRT(a) ((gf_real)sqrt(a))
#define GFI_ABS(a) ((gf_real)fabs(a))
#define GFI_ABS_WIDE(a) fabs(a)
#define GFI_LT(a, b) ((a) < (b))
#define GFI_LE(a, b) ((a) <= (b))
#define GFI_GT(a, b) ((a) > (b))
#define GFI_GE(a, b) ((a) >= (b))
#define GFI_EQ(a, b) ((a) == (b))
#define GFI_NE(a, b) ((a) != (b))
#define GFI_SELECT(m, a, b) ((m) ? (a) : (b))
#define GFI_AND(m, n) ((m) & (n))
#define GFI_OR(m, n) ((m) | (n))
#define GFI_NOT(m) (!(m))
#define GFI_COUNT(m) (m)
#define GFI_MAX(a, b) ((a) > (b) ? (a) : (b))
#define GFI_MIN(a, b) ((a) < (b) ? (a) : (b))
#define GFI_AS_INT(v) gfi_real_bits(v)
#define GFI_AS_REAL(v) gfi_bits_real(v)
#define GFI_LOAD_WIDE(p) ((double)*(p))
#define GFI_STORE_NARROW(p, v) ((void)(*(p) = (gf_real)(v)))
#define GFI_SET1_WIDE(s) ((double)(s))
#define GFI_FMA_WIDE(a, b, c) ((a) * (b) + (c))
#define GFI_ZIP_LO(a, b) (a)
#define GFI_ZIP_HI(a, b) (b)
#define GFI_UNZIP_EVEN(a, b) (a)
#define GFI_UNZIP_ODD(a, b) (b)

#else  // vectors by GCC's and clang's extensions, in functions compiled for their instruction set

#define GFI_INLINE static inline __attribute__((always_inline)) GFI_TARGET
#if defined(__clang__)
#define GFI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GFI_UNROLL _Pragma("GCC unroll 32")
#endif
#define GFI_VLEN (GFI_VBYTES / (int)sizeof(gf_real))
#define GFI_VDLEN (GFI_VBYTES / 8)
#define gfi_vi GFI_FN(gfi_vint)
#define GFI_AS_INT(v) ((gfi_vi)(v))
#define GFI_AS_REAL(v) ((gfi_v)(v))

#if GFI_ISA == GFI_ISA_avx512

#define GFI_TARGET __attribute__((target("avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")))
#define GFI_VBYTES 64
#if GFI_REAL_IS_DOUBLE
#define gfi_v __m512d
#define gfi_vm __mmask8
#define GFI_OP(name) _mm512_##name##_pd
#define GFI_CMP(a, b, how) _mm512_cmp_pd_mask(a, b, how)
#define GFI_SET1I(i) ((gfi_vi)_mm512_set1_epi64(i))
#define GFI_ZIP_LO(a, b) _mm512_permutex2var_pd(a, _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11), b)
#define GFI_ZIP_HI(a, b) _mm512_permutex2var_pd(a, _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15), b)
#else
#define gfi_v __m512
#define gfi_vm __mmask16
#define GFI_OP(name) _mm512_##name##_ps
#define GFI_CMP(a, b, how) _mm512_cmp_ps_mask(a, b, how)
#define GFI_SET1I(i) ((gfi_vi)_mm512_set1_epi32(i))
#define GFI_ZIP_LO(a, b) \
    _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b)
#define GFI_ZIP_HI(a, b) \
    _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), b)
#endif
#define GFI_LOAD(p) GFI_OP(loadu)(p)
#define GFI_STORE(p, v) GFI_OP(storeu)(p, v)
#define GFI_FIRST_LANES(n) ((gfi_vm)((1u << (n)) - 1u))
#define GFI_LOAD_PART(p, n) GFI_OP(maskz_loadu)(GFI_FIRST_LANES(n), p)
#define GFI_STORE_PART(p, v, n) GFI_OP(mask_storeu)(p, GFI_FIRST_LANES(n), v)
#define GFI_SELECT(m, a, b) GFI_OP(mask_blend)(m, b, a)
#define GFI_AND(m, n) ((gfi_vm)((m) & (n)))
#define GFI_ALL GFI_FIRST_LANES(GFI_VLEN)  // g++ 12 warns of uninitialised operands in its unmasked intrinsics
#define GFI_MAX(a, b) GFI_OP(maskz_max)(GFI_ALL, a, b)
#define GFI_MIN(a, b) GFI_OP(maskz_min)(GFI_ALL, a, b)

#elif GFI_ISA == GFI_ISA_avx2

#define GFI_TARGET __attribute__((target("avx2,fma")))
#define GFI_VBYTES 32
#if GFI_REAL_IS_DOUBLE
#define gfi_v __m256d
#define GFI_OP(name) _mm256_##name##_pd
#define GFI_CMP(a, b, how) _mm256_cmp_pd(a, b, how)
#define GFI_SET1I(i) ((gfi_vi)_mm256_set1_epi64x(i))
#define GFI_LOAD_WIDE(p) _mm256_loadu_pd(p)
#define GFI_STORE_NARROW(p, v) _mm256_storeu_pd(p, v)
#define GFI_FIRST_LANES(n) _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3))
#define GFI_UNZIP_EVEN(a, b) _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xD8)
#define GFI_UNZIP_ODD(a, b) _mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), 0xD8)
#else
#define gfi_v __m256
#define GFI_OP(name) _mm256_##name##_ps
#define GFI_CMP(a, b, how) _mm256_cmp_ps(a, b, how)
#define GFI_SET1I(i) ((gfi_vi)_mm256_set1_epi32(i))
#define GFI_LOAD_WIDE(p) _mm256_cvtps_pd(_mm_loadu_ps(p))
#define GFI_STORE_NARROW(p, v) _mm_storeu_ps(p, _mm256_cvtpd_ps(v))
#define GFI_FIRST_LANES(n) _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define GFI_UNZIP_EVEN(a, b) (gfi_v)_mm256_permute4x64_pd((__m256d)_mm256_shuffle_ps(a, b, 0x88), 0xD8)
#define GFI_UNZIP_ODD(a, b) (gfi_v)_mm256_permute4x64_pd((__m256d)_mm256_shuffle_ps(a, b, 0xDD), 0xD8)
#endif
#define gfi_vm gfi_v
#define gfi_vd __m256d
#define GFI_OPD(name) _mm256_##name##_pd
#define GFI_LOAD(p) GFI_OP(loadu)(p)
#define GFI_STORE(p, v) GFI_OP(storeu)(p, v)
#define GFI_LOAD_PART(p, n) GFI_OP(maskload)(p, GFI_FIRST_LANES(n))
#define GFI_STORE_PART(p, v, n) GFI_OP(maskstore)(p, GFI_FIRST_LANES(n), v)
#define GFI_ZIP_LO(a, b) GFI_OP(permute2f128)(GFI_OP(unpacklo)(a, b), GFI_OP(unpackhi)(a, b), 0x20)
#define GFI_ZIP_HI(a, b) GFI_OP(permute2f128)(GFI_OP(unpacklo)(a, b), GFI_OP(unpackhi)(a, b), 0x31)
#define GFI_SELECT(m, a, b) GFI_OP(blendv)(b, a, m)
#define GFI_AND(m, n) GFI_OP(and)(m, n)
#define GFI_OR(m, n) GFI_OP(or)(m, n)
#define GFI_NOT(m) GFI_OP(xor)(m, GFI_AS_REAL(GFI_SET1I(-1)))
#define GFI_COUNT(m) __builtin_popcount((unsigned)GFI_OP(movemask)(m))
#define GFI_SQRT(a) GFI_OP(sqrt)(a)
#define GFI_MAX(a, b) GFI_OP(max)(a, b)
#define GFI_MIN(a, b) GFI_OP(min)(a, b)

#elif GFI_ISA == GFI_ISA_neon

#define GFI_TARGET
#define GFI_VBYTES 16
#if GFI_REAL_IS_DOUBLE
#define gfi_v float64x2_t
#define gfi_vm uint64x2_t
#define GFI_OP(name) v##name##q_f64
#define GFI_SET1I(i) vdupq_n_s64(i)
#define GFI_SET1(s) vdupq_n_f64(s)
#define GFI_LOAD_WIDE(p) vld1q_f64(p)
#define GFI_STORE_NARROW(p, v) vst1q_f64(p, v)
#define GFI_COUNT(m) ((int)vaddvq_u64(vshrq_n_u64(m, 63)))
#else
#define gfi_v float32x4_t
#define gfi_vm uint32x4_t
#define GFI_OP(name) v##name##q_f32
#define GFI_SET1I(i) vdupq_n_s32(i)
#define GFI_SET1(s) vdupq_n_f32(s)
#define GFI_LOAD_WIDE(p) vcvt_f64_f32(vld1_f32(p))
#define GFI_STORE_NARROW(p, v) vst1_f32(p, vcvt_f32_f64(v))
#define GFI_COUNT(m) ((int)vaddvq_u32(vshrq_n_u32(m, 31)))
#endif
#define gfi_vd float64x2_t
#define GFI_SET1_WIDE(s) vdupq_n_f64(s)
#define GFI_FMA_WIDE(a, b, c) vfmaq_f64(c, a, b)
#define GFI_LOAD(p) GFI_OP(ld1)(p)
#define GFI_STORE(p, v) GFI_OP(st1)(p, v)
#define GFI_LOAD_PART(p, n) GFI_FN(gfi_load_part)(p, n)
#define GFI_STORE_PART(p, v, n) GFI_FN(gfi_store_part)(p, v, n)
#define GFI_FMA(a, b, c) GFI_OP(fma)(c, a, b)
#define GFI_FNMA(a, b, c) GFI_OP(fms)(c, a, b)
#define GFI_SQRT(a) GFI_OP(sqrt)(a)
#define GFI_ABS(a) GFI_OP(abs)(a)
#define GFI_ABS_WIDE(a) vabsq_f64(a)
#define GFI_LT(a, b) GFI_OP(clt)(a, b)
#define GFI_LE(a, b) GFI_OP(cle)(a, b)
#define GFI_GT(a, b) GFI_OP(cgt)(a, b)
#define GFI_GE(a, b) GFI_OP(cge)(a, b)
#define GFI_EQ(a, b) GFI_OP(ceq)(a, b)
#define GFI_NE(a, b) (~GFI_OP(ceq)(a, b))
#define GFI_SELECT(m, a, b) GFI_OP(bsl)(m, a, b)
#define GFI_AND(m, n) ((m) & (n))
#define GFI_OR(m, n) ((m) | (n))
#define GFI_NOT(m) (~(m))
#define GFI_MAX(a, b) GFI_SELECT(GFI_GT(a, b), a, b)
#define GFI_MIN(a, b) GFI_SELECT(GFI_LT(a, b), a, b)
#define GFI_ZIP_LO(a, b) GFI_OP(zip1)(a, b)
#define GFI_ZIP_HI(a, b) GFI_OP(zip2)(a, b)
#define GFI_UNZIP_EVEN(a, b) GFI_OP(uzp1)(a, b)
#define GFI_UNZIP_ODD(a, b) GFI_OP(uzp2)(a, b)

#endif

#if GFI_ISA != GFI_ISA_neon  // the two x86 sets share their names
#define GFI_SET1(s) GFI_OP(set1)(s)
#define GFI_SET1_WIDE(s) GFI_OPD(set1)(s)
#define GFI_FMA_WIDE(a, b, c) GFI_OPD(fmadd)(a, b, c)
#define GFI_ABS(a) GFI_OP(andnot)(GFI_SET1((gf_real)-0.0), a)
#define GFI_ABS_WIDE(a) GFI_OPD(andnot)(GFI_SET1_WIDE(-0.0), a)
#define GFI_FMA(a, b, c) GFI_OP(fmadd)(a, b, c)
#define GFI_FNMA(a, b, c) GFI_OP(fnmadd)(a, b, c)
#define GFI_LT(a, b) GFI_CMP(a, b, _CMP_LT_OQ)
#define GFI_LE(a, b) GFI_CMP(a, b, _CMP_LE_OQ)
#define GFI_GT(a, b) GFI_CMP(a, b, _CMP_GT_OQ)
#define GFI_GE(a, b) GFI_CMP(a, b, _CMP_GE_OQ)
#define GFI_EQ(a, b) GFI_CMP(a, b, _CMP_EQ_OQ)
#define GFI_NE(a, b) GFI_CMP(a, b, _CMP_NEQ_UQ)
#endif
typedef gfi_lane gfi_vi __attribute__((vector_size(GFI_VBYTES)));

#if GFI_ISA == GFI_ISA_neon
GFI_INLINE gfi_v GFI_FN(gfi_load_part)(const gf_real *p, int n) {
    gf_real lanes[GFI_VLEN] = {0};
    for (int i = 0; i < n; i++) lanes[i] = p[i];
    return GFI_LOAD(lanes);
}

GFI_INLINE void GFI_FN(gfi_store_part)(gf_real *p, gfi_v v, int n) {
    gf_real lanes[GFI_VLEN];
    GFI_STORE(lanes, v);
    for (int i = 0; i < n; i++) p[i] = lanes[i];
}
#endif

#endif  // vectors

// The first n lanes, all of them being the common and cheaper case.
GFI_INLINE gfi_v GFI_FN(gfi_load_n)(const gf_real *p, int n) {
    return n >= GFI_VLEN ? GFI_LOAD(p) : GFI_LOAD_PART(p, n);
}

GFI_INLINE void GFI_FN(gfi_store_n)(gf_real *p, gfi_v v, int n) {
    if (n >= GFI_VLEN) {
        GFI_STORE(p, v);
    } else {
        GFI_STORE_PART(p, v, n);
    }
}

// ---- matrix multiply, per pass ---------------------------------------------------------------------
// The tile: as many sums as the registers hold beside a row of B and one number of A. B is used in place, unpacked,
// where its rows are contiguous and A has at most GFI_UNPACKED_ROWS rows to use a packed copy.
#undef GFI_TILE_ROWS
#undef GFI_TILE_VECS
#undef GFI_UNPACKED_ROWS
#if GFI_ISA == GFI_ISA_avx512 || GFI_ISA == GFI_ISA_neon  // 32 registers: 24 sums, 3 of B, 1 of A
#define GFI_TILE_ROWS 8
#define GFI_TILE_VECS 3
#define GFI_UNPACKED_ROWS 320
#elif GFI_ISA == GFI_ISA_avx2  // 16 registers: 12 sums, 2 of B, 1 of A
#define GFI_TILE_ROWS 6
#define GFI_TILE_VECS 2
#define GFI_UNPACKED_ROWS 24
#else
#define GFI_TILE_ROWS 4
#define GFI_TILE_VECS 2
#define GFI_UNPACKED_ROWS 24
#endif

// rows × vecs vectors of C. Both are constants wherever this is inlined, so that every loop over them is unrolled and
// sum lives in registers.
GFI_INLINE void GFI_FN(gfi_tile_run)(const int rows, const int vecs, const gfi_tile *tile) {
    gfi_v sum[GFI_TILE_ROWS][GFI_TILE_VECS], b[GFI_TILE_VECS];
    const int last = vecs - 1, lanes = tile->last_lanes, depth = tile->depth;
    const ptrdiff_t a_row = tile->a_row, a_col = tile->a_col, b_row = tile->b_row;
    GFI_UNROLL
    for (int i = 0; i < rows; i++) {
        GFI_UNROLL
        for (int j = 0; j < vecs; j++) sum[i][j] = GFI_SET1(0);
    }
    if (tile->start) {
        GFI_UNROLL
        for (int i = 0; i < rows; i++) {
            const gf_real *start = tile->start + i * tile->start_row;
            GFI_UNROLL
            for (int j = 0; j < last; j++) sum[i][j] = GFI_LOAD(start + j * GFI_VLEN);
            sum[i][last] = GFI_FN(gfi_load_n)(start + last * GFI_VLEN, lanes);
        }
    }
    for (int t = 0; t < tile->taps; t++) {
        const gf_real *pa = tile->a + tile->a_tap[t], *pb = tile->b + tile->b_tap[t];
        for (int k = 0; k < depth; k++, pa += a_col, pb += b_row) {
            GFI_UNROLL
            for (int j = 0; j < vecs; j++) b[j] = GFI_LOAD(pb + j * GFI_VLEN);
            GFI_UNROLL
            for (int i = 0; i < rows; i++) {
                const gfi_v a = GFI_SET1(pa[i * a_row]);
                GFI_UNROLL
                for (int j = 0; j < vecs; j++) sum[i][j] = GFI_FMA(a, b[j], sum[i][j]);
            }
        }
    }
    GFI_UNROLL
    for (int i = 0; i < rows; i++) {
        gf_real *c = tile->c + i * tile->c_row;
        GFI_UNROLL
        for (int j = 0; j < last; j++) GFI_STORE(c + j * GFI_VLEN, sum[i][j]);
        GFI_FN(gfi_store_n)(c + last * GFI_VLEN, sum[i][last], lanes);
    }
}

// One copy of the loop for every height and width there is.
GFI_INLINE void GFI_FN(gfi_tile_height)(int rows, const int vecs, const gfi_tile *tile) {
    switch (rows) {
#if GFI_TILE_ROWS > 4
    case GFI_TILE_ROWS: GFI_FN(gfi_tile_run)(GFI_TILE_ROWS, vecs, tile); break;
#endif
#if GFI_TILE_ROWS == 8
    case 5: GFI_FN(gfi_tile_run)(5, vecs, tile); break;
#endif
    case 4: GFI_FN(gfi_tile_run)(4, vecs, tile); break;
    case 2: GFI_FN(gfi_tile_run)(2, vecs, tile); break;
    default: GFI_FN(gfi_tile_run)(1, vecs, tile); break;
    }
}

// The height of the next tile where so many rows are left; ten are 5 and 5.
GFI_INLINE int GFI_FN(gfi_tile_rows)(int left) {
#if GFI_TILE_ROWS == 8
    if (left == 5 || left == 10) return 5;
#endif
    return left >= GFI_TILE_ROWS ? GFI_TILE_ROWS : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

GFI_TARGET static void GFI_FN(gfi_tile_any)(int rows, int vecs, const gfi_tile *tile) {
    switch (vecs) {
#if GFI_TILE_VECS == 3
    case 3: GFI_FN(gfi_tile_height)(rows, 3, tile); break;
#endif
    case 2: GFI_FN(gfi_tile_height)(rows, 2, tile); break;
    default: GFI_FN(gfi_tile_height)(rows, 1, tile); break;
    }
}

// All of C[m,n] by tiles, from `start` or (NULL) zero on. B's whole vectors may be read past its last column; or it is
// packed, panel after panel.
GFI_TARGET static void GFI_FN(gfi_tile_grid)(const gfi_tile *whole, int m, int n, int packed) {
    const int vecs = gfi_ceil_div(n, GFI_VLEN), panels = gfi_ceil_div(vecs, GFI_TILE_VECS);
    gfi_tile tile = *whole;
    for (int m0 = 0, rows; m0 < m; m0 += rows) {
        rows = GFI_FN(gfi_tile_rows)(m - m0);
        tile.a = whole->a + m0 * tile.a_row;
        for (int p = 0, v0 = 0, width; p < panels; p++, v0 += width) {
            const int n0 = v0 * GFI_VLEN;
            width = gfi_panel_vecs(vecs - v0, panels - p);
            const int last = n - n0 - (width - 1) * GFI_VLEN;
            tile.last_lanes = last < GFI_VLEN ? last : GFI_VLEN;
            tile.b = whole->b + (packed ? n0 * tile.depth : n0), tile.b_row = packed ? width * GFI_VLEN : whole->b_row;
            tile.c = whole->c + m0 * tile.c_row + n0;
            tile.start = whole->start ? whole->start + m0 * tile.start_row + n0 : NULL;
            GFI_FN(gfi_tile_any)(rows, width, &tile);
        }
    }
}

// Writes a square of GFI_VLEN rows, or the rows × columns of it that there are, transposed: column i becomes the vector
// at dst + i*width, its first `lanes`, zero where rows are missing. Each round interleaves rows i and i + GFI_VLEN/2.
// Number the square's elements row by row, in binary the bits of the row and then those of the column: a round rotates
// these bits left by one, so that log2(GFI_VLEN) rounds have exchanged row and column.
GFI_INLINE void GFI_FN(gfi_transpose)(const gf_real *src, ptrdiff_t stride, int rows, int columns, gf_real *dst,
                                      ptrdiff_t width, int lanes) {
    gfi_v x[GFI_VLEN], y[GFI_VLEN];
    GFI_UNROLL
    for (int i = 0; i < GFI_VLEN; i++)
        x[i] = i < rows ? GFI_FN(gfi_load_n)(src + i * stride, columns) : GFI_SET1(0);
    GFI_UNROLL
    for (int round = 1; round < GFI_VLEN; round *= 2) {
        GFI_UNROLL
        for (int i = 0; i < GFI_VLEN / 2; i++) {
            y[2 * i] = GFI_ZIP_LO(x[i], x[i + GFI_VLEN / 2]);
            y[2 * i + 1] = GFI_ZIP_HI(x[i], x[i + GFI_VLEN / 2]);
        }
        GFI_UNROLL
        for (int i = 0; i < GFI_VLEN; i++) x[i] = y[i];
    }
    GFI_UNROLL
    for (int i = 0; i < GFI_VLEN; i++) {
        if (i < columns) GFI_FN(gfi_store_n)(dst + i * width, x[i], lanes);
    }
}

// dst[c·dst_row + r] = src[r·src_row + c]: a matrix turned over, square by square; `whole` vectors are written, or no
// more than there are rows.
GFI_TARGET static void GFI_FN(gfi_flip)(const gf_real *src, ptrdiff_t src_row, int rows, int columns, gf_real *dst,
                                        ptrdiff_t dst_row, int whole) {
    for (int r = 0; r < rows; r += GFI_VLEN)
        for (int c = 0; c < columns; c += GFI_VLEN)
            GFI_FN(gfi_transpose)(src + r * src_row + c, src_row, rows - r, columns - c, dst + c * dst_row + r, dst_row,
                                  whole ? GFI_VLEN : rows - r);
}

// Packs B's rows 0 … depth-1, columns 0 … n-1 into panel[depth][width], whole vectors, zeros beyond n.
GFI_TARGET static void GFI_FN(gfi_pack)(const gf_real *b, ptrdiff_t b_row, ptrdiff_t b_col, int depth, int n, int width,
                                        gf_real *panel) {
    if (b_row == 1) {
        GFI_FN(gfi_flip)(b, b_col, n < width ? n : width, depth, panel, width, 1);
    } else if (b_col == 1) {
        for (int k = 0; k < depth; k++)
            for (int j = 0; j < width; j += GFI_VLEN)
                GFI_STORE(panel + k * width + j, GFI_FN(gfi_load_n)(b + k * b_row + j, n - j));
    } else {
        for (int k = 0; k < depth; k++)
            for (int j = 0; j < width; j++) panel[k * width + j] = j < n ? b[k * b_row + j * b_col] : 0;
    }
}

// Rows m0 up to m1 of C in the columns n … n + columns - 1, for the terms k … k + depth - 1: one block of B, panels as
// wide as a tile, with every tile of A.
GFI_TARGET static void GFI_FN(gfi_matmul_block)(const gfi_matmul *job, int m0, int m1, int n, int columns, int k,
                                                int depth, gf_real *block) {
    const int vecs = gfi_ceil_div(columns, GFI_VLEN), panels = gfi_ceil_div(vecs, GFI_TILE_VECS);
    const int pack = job->b_col != 1 || columns % GFI_VLEN != 0 || m1 - m0 > GFI_UNPACKED_ROWS;
    const gf_real *b = job->b + k * job->b_row + n * job->b_col;
    gfi_tile tile;
    const ptrdiff_t nowhere = 0;
    tile.taps = 1, tile.a_tap = tile.b_tap = &nowhere;
    tile.depth = depth, tile.a_row = job->a_row, tile.a_col = job->a_col, tile.c_row = job->c_row;
    for (int p = 0, v0 = 0, width; pack && p < panels; p++, v0 += width) {
        const int j = v0 * GFI_VLEN;
        width = gfi_panel_vecs(vecs - v0, panels - p);
        GFI_FN(gfi_pack)(b + j * job->b_col, job->b_row, job->b_col, depth, columns - j, width * GFI_VLEN,
                         block + j * depth);
    }
    tile.a = job->a + m0 * job->a_row + k * job->a_col;
    tile.b = pack ? block : b, tile.b_row = job->b_row;
    tile.c = job->c + m0 * job->c_row + n;
    if (job->accumulate || k > 0) tile.start = tile.c, tile.start_row = tile.c_row;
    else tile.start = job->bias ? job->bias + n : NULL, tile.start_row = 0;
    GFI_FN(gfi_tile_grid)(&tile, m1 - m0, columns, pack);
}

GFI_TARGET static void GFI_FN(gfi_matmul_part)(const gfi_matmul *job, int m0, int m1, int n0, int n1, gf_real *block) {
    const int vecs = gfi_ceil_div(n1 - n0, GFI_VLEN), blocks = gfi_ceil_div(vecs, GFI_BLOCK_BYTES / GFI_VBYTES);
    const int depths = job->k > 0 ? gfi_ceil_div(job->k, GFI_BLOCK_K) : 1;
    for (int m = m0; job->accumulate && job->bias && m < m1; m++)
        for (int n = n0; n < n1; n++) job->c[m * job->c_row + n] += job->bias[n];
    for (int d = 0; d < depths; d++) {
        const int k = gfi_share(job->k, depths, d), depth = gfi_share(job->k, depths, d + 1) - k;
        for (int i = 0; i < blocks; i++) {
            const int n = n0 + gfi_share(vecs, blocks, i) * GFI_VLEN;
            const int end = n0 + gfi_share(vecs, blocks, i + 1) * GFI_VLEN;
            GFI_FN(gfi_matmul_block)(job, m0, m1, n, (end < n1 ? end : n1) - n, k, depth, block);
        }
    }
}

GFI_TARGET static void GFI_FN(gfi_matmul)(const gfi_matmul *job) {
    gfi_matmul_run(job, GFI_FN(gfi_matmul_part), GFI_VLEN);
}

// ---- Winograd's transforms, per pass ---------------------------------------------------------------
// The half-done square is unrolled into registers only where there are 32 of them: it takes long to compile.
#undef GFI_UNROLL_MORE
#if GFI_ISA == GFI_ISA_avx512 || GFI_ISA == GFI_ISA_neon
#define GFI_UNROLL_MORE GFI_UNROLL
#else
#define GFI_UNROLL_MORE
#endif

// even + odd and even - odd: what stands at the points p and -p.
GFI_INLINE void GFI_FN(gfi_wino_pair)(gfi_v even, gfi_v odd, gfi_v *y, const int step) {
    y[0] = even + odd, y[step] = even - odd;
}

// One row or column of a transform, from x[0], x[1], … to y[0], y[step], … With P(t) = Π(t - p) over the points but ∞,
// row p of Bᵀ has the coefficients of P(t)/(t - p)/P'(p), the last row those of P(t) = t(t² - a²)(t² - b²), ab = 1.
GFI_INLINE void GFI_FN(gfi_wino_line)(const int kind, const gfi_v *x, gfi_v *y, const int step) {
    const double p = 2.0 / 3, q = 3.0 / 2, p2 = p * p, q2 = q * q;
    const gfi_v a = GFI_SET1((gf_real)p), a2 = GFI_SET1((gf_real)p2), a3 = GFI_SET1((gf_real)(p * p2));
    const gfi_v b = GFI_SET1((gf_real)q), b2 = GFI_SET1((gf_real)q2), b3 = GFI_SET1((gf_real)(q * q2));
    if (kind == GFI_WINO_INPUT) {
        const gfi_v sum = GFI_SET1((gf_real)(p2 + q2));
        const double at_a = 1 / (2 * p2 * (p2 - q2)), at_b = 1 / (2 * q2 * (q2 - p2));  // 1/P'
        y[0] = GFI_FNMA(sum, x[2], x[0] + x[4]), y[5 * step] = GFI_FNMA(sum, x[3], x[1] + x[5]);
        GFI_FN(gfi_wino_pair)(GFI_FNMA(b2, x[2], x[4]) * GFI_SET1((gf_real)at_a),
                              GFI_FNMA(b2, x[1], x[3]) * GFI_SET1((gf_real)(at_a * p)), y + step, step);
        GFI_FN(gfi_wino_pair)(GFI_FNMA(a2, x[2], x[4]) * GFI_SET1((gf_real)at_b),
                              GFI_FNMA(a2, x[1], x[3]) * GFI_SET1((gf_real)(at_b * q)), y + 3 * step, step);
    } else if (kind == GFI_WINO_KERNEL || kind == GFI_WINO_OUTPUT_BACK) {  // values at the points
        gfi_v odd_a = a * x[1], odd_b = b * x[1];
        if (kind == GFI_WINO_OUTPUT_BACK) odd_a = GFI_FMA(a3, x[3], odd_a), odd_b = GFI_FMA(b3, x[3], odd_b);
        y[0] = x[0], y[5 * step] = kind == GFI_WINO_OUTPUT_BACK ? x[3] : x[2];
        GFI_FN(gfi_wino_pair)(GFI_FMA(a2, x[2], x[0]), odd_a, y + step, step);
        GFI_FN(gfi_wino_pair)(GFI_FMA(b2, x[2], x[0]), odd_b, y + 3 * step, step);
    } else {  // the transpose
        const gfi_v sum_a = x[1] + x[2], sum_b = x[3] + x[4], difference_a = x[1] - x[2], difference_b = x[3] - x[4];
        y[0] = x[0] + (sum_a + sum_b), y[step] = GFI_FMA(a, difference_a, b * difference_b);
        y[2 * step] = GFI_FMA(a2, sum_a, b2 * sum_b);
        if (kind == GFI_WINO_OUTPUT) y[3 * step] = GFI_FMA(a3, difference_a, GFI_FMA(b3, difference_b, x[5]));
        else y[2 * step] += x[5];
    }
}

// A square of ins × ins arrays of n numbers to one of outs × outs, every number's square on its own; outputs begin with
// one array more, the bias, unless NULL.
GFI_INLINE void GFI_FN(gfi_wino_each)(const int kind, const int ins, const int outs, gf_real *const *from,
                                      gf_real *const *to, size_t n) {
    const gf_real *bias = kind == GFI_WINO_OUTPUT ? from[GFI_WINO_PRODUCTS] : NULL;
    for (size_t e = 0; e < n; e += GFI_VLEN) {
        gfi_v x[GFI_WINO_IN], half[GFI_WINO_PRODUCTS], y[GFI_WINO_IN];
        const gfi_v start = bias ? GFI_LOAD(bias + e) : GFI_SET1(0);
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
            for (int j = 0; j < outs; j++) {
                if (kind == GFI_WINO_OUTPUT) y[j] += start;
                GFI_STORE(to[i * outs + j] + e, y[j]);
            }
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

// How many of the n - i numbers that are left fit one vector.
GFI_INLINE int GFI_FN(gfi_lanes)(size_t n, size_t i) {
    return n - i < (size_t)GFI_VLEN ? (int)(n - i) : GFI_VLEN;
}

// ---- what waits for memory ------------------------------------------------------------------------
// From here to the activations longer vectors than AVX2's bring next to nothing: AVX-512's table takes AVX2's
// functions, and there is less to compile.
#if GFI_ISA == GFI_ISA_avx512
#define GFI_REST(name) GFI_CAT(name, _avx2)
#else
#define GFI_REST(name) GFI_FN(name)

// ---- sums, per pass --------------------------------------------------------------------------------
// The sum of a wide vector's lanes, always in the order 0, 1, 2, …
GFI_INLINE double GFI_FN(gfi_sum_wide)(gfi_vd v) {
    double lanes[GFI_VDLEN], sum = 0;
    memcpy(lanes, &v, sizeof lanes);
    for (int i = 0; i < GFI_VDLEN; i++) sum += lanes[i];
    return sum;
}

// Sums accumulate in double lanes, converted before squaring: a gradient of 1e-21 has a square below the smallest
// float. Lanes and order are fixed, so the result depends on the instruction set alone.
// Four chains of squares, because an FMA takes four cycles to return. `all` is a constant wherever this is inlined.
GFI_INLINE void GFI_FN(gfi_sums_run)(const int all, const gf_real *x, size_t n, gfi_sums *out) {
    enum { CHAINS = 4, BLOCK = CHAINS * GFI_VDLEN };
    gfi_vd sum[CHAINS], sum_abs[CHAINS], squares[CHAINS];
    gfi_v top = GFI_SET1(0);
    size_t zeros = 0;
    gf_real lanes[BLOCK];
    GFI_UNROLL
    for (int j = 0; j < CHAINS; j++) sum[j] = sum_abs[j] = squares[j] = GFI_SET1_WIDE(0);
    for (size_t i = 0; i < n; i += BLOCK) {
        const gf_real *p = x + i;
        if (n - i < (size_t)BLOCK) {  // the last numbers: zeros beside them do no harm, but are not to be counted
            memset(lanes, 0, sizeof lanes);
            memcpy(lanes, p, (n - i) * sizeof *p);
            zeros -= (size_t)BLOCK - (n - i);
            p = lanes;
        }
        GFI_UNROLL
        for (int j = 0; j < CHAINS; j++) {
            const gfi_vd wide = GFI_LOAD_WIDE(p + j * GFI_VDLEN);
            squares[j] = GFI_FMA_WIDE(wide, wide, squares[j]);
            if (all) sum[j] += wide, sum_abs[j] += GFI_ABS_WIDE(wide);
        }
        if (!all) continue;
        GFI_UNROLL
        for (int j = 0; j < BLOCK; j += GFI_VLEN) {
            const gfi_v v = GFI_LOAD(p + j);
            top = GFI_MAX(GFI_ABS(v), top);
            zeros += (size_t)GFI_COUNT(GFI_EQ(v, GFI_SET1(0)));
        }
    }
    out->sum_squares = GFI_FN(gfi_sum_wide)((squares[0] + squares[1]) + (squares[2] + squares[3]));
    out->sum = GFI_FN(gfi_sum_wide)((sum[0] + sum[1]) + (sum[2] + sum[3]));
    out->sum_abs = GFI_FN(gfi_sum_wide)((sum_abs[0] + sum_abs[1]) + (sum_abs[2] + sum_abs[3]));
    out->zeros = zeros, out->non_finite = 0, out->max_abs = 0;
    GFI_STORE(lanes, top);
    for (int j = 0; j < GFI_VLEN; j++) out->max_abs = (double)lanes[j] > out->max_abs ? (double)lanes[j] : out->max_abs;
}

GFI_TARGET static double GFI_FN(gfi_sum_squares)(const gf_real *x, size_t n) {
    gfi_sums sums;
    GFI_FN(gfi_sums_run)(0, x, n, &sums);
    return sums.sum_squares;
}

// Everything a recorder wants to know about a tensor, in one pass; in a second one, the numbers that are not finite,
// where the sum of magnitudes says that there may be some.
GFI_TARGET static void GFI_FN(gfi_tensor_sums)(const gf_real *x, size_t n, gfi_sums *out) {
    GFI_FN(gfi_sums_run)(1, x, n, out);
    if (out->sum_abs <= DBL_MAX) return;
    for (size_t i = 0; i < n; i++) out->non_finite += !(fabs((double)x[i]) < INFINITY);
    if (out->non_finite) out->max_abs = out->sum_abs;  // the maximum skips NaN, the sum does not: NaN or infinity
}

// sums[j] (+)= sum over rows of x[row*stride + j]: the bias gradient of a dense layer.
GFI_TARGET static void GFI_FN(gfi_column_sums)(const gf_real *x, int rows, int columns, ptrdiff_t stride, gf_real *sums,
                                               int accumulate) {
    for (int j = 0; j < columns; j += GFI_VLEN) {
        gfi_v sum = accumulate ? GFI_FN(gfi_load_n)(sums + j, columns - j) : GFI_SET1(0);
        for (int i = 0; i < rows; i++) sum += GFI_FN(gfi_load_n)(x + i * stride + j, columns - j);
        GFI_FN(gfi_store_n)(sums + j, sum, columns - j);
    }
}

// y += a x
GFI_TARGET static void GFI_FN(gfi_axpy)(gf_real *y, double a, const gf_real *x, size_t n) {
    const gfi_v factor = GFI_SET1((gf_real)a);
    for (size_t i = 0; i < n; i += GFI_VLEN) {
        const int lanes = GFI_FN(gfi_lanes)(n, i);
        const gfi_v sum = GFI_FMA(factor, GFI_FN(gfi_load_n)(x + i, lanes), GFI_FN(gfi_load_n)(y + i, lanes));
        GFI_FN(gfi_store_n)(y + i, sum, lanes);
    }
}

// x *= a
GFI_TARGET static void GFI_FN(gfi_scale)(gf_real *x, double a, size_t n) {
    const gfi_v factor = GFI_SET1((gf_real)a);
    for (size_t i = 0; i < n; i += GFI_VLEN) {
        const int lanes = GFI_FN(gfi_lanes)(n, i);
        GFI_FN(gfi_store_n)(x + i, factor * GFI_FN(gfi_load_n)(x + i, lanes), lanes);
    }
}

// ---- norms, per pass -------------------------------------------------------------------------------
// Σ(x - shift) and Σ(x - shift)² of a channel, in double.
GFI_TARGET static void GFI_FN(gfi_channel_moments)(const gfi_channel *channel, double shift, double *sum,
                                                   double *squares) {
    const gfi_vd shifts = GFI_SET1_WIDE(shift);
    gfi_vd s0 = GFI_SET1_WIDE(0), s1 = s0, q0 = s0, q1 = s0;
    double s = 0, q = 0;
    for (size_t r = 0; r < channel->rows; r++) {
        const gf_real *x = channel->x + r * channel->step;
        size_t i = 0;
        for (; i + 2 * GFI_VDLEN <= channel->n; i += 2 * GFI_VDLEN) {
            const gfi_vd d0 = GFI_LOAD_WIDE(x + i) - shifts, d1 = GFI_LOAD_WIDE(x + i + GFI_VDLEN) - shifts;
            s0 += d0, s1 += d1, q0 = GFI_FMA_WIDE(d0, d0, q0), q1 = GFI_FMA_WIDE(d1, d1, q1);
        }
        for (; i < channel->n; i++) {
            const double d = (double)x[i] - shift;
            s += d, q += d * d;
        }
    }
    *sum = s + GFI_FN(gfi_sum_wide)(s0 + s1), *squares = q + GFI_FN(gfi_sum_wide)(q0 + q1);
}

// Σ dy and Σ dy·(x - mean) of a channel, in double.
GFI_TARGET static void GFI_FN(gfi_channel_products)(const gfi_channel *channel, double mean, double *sum,
                                                    double *products) {
    const gfi_vd means = GFI_SET1_WIDE(mean);
    gfi_vd s0 = GFI_SET1_WIDE(0), s1 = s0, p0 = s0, p1 = s0;
    double s = 0, p = 0;
    for (size_t r = 0; r < channel->rows; r++) {
        const gf_real *x = channel->x + r * channel->step, *dy = channel->dy + r * channel->step;
        size_t i = 0;
        for (; i + 2 * GFI_VDLEN <= channel->n; i += 2 * GFI_VDLEN) {
            const gfi_vd d0 = GFI_LOAD_WIDE(dy + i), d1 = GFI_LOAD_WIDE(dy + i + GFI_VDLEN);
            s0 += d0, s1 += d1;
            p0 = GFI_FMA_WIDE(d0, GFI_LOAD_WIDE(x + i) - means, p0),
            p1 = GFI_FMA_WIDE(d1, GFI_LOAD_WIDE(x + i + GFI_VDLEN) - means, p1);
        }
        for (; i < channel->n; i++) s += (double)dy[i], p += (double)dy[i] * ((double)x[i] - mean);
    }
    *sum = s + GFI_FN(gfi_sum_wide)(s0 + s1), *products = p + GFI_FN(gfi_sum_wide)(p0 + p1);
}

// y = (x - mean)·scale + shift; what does not fill a vector, all of a dense layer's, in double.
GFI_TARGET static void GFI_FN(gfi_channel_scale)(const gfi_channel *channel, double mean, double scale, double shift) {
    const gfi_v m = GFI_SET1((gf_real)mean), a = GFI_SET1((gf_real)scale), b = GFI_SET1((gf_real)shift);
    for (size_t r = 0; r < channel->rows; r++) {
        const gf_real *x = channel->x + r * channel->step;
        gf_real *y = channel->out + r * channel->step;
        size_t i = 0;
        for (; GFI_VLEN > 1 && i + GFI_VLEN <= channel->n; i += GFI_VLEN)
            GFI_STORE(y + i, GFI_FMA(GFI_LOAD(x + i) - m, a, b));
        for (; i < channel->n; i++) y[i] = (gf_real)(((double)x[i] - mean) * scale + shift);
    }
}

// dx = scale·(dy - mean_dy - (x - mean)·slope), in double: dx sums to zero over the channel, so that a bias before a
// batch norm has no gradient; Adam, which divides by a gradient's own size, would make steps of its rounding errors.
GFI_TARGET static void GFI_FN(gfi_channel_back)(const gfi_channel *channel, double mean, double scale, double mean_dy,
                                                double slope) {
    const gfi_vd factor = GFI_SET1_WIDE(-scale * slope), scales = GFI_SET1_WIDE(scale);
    const double constant = scale * (slope * mean - mean_dy);
    const gfi_vd constants = GFI_SET1_WIDE(constant);
    for (size_t r = 0; r < channel->rows; r++) {
        const gf_real *x = channel->x + r * channel->step, *dy = channel->dy + r * channel->step;
        gf_real *dx = channel->out + r * channel->step;
        size_t i = 0;
        for (; i + GFI_VDLEN <= channel->n; i += GFI_VDLEN) {
            const gfi_vd line = GFI_FMA_WIDE(factor, GFI_LOAD_WIDE(x + i), constants);
            GFI_STORE_NARROW(dx + i, GFI_FMA_WIDE(scales, GFI_LOAD_WIDE(dy + i), line));
        }
        for (; i < channel->n; i++)
            dx[i] = (gf_real)(scale * (double)dy[i] + (constant - scale * slope * (double)x[i]));
    }
}

// ---- 2×2 max pool with stride 2, per pass: two rows come in, every second column is split off -------
// y[h/2, w/2] of one plane x[h, w], and in `which` the place 0 … 3 of the maximum in its window.
GFI_TARGET static void GFI_FN(gfi_max_pool2)(const gf_real *x, int height, int width, gf_real *y, gf_real *which) {
    const int OH = height / 2, OW = width / 2;
    for (int r = 0; r < OH; r++, y += OW, which += OW)
        for (int i = 0; i < OW; i += GFI_VLEN) {
            const int lanes = OW - i, wide = 2 * lanes;
            const gf_real *top = x + 2 * r * width + 2 * i, *bottom = top + width;
            gfi_v v[4], best, place = GFI_SET1(0);
            const gfi_v t0 = GFI_FN(gfi_load_n)(top, wide), b0 = GFI_FN(gfi_load_n)(bottom, wide);
            gfi_v t1 = t0, b1 = b0;
            if (wide > GFI_VLEN) {
                t1 = GFI_FN(gfi_load_n)(top + GFI_VLEN, wide - GFI_VLEN);
                b1 = GFI_FN(gfi_load_n)(bottom + GFI_VLEN, wide - GFI_VLEN);
            }
            v[0] = GFI_UNZIP_EVEN(t0, t1), v[1] = GFI_UNZIP_ODD(t0, t1), v[2] = GFI_UNZIP_EVEN(b0, b1),
            v[3] = GFI_UNZIP_ODD(b0, b1);
            best = v[0];
            GFI_UNROLL
            for (int k = 1; k < 4; k++) {  // the first of equals; a NaN takes over and stays
                const gfi_vm larger = GFI_OR(GFI_GT(v[k], best), GFI_NE(v[k], v[k]));
                best = GFI_SELECT(larger, v[k], best), place = GFI_SELECT(larger, GFI_SET1((gf_real)k), place);
            }
            GFI_FN(gfi_store_n)(y + i, best, lanes);
            GFI_FN(gfi_store_n)(which + i, place, lanes);
        }
}

// dx[h, w] of one plane: dy where the maximum was, 0 elsewhere.
GFI_TARGET static void GFI_FN(gfi_max_pool2_back)(const gf_real *dy, const gf_real *which, int height, int width,
                                                  gf_real *dx) {
    const int OH = height / 2, OW = width / 2;
    for (int r = 0; r < OH; r++, dy += OW, which += OW) {
        gf_real *top = dx + 2 * r * width, *bottom = top + width;
        for (int i = 0; i < OW; i += GFI_VLEN) {
            const int wide = 2 * (OW - i);
            const gfi_v d = GFI_FN(gfi_load_n)(dy + i, OW - i), place = GFI_FN(gfi_load_n)(which + i, OW - i);
            gfi_v v[4];
            GFI_UNROLL
            for (int k = 0; k < 4; k++) v[k] = GFI_SELECT(GFI_EQ(place, GFI_SET1((gf_real)k)), d, GFI_SET1(0));
            GFI_FN(gfi_store_n)(top + 2 * i, GFI_ZIP_LO(v[0], v[1]), wide);
            GFI_FN(gfi_store_n)(bottom + 2 * i, GFI_ZIP_LO(v[2], v[3]), wide);
            if (wide <= GFI_VLEN) continue;
            GFI_FN(gfi_store_n)(top + 2 * i + GFI_VLEN, GFI_ZIP_HI(v[0], v[1]), wide - GFI_VLEN);
            GFI_FN(gfi_store_n)(bottom + 2 * i + GFI_VLEN, GFI_ZIP_HI(v[2], v[3]), wide - GFI_VLEN);
        }
        if (width % 2) top[width - 1] = bottom[width - 1] = 0;
    }
    if (height % 2) memset(dx + 2 * OH * width, 0, (size_t)width * sizeof *dx);
}

// ---- optimiser updates, per pass -------------------------------------------------------------------
// The constants of a step, alike in every lane.
typedef struct GFI_FN(gfi_factors) {
    gfi_v keep, decay, momentum, fresh1, beta2, fresh2, root, eps, lr;
} GFI_FN(gfi_factors);

// √v. Vanished gradients make v subnormal, and the root of a subnormal number takes several times as long as any other;
// two powers of two, exact both ways, go round that.
GFI_INLINE gfi_v GFI_FN(gfi_root)(gfi_v v) {
    const gfi_vm small = GFI_LT(v, GFI_SET1(1));
    const gfi_v up = GFI_SELECT(small, GFI_SET1(18446744073709551616.0f), GFI_SET1(1));    // 2^64
    const gfi_v down = GFI_SELECT(small, GFI_SET1(2.3283064365386962890625e-10f), GFI_SET1(1));  // 2^-32
    return GFI_SQRT(GFI_FMA(v, up, GFI_SET1(0))) * down;
}

// The formulas of gfi_update for one vector of parameters: new moments into *m and *v, returns the new w. kind is a
// constant wherever this is inlined, so no test of it is left in the loop. What may become subnormal (m, v) is
// multiplied by an FMA and never divided: multiplications and divisions would wait for it, FMAs do not.
GFI_INLINE gfi_v GFI_FN(gfi_update_lanes)(const int kind, int nesterov, const GFI_FN(gfi_factors) * f, gfi_v w, gfi_v g,
                                          gfi_v *m, gfi_v *v) {
    const gfi_v zero = GFI_SET1(0);
    g = GFI_FMA(f->decay, w, g);
    w = w * f->keep;
    if (kind != GFI_UPDATE_SGD) *v = GFI_FMA(GFI_FMA(f->fresh2, g, zero), g, GFI_FMA(f->beta2, *v, zero));
    if (kind == GFI_UPDATE_RMSPROP) g = GFI_FMA(g, GFI_SET1(1) / (GFI_FN(gfi_root)(*v) + f->eps), zero);
    *m = GFI_FMA(f->momentum, *m, kind == GFI_UPDATE_ADAM ? GFI_FMA(f->fresh1, g, zero) : g);
    if (kind == GFI_UPDATE_ADAM) return GFI_FNMA(f->lr / GFI_FMA(GFI_FN(gfi_root)(*v), f->root, f->eps), *m, w);
    return GFI_FNMA(f->lr, nesterov ? GFI_FMA(f->momentum, *m, g) : *m, w);
}

GFI_INLINE void GFI_FN(gfi_update_kind)(const int kind, const gfi_update *u, const GFI_FN(gfi_factors) * f, gf_real *w,
                                        const gf_real *g, gf_real *m, gf_real *v, size_t n, gfi_change *change) {
    gfi_vd sum = GFI_SET1_WIDE(0), squares = sum;
    for (size_t i = 0; i < n; i += GFI_VLEN) {
        const int lanes = GFI_FN(gfi_lanes)(n, i);
        const gfi_v old = GFI_FN(gfi_load_n)(w + i, lanes);
        gfi_v m1 = m ? GFI_FN(gfi_load_n)(m + i, lanes) : GFI_SET1(0);
        gfi_v v1 = v ? GFI_FN(gfi_load_n)(v + i, lanes) : GFI_SET1(0);
        const gfi_v now =
            GFI_FN(gfi_update_lanes)(kind, u->nesterov, f, old, GFI_FN(gfi_load_n)(g + i, lanes), &m1, &v1);
        GFI_FN(gfi_store_n)(w + i, now, lanes);
        if (m) GFI_FN(gfi_store_n)(m + i, m1, lanes);
        if (v) GFI_FN(gfi_store_n)(v + i, v1, lanes);
        if (change) {  // what w really did, after rounding: zero where the step is below w's last place
            gf_real moved[GFI_VLEN] = {0};
            GFI_FN(gfi_store_n)(moved, now - old, lanes);
            for (int j = 0; j < GFI_VLEN; j += GFI_VDLEN) {
                const gfi_vd wide = GFI_LOAD_WIDE(moved + j);
                sum += wide, squares = GFI_FMA_WIDE(wide, wide, squares);
            }
        }
    }
    if (change) change->sum = GFI_FN(gfi_sum_wide)(sum), change->sum_squares = GFI_FN(gfi_sum_wide)(squares);
}

// One step for n parameters w with gradients g. m and v are the moments, zero before the first step; v may be NULL for
// SGD, m for SGD and RMSprop without momentum, change where nobody asks.
GFI_TARGET static void GFI_FN(gfi_update_step)(const gfi_update *u, gf_real *w, const gf_real *g, gf_real *m,
                                          gf_real *v, size_t n, gfi_change *change) {
    const int adam = u->kind == GFI_UPDATE_ADAM;
    const double bias1 = adam ? 1 - pow(u->momentum, u->step) : 1, bias2 = adam ? 1 - pow(u->beta2, u->step) : 1;
    GFI_FN(gfi_factors) f;
    f.keep = GFI_SET1((gf_real)(u->decoupled ? 1 - u->lr * u->weight_decay : 1));
    f.decay = GFI_SET1((gf_real)(u->decoupled ? 0 : u->weight_decay));
    f.momentum = GFI_SET1((gf_real)u->momentum), f.fresh1 = GFI_SET1((gf_real)(1 - u->momentum));
    f.beta2 = GFI_SET1((gf_real)u->beta2), f.fresh2 = GFI_SET1((gf_real)(1 - u->beta2));
    f.root = GFI_SET1((gf_real)(1 / sqrt(bias2))), f.eps = GFI_SET1((gf_real)u->eps);
    f.lr = GFI_SET1((gf_real)(u->lr / bias1));
    if (adam) {
        GFI_FN(gfi_update_kind)(GFI_UPDATE_ADAM, u, &f, w, g, m, v, n, change);
    } else if (u->kind == GFI_UPDATE_RMSPROP) {
        GFI_FN(gfi_update_kind)(GFI_UPDATE_RMSPROP, u, &f, w, g, m, v, n, change);
    } else {
        GFI_FN(gfi_update_kind)(GFI_UPDATE_SGD, u, &f, w, g, m, v, n, change);
    }
}

#endif  // GFI_ISA != GFI_ISA_avx512

// ---- activations, per pass -------------------------------------------------------------------------
// Elementary functions in a handful of multiply-adds, on whatever a gfi_v is. Each φ below returns h and sets *slope to
// φ'(z); when the caller ignores one of them the compiler drops its work. NaN in gives NaN out: comparisons with NaN
// are false, and every GFI_SELECT, GFI_MAX and GFI_MIN below keeps z in that case.

GFI_INLINE gfi_v GFI_FN(gfi_poly)(gfi_v x, const gf_real *c, int count) {  // Horner
    gfi_v y = GFI_C(c[count - 1]);
    int i;
    GFI_UNROLL
    for (i = count - 2; i >= 0; i--) y = GFI_FMA(y, x, GFI_C(c[i]));
    return y;
}

GFI_INLINE gfi_v GFI_FN(gfi_abs)(gfi_v x) {
    return GFI_AS_REAL(GFI_AS_INT(x) & ~GFI_AS_INT(GFI_C(-0.0)));
}

GFI_INLINE gfi_v GFI_FN(gfi_copysign)(gfi_v magnitude, gfi_v sign) {  // magnitude ≥ 0 or NaN
    return GFI_AS_REAL(GFI_AS_INT(magnitude) | (GFI_AS_INT(sign) & GFI_AS_INT(GFI_C(-0.0))));
}

// 2^n as the product of two powers, so that what lies below the smallest normal number rounds once, as it should.
GFI_INLINE gfi_v GFI_FN(gfi_power)(gfi_v shifted) {
#if GFI_ISA == GFI_ISA_avx512  // has an instruction for it
    return GFI_OP(maskz_scalef)(GFI_ALL, GFI_C(1), shifted - GFI_C(GFI_EXP_ROUND));
#else
    gfi_vi mask = GFI_SET1I(GFI_EXP_MASK), half = (GFI_AS_INT(shifted) >> 1) & mask;
    gfi_vi rest = (GFI_AS_INT(shifted) - half) & mask;
    return GFI_AS_REAL(half << GFI_MANTISSA) * GFI_AS_REAL(rest << GFI_MANTISSA);
#endif
}

// e^(x + tail) = power·(1 + p) for x ≤ 88 (double: 709) and |tail| ≪ 1; returns p. Put together it is good to an ulp.
//     x = n·ln2 + r, |r| ≤ ln2/2      power = 2^n      p = e^r - 1 = r + r²·P(r)
GFI_INLINE gfi_v GFI_FN(gfi_exp_parts)(gfi_v x, gfi_v tail, gfi_v *power) {
    gfi_v clamped = GFI_MAX(GFI_C(GFI_EXP_LOW), x);
    gfi_v shifted = GFI_FMA(clamped, GFI_C(1.44269504088896340736), GFI_C(GFI_EXP_ROUND));
    gfi_v n = shifted - GFI_C(GFI_EXP_ROUND);
    gfi_v r = GFI_FNMA(n, GFI_C(GFI_LN2_LOW), GFI_FNMA(n, GFI_C(GFI_LN2_HIGH), clamped)) + tail;
    *power = GFI_FN(gfi_power)(shifted);
    return GFI_FMA(r * r, GFI_POLY(r, gfi_exp_poly), r);
}

// Without a tail: -0, since compilers drop x + (-0) = x, but keep x + 0, which turns -0 into 0.
GFI_INLINE gfi_v GFI_FN(gfi_exp)(gfi_v x) {
    gfi_v power, p = GFI_FN(gfi_exp_parts)(x, GFI_C(-0.0), &power);
    return GFI_FMA(power, p, power);
}

// e^x - 1, without cancellation near 0: (2^n - 1) + 2^n·p. And e^x.
GFI_INLINE gfi_v GFI_FN(gfi_expm1)(gfi_v x, gfi_v *exp) {
    gfi_v power, p = GFI_FN(gfi_exp_parts)(x, GFI_C(-0.0), &power);
    *exp = GFI_FMA(power, p, power);
    return GFI_FMA(power, p, power - GFI_C(1));
}

// value where z is a number, NaN where z is NaN: for derivatives that are constants piece by piece.
GFI_INLINE gfi_v GFI_FN(gfi_keep_nan)(gfi_v z, gfi_v value) { return GFI_SELECT(GFI_NE(z, z), z, value); }

// σ(z) from e = e^-|z|, which never overflows: 1/(1+e) right of 0, e/(1+e) left of it.   σ' = e/(1+e)²
GFI_INLINE gfi_v GFI_FN(gfi_sigmoid)(gfi_v z, gfi_v *slope) {
    gfi_v e = GFI_FN(gfi_exp)(-GFI_FN(gfi_abs)(z));
    gfi_v sum = GFI_C(1) + e;
    *slope = e / (sum * sum);
    return GFI_SELECT(GFI_LT(z, GFI_C(0)), e, GFI_C(1)) / sum;
}

GFI_INLINE gfi_v GFI_FN(gfi_act_identity)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    (void)args;
    *slope = GFI_FN(gfi_keep_nan)(z, GFI_C(1));
    return z;
}

GFI_INLINE gfi_v GFI_FN(gfi_act_sigmoid)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    (void)args;
    return GFI_FN(gfi_sigmoid)(z, slope);
}

// tanh|z| = (1-e)/(1+e), e = e^(-2|z|), with 1-e accurate near 0;   1 - tanh² = 4e/(1+e)², accurate far out.
GFI_INLINE gfi_v GFI_FN(gfi_tanh)(gfi_v z, gfi_v *slope) {
    gfi_v e, m = GFI_FN(gfi_expm1)(GFI_C(-2) * GFI_FN(gfi_abs)(z), &e);
    gfi_v sum = GFI_C(1) + e;
    *slope = GFI_C(4) * e / (sum * sum);
    return GFI_FN(gfi_copysign)(GFI_FN(gfi_abs)(m / sum), z);
}

GFI_INLINE gfi_v GFI_FN(gfi_act_tanh)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    (void)args;
    return GFI_FN(gfi_tanh)(z, slope);
}

GFI_INLINE gfi_v GFI_FN(gfi_act_relu)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v zero = GFI_C(0);
    (void)args;
    *slope = GFI_FN(gfi_keep_nan)(z, GFI_SELECT(GFI_GT(z, zero), GFI_C(1), zero));
    return GFI_MAX(zero, z);
}

GFI_INLINE gfi_v GFI_FN(gfi_act_leaky)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {  // prelu too
    gfi_vm positive = GFI_GT(z, GFI_C(0));
    gfi_v factor = GFI_SELECT(positive, GFI_C(1), GFI_C(args->param));
    *slope = GFI_FN(gfi_keep_nan)(z, factor);
    return z * factor;
}

GFI_INLINE gfi_v GFI_FN(gfi_act_exponential)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {  // elu, selu, celu
    gfi_vm positive = GFI_GT(z, GFI_C(0));
    gfi_v amplitude = GFI_C(args->amplitude), rate = GFI_C(args->rate), scale = GFI_C(args->scale);
    gfi_v e, m = GFI_FN(gfi_expm1)(GFI_MIN(GFI_C(0), z) * rate, &e);
    *slope = GFI_SELECT(positive, scale, amplitude * rate * e);
    return GFI_SELECT(positive, scale * z, amplitude * m);
}

// ln(1 + e^z) = max(z, 0) + ln(1 + e), e = e^-|z|;   ln(1 + e) = 2·atanh(s), s = e/(2 + e) ≤ 1/3;   beyond 20: z.
GFI_INLINE gfi_v GFI_FN(gfi_act_softplus)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v e = GFI_FN(gfi_exp)(-GFI_FN(gfi_abs)(z)), s = e / (GFI_C(2) + e), w = s * s;
    gfi_v log1p = GFI_FMA(s * w, GFI_POLY(w, gfi_log1p_poly), s + s);
    gfi_v large = GFI_C(1) / (GFI_C(1) + e);
    gfi_vm linear = GFI_GT(z, GFI_C(20));
    (void)args;
    *slope = GFI_SELECT(linear, GFI_C(1), GFI_SELECT(GFI_LT(z, GFI_C(0)), e * large, large));
    return GFI_SELECT(linear, z, GFI_MAX(GFI_C(0), z) + log1p);
}

GFI_INLINE gfi_v GFI_FN(gfi_act_softsign)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v a = GFI_MIN(GFI_C(1267650600228229401496703205376.0), GFI_FN(gfi_abs)(z));  // at most 2^100: avoids ∞/∞
    gfi_v inverse = GFI_C(1) / (GFI_C(1) + a);
    (void)args;
    *slope = inverse * inverse;
    return GFI_FN(gfi_copysign)(a * inverse, z);
}

// atan a = π/2 - atan(1/a) beyond 1, so that one polynomial on [0, 1] serves.
GFI_INLINE gfi_v GFI_FN(gfi_act_arctan)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v a = GFI_FN(gfi_abs)(z), one = GFI_C(1);
    gfi_vm beyond = GFI_GT(a, one);
    gfi_v t = GFI_SELECT(beyond, one, a) / GFI_SELECT(beyond, a, one), w = t * t;
    gfi_v angle = GFI_FMA(t * w, GFI_POLY(w, gfi_atan_poly), t);
    (void)args;
    *slope = one / GFI_FMA(z, z, one);
    return GFI_FN(gfi_copysign)(GFI_SELECT(beyond, GFI_C(1.57079632679489661923) - angle, angle), z);
}

// Q(a) = 1 - Φ(a) = e^(-a²/2)·G(a): the normal distribution's tail, G smooth. Its density shares the exponential. a² is
// needed to more than one word (an error ε in a²/2 is a relative error ε in e^…): a² = high² + (a - high)(a + high).
GFI_INLINE gfi_v GFI_FN(gfi_act_gelu)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v above = GFI_MAX(GFI_C(-40), z), near = GFI_MIN(GFI_C(40), above);  // 0 or z beyond: avoids 0·∞
    gfi_v a = GFI_FN(gfi_abs)(near), high = GFI_AS_REAL(GFI_AS_INT(a) & GFI_SET1I(GFI_UPPER_HALF)), power;
    gfi_v p = GFI_FN(gfi_exp_parts)(GFI_C(-0.5) * high * high, GFI_C(-0.5) * (a - high) * (a + high), &power);
    gfi_v top = GFI_POLY(a, gfi_tail_top), q = power * (GFI_FMA(top, p, top) / GFI_POLY(a, gfi_tail_bottom));
    gfi_v cdf = GFI_SELECT(GFI_LT(z, GFI_C(0)), q, GFI_C(1) - q);
    (void)args;
    *slope = GFI_FMA(near * GFI_FMA(power, p, power), GFI_C(0.39894228040143267794), cdf);
    return above * cdf;
}

// ½z(1 + tanh u) = z·σ(2u), 2u = c·(z + k·z³)
GFI_INLINE gfi_v GFI_FN(gfi_act_gelu_tanh)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v above = GFI_MAX(GFI_C(-30), z), near = GFI_MIN(GFI_C(30), above), square = near * near;
    gfi_v c = GFI_C(1.5957691216057307118), k = GFI_C(0.044715);
    gfi_v ds, s = GFI_FN(gfi_sigmoid)(c * near * GFI_FMA(square, k, GFI_C(1)), &ds);
    (void)args;
    *slope = GFI_FMA(ds * near, c * GFI_FMA(square, k * GFI_C(3), GFI_C(1)), s);
    return above * s;
}

GFI_INLINE gfi_v GFI_FN(gfi_act_silu)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v u = z * GFI_C(args->param), low = GFI_C(GFI_EXP_LOW);
    gfi_v near = GFI_MIN(-low, GFI_MAX(low, u));
    gfi_v ds, s = GFI_FN(gfi_sigmoid)(near, &ds);
    *slope = GFI_FMA(near, ds, s);
    return GFI_SELECT(GFI_LT(u, low), GFI_C(0), z * s);
}

// tanh(ln(1 + E)) = n/(n + 2), n = E² + 2E, E = e^z; its derivative 4E(1+E)/(n+2)²; in e = e^-|z| on either side of 0.
GFI_INLINE gfi_v GFI_FN(gfi_act_mish)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v low = GFI_C(GFI_EXP_LOW), one = GFI_C(1), two = GFI_C(2);
    gfi_v above = GFI_MAX(low, z), near = GFI_MIN(-low, above);
    gfi_v e = GFI_FN(gfi_exp)(-GFI_FN(gfi_abs)(near));
    gfi_vm negative = GFI_LT(z, GFI_C(0));
    gfi_v n = GFI_SELECT(negative, GFI_FMA(e, e, two * e), GFI_FMA(two, e, one));
    gfi_v sum = n + GFI_SELECT(negative, two, two * e * e), t = n / sum;
    gfi_v dt = GFI_SELECT(negative, e, e * e) * GFI_FMA(GFI_C(4), e, GFI_C(4)) / (sum * sum);
    (void)args;
    *slope = GFI_FMA(near, dt, t);
    return above * t;
}

// z·tanh(e^z); beyond 10 it is z to the last bit, and e^z is not taken further.
GFI_INLINE gfi_v GFI_FN(gfi_act_telu)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v above = GFI_MAX(GFI_C(GFI_EXP_LOW), z), near = GFI_MIN(GFI_C(10), above);
    gfi_v e = GFI_FN(gfi_exp)(near), dt, t = GFI_FN(gfi_tanh)(e, &dt);
    (void)args;
    *slope = GFI_FMA(near * e, dt, t);
    return above * t;
}

GFI_INLINE gfi_v GFI_FN(gfi_act_clamp)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {  // relu6, hard_tanh
    gfi_v low = GFI_C(args->low), high = GFI_C(args->high);
    gfi_vm inside = GFI_AND(GFI_GT(z, low), GFI_LT(z, high));
    *slope = GFI_FN(gfi_keep_nan)(z, GFI_SELECT(inside, GFI_C(1), GFI_C(0)));
    return GFI_MIN(high, GFI_MAX(low, z));
}

GFI_INLINE gfi_v GFI_FN(gfi_act_hard_sigmoid)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v sixth = GFI_C(1.0 / 6), three = GFI_C(3);
    gfi_vm inside = GFI_AND(GFI_GT(z, -three), GFI_LT(z, three));
    (void)args;
    *slope = GFI_FN(gfi_keep_nan)(z, GFI_SELECT(inside, sixth, GFI_C(0)));
    return GFI_SELECT(GFI_GE(z, three), GFI_C(1), GFI_MAX(GFI_C(0), z + three) * sixth);
}

GFI_INLINE gfi_v GFI_FN(gfi_act_hard_swish)(gfi_v z, const gfi_act_args *args, gfi_v *slope) {
    gfi_v three = GFI_C(3);
    gfi_vm below = GFI_LT(z, -three), beyond = GFI_GE(z, three);
    gfi_v middle = GFI_FMA(z, GFI_C(1.0 / 3), GFI_C(0.5));
    (void)args;
    *slope = GFI_SELECT(beyond, GFI_C(1), GFI_SELECT(below, GFI_C(0), middle));
    return GFI_SELECT(beyond, z, GFI_SELECT(below, GFI_C(0), z * (z + three) * GFI_C(1.0 / 6)));
}

GFI_TARGET static void GFI_FN(gfi_act_custom_forward)(gf_act act, const gf_real *z, gf_real *h, gf_real *slope,
                                                      size_t n) {
    size_t i;
    for (i = 0; i < n; i++) {
        double x = (double)z[i];
        h[i] = (gf_real)gf_act_value(act, x);
        if (slope) slope[i] = (gf_real)gf_act_derivative(act, x);
    }
}

// One loop for both wishes: a slope that nobody wants is written to h and overwritten there, cheaper than compiling
// twice.
#define GFI_ACT_CASE(kind, phi)                                   \
    case kind:                                                    \
        for (i = 0; i < n; i += (size_t)GFI_VLEN) {               \
            gfi_v s, y = GFI_FN(phi)(GFI_LOAD(z + i), &args, &s); \
            GFI_STORE(slope + i, s);                              \
            GFI_STORE(h + i, y);                                  \
        }                                                         \
        break;

// gfi_act_forward for n / GFI_VLEN whole vectors; h may be z, slope may be h.
GFI_TARGET static void GFI_FN(gfi_act_vectors)(gf_act act, const gf_real *z, gf_real *h, gf_real *slope, size_t n) {
    gfi_act_args args = gfi_act_args_of(act);
    size_t i;
    switch (act.kind) {
        GFI_ACT_CASE(GF_ACT_IDENTITY, gfi_act_identity)
        GFI_ACT_CASE(GF_ACT_SIGMOID, gfi_act_sigmoid)
        GFI_ACT_CASE(GF_ACT_TANH, gfi_act_tanh)
        GFI_ACT_CASE(GF_ACT_RELU, gfi_act_relu)
    case GF_ACT_PRELU:
        GFI_ACT_CASE(GF_ACT_LEAKY_RELU, gfi_act_leaky)
    case GF_ACT_SELU:
    case GF_ACT_CELU:
        GFI_ACT_CASE(GF_ACT_ELU, gfi_act_exponential)
        GFI_ACT_CASE(GF_ACT_SOFTPLUS, gfi_act_softplus)
        GFI_ACT_CASE(GF_ACT_SOFTSIGN, gfi_act_softsign)
        GFI_ACT_CASE(GF_ACT_ARCTAN, gfi_act_arctan)
        GFI_ACT_CASE(GF_ACT_GELU, gfi_act_gelu)
        GFI_ACT_CASE(GF_ACT_GELU_TANH, gfi_act_gelu_tanh)
        GFI_ACT_CASE(GF_ACT_SILU, gfi_act_silu)
        GFI_ACT_CASE(GF_ACT_MISH, gfi_act_mish)
        GFI_ACT_CASE(GF_ACT_TELU, gfi_act_telu)
        GFI_ACT_CASE(GF_ACT_HARD_SIGMOID, gfi_act_hard_sigmoid)
        GFI_ACT_CASE(GF_ACT_HARD_SWISH, gfi_act_hard_swish)
    case GF_ACT_RELU6:
        GFI_ACT_CASE(GF_ACT_HARD_TANH, gfi_act_clamp)
    default: break;
    }
}
#undef GFI_ACT_CASE

// h[n] = φ(z), and slope[n] = φ'(z) unless NULL. h may be z. The last numbers, too few for a vector, get one beside
// zeros.
GFI_TARGET static void GFI_FN(gfi_act_forward)(gf_act act, const gf_real *z, gf_real *h, gf_real *slope, size_t n) {
    const size_t rest = n % GFI_VLEN, whole = n - rest;
    gf_real lanes[3][GFI_VLEN] = {{0}};
    if ((int)act.kind < 0 || act.kind >= GF_ACT_CUSTOM) {
        GFI_FN(gfi_act_custom_forward)(act, z, h, slope, n);
        return;
    }
    GFI_FN(gfi_act_vectors)(act, z, h, slope ? slope : h, whole);
    if (rest == 0) return;
    memcpy(lanes[0], z + whole, rest * sizeof *z);
    GFI_FN(gfi_act_vectors)(act, lanes[0], lanes[1], lanes[2], GFI_VLEN);
    memcpy(h + whole, lanes[1], rest * sizeof *h);
    if (slope) memcpy(slope + whole, lanes[2], rest * sizeof *slope);
}

// dz = dh·φ', the same loop for every activation that is not written out below.
GFI_TARGET static void GFI_FN(gfi_multiply)(const gf_real *a, const gf_real *b, gf_real *product, size_t n) {
    for (size_t i = 0; i < n; i += GFI_VLEN) {
        const int lanes = GFI_FN(gfi_lanes)(n, i);
        GFI_FN(gfi_store_n)(product + i, GFI_FN(gfi_load_n)(a + i, lanes) * GFI_FN(gfi_load_n)(b + i, lanes), lanes);
    }
}

#define GFI_ACT_CASE(kind, phi)                            \
    case kind:                                             \
        for (i = 0; i < n; i += (size_t)GFI_VLEN) {        \
            gfi_v s;                                       \
            (void)GFI_FN(phi)(GFI_LOAD(z + i), &args, &s); \
            GFI_STORE(dz + i, s * GFI_LOAD(dh + i));       \
        }                                                  \
        break;

// gfi_act_backward for n / GFI_VLEN whole vectors, without a slope.
GFI_TARGET static void GFI_FN(gfi_act_back_vectors)(gf_act act, const gf_real *z, const gf_real *dh, gf_real *dz,
                                                    size_t n) {
    gf_real h_chunk[GFI_ACT_CHUNK], slope_chunk[GFI_ACT_CHUNK];
    gfi_act_args args = gfi_act_args_of(act);
    size_t i;
    switch (act.kind) {
        GFI_ACT_CASE(GF_ACT_IDENTITY, gfi_act_identity)
        GFI_ACT_CASE(GF_ACT_RELU, gfi_act_relu)
    case GF_ACT_PRELU:
        GFI_ACT_CASE(GF_ACT_LEAKY_RELU, gfi_act_leaky)
    case GF_ACT_RELU6:
        GFI_ACT_CASE(GF_ACT_HARD_TANH, gfi_act_clamp)
        GFI_ACT_CASE(GF_ACT_HARD_SIGMOID, gfi_act_hard_sigmoid)
        GFI_ACT_CASE(GF_ACT_HARD_SWISH, gfi_act_hard_swish)
    default:
        for (i = 0; i < n; i += GFI_ACT_CHUNK) {
            size_t count = n - i < GFI_ACT_CHUNK ? n - i : GFI_ACT_CHUNK;
            GFI_FN(gfi_act_forward)(act, z + i, h_chunk, slope_chunk, count);
            GFI_FN(gfi_multiply)(slope_chunk, dh + i, dz + i, count);
        }
    }
}
#undef GFI_ACT_CASE

// dz[n] = dh·φ'(z). slope[n] is φ'(z) as forward left it, or NULL: it is then found from z. dz may be dh.
GFI_TARGET static void GFI_FN(gfi_act_backward)(gf_act act, const gf_real *z, const gf_real *slope, const gf_real *dh,
                                                gf_real *dz, size_t n) {
    const size_t rest = n % GFI_VLEN, whole = n - rest;
    gf_real lanes[2][GFI_VLEN] = {{0}};
    if (slope) {
        GFI_FN(gfi_multiply)(slope, dh, dz, n);
        return;
    }
    GFI_FN(gfi_act_back_vectors)(act, z, dh, dz, whole);
    if (rest == 0) return;
    memcpy(lanes[0], z + whole, rest * sizeof *z);
    memcpy(lanes[1], dh + whole, rest * sizeof *dh);
    GFI_FN(gfi_act_back_vectors)(act, lanes[0], lanes[1], lanes[1], GFI_VLEN);
    memcpy(dz + whole, lanes[1], rest * sizeof *dz);
}

// PReLU's own gradient: Σ dh·z over z ≤ 0 (∂L/∂slope). Vector sums of 64 terms a lane, then double.
GFI_TARGET static double GFI_FN(gfi_prelu_grad)(const gf_real *z, const gf_real *dh, size_t n) {
    double sum = 0;
    size_t i, block, lane;
    for (block = 0; block < n; block += 64 * (size_t)GFI_VLEN) {
        size_t end = n - block < 64 * (size_t)GFI_VLEN ? n : block + 64 * (size_t)GFI_VLEN;
        gfi_v zero = GFI_C(0), partial = zero;
        gf_real lanes[GFI_VLEN];
        for (i = block; i < end; i += (size_t)GFI_VLEN) {
            const int left = GFI_FN(gfi_lanes)(end, i);
            gfi_v x = GFI_FN(gfi_load_n)(z + i, left);
            partial += GFI_SELECT(GFI_GT(x, zero), zero, x) * GFI_FN(gfi_load_n)(dh + i, left);
        }
        GFI_STORE(lanes, partial);
        for (lane = 0; lane < (size_t)GFI_VLEN; lane++) sum += (double)lanes[lane];
    }
    return sum;
}

// Cross entropy on logits x[B,K], a row a sample: p = softmax(x), loss_b = -ln p_label, dlogits = (p - onehot)·scale.
// The row's maximum is subtracted first, so no exponential exceeds 1. loss[B], dlogits[B,K] may be NULL; without labels
// dlogits becomes p·scale. dlogits may be x.
GFI_TARGET static void GFI_FN(gfi_softmax_rows)(const gf_real *x, const int *labels, gf_real scale, double *loss,
                                                gf_real *dlogits, size_t rows, size_t classes) {
    size_t b, i;
    for (b = 0; b < rows; b++) {
        const gf_real *row = x + b * classes;
        gf_real *gradient = dlogits ? dlogits + b * classes : NULL, lanes[GFI_VLEN], largest = row[0];
        double target = labels ? (double)row[labels[b]] : 0, sum = 0;
        for (i = 1; i < classes; i++) largest = row[i] > largest ? row[i] : largest;  // a NaN comes through the sum
        for (i = 0; i < classes; i += (size_t)GFI_VLEN) {
            const int left = GFI_FN(gfi_lanes)(classes, i);
            gfi_v e = GFI_FN(gfi_exp)(GFI_FN(gfi_load_n)(row + i, left) - GFI_C(largest));
            GFI_STORE(lanes, e);
            for (int lane = 0; lane < left; lane++) sum += (double)lanes[lane];
            if (gradient) GFI_FN(gfi_store_n)(gradient + i, e, left);
        }
        if (loss) loss[b] = sum <= (double)classes ? gfi_log(sum) + ((double)largest - target) : NAN;
        if (!gradient) continue;
        for (i = 0; i < classes; i++) gradient[i] *= (gf_real)((double)scale / sum);
        if (labels) gradient[labels[b]] -= scale;
    }
}

static const gfi_kernels GFI_FN(gfi_table) = {GFI_TEXT(GFI_PASS),
                                              GFI_FN(gfi_matmul),
                                              GFI_FN(gfi_act_forward),
                                              GFI_FN(gfi_act_backward),
                                              GFI_FN(gfi_softmax_rows),
                                              GFI_REST(gfi_column_sums),
                                              GFI_REST(gfi_axpy),
                                              GFI_REST(gfi_scale),
                                              GFI_FN(gfi_prelu_grad),
                                              GFI_REST(gfi_sum_squares),
                                              GFI_REST(gfi_tensor_sums),
                                              GFI_REST(gfi_update_step),
                                              gfi_convolve,
                                              gfi_convolve_back,
                                              GFI_REST(gfi_channel_moments),
                                              GFI_REST(gfi_channel_products),
                                              GFI_REST(gfi_channel_scale),
                                              GFI_REST(gfi_channel_back),
                                              GFI_REST(gfi_max_pool2),
                                              GFI_REST(gfi_max_pool2_back),
                                              GFI_FN(gfi_tile_grid),
                                              GFI_FN(gfi_flip),
                                              GFI_FN(gfi_wino)};
#undef GFI_REST

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif  // GFI_PASS

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
