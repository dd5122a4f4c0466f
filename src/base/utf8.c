/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd"
#define UTF8_HIGH_BITS 0x8080808080808080ULL

/* A row of table 3-7: the range of the second byte; all later ones are 80..bf. */
struct utf8_lead {
	unsigned char first, last; /* lead bytes of this row */
	unsigned char len;         /* of the character */
	unsigned char low, high;   /* second byte */
};

static const struct utf8_lead utf8_leads[] = {
	{ 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf }, { 0xe1, 0xec, 3, 0x80, 0xbf },
	{ 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf }, { 0xf0, 0xf0, 4, 0x90, 0xbf },
	{ 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

static const struct utf8_lead *utf8_find_lead(unsigned char byte)
{
	for (size_t i = 0; i < ARRAY_LEN(utf8_leads); i++) {
		if (byte >= utf8_leads[i].first && byte <= utf8_leads[i].last)
			return &utf8_leads[i];
	}
	return NULL;
}

/* Bytes of the character or of the invalid run that `text` begins with; len > 0. */
static size_t utf8_step(const unsigned char *text, size_t len, bool *ret_valid)
{
	const struct utf8_lead *lead;
	size_t i = 1;

	*ret_valid = text[0] < 0x80;
	if (*ret_valid)
		return 1;
	lead = utf8_find_lead(text[0]);
	if (!lead || len < 2 || text[1] < lead->low || text[1] > lead->high)
		return 1;
	for (i = 2; i < lead->len; i++) {
		if (i >= len || (text[i] & 0xc0) != 0x80)
			return i;
	}
	*ret_valid = true;
	return i;
}

size_t utf8_find_invalid(const char *text, size_t len)
{
	size_t pos = 0;

	while (pos < len) {
		uint64_t word;
		size_t step;
		bool valid;

		/* Nearly every name is ASCII from end to end. */
		if (len - pos >= sizeof(word)) {
			memcpy(&word, text + pos, sizeof(word));
			if (!(word & UTF8_HIGH_BITS)) {
				pos += sizeof(word);
				continue;
			}
		}
		step = utf8_step((const unsigned char *)text + pos, len - pos, &valid);
		if (!valid)
			return pos;
		pos += step;
	}
	return len;
}

size_t utf8_clip(const char *text, size_t len, size_t max)
{
	size_t cut = max;

	if (len <= max)
		return len;
	/* At most three bytes continue a character. */
	while (cut > 0 && max - cut < 3 && ((unsigned char)text[cut] & 0xc0) == 0x80)
		cut--;
	return ((unsigned char)text[cut] & 0xc0) == 0x80 ? max : cut;
}

void utf8_append_mended(struct strbuf *buf, const char *text, size_t len)
{
	for (;;) {
		size_t good = utf8_find_invalid(text, len);
		bool valid;
		size_t step;

		strbuf_append(buf, text, good);
		if (good == len)
			return;
		step = utf8_step((const unsigned char *)text + good, len - good, &valid);
		strbuf_puts(buf, UTF8_REPLACEMENT);
		text += good + step;
		len -= good + step;
	}
}
