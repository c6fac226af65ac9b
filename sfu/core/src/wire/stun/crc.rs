//! Owns the CRC-32 of the FINGERPRINT attribute (RFC 8489 section 14.7). Nothing else uses it.

/// CRC-32 (ISO-HDLC, the one of zip) of the message so far, XORed with "STUN".
pub fn fingerprint(covered: &[u8]) -> u32 {
    let crc = covered.iter().fold(u32::MAX, |crc, byte| {
        let index = (crc ^ u32::from(*byte)) & 0xFF;
        TABLE[index as usize] ^ (crc >> 8)
    });
    !crc ^ FINGERPRINT_MASK
}

const FINGERPRINT_MASK: u32 = 0x5354_554E;
const POLYNOMIAL_REVERSED: u32 = 0xEDB8_8320;

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL_REVERSED } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_crc_32_iso_hdlc_comes_out() {
        assert_eq!(fingerprint(b"123456789") ^ FINGERPRINT_MASK, 0xCBF4_3926);
    }
}
