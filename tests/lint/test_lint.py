#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The lints find what they are there for, and nothing else."""

import io
import tempfile
import unittest
from pathlib import Path

import layers
import text
import tree

LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"

# What it is about, file, its text below the licence, lint, words of the finding ("" none).
CASES = [
    ("a stage may include base", "src/drain/a.c", '#include "base/log.h"\n', layers, ""),
    ("base includes nothing of ours", "src/base/a.c", '#include "profile/batch.h"\n', layers, "base must not include"),
    ("base does not know the kernel side", "src/base/a.c", "#include <pprofd/abi.h>\n", layers, "kernel side"),
    ("stages do not call each other", "src/drain/a.c", '#include "target/object.h"\n', layers, "must not include"),
    ("sample/maps.h is a door", "src/drain/a.c", '#include "sample/maps.h"\n', layers, ""),
    ("sample has no other door", "src/drain/a.c", '#include "sample/sampler.h"\n', layers, "must not include sample"),
    ("the pipeline knows stages", "src/pipeline.c", '#include "sample/sampler.h"\n', layers, ""),
    ("a stage does not know the pipeline", "src/drain/a.c", '#include "pipeline.h"\n', layers, "include pipeline"),
    ("libbpf has a wall", "src/drain/a.c", "#include <bpf/bpf.h>\n", layers, "is for sample only"),
    ("so has libdw, from behind blanks", "src/deliver/a.c", "# include <elfutils/libdw.h>\n", layers, "only"),
    ("protobuf-c stays in encode", "src/deliver/a.c", '#include "encode/push.pb-c.h"\n', layers, "is for encode only"),
    ("cmocka stays in tests", "src/base/a.c", "#include <cmocka.h>\n", layers, "is for tests only"),
    ("a new folder needs a row", "src/serve2/a.c", "", layers, "no row in the table"),
    ("bpf/ knows nothing of src/", "bpf/a.bpf.h", '#include "base/log.h"\n', layers, "kernel side"),
    ("includes are written in full", "src/base/a.c", '#include "log.h"\n', layers, "not below src/"),
    ("plain code is fine", "src/base/a.c", "int a;\n", text, ""),
    ("functions without bound are banned", "src/base/a.c", "\tstrcpy(a, b);\n", text, "no bound"),
    ("also behind a cast", "src/base/a.c", "\t(void)sprintf (a, b);\n", text, "no bound"),
    ("names that end so are not", "src/base/a.c", "\tmy_strcpy(a); a->exit(b);\n", text, ""),
    ("comments may name them", "src/base/a.c", "/* not strcpy() */ // nor gets()\n", text, ""),
    ("strings may name them", "src/base/a.c", 'const char *a = "system(1)";\n', text, ""),
    ("tests may use them", "tests/unit/a.c", "\tsystem(a);\n", text, ""),
    ("no signal() with a handler", "src/base/a.c", "\tsignal(SIGINT, on_interrupt);\n", text, "sigaction"),
    ("signals may be ignored", "src/base/a.c", "\tsignal(SIGPIPE, SIG_IGN);\n", text, ""),
    ("no goto", "src/base/a.c", "\tgoto out;\n", text, "goto"),
    ("structs keep their tag", "src/base/a.c", "typedef struct { int a; } b;\n", text, "tag"),
    ("nothing is left unfinished", "src/base/a.c", "/* TO" "DO: more */\n", text, "unfinished"),
    ("files end at 500 lines", "src/base/a.c", "int a;\n" * 500, text, "501 lines"),
    ("lines end at 120 columns", "src/base/a.c", "\t" * 14 + "int abcdefgh;\n", text, "125 columns"),
    ("the kernel side has its own licence", "bpf/a.bpf.h", "", text, "licence is Apache-2.0"),
]


class Lint(unittest.TestCase):
    def find(self, lint, name, content):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for ours in ("base/log.h", "profile/batch.h", "target/object.h", "sample/maps.h", "sample/sampler.h",
                         "pipeline.h"):
                self.write(root / "src" / ours, LICENCE)
            self.write(root / name, content)
            return [message for _, _, message in lint.problems(root)]

    @staticmethod
    def write(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def test_each_case_is_found_as_it_should(self):
        for about, name, content, lint, words in CASES:
            with self.subTest(about):
                found = self.find(lint, name, LICENCE + content)
                self.assertEqual(bool(found), bool(words), found)
                self.assertIn(words, " ".join(found))

    def test_a_licence_is_wanted(self):
        self.assertIn("SPDX", self.find(text, "src/base/a.c", "int a;\n")[0])

    def test_lines_stay_where_they_were_without_comments(self):
        self.assertEqual(tree.code_only("a\n/* b\nc */d\n").count("\n"), 3)


if __name__ == "__main__":
    log = io.StringIO()
    cases = unittest.defaultTestLoader.loadTestsFromTestCase(Lint)
    if not unittest.TextTestRunner(log).run(cases).wasSuccessful():
        raise SystemExit(log.getvalue())
    print("lint: self ok")
