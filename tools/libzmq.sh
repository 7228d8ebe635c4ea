#!/bin/sh
# Build a libzmq that is made for being inside a wheel: what is not called from outside is not exported and can be
# inlined, libsodium is in it, it asks the system for less (tools/libzmq/*.c), and the compiler knows from a profile
# what is hot.
#
# usage: libzmq.sh FOLDER [CHROOT]
# FOLDER gets lib/, include/ and licenses/, and is a ZMQ_PREFIX for setup.py. Nothing is done if it is there and newer
#   than this. What is on the way goes to FOLDER.build, with a log.
# CHROOT is a folder that chroot.sh has made: its compilers and its C library are used. It needs clang, lld, llvm and
#   libclang-rt of one version, gcc, g++, make, and autoconf, automake, libtool and pkg-config where the sources have no
#   configure.
# LIBZMQ_SOURCE, LIBSODIUM_SOURCE: folders with sources. Else Debian's source packages are fetched, of LIBZMQ_SUITE
#   (bookworm), with apt-get and dpkg-source.
# LIBZMQ_CFLAGS: more flags for the compiler.
# LLVM: the version of clang and what belongs to it (16).
# JOBS: how many files are compiled at once (2).
set -eu

# Another libzmq in the process, which something else brings, has another name, so that neither is taken for the other.
soname=libzmq-greenzmq.so.5
hot="-O3 -fPIC -fvisibility=hidden -fno-plt -pthread ${LIBZMQ_CFLAGS:-}"
# What the compiler may know: that none of its symbols is replaced from outside.
flags="$hot -fno-semantic-interposition -flto -D_FORTIFY_SOURCE=2"
link="-fuse-ld=lld -shared -Wl,-soname,$soname -Wl,-O2 -Wl,--as-needed -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now"
jobs=${JOBS:-2}
export LLVM="${LLVM:-16}"
tools=$(cd "$(dirname "$0")" && pwd -P)

fail() {
    echo "libzmq.sh: $1" >&2
    exit 1
}

# Put the source packages into folders of these names.
fetch() {
    command -v dpkg-source >/dev/null || fail "dpkg-source is not here (Debian: dpkg-dev), and LIBZMQ_SOURCE is not set"
    apt=$work/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        sed -n 's/^Debian //p' | head -n 1)}
    keys=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb-src [signed-by=$keys] $mirror ${LIBZMQ_SUITE:-bookworm} main" >"$apt/sources.list"
    set -- "$@" -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root
    (
        cd "$apt"
        apt-get -qq "$@" update
        rm -rf ./*.dsc "$work/zeromq" "$work/libsodium"
        apt-get -qq "$@" source --download-only zeromq3 libsodium
        # apt-get has compared them with what is signed.
        dpkg-source --no-check -x zeromq3_*.dsc "$work/zeromq"
        dpkg-source --no-check -x libsodium_*.dsc "$work/libsodium"
    )
}

# Say which release this is.
named() {
    if [ -f "$work/$1/debian/changelog" ]; then
        sed -n '1s/^\([^ ]*\) (\([^)]*\)).*/is of Debian'"'"'s source package \1 \2/p' "$work/$1/debian/changelog"
    else
        echo "is of other sources"
    fi
}

configure() {
    [ -x configure ] || autoreconf --install --force
    ./configure --quiet "$@"
}

# Where libzmq calls a function of these, that is what is linked in.
build_libsodium() {
    cd "$work/libsodium"
    # Not optimized as one program: what takes the same time for every key is not to be reordered from outside.
    configure --prefix="$work/sodium" --disable-shared --enable-static --with-pic \
        CFLAGS="$hot -ffunction-sections -fdata-sections"
    make -s -j "$jobs" install
}

# Compile everything with these flags, and link it to the folder $1.
compile() {
    out=$1
    shift
    mkdir -p "$out"
    # shellcheck disable=SC2016
    xargs <files -P "$jobs" -I FILE sh -c '
        file=$1
        shift
        object=objects/$(basename "$file").o
        case $file in
            *.c) exec clang-"$LLVM" "$@" -c "$file" -o "$object" ;;
            src/epoll.cpp) set -- "$@" -Depoll_ctl=zmq_epoll_ctl -Depoll_wait=zmq_epoll_wait ;;
            # Inline functions of the C library would be renamed, and call what they are for themselves.
            src/signaler.cpp) set -- "$@" -U_FORTIFY_SOURCE -Dpoll=zmq_poll_signal -Dread=zmq_read_signal \
                -Dclose=zmq_close_signals ;;
        esac
        exec clang++-"$LLVM" -std=gnu++11 -fvisibility-inlines-hidden -Dgetpid=zmq_process_id "$@" -c "$file" \
            -o "$object"' sh FILE "$@" -D_GNU_SOURCE -D_REENTRANT -D_THREAD_SAFE -I src -I include \
        -I "$work/sodium/include"
    # shellcheck disable=SC2086
    clang++-"$LLVM" "$@" $link -Wl,--version-script,exports -o "$out/$soname" objects/*.o "$work/sodium/lib/libsodium.a" \
        -pthread -lrt
    for name in zmq_process_id zmq_epoll_ctl zmq_epoll_wait zmq_poll_signal zmq_read_signal zmq_close_signals; do
        llvm-nm-"$LLVM" -u objects/*.cpp.o 2>&1 | grep -q " $name$" || fail "nothing calls $name: libzmq is not what it was"
    done
}

build_libzmq() {
    cd "$work/zeromq"
    # Only for src/platform.hpp, which says what the system has.
    configure PKG_CONFIG_PATH="$work/sodium/lib/pkgconfig" --with-libsodium --enable-curve --disable-libunwind \
        --disable-libbsd --disable-drafts --disable-ws --without-docs --without-pgm --without-norm \
        --without-libgssapi_krb5
    grep -q 'define ZMQ_USE_LIBSODIUM' src/platform.hpp || fail "configure did not take libsodium"
    # The files that are libzmq with this configuration, which its Makefile knows.
    printf 'print-objects:\n\t@echo $(src_libzmq_la_OBJECTS)\n' | make -s -f Makefile -f - print-objects | tr ' ' '\n' |
        sed 's,src/libzmq_la-\(.*\)\.lo,src/\1.cpp,' >files
    for file in process_id output_events signal_reads; do
        echo "$tools/libzmq/$file.c" >>files
    done
    echo '{ global: zmq_*; local: *; };' >exports
    rm -rf objects trained
    mkdir objects
    # shellcheck disable=SC2086
    compile trained $flags -fprofile-generate -fprofile-update=atomic
    gcc -O2 -Wall -I include "$tools/libzmq/train.c" -o trained/train "trained/$soname" -Wl,-rpath,"$PWD/trained" -pthread
    LLVM_PROFILE_FILE="$PWD/trained/profile" trained/train
    llvm-profdata-"$LLVM" merge -o trained/merged trained/profile
    # shellcheck disable=SC2086
    compile "$work/prefix/lib" $flags -fprofile-use="$PWD/trained/merged"
}

build() {
    command -v "clang++-$LLVM" >/dev/null ||
        fail "clang++-$LLVM is not here (Debian: clang-$LLVM lld-$LLVM llvm-$LLVM libclang-rt-$LLVM-dev)"
    rm -rf "$work/prefix"
    mkdir -p "$work/prefix/include" "$work/prefix/licenses"
    build_libsodium
    build_libzmq
    cd "$work/prefix"
    strip "lib/$soname"
    # For -lzmq: a name in a wheel cannot be a link.
    echo "INPUT($soname)" >lib/libzmq.so
    cp -p "$work"/zeromq/include/zmq.h "$work"/zeromq/include/zmq_utils.h include/
    cp "$work/libsodium/LICENSE" licenses/libsodium.txt
    # From 4.3.5 on the first is the MPL; before, the GPL and the LGPL with the exception for linking.
    for file in LICENSE COPYING COPYING.LESSER; do
        [ ! -f "$work/zeromq/$file" ] || cp "$work/zeromq/$file" "licenses/libzmq-$file.txt"
    done
    cat >licenses/README.txt <<END
$soname is libzmq, with libsodium linked into it.
libzmq $(named zeromq), under the licenses in libzmq-*.txt
libsodium $(named libsodium), under the license in libsodium.txt
Both were compiled, unchanged, by tools/libzmq.sh in the source archive of greenzmq. Any other libzmq that has this name
(LIBZMQ_SOURCE=folder sh tools/libzmq.sh) may be put in its place.
END
    foreign=$(nm -D --defined-only "lib/$soname" | grep -v ' zmq_' || true)
    [ -z "$foreign" ] || fail "exports what is not libzmq's: $foreign"
}

# A shell of its own for each, which ends at the first command that fails: where this one asks how a function ended it
# would go on in it.
case ${1:-} in
    --fetch | --build)
        work=$2
        "${1#--}"
        exit
        ;;
esac
[ "$#" -ge 1 ] && [ "$#" -le 2 ] || { sed -n 's/^# \{0,1\}//; 2,18p' "$0" >&2; exit 2; }
folder=$1
chroot=${2:-}
mkdir -p "$folder.build"
work=$(cd "$folder.build" && pwd -P)
if [ -f "$folder/lib/$soname" ] && [ -z "$(find "$tools/libzmq.sh" "$tools/libzmq" -newer "$folder/lib/$soname")" ]; then
    exit 0
fi
rm -rf "$work/zeromq" "$work/libsodium"
if [ -z "${LIBZMQ_SOURCE:-}" ] || [ -z "${LIBSODIUM_SOURCE:-}" ]; then
    echo "Fetching the sources of libzmq and libsodium..."
    sh "$tools/libzmq.sh" --fetch "$work" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
fi
for name in LIBZMQ_SOURCE/zeromq LIBSODIUM_SOURCE/libsodium; do
    eval "source=\${${name%/*}:-}"
    [ -z "$source" ] || { rm -rf "$work/${name#*/}" && cp -a "$source" "$work/${name#*/}"; }
done
echo "Building libzmq, twice for its profile (the log is $work/log)..."
if [ -n "$chroot" ]; then
    set -- sh "$tools/chroot.sh" run "$chroot" -t -b "$work:$work" -r "$tools:$tools" -e "JOBS=$jobs" \
        -e "LIBZMQ_CFLAGS=${LIBZMQ_CFLAGS:-}" -e "LLVM=$LLVM"
else
    set --
fi
"$@" sh "$tools/libzmq.sh" --build "$work" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
rm -rf "$folder"
mv "$work/prefix" "$folder"
