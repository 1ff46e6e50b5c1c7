#include "textflag.h"

// SPAWN: see spawn_amd64.s. The fifth argument of clone(2) is the fourth here, and both are 0.
#define SPAWN(ENTRY) \
	MOVD	b+32(FP), R19 \
	MOVD	$ENTRY(SB), R20 \
	MOVD	nr+0(FP), R8 \
	MOVD	a0+8(FP), R0 \
	MOVD	a1+16(FP), R1 \
	MOVD	a2+24(FP), R2 \
	MOVD	ZR, R3 \
	MOVD	ZR, R4 \
	SVC \
	CBZ	R0, child \
	MOVD	R0, ret+40(FP) \
	RET \
child: \
	SUB	$32, RSP \
	MOVD	R19, 8(RSP) \
	CALL	(R20) \
	UNDEF

// func spawnReaper(nr, a0, a1, a2 uintptr, b *block) (ret uintptr)
TEXT ·spawnReaper(SB), NOSPLIT, $32-48
	SPAWN(·reaperMain)

// func spawnTask(nr, a0, a1, a2 uintptr, b *block) (ret uintptr)
TEXT ·spawnTask(SB), NOSPLIT, $32-48
	SPAWN(·taskMain)
