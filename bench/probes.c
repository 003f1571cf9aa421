// SPDX-License-Identifier: BSD-2-Clause
/* What kvmi-bench tells of a machine instead of measuring, or before. */
#include "probes.h"

#include "google_benchmark.h"
#include "noise.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Many cases cannot run for one reason, which is said once below them. */
int list_cases(const struct case_setup *setup)
{
	size_t n, nr_reasons = 0;
	const struct bench_case *c = cases(&n);
	char **reasons = calloc(n, sizeof(*reasons));
	int ret = 0;

	if (!reasons)
		goto no_memory;
	for (size_t i = 0; i < n; i++) {
		const char *why = case_skip_reason(&c[i], setup);
		size_t r = 0;

		printf("%-20s %s%s", c[i].name, c[i].what, c[i].extra ? " (--all)" : "");
		while (why && r < nr_reasons && strcmp(reasons[r], why))
			r++;
		if (why && r == nr_reasons) {
			reasons[r] = strdup(why);
			if (!reasons[r])
				goto no_memory;
			nr_reasons++;
		}
		if (why)
			printf(" [%zu]", r + 1);
		printf("\n");
	}
	for (size_t r = 0; r < nr_reasons; r++)
		printf("%s[%zu] cannot run here: %s\n", r ? "" : "\n", r + 1, reasons[r]);
	goto out;

no_memory:
	fprintf(stderr, "kvmi-bench: out of memory\n");
	ret = 1;
out:
	for (size_t r = 0; r < nr_reasons; r++)
		free(reasons[r]);
	free(reasons);
	return ret;
}

int probe_int3(void)
{
	static const char *const verdict[] = {
		[VMM_PROBE_OK] = "#BP exits arrive",
		[VMM_PROBE_NO_KVM] = "no KVM",
		[VMM_PROBE_NO_BP] = "no #BP exits",
		[VMM_PROBE_FAILED] = "the probe failed",
	};
	const char *why;
	enum vmm_probe result = vmm_probe_int3(&why);

	printf("%s: %s\n", verdict[result], why);
	return result == VMM_PROBE_OK ? 0 : 1;
}

int probe_kvmi(void)
{
	const char *why;
	bool have = case_have_kvmi(&why);

	printf("%s\n", why);
	return have ? 0 : 1;
}

static void noise_text(const struct case_setup *setup, const struct noise *n, char *text,
		       size_t size)
{
	snprintf(text, size,
		 "CPU %d lost %.3f %% of %.2f s, in %llu interruptions of up to %.1f us",
		 setup->cpu, n->share * 100, n->seconds, (unsigned long long)n->interruptions,
		 n->longest_us);
}

int probe_noise(const struct case_setup *setup)
{
	struct noise n;
	char text[128];

	if (noise_measure(setup, &n)) {
		printf("%s\n", case_error());
		return 1;
	}
	noise_text(setup, &n, text, sizeof(text));
	printf("%s: %s\n", n.share > NOISE_LIMIT ? "noisy" : "quiet", text);
	return n.share > NOISE_LIMIT;
}

void warn_of_noise(const struct case_setup *setup)
{
	struct noise n;
	char text[128];

	if (noise_measure(setup, &n))
		return;
	noise_text(setup, &n, text, sizeof(text));
	gbench_context("noise", text);
	if (n.share > NOISE_LIMIT)
		fprintf(stderr,
			"kvmi-bench: this machine is noisy: %s; scripts/host-check says what may help\n",
			text);
}
