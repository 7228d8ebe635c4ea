/* Whether bells, the descriptors of sockets' mailboxes, rang while somebody was not looking.

   The sweep alarm wants to know whether a message was there before it read EVENTS, although the bell was silent; then
   a wake-up was missed. A message that comes after the look at the bell rings it, and reading EVENTS stills it again,
   so looking at the descriptor before and after tells nothing. But the bell is an eventfd (signaler_t), which is
   always writable, and an edge-triggered epoll set reports a descriptor that is watched for both directions
   whenever anything was written to it or read from it, whatever its state is by then (ep_poll_callback). */
#ifndef GREENZMQ_BELL_H
#define GREENZMQ_BELL_H

#include <poll.h>

enum {
    GREENZMQ_BELLS = 64,        /* at a time */
    /* Of a bell. */
    GREENZMQ_SILENT = 0,        /* since listening began */
    GREENZMQ_RINGS,             /* when listening began */
    GREENZMQ_HEARD,             /* it rang or was stilled meanwhile */
    GREENZMQ_DEAF,              /* it can't be listened to */
};

#ifdef __linux__
#include <sys/epoll.h>
#include <unistd.h>

/* Begin to listen to up to GREENZMQ_BELLS bells, whose states are stored. Returns what `greenzmq_end_listening` takes.

   A bell that is there twice is listened to once. */
static int greenzmq_listen(const int *bells, int count, unsigned char *states) {
    struct epoll_event found[GREENZMQ_BELLS], event = {EPOLLIN | EPOLLOUT | EPOLLET, {0}};
    int i, ears = epoll_create1(EPOLL_CLOEXEC);
    for (i = 0; i < count; i++) {
        states[i] = GREENZMQ_DEAF;
        event.data.u32 = (unsigned) i;
        if (ears >= 0) epoll_ctl(ears, EPOLL_CTL_ADD, bells[i], &event);
    }
    if (ears < 0) return -1;
    /* The first report is the state of now. A descriptor that is not writable is no eventfd. */
    for (i = epoll_wait(ears, found, count, 0) - 1; i >= 0; i--) {
        if (found[i].events & EPOLLIN) states[found[i].data.u32] = GREENZMQ_RINGS;
        else if (found[i].events == EPOLLOUT) states[found[i].data.u32] = GREENZMQ_SILENT;
    }
    return ears;
}

/* End listening, and change the states of the bells that were not silent. */
static void greenzmq_end_listening(int ears, int count, unsigned char *states) {
    struct epoll_event found[GREENZMQ_BELLS];
    int i;
    if (ears < 0) return;
    for (i = epoll_wait(ears, found, count, 0) - 1; i >= 0; i--) {
        if (states[found[i].data.u32] == GREENZMQ_SILENT) states[found[i].data.u32] = GREENZMQ_HEARD;
    }
    close(ears);
}
#else
static int greenzmq_listen(const int *bells, int count, unsigned char *states) {
    struct pollfd items[GREENZMQ_BELLS];
    int i;
    for (i = 0; i < count; i++) {
        items[i].fd = bells[i];
        items[i].events = POLLIN;
        items[i].revents = 0;
    }
    poll(items, count, 0);
    for (i = 0; i < count; i++) states[i] = items[i].revents & POLLIN ? GREENZMQ_RINGS : GREENZMQ_DEAF;
    return -1;
}

static void greenzmq_end_listening(int ears, int count, unsigned char *states) {
    (void) ears;
    (void) count;
    (void) states;
}
#endif

#endif
