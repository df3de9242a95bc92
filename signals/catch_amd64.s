// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// handler writes the signal's number, in DI, to wakeFD. It runs on the signal
// stack of whatever thread the kernel chose and touches nothing of Go's. Saved
// registers are the kernel's affair; rt_sigreturn restores them all. A fault of the
// program's own goes on to Go's handler, a SIGPIPE of its own goes nowhere.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	CMPL	DI, $8	// SIGFPE
	JEQ	fault
	CMPL	DI, $7	// SIGBUS
	JEQ	fault
	CMPL	DI, $11	// SIGSEGV
	JEQ	fault
	CMPL	DI, $13	// SIGPIPE
	JNE	caught
	MOVL	·ownPID(SB), AX
	CMPL	AX, 16(SI)	// si_pid
	JNE	caught
	RET
fault:
	CMPL	8(SI), $0	// si_code: positive from the kernel
	JLE	caught
	MOVQ	·faultPC(SB), AX
	JMP	AX
caught:
	SUBQ	$24, SP
	MOVQ	DI, 8(SP)
	MOVL	·wakeFD(SB), DI
	LEAQ	8(SP), SI
	MOVL	$1, DX
	MOVL	$1, AX	// write(2)
	SYSCALL
	ADDQ	$24, SP
	RET

TEXT restorer<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVL	$15, AX	// rt_sigreturn(2)
	SYSCALL
	INT	$3

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	LEAQ	handler<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

TEXT ·restorerPC(SB), NOSPLIT, $0-8
	LEAQ	restorer<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
