//! The admin API and the metrics.

use chappe_sfu_api::{Event, LoadReport, TrackTraffic};
use serde_json::json;

use crate::page::Page;
use crate::server::Server;

#[tokio::test]
async fn workers_are_listed_with_what_they_report() {
    let server = Server::with_workers(2, 500).await;
    server.workers[1].emit(Event::Load(LoadReport {
        sessions: 7,
        cpu: 0.25,
        rss_bytes: 1 << 20,
        ..LoadReport::default()
    }));
    let workers = loop {
        let workers = server.admin("/api/v1/workers").await.json();
        if workers[1]["sessions"] == 7 {
            break workers;
        }
    };
    assert_eq!(workers.as_array().unwrap().len(), 2);
    let second = &workers[1];
    assert_eq!((&second["id"], &second["node"], &second["pid"]), (&json!("n1/1"), &json!("n1"), &json!(4001)));
    assert_eq!((&second["media_port"], &second["state"]), (&json!(7001), &json!("serving")));
    assert_eq!((&second["cpu"], &second["rss_bytes"], &second["restarts"]), (&json!(0.25), &json!(1 << 20), &json!(0)));
}

#[tokio::test]
async fn rooms_streams_and_sessions_can_be_looked_into() {
    let server = Server::start().await;
    let publisher = server.publish("demo/cam").await;
    let viewer = server.watch("demo/cam").await;
    let page = Page::join(&server, "demo").await;
    server.worker().connect(publisher.parse().unwrap());
    let stream = loop {
        let stream = server.admin("/api/v1/streams").await.json()[0].clone();
        if stream["tracks"][1]["active"] == true {
            break stream;
        }
    };
    assert_eq!((&stream["id"], &stream["viewers"]), (&json!("demo/cam"), &json!(1)));
    assert_eq!((&stream["tracks"][0]["codec"], &stream["tracks"][1]["codec"]), (&json!("opus"), &json!("vp8")));
    let room = server.admin("/api/v1/rooms/demo").await.json();
    assert_eq!((&room["streams"], &room["members"], &room["sessions"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!(room["member_list"][0]["id"], page.welcome["member"]);
    let session = server.admin(&format!("/api/v1/sessions/{viewer}")).await.json();
    assert_eq!((&session["kind"], &session["room"]), (&json!("whep"), &json!("demo")));
    assert_eq!(session["slots"][1]["state"], "live");
    assert_eq!(session["stats"]["round_trip_ms"], 1.5);
    let node = server.admin("/api/v1/nodes").await.json();
    assert_eq!(
        (&node[0]["id"], &node[0]["sessions"], &node[0]["workers_serving"]),
        (&json!("n1"), &json!(2), &json!(1))
    );
    for path in ["/api/v1/rooms/none", "/api/v1/sessions/none", "/api/v1/none"] {
        assert_eq!(server.admin(path).await.error(), "not_found", "{path}");
    }
}

#[tokio::test]
async fn a_stream_says_whether_viewers_begin_from_the_cache_and_why_not() {
    use chappe_sfu_api::{UncachedReason, UncachedTrack};
    let server = Server::start().await;
    let publisher = server.publish("demo/cam").await;
    server.worker().connect(publisher.parse().unwrap());
    let track = |is: fn(&serde_json::Value) -> bool| {
        let server = &server;
        async move {
            loop {
                let track = server.admin("/api/v1/streams").await.json()[0]["tracks"][1].clone();
                if is(&track) {
                    return track;
                }
            }
        }
    };
    let cached = track(|track| track["active"] == true).await;
    assert_eq!((&cached["gop_cached"], &cached["gop_uncached_reason"]), (&json!(true), &json!(null)));
    let audio = server.admin("/api/v1/streams").await.json()[0]["tracks"][0].clone();
    assert_eq!(audio["gop_cached"], json!(null));
    let id = serde_json::from_value(cached["id"].clone()).expect("a track id");
    let uncached = vec![UncachedTrack { track: id, reason: UncachedReason::TooLong }];
    server.worker().emit(Event::Load(LoadReport { uncached, ..LoadReport::default() }));
    let told = track(|track| track["gop_cached"] == false).await;
    assert_eq!(told["gop_uncached_reason"], "too_long");
}

#[tokio::test]
async fn no_secret_is_in_the_admin_api() {
    let server = Server::start().await;
    let mut page = Page::join(&server, "demo").await;
    let session = page.publish("cam").await;
    let spec = server.worker().session(&session).spec;
    let secrets = [page.welcome["resume"].as_str().unwrap().to_owned(), spec.local_ice.pwd, spec.remote_ice.pwd];
    for path in [
        "/api/v1/rooms/demo",
        "/api/v1/sessions",
        "/api/v1/streams",
        &format!("/api/v1/sessions/{session}"),
        "/metrics",
    ] {
        let response = server.admin(path).await;
        assert_eq!(response.status, 200, "{path}");
        assert!(secrets.iter().all(|secret| !response.text().contains(secret)), "{path}");
    }
}

#[tokio::test]
async fn metrics_say_what_goes_on_and_each_has_a_help_text() {
    let server = Server::start().await;
    let session = server.publish("demo/cam").await;
    server.worker().connect(session.parse().unwrap());
    let drops = vec![("replayed".to_owned(), 3)];
    server.worker().emit(Event::Load(LoadReport { packets_out: 42, drops, ..LoadReport::default() }));
    let text = loop {
        let response = server.admin("/metrics").await;
        if response.text().contains("chappe_worker_packets_sent_total{worker=\"0\"} 42") {
            break response.text().to_owned();
        }
    };
    assert!(text.contains("chappe_worker_drops_total{worker=\"0\",reason=\"replayed\"} 3"), "{text}");
    assert!(text.contains("chappe_streams 1"), "{text}");
    assert!(text.contains("chappe_engine_messages_dropped_total{queue=\"subscription\"} 0"), "{text}");
    assert!(text.contains("chappe_sessions{kind=\"whip\",state=\"connected\"} 1"), "{text}");
    assert!(text.contains("chappe_http_requests_total{route=\"/whip/{room}/{stream}\",status=\"201\"} 1"), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        // The samples of a histogram are called after their part of it.
        let of_histogram = |stem: &&str| text.contains(&format!("# TYPE {stem} histogram"));
        let parts = ["_bucket", "_sum", "_count"].iter();
        let stem = parts.filter_map(|part| name.strip_suffix(part)).find(of_histogram).unwrap_or(&name);
        assert!(text.contains(&format!("# HELP {stem} ")) && text.contains(&format!("# TYPE {stem} ")), "{name}");
    }
}

#[tokio::test]
async fn metrics_name_the_largest_rooms_and_tell_the_others_together() {
    let server = Server::configured(|config| config.rooms_named = 2).await;
    let rooms = [("small", 1), ("large", 3), ("tiny", 1), ("middle", 2), ("another", 1)];
    for (room, viewers) in rooms {
        server.publish(&format!("{room}/cam")).await;
        for _ in 1..viewers {
            server.watch(&format!("{room}/cam")).await;
        }
    }
    let text = server.admin("/metrics").await.text().to_owned();
    let of = |room: &str, figure: &str| {
        let series = format!("chappe_room_{figure}{{room=\"{room}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).map(str::to_owned)
    };
    assert_eq!(of("large", "sessions").as_deref(), Some("3"), "{text}");
    assert_eq!(of("middle", "streams").as_deref(), Some("1"), "{text}");
    assert_eq!(of("(other)", "sessions").as_deref(), Some("3"), "{text}");
    assert_eq!(of("(other)", "streams").as_deref(), Some("3"), "{text}");
    let series = text.lines().filter(|line| line.starts_with("chappe_room_")).count();
    assert_eq!(series, 5 * 3, "{text}");
}

#[tokio::test]
async fn metrics_tell_what_a_room_receives_and_sends() {
    let server = Server::start().await;
    let session = server.publish("demo/cam").await;
    let track = server.worker().session(&session).spec.media.receive[0].track;
    let came = |seconds: u64| {
        let track = TrackTraffic { track, packets: seconds, bytes: seconds * 1_000, bytes_sent: seconds * 5_000 };
        Event::Load(LoadReport { tracks: vec![track], ..LoadReport::default() })
    };
    (1..=2).for_each(|seconds| server.worker().emit(came(seconds)));
    let figures = ["received_bytes_per_second{room=\"demo\"} 1000\n", "sent_bytes_per_second{room=\"demo\"} 5000\n"];
    let tells = |text: &str| figures.iter().all(|figure| text.contains(figure));
    while !tells(server.admin("/metrics").await.text()) {}
}

#[tokio::test]
async fn no_room_is_named_where_none_is_to_be() {
    let server = Server::configured(|config| config.rooms_named = 0).await;
    server.publish("demo/cam").await;
    let text = server.admin("/metrics").await.text().to_owned();
    assert!(!text.lines().any(|line| line.starts_with("chappe_room_")), "{text}");
}

#[tokio::test]
async fn the_api_describes_itself() {
    let server = Server::start().await;
    let description = server.admin("/api/v1/openapi.json").await.json();
    // An answer that goes on for ever has a test of its own, which sees an event arrive.
    let finite = |path: &&String| *path != "/api/v1/events";
    let paths = description["paths"].as_object().unwrap();
    for (path, operations) in paths.iter().filter(|(path, _)| finite(path)) {
        let concrete = path.replace("{room}", "none").replace("{id}", "none");
        let concrete = concrete.replace("{node}", "none").replace("{index}", "0");
        let response = server.admin(&concrete).await;
        let known = match operations.get("get") {
            Some(_) => {
                // The server of this test has no supervisor, whose log could be told.
                matches!(response.status, 200 | 503)
                    || response.json()["message"].as_str().unwrap().starts_with("there is no such")
            }
            None => response.status == 405,
        };
        assert!(known, "{path} is described and not served");
    }
}
