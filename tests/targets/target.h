/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every target program shares: it burns argv[1] seconds of CPU time in one hot function, and
 * says at its end how much CPU time it used and which stacks its hot function had.
 *
 * A chain is written leaf first, function names joined by ';'. "<libc>" stands for one or more frames
 * of the C library, "<runtime>" of the program itself; "<plt>", "<vdso>" and "<jit>" for one frame there.
 */
#ifndef PPROFD_TESTS_TARGET_H
#define PPROFD_TESTS_TARGET_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/*
 * A function of its own in the machine code: not inlined, cloned, or specialised. What calls the
 * next one does so with TARGET_CALL, which leaves work for after the call: no tail call.
 */
#if defined(__clang__)
#define TARGET_FUNCTION __attribute__((noinline, optnone, used))
#define TARGET_HOT __attribute__((noinline, used))
#else
#define TARGET_FUNCTION __attribute__((noipa, used))
#define TARGET_HOT __attribute__((noipa, used))
#endif

#define TARGET_CALL(call)                                     \
	({                                                    \
		uint64_t target_call_ret = (call);            \
		__asm__ volatile("" : "+r"(target_call_ret)); \
		target_call_ret + 1;                          \
	})

/* Around a millisecond of dependent multiplications. */
#define TARGET_SPINS 400000

/* Nonzero: leaf functions too have a frame pointer, which gcc leaves out of them whatever its options say. */
#ifndef TARGET_LEAF_FP
#define TARGET_LEAF_FP 0
#endif

/* The body of a hot function: every iteration costs the same. */
#define TARGET_SPIN(value, spins)                                                          \
	do {                                                                               \
		if (TARGET_LEAF_FP)                                                        \
			__asm__ volatile("" : : "r"(__builtin_frame_address(0)));          \
		for (uint64_t spin = 0; spin < (spins); spin++) {                          \
			(value) = (value)*6364136223846793005ULL + 1442695040888963407ULL; \
			__asm__ volatile("" : "+r"(value));                                \
		}                                                                          \
	} while (0)

static uint64_t target_deadline_ns;

static inline uint64_t target_clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		abort();
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void target_start(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;

	target_deadline_ns = target_clock_ns(CLOCK_PROCESS_CPUTIME_ID) + (uint64_t)(seconds * 1e9);
}

static inline int target_running(void)
{
	return target_clock_ns(CLOCK_PROCESS_CPUTIME_ID) < target_deadline_ns;
}

static inline uint64_t target_rusage_ns(int who)
{
	struct rusage usage;

	if (getrusage(who, &usage) != 0)
		abort();
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000u;
}

/* Every program's last words: once per chain that its hot function has. */
static inline void target_print_chain(const char *chain)
{
	printf("chain=%s\n", chain);
}

/* A chain that is as right, but comes by chance. */
static inline void target_print_rare_chain(const char *chain)
{
	printf("rare_chain=%s\n", chain);
}

static inline int target_finish(void)
{
	printf("cpu_ns=%llu\n", (unsigned long long)target_rusage_ns(RUSAGE_SELF));
	return fflush(stdout) == 0 ? 0 : 1;
}

#endif
