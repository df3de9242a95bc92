# SPDX-License-Identifier: Apache-2.0
# Completion of corten for bash.

_corten() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} root=() verb= i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--root) root=(--root "${COMP_WORDS[++i]}") ;;
		--log | --log-format | --rootless) ((i++)) ;;
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case $before in
	--log-format) mapfile -t COMPREPLY < <(compgen -W "text json" -- "$word") && return ;;
	--rootless) [[ $verb ]] || { mapfile -t COMPREPLY < <(compgen -W "true false auto" -- "$word") && return; } ;;
	--format) mapfile -t COMPREPLY < <(compgen -W "table json" -- "$word") && return ;;
	--root | --bundle | -b) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
	--log | --process | --resources | -p | --pid-file | --console-socket) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
	esac
	local words=
	case $verb in
	"") words="create delete events exec features kill list pause plan ps resume run spec start state update --root --log --log-format --debug --systemd-cgroup --rootless --version --help help" ;;
	create) words="--bundle --console-socket --pid-file --preserve-fds --no-pivot --no-new-keyring --help" ;;
	delete) words="--force --help" ;;
	events) words="--stats --interval --all --help" ;;
	exec) words="--process --tty --detach --user --additional-gids --cwd --env --cap --no-new-privs --apparmor --process-label --pid-file --console-socket --preserve-fds --ignore-paused --help" ;;
	features) words="--help" ;;
	kill) words="--all --help" ;;
	list) words="--format --quiet --help" ;;
	pause | resume) words="--help" ;;
	plan) words="--bundle --console-socket --pid-file --preserve-fds --no-pivot --no-new-keyring --init --json --help" ;;
	ps) words="--format --help" ;;
	run) words="--bundle --console-socket --pid-file --preserve-fds --no-pivot --no-new-keyring --detach --keep --no-subreaper --init --help" ;;
	spec) words="--bundle --rootless --help" ;;
	start) words="--help" ;;
	state) words="--help" ;;
	update) words="--resources --blkio-weight --cpu-period --cpu-quota --cpu-burst --cpu-share --cpu-rt-period --cpu-rt-runtime --cpu-idle --cpuset-cpus --cpuset-mems --memory --memory-reservation --memory-swap --kernel-memory --kernel-memory-tcp --pids-limit --l3-cache-schema --mem-bw-schema --help" ;;
	esac
	case $verb in
	start | state | kill | delete | events | pause | resume | update | ps | exec) [[ $word == -* ]] || words=$(corten "${root[@]}" list -q 2>/dev/null) ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o bashdefault -o default -F _corten corten
