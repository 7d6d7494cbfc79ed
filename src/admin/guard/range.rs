//! Addresses that may pass.

#![forbid(unsafe_code)]

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

/// An address or a range of addresses. Bits behind the prefix do not count: `127.0.0.1/8` is `127.0.0.0/8`. A range of IPv4-mapped
/// addresses is the IPv4 range that it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange(IpNet);

/// The text is neither an address nor a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither an address nor a range of addresses")]
pub struct NoRange;

impl FromStr for AddressRange {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse().map_err(|_| NoRange)?,
        };
        // An IPv4-mapped address with a prefix of IPv4: what is meant is not what it says.
        let is_mapped = net.addr().is_ipv6() && net.addr().to_canonical().is_ipv4();
        if is_mapped && net.prefix_len() < MAPPED_BITS {
            return Err(NoRange);
        }
        Ok(Self(canonical(net.trunc())))
    }
}

/// What all IPv4-mapped addresses have in common.
const MAPPED_BITS: u8 = 96;

fn canonical(net: IpNet) -> IpNet {
    match net.addr().to_canonical() {
        IpAddr::V4(address) if net.addr().is_ipv6() && net.prefix_len() >= MAPPED_BITS => {
            Ipv4Net::new(address, net.prefix_len() - MAPPED_BITS).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

impl AddressRange {
    /// Whether the address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether it leaves nobody out, of IPv4 or of IPv6.
    pub fn is_everybody(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_matched_bit_by_bit() {
        let cases = [
            ("127.0.0.1/8", "127.9.9.9", true),
            ("127.0.0.1/8", "128.0.0.1", false),
            ("127.0.0.1/8", "::ffff:127.0.0.1", true),
            ("10.0.0.0/9", "10.127.255.255", true),
            ("10.0.0.0/9", "10.128.0.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("::1", "::1", true),
            ("::1/128", "::2", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("::ffff:10.0.0.1", "10.0.0.2", false),
        ];
        for (range, address, expected) in cases {
            let range: AddressRange = range.parse().expect("a range");
            assert_eq!(range.contains(address.parse().expect("an address")), expected, "{range} {address}");
        }
    }

    #[test]
    fn what_is_no_range_is_none() {
        let cases = [
            "",
            "10.0.0.0/",
            "10.0.0.0/abc",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "localhost",
            "10.0.0.0/-1",
            " ::1",
            "::ffff:10.0.0.0/8",
            "::ffff:10.0.0.0/95",
        ];
        for text in cases {
            assert_eq!(text.parse::<AddressRange>(), Err(NoRange), "{text:?}");
        }
    }
}
