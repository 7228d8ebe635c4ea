/* Stands before libzmq and closes a peer just before the n-th frame is sent on a socket, so that its pipe ends between two
 * frames of a message. Built and preloaded by test_departures.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

enum { FD = 14 };

typedef struct { unsigned char content[64]; } msg_t;

static void *watched, *leaving;
static int countdown;

/* Before the n-th frame on `socket` from now on `peer` is closed. */
void depart_before(void *socket, void *peer, int n) {
    watched = socket;
    leaving = peer;
    countdown = n;
}

/* 0 when the peer has left. */
int departures_left(void) {
    int left = countdown;
    countdown = 0;
    return left;
}

static void *real(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

int zmq_msg_send(msg_t *msg, void *socket, int flags) {
    if (socket == watched && countdown && --countdown == 0) {
        struct pollfd bell = {.events = POLLIN};
        size_t size = sizeof bell.fd;
        ((int (*)(void *, int, void *, size_t *)) real("zmq_getsockopt"))(socket, FD, &bell.fd, &size);
        ((int (*)(void *)) real("zmq_close"))(leaving);
        poll(&bell, 1, 5000);
        /* A send looks at the news only about once a millisecond. */
        usleep(5000);
    }
    return ((int (*)(msg_t *, void *, int)) real("zmq_msg_send"))(msg, socket, flags);
}
