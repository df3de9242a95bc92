// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

DATA setting<>+0(SB)/8, $"GOMAXPRO"
DATA setting<>+8(SB)/8, $"CS=1"
GLOBL setting<>(SB), RODATA, $16

// corten_start is as in entry_amd64.s; argc goes on in R0, argv in R1.
TEXT corten_start(SB), NOSPLIT|NOFRAME, $0
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
