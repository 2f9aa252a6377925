// report.h: from runs to rates. A record is one run, a line of runs.csv; a tally is what a row, or all, add up to.
#ifndef DOCTOR_REPORT_H
#define DOCTOR_REPORT_H
#include "rows.h"

enum { RECORD_TEXT = 64, RECORD_ROOTS = 200, MAX_RECORDS = 40000 };

typedef struct record {
    int row, twin, seed, drawn, steps;
    double accuracy, unexplained;
    char code[RECORD_TEXT], layer[RECORD_TEXT];  // of the first finding, the diagnosis
    long first;                                  // the step at which it was first true
    char roots[RECORD_ROOTS];                    // every finding that follows from no other: "rate_high decay"
} record;

static record records[MAX_RECORDS];
static int record_count;

static record record_of(int row, int twin, int seed, const result *r) {
    record out;
    memset(&out, 0, sizeof out);
    out.row = row, out.twin = twin, out.seed = seed, out.drawn = r->drawn, out.steps = r->steps;
    out.accuracy = r->test.accuracy, out.unexplained = r->test.unexplained;
    snprintf(out.code, sizeof out.code, "%s", r->found_count ? gf_finding_name(r->found[0].code) : "none");
    snprintf(out.layer, sizeof out.layer, "%s", r->found_count ? r->found[0].layer : "");
    out.first = r->found_count ? r->found[0].first : -1;
    for (int i = 0; i < r->found_count; i++) {
        const size_t used = strlen(out.roots);
        if (r->found[i].cause < 0)
            snprintf(out.roots + used, sizeof out.roots - used, "%s%s", used ? " " : "", gf_finding_name(r->found[i].code));
    }
    return out;
}

static const record *record_at(int row, int twin, int seed) {
    for (int i = 0; i < record_count; i++)
        if (records[i].row == row && records[i].twin == twin && records[i].seed == seed) return &records[i];
    return NULL;
}

static gf_finding record_finding(const char *code, const char *layer) {
    gf_finding f;
    memset(&f, 0, sizeof f);
    f.code = GF_FINDING_EARLY, snprintf(f.layer, sizeof f.layer, "%s", layer);
    for (int c = 0; c < GF_FINDING_COUNT; c++)
        if (!strcmp(gf_finding_name((gf_finding_code)c), code)) f.code = (gf_finding_code)c;
    return f;
}

static int record_alarms(const record *r) { return finding_is_alarm(record_finding(r->code, "").code); }
static int record_names(const record *r, int family) {
    const gf_finding f = record_finding(r->code, r->layer);
    return record_alarms(r) && row_names(&rows[r->row], &f, family);
}

// Is it the cause that the row names first?
static int record_names_first(const record *r) {
    const size_t length = strcspn(rows[r->row].codes, " @");
    return record_names(r, 0) && strlen(r->code) == length && !strncmp(r->code, rows[r->row].codes, length);
}

// Is any of the findings that follow from no other one of the row's causes?
static int record_root_names(const record *r) {
    char buffer[RECORD_ROOTS];
    snprintf(buffer, sizeof buffer, "%s", r->roots);
    for (char *at = buffer, *end; *at; at = end) {
        end = at + strcspn(at, " ");
        if (*end) *end++ = '\0';
        char codes[200];
        snprintf(codes, sizeof codes, "%s", rows[r->row].codes);
        for (char *word = strtok(codes, " @"); word; word = strtok(NULL, " @"))
            if (!strcmp(word, at)) return 1;
    }
    return 0;
}

typedef struct tally {
    int seeds, wins, is_fault;                  // runs of fault and twin; seeds in which the twin did clearly better
    int detected, family, place, first, root;   // of `seeds` faulty runs; first: the row's first code
    int healthy_runs, alarms, undecided;        // of controls and twins that reach the twin's accuracy
    double turned;                              // Σ over detected runs: first step of the diagnosis / steps of the plan
    char said[RECORD_TEXT], alarm[RECORD_TEXT]; // an example of a wrong diagnosis, of a false alarm
} tally;

static double median(double *x, int n) {
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && x[j] < x[j - 1]; j--) {
            const double kept = x[j];
            x[j] = x[j - 1], x[j - 1] = kept;
        }
    return n ? x[n / 2] : NAN;
}

// Does a twin do about as well as twins do?
static int record_reaches(const record *r, double usual) {
    return row_has_classes(&rows[r->row]) ? r->accuracy >= usual - 0.05 : r->unexplained <= 2 * usual;
}

static tally tally_row(int row, int seeds) {
    const int control = row_is_control(&rows[row]);
    double results[64];
    int n = 0;
    tally t;
    memset(&t, 0, sizeof t);
    for (int seed = 1; seed <= seeds; seed++) {
        const record *r = record_at(row, !control, seed);
        if (r && n < 64) results[n++] = row_has_classes(&rows[row]) ? r->accuracy : r->unexplained;
    }
    const double usual = median(results, n);
    for (int seed = 1; seed <= seeds; seed++) {
        const record *fault = record_at(row, 0, seed), *twin = record_at(row, 1, seed), *healthy = control ? fault : twin;
        if (!fault || !healthy) continue;
        t.seeds++;
        if (record_reaches(healthy, usual)) {
            const int alarm = record_alarms(healthy);
            t.healthy_runs++;
            t.alarms += alarm;
            t.undecided += !strcmp(healthy->code, "early");
            if (alarm) snprintf(t.alarm, sizeof t.alarm, "%s", healthy->code);
        }
        if (control) continue;
        const outcome before = {0, fault->accuracy, fault->unexplained}, after = {0, twin->accuracy, twin->unexplained};
        const int detected = record_alarms(fault);
        t.wins += row_twin_wins(&rows[row], before, after);
        t.detected += detected;
        t.first += record_names_first(fault);
        t.family += record_names(fault, 1), t.place += record_names(fault, 0), t.root += record_root_names(fault);
        if (detected) t.turned += (double)fault->first / plan_of(rows[row].train).steps;
        if (!record_names(fault, 0)) snprintf(t.said, sizeof t.said, "%s", fault->code);
    }
    t.is_fault = !control && t.seeds > 0 && t.wins * 5 >= t.seeds * 4;
    return t;
}

typedef struct totals {
    int rows, runs, detected, family, place, first, root;  // of faults: rows, and their runs
    int row_detected, row_family, row_place, row_first;    // rows in which at least half of the runs were so
    int healthy_rows, healthy_runs, alarms, row_alarms; // programs that are healthy
    int undecided;
    double turned;
} totals;

static totals totals_of(int seeds) {
    totals all;
    memset(&all, 0, sizeof all);
    for (int row = 0; row < ROW_COUNT; row++) {
        const tally t = tally_row(row, seeds);
        if (t.seeds == 0) continue;
        if (t.is_fault || row_is_control(&rows[row])) {
            all.healthy_rows += t.healthy_runs > 0, all.healthy_runs += t.healthy_runs;
            all.alarms += t.alarms, all.undecided += t.undecided, all.row_alarms += 2 * t.alarms >= t.healthy_runs && t.alarms;
        }
        if (!t.is_fault) continue;
        all.rows++, all.runs += t.seeds;
        all.detected += t.detected, all.family += t.family, all.place += t.place, all.root += t.root;
        all.row_detected += 2 * t.detected >= t.seeds, all.row_family += 2 * t.family >= t.seeds;
        all.first += t.first, all.row_first += 2 * t.first >= t.seeds;
        all.row_place += 2 * t.place >= t.seeds, all.turned += t.turned;
    }
    return all;
}
#endif
