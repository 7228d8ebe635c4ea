#!/bin/sh
# Copy what belongs to the project into a folder, where what was built from the copy before is kept.
# usage: copy_tree.sh FOLDER
#
# What differs is newer than anything that was built from it, whenever it was changed here: so it is built again. What
# is the same stays untouched.
set -eu
mkdir -p "$1"
new="$1/.new"
rm -rf "$new"
mkdir "$new"
git ls-files -z --cached --others --exclude-standard >"$new/.files"
tar -c --ignore-failed-read --null -T "$new/.files" | tar -x -C "$new"
cd "$1"
if [ -f .files ]; then
    # What was there the last time may be gone now.
    LC_ALL=C sort -z .files >.before
    LC_ALL=C sort -z .new/.files | LC_ALL=C comm -z -23 .before - | xargs -0 rm -f
    rm .before
fi
cd .new
find . -type d -exec sh -c 'cd .. && mkdir -p "$@"' sh {} +
find . -type l -exec cp -P --remove-destination -t .. --parents {} +
find . -type f -exec sh -c '
    for file do
        cmp -s "$file" "../$file" || cp --preserve=mode --remove-destination "$file" "../$file"
    done' sh {} +
cd ..
rm -r .new
