//! Key pairs, imported.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Reply, State, filter::Listing, ids, tags};
use crate::{
    call::{Args, Caller},
    error::ApiError,
    world::World,
};

#[derive(Debug)]
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

/// Type of an OpenSSH public key. ImportKeyPair takes RSA and ED25519 ones.
fn kind_of(material: &[u8]) -> Option<(&'static str, String)> {
    let text = std::str::from_utf8(material).ok()?.trim();
    let mut parts = text.split_whitespace();
    let kind = match parts.next()? {
        "ssh-rsa" => "rsa",
        "ssh-ed25519" => "ed25519",
        _ => return None,
    };
    STANDARD.decode(parts.next()?).ok()?;
    Some((kind, text.to_owned()))
}

pub(super) fn import(world: &mut World, caller: &Caller, args: &Args) -> Reply {
    let tags = tags::specified(args, caller, ids::KEY_PAIR.tag_type, &[])?;
    let name = args.required("KeyName")?;
    let material = STANDARD.decode(args.required("PublicKeyMaterial")?).unwrap_or_default();
    let (kind, public_key) =
        kind_of(&material).ok_or_else(|| ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format"))?;
    if world.ec2.key_named(name).is_ok() {
        return Err(ApiError::new("InvalidKeyPair.Duplicate", format!("The keypair already exists: {name}")));
    }
    let id = world.id(ids::KEY_PAIR.prefix);
    // Not the key's own fingerprint, but of its form: 16 pairs of digits.
    let hex = world.draw.hex("fingerprint", 32);
    let fingerprint = (0..16).map(|n| &hex[2 * n..2 * n + 2]).collect::<Vec<_>>().join(":");
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
