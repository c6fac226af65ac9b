//! What the parent writes is what the child reads.

use super::*;
use clap::Parser;

fn parse<T: Parser>(args: Vec<OsString>) -> T {
    T::try_parse_from(args.into_iter().chain(["--restarts".into(), "7".into()])).unwrap()
}

#[test]
fn a_workers_arguments_survive_the_way_to_the_child() {
    let sent = WorkerArgs {
        supervisor: 4711,
        index: 3,
        udp_fd: 5,
        tcp_fd: 6,
        control_fd: 7,
        media_port: 7003,
        core: Some(1),
        loudest: Some(7),
        sessions: Some(300),
        log: LogFormat::Json,
        log_filter: Some("info,chappe_sfu_core=debug".to_owned()),
        restarts: 7,
    };
    assert_eq!(parse::<WorkerArgs>(sent.to_args()), sent);
    let unpinned = WorkerArgs { core: None, loudest: None, sessions: None, log_filter: None, ..sent };
    assert_eq!(parse::<WorkerArgs>(unpinned.to_args()), unpinned);
}

#[test]
fn signalings_arguments_survive_also_with_odd_names() {
    let sent = SignalingArgs {
        supervisor: 4711,
        http_fd: Some(5),
        admin_fd: 6,
        control_dir: "/run/a dir/=x".into(),
        media_ports: vec![7000, 7001],
        admin_hosts: vec!["ops.example".to_owned()],
        trusted_proxies: vec!["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()],
        base_path: "/live".to_owned(),
        per_address: Some(50),
        caps: Caps { rooms_max: Some(7), members_max: Some(8), members_per_room: Some(9), streams_per_room: Some(10) },
        webhooks: vec!["https://example.org/hooks".to_owned()],
        webhook_secrets: Some("/etc/chappe.secrets".into()),
        webhook_state: Some("/var/lib/chappe/webhooks".into()),
        otlp_traces: Some("http://127.0.0.1:4318/v1/traces".to_owned()),
        room_metrics: Some(50),
        public_ips: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        node: "-dash and ümlaut".to_owned(),
        region: Some("eu".to_owned()),
        auth: Auth::Jwt,
        admin_auth: AdminAuth::Key,
        tls_cert: Some("/etc/a dir/=certificate".into()),
        tls_key: Some("/etc/key".into()),
        acme_server: Some("https://acme.example/directory".to_owned()),
        acme_domains: vec!["a.example".to_owned(), "b.example".to_owned()],
        acme_email: Some("ops@example.org".to_owned()),
        turn_udp_fd: Some(8),
        turn_tcp_fd: Some(9),
        turn_urls: vec!["turn:turn.example.org:3478?transport=udp".to_owned()],
        turn_secret: Some("/etc/turn.secret".into()),
        keys: Some("/etc/a dir/=keys".into()),
        jwks: vec!["https://id.example=/etc/jwks.json".to_owned()],
        log: LogFormat::Text,
        log_filter: Some("-odd=trace".to_owned()),
        restarts: 7,
    };
    assert_eq!(parse::<SignalingArgs>(sent.to_args()), sent);
    let sent = SignalingArgs {
        admin_hosts: vec![],
        trusted_proxies: vec![],
        base_path: String::new(),
        per_address: None,
        caps: Caps::default(),
        webhooks: Vec::new(),
        webhook_secrets: None,
        webhook_state: None,
        otlp_traces: None,
        room_metrics: None,
        tls_cert: None,
        tls_key: None,
        acme_server: None,
        acme_domains: vec![],
        acme_email: None,
        turn_udp_fd: None,
        turn_tcp_fd: None,
        turn_urls: vec![],
        turn_secret: None,
        keys: None,
        jwks: vec![],
        log_filter: None,
        ..sent
    };
    let alone = SignalingArgs { media_ports: vec![], public_ips: vec![], region: None, ..sent };
    assert_eq!(parse::<SignalingArgs>(alone.to_args()), alone);
}
