/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/lookup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/strbuf.h"
#include "symbolize/debugfile.h"
#include "symbolize/debuginfo.h"
#include "symbolize/demangle.h"
#include "symbolize/function_table.h"
#include "symbolize/plt.h"
#include "symbolize/symtab.h"

/* Name of an inlined function for which debug info has none. */
#define LOOKUP_NAMELESS "[inlined]"

/* A name and its readable form; NULL when that is the same. */
struct lookup_readable {
	const char *system_name;
	const char *name;
};

struct lookup {
	const struct lookup_options *options;
	const struct object *object;
	struct object *debugfile; /* the separate one; NULL without */
	const uint64_t *elfvas;
	size_t elfva_cnt;
	struct unit_answer *answers; /* from debug info */
	const char **names;          /* from symbol tables; NULL unknown */
	struct hashmap readable;     /* hash of a system name -> struct lookup_readable * */
	struct arena *arena;
};

static void lookup_fini(struct lookup *lookup)
{
	hashmap_fini(&lookup->readable);
	object_free(lookup->debugfile);
}

/* The file that has the debug info: the object, or its debug file; NULL when there is none to be had. */
static int lookup_find_debuginfo(struct lookup *lookup, const struct object **ret)
{
	int err;

	*ret = lookup->object;
	if (debuginfo_is_usable(lookup->object, false))
		return 0;
	*ret = NULL;
	err = debugfile_open(lookup->object, lookup->options->debug_roots, &lookup->debugfile);
	if (err < 0)
		return err == -ENODATA ? 0 : err;
	if (debuginfo_is_usable(lookup->debugfile, true))
		*ret = lookup->debugfile;
	return 0;
}

static int lookup_ask_debuginfo(struct lookup *lookup, bool *ret_is_final)
{
	struct debuginfo_source source = { .debug_roots = lookup->options->debug_roots };
	const struct object *object;
	int err = lookup_find_debuginfo(lookup, &object);

	*ret_is_final = !object || !lookup->options->without_debuginfo;
	if (err < 0 || !object || lookup->options->without_debuginfo)
		return err;
	source.object = object;
	source.is_trusted = object == lookup->debugfile;
	return debuginfo_resolve(&source, lookup->elfvas, lookup->elfva_cnt, lookup->arena, lookup->answers);
}

static int lookup_ask_symtabs(struct lookup *lookup)
{
	const struct {
		const struct object *object;
		uint32_t table_type;
	} tables[] = {
		{ lookup->object, SHT_SYMTAB },
		{ lookup->debugfile, SHT_SYMTAB },
		{ lookup->object, SHT_DYNSYM },
	};

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		int err;

		if (!tables[i].object)
			continue;
		err = symtab_resolve(tables[i].object, tables[i].table_type, lookup->elfvas, lookup->elfva_cnt,
				     lookup->arena, lookup->names);
		if (err < 0)
			return err;
	}
	return plt_resolve(lookup->object, lookup->elfvas, lookup->elfva_cnt, lookup->arena, lookup->names);
}

/* True when debug info names the function. */
static bool lookup_is_named(const struct unit_answer *answer)
{
	const struct symbol_line *outermost = answer->line_cnt > 0 ? &answer->lines[answer->line_cnt - 1] : NULL;

	return outermost && (outermost->name || outermost->system_name);
}

/* "libfoo.so+0x1230" for all of a function that nothing names. */
static int lookup_name_nameless(struct lookup *lookup)
{
	const char *slash = strrchr(lookup->object->path, '/');
	const char *file = slash && slash[1] ? slash + 1 : lookup->object->path;
	struct function_table table;

	if (function_table_init(&table, lookup->object) < 0)
		return 0;
	for (size_t i = 0; i < lookup->elfva_cnt; i++) {
		_cleanup_(strbuf_fini) struct strbuf name = { 0 };
		uint64_t start;

		if (lookup->names[i] || lookup_is_named(&lookup->answers[i]) ||
		    function_table_find(&table, lookup->elfvas[i], &start) < 0)
			continue;
		strbuf_printf(&name, "%s+0x%" PRIx64, file, start);
		if (strbuf_error(&name))
			return strbuf_error(&name);
		lookup->names[i] = arena_strndup(lookup->arena, name.data, name.len);
		if (!lookup->names[i])
			return -ENOMEM;
	}
	return 0;
}

static int lookup_make_readable(struct lookup *lookup, const char *system_name, struct lookup_readable **ret)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };
	struct lookup_readable *readable = arena_calloc(lookup->arena, 1, sizeof(*readable));

	if (!readable)
		return -ENOMEM;
	demangle(system_name, lookup->options->demangle, &text);
	if (strbuf_error(&text))
		return strbuf_error(&text);
	/* A name that debug info spells out, as it was never linked. */
	if (lookup->options->demangle == DEMANGLE_SIMPLIFIED && strstr(system_name, "::"))
		demangle_simplify(text.data);
	readable->system_name = system_name;
	if (strcmp(text.data, system_name) != 0) {
		readable->name = arena_strndup(lookup->arena, text.data, strlen(text.data));
		if (!readable->name)
			return -ENOMEM;
	}
	*ret = readable;
	return 0;
}

/* The name as people read it, made once; `system_name` itself when that is it. */
static int lookup_read_name(struct lookup *lookup, const char *system_name, const char **ret)
{
	uint64_t hash = hashmap_hash_bytes(system_name, strlen(system_name));
	const uint64_t *value = hashmap_find(&lookup->readable, hash);
	struct lookup_readable *readable = value ? (struct lookup_readable *)(uintptr_t)*value : NULL;
	int err;

	if (!readable || strcmp(readable->system_name, system_name) != 0) {
		err = lookup_make_readable(lookup, system_name, &readable);
		if (err < 0)
			return err;
		err = hashmap_put(&lookup->readable, hash, (uintptr_t)readable);
		if (err < 0)
			return err;
	}
	*ret = readable->name ? readable->name : system_name;
	return 0;
}

/*
 * Gives a line both its names. What the source calls it stays where the linker's name is not a
 * mangled one: glibc's read() is linked as __GI___libc_read.
 */
static int lookup_name_line(struct lookup *lookup, struct symbol_line *line)
{
	const char *readable = NULL;
	int err;

	if (!line->system_name)
		line->system_name = line->name;
	err = lookup_read_name(lookup, line->system_name, &readable);
	if (err < 0)
		return err;
	if (!line->name || readable != line->system_name)
		line->name = readable;
	return 0;
}

/* Without debug info an answer is one line, from the symbol table. */
static int lookup_make_line(struct lookup *lookup, size_t i)
{
	struct symbol_line *line;

	if (lookup->answers[i].line_cnt > 0 || !lookup->names[i])
		return 0;
	line = arena_calloc(lookup->arena, 1, sizeof(*line));
	if (!line)
		return -ENOMEM;
	line->file = "";
	lookup->answers[i] = (struct unit_answer){ line, 1 };
	return 0;
}

/*
 * GCC leaves out the linkage names of functions that are static: the symbol table has them, and with them the
 * parameters. What the compiler appended (".cold") is no part of the function's name.
 */
static int lookup_link_name(struct lookup *lookup, size_t i, struct symbol_line *outermost)
{
	const char *name = lookup->names[i];

	if (outermost->system_name || !outermost->name || !name || strncmp(name, "_Z", 2) != 0)
		return 0;
	outermost->system_name = arena_strndup(lookup->arena, name, strcspn(name, "."));
	return outermost->system_name ? 0 : -ENOMEM;
}

static int lookup_answer(struct lookup *lookup, size_t i, struct symbol *ret)
{
	struct unit_answer *answer = &lookup->answers[i];
	int err = lookup_make_line(lookup, i);

	if (err == 0 && answer->line_cnt > 0)
		err = lookup_link_name(lookup, i, &answer->lines[answer->line_cnt - 1]);
	if (err < 0)
		return err;
	for (size_t k = 0; k < answer->line_cnt; k++) {
		struct symbol_line *line = &answer->lines[k];
		bool is_outermost = k + 1 == answer->line_cnt;

		/* Assembler code has lines but no functions; the symbol table names it. */
		if (!line->name && !line->system_name && is_outermost)
			line->system_name = lookup->names[i];
		if (!line->name && !line->system_name && is_outermost) {
			*ret = (struct symbol){ 0 };
			return 0;
		}
		if (!line->name && !line->system_name)
			line->name = LOOKUP_NAMELESS;
		err = lookup_name_line(lookup, line);
		if (err < 0)
			return err;
	}
	*ret = (struct symbol){ answer->lines, answer->line_cnt };
	return 0;
}

int lookup_resolve(const struct lookup_options *options, const struct object *object, const uint64_t *elfvas,
		   size_t elfva_cnt, struct symbol *ret, bool *ret_is_final)
{
	_cleanup_(lookup_fini) struct lookup lookup = {
		.options = options,
		.object = object,
		.elfvas = elfvas,
		.elfva_cnt = elfva_cnt,
		.arena = options->arena,
	};
	bool is_final;
	int err;

	lookup.answers = arena_calloc(lookup.arena, elfva_cnt, sizeof(*lookup.answers));
	lookup.names = arena_calloc(lookup.arena, elfva_cnt, sizeof(*lookup.names));
	if (!lookup.answers || !lookup.names)
		return -ENOMEM;
	err = lookup_ask_debuginfo(&lookup, &is_final);
	if (err < 0)
		return err;
	err = lookup_ask_symtabs(&lookup);
	if (err == 0)
		err = lookup_name_nameless(&lookup);
	for (size_t i = 0; i < elfva_cnt && err == 0; i++)
		err = lookup_answer(&lookup, i, &ret[i]);
	if (err == 0)
		*ret_is_final = is_final;
	return err;
}
