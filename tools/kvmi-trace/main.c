// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace: an example of an introspection tool. Main program: options and dispatch. */
#include "ending_signals.h"
#include "kvmi_trace.h"
#include "number.h"
#include "version.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char help[] =
	"Usage: kvmi-trace -l PATH [OPTION]... COMMAND [OPTION]...\n"
	"       kvmi-trace -f FD   [OPTION]... COMMAND [OPTION]...\n"
	"\n"
	"Looks into a running VM by KVM introspection (KVMI), and sets breakpoints in its guest.\n"
	"\n"
	"  vcpus                   list the vCPUs\n"
	"  regs                    the registers of one\n"
	"  break GVA[,GVA...]      report each time the guest executes the instruction at one of these\n"
	"                          linear addresses, until a signal, or until the VMM wants to end\n"
	"\n"
	"The VM:\n"
	"  -l, --listen PATH       listen on a unix socket until a VMM connects, as QEMU's chardev does\n"
	"      --socket-mode MODE  permissions of that socket, octal (default: 600)\n"
	"      --socket-group NAME the group of that socket\n"
	"  -g, --guest GUEST       wait for this VM, by name or UUID; others are turned away\n"
	"  -f, --fd FD             a connection that was inherited\n"
	"      --raw               no handshake: the other end is with KVM already\n"
	"  -s, --secret FILE       what the VMM wants the tool to know\n"
	"  -w, --wait SEC          how long to wait for the VMM (default: 30; 0: for ever)\n"
	"\n"
	"Commands:\n"
	"  -j, --json              a JSON object per line\n"
	"      --vcpu N            regs: this vCPU; break: addresses are in its address space (default: 0)\n"
	"      --cr3 ADDR          break: addresses are in this address space\n"
	"  -n, --count N           break: end after so many hits\n"
	"  -r, --regs LIST         break: report these registers, or all (default: rax,rdi,rsi,rsp)\n"
	"      --step MODE         break: how to go on after a hit: emulate the instruction, restore it\n"
	"                          while all other vCPUs are paused, or auto (default): emulate the\n"
	"                          simplest, restore for the others\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"Examples:\n"
	"  kvmi-trace -l /run/kvmi.sock vcpus\n"
	"  kvmi-trace -l /run/kvmi.sock regs --vcpu 1 --json\n"
	"  kvmi-trace -l /run/kvmi.sock break 0xffffffff81234560 --count 10\n"
	"  kvmi-trace -l /run/kvmi.sock break --json -r all 0x40040010,0x40040020 >hits.json\n"
	"\n"
	"Exit status: 0 done, or ended as asked; 1 something failed; 2 wrong usage.\n"
	"Every signal that ends it removes the breakpoints first. SIGKILL and a crash leave them in the\n"
	"guest.\n";

static int usage_error(const char *fmt, ...)
{
	va_list ap;

	if (fmt) {
		fputs("kvmi-trace: ", stderr);
		va_start(ap, fmt);
		vfprintf(stderr, fmt, ap);
		va_end(ap);
		fputc('\n', stderr);
	}
	fputs("Try 'kvmi-trace --help'.\n", stderr);
	return TRACE_USAGE;
}

/**
 * struct options - the command line
 * @command: the command's name
 * @json: print JSON
 */
struct options {
	struct connect_options connect;
	struct break_options brk;
	const char *command;
	bool json;
};

/* --- the values of options --- */

static int number_of(const char *what, const char *text, uint64_t max, uint64_t *value)
{
	if (!number_parse(text, max, value))
		return usage_error("%s %s: a number up to %llu is wanted", what, text,
				   (unsigned long long)max);
	return 0;
}

static int parse_addresses(struct break_options *o, const char *list)
{
	const char *end;

	for (;; list = end + 1) {
		if (o->n == TRACE_MAX_BREAKPOINTS)
			return usage_error("no more than %d breakpoints", TRACE_MAX_BREAKPOINTS);
		if (!number_parse_next(list, &end, &o->gva[o->n++]) || (*end && *end != ','))
			return usage_error("break %s: addresses are wanted, like 0x401000,0x401234",
					   list);
		if (!*end)
			return 0;
	}
}

static int parse_regs(struct break_options *o, const char *list)
{
	o->regs = 0;
	if (!strcmp(list, "all")) {
		o->regs = ~0U;
		return 0;
	}
	for (;;) {
		size_t len = strcspn(list, ",");
		int i = trace_reg_find(list, len);

		if (i < 0)
			return usage_error("--regs: there is no register %.*s", (int)len, list);
		o->regs |= 1U << i;
		if (!list[len])
			return 0;
		list += len + 1;
	}
}

static int parse_mode(struct connect_options *o, const char *text)
{
	size_t len = strspn(text, "01234567");

	if (!len || text[len] || len > 4)
		return usage_error("invalid mode '%s': --socket-mode is octal, like 660", text);
	o->mode = strtoul(text, NULL, 8);
	if (o->mode > 0777)
		return usage_error("invalid mode '%s': at most 777", text);
	return 0;
}

static int parse_group(struct connect_options *o, const char *name)
{
	const struct group *group = getgrnam(name);
	uint64_t number;

	if (group)
		number = group->gr_gid;
	else if (name[strspn(name, "0123456789")] ||
		 number_of("--socket-group", name, UINT32_MAX - 1, &number))
		return usage_error("there is no group %s", name);
	o->group = number;
	o->has_group = true;
	return 0;
}

static int parse_step(struct break_options *o, const char *mode)
{
	static const char *const modes[] = {"auto", "emulate", "restore"};

	for (unsigned int i = 0; i < 3; i++) {
		if (!strcmp(mode, modes[i])) {
			o->step = (enum step_mode)i;
			return 0;
		}
	}
	return usage_error("--step %s: auto, emulate or restore is wanted", mode);
}

enum { OPT_RAW = 256, OPT_SOCKET_MODE, OPT_SOCKET_GROUP, OPT_VCPU, OPT_CR3, OPT_STEP };

/* -1: the next one; else the exit status. */
static int parse_option(struct options *o, int c)
{
	uint64_t value;
	int ret = 0;

	switch (c) {
	case 'l':
		o->connect.listen = optarg;
		break;
	case 'f':
		ret = number_of("--fd", optarg, 65535, &value);
		o->connect.fd = value;
		break;
	case OPT_SOCKET_MODE:
		ret = parse_mode(&o->connect, optarg);
		break;
	case OPT_SOCKET_GROUP:
		ret = parse_group(&o->connect, optarg);
		break;
	case 'g':
		o->connect.guest = optarg;
		break;
	case OPT_RAW:
		o->connect.raw = true;
		break;
	case 's':
		o->connect.secret = optarg;
		break;
	case 'w':
		ret = number_of("--wait", optarg, 1000000, &value);
		o->connect.wait_s = value;
		break;
	case 'j':
		o->json = true;
		break;
	case OPT_VCPU:
		ret = number_of("--vcpu", optarg, 65535, &value);
		o->brk.vcpu = value;
		break;
	case OPT_CR3:
		ret = number_of("--cr3", optarg, UINT64_MAX, &o->brk.cr3);
		break;
	case 'n':
		ret = number_of("--count", optarg, UINT64_MAX, &o->brk.count);
		break;
	case 'r':
		ret = parse_regs(&o->brk, optarg);
		break;
	case OPT_STEP:
		ret = parse_step(&o->brk, optarg);
		break;
	case 'h':
		fputs(help, stdout);
		return TRACE_OK;
	case 'V':
		puts("kvmi-trace " KVMI_LAT_VERSION);
		return TRACE_OK;
	default:
		return usage_error(NULL);
	}
	return ret ? ret : -1;
}

/* Command and addresses may stand before, behind and between the options. */
static int parse_arguments(struct options *o, int argc, char **argv)
{
	for (; optind < argc; optind++) {
		int ret;

		if (!o->command) {
			o->command = argv[optind];
			continue;
		}
		if (strcmp(o->command, "break"))
			return usage_error("%s: unexpected argument %s", o->command, argv[optind]);
		ret = parse_addresses(&o->brk, argv[optind]);
		if (ret)
			return ret;
	}

	if (!o->command)
		return usage_error("which command? vcpus, regs or break");
	if (strcmp(o->command, "vcpus") && strcmp(o->command, "regs") &&
	    strcmp(o->command, "break"))
		return usage_error("there is no command %s", o->command);
	if (!strcmp(o->command, "break") && !o->brk.n)
		return usage_error("break where? An address is wanted");
	if (!o->connect.listen && o->connect.fd < 0)
		return usage_error("which VM? Use --listen PATH");
	if (o->connect.listen && o->connect.fd >= 0)
		return usage_error("--listen or --fd, not both");
	if (o->connect.listen && o->connect.raw)
		return usage_error("--raw is for --fd: who connects to a socket shakes hands");
	if (o->connect.guest && o->connect.raw)
		return usage_error("--guest is told in the handshake, which --raw leaves out");
	return -1;
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"fd", required_argument, NULL, 'f'},
		{"socket-mode", required_argument, NULL, OPT_SOCKET_MODE},
		{"socket-group", required_argument, NULL, OPT_SOCKET_GROUP},
		{"guest", required_argument, NULL, 'g'},
		{"raw", no_argument, NULL, OPT_RAW},
		{"secret", required_argument, NULL, 's'},
		{"wait", required_argument, NULL, 'w'},
		{"json", no_argument, NULL, 'j'},
		{"vcpu", required_argument, NULL, OPT_VCPU},
		{"cr3", required_argument, NULL, OPT_CR3},
		{"count", required_argument, NULL, 'n'},
		{"regs", required_argument, NULL, 'r'},
		{"step", required_argument, NULL, OPT_STEP},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "l:g:f:s:w:jn:r:hV", options, NULL)) != -1) {
		int status = parse_option(o, c);

		if (status >= 0)
			return status;
	}
	return parse_arguments(o, argc, argv);
}

/* --- signals --- */

/* They are read, not delivered, so that none can end us while there are breakpoints in the guest. */
static int open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	ending_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(const struct options *o)
{
	struct kvmi_client *c;
	sigset_t set;
	int ret = trace_connect(&o->connect, &c);

	if (ret)
		return ret;

	if (!strcmp(o->command, "break")) {
		ret = trace_break(c, &o->brk);
	} else {
		/* Nothing to clean up. */
		ending_signals(&set);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		ret = strcmp(o->command, "regs") ? trace_vcpus(c, o->json)
						 : trace_regs(c, o->brk.vcpu, o->json);
	}
	kvmi_client_free(c);
	if (fflush(stdout) && !ret)
		ret = trace_error("cannot write: %s", strerror(errno));
	return ret;
}

int main(int argc, char **argv)
{
	struct options o = {.connect = {.fd = -1, .wait_s = 30, .mode = 0600}};
	int status;

	parse_regs(&o.brk, "rax,rdi,rsi,rsp");
	status = parse(&o, argc, argv);
	if (status >= 0)
		return status;

	o.connect.signals = open_signals();
	if (o.connect.signals < 0)
		return trace_error("signalfd: %s", strerror(errno));
	o.brk.signals = o.connect.signals;
	o.brk.json = o.json;
	return run(&o);
}
