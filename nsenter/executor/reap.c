// SPDX-License-Identifier: Apache-2.0
/*
 * reap: the built-in init. PID 1 stays behind, forwards signals to the payload,
 * reaps whatever is left to it and ends with the payload's status.
 */
#include "exec.h"
#include "sys.h"

static const uint64_t all_signals = UINT64_MAX;

/*
 * Reaps all that have ended; with no flags, also waits for the payload. The
 * payload's status, in wait(2)'s form, if it has ended; else -1.
 */
static int collect(int payload, int flags)
{
	int ended = -1, pid, status;

	while ((pid = SYS(wait4, -1, &status, flags, NULL)) > 0 || pid == -EINTR) {
		if (pid == payload) {
			ended = status;
			flags = WNOHANG;
		}
	}
	return ended;
}

/* The terminal stops PID 1 with these when it is in the background; they are not for the payload. */
static int forwarded(int signal)
{
	return signal > 0 && signal != SIGCHLD && signal != SIGTTIN && signal != SIGTTOU;
}

static _Noreturn void end(int status)
{
	if (status < 0)
		quit(1);
	quit(EXITED(status) ? EXIT_STATUS(status) : 128 + END_SIGNAL(status));
}

/* PID 1 gives up all it does not need. */
static void shed(void)
{
	uint64_t none[4] = {0};

	SYS(prctl, PR_SET_NAME, "corten-init", 0, 0, 0);
	for (int i = 0; exec.progress && i < PROGRESS; i++)
		exec.progress[i] = 0;
	/* An ignored SIGCHLD would lose the status. */
	SYS(rt_sigaction, SIGCHLD, none, NULL, sizeof(*none));
	/* The payload's next record fails if the runtime ends before execve; after it, the runtime may end. */
	SYS(prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0);
	/* The status socket too: end of file has to mean the payload's execve. */
	close_but(-1, 0);
	SYS(munmap, exec.plan, exec.plan->size);
}

static _Noreturn void stay(int payload)
{
	shed();
	for (;;) {
		int ended = collect(payload, WNOHANG), signal;

		if (ended >= 0)
			end(ended);
		signal = SYS(rt_sigtimedwait, &all_signals, NULL, NULL, sizeof(all_signals));
		if (forwarded(signal))
			SYS(kill, payload, signal);
		/* The payload's filter forbids it: no forwarding, but no spinning. */
		if (signal < 0 && signal != -EINTR)
			end(collect(payload, 0));
	}
}

/*
 * All signals are blocked before the fork: none is lost, and PID 1 is sent even
 * those it has no handler for. The payload gets a process group of its own, and
 * the terminal if there is one, which needs SIGTTOU still blocked.
 */
int op_reap(const uint64_t *arg)
{
	uint64_t before;
	int pid, group;

	SYS(rt_sigprocmask, SIG_SETMASK, &all_signals, &before, sizeof(before));
	pid = SYS(clone, SIGCHLD, 0, 0, 0, 0);
	if (pid > 0)
		stay(pid);
	if (pid == 0) {
		SYS(setpgid, 0, 0);
		group = SYS(getpid);
		SYS(ioctl, 0, TIOCSPGRP, &group);
	}
	SYS(rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
	return pid;
}
