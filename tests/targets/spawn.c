/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spawn COUNT PARALLEL COMMAND [ARG]...: runs COMMAND that many times, so many at a time, and prints
 * what the kernel accounted to it and to its children.
 */
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

extern char **environ;

static int wait_one(long *failed)
{
	int status;

	while (wait(&status) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		(*failed)++;
	return 0;
}

int main(int argc, char **argv)
{
	long count, parallel, running = 0, failed = 0;
	pid_t pid;

	if (argc < 4)
		return 2;
	count = strtol(argv[1], NULL, 10);
	parallel = strtol(argv[2], NULL, 10);
	for (long i = 0; i < count; i++) {
		if (running == parallel && (wait_one(&failed) != 0 || running-- < 0))
			return 1;
		if (posix_spawnp(&pid, argv[3], NULL, NULL, argv + 3, environ) != 0)
			return 1;
		running++;
	}
	for (; running > 0; running--) {
		if (wait_one(&failed) != 0)
			return 1;
	}
	printf("children_cpu_ns=%llu\nfailed=%ld\n", (unsigned long long)target_rusage_ns(RUSAGE_CHILDREN), failed);
	return target_finish();
}
