/* Native threads that no signal disturbs.

   The system may give a signal of the process to any thread that does not block it. Python's handler in C then runs
   there, and an interpreter that is computing learns of it only when something else interrupts it: Ctrl-C seems to be
   lost. A new thread blocks what the one blocked that started it, so there is no moment at which it does not. */
#ifndef GREENZMQ_QUIET_THREADS_H
#define GREENZMQ_QUIET_THREADS_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <zmq.h>

static void greenzmq_block_signals(sigset_t *before) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static void greenzmq_unblock_signals(const sigset_t *before) {
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* As pthread_create. */
static inline int greenzmq_start_thread(pthread_t *thread, void *(*run)(void *), void *argument) {
    sigset_t before;
    int rc;
    greenzmq_block_signals(&before);
    rc = pthread_create(thread, NULL, run, argument);
    greenzmq_unblock_signals(&before);
    return rc;
}

/* As zmq_socket, which starts the threads of a context that has had no socket. They block signals themselves, but only
   once they run. */
static inline void *greenzmq_socket(void *context, int type) {
    sigset_t before;
    void *socket;
    int err;
    greenzmq_block_signals(&before);
    socket = zmq_socket(context, type);
    err = errno;
    greenzmq_unblock_signals(&before);
    errno = err;
    return socket;
}

#endif
