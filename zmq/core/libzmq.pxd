# The only place where libzmq is declared. Nothing of ours lives here; everybody cimports from here.

from libc.stdint cimport uint32_t

cdef extern from "zmq_compat.h" nogil:
    int ZMQ_VERSION
    int GREENZMQ_DRAFT
    int GREENZMQ_IPC_PATH_MAX
    const char *GREENZMQ_INCLUDE_DIRS
    const char *GREENZMQ_LIBRARY_DIRS

    enum:
        ENOTSUP
        ENOTSOCK
        EADDRINUSE
        EFSM
        ETERM

    enum:
        ZMQ_DONTWAIT
        ZMQ_SNDMORE
        ZMQ_POLLIN
        ZMQ_POLLOUT
        ZMQ_POLLERR
        ZMQ_POLLPRI
        ZMQ_MORE
        ZMQ_SHARED
        ZMQ_FD
        ZMQ_EVENTS
        ZMQ_RCVMORE
        ZMQ_TYPE
        ZMQ_BACKLOG
        ZMQ_LINGER
        ZMQ_RCVHWM
        ZMQ_RCVTIMEO
        ZMQ_SNDHWM
        ZMQ_SNDTIMEO
        ZMQ_LAST_ENDPOINT
        ZMQ_EVENT_ALL
        ZMQ_MAX_SOCKETS
        ZMQ_IO_THREADS
        ZMQ_MAX_MSGSZ
        ZMQ_THREAD_PRIORITY
        ZMQ_THREAD_SCHED_POLICY

    enum:
        ZMQ_PAIR
        ZMQ_PUB
        ZMQ_SUB
        ZMQ_REQ
        ZMQ_REP
        ZMQ_DEALER
        ZMQ_ROUTER
        ZMQ_PULL
        ZMQ_PUSH
        ZMQ_XPUB
        ZMQ_XSUB
        ZMQ_STREAM

    int zmq_errno()
    const char *zmq_strerror(int errnum)
    void zmq_version(int *major, int *minor, int *patch)
    int zmq_has(const char *capability)

    void *zmq_ctx_new()
    int zmq_ctx_term(void *context)
    int zmq_ctx_shutdown(void *context)
    int zmq_ctx_set(void *context, int option, int optval)
    int zmq_ctx_get(void *context, int option)

    ctypedef struct zmq_msg_t:
        pass
    ctypedef void zmq_free_fn(void *data, void *hint) noexcept nogil
    int zmq_msg_init(zmq_msg_t *msg)
    int zmq_msg_init_size(zmq_msg_t *msg, size_t size)
    int zmq_msg_init_data(zmq_msg_t *msg, void *data, size_t size, zmq_free_fn *ffn, void *hint)
    int zmq_msg_send(zmq_msg_t *msg, void *s, int flags)
    int zmq_msg_recv(zmq_msg_t *msg, void *s, int flags)
    int zmq_msg_close(zmq_msg_t *msg)
    int zmq_msg_move(zmq_msg_t *dest, zmq_msg_t *src)
    int zmq_msg_copy(zmq_msg_t *dest, zmq_msg_t *src)
    void *zmq_msg_data(zmq_msg_t *msg)
    size_t zmq_msg_size(const zmq_msg_t *msg)
    int zmq_msg_more(const zmq_msg_t *msg)
    int zmq_msg_get(const zmq_msg_t *msg, int option)
    int zmq_msg_set(zmq_msg_t *msg, int option, int optval)
    const char *zmq_msg_gets(const zmq_msg_t *msg, const char *property)

    void *zmq_socket(void *context, int type)
    int zmq_close(void *s)
    int zmq_setsockopt(void *s, int option, const void *optval, size_t optvallen)
    int zmq_getsockopt(void *s, int option, void *optval, size_t *optvallen)
    int zmq_bind(void *s, const char *addr)
    int zmq_connect(void *s, const char *addr)
    int zmq_unbind(void *s, const char *addr)
    int zmq_disconnect(void *s, const char *addr)
    int zmq_send(void *s, const void *buf, size_t len, int flags)
    int zmq_recv(void *s, void *buf, size_t len, int flags)
    int zmq_socket_monitor(void *s, const char *addr, int events)

    ctypedef struct zmq_pollitem_t:
        void *socket
        int fd
        short events
        short revents
    int zmq_poll(zmq_pollitem_t *items, int nitems, long timeout)

    int zmq_proxy(void *frontend, void *backend, void *capture)
    int zmq_proxy_steerable(void *frontend, void *backend, void *capture, void *control)

    int zmq_curve_keypair(char *z85_public_key, char *z85_secret_key)
    int zmq_curve_public(char *z85_public_key, const char *z85_secret_key)

    # Draft API; fails with ENOTSUP where libzmq was built without it.
    int zmq_join(void *s, const char *group)
    int zmq_leave(void *s, const char *group)
    int zmq_msg_set_routing_id(zmq_msg_t *msg, uint32_t routing_id)
    uint32_t zmq_msg_routing_id(zmq_msg_t *msg)
    int zmq_msg_set_group(zmq_msg_t *msg, const char *group)
    const char *zmq_msg_group(zmq_msg_t *msg)

    # A descriptor for a thread-safe socket, which is draft and has no ZMQ_FD of its own.
    void *bell_new "greenzmq_bell_new"(void *socket, int *fd)
    void bell_still "greenzmq_bell_still"(void *bell)
    void bell_close "greenzmq_bell_close"(void *bell)
