/* Stands before the C library and has a signal come when the main thread goes to sleep in poll(), so that it interrupts
 * nothing. Built and preloaded by test_unheard_signals.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAIN, OTHER, ASLEEP };

/* Milliseconds: what is shorter is the rest of a sleep, where libzmq's clock says that it was a little too short. */
enum { SLEEP = 50 };

static int armed, number, way;

/* It comes with the n-th sleep from now on: to the main thread just before that, to another one before that, or to
 * another one while the main thread sleeps. */
void arm(int signal, int where, int n) {
    number = signal;
    way = where;
    armed = n;
}

/* 0 when it has come. */
int left(void) {
    int n = armed;
    armed = 0;
    return n;
}

static int sleeps(void) {
    char path[64], line[256] = "";
    char *state;
    FILE *file;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int) getpid());
    file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL) return 1;
    fclose(file);
    state = strrchr(line, ')');
    return state == NULL || state[2] == 'S';
}

static void *get_signal(void *asleep) {
    while (asleep && !sleeps()) usleep(100);
    raise(number);
    return NULL;
}

int poll(struct pollfd *items, nfds_t count, int timeout) {
    static int (*real)(struct pollfd *, nfds_t, int);
    pthread_t other;
    if (real == NULL) real = dlsym(RTLD_NEXT, "poll");
    if (armed && (timeout < 0 || timeout >= SLEEP) && syscall(SYS_gettid) == getpid() && --armed == 0) {
        if (way == MAIN) raise(number);
        else if (pthread_create(&other, NULL, get_signal, way == ASLEEP ? &other : NULL) == 0) {
            if (way == OTHER) pthread_join(other, NULL);
            else pthread_detach(other);
        }
    }
    return real(items, count, timeout);
}
