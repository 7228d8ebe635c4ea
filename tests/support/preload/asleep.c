/* Stands before the C library and raises SIGINT in the main thread between Python's last look for signals and the sleep
 * of the hub. Built and preloaded by test_ctrl_c_asleep.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int armed;

/* SIGINT comes when the main thread goes to sleep next. */
void arm(void) {
    armed = 1;
}

static void *asleep(int sleeps, const char *name) {
    if (armed && sleeps && syscall(SYS_gettid) == getpid()) {
        armed = 0;
        raise(SIGINT);
    }
    return dlsym(RTLD_NEXT, name);
}

int epoll_wait(int set, struct epoll_event *events, int size, int timeout) {
    int (*real)(int, struct epoll_event *, int, int) = asleep(timeout != 0, "epoll_wait");
    return real(set, events, size, timeout);
}

int epoll_pwait(int set, struct epoll_event *events, int size, int timeout, const sigset_t *mask) {
    int (*real)(int, struct epoll_event *, int, int, const sigset_t *) = asleep(timeout != 0, "epoll_pwait");
    return real(set, events, size, timeout, mask);
}

int poll(struct pollfd *items, nfds_t count, int timeout) {
    int (*real)(struct pollfd *, nfds_t, int) = asleep(timeout != 0, "poll");
    return real(items, count, timeout);
}

int select(int count, fd_set *in, fd_set *out, fd_set *other, struct timeval *timeout) {
    int sleeps = timeout == NULL || timeout->tv_sec || timeout->tv_usec;
    int (*real)(int, fd_set *, fd_set *, fd_set *, struct timeval *) = asleep(sleeps, "select");
    return real(count, in, out, other, timeout);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
    int (*real)(clockid_t, int, const struct timespec *, struct timespec *) = asleep(1, "clock_nanosleep");
    return real(clock, flags, time, left);
}
