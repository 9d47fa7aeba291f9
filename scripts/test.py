#!/usr/bin/env python3
"""Runs every suite, prints what failed, and ends with `N passed, N failed, N skipped` over all of them.

Usage: test.py [SUITE…]  with suites tidy, swift, end-to-end (default: all). Output of each goes to .build/test-logs/.
"""
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / ".build" / "test-logs"


def run(name, command, timeout):
    """Runs a command with its output in a file and on a failure's tail; returns (exit code, output)."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{name}.log"
    started = time.monotonic()
    print(f"== {name}: {' '.join(command)}", flush=True)
    with open(path, "w") as log:
        try:
            code = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                  timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            code = 124
    text = path.read_text(errors="replace")
    print(f"== {name}: exit {code} after {time.monotonic() - started:.0f} s", flush=True)
    return code, text


def tidy():
    code, text = run("tidy", ["python3", "scripts/tidy.py"], 300)
    _, lint_text = run("format", ["swift", "format", "lint", "--parallel", "--recursive", "Sources", "Tests",
                                  "Package.swift"], 600)
    # A literal that is longer than a line cannot be broken; tidy has a limit of its own for lines of code.
    lint = [line for line in lint_text.splitlines() if ".swift:" in line and "[LineLength]" not in line]
    if code or lint:
        print("\n".join(text.splitlines()[-40:] + lint[:40]))
    return (code == 0) + (not lint), (code != 0) + bool(lint), 0


def swift():
    code, text = run("build", ["swift", "build", "--build-tests"], 2400)
    if code:
        print("\n".join(line for line in text.splitlines() if "error" in line)[-6000:])
        return 0, 1, 0
    code, text = run("swift", ["swift", "test", "--skip-build", "--no-parallel"], 1800)
    failed = set(re.findall(r"^✘ Test (.+?) (?:failed after|recorded)", text, re.M))
    passed = len(re.findall(r"^✔ Test .+ passed after", text, re.M))
    if code or failed:
        lines = [line for line in text.splitlines() if line.startswith(("✘", "error", "Fatal"))]
        print("\n".join(lines[:80]))
        print("\n".join(text.splitlines()[-5:]))
    return passed, max(len(failed), 1 if code else 0), 0


def end_to_end():
    code, text = run("end-to-end", [str(ROOT / ".venv/bin/python"), "-u", "-m", "unittest", "discover", "-v", "-s",
                                    "Tests/EndToEnd", "-p", "test_*.py"], 2700)
    ran = re.search(r"^Ran (\d+) tests?", text, re.M)
    count = {key: int(value) for key, value in re.findall(r"(failures|errors|skipped)=(\d+)", text)}
    failed, skipped = count.get("failures", 0) + count.get("errors", 0), count.get("skipped", 0)
    if code:
        print("\n".join(text.splitlines()[-150:]))
        failed = max(failed, 1)
    total = int(ran.group(1)) if ran else 0
    return max(total - failed - skipped, 0), failed, skipped


SUITES = {"tidy": tidy, "swift": swift, "end-to-end": end_to_end}


def main():
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    totals = [0, 0, 0]
    for name in sys.argv[1:] or SUITES:
        result = SUITES[name]()
        print(f"{name}: {result[0]} passed, {result[1]} failed, {result[2]} skipped", flush=True)
        totals = [sum(pair) for pair in zip(totals, result)]
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    sys.exit(1 if totals[1] or not totals[0] else 0)


if __name__ == "__main__":
    main()
