//! What a session can be told to do. Names are those of FreeSWITCH's own commands (`mod_commands`) and applications
//! (`mod_dptools`).

use std::time::Duration;

use super::Session;
use super::action::{Action, Plan, Until, What};
use crate::argument::{quoted, sound, whole_seconds, word};
use crate::error::{CommandError, Error, Kind};
use crate::{Command, EventName, HangupCause};

/// Which files `playback` plays, and how.
///
/// ```
/// use esl_core::Playback;
///
/// let tone = Playback::new("tone_stream://%(1000,0,425)").endless();
/// let prompts = Playback::new("ivr/ivr-welcome.wav").then("ivr/ivr-please_hold.wav").start_sample(8000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playback {
    files: Vec<String>,
    params: Vec<(String, String)>,
    endless: bool,
    start_sample: Option<u64>,
}

impl Playback {
    /// A file, or a stream such as `tone_stream://%(1000,0,425)`.
    pub fn new(file: impl Into<String>) -> Self {
        Self { files: vec![file.into()], params: Vec::new(), endless: false, start_sample: None }
    }

    /// And this one after it.
    #[must_use]
    pub fn then(mut self, file: impl Into<String>) -> Self {
        self.files.push(file.into());
        self
    }

    /// With a parameter for the file's module (`{name=value}`).
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Again and again until it is broken off (`endless_playback`). It is done as soon as it plays.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.endless = true;
        self
    }

    /// From this sample on (`@@`).
    #[must_use]
    pub fn start_sample(mut self, sample: u64) -> Self {
        self.start_sample = Some(sample);
        self
    }
}

impl<T: Into<String>> From<T> for Playback {
    fn from(file: T) -> Self {
        Self::new(file)
    }
}

/// Whom `bridge` connects a session to, a SIP destination. What is not said is as in the call that came in: its profile
/// and its request's URI.
///
/// ```
/// use esl_core::Bridge;
///
/// let by_profile = Bridge::to("9196@10.0.0.2:5060").profile("external").proxy("10.0.0.1:5060");
/// let by_gateway = Bridge::to("9196").gateway("carrier").param("leg_timeout", "20");
/// let onwards = Bridge::on();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bridge {
    destination: Option<String>,
    profile: Option<String>,
    gateway: Option<String>,
    proxy: Option<String>,
    params: Vec<(String, String)>,
}

impl Bridge {
    /// To this destination, `number@host:port`.
    pub fn to(destination: impl Into<String>) -> Self {
        Self { destination: Some(destination.into()), ..Self::default() }
    }

    /// Where the call that came in wanted to go (`sip_req_uri`).
    #[must_use]
    pub fn on() -> Self {
        Self::default()
    }

    /// Out through this SIP profile.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// Out through this gateway, whatever the profile.
    #[must_use]
    pub fn gateway(mut self, gateway: impl Into<String>) -> Self {
        self.gateway = Some(gateway.into());
        self
    }

    /// By way of this proxy, `host:port` (`fs_path`).
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// With a variable for the new leg.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }
}

/// Commands. Each gives an [`Action`] to be awaited, and is done when the server has done it; what can go wrong stands
/// there.
impl Session {
    /// Answers it (`uuid_answer`). Done when it is answered.
    pub fn answer(&self) -> Action<'_> {
        self.api(format!("uuid_answer {}", self.uuid()), Until::Event(EventName::ChannelAnswer))
    }

    /// Hangs it up (`uuid_kill`), with `NORMAL_CLEARING`. Done when its hang-up has begun; at once where it has already.
    ///
    /// # Errors
    /// As any [`Action`]'s, but for a channel that has ended, which is what was wanted.
    pub async fn hangup(&self) -> Result<(), Error> {
        self.hangup_with(HangupCause::NORMAL_CLEARING).await
    }

    /// Hangs it up with this cause.
    ///
    /// # Errors
    /// As [`Session::hangup`].
    pub async fn hangup_with(&self, cause: HangupCause) -> Result<(), Error> {
        if self.times().hung_up.is_some() {
            return Ok(());
        }
        let kill = self.api(format!("uuid_kill {} {cause}", self.uuid()), Until::Event(EventName::ChannelHangup));
        match kill.await {
            Err(error) if error.ended().is_none() && !self.ended() => Err(error),
            _ => Ok(()),
        }
    }

    /// Has the server hang it up after this time, rounded up to whole seconds. The server counts seconds of its clock, so
    /// that the first one may be short.
    pub fn sched_hangup(&self, after: Duration, cause: HangupCause) -> Action<'_> {
        self.api(format!("sched_hangup +{} {} {cause}", whole_seconds(after), self.uuid()), Until::Reply)
    }

    /// Forgets everything that was scheduled for it (`sched_del`).
    pub fn clear_tasks(&self) -> Action<'_> {
        self.api(format!("sched_del {}", self.uuid()), Until::Reply)
    }

    /// Sends digits, each for so long where that is given, in whole milliseconds (`uuid_send_dtmf`). `w` and `W` pause for
    /// half a second and a second.
    pub fn send_dtmf(&self, digits: &str, duration: Option<Duration>) -> Action<'_> {
        self.planned(dtmf(digits, duration).map(|digits| {
            let command = format!("uuid_send_dtmf {} {digits}", self.uuid());
            (Vec::new(), What::Api(command), Until::Reply)
        }))
    }

    /// Has the server send digits after this time, rounded up to whole seconds (`sched_api`).
    pub fn sched_dtmf(&self, after: Duration, digits: &str, duration: Option<Duration>) -> Action<'_> {
        self.planned(dtmf(digits, duration).map(|digits| {
            let (after, uuid) = (whole_seconds(after), self.uuid());
            let command = format!("sched_api +{after} none uuid_send_dtmf {uuid} {digits}");
            (Vec::new(), What::Api(command), Until::Reply)
        }))
    }

    /// Plays a file or a stream, see [`Playback`]. Done when it has been played; its [`Done::response`](super::Done) says
    /// whether it was found.
    pub fn playback(&self, what: impl Into<Playback>) -> Action<'_> {
        let Playback { files, params, endless, start_sample } = what.into();
        let plan = || {
            let mut before = Vec::new();
            if files.len() > 1 {
                // An exclamation mark is the delimiter of FreeSWITCH's own file_string.
                before.push(format!("uuid_setvar {} playback_delimiter !", self.uuid()));
            }
            for file in &files {
                sound("a file to play", file)?;
                if files.len() > 1 && file.contains('!') {
                    return Err(CommandError::Unfit { place: "a file to play", text: file.clone(), unfit: '!' });
                }
            }
            let mut argument = brackets(&params)?;
            argument += &files.join("!");
            if let Some(sample) = start_sample {
                argument += &format!("@@{sample}");
            }
            Ok(match endless {
                true => (before, What::execute("endless_playback", argument), Until::Started),
                false => (before, What::execute("playback", argument), Until::Completed),
            })
        };
        self.planned(plan())
    }

    /// Stops what it plays (`uuid_break`), and what was queued behind it where `all`.
    pub fn breakmedia(&self, all: bool) -> Action<'_> {
        self.api(format!("uuid_break {}{}", self.uuid(), if all { " all" } else { "" }), Until::Reply)
    }

    /// Records the session into a file on the server while other things go on (`record_session`), at so many samples a
    /// second where that is given. Done when it records.
    pub fn start_record(&self, path: &str, rate_hz: Option<u32>) -> Action<'_> {
        let before = rate_hz.map(|rate| format!("uuid_setvar {} record_sample_rate {rate}", self.uuid()));
        self.planned(sound("a path", path).map(|()| {
            let what = What::execute("record_session", path.to_owned());
            (before.into_iter().collect(), what, Until::Completed)
        }))
    }

    /// Stops what [`Session::start_record`] began, `all` for every recording (`stop_record_session`).
    pub fn stop_record(&self, path: &str) -> Action<'_> {
        self.run("stop_record_session", path)
    }

    /// `uuid_record`: `start`, `stop`, `mask` or `unmask` a recording into a file on the server.
    pub fn record(&self, action: &str, path: &str) -> Action<'_> {
        self.planned(word("a recording's action", action).and_then(|action| {
            let command = format!("uuid_record {} {action} {}", self.uuid(), word("a path", path)?);
            Ok((Vec::new(), What::Api(command), Until::Reply))
        }))
    }

    /// Sends back what is heard (`echo`). Done as soon as it does so; it goes on until the channel ends or is told to do
    /// something else.
    pub fn echo(&self) -> Action<'_> {
        let what = What::execute("echo", String::new());
        self.planned(Ok((Vec::new(), what, Until::Started)))
    }

    /// Takes the server out of the media's way, or back into it (`uuid_media`).
    pub fn bypass_media(&self, bypass: bool) -> Action<'_> {
        self.api(format!("uuid_media {}{}", if bypass { "off " } else { "" }, self.uuid()), Until::Reply)
    }

    /// Listens for an answering machine's beep (`avmd`), for so long where a time is given, rounded up to whole seconds.
    pub fn start_amd(&self, stop_after: Option<Duration>) -> Action<'_> {
        let uuid = self.uuid();
        let stop = stop_after.map(|after| format!("sched_api +{} none avmd {uuid} stop", whole_seconds(after)));
        let what = What::Api(format!("avmd {uuid} start"));
        self.planned(Ok((stop.into_iter().collect(), what, Until::Reply)))
    }

    /// Stops [`Session::start_amd`].
    pub fn stop_amd(&self) -> Action<'_> {
        self.api(format!("avmd {} stop", self.uuid()), Until::Reply)
    }

    /// Parks it (`uuid_park`). Done when it is parked.
    pub fn park(&self) -> Action<'_> {
        self.api(format!("uuid_park {}", self.uuid()), Until::Event(EventName::ChannelPark))
    }

    /// Runs any application with its argument, after what was queued for the channel before. Done at its end.
    pub fn execute(&self, application: &str, argument: &str) -> Action<'_> {
        self.run(application, argument)
    }

    /// Plays a file or runs `application::argument` on a leg, `aleg`, `bleg` or `both` (`uuid_broadcast`, or
    /// `sched_broadcast` after a time, rounded up to whole seconds). Done when the server has taken it;
    /// [`Session::execute`] says when it has ended, too.
    pub fn broadcast(&self, what: &str, leg: &str, after: Option<Duration>) -> Action<'_> {
        let plan = || {
            let (uuid, what, leg) = (self.uuid(), word("what is broadcast", what)?, word("a leg", leg)?);
            let command = match after {
                None => format!("uuid_broadcast {uuid} {what} {leg}"),
                Some(after) => format!("sched_broadcast +{} {uuid} {what} {leg}", whole_seconds(after)),
            };
            Ok((Vec::new(), What::Api(command), Until::Reply))
        };
        self.planned(plan())
    }

    /// Connects it to somebody else (`bridge`). Done when both hear each other; an error with the new leg's hangup cause
    /// where that did not come about.
    pub fn bridge(&self, to: Bridge) -> Action<'_> {
        let plan = || {
            let place = "a bridge's destination";
            let argument = |text: Option<String>| -> Result<String, CommandError> {
                let text = text.ok_or(CommandError::Empty(place))?;
                sound(place, &text)?;
                match text.chars().find(|c| ",|'{}[]<> ".contains(*c)) {
                    Some(unfit) => Err(CommandError::Unfit { place, text, unfit }),
                    None => Ok(text),
                }
            };
            let destination = argument(to.destination.or_else(|| self.variable("sip_req_uri")))?;
            let way = match to.gateway {
                Some(gateway) => format!("gateway/{}", argument(Some(gateway))?),
                None => argument(to.profile.or_else(|| self.variable("sofia_profile_name")))?,
            };
            let path = match to.proxy {
                Some(proxy) => format!(";fs_path=sip:{}", argument(Some(proxy))?),
                None => String::new(),
            };
            let argument = format!("{}sofia/{way}/{destination}{path}", brackets(&to.params)?);
            Ok((Vec::new(), What::execute("bridge", argument), Until::Bridged))
        };
        self.planned(plan())
    }

    /// Sends silence instead of what it says (`uuid_audio`), or with `read` hears silence instead of what comes; with a
    /// level over 1, comfort noise of that level.
    pub fn mute(&self, read: bool, level: u32) -> Action<'_> {
        let direction = if read { "read" } else { "write" };
        self.api(format!("uuid_audio {} start {direction} mute {level}", self.uuid()), Until::Reply)
    }

    /// Takes [`Session::mute`] back.
    pub fn unmute(&self, read: bool) -> Action<'_> {
        self.mute(read, 0)
    }

    /// Answers the call's request with this SIP status, `486` or `486 Busy Here` (`respond`).
    pub fn respond(&self, status: &str) -> Action<'_> {
        self.run("respond", status)
    }

    /// Sends the caller elsewhere by SIP's REFER (`deflect`, RFC 3515), to a URI such as `sip:9196@10.0.0.2`.
    pub fn deflect(&self, uri: &str) -> Action<'_> {
        self.run("deflect", uri)
    }

    /// Says a text by a speech module's engine and voice (`speak`). Done when it has been said.
    pub fn speak(&self, engine: &str, voice: &str, text: &str) -> Action<'_> {
        let plan = || {
            for (place, word) in [("a speech engine", engine), ("a voice", voice)] {
                sound(place, word)?;
                if word.contains('|') {
                    return Err(CommandError::Unfit { place, text: word.to_owned(), unfit: '|' });
                }
            }
            let argument = format!("{engine}|{voice}|{text}");
            Ok((Vec::new(), What::execute("speak", argument), Until::Completed))
        };
        self.planned(plan())
    }

    /// The value of a channel variable as the server has it now, `None` where it is not set (`uuid_getvar`).
    ///
    /// # Errors
    /// The name cannot be sent ([`Error::command_error`]), the channel is gone ([`Error::ended`]), the server refuses, or
    /// there is no client or no connection.
    pub async fn getvar(&self, name: &str) -> Result<Option<String>, Error> {
        let command = format!("uuid_getvar {} {}", self.uuid(), word("a variable's name", name)?);
        let client = self.0.control.client().ok_or(Kind::NoClient(self.uuid()))?;
        let reply = client.request(&Command::api(command)).await?;
        let value = String::from_utf8_lossy(reply.body());
        match &*value {
            "_undef_" => Ok(None),
            // Only the server's own words are an error: a value may look like one.
            "-ERR No such channel!\n" => Err(self.end()),
            value if reply.body().is_empty() || value.starts_with("-USAGE:") => Ok(Some(reply.ok()?.into_owned())),
            value => Ok(Some(value.to_owned())),
        }
    }

    /// Sets a channel variable (`uuid_setvar`). Any text can be a value, but for NUL; an empty one unsets it.
    pub fn setvar(&self, name: &str, value: &str) -> Action<'_> {
        self.planned(self.setvar_command(name, value).map(|command| (Vec::new(), What::Api(command), Until::Reply)))
    }

    /// Sets several channel variables, one after the other. Where one is refused, those after it are not set.
    pub fn setvars(&self, variables: &[(&str, &str)]) -> Action<'_> {
        let commands: Result<Vec<String>, _> =
            variables.iter().map(|(name, value)| self.setvar_command(name, value)).collect();
        self.planned(commands.map(|mut commands| match commands.pop() {
            Some(last) => (commands, What::Api(last), Until::Reply),
            None => (Vec::new(), What::Api(String::new()), Until::Already),
        }))
    }

    /// Unsets a channel variable.
    pub fn unsetvar(&self, name: &str) -> Action<'_> {
        self.setvar(name, "")
    }

    fn setvar_command(&self, name: &str, value: &str) -> Result<String, CommandError> {
        let name = word("a variable's name", name)?;
        let value = if value.is_empty() { String::new() } else { quoted("a variable's value", value)? };
        Ok(format!("uuid_setvar {} {name} {value}", self.uuid()).trim_end().to_owned())
    }

    fn run(&self, application: &str, argument: &str) -> Action<'_> {
        let what = What::execute(application.to_owned(), argument);
        self.planned(Ok((Vec::new(), what, Until::Completed)))
    }

    fn api(&self, command: String, until: Until) -> Action<'_> {
        self.planned(Ok((Vec::new(), What::Api(command), until)))
    }

    fn planned(&self, plan: Result<(Vec<String>, What, Until), CommandError>) -> Action<'_> {
        Action::new(self, plan.map(|(before, what, until)| Plan { before, what, until }))
    }
}

fn dtmf(digits: &str, duration: Option<Duration>) -> Result<String, CommandError> {
    let place = "DTMF digits";
    sound(place, digits)?;
    if let Some(unfit) = digits.chars().find(|c| !"0123456789*#ABCDabcdFfwW".contains(*c)) {
        return Err(CommandError::Unfit { place, text: digits.to_owned(), unfit });
    }
    Ok(match duration {
        None => digits.to_owned(),
        Some(duration) => format!("{digits}@{}", duration.as_millis()),
    })
}

/// `{name=value,…}` in front of what an application takes.
fn brackets(params: &[(String, String)]) -> Result<String, CommandError> {
    if params.is_empty() {
        return Ok(String::new());
    }
    let mut pairs = Vec::new();
    for (name, value) in params {
        let place = "a parameter";
        sound(place, name)?;
        sound(place, value)?;
        for text in [name, value] {
            if let Some(unfit) = text.chars().find(|c| "{}'\\,$".contains(*c)) {
                return Err(CommandError::Unfit { place, text: text.clone(), unfit });
            }
        }
        pairs.push(format!("{name}={value}"));
    }
    Ok(format!("{{{}}}", pairs.join(",")))
}
