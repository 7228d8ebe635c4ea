/* An allocation that fails, in the C library. Built and preloaded by test_no_memory.py. */

#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);

static size_t none_for;

/* There is no memory the next time that somebody asks for just so many bytes; 0 for none. */
void no_memory_for(size_t size) {
    none_for = size;
}

void *malloc(size_t size) {
    if (none_for != 0 && size == none_for) {
        none_for = 0;
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}
