// fuzz_options.c: the input is a command line, its words separated by zeros or newlines. It is refused, with status 2
// (1 for its folder), or every setting lies within its limits.
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
static jmp_buf fuzz_exit;
static int fuzz_status;
// The parser ends the program, makes a folder and catches signals: not here.
#define exit(status) (fuzz_status = (status), longjmp(fuzz_exit, 1))
#define mkdir(path, mode) 0
#define signal(number, handler) ((void)(handler))
#include "../../examples/experiment.h"
#define PLOT_IMPLEMENTATION
#include "../../examples/plot.h"
#undef exit
#undef mkdir
#undef signal
#include "fuzz.h"

enum { WORDS = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static char text[4096];
    static ex_settings s;
    static double real;
    static int whole;
    char *argv[WORDS + 1], name[] = "fuzz";
    int argc = 1;
    const ex_option own[] = {{"whole", EX_INT, &whole, -5, 5, "a number"}, {"real", EX_REAL, &real, -1, 1, "another"}};
    if (size >= sizeof text) return 0;
    memcpy(text, bytes, size), text[size] = '\0';
    argv[0] = name;
    for (size_t i = 0; i < size && argc < WORDS; argc++) {
        argv[argc] = text + i;
        while (i < size && text[i] != '\0' && text[i] != '\n') i++;
        text[i++] = '\0';
    }
    argv[argc] = NULL;
    whole = 0, real = 0, fuzz_status = -1;
    s = ex_settings_default("fuzz", "?");
    if (setjmp(fuzz_exit) != 0) {
        FUZZ_CHECK(fuzz_status >= 0 && fuzz_status <= 2);
        return 0;
    }
    ex_parse(&s, argc, argv, 0x1FFF, own, 2);
    FUZZ_CHECK(s.epochs >= 1 && s.epochs <= 1000000 && s.seeds >= 1 && s.seeds <= 1000 && s.batch >= 1 && s.threads == 1);
    FUZZ_CHECK(s.lr >= 0 && s.lr <= 1e3 && s.dropout >= 0 && s.dropout < 1 && whole >= -5 && whole <= 5);
    FUZZ_CHECK(real >= -1 && real <= 1 && s.act_count >= 1 && s.act_count <= EX_MAX_ACTIVATIONS && s.out[0]);
    return 0;
}
