// SPDX-License-Identifier: BSD-2-Clause
/* More commands than a vCPU can execute: the guest and the VMM get their share of it all the same. */
#include "waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* So many commands may come before the guest has its turn. */
#define FLOOD	   64
#define BATCH	   200
#define FLOOD_MS   400
#define KICKS	   5
#define KICK_MS	   250
#define LEAST_PART 100 /* of what the guest gets without the flood */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* Opens the VM and hooks it. @narrow: KVM can write no more than some three replies that are not read. */
static void open_hooked(struct lab *l, bool narrow)
{
	int sv[2], least = 1;

	lab_open_any(l, &VMM_GUEST(waiting), 1);
	check_eq(vmm_vcpu_start(l->v, waiting_label(guest_waiting_loop)), 0);
	lab_socketpair(sv);
	if (narrow)
		check_eq(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
	check_eq(vmm_hook(l->vm, sv[0]), 0);
	close(sv[0]);
	check_eq(kvmi_client_new(&l->c, sv[1], TIMEOUT_MS), 0);
}

/* BATCH commands in one write, which KVM has read on return. */
static void send_batch(struct lab *l, uint16_t id, const void *payload, size_t size, uint32_t *seq)
{
	uint32_t version;

	check_kvmi(kvmi_batch_begin(l->c), 0);
	for (int i = 0; i < BATCH; i++)
		check_kvmi(kvmi_vcpu_command_send(l->c, id, 0, payload, size, &seq[i]), 0);
	check_kvmi(kvmi_batch_send(l->c), 0);
	check_kvmi(kvmi_get_version(l->c, &version), 0);
}

/* --- commands that were there before the vCPU runs --- */

static void test_flood_batch(void)
{
	struct runner r = {0};
	uint32_t seq[BATCH];
	uint8_t payload[16];
	struct lab l;

	open_hooked(&l, false);
	for (int running = 0; running < 2; running++) {
		send_batch(&l, KVMI_VCPU_GET_INFO, NULL, 0, seq);
		if (!running)
			runner_start(&r, l.v);
		for (int i = 0; i < BATCH; i++) {
			struct kvmi_msg_hdr hdr;

			check_kvmi(kvmi_recv_msg(l.c, &hdr, payload, sizeof(payload)), 0);
			check_eq(hdr.id, KVMI_VCPU_GET_INFO);
			check_eq(hdr.seq, seq[i]);
		}
		lab_goes_on(l.v);
	}
	lab_no_event(l.c);
	runner_stop(&r);
}

/* Whoever wants the vCPU back need not wait for all of them: what is left is done next time. */
static void test_flood_signal(void)
{
	const struct kvmi_vcpu_get_registers get = {0};
	struct kvmi_vcpu_get_registers_reply rpl;
	struct runner r = {0};
	uint32_t seq[BATCH];
	int i, ret;
	struct lab l;

	open_hooked(&l, true);
	send_batch(&l, KVMI_VCPU_GET_REGISTERS, &get, sizeof(get), seq);
	runner_start(&r, l.v);
	for (i = 0; i < 10; i++)
		check_kvmi(
			kvmi_command_wait(l.c, KVMI_VCPU_GET_REGISTERS, seq[i], &rpl, sizeof(rpl)),
			0);
	vmm_kick(l.v);
	check_eq(kvmi_client_set_timeout(l.c, 100), 0);
	for (; i < BATCH; i++) {
		ret = kvmi_command_wait(l.c, KVMI_VCPU_GET_REGISTERS, seq[i], &rpl, sizeof(rpl));
		if (ret == -ETIMEDOUT)
			break;
		check_kvmi(ret, 0);
	}
	check_eq(runner_join(&r), -EINTR);
	if (i == BATCH)
		fail("KVM_RUN does not end before all of %d commands are executed", BATCH);
	note("KVM_RUN ended after %d commands", i);

	check_eq(kvmi_client_set_timeout(l.c, TIMEOUT_MS), 0);
	runner_start(&r, l.v);
	for (; i < BATCH; i++)
		check_kvmi(
			kvmi_command_wait(l.c, KVMI_VCPU_GET_REGISTERS, seq[i], &rpl, sizeof(rpl)),
			0);
	lab_no_event(l.c);
	lab_goes_on(l.v);
	runner_stop(&r);
}

/* --- commands without end --- */

struct flood {
	int fd;
	volatile bool stop;
	volatile unsigned long replies;
	pthread_t sender, reader;
};

static void *send_flood(void *arg)
{
	struct {
		struct kvmi_msg_hdr hdr;
		struct kvmi_vcpu_hdr vcpu;
	} msgs[FLOOD] = {0};
	struct flood *f = arg;

	for (unsigned int i = 0; i < FLOOD; i++)
		msgs[i].hdr = (struct kvmi_msg_hdr){.id = KVMI_VCPU_GET_INFO,
						    .size = sizeof(struct kvmi_vcpu_hdr)};
	while (!f->stop && send(f->fd, msgs, sizeof(msgs), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void *read_flood(void *arg)
{
	static uint8_t buf[65536];
	struct flood *f = arg;
	ssize_t n;

	while ((n = recv(f->fd, buf, sizeof(buf), 0)) > 0)
		f->replies += n / (sizeof(struct kvmi_msg_hdr) + sizeof(struct kvmi_error_code) +
				   sizeof(struct kvmi_vcpu_get_info_reply));
	return NULL;
}

static void flood_start(struct flood *f, struct lab *l)
{
	*f = (struct flood){.fd = kvmi_client_fd(l->c)};
	check_eq(pthread_create(&f->reader, NULL, read_flood, f), 0);
	check_eq(pthread_create(&f->sender, NULL, send_flood, f), 0);
	for (int ms = 0; ms < TIMEOUT_MS && f->replies < BATCH; ms++)
		usleep(1000);
	check(f->replies >= BATCH);
}

static void flood_stop(struct flood *f)
{
	f->stop = true;
	shutdown(f->fd, SHUT_RDWR);
	pthread_join(f->sender, NULL);
	pthread_join(f->reader, NULL);
}

/* How far the guest gets in FLOOD_MS. */
static uint64_t progress(const struct vmm_vcpu *v)
{
	uint64_t hits = v->config->hits;

	usleep(FLOOD_MS * 1000);
	return v->config->hits - hits;
}

static void test_flood_progress(void)
{
	struct runner r = {.timeout_ms = 15000};
	uint64_t alone, flooded;
	struct flood f;
	struct lab l;

	open_hooked(&l, false);
	runner_start(&r, l.v);
	lab_goes_on(l.v);
	alone = progress(l.v);
	flood_start(&f, &l);
	flooded = progress(l.v);
	note("%llu rounds without, %llu with the flood; %lu replies", (unsigned long long)alone,
	     (unsigned long long)flooded, f.replies);
	check(flooded > alone / LEAST_PART);
	flood_stop(&f);
	lab_goes_on(l.v);
	runner_stop(&r);
}

static void test_flood_kick(void)
{
	struct runner r = {.timeout_ms = 15000};
	uint64_t worst = 0;
	struct flood f;
	struct lab l;

	open_hooked(&l, false);
	runner_start(&r, l.v);
	flood_start(&f, &l);
	for (int i = 0; i < KICKS; i++) {
		uint64_t begin = now_ms(), took;

		vmm_kick(l.v);
		while (l.v->tid && now_ms() - begin < KICK_MS)
			usleep(1000);
		took = now_ms() - begin;
		if (l.v->tid)
			fail("a signal does not end KVM_RUN within %d ms", KICK_MS);
		check_eq(runner_join(&r), -EINTR);
		if (took > worst)
			worst = took;
		runner_start(&r, l.v);
		usleep(50000);
	}
	note("a signal ends KVM_RUN within %llu ms", (unsigned long long)worst);
	flood_stop(&f);
	lab_goes_on(l.v);
	runner_stop(&r);
}

/* Whatever the introspector sends: the VMM can unhook. */
static void test_flood_unhook(void)
{
	struct runner r = {.timeout_ms = 15000};
	struct flood f;
	uint64_t begin;
	struct lab l;

	open_hooked(&l, false);
	runner_start(&r, l.v);
	flood_start(&f, &l);
	begin = now_ms();
	check_eq(vmm_unhook(l.vm), 0);
	check(now_ms() - begin < KICK_MS);
	lab_goes_on(l.v);
	flood_stop(&f);
	runner_stop(&r);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"200 commands at once are answered, in order", test_flood_batch},
		{"a signal ends KVM_RUN between two commands", test_flood_signal},
		{"the guest runs while commands come without end", test_flood_progress},
		{"signals end KVM_RUN while commands come without end", test_flood_kick},
		{"UNHOOK while commands come without end", test_flood_unhook},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}
