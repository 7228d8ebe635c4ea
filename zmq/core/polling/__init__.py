"""What `zmq.core.poll` is made of.

`readiness` has what one poller has registered and looks which of it is ready; `bell_set` is the epoll set by which it
need not look at every socket, where the registry decides to have one. Three ways to wait for it: `in_hub`, `in_thread`,
and `with_future`.
"""
