/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the hypercall guests have their registers in config.arg[]. */
#ifndef HYPERCALL_GUEST_H
#define HYPERCALL_GUEST_H

/* In */
#define HC_RAX 0
#define HC_RDI 1
#define HC_RSI 2
#define HC_RBX 3
#define HC_RCX 4
/* Out */
#define HC_RESULT    5 /* RAX afterwards */
#define HC_RBX_AFTER 6
#define HC_MOVED     7 /* it went on elsewhere */

#endif /* HYPERCALL_GUEST_H */
