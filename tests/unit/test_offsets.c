// SPDX-License-Identifier: BSD-2-Clause
/* Tests of where the fields of struct kvm_vcpu are, with type information made up for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/btf.h>

#include "attach/vcpu_offsets.h"

static struct btf *make_btf(bool with_index)
{
	struct btf *btf = btf__new_empty();
	int number, stat;

	assert_non_null(btf);
	number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	stat = btf__add_struct(btf, "kvm_vcpu_stat", 16);
	assert_int_equal(btf__add_field(btf, "other", number, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "exits", number, 64, 0), 0);
	assert_true(btf__add_struct(btf, "kvm_vcpu", 64) > 0);
	assert_int_equal(btf__add_field(btf, "kvm", number, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "vcpu_id", number, 64, 0), 0);
	if (with_index)
		assert_int_equal(btf__add_field(btf, "vcpu_idx", number, 96, 0), 0);
	assert_int_equal(btf__add_field(btf, "stat", stat, 128, 0), 0);
	return btf;
}

/* What introspection calls a vCPU is its index, not the id that the VMM has chosen. */
static void index_of_vcpu(void **state)
{
	struct vcpu_offsets o = {-1, -1, -1};
	struct btf *btf = make_btf(true);

	(void)state;
	assert_true(vcpu_offsets_in(btf, &o));
	assert_int_equal(o.kvm, 0);
	assert_int_equal(o.id, 12);
	assert_int_equal(o.exits, 24);
	btf__free(btf);
}

static void no_index(void **state)
{
	struct vcpu_offsets o = {-1, -1, -1};
	struct btf *btf = make_btf(false);

	(void)state;
	assert_true(vcpu_offsets_in(btf, &o));
	assert_int_equal(o.id, -1);
	btf__free(btf);
}

static void no_vcpu(void **state)
{
	struct vcpu_offsets o = {-1, -1, -1};
	struct btf *btf = btf__new_empty();

	(void)state;
	assert_false(vcpu_offsets_in(btf, &o));
	btf__free(btf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index_of_vcpu),
		cmocka_unit_test(no_index),
		cmocka_unit_test(no_vcpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
