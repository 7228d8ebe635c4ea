/* Whoever takes commands from a mailbox of libzmq asks the eventfd of its signals whether there is one (poll), reads
   it, and asks again when the commands have been taken: three system calls for a signal. Here it is read when it is
   first asked for and kept until then, and the last question is answered with "no": what comes between the last
   command and that question is in the eventfd when it is asked for next, or waited for.

   signaler.cpp of libzmq is compiled with -Dpoll=zmq_poll_signal, -Dread=zmq_read_signal and
   -Dclose=zmq_close_signals, and nothing in it is changed. There a poll is followed by the reading of what it has
   found, and that, in the mailbox, by a poll that does not wait; or by the end, of a context that was terminated. */

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* The eventfd that this thread asked last, and what of it is not told yet. */
static __thread struct {
    enum { NOTHING, SIGNALS, NO_MORE } left;
    int fd;
    uint64_t signals;
} last;

int zmq_poll_signal(struct pollfd *polled, nfds_t count, int timeout)
{
    int has_no_more = last.left == NO_MORE && last.fd == polled->fd;
    last.left = NOTHING;
    if (timeout != 0)
        return poll(polled, count, timeout);
    polled->revents = 0;
    if (has_no_more)
        return 0;
    if (read(polled->fd, &last.signals, sizeof last.signals) == sizeof last.signals) {
        last.left = SIGNALS;
        last.fd = polled->fd;
        polled->revents = POLLIN;
        return 1;
    }
    return errno == EAGAIN ? 0 : poll(polled, count, timeout);
}

ssize_t zmq_read_signal(int fd, void *signals, size_t size)
{
    if (last.left != SIGNALS || last.fd != fd) {
        ssize_t result = read(fd, &last.signals, sizeof last.signals);
        if (result != sizeof last.signals)
            return result;
        last.fd = fd;
    }
    memcpy(signals, &last.signals, size);
    /* Of more than one the others are written back. */
    last.left = last.signals == 1 ? NO_MORE : NOTHING;
    return sizeof last.signals;
}

int zmq_close_signals(int fd)
{
    if (last.fd == fd)
        last.left = NOTHING;
    return close(fd);
}
