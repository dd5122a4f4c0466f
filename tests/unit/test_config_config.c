/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

/* config_read() takes main()'s types but writes to no text, so literals may be cast to them. */
#define ARGS(...) ((const char *[]){ __VA_ARGS__, NULL })
#define NOTHING ((const char *[]){ NULL })

/* Reads what must be accepted; the caller releases the config. */
static struct config read_good(unsigned int command, const char **argv, const char **variables)
{
	_cleanup_(strbuf_fini) struct strbuf message = { 0 };
	struct config config;

	if (config_read(command, (char **)argv, (char **)variables, &message, &config) != 0)
		fail_msg("refused: %s", strbuf_text(&message));
	assert_int_equal(message.len, 0);
	return config;
}

/* Expects a refusal, in one line that begins with `message`. */
static void expect_refused(unsigned int command, const char **argv, const char **variables, const char *message)
{
	_cleanup_(strbuf_fini) struct strbuf got = { 0 };
	struct config config = { .sample_hz = 4711 };

	assert_int_equal(config_read(command, (char **)argv, (char **)variables, &got, &config), -EINVAL);
	assert_int_equal(config.sample_hz, 4711);
	if (strncmp(strbuf_text(&got), message, strlen(message)) != 0)
		fail_msg("\"%s\" instead of \"%s\"", strbuf_text(&got), message);
	assert_null(strchr(strbuf_text(&got), '\n'));
	assert_null(strchr(strbuf_text(&got), '\x1b'));
}

static void config_read__starts_from_the_initial_values(void **state)
{
	_cleanup_(config_fini) struct config config = read_good(COMMAND_RUN, ARGS("run"), NOTHING);

	(void)state;
	assert_int_equal(config.sample_hz, 99);
	assert_string_equal(config.event, "cpu-clock");
	assert_int_equal(config.window_ns, 15000000000);
	assert_int_equal(config.output_max, 1 << 30);
	assert_string_equal(config.output_dir, "/var/lib/pprofd");
	assert_null(config.pyroscope_url);
	assert_int_equal(config.labels.cnt, 0);
	assert_int_equal(config.ring_bytes, 0);
	assert_false(config.help);
}

static void config_read__reads_short_and_long_flags(void **state)
{
	_cleanup_(config_fini) struct config config = read_good(
		COMMAND_RECORD,
		ARGS("record", "-p1,22", "--pid=333", "-F", "199", "-d", "1m30s", "--format", "folded", "-o-"),
		NOTHING);

	(void)state;
	assert_int_equal(config.pids.cnt, 3);
	assert_int_equal(config.pids.values[0], 1);
	assert_int_equal(config.pids.values[1], 22);
	assert_int_equal(config.pids.values[2], 333);
	assert_int_equal(config.sample_hz, 199);
	assert_int_equal(config.duration_ns, 90000000000);
	assert_int_equal(config.format, CONFIG_FORMAT_FOLDED);
	assert_string_equal(config.output_file, "-");
	assert_null(config.argv[0]);
}

static void config_read__leaves_the_command_and_its_options_alone(void **state)
{
	_cleanup_(config_fini) struct config with_dashes =
		read_good(COMMAND_RECORD, ARGS("record", "-F", "50", "--", "ls", "-a", "--", "-p"), NOTHING);
	_cleanup_(config_fini) struct config without =
		read_good(COMMAND_RECORD, ARGS("record", "-F", "50", "ls", "-F"), NOTHING);

	(void)state;
	assert_string_equal(with_dashes.argv[0], "ls");
	assert_string_equal(with_dashes.argv[3], "-p");
	assert_null(with_dashes.argv[4]);
	assert_false(with_dashes.all);
	assert_int_equal(with_dashes.sample_hz, 50);
	assert_string_equal(without.argv[1], "-F");
}

static void config_read__prefers_the_flag_to_the_variable(void **state)
{
	const char *variables[] = { "PPROFD_HZ=19", "PPROFD_WINDOW=30s", "PPROFD_LABELS=zone=a,rack=7", NULL };
	_cleanup_(config_fini) struct config both =
		read_good(COMMAND_RUN, ARGS("run", "--hz", "49", "--label", "zone=b"), variables);
	_cleanup_(config_fini) struct config variables_only = read_good(COMMAND_RUN, ARGS("run"), variables);

	(void)state;
	assert_int_equal(both.sample_hz, 49);
	assert_int_equal(both.window_ns, 30000000000);
	assert_int_equal(both.labels.cnt, 1);
	assert_string_equal(both.labels.labels[0].value, "b");
	assert_int_equal(variables_only.sample_hz, 19);
	assert_int_equal(variables_only.labels.cnt, 2);
	assert_string_equal(variables_only.labels.labels[1].name, "rack");
	assert_string_equal(variables_only.labels.labels[1].value, "7");
}

static void config_read__ignores_variables_that_are_empty_or_not_its_own(void **state)
{
	/* The second is what Kubernetes sets for a service called pprofd. */
	const char *variables[] = { "PPROFD_HZ=",       "PPROFD_PORT=tcp://10.0.0.1:6060",
				    "PPROFD_HZX=7",     "PPROFD_OUTPUT=/x",
				    "PPROFD_WINDOW=no", NULL };
	_cleanup_(config_fini) struct config config = read_good(COMMAND_RECORD, ARGS("record", "-a"), variables);

	(void)state;
	assert_int_equal(config.sample_hz, 99);
	assert_null(config.output_file);
}

static void config_read__replaces_a_label_given_twice(void **state)
{
	_cleanup_(config_fini) struct config config =
		read_good(COMMAND_RUN, ARGS("run", "-l", "a=1", "-l", "b=2=3,a=4"), NOTHING);

	(void)state;
	assert_int_equal(config.labels.cnt, 2);
	assert_string_equal(config.labels.labels[0].name, "a");
	assert_string_equal(config.labels.labels[0].value, "4");
	assert_string_equal(config.labels.labels[1].value, "2=3");
}

static void config_read__gives_help_whatever_else_is_wrong(void **state)
{
	const char *variables[] = { "PPROFD_HZ=nonsense", NULL };
	_cleanup_(config_fini) struct config config = read_good(COMMAND_RECORD, ARGS("record", "--help"), variables);

	(void)state;
	assert_true(config.help);
}

static void config_read__says_what_is_allowed(void **state)
{
	static const struct {
		unsigned int command;
		const char *argv[6];
		const char *message;
	} cases[] = {
		{ COMMAND_RECORD, { "record", "-a", "-F", "0" }, "--hz: \"0\" is not a whole number from 1 to 10000" },
		{ COMMAND_RECORD, { "record", "-a", "-F", "10001" }, "--hz: \"10001\" is not a whole number from 1" },
		{ COMMAND_RECORD, { "record", "-a", "-F", "fast" }, "--hz: \"fast\" is not a whole number" },
		{ COMMAND_RECORD, { "record", "-a", "-F", "a\nb\x1b" }, "--hz: \"a?b?\" is not" },
		{ COMMAND_RECORD, { "record", "-a", "-F" }, "--hz needs a value: a whole number from 1 to 10000" },
		{ COMMAND_RECORD, { "record", "-p", "0" }, "--pid: \"0\" is not a list of whole numbers from 1" },
		{ COMMAND_RECORD, { "record", "-p", "1,,2" }, "--pid: \"1,,2\" is not a list" },
		{ COMMAND_RECORD, { "record", "-p", "" }, "--pid: \"\" is not a list" },
		{ COMMAND_RECORD,
		  { "record", "-a", "-d", "1y" },
		  "--duration: \"1y\" is not a duration from 0s to 720h" },
		{ COMMAND_RECORD,
		  { "record", "-a", "--format", "xml" },
		  "--format: \"xml\" is not one of pprof, folded" },
		{ COMMAND_RECORD, { "record", "-a", "-o", "" }, "--output: \"\" is not a text of one" },
		{ COMMAND_RECORD,
		  { "record", "-a", "--bogus" },
		  "unknown or ambiguous option --bogus; \"pprofd record" },
		{ COMMAND_RECORD, { "record", "-a", "-Z" }, "unknown option -Z; \"pprofd record --help\"" },
		{ COMMAND_RECORD, { "record", "--all=yes" }, "option --all=yes takes no value;" },
		{ COMMAND_RECORD, { "record" }, "say what to record: one of" },
		{ COMMAND_RECORD, { "record", "-a", "-p", "1" }, "say what to record: one of" },
		{ COMMAND_RECORD, { "record", "-a", "ls" }, "say what to record: one of" },
		{ COMMAND_RUN, { "run", "-p", "1" }, "unknown option -p; \"pprofd run --help\"" },
		{ COMMAND_RUN, { "run", "now" }, "unexpected argument now; \"pprofd run --help\"" },
		{ COMMAND_RUN, { "run", "--window", "0s" }, "--window: \"0s\" is not a duration from 1s to 1h" },
		{ COMMAND_RUN, { "run", "--queue-max", "1KiB" }, "--queue-max: \"1KiB\" is not a size from 1MiB" },
		{ COMMAND_RUN, { "run", "--label", "zone" }, "--label: \"zone\" is not NAME=VALUE" },
		{ COMMAND_RUN, { "run", "--label", "9a=b" }, "--label: \"9a=b\" is not NAME=VALUE" },
		{ COMMAND_RUN, { "run", "--label", "a=" }, "--label: \"a=\" is not NAME=VALUE" },
		{ COMMAND_RUN, { "run", "--label", "a=\xff" }, "--label: \"a=\xff\" is not NAME=VALUE" },
		{ COMMAND_RUN, { "run", "--label", "service_name=x" }, "--label: \"service_name=x\" is not" },
		{ COMMAND_RUN, { "run", "--label", "__name__=x" }, "--label: \"__name__=x\" is not" },
		{ COMMAND_CHECK,
		  { "check", "--log-level", "loud" },
		  "--log-level: \"loud\" is not one of error, warn" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_refused(cases[i].command, (const char **)cases[i].argv, NOTHING, cases[i].message);
}

static void config_read__names_the_variable_that_is_wrong(void **state)
{
	const char *variables[] = { "PPROFD_WINDOW=soon", NULL };

	(void)state;
	expect_refused(COMMAND_RUN, ARGS("run"), variables, "PPROFD_WINDOW: \"soon\" is not a duration from 1s to 1h");
}

static void config_read__keeps_a_long_value_to_one_short_line(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf message = { 0 };
	char value[5000];
	char *argv[] = { value, value, NULL };
	char *variables[] = { NULL };
	struct config config;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	memcpy(value, "-F", 2);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(config_read(COMMAND_RECORD, argv, variables, &message, &config), -EINVAL);
	assert_true(message.len < 200);
}

static void config_read__bounds_the_number_of_labels(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };

	(void)state;
	for (int i = 0; i < CONFIG_LABELS_MAX; i++)
		strbuf_printf(&text, "%sl%d=v", i ? "," : "", i);
	struct config config = read_good(COMMAND_RUN, ARGS("run", "-l", text.data), NOTHING);
	assert_int_equal(config.labels.cnt, CONFIG_LABELS_MAX);
	config_fini(&config);

	strbuf_puts(&text, ",more=v");
	expect_refused(COMMAND_RUN, ARGS("run", "-l", text.data), NOTHING, "--label: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_read__starts_from_the_initial_values),
		cmocka_unit_test(config_read__reads_short_and_long_flags),
		cmocka_unit_test(config_read__leaves_the_command_and_its_options_alone),
		cmocka_unit_test(config_read__prefers_the_flag_to_the_variable),
		cmocka_unit_test(config_read__ignores_variables_that_are_empty_or_not_its_own),
		cmocka_unit_test(config_read__replaces_a_label_given_twice),
		cmocka_unit_test(config_read__gives_help_whatever_else_is_wrong),
		cmocka_unit_test(config_read__says_what_is_allowed),
		cmocka_unit_test(config_read__names_the_variable_that_is_wrong),
		cmocka_unit_test(config_read__keeps_a_long_value_to_one_short_line),
		cmocka_unit_test(config_read__bounds_the_number_of_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
