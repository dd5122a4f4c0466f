/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwind_table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "elf_image.h"
#include "frame_bytes.h"

#define TEXT_OFF 0x1000
#define TEXT_VA 0x401000
#define TEXT_SIZE 0x10000
#define FRAME_VA 0x600000
#define DEBUG_VA 0

/* Rules of the functions below, told apart by the distance of their CFA. */
#define FP                           \
	{                            \
		.cfa = PPROFD_CFA_FP \
	}
#define END                           \
	{                             \
		.cfa = PPROFD_CFA_END \
	}
#define UNSUPPORTED                           \
	{                                     \
		.cfa = PPROFD_CFA_UNSUPPORTED \
	}
#define SIGNAL                           \
	{                                \
		.cfa = PPROFD_CFA_SIGNAL \
	}
#define REG(distance)                                                        \
	{                                                                    \
		.cfa = PPROFD_CFA_REG, .base = 7, .ra = 1, .off = (distance) \
	}
#define PLT                                                                    \
	{                                                                      \
		.cfa = PPROFD_CFA_PLT, .base = 7, .ra = 1, .off = 8, .add = 11 \
	}

struct row {
	uint64_t off; /* from TEXT_OFF */
	struct pprofd_rule rule;
};

/* An executable with 64 KiB of code, of which eh and debug tell. */
struct file {
	struct elf_image image;
	struct frame_bytes eh, debug;
	size_t cie, debug_cie;
	struct object *object;
	struct unwind_table *table;
};

static int setup(void **state)
{
	struct file *file = calloc(1, sizeof(*file));

	assert_non_null(file);
	elf_image_init(&file->image, EM_X86_64);
	elf_image_align(&file->image, TEXT_OFF);
	elf_image_append(&file->image, NULL, TEXT_SIZE);
	elf_image_add_segment(&file->image, PT_LOAD, PF_X, TEXT_OFF, TEXT_VA, TEXT_SIZE);
	file->eh.elfva = FRAME_VA;
	file->eh.is_eh = true;
	file->cie = frame_add_usual_cie(&file->eh);
	file->debug_cie = frame_add_usual_cie(&file->debug);
	*state = file;
	return 0;
}

static int teardown(void **state)
{
	struct file *file = *state;

	unwind_table_free(file->table);
	object_free(file->object);
	elf_image_fini(&file->image);
	free(file);
	return 0;
}

/* A function of which .eh_frame says that its CFA is rsp + distance. */
static void add_function(struct file *file, uint64_t start, uint64_t size, uint8_t distance)
{
	frame_add_fde(&file->eh, file->cie, TEXT_VA + start, size, PROGRAM(0x0e, distance));
}

static void add_debug_function(struct file *file, uint64_t start, uint64_t size, uint8_t distance)
{
	frame_add_fde(&file->debug, file->debug_cie, TEXT_VA + start, size, PROGRAM(0x0e, distance));
}

static int build(struct file *file)
{
	elf_image_add_section(&file->image, ".eh_frame", SHT_PROGBITS, FRAME_VA, file->eh.data, file->eh.len);
	elf_image_add_section(&file->image, ".debug_frame", SHT_PROGBITS, DEBUG_VA, file->debug.data, file->debug.len);
	elf_image_finish(&file->image);
	assert_int_equal(object_new_memory(file->image.data, file->image.len, "/made/up", &file->object), 0);
	return unwind_table_new(file->object, &file->table);
}

static void assert_rows(const struct unwind_table *table, const struct row *rows, size_t row_cnt)
{
	for (size_t i = 0; i < table->row_cnt && i < row_cnt; i++) {
		const struct pprofd_rule *rule = &table->rules[UNWIND_ROW_RULE(table->rows[i])];

		assert_int_equal(UNWIND_ROW_OFF(table->rows[i]), TEXT_OFF + rows[i].off);
		assert_memory_equal(rule, &rows[i].rule, sizeof(*rule));
	}
	assert_int_equal(table->row_cnt, row_cnt);
}

#define assert_built(file, ...)                                              \
	do {                                                                 \
		static const struct row expected_[] = { __VA_ARGS__ };       \
		assert_int_equal(build(file), 0);                            \
		assert_rows((file)->table, expected_, ARRAY_LEN(expected_)); \
	} while (0)

static void unwind_table_new__leaves_gaps_to_frame_pointers(void **state)
{
	struct file *file = *state;

	add_function(file, 0x100, 0x40, 16);
	add_function(file, 0x200, 0x40, 24);
	assert_built(file, { 0, FP }, { 0x100, REG(16) }, { 0x140, FP }, { 0x200, REG(24) }, { 0x240, FP });
}

static void unwind_table_new__extends_functions_over_padding_and_a_few_bytes(void **state)
{
	struct file *file = *state;

	add_function(file, 0, 0x31, 16);
	add_function(file, 0x40, 0x39, 24); /* to 0x79, 7 bytes before the next */
	add_function(file, 0x80, 0x20, 32); /* to 0xa0, 32 bytes before the next: more than alignment */
	add_function(file, 0xc0, 0x11, 16); /* to 0xd1, 3 bytes before one that is aligned to 4 only */
	add_function(file, 0xd4, 0x7, 24);  /* to 0xdb, 15 bytes before one that is aligned to 2 only */
	add_function(file, 0xea, 0x8, 32);  /* to 0xf2, 16 bytes before another */
	add_function(file, 0x102, 0xe, 16);
	assert_built(file, { 0, REG(16) }, { 0x40, REG(24) }, { 0x80, REG(32) }, { 0xa0, FP }, { 0xc0, REG(16) },
		     { 0xd4, REG(24) }, { 0xea, REG(32) }, { 0xf2, FP }, { 0x102, REG(16) }, { 0x110, FP });
}

static void unwind_table_new__makes_one_row_of_equal_neighbours(void **state)
{
	struct file *file = *state;

	add_function(file, 0, 0x40, 16);
	add_function(file, 0x40, 0x40, 16);
	frame_add_fde(&file->eh, file->cie, TEXT_VA + 0x80, 0x40, PROGRAM(0x0e, 16, 0x44, 0x0e, 24, 0x44, 0x0e, 24));
	assert_built(file, { 0, REG(16) }, { 0x84, REG(24) }, { 0xc0, FP });
	assert_int_equal(file->table->rule_cnt, 3);
}

static void unwind_table_new__sorts_functions(void **state)
{
	struct file *file = *state;

	add_function(file, 0x80, 0x40, 32);
	add_function(file, 0, 0x40, 16);
	add_function(file, 0x40, 0x40, 24);
	assert_built(file, { 0, REG(16) }, { 0x40, REG(24) }, { 0x80, REG(32) }, { 0xc0, FP });
}

static void unwind_table_new__ends_a_function_where_the_next_begins(void **state)
{
	struct file *file = *state;

	add_function(file, 0, 0x100, 16);
	add_function(file, 0x40, 0x20, 24);
	add_function(file, 0x80, 0x40, 32);
	add_function(file, 0x80, 0x40, 40); /* the first of one start is taken */
	assert_built(file, { 0, REG(16) }, { 0x40, REG(24) }, { 0x60, FP }, { 0x80, REG(32) }, { 0xc0, FP });
}

static void unwind_table_new__prefers_eh_frame(void **state)
{
	struct file *file = *state;

	add_function(file, 0x40, 0x40, 16);
	add_function(file, 0x100, 0x40, 24);
	add_debug_function(file, 0, 0x100, 48);   /* up to the first; what lies behind it is not told again */
	add_debug_function(file, 0x40, 0x40, 56); /* the same function */
	add_debug_function(file, 0x60, 0x80, 64); /* begins within it */
	add_debug_function(file, 0x140, 0x40, 72);
	assert_built(file, { 0, REG(48) }, { 0x40, REG(16) }, { 0x80, REG(64) }, { 0xe0, FP }, { 0x100, REG(24) },
		     { 0x140, REG(72) }, { 0x180, FP });
}

static void unwind_table_new__does_with_debug_frame_alone(void **state)
{
	struct file *file = *state;

	file->eh.len = 0;
	add_debug_function(file, 0, 0x40, 16);
	assert_built(file, { 0, REG(16) }, { 0x40, FP });
}

static void unwind_table_new__keeps_to_executable_segments(void **state)
{
	struct file *file = *state;

	add_function(file, (uint64_t)-0x1000, 0x40, 16); /* in the page before the segment */
	add_function(file, TEXT_SIZE, 0x40, 16);
	add_function(file, 0x40, 0, 16);                /* of no size */
	add_function(file, TEXT_SIZE - 0x10, 0x40, 24); /* half in it */
	assert_built(file, { 0, FP }, { TEXT_SIZE - 0x10, REG(24) }, { TEXT_SIZE, FP });
}

static void unwind_table_new__ends_at_an_entry_point_without_unwind_information(void **state)
{
	static const struct {
		uint64_t entry;
		bool has_next;
		struct row expected[6];
		size_t cnt;
	} cases[] = {
		{ 0x100, false, { { 0, REG(16) }, { 0x40, FP }, { 0x100, END }, { 0x140, FP } }, 4 },
		{ 0x40, false, { { 0, REG(16) }, { 0x40, END }, { 0x80, FP } }, 3 },
		{ 0x60, true, { { 0, REG(16) }, { 0x40, FP }, { 0x60, END }, { 0x80, REG(24) }, { 0xc0, FP } }, 5 },
		{ 0x20, true, { { 0, REG(16) }, { 0x40, FP }, { 0x80, REG(24) }, { 0xc0, FP } }, 4 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct file *file = *state;

		file->image.header.e_entry = TEXT_VA + cases[i].entry;
		add_function(file, 0, 0x40, 16);
		if (cases[i].has_next)
			add_function(file, 0x80, 0x40, 24);
		assert_int_equal(build(file), 0);
		assert_rows(file->table, cases[i].expected, cases[i].cnt);
		teardown(state);
		setup(state);
	}
}

static void unwind_table_new__returns_from_plts_without_unwind_information(void **state)
{
	struct file *file = *state;
	Elf64_Shdr *section;

	add_function(file, 0, 0x40, 16);
	add_function(file, 0x180, 0x10, 24); /* the second half of a PLT has an FDE */
	section = elf_image_add_section(&file->image, ".plt", SHT_PROGBITS, TEXT_VA + 0x100, "code", 4);
	section->sh_size = 0x20;
	section = elf_image_add_section(&file->image, ".plt.sec", SHT_PROGBITS, TEXT_VA + 0x170, "code", 4);
	section->sh_size = 0x20;
	assert_built(file, { 0, REG(16) }, { 0x40, FP }, { 0x100, PLT }, { 0x120, FP }, { 0x170, PLT },
		     { 0x180, REG(24) }, { 0x190, FP });
}

static void unwind_table_new__marks_signal_frames(void **state)
{
	struct file *file = *state;
	size_t cie = frame_add_cie(&file->eh, "S", PROGRAM(0x0c, 7, 8, 0x90, 1));

	frame_add_fde(&file->eh, cie, TEXT_VA + 0xff, 0x11, PROGRAM(0x41, 0x0e, 16));
	assert_built(file, { 0, FP }, { 0xff, SIGNAL }, { 0x110, FP });
}

static void unwind_table_new__has_no_rule_where_an_fde_is_malformed(void **state)
{
	struct file *file = *state;
	size_t bad_cie = frame_add_cie(&file->eh, "", PROGRAM(0x3f));

	add_function(file, 0, 0x40, 16);
	frame_add_fde(&file->eh, file->cie, TEXT_VA + 0x40, 0x40, PROGRAM(0x0e, 24, 0x44, 0x3f));
	frame_add_fde(&file->eh, bad_cie, TEXT_VA + 0x100, 0x40, NO_PROGRAM); /* as if it were not there */
	add_function(file, 0x200, 0x40, 32);
	assert_built(file, { 0, REG(16) }, { 0x40, REG(24) }, { 0x44, UNSUPPORTED }, { 0x80, FP }, { 0x200, REG(32) },
		     { 0x240, FP });
	assert_int_equal(file->table->unsupported_row_cnt, 1);
}

static void unwind_table_new__keeps_what_comes_before_a_bad_length(void **state)
{
	struct file *file = *state;

	add_function(file, 0, 0x40, 16);
	frame_append_u32(&file->eh, 0x7fffffff);
	add_function(file, 0x40, 0x40, 24);
	assert_built(file, { 0, REG(16) }, { 0x40, FP });
}

static void unwind_table_new__says_when_there_is_nothing(void **state)
{
	struct file *file = *state;

	file->eh.len = file->debug.len = 0;
	assert_int_equal(build(file), -ENODATA);
	teardown(state);
	setup(state);
	file = *state; /* a CIE, no functions */
	assert_int_equal(build(file), -ENODATA);
}

static void unwind_table_new__refuses_other_machines(void **state)
{
	struct file *file = *state;

	file->image.header.e_machine = EM_RISCV;
	add_function(file, 0, 0x40, 16);
	assert_int_equal(build(file), -EBADMSG);
}

static void unwind_table_new__refuses_more_rules_than_there_may_be(void **state)
{
	struct file *file = *state;

	/* Functions of one byte, with as many distances of the CFA. */
	for (unsigned int i = 0; i <= PPROFD_RULES_MAX; i++)
		frame_add_fde(&file->eh, file->cie, TEXT_VA + i, 1,
			      PROGRAM(0x0e, (unsigned char)(0x80 | (i & 0x7f)), (unsigned char)(0x80 | (i >> 7 & 0x7f)),
				      (unsigned char)(i >> 14)));
	assert_int_equal(build(file), -E2BIG);
}

static void unwind_table_new__refuses_more_rows_than_a_page_may_have(void **state)
{
	struct file *file = *state;

	for (unsigned int i = 0; i <= PPROFD_PAGE_ROWS_MAX; i++)
		add_function(file, i, 1, i % 2 ? 16 : 24);
	assert_int_equal(build(file), -E2BIG);
}

static void unwind_table_new__stops_when_cies_cost_too_much(void **state)
{
	struct file *file = *state;
	static unsigned char nops[60000];
	size_t cies[2];

	/* Two long CIEs in one place of the cache, which small FDEs ask for in turn. */
	for (size_t i = 0; i < ARRAY_LEN(cies); i++) {
		while (file->eh.len / 8 % 64)
			frame_add_cie(&file->eh, "", NO_PROGRAM);
		cies[i] = frame_add_cie(&file->eh, "", nops, sizeof(nops));
	}
	for (unsigned int i = 0; i < 20000; i++)
		frame_add_fde(&file->eh, cies[i % 2], TEXT_VA + i, 1, NO_PROGRAM);
	assert_int_equal(build(file), -E2BIG);
}

static void unwind_table_new__follows_the_instructions_of_arm64(void **state)
{
	static const struct row expected[] = {
		{ 0, { .cfa = PPROFD_CFA_REG, .base = 31 } },
		{ 4, { .cfa = PPROFD_CFA_REG, .base = 31, .ra = 1, .off = 16, .saved = { 2, 1 } } },
		{ 0x40, FP },
	};
	static const unsigned char cie[] = { 14, 0, 0, 0, 0, 0, 0, 0, 1, 0, 4, 0x78, 30, 0x0c, 31, 0, 0, 0 };
	struct file *file = *state;

	file->image.header.e_machine = EM_AARCH64;
	file->eh.len = 0;
	frame_append(&file->eh, cie, sizeof(cie));
	/* CFA + 16 behind the first instruction, x29 at CFA - 16, x30 at CFA - 8. Absolute addresses. */
	frame_append_u32(&file->eh, 4 + 16 + 6);
	frame_append_u32(&file->eh, (uint32_t)file->eh.len);
	frame_append(&file->eh, &(uint64_t){ TEXT_VA }, 8);
	frame_append(&file->eh, &(uint64_t){ 0x40 }, 8);
	frame_append(&file->eh, PROGRAM(0x41, 0x0e, 16, 0x9d, 2, 0x9e));
	file->eh.data[file->eh.len++] = 1;
	file->eh.data[sizeof(cie)]++;
	assert_int_equal(build(file), 0);
	assert_rows(file->table, expected, ARRAY_LEN(expected));
}

static void unwind_table_find__is_the_last_row_at_or_below(void **state)
{
	struct file *file = *state;
	static const struct {
		uint64_t off;
		int cfa; /* -1: none */
		int distance;
	} cases[] = {
		{ 0, -1, 0 },
		{ TEXT_OFF - 1, -1, 0 },
		{ TEXT_OFF, PPROFD_CFA_FP, 0 },
		{ TEXT_OFF + 0xff, PPROFD_CFA_FP, 0 },
		{ TEXT_OFF + 0x100, PPROFD_CFA_REG, 16 },
		{ TEXT_OFF + 0x13f, PPROFD_CFA_REG, 16 },
		{ TEXT_OFF + 0x140, PPROFD_CFA_REG, 24 },
		{ TEXT_OFF + 0x180, PPROFD_CFA_FP, 0 },
		{ UINT64_MAX, PPROFD_CFA_FP, 0 },
	};

	add_function(file, 0x100, 0x40, 16);
	add_function(file, 0x140, 0x40, 24);
	assert_int_equal(build(file), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct pprofd_rule *rule = unwind_table_find(file->table, cases[i].off);

		if (cases[i].cfa < 0) {
			assert_null(rule);
			continue;
		}
		assert_int_equal(rule->cfa, cases[i].cfa);
		assert_int_equal(rule->off, cases[i].distance);
	}
}

/* xorshift64: the same files in every run. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void assert_invariants(const struct unwind_table *table)
{
	for (size_t i = 0; i < table->row_cnt; i++) {
		assert_true(UNWIND_ROW_RULE(table->rows[i]) < table->rule_cnt);
		if (i > 0) {
			assert_true(UNWIND_ROW_OFF(table->rows[i]) > UNWIND_ROW_OFF(table->rows[i - 1]));
			assert_int_not_equal(UNWIND_ROW_RULE(table->rows[i]), UNWIND_ROW_RULE(table->rows[i - 1]));
		}
	}
}

static void unwind_table_new__survives_any_change_of_its_input(void **state)
{
	struct file *file = *state;
	uint64_t seed = 20071;

	for (unsigned int i = 0; i < 40; i++) {
		frame_add_fde(&file->eh, file->cie, TEXT_VA + i * 0x40, 0x38,
			      PROGRAM(0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x0a, 0x50, 0x0c, 7, 8, 0x0b, 0x44, 0x10,
				      6, 2, 0x76, 0, 0x0f, 3, 0x76, 0x78, 6));
		add_debug_function(file, i * 0x60, 0x38, 24);
	}
	assert_int_equal(build(file), 0);
	for (int round = 0; round < 4000; round++) {
		_cleanup_(freep) unsigned char *copy = malloc(file->image.len);
		_cleanup_(object_freep) struct object *object = NULL;
		_cleanup_(unwind_table_freep) struct unwind_table *table = NULL;
		size_t change_cnt = next_random(&seed) % 8 + 1;

		assert_non_null(copy);
		memcpy(copy, file->image.data, file->image.len);
		for (size_t i = 0; i < change_cnt; i++) {
			/* Not in the code, of which nothing is read. */
			size_t at = next_random(&seed) % (file->image.len - TEXT_SIZE);

			at += at >= TEXT_OFF ? TEXT_SIZE : 0;
			copy[at] = (unsigned char)next_random(&seed);
		}
		if (object_new_memory(copy, file->image.len, "x", &object) < 0)
			continue;
		if (unwind_table_new(object, &table) == 0)
			assert_invariants(table);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(unwind_table_new__leaves_gaps_to_frame_pointers),
		CASE(unwind_table_new__extends_functions_over_padding_and_a_few_bytes),
		CASE(unwind_table_new__makes_one_row_of_equal_neighbours),
		CASE(unwind_table_new__sorts_functions),
		CASE(unwind_table_new__ends_a_function_where_the_next_begins),
		CASE(unwind_table_new__prefers_eh_frame),
		CASE(unwind_table_new__does_with_debug_frame_alone),
		CASE(unwind_table_new__keeps_to_executable_segments),
		CASE(unwind_table_new__ends_at_an_entry_point_without_unwind_information),
		CASE(unwind_table_new__returns_from_plts_without_unwind_information),
		CASE(unwind_table_new__marks_signal_frames),
		CASE(unwind_table_new__has_no_rule_where_an_fde_is_malformed),
		CASE(unwind_table_new__keeps_what_comes_before_a_bad_length),
		CASE(unwind_table_new__says_when_there_is_nothing),
		CASE(unwind_table_new__refuses_other_machines),
		CASE(unwind_table_new__refuses_more_rules_than_there_may_be),
		CASE(unwind_table_new__refuses_more_rows_than_a_page_may_have),
		CASE(unwind_table_new__stops_when_cies_cost_too_much),
		CASE(unwind_table_new__follows_the_instructions_of_arm64),
		CASE(unwind_table_find__is_the_last_row_at_or_below),
		CASE(unwind_table_new__survives_any_change_of_its_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
