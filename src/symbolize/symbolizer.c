/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/symbolizer.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "symbolize/cache.h"
#include "symbolize/kallsyms.h"
#include "symbolize/lookup.h"

/* Windows between two readings of kallsyms that did not help: doubled up to this. */
#define SYMBOLIZER_KALLSYMS_WAIT_MAX 256
/* Windows for which time for debug info is saved up; so much there is at the start. */
#define SYMBOLIZER_SAVED_WINDOWS 256

struct symbolizer {
	enum demangle_mode demangle;
	char **debug_roots; /* NULL-terminated */
	char *kallsyms_path;
	struct cache cache;
	uint64_t window; /* number of the window */

	uint64_t debuginfo_window_ns;
	int64_t debuginfo_left_ns; /* below zero: spent in advance */
	bool is_heap_used;         /* debug info was read in this window */

	struct kallsyms *kallsyms; /* NULL until it was read */
	int kallsyms_error;        /* of the latest reading */
	uint64_t kallsyms_reading; /* number of the latest reading; part of the cache's keys */
	uint64_t kallsyms_next;    /* window from which it may be read again */
	uint64_t kallsyms_wait;    /* windows */
};

/* An address that the cache does not know. */
struct symbolizer_miss {
	uint64_t elfva;
	size_t i; /* offs[i] */
};

/* One call of symbolizer_resolve(). */
struct symbolizer_call {
	struct symbolizer *symbolizer;
	const struct object *object;
	uint64_t file; /* of the cache's keys */
	const uint64_t *offs;
	size_t off_cnt;
	struct symbolizer_miss *misses; /* ascending by elfva */
	size_t miss_cnt;
	struct arena *arena;
};

static void symbolizer_call_fini(struct symbolizer_call *call)
{
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
	symbolizer->debuginfo_window_ns = options->debuginfo_window_ns;
	symbolizer->debuginfo_left_ns = (int64_t)options->debuginfo_window_ns * SYMBOLIZER_SAVED_WINDOWS;
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
		uint64_t build_id;
		struct object_identity file;
	} identity = { .file = object->identity };

	if (object->build_id_len > 0) {
		identity.build_id = hashmap_hash_bytes(object->build_id, object->build_id_len);
		identity.file = (struct object_identity){ .size = object->identity.size };
	} else if (object->identity.inode == 0) {
		identity.file.inode = (uintptr_t)object;
	}
	return hashmap_hash_bytes(&identity, sizeof(identity));
}

static int symbolizer_compare_misses(const void *left, const void *right)
{
	const struct symbolizer_miss *a = left, *b = right;

	return (a->elfva > b->elfva) - (a->elfva < b->elfva);
}

static bool symbolizer_has_time(const struct symbolizer *symbolizer)
{
	return symbolizer->debuginfo_window_ns == 0 || symbolizer->debuginfo_left_ns > 0;
}

/* Where an answer is kept that debug info had no part in, though there is some. */
static struct cache_key symbolizer_key(const struct symbolizer_call *call, size_t i, bool is_final)
{
	return (struct cache_key){ is_final ? call->file : ~call->file, call->offs[i] };
}

static int symbolizer_find(struct symbolizer_call *call, size_t i, struct symbol *ret)
{
	struct cache *cache = &call->symbolizer->cache;
	int err = cache_find(cache, symbolizer_key(call, i, true), ret);

	if (err == -ENODATA && !symbolizer_has_time(call->symbolizer))
		err = cache_find(cache, symbolizer_key(call, i, false), ret);
	return err;
}

/* Answers what the cache knows; the rest are the call's misses. */
static int symbolizer_ask_cache(struct symbolizer_call *call, struct symbol *ret)
{
	for (size_t i = 0; i < call->off_cnt; i++) {
		struct symbolizer_miss *miss;
		int err = symbolizer_find(call, i, &ret[i]);

		if (err == 0)
			continue;
		if (err != -ENODATA)
			return err;
		if (!call->misses) {
			call->misses = arena_calloc(call->arena, call->off_cnt, sizeof(*call->misses));
			if (!call->misses)
				return -ENOMEM;
		}
		ret[i] = (struct symbol){ 0 };
		miss = &call->misses[call->miss_cnt];
		miss->i = i;
		if (object_off_to_elfva(call->object, call->offs[i], &miss->elfva) == 0)
			call->miss_cnt++;
	}
	if (call->miss_cnt > 0)
		qsort(call->misses, call->miss_cnt, sizeof(*call->misses), symbolizer_compare_misses);
	return 0;
}

/* Looks up the misses; what debug info takes is charged. */
static int symbolizer_look_up(struct symbolizer_call *call, struct symbol *symbols, bool *ret_is_final)
{
	struct symbolizer *symbolizer = call->symbolizer;
	const struct lookup_options options = {
		.demangle = symbolizer->demangle,
		.debug_roots = (const char *const *)symbolizer->debug_roots,
		.arena = call->arena,
		.without_debuginfo = !symbolizer_has_time(symbolizer),
	};
	uint64_t *elfvas = arena_calloc(call->arena, call->miss_cnt, sizeof(*elfvas));
	uint64_t start_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
	int err;

	if (!elfvas)
		return -ENOMEM;
	for (size_t k = 0; k < call->miss_cnt; k++)
		elfvas[k] = call->misses[k].elfva;
	err = lookup_resolve(&options, call->object, elfvas, call->miss_cnt, symbols, ret_is_final);
	if (!options.without_debuginfo) {
		symbolizer->debuginfo_left_ns -= (int64_t)(clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns);
		symbolizer->is_heap_used = true;
	}
	return err;
}

static int symbolizer_resolve_misses(struct symbolizer_call *call, struct symbol *ret)
{
	struct symbol *symbols = arena_calloc(call->arena, call->miss_cnt, sizeof(*symbols));
	bool is_final;
	int err;

	if (!symbols)
		return -ENOMEM;
	err = symbolizer_look_up(call, symbols, &is_final);
	for (size_t k = 0; k < call->miss_cnt && err == 0; k++) {
		size_t i = call->misses[k].i;

		err = cache_put(&call->symbolizer->cache, symbolizer_key(call, i, is_final), symbols[k].lines,
				symbols[k].line_cnt, &ret[i]);
	}
	return err;
}

int symbolizer_resolve(struct symbolizer *symbolizer, const struct object *object, const uint64_t *offs, size_t off_cnt,
		       struct symbol *ret)
{
	_cleanup_(symbolizer_call_fini) struct symbolizer_call call = {
		.symbolizer = symbolizer,
		.object = object,
		.file = symbolizer_identify(object),
		.offs = offs,
		.off_cnt = off_cnt,
	};
	int err = arena_new(&call.arena);

	if (err < 0)
		return err;
	err = symbolizer_ask_cache(&call, ret);
	/* What the cache does not know of a closed file must not be taken for nameless. */
	if (err < 0 || call.miss_cnt == 0 || !object_is_open(object))
		return err;
	return symbolizer_resolve_misses(&call, ret);
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
	symbolizer->is_heap_used = true;
	return true;
}

static struct cache_key symbolizer_kernel_key(const struct symbolizer *symbolizer, uint64_t address)
{
	/* A module that was loaded in another's place makes another kernel. */
	return (struct cache_key){ symbolizer->kallsyms_reading, address };
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
	int64_t full_ns = (int64_t)symbolizer->debuginfo_window_ns * SYMBOLIZER_SAVED_WINDOWS;

	cache_turn(&symbolizer->cache);
	symbolizer->window++;
	symbolizer->debuginfo_left_ns += (int64_t)symbolizer->debuginfo_window_ns;
	if (symbolizer->debuginfo_left_ns > full_ns)
		symbolizer->debuginfo_left_ns = full_ns;
	/* What debug info took goes back to the system, not only to malloc(). */
	if (symbolizer->is_heap_used)
		malloc_trim(0);
	symbolizer->is_heap_used = false;
}
