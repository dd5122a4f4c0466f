/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_image.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 512

/* Section 0 is none, section 1 holds the names. */
#define NAMES_SECTION 1

uint64_t elf_image_append(struct elf_image *image, const void *bytes, size_t len)
{
	uint64_t off = image->len;

	if (image->len + len > image->cap) {
		image->cap = (image->len + len) * 2;
		image->data = realloc(image->data, image->cap);
		assert(image->data);
	}
	if (bytes && len)
		memcpy(image->data + image->len, bytes, len);
	else
		memset(image->data + image->len, 0, len);
	image->len += len;
	return off;
}

uint64_t elf_image_align(struct elf_image *image, uint64_t align)
{
	elf_image_append(image, NULL, -image->len & (align - 1));
	return image->len;
}

void elf_image_init(struct elf_image *image, uint16_t machine)
{
	*image = (struct elf_image){
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_DYN,
			.e_machine = machine,
			.e_version = EV_CURRENT,
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shstrndx = NAMES_SECTION,
		},
	};
	elf_image_append(image, NULL, sizeof(Elf64_Ehdr));
	/* Names are put in as sections come. */
	elf_image_append(image, NULL, NAMES_MAX);
	image->sections[NAMES_SECTION] = (Elf64_Shdr){
		.sh_name = 0,
		.sh_type = SHT_STRTAB,
		.sh_offset = sizeof(Elf64_Ehdr),
		.sh_size = 1,
		.sh_addralign = 1,
	};
	image->section_cnt = NAMES_SECTION + 1;
}

void elf_image_fini(struct elf_image *image)
{
	free(image->data);
	*image = (struct elf_image){ 0 };
}

Elf64_Phdr *elf_image_add_segment(struct elf_image *image, uint32_t type, uint32_t flags, uint64_t off, uint64_t elfva,
				  uint64_t size)
{
	Elf64_Phdr *segment = &image->segments[image->segment_cnt++];

	assert(image->segment_cnt <= ELF_IMAGE_PARTS_MAX);
	*segment = (Elf64_Phdr){
		.p_type = type,
		.p_flags = flags,
		.p_offset = off,
		.p_vaddr = elfva,
		.p_filesz = size,
		.p_memsz = size,
		.p_align = 4,
	};
	return segment;
}

Elf64_Shdr *elf_image_add_section(struct elf_image *image, const char *name, uint32_t type, uint64_t elfva,
				  const void *bytes, size_t len)
{
	Elf64_Shdr *names = &image->sections[NAMES_SECTION];
	Elf64_Shdr *section = &image->sections[image->section_cnt++];
	size_t name_len = strlen(name) + 1;

	assert(image->section_cnt <= ELF_IMAGE_PARTS_MAX && names->sh_size + name_len <= NAMES_MAX);
	memcpy(image->data + names->sh_offset + names->sh_size, name, name_len);
	elf_image_align(image, 8);
	*section = (Elf64_Shdr){
		.sh_name = (uint32_t)names->sh_size,
		.sh_type = type,
		.sh_flags = SHF_ALLOC,
		.sh_addr = elfva,
		.sh_offset = elf_image_append(image, bytes, len),
		.sh_size = len,
		.sh_addralign = 1,
	};
	names->sh_size += name_len;
	return section;
}

void elf_image_finish(struct elf_image *image)
{
	elf_image_align(image, 8);
	image->header.e_phnum = (uint16_t)image->segment_cnt;
	image->header.e_phoff = elf_image_append(image, image->segments, image->segment_cnt * sizeof(Elf64_Phdr));
	image->header.e_shnum = (uint16_t)image->section_cnt;
	image->header.e_shoff = elf_image_append(image, image->sections, image->section_cnt * sizeof(Elf64_Shdr));
	memcpy(image->data, &image->header, sizeof(image->header));
}
