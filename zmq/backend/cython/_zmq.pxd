from zmq.core.context cimport Context
from zmq.core.message cimport Frame
from zmq.core.socket cimport Socket
