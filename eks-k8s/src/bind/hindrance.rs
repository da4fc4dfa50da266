//! Why a claim would stay Pending.

use std::fmt;

/// Why a claim would stay Pending, or its Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hindrance {
    /// The class that it names is neither in the cluster nor in the spec.
    NoClass {
        /// The class.
        class: String,
    },
    /// It names no class, and none is the default.
    NoDefaultClass,
    /// Its class makes no volume of this size.
    Size {
        /// The rule, and how it is broken.
        rule: String,
    },
    /// The CSIDriver is not there.
    NoDriver,
    /// The driver's controller is not there, or not available.
    NoController {
        /// What is known of it.
        state: String,
    },
    /// Nothing gives the driver's controller a role in AWS.
    NoRole,
    /// No Ready node that takes Pods is in a zone that the class allows and runs the driver.
    NoNode {
        /// The zones that the class allows; none: any.
        zones: Vec<String>,
    },
    /// Nodes are there, but none that the Pod asks for.
    NoNodeForPod {
        /// The Pod.
        pod: String,
    },
    /// Nodes are there for each Pod, but none for all that share a volume, which is of one node and one zone.
    NoCommonNode {
        /// The Pods.
        pods: String,
    },
    /// Several Pods mount it, and it is of one Pod (ReadWriteOncePod).
    OnePodOnly {
        /// The Pods.
        pods: Vec<String>,
    },
    /// The nodes that a Pod may run on have too few volume attachments left.
    NoAttachmentLeft {
        /// The Pod, or those that must run together as they share volumes.
        pod: String,
        /// Volumes that it mounts and that are on none of these nodes yet.
        needs: usize,
        /// The most that one of the nodes has left.
        left: usize,
    },
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoClass { class } => write!(f, "the cluster has no storage class {class}; it stays Pending until there is one"),
            Self::NoDefaultClass => f.write_str("names no class, and no class is the default; it stays Pending until one is"),
            Self::Size { rule } => f.write_str(rule),
            Self::NoDriver => {
                f.write_str("CSIDriver ebs.csi.aws.com is not there, so nothing makes its volume; install the add-on aws-ebs-csi-driver")
            }
            Self::NoController { state } => write!(f, "Deployment kube-system/ebs-csi-controller is {state}, so nothing makes its volume"),
            Self::NoRole => f.write_str(
                "ServiceAccount kube-system/ebs-csi-controller-sa has no annotation eks.amazonaws.com/role-arn: unless a Pod Identity \
                 association (tell it by driver_role) or the role of the nodes lets the driver make volumes, EC2 refuses them",
            ),
            Self::NoNode { zones } if zones.is_empty() => f.write_str("no Ready node runs the EBS CSI driver"),
            Self::NoNode { zones } => write!(f, "no Ready node that runs the EBS CSI driver is in {}", zones.join(", ")),
            Self::NoNodeForPod { pod } => write!(f, "no node that could mount its volume has the labels that Pod {pod} selects"),
            Self::NoCommonNode { pods } => write!(
                f,
                "no one node suits all of what shares its volume, or the volumes beside it: Pods {pods}; a volume is of one node and one zone"
            ),
            Self::OnePodOnly { pods } => {
                write!(f, "is of one Pod (ReadWriteOncePod), and Pods {} mount it: all but one stay Pending", pods.join(", "))
            }
            Self::NoAttachmentLeft { pod, needs, left } => write!(
                f,
                "Pod {pod} mounts {needs} volumes that have to be attached, and no node that it may run on can take more than {left}"
            ),
        }
    }
}
