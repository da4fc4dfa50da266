//! A saved plan, upgrade, replacement or teardown that was changed is refused before any call.
//!
//! Without `EVERY_CALL=1`, one of forty values is changed; with it, each.

use eks_core::{Owner, Plan, PlanError, Teardown, saved::SavedError};
use eks_examples::{
    account::Account,
    environment::{Environment, Failure, Variant},
};
use serde_json::{Value, json};

type Tested = Result<(), Failure>;

/// Every place in a document, as JSON pointers (RFC 6901).
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    if !at.is_empty() {
        found.push(at.to_owned());
    }
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            places(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(number, value)| places(value, &format!("{at}/{number}"), found)),
        _ => {}
    }
}

/// Something else of the same kind.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => json!(0),
        Value::Bool(bool) => json!(!bool),
        Value::Number(number) => json!(number.as_f64().unwrap_or_default() + 1.0),
        Value::String(text) => json!(format!("{text}x")),
        Value::Array(items) => items.iter().rev().cloned().chain([json!("more")]).collect(),
        Value::Object(fields) => {
            let mut fields = fields.clone();
            fields.insert("more".to_owned(), json!(1));
            fields.into()
        }
    }
}

/// Takes the value at a place out of what holds it.
fn removed(document: &Value, place: &str) -> Value {
    let mut document = document.clone();
    if let Some((parent, name)) = place.rsplit_once('/') {
        let name = name.replace("~1", "/").replace("~0", "~");
        match document.pointer_mut(parent) {
            Some(Value::Object(fields)) => drop(fields.remove(&name)),
            Some(Value::Array(items)) => drop(items.remove(name.parse().expect("a number"))),
            _ => {}
        }
    }
    document
}

/// Each value of a document changed, and taken away: each time `read` must refuse.
#[expect(clippy::print_stdout, reason = "the figures, for whoever asks with --nocapture")]
fn refuses(what: &str, text: &str, read: impl Fn(&str) -> Result<(), PlanError>) {
    read(text).expect("unchanged");
    let document: Value = serde_json::from_str(text).expect("JSON");
    let mut all = Vec::new();
    places(&document, "", &mut all);
    let step = if std::env::var_os("EVERY_CALL").is_some() { 1 } else { 40 };
    let chosen: Vec<_> = all.iter().step_by(step).collect();
    for place in &chosen {
        let mut changed = document.clone();
        *changed.pointer_mut(place).expect("it is there") = other(document.pointer(place).expect("it is there"));
        for tampered in [changed, removed(&document, place)] {
            let refused = read(&tampered.to_string());
            assert!(matches!(refused, Err(PlanError::Saved(_) | PlanError::Format(_))), "{what} {place}: {refused:?}");
        }
    }
    println!("{what}: {} values, {} of them changed and taken away, {} refused", all.len(), chosen.len(), 2 * chosen.len());
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_changed_anywhere_is_refused() -> Tested {
    let account = Account::simulated();
    let environment = Environment::new(&Variant::default(), &account)?;
    let plan = environment.plan().await?;
    let calls = account.calls();
    refuses("the chapter's plan", &plan.to_json()?, |text| Plan::from_json(text).map(drop));
    let signed = plan.to_signed_json(b"a key")?;
    refuses("the same, signed", &signed, |text| Plan::from_signed_json(text, b"a key").map(drop));
    assert!(matches!(Plan::from_json(&signed), Err(PlanError::Saved(SavedError::Signed))));
    assert_eq!(Plan::from_signed_json(&signed, b"a key")?, plan);

    plan.apply(&environment.engine()).await?;
    let teardown = environment.teardown().await?;
    refuses("its teardown", &teardown.to_json()?, |text| Teardown::from_json(text).map(drop));
    let signed = teardown.to_signed_json(b"a key")?;
    refuses("the same, signed", &signed, |text| Teardown::from_signed_json(text, b"a key").map(drop));
    assert!(account.calls() > calls, "the plan itself was applied");
    // What was read back is the teardown, and is carried out.
    let ending = Teardown::from_json(&teardown.to_json()?)?.apply(&environment.engine()).await?;
    assert!(ending.verdict.is_clean(), "{}", ending.verdict);
    Ok(())
}

/// The tampering that the reader of a plan would fear, by name; and what stays the same plan.
#[tokio::test(start_paused = true)]
async fn by_name() -> Tested {
    let account = Account::simulated();
    let environment = Environment::new(&Variant::default(), &account)?;
    let text = environment.plan().await?.to_json()?;
    let calls = account.calls();
    let document: Value = serde_json::from_str(&text)?;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut changed = document.clone();
        change(&mut changed);
        changed.to_string()
    };
    let steps = |changed: &mut Value| changed["steps"].as_array().map_or(0, Vec::len);
    let last = steps(&mut document.clone()) - 1;
    let price = (0..=last).find(|at| document["steps"][at]["prices"][0].is_object()).ok_or("something costs money")?;
    let tampered: [(&str, String); 9] = [
        ("an operation", with(&|plan| plan["steps"][0]["op"]["body"] = json!({"create_vpc": {"cidr": "10.9.0.0/16"}}))),
        (
            "a step more",
            with(&|plan| {
                let mut step = plan["steps"][last].clone();
                step["key"] = json!("k8s/pod/default/miner");
                plan["steps"].as_array_mut().expect("steps").push(step);
            }),
        ),
        ("a step less", with(&|plan| drop(plan["steps"].as_array_mut().expect("steps").remove(last)))),
        ("steps in another order", with(&|plan| plan["steps"].as_array_mut().expect("steps").swap(0, last))),
        ("a dependency", with(&|plan| plan["steps"][last]["needs"] = json!([]))),
        ("the owner", with(&|plan| plan["owner"] = json!("mallory"))),
        ("the basis", with(&|plan| plan["basis"]["net"]["facts"] = json!({"net/vpc": {"id": "vpc-0a1b2c3d4e5f60718"}}))),
        ("the scope", with(&|plan| plan["basis"]["net"]["scope"] = json!(null))),
        ("a price only", with(&|plan| plan["steps"][price]["prices"][0]["usd_per_month"] = json!(0.01))),
    ];
    for (what, tampered) in tampered {
        assert_ne!(tampered, document.to_string(), "{what} is changed");
        let refused = Plan::from_json(&tampered);
        assert!(matches!(refused, Err(PlanError::Saved(SavedError::Changed))), "{what}: {refused:?}");
        let serde = serde_json::from_str::<Plan>(&tampered).expect_err("by no other way either");
        assert!(serde.to_string().contains("what was saved is refused"), "{what}: {serde}");
    }
    assert_eq!(account.calls(), calls, "nothing was asked of AWS");
    // White space, and the order of members.
    assert_eq!(Plan::from_json(&document.to_string())?, Plan::from_json(&text)?);
    // Whoever replaces the digest, too, changes the plan of one who did not sign: that is what keys are for.
    let mut forged = document.clone();
    forged["owner"] = json!("mallory");
    forged.as_object_mut().ok_or("an object")?.remove("digest");
    let forged = eks_core::saved::seal(forged, None)?.to_string();
    assert_eq!(Plan::from_json(&forged)?.owner(), &Owner::new("mallory")?);
    assert!(matches!(Plan::from_signed_json(&forged, b"a key"), Err(PlanError::Saved(SavedError::Unsigned))));
    Ok(())
}
