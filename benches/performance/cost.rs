//! What the crates themselves cost: time of hot paths by size, crates and time of builds, memory of plans.

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use eks_core::Plan;
use eks_examples::environment::Failure;
use serde::{Deserialize, Serialize};

/// Nanoseconds of a hot path, by its size.
pub(crate) type Growth = BTreeMap<String, BTreeMap<usize, f64>>;

fn output(command: &mut Command) -> Result<String, Failure> {
    let ran = command.output()?;
    if !ran.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&ran.stderr)).into());
    }
    Ok(String::from_utf8(ran.stdout)?)
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs the program `growth`, compiled as for a release.
pub(crate) fn growth() -> Result<Growth, Failure> {
    let build = ["run", "--quiet", "--locked", "--release", "-p", "eks-benches", "--features", "token", "--bin", "growth"];
    let mut growth = Growth::new();
    for line in output(cargo().args(build))?.lines() {
        let [name, size, nanoseconds] = line.split(' ').collect::<Vec<_>>()[..] else { return Err(format!("growth: {line}").into()) };
        growth.entry(name.to_owned()).or_default().insert(size.parse()?, nanoseconds.parse()?);
    }
    Ok(growth)
}

/// What a benchmark with a table of its own prints.
pub(crate) fn bench(name: &str, more: &[&str]) -> Result<String, Failure> {
    output(cargo().args(["bench", "--quiet", "--locked", "-p", "eks-benches", "--bench", name]).args(more))
}

/// The benchmark of drains, compiled as tests are: its calls and the server's time are the same.
pub(crate) fn drain() -> Result<String, Failure> {
    let bench = ["bench", "--quiet", "--locked", "--profile", "dev", "-p", "eks-benches", "--features", "client", "--bench", "drain"];
    output(cargo().args(bench))
}

/// Feature sets whose crates are counted, and whether building them is timed: with the AWS SDK it takes minutes each.
pub(crate) const SETS: [(&str, &str, bool); 15] = [
    ("eks-core", "", true),
    ("eks-core", "engine", true),
    ("eks-net", "", true),
    ("eks-net", "aws", false),
    ("eks-cluster", "", true),
    ("eks-cluster", "token", true),
    ("eks-cluster", "aws,ec2,kube,kubeconfig", false),
    ("eks-nodes", "", true),
    ("eks-nodes", "aws", false),
    ("eks-nodes", "aws,diagnosis,managed,replacement", false),
    ("eks-k8s", "", true),
    ("eks-k8s", "client", false),
    ("eks-env", "client,file", false),
    ("eks-view", "report,terminal", true),
    ("eks-sim", "", false),
];

/// Crates that a feature set compiles, the crate itself included.
pub(crate) fn crates(package: &str, features: &str) -> Result<usize, Failure> {
    let tree =
        ["tree", "--locked", "--no-default-features", "-e", "normal,build", "--prefix", "none", "-p", package, "--features", features];
    let tree = output(cargo().args(tree))?;
    let mut names: Vec<_> =
        tree.lines().filter_map(|line| line.split(" (").next()).map(str::trim).filter(|line| !line.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.len())
}

/// How long building each set from nothing took, on the machine that it was measured on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Builds {
    pub(crate) machine: String,
    /// Seconds of CPU, by package and features.
    pub(crate) cpu: BTreeMap<String, f64>,
}

impl Builds {
    fn path() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("performance/builds.json")
    }

    /// Those that were measured last, if ever.
    pub(crate) fn read() -> Result<Self, Failure> {
        match fs::read_to_string(Self::path()) {
            Ok(text) => Ok(serde_json::from_str(&text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Builds every set that is to be timed into a folder of its own, and writes down what it took.
    pub(crate) fn measure(machine: &str) -> Result<Self, Failure> {
        let mut builds = Self { machine: machine.to_owned(), ..Self::default() };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/build-times");
        for (package, features, _) in SETS.into_iter().filter(|(_, _, timed)| *timed) {
            drop(fs::remove_dir_all(&folder));
            let before = children();
            let build = ["build", "--quiet", "--locked", "--no-default-features", "-p", package, "--features", features, "--target-dir"];
            output(cargo().args(build).arg(&folder))?;
            builds.cpu.insert(format!("{package} [{features}]"), children() - before);
        }
        drop(fs::remove_dir_all(&folder));
        fs::write(Self::path(), serde_json::to_string_pretty(&builds)? + "\n")?;
        Ok(builds)
    }
}

/// Seconds of CPU that ended children of this process have used (proc_pid_stat(5): fields 16 and 17, in hundredths).
#[expect(clippy::cast_precision_loss, reason = "hundredths of seconds")]
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() as f64 / 100.0
}

/// KiB of memory that one of a thousand plans takes.
pub(crate) fn plan_memory(plan: &Plan) -> Result<u64, Failure> {
    let text = plan.to_json()?;
    let before = resident();
    let plans = (0..1_000).map(|_| Plan::from_json(&text)).collect::<Result<Vec<_>, _>>()?;
    let after = resident();
    Ok(after.saturating_sub(before) / plans.len() as u64)
}

/// KiB that this process holds now.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

/// Processors and compiler, as far as the machine tells.
pub(crate) fn machine() -> Result<String, Failure> {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")).map_or("unknown", |rest| rest.trim_start_matches([':', ' ', '\t']));
    let cores = std::thread::available_parallelism()?;
    let compiler = output(Command::new("rustc").arg("--version"))?;
    Ok(format!("{cores} cores of {model}, {}", compiler.split(" (").next().unwrap_or_default()))
}

/// How many times a second something is done that takes so long.
pub(crate) fn rate(count: u64, took: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of calls")]
    let count = count as f64;
    count / took.as_secs_f64()
}
