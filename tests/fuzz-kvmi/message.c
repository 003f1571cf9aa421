// SPDX-License-Identifier: BSD-2-Clause
/* Makes messages: a valid one first, and then, where it is to be hostile, something is done to it. */
#include "message.h"

#include "../../bench/guests/guest.h"
#include "kvmi_abi.h"

#include <string.h>

#define RFLAGS_VM 0x20000ull

/* --- events --- */

void fuzz_remember(struct fuzz_events *evs, const struct fuzz_event *ev)
{
	pthread_mutex_lock(&evs->lock);
	evs->event[evs->nr++ % FUZZ_EVENTS] = *ev;
	pthread_mutex_unlock(&evs->lock);
}

bool fuzz_recall(struct fuzz_events *evs, struct fuzz_random *r, unsigned int connection,
		 bool stale, struct fuzz_event *ev)
{
	unsigned int first = fuzz_below(r, FUZZ_EVENTS);
	bool found = false;

	pthread_mutex_lock(&evs->lock);
	for (unsigned int i = 0; i < FUZZ_EVENTS && !found; i++) {
		const struct fuzz_event *e = &evs->event[(first + i) % FUZZ_EVENTS];

		if ((first + i) % FUZZ_EVENTS >= evs->nr || (e->connection != connection) != stale)
			continue;
		*ev = *e;
		found = true;
	}
	pthread_mutex_unlock(&evs->lock);
	return found;
}

/* --- pieces --- */

static struct kvmi_msg_hdr *header(struct fuzz_message *m)
{
	return (struct kvmi_msg_hdr *)m->buf;
}

static void *payload(struct fuzz_message *m)
{
	return m->buf + sizeof(struct kvmi_msg_hdr);
}

static void begin(struct fuzz_message *m, struct fuzz_random *r, uint16_t id, size_t size)
{
	memset(m->buf, 0, sizeof(struct kvmi_msg_hdr) + size);
	m->len = sizeof(struct kvmi_msg_hdr) + size;
	m->garbage = false;
	*header(m) = (struct kvmi_msg_hdr){
		.id = id,
		.size = size,
		.seq = (id < SEQ_ID_UNKNOWN ? id : SEQ_ID_UNKNOWN) << SEQ_ID_SHIFT |
		       (fuzz_next(r) & 0xffffff),
	};
}

/* Behind a struct kvmi_vcpu_hdr */
static void *begin_vcpu(struct fuzz_message *m, struct fuzz_random *r,
			const struct fuzz_style *style, uint16_t id, size_t size)
{
	struct kvmi_vcpu_hdr *hdr = payload(m);

	begin(m, r, id, sizeof(*hdr) + size);
	hdr->vcpu = fuzz_below(r, style->nr_vcpus);
	return hdr + 1;
}

static void must_be_refused(struct fuzz_message *m)
{
	header(m)->seq |= SEQ_REFUSED;
}

/* Where the guest has nothing that it needs, or anywhere. */
static uint64_t any_gpa(struct fuzz_random *r, bool write)
{
	static const uint64_t limits[] = {
		0,	     0xfff,	   GUEST_PML4,	       0x3fffff,
		0x400000,    0xfffbd000ul, 0xffffffffffffffff, 0x8000000000000000,
		GUEST_PAGES,
	};

	if (fuzz_one_in(r, 8) && (!write || fuzz_kind(KIND_TABLES)))
		return limits[fuzz_below(r, sizeof(limits) / sizeof(limits[0]))];
	if (fuzz_one_in(r, 8) && fuzz_kind(KIND_TABLES))
		return fuzz_below(r, GUEST_LOG);
	return GUEST_LOG + fuzz_below(r, 0x300000);
}

static void read_physical(struct fuzz_message *m, struct fuzz_random *r)
{
	struct kvmi_vm_read_physical *cmd = payload(m);

	begin(m, r, KVMI_VM_READ_PHYSICAL, sizeof(*cmd));
	cmd->gpa = any_gpa(r, false);
	cmd->size = 1 + fuzz_below(r, fuzz_one_in(r, 4) ? 4096 : 64);
	if (!fuzz_one_in(r, 4) && (cmd->gpa & 4095) + cmd->size > 4096)
		cmd->size = 4096 - (cmd->gpa & 4095);
}

static void write_physical(struct fuzz_message *m, struct fuzz_random *r)
{
	struct kvmi_vm_write_physical *cmd = payload(m);
	size_t size = 1 + fuzz_below(r, fuzz_one_in(r, 16) ? 4096 : 32);

	begin(m, r, KVMI_VM_WRITE_PHYSICAL, sizeof(*cmd) + size);
	cmd->gpa = any_gpa(r, true);
	cmd->size = size;
	/* What is no table remains zeros: nothing for a guest that goes astray to take for code. */
	if (fuzz_kind(KIND_TABLES))
		fuzz_bytes(r, cmd->data, size);
}

static void get_registers(struct fuzz_message *m, struct fuzz_random *r,
			  const struct fuzz_style *style)
{
	static const uint32_t known[] = {0x10,	     0x174,	 0x175,	     0x277,
					 0xc0000080, 0xc0000081, 0xc0000102, 0x1b};
	unsigned int n = fuzz_one_in(r, 3) ? fuzz_below(r, 12) : 0;
	struct kvmi_vcpu_get_registers *cmd;

	if (n && fuzz_one_in(r, 16))
		n = KVMI_MAX_GET_MSRS - 2 + fuzz_below(r, 6);
	cmd = begin_vcpu(m, r, style, KVMI_VCPU_GET_REGISTERS, sizeof(*cmd) + 4 * n);
	cmd->nmsrs = n;
	for (unsigned int i = 0; i < n; i++)
		cmd->msrs_idx[i] = fuzz_one_in(r, 30) ? fuzz_next(r) : known[fuzz_below(r, 8)];
	if (n > KVMI_MAX_GET_MSRS)
		must_be_refused(m);
}

/* --- SET_REGISTERS --- */

static void hostile_registers(struct fuzz_message *m, struct fuzz_random *r, struct kvm_regs *regs)
{
	static const uint64_t rips[] = {0x800000000000, 0xffff7fffffffffff, 0x8000000000000000};

	switch (fuzz_below(r, 4)) {
	case 0:
		regs->rflags ^= RFLAGS_VM;
		must_be_refused(m);
		break;
	case 1:
		/* reserved: 3, 5, 15 and from 22 on */
		regs->rflags |= fuzz_one_in(r, 2) ? 1ull << (22 + fuzz_below(r, 42)) : 0x8028;
		must_be_refused(m);
		break;
	case 2:
		/* Without paging and LME as well, if for another reason. */
		regs->rip = rips[fuzz_below(r, 3)];
		must_be_refused(m);
		break;
	case 3:
		/* May be refused or not. */
		regs->rip = fuzz_next(r) >> fuzz_below(r, 64);
		regs->rflags ^= fuzz_next(r) & 0x3f7fd5;
		regs->rflags &= ~RFLAGS_VM;
		break;
	}
}

/* For emulators: last of all. */
static void mend_rflags(struct fuzz_message *m)
{
	struct kvm_regs *regs = payload(m) + sizeof(struct kvmi_vcpu_hdr);

	if (header(m)->id == KVMI_VCPU_SET_REGISTERS &&
	    m->len >= sizeof(struct kvmi_msg_hdr) + sizeof(struct kvmi_vcpu_hdr) + sizeof(*regs))
		regs->rflags = fuzz_rflags(regs->rflags);
}

void fuzz_set_registers(struct fuzz_message *m, struct fuzz_random *r,
			const struct fuzz_style *style, const struct fuzz_event *ev)
{
	struct kvm_regs *regs = begin_vcpu(m, r, style, KVMI_VCPU_SET_REGISTERS, sizeof(*regs));

	((struct kvmi_vcpu_hdr *)payload(m))->vcpu = ev->vcpu;
	*regs = ev->regs;
	regs->rip += ev->insn_len;
	if (fuzz_one_in(r, 8)) {
		regs->rbx = fuzz_next(r);
		regs->r15 = fuzz_next(r);
	}
	if (style->setregs && fuzz_one_in(r, style->setregs))
		hostile_registers(m, r, regs);
	mend_rflags(m);
}

/* --- the other commands --- */

static void control_events(struct fuzz_message *m, struct fuzz_random *r,
			   const struct fuzz_style *style)
{
	struct kvmi_vcpu_control_events *cmd;

	cmd = begin_vcpu(m, r, style, KVMI_VCPU_CONTROL_EVENTS, sizeof(*cmd));
	cmd->event_id = KVMI_EVENT_PAUSE_VCPU + fuzz_below(r, 3);
	cmd->enable = !fuzz_one_in(r, 4);
	if (cmd->event_id == KVMI_EVENT_BREAKPOINT && !fuzz_options.breakpoints)
		cmd->event_id = KVMI_EVENT_HYPERCALL;
}

static void set_any_registers(struct fuzz_message *m, struct fuzz_random *r,
			      const struct fuzz_style *style, struct fuzz_events *evs)
{
	struct fuzz_event ev = {
		.vcpu = fuzz_below(r, style->nr_vcpus),
		.regs = {.rip = GUEST_CODE, .rsp = GUEST_STACK + 0xff8, .rflags = 0x202},
	};

	fuzz_recall(evs, r, style->connection, false, &ev);
	fuzz_set_registers(m, r, style, &ev);
}

static void valid(struct fuzz_message *m, struct fuzz_random *r, const struct fuzz_style *style,
		  struct fuzz_events *evs)
{
	struct kvmi_vm_check_command *check = payload(m);
	struct kvmi_vm_control_events *control = payload(m);
	struct kvmi_vcpu_get_cpuid *cpuid;
	struct kvmi_vcpu_pause *pause;

	switch (fuzz_below(r, 24)) {
	case 0:
		begin(m, r, KVMI_GET_VERSION, 0);
		break;
	case 1:
		begin(m, r, KVMI_VM_CHECK_COMMAND, sizeof(*check));
		check->id = fuzz_below(r, KVMI_NUM_MESSAGES + 1);
		break;
	case 2:
		begin(m, r, KVMI_VM_CHECK_EVENT, sizeof(*check));
		check->id = fuzz_below(r, KVMI_NUM_EVENTS + 1);
		break;
	case 3:
		begin(m, r, KVMI_VM_GET_INFO, 0);
		break;
	case 4:
		begin(m, r, KVMI_VM_CONTROL_EVENTS, sizeof(*control));
		control->enable = !fuzz_one_in(r, 3);
		break;
	case 5 ... 6:
		read_physical(m, r);
		break;
	case 7 ... 8:
		write_physical(m, r);
		break;
	case 9 ... 10:
		begin_vcpu(m, r, style, KVMI_VCPU_GET_INFO, 0);
		break;
	case 11 ... 12:
		pause = begin_vcpu(m, r, style, KVMI_VCPU_PAUSE, sizeof(*pause));
		pause->wait = fuzz_below(r, 2);
		break;
	case 13 ... 16:
		control_events(m, r, style);
		break;
	case 17 ... 18:
		get_registers(m, r, style);
		break;
	case 19 ... 21:
		set_any_registers(m, r, style, evs);
		break;
	case 22 ... 23:
		cpuid = begin_vcpu(m, r, style, KVMI_VCPU_GET_CPUID, sizeof(*cpuid));
		cpuid->function = (fuzz_one_in(r, 2) ? 0x80000000 : 0) + fuzz_below(r, 16);
		cpuid->index = fuzz_below(r, 3);
		break;
	}
}

/* --- hostile --- */

/* One thing wrong. What the header says of the size stays true, unless the rest is sent elsewhere. */
static void damage(struct fuzz_message *m, struct fuzz_random *r)
{
	static const uint16_t vcpus[] = {6, 7, 0xff, 0x100, 0x7fff, 0x8000, 0xffff};
	struct kvmi_msg_hdr *hdr = header(m);
	size_t size = hdr->size, more;
	uint8_t *p = payload(m);

	switch (fuzz_below(r, 7)) {
	case 0: /* too short */
		hdr->size = fuzz_below(r, size + 1);
		break;
	case 1: /* longer than need be */
		more = fuzz_below(r, fuzz_one_in(r, 8) ? KVMI_MSG_SIZE - size + 1 : 64);
		if (size + more > KVMI_MSG_SIZE)
			more = KVMI_MSG_SIZE - size;
		memset(p + size, fuzz_next(r), more);
		hdr->size = size + more;
		break;
	case 2: /* one byte: padding, ids, sizes */
		if (size)
			p[fuzz_below(r, size)] ^= 1 + fuzz_below(r, 255);
		break;
	case 3: /* no such vCPU */
		if (size >= sizeof(struct kvmi_vcpu_hdr))
			((struct kvmi_vcpu_hdr *)p)->vcpu = vcpus[fuzz_below(r, 7)];
		break;
	case 4: /* another command's payload, or no command's */
		hdr->id = fuzz_one_in(r, 4) ? fuzz_next(r)
					    : KVMI_EVENT + fuzz_below(r, KVMI_NUM_MESSAGES);
		break;
	case 5: /* its fields at random */
		fuzz_bytes(r, p, size < 32 ? size : 32);
		break;
	case 6:
		if (size >= 8)
			memset(p + (fuzz_below(r, size / 8) & ~7u), 0xff, 8);
		break;
	}
	if (hdr->id == KVMI_EVENT_REPLY)
		hdr->id = KVMI_GET_VERSION;
	/* The reply's id is to be that of the command; whether it is an error is not known. */
	hdr->seq &= 0xffffff;
	hdr->seq |= (hdr->id < SEQ_ID_UNKNOWN ? hdr->id : SEQ_ID_UNKNOWN) << SEQ_ID_SHIFT;
	m->len = sizeof(*hdr) + hdr->size;
	/* Breakpoints are for those that have them. */
	if (hdr->id == KVMI_VCPU_CONTROL_EVENTS && !fuzz_options.breakpoints && hdr->size >= 11)
		p[8] &= ~1;
}

static void garbage(struct fuzz_message *m, struct fuzz_random *r)
{
	begin(m, r, 0, 0);
	m->len = 1 + fuzz_below(r, fuzz_one_in(r, 8) ? MESSAGE_MAX - 1 : 100);
	fuzz_bytes(r, m->buf, m->len);
	if (fuzz_one_in(r, 2) && m->len >= sizeof(struct kvmi_msg_hdr)) {
		/* Plausible, at first. */
		header(m)->id = fuzz_below(r, KVMI_NUM_MESSAGES);
		header(m)->size = fuzz_one_in(r, 3) ? KVMI_MSG_SIZE + fuzz_below(r, 8) - 4
						    : fuzz_below(r, 200);
	}
	m->garbage = true;
}

void fuzz_command(struct fuzz_message *m, struct fuzz_random *r, const struct fuzz_style *style,
		  struct fuzz_events *evs)
{
	struct fuzz_event ev;

	if (style->garbage && fuzz_one_in(r, style->garbage)) {
		garbage(m, r);
	} else if (style->stale && fuzz_one_in(r, style->stale) &&
		   fuzz_recall(evs, r, style->connection, true, &ev)) {
		fuzz_answer(m, &ev, fuzz_below(r, 2));
		/* KVM is to close the connection. */
		m->garbage = true;
	} else {
		valid(m, r, style, evs);
		if (style->half && fuzz_one_in(r, style->half))
			damage(m, r);
	}
	mend_rflags(m);
}

/* --- answers --- */

void fuzz_answer(struct fuzz_message *m, const struct fuzz_event *ev, uint8_t action)
{
	struct {
		struct kvmi_msg_hdr hdr;
		struct kvmi_vcpu_hdr vcpu;
		struct kvmi_event_reply reply;
	} *msg = (void *)m->buf;

	memset(msg, 0, sizeof(*msg));
	msg->hdr.id = KVMI_EVENT_REPLY;
	msg->hdr.size = sizeof(*msg) - sizeof(msg->hdr);
	msg->hdr.seq = ev->seq;
	msg->vcpu.vcpu = ev->vcpu;
	msg->reply.action = action;
	msg->reply.event = ev->id;
	m->len = sizeof(*msg);
	m->garbage = false;
}

void fuzz_bad_answer(struct fuzz_message *m, struct fuzz_random *r, const struct fuzz_event *ev)
{
	struct fuzz_event wrong = *ev;
	unsigned int action = KVMI_EVENT_ACTION_CONTINUE;

	switch (fuzz_below(r, 6)) {
	case 0:
		wrong.seq += 1 + fuzz_below(r, 3);
		break;
	case 1:
		wrong.seq = fuzz_next(r);
		break;
	case 2:
		wrong.id = fuzz_next(r);
		break;
	case 3:
		wrong.vcpu += 1 + fuzz_below(r, 8);
		break;
	case 4:
		action = fuzz_next(r);
		break;
	case 5:
		break;
	}
	fuzz_answer(m, &wrong, action);
	if (fuzz_one_in(r, 4)) {
		header(m)->size = 4 + fuzz_below(r, 30);
		memset(m->buf + m->len, 0, 32);
		m->len = sizeof(struct kvmi_msg_hdr) + header(m)->size;
	}
	m->garbage = true;
}
