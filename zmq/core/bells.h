/* A set of bells (see bell.h) that tells which of them rang since it was asked last: an epoll set, edge-triggered.

   By the system's own functions, because monkeypatching takes `epoll` from Python's select module. */
#ifndef GREENZMQ_BELLS_H
#define GREENZMQ_BELLS_H

#ifdef __linux__
#include <sys/epoll.h>

enum { GREENZMQ_HAS_BELLS = 1 };

static int greenzmq_bells_new(void) {
    return epoll_create1(EPOLL_CLOEXEC);
}

static int greenzmq_bells_add(int bells, int bell) {
    struct epoll_event event = {EPOLLIN | EPOLLET, {0}};
    event.data.fd = bell;
    return epoll_ctl(bells, EPOLL_CTL_ADD, bell, &event);
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
#else
#include <errno.h>

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
#endif

#endif
