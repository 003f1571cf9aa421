// SPDX-License-Identifier: BSD-2-Clause
/* KCOV: a buffer of addresses per thread, merged into a hash that all processes share. */
#include "kcov.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcov.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATH  "/sys/kernel/debug/kcov"
#define WORDS (64u << 10)
#define SLOTS (1u << 20)

static atomic_ullong *slots;

static _Thread_local struct {
	int fd;
	_Atomic uint64_t *area;
} mine = {.fd = -1};

bool kcov_init(void)
{
	int fd = open(PATH, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	slots = mmap(NULL, SLOTS * sizeof(*slots), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (slots == MAP_FAILED)
		slots = NULL;
	return slots;
}

static void insert(uint64_t pc)
{
	uint32_t at = (pc * 0x9e3779b97f4a7c15ull) >> 44;

	for (unsigned int i = 0; i < SLOTS; i++, at++) {
		unsigned long long found =
			atomic_load_explicit(&slots[at & (SLOTS - 1)], memory_order_relaxed);

		if (found == pc)
			return;
		if (!found &&
		    (atomic_compare_exchange_strong(&slots[at & (SLOTS - 1)], &found, pc) ||
		     found == pc))
			return;
	}
}

static bool open_area(void)
{
	void *area;

	if (!slots || mine.fd >= 0)
		return false;
	mine.fd = open(PATH, O_RDWR | O_CLOEXEC);
	if (mine.fd < 0)
		return false;
	if (!ioctl(mine.fd, KCOV_INIT_TRACE, WORDS)) {
		area = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, mine.fd, 0);
		if (area != MAP_FAILED) {
			mine.area = area;
			return true;
		}
	}
	close(mine.fd);
	mine.fd = -1;
	return false;
}

void kcov_start(void)
{
	if (open_area() && ioctl(mine.fd, KCOV_ENABLE, KCOV_TRACE_PC))
		perror("KCOV_ENABLE");
}

void kcov_start_remote(unsigned int id)
{
	struct kcov_remote_arg arg = {
		.trace_mode = KCOV_TRACE_PC,
		.area_size = WORDS,
		.common_handle = kcov_remote_handle(KCOV_SUBSYSTEM_COMMON, id % 0xffffff + 1),
	};

	if (open_area() && ioctl(mine.fd, KCOV_REMOTE_ENABLE, &arg))
		perror("KCOV_REMOTE_ENABLE");
}

void kcov_collect(void)
{
	uint64_t n;

	if (!mine.area)
		return;
	n = atomic_load_explicit(&mine.area[0], memory_order_relaxed);
	for (uint64_t i = 0; i < n && i + 1 < WORDS; i++)
		insert(atomic_load_explicit(&mine.area[i + 1], memory_order_relaxed));
	atomic_store_explicit(&mine.area[0], 0, memory_order_relaxed);
}

void kcov_stop(void)
{
	if (!mine.area)
		return;
	ioctl(mine.fd, KCOV_DISABLE, 0);
	kcov_collect();
	munmap((void *)mine.area, WORDS * 8);
	close(mine.fd);
	mine.area = NULL;
	mine.fd = -1;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

long kcov_write(const char *path)
{
	uint64_t *pcs = malloc(SLOTS * sizeof(*pcs));
	FILE *f = fopen(path, "we");
	long n = 0;

	if (!pcs || !f) {
		free(pcs);
		return f ? -ENOMEM : -errno;
	}
	for (unsigned int i = 0; i < SLOTS; i++)
		if (slots[i])
			pcs[n++] = slots[i];
	qsort(pcs, n, sizeof(*pcs), compare);
	for (long i = 0; i < n; i++)
		fprintf(f, "%016llx\n", (unsigned long long)pcs[i]);
	free(pcs);
	return fclose(f) ? -errno : n;
}
