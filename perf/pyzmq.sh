#!/bin/sh
# Put PyZMQ, built from its source against the libzmq that greenzmq uses, into a virtual environment:
#
#     pyzmq.sh PYTHON FOLDER VERSION OTHER...
#
# The build asks for a folder with lib/libzmq.so and include/zmq.h: FOLDER.libzmq has links to them. Where it fails,
# FOLDER is removed, and what pip said is in FOLDER.log.
set -u
python=$1 folder=$2 version=$3
shift 3

prefix=${ZMQ_PREFIX:-}
if [ -z "$prefix" ]; then
    libraries=$(pkg-config --variable=libdir libzmq) headers=$(pkg-config --variable=includedir libzmq)
    mkdir -p "$folder.libzmq/lib" "$folder.libzmq/include"
    prefix=$(cd "$folder.libzmq" && pwd)
    for file in "$libraries"/libzmq.so*; do
        ln -sf "$file" "$prefix/lib/"
    done
    for file in "$headers"/zmq*.h; do
        ln -sf "$file" "$prefix/include/"
    done
fi

echo "Building PyZMQ $version against libzmq $(pkg-config --modversion libzmq 2>/dev/null)..."
rm -rf "$folder"
# Not from the cache of pip, which may have one that was built against another libzmq.
if "$python" -m venv "$folder" && {
    "$folder/bin/python" -m pip install "$@" &&
        ZMQ_PREFIX=$prefix "$folder/bin/python" -m pip install --no-cache-dir --no-deps --no-binary pyzmq "pyzmq==$version" &&
        cd "$folder" && bin/python -c 'import zmq; print(zmq.zmq_version())'
} >"$folder.log" 2>&1; then
    exit 0
fi
rm -rf "$folder"
echo "PyZMQ $version could not be built against this libzmq ($folder.log says why): its wheel has to do, with the"
echo "libzmq that is in it. Remove $folder.tried to try again."
