//! The name that was probably meant.

/// Of `names`, the one nearest to `wrong`, if it is near at all: at most a third of the letters are other ones.
pub(super) fn closest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().map(|name| (distance(&wrong.to_ascii_lowercase(), &name.to_ascii_lowercase()), name));
    let (far, name) = near.min()?;
    (far * 3 <= wrong.len().max(name.len())).then_some(name)
}

/// Edit distance of Levenshtein, by bytes.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, one) in left.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (to, other) in right.bytes().enumerate() {
            let changed = diagonal + usize::from(one != other);
            diagonal = row[to + 1];
            row[to + 1] = changed.min(row[to] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("abc", "abc")), (3, 3, 0));
        let names = ["NodeImageId", "NodeImageIdSSMParam", "KeyName"];
        assert_eq!(closest("NodeImageID", names), Some("NodeImageId"));
        assert_eq!(closest("nodeImageIdSsmParameter", names), Some("NodeImageIdSSMParam"));
        assert_eq!(closest("Subnets", names), None);
        assert_eq!(closest("KeyNam", []), None);
    }
}
