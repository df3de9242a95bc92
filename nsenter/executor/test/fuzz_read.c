// SPDX-License-Identifier: Apache-2.0
/* libFuzzer on plan_read: a plan it accepts has only pointers into itself. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plan_make.h"

static const uint8_t *low, *high;

static void inside(const void *p, size_t len)
{
	const uint8_t *at = p;

	if (at < low || at > high || len > (size_t)(high - at))
		abort();
}

static void inside_string(const char *s)
{
	inside(s, 1);
	inside(s, strlen(s) + 1);
}

static void touch(char letter, uint64_t arg)
{
	if (letter == 's')
		inside_string(string(arg));
	if (letter == 'v')
		for (char **v = vector(arg); inside(v, sizeof(*v)), *v; v++)
			inside_string(*v);
	if (letter == 'b') {
		inside(blob(arg), sizeof(struct blob));
		inside(blob(arg)->data, blob(arg)->len);
	}
}

static uint64_t any_arg(struct plan_make *p, char letter)
{
	static const char *const v[] = {"one", "", "three", NULL};

	switch (letter) {
	case 's':
		return make_string(p, v[rand() % 3]);
	case 'v':
		return make_vector(p, v + rand() % 4);
	case 'b':
		return make_blob(p, "blob", (uint64_t)rand() % 5);
	default:
		return (uint64_t)rand() % PLAN_SLOTS;
	}
}

static size_t any_plan(struct plan_make *p)
{
	make_plan(p);
	for (int steps = rand() % MAKE_STEPS; steps > 0; steps--) {
		enum op op = (enum op)(rand() % OPS);
		uint64_t args[PLAN_ARGS] = {0};

		for (int i = 0; op_table[op].signature[i]; i++)
			args[i] = any_arg(p, op_table[op].signature[i]);
		make_step_args(p, op, args);
	}
	return make_end(p);
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Good plans first, then bad ones made of them, but for what chance would never repair. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static struct plan_make p;
	struct plan_header h;

	srand(seed);
	if (size < sizeof(h) || rand() % 64 == 0) {
		size = any_plan(&p);
		size = size < max ? size : max;
		memcpy(data, p.b, size);
	}
	size = LLVMFuzzerMutate(data, size, max);
	if (size >= sizeof(h)) {
		memcpy(&h, data, sizeof(h));
		h = (struct plan_header){PLAN_MAGIC, (uint32_t)size, VOCABULARY, h.nsteps, h.ninputs, h.pointers, 0};
		memcpy(data, &h, sizeof(h));
	}
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *plan = malloc(size + 1); /* aligned as a mapping is */
	struct plan_header *h = (struct plan_header *)(void *)plan;
	struct plan_step *steps = (struct plan_step *)(h + 1);

	memcpy(plan, data, size);
	if (plan_read(plan, size) == 0) {
		low = plan;
		high = plan + h->pointers;
		for (uint32_t i = 0; i < h->nsteps; i++)
			for (uint32_t j = 0; op_table[steps[i].op].signature[j]; j++)
				touch(op_table[steps[i].op].signature[j], steps[i].arg[j]);
	}
	free(plan);
	return 0;
}
