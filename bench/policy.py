#!/usr/bin/env python3
"""A policy server asked by Postfix: postgrey and `postdate policy serve` in turns.

    sudo bench/policy.py                            # builds Postdate; new and known triplets at 1, 10, 100 connections
    sudo bench/policy.py --quick                    # 1 short round, to see that everything works
    sudo bench/policy.py --sustain 60               # 60 s of new triplets at 10 and at 100 connections
    sudo bench/policy.py --renewed 10,100           # 100 connections, each followed by another one after so many requests
    sudo bench/policy.py --offered 1000,1800        # how long an answer takes where both are asked so often a second
    sudo bench/policy.py --triplets 100000,1000000  # memory, octets on disk and the time to open again
    sudo bench/policy.py --triplets 1000000 --proved  # the same where each client proves an SPF domain and a reverse name
    sudo bench/policy.py --kills 5                  # kill -9 under load: nothing older than a second may be forgotten
    sudo bench/policy.py --json result.json         # the numbers for programs as well ("-": standard output, nothing else)

Needs postgrey (Debian: postgrey; `cargo xtask peers` installs it), and root, because postgrey runs as its own user.
Everything listens on free loopback ports and lies in a folder of its own, on the disk that --dir names, removed at the
end. What is measured, and how: bench/README.md.
"""

import argparse
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from throughput import CORES, ROOT, cpu_seconds, free_port, listens, machine_seconds, spread, stop, summary, tool, until

KINDS = ("new", "known")
CONNECTIONS = (1, 10, 100)
DELAY = 300
# What a turn counts, and how it is printed: label, digits.
NUMBERS = {
    "rate": ("requests/s", 0),
    "p50_ms": ("p50, ms", 3),
    "p99_ms": ("p99, ms", 3),
    "max_ms": ("slowest, ms", 1),
    "cpu_us": ("server's CPU, µs/request", 1),
}


# --- the servers -----------------------------------------------------------------------------------------------------

POSTDATE = """\
hostname = "postdate.test"
data_dir = "{data}"
[greylist]
delay = "{delay}s"
[policy]
listen = ["inet:127.0.0.1:{port}"]
{checks}
"""
NO_CHECKS = """\
[checks]
spf = "off"
reverse_name = "off"
"""


class Server:
    """A policy server with records of its own; its log in a file."""

    def __init__(self, args, folder, delay=DELAY):
        self.args, self.delay = args, delay
        self.home = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=folder))
        self.home.chmod(0o755)
        self.data = self.home / "data"
        self.data.mkdir()
        self.start()

    def start(self):
        """Starts it, with whatever records there are."""
        self.port = free_port()
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        self.pid = self.process.pid
        until(f"{self.name} to listen", lambda: self.process.poll() is not None or listens(self.port), 120, 0.002)
        if self.process.poll() is not None:
            sys.exit(f"{self.name} did not start: {(self.home / 'log').read_text()[-2000:]}")

    def kill(self):
        """Ends it as a power cut would; postgrey has no other way."""
        self.process.kill()
        self.process.wait()

    def end(self):
        """Ends it, and removes its records."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


class Postgrey(Server):
    """Debian's, with its defaults."""

    name = "postgrey"

    def command(self):
        root = os.geteuid() == 0
        user, group = ("postgrey", "postgrey") if root else (str(os.geteuid()), str(os.getegid()))
        if root:
            shutil.chown(self.data, user, group)
        # It is run as a program, not through perl: it wants its own -T.
        return [tool("postgrey"), f"--inet=127.0.0.1:{self.port}", f"--dbdir={self.data}", f"--delay={self.delay}",
                f"--pidfile={self.home}/pid", f"--user={user}", f"--group={group}"]


class Postdate(Server):
    """With its defaults; without look-ups in the DNS, since postgrey makes none, or asking a name server of ours."""

    name = "Postdate"

    def command(self):
        config = self.home / "postdate.toml"
        config.write_text(POSTDATE.format(data=self.data, delay=self.delay, port=self.port, checks=self.checks()))
        return [self.args.binary, "--config", config, "policy", "serve"]


    def checks(self):
        names = self.args.proved and self.args.names.port
        return f'[delivery]\nname_servers = ["127.0.0.1:{names}"]' if names else NO_CHECKS


class Names(threading.Thread):
    """A name server for the load's sender domains: their SPF records name the networks of all triplets under `most`."""

    DOMAINS, FIRST_OCTETS, SCATTER = 50_000, (*range(11, 100), *range(128, 169)), 2_654_435_761  # as in policy_load

    def __init__(self, most):
        super().__init__(daemon=True)
        self.most = most
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(2000)
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        """What is no SPF record is there, and empty."""
        end = query.index(0, 12) + 5
        domain = re.match(rb"some-domain(\d+)$", query[13:13 + query[12]].lower())
        records = []
        if domain and query[end - 4:end - 2] == b"\0\x10":
            networks = (self.network(number) for number in range(int(domain[1]), self.most, self.DOMAINS))
            text = " ".join(["v=spf1", *(f"ip4:{network}" for network in networks)]).encode()
            parts = [text[at:at + 255] for at in range(0, len(text), 255)]
            data = b"".join(bytes([len(part)]) + part for part in parts)
            records = [struct.pack(">HHHIH", 0xC00C, 16, 1, 3600, len(data)) + data]
        return query[:2] + struct.pack(">HHHHH", 0x8580, 1, len(records), 0, 0) + query[12:end] + b"".join(records)

    def network(self, number):
        at, rest = divmod(number * self.SCATTER % (len(self.FIRST_OCTETS) << 16), 1 << 16)
        return f"{self.FIRST_OCTETS[at]}.{rest >> 8}.{rest & 255}.0/24"


class Echo:
    """The load tool's own trivial server: what the load and the loopback device can do."""

    name = "echo"

    def __init__(self, args):
        self.process = subprocess.Popen([args.load, "echo"], stdout=subprocess.PIPE, text=True)
        self.pid, self.port = self.process.pid, int(self.process.stdout.readline())


def servers(args):
    """The kinds to be measured."""
    return [kind for kind in (Postgrey, Postdate) if args.only in (None, kind.name.lower())]


# --- one measurement -------------------------------------------------------------------------------------------------

def ask(args, port, connections, first, count, seconds, *rate):
    """Has the load tool ask, and gives what it counted."""
    command = [args.load, *map(str, (port, connections, first, count, seconds, *rate))]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"the load failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(args, server, connections, first, count, seconds, *rate):
    """One turn: rate, times, CPU, and how busy others kept the machine."""
    before, busy, load, begin = cpu_seconds(server.pid), machine_seconds(), children(), time.monotonic()
    turn = ask(args, server.port, connections, first, count, seconds, *rate)
    if turn["killed"]:
        sys.exit(f"{server.name} hung up")
    took, cpu, load = time.monotonic() - begin, cpu_seconds(server.pid) - before, children() - load
    others = machine_seconds() - busy - cpu - load
    for key in ("p50", "p99", "max"):
        turn[f"{key}_ms"] = turn.pop(f"{key}_us") / 1000
    turn["cpu_us"] = 1e6 * cpu / turn["requests"]
    turn["load_cpu_us"] = 1e6 * load / turn["requests"]
    turn["others_percent"] = max(0.0, 100 * others / (took * CORES))
    return turn


def children():
    """CPU time of the load tools that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def only(turn, *actions):
    """All answers were of these, or something else was measured; postgrey's own list has a few networks of ours."""
    if sum(turn["actions"].get(action, 0) for action in actions) < 0.999 * turn["requests"]:
        sys.exit(f"expected {' or '.join(actions)}, came {turn['actions']}")
    return turn


def told(turn):
    """One line on a turn."""
    return (f"{turn['rate']:.0f}/s, p50 {turn['p50_ms']:.3f} ms, p99 {turn['p99_ms']:.3f} ms, CPU {turn['cpu_us']:.1f} µs "
            f"a request (load {turn['load_cpu_us']:.1f} µs; others took {turn['others_percent']:.0f} % of the machine)")


# --- new and known triplets, in turns --------------------------------------------------------------------------------

def rounds(args, folder, say):
    """All rounds: kind -> connections -> name -> turns. Each round has servers with fresh records."""
    names = [kind.name for kind in servers(args)]
    turns = {kind: {str(n): {name: [] for name in [*names, "echo"]} for n in CONNECTIONS} for kind in KINDS}
    for number in range(args.rounds):
        new = [kind(args, folder) for kind in servers(args)]
        known = [kind(args, folder, delay=1) for kind in servers(args)]
        echo = Echo(args)
        try:
            for server in known:
                make_known(args, server)
            for place, connections in enumerate(CONNECTIONS):
                for kind, group in (("new", new), ("known", known)):
                    for server in [*group, echo]:
                        # Numbers that were never asked about; or those that came back.
                        first, count = (10**9 * (place + 1), 10**9) if kind == "new" else (0, args.known)
                        turn = measure(args, server, connections, first, count, args.seconds)
                        only(turn, *(["DEFER_IF_PERMIT"] if kind == "new" and server is not echo else ["DUNNO", "PREPEND"]))
                        turns[kind][str(connections)][server.name].append(turn)
                        say(f"round {number + 1}, {kind}, {connections} connections, {server.name}: {told(turn)}")
        finally:
            for server in new + known:
                server.end()
            stop(echo.process)
    return turns


def make_known(args, server):
    """Each triplet comes, waits for the delay of a second, and comes back."""
    ask(args, server.port, 4, 0, args.known, 0)
    time.sleep(2.5)
    only(ask(args, server.port, 4, 0, args.known, 0), "DUNNO", "PREPEND")


def sustained(args, folder, say):
    """Sixty seconds or so of new triplets, each with fresh records: connections -> name -> turns."""
    turns = {str(n): {kind.name: [] for kind in servers(args)} for n in (10, 100)}
    for _ in range(args.sustain_rounds):
        for connections, by_name in turns.items():
            for kind in servers(args):
                server = kind(args, folder)
                try:
                    turn = only(measure(args, server, int(connections), 0, 10**9, args.sustain), "DEFER_IF_PERMIT")
                    turn["disk_mb"] = disk(server.data) / 1e6
                    turn["resident_mb"] = memory(server.pid)["VmRSS"]
                finally:
                    server.end()
                by_name[kind.name].append(turn)
                each = turn["per_second"]
                say(f"{args.sustain} s, {connections} connections, {kind.name}: {told(turn)}; seconds from "
                    f"{min(each)} to {max(each)}/s; then {turn['resident_mb']:.0f} MB resident, {turn['disk_mb']:.0f} MB on disk")
    return turns


def offered(args, folder, say):
    """New triplets, so many a second for both: rate -> name -> turns."""
    return varied(args, folder, say, "offered a second", args.offered, lambda rate: (rate,))


def renewed(args, folder, say):
    """New triplets on connections that end after so many of them: requests -> name -> turns."""
    return varied(args, folder, say, "on a connection", args.renewed, lambda requests: (0, requests))


def varied(args, folder, say, what, values, more):
    """New triplets over 100 connections, each turn with fresh records: value -> name -> turns."""
    turns = {str(value): {kind.name: [] for kind in servers(args)} for value in values}
    for number in range(args.rounds):
        for value, by_name in turns.items():
            for kind in servers(args):
                server = kind(args, folder)
                try:
                    turn = only(measure(args, server, 100, 0, 10**9, args.seconds, *more(value)), "DEFER_IF_PERMIT")
                finally:
                    server.end()
                by_name[kind.name].append(turn)
                say(f"round {number + 1}, {value} {what}, {kind.name}: {told(turn)}")
    return turns


# --- memory and disk -------------------------------------------------------------------------------------------------

def memory(pid):
    """MB: resident, at most so far, and its proportional share, that is pages shared with others counted in part."""
    text = Path("/proc", str(pid), "status").read_text() + Path("/proc", str(pid), "smaps_rollup").read_text()
    return {key: int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1]) * 1024 / 1e6 for key in ("VmRSS", "VmHWM", "Pss")}


def disk(folder):
    """Octets that the folder's files take."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def sized(args, folder, say):
    """What so many triplets take: name -> list of sizes."""
    sizes = {kind.name: [] for kind in servers(args)}
    for triplets in args.triplets:
        for kind in servers(args):
            if kind is Postgrey and triplets > args.postgrey_most:
                say(f"{triplets} triplets, postgrey: left out (--postgrey-most {args.postgrey_most})")
                continue
            server = kind(args, folder)
            try:
                size = one_size(args, server, triplets)
            finally:
                server.end()
            sizes[kind.name].append(size)
            say(f"{triplets} triplets, {kind.name}: {size['rate']:.0f}/s; {size['VmRSS']:.0f} MB resident (most {size['VmHWM']:.0f}), "
                f"{size['disk_mb']:.0f} MB on disk; after kill -9 open again in {size['reopen_s']:.2f} s, then "
                f"{size['VmRSS_again']:.0f} MB")
    return sizes


def one_size(args, server, triplets):
    """Fills it, looks at it, kills it, and opens it again."""
    empty = memory(server.pid)
    turn = only(measure(args, server, 10, 0, triplets, 0), "DEFER_IF_PERMIT")
    time.sleep(2.5)
    size = {"triplets": triplets, "rate": turn["rate"], "empty": empty["VmRSS"], **memory(server.pid),
            "disk_mb": disk(server.data) / 1e6}
    server.kill()
    begin = time.monotonic()
    server.start()
    words = first_answer(server.port)
    size["reopen_s"] = time.monotonic() - begin
    size["first_answer"] = words
    size["VmRSS_again"] = memory(server.pid)["VmRSS"]
    return size


# --- kill -9 under load ----------------------------------------------------------------------------------------------

def killed(args, folder, say):
    """Kills Postdate under a load of new triplets, and asks again about all that it had answered a second before."""
    rounds = []
    for number in range(args.kills):
        server = Postdate(args, folder)
        try:
            seconds = 2 + 2 * number % 7
            threading.Timer(seconds, server.kill).start()
            load = ask(args, server.port, 100, 0, 10**9, seconds + 60)
            server.start()
            time.sleep(2.5)  # Whoever is remembered has less than 300 s to wait, however it is rounded.
            again = ask(args, server.port, 10, 0, max(1, load["old"]), 0)
        finally:
            server.end()
        forgotten = again["waits"].get(str(DELAY), 0) + again["requests"] - sum(again["waits"].values())
        rounds.append({"killed_after_s": seconds, "told": load["requests"], "old": load["old"], "forgotten": forgotten})
        say(f"killed after {seconds} s: {load['requests']} were told to wait, {load['old']} of them more than a second before; "
            f"of these, {forgotten} are forgotten")
    if sum(each["forgotten"] for each in rounds) or not all(each["old"] for each in rounds):
        sys.exit("forgotten, or nothing measured")
    return rounds


def first_answer(port):
    """Somebody new is answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=600) as wire:
        wire.sendall(b"request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.1\n"
                     b"client_name=unknown\nreverse_client_name=unknown\nhelo_name=again.example\n"
                     b"sender=again@again.example\nrecipient=user0@here.example\ninstance=again\n\n")
        return wire.recv(1000).decode().strip()


# --- results ---------------------------------------------------------------------------------------------------------

def machine(args):
    """What it ran on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    gib = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    kind = subprocess.run(["df", "--output=fstype", args.dir], capture_output=True, text=True).stdout.split()[-1]
    version = re.search(r"VERSION = '(.*?)'", Path(tool("postgrey")).read_text()) if args.only != "postdate" else None
    return {"date": time.strftime("%Y-%m-%d"), "cpu": model, "cores": CORES, "memory_gib": round(gib, 1),
            "system": f"{platform.system()} {platform.release()}", "disk": kind,
            "postgrey": version[1] if version else None, "load_average": os.getloadavg()}


def ratios(by_name):
    """Postdate over postgrey, of turns of the same round."""
    pairs = list(zip(by_name["Postdate"], by_name["postgrey"]))
    return {key: summary([a[key] / max(b[key], 1e-9) for a, b in pairs]) for key in NUMBERS}


def table(title, by_name):
    """Medians and spreads in Markdown, with ratios where both were measured."""
    names = [name for name, turns in by_name.items() if turns]
    both = {"postgrey", "Postdate"} <= set(names)
    lines = ["", f"**{title}**", "", "| | " + " | ".join(names) + (" | Postdate/postgrey |" if both else " |"),
             "| --- |" + " ---: |" * (len(names) + both)]
    for key, (label, digits) in NUMBERS.items():
        cells = [spread(summary([turn[key] for turn in by_name[name]]), digits) for name in names]
        if both:
            ratio = ratios(by_name)[key]
            cells.append(spread(ratio, 1 if ratio["median"] > 2 else 4))
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def size_table(sizes):
    """Memory and disk in Markdown."""
    lines = ["", "| triplets | server | filled at, requests/s | resident, MB (most) | proportional, MB | on disk, MB "
             "| open again, s | resident then, MB |", "| ---: | --- |" + " ---: |" * 6]
    for size, name in sorted(((size, name) for name, of in sizes.items() for size in of), key=lambda row: row[0]["triplets"]):
        lines.append(f"| {size['triplets']} | {name} | {size['rate']:.0f} | {size['VmRSS']:.0f} ({size['VmHWM']:.0f}) "
                     f"| {size['Pss']:.0f} | {size['disk_mb']:.0f} | {size['reopen_s']:.2f} | {size['VmRSS_again']:.0f} |")
    return lines


def report(result):
    """The results as text."""
    on = result["machine"]
    lines = [f"{on['date']}: {on['cores']} × {on['cpu']}, {on['memory_gib']} GiB, {on['system']}, {on['disk']}; postgrey "
             f"{on['postgrey']}; load average before: {on['load_average'][0]:.1f}. Median (lowest to highest)."]
    for kind, by_connections in result.get("rounds", {}).items():
        for connections, by_name in by_connections.items():
            lines += table(f"{kind} triplets, {connections} connections", by_name)
    for rate, by_name in result.get("offered", {}).items():
        lines += table(f"{rate} new triplets a second over 100 connections, {result['seconds']['turn']} s", by_name)
    for requests, by_name in result.get("renewed", {}).items():
        lines += table(f"new triplets over 100 connections, {requests} on each before the next, {result['seconds']['turn']} s", by_name)
    for connections, by_name in result.get("sustained", {}).items():
        lines += table(f"{result['seconds']['sustain']} s of new triplets, {connections} connections", by_name)
        for name, turns in by_name.items():
            each = [count for turn in turns for count in turn["per_second"]]
            tens = [[statistics.mean(part) for part in (turn["per_second"][:10], turn["per_second"][-10:])] for turn in turns]
            lines.append(f"\n{name}: single seconds from {min(each)} to {max(each)}/s; the first ten {tens[0][0]:.0f}/s, the "
                         f"last ten {tens[0][1]:.0f}/s; then {turns[0]['resident_mb']:.0f} MB resident, "
                         f"{turns[0]['disk_mb']:.0f} MB on disk.")
    if "sizes" in result:
        lines += size_table(result["sizes"])
    if "kills" in result:
        counts = {key: sum(each[key] for each in result["kills"]) for key in ("told", "old", "forgotten")}
        lines += ["", f"{len(result['kills'])} times kill -9 under load: {counts['told']} told to wait, {counts['old']} of them more "
                  f"than a second before; of these, {counts['forgotten']} forgotten."]
    return "\n".join(lines)


# --- command line ----------------------------------------------------------------------------------------------------

def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="measure this binary instead of building one")
    parser.add_argument("--load", help="the load tool (cargo's example policy_load of the crate store) instead of building it")
    parser.add_argument("--seconds", type=int, default=3, help="of one turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (%(default)s)")
    parser.add_argument("--known", type=int, default=2000, help="triplets that are known, of a /24 each (%(default)s)")
    parser.add_argument("--sustain", type=int, metavar="SECONDS", help="new triplets for so long instead")
    parser.add_argument("--sustain-rounds", type=int, default=1, metavar="ROUNDS", help="so often (%(default)s)")
    parser.add_argument("--renewed", metavar="REQUESTS,…", type=lambda text: [int(count) for count in text.split(",")],
                        help="new triplets over 100 connections instead, each followed by another one after so many")
    parser.add_argument("--offered", metavar="RATE,…", type=lambda text: [int(rate) for rate in text.split(",")],
                        help="so many new triplets a second over 100 connections instead, whoever answers how fast")
    parser.add_argument("--triplets", metavar="COUNT,…", help="memory and disk after so many triplets instead",
                        type=lambda text: [int(count) for count in text.split(",")])
    parser.add_argument("--proved", action="store_true", help="with --triplets: each client proves an SPF domain and a reverse name")
    parser.add_argument("--postgrey-most", type=int, default=10**9, metavar="COUNT", help="no more triplets than this for postgrey, "
                        "which takes some 10 minutes for a million")
    parser.add_argument("--kills", type=int, metavar="ROUNDS", help="kill Postdate under load instead, so often")
    parser.add_argument("--only", choices=["postgrey", "postdate"], help="leave the other out")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", metavar="FILE", help="write the numbers as JSON (-: to standard output, without the tables)")
    parser.add_argument("--dir", default="/var/tmp", help="the disk to measure on (%(default)s)")
    args = parser.parse_args()
    if args.proved and not args.triplets:
        parser.error("--proved goes with --triplets")
    if args.quick:
        args.rounds, args.seconds, args.known = 1, 1, 500
    return args


def build(*what):
    """Builds a program, and says where it is."""
    command = ["cargo", "build", "--release", *what, "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("the build failed")
    programs = [message.get("executable") for message in map(json.loads, done.stdout.splitlines())]
    return next(path for path in reversed(programs) if path)


def main():
    """Measures and prints."""
    args = arguments()
    args.binary = os.path.abspath(args.binary or build("-p", "postdate"))
    args.load = os.path.abspath(args.load or build("-p", "store", "--example", "policy_load"))
    folder = Path(tempfile.mkdtemp(prefix="postdate-bench-", dir=args.dir))
    folder.chmod(0o755)
    say = lambda line: print(line, file=sys.stderr, flush=True)
    args.names = Names(max(args.triplets)) if args.proved else None
    result = {"machine": machine(args), "seconds": {"turn": args.seconds, "sustain": args.sustain}}
    try:
        if args.sustain:
            result["sustained"] = sustained(args, folder, say)
        if args.renewed:
            result["renewed"] = renewed(args, folder, say)
        if args.offered:
            result["offered"] = offered(args, folder, say)
        if args.triplets:
            result["sizes"] = sized(args, folder, say)
        if args.kills:
            result["kills"] = killed(args, folder, say)
        if not (args.sustain or args.renewed or args.offered or args.triplets or args.kills):
            result["rounds"] = rounds(args, folder, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if args.json == "-":
        json.dump(result, sys.stdout, indent=1)
        return
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    print(report(result))


if __name__ == "__main__":
    # So that everything that was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    main()
