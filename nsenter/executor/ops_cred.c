// SPDX-License-Identifier: Apache-2.0
/* Credentials, limits and the system call filter. */
#include "exec.h"
#include "sys.h"

#define CAPS 64

int op_prctl(const uint64_t *arg)
{
	int r = SYS(prctl, arg[0], arg[1], 0, 0, 0);
	struct pollfd runtime = {.fd = exec.status};

	/* A runtime that died before the call will send no signal. */
	if (r >= 0 && arg[0] == PR_SET_PDEATHSIG && arg[1] != 0 && exec.status >= 0) {
		struct __kernel_timespec now = {0};

		SYS(ppoll, &runtime, 1, &now, NULL, 0);
		if (runtime.revents & POLLHUP)
			quit(1);
	}
	return success(r);
}

int op_no_new_privs(const uint64_t *arg)
{
	int r = SYS(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	if (r < 0)
		return r;
	return SYS(prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -EPERM;
}

/* Those the kernel does not know end the loop; those already gone need no privilege. */
int op_capbset(const uint64_t *arg)
{
	for (uint32_t cap = 0; cap < CAPS; cap++) {
		int r;

		if (arg[0] >> cap & 1)
			continue;
		r = SYS(prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
		if (r == -EPERM) {
			r = SYS(prctl, PR_CAPBSET_READ, cap, 0, 0, 0);
			if (r == 1)
				return -EPERM;
		}
		if (r < 0)
			return r == -EINVAL ? 0 : r;
	}
	return 0;
}

int op_capset(const uint64_t *arg)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{(uint32_t)arg[0], (uint32_t)arg[1], (uint32_t)arg[2]},
		{(uint32_t)(arg[0] >> 32), (uint32_t)(arg[1] >> 32), (uint32_t)(arg[2] >> 32)},
	};

	return SYS(capset, &head, data);
}

int op_cap_ambient(const uint64_t *arg)
{
	int r = SYS(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);

	for (uint32_t cap = 0; cap < CAPS && r == 0; cap++)
		if (arg[0] >> cap & 1)
			r = SYS(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
	return r;
}

/*
 * DEFENCE (CVE-2022-29162 and its family, CVE-2023-38496): the sets are what was
 * asked for. What is ambient is permitted and inheritable, too (capabilities(7)).
 */
int op_check_caps(const uint64_t *arg)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];
	uint64_t effective, permitted, inheritable, bounding = 0, ambient = 0;
	int r = SYS(capget, &head, d);

	if (r < 0)
		return r;
	effective = (uint64_t)d[1].effective << 32 | d[0].effective;
	permitted = (uint64_t)d[1].permitted << 32 | d[0].permitted;
	inheritable = (uint64_t)d[1].inheritable << 32 | d[0].inheritable;
	for (uint32_t cap = 0; cap < CAPS; cap++) {
		int bounds = SYS(prctl, PR_CAPBSET_READ, cap, 0, 0, 0);

		if (bounds < 0) /* the kernel has no more */
			break;
		bounding |= (uint64_t)(bounds == 1) << cap;
		if ((permitted & inheritable) >> cap & 1)
			ambient |= (uint64_t)(SYS(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1) << cap;
	}
	if (bounding != arg[0] || effective != arg[1] || permitted != arg[2] || inheritable != arg[3] || ambient != arg[4])
		return -EPERM;
	return 0;
}

int op_setgroups(const uint64_t *arg)
{
	const struct blob *gids = blob(arg[0]);

	if (gids->len % sizeof(uint32_t) != 0)
		return -EINVAL;
	return SYS(setgroups, gids->len / sizeof(uint32_t), gids->data);
}

int op_setresgid(const uint64_t *arg)
{
	return SYS(setresgid, arg[0], arg[0], arg[0]);
}

int op_setresuid(const uint64_t *arg)
{
	return SYS(setresuid, arg[0], arg[0], arg[0]);
}

int op_prlimit(const uint64_t *arg)
{
	struct rlimit64 limit = {.rlim_cur = arg[1], .rlim_max = arg[2]};

	return SYS(prlimit64, 0, arg[0], &limit, NULL);
}

/*
 * DEFENCE (CVE-2019-16884, CVE-2025-52881): the label is in force, whatever the
 * write before went to. An empty label is any that is not nothing.
 */
int op_check_label(const uint64_t *arg)
{
	const char *label = string(arg[1]), *ends = string(arg[2]);
	size_t len = length(label);
	int n = SYS(pread64, slot_fd(arg[0]), exec.path, sizeof(exec.path) - 1, 0);

	if (n <= 0)
		return n < 0 ? n : -EPERM;
	exec.path[n] = 0;
	if (!begins(exec.path, label))
		return -EPERM;
	for (; len > 0 && exec.path[len] && exec.path[len] != *ends; ends++)
		if (!*ends)
			return -EPERM;
	return 0;
}

int op_keyctl_session(const uint64_t *arg)
{
	const char *name = string(arg[0]);

	return success(SYS(keyctl, KEYCTL_JOIN_SESSION_KEYRING, *name ? name : NULL, 0, 0, 0));
}

static int load(uint64_t flags, const struct blob *program)
{
	struct sock_fprog filter = {
		.len = (uint16_t)(program->len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)program->data,
	};

	if (program->len % sizeof(struct sock_filter) != 0 || program->len > BPF_MAXINSNS * sizeof(struct sock_filter))
		return -EINVAL;
	return SYS(seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

int op_seccomp(const uint64_t *arg)
{
	return load(arg[0], blob(arg[1]));
}

/*
 * Once the filter is loaded every call, this record too, may wait for the agent,
 * who has no listener yet. So its number, the lowest one free, is told before,
 * and the next call is the wait for the runtime to have taken it.
 */
int op_seccomp_listen(const uint64_t *arg)
{
	static const uint64_t silent[1];
	int loaded, number = SYS(fcntl, exec.status, F_DUPFD_CLOEXEC, 0);

	if (number < 0)
		return number;
	SYS(close, number);
	send_record(RECORD_LISTEN, number);
	loaded = load(arg[0], blob(arg[1]));
	if (loaded < 0)
		return loaded;
	if (loaded != number)
		quit(1);
	op_barrier(silent);
	/* Or an agent's end would go unnoticed, while this process waits for its answer. */
	SYS(close, number);
	return 0;
}
