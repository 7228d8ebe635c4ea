/* A native thread that counts what the monitors of sockets tell of connections.

   It knows nothing of Python, so it needs no GIL, and no hub is asked to run. It has all readers, one for each monitored
   socket, to itself: whoever begins to watch a socket makes the reader and hands it over under the lock. A reader is
   closed when libzmq has let go of the other end, as the monitored socket was closed or got another monitor, and when
   its context ends, which waits for that. The thread ends when it has none left. */
#ifndef GREENZMQ_PEERS_H
#define GREENZMQ_PEERS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "sockets/monitor_reader.h"
#include "waiting/quiet_threads.h"

/* In the order of those in waiting/counters.pxd. */
enum {
    GREENZMQ_CONNECTED,
    GREENZMQ_ACCEPTED,
    GREENZMQ_READY,
    GREENZMQ_DISCONNECTED,
    GREENZMQ_RETRIED,
    GREENZMQ_NOT_ACCEPTED,
    GREENZMQ_REFUSED_AUTHENTICATION,
    GREENZMQ_REFUSED_MECHANISM,
    GREENZMQ_REFUSED_CRYPTOGRAPHIC,
    GREENZMQ_REFUSED_PROTOCOL,
    GREENZMQ_REFUSED_ZAP,
    GREENZMQ_REFUSED_UNKNOWN,
    GREENZMQ_PEER_EVENTS
};

typedef struct {
    uint64_t numbers[GREENZMQ_PEER_EVENTS];
    int watched;    /* how many of the thread's watches are for it: the next may begin before one is over */
    int owners;     /* the object of Python, and the thread while it watches */
} greenzmq_peers;

typedef struct greenzmq_watch {
    struct greenzmq_watch *next;
    void *reader;
    int fd;
    greenzmq_peers *peers;
} greenzmq_watch;

static struct {
    pthread_mutex_t lock;
    greenzmq_watch *handed_over;    /* the thread takes them */
    int running;
    int bell[2];                    /* a pipe: there are new ones */
} greenzmq_peers_thread = {PTHREAD_MUTEX_INITIALIZER, NULL, 0, {-1, -1}};

static uint64_t greenzmq_peers_read(greenzmq_peers *peers, int number) {
    return __atomic_load_n(&peers->numbers[number], __ATOMIC_RELAXED);
}

static int greenzmq_peers_watched(greenzmq_peers *peers) {
    return __atomic_load_n(&peers->watched, __ATOMIC_ACQUIRE);
}

static void greenzmq_peers_let_go(greenzmq_peers *peers) {
    if (__atomic_sub_fetch(&peers->owners, 1, __ATOMIC_ACQ_REL) == 0) free(peers);
}

static int greenzmq_peer_event(uint16_t event, uint32_t value) {
    switch (event) {
        case 1: return GREENZMQ_CONNECTED;
        case 4: return GREENZMQ_RETRIED;
        case 32: return GREENZMQ_ACCEPTED;
        case 64: return GREENZMQ_NOT_ACCEPTED;
        case 512: return GREENZMQ_DISCONNECTED;
        case 2048: return GREENZMQ_REFUSED_UNKNOWN;
        case 4096: return GREENZMQ_READY;
        case 8192:
            if (value == 0x11000001) return GREENZMQ_REFUSED_CRYPTOGRAPHIC;
            if (value == 0x11000002) return GREENZMQ_REFUSED_MECHANISM;
            return value >> 28 == 2 ? GREENZMQ_REFUSED_ZAP : GREENZMQ_REFUSED_PROTOCOL;
        case 16384: return GREENZMQ_REFUSED_AUTHENTICATION;
        default: return -1;
    }
}

static void greenzmq_peers_hear(void *peers, zmq_msg_t *frame, int first) {
    uint16_t event;
    uint32_t value;
    int number;
    if (!first || zmq_msg_size(frame) != sizeof(event) + sizeof(value)) return;
    memcpy(&event, zmq_msg_data(frame), sizeof(event));
    memcpy(&value, (char *) zmq_msg_data(frame) + sizeof(event), sizeof(value));
    number = greenzmq_peer_event(event, value);
    if (number >= 0) __atomic_fetch_add(&((greenzmq_peers *) peers)->numbers[number], 1, __ATOMIC_RELAXED);
}

static void *greenzmq_peers_run(void *unused) {
    greenzmq_watch *watches = NULL, **place, *watch;
    struct pollfd own[64], *fds = own;
    size_t room = 64, count, i;
    char drained[64];
    (void) unused;
    for (;;) {
        pthread_mutex_lock(&greenzmq_peers_thread.lock);
        while ((watch = greenzmq_peers_thread.handed_over) != NULL) {
            greenzmq_peers_thread.handed_over = watch->next;
            watch->next = watches;
            watches = watch;
        }
        pthread_mutex_unlock(&greenzmq_peers_thread.lock);
        /* Also those that did not ring: a bell that rang while it was new is still. */
        for (place = &watches; (watch = *place) != NULL;) {
            if (greenzmq_read_all(watch->reader, greenzmq_peers_hear, watch->peers)) {
                place = &watch->next;
                continue;
            }
            *place = watch->next;
            zmq_close(watch->reader);
            __atomic_sub_fetch(&watch->peers->watched, 1, __ATOMIC_ACQ_REL);
            greenzmq_peers_let_go(watch->peers);
            free(watch);
        }
        pthread_mutex_lock(&greenzmq_peers_thread.lock);
        if (watches == NULL && greenzmq_peers_thread.handed_over == NULL) {
            greenzmq_peers_thread.running = 0;
            close(greenzmq_peers_thread.bell[0]);
            close(greenzmq_peers_thread.bell[1]);
            pthread_mutex_unlock(&greenzmq_peers_thread.lock);
            if (fds != own) free(fds);
            return NULL;
        }
        pthread_mutex_unlock(&greenzmq_peers_thread.lock);
        for (count = 1, watch = watches; watch != NULL; watch = watch->next) count++;
        if (count > room) {
            struct pollfd *larger = malloc(2 * count * sizeof(struct pollfd));
            if (larger != NULL) {
                if (fds != own) free(fds);
                fds = larger;
                room = 2 * count;
            }
        }
        fds[0].fd = greenzmq_peers_thread.bell[0];
        fds[0].events = POLLIN;
        for (i = 1, watch = watches; watch != NULL && i < room; watch = watch->next, i++) {
            fds[i].fd = watch->fd;
            fds[i].events = POLLIN;
        }
        /* Where memory is short some are looked at now and then. */
        if (poll(fds, i, i < count ? 100 : -1) > 0 && fds[0].revents)
            if (read(fds[0].fd, drained, sizeof(drained)) < 0) continue;
    }
}

/* Has the thread count what a connected reader hears. Takes the reader over. Returns an error code. */
static int greenzmq_peers_watch(greenzmq_peers *peers, void *reader) {
    greenzmq_watch *watch = malloc(sizeof(greenzmq_watch));
    size_t size = sizeof(int);
    pthread_t thread;
    int err = 0;
    if (watch == NULL) return ENOMEM;
    watch->reader = reader;
    watch->peers = peers;
    if (zmq_getsockopt(reader, ZMQ_FD, &watch->fd, &size) != 0) {
        free(watch);
        return zmq_errno();
    }
    pthread_mutex_lock(&greenzmq_peers_thread.lock);
    if (!greenzmq_peers_thread.running) {
        err = pipe(greenzmq_peers_thread.bell) == 0 ? 0 : errno;
        if (err == 0) {
            int i;
            for (i = 0; i < 2; i++) {
                fcntl(greenzmq_peers_thread.bell[i], F_SETFD, FD_CLOEXEC);
                fcntl(greenzmq_peers_thread.bell[i], F_SETFL, O_NONBLOCK);
            }
        }
    }
    if (err == 0) {
        watch->next = greenzmq_peers_thread.handed_over;
        greenzmq_peers_thread.handed_over = watch;
        __atomic_add_fetch(&peers->owners, 1, __ATOMIC_ACQ_REL);
        __atomic_add_fetch(&peers->watched, 1, __ATOMIC_ACQ_REL);
        if (greenzmq_peers_thread.running) {
            if (write(greenzmq_peers_thread.bell[1], "", 1) < 0) {
                /* It is full of what was written before. */
            }
        } else {
            err = greenzmq_start_thread(&thread, greenzmq_peers_run, NULL);
            if (err == 0) {
                greenzmq_peers_thread.running = 1;
                pthread_detach(thread);
            } else {
                greenzmq_peers_thread.handed_over = watch->next;
                peers->watched--;
                peers->owners--;
                close(greenzmq_peers_thread.bell[0]);
                close(greenzmq_peers_thread.bell[1]);
            }
        }
    }
    pthread_mutex_unlock(&greenzmq_peers_thread.lock);
    if (err) free(watch);
    return err;
}

/* In the child of a fork, which has no thread, and nothing of what it watched. */
static void greenzmq_peers_forked(void) {
    pthread_mutex_init(&greenzmq_peers_thread.lock, NULL);
    greenzmq_peers_thread.handed_over = NULL;
    if (greenzmq_peers_thread.running) {
        greenzmq_peers_thread.running = 0;
        close(greenzmq_peers_thread.bell[0]);
        close(greenzmq_peers_thread.bell[1]);
    }
}

#endif
