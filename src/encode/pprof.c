/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/pprof.h"

#include <stdint.h>

#include "encode/gzip.h"
#include "encode/pprof_message.h"

int pprof_encode(const struct profile *profile, struct blob *ret)
{
	struct pprof_slice all = {
		.cnt = profile->sample_cnt,
		.bytes_max = SIZE_MAX,
		.time_wall_ns = profile->time_wall_ns,
	};
	_cleanup_(blob_fini) struct blob packed = { 0 };
	_cleanup_(gzip_freep) struct gzip *gzip = NULL;
	int err = pprof_message_pack(profile, &all, &packed);

	if (err < 0)
		return err;
	err = gzip_new(&gzip);
	if (err < 0)
		return err;
	err = gzip_write(gzip, packed.data, packed.len);
	if (err < 0)
		return err;
	return gzip_finish(gzip, ret);
}
