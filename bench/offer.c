// SPDX-License-Identifier: BSD-2-Clause
/* The VMM's end of the connection to an introspection tool. */
#include "offer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* To stderr, unless it was said the last time. */
static __attribute__((format(printf, 2, 3))) void complain(struct offer *o, const char *fmt, ...)
{
	char text[sizeof(o->said)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strcmp(text, o->said))
		fprintf(stderr, "kvmi-bench: %s\n", text);
	memcpy(o->said, text, sizeof(text));
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

bool offer_connect(struct offer *o, bool *fatal)
{
	int ret;

	*fatal = false;
	o->sock = connect_to(o->path);
	if (o->sock < 0) {
		complain(o, "no introspection tool at %s: %s; trying each second", o->path,
			 strerror(-o->sock));
		o->sock = -1;
		return false;
	}

	ret = kvmi_handshake_vmm(o->sock, KVMI_HANDSHAKE_TIMEOUT_MS, o->secret, o->secret_len,
				 &o->guest);
	if (ret == -EACCES)
		complain(o, "the tool at %s does not know the secret", o->path);
	else if (ret)
		complain(o, "handshake with the tool at %s: %s", o->path, strerror(-ret));
	if (!ret) {
		ret = vmm_hook(o->vm, o->sock);
		*fatal = ret == -EPERM || ret == -ENOTTY;
		if (ret)
			complain(o, "%s", vmm_error());
	}
	if (ret) {
		close(o->sock);
		o->sock = -1;
		return false;
	}

	o->said[0] = '\0';
	return true;
}

void offer_disconnect(struct offer *o)
{
	if (o->sock < 0)
		return;
	shutdown(o->sock, SHUT_RDWR);
	if (vmm_unhook(o->vm))
		complain(o, "%s", vmm_error());
	close(o->sock);
	o->sock = -1;
}

bool offer_ask_to_go(struct offer *o)
{
	return o->sock >= 0 && !vmm_preunhook(o->vm);
}
