/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/unit_index.h"

#include <dwarf.h>
#include <stdbool.h>

#include "base/log.h"
#include "base/vec.h"

/* Chromium has about a million. */
#define UNIT_INDEX_MAX (8u << 20)

void unit_index_fini(struct unit_index *index)
{
	free(index->ranges);
	*index = (struct unit_index){ 0 };
}

static int unit_index_add(struct unit_index *index, uint64_t start, uint64_t end, uint64_t unit)
{
	int err;

	/* Code that the linker threw away is left at address 0. */
	if (start == 0 || start >= end || index->cnt >= UNIT_INDEX_MAX)
		return 0;
	err = vec_reserve(&index->ranges, &index->cap, index->cnt + 1);
	if (err < 0)
		return err;
	index->ranges[index->cnt++] = (struct unit_range){ start, end, unit };
	return 0;
}

static int unit_index_read_aranges(struct unit_index *index, Dwarf *dwarf)
{
	Dwarf_Aranges *aranges;
	size_t cnt;

	if (dwarf_getaranges(dwarf, &aranges, &cnt) != 0) {
		log_debug(".debug_aranges: %s", dwarf_errmsg(-1));
		return 0;
	}
	for (size_t i = 0; i < cnt; i++) {
		Dwarf_Arange *arange = dwarf_onearange(aranges, i);
		Dwarf_Addr start;
		Dwarf_Word len;
		Dwarf_Off unit;
		int err;

		if (!arange || dwarf_getarangeinfo(arange, &start, &len, &unit) != 0)
			continue;
		err = unit_index_add(index, start, start + len, unit);
		if (err < 0)
			return err;
	}
	return 0;
}

static int unit_index_read_unit(struct unit_index *index, Dwarf_Die *die)
{
	Dwarf_Off unit = dwarf_dieoffset(die);
	Dwarf_Addr base, start, end;
	ptrdiff_t pos = 0;

	while ((pos = dwarf_ranges(die, pos, &base, &start, &end)) > 0) {
		int err = unit_index_add(index, start, end, unit);

		if (err < 0)
			return err;
	}
	return 0;
}

static int unit_index_compare_units(const void *left, const void *right)
{
	const struct unit_range *a = left, *b = right;

	return (a->unit > b->unit) - (a->unit < b->unit);
}

static int unit_index_compare_starts(const void *left, const void *right)
{
	const struct unit_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->unit > b->unit) - (a->unit < b->unit);
}

/* Asks those units for their ranges that are not among the first `listed_cnt`, ascending by unit. */
static int unit_index_read_unlisted(struct unit_index *index, Dwarf *dwarf, size_t listed_cnt)
{
	Dwarf_Off off = 0, next;
	size_t header_size, listed = 0;

	while (dwarf_next_unit(dwarf, off, &next, &header_size, NULL, NULL, NULL, NULL, NULL, NULL) == 0) {
		Dwarf_Off unit = off + header_size;
		Dwarf_Die die;
		int err;

		off = next;
		while (listed < listed_cnt && index->ranges[listed].unit < unit)
			listed++;
		if (listed < listed_cnt && index->ranges[listed].unit == unit)
			continue;
		if (!dwarf_offdie(dwarf, unit, &die) || dwarf_tag(&die) != DW_TAG_compile_unit)
			continue;
		err = unit_index_read_unit(index, &die);
		if (err < 0)
			return err;
	}
	return 0;
}

int unit_index_init(struct unit_index *index, Dwarf *dwarf)
{
	int err;

	*index = (struct unit_index){ 0 };
	err = unit_index_read_aranges(index, dwarf);
	if (err < 0)
		return err;
	if (index->cnt > 0)
		qsort(index->ranges, index->cnt, sizeof(*index->ranges), unit_index_compare_units);
	err = unit_index_read_unlisted(index, dwarf, index->cnt);
	if (err < 0)
		return err;
	if (index->cnt > 0)
		qsort(index->ranges, index->cnt, sizeof(*index->ranges), unit_index_compare_starts);
	return 0;
}

uint64_t unit_index_find(const struct unit_index *index, uint64_t elfva)
{
	size_t low = 0, high = index->cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->ranges[middle].start <= elfva)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && elfva < index->ranges[low - 1].end ? index->ranges[low - 1].unit : UNIT_NONE;
}
