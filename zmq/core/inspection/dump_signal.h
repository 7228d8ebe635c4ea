/* A signal that has a thread of Python woken, and notices when that thread does not get the interpreter.

   The handler writes one byte to a pipe, which a signal may do at any moment. A thread that knows nothing of Python reads
   it, wakes the one that writes the dump, and waits for it to say that it runs. Where it does not, because something
   holds the GIL and does not come back, faulthandler's handler is called, which shows the stacks of all threads without
   the GIL. It was registered for the same signal first, so it knows where to write. */
#ifndef GREENZMQ_DUMP_SIGNAL_H
#define GREENZMQ_DUMP_SIGNAL_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "waiting/quiet_threads.h"

#define GREENZMQ_SIGNALS 65

/* Of one process; the child of a fork makes others. Each is read at one end and written to at the other. */
static struct {
    volatile pid_t pid;
    int from_handler[2];    /* signals */
    int to_python[2];       /* signals, for the thread of Python */
    int from_python[2];     /* a byte for each signal that it has begun with */
    int patience;           /* milliseconds until the interpreter is given up */
} greenzmq_dump;

/* Held while faulthandler's handler is called, and by whoever says that the interpreter ends: from then on there is no
   faulthandler. */
static pthread_mutex_t greenzmq_dump_faulting = PTHREAD_MUTEX_INITIALIZER;
static int greenzmq_dump_ends = 0;

/* Where to write what faulthandler shows, -1 for nowhere, and its handler. */
static volatile int greenzmq_dump_fd[GREENZMQ_SIGNALS];
static void (*volatile greenzmq_dump_fault[GREENZMQ_SIGNALS])(int);

static void greenzmq_dump_say(int fd, const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t done = write(fd, text, left);
        if (done < 0 && errno != EINTR) return;
        if (done > 0) {
            text += done;
            left -= (size_t) done;
        }
    }
}

static void greenzmq_dump_handler(int number) {
    int err = errno;
    unsigned char byte = (unsigned char) number;
    /* Between a fork and what makes its pipes the child has those of its parent. */
    if (greenzmq_dump.pid == getpid() && write(greenzmq_dump.from_handler[1], &byte, 1) < 0) {
        /* Many are on their way. */
    }
    errno = err;
}

static void *greenzmq_dump_guard(void *unused) {
    unsigned char number, found[64];
    struct pollfd answer;
    char text[200];
    (void) unused;
    answer.fd = greenzmq_dump.from_python[0];
    answer.events = POLLIN;
    for (;;) {
        ssize_t size = read(greenzmq_dump.from_handler[0], &number, 1);
        int rc;
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return NULL;
        if (write(greenzmq_dump.to_python[1], &number, 1) < 0) continue;
        rc = poll(&answer, 1, greenzmq_dump.patience);
        if (rc > 0) {
            if (read(answer.fd, found, 1) < 0) return NULL;
            continue;
        }
        if (number < GREENZMQ_SIGNALS && greenzmq_dump_fd[number] >= 0) {
            int fd = greenzmq_dump_fd[number];
            snprintf(
                text, sizeof(text),
                "\n==== zmq: process %ld, signal %d: nobody could take the interpreter's lock for %.1f seconds.\n"
                "Something in C holds it. All that can be seen without it are the stacks of the threads:\n",
                (long) getpid(), number, greenzmq_dump.patience / 1000.0
            );
            pthread_mutex_lock(&greenzmq_dump_faulting);
            if (!greenzmq_dump_ends) {
                greenzmq_dump_say(fd, text);
                if (greenzmq_dump_fault[number] != NULL) greenzmq_dump_fault[number](number);
                greenzmq_dump_say(fd, "The rest follows when the lock is given up.\n");
            }
            pthread_mutex_unlock(&greenzmq_dump_faulting);
        }
        /* The dump itself comes when it can. No other signal is looked at before. */
        while (poll(&answer, 1, -1) < 0 && errno == EINTR) {
        }
        if (read(answer.fd, found, 1) < 0) return NULL;
    }
}

static int greenzmq_dump_pipe(int ends[2]) {
    if (pipe(ends) != 0) return errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

/* Have the pipes and the thread of this process. Returns 0 or an error code; what was opened then stays open. */
static int greenzmq_dump_begin(int patience) {
    pthread_t thread;
    int err = greenzmq_dump_pipe(greenzmq_dump.from_handler);
    if (err == 0) err = greenzmq_dump_pipe(greenzmq_dump.to_python);
    if (err == 0) err = greenzmq_dump_pipe(greenzmq_dump.from_python);
    if (err != 0) return err;
    /* A handler never waits. */
    fcntl(greenzmq_dump.from_handler[1], F_SETFL, O_NONBLOCK);
    greenzmq_dump.patience = patience;
    err = greenzmq_start_thread(&thread, greenzmq_dump_guard, NULL);
    if (err != 0) return err;
    pthread_detach(thread);
    greenzmq_dump.pid = getpid();
    return 0;
}

/* In the child of a fork: close what is its parent's. */
static void greenzmq_dump_forget(void) {
    int *ends[3] = {greenzmq_dump.from_handler, greenzmq_dump.to_python, greenzmq_dump.from_python};
    pthread_mutex_init(&greenzmq_dump_faulting, NULL);
    greenzmq_dump.pid = 0;
    for (int i = 0; i < 3; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
}

/* Take the place of faulthandler's handler. */
static int greenzmq_dump_catch(int number, int fd) {
    struct sigaction ours, before;
    if (number <= 0 || number >= GREENZMQ_SIGNALS) return EINVAL;
    memset(&ours, 0, sizeof(ours));
    ours.sa_handler = greenzmq_dump_handler;
    ours.sa_flags = SA_RESTART;
    sigemptyset(&ours.sa_mask);
    if (sigaction(number, NULL, &before) != 0) return errno;
    if (before.sa_handler != greenzmq_dump_handler && !(before.sa_flags & SA_SIGINFO))
        greenzmq_dump_fault[number] = before.sa_handler;
    greenzmq_dump_fd[number] = fd;
    return sigaction(number, &ours, NULL) == 0 ? 0 : errno;
}

static void greenzmq_dump_release(int number) {
    greenzmq_dump_fd[number] = -1;
    greenzmq_dump_fault[number] = NULL;
}

/* The interpreter ends. The caller does not hold the GIL: stacks may be being shown because nobody gets it. */
static void greenzmq_dump_end(void) {
    pthread_mutex_lock(&greenzmq_dump_faulting);
    greenzmq_dump_ends = 1;
    pthread_mutex_unlock(&greenzmq_dump_faulting);
}

#endif
