/* Contexts that are terminated in native threads.

   zmq_ctx_term waits until every socket is closed and has sent what LINGER lets it send. A green caller parks
   meanwhile on a pipe; a garbage collector must not wait at all; the end of the interpreter waits only so long. */
#ifndef GREENZMQ_TERMINATION_THREADS_H
#define GREENZMQ_TERMINATION_THREADS_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "waiting/quiet_threads.h"

static pthread_mutex_t greenzmq_ending_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t greenzmq_ended_cond = PTHREAD_COND_INITIALIZER;
static int greenzmq_endings = 0;

typedef struct {
    void *context;
    int fd;         /* closed, after a byte was written, when the context is gone; or -1 */
} greenzmq_ending;

static void *greenzmq_end(void *argument) {
    greenzmq_ending *ending = (greenzmq_ending *) argument;
    while (zmq_ctx_term(ending->context) != 0 && zmq_errno() == EINTR) {}
    if (ending->fd >= 0) {
        ssize_t written = write(ending->fd, "", 1);
        (void) written;
        close(ending->fd);
    }
    free(ending);
    pthread_mutex_lock(&greenzmq_ending_lock);
    greenzmq_endings -= 1;
    pthread_cond_broadcast(&greenzmq_ended_cond);
    pthread_mutex_unlock(&greenzmq_ending_lock);
    return NULL;
}

static void greenzmq_ending_child(void) {
    pthread_mutex_init(&greenzmq_ending_lock, NULL);
    pthread_cond_init(&greenzmq_ended_cond, NULL);
    greenzmq_endings = 0;
}

/* Takes over the context and the descriptor. Returns an error code. */
static int greenzmq_begin_ending(void *context, int fd) {
    static int registered = 0;
    pthread_t thread;
    int rc;
    greenzmq_ending *ending = (greenzmq_ending *) malloc(sizeof(greenzmq_ending));
    if (!ending) return ENOMEM;
    ending->context = context;
    ending->fd = fd;
    if (!registered) {
        registered = 1;
        pthread_atfork(NULL, NULL, greenzmq_ending_child);
    }
    pthread_mutex_lock(&greenzmq_ending_lock);
    greenzmq_endings += 1;
    pthread_mutex_unlock(&greenzmq_ending_lock);
    rc = greenzmq_start_thread(&thread, greenzmq_end, ending);
    if (rc) {
        pthread_mutex_lock(&greenzmq_ending_lock);
        greenzmq_endings -= 1;
        pthread_mutex_unlock(&greenzmq_ending_lock);
        free(ending);
        return rc;
    }
    pthread_detach(thread);
    return 0;
}

/* Wait until all are gone, but no longer than this; tell whether they are. */
static int greenzmq_await_endings(double seconds) {
    struct timespec until;
    int left;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t) seconds;
    until.tv_nsec += (long) ((seconds - (double) (time_t) seconds) * 1e9);
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec += 1;
    }
    pthread_mutex_lock(&greenzmq_ending_lock);
    while (greenzmq_endings > 0
           && pthread_cond_timedwait(&greenzmq_ended_cond, &greenzmq_ending_lock, &until) != ETIMEDOUT) {}
    left = greenzmq_endings;
    pthread_mutex_unlock(&greenzmq_ending_lock);
    return left <= 0;
}

#endif
