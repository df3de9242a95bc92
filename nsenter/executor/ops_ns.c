// SPDX-License-Identifier: Apache-2.0
/* Namespaces. */
#include "exec.h"
#include "sys.h"

int op_setns(const uint64_t *arg)
{
	return SYS(setns, slot_fd(arg[0]), arg[1]);
}

int op_unshare(const uint64_t *arg)
{
	return SYS(unshare, arg[0]);
}

int op_sethostname(const uint64_t *arg)
{
	return SYS(sethostname, arg[0], length(string(arg[0])));
}

int op_setdomainname(const uint64_t *arg)
{
	return SYS(setdomainname, arg[0], length(string(arg[0])));
}
