/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel tests have in common: a hooked VM, its vCPUs' threads, counts of tracepoints. */
#ifndef LAB_H
#define LAB_H

#include "../../bench/vmm/vmm.h"
#include "kvmi_client.h"
#include "tap.h"

#include <pthread.h>

#define TIMEOUT_MS 5000

/* --- the machine --- */

bool lab_is_svm(void);

/*
 * May the guest's #BP handler see a wrong RIP through no fault of KVM's? Bochs ignores the VMCB's
 * nRIP when it injects: with kvm_amd.nrips=1 the frame has RIP at the int3.
 */
bool lab_injects_wrong_rip(void);

/* Bochs on SVM intercepts #DB before it has set DR6. */
bool lab_loses_dr6(void);

/* Writes the module parameter kvm.introspection. */
void lab_set_parameter(bool on);

/* --- the VM and its tool, in one process --- */

/**
 * struct lab - a VM and the tool that introspects it
 * @vm: the VM
 * @v: its vCPU 0
 * @c: the tool's end
 */
struct lab {
	struct vmm *vm;
	struct vmm_vcpu *v;
	struct kvmi_client *c;
};

/* Skips the test where an int3 does not arrive at the host. */
void lab_need_bp(void);

/* Loads the guest; no tool yet. lab_need_bp() included. */
void lab_open(struct lab *l, const struct vmm_guest *g, unsigned int nr_vcpus);

/* The same for tests that need no breakpoint. */
void lab_open_any(struct lab *l, const struct vmm_guest *g, unsigned int nr_vcpus);

/* What KVM gives of a vCPU to be mapped, on x86. */
#define LAB_RUN_BYTES (3 * 4096)

/* Two ends of a connection: [0] for KVM, [1] for the tool. */
void lab_socketpair(int sv[2]);

/* One message with up to LAB_MAX_FDS descriptors. False: errno says why it has not gone through as a whole. */
#define LAB_MAX_FDS 2
bool lab_send_fds(int to, const void *buf, size_t len, const int *fds, unsigned int n);

/* Into a file that is there. False: errno says why. */
bool lab_write_file(const char *path, const char *text);

/* Hooks the VM and allows everything. */
void lab_hook(struct lab *l);

/* Both: the usual beginning. */
void lab_start(struct lab *l, const struct vmm_guest *g);

/* How many threads of KVM receive from introspectors, of any VM. */
unsigned int lab_receivers(void);

/* --- vCPUs --- */

/**
 * struct runner - a thread that runs a vCPU
 * @ret: what vmm_run() gave, after runner_join()
 * @debug_exits: KVM_EXIT_DEBUG so far
 * @debug: the latest of them
 * @on_debug: what to do about it, beyond counting; NULL: move RIP behind an int3 and go on
 * @system_event: its type, ~0: there was none
 */
struct runner {
	struct vmm_vcpu *v;
	pthread_t thread;
	unsigned int timeout_ms;
	int ret;
	char error[VMM_ERROR_MAX];
	volatile unsigned int debug_exits;
	struct kvm_debug_exit_arch debug;
	int (*on_debug)(struct runner *r);
	uint32_t system_event;
};

/* vmm_run() that ends by a system event */
#define RUN_SYSTEM_EVENT 1

void runner_start(struct runner *r, struct vmm_vcpu *v);
/* Waits for the end of vmm_run(), and gives what that gave. */
int runner_join(struct runner *r);
/* It must have ended with the guest's DONE. */
void runner_done(struct runner *r);
/* Takes the vCPU out of a guest that does not end. */
void runner_stop(struct runner *r);

/*
 * A hooked VM whose vCPUs run without ever meeting a breakpoint or leaving the guest: they count in
 * config.hits. r[] has a runner for each of them. lab_spin_vcpu(): one of an opened VM, or again.
 */
void lab_spin(struct lab *l, struct runner *r, unsigned int nr_vcpus);
void lab_spin_vcpu(struct lab *l, struct runner *r, unsigned int index);

/* Such a vCPU must go on counting, or must not count, or must stop to before long. */
void lab_goes_on(const struct vmm_vcpu *v);
void lab_stands_still(const struct vmm_vcpu *v);
void lab_comes_to_rest(const struct vmm_vcpu *v);

/* --- the tool --- */

#define check_kvmi(call, want) tap_check_kvmi(__FILE__, __LINE__, #call, call, want)
void tap_check_kvmi(const char *file, int line, const char *what, int got, int want);

/*
 * For a tool that comes while the VMM is at work: HOOK and the permissions are two steps. False: they
 * are not given.
 */
bool lab_wait_allowed(struct kvmi_client *c);

/* Starts vCPU 0 with BREAKPOINT enabled before its first instruction. */
void lab_run_with_bp(struct lab *l, struct runner *r);

/*
 * Queues a vCPU command so that the vCPU, which is not running, has it before it enters the guest.
 * The reply is to be had with kvmi_command_wait(l->c, id, seq).
 */
uint32_t lab_queue(struct lab *l, uint16_t id, const void *payload, size_t size);

/* The next event, which must be KVMI_EVENT_* @id of @vcpu. */
void lab_expect_event(struct kvmi_client *c, struct kvmi_event_msg *ev, uint8_t id, uint16_t vcpu);

/* Answers it by CONTINUE. */
void lab_continue(struct kvmi_client *c, const struct kvmi_event_msg *ev);

/* Answers it by @action, unchecked by the client. */
void lab_answer_raw(struct kvmi_client *c, const struct kvmi_event_msg *ev, uint8_t action);

/* The next event, which must be a breakpoint of @vcpu at @rip. */
void lab_expect_bp(struct kvmi_client *c, struct kvmi_event_msg *ev, uint16_t vcpu, uint64_t rip);

/* RIP past the breakpoint and RETRY. */
void lab_skip_bp(struct kvmi_client *c, const struct kvmi_event_msg *ev);

/* There must be no event, nor any other message. */
void lab_no_event(struct kvmi_client *c);

/*
 * Sends commands, whose replies nobody reads, until nothing goes through in either direction: KVM's
 * receiver is stuck with a reply. How many they were.
 */
unsigned int lab_stuff(struct kvmi_client *c);

/* KVM must have closed the connection; what still comes before that is dropped. */
void lab_expect_close(struct kvmi_client *c);

/* --- tracepoints, counted by perf: independent of BPF --- */

struct counter;

/*
 * Counts "kvm:kvm_exit", say, on all CPUs from now on. @filter as in trace events, NULL none.
 */
struct counter *counter_start(const char *event, const char *filter);
uint64_t counter_read(const struct counter *c);

/* A counter of exits by #BP, on either vendor. */
struct counter *counter_start_bp_exits(void);

/*
 * A counter of #BPs injected. An entry that is called off, or interrupted at once, makes KVM inject the
 * same exception again; that is not another one.
 */
struct counter *counter_start_injected_bp(void);

#endif /* LAB_H */
