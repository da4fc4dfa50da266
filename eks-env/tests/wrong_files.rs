//! Files that are wrong: each line that is at fault says so itself, by a comment `#! code @ what the caret is under`.

use std::collections::BTreeSet;

use eks_env::{EnvironmentFile, FileError};

const HEAD: &str = "apiVersion: eks-rs.dev/v1\nowner: shop\n";
const NETWORK: &str = "network:\n  cidr: 10.0.0.0/16\n  zones: [us-east-1a, us-east-1b]\n";
const CLUSTER: &str = "cluster:\n  version: \"1.36\"\n";
const TOML_HEAD: &str = "apiVersion = \"eks-rs.dev/v1\"\nowner = \"shop\"\n";
const TOML_NETWORK: &str = "[network]\ncidr = \"10.0.0.0/16\"\nzones = [\"us-east-1a\", \"us-east-1b\"]\n";
const TOML_CLUSTER: &str = "[cluster]\nversion = \"1.36\"\n";

/// What lines say of themselves: line, code, and the text under the caret.
fn marked(text: &str) -> BTreeSet<(usize, String, String)> {
    let marks = text.lines().enumerate().flat_map(|(number, line)| {
        line.split("#! ").skip(1).filter_map(move |mark| {
            let (code, under) = mark.split_once(" @ ")?;
            Some((number + 1, code.trim().to_owned(), under.trim().to_owned()))
        })
    });
    marks.collect()
}

fn told(text: &str, read: Result<EnvironmentFile, FileError>) -> BTreeSet<(usize, String, String)> {
    let error = read.expect_err("the file is wrong");
    let lines: Vec<&str> = text.lines().collect();
    let problems = error.problems().iter().map(|problem| {
        let line = lines.get(problem.line - 1).copied().unwrap_or_default();
        let report = problem.report();
        let under = report.lines().rev().nth(1).expect("the caret's line").chars().filter(|c| *c == '^').count();
        let under: String = line.chars().skip(problem.column - 1).take(under).collect();
        assert!(report.contains(&format!(":{}:{}", problem.line, problem.column)) && report.contains(line), "{report}");
        assert!(!problem.rule.is_empty() && !problem.remedy.is_empty(), "{report}");
        (problem.line, problem.code.clone(), under)
    });
    problems.collect()
}

fn yaml(cases: &[(&str, String)]) {
    let mut wrong = Vec::new();
    for (name, text) in cases {
        let read = EnvironmentFile::from_yaml("environment.yaml", text);
        let shown = read.as_ref().map_or_else(ToString::to_string, |_| String::new());
        let (told, marked) = (told(text, read), marked(text));
        if told != marked || marked.is_empty() {
            wrong.push(format!("{name}\n told {told:?}\n want {marked:?}\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn toml(cases: &[(&str, String)]) {
    let mut wrong = Vec::new();
    for (name, text) in cases {
        let read = EnvironmentFile::from_toml("environment.toml", text);
        let shown = read.as_ref().map_or_else(ToString::to_string, |_| String::new());
        let (told, marked) = (told(text, read), marked(text));
        if told != marked || marked.is_empty() {
            wrong.push(format!("{name}\n told {told:?}\n want {marked:?}\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_form_of_yaml_is_told_at_its_line() {
    let with = |text: &str| format!("{HEAD}{NETWORK}{text}");
    let cases = [
        ("unknown at the top", with("clutser: {}  #! unknown-field @ clutser\n")),
        ("unknown in a map", with("  cird: 10.0.0.0/8 #! unknown-field @ cird\n  nta: single #! unknown-field @ nta\n")),
        ("unknown choice", with("  nat: singel #! choice @ singel\n")),
        ("a number for text", with("cluster:\n  version: 1.36 #! type @ 1.36\n")),
        ("text for a number", with("  zoneCapacity: six #! type @ six\n")),
        ("too large a number", with("  zoneCapacity: 300 #! value @ 300\n")),
        ("text for a list", with("  secondaryCidrs: 100.64.0.0/16 #! type @ 100.64.0.0/16\n")),
        ("a list for a map", with("cluster: [] #! type @ [\n")),
        ("missing", with("  subnets:\n    - {tier: private, zone: us-east-1c} #! missing @ {\n")),
        (
            "several at once",
            with(
                "  ipv6: yes please #! type @ yes please\nworkers:\n  - name: shop web #! value @ shop web\n    volumeGib: 20 GiB #! type @ 20 GiB\n    labls: {} #! unknown-field @ labls\n",
            ),
        ),
        (
            "an id of another kind",
            with("cluster:\n  version: \"1.36\"\n  role:\n    existing: arn:aws:iam::1:user/x #! value @ arn:aws:iam::1:user/x\n"),
        ),
        ("a version of no form", with("cluster:\n  version: latest #! value @ latest\n")),
        (
            "capacity upside down",
            with(&format!("{CLUSTER}workers:\n  - name: shop-web\n    capacity: {{min: 3, desired: 2, max: 1}} #! value @ {{\n")),
        ),
        (
            "a port of no form",
            with(
                "  securityGroups:\n    - name: web\n      description: Web\n      ingress: [{ports: http, cidr: 0.0.0.0/0}] #! value @ http\n",
            ),
        ),
        ("another version of the format", format!("apiVersion: eks-rs.dev/v2 #! choice @ eks-rs.dev/v2\nowner: shop\n{NETWORK}")),
    ];
    yaml(&cases);
}

#[test]
fn rules_of_layers_are_told_at_the_field_that_breaks_them_in_yaml() {
    let with = |text: &str| format!("{HEAD}{NETWORK}{text}");
    let over = |text: &str| format!("{HEAD}{NETWORK}{CLUSTER}{text}");
    let cases = [
        (
            "a VPC too small",
            format!(
                "{HEAD}network:\n  cidr: 10.0.0.0/30 #! vpc-size @ 10.0.0.0/30 #! prefix-size @ 10.0.0.0/30\n  zones: [us-east-1a, us-east-1b]\n"
            ),
        ),
        (
            "subnets that overlap",
            format!(
                "{HEAD}network:\n  cidr: 10.0.0.0/16\n  subnets:\n    - {{tier: public, zone: us-east-1a, cidr: 10.0.1.0/24}}\n    - tier: private\n      zone: us-east-1b\n      cidr: 10.0.1.0/25 #! subnet-overlap @ 10.0.1.0/25\n"
            ),
        ),
        (
            "a subnet outside",
            format!(
                "{HEAD}network:\n  cidr: 10.0.0.0/16\n  zones: [us-east-1a, us-east-1b]\n  subnets:\n    - tier: private\n      zone: us-east-1c\n      cidr: 10.1.0.0/24 #! subnet-outside @ 10.1.0.0/24\n"
            ),
        ),
        ("networks that overlap", with("  mustNotOverlap:\n    on-premises: 10.0.0.0/12 #! network-overlap @ 10.0.0.0/12\n")),
        ("a group's name", with("  securityGroups:\n    - name: sg-web #! group-name @ sg-web\n      description: Web\n")),
        ("a cluster of an unknown group", over("  securityGroups: [eks-control-plan] #! security-group-unknown @ eks-control-plan\n")),
        ("a Service block of the VPC", over("  serviceCidr: 10.0.0.0/20 #! service-cidr-overlap @ 10.0.0.0/20\n")),
        ("a block with host bits", over("  publicAccessCidrs: [198.51.100.7/24] #! public-access-host-bits @ 198.51.100.7/24\n")),
        ("an old version", with("cluster:\n  version: \"1.18\" #! version-ended @ \"1.18\"\n")),
        ("a hop limit", over("workers:\n  - name: shop-web\n    metadataHopLimit: 0 #! hop-limit @ 0\n")),
        ("an instance type", over("workers:\n  - name: shop-web\n    instanceTypes: [t3.medium, big] #! instance-type @ big\n")),
        ("a small volume", over("workers:\n  - name: shop-web\n    volumeGib: 1 #! volume-size @ 1\n")),
        ("too many Pods", over("workers:\n  - name: shop-web\n    maxPods: 900 #! max-pods @ 900\n")),
        ("groups of one name", over("workers:\n  - name: shop-web\n  - name: shop-web #! workers-twice @ shop-web\n")),
        (
            "the second group alone",
            over("workers:\n  - name: shop-web\n  - name: shop-batch\n    labels: {Bad key: x} #! label-syntax @ x\n"),
        ),
        (
            "a quantity",
            over("objects:\n  existingClasses: [gp2]\n  claims:\n    - {name: data, size: 10GB, class: gp2} #! quantity @ 10GB\n"),
        ),
        ("an unknown class", over("objects:\n  claims:\n    - {name: data, size: 10Gi, class: slow} #! class-unknown @ slow\n")),
        ("workers without a cluster", with("workers: #! environment-cluster @ workers\n  - name: shop-web\n")),
    ];
    yaml(&cases);
}

#[test]
fn toml_is_told_at_its_line_as_well() {
    let with = |text: &str| format!("{TOML_HEAD}{TOML_NETWORK}{text}");
    let over = |text: &str| format!("{TOML_HEAD}{TOML_NETWORK}{TOML_CLUSTER}{text}");
    let cases = [
        ("unknown field", with("cird = \"10.0.0.0/8\" #! unknown-field @ cird\n")),
        ("unknown table", with("[clutser] #! unknown-field @ clutser\nversion = \"1.36\"\n")),
        ("unknown choice", with("nat = \"singel\" #! choice @ \"singel\"\n")),
        ("a number for text", with("[cluster]\nversion = 1.36 #! type @ 1.36\n")),
        ("text for a number", with("zoneCapacity = \"six\" #! type @ \"six\"\n")),
        (
            "a VPC too small",
            format!(
                "{TOML_HEAD}[network]\ncidr = \"10.0.0.0/30\" #! vpc-size @ \"10.0.0.0/30\" #! prefix-size @ \"10.0.0.0/30\"\nzones = [\"us-east-1a\", \"us-east-1b\"]\n"
            ),
        ),
        ("an unknown group", over("securityGroups = [\"nobody\"] #! security-group-unknown @ \"nobody\"\n")),
        ("an instance type", over("[[workers]]\nname = \"shop-web\"\ninstanceTypes = [\"big\"] #! instance-type @ \"big\"\n")),
        ("a hop limit", over("[[workers]]\nname = \"shop-web\"\nmetadataHopLimit = 0 #! hop-limit @ 0\n")),
        ("an unknown class", over("[[objects.claims]]\nname = \"data\"\nsize = \"10Gi\"\nclass = \"slow\" #! class-unknown @ \"slow\"\n")),
    ];
    toml(&cases);
}

#[test]
fn a_text_that_cannot_be_parsed_is_told_at_its_line() {
    for (text, line) in [
        ("apiVersion: eks-rs.dev/v1\nowner: [shop\n", 2..=3),
        ("apiVersion: eks-rs.dev/v1\nowner: shop\nowner: other\n", 3..=3),
        ("a: b: c\n", 1..=1),
    ] {
        let error = EnvironmentFile::from_yaml("x.yaml", text).expect_err(text);
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(error.problems()[0].code == "syntax" && line.contains(&error.problems()[0].line), "{error}");
    }
    for (text, line) in [("owner = shop\n", 1), ("owner = \"a\"\nowner = \"b\"\n", 2), ("[network\n", 1)] {
        let error = EnvironmentFile::from_toml("x.toml", text).expect_err(text);
        assert_eq!((error.problems()[0].code.as_str(), error.problems()[0].line), ("syntax", line), "{error}");
    }
}

#[test]
fn a_report_shows_the_line_the_caret_and_the_remedy() {
    let text = format!("{HEAD}{NETWORK}  cird: 10.0.0.0/8\n");
    let error = EnvironmentFile::from_yaml("shop.yaml", &text).expect_err("cird is no field");
    let expected = "\
there is no field cird here [unknown-field]
 --> shop.yaml:6:3 (network.cird)
  |
6 |   cird: 10.0.0.0/8
  |   ^^^^
  = did you mean cidr?

shop.yaml: 1 problem";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.problems()[0].to_string(), "shop.yaml:6:3: there is no field cird here; did you mean cidr?");
}

#[test]
fn hostile_texts_end_in_a_problem() {
    let deep = "[".repeat(20_000);
    let anchors =
        format!("a: &a [x, x, x, x, x, x, x, x, x]\n{}", (1..30).map(|n| format!("a{n}: &a{n} [*a, *a, *a, *a]\n")).collect::<String>());
    for text in [deep.as_str(), anchors.as_str(), "\u{0}", "- &x *x", "\u{feff}owner: \u{202e}x"] {
        assert!(EnvironmentFile::from_yaml("x.yaml", text).is_err());
        assert!(EnvironmentFile::from_toml("x.toml", text).is_err());
    }
}
