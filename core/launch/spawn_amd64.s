#include "textflag.h"

// SPAWN makes the call nr(a0, a1, a2, 0, 0), which is clone3(2) or clone(2). The child runs ENTRY(b), on its copy of this
// stack or on the stack that the call names, and does not come back. The call of ENTRY goes through a register, which
// also ends the linker's chain of nosplit frames.
#define SPAWN(ENTRY) \
	MOVQ	b+32(FP), R12 \
	LEAQ	ENTRY(SB), R13 \
	MOVQ	nr+0(FP), AX \
	MOVQ	a0+8(FP), DI \
	MOVQ	a1+16(FP), SI \
	MOVQ	a2+24(FP), DX \
	XORQ	R10, R10 \
	XORQ	R8, R8 \
	SYSCALL \
	TESTQ	AX, AX \
	JZ	child \
	MOVQ	AX, ret+40(FP) \
	RET \
child: \
	SUBQ	$16, SP \
	ANDQ	$-16, SP \
	MOVQ	R12, 0(SP) \
	CALL	R13 \
	UNDEF

// func spawnReaper(nr, a0, a1, a2 uintptr, b *block) (ret uintptr)
TEXT ·spawnReaper(SB), NOSPLIT, $16-48
	SPAWN(·reaperMain)

// func spawnTask(nr, a0, a1, a2 uintptr, b *block) (ret uintptr)
TEXT ·spawnTask(SB), NOSPLIT, $16-48
	SPAWN(·taskMain)
