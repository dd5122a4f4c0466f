# SPDX-License-Identifier: Apache-2.0
"""The chains that target programs print, matched with stacks. target.h says how they are written."""

import re

from .pprof import plain_name

LIBC = re.compile(r"^(libc|libpthread|libm|ld-linux[^/]*)(\.so|-)")
# What the C library's frames are called in a static program, where they have no module of their own.
LIBC_NAMES = re.compile(r"^(__libc_start|__restore_rt|start_thread|clone3?$|__clone|(__)?(gsignal|raise|pthread_kill))")


class Chain:
    """
    A pattern over a whole user stack, leaf first. Where the compiler inlines what it likes (inlined=False),
    it is one over the functions that have a frame of their own.
    """

    def __init__(self, text, program, inlined=True):
        self.text = text
        self.program = program
        self.inlined = inlined
        self.parts = text.split(";")

    def _frames(self, stack):
        return stack.user if self.inlined else stack.machine_frames

    def matches(self, stack):
        return self._match(0, self._frames(stack), 0)

    def begins(self, stack):
        """Whether the stack is the leaf end of one that matches: it was cut, but what it has is right."""
        frames = self._frames(stack)
        beginnings = (";".join(self.parts[:n]) for n in range(1, len(frames) + 1))
        return any(Chain(text, self.program, self.inlined).matches(stack) for text in beginnings)

    def _match(self, part, frames, at):
        if part == len(self.parts):
            return at == len(frames)
        if at == len(frames):
            return False
        word = self.parts[part]
        if not self._is_one(word, frames[at]):
            return False
        if self._match(part + 1, frames, at + 1):
            return True
        return word in ("<libc>", "<runtime>") and self._match(part, frames, at + 1)

    def _is_one(self, word, frame):
        name = plain_name(frame.name)
        if word == "<libc>":
            return bool(LIBC.match(frame.module) or (frame.module == self.program and LIBC_NAMES.match(name)))
        if word == "<vdso>":
            return "vdso" in frame.module
        if word == "<plt>":
            return frame.module == self.program and ("@plt" in name or name.startswith(self.program + "+0x"))
        if word == "<jit>":
            return frame.module.startswith("[")
        if word == "<runtime>":
            return frame.module == self.program
        return name == word


def root_of(kind):
    """What lies above a chain's last function: how a main thread begins in each kind of program."""
    return {"c": ";<libc>;_start", "rust": ";<runtime>;<libc>;_start", "thread": "", "go": ""}[kind]
