//! Owns the HTTP side of a synthetic client: WHIP, WHEP and the admin API. Never touches media.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ureq::tls::TlsConfig;

/// One server, reached by its public and its admin listener.
#[derive(Clone)]
pub struct Server {
    agent: ureq::Agent,
    public: String,
    admin: String,
    /// What every request shows.
    token: Option<String>,
}

/// A session that a server created.
#[derive(Debug, Clone)]
pub struct Created {
    pub sdp: String,
    /// Absolute URL, for DELETE.
    pub location: String,
}

/// A request that was answered otherwise than it wanted.
#[derive(Debug)]
pub struct Answered {
    what: String,
    status: u16,
}

impl Answered {
    /// Asking again changes nothing: there is no token, or not the right one, or no such place.
    pub fn is_final(&self) -> bool {
        matches!(self.status, 401 | 403 | 404 | 405)
    }
}

impl std::fmt::Display for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Answered {}

impl Server {
    /// Both as `http://host:port`, without a trailing slash.
    pub fn new(public: &str, admin: &str) -> Server {
        let agent = agent(Duration::from_secs(10), None);
        Server { agent, public: public.to_owned(), admin: admin.to_owned(), token: None }
    }

    /// For who asks the next server when this one does not answer within `patience`.
    /// `tls`: whom to trust, where the URL begins with `https://`.
    pub fn one_of_many(public: &str, patience: Duration, tls: Option<TlsConfig>) -> Server {
        Server { agent: agent(patience, tls), public: public.to_owned(), admin: String::new(), token: None }
    }

    pub fn with_token(self, token: Option<String>) -> Server {
        Server { token, ..self }
    }

    pub fn public(&self) -> &str {
        &self.public
    }

    pub fn whip(&self, room: &str, stream: &str, offer: &str) -> Result<Created> {
        self.post(&self.endpoint("whip", room, stream), offer)
    }

    /// Publishes under a name that this client has already published under, with an earlier session at this URL.
    pub fn whip_again(&self, room: &str, stream: &str, earlier: &str, offer: &str) -> Result<Created> {
        self.post(&format!("{}?instead_of={earlier}", self.endpoint("whip", room, stream)), offer)
    }

    pub fn whep(&self, room: &str, stream: &str, offer: &str) -> Result<Created> {
        self.post(&self.endpoint("whep", room, stream), offer)
    }

    /// Ours, or of another server whose URL has `{room}` and `{stream}` in it.
    fn endpoint(&self, protocol: &str, room: &str, stream: &str) -> String {
        match self.public.contains("{stream}") {
            true => self.public.replace("{room}", room).replace("{stream}", stream),
            false => format!("{}/{protocol}/{room}/{stream}", self.public),
        }
    }

    pub fn delete(&self, session: &Created) -> Result<()> {
        let mut request = self.agent.delete(&session.location);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.call().context("DELETE of a session")?;
        Ok(())
    }

    /// An array or object of the admin API, for example `workers`.
    pub fn admin(&self, path: &str) -> Result<serde_json::Value> {
        let text = self.answer_of_admin(&format!("/api/v1/{path}"))?;
        serde_json::from_str(&text).with_context(|| format!("{path} of the admin API answered {text:.200}"))
    }

    /// In the Prometheus text format.
    pub fn metrics(&self) -> Result<String> {
        self.answer_of_admin("/metrics")
    }

    /// As it comes from the admin listener.
    pub fn answer_of_admin(&self, path: &str) -> Result<String> {
        let url = format!("{}{path}", self.admin);
        let mut response = self.agent.get(&url).call().with_context(|| format!("GET {url}"))?;
        match response.status().as_u16() {
            200 => Ok(response.body_mut().read_to_string()?),
            status => bail!("GET {url} was answered {status}"),
        }
    }

    /// Drains one worker of this node.
    pub fn drain_worker(&self, index: usize, within: Duration) -> Result<()> {
        let workers = self.admin("workers")?;
        let id = workers.get(index).and_then(|worker| worker.get("id")?.as_str()).context("there is no such worker")?;
        let url = format!("{}/api/v1/workers/{id}/drain", self.admin);
        let request = self.agent.post(&url).header("content-type", "application/json");
        let response = request.send(serde_json::json!({ "deadline_ms": within.as_millis() as u64 }).to_string())?;
        match response.status().as_u16() {
            202 => Ok(()),
            status => bail!("POST {url} was answered {status}"),
        }
    }

    /// Whatever it says: a server that says anything is there.
    pub fn answers(&self) -> Result<()> {
        self.agent.get(self.endpoint("whip", "load", "s0")).call()?;
        Ok(())
    }

    pub fn is_ready(&self) -> bool {
        let answer = self.agent.get(format!("{}/readyz", self.public)).call();
        answer.is_ok_and(|response| response.status() == 200)
    }

    fn post(&self, url: &str, offer: &str) -> Result<Created> {
        let mut request = self.agent.post(url).header("content-type", "application/sdp");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = request.send(offer).with_context(|| format!("POST {url}"))?;
        let location = response.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status();
        let sdp = response.body_mut().read_to_string().context("the body of an answer")?;
        match location {
            Some(location) if status == 201 => Ok(Created { sdp, location: absolute(url, location) }),
            _ => {
                let what = format!("POST {url} was answered {status}: {sdp}");
                Err(Answered { what, status: status.as_u16() }.into())
            }
        }
    }
}

/// `Location` as it stands in an answer, seen from the URL that was asked.
fn absolute(asked: &str, location: String) -> String {
    let host = asked.find("://").map_or(0, |scheme| scheme + 3);
    let origin = asked[host..].find('/').map_or(asked, |path| &asked[..host + path]);
    if location.contains("://") { location } else { format!("{origin}{location}") }
}

fn agent(patience: Duration, tls: Option<TlsConfig>) -> ureq::Agent {
    let config = ureq::Agent::config_builder().timeout_global(Some(patience)).http_status_as_error(false);
    tls.into_iter().fold(config, |config, tls| config.tls_config(tls)).build().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_session_is_absolute_whoever_made_it() {
        let asked = "http://media.example:8080/whip/demo/cam?x=http://y";
        assert_eq!(absolute(asked, "/session/1".to_owned()), "http://media.example:8080/session/1");
        assert_eq!(absolute(asked, "https://other.example/s".to_owned()), "https://other.example/s");
    }

    #[test]
    fn other_servers_have_other_paths() {
        let at = |url| Server::one_of_many(url, Duration::ZERO, None);
        let server = at("http://m.example/rtc/v1/whip/?app={room}&stream={stream}");
        assert_eq!(server.endpoint("whip", "demo", "cam"), "http://m.example/rtc/v1/whip/?app=demo&stream=cam");
        assert_eq!(at("http://a").endpoint("whep", "r", "s"), "http://a/whep/r/s");
    }
}
