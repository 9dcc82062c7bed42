/* LD_PRELOAD for a daemon: the allocation number BITFERRY_MALLOC_FAILS fails, once.  At its end how
 * many there were is written to the file BITFERRY_MALLOC_COUNT.  Children are left alone. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own names for what is replaced here. */
extern void *__libc_malloc(size_t nr_bytes);
extern void *__libc_calloc(size_t nr, size_t nr_bytes);
extern void *__libc_realloc(void *old, size_t nr_bytes);

static atomic_ulong nr_allocations;
static unsigned long fatal; /* 0: none */

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("BITFERRY_MALLOC_FAILS");

    if (number && strncmp(program_invocation_short_name, "bitferry-", 9) == 0)
        fatal = strtoul(number, NULL, 10);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("BITFERRY_MALLOC_COUNT");
    FILE *file = path && strncmp(program_invocation_short_name, "bitferry-", 9) == 0
                     ? fopen(path, "w")
                     : NULL;

    if (!file)
        return;
    (void)fprintf(file, "%lu\n", (unsigned long)nr_allocations);
    (void)fclose(file);
}

static bool fails(void)
{
    if (++nr_allocations != fatal)
        return false;
    errno = ENOMEM;
    return true;
}

__attribute__((visibility("default"))) void *malloc(size_t nr_bytes)
{
    return fails() ? NULL : __libc_malloc(nr_bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t nr, size_t nr_bytes)
{
    return fails() ? NULL : __libc_calloc(nr, nr_bytes);
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t nr_bytes)
{
    return fails() ? NULL : __libc_realloc(old, nr_bytes);
}
