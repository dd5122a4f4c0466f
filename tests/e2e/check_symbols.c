/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_symbols FILE [full|simplified|off [DEBUG_ROOT]] < ADDRESSES: what the symbolizer says of addresses of FILE, for
 * comparison with what other tools say. An ELF address in hexadecimal a line in; out, in ascending order, "0xADDRESS",
 * then a line "name<TAB>system name<TAB>file<TAB>line<TAB>start line" for each function, the innermost first.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "symbolize/symbolizer.h"

struct offs {
	uint64_t *data;
	size_t cnt, cap;
};

static int compare_offs(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static int read_offs(const struct object *object, struct offs *offs)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin)) {
		uint64_t elfva = strtoull(line, NULL, 16), off;
		int err = object_elfva_to_off(object, elfva, &off);

		if (err < 0) {
			fprintf(stderr, "%#" PRIx64 ": not code of %s\n", elfva, object->path);
			return err;
		}
		err = vec_reserve(&offs->data, &offs->cap, offs->cnt + 1);
		if (err < 0)
			return err;
		offs->data[offs->cnt++] = off;
	}
	if (offs->cnt > 0)
		qsort(offs->data, offs->cnt, sizeof(*offs->data), compare_offs);
	return 0;
}

static int print_symbols(const struct object *object, const struct offs *offs, const struct symbol *symbols)
{
	for (size_t i = 0; i < offs->cnt; i++) {
		uint64_t elfva;
		int err = object_off_to_elfva(object, offs->data[i], &elfva);

		if (err < 0)
			return err;
		printf("%#" PRIx64 "\n", elfva);
		for (size_t k = 0; k < symbols[i].line_cnt; k++) {
			const struct symbol_line *line = &symbols[i].lines[k];

			printf("%s\t%s\t%s\t%" PRId64 "\t%" PRId64 "\n", line->name, line->system_name, line->file,
			       line->line, line->start_line);
		}
	}
	return 0;
}

static int run(const char *path, enum demangle_mode mode, const char *debug_root)
{
	const char *const roots[] = { debug_root, NULL };
	const struct symbolizer_options options = { .demangle = mode, .debug_roots = roots, .cache_max = 64 << 20 };
	_cleanup_(symbolizer_freep) struct symbolizer *symbolizer = NULL;
	_cleanup_(object_freep) struct object *object = NULL;
	_cleanup_(freep) struct symbol *symbols = NULL;
	struct offs offs = { 0 };
	int err = object_new_path(path, &object);

	if (err < 0)
		return err;
	err = symbolizer_new(&options, &symbolizer);
	if (err < 0)
		return err;
	err = read_offs(object, &offs);
	symbols = calloc(offs.cnt + 1, sizeof(*symbols));
	if (err == 0 && !symbols)
		err = -ENOMEM;
	if (err == 0)
		err = symbolizer_resolve(symbolizer, object, offs.data, offs.cnt, symbols);
	if (err == 0)
		err = print_symbols(object, &offs, symbols);
	free(offs.data);
	return err;
}

int main(int argc, char **argv)
{
	static const char *const modes[] = { "full", "simplified", "off" };
	size_t mode = 0;
	int err;

	while (argc > 2 && mode < ARRAY_LEN(modes) && strcmp(argv[2], modes[mode]) != 0)
		mode++;
	if (argc < 2 || mode == ARRAY_LEN(modes)) {
		fprintf(stderr, "usage: %s FILE [full|simplified|off [DEBUG_ROOT]] < ADDRESSES\n", argv[0]);
		return 2;
	}
	err = run(argv[1], (enum demangle_mode)mode, argc > 3 ? argv[3] : "/usr/lib/debug");
	if (err < 0)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-err));
	return err < 0;
}
