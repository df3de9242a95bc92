// SPDX-License-Identifier: Apache-2.0
/*
 * The content of a directory, copied into an empty file system that nobody else
 * has yet. The source may be hostile and may change meanwhile: every name is
 * looked up in a directory held by a descriptor, without following a link or
 * leaving the mount, and the mount opens no device. The copy is bounded by the
 * size of the file system it goes to, and by the depth.
 */
#include "exec.h"
#include "sys.h"

#define DEPTH 256

struct entry { /* struct linux_dirent64 */
	uint64_t ino;
	int64_t next;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* A directory on the way down. */
static struct level {
	int from, to;
	int64_t next; /* where to go on reading */
} levels[DEPTH];

static int open_in(int dir, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};

	return open_again(dir, name, &how);
}

/* Owner first, since a change of it clears the set-id bits. */
static int attributes(int dir, const char *name, const struct stat *st)
{
	struct __kernel_timespec times[2] = {
		{.tv_sec = (int64_t)st->st_atime, .tv_nsec = (int64_t)st->st_atime_nsec},
		{.tv_sec = (int64_t)st->st_mtime, .tv_nsec = (int64_t)st->st_mtime_nsec},
	};
	int r = SYS(fchownat, dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);

	if (r == 0 && !S_ISLNK(st->st_mode))
		r = SYS(fchmodat, dir, name, st->st_mode & 07777);
	return r < 0 ? r : SYS(utimensat, dir, name, times, AT_SYMLINK_NOFOLLOW);
}

/* One attribute of exec.link; one the new file system does not have is left behind. */
static int xattr(int from, int to, const char *name)
{
	int n = SYS(fgetxattr, from, name, exec.path, sizeof(exec.path));
	int r = n < 0 ? n : SYS(fsetxattr, to, name, exec.path, n, 0);

	return r == -EOPNOTSUPP || r == -EPERM || r == -ENODATA || r == -ERANGE ? 0 : r;
}

static int xattrs(int from, int to)
{
	int n = SYS(flistxattr, from, exec.link, sizeof(exec.link)), r = 0;

	if (n < 0)
		return n == -EOPNOTSUPP ? 0 : n;
	for (int i = 0; i < n && r == 0; i += (int)length(exec.link + i) + 1)
		r = xattr(from, to, exec.link + i);
	return r;
}

/* One stretch of data. Nothing more to read: the file has become shorter. */
static int stretch(int from, int to, int64_t at, int64_t end)
{
	long n = SYS_LONG(lseek, to, at, SEEK_SET);

	while (n >= 0 && at < end) {
		n = SYS_LONG(sendfile, to, from, &at, end - at);
		if (n == 0)
			break;
	}
	return n < 0 ? (int)n : 0;
}

/* What has data of a file; holes stay holes, so that its length costs nothing. */
static int data(int from, int to, int64_t size)
{
	int64_t start, end = 0;
	int r = SYS(ftruncate, to, size);

	while (r == 0 && end < size) {
		start = SYS_LONG(lseek, from, end, SEEK_DATA);
		if (start == -ENXIO)
			break;
		end = start < 0 ? start : SYS_LONG(lseek, from, start, SEEK_HOLE);
		if (end < 0)
			return (int)end;
		if (end > size)
			end = size;
		r = stretch(from, to, start, end);
	}
	return r;
}

static int regular(const struct level *l, const char *name)
{
	struct stat st;
	int from = open_in(l->from, name, O_RDONLY), to = -EBADF;
	int r = from < 0 ? from : SYS(fstat, from, &st);

	if (r == 0 && !S_ISREG(st.st_mode))
		r = -ESTALE;
	if (r == 0)
		r = to = SYS(openat, l->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (r >= 0)
		r = data(from, to, st.st_size);
	if (r == 0)
		r = attributes(l->to, name, &st);
	if (r == 0)
		r = xattrs(from, to); /* last, since a change of owner takes the capabilities away */
	SYS(close, from);
	SYS(close, to);
	return r;
}

/* A link, a FIFO, a socket, a device. */
static int node(const struct level *l, const char *name, const struct stat *st)
{
	int r;

	if (S_ISLNK(st->st_mode)) {
		r = SYS(readlinkat, l->from, name, exec.link, sizeof(exec.link) - 1);
		if (r < 0)
			return r;
		exec.link[r] = 0;
		r = SYS(symlinkat, exec.link, l->to, name);
	} else {
		r = SYS(mknodat, l->to, name, st->st_mode, st->st_rdev);
	}
	return r < 0 ? r : attributes(l->to, name, st);
}

/* Makes a directory and goes down into it, unless another mount covers it. */
static int enter(int *depth, const char *name, const struct stat *st)
{
	struct level *l = &levels[*depth], *sub = l + 1;
	int r = *depth + 1 < DEPTH ? SYS(mkdirat, l->to, name, 0700) : -ELOOP;

	if (r == 0)
		r = attributes(l->to, name, st);
	if (r < 0)
		return r;
	sub->next = 0;
	sub->from = open_in(l->from, name, O_RDONLY | O_DIRECTORY);
	if (sub->from < 0)
		return sub->from;
	sub->to = SYS(openat, l->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	++*depth;
	return sub->to < 0 ? sub->to : xattrs(sub->from, sub->to);
}

/* The times again: they have changed with the content. */
static int leave(int *depth)
{
	struct level *l = &levels[*depth];
	struct stat st;
	int r = *depth > 0 ? SYS(fstat, l->from, &st) : 0;

	if (r == 0 && *depth > 0)
		r = attributes(l->to, ".", &st);
	SYS(close, l->from);
	SYS(close, l->to);
	--*depth;
	return r;
}

/* What another has removed meanwhile, or covers with a mount, is not there. */
static int copy(int *depth, const char *name)
{
	const struct level *l = &levels[*depth];
	struct stat st;
	int r = SYS(newfstatat, l->from, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);

	if (r == 0 && S_ISDIR(st.st_mode))
		r = enter(depth, name, &st);
	else if (r == 0 && S_ISREG(st.st_mode))
		r = regular(l, name);
	else if (r == 0)
		r = node(l, name, &st);
	if (r == -ENOENT || r == -EXDEV)
		return 0;
	if (r < 0)
		say(name, length(name));
	return r;
}

/* Goes on in the deepest directory, up to its next subdirectory or its end. */
static int advance(int *depth)
{
	static char entries[4096] __attribute__((aligned(8)));
	int here = *depth, r = 0;
	struct level *l = &levels[here];
	long n = SYS_LONG(lseek, l->from, l->next, SEEK_SET);

	n = n < 0 ? n : SYS_LONG(getdents64, l->from, entries, sizeof(entries));
	if (n <= 0)
		return n < 0 ? (int)n : leave(depth);
	for (long at = 0; at < n && r == 0 && *depth == here;) {
		const struct entry *e = (const struct entry *)(entries + at);

		at += e->len;
		l->next = e->next;
		if (e->name[0] == '.' && (e->name[1] == 0 || (e->name[1] == '.' && e->name[2] == 0)))
			continue;
		r = copy(depth, e->name);
	}
	return r;
}

int op_copy_tree(const uint64_t *arg)
{
	int depth = 0, r = 0;

	levels[0].next = 0;
	levels[0].from = open_in(slot_fd(arg[0]), ".", O_RDONLY | O_DIRECTORY);
	levels[0].to = open_in(slot_fd(arg[1]), ".", O_RDONLY | O_DIRECTORY);
	if (levels[0].from < 0 || levels[0].to < 0)
		return levels[0].from < 0 ? levels[0].from : levels[0].to;
	while (r == 0 && depth >= 0)
		r = advance(&depth);
	return r; /* after a failure the executor ends, and its descriptors with it */
}

int op_copy_attributes(const uint64_t *arg)
{
	int from = slot_fd(arg[0]), to = slot_fd(arg[1]);
	struct stat st;
	int r = SYS(fstat, from, &st);

	if (r == 0 && (arg[2] & COPY_OWNER))
		r = SYS(fchownat, to, "", st.st_uid, st.st_gid, AT_EMPTY_PATH);
	if (r == 0 && (arg[2] & COPY_MODE))
		r = SYS(fchmodat, to, ".", st.st_mode & 07777);
	return r;
}
