// SPDX-License-Identifier: Apache-2.0
/* Unit tests of the executor, built with ASAN and UBSAN. Needs no privilege. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static int failures, checks;

void check(int ok, const char *condition, const char *test, int line)
{
	checks++;
	failures += !ok;
	if (!ok)
		fprintf(stderr, "%s:%d: %s\n", test, line, condition);
}

struct outcome run(struct plan_make *p)
{
	struct outcome o = {.status = -1};
	struct {
		struct record head;
		char text[RECORD_TEXT];
	} r = {0};
	int ends[2], status;
	pid_t pid;
	size_t size = make_end(p);

	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		exec = (struct exec){.status = ends[1], .gate = -1, .plan = make_header(p)};
		if (plan_read(p->b, size) < 0)
			_exit(99);
		plan_run();
		_exit(0);
	}
	close(ends[1]);
	if (read(ends[0], &r, sizeof(r)) > 0) {
		o.head = r.head;
		memcpy(o.text, r.text, sizeof(r.text));
	}
	close(ends[0]);
	waitpid(pid, &status, 0);
	o.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return o;
}

int fails(struct plan_make *p, uint32_t step, int err)
{
	struct outcome o = run(p);

	return o.status == 1 && o.head.kind == RECORD_FAIL && o.head.step == step && o.head.err == err;
}

/* A plan with a string, a vector and a blob. */
static void sample(struct plan_make *p)
{
	make_plan(p);
	make_step(p, sethostname, make_string(p, "name"));
	make_step(p, execve, make_vector(p, (const char *const[]){"a", "", "ccc", NULL}),
		  make_vector(p, (const char *const[]){NULL}));
	make_step(p, write, 3, make_blob(p, "data\0more", 9));
	make_end(p);
}

static int accepted(struct plan_make *p)
{
	return plan_read(p->b, make_header(p)->size) == 0;
}

static void test_read_accepts(void)
{
	struct plan_make p;
	struct plan_step *s = (struct plan_step *)(make_header(&p) + 1);

	make_plan(&p);
	make_end(&p);
	CHECK(accepted(&p));
	sample(&p);
	CHECK(accepted(&p));
	CHECK(strcmp(string(s[0].arg[0]), "name") == 0);
	CHECK(strcmp(vector(s[1].arg[0])[2], "ccc") == 0 && !vector(s[1].arg[0])[3]);
	CHECK(!vector(s[1].arg[1])[0]);
	CHECK(blob(s[2].arg[1])->len == 9 && memcmp(blob(s[2].arg[1])->data, "data\0more", 9) == 0);
}

#define REJECTS(change)                     \
	do {                                \
		struct plan_make p;         \
		struct plan_header *h;      \
		struct plan_step *s;        \
		sample(&p);                 \
		h = make_header(&p);        \
		s = (struct plan_step *)(h + 1); \
		(void)s;                    \
		change;                     \
		CHECK(!accepted(&p));       \
	} while (0)

static void test_read_rejects_header(void)
{
	struct plan_make p;

	sample(&p);
	CHECK(plan_read(p.b, 0) < 0 && plan_read(p.b, 31) < 0 && plan_read(p.b, p.len - 1) < 0);
	REJECTS(h->magic ^= 1);
	REJECTS(h->size = PLAN_MAX_SIZE + 1);
	REJECTS(h->vocabulary ^= 1);
	REJECTS(h->stamps = 2);
	REJECTS(h->nsteps = UINT32_MAX);
	REJECTS(h->nsteps = 4000);
	REJECTS(h->ninputs = PLAN_SLOTS + 1);
	REJECTS(h->pointers = h->size + 1);
	REJECTS(h->pointers = sizeof(*h));
	REJECTS(h->pointers = (uint32_t)p.len - 1);
}

static void test_read_rejects_step(void)
{
	REJECTS(s[0].op = OPS);
	REJECTS(s[0].flags = 4);
	REJECTS(s[0].flags = STEP_UNLESS);
	REJECTS(s[0].when = PLAN_SLOTS);
	REJECTS(s[0].when = SLOT_CWD);
	REJECTS(s[0].tolerate = 1u << 12);
	REJECTS(s[0].reserved = 1);
	REJECTS(s[0].reserved2 = 1);
	REJECTS(s[0].arg[1] = 1);
	REJECTS(s[2].arg[0] = PLAN_SLOTS);
	REJECTS(s[2].arg[0] = SLOT_NONE);
}

static void test_read_rejects_data(void)
{
	REJECTS(s[0].arg[0] += 1ull << 32);
	REJECTS(s[0].arg[0] -= 1ull << 32);
	REJECTS(s[0].arg[0] |= 0xffffffffull << 32);
	REJECTS(s[0].arg[0] = 8 | 1ull << 32);
	REJECTS(p.b[MAKE_DATA + 1] = 0);
	REJECTS(p.b[MAKE_DATA + 4] = 'x');
	REJECTS(s[1].arg[0] += 1);
	REJECTS(s[1].arg[0] += 1ull << 32);
	REJECTS(s[1].arg[0] |= 0xffffffffull << 32);
	REJECTS(s[1].arg[1] = s[1].arg[0]); /* two arguments of the same data */
	REJECTS(s[2].arg[1] += 4);
	REJECTS(s[2].arg[1] |= 1ull << 32);
	REJECTS(s[2].arg[1] = p.len / 8 * 8);
	REJECTS(memset(p.b + s[2].arg[1], 0xff, 8));
}

static void test_slots(void)
{
	struct plan_make p;

	make_plan(&p);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, "/dev/null"), O_RDWR, 0, 0, 7);
	make_step(&p, check, 7, S_IFCHR, 0x103, 0);
	make_step(&p, close, 7);
	make_step(&p, close, 7); /* empty: skipped */
	make_step(&p, check, 7, S_IFDIR, 0, 0); /* skipped */
	make_step(&p, openat2, SLOT_CWD, make_string(&p, "/dev"), O_RDONLY, 0, 0, 7);
	make_step(&p, fstat, 7, 8, 9);
	make_step(&p, check, 8, S_IFDIR, 0, 0);
	make_step(&p, check, 9, S_IFDIR, 0, 0); /* skipped */
	make_step(&p, openat2, SLOT_CWD, make_string(&p, "/dev"), O_RDONLY, 0, 0, 7);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, "/dev"), O_RDONLY, 0, 0, 8);
	CHECK(fails(&p, 10, EBADFD));

	make_plan(&p);
	make_step(&p, close, SLOT_CWD);
	CHECK(fails(&p, 0, EBADF));
	make_plan(&p);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, "/dev/null"), O_RDWR, 0, 0, 0);
	make_step(&p, check, 0, S_IFCHR, 0x105, 0);
	CHECK(fails(&p, 1, EXDEV));
}

static uint32_t bit(int err)
{
#define BIT_ERRNO(name) name,
	static const int all[] = {TOLERABLE(BIT_ERRNO)};

	for (uint32_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (all[i] == err)
			return 1u << i;
	abort();
}

/* The number of steps that ran, by what they wrote. */
static ssize_t writes(void (*build)(struct plan_make *, uint64_t pipe))
{
	struct plan_make p;
	char got[64];
	char path[64];
	int ends[2];
	ssize_t n;

	assert(pipe2(ends, O_NONBLOCK) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	make_plan(&p);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, path), O_WRONLY, 0, 0, 0);
	build(&p, 0);
	CHECK(run(&p).status == 0);
	n = read(ends[0], got, sizeof(got));
	close(ends[0]);
	close(ends[1]);
	return n < 0 ? 0 : n;
}

static void fail_tolerated(struct plan_make *p)
{
	make_step(p, openat2, SLOT_CWD, make_string(p, "/no such file"), O_RDONLY, 0, 0, 1);
	p->last->tolerate = bit(ENOENT);
}

static void write_one(struct plan_make *p, uint16_t flags, uint16_t when)
{
	make_step(p, write, 0, make_blob(p, "x", 1));
	p->last->flags = flags;
	p->last->when = when;
}

static void build_else(struct plan_make *p, uint64_t pipe)
{
	write_one(p, STEP_ELSE, SLOT_NONE); /* openat2 before succeeded: no */
	fail_tolerated(p);
	make_step(p, close, 1); /* skipped: leaves the flag */
	make_step(p, close, 5);
	write_one(p, STEP_ELSE, 9); /* slot 9 is empty: no, and leaves the flag */
	write_one(p, STEP_ELSE, SLOT_NONE); /* yes */
	write_one(p, STEP_ELSE, SLOT_NONE); /* the one before ran well: no */
}

static void build_when(struct plan_make *p, uint64_t pipe)
{
	write_one(p, 0, 0); /* yes */
	write_one(p, 0, 1); /* no */
	write_one(p, STEP_UNLESS, 0); /* no */
	write_one(p, STEP_UNLESS, 1); /* yes */
	fail_tolerated(p);
	write_one(p, STEP_ELSE | STEP_UNLESS, 1); /* yes */
}

static void test_conditions(void)
{
	struct plan_make p;

	CHECK(writes(build_else) == 1);
	CHECK(writes(build_when) == 3);
	make_plan(&p);
	fail_tolerated(&p);
	p.last->tolerate = bit(EEXIST) | bit(EROFS);
	CHECK(fails(&p, 0, ENOENT));
}

static void test_dup3_keeps_own_descriptors(void)
{
	struct plan_make p;

	/* 3 is the socket in some runs and a slot's descriptor in others; both have to survive. */
	make_plan(&p);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, "/dev/null"), O_RDWR, 0, 0, 0);
	make_step(&p, openat2, SLOT_CWD, make_string(&p, "/dev/zero"), O_RDWR, 0, 0, 1);
	for (uint64_t number = 3; number < 12; number++)
		make_step(&p, dup3, 0, number);
	make_step(&p, check, 0, S_IFCHR, 0x103, 0);
	make_step(&p, check, 1, S_IFCHR, 0x105, 0);
	make_step(&p, close_range, 12);
	make_step(&p, check, 1, S_IFCHR, 0, 0); /* gone: skipped */
	make_step(&p, chdir, make_string(&p, "/no such directory"));
	CHECK(fails(&p, 15, ENOENT));
}

static void test_lookup(void)
{
	struct plan_make p;

	make_plan(&p);
	make_step(&p, lookup, make_vector(&p, (const char *const[]){"/no/such", "/dev", NULL}));
	CHECK(fails(&p, 0, EACCES));
	make_plan(&p);
	make_step(&p, lookup, make_vector(&p, (const char *const[]){"/no/such", "/dev/null/x", NULL}));
	CHECK(fails(&p, 0, ENOENT));
	make_plan(&p);
	make_step(&p, lookup, make_vector(&p, (const char *const[]){"/dev", "/bin/sh", NULL}));
	make_step(&p, execve, make_vector(&p, (const char *const[]){"sh", "-c", "exit 42", NULL}),
		  make_vector(&p, (const char *const[]){NULL}));
	CHECK(run(&p).status == 42);
	make_plan(&p);
	make_step(&p, execve, make_vector(&p, (const char *const[]){NULL}), make_vector(&p, (const char *const[]){NULL}));
	CHECK(fails(&p, 0, ENOENT));
}

static struct outcome hook(const char *script, const char *input, uint64_t timeout)
{
	struct plan_make p;

	make_plan(&p);
	make_step(&p, run, make_string(&p, "/bin/sh"), make_vector(&p, (const char *const[]){"sh", "-c", script, NULL}),
		  make_vector(&p, (const char *const[]){"PATH=/bin:/usr/bin", NULL}),
		  make_blob(&p, input, strlen(input)), timeout);
	return run(&p);
}

static int says(struct outcome o, int err, const char *text)
{
	return o.status == 1 && o.head.err == err && o.head.text_len == strlen(text) && strcmp(o.text, text) == 0;
}

static void test_hook(void)
{
	struct plan_make p;
	char text[RECORD_TEXT + 1];

	snprintf(text, sizeof(text), "read a; test \"$a\" = \"{\\\"pid\\\":$PPID,input\"");
	CHECK(hook(text, ",input\n", 5000).status == 0);
	CHECK(hook("exec <&-; sleep 0.1", "not read", 0).status == 0);
	CHECK(hook("exit 0", "not read", 0).status == 0);
	CHECK(says(hook("exit 3", "", 0), ECHILD, "exit status 3"));
	CHECK(says(hook("echo why; echo not >&2; exit 3", "", 0), ECHILD, "exit status 3: why\nnot"));
	CHECK(says(hook("kill -9 $$", "", 0), ECHILD, "signal 9"));
	CHECK(says(hook("echo slow; sleep 20", "", 100), ETIMEDOUT, "slow"));
	CHECK(hook("while :; do echo y; done", "", 100).head.err == ETIMEDOUT);
	CHECK(hook("sleep 1 & exit 0", "", 500).status == 0); /* one left behind holds the pipes */
	memset(text, 'z', sizeof(text));
	memcpy(text, "exit status 1: ", 15);
	text[15 + EXEC_TAIL] = 0;
	CHECK(says(hook("head -c 1000000 /dev/zero | tr '\\0' z; exit 1", "", 0), ECHILD, text));
	make_plan(&p);
	make_step(&p, run, make_string(&p, "/no/such"), make_vector(&p, (const char *const[]){NULL}),
		  make_vector(&p, (const char *const[]){NULL}), make_blob(&p, "", 0), 0);
	CHECK(fails(&p, 0, ENOENT));
}

int main(void)
{
	test_read_accepts();
	test_read_rejects_header();
	test_read_rejects_step();
	test_read_rejects_data();
	test_slots();
	test_conditions();
	test_dup3_keeps_own_descriptors();
	test_lookup();
	test_hook();
	test_target();
	test_copy();
	printf("%d checks, %d failures\n", checks, failures);
	return failures != 0;
}
