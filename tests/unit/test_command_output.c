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

#include "base/file.h"
#include "command/output.h"

struct fixture {
	char dir[64];
	char file[80];
	char link[80];
	char pipe[80];
};

static int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	*state = fixture;
	if (!fixture)
		return -1;
	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/pprofd-output-XXXXXX");
	if (!mkdtemp(fixture->dir))
		return -1;
	snprintf(fixture->file, sizeof(fixture->file), "%s/file", fixture->dir);
	snprintf(fixture->link, sizeof(fixture->link), "%s/link", fixture->dir);
	snprintf(fixture->pipe, sizeof(fixture->pipe), "%s/pipe", fixture->dir);
	return 0;
}

static int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->file);
	unlink(fixture->link);
	unlink(fixture->pipe);
	/* Fails when something else was left behind. */
	if (rmdir(fixture->dir) < 0)
		return -1;
	free(fixture);
	return 0;
}

static void expect_text(const char *path, const char *text)
{
	_cleanup_(freep) char *got = NULL;

	assert_int_equal(file_read(path, 4096, &got, NULL), 0);
	assert_string_equal(got, text);
}

static void output_open__leaves_no_trace_until_it_is_written(void **state)
{
	_cleanup_(output_fini) struct output output = OUTPUT_NONE;
	struct fixture *fixture = *state;

	assert_int_equal(output_open(fixture->file, &output), 0);
	assert_int_equal(access(fixture->file, F_OK), -1);
	assert_int_equal(output_write(&output, "profile", 7), 0);
	expect_text(fixture->file, "profile");
}

static void output_open__keeps_what_was_there_until_it_is_written(void **state)
{
	_cleanup_(output_fini) struct output output = OUTPUT_NONE;
	struct fixture *fixture = *state;

	assert_int_equal(file_write_atomic(fixture->file, "old", 3), 0);
	assert_int_equal(output_open(fixture->file, &output), 0);
	expect_text(fixture->file, "old");
	assert_int_equal(output_write(&output, "new", 3), 0);
	expect_text(fixture->file, "new");
}

static void output_write__follows_a_link_to_its_file(void **state)
{
	_cleanup_(output_fini) struct output output = OUTPUT_NONE;
	struct fixture *fixture = *state;
	struct stat stat_buf;

	assert_int_equal(file_write_atomic(fixture->file, "old", 3), 0);
	assert_int_equal(symlink("file", fixture->link), 0);
	assert_int_equal(output_open(fixture->link, &output), 0);
	assert_int_equal(output_write(&output, "new", 3), 0);
	expect_text(fixture->file, "new");
	assert_int_equal(lstat(fixture->link, &stat_buf), 0);
	assert_true(S_ISLNK(stat_buf.st_mode));
}

static void output_write__does_not_replace_a_pipe_by_a_file(void **state)
{
	_cleanup_(output_fini) struct output output = OUTPUT_NONE;
	_cleanup_(closep) int reader = -1;
	struct fixture *fixture = *state;
	struct stat stat_buf;
	char got[8] = { 0 };

	assert_int_equal(mkfifo(fixture->pipe, 0600), 0);
	reader = open(fixture->pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_int_equal(output_open(fixture->pipe, &output), 0);
	assert_int_equal(output_write(&output, "profile", 7), 0);
	assert_int_equal(read(reader, got, sizeof(got)), 7);
	assert_string_equal(got, "profile");
	assert_int_equal(stat(fixture->pipe, &stat_buf), 0);
	assert_true(S_ISFIFO(stat_buf.st_mode));
}

static void output_open__says_why_it_cannot_be_written(void **state)
{
	struct fixture *fixture = *state;
	char below_file[PATH_MAX], in_nowhere[PATH_MAX];
	struct output output = { .fd = 4711 };

	assert_int_equal(file_write_atomic(fixture->file, "", 0), 0);
	snprintf(below_file, sizeof(below_file), "%s/x", fixture->file);
	snprintf(in_nowhere, sizeof(in_nowhere), "%s/nowhere/x", fixture->dir);
	assert_int_equal(output_open(below_file, &output), -ENOTDIR);
	assert_int_equal(output_open(in_nowhere, &output), -ENOENT);
	assert_int_equal(output_open(fixture->dir, &output), -EISDIR);
	assert_int_equal(output.fd, 4711);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(output_open__leaves_no_trace_until_it_is_written, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(output_open__keeps_what_was_there_until_it_is_written, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(output_write__follows_a_link_to_its_file, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(output_write__does_not_replace_a_pipe_by_a_file, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(output_open__says_why_it_cannot_be_written, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
