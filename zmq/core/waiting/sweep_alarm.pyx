"""The sweep alarm: a look every few seconds for wake-ups that were missed, of which there should be none.

Lives here: the look at all that waits in a hub, the count, and the warning. What must not: timers, which `Hub` sets
while anybody waits. Called by `Hub`, and by polls that block a thread.

A wake-up is missed when an operation swallows it and nobody is told. Ours all mark the socket, whether or not they go
on to read EVENTS: a store, and nothing else. So every round looks at the sockets that are marked; and, because code in
C that uses a socket's address marks nothing, at one part in ROUNDS of the others. Where few wait, every round also sees
which handles are gone. A round takes slices, between which the hub runs.
"""

import warnings

from cpython.ref cimport PyObject

from zmq.core.waiting.clock cimport monotonic

cdef extern from "waiting/bell.h" nogil:
    enum:
        GREENZMQ_BELLS
        GREENZMQ_SILENT
        GREENZMQ_RINGS
    int listen_to "greenzmq_listen"(const int *bells, int count, unsigned char *states)
    void end_listening "greenzmq_end_listening"(int ears, int count, unsigned char *states)

cdef extern from *:
    """
    /* What a weak reference is to, borrowed; NULL: it is gone. */
    static PyObject *greenzmq_referent(PyObject *reference) {
    #if PY_VERSION_HEX >= 0x030D0000
        PyObject *found = NULL;
        if (PyWeakref_GetRef(reference, &found) <= 0) return NULL;
        Py_DECREF(found);
        return found;
    #else
        PyObject *found = PyWeakref_GET_OBJECT(reference);
        return found == Py_None ? NULL : found;
    #endif
    }
    """
    PyObject *referent "greenzmq_referent"(object reference)

cdef enum:
    STRIDE = 64         # sockets that are gone by between two looks at the clock

#: Seconds between two rounds.
SWEEP_SECONDS = 3.0
#: In how many rounds each socket is looked at that is not marked: within a minute, with a round to spare.
ROUNDS = 19
#: Seconds that a slice may take.
SLICE_SECONDS = 0.0005

cdef long count_missed = 0, count_looks = 0
cdef unsigned int count_swept = 0


def missed():
    """Return how many wake-ups only the alarm noticed."""
    return count_missed


def note_missed(long found):
    """Count, and report, wake-ups that only the alarm noticed.

    Parameters
    ----------
    found : int
        How many; 0 is no news.
    """
    global count_missed
    if found:
        count_missed += found
        warnings.warn(
            f"{found} wake-up(s) of those who wait for 0MQ sockets were missed and made up for by the sweep alarm; "
            "please report this",
            RuntimeWarning,
            stacklevel=2,
        )


def _reset_missed(long count=0):
    """For the tests of the alarm itself."""
    global count_missed
    count_missed = count


def _looks():
    """Return at how many sockets the alarm looked so far, for its tests."""
    return count_looks


cdef class Swept:
    """A socket that the alarm looks at: a base of `Trampoline`."""

    def __cinit__(self):
        global count_swept
        self.fd = -1
        count_swept += 1
        self.number = count_swept

    cdef bint can_be_swept(self) noexcept:
        """Tell whether there is a handle, of this process and nobody's alone."""
        return False

    cdef bint is_lost(self) noexcept:
        """Tell whether libzmq knows the handle no more, or its context ends, without a look at the bell."""
        return False

    cdef bint look(self) noexcept:
        """Read EVENTS, tell whom it concerns, and take the mark away; tell whether somebody did not know."""
        return False


cdef class Round:
    """One look at all that waits, in slices.

    Parameters
    ----------
    watched : set
        Weak references to what is `Swept`, and to what has `swept_members`, which returns a list of such references.
        Those to what is gone are taken out; what is taken out by others is not looked at any more.
    number : int
    """

    def __init__(self, set watched, unsigned int number):
        self.watched = watched
        self.rounds = ROUNDS
        self.number = number % self.rounds
        self.left = list(watched)
        self.sets = []
        self.members = []
        self.due = []

    cdef bint is_over(self) noexcept:
        return not (self.left or self.sets or self.members or self.due)

    cdef long go_on(self) except -1:
        """Look at some, and wake all of these that could go on and were not woken; return how many there were."""
        cdef double deadline = monotonic() + <double> SLICE_SECONDS
        while len(self.due) < GREENZMQ_BELLS and (self.left or self.sets or self.members):
            self.go_by()
            if monotonic() >= deadline:
                break
        return self.look(deadline)

    cdef int go_by(self) except -1:
        """Go by some of what is left, and see which of these are due."""
        cdef PyObject *found
        cdef Swept swept
        cdef Py_ssize_t first
        cdef list references = self.members if self.members else self.left
        if self.members and self.members_of not in self.watched:
            self.members.clear()
            return 0
        if self.sets and not self.members:
            self.members_of = self.sets.pop()
            waiting = self.members_of()
            if waiting is not None:
                self.members = waiting.swept_members()
            return 0
        first = max(0, len(references) - STRIDE)
        for reference in references[first:]:
            found = referent(reference)
            if found == NULL:
                self.watched.discard(reference)
            elif not isinstance(<object> found, Swept):
                self.sets.append(reference)
            else:
                swept = <Swept> found
                # To touch the handles of many takes longer than everything else.
                if swept.marked or swept.number % self.rounds == self.number or first == 0 and swept.is_lost():
                    self.due.append((self.members_of if references is self.members else reference, reference))
        del references[first:]
        return 0

    cdef long look(self, double deadline) except -1:
        """Look at some of what is due, until the time is over."""
        global count_looks
        cdef int bells[GREENZMQ_BELLS]
        cdef unsigned char states[GREENZMQ_BELLS]
        cdef bint found[GREENZMQ_BELLS]
        cdef list batch = []
        cdef int looked = 0
        cdef long missed = 0
        cdef int i, ears, count
        cdef Swept swept
        for owner, reference in self.due[:GREENZMQ_BELLS]:
            # Who waits no more, or elsewhere by now, is not looked at.
            swept = reference() if owner in self.watched else None
            batch.append(swept)
            bells[len(batch) - 1] = -1 if swept is None else swept.fd
        count = len(batch)
        if count == 0:
            return 0
        ears = listen_to(bells, count, states)
        while looked < count and (looked == 0 or monotonic() < deadline):
            swept = batch[looked]
            found[looked] = False
            # One that rings will be heard; and what one was told may have closed another.
            if swept is not None and states[looked] != GREENZMQ_RINGS and swept.can_be_swept():
                found[looked] = swept.look()
                count_looks += 1
            looked += 1
        end_listening(ears, count, states)
        for i in range(looked):
            # Where nobody listened, or the bell rang after all, nobody can say that it was missed.
            missed += found[i] and states[i] == GREENZMQ_SILENT
        del self.due[:looked]
        return missed
