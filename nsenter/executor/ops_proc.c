// SPDX-License-Identifier: Apache-2.0
/* The process: signals, waiting for the runtime, and the payload's start. */
#include "exec.h"
#include "sys.h"

int op_setsid(const uint64_t *arg)
{
	return success(SYS(setsid));
}

int op_signals(const uint64_t *arg)
{
	uint64_t none[4] = {0}; /* struct sigaction: SIG_DFL, no flags, nothing masked */

	for (int signal = 1; signal <= SIGNALS; signal++)
		if (signal != SIGKILL && signal != SIGSTOP)
			SYS(rt_sigaction, signal, none, NULL, sizeof(*none));
	return SYS(rt_sigprocmask, SIG_SETMASK, none, NULL, sizeof(*none));
}

/* The byte may have come before; anything but 0, and no more bytes, mean give up. */
int op_barrier(const uint64_t *arg)
{
	char byte = 1;
	int n;

	if (arg[0] != 0)
		send_record(RECORD_BARRIER, 0);
	do
		n = SYS(read, exec.status, &byte, 1);
	while (n == -EINTR);
	if (n != 1 || byte != 0)
		quit(1);
	return 0;
}

/* In the order of the barriers' bytes. */
int op_receive(const uint64_t *arg)
{
	char byte;
	struct part part = {&byte, 1};
	struct control rights = {.fd = -1};
	struct message m = {.parts = &part, .nparts = 1, .control = &rights, .control_len = sizeof(rights)};
	int n;

	do
		n = SYS(recvmsg, exec.status, &m, MSG_CMSG_CLOEXEC_FLAG);
	while (n == -EINTR);
	if (n != 1 || rights.type != SCM_RIGHTS_TYPE)
		quit(1);
	return slot_fill(arg[0], rights.fd);
}

int op_warn(const uint64_t *arg)
{
	send_record(RECORD_WARN, exec.tolerated);
	return 0;
}

static void ended_by(int signal)
{
	quit(128 + signal);
}

/* PID 1 has no default actions: without handlers, a created container could not be ended by TERM. */
static void end_by_signals(void)
{
	static const int ending[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	/* struct sigaction; the kernel insists on a restorer that is never reached. */
	uint64_t action[4] = {(uintptr_t)ended_by, 0x04000000 /* SA_RESTORER */, (uintptr_t)ended_by};

	for (unsigned int i = 0; i < sizeof(ending) / sizeof(*ending); i++)
		SYS(rt_sigaction, ending[i], action, NULL, sizeof(*action));
}

/*
 * The signal of the runtime's death is taken back before it is told: it may end
 * the moment it knows. DEFENCE (CVE-2024-21626): nothing but the fifo, and what
 * the hooks that follow write to, is held while waiting, however long that is.
 */
int op_gate(const uint64_t *arg)
{
	char byte;
	int n, fifo = slot_take(arg[0]);

	if (fifo < 0)
		return fifo;
	end_by_signals();
	slots_close(0);
	n = SYS(prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
	if (n < 0)
		return n;
	send_record(RECORD_READY, 0);
	SYS(close, exec.status);
	exec.status = -1;
	exec.gate = fifo;
	do
		n = SYS(read, fifo, &byte, 1);
	while (n == -EINTR);
	return n == 1 ? 0 : n < 0 ? n : -EPIPE;
}

/* The new process has the memory of the old one, which ends: nothing is copied. */
static struct {
	int own, *pid; /* as the runtime knows it */
	char stack[16384] __attribute__((aligned(16)));
} heir;

static void succeed(void)
{
	send_record(RECORD_FORK, *heir.pid);
	exec.tolerated = 0;
	exec.step++;
	plan_run();
	quit(0);
}

static int fork_heir(int flags, int *pid)
{
	heir.pid = pid;
	return clone_here(flags | CLONE_PARENT | SIGCHLD, heir.stack + sizeof(heir.stack), heir.pid, succeed);
}

/* Before Linux 6.3, who shares memory shares the time namespace: with a new one, memory is copied. */
int op_fork(const uint64_t *arg)
{
	int pid = fork_heir(CLONE_VM, &heir.own);

	if (pid == -EINVAL) {
		long page = SYS_LONG(mmap, NULL, sizeof(*heir.pid), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (page < 0)
			return (int)page;
		pid = fork_heir(0, (int *)(uintptr_t)page);
	}
	if (pid > 0)
		quit(0);
	return pid;
}

/* After the ids have changed, so faccessat(2) means the same where a filter does not know its successor. */
static int may_execute(const char *name)
{
	int r = SYS(faccessat2, AT_FDCWD, name, X_OK, AT_EACCESS);

	if (r == -ENOSYS || r == -EPERM)
		r = SYS(faccessat, AT_FDCWD, name, X_OK);
	return r == 0;
}

/* EACCES if one was there, ENOENT if none. */
int op_lookup(const uint64_t *arg)
{
	struct stat st;
	int r = -ENOENT;

	exec.program = NULL;
	for (char **name = vector(arg[0]); *name; name++) {
		int found = SYS(newfstatat, AT_FDCWD, *name, &st, 0);

		if (found == -EACCES || found == 0)
			r = -EACCES;
		if (found < 0 || !S_ISREG(st.st_mode))
			continue;
		if (may_execute(*name)) {
			exec.program = *name;
			return 0;
		}
	}
	return r;
}

/* The plan's HOME=/ is what holds if home has found nothing. */
static void give_home(char **env)
{
	for (; exec.home[0] && *env; env++)
		if (begins(*env, "HOME="))
			*env = exec.home;
}

int op_execve(const uint64_t *arg)
{
	if (!exec.program)
		return -ENOENT;
	give_home(vector(arg[1]));
	if (exec.status >= 0 || exec.gate >= 0)
		send_record(RECORD_EXEC, 0);
	return SYS(execve, exec.program, arg[0], arg[1]);
}

int op_finish(const uint64_t *arg)
{
	uint64_t now = realtime();

	say(string(arg[1]), length(string(arg[1])));
	say_number(now > arg[2] ? (uint32_t)((now - arg[2]) / 1000) : 0);
	say("},\n", 3);
	SYS(write, slot_fd(arg[0]), exec.text, exec.text_len);
	quit((int)arg[3]);
}
