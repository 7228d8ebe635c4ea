"""The library that all compiled modules of `zmq.core` are in, this one included.

Lives here: their names, as setup.py has them. What must not: how they are found. Called by `zmq.core`.
"""

cdef extern from *:
    const char *GREENZMQ_MODULES    # names with commas between

NAMES = frozenset(GREENZMQ_MODULES.decode().split(","))
