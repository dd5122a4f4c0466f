/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/kallsyms.h"

static void assert_loads(const char *text, struct kallsyms **ret)
{
	char path[] = "/tmp/test_symbolize_kallsyms.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(kallsyms_new(path, ret), 0);
	unlink(path);
}

/* In the order in which the kernel prints: itself, modules, BPF. */
static const char table[] = "0000000000000000 A fixed_percpu_data\n"
			    "ffffffff81000000 T _stext\n"
			    "ffffffff81000000 T _text\n"
			    "ffffffff81000000 t startup_64\n"
			    "ffffffff81000300 T __irqentry_text_start\n"
			    "ffffffff81000300 t asm_exc_page_fault\n"
			    "ffffffff81001000 t __pfx_do_one_initcall\n"
			    "ffffffff81001010 T do_one_initcall\n"
			    "ffffffff81002000 t __do_sys_getpid\n"
			    "ffffffff81002000 T __ia32_sys_getpid\n"
			    "ffffffff81002000 T __x64_sys_getpid\n"
			    "ffffffff81003000 W arch_weak\n"
			    "ffffffff81003000 t same_as_weak\n"
			    "ffffffff81004000 T last_function\n"
			    "ffffffff82000000 T _etext\n"
			    "ffffffff82000010 D some_data\n"
			    "ffffffff82100000 T __init_begin_function\n"
			    "ffffffffc0a02000 t nft_eval\t[nf_tables]\n"
			    "ffffffffc0a01000 t nf_hook\t[nf_tables]\n"
			    "ffffffffc0a00500 b module_data\t[nf_tables]\n"
			    "ffffffffc0b00000 t bpf_prog_0123456789abcdef_on_cpu\t[bpf]\n"
			    "ffff800000001000 t far_away\t[far]\n";

static void kallsyms_find__names_functions(void **state)
{
	static const struct {
		uint64_t address;
		const char *name;
	} cases[] = {
		{ 0, NULL },
		{ 1, NULL },
		{ 0xffffffff80ffffff, NULL },
		{ 0xffffffff81000000, "startup_64" },
		{ 0xffffffff810002ff, "startup_64" },
		{ 0xffffffff81000300, "asm_exc_page_fault" },
		{ 0xffffffff8100100f, "asm_exc_page_fault" },
		{ 0xffffffff81001010, "do_one_initcall" },
		{ 0xffffffff81002000, "__x64_sys_getpid" },
		{ 0xffffffff81003fff, "arch_weak" },
		{ 0xffffffff81004000, "last_function" },
		{ 0xffffffff810fffff, "last_function" },
		{ 0xffffffff81104000, NULL }, /* too far */
		{ 0xffffffff82000000, NULL }, /* behind the text */
		{ 0xffffffff82000010, NULL },
		{ 0xffffffff82100004, "__init_begin_function" },
		{ 0xffffffffc0a00fff, NULL },
		{ 0xffffffffc0a01000, "nf_hook [nf_tables]" },
		{ 0xffffffffc0a01fff, "nf_hook [nf_tables]" },
		{ 0xffffffffc0a02001, "nft_eval [nf_tables]" },
		{ 0xffffffffc0a12000, NULL },
		{ 0xffffffffc0b00010, "bpf_prog_0123456789abcdef_on_cpu [bpf]" },
		{ 0xffffffffffffffff, NULL },
		{ 0xffff800000000fff, NULL },
		{ 0xffff800000001001, "far_away [far]" },
		{ 0xffff800100001001, NULL },
	};
	_cleanup_(kallsyms_freep) struct kallsyms *kallsyms = NULL;

	(void)state;
	assert_loads(table, &kallsyms);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *name = kallsyms_find(kallsyms, cases[i].address);

		if (!cases[i].name)
			assert_null(name);
		else
			assert_string_equal(name ? name : "(none)", cases[i].name);
	}
}

static void kallsyms_new__is_empty_when_the_kernel_hides_its_addresses(void **state)
{
	_cleanup_(kallsyms_freep) struct kallsyms *kallsyms = NULL;

	(void)state;
	assert_loads("0000000000000000 T _stext\n0000000000000000 t do_one_initcall\n", &kallsyms);
	assert_int_equal(kallsyms_cnt(kallsyms), 0);
	assert_null(kallsyms_find(kallsyms, 0));
	assert_null(kallsyms_find(kallsyms, 0xffffffff81000000));
}

static void kallsyms_new__passes_over_what_it_cannot_read(void **state)
{
	_cleanup_(kallsyms_freep) struct kallsyms *kallsyms = NULL;

	(void)state;
	assert_loads("\n"
		     "nonsense\n"
		     "ffffffff81000000\n"
		     "ffffffff81000000 \n"
		     "ffffffff81000000 T\n"
		     "ffffffff81000000 T \n"
		     "ffffffff81000000 TT name\n"
		     "ffffffff81000040 T open\t[bracket\n"
		     "ffffffff81000080 T no_newline",
		     &kallsyms);
	assert_int_equal(kallsyms_cnt(kallsyms), 2);
	assert_string_equal(kallsyms_find(kallsyms, 0xffffffff81000040), "open [bracket]");
	assert_string_equal(kallsyms_find(kallsyms, 0xffffffff81000080), "no_newline");
}

static void kallsyms_new__takes_few_bytes_a_symbol(void **state)
{
	_cleanup_(kallsyms_freep) struct kallsyms *kallsyms = NULL;

	(void)state;
	assert_loads(table, &kallsyms);
	assert_true(kallsyms_cnt(kallsyms) >= 10);
	assert_true(kallsyms_size(kallsyms) < sizeof(table) + 200);
}

static void kallsyms_new__fails_with_the_reason(void **state)
{
	struct kallsyms *kallsyms = NULL;

	(void)state;
	assert_int_equal(kallsyms_new("/nonexistent/kallsyms", &kallsyms), -ENOENT);
	assert_int_equal(kallsyms_new("/", &kallsyms), -EISDIR);
	assert_null(kallsyms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kallsyms_find__names_functions),
		cmocka_unit_test(kallsyms_new__is_empty_when_the_kernel_hides_its_addresses),
		cmocka_unit_test(kallsyms_new__passes_over_what_it_cannot_read),
		cmocka_unit_test(kallsyms_new__takes_few_bytes_a_symbol),
		cmocka_unit_test(kallsyms_new__fails_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
