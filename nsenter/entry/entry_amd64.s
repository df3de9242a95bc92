// SPDX-License-Identifier: Apache-2.0

#include "funcdata.h"
#include "textflag.h"

#define SYS_prctl 157
#define SYS_sched_setaffinity 203
#define SYS_sched_getaffinity 204
#define SYS_getcpu 309
#define SYS_prlimit64 302
#define PR_SET_TIMERSLACK 29
#define PR_GET_TIMERSLACK 30
#define RLIMIT_NOFILE 7

DATA setting<>+0(SB)/8, $"GOMAXPRO"
DATA setting<>+8(SB)/8, $"CS=1"
GLOBL setting<>(SB), RODATA, $16

// What corten_start found: 1, and the limit on descriptors; or 0.
GLOBL found<>(SB), NOPTR, $8
GLOBL limit<>(SB), NOPTR, $16

// Sets of processors: those the process may use, and what it could use without a
// restriction of its own, then the one it starts on, if it was kept there.
#define SET 1024 // bytes
GLOBL allowed<>(SB), NOPTR, $SET
GLOBL one<>(SB), NOPTR, $SET

// corten_start is where the kernel starts the program (-E in the Makefile). Of the
// time of a short command it saves a quarter:
//
// Go's runtime makes room for as many threads as there are processors and starts
// some: so GOMAXPROCS=1 is appended to the environment, where it counts unless
// the caller has set it.
//
// It hands work to its first threads and waits for them. Each time a processor
// would be woken and another fall asleep: keep keeps all on one, until
// Release.
//
// It reads files to learn of huge pages and of limits on processors, neither of
// which matters: no descriptor is left for them until this package is
// initialized.
//
// Its very first thread looks after those in system calls, every 20 µs at first,
// on the processor of the main one: what timer slack the main one has when it
// makes that thread, it may oversleep by, here 5 ms.
//
// Then it goes on as a C library does that starts Go: argc in DI, argv in SI. The
// stack is as execve(2) leaves it: argc, argv, 0, environment, 0, auxiliary
// vector; what comes before the second 0 moves down, over argc.
TEXT corten_start(SB), NOSPLIT|NOFRAME, $0
	MOVL	$SYS_prctl, AX
	MOVL	$PR_GET_TIMERSLACK, DI
	SYSCALL
	CMPQ	AX, $-4095
	JCC	slack
	MOVQ	AX, ·Slack(SB)
slack:
	MOVL	$SYS_prctl, AX
	MOVL	$PR_SET_TIMERSLACK, DI
	MOVL	$5000000, SI
	SYSCALL
	MOVL	$SYS_prlimit64, AX
	XORL	DI, DI
	MOVL	$RLIMIT_NOFILE, SI
	XORL	DX, DX
	LEAQ	limit<>(SB), R10
	SYSCALL
	TESTQ	AX, AX
	JNZ	stack
	MOVQ	$1, found<>(SB)
	// The soft limit becomes 3, below the red zone: 0 to 2 can be opened.
	MOVQ	$3, -16(SP)
	MOVQ	limit<>+8(SB), AX
	MOVQ	AX, -8(SP)
	MOVL	$SYS_prlimit64, AX
	LEAQ	-16(SP), DX
	XORL	R10, R10
	SYSCALL
stack:
	CALL	keep<>(SB)
	MOVQ	0(SP), DI
	MOVQ	SP, SI
	MOVQ	SP, BX
	MOVQ	DI, CX
argument:
	MOVQ	8(BX), AX
	MOVQ	AX, 0(BX)
	ADDQ	$8, BX
	DECQ	CX
	JGE	argument
environment:
	MOVQ	8(BX), AX
	TESTQ	AX, AX
	JZ	end
	MOVQ	AX, 0(BX)
	ADDQ	$8, BX
	JMP	environment
end:
	LEAQ	setting<>(SB), AX
	MOVQ	AX, 0(BX)
	JMP	main(SB)

// func resume()
//
// Its frame is no use to itself: it makes room for the stack of the main
// goroutine, which would be copied at each of several doublings.
TEXT ·resume(SB), 0, $24576-0
	NO_LOCAL_POINTERS
	MOVL	$SYS_prctl, AX
	MOVL	$PR_SET_TIMERSLACK, DI
	MOVQ	·Slack(SB), SI // 0: the default
	SYSCALL
	CMPQ	found<>(SB), $0
	JEQ	ask
	MOVQ	limit<>(SB), AX
	MOVQ	AX, ·Nofile(SB)
	MOVQ	limit<>+8(SB), AX
	MOVQ	AX, ·Nofile+8(SB)
	LEAQ	limit<>(SB), DX
	XORL	R10, R10
	JMP	call
ask:
	XORL	DX, DX
	LEAQ	·Nofile(SB), R10
call:
	MOVL	$SYS_prlimit64, AX
	XORL	DI, DI
	MOVL	$RLIMIT_NOFILE, SI
	SYSCALL
	RET

// keep keeps the process on its processor; but not where that has been given
// processors of its own (sched_setaffinity(2)), which all others, asked for, add
// to. To ask for all is what leaves the choice to cpusets, as it was.
TEXT keep<>(SB), NOSPLIT|NOFRAME, $0
	MOVL	$SYS_sched_getaffinity, AX
	XORL	DI, DI
	MOVL	$SET, SI
	LEAQ	allowed<>(SB), DX
	SYSCALL
	MOVQ	AX, BX // bytes
	SUBQ	$1, AX
	CMPQ	AX, $SET
	JCC	done
	LEAQ	·All(SB), DI
	MOVL	$(SET/8), CX
	MOVQ	$-1, AX
	CLD
	REP; STOSQ
	MOVL	$SYS_sched_setaffinity, AX
	XORL	DI, DI
	MOVL	$SET, SI
	LEAQ	·All(SB), DX
	SYSCALL
	TESTQ	AX, AX
	JNZ	done
	MOVL	$SYS_sched_getaffinity, AX
	XORL	DI, DI
	MOVL	$SET, SI
	LEAQ	one<>(SB), DX
	SYSCALL
	LEAQ	allowed<>(SB), SI
	LEAQ	one<>(SB), DI
	MOVQ	BX, CX
	REP; CMPSB
	LEAQ	allowed<>(SB), DX
	JNE	set
	LEAQ	·Kept(SB), DI
	XORL	SI, SI
	XORL	DX, DX
	MOVL	$SYS_getcpu, AX
	SYSCALL
	TESTQ	AX, AX
	JNZ	done
	LEAQ	one<>(SB), DI
	MOVL	$(SET/8), CX
	XORL	AX, AX
	REP; STOSQ
	MOVQ	·Kept(SB), AX
	LEAQ	one<>(SB), DX
	BTSQ	AX, (DX)
	MOVQ	$1, ·Kept(SB)
set:
	MOVL	$SYS_sched_setaffinity, AX
	XORL	DI, DI
	MOVQ	BX, SI
	SYSCALL
done:
	RET

// func Release()
TEXT ·Release(SB), NOSPLIT, $0
	CMPQ	·Kept(SB), $0
	JEQ	free
	MOVL	$SYS_sched_setaffinity, AX
	XORL	DI, DI
	MOVL	$SET, SI
	LEAQ	·All(SB), DX
	SYSCALL
free:
	RET
