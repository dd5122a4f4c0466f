/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/process.h"

struct fixture {
	char root[64];
};

static int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture)
		return -1;
	strcpy(fixture->root, "/tmp/pprofd-process-XXXXXX");
	*state = fixture;
	return mkdtemp(fixture->root) ? 0 : -1;
}

static void fixture_remove(const struct fixture *fixture, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", fixture->root, name);
	remove(path);
}

static int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	fixture_remove(fixture, "42/stat");
	fixture_remove(fixture, "42/status");
	fixture_remove(fixture, "42/exe");
	fixture_remove(fixture, "42");
	fixture_remove(fixture, "");
	free(fixture);
	return 0;
}

static void fixture_write(const struct fixture *fixture, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/42", fixture->root);
	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/42/%s", fixture->root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

#define STAT_REST " S 1 42 42 0 -1 4194560 100 200 0 0 7 8 0 0 20 0 1 0 98765 1000 50 1844674407370955 1 1\n"

static void process_read__finds_the_start_behind_any_name(void **state)
{
	static const struct {
		const char *stat;
		const char *comm;
	} cases[] = {
		{ "42 (redis-server)" STAT_REST, "redis-server" },
		{ "42 (a) R (b c))" STAT_REST, "a) R (b c)" },
		{ "42 ()" STAT_REST, "" },
		{ "42 (kworker/u8:3-events_unbound)" STAT_REST, "kworker/u8:3-ev" },
	};
	const struct fixture *fixture = *state;

	fixture_write(fixture, "status", "Name:\tx\nUmask:\t0022\nTgid:\t42\nNgid:\t0\n");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(process_fini) struct process process = { 0 };

		fixture_write(fixture, "stat", cases[i].stat);
		assert_int_equal(process_read(fixture->root, 42, &process), 0);
		assert_string_equal(process.comm, cases[i].comm);
		assert_int_equal(process.start_ticks, 98765);
		assert_int_equal(process.tgid, 42);
		assert_null(process.exe);
	}
}

static void process_read__tells_a_thread_from_a_process(void **state)
{
	_cleanup_(process_fini) struct process process = { 0 };
	const struct fixture *fixture = *state;

	fixture_write(fixture, "stat", "42 (worker)" STAT_REST);
	fixture_write(fixture, "status", "Name:\tworker\nTgid:\t40\nPid:\t42\n");
	assert_int_equal(process_read(fixture->root, 42, &process), 0);
	assert_int_equal(process.tgid, 40);
}

static void process_read__follows_exe_to_its_path(void **state)
{
	_cleanup_(process_fini) struct process process = { 0 };
	const struct fixture *fixture = *state;
	char path[PATH_MAX];

	fixture_write(fixture, "stat", "42 (sleep)" STAT_REST);
	fixture_write(fixture, "status", "Name:\tsleep\nTgid:\t42\n");
	snprintf(path, sizeof(path), "%s/42/exe", fixture->root);
	assert_int_equal(symlink("/usr/bin/sleep (deleted)", path), 0);
	assert_int_equal(process_read(fixture->root, 42, &process), 0);
	assert_string_equal(process.exe, "/usr/bin/sleep (deleted)");
}

static void process_read__says_when_there_is_no_such_process(void **state)
{
	struct process process = { .tgid = 4711 };
	const struct fixture *fixture = *state;

	assert_int_equal(process_read(fixture->root, 43, &process), -ESRCH);
	assert_int_equal(process.tgid, 4711);
}

static void process_read__refuses_what_proc_would_not_say(void **state)
{
	static const struct {
		const char *stat;
		const char *status;
	} cases[] = {
		{ "", "\nTgid:\t42\n" },
		{ "42 )x( S 1", "\nTgid:\t42\n" },
		{ "42 (x) S 1 2 3", "\nTgid:\t42\n" },
		{ "42 (x)" STAT_REST, "Name:\tx\n" },
		{ "42 (x)" STAT_REST, "Name:\tx\nTgid:\tno\n" },
	};
	const struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct process process = { 0 };

		fixture_write(fixture, "stat", cases[i].stat);
		fixture_write(fixture, "status", cases[i].status);
		assert_int_equal(process_read(fixture->root, 42, &process), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(process_read__finds_the_start_behind_any_name, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(process_read__tells_a_thread_from_a_process, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(process_read__follows_exe_to_its_path, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(process_read__says_when_there_is_no_such_process, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(process_read__refuses_what_proc_would_not_say, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
