/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define FIXTURE_SECTIONS_MAX 16

struct elf_fixture {
	FILE *file;
	Elf64_Shdr headers[FIXTURE_SECTIONS_MAX + 2];
	Elf64_Phdr segments[FIXTURE_SECTIONS_MAX];
	size_t segment_cnt;
	char names[512];
	size_t names_len;
};

static void elf_fixture_append(struct elf_fixture *fixture, const void *data, size_t size)
{
	static const char zeros[16];
	long at = ftell(fixture->file);

	assert_true(at >= 0);
	assert_int_equal(fwrite(zeros, 1, -at & 15, fixture->file), -at & 15);
	if (size > 0)
		assert_int_equal(fwrite(data, 1, size, fixture->file), size);
}

static Elf64_Word elf_fixture_add_name(struct elf_fixture *fixture, const char *name)
{
	size_t at = fixture->names_len;

	assert_true(at + strlen(name) + 1 <= sizeof(fixture->names));
	memcpy(fixture->names + at, name, strlen(name) + 1);
	fixture->names_len += strlen(name) + 1;
	return (Elf64_Word)at;
}

static void elf_fixture_add_section(struct elf_fixture *fixture, size_t i, const struct elf_fixture_section *section)
{
	long end;

	elf_fixture_append(fixture, section->data, section->type == SHT_NOBITS ? 0 : section->size);
	end = ftell(fixture->file);
	fixture->headers[i] = (Elf64_Shdr){
		.sh_name = elf_fixture_add_name(fixture, section->name),
		.sh_type = section->type,
		.sh_flags = section->flags,
		.sh_addr = section->addr,
		.sh_offset = (Elf64_Off)end - (section->type == SHT_NOBITS ? 0 : section->size),
		.sh_size = section->size,
		.sh_link = section->link,
		.sh_addralign = 1,
		.sh_entsize = section->entsize,
	};
	if (!(section->flags & SHF_EXECINSTR) && section->type != SHT_NOTE)
		return;
	fixture->segments[fixture->segment_cnt++] = (Elf64_Phdr){
		.p_type = section->type == SHT_NOTE ? PT_NOTE : PT_LOAD,
		.p_flags = section->type == SHT_NOTE ? PF_R : PF_R | PF_X,
		.p_offset = fixture->headers[i].sh_offset,
		.p_vaddr = section->addr,
		.p_filesz = section->size,
		.p_memsz = section->size,
		.p_align = 4,
	};
}

void elf_fixture_write(const char *path, Elf64_Half machine, const struct elf_fixture_section *sections,
		       size_t section_cnt)
{
	struct elf_fixture fixture = { .file = fopen(path, "w"), .names_len = 1 };
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = machine,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header),
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = (Elf64_Half)(section_cnt + 2),
		.e_shstrndx = (Elf64_Half)(section_cnt + 1),
	};
	struct elf_fixture_section names = { .name = ".shstrtab", .type = SHT_STRTAB };

	assert_non_null(fixture.file);
	assert_true(section_cnt <= FIXTURE_SECTIONS_MAX);
	/* Room for what is known at the end. */
	assert_int_equal(fseek(fixture.file, sizeof(header) + FIXTURE_SECTIONS_MAX * sizeof(Elf64_Phdr), SEEK_SET), 0);
	for (size_t i = 0; i < section_cnt; i++)
		elf_fixture_add_section(&fixture, i + 1, &sections[i]);
	names.data = fixture.names;
	names.size = sizeof(fixture.names);
	elf_fixture_add_section(&fixture, section_cnt + 1, &names);
	/* Its own name came in after it was written: it is written again. */
	assert_int_equal(fseek(fixture.file, (long)fixture.headers[section_cnt + 1].sh_offset, SEEK_SET), 0);
	assert_int_equal(fwrite(fixture.names, sizeof(fixture.names), 1, fixture.file), 1);

	elf_fixture_append(&fixture, NULL, 0);
	header.e_shoff = (Elf64_Off)ftell(fixture.file);
	header.e_phnum = (Elf64_Half)fixture.segment_cnt;
	assert_int_equal(fwrite(fixture.headers, sizeof(Elf64_Shdr), section_cnt + 2, fixture.file), section_cnt + 2);
	rewind(fixture.file);
	assert_int_equal(fwrite(&header, sizeof(header), 1, fixture.file), 1);
	if (fixture.segment_cnt > 0)
		assert_int_equal(fwrite(fixture.segments, sizeof(Elf64_Phdr), fixture.segment_cnt, fixture.file),
				 fixture.segment_cnt);
	assert_int_equal(fclose(fixture.file), 0);
}
