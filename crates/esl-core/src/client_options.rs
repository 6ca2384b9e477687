//! The options of a client. Its listener reads them too: they name the SIP headers by which it recognizes the client's
//! calls.

use std::time::Duration;

/// What a client's calls carry, so that they and their far legs are found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// The SIP header that carries the id of a call's app to its far leg.
    pub app_header: String,
    /// The SIP header that carries the UUID of a call's first session to its far leg. What is in between has to forward
    /// it.
    pub call_header: String,
    /// How long a job may take: after this it fails, since a server does not promise a result. For an `originate`, longer
    /// than its timeout.
    pub job_lifetime: Duration,
}

impl Default for ClientOptions {
    /// `X-esl-app`, `X-esl-call`, and an hour.
    fn default() -> Self {
        Self {
            app_header: "X-esl-app".to_owned(),
            call_header: "X-esl-call".to_owned(),
            job_lifetime: Duration::from_secs(3600),
        }
    }
}

impl ClientOptions {
    /// The header of events by which a session tells its app.
    pub(crate) fn app_variable_header(&self) -> String {
        format!("variable_sip_h_{}", self.app_header)
    }

    /// The header of events by which a session tells its call.
    pub(crate) fn call_variable_header(&self) -> String {
        format!("variable_sip_h_{}", self.call_header)
    }
}
