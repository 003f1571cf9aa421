/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of kvmi-trace share: the connection, the commands, messages. */
#ifndef KVMI_TRACE_H
#define KVMI_TRACE_H

#include "kvmi_client.h"
#include "kvmi_handshake.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit statuses of the commands. */
enum { TRACE_OK = 0, TRACE_FAILED = 1, TRACE_USAGE = 2 };

/* "kvmi-trace: ..." on stderr. Gives TRACE_FAILED. */
int trace_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* @what failed with @ret, as the client library gives it. */
int trace_kvmi_error(const char *what, int ret);

/**
 * struct connect_options - how to get at the VM
 * @listen: path of a unix socket to listen on, NULL: @fd is connected already
 * @mode, @group: permissions of that socket; the group only if @has_group
 * @guest: name or UUID of the guest wanted, NULL: any
 * @raw: no handshake, KVM has the other end
 * @secret: file whose contents the VMM wants to be known, NULL none
 * @wait_s: how long to wait for the VMM to connect, in seconds; 0 for ever
 * @signals: signalfd: a signal ends the wait
 */
struct connect_options {
	const char *listen;
	mode_t mode;
	gid_t group;
	bool has_group;
	const char *guest;
	int fd;
	bool raw;
	const char *secret;
	unsigned long wait_s;
	int signals;
};

/* How long the VMM or the kernel may take to answer, in milliseconds. */
#define TRACE_TIMEOUT_MS 5000

/* Connected, hooked, and allowed what the VMM wants to allow. Says what failed, and gives its status. */
int trace_connect(const struct connect_options *o, struct kvmi_client **c);

/* kvmi-trace vcpus, kvmi-trace regs */
int trace_vcpus(struct kvmi_client *c, bool json);
int trace_regs(struct kvmi_client *c, uint16_t vcpu, bool json);

/* The general registers by name: "rax" ... "r15", "rip", "rflags"; NULL beyond the last. */
const char *trace_reg_name(unsigned int i);
uint64_t trace_reg(const struct kvm_regs *regs, unsigned int i);
/* The index of a register, or -1. */
int trace_reg_find(const char *name, size_t len);

enum step_mode {
	STEP_AUTO,    /* emulate what is known, restore the rest */
	STEP_EMULATE, /* never restore */
	STEP_RESTORE, /* never emulate */
};

#define TRACE_MAX_BREAKPOINTS 64

/**
 * struct break_options - of kvmi-trace break
 * @gva: linear addresses, @n of them
 * @vcpu: whose address space they are in
 * @cr3: that address space; 0: the vCPU's at the start
 * @count: stop after so many hits; 0 none
 * @regs: bit i: report trace_reg_name(i)
 * @signals: signalfd: a signal ends it
 */
struct break_options {
	uint64_t gva[TRACE_MAX_BREAKPOINTS];
	unsigned int n;
	uint16_t vcpu;
	uint64_t cr3;
	uint64_t count;
	uint32_t regs;
	bool json;
	enum step_mode step;
	int signals;
};

/* kvmi-trace break */
int trace_break(struct kvmi_client *c, const struct break_options *o);

#endif /* KVMI_TRACE_H */
