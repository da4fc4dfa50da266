//! One picture of a running run: a line for each step, and what remains.

use std::time::Duration;

use eks_core::{StepKey, engine::Purpose};

use crate::{
    board::{Board, Doing, Live},
    look::{BOLD, CYAN, DIM, Look, RED, YELLOW, cell, clock, columns, fit, line},
};

/// More lines than these nobody reads.
const MOST: usize = 16;
/// Lines besides those of steps, and one for whoever types.
const OTHERS: usize = 4;
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// Cells of a bar, where there is room for one.
const BAR: usize = 12;

/// The lines of a run at this time, for a terminal of `rows` rows and as many columns as `look` has; `tick` turns the spinner.
pub(super) fn frame(board: &Board, now: Duration, look: Look, rows: usize, tick: usize) -> String {
    let (left, chain) = board.remaining(now);
    let most = rows.saturating_sub(OTHERS).clamp(1, MOST);
    let mut shown: Vec<&Live> = board.running.iter().collect();
    if shown.len() > most {
        // What the end waits for comes first, then what takes longest; the order of the lines stays that in which they began.
        shown.sort_by_key(|live| (!chain.contains(&&live.key), std::cmp::Reverse(live.typical)));
        shown.truncate(most);
        shown.sort_by_key(|live| live.began);
    }
    let spinner = SPINNER[tick % SPINNER.len()];
    let mut lines: Vec<String> = shown.iter().map(|live| step(live, now, look, spinner, chain.contains(&&live.key))).collect();
    if board.running.len() > shown.len() {
        lines.push(look.ink(DIM, format_args!("    and {} more", board.running.len() - shown.len())).to_string());
    }
    lines.push(totals(board, look, now, left));
    lines.extend(rest(&chain, look));
    lines.join("\n")
}

/// A step: what it is doing, and for how long, against how long it typically takes.
fn step(live: &Live, now: Duration, look: Look, spinner: char, critical: bool) -> String {
    let width = look.columns();
    let elapsed = now.saturating_sub(live.began);
    let expects = live.typical >= Duration::from_secs(2);
    let late = expects && elapsed > live.typical.mul_f64(1.5);
    let time = if expects { format!("{} of {}", clock(elapsed), clock(live.typical)) } else { clock(elapsed) };
    let bar = if width >= 96 { BAR + 1 } else { 0 };
    let time_room = if width >= 60 { 17 } else { columns(&time) };
    // Indentation, spinner, mark, and the gaps between.
    let room = width.saturating_sub(5 + time_room + bar + 3);
    let key_room = if room >= 44 { (room * 55 / 100).min(44) } else { room };
    let (doing, style) = match &live.doing {
        Doing::Calling => (live.title.clone(), DIM),
        Doing::Waiting { state } => (state.clone(), CYAN),
        Doing::Retrying { attempt, at, error } => {
            (format!("attempt {} in {}: {error}", attempt + 1, clock(at.saturating_sub(now))), YELLOW)
        }
    };
    let mut text = format!(
        "  {} {}",
        look.ink(CYAN, spinner),
        look.ink(if critical { BOLD } else { anstyle::Style::new() }, cell(live.key.as_str(), key_room))
    );
    if room > key_room + 1 {
        text.push_str(&format!(" {}", look.ink(style, cell(&line(&doing), room - key_room - 1))));
    }
    text.push_str(&format!(" {}", look.ink(if late { YELLOW } else { DIM }, format_args!("{time:>time_room$}"))));
    if bar > 0 {
        text.push_str(&format!(" {}", gauge(live, elapsed, look, expects)));
    }
    if critical {
        text.push_str(&format!(" {}", look.ink(CYAN, "◆")));
    }
    text
}

fn gauge(live: &Live, elapsed: Duration, look: Look, expects: bool) -> String {
    let share = if expects { (elapsed.as_secs_f64() / live.typical.as_secs_f64()).min(1.0) } else { 0.0 };
    let full = (share * BAR as f64).floor() as usize;
    format!("{}{}", look.ink(CYAN, "━".repeat(full)), look.ink(DIM, "╌".repeat(BAR - full)))
}

fn totals(board: &Board, look: Look, now: Duration, left: Duration) -> String {
    let what = if board.purpose == Some(Purpose::Remove) { "removed" } else { "done" };
    let mut text = format!("about {} left · {} of {} {what} · {} running", clock(left), board.done, board.total, board.running.len());
    if board.skipped > 0 {
        text.push_str(&format!(" · {} not tried", board.skipped));
    }
    let failed = if board.failed > 0 { format!("{} failed · ", board.failed) } else { String::new() };
    let room = look.columns().saturating_sub(3);
    let whole = fit(&format!("{text} · {} so far", clock(now)), room.saturating_sub(columns(&failed)));
    format!("  {}{}", look.ink(RED.bold(), failed), look.ink(BOLD, whole))
}

/// The chain that the end waits for, as far as there is room.
fn rest(chain: &[&StepKey], look: Look) -> Option<String> {
    let room = look.columns().saturating_sub(5);
    let (first, others) = chain.split_first()?;
    let mut text = fit(first.as_str(), room);
    for (at, key) in others.iter().enumerate() {
        let next = format!(" → {key}");
        let more = others.len() - at;
        let tail = if more > 1 { columns(&format!(" → {more} more")) } else { 0 };
        if columns(&text) + columns(&next) + tail > room {
            let more = format!(" → {more} more");
            if columns(&text) + columns(&more) <= room {
                text.push_str(&more);
            }
            break;
        }
        text.push_str(&next);
    }
    Some(format!("  {} {}", look.ink(CYAN, "◆"), look.ink(DIM, text)))
}
