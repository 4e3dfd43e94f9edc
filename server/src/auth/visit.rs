//! Where a request comes from: the client's address, its browser, its session.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use store::session::Session;

use crate::{network::Network, state::AppState};

/// Where a request comes from.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The client's address, as far as it can be known.
    pub address: IpAddr,
    /// What the browser calls itself.
    pub agent: String,
    /// The session that the browser has, if it is in force.
    pub session: Option<Session>,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Visit, Self::Rejection> {
        Ok(Visit::of(parts, state))
    }
}

impl Visit {
    /// Of a request that `identify` has seen; before it, without the session.
    pub fn of(parts: &Parts, state: &AppState) -> Visit {
        let agent = parts.headers.get(header::USER_AGENT);
        Visit {
            address: client(parts, state),
            agent: agent
                .map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned())
                .unwrap_or_default(),
            session: parts.extensions.get::<Option<Session>>().cloned().flatten(),
        }
    }
}

/// The client's address.
pub fn client(parts: &Parts, state: &AppState) -> IpAddr {
    let peer = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
    behind_proxies(
        peer.to_canonical(),
        &parts.headers,
        &state.settings.trusted_proxies,
    )
}

/// The last address that no trusted proxy vouches for. Each proxy adds whom it talks to at the end of `X-Forwarded-For`:
/// what stands before the first stranger, read from the end, the stranger may have made up.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let lines = headers.get_all("x-forwarded-for");
    let entries: Vec<&str> = lines
        .iter()
        .flat_map(|line| line.to_str().unwrap_or("unreadable").split(','))
        .collect();
    let mut client = peer;
    for entry in entries.iter().rev() {
        if !is_proxy(client) {
            break;
        }
        match parse(entry.trim()) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// An address with or without a port.
fn parse(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let plain = bare.parse::<IpAddr>().ok();
    let address = plain.or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seen(peer: &str, lines: &[&'static str], proxies: &[&str]) -> String {
        let headers = lines
            .iter()
            .map(|line| {
                (
                    header::HeaderName::from_static("x-forwarded-for"),
                    HeaderValue::from_static(line),
                )
            })
            .collect();
        let proxies: Vec<Network> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        behind_proxies(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_who_the_client_is_and_the_last_of_its_lines_counts() {
        let (proxy, other) = ("127.0.0.1", "10.0.0.7");
        assert_eq!(
            seen(proxy, &["6.6.6.6, 9.9.9.9"], &[]),
            proxy,
            "no proxy is known"
        );
        assert_eq!(seen("8.8.8.8", &["6.6.6.6"], &[proxy]), "8.8.8.8", "a stranger");
        assert_eq!(seen(proxy, &["6.6.6.6", "9.9.9.9"], &[proxy]), "9.9.9.9");
        assert_eq!(seen(proxy, &["6.6.6.6, 9.9.9.9"], &[proxy]), "9.9.9.9");
        let two = [proxy, "10.0.0.0/8"];
        assert_eq!(seen(proxy, &["6.6.6.6, 9.9.9.9", "10.0.0.7"], &two), "9.9.9.9");
        assert_eq!(seen(proxy, &[other], &two), other);
        assert_eq!(seen(proxy, &["6.6.6.6, nonsense"], &[proxy]), proxy);
        assert_eq!(seen(proxy, &["[2001:db8::1]:443"], &[proxy]), "2001:db8::1");
        assert_eq!(seen(proxy, &[], &[proxy]), proxy);
    }
}
