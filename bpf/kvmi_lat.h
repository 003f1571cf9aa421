/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the BPF programs and the tools must agree on: classes, counters, map values. */
#ifndef KVMI_LAT_H
#define KVMI_LAT_H

#include <linux/types.h>

/*
 * Stages of one breakpoint event, in the order in which they happen. TOTAL is kept apart: it is
 * taken from kvm_exit and kvm_entry alone, and equals the sum of the others.
 */
enum kvmi_lat_stage {
	STAGE_DISPATCH,	    /* kvm_exit -> kvmi_event_bp_send */
	STAGE_BUILD,	    /* kvmi_event_bp_send -> kvmi_event */
	STAGE_INTROSPECTOR, /* kvmi_event -> kvmi_event_reply, less the commands served in it */
	STAGE_COMMANDS,	    /* commands the vCPU served between kvmi_event and pick-up, their sum */
	STAGE_WAKE,  /* kvmi_event_reply -> kvmi_event_bp_recv, less the commands served in it */
	STAGE_ACT,   /* kvmi_event_bp_recv -> kvm_entry */
	STAGE_TOTAL, /* kvm_exit -> kvm_entry */
	NR_STAGES,
};

/*
 * What STAGE_INTROSPECTOR is made of, where the introspector's process was named (kvmi-lat record
 * --tool). The sum of the three is that stage, exactly.
 */
enum kvmi_lat_tool_stage {
	TOOL_WAKE,  /* kvmi_event -> the tool's thread gets a CPU; 0: it had one */
	TOOL_OWN,   /* -> it wakes the receiver up, less the commands served in it */
	TOOL_REPLY, /* -> kvmi_event_reply: the receiver's wake-up; 0: it was awake */
	NR_TOOL_STAGES,
};

/*
 * Parts of an exit that userspace handled. No breakpoint event has them: where KVM has sent one, its
 * stages say more.
 */
enum kvmi_lat_user_stage {
	USER_KERNEL,	/* kvm_exit -> kvm_userspace_exit */
	USER_USERSPACE, /* kvm_userspace_exit -> kvm_entry: userspace, and the way back in */
	USER_TOTAL,	/* kvm_exit -> kvm_entry, the sum of the two */
	NR_USER_STAGES,
};

/* What userspace was to do. */
enum kvmi_lat_user {
	USER_DEBUG, /* KVM_EXIT_DEBUG: an int3, on a machine that is debugged */
	USER_OTHER,
	NR_USERS,
};

/* Event ids and actions on the wire. */
#define KVMI_LAT_EVENT_BREAKPOINT 3
#define KVMI_LAT_NR_EVENTS	  4
#define KVMI_LAT_NR_ACTIONS	  3

/*
 * A class is one (event, action, stage) that has a histogram of its own: the exits that are no
 * event, every stage of the breakpoint event by action, the total of the other events by action, the
 * exits that userspace handled.
 */
#define CLASS_EXIT	 0
#define CLASS_BREAKPOINT 1
#define CLASS_OTHER	 (CLASS_BREAKPOINT + KVMI_LAT_NR_ACTIONS * NR_STAGES)
#define CLASS_USER	 (CLASS_OTHER + KVMI_LAT_EVENT_BREAKPOINT * KVMI_LAT_NR_ACTIONS)
#define CLASS_TOOL	 (CLASS_USER + NR_USERS * NR_USER_STAGES)
#define NR_CLASSES	 (CLASS_TOOL + KVMI_LAT_NR_ACTIONS * NR_TOOL_STAGES)

/*
 * What was seen, and everything that could not become a sample, by kind. tools/kvmi-lat/run-file/class_names.c has the
 * names and the one-line explanations.
 */
enum kvmi_lat_counter {
	/* seen */
	CNT_BP_SEND,
	CNT_EVENTS,
	CNT_REPLIES,
	CNT_COMMANDS,
	CNT_COMMANDS_OUTSIDE,
	CNT_FIRST_ENTRY,
	CNT_BEFORE_FIRST,
	CNT_DETACHING,
	/* a tracepoint without the one that has to come before it: "unpaired" is their sum */
	CNT_UNPAIRED_ENTRY,
	CNT_UNPAIRED_BP_SEND,
	CNT_UNPAIRED_EVENT,
	CNT_UNPAIRED_REPLY,
	CNT_UNPAIRED_BP_RECV,
	CNT_UNPAIRED_COMMAND,
	CNT_DUPLICATE_REPLY,
	/* an exit or event which was seen, but is in no histogram: "dropped" is their sum */
	CNT_OVERWRITTEN,
	CNT_OUT_OF_ORDER,
	CNT_NO_REPLY,
	CNT_INCOMPLETE,
	CNT_MIXED,
	CNT_BAD_ACTION,
	CNT_UNKNOWN_EVENT,
	CNT_MAP_FULL,
	/* adjusted */
	CNT_CLAMPED,
	CNT_REPLY_MOVED,
	CNT_LEFT_KERNEL,
	CNT_NOT_SPLIT,
	/* vCPUs */
	CNT_VCPU_REPLACED,
	NR_COUNTERS,
};
#define CNT_UNPAIRED_FIRST CNT_UNPAIRED_ENTRY
#define CNT_UNPAIRED_LAST  CNT_DUPLICATE_REPLY
#define CNT_DROPPED_FIRST  CNT_OVERWRITTEN
#define CNT_DROPPED_LAST   CNT_MAP_FULL

/*
 * Log-linear histogram: values below 2^SUB_BITS have a bucket each, above that every octave is
 * cut into 2^SUB_BITS buckets, so a bucket is at most 1/64 (1.6 %) of its lower bound wide.
 * Values from 2^MAX_BITS on go into the last bucket and are counted as clamped; sum, min and max
 * stay exact.
 */
#define HIST_SUB_BITS	 6
#define HIST_SUB_BUCKETS (1 << HIST_SUB_BITS)
#define HIST_MAX_BITS	 40
#define HIST_NR_BUCKETS	 ((HIST_MAX_BITS - HIST_SUB_BITS + 1) * HIST_SUB_BUCKETS)

struct kvmi_lat_hist {
	__u64 sum;
	__u64 count;
	__u64 min;  /* meaningless while count is 0 */
	__u64 span; /* max - min */
	__u32 buckets[HIST_NR_BUCKETS];
};

struct kvmi_lat_counters {
	__u64 value[NR_COUNTERS];
};

/* Slots for vCPUs, and how far from its home a vCPU may have to be looked for. */
#define VCPU_BITS   12
#define NR_VCPUS    (1 << VCPU_BITS)
#define VCPU_PROBES 64

/* Where a vCPU is on its way from exit to entry. */
enum kvmi_lat_state {
	VCPU_NEW = 0, /* nothing seen yet, or observation was interrupted: wait for an exit */
	VCPU_GUEST,   /* in the guest: kvm_exit comes next */
	VCPU_EXITED,  /* kvm_exit seen */
	VCPU_BUILD,   /* kvmi_event_bp_send seen */
	VCPU_WAIT,    /* kvmi_event of a breakpoint seen: the introspector has it */
	VCPU_ACT,     /* kvmi_event_bp_recv seen */
	VCPU_OTHER,   /* kvmi_event of another event seen */
	VCPU_BROKEN,  /* this exit was dropped and counted: wait for the entry */
	VCPU_USER,    /* kvm_userspace_exit seen, of an exit that is no event */
};

/* What one vCPU's samples add up to: counts and sums only, histograms are per machine. */
struct kvmi_lat_sums {
	__u64 exits; /* that KVM handled by itself */
	__u64 exit_time;
	__u64 events; /* breakpoints, whatever the answer */
	__u64 event_time[NR_STAGES];
	__u64 others; /* other events */
	__u64 other_time;
	__u64 users[NR_USERS]; /* exits that userspace handled */
	__u64 user_time[NR_USERS][NR_USER_STAGES];
};

/* Where a breakpoint event is. */
struct kvmi_lat_where {
	__u64 gpa;	 /* of the int3 */
	__u64 rip;	 /* its guest virtual address */
	__u64 new_rip;	 /* after the reply */
	__u32 cpu_send;	 /* on which the vCPU was at kvmi_event_bp_send */
	__u32 cpu_reply; /* the receiver, at kvmi_event_reply */
};

/*
 * One per vCPU. Its own thread writes all of it but for the reply_ fields, which belong to the
 * receiver's thread while the vCPU waits.
 */
struct kvmi_lat_vcpu {
	__u64 vcpu;  /* struct kvm_vcpu *, 0: the slot is free */
	__u64 exits; /* kvm_exit seen, ever */
	__u64 t_exit;
	__u32 state;  /* enum kvmi_lat_state */
	__u32 action; /* of the event */
	struct kvmi_lat_sums sums;
	/* Which one it is: the process and thread that run it, struct kvm *, its id in there. */
	__u32 tgid;
	__u32 tid;
	__u64 vm;
	__s32 id;    /* -1: not known */
	__u32 index; /* the slot's own */
	/* What was seen of it, counted here since its own threads do not get in each other's way. */
	__u64 bp_sends;
	__u64 kvmi_events;
	__u64 replies; /* by the receiver */
	__u64 commands;
	__u64 cut;    /* exits in flight when the programs were detached (written by the tool) */
	__u64 claims; /* how often the slot was asked for while it was free: see add_vcpu() */
	__u64 t_bp_send;
	__u64 t_event;
	__u64 t_bp_recv;
	__u64 t_user;	  /* kvm_userspace_exit since the exit, 0: none */
	__u64 t_command;  /* when the command being served began, 0: none */
	__u64 cmd_before; /* time of commands before the reply */
	__u64 cmd_after;  /* time of commands after the reply */
	__u64 cmd_until;  /* end of the last command put into cmd_before, reply unseen */
	__u64 reply_time;
	__u64 tool_in; /* when the tool's thread was first switched in after being asked to note it */
	__u64 tool_waking; /* when it last woke up the receiver */
	__u64 receiver;	   /* struct task_struct * of the latest reply */
	__u64 reply_key;   /* REPLY_KEY(seq) once there is a reply, written last */
	__u32 reply_action;
	__u32 seq;
	__u32 event;
	__u32 user;	  /* enum kvmi_lat_user */
	__u32 tool_known; /* at the latest kvmi_event: which thread of the tool will answer */
	__u32 pad;
	struct kvmi_lat_where where; /* written only while slow events are waited for */
};

/* A thread of the tool, or one that receives for KVM. */
struct kvmi_lat_task {
	__u64 tool;   /* struct task_struct * of the tool's thread that woke this one up last */
	__u64 in;     /* switched in for the first time after armed was set */
	__u64 waking; /* woken up by the tool */
	__u64 armed;
};

/* A breakpoint event that took too long. Times are those of bpf_ktime_get_ns(). */
struct kvmi_lat_slow {
	__u64 stages[NR_STAGES];
	__u64 t_exit;
	__u64 t_entry;
	struct kvmi_lat_where where;
	__u32 tgid;
	__u32 tid;
	__s32 id;
	__u32 seq;
	__u32 action;
	__u32 cpu_entry;
};

/* A task that has had a CPU. */
struct kvmi_lat_ran {
	__u64 until;
	__u64 who; /* process id << 32 | thread id */
	char comm[16];
};

/* The latest of them on one CPU, the next goes to ran[next % NR_RAN]. */
#define NR_RAN 256
struct kvmi_lat_cpu {
	__u64 next;
	struct kvmi_lat_ran ran[NR_RAN];
};

#define REPLY_KEY(seq) (1ULL << 32 | (seq))

#endif /* KVMI_LAT_H */
