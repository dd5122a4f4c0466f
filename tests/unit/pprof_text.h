/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoded bytes -> text to compare with, read by the wire format's rules and the field numbers of
 * the public formats alone: with none of the code or the .proto files that wrote them.
 * What is malformed fails the test.
 */
#ifndef TESTS_UNIT_PPROF_TEXT_H
#define TESTS_UNIT_PPROF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/strbuf.h"

/* One field of a message. */
struct wire_field {
	uint64_t number;
	uint64_t value;            /* of a varint */
	const unsigned char *data; /* of anything with a length; NULL for a varint */
	size_t len;
};

/* A message being read; starts as the whole of it. */
struct wire {
	const unsigned char *data;
	size_t len;
};

/* False at the end. */
bool wire_next(struct wire *wire, struct wire_field *ret);
uint64_t wire_take_varint(struct wire *wire);

/* Unpacks one gzip member that ends where the blob ends; *ret is the caller's; blob_fini(). */
void gunzip(const struct blob *blob, struct blob *ret);

/* One line each: types, time, comment, mappings, locations, samples, in the order of the message. */
void pprof_text_append(struct strbuf *out, const void *data, size_t len);

#endif
