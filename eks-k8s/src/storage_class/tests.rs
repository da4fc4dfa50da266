//! What classes become, and what they must not be.

use eks_core::{Owner, Problems};
use serde_json::{Value, json};

use super::*;

fn codes(class: &StorageClass) -> Vec<&'static str> {
    let mut problems = Problems::new();
    class.check(&mut problems);
    problems.finish("x", || ()).err().map(|error| error.problems.iter().map(|p| p.code).collect()).unwrap_or_default()
}

#[test]
fn then_and_now() {
    let owner = Owner::new("chap10").unwrap();
    let now = StorageClass::gp3("gp3-us-east-1a").zone("us-east-1a").manifest(&owner);
    assert_eq!(
        now,
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gp3-us-east-1a"},
            "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3", "csi.storage.k8s.io/fstype": "ext4", "tagSpecification_1": "eks-rs/owner=chap10"},
            "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true,
            "allowedTopologies": [{"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["us-east-1a"]}]}],
        })
    );
    let then = StorageClass::in_tree_gp2("gp2-us-east-1a", "us-east-1a").manifest(&owner);
    assert_eq!(then["provisioner"], "kubernetes.io/aws-ebs");
    assert_eq!(then["parameters"], json!({"type": "gp2", "fsType": "ext4", "zone": "us-east-1a"}));
    assert_eq!(then.get("allowedTopologies"), None);
}

/// A class and the codes of the rules that it breaks.
#[test]
fn wrong_classes() {
    let gp3 = || StorageClass::gp3("a");
    let key = "arn:aws:kms:us-east-1:123456789012:key/x";
    for (class, broken) in [
        (gp3().iops(16_000).throughput(1000), ""),
        (gp3().iops(80_000).throughput(2000), ""),
        (gp3().iops(2999), "iops"),
        (gp3().iops(80_001).throughput(2001), "iops throughput"),
        (gp3().throughput(124), "throughput"),
        (gp3().throughput(1000), "throughput-ratio"),
        (gp3().iops_per_gib(500), ""),
        (gp3().iops_per_gib(501), "iops-ratio"),
        (gp3().iops_per_gib(0), "iops-ratio"),
        (gp3().iops(3000).iops_per_gib(10), "iops-twice"),
        (gp3().raises_iops(true), "iops"),
        (StorageClass::gp2("a").iops(3000).throughput(200), "iops throughput"),
        (StorageClass::st1("a").iops_per_gib(3), "iops"),
        (StorageClass::sc1("a").throughput(250), "throughput"),
        (StorageClass::new("a", VolumeType::Standard).iops(100), "iops"),
        (StorageClass::new("a", VolumeType::Io1), "iops-missing"),
        (StorageClass::new("a", VolumeType::Io2), "iops-missing"),
        (StorageClass::io1("a", 99), "iops"),
        (StorageClass::io1("a", 64_001), "iops"),
        (StorageClass::new("a", VolumeType::Io1).iops_per_gib(51), "iops-ratio"),
        (StorageClass::io2("a", 256_001), "iops"),
        (StorageClass::io2("a", 256_000).zone("us-east-1").zone("x").zone("x"), "zone zone zone zone"),
        (gp3().fs_type("EXT4"), "fs-type"),
        (gp3().fs_type("btrfs"), "fs-type"),
        (gp3().kms_key(key), "kms-key"),
        (gp3().encrypted(false).kms_key(key), "kms-key"),
        (gp3().encrypted(true).kms_key(key), ""),
        (gp3().encrypted(true).kms_key("alias/x"), "kms-key"),
        (gp3().encrypted(true).kms_key("arn:aws:kms:us-east-1:1234:key/x"), "kms-key"),
        (StorageClass::gp3("A"), "name"),
        (StorageClass::in_tree_gp2("a", "us-east-1a").iops(100), "iops iops"),
    ] {
        assert_eq!(codes(&class).join(" "), broken, "{class:?}");
    }
}

/// A class, a size in GiB, and the codes of the rules that it breaks (EC2, CreateVolume).
#[test]
fn wrong_sizes() {
    let per_gib = |volume_type, iops| StorageClass::new("a", volume_type).iops_per_gib(iops);
    for (class, gib, broken) in [
        (StorageClass::gp3("a"), 1, ""),
        (StorageClass::gp3("a").iops(3000), 1, ""),
        (StorageClass::gp3("a").iops(3001), 6, "iops-ratio"),
        (StorageClass::gp3("a").iops(80_000), 160, ""),
        (StorageClass::gp3("a"), 65_537, "size"),
        (StorageClass::gp2("a"), 16_385, "size"),
        (StorageClass::io1("a", 1000), 19, "iops-ratio"),
        (StorageClass::io1("a", 1000), 20, ""),
        (StorageClass::io1("a", 1000), 3, "size"),
        (StorageClass::io2("a", 100), 65_537, "size"),
        (StorageClass::st1("a"), 124, "size"),
        (StorageClass::sc1("a"), 125, ""),
        (StorageClass::sc1("a"), 16_385, "size"),
        (StorageClass::new("a", VolumeType::Standard), 1025, "size"),
        (per_gib(VolumeType::Io1, 10), 9, "iops"),
        (per_gib(VolumeType::Io1, 10), 10, ""),
        (per_gib(VolumeType::Io1, 10).raises_iops(true), 9, ""),
        (per_gib(VolumeType::Io1, 50), 1281, "iops"),
        (per_gib(VolumeType::Gp3, 10).throughput(500), 300, ""),
        (per_gib(VolumeType::Gp3, 10).throughput(1000), 300, "throughput-ratio"),
    ] {
        let mut problems = Problems::new();
        class.check_size(&mut problems, "claim x", gib);
        let found: Vec<_> = problems.finish("s", || ()).err().into_iter().flat_map(|error| error.problems).map(|p| p.code).collect();
        assert_eq!(found.join(" "), broken, "{gib} GiB of {class:?}");
    }
}

/// Amazon EBS pricing, us-east-1.
#[test]
fn prices() {
    let usd = |class: StorageClass, gib| (class.price(gib).usd_per_month * 100.0).round() / 100.0;
    assert_eq!((usd(StorageClass::gp3("a"), 10), usd(StorageClass::gp3("a").iops(4000).throughput(225), 10)), (0.8, 9.8));
    assert_eq!((usd(StorageClass::gp2("a"), 10), usd(StorageClass::io2("a", 100), 10)), (1.0, 7.75));
    // 100 × 0.125 + 32,000 × 0.065 + 32,000 × 0.046 + 36,000 × 0.032
    assert_eq!(usd(StorageClass::io2("a", 100_000), 100), 4716.5);
    assert_eq!((usd(StorageClass::st1("a"), 1000), usd(StorageClass::sc1("a"), 1000)), (45.0, 15.0));
    assert_eq!(usd(StorageClass::new("a", VolumeType::Standard), 100), 5.0);
}

/// EKS user guide, "Create a storage class".
#[test]
fn of_auto_mode() {
    let class = StorageClass::gp3("auto").auto_mode().encrypted(true).zone("us-east-1a").manifest(&Owner::new("o").unwrap());
    assert_eq!(class["provisioner"], "ebs.csi.eks.amazonaws.com");
    assert_eq!(
        class["allowedTopologies"],
        json!([{"matchLabelExpressions": [
            {"key": "eks.amazonaws.com/compute-type", "values": ["auto"]},
            {"key": "topology.kubernetes.io/zone", "values": ["us-east-1a"]},
        ]}])
    );
}

#[test]
fn live_classes_are_read_back() {
    let owner = Owner::new("chap10").unwrap();
    for class in [
        StorageClass::gp3("a").iops(4000).throughput(250).zone("us-east-1a").zone("us-east-1b").reclaim(Reclaim::Retain),
        StorageClass::new("a", VolumeType::Io2).iops_per_gib(10).raises_iops(true).auto_mode().expandable(false),
        StorageClass::st1("a").binding(Binding::Immediate).default_class(),
    ] {
        assert_eq!(StorageClass::of_live(&class.manifest(&owner)), Some(class));
    }
    // As EKS makes it.
    let gp2 = json!({"metadata": {"name": "gp2"}, "provisioner": "kubernetes.io/aws-ebs", "parameters": {"type": "gp2", "fsType": "ext4"},
        "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer"});
    let read = StorageClass::of_live(&gp2).unwrap();
    assert!(read.is_in_tree() && read.volume_type == VolumeType::Gp2 && read.binding == Binding::WaitForFirstConsumer);
    assert_eq!(StorageClass::of_live(&json!({"metadata": {"name": "efs"}, "provisioner": "efs.csi.aws.com"})), None);
}

#[test]
fn both_default_annotations_count() {
    let class = |key: &str, value: &str| json!({"metadata": {"annotations": {key: value}}});
    let [now, then] = DEFAULT_ANNOTATIONS;
    assert_eq!(default_annotations(&class(now, "true")), [now]);
    assert_eq!(default_annotations(&class(then, "true")), [then]);
    assert!(default_annotations(&class(now, "false")).is_empty());
    assert!(default_annotations(&Value::Null).is_empty());
}
