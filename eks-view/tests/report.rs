//! The page about a run: well-formed, whole in itself, and unbroken by what it shows.

#![cfg(feature = "report")]

mod common;

use common::{denied, happen, plan, survivor, teardown};
use eks_core::Verdict;
use eks_view::{Page, Recorder, Run};
use quick_xml::{Reader, events::Event};

async fn recorded() -> Run {
    let recorder = Recorder::new();
    happen(recorder.observer()).await;
    recorder.run()
}

/// Elements in order and the text of the page. Fails if an element is not closed, or an attribute is broken.
fn parsed(html: &str) -> (Vec<String>, String) {
    let body = html.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut reader = Reader::from_str(body);
    let (mut elements, mut text, mut style) = (Vec::new(), String::new(), false);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("not well-formed: {error}")) {
            Event::Eof => return (elements, text),
            Event::Start(tag) | Event::Empty(tag) => {
                let name = String::from_utf8(tag.name().as_ref().to_vec()).expect("UTF-8");
                style = name == "style";
                let attributes: Vec<String> = tag
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.expect("an attribute");
                        let (key, value) = (attribute.key.as_ref(), attribute.value.as_ref());
                        format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
                    })
                    .collect();
                elements.push(format!("{name} {}", attributes.join(" ")).trim().to_owned());
            }
            Event::Text(found) if !style => text.push_str(&String::from_utf8_lossy(&found)),
            Event::GeneralRef(name) => text.push_str(match name.as_ref() {
                b"lt" => "<",
                b"gt" => ">",
                b"amp" => "&",
                b"quot" => "\"",
                b"#39" => "'",
                other => panic!("an entity that HTML does not need: {other:?}"),
            }),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_tells_everything_and_needs_nothing_else() {
    let (run, plan, teardown) = (recorded().await, plan(), teardown());
    let verdict = Verdict::on(vec![survivor()]);
    let error = denied();
    let html = Page::new("Environment demo")
        .run("Apply", &run)
        .plan(&plan)
        .teardown(&teardown)
        .verdict(&verdict)
        .picture("<svg xmlns='http://www.w3.org/2000/svg'/>", "a network")
        .calls([("ec2", "CreateVpc", 1), ("ec2", "DescribeVpcs", 2), ("ec2", "CreateVpc", 1), ("eks", "CreateCluster", 1)])
        .failure(&error)
        .html();
    let (elements, text) = parsed(&html);

    // Whole in itself.
    for forbidden in ["script", "link", "iframe", "object", "embed", "base", "form"] {
        assert!(!elements.iter().any(|element| element.split(' ').next() == Some(forbidden)), "{forbidden}");
    }
    let pictures: Vec<_> = elements.iter().filter(|element| element.contains("src=") || element.contains("href=")).collect();
    assert_eq!(pictures.len(), 1);
    assert!(pictures[0].contains("src=data:image/svg+xml;base64,") && pictures[0].contains("alt=a network"));
    assert!(!html.contains("url(") && !html.contains("@import") && !html.contains("http://") && !html.contains("https://"));

    // One heading of the first rank, none skipped.
    let ranks: Vec<_> = elements.iter().filter_map(|element| element.strip_prefix('h')?.split(' ').next()?.parse::<u8>().ok()).collect();
    assert_eq!(ranks.iter().filter(|rank| **rank == 1).count(), 1);
    assert_eq!(ranks[0], 1);
    assert!(ranks.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{ranks:?}");

    for told in [
        "leaked",
        "eks:CreateCluster for demo",
        "7a62c49f-347e-4fc4-9331-6e8eEXAMPLE",
        "vol-0123456789abcdef0",
        "a single point of failure",
        "public access: 0.0.0.0/0 → 198.51.100.0/24",
        "105.85",
        "UpdateClusterVersion",
        "VcpuLimitExceeded",
        "5 calls to 2 services",
        "on the critical path",
    ] {
        assert!(text.contains(told), "{told}");
    }
    assert!(html.len() < 40_000, "{} bytes", html.len());
}

/// A run of two steps, one after the other, that took so long each.
fn short(took: f64, status: &str, complete: bool) -> Run {
    let step = |key: &str, began: f64, needs: &[&str]| {
        serde_json::json!({
            "key": key, "title": "it", "needs": needs, "typical": took, "status": status, "began": began, "took": took, "attempts": 1,
            "states": [{"at": took, "subject": "it", "state": "there"}], "retries": [], "error": null, "because": null,
        })
    };
    serde_json::from_value(serde_json::json!({
        "owner": "demo", "purpose": "make", "began": null, "expected": took, "took": complete.then_some(took), "complete": complete,
        "kept": 0, "steps": [step("net/vpc", 0.0, &[]), step("net/subnet/a", took, &["net/vpc"])],
    }))
    .expect("a run")
}

/// What a killed run left, the next one did.
#[test]
fn a_heading_is_judged_by_its_last_run() {
    let (killed, failed, done) = (short(60.0, "running", false), short(60.0, "failed", false), short(60.0, "done", true));
    let html = Page::new("x").run("Workers", &killed).run("Workers", &failed).run("Workers", &done).html();
    assert!(html.contains("<strong class=\"good\">complete</strong>"), "{html}");
    assert!(html.contains(">Workers<") && html.contains("<h2>Workers, 2nd run</h2>") && html.contains("<dt>Workers, 3rd run</dt>"));
    assert!(html.contains("<dd>2 of 2</dd>"), "steps that were begun anew are not counted twice");
    let html = Page::new("x").run("Workers", &done).run("Workers", &killed).html();
    assert!(html.contains("<strong class=\"warn\">unfinished</strong>"), "{html}");
    let html = Page::new("x").run("Control plane", &failed).run("Workers", &done).html();
    assert!(html.contains("<strong class=\"bad\">failed</strong>"), "{html}");
}

#[test]
fn the_end_waited_for_something_or_nothing_is_said() {
    assert!(!Page::new("x").run("Apply", &short(0.3, "done", true)).html().contains("The end waited"));
    assert!(Page::new("x").run("Apply", &short(30.0, "done", true)).html().contains("The end waited for <code>"));
}

/// A recording may come from anywhere.
#[test]
fn strange_times_break_no_page() {
    for took in [-1.0, 1e300, -1e300] {
        parsed(&Page::new("x").run("Apply", &short(took, "done", true)).run("Again", &short(took, "running", false)).html());
    }
}

/// As those of files are: each problem with its place.
#[test]
fn an_error_of_several_lines_keeps_them() {
    let error = std::io::Error::other("shop.yaml: 2 problems\n  3:5 <nodes>: unknown\n  7:1 zone");
    let html = Page::new("x").failure(&error).html();
    parsed(&html);
    assert!(html.contains("<p>shop.yaml: 2 problems</p>\n<pre>  3:5 &lt;nodes&gt;: unknown\n  7:1 zone</pre>"), "{html}");
}

#[tokio::test(start_paused = true)]
async fn hostile_names_are_shown_and_do_nothing() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</style></script>";
    let mut json = serde_json::to_value(recorded().await).expect("JSON");
    for step in json["steps"].as_array_mut().expect("steps") {
        step["title"] = HOSTILE.into();
        step["error"] = HOSTILE.into();
        step["states"] = serde_json::json!([{ "at": 1.0, "subject": HOSTILE, "state": HOSTILE }]);
    }
    let run: Run = serde_json::from_value(json).expect("a run");
    let verdict = Verdict::on(vec![eks_core::Survivor::new(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1.0)]);
    let error = std::io::Error::other(HOSTILE);
    let html = Page::new(HOSTILE)
        .run(HOSTILE, &run)
        .verdict(&verdict)
        .picture(format!("<svg>{HOSTILE}</svg>"), HOSTILE)
        .calls([(HOSTILE, HOSTILE, 1)])
        .failure(&error)
        .html();
    let (elements, text) = parsed(&html);
    assert!(text.contains(HOSTILE));
    let images: Vec<_> = elements.iter().filter(|element| element.starts_with("img")).collect();
    assert_eq!(images.len(), 1, "only the picture: {images:?}");
    assert!(!elements.iter().any(|element| element.contains("onerror=alert") && !element.contains("alt=")), "{elements:?}");
    assert_eq!(html.matches("</style>").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_page_about_nothing_is_a_page() {
    let run = Run::default();
    let (_, text) = parsed(&Page::new("Nothing").run("Apply", &run).html());
    assert!(text.contains("Nothing was to be done"));
}

/// Many steps fold, and the page stays small.
#[test]
fn hundreds_of_steps() {
    let steps: Vec<_> = (0..800)
        .map(|number| {
            serde_json::json!({
                "key": format!("t/step-{number}"), "title": format!("step {number}"), "needs": [], "typical": 1.0, "status": "done",
                "began": f64::from(number) / 10.0, "took": if number == 799 { 600.0 } else { 1.0 }, "attempts": 1,
                "states": [], "retries": [], "error": null, "because": null
            })
        })
        .collect();
    let run: Run = serde_json::from_value(serde_json::json!({
        "owner": "demo", "purpose": "make", "began": null, "expected": 600.0, "took": 680.0, "complete": true, "kept": 0, "steps": steps
    }))
    .expect("a run");
    let html = Page::new("Many").run("Apply", &run).html();
    assert!(parsed(&html).1.contains("799 short steps"));
    assert!(html.len() < 500_000, "{} bytes", html.len());
}

/// The page in a browser, where one is named: `CHROMIUM=chromium cargo test --test report -- --ignored`.
#[tokio::test]
#[ignore = "needs a Chromium, named by CHROMIUM"]
async fn a_browser_shows_it_on_a_phone() {
    let chromium = std::env::var("CHROMIUM").expect("CHROMIUM names the browser");
    let plan = plan();
    let html = Page::new("Environment demo").run("Apply", &recorded_now()).plan(&plan).html();
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&directory).expect("writable");
    // Measured by the page itself: whoever reads it on a phone never scrolls sideways.
    let probe = "<script>document.title = document.documentElement.scrollWidth</script>";
    let html = html
        .replacen("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'", 1)
        .replace("</body>", &format!("{probe}</body>"));
    let file = directory.join("index.html");
    std::fs::write(&file, html).expect("writable");
    let output = std::process::Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("a browser");
    let shown = String::from_utf8_lossy(&output.stdout);
    let width: u32 =
        shown.split("<title>").nth(1).and_then(|rest| rest.split('<').next()?.parse().ok()).unwrap_or_else(|| panic!("{shown}"));
    assert!(width <= 500, "{width} pixels wide");
}

fn recorded_now() -> Run {
    let recorder = Recorder::new();
    common::events().iter().for_each(|(_, event)| recorder.observe(event));
    recorder.run()
}
