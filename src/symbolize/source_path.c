/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/source_path.h"

#include <stdbool.h>
#include <string.h>

/* The start of the last component of path[0..len). */
static size_t source_path_last(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len;
}

static bool source_path_is_parent(const char *component, size_t len)
{
	return len == 2 && component[0] == '.' && component[1] == '.';
}

void source_path_clean(char *path)
{
	bool is_absolute = path[0] == '/';
	size_t root = is_absolute ? 1 : 0;
	size_t len = root;

	/* path[0..len) is clean and ends without a slash, but for the root. */
	for (const char *from = path + root; *from;) {
		size_t component_len = strcspn(from, "/");
		size_t last = source_path_last(path, len);
		const char *next = from + component_len + (from[component_len] == '/');

		if (component_len == 0 || (component_len == 1 && from[0] == '.')) {
			from = next;
			continue;
		}
		if (source_path_is_parent(from, component_len) && is_absolute && len == root) {
			from = next;
			continue;
		}
		if (source_path_is_parent(from, component_len) && len > root &&
		    !source_path_is_parent(path + last, len - last)) {
			len = last > root ? last - 1 : root;
			from = next;
			continue;
		}
		if (len > root)
			path[len++] = '/';
		memmove(path + len, from, component_len);
		len += component_len;
		from = next;
	}
	path[len] = '\0';
}
