//! The bodies of the fuzz targets, on what is known to be worth a try: `fuzz/seeds`, and whatever once broke something (`fuzz/regressions`).

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "the same source is a crate of its own for cargo-fuzz")]
mod targets;

use std::path::Path;

#[test]
fn every_target_holds_on_its_seeds_and_regressions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut inputs = 0;
    for (name, body) in targets::TARGETS {
        body(b"");
        let mut of_it = 0;
        for folder in ["seeds", "regressions"] {
            let Ok(files) = std::fs::read_dir(root.join(folder).join(name)) else { continue };
            for file in files {
                let path = file.expect("readable").path();
                let data = std::fs::read(&path).expect("readable");
                let held = std::panic::catch_unwind(|| body(&data));
                assert!(held.is_ok(), "{}", path.display());
                of_it += 1;
            }
        }
        assert!(of_it > 0, "{name} has no seed");
        inputs += of_it;
    }
    assert!(inputs >= targets::TARGETS.len());
}
