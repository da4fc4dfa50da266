//! Key pairs: public keys that instances let in.

use eks_core::{Problems, StepKey};
use serde::{Deserialize, Serialize};

use super::{
    keys,
    public_key::{PublicKey, Wrong},
};

/// A public key to import under a name. The private key stays where it is. (Amazon EC2 API Reference, ImportKeyPair.)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    pub(crate) name: String,
    pub(crate) public_key: String,
}

impl KeyPair {
    /// A key pair from the line of an OpenSSH `.pub` file, of type `ssh-ed25519` or `ssh-rsa`.
    pub fn import(name: impl Into<String>, public_key: impl Into<String>) -> Self {
        Self { name: name.into(), public_key: public_key.into() }
    }
}

/// A key pair whose key can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckedKeyPair {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) key: PublicKey,
}

impl CheckedKeyPair {
    pub(crate) fn key(&self) -> StepKey {
        keys::key_pair(&self.name)
    }
}

/// Checks all key pairs; those that can be read.
pub(crate) fn check(problems: &mut Problems, pairs: &[KeyPair]) -> Vec<CheckedKeyPair> {
    let mut checked: Vec<CheckedKeyPair> = Vec::new();
    for pair in pairs {
        let subject = format!("key pair {}", pair.name);
        let name = &pair.name;
        if name.is_empty() || name.trim() != name || !name.is_ascii() || name.len() > 255 {
            let rule = "a name has 1–255 ASCII characters, and no space at its ends";
            problems.add("key-name", &subject, rule, "choose another name");
        }
        if checked.iter().any(|other| other.name == *name) {
            problems.add("key-twice", &subject, "another key pair has its name, which is unique in a Region", "rename one of them");
        }
        match PublicKey::parse(&pair.public_key) {
            Ok(key) => checked.push(CheckedKeyPair { name: name.clone(), text: pair.public_key.trim().to_owned(), key }),
            Err(Wrong { code, rule, remedy }) => problems.add(code, subject, rule, remedy),
        }
    }
    checked
}
