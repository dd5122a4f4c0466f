/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/plt.h"

#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/vec.h"
#include "symbolize/image.h"
#include "symbolize/symtab.h"

#define PLT_ENTRY_MAX 32
#define PLT_PIECE 1024 /* relocations read at a time: 24 KiB */

/* An address in an entry, and how the entry's relocation is known. */
struct plt_query {
	size_t i; /* elfvas[i] */
	bool by_slot;
	uint64_t slot;  /* address that the relocation fills */
	uint64_t index; /* in .rela.plt, else */
};

struct plt {
	const struct object *object;
	const uint64_t *elfvas;
	size_t elfva_cnt;
	struct arena *arena;
	const char **names;
	struct plt_query *queries;
	size_t query_cnt, query_cap;
};

static void plt_fini(struct plt *plt)
{
	free(plt->queries);
}

static int32_t plt_read_i32(const unsigned char *bytes)
{
	int32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* "jmp *slot(%rip)", or, where that is in .plt.sec, "push $index". */
static bool plt_decode_x86_64(const unsigned char *bytes, size_t len, uint64_t elfva, struct plt_query *ret)
{
	for (size_t at = 0; at + 6 <= len; at++) {
		if (bytes[at] == 0xff && bytes[at + 1] == 0x35)
			return false; /* the entry that calls the linker */
		if (bytes[at] == 0xff && bytes[at + 1] == 0x25) {
			ret->by_slot = true;
			ret->slot = elfva + at + 6 + (uint64_t)(int64_t)plt_read_i32(bytes + at + 2);
			return true;
		}
		if (bytes[at] == 0x68) {
			ret->by_slot = false;
			ret->index = (uint32_t)plt_read_i32(bytes + at + 1);
			return true;
		}
	}
	return false;
}

/* "adrp x16, page; ldr x17, [x16, #off]" (Arm ARM, C6.2) */
static bool plt_decode_aarch64(const unsigned char *bytes, size_t len, uint64_t elfva, struct plt_query *ret)
{
	for (size_t at = 0; at + 8 <= len; at += 4) {
		uint32_t adrp = (uint32_t)plt_read_i32(bytes + at);
		uint32_t ldr = (uint32_t)plt_read_i32(bytes + at + 4);
		int64_t pages;

		if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211)
			continue;
		/* 21 signed bits: immhi in 23..5, immlo in 30..29. */
		pages = (int64_t)((uint64_t)(adrp >> 5 & 0x7ffff) << 45) >> 43 | (adrp >> 29 & 3);
		ret->by_slot = true;
		ret->slot = ((elfva + at) & ~0xfffULL) + (uint64_t)pages * 4096 + (ldr >> 10 & 0xfff) * 8ULL;
		return true;
	}
	return false;
}

static bool plt_decode(const struct plt *plt, const GElf_Shdr *section, uint64_t elfva, struct plt_query *ret)
{
	uint64_t size = section->sh_entsize;
	unsigned char bytes[PLT_ENTRY_MAX];
	uint64_t off;
	ssize_t got;

	if (size < 8 || size > sizeof(bytes))
		size = 16;
	off = (elfva - section->sh_addr) / size * size;
	got = image_read(plt->object, section->sh_offset + off, bytes, size);
	if (got != (ssize_t)size)
		return false;
	if (plt->object->header.e_machine == EM_X86_64)
		return plt_decode_x86_64(bytes, size, section->sh_addr + off, ret);
	if (plt->object->header.e_machine == EM_AARCH64)
		return plt_decode_aarch64(bytes, size, section->sh_addr + off, ret);
	return false;
}

static int plt_read_section(struct plt *plt, const GElf_Shdr *section)
{
	for (size_t i = 0; i < plt->elfva_cnt; i++) {
		struct plt_query query = { .i = i };
		int err;

		if (plt->names[i] || plt->elfvas[i] < section->sh_addr ||
		    plt->elfvas[i] - section->sh_addr >= section->sh_size)
			continue;
		if (!plt_decode(plt, section, plt->elfvas[i], &query))
			continue;
		err = vec_reserve(&plt->queries, &plt->query_cap, plt->query_cnt + 1);
		if (err < 0)
			return err;
		plt->queries[plt->query_cnt++] = query;
	}
	return 0;
}

static int plt_read_sections(struct plt *plt)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(plt->object->elf, &names) < 0)
		return 0;
	while ((section = elf_nextscn(plt->object->elf, section))) {
		const char *name;
		GElf_Shdr header;
		int err;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_PROGBITS)
			continue;
		name = elf_strptr(plt->object->elf, names, header.sh_name);
		if (!name || strncmp(name, ".plt", 4) != 0)
			continue;
		err = plt_read_section(plt, &header);
		if (err < 0)
			return err;
	}
	return 0;
}

/* The function that a relocation binds; of IRELATIVE, the one whose resolver it calls. */
static int plt_read_function(const struct plt *plt, const Elf64_Rela *rela, const char **ret)
{
	uint64_t resolver = (uint64_t)rela->r_addend;
	int err;

	if (ELF64_R_SYM(rela->r_info) != 0)
		return symtab_get_name(plt->object, SHT_DYNSYM, (uint32_t)ELF64_R_SYM(rela->r_info), plt->arena, ret);
	*ret = NULL;
	err = symtab_resolve(plt->object, SHT_SYMTAB, &resolver, 1, plt->arena, ret);
	if (err == 0)
		err = symtab_resolve(plt->object, SHT_DYNSYM, &resolver, 1, plt->arena, ret);
	return err == 0 && !*ret ? -ENODATA : err;
}

static int plt_name(struct plt *plt, const struct plt_query *query, const Elf64_Rela *rela)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };
	const char *function;
	int err = plt_read_function(plt, rela, &function);

	if (err < 0)
		return err == -ENOMEM ? err : 0;
	strbuf_printf(&text, "%s@plt", function);
	if (strbuf_error(&text))
		return strbuf_error(&text);
	plt->names[query->i] = arena_strndup(plt->arena, text.data, text.len);
	return plt->names[query->i] ? 0 : -ENOMEM;
}

/* Names the queries that relocation `index` of a section is for. */
static int plt_try_relocation(struct plt *plt, const Elf64_Rela *rela, uint64_t index, bool is_plt)
{
	for (size_t k = 0; k < plt->query_cnt; k++) {
		const struct plt_query *query = &plt->queries[k];
		int err;

		if (plt->names[query->i])
			continue;
		if (query->by_slot ? query->slot != rela->r_offset : !is_plt || query->index != index)
			continue;
		err = plt_name(plt, query, rela);
		if (err < 0)
			return err;
	}
	return 0;
}

static int plt_read_relocations(struct plt *plt, const GElf_Shdr *section, bool is_plt)
{
	_cleanup_(freep) Elf64_Rela *piece = calloc(PLT_PIECE, sizeof(*piece));
	uint64_t cnt = section->sh_size / sizeof(*piece);

	if (!piece)
		return -ENOMEM;
	for (uint64_t index = 0; index < cnt;) {
		size_t want = cnt - index < PLT_PIECE ? (size_t)(cnt - index) : PLT_PIECE;
		ssize_t got = image_read(plt->object, section->sh_offset + index * sizeof(*piece), piece,
					 want * sizeof(*piece));

		if (got < (ssize_t)sizeof(*piece))
			break;
		for (size_t i = 0; i < (size_t)got / sizeof(*piece); i++) {
			int err = plt_try_relocation(plt, &piece[i], index + i, is_plt);

			if (err < 0)
				return err;
		}
		index += (size_t)got / sizeof(*piece);
	}
	return 0;
}

int plt_resolve(const struct object *object, const uint64_t *elfvas, size_t elfva_cnt, struct arena *arena,
		const char **names)
{
	_cleanup_(plt_fini) struct plt plt = {
		.object = object,
		.elfvas = elfvas,
		.elfva_cnt = elfva_cnt,
		.arena = arena,
		.names = names,
	};
	Elf_Scn *section = NULL;
	size_t strings;
	int err = plt_read_sections(&plt);

	if (err < 0 || plt.query_cnt == 0 || elf_getshdrstrndx(object->elf, &strings) < 0)
		return err;
	while ((section = elf_nextscn(object->elf, section))) {
		const char *name;
		GElf_Shdr header;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA ||
		    header.sh_entsize != sizeof(Elf64_Rela))
			continue;
		name = elf_strptr(object->elf, strings, header.sh_name);
		err = plt_read_relocations(&plt, &header, name && strcmp(name, ".rela.plt") == 0);
		if (err < 0)
			return err;
	}
	return 0;
}
