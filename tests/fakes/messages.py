# SPDX-License-Identifier: Apache-2.0
"""Python classes of the messages in pb/*.proto, made by protoc into the build directory on first use."""

import functools
import importlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("PPROFD_BUILD", HERE.parents[1] / "build"))


@functools.lru_cache(maxsize=None)
def message(proto, name):
    """The class of message `name` in pb/`proto`.proto."""
    module = f"{proto}_pb2"
    if module not in sys.modules:
        out = BUILD / "tests/fakes/pb"
        out.mkdir(parents=True, exist_ok=True)
        command = ["protoc", f"--proto_path={HERE / 'pb'}", f"--python_out={out}", f"{proto}.proto"]
        subprocess.run(command, cwd=HERE / "pb", check=True)
        if str(out) not in sys.path:
            sys.path.insert(0, str(out))
    return getattr(importlib.import_module(module), name)
