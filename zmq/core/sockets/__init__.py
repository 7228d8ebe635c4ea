"""What `zmq.core.socket` is made of.

Lives here: the options of a socket and its monitors. What must not: anything a program imports from here.
"""
