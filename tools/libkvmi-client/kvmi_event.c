// SPDX-License-Identifier: BSD-2-Clause
/* Client library, events: what a message says of one, what they are called. */
#include <errno.h>
#include <string.h>

#include "kvmi_client_priv.h"

/* The common part may be longer than the one known here: it says its size. */
int kvmi_parse_event(const struct kvmi_msg_hdr *hdr, const uint8_t *p, struct kvmi_event_msg *ev)
{
	uint16_t common;
	size_t specific;

	if (hdr->size < sizeof(common))
		return -EPROTO;
	memcpy(&common, p, sizeof(common));
	if (common < sizeof(ev->common) || common > hdr->size)
		return -EPROTO;

	memset(ev, 0, sizeof(*ev));
	ev->hdr = *hdr;
	memcpy(&ev->common, p, sizeof(ev->common));

	specific = hdr->size - common;
	if (ev->common.event == KVMI_EVENT_BREAKPOINT) {
		if (specific < sizeof(ev->breakpoint))
			return -EPROTO;
		memcpy(&ev->breakpoint, p + common, sizeof(ev->breakpoint));
	}
	return 0;
}

bool kvmi_event_needs_reply(const struct kvmi_event_msg *ev)
{
	return ev->common.event != KVMI_EVENT_UNHOOK;
}

const char *kvmi_event_name(unsigned int event)
{
	static const char *const names[KVMI_NUM_EVENTS] = {
		[KVMI_EVENT_UNHOOK] = "UNHOOK",
		[KVMI_EVENT_PAUSE_VCPU] = "PAUSE_VCPU",
		[KVMI_EVENT_HYPERCALL] = "HYPERCALL",
		[KVMI_EVENT_BREAKPOINT] = "BREAKPOINT",
	};

	return event < KVMI_NUM_EVENTS ? names[event] : "unknown";
}
