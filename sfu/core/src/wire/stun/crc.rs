//! Owns the CRC-32 of the FINGERPRINT attribute (RFC 8489 section 14.7). Nothing else uses it.

/// CRC-32 (ISO-HDLC, the one of zip) of the message so far, XORed with "STUN".
pub fn fingerprint(covered: &[u8]) -> u32 {
    crc32fast::hash(covered) ^ FINGERPRINT_MASK
}

const FINGERPRINT_MASK: u32 = 0x5354_554E;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_crc_32_iso_hdlc_comes_out() {
        assert_eq!(fingerprint(b"123456789") ^ FINGERPRINT_MASK, 0xCBF4_3926);
    }
}
