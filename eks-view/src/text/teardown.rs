//! A teardown before somebody agrees to it, and the verdict after it.

use std::fmt;

use eks_core::{Removal, Severity, StepKey, Survivor, Teardown, Verdict};

use super::{
    Row, Table, hanging,
    plan::{CENT, within},
};
use crate::look::{BOLD, CYAN, DIM, GREEN, Look, RED, YELLOW, clock, count, line, usd};

/// A teardown as text; see [`teardown`].
#[derive(Clone, Copy, Debug)]
pub struct TeardownView<'a> {
    teardown: &'a Teardown,
    look: Look,
}

/// A teardown as text: what goes (`-`), with its id, time and what it saves; what stays, why, and how it can be removed; what is to be
/// reviewed, and what stands against it.
pub fn teardown(teardown: &Teardown) -> TeardownView<'_> {
    TeardownView { teardown, look: Look::plain() }
}

impl TeardownView<'_> {
    /// Coloured, narrower, …; plain by default.
    #[must_use]
    pub fn look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }

    fn removals(&self, f: &mut fmt::Formatter<'_>, chain: &[&StepKey]) -> fmt::Result {
        let look = self.look;
        let removals = self.teardown.removals();
        let titles: Vec<String> = removals.iter().map(title).collect();
        let rows: Vec<Row<'_>> = removals.iter().zip(&titles).map(|(removal, title)| row(removal, title)).collect();
        let table = Table::of(look, rows.iter());
        let mut layers: Vec<&str> = Vec::new();
        for removal in removals {
            if !layers.contains(&removal.key.layer()) {
                layers.push(removal.key.layer());
            }
        }
        for layer in layers {
            let own = || removals.iter().zip(&rows).filter(|(removal, _)| removal.key.layer() == layer);
            let saved: f64 = own().map(|(removal, _)| removal.usd_per_month).sum();
            write!(f, "\n\n{}", look.ink(BOLD, layer))?;
            if saved >= CENT {
                write!(f, "  {}", look.ink(DIM, format_args!("{} a month", usd(saved))))?;
            }
            for (removal, row) in own() {
                table.row(f, look, ("-", RED), row, chain.contains(&&removal.key))?;
            }
        }
        Ok(())
    }
}

fn title(removal: &Removal) -> String {
    if removal.id.is_empty() || removal.title.contains(&removal.id) {
        line(&removal.title)
    } else {
        line(&format!("{} {}", removal.title, removal.id))
    }
}

fn row<'a>(removal: &'a Removal, title: &'a str) -> Row<'a> {
    let (time, price) = (removal.typical, removal.usd_per_month);
    Row {
        key: within(&removal.key),
        title,
        time: if time.as_secs() >= 5 { clock(time) } else { String::new() },
        price: if price >= CENT { usd(price) } else { String::new() },
    }
}

impl fmt::Display for TeardownView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (teardown, look) = (self.teardown, self.look);
        write!(f, "{} {}:  ", look.ink(BOLD, "teardown of"), look.ink(BOLD, teardown.owner()))?;
        if teardown.is_empty() {
            write!(f, "{}", look.ink(GREEN, "nothing is there"))?;
        } else {
            let (total, chain) = teardown.critical_path();
            let saved: f64 = teardown.removals().iter().map(|removal| removal.usd_per_month).sum();
            write!(f, "{}", look.ink(RED, format_args!("{} to remove", teardown.removals().len())))?;
            write!(f, "\nabout {}, saves {} a month", clock(total), usd(saved))?;
            self.removals(f, &chain)?;
        }
        if !teardown.stays().is_empty() {
            let price: f64 = teardown.stays().iter().map(|survivor| survivor.usd_per_month).sum();
            write!(f, "\n\n{}  {}", look.ink(BOLD, "stays"), look.ink(DIM, format_args!("{} a month", usd(price))))?;
            survivors(f, look, teardown.stays())?;
        }
        if !teardown.findings().is_empty() {
            write!(f, "\n\n{}", look.ink(BOLD, "to review"))?;
        }
        for finding in teardown.findings() {
            let (mark, style) = if finding.severity == Severity::Warning { ("!", YELLOW) } else { ("·", DIM) };
            write!(f, "\n  {} {}", look.ink(style.bold(), mark), look.ink(style, &finding.step))?;
            hanging(f, look, "    ", 4, &finding.message)?;
        }
        if !teardown.refuses().is_empty() {
            write!(f, "\n\n{}", look.ink(RED.bold(), "nothing will be done"))?;
        }
        for why in teardown.refuses() {
            write!(f, "\n  {} {}", look.ink(RED.bold(), "✗"), look.ink(RED, &why.step))?;
            hanging(f, look, "    ", 4, &why.message)?;
        }
        Ok(())
    }
}

/// A verdict as text; see [`verdict`].
#[derive(Clone, Copy, Debug)]
pub struct VerdictView<'a> {
    verdict: &'a Verdict,
    look: Look,
}

/// A verdict as text: clean, or everything that is left, the dearest first, with the reason and the remedy.
pub fn verdict(verdict: &Verdict) -> VerdictView<'_> {
    VerdictView { verdict, look: Look::plain() }
}

impl VerdictView<'_> {
    /// Coloured, narrower, …; plain by default.
    #[must_use]
    pub fn look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }
}

impl fmt::Display for VerdictView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let look = self.look;
        let left = self.verdict.survivors();
        if left.is_empty() {
            return write!(f, "{}, nothing is left", look.ink(GREEN.bold(), "verdict: clean"));
        }
        let price: f64 = left.iter().map(|survivor| survivor.usd_per_month).sum();
        let things = count(left.len(), "thing is", "things are");
        write!(f, "{}, {things} left, {} a month", look.ink(RED.bold(), "verdict: leaked"), usd(price))?;
        survivors(f, look, left)
    }
}

/// What is left or stays, the dearest first.
fn survivors(f: &mut fmt::Formatter<'_>, look: Look, survivors: &[Survivor]) -> fmt::Result {
    let mut survivors: Vec<&Survivor> = survivors.iter().collect();
    survivors.sort_by(|one, other| other.usd_per_month.total_cmp(&one.usd_per_month));
    for survivor in survivors {
        let (kind, id) = (line(&survivor.kind), line(&survivor.id));
        write!(f, "\n  {} {} {id}", look.ink(YELLOW, "="), look.ink(BOLD, kind))?;
        if survivor.usd_per_month >= CENT {
            write!(f, "  {}", look.ink(DIM, format_args!("{} a month", usd(survivor.usd_per_month))))?;
        }
        hanging(f, look, format_args!("    {} ", look.ink(DIM, "why")), 8, &survivor.why)?;
        hanging(f, look, format_args!("    {}  ", look.ink(CYAN, "do")), 8, &survivor.remedy)?;
    }
    Ok(())
}
