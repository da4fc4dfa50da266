//! Where in a file a layer's problem comes from.
//!
//! Layers know nothing of files. A problem has a stable code, names its subject in the user's own words, and says the rule with the
//! values that break it. So the value is sought that the subject names, by its text or by the text of something in the same map; among
//! equals, the one whose field the code is about.

use eks_core::Problem;

use super::{
    source::Place,
    tree::{Node, Path, Step, Value},
};
use crate::specs::Part;

/// Fields that a code is about, where neither its words nor its subject's are the field's name.
const FIELDS: &[(&str, &[&str])] = &[
    ("access-mode", &["accessEntries", "authenticationMode"]),
    ("access-twice", &["principal"]),
    ("addon-kept-and-removed", &["removedAddons"]),
    ("addon-role-without-agent", &["addons"]),
    ("adopt-and-add", &["addPrivateSubnets"]),
    ("add-without-vpc", &["addPrivateSubnets"]),
    ("amazon-template", &["template"]),
    ("aws-auth-unread", &["authenticationMode"]),
    ("certificate", &["certificates", "tls"]),
    ("claim-unknown", &["claim"]),
    ("class-unknown", &["class"]),
    ("creator-locked-out", &["creatorAdmin"]),
    ("endpoint-gateway", &["gateway"]),
    ("endpoint-group", &["securityGroup"]),
    ("endpoint-service", &["interface", "gateway"]),
    ("environment-region", &["region"]),
    ("group-twice", &["name"]),
    ("hop-limit", &["metadataHopLimit"]),
    ("ip-family-china", &["ipFamily"]),
    ("kms-key-region", &["encryptionKey"]),
    ("kms-key-partition", &["encryptionKey"]),
    ("managed-image", &["image"]),
    ("managed-scaling", &["lifecycleHooks", "groupPerZone", "instanceWarmupSeconds"]),
    ("managed-role", &["extraPolicies", "sessionManager"]),
    ("mapping-mode", &["mapping"]),
    ("nat-no-public", &["nat"]),
    ("network-overlap", &["mustNotOverlap"]),
    ("node-role-twice", &["nodeRoles"]),
    ("policies-count", &["policies"]),
    ("policy-arn", &["extraPolicies", "policies", "rolePolicies"]),
    ("policy-count", &["extraPolicies"]),
    ("prefix-size", &["publicSubnets", "privateSubnets", "size", "addPrivateSubnets", "prefix", "cidr"]),
    ("public-access-without-public-endpoint", &["publicAccessCidrs"]),
    ("public-subnet", &["publicSubnets"]),
    ("quantity", &["size"]),
    ("regions", &["zones"]),
    ("secondary-overlap", &["secondaryCidrs"]),
    ("service-cidr-ipv6", &["serviceCidr"]),
    ("subnet-outside", &["cidr"]),
    ("subnet-overlap", &["cidr"]),
    ("subnet-size", &["cidr"]),
    ("tags-too-many", &["tags"]),
    ("tags-count", &["tags"]),
    ("upgrade-policy-extended", &["upgradePolicy"]),
    ("version-ended", &["version"]),
    ("version-upcoming", &["version"]),
    ("vpc-range", &["cidr"]),
    ("vpc-size", &["cidr"]),
    ("cidr-form", &["cidr"]),
    ("cidr-host-bits", &["cidr"]),
    ("zone-apart", &["zone"]),
    ("zone-form", &["zone", "zones"]),
    ("zones-too-few", &["zones", "subnets"]),
    ("zones-regions", &["zones", "subnets"]),
    ("workers-name", &["name"]),
    ("workers-twice", &["name"]),
];

/// A value that may be meant.
struct Candidate {
    path: Path,
    score: usize,
    place: Place,
}

/// The path and place that a problem is about: of the part, if nothing in it fits better.
pub(crate) fn locate(tree: &Node, part: Part, problem: &Problem) -> (Path, Place) {
    let root = root(tree, part, problem);
    let whole = (root.clone(), tree.key_place(&root).unwrap_or_default());
    let Some(section) = tree.at(&root) else { return whole };
    let mut candidates = Vec::new();
    weigh(section, &root, None, 0, problem, &mut candidates);
    let best = candidates.iter().map(|candidate| candidate.score).max().unwrap_or_default();
    if best == 0 {
        return whole;
    }
    let mut equals = candidates.into_iter().filter(|candidate| candidate.score == best);
    // Of two that are the same, the second is one too many.
    let chosen = if is_of_repetition(problem.code) { equals.next_back() } else { equals.next() };
    chosen.map_or(whole, |candidate| (candidate.path, candidate.place))
}

fn is_of_repetition(code: &str) -> bool {
    code.ends_with("-twice") || code == "duplicate" || code == "subnet-overlap"
}

fn root(tree: &Node, part: Part, problem: &Problem) -> Path {
    let keys = |keys: &[&str]| keys.iter().map(|key| Step::Key((*key).to_owned())).collect::<Path>();
    match part {
        Part::Network if tree.at(&keys(&["existingNetwork"])).is_some() => keys(&["existingNetwork"]),
        Part::Network => keys(&["network"]),
        Part::Cluster => keys(&["cluster"]),
        Part::Workers(place) => keys(&["workers"]).into_iter().chain([Step::Item(place)]).collect(),
        Part::Objects => keys(&["objects"]),
        Part::Environment if problem.subject.starts_with("workers ") => keys(&["workers"]),
        Part::Environment if problem.code == "environment-cluster" => {
            let workers = keys(&["workers"]);
            if tree.at(&workers).is_some() { workers } else { keys(&["objects"]) }
        }
        Part::Environment => Path::new(),
    }
}

/// Weighs a value and those in it. `near` is how well the maps around it fit.
fn weigh(node: &Node, path: &Path, key: Option<(&str, Place)>, near: usize, problem: &Problem, found: &mut Vec<Candidate>) {
    let text = scalar(node);
    let own = text.as_deref().map_or(0, |text| says(problem, text));
    let field = key.map_or(0, |(key, _)| is_about(problem, key).max(if names(&problem.subject, key) { 12 } else { 0 }));
    if own + field > 0 {
        // What is written is a better place than a key, but for a map or list as a whole.
        let place = if text.is_some() { node.place } else { key.map_or(node.place, |(_, place)| place) };
        found.push(Candidate { path: path.clone(), score: own + field + near, place });
    }
    match &node.value {
        Value::Map(entries) => {
            // A map whose name, zone or block the subject tells is the thing itself.
            let is_named = entries.iter().filter_map(|entry| scalar(&entry.node)).map(|text| says(problem, &text)).sum::<usize>();
            if is_named > 0 && key.is_none() {
                found.push(Candidate { path: path.clone(), score: is_named.min(9) + near, place: node.place });
            }
            for entry in entries {
                let inner: Path = path.iter().cloned().chain([Step::Key(entry.key.clone())]).collect();
                weigh(&entry.node, &inner, Some((&entry.key, entry.key_place)), near + field / 2 + is_named, problem, found);
            }
        }
        Value::List(items) => {
            for (place, item) in items.iter().enumerate() {
                let inner: Path = path.iter().cloned().chain([Step::Item(place)]).collect();
                weigh(item, &inner, None, near + field / 2, problem, found);
            }
        }
        _ => {}
    }
}

fn scalar(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// How well a text is what a problem speaks of.
fn says(problem: &Problem, text: &str) -> usize {
    match () {
        () if names(&problem.subject, text) => 10 + text.len().min(20) / 4,
        () if names(&problem.rule, text) => 4 + text.len().min(20) / 8,
        () => 0,
    }
}

/// Whether a text stands in another as a word of its own.
fn names(whole: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    whole.match_indices(word).any(|(at, _)| {
        let before = whole[..at].chars().next_back();
        let mut after = whole[at + word.len()..].chars();
        let next = after.next();
        // A full stop or slash may follow a word, if nothing follows it.
        let ends = next.is_none_or(|c| !joins(c) || (c == '.' && after.next().is_none_or(|c| !joins(c))));
        before.is_none_or(|c| !joins(c)) && ends
    })
}

/// How well a field's name fits a code and its subject.
fn is_about(problem: &Problem, key: &str) -> usize {
    if let Some((_, fields)) = FIELDS.iter().find(|(code, _)| *code == problem.code) {
        return fields.iter().position(|field| *field == key).map_or(0, |place| 14_usize.saturating_sub(place));
    }
    let words = words(key);
    let told = format!("{} {}", problem.code.replace('-', " "), problem.subject.to_lowercase().replace(['_', '(', ')', '-'], " "));
    let told: Vec<String> = told.split_whitespace().map(stem).collect();
    let hits = words.iter().filter(|word| told.contains(word)).count();
    if hits == words.len() { 6 + 2 * hits } else { 0 }
}

/// `metadataHopLimit` as `metadata`, `hop`, `limit`.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in key.chars() {
        match words.last_mut() {
            Some(word) if !c.is_uppercase() => word.push(c),
            _ => words.push(c.to_lowercase().to_string()),
        }
    }
    words.iter().map(|word| stem(word)).collect()
}

/// One form for one and several.
fn stem(word: &str) -> String {
    let word = word.to_lowercase();
    match word.strip_suffix("ies") {
        Some(start) => format!("{start}y"),
        None => word.strip_suffix('s').map_or(word.clone(), str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole() {
        assert!(names("subnet 10.0.1.0/24 in us-east-1a", "10.0.1.0/24"));
        assert!(names("\"10GB\" is not a quantity", "10GB"));
        assert!(!names("subnet 10.0.1.0/24", "10.0.1.0/2"));
        assert!(!names("workers shop-web", "shop"));
        assert_eq!(words("metadataHopLimit"), ["metadata", "hop", "limit"]);
    }
}
