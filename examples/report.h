// report.h: report.html, one page on which a run can be read: the question, the command that repeats it, its tables, its
// charts, a map of what was measured in each layer, the doctor's findings. experiment.h notes every file that a study
// writes; when main returns, ex_exit_status has them put together here. One file that needs no other and no network; the
// same results give the same bytes: no time, no place is in it, nor the column "seconds".
#ifndef REPORT_H
#define REPORT_H
#include "report_page.h"

enum { REPORT_ITEMS = 96, REPORT_DATA = 1400000 };  // bytes of CSV; larger files are named, not included

typedef struct report_item {
    char path[EX_PATH], text[256];  // a file, and for a chart what it shows
} report_item;

static struct {
    const char *name, *question, *out;
    char command[1024], built[160];
    report_item item[REPORT_ITEMS];
    int count;
} report_run;

// This file is part of the run. A second time: its text changes.
static inline void report_add(const char *path, const char *text) {
    int i = 0;
    while (i < report_run.count && strcmp(report_run.item[i].path, path) != 0) i++;
    if (i == REPORT_ITEMS) return;
    if (i == report_run.count) report_run.count++;
    snprintf(report_run.item[i].path, EX_PATH, "%s", path);
    snprintf(report_run.item[i].text, sizeof report_run.item[i].text, "%s", text);
}

static inline const char *report_file_name(const report_item *item) {
    const char *slash = strrchr(item->path, '/');
    return slash ? slash + 1 : item->path;
}

static inline int report_is(const report_item *item, const char *ending) {
    const size_t length = strlen(item->path), end = strlen(ending);
    return length > end && strcmp(item->path + length - end, ending) == 0;
}

static inline void report_text(FILE *to, const char *text, size_t length) {
    for (size_t i = 0; i < length && text[i] != '\0'; i++) {
        const char c = text[i];
        if (c == '<') fputs("&lt;", to);
        else if (c == '&') fputs("&amp;", to);
        else if (c == '"') fputs("&quot;", to);
        else fputc(c, to);
    }
}

static inline void report_lines(FILE *to, const char *const *line) {
    for (; *line != NULL; line++) fprintf(to, "%s\n", *line);
}

// The picture in the page itself: three bytes make four letters.
static inline void report_image(FILE *to, const report_item *item) {
    static const char letter[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char b[3];
    size_t n;
    FILE *png = fopen(item->path, "rb");
    if (png == NULL) return;
    fputs("<figure><img alt=\"", to);
    report_text(to, item->text, sizeof item->text);
    fputs("\" src=\"data:image/png;base64,", to);
    while (memset(b, 0, sizeof b), (n = fread(b, 1, 3, png)) > 0) {
        fputc(letter[b[0] >> 2], to);
        fputc(letter[(b[0] & 3) << 4 | b[1] >> 4], to);
        fputc(n > 1 ? letter[(b[1] & 15) << 2 | b[2] >> 6] : '=', to);
        fputc(n > 2 ? letter[b[2] & 63] : '=', to);
    }
    fputs("\"><figcaption>", to);
    report_text(to, item->text, sizeof item->text);
    fprintf(to, " (%s)</figcaption></figure>\n", report_file_name(item));
    fclose(png);
}

// A Markdown table: "| a | b |", the second line is dashes.
static inline void report_table(FILE *to, const report_item *item) {
    char line[4096];
    FILE *md = fopen(item->path, "r");
    if (md == NULL) return;
    fprintf(to, "<div class=\"scroll\"><table><caption>%s</caption><thead>\n", report_file_name(item));
    for (int row = 0; fgets(line, sizeof line, md) != NULL; row++) {
        if (row == 1) fputs("</thead><tbody>\n", to);
        if (row == 1 || line[0] != '|') continue;
        fputs("<tr>", to);
        for (char *cell = line + 1, *end; (end = strchr(cell, '|')) != NULL; cell = end + 1) {
            size_t length = (size_t)(end - cell);
            for (; length > 0 && cell[length - 1] == ' '; length--) {}
            for (; length > 0 && *cell == ' '; length--) cell++;
            fputs(row == 0 ? "<th scope=\"col\">" : "<td>", to);
            report_text(to, cell, length);
            fputs(row == 0 ? "</th>" : "</td>", to);
        }
        fputs("</tr>\n", to);
    }
    fputs("</tbody></table></div>\n", to);
    fclose(md);
}

// Is this column part of the report? All but the seconds; of layers.csv what the map shows.
static inline int report_has_column(const char *file, const char *name, size_t length) {
    static const char layers[] = " activation init seed epoch layer name dw.rms delta.rms dw.l2 delta.l2 update_ratio q "
                                 "dphi_mean limit_share flat_share dead_share z_std h_std adam_starved ";
    char word[64];
    if (length > 60) return 0;
    snprintf(word, sizeof word, " %.*s ", (int)length, name);
    if (strcmp(word, " seconds ") == 0) return 0;
    return strcmp(file, "layers.csv") != 0 || strstr(layers, word) != NULL;
}

// The file's rows as text between two tags, for the page's script; *room is what may still be included.
static inline void report_csv(FILE *to, const report_item *item, long *room) {
    static char line[8192];
    unsigned char keep[512] = {0};
    const char *name = report_file_name(item);
    FILE *csv = fopen(item->path, "r");
    if (csv == NULL) return;
    fseek(csv, 0, SEEK_END);
    const long size = strcmp(name, "layers.csv") == 0 ? ftell(csv) / 2 : ftell(csv);
    rewind(csv);
    if (size > *room) {
        fprintf(to, "<p class=\"soft\">%s is too large for this page (%ld KB).</p>\n", name, size / 1024);
        fclose(csv);
        return;
    }
    *room -= size;
    fprintf(to, "<details data-csv=\"%s\"><summary>%s</summary></details>\n<script type=\"text/csv\" data-name=\"%s\">",
            name, name, name);
    for (int row = 0; fgets(line, sizeof line, csv) != NULL; row++) {
        int column = 0, written = 0;
        for (const char *field = line; column < 512; field++, column++) {
            const size_t length = strcspn(field, ",\r\n");
            if (row == 0) keep[column] = (unsigned char)report_has_column(name, field, length);
            if (keep[column]) fprintf(to, "%s%.*s", written++ > 0 ? "," : "", (int)length, field);
            field += length;
            if (*field != ',') break;
        }
        fputc('\n', to);
    }
    fputs("</script>\n", to);
    fclose(csv);
}

// results/index.html has a line for every report; ours replaces the one that it had.
static inline void report_index(void) {
    static char line[64][EX_PATH];
    char own[EX_PATH], *last = line[0];
    int count = 0;
    snprintf(own, sizeof own, "<li><a href=\"%s/report.html\">%s</a>: %s</li>\n", report_run.name, report_run.name,
             report_run.question);
    FILE *file = fopen("results/index.html", "r");
    for (; file != NULL && count < 63 && fgets(last, EX_PATH, file) != NULL; last = line[count])
        count += strncmp(last, "<li>", 4) == 0 && strncmp(last, own, strcspn(own, "/")) != 0;
    if (file != NULL) fclose(file);
    memcpy(line[count++], own, sizeof own);
    qsort(line, (size_t)count, EX_PATH, (int (*)(const void *, const void *))strcmp);
    file = ex_file_begin("results/index.html");
    report_lines(file, report_style);
    fputs("<title>gradflow: results</title></head><body><main><h1>Results</h1><ul>\n", file);
    for (int i = 0; i < count; i++) fputs(line[i], file);
    fputs("</ul><p><a href=\"playground.html\">The playground</a>, after <code>make playground</code></p></main></body>"
          "</html>\n", file);
    ex_file_end(file, "results/index.html");
}

static inline void report_write(int interrupted) {
    char path[EX_PATH];
    long room = REPORT_DATA;
    if (report_run.count == 0) return;
    FILE *to = ex_file_begin(ex_path(path, report_run.out, "report.html"));
    report_lines(to, report_style);
    fprintf(to, "<title>%s: report</title></head><body><main><p class=\"soft\">gradflow · %s</p><h1>", report_run.name,
            report_run.name);
    report_text(to, report_run.question, 1000);
    fputs("</h1>\n", to);
    if (interrupted) fputs("<p><strong>Interrupted: this is what was measured until then.</strong></p>\n", to);
    fputs("<pre>", to);
    report_text(to, report_run.command, sizeof report_run.command);
    fprintf(to, "</pre><p class=\"soft\">%s</p>\n<h2>What was measured</h2>\n", report_run.built);
    for (int i = 0; i < report_run.count; i++)
        if (report_is(&report_run.item[i], ".md")) report_table(to, &report_run.item[i]);
    report_lines(to, report_map);
    fputs("<h2>Charts</h2>\n", to);
    for (int i = 0; i < report_run.count; i++)
        if (report_is(&report_run.item[i], ".png")) report_image(to, &report_run.item[i]);
    fputs("<h2>Numbers</h2>\n", to);
    for (int i = 0; i < report_run.count; i++)
        if (report_is(&report_run.item[i], ".csv")) report_csv(to, &report_run.item[i], &room);
    fputs("</main>\n", to);
    report_lines(to, report_script);
    ex_file_end(to, path);
    printf("wrote %s\n", path);
    if (strncmp(report_run.out, "results/", 8) == 0 && strcmp(report_run.out + 8, report_run.name) == 0) report_index();
}

#endif
