// SPDX-License-Identifier: Apache-2.0
/*
 * libFuzzer on target: in any tree, by any path, what it finds or makes is below
 * the root, nothing beside the root changes, and asked again it finds the same.
 * A tree is bytes until a zero: two bits for what to make, the others for where
 * and, of links, whereto. The path is the rest.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <dirent.h>
#include <unistd.h>

#include "../exec.h"

#define DIRS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/tmp/corten-fuzz-XXXXXX";

static int rm(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st, (void)flag;
	return at->level > 0 ? remove(path) : 0;
}

static void leave(void)
{
	if (chdir("/") == 0)
		umount2(top, MNT_DETACH);
	rmdir(top);
}

/* top, in memory, with root and beside it outside. */
static void enter(void)
{
	if (!mkdtemp(top) || mount("fuzz", top, "tmpfs", 0, NULL) || atexit(leave) || chdir(top) || mkdir("root", 0755) || mkdir("outside", 0755))
		abort();
}

static int count(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static size_t grow(const uint8_t *data, size_t size)
{
	static const char *const to[] = {"/", "..", "/../outside", "../../outside/x", "/a/new", "b", "/proc/self/cwd", "c/../..", ".", "/a/b/c/d"};
	static char dirs[DIRS][PATH_MAX];
	size_t n = 1, i;

	strcpy(dirs[0], "root");
	for (i = 0; i < size && data[i]; i++) {
		char at[PATH_MAX + 8];
		int fd;

		snprintf(at, sizeof(at), "%s/%c", dirs[(data[i] >> 2) % n], (char)('a' + i % 4));
		if ((data[i] & 3) == 0 || (data[i] & 3) == 3) {
			if (n < DIRS && strlen(at) < PATH_MAX && mkdir(at, 0755) == 0)
				strcpy(dirs[n++], at);
		} else if ((data[i] & 3) == 1) {
			fd = open(at, O_CREAT | O_EXCL | O_WRONLY, 0644);
			if (fd >= 0)
				close(fd);
		} else if (symlink(to[(data[i] >> 2) % (sizeof(to) / sizeof(*to))], at)) {
			continue;
		}
	}
	return i < size ? i + 1 : size;
}

/* The inode that target gives; 0: it gives none. */
static ino_t ask(int root, const char *path, uint64_t mode)
{
	uint64_t arg[4] = {0, (uint64_t)(uintptr_t)path, mode, 1};
	char link[64], name[PATH_MAX], under[sizeof(top) + 8];
	ssize_t len;
	struct stat st;

	memset(exec.slots, 0, sizeof(exec.slots));
	exec.slots[0] = root + 1;
	if (op_target(arg) != 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", exec.slots[1] - 1);
	snprintf(under, sizeof(under), "%s/root", top);
	len = readlink(link, name, sizeof(name) - 1);
	if (len < (ssize_t)strlen(under) || memcmp(name, under, strlen(under)) || (name[strlen(under)] != '/' && len != (ssize_t)strlen(under)))
		abort();
	if (fstat(exec.slots[1] - 1, &st))
		abort();
	close(exec.slots[1] - 1);
	return st.st_ino;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t modes[] = {S_IFDIR | 0755, S_IFREG | 0644, S_IFDIR | 0700 | TARGET_NOFOLLOW, S_IFREG | 0600 | TARGET_NOFOLLOW, 0};
	char path[256] = "";
	uint64_t mode;
	ino_t first;
	size_t used;
	int root;

	if (size < 2)
		return 0;
	if (top[sizeof(top) - 2] == 'X')
		enter();
	mode = modes[data[0] % (sizeof(modes) / sizeof(*modes))];
	used = 1 + grow(data + 1, size - 1);
	memcpy(path, data + used, size - used < sizeof(path) - 1 ? size - used : sizeof(path) - 1);
	for (used = strlen(path); used > 1 && path[used - 1] == '/'; used--)
		path[used - 1] = 0; /* as the runtime gives it */
	root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	first = ask(root, path, mode);
	if (first && ask(root, path, mode) != first)
		abort();
	if (count(".") != 4 || count("outside") != 2)
		abort();
	close(root);
	nftw("root", rm, 16, FTW_DEPTH | FTW_PHYS);
	if (count("root") != 2)
		abort();
	return 0;
}
