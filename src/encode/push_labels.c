/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/push_labels.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "encode/push.h"

/* Ours, added to the profile's own. */
#define PUSH_OWN_LABELS_MAX 3

/* Without these the server refuses the series, or reads it wrongly. */
static bool push_label_is_required(const char *name)
{
	return strcmp(name, "__name__") == 0 || strcmp(name, "__delta__") == 0 || strcmp(name, "service_name") == 0;
}

/* The same in every locale, which isalnum() is not. */
static bool push_label_takes(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static char *push_label_make_name(const char *name, struct arena *arena)
{
	size_t len = strnlen(name, PUSH_LABEL_NAME_MAX - 1);
	bool prefix = len == 0 || (name[0] >= '0' && name[0] <= '9');
	char *made = arena_alloc(arena, len + 2);
	char *out = made;

	if (!made)
		return NULL;
	if (prefix)
		*out++ = '_';
	for (size_t i = 0; i < len; i++, out++)
		*out = push_label_takes(name[i], out == made) ? name[i] : '_';
	*out = '\0';
	return made;
}

static char *push_label_make_value(const char *value, struct arena *arena)
{
	_cleanup_(strbuf_fini) struct strbuf mended = { 0 };

	/* Mending makes text longer, never shorter: a value cut here is long enough afterwards. */
	utf8_append_mended(&mended, value, utf8_clip(value, strlen(value), PUSH_LABEL_VALUE_MAX));
	if (strbuf_error(&mended))
		return NULL;
	return arena_strndup(arena, strbuf_text(&mended),
			     utf8_clip(strbuf_text(&mended), mended.len, PUSH_LABEL_VALUE_MAX));
}

/* Two labels of one name are one to the server: the first stays. An empty value is no label. */
static int push_labels_add(struct push_labels *labels, const char *name, const char *value, struct arena *arena)
{
	struct profile_label label;

	if (!value || !*value)
		return 0;
	label.name = push_label_make_name(name, arena);
	label.value = push_label_make_value(value, arena);
	if (!label.name || !label.value)
		return -ENOMEM;
	for (size_t i = 0; i < labels->cnt; i++) {
		if (strcmp(labels->labels[i].name, label.name) == 0)
			return 0;
	}
	labels->labels[labels->cnt++] = label;
	return 0;
}

static int push_label_compare(const void *a, const void *b)
{
	const struct profile_label *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void push_labels_bound(struct push_labels *labels)
{
	for (size_t i = labels->cnt; i-- > 0 && labels->cnt > PUSH_LABELS_MAX;) {
		if (push_label_is_required(labels->labels[i].name))
			continue;
		memmove(&labels->labels[i], &labels->labels[i + 1], (labels->cnt - i - 1) * sizeof(*labels->labels));
		labels->cnt--;
	}
}

int push_labels_init(struct push_labels *labels, const struct profile *profile, struct arena *arena)
{
	struct push_labels made = { 0 };
	int err;

	made.labels = arena_calloc(arena, profile->label_cnt + PUSH_OWN_LABELS_MAX, sizeof(*made.labels));
	if (!made.labels)
		return -ENOMEM;
	err = push_labels_add(&made, "__name__", profile->name, arena);
	if (err < 0)
		return err;
	/* Pyroscope's first storage takes alloc_* values for running totals unless told. */
	err = push_labels_add(&made, "__delta__", "false", arena);
	if (err < 0)
		return err;
	for (size_t i = 0; i < profile->label_cnt; i++) {
		err = push_labels_add(&made, profile->labels[i].name, profile->labels[i].value, arena);
		if (err < 0)
			return err;
	}
	/* What OpenTelemetry says of a service without a name; kept off when there is one. */
	err = push_labels_add(&made, "service_name", "unknown_service", arena);
	if (err < 0)
		return err;
	qsort(made.labels, made.cnt, sizeof(*made.labels), push_label_compare);
	push_labels_bound(&made);
	*labels = made;
	return 0;
}

uint64_t push_labels_hash(const struct push_labels *labels)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < labels->cnt; i++) {
		const uint64_t words[] = {
			hash,
			hashmap_hash_bytes(labels->labels[i].name, strlen(labels->labels[i].name)),
			hashmap_hash_bytes(labels->labels[i].value, strlen(labels->labels[i].value)),
		};

		hash = hashmap_hash_bytes(words, sizeof(words));
	}
	return hash;
}
