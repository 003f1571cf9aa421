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
 *			    message read in part is completed by the next call that receives.
 *		-EPIPE	    the other end is closed (by KVM: the VM was unhooked, or KVM did not like
 *			    what it was sent)
 *		-EMSGSIZE   a message larger than KVMI_REPLY_SIZE came
 *		-EPROTO	    a message that breaks the protocol came
 *	      All but -ETIMEDOUT are final: every later call gives the same, only kvmi_client_free()
 *	      is left. A message that could be sent only in part within the timeout is final too.
 *
 * Events that arrive while a reply is awaited are kept, in order, for kvmi_recv_event(); replies to
 * other commands likewise for their kvmi_command_wait(). Commands can thus be pipelined: any number
 * of kvmi_command_send() before the first kvmi_command_wait(), in any order.
 *
 * Each message goes out by one sendmsg(). Receiving reads whatever has come, up to a buffer: an event
 * is one system call.
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

/* The socket, to poll or shut down. See kvmi_client_pending(): polling alone misses messages. */
int kvmi_client_fd(const struct kvmi_client *c);

/* Is a whole message here already, kept or buffered, so that receiving will not have to wait? */
bool kvmi_client_pending(const struct kvmi_client *c);

/* The text of any return value of this library: the errno's or KVM_E*'s name and meaning. */
const char *kvmi_strerror(int ret);

/* --- commands --- */

/* KVMI_GET_VERSION: *@version is what the kernel speaks. */
int kvmi_get_version(struct kvmi_client *c, uint32_t *version);

/* KVMI_VM_CHECK_COMMAND, KVMI_VM_CHECK_EVENT: 0 may be used, KVM_EPERM, KVM_EINVAL unknown. */
int kvmi_check_command(struct kvmi_client *c, uint16_t id);
int kvmi_check_event(struct kvmi_client *c, uint16_t id);

/*
 * KVMI_VM_WRITE_PHYSICAL: @size bytes (1..4096, not across a page) from @data to guest physical @gpa.
 * -EINVAL, and nothing is sent, where @size does not fit a message.
 */
int kvmi_write_physical(struct kvmi_client *c, uint64_t gpa, const void *data, size_t size);

/*
 * vCPU commands wait until that vCPU is in KVM_RUN, or for the timeout.
 * @vcpu: index in order of creation.
 */
int kvmi_vcpu_control_events(struct kvmi_client *c, uint16_t vcpu, uint16_t event, bool enable);

/*
 * KVMI_VCPU_GET_REGISTERS: all of mode, regs and sregs; each may be NULL. With @nmsrs > 0, @msrs is
 * an array of so many entries: .index says which (in), .data is filled in. -EINVAL, and nothing is
 * sent, where @nmsrs does not fit a message.
 */
int kvmi_vcpu_get_registers(struct kvmi_client *c, uint16_t vcpu, uint32_t *mode,
			    struct kvm_regs *regs, struct kvm_sregs *sregs,
			    struct kvm_msr_entry *msrs, unsigned int nmsrs);

/* KVMI_VCPU_SET_REGISTERS: only while the vCPU waits for an event reply, else KVM_EOPNOTSUPP. */
int kvmi_vcpu_set_registers(struct kvmi_client *c, uint16_t vcpu, const struct kvm_regs *regs);

/* --- events --- */

/**
 * struct kvmi_event_msg - one event
 * @hdr: its header; hdr.seq names the event in the reply
 * @common: vCPU, event id, register snapshot
 * @breakpoint: BREAKPOINT only
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

/* Answer @ev with KVMI_EVENT_ACTION_*. KVM sends nothing back; UNHOOK must not be answered. */
int kvmi_reply_event(struct kvmi_client *c, const struct kvmi_event_msg *ev, uint8_t action);

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
