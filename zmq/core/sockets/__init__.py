"""What `zmq.core.socket` is made of: the bases of `Socket`, one for each thing that it does, and what they call.

`life`, `option_access`, `endpoints`, `blocking`, `sending`, `receiving` and `conversions` are the bases, in this
order. `arguments`, `copies`, `label`, `methods`, `monitors` (``farewell.h``), `option_attributes`, `option_types` and
`thread_polls` are called by them. What must not live here: anything a program imports from here.
"""
