//! One hash to tell recipes and models apart.

/// FNV-1a, 64 bits: short, published, the same on every platform. No defence against forgery.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01B3;
    bytes.iter().fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// [`fnv1a`] in sixteen hexadecimal digits.
pub(crate) fn digits(bytes: &[u8]) -> String {
    format!("{:016x}", fnv1a(bytes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn agrees_with_a_vector_of_its_authors() {
        assert_eq!(super::fnv1a(b"foobar"), 0x8594_4171_F739_67E8);
    }
}
