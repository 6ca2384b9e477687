//! `uuid_kill` and `hupall`.

use super::{Answer, Call, NO_SUCH_CHANNEL, text};
use crate::{cause::Cause, channel::SessionId, dial_string::words, switch::HangUps};

pub(super) fn uuid_kill(call: Call<'_>) -> Answer {
    if call.arguments.is_empty() {
        return text("-USAGE: <uuid> [cause]\n");
    }
    let (uuid, cause) = call.arguments.split_once(' ').unwrap_or((call.arguments, ""));
    let cause = if cause.is_empty() { Cause::NORMAL_CLEARING } else { Cause::from_command(cause) };
    let Some(id) = call.switch.find(uuid) else { return text(NO_SUCH_CHANNEL) };
    call.switch.hang_up(call.now, id, cause);
    text("+OK\n")
}

/// `hupall [cause] [variable value]…`: with an empty value the variable does not count, and everybody is
/// hung up.
pub(super) fn hupall(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let cause = match words.first().map(|word| Cause::from_command(word)) {
        None | Some(Cause(0)) => Cause::MANAGER_REQUEST,
        Some(cause) => cause,
    };
    let wanted: Vec<(&str, &str)> =
        words.get(1..).unwrap_or_default().chunks_exact(2).map(|pair| (&*pair[0], &*pair[1])).collect();
    let wanted: Vec<(&str, &str)> =
        wanted.into_iter().filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect();

    let met = |id: &SessionId| -> bool {
        let Some(channel) = call.switch.channels.get(id) else { return false };
        wanted.iter().all(|(name, value)| channel.variables.get(name) == Some(*value))
    };
    let left: Vec<SessionId> = call.switch.channels.keys().rev().copied().filter(met).collect();

    let name_of_cause = cause.name();
    let output = match wanted.as_slice() {
        [] => format!("+OK hangup all channels with cause {name_of_cause}\n"),
        [(name, value)] => format!("+OK hangup all channels matching [{name}]=[{value}] with cause: {name_of_cause}\n"),
        [(name, value), ..] => {
            format!("+OK hangup all channels matching [{name}]=[{value}]... with cause: {name_of_cause}\n")
        }
    };
    hang_up_all(call, left, cause, output)
}

/// Hangs up so many channels, the last one first; then the command says `output`.
pub(super) fn hang_up_all(call: Call<'_>, left: Vec<SessionId>, cause: Cause, output: String) -> Answer {
    let all = HangUps { left, cause, job: call.job.clone(), output };
    call.switch.hang_up_all(call.now, all).map_or(Answer::Later, |all| text(all.output))
}
