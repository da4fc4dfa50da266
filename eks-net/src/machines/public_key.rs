//! OpenSSH public keys, as far as EC2 takes them.
//!
//! Sources: Amazon EC2 User Guide, "Create a key pair for your Amazon EC2 instance" and "Verify the fingerprint of your key
//! pair"; RFC 4251 section 5 (data types), RFC 4253 section 6.6 (ssh-rsa), RFC 8709 (ssh-ed25519).

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};

/// The lengths of RSA keys that AWS documents.
const RSA_BITS: [usize; 3] = [1024, 2048, 4096];
const ASK_FOR: &str = "give the one line of the .pub file: ssh-ed25519 AAAA… or ssh-rsa AAAA…";

/// A public key that EC2 imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// Modulus and exponent, as big-endian two's complement without needless bytes; and the bits of the modulus.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8>, bits: usize },
    /// The whole key in SSH's wire form.
    Ed25519 { blob: Vec<u8> },
}

/// Why a text is no key that EC2 imports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) rule: String,
    pub(crate) remedy: &'static str,
}

fn wrong(code: &'static str, rule: impl Into<String>, remedy: &'static str) -> Wrong {
    Wrong { code, rule: rule.into(), remedy }
}

fn truncated() -> Wrong {
    wrong("key-truncated", "it ends in the middle, or has something after its end", "copy the whole line of the .pub file")
}

impl PublicKey {
    /// Reads `type base64 [comment]`.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        let text = text.trim();
        if text.contains("PRIVATE KEY-----") {
            let remedy = "give the public one, the .pub file beside it, and make a new pair: this one has been seen";
            return Err(wrong("key-private", "it is a private key, which must never leave its machine", remedy));
        }
        if text.starts_with("-----BEGIN") || text.starts_with("---- BEGIN") {
            let remedy = "convert it: ssh-keygen -i -f FILE (add -m PKCS8 for BEGIN PUBLIC KEY)";
            return Err(wrong("key-form", "it is not in OpenSSH's form of one line", remedy));
        }
        if text.lines().count() > 1 {
            return Err(wrong("key-form", "it has several lines; a key pair is one key", ASK_FOR));
        }
        let mut words = text.split_whitespace();
        let (Some(kind), data) = (words.next(), words.next()) else {
            return Err(wrong("key-form", "it is empty", ASK_FOR));
        };
        if !is_key_type(kind) {
            return Err(match text.split_whitespace().skip(1).any(is_key_type) {
                true => wrong("key-options", "it begins with options of authorized_keys, which EC2 does not take", ASK_FOR),
                false => wrong("key-form", format!("it begins with {kind:?}, which is no type of key"), ASK_FOR),
            });
        }
        if !matches!(kind, "ssh-rsa" | "ssh-ed25519") {
            let rule = format!("EC2 imports RSA and ED25519 keys, not {kind}");
            return Err(wrong("key-type", rule, "make one: ssh-keygen -t ed25519"));
        }
        let Some(data) = data else { return Err(truncated()) };
        let blob = STANDARD.decode(data).or_else(|_| STANDARD_NO_PAD.decode(data));
        let blob = blob.map_err(|_| wrong("key-base64", "what follows its type is not base64", ASK_FOR))?;
        let mut fields = Fields(&blob);
        let inner = fields.next()?;
        if inner != kind.as_bytes() {
            let rule = format!("it says {kind}, and holds {}", String::from_utf8_lossy(inner));
            return Err(wrong("key-inner-type", rule, "copy the whole line of the .pub file, unchanged"));
        }
        if kind == "ssh-ed25519" {
            let point = fields.next()?;
            return if point.len() == 32 && fields.is_empty() { Ok(Self::Ed25519 { blob }) } else { Err(truncated()) };
        }
        let (exponent, modulus) = (fields.next()?, fields.next()?);
        if !fields.is_empty() || !is_positive(exponent) || !is_positive(modulus) {
            return Err(truncated());
        }
        let bits = bits(modulus);
        if !(RSA_BITS[0]..=RSA_BITS[2]).contains(&bits) {
            let rule = format!("it has {bits} bits; EC2 takes RSA keys of 1024, 2048 and 4096");
            return Err(wrong("key-length", rule, "make one: ssh-keygen -t ed25519, or -t rsa -b 4096"));
        }
        Ok(Self::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec(), bits })
    }

    /// For people: `ED25519`, `RSA 2048`.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Ed25519 { .. } => "ED25519".to_owned(),
            Self::Rsa { bits, .. } => format!("RSA {bits}"),
        }
    }

    /// What a reviewer should know of its length.
    pub(crate) fn review(&self) -> Option<String> {
        match self {
            Self::Rsa { bits, .. } if *bits < 2048 => Some(format!("RSA of {bits} bits is too weak today")),
            Self::Rsa { bits, .. } if !RSA_BITS.contains(bits) => {
                Some(format!("RSA of {bits} bits: AWS documents 1024, 2048 and 4096 for imports"))
            }
            _ => None,
        }
    }

    /// The fingerprint that EC2 gives an imported key: for RSA MD5 of the key's DER form in hexadecimal, for ED25519 SHA-256 in
    /// base64.
    pub(crate) fn fingerprint(&self) -> String {
        match self {
            Self::Rsa { modulus, exponent, .. } => {
                let digest = md5::compute(subject_public_key_info(modulus, exponent));
                digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
            }
            Self::Ed25519 { blob } => STANDARD.encode(hmac_sha256::Hash::hash(blob)),
        }
    }
}

/// Whether two fingerprints are one: padding and a prefix are written or left out.
pub(crate) fn same_fingerprint(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.trim_start_matches("SHA256:").trim_end_matches('=').to_owned();
    plain(one) == plain(other)
}

/// The types that OpenSSH writes.
fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|prefix| word.starts_with(prefix))
}

/// SSH's strings: a length of four bytes, and as many bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<&'a [u8], Wrong> {
        let (length, rest) = self.0.split_first_chunk::<4>().ok_or_else(truncated)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| truncated())?;
        let (field, rest) = rest.split_at_checked(length).ok_or_else(truncated)?;
        self.0 = rest;
        Ok(field)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether an mpint is above zero and in its shortest form, which is DER's too.
fn is_positive(number: &[u8]) -> bool {
    match number {
        [0, next, ..] => *next >= 0x80,
        [first, ..] => *first < 0x80 && *first > 0,
        [] => false,
    }
}

fn bits(number: &[u8]) -> usize {
    let digits = number.strip_prefix(&[0]).unwrap_or(number);
    digits.first().map_or(0, |first| digits.len() * 8 - first.leading_zeros() as usize)
}

/// DER: a tag, the length of what follows, and that.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    match length {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
            out.extend(long);
        }
    }
    out.extend(content);
    out
}

/// RFC 8017, appendix A.1, in RFC 5280's SubjectPublicKeyInfo.
fn subject_public_key_info(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const RSA_ENCRYPTION: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let key = der(0x30, &[der(0x02, modulus), der(0x02, exponent)].concat());
    let bit_string = der(0x03, &[&[0], key.as_slice()].concat());
    der(0x30, &[der(0x30, &RSA_ENCRYPTION), bit_string].concat())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Made with `ssh-keygen`; fingerprints by `openssl pkey -pubin -outform DER | openssl md5 -c` and `ssh-keygen -lf`.
    pub(crate) const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPndGbPI9+dOPaHUngeSGe2jh2oo08HgFcAbRjdpaHya me@example.com";
    const ED25519_FINGERPRINT: &str = "AuXpNgu9AajaW1ARpspPQnLcXKL8NTqtr1vMJN8IT+M";
    pub(crate) const RSA_1024: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDN7JyYfF1HorERk/rxgPorCkT467naUtExMI25kJrZ4TdVcFGz/jlFqBUnObRkGyBnHI+gBzOS27sDmrFJxrJtGgILmKE6hiA9VzSOiAcnkRPqaKG5Dj8yxt3XJ8nhE1GjbdMPABxkMv1wlqm07k5IIguTZ7TIg2/1J6vxIBxANQ== me@example.com";
    pub(crate) const RSA_2048: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCbsP2b+QTMBn/FKvsellqlzh9f31VQETEKR8R8cu/Fv7vdMlnrgprrkXDO53vIHsKBhMaohJy8kcI3FSch9/SGOHXNOchAGjeq5CSFns2bUcdh4pPIph2UyBt+FsW9gh0UHqXspeH2J208dZ+alW+3zupJIVyqgPiyNsHkZFwXsEqQ7MQKKqE5Q8FFePDMuTmyi1TjOy8VxliYLTguGbW7ApUzMZUNiPYFSguVW2e2n2pQE+7ZMVrBa6i1jGxvniQUG3Mj4yrAcDPmEOcvt59tVvEsdi8bdKlG+BTTPTptMMcXV9AXdF0ScRz131aniZ3JfElGoZgeLhEvQq1D9N0H me@example.com";
    pub(crate) const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBO8dIAxyGCyVpakjklXwMujxNWZ1dsFN0CdbM/lU+E4JGTZD73arqVi59D8LTzMJf/tZ36Z8koVb1gEUjFpaAsI=";

    #[test]
    fn fingerprints_are_those_of_other_tools() {
        for (key, kind, fingerprint) in [
            (ED25519, "ED25519", ED25519_FINGERPRINT),
            (RSA_1024, "RSA 1024", "f9:dd:90:d8:0c:a6:8f:75:e9:f1:26:3f:8c:fe:60:ac"),
            (RSA_2048, "RSA 2048", "9b:6a:cd:63:c4:9c:8c:ba:9b:db:15:3f:5d:e6:91:02"),
        ] {
            let read = PublicKey::parse(key).unwrap();
            assert_eq!(read.kind(), kind);
            assert!(same_fingerprint(&read.fingerprint(), fingerprint), "{kind}: {}", read.fingerprint());
        }
        assert!(PublicKey::parse(RSA_1024).unwrap().review().is_some_and(|told| told.contains("too weak")));
        assert!(same_fingerprint("SHA256:abc", "abc=") && !same_fingerprint("abc", "abd"));
    }

    #[test]
    fn a_comment_is_no_part_of_the_key() {
        let bare = ED25519.rsplit_once(' ').unwrap().0;
        assert_eq!(PublicKey::parse(bare), PublicKey::parse(&format!("  {ED25519}\n")));
    }

    #[test]
    fn every_byte_that_is_cut_off_is_missed() {
        for key in [ED25519, RSA_1024] {
            let data = key.split(' ').nth(1).unwrap();
            let blob = STANDARD.decode(data).unwrap();
            for length in 0..blob.len() {
                let cut = format!("{} {}", key.split(' ').next().unwrap(), STANDARD.encode(&blob[..length]));
                let wrong = PublicKey::parse(&cut).unwrap_err();
                assert!(["key-truncated", "key-form"].contains(&wrong.code), "{length}: {wrong:?}");
            }
            let longer = [blob.as_slice(), &[0]].concat();
            let longer = format!("{} {}", key.split(' ').next().unwrap(), STANDARD.encode(longer));
            assert_eq!(PublicKey::parse(&longer).unwrap_err().code, "key-truncated");
        }
    }

    #[test]
    fn der_lengths() {
        assert_eq!(der(0x02, &[]), [0x02, 0]);
        assert_eq!(der(0x02, &[1])[..2], [0x02, 1]);
        assert_eq!(der(0x02, &[0; 128])[..3], [0x02, 0x81, 128]);
        assert_eq!(der(0x02, &[0; 300])[..4], [0x02, 0x82, 1, 44]);
    }
}
