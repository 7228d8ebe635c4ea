# What Cython code that builds on the package cimports: `from zmq cimport Context, Frame, Socket, libzmq`.

from zmq.core cimport libzmq
from zmq.core.context cimport Context
from zmq.core.message cimport Frame
from zmq.core.socket cimport Socket
