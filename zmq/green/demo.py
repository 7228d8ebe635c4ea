"""`zmq.demo` under the name it has for gevent: python -m zmq.green.demo."""

from __future__ import annotations

import sys

from zmq.demo.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
