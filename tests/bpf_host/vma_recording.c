/* SPDX-License-Identifier: GPL-2.0-only */
#include "vma_recording.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define RB_OFF offsetof(struct vm_area_struct, vm_rb)

static void fail(const char *path, const char *line)
{
	fprintf(stderr, "%s: cannot read: %s\n", path, line);
	abort();
}

/* Takes the next number of a line. Returns false at its end. */
static bool next_number(char **line, __u64 *ret)
{
	char *end;

	while (**line == ' ')
		(*line)++;
	if (**line == '\n' || **line == 0)
		return false;
	if (**line == '.') {
		(*line)++;
		*ret = 0;
		return true;
	}
	*ret = strtoull(*line, &end, 16);
	if (end == *line)
		return false;
	*line = end;
	return true;
}

static bool read_node(struct vma_recording *recording, char *line)
{
	__u64 *words = recording->nodes[recording->node_cnt].words;
	__u64 address;
	size_t cnt = 0;

	if (recording->node_cnt++ == VMA_RECORDING_MAX || !next_number(&line, &address))
		return false;
	while (cnt < 32 && next_number(&line, &words[cnt]))
		cnt++;
	host_add_memory(&host.kernel, address, words, 32 * sizeof(*words));
	return cnt > 0;
}

/* A pointer to the rb_node within the VMA at `vma`. */
static struct rb_node *rb_pointer(__u64 vma)
{
	return vma ? (struct rb_node *)(uintptr_t)(vma + RB_OFF) : NULL;
}

static bool read_vma(struct vma_recording *recording, char *line)
{
	struct vm_area_struct *vma = &recording->vmas[recording->vma_cnt];
	__u64 address, start, end, left = 0, right = 0;

	if (recording->vma_cnt++ == VMA_RECORDING_MAX)
		return false;
	if (!next_number(&line, &address) || !next_number(&line, &start) || !next_number(&line, &end))
		return false;
	if (!recording->is_maple && (!next_number(&line, &left) || !next_number(&line, &right)))
		return false;
	vma->vm_start = start;
	vma->vm_end = end;
	vma->vm_rb.rb_left = rb_pointer(left);
	vma->vm_rb.rb_right = rb_pointer(right);
	host_add_memory(&host.kernel, address, vma, sizeof(*vma));
	return true;
}

static bool read_map(struct vma_recording *recording, char *line)
{
	size_t i = recording->map_cnt++;

	return i < VMA_RECORDING_MAX && next_number(&line, &recording->maps[i].start) &&
	       next_number(&line, &recording->maps[i].end);
}

static bool read_line(struct vma_recording *recording, char *line)
{
	char *rest = line + strcspn(line, " ");

	if (strncmp(line, "#", 1) == 0)
		return true;
	if (strncmp(line, "tree ", 5) == 0) {
		recording->is_maple = strcmp(rest, " maple\n") == 0;
		return true;
	}
	if (strncmp(line, "root ", 5) == 0) {
		bool is_read = next_number(&rest, &recording->root);

		recording->root += recording->is_maple ? 0 : RB_OFF;
		return is_read;
	}
	if (strncmp(line, "node ", 5) == 0)
		return read_node(recording, rest);
	if (strncmp(line, "vma ", 4) == 0)
		return read_vma(recording, rest);
	return strncmp(line, "map ", 4) == 0 && read_map(recording, rest);
}

struct vma_recording *vma_recording_new(const char *path)
{
	struct vma_recording *recording = calloc(1, sizeof(*recording));
	FILE *file = fopen(path, "r");
	char line[1024];

	if (!recording || !file) {
		fail(path, "no such file");
		return NULL;
	}
	while (fgets(line, sizeof(line), file)) {
		if (!read_line(recording, line))
			fail(path, line);
	}
	fclose(file);
	return recording;
}
