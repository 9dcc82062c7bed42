/** Cleanup attributes for locals: the resource goes when its scope is left.
 *
 *     BF_CLEANUP(bf_fd_closep) int fd = open(...);
 *     BF_CLEANUP(bf_freep) char *name = strdup(...);
 *     return bf_steal_ptr(&name);
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define BF_CLEANUP(function) __attribute__((cleanup(function)))

/** Define NAMEp(), which calls @release on the pointer unless it is NULL. */
#define BF_DEFINE_CLEANUP(type, release)                                                           \
    static inline void release##p(type *ptr)                                                       \
    {                                                                                              \
        if (*ptr)                                                                                  \
            release(*ptr);                                                                         \
    }

static inline void bf_freep(void *ptr)
{
    free(*(void **)ptr);
}

static inline void bf_fd_closep(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/** Take the value out of *@ptr and leave NULL (or -1) for the cleanup. */
#define bf_steal_ptr(ptr)                                                                          \
    __extension__({                                                                                \
        __typeof__(*(ptr)) bf_taken_ = *(ptr);                                                     \
        *(ptr) = NULL;                                                                             \
        bf_taken_;                                                                                 \
    })

static inline int bf_steal_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#endif
