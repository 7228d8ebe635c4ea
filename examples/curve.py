"""A CURVE server that lets in whoever's certificate is in a folder, and nobody else (gevent).

python examples/curve.py [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import zmq.green as zmq
from zmq.green.auth import GreenAuthenticator, create_certificates, load_certificate, secure_client, secure_server


def make_certificates(folder: Path) -> None:
    """Make keys for the server and three clients; the server shall know two of them."""
    for name in ("server", "alice", "bob", "mallory"):
        create_certificates(folder, name)
    (folder / "known").mkdir()
    for name in ("alice", "bob"):
        shutil.copy(folder / f"{name}.key", folder / "known")


def connect(context: zmq.Context, folder: Path, name: str, address: str) -> zmq.Socket:
    """Return a client's socket, which has sent its greeting or waits to do so."""
    socket = context.socket(zmq.PUSH)
    socket.linger = 0
    secure_client(socket, folder / f"{name}.key_secret", folder / "server.key")
    socket.connect(address)
    socket.send_string(f"hello from {name}")
    return socket


def receive(server: zmq.Socket, names: dict[str, str]) -> None:
    """Print what comes, and who sent it: the key that was proved, which nobody can make up."""
    frame = server.recv(copy=False)
    print(f"{frame.bytes.decode()!r} from {names[str(frame['User-Id'])]}")


def main(folder: Path) -> None:
    make_certificates(folder)
    names = {load_certificate(folder / f"{name}.key")[0].decode(): name for name in ("alice", "bob", "mallory")}
    with zmq.Context() as context, GreenAuthenticator(context) as auth, context.socket(zmq.PULL) as server:
        auth.configure_curve(domain="*", location=folder / "known")
        secure_server(server, folder / "server.key_secret")
        server.bind("tcp://127.0.0.1:*")
        address = server.get_string(zmq.LAST_ENDPOINT)
        refusals = server.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)

        stranger = connect(context, folder, "mallory", address)
        refusals.recv_multipart()
        print("mallory was refused")
        clients = [connect(context, folder, "alice", address)]
        receive(server, names)

        print("bob's certificate is taken away")
        (folder / "known" / "bob.key").unlink()
        clients.append(connect(context, folder, "bob", address))
        refusals.recv_multipart()
        print("bob was refused")

        if not server.poll(200):
            print("nothing else came")
        server.disable_monitor()
        for socket in (stranger, *clients, refusals):
            socket.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the certificates are made; otherwise nothing is kept")
    options = parser.parse_args()
    if options.folder:
        main(options.folder)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
