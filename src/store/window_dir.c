/* SPDX-License-Identifier: Apache-2.0 */
#include "store/window_dir.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/vec.h"

#define WINDOW_BLOCK 4096ULL
#define WINDOW_SUFFIX ".pb.gz"
/* Of a service in a file's name: leaves room for the rest below NAME_MAX, 255. */
#define WINDOW_SERVICE_MAX 128

/* A time as it stands in names: 0 is any digit, all else is itself. */
static const char window_time_shape[] = "00000000T000000.000Z";

struct window_file {
	char *name;
	uint64_t bytes;
	uint64_t mtime_ns; /* wall */
};

struct window_dir {
	char *path;
	uint64_t max_bytes;
	uint64_t bytes;
	struct window_file *files; /* oldest first */
	size_t file_cnt, file_cap;
};

static void closedirp(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}

static uint64_t window_file_bytes(uint64_t len)
{
	return (len + WINDOW_BLOCK - 1) / WINDOW_BLOCK * WINDOW_BLOCK;
}

static const char *window_skip_number(const char *text)
{
	while (isdigit((unsigned char)*text))
		text++;
	return text;
}

/* True for "Z.pb.gz", "Z-2.pb.gz", and what a write that was killed leaves: "Z.pb.gz.tmp-123". */
static bool window_tail_is_ours(const char *tail)
{
	if (*tail == '-')
		tail = window_skip_number(tail + 1);
	if (strncmp(tail, WINDOW_SUFFIX, strlen(WINDOW_SUFFIX)) != 0)
		return false;
	tail += strlen(WINDOW_SUFFIX);
	if (strncmp(tail, ".tmp-", strlen(".tmp-")) == 0)
		tail = window_skip_number(tail + strlen(".tmp-"));
	return *tail == '\0';
}

static bool window_time_matches(const char *text)
{
	for (const char *shape = window_time_shape; *shape; shape++, text++) {
		if (*shape == '0' ? !isdigit((unsigned char)*text) : *text != *shape)
			return false;
	}
	return true;
}

static bool window_name_is_ours(const char *name)
{
	for (const char *dash = strchr(name, '-'); dash; dash = strchr(dash + 1, '-')) {
		if (dash > name && window_time_matches(dash + 1) &&
		    window_tail_is_ours(dash + strlen(window_time_shape) + 1))
			return true;
	}
	return false;
}

static int window_dir_add_file(struct window_dir *dir, const char *name, uint64_t len, uint64_t mtime_ns)
{
	struct window_file file = { .bytes = window_file_bytes(len), .mtime_ns = mtime_ns };
	int err = vec_reserve(&dir->files, &dir->file_cap, dir->file_cnt + 1);

	if (err < 0)
		return err;
	file.name = strdup(name);
	if (!file.name)
		return -ENOMEM;
	dir->files[dir->file_cnt++] = file;
	dir->bytes += file.bytes;
	return 0;
}

static int window_dir_add_found(struct window_dir *dir, int fd, const char *name)
{
	struct stat status;

	if (!window_name_is_ours(name))
		return 0;
	if (fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(status.st_mode))
		return 0;
	return window_dir_add_file(dir, name, (uint64_t)status.st_size,
				   (uint64_t)status.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)status.st_mtim.tv_nsec);
}

static int window_file_compare(const void *a, const void *b)
{
	const struct window_file *x = a, *y = b;

	if (x->mtime_ns != y->mtime_ns)
		return x->mtime_ns < y->mtime_ns ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int window_dir_scan(struct window_dir *dir)
{
	_cleanup_(closedirp) DIR *stream = opendir(dir->path);
	const struct dirent *entry;

	if (!stream)
		return -errno;
	for (errno = 0; (entry = readdir(stream)); errno = 0) {
		int err = window_dir_add_found(dir, dirfd(stream), entry->d_name);

		if (err < 0)
			return err;
	}
	if (errno)
		return -errno;
	if (dir->file_cnt > 0)
		qsort(dir->files, dir->file_cnt, sizeof(*dir->files), window_file_compare);
	return 0;
}

int window_dir_new(const char *path, uint64_t max_bytes, struct window_dir **ret)
{
	_cleanup_(window_dir_freep) struct window_dir *dir = calloc(1, sizeof(*dir));
	int err;

	if (!dir)
		return -ENOMEM;
	dir->max_bytes = max_bytes;
	dir->path = strdup(path);
	if (!dir->path)
		return -ENOMEM;
	err = file_make_dirs(path);
	if (err < 0)
		return err;
	err = window_dir_scan(dir);
	if (err < 0)
		return err;
	/* Said now rather than at the end of the first window. */
	if (access(path, W_OK | X_OK) < 0)
		return -errno;
	*ret = take_ptr(dir);
	return 0;
}

void window_dir_free(struct window_dir *dir)
{
	if (!dir)
		return;
	for (size_t i = 0; i < dir->file_cnt; i++)
		free(dir->files[i].name);
	free(dir->files);
	free(dir->path);
	free(dir);
}

static int window_dir_make_path(const struct window_dir *dir, const char *name, struct strbuf *ret)
{
	strbuf_printf(ret, "%s/%s", dir->path, name);
	return strbuf_error(ret);
}

static int window_dir_remove(const struct window_dir *dir, const struct window_file *file)
{
	_cleanup_(strbuf_fini) struct strbuf path = { 0 };
	int err = window_dir_make_path(dir, file->name, &path);

	if (err < 0)
		return err;
	/* Whoever removed it before has done what is wanted. */
	return unlink(path.data) < 0 && errno != ENOENT ? -errno : 0;
}

/* Removes the oldest files until `bytes` more fit. */
static int window_dir_make_room(struct window_dir *dir, uint64_t bytes)
{
	size_t gone = 0;
	int err = 0;

	if (bytes > dir->max_bytes)
		return -EFBIG;
	for (; err == 0 && gone < dir->file_cnt && dir->bytes > dir->max_bytes - bytes; gone++) {
		err = window_dir_remove(dir, &dir->files[gone]);
		if (err < 0)
			break;
		dir->bytes -= dir->files[gone].bytes;
		free(dir->files[gone].name);
	}
	if (gone > 0) {
		dir->file_cnt -= gone;
		memmove(dir->files, dir->files + gone, dir->file_cnt * sizeof(*dir->files));
	}
	return err;
}

/* A service as part of a name: no separators, nothing that a shell or a terminal minds, not hidden. */
static void window_put_service(struct strbuf *name, const char *service)
{
	size_t len = service ? strnlen(service, WINDOW_SERVICE_MAX) : 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)service[i];
		bool plain = isalnum(c) || c == '_' || c == '-' || (c == '.' && i > 0);

		strbuf_append(name, plain && c < 0x80 ? &service[i] : "_", 1);
	}
	if (len == 0)
		strbuf_puts(name, "unknown");
}

static int window_make_base(const struct profile *profile, struct strbuf *name)
{
	time_t seconds = (time_t)(profile->time_wall_ns / NSEC_PER_SEC);
	unsigned int ms = (unsigned int)(profile->time_wall_ns % NSEC_PER_SEC / 1000000);
	char when[64];
	struct tm utc;

	window_put_service(name, profile_find_label(profile, "service_name"));
	if (!gmtime_r(&seconds, &utc) || strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &utc) == 0)
		return -EOVERFLOW;
	strbuf_printf(name, "-%s.%03uZ", when, ms);
	return strbuf_error(name);
}

/* The path of `profile` that no file has yet. */
static int window_dir_make_free_path(const struct window_dir *dir, const struct profile *profile, struct strbuf *path)
{
	_cleanup_(strbuf_fini) struct strbuf base = { 0 };
	int err = window_make_base(profile, &base);

	if (err < 0)
		return err;
	for (unsigned int i = 1;; i++) {
		strbuf_fini(path);
		strbuf_printf(path, "%s/%s", dir->path, base.data);
		if (i > 1)
			strbuf_printf(path, "-%u", i);
		strbuf_puts(path, WINDOW_SUFFIX);
		if (strbuf_error(path))
			return strbuf_error(path);
		if (faccessat(AT_FDCWD, path->data, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			break;
	}
	return errno == ENOENT ? 0 : -errno;
}

int window_dir_put(struct window_dir *dir, const struct profile *profile, const struct blob *blob)
{
	_cleanup_(strbuf_fini) struct strbuf path = { 0 };
	int err = window_dir_make_room(dir, window_file_bytes(blob->len));

	if (err < 0)
		return err;
	err = window_dir_make_free_path(dir, profile, &path);
	if (err < 0)
		return err;
	/* Counted before it is there: the other way round memory could run out in between. */
	err = window_dir_add_file(dir, path.data + strlen(dir->path) + 1, blob->len, clock_wall_ns());
	if (err < 0)
		return err;
	err = file_write_atomic(path.data, blob->data, blob->len);
	if (err < 0) {
		dir->file_cnt--;
		dir->bytes -= dir->files[dir->file_cnt].bytes;
		free(dir->files[dir->file_cnt].name);
	}
	return err;
}

uint64_t window_dir_get_bytes(const struct window_dir *dir)
{
	return dir->bytes;
}
