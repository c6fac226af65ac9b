"""Runs the container of a rendered StatefulSet without Kubernetes: its command, arguments and environment, its startup and
readiness probes, and its preStop, after which the program has to end with 0. In namespaces of its own; see check-chart.sh."""

import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

WITHIN_S = 30


def main(manifest, hosts, nats):
    with open(manifest) as file:
        objects = [each for each in yaml.safe_load_all(file) if each]
    spec = next(each for each in objects if each["kind"] == "StatefulSet")["spec"]["template"]["spec"]
    container = spec["containers"][0]
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # The second pod: its number counts.
    known = {"metadata.name": "chappe-1", "status.hostIP": "127.0.0.1"}
    env = {variable["name"]: variable["value"] if "value" in variable else known[variable["valueFrom"]["fieldRef"]["fieldPath"]] for variable in container["env"]}
    with tempfile.TemporaryDirectory() as folder:
        env.update(PATH=os.environ["PATH"], TMPDIR=folder)
        if "CHAPPE_CLUSTER" in env:
            subprocess.Popen([nats, "-js", "-sd", folder + "/nats", "-a", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until("NATS listens", lambda: socket.create_connection(("127.0.0.1", 4222), 1).close() is None)
        pod = subprocess.Popen(container.get("command", ["chappe"]) + container["args"], env=env)
        for name in ("startupProbe", "readinessProbe"):
            until(name, lambda name=name: probe(container, container[name]["httpGet"]))
        if "CHAPPE_MEDIA_PORT" not in env:
            base = int(next(port for port in ports_of(objects, "chappe-media-1")))
            socket.create_connection(("127.0.0.1", base + 1), 5).close()
        stop = container["lifecycle"]["preStop"]["exec"]["command"]
        drained = subprocess.run(stop, env=env, timeout=WITHIN_S)
        code = pod.wait(timeout=WITHIN_S)
        assert (drained.returncode, code) == (0, 0), f"preStop ended with {drained.returncode}, the program with {code}"


def ports_of(objects, service):
    spec = next(each for each in objects if each["kind"] == "Service" and each["metadata"]["name"] == service)["spec"]
    return [port["nodePort"] for port in spec["ports"]]


def probe(container, get):
    """As the kubelet does: whatever certificate there is."""
    port = next(port["containerPort"] for port in container["ports"] if port["name"] == get["port"])
    context = ssl._create_unverified_context() if get["scheme"] == "HTTPS" else None
    url = f"{get['scheme'].lower()}://127.0.0.1:{port}{get['path']}"
    with urllib.request.urlopen(url, timeout=1, context=context) as answer:
        return answer.status == 200


def until(what, look):
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            if look():
                return
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"not within {WITHIN_S} s: {what} ({error})")
        time.sleep(0.1)


main(*sys.argv[1:])
