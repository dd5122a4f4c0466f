/* SPDX-License-Identifier: Apache-2.0 */
/* Starts itself again by vfork() and exec, several times; the children run hot. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

#define CHILDREN 4

uint64_t hot(uint64_t value);
uint64_t child_work(uint64_t value);

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

TARGET_FUNCTION uint64_t child_work(uint64_t value)
{
	return TARGET_CALL(hot(value));
}

static int run_child(const char *seconds)
{
	pid_t pid = vfork();
	int status;

	if (pid == 0) {
		execl("/proc/self/exe", "execed-child", seconds, "child", (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

int main(int argc, char **argv)
{
	uint64_t value = 1;
	char seconds[32];

	target_start(argc, argv);
	if (argc > 2 && strcmp(argv[2], "child") == 0) {
		while (target_running())
			value = TARGET_CALL(child_work(value));
		return 0;
	}
	snprintf(seconds, sizeof(seconds), "%f", (argc > 1 ? strtod(argv[1], NULL) : 1) / CHILDREN);
	for (int i = 0; i < CHILDREN; i++) {
		if (run_child(seconds) != 0)
			return 1;
	}
	target_print_chain("hot;child_work;main");
	printf("cpu_ns=%llu\n",
	       (unsigned long long)(target_rusage_ns(RUSAGE_SELF) + target_rusage_ns(RUSAGE_CHILDREN)));
	return 0;
}
