/* Stands before libzmq and has a signal come in the midst of a receive. Built and preloaded by
 * test_interrupted_receives.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>

static int countdown;

/* The n-th frame that is received from now on takes two calls: the first is interrupted. 0 for none. */
void interrupt_at(int n) {
    countdown = n;
}

/* 0 when that has happened. */
int interruptions_left(void) {
    return countdown;
}

int zmq_msg_recv(void *msg, void *socket, int flags) {
    static int (*receive)(void *, void *, int);
    if (countdown != 0 && --countdown == 0) {
        errno = EINTR;
        return -1;
    }
    if (receive == 0)
        receive = (int (*)(void *, void *, int)) dlsym(RTLD_NEXT, "zmq_msg_recv");
    return receive(msg, socket, flags);
}
