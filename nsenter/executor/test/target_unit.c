// SPDX-License-Identifier: Apache-2.0
/* Unit tests of the op target, in a root that is a temporary directory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/fs.h>
#include <unistd.h>

#include "unit.h"

#define DIRECTORY (S_IFDIR | 0750)
#define FILE_MODE (S_IFREG | 0640)

/* top holds root, the container's, and outside, which nothing may touch. */
static char top[] = "/tmp/corten-target-XXXXXX";

static const char *in_top(const char *path)
{
	static char names[4][512];
	static int next;
	char *name = names[next++ % 4];

	snprintf(name, sizeof(names[0]), "%s/%s", top, path);
	return name;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(in_top(path), &st) == 0 ? st.st_mode : 0;
}

/* The plan: open the root, make the target, and see that it is the same file as at. */
static struct outcome target(const char *path, uint64_t mode)
{
	struct plan_make p;

	make_plan(&p);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, in_top("root")), O_PATH | O_DIRECTORY, 0, 0, 0);
	make_step(&p, target, 0, make_string(&p, path), mode, 1);
	make_step(&p, check, 1, mode & S_IFMT, 0, 0);
	return run(&p);
}

static int makes(const char *path, uint64_t mode, const char *where)
{
	return target(path, mode).status == 0 && mode_of(where) == mode;
}

static int refuses(const char *path, uint64_t mode, int err)
{
	struct outcome o = target(path, mode);

	return o.status == 1 && o.head.step == 1 && o.head.err == err;
}

static void link_to(const char *to, const char *at)
{
	assert(symlink(to, in_top(at)) == 0);
}

static void test_makes(void)
{
	CHECK(makes("/a/b/c", DIRECTORY, "root/a/b/c"));
	CHECK(mode_of("root/a/b") == (S_IFDIR | 0755));
	CHECK(makes("a//b/./d/", DIRECTORY, "root/a/b/d"));
	CHECK(makes("/a/b/file", FILE_MODE, "root/a/b/file"));
	CHECK(makes("/a/b/file", FILE_MODE, "root/a/b/file"));
	CHECK(makes("/../../up", DIRECTORY, "root/up"));
	CHECK(makes("/new/../side", DIRECTORY, "root/side"));
	CHECK(target("/", DIRECTORY).status == 0);
	CHECK(refuses("/a/b/file", DIRECTORY, ENOTDIR));
	CHECK(refuses("/a/b", FILE_MODE, ENOTDIR));
	CHECK(refuses("/a/b/file/x", FILE_MODE, ENOTDIR));
	CHECK(refuses("/missing", 0, ENOENT));
}

static void test_links(void)
{
	link_to("/run", "root/var-run"); /* absolute, dangling */
	CHECK(makes("/var-run/lock", DIRECTORY, "root/run/lock"));
	link_to("../../../outside", "root/out");
	CHECK(makes("/out/x", DIRECTORY, "root/outside/x"));
	link_to(in_top("outside"), "root/absolute");
	CHECK(target("/absolute/x", DIRECTORY).status == 0);
	link_to("deep/er", "root/a/relative");
	CHECK(makes("/a/relative/x", FILE_MODE, "root/a/deep/er/x"));
	link_to("leaf-file", "root/a/leaf");
	CHECK(makes("/a/leaf", FILE_MODE, "root/a/leaf-file"));
	link_to("two", "root/one");
	link_to("/three/", "root/two");
	CHECK(makes("/one/x", DIRECTORY, "root/three/x"));
	link_to("loop", "root/loop");
	CHECK(refuses("/loop/x", DIRECTORY, ELOOP));
	link_to("grow/x", "root/grow");
	CHECK(refuses("/grow", DIRECTORY, ELOOP));
	link_to("/proc/self/cwd", "root/magic");
	CHECK(makes("/magic/x", DIRECTORY, "root/proc/self/cwd/x"));
}

static void test_long(void)
{
	char path[4096];
	size_t at = 0;

	while (at + 2 < sizeof(path) - 1) {
		path[at++] = '/';
		path[at++] = 'l';
	}
	path[at] = 0;
	CHECK(target(path, DIRECTORY).status == 0);
	memset(path, 'n', sizeof(path));
	path[300] = 0;
	CHECK(refuses(path, DIRECTORY, ENAMETOOLONG));
}

/* Swaps a directory and a link to the outside while targets are made. */
static void test_race(void)
{
	pid_t swapper;
	int wrong = 0;

	assert(mkdir(in_top("root/volume"), 0755) == 0 && mkdir(in_top("root/volume/dir"), 0755) == 0);
	link_to("../../../outside", "root/volume/link");
	swapper = fork();
	for (const char *a = in_top("root/volume/dir"), *b = in_top("root/volume/link"); swapper == 0;)
		syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
	for (int i = 0; i < 300; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/volume/dir/%d/x", i);
		struct outcome o = target(path, i % 2 ? FILE_MODE : DIRECTORY);

		/* Patience has an end: of lookups (EAGAIN), and of creations behind a link (ENOENT). */
		wrong += o.status != 0 && o.head.err != EAGAIN && o.head.err != ENOENT;
	}
	kill(swapper, SIGKILL);
	waitpid(swapper, NULL, 0);
	CHECK(wrong == 0);
}

void test_target(void)
{
	char command[128];

	assert(mkdtemp(top));
	assert(mkdir(in_top("root"), 0755) == 0 && mkdir(in_top("outside"), 0755) == 0);
	umask(0);
	test_makes();
	test_links();
	test_long();
	test_race();
	CHECK(rmdir(in_top("outside")) == 0); /* nothing got out */
	snprintf(command, sizeof(command), "rm -rf %s", top);
	CHECK(system(command) == 0);
}
