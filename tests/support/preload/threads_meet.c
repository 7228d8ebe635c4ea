/* Stands before libzmq and the C library, and has threads meet that would in one of a million runs. Who sends takes its
 * time inside libzmq, and a socket that is closed meanwhile is counted. A poll that is woken looks again some time later,
 * so that all has come that comes at about the same time. Built and preloaded by test_pools_of_threads.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <stddef.h>
#include <unistd.h>

enum { AWHILE = 20000 };

typedef struct { unsigned char content[64]; } msg_t;

static int sends_slowly, polls_slowly;
static void *volatile inside;
static volatile int closed_inside, sent_slowly;

void meet(int sending, int polling) {
    sends_slowly = sending;
    polls_slowly = polling;
}

/* Whether somebody is sending now; how often that has been slow; how often a socket was closed meanwhile. */
int is_inside(void) { return inside != NULL; }
int slow_sends(void) { return sent_slowly; }
int closes(void) { return closed_inside; }

int zmq_msg_send(msg_t *msg, void *socket, int flags) {
    int rc;
    if (!sends_slowly) return ((int (*)(msg_t *, void *, int)) dlsym(RTLD_NEXT, "zmq_msg_send"))(msg, socket, flags);
    inside = socket;
    usleep(AWHILE);
    rc = ((int (*)(msg_t *, void *, int)) dlsym(RTLD_NEXT, "zmq_msg_send"))(msg, socket, flags);
    inside = NULL;
    sent_slowly++;
    return rc;
}

int zmq_close(void *socket) {
    if (socket == inside) closed_inside++;
    return ((int (*)(void *)) dlsym(RTLD_NEXT, "zmq_close"))(socket);
}

int poll(struct pollfd *polled, nfds_t count, int timeout) {
    int (*real)(struct pollfd *, nfds_t, int) = (int (*)(struct pollfd *, nfds_t, int)) dlsym(RTLD_NEXT, "poll");
    int rc = real(polled, count, timeout);
    if (!polls_slowly || count < 2 || rc <= 0) return rc;
    usleep(AWHILE);
    return real(polled, count, 0);
}
