// SPDX-License-Identifier: Apache-2.0
/* The start, the loop over the steps, the slots and the records. */
#include "exec.h"
#include "sys.h"

struct exec exec;

const struct op_row op_table[OPS] = {
#define OP(name, signature, arguments, source) {#name, signature},
#include "ops.def"
#undef OP
};

#define POSITIVE(name) name,
static const int tolerable[] = {TOLERABLE(POSITIVE)};

_Noreturn void quit(int status)
{
	for (;;)
		SYS(exit_group, status);
}

void say(const char *text, size_t len)
{
	while (len-- > 0 && exec.text_len < RECORD_TEXT)
		exec.text[exec.text_len++] = *text++;
}

void say_number(uint32_t n)
{
	char digits[10];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	say(digits + at, sizeof(digits) - at);
}

void send_record(uint32_t kind, int err)
{
	int fd = exec.status >= 0 ? exec.status : exec.gate;
	int sent;

	exec.head = (struct record){kind, exec.step, err, exec.text_len};
	do
		sent = SYS(write, fd, &exec.head, sizeof(exec.head) + exec.text_len);
	while (sent == -EINTR);
	/* The runtime is gone: nobody waits for this container. */
	if (sent < 0)
		quit(1);
}

static _Noreturn void fail(int err)
{
	send_record(RECORD_FAIL, err);
	quit(1);
}

int slot_fd(uint64_t slot)
{
	if (slot == SLOT_CWD)
		return AT_FDCWD;
	return exec.slots[slot] > 0 ? exec.slots[slot] - 1 : -EBADF;
}

int slot_fill(uint64_t slot, int fd)
{
	if (fd < 0)
		return fd;
	exec.slots[slot] = fd + 1;
	if (slot >= exec.used)
		exec.used = (uint32_t)slot + 1;
	return 0;
}

int slot_take(uint64_t slot)
{
	int fd = slot_fd(slot);

	if (fd < 0)
		return -EBADF;
	exec.slots[slot] = 0;
	return fd;
}

void slots_close(int first)
{
	for (uint32_t i = 0; i < exec.used; i++) {
		if (exec.slots[i] > first && i + 1 != exec.hook_slot[0] && i + 1 != exec.hook_slot[1]) {
			SYS(close, exec.slots[i] - 1);
			exec.slots[i] = 0;
		}
	}
}

static int full(uint64_t slot)
{
	return slot == SLOT_CWD || exec.slots[slot] > 0;
}

/* The step's own conditions, then its descriptors: one that is missing skips it. */
static int due(const struct plan_step *s)
{
	const char *signature = op_table[s->op].signature;

	if ((s->flags & STEP_ELSE) && !exec.tolerated)
		return 0;
	if (s->when != SLOT_NONE && full(s->when) == ((s->flags & STEP_UNLESS) != 0))
		return 0;
	for (uint32_t i = 0; signature[i]; i++)
		if (signature[i] == 'f' && !full(s->arg[i]))
			return 0;
	return 1;
}

static int perform(const struct plan_step *s)
{
	const char *signature = op_table[s->op].signature;

	for (uint32_t i = 0; signature[i]; i++)
		if (signature[i] == 'F' && full(s->arg[i]))
			return -EBADFD;
	switch ((enum op)s->op) {
#define OP(name, signature, arguments, source) \
	case OP_##name: \
		return op_##name(s->arg);
#include "ops.def"
#undef OP
	case OPS:
		break;
	}
	return -ENOSYS;
}

static int tolerates(const struct plan_step *s, int err)
{
	for (uint32_t i = 0; i < sizeof(tolerable) / sizeof(*tolerable); i++)
		if (tolerable[i] == err)
			return (s->tolerate >> i & 1) != 0;
	return 0;
}

uint64_t realtime(void)
{
	struct __kernel_timespec now;

	if (SYS(clock_gettime, CLOCK_REALTIME, &now) < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Until a filter may forbid to ask. */
static void stamp(const struct plan_step *s)
{
	if (exec.stamps)
		exec.stamps[exec.step] = realtime();
	if (s->op == OP_seccomp || s->op == OP_seccomp_listen)
		exec.stamps = NULL;
}

/* For all to see in /proc/PID/cmdline: a step that does not end has its number there. */
static void show(uint32_t step)
{
	int at = PROGRESS;

	do
		exec.progress[--at] = (char)('0' + step % 10);
	while ((step /= 10) > 0 && at > 0);
}

void plan_run(void)
{
	const struct plan_step *steps = (const struct plan_step *)(exec.plan + 1);

	for (; exec.step < exec.plan->nsteps; exec.step++) {
		const struct plan_step *s = &steps[exec.step];
		int r;

		if (!due(s))
			continue;
		exec.text_len = 0;
		if (exec.progress)
			show(exec.step);
		stamp(s);
		r = perform(s);
		exec.tolerated = r < 0 && tolerates(s, -r) ? -r : 0;
		if (r < 0 && !exec.tolerated)
			fail(-r);
	}
}

/* Maps the plan privately and lets go of both memfds. */
static int map(void)
{
	struct stat st;
	long at;
	int r = SYS(fstat, FD_PLAN, &st);

	if (r < 0)
		return r;
	if (st.st_size <= 0 || st.st_size > (long)PLAN_MAX_SIZE)
		return -EINVAL;
	at = SYS_LONG(mmap, NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, FD_PLAN, 0);
	if (at < 0)
		return (int)at;
	SYS(close, FD_PLAN);
	SYS(close, FD_EXECUTOR);
	exec.plan = (struct plan_header *)(uintptr_t)at;
	return plan_read(exec.plan, (size_t)st.st_size);
}

/* The descriptor is closed with the undeclared ones. */
static int map_stamps(int fd)
{
	long at;

	if (!exec.plan->stamps)
		return 0;
	at = SYS_LONG(mmap, NULL, exec.plan->nsteps * sizeof(*exec.stamps), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at < 0)
		return (int)at;
	exec.stamps = (uint64_t *)(uintptr_t)at;
	return 0;
}

/*
 * DEFENCE (CVE-2024-21626): what the runtime has not declared is closed, and
 * what it has declared does not survive an execve.
 */
static int adopt(void)
{
	int inputs = (int)exec.plan->ninputs;
	int r = map_stamps(FD_INPUTS + inputs);

	if (r == 0)
		r = close_but(-1, FD_INPUTS + inputs);

	for (int i = 0; i < inputs && r == 0; i++) {
		r = SYS(fcntl, FD_INPUTS + i, F_SETFD, FD_CLOEXEC);
		slot_fill((uint64_t)i, FD_INPUTS + i);
	}
	return r;
}

_Noreturn void execute(char *progress)
{
	static const uint64_t none;
	int r;

	exec.progress = progress;
	/* Those that launched it have blocked all. */
	SYS(rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));

	SYS(prctl, PR_SET_NAME, "corten", 0, 0, 0);
	exec.status = FD_STATUS;
	exec.gate = -1;
	exec.step = UINT32_MAX;
	r = SYS(fcntl, FD_STATUS, F_SETFD, FD_CLOEXEC);
	if (r == 0)
		r = map();
	if (r == 0)
		r = adopt();
	if (r < 0)
		fail(-r);
	exec.step = 0;
	plan_run();
	quit(0);
}
