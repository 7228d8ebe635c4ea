"""Sockets that belong to one user alone for a time, such as a proxy that runs.

Lives here: what such an owner has to offer. What must not: owners, see `zmq.core.relays.running`. Called by sockets.
"""

from zmq.core.waiting cimport fork_generation


cdef class Owner:
    """An object that has sockets to itself for a time."""

    def __cinit__(self):
        self.born = fork_generation.current

    cdef int admit(self, shadow) except -1:
        """A shadow of one of the sockets was made: it belongs to the owner too, and is given back with the rest."""
        raise NotImplementedError

    cdef int stop(self) except -1:
        """Give the sockets back before this returns, because one of them is about to be closed; in any thread."""
        raise NotImplementedError
