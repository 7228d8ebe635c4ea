"""`Members`: what a context closes when it is destroyed.

Lives here: a set of weak references. What must not: sockets. Called by `zmq.core.context`, and by sockets, which add
themselves.
"""

import weakref
from functools import partial


cdef class Members:
    """What a context closes when it is destroyed, held weakly.

    All of it is C: the handler of a signal can't keep a socket that libzmq has from being known here.
    """

    def __cinit__(self):
        self.references = {}

    cpdef add(self, member):
        cdef size_t key = <size_t> <void *> member
        self.references[key] = weakref.ref(member, partial(_lose, self.references, key))

    cpdef discard(self, member):
        self.references.pop(<size_t> <void *> member, None)

    def clear(self):
        self.references.clear()

    cdef list present(self):
        found = []
        for reference in list(self.references.values()):
            member = reference()
            if member is not None:
                found.append(member)
        return found

    def __iter__(self):
        return iter(self.present())

    def __len__(self):
        return len(self.present())

    def __contains__(self, member):
        reference = self.references.get(<size_t> <void *> member)
        return reference is not None and reference() is member


def _lose(dict references, key, _reference):
    references.pop(key, None)
