#!/bin/sh
# Copy what belongs to the project into a folder, where what was built from the copy before is kept.
# usage: copy_tree.sh FOLDER
set -eu
mkdir -p "$1"
if [ -f "$1/.files" ]; then
    # What was there the last time may be gone now.
    (cd "$1" && xargs -0 rm -f <.files)
fi
git ls-files -z --cached --others --exclude-standard >"$1/.files"
tar -c --ignore-failed-read --null -T "$1/.files" | tar -x -C "$1"
