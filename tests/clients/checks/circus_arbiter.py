"""An arbiter of circus on gevent's hub, beside which other greenlets run; started by `check_circus.py`."""

import sys

import gevent

controller, events, output = sys.argv[1:]

gevent.signal = gevent.signal_handler  # the old name, which circus uses

from circus.green import get_arbiter  # noqa: E402

worker = {
    "name": "worker",
    "cmd": f"{sys.executable} -u -c \"import time\nwhile True: print('tick', flush=True); time.sleep(0.1)\"",
    "numprocesses": 2,
    "copy_env": True,
    "stdout_stream": {"class": "FileStream", "filename": output},
}


def beat():
    count = 0
    while True:
        gevent.sleep(0.1)
        count += 1
        print(f"beat {count}", flush=True)


print("begins", flush=True)
gevent.spawn(beat)
arbiter = get_arbiter([worker], controller=controller, pubsub_endpoint=events, check_delay=0.5)
arbiter.start()
print("ended", flush=True)
