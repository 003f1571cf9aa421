/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: writes to a port that is the VMM's, the shortest way to userspace and back. */

#include "guest.inc"

GUEST_BEGIN pio_out
	HITS_BEGIN
	outl	%eax, $GUEST_PORT_USER
	HITS_END
GUEST_END pio_out
