//! Every code that an error, problem, cause or refusal can have is explained in the guide, and no other.

use std::{collections::BTreeSet, path::Path};

use crate::{
    pages::Page,
    source::{CRATES, codes, error_types, variants_of},
};

fn page(name: &str) -> Page {
    Page::read(&Path::new("docs/src/errors").join(name))
}

/// What the page lacks, and what it has beside.
fn compare(page: &str, on_it: &BTreeSet<String>, in_source: &BTreeSet<String>) {
    let lacks: Vec<_> = in_source.difference(on_it).collect();
    let beside: Vec<_> = on_it.difference(in_source).collect();
    assert!(lacks.is_empty() && beside.is_empty(), "docs/src/errors/{page} lacks {lacks:?}, and explains {beside:?}, which nothing gives");
}

/// Each section says what is so and what to do.
fn says_what_to_do(page: &Page) {
    for (heading, text) in page.sections() {
        assert!(text.contains("**Do:** "), "{}: {heading} does not say what to do", page.path.display());
    }
}

#[test]
fn problems_of_each_crate() {
    for name in ["eks-net", "eks-cluster", "eks-nodes", "eks-k8s"] {
        let mut given = codes(name);
        if name == "eks-cluster" {
            given.extend(eks_cluster::upgrade::Rule::ALL.iter().map(|rule| rule.code().to_owned()));
        }
        assert!(given.len() > 60, "{name}: only {} codes were found", given.len());
        let page = page(&format!("{name}.md"));
        compare(&format!("{name}.md"), &page.headings(2), &given);
        says_what_to_do(&page);
    }
}

#[test]
fn causes_of_nodes_that_do_not_join() {
    let page = page("joins.md");
    let causes = eks_nodes::join::Cause::ALL.iter().map(|cause| cause.code().to_owned()).collect();
    compare("joins.md", &page.headings(2), &causes);
    says_what_to_do(&page);
    for (heading, text) in page.sections() {
        let cause: eks_nodes::join::Cause = heading.parse().expect("a cause");
        assert!(text.contains(cause.page()), "{heading} does not name its page");
    }
}

#[test]
fn causes_of_stacks_that_fail() {
    let page = page("stacks.md");
    let given = ["Cause", "Blocker", "Refusal"].iter().flat_map(|name| match *name {
        // The other `Cause` is that of joins.
        "Cause" => crate::source::sources("eks-nodes")
            .iter()
            .find(|text| text.contains("NotSignalled") && text.contains("pub enum Cause {"))
            .map(|text| crate::source::variants_in(text, "Cause"))
            .expect("the cause of stacks"),
        name => variants_of("eks-nodes", name),
    });
    compare("stacks.md", &page.headings(2), &given.collect());
    says_what_to_do(&page);
}

#[test]
fn issues_of_managed_groups() {
    let page = page("groups.md");
    let mut issues: BTreeSet<String> = eks_nodes::IssueCode::ALL.iter().map(|issue| issue.as_str().to_owned()).collect();
    issues.insert(eks_nodes::IssueCode::Unknown.as_str().to_owned());
    compare("groups.md", &page.headings(2), &issues);
    for (heading, text) in page.sections() {
        let issue: eks_nodes::IssueCode = heading.parse().expect("an issue");
        assert!(text.contains(issue.remedy()), "{heading} has another remedy");
    }
}

#[test]
fn what_drains_and_claims_wait_for() {
    let given = ["Blocker", "Refusal", "Hindrance"].iter().flat_map(|name| variants_of("eks-k8s", name)).collect();
    compare("waits.md", &page("waits.md").headings(3), &given);
}

#[test]
fn errors_of_calls_and_runs() {
    let mut given: BTreeSet<String> = CRATES.iter().flat_map(|name| error_types(name)).collect();
    given.extend(variants_of("eks-core", "Class"));
    given.extend(variants_of("eks-cluster", "Stage"));
    compare("runs.md", &page("runs.md").headings(3), &given);
}
