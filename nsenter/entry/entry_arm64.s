// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

#define SYS_prctl 167
#define SYS_prlimit64 261
#define PR_SET_TIMERSLACK 29
#define RLIMIT_NOFILE 7

DATA setting<>+0(SB)/8, $"GOMAXPRO"
DATA setting<>+8(SB)/8, $"CS=1"
GLOBL setting<>(SB), RODATA, $16

GLOBL found<>(SB), NOPTR, $8
GLOBL limit<>(SB), NOPTR, $16
GLOBL lowered<>(SB), NOPTR, $16

// corten_start is as in entry_amd64.s; argc goes on in R0, argv in R1.
TEXT corten_start(SB), NOSPLIT|NOFRAME, $0
	MOVD	$SYS_prctl, R8
	MOVD	$PR_SET_TIMERSLACK, R0
	MOVD	$5000000, R1
	SVC
	MOVD	$SYS_prlimit64, R8
	MOVD	$0, R0
	MOVD	$RLIMIT_NOFILE, R1
	MOVD	$0, R2
	MOVD	$limit<>(SB), R3
	SVC
	CBNZ	R0, stack
	MOVD	$1, R4
	MOVD	R4, found<>(SB)
	MOVD	$3, R4
	MOVD	R4, lowered<>(SB)
	MOVD	limit<>+8(SB), R4
	MOVD	R4, lowered<>+8(SB)
	MOVD	$lowered<>(SB), R2
	MOVD	$0, R3
	SVC
stack:
	MOVD	0(RSP), R0
	MOVD	RSP, R1
	MOVD	RSP, R3
	MOVD	R0, R4
argument:
	MOVD	8(R3), R5
	MOVD.P	R5, 8(R3)
	SUBS	$1, R4
	BGE	argument
environment:
	MOVD	8(R3), R5
	CBZ	R5, end
	MOVD.P	R5, 8(R3)
	B	environment
end:
	MOVD	$setting<>(SB), R5
	MOVD	R5, (R3)
	B	main(SB)

// func resume()
TEXT ·resume(SB), NOSPLIT, $0
	MOVD	found<>(SB), R4
	CBZ	R4, ask
	MOVD	$SYS_prctl, R8
	MOVD	$PR_SET_TIMERSLACK, R0
	MOVD	$0, R1
	SVC
	MOVD	limit<>(SB), R4
	MOVD	R4, ·Nofile(SB)
	MOVD	limit<>+8(SB), R4
	MOVD	R4, ·Nofile+8(SB)
	MOVD	$limit<>(SB), R2
	MOVD	$0, R3
	B	call
ask:
	MOVD	$0, R2
	MOVD	$·Nofile(SB), R3
call:
	MOVD	$SYS_prlimit64, R8
	MOVD	$0, R0
	MOVD	$RLIMIT_NOFILE, R1
	SVC
	RET
