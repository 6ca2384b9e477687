use super::super::Config;
use super::*;

const GOOD: &str = r#"[load]
rate = 50
[call]
to = "null/x"
hold = "2s"
[[slaves]]
simulated = { count = 3 }
"#;

fn read_text(text: &str) -> Result<Config, String> {
    let environment = |name: &str| (name == "RATE").then(|| "75".to_owned());
    parse("a.toml".to_owned(), text.to_owned(), environment)
        .map(|(config, _)| config)
        .map_err(|error| error.to_string())
}

#[test]
fn a_file_is_read() {
    let config = read_text(GOOD).unwrap();
    assert_eq!(config.load.as_ref().unwrap().get_ref().rate.as_ref().unwrap().get_ref().0, 50.0);
    assert_eq!(config.slaves.len(), 1);
}

#[test]
fn values_come_from_the_environment() {
    let rate = |value: &str| {
        let text = GOOD.replace("50", value);
        read_text(&text).map(|config| config.load.as_ref().unwrap().get_ref().rate.as_ref().unwrap().get_ref().0)
    };
    assert_eq!(rate(r#""${RATE}""#), Ok(75.0));
    assert_eq!(rate(r#""${OTHER:-12.5}""#), Ok(12.5));
    let error = rate(r#""${OTHER}""#).unwrap_err();
    assert!(error.starts_with(r#"a.toml:2:8: the environment variable "OTHER" is not set"#), "{error}");
    let text = GOOD.replace("null/x", "a $${RATE} ${RATE} $$${x}");
    let to = read_text(&text).map(|config| format!("{:?}", config.call.get_ref().to));
    assert!(to.is_ok_and(|to| to.contains("\"a ${RATE} 75 $${x}\"")), "FreeSWITCH's own are escaped");
    let error = rate(r#""${RATE""#).unwrap_err();
    assert!(error.starts_with("a.toml:2:8: "), "{error}");
}

/// One message each, with the place and the remedy.
#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (from, to, message) in [
        ("rate = 50", "raet = 50", r#"a.toml:2:1: unknown key "raet" in [load]: did you mean "rate"?"#),
        ("[call]", "[cal]", r#"a.toml:3:2: unknown key "cal" at the top level: did you mean "call"?"#),
        ("count = 3", "cuont = 3", r#"a.toml:7:15: unknown key "cuont" in [slaves.simulated]: did you mean "count"?"#),
        ("rate = 50", "rate = true", r#"a.toml:2:8: invalid type: boolean "true", expected a number"#),
        ("rate = 50", "rate = \"fast\"", r#"a.toml:2:8: "fast" is not a number"#),
        ("\"2s\"", "\"2 parsecs\"", r#"a.toml:5:8: "2 parsecs" is not a time such as "250ms", "3s" or "1h": "#),
        ("\"2s\"", "2", r#"a.toml:5:8: invalid type: integer "2", expected a time such as "250ms", or a table with"#),
        ("rate = 50", "rate = ", "a.toml:2:8: "),
    ] {
        let error = read_text(&GOOD.replace(from, to)).unwrap_err();
        assert!(error.starts_with(message), "{to:?}:\n{error}\n{message}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
