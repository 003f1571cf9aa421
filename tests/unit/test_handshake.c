// SPDX-License-Identifier: BSD-2-Clause
/* Unit tests of the handshake: each side against peers that are good, short, long, slow or gone. */
#include "kvmi_handshake.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMEOUT_MS 200

/* SHA-1 of "abc", FIPS 180's own example. */
static const uint8_t hash_abc[20] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
				     0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};

static const struct kvmi_handshake_guest who = {
	.struct_size = 96,
	.uuid = "0123456789abcde",
	.start_time_ms = 1234567890123,
	.name = "demo",
};

/* [0] the side under test, [1] its peer. */
static int setup(void **state)
{
	int *sv = calloc(2, sizeof(*sv));

	assert_non_null(sv);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	*state = sv;
	return 0;
}

static int teardown(void **state)
{
	int *sv = *state;

	close(sv[0]);
	if (sv[1] >= 0)
		close(sv[1]);
	free(sv);
	return 0;
}

static int64_t ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void put(const int *sv, const void *buf, size_t len)
{
	assert_int_equal(send(sv[1], buf, len, MSG_NOSIGNAL), len);
}

static int handshake_tool(int fd, int timeout_ms, const void *secret, size_t len,
			  struct kvmi_handshake_guest *guest)
{
	int ret = kvmi_handshake_receive(fd, timeout_ms, guest);

	return ret ? ret : kvmi_handshake_answer(fd, timeout_ms, secret, len);
}

static int tool(const int *sv, const char *secret, struct kvmi_handshake_guest *guest)
{
	return handshake_tool(sv[0], TIMEOUT_MS, secret, secret ? strlen(secret) : 0, guest);
}

static int vmm(const int *sv, const char *secret)
{
	return kvmi_handshake_vmm(sv[0], TIMEOUT_MS, secret, secret ? strlen(secret) : 0, &who);
}

/* What the tool has answered: that, and nothing else. */
static void expect_answer(const int *sv, const uint8_t *hash)
{
	uint8_t buf[100];

	assert_int_equal(recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT), 24);
	assert_memory_equal(buf, ((uint8_t[4]){24}), 4);
	assert_memory_equal(buf + 4, hash, 20);
}

/* --- the tool's side --- */

static void test_tool(void **state)
{
	struct kvmi_handshake_guest guest;
	uint8_t zero[20] = {0};

	put(*state, &who, sizeof(who));
	assert_int_equal(tool(*state, NULL, &guest), 0);
	assert_memory_equal(&guest, &who, sizeof(who));
	expect_answer(*state, zero);
}

static void test_tool_secret(void **state)
{
	struct kvmi_handshake_guest guest;

	put(*state, &who, sizeof(who));
	assert_int_equal(tool(*state, "abc", &guest), 0);
	expect_answer(*state, hash_abc);
}

/* The shortest there is: no name. Then part of one. */
static void test_tool_short_block(void **state)
{
	struct kvmi_handshake_guest guest, sent = who;

	sent.struct_size = 32;
	put(*state, &sent, 32);
	assert_int_equal(tool(*state, NULL, &guest), 0);
	assert_int_equal(guest.start_time_ms, who.start_time_ms);
	assert_string_equal(guest.name, "");

	sent.struct_size = 34;
	put(*state, &sent, 34);
	assert_int_equal(tool(*state, NULL, &guest), 0);
	assert_string_equal(guest.name, "de");
}

static void test_tool_name_without_end(void **state)
{
	struct kvmi_handshake_guest guest, sent = who;

	memset(sent.name, 'x', sizeof(sent.name));
	put(*state, &sent, sizeof(sent));
	assert_int_equal(tool(*state, NULL, &guest), 0);
	assert_int_equal(strlen(guest.name), 63);
}

/* The longest: all of it is consumed, and not a byte of what comes behind. */
static void test_tool_long_block(void **state)
{
	const int *sv = *state;
	static uint8_t block[64 * 1024 + 1];
	struct kvmi_handshake_guest guest, sent = who;
	uint8_t next = 0;

	sent.struct_size = 64 * 1024;
	memcpy(block, &sent, sizeof(sent));
	block[64 * 1024] = 0x77;
	put(sv, block, sizeof(block));
	assert_int_equal(tool(sv, NULL, &guest), 0);
	assert_int_equal(guest.struct_size, 64 * 1024);
	assert_string_equal(guest.name, "demo");
	assert_int_equal(recv(sv[0], &next, 1, MSG_DONTWAIT), 1);
	assert_int_equal(next, 0x77);
}

static void test_tool_bad_sizes(void **state)
{
	static const uint32_t sizes[] = {0, 4, 31, 64 * 1024 + 1, ~0U};
	struct kvmi_handshake_guest guest;
	uint8_t buf;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const int *sv = *state;

		put(sv, &sizes[i], 4);
		assert_int_equal(tool(sv, NULL, &guest), -EPROTO);
		assert_int_equal(recv(sv[1], &buf, 1, MSG_DONTWAIT), -1);
	}
}

/* Less than it says, and then silence, or the end. */
static void test_tool_truncated(void **state)
{
	struct kvmi_handshake_guest guest;
	int *sv = *state;
	int64_t start = ms();

	put(sv, &who, 50);
	assert_int_equal(tool(sv, NULL, &guest), -ETIMEDOUT);
	assert_in_range(ms() - start, TIMEOUT_MS - 10, TIMEOUT_MS + 2000);

	put(sv, &who, 3);
	close(sv[1]);
	sv[1] = -1;
	assert_int_equal(tool(sv, NULL, &guest), -EPIPE);
}

static void *dribble(void *arg)
{
	const int *sv = arg;
	const uint8_t *p = (const uint8_t *)&who;

	for (size_t i = 0; i < sizeof(who); i++) {
		if (send(sv[1], p + i, 1, MSG_NOSIGNAL) != 1)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return NULL;
}

/* Byte by byte is slow, but in time. */
static void test_tool_dribble(void **state)
{
	struct kvmi_handshake_guest guest;
	const int *sv = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, dribble, *state), 0);
	assert_int_equal(handshake_tool(sv[0], 5000, NULL, 0, &guest), 0);
	pthread_join(thread, NULL);
	assert_string_equal(guest.name, "demo");
}

static void *dribble_slowly(void *arg)
{
	const int *sv = arg;

	for (int i = 0; i < 50 && send(sv[1], "", 1, MSG_NOSIGNAL) == 1; i++)
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	return NULL;
}

/* A byte now and then does not make the limit any longer. */
static void test_tool_slow(void **state)
{
	struct kvmi_handshake_guest guest;
	int *sv = *state;
	uint32_t size = 1000;
	int64_t start = ms();
	pthread_t thread;

	put(sv, &size, 4);
	assert_int_equal(pthread_create(&thread, NULL, dribble_slowly, sv), 0);
	assert_int_equal(tool(sv, NULL, &guest), -ETIMEDOUT);
	assert_in_range(ms() - start, TIMEOUT_MS - 10, TIMEOUT_MS + 500);
	shutdown(sv[1], SHUT_RDWR);
	pthread_join(thread, NULL);
}

/* --- the VMM's side --- */

static void test_vmm(void **state)
{
	const int *sv = *state;
	struct kvmi_handshake_answer answer = {.struct_size = 24};
	uint8_t buf[200];

	put(sv, &answer, sizeof(answer));
	assert_int_equal(vmm(sv, NULL), 0);
	assert_int_equal(recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT), 96);
	assert_memory_equal(buf, &who, 96);
}

static void test_vmm_secret(void **state)
{
	struct kvmi_handshake_answer answer = {.struct_size = 24};

	memcpy(answer.cookie_hash, hash_abc, sizeof(hash_abc));
	put(*state, &answer, sizeof(answer));
	assert_int_equal(vmm(*state, "abc"), 0);

	/* A tool may answer one when none is asked for. */
	put(*state, &answer, sizeof(answer));
	assert_int_equal(vmm(*state, NULL), 0);
}

static void test_vmm_wrong_secret(void **state)
{
	struct kvmi_handshake_answer answer = {.struct_size = 24};

	put(*state, &answer, sizeof(answer));
	assert_int_equal(vmm(*state, "abc"), -EACCES);

	memcpy(answer.cookie_hash, hash_abc, sizeof(hash_abc));
	answer.cookie_hash[19] ^= 1;
	put(*state, &answer, sizeof(answer));
	assert_int_equal(vmm(*state, "abc"), -EACCES);

	memcpy(answer.cookie_hash, hash_abc, sizeof(hash_abc));
	put(*state, &answer, sizeof(answer));
	assert_int_equal(vmm(*state, "abd"), -EACCES);
}

/* What comes behind the answer is KVM's. */
static void test_vmm_long_answer(void **state)
{
	const int *sv = *state;
	uint8_t block[3001] = {0}, next;
	uint32_t size = 3000;

	memcpy(block, &size, sizeof(size));
	memcpy(block + 4, hash_abc, sizeof(hash_abc));
	block[3000] = 0x77;
	put(sv, block, sizeof(block));
	assert_int_equal(vmm(sv, "abc"), 0);
	assert_int_equal(recv(sv[0], &next, 1, MSG_DONTWAIT), 1);
	assert_int_equal(next, 0x77);
}

static void test_vmm_bad_sizes(void **state)
{
	static const uint32_t sizes[] = {0, 23, 64 * 1024 + 1, ~0U};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		put(*state, &sizes[i], 4);
		assert_int_equal(vmm(*state, NULL), -EPROTO);
	}
}

static void test_vmm_truncated(void **state)
{
	struct kvmi_handshake_answer answer = {.struct_size = 24};
	int *sv = *state;
	int64_t start = ms();

	assert_int_equal(vmm(sv, NULL), -ETIMEDOUT);
	assert_in_range(ms() - start, TIMEOUT_MS - 10, TIMEOUT_MS + 2000);

	put(sv, &answer, 10);
	shutdown(sv[1], SHUT_WR);
	assert_int_equal(vmm(sv, NULL), -EPIPE);
	close(sv[1]);
	sv[1] = -1;
	/* No SIGPIPE: it would end this test. */
	assert_int_equal(vmm(sv, NULL), -EPIPE);
}

/* A tool that reads nothing: sending has the same limit. */
static void test_vmm_peer_does_not_read(void **state)
{
	const int *sv = *state;
	static uint8_t filler[4096];
	int64_t start;

	while (send(sv[0], filler, sizeof(filler), MSG_DONTWAIT) > 0)
		;
	while (send(sv[0], filler, 1, MSG_DONTWAIT) > 0)
		;
	start = ms();
	assert_int_equal(vmm(sv, NULL), -ETIMEDOUT);
	assert_in_range(ms() - start, TIMEOUT_MS - 10, TIMEOUT_MS + 2000);
}

/* --- both --- */

static void *run_vmm(void *arg)
{
	const int *sv = arg;

	return (void *)(intptr_t)kvmi_handshake_vmm(sv[1], TIMEOUT_MS, "sesame", 6, &who);
}

static void test_both(void **state)
{
	const int *sv = *state;
	struct kvmi_handshake_guest guest;
	pthread_t thread;
	void *ret;

	assert_int_equal(pthread_create(&thread, NULL, run_vmm, *state), 0);
	assert_int_equal(handshake_tool(sv[0], TIMEOUT_MS, "sesame", 6, &guest), 0);
	pthread_join(thread, &ret);
	assert_int_equal((intptr_t)ret, 0);
	assert_string_equal(guest.name, "demo");
}

/* --- the secret --- */

static void write_file(const char *path, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (size_t i = 0; i < len; i++)
		fputc('s', f);
	assert_int_equal(fclose(f), 0);
}

static void test_secret_read(void **state)
{
	static char secret[KVMI_SECRET_MAX];
	char path[] = "/tmp/kvmi-secret.XXXXXX";
	int fd = mkstemp(path);
	size_t len;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(kvmi_secret_read(path, secret, &len), -ENODATA);
	write_file(path, 7);
	assert_int_equal(kvmi_secret_read(path, secret, &len), 0);
	assert_int_equal(len, 7);
	assert_memory_equal(secret, "sssssss", 7);
	write_file(path, KVMI_SECRET_MAX);
	assert_int_equal(kvmi_secret_read(path, secret, &len), 0);
	assert_int_equal(len, KVMI_SECRET_MAX);
	write_file(path, KVMI_SECRET_MAX + 1);
	assert_int_equal(kvmi_secret_read(path, secret, &len), -EFBIG);
	unlink(path);
	assert_int_equal(kvmi_secret_read(path, secret, &len), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_tool),
		TEST(test_tool_secret),
		TEST(test_tool_short_block),
		TEST(test_tool_name_without_end),
		TEST(test_tool_long_block),
		TEST(test_tool_bad_sizes),
		TEST(test_tool_truncated),
		TEST(test_tool_dribble),
		TEST(test_tool_slow),
		TEST(test_vmm),
		TEST(test_vmm_secret),
		TEST(test_vmm_wrong_secret),
		TEST(test_vmm_long_answer),
		TEST(test_vmm_bad_sizes),
		TEST(test_vmm_truncated),
		TEST(test_vmm_peer_does_not_read),
		TEST(test_both),
		cmocka_unit_test(test_secret_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
