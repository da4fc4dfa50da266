//! What was saved is read back only if it is what was saved.
//!
//! A saved plan, teardown or replacement carries a digest over all of it. Without a key it is SHA-256: whoever edits the file is told so, by
//! accident or not, before any call; but whoever knows how can write a new digest. With a key it is HMAC-SHA256 (RFC 2104): only who
//! has the key can have written it, so a plan that was reviewed in one place is the plan that is applied in another.
//!
//! The digest is over the JSON without the member `digest`, keys in order, without white space: `{"a":1,"b":[]}`. So white space and the
//! order of members may change, and nothing else.

use serde_json::Value;

/// Why something saved is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// Its digest is of something else.
    #[error("it was changed since it was saved; plan again, and review it")]
    Changed,
    /// It has no digest.
    #[error("it carries no digest, so nothing tells whether it is what was saved; plan again")]
    Undigested,
    /// The key to sign or to read with has no bytes: everybody has that one.
    #[error("the key is empty; is its variable set?")]
    EmptyKey,
    /// It was signed, and no key was given.
    #[error("it is signed; read it with the key that signed it")]
    Signed,
    /// A key was given, and it was not signed.
    #[error("it is not signed; whoever could write it could have changed it")]
    Unsigned,
    /// It is no JSON, or has numbers that JSON cannot carry.
    #[error("it is not readable as JSON")]
    Unreadable(#[source] serde_json::Error),
}

const DIGEST: &str = "digest";
const SHA256: &str = "sha256:";
const HMAC: &str = "hmac-sha256:";

/// Adds the digest.
///
/// # Errors
/// [`SavedError::Unreadable`] if it is no object, or has a number that changes each time it is written and read; [`SavedError::EmptyKey`].
pub fn seal(value: Value, key: Option<&[u8]>) -> Result<Value, SavedError> {
    no_empty_key(key)?;
    let mut value = settled(value)?;
    let text = canonical(&value);
    let digest = match key {
        None => format!("{SHA256}{}", hex(&hmac_sha256::Hash::hash(text.as_bytes()))),
        Some(key) => format!("{HMAC}{}", hex(&hmac_sha256::HMAC::mac(text.as_bytes(), key))),
    };
    let object = value.as_object_mut().ok_or_else(|| unreadable("a saved plan is an object"))?;
    object.insert(DIGEST.to_owned(), digest.into());
    Ok(value)
}

/// Takes the digest off again, if it is the right one.
///
/// # Errors
/// [`SavedError`] if it was changed, or is not signed with this key.
pub fn open(mut value: Value, key: Option<&[u8]>) -> Result<Value, SavedError> {
    no_empty_key(key)?;
    let told = value.as_object_mut().and_then(|object| object.remove(DIGEST));
    let Some(Value::String(told)) = told else { return Err(SavedError::Undigested) };
    let text = canonical(&value);
    let right = match (told.strip_prefix(SHA256), told.strip_prefix(HMAC), key) {
        (Some(told), _, None) => unhex(told).is_some_and(|told| hmac_sha256::Hash::verify(text.as_bytes(), &told)),
        // The comparison takes as long whatever differs.
        (_, Some(told), Some(key)) => unhex(told).is_some_and(|told| hmac_sha256::HMAC::verify(text.as_bytes(), key, &told)),
        (_, Some(_), None) => return Err(SavedError::Signed),
        (Some(_), _, Some(_)) => return Err(SavedError::Unsigned),
        (None, None, _) => false,
    };
    if right { Ok(value) } else { Err(SavedError::Changed) }
}

/// An empty variable where the key should be would sign for everybody.
fn no_empty_key(key: Option<&[u8]>) -> Result<(), SavedError> {
    if key.is_some_and(<[u8]>::is_empty) { Err(SavedError::EmptyKey) } else { Ok(()) }
}

/// The value as it will be read. `serde_json` reads numbers of seventeen digits with an error in the last of them, so a price might be
/// read as its neighbour, and the digest be of another number.
fn settled(mut value: Value) -> Result<Value, SavedError> {
    for _ in 0..16 {
        let read: Value = serde_json::from_str(&value.to_string()).map_err(SavedError::Unreadable)?;
        if read == value {
            return Ok(value);
        }
        value = read;
    }
    Err(unreadable("a number changes each time it is written and read"))
}

fn unreadable(why: &str) -> SavedError {
    SavedError::Unreadable(serde::de::Error::custom(why))
}

/// Members in order, whatever map `serde_json` was built with.
fn canonical(value: &Value) -> String {
    fn write(value: &Value, text: &mut String) {
        let list = |text: &mut String, (first, last): (char, char), writes: &mut dyn Iterator<Item = (Option<&String>, &Value)>| {
            text.push(first);
            for (at, (name, value)) in writes.enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                if let Some(name) = name {
                    text.push_str(&format!("{}:", Value::String(name.clone())));
                }
                write(value, text);
            }
            text.push(last);
        };
        match value {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(name, _)| *name);
                list(text, ('{', '}'), &mut members.into_iter().map(|(name, value)| (Some(name), value)));
            }
            Value::Array(values) => list(text, ('[', ']'), &mut values.iter().map(|value| (None, value))),
            leaf => text.push_str(&leaf.to_string()),
        }
    }
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit)) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `printf '%s' '{"a":[1,2.5,null],"b":{"c":"é\n","d":true}}' | sha256sum`, and `openssl dgst -sha256 -hmac key`.
    #[test]
    fn the_digest_is_what_other_programs_compute() {
        let value = || json!({"b": {"d": true, "c": "é\n"}, "a": [1, 2.5, null]});
        assert_eq!(canonical(&value()), r#"{"a":[1,2.5,null],"b":{"c":"é\n","d":true}}"#);
        let sealed = seal(value(), None).expect("an object");
        assert_eq!(sealed["digest"], "sha256:fb60bbd205d5e2ed6a3d6a51be0a8f67263649609594c30824cdb48708427822");
        assert_eq!(open(sealed, None).expect("unchanged"), value());
        let signed = seal(value(), Some(b"key")).expect("an object");
        assert_eq!(signed["digest"], "hmac-sha256:23b6f6e152a1238dfa58f8c65bbd7d4de90c89d528486cf6b049f448bdbf94c7");
        assert_eq!(open(signed, Some(b"key")).expect("unchanged"), value());
    }

    #[test]
    fn a_key_is_needed_where_it_was_used_and_only_there() {
        let (plain, signed) = (seal(json!({"a": 1}), None).unwrap(), seal(json!({"a": 1}), Some(b"key")).unwrap());
        assert!(matches!(open(plain.clone(), Some(b"key")), Err(SavedError::Unsigned)));
        assert!(matches!(open(signed.clone(), None), Err(SavedError::Signed)));
        assert!(matches!(open(signed.clone(), Some(b"another")), Err(SavedError::Changed)));
        assert!(matches!(open(json!({"a": 1}), None), Err(SavedError::Undigested)));
        assert!(matches!(seal(json!({"a": 1}), Some(b"")), Err(SavedError::EmptyKey)));
        for sealed in [&plain, &signed] {
            assert!(matches!(open(sealed.clone(), Some(b"")), Err(SavedError::EmptyKey)));
        }
        for (mut sealed, key) in [(plain, None), (signed, Some(b"key".as_slice()))] {
            sealed["a"] = json!(2);
            assert!(matches!(open(sealed, key), Err(SavedError::Changed)));
        }
        for digest in ["", "sha256:", "sha256:zz", "md5:00", "sha256:é"] {
            assert!(matches!(open(json!({"digest": digest}), None), Err(SavedError::Changed)), "{digest}");
        }
        assert!(matches!(seal(json!([1]), None), Err(SavedError::Unreadable(_))));
    }

    /// Prices are products, with seventeen digits now and then.
    #[test]
    fn numbers_of_seventeen_digits_settle() {
        for hundredths in 1..20_000_u32 {
            let price = f64::from(hundredths) / 10_000.0 * 730.0;
            let text = seal(json!({"price": price}), None).unwrap().to_string();
            let read = open(serde_json::from_str(&text).unwrap(), None).unwrap_or_else(|error| panic!("{price}: {error}"));
            let drift = (read["price"].as_f64().unwrap() - price).abs();
            assert!(drift <= price * 1e-15, "{price} is read as {}", read["price"]);
        }
    }
}
