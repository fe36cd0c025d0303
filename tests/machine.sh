#!/bin/sh
# Runs COMMAND, which needs root, in mounts of its own that end with it: machine.sh COMMAND... What is missing is named.
set -eu

need() {
    printf 'make test-machine needs %s\n' "$1" >&2
    exit 1
}

[ "$(uname -s)" = Linux ] || need 'Linux: it fills a disk, and kills a service with all its processes'
[ "$(id -u)" = 0 ] || need 'root: it mounts things, and makes files of another user and groups of processes'
for program in unshare mount setpriv; do
    command -v "$program" >/dev/null || need "$program, of util-linux"
done
# shellcheck disable=SC2016 # the inner shell expands it
unshare --mount sh -c 'mount -t tmpfs none /mnt' 2>/dev/null ||
    need 'a root that may mount (CAP_SYS_ADMIN): in a container, start that with more rights'
unshare --mount sh -ec 'mount -t cgroup2 none /mnt; group=/mnt/berth-probe-$$; mkdir "$group"
    [ -e "$group/cgroup.kill" ] && found=yes || found=no; rmdir "$group"; [ "$found" = yes ]' 2>/dev/null ||
    need 'groups of processes that can be made and killed (cgroup v2 of Linux 5.14 or later, writable)'
BERTH_OWN_MOUNTS=1 exec unshare --mount "$@"
