//! Ed25519 (RFC 8032): signing with a seed, and the strict verification that takes no signature which another would not.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Its seed is wiped from memory when it goes.
pub struct Key(SigningKey);

impl Key {
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// False also where the key is none, or one under which others' signatures hold too.
pub fn verify(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(public_key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}
