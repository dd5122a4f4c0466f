/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cfi.h"

#include <dwarf.h>
#include <errno.h>

#define CFI_LENGTH_64 0xffffffffu /* the real length follows, in 64 bits */
#define CFI_ID_DEBUG_32 0xffffffffu
#define CFI_ID_DEBUG_64 UINT64_MAX
/* LSB 5.0, 10.5.1: the low four bits say how it is stored, the next three what it is relative to. */
#define CFI_FORMAT_MASK 0x0f
#define CFI_BASE_MASK 0x70

static int cfi_set_cie_pos(const struct cfi_section *section, uint64_t pos, struct cfi_entry *ret)
{
	if (pos >= section->size)
		return -EBADMSG;
	ret->cie_pos = (uint32_t)pos;
	return 0;
}

/* What follows the length: the id of a CIE, or where an FDE's CIE is. */
static int cfi_read_id(const struct cfi_section *section, struct cfi_entry *entry)
{
	uint64_t id_pos = (uint64_t)(entry->body.pos - section->data);
	/* In .eh_frame it has 32 bits whatever the length has (LSB 5.0, 10.6.1.1). */
	bool is_long = entry->is_64 && !section->is_eh;
	uint64_t id = is_long ? cursor_u64(&entry->body) : cursor_u32(&entry->body);

	if (entry->body.failed)
		return -EBADMSG;
	if (section->is_eh) {
		entry->is_cie = id == 0;
		/* Counted back from the id itself. */
		return entry->is_cie ? 0 : cfi_set_cie_pos(section, id_pos - id, entry);
	}
	entry->is_cie = id == (is_long ? CFI_ID_DEBUG_64 : CFI_ID_DEBUG_32);
	return entry->is_cie ? 0 : cfi_set_cie_pos(section, id, entry);
}

int cfi_read_entry(const struct cfi_section *section, uint32_t *pos, struct cfi_entry *ret)
{
	struct cursor cursor = { .pos = section->data + *pos, .end = section->data + section->size };
	struct cfi_entry entry = { 0 };
	uint64_t len = 0;
	int err;

	while (cursor_left(&cursor) >= sizeof(uint32_t) && len == 0) {
		entry.pos = (uint32_t)(cursor.pos - section->data);
		len = cursor_u32(&cursor);
	}
	if (len == 0)
		return -ENODATA;
	entry.is_64 = len == CFI_LENGTH_64;
	if (entry.is_64)
		len = cursor_u64(&cursor);
	entry.body = cursor_cut(&cursor, len);
	if (cursor.failed)
		return -EBADMSG;
	*pos = (uint32_t)(cursor.pos - section->data);
	err = cfi_read_id(section, &entry);
	if (err < 0)
		return err;
	*ret = entry;
	return 0;
}

static uint64_t cfi_read_format(uint8_t encoding, struct cursor *cursor)
{
	switch (encoding & CFI_FORMAT_MASK) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return cursor_u64(cursor);
	case DW_EH_PE_udata4:
		return cursor_u32(cursor);
	case DW_EH_PE_sdata4:
		return (uint64_t)(int64_t)(int32_t)cursor_u32(cursor);
	case DW_EH_PE_udata2:
		return cursor_u16(cursor);
	case DW_EH_PE_sdata2:
		return (uint64_t)(int64_t)(int16_t)cursor_u16(cursor);
	case DW_EH_PE_uleb128:
		return cursor_uleb(cursor);
	case DW_EH_PE_sleb128:
		return (uint64_t)cursor_sleb(cursor);
	default:
		cursor_fail(cursor);
		return 0;
	}
}

uint64_t cfi_read_pointer(const struct cfi_section *section, uint8_t encoding, struct cursor *cursor)
{
	uint64_t here = section->elfva + (uint64_t)(cursor->pos - section->data);
	uint64_t value;

	if (encoding == DW_EH_PE_aligned) {
		cursor_skip(cursor, -here & (sizeof(uint64_t) - 1));
		return cursor_u64(cursor);
	}
	value = cfi_read_format(encoding, cursor);
	switch (encoding & (CFI_BASE_MASK | DW_EH_PE_indirect)) {
	case 0:
		return value;
	case DW_EH_PE_pcrel:
		return value + here;
	default:
		/* Relative to text, data or function, or indirect: no linker makes such code addresses. */
		cursor_fail(cursor);
		return 0;
	}
}

/* Passes over the personality routine, which may be encoded in any way. */
static void cfi_skip_pointer(const struct cfi_section *section, uint8_t encoding, struct cursor *cursor)
{
	if (encoding == DW_EH_PE_omit)
		return;
	if (encoding == DW_EH_PE_aligned)
		cfi_read_pointer(section, encoding, cursor);
	else
		cfi_read_format(encoding, cursor);
}

/* `letters` behind the 'z'; an unknown one ends the reading: the data's own length says where it ends. */
static int cfi_read_augmentation(const struct cfi_section *section, const char *letters, struct cursor data,
				 struct cfi_cie *cie)
{
	for (; *letters; letters++) {
		switch (*letters) {
		case 'L':
			cursor_u8(&data);
			break;
		case 'P':
			cfi_skip_pointer(section, cursor_u8(&data), &data);
			break;
		case 'R':
			cie->pointer_encoding = cursor_u8(&data);
			break;
		case 'S':
			cie->is_signal = true;
			break;
		case 'B': /* return addresses signed with the B key (AADWARF64) */
		case 'G': /* tagged stack frames */
			break;
		default:
			return data.failed ? -EBADMSG : 0;
		}
	}
	return data.failed ? -EBADMSG : 0;
}

int cfi_read_cie(const struct cfi_section *section, uint32_t pos, struct cfi_cie *ret)
{
	struct cfi_cie cie = { .pos = pos, .pointer_encoding = DW_EH_PE_absptr };
	struct cfi_entry entry;
	struct cursor *body = &entry.body;
	const char *augmentation;
	uint8_t version;
	int err;

	if (pos >= section->size)
		return -EBADMSG;
	err = cfi_read_entry(section, &(uint32_t){ pos }, &entry);
	if (err < 0 || !entry.is_cie || entry.pos != pos)
		return -EBADMSG;
	version = cursor_u8(body);
	if (version != 1 && version != 3 && version != 4)
		return -EBADMSG;
	augmentation = cursor_string(body);
	if (version >= 4) {
		if (cursor_u8(body) != sizeof(uint64_t))
			return -EBADMSG;
		cie.segment_size = cursor_u8(body);
	}
	cie.code_align = cursor_uleb(body);
	cie.data_align = cursor_sleb(body);
	cie.ra_reg = version == 1 ? cursor_u8(body) : cursor_uleb(body);
	if (*augmentation == 'z') {
		uint64_t len = cursor_uleb(body);

		cie.has_augmentation = true;
		err = cfi_read_augmentation(section, augmentation + 1, cursor_cut(body, len), &cie);
		if (err < 0)
			return err;
	} else if (*augmentation) {
		/* What it adds to the entries cannot be known. */
		return -EBADMSG;
	}
	if (body->failed)
		return -EBADMSG;
	cie.program = *body;
	*ret = cie;
	return 0;
}

int cfi_read_fde(const struct cfi_section *section, const struct cfi_entry *entry, const struct cfi_cie *cie,
		 struct cfi_fde *ret)
{
	struct cursor body = entry->body;
	struct cfi_fde fde;

	cursor_skip(&body, cie->segment_size);
	fde.start_elfva = cfi_read_pointer(section, cie->pointer_encoding, &body);
	fde.size = cfi_read_format(cie->pointer_encoding, &body);
	if (cie->has_augmentation)
		cursor_skip(&body, cursor_uleb(&body));
	if (body.failed || fde.size > UINT64_MAX - fde.start_elfva)
		return -EBADMSG;
	fde.program = body;
	*ret = fde;
	return 0;
}
