/* Stands before the C library and counts the native threads that libzmq and the package start, and those of them that a
 * signal could come to. Built and preloaded by test_quiet_threads.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

int started, disturbed;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    Dl_info caller;
    sigset_t blocked;
    /* The folder of the project, which may have Python in it, may have any name. */
    if (dladdr(__builtin_return_address(0), &caller) &&
        (strstr(caller.dli_fname, "/zmq/core/") || strstr(caller.dli_fname, "/libzmq"))) {
        pthread_sigmask(SIG_SETMASK, NULL, &blocked);
        started += 1;
        disturbed += !(sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGUSR1));
    }
    return real(thread, attributes, run, argument);
}
