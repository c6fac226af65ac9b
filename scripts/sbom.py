#!/usr/bin/env python3
"""Prints what the program is made of, as CycloneDX 1.5: every crate that it links on this machine's architecture."""

import json
import subprocess

TARGET = next(line.split()[1] for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines() if line.startswith("host:"))
META = json.loads(subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]))

packages = {package["id"]: package for package in META["packages"]}
nodes = {node["id"]: node for node in META["resolve"]["nodes"]}
root = next(id for id in META["workspace_members"] if packages[id]["name"] == "chappe")


def linked(node):
    """What is needed to run, not to build or to test."""
    return [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]


reached, waiting = {root}, [root]
while waiting:
    for dep in linked(nodes[waiting.pop()]):
        if dep not in reached:
            reached.add(dep)
            waiting.append(dep)


def reference(id):
    package = packages[id]
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(id):
    package = packages[id]
    found = {"type": "library", "bom-ref": reference(id), "name": package["name"], "version": package["version"], "purl": reference(id)}
    if package["license"]:
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return found


order = sorted(reached - {root}, key=reference)
print(json.dumps({
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "version": 1,
    "metadata": {"component": {**component(root), "type": "application"}},
    "components": [component(id) for id in order],
    "dependencies": [{"ref": reference(id), "dependsOn": sorted(reference(dep) for dep in set(linked(nodes[id])))} for id in [root, *order]],
}, indent=1))
