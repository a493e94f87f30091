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

#[cfg(test)]
mod tests {
    use super::{Key, verify};
    use crate::chain::hex;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        std::array::from_fn(|number| u8::from_str_radix(&hex[2 * number..2 * number + 2], 16).unwrap())
    }

    /// RFC 8032, 7.1, test 2.
    #[test]
    fn it_signs_as_the_standard_says() {
        let key = Key::new(&bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
        assert_eq!(hex(&key.public_key()), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = key.sign(b"\x72");
        assert_eq!(
            hex(&signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
        assert!(verify(&key.public_key(), b"\x72", &signature));
        assert!(!verify(&key.public_key(), b"\x73", &signature));
        for number in 0..64 {
            let mut altered = signature;
            altered[number] ^= 1;
            assert!(!verify(&key.public_key(), b"\x72", &altered), "{number}");
        }
    }

    /// Under a key of small order one signature holds for many messages: with these, a lax verifier takes any.
    #[test]
    fn a_key_under_which_anything_holds_is_none() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!verify(&neutral, b"anything", &signature));
        assert!(!verify(&[0xff; 32], b"anything", &signature));
    }
}
