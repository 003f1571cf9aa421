/* SPDX-License-Identifier: BSD-2-Clause */
/* What the guest that waits with an event leaves in config.arg[], and its registers meanwhile. */
#ifndef WAITING_GUEST_H
#define WAITING_GUEST_H

/* How often it has gone on behind the event's instruction, and how often elsewhere */
#define WAITING_PASSED	  0
#define WAITING_ELSEWHERE 1

/* The registers it begins with, and the hypercall */
#define WAITING_RBX    0x1111222233334444
#define WAITING_R15    0x5555666677778888
#define WAITING_HC     34
#define WAITING_HC_SUB 24

#endif /* WAITING_GUEST_H */
