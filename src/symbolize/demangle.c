/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/demangle.h"

#include <errno.h>
#include <libiberty/demangle.h>
#include <stdbool.h>
#include <string.h>

/* Longest name that is demangled: a short one can already expand to megabytes. */
#define DEMANGLE_INPUT_MAX (16u << 10)
#define DEMANGLE_OUTPUT_MAX (64u << 10)
/* Brackets within brackets that are followed; names nested deeper stay as they are. */
#define DEMANGLE_DEPTH_MAX 256

/* ---- mangled -> readable ---- */

struct demangle_sink {
	struct strbuf text;
	bool full;
};

static void demangle_collect(const char *text, size_t len, void *opaque)
{
	struct demangle_sink *sink = opaque;

	if (sink->text.len + len > DEMANGLE_OUTPUT_MAX)
		sink->full = true;
	if (!sink->full)
		strbuf_append(&sink->text, text, len);
}

/* LLVM's suffix of a promoted local symbol, behind the mangled name: ".llvm.1234567890". */
static size_t demangle_cut_llvm(const char *name, size_t len)
{
	const char *suffix = memmem(name, len, ".llvm.", 6);

	return suffix ? (size_t)(suffix - name) : len;
}

static bool demangle_rust(const char *name, size_t len, struct demangle_sink *sink)
{
	char *base = strndup(name, demangle_cut_llvm(name, len));
	bool done;

	if (!base) {
		sink->text.error = -ENOMEM;
		return false;
	}
	done = rust_demangle_callback(base, 0, demangle_collect, sink) != 0;
	free(base);
	return done;
}

/* 0 with the readable text in sink, or -ENODATA when the name is not mangled. */
static int demangle_into(const char *name, enum demangle_mode mode, struct demangle_sink *sink)
{
	/* Parameters also when they are to be dropped: without them suffixes are lost. */
	int options = DMGL_PARAMS | DMGL_ANSI | (mode == DEMANGLE_SIMPLIFIED ? DMGL_RET_DROP : 0);
	size_t len = strnlen(name, DEMANGLE_INPUT_MAX);

	if (name[0] != '_' || (name[1] != 'Z' && name[1] != 'R') || len == DEMANGLE_INPUT_MAX)
		return -ENODATA;
	if (demangle_rust(name, len, sink) && !sink->full)
		return strbuf_error(&sink->text);
	strbuf_fini(&sink->text);
	sink->full = false;
	if (!cplus_demangle_v3_callback(name, options, demangle_collect, sink) || sink->full)
		return -ENODATA;
	return strbuf_error(&sink->text);
}

static void demangle_sink_fini(struct demangle_sink *sink)
{
	strbuf_fini(&sink->text);
}

void demangle(const char *system_name, enum demangle_mode mode, struct strbuf *buf)
{
	_cleanup_(demangle_sink_fini) struct demangle_sink sink = { 0 };

	if (mode == DEMANGLE_OFF || demangle_into(system_name, mode, &sink) < 0 || sink.text.len == 0) {
		strbuf_puts(buf, system_name);
		return;
	}
	if (mode == DEMANGLE_SIMPLIFIED)
		demangle_simplify(sink.text.data);
	strbuf_puts(buf, sink.text.data);
}

/* ---- readable -> simplified ---- */

/* What was kept last. */
enum demangle_before { DEMANGLE_OTHER, DEMANGLE_NAME, DEMANGLE_OPERATOR };

/* Longest first, so that the first that fits is the whole operator. */
static const char *const demangle_operators[] = {
	"<=>", "<<=", ">>=", "->*", "()", "[]", "<<", ">>", "<=", ">=", "->", "&&", "||",
	"==",  "!=",  "++",  "--",  "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=", "<",
	">",   "=",   "!",   "+",   "-",  "*",  "/",  "%",  "^",  "&",  "|",  "~",  ",",
};

static bool demangle_is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
	       (unsigned char)c >= 0x80;
}

/* The last of a name, of "{lambda()#1}" or of "[abi:cxx11]". */
static bool demangle_ends_name(char c)
{
	return demangle_is_word(c) || c == '}' || c == ']';
}

/* Bytes of "operator+" and the like at text[i]; 0 when there is no such thing. */
static size_t demangle_operator_len(const char *text, size_t i)
{
	static const char keyword[] = "operator";
	size_t len = sizeof(keyword) - 1;

	if (strncmp(text + i, keyword, len) != 0 || (i > 0 && demangle_is_word(text[i - 1])))
		return 0;
	for (size_t k = 0; k < ARRAY_LEN(demangle_operators); k++) {
		size_t operator_len = strlen(demangle_operators[k]);

		if (strncmp(text + i + len, demangle_operators[k], operator_len) == 0)
			return len + operator_len;
	}
	return 0;
}

/* The index behind the bracket that closes text[i]; 0 when it is not closed. */
static size_t demangle_skip_group(const char *text, size_t i)
{
	char open[DEMANGLE_DEPTH_MAX];
	size_t depth = 0;

	for (size_t step; text[i]; i += step) {
		step = demangle_operator_len(text, i);
		if (step)
			continue;
		step = 1;
		if (text[i] == '<' || text[i] == '(') {
			if (depth == DEMANGLE_DEPTH_MAX)
				return 0;
			open[depth++] = text[i];
		} else if (text[i] == '>' && text[i - 1] != '-' && depth > 0 && open[depth - 1] == '<') {
			depth--;
		} else if (text[i] == ')') {
			/* What is still open in here was "less than". */
			while (depth > 0 && open[--depth] != '(')
				;
		}
		if (depth == 0)
			return i + 1;
	}
	return 0;
}

/* What stands behind the parameters of a member function. */
static size_t demangle_skip_qualifiers(const char *text, size_t i)
{
	static const char *const qualifiers[] = { " const", " volatile", " &&", " &" };

	for (size_t k = 0; k < ARRAY_LEN(qualifiers); k++) {
		size_t len = strlen(qualifiers[k]);

		if (strncmp(text + i, qualifiers[k], len) == 0 && !demangle_is_word(text[i + len]))
			i += len;
	}
	return i;
}

/*
 * The index behind what is to be dropped at text[i]; i when that is to stay. A bracket is dropped
 * when it belongs to a name before it: not in "<T as Trait>::f", "(anonymous namespace)::f".
 */
static size_t demangle_skip_dropped(const char *text, size_t i, enum demangle_before before)
{
	size_t end = 0;

	if (strncmp(text + i, "::<", 3) == 0)
		end = demangle_skip_group(text, i + 2);
	else if (before == DEMANGLE_OPERATOR && strncmp(text + i, " <", 2) == 0)
		end = demangle_skip_group(text, i + 1);
	else if (before != DEMANGLE_OTHER && (text[i] == '<' || text[i] == '('))
		end = demangle_skip_group(text, i);
	if (!end)
		return i;
	return text[i] == '(' ? demangle_skip_qualifiers(text, end) : end;
}

void demangle_simplify(char *name)
{
	enum demangle_before before = DEMANGLE_OTHER;
	size_t len = 0;

	for (size_t i = 0; name[i];) {
		size_t keep = demangle_operator_len(name, i);
		size_t end = keep ? i : demangle_skip_dropped(name, i, before);

		if (end > i) {
			i = end;
			continue;
		}
		before = keep ? DEMANGLE_OPERATOR : DEMANGLE_OTHER;
		if (!keep)
			keep = 1;
		memmove(name + len, name + i, keep);
		len += keep;
		i += keep;
		if (before == DEMANGLE_OTHER && demangle_ends_name(name[len - 1]))
			before = DEMANGLE_NAME;
	}
	name[len] = '\0';
}
