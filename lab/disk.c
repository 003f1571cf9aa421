// SPDX-License-Identifier: BSD-2-Clause
/* Makes the disk a lab machine boots from: bzImage, command line and initramfs laid out for boot.S. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "disk.h"

#define SECTOR	 512
#define CYLINDER (16 * 63) /* sectors in one, with the geometry Bochs is told */

/* One row of the table in sector 0; the last has no sectors. */
struct load {
	uint32_t sectors, first, addr;
};

static const char *disk_path;
static FILE *disk;
static struct load loads[8];
static unsigned int nloads;
static uint32_t next_sector = 1;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("kvmi-lat: lab: disk: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static unsigned char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	unsigned char *data;
	struct stat st;

	if (!f || fstat(fileno(f), &st))
		die("%s: %s", path, strerror(errno));
	data = malloc(st.st_size + 1);
	if (!data || fread(data, 1, st.st_size, f) != (size_t)st.st_size)
		die("%s: cannot be read", path);
	fclose(f);
	*len = st.st_size;
	return data;
}

static void write_at(uint32_t sector, const void *data, size_t len)
{
	if (fseek(disk, (long)sector * SECTOR, SEEK_SET) || fwrite(data, 1, len, disk) != len)
		die("%s: %s", disk_path, strerror(errno));
}

static void add(const void *data, size_t len, uint32_t addr)
{
	uint32_t sectors = (len + SECTOR - 1) / SECTOR;

	write_at(next_sector, data, len);
	loads[nloads++] = (struct load){sectors, next_sector, addr};
	next_sector += sectors;
}

static void put16(unsigned char *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void put32(unsigned char *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* Documentation/arch/x86/boot.rst: what a boot loader fills in. */
static size_t patch_header(unsigned char *image, size_t len, size_t initrd_len)
{
	size_t setup_len;

	if (len < 0x260 || memcmp(image + 0x202, "HdrS", 4))
		die("not a bzImage");
	setup_len = ((image[0x1f1] ? image[0x1f1] : 4) + 1) * SECTOR;
	if (setup_len > LAB_SETUP_STACK || setup_len > len)
		die("not a bzImage (setup part of %zu bytes)", setup_len);
	image[0x210] = 0xff;		       /* type_of_loader: none of the known */
	image[0x211] |= 0x80;		       /* loadflags: heap_end_ptr is valid */
	put32(image + 0x218, LAB_INITRD_ADDR); /* ramdisk_image, ramdisk_size */
	put32(image + 0x21c, initrd_len);
	put16(image + 0x224, LAB_SETUP_STACK - 0x200);
	put32(image + 0x228, LAB_CMDLINE);
	return setup_len;
}

int main(int argc, char **argv)
{
	size_t kernel_len, initrd_len, setup_len, cmdline_len, cylinders;
	unsigned char *kernel, *initrd;

	if (argc != 5)
		die("usage: disk DISK BZIMAGE INITRD CMDLINE");
	disk_path = argv[1];
	kernel = read_file(argv[2], &kernel_len);
	initrd = read_file(argv[3], &initrd_len);
	cmdline_len = strlen(argv[4]) + 1;
	if (cmdline_len > LAB_CMDLINE_MAX)
		die("kernel command line of more than %d bytes", LAB_CMDLINE_MAX - 1);
	setup_len = patch_header(kernel, kernel_len, initrd_len);

	disk = fopen(disk_path, "wb");
	if (!disk)
		die("%s: %s", disk_path, strerror(errno));
	add(kernel, setup_len, LAB_SETUP_ADDR);
	add(argv[4], cmdline_len, LAB_CMDLINE);
	add(kernel + setup_len, kernel_len - setup_len, LAB_KERNEL_ADDR);
	add(initrd, initrd_len, LAB_INITRD_ADDR);
	write_at(0, loads, sizeof(loads));
	cylinders = (next_sector + CYLINDER - 1) / CYLINDER;
	if (fseek(disk, cylinders * CYLINDER * (long)SECTOR - 1, SEEK_SET) ||
	    fputc(0, disk) == EOF || fclose(disk))
		die("%s: %s", disk_path, strerror(errno));
	printf("%zu\n", cylinders);
	return 0;
}
