"""A socket.io server on eventlet, which gets what other processes emit through a broker of 0MQ."""

import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)

import eventlet  # noqa: E402
import eventlet.wsgi  # noqa: E402
import socketio  # noqa: E402

port, url = sys.argv[1:]
server = socketio.Server(client_manager=socketio.ZmqManager(url), async_mode="eventlet")


@server.event
def connect(sid, environment):
    print("connected", flush=True)


@server.event
def shout(sid, data):
    """Tell everybody, on this server and the others."""
    server.emit("heard", data)


@server.event
def ask(sid, data):
    return data.upper()


listener = eventlet.listen(("127.0.0.1", int(port)))
print("serving now", flush=True)
eventlet.wsgi.server(listener, socketio.WSGIApp(server), log_output=False)
