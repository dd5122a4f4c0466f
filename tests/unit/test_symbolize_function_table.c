/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_fixture.h"
#include "symbolize/function_table.h"

__attribute__((noinline)) static int function_with_a_frame(int cnt)
{
	volatile int room[16];

	for (int i = 0; i < 16; i++)
		room[i] = cnt + i;
	return room[cnt & 15];
}

static int note_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
	(void)size;
	*(uint64_t *)bias = info->dlpi_addr;
	return 1; /* the first is the program itself */
}

static void function_table_find__knows_where_functions_begin(void **state)
{
	const uint64_t functions[] = {
		(uintptr_t)function_with_a_frame,
		(uintptr_t)function_table_find,
		(uintptr_t)function_table_init,
	};
	_cleanup_(object_freep) struct object *object = NULL;
	struct function_table table;
	uint64_t bias = 0, start;

	(void)state;
	assert_int_equal(function_with_a_frame(3), 6);
	dl_iterate_phdr(note_bias, &bias);
	assert_int_equal(object_new_path("/proc/self/exe", &object), 0);
	assert_int_equal(function_table_init(&table, object), 0);
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		for (uint64_t at = 0; at < 16; at += 5) {
			assert_int_equal(function_table_find(&table, functions[i] - bias + at, &start), 0);
			assert_int_equal(start, functions[i] - bias);
		}
	}
	assert_int_equal(function_table_find(&table, 0, &start), -ENODATA);
	assert_int_equal(function_table_find(&table, UINT64_MAX, &start), -ENODATA);
	assert_int_equal(function_table_find(&table, table.elfva, &start), -ENODATA);
}

/* A table of 1,000 functions of 16 bytes, each 32 bytes behind the one before, whose descriptions follow it. */
enum { CNT = 1000, DESCRIPTIONS = 12 + CNT * 8 };

static struct object *open_fixture(unsigned char encoding, uint32_t cnt, Elf64_Word segment)
{
	static unsigned char data[DESCRIPTIONS + CNT * 16];
	char path[] = "/tmp/test_symbolize_function_table.XXXXXX";
	const struct elf_fixture_section section = { ".eh_frame_hdr", SHT_NOTE, 0, 0x100000, data, sizeof(data), 0, 0 };
	struct object *object = NULL;
	int fd = mkstemp(path);
	Elf64_Phdr phdr;

	assert_true(fd >= 0);
	memcpy(data, (unsigned char[]){ 1, 0x1b, 0x03, encoding }, 4);
	memcpy(data + 8, &cnt, sizeof(cnt));
	for (int32_t i = 0; i < CNT; i++) {
		const int32_t entry[] = { i * 32 - 0x10000, DESCRIPTIONS + i * 16 };
		const int32_t description[] = { 12, 0, entry[0] - (entry[1] + 8), 16 };

		memcpy(data + 12 + i * 8, entry, sizeof(entry));
		memcpy(data + entry[1], description, sizeof(description));
	}
	close(fd);
	elf_fixture_write(path, EM_X86_64, &section, 1);
	/* The fixture made it a note. */
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &phdr, sizeof(phdr), sizeof(Elf64_Ehdr)), sizeof(phdr));
	phdr.p_type = segment;
	assert_int_equal(pwrite(fd, &phdr, sizeof(phdr), sizeof(Elf64_Ehdr)), sizeof(phdr));
	close(fd);
	assert_int_equal(object_new_path(path, &object), 0);
	unlink(path);
	return object;
}

static void function_table_find__searches_all_of_it(void **state)
{
	_cleanup_(object_freep) struct object *object = open_fixture(0x3b, CNT, PT_GNU_EH_FRAME);
	struct function_table table;
	uint64_t start;

	(void)state;
	assert_int_equal(function_table_init(&table, object), 0);
	assert_int_equal(function_table_find(&table, 0xf0000 - 1, &start), -ENODATA);
	for (uint64_t i = 0; i < CNT; i++) {
		const uint64_t function = 0xf0000 + i * 32;

		assert_int_equal(function_table_find(&table, function, &start), 0);
		assert_int_equal(start, function);
		assert_int_equal(function_table_find(&table, function + 15, &start), 0);
		assert_int_equal(start, function);
		assert_int_equal(function_table_find(&table, function + 16, &start), -ENODATA);
	}
}

static void function_table_find__bears_a_table_that_the_file_does_not_hold(void **state)
{
	_cleanup_(object_freep) struct object *object = open_fixture(0x3b, UINT32_MAX, PT_GNU_EH_FRAME);
	struct function_table table;
	uint64_t start;

	(void)state;
	assert_int_equal(function_table_init(&table, object), 0);
	assert_int_equal(function_table_find(&table, 0xf0000, &start), -ENODATA);
}

static void function_table_init__refuses_what_it_cannot_read(void **state)
{
	static const struct {
		unsigned char encoding;
		Elf64_Word segment;
	} cases[] = {
		{ 0x3c, PT_GNU_EH_FRAME }, /* 8 bytes an entry */
		{ 0xff, PT_GNU_EH_FRAME }, /* no table */
		{ 0x3b, PT_NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(object_freep) struct object *object = open_fixture(cases[i].encoding, CNT, cases[i].segment);
		struct function_table table;

		assert_int_equal(function_table_init(&table, object), -ENODATA);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(function_table_find__knows_where_functions_begin),
		cmocka_unit_test(function_table_find__searches_all_of_it),
		cmocka_unit_test(function_table_find__bears_a_table_that_the_file_does_not_hold),
		cmocka_unit_test(function_table_init__refuses_what_it_cannot_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
