// counted_alloc.h: what the library under test (library.c) takes from outside and tests can refuse: memory and reads. It
// counts its allocations and fails on demand.
#ifndef GF_COUNTED_ALLOC_H
#define GF_COUNTED_ALLOC_H
#include <stdio.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif
extern long alloc_count, alloc_live, alloc_fail_at; // calls so far, blocks not yet freed, which call fails (-1: none)
extern int (*alloc_hook)(void);  // if set, it decides instead which call fails
extern long reads_left; // from 0 on: after so many, the file that fread reads has lost its second half

void *counted_malloc(size_t size);
void *counted_realloc(void *old, size_t size);
void counted_free(void *p);
size_t counted_read(void *bytes, size_t size, size_t count, FILE *file);
#ifdef __cplusplus
}
#endif
#endif
