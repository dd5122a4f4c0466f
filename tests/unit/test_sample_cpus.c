/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/cpus.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CPU_CNT 12

static const struct {
	const char *list;
	int expected;
	const char *marks; /* one digit per CPU */
} lists[] = {
	{ "0\n", 0, "100000000000" },
	{ "0-1\n", 0, "110000000000" },
	{ "0-3,8\n", 0, "111100001000" },
	{ "0,2,4-5,11", 0, "101011000001" },
	{ "\n", 0, "000000000000" },
	{ "", 0, "000000000000" },
	{ "10-4000000000\n", 0, "000000000011" },
	{ "12,99\n", 0, "000000000000" },
	{ "x\n", -EBADMSG, NULL },
	{ "0-\n", -EBADMSG, NULL },
	{ "0-x\n", -EBADMSG, NULL },
	{ "0 1\n", -EBADMSG, NULL },
	{ "0,,1\n", -EBADMSG, NULL },
	{ "0:1\n", -EBADMSG, NULL },
};

static void cpus_parse_list__marks_what_the_list_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		bool marks[CPU_CNT] = { false };
		char text[CPU_CNT + 1] = "";

		print_message("list \"%s\"\n", lists[i].list);
		assert_int_equal(cpus_parse_list(lists[i].list, marks, CPU_CNT), lists[i].expected);
		for (size_t cpu = 0; cpu < CPU_CNT; cpu++)
			text[cpu] = marks[cpu] ? '1' : '0';
		if (lists[i].marks)
			assert_string_equal(text, lists[i].marks);
	}
}

/* A string literal's own zero byte is the last of the message. */
#define MESSAGE(text) (text), sizeof(text)

static const struct {
	const char *message;
	size_t len;
	bool expected;
	uint32_t cpu;
	bool is_offline;
} messages[] = {
	{ MESSAGE("offline@/devices/system/cpu/cpu1\0ACTION=offline"), true, 1, true },
	{ MESSAGE("online@/devices/system/cpu/cpu255\0ACTION=online"), true, 255, false },
	{ MESSAGE("offline@/devices/system/memory/memory1"), false, 0, false },
	{ MESSAGE("offline@/devices/system/cpu/cpu"), false, 0, false },
	{ MESSAGE("offline@/devices/system/cpu/cpufreq"), false, 0, false },
	{ MESSAGE("online@/devices/system/cpu/cpu1/cache"), false, 0, false },
	{ MESSAGE("online@/devices/system/cpu/cpu99999999999"), false, 0, false },
	{ MESSAGE("add@/devices/system/cpu/cpu1"), false, 0, false },
	{ MESSAGE("add@/devices/virtual/net/veth0"), false, 0, false },
	{ MESSAGE(""), false, 0, false },
	{ "", 0, false, 0, false },
	/* Cut off: no zero byte ends it. */
	{ "offline@/devices/system/cpu/cpu1", 32, false, 0, false },
};

static void cpus_parse_message__knows_messages_about_cpus_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		bool is_offline = false;
		uint32_t cpu = 0;

		print_message("message \"%s\"\n", messages[i].message);
		assert_int_equal(cpus_parse_message(messages[i].message, messages[i].len, &cpu, &is_offline),
				 messages[i].expected);
		assert_int_equal(cpu, messages[i].cpu);
		assert_int_equal(is_offline, messages[i].is_offline);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpus_parse_list__marks_what_the_list_names),
		cmocka_unit_test(cpus_parse_message__knows_messages_about_cpus_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
