/* What a monitor tells, read in a native thread that waits for its reader's descriptor. */
#ifndef GREENZMQ_MONITOR_READER_H
#define GREENZMQ_MONITOR_READER_H

#include <errno.h>
#include <zmq.h>

/* Read all there is and tell whether more may come. `hear`, which may be NULL, is given each frame and whether it is the
   first of its message.

   To ask for EVENTS takes the signal off the descriptor, also that of a message that comes just then: nothing else would
   tell of it, or of any after it, so it is read before anybody waits. */
static int greenzmq_read_all(void *reader, void (*hear)(void *of, zmq_msg_t *frame, int first), void *of) {
    zmq_msg_t frame;
    int first = 1, events = 0;
    size_t size = sizeof(events);
    do {
        for (;;) {
            zmq_msg_init(&frame);
            if (zmq_msg_recv(&frame, reader, ZMQ_DONTWAIT) < 0) {
                zmq_msg_close(&frame);
                if (zmq_errno() == EINTR) continue;
                break;
            }
            if (hear != NULL) hear(of, &frame, first);
            first = !zmq_msg_more(&frame);
            zmq_msg_close(&frame);
        }
        while (zmq_getsockopt(reader, ZMQ_EVENTS, &events, &size) != 0)
            if (zmq_errno() != EINTR) return 0;
    } while (events & ZMQ_POLLIN);
    /* A PAIR can send as long as there is somebody at the other end. */
    return (events & ZMQ_POLLOUT) != 0;
}

#endif
