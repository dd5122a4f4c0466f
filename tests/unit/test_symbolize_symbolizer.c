/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolize/symbolizer.h"

#define CACHE_MAX (1u << 20)

/* An address with a known inline chain: symbolizer_inner in symbolizer_middle in symbolizer_outer. */
extern const char symbolizer_spot[];
enum { INNER_LINE = __LINE__ + 4, MIDDLE_LINE = __LINE__ + 9, OUTER_LINE = __LINE__ + 15 };

static inline __attribute__((always_inline)) void symbolizer_inner(void)
{
	__asm__ volatile(".globl symbolizer_spot\nsymbolizer_spot:\n\tnop");
}

static inline __attribute__((always_inline)) void symbolizer_middle(void)
{
	symbolizer_inner();
}

__attribute__((noinline)) static void symbolizer_outer(void)
{
	__asm__ volatile("nop"); /* so that the spot is not where the function begins */
	symbolizer_middle();
}

static int note_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
	(void)size;
	*(uint64_t *)bias = info->dlpi_addr;
	return 1; /* the first is the program itself */
}

static uint64_t off_of(const struct object *object, const void *address)
{
	uint64_t bias = 0, off;

	dl_iterate_phdr(note_bias, &bias);
	assert_int_equal(object_elfva_to_off(object, (uintptr_t)address - bias, &off), 0);
	return off;
}

static struct object *open_ourselves(void)
{
	struct object *object = NULL;

	symbolizer_outer();
	assert_int_equal(object_new_path("/proc/self/exe", &object), 0);
	return object;
}

static struct symbolizer *new_symbolizer(enum demangle_mode mode, uint64_t debuginfo_window_ns)
{
	const struct symbolizer_options options = {
		.demangle = mode,
		.kallsyms_path = "/nonexistent/kallsyms",
		.cache_max = CACHE_MAX,
		.debuginfo_window_ns = debuginfo_window_ns,
	};
	struct symbolizer *symbolizer = NULL;

	assert_int_equal(symbolizer_new(&options, &symbolizer), 0);
	return symbolizer;
}

static const char *file_of(const struct symbol_line *line)
{
	const char *slash = strrchr(line->file, '/');

	return slash ? slash + 1 : line->file;
}

static void assert_is_chain(const struct symbol *symbol)
{
	static const struct {
		const char *name;
		int64_t line, start_line;
	} expected[] = {
		{ "symbolizer_inner", INNER_LINE, INNER_LINE - 2 },
		{ "symbolizer_middle", MIDDLE_LINE, MIDDLE_LINE - 2 },
		{ "symbolizer_outer", OUTER_LINE, OUTER_LINE - 3 },
	};

	assert_int_equal(symbol->line_cnt, ARRAY_LEN(expected));
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		assert_string_equal(symbol->lines[i].name, expected[i].name);
		assert_string_equal(symbol->lines[i].system_name, expected[i].name);
		assert_string_equal(file_of(&symbol->lines[i]), "test_symbolize_symbolizer.c");
		assert_int_equal(symbol->lines[i].line, expected[i].line);
		assert_int_equal(symbol->lines[i].start_line, expected[i].start_line);
	}
}

static void symbolizer_resolve__follows_inlined_calls(void **state)
{
	_cleanup_(symbolizer_freep) struct symbolizer *symbolizer = new_symbolizer(DEMANGLE_FULL, 0);
	_cleanup_(object_freep) struct object *object = open_ourselves();
	const uint64_t off = off_of(object, symbolizer_spot);
	struct symbol symbol;

	(void)state;
	assert_int_equal(symbolizer_resolve(symbolizer, object, &off, 1, &symbol), 0);
	assert_is_chain(&symbol);
}

static void symbolizer_resolve__answers_each_of_many(void **state)
{
	enum { CNT = 500 };
	_cleanup_(symbolizer_freep) struct symbolizer *symbolizer = new_symbolizer(DEMANGLE_FULL, 0);
	_cleanup_(object_freep) struct object *object = open_ourselves();
	const struct object_segment *segment = &object->segments[0];
	struct symbol symbols[CNT], alone;
	uint64_t offs[CNT];
	size_t named = 0;

	(void)state;
	for (size_t i = 0; i < CNT; i++)
		offs[i] = segment->off + segment->size * i / CNT;
	assert_int_equal(symbolizer_resolve(symbolizer, object, offs, CNT, symbols), 0);
	for (size_t i = 0; i < CNT; i++) {
		for (size_t k = 0; k < symbols[i].line_cnt; k++) {
			assert_true(symbols[i].lines[k].name[0]);
			assert_non_null(symbols[i].lines[k].system_name);
			assert_non_null(symbols[i].lines[k].file);
		}
		named += symbols[i].line_cnt > 0;
	}
	assert_true(named > CNT / 2);

	/* One by one, and with nothing in the cache, they are the same. */
	for (size_t i = 0; i < CNT; i += 50) {
		_cleanup_(symbolizer_freep) struct symbolizer *fresh = new_symbolizer(DEMANGLE_FULL, 0);

		assert_int_equal(symbolizer_resolve(fresh, object, &offs[i], 1, &alone), 0);
		assert_int_equal(alone.line_cnt, symbols[i].line_cnt);
		for (size_t k = 0; k < alone.line_cnt; k++) {
			assert_string_equal(alone.lines[k].name, symbols[i].lines[k].name);
			assert_int_equal(alone.lines[k].line, symbols[i].lines[k].line);
		}
	}
}

static void symbolizer_resolve__does_not_touch_a_file_it_knows(void **state)
{
	_cleanup_(symbolizer_freep) struct symbolizer *symbolizer = new_symbolizer(DEMANGLE_FULL, 0);
	_cleanup_(object_freep) struct object *object = open_ourselves();
	const uint64_t off = off_of(object, symbolizer_spot);
	struct object unreadable;
	struct symbol symbol;

	(void)state;
	assert_int_equal(symbolizer_resolve(symbolizer, object, &off, 1, &symbol), 0);
	unreadable = *object;
	unreadable.elf = NULL;
	for (int window = 0; window < 3; window++) {
		symbolizer_end_window(symbolizer);
		assert_int_equal(symbolizer_resolve(symbolizer, &unreadable, &off, 1, &symbol), 0);
		assert_is_chain(&symbol);
	}
}

static void symbolizer_resolve__does_not_take_a_closed_file_for_nameless(void **state)
{
	_cleanup_(symbolizer_freep) struct symbolizer *symbolizer = new_symbolizer(DEMANGLE_FULL, 0);
	_cleanup_(object_freep) struct object *object = open_ourselves();
	_cleanup_(object_freep) struct object *closed = open_ourselves();
	const uint64_t off = off_of(object, symbolizer_spot);
	struct symbol symbol;

	(void)state;
	object_close(closed);
	assert_int_equal(symbolizer_resolve(symbolizer, closed, &off, 1, &symbol), 0);
	assert_int_equal(symbol.line_cnt, 0);
	assert_int_equal(symbolizer_resolve(symbolizer, object, &off, 1, &symbol), 0);
	assert_is_chain(&symbol);
	/* What is known of it by now is told of the closed one, too. */
	symbolizer_end_window(symbolizer);
	assert_int_equal(symbolizer_resolve(symbolizer, closed, &off, 1, &symbol), 0);
	assert_is_chain(&symbol);
}

static void symbolizer_resolve__leaves_unnamed_what_nothing_names(void **state)
{
	_cleanup_(symbolizer_freep) struct symbolizer *symbolizer = new_symbolizer(DEMANGLE_FULL, 0);
	_cleanup_(object_freep) struct object *object = open_ourselves();
	const uint64_t offs[] = { 0, 1ULL << 39 };
	struct symbol symbols[2];

	(void)state;
	assert_int_equal(symbolizer_resolve(symbolizer, object, offs, 2, symbols), 0);
	assert_int_equal(symbols[0].line_cnt, 0);
	assert_int_equal(symbols[1].line_cnt, 0);
	assert_int_equal(symbolizer_resolve(symbolizer, object, offs, 0, symbols), 0);
}

static void symbolizer_resolve__names_by_symbol_table_when_time_is_up(void **state)
{
	/* Far less than it takes to read our own debug info. */
	_cleanup_(symbolizer_freep) struct symbolizer *symbolizer = new_symbolizer(DEMANGLE_FULL, 1000);
	_cleanup_(object_freep) struct object *object = open_ourselves();
	const uint64_t first = off_of(object, (const void *)(uintptr_t)symbolizer_outer);
	const uint64_t off = off_of(object, symbolizer_spot);
	struct symbol symbol;
	uint64_t windows = 0;

	(void)state;
	/* There is some at the start. */
	assert_int_equal(symbolizer_resolve(symbolizer, object, &first, 1, &symbol), 0);
	assert_true(symbol.lines[0].line > 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(symbolizer_resolve(symbolizer, object, &off, 1, &symbol), 0);
		assert_int_equal(symbol.line_cnt, 1);
		assert_string_equal(symbol.lines[0].name, "symbolizer_outer");
		assert_string_equal(symbol.lines[0].file, "");
	}
	/* What debug info has answered stays answered. */
	assert_int_equal(symbolizer_resolve(symbolizer, object, &first, 1, &symbol), 0);
	assert_true(symbol.lines[0].line > 0);

	/* 1,000 ns more each window make up for it. */
	while (symbol.line_cnt != 3 && windows++ < 10000000) {
		symbolizer_end_window(symbolizer);
		assert_int_equal(symbolizer_resolve(symbolizer, object, &off, 1, &symbol), 0);
	}
	assert_is_chain(&symbol);
	assert_true(windows > 100);
}

/* ---- the kernel ---- */

struct kernel {
	char path[64];
	struct symbolizer *symbolizer;
};

static void write_kallsyms(const struct kernel *kernel, const char *text)
{
	FILE *file = fopen(kernel->path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int setup_kernel(void **state)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));
	struct symbolizer_options options = { .cache_max = CACHE_MAX };
	int fd;

	assert_non_null(kernel);
	snprintf(kernel->path, sizeof(kernel->path), "/tmp/test_symbolize_symbolizer.XXXXXX");
	fd = mkstemp(kernel->path);
	assert_true(fd >= 0);
	close(fd);
	options.kallsyms_path = kernel->path;
	assert_int_equal(symbolizer_new(&options, &kernel->symbolizer), 0);
	*state = kernel;
	return 0;
}

static int teardown_kernel(void **state)
{
	struct kernel *kernel = *state;

	symbolizer_free(kernel->symbolizer);
	unlink(kernel->path);
	free(kernel);
	return 0;
}

static void assert_kernel_name(const struct kernel *kernel, uint64_t address, const char *expected)
{
	struct symbol symbol;

	assert_int_equal(symbolizer_resolve_kernel(kernel->symbolizer, address, &symbol), 0);
	if (!expected) {
		assert_int_equal(symbol.line_cnt, 0);
		return;
	}
	assert_int_equal(symbol.line_cnt, 1);
	assert_string_equal(symbol.lines[0].name, expected);
	assert_string_equal(symbol.lines[0].system_name, expected);
	assert_string_equal(symbol.lines[0].file, "");
}

#define TCP_SENDMSG 0xffffffff81000100ULL
#define LATER_MODULE 0xffffffffc0000100ULL

static void symbolizer_resolve_kernel__reads_again_for_what_was_loaded_since(void **state)
{
	const struct kernel *kernel = *state;

	write_kallsyms(kernel, "ffffffff81000100 T tcp_sendmsg\n");
	assert_kernel_name(kernel, TCP_SENDMSG + 1, "tcp_sendmsg");
	assert_kernel_name(kernel, LATER_MODULE, NULL);
	write_kallsyms(kernel, "ffffffff81000100 T tcp_sendmsg\nffffffffc0000100 t f\t[later]\n");
	/* Once a window is enough. */
	assert_kernel_name(kernel, LATER_MODULE, NULL);
	symbolizer_end_window(kernel->symbolizer);
	assert_kernel_name(kernel, LATER_MODULE, "f [later]");
	assert_kernel_name(kernel, TCP_SENDMSG + 1, "tcp_sendmsg");
}

static void symbolizer_resolve_kernel__reads_less_and_less_often_in_vain(void **state)
{
	const struct kernel *kernel = *state;
	int windows = 0;

	write_kallsyms(kernel, "ffffffff81000100 T tcp_sendmsg\n");
	for (int i = 0; i < 100; i++) {
		assert_kernel_name(kernel, LATER_MODULE, NULL);
		symbolizer_end_window(kernel->symbolizer);
	}
	write_kallsyms(kernel, "ffffffffc0000100 t f\t[later]\n");
	for (struct symbol symbol = { 0 }; symbol.line_cnt == 0; windows++) {
		assert_int_equal(symbolizer_resolve_kernel(kernel->symbolizer, LATER_MODULE, &symbol), 0);
		symbolizer_end_window(kernel->symbolizer);
		assert_true(windows < 1000);
	}
	assert_true(windows > 10);
	/* What it knows it knows without reading. */
	unlink(kernel->path);
	assert_kernel_name(kernel, LATER_MODULE, "f [later]");
}

static void symbolizer_resolve_kernel__is_unnamed_when_the_kernel_hides_its_addresses(void **state)
{
	const struct kernel *kernel = *state;

	write_kallsyms(kernel, "0000000000000000 T tcp_sendmsg\n");
	assert_kernel_name(kernel, TCP_SENDMSG, NULL);
}

static void symbolizer_resolve_kernel__fails_with_the_reason(void **state)
{
	const struct kernel *kernel = *state;
	struct symbol symbol;

	unlink(kernel->path);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(symbolizer_resolve_kernel(kernel->symbolizer, TCP_SENDMSG, &symbol), -ENOENT);
		symbolizer_end_window(kernel->symbolizer);
	}
	write_kallsyms(kernel, "ffffffff81000100 T tcp_sendmsg\n");
	for (int i = 0; i < 10; i++)
		symbolizer_end_window(kernel->symbolizer);
	assert_kernel_name(kernel, TCP_SENDMSG, "tcp_sendmsg");
}

int main(void)
{
#define KERNEL_TEST(name) cmocka_unit_test_setup_teardown(name, setup_kernel, teardown_kernel)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(symbolizer_resolve__follows_inlined_calls),
		cmocka_unit_test(symbolizer_resolve__answers_each_of_many),
		cmocka_unit_test(symbolizer_resolve__does_not_touch_a_file_it_knows),
		cmocka_unit_test(symbolizer_resolve__does_not_take_a_closed_file_for_nameless),
		cmocka_unit_test(symbolizer_resolve__leaves_unnamed_what_nothing_names),
		cmocka_unit_test(symbolizer_resolve__names_by_symbol_table_when_time_is_up),
		KERNEL_TEST(symbolizer_resolve_kernel__reads_again_for_what_was_loaded_since),
		KERNEL_TEST(symbolizer_resolve_kernel__reads_less_and_less_often_in_vain),
		KERNEL_TEST(symbolizer_resolve_kernel__is_unnamed_when_the_kernel_hides_its_addresses),
		KERNEL_TEST(symbolizer_resolve_kernel__fails_with_the_reason),
	};
#undef KERNEL_TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
