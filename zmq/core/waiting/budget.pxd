cdef enum:
    FUEL = 64           # transfers between two looks at the clock

cdef long fuel          # transfers left before `refuel` has to be asked whether it is time to let a hub run
cdef long stirs         # grows with what may process a socket's commands and uses no fuel
cdef double slice_seconds   # for which calls that need not wait may keep the others from running; 0 for any time
cdef long count_yields


cdef inline long stirred() noexcept:
    """Return a number that is another one once any socket was used."""
    return stirs - fuel


cdef bint is_time_to_yield() noexcept
cdef int refuel(get_hub) except -1
