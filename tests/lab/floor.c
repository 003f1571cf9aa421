// SPDX-License-Identifier: BSD-2-Clause
/* For experiments/cost/run: runs a command while the least that BPF can do hangs on kvm_exit and kvm_entry. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "floor.skel.h"

static int failed(const char *what, int err)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(-err));
	return 2;
}

static int run(char **argv)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execvp(argv[0], argv);
		failed(argv[0], -errno);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return failed("cannot run a process", -errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	const char *which = argc > 2 ? argv[1] : "";
	const struct bpf_program *exit_program, *entry_program;
	struct bpf_link *on_exit, *on_entry;
	struct floor_bpf *skel;
	int status;

	if (strcmp(which, "empty") && strcmp(which, "clock")) {
		fprintf(stderr, "usage: floor empty|clock COMMAND [ARG]...\n");
		return 2;
	}
	skel = floor_bpf__open_and_load();
	if (!skel)
		return failed("the programs cannot be loaded", -errno);
	exit_program = skel->progs.empty_exit;
	entry_program = skel->progs.empty_entry;
	if (!strcmp(which, "clock")) {
		exit_program = skel->progs.clock_exit;
		entry_program = skel->progs.clock_entry;
	}
	on_entry = bpf_program__attach(entry_program);
	on_exit = bpf_program__attach(exit_program);
	if (on_entry && on_exit)
		status = run(argv + 2);
	else
		status = failed("the programs cannot be attached", -errno);
	bpf_link__destroy(on_exit);
	bpf_link__destroy(on_entry);
	floor_bpf__destroy(skel);
	return status;
}
