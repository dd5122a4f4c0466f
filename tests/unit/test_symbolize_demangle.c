/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "symbolize/demangle.h"

static void assert_demangles(const char *system_name, enum demangle_mode mode, const char *expected)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };

	demangle(system_name, mode, &text);
	assert_int_equal(strbuf_error(&text), 0);
	assert_string_equal(strbuf_text(&text), expected);
}

static const struct {
	const char *system_name, *full, *simplified;
} names[] = {
	/* C */
	{ "main", "main", "main" },
	{ "memcpy.part.0", "memcpy.part.0", "memcpy.part.0" },
	{ "parse.constprop.0.isra.0", "parse.constprop.0.isra.0", "parse.constprop.0.isra.0" },
	{ "_start", "_start", "_start" },
	{ "_Z", "_Z", "_Z" },
	{ "_Zebra", "_Zebra", "_Zebra" },
	{ "_ZN3foo", "_ZN3foo", "_ZN3foo" },
	{ "main.(*T).f<int>", "main.(*T).f<int>", "main.(*T).f<int>" },
	/* C++ */
	{ "_Z3foov", "foo()", "foo" },
	{ "_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back(int const&)",
	  "std::vector::push_back" },
	{ "_ZNKSt6vectorIiSaIiEE4sizeEv", "std::vector<int, std::allocator<int> >::size() const", "std::vector::size" },
	{ "_Z3maxIiET_S0_S0_", "int max<int>(int, int)", "max" },
	{ "_ZN12_GLOBAL__N_13barEi", "(anonymous namespace)::bar(int)", "(anonymous namespace)::bar" },
	{ "_ZlsRSoRK3Foo", "operator<<(std::ostream&, Foo const&)", "operator<<" },
	{ "_ZltIiEbT_S0_", "bool operator< <int>(int, int)", "operator<" },
	{ "_ZN3FoocvbEv", "Foo::operator bool()", "Foo::operator bool" },
	{ "_ZN3FooclEi", "Foo::operator()(int)", "Foo::operator()" },
	{ "_ZN3FooptEv", "Foo::operator->()", "Foo::operator->" },
	{ "_ZN3FooixEm", "Foo::operator[](unsigned long)", "Foo::operator[]" },
	{ "_ZZ4mainENKUliE_clEi", "main::{lambda(int)#1}::operator()(int) const", "main::{lambda#1}::operator()" },
	{ "_ZZN3Foo3barEiENKUlvE_clEv", "Foo::bar(int)::{lambda()#1}::operator()() const",
	  "Foo::bar::{lambda#1}::operator()" },
	{ "_ZZNK3Foo3barEiENKUlvE_clEv", "Foo::bar(int) const::{lambda()#1}::operator()() const",
	  "Foo::bar::{lambda#1}::operator()" },
	{ "_Z1fB5cxx11i", "f[abi:cxx11](int)", "f[abi:cxx11]" },
	{ "_ZN3FooC4Ev", "Foo::Foo()", "Foo::Foo" },
	{ "_ZN3FooD0Ev", "Foo::~Foo()", "Foo::~Foo" },
	{ "_ZTv0_n24_N3Foo3barEv", "virtual thunk to Foo::bar()", "virtual thunk to Foo::bar" },
	/* What the compiler appends */
	{ "_Z3foov.cold", "foo() [clone .cold]", "foo [clone .cold]" },
	{ "_Z3foov.part.0", "foo() [clone .part.0]", "foo [clone .part.0]" },
	{ "_Z3fooi.constprop.0.isra.0", "foo(int) [clone .constprop.0] [clone .isra.0]",
	  "foo [clone .constprop.0] [clone .isra.0]" },
	/* Rust, legacy: the hash goes */
	{ "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad", "core::fmt::Formatter::pad" },
	{ "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE.llvm.1234567890", "core::fmt::Formatter::pad",
	  "core::fmt::Formatter::pad" },
	{ "_ZN66_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
	  "<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop", "<alloc::vec::Vec as core::ops::drop::Drop>::drop" },
	/* Rust, v0 */
	{ "_RNvC6_123foo3bar", "123foo::bar", "123foo::bar" },
	{ "_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>", "std::mem::align_of" },
	{ "_RNvC3foo3bar.llvm.42", "foo::bar", "foo::bar" },
	{ "_RNvXCs1_3fooNtB2_1ANtB2_1B1c", "<foo::A as foo::B>::c", "<foo::A as foo::B>::c" },
	{ "_RNCNvC3foo4main0", "foo::main::{closure#0}", "foo::main::{closure#0}" },
};

static void demangle__reads_cxx_and_rust_and_leaves_the_rest(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_demangles(names[i].system_name, DEMANGLE_FULL, names[i].full);
		assert_demangles(names[i].system_name, DEMANGLE_SIMPLIFIED, names[i].simplified);
		assert_demangles(names[i].system_name, DEMANGLE_OFF, names[i].system_name);
	}
}

static void demangle__appends(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };

	(void)state;
	strbuf_puts(&text, "a ");
	demangle("_Z3foov", DEMANGLE_FULL, &text);
	demangle("bar", DEMANGLE_FULL, &text);
	assert_string_equal(strbuf_text(&text), "a foo()bar");
}

static void demangle_simplify__keeps_brackets_that_are_no_arguments(void **state)
{
	static const struct {
		const char *name, *expected;
	} cases[] = {
		{ "", "" },
		{ "f", "f" },
		{ "f<", "f<" },
		{ "f(", "f(" },
		{ "f<(a<b)>::g", "f::g" },
		{ "f<(a>b), 3>::g(int)", "f::g" },
		{ "f<&operator< >::g", "f::g" },
		{ "f<&X::operator->>::g", "f::g" },
		{ "a::operator<=><int>(int)", "a::operator<=>" },
		{ "a::operator-><int>()", "a::operator->" },
		{ "my_operator<int>", "my_operator" },
		{ "foo::bar::<T>::baz", "foo::bar::baz" },
		{ "<impl Fn() -> Vec<T> as Foo>::f", "<impl Fn -> Vec as Foo>::f" },
		{ "f(void (*)(int), int) const &", "f" },
		{ "f() constant", "f constant" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(freep) char *name = strdup(cases[i].name);

		assert_non_null(name);
		demangle_simplify(name);
		assert_string_equal(name, cases[i].expected);
	}
}

static void demangle_simplify__leaves_what_is_nested_too_deep(void **state)
{
	char deep[1024], expected[1024];

	(void)state;
	memset(deep, '<', sizeof(deep));
	deep[0] = 'f';
	deep[sizeof(deep) - 1] = '\0';
	memcpy(expected, deep, sizeof(deep));
	demangle_simplify(deep);
	assert_string_equal(deep, expected);
}

static void demangle__bounds_what_expands(void **state)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	_cleanup_(strbuf_fini) struct strbuf name = { 0 };
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };

	(void)state;
	/* Each argument is A of the one before, twice: 2^20 names if all were printed. */
	strbuf_puts(&name, "_Z1f1AIiiES_IS0_S0_E");
	for (int i = 1; i < 20; i++)
		strbuf_printf(&name, "S_IS%c_S%c_E", digits[i], digits[i]);
	demangle(strbuf_text(&name), DEMANGLE_FULL, &text);
	assert_string_equal(strbuf_text(&text), strbuf_text(&name));

	/* Too long to be looked at. */
	strbuf_fini(&name);
	strbuf_fini(&text);
	strbuf_puts(&name, "_Z");
	for (int i = 0; i < 10000; i++)
		strbuf_puts(&name, "1f");
	demangle(strbuf_text(&name), DEMANGLE_FULL, &text);
	assert_string_equal(strbuf_text(&text), strbuf_text(&name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(demangle__reads_cxx_and_rust_and_leaves_the_rest),
		cmocka_unit_test(demangle__appends),
		cmocka_unit_test(demangle_simplify__keeps_brackets_that_are_no_arguments),
		cmocka_unit_test(demangle_simplify__leaves_what_is_nested_too_deep),
		cmocka_unit_test(demangle__bounds_what_expands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
