"""A program that forks, and talking to it."""

import subprocess

PROGRAM = """
import os, signal, sys, threading, time, warnings
import agent_store
from agent_store.errors import ForkedStore
warnings.simplefilter("ignore")  # Python's own, about forking with threads
path = sys.argv[1]
signal.alarm(100)  # Nothing outlives the test that it is of.

def forked(child):
    "The process that `child` runs in."
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        try:
            child()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    return pid

def ends(pid, seconds=30):
    "Its status, once it has ended by itself."
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hung"

def appends(rows=1, timeout=10):
    "In a store of its own."
    with agent_store.open(path, timeout=timeout) as store:
        for _ in range(rows):
            store.log("children", str(os.getpid())).append(b"x")
"""


def say(process: "subprocess.Popen[str]", line: str) -> str:
    """A line to it, and its answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()
