/* SPDX-License-Identifier: BSD-2-Clause */
/* kvmi-bench vm: a small guest, on offer to introspection tools. */
#ifndef VM_H
#define VM_H

/* The command; argv[0] is its name. Gives the exit status. */
int cmd_vm(int argc, char **argv);

#endif /* VM_H */
