// SPDX-License-Identifier: Apache-2.0

#include "go_asm.h"
#include "textflag.h"

#define SYS_rt_sigprocmask 135
#define SYS_exit 93
#define SYS_gettid 178
#define SIG_SETMASK 2

// The call at R9, which is the next one then; R0 is what it returns.
#define MAKE_CALL \
	MOVD	call_nr(R9), R8; \
	MOVD	call_first(R9), R0; \
	MOVD	(R9)(R0), R0; \
	MOVD	call_arg+8(R9), R1; \
	MOVD	call_arg+16(R9), R2; \
	MOVD	call_arg+24(R9), R3; \
	MOVD	call_arg+32(R9), R4; \
	MOVD	call_arg+40(R9), R5; \
	SVC; \
	MOVD	R0, call_result(R9); \
	ADD	$call__size, R9

// func rawClone(t *task) uintptr
//
// What is made runs here alone: it has registers, but no stack of its own. Go moves
// no goroutine to another thread while it is here.
TEXT ·rawClone(SB), NOSPLIT, $0-16
	MOVD	t+0(FP), R11
	MOVD	$SYS_gettid, R8
	SVC
	MOVD	task_main(R11), R1
	CMP	R1, R0
	BEQ	clone
	ADD	$task_own, R11, R9
	MOVD	task_owns(R11), R10
own:
	SUBS	$1, R10
	BLT	clone
	MAKE_CALL
	B	own
clone:
	MOVD	$SYS_rt_sigprocmask, R8
	MOVD	$SIG_SETMASK, R0
	ADD	$task_all, R11, R1
	ADD	$task_mask, R11, R2
	MOVD	$8, R3
	SVC
	MOVD	task_clone+call_nr(R11), R8
	MOVD	task_clone+call_arg(R11), R0
	MOVD	task_clone+call_arg+8(R11), R1
	MOVD	task_clone+call_arg+16(R11), R2
	MOVD	task_clone+call_arg+24(R11), R3
	MOVD	task_clone+call_arg+32(R11), R4
	MOVD	task_calls(R11), R9
	MOVD	task_calls+8(R11), R10
	SVC
	CBZ	R0, next
	MOVD	R0, ret+8(FP)
	MOVD	$SYS_rt_sigprocmask, R8
	MOVD	$SIG_SETMASK, R0
	ADD	$task_mask, R11, R1
	MOVD	ZR, R2
	MOVD	$8, R3
	SVC
	RET
next:
	SUBS	$1, R10
	BLT	end
	MAKE_CALL
	CMN	$4095, R0
	BCC	next
end:
	MOVD	$SYS_exit, R8
	MOVD	$1, R0
	SVC
	B	end
