"""What a forked child can do with what its parent watches: nothing, and neither harms the other."""

import pytest

from forking import PROGRAM
from processes import run
from stores import Place

FORKS = (
    PROGRAM
    + """
store = agent_store.open(path)
log = store.log("s", "w")
log.append_many([b"x"] * 3)
watch = store.watch(after=2, timeout=60)
generation = store.generation("g")
told, woken = [], []
subscription = store.doorbell.subscribe(lambda event: told.append(event.position), after=0)
asleep = threading.Thread(target=lambda: woken.append(store.doorbell.wait(timeout=60)))
asleep.start()
time.sleep(0.3)  # It sleeps, and so does the subscription.

def refused(call):
    try:
        found = call()
    except ForkedStore:
        return
    raise AssertionError(f"{call} gave {found}")

pid = os.fork()
if pid == 0:
    signal.alarm(60)
    for call in (watch.__next__, store.watch, store.doorbell.wait, store.doorbell.ring, generation.wait):
        refused(call)
        refused(call)
    refused(lambda: store.doorbell.subscribe(print))
    assert watch.position == 2
    for _ in range(2):
        watch.close()
        subscription.close()
    assert list(watch) == []
    sys.exit(7)  # As any program ends: all is torn down.
print(ends(pid))
assert next(watch).position == 3
entry = log.append(b"y")
assert next(watch) == entry
asleep.join(60)
while len(told) < 4:
    time.sleep(0.01)
print(told, woken)
subscription.close()
watch.close()
store.close()
"""
)


@pytest.mark.differs("nobody waits")
def test_a_child_beside_those_who_wait(place: Place) -> None:
    assert run(FORKS, place.target) == ["7", "[1, 2, 3, 4] [4]"]


AGAIN = (
    PROGRAM
    + """
def follows():
    "A store of its own, watched and subscribed to while the parent writes."
    told = []
    with agent_store.open(path) as own, own.watch(timeout=60) as watch:
        with own.doorbell.subscribe(lambda event: told.append(event.position)):
            os.write(ready[1], b"x")
            for number in range(10):
                assert next(watch).payload == b"%d" % number
            while len(told) < 10:
                time.sleep(0.01)

ready = os.pipe()
with agent_store.open(path) as store, store.doorbell.subscribe(lambda event: None), store.watch(timeout=60) as watch:
    children = [forked(follows) for _ in range(3)]
    for _ in children:
        os.read(ready[0], 1)
    for number in range(10):
        store.log("s", "w").append(b"%d" % number)
    print(*[ends(child) for child in children], [int(next(watch).payload) for _ in range(10)] == list(range(10)))
"""
)


@pytest.mark.differs("nobody waits", "no second opening")
def test_children_with_stores_of_their_own(place: Place) -> None:
    assert run(AGAIN, place.target) == ["0 0 0 True"]
