/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/kallsyms.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/vec.h"

#define KALLSYMS_BUFFER_SIZE (64u << 10)
/* Distributions' kernels have 60,000 to 250,000 functions with their modules. */
#define KALLSYMS_MAX (4u << 20)
/* Bytes of all names; offsets of names are 32 bits. */
#define KALLSYMS_NAMES_MAX (256u << 20)
/*
 * No function is longer; what lies further behind a symbol belongs to none. Behind modules and BPF
 * programs there may be others that were loaded since.
 */
#define KALLSYMS_REACH (1u << 20)
#define KALLSYMS_MODULE_REACH (64u << 10)

/* Name of what ends a run of functions and is none. */
#define KALLSYMS_NO_NAME UINT32_MAX

/* Symbols whose addresses have the same high half: first <= i < (region + 1)->first. */
struct kallsyms_region {
	uint32_t high;
	uint32_t first;
};

struct kallsyms {
	struct kallsyms_region *regions; /* ascending */
	size_t region_cnt;
	uint32_t *lows;  /* low half of the address */
	uint32_t *names; /* offset in text */
	size_t cnt;
	char *text;
	size_t text_len;
};

/* What is the better name of an address comes first. */
enum kallsyms_rank {
	KALLSYMS_GLOBAL,
	KALLSYMS_WEAK,
	KALLSYMS_LOCAL,
	KALLSYMS_MARKER,
};

struct kallsyms_symbol {
	uint64_t address;
	uint32_t name;
	uint32_t rank;
};

struct kallsyms_reader {
	struct kallsyms_symbol *symbols;
	size_t cnt, cap;
	struct strbuf text;
};

static void kallsyms_reader_fini(struct kallsyms_reader *reader)
{
	free(reader->symbols);
	strbuf_fini(&reader->text);
}

void kallsyms_free(struct kallsyms *kallsyms)
{
	if (!kallsyms)
		return;
	free(kallsyms->regions);
	free(kallsyms->lows);
	free(kallsyms->names);
	free(kallsyms->text);
	free(kallsyms);
}

static bool kallsyms_ends_with(const char *name, size_t len, const char *tail)
{
	size_t tail_len = strlen(tail);

	return len >= tail_len && memcmp(name + len - tail_len, tail, tail_len) == 0;
}

/* Set by the linker script around functions (Linux, include/asm-generic/vmlinux.lds.h). */
static bool kallsyms_is_marker(const char *name, size_t len)
{
	static const char *const tails[] = { "_text", "_stext", "_sinittext", "_text_start", "_text_end" };

	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		if (kallsyms_ends_with(name, len, tails[i]))
			return true;
	}
	return false;
}

static enum kallsyms_rank kallsyms_rank_of(char type, const char *name, size_t len)
{
	if (kallsyms_is_marker(name, len))
		return KALLSYMS_MARKER;
	/* The 32-bit entry of a system call may be the 64-bit one. */
	if (type == 't' || strncmp(name, "__ia32_", 7) == 0)
		return KALLSYMS_LOCAL;
	return type == 'T' ? KALLSYMS_GLOBAL : KALLSYMS_WEAK;
}

static int kallsyms_add_name(struct kallsyms_reader *reader, const char *name, size_t len, const char *module,
			     uint32_t *ret)
{
	if (kallsyms_ends_with(name, len, "_etext") || kallsyms_ends_with(name, len, "_einittext")) {
		*ret = KALLSYMS_NO_NAME;
		return 0;
	}
	if (reader->text.len > KALLSYMS_NAMES_MAX)
		return -EFBIG;
	*ret = (uint32_t)reader->text.len;
	strbuf_append(&reader->text, name, len);
	if (module)
		strbuf_printf(&reader->text, " [%.*s]", (int)strcspn(module, "]\n"), module);
	strbuf_append(&reader->text, "", 1);
	return strbuf_error(&reader->text);
}

/* "ffffffffc0a01230 t nf_hook_slow\t[nf_tables]\n" */
static int kallsyms_add_line(struct kallsyms_reader *reader, const char *line)
{
	struct kallsyms_symbol symbol;
	const char *module;
	char *name, type;
	size_t len;
	int err;

	symbol.address = strtoull(line, &name, 16);
	if (symbol.address == 0 || name[0] != ' ' || !name[1] || !strchr("tTwW", name[1]) || name[2] != ' ')
		return 0;
	type = name[1];
	name += 3;
	len = strcspn(name, " \t\n");
	/* Padding before functions: never run (Linux 9f2899fe36a6 ("objtool: Add option to generate prefix symbols")
	 * (v6.2)). */
	if (len == 0 || strncmp(name, "__pfx_", 6) == 0)
		return 0;
	if (reader->cnt >= KALLSYMS_MAX)
		return -EFBIG;
	module = strchr(name + len, '[');
	symbol.rank = kallsyms_rank_of(type, name, len);
	err = kallsyms_add_name(reader, name, len, module ? module + 1 : NULL, &symbol.name);
	if (err < 0)
		return err;
	err = vec_reserve(&reader->symbols, &reader->cap, reader->cnt + 1);
	if (err < 0)
		return err;
	reader->symbols[reader->cnt++] = symbol;
	return 0;
}

static int kallsyms_read(struct kallsyms_reader *reader, const char *path)
{
	/* Files of /proc ask for 1 KiB at a time, which is 8,000 reads. Outlives the stream that uses it. */
	_cleanup_(freep) char *buffer = malloc(KALLSYMS_BUFFER_SIZE);
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	_cleanup_(freep) char *line = NULL;
	size_t cap = 0;

	if (!file)
		return -errno;
	if (!buffer)
		return -ENOMEM;
	setvbuf(file, buffer, _IOFBF, KALLSYMS_BUFFER_SIZE);
	errno = 0;
	while (getline(&line, &cap, file) > 0) {
		int err = kallsyms_add_line(reader, line);

		/* What is beyond the bounds goes unnamed. */
		if (err == -EFBIG)
			return 0;
		if (err < 0)
			return err;
	}
	if (ferror(file))
		return errno ? -errno : -EIO;
	return 0;
}

static int kallsyms_compare(const void *left, const void *right)
{
	const struct kallsyms_symbol *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return (a->name > b->name) - (a->name < b->name);
}

/* Sorts, keeps the best of each address, and counts the high halves there are. */
static size_t kallsyms_sort(struct kallsyms_reader *reader)
{
	struct kallsyms_symbol *symbols = reader->symbols;
	size_t kept = 0, region_cnt = 0;

	if (reader->cnt > 0)
		qsort(symbols, reader->cnt, sizeof(*symbols), kallsyms_compare);
	for (size_t i = 0; i < reader->cnt; i++) {
		if (kept > 0 && symbols[kept - 1].address == symbols[i].address)
			continue;
		if (kept == 0 || symbols[kept - 1].address >> 32 != symbols[i].address >> 32)
			region_cnt++;
		symbols[kept++] = symbols[i];
	}
	reader->cnt = kept;
	return region_cnt;
}

static int kallsyms_pack(struct kallsyms *kallsyms, struct kallsyms_reader *reader)
{
	size_t region_cnt = kallsyms_sort(reader);

	kallsyms->lows = calloc(reader->cnt + 1, sizeof(*kallsyms->lows));
	kallsyms->names = calloc(reader->cnt + 1, sizeof(*kallsyms->names));
	kallsyms->regions = calloc(region_cnt + 1, sizeof(*kallsyms->regions));
	if (!kallsyms->lows || !kallsyms->names || !kallsyms->regions)
		return -ENOMEM;
	for (size_t i = 0; i < reader->cnt; i++) {
		uint32_t high = (uint32_t)(reader->symbols[i].address >> 32);

		if (kallsyms->region_cnt == 0 || kallsyms->regions[kallsyms->region_cnt - 1].high != high)
			kallsyms->regions[kallsyms->region_cnt++] = (struct kallsyms_region){ high, (uint32_t)i };
		kallsyms->lows[i] = (uint32_t)reader->symbols[i].address;
		kallsyms->names[i] = reader->symbols[i].name;
	}
	kallsyms->cnt = reader->cnt;
	return strbuf_take(&reader->text, &kallsyms->text, &kallsyms->text_len);
}

int kallsyms_new(const char *path, struct kallsyms **ret)
{
	_cleanup_(kallsyms_reader_fini) struct kallsyms_reader reader = { 0 };
	_cleanup_(kallsyms_freep) struct kallsyms *kallsyms = calloc(1, sizeof(*kallsyms));
	char *fitting;
	int err;

	if (!kallsyms)
		return -ENOMEM;
	err = kallsyms_read(&reader, path);
	if (err < 0)
		return err;
	err = kallsyms_pack(kallsyms, &reader);
	if (err < 0)
		return err;
	/* It had doubled as it grew. */
	fitting = realloc(kallsyms->text, kallsyms->text_len + 1);
	if (fitting)
		kallsyms->text = fitting;
	*ret = take_ptr(kallsyms);
	return 0;
}

static const struct kallsyms_region *kallsyms_find_region(const struct kallsyms *kallsyms, uint32_t high)
{
	size_t low = 0, end = kallsyms->region_cnt;

	while (low < end) {
		size_t middle = low + (end - low) / 2;

		if (kallsyms->regions[middle].high < high)
			low = middle + 1;
		else
			end = middle;
	}
	if (low == kallsyms->region_cnt || kallsyms->regions[low].high != high)
		return NULL;
	return &kallsyms->regions[low];
}

const char *kallsyms_find(const struct kallsyms *kallsyms, uint64_t address)
{
	const struct kallsyms_region *region = kallsyms_find_region(kallsyms, (uint32_t)(address >> 32));
	size_t first, low, end;
	const char *name;
	uint32_t behind;

	if (!region)
		return NULL;
	first = low = region->first;
	end = region + 1 < kallsyms->regions + kallsyms->region_cnt ? region[1].first : kallsyms->cnt;
	while (low < end) {
		size_t middle = low + (end - low) / 2;

		if (kallsyms->lows[middle] <= (uint32_t)address)
			low = middle + 1;
		else
			end = middle;
	}
	if (low == first || kallsyms->names[low - 1] == KALLSYMS_NO_NAME)
		return NULL;
	name = kallsyms->text + kallsyms->names[low - 1];
	behind = (uint32_t)address - kallsyms->lows[low - 1];
	if (behind >= (name[strlen(name) - 1] == ']' ? KALLSYMS_MODULE_REACH : KALLSYMS_REACH))
		return NULL;
	return name;
}

size_t kallsyms_cnt(const struct kallsyms *kallsyms)
{
	return kallsyms->cnt;
}

size_t kallsyms_size(const struct kallsyms *kallsyms)
{
	return sizeof(*kallsyms) + kallsyms->region_cnt * sizeof(*kallsyms->regions) +
	       kallsyms->cnt * (sizeof(*kallsyms->lows) + sizeof(*kallsyms->names)) + kallsyms->text_len;
}
