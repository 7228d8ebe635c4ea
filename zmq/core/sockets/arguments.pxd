cdef bytes encoded(text, str name)
cdef double seconds_of(timeout) except? -2
cdef need_draft(str what)
cdef no_buffer(number, data)
cdef several_frames(size_t count)
