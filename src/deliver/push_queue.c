/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/push_queue.h"

#include <assert.h>
#include <errno.h>

/* Unlinks and releases what *link points to. */
static void push_queue_remove(struct push_queue *queue, struct push_item **link)
{
	struct push_item *item = *link;

	*link = item->next;
	if (!item->next)
		queue->end = link;
	queue->cnt--;
	queue->bytes -= item->blob.len;
	blob_fini(&item->blob);
	free(item);
}

void push_queue_fini(struct push_queue *queue)
{
	while (queue->first)
		push_queue_remove(queue, &queue->first);
}

/* Releases the oldest that are not held until `len` more bytes fit; they can. */
static size_t push_queue_make_room(struct push_queue *queue, size_t len)
{
	struct push_item **oldest = queue->held ? &queue->first->next : &queue->first;
	size_t cnt = 0;

	for (; queue->bytes_max - queue->bytes < len; cnt++)
		push_queue_remove(queue, oldest);
	return cnt;
}

int push_queue_put(struct push_queue *queue, struct blob *blob, size_t *ret_dropped)
{
	_cleanup_(blob_fini) struct blob taken = *blob;
	size_t held_bytes = queue->held ? queue->first->blob.len : 0;
	struct push_item *item;

	*blob = (struct blob){ 0 };
	if (taken.len > queue->bytes_max - held_bytes) {
		*ret_dropped = 1;
		return 0;
	}
	item = calloc(1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	*ret_dropped = push_queue_make_room(queue, taken.len);
	item->blob = taken;
	taken = (struct blob){ 0 };
	if (!queue->end)
		queue->end = &queue->first;
	*queue->end = item;
	queue->end = &item->next;
	queue->cnt++;
	queue->bytes += item->blob.len;
	return 0;
}

void push_queue_drop_first(struct push_queue *queue)
{
	assert(queue->first);
	queue->held = false;
	push_queue_remove(queue, &queue->first);
}
