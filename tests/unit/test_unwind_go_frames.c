/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/go_frames.h"

#include <pprofd/abi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "elf_image.h"
#include "frame_bytes.h"
#include "unwind/unwind_table.h"

#define TEXT_OFF 0x1000
#define TEXT_VA 0x401000

static const struct symbol {
	const char *name;
	uint64_t value, size;
	int type;
	int cfa; /* -1: not one of them */
} symbols[] = {
	{ "main.main", TEXT_VA, 0x40, STT_FUNC, -1 },
	{ "runtime.goexit.abi0", TEXT_VA + 0x40, 0x10, STT_FUNC, PPROFD_CFA_END },
	{ "runtime.goexit0", TEXT_VA + 0x80, 0x10, STT_FUNC, -1 },
	{ "runtime.goexit.abi0.x", TEXT_VA + 0x80, 0x10, STT_FUNC, -1 },
	{ "runtime.mstart", TEXT_VA + 0xc0, 0x10, STT_FUNC, PPROFD_CFA_END },
	{ "runtime.mcall", TEXT_VA + 0x100, 0x10, STT_OBJECT, -1 },
	{ "runtime.morestack.abi0", 0, 0x10, STT_FUNC, -1 },
	{ "runtime.rt0_go", TEXT_VA + 0x140, 0, STT_FUNC, -1 },
	{ "runtime.sigreturn__sigaction.abi0", TEXT_VA + 0x180, 0x9, STT_FUNC, PPROFD_CFA_SIGNAL },
	{ "xruntime.goexit", TEXT_VA + 0x1c0, 0x10, STT_FUNC, -1 },
};

/* A program with these symbols and a section that makes it Go, or does not. */
static void make_image(struct elf_image *image, const char *section)
{
	Elf64_Sym table[ARRAY_LEN(symbols) + 1] = { 0 };
	char names[512] = { 0 };
	size_t names_len = 1;
	Elf64_Shdr *symtab;

	elf_image_init(image, EM_X86_64);
	elf_image_align(image, TEXT_OFF);
	elf_image_append(image, NULL, 0x1000);
	elf_image_add_segment(image, PT_LOAD, PF_X, TEXT_OFF, TEXT_VA, 0x1000);
	for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
		table[i + 1] = (Elf64_Sym){
			.st_name = (uint32_t)names_len,
			.st_info = (unsigned char)ELF64_ST_INFO(STB_LOCAL, symbols[i].type),
			.st_value = symbols[i].value,
			.st_size = symbols[i].size,
		};
		strcpy(names + names_len, symbols[i].name);
		names_len += strlen(symbols[i].name) + 1;
	}
	elf_image_add_section(image, ".strtab", SHT_STRTAB, 0, names, names_len);
	symtab = elf_image_add_section(image, ".symtab", SHT_SYMTAB, 0, table, sizeof(table));
	symtab->sh_link = (uint32_t)image->section_cnt - 2;
	elf_image_add_section(image, section, SHT_PROGBITS, 0, "table", 6);
}

static void go_frames_find__knows_them_by_name(void **state)
{
	static const char *const sections[] = { ".gopclntab", ".data.rel.ro.gopclntab" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		_cleanup_(elf_image_fini) struct elf_image image;
		_cleanup_(object_freep) struct object *object = NULL;
		struct go_frame frames[GO_FRAMES_MAX];
		size_t cnt, found = 0;

		make_image(&image, sections[i]);
		elf_image_finish(&image);
		assert_int_equal(object_new_memory(image.data, image.len, "x", &object), 0);
		cnt = go_frames_find(object, frames);
		for (size_t j = 0; j < ARRAY_LEN(symbols); j++) {
			/* The signal's is returned to at its first byte. */
			uint64_t before = symbols[j].cfa == PPROFD_CFA_SIGNAL;

			if (symbols[j].cfa < 0)
				continue;
			assert_true(found < cnt);
			assert_int_equal(frames[found].cfa, symbols[j].cfa);
			assert_int_equal(frames[found].start_elfva, symbols[j].value - before);
			assert_int_equal(frames[found].size, symbols[j].size + before);
			found++;
		}
		assert_int_equal(found, cnt);
	}
}

static void go_frames_find__finds_none_in_other_programs(void **state)
{
	_cleanup_(elf_image_fini) struct elf_image image;
	_cleanup_(object_freep) struct object *object = NULL;
	struct go_frame frames[GO_FRAMES_MAX];

	(void)state;
	make_image(&image, ".other");
	elf_image_finish(&image);
	assert_int_equal(object_new_memory(image.data, image.len, "x", &object), 0);
	assert_int_equal(go_frames_find(object, frames), 0);
}

static void unwind_table_new__lets_them_override_fdes(void **state)
{
	static struct frame_bytes frame;
	static const struct {
		uint64_t off;
		uint8_t cfa;
	} expected[] = {
		{ 0, PPROFD_CFA_REG },     { 0x40, PPROFD_CFA_END }, { 0x50, PPROFD_CFA_REG },
		{ 0xc0, PPROFD_CFA_END },  { 0xd0, PPROFD_CFA_REG }, { 0x17f, PPROFD_CFA_SIGNAL },
		{ 0x189, PPROFD_CFA_REG }, { 0x200, PPROFD_CFA_FP },
	};
	_cleanup_(elf_image_fini) struct elf_image image;
	_cleanup_(object_freep) struct object *object = NULL;
	_cleanup_(unwind_table_freep) struct unwind_table *table = NULL;
	size_t cie;

	(void)state;
	make_image(&image, ".gopclntab");
	frame.len = 0;
	cie = frame_add_usual_cie(&frame);
	/* One that begins within goexit, one that ends in the padding before the signal's. */
	frame_add_fde(&frame, cie, TEXT_VA, 0x48, NO_PROGRAM);
	frame_add_fde(&frame, cie, TEXT_VA + 0x48, 0x130, NO_PROGRAM);
	frame_add_fde(&frame, cie, TEXT_VA + 0x180, 0x80, NO_PROGRAM);
	elf_image_add_section(&image, ".debug_frame", SHT_PROGBITS, 0, frame.data, frame.len);
	elf_image_finish(&image);
	assert_int_equal(object_new_memory(image.data, image.len, "x", &object), 0);
	assert_int_equal(unwind_table_new(object, &table), 0);
	assert_int_equal(table->row_cnt, ARRAY_LEN(expected));
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_int_equal(UNWIND_ROW_OFF(table->rows[i]), TEXT_OFF + expected[i].off);
		assert_int_equal(table->rules[UNWIND_ROW_RULE(table->rows[i])].cfa, expected[i].cfa);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(go_frames_find__knows_them_by_name),
		cmocka_unit_test(go_frames_find__finds_none_in_other_programs),
		cmocka_unit_test(unwind_table_new__lets_them_override_fdes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
