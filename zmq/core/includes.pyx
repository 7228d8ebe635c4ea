"""Folders for compilers and linkers of code that builds on this package: `get_includes` and `get_library_dirs`.

Compiled, because `setup.py` tells the compiler which libzmq it was. Called by users.
"""

import os

from zmq.core.libzmq cimport GREENZMQ_INCLUDE_DIRS


def get_includes():
    """Return the folders that C and Cython code which builds on this package needs to include.

    Returns
    -------
    list of str
        The package's own, and those of the libzmq it was built with if they are not the system's.
    """
    package = os.path.dirname(os.path.dirname(__file__))
    own = [package, os.path.join(package, "utils"), os.path.join(package, "core")]
    return own + [folder for folder in GREENZMQ_INCLUDE_DIRS.decode("utf-8").split(os.pathsep) if folder]


def get_library_dirs():
    """Return the folders to look in for shared libraries that belong to this package.

    Returns
    -------
    list of str
        The package itself. libzmq is not part of it: link with that as the system, or your build of it, says.
    """
    return [os.path.dirname(os.path.dirname(__file__))]
