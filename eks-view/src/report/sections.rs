//! The sections about the plan, the account and what went wrong.

use std::collections::BTreeMap;

use eks_core::{Action, Finding, Plan, Severity, Survivor, Verdict};

use super::html::Html;
use crate::{
    explain::Explained,
    look::{count, usd},
    text::{CENT, costs, services},
};

pub(super) fn failure(html: &mut Html, failure: &Explained) {
    let (first, more) = failure.summary.split_once('\n').unwrap_or((&failure.summary, ""));
    html.raw("<section class=\"failure\">\n<h2>What went wrong</h2>\n").element("p", "", first);
    if !more.is_empty() {
        html.element("pre", "", more.trim_end());
    }
    for trouble in &failure.troubles {
        html.raw("<div class=\"trouble\">");
        if !trouble.place.is_empty() {
            html.raw("<h3>").element("code", "", &trouble.place).raw("</h3>");
        }
        html.raw("<dl>");
        let request = trouble.request_id.as_deref().unwrap_or_default();
        for (name, text) in [("what", &*trouble.what), ("why", &trouble.why), ("do", &trouble.remedy), ("request", request)] {
            if !text.is_empty() {
                html.element("dt", "", name).element("dd", "", text);
            }
        }
        html.raw("</dl>");
        if !trouble.details.is_empty() {
            html.raw("<ul>");
            for detail in &trouble.details {
                html.element("li", "", detail);
            }
            html.raw("</ul>");
        }
        html.raw("</div>\n");
    }
    for then in &failure.then {
        html.element("p", "", then);
    }
    html.raw("</section>\n");
}

pub(super) fn verdict(html: &mut Html, verdict: &Verdict) {
    html.raw("<section>\n<h2>Verdict</h2>\n");
    if verdict.is_clean() {
        html.raw("<p><strong class=\"good\">clean</strong> The account was looked through after the last removal: nothing is left.</p>\n");
    } else {
        let left = verdict.survivors();
        let price: f64 = left.iter().map(|survivor| survivor.usd_per_month).sum();
        html.raw("<p><strong class=\"bad\">leaked</strong> ");
        html.text(format_args!("{} left, {} a month.", count(left.len(), "thing is", "things are"), usd(price))).raw("</p>\n");
        survivors(html, left);
    }
    html.raw("</section>\n");
}

pub(super) fn stays(html: &mut Html, stays: &[Survivor]) {
    if !stays.is_empty() {
        html.raw("<section>\n<h2>Stays</h2>\n");
        survivors(html, stays);
        html.raw("</section>\n");
    }
}

fn survivors(html: &mut Html, survivors: &[Survivor]) {
    let mut survivors: Vec<&Survivor> = survivors.iter().collect();
    survivors.sort_by(|one, other| other.usd_per_month.total_cmp(&one.usd_per_month));
    html.raw("<ul class=\"cards\">\n");
    for survivor in survivors {
        html.raw("<li><p><strong>").text(&survivor.kind).raw("</strong> ").element("code", "", &survivor.id);
        if survivor.usd_per_month >= CENT {
            html.element("span", "price", format_args!("{} a month", usd(survivor.usd_per_month)));
        }
        html.raw("</p><dl><dt>why</dt>").element("dd", "", &survivor.why);
        html.raw("<dt>do</dt>").element("dd", "", &survivor.remedy).raw("</dl></li>\n");
    }
    html.raw("</ul>\n");
}

pub(super) fn findings(html: &mut Html, findings: &[&Finding]) {
    if findings.is_empty() {
        return;
    }
    html.raw("<section>\n<h2>To review</h2>\n<ul class=\"cards\">\n");
    for finding in findings {
        let warning = finding.severity == Severity::Warning;
        html.raw(if warning { "<li class=\"warning\"><p><strong class=\"warn\">warning</strong> " } else { "<li><p>" });
        html.element("code", "", &finding.step).raw("</p>").element("p", "", &finding.message).raw("</li>\n");
    }
    html.raw("</ul>\n</section>\n");
}

/// What was changed in place, setting by setting.
pub(super) fn changes(html: &mut Html, plan: &Plan) {
    let updates: Vec<_> = plan.steps().iter().filter(|step| step.action == Action::Update).collect();
    if updates.is_empty() {
        return;
    }
    html.raw("<section>\n<h2>Changes</h2>\n<ul class=\"cards\">\n");
    for step in updates {
        html.raw("<li><p>").element("code", "", &step.key).raw(" ").text(&step.title).raw("</p>");
        if !step.changes.is_empty() {
            html.raw("<ul>");
            for change in &step.changes {
                html.element("li", "", change);
            }
            html.raw("</ul>");
        }
        html.raw("</li>\n");
    }
    html.raw("</ul>\n</section>\n");
}

/// What it costs a month, with each item's share as a bar.
pub(super) fn cost(html: &mut Html, plan: &Plan) {
    let items = costs(plan);
    if items.is_empty() {
        return;
    }
    let (total, new) = (plan.usd_per_month(), plan.added_usd_per_month());
    let most = items.iter().map(|(_, _, usd)| *usd).fold(0.01, f64::max);
    html.raw("<section>\n<h2>Cost</h2>\n<table class=\"shares\"><thead><tr><th scope=\"col\">Item</th>");
    html.raw("<th scope=\"col\" class=\"number\">$ a month</th></tr></thead><tbody>\n");
    for (item, number, usd) in items {
        html.raw("<tr><th scope=\"row\">").text(if number > 1 { format!("{number} × {item}") } else { item.to_owned() });
        html.raw("<span class=\"share\" aria-hidden=\"true\" style=\"width:").text(format_args!("{:.1}%", usd / most * 100.0));
        html.raw("\"></span></th>").element("td", "number", format_args!("{usd:.2}")).raw("</tr>\n");
    }
    html.raw("</tbody><tfoot><tr><th scope=\"row\">together");
    html.text(if (total - new).abs() < CENT { ", all of it new".to_owned() } else { format!(", {} of it new", usd(new)) });
    html.raw("</th>").element("td", "number", format_args!("{total:.2}")).raw("</tr></tfoot></table>\n</section>\n");
}

pub(super) fn calls(html: &mut Html, calls: &BTreeMap<String, BTreeMap<String, u64>>) {
    if calls.is_empty() {
        return;
    }
    let total: u64 = calls.values().flat_map(BTreeMap::values).sum();
    html.raw("<section>\n<h2>Calls</h2>\n").element(
        "p",
        "",
        format_args!("{total} calls to {}.", count(calls.len(), "service", "services")),
    );
    let mut services: Vec<(&String, u64, &BTreeMap<String, u64>)> =
        calls.iter().map(|(service, operations)| (service, operations.values().sum(), operations)).collect();
    services.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    for (service, calls, operations) in services {
        html.raw("<details><summary>").element("strong", "", service).text(format_args!(" {calls}"));
        html.raw("</summary>\n<table><thead><tr><th scope=\"col\">Operation</th><th scope=\"col\" class=\"number\">Calls</th></tr></thead><tbody>\n");
        let mut operations: Vec<(&String, &u64)> = operations.iter().collect();
        operations.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (operation, times) in operations {
            html.raw("<tr>").element("td", "", operation).element("td", "number", times).raw("</tr>\n");
        }
        html.raw("</tbody></table></details>\n");
    }
    html.raw("</section>\n");
}

pub(super) fn permissions(html: &mut Html, plan: &Plan) {
    let services = services(plan);
    if services.is_empty() {
        return;
    }
    html.raw("<section>\n<h2>IAM actions</h2>\n<p>What making and applying the plan must be permitted.</p>\n");
    for (service, actions) in services {
        html.raw("<details><summary>")
            .element("strong", "", service)
            .text(format_args!(" {}", actions.len()))
            .raw("</summary><p class=\"words\">");
        for action in actions {
            html.element("code", "", action);
        }
        html.raw("</p></details>\n");
    }
    html.raw("</section>\n");
}
