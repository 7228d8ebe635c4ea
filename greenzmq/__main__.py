"""``python -m greenzmq`` tells which zmq is active, ``python -m greenzmq doctor`` what is wrong with that."""

from __future__ import annotations

import argparse
import sys

import greenzmq
from greenzmq import _doctor


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m greenzmq", description="Which zmq do programs get here?")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("which", help="tell where import zmq finds it (the default); status 1 if that is not greenzmq")
    commands.add_parser("doctor", help="tell what is wrong in this environment, and how to mend it; status 1 if any is")
    if parser.parse_args().command == "doctor":
        findings = _doctor.examine()
        print(_doctor.report(findings))
        return int(any(finding.level == "wrong" for finding in findings))
    found = greenzmq.active()
    print(found)
    return int(not found.ours)


if __name__ == "__main__":
    sys.exit(main())
