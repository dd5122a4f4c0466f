/* SPDX-License-Identifier: Apache-2.0 */
/* Spends its time in the kernel, in read(). */
#include <fcntl.h>
#include <unistd.h>

#include "target.h"

uint64_t hot(uint64_t value, int fd);

static char buffer[1 << 20];

TARGET_HOT uint64_t hot(uint64_t value, int fd)
{
	for (int i = 0; i < 20; i++)
		value += (uint64_t)read(fd, buffer, sizeof(buffer));
	return value;
}

int main(int argc, char **argv)
{
	uint64_t value = 1;
	int fd = open("/dev/zero", O_RDONLY);

	if (fd < 0)
		return 1;
	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(hot(value, fd));
	target_print_chain("<libc>;hot;main");
	target_print_rare_chain("hot;main");
	target_print_rare_chain("<plt>;hot;main");
	return target_finish();
}
