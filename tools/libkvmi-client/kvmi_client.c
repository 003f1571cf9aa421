// SPDX-License-Identifier: BSD-2-Clause
/* Client library, the channel: messages in and out of the socket, replies and events told apart. */
#include "kvmi_client_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Room for one message of the largest size, and for what may have come behind a small one. */
#define BUF_SIZE (2 * (sizeof(struct kvmi_msg_hdr) + KVMI_REPLY_SIZE))

/* A message kept for later. */
struct kept {
	struct kept *next;
	struct kvmi_msg_hdr hdr;
	uint8_t payload[];
};

/* Messages that will be sent together. */
struct batch {
	bool open;
	uint8_t *buf;
	size_t len;
	size_t room;
};

/*
 * The unread bytes of the stream are buf[start..end). A message is consumed by moving start; the
 * bytes are moved to the front only when the rest of a message would not fit behind them.
 */
struct kvmi_client {
	int fd;
	int timeout_ms;
	bool polling;
	int error; /* final: what every call returns from now on, 0 none */
	uint32_t seq;
	struct kept *kept_first;
	struct kept **kept_last;
	struct batch batch;
	size_t start;
	size_t end;
	uint8_t buf[BUF_SIZE] __attribute__((aligned(8)));
};

int kvmi_client_fail(struct kvmi_client *c, int error)
{
	c->error = error;
	return error;
}

/*
 * The kernel keeps the time: SO_RCVTIMEO and SO_SNDTIMEO bound each wait without a poll() before
 * every read. Further waits of one call are bounded by a deadline.
 */
int kvmi_client_set_timeout(struct kvmi_client *c, int timeout_ms)
{
	struct timeval tv = {0}; /* zero: for ever */

	if (timeout_ms == 0 || timeout_ms < -1)
		return -EINVAL;

	if (timeout_ms > 0) {
		tv.tv_sec = timeout_ms / 1000;
		tv.tv_usec = timeout_ms % 1000 * 1000;
	}
	if (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ||
	    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)))
		return -errno;

	c->timeout_ms = timeout_ms;
	return 0;
}

void kvmi_client_set_polling(struct kvmi_client *c, bool polling)
{
	c->polling = polling;
}

int kvmi_client_new(struct kvmi_client **out, int fd, int timeout_ms)
{
	struct kvmi_client *c = calloc(1, sizeof(*c));
	int ret;

	if (!c)
		return -ENOMEM;

	c->fd = fd;
	c->kept_last = &c->kept_first;
	ret = kvmi_client_set_timeout(c, timeout_ms);
	if (ret) {
		free(c);
		return ret;
	}

	*out = c;
	return 0;
}

void kvmi_client_free(struct kvmi_client *c)
{
	if (!c)
		return;

	while (c->kept_first) {
		struct kept *k = c->kept_first;

		c->kept_first = k->next;
		free(k);
	}
	free(c->batch.buf);
	close(c->fd);
	free(c);
}

int kvmi_client_fd(const struct kvmi_client *c)
{
	return c->fd;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * The first wait of a call is bounded by the socket's timeout alone. Whatever makes it wait again
 * (part of a message, a message for somebody else, a signal) starts the deadline for all further waits.
 */
struct deadline {
	bool waited;
	int64_t at; /* CLOCK_MONOTONIC milliseconds, 0 not started */
};

/* To be called before each wait for @events (POLLIN, POLLOUT). */
static int before_wait(const struct kvmi_client *c, struct deadline *d, short events)
{
	struct pollfd pfd = {.fd = c->fd, .events = events};

	if (!d->waited || c->timeout_ms < 0) {
		d->waited = true;
		return 0;
	}
	if (!d->at)
		d->at = now_ms() + c->timeout_ms;

	for (;;) {
		int64_t left = d->at - now_ms();
		int ret = left > 0 ? poll(&pfd, 1, left) : 0;

		if (!ret)
			return -ETIMEDOUT;
		if (ret > 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

/* errno of a failed call on the socket as this library reports it. */
static int socket_error(void)
{
	switch (errno) {
	case EAGAIN:
		return -ETIMEDOUT;
	case ECONNRESET:
		return -EPIPE;
	default:
		return -errno;
	}
}

/* --- sending --- */

/* Sends all of @iov, which it may change; one sendmsg() unless the socket takes less. */
static int send_all(struct kvmi_client *c, struct iovec *iov, size_t n)
{
	struct deadline d = {0};
	bool torn = false;

	if (c->error)
		return c->error;

	while (n) {
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
		ssize_t len = -1;
		int ret = before_wait(c, &d, POLLOUT);

		if (!ret) {
			len = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
			if (len < 0 && errno == EINTR)
				continue;
			if (len < 0)
				ret = socket_error();
		}
		if (ret == -ETIMEDOUT && !torn)
			return ret;
		if (ret)
			return kvmi_client_fail(c, ret);

		torn = true;
		while (n && (size_t)len >= iov->iov_len) {
			len -= iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (uint8_t *)iov->iov_base + len;
			iov->iov_len -= len;
		}
	}
	return 0;
}

static int batch_reserve(struct batch *b, size_t more)
{
	size_t room = b->room ? b->room : 1024;
	uint8_t *buf;

	while (room - b->len < more)
		room *= 2;
	if (room == b->room)
		return 0;

	buf = realloc(b->buf, room);
	if (!buf)
		return -ENOMEM;
	b->buf = buf;
	b->room = room;
	return 0;
}

static int batch_add(struct batch *b, const struct iovec *iov, size_t n)
{
	size_t size = 0;
	int ret;

	for (size_t i = 0; i < n; i++)
		size += iov[i].iov_len;
	ret = batch_reserve(b, size);
	if (ret)
		return ret;

	for (size_t i = 0; i < n; i++) {
		if (iov[i].iov_len)
			memcpy(b->buf + b->len, iov[i].iov_base, iov[i].iov_len);
		b->len += iov[i].iov_len;
	}
	return 0;
}

/* Now, or with the batch. Changes @iov. */
static int send_or_collect(struct kvmi_client *c, struct iovec *iov, size_t n)
{
	if (c->error)
		return c->error;
	return c->batch.open ? batch_add(&c->batch, iov, n) : send_all(c, iov, n);
}

int kvmi_batch_begin(struct kvmi_client *c)
{
	if (c->error)
		return c->error;
	if (c->batch.open)
		return -EINVAL;
	c->batch.open = true;
	return 0;
}

void kvmi_batch_drop(struct kvmi_client *c)
{
	c->batch.open = false;
	c->batch.len = 0;
}

int kvmi_batch_send(struct kvmi_client *c)
{
	struct iovec iov = {.iov_base = c->batch.buf, .iov_len = c->batch.len};

	kvmi_batch_drop(c);
	return send_all(c, &iov, iov.iov_len ? 1 : 0);
}

int kvmi_send_raw(struct kvmi_client *c, const void *buf, size_t len)
{
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};

	return send_or_collect(c, &iov, len ? 1 : 0);
}

static int send_msg(struct kvmi_client *c, uint16_t id, uint32_t seq, const struct iovec *payload,
		    int n)
{
	struct kvmi_msg_hdr hdr = {.id = id, .seq = seq};
	struct iovec iov[1 + KVMI_MAX_IOV];
	size_t size = 0;

	if (n < 0 || n > KVMI_MAX_IOV)
		return -EINVAL;

	iov[0] = (struct iovec){.iov_base = &hdr, .iov_len = sizeof(hdr)};
	for (int i = 0; i < n; i++) {
		iov[1 + i] = payload[i];
		size += payload[i].iov_len;
		if (size > KVMI_MSG_SIZE)
			return -EINVAL;
	}
	hdr.size = size;
	return send_or_collect(c, iov, 1 + n);
}

/* --- receiving --- */

/* Is there a whole message at the front of the buffer? Negative: there never will be. */
static int buffered(const struct kvmi_client *c, struct kvmi_msg_hdr *hdr)
{
	size_t have = c->end - c->start;

	if (have < sizeof(*hdr))
		return 0;

	memcpy(hdr, c->buf + c->start, sizeof(*hdr));
	if (hdr->size > KVMI_REPLY_SIZE)
		return -EMSGSIZE;
	return have >= sizeof(*hdr) + hdr->size;
}

bool kvmi_client_pending(const struct kvmi_client *c)
{
	struct kvmi_msg_hdr hdr;

	return c->kept_first || buffered(c, &hdr) > 0;
}

bool kvmi_event_pending(const struct kvmi_client *c)
{
	size_t at = c->start;

	for (const struct kept *k = c->kept_first; k; k = k->next)
		if (k->hdr.id == KVMI_EVENT)
			return true;

	while (c->end - at >= sizeof(struct kvmi_msg_hdr)) {
		struct kvmi_msg_hdr hdr;

		memcpy(&hdr, c->buf + at, sizeof(hdr));
		if (c->end - at < sizeof(hdr) + hdr.size)
			break;
		if (hdr.id == KVMI_EVENT)
			return true;
		at += sizeof(hdr) + hdr.size;
	}
	return false;
}

/* recv() that asks over and over instead of sleeping. */
static ssize_t poll_recv(struct kvmi_client *c, struct deadline *d)
{
	for (;;) {
		ssize_t len = recv(c->fd, c->buf + c->end, BUF_SIZE - c->end, MSG_DONTWAIT);

		if (len >= 0 || errno != EAGAIN)
			return len;
		if (c->timeout_ms < 0)
			continue;
		if (!d->at) {
			d->at = now_ms() + c->timeout_ms;
		} else if (now_ms() >= d->at) {
			errno = EAGAIN;
			return len;
		}
	}
}

/*
 * Waits for the next message of the stream. *payload points into the buffer and is good until the
 * next call of this function; the message counts as consumed.
 */
static int next_msg(struct kvmi_client *c, struct deadline *d, struct kvmi_msg_hdr *hdr,
		    const uint8_t **payload)
{
	int ret;

	if (c->error)
		return c->error;

	while (!(ret = buffered(c, hdr))) {
		ssize_t len;

		if (c->start == c->end) {
			c->start = 0;
			c->end = 0;
		} else if (c->start > BUF_SIZE / 2) {
			memmove(c->buf, c->buf + c->start, c->end - c->start);
			c->end -= c->start;
			c->start = 0;
		}

		ret = c->polling ? 0 : before_wait(c, d, POLLIN);
		if (ret)
			return ret == -ETIMEDOUT ? ret : kvmi_client_fail(c, ret);

		len = c->polling ? poll_recv(c, d)
				 : recv(c->fd, c->buf + c->end, BUF_SIZE - c->end, 0);
		if (!len)
			return kvmi_client_fail(c, -EPIPE);
		if (len > 0) {
			c->end += len;
		} else if (errno != EINTR) {
			ret = socket_error();
			return ret == -ETIMEDOUT ? ret : kvmi_client_fail(c, ret);
		}
	}
	if (ret < 0)
		return kvmi_client_fail(c, ret);

	*payload = c->buf + c->start + sizeof(*hdr);
	c->start += sizeof(*hdr) + hdr->size;
	return 0;
}

static int keep(struct kvmi_client *c, const struct kvmi_msg_hdr *hdr, const uint8_t *payload)
{
	struct kept *k = malloc(sizeof(*k) + hdr->size);

	if (!k)
		return kvmi_client_fail(c, -ENOMEM);

	k->next = NULL;
	k->hdr = *hdr;
	memcpy(k->payload, payload, hdr->size);
	*c->kept_last = k;
	c->kept_last = &k->next;
	return 0;
}

/* What a call waits for: any message, any event, or the reply to (id, seq). */
struct want {
	enum { WANT_ANY, WANT_EVENT, WANT_REPLY } what;
	uint16_t id;
	uint32_t seq;
};

static bool wanted(const struct want *w, const struct kvmi_msg_hdr *hdr)
{
	switch (w->what) {
	case WANT_EVENT:
		return hdr->id == KVMI_EVENT;
	case WANT_REPLY:
		return hdr->id == w->id && hdr->seq == w->seq;
	default:
		return true;
	}
}

static struct kept *take_kept(struct kvmi_client *c, const struct want *w)
{
	for (struct kept **p = &c->kept_first; *p; p = &(*p)->next) {
		struct kept *k = *p;

		if (!wanted(w, &k->hdr))
			continue;
		*p = k->next;
		if (!k->next)
			c->kept_last = p;
		return k;
	}
	return NULL;
}

/*
 * Finds the wanted message, keeping what comes in between. If *@kept is not NULL afterwards, the
 * payload is in there and the caller frees it.
 */
static int wait_for(struct kvmi_client *c, const struct want *w, struct kvmi_msg_hdr *hdr,
		    const uint8_t **payload, struct kept **kept)
{
	struct deadline d = {0};

	*kept = NULL;
	if (c->batch.open) {
		int ret = kvmi_batch_send(c);

		if (ret)
			return ret;
	}
	if (c->kept_first)
		*kept = take_kept(c, w);
	if (*kept) {
		*hdr = (*kept)->hdr;
		*payload = (*kept)->payload;
		return 0;
	}

	for (;;) {
		int ret = next_msg(c, &d, hdr, payload);

		if (ret || wanted(w, hdr))
			return ret;
		ret = keep(c, hdr, *payload);
		if (ret)
			return ret;
	}
}

int kvmi_recv_msg(struct kvmi_client *c, struct kvmi_msg_hdr *hdr, void *payload, size_t size)
{
	const struct want w = {.what = WANT_ANY};
	const uint8_t *p;
	struct kept *kept;
	int ret = wait_for(c, &w, hdr, &p, &kept);

	if (ret)
		return ret;

	if (size > hdr->size)
		size = hdr->size;
	if (size)
		memcpy(payload, p, size);
	free(kept);
	return 0;
}

/* --- commands --- */

int kvmi_command_send(struct kvmi_client *c, uint16_t id, const struct iovec *payload, int n,
		      uint32_t *seq)
{
	*seq = ++c->seq;
	return send_msg(c, id, *seq, payload, n);
}

int kvmi_command_wait(struct kvmi_client *c, uint16_t id, uint32_t seq, void *data, size_t size)
{
	const struct want w = {.what = WANT_REPLY, .id = id, .seq = seq};
	struct kvmi_error_code ec;
	struct kvmi_msg_hdr hdr;
	const uint8_t *p;
	struct kept *kept;
	int ret = wait_for(c, &w, &hdr, &p, &kept);

	if (ret)
		return ret;

	if (hdr.size < sizeof(ec)) {
		ret = kvmi_client_fail(c, -EPROTO);
		goto out;
	}
	memcpy(&ec, p, sizeof(ec));
	if (ec.err > 0)
		ret = kvmi_client_fail(c, -EPROTO);
	else if (ec.err)
		ret = -ec.err;
	else if (hdr.size - sizeof(ec) < size)
		ret = kvmi_client_fail(c, -EPROTO);
	else if (size)
		memcpy(data, p + sizeof(ec), size);
out:
	free(kept);
	return ret;
}

/* --- events --- */

int kvmi_recv_event(struct kvmi_client *c, struct kvmi_event_msg *ev)
{
	const struct want w = {.what = WANT_EVENT};
	struct kvmi_msg_hdr hdr;
	const uint8_t *p;
	struct kept *kept;
	int ret = wait_for(c, &w, &hdr, &p, &kept);

	if (ret)
		return ret;

	ret = kvmi_parse_event(&hdr, p, ev);
	free(kept);
	return ret ? kvmi_client_fail(c, ret) : 0;
}

int kvmi_reply_event(struct kvmi_client *c, const struct kvmi_event_msg *ev, uint8_t action)
{
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_event_reply rpl;
	} reply = {
		.hdr.vcpu = ev->common.vcpu,
		.rpl.action = action,
		.rpl.event = ev->common.event,
	};
	struct iovec iov = {.iov_base = &reply, .iov_len = sizeof(reply)};

	if (!kvmi_event_needs_reply(ev))
		return -EINVAL;
	return send_msg(c, KVMI_EVENT_REPLY, ev->hdr.seq, &iov, 1);
}
