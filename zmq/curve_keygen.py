"""``python3 -m zmq.curve_keygen``: make keys for CURVE."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import NoReturn

import zmq


class Parser(argparse.ArgumentParser):
    """Says that something is wrong with the arguments, and not what: it may be a secret key."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.format_usage()}{self.prog}: these arguments are not understood\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a pair of keys and print it."""
    parser = Parser(
        prog="python3 -m zmq.curve_keygen",
        description="Make a new pair of CURVE keys and print them as Z85. Keep the secret one secret: files that only "
        "their owner can read are made by zmq.auth.create_certificates.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object with 'public' and 'secret'")
    parser.add_argument(
        "--secret",
        metavar="KEY",
        help="print the public key of this secret one, instead of a new pair; - to read it from the standard input, "
        "as others can see the arguments of programs",
    )
    rest = list(sys.argv[1:] if arguments is None else arguments)
    if "--secret" in rest[:-1]:
        # A key may begin with a dash.
        at = rest.index("--secret")
        rest[at : at + 2] = [f"--secret={rest[at + 1]}"]
    options = parser.parse_args(rest)
    if not zmq.has("curve"):
        sys.exit("this libzmq has no CURVE")
    if options.secret is None:
        public, secret = zmq.curve_keypair()
    else:
        text = sys.stdin.readline().strip() if options.secret == "-" else options.secret
        try:
            secret = text.encode("ascii")
            public = zmq.curve_public(secret)
        except (ValueError, zmq.ZMQError):
            # Which key it was, nobody else should read.
            sys.exit("that is no secret key: it has 40 characters of Z85")
    if options.json:
        print(json.dumps({"public": public.decode(), "secret": secret.decode()}))
    else:
        print(f"== CURVE PUBLIC KEY ==\n{public.decode()}\n== CURVE SECRET KEY ==\n{secret.decode()}")


if __name__ == "__main__":
    main()
