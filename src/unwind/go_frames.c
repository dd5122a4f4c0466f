/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/go_frames.h"

#include <pprofd/abi.h>
#include <string.h>

/*
 * TOPFRAME functions of runtime/asm_*.s, and those that go over to the scheduler's stack for good: to
 * the runtime too (topofstack() in runtime/traceback.go) nothing above their frame was ever called. And
 * the restorer that it gives to rt_sigaction (runtime/sys_linux_*.s), under its older and newer name.
 */
static const struct {
	const char *name;
	uint8_t cfa;
} go_functions[] = {
	{ "runtime.goexit", PPROFD_CFA_END },
	{ "runtime.mcall", PPROFD_CFA_END },
	{ "runtime.morestack", PPROFD_CFA_END },
	{ "runtime.mstart", PPROFD_CFA_END },
	{ "runtime.rt0_go", PPROFD_CFA_END },
	{ "runtime.sigreturn", PPROFD_CFA_SIGNAL },
	{ "runtime.sigreturn__sigaction", PPROFD_CFA_SIGNAL },
};

#define GO_NAME_PREFIX "runtime."

/* `name` with or without the suffix of the assembler's calling convention. */
static bool go_name_matches(const char *name, const char *function)
{
	size_t len = strlen(function);

	return strncmp(name, function, len) == 0 && (name[len] == '\0' || strcmp(name + len, ".abi0") == 0);
}

static bool go_frame_from_symbol(const Elf64_Sym *symbol, const char *name, struct go_frame *ret)
{
	if (strncmp(name, GO_NAME_PREFIX, sizeof(GO_NAME_PREFIX) - 1) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(go_functions); i++) {
		bool is_signal = go_functions[i].cfa == PPROFD_CFA_SIGNAL;

		if (!go_name_matches(name, go_functions[i].name) || symbol->st_value == 0)
			continue;
		/* A restorer is returned to at its first instruction: the address before it is looked up. */
		*ret = (struct go_frame){
			.start_elfva = symbol->st_value - is_signal,
			.size = symbol->st_size + is_signal,
			.cfa = go_functions[i].cfa,
		};
		return symbol->st_size > 0;
	}
	return false;
}

/* The two ways in which Go's linker names its table of functions: they tell a Go program. */
static bool go_is_built(const struct object *object)
{
	static const char *const sections[] = { ".gopclntab", ".data.rel.ro.gopclntab" };
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(object->elf, &names) < 0)
		return false;
	while ((section = elf_nextscn(object->elf, section))) {
		const char *name = NULL;
		GElf_Shdr header;

		if (gelf_getshdr(section, &header))
			name = elf_strptr(object->elf, names, header.sh_name);
		for (size_t i = 0; name && i < ARRAY_LEN(sections); i++) {
			if (strcmp(name, sections[i]) == 0)
				return true;
		}
	}
	return false;
}

size_t go_frames_find(const struct object *object, struct go_frame *ret)
{
	GElf_Shdr header;
	Elf_Data *symbols;
	size_t cnt = 0;

	if (!go_is_built(object) || object_get_section(object, ".symtab", &header, &symbols) < 0)
		return 0;
	for (size_t i = 0; i < symbols->d_size / sizeof(Elf64_Sym) && cnt < GO_FRAMES_MAX; i++) {
		const char *name = NULL;
		Elf64_Sym symbol;

		memcpy(&symbol, (const char *)symbols->d_buf + i * sizeof(symbol), sizeof(symbol));
		if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC)
			name = elf_strptr(object->elf, header.sh_link, symbol.st_name);
		if (name && go_frame_from_symbol(&symbol, name, &ret[cnt]))
			cnt++;
	}
	return cnt;
}
