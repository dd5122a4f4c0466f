/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command/child.h"

/* Waits for the exit that must come: a test that hangs has failed. */
static void wait_for(struct child *child)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(child_has_exited(child));
	assert_int_equal(child->pid, 0);
}

static void child_release__lets_the_command_begin_and_not_before(void **state)
{
	_cleanup_(signals_fini) struct signals signals = { .fd = -1 };
	char marker[] = "/tmp/pprofd-child-XXXXXX";
	char script[PATH_MAX];
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, script, NULL };
	struct child child;

	(void)state;
	close(mkstemp(marker));
	snprintf(script, sizeof(script), "rm %s; exit 3", marker);
	assert_int_equal(signals_init(&signals), 0);
	assert_int_equal(child_start(argv, &signals, &child), 0);
	assert_false(child_has_exited(&child));
	assert_int_equal(access(marker, F_OK), 0);
	assert_int_equal(child_release(&child), 0);
	wait_for(&child);
	assert_int_equal(access(marker, F_OK), -1);
	assert_int_equal(WEXITSTATUS(child.status), 3);
	child_fini(&child);
}

static void child_release__gives_the_error_of_exec(void **state)
{
	_cleanup_(signals_fini) struct signals signals = { .fd = -1 };
	char *argv[] = { (char[]){ "/nonexistent/program" }, NULL };
	struct child child;

	(void)state;
	assert_int_equal(signals_init(&signals), 0);
	assert_int_equal(child_start(argv, &signals, &child), 0);
	assert_int_equal(child_release(&child), -ENOENT);
	wait_for(&child);
	child_fini(&child);
}

static void child_fini__takes_along_a_child_that_was_never_released(void **state)
{
	_cleanup_(signals_fini) struct signals signals = { .fd = -1 };
	char *argv[] = { (char[]){ "sleep" }, (char[]){ "100" }, NULL };
	struct child child;
	pid_t pid;
	int status;

	(void)state;
	assert_int_equal(signals_init(&signals), 0);
	assert_int_equal(child_start(argv, &signals, &child), 0);
	pid = child.pid;
	child_fini(&child);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void child_start__gives_the_command_its_signals_back(void **state)
{
	_cleanup_(signals_fini) struct signals signals = { .fd = -1 };
	/* SIGTERM would stay pending, and SIGPIPE ignored, in a child that inherited what we block. */
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char[]){ "kill -PIPE $$; exit 0" }, NULL };
	struct child child;

	(void)state;
	assert_int_equal(signals_init(&signals), 0);
	assert_int_equal(child_start(argv, &signals, &child), 0);
	assert_int_equal(child_release(&child), 0);
	wait_for(&child);
	assert_true(WIFSIGNALED(child.status));
	assert_int_equal(WTERMSIG(child.status), SIGPIPE);
	child_fini(&child);
}

static void child_describe_status__tells_an_exit_from_a_signal(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf exited = { 0 };
	_cleanup_(strbuf_fini) struct strbuf killed = { 0 };

	(void)state;
	child_describe_status(W_EXITCODE(3, 0), &exited);
	assert_string_equal(strbuf_text(&exited), "exited with status 3");
	child_describe_status(W_EXITCODE(0, SIGSEGV), &killed);
	assert_non_null(strstr(strbuf_text(&killed), "was killed by signal 11 ("));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_release__lets_the_command_begin_and_not_before),
		cmocka_unit_test(child_release__gives_the_error_of_exec),
		cmocka_unit_test(child_fini__takes_along_a_child_that_was_never_released),
		cmocka_unit_test(child_start__gives_the_command_its_signals_back),
		cmocka_unit_test(child_describe_status__tells_an_exit_from_a_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
