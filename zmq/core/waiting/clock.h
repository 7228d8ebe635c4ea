/* The clock that deadlines are of: seconds, as time.monotonic. */

#ifndef GREENZMQ_CLOCK_H
#define GREENZMQ_CLOCK_H

#include <time.h>

#define GREENZMQ_FOREVER 1e12

static inline double greenzmq_monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

#endif
