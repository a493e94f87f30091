"""Ed25519 keys with names: who signs, and what others verify it by.

Verifier keys are C2SP's (https://c2sp.org/signed-note), of the types 0x01, a signature of a text, and 0x04, a
cosignature (https://c2sp.org/tlog-cosignature).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, Protocol, TypeAlias, runtime_checkable

from agent_store._core import Ed25519, ed25519_verify, new_seed
from agent_store.errors import MalformedEvidence
from agent_store.evidence.note import is_name
from agent_store.evidence.text import MOST, base64, checked_text, from_base64, short

if TYPE_CHECKING:
    import os

SIGNS: Final = 0x01
COSIGNS: Final = 0x04
KEY, SIGNATURE, TIME = 32, 64, 8  # bytes


@runtime_checkable
class Signer(Protocol):
    """Whoever can sign: a SigningKey, or an object of yours before a KMS or a piece of hardware."""

    @property
    def name(self) -> str:
        """The key's name: not empty, without spaces or plus. For a store's key it is the origin."""

    @property
    def public_key(self) -> bytes:
        """32 bytes, as RFC 8032 encodes them."""

    def sign(self, message: bytes, /) -> bytes:
        """The Ed25519 signature of a message, 64 bytes."""


class Right(NamedTuple):
    """That a signature is right; `time` of a cosignature, seconds since 1970."""

    time: int | None = None


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name and with what it is for: SIGNS or COSIGNS."""

    name: str
    public_key: bytes
    kind: int = SIGNS

    @property
    def key_id(self) -> bytes:
        """Four bytes, by which a note's lines name it."""
        import hashlib

        return hashlib.sha256(b"%b\n%c%b" % (self.name.encode(), self.kind, self.public_key)).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64(bytes([self.kind]) + self.public_key)}"

    def verify(self, text: str, blob: bytes) -> Right | None:
        """None where `blob` is not what this key makes of a note's text."""
        if self.kind == COSIGNS:
            time = int.from_bytes(blob[:TIME])
            if len(blob) != TIME + SIGNATURE or time > MOST:
                return None
            right = ed25519_verify(self.public_key, cosigned_message(time, text), blob[TIME:])
            return Right(time) if right else None
        right = len(blob) == SIGNATURE and ed25519_verify(self.public_key, text.encode(), blob)
        return Right() if right else None

    @classmethod
    def parse(cls, text: object, kind: int | None = None) -> "VerifierKey":
        """From `<name>+<key id>+<base64>`; MalformedEvidence for anything else, and for one that is not of `kind`."""
        what = "verifier key"
        # On the first two only: base64 has pluses of its own.
        name, *rest = checked_text(text, what).split("+", 2)
        if len(rest) != 2 or not is_name(name):
            raise MalformedEvidence(what, f"{short(str(text))} is not <name>+<key id>+<base64>")
        data = from_base64(rest[1], what)
        if data[0] not in {SIGNS, COSIGNS} or len(data) != 1 + KEY:
            raise MalformedEvidence(what, f"the one of {name!r} is of type 0x{data[0]:02x}: Ed25519 has 0x01 and 0x04")
        key = cls(name, data[1:], data[0])
        if rest[0] != key.key_id.hex():
            raise MalformedEvidence(what, f"the id of {name!r} is {key.key_id.hex()}, and not {short(rest[0])}")
        if kind is not None and key.kind != kind:
            raise MalformedEvidence(what, f"the one of {name!r} is for {_USES[key.kind]}, and not for {_USES[kind]}")
        return key

    @classmethod
    def of(cls, signer: Signer, kind: int = SIGNS) -> "VerifierKey":
        """What verifies this signer's signatures; TypeError or ValueError for what cannot be one."""
        name, public_key = getattr(signer, "name", None), getattr(signer, "public_key", None)
        if not isinstance(name, str) or not callable(getattr(signer, "sign", None)):
            raise TypeError(f"a signer has name, public_key and sign(message), and {type(signer).__name__} has not")
        if not is_name(name):
            raise ValueError(f"a key's name is not empty and has no spaces, plus or control characters: not {name!r}")
        if not isinstance(public_key, bytes) or len(public_key) != KEY:
            raise ValueError(f"the public key of {name!r} is not {KEY} bytes")
        return cls(name, public_key, kind)


_USES = {SIGNS: "signatures (type 0x01)", COSIGNS: "cosignatures (type 0x04)"}

Key: TypeAlias = str | Signer | VerifierKey
Keys: TypeAlias = Key | Iterable[Key]


def cosigned_message(time: int, text: str) -> bytes:
    """What a witness signs: the time, in seconds since 1970, and the text of a checkpoint."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def as_key(key: Key, kind: int = SIGNS) -> VerifierKey:
    """From a verifier key's text, or of a signer."""
    if isinstance(key, VerifierKey):
        return key if key.kind == kind else VerifierKey.parse(str(key), kind)
    return VerifierKey.parse(key, kind) if isinstance(key, str) else VerifierKey.of(key, kind)


def as_keys(keys: Keys, kind: int = SIGNS) -> tuple[VerifierKey, ...]:
    """One or several, each once; ValueError for none."""
    if isinstance(keys, str | VerifierKey | Signer):
        return (as_key(keys, kind),)
    if not isinstance(keys, Iterable):
        raise TypeError(f"keys are verifier keys (str) or signers, not {type(keys).__name__}")
    found = tuple(dict.fromkeys(as_key(key, kind) for key in keys))
    if not found:
        raise ValueError("keys has no key in it")
    return found


def origin_of(keys: Iterable[VerifierKey], origin: str | None = None) -> str:
    """`origin`, or the one name that these keys have; ValueError where they have several."""
    if origin is not None:
        if not isinstance(origin, str):
            raise TypeError(f"origin must be a str, not {type(origin).__name__}")
        return origin
    names = {key.name for key in keys}
    if len(names) != 1:
        raise ValueError(f"the keys have the names {', '.join(map(repr, sorted(names)))}: give origin=…")
    return names.pop()


class SigningKey:
    """An Ed25519 key with a name: the secret that a store's checkpoints, a witness or a writer signs with."""

    __slots__ = ("_key", "_name", "_seed")

    def __init__(self, name: str, seed: bytes) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a key's name is a str, not {type(name).__name__}")
        if not isinstance(seed, bytes):
            raise TypeError(f"a seed is bytes, not {type(seed).__name__}")
        if not is_name(name):
            raise ValueError(f"a key's name is not empty and has no spaces, plus or control characters: not {name!r}")
        if len(seed) != KEY:
            raise ValueError(f"a seed is {KEY} bytes, not {len(seed)}")
        self._name, self._seed, self._key = name, seed, Ed25519(seed)

    @classmethod
    def generate(cls, name: str) -> "SigningKey":
        """A new key from the system's randomness. The name of a store's is its origin: `example.com/audit`, say."""
        return cls(name, new_seed())

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> "SigningKey":
        """The key of RFC 8032 with this secret, 32 bytes."""
        return cls(name, seed)

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> "SigningKey":
        """From a file that `save` wrote.

        PermissionError where it is yours and others may read or write it too; MalformedEvidence for what is no key.
        """
        from agent_store.evidence.keyfile import read_key

        return cls(*read_key(path))

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Into a new file, which its owner alone may read and write; FileExistsError where there is one."""
        from agent_store.evidence.keyfile import write_key

        write_key(path, VerifierKey.of(self), self._seed)

    @property
    def name(self) -> str:
        """For a store's key: the origin."""
        return self._name

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self._key.public_key

    @property
    def verifier(self) -> str:
        """The verifier key (type 0x01) that others need to verify what this key signs: no secret."""
        return str(VerifierKey.of(self))

    @property
    def witness_verifier(self) -> str:
        """The verifier key (type 0x04) that others need to verify what this key cosigns, as a witness."""
        return str(VerifierKey.of(self, COSIGNS))

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"SigningKey({self.verifier!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a SigningKey is a secret and is not pickled or copied: save it to a file")
