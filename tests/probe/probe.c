// SPDX-License-Identifier: Apache-2.0
//
// probe: the payload of the tests. Without arguments it prints what it sees of
// its container as JSON; with a word it does one thing and prints the outcome.
// Errors come out as the errno's name. Static, so any rootfs will do.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>

extern char **environ;

static void text(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		unsigned char c = *s;
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void key(const char *name)
{
	text(name);
	putchar(':');
}

static void field(const char *name, const char *value)
{
	key(name);
	text(value);
	putchar(',');
}

static void number(const char *name, long long value) { printf("\"%s\":%lld,", name, value); }

static void list(const char *name, char **values)
{
	key(name);
	putchar('[');
	for (char **v = values; *v; v++) {
		if (v != values)
			putchar(',');
		text(*v);
	}
	fputs("],", stdout);
}

static const char *outcome(long rc) { return rc < 0 ? strerrorname_np(errno) : "ok"; }

static char file_text[1 << 20];

static const char *slurp(const char *path)
{
	size_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "";
	for (ssize_t r; n < sizeof file_text - 1 && (r = read(fd, file_text + n, sizeof file_text - 1 - n)) > 0;)
		n += r;
	close(fd);
	file_text[n] = 0;
	return file_text;
}

static void print_fds(void)
{
	int first = 1;
	fputs("\"fds\":[", stdout);
	for (int fd = 0; fd < 4096; fd++) {
		char path[64], link[4096] = "";
		struct stat st;
		if (fstat(fd, &st) < 0)
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, link, sizeof link - 1);
		link[n < 0 ? 0 : n] = 0;
		printf("%s{\"fd\":%d,\"flags\":%d,\"dev\":%llu,\"ino\":%llu,\"mode\":%u,\"rdev\":\"%u:%u\",\"uid\":%u,\"link\":",
		       first ? "" : ",", fd, fcntl(fd, F_GETFL), (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino, st.st_mode, major(st.st_rdev), minor(st.st_rdev), st.st_uid);
		text(link);
		putchar('}');
		first = 0;
	}
	fputs("],", stdout);
}

static void print_links(const char *name, const char *dir, const char *const *entries)
{
	key(name);
	putchar('{');
	for (int i = 0; entries[i]; i++) {
		char path[256], link[4096] = "";
		snprintf(path, sizeof path, "%s/%s", dir, entries[i]);
		ssize_t n = readlink(path, link, sizeof link - 1);
		link[n < 0 ? 0 : n] = 0;
		if (i)
			putchar(',');
		key(entries[i]);
		text(link);
	}
	fputs("},", stdout);
}

// print_scheduling shows what sched_getattr, getpriority, ioprio_get,
// sched_getaffinity and get_mempolicy say; numbers are the kernel's.
static void print_scheduling(void)
{
	struct {
		unsigned size, policy;
		unsigned long long flags;
		int nice;
		unsigned priority;
		unsigned long long runtime, deadline, period;
	} a = { 0 };
	unsigned long nodes[16] = { 0 };
	int mode = -1;
	cpu_set_t cpus;

	syscall(SYS_sched_getattr, 0, &a, sizeof a, 0);
	fputs("\"scheduling\":{", stdout);
	number("policy", a.policy);
	number("flags", a.flags);
	number("nice", getpriority(PRIO_PROCESS, 0));
	number("priority", a.priority);
	number("runtime", a.runtime);
	number("deadline", a.deadline);
	number("period", a.period);
	number("ioprio", syscall(SYS_ioprio_get, 1, 0));
	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof cpus, &cpus);
	number("cpus", *(unsigned long *)&cpus);
	if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, 0, 0) < 0)
		mode = -1;
	number("mode", mode);
	printf("\"nodes\":%lu},", nodes[0]);
}

static int report(char **argv)
{
	static const char *const files[] = { "/proc/self/status", "/proc/self/mountinfo", "/proc/self/cgroup",
		"/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/timens_offsets", "/proc/self/setgroups",
		"/proc/self/oom_score_adj", "/proc/self/attr/current", 0 };
	static const char *const namespaces[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts", 0 };
	static const char *const self[] = { "exe", "cwd", "root", 0 };
	static char cwd[1 << 16];
	struct utsname u;
	struct winsize w = { 0 };
	struct timespec mono, boot;
	int fd;

	putchar('{');
	print_fds(); // first: nothing of ours is open yet
	list("args", argv);
	list("env", environ);
	fputs("\"files\":{", stdout);
	for (int i = 0; files[i]; i++) {
		if (i)
			putchar(',');
		key(files[i]);
		text(slurp(files[i]));
	}
	fputs("},", stdout);
	print_links("ns", "/proc/self/ns", namespaces);
	print_links("self", "/proc/self", self);
	field("exe_write", (fd = open("/proc/self/exe", O_WRONLY | O_CLOEXEC)) < 0 ? outcome(-1) : "ok");
	if (fd >= 0)
		close(fd);
	field("cwd", syscall(SYS_getcwd, cwd, sizeof cwd) < 0 ? outcome(-1) : cwd);
	uname(&u);
	field("hostname", u.nodename);
	field("domainname", u.domainname);
	field("machine", u.machine);
	print_scheduling();
	number("pid", getpid());
	number("ppid", getppid());
	number("sid", getsid(0));
	number("pgid", getpgrp());
	number("isatty", isatty(0));
	field("tty", (fd = open("/dev/tty", O_RDWR | O_CLOEXEC)) < 0 ? outcome(-1) : "ok");
	if (fd >= 0)
		close(fd);
	ioctl(0, TIOCGWINSZ, &w);
	number("rows", w.ws_row);
	number("cols", w.ws_col);
	mode_t mask = umask(0);
	number("umask", mask);
	number("securebits", prctl(PR_GET_SECUREBITS));
	number("dumpable", prctl(PR_GET_DUMPABLE));
	number("pdeathsig", ({ int s = 0; prctl(PR_GET_PDEATHSIG, &s); s; }));
	number("personality", personality(0xffffffff));
	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	number("monotonic", mono.tv_sec);
	number("boottime", boot.tv_sec);
	long serial = syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
	char keyring[256] = "";
	if (serial > 0)
		syscall(SYS_keyctl, KEYCTL_DESCRIBE, serial, keyring, sizeof keyring - 1);
	number("keyring_serial", serial);
	field("keyring", keyring);
	fputs("\"rlimits\":[", stdout);
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit r = { 0 };
		getrlimit(i, &r);
		printf("%s{\"soft\":%llu,\"hard\":%llu}", i ? "," : "", (unsigned long long)r.rlim_cur,
		       (unsigned long long)r.rlim_max);
	}
	puts("]}");
	return 0;
}

static int say(long rc)
{
	puts(outcome(rc));
	return rc < 0;
}

// fork_count starts up to n children that wait, and prints how many there were.
static int fork_count(int n)
{
	int made = 0;
	for (; made < n; made++) {
		pid_t pid = fork();
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		if (pid < 0) {
			printf("%d %s\n", made, outcome(-1));
			return 0;
		}
	}
	printf("%d ok\n", made);
	return 0;
}

// zombies counts the Z among all processes of /proc.
static int zombies(void)
{
	int count = 0;
	DIR *d = opendir("/proc");
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[300];
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
		const char *after = strrchr(slurp(path), ')');
		count += after && after[1] && after[2] == 'Z';
	}
	if (d)
		closedir(d);
	return count;
}

// orphans leaves n grandchildren to whoever reaps, then prints the zombies
// left once all have ended, waiting up to 5 s for the reaper.
static int orphans(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid < 0) {
			printf("fork %d: %s\n", i, outcome(-1));
			return 1;
		}
		if (pid == 0) {
			fork();
			_exit(0);
		}
		waitpid(pid, 0, 0);
	}
	for (int i = 0; i < 500 && zombies(); i++)
		usleep(10000);
	printf("%d\n", zombies());
	return 0;
}

// alloc touches megabytes one by one and prints how many there are.
static int alloc(int megabytes)
{
	for (int i = 0; i < megabytes; i++) {
		char *m = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (m == MAP_FAILED)
			return say(-1);
		memset(m, i + 1, 1 << 20);
	}
	printf("%d\n", megabytes);
	return 0;
}

// report_signals prints "ready", then the number of each signal as it comes;
// TERM ends it with status 40.
static int report_signals(void)
{
	sigset_t all;
	siginfo_t info;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, 0);
	puts("ready");
	for (;;) {
		int n = sigwaitinfo(&all, &info);
		struct winsize w;
		if (n == SIGWINCH && ioctl(0, TIOCGWINSZ, &w) == 0)
			printf("%d %dx%d\n", n, w.ws_col, w.ws_row);
		else
			printf("%d\n", n);
		if (n == SIGTERM)
			return 40;
	}
}

static void on_term(int n) { _exit(128 + n); }

// count_stdin prints bytes and a sum of what came until EOF.
static int count_stdin(void)
{
	static unsigned char buf[65536];
	unsigned long long bytes = 0, sum = 0;
	for (ssize_t n; (n = read(0, buf, sizeof buf)) > 0; bytes += n)
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + buf[i];
	printf("%llu %llu\n", bytes, sum);
	return 0;
}

static int raw_syscall(int argc, char **argv)
{
	long a[7] = { 0 };
	for (int i = 0; i < 7 && i + 2 < argc; i++)
		a[i] = strtol(argv[i + 2], 0, 0);
	return say(syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]));
}

// value32 is value for a call of the 32-bit ABI of x86.
static int value32(int argc, char **argv)
{
	long rc = -ENOSYS;
#ifdef __x86_64__
	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(strtol(argv[2], 0, 0)), "b"(argc > 3 ? strtol(argv[3], 0, 0) : 0) : "memory");
#endif
	if ((int)rc >= 0)
		return printf("%d\n", (int)rc) < 0;
	errno = -(int)rc;
	return say(-1);
}

static void ignore(int signal) { (void)signal; }

// value is raw_syscall that prints what the call returned.
static int value(int argc, char **argv)
{
	long a[7] = { 0 };
	for (int i = 0; i < 7 && i + 2 < argc; i++)
		a[i] = strtol(argv[i + 2], 0, 0);
	long rc = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
	return rc < 0 ? say(rc) : printf("%ld\n", rc) < 0;
}

// swap exchanges two names until it is killed: the hostile volume of the tests.
static int swap(const char *a, const char *b)
{
	puts("ready");
	for (;;)
		if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) < 0)
			return say(-1);
}

// write_exes tries to change the program of every process it can see, for the
// given seconds: what is not of /bin and could be written is printed.
static int write_exes(int seconds)
{
	time_t end = time(0) + seconds;
	puts("ready");
	while (time(0) < end)
		for (int pid = 1; pid < 5000; pid++) {
			char path[64], link[4096];
			snprintf(path, sizeof path, "/proc/%d/exe", pid);
			ssize_t n = readlink(path, link, sizeof link - 1);
			if (n < 0)
				continue;
			link[n] = 0;
			int fd = open(path, O_WRONLY | O_CLOEXEC);
			if (fd < 0)
				continue;
			if (strncmp(link, "/bin/", 5) && pwrite(fd, "\177", 1, 0) == 1)
				printf("WROTE %s\n", link);
			close(fd);
		}
	puts("done");
	return 0;
}

static int reaches(int pid, const char *link, const char *up, const char *target)
{
	char path[8192];
	snprintf(path, sizeof path, "/proc/%d/%s%s%s", pid, link, up, target);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	printf("REACHED %s\n", path);
	close(fd);
	return 1;
}

// watch looks for a host file behind root, cwd and descriptors of processes
// that come into the container, for the given seconds.
static int watch(const char *target, int seconds)
{
	static const char up[] = "/../../../../../../../../../..";
	time_t end = time(0) + seconds;
	int seen = 0;
	puts("ready");
	while (time(0) < end)
		for (int pid = 2; pid < 5000; pid++) {
			char path[64];
			snprintf(path, sizeof path, "/proc/%d", pid);
			if (pid == getpid() || access(path, F_OK) < 0)
				continue;
			seen++;
			reaches(pid, "root", "", target);
			reaches(pid, "cwd", up, target);
			for (int fd = 0; fd < 20; fd++) {
				snprintf(path, sizeof path, "fd/%d", fd);
				reaches(pid, path, up, target);
			}
		}
	printf("done %d\n", seen);
	return 0;
}

// notify sends each message to $NOTIFY_SOCKET, and prints how that went; with
// BARRIER=1 it sends the end of a pipe and waits until that is closed.
static int notify(char **messages)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strncpy(to.sun_path, path ? path : "", sizeof to.sun_path - 1);
	for (; *messages; messages++) {
		char room[CMSG_SPACE(sizeof(int))] = { 0 };
		int ends[2];
		struct iovec text = { *messages, strlen(*messages) };
		struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &text, .msg_iovlen = 1 };
		int barrier = !strcmp(*messages, "BARRIER=1");
		if (pipe(ends) < 0)
			return say(-1);
		if (barrier) {
			m.msg_control = room, m.msg_controllen = sizeof room;
			*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &ends[1], sizeof(int));
		}
		long sent = sendmsg(fd, &m, 0);
		printf("%s: %s\n", *messages, sent < 0 ? outcome(-1) : "ok");
		close(ends[1]);
		struct pollfd p = { ends[0], 0, 0 };
		if (barrier && sent > 0)
			printf("barrier %d\n", poll(&p, 1, 20000));
		close(ends[0]);
	}
	return 0;
}

// add_keys adds keys until it is refused, says why, and keeps them.
static int add_keys(void)
{
	char name[32];
	for (int i = 0; i < 1 << 20; i++) {
		snprintf(name, sizeof name, "probe-%d", i);
		if (syscall(SYS_add_key, "user", name, name, strlen(name), KEY_SPEC_PROCESS_KEYRING) < 0)
			break;
	}
	say(-1);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "report";
	const char *one = argc > 2 ? argv[2] : "", *two = argc > 3 ? argv[3] : "";
	setvbuf(stdout, 0, strcmp(word, "report") ? _IOLBF : _IOFBF, 0);
#define IS(w) (!strcmp(word, w))
	if (IS("report"))
		return report(argv);
	if (IS("open-read"))
		return say(open(one, O_RDONLY | O_NONBLOCK));
	if (IS("open-write"))
		return say(open(one, O_WRONLY | O_NONBLOCK));
	if (IS("create"))
		return say(open(one, O_WRONLY | O_CREAT, 0644));
	if (IS("mknod")) // mknod PATH c|b MAJOR MINOR, then open it
		return say(mknod(one, (*two == 'b' ? S_IFBLK : S_IFCHR) | 0600, makedev(atoi(argv[4]), atoi(argv[5]))) ||
			   open(one, O_RDONLY | O_NONBLOCK) < 0 ? -1 : 0);
	if (IS("stat")) {
		struct stat st;
		if (lstat(one, &st) < 0)
			return say(-1);
		printf("%o %u:%u %u:%u %lld\n", st.st_mode, st.st_uid, st.st_gid, major(st.st_rdev), minor(st.st_rdev),
		       (long long)st.st_size);
		return 0;
	}
	if (IS("xattr")) {
		ssize_t n = getxattr(one, two, file_text, sizeof file_text - 1);
		if (n < 0)
			return say(-1);
		file_text[n] = 0;
		return puts(file_text) < 0;
	}
	if (IS("fork"))
		return fork_count(atoi(one));
	if (IS("orphans"))
		return orphans(atoi(one));
	if (IS("orphans-pause")) { // stays, so that the reaper can be looked at
		orphans(atoi(one));
		signal(SIGTERM, on_term);
		for (;;)
			pause();
	}
	if (IS("zombies"))
		return printf("%d\n", zombies()) < 0;
	if (IS("alloc"))
		return alloc(atoi(one));
	if (IS("sig"))
		return report_signals();
	if (IS("pause")) {
		signal(SIGTERM, on_term);
		puts("ready");
		for (;;)
			pause();
	}
	if (IS("fds")) {
		putchar('{');
		print_fds();
		puts("\"end\":0}");
		return 0;
	}
	if (IS("exit"))
		return atoi(one);
	if (IS("raise"))
		return raise(atoi(one));
	if (IS("stdin"))
		return count_stdin();
	if (IS("syscall"))
		return raw_syscall(argc, argv);
	if (IS("value"))
		return value(argc, argv);
	if (IS("value32") && argc > 2)
		return value32(argc, argv);
	if (IS("interrupted")) { // as value, with a signal that interrupts the call and does nothing else
		struct sigaction action = { .sa_handler = ignore };
		sigaction(SIGUSR1, &action, 0);
		return value(argc, argv);
	}
	if (IS("unshare"))
		return say(unshare(strtol(one, 0, 0)));
	if (IS("tiocsti"))
		return say(ioctl(0, TIOCSTI, "x"));
	if (IS("kill"))
		return say(kill(atoi(one), atoi(two)));
	if (IS("write-exes"))
		return write_exes(atoi(one));
	if (IS("watch"))
		return watch(one, atoi(two));
	if (IS("notify"))
		return notify(argv + 2);
	if (IS("notify-pause")) {
		notify(argv + 2);
		puts("told");
		signal(SIGTERM, on_term);
		for (;;)
			pause();
	}
	if (IS("in-keyring")) { // runs a command in a session keyring that has one key, "callers"
		syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
		if (syscall(SYS_add_key, "user", "callers", "x", 1L, KEY_SPEC_SESSION_KEYRING) < 0)
			return say(-1);
		execvp(one, argv + 2);
		return say(-1);
	}
	if (IS("has-key"))
		return say(syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", one, 0L) < 0 ? -1 : 0);
	if (IS("add-keys"))
		return add_keys();
	if (IS("swap"))
		return swap(one, two);
	fprintf(stderr, "probe: unknown word %s\n", word);
	return 2;
}
