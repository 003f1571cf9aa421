// SPDX-License-Identifier: BSD-2-Clause
/* A client on one end of a socketpair, the kernel's words on the other. */
#include "client_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int sv[2];

	assert_non_null(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(kvmi_client_new(&f->c, sv[1], TIMEOUT_MS), 0);
	f->kernel = sv[0];
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	kvmi_client_free(f->c);
	if (f->kernel >= 0)
		close(f->kernel);
	free(f);
	return 0;
}

void k_write(struct fixture *f, const void *buf, size_t len)
{
	assert_int_equal(send(f->kernel, buf, len, MSG_NOSIGNAL), len);
}

void k_reply(struct fixture *f, uint16_t id, uint32_t seq, int32_t err, const void *data,
	     size_t size)
{
	struct kvmi_msg_hdr hdr = {
		.id = id, .seq = seq, .size = sizeof(struct kvmi_error_code) + size};
	struct kvmi_error_code ec = {.err = err};
	uint8_t buf[16384];

	memcpy(buf, &hdr, sizeof(hdr));
	memcpy(buf + sizeof(hdr), &ec, sizeof(ec));
	if (size)
		memcpy(buf + sizeof(hdr) + sizeof(ec), data, size);
	k_write(f, buf, sizeof(hdr) + hdr.size);
}

struct wire_bp bp_event(uint32_t seq)
{
	struct wire_bp w = {
		.hdr = {.id = KVMI_EVENT, .size = 560, .seq = seq},
		.common = {.size = 544, .vcpu = 3, .event = KVMI_EVENT_BREAKPOINT},
		.bp = {.gpa = 0x40123, .insn_len = 1},
	};

	w.common.arch.regs.rip = 0x40000123;
	w.common.arch.msrs.shadow_gs = 0x5a5a;
	return w;
}

void k_event(struct fixture *f, uint32_t seq)
{
	struct wire_bp w = bp_event(seq);

	_Static_assert(sizeof(w) == 568, "wire size of the breakpoint event");
	k_write(f, &w, sizeof(w));
}

struct kvmi_msg_hdr k_read(struct fixture *f, void *payload, size_t size)
{
	struct kvmi_msg_hdr hdr;
	uint8_t rest;

	assert_int_equal(recv(f->kernel, &hdr, sizeof(hdr), MSG_WAITALL), sizeof(hdr));
	assert_int_equal(hdr.size, size);
	if (size)
		assert_int_equal(recv(f->kernel, payload, size, MSG_WAITALL), size);
	assert_int_equal(recv(f->kernel, &rest, 1, MSG_DONTWAIT), -1);
	return hdr;
}
