"""The demonstration: python -m zmq.demo, or `make demo`.

Lives here: the program, written once (`program`), the few words of each framework that it needs (`on_gevent`,
`on_eventlet`, `on_threads`), and its command line (`__main__`). What must not: anything that others import.
"""
