/* SPDX-License-Identifier: Apache-2.0 */
/* Small ELF files made of the sections that a test names. What cannot be written fails the test. */
#ifndef PPROFD_TESTS_ELF_FIXTURE_H
#define PPROFD_TESTS_ELF_FIXTURE_H

#include <elf.h>
#include <stddef.h>

struct elf_fixture_section {
	const char *name;
	Elf64_Word type;
	Elf64_Xword flags; /* those with SHF_EXECINSTR are executable segments, too; notes are PT_NOTE */
	Elf64_Addr addr;
	const void *data;
	size_t size;
	Elf64_Word link; /* sections[0] is 1 */
	Elf64_Xword entsize;
};

/* Writes `path` anew; a section of the section names comes behind `sections`. */
void elf_fixture_write(const char *path, Elf64_Half machine, const struct elf_fixture_section *sections,
		       size_t section_cnt);

#endif
