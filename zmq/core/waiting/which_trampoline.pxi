# Which trampoline is whose, and what those leave that are gone: a part of trampoline.pyx.

cdef Trampoline trampoline_of(void *handle):
    """Return the one trampoline of a socket."""
    cdef Trampoline trampoline = known_trampoline(handle)
    cdef int socket_type = -1
    cdef size_t size = sizeof(int)
    if trampoline is None or trampoline.born != fork_generation.current:
        trampoline = Trampoline.__new__(Trampoline)
        trampoline.handle = handle
        zmq_getsockopt(handle, ZMQ_TYPE, &socket_type, &size)
        if socket_type in (ZMQ_ROUTER, ZMQ_STREAM, ZMQ_PUB, ZMQ_XPUB, SERVER, PEER, RADIO):
            trampoline.routed = RoutedSenders()
            trampoline.routed.trampoline = trampoline.weak
            trampoline.routed.senders = trampoline.senders
            trampoline.routed.by_number = socket_type in (SERVER, PEER)
            trampoline.routed.by_peer = socket_type in (ZMQ_ROUTER, ZMQ_STREAM, SERVER, PEER)
        trampolines[<size_t> handle] = trampoline.weak
    return trampoline


cdef Trampoline known_trampoline(void *handle):
    """Return the trampoline of a socket if it has one, perhaps because of a shadow, else None."""
    reference = trampolines.get(<size_t> handle)
    return None if reference is None else reference()


cdef void forget(Trampoline trampoline) noexcept:
    if trampolines.get(<size_t> trampoline.handle) is trampoline.weak:
        del trampolines[<size_t> trampoline.handle]


cdef void forget_watcher(Hub hub, watcher) noexcept:
    """Have a watcher closed that is not armed, or whose hub does not run."""
    try:
        hub.forget(watcher)
    except BaseException as error:
        hub.retry(error, hub.forget, watcher)


cdef void close_left() noexcept:
    """Close the handles that a hub was to close which does not run any more."""
    cdef Trampoline trampoline
    for trampoline in list(closing):
        if trampoline.watched_hub is None or not trampoline.watched_hub.is_elsewhere():
            trampoline.close_here()


def _close_left():
    close_left()


# A thread that ends may be the one that was to close what another one closed.
call_at_the_end(_close_left)
