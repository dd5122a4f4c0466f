/* SPDX-License-Identifier: Apache-2.0 */
#include "frame_bytes.h"

#include <assert.h>
#include <string.h>

void frame_append(struct frame_bytes *bytes, const void *data, size_t len)
{
	assert(len <= sizeof(bytes->data) - bytes->len);
	if (len)
		memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
}

void frame_append_u32(struct frame_bytes *bytes, uint32_t value)
{
	frame_append(bytes, &value, sizeof(value));
}

static void frame_append_byte(struct frame_bytes *bytes, unsigned char byte)
{
	frame_append(bytes, &byte, 1);
}

/* Pads with DW_CFA_nop and fills in the length of the entry at `pos`. */
static void frame_end(struct frame_bytes *bytes, size_t pos)
{
	uint32_t len;

	while (bytes->len % 8)
		frame_append_byte(bytes, 0);
	len = (uint32_t)(bytes->len - pos - sizeof(len));
	memcpy(bytes->data + pos, &len, sizeof(len));
}

size_t frame_add_cie(struct frame_bytes *bytes, const char *augmentation, const unsigned char *program, size_t len)
{
	size_t pos = bytes->len;

	frame_append_u32(bytes, 0);
	frame_append_u32(bytes, bytes->is_eh ? 0 : 0xffffffff);
	frame_append_byte(bytes, bytes->is_eh ? 1 : 3);
	if (bytes->is_eh)
		frame_append(bytes, "zR", 2);
	frame_append(bytes, augmentation, strlen(augmentation) + 1);
	frame_append(bytes, (const unsigned char[]){ 1, 0x78, 16 }, 3);
	if (bytes->is_eh)
		frame_append(bytes, (const unsigned char[]){ 1, 0x1b }, 2); /* relative to itself, 32 bits */
	frame_append(bytes, program, len);
	frame_end(bytes, pos);
	return pos;
}

size_t frame_add_usual_cie(struct frame_bytes *bytes)
{
	return frame_add_cie(bytes, "", PROGRAM(0x0c, 7, 8, 0x90, 1));
}

size_t frame_add_fde(struct frame_bytes *bytes, size_t cie, uint64_t start_elfva, uint64_t size,
		     const unsigned char *program, size_t len)
{
	size_t pos = bytes->len;

	frame_append_u32(bytes, 0);
	if (bytes->is_eh) {
		frame_append_u32(bytes, (uint32_t)(bytes->len - cie));
		frame_append_u32(bytes, (uint32_t)(start_elfva - (bytes->elfva + bytes->len)));
		frame_append_u32(bytes, (uint32_t)size);
		frame_append_byte(bytes, 0);
	} else {
		frame_append_u32(bytes, (uint32_t)cie);
		frame_append(bytes, &start_elfva, sizeof(start_elfva));
		frame_append(bytes, &size, sizeof(size));
	}
	frame_append(bytes, program, len);
	frame_end(bytes, pos);
	return pos;
}
