/* SPDX-License-Identifier: BSD-2-Clause */
/* What the introspector of a case does with an event until the guest goes on. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "kvmi_client.h"

/**
 * struct answer - one way of answering
 * @event: KVMI_EVENT_*, which is switched on for it
 * @give: from the event in hand to its answer sent. As the client library's calls return.
 */
struct answer {
	uint16_t event;
	int (*give)(struct kvmi_client *c, const struct kvmi_event_msg *ev);
};

/* RIP moved on by insn_len with VCPU_SET_REGISTERS, whose reply is awaited, then RETRY. */
extern const struct answer answer_retry;

/* The same in one write, as nothing has to be waited for. */
extern const struct answer answer_pipelined;

/* CONTINUE: the guest takes the #BP. */
extern const struct answer answer_continue;

/* answer_retry, after VCPU_GET_REGISTERS, without MSRs and with 16 of them. */
extern const struct answer answer_registers;
extern const struct answer answer_registers_msrs;

/*
 * What a tool does that lets the instruction under its breakpoint run, but for the step itself: the
 * original byte, as if it were a NOP, is put back with VM_WRITE_PHYSICAL, then the breakpoint again; then
 * answer_retry.
 */
extern const struct answer answer_restore;

/* CONTINUE to a hypercall. */
extern const struct answer answer_hypercall;

#endif /* ANSWERS_H */
