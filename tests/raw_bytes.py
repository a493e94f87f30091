"""What of some bytes is left in the files of a store: looked for by another process, as no file is read in this one."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

WINDOW = 8
"""So many bytes of a payload, wherever they begin in it, are found again."""


def payload(number: int, length: int) -> bytes:
    """Bytes that occur nowhere else."""
    blocks = range(-(-length // 32))
    return b"".join(hashlib.sha256(b"%d %d" % (number, block)).digest() for block in blocks)[:length]


def found(path: Path, payloads: list[bytes]) -> dict[str, int]:
    """How many pieces of these there are in each file that has any, of the database and of all that is beside it."""
    task = {"directory": str(path.parent), "name": path.name, "payloads": [payload.hex() for payload in payloads]}
    command = [sys.executable, __file__]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, check=True)
    answer: dict[str, int] = json.loads(done.stdout)
    return answer


def main() -> None:
    task = json.load(sys.stdin)
    windows = set()
    for each in map(bytes.fromhex, task["payloads"]):
        windows |= {each[at : at + WINDOW] for at in range(len(each) - WINDOW + 1)}
    counts = Counter[str]()
    for file in sorted(Path(task["directory"]).rglob("*")):
        if file.is_file() and file.name.startswith(task["name"]):
            data = file.read_bytes()
            counts[file.name] = sum(data[at : at + WINDOW] in windows for at in range(len(data) - WINDOW + 1))
    json.dump({name: count for name, count in counts.items() if count}, sys.stdout)


if __name__ == "__main__":
    main()
