"""What `zmq.core.socket` is made of: the bases of `Socket`, one for each thing that it does, and what they call.

`life`, `option_access`, `endpoints`, `wait_and_retry`, `sending_several`, `receiving_several` and `conversions` are the
bases, in this order. `arguments`, `copies_without_gil`, `label`, `overrides` (``inherited_methods.h``), `monitors`
(``monitor_farewell.h``), `peers` (``peers.h``; both ``monitor_reader.h``), `option_attributes`, `option_conversion`
and `blocking_polls` are called by them. The shortest ways of `send` and `recv` are in `Socket` itself. What must not
live here: anything a program imports from here.
"""
