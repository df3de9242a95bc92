/* SPDX-License-Identifier: Apache-2.0 */
/* The executor's state and the few functions its files share. */
#ifndef CORTEN_EXEC_H
#define CORTEN_EXEC_H

#include <stddef.h>
#include <stdint.h>

#include "plan.h"

#pragma GCC visibility push(hidden) /* no reference by a table that needs relocation */

#define EXEC_PATH 4096 /* PATH_MAX */
#define EXEC_TAIL 4000 /* bytes of a hook's output that are kept */

/* All that may change while a plan runs. */
struct exec {
	struct plan_header *plan;
	uint32_t step; /* the one that runs, from 0 */
	int tolerated; /* errno of the last step that ran, if it was allowed to fail; else 0 */
	int status; /* the runtime's socket; -1 from the gate on */
	int gate; /* the exec.fifo from the gate on; else -1 */
	uint64_t *stamps; /* of each step the time it began, in ns; NULL: nobody asks */
	const char *program; /* what lookup found; else NULL */
	char home[EXEC_PATH]; /* "HOME=" and what home found; else "" */
	uint32_t text_len;
	struct record head; /* and text behind it: a record as it is sent */
	char text[RECORD_TEXT]; /* of the failing step */
	uint32_t used; /* slots from here on are empty */
	char *progress;
	int slots[PLAN_SLOTS]; /* descriptor + 1; 0: empty */
	char path[EXEC_PATH]; /* of target, rewritten as its links are followed */
	char link[EXEC_PATH]; /* one of them */
	char output[EXEC_TAIL + 65536]; /* of a hook: the last bytes, and what one read gives */
	size_t output_len;
	uint32_t hook_slot[2]; /* slot + 1 of what a hook has as 1 and 2; 0: the pipe */
};

extern struct exec exec;

/* An argument with letter b, once plan_read has relocated it. */
struct blob {
	uint64_t len;
	uint8_t data[];
};

enum op {
#define OP(name, signature, arguments, source) OP_##name,
#include "ops.def"
#undef OP
	OPS
};

/* A row an op, in the order of enum op. No pointers: nothing to relocate. */
struct op_row {
	char name[24];
	char signature[PLAN_ARGS + 1];
};
extern const struct op_row op_table[OPS];

/* Handlers return 0 or -errno. */
#define OP(name, signature, arguments, source) int op_##name(const uint64_t *arg);
#include "ops.def"
#undef OP

/* plan_read.c: 0, or -EINVAL and the plan has not been touched. */
int plan_read(void *plan, size_t size);

/* plan_run.c */
_Noreturn void execute(char *progress); /* PROGRESS spaces of its arguments, or NULL */
void plan_run(void); /* from exec.step on; returns after the last one, if none was execve */
_Noreturn void quit(int status);
uint64_t realtime(void); /* nanoseconds, by the clock that time namespaces leave alone; 0: it does not tell */
void send_record(uint32_t kind, int err); /* with the step's number and exec.text */
void say(const char *text, size_t len); /* appends to exec.text what fits */
void say_number(uint32_t n);

int slot_fd(uint64_t slot); /* its descriptor, AT_FDCWD, or -EBADF */
int slot_fill(uint64_t slot, int fd); /* 0; a negative fd is returned as it is */
int slot_take(uint64_t slot); /* empties the slot and returns its descriptor, or -EBADF */
void slots_close(int first); /* those with a descriptor from first on */

/* ops_fs.c */
struct open_how;
int open_again(int dir, const char *path, const struct open_how *how); /* openat2(2), not minding EAGAIN for about 2 ms */
int close_but(int keep, int first); /* descriptors from first on; keep -1: all */

/* Arguments by their letters. */
static inline char *string(uint64_t arg)
{
	return (char *)(uintptr_t)arg;
}

static inline char **vector(uint64_t arg)
{
	return (char **)(uintptr_t)arg;
}

static inline struct blob *blob(uint64_t arg)
{
	return (struct blob *)(uintptr_t)arg;
}

static inline size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* Whether b begins with a. */
static inline int begins(const char *b, const char *a)
{
	while (*a && *a == *b)
		a++, b++;
	return !*a;
}

/* A result that is a number, to 0. */
static inline int success(int r)
{
	return r < 0 ? r : 0;
}

#pragma GCC visibility pop

#endif
