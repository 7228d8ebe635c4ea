/* Stands before libzmq and has the next socket get a handle that is known: as if the socket that had it was closed
 * behind the package's back. Built and preloaded by test_reused_handles.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

static void *next;

void hand_on(void *handle) {
    next = handle;
}

void *zmq_socket(void *context, int type) {
    void *handle = next;
    next = NULL;
    return handle != NULL ? handle : ((void *(*)(void *, int)) dlsym(RTLD_NEXT, "zmq_socket"))(context, type);
}
