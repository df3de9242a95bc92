// SPDX-License-Identifier: Apache-2.0
/* libFuzzer on home: of any file, the entry found is the one that a plain reading of all of it finds. */
#include "../home.c"

/* A C library's headers would not go with the kernel's. */
void *memchr(const void *, int, size_t);
int memcmp(const void *, const void *, size_t);
_Noreturn void abort(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The field-th of a line's fields, NULL: it has not as many. */
static const char *field_of(const char *line, const char *end, int field, size_t *len)
{
	for (; field > 0; field--) {
		line = memchr(line, ':', (size_t)(end - line));
		if (!line)
			return NULL;
		line++;
	}
	const char *last = memchr(line, ':', (size_t)(end - line));

	*len = (size_t)((last ? last : end) - line);
	return line;
}

static int is_uid(const char *text, size_t len, uint32_t wanted)
{
	uint64_t uid = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || uid > UINT32_MAX)
			return 0;
		uid = 10 * uid + (uint64_t)(text[i] - '0');
	}
	return len > 0 && uid == wanted;
}

/* As search, with the whole file at hand. */
static int plainly(const char *file, size_t size, uint32_t wanted, const char **home, size_t *home_len)
{
	for (const char *line = file, *end = file + size, *next; line <= end; line = next + 1) {
		size_t len = 0;
		const char *uid;

		next = memchr(line, '\n', (size_t)(end - line));
		next = next ? next : end;
		if (memchr(line, 0, (size_t)(next - line)) || next - line > (long)PASSWD_LINE)
			return -EINVAL;
		uid = field_of(line, next, 2, &len);
		*home = field_of(line, next, 5, home_len);
		if (uid && *home && is_uid(uid, len, wanted))
			return 1;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entry e = {.wanted = size > 0 ? data[0] % 4 * 1000u : 0};
	const char *home = NULL;
	size_t len = 0, room = sizeof(exec.home) - 1 - PREFIX;
	int fd = SYS(memfd_create, "passwd", 0), want, got;

	if (size > 0)
		data++, size--;
	if (fd < 0 || SYS(write, fd, data, size) != (int)size || SYS(lseek, fd, 0, 0) != 0)
		abort();
	got = search(fd, &e);
	SYS(close, fd);
	want = plainly((const char *)data, size, e.wanted, &home, &len);
	if (got != want)
		abort();
	len = len < room ? len : room;
	if (got == 1 && (e.home_len != len || memcmp(exec.home + PREFIX, home, len) || exec.home[PREFIX + len]))
		abort();
	return 0;
}
