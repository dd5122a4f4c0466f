/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/cpus.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CPUS_OFFLINE "offline@"
#define CPUS_ONLINE "online@"
#define CPUS_DEVICE "/devices/system/cpu/cpu"

int cpus_parse_list(const char *list, bool *marks, uint32_t cpu_cnt)
{
	while (*list && *list != '\n') {
		char *end;
		unsigned long first = strtoul(list, &end, 10);
		unsigned long last = first;

		if (end == list)
			return -EBADMSG;
		if (*end == '-') {
			list = end + 1;
			last = strtoul(list, &end, 10);
			if (end == list)
				return -EBADMSG;
		}
		if (*end && *end != ',' && *end != '\n')
			return -EBADMSG;
		for (unsigned long cpu = first; cpu <= last && cpu < cpu_cnt; cpu++)
			marks[cpu] = true;
		list = *end == ',' ? end + 1 : end;
	}
	return 0;
}

/* What follows `prefix` in `text`; NULL when it begins otherwise. */
static const char *skip_prefix(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

bool cpus_parse_message(const char *message, size_t len, uint32_t *ret_cpu, bool *ret_is_offline)
{
	const char *device, *digits;
	unsigned long cpu;
	bool is_offline;
	char *end;

	if (!memchr(message, '\0', len))
		return false;
	device = skip_prefix(message, CPUS_OFFLINE);
	is_offline = device != NULL;
	if (!device)
		device = skip_prefix(message, CPUS_ONLINE);
	digits = device ? skip_prefix(device, CPUS_DEVICE) : NULL;
	if (!digits)
		return false;
	cpu = strtoul(digits, &end, 10);
	if (end == digits || *end || cpu > UINT32_MAX)
		return false;
	*ret_cpu = (uint32_t)cpu;
	*ret_is_offline = is_offline;
	return true;
}

int cpus_open_messages(void)
{
	/* Group 1 is the kernel's own. */
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}
