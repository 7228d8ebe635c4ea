"""Waiting for 0MQ sockets without blocking a thread.

Lives here: hubs and the trampolines that greenlets, futures and pollers park on. What must not: anything of a socket
but its handle. Called by everything in `zmq.core` that may have to wait.
"""
