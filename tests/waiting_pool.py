"""A pool of processes that is made while a store is open and watched, each worker waiting in a store of its own."""

import multiprocessing
import sys
import threading

import agent_store

ENTRIES = 40


def work(path: str, number: int) -> int:
    with agent_store.open(path, timeout=30) as store:
        store.log("workers", str(number)).append(b"here")
        with store.watch(stream="s", after=0, timeout=30) as watch:
            return [next(watch).seq for _ in range(ENTRIES)][-1]


def main(path: str, method: str) -> None:
    with agent_store.open(path, timeout=30) as store:
        log = store.log("s", "w")
        came = threading.Event()

        def see_workers() -> None:
            with store.watch(stream="workers", after=0, timeout=30) as watch:
                for _ in range(4):
                    next(watch)
            came.set()

        seeing = threading.Thread(target=see_workers)
        seeing.start()
        with multiprocessing.get_context(method).Pool(4) as pool:
            results = [pool.apply_async(work, (path, number)) for number in range(4)]
            if not came.wait(30):
                sys.exit("the workers' entries were not seen")
            for _ in range(ENTRIES):
                log.append(b"y")
            print(*(result.get(50) for result in results))
            pool.close()
            pool.join()
        seeing.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
