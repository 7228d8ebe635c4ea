"""Folders for compilers and linkers of code that builds on this package: `get_includes` and `get_library_dirs`.

Compiled, because `setup.py` tells the compiler which libzmq it was. Called by users.
"""

import os

from zmq.core.libzmq cimport GREENZMQ_INCLUDE_DIRS, GREENZMQ_LIBRARY_DIRS


def get_includes():
    """Return the folders that C and Cython code which builds on this package needs to include.

    Returns
    -------
    list of str
        The package's own, and those of the libzmq it was built with if they are not the system's. In a wheel with a
        libzmq inside, one of them has its ``zmq.h``.
    """
    package = os.path.dirname(os.path.dirname(__file__))
    own = [package, os.path.join(package, "utils"), os.path.join(package, "core")]
    return own + folders_of(package, GREENZMQ_INCLUDE_DIRS)


def get_library_dirs():
    """Return the folders that code which builds on this package has to find libzmq in, to share this one.

    Give them to the linker as ``library_dirs`` and ``runtime_library_dirs``, and ``zmq`` as ``libraries``.

    Returns
    -------
    list of str
        The package itself, and those of the libzmq it was built with if they are not the system's. In a wheel with a
        libzmq inside, one of them has that.
    """
    package = os.path.dirname(os.path.dirname(__file__))
    return [package, *folders_of(package, GREENZMQ_LIBRARY_DIRS)]


cdef list folders_of(str package, bytes folders):
    # Those of a libzmq inside are relative to the package.
    return [os.path.join(package, folder) for folder in folders.decode("utf-8").split(os.pathsep) if folder]
