/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/function_table.h"

#include <errno.h>
#include <string.h>

#include "symbolize/image.h"

/* What linkers write (DWARF exception header encodings): 4 bytes from here; 4 bytes; 4 signed bytes from the header. */
#define FUNCTION_TABLE_POINTER 0x1b
#define FUNCTION_TABLE_CNT 0x03
#define FUNCTION_TABLE_ENTRY 0x3b

struct function_table_header {
	uint8_t version;
	uint8_t pointer_encoding;
	uint8_t cnt_encoding;
	uint8_t entry_encoding;
	int32_t pointer;
	uint32_t cnt;
};

/* Both relative to the header; entries ascend by `start`. */
struct function_table_entry {
	int32_t start;
	int32_t description;
};

/* Of a frame description entry; pc_begin is relative to itself. */
struct function_table_description {
	uint32_t len;
	uint32_t id;
	int32_t pc_begin;
	uint32_t pc_range;
};

int function_table_init(struct function_table *table, const struct object *object)
{
	size_t phdr_cnt;

	if (elf_getphdrnum(object->elf, &phdr_cnt) < 0)
		return -ENODATA;
	for (size_t i = 0; i < phdr_cnt; i++) {
		struct function_table_header header;
		GElf_Phdr phdr;

		if (!gelf_getphdr(object->elf, (int)i, &phdr) || phdr.p_type != PT_GNU_EH_FRAME)
			continue;
		if (image_read(object, phdr.p_offset, &header, sizeof(header)) != sizeof(header))
			return -ENODATA;
		if (header.version != 1 || header.pointer_encoding != FUNCTION_TABLE_POINTER ||
		    header.cnt_encoding != FUNCTION_TABLE_CNT || header.entry_encoding != FUNCTION_TABLE_ENTRY)
			return -ENODATA;
		*table = (struct function_table){
			.object = object,
			.elfva = phdr.p_vaddr,
			.off = phdr.p_offset,
			.cnt = header.cnt,
		};
		return 0;
	}
	return -ENODATA;
}

static int function_table_read(const struct function_table *table, uint32_t i, struct function_table_entry *ret)
{
	uint64_t off = table->off + sizeof(struct function_table_header) + (uint64_t)i * sizeof(*ret);

	return image_read(table->object, off, ret, sizeof(*ret)) == sizeof(*ret) ? 0 : -ENODATA;
}

/* The bytes of the function that `entry` is of; its description stands in the segment of the table. */
static int function_table_read_size(const struct function_table *table, const struct function_table_entry *entry,
				    uint64_t *ret)
{
	struct function_table_description description;
	uint64_t elfva = table->elfva + (uint64_t)(int64_t)entry->description;
	uint64_t off = table->off + (uint64_t)(int64_t)entry->description;

	if (image_read(table->object, off, &description, sizeof(description)) != sizeof(description))
		return -ENODATA;
	elfva += offsetof(struct function_table_description, pc_begin) + (uint64_t)(int64_t)description.pc_begin;
	/* Of another form, or in another segment. */
	if (elfva != table->elfva + (uint64_t)(int64_t)entry->start)
		return -ENODATA;
	*ret = description.pc_range;
	return 0;
}

int function_table_find(const struct function_table *table, uint64_t elfva, uint64_t *ret)
{
	int64_t wanted = (int64_t)(elfva - table->elfva);
	struct function_table_entry entry, found = { 0 };
	uint32_t low = 0, high = table->cnt;
	uint64_t size;
	int err;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		err = function_table_read(table, middle, &entry);
		if (err < 0)
			return err;
		if (entry.start <= wanted) {
			found = entry;
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == 0)
		return -ENODATA;
	err = function_table_read_size(table, &found, &size);
	if (err < 0 || (uint64_t)(wanted - found.start) >= size)
		return -ENODATA;
	*ret = table->elfva + (uint64_t)(int64_t)found.start;
	return 0;
}
