// SPDX-License-Identifier: BSD-2-Clause
/* What classes and counters are called in run files, reports and documentation. */
#include <errno.h>
#include <string.h>

#include "class_names.h"

const char *const stage_names[NR_STAGES] = {
	[STAGE_DISPATCH] = "dispatch",
	[STAGE_BUILD] = "build",
	[STAGE_INTROSPECTOR] = "introspector",
	[STAGE_COMMANDS] = "commands",
	[STAGE_WAKE] = "wake",
	[STAGE_ACT] = "act",
	[STAGE_TOTAL] = "total",
};

static const char *const user_stage_names[NR_USER_STAGES] = {
	[USER_KERNEL] = "kernel",
	[USER_USERSPACE] = "userspace",
	[USER_TOTAL] = "total",
};

static const char *const tool_stage_names[NR_TOOL_STAGES] = {
	[TOOL_WAKE] = "tool_wake",
	[TOOL_OWN] = "tool_own",
	[TOOL_REPLY] = "tool_reply",
};

static const char *const user_names[NR_USERS] = {
	[USER_DEBUG] = "debug_exit",
	[USER_OTHER] = "user_exit",
};

static const char *const event_names[KVMI_LAT_NR_EVENTS] = {
	"unhook",
	"pause_vcpu",
	"hypercall",
	"breakpoint",
};

const char *const action_names[KVMI_LAT_NR_ACTIONS] = {"continue", "retry", "crash"};

const struct counter_name counter_names[NR_COUNTERS] = {
	[CNT_BP_SEND] = {"bp_send", "breakpoint events begun (kvmi_event_bp_send)"},
	[CNT_EVENTS] = {"events", "events of any kind handed to the introspector (kvmi_event)"},
	[CNT_REPLIES] = {"replies", "replies read from the introspector (kvmi_event_reply)"},
	[CNT_COMMANDS] = {"commands", "commands a vCPU served while its breakpoint waited"},
	[CNT_COMMANDS_OUTSIDE] = {"commands_outside",
				  "commands a vCPU served while no breakpoint waited"},
	[CNT_FIRST_ENTRY] = {"first_entry", "entries of a vCPU that had not been seen to exit yet"},
	[CNT_BEFORE_FIRST] = {"before_first",
			      "event tracepoints of a vCPU that had not been seen to exit yet"},
	[CNT_DETACHING] = {"detaching", "unpaired only because the programs were being detached"},
	[CNT_UNPAIRED_ENTRY] = {"unpaired_entry", "entries without an exit before them"},
	[CNT_UNPAIRED_BP_SEND] = {"unpaired_bp_send", "breakpoints begun without an exit"},
	[CNT_UNPAIRED_EVENT] = {"unpaired_event", "breakpoint events sent without an exit"},
	[CNT_UNPAIRED_REPLY] = {"unpaired_reply", "replies no vCPU was waiting for"},
	[CNT_UNPAIRED_BP_RECV] = {"unpaired_bp_recv", "replies picked up without an exit"},
	[CNT_UNPAIRED_COMMAND] = {"unpaired_command",
				  "commands with only one end; their time stays where it fell"},
	[CNT_DUPLICATE_REPLY] = {"duplicate_reply", "second replies to one event"},
	[CNT_OVERWRITTEN] = {"overwritten", "exits followed by another exit without an entry"},
	[CNT_OUT_OF_ORDER] = {"out_of_order", "exits or events whose times contradict each other"},
	[CNT_NO_REPLY] = {"no_reply", "events that ended without a reply (introspector gone)"},
	[CNT_INCOMPLETE] = {"incomplete", "events of which a tracepoint was missed"},
	[CNT_MIXED] = {"mixed", "exits with a second event in them"},
	[CNT_BAD_ACTION] = {"bad_action", "events answered with an unknown action"},
	[CNT_UNKNOWN_EVENT] = {"unknown_event", "events of a kind this version has no class for"},
	[CNT_MAP_FULL] = {"map_full", "exits and entries of vCPUs that found no slot"},
	[CNT_CLAMPED] = {"clamped", "values beyond the last bucket (sum and max stay exact)"},
	[CNT_REPLY_MOVED] = {"reply_moved",
			     "replies stamped before a command ended that had not seen them"},
	[CNT_LEFT_KERNEL] =
		{"left_kernel",
		 "events with a stay in userspace before the entry, in their last stage", true},
	[CNT_NOT_SPLIT] = {"not_split",
			   "breakpoints of which it is not known what the tool did when", true},
	[CNT_VCPU_REPLACED] = {"vcpu_replaced",
			       "vCPUs whose place another took; their own sums are gone", true},
};

struct class_name class_name(unsigned int class)
{
	struct class_name name = {"exit", "none", stage_names[STAGE_TOTAL]};

	if (class >= CLASS_TOOL) {
		name.event = event_names[KVMI_LAT_EVENT_BREAKPOINT];
		name.action = action_names[(class - CLASS_TOOL) / NR_TOOL_STAGES];
		name.stage = tool_stage_names[(class - CLASS_TOOL) % NR_TOOL_STAGES];
	} else if (class >= CLASS_USER) {
		name.event = user_names[(class - CLASS_USER) / NR_USER_STAGES];
		name.stage = user_stage_names[(class - CLASS_USER) % NR_USER_STAGES];
	} else if (class >= CLASS_OTHER) {
		name.event = event_names[(class - CLASS_OTHER) / KVMI_LAT_NR_ACTIONS];
		name.action = action_names[(class - CLASS_OTHER) % KVMI_LAT_NR_ACTIONS];
	} else if (class >= CLASS_BREAKPOINT) {
		name.event = event_names[KVMI_LAT_EVENT_BREAKPOINT];
		name.action = action_names[(class - CLASS_BREAKPOINT) / NR_STAGES];
		name.stage = stage_names[(class - CLASS_BREAKPOINT) % NR_STAGES];
	}
	return name;
}

int class_find(const char *event, const char *action, const char *stage)
{
	for (unsigned int i = 0; i < NR_CLASSES; i++) {
		struct class_name name = class_name(i);

		if (!strcmp(name.event, event) && !strcmp(name.action, action) &&
		    !strcmp(name.stage, stage))
			return i;
	}
	return -ENOENT;
}
