#!/bin/sh
# Install with apt-get what the build and the tests need and the system lacks: libzmq's headers, those of Python and
# its venv where Python is Debian's own, ssh and sshd. Says what to install by hand where there is no apt-get. Quick
# when nothing lacks.
set -eu
python=${PYTHON:-python3}

missing=
if [ -z "${ZMQ_PREFIX:-}" ] && ! pkg-config --exists 'libzmq >= 4.2' 2>/dev/null; then
    missing="libzmq3-dev pkg-config"
fi
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    missing="$missing python$version-venv"
fi
if ! "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'; then
    missing="$missing python$version-dev"
fi
# The tests of tunnels start an sshd of their own.
if ! command -v ssh >/dev/null 2>&1; then
    missing="$missing openssh-client"
fi
if [ ! -x /usr/sbin/sshd ] && ! command -v sshd >/dev/null 2>&1; then
    missing="$missing openssh-server"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing: $missing (Debian's names). Install them, then try again; README.md says how." >&2
    exit 1
fi
run=
if [ "$(id -u)" != 0 ]; then
    run=sudo
fi
echo "Installing $missing..."
$run apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq $missing >/dev/null
