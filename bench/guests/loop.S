/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: no hit at all, only the loop that all guests have around theirs. */

#include "guest.inc"

GUEST_BEGIN loop
	HITS_BEGIN
	HITS_END
GUEST_END loop
