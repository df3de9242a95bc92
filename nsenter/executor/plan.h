/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire layout of a plan, and of what the executor reports. Written by
 * plan/encode.go; numbers are in the machine's byte order. plan_test.go
 * compares every size and offset below with the Go side.
 *
 *   header | steps | argument data (strings, vectors, blobs) | pointers
 *
 * References are u64: offset from the start in the low half, length or count
 * in the high half.
 *   string  offset of the bytes, length without the NUL that must follow
 *   vector  offset (8-aligned) of count string references and one zero u64
 *   blob    offset (8-aligned) of a u64 length and that many bytes; high half 0
 * Arguments lie in the order of the steps and do not overlap; the strings of a
 * vector come before it. So the executor can relocate references in place, in
 * its private mapping.
 */
#ifndef CORTEN_PLAN_H
#define CORTEN_PLAN_H

#include <stdint.h>

#define PLAN_MAGIC     0x004e4c50u /* "PLN" */
#define PLAN_MAX_SIZE  (32u << 20)
#define PLAN_MAX_STEPS 65535u
#define PLAN_SLOTS     4096u
#define PLAN_ARGS      6u

/* Descriptors the executor is started with. */
#define FD_STATUS   3 /* SOCK_SEQPACKET to the runtime */
#define FD_PLAN     4 /* sealed memfd */
#define FD_EXECUTOR 5 /* sealed memfd, the program itself */
#define PROGRESS    10 /* length of argv[1], where the number of the step appears */
#define FD_INPUTS   6 /* input i is descriptor FD_INPUTS + i and fills slot i */

/* Slots with a meaning of their own; all others are below PLAN_SLOTS. */
#define SLOT_NONE 0xffffu /* `when` not given */
#define SLOT_CWD  0xfffeu /* AT_FDCWD */

#define STEP_ELSE   1u /* run only if the previous step that ran was tolerated */
#define STEP_UNLESS 2u /* `when` inverted: run only if that slot is empty */

/* In check's magic: the file system must be any but this one. */
#define CHECK_NOT (1ull << 63)

/* In target's mode: the last name itself, though it be a symbolic link. */
#define TARGET_NOFOLLOW (1u << 16)

/* What copy_attributes copies. */
#define COPY_MODE  1u
#define COPY_OWNER 2u

struct plan_header {
	uint32_t magic;
	uint32_t size; /* of the whole plan in bytes */
	uint64_t vocabulary; /* FNV-1a 64 of ops.def */
	uint32_t nsteps;
	uint32_t ninputs;
	uint32_t pointers; /* offset of the section only Go reads; data ends here */
	uint32_t stamps; /* 1: behind the inputs comes memory for the steps' times; else 0 */
};

struct plan_step {
	uint16_t op;
	uint16_t flags;
	uint16_t when; /* slot, or SLOT_NONE */
	uint16_t reserved; /* 0 */
	uint32_t tolerate; /* bit i: the i-th errno of TOLERABLE */
	uint32_t reserved2; /* 0 */
	uint64_t arg[PLAN_ARGS];
};

/* Errnos a step may tolerate, in bit order. */
#define TOLERABLE(E) \
	E(ENOENT) E(EEXIST) E(EPERM) E(EINVAL) E(ENOSYS) E(EBUSY) \
	E(EACCES) E(ENOTDIR) E(EOPNOTSUPP) E(EDQUOT) E(ENODEV) E(EROFS)

/*
 * Records, one a message on FD_STATUS: this header, then text_len bytes. After
 * `gate` a failure record goes to the fifo instead.
 *
 * A hook (`run`) that ends badly fails with ECHILD and the text
 * "exit status N: last output" or "signal N: last output"; one that takes too
 * long with ETIMEDOUT and its last output; one that execve(2) refuses with
 * that error.
 */
enum record_kind {
	RECORD_FAIL = 1, /* step failed with err; text: kernel's words or a hook's, see below */
	RECORD_BARRIER = 2, /* step reached, waiting for one byte */
	RECORD_READY = 3, /* gate reached; the executor closes the socket now */
	RECORD_FORK = 4, /* the first of the process that goes on; err is its pid, as the runtime knows it */
	RECORD_EXEC = 5, /* execve is next; end of file, or of readers of the fifo, without a further record: it happened */
	RECORD_LISTEN = 6, /* err is the number the seccomp listener's descriptor will have: take it, then send one byte */
	RECORD_WARN = 7, /* the step before has failed with err, which was tolerated; or what the text says */
};

#define RECORD_TEXT 4080 /* a record fits PIPE_BUF: the fifo takes it as a whole */

struct record {
	uint32_t kind;
	uint32_t step; /* from 0; 0xffffffff: none, the plan itself or the start */
	int32_t err;
	uint32_t text_len;
};

#endif
