//! What user data says of the node, as far as it can be read without its family's own reader.

/// Forms of user data that nodes of EKS have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    BootstrapScript,
    NodeConfig,
    PowerShell,
    Toml,
}

impl Form {
    const ALL: [Self; 4] = [Self::BootstrapScript, Self::NodeConfig, Self::PowerShell, Self::Toml];

    fn mark(self) -> &'static str {
        match self {
            Self::BootstrapScript => "/etc/eks/bootstrap.sh",
            Self::NodeConfig => "node.eks.aws/",
            Self::PowerShell => "Start-EKSBootstrap.ps1",
            Self::Toml => "[settings.kubernetes",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BootstrapScript => "a call of /etc/eks/bootstrap.sh",
            Self::NodeConfig => "nodeadm's NodeConfig",
            Self::PowerShell => "a call of Start-EKSBootstrap.ps1",
            Self::Toml => "Bottlerocket's TOML settings",
        }
    }

    /// What a text has, comments aside.
    pub(super) fn all_in(text: &str) -> Vec<Self> {
        let text = without_comments(text);
        Self::ALL.into_iter().filter(|form| text.contains(form.mark())).collect()
    }

    /// Whether it is certain that a text configures a node in this form: a script that only tests for the other's file does not.
    pub(super) fn configures(self, text: &str) -> bool {
        match self {
            Self::NodeConfig | Self::Toml => true,
            Self::BootstrapScript | Self::PowerShell => Aims::read(self, text).cluster.is_some(),
        }
    }
}

/// The lines that are no comments, in scripts, YAML and TOML alike.
fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// Whether parts of it are packed, so that what is not found may still be there.
pub(super) fn is_opaque(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("content-transfer-encoding: base64") || text.contains('\u{fffd}')
}

/// What the node is told of its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Aims {
    pub(super) cluster: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) cidr: Option<String>,
}

impl Aims {
    /// What stands in it plainly and once. A value that a script works out, or that a part which cannot be read may set anew, is `None`.
    pub(super) fn read(form: Form, text: &str) -> Self {
        if is_opaque(text) {
            return Self::default();
        }
        let text = &without_comments(text);
        let read = match form {
            Form::NodeConfig => Self {
                cluster: last_part(text, |part| Some(cluster_section(part)).filter(|section| section.contains("name")))
                    .and_then(|section| value(section, "name")),
                endpoint: last_value(text, "apiServerEndpoint"),
                authority: last_value(text, "certificateAuthority"),
                cidr: last_value(text, "cidr"),
            },
            Form::Toml => Self {
                cluster: only(text, "cluster-name"),
                endpoint: only(text, "api-server"),
                authority: only(text, "cluster-certificate"),
                cidr: None,
            },
            Form::PowerShell => Self {
                cluster: argument(text, "-EKSClusterName"),
                endpoint: argument(text, "-APIServerEndpoint"),
                authority: argument(text, "-Base64ClusterCA"),
                cidr: argument(text, "-ServiceCIDR"),
            },
            // A second mention may be the call, and what follows the first anything.
            Form::BootstrapScript if text.matches(form.mark()).count() != 1 || !is_called(text, form.mark()) => Self::default(),
            Form::BootstrapScript => Self {
                cluster: argument(text, form.mark()),
                endpoint: argument(text, "--apiserver-endpoint"),
                authority: argument(text, "--b64-cluster-ca"),
                cidr: None,
            },
        };
        Self {
            cluster: read.cluster.filter(|name| is_cluster_name(name)),
            endpoint: read.endpoint.filter(|endpoint| endpoint.starts_with("https://")),
            ..read
        }
    }
}

/// "CreateCluster": `^[0-9A-Za-z][A-Za-z0-9_-]*`.
fn is_cluster_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

/// Whether a path stands where a shell has a command.
fn is_called(text: &str, path: &str) -> bool {
    const BEFORE: [&str; 9] = ["&&", "||", "bash", "do", "else", "exec", "sh", "sudo", "then"];
    let Some((before, _)) = text.split_once(path) else { return false };
    let line = before.rsplit('\n').next().unwrap_or_default().trim_end_matches(['"', '\'']).trim_end();
    line.is_empty() || line.ends_with(';') || line.split_whitespace().next_back().is_some_and(|word| BEFORE.contains(&word))
}

/// The members that a form needs and that do not occur at all.
pub(super) fn missing(form: Form, text: &str) -> Vec<&'static str> {
    match form {
        Form::NodeConfig => {
            let mut missing: Vec<_> =
                ["apiServerEndpoint", "certificateAuthority", "cidr"].into_iter().filter(|key| !text.contains(key)).collect();
            missing.extend((!cluster_section(text).contains("name")).then_some("cluster.name"));
            missing
        }
        Form::Toml => ["cluster-name", "api-server", "cluster-certificate"].into_iter().filter(|key| !text.contains(key)).collect(),
        Form::BootstrapScript | Form::PowerShell => Vec::new(),
    }
}

/// From the member `cluster` of a NodeConfig on; labels and names may hold the word, too.
fn cluster_section(text: &str) -> &str {
    ["\"cluster\":", "cluster:"].iter().find_map(|mark| text.find(mark).map(|at| &text[at + mark.len()..])).unwrap_or("")
}

/// What is found in the last NodeConfig that has it: nodeadm merges them in order.
fn last_part<'a, T>(text: &'a str, find: impl Fn(&'a str) -> Option<T>) -> Option<T> {
    let parts: Vec<&str> = text.split(Form::NodeConfig.mark()).skip(1).collect();
    parts.into_iter().rev().find_map(find)
}

fn last_value(text: &str, key: &str) -> Option<String> {
    value(last_part(text, |part| part.contains(key).then_some(part))?, key)
}

/// The value of a key that occurs once.
fn only(text: &str, key: &str) -> Option<String> {
    let plain_key = |line: &&str| {
        line.trim_start()
            .trim_start_matches('"')
            .strip_prefix(key)
            .is_some_and(|rest| rest.trim_start_matches('"').trim_start().starts_with('='))
    };
    (text.lines().filter(plain_key).count() == 1).then(|| value(text, key))?
}

/// The value of a key in YAML, JSON or TOML: `key: value`, `"key":"value"`, `key = "value"`.
fn value(text: &str, key: &str) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find(key) {
        let before = rest[..at].chars().next_back();
        let after = rest[at + key.len()..].trim_start_matches('"').trim_start_matches([' ', '\t']);
        rest = &rest[at + key.len()..];
        let begins = before.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '{' | ','));
        let Some(after) = after.strip_prefix([':', '=']).filter(|_| begins) else { continue };
        return plain(after.trim_start_matches([' ', '\t']));
    }
    None
}

/// The word after an argument's name, which must occur once.
fn argument(text: &str, name: &str) -> Option<String> {
    if text.matches(name).count() != 1 {
        return None;
    }
    // A path may stand in quotes itself.
    plain(text.split_once(name)?.1.trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t', '=']))
}

/// A quoted or bare word, unless something is put in for it.
fn plain(text: &str) -> Option<String> {
    let word = match text.chars().next()? {
        quote @ ('"' | '\'') => text[1..].split(quote).next()?,
        _ => text.split([' ', '\t', '\r', '\n', ',', '}', '\\', '`']).next()?,
    };
    // What a script puts in, a flag, or YAML's other ways of writing a scalar.
    (!word.is_empty() && !word.contains(['$', '(', '`']) && !word.starts_with(['-', '|', '>', '&', '*', '!', '[', '{']))
        .then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aims(form: Form, text: &str) -> [Option<String>; 3] {
        let read = Aims::read(form, text);
        [read.cluster, read.endpoint, read.authority]
    }

    fn whole() -> [Option<String>; 3] {
        ["c", "https://host", "Q0E="].map(|text| Some(text.to_owned()))
    }

    #[test]
    fn every_form_is_read() {
        let yaml = "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: c\n    apiServerEndpoint: https://host\n    certificateAuthority: Q0E=\n    cidr: 10.100.0.0/16\n";
        let json = r#"{"apiVersion":"node.eks.aws/v1alpha1","spec":{"cluster":{"name":"c","apiServerEndpoint":"https://host","certificateAuthority":"Q0E=","cidr":"172.20.0.0/16"},"kubelet":{"flags":[]}}}"#;
        let toml = "[settings.kubernetes]\ncluster-name = \"c\"\napi-server = \"https://host\"\ncluster-certificate = \"Q0E=\"\n";
        let bash = "#!/bin/bash\n/etc/eks/bootstrap.sh 'c' \\\n  --apiserver-endpoint 'https://host' \\\n  --b64-cluster-ca 'Q0E=' \\\n";
        let powershell = "<powershell>\n& $Start-EKSBootstrap.ps1 -EKSClusterName 'c' `\n -APIServerEndpoint 'https://host' `\n -Base64ClusterCA 'Q0E=' `\n";
        for (form, text) in [
            (Form::NodeConfig, yaml),
            (Form::NodeConfig, json),
            (Form::Toml, toml),
            (Form::BootstrapScript, bash),
            (Form::PowerShell, powershell),
        ] {
            assert_eq!(aims(form, text), whole(), "{text}");
            assert_eq!(Form::all_in(text), [form]);
        }
        assert_eq!(Aims::read(Form::NodeConfig, json).cidr.as_deref(), Some("172.20.0.0/16"));
    }

    #[test]
    fn what_a_script_works_out_is_not_known() {
        let bash =
            "#!/bin/bash\nCLUSTER=c\n/etc/eks/bootstrap.sh \"${CLUSTER}\" --apiserver-endpoint $(cat endpoint) --b64-cluster-ca \"$CA\"\n";
        assert_eq!(aims(Form::BootstrapScript, bash), [None, None, None]);
        assert!(is_opaque("Content-Type: application/node.eks.aws\nContent-Transfer-Encoding: base64\n\nYXBp\n"));
    }

    #[test]
    fn a_script_that_mentions_the_other_names_no_cluster() {
        for text in [
            "#!/bin/bash\n# /etc/eks/bootstrap.sh wants the name\n/opt/join\n",
            "#!/bin/bash\nif [ -x /etc/eks/bootstrap.sh ]; then\n  /opt/join\nfi\n",
            "#!/bin/bash\nchmod +x /etc/eks/bootstrap.sh; /etc/eks/bootstrap.sh prod\n",
            "#!/bin/bash\ncp /etc/eks/bootstrap.sh backup\n",
        ] {
            assert_eq!(aims(Form::BootstrapScript, text), [None, None, None], "{text}");
            assert!(!Form::BootstrapScript.configures(text), "{text}");
        }
        for text in
            ["#!/bin/bash\nset -e; /etc/eks/bootstrap.sh prod\n", "# /etc/eks/bootstrap.sh old\nexec '/etc/eks/bootstrap.sh' prod\n"]
        {
            assert_eq!(Aims::read(Form::BootstrapScript, text).cluster.as_deref(), Some("prod"), "{text}");
        }
    }

    #[test]
    fn the_last_node_config_wins() {
        let part = |name: &str| format!("apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  cluster:\n    name: {name}\n");
        let merged = format!("{}---\n{}", part("base"), part("prod"));
        assert_eq!(Aims::read(Form::NodeConfig, &merged).cluster.as_deref(), Some("prod"));
        let packed = format!("{}Content-Transfer-Encoding: base64\n\nYXBp\n", part("base"));
        assert_eq!(Aims::read(Form::NodeConfig, &packed), Aims::default());
    }

    #[test]
    fn a_label_is_no_cluster() {
        let yaml = "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nmetadata:\n  name: mine\nspec:\n  cluster:\n    apiServerEndpoint: https://host\n    name: c\n";
        assert_eq!(Aims::read(Form::NodeConfig, yaml).cluster.as_deref(), Some("c"));
    }
}
