//! A plan before somebody agrees to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use anstyle::Style;
use eks_core::{Action, Plan, Severity, Step, StepKey};

use super::{LEAD, Row, Table, changes::changes, hanging};
use crate::look::{BOLD, CYAN, DIM, GREEN, Look, YELLOW, cell, clock, columns, count, fit, line, usd};

/// Seconds are noise next to the minutes that matter.
const WORTH_TELLING: Duration = Duration::from_secs(5);
/// What rounds to less is not shown.
pub(crate) const CENT: f64 = 0.005;
/// The length of the longest bar of the critical path.
const BAR: f64 = 24.0;

/// A plan as text; see [`plan`].
#[derive(Clone, Copy, Debug)]
pub struct PlanView<'a> {
    plan: &'a Plan,
    look: Look,
}

/// A plan as text: what is created (`+`), updated (`~`, with each change) and kept (folded), with its time and price, what is to be reviewed,
/// the critical path (`◆`), the costs, and how many IAM actions of which service it needs.
///
/// ```
/// use eks_core::{Action, Op, Operation, Owner, Plan, Price, Step};
/// use eks_view::Look;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct Plant;
/// # impl Operation for Plant { const LAYER: &'static str = "garden"; }
/// let oak = Step::new("garden/oak".parse()?, Action::Create, "oak", &Plant)?.costs(Price::monthly("water", 2.0));
/// let plan = Plan::builder(&Owner::new("park")?, "garden").step(oak).build()?;
/// let text = eks_view::plan(&plan).look(Look::plain()).to_string();
/// assert!(text.contains("+ oak"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan(plan: &Plan) -> PlanView<'_> {
    PlanView { plan, look: Look::plain() }
}

impl PlanView<'_> {
    /// Coloured, narrower, …; plain by default.
    #[must_use]
    pub fn look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }
}

impl fmt::Display for PlanView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (total, chain) = self.plan.critical_path();
        self.head(f, total)?;
        if self.plan.is_noop() {
            // What stays as it is may need a look all the same.
            return self.findings(f);
        }
        self.layers(f, &chain)?;
        self.findings(f)?;
        self.critical_path(f, total, &chain)?;
        self.cost(f)?;
        self.permissions(f)
    }
}

impl PlanView<'_> {
    fn head(&self, f: &mut fmt::Formatter<'_>, total: Duration) -> fmt::Result {
        let (plan, look) = (self.plan, self.look);
        let number = |action| plan.steps().iter().filter(|step| step.action == action).count();
        write!(f, "{} {}", look.ink(BOLD, "plan for"), look.ink(BOLD, plan.owner()))?;
        let parts = [
            (number(Action::Create), "to create", GREEN),
            (number(Action::Update), "to update", YELLOW),
            (number(Action::Keep), "as they should be", DIM),
        ];
        // Below one another where a line has no room for all three.
        let (first, next) = if look.columns() < 80 { ("\n  ", "\n  ") } else { (":  ", ", ") };
        for (at, (number, what, style)) in parts.into_iter().filter(|(number, ..)| *number > 0).enumerate() {
            let separator = if at == 0 { first } else { next };
            write!(f, "{separator}{}", look.ink(style, format_args!("{number} {what}")))?;
        }
        if plan.is_noop() {
            return write!(f, "\n{}; {} a month", look.ink(GREEN, "nothing to do"), usd(plan.usd_per_month()));
        }
        let (all, new) = (usd(plan.usd_per_month()), usd(plan.added_usd_per_month()));
        let actions = count(plan.iam_actions().len(), "IAM action", "IAM actions");
        hanging(f, look, "", 0, &format!("about {} on the critical path, {all} a month ({new} of it new), {actions}", clock(total)))
    }

    fn layers(&self, f: &mut fmt::Formatter<'_>, chain: &[&StepKey]) -> fmt::Result {
        let look = self.look;
        let mut layers: Vec<&str> = Vec::new();
        for step in self.plan.steps() {
            if !layers.contains(&step.key.layer()) {
                layers.push(step.key.layer());
            }
        }
        let changed: Vec<&Step> = self.plan.changes().collect();
        let rows: Vec<Row<'_>> = changed.iter().map(|step| row(step)).collect();
        let table = Table::of(look, rows.iter());
        for layer in layers {
            let kept = self.plan.steps().iter().filter(|step| step.key.layer() == layer && step.action == Action::Keep).count();
            write!(f, "\n\n{}", look.ink(BOLD, layer))?;
            for (step, row) in changed.iter().zip(&rows).filter(|(step, _)| step.key.layer() == layer) {
                let (mark, style) = if step.action == Action::Update { ("~", YELLOW) } else { ("+", GREEN) };
                table.row(f, look, (mark, style), row, chain.contains(&&step.key))?;
                changes(f, look, LEAD + 2, &step.changes)?;
            }
            if kept > 0 {
                write!(f, "\n    {}", look.ink(DIM, format_args!("{kept} as they should be")))?;
            }
        }
        Ok(())
    }

    fn findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (look, findings) = (self.look, self.plan.findings());
        if !findings.is_empty() {
            write!(f, "\n\n{}", look.ink(BOLD, "to review"))?;
        }
        for finding in findings {
            let (mark, style) = if finding.severity == Severity::Warning { ("!", YELLOW) } else { ("·", DIM) };
            write!(f, "\n  {} {}", look.ink(style.bold(), mark), look.ink(style, &finding.step))?;
            hanging(f, look, "    ", 4, &finding.message)?;
        }
        Ok(())
    }

    fn critical_path(&self, f: &mut fmt::Formatter<'_>, total: Duration, chain: &[&StepKey]) -> fmt::Result {
        let look = self.look;
        let steps: Vec<&Step> =
            chain.iter().filter_map(|key| self.plan.step(key.as_str())).filter(|step| step.action != Action::Keep).collect();
        let key = steps.iter().map(|step| columns(step.key.as_str())).max().unwrap_or_default();
        let key = key.min(look.columns().saturating_sub(LEAD + 10));
        write!(f, "\n\n{}  {}", look.ink(BOLD, "critical path"), look.ink(CYAN, format_args!("about {}", clock(total))))?;
        for step in steps {
            let takes = clock(step.typical);
            write!(f, "\n  {} {}  {takes:>7}", look.ink(CYAN, "◆"), cell(step.key.as_str(), key))?;
            let share = step.typical.as_secs_f64() / total.as_secs_f64().max(1.0);
            let bar = (share * BAR).round() as usize;
            if bar > 0 && look.columns() >= LEAD + key + 11 + BAR as usize {
                write!(f, "  {}", look.ink(CYAN, "━".repeat(bar)))?;
            }
        }
        Ok(())
    }

    fn cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let look = self.look;
        let items = costs(self.plan);
        if items.is_empty() {
            return Ok(());
        }
        write!(f, "\n\n{}", look.ink(BOLD, "cost a month"))?;
        if look.columns() >= 60 {
            write!(f, "  {}", look.ink(DIM, "on demand, us-east-1, before traffic"))?;
        }
        for (item, number, usd) in items {
            let item = if number > 1 { format!("{number} × {item}") } else { item.to_owned() };
            write!(f, "\n  {usd:>9.2}  {}", fit(&item, look.columns().saturating_sub(13)))?;
        }
        write!(f, "\n  {:>9.2}  {}", look.ink(BOLD, format_args!("{:>9.2}", self.plan.usd_per_month())), look.ink(DIM, "together"))
    }

    fn permissions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<String> = services(self.plan).into_iter().map(|(service, names)| format!("{service} {}", names.len())).collect();
        write!(f, "\n\n{}", self.look.ink(BOLD, "IAM actions"))?;
        hanging(f, self.look, "    ", 4, &services.join(", "))
    }
}

/// Price items: what, how many, and together how many dollars a month; the dearest first.
pub(crate) fn costs(plan: &Plan) -> Vec<(&str, u32, f64)> {
    let mut items: BTreeMap<&str, (u32, f64)> = BTreeMap::new();
    for price in plan.steps().iter().flat_map(|step| &step.prices) {
        let entry = items.entry(price.item.as_str()).or_default();
        entry.0 += 1;
        entry.1 += price.usd_per_month;
    }
    let mut items: Vec<_> = items.into_iter().map(|(item, (number, usd))| (item, number, usd)).collect();
    items.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(b.0)));
    items
}

/// IAM actions by service.
pub(crate) fn services(plan: &Plan) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for action in plan.iam_actions() {
        let (service, name) = action.split_once(':').unwrap_or(("", action));
        services.entry(service).or_default().insert(name);
    }
    services
}

fn row(step: &Step) -> Row<'_> {
    let price: f64 = step.prices.iter().map(|price| price.usd_per_month).sum();
    Row {
        key: within(&step.key),
        title: &step.title,
        time: if step.typical >= WORTH_TELLING { clock(step.typical) } else { String::new() },
        price: if price >= CENT { usd(price) } else { String::new() },
    }
}

/// A key below the heading of its layer.
pub(super) fn within(key: &StepKey) -> &str {
    key.as_str().get(key.layer().len() + 1..).unwrap_or_default()
}

impl Table {
    pub(super) fn row(self, f: &mut fmt::Formatter<'_>, look: Look, mark: (&str, Style), row: &Row<'_>, critical: bool) -> fmt::Result {
        write!(f, "\n  {} {}", look.ink(mark.1, mark.0), cell(row.key, self.key))?;
        let mut line_so_far = String::new();
        if !self.narrow {
            // Where nothing follows, a title has the room of what would.
            let lonely = row.time.is_empty() && row.price.is_empty() && !critical;
            let room = [self.time, self.price].iter().filter(|width| **width > 0).map(|width| width + 2).sum::<usize>();
            line_so_far.push_str(&format!("  {}", cell(row.title, if lonely { self.title + room } else { self.title })));
            if lonely {
                return write!(f, "{}", line_so_far.trim_end());
            }
        }
        for (text, width) in [(&row.time, self.time), (&row.price, self.price)] {
            if width > 0 {
                line_so_far.push_str(&format!("  {text:>width$}"));
            }
        }
        if critical {
            write!(f, "{line_so_far} {}", look.ink(CYAN, "◆"))?;
        } else {
            write!(f, "{}", line_so_far.trim_end())?;
        }
        if self.narrow {
            write!(f, "\n      {}", look.ink(DIM, fit(&line(row.title), self.title)))?;
        }
        Ok(())
    }
}
