// SPDX-License-Identifier: Apache-2.0
//
// floor: only the calls that no runtime can do without, for the bundle that
// bench makes. What it takes is the lower bound runtimes are compared with; it
// checks nothing, undoes nothing and confines nobody for real.
//
//	floor run BUNDLE CGROUP COMMAND...    a container, until it ends
//	floor exec PID CGROUP COMMAND...      a process in the container of PID
//	floor peak FILE COMMAND...            on the host; its peak RSS in KiB goes to FILE
//	floor time N FILE TIMES               on the host, batches of commands, N at a time; TIMES gets their nanoseconds
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUST(call) ({ long r_ = (call); if (r_ < 0) { perror(#call); _exit(1); } r_; })

static char *env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", 0 };

static void attach_device_program(int cgroup)
{
	struct bpf_insn code[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 }, { .code = BPF_JMP | BPF_EXIT } };
	union bpf_attr load = { 0 }, attach = { 0 };
	load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	load.insns = (uintptr_t)code;
	load.insn_cnt = 2;
	load.license = (uintptr_t) "Apache";
	attach.target_fd = cgroup;
	attach.attach_type = BPF_CGROUP_DEVICE;
	attach.attach_bpf_fd = MUST(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load));
	MUST(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach));
}

static void loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	MUST(ioctl(s, SIOCSIFFLAGS, &r));
	close(s);
}

static void make_device(const char *path, unsigned major, unsigned minor)
{
	MUST(mknod(path, S_IFCHR | 0666, makedev(major, minor)));
}

static void mounts(void) // of the bundle, below the current directory
{
	const unsigned long plain = MS_NOSUID | MS_NOEXEC | MS_NODEV;
	MUST(mount("proc", "proc", "proc", 0, 0));
	MUST(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
	mkdir("dev/pts", 0755);
	MUST(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
	mkdir("dev/shm", 0755);
	MUST(mount("shm", "dev/shm", "tmpfs", plain, "mode=1777,size=65536k"));
	mkdir("dev/mqueue", 0755);
	MUST(mount("mqueue", "dev/mqueue", "mqueue", plain, 0));
	MUST(mount("sysfs", "sys", "sysfs", plain | MS_RDONLY, 0));
	MUST(mount("cgroup", "sys/fs/cgroup", "cgroup2", plain | MS_RELATIME | MS_RDONLY, 0));
	make_device("dev/null", 1, 3);
	make_device("dev/zero", 1, 5);
	make_device("dev/full", 1, 7);
	make_device("dev/random", 1, 8);
	make_device("dev/urandom", 1, 9);
	make_device("dev/tty", 5, 0);
	MUST(symlink("/proc/self/fd", "dev/fd"));
	MUST(symlink("/proc/self/fd/0", "dev/stdin"));
	MUST(symlink("/proc/self/fd/1", "dev/stdout"));
	MUST(symlink("/proc/self/fd/2", "dev/stderr"));
	MUST(symlink("pts/ptmx", "dev/ptmx"));
}

static void masks(void) // in the new root; what the kernel lacks is skipped
{
	static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi", 0 };
	static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", 0 };
	for (int i = 0; masked[i]; i++)
		if (mount("/dev/null", masked[i], 0, MS_BIND, 0) < 0)
			mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, 0);
	for (int i = 0; readonly[i]; i++)
		if (mount(readonly[i], readonly[i], 0, MS_BIND | MS_REC, 0) == 0)
			MUST(mount(0, readonly[i], 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
}

static void credentials(void)
{
	const uint64_t keep = 1ull << CAP_AUDIT_WRITE | 1ull << CAP_KILL | 1ull << CAP_NET_BIND_SERVICE;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = keep, .permitted = keep },
						  { .effective = keep >> 32, .permitted = keep >> 32 } };
	struct rlimit files = { 1024, 1024 };
	MUST(setrlimit(RLIMIT_NOFILE, &files));
	for (int c = 0; c <= CAP_LAST_CAP; c++)
		if (!(keep >> c & 1))
			prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	MUST(syscall(SYS_setgroups, 0, 0));
	MUST(syscall(SYS_setresgid, 0, 0, 0));
	MUST(syscall(SYS_setresuid, 0, 0, 0));
	MUST(syscall(SYS_capset, &header, data));
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void payload(char **argv)
{
	char path[4096];
	MUST(syscall(SYS_close_range, 3, ~0u, 0));
	snprintf(path, sizeof path, "/bin/%s", argv[0]);
	MUST(execve(path, argv, env));
}

static void container(const char *bundle, char **argv)
{
	char rootfs[4096];
	snprintf(rootfs, sizeof rootfs, "%s/rootfs", bundle);
	umask(0);
	MUST(setsid());
	MUST(unshare(CLONE_NEWCGROUP));
	MUST(mount(0, "/", 0, MS_REC | MS_SLAVE, 0));
	int root = MUST(syscall(SYS_open_tree, AT_FDCWD, rootfs, 1 | AT_RECURSIVE | O_CLOEXEC));
	MUST(syscall(SYS_move_mount, root, "", AT_FDCWD, rootfs, 4));
	MUST(fchdir(root));
	loopback_up();
	mounts();
	MUST(sethostname("box", 3));
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(chdir("/"));
	masks();
	MUST(mount(0, "/", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
	umask(022);
	credentials();
	payload(argv);
}

static pid_t clone_into(int cgroup, uint64_t flags)
{
	struct clone_args a = { .flags = flags | CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = cgroup };
	return MUST(syscall(SYS_clone3, &a, sizeof a));
}

static int wait_for(pid_t pid)
{
	int status;
	MUST(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static pid_t start(char **argv)
{
	pid_t pid = MUST(vfork());
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static int peak(const char *file, char **argv)
{
	struct rusage usage;
	int status = wait_for(start(argv));
	MUST(getrusage(RUSAGE_CHILDREN, &usage));
	FILE *f = fopen(file, "w");
	if (!f || fprintf(f, "%ld\n", usage.ru_maxrss) < 0 || fclose(f))
		return 1;
	return status;
}

/* The words of the next line, which end where tabs are; NULL at an empty line or the end. */
static char **command(FILE *f)
{
	static char line[65536], *words[256];
	int n = 0;
	if (!fgets(line, sizeof line, f) || *line == '\n')
		return NULL;
	line[strcspn(line, "\n")] = 0;
	for (char *w = strtok(line, "\t"); w && n < 255; w = strtok(NULL, "\t"))
		words[n++] = w;
	words[n] = NULL;
	return words;
}

/* Whether there was a batch; failed, whether one of its commands has. */
static int batch(FILE *f, int abreast, int *failed)
{
	int running = 0, any = 0, status;
	char **words = command(f);
	while (words || running > 0) {
		if (words && running < abreast) {
			start(words);
			running++;
			any = 1;
			words = command(f);
		} else if (wait(&status) > 0) {
			running--;
			*failed |= status;
		}
	}
	return any;
}

static int measure(int abreast, const char *batches, const char *times)
{
	FILE *f = fopen(batches, "re"), *to = fopen(times, "we");
	struct timespec begin, end;
	int failed = 0;
	while (f && to && !failed) {
		MUST(clock_gettime(CLOCK_MONOTONIC, &begin));
		if (!batch(f, abreast, &failed))
			break;
		MUST(clock_gettime(CLOCK_MONOTONIC, &end));
		fprintf(to, "%ld\n", (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec);
	}
	return !f || !to || failed || fclose(to);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "time"))
		return measure(atoi(argv[2]), argv[3], argv[4]);
	if (argc >= 4 && !strcmp(argv[1], "peak"))
		return peak(argv[2], argv + 3);
	if (argc < 5)
		return 2;
	if (!strcmp(argv[1], "run")) {
		MUST(mkdir(argv[3], 0755));
		int cgroup = MUST(open(argv[3], O_PATH | O_DIRECTORY | O_CLOEXEC));
		int device = MUST(open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		attach_device_program(device);
		pid_t pid = clone_into(cgroup, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
		if (pid == 0)
			container(argv[2], argv + 4);
		int status = wait_for(pid);
		MUST(rmdir(argv[3]));
		return status;
	}
	int cgroup = MUST(open(argv[3], O_PATH | O_DIRECTORY | O_CLOEXEC));
	int target = MUST(syscall(SYS_pidfd_open, atoi(argv[2]), 0));
	MUST(setns(target, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP));
	pid_t pid = clone_into(cgroup, 0);
	if (pid == 0) {
		MUST(setsid());
		credentials();
		payload(argv + 4);
	}
	return wait_for(pid);
}
