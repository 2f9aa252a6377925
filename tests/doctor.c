// doctor.c: the table of faulty and healthy programs (doctor/rows.h) and how often the doctor is right about them.
//     build/doctor_table run SEEDS PART PARTS FILE [ID…]   runs every row with seeds 1..SEEDS, if it is the turn of this part;
//                                                    a line of FILE each; rows whose id begins with one of these
//     build/doctor_table report SEEDS FOLDER FILE…   FOLDER/runs.csv and FOLDER/README.md from these files
// MNIST and CIFAR-10 are looked for in $GRADFLOW_DATA; drawn pictures stand in where they are not, and the files say so.
#include "doctor/report.h"

static void record_print(FILE *to, const record *r) {
    fprintf(to, "%s,%s,%d,%s,%d,%.4f,%.4g,%s,%s,%ld,%s\n", rows[r->row].id,
            row_is_control(&rows[r->row]) ? "control" : r->twin ? "twin" : "fault", r->seed, r->drawn ? "drawn" : "", r->steps,
            r->accuracy, r->unexplained, r->code, r->layer, r->first, r->roots);
}

// Lines of runs.csv into records, of seeds up to this one; 0 when the file is not there.
static int records_read(const char *path, int seeds) {
    char line[600], *field[11];
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file) && record_count < MAX_RECORDS) {
        int n = 0, row = 0;
        line[strcspn(line, "\n")] = '\0';
        for (char *at = line; at && n < 11; at = strchr(at, ',')) {
            if (n) *at++ = '\0';
            field[n++] = at;
        }
        while (n == 11 && row < ROW_COUNT && strcmp(rows[row].id, field[0])) row++;
        if (n < 11 || row == ROW_COUNT || atoi(field[2]) > seeds) continue;
        record *r = &records[record_count++];
        memset(r, 0, sizeof *r);
        r->row = row, r->twin = !strcmp(field[1], "twin"), r->seed = atoi(field[2]), r->drawn = field[3][0] != '\0';
        r->steps = atoi(field[4]), r->accuracy = atof(field[5]), r->unexplained = atof(field[6]);
        snprintf(r->code, sizeof r->code, "%s", field[7]), snprintf(r->layer, sizeof r->layer, "%s", field[8]);
        r->first = atol(field[9]), snprintf(r->roots, sizeof r->roots, "%s", field[10]);
    }
    fclose(file);
    return 1;
}

static int wanted(const char *id, char **ids, int count) {
    for (int i = 0; i < count; i++)
        if (!strncmp(id, ids[i], strlen(ids[i]))) return 1;
    return count == 0;
}

static int run(int seeds, int part, int parts, const char *path, char **ids, int id_count) {
    FILE *file = fopen(path, "w");
    int turn = 0;
    if (!file) return EXIT_FAILURE;
    for (int seed = 1; seed <= seeds; seed++)
        for (int row = 0; row < ROW_COUNT; row++)
            for (int twin = 0; twin <= !row_is_control(&rows[row]); twin++) {
                if (!wanted(rows[row].id, ids, id_count) || turn++ % parts != part) continue;
                const result r = run_row(&rows[row], twin, (uint64_t)seed);
                const record line = record_of(row, twin, seed, &r);
                if (!r.ran) fprintf(stderr, "%s: did not run\n", rows[row].id);
                else record_print(file, &line);
                fflush(file);
            }
    return fclose(file) ? EXIT_FAILURE : EXIT_SUCCESS;
}

// Wilson's 95 % interval of k of n.
static void wilson(double k, double n, double *low, double *high) {
    const double z = 1.96, p = k / n, middle = p + z * z / (2 * n), reach = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    *low = fmax(0, (middle - reach) / (1 + z * z / n));
    *high = (middle + reach) / (1 + z * z / n);
}

static void print_rate(FILE *to, const char *name, int k, int n, int row_k, int row_n) {
    double low, high, row_low, row_high;
    wilson(k, n, &low, &high), wilson(row_k, row_n, &row_low, &row_high);
    fprintf(to, "| %s | %d of %d: %.0f %% (%.0f to %.0f) | %d of %d: %.0f %% (%.0f to %.0f) |\n", name, row_k, row_n,
            100.0 * row_k / row_n, 100 * row_low, 100 * row_high, k, n, 100.0 * k / n, 100 * low, 100 * high);
}

static void print_totals(FILE *to, int seeds) {
    const totals t = totals_of(seeds);
    fprintf(to, "| | programs, in at least half of the seeds | runs |\n|---|---|---|\n");
    print_rate(to, "faults detected", t.detected, t.runs, t.row_detected, t.rows);
    print_rate(to, "right family", t.family, t.runs, t.row_family, t.rows);
    print_rate(to, "right place or remedy (one of the row's one to four)", t.place, t.runs, t.row_place, t.rows);
    print_rate(to, "the very cause that the row names first", t.first, t.runs, t.row_first, t.rows);
    print_rate(to, "false alarms on healthy programs", t.alarms, t.healthy_runs, t.row_alarms, t.healthy_rows);
    fprintf(to, "\nThe right cause is among the findings that follow from no other in %d of %d faulty runs. \"Too early to say\" on "
            "%d of %d healthy runs. The diagnosis was first true after %.0f %% of the run, on average.\n", t.root, t.runs,
            t.undecided, t.healthy_runs, 100 * t.turned / (t.detected ? t.detected : 1));
}

static void print_rows(FILE *to, int seeds) {
    fprintf(to, "\n## Row by row\n\nOf %d seeds: in how many the twin did clearly better, the fault was detected, its family was right, its "
            "place or remedy was right; how many healthy runs were alarmed on. Turned: the share of the run after which the "
            "diagnosis was first true.\n\n| row | what | twin better | detected | family | place | turned | said otherwise | alarms "
            "on the healthy |\n|---|---|---|---|---|---|---|---|---|\n", seeds);
    for (int row = 0; row < ROW_COUNT; row++) {
        const tally t = tally_row(row, seeds);
        if (t.seeds == 0) continue;
        fprintf(to, "| %s | %s | ", rows[row].id, rows[row].what);
        if (row_is_control(&rows[row])) fprintf(to, "healthy | | | | | ");
        else {
            fprintf(to, "%d%s | %d | %d | %d | ", t.wins, t.is_fault ? "" : ", no fault", t.detected, t.family, t.place);
            if (t.detected) fprintf(to, "%.0f %%", 100 * t.turned / t.detected);
            fprintf(to, " | %s", t.said);
        }
        fprintf(to, " | %d of %d%s%s |\n", t.alarms, t.healthy_runs, t.alarms ? ": " : "", t.alarm);
    }
}

// Rates that others published, counted from their artefacts.
static void print_published(FILE *to) {
    fprintf(to, "\n## Beside it, what others published\n\nOn other programs, with other labels, mostly by their own thresholds: these numbers "
            "say what the field is used to, not who is better.\n\n| tool | detected | right cause | healthy programs alarmed on | "
            "programs |\n|---|---|---|---|---|\n"
            "| DeepLocalize | 188 of 200 (94 %%) | 23 of 52 name the symptom | 133 of 186 (72 %%) | AUTOTRAINER's models; 53 real ones |\n"
            "| DeepDiagnosis | 135 of 200 (68 %%) | 38 of 52 | 68 of 188 (36 %%) | the same |\n"
            "| UMLAUT | 26 of 30 | 17 of 30 | 109 of 113 | the same |\n"
            "| AutoTrainer | 24 of 40 | 19 of 40 | 0 by its own labels | 53 real ones; its own models |\n"
            "| DeepFD | 47 of 52 | 27 of 52 | not reported | 52 programs |\n"
            "| NeuraLint | 70.5 %% of 64 | | 0 | 34 programs, static rules |\n");
}

static int report(int seeds, const char *folder, char **files, int count) {
    char path[600];
    int drawn = 0;
    for (int i = 0; i < count; i++)
        if (!records_read(files[i], seeds)) fprintf(stderr, "%s: cannot be read\n", files[i]);
    snprintf(path, sizeof path, "%s/runs.csv", folder);
    FILE *csv = fopen(path, "w");
    snprintf(path, sizeof path, "%s/README.md", folder);
    FILE *to = fopen(path, "w");
    if (!csv || !to || record_count == 0) return EXIT_FAILURE;
    fprintf(csv, "row,program,seed,pictures,steps,accuracy,unexplained,diagnosis,layer,first_step,roots\n");
    for (int i = 0; i < record_count; i++) record_print(csv, &records[i]), drawn += records[i].drawn;
    fprintf(to, "# How often is the doctor right?\n\nWritten by `make doctor`: %d rows of tests/doctor/rows.h, %d seeds, %d runs%s. A fault is a "
            "program whose repaired twin does better by 5 points of accuracy, or leaves half as much of the variance "
            "unexplained, in at least 80 %% of the seeds; healthy are controls, and twins as good as twins usually are. The "
            "diagnosis is the first finding of the report. In brackets Wilson's 95 %% interval: runs of one program are no "
            "independent trials, so go by the interval of the programs. The "
            "doctor's limits were chosen while looking at these very programs: expect less on others.\n\n", (int)ROW_COUNT, seeds, record_count,
            drawn ? " (drawn pictures in place of MNIST or CIFAR-10)" : "");
    print_totals(to, seeds);
    print_published(to);
    print_rows(to, seeds);
    print_totals(stdout, seeds);
    return fclose(csv) | fclose(to) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    maker_folder = getenv("GRADFLOW_DATA") ? getenv("GRADFLOW_DATA") : "";
    if (argc >= 6 && !strcmp(argv[1], "run"))
        return run(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), argv[5], argv + 6, argc - 6);
    if (argc >= 5 && !strcmp(argv[1], "report")) return report(atoi(argv[2]), argv[3], argv + 4, argc - 4);
    fprintf(stderr, "doctor_table run SEEDS PART PARTS FILE [ID…] | doctor_table report SEEDS FOLDER FILE…\n");
    return 2;
}
