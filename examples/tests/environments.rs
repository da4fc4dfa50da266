//! Environments as files: each sample plans, the chapter's is the chapter, and the schema tells editors the truth.

use std::path::{Path, PathBuf};

use eks_core::engine::Engine;
use eks_env::{Environment, EnvironmentFile, Environments};
use eks_examples::{account::Account, environment::Variant};
use eks_sim::Sim;
use serde_json::Value;

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("environments");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).expect("the samples").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    files
}

fn sample(name: &str) -> PathBuf {
    samples().into_iter().find(|file| file.ends_with(name)).expect(name)
}

fn on(sim: &Sim) -> Environments {
    let account = Account::on(sim.clone());
    Environments::with_objects(account.config(), account.connector(), account.kubernetes())
}

#[tokio::test(start_paused = true)]
async fn the_file_of_the_chapter_is_the_chapter() {
    let rust = on(&Sim::new()).plan(&Variant::default().environment().expect("valid")).await.expect("planned");
    for name in ["chapter.yaml", "chapter.toml"] {
        let file = Environment::from_path(sample(name)).unwrap_or_else(|error| panic!("{error}"));
        let plan = on(&Sim::new()).plan(&file).await.expect("planned");
        let value = |plan: &eks_core::Plan| serde_json::from_str::<Value>(&plan.to_json().expect("JSON")).expect("JSON");
        let (one, other) = (value(&plan), value(&rust));
        assert_eq!(one, other, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_chapter_lives_and_goes_by_its_file() {
    let file = Environment::from_path(sample("chapter.yaml")).expect("valid");
    let sim = Sim::new();
    let environments = on(&sim);
    environments.apply(&file, &Engine::new()).await.expect("applied");
    assert!(environments.plan(&file).await.expect("planned").is_noop());
    assert!(environments.upgrade(&file).await.expect("planned").is_done());
    let ending = environments.tear_down(&file, &Engine::new()).await.expect("torn down");
    assert!(ending.verdict.is_clean(), "{}", ending.verdict);
}

#[tokio::test(start_paused = true)]
async fn every_sample_plans() {
    for path in samples() {
        let file = EnvironmentFile::from_path(&path).unwrap_or_else(|error| panic!("{error}"));
        if path.ends_with("existing-vpc.yaml") {
            continue;
        }
        let sim = Sim::builder().region(file.environment().region().as_str()).build();
        let plan = on(&sim).plan(file.environment()).await.unwrap_or_else(|error| panic!("{}: {}", path.display(), error.chain()));
        assert!(plan.changes().count() > 20, "{plan}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_existing_vpc_is_looked_at_when_the_plan_is_made() {
    let sim = Sim::new();
    let theirs = eks_core::Owner::new("theirs").expect("an owner");
    let network = eks_net::NetworkSpec::builder(&theirs, "10.0.0.0/16")
        .zones(["us-east-1a", "us-east-1b"])
        .tag("team", "network")
        .build()
        .expect("valid");
    let account = Account::on(sim.clone());
    let networks = eks_net::Networks::new(account.config());
    let engine = Engine::new().driver(networks.clone());
    networks.plan(&network).await.expect("planned").apply(&engine).await.expect("applied");

    let text = std::fs::read_to_string(sample("existing-vpc.yaml")).expect("the sample");
    let environments = on(&sim);
    let file = Environment::from_yaml(&text.replace("vpcName: prod", "vpcTags: {team: network}")).unwrap_or_else(|error| panic!("{error}"));
    environments.apply(&file, &Engine::new()).await.expect("applied");
    assert!(environments.plan(&file).await.expect("planned").is_noop());
    let ending = environments.tear_down(&file, &Engine::new()).await.expect("torn down");
    assert!(ending.verdict.is_clean(), "{}", ending.verdict);
    assert!(networks.plan(&network).await.expect("planned").is_noop(), "what is theirs stands as before");
}

#[test]
fn files_come_back_the_same_in_both_languages() {
    for path in samples() {
        let file = EnvironmentFile::from_path(&path).unwrap_or_else(|error| panic!("{error}"));
        let (yaml, toml) = (file.to_yaml(), file.to_toml());
        let from_yaml = EnvironmentFile::from_yaml("written.yaml", &yaml).unwrap_or_else(|error| panic!("{yaml}\n{error}"));
        let from_toml = EnvironmentFile::from_toml("written.toml", &toml).unwrap_or_else(|error| panic!("{toml}\n{error}"));
        assert_eq!((from_yaml.to_yaml(), from_yaml.to_toml()), (yaml.clone(), toml.clone()), "{}", path.display());
        assert_eq!((from_toml.to_yaml(), from_toml.to_toml()), (yaml, toml), "{}", path.display());
    }
}

/// `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_committed_schema_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/environment.json");
    let schema = format!("{}\n", serde_json::to_string_pretty(&Environment::json_schema()).expect("JSON"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &schema).expect("writable");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("docs/schema/environment.json"), schema, "run with UPDATE_GOLDEN=1");
}

#[test]
fn the_schema_and_the_reader_agree() {
    let schema = jsonschema::draft202012::new(&Environment::json_schema()).expect("a schema");
    for path in samples() {
        let yaml = EnvironmentFile::from_path(&path).unwrap_or_else(|error| panic!("{error}")).to_yaml();
        let value: Value = serde_yaml_ng::from_str(&yaml).expect("YAML");
        let wrong: Vec<String> = schema.iter_errors(&value).map(|error| format!("{} {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
    }
    // Forms that both know to be wrong.
    let network = "network: {cidr: 10.0.0.0/16, zones: [us-east-1a, us-east-1b]}";
    let head = format!("apiVersion: eks-rs.dev/v1\nowner: shop\n{network}");
    for wrong in [
        "{}".to_owned(),
        format!("owner: shop\n{network}"),
        format!("apiVersion: v2\nowner: shop\n{network}"),
        format!("apiVersion: eks-rs.dev/v1\nowner: Shop!\n{network}"),
        format!("{head}\nclutser: {{}}"),
        format!("{head}\ncluster: {{}}"),
        format!("{head}\ncluster: {{version: 1.36}}"),
        format!("{head}\ncluster: {{version: \"1.36\", authenticationMode: NONE}}"),
        format!("{head}\ncluster: {{version: \"1.36\", tags: [a]}}"),
        format!("{head}\ncluster: {{version: \"1.36\"}}\nworkers: [{{name: shop-web, capacity: {{min: 1}}}}]"),
        format!("{head}\ncluster: {{version: \"1.36\"}}\nworkers: [{{name: shop-web, family: {{ubuntu: {{release: \"1\"}}}}}}]"),
    ] {
        let value: Value = serde_yaml_ng::from_str(&wrong).expect("YAML");
        assert!(!schema.is_valid(&value), "{wrong}");
        assert!(EnvironmentFile::from_yaml("x.yaml", &wrong).is_err(), "{wrong}");
    }
}
