/* What wakes a thread out of zmq_poll: an eventfd, or a pipe where there is none.

   In C, and not by Python's `os`, which gives the GIL up to make one: between a look at a socket and the wait for it no
   other thread may run, which might close it. */
#ifndef GREENZMQ_WAKER_H
#define GREENZMQ_WAKER_H

#ifdef __linux__
#include <sys/eventfd.h>

/* Store the two ends, or leave them as they are where there are no descriptors left. */
static void greenzmq_open_waker(int *reader, int *writer) {
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd >= 0) *reader = *writer = fd;
}
#else
#include <fcntl.h>
#include <unistd.h>

static void greenzmq_open_waker(int *reader, int *writer) {
    int ends[2];
    if (pipe(ends) != 0) return;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    *reader = ends[0];
    *writer = ends[1];
}
#endif

#endif
