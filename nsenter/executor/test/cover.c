/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks every basic block that runs (gcc -fsanitize-coverage=trace-pc), a byte
 * for the address behind the call, in a file that all executors share.
 */
#include "../exec.h"
#include "../sys.h"

void __sanitizer_cov_trace_pc(void);
extern const char __executable_start[];

static unsigned char nowhere[COVER_SIZE];
static unsigned char *marks;

void __sanitizer_cov_trace_pc(void)
{
	size_t at = (size_t)((const char *)__builtin_return_address(0) - __executable_start);

	if (!marks) {
		int fd = SYS(openat, AT_FDCWD, COVER_FILE, O_RDWR | O_CLOEXEC, 0);
		long map = fd < 0 ? fd : SYS_LONG(mmap, NULL, COVER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		marks = map < 0 ? nowhere : (unsigned char *)map;
		if (fd >= 0)
			SYS(close, fd);
	}
	if (at < COVER_SIZE)
		marks[at] = 1;
}
