// SPDX-License-Identifier: BSD-2-Clause
/* Client library: buffered message reading, commands and events of the KVMI wire protocol. */
#include "kvmi_client.h"

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

/*
 * The unread bytes of the stream are buf[start..end). A message is consumed by moving start; the
 * bytes are moved to the front only when the rest of a message would not fit behind them.
 */
struct kvmi_client {
	int fd;
	int timeout_ms;
	int error; /* final: what every call returns from now on, 0 none */
	uint32_t seq;
	struct kept *kept_first;
	struct kept **kept_last;
	size_t start;
	size_t end;
	uint8_t buf[BUF_SIZE] __attribute__((aligned(8)));
};

static int fail(struct kvmi_client *c, int error)
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
			return fail(c, ret);

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

int kvmi_send_raw(struct kvmi_client *c, const void *buf, size_t len)
{
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};

	return send_all(c, &iov, len ? 1 : 0);
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
	return send_all(c, iov, 1 + n);
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

		ret = before_wait(c, d, POLLIN);
		if (ret)
			return ret == -ETIMEDOUT ? ret : fail(c, ret);

		len = recv(c->fd, c->buf + c->end, BUF_SIZE - c->end, 0);
		if (!len)
			return fail(c, -EPIPE);
		if (len > 0) {
			c->end += len;
		} else if (errno != EINTR) {
			ret = socket_error();
			return ret == -ETIMEDOUT ? ret : fail(c, ret);
		}
	}
	if (ret < 0)
		return fail(c, ret);

	*payload = c->buf + c->start + sizeof(*hdr);
	c->start += sizeof(*hdr) + hdr->size;
	return 0;
}

static int keep(struct kvmi_client *c, const struct kvmi_msg_hdr *hdr, const uint8_t *payload)
{
	struct kept *k = malloc(sizeof(*k) + hdr->size);

	if (!k)
		return fail(c, -ENOMEM);

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

	*kept = c->kept_first ? take_kept(c, w) : NULL;
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

/*
 * Like kvmi_command_wait(), for replies of unknown length: *@got bytes of at most @size. Fewer than
 * @need is an error.
 */
static int reply_wait(struct kvmi_client *c, uint16_t id, uint32_t seq, void *data, size_t need,
		      size_t size, size_t *got)
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
		ret = fail(c, -EPROTO);
		goto out;
	}
	memcpy(&ec, p, sizeof(ec));
	if (ec.err > 0) {
		ret = fail(c, -EPROTO);
	} else if (ec.err) {
		ret = -ec.err;
	} else if (hdr.size - sizeof(ec) < need) {
		ret = fail(c, -EPROTO);
	} else {
		*got = hdr.size - sizeof(ec);
		if (*got > size)
			*got = size;
		if (*got)
			memcpy(data, p + sizeof(ec), *got);
	}
out:
	free(kept);
	return ret;
}

int kvmi_command_wait(struct kvmi_client *c, uint16_t id, uint32_t seq, void *data, size_t size)
{
	size_t got;

	return reply_wait(c, id, seq, data, size, size, &got);
}

static int command_iov(struct kvmi_client *c, uint16_t id, const struct iovec *payload, int n,
		       void *data, size_t size)
{
	uint32_t seq;
	int ret = kvmi_command_send(c, id, payload, n, &seq);

	return ret ? ret : kvmi_command_wait(c, id, seq, data, size);
}

int kvmi_command(struct kvmi_client *c, uint16_t id, const void *payload, size_t psize, void *data,
		 size_t size)
{
	struct iovec iov = {.iov_base = (void *)payload, .iov_len = psize};

	return command_iov(c, id, &iov, psize ? 1 : 0, data, size);
}

int kvmi_get_version(struct kvmi_client *c, uint32_t *version)
{
	struct kvmi_get_version_reply rpl;
	int ret = kvmi_command(c, KVMI_GET_VERSION, NULL, 0, &rpl, sizeof(rpl));

	if (!ret)
		*version = rpl.version;
	return ret;
}

int kvmi_check_command(struct kvmi_client *c, uint16_t id)
{
	struct kvmi_vm_check_command req = {.id = id};

	return kvmi_command(c, KVMI_VM_CHECK_COMMAND, &req, sizeof(req), NULL, 0);
}

int kvmi_check_event(struct kvmi_client *c, uint16_t id)
{
	struct kvmi_vm_check_event req = {.id = id};

	return kvmi_command(c, KVMI_VM_CHECK_EVENT, &req, sizeof(req), NULL, 0);
}

int kvmi_write_physical(struct kvmi_client *c, uint64_t gpa, const void *data, size_t size)
{
	struct kvmi_vm_write_physical req = {.gpa = gpa, .size = size};
	struct iovec iov[] = {
		{.iov_base = &req, .iov_len = sizeof(req)},
		{.iov_base = (void *)data, .iov_len = size},
	};

	return command_iov(c, KVMI_VM_WRITE_PHYSICAL, iov, 2, NULL, 0);
}

int kvmi_vcpu_control_events(struct kvmi_client *c, uint16_t vcpu, uint16_t event, bool enable)
{
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {
		.hdr.vcpu = vcpu,
		.cmd.event_id = event,
		.cmd.enable = enable,
	};

	return kvmi_command(c, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req), NULL, 0);
}

int kvmi_vcpu_get_registers(struct kvmi_client *c, uint16_t vcpu, uint32_t *mode,
			    struct kvm_regs *regs, struct kvm_sregs *sregs,
			    struct kvm_msr_entry *msrs, unsigned int nmsrs)
{
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_get_registers cmd;
	} req = {.hdr.vcpu = vcpu};
	size_t need = sizeof(struct kvmi_vcpu_get_registers_reply) + nmsrs * sizeof(*msrs);
	uint8_t rpl[KVMI_REPLY_SIZE] __attribute__((aligned(8)));
	uint32_t idx[KVMI_MAX_GET_MSRS];
	struct iovec iov[] = {
		{.iov_base = &req, .iov_len = sizeof(req)},
		{.iov_base = idx, .iov_len = nmsrs * sizeof(idx[0])},
	};
	const struct kvmi_vcpu_get_registers_reply *r = (const void *)rpl;
	uint32_t seq;
	size_t got;
	int ret;

	if (nmsrs > KVMI_MAX_GET_MSRS)
		return -EINVAL;

	req.cmd.nmsrs = nmsrs;
	for (unsigned int i = 0; i < nmsrs; i++)
		idx[i] = msrs[i].index;

	ret = kvmi_command_send(c, KVMI_VCPU_GET_REGISTERS, iov, nmsrs ? 2 : 1, &seq);
	if (!ret)
		ret = reply_wait(c, KVMI_VCPU_GET_REGISTERS, seq, rpl, need, sizeof(rpl), &got);
	if (ret)
		return ret;
	if (r->msrs.nmsrs != nmsrs)
		return fail(c, -EPROTO);

	if (mode)
		*mode = r->mode;
	if (regs)
		*regs = r->regs;
	if (sregs)
		*sregs = r->sregs;
	if (nmsrs)
		memcpy(msrs, rpl + sizeof(*r), nmsrs * sizeof(*msrs));
	return 0;
}

int kvmi_vcpu_set_registers(struct kvmi_client *c, uint16_t vcpu, const struct kvm_regs *regs)
{
	struct kvmi_vcpu_hdr hdr = {.vcpu = vcpu};
	struct iovec iov[] = {
		{.iov_base = &hdr, .iov_len = sizeof(hdr)},
		{.iov_base = (void *)regs, .iov_len = sizeof(*regs)},
	};

	return command_iov(c, KVMI_VCPU_SET_REGISTERS, iov, 2, NULL, 0);
}

/* --- events --- */

/* Takes an event apart. The common part may be longer than the one known here: it says its size. */
static int parse_event(const struct kvmi_msg_hdr *hdr, const uint8_t *p, struct kvmi_event_msg *ev)
{
	uint16_t common;
	size_t specific;

	if (hdr->size < sizeof(common))
		return -EPROTO;
	memcpy(&common, p, sizeof(common));
	if (common < sizeof(ev->common) || common > hdr->size)
		return -EPROTO;

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

int kvmi_recv_event(struct kvmi_client *c, struct kvmi_event_msg *ev)
{
	const struct want w = {.what = WANT_EVENT};
	struct kvmi_msg_hdr hdr;
	const uint8_t *p;
	struct kept *kept;
	int ret = wait_for(c, &w, &hdr, &p, &kept);

	if (ret)
		return ret;

	ret = parse_event(&hdr, p, ev);
	free(kept);
	return ret ? fail(c, ret) : 0;
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

	return send_msg(c, KVMI_EVENT_REPLY, ev->hdr.seq, &iov, 1);
}

const char *kvmi_strerror(int ret)
{
	static _Thread_local char buf[64];

	if (ret < 0)
		return ret == -EPIPE ? "the other end of the introspection socket is closed"
				     : strerror(-ret);

	switch (ret) {
	case 0:
		return "success";
	case KVM_EPERM:
		return "KVM_EPERM: not allowed by the VMM";
	case KVM_ENOENT:
		return "KVM_ENOENT: no such thing";
	case KVM_E2BIG:
		return "KVM_E2BIG: too big";
	case KVM_EAGAIN:
		return "KVM_EAGAIN: the vCPU is not initialised";
	case KVM_ENOMEM:
		return "KVM_ENOMEM: out of memory, or the reply is too large";
	case KVM_EFAULT:
		return "KVM_EFAULT: bad address";
	case KVM_EBUSY:
		return "KVM_EBUSY: in use, or too many requests pending";
	case KVM_EINVAL:
		return "KVM_EINVAL: malformed message or value out of range";
	case KVM_EOPNOTSUPP:
		return "KVM_EOPNOTSUPP: not possible in this state or on this vCPU";
	case KVM_ENOSYS:
		return "KVM_ENOSYS: this kernel does not know the command";
	default:
		snprintf(buf, sizeof(buf), "unknown KVM error %d", ret);
		return buf;
	}
}
