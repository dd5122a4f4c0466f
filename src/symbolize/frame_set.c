/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/frame_set.h"

#include <assert.h>

#include "base/vec.h"

void frame_set_fini(struct frame_set *set)
{
	hashmap_fini(&set->index);
	free(set->frames);
	free(set->symbols);
	free(set->locations);
	free(set->profiles);
	*set = (struct frame_set){ 0 };
}

int frame_set_add(struct frame_set *set, uint64_t frame)
{
	int err;

	if (hashmap_find(&set->index, frame))
		return 0;
	err = vec_reserve(&set->frames, &set->cap, set->cnt + 1);
	if (err < 0)
		return err;
	err = hashmap_put(&set->index, frame, set->cnt);
	if (err < 0)
		return err;
	set->frames[set->cnt++] = frame;
	return 0;
}

static int frame_set_compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

int frame_set_sort(struct frame_set *set)
{
	set->symbols = calloc(set->cnt + 1, sizeof(*set->symbols));
	set->locations = calloc(set->cnt + 1, sizeof(*set->locations));
	set->profiles = calloc(set->cnt + 1, sizeof(*set->profiles));
	if (!set->symbols || !set->locations || !set->profiles)
		return -ENOMEM;
	if (set->cnt > 0)
		qsort(set->frames, set->cnt, sizeof(*set->frames), frame_set_compare);
	for (size_t i = 0; i < set->cnt; i++)
		*hashmap_find(&set->index, set->frames[i]) = i;
	return 0;
}

size_t frame_set_find(const struct frame_set *set, uint64_t frame)
{
	const uint64_t *i = hashmap_find(&set->index, frame);

	assert(i);
	return (size_t)*i;
}
