// counted_alloc.h: an allocator that counts its calls and live blocks and fails on demand. Include it before the header
// under test is implemented: it stands in for GF_MALLOC and its companions.
#ifndef GF_COUNTED_ALLOC_H
#define GF_COUNTED_ALLOC_H
#include <stdlib.h>

static long alloc_count, alloc_live, alloc_fail_at = -1; // calls so far, blocks not yet freed, which call fails

static int alloc_fails(void) { return alloc_count++ == alloc_fail_at; }

static void *counted_malloc(size_t size) {
    void *p = alloc_fails() ? NULL : malloc(size);
    alloc_live += p != NULL;
    return p;
}

static void *counted_realloc(void *old, size_t size) {
    void *p = alloc_fails() ? NULL : realloc(old, size);
    alloc_live += p != NULL && old == NULL;
    return p;
}

static void counted_free(void *p) {
    alloc_live -= p != NULL;
    free(p);
}

#define GF_MALLOC(size) counted_malloc(size)
#define GF_REALLOC(p, size) counted_realloc(p, size)
#define GF_FREE(p) counted_free(p)
#endif
