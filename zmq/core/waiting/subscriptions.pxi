# What hears of a socket without a place in its queues: a part of trampoline.pyx.

cdef class Subscription:
    """An object that wants to hear of changes and does not queue, such as a poller or a stream.

    `touched` is called after every operation on the socket. `ready` is called whenever EVENTS was read, for whatever
    reason, with what it said; -1 stands for an error, which the next operation on the socket will report. `gone` is
    called when the socket closes; `abandoned` when it was armed in a hub that does not run any more.
    `waits` tells whether a greenlet waits by it now. None of them may switch greenlets.
    """

    cdef void touched(self) noexcept:
        pass

    cdef void ready(self, int events) noexcept:
        pass

    cdef void gone(self) noexcept:
        pass

    cdef void abandoned(self, Hub hub) noexcept:
        pass

    cdef bint waits(self) noexcept:
        return self.armed

    cdef bint overlooks(self, int events) noexcept:
        """Tell whether a greenlet waits by it for one of `events`, and was not told."""
        return False
