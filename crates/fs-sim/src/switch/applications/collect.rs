//! `read` and `play_and_get_digits`: a file plays, digits are waited for, and judged (switch_ivr_play_say.c
//! `switch_ivr_read`, `switch_play_and_get_digits`; switch_ivr.c `switch_ivr_collect_digits_count`).

use std::time::Duration;

use super::{End, Next};
use crate::{
    channel::{Asks, Collect, CollectStage, Doing, Judges, SessionId},
    dial_string::words,
    switch::{Redirect, Switch, execute::leading_number},
};

/// Digits that one of these takes: the length of its buffer (mod_dptools).
const DIGITS_MAX: usize = 128;

/// The most tries: FreeSWITCH has no limit, but a client's mistake with files that are not there would take for ever.
const TRIES_MAX: u32 = 1_000;

/// No wait for the first digit is shorter (mod_dptools).
const TIMEOUT_MIN_MS: i64 = 1_000;

/// What follows.
enum Then {
    Waits(Box<Collect>),
    /// It asks once more.
    Again(Box<Collect>),
    Over,
}

/// How reading ended (`switch_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Success,
    Timeout,
    TooSmall,
    /// A terminator that asks for everything again.
    Restart,
    Failed,
}

/// `<min> <max> <file> [<variable> [<timeout> [<terminators> [<digit timeout>]]]]`
pub(super) fn read(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if words.is_empty() {
        return Next::Done;
    }
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let asks = asks(word(0), word(1), word(4), word(5), word(6), 1);
    start(switch, now, id, Asks { prompt: word(2).to_owned(), variable: word(3).to_owned(), ..asks })
}

/// `<min> <max> <tries> <timeout> <terminators> <file> <invalid file> <variable> <pattern> [<digit timeout>
/// [<extension> …]]`
pub(super) fn play_and_get_digits(switch: &mut Switch, now: Duration, id: SessionId, data: &str) -> Next {
    let words = words(data);
    if words.is_empty() {
        return Next::Done;
    }
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let tries = u32::try_from(leading_number(word(2))).unwrap_or(TRIES_MAX).min(TRIES_MAX);
    let judges = Judges {
        tries,
        invalid: word(6).to_owned(),
        pattern: word(8).to_owned(),
        transfer: words.get(10..).map_or(String::new(), |rest| rest.join(" ")),
    };
    let asks = asks(word(0), word(1), word(3), word(4), word(9), 0);
    if let Some(channel) = switch.channels.get_mut(&id)
        && !judges.pattern.is_empty()
        && !word(7).is_empty()
    {
        channel.variables.unset(&format!("{}_invalid", word(7)));
    }
    if tries == 0 {
        return Next::Done;
    }
    let (prompt, variable) = (word(5).to_owned(), word(7).to_owned());
    start(switch, now, id, Asks { prompt, variable, judges: Some(judges), ..asks })
}

fn asks(min: &str, max: &str, timeout: &str, terminators: &str, digit_timeout: &str, least: usize) -> Asks {
    let count = |text: &str| usize::try_from(leading_number(text)).unwrap_or(0);
    let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let digits_min = count(min).max(least);
    let timeout = ms(leading_number(timeout).max(TIMEOUT_MIN_MS));
    let digit_timeout = Some(ms(leading_number(digit_timeout))).filter(|time| !time.is_zero()).unwrap_or(timeout);
    Asks {
        digits_min,
        digits_max: count(max).max(digits_min),
        timeout,
        digit_timeout,
        terminators: if terminators.is_empty() { "#".to_owned() } else { terminators.to_owned() },
        prompt: String::new(),
        variable: String::new(),
        judges: None,
    }
}

fn start(switch: &mut Switch, now: Duration, id: SessionId, asks: Asks) -> Next {
    switch.early_media_if_none(now, id);
    let collect = Collect { asks, digits: String::new(), stage: CollectStage::Digits(now) };
    let collect = settle(switch, now, id, Then::Again(Box::new(collect)));
    collect.map_or(Next::Done, |collect| Next::Doing(Doing::Collect(collect)))
}

/// Asks until there is something to wait for: what the application waits in, or nothing if it is over.
fn settle(switch: &mut Switch, now: Duration, id: SessionId, mut then: Then) -> Option<Box<Collect>> {
    loop {
        match then {
            Then::Waits(collect) => return Some(collect),
            Then::Over => return None,
            Then::Again(collect) => then = ask(switch, now, id, collect),
        }
    }
}

fn ask(switch: &mut Switch, now: Duration, id: SessionId, mut collect: Box<Collect>) -> Then {
    collect.digits.clear();
    let Some(channel) = switch.channels.get_mut(&id) else { return Then::Over };
    channel.variables.unset("read_result");
    if !collect.asks.variable.is_empty() {
        channel.variables.unset(&collect.asks.variable);
    }
    if collect.asks.digits_max > DIGITS_MAX {
        return judge(switch, now, id, collect, Status::Failed);
    }
    if collect.asks.prompt.is_empty() || collect.asks.prompt.eq_ignore_ascii_case("silence") {
        return wait(switch, now, id, collect);
    }
    match switch.play_file(now, id, &collect.asks.prompt.clone()) {
        Some(playing) => {
            collect.stage = CollectStage::Prompt(playing);
            Then::Waits(collect)
        }
        None => ended(switch, now, id, collect, Status::Failed),
    }
}

/// The prompt is over: digits are waited for, unless there are enough.
fn wait(switch: &mut Switch, now: Duration, id: SessionId, mut collect: Box<Collect>) -> Then {
    let asks = &collect.asks;
    let count = collect.digits.len();
    if count >= asks.digits_max && count >= asks.digits_min {
        return read_over(switch, now, id, collect, Status::Success, None);
    }
    // A terminator that broke the prompt off.
    if let Some(at) = collect.digits.find(|digit| asks.terminators.contains(digit)) {
        let used = collect.digits[at..].chars().next();
        collect.digits.truncate(at);
        return read_over(switch, now, id, collect, Status::Success, used);
    }
    let time = if count > 0 { asks.digit_timeout } else { asks.timeout };
    collect.stage = CollectStage::Digits(now.saturating_add(time));
    Then::Waits(collect)
}

/// Digits have been read, or not: the variables say so.
fn read_over(
    switch: &mut Switch,
    now: Duration,
    id: SessionId,
    mut collect: Box<Collect>,
    status: Status,
    terminator: Option<char>,
) -> Then {
    let status = note_reading(switch, id, &mut collect, status, terminator);
    ended(switch, now, id, collect, status)
}

fn note_reading(
    switch: &mut Switch,
    id: SessionId,
    collect: &mut Collect,
    mut status: Status,
    terminator: Option<char>,
) -> Status {
    let Some(channel) = switch.channels.get_mut(&id) else { return status };
    let asks = &collect.asks;
    if let Some(used) = terminator {
        channel.variables.set("read_terminator_used", &used.to_string());
        // `+#` keeps the terminator among the digits, `x*` does so and asks for nothing again.
        let before = asks.terminators.find(used).and_then(|at| asks.terminators[..at].chars().next_back());
        if let Some(mark @ ('+' | 'x')) = before {
            collect.digits.push(used);
            if mark == 'x' {
                status = Status::Restart;
            }
        }
    } else if asks.terminators.starts_with('=') {
        status = Status::TooSmall;
    }
    if collect.digits.len() < asks.digits_min {
        status = Status::TooSmall;
    }
    let result = match status {
        Status::Success => "success",
        Status::Timeout => "timeout",
        _ => "failure",
    };
    channel.variables.set("read_result", result);
    status
}

/// The end of one reading, whatever came of it.
fn ended(switch: &mut Switch, now: Duration, id: SessionId, mut collect: Box<Collect>, status: Status) -> Then {
    note_digits(switch, id, &mut collect, status);
    judge(switch, now, id, collect, status)
}

fn note_digits(switch: &mut Switch, id: SessionId, collect: &mut Collect, status: Status) {
    let asks = &collect.asks;
    if status != Status::Restart
        && asks.digits_max == 1
        && collect.digits.len() == 1
        && collect.digits.chars().all(|digit| asks.terminators.contains(digit))
    {
        collect.digits.clear();
    }
    if let (false, false, Some(channel)) =
        (asks.variable.is_empty(), collect.digits.is_empty(), switch.channels.get_mut(&id))
    {
        channel.variables.set(&asks.variable, &collect.digits);
    }
}

/// Decides whether the digits are good, and asks again where they are not.
fn judge(switch: &mut Switch, now: Duration, id: SessionId, mut collect: Box<Collect>, status: Status) -> Then {
    let Some(judges) = &collect.asks.judges else { return Then::Over };
    let count = collect.digits.len();
    let good = status == Status::Success || status == Status::Timeout && count >= collect.asks.digits_min;
    if status == Status::Restart {
        return Then::Over;
    }
    let Some(channel) = switch.channels.get_mut(&id) else { return Then::Over };
    if count == 0 && collect.asks.digits_min == 0 && channel.variables.get("read_terminator_used").is_some() {
        return Then::Over;
    }
    if good && count > 0 {
        if judges.pattern.is_empty() || matches(&judges.pattern, &collect.digits) {
            return Then::Over;
        }
        channel.variables.unset(&collect.asks.variable);
        if !collect.asks.variable.is_empty() {
            channel.variables.set(&format!("{}_invalid", collect.asks.variable), &collect.digits);
        }
    }
    if !channel.is_up() {
        return Then::Over;
    }
    match switch.play_file(now, id, &judges.invalid.clone()) {
        Some(playing) => {
            collect.stage = CollectStage::Invalid(playing);
            Then::Waits(collect)
        }
        None => again(switch, now, id, collect),
    }
}

/// One more try, if there is one left.
fn again(switch: &mut Switch, now: Duration, id: SessionId, mut collect: Box<Collect>) -> Then {
    let Some(judges) = &mut collect.asks.judges else { return Then::Over };
    judges.tries = judges.tries.saturating_sub(1);
    if judges.tries > 0 {
        return Then::Again(collect);
    }
    if let Some(redirect) = Redirect::extension(&words(&judges.transfer)) {
        switch.send_elsewhere(now, id, redirect);
    }
    Then::Over
}

/// Whether digits match a pattern anywhere; a pattern that is none matches nothing.
fn matches(pattern: &str, digits: &str) -> bool {
    regex_lite::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(digits))
}

/// A digit has come in.
pub(in crate::switch) fn digit(switch: &mut Switch, now: Duration, id: SessionId, digit: char) {
    let Some(mut collect) = take(switch, id) else { return };
    let next = match &collect.stage {
        CollectStage::Prompt(playing) => {
            switch.stop_file(now, id, playing, true);
            collect.digits.push(digit);
            wait(switch, now, id, collect)
        }
        CollectStage::Digits(_) if collect.asks.terminators.contains(digit) => {
            read_over(switch, now, id, collect, Status::Success, Some(digit))
        }
        CollectStage::Digits(_) => {
            collect.digits.push(digit);
            if collect.digits.len() >= collect.asks.digits_max {
                read_over(switch, now, id, collect, Status::Success, None)
            } else {
                collect.stage = CollectStage::Digits(now.saturating_add(collect.asks.digit_timeout));
                Then::Waits(collect)
            }
        }
        CollectStage::Invalid(_) => Then::Waits(collect),
    };
    let next = settle(switch, now, id, next);
    let over = next.is_none();
    put(switch, now, id, next);
    if over {
        switch.over(now, id);
    }
}

/// What it waits for is over, or it is ended: `true` if it goes on.
pub(super) fn finish(switch: &mut Switch, now: Duration, id: SessionId, mut collect: Box<Collect>, end: End) -> bool {
    if let Some(playing) = collect.playing_mut() {
        if end == End::ItsOwn && switch.next_part(now, playing) {
            put(switch, now, id, Some(collect));
            return true;
        }
        switch.stop_file(now, id, playing, end == End::Broken);
    }
    if end == End::Cut {
        if let CollectStage::Digits(_) = collect.stage {
            note_reading(switch, id, &mut collect, Status::Failed, None);
            note_digits(switch, id, &mut collect, Status::Failed);
        }
        return false;
    }
    let next = match (&collect.stage, end) {
        (CollectStage::Prompt(_), _) => wait(switch, now, id, collect),
        (CollectStage::Digits(_), End::ItsOwn) => read_over(switch, now, id, collect, Status::Timeout, None),
        (CollectStage::Digits(_), _) => Then::Waits(collect),
        (CollectStage::Invalid(_), _) => again(switch, now, id, collect),
    };
    let next = settle(switch, now, id, next);
    let goes_on = next.is_some();
    put(switch, now, id, next);
    goes_on
}

fn take(switch: &mut Switch, id: SessionId) -> Option<Box<Collect>> {
    let run = switch.channels.get_mut(&id)?.thread.runs.last_mut()?;
    match std::mem::replace(&mut run.doing, Doing::Nothing) {
        Doing::Collect(collect) => Some(collect),
        other => {
            run.doing = other;
            None
        }
    }
}

fn put(switch: &mut Switch, now: Duration, id: SessionId, collect: Option<Box<Collect>>) {
    if let (Some(collect), Some(run)) =
        (collect, switch.channels.get_mut(&id).and_then(|channel| channel.thread.runs.last_mut()))
    {
        run.doing = Doing::Collect(collect);
    }
    switch.sound_changed(now, id);
}
