from zmq.core.context cimport Context
from zmq.core.messages.copy_threshold cimport Threshold
from zmq.core.sockets.label cimport Label
from zmq.core.sockets.option_attributes cimport MixedCase
from zmq.core.waiting cimport fork_generation, owner_interface
from zmq.core.waiting.owner_interface cimport Owner
from zmq.core.waiting.counters cimport Traffic
from zmq.core.waiting.trampoline cimport Trampoline

cdef enum:
    GONE = -1   # in `Life.born`: the socket is closed, or not made yet


cdef class Life(MixedCase):
    cdef object __weakref__
    cdef void *handle       # libzmq's socket; NULL once it is closed
    cdef int born           # `generation` when it was made; GONE once it is closed, OWNED while it has an owner
    cdef Owner owner        # what has the socket to itself for a time, such as a proxy that runs
    cdef bint is_shadow
    cdef object original    # of a shadow, to keep it alive
    cdef Trampoline trampoline  # None until it is waited for in a hub, a poller hears of it, or it has a shadow
    cdef object get_hub     # where blocking calls park; None blocks the thread
    cdef type frame_class   # of what is received or lent without copying
    cdef int overrides      # which methods are replaced, by a subclass or on this socket alone; see `overridden`
    cdef unsigned int type_version  # CPython's number for the state of its class when that was found
    cdef int message        # whether a message was begun with SNDMORE and not ended
    cdef bint owes_reply    # a thread received last, and had to wait for that or others wait: it will answer, as a rule
    cdef bint expects_reply     # a message was sent last, and the waiter trusts that it is answered
    cdef bint drops         # libzmq wants the rest of a message whose pipe died
    cdef bint defaults_pending  # the context's: `Context.socket` sets them when the socket is complete
    cdef object monitor_socket
    cdef Context maker      # which lists it among its sockets; None of a shadow
    cdef public object context
    cdef readonly object socket_type
    cdef Py_ssize_t own_threshold   # -1: COPY_THRESHOLD
    cdef Threshold package_threshold    # says what that is; None for `zmq`
    cdef Label label        # shared with its shadows; None until there is something on it
    cdef Traffic traffic    # shared with its shadows

    cdef int usable(self) except -1
    cdef void await_attempts(self) noexcept
    cdef int operated(self) except -1
    cdef int refuse_second(self) except -1
    cdef int let_go(self, void *handle) except -1
    cdef int drop_handle(self) except -1
    cdef int take_defaults(self, Context context) except -1
    cdef int share_trampoline(self) except -1
    cdef Trampoline waited(self)
    cdef Label labelled(self)
    cdef int share_label(self) except -1
    cdef int share_traffic(self) except -1
    cdef int meet_trampoline(self) except -1
    cdef int call(self, name) except -1


cdef extern from *:
    """
    #define greenzmq_type_version(object) (Py_TYPE(object)->tp_version_tag)
    """
    unsigned int type_version "greenzmq_type_version"(object)


cdef int renew_overrides(Life socket) except -1


cdef inline int overridden(Life socket) except -1:
    """Return which methods are replaced; those of its class may have been since the socket was made."""
    cdef unsigned int version = type_version(socket)
    # 0 says nothing: a class that changes very often gets no more numbers.
    return socket.overrides if version == socket.type_version and version != 0 else renew_overrides(socket)


cdef inline bint is_usable(Life socket) noexcept:
    """Tell whether a socket is open, was made in this process and has no owner: all that by one comparison."""
    return socket.born == fork_generation.current


cdef inline bint is_owned(Life socket) noexcept:
    """Tell whether a socket belongs to something of this process for a time, such as a proxy that runs."""
    return socket.born == owner_interface.OWNED and socket.owner.born == fork_generation.current


cdef list sockets_at(void *handle)
