/* What libzmq needs to start a context, tried before it does.

   A context starts its threads when its first socket is made. Where libzmq then gets no descriptor for an epoll set
   (epoll.cpp), no thread, or not the scheduling or the processors that were asked for (thread.cpp), it ends the
   process. So all of it is taken first, at the same time, and given back: what can't be had is an error. */
#ifndef GREENZMQ_RESERVE_H
#define GREENZMQ_RESERVE_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "waiting/quiet_threads.h"

#ifdef __linux__
#include <sys/epoll.h>
/* Of a thread of libzmq's: the bell of its mailbox, and its epoll set. */
enum { GREENZMQ_FDS_OF_THREAD = 2, GREENZMQ_FDS_OF_SOCKET = 1 };

static int greenzmq_take_fd(void) {
    return epoll_create1(EPOLL_CLOEXEC);
}
#else
#include <sys/socket.h>
/* A bell is a pair of sockets. */
enum { GREENZMQ_FDS_OF_THREAD = 3, GREENZMQ_FDS_OF_SOCKET = 2 };

static int greenzmq_take_fd(void) {
    return socket(AF_UNIX, SOCK_STREAM, 0);
}
#endif

/* How the threads of a context shall run; -1 for what was left as it is. */
typedef struct {
    int policy;
    int priority;
    int count;          /* of processors */
    const int *cpus;
} greenzmq_schedule;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const greenzmq_schedule *schedule;
    long ready;
    int over;
    int err;
} greenzmq_attempt;

/* What thread_t::applySchedulingParameters does, with an error in the place of an assertion. */
static int greenzmq_apply(const greenzmq_schedule *schedule) {
    struct sched_param param;
    int policy, nice_instead, err = pthread_getschedparam(pthread_self(), &policy, &param);
    if (err) return err;
    if (schedule->policy != -1) policy = schedule->policy;
    nice_instead = policy != SCHED_FIFO && policy != SCHED_RR;
    if (nice_instead) param.sched_priority = 0;
    else if (schedule->priority != -1) param.sched_priority = schedule->priority;
    err = pthread_setschedparam(pthread_self(), policy, &param);
    if (err) return err;
    if (nice_instead && schedule->priority > 0) {
        errno = 0;
        if (nice(-20) == -1) return errno ? errno : EPERM;
    }
#ifdef __linux__
    if (schedule->count) {
        cpu_set_t cpus;
        int i;
        CPU_ZERO(&cpus);
        for (i = 0; i < schedule->count; i++)
            if (schedule->cpus[i] < CPU_SETSIZE) CPU_SET(schedule->cpus[i], &cpus);
        err = pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
    }
#endif
    return err;
}

static void *greenzmq_try_thread(void *argument) {
    greenzmq_attempt *attempt = (greenzmq_attempt *) argument;
    int err = attempt->schedule ? greenzmq_apply(attempt->schedule) : 0;
    pthread_mutex_lock(&attempt->lock);
    if (err) attempt->err = err;
    attempt->ready += 1;
    pthread_cond_broadcast(&attempt->changed);
    while (!attempt->over) pthread_cond_wait(&attempt->changed, &attempt->lock);
    pthread_mutex_unlock(&attempt->lock);
    return NULL;
}

/* Have so many threads at once. Returns 0, or an error code; `scheduling` tells that not the threads but the schedule
   was refused. */
static int greenzmq_try_threads(long count, const greenzmq_schedule *schedule, int *scheduling) {
    greenzmq_attempt attempt = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0, 0, 0};
    pthread_t *threads = (pthread_t *) malloc(count * sizeof(pthread_t));
    sigset_t before;
    long made = 0, i;
    int err = 0;
    if (!threads) return ENOMEM;
    attempt.schedule = schedule;
    greenzmq_block_signals(&before);
    while (made < count && !err) {
        err = pthread_create(&threads[made], NULL, greenzmq_try_thread, &attempt);
        if (!err) made += 1;
    }
    greenzmq_unblock_signals(&before);
    pthread_mutex_lock(&attempt.lock);
    while (schedule && attempt.ready < made) pthread_cond_wait(&attempt.changed, &attempt.lock);
    attempt.over = 1;
    pthread_cond_broadcast(&attempt.changed);
    pthread_mutex_unlock(&attempt.lock);
    for (i = 0; i < made; i++) pthread_join(threads[i], NULL);
    free(threads);
    pthread_mutex_destroy(&attempt.lock);
    pthread_cond_destroy(&attempt.changed);
    if (!err && attempt.err) {
        err = attempt.err;
        *scheduling = 1;
    }
    return err;
}

/* Find out whether a context can start with so many I/O threads. `schedule` may be NULL: as threads run anyway. Returns
   0 or an error code. */
static int greenzmq_reserve(long io_threads, const greenzmq_schedule *schedule, int *scheduling) {
    /* The reaper's thread is one more. */
    long count = GREENZMQ_FDS_OF_THREAD * (io_threads + 1) + GREENZMQ_FDS_OF_SOCKET, made = 0;
    int few[16], *fds = few, err = 0;
    *scheduling = 0;
    if (count > 16) {
        fds = (int *) malloc(count * sizeof(int));
        if (!fds) return ENOMEM;
    }
    /* Threads first, for what is held last is least likely to be taken by somebody else. */
    err = greenzmq_try_threads(io_threads + 1, schedule, scheduling);
    while (!err && made < count) {
        fds[made] = greenzmq_take_fd();
        if (fds[made] < 0) err = errno;
        else made += 1;
    }
    while (made > 0) close(fds[--made]);
    if (fds != few) free(fds);
    return err;
}

#endif
