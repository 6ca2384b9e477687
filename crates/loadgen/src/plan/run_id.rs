//! The run's id, and the UUIDs of its calls: the first digits are the run, the last ones number the attempt.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The number of hexadecimal digits of a run id.
const DIGITS: usize = 12;

/// The attempts of preflight probe calls are numbered from here on, beyond those of any run.
pub const FIRST_PROBE: u64 = 0xffff_ffff_0000;

/// The id of a run: 48 bits, random by default, the same for all shards of a run.
///
/// A call's UUID is `rrrrrrrr-rrrr-4sss-8sss-aaaaaaaaaaaa`: the run, the slave, the attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunId(u64);

impl RunId {
    /// A random id.
    pub fn random() -> Self {
        Self(rand::random::<u64>() >> 16)
    }

    /// The UUID of an attempt of this run.
    pub fn call(self, slave: usize, attempt: u64) -> Uuid {
        let slave = slave as u128 & 0xff_ffff;
        let fixed = 0x4000_8000_0000_0000_0000_u128;
        let slave = (slave >> 12) << 64 | (slave & 0xfff) << 48;
        Uuid::from_u128(u128::from(self.0) << 80 | fixed | slave | u128::from(attempt & 0xffff_ffff_ffff))
    }

    /// The slave and the attempt of a call's UUID; `None` for another run's.
    pub fn parse(self, call: Uuid) -> Option<(usize, u64)> {
        let bits = call.as_u128();
        let slave = (bits >> 64 & 0xfff) << 12 | (bits >> 48 & 0xfff);
        ((bits >> 80) as u64 == self.0).then_some((slave as usize, (bits & 0xffff_ffff_ffff) as u64))
    }

    /// The run that a channel's UUID may belong to. One in four random UUIDs has the same form, so the channel's
    /// variable has to name the run too, see [`marks::query_run`](super::marks::query_run).
    pub fn of_channel(uuid: &str) -> Option<Self> {
        let uuid = Uuid::try_parse(uuid).ok()?.simple().to_string();
        let has_form = uuid.as_bytes()[12] == b'4' && uuid.as_bytes()[16] == b'8';
        has_form.then(|| uuid[..DIGITS].parse().ok())?
    }

    /// The beginning of the UUIDs of the run's calls, as FreeSWITCH writes them.
    pub fn prefix(self) -> String {
        let digits = self.to_string();
        format!("{}-{}", &digits[..8], &digits[8..])
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0DIGITS$x}", self.0)
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match u64::from_str_radix(text, 16) {
            Ok(id) if text.len() == DIGITS && !text.starts_with('+') => Ok(Self(id)),
            _ => Err(format!("a run id has {DIGITS} hexadecimal digits, such as {}", Self(0x00c0_ffee_0123))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_call_s_uuid_says_whose_it_is() {
        let run: RunId = "0123456789ab".parse().unwrap();
        let call = run.call(0x123_456, 0x77);
        assert_eq!(call.to_string(), "01234567-89ab-4123-8456-000000000077");
        assert_eq!(run.prefix(), "01234567-89ab");
        assert_eq!(RunId::random().parse(call), None);
    }

    #[test]
    fn what_is_no_run_id_is_refused() {
        for text in ["", "123", "0123456789abc", "0123456789ag", "+123456789ab"] {
            assert!(text.parse::<RunId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn channel_uuid_names_the_run_it_may_belong_to() {
        let run: RunId = "0123456789ab".parse().unwrap();
        assert_eq!(RunId::of_channel(&run.call(7, 9).to_string()), Some(run));
        for other in ["", "x", "01234567-89ab-1000-8000-000000000000", "01234567-89ab-4000-9000-000000000000"] {
            assert_eq!(RunId::of_channel(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn slave_and_attempt_come_back(run in 0_u64..1 << 48, slave in 0_usize..1 << 24, attempt in 0_u64..1 << 48) {
            let run = RunId(run);
            prop_assert_eq!(run.parse(run.call(slave, attempt)), Some((slave, attempt)));
        }
    }
}
