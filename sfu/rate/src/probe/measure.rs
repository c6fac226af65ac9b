//! Owns the measurement of probe clusters: how fast their packets went and came. Never decides to probe.
//!
//! `probe_bitrate_estimator.cc`.

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::estimator::ReceiverTime;
use crate::probe::ProbeCluster;
use crate::time::Time;

/// The last few clusters; an older one's packets are ignored.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProbeMeasures {
    clusters: [Option<Measure>; 2],
}

/// What a cluster showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProbeResult {
    pub cluster: u8,
    pub rate: Bitrate,
    /// It arrived more slowly than it was sent.
    pub is_saturated: bool,
    pub sent: Bitrate,
    pub arrived: Bitrate,
}

#[derive(Debug, Clone, Copy)]
struct Measure {
    id: u8,
    packets_min: u32,
    bytes_min: u64,
    packets: u32,
    bytes: u64,
    sent: Option<Ends<Time>>,
    arrived: Option<Ends<ReceiverTime>>,
}

/// Moment and size of the first and of the last packet.
type Ends<T> = ((T, u32), (T, u32));

impl ProbeMeasures {
    pub fn expect(&mut self, cluster: &ProbeCluster) {
        let measure = Measure {
            id: cluster.id,
            packets_min: (f64::from(cluster.packets) * COMPLETE) as u32,
            bytes_min: (cluster.bytes as f64 * COMPLETE) as u64,
            packets: 0,
            bytes: 0,
            sent: None,
            arrived: None,
        };
        self.clusters = [Some(measure), self.clusters[0]];
    }

    /// A packet of a cluster arrived. Gives the result once most of the cluster has, and again with each packet more.
    pub fn handle(&mut self, cluster: u8, sent: Time, arrival: ReceiverTime, bytes: u32) -> Option<ProbeResult> {
        let measure = self.clusters.iter_mut().flatten().find(|measure| measure.id == cluster)?;
        measure.packets += 1;
        measure.bytes += u64::from(bytes);
        extend(&mut measure.sent, sent, bytes);
        extend(&mut measure.arrived, arrival, bytes);
        measure.result()
    }
}

impl Measure {
    fn result(&self) -> Option<ProbeResult> {
        if self.packets < self.packets_min.max(2) || self.bytes < self.bytes_min {
            return None;
        }
        let ((first_sent, _), (last_sent, last_bytes)) = self.sent?;
        let ((first_arrival, first_bytes), (last_arrival, _)) = self.arrived?;
        let sent_ms = last_sent.millis_after(first_sent);
        let arrived_ms = last_arrival.millis_after(first_arrival);
        let valid = |ms: f64| ms > 0.0 && ms <= INTERVAL_MAX.as_secs_f64() * 1e3;
        if !valid(sent_ms) || !valid(arrived_ms) {
            return None;
        }
        // The last packet's time of sending and the first one's of arriving are not within the intervals.
        let sent_kbps = (self.bytes - u64::from(last_bytes)) as f64 * 8.0 / sent_ms;
        let arrived_kbps = (self.bytes - u64::from(first_bytes)) as f64 * 8.0 / arrived_ms;
        if arrived_kbps > RATIO_MAX * sent_kbps {
            // They were held up and came at once: nothing is measured.
            return None;
        }
        let is_saturated = arrived_kbps < UNSATURATED * sent_kbps;
        let rate = Bitrate::of_kbps(if is_saturated { TARGET * arrived_kbps } else { arrived_kbps.min(sent_kbps) });
        let (sent, arrived) = (Bitrate::of_kbps(sent_kbps), Bitrate::of_kbps(arrived_kbps));
        Some(ProbeResult { cluster: self.id, rate, is_saturated, sent, arrived })
    }
}

fn extend<T: Copy + PartialOrd>(range: &mut Option<Ends<T>>, at: T, bytes: u32) {
    let (first, last) = range.get_or_insert(((at, bytes), (at, bytes)));
    if at < first.0 {
        *first = (at, bytes);
    }
    if at >= last.0 {
        *last = (at, bytes);
    }
}

/// kMinReceivedProbesRatio and kMinReceivedBytesRatio.
const COMPLETE: f64 = 0.8;
/// kMaxProbeInterval.
const INTERVAL_MAX: Duration = Duration::from_secs(1);
/// kMaxValidRatio, kMinRatioForUnsaturatedLink, kTargetUtilizationFraction.
const RATIO_MAX: f64 = 2.0;
const UNSATURATED: f64 = 0.9;
const TARGET: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;

    /// Five packets of 1000 bytes sent each `sent_us`, arriving each `arrived_us`.
    fn measured(sent_us: u64, arrived_us: i64) -> Option<u64> {
        let mut measures = ProbeMeasures::default();
        measures.expect(&ProbeCluster { id: 7, rate: Bitrate::from_kbps(1000), packets: 5, bytes: 5000 });
        let mut rate = None;
        for index in 0..5 {
            let sent = Time::from_micros(1_000_000 + index * sent_us);
            let arrival = ReceiverTime::from_micros(index as i64 * arrived_us);
            rate = measures.handle(7, sent, arrival, 1000).or(rate);
        }
        rate.map(|result| result.rate.bps() / 1000)
    }

    #[test]
    fn the_slower_of_sending_and_arriving_counts_and_a_saturated_line_a_little_less() {
        assert_eq!(measured(4000, 4000), Some(2000));
        assert_eq!(measured(4000, 3000), Some(2000));
        assert_eq!(measured(4000, 8000), Some(950));
    }

    #[test]
    fn packets_that_come_at_once_measure_nothing() {
        assert_eq!(measured(4000, 100), None);
        assert_eq!(measured(4000, 0), None);
    }
}
