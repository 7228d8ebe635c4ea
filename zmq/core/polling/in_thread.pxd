from zmq.core.polling.in_hub cimport PollSet

cdef list poll_once(list items, list masks, double seconds)
cdef list poll_set(PollSet members, double timeout)
