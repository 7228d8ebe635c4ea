"""`Label`: what a socket is called, and where it is bound and connected.

Lives here: that. What must not: sockets, libzmq. Called by `zmq.core.sockets.life`, which has one label for a socket
and its shadows, and by `zmq.core.sockets.endpoints`.
"""


cdef class Label:
    """Made when there is something to write on it, which is seldom in the life of a socket."""

    def __cinit__(self):
        self.bound = []
        self.connected = []

    cdef void note(self, list endpoints, given, found) noexcept:
        """Write an address down, as it was given and as libzmq says it."""
        endpoints.append((given, found))

    cdef void strike(self, list endpoints, given) noexcept:
        """Strike out an address, by either of its forms, as often as it is there: libzmq ends all of them."""
        endpoints[:] = [pair for pair in endpoints if given not in pair]
