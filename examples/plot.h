// plot.h: charts for the examples, drawn in plain C and written as PNG.
//
//     #define PLOT_IMPLEMENTATION            // in one source file, before the include
//     #include "plot.h"
//
//     plot_figure *fig = plot_figure_create(1400, 700, 1, 2, "Twenty layers, five activations");
//     plot_axes *ax = plot_axes_at(fig, 0, 0);
//     plot_labels(ax, "loss per step", "step", "cross entropy");
//     plot_log_y(ax);
//     plot_line(ax, NULL, loss, steps, "relu", plot_named_style("relu"));
//     if (!plot_save(fig, "results/loss.png")) fprintf(stderr, "%s\n", plot_error(fig));
//     plot_figure_free(fig);
//
// Or compile it once and link it: cc -O2 -x c -DPLOT_IMPLEMENTATION -c plot.h -o plot.o
//
// What a chart must do, and how this one does it:
// - every point lands where the axis says: a scale maps a value to 0..1, a rectangle maps 0..1 to pixels   [PLOT:SCALE]
// - every text is readable: all texts are measured before the axes are placed, and plot_check() proves that none is
//   cut off or overlaps another                                                              [PLOT:LAYOUT] [PLOT:CHECK]
// - nothing is hidden: NaN, infinities and values that a log axis cannot show leave a gap and a cross at the border, a
//   line under another one is drawn wider, and the legend stands where no data is             [PLOT:DRAW] [PLOT:LEGEND]
//
// Contents (search for the token)
//     [PLOT:API]     public functions           [PLOT:SCALE]   ranges, 1-2-5 ticks, powers of ten
//     [PLOT:CANVAS]  antialiased lines, fills   [PLOT:LAYOUT]  margins from measured texts
//     [PLOT:MEMORY]  structs, errors, copies    [PLOT:DRAW]    lines, bands, histograms, axes
//     [PLOT:FONT]    letters as pen strokes     [PLOT:HEAT]    heatmaps, colour bars, contours; [PLOT:IMAGES] tiles
//     [PLOT:COLOUR]  palette, names, maps       [PLOT:LEGEND]  legends, the whole figure
//     [PLOT:DATA]    what the calls store       [PLOT:CHECK]   proof of the layout; [PLOT:PNG] writing the file
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

// A colour is a number 0, 1, 2 … of the palette or PLOT_RGB(r, g, b).
#define PLOT_RGB(r, g, b) (0x1000000 | ((r) << 16) | ((g) << 8) | (b))
#define PLOT_BLACK PLOT_RGB(34, 34, 34)
#define PLOT_GREY PLOT_RGB(128, 128, 128)

typedef enum { PLOT_SOLID, PLOT_DASHED, PLOT_DOTTED, PLOT_DASHDOT, PLOT_NO_LINE } plot_dash;
typedef enum { PLOT_NO_MARKER, PLOT_CIRCLE, PLOT_CROSS, PLOT_RING } plot_marker; // a ring hides no line under it
typedef enum { PLOT_VIRIDIS, PLOT_INFERNO, PLOT_SIGNED, PLOT_BLUES } plot_map;
typedef enum { PLOT_SHARE_NONE, PLOT_SHARE_ALL, PLOT_SHARE_ROW, PLOT_SHARE_COLUMN } plot_share; // which panels

typedef struct {
    int color;          // palette number or PLOT_RGB
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
// The same name has the same look in every chart, whatever else is drawn: an activation has a colour and dash of its
// own (relatives share the colour), any other name one of the palette.
plot_style plot_named_style(const char *name);
int plot_named_color(const char *name); // its colour alone, e.g. for plot_dashed(plot_named_color("relu"))

// A figure of width x height pixels (64..16384) with rows x cols panels (1..32 each). title may be NULL.
plot_figure *plot_figure_create(int width, int height, int rows, int cols, const char *title);
void plot_figure_free(plot_figure *fig);
const char *plot_title(const plot_figure *fig);               // as given to plot_figure_create; never NULL
void plot_caption(plot_figure *fig, const char *text);       // small text below; smoothing and bands are added to it
void plot_text_scale(plot_figure *fig, double factor);       // 1 = normal
void plot_shared_legend(plot_figure *fig);                   // one above all (automatic if one covers the others)
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

// Lines and points: n values; x NULL = 0, 1, 2 …, x[i] NAN interrupts the line; label NULL = not in the legend.
void plot_line(plot_axes *ax, const double *x, const double *y, int n, const char *label, plot_style style);
void plot_scatter(plot_axes *ax, const double *x, const double *y, int n, const char *label, plot_style style);
void plot_band(plot_axes *ax, const double *x, const double *lo, const double *hi, int n, const char *label,
               plot_style style);
// Mean as a line over a band of mean ± std.
void plot_mean_std(plot_axes *ax, const double *x, const double *mean, const double *std, int n, const char *label,
                   plot_style style);
// Raw data thin and pale, over it the centred moving average of `window` points (0 = n/50; geometric on a log axis).
// The window grows from the first point, so the average begins where the data begin.
void plot_smooth(plot_axes *ax, const double *x, const double *y, int n, int window, const char *label,
                 plot_style style);
void plot_hline(plot_axes *ax, double y, const char *label, plot_style style); // right across the panel

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
// each image over its own range. captions: NULL or one text an image.
void plot_images(plot_axes *ax, const double *pixels, int count, int channels, int height, int width, double lo,
                 double hi, int columns, const char *const *captions);

// Result: 1 = fine. plot_save writes NAME.tmp and renames it, so no half-written file ever has the final name. When it
// returns 0 (a full disk, say) the caller decides: it may go on, only this picture is missing.
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

#ifndef PLOT_MALLOC // or define both before the include
#define PLOT_MALLOC malloc
#define PLOT_FREE free
#endif

// ------------------------------------------------------------------------------------------------ [PLOT:CANVAS]
// A shape is drawn in two steps: its coverage of every pixel, 0..1, is collected in a mask, then one paint mixes the
// colour in. So a polyline that crosses itself, or the strokes of a letter, stay evenly coloured however pale.
typedef struct { double x0, y0, x1, y1; } plotp_rect;

typedef struct {
    int w, h;
    unsigned char *rgb;      // [h][w][3]
    float *mask;             // [h][w+2] coverage of the shape being drawn, 0 between shapes
    unsigned char *ink;      // [h][w] 1 where data was drawn: legends keep off
    int clip[4], dirty[4];   // x0, y0, x1, y1 (ends exclusive)
    int is_data;             // painting marks ink
} plotp_canvas;

static double plotp_clamp(double v, double lo, double hi) { return v < lo ? lo : v > hi ? hi : v; }
static double plotp_min(double a, double b) { return a < b ? a : b; }
static double plotp_max(double a, double b) { return a > b ? a : b; }

static void plotp_touch(plotp_canvas *c, int x0, int y0, int x1, int y1) {
    if (x0 < c->dirty[0]) c->dirty[0] = x0;
    if (y0 < c->dirty[1]) c->dirty[1] = y0;
    if (x1 > c->dirty[2]) c->dirty[2] = x1;
    if (y1 > c->dirty[3]) c->dirty[3] = y1;
}

static void plotp_blend(plotp_canvas *c, int x, int y, int rgb, double a) {
    size_t at = (size_t)y * (size_t)c->w + (size_t)x;
    unsigned char *p = c->rgb + 3 * at;
    for (int k = 0; k < 3; k++) {
        double target = (rgb >> (16 - 8 * k)) & 255;
        p[k] = (unsigned char)(p[k] + (target - p[k]) * a + 0.5);
    }
    if (c->is_data && a > 0.02) c->ink[at] = 1;
}

// Mix the collected shape into the picture and clear the mask. The mask holds coverage (strokes), or its
// differences along each row (fills), which the running sum turns back into coverage.
static void plotp_paint(plotp_canvas *c, int rgb, double alpha, int is_fill) {
    for (int y = c->dirty[1]; y < c->dirty[3]; y++) {
        float *row = c->mask + (size_t)y * (size_t)(c->w + 2);
        double sum = 0;
        for (int x = c->dirty[0]; x < c->dirty[2]; x++) {
            if (!is_fill && row[x] <= 0) continue;
            sum = is_fill ? sum + row[x] : row[x];
            row[x] = 0;
            double a = floor(plotp_min(fabs(sum), 1) * 16 + 0.5) / 16; // 17 levels look the same and halve the file
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
    int top = (int)plotp_clamp(floor(plotp_min(y0, y1) - reach), c->clip[1], c->clip[3]);
    int bottom = (int)plotp_clamp(ceil(plotp_max(y0, y1) + reach), c->clip[1], c->clip[3]);
    for (int y = top; y < bottom; y++) {
        float *row = c->mask + (size_t)y * (size_t)(c->w + 2);
        double t0 = 0, t1 = 1, cy = y + 0.5;
        if (fabs(dy) > 1e-9) { // the part of the segment that this row of pixels can feel
            double ta = (cy - reach - y0) / dy, tb = (cy + reach - y0) / dy;
            t0 = plotp_clamp(plotp_min(ta, tb), 0, 1);
            t1 = plotp_clamp(plotp_max(ta, tb), 0, 1);
        }
        double xa = x0 + t0 * dx, xb = x0 + t1 * dx;
        int left = (int)plotp_clamp(floor(plotp_min(xa, xb) - reach), c->clip[0], c->clip[2]);
        int right = (int)plotp_clamp(ceil(plotp_max(xa, xb) + reach), c->clip[0], c->clip[2]);
        for (int x = left; x < right; x++) {
            double px = x + 0.5 - x0, py = cy - y0;
            double t = length2 > 0 ? plotp_clamp((px * dx + py * dy) / length2, 0, 1) : 0;
            double ex = px - t * dx, ey = py - t * dy, cover = plotp_min(reach - sqrt(ex * ex + ey * ey), peak);
            if (cover > row[x]) row[x] = (float)cover;
        }
        if (left < right) plotp_touch(c, left, y, right, y + 1);
    }
}

// Coverage that an edge adds to one row: the area right of it is covered by `d` (its height in this row, signed).
static void plotp_edge_row(float *row, double xa, double xb, double d) {
    double left = plotp_min(xa, xb), right = plotp_max(xa, xb), done = 0, start = left;
    int last = (int)floor(right);
    for (int i = (int)floor(left); i <= last; i++) {
        double end = plotp_min(right, i + 1);
        double part = right > left ? (end - start) / (right - left) * d : d; // height crossed inside this pixel
        double inside = part * (i + 1 - 0.5 * (start + end));                // covered area of this pixel
        row[i] += (float)(inside + done);
        done = part - inside; // the rest of this part begins with the next pixel
        start = end;
    }
    row[last + 1] += (float)done;
}

// Collect a polygon of n points in the mask. Each edge adds signed areas, so an edge that two polygons share leaves no
// seam; the running sum in plotp_paint gives exact coverage.
static void plotp_polygon(plotp_canvas *c, const double *px, const double *py, int n) {
    for (int i = 0; i < n; i++) {
        int j = i + 1 < n ? i + 1 : 0, up = py[i] > py[j];
        double x0 = up ? px[j] : px[i], y0 = up ? py[j] : py[i], x1 = up ? px[i] : px[j], y1 = up ? py[i] : py[j];
        int top = (int)plotp_clamp(floor(y0), c->clip[1], c->clip[3]);
        int bottom = (int)plotp_clamp(ceil(y1), c->clip[1], c->clip[3]);
        double slope = y1 > y0 ? (x1 - x0) / (y1 - y0) : 0;
        for (int y = top; y < bottom; y++) {
            double ya = plotp_max(y, y0), yb = plotp_min(y + 1, y1);
            double xa = plotp_clamp(x0 + (ya - y0) * slope, c->clip[0], c->clip[2]);
            double xb = plotp_clamp(x0 + (yb - y0) * slope, c->clip[0], c->clip[2]);
            if (yb <= ya) continue;
            plotp_edge_row(c->mask + (size_t)y * (size_t)(c->w + 2), xa, xb, up ? ya - yb : yb - ya);
            plotp_touch(c, (int)floor(plotp_min(xa, xb)), y, (int)floor(plotp_max(xa, xb)) + 2, y + 1);
        }
    }
}

// A chart is drawn once, by code that is long: from here on compiling it fast is worth more than running it fast.
#if defined(__OPTIMIZE__) && defined(__clang__)
#define PLOTP_NO_OPTIMIZER
#pragma clang optimize off
#elif defined(__OPTIMIZE__) && defined(__GNUC__)
#define PLOTP_NO_OPTIMIZER
#pragma GCC push_options
#pragma GCC optimize("O0")
#endif

static void plotp_clip(plotp_canvas *c, double x0, double y0, double x1, double y1) {
    c->clip[0] = (int)plotp_clamp(floor(x0), 0, c->w);
    c->clip[1] = (int)plotp_clamp(floor(y0), 0, c->h);
    c->clip[2] = (int)plotp_clamp(ceil(x1), 0, c->w);
    c->clip[3] = (int)plotp_clamp(ceil(y1), 0, c->h);
}

static void plotp_fill_rect(plotp_canvas *c, plotp_rect r, int rgb, double alpha) {
    double px[4] = {r.x0, r.x1, r.x1, r.x0}, py[4] = {r.y0, r.y0, r.y1, r.y1};
    plotp_polygon(c, px, py, 4);
    plotp_paint(c, rgb, alpha, 1);
}

// A one-pixel line, level or upright, exactly on the pixel grid: crisp.
static void plotp_hair(plotp_canvas *c, double x0, double y0, double x1, double y1, int rgb) {
    plotp_rect r = {floor(x0), floor(y0), floor(x1) + 1, floor(y1) + 1};
    plotp_fill_rect(c, r, rgb, 1);
}

static void plotp_frame(plotp_canvas *c, plotp_rect r, int rgb) {
    plotp_hair(c, r.x0, r.y0, r.x1, r.y0, rgb);
    plotp_hair(c, r.x0, r.y1, r.x1, r.y1, rgb);
    plotp_hair(c, r.x0, r.y0, r.x0, r.y1, rgb);
    plotp_hair(c, r.x1, r.y0, r.x1, r.y1, rgb);
}

// Lengths of ink and gap, in line widths; the round ends add one width to each stroke.
static const double plotp_dashes[][4] = {
    {0, 0, 0, 0}, {3.0, 2.6, 3.0, 2.6}, {0.01, 2.1, 0.01, 2.1}, {3.6, 2.2, 0.01, 2.2}};

// A polyline through the points that are numbers; NaN leaves a gap. The joins are round.
static void plotp_polyline(plotp_canvas *c, const double *x, const double *y, int n, double width, int dash) {
    double at = 0; // position in the dash pattern
    int part = 0, before = 0;
    for (int i = 0; i < n; i++) {
        int here = x[i] == x[i] && y[i] == y[i], next = i + 1 < n && x[i + 1] == x[i + 1] && y[i + 1] == y[i + 1];
        if (here && !next && !before) plotp_stroke(c, x[i], y[i], x[i], y[i], width * 0.9); // gaps on both sides
        before = here;
        if (!here || !next) continue;
        if (dash == PLOT_SOLID) {
            plotp_stroke(c, x[i], y[i], x[i + 1], y[i + 1], width / 2);
            continue;
        }
        double length = hypot(x[i + 1] - x[i], y[i + 1] - y[i]);
        double ux = (x[i + 1] - x[i]) / length, uy = (y[i + 1] - y[i]) / length;
        for (double done = 0; done < length;) {
            double left = plotp_dashes[dash][part] * width - at, step = plotp_min(left, length - done);
            double end = done + step;
            if (part % 2 == 0)
                plotp_stroke(c, x[i] + ux * done, y[i] + uy * done, x[i] + ux * end, y[i] + uy * end, width / 2);
            at = step >= left ? 0 : at + step;
            part = step >= left ? (part + 1) % 4 : part;
            done = end;
        }
    }
}

static void plotp_marker(plotp_canvas *c, int marker, double x, double y, double r, int rgb, double alpha) {
    if (marker == PLOT_CIRCLE) plotp_stroke(c, x, y, x, y, r);
    for (int k = 0; marker == PLOT_RING && k < 16; k++) {
        double a = k * 0.3927, b = a + 0.3927; // a sixteenth of the circle
        plotp_stroke(c, x + r * cos(a), y + r * sin(a), x + r * cos(b), y + r * sin(b), r * 0.22);
    }
    for (int side = -1; marker == PLOT_CROSS && side <= 1; side += 2)
        plotp_stroke(c, x - 0.8 * r, y - side * 0.8 * r, x + 0.8 * r, y + side * 0.8 * r, r * 0.3);
    plotp_paint(c, rgb, alpha, 0);
}

// ------------------------------------------------------------------------------------------------ [PLOT:MEMORY]
#define PLOTP_MAX_TICKS 64
#define PLOTP_MAX_COLUMNS 16 // of a legend
#define PLOTP_TEXT 160       // bytes of a label with its ending zero

typedef struct { plotp_rect r; char text[24]; } plotp_box;
typedef struct { plotp_box *box; int n, room; } plotp_boxes;

typedef struct {
    double lo, hi;                 // what the axis shows; lo > hi: turned round
    double user_lo, user_hi;       // NAN = automatic
    double from, to;               // pixels of lo and hi
    int log, whole;                // whole: all data are integers, so no fractional ticks
    char *label;
    char **names;
    int name_count;
    int tick_count, minor_count, exponent, rotated;
    double tick[PLOTP_MAX_TICKS], minor[PLOTP_MAX_TICKS * 2];
    char tick_label[PLOTP_MAX_TICKS][PLOTP_TEXT];
} plotp_axis;

typedef enum { PLOTP_LINE, PLOTP_SMOOTH, PLOTP_BAND, PLOTP_HLINE, PLOTP_HIST, PLOTP_CONTOUR } plotp_kind;

typedef struct {
    plotp_kind kind;
    int n, rgb;
    int window;         // points of a moving average; 1: a band of mean ± std
    int under;          // how many later lines lie on this one
    double *x, *y, *y2; // y2: upper edge of a band
    const char *label;
    plot_style style;
} plotp_item;

typedef struct {
    const plotp_item **entry;
    int n, room, shown, rows, cols;
    double size, w, h, column[PLOTP_MAX_COLUMNS]; // size of the text, of the whole, width of each column
} plotp_legend;

struct plot_axes {
    plot_figure *fig;
    char *title;
    plotp_axis x, y, z;      // z: the colour scale
    plotp_item *items;
    int item_count, item_room, smooth_count, band_count;
    int has_lost, has_nonpositive, is_empty; // points that are no numbers; that a log axis cannot show; nothing else
    double *heat, extent[4];
    int heat_rows, heat_cols, heat_map, heat_square, heat_bar, heat_hide_zeros, has_extent;
    char *heat_format;
    double *image;
    int image_count, image_channels, image_h, image_w, image_cols;
    double image_lo, image_hi;
    char **captions;
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
    double middle, tick_w, tick_h; // middle of all axes, over which titles stand; length of the shortest axes
    int share_legend, shared, rendered;
    int cramped;             // what is left out for want of room: 1 labels and legends, 2 ticks too, 3 titles too
    plot_share share_x, share_y;
    plotp_legend legend;     // the shared one
    plotp_boxes texts, legends;
    union plotp_owned *owned; // all that was allocated for this figure
    char error[400];
};

typedef union plotp_owned { union plotp_owned *next; double align[2]; } plotp_owned;

static const char *const plotp_no_memory = "out of memory: make the figure smaller or pass fewer points";

// Keep the first error.
static void plotp_fail(plot_figure *fig, const char *format, ...) {
    va_list args;
    if (fig->error[0]) return;
    va_start(args, format);
    vsnprintf(fig->error, sizeof fig->error, format, args);
    va_end(args);
}

// Memory that belongs to the figure and is freed with it, all zero; NULL and an error when there is none.
static void *plotp_alloc(plot_figure *fig, size_t count, size_t size) {
    plotp_owned *block = NULL;
    if (count <= (size_t)-1 / 2 / size) block = (plotp_owned *)PLOT_MALLOC(sizeof *block + count * size);
    if (!block) {
        plotp_fail(fig, "%s", plotp_no_memory);
        return NULL;
    }
    block->next = fig->owned;
    fig->owned = block;
    return memset(block + 1, 0, count * size);
}

// Room for one more element of a growing array; 0 when memory is out.
static int plotp_grow(plot_figure *fig, void **array, int count, int *room, size_t size) {
    if (count < *room) return 1;
    int wanted = *room ? 2 * *room : 16;
    void *p = plotp_alloc(fig, (size_t)wanted, size);
    if (!p) return 0;
    if (count) memcpy(p, *array, (size_t)count * size);
    *array = p;
    *room = wanted;
    return 1;
}

static double *plotp_copy(plot_figure *fig, const double *from, int n) {
    double *to = (double *)plotp_alloc(fig, (size_t)n, sizeof *to);
    for (int i = 0; to && i < n; i++) to[i] = from ? from[i] : i;
    return to;
}

static char *plotp_copy_text(plot_figure *fig, const char *from) {
    char *to = from ? (char *)plotp_alloc(fig, strlen(from) + 1, 1) : NULL;
    return to ? strcpy(to, from) : NULL;
}

static char **plotp_copy_texts(plot_figure *fig, const char *const *from, int n) {
    char **to = (char **)plotp_alloc(fig, (size_t)n, sizeof *to);
    for (int i = 0; to && i < n; i++) to[i] = plotp_copy_text(fig, from[i] ? from[i] : "");
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

// Note where a text or a legend stands.
static void plotp_note(plot_figure *fig, plotp_boxes *boxes, plotp_rect r, const char *text) {
    if (!plotp_grow(fig, (void **)&boxes->box, boxes->n, &boxes->room, sizeof *boxes->box)) return;
    plotp_box *box = &boxes->box[boxes->n++];
    box->r = r;
    snprintf(box->text, sizeof box->text, "%.23s", text);
}

// False for NaN; leaves room for differences of two values.
static int plotp_finite(double v) { return fabs(v) < 1e300; }

// -------------------------------------------------------------------------------------------------- [PLOT:FONT]
// Every letter is a path for a round pen, on a grid where a capital is 70 high, a small x 50, a tail 20 deep.
//     m x y   move with the pen up          l x y           line
//     q a b x y   parabola (quadratic Bezier) to (x,y), pulled towards (a,b)
//     A cx cy rx ry from to   arc, angles in degrees (a: joined to the point before by a line)     . x y   dot
// Arcs are superellipses of exponent 2.25, a little squarer than ellipses, as the bowls of most typefaces are.
// An entry is the character, its advance to the next one and the path; ASCII comes first and complete, and the last one
// is the box that stands for every unknown character.
// clang-format off
static const char *const plotp_font[] = {
    "  27", "! 24 m12 70l12 21.12 4", "\" 36 m11 70l11 49m25 70l25 49",
    "# 64 m19 0l28 70m37 0l46 70m8 23l54 23m11 47l57 47", "$ 58 A29 52 19 18 32 270a29 17 21 17 90-150m29 80l29-10",
    "% 78 A19 53 12 17 0 360A59 17 12 17 0 360m58 70l20 0",
    "& 66 m60 0l19 46A28 57 13 13 215-45l20 36q8 28 8 18q8 0 26 0q46 0 56 32", "' 21 m11 70l11 49",
    "( 31 m24 78q-2 29 24-20", ") 31 m7 78q33 29 7-20", "* 42 m21 70l21 42m9 63l33 49m33 63l9 49",
    "+ 58 m29 11l29 55m7 33l51 33", ", 24 m13 4l8-11", "- 36 m7 27l29 27", ". 24 .12 4", "/ 38 m6-8l32 76",
    "0 56 A28 35 20 35 0 360", "1 56 m14 57l31 70l31 0", "2 56 A27 50 18 20 165-35l8 0l48 0",
    "3 56 A27 53 17 17 150-90a27 18 20 18 90-152", "4 56 m38 0l38 70l6 19l51 19",
    "5 56 m45 70l15 70l12 35a27 23 20 23 138-150", "6 56 A29 33 21 37 48 180l8 22a28 22 20 22 180-180",
    "7 56 m8 70l48 70l22 0", "8 56 A28 54 17 16 90 450A28 19 20 19 90 450",
    "9 56 A27 37 21 37 228 360l48 48A28 48 20 22 0 360", ": 24 .12 4.12 42", "; 24 .13 42m13 4l8-11",
    "< 58 m50 55l8 33l50 11", "= 58 m7 43l51 43m7 23l51 23", "> 58 m8 55l50 33l8 11",
    "? 48 A24 53 16 17 165-45q24 32 24 20.24 4",
    "@ 92 A46 27 14 16 0 360m61 44l60 21q60 11 69 11q83 11 84 30a46 30 38 40 0 305", "A 60 m5 0l30 70l55 0m13 24l47 24",
    "B 61 m11 0l11 70l33 70a33 53 17 17 90-90l11 36m33 36l34 36a34 18 19 18 90-90l11 0", "C 65 A37 35 29 35 48 312",
    "D 69 m11 0l11 70l31 70a31 35 30 35 90-90l11 0", "E 56 m49 70l11 70l11 0l50 0m11 37l46 37",
    "F 53 m48 70l11 70l11 0m11 36l44 36", "G 72 A38 35 30 35 48 300l63 12l63 34l42 34",
    "H 70 m11 0l11 70m59 0l59 70m11 37l59 37", "I 24 m12 0l12 70", "J 48 m37 70l37 19a22 19 15 19 0-165",
    "K 60 m11 0l11 70m53 70l11 27m26 42l56 0", "L 50 m11 70l11 0l46 0", "M 76 m11 0l11 70l38 8l65 70l65 0",
    "N 70 m11 0l11 70l59 0l59 70", "O 75 A37 35 29 35 0 360", "P 58 m11 0l11 70l33 70a33 51 18 19 90-90l11 32",
    "Q 75 A37 35 29 35 0 360m43 17l63-5", "R 61 m11 0l11 70l33 70a33 52 18 18 90-90l11 34m33 34l53 0",
    "S 58 A29 53 18 17 32 270a29 18 21 18 90-150", "T 57 m5 70l52 70m28 70l28 0",
    "U 69 m11 70l11 24a34 24 23 24 180 360l57 70", "V 60 m5 70l30 0l55 70", "W 86 m5 70l24 0l43 68l62 0l81 70",
    "X 58 m6 70l52 0m52 70l6 0", "Y 58 m5 70l29 32l53 70m29 32l29 0", "Z 58 m8 70l50 70l7 0l51 0",
    "[ 31 m24 78l11 78l11-16l24-16", "\\ 38 m6 76l32-8", "] 31 m7 78l20 78l20-16l7-16", "^ 58 m12 42l29 70l46 42",
    "_ 54 m2-13l52-13", "` 30 m8 72l19 59", "a 53 A26 35 15 15 160 0l42 0m42 29l26 29q8 29 8 14q8 0 23 0q37 0 42 14",
    "b 57 m11 0l11 72A30 25 19 25 0 360", "c 49 A28 25 20 25 48 312", "d 57 A27 25 19 25 0 360m46 0l46 72",
    "e 55 m9 27l47 27a28 25 20 25 5 314", "f 33 m17 0l17 57a30 57 13 15 180 85m5 50l31 50",
    "g 57 A27 25 19 25 0 360m46 50l46-3a27-3 19 17 0-155", "h 56 m11 0l11 72A28 31 17 19 180 0l45 0",
    "i 24 m12 0l12 50.12 67", "j 25 m13 50l13-8q13-20 0-20.13 67", "k 49 m11 0l11 72m41 50l11 20m22 31l45 0",
    "l 24 m12 0l12 72", "m 80 m11 0l11 50A26 32 15 18 180 0l41 0A55 32 14 18 180 0l69 0",
    "n 56 m11 0l11 50A28 31 17 19 180 0l45 0", "o 56 A28 25 20 25 0 360", "p 57 m11 50l11-20A30 25 19 25 0 360",
    "q 57 A27 25 19 25 0 360m46 50l46-20", "r 36 m11 0l11 50A28 31 17 19 180 82",
    "s 49 A24 38 15 12 25 270a24 13 17 13 90-155", "t 35 m17 66l17 13q17 0 28 0l32 0m5 50l31 50",
    "u 56 m11 50l11 19a28 19 17 19 180 360m45 50l45 0", "v 49 m5 50l24 0l44 50", "w 72 m5 50l20 0l36 48l52 0l67 50",
    "x 48 m6 50l42 0m42 50l6 0", "y 49 m5 50l25 0m44 50l24-3q18-20 8-20", "z 48 m7 50l41 50l7 0l42 0",
    "{ 33 m27 78q15 78 15 66l15 42q15 30 6 30q15 30 15 18l15-6q15-18 27-18", "| 24 m12 78l12-20",
    "} 33 m6 78q18 78 18 66l18 42q18 30 27 30q18 30 18 18l18-6q18-18 6-18", "~ 58 m8 27q18 46 29 33q40 20 50 39",
    "° 38 A19 59 11 11 0 360", "² 39 A19 83 13 14 165-35l6 48l34 48", "± 58 m29 21l29 61m9 41l49 41m9 7l49 7",
    "· 28 .14 31", "× 58 m12 16l46 50m46 16l12 50", "Γ 50 m11 0l11 70l46 70", "Δ 62 m5 0l57 0l31 70l5 0",
    "Θ 75 A37 35 29 35 0 360m24 35l50 35", "Λ 60 m5 0l30 70l55 0", "Π 70 m11 0l11 70l59 70l59 0",
    "Σ 56 m49 70l8 70l31 36l8 0l50 0", "Φ 76 A38 35 29 25 0 360m38 72l38-2",
    "Ω 76 m8 0l27 0q9 14 9 38a38 38 29 32 180 0q67 14 49 0l68 0", "α 57 m49 50q42 0 25 0a25 25 17 25 270 90q42 50 51 0",
    "β 57 m11-20l11 54a27 54 16 18 180-90a29 18 20 18 90-140",
    "γ 50 m4 45q12 56 19 33l27-2m46 50l24-9q17-20 25-20q32-20 27-2",
    "δ 55 m41 66q34 72 27 72q15 72 15 62q15 54 30 48q46 40 46 23a27 23 19 23 0-200q10 40 30 47",
    "ε 48 A26 38 15 12 30 270l32 26m26 26a26 13 18 13 90 330", "η 56 m11 50l11 0A28 31 17 19 180 0l45-20",
    "θ 56 A28 36 19 36 0 360m9 36l47 36", "κ 49 m11 0l11 50m41 50l11 20m20 29l43 0",
    "λ 51 m7 72q17 72 22 56l45 0m26 44l6 0", "μ 57 m11-20l11 50m11 19a28 19 17 19 180 360m45 50l45 0",
    "ν 49 m5 50l22 0q44 22 42 50", "π 60 m6 50l54 50m18 50l16 0m42 50l44 0", "ρ 56 m10-20l10 25a29 25 19 25 180-180",
    "σ 59 A27 25 19 25 0 360m27 50l54 50", "τ 46 m5 50l41 50m23 50l23 0", "φ 64 A32 25 24 25 0 360m32 70l32-20",
    "χ 53 m46 50l8-20m6 50q16 50 20 38l33-8q37-20 47-20", "ψ 62 m9 50l9 27a31 27 22 27 180 360l53 50m31 70l31-20",
    "ω 63 m14 50q8 38 8 18a20 18 12 18 180 360l32 34m32 18a44 18 12 18 180 360q56 38 50 50", "– 56 m4 27l52 27",
    "— 88 m4 27l84 27", "‖ 38 m12 78l12-20m26 78l26-20", "’ 21 m11 72l8 56", "… 70 .12 4.35 4.58 4", "′ 24 m15 74l9 52",
    "← 76 m70 31l6 31m24 47l6 31l24 15", "→ 76 m6 31l70 31m52 47l70 31l52 15",
    "∂ 54 m11 64q17 72 26 72q45 72 45 30q45 0 26 0A26 22 18 22 270-90", "∇ 62 m5 70l57 70l31 0l5 70",
    "∈ 58 m50 62l31 62a31 33 23 29 90 270l50 4m8 33l48 33", "− 58 m7 33l51 33", "√ 48 m4 33l12 37l23-3l40 76l48 76",
    "∞ 76 m38 33q49 49 57 49q70 49 70 33q70 17 57 17q49 17 38 33q27 49 19 49q6 49 6 33q6 17 19 17q27 17 38 33",
    "∥ 38 m12 78l12-20m26 78l26-20", "≈ 58 m8 36q18 54 29 42q40 30 50 48m8 14q18 32 29 20q40 8 50 26",
    "≠ 58 m7 43l51 43m7 23l51 23m42 62l16 4", "≤ 58 m50 66l8 44l50 22m8 6l50 6", "≥ 58 m8 66l50 44l8 22m8 6l50 6",
    "⟨ 32 m24 78l9 29l24-20", "⟩ 32 m8 78l23 29l8-20", "� 56 m8 0l8 70l48 70l48 0l8 0",
};
// clang-format on

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

static void plotp_pen_move(plotp_pen *p, double ux, double uy) {
    p->ux = ux;
    p->uy = uy;
}

static void plotp_pen_line(plotp_pen *p, double ux, double uy, double radius) {
    double x0, y0, x, y;
    plotp_pen_pixel(p, p->ux, p->uy, &x0, &y0);
    plotp_pen_pixel(p, ux, uy, &x, &y);
    if (p->c) plotp_stroke(p->c, x0, y0, x, y, radius);
    p->ink.x0 = plotp_min(p->ink.x0, x - radius);
    p->ink.y0 = plotp_min(p->ink.y0, y - radius);
    p->ink.x1 = plotp_max(p->ink.x1, x + radius);
    p->ink.y1 = plotp_max(p->ink.y1, y + radius);
    plotp_pen_move(p, ux, uy);
}

static void plotp_pen_arc(plotp_pen *p, const double *a, int joined) {
    double span = a[5] - a[4];
    int steps = (int)(fabs(span) / 11) + 2;
    for (int i = 0; i <= steps; i++) {
        double t = (a[4] + span * i / steps) * 3.14159265358979 / 180, c = cos(t), s = sin(t);
        double x = a[0] + a[2] * (c < 0 ? -pow(-c, 2 / 2.25) : pow(c, 2 / 2.25));
        double y = a[1] + a[3] * (s < 0 ? -pow(-s, 2 / 2.25) : pow(s, 2 / 2.25));
        if (i == 0 && !joined) plotp_pen_move(p, x, y);
        plotp_pen_line(p, x, y, p->radius);
    }
}

static void plotp_pen_glyph(plotp_pen *p, const char *path) {
    while (*path) {
        char command = *path++, *end;
        double a[6];
        int count = command == 'q' ? 4 : command == 'a' || command == 'A' ? 6 : 2;
        for (int i = 0; i < count; i++) {
            a[i] = (double)strtol(path, &end, 10);
            path = end;
        }
        if (command == 'm' || command == '.') plotp_pen_move(p, a[0], a[1]);
        if (command == 'l') plotp_pen_line(p, a[0], a[1], p->radius);
        if (command == '.') plotp_pen_line(p, a[0], a[1], p->radius * 1.3);
        if (command == 'a' || command == 'A') plotp_pen_arc(p, a, command == 'a');
        double x = p->ux, y = p->uy;
        for (int i = 1; command == 'q' && i <= 8; i++) {
            double t = i / 8.0, u = 1 - t;
            plotp_pen_line(p, u * u * x + 2 * u * t * a[0] + t * t * a[2], u * u * y + 2 * u * t * a[1] + t * t * a[3],
                           p->radius);
        }
    }
}

// The next character of a UTF-8 text; a malformed byte counts as one unknown character.
static unsigned plotp_utf8(const char **text) {
    const unsigned char *s = (const unsigned char *)*text;
    int more = s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : s[0] >= 0xC0 ? 1 : 0, i = 1;
    unsigned code = more ? s[0] & (0x3Fu >> more) : s[0] < 0x80 ? s[0] : 0xFFFD;
    for (; i <= more && (s[i] & 0xC0) == 0x80; i++) code = code << 6 | (s[i] & 0x3F);
    *text += i;
    return i <= more ? 0xFFFD : code;
}

// The advance and path of a character.
static const char *plotp_find_glyph(unsigned code) {
    size_t i = '~' - ' ' + 1, last = sizeof plotp_font / sizeof plotp_font[0] - 1;
    if (code >= ' ' && code <= '~') return plotp_font[code - ' '] + 1;
    for (;; i++) {
        const char *glyph = plotp_font[i];
        if (plotp_utf8(&glyph) == code || i == last) return glyph;
    }
}

// Draw (or measure, with canvas NULL) a text from the pen's origin along its baseline; returns the advance.
static double plotp_pen_text(plotp_pen *p, const char *text) {
    int in_group = 0; // +1 inside ^{…}, -1 inside _{…}
    while (*text) {
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
        char *path;
        double advance = (double)strtol(plotp_find_glyph(plotp_utf8(&text)), &path, 10);
        p->size = in_group ? 0.7 : 1;
        p->radius = p->weight * (in_group ? 0.85 : 1);
        p->raise = in_group > 0 ? p->capital - 22 * p->scale : in_group < 0 ? -15 * p->scale : 0;
        if (!p->blind && *path) plotp_pen_glyph(p, path + 1);
        p->along += advance * p->scale * p->size;
    }
    return p->along;
}

static plotp_pen plotp_pen_at(plotp_canvas *c, double x, double y, double size, double weight, int rotated) {
    double scale = size / 100, r = plotp_max(weight * size / 2, 0.42);
    plotp_pen p = {c, x, y, scale, r, r, 0, 0, 1, floor(50 * scale + 0.5), floor(70 * scale + 0.5), rotated, 0, 0, 0,
                   {1e9, 1e9, -1e9, -1e9}};
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
    plotp_pen p = plotp_pen_at(&fig->canvas, x - align * width, y + drop, size, weight, face == PLOTP_VERTICAL);
    if (p.rotated) {
        p.x = floor(x + drop + 0.5) - p.radius;
        p.y = y + align * width;
    } else {
        p.y = floor(p.y + 0.5) - p.radius; // the lower edge of the letters falls between two rows of pixels
    }
    plotp_pen_text(&p, text);
    plotp_paint(&fig->canvas, rgb, 1, 0);
    if (p.ink.x1 >= p.ink.x0) plotp_note(fig, &fig->texts, p.ink, text); // else there is nothing but blanks
}

// Shorten a text in its buffer until it fits, with an ellipsis at the cut.
static void plotp_shorten(char *text, double size, double width) {
    static const char ellipsis[] = "…";
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
typedef struct { char line[3][3 * PLOTP_TEXT]; int n; double size, step, width, height; } plotp_block;

// Break the text into lines; returns 0 when it needs more than three or a word is too long.
static int plotp_wrap(plotp_block *b, const char *text, double width) {
    int fits = 1;
    b->step = 1.16 * b->size + 1.5;
    for (b->n = 0; *text && b->n < 3; b->n++) {
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
    }
    b->height = b->n * b->step;
    return fits && !*text;
}

static plotp_block plotp_block_fit(const char *text, double size, double width, double height) {
    plotp_block b;
    int fits = 0;
    memset(&b, 0, sizeof b);
    if (!text || !text[0]) return b;
    for (b.size = size; !fits && b.size > 0.7 * size; b.size *= fits ? 1 : 0.94)
        fits = plotp_wrap(&b, text, width) && b.height <= height;
    if (!fits) plotp_wrap(&b, text, width);
    while (b.n > 0 && b.height > height) b.height = --b.n * b.step;
    for (int i = 0; i < b.n; i++) {
        if (!fits) plotp_shorten(b.line[i], b.size, width);
        b.width = plotp_max(b.width, plotp_text_width(b.line[i], b.size));
    }
    return b;
}

// Draw centred at x, below y, but not beyond left and right.
static void plotp_block_draw(plot_figure *fig, const plotp_block *b, double x, double y, double left, double right,
                             plotp_face face, int rgb) {
    x = plotp_clamp(x, left + b->width / 2 + 2, right - b->width / 2 - 2);
    for (int i = 0; i < b->n; i++)
        plotp_text(fig, x, y + (i + 0.5) * b->step, b->line[i], b->size, 0.5, face, rgb);
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
// in lightness; the signed map is white at zero (after Brewer's RdBu), blues begin pale (for counts).
static const int plotp_maps[4][9] = {
    {0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725},
    {0x000004, 0x1F0C48, 0x550F6D, 0x88226A, 0xBA3655, 0xE35933, 0xF98C0A, 0xF9C932, 0xFCFFA4},
    {0x053061, 0x2B72B2, 0x71B1D3, 0xC5DFEC, 0xF7F7F7, 0xFBCCB4, 0xE58267, 0xBB2A34, 0x67001F},
    {0xE4EEF8, 0xCFE1F2, 0xB5D4E9, 0x93C3DF, 0x6DAED5, 0x4B97C9, 0x2F7EBC, 0x1864AA, 0x0A3670}};

static int plotp_map_color(int map, double t) {
    double at = plotp_clamp(t, 0, 1) * 8;
    int i = at >= 8 ? 7 : (int)at, rgb = 0;
    for (int k = 16; k >= 0; k -= 8) {
        int a = plotp_maps[map][i] >> k & 255, b = plotp_maps[map][i + 1] >> k & 255;
        rgb |= (int)(a + (b - a) * (at - i) + 0.5) << k;
    }
    return rgb;
}

// Black or white, whichever contrasts more with a background. The contrast of two luminances is (a + 0.05) / (b + 0.05)
// (WCAG 2.1), so black wins from a luminance of 0.18 on.
static int plotp_text_color(int rgb) {
    static const double weight[3] = {0.2126, 0.7152, 0.0722};
    double luminance = 0;
    for (int k = 0; k < 3; k++) luminance += weight[k] * pow((rgb >> (16 - 8 * k) & 255) / 255.0, 2.2);
    return luminance < 0.18 ? 0xFFFFFF : 0;
}

static plot_style plotp_style(int color, plot_dash dash, plot_marker marker) {
    plot_style s = {color, dash, marker, 0, 0};
    return s;
}

plot_style plot_solid(int color) { return plotp_style(color, PLOT_SOLID, PLOT_NO_MARKER); }
plot_style plot_dashed(int color) { return plotp_style(color, PLOT_DASHED, PLOT_NO_MARKER); }
plot_style plot_dotted(int color) { return plotp_style(color, PLOT_DOTTED, PLOT_NO_MARKER); }
plot_style plot_marked(int color, plot_marker marker) { return plotp_style(color, PLOT_SOLID, marker); }
plot_style plot_points(int color, plot_marker marker) { return plotp_style(color, PLOT_NO_LINE, marker); }

// The activations that studies draw side by side come first in their row: each has a colour of its own and is solid.
// Relatives follow with the other dashes, in the order of plot_dash.
static const char *const plotp_families[PLOTP_PALETTE][4] = {
    {"sigmoid", "hard_sigmoid"}, {"relu", "relu6"}, {"tanh", "hard_tanh"}, {"gelu", "gelu_tanh"},
    {"arctan", "selu", "celu", "elu"}, {"silu", "hard_swish", "mish", "telu"}, {"softsign", "identity", "softplus"},
    {"leaky_relu", "prelu"}};

plot_style plot_named_style(const char *name) {
    unsigned look = 0; // colour + 8 · dash; of an unknown name a hash
    if (!name) name = "";
    if (!strcmp(name, "swish")) name = "silu"; // two names of one function
    for (const char *c = name; *c; c++) look = look * 31 + (unsigned char)*c;
    for (unsigned k = 0; k < 4 * PLOTP_PALETTE; k++) {
        const char *known = plotp_families[k % PLOTP_PALETTE][k / PLOTP_PALETTE];
        if (known && !strcmp(name, known)) look = k;
    }
    return plotp_style(0x1000000 | plotp_palette[look % PLOTP_PALETTE], (plot_dash)(look / PLOTP_PALETTE % 4),
                       PLOT_NO_MARKER);
}

int plot_named_color(const char *name) { return plot_named_style(name).color; }

// -------------------------------------------------------------------------------------------------- [PLOT:DATA]
// The calls only check and copy; everything is computed when the figure is drawn, so their order does not matter.
plot_figure *plot_figure_create(int width, int height, int rows, int cols, const char *title) {
    plot_figure *fig = (plot_figure *)PLOT_MALLOC(sizeof *fig);
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
    fig->title = plotp_copy_text(fig, title);
    fig->axes = (plot_axes *)plotp_alloc(fig, (size_t)(rows * cols), sizeof *fig->axes);
    for (int i = 0; fig->axes && i < rows * cols; i++) {
        plot_axes *ax = &fig->axes[i];
        ax->fig = fig;
        ax->heat_bar = 1;
        ax->x.user_lo = ax->x.user_hi = ax->y.user_lo = ax->y.user_hi = ax->z.user_lo = ax->z.user_hi = NAN;
    }
    return fig;
}

const char *plot_title(const plot_figure *fig) { return fig && fig->title ? fig->title : ""; }

static plotp_axis *plotp_axis_of(plot_axes *ax, char name) {
    return name == 'x' ? &ax->x : name == 'y' ? &ax->y : &ax->z;
}

void plot_figure_free(plot_figure *fig) {
    while (fig && fig->owned) {
        plotp_owned *block = fig->owned;
        fig->owned = block->next;
        PLOT_FREE(block);
    }
    PLOT_FREE(fig);
}

const char *plot_error(const plot_figure *fig) { return fig ? fig->error : plotp_no_memory; }

// The figure, or the panel, may be changed: it exists and no error is waiting.
static int plotp_fig_ok(plot_figure *fig) {
    if (!fig || fig->error[0]) return 0;
    fig->rendered = 0;
    return 1;
}

static int plotp_ok(plot_axes *ax) { return ax && plotp_fig_ok(ax->fig); }

void plot_caption(plot_figure *fig, const char *text) {
    if (plotp_fig_ok(fig)) fig->caption = plotp_copy_text(fig, text);
}

void plot_text_scale(plot_figure *fig, double factor) {
    if (!plotp_fig_ok(fig)) return;
    if (factor >= 0.25 && factor <= 4) fig->user_scale = factor;
    else plotp_fail(fig, "plot_text_scale: expected 0.25..4, found %g", factor);
}

void plot_shared_legend(plot_figure *fig) { if (plotp_fig_ok(fig)) fig->share_legend = 1; }
void plot_share_x(plot_figure *fig, plot_share panels) { if (plotp_fig_ok(fig)) fig->share_x = panels; }
void plot_share_y(plot_figure *fig, plot_share panels) { if (plotp_fig_ok(fig)) fig->share_y = panels; }

plot_axes *plot_axes_at(plot_figure *fig, int row, int col) {
    if (!plotp_fig_ok(fig)) return NULL;
    if (row >= 0 && row < fig->rows && col >= 0 && col < fig->cols) return &fig->axes[row * fig->cols + col];
    plotp_fail(fig, "plot_axes_at: expected row 0..%d and column 0..%d, found (%d, %d)", fig->rows - 1, fig->cols - 1,
               row, col);
    return NULL;
}

void plot_labels(plot_axes *ax, const char *title, const char *x_label, const char *y_label) {
    if (!plotp_ok(ax)) return;
    ax->title = plotp_copy_text(ax->fig, title);
    ax->x.label = plotp_copy_text(ax->fig, x_label);
    ax->y.label = plotp_copy_text(ax->fig, y_label);
}

void plot_log_x(plot_axes *ax) { if (plotp_ok(ax)) ax->x.log = 1; }
void plot_log_y(plot_axes *ax) { if (plotp_ok(ax)) ax->y.log = 1; }
void plot_color_log(plot_axes *ax) { if (plotp_ok(ax)) ax->z.log = 1; }

static void plotp_limits(plot_axes *ax, char name, double lo, double hi, const char *call) {
    if (!plotp_ok(ax)) return;
    if (fabs(lo) >= 1e300 || fabs(hi) >= 1e300 || lo == hi)
        plotp_fail(ax->fig, "%s: expected two different limits (NAN = automatic), found %g and %g", call, lo, hi);
    plotp_axis_of(ax, name)->user_lo = lo;
    plotp_axis_of(ax, name)->user_hi = hi;
}

void plot_limits_x(plot_axes *ax, double lo, double hi) { plotp_limits(ax, 'x', lo, hi, "plot_limits_x"); }
void plot_limits_y(plot_axes *ax, double lo, double hi) { plotp_limits(ax, 'y', lo, hi, "plot_limits_y"); }
void plot_color_range(plot_axes *ax, double lo, double hi) { plotp_limits(ax, 'z', lo, hi, "plot_color_range"); }

void plot_color_label(plot_axes *ax, const char *text) {
    if (plotp_ok(ax)) ax->z.label = plotp_copy_text(ax->fig, text);
}

void plot_color_bar(plot_axes *ax, int shown) { if (plotp_ok(ax)) ax->heat_bar = shown; }

// An array must be there and have a length that a chart can hold.
static int plotp_array_ok(plot_axes *ax, const void *array, int n, const char *call) {
    if (!plotp_ok(ax)) return 0;
    if (n >= 0 && n <= 50000000 && (array || n == 0)) return 1;
    plotp_fail(ax->fig, "%s: expected an array and 0..50000000 values, found %s and %d", call, array ? "one" : "NULL",
               n);
    return 0;
}

static void plotp_names(plot_axes *ax, char name, const char *const *names, int n, const char *call) {
    if (!plotp_array_ok(ax, names, n, call)) return;
    plotp_axis *a = plotp_axis_of(ax, name);
    a->names = plotp_copy_texts(ax->fig, names, n);
    a->name_count = a->names ? n : 0;
}

void plot_names_x(plot_axes *ax, const char *const *names, int n) { plotp_names(ax, 'x', names, n, "plot_names_x"); }
void plot_names_y(plot_axes *ax, const char *const *names, int n) { plotp_names(ax, 'y', names, n, "plot_names_y"); }

// Store one drawable thing; its arrays are copied. Returns NULL when memory is out.
static plotp_item *plotp_add(plot_axes *ax, plotp_kind kind, const double *x, int nx, const double *y, const double *y2,
                             int n, const char *label, plot_style style) {
    if (!plotp_grow(ax->fig, (void **)&ax->items, ax->item_count, &ax->item_room, sizeof *ax->items)) return NULL;
    plotp_item *item = &ax->items[ax->item_count++];
    memset(item, 0, sizeof *item);
    item->rgb = style.color & 0xFFFFFF;
    if (style.color < 0x1000000) {
        unsigned number = (unsigned)style.color;
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
    item->label = plotp_copy_text(ax->fig, label);
    ax->smooth_count += kind == PLOTP_SMOOTH;
    ax->band_count += kind == PLOTP_BAND;
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
    if (!plotp_array_ok(ax, mean, n, "plot_mean_std") || !plotp_array_ok(ax, std, n, "plot_mean_std")) return;
    plotp_item *band = plotp_add(ax, PLOTP_BAND, x, n, mean, std, n, NULL, plot_solid(style.color));
    for (int i = 0; band && i < n; i++) {
        band->y[i] = mean[i] - std[i];
        band->y2[i] = mean[i] + std[i];
        if (std[i] > 0) band->window = 1; // there is something to explain
    }
    plot_line(ax, x, mean, n, label, style);
}

void plot_smooth(plot_axes *ax, const double *x, const double *y, int n, int window, const char *label,
                 plot_style style) {
    if (!plotp_array_ok(ax, y, n, "plot_smooth")) return;
    plotp_item *item = plotp_add(ax, PLOTP_SMOOTH, x, n, y, NULL, n, label, style);
    if (item) item->window = window > 0 ? window : n / 50 + 1;
}

void plot_hline(plot_axes *ax, double y, const char *label, plot_style style) {
    if (plotp_ok(ax)) plotp_add(ax, PLOTP_HLINE, NULL, 1, &y, NULL, 1, label, style);
}

void plot_hist_counts(plot_axes *ax, const double *edges, const double *counts, int bins, const char *label,
                      plot_style style) {
    if (plotp_array_ok(ax, counts, bins, "plot_hist_counts") && plotp_array_ok(ax, edges, bins + 1, "plot_hist_counts"))
        plotp_add(ax, PLOTP_HIST, edges, bins + 1, counts, NULL, bins, label, style);
}

void plot_heatmap(plot_axes *ax, const double *values, int rows, int cols, plot_map map) {
    if (!plotp_ok(ax)) return;
    if (!values || rows < 1 || cols < 1 || rows > 50000000 / cols || (int)map < 0 || map > PLOT_BLUES) {
        plotp_fail(ax->fig, "plot_heatmap: expected values, rows and columns of at least 1 and a known map, found %s, "
                   "%dx%d, map %d", values ? "values" : "NULL", rows, cols, (int)map);
        return;
    }
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
    double extent[4] = {x0, x1, y0, y1};
    memcpy(ax->extent, extent, sizeof extent);
    ax->has_extent = 1;
}

// A format must print one double and nothing else: %[flags][width][.precision] and one of e f g.
void plot_heatmap_values(plot_axes *ax, const char *format) {
    const char *p = format ? strchr(format, '%') : NULL, *end = p;
    if (!plotp_ok(ax)) return;
    if (p) end = p + 1 + strspn(p + 1, "+-# 0123456789.");
    if (p && *end && strchr("eEfFgG", *end) && !strchr(end, '%') && strlen(format) < 40 && end - p < 8)
        ax->heat_format = plotp_copy_text(ax->fig, format);
    else plotp_fail(ax->fig, "plot_heatmap_values: expected a format for one double such as \"%%.1f\", found \"%s\"",
                    format ? format : "(NULL)");
}

void plot_heatmap_square(plot_axes *ax) { if (plotp_ok(ax)) ax->heat_square = 1; }
void plot_heatmap_hide_zeros(plot_axes *ax) { if (plotp_ok(ax)) ax->heat_hide_zeros = 1; }

void plot_contour(plot_axes *ax, double level, const char *label, plot_style style) {
    if (plotp_ok(ax)) plotp_add(ax, PLOTP_CONTOUR, NULL, 1, &level, NULL, 1, label, style);
}

void plot_images(plot_axes *ax, const double *pixels, int count, int channels, int height, int width, double lo,
                 double hi, int columns, const char *const *captions) {
    if (!plotp_ok(ax)) return;
    if (!pixels || count < 1 || (channels != 1 && channels != 3) || height < 1 || width < 1 || height > 4096 ||
        width > 4096 || count > 50000000 / (channels * height * width)) {
        plotp_fail(ax->fig, "plot_images: expected pixels, a count, 1 or 3 channels and 1..4096 pixels a side, found "
                   "%s, %d, %d channels, %dx%d", pixels ? "pixels" : "NULL", count, channels, height, width);
        return;
    }
    ax->image = plotp_copy(ax->fig, pixels, count * channels * height * width);
    ax->captions = captions ? plotp_copy_texts(ax->fig, captions, count) : NULL;
    ax->image_count = count;
    ax->image_channels = channels;
    ax->image_h = height;
    ax->image_w = width;
    ax->image_lo = lo;
    ax->image_hi = hi;
    ax->image_cols = columns < 1 ? 1 : columns < count ? columns : count;
}

// ------------------------------------------------------------------------------------------------- [PLOT:SCALE]
// A scale maps a value to 0..1 along its axis, linearly or in logarithms. Ticks stand at 1, 2 or 5 times a power of
// ten, as close as their labels allow; a log axis has them at powers of ten.
#define PLOTP_MINUS "\xe2\x88\x92" // the mathematical sign, longer than a hyphen

static int plotp_visible(const plotp_axis *a, double v) { return plotp_finite(v) && (!a->log || v > 0); }

static double plotp_position(const plotp_axis *a, double v) {
    if (a->log) return (log10(v) - log10(a->lo)) / (log10(a->hi) - log10(a->lo));
    return (v - a->lo) / (a->hi - a->lo);
}

static double plotp_value(const plotp_axis *a, double t) { // the inverse
    if (a->log) return pow(10, log10(a->lo) + t * (log10(a->hi) - log10(a->lo)));
    return a->lo + t * (a->hi - a->lo);
}

// The pixel of a value, NaN when the axis cannot show it; far values are kept where arithmetic is safe.
static double plotp_at(const plotp_axis *a, double v) {
    if (!plotp_visible(a, v)) return NAN;
    return a->from + plotp_clamp(plotp_position(a, v), -99, 99) * (a->to - a->from);
}

static void plotp_extend(plotp_axis *a, double v) {
    if (!plotp_visible(a, v)) return;
    if (v < a->lo) a->lo = v;
    if (v > a->hi) a->hi = v;
}

// From the extent of the data (lo > hi: there is none) to what the axis shows.
static void plotp_finish_range(plot_figure *fig, plotp_axis *a, double pad, int keep_zero) {
    double lo = a->lo, hi = a->hi;
    if (lo > hi) {
        lo = a->log ? 1 : 0;
        hi = a->log ? 10 : 1;
    } else if (a->log) {
        double grow = lo < hi ? pow(10, pad * (log10(hi) - log10(lo))) : sqrt(10.0);
        lo = lo / grow > 0 ? lo / grow : lo;
        hi *= grow;
    } else {
        double size = plotp_max(fabs(lo), fabs(hi));
        double room = hi - lo > 1e-10 * size && hi - lo > 1e-290 ? pad * (hi - lo) : size > 1e-280 ? 0.1 * size : 1;
        if (!(keep_zero && a->lo == 0)) lo -= room;
        if (!(keep_zero && a->hi == 0)) hi += room;
    }
    if (a->user_lo == a->user_lo) lo = a->user_lo;
    if (a->user_hi == a->user_hi) hi = a->user_hi;
    if (lo >= hi && a->user_hi != a->user_hi) hi = a->log ? lo * 10 : lo + plotp_max(fabs(lo), 1);
    if (lo >= hi && a->user_lo != a->user_lo) lo = a->log ? hi / 10 : hi - plotp_max(fabs(hi), 1);
    a->lo = lo;
    a->hi = hi;
    if (a->log && (lo <= 0 || hi <= 0))
        plotp_fail(fig, "limits of a log axis: expected positive numbers, found %g and %g; use a linear axis", lo, hi);
}

static void plotp_range_item(plot_axes *ax, const plotp_item *item) {
    int is_line = item->kind == PLOTP_LINE || item->kind == PLOTP_SMOOTH || item->kind == PLOTP_BAND;
    for (int i = 0; i < item->n && item->kind != PLOTP_CONTOUR; i++) {
        double x = item->x[i], y = item->y[i];
        if (x != x) continue; // the pen is lifted
        int x_ok = plotp_visible(&ax->x, x) || !is_line, y_ok = plotp_visible(&ax->y, y);
        if (item->kind == PLOTP_BAND) y_ok = y_ok || plotp_visible(&ax->y, item->y2[i]);
        if (!plotp_finite(x) || (!y_ok && !(y <= 0 && plotp_finite(y)))) ax->has_lost = 1;
        else if (!x_ok || !y_ok) ax->has_nonpositive = 1;
        if (is_line && x_ok && x != floor(x)) ax->x.whole = 0;
        if (is_line) plotp_extend(&ax->x, x);
        if (!x_ok || !y_ok) continue;
        plotp_extend(&ax->y, y);
        if (item->kind == PLOTP_BAND) plotp_extend(&ax->y, item->y2[i]);
    }
    if (item->kind == PLOTP_HIST) plotp_extend(&ax->y, 0);
    for (int i = 0; item->kind == PLOTP_HIST && i <= item->n; i++) plotp_extend(&ax->x, item->x[i]);
}

static void plotp_begin_range(plotp_axis *a) {
    a->lo = DBL_MAX;
    a->hi = -DBL_MAX;
    for (int i = 0; i < a->name_count; i++) plotp_extend(a, i);
}

static void plotp_range_colors(plot_axes *ax) {
    int n = ax->heat ? ax->heat_rows * ax->heat_cols : 0;
    plotp_begin_range(&ax->z);
    for (int i = 0; i < n; i++)
        if (ax->heat[i] != 0 || !ax->heat_hide_zeros) plotp_extend(&ax->z, ax->heat[i]);
    if (ax->heat_map == PLOT_SIGNED && !ax->z.log && ax->z.lo <= ax->z.hi) {
        ax->z.hi = plotp_max(fabs(ax->z.lo), fabs(ax->z.hi));
        ax->z.lo = -ax->z.hi;
    }
    plotp_finish_range(ax->fig, &ax->z, 0, 0);
}

static void plotp_ranges(plot_axes *ax) {
    int stands = 0; // on zero
    plotp_begin_range(&ax->x);
    plotp_begin_range(&ax->y);
    ax->x.whole = 1;
    ax->has_lost = ax->has_nonpositive = 0;
    for (int i = 0; i < ax->item_count; i++) {
        plotp_range_item(ax, &ax->items[i]);
        stands |= ax->items[i].kind == PLOTP_HIST;
    }
    for (int k = 0; ax->heat && k < 4; k++) plotp_extend(k < 2 ? &ax->x : &ax->y, ax->extent[k]);
    ax->is_empty = ax->y.lo > ax->y.hi;
    plotp_finish_range(ax->fig, &ax->x, ax->heat ? 0 : 0.025, 0);
    plotp_finish_range(ax->fig, &ax->y, ax->heat ? 0 : 0.05, stands);
    if (ax->heat && !ax->has_extent && ax->y.user_lo != ax->y.user_lo) { // like a matrix: row 0 on top
        double lo = ax->y.lo;
        ax->y.lo = ax->y.hi;
        ax->y.hi = lo;
    }
    plotp_range_colors(ax);
}

// Give the axes of all panels that share with panel i the union of their ranges.
static void plotp_share_range(plot_figure *fig, int i, plot_share share, int is_y) {
    const plotp_axis *model = is_y ? &fig->axes[i].y : &fig->axes[i].x;
    double lo = DBL_MAX, hi = -DBL_MAX;
    for (int pass = 0; share && pass < 2; pass++) { // first the union, then the change
        for (int j = 0; j < fig->rows * fig->cols; j++) {
            plot_axes *ax = &fig->axes[j];
            plotp_axis *a = is_y ? &ax->y : &ax->x;
            if (share == PLOT_SHARE_ROW && j / fig->cols != i / fig->cols) continue;
            if (share == PLOT_SHARE_COLUMN && j % fig->cols != i % fig->cols) continue;
            if (ax->image || ax->is_empty || a->log != model->log || a->lo > a->hi) continue;
            lo = plotp_min(lo, a->lo);
            hi = plotp_max(hi, a->hi);
            if (pass == 0 || a->user_lo == a->user_lo || a->user_hi == a->user_hi) continue;
            a->lo = lo;
            a->hi = hi;
        }
    }
}

// A number in a printf format, with a true minus sign and no "-0.0".
static void plotp_format_value(char *to, const char *format, double v) {
    char text[PLOTP_TEXT - 8];
    snprintf(text, sizeof text, format, v);
    const char *digits = text + (text[0] == '-');
    if (v != v) snprintf(to, PLOTP_TEXT, "NaN");
    else snprintf(to, PLOTP_TEXT, "%s%s", digits != text && strpbrk(digits, "123456789i") ? PLOTP_MINUS : "", digits);
}

static void plotp_format(char *to, double v, int decimals) {
    char format[16];
    snprintf(format, sizeof format, "%%.%df", decimals);
    plotp_format_value(to, format, v);
}

// A new tick; returns where its label goes.
static char *plotp_add_tick(plotp_axis *a, double v) {
    if (a->tick_count < PLOTP_MAX_TICKS) a->tick[a->tick_count++] = v;
    return a->tick_label[a->tick_count - 1];
}

static void plotp_clear_ticks(plotp_axis *a) { a->tick_count = a->minor_count = a->exponent = 0; }

static double plotp_nice_step(double least) {
    double p = pow(10, floor(log10(least))), m = least / p;
    return (m <= 1 + 1e-9 ? 1 : m <= 2 + 1e-9 ? 2 : m <= 5 + 1e-9 ? 5 : 10) * p;
}

static void plotp_linear_ticks(plotp_axis *a, int most) {
    double lo = plotp_min(a->lo, a->hi), hi = plotp_max(a->lo, a->hi), size = plotp_max(fabs(lo), fabs(hi));
    double step = plotp_nice_step(hi / most - lo / most);
    while (floor(hi / step + 1e-6) - ceil(lo / step - 1e-6) < 1 && most < 20) { // at least two ticks
        most++;
        step = plotp_nice_step(hi / most - lo / most);
    }
    if (a->whole && step < 1) step = 1;
    a->exponent = size >= 1e6 || size < 1e-3 ? (int)floor(log10(size) + 1e-9) : 0;
    double unit = pow(10, a->exponent);
    int decimals = (int)plotp_clamp(-floor(log10(step / unit) + 1e-6), 0, 17);
    if (a->whole && !a->exponent) decimals = 0;
    for (double k = ceil(lo / step - 1e-6); k <= hi / step + 1e-6 && a->tick_count < PLOTP_MAX_TICKS; k++)
        plotp_format(plotp_add_tick(a, k * step), k * step / unit, decimals);
}

// Ticks at every stride-th power of ten; fine: at 2 and 5 times these, too.
static void plotp_decades(plotp_axis *a, double lo, double hi, int stride, int fine) {
    for (int i = 9 * (int)floor(log10(lo)); i <= 9 * (int)floor(log10(hi) + 1e-9) + 8; i++) {
        int e = (int)floor(i / 9.0), m = 1 + i - 9 * e;
        double v = m * pow(10, e);
        char times[16] = "";
        if (v < lo * (1 - 1e-9) || v > hi * (1 + 1e-9)) continue;
        if (m == 1 ? e % stride == 0 : fine && (m == 2 || m == 5)) {
            char *label = plotp_add_tick(a, v);
            if (fine) snprintf(times, sizeof times, "%d·", m);
            if (fine && e >= -3 && e < 5) plotp_format(label, v, e < 0 ? -e : 0);
            else snprintf(label, PLOTP_TEXT, "%s10^{%s%d}", times, e < 0 ? PLOTP_MINUS : "", abs(e));
        } else if ((stride == 1 || m == 1) && a->minor_count < PLOTP_MAX_TICKS * 2) {
            a->minor[a->minor_count++] = v;
        }
    }
}

// Powers of ten; within one decade also 2 and 5 times, or else plain linear ticks.
static void plotp_log_ticks(plotp_axis *a, int most) {
    static const int strides[] = {1, 2, 3, 5, 10, 20, 50, 100, 200};
    double lo = plotp_min(a->lo, a->hi), hi = plotp_max(a->lo, a->hi);
    int powers = (int)floor(log10(hi) + 1e-9) - (int)ceil(log10(lo) - 1e-9), s = 0;
    while (s < 8 && powers / strides[s] + 1 > most) s++;
    plotp_decades(a, lo, hi, strides[s], 0);
    if (a->tick_count >= 2) return;
    plotp_clear_ticks(a);
    plotp_decades(a, lo, hi, 1, 1);
    if (a->tick_count >= 2 && a->tick_count <= most) return;
    plotp_clear_ticks(a);
    plotp_linear_ticks(a, most);
}

// Names in place of numbers, shortened to `width`; every k-th if they are too many.
static void plotp_name_ticks(plotp_axis *a, int most, double size, double width) {
    int step = (a->name_count + most - 1) / most;
    for (int i = 0; i < a->name_count; i += step) {
        char *label = plotp_add_tick(a, i);
        plotp_take(label, a->names[i]);
        plotp_shorten(label, size, width);
    }
}

static double plotp_widest_tick(const plotp_axis *a, double size) {
    double most = 0;
    for (int i = 0; i < a->tick_count; i++) most = plotp_max(most, plotp_text_width(a->tick_label[i], size));
    return most;
}

// Do the labels of a horizontal axis of this length stand clear of each other?
static int plotp_ticks_fit(const plotp_axis *a, double length, double size) {
    double end = -1e9;
    for (int i = 0; i < a->tick_count; i++) {
        int k = a->lo > a->hi ? a->tick_count - 1 - i : i;
        double half = plotp_text_width(a->tick_label[k], size) / 2, x = plotp_position(a, a->tick[k]) * length;
        if (x - half < end + 0.7 * size) return 0;
        end = x + half;
    }
    return 1;
}

// Ticks of a vertical axis of `length` pixels; labels of names may take `width`.
static void plotp_ticks_y(plotp_axis *a, double length, double size, double width) {
    plotp_clear_ticks(a);
    if (a->name_count) plotp_name_ticks(a, (int)plotp_clamp(length / (size * 1.15), 1, 60), size, width);
    else if (a->log) plotp_log_ticks(a, (int)plotp_clamp(length / (size * 1.9), 2, 12));
    else plotp_linear_ticks(a, (int)plotp_clamp(length / (size * 2.1), 2, 9));
}

// Ticks of a horizontal axis: as many as fit; long names are turned upright and may then be `height` long.
static void plotp_ticks_x(plotp_axis *a, double length, double size, double height) {
    a->rotated = 0;
    for (int most = (int)plotp_clamp(length / (size * 3), 2, 11); most >= 1; most--) {
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

static int plotp_is_chart(const plot_axes *ax) { return !ax->image; }

static int plotp_panel_is_empty(const plot_axes *ax) {
    return !ax->item_count && !ax->heat && !ax->image && !ax->title;
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

// Margins of one panel.
static void plotp_measure(plot_axes *ax, double s) {
    double tick = PLOTP_SIZE_TICK * s, label = PLOTP_SIZE_LABEL * s, pad = 9 * s, *m = ax->margin;
    plotp_block title = plotp_panel_title(ax);
    m[0] = m[2] = m[3] = pad;
    m[1] = title.n ? title.height + pad * 1.5 : pad;
    if (!plotp_is_chart(ax)) return;
    plotp_ticks_x(&ax->x, ax->fig->tick_w, tick, (ax->cell.y1 - ax->cell.y0) * 0.3);
    plotp_ticks_y(&ax->y, ax->fig->tick_h, tick, (ax->cell.x1 - ax->cell.x0) * 0.3);
    if (ax->heat && ax->heat_bar) plotp_ticks_y(&ax->z, ax->fig->tick_h, tick, 0);
    if (ax->fig->cramped >= 2) ax->x.tick_count = ax->y.tick_count = ax->z.tick_count = 0;
    m[0] += plotp_widest_tick(&ax->y, tick) + 11 * s + (plotp_has_title(ax, &ax->y) ? label * 1.5 : 0);
    m[3] += 11 * s + (ax->x.rotated ? plotp_widest_tick(&ax->x, tick) : tick);
    if (plotp_has_title(ax, &ax->x)) m[3] += label * 1.45;
    m[1] = plotp_max(m[1], tick); // the topmost label of the y axis reaches half its height above the axes
    m[2] += plotp_bar_space(ax, s) + (ax->legend_outside ? ax->legend.w + 10 * s : 0);
    double half = ax->x.rotated || !ax->x.tick_count ? 0 : plotp_widest_tick(&ax->x, tick) / 2 + 2;
    m[2] = plotp_max(m[2], half);
    m[0] = plotp_max(m[0], half);
}

// Make the cells of a heatmap square by shrinking the axes, centred.
static void plotp_square(plot_axes *ax) {
    plotp_rect *r = &ax->rect;
    double w = r->x1 - r->x0, h = r->y1 - r->y0, cell = plotp_min(w / ax->heat_cols, h / ax->heat_rows);
    r->x0 += floor((w - cell * ax->heat_cols) / 2);
    r->x1 -= floor((w - cell * ax->heat_cols) / 2);
    r->y0 += floor((h - cell * ax->heat_rows) / 2);
    r->y1 -= floor((h - cell * ax->heat_rows) / 2);
}

static plotp_block plotp_title_block(const plot_figure *fig) {
    return plotp_block_fit(fig->cramped < 3 ? fig->title : NULL, PLOTP_SIZE_FIGURE * fig->scale, fig->width - 30.0,
                           0.3 * fig->height);
}

// The caption, and after it what smoothed lines, bands and wide lines are, where there are some.
static plotp_block plotp_caption_block(const plot_figure *fig) {
    char text[1000], average[64];
    int window = 0, bands = 0, hidden = 0;
    for (int i = 0; i < fig->rows * fig->cols; i++) {
        for (int k = 0; k < fig->axes[i].item_count; k++) {
            const plotp_item *item = &fig->axes[i].items[k];
            hidden |= item->under;
            bands |= item->kind == PLOTP_BAND && item->window;
            if (item->kind == PLOTP_SMOOTH && item->window > window) window = item->window;
        }
    }
    snprintf(average, sizeof average, "; bold: moving average of %d points", window);
    snprintf(text, sizeof text, "; %.700s%s%s%s", fig->caption ? fig->caption : "", window > 1 ? average : "",
             bands ? "; band: mean ± one standard deviation" : "",
             hidden ? "; a wider line or marker lies under another" : "");
    const char *shown = text + (fig->caption && fig->caption[0] ? 2 : text[2] ? 4 : 2); // without the first separator
    return plotp_block_fit(fig->cramped < 3 ? shown : NULL, PLOTP_SIZE_TICK * fig->scale, fig->width - 30.0,
                           0.15 * fig->height);
}

// Cells of the panels, all of one size: what title, shared legend and caption leave.
static void plotp_place_cells(plot_figure *fig) {
    plotp_block title = plotp_title_block(fig), caption = plotp_caption_block(fig);
    double gap = 8 * fig->scale, left = gap * 0.6, top = title.n ? title.height + gap * 1.4 : gap * 0.6;
    double bottom = caption.n ? caption.height + gap : gap * 0.4;
    if (fig->shared) top += fig->legend.h + gap * 0.5;
    double w = (fig->width - 2 * left + gap / 2) / fig->cols, h = (fig->height - top - bottom + gap / 2) / fig->rows;
    for (int i = 0; i < fig->rows * fig->cols; i++) {
        double x = floor(left + w * (i % fig->cols)), y = floor(top + h * (i / fig->cols));
        plotp_rect cell = {x, y, x + floor(w - gap / 2), y + floor(h - gap / 2)};
        fig->axes[i].cell = cell;
    }
}

// Axes rectangles from the margins, aligned over rows and columns. Returns the least share of a panel's width or
// height that is left for its data.
static double plotp_align(plot_figure *fig) {
    double room = 1, first = 1e9, last = -1e9;
    int n = fig->rows * fig->cols;
    for (int i = 0; i < n; i++) {
        plot_axes *ax = &fig->axes[i];
        double m[4], cell_w = ax->cell.x1 - ax->cell.x0, cell_h = ax->cell.y1 - ax->cell.y0;
        memcpy(m, ax->margin, sizeof m);
        for (int j = 0; j < n; j++) {
            const plot_axes *other = &fig->axes[j];
            int kin = plotp_is_chart(other) == plotp_is_chart(ax) && !plotp_panel_is_empty(other);
            for (int k = 0; kin && k < 4; k++) {
                int same = k % 2 == 0 ? i % fig->cols == j % fig->cols : i / fig->cols == j / fig->cols;
                if (same) m[k] = plotp_max(m[k], other->margin[k]);
            }
        }
        double w = cell_w - m[0] - m[2], h = cell_h - m[1] - m[3];
        ax->rect.x0 = floor(ax->cell.x0 + m[0]);
        ax->rect.y0 = floor(ax->cell.y0 + m[1]);
        ax->rect.x1 = ax->rect.x0 + plotp_max(4, floor(w));
        ax->rect.y1 = ax->rect.y0 + plotp_max(4, floor(h));
        if (ax->heat && ax->heat_square) plotp_square(ax);
        ax->x.from = ax->rect.x0;
        ax->x.to = ax->rect.x1;
        ax->y.from = ax->z.from = ax->rect.y1;
        ax->y.to = ax->z.to = ax->rect.y0;
        if (plotp_panel_is_empty(ax)) continue;
        room = plotp_min(room, plotp_min(w / cell_w, h / cell_h));
        first = plotp_min(first, ax->rect.x0);
        last = plotp_max(last, ax->rect.x1);
        if (!plotp_is_chart(ax)) continue;
        fig->tick_w = plotp_min(fig->tick_w, ax->rect.x1 - ax->rect.x0);
        fig->tick_h = plotp_min(fig->tick_h, ax->rect.y1 - ax->rect.y0);
    }
    fig->middle = first < last ? (first + last) / 2 : fig->width / 2.0;
    return room;
}

// Measure all panels and place their axes: once to know how long the axes are, once for that length. The shortest axes
// decide how many ticks all panels have, so that equal ranges get equal ticks.
static double plotp_measure_all(plot_figure *fig) {
    double room = 1;
    fig->tick_w = fig->axes[0].cell.x1 - fig->axes[0].cell.x0;
    fig->tick_h = fig->axes[0].cell.y1 - fig->axes[0].cell.y0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < fig->rows * fig->cols; i++) plotp_measure(&fig->axes[i], fig->scale);
        room = plotp_align(fig);
    }
    return room;
}

// -------------------------------------------------------------------------------------------------- [PLOT:DRAW]
// Of areas: the caller's, or what is usual.
static double plotp_alpha(const plotp_item *i, double usual) { return i->style.alpha < 1 ? i->style.alpha : usual; }

// A line that others lie on is wider than these: its colour shows on both sides.
static double plotp_line_width(const plot_figure *fig, const plotp_item *item) {
    return plotp_max(0.8, item->style.width * (0.35 + 0.65 * fig->scale) * (1 + 0.8 * item->under));
}

// Count for each line how many later ones lie on it: at half of its points or so, closer than can be seen.
static void plotp_find_hidden(plot_axes *ax) {
    for (int i = 0; i < ax->item_count; i++) {
        plotp_item *low = &ax->items[i];
        low->under = 0;
        for (int j = i + 1; j < ax->item_count && low->under < 2; j++) {
            const plotp_item *top = &ax->items[j];
            int shown = 0, hits = 0;
            int alike = (low->style.dash == PLOT_NO_LINE) == (top->style.dash == PLOT_NO_LINE) && low->n == top->n;
            if (low->kind != PLOTP_LINE || top->kind != PLOTP_LINE || !alike || low->rgb == top->rgb) continue;
            for (int k = 0; k < low->n; k++) {
                if (!plotp_visible(&ax->x, low->x[k]) || !plotp_visible(&ax->y, low->y[k])) continue;
                shown++;
                hits += top->x[k] == low->x[k] && plotp_visible(&ax->y, top->y[k]) &&
                        fabs(plotp_position(&ax->y, low->y[k]) - plotp_position(&ax->y, top->y[k])) < 0.005;
            }
            low->under += shown >= 2 && hits >= 0.45 * shown;
        }
    }
}

// A cross at the border for each point that has no place in the chart: NaN, infinity, not positive on a log axis.
static void plotp_draw_lost(plot_axes *ax, const plotp_item *item) {
    double last = -1e9, r = 5 * ax->fig->scale;
    for (int i = 0; i < item->n; i++) {
        double x = plotp_at(&ax->x, item->x[i]), y = item->y[i];
        if (x != x || plotp_visible(&ax->y, y) || x < last + 2.2 * r) continue;
        plotp_marker(&ax->fig->canvas, PLOT_CROSS, x, y > 0 ? ax->rect.y0 + r : ax->rect.y1 - r, r, item->rgb, 1);
        last = x;
    }
}

static void plotp_draw_markers(plot_axes *ax, const plotp_item *item, const double *px, const double *py) {
    double r = 4.6 * (0.3 + 0.7 * ax->fig->scale), last_x = -1e9;
    for (int i = 0; i < item->n; i++) {
        if (px[i] != px[i] || py[i] != py[i]) continue;
        if (item->style.dash != PLOT_NO_LINE && fabs(px[i] - last_x) < 2.6 * r) continue; // a dense line: thin them out
        last_x = px[i];
        plotp_marker(&ax->fig->canvas, (int)item->style.marker, px[i], py[i], r * (1 + 0.35 * item->under), item->rgb,
                     item->style.alpha);
    }
}

static void plotp_draw_line(plot_axes *ax, const plotp_item *item, const double *y, double width, double alpha) {
    double *px = (double *)plotp_alloc(ax->fig, 2 * (size_t)item->n, sizeof *px), *py = px ? px + item->n : NULL;
    for (int i = 0; px && i < item->n; i++) {
        px[i] = plotp_at(&ax->x, item->x[i]);
        py[i] = plotp_at(&ax->y, y[i]);
    }
    if (px && item->style.dash != PLOT_NO_LINE) {
        plotp_polyline(&ax->fig->canvas, px, py, item->n, width, (int)item->style.dash);
        plotp_paint(&ax->fig->canvas, item->rgb, alpha, 0);
    }
    if (px && item->style.marker) plotp_draw_markers(ax, item, px, py);
}

// Centred moving average; on a log axis of logarithms. Near the first point the window reaches only as far forth as
// back, so that the average begins with the first value. Where the raw value cannot be shown there is a gap.
static double *plotp_average(const plot_axes *ax, const plotp_item *item) {
    double *out = (double *)plotp_alloc(ax->fig, (size_t)item->n, sizeof *out), sum = 0;
    int first = 0, next = 0, count = 0, back = (item->window - 1) / 2, ahead = item->window / 2;
    for (int i = 0; out && i < item->n; i++) {
        int from = i < back ? 0 : i - back, to = i < back ? 2 * i : i + ahead;
        for (; next < item->n && next <= to; next++) {
            if (!plotp_visible(&ax->y, item->y[next])) continue;
            sum += ax->y.log ? log10(item->y[next]) : item->y[next];
            count++;
        }
        for (; first < from; first++) {
            if (!plotp_visible(&ax->y, item->y[first])) continue;
            sum -= ax->y.log ? log10(item->y[first]) : item->y[first];
            count--;
        }
        out[i] = !plotp_visible(&ax->y, item->y[i]) ? NAN : ax->y.log ? pow(10, sum / count) : sum / count;
    }
    return out;
}

// A band is one quadrilateral between each two neighbours. A lower edge that a log axis cannot show lies at the bottom.
// Many bands are paler than one.
static void plotp_draw_band(plot_axes *ax, const plotp_item *item) {
    double alpha = plotp_alpha(item, plotp_max(0.08, 0.18 / sqrt(plotp_max(1, ax->band_count - 2))));
    double x = NAN, lo = NAN, hi = NAN;
    for (int i = 0; i < item->n; i++) {
        double px[4] = {x, x, 0, 0}, py[4] = {lo, hi, 0, 0};
        px[2] = px[3] = x = plotp_at(&ax->x, item->x[i]);
        py[3] = lo = ax->y.log && item->y[i] <= 0 ? ax->rect.y1 : plotp_at(&ax->y, item->y[i]);
        py[2] = hi = plotp_at(&ax->y, item->y2[i]);
        double sum = px[0] + px[2] + py[0] + py[1] + py[2] + py[3];
        if (sum == sum) plotp_polygon(&ax->fig->canvas, px, py, 4); // else there is a NaN: a gap
    }
    plotp_paint(&ax->fig->canvas, item->rgb, alpha, 1);
}

// A histogram is a flight of steps: two points a bin, and its two ends on the ground.
static void plotp_draw_hist(plot_axes *ax, const plotp_item *item) {
    plotp_canvas *c = &ax->fig->canvas;
    int n = 2 * item->n + 2;
    double lo = plotp_min(ax->y.lo, ax->y.hi), hi = plotp_max(ax->y.lo, ax->y.hi);
    double base = ax->y.log ? lo : plotp_clamp(0, lo, hi);
    double *px = (double *)plotp_alloc(ax->fig, 2 * (size_t)n, sizeof *px), *py = px ? px + n : NULL;
    if (!px) return;
    for (int i = 0; i < n; i++) {
        int bin = (i - 1) / 2, ground = i == 0 || i == n - 1 || !plotp_visible(&ax->y, item->y[bin]);
        px[i] = plotp_clamp(plotp_at(&ax->x, item->x[i / 2]), ax->rect.x0, ax->rect.x1);
        py[i] = plotp_at(&ax->y, ground ? base : item->y[bin]);
    }
    plotp_polygon(c, px, py, n);
    plotp_paint(c, item->rgb, plotp_alpha(item, 0.3), 1);
    plotp_polyline(c, px, py, n, 1.6, PLOT_SOLID);
    plotp_paint(c, item->rgb, 1, 0);
}

static void plotp_draw_across(plot_axes *ax, const plotp_item *item) {
    double y = plotp_at(&ax->y, item->y[0]), px[2] = {ax->rect.x0, ax->rect.x1}, py[2] = {y, y};
    plotp_polyline(&ax->fig->canvas, px, py, 2, plotp_line_width(ax->fig, item) * 0.75, (int)item->style.dash);
    plotp_paint(&ax->fig->canvas, item->rgb, item->style.alpha, 0);
}

// Lines across the panel at n values of the x or the y axis.
static void plotp_grid(plot_axes *ax, const plotp_axis *a, const double *value, int n, int rgb) {
    plotp_rect r = ax->rect;
    for (int i = 0; i < n; i++) {
        double at = plotp_at(a, value[i]);
        if (a == &ax->x) plotp_hair(&ax->fig->canvas, at, r.y0, at, r.y1 - 1, rgb);
        else plotp_hair(&ax->fig->canvas, r.x0, at, r.x1 - 1, at, rgb);
    }
}

static void plotp_draw_grid(plot_axes *ax) {
    plotp_grid(ax, &ax->x, ax->x.minor, ax->x.minor_count, PLOTP_MINOR);
    plotp_grid(ax, &ax->y, ax->y.minor, ax->y.minor_count, PLOTP_MINOR);
    plotp_grid(ax, &ax->x, ax->x.tick, ax->x.tick_count, PLOTP_GRID);
    plotp_grid(ax, &ax->y, ax->y.tick, ax->y.tick_count, PLOTP_GRID);
}

static void plotp_draw_ticks_x(plot_axes *ax, double s) {
    plotp_canvas *c = &ax->fig->canvas;
    const plotp_axis *a = &ax->x;
    double size = PLOTP_SIZE_TICK * s, y = ax->rect.y1, end = -1e9;
    for (int i = 0; i < a->tick_count + a->minor_count; i++) {
        int major = i < a->tick_count, k = a->lo > a->hi ? a->tick_count - 1 - i : i; // from left to right
        double x = plotp_at(a, major ? a->tick[k] : a->minor[i - a->tick_count]);
        plotp_hair(c, x, y, x, y + (major ? 5 : 3) * s, PLOTP_FRAME);
        if (!major) continue;
        double half = a->rotated ? size / 2 : plotp_text_width(a->tick_label[k], size) / 2;
        if (x - half < end + 0.2 * size) continue; // never on top of the one before
        end = x + half;
        if (a->rotated) plotp_text(ax->fig, x, y + 9 * s, a->tick_label[k], size, 1, PLOTP_VERTICAL, PLOTP_INK);
        else plotp_text(ax->fig, x, y + 9 * s + size / 2, a->tick_label[k], size, 0.5, PLOTP_REGULAR, PLOTP_INK);
    }
}

// Ticks of the y axis (side -1, left of x) or of the colour bar (side 1, right of x).
static void plotp_draw_ticks_y(plot_axes *ax, const plotp_axis *a, double x, int side, double s) {
    double size = PLOTP_SIZE_TICK * s, last = 1e9;
    for (int i = 0; i < a->tick_count + a->minor_count; i++) {
        int major = i < a->tick_count;
        double y = plotp_at(a, major ? a->tick[i] : a->minor[i - a->tick_count]), length = (major ? 5 : 3) * s;
        double end = x + side * length;
        plotp_hair(&ax->fig->canvas, plotp_min(x, end), y, plotp_max(x, end), y, PLOTP_FRAME);
        if (!major || fabs(y - last) < size * 1.15) continue;
        last = y;
        plotp_text(ax->fig, x + side * 9 * s, y, a->tick_label[i], size, side > 0 ? 0 : 1, PLOTP_REGULAR, PLOTP_INK);
    }
}

// The label along an axis with the power of ten that its tick labels leave out. When it is longer than `room` it is set
// smaller, then its words are shortened, never the power.
static void plotp_draw_axis_title(plot_axes *ax, const plotp_axis *a, double x, double y, double room,
                                  plotp_face face) {
    double size = PLOTP_SIZE_LABEL * ax->fig->scale;
    char text[PLOTP_TEXT] = "", power[64] = "";
    if (!plotp_has_title(ax, a)) return;
    if (a->label) plotp_take(text, a->label);
    if (a->exponent && a->tick_count)
        snprintf(power, sizeof power, "%s(×10^{%s%d})", text[0] ? "  " : "", a->exponent < 0 ? PLOTP_MINUS : "",
                 abs(a->exponent));
    double width = plotp_text_width(text, size) + plotp_text_width(power, size);
    if (width > room) size *= plotp_max(0.75, room / width);
    text[PLOTP_TEXT - 8 - sizeof power] = 0;
    plotp_shorten(text, size, room - plotp_text_width(power, size));
    strcat(text, power);
    plotp_text(ax->fig, x, y, text, size, 0.5, face, PLOTP_INK);
}

static void plotp_draw_axes(plot_axes *ax) {
    double s = ax->fig->scale, tick = PLOTP_SIZE_TICK * s, away = PLOTP_SIZE_LABEL * s * 0.75 + 11 * s;
    double below = ax->x.rotated ? plotp_widest_tick(&ax->x, tick) : tick, left = plotp_widest_tick(&ax->y, tick);
    plotp_rect r = ax->rect;
    plotp_frame(&ax->fig->canvas, r, PLOTP_FRAME);
    plotp_draw_ticks_x(ax, s);
    plotp_draw_ticks_y(ax, &ax->y, r.x0, -1, s);
    plotp_draw_axis_title(ax, &ax->x, (r.x0 + r.x1) / 2, r.y1 + away + below, r.x1 - r.x0, PLOTP_REGULAR);
    plotp_draw_axis_title(ax, &ax->y, r.x0 - away - left, (r.y0 + r.y1) / 2, r.y1 - r.y0, PLOTP_VERTICAL);
}

static void plotp_draw_title(plot_axes *ax) {
    plotp_block title = plotp_panel_title(ax);
    plotp_block_draw(ax->fig, &title, (ax->rect.x0 + ax->rect.x1) / 2, ax->rect.y0 - title.height - 11 * ax->fig->scale,
                     ax->cell.x0, ax->cell.x1, PLOTP_BOLD, PLOTP_INK);
}

// --------------------------------------------------------------------------------------------------- [PLOT:HEAT]
// A pixel shows the mean of the cells that it covers (one, unless there are more cells than pixels). Cells that are
// not a number, or not positive on a log scale, are hatched.
static int plotp_hatch(int x, int y) { return (x + y) % 8 < 2 ? 0xA0A0A0 : 0xE4E4E4; }

static int plotp_color_of(const plot_axes *ax, double v) {
    return plotp_map_color(ax->heat_map, plotp_position(&ax->z, v));
}

// The range of cells (along one side) under the pixel from t0 to t1 of the axes.
static void plotp_cells_under(const plotp_axis *a, double t0, double t1, double from, double to, int n, int *first,
                              int *end) {
    double u0 = (plotp_value(a, t0) - from) / (to - from) * n, u1 = (plotp_value(a, t1) - from) / (to - from) * n;
    double lo = plotp_min(u0, u1), hi = plotp_max(u0, u1), mid = (lo + hi) / 2;
    if (!(mid >= 0 && mid < n)) {
        *first = *end = 0;
        return;
    }
    *first = hi - lo > 1 ? (int)plotp_clamp(ceil(lo - 0.5), 0, n - 1) : (int)mid;
    *end = hi - lo > 1 ? (int)plotp_clamp(ceil(hi - 0.5), *first + 1, n) : *first + 1;
}

static int plotp_is_hidden_zero(const plot_axes *ax, double v) { return ax->heat_hide_zeros && v == 0; }

// Paint one pixel with the mean of its cells.
static void plotp_heat_pixel(plot_axes *ax, int x, int y, int r0, int r1, int c0, int c1) {
    double sum = 0;
    int n = 0, zeros = 0;
    for (int r = r0; r < r1; r++) {
        for (int c = c0; c < c1; c++) {
            double v = ax->heat[r * ax->heat_cols + c];
            if (plotp_is_hidden_zero(ax, v)) zeros++;
            else if (plotp_visible(&ax->z, v)) {
                sum += ax->z.log ? log10(v) : v;
                n++;
            }
        }
    }
    if (n == 0 && zeros) return; // white paper
    double mean = n == 0 ? NAN : ax->z.log ? pow(10, sum / n) : sum / n;
    plotp_blend(&ax->fig->canvas, x, y, n ? plotp_color_of(ax, mean) : plotp_hatch(x, y), 1);
}

static void plotp_draw_heatmap(plot_axes *ax) {
    plotp_canvas *c = &ax->fig->canvas;
    double w = ax->rect.x1 - ax->rect.x0, h = ax->rect.y1 - ax->rect.y0;
    int r0, r1, *cols = (int *)plotp_alloc(ax->fig, 2 * (size_t)c->w, sizeof *cols);
    if (!cols) return;
    for (int x = c->clip[0]; x < c->clip[2]; x++)
        plotp_cells_under(&ax->x, (x - ax->rect.x0) / w, (x + 1 - ax->rect.x0) / w, ax->extent[0], ax->extent[1],
                          ax->heat_cols, &cols[2 * x], &cols[2 * x + 1]);
    for (int y = c->clip[1]; y < c->clip[3]; y++) {
        plotp_cells_under(&ax->y, (ax->rect.y1 - y) / h, (ax->rect.y1 - y - 1) / h, ax->extent[2], ax->extent[3],
                          ax->heat_rows, &r0, &r1);
        for (int x = c->clip[0]; x < c->clip[2] && r0 < r1; x++)
            if (cols[2 * x] < cols[2 * x + 1]) plotp_heat_pixel(ax, x, y, r0, r1, cols[2 * x], cols[2 * x + 1]);
    }
}

// The place of a heatmap's (fractional) row and column.
static double plotp_col_x(const plot_axes *ax, double col) {
    return plotp_at(&ax->x, ax->extent[0] + col * (ax->extent[1] - ax->extent[0]) / ax->heat_cols);
}

static double plotp_row_y(const plot_axes *ax, double row) {
    return plotp_at(&ax->y, ax->extent[2] + row * (ax->extent[3] - ax->extent[2]) / ax->heat_rows);
}

// Values in their cells, all of one size, black or white, whichever reads better. Too long ones are left out.
static void plotp_draw_cell_values(plot_axes *ax) {
    double size = PLOTP_SIZE_TICK * ax->fig->scale;
    char text[PLOTP_TEXT];
    plotp_rect p = ax->rect;
    if (!ax->heat || !ax->heat_format) return;
    double cell_w = fabs(plotp_col_x(ax, 1) - plotp_col_x(ax, 0));
    size = plotp_min(size, 0.6 * fabs(plotp_row_y(ax, 1) - plotp_row_y(ax, 0)));
    for (int i = 0; i < 2 * ax->heat_rows * ax->heat_cols; i++) { // first the size that fits all, then the texts
        int measure = i < ax->heat_rows * ax->heat_cols, at = i % (ax->heat_rows * ax->heat_cols);
        double v = ax->heat[at], x = plotp_col_x(ax, at % ax->heat_cols + 0.5);
        double y = plotp_row_y(ax, at / ax->heat_cols + 0.5);
        if (plotp_is_hidden_zero(ax, v)) continue;
        plotp_format_value(text, ax->heat_format, v);
        double w = plotp_text_width(text, size);
        if (measure && w > 0.86 * cell_w) size *= 0.86 * cell_w / w;
        if (measure || size < 7 || x - w / 2 < p.x0 || x + w / 2 > p.x1) continue;
        if (!(y - size / 2 >= p.y0 && y + size / 2 <= p.y1)) continue;
        plotp_text(ax->fig, x, y, text, size, 0.5, PLOTP_REGULAR,
                   plotp_visible(&ax->z, v) ? plotp_text_color(plotp_color_of(ax, v)) : 0);
    }
}

static void plotp_draw_color_bar(plot_axes *ax) {
    plotp_canvas *c = &ax->fig->canvas;
    double s = ax->fig->scale, h = ax->rect.y1 - ax->rect.y0, x = floor(ax->rect.x1 + 14 * s);
    plotp_rect r = {x, ax->rect.y0, floor(x + 18 * s), ax->rect.y1};
    if (!ax->heat || !ax->heat_bar || ax->fig->cramped >= 2) return;
    for (double y = r.y0; y < r.y1; y++) {
        plotp_rect row = {r.x0, y, r.x1, y + 1};
        plotp_fill_rect(c, row, plotp_map_color(ax->heat_map, (r.y1 - y - 0.5) / h), 1);
    }
    plotp_frame(c, r, PLOTP_FRAME);
    plotp_draw_ticks_y(ax, &ax->z, r.x1, 1, s);
    x = r.x1 + 12 * s + plotp_widest_tick(&ax->z, PLOTP_SIZE_TICK * s) + PLOTP_SIZE_LABEL * 0.75 * s;
    plotp_draw_axis_title(ax, &ax->z, x, (r.y0 + r.y1) / 2, h, PLOTP_VERTICAL);
}

// Marching squares: through each square of four neighbouring cell centres, the line on which the interpolated value
// equals the level.
static void plotp_draw_contour(plot_axes *ax, const plotp_item *item) {
    static const int corner[5][2] = {{0, 0}, {0, 1}, {1, 1}, {1, 0}, {0, 0}}; // row, column offsets round the square
    double width = plotp_line_width(ax->fig, item), level = item->y[0], px[4], py[4];
    for (int i = 0; ax->heat && i < (ax->heat_rows - 1) * (ax->heat_cols - 1); i++) {
        int r = i / (ax->heat_cols - 1), c = i % (ax->heat_cols - 1), n = 0;
        for (int k = 0; k < 4; k++) {
            int ra = r + corner[k][0], ca = c + corner[k][1], rb = r + corner[k + 1][0], cb = c + corner[k + 1][1];
            double a = ax->heat[ra * ax->heat_cols + ca] - level, b = ax->heat[rb * ax->heat_cols + cb] - level;
            if (!(a < 0 && b >= 0) && !(a >= 0 && b < 0)) continue;
            px[n] = plotp_col_x(ax, ca + 0.5 + a / (a - b) * (cb - ca));
            py[n++] = plotp_row_y(ax, ra + 0.5 + a / (a - b) * (rb - ra));
        }
        for (int k = 0; k + 1 < n; k += 2) plotp_polyline(&ax->fig->canvas, px + k, py + k, 2, width, PLOT_SOLID);
    }
    plotp_paint(&ax->fig->canvas, item->rgb, item->style.alpha, 0);
}

static void plotp_draw_item(plot_axes *ax, const plotp_item *item, int layer) {
    double width = plotp_line_width(ax->fig, item);
    if (layer == 0 && item->kind == PLOTP_BAND) plotp_draw_band(ax, item);
    if (layer == 0 && item->kind == PLOTP_HIST) plotp_draw_hist(ax, item);
    if (layer == 1 && item->kind == PLOTP_SMOOTH) // many raw series are paler than one
        plotp_draw_line(ax, item, item->y, width * 0.45, 0.28 / sqrt(plotp_max(1, ax->smooth_count - 2)));
    if (layer == 1 && item->kind == PLOTP_HLINE) plotp_draw_across(ax, item);
    if (layer < 2) return;
    if (item->kind == PLOTP_CONTOUR) plotp_draw_contour(ax, item);
    if (item->kind == PLOTP_LINE) plotp_draw_line(ax, item, item->y, width, item->style.alpha);
    double *smooth = item->kind == PLOTP_SMOOTH ? plotp_average(ax, item) : NULL;
    if (smooth) plotp_draw_line(ax, item, smooth, width, item->style.alpha);
    if (item->kind == PLOTP_LINE || item->kind == PLOTP_SMOOTH) plotp_draw_lost(ax, item);
}

// All data, in layers: bands and histograms, raw and reference lines, lines.
static void plotp_draw_data(plot_axes *ax) {
    plotp_canvas *c = &ax->fig->canvas;
    plotp_clip(c, ax->rect.x0, ax->rect.y0, ax->rect.x1, ax->rect.y1);
    c->is_data = 1;
    if (ax->heat) plotp_draw_heatmap(ax);
    for (int layer = 0; layer < 3; layer++)
        for (int i = 0; i < ax->item_count; i++) plotp_draw_item(ax, &ax->items[i], layer);
    c->is_data = 0;
    plotp_clip(c, 0, 0, c->w, c->h);
}

// ------------------------------------------------------------------------------------------------- [PLOT:IMAGES]
// One image, enlarged by repeating pixels.
static void plotp_draw_tile(plot_axes *ax, const double *tile, int left, int top, int w, int h) {
    int plane = ax->image_h * ax->image_w;
    double lo = ax->image_lo, hi = ax->image_hi;
    if (lo == hi) {
        lo = DBL_MAX;
        hi = -DBL_MAX;
        for (int k = 0; k < plane * ax->image_channels; k++) {
            if (tile[k] < lo) lo = tile[k];
            if (tile[k] > hi) hi = tile[k];
        }
        if (!(hi > lo)) hi = lo + 1;
    }
    for (int y = 0; y < h && top + y < ax->fig->height; y++) {
        for (int x = 0; x < w && left + x < ax->fig->width; x++) {
            int at = y * ax->image_h / h * ax->image_w + x * ax->image_w / w, rgb = 0, lost = 0;
            for (int k = 0; k < 3; k++) {
                double v = (tile[at + (ax->image_channels == 3 ? k : 0) * plane] - lo) / (hi - lo);
                if (v != v) lost = 1;
                else rgb |= (int)(plotp_clamp(v, 0, 1) * 255 + 0.5) << (16 - 8 * k);
            }
            plotp_blend(&ax->fig->canvas, left + x, top + y, lost ? plotp_hatch(x, y) : rgb, 1);
        }
    }
}

static void plotp_draw_images(plot_axes *ax) {
    double s = ax->fig->scale, size = PLOTP_SIZE_TICK * 0.86 * s, gap = 6 * s, caption = ax->captions ? size * 1.4 : 0;
    double panel_w = ax->rect.x1 - ax->rect.x0, panel_h = ax->rect.y1 - ax->rect.y0;
    int cols = ax->image_cols, rows = (ax->image_count + cols - 1) / cols;
    double zoom = plotp_min((panel_w / cols - gap) / ax->image_w, (panel_h / rows - gap - caption) / ax->image_h);
    if (zoom > 1) zoom = floor(zoom);
    double w = floor(zoom * ax->image_w), h = floor(zoom * ax->image_h);
    if (w < 1 || h < 1) return;
    for (int i = 0; i < ax->image_count; i++) {
        double left = floor((ax->rect.x0 + ax->rect.x1 - cols * (w + gap) + gap) / 2 + i % cols * (w + gap));
        double top = floor(ax->rect.y0 + i / cols * (h + gap + caption));
        char text[PLOTP_TEXT];
        plotp_draw_tile(ax, ax->image + (size_t)i * (size_t)(ax->image_channels * ax->image_h * ax->image_w), (int)left,
                        (int)top, (int)w, (int)h);
        if (!ax->captions) continue;
        plotp_take(text, ax->captions[i]);
        plotp_shorten(text, size, w + gap * 0.6);
        plotp_text(ax->fig, left + w / 2, top + h + caption * 0.55, text, size, 0.5, PLOTP_REGULAR, PLOTP_INK);
    }
}

// ------------------------------------------------------------------------------------------------- [PLOT:LEGEND]
// A legend stands inside the axes where not one pixel of data is, corners first, else beside the axes. If one panel's
// legend says what all others say, it is drawn once above them all.
static const plotp_item plotp_lost_entries[2] = {
    {PLOTP_LINE, 0, PLOTP_FRAME, 0, 0, NULL, NULL, NULL, "NaN or infinite", {0, PLOT_NO_LINE, PLOT_CROSS, 1, 1}},
    {PLOTP_LINE, 0, PLOTP_FRAME, 0, 0, NULL, NULL, NULL, "≤ 0, off the log axis", {0, PLOT_NO_LINE, PLOT_CROSS, 1, 1}}};

static int plotp_has_entry(const plotp_legend *l, const plotp_item *item) {
    for (int i = 0; i < l->n; i++) {
        const plotp_item *other = l->entry[i];
        if (!strcmp(other->label, item->label) && other->rgb == item->rgb && other->style.dash == item->style.dash)
            return 1;
    }
    return 0;
}

static void plotp_legend_add(plot_figure *fig, plotp_legend *l, const plotp_item *item) {
    if (!item->label || !item->label[0] || plotp_has_entry(l, item)) return;
    if (plotp_grow(fig, (void **)&l->entry, l->n, &l->room, sizeof *l->entry)) l->entry[l->n++] = item;
}

// Gather every panel's entries and decide whether they are shared.
static void plotp_collect_legends(plot_figure *fig) {
    int n = fig->rows * fig->cols, with = 0, covered = 1;
    const plotp_legend *fullest = &fig->axes[0].legend;
    fig->legend.n = 0;
    for (int i = 0; i < n; i++) {
        plot_axes *ax = &fig->axes[i];
        ax->legend.n = ax->legend_outside = 0;
        if (!plotp_is_chart(ax)) continue;
        for (int k = 0; k < ax->item_count; k++) plotp_legend_add(fig, &ax->legend, &ax->items[k]);
        if (ax->has_lost) plotp_legend_add(fig, &ax->legend, &plotp_lost_entries[0]);
        if (ax->has_nonpositive) plotp_legend_add(fig, &ax->legend, &plotp_lost_entries[1]);
        with += ax->legend.n > 0;
        if (ax->legend.n > fullest->n) fullest = &ax->legend;
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < fig->axes[i].legend.n; k++)
            covered = covered && plotp_has_entry(fullest, fig->axes[i].legend.entry[k]);
    fig->shared = fig->share_legend || (with > 1 && covered);
    for (int i = 0; fig->shared && i < n; i++) {
        plotp_legend *l = &fig->axes[i].legend;
        for (int k = 0; k < l->n; k++) plotp_legend_add(fig, &fig->legend, l->entry[k]);
        l->n = fig->axes[i].legend_outside = 0;
    }
}

static int plotp_legend_rows(double height, double size) {
    return (int)plotp_clamp(floor((height - size) / (size * 1.45)), 1, 1000);
}

#define PLOTP_SAMPLE 3.3 // text sizes that the sample of an entry takes, with the gaps on both sides

// Set the shown entries in columns, each as wide as its longest label, all at equal gaps. When this is too wide the
// longest columns are narrowed and 0 is returned.
static int plotp_legend_arrange(plotp_legend *l, int cols, double width) {
    double total = 0, room = width - 0.5 * l->size;
    l->rows = (l->shown + cols - 1) / cols;
    l->cols = (l->shown + l->rows - 1) / l->rows;
    for (int k = 0; k < l->shown; k++) {
        double w = PLOTP_SAMPLE * l->size + plotp_text_width(l->entry[k]->label, l->size);
        double *column = &l->column[k / l->rows];
        *column = k % l->rows ? plotp_max(*column, w) : w;
    }
    for (int j = 0; j < l->cols; j++) total += l->column[j];
    int fits = total <= room;
    for (int j = 0; !fits && j < l->cols; j++) {
        total -= l->column[j];
        l->column[j] = plotp_min(l->column[j], room / l->cols);
        total += l->column[j];
    }
    l->w = total + 0.5 * l->size;
    l->h = l->rows * l->size * 1.45 + 0.5 * l->size;
    return fits;
}

// Size of a legend of at most `width` x `height`: as many columns as fit where it is `wide`, else as few. The text
// becomes smaller if it must, long labels are cut to five letters or more, at last only the first entries are shown.
static void plotp_legend_size(plotp_legend *l, double size, double width, double height, int wide) {
    int fits = !l->n;
    l->w = l->h = 0;
    l->shown = l->n;
    for (l->size = size; !fits && l->size > 0.5 * size; l->size *= fits ? 1 : 0.93) {
        int rows = wide ? 1 : plotp_legend_rows(height, l->size);
        int cols = (int)plotp_min((l->n + rows - 1) / rows, PLOTP_MAX_COLUMNS);
        while (!(fits = plotp_legend_arrange(l, cols, width)) && wide && cols > 1) cols--;
        fits = (fits || width / l->cols >= (PLOTP_SAMPLE + 5.5) * l->size) && l->h <= height + 1;
    }
    if (fits) return;
    int cols = (int)plotp_clamp(floor(width / (9.5 * l->size)), 1, PLOTP_MAX_COLUMNS);
    l->shown = (int)plotp_min(l->n, cols * plotp_legend_rows(height, l->size));
    plotp_legend_arrange(l, cols, width);
}

// Size the shared legend, give the panels the room that it leaves, and size their own legends.
static void plotp_size_legends(plot_figure *fig) {
    double size = PLOTP_SIZE_LEGEND * fig->scale;
    if (fig->cramped >= 1) fig->shared = fig->legend.n = 0;
    plotp_legend_size(&fig->legend, size, fig->width - 20.0, fig->height * 0.3, 1);
    plotp_place_cells(fig);
    for (int i = 0; i < fig->rows * fig->cols; i++) {
        plot_axes *ax = &fig->axes[i];
        double w = ax->cell.x1 - ax->cell.x0, h = ax->cell.y1 - ax->cell.y0;
        if (fig->cramped >= 1) ax->legend.n = 0;
        plotp_legend_size(&ax->legend, size, 0.4 * w, h - (ax->title ? 50 : 20) * fig->scale, 0);
    }
}

// Place everything with the largest text that leaves the data room enough; where even small text does not, leave out
// first the labels of the axes and the legends, then the tick labels, at last the titles.
static void plotp_layout(plot_figure *fig) {
    double fit = plotp_min((double)fig->width / fig->cols / 500, (double)fig->height / fig->rows / 360);
    double normal = plotp_clamp(fit, 0.6, 1) * fig->user_scale;
    double least = plotp_min(normal, 0.45); // smaller text than this cannot be read
    for (fig->cramped = 0;; fig->cramped++) {
        double room = 0;
        for (fig->scale = normal;; fig->scale *= 0.92) {
            plotp_size_legends(fig);
            room = plotp_measure_all(fig);
            if (room >= 0.45) return;
            if (fig->scale * 0.92 < least) break;
        }
        if (room >= 0.25 || fig->cramped == 3) return;
    }
}

// The line, band or marker that an entry names.
static void plotp_draw_sample(plot_figure *fig, const plotp_item *item, double x, double y, double size) {
    plotp_canvas *c = &fig->canvas;
    plotp_rect r = {x, y - 0.32 * size, x + 2 * size, y + 0.32 * size};
    double px[2] = {r.x0, r.x1}, py[2] = {y, y};
    if (item->kind == PLOTP_BAND) plotp_fill_rect(c, r, item->rgb, 0.25);
    else if (item->kind == PLOTP_HIST) plotp_fill_rect(c, r, item->rgb, 0.45);
    else {
        if (item->style.dash != PLOT_NO_LINE) {
            plotp_polyline(c, px, py, 2, plotp_line_width(fig, item), (int)item->style.dash);
            plotp_paint(c, item->rgb, item->style.alpha, 0);
        }
        if (item->style.marker) plotp_marker(c, (int)item->style.marker, x + size, y, 0.28 * size, item->rgb, 1);
    }
}

static void plotp_draw_legend(plot_figure *fig, const plotp_legend *l, double x, double y, int framed) {
    plotp_rect r = {floor(x), floor(y), floor(x + l->w), floor(y + l->h)};
    double left = x + 0.5 * l->size;
    if (framed) {
        plotp_fill_rect(&fig->canvas, r, 0xFFFFFF, 1);
        plotp_frame(&fig->canvas, r, 0xCCCCCC);
    }
    for (int k = 0; k < l->shown; k++) {
        char text[PLOTP_TEXT];
        double mid = y + 0.25 * l->size + (k % l->rows + 0.5) * l->size * 1.45, column = l->column[k / l->rows];
        plotp_take(text, l->entry[k]->label);
        if (k + 1 == l->shown && l->shown < l->n) snprintf(text, sizeof text, "%d more", l->n - k);
        else plotp_draw_sample(fig, l->entry[k], left, mid, l->size);
        plotp_shorten(text, l->size, column - (PLOTP_SAMPLE - 0.4) * l->size);
        plotp_text(fig, left + 2.5 * l->size, mid, text, l->size, 0, PLOTP_REGULAR, PLOTP_INK);
        if ((k + 1) % l->rows == 0) left += column;
    }
    plotp_note(fig, &fig->legends, r, "");
}

// Pixels of data inside a rectangle.
static int plotp_count_ink(const plot_figure *fig, plotp_rect r) {
    const plotp_canvas *c = &fig->canvas;
    int count = 0;
    int x0 = (int)plotp_clamp(r.x0, 0, c->w), x1 = (int)plotp_clamp(ceil(r.x1), 0, c->w);
    int y0 = (int)plotp_clamp(r.y0, 0, c->h), y1 = (int)plotp_clamp(ceil(r.y1), 0, c->h);
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) count += c->ink[(size_t)y * (size_t)c->w + (size_t)x];
    return count;
}

static int plotp_overlap(plotp_rect a, plotp_rect b, double gap) {
    return a.x0 < b.x1 + gap && b.x0 < a.x1 + gap && a.y0 < b.y1 + gap && b.y0 < a.y1 + gap;
}

// Does the rectangle keep clear of all texts and data?
static int plotp_is_free(const plot_figure *fig, plotp_rect r) {
    for (int k = 0; k < fig->texts.n; k++)
        if (plotp_overlap(r, fig->texts.box[k].r, 2)) return 0;
    return plotp_count_ink(fig, r) == 0;
}

// A free place inside the axes: corners, then edges, then anywhere. Returns 0 when there is none.
static int plotp_find_legend_place(const plot_axes *ax, double *x, double *y) {
    static const int steps = 8;
    double gap = 9 * ax->fig->scale, w = ax->rect.x1 - ax->rect.x0 - ax->legend.w - 2 * gap;
    double h = ax->rect.y1 - ax->rect.y0 - ax->legend.h - 2 * gap;
    if (w < 0 || h < 0) return 0;
    for (int rank = 0; rank < 3; rank++) {
        for (int k = 0; k < (steps + 1) * (steps + 1); k++) {
            int i = steps - k % (steps + 1), j = k / (steps + 1); // from the upper right corner, row by row
            int edges = (i == 0 || i == steps) + (j == 0 || j == steps);
            if (edges != 2 - rank) continue;
            *x = ax->rect.x0 + gap + w * i / steps;
            *y = ax->rect.y0 + gap + h * j / steps;
            plotp_rect r = {*x - gap / 2, *y - gap / 2, *x + ax->legend.w + gap / 2, *y + ax->legend.h + gap / 2};
            if (plotp_is_free(ax->fig, r)) return 1;
        }
    }
    return 0;
}

// Draw the panel's legend; returns 0 when it must move outside, which needs a new layout.
static int plotp_place_legend(plot_axes *ax) {
    double x, y;
    if (!ax->legend.n) return 1;
    if (ax->legend_outside) {
        x = ax->rect.x1 + plotp_bar_space(ax, ax->fig->scale) + 12 * ax->fig->scale;
        y = plotp_min(ax->rect.y0, ax->cell.y1 - ax->legend.h - 2);
    } else if (!plotp_find_legend_place(ax, &x, &y)) {
        ax->legend_outside = 1;
        return 0;
    }
    plotp_draw_legend(ax->fig, &ax->legend, x, y, 1);
    return 1;
}

// Draw one panel; returns 0 when its legend found no place inside.
static int plotp_draw_panel(plot_axes *ax) {
    int placed = 1;
    plotp_rect r = ax->rect;
    if (plotp_panel_is_empty(ax)) return 1;
    if (ax->image) plotp_draw_images(ax);
    else {
        if (!ax->heat) plotp_draw_grid(ax);
        plotp_draw_data(ax);
        plotp_draw_axes(ax);
        plotp_draw_color_bar(ax);
        plotp_draw_cell_values(ax);
        if (ax->is_empty && ax->fig->cramped < 2)
            plotp_text(ax->fig, (r.x0 + r.x1) / 2, (r.y0 + r.y1) / 2, "nothing to show",
                       PLOTP_SIZE_LABEL * ax->fig->scale, 0.5, PLOTP_REGULAR, PLOTP_FRAME);
        placed = plotp_place_legend(ax);
    }
    plotp_draw_title(ax);
    return placed;
}

// White paper.
static int plotp_clear(plot_figure *fig) {
    plotp_canvas *c = &fig->canvas;
    size_t pixels = (size_t)fig->width * (size_t)fig->height, cells = (size_t)(fig->width + 2) * (size_t)fig->height;
    if (!c->rgb) c->rgb = (unsigned char *)plotp_alloc(fig, pixels, 3);
    if (!c->ink) c->ink = (unsigned char *)plotp_alloc(fig, pixels, 1);
    if (!c->mask) c->mask = (float *)plotp_alloc(fig, cells, sizeof *c->mask);
    if (fig->error[0]) return 0;
    c->w = fig->width;
    c->h = fig->height;
    memset(c->rgb, 255, 3 * pixels);
    memset(c->ink, 0, pixels);
    memset(c->mask, 0, cells * sizeof *c->mask);
    plotp_clip(c, 0, 0, c->w, c->h);
    plotp_paint(c, 0, 0, 0); // forget what was collected
    fig->texts.n = fig->legends.n = 0;
    return 1;
}

// Title and shared legend above the panels, caption below, centred over the axes.
static void plotp_draw_surroundings(plot_figure *fig) {
    plotp_block title = plotp_title_block(fig), caption = plotp_caption_block(fig);
    double middle = fig->middle, s = fig->scale, w = fig->width, legend_w = fig->legend.w;
    plotp_block_draw(fig, &title, middle, 8 * s, 0, w, PLOTP_BOLD, PLOTP_INK);
    plotp_block_draw(fig, &caption, middle, fig->height - caption.height - 6 * s, 0, w, PLOTP_REGULAR, PLOTP_FRAME);
    if (!fig->shared) return;
    double left = plotp_clamp(middle - legend_w / 2, 2, w - legend_w - 2);
    plotp_draw_legend(fig, &fig->legend, left, 8 * s + title.height, 0);
}

// Draw the whole figure; again when a legend had to move outside. Returns 0 on error.
static int plotp_render(plot_figure *fig) {
    int placed, n = fig->rows * fig->cols;
    if (fig->error[0]) return 0;
    if (fig->rendered) return 1;
    for (int i = 0; i < n; i++) plotp_ranges(&fig->axes[i]);
    for (int i = 0; i < n; i++) {
        plotp_share_range(fig, i, fig->share_x, 0);
        plotp_share_range(fig, i, fig->share_y, 1);
        plotp_find_hidden(&fig->axes[i]);
    }
    plotp_collect_legends(fig);
    do {
        if (fig->error[0] || !plotp_clear(fig)) return 0;
        plotp_layout(fig);
        placed = 1;
        for (int i = 0; i < n; i++) placed &= plotp_draw_panel(&fig->axes[i]);
        plotp_draw_surroundings(fig);
    } while (!placed && !fig->error[0]);
    fig->rendered = !fig->error[0];
    return fig->rendered;
}

// -------------------------------------------------------------------------------------------------- [PLOT:CHECK]
static int plotp_is_inside(const plot_figure *fig, plotp_rect r) {
    return r.x0 >= 0 && r.y0 >= 0 && r.x1 <= fig->width && r.y1 <= fig->height;
}

int plot_check(plot_figure *fig, char *message, int size) {
    char wrong[sizeof fig->error] = "";
    int drawn = fig && plotp_render(fig);
    if (!drawn) snprintf(wrong, sizeof wrong, "%s", plot_error(fig));
    for (int i = 0; drawn && i < fig->texts.n && !wrong[0]; i++) {
        const plotp_box *a = &fig->texts.box[i], *b = fig->texts.box;
        while (b < a && !plotp_overlap(a->r, b->r, 0)) b++;
        if (b < a) snprintf(wrong, sizeof wrong, "texts \"%s\" and \"%s\" overlap", b->text, a->text);
        if (!plotp_is_inside(fig, a->r)) snprintf(wrong, sizeof wrong, "text \"%s\" is cut off", a->text);
    }
    for (int i = 0; drawn && i < fig->legends.n && !wrong[0]; i++) {
        plotp_rect r = fig->legends.box[i].r;
        if (!plotp_is_inside(fig, r)) snprintf(wrong, sizeof wrong, "a legend is cut off");
        else if (plotp_count_ink(fig, r)) snprintf(wrong, sizeof wrong, "a legend covers data");
    }
    if (message && size > 0) snprintf(message, (size_t)size, "%s", wrong);
    return !wrong[0];
}

int plot_locate(const plot_axes *ax, double x, double y, double *pixel_x, double *pixel_y) {
    if (!ax || !ax->fig->rendered || !plotp_visible(&ax->x, x) || !plotp_visible(&ax->y, y)) return 0;
    *pixel_x = plotp_at(&ax->x, x);
    *pixel_y = plotp_at(&ax->y, y);
    return 1;
}

int plot_pixel(const plot_figure *fig, int x, int y) {
    if (!fig || !fig->rendered || x < 0 || y < 0 || x >= fig->width || y >= fig->height) return -1;
    const unsigned char *p = fig->canvas.rgb + 3 * ((size_t)y * (size_t)fig->width + (size_t)x);
    return p[0] << 16 | p[1] << 8 | p[2];
}

// --------------------------------------------------------------------------------------------------- [PLOT:PNG]
// stb_image_write compresses and frames the PNG. It does not look whether its allocations succeed, so it gets a pool
// that cannot run out: all that it may ask for, reserved in one piece.
static unsigned char *plotp_pool;
static size_t plotp_pool_used;

static void *plotp_take_from_pool(size_t size) {
    size_t at = plotp_pool_used;
    plotp_pool_used += (size + 15) / 16 * 16;
    return plotp_pool + at;
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
    plotp_pool_used = 0;
    plotp_pool = raw < (size_t)-1 / 16 ? (unsigned char *)PLOT_MALLOC(8 * raw + lists + 65536) : NULL;
    if (!plotp_pool) plotp_fail(fig, "%s", plotp_no_memory);
    return plotp_pool != NULL;
}

#if defined(PLOTP_NO_OPTIMIZER) && defined(__clang__) // compressing is worth a little optimising
#pragma clang optimize on
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)
#elif defined(PLOTP_NO_OPTIMIZER)
#pragma GCC optimize("O1")
#endif
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBIW_MALLOC(size) plotp_take_from_pool((size_t)(size))
#define STBIW_REALLOC_SIZED(p, old_size, size) plotp_grow_in_pool(p, (size_t)(old_size), (size_t)(size))
#define STBIW_FREE(p) ((void)(p))
#if defined(__GNUC__) // gcc and clang: stb's own code is not held to this project's warnings
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
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

// Write under a temporary name, flush, check, rename.
static void plotp_write_file(plot_figure *fig, const char *path, const unsigned char *data, size_t size) {
    size_t room = strlen(path) + 5;
    char *temporary = (char *)plotp_alloc(fig, room, 1);
    if (!temporary) return;
    snprintf(temporary, room, "%s.tmp", path);
    FILE *file = fopen(temporary, "wb");
    int ok = file && fwrite(data, 1, size, file) == size && fflush(file) == 0;
    if (file) ok = fclose(file) == 0 && ok;
    if (!ok) plotp_fail(fig, "plot_save: cannot write %lu bytes to %s: %s%s", (unsigned long)size, temporary,
                        strerror(errno), file ? "" : "; does the folder exist?");
#ifdef _WIN32 // there rename does not replace
    if (!fig->error[0]) remove(path);
#endif
    if (!fig->error[0] && rename(temporary, path))
        plotp_fail(fig, "plot_save: cannot rename %s: %s", temporary, strerror(errno));
    if (file && fig->error[0]) remove(temporary);
}

int plot_save(plot_figure *fig, const char *path) {
    int size = 0;
    if (!fig) return 0;
    if (!path || !path[0]) plotp_fail(fig, "plot_save: expected the name of a file, found none");
    if (!plotp_render(fig) || !plotp_reserve_pool(fig, 3 * (size_t)fig->width * (size_t)fig->height)) return 0;
    stbi_write_force_png_filter = 0; // flat colours compress best unfiltered
    stbi_write_png_compression_level = 8;
    unsigned char *png = stbi_write_png_to_mem(fig->canvas.rgb, 3 * fig->width, fig->width, fig->height, 3, &size);
    plotp_write_file(fig, path, png, (size_t)size);
    PLOT_FREE(plotp_pool);
    return !fig->error[0];
}

#if defined(PLOTP_NO_OPTIMIZER) && defined(__clang__)
#pragma clang attribute pop
#elif defined(PLOTP_NO_OPTIMIZER)
#pragma GCC pop_options
#ifndef __OPTIMIZE__ // gcc's C compiler optimises again, but has forgotten to say so
#define __OPTIMIZE__ 1
#endif
#endif
#endif // stb_image_write.h is there
#endif // PLOT_IMPLEMENTATION
