/* How a thread waits without the GIL, and what wakes it: an eventfd, or a pipe where there is none.

   In C, and not by Python's `os`, which gives the GIL up to make one: between a look at a socket and the wait for it no
   other thread may run, which might close it. */
#ifndef GREENZMQ_WAKER_H
#define GREENZMQ_WAKER_H

#include <limits.h>
#include <poll.h>
#include <zmq.h>

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

#define GREENZMQ_FEW 4

static short greenzmq_as_poll(short events) {
    return (short) ((events & ZMQ_POLLIN ? POLLIN : 0) | (events & ZMQ_POLLOUT ? POLLOUT : 0)
                    | (events & ZMQ_POLLPRI ? POLLPRI : 0));
}

/* Do what zmq_poll(3) does. Of a few descriptors and no socket by one system call: zmq_poll looks once without waiting,
   whatever is polled, and polls again to wait. A socket needs that, as its descriptor says nothing of messages that are
   there already; a bell does not. */
static int greenzmq_poll_items(zmq_pollitem_t *items, int count, long milliseconds) {
    struct pollfd polled[GREENZMQ_FEW];
    int i, ready = 0;
    if (count > GREENZMQ_FEW || milliseconds > INT_MAX) return zmq_poll(items, count, milliseconds);
    for (i = 0; i < count; i++) {
        if (items[i].socket) return zmq_poll(items, count, milliseconds);
        polled[i].fd = items[i].fd;
        polled[i].events = greenzmq_as_poll(items[i].events);
        polled[i].revents = 0;
    }
    if (poll(polled, (nfds_t) count, (int) milliseconds) < 0) return -1;
    for (i = 0; i < count; i++) {
        short found = polled[i].revents;
        items[i].revents = (short) ((found & POLLIN ? ZMQ_POLLIN : 0) | (found & POLLOUT ? ZMQ_POLLOUT : 0)
                                    | (found & POLLPRI ? ZMQ_POLLPRI : 0)
                                    | (found & ~(POLLIN | POLLOUT | POLLPRI) ? ZMQ_POLLERR : 0));
        if (items[i].revents) ready++;
    }
    return ready;
}

#endif
