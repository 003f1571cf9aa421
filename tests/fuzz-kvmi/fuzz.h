/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the KVM introspection fuzzer share: options, kinds, plan of a round, counts, random numbers. */
#ifndef FUZZ_KVMI_FUZZ_H
#define FUZZ_KVMI_FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FUZZ_MAX_VCPUS 6 /* the first ones of a VM, and those created while it is hooked */
#define FUZZ_MAX_HOOKS 6 /* in a round */

/* --- random numbers: each thread has its own, made of seed, round and thread --- */

struct fuzz_random {
	uint64_t state;
};

/* Threads, as seeds: an introspector's or a vCPU's number is added. */
enum {
	THREAD_PLAN = 0x100,
	THREAD_HOOKS = 0x200,
	THREAD_IOCTLS = 0x300,
	THREAD_VCPU = 0x400,
	THREAD_CONNECTION = 0x500,
	THREAD_WRITER = 0x600,
	THREAD_READER = 0x700,
};

struct fuzz_random fuzz_random(unsigned int round, unsigned int thread);
uint64_t fuzz_next(struct fuzz_random *r);
/* 0 <= result < n */
uint32_t fuzz_below(struct fuzz_random *r, uint32_t n);
bool fuzz_one_in(struct fuzz_random *r, uint32_t n);
void fuzz_bytes(struct fuzz_random *r, void *buf, size_t len);

/* --- kinds of hostility: switched by --only and --without --- */

enum fuzz_kind {
	/* messages */
	KIND_HALF,
	KIND_GARBAGE,
	KIND_SPLIT,
	KIND_SETREGS,
	KIND_TABLES,
	KIND_IF_OFF,
	/* introspectors */
	KIND_NO_READ,
	KIND_NO_ANSWER,
	KIND_BAD_ANSWER,
	KIND_STALE,
	KIND_REHOOK,
	KIND_FLOOD,
	KIND_QUEUE,
	KIND_KILL_TOOL,
	/* the VMM */
	KIND_WRONG_FD,
	KIND_SCM,
	KIND_KILL_VMM,
	KIND_PERMISSIONS,
	KIND_PREUNHOOK,
	KIND_UNHOOK,
	KIND_REGS,
	KIND_SREGS,
	KIND_VCPU_EVENTS,
	KIND_MP_STATE,
	KIND_NESTED_STATE,
	KIND_GUEST_DEBUG,
	KIND_SINGLE_STEP,
	KIND_MEMSLOTS,
	KIND_NEW_VCPUS,
	KIND_SIGNALS,
	KIND_GET,
	KIND_RAW_VM,
	FUZZ_NR_KINDS
};

struct fuzz_kind_info {
	const char *name;
	const char *what;
};

extern const struct fuzz_kind_info fuzz_kinds[FUZZ_NR_KINDS];

/* "a,b,c"; false: a name that is none, which has been said */
bool fuzz_select_kinds(const char *list, bool only);
bool fuzz_kind(enum fuzz_kind kind);

/* RFLAGS without what KIND_IF_OFF and KIND_SINGLE_STEP are for, where these are not selected. */
uint64_t fuzz_rflags(uint64_t rflags);

/* --- the run --- */

struct fuzz_options {
	uint64_t messages;
	unsigned int seconds;
	uint64_t seed;
	long round; /* -1: all */
	unsigned int per_round;
	bool breakpoints;
	bool faults;
	bool verbose;
	const char *kcov;
};

extern struct fuzz_options fuzz_options;

/* --- a round --- */

enum fuzz_scene {
	SCENE_MIXED, /* hooks one after the other, whatever the kinds allow */
	SCENE_FLOOD, /* commands to one running vCPU as fast as can be: it must come out for a signal */
	SCENE_QUEUE, /* large commands to a vCPU that does not run: KVM must stop reading */
	SCENE_SCM,   /* the VM's descriptor on its way into the socket that the VM is hooked to */
};

enum fuzz_vm {
	VM_LONG_MODE,
	VM_BARE, /* real mode, see tests/lab/raw.h */
	VM_IRQCHIP,
	VM_DIRTY_RING,
};

struct fuzz_plan {
	unsigned int round;
	enum fuzz_scene scene;
	enum fuzz_vm vm;
	unsigned int nr_vcpus;
	unsigned int nr_hooks;
	unsigned int messages; /* per hook */
	bool kill_tool;
	bool kill_vmm;
	unsigned int kill_after; /* messages of the round */
	bool faults;
	bool leave_hooked; /* the VMM exits as it is */
	bool park;	   /* vCPUs stay out of KVM_RUN between two hooks */
};

void fuzz_make_plan(struct fuzz_plan *plan, unsigned int round);

/* --- what all processes see --- */

enum fuzz_count {
	COUNT_SENT,
	COUNT_ANSWERED,
	COUNT_REFUSED,
	COUNT_EVENTS,
	COUNT_ANSWERS,
	COUNT_CLOSED, /* connections that KVM has closed */
	COUNT_HOOKS,
	COUNT_HOOKS_REFUSED,
	COUNT_IOCTLS,
	COUNT_RUNS,
	COUNT_KILLS,
	COUNT_CHECKED, /* vCPUs that did a plain hypercall at the end of a round */
	FUZZ_NR_COUNTS
};

#define FUZZ_TEXT 400

struct fuzz_shared {
	atomic_ullong count[FUZZ_NR_COUNTS];
	/* of this round */
	atomic_uint sent;
	atomic_uint hooked; /* connections that have been hooked so far */
	atomic_uint done;   /* connections that the introspector has finished with */
	atomic_uint unhooked;
	atomic_bool stop;
	/* A finding: the first one of this round. */
	atomic_uint failed;
	atomic_bool told;
	char text[FUZZ_TEXT];
};

extern struct fuzz_shared *fuzz_shared;

void fuzz_add(enum fuzz_count count, unsigned int n);

/* What has been found; the round goes on. @kind FUZZ_NR_KINDS: of none */
void fuzz_found(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

double fuzz_seconds(void);

#endif /* FUZZ_KVMI_FUZZ_H */
