#include "textflag.h"

// See entry_amd64.s.
TEXT ·entry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	MOVD	ZR, R19
	MOVD	$2, R20
next:
	MOVD	R20, R0
	MOVD	$1, R1 // fcntl(fd, F_GETFD)
	MOVD	$25, R8
	SVC
	LSR	$63, R0, R0 // the sign: an errno
	LSL	$1, R19, R19
	ORR	R0, R19, R19
	SUBS	$1, R20, R20
	BPL	next
	MOVB	R19, ·closedDescriptors(SB)
	MOVD	ZR, R0
	JMP	_rt0_arm64_linux(SB)
