#!/bin/sh
# Install with apt-get what the system lacks. Says what to install by hand where there is no apt-get. Quick when nothing
# lacks.
# usage: system.sh build | test
# build: libzmq's headers, and those of Python and its venv where Python is Debian's own.
# test: what some tests need, which are skipped where it cannot be installed: ssh and sshd, a Kerberos server (Debian's
#   own does not start while it has no database), valgrind.
set -eu
python=${PYTHON:-python3}

missing=
if [ "${1:-build}" = build ]; then
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
else
    command -v ssh >/dev/null 2>&1 || missing="openssh-client"
    [ -x /usr/sbin/sshd ] || command -v sshd >/dev/null 2>&1 || missing="$missing openssh-server"
    for each in krb5kdc kadmin.local kinit; do
        [ -x "/usr/sbin/$each" ] || command -v "$each" >/dev/null 2>&1 || kerberos="krb5-user krb5-kdc krb5-admin-server"
    done
    missing="$missing${kerberos:+ $kerberos}"
    command -v valgrind >/dev/null 2>&1 || missing="$missing valgrind"
fi
[ -n "$missing" ] || exit 0

run=
if [ "$(id -u)" != 0 ]; then
    run=sudo
fi
if [ "${1:-build}" = test ]; then
    if ! command -v apt-get >/dev/null 2>&1 || { [ -n "$run" ] && ! sudo -n true 2>/dev/null; }; then
        echo "Not there, so that some tests are skipped: $missing (Debian's names)."
        exit 0
    fi
elif ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing: $missing (Debian's names). Install them, then try again; README.md says how." >&2
    exit 1
fi
echo "Installing $missing..."
# shellcheck disable=SC2086
if ! { $run apt-get update -qq &&
    $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null; }; then
    [ "${1:-build}" = test ] || exit 1
    echo "They cannot be installed, so that some tests are skipped."
fi
