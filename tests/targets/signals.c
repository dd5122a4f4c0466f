/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal handler that runs hot. argv[2] says how the signal comes:
 *
 * raise     raised by the program itself, within the C library
 * timer     by a timer, in the middle of a function that only computes
 * altstack  as timer, on an alternative stack below the ordinary one
 * above     as timer, in a thread whose alternative stack lies above its ordinary one
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "target.h"

#define STACK_BYTES (256u << 10)

uint64_t hot(uint64_t value);
void on_signal(int number);
uint64_t interrupted(uint64_t value);
uint64_t interrupt_by_timer(uint64_t value);
uint64_t raiser(uint64_t value);
void *thread_main(void *arg);

static volatile uint64_t sink = 1;
static volatile sig_atomic_t arrived;

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, 20 * TARGET_SPINS);
	return value;
}

TARGET_FUNCTION void on_signal(int number)
{
	(void)number;
	sink = TARGET_CALL(hot(sink));
	arrived = 1;
}

/* Computes until the signal has come; it calls nothing, so it is always the one interrupted. */
TARGET_HOT uint64_t interrupted(uint64_t value)
{
	while (!arrived)
		value = value * 6364136223846793005ULL + 1;
	return value;
}

TARGET_FUNCTION uint64_t raiser(uint64_t value)
{
	return value + (uint64_t)TARGET_CALL((uint64_t)raise(SIGUSR1));
}

static void handle(int number, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	if (sigaction(number, &action, NULL) != 0)
		abort();
}

/* One signal at a time: the next is asked for when the last one's handler is done. */
TARGET_FUNCTION uint64_t interrupt_by_timer(uint64_t value)
{
	struct itimerval timer = { .it_value = { 0, 500 } };

	arrived = 0;
	if (setitimer(ITIMER_REAL, &timer, NULL) != 0)
		abort();
	return TARGET_CALL(interrupted(value));
}

static void use_altstack(void *memory)
{
	stack_t stack = { .ss_sp = memory, .ss_size = STACK_BYTES };

	if (sigaltstack(&stack, NULL) != 0)
		abort();
}

TARGET_FUNCTION void *thread_main(void *arg)
{
	use_altstack(arg);
	while (target_running())
		sink = TARGET_CALL(interrupt_by_timer(sink));
	return NULL;
}

/* A thread whose stack is the lower half of one piece of memory, and its alternative stack the upper. */
static int run_above(void)
{
	char *memory = mmap(NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t alarm_set;

	handle(SIGALRM, SA_ONSTACK);
	sigemptyset(&alarm_set);
	sigaddset(&alarm_set, SIGALRM);
	if (memory == MAP_FAILED || pthread_attr_init(&attr) != 0 ||
	    pthread_attr_setstack(&attr, memory, STACK_BYTES) != 0 ||
	    pthread_create(&thread, &attr, thread_main, memory + STACK_BYTES) != 0 ||
	    pthread_sigmask(SIG_BLOCK, &alarm_set, NULL) != 0)
		return 1;
	if (pthread_join(thread, NULL) != 0)
		return 1;
	target_print_chain("hot;on_signal;<libc>;interrupted;interrupt_by_timer;thread_main;<libc>");
	target_print_rare_chain("hot;on_signal;<libc>;interrupt_by_timer;thread_main;<libc>");
	return target_finish();
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "raise";

	target_start(argc, argv);
	if (strcmp(mode, "above") == 0)
		return run_above();
	if (strcmp(mode, "raise") == 0) {
		handle(SIGUSR1, 0);
		while (target_running())
			sink = TARGET_CALL(raiser(sink));
		target_print_chain("hot;on_signal;<libc>;raiser;main");
		return target_finish();
	}
	if (strcmp(mode, "altstack") == 0)
		use_altstack(malloc(STACK_BYTES));
	handle(SIGALRM, strcmp(mode, "altstack") == 0 ? SA_ONSTACK : 0);
	while (target_running())
		sink = TARGET_CALL(interrupt_by_timer(sink));
	target_print_chain("hot;on_signal;<libc>;interrupted;interrupt_by_timer;main");
	/* Too late for the timer: the signal comes when setitimer() returns. */
	target_print_rare_chain("hot;on_signal;<libc>;interrupt_by_timer;main");
	return target_finish();
}
