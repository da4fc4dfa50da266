//! The plan as a person wants to read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::{Action, Plan};
use crate::Severity;

/// `7m 20s`, `45s`.
pub(crate) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    if seconds >= 60 { format!("{}m {:02}s", seconds / 60, seconds % 60) } else { format!("{seconds}s") }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |action| self.steps().iter().filter(|step| step.action == action).count();
        writeln!(
            f,
            "plan for {}: {} to create, {} to update, {} as they should be",
            self.owner(),
            count(Action::Create),
            count(Action::Update),
            count(Action::Keep)
        )?;
        if self.is_noop() {
            write!(f, "nothing to do; ${:.2} a month", self.usd_per_month())?;
            // What stays as it is may need a look all the same.
            return self.findings_text(f, "\n\n", "");
        }
        let (total, chain) = self.critical_path();
        writeln!(
            f,
            "about {} on the critical path, ${:.2} a month (${:.2} of it new), {} IAM actions",
            clock(total),
            self.usd_per_month(),
            self.added_usd_per_month(),
            self.iam_actions().len()
        )?;
        self.steps_by_layer(f)?;
        self.findings_text(f, "\n", "\n")?;
        let path: Vec<_> = chain
            .iter()
            .filter_map(|key| self.step(key.as_str()))
            .filter(|step| step.action != Action::Keep)
            .map(|step| format!("{} {}", step.key, clock(step.typical)))
            .collect();
        writeln!(f, "\ncritical path\n  {}", path.join("\n  → "))?;
        self.cost(f)?;
        self.permissions_text(f)
    }
}

impl Plan {
    fn steps_by_layer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layers: Vec<&str> = Vec::new();
        for step in self.steps() {
            if !layers.contains(&step.key.layer()) {
                layers.push(step.key.layer());
            }
        }
        let width = self.steps().iter().map(|step| step.key.as_str().len()).max().unwrap_or_default();
        for layer in layers {
            writeln!(f, "\n{layer}")?;
            for step in self.steps().iter().filter(|step| step.key.layer() == layer) {
                let mark = match step.action {
                    Action::Create => '+',
                    Action::Keep => ' ',
                    Action::Update => '~',
                };
                let key = step.key.as_str();
                write!(f, "  {mark} {key:width$}  {}", step.title)?;
                // Seconds are noise next to the minutes that matter.
                if step.action != Action::Keep && step.typical >= Duration::from_secs(20) {
                    write!(f, " ({})", clock(step.typical))?;
                }
                writeln!(f)?;
                for change in &step.changes {
                    writeln!(f, "    {:width$}    {change}", "")?;
                }
            }
        }
        Ok(())
    }

    fn findings_text(&self, f: &mut fmt::Formatter<'_>, before: &str, after: &str) -> fmt::Result {
        let findings = self.findings();
        if findings.is_empty() {
            return Ok(());
        }
        write!(f, "{before}to review")?;
        for finding in findings {
            let mark = if finding.severity == Severity::Warning { '!' } else { '·' };
            write!(f, "\n  {mark} {finding}")?;
        }
        write!(f, "{after}")
    }

    fn cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items: BTreeMap<&str, (u32, f64)> = BTreeMap::new();
        for price in self.steps().iter().flat_map(|step| &step.prices) {
            let entry = items.entry(price.item.as_str()).or_default();
            entry.0 += 1;
            entry.1 += price.usd_per_month;
        }
        if items.is_empty() {
            return Ok(());
        }
        let mut items: Vec<_> = items.into_iter().collect();
        items.sort_by(|a, b| b.1.1.total_cmp(&a.1.1).then(a.0.cmp(b.0)));
        writeln!(f, "\ncost a month (on demand, us-east-1, before traffic)")?;
        for (item, (count, usd)) in items {
            let item = if count > 1 { format!("{count} × {item}") } else { item.to_owned() };
            writeln!(f, "  {usd:>9.2}  {item}")?;
        }
        writeln!(f, "  {:>9.2}  together", self.usd_per_month())
    }

    fn permissions_text(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for action in self.iam_actions() {
            let (service, name) = action.split_once(':').unwrap_or(("", action));
            services.entry(service).or_default().insert(name);
        }
        write!(f, "\nIAM actions")?;
        for (service, names) in services {
            let mut line = format!("  {service}:");
            write!(f, "\n{line}")?;
            for name in names {
                if line.len() + name.len() + 1 > 120 {
                    line = "     ".to_owned();
                    write!(f, "\n{line}")?;
                }
                line.push_str(name);
                line.push(' ');
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Finding, Operation, Owner, Step};

    #[derive(Serialize, Deserialize)]
    struct Stand;

    impl Operation for Stand {
        const LAYER: &'static str = "park";
    }

    /// What nobody changes may need a look all the same: an add-on that is degraded, an entry that still lets somebody in.
    #[test]
    fn a_plan_without_changes_tells_its_warnings() {
        let owner = Owner::new("shop").unwrap();
        let oak = || Step::new("park/oak".parse().unwrap(), Action::Keep, "oak", &Stand).unwrap();
        let plan = Plan::builder(&owner, "park").step(oak()).build().unwrap();
        assert_eq!(plan.to_string(), "plan for shop: 0 to create, 0 to update, 1 as they should be\nnothing to do; $0.00 a month");
        let ill = Finding::warning("park/oak".parse().unwrap(), "is ill");
        let plan = Plan::builder(&owner, "park").step(oak()).finding(ill).build().unwrap();
        assert!(plan.is_noop());
        let text = plan.to_string();
        assert!(text.ends_with("nothing to do; $0.00 a month\n\nto review\n  ! park/oak: is ill"), "{text}");
    }
}
