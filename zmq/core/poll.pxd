cdef int descriptor_of(item) except -1
cdef list poll_once(list items, list masks, double seconds)
