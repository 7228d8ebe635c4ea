/* Stands before libzmq and counts how often a context is terminated. Built and preloaded by test_terminating_twice.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

int terminations = 0;

int zmq_ctx_term(void *context) {
    __atomic_add_fetch(&terminations, 1, __ATOMIC_SEQ_CST);
    return ((int (*)(void *)) dlsym(RTLD_NEXT, "zmq_ctx_term"))(context);
}
