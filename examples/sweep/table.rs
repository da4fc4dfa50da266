//! What came out, by flow and trouble.

use std::{collections::BTreeMap, fmt};

use super::{Case, Flow, Trouble};

/// Counts of the cases of one flow and trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "not a published crate")]
pub struct Row {
    /// Cases.
    pub cases: usize,
    /// Those that came to the end of an undisturbed run.
    pub converged: usize,
    /// Those whose first process (of two at once: both) got through by itself.
    pub at_once: usize,
    /// Calls of all their processes.
    pub calls: u64,
    /// Things twice, untold.
    pub duplicates: usize,
    /// Things twice, told by the next run and removed by a teardown.
    pub reported: usize,
    /// Things left that should not be.
    pub leaks: usize,
    /// Things of others that were changed.
    pub touched: usize,
    /// Panics.
    pub panics: usize,
}

/// All that came out.
#[derive(Clone, Debug, Default)]
pub struct Table {
    flows: BTreeMap<Flow, u64>,
    rows: BTreeMap<(Flow, Trouble), Row>,
    failures: Vec<Case>,
}

impl Table {
    pub(super) fn flow(&mut self, flow: Flow, calls: u64) {
        self.flows.insert(flow, calls);
    }

    pub(super) fn add(&mut self, case: Case) {
        let row = self.rows.entry((case.flow, case.trouble)).or_default();
        row.cases += 1;
        row.converged += usize::from(case.converged);
        row.at_once += usize::from(case.at_once);
        row.calls += case.calls;
        row.duplicates += case.duplicates;
        row.reported += case.reported;
        row.leaks += case.leaks;
        row.touched += case.touched;
        row.panics += case.panics;
        if !case.converged {
            self.failures.push(case);
        }
    }

    /// How many calls each flow makes, undisturbed.
    pub fn flows(&self) -> &BTreeMap<Flow, u64> {
        &self.flows
    }

    /// Counts by flow and trouble.
    pub fn rows(&self) -> &BTreeMap<(Flow, Trouble), Row> {
        &self.rows
    }

    /// Cases that did not converge.
    pub fn failures(&self) -> &[Case] {
        &self.failures
    }

    /// The sum of all rows.
    pub fn total(&self) -> Row {
        self.rows.values().fold(Row::default(), |sum, row| Row {
            cases: sum.cases + row.cases,
            converged: sum.converged + row.converged,
            at_once: sum.at_once + row.at_once,
            calls: sum.calls + row.calls,
            duplicates: sum.duplicates + row.duplicates,
            reported: sum.reported + row.reported,
            leaks: sum.leaks + row.leaks,
            touched: sum.touched + row.touched,
            panics: sum.panics + row.panics,
        })
    }

    /// As a table of Markdown, which is a table for eyes as well.
    fn lines(&self) -> Vec<[String; 11]> {
        let line = |flow: String, trouble: String, row: &Row| {
            let numbers = [row.cases, row.converged, row.at_once];
            let [cases, converged, at_once] = numbers.map(|number| number.to_string());
            let [duplicates, reported, leaks, touched, panics] =
                [row.duplicates, row.reported, row.leaks, row.touched, row.panics].map(|number| number.to_string());
            [flow, trouble, cases, converged, at_once, row.calls.to_string(), duplicates, reported, leaks, touched, panics]
        };
        let mut lines = vec![COLUMNS.map(str::to_owned)];
        lines.extend(self.rows.iter().map(|((flow, trouble), row)| line(flow.to_string(), trouble.to_string(), row)));
        lines.push(line("all".to_owned(), String::new(), &self.total()));
        lines
    }
}

const COLUMNS: [&str; 11] =
    ["flow", "at a call", "cases", "converged", "at once", "calls", "duplicates", "told", "leaks", "touched", "panics"];

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        let widths: Vec<usize> = (0..COLUMNS.len()).map(|at| lines.iter().map(|line| line[at].len()).max().unwrap_or_default()).collect();
        for (nth, line) in lines.iter().enumerate() {
            for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
                if at < 2 { write!(f, "| {cell:width$} ")? } else { write!(f, "| {cell:>width$} ")? }
            }
            writeln!(f, "|")?;
            if nth == 0 {
                for (at, width) in widths.iter().enumerate() {
                    write!(f, "|{:-<1$}{2}", "", width + 1, if at < 2 { "-" } else { ":" })?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
