/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static _Atomic int log_level = LOG_LEVEL_INFO;

static const struct {
	const char *name;
	int syslog;
} log_levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_INFO] = { NULL, 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

void log_set_level(enum log_level level)
{
	atomic_store(&log_level, (int)level);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load(&log_level);
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[2048];
	int saved_errno = errno;
	va_list args;

	if (level > log_get_level())
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);

	/* systemd.exec(5): set when standard error goes to the journal. */
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", log_levels[level].syslog, line);
	else if (log_levels[level].name)
		fprintf(stderr, "pprofd: %s: %s\n", log_levels[level].name, line);
	else
		fprintf(stderr, "pprofd: %s\n", line);
	errno = saved_errno;
}
