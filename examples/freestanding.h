// freestanding.h: the part of a C library that gradflow.h needs, for WebAssembly, where there is none. Include it first,
// with empty files math.h, stdlib.h, string.h and assert.h in the compiler's search path (see `make playground`).
//
//     from the page           exp expm1 log log10 log1p pow tanh cosh cos sin atan fmod, and vsnprintf as page_print
//     instructions            sqrt fabs floor ceil trunc copysign, by the compiler's names
//     here                    malloc calloc realloc free, memcpy memmove memset memcmp, strlen strcmp strncmp strcat
//                             strstr strchr strrchr strspn strcspn, fmax fmin frexp hypot
#ifndef FREESTANDING_H
#define FREESTANDING_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

double exp(double x), expm1(double x), log(double x), log10(double x), log1p(double x), pow(double x, double y);
double tanh(double x), cosh(double x), cos(double x), sin(double x), atan(double x), fmod(double x, double y);
int page_print(char *to, size_t size, const char *format, va_list args);
#define GF_VSNPRINTF(to, size, format, args) page_print(to, size, format, args)

#define NAN __builtin_nanf("")
#define INFINITY __builtin_inff()
#define HUGE_VAL __builtin_inf()
#define isfinite(x) __builtin_isfinite(x)
#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf(x)
#define sqrt(x) __builtin_sqrt(x)
#define fabs(x) __builtin_fabs(x)
#define floor(x) __builtin_floor(x)
#define ceil(x) __builtin_ceil(x)
#define trunc(x) __builtin_trunc(x)
#define copysign(x, y) __builtin_copysign(x, y)
#define assert(x) ((x) ? (void)0 : __builtin_trap())

// --- Memory: handed out from the program's end upwards, taken back all at once ---

extern unsigned char __heap_base;
static size_t heap_used;  // bytes behind __heap_base

static void heap_reset(void) { heap_used = 0; }

static inline void *malloc(size_t size) {
    const size_t base = (size_t)&__heap_base, start = (base + heap_used + 31) & ~(size_t)15, page = 65536;
    if (size > (size_t)1 << 30) return NULL;
    const size_t end = start + size, have = __builtin_wasm_memory_size(0) * page;
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + page - 1) / page) == (size_t)-1) return NULL;
    ((size_t *)start)[-1] = size;  // for realloc
    heap_used = end - base;
    return (void *)start;
}

static inline void free(void *p) { (void)p; }

// Each loop is what its name says: the compiler may not make a call of itself from it.
#define PLAIN __attribute__((no_builtin("memcpy", "memmove", "memset", "strlen")))
PLAIN void *memcpy(void *to, const void *from, size_t n) {
    for (size_t i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

PLAIN void *memmove(void *to, const void *from, size_t n) {
    if ((size_t)to <= (size_t)from) return memcpy(to, from, n);
    while (n-- > 0) ((char *)to)[n] = ((const char *)from)[n];
    return to;
}

PLAIN void *memset(void *to, int byte, size_t n) {
    for (size_t i = 0; i < n; i++) ((char *)to)[i] = (char)byte;
    return to;
}

PLAIN int memcmp(const void *a, const void *b, size_t n) {
    const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
    return 0;
}

static inline void *calloc(size_t count, size_t size) {
    if (size > 0 && count > ((size_t)1 << 30) / size) return NULL;
    void *p = malloc(count * size);
    return p ? memset(p, 0, count * size) : NULL;
}

static inline void *realloc(void *old, size_t size) {
    void *p = malloc(size);
    const size_t had = old ? ((size_t *)old)[-1] : 0;
    return p && old ? memcpy(p, old, had < size ? had : size) : p;
}

// --- Text ---

PLAIN size_t strlen(const char *s) {
    size_t n = 0;
    while (s[n]) n++;
    return n;
}

static inline int strncmp(const char *a, const char *b, size_t n) {
    for (; n > 0 && *a && *a == *b; n--) a++, b++;
    return n == 0 ? 0 : (unsigned char)*a - (unsigned char)*b;
}

static inline int strcmp(const char *a, const char *b) { return strncmp(a, b, (size_t)-1); }

static inline char *strcat(char *to, const char *from) {
    memcpy(to + strlen(to), from, strlen(from) + 1);
    return to;
}

static inline char *strchr(const char *s, int c) {
    for (; *s != (char)c; s++)
        if (!*s) return NULL;
    return (char *)(size_t)s;
}

static inline char *strstr(const char *s, const char *part) {
    for (const size_t n = strlen(part); strncmp(s, part, n) != 0; s++)
        if (!*s) return NULL;
    return (char *)(size_t)s;
}

static inline char *strrchr(const char *s, int c) {
    const char *last = NULL;
    for (;; s++) {
        if (*s == (char)c) last = s;
        if (!*s) return (char *)(size_t)last;
    }
}

static inline size_t strspn(const char *s, const char *of) {
    size_t n = 0;
    while (s[n] && strchr(of, s[n])) n++;
    return n;
}

static inline size_t strcspn(const char *s, const char *stop) {
    size_t n = 0;
    while (s[n] && !strchr(stop, s[n])) n++;
    return n;
}

// --- Numbers ---

static inline double fmax(double a, double b) { return a != a || a < b ? b : a; }
static inline double hypot(double a, double b) { return sqrt(a * a + b * b); }  // of moderate numbers
static inline double fmin(double a, double b) { return a != a || a > b ? b : a; }

// x = m·2^e with 0.5 ≤ |m| < 1
static inline double frexp(double x, int *e) {
    *e = 0;
    if (x == 0 || !isfinite(x)) return x;
    for (; fabs(x) >= 1; ++*e) x *= 0.5;
    for (; fabs(x) < 0.5; --*e) x *= 2;
    return x;
}

#endif
