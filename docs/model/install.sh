#!/bin/sh
# Install with apt-get what the model needs and the system lacks. Says what to install by hand where there is no apt-get.
set -eu

missing=
for program in spin gcc; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing:$missing. Install them, then try again; spin comes from https://spinroot.com." >&2
    exit 1
fi
run=
if [ "$(id -u)" != 0 ]; then
    run=sudo
fi
echo "Installing$missing..."
$run apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq $missing >/dev/null
