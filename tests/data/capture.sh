#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Capture the config.json that Debian's podman, containerd (ctr) and docker hand
# to a runtime: each engine starts one container from one busybox image with a
# wrapper runtime that copies the bundle's config.json and then calls runc.
#
#   capture.sh [podman|containerd|docker]...     as root; needs the packages
#     podman containerd docker.io conmon runc busybox-static curl
#
# Everything runs in a private folder, nothing of the host's engines is touched.
# README.md says what is changed in a capture afterwards.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/corten-capture.XXXXXX)
started=
finish() {
	for pid in $started; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || :; done
	grep -o " $work[^ ]*" /proc/self/mountinfo | sort -r | while read -r m; do umount -l "$m" || :; done
	for parent in libpod_parent default docker; do # made by the engines, left by them
		find /sys/fs/cgroup -depth -type d -path "*/$parent*" -exec rmdir {} + 2>/dev/null || :
	done
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# What every container runs: facts that each test can predict from config.json.
program='echo hi; id; hostname; pwd; ulimit -n; cat /data/hello; grep -e ^Cap -e ^NoNew -e ^Seccomp: /proc/self/status'

runtime=$work/runtime
cat >"$runtime" <<END
#!/bin/sh
# Copies the bundle's config.json, then is runc.
bundle=. verb=
next=
for a; do
	case \$next in bundle) bundle=\$a ;; esac
	next=
	case \$a in
	--bundle|-b) next=bundle ;;
	--bundle=*) bundle=\${a#*=} ;;
	create|run) verb=\$a ;;
	esac
done
[ -z "\$verb" ] || cp "\$bundle/config.json" "$work/captured.json"
exec $(command -v runc) "\$@"
END
chmod 755 "$runtime"

image() { # a docker-archive of one busybox layer: $work/image.tar
	mkdir -p "$work/rootfs/bin" "$work/rootfs/etc" "$work/rootfs/tmp" "$work/archive" "$work/volumes/data"
	echo hello >"$work/volumes/data/hello"
	cp /bin/busybox "$work/rootfs/bin/busybox"
	for a in sh cat echo id hostname pwd grep mount ls sleep true; do ln -sf busybox "$work/rootfs/bin/$a"; done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$work/rootfs/etc/passwd"
	echo 'root:x:0:' >"$work/rootfs/etc/group"
	tar -C "$work/rootfs" --numeric-owner --owner 0 --group 0 -cf "$work/archive/layer.tar" .
	layer=$(sha256sum <"$work/archive/layer.tar" | cut -d' ' -f1)
	cat >"$work/archive/config.json" <<END
{"architecture":"$(dpkg --print-architecture)","os":"linux","created":"2020-01-01T00:00:00Z",
"config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["sh"],"WorkingDir":"/"},
"rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},"history":[{"created":"2020-01-01T00:00:00Z","created_by":"busybox"}]}
END
	echo '[{"Config":"config.json","RepoTags":["docker.io/library/capture:1"],"Layers":["layer.tar"]}]' \
		>"$work/archive/manifest.json"
	tar -C "$work/archive" -cf "$work/image.tar" manifest.json config.json layer.tar
}

# keep ENGINE: the capture with host paths made relative to a bundle.
keep() {
	mkdir -p "$here/$1"
	sed -e "s#\"root\":{\"path\":\"[^\"]*\"#\"root\":{\"path\":\"rootfs\"#" \
		-e "s#\"source\":\"$work[^\"]*/\([^\"/]*\)\"#\"source\":\"volumes/\1\"#g" \
		-e 's#"/proc/[0-9]*/exe","args":\["libnetwork-setkey"#"hooks/libnetwork-setkey","args":["libnetwork-setkey"#' \
		-e "s#$work#/var/lib/capture#g" \
		"$work/captured.json" >"$here/$1/config.json"
	rm "$work/captured.json"
	echo "$1: captured"
}

wait_for() { # wait_for SECONDS COMMAND...: until COMMAND succeeds
	n=$(($1 * 10)); shift
	until "$@" >/dev/null 2>&1; do
		n=$((n - 1)); [ $n -gt 0 ] || { echo "timeout: $*" >&2; cat "$work"/*.log >&2; exit 1; }
		sleep 0.1
	done
}

capture_podman() {
	set -- podman --root "$work/podman/root" --runroot "$work/podman/run" --tmpdir "$work/podman/tmp" \
		--storage-driver vfs --cgroup-manager=cgroupfs --events-backend=file --runtime "$runtime"
	"$@" load -q -i "$work/image.tar"
	"$@" run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \
		--memory 64m --cpus 0.5 --pids-limit 50 --volume "$work/volumes/data:/data:ro" \
		docker.io/library/capture:1 sh -c "$program"
	keep podman
}

capture_containerd() {
	cat >"$work/containerd.toml" <<END
version = 2
root = "$work/containerd/root"
state = "$work/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$work/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "$work/containerd/opt"
END
	containerd --config "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
	started="$started $!"
	wait_for 20 ctr --address "$work/containerd.sock" version
	set -- ctr --address "$work/containerd.sock"
	"$@" images import --snapshotter native "$work/image.tar"
	"$@" run --rm --snapshotter native --runc-binary "$runtime" --seccomp --memory-limit 67108864 --cpus 0.5 \
		--mount "type=bind,src=$work/volumes/data,dst=/data,options=rbind:ro" \
		docker.io/library/capture:1 capture sh -c "$program"
	keep containerd
}

capture_docker() {
	mkdir -p "$work/docker" && echo "{}" >"$work/docker/none.json"
	dockerd --data-root "$work/docker/data" --exec-root "$work/docker/exec" --pidfile "$work/docker/pid" \
		--host "unix://$work/docker.sock" --config-file "$work/docker/none.json" --storage-driver vfs \
		--iptables=false --ip6tables=false --bridge=none --oom-score-adjust 0 --exec-opt native.cgroupdriver=cgroupfs \
		--add-runtime "capture=$runtime" >"$work/dockerd.log" 2>&1 &
	started="$started $!"
	api="curl -sSf --unix-socket $work/docker.sock http://docker/v1.41"
	wait_for 30 $api/_ping
	$api/images/load -X POST -H 'Content-Type: application/x-tar' --data-binary "@$work/image.tar" >/dev/null
	# Host-side command lines of docker differ by version; the API does not.
	cat >"$work/create.json" <<END
{"Image":"capture:1","Cmd":["sh","-c","$program"],"HostConfig":{"Runtime":"capture","NetworkMode":"none",
"Memory":67108864,"NanoCpus":500000000,"PidsLimit":50,"Binds":["$work/volumes/data:/data:ro"],
"Ulimits":[{"Name":"nofile","Soft":1024,"Hard":1024}]}}
END
	$api/containers/create?name=capture -X POST -H 'Content-Type: application/json' -d "@$work/create.json" >/dev/null
	$api/containers/capture/start -X POST
	$api/containers/capture/wait -X POST
	$api/containers/capture -X DELETE
	keep docker
}

image
for engine in ${*:-podman containerd docker}; do
	"capture_$engine"
done
