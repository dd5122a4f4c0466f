/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to standard error, one line each, with the syslog prefix (<3>, <4> ...) when journald
 * reads them. Only command/ and pipeline log above debug; the other folders return errors.
 * Any thread.
 */
#ifndef PPROFD_BASE_LOG_H
#define PPROFD_BASE_LOG_H

#include "base/cleanup.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Writes one line; does not change errno. */
void log_write(enum log_level level, const char *format, ...) _printf_(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                           \
	do {                                                     \
		if (log_get_level() >= LOG_LEVEL_DEBUG)          \
			log_write(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)

#endif
