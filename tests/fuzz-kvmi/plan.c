// SPDX-License-Identifier: BSD-2-Clause
/* Random numbers, the kinds of hostility, and what a round is to be. */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define RFLAGS_TF 0x100ull
#define RFLAGS_IF 0x200ull

struct fuzz_options fuzz_options = {.seed = 1, .round = -1};
struct fuzz_shared *fuzz_shared;

const struct fuzz_kind_info fuzz_kinds[FUZZ_NR_KINDS] = {
	[KIND_HALF] = {"half", "messages with one thing wrong: size, padding, vCPU, ids, limits"},
	[KIND_GARBAGE] = {"garbage", "random bytes instead of messages"},
	[KIND_SPLIT] = {"split", "messages in parts, several writers in each other's way"},
	[KIND_SETREGS] = {"setregs", "SET_REGISTERS with RFLAGS.VM, reserved bits, strange RIP; "
				     "it must be refused"},
	[KIND_TABLES] = {"tables",
			 "the guest's tables and code overwritten, by introspector or VMM "
			 "(more than Bochs can take)"},
	[KIND_IF_OFF] = {"if-off",
			 "RFLAGS.IF clear (Bochs then does not leave a guest that spins)"},
	[KIND_NO_READ] = {"no-read", "introspectors that do not read"},
	[KIND_NO_ANSWER] = {"no-answer", "introspectors that do not answer events"},
	[KIND_BAD_ANSWER] = {"bad-answer", "wrong seq, event, vCPU, action; answers twice"},
	[KIND_STALE] = {"stale", "answers to events of an earlier hook"},
	[KIND_REHOOK] = {"rehook", "several hooks one after the other"},
	[KIND_FLOOD] = {"flood", "commands without end to a running vCPU"},
	[KIND_QUEUE] = {"queue", "large commands to a vCPU that does not run"},
	[KIND_KILL_TOOL] = {"kill-tool", "SIGKILL to the introspector"},
	[KIND_WRONG_FD] = {"wrong-fd", "HOOK of what is no connected AF_UNIX stream socket"},
	[KIND_SCM] = {"scm", "the VM's descriptor sent into its own hooked socket"},
	[KIND_KILL_VMM] = {"kill-vmm", "SIGKILL to the VMM"},
	[KIND_PERMISSIONS] = {"permissions", "COMMAND and EVENT while the introspector works"},
	[KIND_PREUNHOOK] = {"preunhook", "PREUNHOOK at any time"},
	[KIND_UNHOOK] = {"unhook", "UNHOOK and HOOK from other threads at any time"},
	[KIND_REGS] = {"regs", "KVM_SET_REGS, MSRS, DEBUGREGS and synchronised registers"},
	[KIND_SREGS] = {"sregs", "KVM_SET_SREGS and SREGS2"},
	[KIND_VCPU_EVENTS] = {"vcpu-events", "KVM_SET_VCPU_EVENTS, NMI, INTERRUPT"},
	[KIND_MP_STATE] = {"mp-state", "KVM_SET_MP_STATE"},
	[KIND_NESTED_STATE] = {"nested-state", "KVM_SET_NESTED_STATE"},
	[KIND_GUEST_DEBUG] = {"guest-debug", "KVM_SET_GUEST_DEBUG"},
	[KIND_SINGLE_STEP] =
		{"single-step",
		 "RFLAGS.TF set, NMIs (on SVM in Bochs, the host then takes the guest's "
		 "#DB)"},
	[KIND_MEMSLOTS] = {"memslots", "memory slots added, logged, moved, deleted"},
	[KIND_NEW_VCPUS] = {"new-vcpus", "vCPUs created while hooked"},
	[KIND_SIGNALS] = {"signals", "signals to vCPU threads, immediate_exit"},
	[KIND_GET] = {"get", "KVM_GET_* of all sorts"},
	[KIND_RAW_VM] = {"raw-vm", "VMs in real mode, with interrupt controller, with dirty ring"},
};

static bool only_these;
static bool selected[FUZZ_NR_KINDS] = {[0 ... FUZZ_NR_KINDS - 1] = true};

bool fuzz_kind(enum fuzz_kind kind)
{
	return selected[kind];
}

uint64_t fuzz_rflags(uint64_t rflags)
{
	if (!fuzz_kind(KIND_IF_OFF))
		rflags |= RFLAGS_IF;
	if (!fuzz_kind(KIND_SINGLE_STEP))
		rflags &= ~RFLAGS_TF;
	return rflags;
}

bool fuzz_select_kinds(const char *list, bool only)
{
	if (only)
		memset(selected, 0, sizeof(selected));
	only_these |= only;
	while (*list) {
		size_t len = strcspn(list, ",");
		int i;

		for (i = 0; i < FUZZ_NR_KINDS; i++)
			if (strlen(fuzz_kinds[i].name) == len &&
			    !strncmp(fuzz_kinds[i].name, list, len))
				break;
		if (i == FUZZ_NR_KINDS) {
			fprintf(stderr, "unknown kind '%.*s' (see --help)\n", (int)len, list);
			return false;
		}
		selected[i] = only;
		list += len;
		list += *list == ',';
	}
	return true;
}

/* --- random numbers --- */

uint64_t fuzz_next(struct fuzz_random *r)
{
	uint64_t x = r->state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

struct fuzz_random fuzz_random(unsigned int round, unsigned int thread)
{
	struct fuzz_random r = {.state = fuzz_options.seed};

	r.state = fuzz_next(&r) ^ round;
	r.state = fuzz_next(&r) ^ thread;
	fuzz_next(&r);
	return r;
}

uint32_t fuzz_below(struct fuzz_random *r, uint32_t n)
{
	return (fuzz_next(r) >> 32) * n >> 32;
}

bool fuzz_one_in(struct fuzz_random *r, uint32_t n)
{
	return !fuzz_below(r, n);
}

void fuzz_bytes(struct fuzz_random *r, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		uint64_t x = fuzz_next(r);
		size_t n = len < sizeof(x) ? len : sizeof(x);

		memcpy(p, &x, n);
		p += n;
		len -= n;
	}
}

/* --- a round --- */

void fuzz_make_plan(struct fuzz_plan *plan, unsigned int round)
{
	struct fuzz_random r = fuzz_random(round, THREAD_PLAN);
	unsigned int scene = fuzz_below(&r, only_these ? 6 : 40), vm = fuzz_below(&r, 12);
	unsigned int messages = fuzz_options.per_round / 2 + fuzz_below(&r, fuzz_options.per_round);
	bool kill_tool = fuzz_one_in(&r, 5), kill_vmm = fuzz_one_in(&r, 8);

	memset(plan, 0, sizeof(*plan));
	plan->round = round;
	if (scene < 1 && fuzz_kind(KIND_FLOOD))
		plan->scene = SCENE_FLOOD;
	else if (scene < 2 && fuzz_kind(KIND_QUEUE))
		plan->scene = SCENE_QUEUE;
	else if (scene < 4 && fuzz_kind(KIND_SCM))
		plan->scene = SCENE_SCM;
	if (plan->scene == SCENE_MIXED && fuzz_kind(KIND_RAW_VM) && vm < 4)
		plan->vm = vm;
	plan->nr_vcpus = 1 + fuzz_below(&r, 3);
	plan->nr_hooks = 1 + fuzz_below(&r, FUZZ_MAX_HOOKS);
	if (!fuzz_kind(KIND_REHOOK) || plan->scene != SCENE_MIXED)
		plan->nr_hooks = 1;
	plan->messages = 1 + messages / plan->nr_hooks;
	plan->kill_after = fuzz_below(&r, messages);
	plan->kill_tool = kill_tool && fuzz_kind(KIND_KILL_TOOL);
	plan->kill_vmm = kill_vmm && fuzz_kind(KIND_KILL_VMM);
	if (plan->scene != SCENE_MIXED)
		plan->kill_tool = plan->kill_vmm = false;
	plan->leave_hooked = fuzz_one_in(&r, 4);
	plan->park = fuzz_one_in(&r, 3);
	plan->faults = fuzz_options.faults && fuzz_one_in(&r, 3) && plan->scene == SCENE_MIXED;
}

void fuzz_add(enum fuzz_count count, unsigned int n)
{
	atomic_fetch_add_explicit(&fuzz_shared->count[count], n, memory_order_relaxed);
}

void fuzz_found(const char *fmt, ...)
{
	va_list ap;

	if (atomic_fetch_add(&fuzz_shared->failed, 1))
		return;
	va_start(ap, fmt);
	vsnprintf(fuzz_shared->text, sizeof(fuzz_shared->text), fmt, ap);
	va_end(ap);
	atomic_store(&fuzz_shared->told, true);
}

double fuzz_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}
