/* SPDX-License-Identifier: Apache-2.0 */
/* The library of plt.c. */
#include <stdint.h>

uint64_t plt_step(uint64_t value);

uint64_t plt_step(uint64_t value)
{
	return value * 2862933555777941757ULL + 3037000493ULL;
}
