/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "symbolize/source_path.h"

static void source_path_clean__keeps_where_the_path_leads(void **state)
{
	static const struct {
		const char *path, *expected;
	} cases[] = {
		{ "", "" },
		{ "a.c", "a.c" },
		{ "/a.c", "/a.c" },
		{ "./a.c", "a.c" },
		{ "././a.c", "a.c" },
		{ "/src//lib///a.c", "/src/lib/a.c" },
		{ "/src/./lib/./a.c", "/src/lib/a.c" },
		{ "/src/lib/../a.c", "/src/a.c" },
		{ "/src/lib/../../a.c", "/a.c" },
		{ "/../a.c", "/a.c" },
		{ "/src/../../a.c", "/a.c" },
		{ "lib/../a.c", "a.c" },
		{ "../a.c", "../a.c" },
		{ "./../a.c", "../a.c" },
		{ "../../sysdeps/a.S", "../../sysdeps/a.S" },
		{ "lib/../../a.c", "../a.c" },
		{ "/src/.../a.c", "/src/.../a.c" },
		{ "/src/..a/b..", "/src/..a/b.." },
		{ "/", "/" },
		{ "//", "/" },
		{ "/..", "/" },
		{ "src/", "src" },
		{ "src/..", "" },
		{ "<built-in>", "<built-in>" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(freep) char *path = strdup(cases[i].path);

		assert_non_null(path);
		source_path_clean(path);
		assert_string_equal(path, cases[i].expected);
		/* A clean path stays as it is. */
		source_path_clean(path);
		assert_string_equal(path, cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_path_clean__keeps_where_the_path_leads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
