#!/usr/bin/env python3
"""Mail through an MTA: smtp-source -> MTA -> smtp-sink, for Postfix and Postdate in turns.

    sudo bench/throughput.py                      # builds Postdate, 5 rounds, with and without connection reuse
    sudo bench/throughput.py --quick              # 1 short round, to see that everything works
    sudo bench/throughput.py --json result.json   # the numbers for programs as well ("-": standard output, nothing else)
    sudo bench/throughput.py --binary PATH        # measures this binary
    sudo bench/throughput.py --only postdate      # without Postfix (for a profiler: the pid is printed)

Needs Postfix's programs (Debian: postfix; `cargo xtask peers` installs it), and root, because Postfix does. Everything
listens on free loopback ports and lies in a folder of its own, on the disk that --dir names, removed at the end. What is
measured, and how: bench/README.md.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
# What the load's recipients and senders are called; no name is ever looked up.
SENDER, RECIPIENT = "source@bench.test", "sink@bench.test"
MODES = {"session per mail": [], "sessions kept": ["-d"]}
NUMBERS = {
    "accepted": ("accepted", "messages/s", 0),
    "end_to_end": ("end to end", "messages/s", 0),
    "cpu_ms": ("CPU", "ms/message", 3),
    "cpu_ms_to_accept": ("CPU until the last was accepted", "ms/message", 3),
}


# --- processes -------------------------------------------------------------------------------------------------------

def tool(name):
    """The path of one of Postfix's programs."""
    found = shutil.which(name, path=PATH)
    if not found:
        sys.exit(f"{name} is missing: install Postfix (Debian: apt install postfix, or cargo xtask peers)")
    return found


def free_port():
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, done, seconds=30.0, pause=0.01):
    """Waits until done() gives something true, and gives that."""
    end = time.monotonic() + seconds
    while not (result := done()):
        if time.monotonic() > end:
            sys.exit(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause)
    return result


def listens(port):
    """Whether somebody answers there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def stop(process):
    """Ends one process that we started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- CPU time --------------------------------------------------------------------------------------------------------

def processes():
    """pid -> (parent, ticks of the process and of its children that are gone)."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # The command, in parentheses, may hold anything: count from behind it.
                fields = Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            table[int(entry)] = (int(fields[1]), sum(map(int, fields[11:15])))
    return table


def cpu_seconds(root):
    """User and system time of a process and of everything below it, the dead included."""
    table = processes()
    family, grew = {root}, True
    while grew:
        more = {pid for pid, (parent, _) in table.items() if parent in family} - family
        family |= more
        grew = bool(more)
    return sum(table[pid][1] for pid in family if pid in table) / TICKS


def machine_seconds():
    """Time that all cores were busy, with whatever."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def quiet_cpu_seconds(root, seconds=20.0):
    """The same as cpu_seconds, once nothing has been added for 0.4 s: what the MTA does after the last mail counts."""
    end, last, since = time.monotonic() + seconds, -1.0, 0.0
    while time.monotonic() < end:
        now = cpu_seconds(root)
        if now > last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 0.4:
            break
        time.sleep(0.05)
    return last


# --- smtp-sink and smtp-source ---------------------------------------------------------------------------------------

class Sink:
    """Postfix's smtp-sink, which counts into a file."""

    def __init__(self, folder, name):
        self.port = free_port()
        self.counter = folder / f"{name}.count"
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        with open(self.counter, "wb") as out:
            self.process = subprocess.Popen(
                [tool("smtp-sink"), *user, "-c", f"127.0.0.1:{self.port}", "1000"], stdout=out, stderr=out)
        until("smtp-sink to listen", lambda: listens(self.port))

    def count(self):
        """Mails received so far."""
        with open(self.counter, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 200))
            counts = [part.split(b"mesg=")[1].split()[0] for part in file.read().split(b"\r") if b"mesg=" in part[:-1]]
        return int(counts[-1]) if counts else 0


def send(args, mode, port, count):
    """Has smtp-source send so many mails, and waits for it."""
    command = [tool("smtp-source"), *MODES[mode], "-s", str(args.sessions), "-m", str(count), "-l", str(args.size),
               "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0 or result.stderr:
        sys.exit(f"smtp-source failed: {result.stderr.strip() or result.returncode}")


# --- the MTAs --------------------------------------------------------------------------------------------------------

POSTDATE = """\
hostname = "postdate.test"
data_dir = "{home}/data"
[[listen]]
address = "127.0.0.1:0"
[tls]
off = true
[relay]
networks = ["127.0.0.0/8"]
[delivery]
smarthost = "[127.0.0.1]:{sink}"
[limits]
connections_per_client = 1000
"""


class Postdate:
    """Postdate, relaying everything to the sink; its log in a file."""

    name = "Postdate"

    def __init__(self, args, folder):
        self.sink = Sink(folder, "postdate")
        home = folder / "postdate"
        home.mkdir()
        config = home / "postdate.toml"
        config.write_text(POSTDATE.format(home=home, sink=self.sink.port))
        out = home / "out"
        with open(out, "wb") as stdout, open(home / "log", "wb") as log:
            self.process = subprocess.Popen([args.binary, "--config", config, "serve"], stdout=stdout, stderr=log)
        self.pid = self.process.pid
        self.port = until("Postdate to listen", lambda: self._port(out))

    def _port(self, out):
        if self.process.poll() is not None:
            sys.exit(f"Postdate did not start: {out.with_name('log').read_text()}")
        text = out.read_text()
        lines = [line for line in text.splitlines() if line.startswith("listening on ")]
        return int(lines[0].rpartition(":")[2]) if lines and "data in" in text else None

    def stop(self):
        """Ends it and its sink."""
        stop(self.process)
        stop(self.sink.process)


POSTFIX = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = /
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
relayhost = [127.0.0.1]:{sink}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 1000
in_flow_delay = 0
alias_maps =
alias_database =
local_recipient_maps =
"""

# Debian's services without chroot, those that this load can't reach left out.
POSTFIX_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """An instance of its own; Debian's defaults apart from where it lies, whom it trusts and where it sends."""

    name = "Postfix"

    def __init__(self, args, folder):
        self.sink = Sink(folder, "postfix")
        self.port = free_port()
        home = folder / "postfix"
        self.config = home / "conf"
        for path in (self.config, home / "queue", home / "data"):
            path.mkdir(parents=True)
        shutil.chown(home / "data", "postfix")
        (self.config / "main.cf").write_text(POSTFIX.format(home=home, sink=self.sink.port))
        (self.config / "master.cf").write_text(POSTFIX_SERVICES.format(port=self.port))
        with open(home / "start", "wb") as out:
            self.process = subprocess.Popen(
                [tool("postfix"), "-c", self.config, "start-fg"], stdout=out, stderr=out, start_new_session=True)
        self.pid = self.process.pid
        until("Postfix to listen", lambda: self.process.poll() is not None or listens(self.port))
        if self.process.poll() is not None:
            sys.exit(f"Postfix did not start: {(home / 'start').read_text()}")

    def stop(self):
        """Ends it and its sink. Its master ends its own children."""
        subprocess.run([tool("postfix"), "-c", self.config, "stop"], capture_output=True)
        stop(self.process)
        stop(self.sink.process)


# --- one measurement -------------------------------------------------------------------------------------------------

def measure(args, mta, mode, count):
    """One turn: rates, CPU per message, and how busy others kept the machine."""
    before, busy, expected = cpu_seconds(mta.pid), machine_seconds(), mta.sink.count() + count
    tools = os.times().children_user + os.times().children_system + cpu_seconds(mta.sink.process.pid)
    begin = time.monotonic()
    send(args, mode, mta.port, count)
    accepted = time.monotonic() - begin
    until_accepted = cpu_seconds(mta.pid) - before
    until(f"{count} mails from {mta.name}", lambda: mta.sink.count() >= expected, seconds=300)
    arrived = time.monotonic() - begin
    tools = os.times().children_user + os.times().children_system + cpu_seconds(mta.sink.process.pid) - tools
    others = machine_seconds() - busy - tools - (cpu_seconds(mta.pid) - before)
    cpu = quiet_cpu_seconds(mta.pid) - before
    if mta.sink.count() != expected:
        sys.exit(f"{mta.name}: {mta.sink.count() - expected} mails too many arrived")
    return {
        "accepted": count / accepted,
        "end_to_end": count / arrived,
        "cpu_ms": cpu * 1000 / count,
        "cpu_ms_to_accept": until_accepted * 1000 / count,
        "tools_cpu_ms": tools * 1000 / count,
        "others_percent": max(0.0, 100 * others / (arrived * CORES)),
    }


def direct(args, sink, mode, count):
    """The line without an MTA: what the two load tools can do."""
    expected = sink.count() + count
    begin = time.monotonic()
    send(args, mode, sink.port, count)
    until("the sink", lambda: sink.count() >= expected)
    return count / (time.monotonic() - begin)


def run(args, folder, say):
    """All rounds: mode -> name -> list of turns."""
    line = Sink(folder, "direct")
    mtas = []
    try:
        for kind in (Postfix, Postdate):
            if args.only in (None, kind.name.lower()):
                mtas.append(kind(args, folder))
                say(f"{kind.name}: pid {mtas[-1].pid}, port {mtas[-1].port}")
        turns = {mode: {"direct": [], **{mta.name: [] for mta in mtas}} for mode in MODES}
        for mta in mtas:
            for mode in MODES:
                measure(args, mta, mode, args.warm_up)
        for number in range(args.rounds):
            for mode in MODES:
                turns[mode]["direct"].append(direct(args, line, mode, 2 * args.messages))
                for mta in mtas:
                    turn = measure(args, mta, mode, args.messages)
                    turns[mode][mta.name].append(turn)
                    say(f"round {number + 1}, {mode}, {mta.name}: {turn['accepted']:.0f}/s accepted, "
                        f"{turn['end_to_end']:.0f}/s end to end, {turn['cpu_ms']:.3f} ms CPU a message "
                        f"(load tools {turn['tools_cpu_ms']:.3f} ms; others took {turn['others_percent']:.0f} % of the machine)")
        return turns
    finally:
        for mta in mtas:
            mta.stop()
        stop(line.process)


# --- results ---------------------------------------------------------------------------------------------------------

def summary(values):
    """Median and spread."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def results(args, turns):
    """Medians, spreads, and ratios of turns of the same round."""
    modes = {}
    for mode, by_name in turns.items():
        result = {"direct": {"end_to_end": summary(by_name["direct"])}}
        for name in [name for name in by_name if name != "direct"]:
            keys = [*NUMBERS, "tools_cpu_ms", "others_percent"]
            result[name] = {key: summary([turn[key] for turn in by_name[name]]) for key in keys}
        if {"Postfix", "Postdate"} <= by_name.keys():
            pairs = list(zip(by_name["Postdate"], by_name["Postfix"]))
            result["Postdate/Postfix"] = {key: summary([a[key] / b[key] for a, b in pairs]) for key in NUMBERS}
        modes[mode] = result
    return {"machine": machine(args), "load": {"messages": args.messages, "octets": args.size,
            "sessions": args.sessions, "rounds": args.rounds}, "modes": modes, "turns": turns}


def machine(args):
    """What it ran on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    kind = subprocess.run(["df", "--output=fstype", args.dir], capture_output=True, text=True).stdout.split()[-1]
    version = subprocess.run([tool("postconf"), "-h", "-d", "mail_version"], capture_output=True, text=True).stdout
    return {"date": time.strftime("%Y-%m-%d"), "cpu": model, "cores": CORES, "memory_gib": round(memory, 1),
            "system": f"{platform.system()} {platform.release()}", "disk": kind, "postfix": version.strip()}


def spread(value, digits):
    """`442 (430 to 460)`"""
    return f"{value['median']:.{digits}f} ({value['min']:.{digits}f} to {value['max']:.{digits}f})"


def table(result):
    """The results as text: a table in Markdown for each mode."""
    on, load = result["machine"], result["load"]
    lines = [
        f"{on['date']}: {on['cores']} × {on['cpu']}, {on['memory_gib']} GiB, {on['system']}, {on['disk']}; "
        f"Postfix {on['postfix']}; {load['rounds']} rounds of {load['messages']} mails of {load['octets']} octets, "
        f"{load['sessions']} sessions. Median (lowest to highest).",
    ]
    for mode, by_name in result["modes"].items():
        names = [name for name in by_name if name != "direct"]
        lines += ["", f"**{mode}** (the direct line without an MTA: {spread(by_name['direct']['end_to_end'], 0)} messages/s)", "",
                  "| | " + " | ".join(names) + " |", "| --- |" + " ---: |" * len(names)]
        for key, (label, unit, digits) in NUMBERS.items():
            cells = [spread(by_name[name][key], 2 if "/" in name else digits) for name in names]
            lines.append(f"| {label}, {unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


# --- command line ----------------------------------------------------------------------------------------------------

def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="measure this binary instead of building one")
    parser.add_argument("--messages", type=int, default=4000, help="mails of one turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (%(default)s)")
    parser.add_argument("--sessions", type=int, default=20, help="parallel sessions (%(default)s)")
    parser.add_argument("--size", type=int, default=4096, help="octets of a mail's content (%(default)s)")
    parser.add_argument("--warm-up", type=int, default=500, help="mails before the first turn (%(default)s)")
    parser.add_argument("--only", choices=["postfix", "postdate"], help="leave the other out")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", metavar="FILE", help="write the numbers as JSON (-: to standard output, without the tables)")
    parser.add_argument("--dir", default="/var/tmp", help="the disk to measure on (%(default)s)")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.messages, args.warm_up = 1, 1000, 100
    return args


def build():
    """Builds the binary, and says where it is."""
    command = ["cargo", "build", "--release", "-p", "postdate", "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("the build failed")
    binaries = [message.get("executable") for message in map(json.loads, done.stdout.splitlines())]
    return next(path for path in reversed(binaries) if path)


def main():
    """Measures and prints."""
    args = arguments()
    if os.geteuid() != 0 and args.only != "postdate":
        sys.exit("run it as root: Postfix starts only as root (or use --only postdate)")
    args.binary = os.path.abspath(args.binary or build())
    folder = Path(tempfile.mkdtemp(prefix="postdate-bench-", dir=args.dir))
    folder.chmod(0o755)
    say = lambda line: print(line, file=sys.stderr, flush=True)
    try:
        result = results(args, run(args, folder, say))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if args.json == "-":
        json.dump(result, sys.stdout, indent=1)
        return
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    # So that everything that was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    main()
