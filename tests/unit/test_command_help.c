/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "command/command.h"
#include "config/knob.h"

static const struct command commands[] = {
	{ "sing", COMMAND_RECORD, NULL, "[OPTION...] SONG", "sing a song", "Sings.\n" },
	{ "run", COMMAND_RUN, NULL, "[OPTION...]", "run", "Runs.\n" },
	{ 0 },
};

static void help_write__lists_the_commands(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };

	(void)state;
	help_write(commands, &buf);
	assert_non_null(strstr(strbuf_text(&buf), "\n  sing    sing a song\n"));
	assert_non_null(strstr(strbuf_text(&buf), "\n  run     run\n"));
}

static void help_write_command__has_every_option_of_the_command_and_no_other(void **state)
{
	(void)state;
	for (const struct command *command = commands; command->name; command++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };

		help_write_command(command, &buf);
		for (size_t i = 0; i < KNOB_CNT; i++) {
			_cleanup_(strbuf_fini) struct strbuf option = { 0 };
			bool is_wanted = knobs[i].commands & command->bit;

			strbuf_printf(&option, " --%s %s", knobs[i].flag, knobs[i].metavar ? knobs[i].metavar : "");
			if (!strstr(strbuf_text(&buf), strbuf_text(&option)) == is_wanted)
				fail_msg("%s:%s", command->name, strbuf_text(&option));
		}
	}
}

static void help_write_command__shows_defaults_and_variables(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };

	(void)state;
	help_write_command(&commands[0], &buf);
	assert_ptr_equal(strstr(strbuf_text(&buf), "Usage: pprofd sing [OPTION...] SONG\n\nSings.\n"),
			 strbuf_text(&buf));
	assert_non_null(strstr(strbuf_text(&buf), "  -F, --hz HZ                 samples per second on each CPU "
						  "(default 99, PPROFD_HZ)\n"));
	assert_non_null(strstr(strbuf_text(&buf), "      --log-level LEVEL "));
}

static void help_write_command__keeps_to_its_width(void **state)
{
	(void)state;
	for (const struct command *command = commands; command->name; command++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
		size_t len;

		help_write_command(command, &buf);
		for (const char *line = strbuf_text(&buf); *line; line += len + 1) {
			len = strcspn(line, "\n");
			if (len > 100)
				fail_msg("%.*s", (int)len, line);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help_write__lists_the_commands),
		cmocka_unit_test(help_write_command__has_every_option_of_the_command_and_no_other),
		cmocka_unit_test(help_write_command__shows_defaults_and_variables),
		cmocka_unit_test(help_write_command__keeps_to_its_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
