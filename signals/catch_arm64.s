// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// handler writes the signal's number, in R0, to wakeFD. It runs on the signal
// stack of whatever thread the kernel chose and touches nothing of Go's; it
// returns to the kernel's own trampoline. A fault of the program's own goes on to
// Go's handler, a SIGPIPE of its own goes nowhere.
TEXT handler<>(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	CMPW	$8, R0	// SIGFPE
	BEQ	fault
	CMPW	$7, R0	// SIGBUS
	BEQ	fault
	CMPW	$11, R0	// SIGSEGV
	BEQ	fault
	CMPW	$13, R0	// SIGPIPE
	BNE	caught
	MOVW	·ownPID(SB), R3
	MOVW	16(R1), R4	// si_pid
	CMPW	R3, R4
	BNE	caught
	RET
fault:
	MOVW	8(R1), R3	// si_code: positive from the kernel
	CMPW	$0, R3
	BLE	caught
	MOVD	·faultPC(SB), R3
	JMP	(R3)
caught:
	SUB	$16, RSP
	MOVD	R0, 8(RSP)
	MOVW	·wakeFD(SB), R0
	ADD	$8, RSP, R1
	MOVD	$1, R2
	MOVD	$64, R8	// write(2)
	SVC
	ADD	$16, RSP
	RET

TEXT ·handlerPC(SB), NOSPLIT, $0-8
	MOVD	$handler<>(SB), R0
	MOVD	R0, ret+0(FP)
	RET

TEXT ·restorerPC(SB), NOSPLIT, $0-8
	MOVD	ZR, ret+0(FP)
	RET
