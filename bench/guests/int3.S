/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: int3 in a loop. Whoever takes the breakpoint has to move RIP behind it. */

#include "guest.inc"

GUEST_BEGIN int3
	HITS_BEGIN
GUEST_LABEL guest_int3_bp
	int3
	HITS_END
GUEST_END int3
