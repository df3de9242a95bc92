// SPDX-License-Identifier: Apache-2.0
/* The program's start, and the functions the compiler calls on its own. */
#include "exec.h"
#include "sys.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *at, int byte, size_t n);

SYS_START(execute);

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	char *t = to;
	const char *f = from;

	while (n-- > 0)
		*t++ = *f++;
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	char *t = to;
	const char *f = from;

	if (t <= f)
		return memcpy(to, from, n);
	while (n-- > 0)
		t[n] = f[n];
	return to;
}

void *memset(void *at, int byte, size_t n)
{
	char *p = at;

	while (n-- > 0)
		*p++ = (char)byte;
	return at;
}
