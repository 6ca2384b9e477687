//! `uuid_send_dtmf`, `uuid_recv_dtmf` and `uuid_flush_dtmf`.

use super::{Answer, Call, text};
use crate::dial_string::words;

const USAGE: &str = "-USAGE: <uuid> <dtmf_data>\n";
const NO_SESSION: &str = "-ERR Cannot locate session!\n";

pub(super) fn uuid_send_dtmf(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, digits, ..] = words.as_slice() else { return text(USAGE) };
    let Some(id) = call.switch.find(uuid) else { return text(NO_SESSION) };
    text(if call.switch.send_digits(call.now, id, digits) {
        format!("+OK {uuid} sent DTMF {digits}.\n")
    } else {
        "-ERR Operation failed\n".to_owned()
    })
}

pub(super) fn uuid_recv_dtmf(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [uuid, digits, ..] = words.as_slice() else { return text(USAGE) };
    let Some(id) = call.switch.find(uuid) else { return text(NO_SESSION) };
    text(if call.switch.receive_digits(call.now, id, digits, "APP") {
        format!("+OK {uuid} received DTMF {digits}.\n")
    } else {
        USAGE.to_owned()
    })
}

pub(super) fn uuid_flush_dtmf(call: Call<'_>) -> Answer {
    let Some(channel) = call.switch.find(call.arguments).and_then(|id| call.switch.channels.get_mut(&id)) else {
        return text("-ERR No such session\n");
    };
    channel.thread.flush_digits();
    text("+OK\n")
}
