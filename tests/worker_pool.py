"""A pool of processes that is made while a store is open, each worker with a store of its own."""

import multiprocessing
import sys

import agent_store


def work(path: str, number: int) -> int:
    with agent_store.open(path, timeout=30) as store:
        return [store.log("workers", str(number)).append(b"x").seq for _ in range(20)][-1]


def main(path: str, method: str) -> None:
    with agent_store.open(path, timeout=30) as store:
        log = store.log("s", "w")
        log.append(b"x")
        with multiprocessing.get_context(method).Pool(4) as pool:
            results = [pool.apply_async(work, (path, number)) for number in range(8)]
            for _ in range(50):
                log.append(b"y")
            print(*(result.get(50) for result in results))
            pool.close()
            pool.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
