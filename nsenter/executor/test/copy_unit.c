// SPDX-License-Identifier: Apache-2.0
/* Unit tests of the ops copy_tree and check_link, in a temporary directory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static char top[] = "/tmp/corten-copy-XXXXXX";

static int sh(const char *script)
{
	char command[1024];

	snprintf(command, sizeof(command), "cd %s && { %s; } 2>&1", top, script);
	return system(command);
}

static struct outcome copy(void)
{
	struct plan_make p;
	char from[64], to[64];

	snprintf(from, sizeof(from), "%s/from", top);
	snprintf(to, sizeof(to), "%s/to", top);
	make_plan(&p);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, from), O_PATH | O_DIRECTORY, 0, 0, 0);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, to), O_PATH | O_DIRECTORY, 0, 0, 1);
	make_step(&p, copy_attributes, 0, 1, COPY_MODE);
	make_step(&p, copy_tree, 0, 1);
	return run(&p);
}

static int link_is(const char *name, const char *text, int err)
{
	struct plan_make p;

	make_plan(&p);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, top), O_PATH | O_DIRECTORY, 0, 0, 0);
	make_step(&p, check_link, 0, make_string(&p, name), make_string(&p, text));
	return err ? fails(&p, 1, err) : run(&p).status == 0;
}

void test_copy(void)
{
	struct outcome o;

	assert(mkdtemp(top));
	umask(022);
	CHECK(sh("mkdir -m 750 from && mkdir to && cd from && mkdir -p a/b/c .hidden && echo text >a/b/c/file && ln -s ../x a/link &&"
		 "mkfifo -m 600 a/fifo && chmod 2711 a/b && touch -d @5 a && for i in $(seq 400); do mkdir -p many/name-that-is-long-$i/d; done &&"
		 "truncate -s 1M holes && echo end >>holes") == 0);
	CHECK(copy().status == 0);
	CHECK(sh("diff -r --no-dereference --exclude=fifo from to") == 0);
	CHECK(sh("test -p to/a/fifo && test \"$(cd to; stat -c '%a %Y' . a a/b a/fifo | cut -d' ' -f1 | xargs)\" = '750 755 2711 600'") == 0);
	CHECK(sh("test $(stat -c %Y to/a) = 5 && test $(stat -c %b to/holes) -lt 100") == 0);
	/* What is there is never overwritten. */
	o = copy();
	CHECK(o.status == 1 && o.head.err == EEXIST);
	CHECK(sh("rm -r to from && mkdir to from && cd from && for i in $(seq 254); do mkdir d; cd d; done") == 0);
	CHECK(copy().status == 0);
	CHECK(sh("rm -r to && mkdir to && cd from && for i in $(seq 254); do cd d; done && mkdir -p d/d") == 0);
	o = copy();
	CHECK(o.status == 1 && o.head.err == ELOOP);
	CHECK(sh("ln -s some/where link && echo x >file") == 0);
	CHECK(link_is("link", "some/where", 0));
	CHECK(link_is("link", "some/wher", EEXIST) && link_is("link", "some/where/", EEXIST) && link_is("link", "", EEXIST));
	CHECK(link_is("file", "x", EEXIST) && link_is("missing", "x", ENOENT));
	CHECK(sh("rm -rf \"$PWD\"") == 0);
}
