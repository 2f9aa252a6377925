// plot.h: charts for the examples, drawn in plain C and written as PNG.
//
//     #define PLOT_IMPLEMENTATION            // in one source file, before the include
//     #include "plot.h"
//
//     plot_figure *fig = plot_figure_create(1400, 700, 1, 2, "Twenty layers, five activations");
//     plot_axes *ax = plot_axes_at(fig, 0, 0);
//     plot_labels(ax, "loss per step", "step", "cross entropy");
//     plot_log_y(ax);
//     plot_line(ax, NULL, loss, steps, "relu", plot_solid(0));
//     if (!plot_save(fig, "results/loss.png")) fprintf(stderr, "%s\n", plot_error(fig));
//     plot_figure_free(fig);
//
// What a chart must do, and how this one does it:
// - every point lands where the axis says: a scale maps a value to 0..1, a rectangle maps 0..1 to pixels   [PLOT:SCALE]
// - every text is readable: all texts are measured before the axes are placed, and plot_check() proves that none is
//   cut off or overlaps another                                                              [PLOT:LAYOUT] [PLOT:CHECK]
// - nothing is hidden: NaN, infinities and values that a log axis cannot show leave a gap and a cross at the border,
//   and the legend stands where no data is, or beside the axes                               [PLOT:DRAW] [PLOT:LEGEND]
//
// Contents (search for the token)
//     [PLOT:API]     public functions            [PLOT:SCALE]   ranges, 1-2-5 ticks, powers of ten
//     [PLOT:MEMORY]  errors, copies              [PLOT:LAYOUT]  margins from measured texts
//     [PLOT:CANVAS]  antialiased lines, fills    [PLOT:DRAW]    lines, bands, bars, histograms
//     [PLOT:FONT]    letters as pen strokes      [PLOT:HEAT]    heatmaps, colour bars, contours
//     [PLOT:COLOUR]  palette and colour maps     [PLOT:IMAGES]  image tiles, tables
//     [PLOT:DATA]    what the calls store        [PLOT:LEGEND]  legends, labels of lines
//     [PLOT:CHECK]   proof of the layout         [PLOT:PNG]     writing the file
//
// Errors are sticky: a wrong argument or failed allocation is kept, later calls do nothing, plot_save returns 0 and
// plot_error tells what was expected, what was found and what to do. A NULL axes is ignored by every function.
// Data and texts are copied. Texts are UTF-8: ASCII, Greek letters and mathematical signs, with 10^{-3} and x_{l}
// for superscripts and subscripts. Compiles as C99 and C++11; needs stb_image_write.h, libc and libm.
#ifndef PLOT_H
#define PLOT_H
#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------------- [PLOT:API]
typedef struct plot_figure plot_figure; // a picture: rows x cols panels, a title, a caption
typedef struct plot_axes plot_axes;     // one panel; belongs to its figure

// A colour is a number 0, 1, 2 … of the palette, PLOT_AUTO (the next of the panel) or PLOT_RGB(r, g, b).
#define PLOT_AUTO (-1)
#define PLOT_RGB(r, g, b) (0x1000000 | ((r) << 16) | ((g) << 8) | (b))
#define PLOT_BLACK PLOT_RGB(34, 34, 34)
#define PLOT_GREY PLOT_RGB(128, 128, 128)

typedef enum { PLOT_SOLID, PLOT_DASHED, PLOT_DOTTED, PLOT_DASHDOT, PLOT_NO_LINE } plot_dash;
typedef enum {
    PLOT_NO_MARKER, PLOT_CIRCLE, PLOT_SQUARE, PLOT_TRIANGLE, PLOT_DIAMOND, PLOT_CROSS, PLOT_PLUS,
    PLOT_RING // hides nothing of a line under it
} plot_marker;
typedef enum { PLOT_VIRIDIS, PLOT_INFERNO, PLOT_SIGNED, PLOT_GREYS, PLOT_BLUES } plot_map;
typedef enum { PLOT_LEGEND_AUTO, PLOT_LEGEND_OUTSIDE, PLOT_LEGEND_NONE } plot_legend_place;
typedef enum { PLOT_SHARE_NONE, PLOT_SHARE_ALL, PLOT_SHARE_ROW, PLOT_SHARE_COLUMN } plot_share; // which panels

typedef struct {
    int color;          // palette number, PLOT_AUTO or PLOT_RGB
    plot_dash dash;
    plot_marker marker;
    double width;       // in pixels of a panel of normal size; 0 = the default, 2.4
    double alpha;       // 0 = opaque
} plot_style;

plot_style plot_solid(int color);
plot_style plot_dashed(int color);
plot_style plot_dotted(int color);
plot_style plot_marked(int color, plot_marker marker);   // a line with markers
plot_style plot_points(int color, plot_marker marker);   // markers alone
// The same name has the same look in every chart, whatever else is drawn: an activation's own colour and dash (relatives
// share the colour), for any other name one of the palette.
plot_style plot_named_style(const char *name);
int plot_named_color(const char *name); // its colour alone, e.g. for plot_dashed(plot_named_color("relu"))

// A figure of width x height pixels (64..16384) with rows x cols panels (1..32 each). title may be NULL.
plot_figure *plot_figure_create(int width, int height, int rows, int cols, const char *title);
void plot_figure_free(plot_figure *fig);
void plot_caption(plot_figure *fig, const char *text);       // small text under the panels
void plot_text_scale(plot_figure *fig, double factor);       // 1 = normal
void plot_shared_legend(plot_figure *fig);                   // one legend above all panels (automatic if all are equal)
void plot_share_x(plot_figure *fig, plot_share panels);      // panels that are compared show the same range
void plot_share_y(plot_figure *fig, plot_share panels);      // (those with limits of their own keep these)
plot_axes *plot_axes_at(plot_figure *fig, int row, int col); // panel, from 0; NULL and an error when outside

// Axes. Any text may be NULL. Limits: NAN leaves an end automatic; lo > hi turns the axis round.
void plot_labels(plot_axes *ax, const char *title, const char *x_label, const char *y_label);
void plot_log_x(plot_axes *ax);
void plot_log_y(plot_axes *ax);
void plot_limits_x(plot_axes *ax, double lo, double hi);
void plot_limits_y(plot_axes *ax, double lo, double hi);
void plot_names_x(plot_axes *ax, const char *const *names, int n); // texts at 0, 1 … n-1 in place of numbers
void plot_names_y(plot_axes *ax, const char *const *names, int n);
void plot_legend(plot_axes *ax, plot_legend_place place);

// Lines and points: n values; x NULL = 0, 1, 2 …, x[i] NAN interrupts the line; label NULL = not in the legend.
void plot_line(plot_axes *ax, const double *x, const double *y, int n, const char *label, plot_style style);
void plot_scatter(plot_axes *ax, const double *x, const double *y, int n, const char *label, plot_style style);
void plot_band(plot_axes *ax, const double *x, const double *lo, const double *hi, int n, const char *label,
               plot_style style);
// Mean as a line over a band of mean ± std.
void plot_mean_std(plot_axes *ax, const double *x, const double *mean, const double *std, int n, const char *label,
                   plot_style style);
// Raw data thin and pale, over it the centred moving average of `window` points (0 = n/50; geometric on a log axis).
void plot_smooth(plot_axes *ax, const double *x, const double *y, int n, int window, const char *label,
                 plot_style style);
void plot_hline(plot_axes *ax, double y, const char *label, plot_style style); // the label stands at the line

// Bars: each call adds one group member per name; err may be NULL.
void plot_bars(plot_axes *ax, const char *const *names, const double *values, const double *err, int n,
               const char *label, plot_style style);
void plot_hist_counts(plot_axes *ax, const double *edges, const double *counts, int bins, const char *label,
                      plot_style style); // edges: bins + 1 values

// Heatmap of values[rows][cols]; cell (row, col) has its centre at x = col, y = row, and row 0 is on top. Unless
// plot_heatmap_extent says that the cells cover x0..x1 (column 0 at x0) and y0..y1 (row 0 at y0) of upright axes.
void plot_heatmap(plot_axes *ax, const double *values, int rows, int cols, plot_map map);
void plot_heatmap_extent(plot_axes *ax, double x0, double x1, double y0, double y1);
void plot_heatmap_values(plot_axes *ax, const char *format); // writes each value into its cell, e.g. "%.0f"
void plot_heatmap_square(plot_axes *ax);                     // cells as high as wide
void plot_heatmap_hide_zeros(plot_axes *ax);                 // zeros stay white and empty, also on a log scale
void plot_color_range(plot_axes *ax, double lo, double hi);
void plot_color_log(plot_axes *ax);
void plot_color_label(plot_axes *ax, const char *text);
void plot_color_bar(plot_axes *ax, int shown);
void plot_contour(plot_axes *ax, double level, const char *label, plot_style style); // of the panel's heatmap

// count images, each [channels][height][width] (1 = grey, 3 = RGB), values lo..hi = black..white; lo == hi stretches
// each image over its own range. columns 0 = what fits best; captions NULL or one text an image.
void plot_images(plot_axes *ax, const double *pixels, int count, int channels, int height, int width, double lo,
                 double hi, int columns, const char *const *captions);
void plot_table(plot_axes *ax, const char *const *cells, int rows, int cols); // row 0 is the header

// Result: 1 = fine. plot_save writes NAME.tmp and renames it, so no half-written file ever has the final name.
int plot_save(plot_figure *fig, const char *path);
const char *plot_error(const plot_figure *fig);
// 1 when no text is cut off, no two texts overlap and no legend covers data; else 0 and what is wrong.
int plot_check(plot_figure *fig, char *message, int size);
// For tests and overlays, after plot_save or plot_check: the pixel of a data point, the colour 0xRRGGBB of a pixel.
int plot_locate(const plot_axes *ax, double x, double y, double *pixel_x, double *pixel_y);
int plot_pixel(const plot_figure *fig, int x, int y);

#ifdef __cplusplus
}
#endif
#endif // PLOT_H

#if defined(PLOT_IMPLEMENTATION) && !defined(PLOT_IMPLEMENTED)
#define PLOT_IMPLEMENTED

// stb_image_write.h: the system's, or the one that data_fetch.sh fetched. Without it nothing else is compiled.
#ifdef __has_include
#if __has_include(<stb/stb_image_write.h>)
#define PLOTP_STB_IN_SYSTEM
#elif !__has_include("../third_party/stb_image_write.h")
#define PLOTP_STB_MISSING
#endif
#endif
#ifdef PLOTP_STB_MISSING
#error "plot.h needs stb_image_write.h: run ./data_fetch.sh stb (or install Debian's libstb-dev)"
#else

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(PLOT_MALLOC) && !defined(PLOT_REALLOC) && !defined(PLOT_FREE)
#define PLOT_MALLOC malloc
#define PLOT_REALLOC realloc
#define PLOT_FREE free
#elif !defined(PLOT_MALLOC) || !defined(PLOT_REALLOC) || !defined(PLOT_FREE)
#error "plot.h: define PLOT_MALLOC, PLOT_REALLOC and PLOT_FREE together, or none of them"
#endif

// A chart is drawn once, by code that is long: compiling it fast is worth more than optimising it hard.
#if defined(__OPTIMIZE__) && defined(__clang__)
#pragma clang attribute push(__attribute__((noinline)), apply_to = function)
#elif defined(__OPTIMIZE__) && defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("O1")
#endif

// ------------------------------------------------------------------------------------------------ [PLOT:MEMORY]
#define PLOTP_MAX_TICKS 64
#define PLOTP_TEXT 160

typedef struct { double x0, y0, x1, y1; } plotp_rect;
typedef struct { plotp_rect r; char text[24]; } plotp_box;

typedef struct {
    int w, h;
    unsigned char *rgb;      // [h][w][3]
    float *mask;             // [h][w+2] coverage of the shape being drawn, 0 between shapes
    unsigned char *ink;      // [h][w] 1 where data was drawn: legends keep off
    int clip[4], dirty[4];   // x0, y0, x1, y1 (ends exclusive)
    int is_data;             // painting marks ink
} plotp_canvas;

typedef struct {
    double lo, hi;                 // what the axis shows; lo > hi: turned round
    double user_lo, user_hi;       // NAN = automatic
    int log, whole;                // whole: all data are integers, so no fractional ticks
    char *label;
    char **names;
    int name_count;
    int tick_count, minor_count, exponent, rotated;
    double tick[PLOTP_MAX_TICKS], minor[PLOTP_MAX_TICKS * 2];
    char tick_label[PLOTP_MAX_TICKS][PLOTP_TEXT];
} plotp_axis;

typedef enum {
    PLOTP_LINE, PLOTP_SMOOTH, PLOTP_BAND, PLOTP_HLINE, PLOTP_BARS, PLOTP_HIST, PLOTP_CONTOUR, PLOTP_LOST
} plotp_kind;

typedef struct {
    plotp_kind kind;
    int n, window, rgb;
    double *x, *y, *y2; // y2: upper edge of a band, error of a bar
    char *label;
    plot_style style;
    double note_x, note_y; // pixel at which the label of a contour stands
} plotp_item;

typedef struct { char label[PLOTP_TEXT]; plotp_item item; } plotp_entry;
typedef struct {
    plotp_entry *entry;
    int n, shown, cols, rows;
    double size, w, h, cell; // text size, outer size, width of a column
} plotp_legend;

struct plot_axes {
    plot_figure *fig;
    char *title;
    plotp_axis x, y, z;      // z: the colour scale
    plotp_item *items;
    int item_count, item_room, next_color, bar_groups;
    int has_lost, has_nonpositive, is_empty; // points that are no numbers; that a log axis cannot show; nothing else
    double *heat, extent[4];
    int heat_rows, heat_cols, heat_map, heat_square, heat_bar, heat_hide_zeros, has_extent;
    char *heat_format;
    double *image;
    int image_count, image_channels, image_h, image_w, image_cols;
    double image_lo, image_hi;
    char **captions;
    char **cells;
    int table_rows, table_cols;
    plot_legend_place place;
    int legend_outside;
    plotp_legend legend;
    plotp_rect cell, rect;   // panel, and the area between its axes
    double margin[4];        // left, top, right, bottom
};

struct plot_figure {
    int width, height, rows, cols;
    char *title, *caption;
    plot_axes *axes;         // [rows][cols]
    plotp_canvas canvas;
    double user_scale, scale;
    int share, shared, rendered, cramped;
    plot_share share_x, share_y;
    plotp_legend legend;     // the shared one
    plotp_box *boxes, *legend_boxes;
    int box_count, box_room, legend_box_count, legend_box_room;
    char error[400];
};

static const char *const plotp_no_memory = "out of memory: make the figure smaller or pass fewer points";

// Keep the first error.
static void plotp_fail(plot_figure *fig, const char *format, ...) {
    va_list args;
    if (fig->error[0]) return;
    va_start(args, format);
    vsnprintf(fig->error, sizeof fig->error, format, args);
    va_end(args);
}

static void *plotp_alloc(plot_figure *fig, size_t count, size_t size) {
    void *p = NULL;
    if (count == 0) count = 1;
    if (count <= (size_t)-1 / 2 / size) p = PLOT_MALLOC(count * size);
    if (p) memset(p, 0, count * size);
    else plotp_fail(fig, "%s", plotp_no_memory);
    return p;
}

// Room for one more element of a growing array; 0 when memory is out.
static int plotp_grow(plot_figure *fig, void **array, int count, int *room, size_t size) {
    int wanted = *room ? 2 * *room : 16;
    void *p;
    if (count < *room) return 1;
    p = PLOT_REALLOC(*array, (size_t)wanted * size);
    if (!p) {
        plotp_fail(fig, "%s", plotp_no_memory);
        return 0;
    }
    *array = p;
    *room = wanted;
    return 1;
}

static double *plotp_copy(plot_figure *fig, const double *from, int n) {
    double *to = (double *)plotp_alloc(fig, (size_t)n, sizeof *to);
    int i;
    if (!to) return NULL;
    for (i = 0; i < n; i++) to[i] = from ? from[i] : i;
    return to;
}

static void plotp_set_text(plot_figure *fig, char **to, const char *from) {
    size_t size = from ? strlen(from) + 1 : 0;
    PLOT_FREE(*to);
    *to = NULL;
    if (!from) return;
    *to = (char *)plotp_alloc(fig, size, 1);
    if (*to) memcpy(*to, from, size);
}

static void plotp_free_texts(char **texts, int n) {
    int i;
    for (i = 0; texts && i < n; i++) PLOT_FREE(texts[i]);
    PLOT_FREE(texts);
}

static char **plotp_copy_texts(plot_figure *fig, const char *const *from, int n) {
    char **to = (char **)plotp_alloc(fig, (size_t)n, sizeof *to);
    int i;
    for (i = 0; to && i < n; i++) plotp_set_text(fig, &to[i], from[i] ? from[i] : "");
    return to;
}

// Copy what fits into a buffer of PLOTP_TEXT bytes and leaves room for an ellipsis; whole characters only.
static void plotp_take(char *to, const char *from) {
    size_t n = strlen(from);
    if (n > PLOTP_TEXT - 8) n = PLOTP_TEXT - 8;
    while (n > 0 && ((unsigned char)from[n] & 0xC0) == 0x80) n--;
    memcpy(to, from, n);
    to[n] = 0;
}

static double plotp_clamp(double v, double lo, double hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

static int plotp_finite(double v) {
    return fabs(v) < 1e300; // false for NaN; room for differences of two values
}

// ------------------------------------------------------------------------------------------------ [PLOT:CANVAS]
// A shape is drawn in two steps: its coverage of every pixel, 0..1, is collected in a mask, then one paint mixes the
// colour in. So a polyline that crosses itself, or the strokes of a letter, stay evenly coloured however pale.
static void plotp_clip(plotp_canvas *c, plotp_rect r) {
    c->clip[0] = (int)plotp_clamp(floor(r.x0), 0, c->w);
    c->clip[1] = (int)plotp_clamp(floor(r.y0), 0, c->h);
    c->clip[2] = (int)plotp_clamp(ceil(r.x1), 0, c->w);
    c->clip[3] = (int)plotp_clamp(ceil(r.y1), 0, c->h);
}

static void plotp_unclip(plotp_canvas *c) {
    c->clip[0] = c->clip[1] = 0;
    c->clip[2] = c->w;
    c->clip[3] = c->h;
}

static void plotp_touch(plotp_canvas *c, int x0, int y0, int x1, int y1) {
    if (x0 < c->dirty[0]) c->dirty[0] = x0;
    if (y0 < c->dirty[1]) c->dirty[1] = y0;
    if (x1 > c->dirty[2]) c->dirty[2] = x1;
    if (y1 > c->dirty[3]) c->dirty[3] = y1;
}

static void plotp_blend(plotp_canvas *c, int x, int y, int rgb, double a) {
    size_t at = (size_t)y * (size_t)c->w + (size_t)x;
    unsigned char *p = c->rgb + 3 * at;
    int k, shift = 16;
    for (k = 0; k < 3; k++, shift -= 8) {
        double target = (rgb >> shift) & 255;
        p[k] = (unsigned char)(p[k] + (target - p[k]) * a + 0.5);
    }
    if (c->is_data && a > 0.02) c->ink[at] = 1;
}

// Mix the collected shape into the picture and clear the mask. The mask holds coverage (strokes), or its
// differences along each row (fills), which the running sum turns back into coverage.
static void plotp_paint(plotp_canvas *c, int rgb, double alpha, int is_fill) {
    int x, y;
    for (y = c->dirty[1]; y < c->dirty[3]; y++) {
        float *row = c->mask + (size_t)y * (size_t)(c->w + 2);
        double sum = 0;
        for (x = c->dirty[0]; x < c->dirty[2]; x++) {
            double a;
            if (!is_fill && row[x] <= 0) continue;
            sum = is_fill ? sum + row[x] : row[x];
            row[x] = 0;
            a = floor(plotp_clamp(fabs(sum), 0, 1) * 16 + 0.5) / 16; // 17 levels look the same and halve the file
            if (a > 0 && x < c->clip[2]) plotp_blend(c, x, y, rgb, a * alpha);
        }
    }
    c->dirty[0] = c->w;
    c->dirty[1] = c->h;
    c->dirty[2] = c->dirty[3] = 0;
}

// A stroke from (x0,y0) to (x1,y1) with round ends. The coverage of a pixel is r + 1/2 - its distance to the segment,
// clamped to 0..min(1,2r): exact across a straight edge, and a line thinner than a pixel becomes paler.
static void plotp_stroke(plotp_canvas *c, double x0, double y0, double x1, double y1, double r) {
    double dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy, reach = r + 0.5, peak = r < 0.5 ? 2 * r : 1;
    int y, top = (int)plotp_clamp(floor((y0 < y1 ? y0 : y1) - reach), c->clip[1], c->clip[3]);
    int bottom = (int)plotp_clamp(ceil((y0 < y1 ? y1 : y0) + reach), c->clip[1], c->clip[3]);
    for (y = top; y < bottom; y++) {
        float *row = c->mask + (size_t)y * (size_t)(c->w + 2);
        double t0 = 0, t1 = 1, xa, xb, cy = y + 0.5;
        int x, left, right;
        if (fabs(dy) > 1e-9) { // the part of the segment that this row of pixels can feel
            double ta = (cy - reach - y0) / dy, tb = (cy + reach - y0) / dy;
            t0 = plotp_clamp(ta < tb ? ta : tb, 0, 1);
            t1 = plotp_clamp(ta < tb ? tb : ta, 0, 1);
        }
        xa = x0 + t0 * dx;
        xb = x0 + t1 * dx;
        left = (int)plotp_clamp(floor((xa < xb ? xa : xb) - reach), c->clip[0], c->clip[2]);
        right = (int)plotp_clamp(ceil((xa < xb ? xb : xa) + reach), c->clip[0], c->clip[2]);
        for (x = left; x < right; x++) {
            double px = x + 0.5 - x0, py = cy - y0;
            double t = length2 > 0 ? plotp_clamp((px * dx + py * dy) / length2, 0, 1) : 0;
            double ex = px - t * dx, ey = py - t * dy, cover = reach - sqrt(ex * ex + ey * ey);
            if (cover > peak) cover = peak;
            if (cover > row[x]) row[x] = (float)cover;
        }
        if (left < right) plotp_touch(c, left, y, right, y + 1);
    }
}

// Coverage that an edge adds to one row: the area right of it is covered by `d` (its height in this row, signed).
static void plotp_edge_row(float *row, double xa, double xb, double d) {
    double left = xa < xb ? xa : xb, right = xa < xb ? xb : xa, done = 0, start;
    int i, first = (int)floor(left), last = (int)floor(right);
    start = left;
    for (i = first; i <= last; i++) {
        double end = right < i + 1 ? right : i + 1;
        double part = right > left ? (end - start) / (right - left) * d : d; // height crossed inside this pixel
        double inside = part * (i + 1 - 0.5 * (start + end));                // covered area of this pixel
        row[i] += (float)(inside + done);
        done = part - inside; // the rest of this part begins with the next pixel
        start = end;
    }
    row[last + 1] += (float)done;
}

// Fill a polygon of n points. Each edge adds signed areas; the running sum in plotp_paint gives exact coverage.
static void plotp_fill(plotp_canvas *c, const double *px, const double *py, int n, int rgb, double alpha) {
    int i, y;
    for (i = 0; i < n; i++) {
        int j = i + 1 < n ? i + 1 : 0, up = py[i] > py[j];
        double x0 = up ? px[j] : px[i], y0 = up ? py[j] : py[i], x1 = up ? px[i] : px[j], y1 = up ? py[i] : py[j];
        int top = (int)plotp_clamp(floor(y0), c->clip[1], c->clip[3]);
        int bottom = (int)plotp_clamp(ceil(y1), c->clip[1], c->clip[3]);
        double slope = y1 > y0 ? (x1 - x0) / (y1 - y0) : 0;
        for (y = top; y < bottom; y++) {
            double ya = y > y0 ? y : y0, yb = y + 1 < y1 ? y + 1 : y1;
            double xa = plotp_clamp(x0 + (ya - y0) * slope, c->clip[0], c->clip[2]);
            double xb = plotp_clamp(x0 + (yb - y0) * slope, c->clip[0], c->clip[2]);
            if (yb <= ya) continue;
            plotp_edge_row(c->mask + (size_t)y * (size_t)(c->w + 2), xa, xb, up ? ya - yb : yb - ya);
            plotp_touch(c, (int)floor(xa < xb ? xa : xb), y, (int)floor(xa < xb ? xb : xa) + 2, y + 1);
        }
    }
    plotp_paint(c, rgb, alpha, 1);
}

static void plotp_fill_rect(plotp_canvas *c, plotp_rect r, int rgb, double alpha) {
    double px[4], py[4];
    px[0] = px[3] = r.x0;
    px[1] = px[2] = r.x1;
    py[0] = py[1] = r.y0;
    py[2] = py[3] = r.y1;
    plotp_fill(c, px, py, 4, rgb, alpha);
}

// A one-pixel line exactly on the pixel grid: crisp.
static void plotp_hair(plotp_canvas *c, double x0, double y0, double x1, double y1, int rgb) {
    plotp_rect r;
    r.x0 = floor(x0);
    r.y0 = floor(y0);
    r.x1 = x1 > x0 ? floor(x1) + 1 : r.x0 + 1;
    r.y1 = y1 > y0 ? floor(y1) + 1 : r.y0 + 1;
    plotp_fill_rect(c, r, rgb, 1);
}

// Lengths of ink and gap, in line widths; the round ends add one width to each stroke.
static const double plotp_dashes[][4] = {
    {0, 0, 0, 0}, {3.0, 2.6, 3.0, 2.6}, {0.01, 2.1, 0.01, 2.1}, {3.6, 2.2, 0.01, 2.2}};

// A polyline through the points that are numbers; NaN leaves a gap. The joins are round.
static void plotp_polyline(plotp_canvas *c, const double *x, const double *y, int n, double width, int dash) {
    double at = 0; // position in the dash pattern
    int i, part = 0;
    for (i = 0; i < n; i++) {
        int here = x[i] == x[i] && y[i] == y[i], next = i + 1 < n && x[i + 1] == x[i + 1] && y[i + 1] == y[i + 1];
        double length, done = 0;
        if (here && !next && (i == 0 || x[i - 1] != x[i - 1] || y[i - 1] != y[i - 1]))
            plotp_stroke(c, x[i], y[i], x[i], y[i], width * 0.9); // a point with gaps on both sides
        if (!here || !next) continue;
        if (dash == PLOT_SOLID) {
            plotp_stroke(c, x[i], y[i], x[i + 1], y[i + 1], width / 2);
            continue;
        }
        length = hypot(x[i + 1] - x[i], y[i + 1] - y[i]);
        while (done < length) {
            double left = plotp_dashes[dash][part] * width - at, step = left < length - done ? left : length - done;
            double ux = (x[i + 1] - x[i]) / length, uy = (y[i + 1] - y[i]) / length;
            if (part % 2 == 0)
                plotp_stroke(c, x[i] + ux * done, y[i] + uy * done, x[i] + ux * (done + step),
                             y[i] + uy * (done + step), width / 2);
            done += step;
            at += step;
            if (step >= left) {
                at = 0;
                part = (part + 1) % 4;
            }
        }
    }
}

static void plotp_marker(plotp_canvas *c, int marker, double x, double y, double r, int rgb, double alpha) {
    static const double corners[][8] = {{-.9, -.9, .9, -.9, .9, .9, -.9, .9}, {0, -1.2, 1.1, .8, -1.1, .8, 0, -1.2},
                                        {0, -1.3, 1.15, 0, 0, 1.3, -1.15, 0}};
    double px[4], py[4], d = marker == PLOT_CROSS ? r * 0.8 : r;
    int k;
    if (marker >= PLOT_SQUARE && marker <= PLOT_DIAMOND) {
        for (k = 0; k < 4; k++) {
            px[k] = x + r * corners[marker - PLOT_SQUARE][2 * k];
            py[k] = y + r * corners[marker - PLOT_SQUARE][2 * k + 1];
        }
        plotp_fill(c, px, py, 4, rgb, alpha);
        return;
    }
    if (marker == PLOT_CIRCLE) plotp_stroke(c, x, y, x, y, r);
    for (k = 0; marker == PLOT_RING && k < 16; k++)
        plotp_stroke(c, x + r * cos(k * 0.3927), y + r * sin(k * 0.3927), x + r * cos((k + 1) * 0.3927),
                     y + r * sin((k + 1) * 0.3927), r * 0.22);
    if (marker == PLOT_CROSS) {
        plotp_stroke(c, x - d, y - d, x + d, y + d, r * 0.3);
        plotp_stroke(c, x - d, y + d, x + d, y - d, r * 0.3);
    }
    if (marker == PLOT_PLUS) {
        plotp_stroke(c, x - d, y, x + d, y, r * 0.3);
        plotp_stroke(c, x, y - d, x, y + d, r * 0.3);
    }
    plotp_paint(c, rgb, alpha, 0);
}

// -------------------------------------------------------------------------------------------------- [PLOT:FONT]
// Every letter is a path for a round pen, on a grid where a capital is 70 high, a small x 50, a tail 20 deep.
//     m x y   move with the pen up          l x y           line
//     q a b x y   parabola (quadratic Bezier) to (x,y), pulled towards (a,b)
//     A cx cy rx ry from to   arc, angles in degrees (a: joined to the point before by a line)     . x y   dot
// Arcs are superellipses of exponent 2.25, a little squarer than ellipses, as the bowls of most typefaces are.
typedef struct { unsigned code; int advance; const char *path; } plotp_glyph;

static const plotp_glyph plotp_font[] = {
    {' ', 27, ""},
    {'!', 24, "m12 70l12 21.12 4"},
    {'"', 36, "m11 70l11 49m25 70l25 49"},
    {'#', 64, "m19 0l28 70m37 0l46 70m8 23l54 23m11 47l57 47"},
    {'$', 58, "A29 52 19 18 32 270a29 17 21 17 90-150m29 80l29-10"},
    {'%', 78, "A19 53 12 17 0 360A59 17 12 17 0 360m58 70l20 0"},
    {'&', 66, "m60 0l19 46A28 57 13 13 215-45l20 36q8 28 8 18q8 0 26 0q46 0 56 32"},
    {'\'', 21, "m11 70l11 49"},
    {'(', 31, "m24 78q-2 29 24-20"},
    {')', 31, "m7 78q33 29 7-20"},
    {'*', 42, "m21 70l21 42m9 63l33 49m33 63l9 49"},
    {'+', 58, "m29 11l29 55m7 33l51 33"},
    {',', 24, "m13 4l8-11"},
    {'-', 36, "m7 27l29 27"},
    {'.', 24, ".12 4"},
    {'/', 38, "m6-8l32 76"},
    {'0', 56, "A28 35 20 35 0 360"},
    {'1', 56, "m14 57l31 70l31 0"},
    {'2', 56, "A27 50 18 20 165-35l8 0l48 0"},
    {'3', 56, "A27 53 17 17 150-90a27 18 20 18 90-152"},
    {'4', 56, "m38 0l38 70l6 19l51 19"},
    {'5', 56, "m45 70l15 70l12 35a27 23 20 23 138-150"},
    {'6', 56, "A29 33 21 37 48 180l8 22a28 22 20 22 180-180"},
    {'7', 56, "m8 70l48 70l22 0"},
    {'8', 56, "A28 54 17 16 90 450A28 19 20 19 90 450"},
    {'9', 56, "A27 37 21 37 228 360l48 48A28 48 20 22 0 360"},
    {':', 24, ".12 4.12 42"},
    {';', 24, ".13 42m13 4l8-11"},
    {'<', 58, "m50 55l8 33l50 11"},
    {'=', 58, "m7 43l51 43m7 23l51 23"},
    {'>', 58, "m8 55l50 33l8 11"},
    {'?', 48, "A24 53 16 17 165-45q24 32 24 20.24 4"},
    {'@', 92, "A46 27 14 16 0 360m61 44l60 21q60 11 69 11q83 11 84 30a46 30 38 40 0 305"},
    {'A', 60, "m5 0l30 70l55 0m13 24l47 24"},
    {'B', 61, "m11 0l11 70l33 70a33 53 17 17 90-90l11 36m33 36l34 36a34 18 19 18 90-90l11 0"},
    {'C', 65, "A37 35 29 35 48 312"},
    {'D', 69, "m11 0l11 70l31 70a31 35 30 35 90-90l11 0"},
    {'E', 56, "m49 70l11 70l11 0l50 0m11 37l46 37"},
    {'F', 53, "m48 70l11 70l11 0m11 36l44 36"},
    {'G', 72, "A38 35 30 35 48 300l63 12l63 34l42 34"},
    {'H', 70, "m11 0l11 70m59 0l59 70m11 37l59 37"},
    {'I', 24, "m12 0l12 70"},
    {'J', 48, "m37 70l37 19a22 19 15 19 0-165"},
    {'K', 60, "m11 0l11 70m53 70l11 27m26 42l56 0"},
    {'L', 50, "m11 70l11 0l46 0"},
    {'M', 76, "m11 0l11 70l38 8l65 70l65 0"},
    {'N', 70, "m11 0l11 70l59 0l59 70"},
    {'O', 75, "A37 35 29 35 0 360"},
    {'P', 58, "m11 0l11 70l33 70a33 51 18 19 90-90l11 32"},
    {'Q', 75, "A37 35 29 35 0 360m43 17l63-5"},
    {'R', 61, "m11 0l11 70l33 70a33 52 18 18 90-90l11 34m33 34l53 0"},
    {'S', 58, "A29 53 18 17 32 270a29 18 21 18 90-150"},
    {'T', 57, "m5 70l52 70m28 70l28 0"},
    {'U', 69, "m11 70l11 24a34 24 23 24 180 360l57 70"},
    {'V', 60, "m5 70l30 0l55 70"},
    {'W', 86, "m5 70l24 0l43 68l62 0l81 70"},
    {'X', 58, "m6 70l52 0m52 70l6 0"},
    {'Y', 58, "m5 70l29 32l53 70m29 32l29 0"},
    {'Z', 58, "m8 70l50 70l7 0l51 0"},
    {'[', 31, "m24 78l11 78l11-16l24-16"},
    {'\\', 38, "m6 76l32-8"},
    {']', 31, "m7 78l20 78l20-16l7-16"},
    {'^', 58, "m12 42l29 70l46 42"},
    {'_', 54, "m2-13l52-13"},
    {'`', 30, "m8 72l19 59"},
    {'a', 53, "A26 35 15 15 160 0l42 0m42 29l26 29q8 29 8 14q8 0 23 0q37 0 42 14"},
    {'b', 57, "m11 0l11 72A30 25 19 25 0 360"},
    {'c', 49, "A28 25 20 25 48 312"},
    {'d', 57, "A27 25 19 25 0 360m46 0l46 72"},
    {'e', 55, "m9 27l47 27a28 25 20 25 5 314"},
    {'f', 33, "m17 0l17 57a30 57 13 15 180 85m5 50l31 50"},
    {'g', 57, "A27 25 19 25 0 360m46 50l46-3a27-3 19 17 0-155"},
    {'h', 56, "m11 0l11 72A28 31 17 19 180 0l45 0"},
    {'i', 24, "m12 0l12 50.12 67"},
    {'j', 25, "m13 50l13-8q13-20 0-20.13 67"},
    {'k', 49, "m11 0l11 72m41 50l11 20m22 31l45 0"},
    {'l', 24, "m12 0l12 72"},
    {'m', 80, "m11 0l11 50A26 32 15 18 180 0l41 0A55 32 14 18 180 0l69 0"},
    {'n', 56, "m11 0l11 50A28 31 17 19 180 0l45 0"},
    {'o', 56, "A28 25 20 25 0 360"},
    {'p', 57, "m11 50l11-20A30 25 19 25 0 360"},
    {'q', 57, "A27 25 19 25 0 360m46 50l46-20"},
    {'r', 36, "m11 0l11 50A28 31 17 19 180 82"},
    {'s', 49, "A24 38 15 12 25 270a24 13 17 13 90-155"},
    {'t', 35, "m17 66l17 13q17 0 28 0l32 0m5 50l31 50"},
    {'u', 56, "m11 50l11 19a28 19 17 19 180 360m45 50l45 0"},
    {'v', 49, "m5 50l24 0l44 50"},
    {'w', 72, "m5 50l20 0l36 48l52 0l67 50"},
    {'x', 48, "m6 50l42 0m42 50l6 0"},
    {'y', 49, "m5 50l25 0m44 50l24-3q18-20 8-20"},
    {'z', 48, "m7 50l41 50l7 0l42 0"},
    {'{', 33, "m27 78q15 78 15 66l15 42q15 30 6 30q15 30 15 18l15-6q15-18 27-18"},
    {'|', 24, "m12 78l12-20"},
    {'}', 33, "m6 78q18 78 18 66l18 42q18 30 27 30q18 30 18 18l18-6q18-18 6-18"},
    {'~', 58, "m8 27q18 46 29 33q40 20 50 39"},
    {0xB0, 38, "A19 59 11 11 0 360"},                                                 // degree
    {0xB1, 58, "m29 21l29 61m9 41l49 41m9 7l49 7"},                                    // plus-minus
    {0xB7, 28, ".14 31"},                                                              // middle dot
    {0xD7, 58, "m12 16l46 50m46 16l12 50"},                                            // times
    {0x393, 50, "m11 0l11 70l46 70"},                                                  // Gamma
    {0x394, 62, "m5 0l57 0l31 70l5 0"},                                                // Delta
    {0x398, 75, "A37 35 29 35 0 360m24 35l50 35"},                                     // Theta
    {0x39B, 60, "m5 0l30 70l55 0"},                                                    // Lambda
    {0x3A0, 70, "m11 0l11 70l59 70l59 0"},                                             // Pi
    {0x3A3, 56, "m49 70l8 70l31 36l8 0l50 0"},                                         // Sigma
    {0x3A6, 76, "A38 35 29 25 0 360m38 72l38-2"},                                      // Phi
    {0x3A9, 76, "m8 0l27 0q9 14 9 38a38 38 29 32 180 0q67 14 49 0l68 0"},              // Omega
    {0x3B1, 57, "m49 50q42 0 25 0a25 25 17 25 270 90q42 50 51 0"},                     // alpha
    {0x3B2, 57, "m11-20l11 54a27 54 16 18 180-90a29 18 20 18 90-140"},                 // beta
    {0x3B3, 50, "m4 45q12 56 19 33l27-2m46 50l24-9q17-20 25-20q32-20 27-2"},           // gamma
    {0x3B4, 55, "m41 66q34 72 27 72q15 72 15 62q15 54 30 48q46 40 46 23a27 23 19 23 0-200q10 40 30 47"}, // delta
    {0x3B5, 48, "A26 38 15 12 30 270l32 26m26 26a26 13 18 13 90 330"},                 // epsilon
    {0x3B7, 56, "m11 50l11 0A28 31 17 19 180 0l45-20"},                                // eta
    {0x3B8, 56, "A28 36 19 36 0 360m9 36l47 36"},                                      // theta
    {0x3BA, 49, "m11 0l11 50m41 50l11 20m20 29l43 0"},                                 // kappa
    {0x3BB, 51, "m7 72q17 72 22 56l45 0m26 44l6 0"},                                   // lambda
    {0x3BC, 57, "m11-20l11 50m11 19a28 19 17 19 180 360m45 50l45 0"},                  // mu
    {0x3BD, 49, "m5 50l22 0q44 22 42 50"},                                             // nu
    {0x3C0, 60, "m6 50l54 50m18 50l16 0m42 50l44 0"},                                  // pi
    {0x3C1, 56, "m10-20l10 25a29 25 19 25 180-180"},                                   // rho
    {0x3C3, 59, "A27 25 19 25 0 360m27 50l54 50"},                                     // sigma
    {0x3C4, 46, "m5 50l41 50m23 50l23 0"},                                             // tau
    {0x3C6, 64, "A32 25 24 25 0 360m32 70l32-20"},                                     // phi
    {0x3C7, 53, "m46 50l8-20m6 50q16 50 20 38l33-8q37-20 47-20"},                      // chi
    {0x3C8, 62, "m9 50l9 27a31 27 22 27 180 360l53 50m31 70l31-20"},                   // psi
    {0x3C9, 63, "m14 50q8 38 8 18a20 18 12 18 180 360l32 34m32 18a44 18 12 18 180 360q56 38 50 50"}, // omega
    {0x2013, 56, "m4 27l52 27"},                                                       // en dash
    {0x2014, 88, "m4 27l84 27"},                                                       // em dash
    {0x2016, 38, "m12 78l12-20m26 78l26-20"},                                          // norm bars
    {0x2019, 21, "m11 72l8 56"},                                                       // apostrophe
    {0x2026, 70, ".12 4.35 4.58 4"},                                                   // ellipsis
    {0x2032, 24, "m15 74l9 52"},                                                       // prime
    {0x2190, 76, "m70 31l6 31m24 47l6 31l24 15"},                                      // left arrow
    {0x2192, 76, "m6 31l70 31m52 47l70 31l52 15"},                                     // right arrow
    {0x2202, 54, "m11 64q17 72 26 72q45 72 45 30q45 0 26 0A26 22 18 22 270-90"},        // partial
    {0x2207, 62, "m5 70l57 70l31 0l5 70"},                                             // nabla
    {0x2208, 58, "m50 62l31 62a31 33 23 29 90 270l50 4m8 33l48 33"},                   // element of
    {0x2212, 58, "m7 33l51 33"},                                                       // minus
    {0x221A, 48, "m4 33l12 37l23-3l40 76l48 76"},                                      // root
    {0x221E, 76, "m38 33q49 49 57 49q70 49 70 33q70 17 57 17q49 17 38 33q27 49 19 49q6 49 6 33q6 17 19 17q27 17 38 33"},
    {0x2225, 38, "m12 78l12-20m26 78l26-20"},                                          // parallel bars
    {0x2248, 58, "m8 36q18 54 29 42q40 30 50 48m8 14q18 32 29 20q40 8 50 26"},         // almost equal
    {0x2260, 58, "m7 43l51 43m7 23l51 23m42 62l16 4"},                                 // not equal
    {0x2264, 58, "m50 66l8 44l50 22m8 6l50 6"},                                        // at most
    {0x2265, 58, "m8 66l50 44l8 22m8 6l50 6"},                                         // at least
    {0x27E8, 32, "m24 78l9 29l24-20"},                                                 // angle brackets
    {0x27E9, 32, "m8 78l23 29l8-20"},
    {0xFFFD, 56, "m8 0l8 70l48 70l48 0l8 0"},                                          // anything else: a box
};

// Characters that are another one raised (+1) or lowered (-1).
static const struct { unsigned code, base; int shift; } plotp_raised[] = {
    {0xB9, '1', 1}, {0xB2, '2', 1}, {0xB3, '3', 1}, {0x207A, '+', 1}, {0x207B, 0x2212, 1}, {0x1D40, 'T', 1},
    {0x207F, 'n', 1}, {0x2097, 'l', -1}, {0x2C7C, 'j', -1}, {0x1D62, 'i', -1},
};

typedef struct {
    plotp_canvas *c;            // NULL: measure only
    double x, y, scale;         // origin in pixels, pixels per grid unit
    double weight, radius;      // half the pen's width: of the face, of the present character
    double along, raise, size;  // pen position along the line; raise and relative size of super- and subscripts
    double small_x, capital;    // heights in whole pixels, so that horizontal strokes are crisp
    int rotated, blind;         // blind: only add up the advances
    double ux, uy;              // last point on the grid
    plotp_rect ink;
} plotp_pen;

// Grid to pixels. Heights 0, 50 and 70 fall on whole pixels (hinting), what lies between is interpolated.
static void plotp_pen_pixel(const plotp_pen *p, double ux, double uy, double *x, double *y) {
    double v = p->along + ux * p->scale * p->size, h = uy * p->scale * p->size;
    if (p->size >= 1 && uy > 0)
        h = uy <= 50 ? uy / 50 * p->small_x : p->small_x + (uy - 50) / 20 * (p->capital - p->small_x);
    h += p->raise;
    *x = p->rotated ? p->x - h : p->x + v;
    *y = p->rotated ? p->y - v : p->y - h;
}

static void plotp_pen_to(plotp_pen *p, double ux, double uy, int draw, double radius) {
    double x0, y0, x, y;
    plotp_pen_pixel(p, ux, uy, &x, &y);
    if (draw) {
        plotp_pen_pixel(p, p->ux, p->uy, &x0, &y0);
        if (p->c) plotp_stroke(p->c, x0, y0, x, y, radius);
        if (x - radius < p->ink.x0) p->ink.x0 = x - radius;
        if (y - radius < p->ink.y0) p->ink.y0 = y - radius;
        if (x + radius > p->ink.x1) p->ink.x1 = x + radius;
        if (y + radius > p->ink.y1) p->ink.y1 = y + radius;
    }
    p->ux = ux;
    p->uy = uy;
}

static void plotp_pen_arc(plotp_pen *p, const double *a, int joined) {
    double span = a[5] - a[4];
    int i, steps = (int)(fabs(span) / 11) + 2;
    for (i = 0; i <= steps; i++) {
        double t = (a[4] + span * i / steps) * 3.14159265358979 / 180, c = cos(t), s = sin(t);
        double x = a[0] + a[2] * (c < 0 ? -pow(-c, 2 / 2.25) : pow(c, 2 / 2.25));
        double y = a[1] + a[3] * (s < 0 ? -pow(-s, 2 / 2.25) : pow(s, 2 / 2.25));
        plotp_pen_to(p, x, y, i > 0 || joined, p->radius);
        if (i == 0 && !joined) plotp_pen_to(p, x, y, 1, p->radius);
    }
}

static void plotp_pen_glyph(plotp_pen *p, const char *path) {
    while (*path) {
        char command = *path++, *end;
        double a[6];
        int i, count = command == 'q' ? 4 : command == 'a' || command == 'A' ? 6 : 2;
        for (i = 0; i < count; i++) {
            a[i] = (double)strtol(path, &end, 10);
            path = end;
        }
        if (command == 'm') plotp_pen_to(p, a[0], a[1], 0, 0);
        if (command == 'l') plotp_pen_to(p, a[0], a[1], 1, p->radius);
        if (command == 'a' || command == 'A') plotp_pen_arc(p, a, command == 'a');
        if (command == '.') {
            plotp_pen_to(p, a[0], a[1], 0, 0);
            plotp_pen_to(p, a[0], a[1], 1, p->radius * 1.3);
        }
        if (command == 'q') {
            double x = p->ux, y = p->uy;
            for (i = 1; i <= 8; i++) {
                double t = i / 8.0, u = 1 - t;
                plotp_pen_to(p, u * u * x + 2 * u * t * a[0] + t * t * a[2],
                             u * u * y + 2 * u * t * a[1] + t * t * a[3], 1, p->radius);
            }
        }
    }
}

// The next character of a UTF-8 text; a malformed byte counts as one unknown character.
static unsigned plotp_utf8(const char **text) {
    const unsigned char *s = (const unsigned char *)*text;
    int i, more = s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : s[0] >= 0xC0 ? 1 : 0;
    unsigned code = more ? s[0] & (0x3Fu >> more) : s[0] < 0x80 ? s[0] : 0xFFFD;
    for (i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            *text += i;
            return 0xFFFD;
        }
        code = code << 6 | (s[i] & 0x3F);
    }
    *text += more + 1;
    return code;
}

static const plotp_glyph *plotp_find_glyph(unsigned code, int *shift) {
    size_t i, n = sizeof plotp_font / sizeof plotp_font[0];
    if (code >= 0x2080 && code <= 0x2089) {
        *shift = -1;
        code = code - 0x2080 + '0';
    } else if (code == 0x2070 || (code >= 0x2074 && code <= 0x2079)) {
        *shift = 1;
        code = code - 0x2070 + '0';
    }
    for (i = 0; i < sizeof plotp_raised / sizeof plotp_raised[0]; i++) {
        if (plotp_raised[i].code != code) continue;
        *shift = plotp_raised[i].shift;
        code = plotp_raised[i].base;
        break;
    }
    if (code >= ' ' && code <= '~') return &plotp_font[code - ' '];
    for (i = 95; i < n - 1; i++)
        if (plotp_font[i].code == code) break;
    return &plotp_font[i];
}

// Draw (or measure, with canvas NULL) a text from the pen's origin along its baseline; returns the advance.
static double plotp_pen_text(plotp_pen *p, const char *text) {
    int in_group = 0; // +1 inside ^{…}, -1 inside _{…}
    while (*text) {
        const plotp_glyph *g;
        int shift = in_group;
        if (!in_group && (text[0] == '^' || text[0] == '_') && text[1] == '{') {
            in_group = text[0] == '^' ? 1 : -1;
            text += 2;
            continue;
        }
        if (in_group && *text == '}') {
            in_group = 0;
            text++;
            continue;
        }
        g = plotp_find_glyph(plotp_utf8(&text), &shift);
        p->size = shift ? 0.7 : 1;
        p->radius = p->weight * (shift ? 0.85 : 1);
        p->raise = shift > 0 ? p->capital - 22 * p->scale : shift < 0 ? -15 * p->scale : 0;
        if (!p->blind) plotp_pen_glyph(p, g->path);
        p->along += g->advance * p->scale * p->size;
    }
    return p->along;
}

static plotp_pen plotp_pen_at(plotp_canvas *c, double x, double y, double size, double weight, int rotated) {
    plotp_pen p;
    memset(&p, 0, sizeof p);
    p.c = c;
    p.scale = size / 100;
    p.weight = p.radius = plotp_clamp(weight * size / 2, 0.42, 1e9);
    p.small_x = floor(50 * p.scale + 0.5);
    p.capital = floor(70 * p.scale + 0.5);
    p.rotated = rotated;
    p.x = x;
    p.y = y;
    p.ink.x0 = p.ink.y0 = 1e9;
    p.ink.x1 = p.ink.y1 = -1e9;
    return p;
}

static double plotp_text_width(const char *text, double size) {
    plotp_pen p = plotp_pen_at(NULL, 0, 0, size, 0.088, 0);
    p.blind = 1;
    return plotp_pen_text(&p, text);
}

typedef enum { PLOTP_REGULAR, PLOTP_BOLD, PLOTP_VERTICAL } plotp_face;

// Draw a text so that the point (x,y) lies at the fraction `align` (0 left, 0.5 middle, 1 right) of its length and
// half-way up its capitals, and note its box for plot_check.
static void plotp_text(plot_figure *fig, double x, double y, const char *text, double size, double align,
                       plotp_face face, int rgb) {
    double weight = face == PLOTP_BOLD ? 0.112 : 0.088, width = plotp_text_width(text, size);
    double drop = 0.5 * floor(0.7 * size + 0.5);
    int rotated = face == PLOTP_VERTICAL;
    plotp_pen p = plotp_pen_at(&fig->canvas, x - align * width, y + drop, size, weight, rotated);
    plotp_box *box;
    if (rotated) {
        p.x = floor(x + drop + 0.5) - p.radius;
        p.y = y + align * width;
    } else {
        p.y = floor(p.y + 0.5) - p.radius; // the lower edge of the letters falls between two rows of pixels
    }
    plotp_pen_text(&p, text);
    plotp_paint(&fig->canvas, rgb, 1, 0);
    if (p.ink.x1 < p.ink.x0) return; // nothing but blanks
    if (!plotp_grow(fig, (void **)&fig->boxes, fig->box_count, &fig->box_room, sizeof *fig->boxes)) return;
    box = &fig->boxes[fig->box_count++];
    box->r = p.ink;
    memset(box->text, 0, sizeof box->text);
    strncpy(box->text, text, sizeof box->text - 1);
}

// Shorten a text in its buffer until it fits, with an ellipsis at the cut.
static void plotp_shorten(char *text, double size, double width) {
    static const char ellipsis[] = "\xe2\x80\xa6";
    size_t n = strlen(text);
    if (plotp_text_width(text, size) <= width) return;
    width -= plotp_text_width(ellipsis, size);
    while (n > 0 && plotp_text_width(text, size) > width) {
        do n--;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80);
        text[n] = 0;
    }
    while (n > 0 && text[n - 1] == ' ') text[--n] = 0;
    if (width > 0) memcpy(text + n, ellipsis, sizeof ellipsis);
    else text[0] = 0;
}

// A title: up to three lines that fit a width, wrapped at blanks, then set smaller, then shortened.
typedef struct { char line[3][3 * PLOTP_TEXT]; int n; double size; } plotp_block;

// Break the text into lines; returns 0 when it needs more than three or a word is too long.
static int plotp_wrap(plotp_block *b, const char *text, double width) {
    int fits = 1;
    b->n = 0;
    while (*text && b->n < 3) {
        char *line = b->line[b->n];
        size_t end = 0, good = 0, room = sizeof b->line[0] - 4;
        for (;;) { // good: the longest run of whole words that fits
            size_t word = end + strcspn(text + end, " \n");
            if (word > room) word = room;
            memcpy(line, text, word);
            line[word] = 0;
            if (good && plotp_text_width(line, b->size) > width && b->n < 2) break; // the third line takes all the rest
            good = word;
            end = word + 1;
            if (text[word] != ' ' || end >= room) break;
        }
        line[good] = 0;
        if (plotp_text_width(line, b->size) > width) fits = 0;
        text += good + (text[good] != 0);
        b->n++;
    }
    return fits && !*text;
}

static double plotp_line_step(const plotp_block *b) {
    return 1.16 * b->size + 1.5;
}

static double plotp_block_height(const plotp_block *b) {
    return b->n * plotp_line_step(b);
}

static plotp_block plotp_block_fit(const char *text, double size, double width, double height) {
    plotp_block b;
    int i;
    memset(&b, 0, sizeof b);
    if (!text || !text[0]) return b;
    for (b.size = size; b.size > 0.7 * size; b.size *= 0.94)
        if (plotp_wrap(&b, text, width) && plotp_block_height(&b) <= height) return b;
    plotp_wrap(&b, text, width);
    while (b.n > 0 && plotp_block_height(&b) > height) b.n--;
    for (i = 0; i < b.n; i++) plotp_shorten(b.line[i], b.size, width);
    return b;
}

// Draw centred at x, below y.
static void plotp_block_draw(plot_figure *fig, const plotp_block *b, double x, double y, plotp_face face, int rgb) {
    int i;
    for (i = 0; i < b->n; i++)
        plotp_text(fig, x, y + (i + 0.5) * plotp_line_step(b), b->line[i], b->size, 0.5, face, rgb);
}

// ------------------------------------------------------------------------------------------------ [PLOT:COLOUR]
// Okabe and Ito's palette (2008), distinguishable with any colour vision, without its yellow (too pale for a line on
// white) and with grey for black and Tol's wine red. After eight series the colours return with another dash.
#define PLOTP_PALETTE 8
static const int plotp_palette[PLOTP_PALETTE] = {0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7,
                                                 0xE69F00, 0x56B4E9, 0x555555, 0x882255};
#define PLOTP_INK 0x262626   // texts
#define PLOTP_FRAME 0x555555 // frames and ticks
#define PLOTP_GRID 0xE4E4E4
#define PLOTP_MINOR 0xF2F2F2

// Colour maps as nine points each, interpolated linearly. Viridis and inferno (van der Walt and Smith 2015) rise evenly
// in lightness; the signed map is white at zero (after Brewer's RdBu).
static const int plotp_maps[5][9] = {
    {0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725},
    {0x000004, 0x1F0C48, 0x550F6D, 0x88226A, 0xBA3655, 0xE35933, 0xF98C0A, 0xF9C932, 0xFCFFA4},
    {0x053061, 0x2B72B2, 0x71B1D3, 0xC5DFEC, 0xF7F7F7, 0xFBCCB4, 0xE58267, 0xBB2A34, 0x67001F},
    {0x000000, 0x202020, 0x404040, 0x606060, 0x808080, 0x9F9F9F, 0xBFBFBF, 0xDFDFDF, 0xFFFFFF},
    {0xE4EEF8, 0xCFE1F2, 0xB5D4E9, 0x93C3DF, 0x6DAED5, 0x4B97C9, 0x2F7EBC, 0x1864AA, 0x0A3670}};

static int plotp_map_color(int map, double t) {
    double at = plotp_clamp(t, 0, 1) * 8, f;
    int i = at >= 8 ? 7 : (int)at, k, rgb = 0;
    f = at - i;
    for (k = 16; k >= 0; k -= 8) {
        int a = plotp_maps[map][i] >> k & 255, b = plotp_maps[map][i + 1] >> k & 255;
        rgb |= (int)(a + (b - a) * f + 0.5) << k;
    }
    return rgb;
}

static double plotp_lightness(int rgb) {
    return (0.299 * (rgb >> 16 & 255) + 0.587 * (rgb >> 8 & 255) + 0.114 * (rgb & 255)) / 255;
}

static plot_style plotp_style(int color, plot_dash dash, plot_marker marker, double width, double alpha) {
    plot_style s;
    s.color = color;
    s.dash = dash;
    s.marker = marker;
    s.width = width;
    s.alpha = alpha;
    return s;
}

plot_style plot_solid(int color) {
    return plotp_style(color, PLOT_SOLID, PLOT_NO_MARKER, 0, 0);
}
plot_style plot_dashed(int color) {
    return plotp_style(color, PLOT_DASHED, PLOT_NO_MARKER, 0, 0);
}
plot_style plot_dotted(int color) {
    return plotp_style(color, PLOT_DOTTED, PLOT_NO_MARKER, 0, 0);
}
plot_style plot_marked(int color, plot_marker marker) {
    return plotp_style(color, PLOT_SOLID, marker, 0, 0);
}
plot_style plot_points(int color, plot_marker marker) {
    return plotp_style(color, PLOT_NO_LINE, marker, 0, 0);
}

// The activations by family: one colour a family, one dash a member, so that those of the textbooks are all solid.
static const struct { const char *name; int color; plot_dash dash; } plotp_named[] = {
    {"sigmoid", 0, PLOT_SOLID},    {"hard_sigmoid", 0, PLOT_DASHED}, {"relu", 1, PLOT_SOLID},
    {"relu6", 1, PLOT_DASHED},     {"tanh", 2, PLOT_SOLID},          {"hard_tanh", 2, PLOT_DASHED},
    {"softsign", 2, PLOT_DOTTED},  {"arctan", 2, PLOT_DASHDOT},      {"gelu", 3, PLOT_SOLID},
    {"gelu_tanh", 3, PLOT_DASHED}, {"elu", 4, PLOT_SOLID},           {"selu", 4, PLOT_DASHED},
    {"celu", 4, PLOT_DOTTED},      {"silu", 5, PLOT_SOLID},          {"swish", 5, PLOT_SOLID},
    {"hard_swish", 5, PLOT_DASHED}, {"mish", 5, PLOT_DOTTED},        {"telu", 5, PLOT_DASHDOT},
    {"identity", 6, PLOT_SOLID},   {"softplus", 6, PLOT_DASHED},     {"leaky_relu", 7, PLOT_SOLID},
    {"prelu", 7, PLOT_DASHED}};

plot_style plot_named_style(const char *name) {
    unsigned hash = 0;
    size_t i, n = sizeof plotp_named / sizeof plotp_named[0];
    int color, dash;
    if (!name) name = "";
    for (i = 0; i < n && strcmp(name, plotp_named[i].name); i++) hash = 0;
    for (; i == n && *name; name++) hash = hash * 31 + (unsigned char)*name;
    color = i < n ? plotp_named[i].color : (int)(hash % PLOTP_PALETTE);
    dash = i < n ? (int)plotp_named[i].dash : (int)(hash / PLOTP_PALETTE % 4);
    return plotp_style(PLOT_RGB(0, 0, 0) | plotp_palette[color], (plot_dash)dash, PLOT_NO_MARKER, 0, 0);
}

int plot_named_color(const char *name) {
    return plot_named_style(name).color;
}

// -------------------------------------------------------------------------------------------------- [PLOT:DATA]
// The calls only check and copy; everything is computed when the figure is drawn, so their order does not matter.
plot_figure *plot_figure_create(int width, int height, int rows, int cols, const char *title) {
    plot_figure *fig = (plot_figure *)PLOT_MALLOC(sizeof *fig);
    int i;
    if (!fig) return NULL;
    memset(fig, 0, sizeof *fig);
    fig->user_scale = 1;
    if (width < 64 || height < 64 || width > 16384 || height > 16384 || rows < 1 || cols < 1 || rows > 32 ||
        cols > 32) {
        plotp_fail(fig, "plot_figure_create: expected 64..16384 pixels a side and 1..32 rows and columns, found %dx%d "
                   "pixels, %dx%d panels", width, height, rows, cols);
        return fig;
    }
    fig->width = width;
    fig->height = height;
    fig->rows = rows;
    fig->cols = cols;
    plotp_set_text(fig, &fig->title, title);
    fig->axes = (plot_axes *)plotp_alloc(fig, (size_t)(rows * cols), sizeof *fig->axes);
    for (i = 0; fig->axes && i < rows * cols; i++) {
        plot_axes *ax = &fig->axes[i];
        ax->fig = fig;
        ax->heat_bar = 1;
        ax->x.user_lo = ax->x.user_hi = ax->y.user_lo = ax->y.user_hi = ax->z.user_lo = ax->z.user_hi = NAN;
    }
    return fig;
}

static void plotp_free_axis(plotp_axis *a) {
    PLOT_FREE(a->label);
    plotp_free_texts(a->names, a->name_count);
}

static void plotp_free_axes(plot_axes *ax) {
    int i;
    for (i = 0; i < ax->item_count; i++) {
        PLOT_FREE(ax->items[i].x);
        PLOT_FREE(ax->items[i].y);
        PLOT_FREE(ax->items[i].y2);
        PLOT_FREE(ax->items[i].label);
    }
    PLOT_FREE(ax->items);
    PLOT_FREE(ax->title);
    PLOT_FREE(ax->heat);
    PLOT_FREE(ax->heat_format);
    PLOT_FREE(ax->image);
    PLOT_FREE(ax->legend.entry);
    plotp_free_texts(ax->captions, ax->image_count);
    plotp_free_texts(ax->cells, ax->table_rows * ax->table_cols);
    plotp_free_axis(&ax->x);
    plotp_free_axis(&ax->y);
    plotp_free_axis(&ax->z);
}

static void plotp_free_canvas(plotp_canvas *c) {
    PLOT_FREE(c->rgb);
    PLOT_FREE(c->mask);
    PLOT_FREE(c->ink);
    memset(c, 0, sizeof *c);
}

void plot_figure_free(plot_figure *fig) {
    int i;
    if (!fig) return;
    for (i = 0; fig->axes && i < fig->rows * fig->cols; i++) plotp_free_axes(&fig->axes[i]);
    plotp_free_canvas(&fig->canvas);
    PLOT_FREE(fig->axes);
    PLOT_FREE(fig->title);
    PLOT_FREE(fig->caption);
    PLOT_FREE(fig->legend.entry);
    PLOT_FREE(fig->boxes);
    PLOT_FREE(fig->legend_boxes);
    PLOT_FREE(fig);
}

const char *plot_error(const plot_figure *fig) {
    return fig ? fig->error : plotp_no_memory;
}

// The panel may be changed: it exists and no error is waiting.
static int plotp_ok(plot_axes *ax) {
    if (!ax || ax->fig->error[0]) return 0;
    ax->fig->rendered = 0;
    return 1;
}

static int plotp_fig_ok(plot_figure *fig) {
    if (!fig || fig->error[0]) return 0;
    fig->rendered = 0;
    return 1;
}

void plot_caption(plot_figure *fig, const char *text) {
    if (plotp_fig_ok(fig)) plotp_set_text(fig, &fig->caption, text);
}

void plot_text_scale(plot_figure *fig, double factor) {
    if (!plotp_fig_ok(fig)) return;
    if (factor >= 0.25 && factor <= 4) fig->user_scale = factor;
    else plotp_fail(fig, "plot_text_scale: expected 0.25..4, found %g", factor);
}

void plot_shared_legend(plot_figure *fig) {
    if (plotp_fig_ok(fig)) fig->share = 1;
}

void plot_share_x(plot_figure *fig, plot_share panels) {
    if (plotp_fig_ok(fig)) fig->share_x = panels;
}

void plot_share_y(plot_figure *fig, plot_share panels) {
    if (plotp_fig_ok(fig)) fig->share_y = panels;
}

plot_axes *plot_axes_at(plot_figure *fig, int row, int col) {
    if (!plotp_fig_ok(fig)) return NULL;
    if (row >= 0 && row < fig->rows && col >= 0 && col < fig->cols) return &fig->axes[row * fig->cols + col];
    plotp_fail(fig, "plot_axes_at: expected row 0..%d and column 0..%d, found (%d, %d)", fig->rows - 1, fig->cols - 1,
               row, col);
    return NULL;
}

void plot_labels(plot_axes *ax, const char *title, const char *x_label, const char *y_label) {
    if (!plotp_ok(ax)) return;
    plotp_set_text(ax->fig, &ax->title, title);
    plotp_set_text(ax->fig, &ax->x.label, x_label);
    plotp_set_text(ax->fig, &ax->y.label, y_label);
}

void plot_log_x(plot_axes *ax) {
    if (plotp_ok(ax)) ax->x.log = 1;
}

void plot_log_y(plot_axes *ax) {
    if (plotp_ok(ax)) ax->y.log = 1;
}

void plot_color_log(plot_axes *ax) {
    if (plotp_ok(ax)) ax->z.log = 1;
}

static void plotp_limits(plot_axes *ax, plotp_axis *a, double lo, double hi, const char *call) {
    if (fabs(lo) >= 1e300 || fabs(hi) >= 1e300 || lo == hi) {
        plotp_fail(ax->fig, "%s: expected two different finite limits (NAN = automatic), found %g and %g", call, lo,
                   hi);
        return;
    }
    a->user_lo = lo;
    a->user_hi = hi;
}

void plot_limits_x(plot_axes *ax, double lo, double hi) {
    if (plotp_ok(ax)) plotp_limits(ax, &ax->x, lo, hi, "plot_limits_x");
}

void plot_limits_y(plot_axes *ax, double lo, double hi) {
    if (plotp_ok(ax)) plotp_limits(ax, &ax->y, lo, hi, "plot_limits_y");
}

void plot_color_range(plot_axes *ax, double lo, double hi) {
    if (plotp_ok(ax)) plotp_limits(ax, &ax->z, lo, hi, "plot_color_range");
}

void plot_color_label(plot_axes *ax, const char *text) {
    if (plotp_ok(ax)) plotp_set_text(ax->fig, &ax->z.label, text);
}

void plot_color_bar(plot_axes *ax, int shown) {
    if (plotp_ok(ax)) ax->heat_bar = shown;
}

void plot_legend(plot_axes *ax, plot_legend_place place) {
    if (plotp_ok(ax)) ax->place = place;
}

// An array must be there and have a length that a chart can hold.
static int plotp_array_ok(plot_axes *ax, const void *array, int n, const char *call) {
    if (!plotp_ok(ax)) return 0;
    if (n >= 0 && n <= 50000000 && (array || n == 0)) return 1;
    plotp_fail(ax->fig, "%s: expected an array and 0..50000000 values, found %s and %d", call, array ? "one" : "NULL",
               n);
    return 0;
}

static void plotp_names(plot_axes *ax, plotp_axis *a, const char *const *names, int n, const char *call) {
    if (!plotp_array_ok(ax, names, n, call)) return;
    plotp_free_texts(a->names, a->name_count);
    a->names = plotp_copy_texts(ax->fig, names, n);
    a->name_count = a->names ? n : 0;
}

void plot_names_x(plot_axes *ax, const char *const *names, int n) {
    if (ax) plotp_names(ax, &ax->x, names, n, "plot_names_x");
}

void plot_names_y(plot_axes *ax, const char *const *names, int n) {
    if (ax) plotp_names(ax, &ax->y, names, n, "plot_names_y");
}

// Store one drawable thing; its arrays are copied. Returns NULL when memory is out.
static plotp_item *plotp_add(plot_axes *ax, plotp_kind kind, const double *x, int nx, const double *y, const double *y2,
                             int n, const char *label, plot_style style) {
    plotp_item *item;
    if (!plotp_grow(ax->fig, (void **)&ax->items, ax->item_count, &ax->item_room, sizeof *ax->items)) return NULL;
    item = &ax->items[ax->item_count++];
    memset(item, 0, sizeof *item);
    if (style.color == PLOT_AUTO) style.color = ax->next_color;
    if (style.color < 0x1000000 && style.color >= ax->next_color) ax->next_color = style.color + 1;
    item->rgb = style.color & 0xFFFFFF;
    if (style.color < 0x1000000) {
        int number = style.color < 0 ? 0 : style.color;
        item->rgb = plotp_palette[number % PLOTP_PALETTE];
        if (style.dash == PLOT_SOLID) style.dash = (plot_dash)(number / PLOTP_PALETTE % 4);
    }
    if ((int)style.dash < 0 || style.dash > PLOT_NO_LINE) style.dash = PLOT_SOLID;
    if (!(style.width > 0 && style.width < 100)) style.width = 2.4;
    if (!(style.alpha > 0 && style.alpha <= 1)) style.alpha = 1;
    item->kind = kind;
    item->style = style;
    item->n = n;
    item->x = plotp_copy(ax->fig, x, nx);
    item->y = plotp_copy(ax->fig, y, n);
    if (y2) item->y2 = plotp_copy(ax->fig, y2, n);
    plotp_set_text(ax->fig, &item->label, label);
    return ax->fig->error[0] ? NULL : item;
}

void plot_line(plot_axes *ax, const double *x, const double *y, int n, const char *label, plot_style style) {
    if (plotp_array_ok(ax, y, n, "plot_line")) plotp_add(ax, PLOTP_LINE, x, n, y, NULL, n, label, style);
}

void plot_scatter(plot_axes *ax, const double *x, const double *y, int n, const char *label, plot_style style) {
    style.dash = PLOT_NO_LINE;
    if (style.marker == PLOT_NO_MARKER) style.marker = PLOT_CIRCLE;
    if (plotp_array_ok(ax, y, n, "plot_scatter")) plotp_add(ax, PLOTP_LINE, x, n, y, NULL, n, label, style);
}

void plot_band(plot_axes *ax, const double *x, const double *lo, const double *hi, int n, const char *label,
               plot_style style) {
    if (plotp_array_ok(ax, lo, n, "plot_band") && plotp_array_ok(ax, hi, n, "plot_band"))
        plotp_add(ax, PLOTP_BAND, x, n, lo, hi, n, label, style);
}

void plot_mean_std(plot_axes *ax, const double *x, const double *mean, const double *std, int n, const char *label,
                   plot_style style) {
    plotp_item *band;
    int i;
    if (!plotp_array_ok(ax, mean, n, "plot_mean_std") || !plotp_array_ok(ax, std, n, "plot_mean_std")) return;
    if (style.color == PLOT_AUTO) style.color = ax->next_color;
    band = plotp_add(ax, PLOTP_BAND, x, n, mean, std, n, NULL, plot_solid(style.color));
    for (i = 0; band && i < n; i++) {
        band->y[i] = mean[i] - std[i];
        band->y2[i] = mean[i] + std[i];
    }
    plot_line(ax, x, mean, n, label, style);
}

void plot_smooth(plot_axes *ax, const double *x, const double *y, int n, int window, const char *label,
                 plot_style style) {
    plotp_item *item;
    if (!plotp_array_ok(ax, y, n, "plot_smooth")) return;
    item = plotp_add(ax, PLOTP_SMOOTH, x, n, y, NULL, n, label, style);
    if (item) item->window = window > 0 ? window : n / 50 + 1;
}

void plot_hline(plot_axes *ax, double y, const char *label, plot_style style) {
    if (plotp_ok(ax)) plotp_add(ax, PLOTP_HLINE, NULL, 1, &y, NULL, 1, label, style);
}

void plot_bars(plot_axes *ax, const char *const *names, const double *values, const double *err, int n,
               const char *label, plot_style style) {
    plotp_item *item;
    if (!plotp_array_ok(ax, values, n, "plot_bars")) return;
    if (names) plotp_names(ax, &ax->x, names, n, "plot_bars");
    item = plotp_add(ax, PLOTP_BARS, NULL, n, values, err, n, label, style);
    if (item) item->window = ax->bar_groups++; // which bar of each group
}

// A format must print one double and nothing else: %[flags][width][.precision] and one of e f g.
static void plotp_set_format(plot_axes *ax, char **to, const char *format, const char *call) {
    const char *p = format ? strchr(format, '%') : NULL, *end = p;
    if (!plotp_ok(ax)) return;
    if (p) end = p + 1 + strspn(p + 1, "+-# 0123456789.");
    if (p && *end && strchr("eEfFgG", *end) && !strchr(end, '%') && strlen(format) < 40 && end - p < 8)
        plotp_set_text(ax->fig, to, format);
    else plotp_fail(ax->fig, "%s: expected a format for one double such as \"%%.1f\", found \"%s\"", call,
                    format ? format : "(NULL)");
}

void plot_hist_counts(plot_axes *ax, const double *edges, const double *counts, int bins, const char *label,
                      plot_style style) {
    if (!plotp_array_ok(ax, counts, bins, "plot_hist_counts") ||
        !plotp_array_ok(ax, edges, bins + 1, "plot_hist_counts"))
        return;
    plotp_add(ax, PLOTP_HIST, edges, bins + 1, counts, NULL, bins, label, style);
}

void plot_heatmap(plot_axes *ax, const double *values, int rows, int cols, plot_map map) {
    if (!plotp_ok(ax)) return;
    if (!values || rows < 1 || cols < 1 || rows > 50000000 / cols || (int)map < 0 || map > PLOT_BLUES) {
        plotp_fail(ax->fig, "plot_heatmap: expected values, rows and columns of at least 1 and a known map, found %s, "
                   "%dx%d, map %d", values ? "values" : "NULL", rows, cols, (int)map);
        return;
    }
    PLOT_FREE(ax->heat);
    ax->heat = plotp_copy(ax->fig, values, rows * cols);
    ax->heat_rows = rows;
    ax->heat_cols = cols;
    ax->heat_map = (int)map;
    if (ax->has_extent) return;
    plot_heatmap_extent(ax, -0.5, cols - 0.5, -0.5, rows - 0.5);
    ax->has_extent = 0; // the caller gave none: row 0 on top
}

void plot_heatmap_extent(plot_axes *ax, double x0, double x1, double y0, double y1) {
    if (!plotp_ok(ax)) return;
    if (!plotp_finite(x0) || !plotp_finite(x1) || !plotp_finite(y0) || !plotp_finite(y1) || x0 == x1 || y0 == y1) {
        plotp_fail(ax->fig, "plot_heatmap_extent: expected finite x0 != x1 and y0 != y1, found %g, %g and %g, %g", x0,
                   x1, y0, y1);
        return;
    }
    ax->extent[0] = x0;
    ax->extent[1] = x1;
    ax->extent[2] = y0;
    ax->extent[3] = y1;
    ax->has_extent = 1;
}

void plot_heatmap_values(plot_axes *ax, const char *format) {
    if (ax) plotp_set_format(ax, &ax->heat_format, format, "plot_heatmap_values");
}

void plot_heatmap_square(plot_axes *ax) {
    if (plotp_ok(ax)) ax->heat_square = 1;
}

void plot_heatmap_hide_zeros(plot_axes *ax) {
    if (plotp_ok(ax)) ax->heat_hide_zeros = 1;
}

void plot_contour(plot_axes *ax, double level, const char *label, plot_style style) {
    if (plotp_ok(ax)) plotp_add(ax, PLOTP_CONTOUR, NULL, 1, &level, NULL, 1, label, style);
}

void plot_images(plot_axes *ax, const double *pixels, int count, int channels, int height, int width, double lo,
                 double hi, int columns, const char *const *captions) {
    if (!plotp_ok(ax)) return;
    if (!pixels || count < 1 || (channels != 1 && channels != 3) || height < 1 || width < 1 || height > 4096 ||
        width > 4096 || count > 50000000 / (channels * height * width)) {
        plotp_fail(ax->fig,
                   "plot_images: expected pixels, a count, 1 or 3 channels and 1..4096 pixels a side, found %s, "
                   "%d, %d channels, %dx%d",
                   pixels ? "pixels" : "NULL", count, channels, height, width);
        return;
    }
    PLOT_FREE(ax->image);
    plotp_free_texts(ax->captions, ax->image_count);
    ax->image = plotp_copy(ax->fig, pixels, count * channels * height * width);
    ax->captions = captions ? plotp_copy_texts(ax->fig, captions, count) : NULL;
    ax->image_count = count;
    ax->image_channels = channels;
    ax->image_h = height;
    ax->image_w = width;
    ax->image_lo = lo;
    ax->image_hi = hi;
    ax->image_cols = columns > 0 && columns <= count ? columns : 0;
}

void plot_table(plot_axes *ax, const char *const *cells, int rows, int cols) {
    if (!plotp_ok(ax)) return;
    if (!cells || rows < 1 || cols < 1 || rows > 1000 || cols > 100) {
        plotp_fail(ax->fig, "plot_table: expected texts, 1..1000 rows and 1..100 columns, found %s, %dx%d",
                   cells ? "texts" : "NULL", rows, cols);
        return;
    }
    plotp_free_texts(ax->cells, ax->table_rows * ax->table_cols);
    ax->cells = plotp_copy_texts(ax->fig, cells, rows * cols);
    ax->table_rows = rows;
    ax->table_cols = cols;
}

// ------------------------------------------------------------------------------------------------- [PLOT:SCALE]
// A scale maps a value to 0..1 along its axis, linearly or in logarithms. Ticks stand at 1, 2 or 5 times a power of
// ten, as close as their labels allow; a log axis has them at powers of ten.
static int plotp_visible(const plotp_axis *a, double v) {
    return plotp_finite(v) && (!a->log || v > 0);
}

static double plotp_position(const plotp_axis *a, double v) {
    if (a->log) return (log10(v) - log10(a->lo)) / (log10(a->hi) - log10(a->lo));
    return (v - a->lo) / (a->hi - a->lo);
}

static double plotp_value(const plotp_axis *a, double t) { // the inverse
    if (a->log) return pow(10, log10(a->lo) + t * (log10(a->hi) - log10(a->lo)));
    return a->lo + t * (a->hi - a->lo);
}

static void plotp_extend(plotp_axis *a, double v) {
    if (!plotp_visible(a, v)) return;
    if (v < a->lo) a->lo = v;
    if (v > a->hi) a->hi = v;
}

// From the extent of the data (lo > hi: there is none) to what the axis shows.
static void plotp_finish_range(plotp_axis *a, double pad, int keep_zero) {
    double lo = a->lo, hi = a->hi, room;
    if (lo > hi) {
        lo = a->log ? 1 : 0;
        hi = a->log ? 10 : 1;
    } else if (a->log) {
        double grow = lo < hi ? pow(10, pad * (log10(hi) - log10(lo))) : sqrt(10.0);
        lo = lo / grow > 0 ? lo / grow : lo;
        hi *= grow;
    } else {
        double size = fabs(lo) > fabs(hi) ? fabs(lo) : fabs(hi);
        room = hi - lo > 1e-10 * size && hi - lo > 1e-290 ? pad * (hi - lo) : size > 1e-280 ? 0.1 * size : 1;
        if (!(keep_zero && a->lo == 0)) lo -= room;
        if (!(keep_zero && a->hi == 0)) hi += room;
    }
    if (a->user_lo == a->user_lo) lo = a->user_lo;
    if (a->user_hi == a->user_hi) hi = a->user_hi;
    if (lo >= hi && a->user_hi != a->user_hi) hi = a->log ? lo * 10 : lo + (fabs(lo) > 1 ? fabs(lo) : 1);
    if (lo >= hi && a->user_lo != a->user_lo) lo = a->log ? hi / 10 : hi - (fabs(hi) > 1 ? fabs(hi) : 1);
    a->lo = lo;
    a->hi = hi;
}

static void plotp_range_item(plot_axes *ax, const plotp_item *item) {
    int i;
    for (i = 0; i < item->n; i++) {
        double x = item->x[i], y = item->y[i];
        int x_ok = plotp_visible(&ax->x, x), y_ok = plotp_visible(&ax->y, y);
        if (item->kind == PLOTP_BAND) y_ok = y_ok || plotp_visible(&ax->y, item->y2[i]);
        if (item->kind == PLOTP_BARS || item->kind == PLOTP_HIST) y_ok = plotp_finite(y);
        if (item->kind == PLOTP_HLINE) x_ok = 1; // a line across has no x of its own
        if (x != x) continue; // the pen is lifted
        if (!plotp_finite(x) || (!y_ok && !(y <= 0 && plotp_finite(y)))) ax->has_lost = 1;
        else if (!x_ok || !y_ok) ax->has_nonpositive = 1;
        if (item->kind == PLOTP_LINE || item->kind == PLOTP_SMOOTH || item->kind == PLOTP_BAND) {
            if (x_ok && x != floor(x)) ax->x.whole = 0;
            plotp_extend(&ax->x, x);
            if (!x_ok || !y_ok) continue;
        }
        if (item->kind == PLOTP_CONTOUR) continue;
        plotp_extend(&ax->y, y);
        if (item->kind == PLOTP_BAND) plotp_extend(&ax->y, item->y2[i]);
        if (item->kind == PLOTP_BARS && item->y2 && plotp_finite(item->y2[i])) {
            plotp_extend(&ax->y, y + item->y2[i]);
            plotp_extend(&ax->y, y - item->y2[i]);
        }
    }
    if (item->kind == PLOTP_BARS) {
        plotp_extend(&ax->x, -0.6);
        plotp_extend(&ax->x, item->n - 0.4);
    }
    for (i = 0; item->kind == PLOTP_HIST && i <= item->n; i++) plotp_extend(&ax->x, item->x[i]);
    if (item->kind == PLOTP_BARS || item->kind == PLOTP_HIST) plotp_extend(&ax->y, 0);
}

static void plotp_range_colors(plot_axes *ax) {
    int i, n = ax->heat ? ax->heat_rows * ax->heat_cols : 0;
    ax->z.lo = DBL_MAX;
    ax->z.hi = -DBL_MAX;
    for (i = 0; i < n; i++) plotp_extend(&ax->z, ax->heat[i]);
    if (ax->heat_map == PLOT_SIGNED && !ax->z.log && ax->z.lo <= ax->z.hi) {
        double most = fabs(ax->z.lo) > fabs(ax->z.hi) ? fabs(ax->z.lo) : fabs(ax->z.hi);
        ax->z.lo = -most;
        ax->z.hi = most;
    }
    plotp_finish_range(&ax->z, 0, 0);
}

static void plotp_ranges(plot_axes *ax) {
    plotp_axis *both[2];
    int i, k, bars = 0;
    both[0] = &ax->x;
    both[1] = &ax->y;
    for (k = 0; k < 2; k++) {
        both[k]->lo = DBL_MAX;
        both[k]->hi = -DBL_MAX;
        both[k]->whole = k == 0;
        for (i = 0; i < both[k]->name_count; i++) plotp_extend(both[k], i);
    }
    ax->has_nonpositive = 0;
    for (i = 0; i < ax->item_count; i++) {
        plotp_range_item(ax, &ax->items[i]);
        bars |= ax->items[i].kind == PLOTP_BARS || ax->items[i].kind == PLOTP_HIST;
    }
    for (k = 0; ax->heat && k < 4; k++) plotp_extend(both[k / 2], ax->extent[k]);
    ax->is_empty = ax->y.lo > ax->y.hi;
    plotp_finish_range(&ax->x, ax->heat ? 0 : ax->bar_groups ? 0 : 0.025, 0);
    plotp_finish_range(&ax->y, ax->heat ? 0 : 0.05, bars);
    if (ax->heat && !ax->has_extent && ax->y.user_lo != ax->y.user_lo) { // like a matrix: row 0 on top
        double lo = ax->y.lo;
        ax->y.lo = ax->y.hi;
        ax->y.hi = lo;
    }
    plotp_range_colors(ax);
    for (k = 0; k < 3; k++) {
        const plotp_axis *a = k < 2 ? both[k] : &ax->z;
        if (a->log && (a->lo <= 0 || a->hi <= 0))
            plotp_fail(ax->fig, "limits of a log axis: expected positive numbers, found %g and %g; use a linear axis",
                       a->lo, a->hi);
    }
}

static int plotp_is_user(const plotp_axis *a) {
    return a->user_lo == a->user_lo || a->user_hi == a->user_hi;
}

// Give the axes of all panels that share with panel i the union of their ranges.
static void plotp_share_range(plot_figure *fig, int i, plot_share share, int is_y) {
    int j, pass, n = fig->rows * fig->cols;
    double lo = DBL_MAX, hi = -DBL_MAX;
    for (pass = 0; pass < 2; pass++) {
        for (j = 0; j < n; j++) {
            plot_axes *ax = &fig->axes[j];
            plotp_axis *a = is_y ? &ax->y : &ax->x, *first = is_y ? &fig->axes[i].y : &fig->axes[i].x;
            if (share == PLOT_SHARE_ROW && j / fig->cols != i / fig->cols) continue;
            if (share == PLOT_SHARE_COLUMN && j % fig->cols != i % fig->cols) continue;
            if (ax->image || ax->cells || ax->is_empty || a->log != first->log || a->lo > a->hi) continue;
            if (pass == 0 && a->lo < lo) lo = a->lo;
            if (pass == 0 && a->hi > hi) hi = a->hi;
            if (pass == 0 || plotp_is_user(a)) continue;
            a->lo = lo;
            a->hi = hi;
        }
    }
}

static void plotp_share_ranges(plot_figure *fig) {
    int i;
    for (i = 0; i < fig->rows * fig->cols; i++) {
        if (fig->share_x) plotp_share_range(fig, i, fig->share_x, 0);
        if (fig->share_y) plotp_share_range(fig, i, fig->share_y, 1);
    }
}

// A number as a chart writes it: a true minus sign, no exponent.
static void plotp_format(char *to, double v, int decimals) {
    char digits[48];
    snprintf(digits, sizeof digits, "%.*f", decimals, fabs(v));
    snprintf(to, PLOTP_TEXT, "%s%s", v < 0 && strspn(digits, "0.") < strlen(digits) ? "\xe2\x88\x92" : "", digits);
}

// A value by the caller's printf format, with a true minus sign and no "-0.0".
static void plotp_format_value(char *to, const char *format, double v) {
    char text[PLOTP_TEXT - 8];
    const char *digits = text;
    snprintf(text, sizeof text, format, v);
    if (text[0] == '-') digits++;
    if (v != v) snprintf(to, PLOTP_TEXT, "NaN");
    else
        snprintf(to, PLOTP_TEXT, "%s%s", digits != text && strpbrk(digits, "123456789i") ? "\xe2\x88\x92" : "", digits);
}

static void plotp_format_power(char *to, int e) {
    snprintf(to, PLOTP_TEXT, "10^{%s%d}", e < 0 ? "\xe2\x88\x92" : "", abs(e));
}

static void plotp_add_tick(plotp_axis *a, double v) {
    if (a->tick_count < PLOTP_MAX_TICKS) a->tick[a->tick_count++] = v;
}

static double plotp_nice_step(double least) {
    double p = pow(10, floor(log10(least))), m = least / p;
    return (m <= 1 + 1e-9 ? 1 : m <= 2 + 1e-9 ? 2 : m <= 5 + 1e-9 ? 5 : 10) * p;
}

static void plotp_linear_ticks(plotp_axis *a, int most) {
    double lo = a->lo < a->hi ? a->lo : a->hi, hi = a->lo < a->hi ? a->hi : a->lo, k;
    double size = fabs(lo) > fabs(hi) ? fabs(lo) : fabs(hi), step = plotp_nice_step(hi / most - lo / most), unit;
    int i, decimals;
    while (floor(hi / step + 1e-6) - ceil(lo / step - 1e-6) < 1 && most < 20) { // at least two ticks
        most++;
        step = plotp_nice_step(hi / most - lo / most);
    }
    if (a->whole && step < 1) step = 1;
    a->exponent = size >= 1e6 || size < 1e-3 ? (int)floor(log10(size) + 1e-9) : 0;
    unit = pow(10, a->exponent);
    decimals = (int)plotp_clamp(-floor(log10(step / unit) + 1e-6), 0, 17);
    for (k = ceil(lo / step - 1e-6); k <= hi / step + 1e-6 && a->tick_count < PLOTP_MAX_TICKS; k++) {
        plotp_add_tick(a, k * step);
        plotp_format(a->tick_label[a->tick_count - 1], k * step / unit, decimals);
    }
    for (i = 0; a->whole && i < a->tick_count; i++) // labels of whole numbers need no decimals
        if (!a->exponent) plotp_format(a->tick_label[i], a->tick[i], 0);
}

// Powers of ten; within one decade also 2 and 5 times, or else plain linear ticks.
static void plotp_log_ticks(plotp_axis *a, int most) {
    static const int strides[] = {1, 2, 3, 5, 10, 20, 50, 100, 200};
    double lo = a->lo < a->hi ? a->lo : a->hi, hi = a->lo < a->hi ? a->hi : a->lo;
    int first = (int)ceil(log10(lo) - 1e-9), last = (int)floor(log10(hi) + 1e-9), e, m, s = 0, stride;
    while (s < 8 && (last - first) / strides[s] + 1 > most) s++;
    stride = strides[s];
    for (e = first - 1; e <= last; e++) {
        int is_tick = e >= first && e % stride == 0;
        for (m = 1; m < 10 && a->minor_count < PLOTP_MAX_TICKS * 2; m++) {
            double v = m * pow(10, e);
            if (m == 1 && is_tick) {
                plotp_add_tick(a, v);
                plotp_format_power(a->tick_label[a->tick_count - 1], e);
            } else if (v >= lo && v <= hi && (stride == 1 || m == 1)) {
                a->minor[a->minor_count++] = v;
            }
        }
    }
    if (a->tick_count >= 2 && last > first) return;
    a->tick_count = a->minor_count = 0;
    for (e = first - 1; e <= last; e++) {
        for (m = 1; m < 10; m++) {
            double v = m * pow(10, e);
            if (v < lo || v > hi) continue;
            if (m != 1 && m != 2 && m != 5) {
                a->minor[a->minor_count++] = v;
                continue;
            }
            plotp_add_tick(a, v);
            if (e >= -3 && e < 5) plotp_format(a->tick_label[a->tick_count - 1], v, e < 0 ? -e : 0);
            else snprintf(a->tick_label[a->tick_count - 1], PLOTP_TEXT, "%d\xc2\xb7" "10^{%s%d}", m,
                          e < 0 ? "\xe2\x88\x92" : "", abs(e));
        }
    }
    if (a->tick_count >= 2 && a->tick_count <= most) return;
    a->tick_count = a->minor_count = 0;
    plotp_linear_ticks(a, most);
}

// Names in place of numbers, shortened to `width`; every k-th if they are too many.
static void plotp_name_ticks(plotp_axis *a, int most, double size, double width) {
    int i, step = (a->name_count + most - 1) / most;
    for (i = 0; i < a->name_count; i += step) {
        char *label;
        plotp_add_tick(a, i);
        label = a->tick_label[a->tick_count - 1];
        plotp_take(label, a->names[i]);
        plotp_shorten(label, size, width);
    }
}

static void plotp_clear_ticks(plotp_axis *a) {
    a->tick_count = a->minor_count = a->exponent = 0;
}

static double plotp_widest_tick(const plotp_axis *a, double size) {
    double most = 0;
    int i;
    for (i = 0; i < a->tick_count; i++) {
        double w = plotp_text_width(a->tick_label[i], size);
        if (w > most) most = w;
    }
    return most;
}

// Do the labels of a horizontal axis of this length stand clear of each other?
static int plotp_ticks_fit(const plotp_axis *a, double length, double size) {
    double end = -1e9;
    int i, turned = a->lo > a->hi;
    for (i = 0; i < a->tick_count; i++) {
        int k = turned ? a->tick_count - 1 - i : i;
        double half = plotp_text_width(a->tick_label[k], size) / 2, x = plotp_position(a, a->tick[k]) * length;
        if (x - half < end + 0.7 * size) return 0;
        end = x + half;
    }
    return 1;
}

// Ticks of a vertical axis of `length` pixels; labels of names may take `width`.
static void plotp_ticks_y(plotp_axis *a, double length, double size, double width) {
    int most = (int)plotp_clamp(length / (size * 2.1), 2, 9);
    plotp_clear_ticks(a);
    if (a->name_count) plotp_name_ticks(a, (int)plotp_clamp(length / (size * 1.15), 1, 60), size, width);
    else if (a->log) plotp_log_ticks(a, (int)plotp_clamp(length / (size * 1.9), 2, 12));
    else plotp_linear_ticks(a, most);
}

// Ticks of a horizontal axis: as many as fit; long names are turned upright and may then be `height` long.
static void plotp_ticks_x(plotp_axis *a, double length, double size, double height) {
    int most;
    a->rotated = 0;
    for (most = (int)plotp_clamp(length / (size * 3), 2, 11); most >= 1; most--) {
        plotp_clear_ticks(a);
        if (a->name_count) plotp_name_ticks(a, 60, size, 0.4 * length);
        else if (a->log) plotp_log_ticks(a, most);
        else plotp_linear_ticks(a, most);
        if (plotp_ticks_fit(a, length, size)) return;
        if (a->name_count) break;
    }
    if (!a->name_count) return;
    plotp_clear_ticks(a);
    plotp_name_ticks(a, (int)plotp_clamp(length / (size * 1.2), 1, 60), size, height);
    a->rotated = 1;
}

// The label of an axis with the power of ten that its tick labels leave out. When it is longer than `room` the words
// are shortened, never the power.
static void plotp_axis_title(const plot_axes *ax, const plotp_axis *a, double size, double room, char *to) {
    char power[64], number[PLOTP_TEXT];
    to[0] = power[0] = 0;
    if (ax->fig->cramped >= 1) return;
    if (a->label) plotp_take(to, a->label);
    if (a->exponent && a->tick_count) {
        plotp_format_power(number, a->exponent);
        snprintf(power, sizeof power, "%s(\xc3\x97%.40s)", to[0] ? "  " : "", number);
    }
    to[PLOTP_TEXT - 8 - sizeof power] = 0;
    plotp_shorten(to, size, room - plotp_text_width(power, size));
    strcat(to, power);
}

static int plotp_has_title(const plot_axes *ax, const plotp_axis *a) {
    return ax->fig->cramped < 1 && ((a->label && a->label[0]) || (a->exponent && a->tick_count));
}

// ------------------------------------------------------------------------------------------------ [PLOT:LAYOUT]
// First all texts are measured, then the axes get what room is left. Panels of one column share their left and right
// margins, panels of one row their upper and lower ones, so that the axes line up. When too little room is left for
// the data, every text is set smaller and the figure measured again.
#define PLOTP_SIZE_TICK 17.0
#define PLOTP_SIZE_LABEL 18.5
#define PLOTP_SIZE_TITLE 20.5
#define PLOTP_SIZE_LEGEND 17.0
#define PLOTP_SIZE_FIGURE 25.0

static int plotp_is_chart(const plot_axes *ax) {
    return !ax->image && !ax->cells;
}

static double plotp_bar_space(const plot_axes *ax, double s) { // the colour bar with all its texts
    if (!ax->heat || !ax->heat_bar) return 0;
    return (14 + 18 + 12) * s + plotp_widest_tick(&ax->z, PLOTP_SIZE_TICK * s) +
           (plotp_has_title(ax, &ax->z) ? PLOTP_SIZE_LABEL * 1.5 * s : 0);
}

static plotp_block plotp_panel_title(const plot_axes *ax) {
    double s = ax->fig->scale;
    return plotp_block_fit(ax->fig->cramped < 3 ? ax->title : NULL, PLOTP_SIZE_TITLE * s,
                           ax->cell.x1 - ax->cell.x0 - 18 * s, 0.35 * (ax->cell.y1 - ax->cell.y0));
}

// Margins of one panel whose axes would be w x h pixels.
static void plotp_measure(plot_axes *ax, double w, double h, double s) {
    double tick = PLOTP_SIZE_TICK * s, label = PLOTP_SIZE_LABEL * s, pad = 9 * s, half;
    double cell_w = ax->cell.x1 - ax->cell.x0, cell_h = ax->cell.y1 - ax->cell.y0;
    plotp_block title = plotp_panel_title(ax);
    double *m = ax->margin;
    m[0] = m[2] = m[3] = pad;
    m[1] = title.n ? plotp_block_height(&title) + pad * 1.5 : pad;
    if (!plotp_is_chart(ax)) return;
    plotp_ticks_x(&ax->x, w, tick, cell_h * 0.3);
    plotp_ticks_y(&ax->y, h, tick, cell_w * 0.3);
    if (ax->heat && ax->heat_bar) plotp_ticks_y(&ax->z, h, tick, 0);
    if (ax->fig->cramped >= 2) ax->x.tick_count = ax->y.tick_count = ax->z.tick_count = 0;
    m[0] += plotp_widest_tick(&ax->y, tick) + 11 * s + (plotp_has_title(ax, &ax->y) ? label * 1.5 : 0);
    m[3] += 11 * s + (ax->x.rotated ? plotp_widest_tick(&ax->x, tick) : tick);
    if (plotp_has_title(ax, &ax->x)) m[3] += label * 1.45;
    if (m[1] < tick) m[1] = tick; // the topmost label of the y axis reaches half its height above the axes
    m[2] += plotp_bar_space(ax, s) + (ax->legend_outside ? ax->legend.w + 10 * s : 0);
    half = ax->x.rotated || !ax->x.tick_count ? 0 : plotp_widest_tick(&ax->x, tick) / 2 + 2;
    if (m[2] < half) m[2] = half;
    if (m[0] < half) m[0] = half;
}

// Make the cells of a heatmap square by shrinking the axes, centred.
static void plotp_square(plot_axes *ax) {
    double w = ax->rect.x1 - ax->rect.x0, h = ax->rect.y1 - ax->rect.y0, cell, dx, dy;
    if (!ax->heat || !ax->heat_square) return;
    cell = w / ax->heat_cols < h / ax->heat_rows ? w / ax->heat_cols : h / ax->heat_rows;
    dx = floor((w - cell * ax->heat_cols) / 2);
    dy = floor((h - cell * ax->heat_rows) / 2);
    ax->rect.x0 += dx;
    ax->rect.x1 -= dx;
    ax->rect.y0 += dy;
    ax->rect.y1 -= dy;
}

static plotp_block plotp_title_block(const plot_figure *fig) {
    return plotp_block_fit(fig->cramped < 3 ? fig->title : NULL, PLOTP_SIZE_FIGURE * fig->scale, fig->width - 30.0,
                           0.3 * fig->height);
}

static plotp_block plotp_caption_block(const plot_figure *fig) {
    return plotp_block_fit(fig->cramped < 3 ? fig->caption : NULL, PLOTP_SIZE_TICK * fig->scale, fig->width - 30.0,
                           0.15 * fig->height);
}

// Cells of the panels: what title, shared legend and caption leave.
static void plotp_place_cells(plot_figure *fig) {
    plotp_block title = plotp_title_block(fig), caption = plotp_caption_block(fig);
    double s = fig->scale, gap = 8 * s, top = title.n ? plotp_block_height(&title) + gap * 1.4 : gap * 0.6;
    double bottom = caption.n ? plotp_block_height(&caption) + gap : gap * 0.4;
    double left = gap * 0.6, w, h;
    int i;
    if (fig->shared) top += fig->legend.h + gap * 0.5;
    w = (fig->width - 2 * left) / fig->cols;
    h = (fig->height - top - bottom) / fig->rows;
    for (i = 0; i < fig->rows * fig->cols; i++) {
        plotp_rect *c = &fig->axes[i].cell;
        c->x0 = left + w * (i % fig->cols) + (i % fig->cols ? gap * 0.5 : 0);
        c->y0 = top + h * (i / fig->cols) + (i / fig->cols ? gap * 0.5 : 0);
        c->x1 = left + w * (i % fig->cols + 1);
        c->y1 = top + h * (i / fig->cols + 1);
    }
}

static int plotp_panel_is_empty(const plot_axes *ax) {
    return !ax->item_count && !ax->heat && !ax->image && !ax->cells && !ax->title;
}

// Axes rectangles from the margins, aligned over rows and columns. Returns the least share of a panel's width or
// height that is left for its data.
static double plotp_align(plot_figure *fig) {
    double room = 1;
    int i, j, k, n = fig->rows * fig->cols;
    for (i = 0; i < n; i++) {
        plot_axes *ax = &fig->axes[i];
        double m[4], w, h, cell_w = ax->cell.x1 - ax->cell.x0, cell_h = ax->cell.y1 - ax->cell.y0;
        for (k = 0; k < 4; k++) m[k] = ax->margin[k];
        for (j = 0; j < n; j++) {
            const plot_axes *other = &fig->axes[j];
            int kin = plotp_is_chart(other) == plotp_is_chart(ax) && !plotp_panel_is_empty(other);
            for (k = 0; kin && k < 4; k++) {
                int same = k % 2 == 0 ? i % fig->cols == j % fig->cols : i / fig->cols == j / fig->cols;
                if (same && other->margin[k] > m[k]) m[k] = other->margin[k];
            }
        }
        w = cell_w - m[0] - m[2];
        h = cell_h - m[1] - m[3];
        if (!plotp_panel_is_empty(ax) && w / cell_w < room) room = w / cell_w;
        if (!plotp_panel_is_empty(ax) && h / cell_h < room) room = h / cell_h;
        ax->rect.x0 = floor(ax->cell.x0 + m[0]);
        ax->rect.y0 = floor(ax->cell.y0 + m[1]);
        ax->rect.x1 = ax->rect.x0 + (w < 4 ? 4 : floor(w));
        ax->rect.y1 = ax->rect.y0 + (h < 4 ? 4 : floor(h));
        plotp_square(ax);
    }
    return room;
}

static void plotp_size_shared_legend(plot_figure *fig);
static void plotp_size_legends(plot_figure *fig);

// Place everything with the largest text that leaves the data room enough; where even small text does not, leave out
// first the labels of the axes and the legends, then the tick labels, at last the titles.
static void plotp_layout(plot_figure *fig) {
    double panel_w = (double)fig->width / fig->cols, panel_h = (double)fig->height / fig->rows;
    double normal =
        plotp_clamp(panel_w / 500 < panel_h / 360 ? panel_w / 500 : panel_h / 360, 0.6, 1) * fig->user_scale;
    double least = normal < 0.45 ? normal : 0.45; // smaller text than this cannot be read
    int i, pass, n = fig->rows * fig->cols;
    for (fig->cramped = 0;; fig->cramped++) {
        double room = 0;
        for (fig->scale = normal;; fig->scale *= 0.92) {
            plotp_size_shared_legend(fig);
            plotp_place_cells(fig);
            plotp_size_legends(fig);
            for (pass = 0; pass < 2; pass++) { // once to know the axes' size, once with that size
                for (i = 0; i < n; i++) {
                    plotp_rect r = pass ? fig->axes[i].rect : fig->axes[i].cell;
                    plotp_measure(&fig->axes[i], r.x1 - r.x0, r.y1 - r.y0, fig->scale);
                }
                room = plotp_align(fig);
            }
            if (room >= 0.45) return;
            if (fig->scale * 0.92 < least) break;
        }
        if (room >= 0.25 || fig->cramped == 3) return;
    }
}

// -------------------------------------------------------------------------------------------------- [PLOT:DRAW]
static double plotp_px(const plot_axes *ax, double v) { // far values are kept where arithmetic is safe
    double t = plotp_visible(&ax->x, v) ? plotp_position(&ax->x, v) : NAN;
    return ax->rect.x0 + (t != t ? t : plotp_clamp(t, -99, 99)) * (ax->rect.x1 - ax->rect.x0);
}

static double plotp_py(const plot_axes *ax, double v) {
    double t = plotp_visible(&ax->y, v) ? plotp_position(&ax->y, v) : NAN;
    return ax->rect.y1 - (t != t ? t : plotp_clamp(t, -99, 99)) * (ax->rect.y1 - ax->rect.y0);
}

static double plotp_alpha(const plotp_item *item, double usual) { // of areas
    return item->style.alpha < 1 ? item->style.alpha : usual;
}

static double plotp_line_width(const plot_axes *ax, const plot_style *style) {
    double w = style->width * (0.35 + 0.65 * ax->fig->scale);
    return w < 0.8 ? 0.8 : w;
}

// A cross at the border for each point that has no place in the chart: NaN, infinity, not positive on a log axis.
static void plotp_draw_lost(plot_axes *ax, const plotp_item *item) {
    double last = -1e9, r = 5 * ax->fig->scale;
    int i;
    for (i = 0; i < item->n; i++) {
        double x = plotp_px(ax, item->x[i]), y = item->y[i];
        if (x != x || plotp_visible(&ax->y, y) || x < last + 2.2 * r) continue;
        plotp_marker(&ax->fig->canvas, PLOT_CROSS, x, y > 0 ? ax->rect.y0 + r : ax->rect.y1 - r, r, item->rgb, 1);
        last = x;
    }
}

static void plotp_draw_markers(plot_axes *ax, const plotp_item *item, const double *px, const double *py) {
    double r = 4.6 * (0.3 + 0.7 * ax->fig->scale), last_x = -1e9;
    int i;
    for (i = 0; i < item->n; i++) {
        if (px[i] != px[i] || py[i] != py[i]) continue;
        if (item->style.dash != PLOT_NO_LINE && fabs(px[i] - last_x) < 2.6 * r) continue; // a dense line: thin them out
        last_x = px[i];
        plotp_marker(&ax->fig->canvas, (int)item->style.marker, px[i], py[i], r, item->rgb, item->style.alpha);
    }
}

static void plotp_draw_line(plot_axes *ax, const plotp_item *item, const double *y, double width, double alpha) {
    plotp_canvas *c = &ax->fig->canvas;
    double *px = (double *)plotp_alloc(ax->fig, (size_t)item->n, sizeof *px);
    double *py = (double *)plotp_alloc(ax->fig, (size_t)item->n, sizeof *py);
    int i;
    for (i = 0; px && py && i < item->n; i++) {
        px[i] = plotp_px(ax, item->x[i]);
        py[i] = plotp_py(ax, y[i]);
    }
    if (px && py && item->style.dash != PLOT_NO_LINE) {
        plotp_polyline(c, px, py, item->n, width, (int)item->style.dash);
        plotp_paint(c, item->rgb, alpha, 0);
    }
    if (px && py && item->style.marker) plotp_draw_markers(ax, item, px, py);
    PLOT_FREE(px);
    PLOT_FREE(py);
}

// Centred moving average; on a log axis of logarithms. Where the raw value cannot be shown there is a gap.
static double *plotp_average(const plot_axes *ax, const plotp_item *item) {
    double *out = (double *)plotp_alloc(ax->fig, (size_t)item->n, sizeof *out), sum = 0;
    int i, first = 0, next = 0, count = 0, back = (item->window - 1) / 2, ahead = item->window / 2;
    for (i = 0; out && i < item->n; i++) {
        for (; next < item->n && next <= i + ahead; next++) {
            if (!plotp_visible(&ax->y, item->y[next])) continue;
            sum += ax->y.log ? log10(item->y[next]) : item->y[next];
            count++;
        }
        for (; first < i - back; first++) {
            if (!plotp_visible(&ax->y, item->y[first])) continue;
            sum -= ax->y.log ? log10(item->y[first]) : item->y[first];
            count--;
        }
        out[i] = !plotp_visible(&ax->y, item->y[i]) ? NAN : ax->y.log ? pow(10, sum / count) : sum / count;
    }
    return out;
}

// A band is filled run by run: forth along the lower edge, back along the upper one, which is collected from the end
// of the arrays. A lower edge that a log axis cannot show lies at the bottom.
static void plotp_draw_band(plot_axes *ax, const plotp_item *item) {
    int i, m = 0, n2 = 2 * item->n;
    double *px = (double *)plotp_alloc(ax->fig, (size_t)n2, sizeof *px);
    double *py = (double *)plotp_alloc(ax->fig, (size_t)n2, sizeof *py);
    for (i = 0; px && py && i <= item->n; i++) {
        double x = NAN, lo = NAN, hi = NAN;
        if (i < item->n) {
            x = plotp_px(ax, item->x[i]);
            lo = ax->y.log && item->y[i] <= 0 ? ax->rect.y1 : plotp_py(ax, item->y[i]);
            hi = plotp_py(ax, item->y2[i]);
        }
        if (x == x && lo == lo && hi == hi) {
            px[m] = px[n2 - 1 - m] = x;
            py[m] = lo;
            py[n2 - 1 - m] = hi;
            m++;
            continue;
        }
        memmove(px + m, px + n2 - m, (size_t)m * sizeof *px);
        memmove(py + m, py + n2 - m, (size_t)m * sizeof *py);
        if (m > 1) plotp_fill(&ax->fig->canvas, px, py, 2 * m, item->rgb, plotp_alpha(item, 0.18));
        m = 0;
    }
    PLOT_FREE(px);
    PLOT_FREE(py);
}

static double plotp_base(const plot_axes *ax) { // where bars stand: zero, or the bottom of a log axis
    double lo = ax->y.lo < ax->y.hi ? ax->y.lo : ax->y.hi, hi = ax->y.lo < ax->y.hi ? ax->y.hi : ax->y.lo;
    return ax->y.log ? lo : plotp_clamp(0, lo, hi);
}

static plotp_rect plotp_bar_rect(const plot_axes *ax, double x0, double x1, double y) {
    double a = plotp_py(ax, plotp_base(ax)), b = plotp_py(ax, y);
    plotp_rect r;
    r.x0 = plotp_px(ax, x0);
    r.x1 = plotp_px(ax, x1);
    r.y0 = a < b ? a : b;
    r.y1 = a < b ? b : a;
    return r;
}

static void plotp_draw_bars(plot_axes *ax, const plotp_item *item) {
    plotp_canvas *c = &ax->fig->canvas;
    double width = 0.8 / ax->bar_groups, thick = 1.6 * ax->fig->scale;
    int i;
    for (i = 0; i < item->n; i++) {
        double x0 = i - 0.4 + width * item->window, mid, cap;
        plotp_rect r;
        if (!plotp_visible(&ax->y, item->y[i])) continue;
        r = plotp_bar_rect(ax, x0 + 0.03 * width, x0 + 0.97 * width, item->y[i]);
        plotp_fill_rect(c, r, item->rgb, plotp_alpha(item, 0.85));
        if (!item->y2 || !plotp_finite(item->y2[i])) continue;
        mid = (r.x0 + r.x1) / 2;
        cap = plotp_clamp((r.x1 - r.x0) * 0.2, 2, 7);
        r.y0 = plotp_py(ax, item->y[i] + item->y2[i]);
        r.y1 = plotp_py(ax, item->y[i] - item->y2[i]);
        if (r.y1 != r.y1) r.y1 = ax->rect.y1;
        plotp_stroke(c, mid, r.y0, mid, r.y1, thick / 2);
        plotp_stroke(c, mid - cap, r.y0, mid + cap, r.y0, thick / 2);
        plotp_stroke(c, mid - cap, r.y1, mid + cap, r.y1, thick / 2);
        plotp_paint(c, PLOTP_INK, 1, 0);
    }
}

static void plotp_draw_hist(plot_axes *ax, const plotp_item *item) {
    plotp_canvas *c = &ax->fig->canvas;
    int i;
    for (i = 0; i < item->n; i++) {
        plotp_rect r, before;
        if (!plotp_visible(&ax->y, item->y[i])) continue;
        r = plotp_bar_rect(ax, item->x[i], item->x[i + 1], item->y[i]);
        if (r.x0 != r.x0 || r.x1 != r.x1) continue;
        plotp_fill_rect(c, r, item->rgb, plotp_alpha(item, 0.3));
        before = i > 0 && plotp_visible(&ax->y, item->y[i - 1]) ? plotp_bar_rect(ax, 0, 0, item->y[i - 1]) : r;
        if (i == 0 || before.y0 != before.y0) before.y0 = r.y1;
        plotp_stroke(c, r.x0, before.y0, r.x0, r.y0, 0.8); // the outline, as a flight of steps
        plotp_stroke(c, r.x0, r.y0, r.x1, r.y0, 0.8);
        if (i == item->n - 1) plotp_stroke(c, r.x1, r.y0, r.x1, r.y1, 0.8);
        plotp_paint(c, item->rgb, 1, 0);
    }
}

static void plotp_draw_reference(plot_axes *ax, const plotp_item *item) {
    double px[2], py[2];
    px[0] = ax->rect.x0;
    px[1] = ax->rect.x1;
    py[0] = py[1] = plotp_py(ax, item->y[0]);
    if (item->style.dash != PLOT_NO_LINE)
        plotp_polyline(&ax->fig->canvas, px, py, 2, plotp_line_width(ax, &item->style) * 0.75, (int)item->style.dash);
    plotp_paint(&ax->fig->canvas, item->rgb, item->style.alpha, 0);
}

static void plotp_draw_heatmap(plot_axes *ax);
static void plotp_draw_contour(plot_axes *ax, plotp_item *item);

static void plotp_draw_item(plot_axes *ax, plotp_item *item, int layer) {
    double width = plotp_line_width(ax, &item->style), *smooth;
    if (layer == 0 && item->kind == PLOTP_BAND) plotp_draw_band(ax, item);
    if (layer == 0 && item->kind == PLOTP_BARS) plotp_draw_bars(ax, item);
    if (layer == 0 && item->kind == PLOTP_HIST) plotp_draw_hist(ax, item);
    if (layer == 1 && item->kind == PLOTP_SMOOTH) plotp_draw_line(ax, item, item->y, width * 0.45, 0.28);
    if (layer == 1 && item->kind == PLOTP_HLINE) plotp_draw_reference(ax, item);
    if (layer < 2) return;
    if (item->kind == PLOTP_CONTOUR) plotp_draw_contour(ax, item);
    if (item->kind == PLOTP_LINE) plotp_draw_line(ax, item, item->y, width, item->style.alpha);
    if (item->kind == PLOTP_SMOOTH && (smooth = plotp_average(ax, item)) != NULL) {
        plotp_draw_line(ax, item, smooth, width, item->style.alpha);
        PLOT_FREE(smooth);
    }
    if (item->kind == PLOTP_LINE || item->kind == PLOTP_SMOOTH) plotp_draw_lost(ax, item);
}

// All data, in layers: bands and bars, raw and reference lines, lines.
static void plotp_draw_data(plot_axes *ax) {
    plotp_canvas *c = &ax->fig->canvas;
    int i, layer;
    plotp_clip(c, ax->rect);
    c->is_data = 1;
    if (ax->heat) plotp_draw_heatmap(ax);
    for (layer = 0; layer < 3; layer++)
        for (i = 0; i < ax->item_count; i++) plotp_draw_item(ax, &ax->items[i], layer);
    c->is_data = 0;
    plotp_unclip(c);
}

static void plotp_draw_grid(plot_axes *ax) {
    plotp_canvas *c = &ax->fig->canvas;
    plotp_rect r = ax->rect;
    int i, faint;
    if (ax->heat) return;
    for (faint = 1; faint >= 0; faint--) {
        int nx = faint ? ax->x.minor_count : ax->x.tick_count, ny = faint ? ax->y.minor_count : ax->y.tick_count;
        const double *x = faint ? ax->x.minor : ax->x.tick, *y = faint ? ax->y.minor : ax->y.tick;
        int rgb = faint ? PLOTP_MINOR : PLOTP_GRID;
        for (i = 0; i < nx && !ax->bar_groups; i++) plotp_hair(c, plotp_px(ax, x[i]), r.y0, 0, r.y1 - 1, rgb);
        for (i = 0; i < ny; i++) plotp_hair(c, r.x0, plotp_py(ax, y[i]), r.x1 - 1, 0, rgb);
    }
}

static void plotp_draw_frame(plotp_canvas *c, plotp_rect r) {
    plotp_hair(c, r.x0, r.y0, r.x1, 0, PLOTP_FRAME);
    plotp_hair(c, r.x0, r.y1, r.x1, 0, PLOTP_FRAME);
    plotp_hair(c, r.x0, r.y0, 0, r.y1, PLOTP_FRAME);
    plotp_hair(c, r.x1, r.y0, 0, r.y1, PLOTP_FRAME);
}

static void plotp_draw_ticks_x(plot_axes *ax, double s) {
    plotp_canvas *c = &ax->fig->canvas;
    double size = PLOTP_SIZE_TICK * s, end = -1e9;
    int i, turned = ax->x.lo > ax->x.hi;
    for (i = 0; i < ax->x.minor_count; i++) {
        double x = plotp_px(ax, ax->x.minor[i]);
        plotp_hair(c, x, ax->rect.y1, 0, ax->rect.y1 + 3 * s, PLOTP_FRAME);
    }
    for (i = 0; i < ax->x.tick_count; i++) {
        int k = turned ? ax->x.tick_count - 1 - i : i;
        const char *label = ax->x.tick_label[k];
        double x = plotp_px(ax, ax->x.tick[k]), half = ax->x.rotated ? size / 2 : plotp_text_width(label, size) / 2;
        plotp_hair(c, x, ax->rect.y1, 0, ax->rect.y1 + 5 * s, PLOTP_FRAME);
        if (x - half < end + 0.2 * size) continue; // never on top of the one before
        end = x + half;
        if (ax->x.rotated) plotp_text(ax->fig, x, ax->rect.y1 + 9 * s, label, size, 1, PLOTP_VERTICAL, PLOTP_INK);
        else plotp_text(ax->fig, x, ax->rect.y1 + 9 * s + size / 2, label, size, 0.5, PLOTP_REGULAR, PLOTP_INK);
    }
}

// Ticks of the y axis (left of x) or of the colour bar (right of x).
static void plotp_draw_ticks_y(plot_axes *ax, const plotp_axis *a, double x, int right, double s) {
    plotp_canvas *c = &ax->fig->canvas;
    double size = PLOTP_SIZE_TICK * s, side = right ? 1 : -1, last = 1e9;
    int i;
    for (i = 0; i < a->tick_count + a->minor_count; i++) {
        int major = i < a->tick_count;
        double y = ax->rect.y1 - plotp_position(a, major ? a->tick[i] : a->minor[i - a->tick_count]) *
                                     (ax->rect.y1 - ax->rect.y0);
        double length = (major ? 5 : 3) * s;
        plotp_hair(c, right ? x : x - length, y, right ? x + length : x, 0, PLOTP_FRAME);
        if (!major || fabs(y - last) < size * 1.15) continue;
        last = y;
        plotp_text(ax->fig, x + side * 9 * s, y, a->tick_label[i], size, right ? 0 : 1, PLOTP_REGULAR, PLOTP_INK);
    }
}

// The label along an axis, set smaller and then shortened when it is longer than `room`.
static void plotp_draw_axis_title(plot_axes *ax, const plotp_axis *a, double x, double y, double room,
                                  plotp_face face) {
    double size = PLOTP_SIZE_LABEL * ax->fig->scale, width;
    char text[PLOTP_TEXT];
    if (!plotp_has_title(ax, a)) return;
    plotp_axis_title(ax, a, size, 1e9, text);
    width = plotp_text_width(text, size);
    if (width > room) size *= room / width > 0.75 ? room / width : 0.75;
    plotp_axis_title(ax, a, size, room, text);
    plotp_text(ax->fig, x, y, text, size, 0.5, face, PLOTP_INK);
}

static void plotp_draw_axes(plot_axes *ax) {
    double s = ax->fig->scale, tick = PLOTP_SIZE_TICK * s, away = PLOTP_SIZE_LABEL * s * 0.75 + 11 * s;
    double below = ax->x.rotated ? plotp_widest_tick(&ax->x, tick) : tick, left = plotp_widest_tick(&ax->y, tick);
    plotp_draw_frame(&ax->fig->canvas, ax->rect);
    plotp_draw_ticks_x(ax, s);
    plotp_draw_ticks_y(ax, &ax->y, ax->rect.x0, 0, s);
    plotp_draw_axis_title(ax, &ax->x, (ax->rect.x0 + ax->rect.x1) / 2, ax->rect.y1 + away + below,
                          ax->rect.x1 - ax->rect.x0, PLOTP_REGULAR);
    plotp_draw_axis_title(ax, &ax->y, ax->rect.x0 - away - left, (ax->rect.y0 + ax->rect.y1) / 2,
                          ax->rect.y1 - ax->rect.y0, PLOTP_VERTICAL);
}

static void plotp_draw_title(plot_axes *ax) {
    plotp_block title = plotp_panel_title(ax);
    double x = (ax->rect.x0 + ax->rect.x1) / 2, half = 0;
    int i;
    for (i = 0; i < title.n; i++) {
        double w = plotp_text_width(title.line[i], title.size) / 2 + 2;
        if (w > half) half = w;
    }
    x = plotp_clamp(x, ax->cell.x0 + half, ax->cell.x1 - half); // inside its panel
    plotp_block_draw(ax->fig, &title, x, ax->rect.y0 - plotp_block_height(&title) - 11 * ax->fig->scale, PLOTP_BOLD,
                     PLOTP_INK);
}

// --------------------------------------------------------------------------------------------------- [PLOT:HEAT]
// A pixel shows the mean of the cells that it covers (one, unless there are more cells than pixels). Cells that are
// not a number, or not positive on a log scale, are hatched.
static int plotp_hatch(int x, int y) {
    return (x + y) % 8 < 2 ? 0xA0A0A0 : 0xE4E4E4;
}

static int plotp_color_of(const plot_axes *ax, double v) {
    return plotp_map_color(ax->heat_map, plotp_position(&ax->z, v));
}

// The range of cells (along one side) under the pixel from t0 to t1 of the axes.
static void plotp_cells_under(const plotp_axis *a, double t0, double t1, double from, double to, int n, int *first,
                              int *end) {
    double u0 = (plotp_value(a, t0) - from) / (to - from) * n, u1 = (plotp_value(a, t1) - from) / (to - from) * n;
    double lo = u0 < u1 ? u0 : u1, hi = u0 < u1 ? u1 : u0, mid = (lo + hi) / 2;
    if (!(mid >= 0 && mid < n)) {
        *first = *end = 0;
        return;
    }
    *first = hi - lo > 1 ? (int)plotp_clamp(ceil(lo - 0.5), 0, n - 1) : (int)mid;
    *end = hi - lo > 1 ? (int)plotp_clamp(ceil(hi - 0.5), *first + 1, n) : *first + 1;
}

static double plotp_mean_of_cells(const plot_axes *ax, int r0, int r1, int c0, int c1) {
    double sum = 0;
    int r, c, n = 0;
    for (r = r0; r < r1; r++) {
        for (c = c0; c < c1; c++) {
            double v = ax->heat[r * ax->heat_cols + c];
            if (!plotp_visible(&ax->z, v) || (ax->heat_hide_zeros && v == 0)) continue;
            sum += ax->z.log ? log10(v) : v;
            n++;
        }
    }
    return n == 0 ? NAN : ax->z.log ? pow(10, sum / n) : sum / n;
}

static void plotp_draw_heatmap(plot_axes *ax) {
    plotp_canvas *c = &ax->fig->canvas;
    double w = ax->rect.x1 - ax->rect.x0, h = ax->rect.y1 - ax->rect.y0;
    int x, y, r0, r1, *cols = (int *)plotp_alloc(ax->fig, 2 * (size_t)c->w, sizeof *cols);
    if (!cols) return;
    for (x = c->clip[0]; x < c->clip[2]; x++)
        plotp_cells_under(&ax->x, (x - ax->rect.x0) / w, (x + 1 - ax->rect.x0) / w, ax->extent[0], ax->extent[1],
                          ax->heat_cols, &cols[2 * x], &cols[2 * x + 1]);
    for (y = c->clip[1]; y < c->clip[3]; y++) {
        plotp_cells_under(&ax->y, (ax->rect.y1 - y) / h, (ax->rect.y1 - y - 1) / h, ax->extent[2], ax->extent[3],
                          ax->heat_rows, &r0, &r1);
        for (x = c->clip[0]; x < c->clip[2] && r0 < r1; x++) {
            double v;
            if (cols[2 * x] >= cols[2 * x + 1]) continue;
            v = plotp_mean_of_cells(ax, r0, r1, cols[2 * x], cols[2 * x + 1]);
            if (v != v && ax->heat_hide_zeros && ax->heat[r0 * ax->heat_cols + cols[2 * x]] == 0) continue;
            plotp_blend(c, x, y, v == v ? plotp_color_of(ax, v) : plotp_hatch(x, y), 1);
        }
    }
    PLOT_FREE(cols);
}

// The place of a heatmap's (fractional) row and column.
static void plotp_cell_pixel(const plot_axes *ax, double row, double col, double *x, double *y) {
    *x = plotp_px(ax, ax->extent[0] + col * (ax->extent[1] - ax->extent[0]) / ax->heat_cols);
    *y = plotp_py(ax, ax->extent[2] + row * (ax->extent[3] - ax->extent[2]) / ax->heat_rows);
}

// Values in their cells, all of one size, black or white, whichever reads better. Too long ones are left out.
static void plotp_draw_cell_values(plot_axes *ax) {
    double size = PLOTP_SIZE_TICK * ax->fig->scale, cell_w, cell_h;
    int r, c, pass;
    char text[PLOTP_TEXT];
    if (!ax->heat || !ax->heat_format) return;
    cell_w = fabs(plotp_px(ax, ax->extent[1]) - plotp_px(ax, ax->extent[0])) / ax->heat_cols;
    cell_h = fabs(plotp_py(ax, ax->extent[3]) - plotp_py(ax, ax->extent[2])) / ax->heat_rows;
    if (size > 0.6 * cell_h) size = 0.6 * cell_h;
    for (pass = 0; pass < 2; pass++) { // first the size that fits all, then the texts
        for (r = 0; r < ax->heat_rows; r++) {
            for (c = 0; c < ax->heat_cols; c++) {
                double v = ax->heat[r * ax->heat_cols + c], w, x, y;
                if (ax->heat_hide_zeros && v == 0) continue;
                plotp_cell_pixel(ax, r + 0.5, c + 0.5, &x, &y);
                plotp_format_value(text, ax->heat_format, v);
                w = plotp_text_width(text, size);
                if (pass == 0 && w > 0.86 * cell_w) size *= 0.86 * cell_w / w;
                if (pass == 0 || size < 7 || x - w / 2 < ax->rect.x0 || x + w / 2 > ax->rect.x1 ||
                    !(y - size / 2 >= ax->rect.y0 && y + size / 2 <= ax->rect.y1))
                    continue;
                plotp_text(ax->fig, x, y, text, size, 0.5, PLOTP_REGULAR,
                           plotp_visible(&ax->z, v) && plotp_lightness(plotp_color_of(ax, v)) < 0.53 ? 0xFFFFFF : 0);
            }
        }
    }
}

static void plotp_draw_color_bar(plot_axes *ax) {
    plotp_canvas *c = &ax->fig->canvas;
    double s = ax->fig->scale, h = ax->rect.y1 - ax->rect.y0;
    plotp_rect r = ax->rect;
    int y;
    if (!ax->heat || !ax->heat_bar || ax->fig->cramped >= 2) return;
    r.x0 = floor(ax->rect.x1 + 14 * s);
    r.x1 = floor(r.x0 + 18 * s);
    for (y = (int)r.y0; y < (int)r.y1; y++) {
        plotp_rect row = r;
        row.y0 = y;
        row.y1 = y + 1;
        plotp_fill_rect(c, row, plotp_map_color(ax->heat_map, (r.y1 - y - 0.5) / h), 1);
    }
    plotp_draw_frame(c, r);
    plotp_draw_ticks_y(ax, &ax->z, r.x1, 1, s);
    plotp_draw_axis_title(ax, &ax->z, r.x1 + 12 * s + plotp_widest_tick(&ax->z, PLOTP_SIZE_TICK * s) +
                          PLOTP_SIZE_LABEL * 0.75 * s, (r.y0 + r.y1) / 2, h, PLOTP_VERTICAL);
}

// Marching squares: through each square of four neighbouring cell centres, the line on which the interpolated value
// equals the level.
static void plotp_draw_contour(plot_axes *ax, plotp_item *item) {
    static const int corner[5][2] = {{0, 0}, {0, 1}, {1, 1}, {1, 0}, {0, 0}}; // row, column offsets round the square
    double width = plotp_line_width(ax, &item->style), level = item->y[0];
    int r, c, k;
    item->note_x = item->note_y = 0;
    for (r = 0; ax->heat && r + 1 < ax->heat_rows; r++) {
        for (c = 0; c + 1 < ax->heat_cols; c++) {
            double px[4], py[4];
            int n = 0;
            for (k = 0; k < 4; k++) {
                int ra = r + corner[k][0], ca = c + corner[k][1], rb = r + corner[k + 1][0], cb = c + corner[k + 1][1];
                double a = ax->heat[ra * ax->heat_cols + ca] - level, b = ax->heat[rb * ax->heat_cols + cb] - level, t;
                if (!(a < 0 && b >= 0) && !(a >= 0 && b < 0)) continue;
                t = a / (a - b);
                plotp_cell_pixel(ax, ra + 0.5 + t * (rb - ra), ca + 0.5 + t * (cb - ca), &px[n], &py[n]);
                n++;
            }
            for (k = 0; k + 1 < n; k += 2) plotp_polyline(&ax->fig->canvas, px + k, py + k, 2, width, PLOT_SOLID);
            if (n > 1 && (item->note_x == 0 || px[0] > item->note_x)) { // the label stands at the right end
                item->note_x = px[0];
                item->note_y = py[0];
            }
        }
    }
    plotp_paint(&ax->fig->canvas, item->rgb, item->style.alpha, 0);
}

// ------------------------------------------------------------------------------------------------- [PLOT:IMAGES]
// Columns (or the given number) for which the tiles become largest.
static int plotp_image_columns(const plot_axes *ax, double w, double h, double caption, double gap) {
    double best = -1;
    int cols, choice = 1;
    if (ax->image_cols) return ax->image_cols;
    for (cols = 1; cols <= ax->image_count; cols++) {
        int rows = (ax->image_count + cols - 1) / cols;
        double zoom_x = (w / cols - gap) / ax->image_w, zoom_y = (h / rows - gap - caption) / ax->image_h;
        double zoom = zoom_x < zoom_y ? zoom_x : zoom_y;
        if (zoom > best) {
            best = zoom;
            choice = cols;
        }
    }
    return choice;
}

// One image, enlarged by repeating pixels.
static void plotp_draw_tile(plot_axes *ax, const double *tile, int left, int top, int w, int h) {
    int plane = ax->image_h * ax->image_w, n = plane * ax->image_channels, x, y, k;
    double lo = ax->image_lo, hi = ax->image_hi;
    if (lo == hi) {
        lo = DBL_MAX;
        hi = -DBL_MAX;
        for (k = 0; k < n; k++) {
            if (tile[k] < lo) lo = tile[k];
            if (tile[k] > hi) hi = tile[k];
        }
        if (!(hi > lo)) hi = lo + 1;
    }
    for (y = 0; y < h; y++) {
        for (x = 0; x < w; x++) {
            int at = y * ax->image_h / h * ax->image_w + x * ax->image_w / w, rgb = 0, lost = 0;
            for (k = 0; k < 3; k++) {
                double v = (tile[at + (ax->image_channels == 3 ? k : 0) * plane] - lo) / (hi - lo);
                if (v != v) lost = 1;
                else rgb |= (int)(plotp_clamp(v, 0, 1) * 255 + 0.5) << (16 - 8 * k);
            }
            if (left + x < ax->fig->width && top + y < ax->fig->height)
                plotp_blend(&ax->fig->canvas, left + x, top + y, lost ? plotp_hatch(x, y) : rgb, 1);
        }
    }
}

static void plotp_draw_images(plot_axes *ax) {
    double s = ax->fig->scale, size = PLOTP_SIZE_TICK * 0.86 * s, gap = 6 * s, caption = ax->captions ? size * 1.4 : 0;
    double w = ax->rect.x1 - ax->rect.x0, h = ax->rect.y1 - ax->rect.y0, zoom, cell_w, cell_h;
    int i, cols = plotp_image_columns(ax, w, h, caption, gap), rows = (ax->image_count + cols - 1) / cols;
    zoom = (w / cols - gap) / ax->image_w;
    if ((h / rows - gap - caption) / ax->image_h < zoom) zoom = (h / rows - gap - caption) / ax->image_h;
    if (zoom > 1) zoom = floor(zoom);
    cell_w = floor(zoom * ax->image_w) + gap;
    cell_h = floor(zoom * ax->image_h) + gap + caption;
    if (cell_w * ax->image_w < 1 || zoom <= 0) return;
    for (i = 0; i < ax->image_count; i++) {
        double left = floor(ax->rect.x0 + (w - cols * cell_w + gap) / 2 + i % cols * cell_w);
        double top = floor(ax->rect.y0 + i / cols * cell_h);
        char text[PLOTP_TEXT];
        plotp_draw_tile(ax, ax->image + (size_t)i * (size_t)(ax->image_channels * ax->image_h * ax->image_w), (int)left,
                        (int)top, (int)(cell_w - gap), (int)(cell_h - gap - caption));
        if (!ax->captions) continue;
        plotp_take(text, ax->captions[i]);
        plotp_shorten(text, size, cell_w - gap * 0.4);
        plotp_text(ax->fig, left + (cell_w - gap) / 2, top + cell_h - gap - caption * 0.45, text, size, 0.5,
                   PLOTP_REGULAR, PLOTP_INK);
    }
}

// A table: the first column is flush left, the others right; row 0 between rules.
static void plotp_draw_table(plot_axes *ax) {
    plotp_canvas *c = &ax->fig->canvas;
    double s = ax->fig->scale, size = PLOTP_SIZE_TICK * s, w = ax->rect.x1 - ax->rect.x0, line, total, width[100], x, y;
    int i, j, n = ax->table_rows, m = ax->table_cols, try_size;
    if ((n - 1) * 11.0 > ax->rect.y1 - ax->rect.y0) n = (int)((ax->rect.y1 - ax->rect.y0) / 11) + 1; // what can be read
    line = (ax->rect.y1 - ax->rect.y0) / n;
    if (line > size * 1.75) line = size * 1.75;
    if (size > line * 0.75) size = line * 0.75;
    for (try_size = 0; try_size < 12; try_size++, size *= 0.9) {
        total = 0;
        for (j = 0; j < m; j++) {
            width[j] = 0;
            for (i = 0; i < n; i++) {
                double one = plotp_text_width(ax->cells[i * m + j], size);
                if (one > width[j]) width[j] = one;
            }
            total += width[j] + size * 1.6;
        }
        if (total <= w || size < 8) break;
    }
    for (j = 0; total > w && j < m; j++) width[j] = (width[j] + size * 1.6) * w / total - size * 1.6;
    if (total > w) total = w;
    y = ax->rect.y0 + line * 0.2;
    for (i = 0; i < n; i++, y += line) {
        x = ax->rect.x0 + (w - total) / 2;
        if (i < 2) plotp_hair(c, x, y, x + total, 0, PLOTP_FRAME);
        for (j = 0; j < m; j++) {
            char text[PLOTP_TEXT];
            plotp_take(text, ax->cells[i * m + j]);
            plotp_shorten(text, size, width[j]);
            plotp_text(ax->fig, j ? x + size * 0.8 + width[j] : x + size * 0.8, y + line / 2, text, size, j ? 1 : 0,
                       i ? PLOTP_REGULAR : PLOTP_BOLD, PLOTP_INK);
            x += width[j] + size * 1.6;
        }
    }
    plotp_hair(c, ax->rect.x0 + (w - total) / 2, y, ax->rect.x0 + (w + total) / 2, 0, PLOTP_FRAME);
}

// ------------------------------------------------------------------------------------------------- [PLOT:LEGEND]
// A legend stands inside the axes where not one pixel of data is, corners first, else beside the axes. If several
// panels have the same one, it is drawn once above them all.
static void plotp_legend_add(plot_figure *fig, plotp_legend *l, const plotp_item *item, const char *label) {
    int i, room = l->n;
    for (i = 0; i < l->n; i++) {
        const plotp_item *other = &l->entry[i].item;
        if (!strcmp(l->entry[i].label, label) && other->rgb == item->rgb && other->style.dash == item->style.dash)
            return;
    }
    if (room % 16 == 0) {
        void *grown = PLOT_REALLOC(l->entry, (size_t)(room + 16) * sizeof *l->entry);
        if (!grown) {
            plotp_fail(fig, "%s", plotp_no_memory);
            return;
        }
        l->entry = (plotp_entry *)grown;
    }
    plotp_take(l->entry[l->n].label, label);
    l->entry[l->n++].item = *item;
}

static void plotp_legend_collect(plot_axes *ax, plotp_legend *l) {
    plotp_item lost;
    int i;
    for (i = 0; i < ax->item_count; i++) {
        const plotp_item *item = &ax->items[i];
        int in_place = item->kind == PLOTP_HLINE || item->kind == PLOTP_CONTOUR;
        if (item->label && item->label[0] && !in_place) plotp_legend_add(ax->fig, l, item, item->label);
    }
    memset(&lost, 0, sizeof lost);
    lost.kind = PLOTP_LOST;
    lost.rgb = PLOTP_FRAME;
    if (ax->has_lost) plotp_legend_add(ax->fig, l, &lost, "NaN or infinite");
    if (ax->has_nonpositive) plotp_legend_add(ax->fig, l, &lost, "\xe2\x89\xa4 0, off the log axis");
}

// Gather every panel's entries and decide whether they are shared.
static void plotp_collect_legends(plot_figure *fig) {
    int i, k, n = fig->rows * fig->cols, with = 0, equal = 1;
    const plotp_legend *first = NULL;
    fig->legend.n = 0;
    for (i = 0; i < n; i++) {
        plot_axes *ax = &fig->axes[i];
        ax->legend.n = 0;
        ax->legend_outside = ax->place == PLOT_LEGEND_OUTSIDE;
        if (ax->place == PLOT_LEGEND_NONE || !plotp_is_chart(ax)) continue;
        plotp_legend_collect(ax, &ax->legend);
        if (!ax->legend.n) continue;
        with++;
        if (!first) first = &ax->legend;
        equal = equal && first->n == ax->legend.n;
        for (k = 0; equal && k < first->n; k++)
            equal = !strcmp(first->entry[k].label, ax->legend.entry[k].label) &&
                    first->entry[k].item.rgb == ax->legend.entry[k].item.rgb &&
                    first->entry[k].item.style.dash == ax->legend.entry[k].item.style.dash;
    }
    fig->shared = fig->share || (with > 1 && equal);
    for (i = 0; fig->shared && i < n; i++) {
        if (fig->axes[i].legend.n) plotp_legend_collect(&fig->axes[i], &fig->legend);
        fig->axes[i].legend.n = 0;
        fig->axes[i].legend_outside = 0;
    }
}

static int plotp_legend_rows(double height, double size) {
    return (int)plotp_clamp(floor((height - size) / (size * 1.45)), 1, 1000);
}

// Size of a legend of at most `width` x `height`, filled row by row where it is `wide`, else column by column. The text
// becomes smaller if it must (and a little smaller if that saves a column), long labels are cut, and at last only the
// first entries are shown.
static void plotp_legend_size(plotp_legend *l, double size, double width, double height, int wide) {
    int k, fits = 0, few = plotp_legend_rows(height, 0.78 * size);
    l->w = l->h = 0;
    l->shown = l->n;
    if (l->n == 0) return;
    few = wide ? l->n : (l->n + few - 1) / few;
    for (l->size = size; !fits && l->size > 0.5 * size; l->size *= 0.93) {
        double widest = 0, least;
        for (k = 0; k < l->n; k++) {
            double w = plotp_text_width(l->entry[k].label, l->size);
            if (w > widest) widest = w;
        }
        least = (3.3 + 5) * l->size; // the sample and a few letters
        l->cell = widest + 3.3 * l->size;
        l->rows = plotp_legend_rows(height, l->size);
        l->cols = wide ? (int)plotp_clamp(floor(width / l->cell), 1, l->n) : (l->n + l->rows - 1) / l->rows;
        l->rows = (l->n + l->cols - 1) / l->cols;
        if (l->cell * l->cols > width - 0.5 * l->size) l->cell = (width - 0.5 * l->size) / l->cols;
        if (least > widest + 3.3 * l->size) least = widest + 3.3 * l->size;
        l->h = l->rows * l->size * 1.45 + 0.5 * l->size;
        fits = l->cell >= least && l->h <= height + 1 && l->cols <= few;
        if (fits) break;
    }
    if (!fits) {
        l->cell = plotp_clamp(width - 0.5 * l->size, 1, 9 * l->size);
        l->cols = (int)plotp_clamp(floor((width - 0.5 * l->size) / l->cell), 1, l->n);
        l->rows = plotp_legend_rows(height, l->size);
        l->shown = l->cols * l->rows < l->n ? l->cols * l->rows : l->n;
        l->rows = (l->shown + l->cols - 1) / l->cols;
        l->h = l->rows * l->size * 1.45 + 0.5 * l->size;
    }
    l->w = l->cols * l->cell + 0.5 * l->size;
}

static void plotp_size_shared_legend(plot_figure *fig) {
    if (fig->cramped >= 1) fig->shared = fig->legend.n = 0;
    plotp_legend_size(&fig->legend, PLOTP_SIZE_LEGEND * fig->scale, fig->width - 20.0, fig->height * 0.3, 1);
}

static void plotp_size_legends(plot_figure *fig) {
    int i, n = fig->rows * fig->cols;
    for (i = 0; i < n; i++) {
        plot_axes *ax = &fig->axes[i];
        if (fig->cramped >= 1) ax->legend.n = 0;
        plotp_legend_size(&ax->legend, PLOTP_SIZE_LEGEND * fig->scale, 0.4 * (ax->cell.x1 - ax->cell.x0),
                          ax->cell.y1 - ax->cell.y0 - (ax->title ? 50 : 20) * fig->scale, 0);
    }
}

// The line, band, bar or marker that an entry names.
static void plotp_draw_sample(plot_figure *fig, const plotp_item *item, double x, double y, double size) {
    plotp_canvas *c = &fig->canvas;
    plotp_rect r;
    double px[2], py[2], width = item->style.width * (0.35 + 0.65 * fig->scale);
    px[0] = x;
    px[1] = x + 2 * size;
    py[0] = py[1] = y;
    r.x0 = px[0];
    r.x1 = px[1];
    r.y0 = y - 0.32 * size;
    r.y1 = y + 0.32 * size;
    if (item->kind == PLOTP_LOST) plotp_marker(c, PLOT_CROSS, x + size, y, 0.3 * size, item->rgb, 1);
    else if (item->kind == PLOTP_BAND) plotp_fill_rect(c, r, item->rgb, 0.25);
    else if (item->kind == PLOTP_BARS) plotp_fill_rect(c, r, item->rgb, plotp_alpha(item, 0.85));
    else if (item->kind == PLOTP_HIST) plotp_fill_rect(c, r, item->rgb, 0.45);
    else {
        if (item->style.dash != PLOT_NO_LINE) {
            plotp_polyline(c, px, py, 2, width, (int)item->style.dash);
            plotp_paint(c, item->rgb, item->style.alpha, 0);
        }
        if (item->style.marker) plotp_marker(c, (int)item->style.marker, x + size, y, 0.28 * size, item->rgb, 1);
    }
}

static void plotp_draw_legend(plot_figure *fig, const plotp_legend *l, double x, double y, int framed) {
    plotp_rect r, outer;
    plotp_box *box;
    int k;
    outer.x0 = floor(x);
    outer.y0 = floor(y);
    outer.x1 = floor(x + l->w);
    outer.y1 = floor(y + l->h);
    if (framed) {
        r = outer;
        plotp_fill_rect(&fig->canvas, r, 0xFFFFFF, 1);
        plotp_hair(&fig->canvas, r.x0, r.y0, r.x1, 0, 0xCCCCCC);
        plotp_hair(&fig->canvas, r.x0, r.y1, r.x1, 0, 0xCCCCCC);
        plotp_hair(&fig->canvas, r.x0, r.y0, 0, r.y1, 0xCCCCCC);
        plotp_hair(&fig->canvas, r.x1, r.y0, 0, r.y1, 0xCCCCCC);
    }
    for (k = 0; k < l->shown; k++) {
        char text[PLOTP_TEXT];
        double left = x + 0.5 * l->size + k / l->rows * l->cell;
        double mid = y + 0.25 * l->size + (k % l->rows + 0.5) * l->size * 1.45;
        memcpy(text, l->entry[k].label, sizeof text);
        if (k + 1 == l->shown && l->shown < l->n) snprintf(text, sizeof text, "%d more", l->n - k);
        else plotp_draw_sample(fig, &l->entry[k].item, left, mid, l->size);
        plotp_shorten(text, l->size, l->cell - 2.9 * l->size);
        plotp_text(fig, left + 2.5 * l->size, mid, text, l->size, 0, PLOTP_REGULAR, PLOTP_INK);
    }
    if (!plotp_grow(fig, (void **)&fig->legend_boxes, fig->legend_box_count, &fig->legend_box_room,
                    sizeof *fig->legend_boxes))
        return;
    box = &fig->legend_boxes[fig->legend_box_count++];
    memset(box, 0, sizeof *box);
    box->r = outer;
}

// Pixels of data inside a rectangle.
static int plotp_count_ink(const plot_figure *fig, plotp_rect r) {
    const plotp_canvas *c = &fig->canvas;
    int x, y, count = 0;
    int x0 = (int)plotp_clamp(r.x0, 0, c->w), x1 = (int)plotp_clamp(ceil(r.x1), 0, c->w);
    int y0 = (int)plotp_clamp(r.y0, 0, c->h), y1 = (int)plotp_clamp(ceil(r.y1), 0, c->h);
    for (y = y0; y < y1; y++)
        for (x = x0; x < x1; x++) count += c->ink[(size_t)y * (size_t)c->w + (size_t)x];
    return count;
}

static int plotp_overlap(plotp_rect a, plotp_rect b, double gap) {
    return a.x0 < b.x1 + gap && b.x0 < a.x1 + gap && a.y0 < b.y1 + gap && b.y0 < a.y1 + gap;
}

// Does the rectangle keep clear of all texts and legends?
static int plotp_is_free(const plot_figure *fig, plotp_rect r) {
    int k;
    for (k = 0; k < fig->box_count; k++)
        if (plotp_overlap(r, fig->boxes[k].r, 2)) return 0;
    for (k = 0; k < fig->legend_box_count; k++)
        if (plotp_overlap(r, fig->legend_boxes[k].r, 2)) return 0;
    return 1;
}

// A place without data inside the axes: corners, then edges, then anywhere. Returns 0 when there is none.
static int plotp_find_legend_place(const plot_axes *ax, double *x, double *y) {
    static const int steps = 8;
    double gap = 9 * ax->fig->scale, w = ax->rect.x1 - ax->rect.x0 - ax->legend.w - 2 * gap;
    double h = ax->rect.y1 - ax->rect.y0 - ax->legend.h - 2 * gap;
    int rank, i, j;
    if (w < 0 || h < 0) return 0;
    for (rank = 0; rank < 3; rank++) {
        for (j = 0; j <= steps; j++) {
            for (i = steps; i >= 0; i--) {
                int edges = (i == 0 || i == steps) + (j == 0 || j == steps);
                plotp_rect r;
                if (edges != 2 - rank) continue;
                *x = ax->rect.x0 + gap + w * i / steps;
                *y = ax->rect.y0 + gap + h * j / steps;
                r.x0 = *x - gap / 2;
                r.y0 = *y - gap / 2;
                r.x1 = *x + ax->legend.w + gap / 2;
                r.y1 = *y + ax->legend.h + gap / 2;
                if (plotp_count_ink(ax->fig, r) == 0 && plotp_is_free(ax->fig, r)) return 1;
            }
        }
    }
    return 0;
}

// Draw the panel's legend; returns 0 when it must move outside, which needs a new layout.
static int plotp_place_legend(plot_axes *ax) {
    double x, y, s = ax->fig->scale;
    if (!ax->legend.n) return 1;
    if (ax->legend_outside) {
        x = ax->rect.x1 + plotp_bar_space(ax, s) + 12 * s;
        y = ax->rect.y0 + ax->legend.h < ax->cell.y1 - 2 ? ax->rect.y0 : ax->cell.y1 - ax->legend.h - 2;
        plotp_draw_legend(ax->fig, &ax->legend, x, y, 1);
        return 1;
    }
    if (!plotp_find_legend_place(ax, &x, &y)) {
        ax->legend_outside = 1;
        return 0;
    }
    plotp_draw_legend(ax->fig, &ax->legend, x, y, 1);
    return 1;
}

// Write the text at the candidate (centre of its box) that lies inside the axes, hits no other text or legend and
// covers least data. Left out when there is none.
static void plotp_place_text(plot_axes *ax, const char *text, const double (*at)[2], int n, int rgb) {
    plot_figure *fig = ax->fig;
    double size = PLOTP_SIZE_TICK * 0.94 * fig->scale, w = plotp_text_width(text, size);
    int i, best = -1, least = 0;
    plotp_rect r, chosen;
    memset(&chosen, 0, sizeof chosen);
    for (i = 0; i < n; i++) {
        int ink;
        r.x0 = at[i][0] - w / 2 - 2;
        r.x1 = at[i][0] + w / 2 + 2;
        r.y0 = at[i][1] - size * 0.55;
        r.y1 = at[i][1] + size * 0.55;
        if (!(r.x0 >= ax->rect.x0 + 2 && r.x1 <= ax->rect.x1 - 2 && r.y0 >= ax->rect.y0 + 2 && r.y1 <= ax->rect.y1 - 2))
            continue;
        if (!plotp_is_free(fig, r)) continue;
        ink = plotp_count_ink(fig, r);
        if (best >= 0 && ink >= least) continue;
        best = i;
        least = ink;
        chosen = r;
    }
    if (best < 0) return;
    if (least) plotp_fill_rect(&fig->canvas, chosen, plotp_lightness(rgb) > 0.6 ? 0 : 0xFFFFFF, ax->heat ? 0.4 : 0.75);
    plotp_text(fig, at[best][0], at[best][1], text, size, 0.5, PLOTP_REGULAR, rgb);
}

// Labels of lines across and contours, each tried at many places along its line or around its end.
static void plotp_draw_notes(plot_axes *ax) {
    double size = PLOTP_SIZE_TICK * 0.94 * ax->fig->scale, at[24][2];
    int i, k;
    for (i = 0; i < ax->item_count && ax->fig->cramped < 2; i++) {
        const plotp_item *item = &ax->items[i];
        double x, y, w;
        int n = 0;
        if (!item->label || !item->label[0]) continue;
        x = item->note_x;
        y = item->kind == PLOTP_CONTOUR ? item->note_y : plotp_py(ax, item->y[0]);
        w = plotp_text_width(item->label, size);
        for (k = 0; k < 24 && item->kind == PLOTP_HLINE; k++, n++) { // from right to left, above and below the line
            at[n][0] = ax->rect.x1 - w / 2 - 8 - k / 2 * (ax->rect.x1 - ax->rect.x0 - w - 16) / 11;
            at[n][1] = y + (k % 2 ? 0.8 : -0.8) * size;
        }
        for (k = 0; k < 24 && item->kind == PLOTP_CONTOUR; k++, n++) { // near first
            static const double around[8][2] = {{1, 0}, {0, -1}, {-1, 0}, {0, 1}, {1, -1}, {-1, -1}, {1, 1}, {-1, 1}};
            at[n][0] = x + around[k % 8][0] * (w / 2 + (0.6 + k / 8 * 0.8) * size);
            at[n][1] = y + around[k % 8][1] * (1.0 + k / 8 * 0.8) * size;
        }
        if (n) plotp_place_text(ax, item->label, (const double (*)[2])at, n, item->rgb);
    }
}

static void plotp_draw_empty(plot_axes *ax) {
    const char *text = ax->has_lost || ax->has_nonpositive ? "nothing to show" : "no data";
    if (!ax->is_empty || ax->fig->cramped >= 2) return;
    plotp_text(ax->fig, (ax->rect.x0 + ax->rect.x1) / 2, (ax->rect.y0 + ax->rect.y1) / 2, text,
               PLOTP_SIZE_LABEL * ax->fig->scale, 0.5, PLOTP_REGULAR, PLOTP_FRAME);
}

// Draw one panel; returns 0 when its legend found no place inside.
static int plotp_draw_panel(plot_axes *ax) {
    int placed = 1;
    if (plotp_panel_is_empty(ax)) return 1;
    if (ax->image) plotp_draw_images(ax);
    else if (ax->cells) plotp_draw_table(ax);
    else {
        plotp_draw_grid(ax);
        plotp_draw_data(ax);
        plotp_draw_axes(ax);
        plotp_draw_color_bar(ax);
        plotp_draw_cell_values(ax);
        plotp_draw_empty(ax);
        placed = plotp_place_legend(ax);
        plotp_draw_notes(ax);
    }
    plotp_draw_title(ax);
    return placed;
}

// White paper.
static int plotp_clear(plot_figure *fig) {
    plotp_canvas *c = &fig->canvas;
    size_t pixels = (size_t)fig->width * (size_t)fig->height;
    if (!c->rgb) {
        c->w = fig->width;
        c->h = fig->height;
        c->rgb = (unsigned char *)plotp_alloc(fig, pixels, 3);
        c->ink = (unsigned char *)plotp_alloc(fig, pixels, 1);
        c->mask = (float *)plotp_alloc(fig, (size_t)(c->w + 2) * (size_t)c->h, sizeof *c->mask);
    }
    if (!c->rgb || !c->ink || !c->mask) return 0;
    memset(c->rgb, 255, 3 * pixels);
    memset(c->ink, 0, pixels);
    memset(c->mask, 0, (size_t)(c->w + 2) * (size_t)c->h * sizeof *c->mask);
    c->dirty[0] = c->w;
    c->dirty[1] = c->h;
    c->dirty[2] = c->dirty[3] = 0;
    plotp_unclip(c);
    fig->box_count = fig->legend_box_count = 0;
    return 1;
}

// Draw the whole figure; again when a legend had to move outside. Returns 0 on error.
static int plotp_render(plot_figure *fig) {
    int i, placed, n = fig->rows * fig->cols;
    if (fig->error[0]) return 0;
    if (fig->rendered) return 1;
    for (i = 0; i < n; i++) plotp_ranges(&fig->axes[i]);
    plotp_share_ranges(fig);
    plotp_collect_legends(fig);
    do {
        plotp_block title, caption;
        if (fig->error[0] || !plotp_clear(fig)) return 0;
        plotp_layout(fig);
        placed = 1;
        for (i = 0; i < n; i++) placed &= plotp_draw_panel(&fig->axes[i]);
        title = plotp_title_block(fig);
        caption = plotp_caption_block(fig);
        plotp_block_draw(fig, &title, fig->width / 2.0, 8 * fig->scale, PLOTP_BOLD, PLOTP_INK);
        plotp_block_draw(fig, &caption, fig->width / 2.0, fig->height - plotp_block_height(&caption) - 6 * fig->scale,
                         PLOTP_REGULAR, PLOTP_FRAME);
        if (fig->shared)
            plotp_draw_legend(fig, &fig->legend, (fig->width - fig->legend.w) / 2,
                              8 * fig->scale + plotp_block_height(&title), 0);
    } while (!placed && !fig->error[0]);
    fig->rendered = !fig->error[0];
    return fig->rendered;
}

// -------------------------------------------------------------------------------------------------- [PLOT:CHECK]
static int plotp_complain(char *message, int size, const char *format, const char *a, const char *b) {
    if (message && size > 0) snprintf(message, (size_t)size, format, a, b);
    return 0;
}

int plot_check(plot_figure *fig, char *message, int size) {
    int i, j;
    if (message && size > 0) message[0] = 0;
    if (!fig || !plotp_render(fig)) return plotp_complain(message, size, "%s%s", plot_error(fig), "");
    for (i = 0; i < fig->box_count; i++) {
        const plotp_box *a = &fig->boxes[i];
        if (a->r.x0 < 0 || a->r.y0 < 0 || a->r.x1 > fig->width || a->r.y1 > fig->height)
            return plotp_complain(message, size, "text \"%s\" is cut off by the picture%s", a->text, "");
        for (j = 0; j < i; j++)
            if (plotp_overlap(a->r, fig->boxes[j].r, 0))
                return plotp_complain(message, size, "texts \"%s\" and \"%s\" overlap", fig->boxes[j].text, a->text);
    }
    for (i = 0; i < fig->legend_box_count; i++) {
        plotp_rect r = fig->legend_boxes[i].r;
        if (r.x0 < 0 || r.y0 < 0 || r.x1 > fig->width || r.y1 > fig->height)
            return plotp_complain(message, size, "%s%s", "a legend is cut off by the picture", "");
        if (plotp_count_ink(fig, r)) return plotp_complain(message, size, "%s%s", "a legend covers data", "");
    }
    return 1;
}

int plot_locate(const plot_axes *ax, double x, double y, double *pixel_x, double *pixel_y) {
    if (!ax || !ax->fig->rendered || !plotp_visible(&ax->x, x) || !plotp_visible(&ax->y, y)) return 0;
    *pixel_x = plotp_px(ax, x);
    *pixel_y = plotp_py(ax, y);
    return 1;
}

int plot_pixel(const plot_figure *fig, int x, int y) {
    const unsigned char *p;
    if (!fig || !fig->rendered || x < 0 || y < 0 || x >= fig->width || y >= fig->height) return -1;
    p = fig->canvas.rgb + 3 * ((size_t)y * (size_t)fig->width + (size_t)x);
    return p[0] << 16 | p[1] << 8 | p[2];
}

// --------------------------------------------------------------------------------------------------- [PLOT:PNG]
// stb_image_write compresses and frames the PNG. It does not look whether its allocations succeed, so it gets a pool
// that cannot run out: all that it may ask for, reserved in one piece.
typedef struct { unsigned char *data; size_t used; } plotp_pool;
static plotp_pool plotp_stb_pool;

static void *plotp_take_from_pool(size_t size) {
    void *p = plotp_stb_pool.data + plotp_stb_pool.used;
    plotp_stb_pool.used += (size + 15) / 16 * 16;
    return p;
}

static void *plotp_grow_in_pool(const void *old, size_t old_size, size_t size) {
    void *p = plotp_take_from_pool(size);
    if (old) memcpy(p, old, old_size);
    return p;
}

// Bytes that stb takes for `raw` bytes of pixels: the filtered pixels, one row, and the file; the compressed stream in
// an array that doubles (at worst 9/8 of the pixels, and all its smaller copies); 16384 lists that grow from 2 to 23
// pointers, each with a head of 8 bytes.
static int plotp_reserve_pool(plot_figure *fig, size_t raw) {
    size_t lists = (size_t)16384 * (sizeof(void *) + (2 + 5 + 11 + 23) * sizeof(void *) + 4 * (8 + 15));
    plotp_stb_pool.used = 0;
    plotp_stb_pool.data = NULL;
    if (raw < (size_t)-1 / 16) plotp_stb_pool.data = (unsigned char *)PLOT_MALLOC(8 * raw + lists + 65536);
    if (!plotp_stb_pool.data) plotp_fail(fig, "%s", plotp_no_memory);
    return plotp_stb_pool.data != NULL;
}

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBIW_MALLOC(size) plotp_take_from_pool((size_t)(size))
#define STBIW_REALLOC_SIZED(p, old_size, size) plotp_grow_in_pool(p, (size_t)(old_size), (size_t)(size))
#define STBIW_FREE(p) ((void)(p))
#if defined(__GNUC__) // gcc and clang: stb's own code is not held to this project's warnings
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wcast-qual"
#elif defined(_MSC_VER)
#pragma warning(push, 0)
#endif
#ifdef PLOTP_STB_IN_SYSTEM
#include <stb/stb_image_write.h>
#else
#include "../third_party/stb_image_write.h"
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#elif defined(_MSC_VER)
#pragma warning(pop)
#endif

static int plotp_replace(const char *from, const char *to) {
#ifdef _WIN32 // there rename does not replace
    remove(to);
#endif
    return rename(from, to) == 0;
}

// Write under a temporary name, flush, check, rename.
static void plotp_write_file(plot_figure *fig, const char *path, const unsigned char *data, size_t size) {
    size_t room = strlen(path) + 5;
    char *temporary = (char *)plotp_alloc(fig, room, 1);
    FILE *file;
    int ok;
    if (!temporary) return;
    snprintf(temporary, room, "%s.tmp", path);
    file = fopen(temporary, "wb");
    if (!file) {
        plotp_fail(fig, "plot_save: cannot write %s: %s; does the folder exist?", temporary, strerror(errno));
        PLOT_FREE(temporary);
        return;
    }
    ok = fwrite(data, 1, size, file) == size && fflush(file) == 0;
    ok = fclose(file) == 0 && ok;
    if (!ok)
        plotp_fail(fig, "plot_save: cannot write %lu bytes to %s: %s", (unsigned long)size, temporary, strerror(errno));
    else if (!plotp_replace(temporary, path))
        plotp_fail(fig, "plot_save: cannot rename %s: %s", temporary, strerror(errno));
    if (fig->error[0]) remove(temporary);
    PLOT_FREE(temporary);
}

int plot_save(plot_figure *fig, const char *path) {
    unsigned char *png;
    int size = 0;
    if (!fig) return 0;
    if (!path || !path[0]) plotp_fail(fig, "plot_save: expected the name of a file, found none");
    if (!plotp_render(fig) || !plotp_reserve_pool(fig, 3 * (size_t)fig->width * (size_t)fig->height)) return 0;
    stbi_write_force_png_filter = 0; // flat colours compress best unfiltered
    stbi_write_png_compression_level = 8;
    png = stbi_write_png_to_mem(fig->canvas.rgb, 3 * fig->width, fig->width, fig->height, 3, &size);
    plotp_write_file(fig, path, png, (size_t)size);
    PLOT_FREE(plotp_stb_pool.data);
    return !fig->error[0];
}

#if defined(__OPTIMIZE__) && defined(__clang__)
#pragma clang attribute pop
#elif defined(__OPTIMIZE__) && defined(__GNUC__)
#pragma GCC pop_options
#endif
#endif // stb_image_write.h is there
#endif // PLOT_IMPLEMENTATION
