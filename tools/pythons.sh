#!/bin/sh
# Make a target with every CPython from 3.10 on that is installed, each in a copy of the tree with a virtual environment
# of its own.
# usage: pythons.sh FOLDER TARGET
#        pythons.sh          show where they are
set -eu
folder=${1:-}
target=${2:-}
failed=
ran=
for version in 3.10 3.11 3.12 3.13 3.14; do
    python=$(command -v "python$version" || true)
    if [ -z "$python" ] && [ -d "${PYENV_ROOT:-$HOME/.pyenv}/versions" ]; then
        python=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version."*/bin/python 2>/dev/null | tail -n 1)
    fi
    # A shim of pyenv is there even where it has nothing to run.
    if [ -z "$python" ] || ! "$python" -c 'pass' 2>/dev/null; then
        python=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version."*/bin/python 2>/dev/null | tail -n 1)
    fi
    if [ -z "$target" ]; then
        [ -z "$python" ] || echo "$python"
        continue
    fi
    if [ -z "$python" ]; then
        echo "== Python $version: not installed"
        continue
    fi
    echo "== Python $version"
    copy=$folder/python-$version
    sh tools/copy_tree.sh "$copy"
    if make --no-print-directory -C "$copy" "$target" PYTHON="$python"; then
        ran="$ran $version"
    else
        failed="$failed $version"
    fi
done
[ -n "$target" ] || exit 0
echo "== make $target worked with:${ran:- none}; failed with:${failed:- none}"
[ -z "$failed" ]
