/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/rule.h"

#define RULE_WORD 8

/* n of "saved at top - 8 * n"; 0 when there is none such up to `max`. */
static uint8_t rule_count_words(int64_t top, int64_t off, uint8_t max)
{
	int64_t below = top - off;

	if (below % RULE_WORD != 0 || below < RULE_WORD || below > (int64_t)max * RULE_WORD)
		return 0;
	return (uint8_t)(below / RULE_WORD);
}

static bool rule_set_cfa(struct pprofd_rule *rule, const struct cfi_cfa *cfa)
{
	if (cfa->kind == PPROFD_CFA_UNSUPPORTED || cfa->off < INT32_MIN || cfa->off > INT32_MAX ||
	    cfa->add < INT16_MIN || cfa->add > INT16_MAX)
		return false;
	rule->cfa = cfa->kind;
	rule->base = cfa->base;
	rule->index = cfa->index;
	rule->off = (int32_t)cfa->off;
	rule->add = (int16_t)cfa->add;
	return true;
}

static bool rule_set_ra(struct pprofd_rule *rule, const struct cfi_arch *arch, const struct cfi_slot *slot)
{
	if (slot->where == CFI_SAME)
		return arch->ra_in_register;
	/* vfork() keeps it in a register, out of reach of the child that shares its stack. */
	if (slot->where == CFI_IN_REGISTER && !arch->ra_in_register && rule->cfa == PPROFD_CFA_REG) {
		rule->add = (int16_t)(slot->off + 1);
		return true;
	}
	if (slot->where != CFI_AT_CFA)
		return false;
	rule->ra = rule_count_words(0, slot->off, UINT8_MAX);
	return rule->ra > 0;
}

static void rule_set_saved(struct pprofd_rule *rule, size_t i, const struct cfi_slot *slot)
{
	bool has_mask = rule->cfa == PPROFD_CFA_REG || rule->cfa == PPROFD_CFA_DEREF;
	uint8_t words = 0;

	if (slot->where == CFI_SAME)
		return;
	if (slot->where == CFI_AT_CFA)
		words = rule_count_words(0, slot->off, PPROFD_SAVED_LOST - 1);
	if (slot->where == CFI_AT_FP && has_mask) {
		words = rule_count_words(RULE_WORD, slot->off, PPROFD_SAVED_LOST - 1);
		if (words > 0)
			rule->index |= (uint8_t)(1u << i);
	}
	rule->saved[i] = words > 0 ? words : PPROFD_SAVED_LOST;
}

struct pprofd_rule rule_from_state(const struct cfi_arch *arch, const struct cfi_cie *cie,
				   const struct cfi_state *state)
{
	const struct cfi_slot *ra = &state->slots[arch->slots[arch->ra_reg]];
	struct pprofd_rule rule = { 0 };

	if (cie->is_signal)
		return (struct pprofd_rule){ .cfa = PPROFD_CFA_SIGNAL };
	if (cie->ra_reg != arch->ra_reg)
		return (struct pprofd_rule){ .cfa = PPROFD_CFA_UNSUPPORTED };
	if (ra->where == CFI_UNDEFINED)
		return (struct pprofd_rule){ .cfa = PPROFD_CFA_END };
	if (!rule_set_cfa(&rule, &state->cfa) || !rule_set_ra(&rule, arch, ra))
		return (struct pprofd_rule){ .cfa = PPROFD_CFA_UNSUPPORTED };
	for (size_t i = 0; i < PPROFD_SAVED_CNT; i++)
		rule_set_saved(&rule, i, &state->slots[i]);
	return rule;
}
