#include "textflag.h"

// The entry point of the process: make build links with -E main.entry. Before Go's runtime starts, and opens /dev/null
// for those of descriptors 0, 1 and 2 that are closed, it notes which they are. See closed.go.
TEXT ·entry(SB), NOSPLIT|NOFRAME|TOPFRAME, $0
	XORL	R12, R12
	MOVL	$2, DI
next:
	MOVL	$72, AX // fcntl(fd, F_GETFD)
	MOVL	$1, SI
	SYSCALL
	SHRQ	$63, AX // the sign: an errno
	SHLQ	$1, R12
	ORQ	AX, R12
	SUBL	$1, DI
	JPL	next
	MOVB	R12, ·closedDescriptors(SB)
	XORL	DX, DX // as the kernel left it
	JMP	_rt0_amd64_linux(SB)
