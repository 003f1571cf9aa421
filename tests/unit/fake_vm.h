/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's end of an introspection socket, for tests of kvmi-trace: a VM of one vCPU that executes nothing. */
#ifndef FAKE_VM_H
#define FAKE_VM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FAKE_VM_MEMORY 0x10000

/**
 * struct fake_vm - the VM
 * @sock: KVM's end
 * @tool: the process at the other end
 * @memory: guest memory; paging is off, so that linear addresses are physical ones
 * @breakpoint_on: the breakpoint event is switched on
 * @commands: so many were answered
 */
struct fake_vm {
	int sock;
	pid_t tool;
	uint8_t memory[FAKE_VM_MEMORY];
	bool breakpoint_on;
	unsigned int commands;
};

/* Memory full of NOPs, at @sock. */
void fake_vm_init(struct fake_vm *vm, int sock);

/*
 * Answers commands until @done(@vm) or the tool closes the connection, at most 10 seconds. True: until
 * @done, which may be NULL; false: the tool has closed it.
 */
bool fake_vm_serve(struct fake_vm *vm, bool (*done)(const struct fake_vm *vm));

/* The vCPU comes to an int3 there. */
void fake_vm_hit(const struct fake_vm *vm, uint64_t gpa);

#endif
