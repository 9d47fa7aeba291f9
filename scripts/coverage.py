#!/usr/bin/env python3
"""Writes which of the inventory's operations are served, per service and tier.

Usage: coverage.py ROUTES.tsv API-FOLDER OUT.md   (ROUTES.tsv: what `martlet routes` prints)
"""
import csv
import pathlib
import re
import sys

SERVICES = {"keystone": "identity", "glance": "image", "nova": "compute", "placement": "placement",
            "neutron": "network", "cinder": "block-storage", "swift": "object-storage", "octavia": "load-balancer"}
TIERS = ("core", "admin", "rare", "deprecated")


def shape(method, path):
    """Method and path with every variable as `{}`, without a trailing slash."""
    path = path.split("?")[0].rstrip("/") or "/"
    path = re.sub(r"^/v2\.1/\{(project|tenant)_id\}", "/v2.1", path)
    return method, re.sub(r"\{[^}]*\}", "{}", path)


def action_of(row):
    """The body key of an action row of the inventory (`/servers/{id}/action (reboot)`), or an empty text."""
    match = re.search(r" \(([\w.:-]+)\)$", row["path"])
    return match.group(1) if match else ""


def served_operations(path):
    served = set()
    with open(path) as file:
        for row in csv.DictReader(file, delimiter="\t"):
            key = shape(row["method"], row["path"])
            served.add((row["service"], *key, row["action"]))
            served.add((row["service"], "HEAD" if key[0] == "GET" else key[0], key[1], row["action"]))
    return served


def inventory(path):
    with open(path) as file:
        for row in csv.DictReader(file, delimiter="\t"):
            action = action_of(row)
            plain = re.sub(r" \(.*$", "", row["path"]).strip()
            yield row["tier"], (*shape(row["method"], plain), action), row


def main():
    routes, api, out = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    served = served_operations(routes)
    lines = ["# API coverage", "",
             "Derived by `make coverage`: operations of upstream's APIs that the route tables serve. An operation counts when",
             "its method, path and action are in a table; the tests say how well it is served.", "",
             "| service | " + " | ".join(TIERS) + " |", "|---" * (len(TIERS) + 1) + "|"]
    missing = []
    for upstream, service in SERVICES.items():
        file = api / f"{upstream}.tsv"
        if not file.exists():
            continue
        have, total = dict.fromkeys(TIERS, 0), dict.fromkeys(TIERS, 0)
        for tier, key, row in inventory(file):
            if tier not in total:
                continue
            total[tier] += 1
            if (service, *key) in served:
                have[tier] += 1
            elif tier in ("core", "admin"):
                missing.append(f"- {service}: {row['method']} {row['path']} ({tier})")
        cells = [f"{have[tier]} of {total[tier]}" if total[tier] else "-" for tier in TIERS]
        lines.append(f"| {service} ({upstream}) | " + " | ".join(cells) + " |")
    started = [line for line in missing if line.split(":")[0][2:] in {entry[0] for entry in served}]
    lines += ["", "## Not served yet, of the services that exist", "", *started, ""]
    out.write_text("\n".join(lines))
    print("\n".join(lines[5:5 + len(SERVICES) + 2]))


if __name__ == "__main__":
    main()
