// SPDX-License-Identifier: BSD-2-Clause
/* The introspector: one connection after the other, each with writers and a reader of its own temper. */
#include "tool.h"
#include "message.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WRITERS	  2
#define BATCH	  16
#define READ_SIZE 65536
#define QUEUE_MAX (4u << 20)
#define QUEUE_OK  (2u << 20)
#define IDLE_MS	  100

/**
 * struct connection - one of them, and its temper: one in so many, 0 never
 * @garbage: something was sent that makes replies unpredictable
 */
struct connection {
	const struct fuzz_plan *plan;
	unsigned int index;
	int fd;
	struct fuzz_style style;
	unsigned int no_read;
	unsigned int no_answer;
	unsigned int bad_answer;
	unsigned int split;
	struct fuzz_events *events;
	atomic_bool over;
	atomic_bool garbage;
	atomic_uint sent;
	atomic_uint writers;
};

struct writer {
	struct connection *c;
	unsigned int index;
	pthread_t thread;
};

static bool over(struct connection *c)
{
	return atomic_load(&c->over) || atomic_load(&fuzz_shared->stop) ||
	       atomic_load(&fuzz_shared->unhooked) > c->index;
}

/* False: the connection is over. Part of the bytes may have been sent then. */
static bool send_all(struct connection *c, const uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t n = send(c->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			buf += n;
			len -= n;
			continue;
		}
		if (n < 0 && errno == EAGAIN && !over(c)) {
			struct pollfd pfd = {.fd = c->fd, .events = POLLOUT};

			poll(&pfd, 1, 5);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			atomic_store(&c->over, true);
		return false;
	}
	return true;
}

static bool send_messages(struct connection *c, const uint8_t *buf, size_t len, unsigned int n)
{
	if (!send_all(c, buf, len))
		return false;
	atomic_fetch_add(&c->sent, n);
	atomic_fetch_add(&fuzz_shared->sent, n);
	fuzz_add(COUNT_SENT, n);
	return true;
}

/* In two parts; meanwhile somebody else may write. */
static bool send_split(struct connection *c, struct fuzz_random *r, const struct fuzz_message *m)
{
	size_t first = fuzz_below(r, m->len);

	atomic_store(&c->garbage, true);
	if (first && !send_all(c, m->buf, first))
		return false;
	usleep(fuzz_below(r, 300));
	return send_messages(c, m->buf + first, m->len - first, 1);
}

static bool send_batch(struct connection *c, struct fuzz_random *r, struct fuzz_message *m)
{
	static _Thread_local uint8_t buf[BATCH * MESSAGE_MAX];
	unsigned int n = fuzz_one_in(r, 4) ? 1 + fuzz_below(r, BATCH) : 1, i;
	size_t len = 0;

	for (i = 0; i < n; i++) {
		fuzz_command(m, r, &c->style, c->events);
		if (m->garbage)
			atomic_store(&c->garbage, true);
		memcpy(buf + len, m->buf, m->len);
		len += m->len;
	}
	return send_messages(c, buf, len, n);
}

static void *write_commands(void *arg)
{
	struct writer *w = arg;
	struct connection *c = w->c;
	struct fuzz_random r =
		fuzz_random(c->plan->round, THREAD_WRITER + c->index * WRITERS + w->index);
	struct fuzz_message m;
	bool ok = true;

	while (ok && !over(c) && atomic_load(&c->sent) < c->plan->messages) {
		if (c->split && fuzz_one_in(&r, c->split)) {
			fuzz_command(&m, &r, &c->style, c->events);
			ok = send_split(c, &r, &m);
		} else {
			ok = send_batch(c, &r, &m);
		}
		if (fuzz_one_in(&r, 64))
			usleep(fuzz_below(&r, 500));
	}
	atomic_fetch_sub(&c->writers, 1);
	return NULL;
}

/* --- what comes --- */

static void reply_came(struct connection *c, const struct kvmi_msg_hdr *hdr, const void *payload)
{
	const struct kvmi_error_code *ec = payload;
	unsigned int id = hdr->seq >> SEQ_ID_SHIFT & SEQ_ID_UNKNOWN;

	if (hdr->size < sizeof(*ec)) {
		fuzz_found("a reply to command %u has %u bytes", hdr->id, hdr->size);
		return;
	}
	fuzz_add(ec->err ? COUNT_REFUSED : COUNT_ANSWERED, 1);
	if (ec->err > 0 || ec->padding || (ec->err && hdr->size != sizeof(*ec)))
		fuzz_found("a reply to command %u: error %d, padding %#x, %u bytes", hdr->id,
			   ec->err, ec->padding, hdr->size);
	if (atomic_load(&c->garbage))
		return;
	if (id != SEQ_ID_UNKNOWN && id != hdr->id)
		fuzz_found("a reply to command %u, seq %#x, says that it is to %u", id, hdr->seq,
			   hdr->id);
	if (hdr->seq & SEQ_REFUSED && !ec->err)
		fuzz_found("command %u, seq %#x, which cannot be right, was not refused", hdr->id,
			   hdr->seq);
}

static void answer(struct connection *c, struct fuzz_random *r, const struct fuzz_event *ev)
{
	uint8_t action = KVMI_EVENT_ACTION_CONTINUE;
	struct fuzz_message m;

	if (c->no_answer && fuzz_one_in(r, c->no_answer))
		return;
	if (fuzz_one_in(r, 32))
		usleep(fuzz_below(r, 3000));
	if (ev->id == KVMI_EVENT_BREAKPOINT || fuzz_one_in(r, 8)) {
		fuzz_set_registers(&m, r, &c->style, ev);
		if (!send_messages(c, m.buf, m.len, 1))
			return;
	}
	if (c->bad_answer && fuzz_one_in(r, c->bad_answer)) {
		fuzz_bad_answer(&m, r, ev);
		atomic_store(&c->garbage, true);
		send_messages(c, m.buf, m.len, 1);
	}
	if (ev->id == KVMI_EVENT_BREAKPOINT && !fuzz_one_in(r, 4))
		action = KVMI_EVENT_ACTION_RETRY;
	else if (fuzz_one_in(r, 100))
		action = KVMI_EVENT_ACTION_CRASH;
	fuzz_answer(&m, ev, action);
	if (send_messages(c, m.buf, m.len, 1))
		fuzz_add(COUNT_ANSWERS, 1);
}

static void event_came(struct connection *c, struct fuzz_random *r, const struct kvmi_msg_hdr *hdr,
		       const void *payload)
{
	const struct kvmi_event *common = payload;
	const struct kvmi_event_breakpoint *bp = payload + sizeof(*common);
	size_t want = sizeof(*common);
	struct fuzz_event ev = {.connection = c->index, .seq = hdr->seq};

	fuzz_add(COUNT_EVENTS, 1);
	if (hdr->size >= want && common->event == KVMI_EVENT_BREAKPOINT)
		want += sizeof(*bp);
	if (hdr->size != want || common->size != sizeof(*common) ||
	    common->event >= KVMI_NUM_EVENTS || common->vcpu >= FUZZ_MAX_VCPUS) {
		fuzz_found("an event of %u bytes: size %u, id %u, vCPU %u", hdr->size, common->size,
			   common->event, common->vcpu);
		return;
	}
	ev.id = common->event;
	ev.vcpu = common->vcpu;
	ev.regs = common->arch.regs;
	if (ev.id == KVMI_EVENT_BREAKPOINT)
		ev.insn_len = bp->insn_len;
	if (ev.id == KVMI_EVENT_UNHOOK)
		return;
	fuzz_remember(c->events, &ev);
	answer(c, r, &ev);
}

/* Handles whole messages; gives how many bytes they were. */
static size_t parse(struct connection *c, struct fuzz_random *r, const uint8_t *buf, size_t len)
{
	size_t at = 0;

	while (len - at >= sizeof(struct kvmi_msg_hdr)) {
		_Alignas(8) uint8_t copy[KVMI_REPLY_SIZE];
		struct kvmi_msg_hdr hdr;

		memcpy(&hdr, buf + at, sizeof(hdr));
		if (hdr.size > KVMI_REPLY_SIZE) {
			fuzz_found("KVM sends a message %u of %u bytes", hdr.id, hdr.size);
			atomic_store(&c->over, true);
			return len;
		}
		if (len - at < sizeof(hdr) + hdr.size)
			break;
		memcpy(copy, buf + at + sizeof(hdr), hdr.size);
		/* To a command that has an event's id, KVM replies with that. */
		if (hdr.id == KVMI_EVENT && hdr.size != sizeof(struct kvmi_error_code))
			event_came(c, r, &hdr, copy);
		else
			reply_came(c, &hdr, copy);
		at += sizeof(hdr) + hdr.size;
	}
	return at;
}

static void read_messages(struct connection *c, struct fuzz_random *r)
{
	static uint8_t buf[READ_SIZE];
	size_t have = 0, used;

	/* Until the writers are through and nothing has come for a while. */
	for (;;) {
		struct pollfd pfd = {.fd = c->fd, .events = POLLIN};
		int ms = atomic_load(&c->writers) ? 10 : 2;
		ssize_t n;

		if (c->no_read && fuzz_one_in(r, c->no_read))
			usleep(fuzz_below(r, 20000));
		if (poll(&pfd, 1, ms) <= 0) {
			if (!atomic_load(&c->writers) || over(c))
				return;
			continue;
		}
		n = recv(c->fd, buf + have, sizeof(buf) - have, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0) {
			if (!over(c))
				fuzz_add(COUNT_CLOSED, 1);
			atomic_store(&c->over, true);
			return;
		}
		have += n;
		used = parse(c, r, buf, have);
		have -= used;
		memmove(buf, buf + used, have);
	}
}

/* --- the scenes --- */

static void start_writers(struct connection *c, struct writer *w)
{
	atomic_store(&c->writers, WRITERS);
	for (unsigned int i = 0; i < WRITERS; i++) {
		w[i].c = c;
		w[i].index = i;
		if (pthread_create(&w[i].thread, NULL, write_commands, &w[i])) {
			w[i].thread = 0;
			atomic_fetch_sub(&c->writers, 1);
		}
	}
}

static void mixed(struct connection *c)
{
	struct fuzz_random r = fuzz_random(c->plan->round, THREAD_READER + c->index);
	bool blind = fuzz_kind(KIND_NO_READ) && fuzz_one_in(&r, 10);
	struct writer w[WRITERS] = {0};

	start_writers(c, w);
	if (!blind)
		read_messages(c, &r);
	for (unsigned int i = 0; i < WRITERS; i++)
		if (w[i].thread)
			pthread_join(w[i].thread, NULL);
}

static void fill_with(uint8_t *buf, size_t size, unsigned int id, size_t payload)
{
	const struct kvmi_msg_hdr hdr = {.id = id, .size = payload, .seq = id << SEQ_ID_SHIFT};

	memset(buf, 0, size);
	for (size_t at = 0; at + sizeof(hdr) + payload <= size; at += sizeof(hdr) + payload)
		memcpy(buf + at, &hdr, sizeof(hdr));
}

static void *flood_writer(void *arg)
{
	struct connection *c = ((struct writer *)arg)->c;
	const size_t payload = sizeof(struct kvmi_vcpu_hdr) + 8;
	const unsigned int n = 300;
	uint8_t buf[300 * (8 + 16)];

	fill_with(buf, sizeof(buf), KVMI_VCPU_GET_REGISTERS, payload);
	while (!over(c) && send_messages(c, buf, sizeof(buf), n))
		;
	atomic_fetch_sub(&c->writers, 1);
	return NULL;
}

static void flood(struct connection *c)
{
	struct fuzz_random r = fuzz_random(c->plan->round, THREAD_READER + c->index);
	struct writer w = {.c = c};

	atomic_store(&c->writers, 1);
	if (pthread_create(&w.thread, NULL, flood_writer, &w))
		return;
	read_messages(c, &r);
	pthread_join(w.thread, NULL);
}

/* Nobody runs the vCPU, and nobody reads: how much does KVM take? */
static void queue(struct connection *c)
{
	static uint8_t buf[sizeof(struct kvmi_msg_hdr) + KVMI_MSG_SIZE];
	unsigned int idle_ms = 0;
	size_t taken = 0, part = 0;

	fill_with(buf, sizeof(buf), KVMI_VCPU_GET_CPUID, KVMI_MSG_SIZE);
	while (taken < QUEUE_MAX && idle_ms < IDLE_MS && !over(c)) {
		ssize_t n =
			send(c->fd, buf + part, sizeof(buf) - part, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			idle_ms = 0;
			taken += n;
			part += n;
			if (part == sizeof(buf)) {
				part = 0;
				atomic_fetch_add(&fuzz_shared->sent, 1);
				fuzz_add(COUNT_SENT, 1);
			}
		} else if (errno != EAGAIN) {
			break;
		} else {
			usleep(5000);
			idle_ms += 5;
		}
	}
	if (taken > QUEUE_OK)
		fuzz_found("%zu KiB of commands were taken for a vCPU that does not run",
			   taken / 1024);
}

/* --- the process --- */

static unsigned int some(struct fuzz_random *r, enum fuzz_kind kind, unsigned int connections,
			 unsigned int in)
{
	bool here = fuzz_one_in(r, connections);

	return here && fuzz_kind(kind) ? in : 0;
}

static void set_temper(struct connection *c, struct fuzz_random *r)
{
	c->style.connection = c->index;
	c->style.nr_vcpus = FUZZ_MAX_VCPUS;
	if (fuzz_below(r, 4))
		c->style.nr_vcpus = c->plan->nr_vcpus;
	c->style.half = some(r, KIND_HALF, 2, 8);
	c->style.garbage = some(r, KIND_GARBAGE, 6, 200);
	c->style.stale = some(r, KIND_STALE, 2, 50);
	c->style.setregs = some(r, KIND_SETREGS, 2, 4);
	c->split = some(r, KIND_SPLIT, 8, 100);
	c->no_read = some(r, KIND_NO_READ, 4, 10);
	c->no_answer = some(r, KIND_NO_ANSWER, 3, 2);
	c->bad_answer = some(r, KIND_BAD_ANSWER, 6, 40);
}

static void wait_hooked(const struct connection *c)
{
	while (atomic_load(&fuzz_shared->hooked) <= c->index && !atomic_load(&fuzz_shared->stop))
		usleep(200);
}

static void connection(const struct fuzz_plan *plan, unsigned int index, int fd,
		       struct fuzz_events *events)
{
	struct fuzz_random r = fuzz_random(plan->round, THREAD_CONNECTION + index);
	struct connection c = {.plan = plan, .index = index, .fd = fd, .events = events};
	bool early = fuzz_one_in(&r, 6), stay = fuzz_one_in(&r, 3);

	set_temper(&c, &r);
	if (!early || plan->scene != SCENE_MIXED)
		wait_hooked(&c);
	switch (plan->scene) {
	case SCENE_FLOOD:
		flood(&c);
		break;
	case SCENE_QUEUE:
		queue(&c);
		break;
	case SCENE_SCM:
		break;
	case SCENE_MIXED:
		mixed(&c);
		break;
	}
	if (early)
		wait_hooked(&c);
	if (!stay)
		close(fd);
	atomic_store(&fuzz_shared->done, index + 1);
}

_Noreturn void fuzz_tool(const struct fuzz_plan *plan, const int *sock)
{
	static struct fuzz_events events = {.lock = PTHREAD_MUTEX_INITIALIZER};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int i = 0; i < plan->nr_hooks && !atomic_load(&fuzz_shared->stop); i++)
		connection(plan, i, sock[i], &events);
	_exit(0);
}
