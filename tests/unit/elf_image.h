/* SPDX-License-Identifier: Apache-2.0 */
/* Small 64-bit ELF files made in memory, for tests of what reads them. Aborts without memory. */
#ifndef PPROFD_TESTS_UNIT_ELF_IMAGE_H
#define PPROFD_TESTS_UNIT_ELF_IMAGE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_IMAGE_PARTS_MAX 16

struct elf_image {
	Elf64_Ehdr header; /* may be changed before elf_image_finish() */
	Elf64_Phdr segments[ELF_IMAGE_PARTS_MAX];
	Elf64_Shdr sections[ELF_IMAGE_PARTS_MAX];
	size_t segment_cnt, section_cnt;
	unsigned char *data; /* the file, once it is finished */
	size_t len, cap;
};

/* An executable (ET_DYN) of `machine` (EM_*) with nothing in it. */
void elf_image_init(struct elf_image *image, uint16_t machine);
void elf_image_fini(struct elf_image *image);

/* Where the next bytes will be; `align` is a power of two. */
uint64_t elf_image_align(struct elf_image *image, uint64_t align);
uint64_t elf_image_append(struct elf_image *image, const void *bytes, size_t len);

/* `off` and `size` in the file, which need not be there. */
Elf64_Phdr *elf_image_add_segment(struct elf_image *image, uint32_t type, uint32_t flags, uint64_t off, uint64_t elfva,
				  uint64_t size);
/* Appends the bytes, eight-byte aligned. */
Elf64_Shdr *elf_image_add_section(struct elf_image *image, const char *name, uint32_t type, uint64_t elfva,
				  const void *bytes, size_t len);

/* Writes the headers; nothing can be added any more. */
void elf_image_finish(struct elf_image *image);

#endif
