from zmq.core.relays.running cimport relay_between
