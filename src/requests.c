/* SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/vec.h"
#include "unwind/unwind_table.h"

void requests_fini(struct requests *requests)
{
	free(requests->waiting);
	refusals_fini(&requests->refusals);
	*requests = (struct requests){ 0 };
}

int requests_publish(struct requests *requests, const struct executable *executable)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = NULL;
	int err = unwind_table_new(executable->object, &table);

	if (err == 0)
		err = publisher_publish(requests->publisher, &executable->key, executable->number, table);
	switch (err) {
	case 0:
	case -ENOMEM:
	case -ENOSPC:
	case -ENOENT:
		return err;
	default:
		log_debug("%s: no unwind rows: %s", executable_path(executable), strerror(-err));
		return publisher_publish_none(requests->publisher, &executable->key, executable->number);
	}
}

/* What became of the request for `number`. A failure is that executable's alone: the kernel side asks again. */
static void requests_note(struct requests *requests, uint32_t number, int err)
{
	if (err == 0) {
		refusals_remove(&requests->refusals, number);
		return;
	}
	log_debug("rows of executable %u: %s", number, strerror(-err));
	err = refusals_add(&requests->refusals, number, maps_get_epoch(requests->maps), err);
	if (err < 0)
		log_debug("executable %u: %s", number, strerror(-err));
}

static bool requests_have(const struct requests *requests, uint32_t number)
{
	for (size_t i = 0; i < requests->cnt; i++) {
		if (requests->waiting[i].number == number)
			return true;
	}
	return false;
}

static int requests_push(struct requests *requests, const struct executable *executable)
{
	int err = vec_reserve(&requests->waiting, &requests->cap, requests->cnt + 1);

	if (err < 0)
		return err;
	requests->waiting[requests->cnt++] =
		(struct request){ .number = executable->number, .file_size = executable->object->identity.size };
	return 0;
}

void requests_add(struct requests *requests, const struct pprofd_executable_record *record)
{
	struct executable *executable = NULL;
	enum publisher_wish wish;
	int err;

	if (refusals_hold(&requests->refusals, record->number, maps_get_epoch(requests->maps)) ||
	    requests_have(requests, record->number))
		return;
	wish = publisher_get_wish(requests->publisher, &record->key);
	if (wish == PUBLISHER_WISH_NONE)
		return;
	err = executables_open(requests->executables, "/proc", record, &executable);
	if (err == 0 && wish == PUBLISHER_WISH_ROWS)
		err = requests_push(requests, executable);
	else if (err == 0)
		err = publisher_set_closed(requests->publisher, &record->key, false);
	else if (err == -EBADMSG && wish == PUBLISHER_WISH_ROWS)
		err = publisher_publish_none(requests->publisher, &record->key, record->number);
	if (err < 0)
		log_debug("%.*s of process %u: %s", PPROFD_NAME_MAX, record->name, record->tgid, strerror(-err));
	/* What was pushed is noted when it is answered. */
	if (err < 0 || !requests_have(requests, record->number))
		requests_note(requests, record->number, err);
}

/* The request for the smallest file. */
static struct request requests_take(struct requests *requests)
{
	struct request taken;
	size_t least = 0;

	for (size_t i = 1; i < requests->cnt; i++) {
		if (requests->waiting[i].file_size < requests->waiting[least].file_size)
			least = i;
	}
	taken = requests->waiting[least];
	requests->waiting[least] = requests->waiting[--requests->cnt];
	return taken;
}

bool requests_answer_next(struct requests *requests)
{
	const struct executable *executable;
	struct request request;

	if (requests->cnt == 0)
		return false;
	request = requests_take(requests);
	executable = executables_find(requests->executables, request.number);
	requests_note(requests, request.number,
		      executable && executable->object && object_is_open(executable->object) ?
			      requests_publish(requests, executable) :
			      -ESTALE);
	return true;
}
