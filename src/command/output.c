/* SPDX-License-Identifier: Apache-2.0 */
#include "command/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strbuf.h"

/* Whether a file can be made beside `path`, which is how it is going to be written. */
static int output_try(const char *path)
{
	_cleanup_(strbuf_fini) struct strbuf name = { 0 };
	_cleanup_(closep) int fd = -1;

	strbuf_printf(&name, "%s.try-%d", path, (int)getpid());
	if (strbuf_error(&name))
		return strbuf_error(&name);
	fd = open(name.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	return unlink(name.data) < 0 ? -errno : 0;
}

static int output_open_regular(const char *path, bool exists, struct output *ret)
{
	_cleanup_(freep) char *real = exists ? realpath(path, NULL) : strdup(path);
	int err;

	if (!real)
		return exists ? -errno : -ENOMEM;
	/* Renaming over it would work, but is not what its owner wants. */
	if (exists && access(real, W_OK) < 0)
		return -errno;
	err = output_try(real);
	if (err < 0)
		return err;
	*ret = (struct output){ .path = take_ptr(real), .fd = -1 };
	return 0;
}

int output_open(const char *path, struct output *ret)
{
	struct stat stat_buf;
	int fd;

	if (strcmp(path, "-") == 0) {
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		bool exists = stat(path, &stat_buf) == 0;

		if (!exists && errno != ENOENT)
			return -errno;
		if (!exists || S_ISREG(stat_buf.st_mode))
			return output_open_regular(path, exists, ret);
		fd = open(path, O_WRONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return -errno;
	*ret = (struct output){ .fd = fd };
	return 0;
}

void output_fini(struct output *output)
{
	free(output->path);
	closep(&output->fd);
	*output = OUTPUT_NONE;
}

int output_write(const struct output *output, const void *data, size_t len)
{
	const char *rest = data;

	if (output->path)
		return file_write_atomic(output->path, data, len);
	while (len > 0) {
		ssize_t written = write(output->fd, rest, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		rest += written;
		len -= (size_t)written;
	}
	return 0;
}
