//! Every example as a person runs it: the binary, on the embedded simulator, and what it says.

#[path = "common/mod.rs"]
#[expect(dead_code, reason = "no server is needed here")]
mod common;
#[path = "common/workspace.rs"]
#[expect(dead_code, reason = "nor the simulator, served")]
mod workspace;

use std::process::{Command, Output};

/// A program's output; it must end as told.
fn run(program: &str, arguments: &[&str], code: i32) -> String {
    // Nothing of the environment may lead it to a real account.
    let mut command = Command::new(workspace::built(&format!("examples/{program}")));
    let command = command.args(arguments).env_remove("AWS_PROFILE").env("AWS_EC2_METADATA_DISABLED", "true");
    let Output { status, stdout, stderr } = command.output().expect("it was built");
    let (out, told) = (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
    assert_eq!(status.code(), Some(code), "{program} {arguments:?}\n{out}\n{told}");
    out + &told
}

/// The program ends well and says each of these, in this order.
fn says(program: &str, arguments: &[&str], meant: &[&str]) -> String {
    let out = run(program, arguments, 0);
    let mut rest = out.as_str();
    for text in meant {
        let at = rest.find(text).unwrap_or_else(|| panic!("{program} does not say {text:?} then; it said\n{out}"));
        rest = &rest[at + text.len()..];
    }
    out
}

const CLEAN: &str = "verdict: clean, nothing is left";

/// A /24 has 251 usable addresses, and 10.8.0.1/16 has a bit set beyond its prefix (VPC User Guide, "Subnet sizing"). AWS's table of
/// restricted associations refuses 192.168.0.0/16 beside 10.0.0.0/8 ("VPC CIDR blocks").
#[test]
fn cidr() {
    let out = says(
        "cidr",
        &[],
        &[
            "m7g.large",
            "Two zones",
            "251 addresses",
            "A third zone",
            "Refused",
            "→ write 10.8.0.0/16",
            "✗ 192.168.0.0/20",
            "✓ 100.64.0.0/16",
        ],
    );
    let third = out.split("A third zone").nth(1).expect("a heading");
    let new = third.lines().filter(|line| line.starts_with("+ ")).collect::<Vec<_>>();
    assert!(new.len() == 3 && new.iter().all(|line| line.contains("us-east-1c")), "only the third zone is new: {new:?}");
}

#[test]
fn plan() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("plan-of-the-example.json");
    let path = file.to_str().expect("text");
    let out = says(
        "plan",
        &["--out", path],
        &[
            "43 to create",
            "critical path",
            "cost a month",
            "eks:CreateCluster",
            " statements, ",
            "43 steps",
            " 0 of them changed something; 0 things exist",
        ],
    );
    assert!(!out.contains("aws:RequestTag"), "the policy is in its file: {out}");
    let saved: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).expect("it was saved")).expect("JSON");
    assert_eq!(saved["owner"], "chap10");
}

#[test]
fn chapter() {
    says("chapter", &[], &["43 to create", "Apply", "0 changes", "Teardown", CLEAN]);
}

#[test]
fn existing_vpc() {
    says(
        "existing-vpc",
        &[],
        &[
            "somebody made vpc-",
            "allow Fix::Tags",
            "cluster/control-plane",
            CLEAN,
            "as it was",
            "Adopted",
            "shape: 0 changes",
            "web",
            CLEAN,
            "as it was",
        ],
    );
}

#[test]
fn private() {
    says(
        "private",
        &[],
        &[
            "First phase",
            "interface endpoints",
            "steps are left for inside: k8s/",
            "Second phase",
            "from here: ",
            "k8s/storage-class/gp3",
            "planned again: 0 changes",
            CLEAN,
        ],
    );
}

#[test]
fn machines() {
    says("machines", &[], &["ec2/load-balancer/public-elb", "→ nowhere", "data at public as /dev/xvdh", "nothing to do", CLEAN]);
}

#[test]
fn storage() {
    says(
        "storage",
        &[],
        &["k8s/claim/default/orders", "k8s/service/default/shop", "ec2/volume", "$11.60", "elb/load-balancer", "nothing to do", CLEAN],
    );
    // AWS's price of a month: 20 GB gp3 for $1.60, 1,000 IOPS more for $5, 125 MiB/s more for $5 ("Amazon EBS pricing").
    let retained = says("storage", &["--retain"], &["verdict: leaked, 1 thing is left, $11.60 a month", "vol-"]);
    assert!(!retained.contains(CLEAN));
}

#[test]
fn managed() {
    says("managed", &[], &["managed", "nodes/shop-batch", "in place", "tier", "planned again: 0 changes", CLEAN]);
}

#[test]
fn access() {
    let words = [
        "As of 2018",
        "enters as administrators in system:masters",
        "beside aws-auth",
        "younger than a minute",
        "The mappings go",
        "for ever",
        CLEAN,
    ];
    says("access", &[], &words);
}

#[test]
fn upgrade() {
    says("upgrade", &[], &["Control plane", "Workers", "Summary", "control plane 1.35 → 1.36", "nothing is left over"]);
}

#[test]
fn teardown() {
    says("teardown", &["--owner", "team"], &["teardown of team", CLEAN]);
    says("teardown", &["--owner", "team", "--dry-run"], &["nothing was done"]);
    assert!(run("teardown", &["--owner", "team", "--mess"], 2).contains("verdict: leaked, "));
}

/// What an API server does not let go of is not left behind unless somebody says so.
#[test]
fn a_teardown_holds_where_the_api_server_does_not_answer() {
    let held = run("teardown", &["--owner", "team", "--unreachable"], 1);
    assert!(!held.contains("eks:DeleteCluster") && !held.contains("verdict:"), "{held}");
    let went = run("teardown", &["--owner", "team", "--unreachable", "--leave-to-aws"], 2);
    assert!(went.contains("verdict: "), "{went}");
}

/// On AWS nobody's key but the caller's own gets into an instance, from nowhere but where the caller says.
#[test]
fn machines_open_no_port_to_a_stranger() {
    let refused = run("machines", &["--aws", "--yes"], 2);
    assert!(refused.contains("--public-key") && refused.contains("--ssh-from"), "{refused}");
}

/// Zones are the Region's, wherever it is.
#[test]
fn regions() {
    let region = ["--region", "eu-west-1"];
    let out = says("chapter", &region, &["net/subnet/private/eu-west-1a", "k8s/storage-class/gp3-eu-west-1b", "0 changes", CLEAN]);
    assert!(!out.contains("us-east-1a") && !out.contains("us-east-1b"), "{out}");
    says("machines", &region, &["ec2/volume/data", "nothing to do", CLEAN]);
    says("storage", &region, &["nothing to do", CLEAN]);
    says("upgrade", &region, &["nothing is left over"]);
    says("fleet", &["--count", "1", "--region", "eu-west-1"], &["1 of 1 clean"]);
}

#[test]
fn fleet() {
    says("fleet", &["--count", "2"], &["2 environments, each 43 steps", "team-0001", "team-0002", "2 of 2 clean", "0 of them throttled"]);
}

#[test]
fn picture() {
    assert!(run("picture", &["private"], 0).starts_with("<svg"));
    assert!(run("picture", &["large", "--mermaid"], 0).contains("flowchart"));
}

#[test]
fn embed() {
    says(
        "embed",
        &[],
        &[
            "listening on http://127.0.0.1:",
            "← 422",
            "write ",
            "← 201",
            "step_waiting   cluster/control-plane",
            "← 204",
            "end ",
            "Planned again",
            "done",
            "← 200 {",
            "\"clean\"",
        ],
    );
}

#[test]
fn offline_tests() {
    says(
        "offline-tests",
        &[],
        &[
            "nothing goes wrong",
            "is throttled",
            "answer is lost",
            "VpcLimitExceeded",
            "dies after CreateNatGateway",
            "failed, then again: done",
        ],
    );
}

#[test]
fn exec_credential() {
    let mut command = Command::new(workspace::built("examples/exec-credential"));
    let command = command.args(["--cluster-name", "shop"]).envs(common::KEYS).env_remove("AWS_PROFILE").env_remove("KUBERNETES_EXEC_INFO");
    let output = command.output().expect("it was built");
    assert!(output.status.success(), "{output:?}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["kind"], "ExecCredential");
    assert!(told["status"]["token"].as_str().is_some_and(|token| token.starts_with("k8s-aws-v1.")));
}

#[test]
fn errors_end_with_a_code_and_a_remedy() {
    let told = run("teardown", &["--owner", "Not A Name"], 1);
    assert!(told.contains("error: "), "{told}");

    // No configuration at all: no Region, and no call.
    let mut command = Command::new(workspace::built("examples/plan"));
    let nowhere = [
        ("HOME", "/nowhere"),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let output = command.arg("--aws").env_clear().envs(nowhere).output().expect("it was built");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("set AWS_REGION, or give --region"), "{told}");
}

/// The same words everywhere.
#[test]
fn programs_share_their_flags() {
    let programs = [
        "chapter",
        "access",
        "plan",
        "private",
        "storage",
        "managed",
        "machines",
        "existing-vpc",
        "upgrade",
        "fleet",
        "embed",
        "offline-tests",
        "teardown",
    ];
    for program in programs {
        let help = run(program, &["--help"], 0);
        for word in ["--aws", "--endpoint-url", "--region", "--seed", "--yes"] {
            assert!(help.contains(word), "{program} has no {word}:\n{help}");
        }
    }
}
