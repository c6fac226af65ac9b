//! Owns the HTTP connection to an admin listener. Turns what goes wrong into one line with the remedy.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, RequestBuilder};

use super::commands::Target;
use super::find::admin_of;
use super::trust;
use crate::failure::Failure;
use crate::values;

pub struct Admin {
    agent: Agent,
    /// `http://host:port`, or `https://`.
    base: String,
    /// Value of `Authorization`; empty where no token was given.
    authorization: String,
}

impl Admin {
    /// The listener of the node that `target` means. Nothing is asked yet.
    pub fn of(target: &Target) -> Result<Admin, Failure> {
        let base = admin_of(target)?;
        let mut config = Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        if base.starts_with("https://") {
            config = config.tls_config(trust::tls_config("--admin-ca", target.admin_ca.as_deref())?);
        }
        // Not by the parser of the command line, which would repeat what is secret.
        let token = target.token.as_deref().map(values::token).transpose();
        let token = token.map_err(|why| Failure::Usage(format!("--token {why}")))?.filter(|token| !token.is_empty());
        let authorization = token.map(|token| format!("Bearer {token}")).unwrap_or_default();
        Ok(Admin { agent: config.build().into(), base, authorization })
    }

    fn signed<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match self.authorization.as_str() {
            "" => request,
            authorization => request.header("authorization", authorization),
        }
    }

    /// The listener takes changes with this type only, so that no form of a page on the web can send one.
    fn change<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        self.signed(request).header("content-type", "application/json")
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// `path` begins with a slash.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let answer = self.signed(self.agent.get(format!("{}{path}", self.base))).call();
        self.read(path, answer)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.change(self.agent.post(format!("{}{path}", self.base)));
        let answer = request.send(body.to_string());
        self.read(path, answer)
    }

    /// None: the node is of an earlier version, which can't do it.
    pub fn post_if_known(&self, path: &str, body: &Value) -> Result<Option<Value>, Failure> {
        let request = self.change(self.agent.post(format!("{}{path}", self.base)));
        let answer = request.send(body.to_string());
        match &answer {
            Ok(response) if matches!(response.status().as_u16(), 404 | 501) => Ok(None),
            _ => self.read(path, answer).map(Some),
        }
    }

    pub fn delete(&self, path: &str) -> Result<Value, Failure> {
        let request = self.change(self.agent.delete(format!("{}{path}", self.base)));
        let answer = request.call();
        self.read(path, answer)
    }

    /// What is answered with nothing.
    pub fn delete_only(&self, path: &str) -> Result<(), Failure> {
        let request = self.change(self.agent.delete(format!("{}{path}", self.base)));
        let mut response = request.call().map_err(|error| self.not_reached(&error))?;
        if response.status().is_success() {
            return Ok(());
        }
        let text = response.body_mut().read_to_string().unwrap_or_default();
        Err(self.refused(path, response.status(), &text))
    }

    /// The body of an answer that may go on for ever.
    pub fn stream(&self, path: &str) -> Result<impl BufRead + use<>, Failure> {
        let request = self.signed(self.agent.get(format!("{}{path}", self.base))).config().timeout_global(None).build();
        let mut response = request.call().map_err(|error| self.not_reached(&error))?;
        if !response.status().is_success() {
            let text = response.body_mut().read_to_string().unwrap_or_default();
            return Err(self.refused(path, response.status(), &text));
        }
        Ok(BufReader::new(response.into_body().into_reader()))
    }

    fn read<T: DeserializeOwned>(&self, path: &str, answer: Result<Response<Body>, ureq::Error>) -> Result<T, Failure> {
        let mut response = answer.map_err(|error| self.not_reached(&error))?;
        let text = response.body_mut().read_to_string().map_err(|error| self.not_reached(&error))?;
        if !response.status().is_success() {
            return Err(self.refused(path, response.status(), &text));
        }
        serde_json::from_str(&text).map_err(|error| {
            Failure::Refused(format!("{}{path} answers what this version does not understand: {error}", self.base))
        })
    }

    /// By what the answer says, and by what a person can do about it who asks from a command line.
    fn refused(&self, path: &str, status: StatusCode, text: &str) -> Failure {
        let base = &self.base;
        Failure::Refused(match reason(text) {
            Some(_) if status == StatusCode::UNAUTHORIZED && self.authorization.is_empty() => format!(
                "a token is needed at {base}: --token TOKEN, or CHAPPE_TOKEN; `chappe token --keys FILE --operate` makes it"
            ),
            Some(reason) if reason != format!("there is nothing at {path}") => reason,
            _ => format!("{base}{path} was answered {status}: is it the admin listener of a node?"),
        })
    }

    fn not_reached(&self, error: &ureq::Error) -> Failure {
        let base = &self.base;
        let error = error.to_string();
        // What rustls says of an answer in plain text.
        Failure::NotReached(match error.contains("corrupt message") {
            true => format!("{base} does not speak TLS: name it with http:// ({error})"),
            false => format!(
                "no node answers at {base} ({error}): start one with `chappe`, or name its admin listener with --admin URL"
            ),
        })
    }
}

/// The message in the body of a refusal.
fn reason(text: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    Some(body.get("message")?.as_str()?.to_owned())
}

/// For a node to answer. Listings of thousands of sessions take a second or two.
const PATIENCE: Duration = Duration::from_secs(10);
