/* SPDX-License-Identifier: BSD-2-Clause */
/* The stress test's tool: a process per cycle, which is killed at a point that was chosen before. */
#ifndef STRESS_TOOL_H
#define STRESS_TOOL_H

#include <stdint.h>
#include <sys/types.h>

/* Where the tool is killed. Each with a name in stress_points[]. */
enum stress_point {
	STRESS_BEFORE_FIRST, /* nothing sent */
	STRESS_MID_HEADER,
	STRESS_MID_MESSAGE,
	STRESS_VM_COMMANDS, /* commands sent, no reply read */
	STRESS_VCPU_COMMANDS,
	STRESS_PAUSE_SENT, /* several, some of which wait for the vCPU */
	STRESS_PAUSE_EVENT,
	STRESS_ENABLE_SENT,
	STRESS_ENABLED,
	STRESS_DISABLED,
	STRESS_EVENT_UNREAD, /* from here on after some events that it has answered */
	STRESS_EVENT_READ,
	STRESS_EVENT_COMMANDS, /* the vCPU waits and has commands to execute, SET_REGISTERS among them */
	STRESS_EVENT_PAUSE,
	STRESS_MID_REPLY,
	STRESS_REPLIED,
	STRESS_REPLIED_COMMANDS, /* the answer and commands in one write */
	STRESS_STUFFED,		 /* KVM cannot get rid of its replies */
	STRESS_ANYWHERE,	 /* answering events, killed from outside */
	STRESS_NR_POINTS,
};

extern const char *const stress_points[STRESS_NR_POINTS];

/**
 * struct stress_plan - what one tool is to do
 * @point: where it ends
 * @what: STRESS_BP, STRESS_HC or both: the events it switches on
 * @nr_vcpus: of the VM
 * @events: that it answers before
 * @delay_us: that it sleeps for before it ends; STRESS_ANYWHERE: after which it is killed
 * @seed: of whatever else is random
 */
struct stress_plan {
	uint32_t point;
	uint32_t what;
	uint32_t nr_vcpus;
	uint32_t events;
	uint32_t delay_us;
	uint64_t seed;
};

/* The next of a row of random numbers. */
uint64_t stress_random(uint64_t *state);

/*
 * The process that starts the tools: to be started before there is a VM, so that they hold no part of
 * it. It ends with the calling one. Fails the test if it cannot.
 */
void stress_server_start(void);

/* Has a tool started with its end of the connection. */
void stress_tool_start(const struct stress_plan *plan, int sock);

/* Waits until it is dead, and fails the test if it was anything but killed. */
void stress_tool_wait(void);

#endif /* STRESS_TOOL_H */
