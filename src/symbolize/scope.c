/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/scope.h"

#include <dwarf.h>
#include <string.h>

/* Scopes within scopes that are followed; real names stay below 20. */
#define SCOPE_DEPTH_MAX 64
/* Links from an inlined function to its declaration: an abstract instance and a specification at the most. */
#define SCOPE_LINKS_MAX 4

bool scope_is_used(Dwarf_Die *unit)
{
	switch (dwarf_srclang(unit)) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case DW_LANG_ObjC_plus_plus:
	case DW_LANG_D:
		return true;
	default:
		return false;
	}
}

/* Where the function was declared: that is where its scopes are. */
static void scope_find_declaration(Dwarf_Die *function)
{
	for (int i = 0; i < SCOPE_LINKS_MAX; i++) {
		Dwarf_Attribute value;
		Dwarf_Attribute *link = dwarf_attr(function, DW_AT_abstract_origin, &value);

		if (!link)
			link = dwarf_attr(function, DW_AT_specification, &value);
		if (!link || !dwarf_formref_die(link, function))
			return;
	}
}

static void scope_append_name(Dwarf_Die *die, struct strbuf *buf)
{
	const char *name = dwarf_diename(die);

	switch (dwarf_tag(die)) {
	case DW_TAG_namespace:
		if (!name)
			name = "(anonymous namespace)";
		break;
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
	case DW_TAG_subprogram:
		break;
	default:
		return;
	}
	if (!name)
		return;
	/* As demangled names have it: "{lambda(int)#1}"; the number is not to be had here. */
	if (strncmp(name, "<lambda", 7) == 0)
		strbuf_printf(buf, "{%.*s}::", (int)strlen(name) - 2, name + 1);
	else
		strbuf_printf(buf, "%s::", name);
}

/*
 * A DIE stands between the one that holds it and that one's next sibling, so the way down to it is,
 * on each level, the last DIE that does not stand behind it.
 */
static bool scope_descend(Dwarf_Die *die, Dwarf_Off target)
{
	Dwarf_Die child, next;

	if (dwarf_child(die, &child) != 0 || dwarf_dieoffset(&child) > target)
		return false;
	while (dwarf_siblingof(&child, &next) == 0 && dwarf_dieoffset(&next) <= target)
		child = next;
	*die = child;
	return true;
}

void scope_append(Dwarf_Die *function, struct strbuf *buf)
{
	Dwarf_Die declaration = *function, die;
	Dwarf_Off target;

	scope_find_declaration(&declaration);
	target = dwarf_dieoffset(&declaration);
	if (!dwarf_diecu(&declaration, &die, NULL, NULL))
		return;
	for (int i = 0; i < SCOPE_DEPTH_MAX && scope_descend(&die, target); i++) {
		if (dwarf_dieoffset(&die) == target)
			return;
		scope_append_name(&die, buf);
	}
}
