"""`COPY_THRESHOLD`: from which size on a send with ``copy=False`` lends memory.

Lives here: the name of `zmq`, which programs set at run time, and those of green packages. What must not: how memory is
lent (`zmq.core.messages.lent_memory`), the `copy_threshold` of a socket. Called by `zmq.core.message` and by sockets.
"""

import sys
import weakref

#: What `zmq.COPY_THRESHOLD` is at first: bytes from which on a send with ``copy=False`` really does not copy, unless
#: the socket says otherwise.
COPY_THRESHOLD = 65536

# The package `zmq`. Programs set COPY_THRESHOLD there, and nobody is told: it is read when it is needed. (A class for
# the module that is told would make every use of a name of `zmq` three times as slow from Python 3.11 on.) Kept
# weakly: else all that is in it would outlive what the end of the interpreter needs.
cdef object package_zmq = weakref.ref(sys.modules["zmq"])


cdef dict names_in(reference):
    """Return the names of a package; none when the interpreter ends."""
    module = reference()
    return {} if module is None else module.__dict__


cdef class Threshold:
    """COPY_THRESHOLD as a name of another package too: that of `zmq`, until it is set there.

    The package has no such name by itself; its ``__getattr__`` asks `read`. What tests set for a while they set back to
    what they had read, upon which it is that of `zmq` again.

    Parameters
    ----------
    package : str
        The name of the package, which is being imported.
    """

    def __init__(self, str package not None):
        self.package = weakref.ref(sys.modules[package])

    def read(self):
        """Return the value of `zmq`."""
        self.handed_out = names_in(package_zmq).get("COPY_THRESHOLD", COPY_THRESHOLD)
        return self.handed_out


cdef Py_ssize_t size_of(value) except -1:
    """Return what was set; what is negative is 0."""
    # Such as 1e6.
    return max(0, <Py_ssize_t> (int(value) if isinstance(value, float) else value))


cdef Py_ssize_t threshold_of(Threshold package) except -1:
    """Return the threshold for who says nothing else; `package` is that of a green class, or None."""
    cdef dict names
    if package is not None:
        names = names_in(package.package)
        value = names.get("COPY_THRESHOLD")
        if value is not None:
            if value is not package.handed_out:
                return size_of(value)
            names.pop("COPY_THRESHOLD", None)
    return size_of(names_in(package_zmq).get("COPY_THRESHOLD", COPY_THRESHOLD))
