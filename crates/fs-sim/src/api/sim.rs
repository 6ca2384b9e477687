//! `sim`: faults to order through the Event Socket, which no real server has.

use super::{Answer, Call, text};
use crate::fault::{self, OrderNumber, TABLE};

const USAGE: &str = "\
sim fault KIND [share 0.01] [delay 250ms] [gap 1ms] [at 10s] [for 2s] [against WHOM]
sim faults
sim clear [NUMBER|KIND|all]
A share is of events, frames, commands or jobs, and 1 if it is not given. Without a time a fault stays until it is
cleared. WHOM is everyone, newcomers, me, others, an address, or but an address. The kinds:
";

pub(super) fn sim(call: Call<'_>) -> Answer {
    let (word, rest) = call.arguments.split_once(' ').unwrap_or((call.arguments, ""));
    match word {
        "" => text(usage()),
        "fault" => order(call, rest),
        "faults" => list(&call),
        "clear" => clear(call, rest.trim()),
        _ => text(format!("-ERR unknown word \"{word}\": sim without arguments says what there is\n")),
    }
}

fn usage() -> String {
    let line = |kind: &fault::Kind| format!("  {:<17}{:<13}{}\n", kind.name, kind.takes.join(" "), kind.about);
    USAGE.chars().chain(TABLE.iter().map(line).collect::<String>().chars()).collect()
}

/// The fault may swallow this answer.
fn order(call: Call<'_>, words: &str) -> Answer {
    let me = call.switch.address_of(&call.job.waits);
    let now = call.switch.since_start(call.now);
    match fault::read(words, me).and_then(|planned| call.switch.faults.order(now, planned)) {
        Ok(number) => text(format!("+OK {number}\n")),
        Err(reason) => text(format!("-ERR {reason}\n")),
    }
}

fn list(call: &Call<'_>) -> Answer {
    let now = call.switch.since_start(call.now);
    let orders = call.switch.faults.orders();
    if orders.is_empty() {
        return text("none\n");
    }
    text(orders.iter().map(|order| order.describe(now) + "\n").collect::<String>())
}

fn clear(call: Call<'_>, what: &str) -> Answer {
    let now = call.switch.since_start(call.now);
    let faults = &mut call.switch.faults;
    let cleared = match what.parse::<u64>() {
        Ok(number) => faults.clear(now, |order| order.number == OrderNumber(number)),
        Err(_) if what.is_empty() || what == "all" => faults.clear(now, |_| true),
        Err(_) if TABLE.iter().any(|kind| kind.name == what) => {
            faults.clear(now, |order| order.planned.fault.name() == what)
        }
        Err(_) => return text(format!("-ERR \"{what}\" is no number of an order, no kind of fault, and not all\n")),
    };
    text(format!("+OK cleared: {cleared}\n"))
}
