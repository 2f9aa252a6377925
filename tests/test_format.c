// test_format.c: with GF_NO_STDIO messages are written by the library itself, as snprintf writes them.
// build: float cxx inside
#define GF_NO_STDIO
#define GRADFLOW_STATIC
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
#ifdef EOF
#error "gradflow.h includes stdio.h in spite of GF_NO_STDIO"
#endif
#include "test.h"

static long compared;

#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[128], theirs[128];                                                               \
        int n = gfi_print(ours, sizeof ours, __VA_ARGS__), m = snprintf(theirs, sizeof theirs, __VA_ARGS__); \
        compared++;                                                                                \
        if (n != m || strcmp(ours, theirs) != 0)                                                   \
            test_fail(__FILE__, __LINE__, "\"%s\" (%d), snprintf \"%s\" (%d)", ours, n, theirs, m); \
    } while (0)

static void same_numbers(double x) {
    SAME("%g", x);
    SAME("%.2g and %.1e", x, x);
    SAME("%.9g", x);
    SAME("%.0e", x);
    if (fabs(x) < 1e8) SAME("%.0f %.3f", x, x);
}

static void test_numbers(void) {
    static const double special[] = {0, 1, 10, 100, 123456, 1234567, 999999.5, 0.1, 0.001, 1e-4, 1e-5, 1e-30, 1e30, 9.9999999,
                                     5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.5, 1.5, 2.5, 3.5, 4.5,
                                     1e16, HUGE_VAL};
    char text[64];
    TEST("format: %g, %e and %f as snprintf writes them");
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) same_numbers(special[i]), same_numbers(-special[i]);
    same_numbers(-0.0);
    for (uint64_t i = 0; i < 20000; i++)
        same_numbers((2 * gf_random_uniform(1, GF_STREAM_USER, i) - 1) *
                     pow(10, 60 * gf_random_uniform(2, GF_STREAM_USER, i) - 30));
    gfi_print(text, sizeof text, "%g", (double)NAN);
    CHECK(!strcmp(text, "nan"));
    gfi_print(text, sizeof text, "%.3f", 1.5e17);
    CHECK(strtod(text, NULL) == 1.5e17);  // too large for the digits of %f: with an exponent, not wrong
    CHECK(compared > 80000);
}

static void test_words(void) {
    char small[6];
    TEST("format: whole numbers, texts and cut ends");
    SAME("%d %d %d", 0, -2147483647 - 1, 2147483647);
    SAME("%ld %lld %lu %u", -5L, -9223372036854775807ll, 18446744UL, 4294967295u);
    SAME("%zu %llu", (size_t)-1, 18446744073709551615ull);
    SAME("%x 0x%08x", 0xBEEFu, 0x803u);
    SAME("%s|%.3s|%.*s|%c|%%", "text", "longer", 2, "word", 'x');
    CHECK(gfi_print(small, sizeof small, "%s %d", "abc", 12345) == 9 && !strcmp(small, "abc 1"));
    CHECK(gfi_print(NULL, 0, "%d", 42) == 2);
}

int main(void) {
    gf_net *net = gf_net_create(gf_vector(3), 0, 1);
    TEST("format: a message without stdio");
    CHECK_TEXT(gf_net_error(net), "max_batch is 0; needs at least 1");
    gf_net_free(net);
    test_numbers();
    test_words();
    return test_report();
}
