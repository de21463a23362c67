//! One fetch: GET, or POST of an OCSP request.

use std::io;
use std::time::{Duration, Instant};

use ike::auth::ask::FetchQuestion;
use ureq::http::uri::Scheme;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::{Agent, Body, Error};

use super::Fetched;

/// Longer than any that a certificate needs.
const LONGEST_URL: usize = 2048;
/// From a company's name for its CRL to where it lies; each is a GET over plain HTTP again.
const REDIRECTS: u32 = 3;

/// Fetches within the time, blocking.
pub(super) fn fetch(question: &FetchQuestion, time: Duration) -> Fetched {
    let url = &question.url;
    if url.len() > LONGEST_URL {
        return Err(format!("a URL of {} characters is not fetched", url.len()));
    }
    if time.is_zero() {
        return Err(format!("{url}: too much else was being fetched"));
    }
    let until = Instant::now() + time;
    plain(url)
        .map_err(str::to_owned)
        .and_then(|uri| follow(uri, question, until).map_err(|why| why.words(question.limit, time)))
        .map_err(|why| format!("{url}: {why}"))
}

/// A URL of plain HTTP that holds nobody's password.
fn plain(url: &str) -> Result<Uri, &'static str> {
    let uri: Uri = url.parse().map_err(|_| "this is no URL")?;
    if uri.scheme() != Some(&Scheme::HTTP) {
        return Err("only http:// is fetched, for CRLs and OCSP replies are signed by themselves");
    }
    match uri.authority() {
        Some(at) if !at.host().is_empty() && !at.as_str().contains('@') => Ok(uri),
        _ => Err("the URL names no host, or a user"),
    }
}

/// Why there is no body.
enum Failed {
    Status(StatusCode),
    Redirect(String),
    Redirects,
    Http(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Http(error)
    }
}

/// Redirects are followed here: each place has to pass [`plain`] before anything is sent there.
fn follow(mut uri: Uri, question: &FetchQuestion, until: Instant) -> Result<Vec<u8>, Failed> {
    for _ in 0..=REDIRECTS {
        let response = get_or_post(
            &uri,
            question,
            until.saturating_duration_since(Instant::now()),
        )?;
        let status = response.status();
        let location = response.headers().get(header::LOCATION);
        match location.and_then(|location| location.to_str().ok()) {
            _ if status == StatusCode::OK => return body(response, question.limit),
            Some(place) if status.is_redirection() && question.body.is_none() => {
                uri = next(&uri, place)
                    .map_err(|why| Failed::Redirect(format!("redirected to {place}: {why}")))?;
            }
            _ => return Err(Failed::Status(status)),
        }
    }
    Err(Failed::Redirects)
}

/// Where a redirect leads: to a URL, or to another path of the same server.
fn next(from: &Uri, place: &str) -> Result<Uri, &'static str> {
    if place.len() > LONGEST_URL {
        return Err("the URL is too long");
    }
    match from.authority() {
        Some(at) if place.starts_with('/') && !place.starts_with("//") => {
            plain(&format!("http://{at}{place}"))
        }
        _ => plain(place),
    }
}

fn get_or_post(
    uri: &Uri,
    question: &FetchQuestion,
    time: Duration,
) -> Result<Response<Body>, Error> {
    // A proxy of the environment is somebody else's idea of where CRLs lie; nothing is kept open after the answer.
    let agent: Agent = Agent::config_builder()
        .proxy(None)
        .timeout_global(Some(time.max(Duration::from_millis(1))))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .user_agent("ikd")
        .build()
        .into();
    match &question.body {
        None => agent.get(uri).call(),
        Some(body) => agent
            .post(uri)
            .header("content-type", "application/ocsp-request")
            .header("accept", "application/ocsp-response")
            .send(body.as_slice()),
    }
}

fn body(mut response: Response<Body>, limit: usize) -> Result<Vec<u8>, Failed> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let announced = response.body().content_length();
    if announced.is_some_and(|length| length > limit) {
        return Err(Error::BodyExceedsLimit(limit).into());
    }
    Ok(response
        .body_mut()
        .with_config()
        .limit(limit)
        .read_to_vec()?)
}

impl Failed {
    fn words(&self, limit: usize, time: Duration) -> String {
        match self {
            Self::Status(status) => format!("the server answered {status}"),
            Self::Redirect(why) => why.clone(),
            Self::Redirects => format!("redirected more than {REDIRECTS} times"),
            Self::Http(Error::Timeout(_)) => format!("not within {time:.1?}"),
            Self::Http(Error::HostNotFound) => "the host's name has no address".to_owned(),
            Self::Http(Error::BodyExceedsLimit(_)) => format!("it is longer than {limit} bytes"),
            Self::Http(Error::Io(error)) => io_words(error),
            Self::Http(error) => format!("the server does not speak HTTP as it should: {error}"),
        }
    }
}

fn io_words(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => return "the connection ended half way".to_owned(),
        _ => error.to_string(),
    };
    // The number behind the words tells a person nothing.
    let words = text.split(" (os error").next().unwrap_or(&text);
    words.to_lowercase()
}
