// SPDX-License-Identifier: Apache-2.0
/* What the kernel gives the process: time, CPUs, memory nodes, an execution domain. */
#include "exec.h"
#include "sys.h"

int op_sched_setattr(const uint64_t *arg)
{
	return SYS(sched_setattr, 0, blob(arg[0])->data, 0);
}

int op_setpriority(const uint64_t *arg)
{
	return SYS(setpriority, PRIO_PROCESS, 0, (int)arg[0]);
}

int op_ioprio_set(const uint64_t *arg)
{
	return SYS(ioprio_set, IOPRIO_WHO_PROCESS, 0, arg[0]);
}

/* Masks of any length: what lies beyond the kernel's own CPUs does not count. */
int op_sched_setaffinity(const uint64_t *arg)
{
	return SYS(sched_setaffinity, 0, blob(arg[0])->len, blob(arg[0])->data);
}

/* The kernel reads one bit less than it is told of. */
int op_set_mempolicy(const uint64_t *arg)
{
	const struct blob *nodes = blob(arg[1]);

	if (nodes->len == 0)
		return SYS(set_mempolicy, arg[0], NULL, 0);
	return SYS(set_mempolicy, arg[0], nodes->data, 8 * nodes->len + 1);
}

int op_personality(const uint64_t *arg)
{
	return success(SYS(personality, arg[0]));
}
