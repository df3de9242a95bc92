/* SPDX-License-Identifier: Apache-2.0
 *
 * inject: runs a command and makes one of its system calls fail, or kills the
 * process that makes it.
 *
 *	inject runtime|executor [-p PID] record FILE COMMAND...
 *	inject runtime|executor [-p PID] CALL K ERRNO FILE COMMAND...
 *
 * record writes the number of every system call to FILE, a line each, with a star
 * those that a fork of the runtime makes before its execve. Else the
 * K-th call with the number CALL fails with ERRNO; for 0, the process that is
 * about to make it gets SIGKILL, and for -1 SIGSTOP. Then FILE is made. The exit
 * status is COMMAND's, 128+n for signal n.
 *
 * "runtime" is COMMAND's process with all its threads. "executor" are the
 * processes it starts, up to an execve of anything but a memfd; PID is one that
 * runs already. What strace cannot do is to count for only one of the two.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/ptrace.h>

enum { RUNTIME, EXECUTOR, OTHER };

static struct thread {
	pid_t tid, tgid;
	int err; /* to return from the call it is in; 0: none */
} threads[256];

static int wanted;         /* RUNTIME or EXECUTOR */
static pid_t runtime;      /* COMMAND's pid */
static int began;          /* COMMAND is executed */
static FILE *record;       /* NULL: inject */
static long call, ordinal; /* the point; ordinal 0: it is over */
static int error;
static const char *reached; /* FILE */

static void die(const char *what)
{
	perror(what);
	exit(125);
}

static pid_t tgid_of(pid_t tid)
{
	char path[64], line[256];
	int tgid = tid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &tgid) == 1)
			break;
	if (f)
		fclose(f);
	return tgid;
}

static struct thread *find(pid_t tid)
{
	struct thread *t = threads;

	for (; t->tid != tid; t++) {
		if (t == threads + 255)
			exit(125);
		if (t->tid)
			continue;
		*t = (struct thread){tid, tgid_of(tid), 0};
		break;
	}
	return t;
}

static void set_result(pid_t tid, long value)
{
#if defined(__x86_64__)
	ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax), value);
#else
	struct user_regs_struct regs;
	struct iovec v = {&regs, sizeof(regs)};

	ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &v);
	regs.regs[0] = (unsigned long)value;
	ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &v);
#endif
}

static void set_call(pid_t tid, int number)
{
#if defined(__x86_64__)
	ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, orig_rax), (long)number);
#else
	struct iovec v = {&number, sizeof(number)};

	ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &v);
#endif
}

/* Nobody is any more what it was before it executed a program of the container. */
static int is_executor(pid_t pid)
{
	char path[64], exe[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	exe[n < 0 ? 0 : n] = 0;
	return strncmp(exe, "/memfd:", 7) == 0;
}

/* Go's syscall.ForkExec is at it: it reads the child's errno from the pipe that
 * execve closes. No kernel lets that read fail; ForkExec would wait for the
 * child's end. */
static int forked(long number, unsigned long long size)
{
	return wanted == RUNTIME && number == SYS_read && size == sizeof(long) && error > 0 && error != EINTR;
}

static void enter(struct thread *t, long number, unsigned long long size)
{
	if (record) {
		fprintf(record, "%ld%s\n", number, wanted == EXECUTOR && !is_executor(t->tgid) ? "*" : "");
		return;
	}
	if (number != call || ordinal == 0 || --ordinal > 0 || forked(number, size))
		return;
	close(open(reached, O_CREAT | O_CLOEXEC, 0600));
	if (error <= 0) {
		kill(t->tgid, error ? SIGSTOP : SIGKILL);
		return;
	}
	t->err = error;
	if (number != SYS_close) /* which has always closed when it fails */
		set_call(t->tid, -1);
}

static void at_call(struct thread *t)
{
	struct ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(info), &info) < 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY && began)
		enter(t, (long)info.entry.nr, info.entry.args[2]);
	if (info.op == PTRACE_SYSCALL_INFO_EXIT && t->err) {
		set_result(t->tid, -t->err);
		t->err = 0;
	}
}

static void stopped(pid_t tid, int status)
{
	struct thread *t = find(tid);
	int kind = t->tgid == runtime ? RUNTIME : EXECUTOR, event = status >> 16, sig = WSTOPSIG(status);

	if (event == PTRACE_EVENT_EXEC && tid == runtime)
		began = 1;
	else if (event == PTRACE_EVENT_EXEC && !is_executor(tid))
		kind = OTHER;
	else if (sig == (SIGTRAP | 0x80))
		at_call(t);
	if (kind == OTHER || (wanted == RUNTIME && kind == EXECUTOR)) {
		ptrace(PTRACE_DETACH, tid, 0, 0L);
		t->tid = 0;
		return;
	}
	if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		ptrace(PTRACE_LISTEN, tid, 0, 0L);
		return;
	}
	/* Once it has happened nobody is kept any more, but for the call's end. */
	ptrace(kind == wanted && (record || ordinal > 0 || t->err) ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0,
		(long)(event || sig == (SIGTRAP | 0x80) ? 0 : sig));
}

static void seize(pid_t pid)
{
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;

	if (wanted == EXECUTOR)
		options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
	if (ptrace(PTRACE_SEIZE, pid, 0, options) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0L) < 0)
		die("ptrace");
}

static pid_t start(char **command)
{
	int go[2];
	pid_t pid;
	char byte;

	if (pipe2(go, O_CLOEXEC) < 0)
		die("pipe2");
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		if (read(go[0], &byte, 1) == 0)
			execvp(command[0], command);
		die(command[0]);
	}
	close(go[0]);
	seize(pid);
	close(go[1]);
	return pid;
}

int main(int argc, char **argv)
{
	char **word = argv + 2;
	int status;

	if (argc < 5)
		return 125;
	wanted = argv[1][0] == 'r' ? RUNTIME : EXECUTOR;
	if (strcmp(word[0], "-p") == 0) {
		seize(atoi(word[1]));
		word += 2;
	}
	if (strcmp(word[0], "record") == 0) {
		record = fopen(word[1], "we");
		if (!record)
			die(word[1]);
		word += 2;
	} else {
		call = atol(word[0]), ordinal = atol(word[1]), error = atoi(word[2]);
		reached = word[3];
		word += 4;
	}
	runtime = start(word);
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno != EINTR)
			die("waitpid");
		if (pid > 0 && WIFSTOPPED(status)) {
			stopped(pid, status);
			continue;
		}
		if (pid > 0)
			find(pid)->tid = 0;
		/* Those still traced go on when the tracer has ended. */
		if (pid == runtime) {
			if (record && fclose(record) != 0)
				die("fclose");
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		}
	}
}
