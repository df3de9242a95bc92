#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build-deps.sh build|demo|test|engines|bench|vm|arm64|dist: installs the Debian packages that this
# needs and that are missing. When nothing is, it takes milliseconds.
set -eu

# want FILE PACKAGE...: the packages, unless the file is there.
missing=
want() {
	[ -e "$1" ] && return
	shift
	missing="$missing $*"
}

build() {
	want /usr/bin/x86_64-linux-gnu-gcc gcc
	want /usr/include/stdio.h libc6-dev
	want /usr/bin/readelf binutils
	want /usr/include/seccomp.h libseccomp-dev
	want /usr/bin/pkg-config pkg-config
}
demo() { want /bin/busybox busybox-static; }
peers() {
	want /usr/sbin/runc runc
	want /usr/bin/crun crun
}
checks() {
	demo
	peers
	want /usr/bin/aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
	want /usr/aarch64-linux-gnu/include/asm/errno.h linux-libc-dev-arm64-cross
	want /usr/bin/clang clang
	want /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a libclang-rt-14-dev
	want /usr/bin/strace strace
	want /usr/bin/script bsdutils
	want /usr/bin/podman podman
	want /usr/bin/conmon conmon
	want /usr/bin/file file
	want /bin/ps procps
	want /usr/bin/newuidmap uidmap
	want /bin/ip iproute2
	want /usr/bin/zsh zsh
	want /usr/bin/fish fish
}

engines() {
	demo
	want /usr/sbin/runc runc
	want /usr/bin/podman podman
	want /usr/bin/conmon conmon
	want /usr/bin/catatonit catatonit
	want /usr/lib/cni/bridge containernetworking-plugins
	want /usr/bin/buildah buildah
	want /usr/bin/containerd containerd
	want /usr/sbin/dockerd docker.io
	want /usr/bin/docker-init tini
	want /usr/sbin/iptables iptables
	want /usr/bin/script bsdutils
	want /bin/ps procps
	want /bin/ip iproute2
}

machines() {
	demo
	want /usr/bin/qemu-system-x86_64 qemu-system-x86
	want /usr/sbin/debootstrap debootstrap
	want /sbin/mke2fs e2fsprogs
}

other() {
	demo
	foreign
	want /usr/bin/qemu-system-aarch64 qemu-system-arm
	want /usr/sbin/debootstrap debootstrap
}

foreign() {
	want /usr/bin/aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
	want /usr/aarch64-linux-gnu/include/stdio.h libc6-dev-arm64-cross
}

case ${1:-build} in
build) build ;;
demo) demo ;;
test) build && checks ;;
bench) demo && peers ;;
engines) build && engines ;;
vm) build && machines ;;
arm64) build && other ;;
dist) build && foreign ;;
*) echo "usage: $0 build|demo|test|engines|bench|vm|arm64|dist" >&2 && exit 2 ;;
esac

[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "missing Debian packages:$missing" >&2
	exit 1
fi
echo "installing$missing"
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
{ apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null || {
	cat "$log" >&2
	exit 1
}
rm -f "$log"
