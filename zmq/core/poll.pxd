from zmq.core.polling.in_thread cimport poll_once
from zmq.core.polling.readiness cimport descriptor_of
