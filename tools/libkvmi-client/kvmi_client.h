/* SPDX-License-Identifier: BSD-2-Clause */
/* Client library: the introspector's side of the KVMI wire protocol over a connected socket. */
#ifndef KVMI_CLIENT_H
#define KVMI_CLIENT_H

/*
 * Return values, everywhere:
 *	   0  done
 *	 > 0  KVM answered with an error: its KVM_E* code (KVM_EPERM, KVM_EINVAL, KVM_ENOSYS ...)
 *	 < 0  the channel failed: a negative errno
 *		-ETIMEDOUT  nothing (more) came within the client's timeout. The client stays usable: a
 *			    message read in part is completed by the next call that receives. The reply
 *			    to a command given up so is kept when it comes, for kvmi_recv_msg() or for
 *			    nobody.
 *		-EINVAL	    the call makes no sense; nothing was sent, the client stays usable
 *		-EPIPE	    the other end is closed (by KVM: the VM was unhooked, or KVM did not like
 *			    what it was sent)
 *		-EMSGSIZE   a message larger than KVMI_REPLY_SIZE came
 *		-EPROTO	    a message that breaks the protocol came
 *		-ENOMEM	    out of memory, for a message to be kept
 *	      All but -ETIMEDOUT and -EINVAL are final: every later call gives the same, only
 *	      kvmi_client_free() is left. A message that could be sent only in part within the timeout
 *	      is final too.
 *
 * Errors that any command can get from KVM: KVM_ENOSYS this kernel does not know the command;
 * KVM_EPERM the VMM does not allow it (kvmi_check_command() asks); KVM_EINVAL something in it is out of
 * range. Any vCPU command besides: KVM_EINVAL there is no such vCPU; KVM_EAGAIN that vCPU has not been
 * initialised by the guest yet. What else a command can get stands with its function.
 *
 * VM commands, and kvmi_vcpu_pause(), are answered at once. All other vCPU commands are answered by the
 * vCPU itself: once it is in KVM_RUN, halted or not, or while it waits for an event reply; until then
 * the call waits, at most for the client's timeout. Commands to one vCPU are done in the order sent;
 * between vCPUs, and between vCPU and VM commands, there is no order.
 *
 * vCPUs are named by index in order of creation, from 0: neither vCPU id nor APIC id. gpa is a guest
 * physical address.
 *
 * Events that arrive while a reply is awaited are kept, in order, for kvmi_recv_event(); replies to
 * other commands likewise for their kvmi_command_wait().
 *
 * Pipelining: any number of kvmi_command_send() before the first kvmi_command_wait(), in any order.
 * Each message goes out by one sendmsg(), or several together by kvmi_batch_begin(). Receiving reads
 * whatever has come, up to a buffer: an event is one system call.
 *
 * A tool that skips breakpoints of its own, in short:
 *
 *	kvmi_client_new(&c, sock, KVMI_TIMEOUT_DEFAULT_MS);
 *	kvmi_vcpu_control_events(c, 0, KVMI_EVENT_BREAKPOINT, true);
 *	while (!kvmi_recv_event(c, &ev)) {
 *		regs = ev.common.arch.regs;
 *		regs.rip += ev.breakpoint.insn_len;
 *		kvmi_reply_event_regs(c, &ev, &regs, KVMI_EVENT_ACTION_RETRY);
 *	}
 *
 * A client belongs to one thread at a time; there are no locks. Several clients are independent.
 */

#include "kvmi_abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct kvmi_client;

#define KVMI_TIMEOUT_DEFAULT_MS 10000

/**
 * kvmi_client_new() - make a client of a connected stream socket
 * @out: the client; free it with kvmi_client_free()
 * @fd: the socket. The client owns it from here if the call succeeds, else the caller keeps it.
 * @timeout_ms: longest wait of any one call, in milliseconds; -1 for ever. A call that is sent
 *		something, but not all it waits for, can take up to twice as long.
 *
 * Errors: -ENOMEM, -EINVAL @timeout_ms is 0 or below -1, -ENOTSOCK, -EBADF.
 */
int kvmi_client_new(struct kvmi_client **out, int fd, int timeout_ms);

/* Close the socket and free all memory, messages kept for later included. NULL is allowed. */
void kvmi_client_free(struct kvmi_client *c);

/* Change the timeout, as in kvmi_client_new(). */
int kvmi_client_set_timeout(struct kvmi_client *c, int timeout_ms);

/*
 * Wait for messages by asking for them over and over: no wake-up comes on top of each, for a CPU that does
 * nothing else. Timeouts hold as before. Off at first.
 */
void kvmi_client_set_polling(struct kvmi_client *c, bool polling);

/* The socket, to poll or shut down. See kvmi_client_pending(): polling alone misses messages. */
int kvmi_client_fd(const struct kvmi_client *c);

/* Is a whole message here already, kept or buffered, so that receiving will not have to wait? */
bool kvmi_client_pending(const struct kvmi_client *c);

/* Is an event here already? If not, polling the socket for POLLIN misses none. */
bool kvmi_event_pending(const struct kvmi_client *c);

/* The text of any return value of this library: the errno's or KVM_E*'s name and meaning. */
const char *kvmi_strerror(int ret);

/* The name of an event (KVMI_EVENT_*), as in the protocol's description: "BREAKPOINT". */
const char *kvmi_event_name(unsigned int event);

/* --- commands to the VM --- */

/* KVMI_GET_VERSION: *@version is what the kernel speaks, KVMI_VERSION. Always allowed. */
int kvmi_get_version(struct kvmi_client *c, uint32_t *version);

/*
 * KVMI_VM_CHECK_COMMAND, KVMI_VM_CHECK_EVENT: 0 @id may be used, KVM_EPERM the VMM does not allow it,
 * KVM_EINVAL this kernel does not know it. Always allowed themselves.
 */
int kvmi_check_command(struct kvmi_client *c, uint16_t id);
int kvmi_check_event(struct kvmi_client *c, uint16_t id);

/* KVMI_VM_GET_INFO: *@vcpu_count vCPUs are there: 0 .. *@vcpu_count - 1. More may be created later. */
int kvmi_get_info(struct kvmi_client *c, uint32_t *vcpu_count);

/*
 * KVMI_VM_CONTROL_EVENTS: switch an event of the VM on or off. There is one, KVMI_EVENT_UNHOOK: the VMM
 * asks the tool to clean up and close. KVM_EINVAL any other event.
 */
int kvmi_control_events(struct kvmi_client *c, uint16_t event, bool enable);

/*
 * KVMI_VM_READ_PHYSICAL, KVMI_VM_WRITE_PHYSICAL: @size bytes, 1..4096 and not across a 4 KiB page, from
 * or to guest memory at @gpa. KVM_EINVAL size or page boundary; KVM_ENOENT no memory of the guest is
 * there (or only to be read, for a write); KVM_EOPNOTSUPP a write, and the VM keeps a dirty ring.
 * Caches and code of the guest see a write as they see one of another vCPU's.
 * kvmi_write_physical() gives -EINVAL where @size does not fit a message.
 */
int kvmi_read_physical(struct kvmi_client *c, uint64_t gpa, void *data, size_t size);
int kvmi_write_physical(struct kvmi_client *c, uint64_t gpa, const void *data, size_t size);

/* --- commands to a vCPU --- */

/* KVMI_VCPU_GET_INFO: *@tsc_hz is the guest's TSC frequency in Hz, 0 where the host cannot scale it. */
int kvmi_vcpu_get_info(struct kvmi_client *c, uint16_t vcpu, uint64_t *tsc_hz);

/*
 * KVMI_VCPU_PAUSE: the vCPU will send one PAUSE_VCPU event for each call that gave 0, after the commands
 * it has been sent, and wait there. With @wait it has left the guest before this returns. Such events
 * need not be switched on, but allowed by the VMM: where they are not, KVM closes the connection
 * (kvmi_check_event() asks). Answered even if the vCPU is not in KVM_RUN; the event comes when it is.
 * KVM_EBUSY 1002 are pending already.
 */
int kvmi_vcpu_pause(struct kvmi_client *c, uint16_t vcpu, bool wait);

/*
 * KVMI_VCPU_CONTROL_EVENTS: switch an event of this vCPU on or off: HYPERCALL, BREAKPOINT; PAUSE_VCPU is
 * accepted and changes nothing. KVM_EPERM the VMM does not allow this event; KVM_EINVAL no such event,
 * or one of the VM; KVM_EOPNOTSUPP this vCPU cannot be intercepted so (a protected guest).
 */
int kvmi_vcpu_control_events(struct kvmi_client *c, uint16_t vcpu, uint16_t event, bool enable);

/*
 * KVMI_VCPU_GET_REGISTERS: @mode (operand size of the code that runs, in bytes: 2, 4 or 8), @regs and
 * @sregs; each may be NULL. With @nmsrs > 0, @msrs is an array of so many entries: .index says which
 * (in), .data is filled in. KVM_EINVAL one of the MSRs cannot be read; KVM_EOPNOTSUPP a protected guest.
 * -EINVAL where @nmsrs > KVMI_MAX_GET_MSRS.
 * After kvmi_vcpu_set_registers() and before the event reply it gives the old ones.
 */
int kvmi_vcpu_get_registers(struct kvmi_client *c, uint16_t vcpu, uint32_t *mode,
			    struct kvm_regs *regs, struct kvm_sregs *sregs,
			    struct kvm_msr_entry *msrs, unsigned int nmsrs);

/*
 * KVMI_VCPU_SET_REGISTERS: the general registers, RIP and RFLAGS; all are set. KVM_EOPNOTSUPP unless the
 * vCPU waits for an event reply. They take effect with that reply, before its action; the last call wins.
 */
int kvmi_vcpu_set_registers(struct kvmi_client *c, uint16_t vcpu, const struct kvm_regs *regs);

/*
 * KVMI_VCPU_GET_CPUID: what the guest's CPUID gives for leaf @function, subleaf @index.
 * KVM_ENOENT there is no such leaf.
 */
int kvmi_vcpu_get_cpuid(struct kvmi_client *c, uint16_t vcpu, uint32_t function, uint32_t index,
			struct kvmi_vcpu_get_cpuid_reply *cpuid);

/* --- events --- */

/**
 * struct kvmi_event_msg - one event
 * @hdr: its header; hdr.seq names the event in the reply
 * @common: vCPU, event id, register snapshot
 * @breakpoint: BREAKPOINT only, else zero
 *
 * The caller's memory; nothing in it points into the client.
 */
struct kvmi_event_msg {
	struct kvmi_msg_hdr hdr;
	struct kvmi_event common;
	union {
		struct kvmi_event_breakpoint breakpoint;
	};
};

/* Wait for the next event, of any vCPU. -EPROTO if it is shorter than its kind requires. */
int kvmi_recv_event(struct kvmi_client *c, struct kvmi_event_msg *ev);

/* Does the vCPU wait for an answer to it? All but UNHOOK, which is the VM's. */
bool kvmi_event_needs_reply(const struct kvmi_event_msg *ev);

/*
 * Answer @ev with KVMI_EVENT_ACTION_*. CONTINUE and CRASH answer any, RETRY only BREAKPOINT. KVM sends
 * nothing back; an answer it does not like makes it close the connection. -EINVAL @ev takes no answer.
 *
 * CONTINUE after BREAKPOINT: the guest takes a #BP, as if nobody had looked. RETRY: it goes on at RIP,
 * which is still at the int3 unless set. CONTINUE after HYPERCALL: RAX becomes 0, and RIP, also one just
 * set, moves on by the instruction's length.
 */
int kvmi_reply_event(struct kvmi_client *c, const struct kvmi_event_msg *ev, uint8_t action);

/*
 * kvmi_vcpu_set_registers() and kvmi_reply_event() by one sendmsg(). Gives what SET_REGISTERS gave; the
 * event is answered even if that is an error. Not while a batch is open (-EINVAL).
 */
int kvmi_reply_event_regs(struct kvmi_client *c, const struct kvmi_event_msg *ev,
			  const struct kvm_regs *regs, uint8_t action);

/* --- any command, pipelined or not --- */

/**
 * kvmi_command_send() - send a command, do not wait
 * @id: message id
 * @payload: iovec array of what follows the message header, copied before return; may be NULL
 * @n: number of its elements, at most KVMI_MAX_IOV
 * @seq: out: hand it to kvmi_command_wait()
 */
int kvmi_command_send(struct kvmi_client *c, uint16_t id, const struct iovec *payload, int n,
		      uint32_t *seq);

#define KVMI_MAX_IOV 7

/**
 * kvmi_command_wait() - wait for the reply to a command
 * @id, @seq: as sent
 * @data: gets what follows the error code; bytes beyond @size are dropped, missing ones are an error
 *	  (-EPROTO); may be NULL with @size 0
 * @size: size of @data in bytes
 */
int kvmi_command_wait(struct kvmi_client *c, uint16_t id, uint32_t seq, void *data, size_t size);

/* Both: send one payload of @psize bytes and wait for the reply. */
int kvmi_command(struct kvmi_client *c, uint16_t id, const void *payload, size_t psize, void *data,
		 size_t size);

/* The same for vCPU commands: @payload is what follows the struct kvmi_vcpu_hdr. */
int kvmi_vcpu_command_send(struct kvmi_client *c, uint16_t id, uint16_t vcpu, const void *payload,
			   size_t psize, uint32_t *seq);
int kvmi_vcpu_command(struct kvmi_client *c, uint16_t id, uint16_t vcpu, const void *payload,
		      size_t psize, void *data, size_t size);

/*
 * Several messages in one write. From kvmi_batch_begin() on whatever is sent is collected, commands,
 * event replies and raw bytes alike, until kvmi_batch_send() sends all of it by one sendmsg() (if the
 * socket takes so much at once). A call that waits for a message sends the batch first, which ends it.
 *
 *	kvmi_batch_begin(c);
 *	for (i = 0; i < vcpus; i++)
 *		kvmi_vcpu_command_send(c, KVMI_VCPU_PAUSE, i, &pause, sizeof(pause), &seq[i]);
 *	kvmi_batch_send(c);
 *	for (i = 0; i < vcpus; i++)
 *		ret = kvmi_command_wait(c, KVMI_VCPU_PAUSE, seq[i], NULL, 0);
 *
 * -ENOMEM of a call that adds to a batch is not final: that message is not in it. After -ETIMEDOUT of
 * kvmi_batch_send() nothing of the batch was sent, and it is gone. kvmi_batch_drop() forgets a batch;
 * without one it does nothing. kvmi_batch_begin() in a batch: -EINVAL.
 */
int kvmi_batch_begin(struct kvmi_client *c);
int kvmi_batch_send(struct kvmi_client *c);
void kvmi_batch_drop(struct kvmi_client *c);

/* --- raw access, for protocol tests --- */

/* Send @len bytes as they are, by one sendmsg() if the socket takes them. */
int kvmi_send_raw(struct kvmi_client *c, const void *buf, size_t len);

/**
 * kvmi_recv_msg() - receive the next message, kept ones first, whatever it is
 * @hdr: its header
 * @payload: gets up to @size bytes of its payload; the rest is dropped (hdr->size says how much came)
 */
int kvmi_recv_msg(struct kvmi_client *c, struct kvmi_msg_hdr *hdr, void *payload, size_t size);

#endif /* KVMI_CLIENT_H */
