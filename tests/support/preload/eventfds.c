/* Stands before the C library and takes its time to make an eventfd, as a busy system does, from when it is told to.
 * Built and preloaded by test_closing_threads.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <unistd.h>

int eventfd_takes_ms = 0;
/* How many were begun that took so long. */
volatile int eventfds_begun = 0;

int eventfd(unsigned int count, int flags) {
    if (eventfd_takes_ms) {
        eventfds_begun += 1;
        usleep(1000 * eventfd_takes_ms);
    }
    return ((int (*)(unsigned int, int)) dlsym(RTLD_NEXT, "eventfd"))(count, flags);
}
