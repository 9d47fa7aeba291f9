#!/usr/bin/env python3
"""Checks the habits that docs and reviews would otherwise have to repeat; see CONTRIBUTING.md.

Usage: tidy.py [ROOT]. Prints one line a finding and exits 1 when there is one.
"""
import pathlib
import re
import sys

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
HANDLER_LINES_MAX = 30
COLUMNS_MAX = 140

# (pattern, why, files in which it is allowed)
BANNED = [
    (r"\btry!", "force-try", ()),
    (r"\bas!", "force-cast", ()),
    (r"\bfatalError\(", "a cloud must not abort", ()),
    (r"(?<![\w.])Process\(", "Foundation.Process hangs on daemons; use Host.Command", ()),
    (r"import FoundationNetworking", "libcurl is not linked", ()),
    (r"(?<![\w.])print\(", "libraries log; only the command line prints", ("Sources/martlet/",)),
    (r"(?<![\w.])Task(\.detached)? *\{", "fire-and-forget task",
     ("Sources/Workflow/", "Sources/Cloud/", "Sources/martlet/", "Tests/",
      # The guests' watcher: held, and cancelled when the driver closes.
      "Sources/ComputeNode/QEMU/QEMUHypervisor.swift")),
    (r"\b(TODO|FIXME|XXX|HACK)\b", "unfinished work",
     # A word of EC2's metadata that guests expect.
     ("Sources/Compute/Metadata/ServerMetadata.swift",)),
    (r"\.disabled\(|XCTSkip", "a skipped test", ()),
    (r"@testable", "tests use what users use", ("Tests/",)),
    (r"(/bin/sh|/bin/bash|\"sh\", *\"-c\")", "no shell: argv only", ("Sources/GuestImage/", "Tests/", "Sources/Demo/")),
]
FUNCTION = re.compile(r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|private|fileprivate|internal|static|mutating|nonisolated|"
                      r"override|final|convenience|required)\s+)*(func\s+[^\s(<]+|init[?]?)\s*[(<]")


def strip_code(text):
    """The source with comments and the insides of strings blanked, so that braces and words in them do not count."""
    out, i, n = [], 0, len(text)
    while i < n:
        if text.startswith("//", i):
            end = text.find("\n", i)
            end = n if end < 0 else end
            out.append(" " * (end - i))
            i = end
        elif text.startswith("/*", i):
            end = text.find("*/", i)
            end = n if end < 0 else end + 2
            out.append(re.sub(r"[^\n]", " ", text[i:end]))
            i = end
        elif text[i] in '"#' and (match := re.compile(r'(#*)("""|")').match(text, i)):
            hashes, quote = match.groups()
            i = blank_string(text, match.end(), quote + hashes, hashes, out, match.group(0))
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def blank_string(text, i, closing, hashes, out, opening):
    """Blanks a string literal that begins before `i`; returns where it ends."""
    out.append('"' + " " * (len(opening) - 1))
    escape = "\\" + hashes
    while i < len(text) and not text.startswith(closing, i):
        if text.startswith(escape + "(", i):
            depth, start = 0, i
            while i < len(text):
                depth += {"(": 1, ")": -1}.get(text[i], 0)
                i += 1
                if depth == 0 and i > start + len(escape) + 1:
                    break
            out.append(re.sub(r"[^\n]", " ", text[start:i]))
            continue
        width = len(escape) + 1 if text.startswith(escape, i) else 1
        out.append(re.sub(r"[^\n]", " ", text[i:i + width]))
        i += width
    out.append(" " * (len(closing) - 1) + '"')
    return i + len(closing)


def functions(lines):
    """(line, name, length, is_handler) of every function in blanked lines."""
    for start, line in enumerate(lines):
        match = FUNCTION.match(line)
        if not match:
            continue
        depth, opened, head = 0, False, ""
        for at in range(start, len(lines)):
            if not opened:
                head += lines[at]
            for character in lines[at]:
                if character == "{":
                    depth, opened = depth + 1, True
                elif character == "}":
                    depth -= 1
            if opened and depth <= 0:
                is_handler = bool(re.search(r"_ call: Call\b", head)) and "-> Reply" in head
                yield start + 1, match.group(1), at - start + 1, is_handler
                break
            if not opened and at > start and FUNCTION.match(lines[at]):
                break


def check(root, path):
    text = path.read_text()
    name = str(path.relative_to(root))
    lines = text.split("\n")
    if len(lines) - 1 > FILE_LINES_MAX:
        yield f"{name}: {len(lines) - 1} lines, at most {FILE_LINES_MAX}"
    code = strip_code(text)
    for number, name_of, length, is_handler in functions(code.split("\n")):
        limit = HANDLER_LINES_MAX if is_handler else FUNCTION_LINES_MAX
        if length > limit and not name.startswith("Tests/"):
            yield f"{name}:{number}: {name_of} has {length} lines, at most {limit}"
    # Words such as the unfinished-work marks count in comments too, the rest only in code.
    for pattern, why, allowed in BANNED:
        if any(name.startswith(prefix) for prefix in allowed):
            continue
        source = text if "TODO" in pattern or "bin/sh" in pattern else code
        for match in re.finditer(pattern, source):
            yield f"{name}:{source.count(chr(10), 0, match.start()) + 1}: {match.group(0).strip()}: {why}"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX and '"' not in line:
            yield f"{name}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    findings = []
    for folder in ("Sources", "Tests"):
        for path in sorted((root / folder).rglob("*.swift")):
            findings += check(root, path)
    print("\n".join(findings) if findings else "tidy")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
