//! Owns ranges of addresses.

use std::net::IpAddr;

/// A range of addresses, as `10.0.0.0/8` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// The text is no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("wants an address or a range of them, for example 10.0.0.5 or 10.0.0.0/8")]
pub struct BadNetwork;

impl Network {
    pub fn parse(text: &str) -> Result<Network, BadNetwork> {
        let (ip, bits) = match text.trim().split_once('/') {
            Some((ip, bits)) => (ip, Some(bits)),
            None => (text.trim(), None),
        };
        let first: IpAddr = ip.parse().map_err(|_| BadNetwork)?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse::<u8>().map_err(|_| BadNetwork))?;
        if bits > most { Err(BadNetwork) } else { Ok(Network { first, bits }) }
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.first, ip.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(first).checked_shr(shift) == u32::from(ip).checked_shr(shift)
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(first).checked_shr(shift) == u128::from(ip).checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_addresses_and_no_others() {
        let has = |range: &str, ip: &str| Network::parse(range).unwrap().contains(ip.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.255.1.2") && has("10.1.2.3", "10.1.2.3") && has("0.0.0.0/0", "203.0.113.7"));
        assert!(has("2001:db8::/32", "2001:db8:1::2") && has("::/0", "2001:db8::1"));
        assert!(has("10.0.0.0/8", "::ffff:10.0.0.1"), "an IPv4 client of a listener for both");
        assert!(!has("10.0.0.0/8", "11.0.0.1") && !has("10.1.2.3", "10.1.2.4") && !has("::/0", "10.0.0.1"));
        for bad in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0", "::/129", "proxy.example", "10.0.0.0/8/8", "10.0.0.0/-1"]
        {
            assert_eq!(Network::parse(bad), Err(BadNetwork), "{bad}");
        }
    }
}
