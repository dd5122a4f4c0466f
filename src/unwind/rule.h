/* SPDX-License-Identifier: Apache-2.0 */
/* What CFI says of a pc -> the kernel side's rule (abi.h). Any thread. */
#ifndef PPROFD_UNWIND_RULE_H
#define PPROFD_UNWIND_RULE_H

#include "unwind/cfi_program.h"

/* PPROFD_CFA_UNSUPPORTED when no rule expresses it. Every field without a meaning is zero. */
struct pprofd_rule rule_from_state(const struct cfi_arch *arch, const struct cfi_cie *cie,
				   const struct cfi_state *state);

#endif
