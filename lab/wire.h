/* SPDX-License-Identifier: BSD-2-Clause */
/* How the lab's guest talks to its host: frames on I/O port 0xe9, written by the agent, read by watch. */
#ifndef KVMI_LAB_WIRE_H
#define KVMI_LAB_WIRE_H

#include <stdint.h>

#define LAB_PORT 0xe9
/* What precedes the first frame; all that comes before it is the emulator's own chatter. */
#define LAB_MAGIC     "\xa5kvmi-lab-1\n"
#define LAB_MAGIC_LEN (sizeof(LAB_MAGIC) - 1)
#define LAB_SYNC      0xa5
#define LAB_MAX	      32768

/* followed by len bytes; little endian, as both sides are x86 */
struct lab_frame {
	uint8_t sync; /* LAB_SYNC */
	uint8_t type;
	uint16_t len;
};

enum lab_frame_type {
	LAB_ALIVE = 'H',  /* heartbeat, every LAB_HEARTBEAT_MS of guest time */
	LAB_START = 'B',  /* the command starts now */
	LAB_OUTPUT = 'O', /* its stdout and stderr */
	LAB_STATUS = 'S', /* its exit status, decimal text */
	LAB_TAR = 'F',	  /* a piece of the tar stream of /out */
	LAB_KMSG = 'K',	  /* a piece of the kernel log, "<prio>[seconds] text" lines */
	LAB_ERROR = 'X',  /* the agent failed: text */
	LAB_END = 'E',	  /* all is said: the machine may go */
};

#define LAB_HEARTBEAT_MS 1000

/* The line in the kernel log that parts the boot from the command. */
#define LAB_MARK "kvmi-lat lab: command starts"

#endif
