/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/fde_index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/vec.h"

void fde_index_fini(struct fde_index *index)
{
	free(index->ranges);
	*index = (struct fde_index){ 0 };
}

static int fde_find_cie(struct fde_index *index, struct cfi_run *run, uint32_t pos, const struct fde_cie **ret)
{
	/* CIEs are a few words apart. */
	struct fde_cie *slot = &index->cies[pos / 8 % FDE_CIES];

	if (!slot->is_used || slot->cie.pos != pos) {
		slot->is_used = true;
		slot->error = cfi_read_cie(&index->section, pos, &slot->cie);
		slot->cie.pos = pos;
		run->section = &index->section;
		if (slot->error == 0)
			slot->error = cfi_run_cie(run, &slot->cie, &slot->initial);
	}
	*ret = slot;
	return slot->error;
}

static int fde_read(struct fde_index *index, struct cfi_run *run, const struct cfi_entry *entry,
		    const struct fde_cie **ret_cie, struct cfi_fde *ret)
{
	int err = fde_find_cie(index, run, entry->cie_pos, ret_cie);

	return err < 0 ? err : cfi_read_fde(&index->section, entry, &(*ret_cie)->cie, ret);
}

int fde_index_read(struct fde_index *index, struct cfi_run *run, const struct fde_range *range,
		   const struct fde_cie **ret_cie, struct cfi_fde *ret)
{
	struct cfi_entry entry;
	int err = cfi_read_entry(&index->section, &(uint32_t){ range->pos }, &entry);

	return err < 0 ? err : fde_read(index, run, &entry, ret_cie, ret);
}

static int fde_add_range(struct fde_index *index, const struct object_segment *segment, uint32_t pos,
			 const struct cfi_fde *fde)
{
	uint64_t into = fde->start_elfva - segment->elfva;
	uint64_t size = fde->size < segment->size - into ? fde->size : segment->size - into;
	uint64_t off = segment->off + into;
	int err;

	/* At the file's own header is where linkers leave FDEs of functions that they dropped: address 0. */
	if (size == 0 || off < sizeof(Elf64_Ehdr) || off + size >= FDE_OFF_MAX)
		return 0;
	if (index->range_cnt == FDE_RANGES_MAX)
		return -E2BIG;
	err = vec_reserve(&index->ranges, &index->range_cap, index->range_cnt + 1);
	if (err < 0)
		return err;
	index->ranges[index->range_cnt++] = (struct fde_range){
		.start = (uint32_t)off,
		.end = (uint32_t)(off + size),
		.pos = pos,
	};
	return 0;
}

/* Remembers the code of an FDE; outside every executable segment there is none that a pc can meet. */
static int fde_add(struct fde_index *index, const struct object *object, uint32_t pos, const struct cfi_fde *fde)
{
	for (size_t i = 0; i < object->segment_cnt; i++) {
		const struct object_segment *segment = &object->segments[i];

		if (fde->start_elfva >= segment->elfva && fde->start_elfva - segment->elfva < segment->size)
			return fde_add_range(index, segment, pos, fde);
	}
	return 0;
}

static int fde_compare_ranges(const void *left, const void *right)
{
	const struct fde_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->pos > b->pos) - (a->pos < b->pos);
}

/* Linkers mostly leave them sorted. */
static bool fde_is_sorted(const struct fde_index *index)
{
	for (size_t i = 1; i < index->range_cnt; i++) {
		if (fde_compare_ranges(&index->ranges[i - 1], &index->ranges[i]) > 0)
			return false;
	}
	return true;
}

static void fde_sort(struct fde_index *index)
{
	struct fde_range *ranges = index->ranges;
	size_t kept = 0;

	if (!fde_is_sorted(index))
		qsort(ranges, index->range_cnt, sizeof(*ranges), fde_compare_ranges);
	/* Functions folded into one leave several that start at one place. */
	for (size_t i = 0; i < index->range_cnt; i++) {
		if (kept == 0 || ranges[kept - 1].start != ranges[i].start)
			ranges[kept++] = ranges[i];
	}
	index->range_cnt = kept;
}

int fde_index_build(struct fde_index *index, const struct object *object, struct cfi_run *run)
{
	uint32_t pos = 0, before;

	for (;;) {
		const struct fde_cie *cie;
		struct cfi_entry entry;
		struct cfi_fde fde;
		int err;

		before = pos;
		err = cfi_read_entry(&index->section, &pos, &entry);
		if (err == -ENODATA || (err < 0 && pos == before))
			break;
		if (err < 0 || entry.is_cie)
			continue;
		err = fde_read(index, run, &entry, &cie, &fde);
		if (err == 0)
			err = fde_add(index, object, entry.pos, &fde);
		if (err < 0 && err != -EBADMSG)
			return err;
	}
	fde_sort(index);
	return 0;
}

uint64_t fde_index_get_limit(const struct fde_index *index, size_t i)
{
	uint64_t end = index->ranges[i].end;

	if (i + 1 < index->range_cnt && index->ranges[i + 1].start < end)
		return index->ranges[i + 1].start;
	return end;
}
