//! Key pairs, imported.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Reply, State, filter::Listing, ids, invalid, tags};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Clone, Debug)]
pub(super) struct KeyPair {
    pub(super) name: String,
    kind: &'static str,
    public_key: String,
    fingerprint: String,
    created: String,
}

impl State {
    fn key_named(&self, name: &str) -> Result<String, ApiError> {
        let found = self.key_pairs.iter().find(|(_, key)| key.name == name).map(|(id, _)| id.clone());
        found.ok_or_else(|| ApiError::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist")))
    }

    /// Refuses a key pair's name that nobody has imported.
    pub(super) fn check_key(&self, name: &str) -> Result<(), ApiError> {
        self.key_named(name).map(|_| ())
    }
}

/// An OpenSSH public key. ImportKeyPair takes RSA and ED25519 ones.
struct PublicKey {
    kind: &'static str,
    text: String,
    /// What the text has in base64 (RFC 4253, "Public Key Algorithms").
    blob: Vec<u8>,
}

impl PublicKey {
    fn parse(material: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(material).ok()?.trim();
        let mut parts = text.split_whitespace();
        let algorithm = parts.next()?;
        let kind = match algorithm {
            "ssh-rsa" => "rsa",
            "ssh-ed25519" => "ed25519",
            _ => return None,
        };
        let blob = STANDARD.decode(parts.next()?).ok()?;
        // The blob begins with the algorithm once more, each part behind its length.
        let length = u32::try_from(algorithm.len()).ok()?.to_be_bytes();
        let rest = blob.strip_prefix(&length)?.strip_prefix(algorithm.as_bytes())?;
        let whole = if kind == "ed25519" { rest.len() == 4 + 32 } else { rest.len() > 4 + 4 + 64 };
        whole.then(|| Self { kind, text: text.to_owned(), blob })
    }

    /// "Verify the fingerprint of your key pair": of an ED25519 key the SHA-256 digest, as OpenSSH shows it; of an imported RSA key
    /// the MD5 digest of its DER form.
    fn fingerprint(&self) -> String {
        if self.kind == "ed25519" {
            return STANDARD.encode(Sha256::digest(&self.blob));
        }
        let digest = md5::compute(self.der().unwrap_or_default());
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
    }

    /// RFC 5280, SubjectPublicKeyInfo, of an RSA key: every length in two bytes or fewer, as keys are.
    fn der(&self) -> Option<Vec<u8>> {
        let value = |tag: u8, content: &[u8]| -> Vec<u8> {
            let length = content.len();
            let head = match length {
                0..=0x7f => vec![tag, length as u8],
                0x80..=0xff => vec![tag, 0x81, length as u8],
                _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
            };
            [head.as_slice(), content].concat()
        };
        let mut numbers = Vec::new();
        let mut rest = self.blob.get(4 + "ssh-rsa".len()..)?;
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (number, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            numbers.push(value(2, number));
            rest = after;
        }
        numbers.reverse();
        let algorithm = value(0x30, b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00");
        let key = value(3, &[&[0], value(0x30, &numbers.concat()).as_slice()].concat());
        Some(value(0x30, &[algorithm, key].concat()))
    }
}

pub(super) fn import(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::KEY_PAIR.tag_type, &[])?;
    let name = args.required("KeyName")?;
    // "Up to 255 ASCII characters. Can't include leading or trailing spaces" (CreateKeyPair).
    if name.len() > 255 || !name.is_ascii() || name.trim() != name {
        return Err(invalid(format!("Value ({name}) for parameter keyName is invalid.")));
    }
    let material = STANDARD.decode(args.required("PublicKeyMaterial")?).unwrap_or_default();
    let key =
        PublicKey::parse(&material).ok_or_else(|| ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format"))?;
    if world.ec2.key_named(name).is_ok() {
        return Err(ApiError::new("InvalidKeyPair.Duplicate", format!("The keypair already exists: {name}")));
    }
    let id = world.id(ids::KEY_PAIR.prefix);
    let fingerprint = key.fingerprint();
    let PublicKey { kind, text: public_key, .. } = key;
    let key = KeyPair { name: name.to_owned(), kind, public_key, fingerprint: fingerprint.clone(), created: world.timestamp() };
    world.ec2.key_pairs.insert(id.clone(), key);
    world.ec2.tag(&id, tags);
    Ok(json!({"keyName": name, "keyPairId": id, "keyFingerprint": fingerprint, "tagSet": world.ec2.tag_set(&id)}))
}

pub(super) fn delete(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let id = match (args.str("KeyPairId"), args.str("KeyName")) {
        (Some(id), _) => world.ec2.key_pairs.contains_key(id).then(|| id.to_owned()),
        (None, Some(name)) => world.ec2.key_named(name).ok(),
        (None, None) => return Err(ApiError::missing("KeyName")),
    };
    // A key pair that does not exist is deleted with success (DeleteKeyPair).
    if let Some(id) = &id {
        world.ec2.key_pairs.remove(id);
        world.ec2.tags.remove(id);
    }
    Ok(json!({"return": true, "keyPairId": id}))
}

pub(super) fn describe(world: &mut World, _caller: &Caller, args: &Args) -> Reply {
    let names = args.strings("KeyName");
    for name in &names {
        world.ec2.check_key(name)?;
    }
    let material = args.bool("IncludePublicKey") == Some(true);
    let keys = world.ec2.key_pairs.iter().filter(|(_, key)| names.is_empty() || names.contains(&key.name));
    let items = keys.map(|(id, key)| {
        json!({
            "keyPairId": id, "keyName": key.name, "keyType": key.kind, "keyFingerprint": key.fingerprint, "createTime": key.created,
            "publicKey": if material { json!(key.public_key) } else { Value::Null }, "tagSet": world.ec2.tag_set(id),
        })
    });
    Listing {
        set: "keySet",
        ids: Some(("KeyPairId", &ids::KEY_PAIR)),
        key: "keyPairId",
        filters: &[("key-pair-id", "keyPairId"), ("key-name", "keyName"), ("fingerprint", "keyFingerprint")],
        page: None,
    }
    .reply(args, items.collect())
}
