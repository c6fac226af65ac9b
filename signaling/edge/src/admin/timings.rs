//! Owns how the workers' histograms look in the Prometheus text format, which the library that writes the rest keeps for
//! itself. Never counts.

use std::fmt::Write as _;

use chappe_sfu_api::{Histogram, Timings, WorkerIndex};

/// Of each worker. Labels are the workers and at most [`BOUNDS_MAX`] bounds.
pub fn to_text(workers: &[(WorkerIndex, Timings)]) -> String {
    let mut text = String::new();
    for (name, help, of) in FAMILIES {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (worker, timings) in workers {
            write(&mut text, name, worker.0, of(timings));
        }
    }
    text
}

fn write(text: &mut String, name: &str, worker: u16, histogram: &Histogram) {
    let mut count = 0;
    let bounds = histogram.bounds_us.iter().map(|bound| (*bound as f64 / 1e6).to_string()).take(BOUNDS_MAX);
    for (own, bound) in histogram.counts.iter().zip(bounds) {
        count += own;
        let _ = writeln!(text, "{name}_bucket{{worker=\"{worker}\",le=\"{bound}\"}} {count}");
    }
    let (all, sum) = (histogram.counts.iter().sum::<u64>(), histogram.sum_us as f64 / 1e6);
    let _ = writeln!(text, "{name}_bucket{{worker=\"{worker}\",le=\"+Inf\"}} {all}");
    let _ = writeln!(text, "{name}_sum{{worker=\"{worker}\"}} {sum}\n{name}_count{{worker=\"{worker}\"}} {all}");
}

type Family = (&'static str, &'static str, fn(&Timings) -> &Histogram);

const FAMILIES: [Family; 5] = [
    ("chappe_worker_loop_seconds", "How long the turns of the worker's event loop took.", |timings| &timings.turns),
    (
        "chappe_worker_join_seconds",
        "From when the worker was told of a session until its media could flow.",
        |timings| &timings.joins,
    ),
    (
        "chappe_worker_first_keyframe_seconds",
        "From when a viewer could be reached and its stream was there until its first key frame left.",
        |timings| &timings.first_keyframes,
    ),
    (
        "chappe_worker_egress_wait_seconds",
        "What viewers got waited in the worker; the oldest packet of what left at once.",
        |timings| &timings.egress_waits,
    ),
    (
        "chappe_worker_relay_hop_seconds",
        "From when a packet came to the worker until the next worker had it: its wait and half of the round trip.",
        |timings| &timings.relay_hops,
    ),
];

/// A worker has 17.
const BOUNDS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_to_the_count() {
        let turns = Histogram { bounds_us: vec![50, 1_000_000], counts: vec![3, 2, 1], sum_us: 2_500_000 };
        let text = to_text(&[(WorkerIndex(4), Timings { turns, ..Timings::default() })]);
        let expected = "# HELP chappe_worker_loop_seconds How long the turns of the worker's event loop took.\n\
            # TYPE chappe_worker_loop_seconds histogram\n\
            chappe_worker_loop_seconds_bucket{worker=\"4\",le=\"0.00005\"} 3\n\
            chappe_worker_loop_seconds_bucket{worker=\"4\",le=\"1\"} 5\n\
            chappe_worker_loop_seconds_bucket{worker=\"4\",le=\"+Inf\"} 6\n\
            chappe_worker_loop_seconds_sum{worker=\"4\"} 2.5\n\
            chappe_worker_loop_seconds_count{worker=\"4\"} 6\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("chappe_worker_join_seconds_bucket{worker=\"4\",le=\"+Inf\"} 0\n"), "{text}");
    }
}
