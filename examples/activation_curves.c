// activation_curves.c: what do activation functions and their derivatives look like, and what follows from that?
//
//     cc -O2 examples/activation_curves.c -o activation_curves -lm
//     ./activation_curves                                    (charts and properties.csv into results/activation_curves)
//     ./activation_curves --activations tanh,telu,leaky_relu_0.2
//
// Going back through a layer, the gradient is multiplied by φ'(z): δ = ∂L/∂h · φ'(z). So the height of the dashed curve
// is what a gradient keeps of itself at each layer. Over L layers that is a product of L such numbers.
//
// WHAT TO SEE
// - sigmoid' is at most 1/4: ten layers keep at best 4^-10, a millionth. tanh' reaches 1, but at z = 0 alone.
// - relu' is 1 or 0: half of the paths lose nothing, the other half everything. leaky_relu leaves them a hundredth.
// - arctan and softsign saturate like tanh, but slowly: φ' falls like 1/z², not like e^-2z.
// - gelu, silu (swish), mish and telu are smooth relus that are not monotone; their slopes exceed 1 in places.
// - The table's gain is what a weight matrix must have for the signal to keep its size: relu's is √2 (He et al. 2015).
//   With that gain, E[φ'²]·gain² is χ, what the squared gradient is multiplied by at each layer: 1 keeps it.
//
// Every number is computed here, from the library's φ and φ'. TRY NEXT: --activations silu_0.5,silu_1,silu_4,relu
#include "experiment.h"
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#define PLOT_IMPLEMENTATION
#include "plot.h"

enum { SAMPLES = 500, JUMPS = 6, ELEMENTS = 16384 };  // 16384 floats are 64 KiB: z, h and dz fit a level 2 cache
static const double edge = 5.0;                       // curves are drawn on [-edge, edge]

typedef struct curve {
    int n;
    double z[SAMPLES + JUMPS], h[SAMPLES + JUMPS], slope[SAMPLES + JUMPS];  // φ and φ' of each z
} curve;

static void add_point(curve *c, gf_act act, double z) {
    c->z[c->n] = z;
    c->h[c->n] = gf_act_value(act, z);
    c->slope[c->n] = gf_act_derivative(act, z);
    c->n++;
}

// At a kink φ' may jump: the curve goes up to it from the left, the pen is lifted (z = NaN) and set down on the right.
static void sample(gf_act act, curve *c) {
    const gf_act_info about = gf_act_describe(act);
    double before = -edge;
    c->n = 0;
    for (int i = 0; i < SAMPLES; i++) {
        double z = -edge + 2 * edge * i / (SAMPLES - 1);
        for (int k = 0; k < about.kink_count; k++) {
            double kink = about.kinks[k];
            if (!(before < kink && kink <= z)) continue;
            add_point(c, act, kink - 1e-9);
            add_point(c, act, NAN);
            add_point(c, act, kink + 1e-9);
        }
        add_point(c, act, z);
        before = z;
    }
}

// One activation: value solid, derivative dashed.
static void draw_one(const ex_settings *s, gf_act act, const curve *c) {
    char title[96], file[64], caption[200];
    const char *name = act.name;
    snprintf(title, sizeof title, "%s and its derivative", name);
    snprintf(file, sizeof file, "activation_%s.png", name);
    snprintf(caption, sizeof caption, "φ(z) = %s", gf_act_describe(act).formula);
    plot_figure *figure = plot_figure_create(900, 600, 1, 1, title);
    plot_axes *axes = plot_axes_at(figure, 0, 0);
    plot_labels(axes, NULL, "pre-activation z", "φ(z), φ'(z)");
    plot_limits_x(axes, -edge, edge);
    plot_line(axes, c->z, c->h, c->n, "φ(z)", plot_solid(plot_named_color(name)));
    plot_line(axes, c->z, c->slope, c->n, "φ'(z)", plot_dashed(PLOT_BLACK));
    plot_caption(figure, caption);
    ex_save_chart(figure, s->out, file);
}

// The chosen activations together: their values, or (slopes = 1) their derivatives.
static void draw_together(const ex_settings *s, const curve *curves, int slopes, const char *file) {
    const char *title = slopes ? "Derivatives of activation functions" : "Activation functions";
    plot_figure *figure = plot_figure_create(1200, 750, 1, 1, title);
    plot_axes *axes = plot_axes_at(figure, 0, 0);
    plot_labels(axes, NULL, "pre-activation z", slopes ? "φ'(z)" : "φ(z)");
    plot_limits_x(axes, -edge, edge);
    if (!slopes) plot_limits_y(axes, -2, 3);  // where they differ
    for (int i = 0; i < s->act_count; i++) {
        const curve *c = &curves[i];
        plot_line(axes, c->z, slopes ? c->slope : c->h, c->n, s->act_name[i], plot_named_style(s->act_name[i]));
    }
    ex_save_chart(figure, s->out, file);
}

typedef struct properties {
    gf_act_info info;
    double lipschitz;                // largest |φ(b) - φ(a)|/|b - a| over neighbouring points
    double mean_square_slope, gain;  // E[φ'²] and 1/√E[φ²] for z ~ N(0, 1)
    double relu_gap;                 // largest |φ - relu| on [-edge, edge]
    double forward_ns, backward_ns;  // nanoseconds an element
    double line_gap, tail_slope, bend;  // largest |φ(z) - z| for z > 0; |φ'(-5)|; largest |φ''|, infinite at a kink
} properties;

// Nanoseconds an element of forward (backward = 0) or backward over normal z: the least of several rounds.
static double measure_ns(gf_act act, int backward, int quick) {
    static gf_real z[ELEMENTS], dh[ELEMENTS], out[ELEMENTS];
    double best = INFINITY, length = quick ? 0.0005 : 0.004;
    for (int i = 0; i < ELEMENTS; i++) {
        z[i] = (gf_real)gf_random_normal(1, GF_STREAM_USER, (uint64_t)i);
        dh[i] = (gf_real)1;
    }
    for (int round = 0; round < 5; round++) {
        double start = ex_now(), elapsed = 0;
        long passes = 0;
        while (elapsed < length) {
            if (backward) gf_act_backward(act, z, dh, out, ELEMENTS);
            else gf_act_forward(act, z, out, ELEMENTS);
            passes++;
            elapsed = ex_now() - start;
        }
        best = fmin(best, 1e9 * elapsed / ((double)passes * ELEMENTS));
    }
    return best;
}

static properties examine(gf_act act, int quick) {
    properties p;
    const int fine = 40000;
    double before = gf_act_value(act, -2 * edge), width = 4 * edge / fine;
    p.info = gf_act_describe(act);
    p.lipschitz = 0;
    p.relu_gap = 0;
    p.line_gap = 0;
    p.bend = p.info.smooth ? 0 : INFINITY;
    p.tail_slope = fabs(gf_act_derivative(act, -edge));
    for (int i = 1; i <= fine; i++) {
        double z = -2 * edge + width * i, h = gf_act_value(act, z);
        p.lipschitz = fmax(p.lipschitz, fabs(h - before) / width);
        if (fabs(z) <= edge) p.relu_gap = fmax(p.relu_gap, fabs(h - fmax(z, 0)));
        if (z > 0) p.line_gap = fmax(p.line_gap, fabs(h - z));
        p.bend = fmax(p.bend, fabs(gf_act_derivative(act, z) - gf_act_derivative(act, z - width)) / width);
        before = h;
    }
    p.mean_square_slope = gf_theory_chi(act, 1, 1);
    p.gain = 1 / sqrt(gf_theory_q_next(act, 1, 1, 0));
    p.forward_ns = measure_ns(act, 0, quick);
    p.backward_ns = measure_ns(act, 1, quick);
    return p;
}

static void write_row(ex_csv *csv, ex_table *table, const char *name, const properties *p) {
    const gf_act_info *f = &p->info;
    const char *const yes[] = {"no", "yes"}, *const sides[] = {"no", "left", "right", "both"};
    ex_csv_row(csv, "%s,%.9g,%.9g,%d,%d,%d,%d,%d,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g", name, f->lower,
               f->upper,
               f->smooth, f->monotone, f->zero_centred, f->saturates_left, f->saturates_right, f->slope_max,
               p->lipschitz, p->mean_square_slope, p->gain, p->relu_gap, p->forward_ns, p->backward_ns, p->line_gap,
               p->tail_slope, p->bend);
    ex_table_row(table, "%s|%.4g to %.4g|%s|%s|%s|%s|%.4f|%.4f|%.4f|%.4f|%.3f|%.2f|%.2f|%.3f|%.1e|%.3f", name, f->lower,
                 f->upper,
                 yes[f->smooth], yes[f->monotone], yes[f->zero_centred],
                 sides[f->saturates_left + 2 * f->saturates_right], f->slope_max, p->lipschitz, p->mean_square_slope,
                 p->gain, p->relu_gap, p->forward_ns, p->backward_ns, p->line_gap, p->tail_slope, p->bend);
}

int main(int argc, char **argv) {
    static curve curves[EX_MAX_ACTIVATIONS];
    static ex_table table;
    ex_settings s = ex_settings_default("activation_curves", "What do activation functions do to signal and gradient?");
    s.activations = "sigmoid,tanh,relu,leaky_relu,gelu,swish,arctan,softsign";
    ex_parse(&s, argc, argv, EX_ACTIVATIONS, NULL, 0);
    ex_make_folder(s.out);

    for (int i = 0; i < s.act_count; i++) sample(s.act[i], &curves[i]);
    draw_together(&s, curves, 0, "activations.png");
    draw_together(&s, curves, 1, "derivatives.png");

    ex_csv csv;
    ex_csv_open(
        &csv, &s, "properties.csv",
        "activation,lower,upper,smooth,monotone,zero_centred,saturates_left,saturates_right,slope_max,lipschitz,"
        "mean_square_slope,gain,relu_gap,forward_ns,backward_ns,line_gap,tail_slope,bend");
    ex_table_row(&table, "activation|range|smooth|monotone|zero-centred|saturates|max φ'|Lipschitz|E[φ'²]|gain|"
                         "relu gap|fwd ns|bwd ns|line gap z > 0|φ'(-5)|max φ''");
    for (int k = 0; k < GF_ACT_COUNT && !ex_stop; k++) {
        static curve c;
        if (k == GF_ACT_CUSTOM) continue;
        gf_act act = gf_act_default((gf_act_kind)k);
        properties p = examine(act, s.quick);
        sample(act, &c);
        draw_one(&s, act, &c);
        write_row(&csv, &table, act.name, &p);
    }
    ex_csv_close(&csv);
    ex_table_write(&table, &s, "properties.md");
    return ex_exit_status();
}
