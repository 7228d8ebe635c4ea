/* Stands before libzmq and has whoever asks for EVENTS do so some time later, so that something has come between the last
 * receive and that. Built and preloaded by test_peers.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <unistd.h>

enum { EVENTS = 15 };

static int delay;

/* Microseconds. */
void delay_events(int time) { delay = time; }

int zmq_getsockopt(void *socket, int option, void *value, size_t *size) {
    if (option == EVENTS && delay) usleep(delay);
    return ((int (*)(void *, int, void *, size_t *)) dlsym(RTLD_NEXT, "zmq_getsockopt"))(socket, option, value, size);
}
