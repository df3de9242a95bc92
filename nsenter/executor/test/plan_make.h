/* SPDX-License-Identifier: Apache-2.0 */
/* Plans made in C, for the tests. */
#ifndef CORTEN_PLAN_MAKE_H
#define CORTEN_PLAN_MAKE_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "../exec.h"
#include "../vocabulary.h"

#define MAKE_STEPS 32
#define MAKE_DATA (sizeof(struct plan_header) + MAKE_STEPS * sizeof(struct plan_step))

struct plan_make {
	_Alignas(8) uint8_t b[65536];
	size_t len;
	struct plan_step *last;
};

static inline struct plan_header *make_header(struct plan_make *p)
{
	return (struct plan_header *)(void *)p->b;
}

static inline void make_plan(struct plan_make *p)
{
	memset(p, 0, sizeof(*p));
	p->len = MAKE_DATA;
	*make_header(p) = (struct plan_header){.magic = PLAN_MAGIC, .vocabulary = VOCABULARY};
}

static inline uint64_t make_bytes(struct plan_make *p, const void *bytes, size_t len, size_t align)
{
	size_t at = (p->len + align - 1) / align * align;

	assert(at + len <= sizeof(p->b));
	memcpy(p->b + at, bytes, len);
	p->len = at + len;
	return at;
}

static inline uint64_t make_string(struct plan_make *p, const char *s)
{
	return make_bytes(p, s, strlen(s) + 1, 1) | (uint64_t)strlen(s) << 32;
}

static inline uint64_t make_vector(struct plan_make *p, const char *const *v)
{
	uint64_t refs[16] = {0}, n = 0;

	for (; v[n]; n++)
		refs[n] = make_string(p, v[n]);
	return make_bytes(p, refs, 8 * (n + 1), 8) | n << 32;
}

static inline uint64_t make_blob(struct plan_make *p, const void *bytes, uint64_t len)
{
	uint64_t at = make_bytes(p, &len, sizeof(len), 8);

	make_bytes(p, bytes, len, 1);
	return at;
}

/* Adds a step; arguments beyond the signature are 0. Conditions are set on last. */
#define make_step(p, name, ...) make_step_args((p), OP_##name, (uint64_t[PLAN_ARGS]){__VA_ARGS__})
static inline void make_step_args(struct plan_make *p, enum op op, const uint64_t *arg)
{
	struct plan_header *h = make_header(p);

	assert(h->nsteps < MAKE_STEPS);
	p->last = (struct plan_step *)(h + 1) + h->nsteps++;
	*p->last = (struct plan_step){.op = (uint16_t)op, .when = SLOT_NONE};
	memcpy(p->last->arg, arg, sizeof(p->last->arg));
}

static inline size_t make_end(struct plan_make *p)
{
	make_header(p)->size = make_header(p)->pointers = (uint32_t)p->len;
	return p->len;
}

#endif
