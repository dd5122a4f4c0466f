/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/strbuf.h"
#include "symbolize/cache.h"
#include "symbolize/debugfile.h"
#include "symbolize/debuginfo.h"
#include "symbolize/demangle.h"
#include "symbolize/kallsyms.h"
#include "symbolize/plt.h"
#include "symbolize/symtab.h"

/* Windows between two readings of kallsyms that did not help: doubled up to this. */
#define SYMBOLIZER_KALLSYMS_WAIT_MAX 256

/* Name of an inlined function for which debug info has none. */
#define SYMBOLIZER_NAMELESS "[inlined]"

struct symbolizer {
	enum demangle_mode demangle;
	char **debug_roots; /* NULL-terminated */
	char *kallsyms_path;
	struct cache cache;
	uint64_t window; /* number of the window */

	struct kallsyms *kallsyms; /* NULL until it was read */
	int kallsyms_error;        /* of the latest reading */
	uint64_t kallsyms_reading; /* number of the latest reading; part of the cache's keys */
	uint64_t kallsyms_next;    /* window from which it may be read again */
	uint64_t kallsyms_wait;    /* windows */
};

/* One call of symbolizer_resolve(): the addresses that the cache does not know. */
struct symbolizer_miss {
	uint64_t elfva;
	size_t i; /* offs[i] */
};

/* A name and its readable form; NULL when that is the same. */
struct symbolizer_readable {
	const char *system_name;
	const char *name;
};

struct symbolizer_call {
	struct symbolizer *symbolizer;
	const struct object *object;
	struct object *debugfile;       /* the separate one; NULL without */
	struct symbolizer_miss *misses; /* ascending by elfva */
	size_t miss_cnt;
	uint64_t *elfvas;            /* of the misses */
	struct unit_answer *answers; /* to the misses, from debug info */
	const char **names;          /* of the misses, from symbol tables; NULL unknown */
	struct hashmap readable;     /* hash of a system name -> struct symbolizer_readable * */
	struct arena *arena;
};

static void symbolizer_call_fini(struct symbolizer_call *call)
{
	hashmap_fini(&call->readable);
	object_free(call->debugfile);
	arena_free(call->arena);
}

static void symbolizer_free_roots(char **roots)
{
	for (size_t i = 0; roots && roots[i]; i++)
		free(roots[i]);
	free(roots);
}

static int symbolizer_copy_roots(const char *const *roots, char ***ret)
{
	size_t cnt = 0;
	char **copy;

	while (roots && roots[cnt])
		cnt++;
	copy = calloc(cnt + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++) {
		copy[i] = strdup(roots[i]);
		if (!copy[i]) {
			symbolizer_free_roots(copy);
			return -ENOMEM;
		}
	}
	*ret = copy;
	return 0;
}

int symbolizer_new(const struct symbolizer_options *options, struct symbolizer **ret)
{
	_cleanup_(symbolizer_freep) struct symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));
	int err;

	if (!symbolizer)
		return -ENOMEM;
	symbolizer->demangle = options->demangle;
	symbolizer->kallsyms_wait = 1;
	symbolizer->kallsyms_path = strdup(options->kallsyms_path ? options->kallsyms_path : "/proc/kallsyms");
	if (!symbolizer->kallsyms_path)
		return -ENOMEM;
	err = symbolizer_copy_roots(options->debug_roots, &symbolizer->debug_roots);
	if (err < 0)
		return err;
	err = cache_init(&symbolizer->cache, options->cache_max);
	if (err < 0)
		return err;
	*ret = take_ptr(symbolizer);
	return 0;
}

void symbolizer_free(struct symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	kallsyms_free(symbolizer->kallsyms);
	cache_fini(&symbolizer->cache);
	symbolizer_free_roots(symbolizer->debug_roots);
	free(symbolizer->kallsyms_path);
	free(symbolizer);
}

/* ---- files ---- */

/*
 * What stands for the bytes of the file: its build id and size (a stripped copy has the same build
 * id and fewer names), else what changes when the file does.
 */
static uint64_t symbolizer_identify(const struct object *object)
{
	struct {
		uint64_t build_id, size, dev, inode, mtime_sec, mtime_nsec;
	} identity = { 0 };
	struct stat status = { 0 };

	if (object->fd >= 0 && fstat(object->fd, &status) == 0)
		identity.size = (uint64_t)status.st_size;
	if (object->build_id_len > 0) {
		identity.build_id = hashmap_hash_bytes(object->build_id, object->build_id_len);
	} else if (object->fd >= 0) {
		identity.dev = status.st_dev;
		identity.inode = status.st_ino;
		identity.mtime_sec = (uint64_t)status.st_mtim.tv_sec;
		identity.mtime_nsec = (uint64_t)status.st_mtim.tv_nsec;
	} else {
		identity.inode = (uintptr_t)object;
	}
	return hashmap_hash_bytes(&identity, sizeof(identity));
}

static int symbolizer_compare_misses(const void *left, const void *right)
{
	const struct symbolizer_miss *a = left, *b = right;

	return (a->elfva > b->elfva) - (a->elfva < b->elfva);
}

/* Answers from the cache what it knows; the rest are the call's misses. */
static int symbolizer_ask_cache(struct symbolizer_call *call, uint64_t file, const uint64_t *offs, size_t off_cnt,
				struct symbol *ret)
{
	for (size_t i = 0; i < off_cnt; i++) {
		struct symbolizer_miss *miss;
		int err = cache_find(&call->symbolizer->cache, (struct cache_key){ file, offs[i] }, &ret[i]);

		if (err == 0)
			continue;
		if (err != -ENODATA)
			return err;
		if (!call->misses) {
			call->misses = arena_calloc(call->arena, off_cnt, sizeof(*call->misses));
			if (!call->misses)
				return -ENOMEM;
		}
		ret[i] = (struct symbol){ 0 };
		miss = &call->misses[call->miss_cnt];
		miss->i = i;
		if (object_off_to_elfva(call->object, offs[i], &miss->elfva) == 0)
			call->miss_cnt++;
	}
	if (call->miss_cnt > 0)
		qsort(call->misses, call->miss_cnt, sizeof(*call->misses), symbolizer_compare_misses);
	return 0;
}

/* The name as people read it, made once per call; `system_name` itself when it is not mangled. */
static int symbolizer_read_name(struct symbolizer_call *call, const char *system_name, const char **ret)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };
	uint64_t hash = hashmap_hash_bytes(system_name, strlen(system_name));
	const uint64_t *value = hashmap_find(&call->readable, hash);
	struct symbolizer_readable *readable = value ? (struct symbolizer_readable *)(uintptr_t)*value : NULL;

	if (!readable || strcmp(readable->system_name, system_name) != 0) {
		demangle(system_name, call->symbolizer->demangle, &text);
		if (strbuf_error(&text))
			return strbuf_error(&text);
		/* A name that debug info spells out, as it was never linked. */
		if (call->symbolizer->demangle == DEMANGLE_SIMPLIFIED && strstr(system_name, "::"))
			demangle_simplify(text.data);
		readable = arena_alloc(call->arena, sizeof(*readable));
		if (!readable)
			return -ENOMEM;
		readable->system_name = system_name;
		readable->name = NULL;
		if (strcmp(strbuf_text(&text), system_name) != 0) {
			readable->name = arena_strndup(call->arena, text.data, strlen(text.data));
			if (!readable->name)
				return -ENOMEM;
		}
		if (hashmap_put(&call->readable, hash, (uintptr_t)readable) < 0)
			return -ENOMEM;
	}
	*ret = readable->name ? readable->name : system_name;
	return 0;
}

/* Debug info of the file itself, or of its separate debug file, which is opened. */
static int symbolizer_ask_debuginfo(struct symbolizer_call *call)
{
	const char *const *roots = (const char *const *)call->symbolizer->debug_roots;
	const struct object *object = call->object;
	bool is_trusted = false;

	if (!debuginfo_is_usable(object, false)) {
		int err = debugfile_open(object, roots, &call->debugfile);

		if (err == -ENODATA)
			return 0;
		if (err < 0)
			return err;
		object = call->debugfile;
		is_trusted = true;
		if (!debuginfo_is_usable(object, true))
			return 0;
	}
	return debuginfo_resolve(object, is_trusted, roots, call->elfvas, call->miss_cnt, call->arena, call->answers);
}

static int symbolizer_ask_symtabs(struct symbolizer_call *call)
{
	const struct {
		const struct object *object;
		uint32_t table_type;
	} tables[] = {
		{ call->object, SHT_SYMTAB },
		{ call->debugfile, SHT_SYMTAB },
		{ call->object, SHT_DYNSYM },
	};

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		int err;

		if (!tables[i].object)
			continue;
		err = symtab_resolve(tables[i].object, tables[i].table_type, call->elfvas, call->miss_cnt, call->arena,
				     call->names);
		if (err < 0)
			return err;
	}
	return plt_resolve(call->object, call->elfvas, call->miss_cnt, call->arena, call->names);
}

static int symbolizer_prepare_misses(struct symbolizer_call *call)
{
	call->elfvas = arena_calloc(call->arena, call->miss_cnt, sizeof(*call->elfvas));
	call->answers = arena_calloc(call->arena, call->miss_cnt, sizeof(*call->answers));
	call->names = arena_calloc(call->arena, call->miss_cnt, sizeof(*call->names));
	if (!call->elfvas || !call->answers || !call->names)
		return -ENOMEM;
	for (size_t k = 0; k < call->miss_cnt; k++)
		call->elfvas[k] = call->misses[k].elfva;
	return 0;
}

/*
 * Gives a line both its names. What the source calls it stays where the linker's name is not a
 * mangled one: glibc's read() is linked as __GI___libc_read.
 */
static int symbolizer_name_line(struct symbolizer_call *call, struct symbol_line *line)
{
	const char *readable = NULL;
	int err;

	if (!line->system_name)
		line->system_name = line->name;
	err = symbolizer_read_name(call, line->system_name, &readable);
	if (err < 0)
		return err;
	if (!line->name || readable != line->system_name)
		line->name = readable;
	return 0;
}

/* Puts the answer to miss k into the cache. */
static int symbolizer_keep(struct symbolizer_call *call, size_t k, struct cache_key key, struct symbol *ret)
{
	struct symbol_line line = { .file = "" };
	struct unit_answer *answer = &call->answers[k];

	if (answer->line_cnt == 0)
		*answer = (struct unit_answer){ &line, 1 };
	/* Assembler code has lines but no functions; the symbol table names it. */
	if (!answer->lines[answer->line_cnt - 1].name)
		answer->lines[answer->line_cnt - 1].system_name = call->names[k];
	for (size_t i = 0; i < answer->line_cnt; i++) {
		struct symbol_line *named = &answer->lines[i];
		int err;

		if (!named->name && !named->system_name) {
			if (i + 1 == answer->line_cnt)
				return cache_put(&call->symbolizer->cache, key, NULL, 0, ret);
			named->name = SYMBOLIZER_NAMELESS;
		}
		err = symbolizer_name_line(call, named);
		if (err < 0)
			return err;
	}
	return cache_put(&call->symbolizer->cache, key, answer->lines, answer->line_cnt, ret);
}

static int symbolizer_resolve_misses(struct symbolizer_call *call, uint64_t file, const uint64_t *offs,
				     struct symbol *ret)
{
	int err = symbolizer_prepare_misses(call);

	if (err < 0)
		return err;
	err = symbolizer_ask_debuginfo(call);
	if (err < 0)
		return err;
	err = symbolizer_ask_symtabs(call);
	if (err < 0)
		return err;
	for (size_t k = 0; k < call->miss_cnt; k++) {
		size_t i = call->misses[k].i;

		err = symbolizer_keep(call, k, (struct cache_key){ file, offs[i] }, &ret[i]);
		if (err < 0)
			return err;
	}
	return 0;
}

int symbolizer_resolve(struct symbolizer *symbolizer, const struct object *object, const uint64_t *offs, size_t off_cnt,
		       struct symbol *ret)
{
	_cleanup_(symbolizer_call_fini) struct symbolizer_call call = { .symbolizer = symbolizer, .object = object };
	uint64_t file = symbolizer_identify(object);
	int err = arena_new(&call.arena);

	if (err < 0)
		return err;
	err = symbolizer_ask_cache(&call, file, offs, off_cnt, ret);
	if (err < 0 || call.miss_cnt == 0)
		return err;
	return symbolizer_resolve_misses(&call, file, offs, ret);
}

/* ---- the kernel ---- */

/* Reads kallsyms again unless that was done too lately; true when it was read. */
static bool symbolizer_read_kallsyms(struct symbolizer *symbolizer)
{
	struct kallsyms *kallsyms;

	if (symbolizer->kallsyms_reading > 0 && symbolizer->window < symbolizer->kallsyms_next)
		return false;
	symbolizer->kallsyms_reading++;
	symbolizer->kallsyms_next = symbolizer->window + symbolizer->kallsyms_wait;
	if (symbolizer->kallsyms_wait < SYMBOLIZER_KALLSYMS_WAIT_MAX)
		symbolizer->kallsyms_wait *= 2;
	symbolizer->kallsyms_error = kallsyms_new(symbolizer->kallsyms_path, &kallsyms);
	if (symbolizer->kallsyms_error < 0)
		return false;
	kallsyms_free(symbolizer->kallsyms);
	symbolizer->kallsyms = kallsyms;
	return true;
}

static struct cache_key symbolizer_kernel_key(const struct symbolizer *symbolizer, uint64_t address)
{
	/* A module that was loaded in another's place makes another kernel. */
	return (struct cache_key){ ~symbolizer->kallsyms_reading, address };
}

int symbolizer_resolve_kernel(struct symbolizer *symbolizer, uint64_t address, struct symbol *ret)
{
	struct symbol_line line = { .file = "" };
	int err = cache_find(&symbolizer->cache, symbolizer_kernel_key(symbolizer, address), ret);

	if (err != -ENODATA)
		return err;
	if (symbolizer->kallsyms)
		line.name = kallsyms_find(symbolizer->kallsyms, address);
	if (!line.name && symbolizer_read_kallsyms(symbolizer)) {
		line.name = kallsyms_find(symbolizer->kallsyms, address);
		if (line.name)
			symbolizer->kallsyms_wait = 1;
	}
	if (!line.name) {
		if (!symbolizer->kallsyms)
			return symbolizer->kallsyms_error;
		*ret = (struct symbol){ 0 };
		return 0;
	}
	line.system_name = line.name;
	return cache_put(&symbolizer->cache, symbolizer_kernel_key(symbolizer, address), &line, 1, ret);
}

void symbolizer_end_window(struct symbolizer *symbolizer)
{
	cache_turn(&symbolizer->cache);
	symbolizer->window++;
}
