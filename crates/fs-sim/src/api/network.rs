//! Commands about addresses: `acl`, `is_lan_addr`, `host_lookup`, `interface_ip`. No network is ever asked.

use std::net::IpAddr;

use super::{Answer, Call, text};
use crate::{
    dial_string::words,
    event::{IPV4, IPV6},
};

/// The lists that every server has; the recorded one has no other.
const PRIVATE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// `acl <ip> <list>`, or a network instead of a list.
pub(super) fn acl(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let [address, list, ..] = words.as_slice() else { return text("false") };
    text(acl_allows(address, list).to_string())
}

/// Whether an address is in a list, or in a network.
pub(crate) fn acl_allows(address: &str, list: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let is_in = |networks: &[&str]| networks.iter().any(|network| contains(network, address));
    match list.to_ascii_lowercase().as_str() {
        "loopback.auto" => is_in(&LOOPBACK),
        "rfc1918.auto" => is_in(&PRIVATE),
        // What is not private and not an address of its own.
        "nat.auto" => is_in(&PRIVATE) && !is_own(address),
        "localnet.auto" => is_own(address),
        "wan.auto" => !is_in(&PRIVATE),
        "wan_v4.auto" => address.is_ipv4() && !is_in(&PRIVATE),
        "any_v4.auto" => address.is_ipv4(),
        "wan_v6.auto" | "any_v6.auto" => address.is_ipv6(),
        network => contains(network, address),
    }
}

/// The recorded server's network is its own machine.
fn is_own(address: IpAddr) -> bool {
    contains("127.0.0.0/8", address) || contains("192.0.2.0/24", address)
}

fn contains(network: &str, address: IpAddr) -> bool {
    let Some((base, bits)) = network.split_once('/') else { return false };
    match (base.parse::<IpAddr>(), address, bits.parse::<u32>()) {
        (Ok(IpAddr::V4(base)), IpAddr::V4(address), Ok(bits @ 0..=32)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(base) & mask == u32::from(address) & mask
        }
        (Ok(IpAddr::V6(base)), IpAddr::V6(address), Ok(bits @ 0..=128)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(base) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

/// IPv4 only.
pub(super) fn is_lan_addr(call: Call<'_>) -> Answer {
    let lan = call.arguments.parse::<IpAddr>().is_ok_and(|address| {
        address.is_ipv4() && PRIVATE.iter().chain(&LOOPBACK).any(|network| contains(network, address))
    });
    text(lan.to_string())
}

/// An address stays itself, and this machine's names are loopback; nothing else is known here.
pub(super) fn host_lookup(call: Call<'_>) -> Answer {
    let name = call.arguments;
    text(match name {
        "" => "parameter missing\n",
        "localhost" => "127.0.0.1",
        name if name == call.switch.hostname() => IPV4,
        name if name.parse::<IpAddr>().is_ok() => name,
        _ => "",
    })
}

/// `interface_ip [auto|ipv4|ipv6] <ifname>`
pub(super) fn interface_ip(call: Call<'_>) -> Answer {
    let words = words(call.arguments);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    text(match words.as_slice() {
        ["auto" | "ipv4", "lo", ..] => "127.0.0.1",
        ["ipv6", "lo", ..] => "::1",
        ["auto" | "ipv4", "eth0", ..] => IPV4,
        ["ipv6", "eth0", ..] => IPV6,
        ["auto" | "ipv4" | "ipv6", _, ..] => "",
        _ => "USAGE: interface_ip [auto|ipv4|ipv6] <ifname>\n",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (network, of, expected) in [
            ("10.0.0.0/8", "10.1.1.1", true),
            ("10.0.0.0/8", "8.8.8.8", false),
            ("172.16.0.0/12", "172.31.0.1", true),
            ("172.16.0.0/12", "172.32.0.1", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("::/0", "::1", true),
            ("1.2.3.4/33", "1.2.3.4", false),
            ("x", "1.2.3.4", false),
        ] {
            assert_eq!(contains(network, address(of)), expected, "{network} {of}");
        }
    }
}
