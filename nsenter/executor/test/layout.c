// SPDX-License-Identifier: Apache-2.0
/* Prints what plan.h and ops.def say in C, for plan/layout_test.go. */
#include <stdio.h>

#include "../exec.h"
#include "../vocabulary.h"

#define SIZE(name, n) printf("%s %llu\n", name, (unsigned long long)(n))
#define STRUCT(s) SIZE(#s, sizeof(struct s))
#define FIELD(s, f) SIZE(#s "." #f, offsetof(struct s, f))
#define CONSTANT(c) SIZE(#c, c)
#define NAME(errno_name) " " #errno_name

int main(void)
{
	STRUCT(plan_header);
	FIELD(plan_header, magic);
	FIELD(plan_header, size);
	FIELD(plan_header, vocabulary);
	FIELD(plan_header, nsteps);
	FIELD(plan_header, ninputs);
	FIELD(plan_header, pointers);
	FIELD(plan_header, stamps);
	STRUCT(plan_step);
	FIELD(plan_step, op);
	FIELD(plan_step, flags);
	FIELD(plan_step, when);
	FIELD(plan_step, reserved);
	FIELD(plan_step, tolerate);
	FIELD(plan_step, reserved2);
	FIELD(plan_step, arg);
	CONSTANT(PLAN_MAGIC);
	CONSTANT(PLAN_MAX_SIZE);
	CONSTANT(PLAN_MAX_STEPS);
	CONSTANT(PLAN_SLOTS);
	CONSTANT(PLAN_ARGS);
	CONSTANT(SLOT_NONE);
	CONSTANT(SLOT_CWD);
	CONSTANT(STEP_ELSE);
	CONSTANT(STEP_UNLESS);
	CONSTANT(VOCABULARY);
	printf("TOLERABLE%s\n", TOLERABLE(NAME));
	for (int i = 0; i < OPS; i++)
		printf("op %d %s %s\n", i, op_table[i].name, op_table[i].signature);
	return 0;
}
