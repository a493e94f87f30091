"""Whoever can write everything in a store and has not its key: each attack is found, and named as what it is."""

import pytest

from agent_store import Verdict
from agent_store.errors import EvidenceRefused
from attacks import ATTACKS, CLAIMS, Attack
from sealed import KEY, build
from stores import Place

pytestmark = [pytest.mark.timeout(60), pytest.mark.differs("no second opening")]


def claims(verdict: Verdict) -> dict[str, str]:
    return {claim: getattr(verdict, claim) for claim in CLAIMS}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_found(place: Place, attack: Attack) -> None:
    with place.open() as store:
        sealed = build(store)
        assert store.verify(keys=KEY.verifier, checkpoint=sealed.second).holds
    place.damage(attack.sql if isinstance(attack.sql, str) else attack.sql(sealed))
    with place.open() as store:
        assert store.verify().holds, "a chain alone does not see it"

        verdict = store.verify(keys=KEY.verifier, checkpoint=sealed.second)
        expected = {claim: "fails" if claim in attack.fails else "holds" for claim in CLAIMS}
        told = [(found.kind, found.position) for found in verdict.breaks]
        assert (claims(verdict), told) == (
            expected,
            [*attack.breaks],
        ), verdict.reasons
        assert not verdict
        assert verdict.reasons
        with pytest.raises((EvidenceRefused, *(type(found.error()) for found in verdict.breaks[:1]))):
            verdict.raise_if_broken()

        verdict = store.verify(keys=KEY.verifier)
        expected = {claim: "fails" if claim in attack.alone else "holds" for claim in CLAIMS}
        assert claims(verdict) == expected | {"freshness": "not asked"}
        assert verdict.holds == (not attack.alone)
