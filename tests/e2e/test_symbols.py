# SPDX-License-Identifier: Apache-2.0
"""Names, inlined calls, files and lines of real files, against addr2line, eu-addr2line and readelf (check_symbols.c)."""

import bisect
import os
import pathlib
import posixpath
import random
import re
import shutil
import subprocess

import pytest

from pprofd_e2e import machine

LIBRARIES = pathlib.Path("/usr/lib") / f"{os.uname().machine}-linux-gnu"
ADDRESSES = 3000

CXX = r"""
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>
namespace {
struct Shape {
	virtual ~Shape() = default;
	virtual double area() const = 0;
};
template <typename T> struct Box : Shape {
	T a, b;
	Box(T x, T y) : a(x), b(y) {}
	double area() const override { return double(a * b); }
};
}
namespace geo { namespace detail {
class Sum {
public:
	explicit Sum(int n) : n_(n) {}
	int operator()(int x) const { return x + n_; }
private:
	int n_;
};
} }
extern "C" int c_entry(const char *text) {
	std::string s(text);
	std::reverse(s.begin(), s.end());
	return (int)s.size() + s[0];
}
static int count_words(const std::string &t) {
	std::unordered_map<std::string, int> words;
	std::regex word("\\w+");
	for (auto it = std::sregex_iterator(t.begin(), t.end(), word); it != std::sregex_iterator(); ++it)
		words[it->str()]++;
	return (int)words.size();
}
int main(int argc, char **argv) {
	std::vector<int> v;
	for (int i = 0; i < 1000 * argc; i++)
		v.push_back(i * 7919 % 1009);
	std::sort(v.begin(), v.end(), [](int a, int b) { return a > b; });
	std::transform(v.begin(), v.end(), v.begin(), geo::detail::Sum(argc));
	std::map<std::string, std::unique_ptr<Shape>> shapes;
	shapes["a"] = std::make_unique<Box<int>>(argc, 2);
	shapes["b"] = std::make_unique<Box<double>>(argc, 2.5);
	double total = 0;
	for (auto &s : shapes)
		total += s.second->area();
	std::function<int(int)> f = [&](int x) {
		struct Local { int triple(int y) { return y * 3; } } local;
		return local.triple(x) + (int)total;
	};
	try {
		if (argc > 5)
			throw std::runtime_error("x");
	} catch (const std::exception &e) {
		puts(e.what());
	}
	printf("%d %f %d %d\n", v[3], total, f(argc) + count_words(argv[0]), c_entry(argv[0]));
}
"""


def run(*arguments, text=None, cwd=None):
    done = subprocess.run([str(word) for word in arguments], input=text, cwd=cwd, capture_output=True, text=True,
                          errors="replace")
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def in_hex(addresses):
    return "".join(f"{address:#x}\n" for address in addresses)


def clean(path):
    """A path as a person would write it; "" for one that is not known."""
    if not path or path.startswith("?"):
        return ""
    return posixpath.normpath(path)


# ---- what is said of an address: a list of (name, file, line), the innermost first ----


def ours(path, addresses, mode="full", debug_root=None):
    """{address: [(name, file, line)]}, and {address: [system name]}."""
    checker = machine.BUILD / "tests/e2e/check_symbols"
    machine.require(checker.exists(), f"{checker} is not built (make test-e2e)")
    chains, linked = {}, {}
    for row in run(checker, path, mode, *([debug_root] if debug_root else []), text=in_hex(addresses)).splitlines():
        if "\t" not in row:
            address = int(row, 16)
            chains[address], linked[address] = [], []
            continue
        name, system_name, file, line, _ = row.split("\t")
        assert name and system_name
        chains[address].append((name, file, int(line)))
        linked[address].append(system_name)
    assert sorted(chains) == sorted(set(addresses))
    return chains, linked


def asked(tool, path, addresses):
    """What addr2line or eu-addr2line says of the addresses, without what it does not know."""
    chains, chain = {}, None
    rows = iter(run(machine.require_program(tool), "-i", "-f", "-C", "-a", "-e", path,
                    text=in_hex(addresses)).splitlines())
    for row in rows:
        if re.fullmatch(r"0x[0-9a-f]+", row):
            chain = chains.setdefault(int(row, 16), [])
            continue
        place = re.sub(r" \(discriminator \d+\)", "", next(rows))
        # eu-addr2line adds the column.
        file, line = re.match(r"(.*?)(?::(\d+|\?))?(?::\d+)?$", place).groups()
        name = row.split(" inlined at ")[0]
        if name != "??" or clean(file):
            chain.append((name, clean(file), int(line) if line and line.isdigit() else 0))
    return chains


class Functions:
    """The functions of a file's symbol tables, by readelf."""

    def __init__(self, *paths, tables=(".symtab", ".dynsym")):
        self.names, self.spans = {}, []
        for path in paths:
            table = None
            for row in run("readelf", "-W", "-s", path).splitlines():
                if row.startswith("Symbol table"):
                    table = row.split("'")[1]
                fields = row.split()
                if table not in tables or len(fields) < 8 or fields[3] not in ("FUNC", "IFUNC"):
                    continue
                if fields[6] in ("UND", "ABS"):
                    continue
                start, size = int(fields[1], 16), int(fields[2], 0)
                self.names.setdefault(start, set()).add(fields[7].split("@")[0])
                if size:
                    self.spans.append((start, start + size))
        self.spans.sort()
        self.starts = [start for start, _ in self.spans]

    def at(self, address):
        """The names of the functions that hold the address, by their sizes."""
        names = set()
        for start, end in reversed(self.spans[:bisect.bisect_right(self.starts, address)]):
            if start <= address < end:
                names |= self.names[start]
            if address - start > 1 << 20:
                break
        return names


def text_addresses(path, cnt=ADDRESSES):
    """Random addresses all over .text."""
    section = re.search(r"\s\.text\s+PROGBITS\s+(\S+)\s+\S+\s+(\S+)", run("readelf", "-W", "-S", path))
    start, size = int(section[1], 16), int(section[2], 16)
    pick = random.SystemRandom()
    return sorted({start + pick.randrange(size) for _ in range(cnt)})


# ---- comparison ----


def bare(name):
    """Without what compilers append and what only the linker calls it."""
    return re.sub(r" \[clone [^]]*\]|\.(cold|part|constprop|isra|localalias)[.\w]*$|^__GI_", "", name)


def demangled(names):
    """{name: its readable form}."""
    names = sorted(names)
    return dict(zip(names, run("c++filt", text="\n".join(names)).splitlines()))


def short(name):
    """The last part of a name, without arguments: "push_back" of "std::vector<int>::push_back(int const&)"."""
    operator = re.search(r"operator\s?(\(\)|\[\]|[^\w\s(]{1,3}?)(?=[(<\s]|$)", name)
    if operator:
        return operator[0]
    while True:
        stripped = re.sub(r"<[^<>()]*>|\([^<>()]*\)", "", name.replace("->", "").replace("(anonymous namespace)", "anonymous"))
        if stripped == name:
            return re.split(r"::| ", re.sub(r" const$| \[.*$", "", name))[-1]
        name = stripped


def names_agree(name, linked_name, theirs, aliases):
    """True when both mean the same function."""
    name, theirs = bare(name), bare(theirs)
    if name == theirs or (name in aliases and theirs in aliases):
        return True
    # Where nothing was linked, addr2line has the last part of the name, or the function that it was inlined into.
    if "::" not in re.sub(r"<.*>|\(.*\)", "", theirs) and short(name) == short(theirs):
        return True
    return not linked_name.startswith(("_Z", "_R")) and theirs in aliases


def same(us, linked, them, aliases, whole_paths):
    if len(us) != len(them):
        return False
    for (name, file, line), linked_name, (their_name, their_file, their_line) in zip(us, linked, them):
        if not names_agree(name, linked_name, their_name, aliases):
            return False
        # A symbol table knows no files; addr2line takes them from STT_FILE symbols.
        if not file:
            continue
        if line != their_line or posixpath.basename(file) != posixpath.basename(their_file):
            return False
        if whole_paths and clean(file) != their_file:
            return False
    return True


def compare(path, addresses, tools, report, debug=None, whole_paths=True):
    """
    Each answer of ours must be that of one of the tools, which do not always agree among themselves. A tool is
    asked about what the one before says otherwise.
    """
    chains, linked = ours(path, addresses)
    functions = Functions(path, debug or path)
    readable = demangled({name for address in addresses for name in functions.at(address)})
    # Between functions: lines reach into it, functions do not.
    padding = [address for address in addresses if not chains[address] and not functions.at(address)]
    wrong, said = sorted(set(addresses) - set(padding)), {}
    for tool in tools:
        truth = asked(tool, debug or path, wrong) if wrong else {}
        for address in list(wrong):
            aliases = {bare(form) for name in functions.at(address) for form in (name, readable[name])}
            said.setdefault(address, []).append(truth[address])
            if same(chains[address], linked[address], truth[address], aliases, whole_paths):
                wrong.remove(address)
    report(f"{os.path.basename(path)}: {len(addresses)} addresses, {len(padding)} between functions, {len(wrong)} differ")
    assert not wrong, "\n".join(f"{address:#x}: {chains[address]}\n  {said[address]}"[:1500] for address in wrong[:3])
    assert len(padding) < len(addresses) / 5


@pytest.fixture(scope="module")
def cxx(tmp_path_factory):
    """cxx(compiler, flags...): the path of the C++ program, compiled so."""
    directory = tmp_path_factory.mktemp("cxx")
    (directory / "shapes.cpp").write_text(CXX)

    def build(compiler, *flags):
        path = directory / re.sub(r"\W", "_", "_".join((compiler, *flags)))
        if not path.exists():
            run(machine.require_program(compiler), *flags, "-o", path, "shapes.cpp", cwd=directory)
        return path

    return build


@pytest.mark.parametrize("flags", ["-O2 -g", "-O2 -gdwarf-4", "-O0 -g", "-O2 -g -gz", "-O2 -g1"])
def test_a_cxx_program_is_named_as_addr2line_does(flags, cxx, report):
    path = cxx("g++", *flags.split())
    compare(path, text_addresses(path), ["addr2line", "eu-addr2line"], report)


@pytest.mark.parametrize("flags", ["-O2 -gdwarf-4"])
def test_a_cxx_program_of_clang_is_named_as_addr2line_does(flags, cxx, report):
    path = cxx("clang++", *flags.split())
    compare(path, text_addresses(path), ["addr2line", "eu-addr2line"], report)


def test_a_cxx_program_of_clang_says_the_same_in_dwarf_4_and_5(cxx):
    """binutils 2.40 does not find inlined calls in clang's DWARF 5."""
    paths = [cxx("clang++", "-O2", version) for version in ("-gdwarf-4", "-gdwarf-5")]
    addresses = text_addresses(paths[0])
    assert ours(paths[0], addresses) == ours(paths[1], addresses)


def test_names_of_what_was_never_linked_have_their_scopes(cxx):
    path = cxx("g++", "-O2", "-g")
    chains, _ = ours(path, text_addresses(path, 20000))
    names = {name for chain in chains.values() for name, _, _ in chain}
    assert "(anonymous namespace)::Box<double>::Box" in names
    assert not {"Box", "~Box", "operator()", "~unique_ptr"} & names


def test_simplified_names_have_no_arguments(cxx):
    path = cxx("g++", "-O2", "-g")
    chains, _ = ours(path, text_addresses(path), "simplified")
    names = {name for chain in chains.values() for name, _, _ in chain}
    assert "std::vector::push_back" in names or "std::vector::_M_realloc_insert" in names
    left = [name for name in names if re.search(r"[<(]", re.sub(r"operator\W+|\(anonymous namespace\)", "", name))]
    assert not left


def test_rust_is_named_as_addr2line_does(report):
    path = machine.require_target("rust")
    compare(path, text_addresses(path), ["addr2line", "eu-addr2line"], report)


def test_go_is_named_as_addr2line_does(report):
    path = machine.require_target("golang")
    compare(path, text_addresses(path), ["addr2line", "eu-addr2line"], report)


def debug_file_of(path):
    build_id = re.search(r"Build ID: (\w+)", run("readelf", "-n", path))[1]
    debug = pathlib.Path(f"/usr/lib/debug/.build-id/{build_id[:2]}/{build_id[2:]}.debug")
    machine.require(debug.exists(), f"{debug} is not installed (make deps)")
    return debug


@pytest.mark.parametrize("name", ["libc.so.6", "libm.so.6"])
def test_glibc_is_named_by_its_separate_debug_file(name, report):
    path = LIBRARIES / name
    compare(path, text_addresses(path), ["eu-addr2line", "addr2line"], report, debug_file_of(path), whole_paths=False)


@pytest.mark.parametrize("where", ["build-id", "debuglink", "subdirectory"])
def test_a_separate_debug_file_says_what_the_whole_file_says(where, cxx, scratch):
    objcopy = machine.require_program("objcopy")
    whole = cxx("g++", "-O2", "-g", "-Wl,--build-id=" + ("sha1" if where == "build-id" else "none"))
    stripped, debug = scratch / "shapes", scratch / "shapes.debug"
    run(objcopy, "--only-keep-debug", whole, debug)
    run(objcopy, "--strip-all", f"--add-gnu-debuglink={debug}", whole, stripped)
    addresses = text_addresses(whole)
    bare_chains, _ = ours(stripped, addresses, debug_root=scratch / "root") if where == "build-id" else ({}, {})
    if where == "build-id":
        build_id = re.search(r"Build ID: (\w+)", run("readelf", "-n", whole))[1]
        place = scratch / "root/.build-id" / build_id[:2]
        place.mkdir(parents=True)
        # The debuglink alone finds it, too, until it has gone.
        assert bare_chains == ours(whole, addresses)[0]
        shutil.move(debug, place / f"{build_id[2:]}.debug")
    elif where == "subdirectory":
        (scratch / ".debug").mkdir()
        shutil.move(debug, scratch / ".debug/shapes.debug")
    assert ours(stripped, addresses, debug_root=scratch / "root") == ours(whole, addresses)


def check_symbol_tables(path, report, tables):
    """Without debug info: the function that holds the address by its size."""
    functions = Functions(path, tables=tables)
    addresses = text_addresses(path)
    _, linked = ours(path, addresses)
    wrong, named = [], 0
    for address in addresses:
        expected = functions.at(address)
        named += bool(expected)
        # Unsized symbols reach to the next: what no function holds may be named. A few units of node have debug
        # info, which knows no ".part.0".
        if expected and (not linked[address] or bare(linked[address][-1]) not in {bare(name) for name in expected}):
            wrong.append(f"{address:#x}: {linked[address]}, not one of {expected}")
    report(f"{path.name}: {len(addresses)} addresses, {named} within functions, {len(wrong)} differ")
    assert named and not wrong, "\n".join(wrong[:5])


@pytest.mark.parametrize("name", ["python3", "perl", "redis-server", "node"])
def test_a_program_without_debug_info_is_named_by_its_symbol_tables(name, report):
    # Debian's, not a wrapper that comes first on the path.
    path = pathlib.Path("/usr/bin") / name
    machine.require(path.exists(), f"{path} is not installed (make deps)")
    path = path.resolve()
    symtab = ".symtab" in run("readelf", "-W", "-S", path)
    check_symbol_tables(path, report, (".symtab",) if symtab else (".dynsym",))


@pytest.mark.parametrize("name", ["python3", "git"])
def test_a_function_without_a_name_is_called_by_where_it_begins(name, report):
    path = (pathlib.Path("/usr/bin") / name).resolve()
    functions = Functions(path)
    frames = run("readelf", "--debug-dump=frames", path)
    spans = sorted((int(start, 16), int(end, 16))
                   for start, end in re.findall(r"FDE cie=\w+ pc=(\w+)\.\.(\w+)", frames))
    addresses = text_addresses(path)
    _, linked = ours(path, addresses)
    checked = 0
    for address in addresses:
        start, end = spans[max(bisect.bisect_right(spans, (address, 1 << 64)) - 1, 0)]
        if functions.at(address) or not start <= address < end:
            continue
        checked += 1
        # Unsized symbols come first.
        assert linked[address] == [f"{path.name}+{start:#x}"] or linked[address][0] in functions.names.get(start, ())
    report(f"{path.name}: {checked} of {len(addresses)} addresses in functions without a name")
    assert checked > 100


@pytest.mark.parametrize("name", ["libc.so.6", "libstdc++.so.6", "/usr/bin/git", "/usr/bin/perl"])
def test_entries_of_the_plt_are_named_as_objdump_does(name):
    path = (LIBRARIES / name).resolve()
    listed = run("objdump", "-d", "-j", ".plt", "-j", ".plt.sec", "-j", ".plt.got", path)
    entries = {int(at, 16) + 5: name for at, name in re.findall(r"^([0-9a-f]+) <(.*)>:$", listed, re.M)}
    _, linked = ours(path, sorted(entries))
    checked = 0
    for address, name in entries.items():
        if name.endswith("-0x10"):
            continue # the entry that calls the linker
        got = linked[address][0] if linked[address] else ""
        if name.startswith("*ABS*"):
            assert re.fullmatch(r"\w+@plt", got), f"{address:#x}: {got}"
        else:
            assert got == re.sub(r"@@?[A-Z][\w.]*@plt$", "@plt", name), f"{address:#x}"
        checked += 1
    assert checked >= 10
