// test_plot.c: charts show data where the axes say, no text is ever cut off or overlapped, files are whole or absent.
// build: float cxx inside
#include <stdlib.h>

// Every allocation of plot.h goes through these: they count what is held and can fail from the n-th call on.
static int held, calls, fail_at;

static void *counted_malloc(size_t size) {
    if (fail_at && ++calls >= fail_at) return NULL;
    held++;
    return malloc(size);
}

static void counted_free(void *p) {
    if (p) held--;
    free(p);
}

#define PLOT_MALLOC counted_malloc
#define PLOT_FREE counted_free
#define PLOT_IMPLEMENTATION
#include "../examples/plot.h"
#include "test.h"

enum { N = 400 };
static double ramp[N], wave[N], other[N];
static char message[300], path[300];

static void name_file(void) {
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/gradflow_plot_%p.png", folder ? folder : "/tmp", (void *)&folder);
}

static void fill_data(void) {
    int i;
    for (i = 0; i < N; i++) {
        ramp[i] = i;
        wave[i] = sin(i * 0.05);
        other[i] = 0.5 * cos(i * 0.03);
    }
}

// One panel, one line of data.
static plot_figure *simple(const double *x, const double *y, int n, plot_axes **ax) {
    plot_figure *fig = plot_figure_create(700, 500, 1, 1, NULL);
    *ax = plot_axes_at(fig, 0, 0);
    plot_line(*ax, x, y, n, NULL, plot_solid(0));
    return fig;
}

static void check_layout(plot_figure *fig, const char *what) {
    if (!plot_check(fig, message, sizeof message)) test_fail(__FILE__, __LINE__, "%s: %s", what, message);
    plot_figure_free(fig);
}

// --- reading a PNG back: an inflate and a parser of the test's own -------------------------------------------------
typedef struct { const unsigned char *p; size_t at, bits; } reader;

static unsigned take(reader *r, int count) {
    unsigned v = 0;
    int i;
    for (i = 0; i < count; i++, r->at++)
        if (r->at < r->bits) v |= (unsigned)(r->p[r->at / 8] >> (r->at % 8) & 1) << i;
    return v;
}

// Decode one symbol of a canonical Huffman code given by its lengths (RFC 1951, 3.2.2); -1 when there is none.
static int decode(reader *r, const int *length, int n) {
    int code = 0, first = 0, bits, i;
    for (bits = 1; bits <= 15; bits++) {
        int count = 0;
        code |= (int)take(r, 1);
        for (i = 0; i < n; i++) {
            if (length[i] != bits) continue;
            if (code == first + count) return i;
            count++;
        }
        first = (first + count) << 1;
        code <<= 1;
    }
    return -1;
}

static size_t inflate_blocks(reader *r, unsigned char *out, size_t room) {
    static const int base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    int length[288], distance_length[30];
    size_t n = 0;
    unsigned last = 0;
    for (int i = 0; i < 288; i++) length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    for (int i = 0; i < 30; i++) distance_length[i] = 5;
    while (!last && r->at < r->bits) {
        int symbol;
        unsigned kind;
        last = take(r, 1);
        kind = take(r, 2);
        if (kind == 0) { // stored: what does not compress
            r->at = (r->at + 7) / 8 * 8;
            size_t count = take(r, 16);
            take(r, 16);
            for (; count > 0 && n < room; count--) out[n++] = (unsigned char)take(r, 8);
            continue;
        }
        if (kind != 1) return 0; // stb writes no other blocks
        while ((symbol = decode(r, length, 288)) != 256) {
            int k, count, distance;
            if (symbol < 0 || n >= room) return 0;
            if (symbol < 256) {
                out[n++] = (unsigned char)symbol;
                continue;
            }
            k = symbol - 257;
            count = base[k] + (int)take(r, k < 8 || k == 28 ? 0 : (k - 4) / 4);
            k = decode(r, distance_length, 30);
            distance = k < 4 ? k + 1 : 1 + ((2 + k % 2) << (k / 2 - 1)) + (int)take(r, k / 2 - 1);
            if (k < 0 || (size_t)distance > n || n + (size_t)count > room) return 0;
            for (; count > 0; count--, n++) out[n] = out[n - (size_t)distance];
        }
    }
    return n;
}

static unsigned long big_endian(const unsigned char *p) {
    return (unsigned long)p[0] << 24 | (unsigned long)p[1] << 16 | (unsigned long)p[2] << 8 | p[3];
}

static unsigned char *read_file(size_t *size) {
    FILE *file = fopen(path, "rb");
    unsigned char *data = (unsigned char *)malloc(1 << 22);
    *size = file && data ? fread(data, 1, 1 << 22, file) : 0;
    if (file) fclose(file);
    return data;
}

// Pixels of the PNG at `path` that differ from the figure's; -1 when it is not a PNG of that size.
static int count_differences(const plot_figure *fig, int w, int h) {
    static const unsigned char signature[8] = {137, 80, 78, 71, 13, 10, 26, 10};
    size_t size, rows = (size_t)h * (size_t)(3 * w + 1), n;
    unsigned char *data = read_file(&size), *raw = (unsigned char *)malloc(rows);
    int x, y, wrong = 0;
    reader r;
    CHECK(size > 60 && memcmp(data, signature, 8) == 0 && memcmp(data + 12, "IHDR", 4) == 0);
    CHECK(big_endian(data + 16) == (unsigned long)w && big_endian(data + 20) == (unsigned long)h);
    CHECK(memcmp(data + 37, "IDAT", 4) == 0 && memcmp(data + size - 8, "IEND", 4) == 0);
    r.p = data + 41 + 2; // after the zlib header
    r.at = 0;
    r.bits = 8 * (big_endian(data + 33) - 6);
    n = inflate_blocks(&r, raw, rows);
    if (n != rows) wrong = -1;
    for (y = 0; n == rows && y < h; y++) {
        const unsigned char *row = raw + (size_t)y * (size_t)(3 * w + 1);
        if (row[0]) wrong++; // filter
        for (x = 0; x < w; x++)
            if ((row[1 + 3 * x] << 16 | row[2 + 3 * x] << 8 | row[3 + 3 * x]) != plot_pixel(fig, x, y)) wrong++;
    }
    free(raw);
    free(data);
    return wrong;
}

static int exists(const char *name) {
    FILE *file = fopen(name, "rb");
    if (file) fclose(file);
    return file != NULL;
}

// --- colours of regions ----------------------------------------------------------------------------------------------
static int near_color(int a, int b, int tolerance) {
    return abs((a >> 16) - (b >> 16)) <= tolerance && abs((a >> 8 & 255) - (b >> 8 & 255)) <= tolerance &&
           abs((a & 255) - (b & 255)) <= tolerance;
}

// How far the nearest pixel of a colour is from a point, at most `reach`; 99 when there is none.
static int distance_to_color(const plot_figure *fig, double px, double py, int rgb, int reach) {
    int dx, dy, best = 99;
    for (dy = -reach; dy <= reach; dy++)
        for (dx = -reach; dx <= reach; dx++) {
            int d = abs(dx) > abs(dy) ? abs(dx) : abs(dy);
            if (d < best && near_color(plot_pixel(fig, (int)px + dx, (int)py + dy), rgb, 12)) best = d;
        }
    return best;
}

// ------------------------------------------------------------------------------------------------------------- tests
static void test_ticks(void) {
    static const double ranges[][2] = {
        {0, 1},       {-3, 7},           {0, 9380},       {1e-9, 3e-9}, {-1e12, 4e12},         {0.93, 0.97},
        {99.1, 99.9}, {-1e-300, 1e-300}, {-1e299, 1e299}, {5, -5},      {123456789, 123456999}};
    size_t k;
    int i, most;
    TEST("plot: linear ticks are 1-2-5 steps, inside, and labelled with their value");
    for (k = 0; k < sizeof ranges / sizeof ranges[0]; k++) {
        for (most = 3; most <= 9; most += 3) {
            plotp_axis a;
            double step, mantissa, unit, lo = fmin(ranges[k][0], ranges[k][1]), hi = fmax(ranges[k][0], ranges[k][1]);
            memset(&a, 0, sizeof a);
            a.lo = ranges[k][0];
            a.hi = ranges[k][1];
            plotp_linear_ticks(&a, most);
            CHECK(a.tick_count >= 2 && a.tick_count <= most + 1);
            step = a.tick[1] - a.tick[0];
            mantissa = step / pow(10, floor(log10(step) + 1e-6));
            CHECK(fabs(mantissa - 1) < 1e-6 || fabs(mantissa - 2) < 1e-6 || fabs(mantissa - 5) < 1e-6);
            unit = pow(10, a.exponent);
            for (i = 0; i < a.tick_count; i++) {
                const char *label = a.tick_label[i];
                double sign = strncmp(label, "\xe2\x88\x92", 3) == 0 ? -1 : 1;
                CHECK(a.tick[i] >= lo - 1e-6 * step && a.tick[i] <= hi + 1e-6 * step);
                CHECK_NEAR(sign * strtod(label + (sign < 0 ? 3 : 0), NULL) * unit / step, a.tick[i] / step, 1e-3);
            }
        }
    }
    TEST("plot: whole data have no fractional ticks");
    {
        plotp_axis a;
        memset(&a, 0, sizeof a);
        a.lo = 1;
        a.hi = 3;
        a.whole = 1;
        plotp_linear_ticks(&a, 9);
        CHECK(a.tick_count == 3 && strcmp(a.tick_label[1], "2") == 0);
    }
}

static void test_log_ticks(void) {
    static const double ranges[][2] = {{1e-20, 1e20}, {1e-3, 1e3}, {2e-21, 5e-19}, {0.5, 20}, {2, 9}, {2.3, 2.6},
                                       {1e-300, 1e300}};
    size_t k;
    int i;
    TEST("plot: log ticks are powers of ten, or 1-2-5 times them within a decade");
    for (k = 0; k < sizeof ranges / sizeof ranges[0]; k++) {
        plotp_axis a;
        double lo = ranges[k][0], hi = ranges[k][1];
        memset(&a, 0, sizeof a);
        a.lo = lo;
        a.hi = hi;
        a.log = 1;
        plotp_log_ticks(&a, 10);
        CHECK(a.tick_count >= 2 && a.tick_count <= 11);
        for (i = 0; i < a.tick_count; i++) {
            CHECK(a.tick[i] >= lo * (1 - 1e-9) && a.tick[i] <= hi * (1 + 1e-9));
            if (hi / lo < 100) continue;
            CHECK_NEAR(log10(a.tick[i]), floor(log10(a.tick[i]) + 0.5), 1e-9);
            CHECK_TEXT(a.tick_label[i], "10^{");
        }
        for (i = 0; i < a.minor_count; i++) CHECK(a.minor[i] >= lo * (1 - 1e-9) && a.minor[i] <= hi * (1 + 1e-9));
    }
}

static void test_font(void) {
    static const char greek[] = "αβγδεηθλμπσφχ∂∇‖·×±²√≤≥→∞−ΔΣΦ";
    const char *text = greek;
    TEST("plot: every printable ASCII character and every sign a chart needs has a glyph of its own");
    for (int c = 33; c < 127; c++) {
        char one[2];
        const char *glyph = plotp_find_glyph((unsigned)c);
        plotp_pen pen = plotp_pen_at(NULL, 0, 0, 100, 0.088, 0);
        one[0] = (char)c;
        one[1] = 0;
        CHECK(glyph[-1] == c);
        plotp_pen_text(&pen, one);
        CHECK(pen.ink.x1 > pen.ink.x0 && pen.ink.x0 > -5 && pen.ink.x1 < atoi(glyph) + 5); // stays in its cell
    }
    while (*text) CHECK(plotp_find_glyph(plotp_utf8(&text)) != plotp_find_glyph(0xFFFD));
    TEST("plot: malformed UTF-8 is drawn as boxes and ends where the text ends");
    CHECK(plotp_text_width("\xff\xe2\x88", 20) > 0);
    CHECK(plotp_text_width("a\xe2", 20) > plotp_text_width("a", 20));
    CHECK_NEAR(plotp_text_width("10^{3}", 100) - plotp_text_width("10", 100), 0.7 * plotp_text_width("3", 100), 1e-9);
    TEST("plot: a shortened text fits and keeps whole characters");
    {
        char long_text[PLOTP_TEXT] = "gradient norm of ∇∇∇∇∇∇∇∇∇∇ in every layer";
        double width;
        for (width = 400; width > 0; width -= 7) {
            const char *p = long_text;
            plotp_shorten(long_text, 18, width);
            CHECK(plotp_text_width(long_text, 18) <= width);
            while (*p) CHECK(plotp_utf8(&p) != 0xFFFD);
        }
    }
}

static void test_drawing(void) {
    plotp_canvas *c;
    plot_figure *fig = plot_figure_create(64, 64, 1, 1, NULL);
    plotp_rect r = {10.25, 20.5, 30.75, 40};
    double sum = 0;
    int x, y;
    TEST("plot: fills and strokes cover exactly their area");
    CHECK(plotp_clear(fig));
    c = &fig->canvas;
    plotp_fill_rect(c, r, 0, 1);
    for (y = 0; y < 64; y++)
        for (x = 0; x < 64; x++) sum += 1 - c->rgb[3 * (y * 64 + x)] / 255.0;
    CHECK_RELATIVE(sum, 20.5 * 19.5, 0.005);
    plotp_clear(fig);
    plotp_stroke(c, 10, 32, 50, 32, 1.5);
    plotp_paint(c, 0, 1, 0);
    for (sum = 0, y = 0; y < 64; y++) sum += 1 - c->rgb[3 * (y * 64 + 30)] / 255.0;
    CHECK_RELATIVE(sum, 3, 0.02);
    plotp_clear(fig);
    plotp_stroke(c, 32, 32, 32, 32, 10);
    plotp_paint(c, 0, 1, 0);
    for (sum = 0, y = 0; y < 64; y++)
        for (x = 0; x < 64; x++) sum += 1 - c->rgb[3 * (y * 64 + x)] / 255.0;
    CHECK_RELATIVE(sum, 3.14159265 * 100, 0.02);
    plot_figure_free(fig);
}

static void test_line_position(void) {
    plot_axes *ax;
    plot_figure *fig = simple(ramp, wave, N, &ax);
    double px, py, top = 0, bottom = 0, left = 0, right = 0;
    int i;
    TEST("plot: a line passes through its points");
    plot_limits_y(ax, -2, 2);
    CHECK(plot_check(fig, message, sizeof message));
    for (i = 0; i < N; i += 13) {
        CHECK(plot_locate(ax, ramp[i], wave[i], &px, &py));
        CHECK(distance_to_color(fig, px, py, 0x0072B2, 6) <= 1);
        CHECK(plot_locate(ax, ramp[i], wave[i] + 0.3, &px, &py));
        CHECK(distance_to_color(fig, px, py, 0x0072B2, 6) > 6);
    }
    CHECK(plot_locate(ax, 0, 2, &left, &top) && plot_locate(ax, 399, -2, &right, &bottom));
    CHECK(top < bottom && left < right && top >= 0 && bottom < 500);
    CHECK(plot_locate(ax, 0, 0, &px, &py));
    CHECK_NEAR(py, (top + bottom) / 2, 1e-6);
    plot_figure_free(fig);

    TEST("plot: a log axis spaces decades evenly, limits can turn an axis round");
    fig = simple(NULL, ramp + 1, 3, &ax);
    plot_log_y(ax);
    plot_limits_y(ax, 1, 1e4);
    plot_limits_x(ax, 10, 0);
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(plot_locate(ax, 0, 1, &right, &bottom) && plot_locate(ax, 10, 1e4, &left, &top) &&
          plot_locate(ax, 0, 10, &px, &py));
    CHECK_NEAR(bottom - py, (bottom - top) / 4, 1e-6);
    CHECK(left < right);
    CHECK(!plot_locate(ax, 0, -1, &px, &py));
    plot_figure_free(fig);
}

static void test_gaps(void) {
    double y[9] = {1, 2, 3, NAN, 3, 2, INFINITY, 2, 1}, px, py;
    plot_axes *ax;
    plot_figure *fig = simple(NULL, y, 9, &ax);
    int i;
    TEST("plot: NaN and infinity leave a gap, a cross at the border and a line in the legend");
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(plot_locate(ax, 2.5, 3, &px, &py));
    CHECK(distance_to_color(fig, px, py, 0x0072B2, 3) == 99);
    CHECK(plot_locate(ax, 0.5, 1.5, &px, &py));
    CHECK(distance_to_color(fig, px, py, 0x0072B2, 3) <= 1);
    CHECK(plot_locate(ax, 3, 2, &px, &py));
    CHECK(distance_to_color(fig, px, ax->rect.y1 - 5, 0x0072B2, 3) <= 2);
    CHECK(plot_locate(ax, 6, 2, &px, &py));
    CHECK(distance_to_color(fig, px, ax->rect.y0 + 5, 0x0072B2, 3) <= 2);
    CHECK(ax->legend.n == 1 && strstr(ax->legend.entry[0]->label, "NaN") != NULL);
    plot_figure_free(fig);
    for (i = 0; i < 9; i++) y[i] = i - 4;
    fig = simple(NULL, y, 9, &ax);
    plot_log_y(ax);
    TEST("plot: values that a log axis cannot show are named in the legend");
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(ax->legend.n == 1 && strstr(ax->legend.entry[0]->label, "log axis") != NULL);
    CHECK(ax->y.lo > 0);
    plot_figure_free(fig);
}

static void test_smooth(void) {
    double y[101], *average;
    plot_axes *ax;
    plot_figure *fig = plot_figure_create(600, 400, 1, 1, NULL);
    int i, k;
    TEST("plot: the smoothed line is the centred moving average, geometric on a log axis, and begins with the data");
    ax = plot_axes_at(fig, 0, 0);
    for (i = 0; i < 101; i++) y[i] = exp(sin(i * 0.7) + 0.01 * i);
    y[50] = NAN;
    plot_smooth(ax, NULL, y, 101, 7, "smooth", plot_solid(0));
    for (k = 0; k < 2; k++) {
        ax->y.log = k;
        average = plotp_average(ax, &ax->items[0]);
        for (i = 0; i < 101; i++) {
            double sum = 0;
            int j, count = 0;
            for (j = i - 3; j <= i + 3; j++) {
                if (j < 0 || j > 100 || j > 2 * i || j == 50) continue;
                sum += k ? log(y[j]) : y[j];
                count++;
            }
            if (i == 50) CHECK(average[i] != average[i]);
            else if (i == 0) CHECK_RELATIVE(average[i], y[0], 1e-9);
            else CHECK_RELATIVE(average[i], k ? exp(sum / count) : sum / count, 1e-9);
        }
    }
    plot_figure_free(fig);
}

static void test_bands_and_histograms(void) {
    double lo[3] = {0, 0, 0}, hi[3] = {1, 1, 1}, px, py, edges[3] = {0, 0.45, 0.9}, counts[2] = {3, 1};
    plot_figure *fig = plot_figure_create(800, 400, 1, 2, NULL);
    plot_axes *band = plot_axes_at(fig, 0, 0), *hist = plot_axes_at(fig, 0, 1);
    TEST("plot: bands fill between their edges, histograms stand on zero");
    plot_band(band, NULL, lo, hi, 3, "band", plot_solid(2));
    plot_limits_y(band, -1, 2);
    plot_hist_counts(hist, edges, counts, 2, "samples", plot_solid(0));
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(plot_locate(band, 1.21, 0.53, &px, &py) && near_color(plot_pixel(fig, (int)px, (int)py), 0xD1EEE6, 4));
    CHECK(plot_locate(band, 1.21, -0.4, &px, &py) && near_color(plot_pixel(fig, (int)px, (int)py), 0xFFFFFF, 4));
    CHECK(hist->y.lo == 0 && plot_locate(hist, 0.2, 1.7, &px, &py));
    CHECK(near_color(plot_pixel(fig, (int)px, (int)py), 0xB2D4E7, 4));
    CHECK(plot_locate(hist, 0.7, 1.7, &px, &py) && near_color(plot_pixel(fig, (int)px, (int)py), 0xFFFFFF, 30));
    CHECK(plot_locate(hist, 0.7, 0.7, &px, &py) && near_color(plot_pixel(fig, (int)px, (int)py), 0xB2D4E7, 4));
    plot_figure_free(fig);
}

static void test_heatmap(void) {
    double v[6] = {0, 1, 2, 3, NAN, 5}, px, py, plane[30 * 30];
    plot_figure *fig = plot_figure_create(1400, 500, 1, 3, NULL);
    plot_axes *matrix = plot_axes_at(fig, 0, 0), *map = plot_axes_at(fig, 0, 1), *level = plot_axes_at(fig, 0, 2);
    int i;
    TEST("plot: heatmap cells have the colour of their value, row 0 on top unless an extent says otherwise");
    plot_heatmap(matrix, v, 2, 3, PLOT_VIRIDIS);
    plot_heatmap(map, v, 2, 3, PLOT_VIRIDIS);
    plot_heatmap_extent(map, 0, 30, 0, 20);
    for (i = 0; i < 900; i++) plane[i] = i % 30;
    plot_heatmap(level, plane, 30, 30, PLOT_SIGNED);
    plot_contour(level, 19.5, "edge", plot_solid(PLOT_BLACK));
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(plot_locate(matrix, 0, 0, &px, &py) && plot_pixel(fig, (int)px, (int)py) == 0x440154);
    CHECK(py < (matrix->rect.y0 + matrix->rect.y1) / 2);
    CHECK(plot_locate(matrix, 2, 1, &px, &py) && near_color(plot_pixel(fig, (int)px, (int)py), 0xFDE725, 2));
    CHECK(plot_locate(matrix, 1, 1, &px, &py));
    CHECK(distance_to_color(fig, px, py, 0xA0A0A0, 9) < 9); // hatched
    CHECK(distance_to_color(fig, px, py, 0xE4E4E4, 9) < 9);
    CHECK(plot_locate(map, 5, 5, &px, &py) && plot_pixel(fig, (int)px, (int)py) == 0x440154);
    CHECK(py > (map->rect.y0 + map->rect.y1) / 2);
    CHECK(level->z.lo == -29 && level->z.hi == 29); // the signed map is white at zero
    TEST("plot: a contour lies where the values cross its level");
    for (i = 2; i < 28; i += 5) {
        CHECK(plot_locate(level, 19.5, i, &px, &py));
        CHECK(distance_to_color(fig, px, py, 0x222222, 4) <= 1);
    }
    plot_figure_free(fig);
    TEST("plot: a map with more cells than pixels shows their means");
    {
        static double fine[2000];
        plot_axes *ax;
        for (i = 0; i < 2000; i++) fine[i] = i % 2;
        fig = plot_figure_create(500, 200, 1, 1, NULL);
        ax = plot_axes_at(fig, 0, 0);
        plot_heatmap(ax, fine, 1, 2000, PLOT_BLUES);
        CHECK(plot_check(fig, message, sizeof message));
        for (i = 10; i < 400; i += 30)
            CHECK(near_color(plot_pixel(fig, (int)ax->rect.x0 + i % 300, (int)ax->rect.y0 + 20), 0x6DAED5, 40));
        plot_figure_free(fig);
    }
}

static void test_images(void) {
    double tiles[2 * 3 * 4];
    plot_figure *fig = plot_figure_create(400, 300, 1, 1, NULL);
    int i, x, y, red = 0, green = 0;
    TEST("plot: images show their channels, enlarged by whole factors");
    for (i = 0; i < 24; i++) tiles[i] = i / 4 == 0 || i / 4 == 4; // the first is red, the second green
    plot_images(plot_axes_at(fig, 0, 0), tiles, 2, 3, 2, 2, 0, 1, 0, NULL);
    CHECK(plot_check(fig, message, sizeof message));
    for (y = 0; y < 300; y++) {
        for (x = 0; x < 400; x++) {
            red += plot_pixel(fig, x, y) == 0xFF0000;
            green += plot_pixel(fig, x, y) == 0x00FF00;
        }
    }
    CHECK(red > 10000 && red == green && (int)sqrt((double)red) % 2 == 0);
    plot_figure_free(fig);
}

static void test_legend_place(void) {
    plot_axes *ax;
    plot_figure *fig;
    double full[N];
    int i;
    TEST("plot: the legend stands inside where there is room, else beside the axes, and equal ones are shared");
    fig = plot_figure_create(900, 500, 1, 1, NULL);
    ax = plot_axes_at(fig, 0, 0);
    plot_line(ax, NULL, ramp, N, "rising", plot_solid(0));
    CHECK(plot_check(fig, message, sizeof message) && !ax->legend_outside && fig->legends.n == 1);
    plot_figure_free(fig);
    fig = plot_figure_create(900, 500, 1, 1, NULL);
    ax = plot_axes_at(fig, 0, 0);
    for (i = 0; i < N; i++) full[i] = i % 2;
    plot_line(ax, NULL, full, N, "everywhere", plot_solid(0));
    CHECK(plot_check(fig, message, sizeof message) && ax->legend_outside);
    CHECK(fig->legends.n == 1 && fig->legends.box[0].r.x0 > ax->rect.x1);
    plot_figure_free(fig);
    fig = plot_figure_create(900, 500, 1, 2, NULL);
    for (i = 0; i < 2; i++) plot_line(plot_axes_at(fig, 0, i), NULL, wave, N, "same", plot_solid(0));
    CHECK(plot_check(fig, message, sizeof message) && fig->shared && fig->legends.n == 1);
    plot_figure_free(fig);
    TEST("plot: plot_check finds cut and overlapping texts and covered data");
    fig = simple(NULL, wave, N, &ax);
    CHECK(plot_check(fig, message, sizeof message));
    plotp_text(fig, 695, 100, "cut off here", 20, 0, PLOTP_REGULAR, 0);
    CHECK(!plot_check(fig, message, sizeof message));
    CHECK_TEXT(message, "cut off");
    fig->texts.n--;
    plotp_text(fig, 300, 100, "below", 20, 0, PLOTP_REGULAR, 0);
    plotp_text(fig, 310, 105, "above", 20, 0, PLOTP_REGULAR, 0);
    CHECK(!plot_check(fig, message, sizeof message));
    CHECK_TEXT(message, "overlap");
    fig->texts.n -= 2;
    CHECK(plot_check(fig, message, sizeof message));
    plotp_note(fig, &fig->legends, ax->rect, "");
    CHECK(!plot_check(fig, message, sizeof message));
    CHECK_TEXT(message, "covers data");
    plot_figure_free(fig);
}

static const char *const long_title =
    "A title that says everything about the network, its initialisation, the optimiser with all of its settings, the "
    "data set, the seeds and the weather on the day of the measurement, and does not stop there but goes on";

// A series of many shapes and sizes, by number.
static double strange(int kind, int i) {
    switch (kind) {
        case 0: return 3.7;
        case 1: return NAN;
        case 2: return 1e-21 * (1 + i % 7);
        case 3: return pow(10, 0.1 * i - 20);
        case 4: return -1e12 * sin(i * 0.1);
        case 5: return i % 3 == 0 ? NAN : i % 3 == 1 ? -INFINITY : 1e300 * i;
        case 6: return 1e9 + 1e-3 * i;
        case 7: return -5 - i;
        case 8: return 2 + 0.001 * i;
        case 9: return i % 2 ? 1e-310 : 5e-324;
        case 10: return i % 2 ? 1 : -1;
        default: return 0;
    }
}

static void test_strange_data(void) {
    double y[N];
    char what[64];
    int kind, n, log_axis, i;
    TEST("plot: the layout holds for any data, on linear and log axes");
    for (kind = 0; kind <= 11; kind++) {
        for (log_axis = 0; log_axis < 2; log_axis++) {
            for (n = 0; n <= (kind == 3 ? N : 20); n = n ? n * 20 : 1) {
                plot_figure *fig = plot_figure_create(300 + 40 * kind, 300, 1, 1, kind % 2 ? long_title : NULL);
                plot_axes *ax = plot_axes_at(fig, 0, 0);
                for (i = 0; i < n; i++) y[i] = strange(kind, i);
                if (log_axis) plot_log_y(ax);
                if (kind % 3 == 0) plot_log_x(ax);
                plot_labels(ax, kind % 2 ? "panel" : long_title, "step", long_title);
                plot_line(ax, NULL, y, n, "line", plot_marked(0, PLOT_RING));
                plot_smooth(ax, NULL, y, n, 3, "smooth", plot_dashed(1));
                plot_mean_std(ax, NULL, y, y, n, "band", plot_dotted(2));
                plot_hline(ax, 2.302585, "ln 10: guessing", plot_dotted(PLOT_BLACK));
                snprintf(what, sizeof what, "kind %d, %d points, %s", kind, n, log_axis ? "log" : "linear");
                check_layout(fig, what);
            }
        }
    }
}

static void test_many_panels(void) {
    static const int shapes[][4] = {{1400, 700, 4, 5}, {1200, 400, 1, 8},  {300, 200, 2, 2},
                                    {64, 64, 1, 1},    {64, 64, 6, 6},     {1400, 200, 1, 3},
                                    {200, 900, 4, 1},  {900, 600, 12, 12}, {120, 700, 3, 1}};
    char what[64];
    size_t k;
    int i, scale;
    TEST("plot: the layout holds for many panels, small figures and large text");
    for (k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        for (scale = 0; scale < (shapes[k][2] > 8 ? 1 : 3); scale++) {
            int rows = shapes[k][2], cols = shapes[k][3];
            plot_figure *fig =
                plot_figure_create(shapes[k][0], shapes[k][1], rows, cols, scale ? "Panels" : long_title);
            plot_caption(fig, scale == 1 ? "a caption" : long_title);
            plot_text_scale(fig, scale == 2 ? 2.5 : 1);
            for (i = 0; i < rows * cols; i++) {
                plot_axes *ax = plot_axes_at(fig, i / cols, i % cols);
                plot_labels(ax, i % 2 ? "layer" : long_title, "step", "mean |∂L/∂z|");
                if (i % 2) plot_log_y(ax);
                plot_line(ax, NULL, i % 3 ? wave : ramp, N, "relu", plot_solid(0));
                plot_line(ax, NULL, other, N, scale ? "tanh" : "a label of considerable length", plot_solid(i % 2));
            }
            snprintf(what, sizeof what, "%dx%d pixels, %dx%d panels, %d", shapes[k][0], shapes[k][1], rows, cols,
                     scale);
            check_layout(fig, what);
        }
    }
}

static void test_many_entries(void) {
    static double jagged[N];
    char label[120], what[64];
    int count, width, i, place;
    for (i = 0; i < N; i++) jagged[i] = i % 2 ? 1 : -1;
    TEST("plot: the layout holds for long legends");
    for (count = 1; count <= 49; count += 16) {
        for (width = 300; width <= 1100; width += 400) {
            for (place = 0; place < 3; place++) {
                plot_figure *fig = plot_figure_create(width, width / 2, 1, 1 + (place == 2), "Many");
                plot_axes *ax = plot_axes_at(fig, 0, 0);
                plot_labels(ax, "panel", "x", "y");
                for (i = 0; i < count; i++) {
                    snprintf(label, sizeof label, "series %d %s", i,
                             i % 9 == 5 ? "with a name far longer than all others" : "");
                    plot_line(ax, NULL, i % 2 ? wave : other, N, label, plot_solid(i));
                }
                if (place) plot_line(ax, NULL, jagged, N, NULL, plot_solid(PLOT_GREY)); // no room inside
                if (place == 2) plot_shared_legend(fig);
                snprintf(what, sizeof what, "%d entries, %d wide, place %d", count, width, place);
                check_layout(fig, what);
            }
        }
    }
}

static void test_many_cells(void) {
    static double v[60 * 60];
    const char *names[60];
    char what[64];
    int n, i, k;
    TEST("plot: the layout holds for heatmaps, images and axes with long names");
    for (i = 0; i < 3600; i++) v[i] = i % 17 == 3 ? NAN : 1e5 * sin(i * 1.3);
    for (i = 0; i < 60; i++)
        names[i] = i % 4 == 1 ? "conv1.weight of a layer with a long name" : i % 4 == 2 ? "b" : "layer";
    for (n = 1; n <= 60; n = n * 2 + 1) {
        for (k = 0; k < 4; k++) {
            plot_figure *fig = plot_figure_create(k % 2 ? 1000 : 400, 400, 1, 2, "Cells");
            plot_axes *left = plot_axes_at(fig, 0, 0), *right = plot_axes_at(fig, 0, 1);
            plot_heatmap(left, v, n, n, k % 2 ? PLOT_SIGNED : PLOT_INFERNO);
            plot_heatmap_values(left, k % 2 ? "%.3e" : "%.0f");
            plot_names_x(left, names, n);
            plot_names_y(left, names, n);
            plot_color_label(left, "|∇W|");
            plot_labels(left, long_title, "predicted", "true");
            if (k % 2) plot_heatmap_square(left);
            if (k >= 2) plot_color_log(left);
            if (k == 0) plot_line(right, NULL, v, n, "mean", plot_solid(0));
            if (k == 0) plot_names_x(right, names, n);
            if (k) plot_images(right, v, n, 1, 5, 5, 0, 0, k == 3 ? n / 2 : 0, names);
            plot_labels(right, "panel", "name", "value");
            snprintf(what, sizeof what, "%d cells, case %d", n, k);
            check_layout(fig, what);
        }
    }
}

// A figure with some of everything.
static plot_figure *everything(void) {
    const char *names[3] = {"a", "b", "c"};
    plot_figure *fig = plot_figure_create(240, 160, 2, 3, "Everything");
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    plot_caption(fig, "caption");
    plot_labels(ax, "lines", "x", "y");
    plot_smooth(ax, NULL, wave, 50, 5, "smooth", plot_solid(0));
    plot_mean_std(ax, NULL, wave, other, 50, "band", plot_dashed(1));
    plot_names_x(plot_axes_at(fig, 0, 1), names, 3);
    plot_scatter(plot_axes_at(fig, 0, 1), NULL, other, 3, "points", plot_points(0, PLOT_RING));
    plot_hist_counts(plot_axes_at(fig, 0, 2), ramp, ramp, 5, "hist", plot_solid(0));
    plot_heatmap(plot_axes_at(fig, 1, 0), wave, 5, 5, PLOT_VIRIDIS);
    plot_images(plot_axes_at(fig, 1, 1), wave, 2, 1, 3, 3, 0, 0, 0, names);
    plot_contour(plot_axes_at(fig, 1, 0), 0.3, "contour", plot_dotted(PLOT_BLACK));
    plot_hline(plot_axes_at(fig, 1, 2), 1, "line", plot_dotted(PLOT_BLACK));
    return fig;
}

static void test_png(void) {
    char temporary[320];
    plot_figure *fig = everything();
    TEST("plot: the PNG decodes to the picture, pixel by pixel");
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    CHECK(plot_save(fig, path));
    CHECK(count_differences(fig, 240, 160) == 0);
    CHECK(!exists(temporary));
    plot_figure_free(fig);
    TEST("plot: noise, which hardly compresses, survives too");
    {
        static double noise[300 * 300];
        unsigned seed = 1;
        int i;
        for (i = 0; i < 90000; i++) {
            seed = seed * 1664525u + 1013904223u;
            noise[i] = seed >> 8;
        }
        fig = plot_figure_create(700, 400, 1, 1, NULL);
        plot_heatmap(plot_axes_at(fig, 0, 0), noise, 300, 300, PLOT_INFERNO);
        CHECK(plot_save(fig, path));
        CHECK(count_differences(fig, 700, 400) == 0);
        plot_figure_free(fig);
    }
    TEST("plot: the same figure gives the same bytes");
    {
        size_t first_size, second_size;
        unsigned char *first, *second;
        fig = everything();
        CHECK(plot_save(fig, path));
        first = read_file(&first_size);
        plot_figure_free(fig);
        fig = everything();
        CHECK(plot_save(fig, path));
        second = read_file(&second_size);
        CHECK(first_size > 1000 && first_size == second_size && memcmp(first, second, first_size) == 0);
        free(first);
        free(second);
        plot_figure_free(fig);
    }
    remove(path);
}

static void test_out_of_memory(void) {
    int at, saved = 0, before = held;
    TEST("plot: every allocation may fail: a clean error, no file, nothing leaked");
    for (at = 1; !saved && at < 2000; at++) {
        plot_figure *fig;
        fail_at = at;
        calls = 0;
        fig = everything();
        saved = plot_save(fig, path);
        if (!saved) CHECK_TEXT(plot_error(fig), "out of memory");
        fail_at = 0;
        CHECK(exists(path) == saved);
        plot_figure_free(fig);
        CHECK(held == before);
        remove(path);
    }
    CHECK(saved && at > 40);
}

#define EXPECT_ERROR(call, part)                                            \
    do {                                                                    \
        plot_figure *fig = plot_figure_create(300, 200, 1, 1, "title");     \
        plot_axes *ax = plot_axes_at(fig, 0, 0);                            \
        plot_line(ax, NULL, wave, 10, "line", plot_solid(0));               \
        call;                                                               \
        CHECK(!plot_save(fig, path));                                       \
        CHECK_TEXT(plot_error(fig), part);                                  \
        CHECK(!exists(path));                                               \
        plot_figure_free(fig);                                              \
    } while (0)

static void test_errors(void) {
    plot_figure *none;
    char folder[320];
    TEST("plot: wrong arguments are errors that say what was expected and found, and stop the save");
    EXPECT_ERROR(plot_axes_at(fig, 1, 0), "expected row 0..0");
    EXPECT_ERROR(plot_line(ax, NULL, NULL, 5, NULL, plot_solid(0)), "plot_line: expected an array");
    EXPECT_ERROR(plot_line(ax, NULL, wave, -1, NULL, plot_solid(0)), "found one and -1");
    EXPECT_ERROR(plot_limits_y(ax, 2, 2), "expected two different");
    EXPECT_ERROR((plot_log_y(ax), plot_limits_y(ax, -1, 2)), "log axis: expected positive");
    EXPECT_ERROR(plot_heatmap(ax, wave, 0, 5, PLOT_VIRIDIS), "found values, 0x5");
    EXPECT_ERROR(plot_heatmap(ax, wave, 70000, 70000, PLOT_VIRIDIS), "70000x70000");
    EXPECT_ERROR(plot_heatmap_extent(ax, 0, 0, 1, 2), "x0 != x1");
    EXPECT_ERROR(plot_heatmap_values(ax, "%s"), "found \"%s\"");
    EXPECT_ERROR(plot_heatmap_values(ax, "%d %f"), "expected a format");
    EXPECT_ERROR(plot_images(ax, wave, 1, 2, 3, 3, 0, 1, 0, NULL), "2 channels");
    EXPECT_ERROR(plot_text_scale(fig, NAN), "expected 0.25..4");
    TEST("plot: a NULL axes or figure is an error, not a crash");
    none = plot_figure_create(10, 10, 1, 1, NULL);
    CHECK(plot_axes_at(none, 0, 0) == NULL && !plot_save(none, path));
    CHECK_TEXT(plot_error(none), "64..16384");
    plot_line(NULL, NULL, wave, 5, NULL, plot_solid(0));
    plot_limits_x(NULL, 0, 1);
    plot_names_y(NULL, NULL, 0);
    plot_labels(NULL, "a", "b", "c");
    CHECK(!plot_save(NULL, path) && !plot_check(NULL, message, sizeof message));
    plot_figure_free(none);
    plot_figure_free(NULL);
    TEST("plot: a file that cannot be written is an error, leaves nothing behind and keeps the old file");
    snprintf(folder, sizeof folder, "%s.absent/chart.png", path);
    none = everything();
    CHECK(!plot_save(none, folder));
    CHECK_TEXT(plot_error(none), "does the folder exist");
    CHECK(!exists(folder));
    plot_figure_free(none);
    none = everything();
    CHECK(!plot_save(none, ""));
    CHECK_TEXT(plot_error(none), "name of a file");
    plot_figure_free(none);
}

#ifdef __linux__
#ifdef __cplusplus
extern "C"
#else
extern
#endif
int symlink(const char *target, const char *link);

static void test_full_disk(void) {
    char temporary[320];
    plot_figure *fig = everything();
    FILE *old = fopen(path, "wb");
    size_t size;
    unsigned char *data;
    TEST("plot: when the disk is full the old file stays and the temporary one goes");
    fputs("old", old);
    fclose(old);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    CHECK(symlink("/dev/full", temporary) == 0);
    CHECK(!plot_save(fig, path));
    CHECK_TEXT(plot_error(fig), "cannot write");
    CHECK(!exists(temporary));
    data = read_file(&size);
    CHECK(size == 3 && memcmp(data, "old", 3) == 0);
    free(data);
    remove(path);
    plot_figure_free(fig);
}
#endif

// Lightness and two colour axes (CIE Lab) of a colour as an eye of this kind sees it: 0 usual, 1 without red, 2 without
// green cones (Machado, Oliveira and Fernandes 2009, severity 1).
static void seen(int rgb, int eye, double lab[3]) {
    static const double cones[3][9] = {
        {1, 0, 0, 0, 1, 0, 0, 0, 1},
        {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
        {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881}};
    static const double to_xyz[9] = {0.4339, 0.3762, 0.1899, 0.2126, 0.7152, 0.0722, 0.0177, 0.1095, 0.8729};
    double linear[3], eyes[3], f[3];
    for (int k = 0; k < 3; k++) linear[k] = pow((rgb >> (16 - 8 * k) & 255) / 255.0, 2.2);
    for (int k = 0; k < 3; k++) {
        double v = 0;
        for (int j = 0; j < 3; j++) v += cones[eye][3 * k + j] * linear[j];
        eyes[k] = v < 0 ? 0 : v > 1 ? 1 : v;
    }
    for (int k = 0; k < 3; k++) {
        const double *m = to_xyz + 3 * k;
        f[k] = cbrt(m[0] * eyes[0] + m[1] * eyes[1] + m[2] * eyes[2]);
    }
    lab[0] = 116 * f[1] - 16;
    lab[1] = 500 * (f[0] - f[1]);
    lab[2] = 200 * (f[1] - f[2]);
}

static void test_named_styles(void) {
    static const char *const names[] = {
        "sigmoid", "tanh", "relu", "leaky_relu", "gelu", "swish", "identity", "elu", "selu", "celu", "softplus",
        "softsign", "arctan", "gelu_tanh", "mish", "telu", "hard_sigmoid", "hard_tanh", "hard_swish", "relu6", "prelu"};
    int n = (int)(sizeof names / sizeof names[0]);
    TEST("plot: each activation has a look of its own, the same at every call");
    for (int i = 0; i < n; i++) {
        plot_style a = plot_named_style(names[i]), again = plot_named_style(names[i]);
        CHECK(a.color == again.color && a.dash == again.dash && a.color == plot_named_color(names[i]));
        for (int j = 0; j < i; j++) {
            plot_style b = plot_named_style(names[j]);
            if (a.color == b.color && a.dash == b.dash) test_fail(__FILE__, __LINE__, "%s = %s", names[i], names[j]);
        }
    }
    CHECK(plot_named_color("silu") == plot_named_color("swish"));
    CHECK(plot_named_style("my net").color == plot_named_style("my net").color);
    CHECK(plot_named_style(NULL).color == plot_named_style("").color);
    TEST("plot: the six activations of the textbooks are solid and differ in colour for any eye");
    for (int i = 0; i < 6; i++) {
        CHECK(plot_named_style(names[i]).dash == PLOT_SOLID);
        for (int j = 0; j < i; j++) {
            for (int eye = 0; eye < 3; eye++) {
                double a[3], b[3];
                seen(plot_named_color(names[i]) & 0xFFFFFF, eye, a);
                seen(plot_named_color(names[j]) & 0xFFFFFF, eye, b);
                double distance = sqrt(pow(a[0] - b[0], 2) + pow(a[1] - b[1], 2) + pow(a[2] - b[2], 2));
                if (distance < 15)
                    test_fail(__FILE__, __LINE__, "%s, %s, eye %d: %.1f", names[i], names[j], eye, distance);
            }
        }
    }
}

static void test_shared_ranges(void) {
    const double small[3] = {1, 2, 3}, large[3] = {-50, 0, 70};
    plot_figure *fig = plot_figure_create(900, 700, 2, 2, NULL);
    plot_axes *ax[4];
    TEST("plot: panels share a range over a row, a column or the figure, and tick alike");
    for (int i = 0; i < 4; i++) {
        ax[i] = plot_axes_at(fig, i / 2, i % 2);
        plot_line(ax[i], i % 2 ? large : small, i % 2 ? large : small, 3, "line", plot_solid(0));
    }
    plot_share_x(fig, PLOT_SHARE_COLUMN);
    plot_share_y(fig, PLOT_SHARE_ROW);
    plot_limits_y(ax[3], 0, 5);
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(ax[0]->x.lo == ax[2]->x.lo && ax[0]->x.hi == ax[2]->x.hi && ax[0]->x.hi < ax[1]->x.hi);
    CHECK(ax[0]->y.lo == ax[1]->y.lo && ax[0]->y.hi == ax[1]->y.hi && ax[0]->y.lo < -50 && ax[0]->y.hi > 70);
    CHECK(ax[0]->y.tick_count == ax[1]->y.tick_count && ax[0]->y.tick[0] == ax[1]->y.tick[0]);
    CHECK(ax[3]->y.lo == 0 && ax[3]->y.hi == 5); // limits of its own
    plot_share_x(fig, PLOT_SHARE_ALL);
    CHECK(plot_check(fig, message, sizeof message));
    for (int i = 1; i < 4; i++) CHECK(ax[i]->x.lo == ax[0]->x.lo && ax[i]->x.hi == ax[0]->x.hi);
    plot_figure_free(fig);
}

static void test_quiet_zeros(void) {
    double counts[9] = {50, 0, 1, 0, 60, 0, 2, 0, 70}, px, py;
    plot_figure *fig = plot_figure_create(500, 400, 1, 1, NULL);
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    TEST("plot: zeros of a heatmap can be white and empty, and one error is then the palest cell");
    plot_heatmap(ax, counts, 3, 3, PLOT_BLUES);
    plot_heatmap_hide_zeros(ax);
    plot_heatmap_values(ax, "%.0f");
    plot_color_log(ax);
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(plot_locate(ax, 1, 0, &px, &py));
    for (int d = -20; d <= 20; d++) CHECK(plot_pixel(fig, (int)px + d, (int)py) == 0xFFFFFF);
    CHECK(plot_locate(ax, 2.3, 0.3, &px, &py) && plot_pixel(fig, (int)px, (int)py) == 0xE4EEF8);
    plot_figure_free(fig);
}

static void test_pen_up(void) {
    double x[5] = {0, 1, NAN, 1, 2}, y[5] = {0, 0, NAN, 1, 1}, px, py;
    plot_axes *ax;
    plot_figure *fig = simple(x, y, 5, &ax);
    TEST("plot: an x that is NAN lifts the pen: a jump is not joined, and nothing is reported as lost");
    CHECK(plot_check(fig, message, sizeof message) && !ax->has_lost && ax->legend.n == 0);
    CHECK(plot_locate(ax, 1, 0.5, &px, &py));
    CHECK(distance_to_color(fig, px, py, 0x0072B2, 5) == 99);
    plot_figure_free(fig);
}

// A line right across a panel is not a point that a log axis could lose.
static void test_line_across_log_axes(void) {
    const double x[3] = {1, 10, 100}, y[3] = {1, 2, 3};
    plot_figure *fig = plot_figure_create(600, 400, 1, 1, "a line across");
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    TEST("plot: hline on log axes is not a lost point");
    plot_log_x(ax);
    plot_log_y(ax);
    plot_line(ax, x, y, 3, "data", plot_solid(0));
    plot_hline(ax, 2, "two", plot_dashed(1));
    CHECK(plot_check(fig, message, (int)sizeof message));
    CHECK(!ax->has_nonpositive && !ax->has_lost);
    plot_figure_free(fig);
}

static void test_covered_lines(void) {
    double near_wave[N], px, py;
    for (int i = 0; i < N; i++) near_wave[i] = wave[i] + 0.001;
    plot_figure *fig = plot_figure_create(900, 600, 1, 1, NULL);
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    TEST("plot: a line under another one is wider, shows on both sides, and the caption says so");
    plot_line(ax, NULL, wave, N, "below", plot_solid(0));
    plot_line(ax, NULL, near_wave, N, "above", plot_solid(1));
    plot_line(ax, NULL, other, N, "elsewhere", plot_solid(2));
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(ax->items[0].under == 1 && ax->items[1].under == 0 && ax->items[2].under == 0);
    CHECK(plot_locate(ax, 94, wave[94], &px, &py)); // where the line is level
    CHECK(distance_to_color(fig, px, py, 0x0072B2, 4) <= 3 && distance_to_color(fig, px, py, 0xD55E00, 4) <= 1);
    const plotp_block caption = plotp_caption_block(fig);
    CHECK_TEXT(caption.line[0], "lies under another");
    plot_figure_free(fig);
}

static void test_captions(void) {
    const double mean[3] = {1, 2, 3}, none[3] = {0, 0, 0}, some[3] = {0, 0.1, 0.1};
    plot_figure *fig = plot_figure_create(1200, 600, 1, 2, NULL);
    plot_axes *ax = plot_axes_at(fig, 0, 0);
    TEST("plot: the caption says what smoothed lines and bands are, where there are some");
    plot_mean_std(ax, NULL, mean, none, 3, "one seed", plot_solid(0));
    plot_caption(fig, "three epochs");
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(strcmp(plotp_caption_block(fig).line[0], "three epochs") == 0);
    plot_mean_std(ax, NULL, mean, some, 3, "three seeds", plot_solid(0));
    plot_smooth(plot_axes_at(fig, 0, 1), NULL, wave, N, 0, "loss", plot_solid(0));
    CHECK(plot_check(fig, message, sizeof message));
    const plotp_block caption = plotp_caption_block(fig);
    CHECK_TEXT(caption.line[0], "three epochs; bold: moving average of 9 points; band: mean");
    plot_caption(fig, NULL);
    CHECK(plot_check(fig, message, sizeof message));
    CHECK(strncmp(plotp_caption_block(fig).line[0], "bold", 4) == 0);
    plot_figure_free(fig);
}

static void test_looks(void) {
    const char *const names[4] = {"a", "a much longer label", "b", "middling"};
    double tiles[32 * 9] = {0};
    plot_figure *fig = plot_figure_create(1400, 500, 1, 2, "A title");
    TEST("plot: entries of a shared legend stand at equal gaps, titles over the middle of the axes");
    for (int i = 0; i < 8; i++)
        plot_line(plot_axes_at(fig, 0, i / 4), NULL, i % 2 ? wave : other, N, names[i % 4], plot_solid(i % 4));
    plot_heatmap(plot_axes_at(fig, 0, 1), wave, 2, 2, PLOT_VIRIDIS); // its colour bar pushes the axes to the left
    CHECK(plot_check(fig, message, sizeof message) && fig->shared && fig->legend.rows == 1);
    for (int k = 0; k < 4; k++) {
        double text = plotp_text_width(names[k], fig->legend.size);
        CHECK_NEAR(fig->legend.column[k] - text, fig->legend.column[0] - plotp_text_width("a", fig->legend.size), 1e-9);
    }
    CHECK_NEAR(fig->middle, (plot_axes_at(fig, 0, 0)->rect.x0 + plot_axes_at(fig, 0, 1)->rect.x1) / 2, 1e-9);
    for (int i = 0; i < fig->texts.n; i++) {
        const plotp_box *box = &fig->texts.box[i];
        if (strcmp(box->text, "A title") == 0) CHECK_NEAR((box->r.x0 + box->r.x1) / 2, fig->middle, 3);
    }
    plot_figure_free(fig);
    TEST("plot: images of equal size are equally large in all panels");
    fig = plot_figure_create(1440, 450, 1, 2, "Filters");
    for (int i = 0; i < 32 * 9; i++) tiles[i] = i % 9 / 8.0;
    for (int i = 0; i < 2; i++) plot_images(plot_axes_at(fig, 0, i), tiles, 32, 1, 3, 3, 0, 1, 8, NULL);
    CHECK(plot_check(fig, message, sizeof message));
    plotp_rect a = plot_axes_at(fig, 0, 0)->rect, b = plot_axes_at(fig, 0, 1)->rect;
    CHECK(a.x1 - a.x0 == b.x1 - b.x0 && a.y0 == b.y0 && a.y1 == b.y1);
    plot_figure_free(fig);
    TEST("plot: a text on a colour is black or white, whichever contrasts more");
    CHECK(plotp_text_color(0xFFFFFF) == 0 && plotp_text_color(0) == 0xFFFFFF);
    CHECK(plotp_text_color(0x21918C) == 0 && plotp_text_color(0x3B528B) == 0xFFFFFF);
}

int main(void) {
    name_file();
    fill_data();
    test_ticks();
    test_log_ticks();
    test_font();
    test_drawing();
    test_line_position();
    test_gaps();
    test_smooth();
    test_bands_and_histograms();
    test_heatmap();
    test_images();
    test_legend_place();
    test_strange_data();
    test_many_panels();
    test_many_entries();
    test_many_cells();
    test_png();
    test_out_of_memory();
    test_errors();
#ifdef __linux__
    test_full_disk();
#endif
    test_line_across_log_axes();
    test_named_styles();
    test_shared_ranges();
    test_quiet_zeros();
    test_pen_up();
    test_covered_lines();
    test_captions();
    test_looks();
    TEST("plot: nothing is leaked");
    CHECK(held == 0);
    return test_report();
}
