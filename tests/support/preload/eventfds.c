/* Stands before the C library and takes its time to make an eventfd, or to look at a descriptor without the GIL, as a busy
 * system does, from when it is told to. Built and preloaded by test_closing_threads.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

int eventfd_takes_ms = 0, fstat_takes_ms = 0;
/* How many were begun that took so long. */
volatile int eventfds_begun = 0;

int eventfd(unsigned int count, int flags) {
    if (eventfd_takes_ms) {
        eventfds_begun += 1;
        usleep(1000 * eventfd_takes_ms);
    }
    return ((int (*)(unsigned int, int)) dlsym(RTLD_NEXT, "eventfd"))(count, flags);
}

static int look(const char *name, int fd, void *found) {
    if (fstat_takes_ms) {
        eventfds_begun += 1;
        usleep(1000 * fstat_takes_ms);
    }
    return ((int (*)(int, void *)) dlsym(RTLD_NEXT, name))(fd, found);
}

/* Programs call one or the other. */
int fstat(int fd, struct stat *found) {
    return look("fstat", fd, found);
}

int fstat64(int fd, struct stat64 *found) {
    return look("fstat64", fd, found);
}
