/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the stress test's guest and its VMM look in config.arg[]. */
#ifndef GUESTS_STRESS_H
#define GUESTS_STRESS_H

#define STRESS_WHAT	0 /* in: STRESS_BP, STRESS_HC, both or none in each turn */
#define STRESS_ANSWERED 1 /* out: hypercalls that gave 0, those that gave -KVM_ENOSYS, and others */
#define STRESS_REFUSED	2
#define STRESS_WRONG	3

#define STRESS_BP 1 /* an int3 */
#define STRESS_HC 2 /* the hypercall that is an introspection event */

#endif /* GUESTS_STRESS_H */
