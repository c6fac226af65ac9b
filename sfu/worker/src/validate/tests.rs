use chappe_sfu_api::{
    DtlsParameters, DtlsRole, Epoch, Feedback, Fingerprint, MediaKind, PayloadMap, ReceiveCodec, SessionId, SsrcPair,
    TrackId,
};

use super::*;

/// A session that publishes one video track and watches another.
pub(crate) fn spec() -> SessionSpec {
    let credentials = |ufrag: &str| IceCredentials { ufrag: ufrag.to_owned(), pwd: "p".repeat(22) };
    let codec = ReceiveCodec {
        codec: Codec::Vp8,
        payload_type: PayloadType(96),
        rtx: Some(PayloadType(97)),
        clock_rate: 90_000,
        feedback: Feedback::default(),
    };
    let receive = ReceiveTrack {
        track: TrackId(1),
        mid: "0".to_owned(),
        kind: MediaKind::Video,
        codecs: vec![codec],
        ssrcs: vec![SsrcPair { ssrc: 10, rtx: Some(11), encoding: 0 }],
        rids: vec![],
        parameter_sets: Vec::new(),
        muted: false,
    };
    let map = PayloadMap {
        codec: Codec::Vp8,
        clock_rate: 90_000,
        from: PayloadType(96),
        to: PayloadType(100),
        rtx: Some(PayloadType(101)),
        nack: true,
    };
    let send = SendTrack {
        mid: "1".to_owned(),
        kind: MediaKind::Video,
        ssrc: 20,
        rtx_ssrc: Some(21),
        source: None,
        payload_types: vec![map],
        cname: "c".to_owned(),
        height_max: None,
    };
    SessionSpec {
        session: SessionId(0, 1),
        epoch: Epoch(1),
        local_ice: credentials("local"),
        remote_ice: credentials("remote"),
        dtls: DtlsParameters {
            role: DtlsRole::Server,
            remote_fingerprints: vec![Fingerprint { hash: "sha-256".to_owned(), value: vec!["AB"; 32].join(":") }],
        },
        media: Media { receive: vec![receive], send: vec![send], ..Media::default() },
        alive_ms: None,
        note: String::new(),
    }
}

#[test]
fn a_usual_session_passes() {
    assert_eq!(session(&spec()), Ok(()));
}

#[test]
fn each_broken_limit_is_named() {
    type Break = fn(&mut SessionSpec);
    let cases: [(&str, Break); 18] = [
        ("local_ice", |spec| spec.local_ice.ufrag = "abc".to_owned()),
        ("local_ice", |spec| spec.local_ice.ufrag = "ab_cd".to_owned()),
        ("remote_ice", |spec| spec.remote_ice.ufrag = "ab:cd".to_owned()),
        ("remote_ice", |spec| spec.remote_ice.pwd = "short".to_owned()),
        ("fingerprints", |spec| spec.dtls.remote_fingerprints.clear()),
        ("note", |spec| spec.note = "x".repeat(NOTE_BYTES_MAX + 1)),
        ("extension id", |spec| spec.media.extensions.mid = Some(0)),
        ("extension id 3", |spec| (spec.media.extensions.mid, spec.media.extensions.rid) = (Some(3), Some(3))),
        ("mid", |spec| spec.media.receive[0].mid = "x".repeat(17)),
        ("received mid 0", |spec| spec.media.receive.push(spec.media.receive[0].clone())),
        ("received SSRC 10", |spec| spec.media.receive[0].ssrcs.push(SsrcPair { ssrc: 10, rtx: None, encoding: 0 })),
        ("sent SSRC 20", |spec| spec.media.send[0].rtx_ssrc = Some(20)),
        ("payload type 72", |spec| spec.media.receive[0].codecs[0].payload_type = PayloadType(72)),
        ("payload type 128", |spec| spec.media.send[0].payload_types[0].to = PayloadType(128)),
        ("codec and repeats", |spec| spec.media.receive[0].codecs[0].rtx = Some(PayloadType(96))),
        ("clock rate", |spec| spec.media.receive[0].codecs[0].clock_rate = 0),
        ("rid", |spec| spec.media.receive[0].rids = vec!["ü".to_owned()]),
        ("rid a", |spec| spec.media.receive[0].rids = vec!["a".to_owned(); 2]),
    ];
    for (part, change) in cases {
        let mut broken = spec();
        change(&mut broken);
        let objection = session(&broken).expect_err(part);
        assert!(objection.contains(part), "{objection:?} names {part:?}");
    }
}

#[test]
fn a_payload_type_means_one_codec_in_the_whole_bundle() {
    let mut spec = spec();
    let mut other = spec.media.receive[0].clone();
    (other.mid, other.track, other.ssrcs) = ("2".to_owned(), TrackId(2), vec![]);
    spec.media.receive.push(other);
    assert_eq!(session(&spec), Ok(()), "the same codec in two m-lines is usual");
    spec.media.receive[1].codecs[0].codec = Codec::Vp9;
    assert!(session(&spec).expect_err("two codecs").contains("payload type 96"));
}
