// SPDX-License-Identifier: Apache-2.0
/*
 * run: a hook, in a process group of its own. It may flood, hang, close its
 * pipes or leave others behind that hold them: only its own end and the time
 * are waited for. On its standard input it finds the container's state, with
 * the pid as the container sees it.
 */
#include "exec.h"
#include "sys.h"

#define CHUNK (sizeof(exec.output) - EXEC_TAIL)
#define PIPE_CHUNKS 16 /* reads of what a pipe still holds when the hook is gone */

struct hook {
	const struct blob *input;
	uint64_t fed; /* bytes of it */
	int64_t deadline; /* CLOCK_MONOTONIC, milliseconds; 0: none */
	int in[2], out[2]; /* pipes; -1: closed */
	int pid, pidfd;
	int *err; /* shared with the hook's process: why there was no execve */
};

static int64_t now_ms(void)
{
	struct __kernel_timespec t;

	SYS(clock_gettime, CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void shut(int *fd)
{
	if (*fd >= 0)
		SYS(close, *fd);
	*fd = -1;
}

static _Noreturn void become(const struct hook *h, const uint64_t *arg)
{
	SYS(setpgid, 0, 0);
	SYS(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* no hook outlives its container */
	SYS(dup3, h->in[0], 0, 0);
	SYS(dup3, h->out[1], 1, 0);
	SYS(dup3, h->out[1], 2, 0);
	for (int i = 0; i < 2; i++)
		if (exec.hook_slot[i])
			SYS(dup3, slot_fd(exec.hook_slot[i] - 1), i + 1, 0);
	close_but(-1, 3);
	*h->err = SYS(execve, arg[0], arg[1], arg[2]);
	quit(127);
}

/*
 * The state's first member, which the runtime cannot know. It fits the empty
 * pipe. Then in[0] stays open here, so that no write raises SIGPIPE.
 */
static int feed_pid(const struct hook *h)
{
	int r;

	exec.text_len = 0;
	say("{\"pid\":", 7);
	say_number((uint32_t)SYS(getpid));
	r = SYS(write, h->in[1], exec.text, exec.text_len);
	exec.text_len = 0;
	return success(r);
}

/* Pipes whose near ends do not block, and the page for err. */
static int prepare(struct hook *h)
{
	long page = SYS_LONG(mmap, NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r = page < 0 ? (int)page : 0;

	if (r == 0)
		h->err = (int *)(uintptr_t)page;
	if (r == 0)
		r = SYS(pipe2, h->in, O_CLOEXEC);
	if (r == 0)
		r = SYS(pipe2, h->out, O_CLOEXEC);
	if (r == 0)
		r = SYS(fcntl, h->in[1], F_SETFL, O_NONBLOCK);
	if (r == 0)
		r = SYS(fcntl, h->out[0], F_SETFL, O_NONBLOCK);
	if (r == 0)
		r = feed_pid(h);
	return r;
}

static void release(struct hook *h)
{
	shut(&h->in[0]);
	shut(&h->in[1]);
	shut(&h->out[0]);
	shut(&h->out[1]);
	shut(&h->pidfd);
	if (h->err)
		SYS(munmap, h->err, sizeof(int));
}

static int start(struct hook *h, const uint64_t *arg)
{
	h->pid = SYS(clone, CLONE_PIDFD | SIGCHLD, 0, &h->pidfd, 0, 0);
	if (h->pid == 0)
		become(h, arg);
	if (h->pid < 0)
		return h->pid;
	/* By both, so that the group is there whichever runs first. */
	SYS(setpgid, h->pid, h->pid);
	shut(&h->out[1]);
	return 0;
}

static void feed(struct hook *h)
{
	int n = SYS(write, h->in[1], h->input->data + h->fed, h->input->len - h->fed);

	if (n >= 0)
		h->fed += (uint64_t)n;
	if ((n < 0 && n != -EAGAIN) || h->fed == h->input->len)
		shut(&h->in[1]);
}

/* Reads a chunk and keeps the last bytes; 0 when there was none. */
static int drain(struct hook *h)
{
	int n = SYS(read, h->out[0], exec.output + exec.output_len, CHUNK);

	if (n <= 0) {
		if (n != -EAGAIN)
			shut(&h->out[0]);
		return 0;
	}
	exec.output_len += (size_t)n;
	if (exec.output_len > EXEC_TAIL) {
		__builtin_memmove(exec.output, exec.output + exec.output_len - EXEC_TAIL, EXEC_TAIL);
		exec.output_len = EXEC_TAIL;
	}
	return 1;
}

/* Until the hook's own process has ended, or -ETIMEDOUT. */
static int watch(struct hook *h)
{
	for (;;) {
		struct pollfd p[3] = {{h->pidfd, POLLIN, 0}, {h->in[1], POLLOUT, 0}, {h->out[0], POLLIN, 0}};
		int64_t left = h->deadline - now_ms();
		struct __kernel_timespec t = {left / 1000, left % 1000 * 1000000};
		int r;

		if (h->deadline != 0 && left <= 0)
			return -ETIMEDOUT;
		r = SYS(ppoll, p, 3, h->deadline != 0 ? &t : NULL, NULL, 0);
		if (r < 0 && r != -EINTR)
			return r;
		if (r > 0 && p[1].revents)
			feed(h);
		if (r > 0 && p[2].revents)
			drain(h);
		if (r > 0 && p[0].revents)
			return 0;
	}
}

static void say_end(int status)
{
	if (EXITED(status)) {
		say("exit status ", 12);
		say_number((uint32_t)EXIT_STATUS(status));
	} else {
		say("signal ", 7);
		say_number((uint32_t)END_SIGNAL(status));
	}
}

/* The record's text: how it ended, and the tail of what it wrote. */
static void report(int status, int err)
{
	while (exec.output_len > 0 && exec.output[exec.output_len - 1] == '\n')
		exec.output_len--;
	if (err == -ECHILD)
		say_end(status);
	if (err == -ECHILD && exec.output_len > 0)
		say(": ", 2);
	say(exec.output, exec.output_len);
}

/* Waits, and on any trouble ends the whole group. */
static int finish(struct hook *h)
{
	int status = 0, r = watch(h), n;

	if (r < 0) {
		SYS(kill, -h->pid, SIGKILL);
		SYS(kill, h->pid, SIGKILL);
	}
	do
		n = SYS(wait4, h->pid, &status, 0, NULL);
	while (n == -EINTR);
	if (n < 0 && r == 0)
		r = n;
	for (int i = 0; i < PIPE_CHUNKS && h->out[0] >= 0 && drain(h); i++)
		continue;
	if (r == 0 && *h->err != 0)
		r = *h->err;
	if (r == 0 && status != 0)
		r = -ECHILD;
	if (r < 0)
		report(status, r);
	return r;
}

int op_hook_output(const uint64_t *arg)
{
	if (arg[1] != 1 && arg[1] != 2)
		return -EINVAL;
	exec.hook_slot[arg[1] - 1] = arg[0] == SLOT_CWD ? 0 : (uint32_t)arg[0] + 1;
	return 0;
}

int op_run(const uint64_t *arg)
{
	struct hook h = {.input = blob(arg[3]), .in = {-1, -1}, .out = {-1, -1}, .pidfd = -1};
	int r = prepare(&h);

	if (arg[4] != 0)
		h.deadline = now_ms() + (int64_t)arg[4];
	exec.output_len = 0;
	if (r == 0)
		r = start(&h, arg);
	if (r == 0)
		r = finish(&h);
	release(&h);
	return r;
}
