/* SPDX-License-Identifier: Apache-2.0 */
#include "target/process.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

/* Far above what either file takes. */
#define PROC_FILE_MAX 65536

static int process_read_file(const char *proc_root, uint32_t pid, const char *name, char **ret)
{
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/%u/%s", proc_root, pid, name);
	err = file_read(path, PROC_FILE_MAX, ret, NULL);
	return err == -ENOENT ? -ESRCH : err;
}

/* proc_pid_stat(5): "pid (comm) state ppid ... starttime ..."; comm may hold blanks and parentheses. */
static int process_parse_stat(const char *stat, struct process *process)
{
	const char *open = strchr(stat, '(');
	const char *close = strrchr(stat, ')');
	unsigned long long start_ticks;
	size_t len;

	if (!open || !close || close < open)
		return -EBADMSG;
	/* starttime is field 22: the twentieth behind comm. */
	if (sscanf(close + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &start_ticks) != 1)
		return -EBADMSG;
	len = (size_t)(close - open - 1);
	if (len >= sizeof(process->comm))
		len = sizeof(process->comm) - 1;
	memcpy(process->comm, open + 1, len);
	process->comm[len] = '\0';
	process->start_ticks = start_ticks;
	return 0;
}

static int process_parse_status(const char *status, struct process *process)
{
	const char *line = strstr(status, "\nTgid:");

	return line && sscanf(line, "\nTgid: %u", &process->tgid) == 1 ? 0 : -EBADMSG;
}

/* NULL in process->exe is an answer: kernel threads have none, and it takes ptrace rights to read. */
static int process_read_exe(const char *proc_root, uint32_t pid, struct process *process)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%u/exe", proc_root, pid);
	len = readlink(path, target, sizeof(target));
	if (len < 0)
		return 0;
	process->exe = strndup(target, (size_t)len);
	return process->exe ? 0 : -ENOMEM;
}

int process_read(const char *proc_root, uint32_t pid, struct process *ret)
{
	_cleanup_(freep) char *stat = NULL;
	_cleanup_(freep) char *status = NULL;
	struct process process = { 0 };
	int err = process_read_file(proc_root, pid, "stat", &stat);

	if (err == 0)
		err = process_read_file(proc_root, pid, "status", &status);
	if (err == 0)
		err = process_parse_stat(stat, &process);
	if (err == 0)
		err = process_parse_status(status, &process);
	if (err == 0)
		err = process_read_exe(proc_root, pid, &process);
	if (err < 0)
		return err;
	*ret = process;
	return 0;
}

void process_fini(struct process *process)
{
	free(process->exe);
	*process = (struct process){ 0 };
}
