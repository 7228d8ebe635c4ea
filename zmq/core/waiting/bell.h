/* Whether a bell, the descriptor of a socket's mailbox, rang while somebody was not looking.

   The sweep alarm wants to know whether a message was there before it read EVENTS, although the bell was silent; then
   a wake-up was missed. A message that comes after the look at the bell rings it, and reading EVENTS stills it again,
   so looking at the descriptor before and after tells nothing. But the bell is an eventfd (signaler_t), which is
   always writable, and an edge-triggered epoll set reports a descriptor that is watched for both directions
   whenever anything was written to it or read from it, whatever its state is by then (ep_poll_callback). */
#ifndef GREENZMQ_BELL_H
#define GREENZMQ_BELL_H

#include <poll.h>

enum { GREENZMQ_RINGS = -1, GREENZMQ_DEAF = -2 };

#ifdef __linux__
#include <sys/epoll.h>
#include <unistd.h>

/* Begin to listen to a silent bell. Returns what `greenzmq_heard` takes, or GREENZMQ_RINGS, or GREENZMQ_DEAF where
   it can't be listened to. */
static int greenzmq_listen(int bell) {
    struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET, {0}};
    int ear = epoll_create1(EPOLL_CLOEXEC);
    int found = -1;
    if (ear < 0) return GREENZMQ_DEAF;
    if (epoll_ctl(ear, EPOLL_CTL_ADD, bell, &event) == 0) found = epoll_wait(ear, &event, 1, 0);
    /* The first report is the state of now. A descriptor that is not writable is no eventfd. */
    if (found == 1 && event.events == EPOLLOUT) return ear;
    close(ear);
    return found == 1 && event.events & EPOLLIN ? GREENZMQ_RINGS : GREENZMQ_DEAF;
}

/* End listening; tell whether the bell rang or was stilled meanwhile. */
static int greenzmq_heard(int ear) {
    struct epoll_event event;
    int found = epoll_wait(ear, &event, 1, 0);
    close(ear);
    return found != 0;
}
#else
static int greenzmq_listen(int bell) {
    struct pollfd item = {bell, POLLIN, 0};
    return poll(&item, 1, 0) > 0 ? GREENZMQ_RINGS : GREENZMQ_DEAF;
}

static int greenzmq_heard(int ear) {
    (void) ear;
    return 1;
}
#endif

#endif
