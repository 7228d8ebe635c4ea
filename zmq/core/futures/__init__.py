"""Calls that return a future, for `zmq.asyncio` and `zmq.eventloop.future`.

What must not be here: an event loop, or a class of futures.
"""
