/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of an introspector, from valid to hostile, and the events it has seen. */
#ifndef FUZZ_KVMI_MESSAGE_H
#define FUZZ_KVMI_MESSAGE_H

#include "fuzz.h"
#include "kvmi_abi.h"

#include <pthread.h>
#include <stddef.h>

#define MESSAGE_MAX (2 * sizeof(struct kvmi_msg_hdr) + KVMI_MSG_SIZE)

/* What the seq of a command says about the reply that is to come; the rest of it is random. */
#define SEQ_REFUSED    0x80000000u /* must have an error */
#define SEQ_ID_SHIFT   24
#define SEQ_ID_UNKNOWN 0x3f

/**
 * struct fuzz_event - an event as it came
 * @connection: on which; an answer on another one is stale
 */
struct fuzz_event {
	unsigned int connection;
	uint32_t seq;
	uint8_t id;
	uint16_t vcpu;
	uint8_t insn_len;
	struct kvm_regs regs;
};

#define FUZZ_EVENTS 16

/**
 * struct fuzz_events - the latest events of a round, of all connections
 */
struct fuzz_events {
	pthread_mutex_t lock;
	unsigned int nr;
	struct fuzz_event event[FUZZ_EVENTS];
};

void fuzz_remember(struct fuzz_events *evs, const struct fuzz_event *ev);
/* One of those of @connection, or (@stale) of those before it. False: there is none. */
bool fuzz_recall(struct fuzz_events *evs, struct fuzz_random *r, unsigned int connection,
		 bool stale, struct fuzz_event *ev);

/**
 * struct fuzz_message - bytes to be sent
 * @garbage: what comes after it may not be taken for what it was meant to be
 */
struct fuzz_message {
	size_t len;
	bool garbage;
	_Alignas(8) uint8_t buf[MESSAGE_MAX];
};

/**
 * struct fuzz_style - how hostile a connection's messages are: 0 not at all, else one in so many
 */
struct fuzz_style {
	unsigned int connection;
	unsigned int nr_vcpus;
	unsigned int half;
	unsigned int garbage;
	unsigned int stale;
	unsigned int setregs;
};

void fuzz_command(struct fuzz_message *m, struct fuzz_random *r, const struct fuzz_style *style,
		  struct fuzz_events *evs);
/* SET_REGISTERS for the vCPU of @ev: past the breakpoint, or worse. */
void fuzz_set_registers(struct fuzz_message *m, struct fuzz_random *r,
			const struct fuzz_style *style, const struct fuzz_event *ev);
void fuzz_answer(struct fuzz_message *m, const struct fuzz_event *ev, uint8_t action);
void fuzz_bad_answer(struct fuzz_message *m, struct fuzz_random *r, const struct fuzz_event *ev);

#endif /* FUZZ_KVMI_MESSAGE_H */
