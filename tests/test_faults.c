// test_faults.c: is the doctor right about programs with one fault each, and silent about healthy ones? The fast rows of
// doctor/rows.h with three seeds, on data drawn here; `make doctor` runs all of them with twenty.
// build: float noasan
#include "doctor/report.h"

enum { SEEDS = 3 };

// What may not go wrong with any seed: the first finding names the cause, at the layer where the row has one.
static const char *const sure[] = {"P12", "P13a", "P13b", "P24a", "P24b", "P08", "P32", "P38", "P22", "F33", "F39"};

static int is_sure(const char *id) {
    for (size_t i = 0; i < sizeof sure / sizeof *sure; i++)
        if (!strcmp(sure[i], id)) return 1;
    return 0;
}

static void run_rows(void) {
    TEST("faults: every fast row runs");
    for (int row = 0; row < ROW_COUNT; row++)
        for (int seed = 1; seed <= SEEDS && rows[row].fast; seed++)
            for (int twin = 0; twin <= !row_is_control(&rows[row]); twin++) {
                const result r = run_row(&rows[row], twin, (uint64_t)seed);
                if (!r.ran) test_fail(__FILE__, __LINE__, "%s did not run: %s", rows[row].id, gf_last_error());
                records[record_count++] = record_of(row, twin, seed, &r);
            }
    CHECK(record_count > 200);
}

// At least, or at most, this share.
static void check_share(const char *what, int k, int n, double least, double most) {
    if (!(k >= least * n && k <= most * n))
        test_fail(__FILE__, __LINE__, "%s: %d of %d, expected %g to %g of them", what, k, n, least, most);
}

int main(void) {
    run_rows();
    const totals t = totals_of(SEEDS);
    TEST("faults: twins do better, so they are faults");
    CHECK(t.rows >= 40);
    TEST("faults: detected, family, place or remedy");
    check_share("detected", t.detected, t.runs, 0.85, 1);
    check_share("right family", t.family, t.runs, 0.75, 1);
    check_share("right place or remedy", t.place, t.runs, 0.7, 1);
    TEST("faults: healthy programs are let alone");
    check_share("false alarms", t.alarms, t.healthy_runs, 0, 0.05);
    for (int row = 0; row < ROW_COUNT; row++) {
        if (!is_sure(rows[row].id)) continue;
        const tally one = tally_row(row, SEEDS);
        char title[100];
        snprintf(title, sizeof title, "faults: %s, %s", rows[row].id, rows[row].what);
        TEST(title);
        if (one.place != SEEDS) test_fail(__FILE__, __LINE__, "%d of %d right, said %s", one.place, SEEDS, one.said);
        CHECK(one.seeds == SEEDS && one.alarms == 0);
    }
    return test_report();
}
