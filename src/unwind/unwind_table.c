/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwind_table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include "base/vec.h"
#include "unwind/fde_index.h"
#include "unwind/go_frames.h"
#include "unwind/rule.h"

/* Instructions that may run per byte of unwind information: CIEs run once per FDE at the worst. */
#define TABLE_BUDGET_PER_BYTE 64
/* The largest alignment that compilers give to functions as such. */
#define TABLE_ALIGN_MAX 32
/* Bytes of code that no FDE covers and that still go by the row before them. */
#define TABLE_GAP_MAX 16
/* Code of an entry point without unwind information (_start in assembler). */
#define TABLE_ENTRY_MAX 64
/* Room for PLT sections and the entry point, and for what Go's unwind information leaves out. */
#define TABLE_SPECIALS_MAX 16

/* Code that has a rule of its own: start <= off < end. */
struct table_special {
	uint64_t start, end;
	struct pprofd_rule rule;
	bool is_whole; /* as a fallback it is none at all when an FDE covers its start */
};

/* What is hashed to find a rule again: the seed keeps a file from choosing the hashes of its rules. */
struct table_rule_key {
	uint64_t seed;
	struct pprofd_rule rule;
};

struct table_specials {
	struct table_special list[TABLE_SPECIALS_MAX]; /* ascending by start */
	size_t cnt;
};

struct table_builder {
	const struct object *object;
	struct unwind_table *table;
	uint64_t seed;
	struct fde_index eh_frame, debug_frame;
	struct cfi_run run;
	struct table_specials fallbacks; /* where there is no FDE */
	struct table_specials overrides; /* whatever FDEs say */
	uint64_t covered;                /* rows are made up to here */
	uint32_t page, page_row_cnt;     /* of the last row */

	/* Of the FDE that is being run. */
	const struct cfi_cie *cie;
	uint64_t fde_elfva, fde_off;
	uint64_t clip_start, clip_end;
};

static void table_builder_free(struct table_builder *builder)
{
	fde_index_fini(&builder->eh_frame);
	fde_index_fini(&builder->debug_frame);
	free(builder);
}
DEFINE_CLEANUP(struct table_builder, table_builder_free);

static const struct pprofd_rule table_by_fp = { .cfa = PPROFD_CFA_FP };

static int table_find_rule(struct table_builder *builder, const struct pprofd_rule *rule, uint16_t *ret)
{
	struct table_rule_key key = { .seed = builder->seed, .rule = *rule };
	struct unwind_table *table = builder->table;
	uint64_t hash = hashmap_hash_bytes(&key, sizeof(key));
	const uint64_t *known;
	int err;

	while ((known = hashmap_find(&table->rule_index, hash))) {
		if (memcmp(&table->rules[*known], rule, sizeof(*rule)) == 0) {
			*ret = (uint16_t)*known;
			return 0;
		}
		hash++;
	}
	if (table->rule_cnt == PPROFD_RULES_MAX)
		return -E2BIG;
	err = vec_reserve(&table->rules, &table->rule_cap, table->rule_cnt + 1);
	if (err < 0)
		return err;
	err = hashmap_put(&table->rule_index, hash, table->rule_cnt);
	if (err < 0)
		return err;
	table->rules[table->rule_cnt] = *rule;
	*ret = (uint16_t)table->rule_cnt++;
	return 0;
}

/* Rows of one page are counted with the one that leads in from the page before. */
static int table_count_page_row(struct table_builder *builder, uint64_t off)
{
	uint32_t page = (uint32_t)(off >> PPROFD_PAGE_BITS);

	if (page != builder->page || builder->page_row_cnt == 0) {
		builder->page = page;
		builder->page_row_cnt = 1;
	}
	return ++builder->page_row_cnt > PPROFD_PAGE_ROWS_MAX ? -E2BIG : 0;
}

/* `rule` holds from `off` on, which lies above every row so far. */
static int table_append(struct table_builder *builder, uint64_t off, const struct pprofd_rule *rule)
{
	struct unwind_table *table = builder->table;
	uint16_t number;
	int err;

	if (table->row_cnt) {
		uint16_t last = UNWIND_ROW_RULE(table->rows[table->row_cnt - 1]);

		if (memcmp(&table->rules[last], rule, sizeof(*rule)) == 0)
			return 0;
	}
	if (table->row_cnt == UNWIND_ROWS_MAX)
		return -E2BIG;
	err = table_find_rule(builder, rule, &number);
	if (err < 0)
		return err;
	err = table_count_page_row(builder, off);
	if (err < 0)
		return err;
	err = vec_reserve(&table->rows, &table->row_cap, table->row_cnt + 1);
	if (err < 0)
		return err;
	table->rows[table->row_cnt++] = UNWIND_ROW(off, number);
	if (rule->cfa == PPROFD_CFA_UNSUPPORTED)
		table->unsupported_row_cnt++;
	return 0;
}

/*
 * The special that covers `off`, which lies in a gap that begins at `gap`, or NULL; *ret_end is up to
 * where either holds.
 */
static const struct table_special *table_find_special(const struct table_specials *specials, uint64_t gap, uint64_t off,
						      uint64_t *ret_end)
{
	*ret_end = UINT64_MAX;
	for (size_t i = 0; i < specials->cnt; i++) {
		const struct table_special *special = &specials->list[i];

		if (off < special->start) {
			*ret_end = special->start;
			return NULL;
		}
		if (off < special->end && (special->start >= gap || !special->is_whole)) {
			*ret_end = special->end;
			return special;
		}
	}
	return NULL;
}

/* `rule` (NULL: the one before goes on) holds for start <= off < end, but where an override does. */
static int table_append_range(struct table_builder *builder, uint64_t start, uint64_t end,
			      const struct pprofd_rule *rule)
{
	while (start < end) {
		uint64_t next;
		const struct table_special *override = table_find_special(&builder->overrides, 0, start, &next);
		int err = 0;

		if (override || rule)
			err = table_append(builder, start, override ? &override->rule : rule);
		if (err < 0)
			return err;
		start = next;
	}
	return 0;
}

/*
 * Is what lies between two functions no more than what aligns the second one, or a few instructions of the
 * first? glibc's clone and clone3 leave their system call and the return behind it without an FDE,
 * because the child runs them too.
 */
static bool table_is_continued(uint64_t start, uint64_t end)
{
	uint64_t align = end & -end;

	return end - start < TABLE_GAP_MAX || end - start < (align < TABLE_ALIGN_MAX ? align : TABLE_ALIGN_MAX);
}

/* No FDE covers builder->covered <= off < end. */
static int table_fill_gap(struct table_builder *builder, uint64_t end)
{
	uint64_t gap = builder->covered;

	while (builder->covered < end) {
		uint64_t start = builder->covered, next;
		const struct table_special *special = table_find_special(&builder->fallbacks, gap, start, &next);
		const struct pprofd_rule *rule = special ? &special->rule : &table_by_fp;
		int err;

		builder->covered = next < end ? next : end;
		if (!special && builder->table->row_cnt && table_is_continued(start, builder->covered))
			rule = NULL;
		err = table_append_range(builder, start, builder->covered, rule);
		if (err < 0)
			return err;
	}
	return 0;
}

static int table_emit(void *context, uint64_t start_elfva, uint64_t end_elfva, const struct cfi_state *state)
{
	struct table_builder *builder = context;
	uint64_t start = builder->fde_off + (start_elfva - builder->fde_elfva);
	uint64_t end = builder->fde_off + (end_elfva - builder->fde_elfva);
	struct pprofd_rule rule;

	if (start < builder->clip_start)
		start = builder->clip_start;
	if (end > builder->clip_end)
		end = builder->clip_end;
	if (start >= end)
		return 0;
	rule = rule_from_state(builder->run.arch, builder->cie, state);
	return table_append_range(builder, start, end, &rule);
}

/* Makes the rows of range `i` as far as it lies between builder->covered and `limit`. */
static int table_add_fde(struct table_builder *builder, struct fde_index *index, size_t i, uint64_t limit)
{
	static const struct cfi_state unknown = { .cfa.kind = PPROFD_CFA_UNSUPPORTED };
	const struct fde_range *range = &index->ranges[i];
	uint64_t end = fde_index_get_limit(index, i);
	const struct fde_cie *cie = NULL;
	struct cfi_fde fde;
	int err;

	builder->clip_start = range->start > builder->covered ? range->start : builder->covered;
	builder->clip_end = end < limit ? end : limit;
	if (builder->clip_start >= builder->clip_end)
		return 0;
	err = table_fill_gap(builder, builder->clip_start);
	if (err < 0)
		return err;
	err = fde_index_read(index, &builder->run, range, &cie, &fde);
	if (err < 0)
		return err;
	builder->cie = &cie->cie;
	builder->fde_elfva = fde.start_elfva;
	builder->fde_off = range->start;
	builder->covered = builder->clip_end;
	builder->run.section = &index->section;
	err = cfi_run_fde(&builder->run, &cie->cie, &cie->initial, &fde);
	if (err == -EBADMSG)
		return table_emit(builder, builder->run.elfva, builder->run.end_elfva, &unknown);
	return err;
}

/* .debug_frame has what .eh_frame leaves over. */
static int table_merge_sections(struct table_builder *builder)
{
	struct fde_index *eh = &builder->eh_frame, *debug = &builder->debug_frame;
	size_t i = 0, j = 0;
	int err = 0;

	while (err == 0 && (i < eh->range_cnt || j < debug->range_cnt)) {
		uint64_t next_eh = i < eh->range_cnt ? eh->ranges[i].start : FDE_OFF_MAX;

		if (j == debug->range_cnt || next_eh <= debug->ranges[j].start)
			err = table_add_fde(builder, eh, i++, FDE_OFF_MAX);
		else
			err = table_add_fde(builder, debug, j++, next_eh);
	}
	return err;
}

static int table_load_section(struct table_builder *builder, struct fde_index *index, const char *name)
{
	GElf_Shdr header;
	Elf_Data *data;
	int err = object_get_section(builder->object, name, &header, &data);

	if (err < 0)
		return err;
	index->section = (struct cfi_section){
		.data = data->d_buf,
		.size = data->d_size,
		.elfva = header.sh_addr,
		.is_eh = index == &builder->eh_frame,
	};
	builder->run.budget += (uint64_t)data->d_size * TABLE_BUDGET_PER_BYTE;
	return fde_index_build(index, builder->object, &builder->run);
}

static int table_load_sections(struct table_builder *builder)
{
	int eh = table_load_section(builder, &builder->eh_frame, ".eh_frame");
	int debug;

	if (eh < 0 && eh != -ENODATA && eh != -EBADMSG)
		return eh;
	debug = table_load_section(builder, &builder->debug_frame, ".debug_frame");
	if (debug < 0 && debug != -ENODATA && debug != -EBADMSG)
		return debug;
	if (builder->eh_frame.range_cnt || builder->debug_frame.range_cnt)
		return 0;
	return eh == -EBADMSG || debug == -EBADMSG ? -EBADMSG : -ENODATA;
}

static void table_add_special(struct table_builder *builder, struct table_specials *specials, uint64_t elfva,
			      uint64_t size, const struct pprofd_rule *rule)
{
	struct table_special special = { .rule = *rule, .is_whole = rule->cfa == PPROFD_CFA_END };
	size_t i = specials->cnt;

	if (specials->cnt == TABLE_SPECIALS_MAX || size > FDE_OFF_MAX ||
	    object_elfva_to_off(builder->object, elfva, &special.start) < 0 || special.start >= FDE_OFF_MAX)
		return;
	special.end = special.start + size;
	for (; i > 0 && specials->list[i - 1].start > special.start; i--)
		specials->list[i] = specials->list[i - 1];
	specials->list[i] = special;
	specials->cnt++;
}

/*
 * GNU ld writes FDEs for its PLTs, lld and mold do not. An entry's jump is all of it that runs but for
 * the first call, which pushes the entry's number and goes on behind byte 11.
 */
static void table_add_fallbacks(struct table_builder *builder)
{
	static const char *const plts[] = { ".plt", ".plt.got", ".plt.sec", ".iplt" };
	static const struct pprofd_rule outermost = { .cfa = PPROFD_CFA_END };
	struct pprofd_rule rule = { .cfa = PPROFD_CFA_PLT, .base = 7, .off = 8, .add = 11, .ra = 1 };
	const GElf_Ehdr *header = &builder->object->header;

	if (builder->run.arch->ra_in_register)
		rule = (struct pprofd_rule){ .cfa = PPROFD_CFA_REG, .base = 31 };
	if (header->e_entry)
		table_add_special(builder, &builder->fallbacks, header->e_entry, TABLE_ENTRY_MAX, &outermost);
	for (size_t i = 0; i < ARRAY_LEN(plts); i++) {
		GElf_Shdr section;
		Elf_Data *data;

		if (object_get_section(builder->object, plts[i], &section, &data) == 0)
			table_add_special(builder, &builder->fallbacks, section.sh_addr, section.sh_size, &rule);
	}
}

static void table_add_overrides(struct table_builder *builder)
{
	struct go_frame frames[GO_FRAMES_MAX];
	size_t frame_cnt = go_frames_find(builder->object, frames);

	for (size_t i = 0; i < frame_cnt; i++) {
		struct pprofd_rule rule = { .cfa = frames[i].cfa };

		table_add_special(builder, &builder->overrides, frames[i].start_elfva, frames[i].size, &rule);
	}
}

static int table_build(struct table_builder *builder)
{
	const struct object *object = builder->object;
	uint64_t end = 0;
	int err = table_load_sections(builder);

	if (err < 0)
		return err;
	builder->covered = FDE_OFF_MAX;
	for (size_t i = 0; i < object->segment_cnt; i++) {
		const struct object_segment *segment = &object->segments[i];

		if (segment->off < builder->covered)
			builder->covered = segment->off;
		if (segment->off + segment->size > end)
			end = segment->off + segment->size;
	}
	table_add_fallbacks(builder);
	table_add_overrides(builder);
	err = table_merge_sections(builder);
	if (err < 0)
		return err;
	err = table_fill_gap(builder, end < FDE_OFF_MAX ? end : FDE_OFF_MAX);
	if (err < 0 || builder->covered >= FDE_OFF_MAX)
		return err;
	return table_append(builder, builder->covered, &table_by_fp);
}

/* Gives back what building needed only. */
static void table_shrink(struct unwind_table *table)
{
	uint64_t *rows = realloc(table->rows, table->row_cnt * sizeof(*rows));
	struct pprofd_rule *rules = realloc(table->rules, table->rule_cnt * sizeof(*rules));

	if (rows) {
		table->rows = rows;
		table->row_cap = table->row_cnt;
	}
	if (rules) {
		table->rules = rules;
		table->rule_cap = table->rule_cnt;
	}
	hashmap_fini(&table->rule_index);
}

static int table_builder_new(const struct object *object, struct unwind_table *table, struct table_builder **ret)
{
	struct table_builder *builder;
	const struct cfi_arch *arch = cfi_arch_find(object->header.e_machine);

	if (!arch)
		return -EBADMSG;
	builder = calloc(1, sizeof(*builder));
	if (!builder)
		return -ENOMEM;
	/* Without it the seed is 0, and rules made to collide could make the search slow. */
	if (getrandom(&builder->seed, sizeof(builder->seed), GRND_NONBLOCK) < 0)
		builder->seed = 0;
	builder->object = object;
	builder->table = table;
	builder->run.arch = arch;
	builder->run.emit = table_emit;
	builder->run.context = builder;
	*ret = builder;
	return 0;
}

/* A handle of our own: what it reads goes when the rows are made, while `object` stays open for long. */
static int table_reopen(const struct object *object, struct object **ret)
{
	int fd = fcntl(object->fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : object_new_fd(fd, object->path, ret);
}

int unwind_table_new(const struct object *object, struct unwind_table **ret)
{
	_cleanup_(object_freep) struct object *reopened = NULL;
	_cleanup_(unwind_table_freep) struct unwind_table *table = NULL;
	_cleanup_(table_builder_freep) struct table_builder *builder = NULL;
	int err;

	if (object->fd >= 0) {
		err = table_reopen(object, &reopened);
		if (err < 0)
			return err;
		object = reopened;
	}
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	err = table_builder_new(object, table, &builder);
	if (err < 0)
		return err;
	err = table_build(builder);
	if (err < 0)
		return err;
	table_shrink(table);
	*ret = take_ptr(table);
	return 0;
}

void unwind_table_free(struct unwind_table *table)
{
	if (!table)
		return;
	hashmap_fini(&table->rule_index);
	free(table->rows);
	free(table->rules);
	free(table);
}

const struct pprofd_rule *unwind_table_find(const struct unwind_table *table, uint64_t off)
{
	size_t low = 0, high = table->row_cnt;

	/* Rows below `low` are at or below `off`, rows from `high` on are above it. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (UNWIND_ROW_OFF(table->rows[middle]) <= off)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &table->rules[UNWIND_ROW_RULE(table->rows[low - 1])] : NULL;
}
