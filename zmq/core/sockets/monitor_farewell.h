/* Sockets that read a monitor's events and are closed by their users while libzmq may still write to them.

   It does so until the monitored socket is gone, and where nobody reads it waits, in the reaper's thread, and with it all
   sockets that are being closed. So the reader stays open in a native thread until libzmq has let go of it. */
#ifndef GREENZMQ_FAREWELL_H
#define GREENZMQ_FAREWELL_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <zmq.h>

#include "waiting/quiet_threads.h"

/* Throw away what came; tell whether more may come. A PAIR can send as long as there is somebody at the other end. */
static int greenzmq_drain(void *reader) {
    zmq_msg_t msg;
    int events = 0;
    size_t size = sizeof(events);
    for (;;) {
        zmq_msg_init(&msg);
        if (zmq_msg_recv(&msg, reader, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&msg);
            if (zmq_errno() == EINTR) continue;
            break;
        }
        zmq_msg_close(&msg);
    }
    while (zmq_getsockopt(reader, ZMQ_EVENTS, &events, &size) != 0)
        if (zmq_errno() != EINTR) return 0;
    return (events & (ZMQ_POLLIN | ZMQ_POLLOUT)) != 0;
}

static void *greenzmq_read_on(void *reader) {
    struct pollfd bell = {-1, POLLIN, 0};
    size_t size = sizeof(bell.fd);
    zmq_getsockopt(reader, ZMQ_FD, &bell.fd, &size);
    while (greenzmq_drain(reader)) poll(&bell, 1, 1000);
    zmq_close(reader);
    return NULL;
}

/* Takes over the socket. Returns an error code. */
static int greenzmq_bid_farewell(void *reader) {
    pthread_t thread;
    int rc, linger = 0;
    zmq_setsockopt(reader, ZMQ_LINGER, &linger, sizeof(linger));
    rc = greenzmq_start_thread(&thread, greenzmq_read_on, reader);
    if (rc == 0) pthread_detach(thread);
    return rc;
}

#endif
