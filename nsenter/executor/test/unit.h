/* SPDX-License-Identifier: Apache-2.0 */
/* What the unit tests share. */
#ifndef CORTEN_UNIT_H
#define CORTEN_UNIT_H

#include "plan_make.h"

#define CHECK(condition) check((condition) != 0, #condition, __func__, __LINE__)
void check(int ok, const char *condition, const char *test, int line);

/* How a plan ended. */
struct outcome {
	int status; /* exit status; 128+n for a signal */
	struct record head;
	char text[RECORD_TEXT + 1];
};

/* Runs it as the executor would, in a process of its own. */
struct outcome run(struct plan_make *p);
int fails(struct plan_make *p, uint32_t step, int err); /* whether it does, like that */

void test_target(void);
void test_copy(void);

#endif
