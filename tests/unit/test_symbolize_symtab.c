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

#include "elf_fixture.h"
#include "symbolize/symtab.h"

#define TEXT 1
#define OTHER_TEXT 2
#define DATA 3

#define GLOBAL(type) ELF64_ST_INFO(STB_GLOBAL, STT_##type)
#define WEAK(type) ELF64_ST_INFO(STB_WEAK, STT_##type)
#define LOCAL(type) ELF64_ST_INFO(STB_LOCAL, STT_##type)

struct symbol_case {
	const char *name;
	uint64_t value, size;
	unsigned char info;
	uint16_t section;
};

/* .text is 0x1000..0x1fff, .other 0x3000..0x30ff. */
static const struct symbol_case symbol_cases[] = {
	{ "sized", 0x1000, 0x10, GLOBAL(FUNC), TEXT },
	{ "unsized", 0x1040, 0, GLOBAL(FUNC), TEXT },
	{ "local_alias", 0x1100, 0x20, LOCAL(FUNC), TEXT },
	{ "weak_alias", 0x1100, 0x20, WEAK(FUNC), TEXT },
	{ "global_alias", 0x1100, 0x20, GLOBAL(FUNC), TEXT },
	{ "label_of_global", 0x1100, 0, GLOBAL(NOTYPE), TEXT },
	{ "__underscored", 0x1140, 0x20, GLOBAL(FUNC), TEXT },
	{ "plain", 0x1140, 0x20, GLOBAL(FUNC), TEXT },
	{ "_underscored", 0x1140, 0x20, GLOBAL(FUNC), TEXT },
	{ "label", 0x1180, 0x20, GLOBAL(NOTYPE), TEXT },
	{ "function", 0x1180, 0x20, GLOBAL(FUNC), TEXT },
	{ "outer", 0x1200, 0x100, GLOBAL(FUNC), TEXT },
	{ "inner", 0x1240, 0x10, LOCAL(FUNC), TEXT },
	{ "inner_label", 0x1280, 0, LOCAL(NOTYPE), TEXT },
	{ "chosen_at_load", 0x1400, 0x10, GLOBAL(GNU_IFUNC), TEXT },
	{ "memcpy@@GLIBC_2.14", 0x1420, 0x10, GLOBAL(FUNC), TEXT },
	{ "memcpy@GLIBC_2.2.5", 0x1440, 0x10, GLOBAL(FUNC), TEXT },
	{ "@", 0x1450, 0x10, GLOBAL(FUNC), TEXT },
	{ "variable", 0x1500, 0x10, GLOBAL(OBJECT), TEXT },
	{ "elsewhere", 0x1520, 0x10, GLOBAL(FUNC), SHN_UNDEF },
	{ "absolute", 0x1540, 0x10, GLOBAL(FUNC), SHN_ABS },
	{ "no_such_section", 0x1560, 0x10, GLOBAL(FUNC), 99 },
	{ "in_data", 0x1580, 0x10, GLOBAL(FUNC), DATA },
	{ "", 0x15a0, 0x10, GLOBAL(FUNC), TEXT },
	{ "$x", 0x1600, 0, LOCAL(NOTYPE), TEXT },
	{ "last", 0x1f00, 0, GLOBAL(FUNC), TEXT },
	{ "wraps", UINT64_MAX - 15, 0x100, GLOBAL(FUNC), TEXT },
	{ "other", 0x3000, 0x10, GLOBAL(FUNC), OTHER_TEXT },
};

static const struct {
	uint64_t elfva;
	const char *name;
} address_cases[] = {
	{ 0, NULL },
	{ 0xfff, NULL },
	{ 0x1000, "sized" },
	{ 0x100f, "sized" },
	{ 0x1010, NULL }, /* behind a sized symbol */
	{ 0x103f, NULL },
	{ 0x1040, "unsized" },
	{ 0x10ff, "unsized" }, /* up to the next */
	{ 0x1100, "global_alias" },
	{ 0x111f, "global_alias" },
	{ 0x1140, "plain" },
	{ 0x1180, "function" },
	{ 0x1200, "outer" },
	{ 0x1240, "inner" },
	{ 0x1250, "outer" },
	{ 0x1280, "outer" }, /* a label within a function */
	{ 0x12ff, "outer" },
	{ 0x1300, NULL },
	{ 0x1400, "chosen_at_load" },
	{ 0x1420, "memcpy" },
	{ 0x1440, "memcpy" },
	{ 0x1455, "@" },
	{ 0x1505, NULL },
	{ 0x1525, NULL },
	{ 0x1545, NULL },
	{ 0x1565, NULL },
	{ 0x1585, NULL },
	{ 0x15a5, NULL },
	{ 0x1605, NULL },
	{ 0x1f80, "last" },
	{ 0x1fff, "last" },
	{ 0x2000, NULL }, /* behind its section */
	{ 0x3000, "other" },
	{ 0x3010, NULL },
	{ UINT64_MAX - 8, "wraps" },
};

/* The object of a file that has `symbols` in a table of this type. */
static struct object *open_fixture(const struct symbol_case *symbols, size_t cnt, Elf64_Word table_type)
{
	char path[] = "/tmp/test_symbolize_symtab.XXXXXX";
	_cleanup_(freep) Elf64_Sym *table = calloc(cnt + 1, sizeof(*table));
	_cleanup_(freep) char *strings = calloc(cnt + 1, 64);
	static const char text[0x1000];
	struct elf_fixture_section sections[] = {
		{ ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 0x1000, text, sizeof(text), 0, 0 },
		{ ".other", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 0x3000, text, 0x100, 0, 0 },
		{ ".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 0x4000, text, 0x100, 0, 0 },
		{ ".symbols", table_type, 0, 0, table, (cnt + 1) * sizeof(*table), 5, sizeof(*table) },
		{ ".strings", SHT_STRTAB, 0, 0, strings, (cnt + 1) * 64, 0, 0 },
	};
	struct object *object = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0 && table && strings);
	close(fd);
	for (size_t i = 0; i < cnt; i++) {
		table[i + 1] = (Elf64_Sym){
			.st_name = (Elf64_Word)(i + 1) * 64,
			.st_info = symbols[i].info,
			.st_shndx = symbols[i].section,
			.st_value = symbols[i].value,
			.st_size = symbols[i].size,
		};
		assert_true(strlen(symbols[i].name) < 64);
		memcpy(strings + (i + 1) * 64, symbols[i].name, strlen(symbols[i].name));
	}
	elf_fixture_write(path, EM_X86_64, sections, ARRAY_LEN(sections));
	assert_int_equal(object_new_path(path, &object), 0);
	unlink(path);
	return object;
}

static void symtab_resolve__follows_its_rules(void **state)
{
	static const uint32_t table_types[] = { SHT_SYMTAB, SHT_DYNSYM };
	uint64_t elfvas[ARRAY_LEN(address_cases)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(address_cases); i++)
		elfvas[i] = address_cases[i].elfva;
	for (size_t t = 0; t < ARRAY_LEN(table_types); t++) {
		_cleanup_(object_freep) struct object *object =
			open_fixture(symbol_cases, ARRAY_LEN(symbol_cases), table_types[t]);
		_cleanup_(arena_freep) struct arena *arena = NULL;
		const char *names[ARRAY_LEN(address_cases)] = { NULL };

		assert_int_equal(arena_new(&arena), 0);
		/* The other table, which is not there, names nothing. */
		assert_int_equal(symtab_resolve(object, table_types[!t], elfvas, ARRAY_LEN(elfvas), arena, names), 0);
		for (size_t i = 0; i < ARRAY_LEN(elfvas); i++)
			assert_null(names[i]);

		assert_int_equal(symtab_resolve(object, table_types[t], elfvas, ARRAY_LEN(elfvas), arena, names), 0);
		for (size_t i = 0; i < ARRAY_LEN(elfvas); i++) {
			if (!names[i] != !address_cases[i].name ||
			    (names[i] && strcmp(names[i], address_cases[i].name) != 0))
				fail_msg("%#llx is %s", (unsigned long long)elfvas[i], names[i] ? names[i] : "unnamed");
		}
	}
}

static void symtab_resolve__says_the_same_of_one_address_as_of_many(void **state)
{
	_cleanup_(object_freep) struct object *object = open_fixture(symbol_cases, ARRAY_LEN(symbol_cases), SHT_SYMTAB);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(address_cases); i++) {
		_cleanup_(arena_freep) struct arena *arena = NULL;
		const char *name = NULL;

		assert_int_equal(arena_new(&arena), 0);
		assert_int_equal(symtab_resolve(object, SHT_SYMTAB, &address_cases[i].elfva, 1, arena, &name), 0);
		assert_string_equal(name ? name : "", address_cases[i].name ? address_cases[i].name : "");
	}
}

static void symtab_resolve__leaves_names_that_are_there(void **state)
{
	_cleanup_(object_freep) struct object *object = open_fixture(symbol_cases, ARRAY_LEN(symbol_cases), SHT_SYMTAB);
	_cleanup_(arena_freep) struct arena *arena = NULL;
	const uint64_t elfvas[] = { 0x1000, 0x1001, 0x1002 };
	const char *names[] = { NULL, "mine", NULL };

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(symtab_resolve(object, SHT_SYMTAB, elfvas, ARRAY_LEN(elfvas), arena, names), 0);
	assert_string_equal(names[0], "sized");
	assert_string_equal(names[1], "mine");
	assert_string_equal(names[2], "sized");
}

/* More symbols than are read at a time, over and over the same code. */
static void symtab_resolve__bears_many_that_overlap(void **state)
{
	enum { CNT = 10000, ASKED = 2000 };
	_cleanup_(freep) struct symbol_case *symbols = calloc(CNT, sizeof(*symbols));
	_cleanup_(freep) uint64_t *elfvas = calloc(ASKED, sizeof(*elfvas));
	_cleanup_(freep) const char **names = calloc(ASKED, sizeof(*names));
	_cleanup_(object_freep) struct object *object = NULL;
	_cleanup_(arena_freep) struct arena *arena = NULL;

	(void)state;
	assert_true(symbols && elfvas && names);
	for (size_t i = 0; i < CNT; i++)
		symbols[i] = (struct symbol_case){ "all", 0x1000, 0x1000, GLOBAL(FUNC), TEXT };
	symbols[CNT - 1] = (struct symbol_case){ "end", 0x1ff0, 0x10, GLOBAL(FUNC), TEXT };
	for (size_t i = 0; i < ASKED; i++)
		elfvas[i] = 0x1000 + i;
	elfvas[ASKED - 1] = 0x1ff8;
	object = open_fixture(symbols, CNT, SHT_SYMTAB);
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(symtab_resolve(object, SHT_SYMTAB, elfvas, ASKED, arena, names), 0);
	assert_string_equal(names[0], "all");
	assert_string_equal(names[ASKED - 2], "all");
}

static void symtab_resolve__cuts_names_without_end(void **state)
{
	enum { LEN = 100000 };
	char path[] = "/tmp/test_symbolize_symtab.XXXXXX";
	_cleanup_(freep) char *strings = malloc(LEN);
	static const char text[0x100];
	const Elf64_Sym table[] = {
		{ 0 },
		{ .st_name = 1, .st_info = GLOBAL(FUNC), .st_shndx = 1, .st_value = 0x1000, .st_size = 0x10 },
		{ .st_name = LEN, .st_info = GLOBAL(FUNC), .st_shndx = 1, .st_value = 0x1010, .st_size = 0x10 },
		{ .st_name = LEN - 1, .st_info = GLOBAL(FUNC), .st_shndx = 1, .st_value = 0x1020, .st_size = 0x10 },
	};
	const struct elf_fixture_section sections[] = {
		{ ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 0x1000, text, sizeof(text), 0, 0 },
		{ ".symtab", SHT_SYMTAB, 0, 0, table, sizeof(table), 3, sizeof(table[0]) },
		{ ".strtab", SHT_STRTAB, 0, 0, strings, LEN, 0, 0 },
	};
	const uint64_t elfvas[] = { 0x1000, 0x1010, 0x1020 };
	const char *names[] = { NULL, NULL, NULL };
	_cleanup_(object_freep) struct object *object = NULL;
	_cleanup_(arena_freep) struct arena *arena = NULL;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0 && strings);
	close(fd);
	memset(strings, 'a', LEN);
	elf_fixture_write(path, EM_X86_64, sections, ARRAY_LEN(sections));
	assert_int_equal(object_new_path(path, &object), 0);
	unlink(path);
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(symtab_resolve(object, SHT_SYMTAB, elfvas, ARRAY_LEN(elfvas), arena, names), 0);
	assert_non_null(names[0]);
	assert_int_equal(strlen(names[0]), SYMTAB_NAME_MAX);
	assert_null(names[1]);
	/* One byte, and the table ends: no zero byte, no name. */
	assert_null(names[2]);
}

static void symtab_get_name__finds_by_index(void **state)
{
	_cleanup_(object_freep) struct object *object = open_fixture(symbol_cases, ARRAY_LEN(symbol_cases), SHT_DYNSYM);
	_cleanup_(arena_freep) struct arena *arena = NULL;
	const char *name = NULL;

	(void)state;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(symtab_get_name(object, SHT_DYNSYM, 1, arena, &name), 0);
	assert_string_equal(name, "sized");
	assert_int_equal(symtab_get_name(object, SHT_DYNSYM, 0, arena, &name), -ENODATA);
	assert_int_equal(symtab_get_name(object, SHT_DYNSYM, 100000, arena, &name), -ENODATA);
	assert_int_equal(symtab_get_name(object, SHT_SYMTAB, 1, arena, &name), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(symtab_resolve__follows_its_rules),
		cmocka_unit_test(symtab_resolve__says_the_same_of_one_address_as_of_many),
		cmocka_unit_test(symtab_resolve__leaves_names_that_are_there),
		cmocka_unit_test(symtab_resolve__bears_many_that_overlap),
		cmocka_unit_test(symtab_resolve__cuts_names_without_end),
		cmocka_unit_test(symtab_get_name__finds_by_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
