"""0MQ in tornado's event loop: streams with callbacks (`zmqstream`) and sockets with futures (`future`)."""
