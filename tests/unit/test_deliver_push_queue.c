/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "deliver/push_queue.h"

/* Puts `len` bytes of `mark`; how many went for it. */
static size_t put(struct push_queue *queue, char mark, size_t len)
{
	struct blob blob = { malloc(len), len };
	size_t dropped = SIZE_MAX;

	assert_non_null(blob.data);
	memset(blob.data, mark, len);
	assert_int_equal(push_queue_put(queue, &blob, &dropped), 0);
	assert_null(blob.data);
	assert_int_equal(blob.len, 0);
	return dropped;
}

/* `want`: a mark for each blob, in order. */
static void assert_queue(const struct push_queue *queue, const char *want)
{
	size_t bytes = 0, cnt = 0;

	for (const struct push_item *item = queue->first; item; item = item->next, cnt++) {
		assert_true(want[cnt] != '\0');
		assert_int_equal(item->blob.data[0], want[cnt]);
		bytes += item->blob.len;
	}
	assert_int_equal(cnt, strlen(want));
	assert_int_equal(queue->cnt, cnt);
	assert_int_equal(queue->bytes, bytes);
	assert_true(bytes <= queue->bytes_max);
}

static void push_queue_put__keeps_the_order(void **state)
{
	_cleanup_(push_queue_fini) struct push_queue queue = { .bytes_max = 100 };

	(void)state;
	for (int round = 0; round < 3; round++) {
		assert_int_equal(put(&queue, 'a', 10), 0);
		assert_int_equal(put(&queue, 'b', 20), 0);
		assert_int_equal(put(&queue, 'c', 70), 0);
		assert_queue(&queue, "abc");
		push_queue_drop_first(&queue);
		assert_queue(&queue, "bc");
		push_queue_drop_first(&queue);
		push_queue_drop_first(&queue);
		assert_queue(&queue, "");
	}
}

static void push_queue_put__lets_the_oldest_go_when_it_is_full(void **state)
{
	_cleanup_(push_queue_fini) struct push_queue queue = { .bytes_max = 100 };

	(void)state;
	put(&queue, 'a', 40);
	put(&queue, 'b', 40);
	put(&queue, 'c', 20);
	assert_int_equal(put(&queue, 'd', 1), 1);
	assert_queue(&queue, "bcd");
	assert_int_equal(put(&queue, 'e', 99), 2);
	assert_queue(&queue, "de");
	assert_int_equal(put(&queue, 'f', 100), 2);
	assert_queue(&queue, "f");
}

static void push_queue_put__does_not_touch_what_is_held(void **state)
{
	_cleanup_(push_queue_fini) struct push_queue queue = { .bytes_max = 100 };

	(void)state;
	put(&queue, 'a', 60);
	put(&queue, 'b', 30);
	queue.held = true;
	assert_int_equal(put(&queue, 'c', 40), 1);
	assert_queue(&queue, "ac");
	/* Beside what is held there is no room for it: all others stay. */
	assert_int_equal(put(&queue, 'd', 41), 1);
	assert_queue(&queue, "ac");
	push_queue_drop_first(&queue);
	assert_false(queue.held);
	assert_queue(&queue, "c");
	put(&queue, 'e', 1);
	assert_queue(&queue, "ce");
}

static void push_queue_put__lets_go_what_never_fits(void **state)
{
	_cleanup_(push_queue_fini) struct push_queue queue = { .bytes_max = 100 };

	(void)state;
	put(&queue, 'a', 60);
	assert_int_equal(put(&queue, 'b', 101), 1);
	assert_queue(&queue, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_queue_put__keeps_the_order),
		cmocka_unit_test(push_queue_put__lets_the_oldest_go_when_it_is_full),
		cmocka_unit_test(push_queue_put__does_not_touch_what_is_held),
		cmocka_unit_test(push_queue_put__lets_go_what_never_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
