// SPDX-License-Identifier: Apache-2.0
/*
 * home: the home directory of a user, from the container's passwd(5).
 *
 * DEFENCE (containerd CVE-2026-47262, CRI-O CVE-2025-4437): the file is the
 * image's. Nothing but a regular file is opened, without waiting; little of it
 * is held at a time, and not much of it is read.
 */
#include "exec.h"
#include "sys.h"

#define PASSWD "/etc/passwd"
#define PASSWD_SIZE (10l << 20)
#define PASSWD_LINE (64u << 10)
#define PREFIX (sizeof("HOME=") - 1)

struct entry {
	uint32_t wanted; /* uid */
	uint32_t field;
	uint32_t len; /* of the line so far */
	uint32_t home_len;
	uint32_t digits; /* of the uid */
	uint64_t uid; /* too large: no uid */
};

/* Why there is no answer in the file, for the warning; NULL: there was nothing to object to. */
static const char *refuse(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return " is not a regular file";
	return st->st_size > PASSWD_SIZE ? " is larger than 10 MiB" : NULL;
}

static void add(struct entry *e, char c)
{
	if (e->field == 2 && (c < '0' || c > '9' || e->uid > UINT32_MAX))
		e->uid = UINT64_MAX;
	else if (e->field == 2)
		e->uid = 10 * e->uid + (uint64_t)(c - '0'), e->digits++;
	if (e->field == 5 && PREFIX + e->home_len < sizeof(exec.home) - 1)
		exec.home[PREFIX + e->home_len++] = c;
}

/* 1: that was the entry; -EINVAL: no such file is a passwd. */
static int parse(struct entry *e, char c)
{
	if (c == '\n') {
		exec.home[PREFIX + e->home_len] = 0;
		if (e->field >= 5 && e->digits > 0 && e->uid == e->wanted)
			return 1;
		*e = (struct entry){.wanted = e->wanted};
		return 0;
	}
	if (c == 0 || ++e->len > PASSWD_LINE)
		return -EINVAL;
	if (c == ':')
		e->field++;
	else
		add(e, c);
	return 0;
}

/* The end of the file ends its last line. */
static int search(int fd, struct entry *e)
{
	long left = PASSWD_SIZE;
	int n = 1, r = 0;

	while (r == 0 && n > 0 && left > 0) {
		n = SYS(read, fd, exec.path, sizeof(exec.path));
		for (int i = 0; i < n && r == 0; i++)
			r = parse(e, exec.path[i]);
		left -= n;
	}
	return r == 0 ? n < 0 ? n : parse(e, '\n') : r;
}

/* A filter may not know openat2(2). The root is the container's. */
static int open_passwd(void)
{
	struct open_how how = {
		.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		.resolve = RESOLVE_NO_MAGICLINKS,
	};
	int fd = open_again(AT_FDCWD, PASSWD, &how);

	if (fd == -ENOSYS || fd == -EPERM)
		fd = SYS(openat, AT_FDCWD, PASSWD, how.flags, 0);
	return fd;
}

/* Looked at before it is opened, because opening a device can do something. */
static const char *find(struct entry *e, int *found)
{
	struct stat st;
	const char *why;
	int fd, r = SYS(newfstatat, AT_FDCWD, PASSWD, &st, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? NULL : " cannot be read";
	why = refuse(&st);
	if (why)
		return why;
	fd = open_passwd();
	if (fd < 0)
		return " cannot be read";
	r = SYS(fstat, fd, &st);
	why = r < 0 ? " cannot be read" : refuse(&st);
	if (!why && (*found = search(fd, e)) < 0)
		why = *found == -EINVAL ? " has a NUL or a line of more than 64 KiB" : " cannot be read";
	SYS(close, fd);
	return why;
}

int op_home(const uint64_t *arg)
{
	static const char subject[] = "HOME is /, because the container's " PASSWD;
	struct entry e = {.wanted = (uint32_t)arg[0]};
	int found = 0;
	const char *why = find(&e, &found);

	if (found == 1 && exec.home[PREFIX] == '/' && PREFIX + e.home_len < sizeof(exec.home) - 1)
		__builtin_memcpy(exec.home, "HOME=", PREFIX);
	else
		exec.home[0] = 0;
	if (why) {
		say(subject, sizeof(subject) - 1);
		say(why, length(why));
		send_record(RECORD_WARN, 0);
		exec.text_len = 0;
	}
	return 0;
}
