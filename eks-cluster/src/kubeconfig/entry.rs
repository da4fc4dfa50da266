//! What a cluster is in a kubeconfig: a cluster, a user who runs a program for tokens, and a context of both.

use std::fmt;

use eks_core::{ClusterAccess, Outputs, Problems, SpecError};

use super::{arn::ClusterArn, scalar::scalar};
use crate::AssumeRole;

/// The program that kubectl runs for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecPlugin {
    /// `aws eks get-token`, as `aws eks update-kubeconfig` writes it.
    Aws,
    /// `aws-iam-authenticator token`.
    Authenticator,
    /// A program of one's own, which is run with `--region`, `--cluster-name` and, if there is a role, `--role-arn`,
    /// `--session-name` and `--external-id`, as this repository's example `exec-credential` takes them.
    Program {
        /// Its path, or its name in PATH.
        command: String,
    },
}

/// The version of `client.authentication.k8s.io` that kubectl and the program speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ExecVersion {
    /// `v1`, since Kubernetes 1.22, with `interactiveMode: IfAvailable`, which `v1` demands: a program may ask for a second factor.
    V1,
    /// `v1beta1`, which the AWS CLI writes.
    #[default]
    V1Beta1,
}

/// A cluster's entry in a kubeconfig. It carries no secret.
///
/// ```
/// use eks_cluster::{ClusterAccess, Kubeconfig, KubeconfigEntry};
///
/// let access = ClusterAccess {
///     name: "shop".parse()?,
///     endpoint: "https://0A1B.gr7.us-east-1.eks.amazonaws.com".to_owned(),
///     certificate_authority: "LS0tLS1CRUdJTg==".to_owned(),
/// };
/// let entry = KubeconfigEntry::builder(&access, "arn:aws:eks:us-east-1:123456789012:cluster/shop").context("shop").build()?;
/// let foreign = "# mine\napiVersion: v1\nkind: Config\nclusters:\n- {name: k, cluster: {server: http://k}} # kind\n";
/// let merged = Kubeconfig::parse(foreign)?.with(&entry)?;
/// assert!(merged.as_str().starts_with(foreign), "every byte stays");
/// assert!(merged.as_str().contains("command: aws\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeconfigEntry {
    access: ClusterAccess,
    arn: String,
    region: String,
    context: String,
    user: String,
    current: bool,
    plugin: ExecPlugin,
    version: ExecVersion,
    role: Option<AssumeRole>,
    profile: Option<String>,
    proxy_url: Option<ProxyUrl>,
}

/// The URL of a proxy, which may carry a password.
#[derive(Clone, PartialEq, Eq)]
struct ProxyUrl(String);

/// Without what stands before the host.
impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let shown = match (rest.rsplit_once('@'), scheme) {
            (None, _) => self.0.clone(),
            (Some((_, host)), "") => format!("…@{host}"),
            (Some((_, host)), scheme) => format!("{scheme}://…@{host}"),
        };
        fmt::Debug::fmt(&shown, f)
    }
}

/// Collects what a [`KubeconfigEntry`] is.
#[derive(Clone, Debug)]
pub struct KubeconfigEntryBuilder {
    entry: KubeconfigEntry,
    context: Option<String>,
    user: Option<String>,
}

impl KubeconfigEntry {
    /// An entry for a cluster of this ARN, with the AWS CLI for tokens; cluster, user and context are named by the ARN, as
    /// `aws eks update-kubeconfig` names them.
    pub fn builder(access: &ClusterAccess, arn: impl Into<String>) -> KubeconfigEntryBuilder {
        let entry = Self {
            access: access.clone(),
            arn: arn.into(),
            region: String::new(),
            context: String::new(),
            user: String::new(),
            current: true,
            plugin: ExecPlugin::Aws,
            version: ExecVersion::default(),
            role: None,
            profile: None,
            proxy_url: None,
        };
        KubeconfigEntryBuilder { entry, context: None, user: None }
    }

    /// The same from what the step `cluster/control-plane` told; `None` if it told of no endpoint.
    pub fn from_outputs(outputs: &Outputs) -> Option<KubeconfigEntryBuilder> {
        Some(Self::builder(&ClusterAccess::from_outputs(outputs)?, outputs.get("arn")?))
    }

    /// Name of the cluster in the file: its ARN.
    pub fn cluster(&self) -> &str {
        &self.arn
    }

    /// Name of the context.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Name of the user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether the context becomes the current one.
    pub fn is_current(&self) -> bool {
        self.current
    }

    /// Name of the cluster as EKS knows it.
    pub(super) fn cluster_name(&self) -> &str {
        self.access.name.as_str()
    }

    /// The cluster's Region.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The list item of `clusters`, a line each.
    pub(super) fn cluster_lines(&self) -> Vec<String> {
        let mut lines = vec![
            "- cluster:".to_owned(),
            format!("    certificate-authority-data: {}", scalar(&self.access.certificate_authority)),
            format!("    server: {}", scalar(&self.access.endpoint)),
        ];
        lines.extend(self.proxy_url.iter().map(|url| format!("    proxy-url: {}", scalar(&url.0))));
        lines.push(format!("  name: {}", scalar(&self.arn)));
        lines
    }

    /// The list item of `contexts`.
    pub(super) fn context_lines(&self) -> Vec<String> {
        vec![
            "- context:".to_owned(),
            format!("    cluster: {}", scalar(&self.arn)),
            format!("    user: {}", scalar(&self.user)),
            format!("  name: {}", scalar(&self.context)),
        ]
    }

    /// The list item of `users`.
    pub(super) fn user_lines(&self) -> Vec<String> {
        let (command, arguments, mut variables) = self.program();
        variables.extend(self.profile.as_deref().map(|profile| ("AWS_PROFILE", profile)));
        let version = match self.version {
            ExecVersion::V1 => "v1",
            ExecVersion::V1Beta1 => "v1beta1",
        };
        let mut lines = vec![
            format!("- name: {}", scalar(&self.user)),
            "  user:".to_owned(),
            "    exec:".to_owned(),
            format!("      apiVersion: client.authentication.k8s.io/{version}"),
            "      args:".to_owned(),
        ];
        lines.extend(arguments.into_iter().map(|argument| format!("      - {}", scalar(argument))));
        lines.push(format!("      command: {}", scalar(command)));
        if !variables.is_empty() {
            lines.push("      env:".to_owned());
        }
        for (name, value) in variables {
            lines.extend([format!("      - name: {name}"), format!("        value: {}", scalar(value))]);
        }
        if self.version == ExecVersion::V1 {
            lines.push("      interactiveMode: IfAvailable".to_owned());
        }
        lines
    }

    /// Command, arguments and environment.
    fn program(&self) -> (&str, Vec<&str>, Vec<(&'static str, &str)>) {
        let (name, region) = (self.access.name.as_str(), self.region.as_str());
        let role = self.role.as_ref();
        let mut variables = Vec::new();
        let (command, arguments, options) = match &self.plugin {
            ExecPlugin::Aws => {
                ("aws", vec!["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"], ["--role", "", ""])
            }
            ExecPlugin::Authenticator => {
                // Without these it signs for the global STS, which the partition aws alone has.
                variables.extend([("AWS_STS_REGIONAL_ENDPOINTS", "regional"), ("AWS_REGION", region)]);
                ("aws-iam-authenticator", vec!["token", "-i", name], ["-r", "-s", "-e"])
            }
            ExecPlugin::Program { command } => {
                let options = ["--role-arn", "--session-name", "--external-id"];
                (command.as_str(), vec!["--region", region, "--cluster-name", name], options)
            }
        };
        let values = [role.map(|role| role.role().as_str()), role.map(AssumeRole::session_name), role.and_then(AssumeRole::external_id)];
        let given = options.into_iter().zip(values).filter(|(option, _)| !option.is_empty());
        let given = given.filter_map(|(option, value)| Some([option, value?])).flatten();
        (command, arguments.into_iter().chain(given).collect(), variables)
    }
}

impl KubeconfigEntryBuilder {
    /// Name of the context. Default: the cluster's ARN.
    #[must_use]
    pub fn context(mut self, name: impl Into<String>) -> Self {
        self.context = Some(name.into());
        self
    }

    /// Name of the user. Default: the cluster's ARN.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.user = Some(name.into());
        self
    }

    /// Leaves the current context as it is. Default: this one becomes current.
    #[must_use]
    pub fn not_current(mut self) -> Self {
        self.entry.current = false;
        self
    }

    /// The program that kubectl runs. Default: the AWS CLI.
    #[must_use]
    pub fn plugin(mut self, plugin: ExecPlugin) -> Self {
        self.entry.plugin = plugin;
        self
    }

    /// The version that kubectl and the program speak. Default: `v1beta1`, as the AWS CLI writes.
    #[must_use]
    pub fn exec_version(mut self, version: ExecVersion) -> Self {
        self.entry.version = version;
        self
    }

    /// A role that the program assumes. Default: none.
    #[must_use]
    pub fn role(mut self, role: AssumeRole) -> Self {
        self.entry.role = Some(role);
        self
    }

    /// The profile of the AWS configuration that the program uses. Default: that of its environment.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.entry.profile = Some(profile.into());
        self
    }

    /// The proxy to the cluster. Default: what the environment says.
    #[must_use]
    pub fn proxy_url(mut self, url: impl Into<String>) -> Self {
        self.entry.proxy_url = Some(ProxyUrl(url.into()));
        self
    }

    /// The entry, checked.
    ///
    /// # Errors
    /// [`SpecError`] with every rule that is broken: codes `cluster-arn`, `cluster-endpoint`, `kubeconfig-name`, `exec-command`,
    /// `exec-role`, `exec-profile`, `proxy-url`.
    pub fn build(mut self) -> Result<KubeconfigEntry, SpecError> {
        let mut problems = Problems::new();
        let subject = format!("kubeconfig of cluster {}", self.entry.access.name);
        match ClusterArn::parse(&self.entry.arn) {
            Some(arn) if arn.name == self.entry.access.name.as_str() => self.entry.region = arn.region.to_owned(),
            Some(arn) => {
                let rule = format!("{} is the ARN of the cluster {}", self.entry.arn, arn.name);
                problems.add("cluster-arn", &subject, rule, "give the ARN that DescribeCluster tells");
            }
            None => {
                let rule = format!("{:?} is not arn:<partition>:eks:<region>:<account>:cluster/<name>", self.entry.arn);
                problems.add("cluster-arn", &subject, rule, "give the ARN that DescribeCluster tells");
            }
        }
        self.entry.context = self.context.unwrap_or_else(|| self.entry.arn.clone());
        self.entry.user = self.user.unwrap_or_else(|| self.entry.arn.clone());
        let unfit = |text: &str| text.trim().is_empty() || text.contains(char::is_control);
        let endpoint = &self.entry.access.endpoint;
        if endpoint.strip_prefix("https://").is_none_or(unfit) {
            problems.add(
                "cluster-endpoint",
                &subject,
                format!("{endpoint:?} is no https URL, and kubectl would send tokens to it"),
                "give the endpoint that DescribeCluster tells",
            );
        }
        for (what, name) in [("context", &self.entry.context), ("user", &self.entry.user)] {
            if unfit(name) {
                problems.add(
                    "kubeconfig-name",
                    &subject,
                    format!("the name {name:?} of the {what} is empty or has control characters"),
                    "give a name of one line",
                );
            }
        }
        match (&self.entry.plugin, &self.entry.role) {
            (ExecPlugin::Program { command }, _) if unfit(command) => {
                problems.add("exec-command", &subject, format!("{command:?} is no program"), "give its path, or its name in PATH");
            }
            (ExecPlugin::Aws, Some(role)) if role.external_id().is_some() || !role.has_default_session() => {
                let rule = "aws eks get-token takes a role, but neither a session name nor an external id";
                let remedy = "give a profile with role_arn, role_session_name and external_id instead of the role, or another program";
                problems.add("exec-role", &subject, rule, remedy);
            }
            _ => {}
        }
        if let Some(profile) = self.entry.profile.as_deref().filter(|profile| unfit(profile)) {
            problems.add("exec-profile", &subject, format!("{profile:?} is no profile's name"), "give the name of a profile");
        }
        let known = ["http://", "https://", "socks5://"];
        let usable = |url: &ProxyUrl| !unfit(&url.0) && known.iter().any(|scheme| url.0.starts_with(scheme));
        if let Some(url) = self.entry.proxy_url.as_ref().filter(|url| !usable(url)) {
            // "Organizing Cluster Access Using kubeconfig Files", proxy.
            problems.add(
                "proxy-url",
                &subject,
                format!("{url:?} is no http, https or socks5 URL"),
                "give a URL such as https://proxy.host:3128",
            );
        }
        problems.finish(subject, || self.entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws-cn:eks:cn-north-1:123456789012:cluster/shop";

    fn builder() -> KubeconfigEntryBuilder {
        let endpoint = "https://0A1B.yl4.cn-north-1.eks.amazonaws.com.cn".to_owned();
        let access = ClusterAccess { name: "shop".parse().unwrap(), endpoint, certificate_authority: "LS0t".to_owned() };
        KubeconfigEntry::builder(&access, ARN)
    }

    fn role(role: &str) -> AssumeRole {
        AssumeRole::builder(&role.parse().unwrap()).build().unwrap()
    }

    /// `aws-iam-authenticator token --help`: `-i`, `-r`, `-s`, `-e`.
    #[test]
    fn the_authenticator_takes_role_session_and_external_id() {
        let role = AssumeRole::builder(&"arn:aws-cn:iam::123456789012:role/ops".parse().unwrap()).session_name("jane").external_id("x1");
        let entry = builder().plugin(ExecPlugin::Authenticator).role(role.build().unwrap()).profile("team").build().unwrap();
        assert_eq!(
            entry.user_lines().join("\n"),
            "- name: arn:aws-cn:eks:cn-north-1:123456789012:cluster/shop\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      args:\n      - token\n      - \"-i\"\n      - shop\n      - \"-r\"\n      - arn:aws-cn:iam::123456789012:role/ops\n      - \"-s\"\n      - jane\n      - \"-e\"\n      - x1\n      command: aws-iam-authenticator\n      env:\n      - name: AWS_STS_REGIONAL_ENDPOINTS\n        value: regional\n      - name: AWS_REGION\n        value: cn-north-1\n      - name: AWS_PROFILE\n        value: team"
        );
    }

    /// "client-go credential plugins": with v1, `interactiveMode` must be there.
    #[test]
    fn version_1_says_whether_it_is_interactive() {
        let entry = builder().plugin(ExecPlugin::Program { command: "/opt/exec credential".into() }).exec_version(ExecVersion::V1);
        let lines = entry.role(role("arn:aws-cn:iam::123456789012:role/ops")).build().unwrap().user_lines();
        assert!(lines.contains(&"      apiVersion: client.authentication.k8s.io/v1".to_owned()));
        assert!(lines.contains(&"      interactiveMode: IfAvailable".to_owned()));
        assert!(lines.contains(&"      command: \"/opt/exec credential\"".to_owned()));
        assert!(lines.contains(&"      - --role-arn".to_owned()));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let external = AssumeRole::builder(&"arn:aws-cn:iam::123456789012:role/ops".parse().unwrap()).external_id("x1").build().unwrap();
        let wrong = builder().context("").user("a\nb").role(external).profile(" ").proxy_url("ftp://x");
        let codes = |built: Result<KubeconfigEntry, SpecError>| built.unwrap_err().problems.iter().map(|p| p.code).collect::<Vec<_>>();
        assert_eq!(codes(wrong.build()), ["kubeconfig-name", "kubeconfig-name", "exec-role", "exec-profile", "proxy-url"]);
        let access = builder().entry.access;
        for arn in ["shop", "arn:aws:eks:us-east-1:1:nodegroup/shop", "arn:aws:eks:us-east-1:123456789012:cluster/other"] {
            assert_eq!(codes(KubeconfigEntry::builder(&access, arn).build()), ["cluster-arn"], "{arn}");
        }
        assert_eq!(codes(builder().plugin(ExecPlugin::Program { command: String::new() }).build()), ["exec-command"]);
        for endpoint in ["", "https://", "http://0A1B.yl4.cn-north-1.eks.amazonaws.com.cn", "0A1B.yl4.cn-north-1.eks.amazonaws.com.cn"] {
            let access = ClusterAccess { endpoint: endpoint.to_owned(), ..access.clone() };
            assert_eq!(codes(KubeconfigEntry::builder(&access, ARN).build()), ["cluster-endpoint"], "{endpoint}");
        }
    }

    #[test]
    fn a_proxys_password_is_not_shown() {
        let entry = builder().proxy_url("https://jane:s3cr3t@proxy.example:3128").build().unwrap();
        let shown = format!("{entry:?}");
        assert!(shown.contains("https://…@proxy.example:3128") && !shown.contains("s3cr3t"), "{shown}");
        assert!(entry.cluster_lines().contains(&"    proxy-url: https://jane:s3cr3t@proxy.example:3128".to_owned()));
        for url in ["ftp://jane:s3cr3t@proxy.example", "jane:s3cr3t@proxy.example"] {
            let error = builder().proxy_url(url).build().unwrap_err();
            assert!(error.to_string().contains("@proxy.example") && !format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        }
    }
}
