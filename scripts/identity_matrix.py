#!/usr/bin/env python3
"""Writes what upstream's default policies say about each operation of Identity's API, for the matrix test.

Usage: identity_matrix.py API/keystone.tsv OUT.tsv   (with upstream's keystone and oslo.policy on PYTHONPATH)
Lines: `rule NAME SCOPES CHECK` (SCOPES `-`: a rule that others refer to) and `call METHOD PATH POLICY`.
"""
import csv
import pathlib
import re
import sys


def rules():
    from oslo_config import cfg  # noqa: F401  oslo.policy registers its options there
    from keystone.common import policies
    seen = {}
    for rule in policies.list_rules():
        scopes = ",".join(rule.scope_types or []) if rule.name.startswith("identity:") else "-"
        seen[rule.name] = (scopes or "-", " ".join(rule.check_str.split()) or "@")
    return seen


def policy_of(text):
    """The policy's name in the inventory's column, `any` for every token, `open` for no token."""
    match = re.search(r"\[([\w:-]+)\]", text)
    if match:
        return match.group(1)
    return "any" if "any-authenticated" in text else "open"


def main():
    inventory, out = sys.argv[1], pathlib.Path(sys.argv[2])
    known, calls = rules(), []
    with open(inventory) as file:
        for row in csv.DictReader(file, delimiter="\t"):
            policy = policy_of(row["default_policy(role/scope)"])
            if policy not in known and policy not in ("any", "open"):
                policy = "unlisted " + policy
            calls.append(f"call\t{row['method']}\t{row['path']}\t{policy}")
    used = {line.split("\t")[3] for line in calls}
    lines = [f"rule\t{name}\t{scopes}\t{check}" for name, (scopes, check) in sorted(known.items())
             if name in used or scopes == "-"]
    out.write_text("\n".join(lines + calls) + "\n")
    print(f"{len(lines)} rules, {len(calls)} calls; unlisted: {sorted(n for n in used if n.startswith('unlisted'))}")


if __name__ == "__main__":
    # Upstream's configuration reads the command line.
    arguments, sys.argv[1:] = sys.argv[1:], sys.argv[1:]
    main()
