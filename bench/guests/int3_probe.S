/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: a single int3, to find out who gets it: the host, or the guest's own handler. */

#include "guest.inc"

GUEST_BEGIN int3_probe
GUEST_LABEL guest_int3_probe_bp
	int3
	GUEST_DONE
GUEST_END int3_probe
