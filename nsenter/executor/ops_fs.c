// SPDX-License-Identifier: Apache-2.0
/* Files and descriptors. Every descriptor that is made is close-on-exec. */
#include "exec.h"
#include "sys.h"

#define AGAIN_TRIES 128
#define AGAIN_NS 2000000

static int64_t now_ns(void)
{
	struct __kernel_timespec t;

	SYS(clock_gettime, CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A rename anywhere on the machine makes a scoped lookup that meets ".." fail with EAGAIN. */
int open_again(int dir, const char *path, const struct open_how *how)
{
	int64_t deadline = 0;
	int fd;

	for (int tries = 0;; tries++) {
		fd = SYS(openat2, dir, path, how, sizeof(*how));
		if (fd != -EAGAIN || (tries > AGAIN_TRIES && now_ns() > deadline))
			return fd;
		if (tries == AGAIN_TRIES)
			deadline = now_ns() + AGAIN_NS;
	}
}

int op_openat2(const uint64_t *arg)
{
	struct open_how how = {.flags = arg[2] | O_CLOEXEC, .mode = arg[3], .resolve = arg[4]};

	return slot_fill(arg[5], open_again(slot_fd(arg[0]), string(arg[1]), &how));
}

/* Moves the descriptor, so that steps can depend on what it is. */
int op_fstat(const uint64_t *arg)
{
	struct stat st;
	int r = SYS(fstat, slot_fd(arg[0]), &st);

	if (r < 0)
		return r;
	return slot_fill(S_ISDIR(st.st_mode) ? arg[1] : arg[2], slot_take(arg[0]));
}

/* DEFENCE (CVE-2025-31133, CVE-2025-52565): a file is what it has to be, by its descriptor. */
int op_check(const uint64_t *arg)
{
	struct stat st;
	struct statfs fs;
	uint64_t type = arg[1] & S_IFMT, magic = arg[3] & ~CHECK_NOT;
	int fd = slot_fd(arg[0]);
	int r = type != 0 ? SYS(fstat, fd, &st) : 0;

	if (r == 0 && magic != 0)
		r = SYS(fstatfs, fd, &fs);
	if (r != 0)
		return r;
	if (type != 0 && (st.st_mode & S_IFMT) != type)
		return -EXDEV;
	if ((type == S_IFCHR || type == S_IFBLK) && st.st_rdev != arg[2])
		return -EXDEV;
	return magic != 0 && ((uint64_t)fs.f_type == magic) == (magic != arg[3]) ? -EXDEV : 0;
}

int op_check_link(const uint64_t *arg)
{
	const char *to = string(arg[2]);
	int n = SYS(readlinkat, slot_fd(arg[0]), arg[1], exec.link, sizeof(exec.link));

	if (n < 0)
		return n == -EINVAL ? -EEXIST : n;
	for (int i = 0; i < n; i++)
		if (exec.link[i] != to[i])
			return -EEXIST;
	return to[n] == 0 ? 0 : -EEXIST;
}

/* DEFENCE (CVE-2024-21626): the kernel writes "(unreachable)" for a directory outside the root. */
int op_check_cwd(const uint64_t *arg)
{
	int r = SYS(getcwd, exec.path, sizeof(exec.path));

	if (r < 0)
		return r;
	return exec.path[0] == '/' ? 0 : -ENOENT;
}

int op_mkdirat(const uint64_t *arg)
{
	return SYS(mkdirat, slot_fd(arg[0]), arg[1], arg[2]);
}

int op_mknodat(const uint64_t *arg)
{
	return SYS(mknodat, slot_fd(arg[0]), arg[1], arg[2], arg[3]);
}

int op_symlinkat(const uint64_t *arg)
{
	return SYS(symlinkat, arg[0], slot_fd(arg[1]), arg[2]);
}

int op_unlinkat(const uint64_t *arg)
{
	return SYS(unlinkat, slot_fd(arg[0]), arg[1], arg[2]);
}

int op_fchownat(const uint64_t *arg)
{
	return SYS(fchownat, slot_fd(arg[0]), arg[1], arg[2], arg[3], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
}

int op_fsetxattr(const uint64_t *arg)
{
	return SYS(fsetxattr, slot_fd(arg[0]), arg[1], blob(arg[2])->data, blob(arg[2])->len, 0);
}

/* All at once: a file of /proc or a cgroup takes a value only whole. */
int op_write(const uint64_t *arg)
{
	const struct blob *data = blob(arg[1]);
	int r;

	do
		r = SYS(write, slot_fd(arg[0]), data->data, data->len);
	while (r == -EINTR);
	if (r < 0)
		return r;
	return (uint64_t)r == data->len ? 0 : -EIO;
}

int op_close(const uint64_t *arg)
{
	int fd = slot_take(arg[0]);

	return fd < 0 ? fd : SYS(close, fd);
}

/* Moves a descriptor of the executor's own out of the way of dup3. */
static int vacate(int *at, int number)
{
	int fd = SYS(fcntl, number, F_DUPFD_CLOEXEC, number + 1);

	if (fd >= 0)
		*at = fd;
	return success(fd);
}

int op_dup3(const uint64_t *arg)
{
	int number = (int)arg[1], r = 0;

	/* Already there: only made to survive execve. */
	if (slot_fd(arg[0]) == number)
		return SYS(fcntl, number, F_SETFD, 0);
	if (exec.status == number)
		r = vacate(&exec.status, number);
	if (exec.gate == number)
		r = vacate(&exec.gate, number);
	for (uint32_t i = 0; i < exec.used && r == 0; i++) {
		if (exec.slots[i] == number + 1) {
			r = vacate(&exec.slots[i], number);
			exec.slots[i] += r == 0;
		}
	}
	return r < 0 ? r : success(SYS(dup3, slot_fd(arg[0]), number, 0));
}

int op_fchdir(const uint64_t *arg)
{
	return SYS(fchdir, slot_fd(arg[0]));
}

int op_chdir(const uint64_t *arg)
{
	return SYS(chdir, arg[0]);
}

int op_socket(const uint64_t *arg)
{
	return slot_fill(arg[2], SYS(socket, arg[0], arg[1] | SOCK_CLOEXEC_FLAG, 0));
}

int op_ioctl(const uint64_t *arg)
{
	return success(SYS(ioctl, slot_fd(arg[0]), arg[1], blob(arg[2])->data));
}

int op_ioctl_tiocgptpeer(const uint64_t *arg)
{
	return slot_fill(arg[2], SYS(ioctl, slot_fd(arg[0]), TIOCGPTPEER, arg[1] | O_CLOEXEC));
}

int op_ioctl_tiocsctty(const uint64_t *arg)
{
	return SYS(ioctl, slot_fd(arg[0]), TIOCSCTTY, 0);
}

int op_send_fd(const uint64_t *arg)
{
	struct part name = {string(arg[2]), length(string(arg[2]))};
	struct control rights = {
		.len = offsetof(struct control, padding),
		.level = SOL_SOCKET_LEVEL,
		.type = SCM_RIGHTS_TYPE,
		.fd = slot_fd(arg[1]),
	};
	struct message m = {.parts = &name, .nparts = 1, .control = &rights, .control_len = sizeof(rights)};

	return success(SYS(sendmsg, slot_fd(arg[0]), &m, MSG_NOSIGNAL_FLAG));
}

int op_umask(const uint64_t *arg)
{
	SYS(umask, arg[0]);
	return 0;
}

/*
 * close_range(2), or, where a filter loaded before does not know it, one by
 * one: the executor never has more descriptors than inputs, slots and copies.
 */
static int close_between(int first, int last)
{
	int r = SYS(close_range, first, last, 0);

	if (r != -ENOSYS && r != -EPERM)
		return r;
	for (int fd = first; fd <= last && fd - first < 3 * (int)PLAN_SLOTS; fd++)
		SYS(close, fd);
	return 0;
}

int close_but(int keep, int first)
{
	int r = 0;

	if (keep < first)
		return close_between(first, INT32_MAX);
	if (keep > first)
		r = close_between(first, keep - 1);
	return r < 0 ? r : close_between(keep + 1, INT32_MAX);
}

/* All but the way out for records, which is close-on-exec. */
int op_close_range(const uint64_t *arg)
{
	slots_close((int)arg[0]);
	return close_but(exec.status >= 0 ? exec.status : exec.gate, (int)arg[0]);
}
