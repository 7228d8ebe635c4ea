/* What an older libzmq, or one without its draft API, lacks.

   Every function declared in libzmq.pxd exists after this header; one that the libzmq we build
   against does not have fails with ENOTSUP. Nothing else may test libzmq's version at compile time. */
#ifndef GREENZMQ_COMPAT_H
#define GREENZMQ_COMPAT_H

#include <errno.h>
#include <stdatomic.h>
#include <sys/un.h>
#include <zmq.h>

#if ZMQ_VERSION < ZMQ_MAKE_VERSION(4, 2, 0)
#error "greenzmq needs libzmq 4.2 or newer"
#endif

#define GREENZMQ_IPC_PATH_MAX ((int) sizeof(((struct sockaddr_un *) 0)->sun_path) - 1)

/* Where this libzmq and its headers are, if not in the system's folders; setup.py says. */
#ifndef GREENZMQ_INCLUDE_DIRS
#define GREENZMQ_INCLUDE_DIRS ""
#endif
#ifndef GREENZMQ_LIBRARY_DIRS
#define GREENZMQ_LIBRARY_DIRS ""
#endif

#ifdef ZMQ_BUILD_DRAFT_API
#define GREENZMQ_DRAFT 1
#else
#define GREENZMQ_DRAFT 0

static inline int greenzmq_lacking(void) {
    errno = ENOTSUP;
    return -1;
}
#define zmq_join(socket, group) (greenzmq_lacking())
#define zmq_leave(socket, group) (greenzmq_lacking())
#define zmq_msg_set_routing_id(msg, routing_id) (greenzmq_lacking())
#define zmq_msg_set_group(msg, group) (greenzmq_lacking())
#define zmq_msg_routing_id(msg) ((uint32_t) 0)
#define zmq_msg_group(msg) ((const char *) "")
#endif

/* Thread-safe sockets, which are draft, have no ZMQ_FD; a zmq_poller has one that speaks for them. */
#if GREENZMQ_DRAFT && ZMQ_VERSION >= ZMQ_MAKE_VERSION(4, 3, 2)
static inline void *greenzmq_bell_new(void *socket, int *fd) {
    void *bell = zmq_poller_new();
    if (bell && (zmq_poller_add(bell, socket, NULL, ZMQ_POLLIN) != 0 || zmq_poller_fd(bell, fd) != 0)) {
        int error = errno;
        zmq_poller_destroy(&bell);
        errno = error;
        return NULL;
    }
    return bell;
}
static inline void greenzmq_bell_still(void *bell) {
    zmq_poller_event_t event;
    zmq_poller_wait(bell, &event, 0);
}
static inline void greenzmq_bell_close(void *bell) {
    zmq_poller_destroy(&bell);
}
#else
static inline void *greenzmq_bell_new(void *socket, int *fd) {
    (void) socket;
    (void) fd;
    errno = ENOTSUP;
    return NULL;
}
static inline void greenzmq_bell_still(void *bell) { (void) bell; }
static inline void greenzmq_bell_close(void *bell) { (void) bell; }
#endif

#endif
