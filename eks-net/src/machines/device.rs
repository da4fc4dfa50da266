//! Device names. (Amazon EC2 User Guide, "Device names for volumes on Amazon EC2 instances".)

use eks_core::Problems;

/// The root device of Amazon Linux 2023, and of the EKS images.
pub(crate) const ROOT: &str = "/dev/xvda";

/// A device's name as Linux has it: drivers rename `/dev/sdh` to `/dev/xvdh`.
pub(crate) fn canonical(name: &str) -> String {
    name.strip_prefix("/dev/sd").map_or_else(|| name.to_owned(), |letter| format!("/dev/xvd{letter}"))
}

/// Checks the name under which a volume is attached to a Linux instance.
pub(crate) fn check(problems: &mut Problems, subject: &str, name: &str) {
    let canonical = canonical(name);
    if matches!(canonical.as_str(), "/dev/xvda" | "/dev/xvda1") {
        let rule = format!("{name} is the root device's name");
        problems.add("device-root", subject, rule, "choose one from /dev/sdf to /dev/sdp");
        return;
    }
    let letters = |text: &str| text.bytes().all(|letter| letter.is_ascii_lowercase());
    let fine = match (name.strip_prefix("/dev/sd"), name.strip_prefix("/dev/xvd")) {
        (Some(letter), _) => letter.len() == 1 && letters(letter),
        (None, Some(rest)) => match rest.as_bytes() {
            [letter] => (b'e'..=b'z').contains(letter),
            [first, _] => (b'a'..=b'd').contains(first) && letters(rest),
            _ => false,
        },
        (None, None) => false,
    };
    if !fine {
        let rule = format!("{name:?} is no device name; EC2 has /dev/sd[a-z], /dev/xvd[e-z] and /dev/xvd[a-d][a-z]");
        problems.add("device-name", subject, rule, "choose one from /dev/sdf to /dev/sdp");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine(name: &str) -> bool {
        let mut problems = Problems::new();
        check(&mut problems, "volume", name);
        problems.is_empty()
    }

    #[test]
    fn names() {
        for name in ["/dev/xvdh", "/dev/sdf", "/dev/sdp", "/dev/xvdba", "/dev/xvdaa", "/dev/xvddz", "/dev/xvdz"] {
            assert!(fine(name), "{name}");
        }
        for name in ["/dev/xvda", "/dev/sda", "/dev/sda1", "/dev/xvdb", "/dev/xvdea", "/dev/sdff", "/dev/sdF", "xvdh", "/dev/nvme1n1", ""] {
            assert!(!fine(name), "{name}");
        }
        assert_eq!(canonical("/dev/sdh"), canonical("/dev/xvdh"));
    }
}
