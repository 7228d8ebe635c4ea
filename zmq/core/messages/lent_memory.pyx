"""Python objects lent to libzmq, and how they come back.

Lives here: the loan and its end, which `lent_memory.h` explains. What must not: frames, sockets, policy about what
is copied. Called by `zmq.core.message` and `zmq.core.tracker`.
"""

import atexit
import os

from cpython.buffer cimport PyBUF_ANY_CONTIGUOUS, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.ref cimport PyObject, Py_DECREF, Py_INCREF
from libc.stdlib cimport free, malloc
from posix.unistd cimport close as close_fd

from zmq.core.waiting cimport who_waits
from zmq.core.check cimport raise_errno
from zmq.core.libzmq cimport zmq_errno, zmq_msg_init, zmq_msg_init_data, zmq_msg_t
from zmq.core.waiting.clock cimport monotonic
from zmq.core.waiting.sleeper cimport wait_readable
from zmq.core.waiting.wakeable_threads cimport wait_for_bell

cdef extern from "messages/lent_memory.h" nogil:
    ctypedef struct loan_t "greenzmq_loan":
        Py_buffer view
        void *release
        int *done
    ctypedef struct alert_t "greenzmq_alert":
        int *done
        int fd
    void give_back "greenzmq_give_back"(void *data, void *hint) noexcept
    int start_collecting "greenzmq_start_collecting"()
    bint collecting "greenzmq_collecting"
    void stop_collecting "greenzmq_stop_collecting"(bint collecting)
    bint is_done "greenzmq_is_done"(const int *done)
    void hand_out "greenzmq_hand_out"(loan_t *loan)
    void take_back "greenzmq_take_back"(loan_t *loan)
    bint c_is_lent "greenzmq_is_lent"(const void *data)
    bint add_alert "greenzmq_add_alert"(alert_t *alert)
    void remove_alert "greenzmq_remove_alert"(alert_t *alert)

cdef extern from "messages/lent_memory.h":
    void settle "greenzmq_settle"(const int *done)
    size_t list_lent "greenzmq_list_lent"(void **loans, PyObject **objects, size_t room)


cdef class Release:
    """The moment when libzmq is done with one lent object."""

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise TypeError("what waits for libzmq can't be pickled: in another process it would wait for ever")

    def is_set(self):
        """Tell whether libzmq is done; if so the object's buffer is free again."""
        if not is_done(&self.returned):
            return False
        settle(&self.returned)
        return True

    def wait(self, timeout=None, get_hub=None):
        """Wait until libzmq is done.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None or a negative number to wait for ever.
        get_hub : callable, optional
            Returns the hub to park in; that of the frame when left out. Without any the thread waits.

        Returns
        -------
        bool
            False when the time ran out.
        """
        # On the heap: libzmq's threads follow the pointer, and a greenlet that is switched out has its stack moved.
        cdef alert_t *alert
        cdef double deadline = -1
        cdef double left = -1
        if self.is_set():
            return True
        if get_hub is None and self.frame_class is not None:
            get_hub = self.frame_class._get_hub
        if timeout is not None and timeout >= 0:
            left = timeout
            deadline = monotonic() + left
        alert = <alert_t *> malloc(sizeof(alert_t))
        if alert == NULL:
            raise MemoryError()
        bell = -1
        try:
            bell, alert.fd = os.pipe()
            alert.done = &self.returned
            if add_alert(alert):
                try:
                    if get_hub is None:
                        wait_in_thread(bell, deadline, self)
                    else:
                        wait_readable(get_hub(), bell, left, self)
                finally:
                    remove_alert(alert)
        finally:
            if bell >= 0:
                close_fd(bell)
                close_fd(alert.fd)
            free(alert)
        return self.is_set()


cdef int wait_in_thread(int fd, double deadline, what) except -1:
    """Block the thread until a descriptor is readable or `deadline`; negative for none."""
    cdef double left = -1
    who_waits.begin_blocked(what, "tracker")
    try:
        while True:
            if deadline >= 0:
                left = max(0, deadline - monotonic())
            if wait_for_bell(NULL, fd, left, what):
                return 0
    finally:
        who_waits.end_blocked()


cdef int lend(zmq_msg_t *msg, data, Release release) except -1:
    """Make `msg` of the memory of an object; `release`, which may be None, learns when libzmq is done."""
    cdef int err
    cdef loan_t *loan
    settle(NULL)
    err = start_collecting()
    if err:
        raise_errno(err)
    loan = <loan_t *> malloc(sizeof(loan_t))
    if loan == NULL:
        raise MemoryError()
    try:
        PyObject_GetBuffer(data, &loan.view, PyBUF_ANY_CONTIGUOUS)
    except BaseException:
        free(loan)
        raise
    loan.release = NULL
    loan.done = NULL
    if release is not None:
        Py_INCREF(release)
        loan.release = <void *> release
        loan.done = &release.returned
    hand_out(loan)
    if zmq_msg_init_data(msg, loan.view.buf, <size_t> loan.view.len, give_back, loan) != 0:
        err = zmq_errno()
        # What it leaves behind must not be closed.
        zmq_msg_init(msg)
        take_back(loan)
        PyBuffer_Release(&loan.view)
        if release is not None:
            Py_DECREF(release)
        free(loan)
        raise_errno(err)
    return 0


cdef bint is_lent(const void *data) noexcept nogil:
    """Tell whether `data` is the start of an object that is lent."""
    return c_is_lent(data)


def lent():
    """Return the objects whose memory is lent to libzmq.

    Returns
    -------
    dict
        Each object by the number of its loan.
    """
    cdef size_t room = list_lent(NULL, NULL, 0) + 64
    cdef void **loans = <void **> malloc(room * sizeof(void *))
    cdef PyObject **objects = <PyObject **> malloc(room * sizeof(PyObject *))
    cdef size_t i, count
    cdef list found = []
    try:
        if loans == NULL or objects == NULL:
            raise MemoryError()
        # libzmq's own threads only make it fewer; what other threads of Python lend meanwhile may be left out.
        count = min(room, list_lent(loans, objects, room))
        for i in range(count):
            found.append((<size_t> loans[i], <object> objects[i]))
            Py_DECREF(<object> objects[i])
    finally:
        free(loans)
        free(objects)
    return dict(found)


def _stop():
    global collecting
    cdef bint begun = collecting
    with nogil:
        stop_collecting(begun)
    collecting = False


atexit.register(_stop)
