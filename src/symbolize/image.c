/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/image.h"

#include <errno.h>
#include <string.h>

static ssize_t image_read_memory(const struct object *object, uint64_t off, void *buf, size_t len)
{
	size_t size;
	const char *image = elf_rawfile(object->elf, &size);

	if (!image || off >= size)
		return 0;
	if (len > size - off)
		len = size - off;
	memcpy(buf, image + off, len);
	return (ssize_t)len;
}

ssize_t image_read(const struct object *object, uint64_t off, void *buf, size_t len)
{
	size_t done = 0;

	if (off > INT64_MAX - len)
		return -EINVAL;
	if (object->fd < 0)
		return image_read_memory(object, off, buf, len);
	while (done < len) {
		ssize_t got = pread(object->fd, (char *)buf + done, len - done, (off_t)(off + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}
