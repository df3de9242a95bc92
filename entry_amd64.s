// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

DATA setting<>+0(SB)/8, $"GOMAXPRO"
DATA setting<>+8(SB)/8, $"CS=1"
GLOBL setting<>(SB), RODATA, $16

// corten_start is where the kernel starts the program (-E in the Makefile). Go's
// runtime makes room for as many threads as there are processors and starts some,
// a twelfth of the time of a short command: so GOMAXPROCS=1 is appended to the
// environment, where it counts unless the caller has set it. Then it goes on as
// a C library does that starts Go: argc in DI, argv in SI. The stack is as
// execve(2) leaves it: argc, argv, 0, environment, 0, auxiliary vector; what
// comes before the second 0 moves down, over argc.
TEXT corten_start(SB), NOSPLIT|NOFRAME, $0
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
