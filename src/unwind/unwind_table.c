/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwind_table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include "base/vec.h"
#include "unwind/cfi_program.h"
#include "unwind/rule.h"

/* FDEs of one section at the most; the largest programs have half a million functions. */
#define TABLE_FDES_MAX (4u << 20)
/* CIEs that are kept at hand, read again when another has taken their place. A power of two. */
#define TABLE_CIES 64
/* Instructions that may run per byte of unwind information: CIEs run once per FDE at the worst. */
#define TABLE_BUDGET_PER_BYTE 64
/* The largest alignment that compilers give to functions as such. */
#define TABLE_ALIGN_MAX 32
/* Code of an entry point without unwind information (_start in assembler). */
#define TABLE_ENTRY_MAX 64
/* File offsets that pages can hold. */
#define TABLE_OFF_MAX ((uint64_t)PPROFD_PAGES_MAX << PPROFD_PAGE_BITS)

/* An FDE by the code that it covers, in file offsets. */
struct table_range {
	uint32_t start, end;
	uint32_t pos; /* in its section */
};

struct table_cie {
	struct cfi_cie cie;
	struct cfi_state initial;
	int error;
	bool is_used;
};

struct table_section {
	struct cfi_section cfi;
	struct table_range *ranges; /* ascending by start, then by pos */
	size_t range_cnt, range_cap;
	struct table_cie cies[TABLE_CIES];
};

enum { TABLE_EH_FRAME, TABLE_DEBUG_FRAME, TABLE_SECTION_CNT };

/* What is hashed to find a rule again: the seed keeps a file from choosing the hashes of its rules. */
struct table_rule_key {
	uint64_t seed;
	struct pprofd_rule rule;
};

struct table_builder {
	const struct object *object;
	struct unwind_table *table;
	uint64_t seed;
	struct table_section sections[TABLE_SECTION_CNT];
	struct cfi_run run;
	uint64_t entry_off;          /* UINT64_MAX without one */
	uint64_t covered;            /* rows are made up to here */
	uint32_t page, page_row_cnt; /* of the last row */

	/* Of the FDE that is being run. */
	const struct cfi_cie *cie;
	uint64_t fde_elfva, fde_off;
	uint64_t clip_start, clip_end;
};

static void table_builder_free(struct table_builder *builder)
{
	for (size_t i = 0; i < TABLE_SECTION_CNT; i++)
		free(builder->sections[i].ranges);
	free(builder);
}
DEFINE_CLEANUP(struct table_builder, table_builder_free);

/* ---- rows ---- */

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

/* Is start <= off < end between two functions no more than what aligns the second one? Nothing runs there. */
static bool table_is_padding(uint64_t start, uint64_t end)
{
	uint64_t align = end & -end;

	return end - start < (align < TABLE_ALIGN_MAX ? align : TABLE_ALIGN_MAX);
}

/* No FDE covers builder->covered <= off < end. */
static int table_fill_gap(struct table_builder *builder, uint64_t end)
{
	static const struct pprofd_rule by_fp = { .cfa = PPROFD_CFA_FP }, outermost = { .cfa = PPROFD_CFA_END };
	uint64_t start = builder->covered, entry = builder->entry_off;
	bool has_entry = entry >= start && entry < end;
	int err = 0;

	if (start >= end)
		return 0;
	builder->covered = end;
	if (!has_entry && table_is_padding(start, end) && builder->table->row_cnt)
		return 0;
	if (!has_entry || entry > start)
		err = table_append(builder, start, &by_fp);
	if (err < 0 || !has_entry)
		return err;
	err = table_append(builder, entry, &outermost);
	if (err < 0 || end - entry <= TABLE_ENTRY_MAX)
		return err;
	return table_append(builder, entry + TABLE_ENTRY_MAX, &by_fp);
}

/* ---- FDEs ---- */

/* The CIE at `pos` and what its program says; NULL when it is malformed. */
static const struct table_cie *table_find_cie(struct table_builder *builder, struct table_section *section,
					      uint32_t pos, int *ret_error)
{
	/* CIEs are a few words apart. */
	struct table_cie *slot = &section->cies[pos / 8 % TABLE_CIES];

	if (!slot->is_used || slot->cie.pos != pos) {
		slot->is_used = true;
		slot->error = cfi_read_cie(&section->cfi, pos, &slot->cie);
		slot->cie.pos = pos;
		builder->run.section = &section->cfi;
		if (slot->error == 0)
			slot->error = cfi_run_cie(&builder->run, &slot->cie, &slot->initial);
	}
	*ret_error = slot->error;
	return slot->error < 0 ? NULL : slot;
}

static int table_read_fde(struct table_builder *builder, struct table_section *section, const struct cfi_entry *entry,
			  const struct table_cie **ret_cie, struct cfi_fde *ret)
{
	int err;

	*ret_cie = table_find_cie(builder, section, entry->cie_pos, &err);
	return *ret_cie ? cfi_read_fde(&section->cfi, entry, &(*ret_cie)->cie, ret) : err;
}

/* Remembers the code of an FDE; what is not in an executable segment is no code that a pc can meet. */
static int table_add_range(struct table_builder *builder, struct table_section *section, uint32_t pos,
			   const struct cfi_fde *fde)
{
	const struct object *object = builder->object;
	uint64_t off;
	int err;

	for (size_t i = 0; i < object->segment_cnt; i++) {
		const struct object_segment *segment = &object->segments[i];
		uint64_t into = fde->start_elfva - segment->elfva;
		uint64_t size = fde->size;

		if (fde->start_elfva < segment->elfva || into >= segment->size)
			continue;
		if (size > segment->size - into)
			size = segment->size - into;
		off = segment->off + into;
		/* Address 0 is where linkers leave FDEs of functions that they dropped. */
		if (size == 0 || off < object->header.e_ehsize || off + size >= TABLE_OFF_MAX)
			return 0;
		if (section->range_cnt == TABLE_FDES_MAX)
			return -E2BIG;
		err = vec_reserve(&section->ranges, &section->range_cap, section->range_cnt + 1);
		if (err < 0)
			return err;
		section->ranges[section->range_cnt++] =
			(struct table_range){ .start = (uint32_t)off, .end = (uint32_t)(off + size), .pos = pos };
		return 0;
	}
	return 0;
}

static int table_compare_ranges(const void *left, const void *right)
{
	const struct table_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->pos > b->pos) - (a->pos < b->pos);
}

/* Linkers mostly leave them sorted. */
static bool table_is_sorted(const struct table_section *section)
{
	for (size_t i = 1; i < section->range_cnt; i++) {
		if (table_compare_ranges(&section->ranges[i - 1], &section->ranges[i]) > 0)
			return false;
	}
	return true;
}

static void table_sort_ranges(struct table_section *section)
{
	struct table_range *ranges = section->ranges;
	size_t kept = 0;

	if (!table_is_sorted(section))
		qsort(ranges, section->range_cnt, sizeof(*ranges), table_compare_ranges);
	/* Of several that start at one place (functions folded into one) the first is kept. */
	for (size_t i = 0; i < section->range_cnt; i++) {
		if (kept == 0 || ranges[kept - 1].start != ranges[i].start)
			ranges[kept++] = ranges[i];
	}
	section->range_cnt = kept;
}

/* Finds every FDE of the section. A malformed one is left out; its code is a gap. */
static int table_index_section(struct table_builder *builder, struct table_section *section)
{
	uint32_t pos = 0, before;

	for (;;) {
		const struct table_cie *cie;
		struct cfi_entry entry;
		struct cfi_fde fde;
		int err;

		before = pos;
		err = cfi_read_entry(&section->cfi, &pos, &entry);
		if (err == -ENODATA || (err < 0 && pos == before))
			break;
		if (err < 0 || entry.is_cie)
			continue;
		err = table_read_fde(builder, section, &entry, &cie, &fde);
		if (err == 0)
			err = table_add_range(builder, section, entry.pos, &fde);
		if (err < 0 && err != -EBADMSG)
			return err;
	}
	table_sort_ranges(section);
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
	if (start >= end || start >= builder->clip_end)
		return 0;
	rule = rule_from_state(builder->run.arch, builder->cie, state);
	return table_append(builder, start, &rule);
}

/* Makes the rows of one FDE as far as it lies between builder->covered and `limit`. */
static int table_add_fde(struct table_builder *builder, struct table_section *section, const struct table_range *range,
			 uint64_t limit)
{
	static const struct cfi_state unknown = { .cfa.kind = PPROFD_CFA_UNSUPPORTED };
	const struct table_cie *cie = NULL;
	struct cfi_entry entry;
	struct cfi_fde fde;
	int err;

	builder->clip_start = range->start > builder->covered ? range->start : builder->covered;
	builder->clip_end = range->end < limit ? range->end : limit;
	if (builder->clip_start >= builder->clip_end)
		return 0;
	err = table_fill_gap(builder, builder->clip_start);
	if (err < 0)
		return err;
	err = cfi_read_entry(&section->cfi, &(uint32_t){ range->pos }, &entry);
	if (err == 0)
		err = table_read_fde(builder, section, &entry, &cie, &fde);
	if (err < 0)
		return err;
	builder->cie = &cie->cie;
	builder->fde_elfva = fde.start_elfva;
	builder->fde_off = range->start;
	builder->covered = builder->clip_end;
	builder->run.section = &section->cfi;
	err = cfi_run_fde(&builder->run, &cie->cie, &cie->initial, &fde);
	if (err == -EBADMSG)
		return table_emit(builder, builder->run.elfva, builder->run.end_elfva, &unknown);
	return err;
}

/* ---- the file ---- */

/* Up to where FDE `i` may reach: FDEs end where the next one begins, as the search in .eh_frame_hdr has it. */
static uint64_t table_limit(const struct table_section *section, size_t i)
{
	return i + 1 < section->range_cnt ? section->ranges[i + 1].start : TABLE_OFF_MAX;
}

/* .debug_frame has what .eh_frame leaves over. */
static int table_merge_sections(struct table_builder *builder)
{
	struct table_section *eh = &builder->sections[TABLE_EH_FRAME];
	struct table_section *debug = &builder->sections[TABLE_DEBUG_FRAME];
	size_t i = 0, j = 0;
	int err = 0;

	while (err == 0 && (i < eh->range_cnt || j < debug->range_cnt)) {
		uint64_t next_eh = i < eh->range_cnt ? eh->ranges[i].start : TABLE_OFF_MAX;
		uint64_t limit;

		if (j == debug->range_cnt || next_eh <= debug->ranges[j].start) {
			err = table_add_fde(builder, eh, &eh->ranges[i], table_limit(eh, i));
			i++;
		} else {
			limit = table_limit(debug, j);
			err = table_add_fde(builder, debug, &debug->ranges[j], limit < next_eh ? limit : next_eh);
			j++;
		}
	}
	return err;
}

static int table_load_section(struct table_builder *builder, size_t which, const char *name)
{
	struct table_section *section = &builder->sections[which];
	GElf_Shdr header;
	Elf_Data *data;
	int err = object_get_section(builder->object, name, &header, &data);

	if (err < 0)
		return err;
	section->cfi = (struct cfi_section){
		.data = data->d_buf,
		.size = data->d_size,
		.elfva = header.sh_addr,
		.is_eh = which == TABLE_EH_FRAME,
	};
	builder->run.budget += (uint64_t)data->d_size * TABLE_BUDGET_PER_BYTE;
	return table_index_section(builder, section);
}

static int table_load_sections(struct table_builder *builder)
{
	int eh = table_load_section(builder, TABLE_EH_FRAME, ".eh_frame");
	int debug;

	if (eh < 0 && eh != -ENODATA && eh != -EBADMSG)
		return eh;
	debug = table_load_section(builder, TABLE_DEBUG_FRAME, ".debug_frame");
	if (debug < 0 && debug != -ENODATA && debug != -EBADMSG)
		return debug;
	if (eh == -ENODATA && debug == -ENODATA)
		return -ENODATA;
	if (builder->sections[TABLE_EH_FRAME].range_cnt || builder->sections[TABLE_DEBUG_FRAME].range_cnt)
		return 0;
	return eh == -EBADMSG || debug == -EBADMSG ? -EBADMSG : -ENODATA;
}

static int table_build(struct table_builder *builder)
{
	const struct object *object = builder->object;
	static const struct pprofd_rule by_fp = { .cfa = PPROFD_CFA_FP };
	uint64_t end = 0;
	int err = table_load_sections(builder);

	if (err < 0)
		return err;
	builder->covered = TABLE_OFF_MAX;
	for (size_t i = 0; i < object->segment_cnt; i++) {
		const struct object_segment *segment = &object->segments[i];

		if (segment->off < builder->covered)
			builder->covered = segment->off;
		if (segment->off + segment->size > end)
			end = segment->off + segment->size;
	}
	if (!object->header.e_entry || object_elfva_to_off(object, object->header.e_entry, &builder->entry_off) < 0)
		builder->entry_off = UINT64_MAX;
	err = table_merge_sections(builder);
	if (err < 0)
		return err;
	err = table_fill_gap(builder, end < TABLE_OFF_MAX ? end : TABLE_OFF_MAX);
	if (err < 0 || builder->covered >= TABLE_OFF_MAX)
		return err;
	return table_append(builder, builder->covered, &by_fp);
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
