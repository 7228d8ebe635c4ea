/* Stands before libzmq and the C library, and counts the system calls with which libzmq looks at its bells, whether it asks
   for what rang or reads it at once, and event loops at descriptors. Built and preloaded by loops/test_tasks_that_hand_over.py and sockets/test_looks_of_threads.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

long polls, waits, changes;
static __thread long polls_here;
static __thread int polled = -1;

long polls_of_this_thread(void) {
    return polls_here;
}

int poll(struct pollfd *fds, nfds_t count, int timeout) {
    static int (*real)(struct pollfd *, nfds_t, int);
    if (!real) real = dlsym(RTLD_NEXT, "poll");
    __atomic_fetch_add(&polls, 1, __ATOMIC_RELAXED);
    polls_here++;
    polled = count == 1 ? fds->fd : -1;
    return real(fds, count, timeout);
}

ssize_t read(int fd, void *buffer, size_t size) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "read");
    if (size == 8 && fd != polled) {
        __atomic_fetch_add(&polls, 1, __ATOMIC_RELAXED);
        polls_here++;
    }
    polled = -1;
    return real(fd, buffer, size);
}

/* What poll becomes where it is compiled with checks of sizes. */
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size) {
    (void) size;
    return poll(fds, count, timeout);
}

int epoll_wait(int set, struct epoll_event *events, int room, int timeout) {
    static int (*real)(int, struct epoll_event *, int, int);
    if (!real) real = dlsym(RTLD_NEXT, "epoll_wait");
    /* The I/O threads of libzmq wait without an end. */
    if (timeout >= 0) __atomic_fetch_add(&waits, 1, __ATOMIC_RELAXED);
    return real(set, events, room, timeout);
}

int epoll_ctl(int set, int what, int fd, struct epoll_event *event) {
    static int (*real)(int, int, int, struct epoll_event *);
    if (!real) real = dlsym(RTLD_NEXT, "epoll_ctl");
    __atomic_fetch_add(&changes, 1, __ATOMIC_RELAXED);
    return real(set, what, fd, event);
}
