/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/strbuf.h"

int file_read(const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char piece[16384];

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t len = read(fd, piece, sizeof(piece));

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		if (len == 0)
			return strbuf_take(&buf, ret, ret_len);
		if (buf.len + (size_t)len >= max)
			return -EFBIG;
		strbuf_append(&buf, piece, (size_t)len);
	}
}

int file_read_number(const char *path, int64_t *ret)
{
	_cleanup_(freep) char *text = NULL;
	char *end;
	long long number;
	int base, err = file_read(path, 4096, &text, NULL);

	if (err < 0)
		return err;
	/* Not 0, which takes 010 for 8. */
	base = strncasecmp(text, "0x", 2) == 0 ? 16 : 10;
	errno = 0;
	number = strtoll(text, &end, base);
	if (errno || end == text)
		return -EBADMSG;
	*ret = number;
	return 0;
}

static int file_write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, data, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		data += written;
		len -= (size_t)written;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int file_write_atomic(const char *path, const void *data, size_t len)
{
	_cleanup_(strbuf_fini) struct strbuf name = { 0 };
	_cleanup_(closep) int fd = -1;
	int err;

	strbuf_printf(&name, "%s.tmp-%d", path, (int)getpid());
	if (strbuf_error(&name))
		return strbuf_error(&name);
	fd = open(name.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	err = file_write_all(fd, data, len);
	if (err == 0 && rename(name.data, path) < 0)
		err = -errno;
	if (err < 0)
		unlink(name.data);
	return err;
}

static int file_make_dir(const char *path)
{
	struct stat info;

	if (mkdir(path, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &info) < 0)
		return -errno;
	return S_ISDIR(info.st_mode) ? 0 : -ENOTDIR;
}

int file_make_dirs(const char *path)
{
	_cleanup_(freep) char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *slash = copy + 1; slash[-1]; slash++) {
		char held = *slash;
		int err;

		if (held != '/' && held != '\0')
			continue;
		*slash = '\0';
		err = file_make_dir(copy);
		if (err < 0)
			return err;
		*slash = held;
		if (held == '\0')
			break;
	}
	return 0;
}
