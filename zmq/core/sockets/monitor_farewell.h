/* Sockets that read a monitor's events and are closed by their users while libzmq may still write to them.

   It does so until the monitored socket is gone, and where nobody reads it waits, in the reaper's thread, and with it all
   sockets that are being closed. So the reader stays open in a native thread until libzmq has let go of it. */
#ifndef GREENZMQ_FAREWELL_H
#define GREENZMQ_FAREWELL_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <zmq.h>

#include "sockets/monitor_reader.h"
#include "waiting/quiet_threads.h"

/* Throw away what came; tell whether more may come. */
static int greenzmq_drain(void *reader) {
    return greenzmq_read_all(reader, NULL, NULL);
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
