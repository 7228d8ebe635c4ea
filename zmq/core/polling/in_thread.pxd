from zmq.core.polling.in_hub cimport PollSet

cdef double left_until(double deadline, double seconds) noexcept
cdef list poll_once(list items, list masks, double seconds)
cdef list poll_set(PollSet members, double timeout)
