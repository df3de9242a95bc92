// SPDX-License-Identifier: Apache-2.0
/*
 * target: the place a mount goes to, below an untrusted root, made where it is
 * missing. Every lookup is the kernel's own, scoped to the root; every creation
 * is of one name in a directory held by a descriptor, and follows no link.
 */
#include "exec.h"
#include "sys.h"

#define LINKS 40 /* dangling ones; the kernel's own limit for all */
#define RACES 128 /* creations of one name that others undo meanwhile */

struct walk {
	int root;
	int dir; /* what all before the name is */
	size_t from, to; /* the name in exec.path */
	uint64_t mode; /* of the last name */
};

/* nofollow: the last name itself, though it be a link. */
static int look(int root, const char *path, int nofollow)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (nofollow ? O_NOFOLLOW : 0),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return open_again(root, path, &how);
}

static size_t past_slashes(size_t at)
{
	while (exec.path[at] == '/')
		at++;
	return at;
}

static size_t past_name(size_t at)
{
	while (exec.path[at] != 0 && exec.path[at] != '/')
		at++;
	return at;
}

/* Writes the text of the dangling link at the name over it, or over all before too. */
static int splice(struct walk *w, size_t len)
{
	size_t from = exec.link[0] == '/' ? 0 : w->from;
	size_t rest = length(exec.path + w->to);

	if (from + len + rest >= sizeof(exec.path))
		return -ENAMETOOLONG;
	__builtin_memmove(exec.path + from + len, exec.path + w->to, rest + 1);
	__builtin_memcpy(exec.path + from, exec.link, len);
	return -ERESTART;
}

static int is_last(const struct walk *w)
{
	return exec.path[past_slashes(w->to)] == 0;
}

/*
 * DEFENCE (CVE-2024-45310): makes the name in the directory that is held. 0: it
 * is there now, by whomever; -ERESTART: it was a dangling link, and exec.path
 * says where that leads inside the root. The plan has set the umask to 0.
 */
static int make(struct walk *w)
{
	char end = exec.path[w->to], *name = exec.path + w->from;
	uint64_t mode = is_last(w) ? w->mode : S_IFDIR | 0755;
	int r, n;

	exec.path[w->to] = 0;
	r = S_ISREG(mode) ? SYS(mknodat, w->dir, name, mode, 0) : SYS(mkdirat, w->dir, name, mode & 07777);
	n = r == -EEXIST ? SYS(readlinkat, w->dir, name, exec.link, sizeof(exec.link)) : 0;
	exec.path[w->to] = end;
	if (n > 0)
		return splice(w, (size_t)n);
	return r == -EEXIST || r == -ENOENT ? 0 : r;
}

/* A descriptor of exec.path up to the end of the name, made if it is missing. */
static int enter(struct walk *w)
{
	int fd = -ENOENT, r = 0, nofollow = is_last(w) && (w->mode & TARGET_NOFOLLOW);

	for (int tries = 0; tries < RACES && fd == -ENOENT && r == 0; tries++) {
		char end = exec.path[w->to];

		exec.path[w->to] = 0;
		fd = look(w->root, exec.path, nofollow);
		exec.path[w->to] = end;
		if (fd == -ENOENT)
			r = make(w);
	}
	return r < 0 ? r : fd;
}

/* The next name of exec.path; whether there is one. */
static int next(struct walk *w)
{
	w->from = past_slashes(w->to);
	w->to = past_name(w->from);
	return w->from < w->to;
}

/* The whole of exec.path, name by name; -ERESTART when it has changed. */
static int walk(int root, uint64_t mode)
{
	struct walk w = {.root = root, .mode = mode};

	/* Most often a name of the root itself is missing. */
	if (next(&w) && is_last(&w)) {
		int r;

		w.dir = root;
		r = make(&w);
		return r < 0 ? r : enter(&w);
	}
	w.to = 0;
	w.dir = look(root, "/", 0);
	while (w.dir >= 0 && next(&w)) {
		int fd = enter(&w);

		SYS(close, w.dir);
		w.dir = fd;
	}
	return w.dir;
}

static int make_path(int root, const char *path, uint64_t mode)
{
	size_t len = length(path);
	int fd = -ERESTART;

	if (!S_ISDIR(mode) && !S_ISREG(mode))
		return -ENOENT;
	if (len >= sizeof(exec.path))
		return -ENAMETOOLONG;
	__builtin_memcpy(exec.path, path, len + 1);
	for (int links = 0; links <= LINKS && fd == -ERESTART; links++)
		fd = walk(root, mode);
	return fd == -ERESTART ? -ELOOP : fd;
}

/* DEFENCE (CVE-2021-30465): looked up once, in the root; from then on it is a descriptor. */
static int find(int root, const char *path, uint64_t mode)
{
	struct stat st;
	int r, fd = look(root, path, (mode & TARGET_NOFOLLOW) != 0);

	if (fd == -ENOENT)
		fd = make_path(root, path, mode);
	if (fd < 0)
		return fd;
	r = SYS(fstat, fd, &st);
	/* As mount(2) has it, in both directions: engines take EISDIR for a fault of the command. */
	if (r == 0 && (S_ISDIR(mode) || S_ISREG(mode)) && S_ISDIR(mode) != S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r == 0)
		return fd;
	SYS(close, fd);
	return r;
}

int op_target(const uint64_t *arg)
{
	return slot_fill(arg[3], find(slot_fd(arg[0]), string(arg[1]), arg[2]));
}

int op_target_for(const uint64_t *arg)
{
	struct stat st;
	int r = SYS(fstat, slot_fd(arg[2]), &st);

	if (r < 0)
		return r;
	return slot_fill(arg[4], find(slot_fd(arg[0]), string(arg[1]), (S_ISDIR(st.st_mode) ? S_IFDIR : S_IFREG) | 0755u | arg[3]));
}
