#!/bin/sh
# Make a folder that has another release of Debian, with debootstrap, and run commands in it. For root, on Linux.
#
# usage: chroot.sh make FOLDER SUITE [PACKAGE...]
#        chroot.sh run FOLDER [OPTION...] COMMAND [ARGUMENT...]
#        chroot.sh remove FOLDER
# make: minimal Debian of that suite, of Debian's own choice of mirror or of DEBIAN_MIRROR, and the packages. What is
#   there already stays: only what is missing is installed. Shown is what went wrong.
# run: in namespaces of its own: /proc, /dev and all other mounts are the command's, and vanish with it, as do the
#   processes that it leaves behind. The user is root; HOME, PATH, LANG are set, TERM is kept, and nothing else is.
#     -b SOURCE:TARGET   SOURCE is TARGET there, a folder or a file, with what is mounted below it; made where it is
#                        missing. May be said often.
#     -r SOURCE:TARGET   the same, to be read only
#     -d FOLDER          the folder to begin in, instead of /
#     -e NAME=VALUE      a variable of the environment
#     -n                 without network but for the loopback interface
#     -t                 throw away what is changed, but for what is bound with -b
# remove: the folder and all in it, unless something is mounted there.
set -eu

usage() {
    sed -n 's/^# \{0,1\}//; 4,6p' "$0" >&2
    exit 2
}

[ "$#" -ge 2 ] || usage
what=$1
folder=$2
shift 2
options=b:r:d:e:nt

is_root() {
    [ "$(id -u)" = 0 ] || { echo "$0: only root can do this" >&2; exit 1; }
}

make_it() {
    suite=$1
    shift
    is_root
    if ! command -v debootstrap >/dev/null 2>&1; then
        echo "Installing debootstrap..."
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap >/dev/null
    fi
    mkdir -p "$folder"
    if [ ! -f "$folder.made" ] || [ "$(cat "$folder.made")" != "$suite" ]; then
        echo "Making $folder, Debian $suite, with debootstrap..."
        remove_it
        mkdir -p "$folder"
        # shellcheck disable=SC2086
        debootstrap --variant=minbase "$suite" "$folder" ${DEBIAN_MIRROR:-} >"$folder.log" 2>&1 ||
            { tail -n 20 "$folder.log" >&2; exit 1; }
        # Old releases are not signed anew.
        echo 'Acquire::Check-Valid-Until "false";' >"$folder/etc/apt/apt.conf.d/90old"
        rm -rf "$folder"/var/cache/apt/archives/*.deb
        echo "$suite" >"$folder.made"
    fi
    missing=
    for package; do
        chroot "$folder" dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' ||
            missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        echo "Installing$missing into $folder..."
        # shellcheck disable=SC2086
        sh "$0" run "$folder" -e DEBIAN_FRONTEND=noninteractive sh -c '
            apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" && apt-get clean' sh $missing \
            >"$folder.log" 2>&1 || { tail -n 20 "$folder.log" >&2; exit 1; }
    fi
}

run_it() {
    is_root
    [ -d "$folder" ] || { echo "$0: there is no $folder" >&2; exit 1; }
    namespaces="--mount --ipc --pid --fork --kill-child"
    while getopts "$options" option; do
        case $option in
            n) namespaces="$namespaces --net" ;;
            \?) usage ;;
        esac
    done
    [ "$#" -ge "$OPTIND" ] || usage
    # This script again, in the namespaces: it mounts, and runs the command.
    # shellcheck disable=SC2086
    exec env -i PATH="$PATH" HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
        unshare $namespaces sh "$0" inside "$folder" "$@"
}

bind() {
    source=${1%:*}
    target=$root${1##*:}
    if [ -d "$source" ]; then
        mkdir -p "$target"
    else
        mkdir -p "${target%/*}"
        [ -e "$target" ] || : >"$target"
    fi
    mount --rbind "$source" "$target"
}

inside() {
    root=$(cd "$folder" && pwd -P)
    directory=/
    while getopts "$options" option; do
        [ "$option" = t ] || continue
        mount -t tmpfs none /mnt
        mkdir /mnt/changes /mnt/work /mnt/root
        mount -t overlay overlay -o "lowerdir=$root,upperdir=/mnt/changes,workdir=/mnt/work" /mnt/root
        root=/mnt/root
    done
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs none "$root/dev/shm"
    mount -t tmpfs none "$root/tmp"
    for file in /etc/resolv.conf /etc/hosts; do
        [ ! -f "$file" ] || bind "$file:$file"
    done
    OPTIND=1
    while getopts "$options" option; do
        case $option in
            b) bind "$OPTARG" ;;
            r) bind "$OPTARG"; mount -o remount,bind,ro "$target" ;;
            d) directory=$OPTARG ;;
            # The loopback interface of a new network is down: SIOCSIFFLAGS, IFF_UP | IFF_RUNNING.
            n) python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))' ;;
        esac
    done
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    OPTIND=1
    while getopts "$options" option; do
        # shellcheck disable=SC2163
        [ "$option" != e ] || export "$OPTARG"
    done
    shift $((OPTIND - 1))
    # Its shell stays: the first process is the parent of all whose own has ended, and has to hear of their ends.
    # shellcheck disable=SC2016
    exec chroot "$root" sh -c 'cd "$0" || exit; "$@"; exit' "$directory" "$@"
}

remove_it() {
    is_root
    [ -d "$folder" ] || return 0
    real=$(cd "$folder" && pwd -P)
    if grep -q " $real/" /proc/self/mounts; then
        echo "$0: something is mounted below $folder" >&2
        exit 1
    fi
    rm -rf --one-file-system "$folder" "$folder.made" "$folder.log"
}

case $what in
    make) [ "$#" -ge 1 ] || usage; make_it "$@" ;;
    run) [ "$#" -ge 1 ] || usage; run_it "$@" ;;
    inside) inside "$@" ;;
    remove) remove_it ;;
    *) usage ;;
esac
