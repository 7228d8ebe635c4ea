cdef enum:
    FUEL = 64           # transfers between two looks at the clock, at most

cdef long fuel          # transfers left before `refuel` has to be asked whether it is time to let a hub run
cdef long stirs         # grows with what may process a socket's commands and uses no fuel
cdef double slice_seconds   # for which calls that need not wait may keep the others from running; 0 for any time
cdef long count_yields


cdef inline long stirred() noexcept:
    """Return a number that is another one once any socket was used."""
    return stirs - fuel


cdef inline void set_fuel(long left) noexcept:
    """Set the fuel; what `stirred` returns stays what it is."""
    global stirs, fuel
    stirs += left - fuel
    fuel = left


cdef void refill(double now) noexcept
cdef bint is_time_to_yield() noexcept
cdef double slice_age(double now) noexcept
cdef void begin_slice(double now) noexcept
