//! What is refused, and in which words; what wins over what.

use super::*;
use crate::node::flags::Cli;
use clap::Parser;

fn planned(args: &[&str]) -> Result<NodePlan, String> {
    let cli = Cli::try_parse_from(["chappe"].iter().chain(args)).map_err(|e| crate::failure::one_line(&e))?;
    plan(cli.program.unwrap_or(Program::Up), cli.flags).map_err(|failure| failure.to_string())
}

fn refusal(args: &[&str]) -> String {
    let line = planned(args).expect_err("accepted");
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn without_flags_it_is_a_node_on_localhost_with_a_worker_per_core() {
    let plan = planned(&[]).unwrap();
    assert_eq!(plan.http, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(plan.admin, "127.0.0.1:8081".parse().unwrap());
    assert_eq!((plan.role, plan.workers, plan.media_port, plan.auth), (Role::Up, None, 7000, Auth::Open));
    assert!(!plan.node.is_empty());
    assert_eq!(planned(&["up"]).unwrap(), plan);
}

#[test]
fn flags_stand_before_or_after_the_subcommand() {
    assert_eq!(planned(&["--workers", "2", "up"]).unwrap(), planned(&["up", "--workers", "2"]).unwrap());
    assert_eq!(planned(&["signaling", "--http=[::1]:9"]).unwrap().role, Role::Signaling);
}

#[test]
fn what_is_read_again_has_to_go_with_what_stays() {
    let running = planned(&["--http", "0.0.0.0:8080", "--auth", "public"]).unwrap();
    let again = |args: &[&str]| {
        let flags = Cli::try_parse_from(["chappe"].iter().chain(args)).unwrap().flags;
        renewed(&running, Program::Up, flags)
    };
    // It goes with the listener that the settings name now, and not with the one that is bound.
    let refused = again(&["--http", "127.0.0.1:8080", "--auth", "open"]).unwrap_err();
    assert!(refused.contains("--auth public"), "{refused}");
    let settings = ["--http", "127.0.0.1:8080", "--auth", "public", "--per-address", "7", "--log-filter", "debug"];
    let caps = ["--rooms-max", "3", "--streams-per-room", "2", "--sessions-per-worker", "9"];
    let renewal = again(&[&settings[..], &caps].concat()).unwrap();
    let changed = ["per-address", "rooms-max", "streams-per-room", "sessions-per-worker", "log-filter"];
    assert_eq!((renewal.changed, renewal.fixed), (changed.to_vec(), vec!["http"]));
    assert_eq!((renewal.plan.caps.rooms_max, renewal.plan.sessions_per_worker), (Some(3), Some(9)));
    assert_eq!((renewal.plan.http, renewal.plan.per_address), (running.http, Some(7)));
}

#[test]
fn open_to_other_machines_is_refused_with_both_ways_out() {
    for address in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
        let line = refusal(&["--http", address]);
        assert!(line.contains("--auth public") && line.contains("--http 127.0.0.1:8080"), "{line}");
        assert_eq!(planned(&["--http", address, "--auth", "public"]).unwrap().auth, Auth::Public);
    }
    assert!(planned(&["--http", "[::1]:8080"]).is_ok());
    assert!(planned(&["--http", "localhost:8080"]).is_ok());
}

#[test]
fn what_can_not_work_is_said_and_not_ignored() {
    assert!(refusal(&["--cluster", "http://h:4222"]).contains("--cluster"));
    assert!(refusal(&["sfu"]).contains("--cluster"));
    assert!(refusal(&["--auth", "jwt"]).contains("chappe keys add --keys FILE"));
    assert!(refusal(&["--auth", "jwt", "--keys", "/nowhere/k"]).contains("chappe keys add --keys /nowhere/k"));
    assert!(refusal(&["--auth", "jwt", "--jwks", "https://id.example"]).contains("https://id.example=/etc/jwks.json"));
    assert!(refusal(&["--keys", "k.json"]).contains("--auth jwt"));
    assert!(refusal(&["signaling", "--workers", "2"]).contains("chappe up"));
}

#[test]
fn ports_that_cannot_work_are_refused_before_anything_is_bound() {
    let line = refusal(&["--media-port", "65534", "--workers", "3"]);
    assert!(line.contains("65535") && line.contains("at most 65533"), "{line}");
    assert!(planned(&["--media-port", "65533", "--workers", "3"]).is_ok());
    assert!(refusal(&["--media-port", "8079", "--workers", "2"]).contains("--http 127.0.0.1:8080 is among"));
    assert!(refusal(&["--admin", "127.0.0.1:8080"]).contains("cannot share a port"));
    assert!(planned(&["--http", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--media-port", "0"]).is_ok());
    let line = refusal(&["--http", "0.0.0.0:443", "--auth", "public", "--turn", "0.0.0.0:443"]);
    assert!(line.contains("--http 0.0.0.0:443 and --turn 0.0.0.0:443 cannot share a port"), "{line}");
    assert!(line.contains("another port, or each an address of its own"), "{line}");
    assert!(refusal(&["--turn", "[::]:8081"]).contains("--admin 127.0.0.1:8081 and --turn [::]:8081"));
    let line = refusal(&["--turn", "0.0.0.0:7001", "--workers", "2"]);
    assert!(line.contains("--turn 0.0.0.0:7001 is among") && line.contains("--turn or --media-port"), "{line}");
    assert!(planned(&["--turn", "0.0.0.0:7001", "--workers", "1"]).is_ok());
    assert!(planned(&["--http", "127.0.0.1:443", "--turn", "192.0.2.1:443"]).is_ok());
    assert!(planned(&["--http", "127.0.0.1:0", "--turn", "127.0.0.1:0"]).is_ok());
}

#[test]
fn a_bad_value_says_what_is_wanted() {
    assert!(refusal(&["--workers", "0"]).contains("chappe signaling"));
    assert!(refusal(&["--workers", "many"]).contains("1 to 256"));
    assert!(refusal(&["--http", "8080"]).contains("127.0.0.1:8080"));
    assert!(refusal(&["--media-port", "70000"]).contains("1 to 65535"));
    assert!(refusal(&["--public-ip", "0.0.0.0"]).contains("203.0.113.7"));
    assert!(refusal(&["--public-ip", "192.0.2.1,192.0.2.2"]).contains("at most one IPv4"));
    assert!(refusal(&["--node", "a b"]).contains("1 to 64"));
    assert!(refusal(&["--rooms-max", "0"]).contains("1 to 100000"));
    assert!(refusal(&["--members-per-room", "2001"]).contains("1 to 2000"));
    assert!(refusal(&["--auth", "closed"]).contains("open, public, jwt"));
}

#[test]
fn a_flag_wins_over_the_file() {
    let first = Flags { media_port: Some(1000), ..Flags::default() };
    let second = Flags { media_port: Some(2000), workers: Some(Workers::Count(5)), ..Flags::default() };
    let both = merged(first, second);
    assert_eq!((both.media_port, both.workers), (Some(1000), Some(Workers::Count(5))));
}
