#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs command line cases: run.py --weir PATH CASE...

A case is a text file of lines "key: value" ('#' starts a comment line):
  setup: COMMAND        shell command that must succeed; its output is ignored
  cmd: COMMAND          the command under test (bash); `weir` is on the PATH; several cmd lines are one script
  exit: N               expected exit status (default 0)
  stdout: PATTERN       next line of standard output, with * ? as wildcards; none: must be empty
  stderr: PATTERN       the same for standard error
  stdout-has: PATTERN   some line matches; the rest is free      stderr-has: likewise
  stdout-any:           standard output is free                  stderr-any: likewise
  stdout-is: FILE       equal to tests/golden/cli/FILE, line by line, with wildcards in the file
  present: FILE         exists and is not empty after the command     absent: FILE   does not exist
  kept: FILE            has the bytes it had before the command
  needs: WORD           bike (the bicycle data set is there), dev-full (/dev/full is there), not-root,
                        address-space (the program runs under a limit of address space: a sanitizer's does not),
                        cgroup (a group with a limit of memory can be made: its folder is $CGROUP, the file of the limit $CGROUP_LIMIT)
Every case starts in an empty folder with the files of tests/cli/data. After an error no temporary file may be left.
Exit status 77 means skipped."""
import fnmatch
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GOLDEN = os.path.join(ROOT, "tests", "golden", "cli")
KEYS = {"setup", "cmd", "exit", "stdout", "stderr", "stdout-has", "stderr-has", "stdout-any", "stderr-any", "stdout-is",
        "present", "absent", "kept", "needs"}


def bike_path():
    for folder in (os.environ.get("WEIR_SHARED"), os.path.join(os.path.dirname(ROOT), "shared")):
        path = folder and os.path.join(folder, "data", "bike_hour.csv")
        if path and os.path.exists(path):
            return path
    return None


def read_case(path):
    case = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line.strip() or line.startswith("#"):
                continue
            key, _, value = line.partition(":")
            if key not in KEYS:
                sys.exit(f"{path}:{number}: unknown key '{key}'")
            case.setdefault(key, []).append(value[1:] if value.startswith(" ") else value)
    return case


def runs_under_limit(weir):
    command = ["bash", "-c", "ulimit -v 4000000 && exec timeout -s KILL 30 \"$0\" --version", weir]
    return subprocess.run(command, capture_output=True).returncode == 0


def make_cgroup():
    """A new control group for memory and the name of the file with its limit, of version 2 or 1; None where that is not allowed."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    for controllers, mount, limit in (("", "/sys/fs/cgroup", "memory.max"), ("memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
        for path in (own for _, names, own in lines if controllers in names.split(",")):
            for parent in (mount + path, mount):
                folder = os.path.join(parent, f"weir-test-{os.getpid()}")
                try:
                    os.mkdir(folder)
                except OSError:
                    continue
                if os.access(os.path.join(folder, limit), os.W_OK):
                    return folder, limit
                os.rmdir(folder)
    return None


def missing_need(case, weir):
    for need in case.get("needs", []):
        if need == "bike" and not bike_path():
            return "bike_hour.csv is not here (set WEIR_SHARED)"
        if need == "dev-full" and not os.path.exists("/dev/full"):
            return "/dev/full is not here"
        if need == "not-root" and os.geteuid() == 0:
            return "root may write everywhere"
        if need == "address-space" and not runs_under_limit(weir):
            return "the program does not run under a limit of address space"
        if need == "cgroup" and not case.setdefault("made", make_cgroup()):
            return "no control group with a limit of memory can be made here"
    return None


def matches(line, pattern):
    # Brackets stand for themselves: formulas and messages are full of them.
    return fnmatch.fnmatchcase(line, pattern.replace("[", "[[]"))


def compare_stream(case, name, text, problems):
    lines = text.splitlines()
    golden = case.get(name + "-is")
    patterns = case.get(name, [])
    if golden:
        with open(os.path.join(GOLDEN, golden[0]), encoding="utf-8") as file:
            patterns = file.read().splitlines()
    for pattern in case.get(name + "-has", []):
        if not any(matches(line, pattern) for line in lines):
            problems.append(f"no line of {name} matches: {pattern}")
    if name + "-has" in case or name + "-any" in case:
        return
    for i in range(max(len(lines), len(patterns))):
        if i >= len(lines):
            problems.append(f"{name} line {i + 1} is missing: {patterns[i]}")
        elif i >= len(patterns):
            problems.append(f"{name} line {i + 1} is too many: {lines[i]}")
        elif not matches(lines[i], patterns[i]):
            problems.append(f"{name} line {i + 1} is: {lines[i]}\n    should match: {patterns[i]}")
        if problems:
            return


def run_case(path, weir):
    case = read_case(path)
    reason = missing_need(case, os.path.abspath(weir))
    if reason:
        print(f"skipped: {reason}")
        return 77
    problems = []
    with tempfile.TemporaryDirectory(prefix="weir-cli-") as folder:
        for name in os.listdir(os.path.join(HERE, "data")):
            shutil.copy(os.path.join(HERE, "data", name), folder)
        scratch = os.path.join(folder, "scratch")
        os.mkdir(scratch)
        env = dict(os.environ, PATH=os.path.dirname(os.path.abspath(weir)) + os.pathsep + os.environ["PATH"],
                   LC_ALL="C", TMPDIR=scratch, XDG_CACHE_HOME=os.path.join(folder, "cache"), BIKE=bike_path() or "",
                   EXAMPLES=os.path.join(ROOT, "examples"))
        if case.get("made"):
            env["CGROUP"], env["CGROUP_LIMIT"] = case["made"]
        for command in case.get("setup", []):
            done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=120)
            if done.returncode:
                problems.append(f"setup failed ({done.returncode}): {command}\n{done.stderr}")
        kept = {name: open(os.path.join(folder, name), "rb").read() for name in case.get("kept", [])} if not problems else {}
        done = subprocess.run(["bash", "-c", "\n".join(case["cmd"])], cwd=folder, env=env, capture_output=True,
                              timeout=240, stdin=subprocess.DEVNULL)
        stdout, stderr = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        wanted = int(case.get("exit", ["0"])[0])
        if done.returncode != wanted:
            problems.append(f"exit status is {done.returncode}, should be {wanted}")
        compare_stream(case, "stdout", stdout, problems)
        compare_stream(case, "stderr", stderr, problems)
        for name in case.get("present", []):
            if not os.path.exists(os.path.join(folder, name)) or os.path.getsize(os.path.join(folder, name)) == 0:
                problems.append(f"{name} was not written")
        for name in case.get("absent", []):
            if os.path.exists(os.path.join(folder, name)):
                problems.append(f"{name} was written")
        for name, before in kept.items():
            if open(os.path.join(folder, name), "rb").read() != before:
                problems.append(f"{name} was changed")
        if case.get("made"):
            os.rmdir(case["made"][0])
        left = [name for name in os.listdir(folder) if name.startswith(".weir-") or name.endswith(".tmp")]
        left += os.listdir(scratch)
        if left:
            problems.append(f"temporary files are left: {' '.join(left)}")
    if problems:
        print(f"{os.path.basename(path)}: {'; '.join(case['cmd'])}")
        print("\n".join("  " + problem for problem in problems))
        print("--- stdout\n" + stdout[:4000] + "--- stderr\n" + stderr[:4000])
        return 1
    return 0


def main():
    if len(sys.argv) < 4 or sys.argv[1] != "--weir":
        sys.exit(__doc__)
    codes = [run_case(path, sys.argv[2]) for path in sys.argv[3:]]
    if 1 in codes:
        sys.exit(1)
    sys.exit(77 if all(code == 77 for code in codes) else 0)


main()
