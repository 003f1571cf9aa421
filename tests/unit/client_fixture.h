/* SPDX-License-Identifier: BSD-2-Clause */
/* What the unit tests of the client library share: a client, and a scripted kernel at its other end. */
#ifndef CLIENT_FIXTURE_H
#define CLIENT_FIXTURE_H

#include "kvmi_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define TIMEOUT_MS 200

/* The client and the kernel's end of its socket. */
struct fixture {
	struct kvmi_client *c;
	int kernel;
};

int setup(void **state);
int teardown(void **state);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* --- the kernel's side --- */

void k_write(struct fixture *f, const void *buf, size_t len);
void k_reply(struct fixture *f, uint16_t id, uint32_t seq, int32_t err, const void *data,
	     size_t size);

struct wire_bp {
	struct kvmi_msg_hdr hdr;
	struct kvmi_event common;
	struct kvmi_event_breakpoint bp;
};

/* Of vCPU 3, at RIP 0x40000123, gpa 0x40123. */
struct wire_bp bp_event(uint32_t seq);
void k_event(struct fixture *f, uint32_t seq);

/* What the client has sent: exactly one message; its payload in @payload. */
struct kvmi_msg_hdr k_read(struct fixture *f, void *payload, size_t size);

#endif /* CLIENT_FIXTURE_H */
