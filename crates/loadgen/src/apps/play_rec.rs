//! `play_rec` and `muted_play_rec`

use std::time::Duration;

use super::script::{Action, EventPattern, EventRule, NOT_PLAYED, RuleEffect, Script, Side, Step};
use super::{AppKind, AppOption, AppOptions, AppResult, CALLEE};
use crate::config::ConfigError;
use crate::config::template::Template;
use esl_core::EventName;

const PLAY: AppOption = AppOption {
    name: "play",
    shape: "text",
    default: "tone_stream://%(1000,500,440);loops=-1",
    about: "A stream, or a file on the slave. A file is played once.",
};

const RECORD: AppOption = AppOption {
    name: "record",
    shape: "\"caller\", \"callee\" or \"both\"",
    default: "callee",
    about: "Leg to record, in both directions.",
};

const PATH: AppOption = AppOption {
    name: "path",
    shape: "text",
    default: "/tmp/loadgen/{run}/{uuid}",
    about: "Path prefix of the files on the slave; \"-caller.wav\" or \"-callee.wav\" is appended. Folders are created.",
};

const EVERY: AppOption = AppOption {
    name: "record_every",
    shape: "a number",
    default: "1",
    about: "Records one in this many of a slave's attempts; 0 records none.",
};

const RESULTS: &[AppResult] = &[AppResult { name: "recorded", about: "recordings that were started" }];

pub(super) const KIND: AppKind = AppKind {
    name: "play_rec",
    about: "Plays to the far leg, which is answered, and records the call on the slave. The files' names are in the call \
            records.",
    options: &[PLAY, RECORD, PATH, EVERY, CALLEE],
    results: RESULTS,
    modules: &["mod_sndfile", "mod_tone_stream"],
    far: true,
    build: play_rec,
};

pub(super) const MUTED: AppKind = AppKind {
    name: "muted_play_rec",
    about: "Both legs play and one of them is muted, in turns, as in a conversation; the call is recorded on the slave.",
    options: &[
        PLAY,
        AppOption {
            name: "turn",
            shape: "a time",
            default: "5s",
            about: "How long one side plays before the other does.",
        },
        RECORD,
        PATH,
        EVERY,
    ],
    results: RESULTS,
    modules: &["mod_sndfile", "mod_tone_stream"],
    far: true,
    build: muted_play_rec,
};

fn play_rec(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    let file = options.required(PLAY.name)?;
    let ours = super::is_callee_ours(options)?;
    let mut caller = recording(options, Side::Caller)?;
    caller.push(Action::Play { file: file.clone(), background: true }.into());
    let mut callee: Vec<Step> = Vec::new();
    if ours {
        callee.push(Action::Answer.into());
        callee.extend(recording(options, Side::Callee)?);
    } else if options.sides(RECORD.name)?.contains(&Side::Callee) {
        let message = "the callee's leg cannot be recorded: callee = \"none\" excludes it; use record = \"caller\"";
        return Err(options.error(RECORD.name, message));
    }
    Ok(Script { caller, callee, rules: unplayable(&file, Some(Side::Caller)), ..Script::default() })
}

fn muted_play_rec(options: &AppOptions<'_>) -> Result<Script, ConfigError> {
    let (file, turn) = (options.required(PLAY.name)?, options.time("turn")?);
    let steps = |side: Side| -> Result<Vec<Step>, ConfigError> {
        let mut steps: Vec<Step> = Vec::new();
        if side == Side::Callee {
            steps.push(Action::Answer.into());
        }
        steps.extend(recording(options, side)?);
        steps.push(Action::Play { file: file.clone(), background: true }.into());
        // The caller speaks first.
        let first = steps.len();
        for muted in [side == Side::Callee, side == Side::Caller] {
            steps.push(Action::Mute(muted).into());
            steps.push(Action::Wait(turn.max(TURN_MIN)).into());
        }
        steps.push(Action::Repeat(first).into());
        Ok(steps)
    };
    let (caller, callee) = (steps(Side::Caller)?, steps(Side::Callee)?);
    Ok(Script { caller, callee, rules: unplayable(&file, None), ..Script::default() })
}

/// The shortest turn: one packet of speech.
const TURN_MIN: Duration = Duration::from_millis(20);

/// The steps that begin a leg's recording, where the leg is to be recorded.
fn recording(options: &AppOptions<'_>, side: Side) -> Result<Vec<Step>, ConfigError> {
    let every = options.count(EVERY.name, u16::MAX)?;
    if every == 0 || !options.sides(RECORD.name)?.contains(&side) {
        return Ok(Vec::new());
    }
    let suffix = if side == Side::Caller { "-caller.wav" } else { "-callee.wav" };
    let path = options.template_with(PATH.name, suffix)?;
    Ok(vec![Step { action: Action::Record { path, every: u64::from(every) }, met: Some(0), missed: None }])
}

/// Rules for a file that the server cannot play, wherever it is to be played. A stream always exists.
fn unplayable(file: &Template, side: Option<Side>) -> Vec<EventRule> {
    if file.to_string().contains("_stream://") {
        return Vec::new();
    }
    let rule = |response: &&str| {
        let watch = EventPattern { side, ..EventPattern::new(EventName::ChannelExecuteComplete) };
        let watch = watch.with("Application-Response", response);
        EventRule { watch, then: RuleEffect::Fail { expected: format!("{file} to play"), unless: None } }
    };
    NOT_PLAYED.iter().map(rule).collect()
}
