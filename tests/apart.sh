#!/bin/sh
# apart.sh CGROUP FOLDER PYTHON ARGUMENT...: run Python with a network, a cgroup tree (below CGROUP),
# /tmp and /run (both below FOLDER) of its own. A worker of pytest is started with it.
set -eu
if [ "$1" != --inside ]; then
    mkdir "$1/$$"
    echo $$ >"$1/$$/cgroup.procs"
    exec unshare --net --mount --cgroup --propagation private "$0" --inside "$@"
fi
cgroup=$2 own=$3/$$
shift 3
ip link set lo up
umount "${cgroup%/*}"
mount -t cgroup2 none "${cgroup%/*}"
mkdir -p "$own/run" "$own/tmp/pytest-of-root" /tmp/pytest-of-root
chmod 1777 "$own/tmp"
# What pytest and its plugins share with their workers stays in its place.
mount --bind /tmp/pytest-of-root "$own/tmp/pytest-of-root"
mount --bind "$own/run" /run
mount --rbind "$own/tmp" /tmp
unset TMPDIR PYTEST_DEBUG_TEMPROOT
exec "$@"
