// SPDX-License-Identifier: BSD-2-Clause
// Google Benchmark for C: the only C++ in the project.
#include "google_benchmark.h"

#include <benchmark/benchmark.h>

static benchmark::State *state(struct gbench_state *st)
{
	return reinterpret_cast<benchmark::State *>(st);
}

void gbench_register(const char *name, gbench_fn fn, void *arg, uint64_t iterations)
{
	auto *b = benchmark::RegisterBenchmark(name, [fn, arg](benchmark::State &st) {
		fn(reinterpret_cast<struct gbench_state *>(&st), arg);
	});

	b->UseManualTime()->Unit(benchmark::kNanosecond);
	if (iterations)
		b->Iterations(iterations);
}

uint64_t gbench_iterations(const struct gbench_state *st)
{
	return reinterpret_cast<const benchmark::State *>(st)->max_iterations;
}

bool gbench_keep_running_batch(struct gbench_state *st, uint64_t n)
{
	return state(st)->KeepRunningBatch(n);
}

void gbench_set_time(struct gbench_state *st, double seconds)
{
	state(st)->SetIterationTime(seconds);
}

void gbench_counter(struct gbench_state *st, const char *name, double value)
{
	state(st)->counters[name] = value;
}

void gbench_label(struct gbench_state *st, const char *label)
{
	state(st)->SetLabel(label);
}

void gbench_skip(struct gbench_state *st, const char *why)
{
	state(st)->SkipWithError(why);
}

void gbench_context(const char *key, const char *value)
{
	benchmark::AddCustomContext(key, value);
}

void gbench_init(int *argc, char **argv)
{
	benchmark::Initialize(argc, argv);
}

unsigned long gbench_run(void)
{
	unsigned long n = benchmark::RunSpecifiedBenchmarks();

	benchmark::Shutdown();
	return n;
}
