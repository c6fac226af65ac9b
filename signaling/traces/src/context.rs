//! Owns how a trace is named from one process to the next (W3C Trace Context, level 1).

use std::fmt;
use std::str::FromStr;

/// A span, as the steps below it have to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) trace: u128,
    pub(crate) span: u64,
    /// Whether it is kept where it was begun; one that is not is not kept here either.
    pub is_sampled: bool,
}

/// No value of a `traceparent` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadTraceparent;

impl TraceContext {
    /// The first of a trace.
    pub(crate) fn random() -> TraceContext {
        TraceContext { trace: rand::random::<u128>().max(1), span: random_span(), is_sampled: true }
    }

    /// A step below this one.
    pub(crate) fn below(self) -> TraceContext {
        TraceContext { span: random_span(), ..self }
    }
}

/// Zero names no span.
fn random_span() -> u64 {
    rand::random::<u64>().max(1)
}

/// The value of a `traceparent` header.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

impl FromStr for TraceContext {
    type Err = BadTraceparent;

    /// Section 3.2: of a version that is newer than ours what is known of ours is read.
    fn from_str(text: &str) -> Result<TraceContext, BadTraceparent> {
        let mut parts = text.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits).ok_or(BadTraceparent)?;
            let is_lower_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let value = u128::from_str_radix(part, 16).map_err(|_| BadTraceparent)?;
            if is_lower_hex { Ok(value) } else { Err(BadTraceparent) }
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let has_more = parts.next().is_some();
        if version == 0xff || version == 0 && has_more || trace == 0 || span == 0 {
            return Err(BadTraceparent);
        }
        let span = u64::try_from(span).map_err(|_| BadTraceparent)?;
        Ok(TraceContext { trace, span, is_sampled: flags & 1 == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_recommendation_is_read_and_written_as_it_is() {
        let context: TraceContext = EXAMPLE.parse().unwrap();
        assert_eq!((context.trace, context.span), (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7));
        assert!(context.is_sampled);
        assert_eq!(context.to_string(), EXAMPLE);
        let unsampled: TraceContext = EXAMPLE.replace("-01", "-00").parse().unwrap();
        assert!(!unsampled.is_sampled);
    }

    #[test]
    fn a_newer_version_may_say_more_and_ours_may_not() {
        assert!(EXAMPLE.replacen("00", "cc", 1).parse::<TraceContext>().is_ok());
        assert!(format!("{}-what-is-next", EXAMPLE.replacen("00", "cc", 1)).parse::<TraceContext>().is_ok());
        assert!(format!("{EXAMPLE}-what-is-next").parse::<TraceContext>().is_err());
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let zero_trace = format!("00-{:032x}-00f067aa0ba902b7-01", 0);
        let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016x}-01", 0);
        let upper = EXAMPLE.to_uppercase();
        let newest = EXAMPLE.replacen("00", "ff", 1);
        let bad = [
            "",
            "00",
            "00-1-2-01",
            &zero_trace,
            &zero_span,
            &upper,
            &newest,
            &EXAMPLE[..54],
            "ä",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        for text in bad {
            assert_eq!(text.parse::<TraceContext>(), Err(BadTraceparent), "{text}");
        }
    }
}
