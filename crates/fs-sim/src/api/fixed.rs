//! Commands whose answer follows from nothing but whether they have arguments: the recorded server's directory is
//! empty, nobody is registered, and nothing is ever run outside of it.

use super::interfaces;

/// How often a command wants arguments before it answers, and with what.
#[derive(Debug)]
enum Words {
    /// The same answer always.
    Always(&'static str),
    /// One without arguments, another with at least so many words.
    From(usize, &'static str, &'static str),
    /// `-USAGE:` with too few words.
    Usage(usize, &'static str),
}

use Words::{Always, From, Usage};

const LIST_USERS: &str =
    "userid|context|domain|group|contact|callgroup|effective_caller_id_name|effective_caller_id_number\n\n+OK\n";
const NOBODY: &str = "error/user_not_registered";
const SAY_USAGE: &str =
    "-ERR Usage: <module_name>[.<ext>] <lang>[.<ext>] <say_type> <say_method> [<say_gender>] <text>\n";
const TABLE: &[(&str, Words)] = &[
    // These would run something on a real server. Here they say that they did, without output.
    ("bg_spawn", Usage(1, "+OK\n")),
    ("bg_system", Usage(1, "+OK\n")),
    ("spawn", Usage(1, "+OK\n")),
    ("spawn_stream", Usage(1, "")),
    ("system", Usage(1, "+OK\n")),
    ("banner", Always("FreeSWITCH\n")),
    ("limit_status", From(1, "USAGE: limit_status <backend>\n", "-ERR not supported yet (locking problems).")),
    ("memory", Always("")),
    ("tone_detect", Always("")),
    ("db_cache", From(1, "parameter missing\n", "")),
    ("domain_data", Always("")),
    ("domain_exists", From(1, "", "false")),
    ("event_channel_broadcast", Always("-ERR parsing json\n")),
    ("event_sink", Always("This is a web application!\n")),
    ("file_exists", Always("false")),
    ("find_user_xml", From(3, "-ERR bad args\n", "-ERR can't find user\n")),
    ("getcputime", Always("79, 79")),
    ("getenv", Always("_undef_")),
    ("gethost", Always("-ERR")),
    ("group_call", Always("error/NO_ROUTE_DESTINATION")),
    ("in_group", Always("false")),
    ("list_users", Always(LIST_USERS)),
    ("msrp", From(1, "-ERR usage: debug <on|off>|restart\n", "")),
    ("nat_map", Always("false")),
    ("page", From(1, "-ERR no data", "-ERR no data")),
    ("pool_stats", Always("Unable to get core pool statictics. Please rebuild FreeSWITCH with --enable-pool-debug")),
    ("reg_url", Always("error/user_not_registered")),
    ("reloadacl", Always("+OK acl reloaded\n")),
    ("say_string", Always(SAY_USAGE)),
    ("sofia_contact", Always(NOBODY)),
    ("sofia_dig", Always("usage: sofia_dig [OPTIONS] [@dnsserver] uri\n")),
    ("sofia_gateway_data", From(1, "-ERR Parameter missing\n", "")),
    ("sofia_username_of", Always("")),
    // The server is stopped by who started it.
    ("...", Always("")),
    ("shutdown", Always("")),
    ("stun", Always("-STUN Failed! NO STUN SERVER\n")),
    ("user_data", Always("")),
    ("user_exists", Always("false")),
    ("xml_flush_cache", Always("+OK cleared 0 entries\n")),
    // Nothing limits anything here.
    (
        "limit_hash_usage",
        From(
            2,
            "USAGE: limit_hash_usage <realm> <id> [rate] (Using deprecated limit api, check limit_usage with backend param)\n",
            "0",
        ),
    ),
    ("limit_interval_reset", From(3, "USAGE: limit_interval_reset <backend> <realm> <resource>\n", "+OK")),
    ("limit_reset", From(1, "USAGE: limit_reset <backend>\n", "-ERR")),
    ("limit_usage", From(2, "USAGE: limit_usage <backend> <realm> <id> [rate]\n", "0")),
];

/// The answer of one of these commands, if it is one.
pub(super) fn answer(command: &str, arguments: &str) -> Option<String> {
    let (name, words) = TABLE.iter().find(|(name, _)| name.eq_ignore_ascii_case(command))?;
    let count = arguments.split(' ').filter(|word| !word.is_empty()).count();
    Some(match words {
        Always(answer) => (*answer).to_owned(),
        From(least, without, _) if count < *least => (*without).to_owned(),
        From(.., with) => (*with).to_owned(),
        Usage(least, _) if count < *least => interfaces::usage(name),
        Usage(_, with) => (*with).to_owned(),
    })
}
