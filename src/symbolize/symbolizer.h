/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for addresses: (object, file offset) -> functions, files and lines, innermost first.
 *
 * Sources, the best that has an answer wins: DWARF of the file, of its separate debug file (build
 * id, then debuglink, below the debug roots), .symtab, the debug file's .symtab, .dynsym. A function
 * that none of them names is called by where it begins, "libfoo.so+0x1230", as unwind information
 * says, so that its frames are one function's. Answers are kept by (build id, offset), bounded.
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_SYMBOLIZE_SYMBOLIZER_H
#define PPROFD_SYMBOLIZE_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "target/object.h"

/* Inline depth that is kept; what is deeper loses its middle. */
#define SYMBOL_CHAIN_MAX 64

enum demangle_mode {
	DEMANGLE_FULL,       /* std::vector<int>::push_back(int const&) */
	DEMANGLE_SIMPLIFIED, /* std::vector::push_back */
	DEMANGLE_OFF,
};

struct symbol_line {
	const char *name;        /* demangled; never NULL or "" */
	const char *system_name; /* as linked; never NULL */
	const char *file;        /* "" unknown; absolute when the compilation directory is known */
	int64_t line;            /* 0 unknown */
	int64_t start_line;      /* of the function; 0 unknown */
};

/* What one address is: `line_cnt` 0 when nothing names it. Lines from the innermost outwards. */
struct symbol {
	const struct symbol_line *lines;
	size_t line_cnt;
};

struct symbolizer_options {
	enum demangle_mode demangle;
	const char *const *debug_roots; /* NULL-terminated; "/usr/lib/debug" */
	const char *kallsyms_path;      /* "/proc/kallsyms" */
	size_t cache_max;               /* bytes of answers that are kept */
	/*
	 * CPU time for reading debug info that each window adds to what is left; 0 for no limit. It starts with
	 * 256 windows' worth. When it is used up, new addresses are named by symbol tables, without
	 * inlined functions and lines, until a later window makes up for it.
	 */
	uint64_t debuginfo_window_ns;
};

struct symbolizer;

/* Options are copied. *ret is the caller's; symbolizer_free(). Returns 0 or -ENOMEM. */
_must_check_ int symbolizer_new(const struct symbolizer_options *options, struct symbolizer **ret);
void symbolizer_free(struct symbolizer *symbolizer);
DEFINE_CLEANUP(struct symbolizer, symbolizer_free);

/*
 * Names `off_cnt` file offsets of `object` at once: `offs` ascending, `ret` as many symbols, borrowed
 * until symbolizer_end_window(). A file without any symbols is not an error: its symbols are empty. So are those of
 * a closed one but for what is remembered of it.
 * Returns 0 or -ENOMEM.
 */
_must_check_ int symbolizer_resolve(struct symbolizer *symbolizer, const struct object *object, const uint64_t *offs,
				    size_t off_cnt, struct symbol *ret);

/*
 * Names a kernel address: functions of the kernel, of modules ("nf_hook [nf_tables]") and of BPF
 * programs. line_cnt is 0 when kallsyms has no answer or hides its addresses. Returns 0 or a
 * negative errno of reading kallsyms.
 */
_must_check_ int symbolizer_resolve_kernel(struct symbolizer *symbolizer, uint64_t address, struct symbol *ret);

/* Everything borrowed is over; the cache is brought back below its bound, debug info is let go. */
void symbolizer_end_window(struct symbolizer *symbolizer);

#endif
