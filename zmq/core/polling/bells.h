/* A set of bells (see bell.h) that tells which of them rang since it was asked last: an epoll set, edge-triggered.

   The same is used for native descriptors: an event loop knows how to watch one descriptor for reading, and a set of them
   says more than that.

   By the system's own functions, because monkeypatching takes `epoll` from Python's select module. */
#ifndef GREENZMQ_BELLS_H
#define GREENZMQ_BELLS_H

#include <errno.h>
#include <zmq.h>

#ifdef __linux__
#include <sys/epoll.h>

enum { GREENZMQ_HAS_BELLS = 1 };

static int greenzmq_bells_new(void) {
    return epoll_create1(EPOLL_CLOEXEC);
}

/* Another who has the same bell, such as a shadow, adds it once more: it is looked at anew. */
static int greenzmq_bells_add(int bells, int bell) {
    struct epoll_event event = {EPOLLIN | EPOLLET, {0}};
    event.data.fd = bell;
    if (epoll_ctl(bells, EPOLL_CTL_ADD, bell, &event) == 0) return 0;
    return errno == EEXIST ? epoll_ctl(bells, EPOLL_CTL_MOD, bell, &event) : -1;
}

static int greenzmq_bells_remove(int bells, int bell) {
    struct epoll_event event = {0, {0}};
    return epoll_ctl(bells, EPOLL_CTL_DEL, bell, &event);
}

/* Store up to `room` (64 at most) bells that rang, each once; returns how many. */
static int greenzmq_bells_rung(int bells, int *rung, int room) {
    struct epoll_event events[64];
    int i, count = epoll_wait(bells, events, room, 0);
    for (i = 0; i < count; i++) rung[i] = events[i].data.fd;
    return count;
}

/* Have a set ring as long as a native descriptor has what zmq_poll(3) would report: what was asked for, or an error.
   Level-triggered. Returns 0 or an error code: EPERM for a descriptor that can't be waited for, such as that of a file,
   of which poll(2) says that it is readable and writable, and nothing else, at all times. */
static int greenzmq_bells_watch(int bells, int fd, int events) {
    struct epoll_event event = {0, {0}};
    if (events & ZMQ_POLLIN) event.events |= EPOLLIN;
    if (events & ZMQ_POLLOUT) event.events |= EPOLLOUT;
    if (events & ZMQ_POLLPRI) event.events |= EPOLLPRI;
    return epoll_ctl(bells, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}
#else
enum { GREENZMQ_HAS_BELLS = 0 };

static int greenzmq_bells_new(void) {
    errno = ENOSYS;
    return -1;
}

static int greenzmq_bells_add(int bells, int bell) {
    (void) bells, (void) bell;
    return -1;
}

static int greenzmq_bells_remove(int bells, int bell) {
    (void) bells, (void) bell;
    return -1;
}

static int greenzmq_bells_rung(int bells, int *rung, int room) {
    (void) bells, (void) rung, (void) room;
    return 0;
}

static int greenzmq_bells_watch(int bells, int fd, int events) {
    (void) bells, (void) fd, (void) events;
    return ENOSYS;
}
#endif

#endif
