/* Stands before libzmq and lets the peer of one socket act before the n-th call on that socket: what the I/O thread
 * or another process might do at that moment. Built and preloaded by test_interleavings.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

enum { DONTWAIT = 1 };

typedef struct { unsigned char content[64]; } msg_t;

static void *watched, *peer;
static int countdown, sends;

/* Before the n-th call on `socket` from now on `other` sends a message, or receives one. */
void interpose_arm(void *socket, void *other, int n, int send) {
    watched = socket;
    peer = other;
    countdown = n;
    sends = send;
}

/* 0 when the peer has acted. */
int interpose_left(void) {
    int left = countdown;
    countdown = 0;
    return left;
}

static void *real(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

static void called(void *socket) {
    char buffer[16];
    if (socket != watched || countdown == 0 || --countdown > 0)
        return;
    if (sends)
        ((int (*)(void *, const void *, size_t, int)) real("zmq_send"))(peer, "late", 4, DONTWAIT);
    else
        ((int (*)(void *, void *, size_t, int)) real("zmq_recv"))(peer, buffer, sizeof buffer, DONTWAIT);
}

int zmq_getsockopt(void *socket, int option, void *value, size_t *size) {
    called(socket);
    return ((int (*)(void *, int, void *, size_t *)) real("zmq_getsockopt"))(socket, option, value, size);
}

int zmq_msg_send(msg_t *msg, void *socket, int flags) {
    called(socket);
    return ((int (*)(msg_t *, void *, int)) real("zmq_msg_send"))(msg, socket, flags);
}

int zmq_msg_recv(msg_t *msg, void *socket, int flags) {
    called(socket);
    return ((int (*)(msg_t *, void *, int)) real("zmq_msg_recv"))(msg, socket, flags);
}

int zmq_send(void *socket, const void *data, size_t size, int flags) {
    called(socket);
    return ((int (*)(void *, const void *, size_t, int)) real("zmq_send"))(socket, data, size, flags);
}

int zmq_recv(void *socket, void *buffer, size_t size, int flags) {
    called(socket);
    return ((int (*)(void *, void *, size_t, int)) real("zmq_recv"))(socket, buffer, size, flags);
}
