/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/symtab.h"

#include <errno.h>
#include <string.h>

#include "symbolize/image.h"

#define SYMTAB_PIECE 2048 /* symbols read at a time: 48 KiB */
/* Sections whose flags are looked at; symbols of later ones (-ffunction-sections is linked by then) are ignored. */
#define SYMTAB_SECTIONS_MAX 4096
/* Work that overlapping symbols can make; real files need a step per address and table. */
#define SYMTAB_STEPS_MAX (16u << 20)

/* What a symbol is worth among those of the same start: the larger the better. */
enum symtab_rank {
	SYMTAB_RANK_FUNCTION = 1,
	SYMTAB_RANK_WEAK = 2,
	SYMTAB_RANK_GLOBAL = 4,
};

struct symtab_candidate {
	uint64_t start;
	uint64_t size;
	uint32_t name;
	uint16_t section;
	uint16_t rank; /* 0 for local labels */
	bool found;
};

/* One pass over one table. */
struct symtab {
	const struct object *object;
	GElf_Shdr table;
	GElf_Shdr strings;
	GElf_Shdr *sections;
	size_t section_cnt;
	const uint64_t *elfvas;
	size_t elfva_cnt;
	struct symtab_candidate *around; /* per address: sized and holding it */
	struct symtab_candidate *before; /* per address: starting last in elfvas[i - 1] < start <= elfvas[i] */
	uint64_t *ends; /* per address: where the last sized symbol ended that starts as those of `before` do */
	size_t steps_left;
};

static void symtab_fini(struct symtab *symtab)
{
	free(symtab->sections);
	free(symtab->around);
	free(symtab->before);
	free(symtab->ends);
}

/* Returns 0, or -ENODATA when the file has no such table. */
static int symtab_find_table(struct symtab *symtab, uint32_t table_type)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(symtab->object->elf, section))) {
		if (!gelf_getshdr(section, &symtab->table) || symtab->table.sh_type != table_type)
			continue;
		if (symtab->table.sh_entsize != sizeof(Elf64_Sym) || (symtab->table.sh_flags & SHF_COMPRESSED))
			return -ENODATA;
		if (!gelf_getshdr(elf_getscn(symtab->object->elf, symtab->table.sh_link), &symtab->strings) ||
		    symtab->strings.sh_type != SHT_STRTAB)
			return -ENODATA;
		return 0;
	}
	return -ENODATA;
}

static int symtab_read_sections(struct symtab *symtab)
{
	size_t cnt;

	if (elf_getshdrnum(symtab->object->elf, &cnt) < 0)
		return -ENODATA;
	if (cnt > SYMTAB_SECTIONS_MAX)
		cnt = SYMTAB_SECTIONS_MAX;
	symtab->sections = calloc(cnt, sizeof(*symtab->sections));
	if (!symtab->sections)
		return -ENOMEM;
	symtab->section_cnt = cnt;
	for (size_t i = 0; i < cnt; i++) {
		if (!gelf_getshdr(elf_getscn(symtab->object->elf, i), &symtab->sections[i]))
			symtab->sections[i] = (GElf_Shdr){ 0 };
	}
	return 0;
}

/* Names are read one by one: only those of the answers are wanted. Returns 0, -ENODATA or -ENOMEM. */
static int symtab_read_name(const struct symtab *symtab, uint32_t name, struct arena *arena, const char **ret)
{
	char text[SYMTAB_NAME_MAX];
	size_t want = 128, len;
	const char *version;

	if (name >= symtab->strings.sh_size)
		return -ENODATA;
	for (;;) {
		uint64_t rest = symtab->strings.sh_size - name;
		ssize_t got =
			image_read(symtab->object, symtab->strings.sh_offset + name, text, want < rest ? want : rest);

		if (got <= 0)
			return -ENODATA;
		len = strnlen(text, (size_t)got);
		if (len < (size_t)got || want == sizeof(text))
			break;
		if ((size_t)got < want)
			return -ENODATA;
		want = sizeof(text);
	}
	/* "memcpy@@GLIBC_2.14" */
	version = len > 1 ? memchr(text + 1, '@', len - 1) : NULL;
	if (version)
		len = (size_t)(version - text);
	/* "$x" and the like mark code and data on arm64 (ELF for the Arm 64-bit Architecture, 5.5.5). */
	if (len == 0 || text[0] == '$')
		return -ENODATA;
	*ret = arena_strndup(arena, text, len);
	return *ret ? 0 : -ENOMEM;
}

static size_t symtab_count_underscores(const struct symtab *symtab, uint32_t name)
{
	char text[16];
	ssize_t got = name < symtab->strings.sh_size ?
			      image_read(symtab->object, symtab->strings.sh_offset + name, text, sizeof(text)) :
			      0;
	size_t cnt = 0;

	while (got > 0 && cnt < (size_t)got && text[cnt] == '_')
		cnt++;
	return cnt;
}

static bool symtab_is_better(const struct symtab *symtab, const struct symtab_candidate *one,
			     const struct symtab_candidate *held)
{
	if (!held->found)
		return true;
	if (one->start != held->start)
		return one->start > held->start;
	if (!one->size != !held->size)
		return one->size != 0;
	if (one->rank != held->rank)
		return one->rank > held->rank;
	return symtab_count_underscores(symtab, one->name) < symtab_count_underscores(symtab, held->name);
}

static bool symtab_take_symbol(const struct symtab *symtab, const Elf64_Sym *symbol, struct symtab_candidate *ret)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	unsigned binding = ELF64_ST_BIND(symbol->st_info);

	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= symtab->section_cnt || symbol->st_name == 0)
		return false;
	if (!(symtab->sections[symbol->st_shndx].sh_flags & SHF_EXECINSTR))
		return false;
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	*ret = (struct symtab_candidate){
		.start = symbol->st_value,
		.size = symbol->st_size,
		.name = symbol->st_name,
		.section = symbol->st_shndx,
		.found = true,
	};
	if (type != STT_NOTYPE)
		ret->rank |= SYMTAB_RANK_FUNCTION;
	if (binding == STB_WEAK)
		ret->rank |= SYMTAB_RANK_WEAK;
	else if (binding != STB_LOCAL)
		ret->rank |= SYMTAB_RANK_GLOBAL;
	return true;
}

/* The first address that is not below `elfva`. */
static size_t symtab_find_address(const struct symtab *symtab, uint64_t elfva)
{
	size_t low = 0, high = symtab->elfva_cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symtab->elfvas[middle] < elfva)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void symtab_add_symbol(struct symtab *symtab, const Elf64_Sym *symbol)
{
	struct symtab_candidate candidate;
	size_t first;

	if (!symtab_take_symbol(symtab, symbol, &candidate))
		return;
	first = symtab_find_address(symtab, candidate.start);
	if (first == symtab->elfva_cnt)
		return;
	if (symtab_is_better(symtab, &candidate, &symtab->before[first]))
		symtab->before[first] = candidate;
	if (candidate.size > 0 && candidate.start + candidate.size > symtab->ends[first])
		symtab->ends[first] = candidate.start + candidate.size;
	for (size_t i = first; i < symtab->elfva_cnt && symtab->steps_left > 0; i++) {
		if (symtab->elfvas[i] - candidate.start >= candidate.size)
			break;
		symtab->steps_left--;
		if (symtab_is_better(symtab, &candidate, &symtab->around[i]))
			symtab->around[i] = candidate;
	}
}

static int symtab_read_symbols(struct symtab *symtab)
{
	_cleanup_(freep) Elf64_Sym *piece = calloc(SYMTAB_PIECE, sizeof(*piece));
	uint64_t end = symtab->table.sh_size;

	if (!piece)
		return -ENOMEM;
	for (uint64_t off = 0; off < end;) {
		size_t want = SYMTAB_PIECE * sizeof(*piece);
		ssize_t got = image_read(symtab->object, symtab->table.sh_offset + off, piece,
					 want < end - off ? want : end - off);

		if (got < (ssize_t)sizeof(*piece))
			break;
		for (size_t i = 0; i < (size_t)got / sizeof(*piece); i++)
			symtab_add_symbol(symtab, &piece[i]);
		off += (size_t)got / sizeof(*piece) * sizeof(*piece);
	}
	return 0;
}

/* The best symbol for elfvas[i], NULL when nothing names it. */
static const struct symtab_candidate *symtab_choose(const struct symtab *symtab, size_t i)
{
	const struct symtab_candidate *before = &symtab->before[i];
	const GElf_Shdr *section;

	if (symtab->around[i].found)
		return &symtab->around[i];
	/* A label within a function ends with it. */
	if (!before->found || before->size != 0 || symtab->ends[i] > before->start)
		return NULL;
	section = &symtab->sections[before->section];
	if (symtab->elfvas[i] - section->sh_addr >= section->sh_size)
		return NULL;
	return before;
}

static int symtab_name_all(struct symtab *symtab, struct arena *arena, const char **names)
{
	const struct symtab_candidate *last = NULL;
	const char *last_name = NULL;

	for (size_t i = 0; i < symtab->elfva_cnt; i++) {
		const struct symtab_candidate *chosen;
		int err;

		if (i > 0 && symtab->ends[i - 1] > symtab->ends[i])
			symtab->ends[i] = symtab->ends[i - 1];
		if (i > 0 && !symtab->before[i].found)
			symtab->before[i] = symtab->before[i - 1];
		chosen = symtab_choose(symtab, i);
		if (!chosen || names[i])
			continue;
		if (!last || last->name != chosen->name) {
			last = chosen;
			last_name = NULL;
			err = symtab_read_name(symtab, chosen->name, arena, &last_name);
			if (err == -ENOMEM)
				return err;
		}
		names[i] = last_name;
	}
	return 0;
}

int symtab_resolve(const struct object *object, uint32_t table_type, const uint64_t *elfvas, size_t elfva_cnt,
		   struct arena *arena, const char **names)
{
	_cleanup_(symtab_fini) struct symtab symtab = {
		.object = object,
		.elfvas = elfvas,
		.elfva_cnt = elfva_cnt,
		.steps_left = SYMTAB_STEPS_MAX,
	};
	int err = symtab_find_table(&symtab, table_type);

	if (err < 0 || elfva_cnt == 0)
		return 0;
	err = symtab_read_sections(&symtab);
	if (err < 0)
		return err == -ENODATA ? 0 : err;
	symtab.around = calloc(elfva_cnt, sizeof(*symtab.around));
	symtab.before = calloc(elfva_cnt, sizeof(*symtab.before));
	symtab.ends = calloc(elfva_cnt, sizeof(*symtab.ends));
	if (!symtab.around || !symtab.before || !symtab.ends)
		return -ENOMEM;
	err = symtab_read_symbols(&symtab);
	if (err < 0)
		return err;
	return symtab_name_all(&symtab, arena, names);
}

int symtab_get_name(const struct object *object, uint32_t table_type, uint32_t index, struct arena *arena,
		    const char **ret)
{
	struct symtab symtab = { .object = object };
	uint64_t off = (uint64_t)index * sizeof(Elf64_Sym);
	Elf64_Sym symbol;
	int err = symtab_find_table(&symtab, table_type);

	if (err < 0)
		return err;
	if (off >= symtab.table.sh_size ||
	    image_read(object, symtab.table.sh_offset + off, &symbol, sizeof(symbol)) != sizeof(symbol))
		return -ENODATA;
	return symtab_read_name(&symtab, symbol.st_name, arena, ret);
}
