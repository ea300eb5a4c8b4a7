#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checkers must fail on planted faults and pass on the same tree without them."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def run(*command, **more):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)


class Planted(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.write("src/LAYERS", "upper\nlower\n")
        self.write("src/upper/a.h", LICENCE + "int w_a(void);\n")
        self.write("src/upper/a.c", LICENCE + '#include "upper/a.h"\nint w_a(void)\n{\n    return 1;\n}\n')
        self.write("src/lower/b.h", LICENCE + "int w_b(void);\n")
        self.write("src/lower/b.c", LICENCE + '#include "upper/a.h"\n#include "lower/b.h"\n#include "weir/x.h"\n'
                   "int w_b(void)\n{\n    return w_a();\n}\n")
        self.write("include/weir/x.h", LICENCE + "#include <stdint.h>\n")

    def tearDown(self):
        self.folder.cleanup()

    def write(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def compile(self):
        for room, name in (("upper", "a"), ("lower", "b")):
            out = self.root / f"build/CMakeFiles/weir_{room}.dir/src/{room}"
            out.mkdir(parents=True, exist_ok=True)
            done = run(os.environ.get("CC", "cc"), "-I", self.root / "src", "-I", self.root / "include", "-c",
                       self.root / f"src/{room}/{name}.c", "-o", out / f"{name}.c.o")
            self.assertEqual(done.returncode, 0, done.stderr)

    def layers(self, *more):
        return run(ROOT / "tools/check_layers", "--root", self.root, *more)

    def style(self):
        return run(ROOT / "tools/check_style", "--root", self.root)

    def test_sound_tree_passes(self):
        self.compile()
        done = self.layers("--build", self.root / "build")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        self.assertEqual(self.style().returncode, 0)

    def test_include_of_a_lower_room(self):
        self.write("src/upper/a.c", LICENCE + '#include "lower/b.h"\n')
        done = self.layers()
        self.assertEqual(done.returncode, 1)
        self.assertIn('src/upper/a.c:2: includes "lower/b.h", but upper lies above lower', done.stdout)

    def test_call_of_a_lower_room(self):
        self.write("src/upper/a.c", LICENCE + "int w_b(void);\nint w_a(void);\nint w_a(void)\n{\n    return w_b();\n}\n")
        self.compile()
        self.assertEqual(self.layers().returncode, 0)
        done = self.layers("--build", self.root / "build")
        self.assertEqual(done.returncode, 1)
        self.assertIn("src/upper: calls w_b of src/lower", done.stdout)

    def test_build_without_objects(self):
        self.assertEqual(self.layers("--build", self.root / "nowhere").returncode, 1)

    def test_rootless_and_unknown_rooms(self):
        self.write("src/upper/a.c", LICENCE + '#include "a.h"\n#include "other/c.h"\n')
        self.assertEqual(self.layers().stdout.count("names no room"), 2)
        self.write("src/other/c.c", LICENCE)
        self.assertIn("src/other: this room is not in src/LAYERS", self.layers().stdout)

    def test_programs_and_public_headers(self):
        self.write("cli/main.c", LICENCE + '#include "upper/a.h"\n#include "own.h"\n#include <weir/x.h>\n')
        self.write("cli/own.h", LICENCE)
        self.write("include/weir/x.h", LICENCE + "#include <omp.h>\n")
        done = self.layers()
        self.assertIn('cli/main.c:2: includes "upper/a.h"', done.stdout)
        self.assertIn("include/weir/x.h:2", done.stdout)
        self.assertEqual(len(done.stdout.splitlines()), 2)

    def fault(self, text, expected, path="src/lower/b.c"):
        self.write(path, text)
        done = self.style()
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(expected, done.stdout)

    def test_style_faults(self):
        body = "    x();\n" * 101
        self.fault(LICENCE + "int f(void)\n{\n" + body + "}\n", "function of 101 lines")
        self.fault("int x;\n", "no SPDX line")
        self.fault(LICENCE + "int f(void)\n{\n    return free (0);\n}\n", "free() is not for the library")
        self.fault(LICENCE + "/* TO" + "DO */\n", "leftover")
        self.fault(LICENCE + "int x;\n" * 701, "702 lines")

    def test_style_waivers_and_lookalikes(self):
        body = "    x();\n" * 101
        self.write("src/lower/b.c", LICENCE + "/* long: a table of cases */\nint f(void)\n{\n" + body + "}\n")
        self.assertEqual(self.style().returncode, 0)
        self.write("src/lower/b.c", LICENCE + "/* free() and exit() are words */\nint f(void)\n{\n"
                   '    api->free(0);\n    host.free(0);\n    w_free("malloc(");\n}\n')
        self.assertEqual(self.style().returncode, 0)
        self.write("src/base/c.c", LICENCE + "int f(void)\n{\n    free(0);\n}\n")
        self.assertEqual(self.style().returncode, 0)

    def test_symbols(self):
        self.write("lib.c", "int weir_one(void) { return 1; }\nint weir_two(void) { return 2; }\n")
        library, names = self.root / "libx.so", self.root / "symbols.txt"
        self.assertEqual(run(os.environ.get("CC", "cc"), "-shared", "-fPIC", self.root / "lib.c", "-o", library).returncode, 0)
        env = dict(os.environ, WEIR_SYMBOLS=str(names))
        check = ROOT / "tools/check_symbols"
        self.assertEqual(run(check, "--update", library, env=env).returncode, 0)
        self.assertEqual(names.read_text(), "weir_one\nweir_two\n")
        self.assertEqual(run(check, library, env=env).returncode, 0)
        names.write_text("weir_one\n")
        self.assertEqual(run(check, library, env=env).returncode, 1)
        self.write("lib.c", "int weir_one(void) { return 1; }\nint other(void) { return 2; }\n")
        run(os.environ.get("CC", "cc"), "-shared", "-fPIC", self.root / "lib.c", "-o", library)
        self.assertIn("without the prefix", run(check, library, env=env).stdout)


if __name__ == "__main__":
    unittest.main(verbosity=1)
