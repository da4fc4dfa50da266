//! What was probably meant.

/// The known word that is nearest to one that is not known, if any is near.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase().replace(['_', '-'], "");
    let most = (lower.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|other| (distance(&lower, &other.to_lowercase().replace(['_', '-'], "")), other))
        .filter(|(far, other)| *far <= most || (lower.len() >= 4 && other.to_lowercase().contains(&lower)))
        .min_by_key(|(far, _)| *far)
        .map(|(_, other)| other)
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word() {
        let known = ["cidr", "zones", "natGateways", "instanceTypes", "metadataHopLimit"];
        for (wrong, meant) in [
            ("cird", Some("cidr")),
            ("zone", Some("zones")),
            ("instance_types", Some("instanceTypes")),
            ("hopLimit", Some("metadataHopLimit")),
            ("unrelated", None),
        ] {
            assert_eq!(closest(wrong, known), meant, "{wrong}");
        }
    }
}
