cdef int current     # of this process: grows by one in the child of every fork
