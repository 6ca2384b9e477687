//! The messages of a dialog as text, header by header as mod_sofia writes them. Only captures show them.

use std::{fmt::Write as _, net::Ipv4Addr};

use super::{
    Dialog, Identity, MAX_FORWARDS,
    messages::{ALLOW, USER_AGENT},
};
use crate::{
    cause::{Cause, sip_phrase},
    event::IPV4,
};

const SUPPORTED: &str = "timer, path, replaces";
const ALLOW_EVENTS: &str = "talk, hold, conference, refer";
const FS_SUPPORT: &str = "update_display,send_info";

/// Which end of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Near,
    Far,
}

/// A message as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Invite,
    Trying,
    Ringing,
    /// 183; `first` where nothing has been answered before, as below.
    Progress {
        first: bool,
    },
    Ok {
        first: bool,
    },
    Ack,
    Refusal {
        status: u16,
        phrase: Option<&'static str>,
        reason: Option<Cause>,
        first: bool,
    },
    AckOfRefusal,
    Cancel(Cause),
    OkOfCancel,
    Terminated,
    Bye {
        by: Side,
        cause: Cause,
    },
    OkOfBye {
        by: Side,
    },
}

impl Text {
    /// Who sends it.
    fn from(self) -> Side {
        match self {
            Text::Invite | Text::Ack | Text::AckOfRefusal | Text::Cancel(_) => Side::Near,
            Text::Bye { by, .. } => by,
            Text::OkOfBye { by: Side::Near } => Side::Far,
            Text::OkOfBye { by: Side::Far } => Side::Near,
            _ => Side::Far,
        }
    }
}

impl Dialog {
    /// Where a message comes from and goes to; the unspecified address where a name has not been answered yet.
    pub(crate) fn passage(&self, text: Text) -> [(Ipv4Addr, u16); 2] {
        let near = (self.near_host.parse().unwrap_or(Ipv4Addr::UNSPECIFIED), self.near_profile.port);
        let (hop, port) = self.next_hop();
        let host = if self.far_host().is_empty() { hop } else { self.far_host() };
        let far = (host.parse().unwrap_or(Ipv4Addr::UNSPECIFIED), port.parse().unwrap_or(self.far_profile.port));
        if text.from() == Side::Near { [near, far] } else { [far, near] }
    }

    /// The message itself.
    pub(crate) fn text(&self, text: Text) -> String {
        let mut out = Lines(String::with_capacity(1_280));
        match text {
            Text::Invite => self.invite(&mut out),
            Text::Trying => {
                self.answer(&mut out, "100 Trying", "INVITE", false);
                out.header("User-Agent", &USER_AGENT);
                out.header("Content-Length", "0");
            }
            Text::Ringing => {
                self.accepting(&mut out, "180 Ringing", true);
                out.header("Content-Length", "0");
                self.callee_headers(&mut out, true);
            }
            Text::Progress { first } => self.with_media(&mut out, "183 Session Progress", first),
            Text::Ok { first } => self.with_media(&mut out, "200 OK", first),
            Text::Ack => {
                let uri = format!("{};transport=udp", self.far_contact());
                self.request_head(&mut out, "ACK", &uri, &self.end_branch, None);
                self.parties(&mut out, Side::Near, true);
                self.sequence(&mut out, self.cseq, "ACK");
                out.header("Contact", &format!("<{}>", self.near_url()));
                out.header("Content-Length", "0");
            }
            Text::Refusal { status, phrase, reason, first } => self.refusal(&mut out, status, phrase, reason, first),
            Text::AckOfRefusal => {
                self.request_head(&mut out, "ACK", &self.request(), &self.branch, self.path.as_deref());
                self.parties(&mut out, Side::Near, true);
                self.sequence(&mut out, self.cseq, "ACK");
                out.header("Content-Length", "0");
            }
            Text::Cancel(cause) => {
                self.request_head(&mut out, "CANCEL", &self.request(), &self.branch, self.path.as_deref());
                self.parties(&mut out, Side::Near, false);
                self.sequence(&mut out, self.cseq, "CANCEL");
                out.header("Reason", &cause.sip_reason());
                out.header("Content-Length", "0");
            }
            Text::OkOfCancel => {
                self.answer(&mut out, "200 OK", "CANCEL", true);
                out.header("Content-Length", "0");
            }
            Text::Terminated => {
                self.answer(&mut out, "487 Request Terminated", "INVITE", true);
                out.header("User-Agent", &USER_AGENT);
                abilities(&mut out);
                out.header("Allow-Events", ALLOW_EVENTS);
                out.header("Content-Length", "0");
            }
            Text::Bye { by, cause } => self.bye(&mut out, by, cause),
            Text::OkOfBye { by } => {
                out.line("SIP/2.0 200 OK");
                out.header("Via", &self.answered_via(by, &self.bye_branch));
                self.parties(&mut out, by, true);
                self.sequence(&mut out, self.bye_cseq(by), "BYE");
                out.header("User-Agent", &USER_AGENT);
                abilities(&mut out);
                out.header("Content-Length", "0");
            }
        }
        out.end()
    }

    fn invite(&self, out: &mut Lines) {
        self.request_head(out, "INVITE", &self.request(), &self.branch, self.path.as_deref());
        self.parties(out, Side::Near, false);
        self.sequence(out, self.cseq, "INVITE");
        out.header("Contact", &format!("<{}>", self.near_url()));
        out.header("User-Agent", &USER_AGENT);
        abilities(out);
        out.header("Allow-Events", ALLOW_EVENTS);
        if self.identity != Identity::Rpid {
            out.header("Privacy", "none");
        }
        let sdp = self.near.sdp(&self.near_host, &self.near_host, "");
        media_headers(out, &sdp);
        for (variable, value) in &self.headers {
            out.header(variable.strip_prefix("sip_h_").unwrap_or(variable), value);
        }
        out.header("X-FS-Support", FS_SUPPORT);
        let party = format!("{}<sip:{}>", self.display(), self.caller());
        match self.identity {
            Identity::Rpid => {
                out.header("Remote-Party-ID", &format!("{party};party=calling;screen=yes;privacy=off"));
            }
            Identity::Pid => out.header("P-Asserted-Identity", &party),
            Identity::Unsaid => {}
        }
        out.body(&sdp);
    }

    fn refusal(&self, out: &mut Lines, status: u16, phrase: Option<&str>, reason: Option<Cause>, first: bool) {
        let line = format!("SIP/2.0 {status} {}", phrase.unwrap_or_else(|| sip_phrase(status)));
        out.line(&line);
        out.header("Via", &self.via(&self.branch));
        // The channel's own refusals carry these; its server's own, before there is a channel, does not.
        if reason.is_some() {
            out.header("Max-Forwards", &self.max_forwards.to_string());
        }
        self.parties(out, Side::Near, true);
        self.sequence(out, self.cseq, "INVITE");
        if reason.is_none() {
            out.header("Retry-After", "300");
        }
        out.header("User-Agent", &USER_AGENT);
        if first {
            out.header("Accept", "application/sdp");
        }
        abilities(out);
        out.header("Allow-Events", ALLOW_EVENTS);
        if let Some(cause) = reason {
            out.header("Reason", &cause.sip_reason());
        }
        out.header("Content-Length", "0");
        if reason.is_some() {
            self.callee_headers(out, false);
        }
    }

    fn bye(&self, out: &mut Lines, by: Side, cause: Cause) {
        let uri = match by {
            Side::Near => format!("{};transport=udp", self.far_contact()),
            Side::Far => self.near_url().trim_start_matches("sip:").to_owned(),
        };
        out.line(&format!("BYE sip:{uri} SIP/2.0"));
        out.header("Via", &self.sent_via(by, &self.bye_branch));
        out.header("Max-Forwards", "70");
        self.parties(out, by, true);
        self.sequence(out, self.bye_cseq(by), "BYE");
        out.header("User-Agent", &USER_AGENT);
        abilities(out);
        out.header("Reason", &cause.sip_reason());
        out.header("Content-Length", "0");
    }

    /// A 183 or a 200 with the far side's session description.
    fn with_media(&self, out: &mut Lines, status: &str, first: bool) {
        self.accepting(out, status, first);
        let sdp = self.far.sdp(IPV4, self.far_host(), "");
        media_headers(out, &sdp);
        self.callee_headers(out, true);
        out.body(&sdp);
    }

    /// The headers of an answer that goes on with the call, up to what it is about.
    fn accepting(&self, out: &mut Lines, status: &str, first: bool) {
        self.answer(out, status, "INVITE", true);
        out.header("Contact", &format!("<sip:{};transport=udp>", self.far_contact()));
        out.header("User-Agent", &USER_AGENT);
        if first {
            out.header("Accept", "application/sdp");
        }
        abilities(out);
        out.header("Allow-Events", ALLOW_EVENTS);
    }

    /// Whom the far leg says that has been reached.
    fn callee_headers(&self, out: &mut Lines, supports: bool) {
        let (name, number) = self.callee();
        let uri = format!("sip:{number}@{}", self.host);
        out.header("X-FS-Display-Name", name);
        out.header("X-FS-Display-Number", &uri);
        if supports {
            out.header("X-FS-Support", FS_SUPPORT);
        }
        match self.identity {
            Identity::Rpid => {
                let party = format!("\"{name}\" <{uri}>;party=calling;privacy=off;screen=no");
                out.header("Remote-Party-ID", &party);
            }
            Identity::Pid => out.header("P-Asserted-Identity", &format!("\"{name}\" <{uri}>")),
            Identity::Unsaid => {}
        }
    }

    /// A request of the near leg up to its `Max-Forwards`.
    fn request_head(&self, out: &mut Lines, method: &str, uri: &str, branch: &str, path: Option<&str>) {
        out.line(&format!("{method} sip:{uri} SIP/2.0"));
        out.header("Via", &self.sent_via(Side::Near, branch));
        if let Some(path) = path {
            out.header("Route", &format!("<sip:{path}>"));
        }
        let forwards = if method == "INVITE" { self.max_forwards } else { MAX_FORWARDS };
        out.header("Max-Forwards", &forwards.to_string());
    }

    /// An answer to a request of the near leg up to its `CSeq`.
    fn answer(&self, out: &mut Lines, status: &str, method: &str, tagged: bool) {
        out.line(&format!("SIP/2.0 {status}"));
        out.header("Via", &self.via(&self.branch));
        self.parties(out, Side::Near, tagged);
        self.sequence(out, self.cseq, method);
    }

    /// `From` and `To` of a request by `side`, and of its answer.
    fn parties(&self, out: &mut Lines, side: Side, tagged: bool) {
        let to = if tagged { self.to() } else { format!("<sip:{}>", self.destination()) };
        let (from, to) = if side == Side::Near { (self.from(), to) } else { (to, self.from()) };
        out.header("From", &from);
        out.header("To", &to);
        out.header("Call-ID", &self.call_id);
    }

    fn sequence(&self, out: &mut Lines, number: u32, method: &str) {
        out.header("CSeq", &format!("{number} {method}"));
    }

    /// A side's BYE is the near leg's second request, and the far leg's first one.
    fn bye_cseq(&self, by: Side) -> u32 {
        if by == Side::Near { self.cseq + 1 } else { self.cseq }
    }

    fn address(&self, side: Side) -> (&str, u16) {
        match side {
            Side::Near => (&self.near_host, self.near_profile.port),
            Side::Far => (self.far_host(), self.far_profile.port),
        }
    }

    fn sent_via(&self, by: Side, branch: &str) -> String {
        let (host, port) = self.address(by);
        format!("SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{branch}")
    }

    pub(super) fn answered_via(&self, by: Side, branch: &str) -> String {
        let (host, port) = self.address(by);
        format!("SIP/2.0/UDP {host}:{port};rport={port};branch=z9hG4bK{branch}")
    }
}

fn abilities(out: &mut Lines) {
    out.header("Allow", ALLOW);
    out.header("Supported", SUPPORTED);
}

fn media_headers(out: &mut Lines, sdp: &str) {
    out.header("Content-Type", "application/sdp");
    out.header("Content-Disposition", "session");
    out.header("Content-Length", &sdp.len().to_string());
}

/// A message that is being written.
struct Lines(String);

impl Lines {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push_str("\r\n");
    }

    /// A value's line ends would begin another header.
    fn header(&mut self, name: &str, value: &str) {
        let value = value.split(['\r', '\n']).next().unwrap_or_default();
        // Writing into a String does not fail.
        let _ = write!(self.0, "{name}: {value}\r\n");
    }

    fn body(&mut self, body: &str) {
        self.0.push_str("\r\n");
        self.0.push_str(body);
    }

    fn end(mut self) -> String {
        if !self.0.contains("\r\n\r\n") {
            self.0.push_str("\r\n");
        }
        self.0
    }
}
