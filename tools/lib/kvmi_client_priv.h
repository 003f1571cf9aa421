/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the client library share and its users should not see. */
#ifndef KVMI_CLIENT_PRIV_H
#define KVMI_CLIENT_PRIV_H

#include "kvmi_client.h"

/* The channel is of no use any more: every call returns @error from now on, this one included. */
int kvmi_client_fail(struct kvmi_client *c, int error);

#endif /* KVMI_CLIENT_PRIV_H */
