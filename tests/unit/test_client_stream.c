// SPDX-License-Identifier: BSD-2-Clause
/* Unit tests of the client library: a stream in pieces, time limits, ends; raw access. */
#include "client_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_ms(int n)
{
	nanosleep(&(struct timespec){.tv_nsec = n * 1000000L}, NULL);
}

static void *feed_bytes(void *arg)
{
	struct fixture *f = arg;
	struct wire_bp w = bp_event(9);
	const uint8_t *p = (const uint8_t *)&w;

	/* The header byte by byte, then pieces that end anywhere. */
	for (size_t done = 0, n = 1; done < sizeof(w); done += n) {
		n = done < 10 ? 1 : 93;
		if (n > sizeof(w) - done)
			n = sizeof(w) - done;
		if (write(f->kernel, p + done, n) != (ssize_t)n)
			abort();
		pause_ms(3);
	}
	return NULL;
}

static void test_partial_reads(void **state)
{
	struct fixture *f = *state;
	struct kvmi_event_msg ev;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, feed_bytes, f), 0);
	assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
	assert_int_equal(ev.hdr.seq, 9);
	assert_int_equal(ev.breakpoint.insn_len, 1);
	pthread_join(thread, NULL);
}

/* Many messages of odd sizes behind each other: they cross the end of the buffer at every offset. */
static void test_stream_of_sizes(void **state)
{
	struct fixture *f = *state;
	static uint8_t buf[8 + KVMI_REPLY_SIZE], got[KVMI_REPLY_SIZE];
	struct kvmi_msg_hdr hdr;
	uint32_t sent = 0, received = 0;

	while (received < 4000) {
		/* Keep the socket filled, so that reads return several messages and parts. */
		for (;;) {
			uint16_t size = (sent * 2654435761u >> 19) + 1; /* 1..8192 */
			struct kvmi_msg_hdr h = {.id = KVMI_EVENT,
						 .seq = sent,
						 .size = size > KVMI_MSG_SIZE ? KVMI_MSG_SIZE
									      : size};

			if (sent - received >= 8)
				break;
			memcpy(buf, &h, sizeof(h));
			memset(buf + sizeof(h), sent & 0xff, h.size);
			k_write(f, buf, sizeof(h) + h.size);
			sent++;
		}
		assert_int_equal(kvmi_recv_msg(f->c, &hdr, got, sizeof(got)), 0);
		assert_int_equal(hdr.seq, received);
		for (unsigned int i = 0; i < hdr.size; i++)
			if (got[i] != (received & 0xff))
				fail_msg("message %u: byte %u is wrong", received, i);
		received++;
	}
}

static void test_oversized(void **state)
{
	struct fixture *f = *state;
	struct kvmi_msg_hdr hdr = {.id = KVMI_EVENT, .seq = 1, .size = KVMI_REPLY_SIZE + 1};
	struct kvmi_event_msg ev;

	k_write(f, &hdr, sizeof(hdr));
	assert_int_equal(kvmi_recv_event(f->c, &ev), -EMSGSIZE);
	assert_int_equal(kvmi_check_event(f->c, 0), -EMSGSIZE);
}

static void test_eof(void **state)
{
	struct fixture *f = *state;
	struct kvmi_event_msg ev;
	uint32_t version;

	k_event(f, 1);
	close(f->kernel);
	f->kernel = -1;
	/* What was sent before the end is still there. */
	assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
	assert_int_equal(kvmi_recv_event(f->c, &ev), -EPIPE);
	assert_int_equal(kvmi_get_version(f->c, &version), -EPIPE);
	assert_int_equal(kvmi_reply_event(f->c, &ev, 0), -EPIPE);
}

static void test_eof_within_message(void **state)
{
	struct fixture *f = *state;
	struct wire_bp w = bp_event(1);
	struct kvmi_event_msg ev;

	k_write(f, &w, 100);
	close(f->kernel);
	f->kernel = -1;
	assert_int_equal(kvmi_recv_event(f->c, &ev), -EPIPE);
}

static void test_send_to_closed(void **state)
{
	struct fixture *f = *state;

	close(f->kernel);
	f->kernel = -1;
	/* No SIGPIPE either: it would end this test. */
	assert_int_equal(kvmi_send_raw(f->c, "x", 1), -EPIPE);
}

static void test_timeout(void **state)
{
	struct fixture *f = *state;
	struct wire_bp w = bp_event(6);
	struct kvmi_event_msg ev;
	int64_t start = ms();

	assert_int_equal(kvmi_recv_event(f->c, &ev), -ETIMEDOUT);
	assert_in_range(ms() - start, TIMEOUT_MS - 10, TIMEOUT_MS + 2000);

	/* Not final, and a message read in part is not lost. */
	k_write(f, &w, 300);
	start = ms();
	assert_int_equal(kvmi_recv_event(f->c, &ev), -ETIMEDOUT);
	assert_in_range(ms() - start, TIMEOUT_MS - 10, 2 * TIMEOUT_MS + 2000);
	k_write(f, (uint8_t *)&w + 300, sizeof(w) - 300);
	assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
	assert_int_equal(ev.hdr.seq, 6);
}

static void *feed_events(void *arg)
{
	struct fixture *f = arg;
	struct wire_bp w = bp_event(1);

	for (int i = 0; i < 100; i++) {
		if (send(f->kernel, &w, sizeof(w), MSG_NOSIGNAL) != sizeof(w))
			break;
		pause_ms(TIMEOUT_MS / 8);
	}
	return NULL;
}

/* Events that keep coming must not keep the wait for a reply alive. */
static void test_timeout_despite_events(void **state)
{
	struct fixture *f = *state;
	struct kvmi_event_msg ev;
	pthread_t thread;
	uint32_t version;
	int64_t start = ms(), took;

	assert_int_equal(pthread_create(&thread, NULL, feed_events, f), 0);
	assert_int_equal(kvmi_get_version(f->c, &version), -ETIMEDOUT);
	took = ms() - start;
	assert_in_range(took, TIMEOUT_MS - 10, 4 * TIMEOUT_MS);
	assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
	shutdown(kvmi_client_fd(f->c), SHUT_RDWR);
	pthread_join(thread, NULL);
}

/* A kernel that does not read: sending ends, and a torn message is final. */
static void test_send_timeout(void **state)
{
	struct fixture *f = *state;
	static uint8_t big[4 << 20];

	assert_int_equal(kvmi_send_raw(f->c, big, sizeof(big)), -ETIMEDOUT);
	assert_int_equal(kvmi_check_event(f->c, 0), -ETIMEDOUT);
	close(f->kernel);
	f->kernel = -1;
	/* Still what made it final, not the end of the socket that came later. */
	assert_int_equal(kvmi_check_event(f->c, 0), -ETIMEDOUT);
}

static void test_raw(void **state)
{
	struct fixture *f = *state;
	struct kvmi_get_version_reply rpl = {.version = 1};
	struct kvmi_msg_hdr hdr = {.id = 0xffff, .seq = 99, .size = 3};
	uint8_t msg[11], buf[4];
	uint32_t version;

	memcpy(msg, &hdr, 8);
	memcpy(msg + 8, "abc", 3);
	assert_int_equal(kvmi_send_raw(f->c, msg, sizeof(msg)), 0);
	hdr = k_read(f, buf, 3);
	assert_int_equal(hdr.seq, 99);

	/* A kept event comes first, and only as much of it as was asked for. */
	k_event(f, 1);
	k_reply(f, KVMI_GET_VERSION, 1, 0, &rpl, sizeof(rpl));
	k_reply(f, 0xffff, 99, -KVM_ENOSYS, NULL, 0);
	assert_int_equal(kvmi_get_version(f->c, &version), 0);
	assert_int_equal(kvmi_recv_msg(f->c, &hdr, buf, 2), 0);
	assert_int_equal(hdr.id, KVMI_EVENT);
	assert_int_equal(hdr.size, 560);
	assert_int_equal(buf[0] | buf[1] << 8, 544);
	assert_int_equal(kvmi_recv_msg(f->c, &hdr, NULL, 0), 0);
	assert_int_equal(hdr.seq, 99);
	assert_int_equal(hdr.size, 8);
}

/* An event behind a reply nobody asked for yet is seen, half an event is not. */
static void test_event_pending(void **state)
{
	struct fixture *f = *state;
	struct wire_bp w = bp_event(1);
	struct kvmi_event_msg ev;
	struct kvmi_msg_hdr hdr;
	uint32_t seq;

	assert_false(kvmi_event_pending(f->c));
	assert_int_equal(kvmi_command_send(f->c, KVMI_GET_VERSION, NULL, 0, &seq), 0);
	k_event(f, 1);
	k_reply(f, KVMI_GET_VERSION, seq, -KVM_EPERM, NULL, 0);
	k_event(f, 2);
	k_write(f, &w, 100);
	assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
	assert_true(kvmi_event_pending(f->c));
	assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
	assert_int_equal(ev.hdr.seq, 2);
	/* The reply is kept, and part of an event buffered. */
	assert_true(kvmi_client_pending(f->c));
	assert_false(kvmi_event_pending(f->c));
	k_write(f, (uint8_t *)&w + 100, sizeof(w) - 100);
	assert_int_equal(kvmi_command_wait(f->c, KVMI_GET_VERSION, seq, NULL, 0), KVM_EPERM);

	/* A kept event counts. */
	k_reply(f, KVMI_GET_VERSION, seq + 1, -KVM_EPERM, NULL, 0);
	assert_int_equal(kvmi_command_send(f->c, KVMI_GET_VERSION, NULL, 0, &seq), 0);
	assert_int_equal(kvmi_command_wait(f->c, KVMI_GET_VERSION, seq, NULL, 0), KVM_EPERM);
	assert_true(kvmi_event_pending(f->c));
	assert_int_equal(kvmi_recv_msg(f->c, &hdr, NULL, 0), 0);
	assert_int_equal(hdr.id, KVMI_EVENT);
}

static void test_new_errors(void **state)
{
	struct kvmi_client *c = NULL;
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(kvmi_client_new(&c, fd[0], 100), -ENOTSOCK);
	assert_int_equal(kvmi_client_new(&c, -1, 100), -EBADF);
	assert_int_equal(kvmi_client_new(&c, fd[0], 0), -EINVAL);
	assert_null(c);
	/* Not taken over. */
	assert_int_equal(close(fd[0]), 0);
	assert_int_equal(close(fd[1]), 0);
	kvmi_client_free(NULL);
}

/* Whatever holds of a client that sleeps while it waits holds of one that does not. */
static int setup_polling(void **state)
{
	struct fixture *f;
	int ret = setup(state);

	f = *state;
	if (!ret)
		kvmi_client_set_polling(f->c, true);
	return ret;
}

/* Waiting takes the CPU's time if it polls, and only then. */
static int64_t cpu_ms_of_waiting(struct fixture *f)
{
	struct kvmi_event_msg ev;
	struct timespec from, to;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	assert_int_equal(kvmi_recv_event(f->c, &ev), -ETIMEDOUT);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

static void test_polling(void **state)
{
	struct fixture *f = *state;

	assert_true(cpu_ms_of_waiting(f) < 10);
	kvmi_client_set_polling(f->c, true);
	assert_true(cpu_ms_of_waiting(f) >= 10);
	kvmi_client_set_polling(f->c, false);
	assert_true(cpu_ms_of_waiting(f) < 10);
}

static struct CMUnitTest polling(const char *name, CMUnitTestFunction test)
{
	return (struct CMUnitTest){
		.name = name,
		.test_func = test,
		.setup_func = setup_polling,
		.teardown_func = teardown,
	};
}

#define TEST_POLLING(test) polling(#test "_polling", test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_partial_reads),
		TEST(test_stream_of_sizes),
		TEST(test_oversized),
		TEST(test_eof),
		TEST(test_eof_within_message),
		TEST(test_send_to_closed),
		TEST(test_timeout),
		TEST(test_timeout_despite_events),
		TEST(test_send_timeout),
		TEST(test_raw),
		TEST(test_event_pending),
		TEST(test_polling),
		TEST_POLLING(test_partial_reads),
		TEST_POLLING(test_stream_of_sizes),
		TEST_POLLING(test_oversized),
		TEST_POLLING(test_eof),
		TEST_POLLING(test_eof_within_message),
		TEST_POLLING(test_timeout),
		TEST_POLLING(test_timeout_despite_events),
		cmocka_unit_test(test_new_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
