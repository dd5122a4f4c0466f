/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code made at run time, in memory without a file and without unwind information, but with a frame
 * pointer, as JIT compilers of language runtimes make it: it calls back into compiled code.
 */
#include <string.h>
#include <sys/mman.h>

#include "target.h"

uint64_t hot(uint64_t value);
uint64_t calls_jit(uint64_t value);

static uint64_t (*jitted)(uint64_t value, uint64_t (*callee)(uint64_t));

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

TARGET_FUNCTION uint64_t calls_jit(uint64_t value)
{
	return TARGET_CALL(jitted(value, hot));
}

static int make_code(void)
{
#if defined(__x86_64__)
	/* push %rbp; mov %rsp,%rbp; sub $32,%rsp; call *%rsi; leave; ret */
	static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0xff, 0xd6, 0xc9, 0xc3 };
#elif defined(__aarch64__)
	/* stp x29,x30,[sp,#-32]!; mov x29,sp; blr x1; ldp x29,x30,[sp],#32; ret */
	static const uint32_t code[] = { 0xa9be7bfd, 0x910003fd, 0xd63f0020, 0xa8c27bfd, 0xd65f03c0 };
#endif
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -1;
	memcpy(memory, code, sizeof(code));
	__builtin___clear_cache(memory, memory + sizeof(code));
	*(void **)&jitted = memory;
	return mprotect(memory, 4096, PROT_READ | PROT_EXEC);
}

int main(int argc, char **argv)
{
	uint64_t value = 1;

	if (make_code() != 0)
		return 1;
	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(calls_jit(value));
	target_print_chain("hot;<jit>;calls_jit;main");
	return target_finish();
}
