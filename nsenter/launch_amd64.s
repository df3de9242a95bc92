// SPDX-License-Identifier: Apache-2.0

#include "go_asm.h"
#include "textflag.h"

#define SYS_rt_sigprocmask 14
#define SYS_exit 60
#define SYS_gettid 186
#define SIG_SETMASK 2

// The call at R12, which is the next one then; AX is what it returns.
#define MAKE_CALL \
	MOVQ	call_nr(R12), AX; \
	MOVQ	call_first(R12), DI; \
	MOVQ	(R12)(DI*1), DI; \
	MOVQ	call_arg+8(R12), SI; \
	MOVQ	call_arg+16(R12), DX; \
	MOVQ	call_arg+24(R12), R10; \
	MOVQ	call_arg+32(R12), R8; \
	MOVQ	call_arg+40(R12), R9; \
	SYSCALL; \
	MOVQ	AX, call_result(R12); \
	ADDQ	$call__size, R12

// func rawClone(t *task) uintptr
//
// What is made runs here alone: it has registers, but no stack of its own. Go moves
// no goroutine to another thread while it is here.
TEXT ·rawClone(SB), NOSPLIT, $0-16
	MOVQ	t+0(FP), BX
	MOVL	$SYS_gettid, AX
	SYSCALL
	CMPQ	AX, task_main(BX)
	JEQ	clone
	LEAQ	task_own(BX), R12
	MOVQ	task_owns(BX), R13
own:
	DECQ	R13
	JLT	clone
	MAKE_CALL
	JMP	own
clone:
	MOVL	$SYS_rt_sigprocmask, AX
	MOVL	$SIG_SETMASK, DI
	LEAQ	task_all(BX), SI
	LEAQ	task_mask(BX), DX
	MOVL	$8, R10
	SYSCALL
	MOVQ	task_clone+call_nr(BX), AX
	MOVQ	task_clone+call_arg(BX), DI
	MOVQ	task_clone+call_arg+8(BX), SI
	MOVQ	task_clone+call_arg+16(BX), DX
	MOVQ	task_clone+call_arg+24(BX), R10
	MOVQ	task_clone+call_arg+32(BX), R8
	MOVQ	task_calls(BX), R12
	MOVQ	task_calls+8(BX), R13
	SYSCALL
	TESTQ	AX, AX
	JZ	next
	MOVQ	AX, ret+8(FP)
	MOVL	$SYS_rt_sigprocmask, AX
	MOVL	$SIG_SETMASK, DI
	LEAQ	task_mask(BX), SI
	XORL	DX, DX
	MOVL	$8, R10
	SYSCALL
	RET
next:
	DECQ	R13
	JLT	end
	MAKE_CALL
	CMPQ	AX, $-4095
	JCS	next
end:
	MOVL	$SYS_exit, AX
	MOVL	$1, DI
	SYSCALL
	JMP	end
