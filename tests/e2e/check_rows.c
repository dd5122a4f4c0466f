/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rows [-n COUNT] [-s SEED] FILE...: compares the rows of ELF files with what libdw's own CFI
 * interpreter answers, at COUNT random pcs each.
 *
 * Both answers are put to work on one made-up machine (registers and memory that are functions of the
 * seed) by two evaluators, one of DWARF expressions, one of rules as abi.h words them. They agree when
 * CFA, return address and all callee-saved registers come out the same.
 *
 * One line a file; exit status 1 when anything differs.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cfi_truth.h"
#include "target/object.h"
#include "unwind/unwind_table.h"

/* Mismatches that are printed, per file. */
#define REPORTS_MAX 10
/* Padding that a row may cover beyond its function: functions are aligned to at most this. */
#define GAP_MAX 16
#define PADDING_MAX 32

struct file {
	const char *path;
	struct object *object;
	struct unwind_table *table;
	Dwarf *dwarf;
	Dwarf_CFI *cfi[2]; /* .eh_frame, .debug_frame; NULL without */
	unsigned long checked, outside, unsupported, lost, mismatched;
};

/* ---- our side, word for word as abi.h has it ---- */

static uint64_t rule_cfa(const struct machine *machine, const struct pprofd_rule *rule)
{
	uint64_t base = machine->regs[rule->base] + (uint64_t)(int64_t)rule->off;

	switch (rule->cfa) {
	case PPROFD_CFA_DEREF:
		return machine_read(machine, base) + (uint64_t)(int64_t)rule->add;
	case PPROFD_CFA_DEREF_INDEX:
		base += machine->regs[rule->index] * 8;
		return machine_read(machine, base) + (uint64_t)(int64_t)rule->add;
	case PPROFD_CFA_PLT:
		return base + ((machine->pc & 15) >= (uint64_t)rule->add ? 8 : 0);
	default:
		return base;
	}
}

static struct frame rule_frame(const struct machine *machine, const struct pprofd_rule *rule)
{
	bool has_mask = rule->cfa == PPROFD_CFA_REG || rule->cfa == PPROFD_CFA_DEREF;
	size_t ra_reg = (size_t)(machine->ra_reg == 30 ? 30 : rule->add - 1);
	struct frame ret = { .kind = FRAME_NORMAL };

	if (rule->cfa == PPROFD_CFA_SIGNAL)
		ret.kind = FRAME_SIGNAL;
	else if (rule->cfa == PPROFD_CFA_END)
		ret.kind = FRAME_END;
	else if (rule->cfa == PPROFD_CFA_UNSUPPORTED)
		ret.kind = FRAME_UNSUPPORTED;
	else if (rule->cfa == PPROFD_CFA_FP)
		ret.kind = FRAME_NONE;
	if (ret.kind != FRAME_NORMAL)
		return ret;
	ret.cfa = rule_cfa(machine, rule);
	ret.ra.value = rule->ra ? machine_read(machine, ret.cfa - 8 * (uint64_t)rule->ra) : machine->regs[ra_reg];
	for (size_t i = 0; i < PPROFD_SAVED_CNT; i++) {
		bool by_fp = has_mask && rule->index >> i & 1;
		uint64_t top = by_fp ? machine->regs[machine->fp_reg] + 8 : ret.cfa;

		if (rule->saved[i] == PPROFD_SAVED_LOST)
			ret.saved[i].fate = FATE_ELSEWHERE;
		else if (rule->saved[i] == 0)
			ret.saved[i].value = machine->regs[machine->saved[i]];
		else
			ret.saved[i].value = machine_read(machine, top - 8 * (uint64_t)rule->saved[i]);
	}
	return ret;
}

/* ---- the comparison ---- */

static const char *compare_saved(struct file *file, const struct frame *truth, const struct frame *ours)
{
	for (size_t i = 0; i < PPROFD_SAVED_CNT; i++) {
		const struct value *is = &ours->saved[i], *should = &truth->saved[i];

		if (should->fate == FATE_FAILED)
			return "libdw fails at a saved register";
		if (is->fate == FATE_ELSEWHERE) {
			if (should->fate == FATE_VALUE && should->in_rule_range)
				return "lost a register that a rule could have";
			file->lost++;
		} else if (should->fate != FATE_VALUE) {
			return "has a register that is not to be had";
		} else if (should->value != is->value) {
			return "saved register";
		}
	}
	return NULL;
}

static bool is_in_plt(const struct file *file, uint64_t elfva)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (elf_getshdrstrndx(file->object->elf, &names) < 0)
		return false;
	while ((section = elf_nextscn(file->object->elf, section))) {
		GElf_Shdr header;
		const char *name;

		if (!gelf_getshdr(section, &header))
			return false;
		name = elf_strptr(file->object->elf, names, header.sh_name);
		if (name && strstr(name, "plt") && header.sh_flags & SHF_EXECINSTR && elfva >= header.sh_addr &&
		    elfva - header.sh_addr < header.sh_size)
			return true;
	}
	return false;
}

/*
 * Between functions: frame pointers, an entry point, a PLT, the padding before the next function, or less than
 * GAP_MAX bytes that go by the function before them.
 */
static const char *compare_outside(const struct file *file, const struct machine *machine,
				   const struct pprofd_rule *rule)
{
	bool is_before = false, is_behind = false, is_close = false;

	if (rule->cfa == PPROFD_CFA_FP || rule->cfa == PPROFD_CFA_END)
		return NULL;
	if (is_in_plt(file, machine->pc))
		return rule->ra == (machine->pc_reg >= 0) ? NULL : "a PLT that does not return to its caller";
	for (uint64_t i = 1; i < PADDING_MAX; i++) {
		_cleanup_(freep) Dwarf_Frame *before = truth_find(file->cfi, machine->pc - i);
		_cleanup_(freep) Dwarf_Frame *behind = truth_find(file->cfi, machine->pc + i);

		is_before |= before != NULL;
		is_close |= before != NULL && i < GAP_MAX;
		is_behind |= behind != NULL || machine->pc + i == file->object->header.e_entry;
	}
	return is_close || (is_before && is_behind) ? NULL : "a rule where there is no unwind information";
}

/*
 * Where Go's unwind information goes on and its runtime knows better: goroutines and threads begin in
 * the first five (runtime/asm_amd64.s), the kernel returns to the others (runtime/sys_linux_amd64.s).
 */
static bool is_known_to_go(const struct file *file, uint64_t elfva, int kind)
{
	static const char *const begin[] = { "runtime.goexit", "runtime.mcall", "runtime.morestack", "runtime.mstart",
					     "runtime.rt0_go" };
	GElf_Shdr header;
	Elf_Data *data;
	GElf_Sym symbol;

	if (object_get_section(file->object, ".symtab", &header, &data) < 0)
		return false;
	data->d_type = ELF_T_SYM;
	for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
		const char *name = elf_strptr(file->object->elf, header.sh_link, symbol.st_name);

		if (!name || elfva + 1 < symbol.st_value || elfva >= symbol.st_value + symbol.st_size)
			continue;
		if (kind == FRAME_SIGNAL && strncmp(name, "runtime.sigreturn", 17) == 0)
			return true;
		for (size_t j = 0; kind == FRAME_END && j < ARRAY_LEN(begin); j++) {
			size_t len = strlen(begin[j]);

			if (strncmp(name, begin[j], len) == 0 && (!name[len] || strcmp(name + len, ".abi0") == 0))
				return true;
		}
	}
	return false;
}

/* NULL when they agree. */
static const char *compare(struct file *file, const struct machine *machine, const struct pprofd_rule *rule)
{
	struct frame truth = truth_frame(file->cfi, machine), ours = rule_frame(machine, rule);

	if (truth.kind == FRAME_NONE) {
		file->outside++;
		return compare_outside(file, machine, rule);
	}
	file->checked++;
	if (ours.kind == FRAME_UNSUPPORTED) {
		file->unsupported++;
		return NULL;
	}
	if (ours.kind != truth.kind)
		return is_known_to_go(file, machine->pc, ours.kind) ? NULL : "kind of frame";
	if (ours.kind != FRAME_NORMAL)
		return NULL;
	if (ours.cfa != truth.cfa)
		return "CFA";
	if (truth.ra.fate != FATE_VALUE || ours.ra.value != truth.ra.value)
		return "return address";
	return compare_saved(file, &truth, &ours);
}

static void check_off(struct file *file, uint64_t off, uint64_t seed)
{
	const struct pprofd_rule *rule = unwind_table_find(file->table, off);
	struct machine machine = { 0 };
	const char *why;

	machine_init(&machine, file->object->header.e_machine, seed);
	if (!rule || object_off_to_elfva(file->object, off, &machine.pc) < 0)
		return;
	why = compare(file, &machine, rule);
	if (!why)
		return;
	if (file->mismatched++ < REPORTS_MAX)
		printf("%s: 0x%" PRIx64 ": %s: rule %u base %u index %u ra %u off %d add %d\n", file->path, machine.pc,
		       why, rule->cfa, rule->base, rule->index, rule->ra, rule->off, rule->add);
}

/* Every other pc is anywhere in the code, the others are where a row begins or the byte before. */
static uint64_t choose_off(const struct file *file, uint64_t random)
{
	const struct object *object = file->object;
	uint64_t total = 0, row, into;

	if (random & 1) {
		row = UNWIND_ROW_OFF(file->table->rows[(random >> 2) % file->table->row_cnt]);
		return row - (random >> 1 & 1);
	}
	for (size_t i = 0; i < object->segment_cnt; i++)
		total += object->segments[i].size;
	if (total == 0)
		abort();
	into = (random >> 1) % total;
	for (size_t i = 0; i < object->segment_cnt; i++) {
		if (into < object->segments[i].size)
			return object->segments[i].off + into;
		into -= object->segments[i].size;
	}
	abort();
}

static void file_fini(struct file *file)
{
	if (file->cfi[0])
		dwarf_cfi_end(file->cfi[0]);
	dwarf_end(file->dwarf);
	unwind_table_free(file->table);
	object_free(file->object);
}

static int check_file(const char *path, unsigned long count, uint64_t seed)
{
	_cleanup_(file_fini) struct file file = { .path = path };
	unsigned long tries = 0;
	int err = object_new_path(path, &file.object);

	if (err == 0)
		err = unwind_table_new(file.object, &file.table);
	if (err < 0 || file.table->row_cnt == 0) {
		printf("%s: no rows: %s\n", path, strerror(-err));
		return 1;
	}
	file.cfi[0] = dwarf_getcfi_elf(file.object->elf);
	file.dwarf = dwarf_begin_elf(file.object->elf, DWARF_C_READ, NULL);
	file.cfi[1] = file.dwarf ? dwarf_getcfi(file.dwarf) : NULL;
	/* Code without unwind information does not count, but there must be an end to trying. */
	while (file.checked < count && tries < 100 * count) {
		uint64_t random = mix(seed + tries++);

		check_off(&file, choose_off(&file, random), mix(random));
	}
	printf("%s: rows %zu rules %zu seed %" PRIu64
	       " checked %lu outside %lu unsupported %lu lost %lu mismatched %lu\n",
	       path, file.table->row_cnt, file.table->rule_cnt, seed, file.checked, file.outside, file.unsupported,
	       file.lost, file.mismatched);
	return file.mismatched > 0 || file.checked < count;
}

int main(int argc, char **argv)
{
	unsigned long count = 10000;
	uint64_t seed = 1;
	int status = 0, option;

	while ((option = getopt(argc, argv, "n:s:")) != -1) {
		if (option == 'n')
			count = strtoul(optarg, NULL, 0);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	for (; optind < argc; optind++)
		status |= check_file(argv[optind], count, seed);
	return status;
}
