/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/unit.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/vec.h"
#include "symbolize/scope.h"
#include "symbolize/source_path.h"

/* Depth of the tree of DIEs; compilers stay below 100. */
#define UNIT_DEPTH_MAX 256
#define UNIT_NO_FRAME UINT32_MAX

/* A function, or a call of one that was inlined. */
struct unit_frame {
	Dwarf_Die die;
	uint32_t caller; /* index; UNIT_NO_FRAME when it was not inlined */
	bool is_named;
	struct symbol_line function; /* name, system_name and start_line, once is_named */
	const char *call_file;
	int64_t call_line;
};

struct unit {
	Dwarf_Die *die;
	const uint64_t *elfvas;
	size_t elfva_cnt;
	uint32_t *innermost; /* per address: index of a frame */
	struct unit_frame *frames;
	size_t frame_cnt, frame_cap;
	bool is_thorough; /* looks into what has no code at any address, too: for nested functions */
	Dwarf_Lines *lines;
	size_t line_cnt;
	Dwarf_Files *files;
	const char *last_file, *last_copy; /* libdw's, and our copy of it */
	const char *directory;             /* of the compilation; NULL unknown */
	Dwarf_Half version;
	bool has_scopes; /* names without linkage name are qualified */
	struct arena *arena;
};

static void unit_fini(struct unit *unit)
{
	free(unit->innermost);
	free(unit->frames);
}

/* ---- the walk ---- */

static size_t unit_find_address(const struct unit *unit, uint64_t elfva)
{
	size_t low = 0, high = unit->elfva_cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (unit->elfvas[middle] < elfva)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Counts the addresses in the DIE's code whose innermost frame is `caller`; makes `frame` theirs
 * unless that is UNIT_NO_FRAME.
 */
static size_t unit_claim(struct unit *unit, Dwarf_Die *die, uint32_t caller, uint32_t frame)
{
	Dwarf_Addr base, start, end;
	size_t claimed = 0;
	ptrdiff_t pos = 0;

	while ((pos = dwarf_ranges(die, pos, &base, &start, &end)) > 0) {
		/* Code that the linker threw away is left at address 0. */
		if (start == 0)
			continue;
		for (size_t i = unit_find_address(unit, start); i < unit->elfva_cnt; i++) {
			if (unit->elfvas[i] >= end)
				break;
			if (unit->innermost[i] != caller)
				continue;
			claimed++;
			if (frame != UNIT_NO_FRAME)
				unit->innermost[i] = frame;
		}
	}
	return claimed;
}

static int unit_walk(struct unit *unit, Dwarf_Die *parent, uint32_t caller, unsigned depth);

/* Takes the DIE for a frame where it has code at an address. */
static int unit_visit_function(struct unit *unit, Dwarf_Die *die, uint32_t caller, unsigned depth)
{
	uint32_t frame = (uint32_t)unit->frame_cnt;
	int err = vec_reserve(&unit->frames, &unit->frame_cap, unit->frame_cnt + 1);

	if (err < 0)
		return err;
	if (unit_claim(unit, die, caller, frame) == 0)
		return unit->is_thorough ? unit_walk(unit, die, UNIT_NO_FRAME, depth) : 0;
	unit->frames[unit->frame_cnt++] = (struct unit_frame){ .die = *die, .caller = caller };
	return unit_walk(unit, die, frame, depth);
}

static int unit_visit(struct unit *unit, Dwarf_Die *die, uint32_t caller, unsigned depth)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_subprogram:
		return unit_visit_function(unit, die, UNIT_NO_FRAME, depth);
	case DW_TAG_inlined_subroutine:
		return unit_visit_function(unit, die, caller, depth);
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
		if (!unit->is_thorough && unit_claim(unit, die, caller, UNIT_NO_FRAME) == 0)
			return 0;
		return unit_walk(unit, die, caller, depth);
	case DW_TAG_namespace:
	case DW_TAG_module:
		return unit_walk(unit, die, UNIT_NO_FRAME, depth);
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_interface_type:
		return unit->is_thorough ? unit_walk(unit, die, UNIT_NO_FRAME, depth) : 0;
	default:
		return 0;
	}
}

static int unit_walk(struct unit *unit, Dwarf_Die *parent, uint32_t caller, unsigned depth)
{
	Dwarf_Die die;
	int err, more;

	if (depth >= UNIT_DEPTH_MAX)
		return 0;
	for (more = dwarf_child(parent, &die); more == 0; more = dwarf_siblingof(&die, &die)) {
		err = unit_visit(unit, &die, caller, depth + 1);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Most functions stand where the tree begins; only if some were not found there, all of it is walked. */
static int unit_walk_all(struct unit *unit)
{
	int err = unit_walk(unit, unit->die, UNIT_NO_FRAME, 0);

	for (size_t i = 0; i < unit->elfva_cnt && err == 0; i++) {
		if (unit->innermost[i] != UNIT_NO_FRAME)
			continue;
		unit->is_thorough = true;
		return unit_walk(unit, unit->die, UNIT_NO_FRAME, 0);
	}
	return err;
}

/* ---- names and lines ---- */

/* Returns 0 with a copy, or with *ret untouched when the attribute is not there; -ENOMEM. */
static int unit_copy_string(struct unit *unit, Dwarf_Die *die, unsigned attribute, const char **ret)
{
	Dwarf_Attribute value;
	const char *text = dwarf_formstring(dwarf_attr_integrate(die, attribute, &value));
	char *copy;

	if (!text || !text[0])
		return 0;
	copy = arena_strndup(unit->arena, text, strlen(text));
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

/*
 * The file's path as people write it, from the compilation directory where that is known; one that does not
 * start at the root was rewritten by the build (-ffile-prefix-map). The same file mostly follows itself.
 */
static int unit_copy_file(struct unit *unit, const char *file, const char **ret)
{
	bool is_joined = file && file[0] != '/' && file[0] != '<' && unit->directory && unit->directory[0] == '/';
	_cleanup_(strbuf_fini) struct strbuf path = { 0 };
	char *copy;

	*ret = "";
	if (!file)
		return 0;
	if (file != unit->last_file) {
		if (is_joined)
			strbuf_printf(&path, "%s/", unit->directory);
		strbuf_puts(&path, file);
		if (strbuf_error(&path))
			return strbuf_error(&path);
		copy = arena_strndup(unit->arena, path.data, path.len);
		if (!copy)
			return -ENOMEM;
		source_path_clean(copy);
		unit->last_file = file;
		unit->last_copy = copy;
	}
	*ret = unit->last_copy;
	return 0;
}

static int64_t unit_read_number(Dwarf_Die *die, unsigned attribute, bool integrate)
{
	Dwarf_Attribute value;
	Dwarf_Word number;

	if (dwarf_formudata(integrate ? dwarf_attr_integrate(die, attribute, &value) :
					dwarf_attr(die, attribute, &value),
			    &number) != 0)
		return 0;
	return number <= INT32_MAX ? (int64_t)number : 0;
}

/* As unit_copy_string() for the name of a function without linkage name. */
static int unit_qualify(struct unit *unit, Dwarf_Die *die, const char **ret)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };
	Dwarf_Attribute value;
	const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &value));
	char *copy;

	if (!name || !name[0])
		return 0;
	scope_append(die, &text);
	strbuf_puts(&text, name);
	if (strbuf_error(&text))
		return strbuf_error(&text);
	copy = arena_strndup(unit->arena, text.data, text.len);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

static int unit_name_frame(struct unit *unit, struct unit_frame *frame)
{
	const char *file = NULL;
	int64_t index;
	int err;

	if (frame->is_named)
		return 0;
	err = unit_copy_string(unit, &frame->die, DW_AT_linkage_name, &frame->function.system_name);
	if (err == 0 && !frame->function.system_name)
		err = unit_copy_string(unit, &frame->die, DW_AT_MIPS_linkage_name, &frame->function.system_name);
	if (err == 0 && unit->has_scopes && !frame->function.system_name)
		err = unit_qualify(unit, &frame->die, &frame->function.name);
	else if (err == 0)
		err = unit_copy_string(unit, &frame->die, DW_AT_name, &frame->function.name);
	if (err < 0)
		return err;
	if (!frame->function.name)
		frame->function.name = frame->function.system_name;
	frame->function.start_line = unit_read_number(&frame->die, DW_AT_decl_line, true);
	frame->call_line = unit_read_number(&frame->die, DW_AT_call_line, false);
	index = unit_read_number(&frame->die, DW_AT_call_file, false);
	/* Files are numbered from 1 before DWARF 5, and from 0 since. */
	if (unit->files && dwarf_hasattr(&frame->die, DW_AT_call_file) && (index > 0 || unit->version >= 5))
		file = dwarf_filesrc(unit->files, (size_t)index, NULL, NULL);
	frame->is_named = true;
	return unit_copy_file(unit, file, &frame->call_file);
}

/* The last row at or below `elfva`; NULL when a sequence ended before. */
static Dwarf_Line *unit_find_line(const struct unit *unit, uint64_t elfva)
{
	size_t low = 0, high = unit->line_cnt;
	Dwarf_Line *line;
	bool ended;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		Dwarf_Addr address;

		if (dwarf_lineaddr(dwarf_onesrcline(unit->lines, middle), &address) != 0)
			return NULL;
		if (address <= elfva)
			low = middle + 1;
		else
			high = middle;
	}
	line = low > 0 ? dwarf_onesrcline(unit->lines, low - 1) : NULL;
	if (!line || dwarf_lineendsequence(line, &ended) != 0 || ended)
		return NULL;
	return line;
}

static int unit_read_line(struct unit *unit, uint64_t elfva, const char **ret_file, int64_t *ret_line)
{
	Dwarf_Line *line = unit_find_line(unit, elfva);
	int number;

	*ret_file = "";
	*ret_line = 0;
	if (!line || dwarf_lineno(line, &number) != 0)
		return 0;
	*ret_line = number > 0 ? number : 0;
	return unit_copy_file(unit, dwarf_linesrc(line, NULL, NULL), ret_file);
}

/* ---- answers ---- */

static size_t unit_count_chain(const struct unit *unit, uint32_t frame)
{
	size_t cnt = 0;

	for (; frame != UNIT_NO_FRAME; frame = unit->frames[frame].caller)
		cnt++;
	return cnt;
}

/* Passes over the middle: the frames from line SYMBOL_CHAIN_MAX / 2 on that are too many. */
static uint32_t unit_skip_middle(const struct unit *unit, uint32_t frame, size_t line, size_t too_many)
{
	if (line == SYMBOL_CHAIN_MAX / 2) {
		for (; too_many > 0; too_many--)
			frame = unit->frames[frame].caller;
	}
	return frame;
}

static int unit_answer_function(struct unit *unit, size_t i, const char *file, int64_t number, struct unit_answer *ret)
{
	uint32_t frame = unit->innermost[i];
	size_t frame_cnt = unit_count_chain(unit, frame);
	size_t line_cnt = frame_cnt < SYMBOL_CHAIN_MAX ? frame_cnt : SYMBOL_CHAIN_MAX;
	struct symbol_line *lines = arena_calloc(unit->arena, line_cnt, sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	for (size_t k = 0; k < line_cnt; k++) {
		int err;

		frame = unit_skip_middle(unit, frame, k, frame_cnt - line_cnt);
		err = unit_name_frame(unit, &unit->frames[frame]);
		if (err < 0)
			return err;
		lines[k] = unit->frames[frame].function;
		lines[k].file = file;
		lines[k].line = number;
		file = unit->frames[frame].call_file;
		number = unit->frames[frame].call_line;
		frame = unit->frames[frame].caller;
	}
	*ret = (struct unit_answer){ lines, line_cnt };
	return 0;
}

static int unit_answer(struct unit *unit, size_t i, struct unit_answer *ret)
{
	struct symbol_line *line;
	const char *file;
	int64_t number;
	int err = unit_read_line(unit, unit->elfvas[i], &file, &number);

	if (err < 0)
		return err;
	if (unit->innermost[i] != UNIT_NO_FRAME)
		return unit_answer_function(unit, i, file, number, ret);
	if (!file[0])
		return 0;
	line = arena_calloc(unit->arena, 1, sizeof(*line));
	if (!line)
		return -ENOMEM;
	line->file = file;
	line->line = number;
	*ret = (struct unit_answer){ line, 1 };
	return 0;
}

int unit_resolve(Dwarf_Die *die, const uint64_t *elfvas, size_t elfva_cnt, struct arena *arena, struct unit_answer *ret)
{
	_cleanup_(unit_fini) struct unit unit = {
		.die = die,
		.elfvas = elfvas,
		.elfva_cnt = elfva_cnt,
		.has_scopes = scope_is_used(die),
		.arena = arena,
	};
	Dwarf_Attribute directory;
	int err;

	unit.innermost = malloc((elfva_cnt + 1) * sizeof(*unit.innermost));
	if (!unit.innermost)
		return -ENOMEM;
	for (size_t i = 0; i < elfva_cnt; i++)
		unit.innermost[i] = UNIT_NO_FRAME;
	unit.directory = dwarf_formstring(dwarf_attr(die, DW_AT_comp_dir, &directory));
	if (dwarf_cu_info(die->cu, &unit.version, NULL, NULL, NULL, NULL, NULL, NULL) != 0)
		unit.version = 0;
	if (dwarf_getsrclines(die, &unit.lines, &unit.line_cnt) != 0)
		unit.line_cnt = 0;
	if (dwarf_getsrcfiles(die, &unit.files, NULL) != 0)
		unit.files = NULL;
	err = unit_walk_all(&unit);
	for (size_t i = 0; i < elfva_cnt && err == 0; i++)
		err = unit_answer(&unit, i, &ret[i]);
	return err;
}
