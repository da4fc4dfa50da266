use eks_core::ClusterAccess;
use proptest::prelude::*;

use super::*;
use crate::ExecPlugin;

const ARN: &str = "arn:aws:eks:us-east-1:123456789012:cluster/shop";

fn entry() -> KubeconfigEntry {
    let endpoint = "https://0A1B.gr7.us-east-1.eks.amazonaws.com".to_owned();
    let access = ClusterAccess { name: "shop".parse().unwrap(), endpoint, certificate_authority: "LS0tLS1CRUdJTg==".to_owned() };
    KubeconfigEntry::builder(&access, ARN).build().unwrap()
}

fn with(text: &str) -> String {
    Kubeconfig::parse(text).unwrap().with(&entry()).unwrap().text
}

/// As `aws eks update-kubeconfig --name shop` of the AWS CLI 1.46.3 writes into no file.
#[test]
fn a_new_file_is_as_the_aws_cli_writes_it() {
    assert_eq!(
        with(""),
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: LS0tLS1CRUdJTg==\n    server: https://0A1B.gr7.us-east-1.eks.amazonaws.com\n  name: arn:aws:eks:us-east-1:123456789012:cluster/shop\ncontexts:\n- context:\n    cluster: arn:aws:eks:us-east-1:123456789012:cluster/shop\n    user: arn:aws:eks:us-east-1:123456789012:cluster/shop\n  name: arn:aws:eks:us-east-1:123456789012:cluster/shop\ncurrent-context: arn:aws:eks:us-east-1:123456789012:cluster/shop\nkind: Config\npreferences: {}\nusers:\n- name: arn:aws:eks:us-east-1:123456789012:cluster/shop\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - --region\n      - us-east-1\n      - eks\n      - get-token\n      - --cluster-name\n      - shop\n      - --output\n      - json\n      command: aws\n"
    );
}

/// kind's and a hand-written file: comments, other indents, unknown keys, a namespace, no newline at the end.
const FOREIGN: &str = "# clusters of the team\nkind: Config\napiVersion: v1\nx-team: {a: 1} # ours\nclusters:\n  # local\n  - name: kind-a\n    cluster:\n      server: https://127.0.0.1:6443 # port of the day\n\n  - name: 'b'\n    cluster: {server: \"https://b\", tls-server-name: b}\n# people\nusers:\n- name: me\n  user:\n    token: |-\n      abc\n      def\ncontexts: [] # none yet\ncurrent-context: \"kind-a\" # for now";

#[test]
fn foreign_entries_keep_every_byte() {
    let merged = with(FOREIGN);
    let mut lines = merged.lines();
    for line in FOREIGN.lines().filter(|line| !line.starts_with("contexts:") && !line.starts_with("current-context:")) {
        assert!(lines.any(|found| found == line), "{line:?} is gone or elsewhere in\n{merged}");
    }
    assert!(merged.contains("\n  - cluster:\n      certificate-authority-data: "), "indented as its neighbours:\n{merged}");
    assert!(merged.contains("\ncontexts: # none yet\n- context:\n"), "{merged}");
    assert!(merged.ends_with(&format!("\ncurrent-context: {ARN} # for now\n")), "{merged}");
    let document = Kubeconfig::parse(merged.clone()).unwrap();
    assert_eq!(document.with(&entry()).unwrap().text, merged, "again changes nothing");
    // Taken out again, what others wrote is as it was.
    let without = document.without(&entry()).unwrap().text;
    assert_eq!(without, FOREIGN.replace("\"kind-a\" # for now", "\"\" # for now\n"));
}

#[test]
fn an_entry_of_ours_follows_the_cluster() {
    let merged = with(FOREIGN);
    let moved =
        ClusterAccess { name: "shop".parse().unwrap(), endpoint: "https://new".to_owned(), certificate_authority: "bmV3".to_owned() };
    let entry = KubeconfigEntry::builder(&moved, ARN).plugin(ExecPlugin::Authenticator).build().unwrap();
    let text = Kubeconfig::parse(merged).unwrap().with(&entry).unwrap().text;
    assert!(
        text.contains("server: https://new\n") && text.contains("command: aws-iam-authenticator\n") && !text.contains("command: aws\n")
    );
    assert!(text.contains("token: |-\n      abc\n      def\n"), "{text}");
}

#[test]
fn a_context_keeps_its_namespace() {
    let merged = with("").replace(&format!("    user: {ARN}\n"), &format!("    namespace: team\n    user: {ARN}\n"));
    assert_eq!(with(&merged), merged);
}

#[test]
fn what_others_use_stays() {
    let more = format!("contexts:\n- name: other\n  context: {{cluster: \"{ARN}\", user: me}}\n- context:\n");
    let shared = with("").replace("contexts:\n- context:\n", &more);
    let without = Kubeconfig::parse(shared).unwrap().without(&entry()).unwrap();
    assert!(without.has_cluster(ARN) && without.text.contains("name: other") && without.text.contains("users: []\n"), "{}", without.text);
    // A context of our name that leads elsewhere is someone else's.
    let theirs = format!("contexts:\n- name: {ARN}\n  context: {{cluster: x, user: y}}\n");
    assert_eq!(Kubeconfig::parse(theirs.clone()).unwrap().without(&entry()).unwrap().text, theirs);
}

/// kubectl would send our tokens there, and keys that nobody else has would be gone.
#[test]
fn what_is_another_clusters_is_neither_replaced_nor_removed() {
    let named = |user: &str| {
        let endpoint = "https://0A1B.gr7.us-east-1.eks.amazonaws.com".to_owned();
        let access = ClusterAccess { name: "shop".parse().unwrap(), endpoint, certificate_authority: "LS0t".to_owned() };
        KubeconfigEntry::builder(&access, ARN).context("shop").user(user).build().unwrap()
    };
    let refused = |text: &str, wanted: &str| {
        let document = Kubeconfig::parse(text).unwrap();
        let error = document.with(&named("jane")).unwrap_err();
        assert!(matches!(&error, KubeconfigError::Foreign { what, .. } if *what == wanted), "{text}{error}");
        assert_eq!(document.without(&named("jane")).unwrap().as_str(), text);
    };
    let user = |exec: &str| format!("users:\n- name: jane\n  user: {{exec: {{command: aws, args: [{exec}]}}}}\n");
    refused("users:\n- name: jane\n  user: {client-key-data: AAAA}\n", "user");
    refused("users:\n- name: jane\n", "user");
    refused(&user("eks, get-token, --cluster-name, other"), "user");
    refused(&user("--region, us-west-2, eks, get-token, --cluster-name, shop"), "user");
    refused("contexts:\n- name: shop\n  context: {cluster: kind-shop, user: kind}\n", "context");
    // A program that runs for this cluster is ours to set, whoever wrote it.
    for exec in ["eks, get-token, --cluster-name, shop", "eks, get-token, --cluster-name=shop", "--region, us-east-1, token, -i, shop"] {
        let document = Kubeconfig::parse(user(exec)).unwrap();
        assert!(document.with(&named("jane")).unwrap().as_str().contains("      - get-token\n"), "{exec}");
        assert!(document.without(&named("jane")).unwrap().as_str().contains("users: []"), "{exec}");
    }
}

#[test]
fn lines_end_as_they_did() {
    let merged = with("apiVersion: v1\r\nkind: Config\r\nclusters:\r\n- name: a\r\n  cluster: {server: http://a}\r\n");
    assert!(merged.lines().count() > 10 && merged.matches('\n').count() == merged.matches("\r\n").count(), "{merged:?}");
}

#[test]
fn a_broken_file_shows_its_line_but_no_secret() {
    let error = Kubeconfig::parse("clusters:\n- name: a\n  b: [\nusers:\n- user:\n    token: s3cr3t\n").unwrap_err();
    assert!(matches!(&error, KubeconfigError::Broken { line, .. } if *line >= 3), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    for (text, rule) in
        [("- a\n", "it is no mapping"), ("kind: Pod\n", "its kind is not Config"), ("users: {a: b}\n", "users is not a list of entries")]
    {
        let error = Kubeconfig::parse(text).unwrap_err();
        assert!(matches!(&error, KubeconfigError::NoKubeconfig { .. }) && error.to_string().starts_with(rule), "{error}");
    }
}

#[test]
fn forms_that_cannot_be_edited_are_refused() {
    let json = r#"{"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "a", "cluster": {"server": "http://a"}}]}"#;
    let flow = "clusters: [{name: a, cluster: {server: http://a}}]\n";
    for text in [json, flow, "clusters:\n- name: a\n---\n"] {
        let read = Kubeconfig::parse(text);
        assert!(read.is_err() || matches!(read.unwrap().with(&entry()), Err(KubeconfigError::Form { .. })), "{text}");
    }
}

#[test]
fn debug_shows_no_secret() {
    assert!(!format!("{:?}", Kubeconfig::parse(FOREIGN).unwrap()).contains("abc"));
}

/// An entry of a list in one of the forms that people and tools write.
fn item(list: &'static str) -> impl Strategy<Value = String> {
    ("[a-z]{1,8}", 0..4_u8, proptest::option::of("# [a-z ]{0,12}")).prop_map(move |(name, form, comment)| {
        let of = list.trim_end_matches('s');
        let comment = comment.map(|comment| format!("{comment}\n")).unwrap_or_default();
        match form {
            0 => format!("- name: {name}\n  {of}:\n    x: \"- name: {ARN}\"\n{comment}"),
            1 => format!("- {{name: {name}, {of}: {{a: [1, 2]}}}}\n{comment}\n"),
            2 => format!("- {of}:\n    x: |\n      - name: no item\n      clusters:\n  name: '{name}'\n{comment}"),
            _ => format!("-\n  name: {name} # c\n  {of}: null\n{comment}"),
        }
    })
}

fn file() -> impl Strategy<Value = String> {
    let section = |name: &'static str| {
        proptest::collection::vec(item(name), 0..4).prop_map(move |items| match items.is_empty() {
            true => String::new(),
            false => format!("{name}:\n{}", items.concat()),
        })
    };
    let sections = (section(CLUSTERS), section(CONTEXTS), section(USERS), proptest::option::of("[a-z]{1,5}"));
    sections.prop_map(|(clusters, contexts, users, current)| {
        let current = current.map(|name| format!("current-context: {name}\n")).unwrap_or_default();
        format!("apiVersion: v1\n{users}{current}{clusters}kind: Config\n{contexts}")
    })
}

proptest! {
    /// Whatever the file: in and out again leaves every line of others where it was.
    #[test]
    fn others_keep_their_lines(text in file()) {
        let document = Kubeconfig::parse(text.clone()).unwrap();
        let merged = document.with(&entry()).unwrap();
        let mut found = merged.text.lines();
        for line in text.lines().filter(|line| !line.starts_with("current-context:")) {
            prop_assert!(found.any(|found| found == line), "{line:?} is gone from\n{}", merged.text);
        }
        prop_assert_eq!(merged.current_context(), Some(ARN));
        let restored = merged.without(&entry()).unwrap();
        for list in [CLUSTERS, CONTEXTS, USERS] {
            prop_assert_eq!(restored.items(list), document.items(list));
        }
    }
}
