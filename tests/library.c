// library.c: gradflow.h as the tests link it, compiled once for each variant of run.sh's: with the allocator and the
// reads of counted_alloc.h. Tests whose "// build:" line says `inside` implement the header themselves instead.
#include "counted_alloc.h"

long alloc_count, alloc_live, alloc_fail_at = -1, reads_left = -1;
int (*alloc_hook)(void);

static int alloc_fails(void) { return alloc_hook ? alloc_hook() : alloc_count++ == alloc_fail_at; }

void *counted_malloc(size_t size) {
    void *p = alloc_fails() ? NULL : malloc(size);
    alloc_live += p != NULL;
    return p;
}

void *counted_realloc(void *old, size_t size) {
    void *p = alloc_fails() ? NULL : realloc(old, size);
    alloc_live += p != NULL && old == NULL;
    return p;
}

void counted_free(void *p) {
    alloc_live -= p != NULL;
    free(p);
}

size_t counted_read(void *bytes, size_t size, size_t count, FILE *file) {
    return fread(bytes, size, reads_left-- == 0 ? count / 2 : count, file);
}

#define GF_MALLOC(size) counted_malloc(size)
#define GF_REALLOC(p, size) counted_realloc(p, size)
#define GF_FREE(p) counted_free(p)
#define fread counted_read
#define GRADFLOW_IMPLEMENTATION
#include "../gradflow.h"
