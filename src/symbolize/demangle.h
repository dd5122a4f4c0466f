/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names as linked -> names as people read them: C++ (Itanium C++ ABI) and Rust, both manglings.
 * Any other name is left alone. Any thread.
 */
#ifndef PPROFD_SYMBOLIZE_DEMANGLE_H
#define PPROFD_SYMBOLIZE_DEMANGLE_H

#include "base/strbuf.h"
#include "symbolize/symbolizer.h"

/*
 * Appends the readable form of `system_name`, or the name itself when it is not mangled. What the
 * compiler put behind the name stays: "f [clone .cold]" in C++; Rust's hash goes.
 */
void demangle(const char *system_name, enum demangle_mode mode, struct strbuf *buf);

/*
 * Drops template arguments, generics and parameters from a readable name, in place:
 * "std::vector<int>::at(unsigned long) const" becomes "std::vector::at".
 */
void demangle_simplify(char *name);

#endif
