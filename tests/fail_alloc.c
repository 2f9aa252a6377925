// fail_alloc.c: an example in which every allocation fails once. Built with -DEXAMPLE='"../examples/NAME.c"' it runs
// the example; at each allocation it forks a copy of itself in which this one returns NULL and looks how that ends:
// with status 1 and one line that says what ran out, not by a signal, and with no half-written chart.
//
//     fail_alloc FOLDER MOST OPTION...      FOLDER is its own to write in; MOST: after so many, only every 16th fails
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "counted_alloc.h"

static char fail_folder[512], fail_log[600], fail_results[600];
static long fail_count, fail_tried, fail_most, fail_wrong;
static int fail_inside;  // 1 in the copy: nothing fails any more after the one allocation

static void fail_complain(const char *what) {
    char text[600];
    FILE *log = fopen(fail_log, "r");
    size_t n = log ? fread(text, 1, sizeof text - 1, log) : 0;
    text[n] = '\0';
    if (log) fclose(log);
    if (fail_wrong++ < 5) fprintf(stderr, "allocation %ld: %s: %s\n", fail_count, what, text);
}

// Do this with every file of a folder.
static void fail_files(const char *folder, void (*action)(const char *path, const char *name)) {
    DIR *files = opendir(folder);
    for (struct dirent *entry = files ? readdir(files) : NULL; entry; entry = readdir(files)) {
        char path[1200];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') action(path, entry->d_name);
    }
    if (files) closedir(files);
}

static int fail_ends(const char *name, const char *end) {
    return strlen(name) >= strlen(end) && !strcmp(name + strlen(name) - strlen(end), end);
}

// An unfinished file that the copy may still rename: in its own folder it finds an empty one.
static void fail_stand_in(const char *path, const char *name) {
    char copy[1300];
    (void)path;
    snprintf(copy, sizeof copy, "%s/%s", fail_results, name);
    if (fail_ends(name, ".tmp")) close(open(copy, O_WRONLY | O_CREAT, 0666));
}

// A chart that stands there is whole, to its last chunk; then it may go.
static void fail_check_file(const char *path, const char *name) {
    char tail[12] = "";
    FILE *file = fopen(path, "rb");
    if (file && fail_ends(name, ".png") &&
        (fseek(file, -12, SEEK_END) != 0 || fread(tail, 1, 12, file) != 12 || memcmp(tail + 4, "IEND", 4) != 0))
        fail_complain(name);
    if (file) fclose(file);
    remove(path);
}

// The copy has ended: has it said so, cleanly, and left nothing?
static void fail_judge(int status) {
    char text[4096];
    FILE *log = fopen(fail_log, "r");
    size_t n = log ? fread(text, 1, sizeof text - 1, log) : 0;
    text[n] = '\0';
    if (log) fclose(log);
    if (!WIFEXITED(status)) fail_complain("ended by a signal");
    else if (WEXITSTATUS(status) != 1) fail_complain(WEXITSTATUS(status) == 0 ? "nothing noticed" : "wrong status");
    else if (!strstr(text, "memory") || strchr(text, '\n') != text + n - 1) fail_complain("no single line on memory");
    fail_files(fail_results, fail_check_file);
}

static int fail_here(void) {
    fail_count++;
    if (fail_inside || (fail_tried >= fail_most && fail_count % 16 != 0)) return 0;
    fail_tried++;
    fflush(stdout);
    fail_files("results", fail_stand_in);
    pid_t copy = fork();
    if (copy == 0) {
        fail_inside = 1;
        int nowhere = open("/dev/null", O_WRONLY), log = open(fail_log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        for (int file = 3; file < 64; file++)  // what it still writes must not reach the files of the original
            if (file != log && file != nowhere && fcntl(file,
                F_GETFL) >= 0 && (fcntl(file, F_GETFL) & O_ACCMODE) != O_RDONLY)
                dup2(nowhere, file);
        if (log < 0 || nowhere < 0 || dup2(log, 2) < 0 || dup2(nowhere, 1) < 0 || chdir(fail_folder) != 0) _exit(99);
        return 1;
    }
    int status = 0;
    if (copy < 0 || waitpid(copy, &status, 0) != copy) exit(99);
    fail_judge(status);
    return 0;
}

static void *fail_malloc(size_t size) { return fail_here() ? NULL : malloc(size); }
static void *fail_realloc(void *p, size_t size) { return fail_here() ? NULL : realloc(p, size); }

#define PLOT_MALLOC fail_malloc
#define PLOT_REALLOC fail_realloc
#define PLOT_FREE free
#define EX_REALLOC fail_realloc
#define GRADFLOW_IMPLEMENTATION_DONE  // linked: library.c
#define main example_main
#include EXAMPLE
#undef main

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    snprintf(fail_folder, sizeof fail_folder, "%s/copy", argv[1]);
    snprintf(fail_log, sizeof fail_log, "%s/log", argv[1]);
    snprintf(fail_results, sizeof fail_results, "%s/results", fail_folder);
    fail_most = atol(argv[2]);
    mkdir(fail_folder, 0777), mkdir(fail_results, 0777);
    if (chdir(argv[1]) != 0) return 2;
    argv[2] = argv[0];
    alloc_hook = fail_here;
    int status = example_main(argc - 2, argv + 2);
    if (fail_inside) return status;  // a copy that went on without the chart it could not draw
    fprintf(stderr, "%ld allocations, %ld failed in turn, %ld wrong\n", fail_count, fail_tried, fail_wrong);
    return status != 0 || fail_wrong != 0 || fail_tried < 20;
}
