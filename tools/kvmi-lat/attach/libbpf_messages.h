/* SPDX-License-Identifier: BSD-2-Clause */
/* What libbpf has to say, for those who ask for it. */
#ifndef KVMI_LAT_LIBBPF_MESSAGES_H
#define KVMI_LAT_LIBBPF_MESSAGES_H

/* Before anything else is asked of libbpf. */
void libbpf_messages_init(void);

#endif
