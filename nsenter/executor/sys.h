/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel, without a C library: its own headers and one way to call it.
 * SYS(name, ...) is the system call's result; -errno for a failure.
 */
#ifndef CORTEN_SYS_H
#define CORTEN_SYS_H

#include <stddef.h>
#include <stdint.h>

#include <asm/errno.h>
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/limits.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include <linux/wait.h>

#define SYS_6(n, a, b, c, d, e, f, ...) \
	sys((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define SYS_LONG(name, ...) SYS_6(__NR_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SYS(name, ...) sys_int(SYS_LONG(name, ##__VA_ARGS__))

static inline int sys_int(long r)
{
	return (int)r;
}

#if defined(__clang_analyzer__) /* does not see what assembly writes */

long sys(long n, long a, long b, long c, long d, long e, long f);
int clone_here(long flags, void *stack, int *pid, void (*function)(void));
#define SYS_START(function) _Static_assert(1, #function)

#elif defined(__x86_64__)

static inline long sys(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "+a"(n)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return n;
}

/*
 * clone(2) of a process that calls the function, with a stack that ends there; its
 * pid is in this one's memory by then. Result as that of clone.
 */
static inline int clone_here(long flags, void *stack, int *pid, void (*function)(void))
{
	long r = __NR_clone;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;

	__asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tcall *%[function]\n\thlt\n1:"
			 : "+a"(r)
			 : "D"(flags | CLONE_PARENT_SETTID), "S"(stack), "d"(pid), "r"(r10), "r"(r8), [function] "r"(function)
			 : "rcx", "r11", "memory");
	return (int)r;
}

/* The function gets argv[1]. */
#define SYS_START(function) \
	__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov 16(%rsp), %rdi\n\tand $-16, %rsp\n\tcall " #function "\n\thlt\n")

#elif defined(__aarch64__)

static inline long sys(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

static inline int clone_here(long flags, void *stack, int *pid, void (*function)(void))
{
	register long x8 __asm__("x8") = __NR_clone;
	register long x0 __asm__("x0") = flags | CLONE_PARENT_SETTID;
	register long x1 __asm__("x1") = (long)stack;
	register long x2 __asm__("x2") = (long)pid;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;

	__asm__ volatile("svc #0\n\tcbnz x0, 1f\n\tmov x29, #0\n\tmov x30, #0\n\tblr %[function]\n\tbrk #1\n1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), [function] "r"(function)
			 : "memory");
	return (int)x0;
}

#define SYS_START(function) \
	__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tldr x0, [sp, #16]\n\tbl " #function "\n\tbrk #1\n")

#else
#error "the executor runs on amd64 and arm64"
#endif

/* What the kernel's headers leave to a C library. */
#define SIGNALS 64
#define X_OK 1
#define EXITED(status) (((status) & 0x7f) == 0) /* of wait(2); else by END_SIGNAL */
#define EXIT_STATUS(status) ((status) >> 8 & 0xff)
#define END_SIGNAL(status) ((status) & 0x7f)

struct message { /* struct msghdr */
	void *name;
	int name_len;
	struct part { /* struct iovec */
		void *base;
		size_t len;
	} *parts;
	size_t nparts;
	void *control;
	size_t control_len;
	unsigned int flags;
};

#define SOL_SOCKET_LEVEL 1
#define SCM_RIGHTS_TYPE 1
#define MSG_NOSIGNAL_FLAG 0x4000
#define MSG_CMSG_CLOEXEC_FLAG 0x40000000
#define SOCK_CLOEXEC_FLAG O_CLOEXEC

struct control { /* struct cmsghdr with one descriptor */
	size_t len;
	int level;
	int type;
	int fd;
	int padding;
};

#endif
