/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the client library share and its users should not see. */
#ifndef KVMI_CLIENT_PRIV_H
#define KVMI_CLIENT_PRIV_H

#include "kvmi_client.h"

/* The channel is of no use any more: every call returns @error from now on, this one included. */
int kvmi_client_fail(struct kvmi_client *c, int error);

/* Take the payload of an event apart. -EPROTO: it is shorter than its kind requires. */
int kvmi_parse_event(const struct kvmi_msg_hdr *hdr, const uint8_t *payload,
		     struct kvmi_event_msg *ev);

#endif /* KVMI_CLIENT_PRIV_H */
