/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "config/knob.h"

static const struct knob *find_knob(const char *flag, unsigned int command)
{
	for (size_t i = 0; i < KNOB_CNT; i++) {
		if (strcmp(knobs[i].flag, flag) == 0 && knobs[i].commands & command)
			return &knobs[i];
	}
	fail_msg("no --%s", flag);
	return NULL;
}

static void knobs__have_initial_values_that_are_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < KNOB_CNT; i++) {
		struct config config = { 0 };

		if (knobs[i].initial && knob_set(&knobs[i], knobs[i].initial, &config) != 0)
			fail_msg("--%s %s", knobs[i].flag, knobs[i].initial);
	}
}

static void knobs__do_not_clash_within_a_command(void **state)
{
	(void)state;
	for (size_t i = 0; i < KNOB_CNT; i++) {
		for (size_t k = i + 1; k < KNOB_CNT; k++) {
			if (!(knobs[i].commands & knobs[k].commands))
				continue;
			assert_string_not_equal(knobs[i].flag, knobs[k].flag);
			assert_false(knobs[i].letter && knobs[i].letter == knobs[k].letter);
			assert_false(knobs[i].variable && knobs[k].variable &&
				     strcmp(knobs[i].variable, knobs[k].variable) == 0);
		}
	}
}

static void knobs__name_their_variable_after_their_flag(void **state)
{
	(void)state;
	for (size_t i = 0; i < KNOB_CNT; i++) {
		_cleanup_(strbuf_fini) struct strbuf name = { 0 };

		if (!knobs[i].variable)
			continue;
		strbuf_puts(&name, "PPROFD_");
		for (const char *c = knobs[i].flag; *c; c++)
			strbuf_printf(&name, "%c", *c == '-' ? '_' : toupper(*c));
		/* A flag given several times becomes a list in the variable. */
		if (knobs[i].kind == KNOB_LABELS)
			strbuf_puts(&name, "S");
		assert_string_equal(strbuf_text(&name), knobs[i].variable);
	}
}

static void knobs__are_complete_for_the_help_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < KNOB_CNT; i++) {
		assert_true(*knobs[i].help);
		assert_int_equal(!knobs[i].metavar, knobs[i].kind == KNOB_FLAG);
		assert_int_equal(!knobs[i].words, knobs[i].kind != KNOB_WORD);
		assert_true(knobs[i].min <= knobs[i].max);
	}
}

static void knobs__list_words_in_the_order_of_their_enum(void **state)
{
	const struct knob *format = find_knob("format", COMMAND_RECORD);
	const struct knob *log_level = find_knob("log-level", COMMAND_RUN);

	(void)state;
	assert_string_equal(format->words[CONFIG_FORMAT_PPROF], "pprof");
	assert_string_equal(format->words[CONFIG_FORMAT_FOLDED], "folded");
	assert_string_equal(log_level->words[LOG_LEVEL_ERROR], "error");
	assert_string_equal(log_level->words[LOG_LEVEL_WARNING], "warning");
	assert_string_equal(log_level->words[LOG_LEVEL_INFO], "info");
	assert_string_equal(log_level->words[LOG_LEVEL_DEBUG], "debug");
}

static void knob_describe__fills_in_the_bounds(void **state)
{
	static const struct {
		const char *flag;
		const char *text;
	} cases[] = {
		{ "hz", "a whole number from 1 to 10000" },
		{ "window", "a duration from 1s to 1h, such as 15s, 500ms or 2m" },
		{ "queue-max", "a size from 1MiB to 64GiB, such as 64MiB" },
		{ "demangle", "one of full, simplified, off" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };

		knob_describe(find_knob(cases[i].flag, COMMAND_RUN), &buf);
		assert_string_equal(strbuf_text(&buf), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knobs__have_initial_values_that_are_allowed),
		cmocka_unit_test(knobs__do_not_clash_within_a_command),
		cmocka_unit_test(knobs__name_their_variable_after_their_flag),
		cmocka_unit_test(knobs__are_complete_for_the_help_text),
		cmocka_unit_test(knobs__list_words_in_the_order_of_their_enum),
		cmocka_unit_test(knob_describe__fills_in_the_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
