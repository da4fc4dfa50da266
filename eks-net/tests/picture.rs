//! Pictures of whole networks: golden ones, hostile names, what the simulator holds, and Mermaid's own parser.

#[expect(dead_code, reason = "other suites use the rest")]
mod common;

use std::{collections::BTreeSet, error::Error, path::Path, process::Command};

use common::{chapter, owner, process};
use eks_core::Owner;
use eks_net::{Endpoints, Nat, NetworkSpec, Observed, Rule, SecurityGroup, Subnet, SubnetGroup};
use eks_sim::Sim;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use quick_xml::{Reader, events::Event};

type Done = Result<(), Box<dyn Error>>;

/// Compares with a file beside this one, or writes it if `UPDATE_PICTURES` is set: look at it before it is committed.
fn golden(name: &str, picture: &str) -> Done {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/picture").join(name);
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        std::fs::write(&file, picture)?;
    }
    let expected = std::fs::read_to_string(&file)?;
    assert!(expected == picture, "{name} differs; run again with UPDATE_PICTURES=1, and look at it");
    Ok(())
}

/// The texts of an SVG and the titles of its parts. Everything that is not well-formed is an error.
fn read(svg: &str) -> Result<(Vec<String>, Vec<String>), Box<dyn Error>> {
    let mut reader = Reader::from_str(svg);
    let (mut texts, mut titles, mut open) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match reader.read_event()? {
            Event::Start(tag) => {
                for attribute in tag.attributes() {
                    attribute?;
                }
                open.push((String::from_utf8(tag.name().as_ref().to_vec())?, String::new()));
            }
            Event::Text(text) => {
                if let Some((_, all)) = open.last_mut() {
                    all.push_str(&text.decode()?);
                }
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode()?;
                let resolved = match reference.resolve_char_ref()? {
                    Some(c) => c.to_string(),
                    None => quick_xml::escape::resolve_xml_entity(&name).ok_or("an entity that XML does not have")?.to_owned(),
                };
                if let Some((_, all)) = open.last_mut() {
                    all.push_str(&resolved);
                }
            }
            Event::End(_) => match open.pop() {
                Some((tag, all)) if tag == "text" => texts.push(all),
                Some((tag, all)) if tag == "title" => titles.push(all),
                _ => {}
            },
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?} is not closed");
    Ok((texts, titles))
}

#[test]
fn the_chapter_looks_as_it_did() -> Done {
    let picture = chapter().picture();
    golden("chapter.svg", &picture.to_svg())?;
    golden("chapter.mmd", &picture.to_mermaid())
}

#[test]
fn every_way_out_looks_as_it_did() -> Done {
    for (name, spec) in variants()? {
        golden(&format!("{name}.svg"), &spec.picture().to_svg())?;
    }
    Ok(())
}

/// What the chapter says of its network, read from the picture.
#[test]
fn the_chapter_tells_its_network() -> Done {
    let (texts, titles) = read(&chapter().picture().to_svg())?;
    let texts: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
    for told in ["10.0.0.0/16", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", "10.0.4.0/24", "251 addresses", "us-east-1a", "us-east-1b"] {
        assert!(texts.contains(told), "{told}");
    }
    for told in
        ["0.0.0.0/0 → Internet gateway", "0.0.0.0/0 → NAT gateway in us-east-1a", "98.234.106.21/32", "tcp 22, 80", "lets nobody in"]
    {
        assert!(texts.contains(told), "{told}");
    }
    assert!(titles.iter().any(|title| title.starts_with("private subnet in us-east-1a: 10.0.4.0/24")), "{titles:?}");
    Ok(())
}

/// Names that mean something to XML, CSS or Mermaid, as far as AWS accepts them.
#[test]
fn names_are_never_markup() -> Done {
    let names = ["]]&#0;&amp;{}", "a[b]#quot;;end", "subgraph; end", "$&;{}!*()", "--- x"];
    let mut builder = NetworkSpec::builder(&owner(), "10.0.0.0/16").zones(["us-east-1a", "us-east-1b"]);
    let long = "W".repeat(255);
    let names = names.iter().copied().chain([long.as_str()]);
    for name in names.clone() {
        builder = builder.security_group(SecurityGroup::new(name, "*/}*{display:none}").allow(Rule::tcp(1).from_self()));
    }
    let picture = builder.build()?.picture();
    let (texts, titles) = read(&picture.to_svg())?;
    for name in names {
        let whole = texts.iter().any(|text| text == name) || titles.iter().any(|title| title == name);
        assert!(whole, "{name} is neither shown nor told");
    }
    let mermaid = picture.to_mermaid();
    assert!(mermaid.contains("[\"a#91;b#93;#35;quot#59;#59;end\"]"), "{mermaid}");
    // Every quotation mark opens or closes a label.
    assert!(mermaid.lines().all(|line| line.matches('"').count() % 2 == 0), "{mermaid}");
    Ok(())
}

fn networks() -> impl Strategy<Value = NetworkSpec> {
    let text = "[a-zA-Z0-9 ._:/()#,@\\[\\]+=&;{}!$*-]{1,40}";
    let groups = proptest::collection::vec((text, text, 0..4_u8, 1..9000_u16), 0..14);
    (2..=6_usize, 0..4_usize, 0..3_u8, groups).prop_filter_map("refused", |(zones, named, nat, groups)| {
        let zones: Vec<String> = ["a", "b", "c", "d", "e", "f"].iter().take(zones).map(|zone| format!("eu-west-1{zone}")).collect();
        let mut builder = NetworkSpec::builder(&Owner::new("random").ok()?, "10.0.0.0/16").zones(&zones);
        for (at, zone) in zones.iter().enumerate() {
            for row in 0..named {
                let block = format!("10.0.{}.{}/28", 248 + row, at * 16);
                builder = builder.subnet(Subnet::private(zone, block).named(format!("row{row}")));
            }
        }
        builder = builder.nat([Nat::None, Nat::Single, Nat::PerZone][usize::from(nat)].clone());
        let mut last: Option<String> = None;
        for (name, description, from, port) in groups {
            let rule = Rule::tcp(port);
            let rule = match (from, &last) {
                (0, _) => rule.from_cidr("0.0.0.0/0"),
                (1, Some(other)) => rule.from_group(other),
                (2, _) => rule.from_self(),
                _ => rule.from_cidr("192.168.0.0/16"),
            };
            builder = builder.security_group(SecurityGroup::new(&name, description).allow(rule));
            last = Some(name);
        }
        builder.build().ok()
    })
}

proptest! {
    #[test]
    fn every_network_has_a_picture(network in networks()) {
        let picture = network.picture();
        let svg = picture.to_svg();
        let (texts, _) = read(&svg).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mermaid = picture.to_mermaid();
        for subnet in network.subnets() {
            let cidr = subnet.cidr.to_string();
            prop_assert_eq!(texts.iter().filter(|text| **text == cidr).count(), 1, "{}", cidr);
            prop_assert!(mermaid.contains(&cidr), "{}", cidr);
        }
        prop_assert_eq!(&network.picture().to_svg(), &svg);
        prop_assert_eq!(network.picture().to_mermaid(), mermaid);
        prop_assert!(!svg.contains("href") && !svg.contains("<script") && !svg.contains("url("), "nothing from elsewhere");
    }
}

/// Every way out.
fn variants() -> Result<Vec<(&'static str, NetworkSpec)>, Box<dyn Error>> {
    let zones = ["us-east-1a", "us-east-1b", "us-east-1c"];
    let builder = || NetworkSpec::builder(&owner(), "10.0.0.0/16").only_groups().zones(zones);
    let private = || builder().group(SubnetGroup::private(19)).group(SubnetGroup::intra(24).named("database"));
    let both = || private().group(SubnetGroup::public(24));
    Ok(vec![
        ("chapter", chapter()),
        ("zones", both().nat(Nat::PerZone).secondary_cidr("100.64.0.0/16").build()?),
        ("dual", both().ipv6().build()?),
        ("regional", private().nat(Nat::Regional).build()?),
        ("private", private().nat(Nat::None).endpoints(Endpoints::private_cluster()).build()?),
    ])
}

#[tokio::test(start_paused = true)]
async fn what_exists_is_what_was_planned_with_ids_and_free_addresses() -> Done {
    for (name, spec) in variants()? {
        let sim = Sim::new();
        let (networks, engine) = process(&sim);
        networks.plan(&spec).await?.apply(&engine).await?;
        let found = networks.observe(&owner()).await?;
        let svg = found.picture().to_svg();
        if let Some(folder) = std::env::var_os("OBSERVED_PICTURES") {
            std::fs::write(Path::new(&folder).join(format!("{name}.svg")), &svg)?;
        }
        let (texts, titles) = read(&svg)?;
        let told = |text: &String| texts.contains(text) || titles.iter().any(|title| title.contains(text));
        let ids = found.subnets.iter().map(|subnet| subnet.id.to_string());
        let ids = ids.chain(found.nat_gateways.iter().map(|nat| nat.id.to_string()));
        let ids = ids.chain(found.egress_only_gateways.iter().map(|gateway| gateway.id.to_string()));
        let ids = ids.chain(found.endpoints.iter().map(|endpoint| endpoint.id.to_string()));
        let ids = ids.chain(found.subnets.iter().filter_map(|subnet| subnet.ipv6).map(|block| block.to_string()));
        let ids = ids.chain(found.addresses.iter().map(|address| address.public_ip.clone()));
        for told_too in ids.chain(found.vpcs.iter().map(|vpc| vpc.id.to_string())) {
            assert!(told(&told_too), "{name}: {told_too} is missing");
        }
        // What AWS chooses is told once it is known; all else stays as it was planned.
        let open = |text: &str| text.ends_with(" addresses") || text.starts_with("an IPv6 /") || text.starts_with("elastic IP");
        for planned in read(&spec.picture().to_svg())?.0.iter().filter(|text| !open(text) && !text.starts_with("planned ")) {
            assert!(told(planned), "{name}: {planned} is missing");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn addresses_in_use_are_not_free() -> Done {
    let sim = Sim::new();
    let (networks, engine) = process(&sim);
    networks.plan(&chapter()).await?.apply(&engine).await?;
    let picture = networks.observe(&owner()).await?.picture();
    let texts = read(&picture.to_svg())?.0;
    // The NAT gateway's interface has one of 251 addresses in its subnet.
    assert_eq!(texts.iter().filter(|text| *text == "250 of 251 free").count(), 1);
    assert_eq!(texts.iter().filter(|text| *text == "251 of 251 free").count(), 3);
    assert!(picture.to_mermaid().contains("250 of 251 free"));
    let nothing = Observed::nothing(&owner()).picture();
    assert!(read(&nothing.to_svg())?.0.contains(&"Nothing exists.".to_owned()) && nothing.to_mermaid().contains("Nothing exists"));
    Ok(())
}

#[test]
#[ignore = "needs Node.js and npm: Mermaid's own parser reads a dozen random networks"]
fn mermaid_reads_it() -> Done {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mermaid");
    std::fs::create_dir_all(&folder)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/picture/parse.mjs");
    std::fs::copy(script, folder.join("parse.mjs"))?;
    let done = Command::new("npm").args(["install", "--no-save", "--silent", "mermaid@11", "jsdom"]).current_dir(&folder).status()?;
    assert!(done.success());
    let mut files = Vec::new();
    for (name, spec) in variants()? {
        files.push(format!("{name}.mmd"));
        std::fs::write(folder.join(format!("{name}.mmd")), spec.picture().to_mermaid())?;
    }
    let mut runner = TestRunner::deterministic();
    for number in 0..12 {
        let network = networks().new_tree(&mut runner).map_err(|reason| reason.to_string())?.current();
        files.push(format!("{number}.mmd"));
        std::fs::write(folder.join(format!("{number}.mmd")), network.picture().to_mermaid())?;
    }
    let read = Command::new("node").arg("parse.mjs").args(&files).current_dir(&folder).output()?;
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    Ok(())
}
