// SPDX-License-Identifier: BSD-2-Clause
/* The handshake of VMM and introspection tool, both sides, within a time limit. */
#include "kvmi_handshake.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/memops.h>
#include <nettle/sha1.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

_Static_assert(SHA1_DIGEST_SIZE == sizeof(((struct kvmi_handshake_answer *)0)->cookie_hash),
	       "the cookie is a SHA-1");

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Wait for @events, at most until @deadline. */
static int wait_until(int fd, short events, int64_t deadline)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline - now_ms();
		int ret = poll(&pfd, 1, left > 0 ? left : 0);

		if (ret > 0)
			return 0;
		if (!ret)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* A call on the socket has failed: 0 to try again. */
static int socket_error(void)
{
	switch (errno) {
	case EAGAIN:
	case EINTR:
		return 0;
	case ECONNRESET:
		return -EPIPE;
	default:
		return -errno;
	}
}

static int send_all(int fd, const void *buf, size_t size, int64_t deadline)
{
	const uint8_t *p = buf;

	while (size) {
		int ret = wait_until(fd, POLLOUT, deadline);
		ssize_t len = ret ? 0 : send(fd, p, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (len < 0)
			ret = socket_error();
		if (ret)
			return ret;
		if (len > 0) {
			p += len;
			size -= len;
		}
	}
	return 0;
}

static int recv_all(int fd, void *buf, size_t size, int64_t deadline)
{
	uint8_t *p = buf;

	while (size) {
		int ret = wait_until(fd, POLLIN, deadline);
		ssize_t len = ret ? 0 : recv(fd, p, size, MSG_DONTWAIT);

		if (len < 0)
			ret = socket_error();
		else if (!ret && !len)
			ret = -EPIPE;
		if (ret)
			return ret;
		if (len > 0) {
			p += len;
			size -= len;
		}
	}
	return 0;
}

/*
 * Receives a structure that begins with its own size: at least @min bytes, as much as fits into @buf of
 * @room bytes (the rest of which becomes zero); anything longer is consumed.
 */
static int recv_sized(int fd, void *buf, size_t min, size_t room, int64_t deadline)
{
	uint32_t size;
	size_t rest;
	int ret = recv_all(fd, &size, sizeof(size), deadline);

	if (ret)
		return ret;
	if (size < min || size > KVMI_HANDSHAKE_MAX)
		return -EPROTO;

	memset(buf, 0, room);
	memcpy(buf, &size, sizeof(size));
	rest = size - sizeof(size);
	room -= sizeof(size);
	if (room > rest)
		room = rest;
	ret = recv_all(fd, (uint8_t *)buf + sizeof(size), room, deadline);

	for (rest -= room; !ret && rest;) {
		uint8_t dropped[512];
		size_t n = rest < sizeof(dropped) ? rest : sizeof(dropped);

		ret = recv_all(fd, dropped, n, deadline);
		rest -= n;
	}
	return ret;
}

static void hash_secret(const void *secret, size_t len, uint8_t *hash)
{
	struct sha1_ctx ctx;

	sha1_init(&ctx);
	sha1_update(&ctx, len, secret);
	sha1_digest(&ctx, SHA1_DIGEST_SIZE, hash);
}

int kvmi_handshake_receive(int fd, int timeout_ms, struct kvmi_handshake_guest *guest)
{
	int ret = recv_sized(fd, guest, KVMI_HANDSHAKE_GUEST_MIN, sizeof(*guest),
			     now_ms() + timeout_ms);

	guest->name[sizeof(guest->name) - 1] = '\0';
	return ret;
}

int kvmi_handshake_answer(int fd, int timeout_ms, const void *secret, size_t len)
{
	struct kvmi_handshake_answer answer = {.struct_size = sizeof(answer)};

	if (secret)
		hash_secret(secret, len, answer.cookie_hash);
	return send_all(fd, &answer, sizeof(answer), now_ms() + timeout_ms);
}

void kvmi_uuid_text(const uint8_t uuid[16], char text[KVMI_UUID_TEXT_SIZE])
{
	for (int i = 0; i < 16; i++)
		text += sprintf(text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
				uuid[i]);
}

int kvmi_handshake_vmm(int fd, int timeout_ms, const void *secret, size_t len,
		       const struct kvmi_handshake_guest *guest)
{
	struct kvmi_handshake_guest mine = *guest;
	struct kvmi_handshake_answer answer;
	uint8_t hash[SHA1_DIGEST_SIZE];
	int64_t deadline = now_ms() + timeout_ms;
	int ret;

	mine.struct_size = sizeof(mine);
	mine.padding = 0;
	ret = send_all(fd, &mine, sizeof(mine), deadline);
	if (!ret)
		ret = recv_sized(fd, &answer, sizeof(answer), sizeof(answer), deadline);
	if (ret || !secret)
		return ret;

	hash_secret(secret, len, hash);
	return memeql_sec(hash, answer.cookie_hash, sizeof(hash)) ? 0 : -EACCES;
}

int kvmi_secret_read(const char *path, void *secret, size_t *len)
{
	uint8_t *p = secret, more;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int ret = 0;

	if (fd < 0)
		return -errno;

	*len = 0;
	do {
		size_t room = KVMI_SECRET_MAX - *len;

		n = read(fd, room ? p + *len : &more, room ? room : 1);
		if (n > 0 && !room)
			ret = -EFBIG;
		else if (n > 0)
			*len += n;
	} while (!ret && (n > 0 || (n < 0 && errno == EINTR)));
	if (n < 0)
		ret = -errno;
	close(fd);
	return ret || *len ? ret : -ENODATA;
}
