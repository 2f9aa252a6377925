// cifar_maps.h: pictures of cifar_cnn's first convolution: where in the image its gradient stands, and its filters.
#ifndef CIFAR_MAPS_H
#define CIFAR_MAPS_H
#include "cifar.h"

enum { FILTERS = 32, FILTER = 3 * 3 * 3, MAP_IMAGES = 256 };

typedef struct pictures {                       // of a trained net, of the first seed of each case
    double dz[CIFAR_PIXELS], dh[CIFAR_PIXELS];  // mean |∂L/∂z| and |∂L/∂h| of conv1
    double filters[FILTERS * FILTER];
    int taken;
} pictures;

// Where the loss of the first test images would change if conv1's output did: L is their mean loss.
static void take_pictures(pictures *p, const study *st, gf_net *net) {
    gf_batches images;
    double z[CIFAR_PIXELS], h[CIFAR_PIXELS];
    int seen = 0;
    memset(p, 0, sizeof *p);
    if (gf_batches_init(&images, &st->test, st->s.batch, 0, 0) != GF_OK) ex_die("%s", gf_last_error());
    while (seen < MAP_IMAGES && gf_batches_next(&images)) {
        const int n = images.n < MAP_IMAGES - seen ? images.n : MAP_IMAGES - seen;
        gf_net_forward(net, images.x, n, GF_EVAL);
        gf_loss_cross_entropy(net, images.labels);
        gf_net_backward(net);
        gf_net_gradient_map(net, 0, z);
        gf_net_gradient_map(net, 1, h);
        ex_check(net);
        for (int i = 0; i < CIFAR_PIXELS; i++) {
            p->dz[i] += z[i] * n * n;  // the batch's L has a factor 1/n, and the map is a mean over n
            p->dh[i] += h[i] * n * n;
        }
        seen += n;
    }
    for (int i = 0; i < CIFAR_PIXELS; i++) {
        p->dz[i] /= (double)seen * seen;
        p->dh[i] /= (double)seen * seen;
    }
    const gf_tensor *weight = gf_net_tensor(net, "conv1.weight");
    for (int i = 0; i < FILTERS * FILTER; i++) p->filters[i] = (double)weight->value[i];
    p->taken = 1;
    gf_batches_free(&images);
}

// The gradient maps, before and behind the activation, one column a case; and conv1's filters.
static void chart_pictures(const study *st, const pictures *shots) {
    const int count = st->case_count;
    char title[96];
    plot_figure *maps = study_figure_first(st, 40 + 560 * count, 1110, 2, count, "Where conv1's gradient stands");
    plot_figure *filters = study_figure_first(st, 40 + 640 * count, 410, 1, count, "What conv1 has learnt");
    plot_caption(maps,
                 "mean over channels and the first 256 test images; each map has its own scale. The grid behind relu: "
                 "in a 2×2 window of zeros max-pool takes the first pixel");
    for (int k = 0; k < count; k++) {
        const pictures *p = &shots[k];
        const char *name = st->cases[k].act_name;
        plot_axes *ax = plot_axes_at(filters, 0, k);
        if (!p->taken) continue;
        for (int h = 0; h < 2; h++) {
            plot_axes *map = plot_axes_at(maps, h, k);
            snprintf(title, sizeof title, "%s: %s the activation", name, h ? "|∂L/∂h|, behind" : "|∂L/∂z|, before");
            plot_labels(map, title, "x in pixels", "y in pixels");
            plot_heatmap(map, h ? p->dh : p->dz, CIFAR_SIDE, CIFAR_SIDE, PLOT_INFERNO);
            plot_heatmap_square(map);
            plot_color_label(map, h ? "mean |∂L/∂h|" : "mean |∂L/∂z|");
        }
        snprintf(title, sizeof title, "%s: the 32 filters, 3×3×3 as RGB", name);
        plot_labels(ax, title, NULL, NULL);
        plot_images(ax, p->filters, FILTERS, 3, 3, 3, 0, 0, 8, NULL);
    }
    ex_save_chart(maps, st->s.out, "activation_gradmaps_conv1.png");
    ex_save_chart(filters, st->s.out, "conv1_filters.png");
}

static void write_maps(const study *st, const pictures *shots) {
    ex_settings fresh = st->s;
    ex_csv csv;
    fresh.resume = 0;  // written anew in any case
    ex_csv_open(&csv, &fresh, "gradmaps.csv", "activation,y,x,dz,dh");
    for (int k = 0; k < st->case_count; k++)
        for (int i = 0; i < CIFAR_PIXELS && shots[k].taken; i++)
            ex_csv_row(&csv, "%s,%d,%d,%.6g,%.6g", st->cases[k].act_name, i / CIFAR_SIDE, i % CIFAR_SIDE,
                       shots[k].dz[i], shots[k].dh[i]);
    ex_csv_close(&csv);
}

#endif
