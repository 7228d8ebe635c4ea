cdef class Swept:
    cdef object weak            # a weak reference to itself, as hubs know it
    cdef int fd                 # the bell; -1 until it is needed
    cdef bint marked            # an operation may have stilled the bell since the alarm looked
    cdef unsigned int number           # says in which rounds the alarm looks if it is not marked

    cdef bint can_be_swept(self) noexcept
    cdef bint is_lost(self) noexcept
    cdef bint look(self) noexcept


cdef class Round:
    cdef set watched            # all that waits, as long as it does
    cdef unsigned int rounds
    cdef unsigned int number    # of this one among so many
    cdef list left              # of `watched`, what was not gone by yet
    cdef list sets              # of `watched`, what has members
    cdef object members_of      # that of these whose members are gone by now
    cdef list members           # of these, what was not gone by yet
    cdef list due               # what is to be looked at: of `watched`, and the member or the same

    cdef bint is_over(self) noexcept
    cdef long go_on(self) except -1
    cdef int go_by(self) except -1
    cdef long look(self, double deadline) except -1
