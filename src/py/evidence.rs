//! The primitives of what is signed: pure functions of bytes and sizes, and the key.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::errors::exception;
use super::{bytes, hash};
use crate::chain::Hash;
use crate::error::Result;
use crate::evidence::key::{self, Key};
use crate::evidence::leaf::{self as leaves, LONGEST_NAMES, Leaf, Names};
use crate::evidence::tile::{self, Place, Tile};
use crate::evidence::tree::{self, LARGEST, Range};

/// A whole number from 0 to 2^63 − 1, or ValueError.
pub struct Size(u64);

impl<'py> FromPyObject<'_, 'py> for Size {
    type Error = PyErr;

    fn extract(number: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match number.extract::<u64>() {
            Ok(size) if size <= LARGEST => Ok(Self(size)),
            Err(error) if !error.is_instance_of::<pyo3::exceptions::PyOverflowError>(number.py()) => Err(error),
            _ => Err(PyValueError::new_err("a size, an index or a length must be from 0 to 2^63 - 1")),
        }
    }
}

fn leaf_of<'a>(
    names: (&'a Bound<'_, PyString>, &'a Bound<'_, PyString>),
    seq: &Size,
    hashes: (Option<&'a Hash>, &'a Hash),
    payload_len: &Size,
) -> PyResult<Leaf<'a>> {
    let names = Names::new(names.0.to_str()?.as_bytes(), names.1.to_str()?.as_bytes()).ok_or_else(|| {
        PyValueError::new_err(format!(
            "stream and writer have more than {LONGEST_NAMES} bytes of UTF-8: no leaf holds them"
        ))
    })?;
    Ok(Leaf { names, seq: seq.0, prev_hash: hashes.0, content_hash: hashes.1, payload_len: payload_len.0 })
}

/// An entry as a leaf of the tree, as it is before it is hashed.
#[pyfunction]
pub fn leaf<'py>(
    py: Python<'py>,
    stream: &Bound<'py, PyString>,
    writer: &Bound<'py, PyString>,
    seq: Size,
    prev_hash: Option<&[u8]>,
    content_hash: &[u8],
    payload_len: Size,
) -> PyResult<Bound<'py, PyBytes>> {
    let prev_hash = prev_hash.map(|bytes| hash(bytes, "prev_hash")).transpose()?;
    let content_hash = hash(content_hash, "content_hash")?;
    let leaf = leaf_of((stream, writer), &seq, (prev_hash.as_ref(), &content_hash), &payload_len)?;
    Ok(PyBytes::new(py, &leaf.bytes()))
}

/// Its hash, 32 bytes.
#[pyfunction]
pub fn leaf_hash<'py>(
    py: Python<'py>,
    stream: &Bound<'py, PyString>,
    writer: &Bound<'py, PyString>,
    seq: Size,
    prev_hash: Option<&[u8]>,
    content_hash: &[u8],
    payload_len: Size,
) -> PyResult<Bound<'py, PyBytes>> {
    let prev_hash = prev_hash.map(|bytes| hash(bytes, "prev_hash")).transpose()?;
    let content_hash = hash(content_hash, "content_hash")?;
    let leaf = leaf_of((stream, writer), &seq, (prev_hash.as_ref(), &content_hash), &payload_len)?;
    Ok(bytes(py, &leaf.hash()))
}

/// (stream, writer, seq, prev_hash, content_hash, payload_len) of a leaf.
type Facts<'py> =
    (Bound<'py, PyString>, Bound<'py, PyString>, u64, Option<Bound<'py, PyBytes>>, Bound<'py, PyBytes>, u64);

/// The hashes of the leaves in an entry bundle, 32 bytes each, and what each leaf says: None where it is none of a store.
/// ValueError for a bundle that is cut off.
#[pyfunction]
pub fn unbundle<'py>(py: Python<'py>, bundle: &[u8]) -> PyResult<(Bound<'py, PyBytes>, Vec<Option<Facts<'py>>>)> {
    let Some(bundled) = leaves::bundled(bundle) else {
        return Err(PyValueError::new_err("the bundle ends amid an entry"));
    };
    let hashes: Vec<Hash> = py.detach(|| bundled.iter().map(|leaf| leaves::hash(leaf)).collect());
    let facts = bundled.into_iter().map(|leaf| facts(py, leaf)).collect();
    Ok((PyBytes::new(py, hashes.as_flattened()), facts))
}

fn facts<'py>(py: Python<'py>, leaf: &[u8]) -> Option<Facts<'py>> {
    let Leaf { names, seq, prev_hash, content_hash, payload_len } = Leaf::parse(leaf)?;
    let stream = PyString::new(py, std::str::from_utf8(names.stream()).ok()?);
    let writer = PyString::new(py, std::str::from_utf8(names.writer()).ok()?);
    Some((stream, writer, seq, prev_hash.map(|hash| bytes(py, hash)), bytes(py, content_hash), payload_len))
}

/// The root of the tree without leaves.
#[pyfunction]
pub fn empty_root(py: Python<'_>) -> Bound<'_, PyBytes> {
    bytes(py, &tree::empty_root())
}

/// (level, number, width) of a tile: so many of its hashes are wanted.
type Wanted = (u32, u64, usize);

fn wanted(places: Vec<Place>) -> Vec<Wanted> {
    places.into_iter().map(|place| (place.level, place.number, place.width)).collect()
}

/// The hashes of each tile, or ValueError where they are not whole.
fn hashes<'a>(tiles: &'a [Bound<'_, PyBytes>]) -> PyResult<Vec<&'a [Hash]>> {
    tiles.iter().map(|tile| whole(tile.as_bytes())).collect()
}

fn whole(bytes: &[u8]) -> PyResult<&[Hash]> {
    match bytes.as_chunks() {
        (hashes, []) => Ok(hashes),
        _ => Err(PyValueError::new_err(format!("{} bytes are no whole number of hashes of 32", bytes.len()))),
    }
}

fn proof_hashes(proof: &[Bound<'_, PyBytes>]) -> PyResult<Vec<Hash>> {
    proof.iter().map(|bytes| hash(bytes.as_bytes(), "a hash of a proof")).collect()
}

/// Work on hashes that takes a while.
fn without_python<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(work).map_err(|error| exception(py, error))
}

/// The last tile of each level of a tree, the lowest level first, as (level, number, width): partial, or empty (width 0)
/// where the one before it is full.
#[pyfunction]
pub fn edge_of(size: Size) -> Vec<Wanted> {
    wanted(tile::edge(size.0))
}

/// The tiles (level, number, hashes) that are new or longer when leaves come to a tree of `size`. `edge` has the tiles that
/// `edge_of(size)` names, `leaf_hashes` 32 bytes for each leaf.
#[pyfunction]
pub fn grow<'py>(
    py: Python<'py>,
    size: Size,
    edge: Vec<Bound<'py, PyBytes>>,
    leaf_hashes: &[u8],
) -> PyResult<Vec<(u32, u64, Bound<'py, PyBytes>)>> {
    let (edge, leaves) = (hashes(&edge)?, whole(leaf_hashes)?);
    let grown = without_python(py, || tile::grow(size.0, &edge, leaves))?;
    let tile = |Tile { level, number, hashes }: Tile| (level, number, PyBytes::new(py, hashes.as_flattened()));
    Ok(grown.into_iter().map(tile).collect())
}

/// The root of a tree. `tiles` are those that `edge_of(size)` names; a longer one is cut.
#[pyfunction]
pub fn root_of<'py>(py: Python<'py>, size: Size, tiles: Vec<Bound<'py, PyBytes>>) -> PyResult<Bound<'py, PyBytes>> {
    let root = tile::root_of(size.0, &hashes(&tiles)?).map_err(|error| exception(py, error))?;
    Ok(bytes(py, &root))
}

fn inclusion_nodes(index: &Size, size: &Size) -> PyResult<Vec<Range>> {
    tree::inclusion(index.0, size.0)
        .ok_or_else(|| PyValueError::new_err(format!("a tree of {} leaves has none with index {}", size.0, index.0)))
}

fn consistency_nodes(old: &Size, new: &Size) -> PyResult<Vec<Range>> {
    tree::consistency(old.0, new.0)
        .ok_or_else(|| PyValueError::new_err(format!("a tree of {} leaves did not begin as one of {}", new.0, old.0)))
}

fn prove<'py>(
    py: Python<'py>,
    nodes: &[Range],
    size: &Size,
    tiles: &[Bound<'py, PyBytes>],
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let proof = tile::proof(nodes, size.0, &hashes(tiles)?).map_err(|error| exception(py, error))?;
    Ok(proof.iter().map(|hash| bytes(py, hash)).collect())
}

/// The tiles that `inclusion` needs, as (level, number, width).
#[pyfunction]
pub fn inclusion_needs(index: Size, size: Size) -> PyResult<Vec<Wanted>> {
    Ok(wanted(tile::needs(&inclusion_nodes(&index, &size)?, size.0)))
}

/// The proof that a leaf is in a tree: its siblings, from the leaf to the root. `tiles` are those of `inclusion_needs`; a
/// longer one is cut.
#[pyfunction]
pub fn inclusion<'py>(
    py: Python<'py>,
    index: Size,
    size: Size,
    tiles: Vec<Bound<'py, PyBytes>>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    prove(py, &inclusion_nodes(&index, &size)?, &size, &tiles)
}

/// The tiles that `consistency` needs, as (level, number, width).
#[pyfunction]
pub fn consistency_needs(old: Size, new: Size) -> PyResult<Vec<Wanted>> {
    Ok(wanted(tile::needs(&consistency_nodes(&old, &new)?, new.0)))
}

/// The proof that a tree of size `new` began as the one of size `old`; empty where `old` is 0 or both are the same. `tiles`
/// are those of `consistency_needs`; a longer one is cut.
#[pyfunction]
pub fn consistency<'py>(
    py: Python<'py>,
    old: Size,
    new: Size,
    tiles: Vec<Bound<'py, PyBytes>>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    prove(py, &consistency_nodes(&old, &new)?, &new, &tiles)
}

/// The root that an inclusion proof leads to. ValueError where it has not the number of hashes that index and size ask for.
#[pyfunction]
pub fn root_from_inclusion<'py>(
    py: Python<'py>,
    leaf_hash: &[u8],
    index: Size,
    size: Size,
    proof: Vec<Bound<'py, PyBytes>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (leaf, proof) = (hash(leaf_hash, "leaf_hash")?, proof_hashes(&proof)?);
    let needed = inclusion_nodes(&index, &size)?.len();
    let root = tree::root_from_inclusion(&leaf, index.0, size.0, &proof).ok_or_else(|| {
        PyValueError::new_err(format!(
            "the proof has {} hashes, and leaf {} of {} needs {needed}",
            proof.len(),
            index.0,
            size.0
        ))
    })?;
    Ok(bytes(py, &root))
}

/// Whether a proof shows that the tree of size `new` with this root began as the one of size `old` with that root.
#[pyfunction]
pub fn check_consistency(
    old: Size,
    new: Size,
    old_root: &[u8],
    new_root: &[u8],
    proof: Vec<Bound<'_, PyBytes>>,
) -> PyResult<bool> {
    let (old_root, new_root) = (hash(old_root, "old_root")?, hash(new_root, "new_root")?);
    Ok(tree::is_consistent((old.0, &old_root), (new.0, &new_root), &proof_hashes(&proof)?))
}

/// A signing key, made of a seed of 32 bytes. It does not give the seed away again.
#[pyclass(frozen, module = "agent_store._core")]
pub struct Ed25519(Key);

#[pymethods]
impl Ed25519 {
    #[new]
    fn new(seed: &[u8]) -> PyResult<Self> {
        Ok(Self(Key::new(&hash(seed, "seed")?)))
    }

    /// 32 bytes.
    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.0.public_key())
    }

    /// 64 bytes.
    fn sign<'py>(&self, py: Python<'py>, message: &[u8]) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.sign(message))
    }
}

/// Whether a signature of 64 bytes holds; strictly, so that no message has a second one under the same key.
#[pyfunction]
pub fn ed25519_verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> PyResult<bool> {
    let public_key = hash(public_key, "an Ed25519 public key")?;
    let signature = signature.try_into().map_err(|_| {
        PyValueError::new_err(format!("an Ed25519 signature must be 64 bytes, not {}", signature.len()))
    })?;
    Ok(key::verify(&public_key, message, signature))
}

/// 32 bytes from the operating system's source of randomness.
#[pyfunction]
pub fn new_seed(py: Python<'_>) -> PyResult<Bound<'_, PyBytes>> {
    Ok(py.import("os")?.getattr("urandom")?.call1((32,))?.cast_into()?)
}
