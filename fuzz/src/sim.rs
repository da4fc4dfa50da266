//! The simulator, at the wire: whatever a client sends is answered in the service's own form.

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use eks_cluster::TokenSigner;
use eks_sim::{Sim, Snapshot};
use http::{Request, Response};
use http_body_util::BodyExt;

/// AWS's documentation uses this key in its examples; the simulator's administrator has it.
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const ENDPOINT: &str = "endpoint";

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime").block_on(future)
}

async fn told(response: Response<eks_sim::Body>) -> (u16, Bytes) {
    let (parts, body) = response.into_parts();
    let Ok(body) = body.collect().await;
    (parts.status.as_u16(), body.to_bytes())
}

/// A request to a service of AWS; `None` if it is not even HTTP.
async fn aws(sim: &Sim, service: &str, method: &str, path: &str, target: &str, body: &[u8]) -> Option<(u16, Bytes)> {
    let scope = format!("AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0");
    let uri = format!("https://{service}.us-east-1.amazonaws.com/{}", path.trim_start_matches('/'));
    let request = Request::builder().method(method).uri(uri).header("authorization", scope).header("x-amz-target", target);
    let request = request.body(Bytes::copy_from_slice(body)).ok()?;
    Some(told(sim.answer(request).await.expect("the simulator always answers")).await)
}

/// Whether it says that we, not the client, are at fault.
fn is_ours((status, body): &(u16, Bytes)) -> bool {
    *status >= 500 && !String::from_utf8_lossy(body).contains("Unavailable")
}

/// Service, method, path (or SSM's target) and body of any request, each on a line of its own; several of them in a row.
pub fn sim_requests(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    run(async {
        let sim = Sim::new();
        for request in super::parts(text).into_iter().take(8) {
            let mut lines = request.splitn(3, '\n');
            let (Some(head), Some(path)) = (lines.next(), lines.next()) else { continue };
            let (service, method) = head.split_once(' ').unwrap_or((head, "POST"));
            let body = lines.next().unwrap_or_default();
            if service.bytes().all(|byte| byte.is_ascii_lowercase())
                && let Some(answer) = aws(&sim, service, method, path, path, body.as_bytes()).await
            {
                assert!(!is_ours(&answer), "{answer:?}");
            }
        }
        // What it began comes to an end.
        tokio::time::sleep(Duration::from_secs(3600)).await;
        sim.inventory();
    });
}

/// A template: it is refused, or its stack ends.
pub fn sim_template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    run(async {
        let sim = Sim::new();
        let body: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let call = |action: &str| {
            format!("Action={action}&Version=2010-05-15&StackName=fuzz&TemplateBody={body}&Capabilities.member.1=CAPABILITY_NAMED_IAM")
        };
        for action in ["ValidateTemplate", "GetTemplateSummary", "CreateStack"] {
            let answer = aws(&sim, "cloudformation", "POST", "/", "", call(action).as_bytes()).await.expect("HTTP");
            assert!(!is_ours(&answer), "{answer:?}");
        }
        tokio::time::sleep(Duration::from_secs(4 * 3600)).await;
        let describe = b"Action=DescribeStacks&Version=2010-05-15&StackName=fuzz";
        let (status, told) = aws(&sim, "cloudformation", "POST", "/", "", describe).await.expect("HTTP");
        let told = String::from_utf8_lossy(&told);
        assert!(status != 200 || !told.contains("_IN_PROGRESS</StackStatus>"), "it does not end: {told}");
    });
}

/// An account with an ACTIVE cluster called `fuzz`, its endpoint, and a token for it. Made once.
fn cluster() -> &'static (Snapshot, String, String) {
    static CLUSTER: OnceLock<(Snapshot, String, String)> = OnceLock::new();
    CLUSTER.get_or_init(|| run(prepared()))
}

async fn prepared() -> (Snapshot, String, String) {
    let sim = Sim::builder().starting_at(std::time::UNIX_EPOCH + Duration::from_secs(1_780_000_000)).build();
    let query = |service: &'static str, body: String| {
        let sim = sim.clone();
        async move {
            let (status, answer) = aws(&sim, service, "POST", "/", "", body.as_bytes()).await.expect("HTTP");
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert_eq!(status, 200, "{answer}");
            answer
        }
    };
    let between = |text: &str, open: &str, close: &str| {
        let rest = text.split_once(open).unwrap_or_else(|| panic!("{open} in {text}")).1;
        rest.split_once(close).expect("its end").0.to_owned()
    };
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22eks.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
    let role = query("iam", format!("Action=CreateRole&Version=2010-05-08&RoleName=fuzz&AssumeRolePolicyDocument={trust}")).await;
    let role = between(&role, "<Arn>", "</Arn>");
    query(
        "iam",
        "Action=AttachRolePolicy&Version=2010-05-08&RoleName=fuzz&PolicyArn=arn:aws:iam::aws:policy/AmazonEKSClusterPolicy".to_owned(),
    )
    .await;
    let vpc = query("ec2", "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16".to_owned()).await;
    let vpc = between(&vpc, "<vpcId>", "</vpcId>");
    let mut subnets = Vec::new();
    for (number, zone) in ["us-east-1a", "us-east-1b"].into_iter().enumerate() {
        let body = format!("Action=CreateSubnet&Version=2016-11-15&VpcId={vpc}&CidrBlock=10.0.{number}.0/24&AvailabilityZone={zone}");
        subnets.push(between(&query("ec2", body).await, "<subnetId>", "</subnetId>"));
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let body = serde_json::json!({"name": "fuzz", "roleArn": role, "resourcesVpcConfig": {"subnetIds": subnets},
        "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP", "bootstrapClusterCreatorAdminPermissions": true}});
    let (status, answer) = aws(&sim, "eks", "POST", "/clusters", "", body.to_string().as_bytes()).await.expect("HTTP");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let (_, described) = aws(&sim, "eks", "GET", "/clusters/fuzz", "", b"").await.expect("HTTP");
    let described: serde_json::Value = serde_json::from_slice(&described).expect("JSON");
    assert_eq!(described["cluster"]["status"], "ACTIVE");
    let endpoint = described["cluster"][ENDPOINT].as_str().expect("an endpoint").to_owned();
    let signer = TokenSigner::new(&sim.sdk_config(), &"fuzz".parse().expect("a name")).expect("credentials");
    let token = signer.token().await.expect("signed").secret().to_owned();
    (sim.snapshot(), endpoint, token)
}

async fn kubernetes(sim: &Sim, endpoint: &str, request: http::request::Builder, path: &str, body: &[u8]) -> Option<(u16, Bytes)> {
    let request = request.uri(format!("{endpoint}/{}", path.trim_start_matches('/'))).body(Bytes::copy_from_slice(body)).ok()?;
    // A watch goes on; whoever sent it goes away.
    tokio::time::timeout(Duration::from_secs(30), async { told(sim.answer(request).await.expect("the simulator always answers")).await })
        .await
        .ok()
}

/// Method, path with its query, content type and body of a request to a cluster's API server; several of them in a row.
pub fn sim_api_server(data: &[u8]) {
    let requests: Vec<&[u8]> = split(data, b"\n---@\n");
    run(async {
        let (account, endpoint, token) = cluster();
        let sim = account.open();
        for request in requests.into_iter().take(8) {
            let lines: Vec<&[u8]> = request.splitn(4, |byte| *byte == b'\n').collect();
            let [method, path, kind, body] = lines[..] else { continue };
            let (Ok(method), Ok(path)) = (http::Method::from_bytes(method), std::str::from_utf8(path)) else { continue };
            let builder = Request::builder().method(method).header("authorization", format!("Bearer {token}")).header("content-type", kind);
            if let Some(answer) = kubernetes(&sim, endpoint, builder, path, body).await {
                assert!(answer.0 < 500, "{answer:?}");
            }
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
    });
}

/// A good token, changed: each input byte pair says where and how. Nothing but the token itself gets in, and a token as text never harms.
pub fn token(data: &[u8]) {
    run(async {
        let (account, endpoint, token) = cluster();
        let sim = account.open();
        let mut changed = token.clone().into_bytes();
        for pair in data.chunks_exact(2) {
            let at = usize::from(pair[0]) * 257 % changed.len();
            changed[at] ^= pair[1] & 0x7f;
        }
        for bearer in [changed, data.to_vec(), [token.as_bytes(), data].concat()] {
            let builder = Request::builder().method("GET").header("authorization", [b"Bearer ", &bearer[..]].concat());
            let Some((status, _)) = kubernetes(&sim, endpoint, builder, "api/v1/namespaces", b"").await else { continue };
            assert_eq!(status == 200, bearer == token.as_bytes(), "{}", String::from_utf8_lossy(&bearer));
        }
    });
}

fn split<'a>(data: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(by.len()).position(|window| window == by) {
        parts.push(&rest[..at]);
        rest = &rest[at + by.len()..];
    }
    parts.push(rest);
    parts
}
