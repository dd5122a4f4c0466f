/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of source files, as compilers write them. Any thread. */
#ifndef PPROFD_SYMBOLIZE_SOURCE_PATH_H
#define PPROFD_SYMBOLIZE_SOURCE_PATH_H

/*
 * Takes "//", "/./" and "x/.." out of `path`, in place, and a leading "./": compilers join directories
 * to names without doing so, and "lib/../src/a.c" and "src/a.c" should be one file to the reader.
 */
void source_path_clean(char *path);

#endif
