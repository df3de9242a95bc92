# SPDX-License-Identifier: Apache-2.0
# Completion of corten for bash.

_corten() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} root=() verb= i words
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--root) root=(--root "${COMP_WORDS[++i]}") ;;
		--log | --log-format | --log-level | --cgroup-manager | --trace | --timeout | --rootless) ((i++)) ;;
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case $verb:$before in
	:--root) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	:--log) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	:--log-format) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$word") && return ;;
	:--trace) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	:--rootless) mapfile -t COMPREPLY < <(compgen -W "true false auto" -- "$word") && return ;;
	check:-b | check:--bundle) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	check:-f | check:--config) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	check:--console-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	check:--pidfd-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	check:--pid-file) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	create:-b | create:--bundle) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	create:-f | create:--config) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	create:--console-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	create:--pidfd-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	create:--pid-file) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	exec:-p | exec:--process) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	exec:--cwd) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	exec:--pid-file) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	exec:--console-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	exec:--pidfd-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	list:-f | list:--format) mapfile -t COMPREPLY < <(compgen -W "table json" -- "$word") && return ;;
	plan:-b | plan:--bundle) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	plan:-f | plan:--config) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	plan:--console-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	plan:--pidfd-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	plan:--pid-file) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	ps:-f | ps:--format) mapfile -t COMPREPLY < <(compgen -W "table json" -- "$word") && return ;;
	run:-b | run:--bundle) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	run:-f | run:--config) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	run:--console-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	run:--pidfd-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	run:--pid-file) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	spec:-b | spec:--bundle) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	update:-r | update:--resources) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	update:--cpu-idle) mapfile -t COMPREPLY < <(compgen -W "0 1" -- "$word") && return ;;
	esac
	case $verb in
	"") words="check create delete events exec features kill list pause plan ps resume run spec start state update wait --root --log --log-format --log-level --debug --systemd-cgroup --cgroup-manager --trace --timeout --rootless --version --help" ;;
	check) words="--bundle --config --console-socket --pidfd-socket --pid-file --preserve-fds --no-pivot --no-new-keyring --init --json --help" ;;
	create) words="--bundle --config --console-socket --pidfd-socket --pid-file --preserve-fds --no-pivot --no-new-keyring --help" ;;
	delete) words="--force --regex --help" ;;
	events) words="--stats --interval --all --help" ;;
	exec) words="--process --tty --detach --user --additional-gids --cwd --env --cap --no-new-privs --apparmor --process-label --pid-file --console-socket --pidfd-socket --preserve-fds --cgroup --kill-with-parent --ignore-paused --help" ;;
	features) words="--help" ;;
	kill) words="--all --regex --help" ;;
	list) words="--format --quiet --help" ;;
	pause) words="--help" ;;
	plan) words="--bundle --config --console-socket --pidfd-socket --pid-file --preserve-fds --no-pivot --no-new-keyring --init --json --help" ;;
	ps) words="--format --help" ;;
	resume) words="--help" ;;
	run) words="--bundle --config --console-socket --pidfd-socket --pid-file --preserve-fds --no-pivot --no-new-keyring --detach --keep --no-subreaper --init --help" ;;
	spec) words="--bundle --rootless --help" ;;
	start) words="--help" ;;
	state) words="--help" ;;
	update) words="--resources --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period --cpu-rt-runtime --cpu-idle --cpuset-cpus --cpuset-mems --memory --memory-reservation --memory-swap --pids-limit --l3-cache-schema --mem-bw-schema --help" ;;
	wait) words="--json --help" ;;
	esac
	case $verb in
	delete | events | exec | kill | pause | ps | resume | start | state | update | wait) [[ $word == -* ]] || words=$(corten "${root[@]}" list -q 2>/dev/null) ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o bashdefault -o default -F _corten corten
