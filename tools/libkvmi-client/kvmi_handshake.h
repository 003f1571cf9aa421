/* SPDX-License-Identifier: BSD-2-Clause */
/* What VMM and introspection tool tell each other on a new connection, before KVM gets the socket. */
#ifndef KVMI_HANDSHAKE_H
#define KVMI_HANDSHAKE_H

/*
 * The tool listens, the VMM connects, as QEMU with introspection does by a character device:
 *
 *	VMM -> tool	struct kvmi_handshake_guest: which guest this is
 *	tool -> VMM	struct kvmi_handshake_answer: maybe proof that the tool knows a secret
 *
 * Then the VMM gives the socket to KVM (KVM_INTROSPECTION_HOOK) and allows commands and events, and the
 * tool makes a client of it (kvmi_client_new()). Until the VMM has done so KVM answers KVM_EPERM:
 * kvmi_check_command() of the last command the tool needs tells when.
 *
 * Both structures begin with their size and may be longer than known here: what follows is skipped.
 * No function reads more than the other side's structure. Native byte order.
 *
 * Return values: 0, or a negative errno:
 *	-ETIMEDOUT  the other side did not send its part, or did not take ours, in time
 *	-EPIPE	    it closed the connection
 *	-EPROTO	    its structure is shorter than it may be, or longer than KVMI_HANDSHAKE_MAX
 *	-EACCES	    VMM: the tool does not know the secret
 * and what the socket calls give. After any of them the connection is of no use.
 */

#include <stddef.h>
#include <stdint.h>

/**
 * struct kvmi_handshake_guest - from the VMM
 * @struct_size: bytes sent, this field included: KVMI_HANDSHAKE_GUEST_MIN (no name) to KVMI_HANDSHAKE_MAX
 * @uuid: of the guest
 * @padding: 0
 * @start_time_ms: when the guest was started, milliseconds since 1970
 * @name: of the guest, ends at a NUL or with the structure
 */
struct kvmi_handshake_guest {
	uint32_t struct_size;
	uint8_t uuid[16];
	uint32_t padding;
	int64_t start_time_ms;
	char name[64];
};

/**
 * struct kvmi_handshake_answer - from the tool
 * @struct_size: bytes sent, at least those known here
 * @cookie_hash: SHA-1 of the secret, zero without one
 */
struct kvmi_handshake_answer {
	uint32_t struct_size;
	uint8_t cookie_hash[20];
};

#define KVMI_HANDSHAKE_GUEST_MIN 32
#define KVMI_HANDSHAKE_MAX	 (64 * 1024)
/* How long a VMM waits for the tool, and a tool for the VMM, in milliseconds. */
#define KVMI_HANDSHAKE_TIMEOUT_MS 10000

/**
 * kvmi_handshake_receive() - the tool's side: which guest it is
 * @fd: the connection, a stream socket
 * @timeout_ms: > 0
 * @guest: what the VMM said. @guest->struct_size is what it sent; fields it did not send are zero; the
 *	   name always ends with a NUL. It may hold any bytes.
 *
 * A tool that wants another guest closes the connection. Else kvmi_handshake_answer() is next.
 */
int kvmi_handshake_receive(int fd, int timeout_ms, struct kvmi_handshake_guest *guest);

/**
 * kvmi_handshake_answer() - the tool's side: the answer
 * @fd: the connection, a stream socket
 * @timeout_ms: > 0
 * @secret: shared with the VMM, NULL none
 * @len: its length in bytes
 */
int kvmi_handshake_answer(int fd, int timeout_ms, const void *secret, size_t len);

#define KVMI_UUID_TEXT_SIZE 37

/* A guest's UUID as text, "550e8400-e29b-41d4-a716-446655440000". */
void kvmi_uuid_text(const uint8_t uuid[16], char text[KVMI_UUID_TEXT_SIZE]);

/**
 * kvmi_handshake_vmm() - the VMM's side
 * @fd: the connection, a stream socket
 * @timeout_ms: for the whole, > 0
 * @secret: the tool must know it; NULL: any tool will do
 * @len: its length in bytes
 * @guest: uuid, start time and name are sent
 */
int kvmi_handshake_vmm(int fd, int timeout_ms, const void *secret, size_t len,
		       const struct kvmi_handshake_guest *guest);

#define KVMI_SECRET_MAX 4096

/*
 * Read a secret of at most KVMI_SECRET_MAX bytes from a file: all of it, a newline at the end included.
 * Gives 0, -EFBIG it is longer, -ENODATA it is empty, or what the file calls give.
 */
int kvmi_secret_read(const char *path, void *secret, size_t *len);

_Static_assert(offsetof(struct kvmi_handshake_guest, start_time_ms) == 24, "as QEMU sends it");
_Static_assert(offsetof(struct kvmi_handshake_guest, name) == 32, "as QEMU sends it");
_Static_assert(sizeof(struct kvmi_handshake_guest) == 96, "as QEMU sends it");
_Static_assert(sizeof(struct kvmi_handshake_answer) == 24, "as QEMU expects it");

#endif /* KVMI_HANDSHAKE_H */
