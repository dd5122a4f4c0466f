/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_fixture.h"
#include "symbolize/plt.h"

#define PLT 0x1000
#define PLT_SEC 0x2000
#define PLT_GOT 0x3000
#define TEXT 0x4000
#define SLOT(i) (0x10008ULL + (i)*8ULL)

/* dynsym: 1 puts, 2 exit, 3 __cxa_finalize, 4 chosen (defined here, an IFUNC's resolver). */
static const char strings[] = "\0puts\0exit@GLIBC_2.2.5\0__cxa_finalize\0chosen";

static Elf64_Word string_at(const char *text)
{
	const char *found = memmem(strings, sizeof(strings), text, strlen(text));

	assert_non_null(found);
	return (Elf64_Word)(found - strings);
}

struct fixture {
	unsigned char plt[4 * 16], plt_sec[3 * 16], plt_got[2 * 8], text[0x100];
	Elf64_Sym symbols[5];
	Elf64_Rela rela_plt[3], rela_dyn[1];
};

static void put_u32(unsigned char *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* "jmp *slot(%rip)" at `elfva`. */
static void put_jump(unsigned char *at, uint64_t elfva, uint64_t slot)
{
	at[0] = 0xff;
	at[1] = 0x25;
	put_u32(at + 2, (uint32_t)(slot - (elfva + 6)));
}

static void fill_symbols(struct fixture *fixture)
{
	static const char *const names[] = { "puts", "exit", "__cxa_finalize", "chosen" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		fixture->symbols[i + 1] = (Elf64_Sym){
			.st_name = string_at(names[i]),
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		};
	fixture->symbols[4].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_GNU_IFUNC);
	fixture->symbols[4].st_shndx = 4; /* .text */
	fixture->symbols[4].st_value = TEXT + 0x10;
	fixture->symbols[4].st_size = 0x10;
	fixture->rela_plt[0] = (Elf64_Rela){ SLOT(0), ELF64_R_INFO(1, R_X86_64_JUMP_SLOT), 0 };
	fixture->rela_plt[1] = (Elf64_Rela){ SLOT(1), ELF64_R_INFO(2, R_X86_64_JUMP_SLOT), 0 };
	fixture->rela_plt[2] = (Elf64_Rela){ SLOT(2), ELF64_R_INFO(0, R_X86_64_IRELATIVE), TEXT + 0x10 };
	fixture->rela_dyn[0] = (Elf64_Rela){ SLOT(3), ELF64_R_INFO(3, R_X86_64_GLOB_DAT), 0 };
}

static struct object *open_fixture(const struct fixture *fixture, Elf64_Half machine)
{
	const Elf64_Xword code = SHF_ALLOC | SHF_EXECINSTR;
	char path[] = "/tmp/test_symbolize_plt.XXXXXX";
	const struct elf_fixture_section sections[] = {
		{ ".plt", SHT_PROGBITS, code, PLT, fixture->plt, sizeof(fixture->plt), 0, 16 },
		{ ".plt.sec", SHT_PROGBITS, code, PLT_SEC, fixture->plt_sec, sizeof(fixture->plt_sec), 0, 16 },
		{ ".plt.got", SHT_PROGBITS, code, PLT_GOT, fixture->plt_got, sizeof(fixture->plt_got), 0, 8 },
		{ ".text", SHT_PROGBITS, code, TEXT, fixture->text, sizeof(fixture->text), 0, 0 },
		{ ".dynsym", SHT_DYNSYM, SHF_ALLOC, 0, fixture->symbols, sizeof(fixture->symbols), 6,
		  sizeof(Elf64_Sym) },
		{ ".dynstr", SHT_STRTAB, SHF_ALLOC, 0, strings, sizeof(strings), 0, 0 },
		{ ".rela.dyn", SHT_RELA, SHF_ALLOC, 0, fixture->rela_dyn, sizeof(fixture->rela_dyn), 5,
		  sizeof(Elf64_Rela) },
		{ ".rela.plt", SHT_RELA, SHF_ALLOC, 0, fixture->rela_plt, sizeof(fixture->rela_plt), 5,
		  sizeof(Elf64_Rela) },
	};
	struct object *object = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	elf_fixture_write(path, machine, sections, ARRAY_LEN(sections));
	assert_int_equal(object_new_path(path, &object), 0);
	unlink(path);
	return object;
}

struct address_case {
	uint64_t elfva;
	const char *name;
};

static void assert_resolves(const struct object *object, const struct address_case *cases, size_t cnt)
{
	_cleanup_(arena_freep) struct arena *arena = NULL;
	_cleanup_(freep) uint64_t *elfvas = calloc(cnt, sizeof(*elfvas));
	_cleanup_(freep) const char **names = calloc(cnt, sizeof(*names));

	assert_true(elfvas && names);
	for (size_t i = 0; i < cnt; i++)
		elfvas[i] = cases[i].elfva;
	assert_int_equal(arena_new(&arena), 0);
	assert_int_equal(plt_resolve(object, elfvas, cnt, arena, names), 0);
	for (size_t i = 0; i < cnt; i++)
		assert_string_equal(names[i] ? names[i] : "", cases[i].name);
}

static void plt_resolve__reads_every_layout_of_x86_64(void **state)
{
	static const unsigned char endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	static const struct address_case cases[] = {
		{ PLT + 8, "" }, /* the entry that calls the linker */
		{ PLT + 16, "puts@plt" },
		{ PLT + 31, "puts@plt" },
		{ PLT + 32, "exit@plt" },
		{ PLT + 48, "" }, /* no such relocation */
		{ PLT_SEC, "puts@plt" },
		{ PLT_SEC + 16 + 4, "exit@plt" },
		{ PLT_SEC + 32, "chosen@plt" },
		{ PLT_GOT + 6, "__cxa_finalize@plt" },
		{ PLT_GOT + 8, "" }, /* nothing decodes */
		{ TEXT, "" },
	};
	_cleanup_(object_freep) struct object *object = NULL;
	struct fixture fixture = { 0 };

	(void)state;
	fill_symbols(&fixture);
	/* The linker's own entry: "push ...; jmp ..." */
	fixture.plt[0] = 0xff;
	fixture.plt[1] = 0x35;
	put_jump(fixture.plt + 6, PLT + 6, SLOT(0));
	for (uint32_t i = 1; i < 4; i++) {
		memcpy(fixture.plt + i * 16, endbr64, sizeof(endbr64));
		fixture.plt[i * 16 + 4] = 0x68; /* push index */
		put_u32(fixture.plt + i * 16 + 5, i == 3 ? 1000 : i - 1);
	}
	for (uint32_t i = 0; i < 3; i++) {
		memcpy(fixture.plt_sec + i * 16, endbr64, sizeof(endbr64));
		fixture.plt_sec[i * 16 + 4] = 0xf2; /* bnd */
		put_jump(fixture.plt_sec + i * 16 + 5, PLT_SEC + i * 16 + 5, SLOT(i));
	}
	put_jump(fixture.plt_got, PLT_GOT, SLOT(3));
	object = open_fixture(&fixture, EM_X86_64);
	assert_resolves(object, cases, ARRAY_LEN(cases));
}

/* "adrp x16, page of slot; ldr x17, [x16, off in page]" at `elfva`. */
static void put_load(unsigned char *at, uint64_t elfva, uint64_t slot)
{
	uint32_t pages = (uint32_t)((slot >> 12) - (elfva >> 12)) & 0x1fffff;

	put_u32(at, 0x90000010 | (pages & 3) << 29 | (pages >> 2) << 5);
	put_u32(at + 4, 0xf9400211 | (uint32_t)((slot & 0xfff) / 8) << 10);
}

static void plt_resolve__reads_aarch64_with_and_without_bti(void **state)
{
	static const struct address_case cases[] = {
		{ PLT, "puts@plt" },
		{ PLT + 16 + 12, "exit@plt" },
		{ PLT + 32, "" },
		{ PLT_GOT, "" },
	};
	_cleanup_(object_freep) struct object *object = NULL;
	struct fixture fixture = { 0 };

	(void)state;
	fill_symbols(&fixture);
	put_load(fixture.plt, PLT, SLOT(0));
	put_u32(fixture.plt + 16, 0xd503245f); /* bti c */
	put_load(fixture.plt + 20, PLT + 20, SLOT(1));
	object = open_fixture(&fixture, EM_AARCH64);
	assert_resolves(object, cases, ARRAY_LEN(cases));
}

/* A slot below the entry: the page's distance is negative. */
static void plt_resolve__reads_aarch64_backwards(void **state)
{
	static const struct address_case cases[] = { { PLT_SEC, "puts@plt" } };
	_cleanup_(object_freep) struct object *object = NULL;
	struct fixture fixture = { 0 };

	(void)state;
	fill_symbols(&fixture);
	fixture.rela_plt[0].r_offset = 0x800;
	put_load(fixture.plt_sec, PLT_SEC, 0x800);
	object = open_fixture(&fixture, EM_AARCH64);
	assert_resolves(object, cases, ARRAY_LEN(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plt_resolve__reads_every_layout_of_x86_64),
		cmocka_unit_test(plt_resolve__reads_aarch64_with_and_without_bti),
		cmocka_unit_test(plt_resolve__reads_aarch64_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
