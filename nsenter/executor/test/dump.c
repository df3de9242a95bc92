// SPDX-License-Identifier: Apache-2.0
/*
 * Prints plans as plan_read has read them, for plan/differential_test.go.
 * Input: any number of plans, each after its length (u32). Output: for each,
 * "malformed", or "plan" and a line a step, strings in hexadecimal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../exec.h"

static void hex(const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", ((const uint8_t *)bytes)[i]);
}

static void arg(char letter, uint64_t value)
{
	printf(" %c", letter);
	switch (letter) {
	case 's':
		hex(string(value), strlen(string(value)));
		break;
	case 'v':
		for (char **v = vector(value); *v; v++) {
			putchar(',');
			hex(*v, strlen(*v));
		}
		break;
	case 'b':
		hex(blob(value)->data, blob(value)->len);
		break;
	default:
		printf("%llu", (unsigned long long)value);
	}
}

static void dump(const struct plan_header *h)
{
	const struct plan_step *s = (const struct plan_step *)(h + 1);

	printf("plan %u\n", h->ninputs);
	for (uint32_t i = 0; i < h->nsteps; i++, s++) {
		const struct op_row *row = &op_table[s->op];

		printf("%s %u %u %u", row->name, s->flags, s->when, s->tolerate);
		for (uint32_t j = 0; row->signature[j]; j++)
			arg(row->signature[j], s->arg[j]);
		putchar('\n');
	}
}

int main(void)
{
	uint32_t size;

	while (fread(&size, sizeof(size), 1, stdin) == 1) {
		uint8_t *plan = malloc(size + 1);

		if (fread(plan, 1, size, stdin) != size)
			return 1;
		if (plan_read(plan, size) < 0)
			puts("malformed");
		else
			dump((const struct plan_header *)(void *)plan);
		free(plan);
	}
	return 0;
}
