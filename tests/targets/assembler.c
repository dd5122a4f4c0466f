/* SPDX-License-Identifier: Apache-2.0 */
/* Calls what assembler_ARCH.S has written by hand, unwind information included. */
#include "target.h"

uint64_t asm_outer(uint64_t value);

int main(int argc, char **argv)
{
	uint64_t value = 1;

	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(asm_outer(value));
	target_print_chain("hot;asm_pushes;asm_in_rbx_cold;asm_outer;main");
	return target_finish();
}
