//! Adding and taking away, byte by byte.

use eks_core::RoleArn;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const STOCK: &str = "- rolearn: arn:aws:iam::123456789012:role/old-NodeInstanceRole-1X\n  username: system:node:{{EC2PrivateDNSName}}\n  groups:\n    - system:bootstrappers\n    - system:nodes\n";

fn node(name: &str) -> Mapping {
    Mapping::node(&RoleArn::new(format!("arn:aws:iam::123456789012:role/team/{name}")).unwrap())
}

fn read(text: &str) -> Result<AwsAuth, Error> {
    AwsAuth::read(&json!({"data": {"mapRoles": text}}))
}

fn map(text: &str) -> AwsAuth {
    read(text).unwrap()
}

#[test]
fn an_entry_is_added_beside_the_old_one_and_taken_away_again() {
    let added = map(STOCK).with(&node("new")).unwrap().unwrap();
    let expected = format!(
        "{STOCK}- rolearn: arn:aws:iam::123456789012:role/new\n  username: system:node:{{{{EC2PrivateDNSName}}}}\n  groups:\n  - system:bootstrappers\n  - system:nodes\n"
    );
    assert_eq!(added.roles(), expected);
    assert!(added.has(&node("new")) && added.has(&node("old-NodeInstanceRole-1X")));
    assert_eq!(added.with(&node("new")).unwrap(), None, "adding twice adds once");
    assert_eq!(added.without(&node("new")).unwrap().unwrap().roles(), STOCK);
    assert_eq!(map(STOCK).without(&node("new")).unwrap(), None);
}

#[test]
fn every_foreign_byte_stays() {
    for text in [
        "",
        "\n",
        "# nobody yet\n",
        "  - rolearn: arn:aws:iam::1:role/x # ops\n    groups: [a,   b]\n    username: 'x'\n\n# end\n",
        "- {rolearn: x, username: y}\n- not an entry\n-\n  rolearn: z",
        "- rolearn: x\r\n  username: y\r\n",
        "---\n- rolearn: x\n",
    ] {
        let added = map(text).with(&node("new")).unwrap().unwrap_or_else(|| panic!("{text:?}"));
        assert!(added.roles().starts_with(text), "{text:?} → {:?}", added.roles());
        let back = added.without(&node("new")).unwrap().unwrap();
        assert!(back.roles() == text || back.roles().strip_suffix('\n') == Some(text), "{text:?} → {:?}", back.roles());
    }
    assert!(map("- rolearn: x\r\n").with(&node("new")).unwrap().unwrap().roles().split_inclusive('\n').all(|line| line.ends_with("\r\n")));
    assert!(map("[]").with(&node("new")).unwrap().unwrap().roles().starts_with("- rolearn"));
}

#[test]
fn broken_documents_are_refused() {
    for (text, shown) in [
        ("- rolearn: a\n\tusername: b\n", "username: b"),
        ("- rolearn: a\n - rolearn: b\n", "line 2"),
        ("rolearn: a\nusername: b\n", "not a list"),
        ("- rolearn: {{NODE_ROLE\n", "line"),
    ] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(shown), "{text:?}: {error}");
    }
    for text in ["[{rolearn: a, username: b}]", "- rolearn: a\n...\n"] {
        assert!(map(text).with(&node("new")).is_err(), "{text:?}");
    }
    let other = "- rolearn: arn:aws:iam::123456789012:role/new\n  username: admin\n  groups: [system:masters]\n";
    let error = map(other).with(&node("new")).unwrap_err().to_string();
    assert!(error.contains("line 1: \"- rolearn: arn:aws:iam::123456789012:role/new\""), "{error}");
}

#[test]
fn a_broken_list_hides_no_other() {
    let document = AwsAuth::read(&json!({"data": {"mapRoles": STOCK, "mapUsers": "- userarn: a\n - userarn: b\n"}})).unwrap();
    assert!(document.with(&node("new")).unwrap().is_some());
    let jane = Mapping::new(Principal::parse("arn:aws:iam::123456789012:user/jane").unwrap(), "jane");
    assert!(document.with(&jane).unwrap_err().to_string().contains("mapUsers"));
}

#[test]
fn an_entry_of_someone_else_that_does_the_same_is_enough() {
    let text = "- RoleArn: arn:aws:iam::123456789012:role/NEW\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:nodes, system:bootstrappers, extra]\n";
    assert_eq!(map(text).with(&node("new")).unwrap(), None);
    let with_path = "- rolearn: arn:aws:iam::123456789012:role/team/new\n  username: x\n";
    assert!(map(with_path).with(&node("new")).unwrap().is_some(), "an ARN with a path matches no role");
    let twice = format!("{text}- rolearn: arn:aws:iam::123456789012:role/new\n  username: x\n");
    assert!(map(&twice).with(&node("new")).is_err(), "of two entries the last one holds");
}

#[test]
fn only_what_equals_ours_is_cut_and_only_once() {
    let entry = "- rolearn: arn:aws:iam::123456789012:role/new\n  username: system:node:{{EC2PrivateDNSName}}\n  groups:\n  - system:bootstrappers\n  - system:nodes\n";
    for (more, what) in [("  - system:masters\n", "a further group"), ("  extra: x\n", "a further field")] {
        let wider = map(&format!("{entry}{more}"));
        assert!(wider.has(&node("new")) && !wider.has_exactly(&node("new")), "{what}");
        assert_eq!(wider.without(&node("new")).unwrap(), None, "{what}");
        let both = format!("{entry}{more}# end\n");
        assert_eq!(map(&format!("{entry}{both}")).without(&node("new")).unwrap().unwrap().roles(), both, "{what}");
    }
    let twice = map(&format!("{entry}# one of us\n{entry}"));
    assert_eq!(twice.without(&node("new")).unwrap().unwrap().roles(), format!("{entry}# one of us\n"));
}

/// Texts near to what the document holds: entries, fields, quotes, brackets, comments, odd indentation.
fn near() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        3 => "[ ]{0,3}(- |-)?(rolearn|userarn|username|groups|x)?(: )?[a-z\\[\\]{}#'\"|>&*!%]{0,6}",
        2 => Just("- rolearn: arn:aws:iam::123456789012:role/new".to_owned()),
        2 => Just("  username: system:node:{{EC2PrivateDNSName}}".to_owned()),
        2 => prop_oneof![Just("  groups:".to_owned()), Just("  groups: [a, 'b']  # c".to_owned()), Just("    groups: []".to_owned())],
        2 => prop_oneof![Just("  - system:nodes".to_owned()), Just("    - system:bootstrappers".to_owned()), Just("  -  x # y".to_owned())],
        1 => Just("\t- x".to_owned()),
        1 => Just("---".to_owned()),
        1 => "\\PC{0,10}",
    ];
    (proptest::collection::vec(line, 0..9), prop_oneof![4 => Just("\n"), 1 => Just("\r\n")], any::<bool>())
        .prop_map(|(lines, newline, last)| lines.join(newline) + if last { newline } else { "" })
}

/// Any text is either refused or changed by exactly what was asked for, and back.
fn check(text: &str) -> Result<(), TestCaseError> {
    let Ok(before) = read(text) else { return Ok(()) };
    prop_assert_eq!(before.roles(), text, "reading changes nothing");
    let items = |document: &AwsAuth| document.list(ROLES).map(|list| list.items().to_vec()).unwrap_or_default();
    if let Ok(Some(after)) = before.with(&node("new")) {
        prop_assert!(after.has(&node("new")));
        let (was, is) = (items(&before), items(&after));
        if is.len() > was.len() {
            prop_assert!(after.roles().starts_with(text) || text.trim() == "[]");
            prop_assert_eq!(&is[..was.len()], &was[..]);
            if let Ok(back) = after.without(&node("new")) {
                prop_assert_eq!(items(&back.expect("it was there")), was);
            }
        } else {
            // Groups were added to an entry that stands: every other entry is untouched, and no byte is lost.
            prop_assert_eq!(is.iter().zip(&was).filter(|(is, was)| is != was).count(), 1);
            let mut rest = after.roles().chars();
            prop_assert!(text.chars().all(|c| rest.any(|other| other == c)), "{text:?} → {:?}", after.roles());
        }
    }
    if let Ok(Some(after)) = before.edit(&[crate::AuthEdit::Unmap(node("new").principal)], &crate::Guard::default()) {
        prop_assert!(!after.names(&node("new").principal));
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_document(text in near()) {
        check(&text)?;
    }

    #[test]
    fn several_roles(names in proptest::collection::btree_set("[a-z]{1,8}", 1..6)) {
        let mut document = map(STOCK);
        for name in &names {
            document = document.with(&node(name)).unwrap().expect("new");
        }
        for name in &names {
            prop_assert!(document.has(&node(name)));
            document = document.without(&node(name)).unwrap().expect("there");
        }
        prop_assert_eq!(document.roles(), STOCK);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000_000, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "a million documents take half an hour: cargo test --lib a_million_documents -- --ignored"]
    fn a_million_documents(text in near()) {
        check(&text)?;
    }
}
