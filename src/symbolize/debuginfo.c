/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/debuginfo.h"

#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "symbolize/debugfile.h"
#include "symbolize/image.h"
#include "symbolize/unit_index.h"

/* Debug info as libdw has it open. */
struct debuginfo {
	const struct object *object;
	Elf *elf;
	Dwarf *dwarf;
	int shared_fd; /* what dwz moved out of several files; -1 without */
	Elf *shared_elf;
	Dwarf *shared_dwarf;
	struct unit_index index;
};

/* An address and the unit it belongs to. */
struct debuginfo_address {
	uint64_t unit;
	size_t i; /* elfvas[i] */
};

static void debuginfo_fini(struct debuginfo *info)
{
	unit_index_fini(&info->index);
	dwarf_end(info->dwarf);
	elf_end(info->elf);
	dwarf_end(info->shared_dwarf);
	elf_end(info->shared_elf);
	closep(&info->shared_fd);
}

/* Bytes of a section once it is decompressed, read without libelf, which would keep the section. */
static uint64_t debuginfo_section_size(const struct object *object, const GElf_Shdr *header, const char *name)
{
	unsigned char gnu[12];
	Elf64_Chdr chdr;
	uint64_t size = 0;

	if (header->sh_flags & SHF_COMPRESSED) {
		if (image_read(object, header->sh_offset, &chdr, sizeof(chdr)) != sizeof(chdr))
			return UINT64_MAX;
		return chdr.ch_size;
	}
	if (strncmp(name, ".zdebug_", 8) != 0)
		return header->sh_size;
	if (image_read(object, header->sh_offset, gnu, sizeof(gnu)) != sizeof(gnu))
		return UINT64_MAX;
	/* "ZLIB" and the size, big endian. */
	for (size_t i = 4; i < sizeof(gnu); i++)
		size = size << 8 | gnu[i];
	return size;
}

/* Bytes of memory that its debug sections take: what is compressed or, in a file that is not mapped, all. */
static uint64_t debuginfo_size(const struct object *object, bool is_trusted, bool *ret_has_info)
{
	Elf_Scn *section = NULL;
	uint64_t size = 0;
	size_t names;

	*ret_has_info = false;
	if (elf_getshdrstrndx(object->elf, &names) < 0)
		return 0;
	while ((section = elf_nextscn(object->elf, section))) {
		bool is_compressed;
		const char *name;
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS || header.sh_size == 0)
			continue;
		name = elf_strptr(object->elf, names, header.sh_name);
		if (!name || (strncmp(name, ".debug_", 7) != 0 && strncmp(name, ".zdebug_", 8) != 0))
			continue;
		if (strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0)
			*ret_has_info = true;
		is_compressed = (header.sh_flags & SHF_COMPRESSED) || name[1] == 'z';
		if (is_trusted && !is_compressed)
			continue;
		if (__builtin_add_overflow(size, debuginfo_section_size(object, &header, name), &size))
			size = UINT64_MAX;
	}
	return size;
}

bool debuginfo_is_usable(const struct object *object, bool is_trusted)
{
	bool has_info = false;
	uint64_t size = object->fd >= 0 ? debuginfo_size(object, is_trusted, &has_info) : 0;

	if (has_info && size > DEBUGINFO_READ_MAX) {
		log_debug("%s: %llu bytes of debug info are too many", object->path, (unsigned long long)size);
		return false;
	}
	return has_info;
}

/*
 * Opens what dwz moved out. libdw would look for it itself, at whatever path the file names; so
 * debug info that needs a file that is not below the roots is not used at all.
 */
static int debuginfo_open_shared(struct debuginfo *info, const char *const *debug_roots)
{
	const void *wanted, *build_id;
	const char *name;
	ssize_t len = dwelf_dwarf_gnu_debugaltlink(info->dwarf, &name, &wanted);
	int err;

	if (len == 0)
		return 0;
	if (len < 0)
		return -ENODATA;
	err = debugfile_open_build_id(debug_roots, wanted, (size_t)len, &info->shared_fd);
	if (err < 0)
		return err;
	info->shared_elf = elf_begin(info->shared_fd, ELF_C_READ_MMAP, NULL);
	if (dwelf_elf_gnu_build_id(info->shared_elf, &build_id) != len || memcmp(build_id, wanted, (size_t)len) != 0)
		return -ENODATA;
	info->shared_dwarf = dwarf_begin_elf(info->shared_elf, DWARF_C_READ, NULL);
	if (!info->shared_dwarf)
		return -ENODATA;
	dwarf_setalt(info->dwarf, info->shared_dwarf);
	return 0;
}

/* Returns 0, -ENODATA when there is no debug info to be had, -ENOMEM. */
static int debuginfo_init(struct debuginfo *info, bool is_trusted, const char *const *debug_roots)
{
	info->elf = elf_begin(info->object->fd, is_trusted ? ELF_C_READ_MMAP : ELF_C_READ, NULL);
	if (!info->elf)
		return -ENODATA;
	info->dwarf = dwarf_begin_elf(info->elf, DWARF_C_READ, NULL);
	if (!info->dwarf) {
		log_debug("%s: %s", info->object->path, dwarf_errmsg(-1));
		return -ENODATA;
	}
	return debuginfo_open_shared(info, debug_roots);
}

static int debuginfo_compare_addresses(const void *left, const void *right)
{
	const struct debuginfo_address *a = left, *b = right;

	if (a->unit != b->unit)
		return a->unit < b->unit ? -1 : 1;
	return (a->i > b->i) - (a->i < b->i);
}

/* Asks one unit for `addresses`, which all belong to it. */
static int debuginfo_ask_unit(struct debuginfo *info, const struct debuginfo_address *addresses, size_t cnt,
			      const uint64_t *elfvas, struct arena *arena, struct unit_answer *ret)
{
	_cleanup_(freep) uint64_t *asked = calloc(cnt, sizeof(*asked));
	_cleanup_(freep) struct unit_answer *answers = calloc(cnt, sizeof(*answers));
	Dwarf_Die die;
	int err;

	if (!asked || !answers)
		return -ENOMEM;
	if (!dwarf_offdie(info->dwarf, addresses[0].unit, &die))
		return 0;
	for (size_t k = 0; k < cnt; k++)
		asked[k] = elfvas[addresses[k].i];
	err = unit_resolve(&die, asked, cnt, arena, answers);
	if (err < 0)
		return err;
	for (size_t k = 0; k < cnt; k++)
		ret[addresses[k].i] = answers[k];
	return 0;
}

static int debuginfo_ask_units(struct debuginfo *info, const uint64_t *elfvas, size_t elfva_cnt, struct arena *arena,
			       struct unit_answer *ret)
{
	_cleanup_(freep) struct debuginfo_address *addresses = calloc(elfva_cnt + 1, sizeof(*addresses));

	if (!addresses)
		return -ENOMEM;
	for (size_t i = 0; i < elfva_cnt; i++)
		addresses[i] = (struct debuginfo_address){ unit_index_find(&info->index, elfvas[i]), i };
	qsort(addresses, elfva_cnt, sizeof(*addresses), debuginfo_compare_addresses);
	for (size_t first = 0, end; first < elfva_cnt; first = end) {
		int err;

		for (end = first + 1; end < elfva_cnt; end++) {
			if (addresses[end].unit != addresses[first].unit)
				break;
		}
		if (addresses[first].unit == UNIT_NONE)
			continue;
		err = debuginfo_ask_unit(info, addresses + first, end - first, elfvas, arena, ret);
		if (err < 0)
			return err;
	}
	return 0;
}

int debuginfo_resolve(const struct debuginfo_source *source, const uint64_t *elfvas, size_t elfva_cnt,
		      struct arena *arena, struct unit_answer *ret)
{
	_cleanup_(debuginfo_fini) struct debuginfo info = { .object = source->object, .shared_fd = -1 };
	int err = debuginfo_init(&info, source->is_trusted, source->debug_roots);

	if (err < 0)
		return err == -ENODATA ? 0 : err;
	err = unit_index_init(&info.index, info.dwarf);
	if (err < 0)
		return err;
	return debuginfo_ask_units(&info, elfvas, elfva_cnt, arena, ret);
}
