#!/bin/sh
# Look whether the system has what is needed, and install what it lacks with apt-get, as root or with sudo. Asks nobody
# for anything where nothing lacks; says what to install by hand where it cannot. Quick when nothing lacks.
# usage: system.sh build | test | model
# build: a C compiler, libzmq with its headers (found as setup.py finds them), and the headers of Python and its venv
#   where Python is Debian's own. Fails where they cannot be installed.
# test: what some tests need, which are skipped where it is not there: ssh and sshd, a Kerberos server (Debian's own does
#   not start while it has no database), valgrind, chromium. Never asks for a password, never fails.
# model: SPIN and a C compiler. Fails as build does.
set -eu
what=${1:-build}
python=${PYTHON:-python3}

has() {
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]
}

has_libzmq() {
    # What is wrong with a ZMQ_PREFIX setup.py says.
    [ -n "${ZMQ_PREFIX:-}" ] || ${PKG_CONFIG:-pkg-config} --exists 'libzmq >= 4.2' 2>/dev/null && return
    [ -f /usr/include/zmq.h ] || [ -f /usr/local/include/zmq.h ] || [ -f /opt/homebrew/include/zmq.h ]
}

missing=
if [ "$what" = build ]; then
    has "${CC:-cc}" || has gcc || missing="$missing gcc libc6-dev"
    has_libzmq || missing="$missing libzmq3-dev pkg-config"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python$version-venv"
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
        missing="$missing python$version-dev"
elif [ "$what" = model ]; then
    # What check.py calls.
    has spin || missing="$missing spin"
    has gcc || missing="$missing gcc libc6-dev"
else
    has ssh || missing="$missing openssh-client"
    has sshd || missing="$missing openssh-server"
    if ! has krb5kdc || ! has kadmin.local || ! has kinit; then
        missing="$missing krb5-user krb5-kdc krb5-admin-server"
    fi
    has valgrind || missing="$missing valgrind"
    has chromium || missing="$missing chromium"
fi
missing=${missing# }
[ -n "$missing" ] || exit 0

give_up() {
    if [ "$what" = test ]; then
        echo "Not there, so some tests are skipped: $missing (Debian's names; $1)."
        exit 0
    fi
    echo "Missing: $missing (Debian's names), and $1." >&2
    if [ "$what" = build ]; then
        echo "Have them installed, or set ZMQ_PREFIX to a libzmq of your own (README.md), then try again." >&2
    else
        echo "Have them installed, then try again; spin comes from https://spinroot.com." >&2
    fi
    exit 1
}

run=
has apt-get || give_up "there is no apt-get here to install them"
if [ "$(id -u)" != 0 ]; then
    run=sudo
    has sudo || give_up "only root may install them"
    # A person at a terminal may be asked for a password, for what is needed in any case.
    sudo -n true 2>/dev/null || { [ "$what" != test ] && [ -t 0 ]; } || give_up "sudo asks for a password"
fi
echo "Installing $missing..."
# shellcheck disable=SC2086
if ! { $run apt-get update -qq && $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null; }
then
    give_up "apt-get could not install them"
fi
