/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU that waits with an event, of whichever kind. */
#ifndef WAITING_H
#define WAITING_H

#include "guests/waiting.h"
#include "lab.h"

VMM_DECLARE_GUEST(waiting);
extern const char guest_waiting_loop[], guest_waiting_elsewhere[];

enum waiting_kind {
	WAITING_PAUSE,
	WAITING_BREAKPOINT,
	WAITING_HYPERCALL,
};

/**
 * struct waiting - the VM, and what its vCPU 0 waits with
 * @l: the VM, hooked
 * @r: the thread in KVM_RUN
 * @ev: the event, as the introspector has received it
 */
struct waiting {
	enum waiting_kind kind;
	struct lab l;
	struct runner r;
	struct kvmi_event_msg ev;
};

/* Opens and hooks the VM and runs it until the event is there. Skips where there are no breakpoints. */
void waiting_start(struct waiting *w, enum waiting_kind kind);

/* The same with what is hooked now: the vCPU, which must not be running, begins anew. */
void waiting_event(struct waiting *w);

/* A label's guest address. */
uint64_t waiting_label(const char *label);

/* Where the guest does one hypercall after the other. */
uint64_t waiting_hypercalls(void);

/* Takes the vCPU out of KVM_RUN; it still waits. Into it again. */
void waiting_leave(struct waiting *w);
void waiting_enter(struct waiting *w);

/* Ends the hook: the introspector closes, the VMM unhooks. */
void waiting_unhook(struct waiting *w);

/* The guest runs, and is then taken out of KVM_RUN; @regs, unless NULL, are its registers. */
void waiting_end(struct waiting *w, struct kvm_regs *regs);

/*
 * The same: the event must have ended with CONTINUE, and registers that the introspector has set must not
 * have taken effect.
 */
void waiting_expect_continued(struct waiting *w);

/*
 * The introspector that is connected now answers the event, which is not (or no longer) its own. KVM must
 * close the connection.
 */
void waiting_answer_refused(struct waiting *w);

#endif /* WAITING_H */
