# SPDX-License-Identifier: Apache-2.0
"""pprof files, decoded by Google's protobuf library, as stacks of named frames."""

import dataclasses
import gzip
import os
import re

from messages import message  # of tests/fakes


@dataclasses.dataclass(frozen=True)
class Frame:
    """One function of a stack: inlined functions are frames of their own, with the same address."""

    name: str
    system_name: str
    file: str
    line: int
    path: str  # of the mapping
    build_id: str
    file_off: int  # of the instruction in the mapping's file; -1 without a mapping
    address: int
    inlined: bool

    @property
    def module(self):
        return os.path.basename(self.path)

    @property
    def kernel(self):
        return self.path.startswith("[kernel") or self.address >= 1 << 63


@dataclasses.dataclass(frozen=True)
class Stack:
    """A sample: frames leaf first, and what was counted."""

    frames: tuple
    count: int
    values: tuple

    @property
    def user(self):
        return tuple(frame for frame in self.frames if not frame.kernel)

    @property
    def names(self):
        """Plain names of the user frames, leaf first, inlined functions included."""
        return tuple(plain_name(frame.name) for frame in self.user)

    @property
    def machine_frames(self):
        """User frames without the inlined functions: what a debugger's backtrace has."""
        return tuple(frame for frame in self.user if not frame.inlined)


def plain_name(name):
    """A function's name without its parameters, compiler's suffixes and hashes."""
    name = re.sub(r" \[clone [^]]*\]", "", name)
    name = re.sub(r"\.(cold|part|constprop|isra|lto_priv)(\.\d+)?$", "", name)
    name = re.sub(r"::h[0-9a-f]{16}$", "", name)
    name = re.sub(r"\.abi(0|internal)$", "", name)
    name = re.sub(r" const$", "", name)
    if name.endswith(")") and not name.endswith("operator()"):
        depth = 0
        for at in range(len(name) - 1, 0, -1):
            depth += {")": 1, "(": -1}.get(name[at], 0)
            if depth == 0:
                return _without_return_type(name[:at])
    return _without_return_type(name)


def _without_return_type(name):
    """`unsigned long shop::f<int>` as c++filt writes templates' names: what follows the last blank outside <>."""
    depth = 0
    for at in range(len(name) - 1, 0, -1):
        depth += {">": 1, "<": -1, ")": 1, "(": -1}.get(name[at], 0)
        if name[at] == " " and depth == 0 and not name.startswith("operator") and " as " not in name:
            return name[at + 1 :]
    return name


class Profile:
    """A decoded pprof."""

    def __init__(self, data):
        raw = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        self.pb = message("profile", "Profile")()
        self.pb.ParseFromString(raw)
        self._strings = self.pb.string_table
        self._mappings = {m.id: m for m in self.pb.mapping}
        self._functions = {f.id: f for f in self.pb.function}
        self._locations = {loc.id: loc for loc in self.pb.location}
        self.sample_types = [(self._strings[t.type], self._strings[t.unit]) for t in self.pb.sample_type]
        self.comments = [self._strings[c] for c in self.pb.comment]
        self.stacks = [self._stack(sample) for sample in self.pb.sample]

    @classmethod
    def load(cls, path):
        with open(path, "rb") as file:
            return cls(file.read())

    def _stack(self, sample):
        frames = []
        for number in sample.location_id:
            frames.extend(self._frames(self._locations[number]))
        return Stack(tuple(frames), sample.value[0], tuple(sample.value))

    def _frames(self, location):
        mapping = self._mappings.get(location.mapping_id)
        path = self._strings[mapping.filename] if mapping else ""
        build_id = self._strings[mapping.build_id] if mapping else ""
        off = location.address - mapping.memory_start + mapping.file_offset if mapping else -1
        for i, line in enumerate(location.line):
            function = self._functions[line.function_id]
            yield Frame(
                name=self._strings[function.name],
                system_name=self._strings[function.system_name],
                file=self._strings[function.filename],
                line=line.line,
                path=path,
                build_id=build_id,
                file_off=off,
                address=location.address,
                inlined=i + 1 < len(location.line),
            )

    @property
    def main_module(self):
        return os.path.basename(self._strings[self.pb.mapping[0].filename]) if self.pb.mapping else ""

    @property
    def samples(self):
        return sum(stack.count for stack in self.stacks)

    def value(self, kind):
        """Sum over all samples of the sample type `kind`: "samples", "cpu"."""
        index = [name for name, _ in self.sample_types].index(kind)
        return sum(stack.values[index] for stack in self.stacks)

    def with_frame(self, name):
        """The stacks that have a function called `name` anywhere."""
        return [stack for stack in self.stacks if name in stack.names]

    def flat(self):
        """Samples by the plain name of the innermost user function."""
        flat = {}
        for stack in self.stacks:
            name = stack.names[0] if stack.names else "[kernel]"
            flat[name] = flat.get(name, 0) + stack.count
        return flat


def describe(stack):
    """A stack on one line, for messages."""
    return f"{stack.count} x " + " <- ".join(f"{plain_name(f.name)}@{f.module}" for f in stack.frames)
