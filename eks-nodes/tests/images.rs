//! Images and user data of each family. `UPDATE_GOLDEN=1 cargo test -p eks-nodes --test images` writes the golden files anew; they
//! are read against the families' documentation, as `documented` does it, before they are accepted.

mod documented;
mod refs;

use std::{fs, path::PathBuf};

use documented::{CLUSTER, Told, bootstrap, bottlerocket, nodeadm, powershell, substituted};
use eks_core::SpecError;
use eks_nodes::{
    AmazonLinux2, AmazonLinux2023, Bottlerocket, Date, EvictionSignal, Family, Image, Kubelet, LocalStorage, Mirror, Observed, Proxy,
    ReservedResource, RoleMapping, Scope, TaintEffect, Ubuntu, UbuntuRelease, Windows, WindowsInstallation, WindowsRelease, WorkersSpec,
    WorkersSpecBuilder,
};
use proptest::prelude::*;
use refs::{cluster, name, network, owner};

/// Workers of a cluster of this version.
fn workers(version: &str) -> WorkersSpecBuilder {
    if version == cluster().version {
        return refs::workers();
    }
    let mut cluster = cluster();
    version.clone_into(&mut cluster.version);
    WorkersSpec::builder(&owner(), name("chap10-worker"), cluster, network().private())
}

fn proxy() -> Proxy {
    Proxy::new("http://proxy.example.com:3128").except("169.254.169.254").except("10.0.0.0/16").except(".eks.amazonaws.com")
}

fn mirror() -> Mirror {
    Mirror::new("docker.io", "https://mirror.example.com").endpoint("https://mirror2.example.com")
}

/// Every setting that all families have; the share of eviction is what bootstrap.sh cannot be told.
fn kubelet(shares: bool) -> Kubelet {
    Kubelet::new()
        .kube_reserved(ReservedResource::Cpu, "100m")
        .kube_reserved(ReservedResource::Memory, "500Mi")
        .system_reserved(ReservedResource::EphemeralStorage, "1Gi")
        .eviction_hard(EvictionSignal::MemoryAvailable, "200Mi")
        .eviction_hard(EvictionSignal::NodefsAvailable, if shares { "10%" } else { "2Gi" })
        .eviction_soft(EvictionSignal::MemoryAvailable, "500Mi", 90)
        .image_gc(70, 80)
        .container_logs("50Mi", 3)
        .registry_pulls(10, 20)
}

/// Each family, as little and as much as can be said to it.
fn families() -> [(&'static str, WorkersSpecBuilder, WorkersSpecBuilder); 5] {
    let rich = |family: Family, version: &str, shares: bool| {
        workers(version)
            .family(family)
            .label("team", "books")
            .label("example.com/tier", "")
            .taint("gpu", "yes", TaintEffect::NoSchedule)
            .taint("gpu", "yes", TaintEffect::NoExecute)
            .max_pods(58)
            .kubelet(kubelet(shares).cluster_dns([10, 0, 0, 2].into()))
    };
    let al2023 = AmazonLinux2023::new().local_storage(LocalStorage::Raid0).fast_image_pull(true).proxy(proxy()).mirror(mirror());
    let bottlerocket = Bottlerocket::new().admin_container(true).proxy(proxy()).mirror(mirror());
    let (ubuntu, windows) = (Ubuntu::new(UbuntuRelease::Noble), Windows::new(WindowsRelease::Server2022));
    [
        ("amazon-linux-2", workers("1.32").family(AmazonLinux2::new()), rich(AmazonLinux2::new().into(), "1.32", false)),
        ("amazon-linux-2023", workers("1.36"), rich(al2023.into(), "1.36", true)),
        ("bottlerocket", workers("1.36").family(Bottlerocket::new()), rich(bottlerocket.into(), "1.36", true)),
        ("ubuntu", workers("1.36").family(ubuntu.clone()), rich(ubuntu.into(), "1.36", false)),
        ("windows", workers("1.36").family(windows.clone()), rich(windows.into(), "1.36", true)),
    ]
}

/// What the family's reader makes of user data.
fn read(family: &str, user_data: &str) -> Result<Told, String> {
    let text = substituted(user_data);
    match family {
        "amazon-linux-2" | "ubuntu" => bootstrap(&text),
        "amazon-linux-2023" => nodeadm(&text).map(|(told, _)| told),
        "bottlerocket" => bottlerocket(&text).map(|(told, _)| told),
        _ => powershell(&text),
    }
}

fn golden(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/user_data").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).expect("writable");
    }
    assert_eq!(fs::read_to_string(&path).expect("written"), text, "{}", path.display());
}

#[test]
fn user_data_says_the_same_in_each_familys_form() {
    for (family, bare, rich) in families() {
        let bare = bare.build().expect("valid").user_data();
        golden(&format!("{family}.bare"), &bare);
        let told = read(family, &bare).unwrap_or_else(|faults| panic!("{family}: {faults}"));
        let cluster = |name: &str| CLUSTER.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()).expect("known");
        // The tenth address of 172.20.0.0/16, unless the node finds it.
        let finds = ["amazon-linux-2023", "bottlerocket"].contains(&family);
        let expected = Told {
            cluster: cluster("ClusterName"),
            endpoint: cluster("ApiServerEndpoint"),
            authority: cluster("CertificateAuthorityData"),
            dns: if finds { "of the CIDR".to_owned() } else { "172.20.0.10".to_owned() },
            labels: [("eks-rs/workers".to_owned(), "chap10-worker".to_owned())].into(),
            ..Told::default()
        };
        assert_eq!(told, expected, "{family}");

        let rich = rich.build().expect("valid").user_data();
        golden(&format!("{family}.rich"), &rich);
        let told = read(family, &rich).unwrap_or_else(|faults| panic!("{family}: {faults}"));
        assert_eq!((told.dns.as_str(), told.max_pods), ("10.0.0.2", Some(58)), "{family}");
        let labels: Vec<_> = told.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(labels, ["eks-rs/workers=chap10-worker", "example.com/tier=", "team=books"], "{family}");
        assert_eq!(told.taints, ["gpu=yes:NoSchedule", "gpu=yes:NoExecute"], "{family}");
        let share = if ["amazon-linux-2", "ubuntu"].contains(&family) { "2Gi" } else { "10%" };
        let settings = [
            ("container-log-max-files", "3"),
            ("container-log-max-size", "50Mi"),
            ("eviction-hard.memory.available", "200Mi"),
            ("eviction-hard.nodefs.available", share),
            ("eviction-soft-grace-period.memory.available", "90s"),
            ("eviction-soft.memory.available", "500Mi"),
            ("image-gc-high-threshold", "80"),
            ("image-gc-low-threshold", "70"),
            ("kube-reserved.cpu", "100m"),
            ("kube-reserved.memory", "500Mi"),
            ("registry-burst", "20"),
            ("registry-qps", "10"),
            ("system-reserved.ephemeral-storage", "1Gi"),
        ];
        assert_eq!(told.kubelet, settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into(), "{family}");
    }
}

#[test]
fn proxies_and_mirrors_reach_the_node() {
    let [_, (_, _, al2023), (_, _, bottle), ..] = families();
    let (_, scripts) = nodeadm(&substituted(&al2023.build().expect("valid").user_data())).expect("documented");
    let [script] = &scripts[..] else { panic!("{scripts:?}") };
    // containerd, "Registry Configuration": a directory for each registry, with a hosts.toml.
    let hosts =
        script.split_once("cat >/etc/containerd/certs.d/docker.io/hosts.toml <<'EOF'\n").and_then(|(_, text)| text.split_once("EOF\n"));
    let hosts: toml::Table = toml::from_str(hosts.expect("a here-document").0).expect("TOML");
    for host in ["https://mirror.example.com", "https://mirror2.example.com"] {
        assert_eq!(hosts["host"][host]["capabilities"], toml::Value::from(vec!["pull", "resolve"]), "{host}");
    }
    let (_, settings) = bottlerocket(&substituted(&bottle.build().expect("valid").user_data())).expect("documented");
    let settings = &settings["settings"];
    assert_eq!(settings["network"]["https-proxy"], "http://proxy.example.com:3128");
    assert_eq!(settings["network"]["no-proxy"][1], "10.0.0.0/16");
    assert_eq!(settings["container-registry"]["mirrors"][0]["endpoint"][1], "https://mirror2.example.com");
    assert_eq!(settings["host-containers"]["admin"]["enabled"], true);
}

#[test]
fn the_readers_refuse_what_is_not_documented() {
    for (family, bare, rich) in families() {
        let spoilt: &[(&str, &str)] = match family {
            "amazon-linux-2" | "ubuntu" => {
                &[("--b64-cluster-ca", "--b64-ca"), ("--image-gc-low-threshold", "--image-gc-low"), ("<200Mi", "<lots")]
            }
            "amazon-linux-2023" => {
                &[("maxPods", "max_pods"), ("\"80\"", "80"), ("RAID0", "RAID5"), ("\"cidr\"", "\"CIDR\""), ("50Mi", "50 MB")]
            }
            "bottlerocket" => &[("max-pods", "maxPods"), ("cluster-name", "name"), ("NoSchedule", "Never"), ("\"200Mi\"", "200")],
            _ => &[("-Base64ClusterCA", "-ClusterCA"), ("<powershell>", "<script>"), ("--max-pods=58", "--max-pods=many")],
        };
        let rich = rich.build().expect("valid").user_data();
        for (from, to) in spoilt.iter().filter(|(from, _)| rich.contains(from)) {
            assert!(read(family, &rich.replace(from, to)).is_err(), "{family}: {to}");
        }
        let other = if family == "bottlerocket" { "windows" } else { "bottlerocket" };
        assert!(read(other, &bare.build().expect("valid").user_data()).is_err(), "{family} is not {other}");
    }
}

#[test]
fn parameters_are_those_that_are_published() {
    let optimized = "/aws/service/eks/optimized-ami";
    let canonical = "/aws/service/canonical/ubuntu";
    let windows = "/aws/service/ami-windows-latest/Windows_Server";
    let cases: Vec<(&str, &str, Family, String)> = vec![
        (
            "1.36",
            "t3.medium",
            AmazonLinux2023::new().into(),
            format!("{optimized}/1.36/amazon-linux-2023/x86_64/standard/recommended/image_id"),
        ),
        (
            "1.36",
            "m7g.large",
            AmazonLinux2023::new().into(),
            format!("{optimized}/1.36/amazon-linux-2023/arm64/standard/recommended/image_id"),
        ),
        (
            "1.36",
            "g5g.xlarge",
            AmazonLinux2023::new().into(),
            format!("{optimized}/1.36/amazon-linux-2023/arm64/nvidia/recommended/image_id"),
        ),
        (
            "1.36",
            "trn1.32xlarge",
            AmazonLinux2023::new().into(),
            format!("{optimized}/1.36/amazon-linux-2023/x86_64/neuron/recommended/image_id"),
        ),
        (
            "1.35",
            "m7g.large",
            AmazonLinux2023::new().release("v20261118").into(),
            format!("{optimized}/1.35/amazon-linux-2023/arm64/standard/amazon-eks-node-al2023-arm64-standard-1.35-v20261118/image_id"),
        ),
        ("1.32", "t3.medium", AmazonLinux2::new().into(), format!("{optimized}/1.32/amazon-linux-2/recommended/image_id")),
        ("1.32", "g5.xlarge", AmazonLinux2::new().into(), format!("{optimized}/1.32/amazon-linux-2-gpu/recommended/image_id")),
        ("1.32", "inf2.xlarge", AmazonLinux2::new().into(), format!("{optimized}/1.32/amazon-linux-2-gpu/recommended/image_id")),
        ("1.31", "t4g.medium", AmazonLinux2::new().into(), format!("{optimized}/1.31/amazon-linux-2-arm64/recommended/image_id")),
        (
            "1.32",
            "g5.xlarge",
            AmazonLinux2::new().release("v20251112").into(),
            format!("{optimized}/1.32/amazon-linux-2-gpu/amazon-eks-gpu-node-1.32-v20251112/image_id"),
        ),
        ("1.36", "t3.medium", Bottlerocket::new().into(), "/aws/service/bottlerocket/aws-k8s-1.36/x86_64/latest/image_id".to_owned()),
        (
            "1.36",
            "g5g.xlarge",
            Bottlerocket::new().into(),
            "/aws/service/bottlerocket/aws-k8s-1.36-nvidia/arm64/latest/image_id".to_owned(),
        ),
        ("1.36", "inf2.xlarge", Bottlerocket::new().into(), "/aws/service/bottlerocket/aws-k8s-1.36/x86_64/latest/image_id".to_owned()),
        (
            "1.35",
            "g5.xlarge",
            Bottlerocket::new().fips(true).version("1.65.0").into(),
            "/aws/service/bottlerocket/aws-k8s-1.35-nvidia-fips/x86_64/1.65.0/image_id".to_owned(),
        ),
        (
            "1.36",
            "m5.large",
            Windows::new(WindowsRelease::Server2022).into(),
            format!("{windows}-2022-English-Core-EKS_Optimized-1.36/image_id"),
        ),
        (
            "1.35",
            "m5.large",
            Windows::new(WindowsRelease::Server2025).installation(WindowsInstallation::Full).into(),
            format!("{windows}-2025-English-Full-EKS_Optimized-1.35/image_id"),
        ),
        (
            "1.36",
            "m5.large",
            Ubuntu::new(UbuntuRelease::Noble).into(),
            format!("{canonical}/eks/24.04/1.36/stable/current/amd64/hvm/ebs-gp3/ami-id"),
        ),
        (
            "1.36",
            "m5.large",
            Ubuntu::new(UbuntuRelease::Resolute).into(),
            format!("{canonical}/eks/26.04/1.36/stable/current/amd64/hvm/ebs-gp3/ami-id"),
        ),
        (
            "1.36",
            "m7g.large",
            Bottlerocket::new().fips(true).into(),
            "/aws/service/bottlerocket/aws-k8s-1.36-fips/arm64/latest/image_id".to_owned(),
        ),
        (
            "1.34",
            "m5.large",
            Windows::new(WindowsRelease::Server2019).installation(WindowsInstallation::Full).into(),
            format!("{windows}-2019-English-Full-EKS_Optimized-1.34/image_id"),
        ),
        (
            "1.31",
            "m7g.large",
            Ubuntu::new(UbuntuRelease::Jammy).pro(true).serial("20261104").into(),
            format!("{canonical}/eks-pro/22.04/1.31/stable/20261104/arm64/hvm/ebs-gp2/ami-id"),
        ),
    ];
    for (version, kind, family, path) in cases {
        let spec = workers(version).family(family).instance_type(kind).build().expect("valid");
        assert_eq!(spec.image_parameter(), Some(path));
    }
    let given = Image::Ami("ami-0a1b2c3d4e5f60718".parse().expect("an id"));
    assert_eq!(workers("1.36").image(given).build().expect("valid").image_parameter(), None);
}

fn codes(result: Result<WorkersSpec, SpecError>) -> Vec<&'static str> {
    result.err().map(|error| error.problems.iter().map(|problem| problem.code).collect()).unwrap_or_default()
}

#[test]
fn what_there_is_no_image_for_is_refused() {
    let windows = |release| Family::from(Windows::new(release));
    let cases: Vec<(&str, &str, Family, &[&str])> = vec![
        ("1.33", "t3.medium", AmazonLinux2::new().into(), &["image-version"]),
        ("1.32", "t3.medium", AmazonLinux2::new().release("20251112").into(), &["image-release"]),
        ("1.32", "g5g.xlarge", AmazonLinux2::new().into(), &["image-accelerator"]),
        ("1.36", "t3.medium", AmazonLinux2023::new().release("latest/../x").into(), &["image-release"]),
        ("1.36", "t3.medium", Bottlerocket::new().version("v1.65").into(), &["image-release"]),
        ("1.34", "m5.large", windows(WindowsRelease::Server2025), &["image-version"]),
        ("1.36", "m7g.large", windows(WindowsRelease::Server2022), &["image-architecture"]),
        ("1.36", "g5.xlarge", windows(WindowsRelease::Server2022), &["image-accelerator"]),
        ("1.36", "m6a.large", windows(WindowsRelease::Server2019), &["instance-windows"]),
        ("1.30", "m5.large", Ubuntu::new(UbuntuRelease::Noble).into(), &["image-version"]),
        ("1.31", "m5.large", Ubuntu::new(UbuntuRelease::Focal).into(), &["image-version"]),
        ("1.34", "m5.large", Ubuntu::new(UbuntuRelease::Jammy).into(), &["image-version"]),
        ("1.31", "m5.large", Ubuntu::new(UbuntuRelease::Jammy).serial("today").into(), &["image-release"]),
    ];
    for (version, kind, family, expected) in cases {
        assert_eq!(codes(workers(version).family(family.clone()).instance_type(kind).build()), expected, "{version} {kind} {family:?}");
        // An image of one's own may be anything of the family; its release is still a word of a path.
        let given = Image::Ami("ami-0a1b2c3d4e5f60718".parse().expect("an id"));
        let own: Vec<_> = codes(workers(version).family(family).instance_type(kind).image(given).build());
        assert!(own.iter().all(|code| ["image-release", "instance-windows"].contains(code)), "{own:?}");
    }
    let ubuntu = || workers("1.36").family(Ubuntu::new(UbuntuRelease::Noble));
    assert_eq!(
        codes(ubuntu().kubelet(Kubelet::new().eviction_hard(EvictionSignal::MemoryAvailable, "5%")).build()),
        ["kubelet-unsupported"]
    );
    let windows = || workers("1.36").family(Windows::new(WindowsRelease::Server2022));
    assert_eq!(codes(windows().kubelet(Kubelet::new().pod_pids_limit(100)).build()), ["kubelet-unsupported"]);
    assert_eq!(codes(windows().volume_gib(30).build()), ["volume-size"]);
    let secret = AmazonLinux2023::new().proxy(Proxy::new("http://me:hunter2@proxy:3128"));
    assert_eq!(codes(workers("1.36").family(secret).build()), ["secret-in-user-data"]);
    let mut ipv6 = cluster();
    ipv6.service_cidr = "fd00::/108".to_owned().into();
    let built = WorkersSpec::builder(&owner(), name("w"), ipv6, network().private()).family(Ubuntu::new(UbuntuRelease::Noble)).build();
    assert_eq!(codes(built), ["image-ipv6"]);
}

#[test]
fn types_of_a_group_share_an_image() {
    let of = |types: &[&str]| codes(workers("1.36").instance_types(types.iter().copied()).build());
    assert_eq!(of(&["m5.large", "m6i.large", "m5a.large"]), [""; 0]);
    assert_eq!(of(&["m5.large", "m7g.large"]), ["mixed-architectures"]);
    assert_eq!(of(&["m5.large", "g5.xlarge"]), ["mixed-accelerators"]);
    assert_eq!(of(&["m5.large", "m5.large"]), ["instance-type-twice"]);
    assert_eq!(of(&[]), ["instance-types"]);
    let prefixes = |kind: &str| codes(workers("1.36").instance_type(kind).prefix_delegation(true).build());
    assert_eq!(prefixes("m5.large"), [""; 0]);
    assert_eq!(prefixes("t2.medium"), ["prefix-nitro"]);
    assert_eq!(prefixes("c7i.metal-24xl"), ["prefix-pods"]);
    let windows = workers("1.36").family(Windows::new(WindowsRelease::Server2022)).instance_type("m5.large");
    assert_eq!(codes(windows.prefix_delegation(true).build()), ["prefix-windows"]);
    // The smallest type decides: 98 addresses for an m7g.medium.
    let spec = workers("1.36").instance_types(["m7g.large", "m7g.medium"]).prefix_delegation(true).build().expect("valid");
    let (told, _) = nodeadm(&substituted(&spec.user_data())).expect("documented");
    assert_eq!(told.max_pods, Some(98));
}

fn findings(spec: WorkersSpecBuilder) -> Vec<String> {
    let spec = spec.build().expect("valid");
    let now = Observed::new(&owner(), Scope::of([&spec]), []).expect("no two");
    spec.plan(&now).expect("a plan").findings().iter().map(|finding| finding.message.clone()).collect()
}

#[test]
fn what_ends_is_told_by_date() {
    let on = |year, month, day| Date::new(year, month, day).expect("a day");
    let al2 = || workers("1.32").family(AmazonLinux2::new());
    let ended = "Amazon Linux 2 ended on 2025-11-26: there are no more updates; use Amazon Linux 2023 or Bottlerocket";
    let near = "Kubernetes 1.32 ends on 2027-03-23; plan to use a later version of Kubernetes";
    assert_eq!(findings(al2()), [ended, near]);
    let ends = "Amazon Linux 2 ends on 2025-11-26; plan to use Amazon Linux 2023 or Bottlerocket";
    let far = "Kubernetes 1.32 gets updates until 2027-03-23";
    assert_eq!(findings(al2().as_of(on(2025, 11, 26))), [ends, far]);
    assert_eq!(findings(al2().as_of(on(2024, 1, 1))), ["Amazon Linux 2 gets updates until 2025-11-26", far]);
    let other = ["Amazon Linux 2023 gets updates until 2029-06-30", "Kubernetes 1.36 gets updates until 2028-08-02"];
    assert_eq!(findings(workers("1.36")), other);
    assert!(Family::from(Bottlerocket::new()).end_of_support().is_none());
}

#[test]
fn what_surprises_is_told() {
    let one = |spec, part: &str| {
        let found = findings(spec);
        assert!(found.iter().any(|text| text.contains(part)), "{part}: {found:?}");
    };
    one(workers("1.36").family(Bottlerocket::new()).key_pair("my-key"), "admin_container");
    one(workers("1.36").family(Windows::new(WindowsRelease::Server2022)).mapping(RoleMapping::AwsAuth), "eks:kube-proxy-windows");
    let threshold = Kubelet::new().eviction_hard(EvictionSignal::MemoryAvailable, "200Mi");
    one(workers("1.36").family(Bottlerocket::new()).kubelet(threshold.clone()), "nothing guards nodefs.available, nodefs.inodesFree");
    assert_eq!(findings(workers("1.36").kubelet(threshold)), findings(workers("1.36")), "nodeadm keeps its own");
    one(workers("1.36").prefix_delegation(true), "ENABLE_PREFIX_DELEGATION");
    one(workers("1.36").family(Ubuntu::new(UbuntuRelease::Noble)).instance_type("g5.xlarge"), "no drivers");
}

/// A value of a label or taint, mostly a good one.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-zA-Z0-9]{0,5}", 1 => "[-a-zA-Z0-9_.'\"$ {}]{0,5}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a spec lets through reaches the node as it was said, in every form.
    #[test]
    fn nothing_breaks_out_of_user_data(
        labels in proptest::collection::btree_map("[a-z]{1,3}(\\.[a-z]{1,3})?(/[a-zA-Z]{1,4})?", word(), 0..3),
        taint in word(),
        quantity in prop_oneof![4 => "[1-9][0-9]{0,2}(\\.[0-9])?(m|Mi|Gi|)", 1 => "[0-9]{0,2}[.'\"]?[0-9]{0,2}(%|K|\\$\\{x\\}|)"],
        pods in proptest::option::of(1..=250_u16),
    ) {
        for (family, bare, _) in families() {
            let kubelet = Kubelet::new()
                .kube_reserved(ReservedResource::Memory, &quantity)
                .eviction_hard(EvictionSignal::NodefsAvailable, &quantity)
                .container_logs(&quantity, 2);
            let bare = pods.into_iter().fold(bare.kubelet(kubelet), WorkersSpecBuilder::max_pods).taint("t", &taint, TaintEffect::NoSchedule);
            let Ok(spec) = labels.iter().fold(bare, |spec, (key, value)| spec.label(key, value)).build() else { continue };
            let told = read(family, &spec.user_data()).map_err(TestCaseError::fail)?;
            let mut expected = labels.clone();
            expected.insert("eks-rs/workers".to_owned(), "chap10-worker".to_owned());
            prop_assert_eq!(told.labels, expected);
            prop_assert_eq!(told.taints, vec![format!("t={taint}:NoSchedule")]);
            prop_assert_eq!(told.max_pods, pods.map(i64::from));
            prop_assert_eq!(&told.kubelet["kube-reserved.memory"], &quantity);
            prop_assert_eq!(&told.kubelet["eviction-hard.nodefs.available"], &quantity);
        }
    }
}

/// Two crates have the calendar of EKS, and must not differ.
#[test]
fn kubernetes_ends_as_the_control_plane_does() {
    use eks_cluster::{KubernetesVersion, Support};

    let later = eks_cluster::Date::new(2030, 1, 1).expect("a day");
    for minor in 31..=37 {
        let text = format!("1.{minor}");
        let ends = workers(&text).build().expect("valid").ends_of_support().pop().expect("Kubernetes").ends;
        let Support::Ended { since: Some(since) } = text.parse::<KubernetesVersion>().expect("a version").support(later) else {
            panic!("the calendar of {text} has an end")
        };
        assert_eq!(ends.to_string(), since.to_string(), "{text}");
    }
}
