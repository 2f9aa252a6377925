// cifar_data.h: cifar_activations' look at its training set: samples, classes, pixel values (dataset.png).
#ifndef CIFAR_DATA_H
#define CIFAR_DATA_H
#include "cifar.h"

enum { SAMPLES = 8 };  // of each class

typedef struct data_view {  // of the training set
    double mean[3], std[3], histogram[3][32];
    int count[10];
    double samples[10 * SAMPLES * 3 * CIFAR_PIXELS];  // the first of each class, class by class
} data_view;

static void look_at_data(data_view *v, const gf_dataset *data) {
    memset(v, 0, sizeof *v);
    for (size_t i = 0; i < data->count; i++) {
        const uint8_t *image = data->pixels + i * 3 * CIFAR_PIXELS;
        const int k = data->labels[i];
        for (int p = 0; p < 3 * CIFAR_PIXELS; p++) {
            const double value = image[p] / 255.0;
            v->mean[p / CIFAR_PIXELS] += value;
            v->std[p / CIFAR_PIXELS] += value * value;
            v->histogram[p / CIFAR_PIXELS][image[p] / 8]++;
            if (v->count[k] < SAMPLES) v->samples[((k * SAMPLES + v->count[k]) * 3) * CIFAR_PIXELS + p] = value;
        }
        v->count[k]++;
    }
    for (int c = 0; c < 3; c++) {
        const double n = (double)data->count * CIFAR_PIXELS;
        v->mean[c] /= n;
        v->std[c] = sqrt(v->std[c] / n - v->mean[c] * v->mean[c]);
        for (int b = 0; b < 32; b++) v->histogram[c][b] /= n;
    }
}

static void chart_data(const study *st) {
    static data_view v;
    static const char *const colour[] = {"red", "green", "blue"};
    const int palette[] = {PLOT_RGB(200, 30, 30), PLOT_RGB(30, 140, 60), PLOT_RGB(40, 80, 200)};
    const char *captions[10 * SAMPLES];
    double edges[33];
    char title[128], caption[256] = "pixel/255:";
    look_at_data(&v, &st->data);
    int least = v.count[0], most = v.count[0];
    for (int k = 1; k < 10; k++) {
        if (v.count[k] < least) least = v.count[k];
        if (v.count[k] > most) most = v.count[k];
    }
    for (int i = 0; i < 10 * SAMPLES; i++) captions[i] = i % SAMPLES == 0 ? study_class(st, i / SAMPLES) : "";
    snprintf(title, sizeof title, "The training set: %s%s", st->data_name, st->s.quick ? " (--quick)" : "");
    plot_figure *fig = plot_figure_create(1500, 1080, 1, 2, title);
    plot_axes *samples = plot_axes_at(fig, 0, 0);
    if (least == most) snprintf(title, sizeof title, "the first eight of each class, of %d images each", most);
    else snprintf(title, sizeof title, "the first eight of each class, of %d to %d images", least, most);
    plot_labels(samples, title, NULL, NULL);
    plot_images(samples, v.samples, 10 * SAMPLES, 3, CIFAR_SIDE, CIFAR_SIDE, 0, 1, SAMPLES, captions);
    plot_axes *pixel = plot_axes_at(fig, 0, 1);
    plot_labels(pixel, "pixel values by channel", "value, 0–255", "share of the pixels");
    for (int b = 0; b <= 32; b++) edges[b] = 8 * b;
    for (int c = 0; c < 3; c++) {
        size_t used = strlen(caption);
        snprintf(caption + used, sizeof caption - used, "%s %s mean %.4f, std %.4f", c > 0 ? ";" : "", colour[c],
                 v.mean[c], v.std[c]);
        plot_hist_counts(pixel, edges, v.histogram[c], 32, colour[c], plot_solid(palette[c]));
    }
    plot_caption(fig, caption);
    ex_save_chart(fig, st->s.out, "dataset.png");
}

#endif
