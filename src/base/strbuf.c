/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/vec.h"

void strbuf_fini(struct strbuf *buf)
{
	free(buf->data);
	*buf = (struct strbuf){ 0 };
}

static int strbuf_reserve(struct strbuf *buf, size_t more)
{
	if (buf->error)
		return buf->error;
	if (more > SIZE_MAX - buf->len - 1)
		buf->error = -ENOMEM;
	else
		buf->error = vec_reserve(&buf->data, &buf->cap, buf->len + more + 1);
	return buf->error;
}

void strbuf_append(struct strbuf *buf, const void *data, size_t len)
{
	if (strbuf_reserve(buf, len) < 0)
		return;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void strbuf_puts(struct strbuf *buf, const char *text)
{
	strbuf_append(buf, text, strlen(text));
}

void strbuf_printf(struct strbuf *buf, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || strbuf_reserve(buf, (size_t)len) < 0) {
		buf->error = -ENOMEM;
		return;
	}
	va_start(args, format);
	vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
}

int strbuf_take(struct strbuf *buf, char **ret, size_t *ret_len)
{
	if (!buf->data)
		strbuf_puts(buf, "");
	if (buf->error)
		return buf->error;
	*ret = buf->data;
	if (ret_len)
		*ret_len = buf->len;
	*buf = (struct strbuf){ 0 };
	return 0;
}
