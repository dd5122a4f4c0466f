/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/debugfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <zlib.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "symbolize/image.h"

#define DEBUGFILE_PIECE (256u << 10)

struct debugfile_link {
	const char *name; /* without directory */
	uint32_t checksum;
};

/* "Not there" and "not usable" are the same to whoever looks in many places. */
static int debugfile_open_path(const char *path, struct object **ret)
{
	int err = object_new_path(path, ret);

	return err == 0 || err == -ENOMEM ? err : -ENODATA;
}

static bool debugfile_has_build_id(const struct object *candidate, const unsigned char *build_id, size_t build_id_len)
{
	return candidate->build_id_len == build_id_len && memcmp(candidate->build_id, build_id, build_id_len) == 0;
}

static void debugfile_format_path(struct strbuf *path, const char *root, const unsigned char *build_id,
				  size_t build_id_len)
{
	strbuf_printf(path, "%s/.build-id/%02x/", root, build_id[0]);
	for (size_t k = 1; k < build_id_len; k++)
		strbuf_printf(path, "%02x", build_id[k]);
	strbuf_puts(path, ".debug");
}

int debugfile_open_build_id(const char *const *roots, const void *build_id, size_t build_id_len, int *ret)
{
	for (size_t i = 0; roots[i] && build_id_len > 1; i++) {
		_cleanup_(strbuf_fini) struct strbuf path = { 0 };
		int fd;

		debugfile_format_path(&path, roots[i], build_id, build_id_len);
		if (strbuf_error(&path))
			return strbuf_error(&path);
		fd = open(strbuf_text(&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd >= 0) {
			*ret = fd;
			return 0;
		}
	}
	return -ENODATA;
}

static int debugfile_try_build_id(const struct object *object, const char *root, struct object **ret)
{
	_cleanup_(object_freep) struct object *candidate = NULL;
	_cleanup_(strbuf_fini) struct strbuf path = { 0 };
	int err;

	debugfile_format_path(&path, root, object->build_id, object->build_id_len);
	if (strbuf_error(&path))
		return strbuf_error(&path);
	err = debugfile_open_path(strbuf_text(&path), &candidate);
	if (err < 0)
		return err;
	if (!debugfile_has_build_id(candidate, object->build_id, object->build_id_len))
		return -ENODATA;
	*ret = take_ptr(candidate);
	return 0;
}

/* .gnu_debuglink: the name, zeros up to a multiple of four, the checksum. */
static int debugfile_read_link(const struct object *object, struct debugfile_link *ret)
{
	GElf_Shdr header;
	Elf_Data *data;
	size_t name_len, pos;
	int err = object_get_section(object, ".gnu_debuglink", &header, &data);

	if (err < 0)
		return err == -ENOMEM ? err : -ENODATA;
	name_len = strnlen(data->d_buf, data->d_size);
	pos = (name_len + 1 + 3) & ~(size_t)3;
	if (name_len == 0 || pos > data->d_size || data->d_size - pos < sizeof(ret->checksum))
		return -ENODATA;
	ret->name = data->d_buf;
	memcpy(&ret->checksum, (const char *)data->d_buf + pos, sizeof(ret->checksum));
	return strchr(ret->name, '/') ? -ENODATA : 0;
}

static bool debugfile_has_checksum(const struct object *candidate, uint32_t checksum)
{
	_cleanup_(freep) unsigned char *piece = malloc(DEBUGFILE_PIECE);
	uLong sum = crc32(0, NULL, 0);
	uint64_t off = 0;

	while (piece && off < DEBUGFILE_CHECKED_MAX) {
		ssize_t got = image_read(candidate, off, piece, DEBUGFILE_PIECE);

		if (got < 0)
			return false;
		if (got == 0)
			return sum == checksum;
		sum = crc32(sum, piece, (uInt)got);
		off += (uint64_t)got;
	}
	return false;
}

static bool debugfile_belongs_to(const struct object *candidate, const struct object *object, uint32_t checksum)
{
	if (object->build_id_len > 0 && candidate->build_id_len > 0)
		return debugfile_has_build_id(candidate, object->build_id, object->build_id_len);
	return debugfile_has_checksum(candidate, checksum);
}

/* Tries <root><directory of object><subdirectory><name>. */
static int debugfile_try_link(const struct object *object, const struct debugfile_link *link, const char *root,
			      const char *subdirectory, struct object **ret)
{
	_cleanup_(object_freep) struct object *candidate = NULL;
	_cleanup_(strbuf_fini) struct strbuf path = { 0 };
	const char *slash = strrchr(object->path, '/');
	int err;

	strbuf_puts(&path, root);
	strbuf_append(&path, object->path, (size_t)(slash - object->path) + 1);
	strbuf_puts(&path, subdirectory);
	strbuf_puts(&path, link->name);
	if (strbuf_error(&path))
		return strbuf_error(&path);
	if (strcmp(strbuf_text(&path), object->path) == 0)
		return -ENODATA;
	err = debugfile_open_path(strbuf_text(&path), &candidate);
	if (err < 0)
		return err;
	if (!debugfile_belongs_to(candidate, object, link->checksum)) {
		log_debug("%s is not the debug file of %s", candidate->path, object->path);
		return -ENODATA;
	}
	*ret = take_ptr(candidate);
	return 0;
}

static int debugfile_open_link(const struct object *object, const char *const *roots, struct object **ret)
{
	struct debugfile_link link;
	int err = debugfile_read_link(object, &link);

	if (err < 0)
		return err;
	if (object->path[0] != '/')
		return -ENODATA;
	err = debugfile_try_link(object, &link, "", "", ret);
	if (err == -ENODATA)
		err = debugfile_try_link(object, &link, "", ".debug/", ret);
	for (size_t i = 0; roots[i] && err == -ENODATA; i++)
		err = debugfile_try_link(object, &link, roots[i], "", ret);
	return err;
}

int debugfile_open(const struct object *object, const char *const *roots, struct object **ret)
{
	int err = -ENODATA;

	for (size_t i = 0; roots[i] && object->build_id_len > 1 && err == -ENODATA; i++)
		err = debugfile_try_build_id(object, roots[i], ret);
	return err == -ENODATA ? debugfile_open_link(object, roots, ret) : err;
}
