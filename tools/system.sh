#!/bin/sh
# Install with apt-get what the build needs and the system lacks: libzmq's headers, and those of Python and its venv
# where Python is Debian's own. Says what to install by hand where there is no apt-get. Quick when nothing lacks.
# valgrind is for one test, which is skipped where it is not there.
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
wanted=
if command -v apt-get >/dev/null 2>&1 && ! command -v valgrind >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then
        wanted=valgrind
    fi
fi
[ -n "$missing$wanted" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing: $missing (Debian's names). Install them, then try again; README.md says how." >&2
    exit 1
fi
run=
if [ "$(id -u)" != 0 ]; then
    run=sudo
fi
echo "Installing $missing $wanted..."
$run apt-get update -qq || [ -z "$missing" ]
# shellcheck disable=SC2086
[ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq $missing >/dev/null
if [ -n "$wanted" ] && ! DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq $wanted >/dev/null; then
    echo "$wanted cannot be installed: one test is skipped."
fi
