// SPDX-License-Identifier: Apache-2.0

#include "funcdata.h"
#include "textflag.h"

#define SYS_prctl 167
#define SYS_sched_setaffinity 122
#define SYS_sched_getaffinity 123
#define SYS_getcpu 168
#define SYS_prlimit64 261
#define PR_SET_TIMERSLACK 29
#define PR_GET_TIMERSLACK 30
#define RLIMIT_NOFILE 7

DATA setting<>+0(SB)/8, $"GOMAXPRO"
DATA setting<>+8(SB)/8, $"CS=1"
GLOBL setting<>(SB), RODATA, $16

GLOBL found<>(SB), NOPTR, $8
GLOBL limit<>(SB), NOPTR, $16
GLOBL lowered<>(SB), NOPTR, $16

#define SET 1024 // bytes
GLOBL allowed<>(SB), NOPTR, $SET
GLOBL one<>(SB), NOPTR, $SET

// corten_start is as in entry_amd64.s; argc goes on in R0, argv in R1.
TEXT corten_start(SB), NOSPLIT|NOFRAME, $0
	MOVD	$SYS_prctl, R8
	MOVD	$PR_GET_TIMERSLACK, R0
	SVC
	CMN	$4095, R0
	BCS	slack
	MOVD	R0, ·Slack(SB)
slack:
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
	BL	keep<>(SB)
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
TEXT ·resume(SB), 0, $24576-0
	NO_LOCAL_POINTERS
	MOVD	$SYS_prctl, R8
	MOVD	$PR_SET_TIMERSLACK, R0
	MOVD	·Slack(SB), R1 // 0: the default
	SVC
	MOVD	found<>(SB), R4
	CBZ	R4, ask
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

// keep is as in entry_amd64.s. No call changes another register than R0.
TEXT keep<>(SB), NOSPLIT|NOFRAME, $0
	MOVD	$allowed<>(SB), R9
	MOVD	$·All(SB), R10
	MOVD	$one<>(SB), R11
	MOVD	$0, R0
	MOVD	$SET, R1
	MOVD	R9, R2
	MOVD	$SYS_sched_getaffinity, R8
	SVC
	MOVD	R0, R12 // bytes
	SUB	$1, R0
	CMP	$SET, R0
	BHS	done
	MOVD	$0, R4
	MOVD	$-1, R5
fill:
	MOVD	R5, (R10)(R4)
	ADD	$8, R4
	CMP	$SET, R4
	BLT	fill
	MOVD	$0, R0
	MOVD	R10, R2
	MOVD	$SYS_sched_setaffinity, R8
	SVC
	CBNZ	R0, done
	MOVD	R11, R2
	MOVD	$SYS_sched_getaffinity, R8
	SVC
	MOVD	R9, R2 // to go back to
	MOVD	$0, R4
compare:
	MOVD	(R9)(R4), R5
	MOVD	(R11)(R4), R6
	CMP	R5, R6
	BNE	set
	MOVD	ZR, (R11)(R4)
	ADD	$8, R4
	CMP	R12, R4
	BLT	compare
	MOVD	$·Kept(SB), R0
	MOVD	$0, R1
	MOVD	$0, R2
	MOVD	$SYS_getcpu, R8
	SVC
	CBNZ	R0, done
	MOVD	·Kept(SB), R4
	MOVD	$1, R5
	MOVD	R5, ·Kept(SB)
	LSL	R4, R5, R5 // modulo 64
	LSR	$6, R4, R4
	MOVD	R5, (R11)(R4<<3)
	MOVD	R11, R2
set:
	MOVD	$0, R0
	MOVD	R12, R1
	MOVD	$SYS_sched_setaffinity, R8
	SVC
done:
	RET

// func Release()
TEXT ·Release(SB), NOSPLIT, $0
	MOVD	·Kept(SB), R4
	CBZ	R4, free
	MOVD	$0, R0
	MOVD	$SET, R1
	MOVD	$·All(SB), R2
	MOVD	$SYS_sched_setaffinity, R8
	SVC
free:
	RET
