/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few DWARF expressions (DWARF 5, 2.5) that compilers, linkers and assembler authors use in
 * unwind information, recognised by their form instead of evaluated on a stack. Any thread.
 */
#ifndef PPROFD_UNWIND_CFI_EXPRESSION_H
#define PPROFD_UNWIND_CFI_EXPRESSION_H

#include "unwind/cfi_program.h"

/* The CFA; its kind is PPROFD_CFA_UNSUPPORTED when the form is not known. */
void cfi_parse_cfa_expression(const struct cfi_arch *arch, struct cursor expression, struct cfi_cfa *ret);

/* Where a register is saved; CFI_ELSEWHERE when the form is not known. */
void cfi_parse_slot_expression(const struct cfi_arch *arch, struct cursor expression, struct cfi_slot *ret);

#endif
