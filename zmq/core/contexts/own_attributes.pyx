"""Attributes of one object alone, such as a method of a socket that a test replaces.

Lives here: the base of sockets and contexts that has room for them. What must not: which names may be set. Called by
`zmq.core.sockets.option_attributes` and `zmq.core.context`.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_CLEAR
from cpython.version cimport PY_VERSION_HEX

cdef extern from "Python.h":
    PyObject **_PyObject_GetDictPtr(object)
    int set_or_delete "PyObject_GenericSetAttr" (object, object, void *) except -1


# In a class of its own, as Cython (3.3) makes none that declares both this and __weakref__ where types are mutable.
cdef class OwnAttributes:
    """A base of what can have attributes that its class has not."""

    def __cinit__(self):
        # CPython 3.12 and later call methods fast only where there is no dictionary yet, 3.11 only where there is one.
        # Another is made when something is set.
        if not 0x030B0000 <= PY_VERSION_HEX < 0x030C0000:
            Py_CLEAR(_PyObject_GetDictPtr(self)[0])

    cdef bint has_own(self, name) except -1:
        """Tell whether something is set on this object alone; that makes no dictionary."""
        cdef PyObject **own = _PyObject_GetDictPtr(self)
        return own != NULL and own[0] != NULL and name in <dict> own[0]

    cdef int delete(self, name) except -1:
        """Delete an attribute as `object.__delattr__` does."""
        return set_or_delete(self, name, NULL)
