// SPDX-License-Identifier: Apache-2.0
/*
 * Checks a whole plan and turns its references into pointers. Accepts what
 * plan/decode.go accepts; knows signatures, but no op.
 */
#include "exec.h"
#include "sys.h"
#include "vocabulary.h"

#define FLAGS (STEP_ELSE | STEP_UNLESS)
#define BIT(name) +1
enum { NTOLERABLE = TOLERABLE(BIT) };

/* What is read: data lies in [free, end) of base and is consumed from free on. */
struct reader {
	uint8_t *base;
	uint64_t free; /* data before it belongs to an argument that was read */
	uint64_t end;
};

static uint64_t load(const struct reader *r, uint64_t at)
{
	uint64_t n;

	__builtin_memcpy(&n, r->base + at, sizeof(n));
	return n;
}

static void store(const struct reader *r, uint64_t at, uint64_t n)
{
	__builtin_memcpy(r->base + at, &n, sizeof(n));
}

/*
 * Takes n + more bytes at off. Arguments in order that do not overlap: what is
 * relocated for one of them cannot be text of another.
 */
static int take(struct reader *r, uint64_t off, uint64_t n, uint64_t more)
{
	uint64_t len, end;

	if (__builtin_add_overflow(n, more, &len) || __builtin_add_overflow(off, len, &end))
		return -EINVAL;
	if (off < r->free || end > r->end)
		return -EINVAL;
	r->free = end;
	return 0;
}

/* The whole of a string's length is looked at: no NUL but the last byte. */
static int read_string(struct reader *r, uint64_t ref)
{
	uint64_t off = ref & UINT32_MAX, n = ref >> 32;

	if (take(r, off, n, 1) < 0)
		return -EINVAL;
	for (uint64_t i = 0; i < n; i++)
		if (r->base[off + i] == 0)
			return -EINVAL;
	return r->base[off + n] == 0 ? 0 : -EINVAL;
}

/* Its strings come before the vector. */
static int read_vector(struct reader *r, uint64_t ref)
{
	uint64_t off = ref & UINT32_MAX, n = ref >> 32;
	struct reader ahead = *r;

	if (off % 8 != 0 || take(&ahead, off, 8 * n, 8) < 0 || load(r, off + 8 * n) != 0)
		return -EINVAL;
	for (uint64_t i = 0; i < n; i++)
		if (read_string(r, load(r, off + 8 * i)) < 0)
			return -EINVAL;
	return take(r, off, 8 * n, 8);
}

static int read_blob(struct reader *r, uint64_t ref)
{
	if (ref >> 32 != 0 || ref % 8 != 0 || take(r, ref, 8, 0) < 0)
		return -EINVAL;
	return take(r, ref + 8, load(r, ref), 0);
}

static int read_arg(struct reader *r, char letter, uint64_t arg)
{
	switch (letter) {
	case 's':
		return read_string(r, arg);
	case 'v':
		return read_vector(r, arg);
	case 'b':
		return read_blob(r, arg);
	case 'f':
		return arg < PLAN_SLOTS || arg == SLOT_CWD ? 0 : -EINVAL;
	case 'F':
		return arg < PLAN_SLOTS ? 0 : -EINVAL;
	case 'u':
		return 0;
	default: /* beyond the signature */
		return arg == 0 ? 0 : -EINVAL;
	}
}

static int read_step(struct reader *r, const struct plan_step *s)
{
	const char *signature;

	if (s->op >= OPS || s->reserved != 0 || s->reserved2 != 0 || (s->flags & ~FLAGS) != 0)
		return -EINVAL;
	if (s->tolerate >> NTOLERABLE != 0)
		return -EINVAL;
	if (s->when == SLOT_NONE ? (s->flags & STEP_UNLESS) != 0 : s->when >= PLAN_SLOTS)
		return -EINVAL;
	signature = op_table[s->op].signature;
	for (uint32_t i = 0; i < PLAN_ARGS; i++) {
		if (read_arg(r, *signature, s->arg[i]) < 0)
			return -EINVAL;
		signature += *signature != 0;
	}
	return 0;
}

static int read_header(const struct plan_header *h, size_t size)
{
	if (size < sizeof(*h) || size > PLAN_MAX_SIZE)
		return -EINVAL;
	if (h->magic != PLAN_MAGIC || h->size != size || h->vocabulary != VOCABULARY || h->stamps > 1)
		return -EINVAL;
	if (h->nsteps > PLAN_MAX_STEPS || h->ninputs > PLAN_SLOTS || h->pointers > size)
		return -EINVAL;
	return sizeof(*h) + h->nsteps * sizeof(struct plan_step) <= h->pointers ? 0 : -EINVAL;
}

static void relocate(const struct reader *r, struct plan_step *s)
{
	const char *signature = op_table[s->op].signature;

	for (uint32_t i = 0; signature[i]; i++) {
		uint64_t off = s->arg[i] & UINT32_MAX, n = s->arg[i] >> 32;

		if (signature[i] != 's' && signature[i] != 'v' && signature[i] != 'b')
			continue;
		for (uint64_t j = 0; signature[i] == 'v' && j < n; j++)
			store(r, off + 8 * j, (uintptr_t)(r->base + (load(r, off + 8 * j) & UINT32_MAX)));
		s->arg[i] = (uintptr_t)(r->base + off);
	}
}

/* DEFENCE (CVE-2021-43784): nothing of a plan is believed before all of it was checked. */
int plan_read(void *plan, size_t size)
{
	struct plan_header *h = plan;
	struct plan_step *steps = (struct plan_step *)(h + 1);
	struct reader r = {.base = plan};

	if (read_header(h, size) < 0)
		return -EINVAL;
	r.free = sizeof(*h) + h->nsteps * sizeof(*steps);
	r.end = h->pointers;
	for (uint32_t i = 0; i < h->nsteps; i++)
		if (read_step(&r, &steps[i]) < 0)
			return -EINVAL;
	for (uint32_t i = 0; i < h->nsteps; i++)
		relocate(&r, &steps[i]);
	return 0;
}
