// test.h: the smallest test harness that serves. A test program prints one line a check group, "PASS name" or
// "FAIL name: reason", and returns test_report(); tests/run.sh counts those lines over all programs.
#ifndef GF_TEST_H
#define GF_TEST_H
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_failures;
static char test_current[200];
static int test_current_failed;

// Close the running test, if any, and print its verdict.
static void test_end(void) {
    if (test_current[0] && !test_current_failed) printf("PASS %s\n", test_current);
    test_current[0] = '\0';
    fflush(stdout);
}

// Start a named test; the checks that follow belong to it.
static inline void test_begin(const char *name) {
    test_end();
    snprintf(test_current, sizeof test_current, "%.199s", name);  // the caller's buffer may be gone by the end
    test_current_failed = 0;
}

// Record a failure of the running test; only the first is a FAIL line, the others are details.
static void test_fail(const char *file, int line, const char *format, ...) {
    va_list args;
    printf("%s %s: %s:%d: ", test_current_failed ? "  also" : "FAIL", test_current, file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    if (!test_current_failed) test_failures++;
    test_current_failed = 1;
}

static inline int test_report(void) {
    test_end();
    return test_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define TEST(name) test_begin(name)
#define CHECK(condition)                                                           \
    do {                                                                           \
        if (!(condition)) test_fail(__FILE__, __LINE__, "expected %s", #condition); \
    } while (0)
// |found - expected| <= tolerance; NaN on either side fails.
#define CHECK_NEAR(found, expected, tolerance)                                                                        \
    do {                                                                                                              \
        double test_found = (double)(found), test_expected = (double)(expected), test_tolerance = (double)(tolerance); \
        if (!(fabs(test_found - test_expected) <= test_tolerance))                                                    \
            test_fail(__FILE__, __LINE__, "%s is %.17g, expected %.17g within %g", #found, test_found, test_expected, \
                      test_tolerance);                                                                                \
    } while (0)
// |found - expected| <= tolerance * |expected|
#define CHECK_RELATIVE(found, expected, tolerance) \
    CHECK_NEAR(found, expected, (double)(tolerance) * fabs((double)(expected)))
// text contains part
#define CHECK_TEXT(text, part)                                                                                       \
    do {                                                                                                             \
        const char *test_text = (text);                                                                              \
        if (!test_text || !strstr(test_text, part))                                                                  \
            test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", test_text ? test_text : "(null)", part);            \
    } while (0)
#endif
