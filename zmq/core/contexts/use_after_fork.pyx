"""Whether a context that was made before a fork can be used in the child, and how.

Lives here: libzmq's context as an object has it, what is remembered to make another one like it, and the look at which
process this is. What must not: anything else of contexts, which is in `zmq.core.context`; sockets that were made before
a fork are refused by `zmq.core.sockets.life`. Called by `zmq.core.context`.

libzmq would make sockets in the child, but never end the context: in another process than the one that made it the
bell by which zmq_ctx_term is told that all is closed stays still (signaler_t). A context that has no threads yet is
nothing but its settings, so the child makes another one with the same, as servers need that load a program first and
then fork (gunicorn --preload). One that may have threads is refused there.
"""

from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport zmq_ctx_new, zmq_ctx_set, zmq_ctx_term, zmq_errno
from zmq.core.waiting cimport fork_generation

# The addresses of libzmq's contexts that a plain call of `term` is terminating: libzmq frees one as soon as its last
# socket is closed, before the thread that waits for that can say so.
cdef set terminating = set()


cdef class UseAfterFork(OwnAttributes):
    """What holds a context of libzmq's, or is a shadow of what does."""

    def __cinit__(self):
        self.handle = NULL
        self.born = fork_generation.current
        self.settings = {}
        self.cpus = set()

    cdef int refuse_second(self) except -1:
        """Raise where the context was made already: arguments may run code that does so."""
        if self.handle != NULL:
            raise RuntimeError("a Context is made once")
        return 0

    cdef UseAfterFork root(self):
        """Return the context that this one is a shadow of, where it is known, or itself."""
        cdef UseAfterFork origin = self.origin() if self.origin is not None else None
        return self if origin is None else origin.root()

    cdef bint can_be_renewed(self) noexcept:
        """In the child of a fork: tell whether the context was never used."""
        cdef UseAfterFork root = self.root()
        return not (root.handle == NULL or root.is_shadow or root.started or <size_t> root.handle in terminating)

    cdef bint renew(self) except -1:
        """In the child of a fork: have a context of its own, if this one was never used."""
        cdef void *handle
        cdef UseAfterFork root = self.root()
        if root.born != fork_generation.current:
            if not self.can_be_renewed():
                return False
            handle = zmq_ctx_new()
            if handle == NULL:
                raise_errno(zmq_errno())
            for option, value in root.settings.items():
                zmq_ctx_set(handle, option, value)
            for cpu in root.cpus:
                zmq_ctx_set(handle, ADD_CPU, cpu)
            root.drop_inherited()
            root.handle = handle
            root.exposed = False
            root.born = fork_generation.current
        elif root.handle == NULL:
            return False
        self.handle = root.handle
        self.born = root.born
        return True

    cdef int drop_inherited(self) except -1:
        """Free what the parent of a fork made and never used; nothing can wait there."""
        cdef void *handle = self.handle
        if not self.is_shadow and self.can_be_renewed() and not self.exposed:
            self.handle = NULL
            zmq_ctx_term(handle)
        self.handle = NULL
        return 0

    cdef int note(self, int option, int value) except -1:
        """Remember what was set, while that makes a difference."""
        if option == ADD_CPU:
            self.cpus.add(value)
        elif option == REMOVE_CPU:
            self.cpus.discard(value)
        elif not self.started:
            self.settings[option] = value
        return 0
