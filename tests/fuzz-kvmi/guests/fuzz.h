/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the fuzzer's guest and its VMM look in config.arg[], and what the guest can do. */
#ifndef FUZZ_KVMI_GUESTS_FUZZ_H
#define FUZZ_KVMI_GUESTS_FUZZ_H

#define FUZZ_ARG_WHAT  0 /* in: bit n set: action n is done */
#define FUZZ_ARG_STATE 1 /* in, out: the guest's own random numbers; not 0 */
#define FUZZ_ARG_STACK 2 /* in: where RSP is to be after an exception */
#define FUZZ_ARG_PLAIN 3 /* out: RAX after the plain hypercall */

#define FUZZ_ACTIONS	  16 /* a power of two */
#define FUZZ_ACTION_INT3  0
#define FUZZ_ACTION_CD03  1
#define FUZZ_ACTION_IRET  2 /* int3 and hypercall in user mode */
#define FUZZ_INT3_ACTIONS 0x7

#define FUZZ_USER_DS 0x2b
#define FUZZ_USER_CS 0x33

#endif /* FUZZ_KVMI_GUESTS_FUZZ_H */
