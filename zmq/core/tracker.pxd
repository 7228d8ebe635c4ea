cdef class MessageTracker:
    cdef object __weakref__
    cdef readonly set events    # what knows by itself
    cdef readonly set peers     # trackers of others
