// synthetic.h: pictures drawn by a program, for whoever has no MNIST and no CIFAR-10 at hand. Include after gradflow.h.
//
//     syn_digits(&data, count, seed)      28×28 gray, ten digits as handwriting: position tells little, strokes tell all
//     syn_textures(&data, count, seed)    32×32 colour, ten textures: neither position nor colour tells anything
//
// Labels run 0, 1, …, 9, 0, …, so every class is equally frequent in any stretch of the set. Sample number i is a pure
// function of (seed, i): its key opens a counter of its own, from which each drawn quantity takes a fixed place. Only
// + - * / √ and floor in double, then rounding to 8 bits: the same pictures on every machine.
#ifndef SYNTHETIC_H
#define SYNTHETIC_H
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

// --- Random numbers: splitmix64 as in gradflow.h's [GF:RNG], but all 64 bits ---

static inline uint64_t syn_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline uint64_t syn_bits(uint64_t key, uint64_t index) {
    return syn_mix(key + (index + 1) * UINT64_C(0x9E3779B97F4A7C15));
}

static inline double syn_between(uint64_t key, uint64_t index, double low, double high) {
    return low + (high - low) * ((double)(syn_bits(key, index) >> 11) / 9007199254740992.0);
}

// gray value 0..255 with noise of ±amplitude from one random byte
static inline uint8_t syn_gray(double value, double amplitude, uint64_t byte) {
    value += amplitude * ((double)(byte & 255) / 127.5 - 1);
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
}

typedef void syn_draw(uint8_t *pixels, int label, uint64_t key);

static inline gf_status syn_data(gf_dataset *data, gf_shape shape, size_t count, uint64_t seed, syn_draw *draw) {
    const size_t size = (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
    const uint64_t key = syn_mix(syn_mix(seed + UINT64_C(0x9E3779B97F4A7C15)) + 8 * UINT64_C(0xD1342543DE82EF95));
    // One sample in place of none or of too many: gf_data_from_pixels then says what is wrong.
    const size_t drawn = count > 0 && count <= SIZE_MAX / 2 / size ? count : 1;
    uint8_t *pixels = (uint8_t *)calloc(drawn, size);
    int *labels = (int *)calloc(drawn, sizeof *labels);
    const int enough = pixels && labels;
    for (size_t i = 0; i < drawn && enough; i++) {
        labels[i] = (int)(i % 10);
        draw(pixels + i * size, labels[i], syn_bits(key, i));
    }
    gf_status status = gf_data_from_pixels(data, shape, count, enough ? pixels : NULL, labels, 10);
    if (!enough) status = GF_ERROR_MEMORY;
    if (status == GF_OK) data->synthetic = 1;
    free(pixels);
    free(labels);
    return status;
}

// --- Digits: chains of quadratic Bézier curves on a grid 12 wide and 20 high ---

// A chain is the number of its points (negative: an ornament that half of the writers leave out), then x, y of start,
// control, end, control, end, …
static const signed char syn_digit_chains[10][40] = {
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

typedef struct syn_pen {  // one writer, one digit
    uint64_t key;
    double x, y;  // centre on the 28×28 image
    double scale_x, scale_y, slant, tilt, wobble, radius;
    double distance[28 * 28];  // squared distance of each pixel from the nearest stroke so far
} syn_pen;

// Where the writer puts the grid point p. The wobble depends on the grid point alone, so that strokes stay joined.
static inline void syn_pen_place(const syn_pen *pen, const signed char *p, double *x, double *y) {
    const uint64_t place = 16 + 2 * (uint64_t)(p[0] + 16 * p[1]);
    const double gx = p[0] - 6 + syn_between(pen->key, place, -pen->wobble, pen->wobble);
    const double gy = p[1] - 10 + syn_between(pen->key, place + 1, -pen->wobble, pen->wobble);
    *x = pen->x + pen->scale_x * gx - pen->slant * gy;
    *y = pen->y + pen->scale_y * gy + pen->tilt * gx;
}

// Lower the distances around the straight stroke from (x0, y0) to (x1, y1).
static inline void syn_pen_line(syn_pen *pen, double x0, double y0, double x1, double y1) {
    const double reach = pen->radius + 1, dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
    const int left = (int)floor((x0 < x1 ? x0 : x1) - reach), right = (int)floor((x0 < x1 ? x1 : x0) + reach);
    const int top = (int)floor((y0 < y1 ? y0 : y1) - reach), bottom = (int)floor((y0 < y1 ? y1 : y0) + reach);
    for (int y = top < 0 ? 0 : top; y <= bottom && y < 28; y++) {
        for (int x = left < 0 ? 0 : left; x <= right && x < 28; x++) {
            double px = x - x0, py = y - y0, along = length > 0 ? (px * dx + py * dy) / length : 0;
            along = along < 0 ? 0 : along > 1 ? 1 : along;
            px -= along * dx;
            py -= along * dy;
            const double square = px * px + py * py;
            if (square < pen->distance[y * 28 + x]) pen->distance[y * 28 + x] = square;
        }
    }
}

static inline void syn_pen_chain(syn_pen *pen, const signed char *point, int points) {
    double x[3], y[3];
    syn_pen_place(pen, point, &x[0], &y[0]);
    for (int i = 1; i + 1 < points; i += 2) {
        double from_x = x[0], from_y = y[0];
        syn_pen_place(pen, point + 2 * i, &x[1], &y[1]);
        syn_pen_place(pen, point + 2 * i + 2, &x[2], &y[2]);
        for (int step = 1; step <= 6; step++) {  // B(t) = (1-t)²·p0 + 2t(1-t)·p1 + t²·p2
            const double t = step / 6.0, s = 1 - t;
            const double to_x = s * s * x[0] + 2 * s * t * x[1] + t * t * x[2];
            const double to_y = s * s * y[0] + 2 * s * t * y[1] + t * t * y[2];
            syn_pen_line(pen, from_x, from_y, to_x, to_y);
            from_x = to_x;
            from_y = to_y;
        }
        x[0] = x[2];
        y[0] = y[2];
    }
}

static inline void syn_digit(uint8_t *pixels, int digit, uint64_t key) {
    syn_pen pen;
    pen.key = key;
    pen.x = 13.5 + syn_between(key, 0, -3.2, 3.2);
    pen.y = 13.5 + syn_between(key, 1, -2.8, 2.8);
    pen.scale_x = syn_between(key, 2, 0.6, 1.1);
    pen.scale_y = syn_between(key, 3, 0.7, 1.05);
    pen.slant = syn_between(key, 4, -0.25, 0.5);
    pen.tilt = syn_between(key, 5, -0.25, 0.25);
    pen.wobble = 1.15;
    pen.radius = syn_between(key, 6, 0.7, 1.7);
    const double ink = syn_between(key, 7, 170, 255);
    for (int i = 0; i < 28 * 28; i++) pen.distance[i] = 1e9;
    for (const signed char *chain = syn_digit_chains[digit]; *chain;) {
        const int points = *chain < 0 ? -*chain : *chain;
        if (*chain > 0 || syn_between(key, 8, 0, 1) < 0.5) syn_pen_chain(&pen, chain + 1, points);
        chain += 1 + 2 * points;
    }
    for (int i = 0; i < 28 * 28; i += 8) {
        uint64_t noise = syn_bits(key, 1024 + (uint64_t)i);
        for (int k = i; k < i + 8; k++, noise >>= 8) {
            const double cover = pen.radius + 0.5 - sqrt(pen.distance[k]);  // a pixel is half inked at the rim
            pixels[k] = syn_gray(ink * (cover < 0 ? 0 : cover > 1 ? 1 : cover), 12, noise);
        }
    }
}

static inline gf_status syn_digits(gf_dataset *data, size_t count, uint64_t seed) {
    return syn_data(data, gf_image(1, 28, 28), count, seed, syn_digit);
}

// --- Textures ---

// A wave of period 1 between 0 and 1: a triangle with rounded tips.
static inline double syn_wave(double t) {
    t -= floor(t);
    t = t < 0.5 ? 2 * t : 2 - 2 * t;
    return t * t * (3 - 2 * t);
}

// Noise that varies smoothly over about one unit: random numbers at whole coordinates, interpolated between.
static inline double syn_clouds(uint64_t key, double x, double y) {
    const double left = floor(x), top = floor(y);
    const uint64_t corner = 4096 + (uint64_t)left + 64 * (uint64_t)top;
    double u = x - left, v = y - top;
    u *= u * (3 - 2 * u);
    v *= v * (3 - 2 * v);
    const double above = syn_between(key, corner, 0, 1) * (1 - u) + syn_between(key, corner + 1, 0, 1) * u;
    const double below = syn_between(key, corner + 64, 0, 1) * (1 - u) + syn_between(key, corner + 65, 0, 1) * u;
    return above * (1 - v) + below * v;
}

typedef struct syn_cloth {  // one texture
    uint64_t key;
    int kind;
    double cos, sin;  // direction of the pattern
    double frequency, phase_x, phase_y, centre_x, centre_y;
} syn_cloth;

// Brightness of the pattern in 0..1 at pixel (x, y).
static inline double syn_cloth_at(const syn_cloth *cloth, int x, int y) {
    double u = (x * cloth->cos + y * cloth->sin) * cloth->frequency + cloth->phase_x;
    double v = (y * cloth->cos - x * cloth->sin) * cloth->frequency + cloth->phase_y;
    const double dx = x - cloth->centre_x, dy = y - cloth->centre_y;
    switch (cloth->kind) {
    case 4:  // checks
        u = syn_wave(u);
        v = syn_wave(v);
        return u * v + (1 - u) * (1 - v);
    case 5:  // dots
        u -= floor(u) + 0.5;
        v -= floor(v) + 0.5;
        u = 2.1 - 5 * sqrt(u * u + v * v);
        return u < 0 ? 0 : u > 1 ? 1 : u;
    case 6: return syn_wave(sqrt(dx * dx + dy * dy) * cloth->frequency + cloth->phase_x);       // rings
    case 7: return syn_between(cloth->key, 4096 + (uint64_t)(x + 32 * y), 0, 1);                // sand
    case 8: return syn_clouds(cloth->key, x * cloth->frequency + 1, y * cloth->frequency + 1);  // clouds
    case 9: return syn_wave(u + syn_wave(0.5 * v));                                             // zigzag
    default: return syn_wave(u);                                                                // stripes: | \ - /
    }
}

static inline void syn_texture(uint8_t *pixels, int kind, uint64_t key) {
    static const double direction[4][2] = {{1, 0}, {1, 1}, {0, 1}, {-1, 1}};
    syn_cloth cloth;
    cloth.key = key;
    cloth.kind = kind;
    cloth.cos = syn_between(key, 0, -0.2, 0.2) + (kind < 4 ? direction[kind][0] : syn_between(key, 1, -1, 1));
    cloth.sin = syn_between(key, 2, -0.2, 0.2) + (kind < 4 ? direction[kind][1] : syn_between(key, 3, -1, 1));
    const double length = sqrt(cloth.cos * cloth.cos + cloth.sin * cloth.sin) + 1e-9;
    cloth.cos /= length;
    cloth.sin /= length;
    cloth.frequency = 1 / syn_between(key, 4, 5, 11);
    cloth.phase_x = syn_between(key, 5, 0, 1);
    cloth.phase_y = syn_between(key, 6, 0, 1);
    cloth.centre_x = syn_between(key, 7, 0, 31);
    cloth.centre_y = syn_between(key, 8, 0, 31);
    double dark[3], bright[3];  // the two colours differ by ±(40…120) in every channel: colour tells nothing
    for (uint64_t c = 0; c < 3; c++) {
        const double middle = syn_between(key, 16 + c, 70, 185);
        double half = syn_between(key, 24 + c, 20, 60);
        if (syn_between(key, 32 + c, 0, 1) < 0.5) half = -half;
        dark[c] = middle - half;
        bright[c] = middle + half;
    }
    for (int i = 0; i < 32 * 32; i++) {
        const double level = syn_cloth_at(&cloth, i % 32, i / 32);
        uint64_t noise = syn_bits(key, 16384 + (uint64_t)i);
        for (int c = 0; c < 3; c++, noise >>= 8)
            pixels[c * 32 * 32 + i] = syn_gray(dark[c] + (bright[c] - dark[c]) * level, 12, noise);
    }
}

static inline gf_status syn_textures(gf_dataset *data, size_t count, uint64_t seed) {
    return syn_data(data, gf_image(3, 32, 32), count, seed, syn_texture);
}
#endif
