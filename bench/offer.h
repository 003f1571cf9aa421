/* SPDX-License-Identifier: BSD-2-Clause */
/* Offers a VM to an introspection tool, as QEMU does: connects, hooks, and comes back when it has gone. */
#ifndef OFFER_H
#define OFFER_H

#include "kvmi_handshake.h"
#include "vmm/vmm.h"

/**
 * struct offer - a VM on offer
 * @vm: the VM
 * @path: of the unix socket the tool listens on
 * @guest: what the tool is told
 * @secret: what the tool must know, NULL nothing; @secret_len its bytes
 * @sock: the connection, -1 none. While the VM is hooked poll it for POLLRDHUP and POLLHUP and nothing
 *	  else: what is in it is KVM's.
 * @said: what was last complained about, to say it once
 */
struct offer {
	struct vmm *vm;
	const char *path;
	struct kvmi_handshake_guest guest;
	const void *secret;
	size_t secret_len;
	int sock;
	char said[160];
};

/* How long until the next attempt to connect, and how long a tool may take to clean up. */
#define OFFER_RETRY_MS	 1000
#define OFFER_CLEANUP_MS 10000

/*
 * Connect, do the handshake, hook and allow everything. False: it did not work; why was said, unless it
 * is the same as last time. *@fatal: it never will, since this kernel or this user cannot hook.
 */
bool offer_connect(struct offer *o, bool *fatal);

/* The tool has gone, or must go: unhook and close. */
void offer_disconnect(struct offer *o);

/* Ask the tool to clean up and go (PREUNHOOK). False: it cannot be asked, just disconnect. */
bool offer_ask_to_go(struct offer *o);

#endif /* OFFER_H */
