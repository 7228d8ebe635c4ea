from libc.stdint cimport int64_t

cdef enum:
    INT
    INT64
    BYTES
    FD

cdef enum:
    HWM = 1     # the option of libzmq 2, which sets SNDHWM and RCVHWM

cdef int kind_of(option) except -1

cdef struct Setting:
    int number          # of the option
    const void *data    # what libzmq gets: of the value, or of this struct
    size_t size
    int as_int
    int64_t as_int64

cdef object get_option(void *handle, int number)
cdef int take_value(Setting *setting, int number, value) except -1
cdef int set_option(void *handle, Setting *setting, value) except -1
