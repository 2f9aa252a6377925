// cifar.h: what the two CIFAR-10 studies share beyond study.h: the columns of their tables.
#ifndef CIFAR_H
#define CIFAR_H
#include "study.h"

enum { CIFAR_SIDE = 32, CIFAR_PIXELS = CIFAR_SIDE * CIFAR_SIDE };

// Mean of the last three epochs: sigmoid with batch norm swings from epoch to epoch. NaN before the first is over.
static double cifar_last3(const study *st, const study_case *c) {
    study_curve test = study_read(st, c, STUDY_EPOCHS, "test_acc");
    const int tail = test.n < 3 ? test.n : 3;
    double mean = tail > 0 ? ex_mean(test.mean + test.n - tail, (size_t)tail) : NAN;
    study_curve_free(&test);
    return mean;
}

#define CIFAR_ROW_HEADER "train %|test %, first → last|last 3|loss|to 50 / 60 / 70 %"
// The cells under it.
static const char *cifar_row(const study *st, const study_case *c, char text[256]) {
    const double percent[] = {50, 60, 70};
    char test[64], reached[64];
    snprintf(text, 256, "%.1f|%s|%.1f|%.3f|%s", study_last(st, c, STUDY_EPOCHS, "train_acc"),
             study_change(st, c, "test_acc", "%.1f", test), cifar_last3(st, c),
             study_last(st, c, STUDY_EPOCHS, "train_loss"), study_reached(st, c, percent, 3, reached));
    return text;
}

// Print and write the table.
static void cifar_table_end(const ex_table *table, const study *st) {
    study_table_end(table, st, "test accuracy in %");
    printf("last 3: mean test %% of the last three epochs; loss: of training, in the last epoch; to …: first epoch "
           "there\n");
    for (const study_case *c = st->cases; c < st->cases + st->case_count; c++) study_print_recall(st, c);
}

#endif
